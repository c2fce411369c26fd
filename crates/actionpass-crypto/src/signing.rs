//! From a typed document to a signed token: [`SigningInput`], [`CompactJws`], [`sign_document`].

use std::fmt;

use actionpass_model::{Digest, KeyId, MAX_TOKEN_BYTES, SignedDocument};

use crate::signer::{Residence, SignError, Signer};
use crate::{Algorithm, PublicKey, Signature, VerifyError, backend, base64url};

/// The `typ` of what [`SigningInput::probe`] makes: no document has it.
const PROBE_TYP: &str = "actionpass-probe+jwt";

/// What a custodian signs, bound to one key: the ASCII `header.payload` of a compact JWS (RFC 7515 §5.1), or the ASCII lines
/// of a [checkpoint](crate::tlog::Checkpoint), which have line feeds as no JWS has.
///
/// There is no way to make one from bytes: it comes from a typed document or a checkpoint, or is a probe, so a custodian
/// never signs what somebody else calls a message.
#[derive(Clone, Eq, PartialEq)]
pub struct SigningInput {
    algorithm: Algorithm,
    kid: KeyId,
    text: String,
    /// Of `text`: custodians and ledger records both need it.
    sha256: [u8; 32],
}

/// A signed token in compact serialization (RFC 7515 §7.1).
#[derive(Clone, Eq, PartialEq)]
pub struct CompactJws {
    text: String,
    token_hash: Digest,
}

/// Signs a document. The signature of a custodian outside of this process is verified before the token is handed out.
///
/// # Errors
/// [`SignError`]: then there is no token.
pub async fn sign_document<D, S>(signer: &S, document: &D) -> Result<CompactJws, SignError>
where
    D: SignedDocument,
    S: Signer + ?Sized,
{
    let input = SigningInput::for_document(document, signer.public_key())?;
    let signature = signer.sign(&input).await?;
    check_signature(signer, &input, &signature)?;
    Ok(input.into_token(&signature))
}

/// Holds what a custodian returned against its input, before anybody gets it.
pub(crate) fn check_signature<S>(signer: &S, input: &SigningInput, signature: &Signature) -> Result<(), SignError>
where
    S: Signer + ?Sized,
{
    let checked = match signer.residence() {
        // The kid is the thumbprint of the key: a trust store's key of the same kid is this same key.
        Residence::Outside => signer.public_key().verify(input, signature),
        Residence::Process if signature.algorithm() != input.algorithm => Err(VerifyError),
        Residence::Process => Ok(()),
    };
    checked.map_err(|VerifyError| SignError::SelfCheckFailed {
        custodian: signer.custodian().into(),
    })
}

impl SigningInput {
    /// What has to be signed for this document to be a token of this key.
    ///
    /// # Errors
    /// [`SignError::ClaimsNotSignable`] if the claims contradict each other, [`SignError::TooLong`] if the token would
    /// be longer than [`MAX_TOKEN_BYTES`].
    pub fn for_document<D: SignedDocument>(document: &D, key: &PublicKey) -> Result<Self, SignError> {
        const {
            assert!(
                is_plain(D::TYP),
                "`TYP` is an ASCII media type without quotes or backslashes"
            )
        };
        let claims = document.to_claims().map_err(SignError::ClaimsNotSignable)?;
        let input = Self::new(D::TYP, &claims, key);
        let token_bytes = input
            .text
            .len()
            .saturating_add(signature_chars(key.algorithm()).saturating_add(1));
        if token_bytes > MAX_TOKEN_BYTES {
            return Err(SignError::TooLong {
                max_bytes: MAX_TOKEN_BYTES,
            });
        }
        Ok(input)
    }

