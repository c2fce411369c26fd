//! What clients are answered instead of a server's answer.

use std::fmt::Write as _;

use actionpass_client::api::{OpenedRequest, ToldReason};
use actionpass_display::Text;
use actionpass_door::{DoorError, Observed, Refused};
use actionpass_gate::CallCode;
use actionpass_model::{Code, CodedError, Decision, Digest};
use serde_json::{Value, json};

use crate::era::{self, Era};
use crate::message::{self, Id};
use crate::raw::{self, ObjectWriter};
use crate::{DenyAs, McpCode, McpError};

/// What an answer is to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) id: &'a Id,
    pub(crate) era: Era,
    /// Whether results may say that they are errors: those of tools may.
    pub(crate) is_tool: bool,
    pub(crate) deny_as: DenyAs,
}

/// What is told of a call that isn't made.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) text: String,
    decision: Value,
    error: i32,
}

/// An error of JSON-RPC with our code.
pub(crate) fn error(id: Option<&Id>, number: i32, code: McpCode, problem: &str) -> Vec<u8> {
    error_with(id, number, problem, &json!({ "code": code.as_str() }))
}

/// An error of JSON-RPC with data.
pub(crate) fn error_with(id: Option<&Id>, number: i32, problem: &str, data: &Value) -> Vec<u8> {
    let error = json!({ "code": number, "message": problem, "data": data }).to_string();
    match id {
        Some(id) => message::answer(id, Err(error.as_bytes())),
        None => ObjectWriter::new()
            .member("jsonrpc", b"\"2.0\"")
            .member("id", b"null")
            .member("error", error.as_bytes())
            .finish(),
    }
}

/// What the first request is answered where the proxy can't start.
pub(crate) fn unavailable(id: &Id, error: &McpError) -> Vec<u8> {
    let problem = format!("the proxy can't start: {}", Text::value(&error.to_string()).text);
    error_with(
        Some(id),
        era::INTERNAL,
        &problem,
        &json!({ "code": error.code().as_str() }),
    )
}

/// What is answered to a version that isn't spoken.
pub(crate) fn unsupported(id: &Id, requested: Option<&str>, supported: &[&str], problem: &str) -> Vec<u8> {
    let mut data = json!({ "code": McpCode::VersionRefused.as_str(), "supported": supported });
    if let (Some(requested), Some(data)) = (requested, data.as_object_mut()) {
        data.insert("requested".to_owned(), requested.into());
    }
    error_with(Some(id), era::UNSUPPORTED_VERSION, problem, &data)
}

impl Told {
    /// A call that the proxy itself doesn't make.
    pub(crate) fn here(name: &str, code: impl Into<Code>, problem: &str) -> Self {
        let code = code.into();
        Self {
            text: format!("Not executed: {} {} ({code}).", shown(name), Text::value(problem).text),
            decision: json!({ "decision": "deny", "codes": [code.as_str()] }),
            error: era::NOT_ALLOWED,
        }
    }

    /// A call on which there is no decision, or whose pass wasn't used up.
    pub(crate) fn failed(name: &str, error: &DoorError) -> Self {
        let code = error.code();
        Self {
            text: format!(
                "Not executed: whether {} is allowed can't be told now, so it was not called: {} ({code}). Calling again later may help.",
                shown(name),
                Text::value(&error.to_string()).text
            ),
            decision: json!({ "decision": "error", "codes": [code.as_str()] }),
            error: era::INTERNAL,
        }
    }

    /// A call whose server is gone, or answered with nothing that can be passed on: nobody knows what became of it.
    pub(crate) fn unknown(name: &str, code: McpCode) -> Self {
        Self {
            text: format!(
                "{} was called, and what became of it is not known: {} ({code}). Check before you call again.",
                shown(name),
                code.meaning().trim().trim_end_matches('.').to_lowercase(),
            ),
            decision: json!({ "decision": "allow", "codes": [code.as_str()], "outcome": "unknown" }),
            error: era::SERVER_FAILED,
        }
    }

    /// A call that isn't allowed.
    pub(crate) fn refused(name: &str, refused: &Refused) -> Self {
        let request = refused.answer.as_ref().and_then(|answer| answer.request.as_ref());
        let mut text = match refused.decision {
            Decision::StepUp => format!("Not executed: {} needs the approval of a person.", shown(name)),
            Decision::Allow | Decision::Deny => format!("Not executed: {} is denied.", shown(name)),
        };
        for reason in &refused.reasons {
            push_reason(&mut text, reason);
        }
        if let (Decision::StepUp, Some(request)) = (refused.decision, request) {
            let _ = write!(
                text,
                "\nThe request {} is {}",
                request.id,
                value(&request.state).as_str().unwrap_or("open")
            );
            let _ = write!(
                text,
                " until {}.",
                value(&request.expires_at).as_str().unwrap_or("it expires")
            );
            if is_link(&request.review) {
                let _ = write!(text, " Whoever may approve decides at {}", request.review);
            } else {
                let _ = write!(
                    text,
                    " Whoever may approve sees it with: actionpass requests show {}",
                    request.id
                );
            }
            text.push_str(
                "\nTell the user. Once it is approved, call again in this session with identical arguments: any other argument is another request.",
            );
        } else if refused.decision == Decision::StepUp {
            text.push_str("\nCall again with identical arguments once it is approved.");
        } else if refused.reasons.iter().any(|reason| is_of_pins(reason.code.as_str())) {
            text.push_str(
                "\nTell the user: `actionpass pins list` shows what the server says of its tools, and `actionpass pins approve` approves it.",
            );
        } else {
            text.push_str("\nCalling again with the same arguments changes nothing.");
        }
        let payload_hash = refused.answer.as_ref().map(|answer| answer.payload_hash);
        Self {
            text,
            decision: decision(refused.decision, &refused.reasons, request, payload_hash, None),
            error: era::NOT_ALLOWED,
        }
    }

