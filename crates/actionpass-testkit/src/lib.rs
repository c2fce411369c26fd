//! Strategies, fixtures and faulty parts for testing with ActionPass. Its keys are public: nothing but tests may trust
//! them.
//!
//! ```
//! use actionpass_model::Decision;
//! use actionpass_testkit::{Testbed, fixtures};
//!
//! // A whole issuer and its executor, in memory, with a clock that stands still.
//! let bed = Testbed::new();
//! let action = fixtures::demo_action();
//!
//! let authorization = bed.authorize(&action)?;
//! assert_eq!(authorization.decision, Decision::Allow);
//! let token = authorization.pass.ok_or("an allow has a pass")?.token;
//!
//! assert!(bed.consume(&token, &action).is_ok());
//! assert!(bed.consume(&token, &action).is_err_and(|refusal| refusal.has(actionpass_store::ReplayCode::AlreadyUsed)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | what | where |
//! |---|---|
//! | an issuer, an executor and an approver in one line | [`Testbed`] |
//! | fixed keys, documents and tokens, to the byte | [`fixtures`] |
//! | any token at all, signed by a fixture key: tampered, malformed, forged | [`tokens`] |
//! | a passkey in software, and everything that it can do wrong | [`Authenticator`], [`Fault`] |
//! | values of every type and document: valid, nearly valid, hostile | [`strategies`] |
//! | time and randomness under control | [`ManualClock`], [`CountingRandom`] |
//! | custodians that refuse, stall and lie | [`custodians`] |
//! | stores that refuse, stall, forget and fail now and then | [`stores`] |
//! | policies that always, never or by script allow | [`policies`] |
//! | trust that changes or goes away | [`ManualTrust`] |
//! | approval sources that answer, offer junk, stall | [`sources`] |
//!
//! What is broken here is broken on purpose: a test of yours that passes with a broken part doesn't test it.
#![expect(clippy::expect_used, reason = "fixtures are constants, and a test fails by a panic")]

mod authenticator;
mod clock;
pub mod custodians;
pub mod fixtures;
pub mod policies;
mod random;
pub mod sources;
pub mod stores;
pub mod strategies;
mod testbed;
pub mod tokens;
mod trust;

pub use actionpass_crypto::conformance::block_on;
pub use authenticator::{Authenticator, Fault};
pub use clock::ManualClock;
pub use random::CountingRandom;
pub use testbed::Testbed;
pub use trust::ManualTrust;
