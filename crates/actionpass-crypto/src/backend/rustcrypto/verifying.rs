//! Verifying on p256, p384 and ed25519-dalek.

use ::signature::hazmat::PrehashVerifier;
use sha2::{Digest, Sha256, Sha384};

use crate::backend::edwards;
use crate::{Algorithm, VerifyError};

/// A public key, parsed once.
#[derive(Clone)]
pub(crate) enum VerifyingKey {
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

impl VerifyingKey {
    /// The key, if its coordinates are a point on the curve. `coordinates` has the algorithm's length.
    pub(crate) fn new(algorithm: Algorithm, coordinates: &[u8]) -> Option<Self> {
        let point = || [&[0x04], coordinates].concat();
        match algorithm {
            Algorithm::Es256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(&point())
                .ok()
                .map(Self::P256),
            Algorithm::Es384 => p384::ecdsa::VerifyingKey::from_sec1_bytes(&point())
                .ok()
                .map(Self::P384),
            Algorithm::Ed25519 => Some(Self::Ed25519(edwards::point(coordinates)?.into())),
            #[cfg(feature = "ml-dsa")]
            Algorithm::MlDsa65 => None,
        }
    }

    /// Verifies, and hands back the SHA-256 of the message: for ES256 it is computed on the way.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<[u8; 32], VerifyError> {
        let sha256 = sha256(message);
        match self {
            Self::P256(key) => {
                let signature = p256::ecdsa::Signature::from_slice(signature).map_err(|_| VerifyError)?;
                key.verify_prehash(&sha256, &signature)
            }
            Self::P384(key) => {
                let signature = p384::ecdsa::Signature::from_slice(signature).map_err(|_| VerifyError)?;
                key.verify_prehash(&sha384(message), &signature)
            }
            Self::Ed25519(key) => {
                let signature = ed25519_dalek::Signature::from_slice(signature).map_err(|_| VerifyError)?;
                ::signature::Verifier::verify(key, message, &signature)
            }
        }
        .map_err(|_| VerifyError)?;
        Ok(sha256)
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

pub(crate) fn sha384(bytes: &[u8]) -> [u8; 48] {
    Sha384::digest(bytes).into()
}
