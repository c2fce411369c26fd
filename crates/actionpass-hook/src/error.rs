//! [`HookError`]: why a hook can't say what an agent is about to do.

use std::fmt;

use actionpass_canon::AdmitError;
use actionpass_model::{Code, CodedError, codes};

codes! {
    /// Why a hook can't say what an agent is about to do, or what is wrong with how it is set up.
    pub enum HookCode: InputRefused {
        /// What the agent states isn't of the form that is documented for it: a member is missing or of another type.
        HookInputMalformed = "hook_input_malformed",
        /// What the agent states is larger than a hook reads.
        HookInputTooLarge = "hook_input_too_large",
        /// What the agent states can't be read at all.
        HookInputUnreadable = "hook_input_unreadable" => Unavailable,
        /// The agent asks about an event that this hook judges nothing of.
        HookEventUnknown = "hook_event_unknown",
        /// There was no answer in the time that the agent waits for one.
        HookDeadlinePassed = "hook_deadline_passed" => Unavailable,
        /// The agent's configuration has no hook of ours.
        HookMissing = "hook_missing" => Usage,
        /// The agent's configuration can't be read.
        HookConfigUnreadable = "hook_config_unreadable" => Usage,
        /// A hook of ours is there, and calls can get past it.
        HookOpen = "hook_open" => Usage,
        /// The configured command let a call through that it had to block.
        HookNotBlocking = "hook_not_blocking" => Usage,
        /// Whoever runs the agent can read or change the home that judges it.
        HookHomeExposed = "hook_home_exposed" => Usage,
    }
}

/// Why what an agent states is no call. The call is blocked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HookError {
    code: Code,
    message: String,
}

impl HookError {
    pub(crate) fn new(code: HookCode, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
        }
    }

    pub(crate) fn malformed(member: &str, problem: &str) -> Self {
        Self::new(HookCode::HookInputMalformed, format!("`{member}` {problem}"))
    }

    pub(crate) fn not_admitted(what: &str, error: &AdmitError) -> Self {
        Self {
            code: error.code().into(),
            message: format!("{what}: {error}"),
        }
    }
}

impl fmt::Display for HookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for HookError {}

impl CodedError for HookError {
    fn code(&self) -> Code {
        self.code.clone()
    }
}
