//! The issuer's side of ActionPass: authorize, approve, revoke. Everything of `actionpass-verify` is given on.
//!
//! ```
//! use actionpass_canon::{BoundAction, Limits};
//! use actionpass_core::{InMemory, Request, verify::Call};
//! use actionpass_model::{Caller, Decision};
//! use actionpass_policy::{EXAMPLE_ALLOW, STARTER_POLICY};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> { pollster::block_on(async {
//! let local = InMemory::new("https://issuer.example", "org:example", STARTER_POLICY).await?;
//! let caller = Caller::parse("org:example", "agent:codex-prod", "user:owner@example.com", "runtime:codex-cli")?;
//! let action = BoundAction::admit(EXAMPLE_ALLOW.as_bytes(), &Limits::default())?;
//!
//! let decided = local.authorize(Request::new(&action, &caller)).await?;
//! assert_eq!(decided.decision, Decision::Allow);
//!
//! let pass = decided.pass.ok_or("allowed without a pass")?;
//! let consumed = local.consume(&pass.token, &Call::action(&action)).await?;
//! assert_eq!(consumed.payload(), action.payload());
//! # Ok(()) }) }
//! ```
//!
//! | what | where |
//! |---|---|
//! | an issuer that lives: policies and keys come and go while it answers | [`Issuer`], [`Deployment`] |
//! | one decision: judge, record, sign | [`Authorizer`], [`Request`], [`Authorization`] |
//! | changes of trust and policy, with their records | [`Administrator`] |
//! | who the issuer is and whom it serves | [`IssuerConfig`] |
//! | which facts it takes | [`FactsTerms`] |
//! | a human's signed yes | [`Approval`] |
//! | what offered approvals are worth, without deciding | [`Offered`] |
//! | where approvals come from while an agent waits | [`ApprovalSource`] |
//! | the head of a log, signed | [`sign_head`] |
//! | taking back | [`revoke`], [`reconcile`] |
//! | time, timers and randomness | [`Clock`], [`Timer`], [`Random`], [`System`] |
//! | all of it without a file | [`InMemory`] |
//!
//! Custodian, policy engine, trust, stores, clock and randomness are traits. A failure of any of them yields no pass.

pub use actionpass_verify as verify;

mod admin;
mod approve;
mod authorize;
mod call;
mod config;
mod documents;
mod environment;
mod error;
mod event;
mod facts;
mod head;
mod in_memory;
mod issuer;
mod log;
mod offered;
mod outcome;
mod queue;
mod quota;
mod request;
mod review;
mod revoke;
mod source;
mod uses;

pub use actionpass_model::RequestState;
pub use actionpass_queue::{Limits, RequestCode};
pub use actionpass_verify::Clock;
pub use admin::{AdminError, Administrator, KeyChanged, Rotated, Rotation};
pub use approve::{Approval, ApproveError};
pub use authorize::{Authorizer, AuthorizerBuilder, AuthorizerParts};
pub use config::{IssuerConfig, MAX_DENIED_PAYLOAD_BYTES, RequestTerms};
pub use environment::{Random, RequestWatch, System, Timer, TimerFuture};
pub use error::{AuthorizeCode, AuthorizeError};
pub use event::RequestEvent;
pub use facts::FactsTerms;
pub use head::sign_head;
pub use in_memory::{InMemory, InMemoryBuilder, InMemoryError};
pub use issuer::{Deployment, FixedDeployment, Issuer, IssuerBuilder, PartFuture};
pub use offered::{Occasion, Offered};
pub use outcome::{ObservedFound, ObservedOutcome, Outcome, OutcomeReported, UseFound};
pub use request::{Authorization, Declined, IssuedPass, Request, RequestAnswer};
pub use review::{DroppedVote, Review, ReviewError};
pub use revoke::{NewRevocation, RevokeError, prunable_from, reconcile, reconcile_with, revoke, revoke_unrecorded};
pub use source::{ApprovalAnswer, ApprovalFuture, ApprovalQuestion, ApprovalSource, ApprovalSourceError};
pub use uses::{RecordedUse, UseError};
