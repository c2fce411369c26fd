//! [`Fault`]: why KMS gave no answer that can be used.

use std::error::Error;

use actionpass_crypto::SignError;
use actionpass_custody::{CustodianError, KeyUri};
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};

use crate::SCHEME;

/// One call that failed, or that was never made. It holds text only: the SDK's own errors drag whole answers along.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Fault {
    kind: Kind,
    message: String,
}

/// What the caller can do about it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// It may work later.
    Unavailable,
    /// It is not permitted, or not with this key.
    Refused,
    /// There is no such key.
    Missing,
}

/// Codes of answers of status 400 that mean "later".
const LATER: &[&str] = &[
    "DependencyTimeoutException",
    "KMSInternalException",
    "KeyUnavailableException",
    "RequestLimitExceeded",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

impl Fault {
    pub(crate) fn new(kind: Kind, message: &str) -> Self {
        Self {
            kind,
            message: line(message),
        }
    }

    /// What a failed call means.
    pub(crate) fn of<E>(error: &SdkError<E>) -> Self
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        let SdkError::ServiceError(answer) = error else {
            return Self::new(Kind::Unavailable, &chain(error));
        };
        let status = answer.raw().status().as_u16();
        let code = answer.err().code().unwrap_or("an error without a code");
        let kind = match code {
            "NotFoundException" => Kind::Missing,
            _ if status >= 500 || status == 429 || LATER.contains(&code) => Kind::Unavailable,
            _ => Kind::Refused,
        };
        let message = answer.err().message().unwrap_or("it says no more");
        Self::new(kind, &format!("KMS answers {code}: {message}"))
    }

    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn into_sign_error(self) -> SignError {
        match self.kind {
            Kind::Unavailable => SignError::unavailable(SCHEME, self),
            Kind::Refused | Kind::Missing => SignError::refused(SCHEME, self),
        }
    }

    pub(crate) fn into_custodian_error(self, uri: &KeyUri) -> CustodianError {
        match self.kind {
            Kind::Unavailable => CustodianError::unavailable(SCHEME, self),
            Kind::Refused => CustodianError::refused(SCHEME, self),
            Kind::Missing => CustodianError::KeyMissing { uri: uri.clone() },
        }
    }
}

/// An error and its causes, each once.
fn chain(error: &dyn Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !texts.iter().any(|known| known.contains(&text)) {
            texts.push(text);
        }
        source = error.source();
    }
    texts.join(": ")
}

/// One short line.
fn line(text: &str) -> String {
    const MAX_CHARS: usize = 300;
    let words = text.split(|character: char| character.is_whitespace() || character.is_control());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}
