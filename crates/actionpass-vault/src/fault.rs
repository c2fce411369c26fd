//! [`Fault`]: why a server gave no answer that can be used.

use actionpass_crypto::SignError;
use actionpass_custody::{CustodianError, KeyUri};

use crate::SCHEME;

/// One request that failed, or that was never made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// There was no answer, or none in time.
    #[error("the server gave no answer")]
    Unreachable(#[source] ureq::Error),
    /// It answered, and can't do anything now: sealed, overloaded, a standby, failing.
    #[error("the server answers {status}: {message}")]
    Failing { status: u16, message: String },
    /// What answered is no Vault.
    #[error("the answer is none of Vault's: {0}")]
    Garbled(&'static str),
    /// It declines.
    #[error("the server answers {status}: {message}")]
    Declined { status: u16, message: String },
    /// There is nothing of that name.
    #[error("the server has nothing there: {message}")]
    Missing { message: String },
    /// Nothing was asked, because the key or the settings forbid it.
    #[error("{0}")]
    Forbidden(&'static str),
    /// A file could not be read.
    #[error("`{path}` can't be read")]
    Unreadable {
        path: String,
        #[source]
        source: std::io::Error,
    },
}

impl Fault {
    /// What an answer of this status means. Redirects are not followed: they would take the token elsewhere.
    pub(crate) fn of_status(status: u16, message: String) -> Self {
        match status {
            300..=399 => Self::Failing {
                status,
                message: "a redirect; give the address of the active server or of what stands before it".to_owned(),
            },
            404 => Self::Missing { message },
            // 412 and 429: not yet, not now. 472 and 473: a standby.
            412 | 429 | 472 | 473 | 500.. => Self::Failing { status, message },
            _ => Self::Declined { status, message },
        }
    }

    const fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Failing { .. } | Self::Garbled(_))
    }

    pub(crate) fn into_sign_error(self) -> SignError {
        if self.is_passing() {
            SignError::unavailable(SCHEME, self)
        } else {
            SignError::refused(SCHEME, self)
        }
    }

    pub(crate) fn into_custodian_error(self, uri: &KeyUri) -> CustodianError {
        if self.is_passing() {
            CustodianError::unavailable(SCHEME, self)
        } else if matches!(self, Self::Missing { .. }) {
            CustodianError::KeyMissing { uri: uri.clone() }
        } else {
            CustodianError::refused(SCHEME, self)
        }
    }
}

/// How much of a server's own words is passed on.
const MAX_CHARS: usize = 200;

/// The texts of an answer's `errors` on one short line, without any of the secrets that were sent.
pub(crate) fn message(body: &serde_json::Value, secrets: &[&str]) -> String {
    let texts = body.get("errors").and_then(serde_json::Value::as_array);
    let texts: Vec<_> = texts
        .into_iter()
        .flatten()
        .filter_map(serde_json::Value::as_str)
        .collect();
    let mut text = texts.join("; ");
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "(secret)");
    }
    let words = text.split(|character: char| character.is_whitespace() || character.is_control());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None if line.is_empty() => "it says no more".to_owned(),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn messages_are_one_short_line_without_secrets() {
        let body = json!({ "errors": ["1 error occurred:\n\t* permission\u{7} denied for hvs.abc\n\n", "b"] });
        assert_eq!(
            message(&body, &["hvs.abc", ""]),
            "1 error occurred: * permission denied for (secret) ; b"
        );
        for (body, expected) in [
            (json!(null), 15),
            (json!({ "errors": [] }), 15),
            (json!({ "errors": ["ä".repeat(500)] }), 201),
        ] {
            assert_eq!(message(&body, &[]).chars().count(), expected, "{body}");
        }
    }

    #[test]
    fn statuses_say_whether_it_may_work_later() {
        for (status, code) in [
            (301, "custodian_unavailable"),
            (307, "custodian_unavailable"),
            (400, "custodian_refused"),
            (403, "custodian_refused"),
            (404, "custodian_key_missing"),
            (405, "custodian_refused"),
            (429, "custodian_unavailable"),
            (473, "custodian_unavailable"),
            (500, "custodian_unavailable"),
            (503, "custodian_unavailable"),
        ] {
            let fault = Fault::of_status(status, String::new());
            let uri = KeyUri::parse("vault:transit/pass").unwrap();
            assert_eq!(fault.into_custodian_error(&uri).code(), code, "{status}");
        }
    }
}
