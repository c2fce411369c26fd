//! Software keys on aws-lc-rs.

use aws_lc_rs::digest::{self, Digest, SHA256, SHA384};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED, ECDSA_P384_SHA384_FIXED_SIGNING,
    ED25519, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, ParsedPublicKey,
};
#[cfg(feature = "ml-dsa")]
use aws_lc_rs::signature::{ML_DSA_65, ML_DSA_65_SIGNING, PqdsaKeyPair};
use zeroize::Zeroizing;

use super::edwards;
use crate::{Algorithm, KeyError, PublicKey, Signature, VerifyError};

/// A software key whose arithmetic is aws-lc's.
pub type SoftwareKey = crate::SoftwareSigner<PrivateKey>;

/// A private key in aws-lc's memory, wiped when dropped.
pub struct PrivateKey {
    algorithm: Algorithm,
    pair: Pair,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    #[cfg(feature = "ml-dsa")]
    MlDsa(PqdsaKeyPair),
}

/// How ECDSA signs on the algorithm's curve; `None` for what isn't ECDSA.
const fn ecdsa(algorithm: Algorithm) -> Option<&'static EcdsaSigningAlgorithm> {
    match algorithm {
        Algorithm::Es256 => Some(&ECDSA_P256_SHA256_FIXED_SIGNING),
        Algorithm::Es384 => Some(&ECDSA_P384_SHA384_FIXED_SIGNING),
        Algorithm::Ed25519 => None,
        #[cfg(feature = "ml-dsa")]
        Algorithm::MlDsa65 => None,
    }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PrivateKey").finish_non_exhaustive()
    }
}

impl super::PrivateKey for PrivateKey {
    #[cfg(feature = "generate")]
    fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let pair = match ecdsa(algorithm) {
            Some(ecdsa) => EcdsaKeyPair::generate(ecdsa).map(Pair::Ecdsa),
            #[cfg(feature = "ml-dsa")]
            None if algorithm == Algorithm::MlDsa65 => PqdsaKeyPair::generate(&ML_DSA_65_SIGNING).map(Pair::MlDsa),
            None => Ed25519KeyPair::generate().map(Pair::Ed25519),
        };
        let pair = pair.map_err(|_| KeyError::NotGenerated)?;
        Ok(Self { algorithm, pair })
    }

    fn from_pkcs8_der(algorithm: Algorithm, der: &[u8]) -> Option<Self> {
        let pair = match ecdsa(algorithm) {
            Some(ecdsa) => EcdsaKeyPair::from_pkcs8(ecdsa, der).map(Pair::Ecdsa),
            #[cfg(feature = "ml-dsa")]
            None if algorithm == Algorithm::MlDsa65 => {
                PqdsaKeyPair::from_pkcs8(&ML_DSA_65_SIGNING, der).map(Pair::MlDsa)
            }
            None => Ed25519KeyPair::from_pkcs8(der).map(Pair::Ed25519),
        };
        pair.ok().map(|pair| Self { algorithm, pair })
    }

    fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let document = match &self.pair {
            Pair::Ecdsa(pair) => pair.to_pkcs8v1(),
            // Version 2 of PKCS#8 (RFC 5958), with the public half, is refused by JDKs and by older openssl.
            Pair::Ed25519(pair) => pair.to_pkcs8v1(),
            #[cfg(feature = "ml-dsa")]
            Pair::MlDsa(pair) => pair.to_pkcs8v1(),
        };
        let document = document.map_err(|_| KeyError::malformed("it can't be written as PKCS#8"))?;
        Ok(Zeroizing::new(document.as_ref().to_vec()))
    }

    fn public_key(&self) -> Result<PublicKey, KeyError> {
        match &self.pair {
            // Uncompressed point (SEC 1 §2.3.3): a tag and the coordinates.
            Pair::Ecdsa(pair) => match pair.public_key().as_ref() {
                [0x04, coordinates @ ..] => PublicKey::from_coordinates(self.algorithm, coordinates),
                _ => Err(KeyError::malformed("its point is not uncompressed")),
            },
            Pair::Ed25519(pair) => PublicKey::from_coordinates(self.algorithm, pair.public_key().as_ref()),
            #[cfg(feature = "ml-dsa")]
            Pair::MlDsa(pair) => PublicKey::from_coordinates(self.algorithm, pair.public_key().as_ref()),
        }
    }

    fn sign(&self, message: &[u8], sha256: &[u8; 32]) -> Option<Signature> {
        let signature = match &self.pair {
            Pair::Ecdsa(pair) if self.algorithm == Algorithm::Es256 => {
                let digest = Digest::import_less_safe(sha256, &SHA256).ok()?;
                pair.sign_digest(&digest).ok()?
            }
            Pair::Ecdsa(pair) => pair.sign(&SystemRandom::new(), message).ok()?,
            Pair::Ed25519(pair) => pair.sign(message),
            #[cfg(feature = "ml-dsa")]
            Pair::MlDsa(pair) => {
                let mut bytes = vec![0; self.algorithm.signature_bytes()];
                let length = pair.sign(message, &mut bytes).ok()?;
                return Signature::from_bytes(self.algorithm, bytes.get(..length)?).ok();
            }
        };
        Signature::from_bytes(self.algorithm, signature.as_ref()).ok()
    }
}

/// A public key, parsed once.
#[derive(Clone)]
pub(crate) struct VerifyingKey {
    algorithm: Algorithm,
    key: ParsedPublicKey,
}

impl VerifyingKey {
    /// The key, if its coordinates are a point on the curve. `coordinates` has the algorithm's length.
    pub(crate) fn new(algorithm: Algorithm, coordinates: &[u8]) -> Option<Self> {
        let point = || [&[0x04], coordinates].concat();
        let key = match algorithm {
            Algorithm::Es256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point()),
            Algorithm::Es384 => ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point()),
            // aws-lc takes any 32 bytes for a key and finds out at the first signature.
            Algorithm::Ed25519 => {
                edwards::point(coordinates)?;
                ParsedPublicKey::new(&ED25519, coordinates)
            }
            #[cfg(feature = "ml-dsa")]
            Algorithm::MlDsa65 => ParsedPublicKey::new(&ML_DSA_65, coordinates),
        };
        key.ok().map(|key| Self { algorithm, key })
    }

    /// Verifies, and hands back the SHA-256 of the message: for ES256 it is computed on the way.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<[u8; 32], VerifyError> {
        let sha256 = digest::digest(&SHA256, message);
        match self.algorithm {
            Algorithm::Es256 => self.key.verify_digest_sig(&sha256, signature),
            Algorithm::Es384 => self.key.verify_digest_sig(&digest::digest(&SHA384, message), signature),
            Algorithm::Ed25519 => self.key.verify_sig(message, signature),
            #[cfg(feature = "ml-dsa")]
            Algorithm::MlDsa65 => self.key.verify_sig(message, signature),
        }
        .map_err(|_| VerifyError)?;
        sha256.as_ref().try_into().map_err(|_| VerifyError)
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    // INVARIANT: SHA-256 yields 32 bytes.
    digest.copy_from_slice(digest::digest(&SHA256, bytes).as_ref());
    digest
}

pub(crate) fn sha384(bytes: &[u8]) -> [u8; 48] {
    let mut digest = [0; 48];
    // INVARIANT: SHA-384 yields 48 bytes.
    digest.copy_from_slice(digest::digest(&SHA384, bytes).as_ref());
    digest
}
