//! Verifying on p256.

use p256::ecdsa;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use sha2::{Digest, Sha256};

use crate::{Algorithm, VerifyError};

/// A public key, parsed once.
#[derive(Clone)]
pub(crate) struct VerifyingKey(ecdsa::VerifyingKey);

impl VerifyingKey {
    /// The key, if its coordinates are a point on the curve. `coordinates` has the algorithm's length.
    pub(crate) fn new(algorithm: Algorithm, coordinates: &[u8]) -> Option<Self> {
        match algorithm {
            Algorithm::Es256 => {
                let point = [&[0x04], coordinates].concat();
                ecdsa::VerifyingKey::from_sec1_bytes(&point).ok().map(Self)
            }
        }
    }

    /// Verifies, and hands back the SHA-256 of the message, which it computes on the way.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<[u8; 32], VerifyError> {
        let digest = sha256(message);
        let signature = ecdsa::Signature::from_slice(signature).map_err(|_| VerifyError)?;
        self.0.verify_prehash(&digest, &signature).map_err(|_| VerifyError)?;
        Ok(digest)
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
