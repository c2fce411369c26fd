//! Calls: read, judged, made, reported.

use std::sync::Arc;
use std::time::Duration;

use actionpass_canon::CanonicalBytes;
use actionpass_door::{Mode, Occasion, Outcome, Ran, Refused, Verdict};
use actionpass_gate::{Call as GateCall, ListedTool, MethodCall, ToolCall};
use actionpass_model::{Code, Decision, Digest, Reason, Trace};
use serde_json::Value;
use tokio::sync::oneshot;

use super::{Flight, NotSent, Session, ToServer};
use crate::answer::{self, Asked, INPUT, Told};
use crate::era::{self, CALL_META, Era};
use crate::message::{self, Id, Params, ServerMessage};
use crate::raw::{self, ObjectWriter};
use crate::state::{StateKey, call_digest};
use crate::{DenyAs, McpCode};

/// How often a client that waits is told so.
const PROGRESS: Duration = Duration::from_secs(10);

/// How long a report may take before the client gets its answer nevertheless.
const REPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// How many calls are remembered whose client was sent to the page.
const MAX_ELICITED: usize = 256;

/// The members of a call that come back from a server's answer, and are bound through the context.
const BOUND: &[&str] = &["task", "inputResponses", "requestState"];

/// A request that acts on something.
#[derive(Debug)]
pub(crate) struct Call {
    id: Id,
    method: String,
    /// The tool; of other methods what they name, or the method.
    name: String,
    era: Era,
    flight: Flight,
    /// The arguments; of other methods the parameters.
    payload: CanonicalBytes,
    /// Those of [`BOUND`] that it has.
    bound: Vec<(&'static str, CanonicalBytes)>,
    /// The members of `_meta` that go with it, as they are written.
    meta: Vec<(&'static str, Vec<u8>)>,
    trace: Option<Trace>,
    /// Whether the client says in the request that it opens addresses.
    opens_urls: bool,
    /// What the client answered to a state of ours.
    resumed: Option<Resumed>,
    /// Arguments that the gate refuses: the model is told.
    refused: Option<String>,
}

#[derive(Debug)]
struct Resumed {
    state: String,
    accepts: bool,
}

impl Call {
    /// Reads a request that acts on something.
    pub(super) fn read(
        id: Id,
        method: &str,
        params: &Params<'_>,
        era: Era,
        flight: Flight,
    ) -> Result<Self, (McpCode, String)> {
        let malformed = |problem: &str| (McpCode::MessageMalformed, problem.to_owned());
        let own: Option<&[&str]> = match method {
            "tools/call" => Some(&["name", "arguments"]),
            "resources/read" => Some(&["uri"]),
            "prompts/get" => Some(&["name", "arguments"]),
            "tasks/update" => Some(&["taskId", "inputResponses"]),
            _ => None,
        };
        let is_tool = method == "tools/call";
        let bound_names: &[&'static str] = match method {
            "tools/call" => BOUND,
            "resources/read" | "prompts/get" => &["inputResponses", "requestState"],
            _ => &[],
        };
        if let Some(own) = own {
            let known = [own, bound_names, &["_meta"][..]].concat();
            if let Some(unknown) = params.unknown(&known) {
                let problem = format!(
                    "`{}` has the member `{}`, which can't be bound",
                    method,
                    unknown.escape_debug()
                );
                return Err((McpCode::MemberUnknown, problem));
            }
        }
        let named = params
            .text("name")
            .or_else(|| params.text("uri"))
            .or_else(|| params.text("taskId"));
        let (name, raw_payload) = if is_tool {
            let name = params
                .text("name")
                .ok_or_else(|| malformed("a call of a tool has no name"))?;
            let arguments = params.get("arguments").unwrap_or(b"{}");
            if arguments.first() != Some(&b'{') {
                return Err(malformed("arguments are no object"));
            }
            (name.into_owned(), arguments.to_vec())
        } else {
            let all: Vec<&str>;
            let own = match own {
                Some(own) => own,
                None => {
                    all = params.names().filter(|name| *name != "_meta").collect();
                    &all
                }
            };
            (named.map_or_else(|| method.to_owned(), Into::into), params.members(own))
        };
        let (payload, refused) = match message::admitted(&raw_payload) {
            Ok(payload) => (payload, None),
            Err(problem) => (
                message::admitted(b"{}").map_err(|problem| malformed(&problem))?,
                Some(problem),
            ),
        };
        let state = params.text("requestState").filter(|state| StateKey::is_ours(state));
        let resumed = state.map(|state| Resumed {
            accepts: accepts(params.get("inputResponses")),
            state: state.into_owned(),
        });
        let mut bound = Vec::new();
        for name in bound_names.iter().filter(|name| resumed.is_none() || **name == "task") {
            if let Some(value) = params.get(name) {
                let value = message::admitted(value)
                    .map_err(|problem| (McpCode::MessageRefused, format!("`{name}`: {problem}")))?;
                bound.push((*name, value));
            }
        }
        let meta = CALL_META
            .iter()
            .filter_map(|name| Some((*name, params.meta(name)?.to_vec())));
        let trace = params.meta(era::META_TRACE).and_then(raw::text);
        let elicitation = params
            .meta(era::META_CAPABILITIES)
            .and_then(|all| raw::member(all, "elicitation"));
        Ok(Self {
            id,
            method: method.to_owned(),
            name,
            era,
            flight,
            payload,
            bound,
            meta: meta.collect(),
            trace: trace.and_then(|trace| Trace::parse(&trace).ok()),
            opens_urls: elicitation
                .and_then(|elicitation| raw::member(elicitation, "url"))
                .is_some(),
            resumed,
            refused,
        })
    }

    pub(super) fn asked(&self, deny_as: DenyAs) -> Asked<'_> {
        Asked {
            id: &self.id,
            era: self.era,
            is_tool: self.is_tool(),
            deny_as,
        }
    }

    fn is_tool(&self) -> bool {
        self.method == "tools/call"
    }

    /// What the server is asked, with exactly this payload.
    fn forwarded(&self, payload: &CanonicalBytes, pass: Option<&str>) -> ToServer {
        let mut params = ObjectWriter::new();
        if self.is_tool() {
            params = params
                .member("name", &raw::quoted(&self.name))
                .member("arguments", payload.as_bytes());
        } else {
            params = raw::members(payload.as_bytes()).fold(params, |params, member| params.copy(&member));
        }
        for (name, value) in &self.bound {
            params = params.member(name, value.as_bytes());
        }
        let meta = self
            .meta
            .iter()
            .fold(ObjectWriter::new(), |meta, (name, value)| meta.member(name, value));
        let pass_text = pass.map(raw::quoted);
        let meta = meta.optional(era::META_PASS, pass_text.as_deref()).finish();
        if meta != b"{}" {
            params = params.member("_meta", &meta);
        }
        let version = self.meta.iter().find(|(name, _)| *name == era::META_VERSION);
        ToServer {
            name: Some(self.name.clone()),
            version: version.and_then(|(_, version)| raw::text(version)).map(Into::into),
            pass: pass.map(ToOwned::to_owned),
            ..ToServer::request(
                self.id.clone(),
                &self.method,
                message::request(&self.id, &self.method, Some(&params.finish())),
            )
        }
    }

    fn own_meta(&self) -> Vec<(String, Vec<u8>)> {
        if self.era == Era::Legacy {
            return Vec::new();
        }
        let stated = [era::META_VERSION, era::META_CLIENT, era::META_CAPABILITIES];
        let members = self.meta.iter().filter(|(name, _)| stated.contains(name));
        members
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect()
    }

    /// `{"mcp":{…}}` with what is bound beside the payload; nothing if there is none.
    fn context(&self) -> Result<Option<CanonicalBytes>, String> {
        if self.bound.is_empty() {
            return Ok(None);
        }
        let mcp = self.bound.iter().fold(ObjectWriter::new(), |out, (name, value)| {
            out.member(name, value.as_bytes())
        });
        message::admitted(&ObjectWriter::new().member("mcp", &mcp.finish()).finish()).map(Some)
    }
}

/// Whether the client opened the page: it answers each input that it was asked for.
fn accepts(responses: Option<&[u8]>) -> bool {
    let action = responses
        .and_then(|responses| raw::member(responses, INPUT))
        .and_then(|response| raw::member(response, "action"));
    action.and_then(raw::text).as_deref() == Some("accept")
}

/// What the server is to be asked.
struct Ready {
    message: ToServer,
    ran: Ran,
    observed: Option<Value>,
}

impl Session {
    /// Judges a call, makes it if it is allowed, and answers it.
    pub(super) async fn call(self: Arc<Self>, call: Call) {
        let answer = match self.judge(&call).await {
            Ok(ready) => self.make(&call, ready).await,
            Err(answer) => answer,
        };
        if let Some(line) = answer {
            self.finish(&call.id, &call.flight, line).await;
        }
    }

