//! ActionPass for other languages: what the packages for Node and Python are made of.
//!
//! Everything here takes texts and bytes and gives values that serialize to JSON, so that a binding converts strings and
//! nothing else. Options are JSON texts, read strictly: an unknown member or a value of another type is
//! [`BindingCode::ArgumentInvalid`] with its path. Actions, payloads and facts are **raw JSON as bytes**, and go through the
//! gate as they are; a binding that is handed a value of its language makes the text once, and refuses what isn't JSON
//! with [`Error::value_not_json`] before.
//!
//! Every failure is an [`Error`]: `code`, `codes`, `message`, and `offset` and `path` where they are known. A deny or step_up
//! of [`Issuer::authorize`] is a result, not an error.
//!
//! | what | where |
//! |---|---|
//! | canonical bytes, hashes | [`hash`], [`canonicalize`], [`Action`] |
//! | whom to believe | [`Trust`]: parsed, of single keys, or a file that is watched |
//! | the executor | [`Verifier`]: verify, consume; [`ReplayStore`] |
//! | the issuer | [`Issuer`]: a home, or parts |
//! | keys | [`SigningKey`]: at a URI, or a [`ForeignSigner`] of the binding; [`recover_public_key`] |
//! | approvals | [`approve`] |
//! | the first five minutes | [`demo`]: the demo action and nothing else |
//! | the service | [`Client`] |
//!
//! Without the feature `issuer` it is the executor's side alone, which is what the fallback in WebAssembly is made of: no files but a
//! trust file, no keys that sign, no service.
//!
//! Nothing here needs an async runtime; futures are `Send`, own what they need, and may be polled anywhere. A binding
//! without one calls [`wait`]. Objects are cheap to clone and may be shared by threads. In a process that was forked after
//! one was made, it refuses with `store_forked`.

mod action;
#[cfg(feature = "issuer")]
mod approve;
#[cfg(feature = "issuer")]
mod client;
pub mod demo;
mod error;
#[cfg(feature = "issuer")]
mod issuer;
mod options;
mod process;
mod replay;
#[cfg(feature = "issuer")]
mod signer;
mod time;
mod trust;
mod verifier;

pub use action::{Action, canonicalize, hash};
pub use actionpass::model::BindingCode;
#[cfg(feature = "issuer")]
pub use approve::approve;
#[cfg(feature = "issuer")]
pub use client::Client;
pub use error::Error;
#[cfg(feature = "issuer")]
pub use issuer::{Issuer, Revoked};
pub use replay::ReplayStore;
#[cfg(feature = "issuer")]
pub use signer::{ForeignSignature, ForeignSigner, SigningKey, recover_public_key};
pub use trust::Trust;
pub use verifier::{Call, Verified, Verifier, verdict};

#[cfg(feature = "issuer")]
#[cfg(test)]
mod tests;

/// Waits on this thread until a future is ready: for bindings without a runtime. Never on a thread that others need to make
/// it ready.
pub fn wait<F: Future>(future: F) -> F::Output {
    pollster::block_on(future)
}

/// What a value says as JSON text.
///
/// # Errors
/// None for what this crate gives.
pub fn to_json(value: &impl serde::Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::internal(&error))
}