    /// The answer.
    pub(crate) fn answer(&self, asked: &Asked<'_>) -> Vec<u8> {
        if !asked.is_tool || asked.deny_as == DenyAs::Error {
            return error_with(Some(asked.id), self.error, &self.text, &self.decision);
        }
        let mut result = json!({
            "content": [{ "type": "text", "text": self.text }],
            "isError": true,
            "_meta": { era::META_DECISION: self.decision },
        });
        if let (Era::Modern, Some(result)) = (asked.era, result.as_object_mut()) {
            result.insert("resultType".to_owned(), "complete".into());
        }
        message::answer(asked.id, Ok(result.to_string().as_bytes()))
    }
}

/// The answer that has the client open the page where the call is approved. What it answers to that approves nothing.
pub(crate) fn elicitation(asked: &Asked<'_>, told: &Told, request: &OpenedRequest, state: &str) -> Vec<u8> {
    let params = json!({ "mode": "url", "url": request.review, "message": told.text });
    match asked.era {
        Era::Modern => {
            let result = json!({
                "resultType": "input_required",
                "inputRequests": { INPUT: { "method": "elicitation/create", "params": params } },
                "requestState": state,
                "_meta": { era::META_DECISION: told.decision },
            });
            message::answer(asked.id, Ok(result.to_string().as_bytes()))
        }
        Era::Legacy => {
            let mut params = params;
            if let Some(params) = params.as_object_mut() {
                params.insert("elicitationId".to_owned(), request.id.to_string().into());
            }
            let data = json!({ "elicitations": [params], era::META_DECISION: told.decision });
            error_with(Some(asked.id), era::URL_ELICITATION_REQUIRED, &told.text, &data)
        }
    }
}

/// The name of the one input that is asked for.
pub(crate) const INPUT: &str = "approval";

/// What `_meta` of an observed call's answer says.
pub(crate) fn observed(observed: &Observed) -> Value {
    let answer = observed.answer.as_ref();
    let request = answer.and_then(|answer| answer.request.as_ref());
    let payload_hash = answer.map(|answer| answer.payload_hash);
    decision(
        observed.would,
        &observed.reasons,
        request,
        payload_hash,
        Some("observe"),
    )
}

fn decision(
    decision: Decision,
    reasons: &[ToldReason],
    request: Option<&OpenedRequest>,
    payload_hash: Option<Digest>,
    mode: Option<&str>,
) -> Value {
    let codes: Vec<&str> = reasons.iter().map(|reason| reason.code.as_str()).collect();
    let mut told = json!({ "decision": value(&decision), "codes": codes });
    if let Some(members) = told.as_object_mut() {
        if let Some(request) = request {
            let mut link = json!({ "id": value(&request.id), "state": value(&request.state), "expiresAt": value(&request.expires_at) });
            if let (true, Some(link)) = (is_link(&request.review), link.as_object_mut()) {
                link.insert("review".to_owned(), request.review.clone().into());
            }
            members.insert("request".to_owned(), link);
        }
        if let Some(hash) = payload_hash {
            members.insert("payloadHash".to_owned(), value(&hash));
        }
        if let Some(mode) = mode {
            members.insert("mode".to_owned(), mode.into());
        }
    }
    told
}

/// The message of a server with a member added to `_meta` of its result; unchanged if it has none.
pub(crate) fn with_meta(line: &[u8], name: &str, told: &Value) -> Vec<u8> {
    let told = told.to_string();
    let add = |meta: Option<&[u8]>| {
        let kept = raw::members(meta.unwrap_or_default()).filter(|member| !member.is_named(name));
        let meta = kept.fold(ObjectWriter::new(), |out, member| out.copy(&member));
        meta.member(name, told.as_bytes()).finish()
    };
    let mut out = ObjectWriter::new();
    for member in raw::members(line) {
        if !member.is_named("result") {
            out = out.copy(&member);
            continue;
        }
        let mut result = ObjectWriter::new();
        for member in raw::members(member.value).filter(|member| !member.is_named("_meta")) {
            result = result.copy(&member);
        }
        let result = result.member("_meta", &add(raw::member(member.value, "_meta")));
        out = out.member("result", &result.finish());
    }
    out.finish()
}

/// Whether people can be sent there.
pub(crate) fn is_link(review: &str) -> bool {
    review.starts_with("https://") || review.starts_with("http://")
}

/// Whether somebody has to look at the tool first: it is new, or another than it was.
fn is_of_pins(code: &str) -> bool {
    let codes = [
        CallCode::ToolNotPinned,
        CallCode::DefinitionChanged,
        CallCode::ServerOriginChanged,
    ];
    codes.iter().any(|of_pins| of_pins.as_str() == code)
}

fn push_reason(text: &mut String, reason: &ToldReason) {
    let _ = write!(text, "\n- {} ({}", Text::value(&reason.message).text, reason.code);
    if let Some(rule) = &reason.rule {
        let _ = write!(text, ", rule {rule}");
    }
    if let Some(path) = &reason.path {
        let _ = write!(text, ", at {}", Text::value(path).text);
    }
    text.push(')');
    if let Some(by) = &reason.by {
        let _ = write!(text, " by {by}");
    }
    if let Some(words) = &reason.words {
        let _ = write!(text, ": \u{201c}{words}\u{201d}");
    }
}

/// A name of others, with nothing hidden in it.
fn shown(name: &str) -> String {
    format!("`{}`", Text::name(name).text)
}

fn value(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}
