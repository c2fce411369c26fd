//! Software keys on aws-lc-rs.

use aws_lc_rs::digest::{self, SHA256};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, ParsedPublicKey,
};
use zeroize::Zeroizing;

use crate::{Algorithm, KeyError, PublicKey, Signature, VerifyError};

/// A software key whose arithmetic is aws-lc's.
pub type SoftwareKey = crate::SoftwareSigner<PrivateKey>;

/// A private key in aws-lc's memory, wiped when dropped.
pub struct PrivateKey(EcdsaKeyPair);

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PrivateKey").finish_non_exhaustive()
    }
}

impl super::PrivateKey for PrivateKey {
    fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        match algorithm {
            Algorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                .map(Self)
                .map_err(|_| KeyError::NotGenerated),
        }
    }

    fn from_pkcs8_der(der: &[u8]) -> Result<Self, KeyError> {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
            .map(Self)
            .map_err(|_| KeyError::malformed("it is not a PKCS#8 private key on P-256"))
    }

    fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let document = self
            .0
            .to_pkcs8v1()
            .map_err(|_| KeyError::malformed("it can't be written as PKCS#8"))?;
        Ok(Zeroizing::new(document.as_ref().to_vec()))
    }

    fn public_key(&self) -> Result<PublicKey, KeyError> {
        // Uncompressed point (SEC 1 §2.3.3): a tag and the coordinates.
        match self.0.public_key().as_ref() {
            [0x04, coordinates @ ..] => PublicKey::from_coordinates(Algorithm::Es256, coordinates),
            _ => Err(KeyError::malformed("its point is not uncompressed")),
        }
    }

    fn sign(&self, message: &[u8]) -> Option<Signature> {
        let signature = self.0.sign(&SystemRandom::new(), message).ok()?;
        Signature::from_bytes(Algorithm::Es256, signature.as_ref()).ok()
    }
}

/// A public key, parsed once.
#[derive(Clone)]
pub(crate) struct VerifyingKey(ParsedPublicKey);

impl VerifyingKey {
    /// The key, if its coordinates are a point on the curve. `coordinates` has the algorithm's length.
    pub(crate) fn new(algorithm: Algorithm, coordinates: &[u8]) -> Option<Self> {
        match algorithm {
            Algorithm::Es256 => {
                let point = [&[0x04], coordinates].concat();
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok().map(Self)
            }
        }
    }

    /// Verifies, and hands back the SHA-256 of the message, which it computes on the way.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<[u8; 32], VerifyError> {
        let digest = digest::digest(&SHA256, message);
        self.0.verify_digest_sig(&digest, signature).map_err(|_| VerifyError)?;
        digest.as_ref().try_into().map_err(|_| VerifyError)
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    // INVARIANT: SHA-256 yields 32 bytes.
    digest.copy_from_slice(digest::digest(&SHA256, bytes).as_ref());
    digest
}