    /// What the server is to be asked, with a pass that is used up; or what the client is answered, which is nothing if it
    /// has gone.
    async fn judge(&self, call: &Call) -> Result<Ready, Option<Vec<u8>>> {
        let deny = |told: &Told| Some(self.deny(call, told));
        let here = |code: McpCode, problem: &str| deny(&Told::here(&call.name, code, problem));
        if let Some(problem) = &call.refused {
            return Err(here(
                McpCode::MessageRefused,
                &format!("has arguments that are refused: {problem}"),
            ));
        }
        let digest = call_digest(&self.id, &call.method, &call.name, call.payload.as_bytes());
        if let Some(resumed) = &call.resumed {
            let refused = match self.key.takes(&resumed.state, &digest) {
                true if resumed.accepts => None,
                true => Some((
                    McpCode::ElicitationDeclined,
                    "waits for an approval, and the page was not opened",
                )),
                false => Some((
                    McpCode::StateRefused,
                    "comes with a state that is of another call, or too old",
                )),
            };
            if let Some((code, problem)) = refused {
                let told = Told::here(&call.name, code, problem);
                return Err(Some(self.refuse(call, &told, code.into()).await));
            }
        }
        let listing = self.listing_for(call).await?;
        let tool = listing.as_ref().and_then(|listing| listing.tool(&call.name));
        let gate_call = self.gate_call(call, tool);
        let occasion = self
            .occasion(call)
            .map_err(|problem| here(McpCode::MessageRefused, &problem))?;
        // Whoever can be sent to the page is sent there at once, and waits when the call comes again.
        let is_first = self.opens_urls(call) && call.resumed.is_none() && !self.state().elicited.contains(&digest);
        let occasion = occasion.with_wait(if is_first { Duration::ZERO } else { self.settings.wait });
        let verdict = tokio::select! {
            biased;
            () = call.flight.given_up() => return Err(None),
            verdict = self.telling_progress(call, self.door.ask(gate_call, &occasion)) => verdict,
        };
        match verdict {
            Err(error) => Err(deny(&Told::failed(&call.name, &error))),
            Ok(Verdict::Allowed(allowed)) => {
                // Between the decision and the use of the pass: is the client there, and the tool what it was?
                let hash = tool.map(ListedTool::hash);
                let now = self.listing_for(call).await?;
                let hash_now = now.as_ref().and_then(|now| now.tool(&call.name)).map(ListedTool::hash);
                if hash != hash_now {
                    return Err(here(
                        McpCode::ToolNotListed,
                        "has another definition than when the call was judged",
                    ));
                }
                if call.flight.is_given_up() {
                    return Err(None);
                }
                let permit = self.door.consume(allowed).await;
                let permit = permit.map_err(|error| deny(&Told::failed(&call.name, &error)))?;
                Ok(Ready {
                    message: call.forwarded(&permit.payload, Some(&permit.token)),
                    ran: permit.ran(),
                    observed: None,
                })
            }
            Ok(Verdict::Observed(observed)) => Ok(Ready {
                message: call.forwarded(&call.payload, None),
                ran: observed.ran(),
                observed: Some(answer::observed(&observed)),
            }),
            Ok(Verdict::Refused(refused)) => Err(Some(self.refusal(call, &refused, &digest))),
            Ok(_) => Err(here(
                McpCode::AnswerRefused,
                "has a decision that this version doesn't know",
            )),
        }
    }

