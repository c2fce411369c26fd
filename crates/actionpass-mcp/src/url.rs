//! A server at a URL: streamable HTTP, each message a request of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actionpass_client::tls;
use base64ct::{Base64, Encoding};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use ureq::http::{Request, Response, StatusCode, Uri, request};
use ureq::{Agent, Body, RequestExt};

use crate::era::Era;
use crate::message::{ServerMessage, read_server};
use crate::stdio::{BUFFER, MAX_SERVER_LINE};
use crate::{Id, McpCode, McpError, Session, ToServer, raw};

/// How long a connection may take to be made.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// How long an answer may take, its stream included.
const ANSWER_TIME: Duration = Duration::from_secs(60 * 60);

/// How long the proxy waits before it listens again for what a server says by itself.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// Carries messages between a session and its server until the client goes or the server ends the session.
pub(crate) async fn run(
    url: String,
    session: Arc<Session>,
    mut messages: mpsc::Receiver<ToServer>,
) -> Result<(), McpError> {
    let carrier = Arc::new(Carrier::new(&url)?);
    let result = loop {
        let message = tokio::select! {
            biased;
            message = messages.recv() => message,
            () = session.closed() => None,
            () = carrier.lost.notified() => break Err(McpError::gone()),
        };
        let Some(message) = message else { break Ok(()) };
        let is_request = message.id.is_some();
        let listens = message.method == "notifications/initialized";
        let job = {
            let (carrier, session, handle) = (Arc::clone(&carrier), Arc::clone(&session), Handle::current());
            tokio::task::spawn_blocking(move || carrier.exchange(&message, &session, &handle))
        };
        // What isn't a request is taken in its order.
        if !is_request {
            let _ = job.await;
        }
        if listens {
            let (carrier, session, handle) = (Arc::clone(&carrier), Arc::clone(&session), Handle::current());
            tokio::task::spawn_blocking(move || carrier.listen(&session, &handle));
        }
    };
    session.answer_lost().await;
    result
}

/// The connections to a server, and what its session is.
#[derive(Debug)]
struct Carrier {
    agent: Agent,
    url: Uri,
    session: Mutex<Negotiated>,
    /// The server doesn't know its session any more.
    lost: tokio::sync::Notify,
}

#[derive(Clone, Debug, Default)]
struct Negotiated {
    id: Option<String>,
    version: Option<String>,
}

impl Carrier {
    fn new(url: &str) -> Result<Self, McpError> {
        let refused = |problem: &str| McpError::server(format!("`{}` {problem}", url.escape_debug()));
        let uri: Uri = url.parse().map_err(|_| refused("is no URL"))?;
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let host = uri.host().unwrap_or_default();
        let literal: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
        let is_local = host == "localhost" || literal.is_some_and(|address| address.is_loopback());
        if authority.contains('@') {
            return Err(refused("has a user or a password in it"));
        }
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if is_local => false,
            _ => return Err(refused("is neither https nor on this machine")),
        };
        Ok(Self {
            agent: agent(is_tls),
            url: uri,
            session: Mutex::default(),
            lost: tokio::sync::Notify::new(),
        })
    }

    fn negotiated(&self) -> Negotiated {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn with_session(&self, mut request: request::Builder, version: Option<&str>) -> request::Builder {
        let negotiated = self.negotiated();
        if let Some(version) = version.or(negotiated.version.as_deref()) {
            request = request.header("mcp-protocol-version", version);
        }
        match (&negotiated.id, version) {
            (Some(id), None) => request.header("mcp-session-id", id),
            _ => request,
        }
    }

    /// Sends one message and hands on what is answered; a request that isn't answered so is refused.
    fn exchange(&self, message: &ToServer, session: &Session, handle: &Handle) {
        let failed = self.exchanged(message, session, handle).err();
        if let Some(id) = &message.id {
            // Of no effect where the answer came.
            handle.block_on(session.refuse_answer(id, failed.unwrap_or(McpCode::ServerGone)));
        }
    }

    fn exchanged(&self, message: &ToServer, session: &Session, handle: &Handle) -> Result<(), McpCode> {
        let unavailable = |_| McpCode::ServerUnavailable;
        if message.version.is_some() {
            // Notifications state no version by themselves.
            self.session
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .version
                .clone_from(&message.version);
        }
        let mut request = Request::post(&self.url)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        request = self.with_session(request, message.version.as_deref());
        if message.version.is_some() {
            request = request.header("mcp-method", header(&message.method));
            if let Some(name) = &message.name {
                request = request.header("mcp-name", header(name));
            }
        }
        if let Some(pass) = &message.pass {
            request = request.header("actionpass-pass", pass);
        }
        let request = request
            .body(message.line.clone())
            .map_err(|_| McpCode::ServerUnavailable)?;
        let response = request
            .with_agent(&self.agent)
            .configure()
            .timeout_global(Some(ANSWER_TIME))
            .run();
        let response = response.map_err(|error| {
            tracing::warn!(%error, "the server is not reached");
            McpCode::ServerUnavailable
        })?;
        let status = response.status();
        if status == StatusCode::NOT_FOUND && self.negotiated().id.is_some() {
            self.lost.notify_one();
            return Err(McpCode::ServerGone);
        }
        if message.method == "initialize"
            && let Some(id) = response.headers().get("mcp-session-id").and_then(|id| id.to_str().ok())
        {
            self.session.lock().unwrap_or_else(PoisonError::into_inner).id = Some(id.to_owned());
        }
        let deliver = |line: &[u8]| {
            if message.method == "initialize" {
                self.note_version(line, message.id.as_ref());
            }
            let mut compact = Vec::with_capacity(line.len());
            raw::push_compact(&mut compact, line);
            handle.block_on(session.from_server(&compact));
        };
        match media_type(&response).as_str() {
            "application/json" => {
                let mut body = Vec::new();
                let most = u64::try_from(MAX_SERVER_LINE).unwrap_or(u64::MAX);
                let mut reader = response.into_body().into_reader().take(most.saturating_add(1));
                reader.read_to_end(&mut body).map_err(unavailable)?;
                if body.len() > MAX_SERVER_LINE {
                    return Err(McpCode::MessageTooLarge);
                }
                deliver(&body);
                Ok(())
            }
            "text/event-stream" => events(response, deliver),
            _ if status.is_success() => Ok(()),
            _ => {
                tracing::warn!(status = status.as_u16(), "the server refuses a message");
                Err(McpCode::ServerUnavailable)
            }
        }
    }

    fn note_version(&self, line: &[u8], id: Option<&Id>) {
        if let Some(ServerMessage::Answer {
            id: answered,
            result: Ok(result),
        }) = read_server(line)
            && Some(&answered) == id
        {
            let version = raw::member(result, "protocolVersion")
                .and_then(raw::text)
                .map(Into::into);
            self.session.lock().unwrap_or_else(PoisonError::into_inner).version = version;
        }
    }

    /// Listens for what a server of the legacy era says by itself, as long as it lets one.
    fn listen(&self, session: &Session, handle: &Handle) {
        while session.era() == Some(Era::Legacy) && !session.is_over() {
            let request = self.with_session(Request::get(&self.url).header("accept", "text/event-stream"), None);
            let Ok(request) = request.body(()) else { return };
            let Ok(response) = request
                .with_agent(&self.agent)
                .configure()
                .timeout_global(Some(ANSWER_TIME))
                .run()
            else {
                return;
            };
            if media_type(&response) != "text/event-stream" {
                return;
            }
            let _ = events(response, |line| {
                let mut compact = Vec::with_capacity(line.len());
                raw::push_compact(&mut compact, line);
                handle.block_on(session.from_server(&compact));
            });
            // What it said meanwhile is not known.
            session.tools_may_differ();
            handle.block_on(tokio::time::sleep(LISTEN_AGAIN));
        }
    }
}

