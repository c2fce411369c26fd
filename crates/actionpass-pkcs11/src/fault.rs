//! [`Fault`]: what went wrong between this process and a token.

use std::path::PathBuf;

use actionpass_crypto::{KeyError, SignError, SignatureError};
use actionpass_custody::{CustodianError, KeyUri, Unanswered};
use cryptoki::context::Function;
use cryptoki::error::{Error, RvError};

use crate::PKCS11;

/// Why a token was not reached, or didn't do what it was asked for. Never with a PIN in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("the module `{}` can not be loaded", path.display())]
    NotLoaded { path: PathBuf, source: Error },
    #[error("the module answered {code:?} to C_{function:?}")]
    Answered { code: RvError, function: Function },
    #[error("the module does not work as PKCS#11 says")]
    Module(#[source] Error),
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    #[error("the token is not there")]
    TokenGone,
    #[error("more than one token fits")]
    TokensAmbiguous,
    #[error("the PIN was refused before, and is not tried again: tokens lock themselves")]
    PinRefused,
    #[error("{problem}")]
    Refused { problem: &'static str },
    #[error("the key is not on the token")]
    KeyGone,
    #[error("more than one key fits")]
    KeysAmbiguous,
    /// The private key is there, and the public one is missing: of this URI.
    #[error("the public key is not on the token")]
    PublicKeyGone(KeyUri),
    #[error("there is a key of this name")]
    KeyExists,
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error("the token makes no such keys")]
    NotGenerable,
}

/// What follows from a fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Another session may do better.
    Unavailable,
    /// It is this token's answer.
    Refused,
    /// It is its answer to the PIN, which may have cost one of a few attempts.
    PinRefused,
}

impl Fault {
    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Self::Answered { code, .. } => match code {
                RvError::PinIncorrect
                | RvError::PinInvalid
                | RvError::PinLenRange
                | RvError::PinExpired
                | RvError::PinLocked
                | RvError::UserPinNotInitialized => Kind::PinRefused,
                RvError::ActionProhibited
                | RvError::DataLenRange
                | RvError::FunctionRejected
                | RvError::KeyFunctionNotPermitted
                | RvError::KeySizeRange
                | RvError::KeyTypeInconsistent
                | RvError::MechanismInvalid
                | RvError::TokenWriteProtected => Kind::Refused,
                _ => Kind::Unavailable,
            },
            Self::PinRefused => Kind::PinRefused,
            Self::Refused { .. } | Self::KeyGone | Self::KeysAmbiguous => Kind::Refused,
            _ => Kind::Unavailable,
        }
    }

    /// The error of a key that is opened or made.
    pub(crate) fn of_key(self, uri: &KeyUri) -> CustodianError {
        let uri = uri.clone();
        match self {
            // A token that isn't there may be one that was pulled: that is for the `fault` below, not for the key.
            Self::KeyGone => CustodianError::KeyMissing { uri },
            Self::PublicKeyGone(uri) => CustodianError::KeyMissing { uri },
            Self::TokensAmbiguous | Self::KeysAmbiguous => CustodianError::KeyAmbiguous { uri },
            Self::KeyExists => CustodianError::KeyExists { uri },
            Self::Key(source) => CustodianError::Key { uri, source },
            Self::NotGenerable => {
                CustodianError::not_generable(PKCS11, "the token has no mechanism for keys of this algorithm")
            }
            fault if fault.kind() == Kind::Unavailable => CustodianError::unavailable(PKCS11, fault),
            fault => CustodianError::refused(PKCS11, fault),
        }
    }

    /// The error of a signature.
    pub(crate) fn of_signing(self) -> SignError {
        match self {
            Self::Signature(source) => SignError::SignatureMalformed {
                custodian: PKCS11.into(),
                source,
            },
            fault if fault.kind() == Kind::Unavailable => SignError::unavailable(PKCS11, fault),
            fault => SignError::refused(PKCS11, fault),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Pkcs11(code, function) => Self::Answered { code, function },
            error => Self::Module(error),
        }
    }
}
