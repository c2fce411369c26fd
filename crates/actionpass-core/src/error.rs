//! Why there is no decision, or none that yields a pass.

use std::error::Error as StdError;
use std::sync::Arc;

use actionpass_crypto::SignError;
use actionpass_model::{Code, CodedError};
use actionpass_queue::RequestCode;
use actionpass_store::StoreError;
use actionpass_verify::{TrustError, VerifyCode};

actionpass_model::codes! {
    /// What an issuer refuses, or could not do, beside what its parts say with codes of their own.
    pub enum AuthorizeCode: Unavailable {
        /// The action says something else than the host about who calls.
        CallerMismatch = "caller_mismatch" => InputRefused,
        /// The issuer doesn't serve this tenant or agent.
        CallerNotServed = "caller_not_served" => InputRefused,
        /// Two member names of the payload are equal after case folding: some parsers read them as one.
        MemberNamesCollide = "member_names_collide" => InputRefused,
        /// The facts are about another action, or don't say about which where the issuer wants to know.
        FactsMismatch = "facts_mismatch" => InputRefused,
        /// The facts are older than the issuer takes them, or from the future.
        FactsStale = "facts_stale" => InputRefused,
        /// The audience isn't configured for this tool.
        AudienceUnknown = "audience_unknown" => InputRefused,
        /// The action id was used for another action that was allowed.
        ActionIdReused = "action_id_reused" => InputRefused,
        /// The action was allowed before, and its pass no longer verifies, is used, or was for another audience.
        ActionAlreadyIssued = "action_already_issued" => AlreadyDone,
        /// The action was allowed before: this is the pass of then.
        IssuedBefore = "issued_before" => Reason,
        /// An offered approval was used before.
        ApprovalUsed = "approval_already_used" => Approval,
        /// The store was restored from a backup, and what was used or allowed before that may be forgotten: the approval, or the
        /// action id, is of before, or doesn't say of when it is.
        ApprovalStateLost = "approval_state_lost" => Approval,
        /// Somebody whose approval would have counted declined the action, and that holds for a time.
        ApprovalDeclined = "approval_declined" => Declined,
        /// An offered approval holds, and the decision didn't rely on it.
        ApprovalNotReliedOn = "approval_not_relied_on" => Reason,
        /// More approvals are offered than are looked at, or the decision relies on more than a pass carries.
        TooManyApprovals = "too_many_approvals" => Approval,
        /// The trust store doesn't have the signer's key as a pass key of this issuer that signs now.
        SignerNotTrusted = "signer_not_trusted",
        /// The signer's key is retired, and another has taken its place.
        SignerSuperseded = "signing_key_superseded",
        /// The signer's key is retired, and none has taken its place.
        SignerRetired = "signing_key_retired",
        /// The signer's key is revoked.
        SignerRevoked = "signing_key_revoked",
        /// The trust store doesn't let the signer's key speak for the tenant of the action: no verifier would take the pass.
        SignerNotForTenant = "signing_key_not_for_tenant",
        /// There is no randomness to make an id from.
        RandomnessUnavailable = "randomness_unavailable",
        /// Another policy has come into force than the one that judged.
        PolicyChanged = "policy_changed",
        /// Trust kept changing while the action was judged.
        Contention = "contention",
    }
}

/// There is no pass: a stable code, where it applies a place, and the cause.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{problem}")]
pub struct AuthorizeError {
    code: Code,
    problem: Box<str>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl AuthorizeError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code.clone()
    }

    /// Whether it is this code.
    #[must_use]
    pub fn is(&self, code: impl Into<Code>) -> bool {
        self.code == code.into()
    }

    pub(crate) fn at(code: AuthorizeCode, place: &str) -> Self {
        let problem = format!("`{place}`: {}", message(code));
        Self {
            code: code.into(),
            problem: problem.into(),
            source: None,
        }
    }

    pub(crate) fn trust(error: TrustError) -> Self {
        Self {
            code: error.code(),
            problem: "there is no trust to judge by".into(),
            source: Some(Arc::new(error)),
        }
    }
}

impl AuthorizeError {
    /// The time is not known.
    pub(crate) fn clock() -> Self {
        Self {
            code: VerifyCode::ClockUnknown.into(),
            problem: "the time is not known".into(),
            source: None,
        }
    }

    /// A part of the issuer failed: its error in the place of ours.
    pub(crate) fn part(error: impl CodedError + Send + Sync + 'static) -> Self {
        Self::boxed(Box::new(error))
    }

    /// The same.
    pub(crate) fn boxed(error: Box<dyn CodedError + Send + Sync>) -> Self {
        Self {
            code: error.code(),
            problem: error.to_string().into(),
            source: Some(Arc::from(error as Box<dyn StdError + Send + Sync>)),
        }
    }
}

impl From<RequestCode> for AuthorizeError {
    fn from(code: RequestCode) -> Self {
        Self {
            code: code.into(),
            problem: clause(code.meaning()).into(),
            source: None,
        }
    }
}

impl From<AuthorizeCode> for AuthorizeError {
    fn from(code: AuthorizeCode) -> Self {
        Self {
            code: code.into(),
            problem: message(code).into(),
            source: None,
        }
    }
}

impl From<SignError> for AuthorizeError {
    fn from(error: SignError) -> Self {
        Self {
            code: error.code().into(),
            problem: "the pass was not signed".into(),
            source: Some(Arc::new(error)),
        }
    }
}

impl From<StoreError> for AuthorizeError {
    fn from(error: StoreError) -> Self {
        Self {
            code: error.code().into(),
            problem: "the decision was not recorded".into(),
            source: Some(Arc::new(error)),
        }
    }
}

/// What a code means, as an error message: one clause, in lower case and without a full stop.
fn message(code: AuthorizeCode) -> String {
    clause(code.meaning())
}

pub(crate) fn clause(meaning: &str) -> String {
    let meaning = meaning.trim().trim_end_matches('.');
    let mut characters = meaning.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

actionpass_model::coded_error!(AuthorizeError);
