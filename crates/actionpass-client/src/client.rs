//! [`Client`]: questions to one service, each bounded in time and size.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use actionpass_model::{ActionId, Agent, Decision, JsonObject, RequestId, RequestState, Tenant};
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{HeaderValue, Method, Request, Response, Uri, header};
use ureq::{Agent as Connections, AsSendBody, Body, Proxy, RequestExt};

use crate::api::{
    AuthorizeAnswer, AuthorizeRequest, CastVote, FullRequest, JwkSet, LedgerHead, Lifted, NewRevocation,
    OpenInvitation, OutcomeAnswer, OutcomeReport, PROBLEM_MEDIA_TYPE, PendingInvitation, Problem, RecordList,
    RegisterPasskey, RegisteredPasskey, RequestItem, RequestList, Revoked, ServerList, ServerOrigin, ToolStates,
    Verdict, VerifyRequest,
};
use crate::events::{Events, Updates};
use crate::{ClientError, tls};

/// How long a question may take, beyond what it asks to wait for people.
const TIME: Duration = Duration::from_secs(30);
/// How long a connection may take to be made.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// How long an export may take.
const EXPORT_TIME: Duration = Duration::from_secs(60 * 60);
/// A request with a payload of a mebibyte and its view is a part of this.
const MAX_ANSWER_BYTES: u64 = 32 * 1024 * 1024;
/// How often a question is asked that may be asked again.
const TRIES: u32 = 3;
/// How long to leave a service alone that can't be reached.
const PAUSE: Duration = Duration::from_millis(200);
/// The longest that a service is left alone because it says so.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// A client of one service, with one token. It blocks; its connections are shared by whoever shares it.
///
/// - The address is https, or http to this machine: a token isn't sent over a network in the clear. Redirects aren't followed, and
///   no proxy of the environment is asked unless [`with_environment_proxy`](Self::with_environment_proxy) says so.
/// - A question has 30 seconds, and those that it waits for people; an answer has 32 MiB at most.
/// - What only reads is asked up to three times where the service can't be reached or is overloaded, and so is
///   [`authorize`](Self::authorize), which carries one idempotency key over all of them. Nothing else is ever sent twice.
/// - The Unix socket of a service isn't spoken to: for that use a program of your own.
pub struct Client {
    connections: Connections,
    base: String,
    is_tls: bool,
    authorization: HeaderValue,
}

/// A document as the service has it, byte for byte.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Document {
    /// The version, for [`Client::trust_if_changed`].
    pub etag: Option<String>,
    /// The text.
    pub text: String,
}

/// One question.
pub(crate) struct Asked<'a> {
    pub(crate) method: Method,
    /// The path and query.
    pub(crate) path: &'a str,
    pub(crate) body: Option<&'a [u8]>,
    /// A header beside those of every question.
    pub(crate) header: Option<(&'static str, &'a str)>,
    pub(crate) accept: &'static str,
    pub(crate) time: Duration,
    /// Whether nothing more is done if it is asked again.
    pub(crate) is_repeatable: bool,
    /// The status of a success.
    success: u16,
}

impl<'a> Asked<'a> {
    pub(crate) const fn get(path: &'a str) -> Self {
        Self {
            method: Method::GET,
            path,
            body: None,
            header: None,
            accept: "application/json",
            time: TIME,
            is_repeatable: true,
            success: 200,
        }
    }

    fn post(path: &'a str, body: &'a [u8]) -> Self {
        Self {
            method: Method::POST,
            body: Some(body),
            is_repeatable: false,
            ..Self::get(path)
        }
    }
}

