//! [`Assertion`]: what a browser hands back for a challenge, and its checks (§7.2).

use actionpass_model::{Passkey, SignatureForm};

use super::client_data::Operation;
use super::{WebAuthnCode, WebAuthnError, authenticator_data, client_data, demand};
use crate::{Algorithm, KeyEntry, PublicKey, Signature, backend, base64url};

/// What a browser hands back for a challenge (`AuthenticatorAssertionResponse`, §5.2.2), as it is and not believed.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "these three are what an assertion is")]
pub struct Assertion {
    /// `authenticatorData`.
    pub authenticator_data: Vec<u8>,
    /// `clientDataJSON`, byte for byte as the browser wrote it.
    pub client_data_json: Vec<u8>,
    /// `signature`.
    pub signature: Vec<u8>,
}

impl Assertion {
    /// The bytes of a token's third part: the three members in base64url, in RFC 8785 form.
    pub(crate) fn to_part(&self) -> String {
        format!(
            r#"{{"authenticatorData":"{}","clientDataJSON":"{}","signature":"{}"}}"#,
            base64url::encode(&self.authenticator_data),
            base64url::encode(&self.client_data_json),
            base64url::encode(&self.signature)
        )
    }

    /// Reads the bytes of a token's third part, in the one spelling that [`to_part`](Self::to_part) has. No JSON parser: of
    /// three members of base64url, RFC 8785 leaves nothing open.
    pub(crate) fn from_part(part: &[u8]) -> Option<Self> {
        let rest = std::str::from_utf8(part).ok()?;
        let rest = rest.strip_prefix(r#"{"authenticatorData":""#)?;
        let (authenticator_data, rest) = rest.split_once('"')?;
        let rest = rest.strip_prefix(r#","clientDataJSON":""#)?;
        let (client_data_json, rest) = rest.split_once('"')?;
        let rest = rest.strip_prefix(r#","signature":""#)?;
        let (signature, rest) = rest.split_once('"')?;
        if rest != "}" {
            return None;
        }
        Some(Self {
            authenticator_data: base64url::decode(authenticator_data)?,
            client_data_json: base64url::decode(client_data_json)?,
            signature: base64url::decode(signature)?,
        })
    }

    /// All checks of an assertion with a passkey's key, each of which stops at once.
    pub(crate) fn check(&self, challenge: &[u8; 32], key: &PublicKey, passkey: &Passkey) -> Result<(), WebAuthnError> {
        client_data::check(&self.client_data_json, Operation::Get, challenge, passkey.origins())?;
        authenticator_data::check_assertion(&self.authenticator_data, passkey.rp_id())?;
        let signature = raw_signature(key.algorithm(), &self.signature)?;
        // Both lengths are bounded by now.
        let hash = backend::sha256(&self.client_data_json);
        let message = [&self.authenticator_data[..], &hash].concat();
        let is_valid = key.verify_bytes(&message, signature.as_bytes()).is_ok();
        demand(
            is_valid,
            WebAuthnCode::SignatureInvalid,
            "the authenticator's signature does not verify",
        )
    }
}

/// An authenticator's signature (§6.5.5) in the form of JWS: ECDSA comes in DER.
fn raw_signature(algorithm: Algorithm, bytes: &[u8]) -> Result<Signature, WebAuthnError> {
    let signature = match algorithm {
        Algorithm::Es256 => Signature::from_der(algorithm, bytes).ok(),
        Algorithm::Ed25519 => Signature::from_bytes(algorithm, bytes).ok(),
        // No trust store has such a passkey.
        _ => None,
    };
    signature.ok_or(WebAuthnError::new(
        WebAuthnCode::SignatureMalformed,
        "the authenticator's signature is not one of the key's algorithm",
    ))
}

impl KeyEntry {
    /// The passkey that signs in this form; `None` for a key that signs itself, which is the other form's.
    ///
    /// # Errors
    /// [`WebAuthnCode::KeyFormMismatch`]: no key is tried for the form of another.
    pub(crate) fn passkey_of(&self, form: SignatureForm) -> Result<Option<&Passkey>, WebAuthnError> {
        match (form, &self.trust().webauthn) {
            (SignatureForm::Jws, None) => Ok(None),
            (SignatureForm::WebAuthn, Some(passkey)) => Ok(Some(passkey)),
            (SignatureForm::Jws, Some(_)) => Err(WebAuthnError::new(
                WebAuthnCode::KeyFormMismatch,
                "the token's key is a passkey, which signs no token of this type",
            )),
            (SignatureForm::WebAuthn, None) => Err(WebAuthnError::new(
                WebAuthnCode::KeyFormMismatch,
                "the token's key is no passkey, and the token is of a type that only passkeys sign",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_part_has_one_spelling() {
        let assertion = Assertion {
            authenticator_data: vec![1, 2, 3],
            client_data_json: b"{}".to_vec(),
            signature: vec![0xFF],
        };
        let part = assertion.to_part();
        assert_eq!(
            part,
            r#"{"authenticatorData":"AQID","clientDataJSON":"e30","signature":"_w"}"#
        );
        assert_eq!(Assertion::from_part(part.as_bytes()), Some(assertion));
        for bad in [
            String::new(),
            "null".into(),
            format!(" {part}"),
            format!("{part}\n"),
            part.replace("\":\"", "\": \""),
            part.replace("AQID", r"AQI\u0044"),
            part.replace("_w", "_x"),
            part.replace("_w", "_w=="),
            part.replace("_w", "/w"),
            part.replace("\"_w\"", "\"_w\",\"x\":\"\""),
            part.replace("\"_w\"", "null"),
            part.replace("signature", "Signature"),
            r#"{"clientDataJSON":"e30","authenticatorData":"AQID","signature":"_w"}"#.into(),
            r#"{"authenticatorData":"AQID","clientDataJSON":"e30"}"#.into(),
            r#"{"authenticatorData":"AQID","authenticatorData":"AQID","clientDataJSON":"e30","signature":"_w"}"#.into(),
        ] {
            assert_eq!(Assertion::from_part(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(Assertion::from_part(b"\xFF"), None);
    }
}
