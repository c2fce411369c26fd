//! What comes from the server.

use std::borrow::Cow;

use serde_json::json;

use super::{MAX_ASKED, MAX_TASKS, Session, State, ToServer};
use crate::McpCode;
use crate::address;
use crate::answer;
use crate::era::{self, Era, LEGACY_VERSIONS};
use crate::message::{self, Id, ServerMessage, read_server};
use crate::raw;

impl Session {
    /// A line of the server.
    pub async fn from_server(&self, line: &[u8]) {
        let line = raw::trim(line);
        let Some(message) = read_server(line) else {
            self.drop_line("server", "no message");
            // Whoever waits for it isn't left to wait.
            if let Some(id) = message::answered_id(line, b"") {
                self.refuse_answer(&id, McpCode::AnswerRefused).await;
            }
            return;
        };
        let line = on_one_line(raw::without_own(line));
        let message = match &line {
            Cow::Borrowed(_) => Some(message),
            Cow::Owned(line) => read_server(line),
        };
        match message {
            Some(ServerMessage::Answer { id, result }) => self.server_answers(&line, id, result).await,
            Some(ServerMessage::Notification { method, params }) => self.server_notifies(&line, &method, params).await,
            Some(ServerMessage::Request { id, method, params }) => self.server_asks(&line, id, &method, params).await,
            None => self.drop_line("server", "no message"),
        }
    }

    /// A line of the server that is too long, of which only the start and the end are known. Whoever waits for it is told.
    pub async fn from_server_too_long(&self, start: &[u8], end: &[u8]) {
        self.drop_line("server", "too long");
        let id = message::answered_id(raw::trim(start), raw::trim(end));
        if let Some(id) = id {
            self.refuse_answer(&id, McpCode::MessageTooLarge).await;
        }
    }

    /// The server is gone: whoever waits for it is told so, and nothing is sent to it any more.
    pub fn server_gone(&self) {
        let mut state = self.state();
        state.is_server_gone = true;
        state.own.clear();
        // Who waits for an answer sees that its channel ends; requests that were passed on are answered by `answer_lost`.
    }

    /// Answers what the server had when it went.
    pub async fn answer_lost(&self) {
        self.server_gone();
        let lost = self.state().flights.lost();
        for id in lost {
            let line = answer::error(Some(&id), era::SERVER_FAILED, McpCode::ServerGone, "the server is gone");
            self.tell(Some(&id), true, line).await;
        }
    }

    /// Answers a request whose answer can't be passed on.
    pub async fn refuse_answer(&self, id: &Id, code: McpCode) {
        let own = self.state().own.remove(id);
        if let Some(own) = own {
            let _ = own.send(Err(code));
            return;
        }
        let landed = self.state().flights.land(id);
        match landed.map(|landed| landed.answered) {
            Some(Some(answered)) => {
                let _ = answered.send(Err(code));
            }
            Some(None) => {
                let problem = "the server's answer can't be passed on";
                let line = answer::error(Some(id), era::SERVER_FAILED, code, problem);
                self.tell(Some(id), true, line).await;
            }
            None => {}
        }
    }

    async fn server_answers(&self, line: &[u8], id: Id, result: Result<&[u8], &[u8]>) {
        let own = self.state().own.remove(&id);
        if let Some(own) = own {
            let _ = own.send(Ok(line.to_vec()));
            return;
        }
        let asks = match result {
            Ok(result) => raw::member(result, "inputRequests"),
            Err(error) => raw::member(error, "data"),
        };
        if asks.is_some_and(|asks| self.poses_as_gate(asks)) {
            return self.refuse_answer(&id, McpCode::ElicitationRefused).await;
        }
        let landed = self.state().flights.land(&id);
        let Some(landed) = landed else {
            return self.drop_line("server", "an answer to nothing");
        };
        if let Ok(result) = result {
            self.state().note_task(result);
        }
        // An answer to a request that stated its version: the server speaks that era.
        if result.is_ok() && !matches!(landed.method.as_str(), "initialize" | "ping") {
            self.state().era.get_or_insert(Era::Modern);
        }
        if let Some(answered) = landed.answered {
            let _ = answered.send(Ok(line.to_vec()));
            return;
        }
        let line = match (landed.method.as_str(), result) {
            ("initialize", Ok(result)) => {
                let version = raw::member(result, "protocolVersion").and_then(raw::text);
                match version.as_deref() {
                    Some(version) if LEGACY_VERSIONS.contains(&version) => {
                        self.state().era = Some(Era::Legacy);
                        line.to_vec()
                    }
                    version => {
                        let problem = "the server answers with a version of the protocol that is not spoken here";
                        let data = json!({ "code": McpCode::VersionRefused.as_str(), "supported": LEGACY_VERSIONS, "requested": version });
                        answer::error_with(Some(&id), era::INVALID_PARAMS, problem, &data)
                    }
                }
            }
            _ => line.to_vec(),
        };
        self.tell(Some(&id), true, line).await;
    }

