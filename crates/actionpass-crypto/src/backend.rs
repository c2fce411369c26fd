//! What the software backends share: the shape of a private key, and which backend verifies.

#[cfg(feature = "aws-lc")]
pub mod aws_lc;
mod edwards;
#[cfg(feature = "rustcrypto")]
pub mod rustcrypto;

#[cfg(feature = "aws-lc")]
pub(crate) use aws_lc::{VerifyingKey, sha256, sha384};
#[cfg(all(feature = "rustcrypto", not(feature = "aws-lc")))]
pub(crate) use rustcrypto::{VerifyingKey, sha256, sha384};

use zeroize::Zeroizing;

use crate::{Algorithm, KeyError, Signature};

/// A private key of a backend.
#[expect(unnameable_types, reason = "sealed: custodians implement `Signer`")]
pub trait PrivateKey: Send + Sized + Sync + 'static {
    #[cfg(feature = "generate")]
    fn generate(algorithm: Algorithm) -> Result<Self, KeyError>;
    /// `None` if it is not a key of this algorithm.
    fn from_pkcs8_der(algorithm: Algorithm, der: &[u8]) -> Option<Self>;
    fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, KeyError>;
    fn public_key(&self) -> Result<crate::PublicKey, KeyError>;
    /// Signs a message, whose SHA-256 the caller has: it is needed for other ends too. `None` if the library failed, which
    /// it has no reason to.
    fn sign(&self, message: &[u8], sha256: &[u8; 32]) -> Option<Signature>;
}

#[cfg(test)]
mod tests;