impl Client {
    /// A client of the service at `url`, `https://gate.example.com` or `http://localhost:8311`, with the token that
    /// `actionpass clients add` printed.
    ///
    /// # Errors
    /// [`ClientError::Address`], [`ClientError::Token`].
    pub fn new(url: &str, token: &str) -> Result<Self, ClientError> {
        let server: Uri = url.parse().map_err(|_| ClientError::Address("is no URL"))?;
        let is_tls = is_tls(&server)?;
        let authority = server.authority().map_or("", |authority| authority.as_str());
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ClientError::Token("is empty, or has characters that no token has"));
        }
        let mut authorization = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| ClientError::Token("has characters that no token has"))?;
        authorization.set_sensitive(true);
        Ok(Self {
            connections: connections(is_tls, None),
            base: format!("{}://{authority}", if is_tls { "https" } else { "http" }),
            is_tls,
            authorization,
        })
    }

    /// The same by way of the proxy that the environment names (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`), for https only.
    #[must_use]
    pub fn with_environment_proxy(mut self) -> Self {
        if self.is_tls {
            self.connections = connections(true, Proxy::try_from_env());
        }
        self
    }

    /// Where the service is.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.base
    }

    /// Asks for a decision. Only an allow has a pass, and only a pass permits the call.
    ///
    /// An action without an id of its own gets a fresh one as its idempotency key, so that the same question is asked again where
    /// the answer was lost and no second decision is made.
    ///
    /// # Errors
    /// [`ClientError`]: nothing is allowed.
    pub fn authorize(&self, request: &AuthorizeRequest) -> Result<AuthorizeAnswer, ClientError> {
        let action = request.action.as_ref().map(JsonObject::get);
        let stated = action
            .and_then(|action| action.get("id"))
            .and_then(serde_json::Value::as_str);
        let fresh = if stated.is_none() { Some(self.fresh_id()?) } else { None };
        let body = self.body(request)?;
        let mut asked = Asked::post("/v1/authorize", &body);
        asked.header = fresh.as_ref().map(|key| ("idempotency-key", key.as_str()));
        asked.time = TIME.saturating_add(Duration::from_secs(request.wait.unwrap_or(0)));
        asked.is_repeatable = true;
        let answer: AuthorizeAnswer = self.ask(&asked)?;
        // What is only observed gives no pass, whatever was decided.
        let gives = answer.decision == Decision::Allow && request.observe != Some(true);
        if gives != answer.pass.is_some() {
            return Err(self.malformed("an allow without a pass, or a pass without an allow"));
        }
        let expected = stated.or(fresh.as_ref().map(ActionId::as_str));
        if expected != Some(answer.action_id.as_str()) {
            return Err(self.malformed("it is about another action"));
        }
        Ok(answer)
    }

    /// Whether a pass permits a call. The pass stays unused: nobody executes on this answer alone.
    ///
    /// # Errors
    /// [`ClientError`]: nothing is permitted.
    pub fn verify(&self, request: &VerifyRequest) -> Result<Verdict, ClientError> {
        self.verdict("/v1/verify", request, true)
    }

    /// Uses a pass up. Only a verdict that is `valid` and `consumed` lets the call be made, with its payload.
    ///
    /// It is asked once. Where its answer is lost the pass may be used up, and the call counts as not made.
    ///
    /// # Errors
    /// [`ClientError`]: the call is not made.
    pub fn consume(&self, request: &VerifyRequest) -> Result<Verdict, ClientError> {
        self.verdict("/v1/consume", request, false)
    }

    fn verdict(&self, path: &str, request: &VerifyRequest, is_repeatable: bool) -> Result<Verdict, ClientError> {
        let body = self.body(request)?;
        let mut asked = Asked::post(path, &body);
        asked.is_repeatable = is_repeatable;
        let verdict: Verdict = self.ask(&asked)?;
        let is_whole = verdict.payload.is_some() && verdict.payload_canonical.is_some() && verdict.pass.is_some();
        let is_sound = verdict.valid == verdict.codes.is_empty()
            && (!verdict.valid || is_whole)
            && (!verdict.consumed || (verdict.valid && !is_repeatable));
        if is_sound {
            Ok(verdict)
        } else {
            Err(self.malformed("its verdict contradicts itself"))
        }
    }

    /// Says what came of a call that was made under a pass.
    ///
    /// # Errors
    /// [`ClientError`]: it may not be recorded.
    pub fn outcome(&self, report: &OutcomeReport) -> Result<OutcomeAnswer, ClientError> {
        self.ask(&Asked::post("/v1/outcomes", &self.body(report)?))
    }

    /// A page of the approval requests that the client may see, the oldest first: those behind `after`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn requests(
        &self,
        state: Option<RequestState>,
        tenant: Option<&Tenant>,
        agent: Option<&Agent>,
        after: Option<&RequestId>,
    ) -> Result<RequestList, ClientError> {
        let members = [
            ("state", state.map(RequestState::as_str)),
            ("tenant", tenant.map(Tenant::as_str)),
            ("agent", agent.map(Agent::as_str)),
            ("after", after.map(RequestId::as_str)),
        ];
        self.ask(&Asked::get(&format!("/v1/requests{}", query(&members))))
    }

    /// The servers of the tool catalogue that this client may name.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn servers(&self) -> Result<ServerList, ClientError> {
        self.ask(&Asked::get("/v1/servers"))
    }

    /// Tells what a server lists now, each tool as JSON text, and how each stands. What is new or changed is kept there, so that
    /// somebody can look at it and approve it.
    ///
    /// # Errors
    /// [`ClientError`]: none of the tools may be called.
    pub fn tools(&self, server: &str, origin: &ServerOrigin, tools: &[String]) -> Result<ToolStates, ClientError> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if server.is_empty() || !server.bytes().all(is_name) {
            return Err(ClientError::Address("has a name of a server that no catalogue has"));
        }
        let origin = self.body(origin)?;
        let body = [
            b"{\"origin\":",
            &*origin,
            b",\"tools\":[",
            tools.join(",").as_bytes(),
            b"]}",
        ]
        .concat();
        let path = format!("/v1/servers/{server}/tools");
        let mut asked = Asked::post(&path, &body);
        // Told again, it is the same list.
        asked.is_repeatable = true;
        let states: ToolStates = self.ask(&asked)?;
        if states.tools.len() == tools.len() {
            Ok(states)
        } else {
            Err(self.malformed("it is about other tools"))
        }
    }

    /// All of an approval request.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn request(&self, id: &RequestId) -> Result<FullRequest, ClientError> {
        let full: FullRequest = self.ask(&Asked::get(&of_request(id, "")))?;
        if full.request.id == *id {
            Ok(full)
        } else {
            Err(self.malformed("it is about another request"))
        }
    }

    /// What approvers are shown of its action: the canonical view (`docs/spec/display.md`).
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn view(&self, id: &RequestId) -> Result<String, ClientError> {
        Ok(self.document(&Asked::get(&of_request(id, "/view")))?.text)
    }

    /// Casts a vote that a person signed.
    ///
    /// # Errors
    /// [`ClientError`]: where the service can't be reached the vote may have been taken.
    pub fn vote(&self, id: &RequestId, token: &str) -> Result<RequestItem, ClientError> {
        let token = token.to_owned();
        self.item(&of_request(id, "/votes"), &self.body(&CastVote { token })?, id)
    }

    /// Takes an approval request back.
    ///
    /// # Errors
    /// [`ClientError`]: where the service can't be reached it may have been taken back.
    pub fn cancel(&self, id: &RequestId) -> Result<RequestItem, ClientError> {
        self.item(&of_request(id, "/cancel"), &[], id)
    }

    fn item(&self, path: &str, body: &[u8], id: &RequestId) -> Result<RequestItem, ClientError> {
        let item: RequestItem = self.ask(&Asked::post(path, body))?;
        if item.id == *id {
            Ok(item)
        } else {
            Err(self.malformed("it is about another request"))
        }
    }

    /// Lets the agent of a request open others again.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn lift(&self, id: &RequestId) -> Result<Lifted, ClientError> {
        self.ask(&Asked::post(&of_request(id, "/lift"), &[]))
    }

    /// What happens to the requests that the client may see, from now on, or behind the record `last`. It goes on where a
    /// connection breaks, and leaves nothing out.
    #[must_use]
    pub fn events(&self, last: Option<u64>) -> Events<'_> {
        Events::new(self, last)
    }

    /// What happens to one request: first what it is now, then each event.
    #[must_use]
    pub fn updates(&self, id: &RequestId) -> Updates<'_> {
        Updates::new(self, of_request(id, "/events"))
    }

    /// The trust store, as executors are handed it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn trust(&self) -> Result<Document, ClientError> {
        self.document(&Asked::get("/v1/trust"))
    }

    /// The trust store, unless it is still the one of this `etag`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn trust_if_changed(&self, etag: &str) -> Result<Option<Document>, ClientError> {
        let mut asked = Asked::get("/v1/trust");
        asked.header = Some(("if-none-match", etag));
        let mut response = self.repeated(&asked)?;
        if response.status().as_u16() == 304 {
            return Ok(None);
        }
        self.read_document(&mut response).map(Some)
    }

    /// The public keys of the issuer, as JWK Set.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn jwks(&self) -> Result<JwkSet, ClientError> {
        self.ask(&Asked::get("/.well-known/jwks.json"))
    }

    /// Where the ledger ends.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn ledger_head(&self) -> Result<LedgerHead, ClientError> {
        self.ask(&Asked::get("/v1/ledger/head"))
    }

    /// A page of the records that the client may see: those behind `after`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn ledger_records(&self, after: Option<u64>) -> Result<RecordList, ClientError> {
        let after = after.map(|after| after.to_string());
        let path = format!("/v1/ledger/records{}", query(&[("after", after.as_deref())]));
        self.ask(&Asked::get(&path))
    }

    /// Writes the ledger's export into a file or whatever else takes it, and says how many bytes that were. `ledger verify` of
    /// whoever receives it says whether it is whole.
    ///
    /// # Errors
    /// [`ClientError`]: what was written so far is a part.
    pub fn ledger_export(&self, to: &mut impl Write) -> Result<u64, ClientError> {
        let mut asked = Asked::get("/v1/ledger/export");
        (asked.accept, asked.time) = ("application/x-ndjson, application/jsonl, */*", EXPORT_TIME);
        let response = self.once(&asked)?;
        if response.status().as_u16() != 200 {
            return Err(self.refused(response));
        }
        io::copy(&mut response.into_body().into_reader(), to).map_err(|error| self.unreachable(error))
    }

    /// Revokes a pass, an approval, a key or a principal.
    ///
    /// # Errors
    /// [`ClientError`]: where the service can't be reached it may be revoked.
    pub fn revoke(&self, revocation: &NewRevocation) -> Result<Revoked, ClientError> {
        let body = self.body(revocation)?;
        let mut asked = Asked::post("/v1/revocations", &body);
        asked.success = 201;
        self.ask(&asked)
    }

    /// Whom an invitation to register a passkey is for. It changes nothing.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn invitation(&self, secret: &str) -> Result<PendingInvitation, ClientError> {
        let secret = secret.to_owned();
        let body = self.body(&OpenInvitation { secret })?;
        let mut asked = Asked::post("/v1/approvers/invitation", &body);
        asked.is_repeatable = true;
        self.ask(&asked)
    }

    /// Registers a passkey with an invitation, which serves once. It waits to be confirmed.
    ///
    /// # Errors
    /// [`ClientError`]: where the service can't be reached the passkey may wait.
    pub fn register_passkey(&self, registration: &RegisterPasskey) -> Result<RegisteredPasskey, ClientError> {
        self.ask(&Asked::post("/v1/approvers/passkeys", &self.body(registration)?))
    }

    /// Whether the service answers at all.
    ///
    /// # Errors
    /// [`ClientError`]: it doesn't.
    pub fn health(&self) -> Result<(), ClientError> {
        let mut asked = Asked::get("/healthz");
        (asked.accept, asked.is_repeatable) = ("*/*", false);
        let response = self.once(&asked)?;
        match response.status().as_u16() {
            200 => Ok(()),
            _ => Err(self.refused(response)),
        }
    }

    fn ask<T: DeserializeOwned>(&self, asked: &Asked<'_>) -> Result<T, ClientError> {
        let text = self.document(asked)?.text;
        serde_json::from_str(&text).map_err(|_| self.malformed("it is not the document that it should be"))
    }

    fn document(&self, asked: &Asked<'_>) -> Result<Document, ClientError> {
        self.read_document(&mut self.repeated(asked)?)
    }

    fn read_document(&self, response: &mut Response<Body>) -> Result<Document, ClientError> {
        let etag = response.headers().get(header::ETAG);
        let etag = etag.and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
        let media_type = media_type(response);
        let is_json = media_type == "application/json" || media_type.ends_with("+json");
        if !is_json || media_type == PROBLEM_MEDIA_TYPE {
            return Err(self.malformed("it is not JSON"));
        }
        let text = self.text(response)?;
        Ok(Document { etag, text })
    }

    fn text(&self, response: &mut Response<Body>) -> Result<String, ClientError> {
        let mut bytes = Vec::new();
        let mut body = response.body_mut().as_reader().take(MAX_ANSWER_BYTES.saturating_add(1));
        body.read_to_end(&mut bytes).map_err(|error| self.unreachable(error))?;
        if u64::try_from(bytes.len()).map_or(true, |length| length > MAX_ANSWER_BYTES) {
            return Err(self.malformed("it is longer than 32 MiB"));
        }
        String::from_utf8(bytes).map_err(|_| self.malformed("it is not UTF-8"))
    }

    /// Asks, again where that may be, and gives a success, which for a conditional question may be that nothing changed.
    fn repeated(&self, asked: &Asked<'_>) -> Result<Response<Body>, ClientError> {
        let mut tried = 0_u32;
        loop {
            let outcome = self.once(asked).and_then(|response| {
                let is_unchanged = asked.header.is_some_and(|(name, _)| name == "if-none-match");
                match response.status().as_u16() {
                    status if status == asked.success => Ok(response),
                    304 if is_unchanged => Ok(response),
                    _ => Err(self.refused(response)),
                }
            });
            tried = tried.saturating_add(1);
            let pause = match &outcome {
                Err(ClientError::Unreachable { .. }) => PAUSE,
                Err(ClientError::Refused { problem, retry_after }) if problem.status == 503 => {
                    retry_after.unwrap_or(PAUSE).min(MAX_PAUSE)
                }
                _ => return outcome,
            };
            if !asked.is_repeatable || tried >= TRIES {
                return outcome;
            }
            thread::sleep(pause);
        }
    }

    /// Asks once, and gives whatever answer there is.
    pub(crate) fn once(&self, asked: &Asked<'_>) -> Result<Response<Body>, ClientError> {
        let mut request = Request::builder()
            .method(&asked.method)
            .uri(format!("{}{}", self.base, asked.path))
            .header(header::AUTHORIZATION, &self.authorization)
            .header(header::ACCEPT, asked.accept)
            .header(
                header::USER_AGENT,
                concat!("actionpass-client/", env!("CARGO_PKG_VERSION")),
            );
        if let Some((name, value)) = asked.header {
            request = request.header(name, value);
        }
        let response = match asked.body {
            Some([]) => request.body(&[][..]).map(|request| self.run(request, asked.time)),
            Some(body) => request
                .header(header::CONTENT_TYPE, "application/json")
                .body(body)
                .map(|request| self.run(request, asked.time)),
            None => request.body(()).map(|request| self.run(request, asked.time)),
        };
        match response {
            Ok(response) => response.map_err(|error| self.unreachable(error)),
            Err(_) => Err(ClientError::Address("makes no URL with a path behind it")),
        }
    }

    fn run<B: AsSendBody>(&self, request: Request<B>, time: Duration) -> Result<Response<Body>, ureq::Error> {
        request
            .with_agent(&self.connections)
            .configure()
            .timeout_global(Some(time))
            .run()
    }

    /// What an answer that is no success says.
    pub(crate) fn refused(&self, mut response: Response<Body>) -> ClientError {
        let status = response.status().as_u16();
        if media_type(&response) != PROBLEM_MEDIA_TYPE {
            return self.malformed("neither a success nor a problem");
        }
        let retry_after = response.headers().get(header::RETRY_AFTER);
        let retry_after = retry_after
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        let text = match self.text(&mut response) {
            Ok(text) => text,
            Err(error) => return error,
        };
        match serde_json::from_str::<Problem>(&text) {
            Ok(problem) if problem.status == status && status >= 400 => ClientError::Refused {
                problem: Box::new(problem),
                retry_after,
            },
            _ => self.malformed("a problem that isn't one"),
        }
    }

    pub(crate) fn unreachable(&self, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ClientError {
        ClientError::Unreachable {
            address: self.base.clone(),
            source: error.into(),
        }
    }

    pub(crate) fn malformed(&self, problem: &'static str) -> ClientError {
        ClientError::Malformed {
            address: self.base.clone(),
            problem,
        }
    }

    fn body(&self, document: &impl Serialize) -> Result<Vec<u8>, ClientError> {
        serde_json::to_vec(document).map_err(|error| self.unreachable(error))
    }

    /// A fresh id of an action: a UUIDv7 (RFC 9562 §5.7).
    fn fresh_id(&self) -> Result<ActionId, ClientError> {
        let mut random = [0; 10];
        getrandom::fill(&mut random).map_err(|error| self.unreachable(error))?;
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_err(|error| self.unreachable(error))?;
        let millis = u64::try_from(now.as_millis()).map_err(|error| self.unreachable(error))?;
        let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
        Ok(ActionId::from_uuid(uuid))
    }
}

