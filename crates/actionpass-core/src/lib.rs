//! The issuer's side of ActionPass: authorize, approve, revoke. Everything of `actionpass-verify` is given on.
//!
//! ```
//! use actionpass_canon::{BoundAction, Limits};
//! use actionpass_core::{InMemory, Request, verify::Call};
//! use actionpass_model::{Caller, Decision};
//! use actionpass_policy::{EXAMPLE_ALLOW, STARTER_POLICY};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> { pollster::block_on(async {
//! let local = InMemory::new("https://issuer.example", "org:example", STARTER_POLICY)?;
//! let caller = Caller::parse("org:example", "agent:codex-prod", "user:owner@example.com", "runtime:codex-cli")?;
//! let action = BoundAction::admit(EXAMPLE_ALLOW.as_bytes(), &Limits::default())?;
//!
//! let decided = local.authorizer().authorize(Request::new(&action, &caller)).await?;
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
//! | decide, record, sign | [`Authorizer`], [`Request`], [`Authorization`] |
//! | who the issuer is and whom it serves | [`IssuerConfig`] |
//! | a human's signed yes | [`Approval`] |
//! | where approvals come from while an agent waits | [`ApprovalSource`] |
//! | taking back | [`revoke`], [`reconcile`] |
//! | time and randomness | [`Clock`], [`Random`], [`System`] |
//! | all of it without a file | [`InMemory`] |
//!
//! Custodian, policy engine, trust, stores, clock and randomness are traits. A failure of any of them yields no pass.

pub use actionpass_verify as verify;

mod approve;
mod authorize;
mod call;
mod config;
mod documents;
mod environment;
mod error;
mod in_memory;
mod request;
mod revoke;
mod source;

pub use approve::{Approval, ApproveError};
pub use authorize::Authorizer;
pub use config::IssuerConfig;
pub use environment::{Clock, Random, System};
pub use error::{AuthorizeCode, AuthorizeError};
pub use in_memory::{InMemory, InMemoryError};
pub use request::{Authorization, IssuedPass, Request};
pub use revoke::{NewRevocation, RevokeError, reconcile, reconcile_with, revoke};
pub use source::{ApprovalFuture, ApprovalRequest, ApprovalSource, ApprovalSourceError};
