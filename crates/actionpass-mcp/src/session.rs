//! [`Session`]: one client's connection to one server, as a state machine. It is fed with the messages of both and gives the
//! messages for both; who carries them is another matter.

mod call;
mod flights;
mod server;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actionpass_door::{Door, Mode};
use actionpass_gate::{ListedTool, Pins, ToolState};
use serde_json::json;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::answer::{self, Told};
use crate::era::{self, Era, LEGACY_VERSIONS, MODERN_VERSIONS};
use crate::listing::{Listing, Pages};
use crate::message::{self, ClientMessage, Id, Params, Rejected, read_client};
use crate::raw::{self, ObjectWriter};
use crate::state::StateKey;
use crate::{McpCode, Settings};
use call::Call;
use flights::{Answered, Flight, Flights};

/// How long the proxy waits for a page of the server's tools.
const LIST_TIMEOUT: Duration = Duration::from_secs(30);

/// How long calls may take to be answered and reported once both sides are gone.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(8);

/// How many messages wait for a slow reader.
const QUEUE: usize = 64;

/// How many tasks of a server are remembered: those that were named last.
const MAX_TASKS: usize = 4096;

/// How many requests of a server may wait for the client.
const MAX_ASKED: usize = 256;

/// A message for the server.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ToServer {
    /// The message, one line without its end.
    pub line: Vec<u8>,
    /// Of a request: its id.
    pub id: Option<Id>,
    /// Of a request or notification: its method.
    pub method: String,
    /// Of a request that names something: the tool, prompt or address.
    pub name: Option<String>,
    /// The version that a request states for itself.
    pub version: Option<String>,
    /// The pass of a call.
    pub pass: Option<String>,
    /// Of a notification that withdraws a request: that request.
    pub cancels: Option<Id>,
}

/// A message for the client.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ToClient {
    /// The message, one line without its end.
    pub line: Vec<u8>,
    /// The client's request that it belongs to.
    pub about: Option<Id>,
    /// Whether it is that request's answer.
    pub is_answer: bool,
}

/// One client's connection to one server.
pub struct Session {
    door: Arc<dyn Door>,
    settings: Settings,
    id: String,
    key: StateKey,
    to_server: mpsc::Sender<ToServer>,
    to_client: mpsc::Sender<ToClient>,
    state: Mutex<State>,
    listing: tokio::sync::Mutex<Option<(u64, Arc<Listing>)>>,
    own: AtomicU64,
    dropped: AtomicU64,
    /// How many tasks run.
    running: watch::Sender<usize>,
    closing: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// As the server answered; until then each request speaks for itself.
    era: Option<Era>,
    /// What the client of a legacy connection may be asked.
    client: Capabilities,
    flights: Flights,
    /// Requests of the server that wait for the client.
    asked: Vec<Id>,
    /// Requests of the proxy's own.
    own: HashMap<Id, oneshot::Sender<Answered>>,
    tasks: Vec<String>,
    /// Which list of tools is the current one: counted up when the server says that it changed.
    generation: u64,
    /// Calls whose client was sent to the page already.
    elicited: Vec<actionpass_model::Digest>,
    is_client_gone: bool,
    is_server_gone: bool,
}

/// What a client says that it can be asked.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a capability of the protocol")]
struct Capabilities {
    elicitation: bool,
    elicitation_url: bool,
    sampling: bool,
    roots: bool,
    tasks: bool,
}

