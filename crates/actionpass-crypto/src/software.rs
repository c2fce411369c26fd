//! [`SoftwareSigner`]: a private key in this process.

use std::fmt;

use zeroize::Zeroizing;

use crate::backend::PrivateKey;
use crate::signer::{Residence, SignError, SignFuture, Signer};
use crate::{Algorithm, KeyError, PublicKey, Signature, SigningInput};

/// A private key held by this process: for development, tests and services that read their key from a file.
///
/// `K` is the backend's key; the names to use are [`SoftwareKey`](crate::SoftwareKey) and those of the modules `aws_lc` and
/// `rustcrypto`.
pub struct SoftwareSigner<K> {
    private: K,
    public: PublicKey,
    custodian: &'static str,
}

/// A private key in PKCS#8 (RFC 5958), DER, wiped when dropped. No `Display`, no serde: it goes into a file, or nowhere.
pub struct Pkcs8(Zeroizing<Vec<u8>>);

impl<K: PrivateKey> SoftwareSigner<K> {
    /// A new ES256 key from the operating system's randomness. Its custodian is called `memory`.
    ///
    /// # Errors
    /// [`KeyError::NotGenerated`].
    #[cfg(feature = "generate")]
    pub fn generate() -> Result<Self, KeyError> {
        Self::generate_for(Algorithm::Es256)
    }

    /// A new key of this algorithm, as [`generate`](Self::generate) makes one of ES256.
    ///
    /// # Errors
    /// [`KeyError::NotGenerated`].
    #[cfg(feature = "generate")]
    pub fn generate_for(algorithm: Algorithm) -> Result<Self, KeyError> {
        Self::new(K::generate(algorithm)?)
    }

    /// Reads a private key from unencrypted PKCS#8 in DER. The caller wipes `der`.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] unless it is a private key of a curve that this release knows.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, KeyError> {
        let private = Algorithm::ALL
            .iter()
            .find_map(|algorithm| K::from_pkcs8_der(*algorithm, der))
            .ok_or(KeyError::malformed(
                "it is not a PKCS#8 private key on P-256, P-384 or edwards25519",
            ))?;
        Self::new(private)
    }

    fn new(private: K) -> Result<Self, KeyError> {
        let public = private.public_key()?;
        Ok(Self {
            private,
            public,
            custodian: "memory",
        })
    }

    /// Says where the key came from: what [`Signer::custodian`] answers, such as `file`.
    #[must_use]
    pub const fn with_custodian(mut self, custodian: &'static str) -> Self {
        self.custodian = custodian;
        self
    }

    /// The private key, to be kept. Only software keys have this: no [`Signer`] exports its key.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] if the backend can't write the key, which it has no reason to.
    pub fn to_pkcs8(&self) -> Result<Pkcs8, KeyError> {
        self.private.to_pkcs8_der().map(Pkcs8)
    }

    /// Signs at once: what [`Signer::sign`] does here, without a future.
    ///
    /// # Errors
    /// [`SignError::WrongKey`] if the input was made for another key.
    pub fn sign_now(&self, input: &SigningInput) -> Result<Signature, SignError> {
        if input.kid() != self.public.kid() {
            return Err(SignError::WrongKey);
        }
        self.private
            .sign(input.as_bytes(), &input.sha256())
            .ok_or_else(|| SignError::unavailable(self.custodian, "the library failed"))
    }

    /// Signs bytes that no document would make: tokens of other programs, for tests of the verifier.
    #[cfg(test)]
    pub(crate) fn sign_raw_for_tests(&self, message: &[u8]) -> Signature {
        self.private.sign(message, &crate::backend::sha256(message)).unwrap()
    }
}

impl<K> fmt::Debug for SoftwareSigner<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoftwareKey")
            .field("public", &self.public)
            .field("custodian", &self.custodian)
            .finish_non_exhaustive()
    }
}

impl<K: PrivateKey> Signer for SoftwareSigner<K> {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn custodian(&self) -> &str {
        self.custodian
    }

    fn residence(&self) -> Residence {
        Residence::Process
    }

    fn sign<'a>(&'a self, input: &'a SigningInput) -> SignFuture<'a> {
        Box::pin(async move { self.sign_now(input) })
    }
}

impl Pkcs8 {
    /// Takes a copy of DER bytes, which are not looked at. The caller wipes `der`.
    #[must_use]
    pub fn from_der(der: &[u8]) -> Self {
        Self(Zeroizing::new(der.to_vec()))
    }

    /// The DER bytes.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Pkcs8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pkcs8").finish_non_exhaustive()
    }
}
