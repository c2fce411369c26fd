//! ActionPass for programs in Rust: an issuer, an approver and an executor, in a few lines each.
//!
//! ```
//! use std::sync::Arc;
//!
//! use actionpass::canon::{BoundAction, Limits};
//! use actionpass::model::{Caller, Statement};
//! use actionpass::policy::{EXAMPLE_STEP_UP, RulePolicy, STARTER_POLICY};
//! use actionpass::{Approver, Call, Decision, InMemory, Request, SoftwareKey};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> { pollster::block_on(async {
//! // An approver: a person, and a key that only they have.
//! let maya = Approver::new("user:maya@example.com".parse()?, Arc::new(SoftwareKey::generate()?));
//!
//! // An issuer; in production `OpenHome::issuer`, on a folder that `actionpass init` made.
//! let policy = Arc::new(RulePolicy::load(STARTER_POLICY, "policy.toml")?);
//! let local = InMemory::builder("https://issuer.example".parse()?, "org:example".parse()?, policy)
//!     .with_approver(maya.public_key(), maya.name().clone(), vec!["maintainer".parse()?])
//!     .build()
//!     .await?;
//!
//! let caller = Caller::parse("org:example", "agent:codex-prod", "user:owner@example.com", "runtime:codex-cli")?;
//! let action = BoundAction::admit(EXAMPLE_STEP_UP.as_bytes(), &Limits::default())?;
//! let decided = local.authorize(Request::new(&action, &caller)).await?;
//! assert_eq!(decided.decision, Decision::StepUp); // a maintainer has to say yes
//!
//! let approval = maya.approve(&action, "https://issuer.example".parse()?, Statement::parse("read it")?).await?;
//! let decided = local.authorize(Request::new(&action, &caller).with_approval(approval)).await?;
//! let pass = decided.pass.ok_or("not allowed")?;
//!
//! // An executor: verifies offline, and uses the pass up.
//! let executor = local.executor(action.action().capability.tool.default_audience());
//! let consumed = executor.consume(&pass.token, &Call::action(&action)).await?;
//! assert_eq!(consumed.payload(), action.payload()); // what is executed, byte for byte
//! assert!(executor.consume(&pass.token, &Call::action(&action)).await.is_err()); // and only once
//! # Ok(()) }) }
//! ```
//!
//! The step_up above opened an approval request. A person may vote on it instead, and the agent only asks again:
//!
//! ```
//! # use std::sync::Arc;
//! # use actionpass::canon::{BoundAction, Limits};
//! # use actionpass::model::Caller;
//! # use actionpass::policy::{EXAMPLE_STEP_UP, RulePolicy, STARTER_POLICY};
//! # use actionpass::{Approver, Decision, InMemory, Request, RequestState, SoftwareKey};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> { pollster::block_on(async {
//! # let maya = Approver::new("user:maya@example.com".parse()?, Arc::new(SoftwareKey::generate()?));
//! # let policy = Arc::new(RulePolicy::load(STARTER_POLICY, "policy.toml")?);
//! # let local = InMemory::builder("https://issuer.example".parse()?, "org:example".parse()?, policy)
//! #     .with_approver(maya.public_key(), maya.name().clone(), vec!["maintainer".parse()?]).build().await?;
//! # let caller = Caller::parse("org:example", "agent:codex-prod", "user:owner@example.com", "runtime:codex-cli")?;
//! # let action = BoundAction::admit(EXAMPLE_STEP_UP.as_bytes(), &Limits::default())?;
//! let decided = local.authorize(Request::new(&action, &caller)).await?;
//! let waiting = decided.request.ok_or("nothing waits")?;
//!
//! let review = local.issuer().review(&waiting.id).await?; // with the action that its view shows
//! let vote = maya.approve_request(&review, "https://issuer.example".parse()?, "read it".parse()?).await?;
//! assert_eq!(local.issuer().vote(&waiting.id, &vote).await?.state, RequestState::Approved);
//!
//! let decided = local.authorize(Request::new(&action, &caller)).await?;
//! assert_eq!(decided.decision, Decision::Allow);
//! # Ok(()) }) }
//! ```
//!
//! | feature | gives |
//! |---|---|
//! | `executor` (default) | [`Executor`], [`Verifier`], [`Trust`], [`LiveTrust`]: what `actionpass-verify` brings, and nothing else |
//! | `approver` | `Approver`: signs approvals with a key that any custodian has |
//! | `issuer` | `Issuer`, `OpenHome`, `InMemory`: authorize, record, sign |
//!
//! The layer crates (`actionpass-canon`, `-crypto`, `-store`, `-verify`, `-core`, …) stay usable alone; the modules here
//! give them on.

#[cfg(feature = "approver")]
mod approver;

/// Raw JSON to canonical bytes and their hashes (RFC 8785).
pub use actionpass_canon as canon;
/// Documents, names, times and codes.
pub use actionpass_model as model;
/// Contracts of stores, the ledger, the trust store file.
pub use actionpass_store as store;
/// Everything between a token and a call.
pub use actionpass_verify as verify;

pub use actionpass_canon::{BoundAction, BoundFacts, CanonicalBytes, Limits};
pub use actionpass_model::{Caller, Code, CodeClass, CodedError, Decision};
pub use actionpass_store::{MemoryReplayStore, ReplayStart, ReplayStore};
pub use actionpass_verify::{
    Call, ConsumedPass, Executor, LiveTrust, OwnedCall, Refusal, Trust, TrustSource, VerifiedPass, Verifier,
};

/// The issuer's side: decisions, approvals, changes of trust and policy.
#[cfg(any(feature = "approver", feature = "issuer"))]
pub use actionpass_core as core;
/// Signers, keys and tokens.
#[cfg(any(feature = "approver", feature = "issuer"))]
pub use actionpass_crypto as crypto;
/// Where private keys are kept.
#[cfg(any(feature = "approver", feature = "issuer"))]
pub use actionpass_custody as custody;
/// What approvers are shown.
#[cfg(any(feature = "approver", feature = "issuer"))]
pub use actionpass_display as display;
/// The folder of an issuer.
#[cfg(feature = "issuer")]
pub use actionpass_home as home;
/// Rules, and the trait of other engines.
#[cfg(feature = "issuer")]
pub use actionpass_policy as policy;

#[cfg(feature = "issuer")]
pub use actionpass_core::{
    Authorization, AuthorizeError, Deployment, FactsTerms, InMemory, IssuedPass, Issuer, IssuerConfig, Request,
    RequestState, RequestTerms, Review, ReviewError,
};
#[cfg(any(feature = "approver", feature = "issuer"))]
pub use actionpass_crypto::{Signer, SoftwareKey};
#[cfg(feature = "issuer")]
pub use actionpass_home::{Home, HomeError, NewHome, OpenHome};
#[cfg(feature = "approver")]
pub use approver::{Approver, ApproverError};