    /// Something to sign that can never be a document: for tests of a custodian and for `doctor`. The caller draws the
    /// nonce.
    #[must_use]
    pub fn probe(nonce: &[u8; 32], key: &PublicKey) -> Self {
        let claims = format!(r#"{{"nonce":"{}"}}"#, base64url::encode(nonce));
        Self::new(PROBE_TYP, claims.as_bytes(), key)
    }

    fn new(typ: &str, claims: &[u8], key: &PublicKey) -> Self {
        let (text, sha256) = Self::text_of(typ, claims, key);
        Self::with_hash(text, sha256, key)
    }

    /// Text that is no JWS, to be signed as it is.
    pub(crate) fn of_text(text: String, key: &PublicKey) -> Self {
        let sha256 = backend::sha256(text.as_bytes());
        Self::with_hash(text, sha256, key)
    }

    fn with_hash(text: String, sha256: [u8; 32], key: &PublicKey) -> Self {
        Self {
            algorithm: key.algorithm(),
            kid: key.kid().clone(),
            text,
            sha256,
        }
    }

    /// `header.payload` of a token of this key, and its SHA-256.
    pub(crate) fn text_of(typ: &str, claims: &[u8], key: &PublicKey) -> (String, [u8; 32]) {
        let (algorithm, kid) = (key.algorithm().as_str(), key.kid().as_str());
        let header = [
            r#"{"alg":""#,
            algorithm,
            r#"","kid":""#,
            kid,
            r#"","typ":""#,
            typ,
            r#""}"#,
        ]
        .concat();
        // Room for the signature too: the token grows out of this text.
        let bytes = header
            .len()
            .saturating_add(claims.len())
            .saturating_add(key.algorithm().signature_bytes());
        let mut text = String::with_capacity(bytes.saturating_mul(4).div_ceil(3).saturating_add(8));
        base64url::encode_into(header.as_bytes(), &mut text);
        text.push('.');
        base64url::encode_into(claims, &mut text);
        let sha256 = backend::sha256(text.as_bytes());
        (text, sha256)
    }

    /// The exact bytes to sign.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The SHA-256 of the bytes, whatever the algorithm.
    #[must_use]
    pub const fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// The hash that the algorithm signs, for custodians that take a digest: SHA-256 for ES256, SHA-384 for ES384.
    /// `None` for Ed25519 and ML-DSA-65, which sign the bytes
    /// themselves.
    #[must_use]
    pub fn prehash(&self) -> Option<Box<[u8]>> {
        match self.algorithm {
            Algorithm::Es256 => Some(Box::new(self.sha256())),
            Algorithm::Es384 => Some(Box::new(backend::sha384(self.text.as_bytes()))),
            Algorithm::Ed25519 => None,
            #[cfg(feature = "ml-dsa")]
            Algorithm::MlDsa65 => None,
        }
    }

    /// The algorithm of the key.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key that it was made for: no other may sign this.
    #[must_use]
    pub const fn kid(&self) -> &KeyId {
        &self.kid
    }

    fn into_token(self, signature: &Signature) -> CompactJws {
        let mut text = self.text;
        text.push('.');
        base64url::encode_into(signature.as_bytes(), &mut text);
        CompactJws {
            text,
            token_hash: Digest::from_bytes(self.sha256),
        }
    }
}

impl CompactJws {
    /// The token: `header.payload.signature`.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        self.text.as_str()
    }

    /// The token, by value.
    #[must_use]
    pub fn into_string(self) -> String {
        self.text
    }

    /// The SHA-256 of `header.payload`: what ledger records call `tokenHash`. Signatures are malleable, so they are
    /// left out.
    #[must_use]
    pub const fn token_hash(&self) -> Digest {
        self.token_hash
    }
}

impl fmt::Debug for SigningInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningInput")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// A token is a permission: `Debug` shows its hash only, so that it doesn't end in a log.
impl fmt::Debug for CompactJws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompactJws")
            .field("token_hash", &self.token_hash())
            .finish_non_exhaustive()
    }
}

const fn signature_chars(algorithm: Algorithm) -> usize {
    base64url::chars(algorithm.signature_bytes())
}

/// Whether a `typ` can stand in JSON as it is.
const fn is_plain(typ: &str) -> bool {
    let mut rest = typ.as_bytes();
    while let [byte, tail @ ..] = rest {
        if !matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'+' | b'-' | b'.' | b'/') {
            return false;
        }
        rest = tail;
    }
    !typ.is_empty()
}
