//! Clients that come over HTTP (streamable HTTP), by TCP with a token or through a Unix socket. Each session has a server of its own.
//!
//! Nothing is resumed: a client that comes again begins again. A client that hangs up has gone, and what waits for people is not
//! executed for it any more.

mod guard;
mod open;

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::{BodyExt as _, Either, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Frame};
use hyper::header::{HeaderValue, InvalidHeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior};

use crate::era::{self, LEGACY_VERSIONS, MODERN_VERSIONS};
use crate::message::{ClientMessage, Id, Params, Rejected, read_client};
use crate::stdio::random;
use crate::{Era, MAX_CLIENT_MESSAGE, McpCode, McpError, Proxy, answer, raw};
use guard::{client, is_foreign, knows_host, sole};
use open::{Open, Reading, Said, new_secret};

/// Where the proxy is, below its address.
pub const PATH: &str = "/mcp";

/// How many connections there are at once.
const MAX_CONNECTIONS: usize = 512;

/// How long nobody is accepted after the system refused to.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// How long a connection may be quiet between requests, and how long a header may take.
const HEADER_TIME: Duration = Duration::from_secs(30);

/// How long an answer may take that is no stream.
const FIRST: Duration = Duration::from_secs(2);

/// How often a quiet stream says that it lives; so the end of a client is noticed.
const ALIVE: Duration = Duration::from_secs(15);

/// How long sessions may take to end.
const STOP_TIME: Duration = Duration::from_secs(15);

/// Where clients come in, and who they are.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "whoever starts one names all of it")]
pub struct Http<'a> {
    /// Where they come by TCP, with a token.
    pub tcp: Option<TcpListener>,
    /// Where they come without one: only those can connect whom its mode lets.
    pub unix: Option<&'a UnixListener>,
    /// The token of each client.
    pub tokens: Vec<String>,
    /// Values of `Host` that are this end's, beside `localhost` and its address.
    pub hosts: Vec<String>,
}

/// Whose session it is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Client {
    /// That of a token, by its place.
    Token(u64),
    /// Whoever can connect to the socket.
    Socket,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    sessions: usize,
    idle: Duration,
    /// How long a session is idle before it makes room for another where there are as many as there can be.
    spare: Duration,
    /// How often it is looked who is idle.
    look: Duration,
    body: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 64,
            idle: Duration::from_secs(30 * 60),
            spare: Duration::from_secs(60),
            look: Duration::from_secs(60),
            body: Duration::from_secs(30),
        }
    }
}

/// Answers clients until `stop`.
///
/// # Errors
/// [`McpError`]: the system gives no random numbers.
pub async fn serve(proxy: Proxy, http: Http<'_>, stop: impl Future<Output = ()>) -> Result<(), McpError> {
    serve_within(proxy, http, Limits::default(), stop).await
}

async fn serve_within(
    proxy: Proxy,
    http: Http<'_>,
    limits: Limits,
    stop: impl Future<Output = ()>,
) -> Result<(), McpError> {
    let Http {
        tcp,
        unix,
        tokens,
        hosts,
    } = http;
    let shared = Arc::new(Shared {
        proxy,
        tokens: tokens.iter().map(|token| guard::hash(token)).collect(),
        hosts,
        limits,
        sessions: Mutex::default(),
        places: Arc::new(Semaphore::new(limits.sessions)),
        beginning: tokio::sync::Mutex::default(),
        keys: Mutex::default(),
    });
    let mut connections = JoinSet::new();
    let mut looking = tokio::time::interval(limits.look);
    looking.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = accept_tcp(tcp.as_ref()) => match accepted {
                Ok((stream, local)) if connections.len() < MAX_CONNECTIONS => {
                    let _ = stream.set_nodelay(true);
                    connections.spawn(connection(Arc::clone(&shared), stream, Some(local)));
                }
                Ok(_) => {}
                Err(error) => not_accepted(&error).await,
            },
            accepted = accept_unix(unix) => match accepted {
                Ok(stream) if connections.len() < MAX_CONNECTIONS => {
                    connections.spawn(connection(Arc::clone(&shared), stream, None));
                }
                Ok(_) => {}
                Err(error) => not_accepted(&error).await,
            },
            _ = looking.tick() => shared.end_idle(),
            Some(_) = connections.join_next() => {}
        }
    }
    drop(tcp);
    for open in shared.sessions().values() {
        open.end();
    }
    // A place is free again once its session and the server behind have ended.
    let all = u32::try_from(limits.sessions).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(STOP_TIME, shared.places.acquire_many(all)).await;
    connections.shutdown().await;
    Ok(())
}

