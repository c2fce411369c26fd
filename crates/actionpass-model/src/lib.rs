//! The schema of ActionPass: documents, ids and codes as types whose values are valid by construction.
//!
//! ```
//! use actionpass_model::{Action, Document, DEMO_ACTION};
//!
//! let action = Action::from_json(DEMO_ACTION.as_bytes())?;
//! assert_eq!(action.capability.tool.as_str(), "github.pull_requests.create");
//!
//! let later = DEMO_ACTION.replace("action.v1", "action.v2");
//! let error = Action::from_json(later.as_bytes()).unwrap_err();
//! assert_eq!(error.code().as_str(), "schema_unsupported");
//! # Ok::<(), actionpass_model::DocumentError>(())
//! ```
//!
//! | what | where |
//! |---|---|
//! | an intended tool call, and what its hash covers | [`Action`], [`Binding`], [`Facts`] |
//! | a human's yes or no | [`ApprovalClaims`], [`RefusalClaims`], [`AssertedApproval`] |
//! | the permission | [`PassClaims`] |
//! | whom to believe | [`TrustStore`], [`TrustKey`], [`Passkey`], [`Revocation`] |
//! | what waits for people | [`ApprovalRequest`], [`Vote`] |
//! | evidence | [`Record`] and its bodies |
//! | stable codes | [`codes!`], [`Code`], [`CodeClass`], [`CodedError`] |
//!
//! No I/O, no clock, no randomness, no cryptography. Documents of version 1 are closed: members are added by a
//! version 2 only, so their structs are exhaustive on purpose; but for those of the trust store, which are made by
//! constructors, since an entry has to hold together.

mod action;
mod approval;
mod binding;
mod closed;
mod codes;
mod decision;
mod digest;
mod document;
mod facts;
mod ids;
mod json;
mod jwk;
mod key_use;
mod layout;
mod pass;
mod record;
mod request;
mod revocation;
#[cfg(feature = "schema")]
mod schemas;
mod text;
mod time;
mod trust;
mod webauthn;

pub use action::{
    Action, ActionHead, ActionOf, ActionSchema, Actor, Binding, BindingSchema, Caller, CanonicalAction, Capability,
    DEMO_ACTION, Intent, MAX_VIA, ToolDefinition, demo_action,
};
pub use approval::{
    ApprovalClaims, ApprovalRef, ApprovalSchema, ApprovalTerms, AssertedApproval, DEFAULT_APPROVAL_LIFETIME,
    MAX_APPROVAL_LIFETIME, RefusalClaims, Shown,
};
pub use binding::BindingCode;
pub use codes::{Code, CodeClass, CodedError, message_with_sources};
pub use decision::{ApprovalMode, Assurance, Decision, Grant, Obligation, PolicyRef, Reason};
pub use digest::Digest;
pub use document::{
    ClaimsError, ClaimsVersion, Document, DocumentCode, DocumentError, SignedDocument, read as read_closed,
};
pub use facts::{Facts, FactsSchema};
pub use ids::{
    ActionId, Agent, AnyPrincipal, ApprovalId, Approver, Audience, DoorName, Issuer, KeyId, ObligationId, Origin,
    Owner, PassId, PolicyId, Principal, RecordId, RequestId, Resource, RevocationId, Role, RuleId, Runtime, Server,
    Statement, Task, Tenant, Tool, Trace, fold_principal, is_hidden,
};
pub use json::{JsonObject, JsonValue, SkippedObject, SkippedValue};
pub use jwk::Jwk;
pub use key_use::{KeyStatus, KeyUse};
pub use pass::{
    Canon, DEFAULT_PASS_LIFETIME, EmbeddedApproval, MAX_APPROVALS, MAX_PASS_LIFETIME, MAX_TOKEN_BYTES, PassClaims,
    PassTerms,
};
pub use record::{
    ApprovalEvidence, ArchiveBody, ArchiveSchema, ArchivedRows, BeginningBody, BeginningSchema, BeginningVoucher,
    Commitment, DecisionBody, DecisionMode, DecisionSchema, ErasureBody, ErasureSchema, EvidenceRef, FactsEvidence,
    KeyBody, KeyEvent, KeyEventSchema, LiftedEvidence, MAX_ENTRY_BYTES, OfferedEvidence, OutcomeBody, OutcomeSchema,
    OutcomeStatus, PassEvidence, PinBody, PinChange, PinChangeSchema, PolicyBody, PolicyChangeSchema, Record,
    RecordKind, RecordSchema, RevocationBody, RevocationRecordSchema, TrustBody, TrustChangeSchema, TrustEvidence,
    UseBody, UseSchema,
};
pub use request::{
    ApprovalRequest, DEFAULT_REQUEST_LIFETIME, DecisionRef, EndState, MAX_REQUEST_LIFETIME, PolicyVersion, RequestBody,
    RequestChange, RequestChangeSchema, RequestEnd, RequestSchema, RequestState, RequiredApproval, RuleNote, Vote,
    VoteKind,
};
pub use revocation::{Revocation, RevocationSchema, RevocationTarget};
#[cfg(feature = "schema")]
pub use schemas::schemas;
pub use text::TextError;
pub use time::{Timestamp, UnixSeconds};
pub use trust::{LiftedRevocation, Roots, Tenants, TrustKey, TrustSchema, TrustStore};
pub use webauthn::{CredentialId, Passkey, PasskeyError, RpId, SignatureForm, WebOrigin};
