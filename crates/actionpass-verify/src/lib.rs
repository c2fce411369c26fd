//! The executor's side of ActionPass: verify a pass offline, consume it once, and run exactly what it was issued for.
//!
//! | what | where |
//! |---|---|
//! | whom to believe: keys and revocations, read whole or not at all | [`Trust`], [`LiveTrust`] |
//! | the call that is about to be made | [`Call`], [`OwnedCall`] |
//! | the checks | [`Verifier`] |
//! | the checks with trust, replay store and clock that live | [`Executor`] |
//! | all of them held / and this is the pass's one use | [`VerifiedPass`], [`ConsumedPass`] |
//! | which of them failed | [`Refusal`], [`VerifyCode`] |
//! | checks of approvals, shared with the issuer | [`approval`] |
//! | how far a log had come, signed | [`SignedHead`] |
//! | who signed in with a passkey | [`Trust::sign_in`], [`SignedIn`] |
//! | names, times and claims; admitting arguments; the replay store's contract | [`model`], [`canon`], [`store`] |
//!
//! Verifying is synchronous and pure: the time and the trust data are arguments. No database, no async runtime and no
//! policy engine come with this crate.
//!
//! An executor depends on this crate alone, and on one that implements [`store::ReplayStore`].

/// Raw JSON to canonical bytes: what a call's arguments are admitted with.
pub use actionpass_canon as canon;
/// Passkeys: what whoever takes a sign-in or a registration hands over.
pub use actionpass_crypto::webauthn;
/// Names, times and documents: what verifiers and calls are made of.
pub use actionpass_model as model;
/// The replay store's contract and the trust store file.
pub use actionpass_store as store;

pub mod approval;
mod call;
mod clock;
mod code;
mod executor;
mod live;
mod log;
mod sign_in;
mod signed_head;
mod standing;
mod trust;
mod verifier;

pub use call::{Call, OwnedCall};
pub use clock::{Clock, SystemClock};
pub use code::{Finding, Refusal, VerifyCode};
pub use executor::Executor;
pub use live::{DocumentTrust, FixedTrust, LiveTrust, TrustSource, TrustSourceFuture};
pub use sign_in::{SignInError, SignedIn};
pub use signed_head::{SignedHead, SignedHeadCode, SignedHeadError};
pub use standing::{KeyStanding, StandingCode};
pub use trust::{Trust, TrustError};
pub use verifier::{ConsumedPass, PassSummary, VerifiedPass, Verifier};
