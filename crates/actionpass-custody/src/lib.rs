//! Where the keys of ActionPass are kept, and how one of them becomes a [`Signer`](actionpass_crypto::Signer).
//!
//! ```
//! use actionpass_crypto::{Algorithm, Signer};
//! use actionpass_custody::{Custodian, KeyFiles, KeyUri, NoSecrets};
//!
//! # let folder = std::env::temp_dir().join(format!("actionpass-custody-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! // A custodian: here PEM files; elsewhere an HSM, a cloud service, an agent.
//! let files = KeyFiles::below(&folder);
//!
//! // `*` becomes the id of the new key; the answer's URI names that key and no other.
//! let made = files.generate(&KeyUri::parse("pass-*.pem")?, Algorithm::Es256, &NoSecrets)?;
//! let opened = files.open(&made.uri, &NoSecrets)?;
//! assert_eq!(opened.signer.public_key(), made.signer.public_key());
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | what | where |
//! |---|---|
//! | a kind of place where keys are kept, and its contract | [`Custodian`], [`CustodianError`] |
//! | where a key is, as text | [`KeyUri`] |
//! | a key that was opened or made | [`OpenKey`] |
//! | PINs, tokens, passphrases, and who is asked for them | [`Secret`], [`Secrets`], [`NoSecrets`] |
//! | files that others can read or write | [`Exposure`] |
//! | keys in files and environment variables | [`KeyFiles`], [`KeySource`], [`PrivatePem`] |
//! | signers of custodians whose calls block | [`BlockingSigner`], [`BlockingKey`], [`OpenKey::with_connections`] |
//! | what custodians of your own need beside that | [`Timeouts`], [`bounded`], [`random_name`] |
//! | the test suite for custodians | `custodian_conformance!` (feature `conformance`) |
//!
//! Custodians open keys with calls that block, at the start of a program; the signers that come of it are async, need no
//! runtime, and bound every wait. An executor needs nothing of this crate.

mod access;
mod blocking;
mod bounded;
#[cfg(feature = "conformance")]
pub mod conformance;
mod custodian;
mod files;
mod openssh;
mod pbes;
mod pem;
mod secret;
mod timeouts;
mod uri;

pub use access::Exposure;
pub use actionpass_timer::within;
pub use blocking::{BlockingKey, BlockingSigner};
pub use bounded::{Abandoned, Unanswered, bounded};
pub use custodian::{Custodian, CustodianCode, CustodianError, NoSecrets, OpenKey, SecretKind, Secrets, random_name};
pub use files::{KeyFileCode, KeyFileError, KeyFiles, KeySource};
pub use pem::PrivatePem;
pub use secret::{Secret, SecretFileError};
pub use timeouts::Timeouts;
pub use uri::{KeyUri, KeyUriError};
