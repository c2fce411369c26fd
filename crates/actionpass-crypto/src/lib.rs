//! JWS, signers, keys and keyrings of ActionPass: how a typed document becomes a signed token, and a token a document.
//!
//! ```
//! use actionpass_crypto::{Keyring, Signer, SoftwareKey, Unverified, sign_document};
//! use actionpass_model::{ApprovalClaims, Approver, Role, SignedDocument};
//! # use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
//! # fn block_on<F: Future>(future: F) -> F::Output {
//! #     match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
//! #         Poll::Ready(output) => output,
//! #         Poll::Pending => unreachable!("a software key never waits"),
//! #     }
//! # }
//!
//! // Here a key in memory; in files, HSMs, cloud services: `actionpass-custody`.
//! let key = SoftwareKey::generate()?;
//!
//! let approval = ApprovalClaims::from_claims(br#"{
//!     "iss": "user:owner@example.com", "sub": "agent:codex-prod", "aud": "https://issuer.example",
//!     "iat": 1795000000, "exp": 1795000900, "jti": "apr_01920000000070008000000000000001",
//!     "approval": { "v": 1, "mode": "human", "reason": "reviewed", "tenant": "org:example",
//!         "actionHash": "sha256:0000000000000000000000000000000000000000000000000000000000000000",
//!         "payloadHash": "sha256:0000000000000000000000000000000000000000000000000000000000000000" }
//! }"#)?;
//! let token = block_on(sign_document(&key, &approval))?;
//!
//! // The verifier trusts this key to approve as one person, and for nothing else.
//! let entry = key.public_key().approval_key_of(&Approver::parse("user:owner@example.com")?);
//! let keyring = Keyring::from_keys([entry.with_roles(vec![Role::parse("maintainer")?])])?;
//!
//! let verified = Unverified::<ApprovalClaims>::parse(token.as_str())?.verify(&keyring)?;
//! assert_eq!(verified.claims(), &approval);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | what | where |
//! |---|---|
//! | a key that somebody keeps for us, and its contract | [`Signer`] |
//! | what such a key signs, and nothing else | [`SigningInput`], [`sign_document`] |
//! | keys in this process | [`SoftwareKey`]; by backend, modules `aws_lc` and `rustcrypto` |
//! | keys behind the `signature` crate's trait | module `wrapper` (feature `signature`) |
//! | public keys, trusted ones | [`PublicKey`], [`Keyring`] |
//! | PEM text, for readers of private keys | [`pem`] |
//! | reading tokens | [`Unverified`], [`Verified`], [`JwsError`] |
//! | the signed head of a ledger: notes, checkpoints, proofs | [`tlog`] |
//! | passkeys: their assertions, sign-ins and registration | [`webauthn`] |
//! | looking at tokens without believing them, published test suites | [`dangerous`] |
//! | the JSON serialization | module `jose` (feature `jose`) |
//! | the test suite for custodians | `signer_conformance!` (feature `conformance`) |
//!
//! Signing is async, because custodians are remote; verifying is sync, pure and takes everything it needs as an
//! argument. No async runtime, no clock, and no randomness but what new keys need.

#[cfg(not(any(feature = "aws-lc", feature = "rustcrypto")))]
compile_error!("actionpass-crypto needs one of its features `aws-lc` and `rustcrypto` to verify signatures with");

mod algorithm;
mod backend;
mod base64url;
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(test)]
mod fixtures;
#[cfg(feature = "jose")]
pub mod jose;
mod jws;
mod key;
mod keyring;
mod openssh;
pub mod pem;
mod signature;
mod signer;
mod signing;
mod software;
pub mod tlog;
pub mod webauthn;
#[cfg(feature = "signature")]
pub mod wrapper;

pub use algorithm::Algorithm;
#[cfg(feature = "aws-lc")]
pub use backend::aws_lc;
#[cfg(feature = "rustcrypto")]
pub use backend::rustcrypto;
pub use jws::{JwsCode, JwsError, Unverified, Verified, dangerous};
pub use key::{KeyCode, KeyError, PublicKey, VerifyError};
pub use keyring::{KeyEntry, KeyFault, Keyring, KeyringCode, KeyringError};
pub use signature::{Signature, SignatureError};
pub use signer::{Residence, SignCode, SignError, SignFuture, Signer};
pub use signing::{CompactJws, SigningInput, sign_document};
pub use software::{Pkcs8, SoftwareSigner};
pub use webauthn::{WebAuthnCode, WebAuthnError};

/// A private key in this process, on the backend that verifies: aws-lc where it is built, else p256.
#[cfg(feature = "aws-lc")]
pub type SoftwareKey = aws_lc::SoftwareKey;
/// A private key in this process, on the backend that verifies: aws-lc where it is built, else p256.
#[cfg(all(feature = "rustcrypto", not(feature = "aws-lc")))]
pub type SoftwareKey = rustcrypto::SoftwareKey;
