//! Software keys on p256, p384 and ed25519-dalek, in pure Rust.

use ::signature::Signer as _;
#[cfg(feature = "generate")]
use p256::elliptic_curve::Generate;
use p256::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use zeroize::Zeroizing;

use crate::{Algorithm, KeyError, PublicKey, Signature};

// With both backends built aws-lc verifies, and tests compare the two.
#[cfg(any(test, not(feature = "aws-lc")))]
mod verifying;
#[cfg(any(test, not(feature = "aws-lc")))]
#[cfg_attr(
    all(test, feature = "aws-lc"),
    expect(unused_imports, reason = "tests need the key only")
)]
pub(crate) use verifying::{VerifyingKey, sha256, sha384};

/// A software key whose arithmetic is RustCrypto's and dalek's.
pub type SoftwareKey = crate::SoftwareSigner<PrivateKey>;

/// A private key in memory, wiped when dropped.
pub struct PrivateKey(Key);

enum Key {
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PrivateKey").finish_non_exhaustive()
    }
}

impl super::PrivateKey for PrivateKey {
    #[cfg(feature = "generate")]
    fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let key = match algorithm {
            Algorithm::Es256 => p256::ecdsa::SigningKey::try_generate().ok().map(Key::P256),
            Algorithm::Es384 => p384::ecdsa::SigningKey::try_generate().ok().map(Key::P384),
            Algorithm::Ed25519 => {
                let mut seed = Zeroizing::new([0; 32]);
                getrandom::fill(&mut *seed)
                    .ok()
                    .map(|()| Key::Ed25519(ed25519_dalek::SigningKey::from_bytes(&seed)))
            }
            #[cfg(feature = "ml-dsa")]
            Algorithm::MlDsa65 => return Err(KeyError::Unsupported),
        };
        key.map(Self).ok_or(KeyError::NotGenerated)
    }

    fn from_pkcs8_der(algorithm: Algorithm, der: &[u8]) -> Option<Self> {
        let key = match algorithm {
            Algorithm::Es256 => p256::ecdsa::SigningKey::from_pkcs8_der(der).map(Key::P256).ok(),
            Algorithm::Es384 => p384::ecdsa::SigningKey::from_pkcs8_der(der).map(Key::P384).ok(),
            Algorithm::Ed25519 => ed25519_dalek::SigningKey::from_pkcs8_der(der).map(Key::Ed25519).ok(),
            #[cfg(feature = "ml-dsa")]
            Algorithm::MlDsa65 => None,
        };
        key.map(Self)
    }

    fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let document = match &self.0 {
            Key::P256(key) => key.to_pkcs8_der(),
            Key::P384(key) => key.to_pkcs8_der(),
            // Version 2 of PKCS#8 (RFC 5958), with the public half, is refused by JDKs and by older openssl.
            Key::Ed25519(key) => ed25519_dalek::pkcs8::KeypairBytes {
                secret_key: key.to_bytes(),
                public_key: None,
            }
            .to_pkcs8_der(),
        };
        let document = document.map_err(|_| KeyError::malformed("it can't be written as PKCS#8"))?;
        Ok(document.to_bytes())
    }

    fn public_key(&self) -> Result<PublicKey, KeyError> {
        // Uncompressed point (SEC 1 §2.3.3): a tag and the coordinates.
        let of_point = |algorithm, point: &[u8]| match point {
            [0x04, coordinates @ ..] => PublicKey::from_coordinates(algorithm, coordinates),
            _ => Err(KeyError::malformed("its point is not uncompressed")),
        };
        match &self.0 {
            Key::P256(key) => of_point(Algorithm::Es256, key.verifying_key().to_sec1_point(false).as_bytes()),
            Key::P384(key) => of_point(Algorithm::Es384, key.verifying_key().to_sec1_point(false).as_bytes()),
            Key::Ed25519(key) => PublicKey::from_coordinates(Algorithm::Ed25519, key.verifying_key().as_bytes()),
        }
    }

    fn sign(&self, message: &[u8], _sha256: &[u8; 32]) -> Option<Signature> {
        match &self.0 {
            Key::P256(key) => {
                let signature: p256::ecdsa::Signature = key.try_sign(message).ok()?;
                Signature::from_bytes(Algorithm::Es256, &signature.to_bytes()).ok()
            }
            Key::P384(key) => {
                let signature: p384::ecdsa::Signature = key.try_sign(message).ok()?;
                Signature::from_bytes(Algorithm::Es384, &signature.to_bytes()).ok()
            }
            Key::Ed25519(key) => {
                let signature = key.try_sign(message).ok()?;
                Signature::from_bytes(Algorithm::Ed25519, &signature.to_bytes()).ok()
            }
        }
    }
}