/// Nothing of the token.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("address", &self.base)
            .finish_non_exhaustive()
    }
}

/// Whether the service is asked by https; http is for this machine only.
fn is_tls(server: &Uri) -> Result<bool, ClientError> {
    let authority = server.authority().map_or("", |authority| authority.as_str());
    let host = server.host().unwrap_or_default();
    if host.is_empty() {
        return Err(ClientError::Address("has no host"));
    }
    if authority.contains('@') {
        return Err(ClientError::Address("has a user or a password in it"));
    }
    if !matches!(server.path(), "" | "/") || server.query().is_some() {
        return Err(ClientError::Address("has a path: it ends at the port"));
    }
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    let address: Option<IpAddr> = literal.parse().ok();
    let is_local = host == "localhost" || address.is_some_and(|address| address.is_loopback());
    match server.scheme_str() {
        Some("https") => Ok(true),
        Some("http") if is_local => Ok(false),
        Some("http") => Err(ClientError::Address(
            "is plain http and not on this machine: the token would go over the network in the clear",
        )),
        _ => Err(ClientError::Address("begins with neither https:// nor http://")),
    }
}

fn connections(is_tls: bool, proxy: Option<Proxy>) -> Connections {
    let mut config = Connections::config_builder()
        .http_status_as_error(false)
        .https_only(is_tls)
        .max_redirects(0)
        .proxy(proxy)
        .timeout_connect(Some(CONNECT_TIME))
        .max_idle_age(Duration::from_secs(30));
    if is_tls {
        config = config.tls_config(tls::verified_by(tls::system_roots()));
    }
    Connections::new_with_config(config.build())
}