impl Capabilities {
    fn read(capabilities: &[u8]) -> Self {
        let has = |name: &str| raw::member(capabilities, name).is_some_and(|value| value.first() == Some(&b'{'));
        let url = raw::member(capabilities, "elicitation").and_then(|elicitation| raw::member(elicitation, "url"));
        Self {
            elicitation: has("elicitation"),
            elicitation_url: url.is_some_and(|url| url.first() == Some(&b'{')),
            sampling: has("sampling"),
            roots: has("roots"),
            tasks: has("tasks"),
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What is passed on of requests that are no calls, and the members of their `params`.
const PASSED: &[(&str, &[&str])] = &[
    ("completion/complete", &["ref", "argument", "context"]),
    ("initialize", &["protocolVersion", "capabilities", "clientInfo"]),
    ("logging/setLevel", &["level"]),
    ("ping", &[]),
    ("prompts/list", &["cursor"]),
    ("resources/list", &["cursor"]),
    ("resources/templates/list", &["cursor"]),
    ("server/discover", &[]),
    ("subscriptions/listen", &["notifications"]),
    ("tasks/cancel", &["taskId"]),
    ("tasks/get", &["taskId"]),
    ("tasks/list", &["cursor"]),
    ("tasks/result", &["taskId"]),
];

/// The members of `params` of notifications; others have none but `_meta`.
const NOTIFIED: &[(&str, &[&str])] = &[
    ("notifications/cancelled", &["requestId", "reason"]),
    (
        "notifications/progress",
        &["progressToken", "progress", "total", "message"],
    ),
];

impl Session {
    /// A connection with this id, and the messages for its server and its client. Nothing is sent before the client asks.
    #[must_use]
    pub fn new(
        door: Arc<dyn Door>,
        settings: Settings,
        id: String,
        key: [u8; 32],
    ) -> (Arc<Self>, mpsc::Receiver<ToServer>, mpsc::Receiver<ToClient>) {
        let (to_server, server) = mpsc::channel(QUEUE);
        let (to_client, client) = mpsc::channel(QUEUE);
        let session = Arc::new(Self {
            door,
            settings,
            id,
            key: StateKey::new(key),
            to_server,
            to_client,
            state: Mutex::default(),
            listing: tokio::sync::Mutex::default(),
            own: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            running: watch::Sender::new(0),
            closing: Notify::new(),
        });
        (session, server, client)
    }

    /// How many lines of both sides were dropped, because they are no messages or nobody waits for them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// How the connection speaks, once the server has said so.
    #[must_use]
    pub fn era(&self) -> Option<Era> {
        self.state().era
    }

    /// A message of the client. Calls are judged in tasks of their own, so it returns before they are.
    pub async fn from_client(self: &Arc<Self>, line: &[u8]) {
        match read_client(line) {
            Err(Rejected::Dropped) => self.drop_line("client", "no JSON object"),
            Err(Rejected::Refused { id, code, problem }) => self.reject(id, code, &problem).await,
            Ok(ClientMessage::Request { id, method, params }) => self.request(id, &method, &params).await,
            Ok(ClientMessage::Notification { method, params }) => self.notified(&method, &params).await,
            Ok(ClientMessage::Answer { id, result }) => self.answered(&id, result).await,
        }
    }

    /// A line of the client that is longer than [`MAX_CLIENT_MESSAGE`](crate::MAX_CLIENT_MESSAGE).
    pub async fn from_client_too_long(&self) {
        let problem = format!("a message is longer than {} bytes", message::MAX_CLIENT_MESSAGE);
        self.reject(None, McpCode::MessageTooLarge, &problem).await;
    }

    /// The client has gone: what waits is not called any more.
    pub fn client_gone(&self) {
        let mut state = self.state();
        state.is_client_gone = true;
        state.flights.cancel_waiting();
    }

    /// Whether either side is gone.
    pub(crate) fn is_over(&self) -> bool {
        let state = self.state();
        state.is_client_gone || state.is_server_gone
    }

    /// What the server said of its tools may have been missed: they are read again.
    pub(crate) fn tools_may_differ(&self) {
        let mut state = self.state();
        state.generation = state.generation.saturating_add(1);
    }

    /// Nothing more is said to the server once it has what was said.
    pub fn close(&self) {
        self.closing.notify_one();
    }

    /// Until [`close`](Self::close). One waits for it: who carries messages to the server.
    pub async fn closed(&self) {
        self.closing.notified().await;
    }

    /// Until every call is answered and what came of it is reported, but no longer than reports may take.
    pub async fn settled(&self) {
        let mut running = self.running.subscribe();
        let _ = tokio::time::timeout(SETTLE_TIMEOUT, running.wait_for(|count| *count == 0)).await;
    }

    fn spawn(self: &Arc<Self>, work: impl Future<Output = ()> + Send + 'static) {
        self.running.send_modify(|count| *count = count.saturating_add(1));
        let running = Running(Arc::clone(self));
        tokio::spawn(async move {
            work.await;
            drop(running);
        });
    }

    /// The client gives up one request, as by `notifications/cancelled`.
    pub async fn give_up(self: &Arc<Self>, id: &Id) {
        let params = ObjectWriter::new().member("requestId", &id.to_json()).finish();
        let line = message::notification("notifications/cancelled", Some(&params));
        self.from_client(&line).await;
    }

    /// Nobody waits for the answer to a request any more: what the server doesn't have it doesn't get. In the modern era the end of a
    /// stream is how a request is cancelled.
    pub(crate) async fn hung_up(self: &Arc<Self>, id: &Id) {
        if self.era() == Some(Era::Modern) {
            return self.give_up(id).await;
        }
        self.state().flights.cancel_unsent(id);
    }

    /// Whether a request with this id has no answer yet.
    pub(crate) fn is_waited_for(&self, id: &Id) -> bool {
        self.state().flights.is_used(id)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn drop_line(&self, from: &'static str, why: &'static str) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(from, why, "line dropped");
    }

    async fn tell(&self, about: Option<&Id>, is_answer: bool, line: Vec<u8>) {
        let message = ToClient {
            line,
            about: about.cloned(),
            is_answer,
        };
        if self.to_client.send(message).await.is_err() {
            self.client_gone();
        }
    }

    async fn error(&self, id: &Id, number: i32, code: McpCode, problem: &str) {
        tracing::info!(code = code.as_str(), "request refused");
        self.tell(Some(id), true, answer::error(Some(id), number, code, problem))
            .await;
    }

    /// Refuses a message that may not even be a request. An id that is in use is not answered a second time.
    async fn reject(&self, id: Option<Id>, code: McpCode, problem: &str) {
        tracing::info!(code = code.as_str(), "message refused");
        let id = id.filter(|id| !self.state().flights.is_used(id));
        let line = answer::error(id.as_ref(), era::INVALID_REQUEST, code, problem);
        self.tell(id.as_ref(), id.is_some(), line).await;
    }

    async fn request(self: &Arc<Self>, id: Id, method: &str, params: &Params<'_>) {
        // Whatever is wrong with it: its answer would be taken for that of the other one.
        if self.state().flights.is_used(&id) {
            return self.reject_id(&id, McpCode::IdRefused).await;
        }
        let era = match self.era_of(&id, method, params) {
            Ok(era) => era,
            Err(line) => return self.tell(Some(&id), true, line).await,
        };
        let is_call = matches!(method, "resources/read" | "prompts/get" | "tasks/update")
            || self.settings.server.methods.iter().any(|listed| listed == method);
        let passed = PASSED.iter().find(|(name, _)| *name == method);
        if !(is_call || passed.is_some() || matches!(method, "tools/call" | "tools/list")) {
            let problem = format!("the method `{}` is not passed on", method.escape_debug());
            return self
                .error(&id, era::METHOD_NOT_FOUND, McpCode::MethodRefused, &problem)
                .await;
        }
        if let (true, Some(task)) = (method.starts_with("tasks/"), params.get("taskId")) {
            let task = raw::text(task);
            if !task.is_some_and(|task| self.state().tasks.iter().any(|known| *known == *task)) {
                let problem = "no answer of this connection named such a task";
                return self
                    .error(&id, era::INVALID_PARAMS, McpCode::TaskUnknown, problem)
                    .await;
            }
        }
        let begun = self.state().flights.begin(&id, method, params.meta(era::META_PROGRESS));
        let flight = match begun {
            Ok(flight) => flight,
            Err(code) => return self.reject_id(&id, code).await,
        };
        match (method, passed) {
            ("tools/list", _) => {
                if params.get("cursor").is_some() {
                    self.state().flights.end(&id);
                    let problem = "the list of tools has one page: no cursor was given";
                    return self
                        .error(&id, era::INVALID_PARAMS, McpCode::MessageMalformed, problem)
                        .await;
                }
                let (session, meta) = (Arc::clone(self), own_meta(params));
                self.spawn(async move { session.list(id, flight, era, meta).await });
            }
            (_, Some((_, known))) if !is_call => {
                let written = params.written(known);
                let line = message::request(&id, method, params.is_present.then_some(written.as_slice()));
                let message = ToServer {
                    name: params.text("name").or_else(|| params.text("uri")).map(Into::into),
                    version: params.meta(era::META_VERSION).and_then(raw::text).map(Into::into),
                    ..ToServer::request(id.clone(), method, line)
                };
                if method == "initialize" {
                    self.state().client = Capabilities::read(params.get("capabilities").unwrap_or_default());
                }
                if self.send(message, &flight, None).await.is_err() {
                    self.finish(
                        &id,
                        &flight,
                        answer::error(Some(&id), era::SERVER_FAILED, McpCode::ServerGone, "the server is gone"),
                    )
                    .await;
                }
            }
            _ => match Call::read(id.clone(), method, params, era, flight) {
                Ok(call) => {
                    let session = Arc::clone(self);
                    self.spawn(async move { session.call(call).await });
                }
                Err((code, problem)) => {
                    self.state().flights.end(&id);
                    self.error(&id, era::INVALID_PARAMS, code, &problem).await;
                }
            },
        }
    }

    async fn reject_id(&self, id: &Id, code: McpCode) {
        let problem = match code {
            McpCode::IdRefused => format!("the id {id} is in use"),
            _ => "too many requests wait for their answers".to_owned(),
        };
        let about = (code != McpCode::IdRefused).then_some(id);
        let line = answer::error(about, era::INVALID_REQUEST, code, &problem);
        self.tell(about, about.is_some(), line).await;
    }

    /// Which era a request is of, or what it is answered if the connection is of the other one.
    fn era_of(&self, id: &Id, method: &str, params: &Params<'_>) -> Result<Era, Vec<u8>> {
        let stated = params.meta(era::META_VERSION);
        let version = stated.and_then(raw::text);
        let of = match (method, stated) {
            ("server/discover", _) | (_, Some(_)) => Era::Modern,
            _ => Era::Legacy,
        };
        let (connected, begins) = {
            let state = self.state();
            (state.era, state.flights.has("initialize"))
        };
        let problem = match (of, connected) {
            _ if begins && (of == Era::Modern || method == "initialize") => "the connection is being initialized",
            (_, Some(connected)) if connected != of => "the connection is of another version of the protocol",
            (Era::Modern, _) if method == "initialize" => "`initialize` states its version by itself",
            (Era::Modern, _)
                if !version
                    .as_deref()
                    .is_some_and(|version| MODERN_VERSIONS.contains(&version)) =>
            {
                "this version of the protocol is not spoken here"
            }
            (Era::Legacy, None) if !matches!(method, "initialize" | "ping") => {
                let problem = "the connection begins with `initialize`, or each request states its version";
                let supported: Vec<&str> = MODERN_VERSIONS.iter().chain(LEGACY_VERSIONS).copied().collect();
                let data = json!({ "code": McpCode::NotInitialized.as_str(), "supported": supported });
                return Err(answer::error_with(Some(id), era::INVALID_REQUEST, problem, &data));
            }
            (Era::Legacy, Some(_)) if method == "initialize" => "the connection is initialized already",
            _ => return Ok(of),
        };
        let supported = connected.map_or(MODERN_VERSIONS, Era::versions);
        Err(answer::unsupported(id, version.as_deref(), supported, problem))
    }

    /// A notification of the client.
    async fn notified(self: &Arc<Self>, method: &str, params: &Params<'_>) {
        if !method.starts_with("notifications/") {
            return self.drop_line("client", "a notification of another method");
        }
        let mut cancels = None;
        if method == "notifications/cancelled" {
            let Some(id) = params.get("requestId").and_then(Id::read) else {
                return self.drop_line("client", "a cancellation of no request");
            };
            // What the server never got is not its business.
            if !self.state().flights.cancel(&id) {
                return;
            }
            cancels = Some(id);
        }
        if self.state().is_server_gone {
            return;
        }
        let known = NOTIFIED
            .iter()
            .find(|(name, _)| *name == method)
            .map_or(&[][..], |(_, known)| known);
        let written = params.written(known);
        let line = message::notification(method, params.is_present.then_some(written.as_slice()));
        let message = ToServer {
            cancels,
            ..ToServer::other(method, line)
        };
        if self.to_server.send(message).await.is_err() {
            self.server_gone();
        }
    }

    /// The client's answer to a request of the server.
    async fn answered(&self, id: &Id, result: Result<&[u8], &[u8]>) {
        {
            let mut state = self.state();
            let Some(at) = state.asked.iter().position(|asked| asked == id) else {
                drop(state);
                return self.drop_line("client", "an answer to nothing");
            };
            state.asked.remove(at);
        }
        let without = |value: &[u8]| raw::without_own(value).into_owned();
        let result = result.map(without).map_err(without);
        let line = message::answer(id, result.as_deref().map_err(Vec::as_slice));
        if self.to_server.send(ToServer::other("", line)).await.is_err() {
            self.server_gone();
        }
    }

    /// Hands a request to the server, unless it was given up. From then on nobody knows what becomes of it.
    async fn send(
        &self,
        message: ToServer,
        flight: &Flight,
        answered: Option<oneshot::Sender<Answered>>,
    ) -> Result<(), NotSent> {
        let slot = self.to_server.reserve().await.map_err(|_| NotSent::ServerGone)?;
        let mut state = self.state();
        if state.is_server_gone {
            return Err(NotSent::ServerGone);
        }
        if state.is_client_gone || !state.flights.sent(flight, answered) {
            return Err(NotSent::GivenUp);
        }
        slot.send(message);
        Ok(())
    }

    /// Answers a request of the client, unless it was given up.
    async fn finish(&self, id: &Id, flight: &Flight, line: Vec<u8>) {
        let is_waiting = self.state().flights.end_of(flight);
        if is_waiting {
            self.tell(Some(id), true, line).await;
        }
    }

    /// Answers `tools/list`: from the server's own list, read anew.
    async fn list(self: Arc<Self>, id: Id, flight: Flight, era: Era, meta: Vec<(String, Vec<u8>)>) {
        let observes = self.door.mode() == Mode::Observe;
        let listed = tokio::select! {
            biased;
            () = flight.given_up() => return,
            listed = self.read_list(true, &meta) => listed,
        };
        let line = match listed {
            Ok(listing) => message::answer(&id, Ok(&listing.view(era, observes))),
            Err((code, problem)) => {
                let problem = format!("the server {problem}");
                answer::error(Some(&id), era::SERVER_FAILED, code, &problem)
            }
        };
        self.finish(&id, &flight, line).await;
    }

    /// The server's tools as they are listed now; read anew if the server said that they changed, or if that is wanted.
    async fn read_list(&self, anew: bool, meta: &[(String, Vec<u8>)]) -> Result<Arc<Listing>, (McpCode, String)> {
        let asked_at = self.state().generation;
        let mut known = self.listing.lock().await;
        if let Some((generation, listing)) = &*known {
            // Whoever waited for the lock while it was read doesn't read it again.
            let is_current = *generation == self.state().generation;
            if is_current && (!anew || *generation > asked_at) {
                return Ok(Arc::clone(listing));
            }
        }
        *known = None;
        for _ in 0..3 {
            let generation = {
                let mut state = self.state();
                // So that two clients' lists of one moment need one reading.
                if anew {
                    state.generation = state.generation.saturating_add(1);
                }
                state.generation
            };
            let listing = Arc::new(self.read_pages(meta).await?);
            if self.state().generation == generation {
                *known = Some((generation, Arc::clone(&listing)));
                return Ok(listing);
            }
        }
        Err((McpCode::ListRefused, "changes its tools while they are read".to_owned()))
    }

    async fn read_pages(&self, meta: &[(String, Vec<u8>)]) -> Result<Listing, (McpCode, String)> {
        let refused = |problem: String| (McpCode::ListRefused, problem);
        let mut pages = Pages::default();
        let mut cursor: Option<Vec<u8>> = None;
        loop {
            let mut params = ObjectWriter::new().optional("cursor", cursor.as_deref());
            if !meta.is_empty() {
                let meta = meta
                    .iter()
                    .fold(ObjectWriter::new(), |out, (name, value)| out.member(name, value));
                params = params.member("_meta", &meta.finish());
            }
            let result = self.ask_server("tools/list", &params.finish(), meta).await?;
            cursor = pages.take(&result).map_err(refused)?;
            if cursor.is_none() {
                break;
            }
        }
        let server = &self.settings.server;
        let tools = pages.read(&server.meta).map_err(refused)?;
        let states = self.states_of(&tools).await?;
        Ok(pages.finish(tools, states, &server.meta))
    }

    /// How listed tools stand now.
    async fn states_of(&self, tools: &[ListedTool]) -> Result<Vec<ToolState>, (McpCode, String)> {
        let server = &self.settings.server;
        if !server.is_declared {
            // Nobody approved anything of a server that nobody declared.
            return Ok(Pins::default().judge(&server.name, &self.settings.origin, tools));
        }
        let states = self.door.listed(&server.name, &self.settings.origin, tools).await;
        states.map_err(|error| {
            (
                McpCode::ListRefused,
                format!("lists tools that can't be judged: {error}"),
            )
        })
    }

    /// The server's list for a call of this tool. What people say of tools doesn't wait until they are listed again.
    async fn list_of_call(&self, tool: &str, meta: &[(String, Vec<u8>)]) -> Result<Arc<Listing>, (McpCode, String)> {
        let listing = self.read_list(false, meta).await?;
        if listing.is_stale() || matches!(listing.callable(tool), Some(Err(_))) {
            listing.judged(self.states_of(listing.tools()).await?);
        }
        Ok(listing)
    }

    /// A request of the proxy's own; its result.
    async fn ask_server(
        &self,
        method: &str,
        params: &[u8],
        meta: &[(String, Vec<u8>)],
    ) -> Result<Vec<u8>, (McpCode, String)> {
        let gone = || (McpCode::ServerGone, "is gone".to_owned());
        let id = Id::own(self.own.fetch_add(1, Ordering::Relaxed));
        let (sender, answered) = oneshot::channel();
        let version = meta.iter().find(|(name, _)| name == era::META_VERSION);
        let message = ToServer {
            version: version.and_then(|(_, version)| raw::text(version)).map(Into::into),
            ..ToServer::request(id.clone(), method, message::request(&id, method, Some(params)))
        };
        {
            let mut state = self.state();
            if state.is_server_gone {
                return Err(gone());
            }
            state.own.insert(id.clone(), sender);
        }
        let _waiting = Waiting { session: self, id };
        let is_sent = self.to_server.send(message).await.is_ok();
        let answered = if is_sent {
            tokio::time::timeout(LIST_TIMEOUT, answered).await
        } else {
            return Err(gone());
        };
        match answered {
            Ok(Ok(Ok(line))) => match message::read_server(&line) {
                Some(message::ServerMessage::Answer { result: Ok(result), .. }) => Ok(result.to_vec()),
                _ => Err((McpCode::ListRefused, "refuses to list its tools".to_owned())),
            },
            Ok(Ok(Err(code))) => Err((code, "answers with something that can't be read".to_owned())),
            Ok(Err(_)) => Err(gone()),
            Err(_) => Err((McpCode::ListRefused, "doesn't list its tools in time".to_owned())),
        }
    }

    /// The deny of the proxy itself.
    fn deny(&self, call: &Call, told: &Told) -> Vec<u8> {
        told.answer(&call.asked(self.settings.deny_as))
    }
}

/// A task that runs, until this is dropped: also when it fails.
struct Running(Arc<Session>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// A request of the proxy's own that waits for its answer, until this is dropped: also when nobody wants it any more.
struct Waiting<'a> {
    session: &'a Session,
    id: Id,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.session.state().own.remove(&self.id);
    }
}

/// Why a request was not handed to the server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum NotSent {
    ServerGone,
    GivenUp,
}

/// What the proxy's own requests state of the client, as the client states it.
fn own_meta(params: &Params<'_>) -> Vec<(String, Vec<u8>)> {
    let names = [era::META_VERSION, era::META_CLIENT, era::META_CAPABILITIES];
    let stated = names
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), params.meta(name)?.to_vec())));
    if params.meta(era::META_VERSION).is_some() {
        stated.collect()
    } else {
        Vec::new()
    }
}

impl ToServer {
    fn request(id: Id, method: &str, line: Vec<u8>) -> Self {
        Self {
            id: Some(id),
            ..Self::other(method, line)
        }
    }

    fn other(method: &str, line: Vec<u8>) -> Self {
        Self {
            line,
            id: None,
            method: method.to_owned(),
            name: None,
            version: None,
            pass: None,
            cancels: None,
        }
    }
}

#[cfg(test)]
mod tests;