    /// The server's list for a call of a tool that stands in it and may be called. A door that observes calls what it can.
    async fn listing_for(&self, call: &Call) -> Result<Option<Arc<super::Listing>>, Option<Vec<u8>>> {
        if !call.is_tool() {
            return Ok(None);
        }
        let observes = self.door.mode() == Mode::Observe;
        let meta = call.own_meta();
        let listed = tokio::select! {
            biased;
            () = call.flight.given_up() => return Err(None),
            listed = self.list_of_call(&call.name, &meta) => listed,
        };
        let here = |code: McpCode, problem: &str| (Told::here(&call.name, code, problem), code.into());
        let (told, code) = match listed {
            Ok(listing) => match listing.callable(&call.name) {
                Some(Ok(())) => return Ok(Some(listing)),
                _ if observes => return Ok(Some(listing)),
                Some(Err(error)) => (
                    Told::refused(&call.name, &Refused::unmapped(&error)),
                    error.code().into(),
                ),
                None => here(McpCode::ToolNotListed, "is no tool that the server lists"),
            },
            Err(_) if observes => return Ok(None),
            Err((code, problem)) => here(code, &format!("is not called: the server {problem}")),
        };
        Err(Some(self.refuse(call, &told, code).await))
    }

    /// Refuses a call that the door is not asked about, and has that recorded.
    async fn refuse(&self, call: &Call, told: &Told, code: Code) -> Vec<u8> {
        let recorded = match self.occasion(call) {
            Ok(occasion) => {
                let call = self.gate_call(call, None);
                let recorded = self.door.refuse(call, &occasion, Reason::new(code)).await;
                recorded.map_err(|error| error.to_string())
            }
            Err(problem) => Err(problem),
        };
        if let Err(problem) = recorded {
            tracing::warn!(problem, "a refused call is not recorded");
        }
        self.deny(call, told)
    }