async fn accept_tcp(listener: Option<&TcpListener>) -> std::io::Result<(tokio::net::TcpStream, SocketAddr)> {
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    let (stream, _) = listener.accept().await?;
    let local = stream.local_addr()?;
    Ok((stream, local))
}

async fn accept_unix(listener: Option<&UnixListener>) -> std::io::Result<tokio::net::UnixStream> {
    match listener {
        Some(listener) => Ok(listener.accept().await?.0),
        None => std::future::pending().await,
    }
}

async fn not_accepted(error: &std::io::Error) {
    tracing::error!(%error, "nobody can be accepted");
    tokio::time::sleep(AFTER_FAILURE).await;
}

/// Answers the requests of a connection. `local` is the address of this end where it came by TCP.
async fn connection<S: AsyncRead + AsyncWrite + Unpin>(shared: Arc<Shared>, stream: S, local: Option<SocketAddr>) {
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move {
            let answered = shared.answer(request, local).await;
            Ok::<_, Infallible>(answered.unwrap_or_else(Refused::response))
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection ended");
    }
}

type Request = hyper::Request<hyper::body::Incoming>;
type Response = hyper::Response<Either<Full<Bytes>, Events>>;

/// What is answered instead.
#[derive(Debug)]
struct Refused {
    status: StatusCode,
    line: Vec<u8>,
}

impl Refused {
    fn new(status: StatusCode, code: McpCode, problem: &str) -> Self {
        Self::of(status, None, era::INVALID_REQUEST, code, problem)
    }

    fn of(status: StatusCode, id: Option<&Id>, number: i32, code: McpCode, problem: &str) -> Self {
        tracing::info!(code = code.as_str(), status = status.as_u16(), "request refused");
        let line = answer::error(id, number, code, problem);
        Self { status, line }
    }

    fn response(self) -> Response {
        let mut response = json(self.status, self.line);
        if self.status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert("www-authenticate", HeaderValue::from_static("Bearer"));
        }
        response
    }
}

fn json(status: StatusCode, line: Vec<u8>) -> Response {
    with_type(status, "application/json", Either::Left(Full::new(line.into())))
}

fn empty(status: StatusCode) -> Response {
    let mut response = hyper::Response::new(Either::Left(Full::default()));
    *response.status_mut() = status;
    response
}

fn events(first: Option<Said>, receiver: mpsc::Receiver<Said>, reading: Reading) -> Response {
    let mut alive = tokio::time::interval(ALIVE);
    alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let events = Events {
        first,
        receiver,
        alive,
        _reading: reading,
    };
    with_type(StatusCode::OK, "text/event-stream", Either::Right(events))
}

fn with_type(status: StatusCode, kind: &'static str, body: Either<Full<Bytes>, Events>) -> Response {
    let mut response = hyper::Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static(kind));
    headers.insert("cache-control", HeaderValue::from_static("no-store"));
    response
}

