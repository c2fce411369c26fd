//! [`Signer`]: a private key that somebody keeps for us.

use std::error::Error;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use actionpass_model::ClaimsError;

use crate::{PublicKey, Signature, SignatureError, SigningInput};

actionpass_model::codes! {
    /// Why nothing was signed.
    pub enum SignCode: Unavailable {
        /// The custodian could not be reached, failed or didn't answer in time; the same call may succeed later.
        Unavailable = "custodian_unavailable",
        /// The custodian was reached and declines: permission, policy, a key that is disabled or gone.
        Refused = "custodian_refused",
        /// What the custodian returned is no signature, or none that verifies with the key that it claims to hold.
        SelfCheckFailed = "signature_self_check_failed",
        /// The input was made for another key than the signer's.
        WrongKey = "signing_key_mismatch",
        /// The claims contradict each other: they are not signed.
        ClaimsNotSignable = "claims_not_signable" => InputRefused,
        /// The token would be longer than any verifier reads: it is not signed.
        TooLong = "token_too_long" => InputRefused,
        /// A checkpoint of this log, or one by this key, can't be written in the form that is signed.
        CheckpointNotSignable = "checkpoint_not_signable" => InputRefused,
    }
}

/// Nothing was signed: no signature and no token left the signer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The custodian could not be reached or failed.
    #[error("custodian `{custodian}` is unavailable")]
    Unavailable {
        /// [`Signer::custodian`].
        custodian: Box<str>,
        /// The custodian's own error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The custodian declines.
    #[error("custodian `{custodian}` refuses to sign")]
    Refused {
        /// [`Signer::custodian`].
        custodian: Box<str>,
        /// The custodian's own error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The custodian didn't answer in time.
    #[error("custodian `{custodian}` did not answer in time")]
    TimedOut {
        /// [`Signer::custodian`].
        custodian: Box<str>,
    },
    /// What the custodian returned is not a signature.
    #[error("custodian `{custodian}` returned no signature of its algorithm")]
    SignatureMalformed {
        /// [`Signer::custodian`].
        custodian: Box<str>,
        /// What is wrong with it.
        source: SignatureError,
    },
    /// The signature doesn't verify with the signer's own public key.
    #[error("the signature of custodian `{custodian}` does not verify with its own key")]
    SelfCheckFailed {
        /// [`Signer::custodian`].
        custodian: Box<str>,
    },
    /// The input was made for another key.
    #[error("the input was made for another key")]
    WrongKey,
    /// The claims can't be signed.
    #[error("the claims can not be signed")]
    ClaimsNotSignable(#[source] ClaimsError),
    /// The token would be longer than any verifier reads.
    #[error("the token would be longer than {max_bytes} bytes")]
    TooLong {
        /// The limit.
        max_bytes: usize,
    },
    /// There is no checkpoint of this log, or none by this key.
    #[error("there is no checkpoint to sign: {problem}")]
    CheckpointNotSignable {
        /// Why not.
        problem: &'static str,
    },
}

impl SignError {
    /// The custodian could not be reached or failed, and why.
    pub fn unavailable(custodian: &str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable {
            custodian: custodian.into(),
            source: source.into(),
        }
    }

    /// The custodian declines, and why.
    pub fn refused(custodian: &str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Refused {
            custodian: custodian.into(),
            source: source.into(),
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> SignCode {
        match self {
            // Whether it signed is not known, and doesn't matter.
            Self::Unavailable { .. } | Self::TimedOut { .. } => SignCode::Unavailable,
            Self::Refused { .. } => SignCode::Refused,
            Self::SignatureMalformed { .. } | Self::SelfCheckFailed { .. } => SignCode::SelfCheckFailed,
            Self::WrongKey => SignCode::WrongKey,
            Self::ClaimsNotSignable(_) => SignCode::ClaimsNotSignable,
            Self::TooLong { .. } => SignCode::TooLong,
            Self::CheckpointNotSignable { .. } => SignCode::CheckpointNotSignable,
        }
    }
}

/// The future of one signature.
pub type SignFuture<'a> = Pin<Box<dyn Future<Output = Result<Signature, SignError>> + Send + 'a>>;

/// Where a private key is used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Residence {
    /// In this process: a wrong signature would be this process's own fault.
    Process,
    /// Outside of it: another process, a device, a service. Its signatures are verified before they are used.
    Outside,
}

/// A private key that a custodian holds: memory, file, HSM, cloud service, TPM, agent.
///
/// Signing is async because real custodians are remote or wait for a person; the trait is dyn-compatible, so that a
/// program chooses its custodian at run time (`Arc<dyn Signer>`).
///
/// # Contract
///
/// An implementation passes `signer_conformance!` (feature `conformance`), which has a
/// test for each of these that can be tested from outside:
///
/// - **One key.** [`public_key`](Self::public_key) is the same for as long as the value lives, and known before the
///   first signature. A rotated key is a new signer.
/// - **Only its own input.** An input whose [`kid`](SigningInput::kid) is not the signer's is refused with
///   [`SignError::WrongKey`], before the custodian is asked.
/// - **All or nothing.** `Ok` is a signature over exactly [`SigningInput::as_bytes`]; the signer converts what its
///   custodian returns with [`Signature::from_der`], [`from_integers`](Signature::from_integers) or
///   [`from_bytes`](Signature::from_bytes). `Err` means that there is no signature, now or later.
/// - **High or low S, either is fine.** Verifiers accept both; nothing identifies a token by its signature.
/// - **Concurrency.** Calls may overlap, from any number of threads. A custodian that can't do that is serialized by
///   its signer.
/// - **Cancellation.** A future may be dropped at any time. The custodian may still sign, which does no harm; the
///   signer stays usable.
/// - **Retries.** The caller may repeat any call: signing has no effect but the signature. The signer itself may
///   reconnect once, and does not retry beyond that.
/// - **No blocking** in the future: calls that block go to a thread of their own, as `actionpass_custody::BlockingSigner` has
///   them.
/// - **Bounded.** A custodian that doesn't answer is [`SignError::TimedOut`] after a while; callers bound it too.
/// - **No export.** Nothing here hands out a private key, and `Debug` shows nothing of it.
pub trait Signer: Debug + Send + Sync {
    /// The public half, with algorithm and key id.
    fn public_key(&self) -> &PublicKey;

    /// What holds the key, for errors, logs and `doctor`: `memory`, `file`, `pkcs11` … Never empty, no secret in it.
    fn custodian(&self) -> &str;

    /// Where the key is used: decides whether signatures are verified before they are used.
    fn residence(&self) -> Residence;

    /// Signs the input.
    fn sign<'a>(&'a self, input: &'a SigningInput) -> SignFuture<'a>;
}

macro_rules! forward {
    ($($pointer:ident),+) => {$(
        #[deny(clippy::missing_trait_methods, reason = "a wrapper that forgets a method would change its meaning")]
        impl<S: Signer + ?Sized> Signer for $pointer<S> {
            fn public_key(&self) -> &PublicKey {
                (**self).public_key()
            }

            fn custodian(&self) -> &str {
                (**self).custodian()
            }

            fn residence(&self) -> Residence {
                (**self).residence()
            }

            fn sign<'a>(&'a self, input: &'a SigningInput) -> SignFuture<'a> {
                (**self).sign(input)
            }
        }
    )+};
}
forward!(Arc, Box);

actionpass_model::coded_error!(SignError);
