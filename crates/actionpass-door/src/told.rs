//! Decisions as every front door tells them.

use actionpass_client::api::{AuthorizeAnswer, Declined, GivenPass, OpenedRequest, RecordLink, ToldReason};
use actionpass_core::{Authorization, AuthorizeCode, RequestCode};
use actionpass_display::Text;
use actionpass_model::{Code, Statement, WebOrigin};
use actionpass_policy::ReasonCode;
use actionpass_store::ledger::RecordRef;
use actionpass_verify::VerifyCode;

/// The answer to whoever asked for an agent: [`told`], with who declined beside the reason, every character of their words visible,
/// and where people decide, as far as that is known.
#[must_use]
pub fn answer(decided: Authorization, origin: Option<&WebOrigin>) -> AuthorizeAnswer {
    let mut answer = told(decided);
    if let Some(declined) = &mut answer.declined {
        let words = declined.words.take().map(|words| Text::name(words.as_str()).text);
        for reason in answer.reasons.iter_mut().filter(|reason| is_decline(reason)) {
            reason.by = Some(declined.by.clone());
            reason.at = Some(declined.at);
            reason.words.clone_from(&words);
        }
        declined.words = words.as_deref().and_then(statement);
    }
    if let (Some(request), Some(origin)) = (&mut answer.request, origin) {
        request.review = format!("{}/requests/{}", origin.as_str(), request.id);
        request.events = format!("/v1/requests/{}/events", request.id);
    }
    answer
}

/// A decision as `actionpass authorize --json` says it, with what each code means. It names no page, so `review` and `events` of
/// its request are empty, and the words of a decline are as they were said.
#[must_use]
pub fn told(decided: Authorization) -> AuthorizeAnswer {
    let reasons = decided.reasons.into_iter().map(|reason| ToldReason {
        message: meaning(&reason.code).unwrap_or_default().to_owned(),
        code: reason.code,
        rule: reason.rule,
        path: reason.path,
        by: None,
        at: None,
        words: None,
    });
    AuthorizeAnswer {
        decision: decided.decision,
        reasons: reasons.collect(),
        required: decided.required,
        tool: None,
        resource: None,
        audience: None,
        action_id: decided.action_id,
        action_hash: decided.action_hash,
        payload_hash: decided.payload_hash,
        policy: decided.policy,
        pass: decided.pass.map(|pass| GivenPass {
            id: pass.id,
            token: pass.token,
            expires_at: pass.expires_at.to_timestamp(),
        }),
        record: link(&decided.record),
        request: decided.request.map(|request| OpenedRequest {
            id: request.id,
            state: request.state,
            expires_at: request.expires_at,
            review: String::new(),
            events: String::new(),
        }),
        held_by: decided.held_by,
        declined: decided.declined.map(|declined| Declined {
            request: declined.request,
            by: declined.by,
            at: declined.at,
            until: declined.until,
            words: declined.words,
        }),
    }
}

/// A record as documents of the service name it.
#[must_use]
pub fn link(record: &RecordRef) -> RecordLink {
    RecordLink {
        seq: record.seq,
        id: record.id.clone(),
        ledger_hash: record.ledger_hash,
    }
}

fn is_decline(reason: &ToldReason) -> bool {
    reason.code == AuthorizeCode::ApprovalDeclined
}

/// What a code of a decision's reasons means; `None` for one that this release doesn't know.
#[must_use]
pub fn meaning(code: &Code) -> Option<&'static str> {
    let code = code.as_str();
    ReasonCode::from_code(code)
        .map(ReasonCode::meaning)
        .or_else(|| AuthorizeCode::from_code(code).map(AuthorizeCode::meaning))
        .or_else(|| RequestCode::from_code(code).map(RequestCode::meaning))
        .or_else(|| VerifyCode::from_code(code).map(VerifyCode::meaning))
        .map(str::trim)
}

/// Escapes make a text longer, so what no statement has room for ends early; the reason has all of it.
fn statement(words: &str) -> Option<Statement> {
    (0..=words.chars().count())
        .rev()
        .find_map(|length| Statement::parse(&words.chars().take(length).collect::<String>()).ok())
}
