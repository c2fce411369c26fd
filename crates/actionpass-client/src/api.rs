//! What is asked of the service, and what it answers (`docs/spec/service.md`).
//!
//! Names are camelCase, times RFC 3339, hashes `sha256:…`. Answers may gain members; questions are closed.

mod approvers;
mod decisions;
mod ledger;
mod problem;
mod requests;
#[cfg(feature = "openapi")]
pub mod schema;
mod servers;
mod trust;

pub use approvers::{
    ConfirmPasskey, ConfirmedPasskey, OpenInvitation, PendingApprovers, PendingInvitation, PendingPasskey,
    RegisterPasskey, RegisteredPasskey,
};
pub use decisions::{
    AuthorizeAnswer, AuthorizeRequest, GivenPass, MAX_WAIT_SECONDS, OpenedRequest, OutcomeAnswer, OutcomeReport,
    PassSummary, StatedCaller, ToldReason, Verdict, VerdictFinding, VerifyRequest,
};
pub use ledger::{LedgerHead, RecordList};
pub use problem::{PROBLEM_MEDIA_TYPE, Problem};
pub use requests::{
    CastVote, Declined, DroppedVote, FullRequest, Lifted, RequestEvent, RequestItem, RequestList, VoteSubject,
};
pub use servers::{
    DefinitionChange, ListedTools, ServerItem, ServerList, ServerOrigin, ToolStanding, ToolStateItem, ToolStates,
};
pub use trust::{JwkSet, NewRevocation, RecordLink, RevocationList, Revoked};