/// A stream of events. Its first event comes at once, if only a comment: so its head is sent.
#[derive(Debug)]
struct Events {
    first: Option<Said>,
    receiver: mpsc::Receiver<Said>,
    alive: Interval,
    _reading: Reading,
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = |bytes: Vec<u8>| Poll::Ready(Some(Ok(Frame::data(bytes.into()))));
        let said = match self.first.take() {
            Some(said) => Poll::Ready(Some(said)),
            None => self.receiver.poll_recv(context),
        };
        match said {
            Poll::Ready(Some(said)) => frame([b"event: message\ndata: ", &*said.line, b"\n\n"].concat()),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => match self.alive.poll_tick(context) {
                Poll::Ready(_) => frame(b":\n\n".to_vec()),
                Poll::Pending => Poll::Pending,
            },
        }
    }
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    proxy: Proxy,
    /// SHA-256 of each client's token.
    tokens: Vec<[u8; 32]>,
    hosts: Vec<String>,
    limits: Limits,
    /// By the secrets that name them.
    sessions: Mutex<HashMap<String, Arc<Open>>>,
    places: Arc<Semaphore>,
    /// Held while a session of the modern era begins, so that requests that come together share one.
    beginning: tokio::sync::Mutex<()>,
    /// With what states of requests are signed: any session of a client knows them.
    keys: Mutex<HashMap<Client, [u8; 32]>>,
}

impl Shared {
    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Arc<Open>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end_idle(&self) {
        let sessions = self.sessions();
        let is_over = |open: &&Arc<Open>| open.idle().is_some_and(|idle| idle >= self.limits.idle);
        for open in sessions.values().filter(is_over) {
            open.end();
        }
    }

