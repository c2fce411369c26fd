//! Compact JWS (RFC 7515 §7.1), read strictly: [`Unverified`] becomes [`Verified`], or a [`JwsError`].

pub mod dangerous;
mod header;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use actionpass_model::{ClaimsError, Code, Digest, MAX_TOKEN_BYTES, SignatureForm, SignedDocument};

use crate::webauthn::{Assertion, WebAuthnCode, WebAuthnError};
use crate::{Algorithm, KeyEntry, Keyring, VerifyError, backend, base64url};
use header::{Header, HeaderRule};

actionpass_model::codes! {
    /// Why a token was not verified, in the order of the checks: each stops at once.
    pub enum JwsCode: NotAuthentic {
        /// The text is not a compact JWS: three parts, strict unpadded base64url, a JSON object as header, at most
        /// 32 KiB.
        TokenMalformed = "token_malformed",
        /// The header is not exactly `alg`, `kid` and `typ`, each once and a string.
        HeaderNotAllowed = "header_not_allowed",
        /// The token is of another type than expected.
        TypeMismatch = "type_mismatch",
        /// The keyring has no key of this id.
        KeyUnknown = "key_unknown",
        /// The header names another algorithm than the one pinned to the key.
        AlgorithmMismatch = "algorithm_mismatch",
        /// The key has another use than the one that this document needs.
        KeyUseMismatch = "key_use_mismatch",
        /// The key is revoked.
        KeyRevoked = "key_revoked" => Revoked,
        /// The signature doesn't verify. Alike for every cause, its length included.
        SignatureInvalid = "signature_invalid",
        /// The signature holds, but the claims are not those of the document.
        ClaimsMalformed = "claims_malformed",
        /// The signature holds, but the claims are of a version that this release doesn't know.
        VersionUnsupported = "version_unsupported",
    }
}

/// A token that was not verified.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum JwsError {
    /// The text is not a compact JWS.
    #[error("the token is malformed: {problem}")]
    TokenMalformed {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The header has something that it must not have, or lacks something.
    #[error("the token's header is not allowed: {problem}")]
    HeaderNotAllowed {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The token is of another type than expected.
    #[error("the token is not a `{expected}`")]
    TypeMismatch {
        /// The type that was asked for.
        expected: &'static str,
    },
    /// No key of this id is trusted.
    #[error("the token's key is unknown")]
    KeyUnknown,
    /// The header names another algorithm than the key's.
    #[error("the token's algorithm is not that of its key")]
    AlgorithmMismatch,
    /// The key has another use.
    #[error("the token's key may not sign this type of token")]
    KeyUseMismatch,
    /// The key signs in the other form, or one of the checks of a passkey's assertion failed.
    #[error(transparent)]
    WebAuthn(#[from] WebAuthnError),
    /// The key is revoked.
    #[error("the token's key is revoked")]
    KeyRevoked,
    /// The signature doesn't verify.
    #[error("the token's signature does not verify")]
    SignatureInvalid,
    /// The claims are not those of the document.
    #[error("the token's claims are malformed")]
    ClaimsMalformed(#[source] ClaimsError),
    /// The claims are of an unknown version.
    #[error("the token's claims are of version {0}, which this release does not know")]
    VersionUnsupported(u64),
}

impl JwsError {
    /// The stable code: of the token, or of a passkey's assertion.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::WebAuthn(error) => return error.code().into(),
            Self::TokenMalformed { .. } => JwsCode::TokenMalformed,
            Self::HeaderNotAllowed { .. } => JwsCode::HeaderNotAllowed,
            Self::TypeMismatch { .. } => JwsCode::TypeMismatch,
            Self::KeyUnknown => JwsCode::KeyUnknown,
            Self::AlgorithmMismatch => JwsCode::AlgorithmMismatch,
            Self::KeyUseMismatch => JwsCode::KeyUseMismatch,
            Self::KeyRevoked => JwsCode::KeyRevoked,
            Self::SignatureInvalid => JwsCode::SignatureInvalid,
            Self::ClaimsMalformed(_) => JwsCode::ClaimsMalformed,
            Self::VersionUnsupported(_) => JwsCode::VersionUnsupported,
        }
        .into()
    }

    const fn malformed(problem: &'static str) -> Self {
        Self::TokenMalformed { problem }
    }
}

impl From<VerifyError> for JwsError {
    fn from(_: VerifyError) -> Self {
        Self::SignatureInvalid
    }
}

impl From<ClaimsError> for JwsError {
    fn from(error: ClaimsError) -> Self {
        match error {
            ClaimsError::VersionUnsupported(version) => Self::VersionUnsupported(version),
            error => Self::ClaimsMalformed(error),
        }
    }
}

/// A token whose shape and header were checked, and of whose contents nothing is believed.
///
/// It offers what is needed to find the key, and [`verify`](Self::verify).
pub struct Unverified<'a, D> {
    parts: Parts<'a>,
    header: Header,
    document: PhantomData<fn() -> D>,
}

/// A document whose signature holds, with the key that made it. That is all it says: times, tenants, audiences and
/// revocations of anything but the key are for others to check.
///
/// There is one way to get one: [`Unverified::verify`].
#[derive(Clone, Debug)]
pub struct Verified<D> {
    claims: D,
    key: Arc<KeyEntry>,
    token_hash: Digest,
}

