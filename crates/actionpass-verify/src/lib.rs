//! The executor's side of ActionPass: verify a pass offline, consume it once, and run exactly what it was issued for.
//!
//! | what | where |
//! |---|---|
//! | whom to believe: keys and revocations, read whole or not at all | [`Trust`], [`LiveTrust`] |
//! | the call that is about to be made | [`Call`] |
//! | the checks | [`Verifier`] |
//! | all of them held / and this is the pass's one use | [`VerifiedPass`], [`ConsumedPass`] |
//! | which of them failed | [`Refusal`], [`VerifyCode`] |
//! | checks of approvals, shared with the issuer | [`approval`] |
//!
//! Verifying is synchronous and pure: the time and the trust data are arguments. No database, no async runtime and no
//! policy engine come with this crate.

pub mod approval;
mod call;
mod code;
mod live;
mod trust;
mod verifier;

pub use call::Call;
pub use code::{Finding, Refusal, VerifyCode};
pub use live::{FixedTrust, LiveTrust, TrustSource};
pub use trust::{Trust, TrustError};
pub use verifier::{ConsumedPass, VerifiedPass, Verifier};
