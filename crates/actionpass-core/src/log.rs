//! What an issuer tells the log (`tracing`): decisions, refusals with their codes, failures with their causes. Names, ids
//! and codes only: never payloads, facts, tokens or secrets.

use std::error::Error;

use crate::{Authorization, AuthorizeError};

/// What an authorization came to.
pub(crate) fn decided(outcome: &Result<Authorization, AuthorizeError>) {
    match outcome {
        Ok(authorization) => decision(authorization),
        Err(error) => tracing::warn!(code = %error.code(), error = error as &dyn Error, "no decision"),
    }
}

/// A decision that is recorded.
pub(crate) fn decision(authorization: &Authorization) {
    if !tracing::enabled!(tracing::Level::INFO) {
        return;
    }
    let codes: Vec<&str> = authorization
        .reasons
        .iter()
        .map(|reason| reason.code.as_str())
        .collect();
    let rules: Vec<&str> = authorization.policy.rules.iter().map(AsRef::as_ref).collect();
    tracing::info!(
        decision = %authorization.decision,
        codes = codes.join(","),
        rules = rules.join(","),
        action = %authorization.action_id,
        pass = authorization.pass.as_ref().map(|pass| pass.id.as_str()),
        record = authorization.record.seq,
        "decided"
    );
}
