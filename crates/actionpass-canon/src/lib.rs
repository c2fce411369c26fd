//! Admission of raw JSON, RFC 8785 canonical bytes and SHA-256 digests.
//!
//! ```
//! use actionpass_canon::{AdmitCode, Limits, admit};
//!
//! // Spelling and order don't matter: one value has one canonical form and one digest.
//! let payload = admit(br#"{ "title": "caf\u00e9", "count": 1.0 }"#, &Limits::default())?;
//! assert_eq!(payload.as_bytes(), r#"{"count":1,"title":"café"}"#.as_bytes());
//! assert_eq!(payload.digest().to_string(), "sha256:9dc766a14e7c9c1962adba37fde7773e2690c857f8adf2e382793fc8436a818a");
//!
//! // What two readers could read differently is refused, with a stable code and a byte offset.
//! let refused = admit(br#"{"amount":10,"amount":9999}"#, &Limits::default()).unwrap_err();
//! assert_eq!((refused.code(), refused.offset()), (AdmitCode::MemberDuplicate, 13));
//! # Ok::<(), actionpass_canon::AdmitError>(())
//! ```
//!
//! - [`admit`], the gate: raw bytes to [`CanonicalBytes`] in one pass, or an [`AdmitError`]. `docs/spec/admission.md`
//!   has an example for every refusal.
//! - [`BoundAction`]: an admitted action with its canonical payload and both hashes. [`BoundFacts`]: admitted facts.
//! - [`canonicalize`], the canonicalizer: a typed value to [`CanonicalBytes`]. [`canonicalize_decision`] does the same
//!   for the one body that every authorization writes.
//! - [`rfc8785`]: the RFC's own transformation, which rounds numbers, for interoperability.
//! - [`sha256`]: the digests of the whole project.
//! - [`merkle`]: the tree over the entries of a ledger (RFC 6962).
//! - [`scan`]: members and elements of canonical bytes, without copying. [`names`]: member names that some readers
//!   take for one.
//!
//! Everything admitted is admitted again, unchanged, and two admitted documents that are different JSON values have
//! different canonical bytes.

mod action;
mod bytes;
mod digest;
mod error;
mod gate;
mod limits;
pub mod merkle;
pub mod names;
mod number;
mod order;
pub mod rfc8785;
pub mod scan;
mod serialize;
mod text;

pub use action::{BindError, BoundAction, BoundFacts, binding_hash};
pub use bytes::CanonicalBytes;
pub use digest::{sha256, sha256_parts};
pub use error::{AdmitCode, AdmitError, CanonCode, CanonError};
pub use gate::admit;
pub use limits::Limits;
pub use serialize::{canonicalize, canonicalize_decision};