    /// A place for a session. Many clients never say that they are done: where all places are taken, the one that has been idle for
    /// longest gives its own up, and its client begins anew when it comes again.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(place);
        }
        let longest = {
            let sessions = self.sessions();
            let idle = sessions.values().filter_map(|open| Some((open.idle()?, open)));
            let longest = idle.max_by_key(|(idle, _)| *idle);
            longest
                .filter(|(idle, _)| *idle >= self.limits.spare)
                .map(|(_, open)| Arc::clone(open))
        };
        longest?.end();
        let place = Arc::clone(&self.places).acquire_owned();
        tokio::time::timeout(STOP_TIME, place).await.ok()?.ok()
    }

    async fn answer(self: &Arc<Self>, request: Request, local: Option<SocketAddr>) -> Result<Response, Refused> {
        let client = self.admit(&request, local)?;
        match *request.method() {
            Method::POST => self.post(request, client).await,
            Method::GET => self.get(&request, client),
            Method::DELETE => {
                self.known(&request, client)?.end();
                Ok(empty(StatusCode::NO_CONTENT))
            }
            _ => Err(Refused::new(
                StatusCode::METHOD_NOT_ALLOWED,
                McpCode::HttpRefused,
                "the methods are POST, GET and DELETE",
            )),
        }
    }

    /// Who asks, unless nobody may ask so.
    fn admit(&self, request: &Request, local: Option<SocketAddr>) -> Result<Client, Refused> {
        let headers = request.headers();
        let refused = |status, problem: &str| Refused::new(status, McpCode::HttpRefused, problem);
        // A length beside it would be dropped by the parser, and whoever goes by that has seen another body (RFC 9112 §6.1).
        if headers.contains_key("transfer-encoding") {
            return Err(refused(
                StatusCode::LENGTH_REQUIRED,
                "the length of the body isn't stated",
            ));
        }
        let client = match local {
            // A browser can't connect to a Unix socket, and clients there name whatever host they like.
            None => {
                if is_foreign(headers, |_| false) {
                    return Err(refused(StatusCode::FORBIDDEN, "it is sent for a site"));
                }
                Client::Socket
            }
            Some(local) => {
                let is_own = |host: &str| knows_host(host, local, &self.hosts);
                let host = sole(headers, "host").map_err(|problem| refused(StatusCode::BAD_REQUEST, &problem))?;
                let target = request.uri().authority();
                if !host.is_some_and(is_own) || target.is_some_and(|target| !is_own(target.as_str())) {
                    return Err(refused(StatusCode::FORBIDDEN, "it is sent to another host"));
                }
                if is_foreign(headers, is_own) {
                    return Err(refused(StatusCode::FORBIDDEN, "it is sent for another site"));
                }
                client(headers, &self.tokens).ok_or_else(|| {
                    Refused::new(
                        StatusCode::UNAUTHORIZED,
                        McpCode::TokenRefused,
                        "it has no token of a client",
                    )
                })?
            }
        };
        if request.uri().path() != PATH {
            return Err(refused(StatusCode::NOT_FOUND, "the proxy is at /mcp"));
        }
        Ok(client)
    }

    /// The session that a request names, if it is its client's.
    fn known<B>(&self, request: &hyper::Request<B>, client: Client) -> Result<Arc<Open>, Refused> {
        let unknown = |status, problem: &str| Refused::new(status, McpCode::SessionUnknown, problem);
        let malformed = |problem: String| Refused::new(StatusCode::BAD_REQUEST, McpCode::HttpRefused, &problem);
        let id = sole(request.headers(), "mcp-session-id").map_err(malformed)?;
        let id = id.ok_or_else(|| unknown(StatusCode::BAD_REQUEST, "it names no session"))?;
        let version = sole(request.headers(), "mcp-protocol-version").map_err(malformed)?;
        if version.is_some_and(|version| !LEGACY_VERSIONS.contains(&version)) {
            let problem = "no session is of this version of the protocol";
            return Err(Refused::new(StatusCode::BAD_REQUEST, McpCode::VersionRefused, problem));
        }
        let open = self.sessions().get(id).cloned();
        let open = open.filter(|open| open.client == client && !open.is_modern && !open.is_over());
        open.ok_or_else(|| unknown(StatusCode::NOT_FOUND, "there is no such session"))
    }

    fn get(&self, request: &Request, client: Client) -> Result<Response, Refused> {
        if !accepts(request, "text/event-stream") {
            return Err(not_acceptable());
        }
        let open = self.known(request, client)?;
        let (receiver, reading) = open.listen().ok_or_else(|| {
            Refused::new(
                StatusCode::CONFLICT,
                McpCode::HttpRefused,
                "somebody listens to this session already",
            )
        })?;
        Ok(events(None, receiver, reading))
    }

    async fn post(self: &Arc<Self>, request: Request, client: Client) -> Result<Response, Refused> {
        let headers = request.headers().clone();
        let refused = |status, problem: &str| Refused::new(status, McpCode::HttpRefused, problem);
        let kind = headers.get("content-type").and_then(|value| value.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
        if !kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json")) {
            return Err(refused(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "a message is application/json",
            ));
        }
        if !(accepts(&request, "application/json") && accepts(&request, "text/event-stream")) {
            return Err(not_acceptable());
        }
        let (head, body) = request.into_parts();
        let collecting = Limited::new(body, MAX_CLIENT_MESSAGE).collect();
        let line = match tokio::time::timeout(self.limits.body, collecting).await {
            Err(_) => return Err(refused(StatusCode::REQUEST_TIMEOUT, "its body doesn't come")),
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                let problem = format!("a message is longer than {MAX_CLIENT_MESSAGE} bytes");
                return Err(Refused::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    McpCode::MessageTooLarge,
                    &problem,
                ));
            }
            Ok(Err(_)) => return Err(refused(StatusCode::BAD_REQUEST, "its body breaks off")),
        };
        let message = read_client(&line).map_err(|rejected| match rejected {
            Rejected::Dropped => Refused::new(StatusCode::BAD_REQUEST, McpCode::MessageMalformed, "it is no message"),
            Rejected::Refused { id, code, problem } => Refused::of(
                StatusCode::BAD_REQUEST,
                id.as_ref(),
                era::INVALID_REQUEST,
                code,
                &problem,
            ),
        })?;
        let stated =
            sole(&headers, "mcp-protocol-version").map_err(|problem| refused(StatusCode::BAD_REQUEST, &problem))?;
        let is_modern = match &message {
            ClientMessage::Request { method, params, .. } => {
                params.meta(era::META_VERSION).is_some() || *method == "server/discover"
            }
            ClientMessage::Notification { .. } | ClientMessage::Answer { .. } => {
                stated.is_some_and(|stated| MODERN_VERSIONS.contains(&stated))
            }
        };
        // The body is read; what is left of the request is what says which session it is of.
        let request = hyper::Request::from_parts(head, ());
        match message {
            ClientMessage::Request { id, method, params } if is_modern => {
                self.describes_itself(&request, client, &id, &method, &params, &line)
                    .await
            }
            ClientMessage::Request { id, method, .. }
                if method == "initialize" && !headers.contains_key("mcp-session-id") =>
            {
                self.initialize(client, &id, &line).await
            }
            ClientMessage::Request { id, .. } => {
                let open = self.known(&request, client)?;
                respond(&open, &id, &line, FIRST).await
            }
            ClientMessage::Notification { .. } | ClientMessage::Answer { .. } if is_modern => {
                // The end of a stream is how a request is withdrawn, and nobody was asked anything.
                Ok(empty(StatusCode::ACCEPTED))
            }
            ClientMessage::Notification { method, params } => {
                let open = self.known(&request, client)?;
                open.touch();
                open.session.from_client(&line).await;
                let withdrawn = params
                    .get("requestId")
                    .and_then(Id::read)
                    .filter(|_| method == "notifications/cancelled");
                if let Some(id) = withdrawn {
                    open.withdrawn(&id);
                }
                Ok(empty(StatusCode::ACCEPTED))
            }
            ClientMessage::Answer { .. } => {
                let open = self.known(&request, client)?;
                open.touch();
                open.session.from_client(&line).await;
                Ok(empty(StatusCode::ACCEPTED))
            }
        }
    }

    /// A session of the legacy era begins.
    async fn initialize(self: &Arc<Self>, client: Client, id: &Id, line: &[u8]) -> Result<Response, Refused> {
        let (secret, open) = self.begin(client, false, id).await?;
        // Unless its client learns its name, there is nothing to go on with.
        let unnamed = Unnamed(Some(Arc::clone(&open)));
        let response = respond(&open, id, line, Duration::MAX).await;
        if open.session.era() != Some(Era::Legacy) {
            return response;
        }
        unnamed.name();
        let value: Result<HeaderValue, InvalidHeaderValue> = secret.parse();
        response.map(|mut response| {
            if let Ok(value) = value {
                response.headers_mut().insert("mcp-session-id", value);
            }
            response
        })
    }

    /// A request of the modern era.
    async fn describes_itself(
        self: &Arc<Self>,
        request: &hyper::Request<()>,
        client: Client,
        id: &Id,
        method: &str,
        params: &Params<'_>,
        line: &[u8],
    ) -> Result<Response, Refused> {
        let version = params.meta(era::META_VERSION).and_then(raw::text);
        guard::matches_body(request.headers(), method, params).map_err(|problem| {
            Refused::of(
                StatusCode::BAD_REQUEST,
                Some(id),
                era::HEADER_MISMATCH,
                McpCode::HeaderMismatch,
                &problem,
            )
        })?;
        if !version
            .as_deref()
            .is_some_and(|version| MODERN_VERSIONS.contains(&version))
        {
            let problem = "this version of the protocol is not spoken here";
            let line = answer::unsupported(id, version.as_deref(), MODERN_VERSIONS, problem);
            return Err(Refused {
                status: StatusCode::BAD_REQUEST,
                line,
            });
        }
        let open = {
            let _beginning = self.beginning.lock().await;
            // Programs of one client count their requests alike: one that has an id that is in use gets a server of its own.
            let is_free = |open: &&Arc<Open>| {
                open.client == client && open.is_modern && !open.is_over() && !open.is_waited_for(id)
            };
            let found = self.sessions().values().find(is_free).cloned();
            match found {
                Some(open) => open,
                None => self.begin(client, true, id).await?.1,
            }
        };
        let response = respond(&open, id, line, FIRST).await;
        if open.session.era().is_none() && !open.is_busy() {
            // Its server is of the other era, most likely, and the client comes again with `initialize`.
            open.end();
        }
        response
    }

    /// Begins a session.
    async fn begin(self: &Arc<Self>, client: Client, is_modern: bool, id: &Id) -> Result<(String, Arc<Open>), Refused> {
        let failed = |error: McpError| Refused {
            status: StatusCode::OK,
            line: answer::unavailable(id, &error),
        };
        let Some(place) = self.place().await else {
            let problem = "there are as many sessions as the proxy has";
            let code = McpCode::TooManySessions;
            return Err(Refused::of(
                StatusCode::SERVICE_UNAVAILABLE,
                Some(id),
                era::INTERNAL,
                code,
                problem,
            ));
        };
        let secret = new_secret().map_err(failed)?;
        let key = self.key(client).map_err(failed)?;
        let at_end = {
            let (shared, secret) = (Arc::downgrade(self), secret.clone());
            move || {
                if let Some(shared) = shared.upgrade() {
                    shared.sessions().remove(&secret);
                }
                drop(place);
            }
        };
        let open = Open::begin(&self.proxy, client, is_modern, key, at_end)
            .await
            .map_err(failed)?;
        self.sessions().insert(secret.clone(), Arc::clone(&open));
        if open.is_over() {
            // It may have ended before it was there to be removed.
            self.sessions().remove(&secret);
        }
        Ok((secret, open))
    }

    fn key(&self, client: Client) -> Result<[u8; 32], McpError> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = keys.get(&client) {
            return Ok(*key);
        }
        let key = random()?;
        keys.insert(client, key);
        Ok(key)
    }
}