    async fn server_notifies(&self, line: &[u8], method: &str, params: Option<&[u8]>) {
        let member = |name: &str| params.and_then(|params| raw::member(params, name));
        let mut about = None;
        match method {
            "notifications/tools/list_changed" => self.tools_may_differ(),
            "notifications/cancelled" => {
                // A server takes back its own requests only.
                let mut state = self.state();
                let id = member("requestId").and_then(Id::read);
                let at = id.and_then(|id| state.asked.iter().position(|asked| *asked == id));
                let Some(at) = at else {
                    drop(state);
                    return self.drop_line("server", "a cancellation of nothing");
                };
                state.asked.remove(at);
            }
            "notifications/progress" => {
                let state = self.state();
                about = member("progressToken")
                    .and_then(|token| state.flights.with_token(token))
                    .cloned();
                if about.is_none() && state.tasks.is_empty() {
                    drop(state);
                    return self.drop_line("server", "progress of nothing");
                }
            }
            // Only our own page says when an approval was given.
            "notifications/elicitation/complete" if self.is_ours(member("elicitationId")) => {
                return self.drop_line("server", "news of an approval");
            }
            _ if method.starts_with("notifications/") => {}
            _ => return self.drop_line("server", "a notification of another method"),
        }
        self.tell(about.as_ref(), false, line.to_vec()).await;
    }

    /// Whether an id of an elicitation looks like that of an approval request.
    #[expect(clippy::unused_self, reason = "reads like the other checks")]
    fn is_ours(&self, id: Option<&[u8]>) -> bool {
        id.and_then(raw::text).is_some_and(|id| id.starts_with("req_"))
    }

    async fn server_asks(&self, line: &[u8], id: Id, method: &str, params: Option<&[u8]>) {
        let refusal = {
            let mut state = self.state();
            let client = state.client;
            let may_ask = match method {
                "ping" => true,
                "roots/list" => client.roots,
                "sampling/createMessage" => client.sampling,
                "elicitation/create" => client.elicitation,
                "tasks/get" | "tasks/result" | "tasks/list" | "tasks/cancel" => client.tasks,
                _ => false,
            };
            if state.asked.contains(&id) {
                drop(state);
                return self.drop_line("server", "an id that is in use");
            }
            if state.asked.len() >= MAX_ASKED {
                Some((McpCode::TooManyRequests, "too many requests wait for the client"))
            } else if state.era == Some(Era::Modern) || !may_ask {
                Some((McpCode::MethodRefused, "the client is not asked such things"))
            } else if method == "elicitation/create" && params.is_some_and(|params| self.poses_as_gate(params)) {
                Some((McpCode::ElicitationRefused, "approvals are asked for by the gate alone"))
            } else {
                state.asked.push(id.clone());
                None
            }
        };
        match refusal {
            None => self.tell(None, false, line.to_vec()).await,
            Some((code, problem)) => {
                tracing::warn!(code = code.as_str(), "a request of the server is refused");
                let line = answer::error(Some(&id), era::METHOD_NOT_FOUND, code, problem);
                if self.to_server.send(ToServer::other("", line)).await.is_err() {
                    self.server_gone();
                }
            }
        }
    }

    /// Whether a part of a server's message has a member `url` on the origin of a page where approvals are given.
    fn poses_as_gate(&self, part: &[u8]) -> bool {
        !self.settings.gate_origins.is_empty() && has_url(part, &self.settings.gate_origins)
    }
}

impl State {
    /// Remembers the task that an answer names.
    pub(super) fn note_task(&mut self, result: &[u8]) {
        let task = raw::member(result, "task").and_then(|task| raw::member(task, "taskId"));
        let task = task.or_else(|| raw::member(result, "taskId")).and_then(raw::text);
        let Some(task) = task.filter(|task| task.len() <= 1024) else {
            return;
        };
        if self.tasks.iter().any(|known| *known == *task) {
            return;
        }
        if self.tasks.len() >= MAX_TASKS {
            self.tasks.remove(0);
        }
        self.tasks.push(task.into_owned());
    }
}

/// The message without carriage returns between its parts, where some readers end a line: what such a reader took for a message of
/// its own was never looked at.
fn on_one_line(line: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\r', &line).is_none() {
        return line;
    }
    let mut compact = Vec::with_capacity(line.len());
    raw::push_compact(&mut compact, &line);
    Cow::Owned(compact)
}

/// Whether any member `url`, at any depth, is on one of these origins. Recursion is bounded: messages nest no deeper than
/// [`raw::MAX_DEPTH`].
fn has_url(value: &[u8], origins: &[String]) -> bool {
    match value.first() {
        Some(b'{') => raw::members(value).any(|member| {
            (member.is_named("url") && raw::text(member.value).is_some_and(|url| address::is_on(&url, origins)))
                || has_url(member.value, origins)
        }),
        Some(b'[') => raw::elements(value).any(|element| has_url(element, origins)),
        _ => false,
    }
}
