//! [`DoorError`]: why a front door has no answer.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use actionpass_home::DoorNotFound;
use actionpass_model::{Code, CodedError, codes};
use actionpass_store::offload::Unfinished;
use actionpass_store::{StoreCode, StoreError};
use actionpass_verify::{Refusal as VerifyRefusal, VerifyCode};

codes! {
    /// Why a front door has no answer, where no layer below says so.
    pub enum DoorCode: Usage {
        /// `config.toml` has no `[[door]]` of this name.
        DoorUnknown = "door_unknown",
        /// No `[[door]]` of this kind, or more than one: which one has to be said.
        DoorNotNamed = "door_not_named",
        /// The door is of another kind of front door.
        DoorOfAnotherKind = "door_of_another_kind",
        /// The door has no task, and the call came without the id of a session.
        SessionMissing = "session_missing" => InputRefused,
        /// The id of a session is empty, too long, or not of plain text.
        SessionMalformed = "session_malformed" => InputRefused,
        /// The context of a call isn't a JSON object, or has the member `session`.
        ContextMalformed = "context_malformed" => InputRefused,
        /// A service answered an allow without a pass, or used up another payload than the one that was asked for.
        AnswerContradicts = "answer_contradicts" => Unavailable,
        /// The catalogue changed again and again while a call was judged.
        CatalogueChanged = "catalogue_changed" => Unavailable,
        /// What was asked of a service can't be stated to one.
        NotOverAService = "not_over_a_service",
    }
}

/// Why there is no answer. The call is not made.
#[derive(Clone, Debug)]
pub struct DoorError {
    code: Code,
    message: String,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl DoorError {
    /// One of these codes, and what is wrong.
    #[must_use]
    pub fn new(code: DoorCode, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            source: None,
        }
    }

    /// What a layer below says.
    #[must_use]
    pub fn below(error: impl CodedError + Send + Sync + 'static) -> Self {
        Self {
            code: error.code(),
            message: error.to_string(),
            source: Some(Arc::new(error)),
        }
    }

    /// A code that somebody else gave, and what that means here.
    pub(crate) fn coded(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            source: None,
        }
    }

    pub(crate) fn unfinished(error: Unfinished) -> Self {
        Self::below(StoreError::with_source(StoreCode::StoreUnavailable, error))
    }

    pub(crate) fn without_clock() -> Self {
        Self::below(VerifyRefusal::because(VerifyCode::ClockUnknown))
    }

    pub(crate) fn without_pass() -> Self {
        Self::new(DoorCode::AnswerContradicts, "the allow has no pass")
    }
}

impl From<DoorNotFound> for DoorError {
    fn from(error: DoorNotFound) -> Self {
        let code = match error {
            DoorNotFound::Unknown(_) => DoorCode::DoorUnknown,
            DoorNotFound::OfAnotherKind { .. } => DoorCode::DoorOfAnotherKind,
            _ => DoorCode::DoorNotNamed,
        };
        Self::new(code, error.to_string())
    }
}

impl fmt::Display for DoorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for DoorError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        // The message is the source's own, so what is told further is what lies below it.
        self.source.as_ref().and_then(|source| source.source())
    }
}

impl CodedError for DoorError {
    fn code(&self) -> Code {
        self.code.clone()
    }
}
