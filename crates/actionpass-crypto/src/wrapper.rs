//! Any `signature::Signer<p256::ecdsa::Signature>` as a [`Signer`]. The types of those two crates appear here only.

use std::fmt;
use std::sync::Arc;

use p256::ecdsa;

use crate::signer::{Residence, SignError, SignFuture, Signer};
use crate::{Algorithm, PublicKey, Signature, SigningInput};

/// A synchronous ES256 signer of the `signature` crate, with the public key that it doesn't tell.
///
/// Calls run where the future is polled: for custodians that block, move the wrapped value behind a thread of its own.
pub struct SignatureSigner<S> {
    signer: S,
    public: PublicKey,
    custodian: Arc<str>,
    residence: Residence,
}

impl<S: ::signature::Signer<ecdsa::Signature>> SignatureSigner<S> {
    /// Wraps a signer outside of this process: every signature is verified with `public` before it is used, so a
    /// wrong `public` is found at once.
    #[must_use]
    pub fn new(signer: S, public: PublicKey, custodian: &str) -> Self {
        Self {
            signer,
            public,
            custodian: custodian.into(),
            residence: Residence::Outside,
        }
    }

    /// Says that the wrapped key is in this process, which saves the verification.
    #[must_use]
    pub const fn in_process(mut self) -> Self {
        self.residence = Residence::Process;
        self
    }
}

/// Nothing of the wrapped value, whose `Debug` we don't know.
impl<S> fmt::Debug for SignatureSigner<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignatureSigner")
            .field("public", &self.public)
            .field("custodian", &self.custodian)
            .finish_non_exhaustive()
    }
}

impl<S: ::signature::Signer<ecdsa::Signature> + Send + Sync> Signer for SignatureSigner<S> {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn custodian(&self) -> &str {
        &self.custodian
    }

    fn residence(&self) -> Residence {
        self.residence
    }

    fn sign<'a>(&'a self, input: &'a SigningInput) -> SignFuture<'a> {
        Box::pin(async move {
            if input.kid() != self.public.kid() {
                return Err(SignError::WrongKey);
            }
            let signature = self
                .signer
                .try_sign(input.as_bytes())
                .map_err(|error| SignError::unavailable(&self.custodian, error))?;
            Signature::from_bytes(Algorithm::Es256, &signature.to_bytes()).map_err(|source| {
                SignError::SignatureMalformed {
                    custodian: self.custodian.as_ref().into(),
                    source,
                }
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SoftwareKey;
    use crate::fixtures::{note, now};
    use crate::{SignCode, sign_document};

    fn wrapped() -> (ecdsa::SigningKey, PublicKey) {
        use p256::elliptic_curve::Generate;
        let key = ecdsa::SigningKey::generate();
        let point = key.verifying_key().to_sec1_point(false);
        let public = PublicKey::from_coordinates(Algorithm::Es256, &point.as_bytes()[1..]).unwrap();
        (key, public)
    }

    #[test]
    fn a_key_of_another_crate_signs() {
        let (key, public) = wrapped();
        let signer = SignatureSigner::new(key, public.clone(), "test");
        let input = SigningInput::for_document(&note(), &public).unwrap();
        public.verify(&input, &now(signer.sign(&input)).unwrap()).unwrap();
        assert_eq!(signer.residence(), Residence::Outside);
        assert_eq!(
            SignatureSigner::new(wrapped().0, public, "test")
                .in_process()
                .residence(),
            Residence::Process
        );
    }

    #[test]
    fn a_wrong_public_key_is_found_at_the_first_signature() {
        let other = SoftwareKey::generate().unwrap().public_key().clone();
        let signer = SignatureSigner::new(wrapped().0, other, "test");
        assert_eq!(
            now(sign_document(&signer, &note())).unwrap_err().code(),
            SignCode::SelfCheckFailed
        );
    }
}
