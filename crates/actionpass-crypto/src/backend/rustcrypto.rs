//! Software keys on p256, in pure Rust.

use p256::ecdsa::{self, SigningKey};
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
pub(crate) use verifying::{VerifyingKey, sha256};

/// A software key whose arithmetic is p256's.
pub type SoftwareKey = crate::SoftwareSigner<PrivateKey>;

/// A private key in memory, wiped when dropped.
pub struct PrivateKey(SigningKey);

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PrivateKey").finish_non_exhaustive()
    }
}

impl super::PrivateKey for PrivateKey {
    fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        match algorithm {
            Algorithm::Es256 => SigningKey::try_generate().map(Self).map_err(|_| KeyError::NotGenerated),
        }
    }

    fn from_pkcs8_der(der: &[u8]) -> Result<Self, KeyError> {
        SigningKey::from_pkcs8_der(der)
            .map(Self)
            .map_err(|_| KeyError::malformed("it is not a PKCS#8 private key on P-256"))
    }

    fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let document = self
            .0
            .to_pkcs8_der()
            .map_err(|_| KeyError::malformed("it can't be written as PKCS#8"))?;
        Ok(document.to_bytes())
    }

    fn public_key(&self) -> Result<PublicKey, KeyError> {
        // Uncompressed point (SEC 1 §2.3.3): a tag and the coordinates.
        match self.0.verifying_key().to_sec1_point(false).as_bytes() {
            [0x04, coordinates @ ..] => PublicKey::from_coordinates(Algorithm::Es256, coordinates),
            _ => Err(KeyError::malformed("its point is not uncompressed")),
        }
    }

    fn sign(&self, message: &[u8]) -> Option<Signature> {
        let signature: ecdsa::Signature = ecdsa::signature::Signer::try_sign(&self.0, message).ok()?;
        Signature::from_bytes(Algorithm::Es256, &signature.to_bytes()).ok()
    }
}
