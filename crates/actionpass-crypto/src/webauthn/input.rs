//! [`AssertionInput`]: from a typed document to a challenge, and from an assertion to a token.

use std::fmt;

use actionpass_model::{MAX_TOKEN_BYTES, SignedDocument};

use super::{Assertion, authenticator_data, client_data};
use crate::signing::SigningInput;
use crate::{PublicKey, SignError, base64url};

/// The longest signature of an authenticator that goes into a token: a P-256 signature in DER.
const MAX_SIGNATURE_BYTES: usize = 72;
/// The characters of a third part beside its three values.
const FRAME_CHARS: usize = 64;

/// `header.payload` of a token that a passkey signs. Its hash is the challenge: no other part of a page chooses one.
///
/// It is no [`SigningInput`]: no custodian signs it.
#[derive(Clone, Eq, PartialEq)]
pub struct AssertionInput {
    text: String,
    challenge: [u8; 32],
}

impl AssertionInput {
    /// What an authenticator has to sign for this document to be a token of this key.
    ///
    /// # Errors
    /// [`SignError::ClaimsNotSignable`] if the claims contradict each other, [`SignError::TooLong`] if the token could be
    /// longer than [`MAX_TOKEN_BYTES`]. A document that no passkey signs doesn't compile.
    pub fn for_document<D: SignedDocument>(document: &D, key: &PublicKey) -> Result<Self, SignError> {
        const { assert!(D::WEBAUTHN_TYP.is_some(), "no passkey signs this document") };
        let typ = D::WEBAUTHN_TYP.unwrap_or_default();
        let claims = document.to_claims().map_err(SignError::ClaimsNotSignable)?;
        let (text, challenge) = SigningInput::text_of(typ, &claims, key);
        let token_chars = text.len().saturating_add(1).saturating_add(MAX_PART_CHARS);
        if token_chars > MAX_TOKEN_BYTES {
            return Err(SignError::TooLong {
                max_bytes: MAX_TOKEN_BYTES,
            });
        }
        Ok(Self { text, challenge })
    }

    /// `header.payload`.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        self.text.as_str()
    }

    /// The challenge, which goes to `navigator.credentials.get`: SHA-256 of `header.payload`.
    #[must_use]
    pub const fn challenge(&self) -> &[u8; 32] {
        &self.challenge
    }

    /// The token of this assertion. Nothing about it is checked: that is for whoever reads the token, each time.
    #[must_use]
    pub fn into_token(self, assertion: &Assertion) -> String {
        assertion.complete(self.text)
    }
}

impl Assertion {
    /// The token of what was to be signed, where its [text](AssertionInput::as_str) was kept until the assertion came. Nothing about
    /// either is checked: that is for whoever reads the token, each time.
    #[must_use]
    pub fn token_of(&self, input: &str) -> String {
        self.complete(input.to_owned())
    }

    fn complete(&self, mut text: String) -> String {
        text.push('.');
        base64url::encode_into(self.to_part().as_bytes(), &mut text);
        text
    }
}

/// The longest third part: its JSON holds base64url, and is base64url itself.
const MAX_PART_CHARS: usize = base64url::chars(
    FRAME_CHARS
        .saturating_add(base64url::chars(authenticator_data::MAX_BYTES))
        .saturating_add(base64url::chars(client_data::MAX_BYTES))
        .saturating_add(base64url::chars(MAX_SIGNATURE_BYTES)),
);

/// Claims are of no use to a log.
impl fmt::Debug for AssertionInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssertionInput").finish_non_exhaustive()
    }
}