/// The media type without its parameters, in lower case.
pub(crate) fn media_type(response: &Response<Body>) -> String {
    let value = response.headers().get(header::CONTENT_TYPE);
    let text = value.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// When something has to be over that takes so long.
pub(crate) fn left(deadline: Option<Instant>, most: Duration) -> Duration {
    deadline.map_or(most, |end| end.saturating_duration_since(Instant::now()).min(most))
}

fn of_request(id: &RequestId, what: &str) -> String {
    format!("/v1/requests/{}{what}", encoded(id.as_str()))
}

/// The members that are there, as a query.
fn query(members: &[(&str, Option<&str>)]) -> String {
    let there = members.iter().filter_map(|(name, value)| Some((name, (*value)?)));
    let mut text = String::new();
    for (name, value) in there {
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(&format!("{name}={}", encoded(value)));
    }
    text
}

/// Every byte but the unreserved ones (RFC 3986 §2.3) percent-encoded.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    use actionpass_model::{CodeClass, CodedError, DEMO_ACTION};

    use super::*;
    use crate::api::ToolStanding;
    use crate::{ClientCode, Update};

    /// A service that gives these answers, one on each connection, and says what it was asked.
    struct Scripted {
        url: String,
        asked: JoinHandle<Vec<String>>,
    }

    impl Scripted {
        fn new(answers: Vec<String>) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let asked = thread::spawn(move || {
                let mut asked = Vec::new();
                for answer in answers {
                    let (stream, _) = listener.accept().unwrap();
                    let mut reader = BufReader::new(stream);
                    let mut head = String::new();
                    while !head.ends_with("\r\n\r\n") {
                        assert!(reader.read_line(&mut head).unwrap() > 0);
                    }
                    let length = head.to_ascii_lowercase();
                    let length = length
                        .split_once("content-length: ")
                        .map_or(0, |(_, rest)| rest.split("\r\n").next().unwrap().parse().unwrap());
                    let mut body = vec![0; length];
                    reader.read_exact(&mut body).unwrap();
                    asked.push(format!("{head}{}", String::from_utf8(body).unwrap()));
                    reader.get_mut().write_all(answer.as_bytes()).unwrap();
                }
                asked
            });
            Self { url, asked }
        }

        fn client(&self) -> Client {
            Client::new(&self.url, "apc_secret").unwrap()
        }

        fn asked(self) -> Vec<String> {
            self.asked.join().unwrap()
        }
    }

    fn answer(status: u16, media_type: &str, more: &str, body: &str) -> String {
        format!(
            "HTTP/1.1 {status} X\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\nconnection: close\r\n{more}\r\n{body}",
            body.len()
        )
    }

    fn ok(body: &str) -> String {
        answer(200, "application/json", "", body)
    }

    fn overloaded() -> String {
        let problem = serde_json::to_string(&Problem::new("overloaded", "too much", 503)).unwrap();
        answer(503, PROBLEM_MEDIA_TYPE, "retry-after: 0\r\n", &problem)
    }

    fn request() -> AuthorizeRequest {
        let mut action: serde_json::Value = serde_json::from_str(DEMO_ACTION).unwrap();
        action.as_object_mut().unwrap().remove("id");
        AuthorizeRequest::new(serde_json::from_value(action).unwrap())
    }

    fn decision(id: &str, decision: &str, pass: &str) -> String {
        let hash = format!("sha256:{}", "0".repeat(64));
        format!(
            r#"{{"decision":"{decision}","reasons":[],"required":[],"actionId":"{id}","actionHash":"{hash}","payloadHash":"{hash}",
            "policy":{{"id":"policy","digest":"{hash}","rules":[]}},{pass}
            "record":{{"seq":1,"id":"rec_01900000000000070000000000000000","ledgerHash":"{hash}"}}}}"#
        )
    }

    const PASS: &str = r#""pass":{"id":"ap_01900000000000070000000000000000","token":"a.b.c","expiresAt":"2026-11-23T01:02:03.000Z"},"#;

    #[test]
    fn a_token_goes_to_this_machine_or_over_tls_only() {
        for good in [
            "http://localhost:8311",
            "http://127.0.0.1:1/",
            "http://[::1]:1",
            "https://gate.example.com",
        ] {
            Client::new(good, "apc_x").unwrap();
        }
        for bad in [
            "http://gate.example.com",
            "http://10.0.0.1:8311",
            "http://localhost.example.com",
            "https://user:secret@gate.example.com",
            "https://gate.example.com/path",
            "https://gate.example.com/?q",
            "ftp://localhost",
            "localhost:8311",
            "",
        ] {
            let error = Client::new(bad, "apc_x").unwrap_err();
            assert_eq!(error.code(), ClientCode::AddressRefused, "{bad}");
            assert!(!error.to_string().contains("secret"));
        }
        for bad in ["", "a b", "a\nb", "ä"] {
            let error = Client::new("http://localhost", bad).unwrap_err();
            assert_eq!(error.code(), ClientCode::TokenMalformed, "{bad:?}");
        }
        let client = Client::new("http://localhost:8311", "apc_secret").unwrap();
        assert_eq!(
            format!("{client:?}"),
            "Client { address: \"http://localhost:8311\", .. }"
        );
    }

    #[test]
    fn a_decision_is_asked_for_again_under_the_same_key() {
        let error = Scripted::new(vec![overloaded(), overloaded(), overloaded()]);
        let refused = error.client().authorize(&request()).unwrap_err();
        assert_eq!(
            (refused.code().as_str(), refused.code().class()),
            ("overloaded", CodeClass::Unavailable)
        );
        let keys: Vec<String> = error
            .asked()
            .iter()
            .map(|asked| {
                assert!(asked.starts_with("POST /v1/authorize HTTP/1.1\r\n"));
                assert!(asked.contains("authorization: Bearer apc_secret\r\n"));
                let (_, rest) = asked.split_once("idempotency-key: act_").unwrap();
                rest.split("\r\n").next().unwrap().to_owned()
            })
            .collect();
        assert_eq!(keys.len(), 3);
        assert!(keys.iter().all(|key| key == keys.first().unwrap()));
    }

    #[test]
    fn tools_are_told_as_they_were_listed() {
        let origin = ServerOrigin::Command(vec!["docs-server".to_owned()]);
        let tools = [r#"{"name":"a","n":9223372036854775807}"#.to_owned()];
        let state = format!(
            r#"{{"name":"a","definitionHash":"sha256:{}","standing":"new"}}"#,
            "0".repeat(64)
        );
        let service = Scripted::new(vec![ok(&format!(r#"{{"tools":[{state}]}}"#)), ok(r#"{"tools":[]}"#)]);
        let client = service.client();
        let told = client.tools("docs", &origin, &tools).unwrap();
        assert_eq!(told.tools[0].standing, ToolStanding::New);
        // Nothing is called that the answer doesn't tell of.
        let short = client.tools("docs", &origin, &tools).unwrap_err();
        assert_eq!(CodedError::code(&short), ClientCode::AnswerMalformed.as_str());
        assert!(client.tools("docs/../x", &origin, &tools).is_err());
        let asked = service.asked();
        assert!(
            asked[0].starts_with("POST /v1/servers/docs/tools HTTP/1.1\r\n"),
            "{}",
            asked[0]
        );
        let body = r#"{"origin":{"command":["docs-server"]},"tools":[{"name":"a","n":9223372036854775807}]}"#;
        assert!(asked[0].ends_with(body), "{}", asked[0]);
    }

    #[test]
    fn only_an_allow_with_its_pass_is_one() {
        let mut stated = request();
        let mut action = stated.action.as_ref().unwrap().get().clone();
        action.insert("id".to_owned(), "call-7".into());
        stated.action = serde_json::from_value(action.into()).unwrap();
        let ask = |body: String| {
            let service = Scripted::new(vec![body]);
            let answer = service.client().authorize(&stated);
            assert!(!service.asked().first().unwrap().contains("idempotency-key"));
            answer
        };
        let allow = decision("call-7", "allow", PASS);
        assert_eq!(ask(ok(&allow)).unwrap().pass.unwrap().token, "a.b.c");
        assert!(ask(ok(&decision("call-7", "deny", ""))).unwrap().pass.is_none());
        for bad in [
            ok(&decision("call-7", "allow", "")),
            ok(&decision("call-7", "deny", PASS)),
            ok(&decision("call-8", "allow", PASS)),
            ok(&decision("call-7", "maybe", PASS)),
            ok("{}"),
            ok(&allow.replace("\"required\"", "\"decision\":\"allow\",\"required\"")),
            answer(200, "text/html", "", &allow),
            answer(201, "application/json", "", &allow),
            answer(302, "application/json", "location: /elsewhere\r\n", &allow),
            answer(403, "text/html", "", "no"),
            answer(403, PROBLEM_MEDIA_TYPE, "", "{}"),
        ] {
            assert_eq!(
                ask(bad.clone()).unwrap_err().code(),
                ClientCode::AnswerMalformed,
                "{bad}"
            );
        }
    }

    #[test]
    fn what_uses_up_or_changes_is_sent_once() {
        let service = Scripted::new(vec![overloaded(), overloaded()]);
        let client = service.client();
        let call: VerifyRequest = serde_json::from_str(r#"{"token":"a.b.c"}"#).unwrap();
        assert_eq!(client.consume(&call).unwrap_err().code().as_str(), "overloaded");
        let id: RequestId = RequestId::parse("req_01900000000000070000000000000000").unwrap();
        assert_eq!(client.vote(&id, "a.b.c").unwrap_err().code().as_str(), "overloaded");
        let asked = service.asked();
        assert!(asked[0].starts_with("POST /v1/consume "));
        assert!(asked[1].starts_with("POST /v1/requests/req_01900000000000070000000000000000/votes "));
    }

    #[test]
    fn a_verdict_that_contradicts_itself_is_none() {
        let verdict = |valid: bool, consumed: bool, codes: &str| {
            ok(&format!(
                r#"{{"valid":{valid},"consumed":{consumed},"codes":[{codes}],"compared":[],"at":"2026-11-23T01:02:03.000Z"}}"#
            ))
        };
        let call: VerifyRequest = serde_json::from_str(r#"{"token":"a.b.c"}"#).unwrap();
        let consume = |body| Scripted::new(vec![body]).client().consume(&call);
        assert!(!consume(verdict(false, false, "\"already_used\"")).unwrap().valid);
        for bad in [
            verdict(true, true, ""),
            verdict(true, false, "\"already_used\""),
            verdict(false, true, "\"already_used\""),
            verdict(false, false, ""),
        ] {
            assert_eq!(consume(bad).unwrap_err().code(), ClientCode::AnswerMalformed);
        }
    }

    #[test]
    fn nobody_who_answers_is_told_apart_from_a_no() {
        let url = {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            format!("http://{}", listener.local_addr().unwrap())
        };
        let error = Client::new(&url, "apc_x").unwrap().authorize(&request()).unwrap_err();
        assert_eq!(error.code(), ClientCode::Unreachable);
        assert_eq!(error.code().class().exit_code(), 40);
    }

    #[test]
    fn queries_are_encoded() {
        let service = Scripted::new(vec![ok(r#"{"requests":[]}"#)]);
        let agent = Agent::parse("agent:a&b=c/ü#?").ok();
        let tenant = Tenant::parse("org:example").unwrap();
        let found = service
            .client()
            .requests(Some(RequestState::Pending), Some(&tenant), agent.as_ref(), None)
            .unwrap();
        assert!(found.requests.is_empty());
        assert!(service.asked()[0].starts_with("GET /v1/requests?state=pending&tenant=org%3Aexample"));
        assert_eq!(encoded("a&b=c/ü#?"), "a%26b%3Dc%2F%C3%BC%23%3F");
    }

    #[test]
    fn a_stream_goes_on_behind_the_last_record() {
        let event = |seq: u64| {
            let data = format!(
                r#"{{"seq":{seq},"time":"2026-11-23T01:02:03.000Z","event":"opened","request":"req_01900000000000070000000000000000","tool":"t","resource":"a:b","agent":"agent:x"}}"#
            );
            format!("id: {seq}\nevent: opened\ndata: {data}\n\n")
        };
        let stream = |body: &str| answer(200, "text/event-stream", "", body);
        let cut = answer(200, "text/event-stream", "", &event(4)).replace("content-length: ", "content-length: 1");
        let service = Scripted::new(vec![cut, stream(&event(5)), stream(&event(5))]);
        let client = service.client();
        let mut events = client.events(None);
        assert_eq!(events.next().unwrap().unwrap().seq, 4);
        assert_eq!(events.next().unwrap().unwrap().seq, 5);
        // Told of twice, it would be counted twice.
        assert_eq!(events.next().unwrap().unwrap_err().code(), ClientCode::AnswerMalformed);
        assert!(events.next().is_none());
        let asked = service.asked();
        assert!(!asked[0].contains("last-event-id"));
        assert!(asked[1].contains("last-event-id: 4\r\n"));
        assert!(asked[2].contains("last-event-id: 5\r\n"));
    }

    #[test]
    fn updates_end_at_their_deadline() {
        let service = Scripted::new(vec![answer(200, "text/event-stream", "", ":\n\n")]);
        let client = service.client();
        let id = RequestId::parse("req_01900000000000070000000000000000").unwrap();
        let end = Instant::now().checked_add(Duration::from_millis(300)).unwrap();
        let told: Vec<Result<Update, ClientError>> = client.updates(&id).with_deadline(end).collect();
        assert!(told.is_empty(), "{told:?}");
    }
}