/// Hands on the data of a stream's events until it ends.
fn events(response: Response<Body>, mut deliver: impl FnMut(&[u8])) -> Result<(), McpCode> {
    let mut reader = BufReader::with_capacity(BUFFER, response.into_body().into_reader());
    let most = u64::try_from(MAX_SERVER_LINE).unwrap_or(u64::MAX);
    let (mut line, mut data) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        let read = (&mut reader)
            .take(most)
            .read_until(b'\n', &mut line)
            .map_err(|_| McpCode::ServerGone)?;
        let is_whole = line.last() == Some(&b'\n');
        if read == 0 {
            return Ok(());
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.is_empty() && is_whole {
            if !data.is_empty() {
                deliver(&data);
            }
            data.clear();
        } else if let Some(part) = text.strip_prefix(b"data:") {
            if data.len().saturating_add(part.len()) > MAX_SERVER_LINE || !is_whole {
                return Err(McpCode::MessageTooLarge);
            }
            if !data.is_empty() {
                data.push(b'\n');
            }
            data.extend_from_slice(part.strip_prefix(b" ").unwrap_or(part));
        }
    }
}

fn media_type(response: &Response<Body>) -> String {
    let value = response
        .headers()
        .get("content-type")
        .and_then(|value| value.to_str().ok());
    let essence = value.unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// A text as a header of this protocol: what is no plain text in Base64.
fn header(text: &str) -> String {
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && text.trim() == text;
    if is_plain && !text.starts_with("=?base64?") {
        text.to_owned()
    } else {
        format!("=?base64?{}?=", Base64::encode_string(text.as_bytes()))
    }
}

fn agent(is_tls: bool) -> Agent {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .https_only(is_tls)
        .max_redirects(0)
        .proxy(None)
        .timeout_connect(Some(CONNECT_TIME));
    if is_tls {
        config = config.tls_config(tls::verified_by(tls::system_roots()));
    }
    Agent::new_with_config(config.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_plain_or_base64() {
        assert_eq!(header("tools/call"), "tools/call");
        assert_eq!(header("lösche"), "=?base64?bMO2c2NoZQ==?=");
        assert_eq!(header(" a"), "=?base64?IGE=?=");
        assert_eq!(header("=?base64?IGE=?="), "=?base64?PT9iYXNlNjQ/SUdFPT89?=");
    }

    #[test]
    fn servers_are_at_https_or_on_this_machine() {
        for url in [
            "https://mcp.example.com/mcp",
            "http://localhost:3000/mcp",
            "http://127.0.0.1:1/",
            "http://[::1]/mcp",
        ] {
            assert!(Carrier::new(url).is_ok(), "{url}");
        }
        for url in [
            "http://mcp.example.com/mcp",
            "https://a:b@mcp.example.com/",
            "ftp://localhost/",
            "/mcp",
            "",
        ] {
            assert!(Carrier::new(url).is_err(), "{url}");
        }
    }
}