/// A session whose client doesn't know its name yet; it ends with this.
struct Unnamed(Option<Arc<Open>>);

impl Unnamed {
    fn name(mut self) {
        self.0 = None;
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        if let Some(open) = &self.0 {
            open.end();
        }
    }
}

/// Hands a request to its session, and answers with one message if its answer comes soon, else with a stream.
async fn respond(open: &Arc<Open>, id: &Id, line: &[u8], first: Duration) -> Result<Response, Refused> {
    let (mut receiver, reading) = open.wait_for(id).map_err(|code| match code {
        McpCode::SessionUnknown => Refused::new(StatusCode::NOT_FOUND, code, "there is no such session"),
        _ => Refused::new(StatusCode::BAD_REQUEST, code, &format!("the id {id} is in use")),
    })?;
    // A client that hangs up meanwhile drops this: nothing of the session goes on by itself until it has the request.
    open.session.from_client(line).await;
    let said = tokio::time::timeout(first, receiver.recv()).await;
    match said {
        Ok(Some(said)) if said.is_answer => Ok(json(StatusCode::OK, said.line)),
        Ok(said) => Ok(events(said, receiver, reading)),
        Err(_) => Ok(events(None, receiver, reading)),
    }
}

fn not_acceptable() -> Refused {
    let problem = "clients take application/json and text/event-stream";
    Refused::new(StatusCode::NOT_ACCEPTABLE, McpCode::HttpRefused, problem)
}

fn accepts<B>(request: &hyper::Request<B>, kind: &str) -> bool {
    let group = kind.split('/').next().unwrap_or_default();
    let mut ranges = request.headers().get_all("accept").iter();
    ranges.any(|value| {
        let ranges = value.to_str().unwrap_or_default().split(',');
        let mut essences = ranges.map(|range| range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
        essences.any(|essence| essence == kind || essence == "*/*" || essence == format!("{group}/*"))
    })
}

#[cfg(test)]
mod tests;