impl<'a, D: SignedDocument> Unverified<'a, D> {
    /// Reads a token of one of this document's types.
    ///
    /// # Errors
    /// [`JwsError::TokenMalformed`], [`JwsError::HeaderNotAllowed`] or [`JwsError::TypeMismatch`].
    pub fn parse(token: &'a str) -> Result<Self, JwsError> {
        let rule = HeaderRule::Strict {
            typ: D::TYP,
            webauthn: D::WEBAUTHN_TYP,
        };
        Self::parse_as(token, rule)
    }

    fn parse_as(token: &'a str, rule: HeaderRule) -> Result<Self, JwsError> {
        let mut parts = Parts::split(token)?;
        let header = Header::read(&mut parts, rule)?;
        Ok(Self {
            parts,
            header,
            document: PhantomData,
        })
    }

    /// The key id that the header names. Anybody may have written it.
    #[must_use]
    pub fn kid(&self) -> &str {
        self.header.kid(&self.parts.decoded)
    }

    /// The algorithm that the header names, if it is one of ours. Anybody may have written it.
    #[must_use]
    pub const fn algorithm(&self) -> Option<Algorithm> {
        self.header.algorithm
    }

    /// The form of its signature, as its type says. Anybody may have written it.
    #[must_use]
    pub const fn form(&self) -> SignatureForm {
        self.header.form
    }

    /// Verifies the token with the key that it names, in the form that both its type and the key have, and reads the
    /// document.
    ///
    /// # Errors
    /// [`JwsError`], in the order of its variants from [`JwsError::KeyUnknown`] on; of a passkey's assertion, in the order
    /// of [`WebAuthnCode`].
    pub fn verify(self, keyring: &Keyring) -> Result<Verified<D>, JwsError> {
        let entry = keyring.find(self.kid()).ok_or(JwsError::KeyUnknown)?;
        if self.header.algorithm != Some(entry.algorithm()) {
            return Err(JwsError::AlgorithmMismatch);
        }
        if entry.trust().key_use != D::KEY_USE {
            return Err(JwsError::KeyUseMismatch);
        }
        let passkey = entry.passkey_of(self.header.form)?;
        if entry.is_revoked() {
            return Err(JwsError::KeyRevoked);
        }
        let (input, signature) = (self.parts.signing_input, self.parts.signature());
        let digest = match passkey {
            None => entry.key().verify_bytes(input, &signature)?,
            Some(passkey) => {
                let challenge = backend::sha256(input);
                let assertion = Assertion::from_part(&signature).ok_or(WebAuthnError::new(
                    WebAuthnCode::AssertionMalformed,
                    "the signature is not an assertion in its one spelling",
                ))?;
                assertion.check(&challenge, entry.key(), passkey)?;
                challenge
            }
        };
        let claims = D::from_claims(&self.parts.payload())?;
        Ok(Verified {
            claims,
            key: Arc::clone(entry),
            token_hash: Digest::from_bytes(digest),
        })
    }
}

impl<D> fmt::Debug for Unverified<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unverified")
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

impl<D> Verified<D> {
    /// The document.
    #[must_use]
    pub const fn claims(&self) -> &D {
        &self.claims
    }

    /// The document, by value: what was said about its signature is lost.
    #[must_use]
    pub fn into_claims(self) -> D {
        self.claims
    }

    /// The key that signed it.
    #[must_use]
    pub const fn key(&self) -> &Arc<KeyEntry> {
        &self.key
    }

    /// The SHA-256 of `header.payload`: what ledger records call `tokenHash`.
    #[must_use]
    pub const fn token_hash(&self) -> Digest {
        self.token_hash
    }
}

/// The three parts of a token. Payload and signature are known to be base64url, and decoded only when they are asked for:
/// most of what is refused is refused for its header.
struct Parts<'a> {
    signing_input: &'a [u8],
    /// The header's bytes, and behind them what [`Header`] puts there.
    decoded: Vec<u8>,
    header_len: usize,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Parts<'a> {
    fn split(token: &'a str) -> Result<Self, JwsError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(JwsError::malformed("it is longer than 32 KiB"));
        }
        const SHAPE: JwsError = JwsError::malformed("it is not three parts joined by dots");
        let (input, signature) = token.rsplit_once('.').ok_or(SHAPE)?;
        let (header, payload) = input.split_once('.').ok_or(SHAPE)?;
        let decoded = base64url::decode(header).ok_or(JwsError::malformed("its header is not unpadded base64url"))?;
        // A fourth part needs no check of its own: a dot is not in the alphabet.
        if !base64url::is_valid(payload) {
            return Err(JwsError::malformed("its payload is not unpadded base64url"));
        }
        if !base64url::is_valid(signature) {
            return Err(JwsError::malformed("its signature is not unpadded base64url"));
        }
        Ok(Self {
            signing_input: input.as_bytes(),
            header_len: decoded.len(),
            decoded,
            payload,
            signature,
        })
    }

    fn header(&self) -> &[u8] {
        self.decoded.get(..self.header_len).unwrap_or_default()
    }

    /// INVARIANT: both parts were found valid, so there always are bytes; none would verify as nothing.
    fn payload(&self) -> Vec<u8> {
        base64url::decode(self.payload).unwrap_or_default()
    }

    fn signature(&self) -> Vec<u8> {
        base64url::decode(self.signature).unwrap_or_default()
    }
}

actionpass_model::coded_error!(JwsError);

#[cfg(test)]
mod crossings;
#[cfg(test)]
mod tests;
