//! [`Jwk`]: a public key as JSON.

use serde::{Deserialize, Serialize};

use crate::document::{DocumentCode, DocumentError, PRIVATE_MEMBERS};
use crate::ids::KeyId;
use crate::json::present;

/// A public key as a JWK (RFC 7517), closed: members of private keys refuse it, and so do members that we don't know.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Jwk {
    /// `EC`, `OKP`, `AKP`.
    pub kty: String,
    /// `P-256` …: for `EC` and `OKP`.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// The x coordinate, or the whole key for `OKP`: unpadded base64url.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// The y coordinate: unpadded base64url.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// The whole key for `AKP` (RFC 9964): unpadded base64url.
    #[serde(
        rename = "pub",
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub public: Option<String>,
    /// The thumbprint (RFC 7638).
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub kid: Option<KeyId>,
    /// The algorithm (RFC 7518 §3.1).
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    /// `sig`.
    #[serde(
        rename = "use",
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub key_use: Option<String>,
    /// `["verify"]`.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub key_ops: Option<Vec<String>>,
}

impl Jwk {
    /// The members of private and secret keys (RFC 7518 §6, RFC 9964): whoever reads JWKs of others refuses them by name.
    pub const PRIVATE_MEMBERS: [&'static str; 9] = PRIVATE_MEMBERS;

    /// Reads a public JWK.
    ///
    /// # Errors
    /// [`DocumentError`]; [`DocumentCode::PrivateKeyMember`] if it holds part of a private key.
    pub fn from_json(bytes: &[u8]) -> Result<Self, DocumentError> {
        crate::document::read(bytes).map_err(|error| {
            let is_private = error.code() == DocumentCode::MemberUnknown && PRIVATE_MEMBERS.contains(&error.path());
            if is_private {
                error.with_code(DocumentCode::PrivateKeyMember)
            } else {
                error
            }
        })
    }

    /// The first member that says something else than a verifying key of this algorithm and id would.
    pub(crate) fn contradiction(&self, kid: &KeyId, alg: &str) -> Option<&'static str> {
        if self.kid.as_ref().is_some_and(|own| own != kid) {
            Some("jwk.kid")
        } else if self.alg.as_ref().is_some_and(|own| own != alg) {
            Some("jwk.alg")
        } else if self.key_use.as_ref().is_some_and(|own| own != "sig") {
            Some("jwk.use")
        } else if self
            .key_ops
            .as_ref()
            .is_some_and(|own| !matches!(own.as_slice(), [only] if only == "verify"))
        {
            Some("jwk.key_ops")
        } else {
            None
        }
    }
}

crate::closed::objects!(Jwk);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_members_are_refused_by_name() {
        let public = r#"{"kty":"EC","crv":"P-256","x":"x","y":"y"}"#;
        assert!(Jwk::from_json(public.as_bytes()).is_ok());
        for member in PRIVATE_MEMBERS {
            let private = public.replace('}', &format!(",\"{member}\":\"AA\"}}"));
            let error = Jwk::from_json(private.as_bytes()).unwrap_err();
            assert_eq!(error.code(), DocumentCode::PrivateKeyMember, "{member}: {error}");

            // Inside of a trust store the whole file is refused, with the same code and the place.
            let error = crate::document::read::<Holder>(format!("{{\"jwk\":{private}}}").as_bytes()).unwrap_err();
            assert_eq!(
                (error.code(), error.path()),
                (DocumentCode::PrivateKeyMember, &*format!("jwk.{member}"))
            );
        }
        let unknown = public.replace('}', ",\"x5c\":[]}");
        assert_eq!(
            Jwk::from_json(unknown.as_bytes()).unwrap_err().code(),
            DocumentCode::MemberUnknown
        );
    }

    #[derive(Debug, Deserialize)]
    struct Holder {
        #[expect(dead_code, reason = "only reading it matters")]
        jwk: Jwk,
    }
}
