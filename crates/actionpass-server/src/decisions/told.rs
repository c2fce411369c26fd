//! A decision as the service tells it.

use actionpass_client::api::{AuthorizeAnswer, Declined, GivenPass, OpenedRequest, RecordLink, ToldReason};
use actionpass_core::{Authorization, AuthorizeCode, RequestCode};
use actionpass_display::Text;
use actionpass_model::{Code, Reason, Statement, WebOrigin};
use actionpass_policy::ReasonCode;
use actionpass_store::ledger::RecordRef;
use actionpass_verify::VerifyCode;

/// What `actionpass authorize --json` says, with what each code means, who declined, and where people decide.
pub(super) fn answer(decided: Authorization, origin: &WebOrigin) -> AuthorizeAnswer {
    let words = decided.declined.as_ref().and_then(|declined| declined.words.as_ref());
    let words = words.map(|words| Text::name(words.as_str()).text);
    let reasons = decided.reasons.iter().map(|reason| {
        let mut told = told(reason);
        if let Some(declined) = decided.declined.as_ref().filter(|_| is_decline(reason)) {
            told.by = Some(declined.by.clone());
            told.at = Some(declined.at);
            told.words.clone_from(&words);
        }
        told
    });
    AuthorizeAnswer {
        decision: decided.decision,
        reasons: reasons.collect(),
        required: decided.required,
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
            review: format!("{}/requests/{}", origin.as_str(), request.id),
            events: format!("/v1/requests/{}/events", request.id),
            id: request.id,
            state: request.state,
            expires_at: request.expires_at,
        }),
        held_by: decided.held_by,
        declined: decided.declined.map(|declined| Declined {
            request: declined.request,
            by: declined.by,
            at: declined.at,
            until: declined.until,
            words: words.as_deref().and_then(statement),
        }),
    }
}

/// A record as documents of the service name it.
pub(crate) fn link(record: &RecordRef) -> RecordLink {
    RecordLink {
        seq: record.seq,
        id: record.id.clone(),
        ledger_hash: record.ledger_hash,
    }
}

fn told(reason: &Reason) -> ToldReason {
    ToldReason {
        message: meaning(&reason.code).to_owned(),
        code: reason.code.clone(),
        rule: reason.rule.clone(),
        path: reason.path.clone(),
        by: None,
        at: None,
        words: None,
    }
}

fn is_decline(reason: &Reason) -> bool {
    reason.code == AuthorizeCode::ApprovalDeclined
}

fn meaning(code: &Code) -> &'static str {
    let code = code.as_str();
    ReasonCode::from_code(code)
        .map(ReasonCode::meaning)
        .or_else(|| AuthorizeCode::from_code(code).map(AuthorizeCode::meaning))
        .or_else(|| RequestCode::from_code(code).map(RequestCode::meaning))
        .or_else(|| VerifyCode::from_code(code).map(VerifyCode::meaning))
        .unwrap_or_default()
        .trim()
}

/// Escapes make a text longer, so what no statement has room for ends early; the reason has all of it.
fn statement(words: &str) -> Option<Statement> {
    (0..=words.chars().count())
        .rev()
        .find_map(|length| Statement::parse(&words.chars().take(length).collect::<String>()).ok())
}