    fn gate_call<'a>(&'a self, call: &'a Call, tool: Option<&'a ListedTool>) -> GateCall<'a> {
        if !call.is_tool() {
            return MethodCall::new(&self.settings.server.name, &call.method, &call.payload).into();
        }
        let gate_call = ToolCall::new(&self.settings.server.name, &call.name, &call.payload);
        tool.map_or(gate_call, |tool| gate_call.with_definition(tool)).into()
    }

    fn occasion(&self, call: &Call) -> Result<Occasion, String> {
        let mut occasion = Occasion::of_session(self.id.clone());
        occasion.trace.clone_from(&call.trace);
        occasion.context = call.context()?;
        Ok(occasion)
    }

    /// Whether the client can be sent to the page, and the call be resumed then: not one that already answers the server.
    fn opens_urls(&self, call: &Call) -> bool {
        let opens = match call.era {
            Era::Modern => call.opens_urls,
            Era::Legacy => self.state().client.elicitation_url,
        };
        let may_elicit = matches!(call.method.as_str(), "tools/call" | "prompts/get" | "resources/read");
        opens && may_elicit && call.bound.iter().all(|(name, _)| *name == "task")
    }

    fn refusal(&self, call: &Call, refused: &Refused, digest: &Digest) -> Vec<u8> {
        let told = Told::refused(&call.name, refused);
        let request = refused.answer.as_ref().and_then(|answer| answer.request.as_ref());
        let request =
            request.filter(|request| refused.decision == Decision::StepUp && answer::is_link(&request.review));
        let Some(request) = request.filter(|_| self.opens_urls(call)) else {
            return self.deny(call, &told);
        };
        {
            let mut state = self.state();
            let is_known = state.elicited.contains(digest);
            // A legacy client that comes again is told in words: it was sent there already.
            if is_known && call.era == Era::Legacy {
                drop(state);
                return self.deny(call, &told);
            }
            if !is_known {
                if state.elicited.len() >= MAX_ELICITED {
                    state.elicited.remove(0);
                }
                state.elicited.push(*digest);
            }
        }
        answer::elicitation(
            &call.asked(self.settings.deny_as),
            &told,
            request,
            &self.key.give(digest),
        )
    }

    /// Waits, and tells the client so where it asked for that.
    async fn telling_progress<T>(&self, call: &Call, work: impl Future<Output = T>) -> T {
        let token = call.meta.iter().find(|(name, _)| *name == era::META_PROGRESS);
        let Some((_, token)) = token else { return work.await };
        tokio::pin!(work);
        let mut count = 0_u64;
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = tokio::time::sleep(PROGRESS) => {}
            }
            count = count.saturating_add(1);
            let params = ObjectWriter::new()
                .member("progressToken", token)
                .member("progress", count.to_string().as_bytes());
            let params = params.member("message", b"\"waiting for an approval\"").finish();
            let line = message::notification("notifications/progress", Some(&params));
            self.tell(Some(&call.id), false, line).await;
        }
    }

    /// Makes a call whose pass is used up, reports what came of it, and gives the answer.
    async fn make(&self, call: &Call, ready: Ready) -> Option<Vec<u8>> {
        let (sender, answered) = oneshot::channel();
        if let Err(not_sent) = self.send(ready.message, &call.flight, Some(sender)).await {
            // It never left the proxy.
            self.report(&ready.ran, Outcome::failed()).await;
            return match not_sent {
                NotSent::GivenUp => None,
                NotSent::ServerGone => Some(self.deny(
                    call,
                    &Told::here(&call.name, McpCode::ServerGone, "was not called: the server is gone"),
                )),
            };
        }
        let line = match answered.await {
            Ok(Ok(line)) => line,
            Ok(Err(code)) => {
                self.report(&ready.ran, Outcome::unknown()).await;
                return Some(self.deny(call, &Told::unknown(&call.name, code)));
            }
            // Given up, or the server is gone.
            Err(_) => {
                self.report(&ready.ran, Outcome::unknown()).await;
                return Some(self.deny(call, &Told::unknown(&call.name, McpCode::ServerGone)));
            }
        };
        self.report(&ready.ran, outcome(&line)).await;
        Some(match &ready.observed {
            Some(observed) => answer::with_meta(&line, era::META_DECISION, observed),
            None => line,
        })
    }

    async fn report(&self, ran: &Ran, outcome: Outcome) {
        let status = outcome.status;
        match tokio::time::timeout(REPORT_TIMEOUT, self.door.report(ran, outcome)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, ?status, "an outcome is not recorded"),
            Err(_) => tracing::error!(?status, "an outcome is not recorded in time"),
        }
    }
}

/// What came of a call, by the server's word: a task that runs, or a question, is no result yet.
fn outcome(line: &[u8]) -> Outcome {
    let Some(ServerMessage::Answer { result: Ok(result), .. }) = message::read_server(line) else {
        return Outcome::failed();
    };
    let kind = raw::member(result, "resultType").and_then(raw::text);
    let outcome = match kind.as_deref() {
        _ if raw::member(result, "isError") == Some(b"true") => Outcome::failed(),
        Some("input_required") => Outcome::failed(),
        _ if raw::member(result, "task").is_some() => Outcome::unknown(),
        None | Some("complete") => Outcome::executed(),
        Some(_) => Outcome::unknown(),
    };
    match message::hash(result) {
        Some(hash) => outcome.with_result(hash),
        None => outcome,
    }
}
