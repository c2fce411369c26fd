//! Public keys that others wrote as a JWK or a JWK Set, read as RFC 7517 demands: members that are unknown are passed over,
//! such as `x5c` and WebCrypto's `ext`, and a `kid` is whatever its writer chose.
//!
//! Our own documents are closed, [`Jwk`] among them; this is the way into them.

use actionpass_crypto::{Algorithm, KeyError, PublicKey};
use actionpass_model::{DocumentCode, Jwk, KeyId};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::failure::{Failure, Outcome};

/// A JWK of somebody else. A member that is `null` says as much as one that isn't there.
#[derive(Debug, Deserialize)]
pub(crate) struct ForeignJwk {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    #[serde(rename = "pub")]
    public: Option<String>,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    key_use: Option<String>,
    key_ops: Option<Vec<String>>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// What a file of somebody else holds.
#[derive(Debug)]
pub(crate) enum Foreign {
    /// One key.
    Key(Box<ForeignJwk>),
    /// The keys of a set (RFC 7517 §5), those of unknown types among them.
    Set(Vec<Value>),
}

impl Foreign {
    /// Reads a JWK or a JWK Set.
    ///
    /// # Errors
    /// If it is neither, or anything in it is part of a private key.
    pub(crate) fn read(json: &str) -> Outcome<Self> {
        if let Some(keys) = members_of_set(json) {
            for key in &keys {
                refuse_private(key.as_object().into_iter().flat_map(Map::keys))?;
            }
            return Ok(Self::Set(keys));
        }
        match serde_json::from_str::<ForeignJwk>(json) {
            Ok(jwk) => {
                refuse_private(jwk.others.keys())?;
                Ok(Self::Key(Box::new(jwk)))
            }
            // The strict reader has the code and the place.
            Err(error) => {
                Err(Jwk::from_json(json.as_bytes()).map_or_else(Failure::from, |_| Failure::internal(&error)))
            }
        }
    }
}

impl ForeignJwk {
    /// A key out of a set; `None` if it is of another kind than those that are read, and so passed over.
    pub(crate) fn of_set(key: &Value) -> Option<Self> {
        Self::deserialize(key).ok()
    }

    /// The key, if nothing in the JWK says that it is for something else than verifying signatures.
    ///
    /// # Errors
    /// As [`PublicKey::from_jwk`]. `EdDSA` is what `alg` was called on edwards25519 before RFC 9864. `key_ops` may name
    /// `sign` beside `verify`, the one pair that RFC 7517 §4.3 allows here. A `kid` that looks like a thumbprint and is
    /// another key's is refused, unless a pin says which key is meant.
    pub(crate) fn public_key(self, is_pinned: bool) -> Result<PublicKey, KeyError> {
        if self.key_ops.is_some_and(|operations| !verifies(&operations)) {
            return Err(KeyError::Contradiction { member: "key_ops" });
        }
        let is_former_name = self.alg.as_deref() == Some("EdDSA") && self.crv.as_deref() == Some("Ed25519");
        let key = PublicKey::from_jwk(&Jwk {
            kty: self.kty,
            crv: self.crv,
            x: self.x,
            y: self.y,
            public: self.public,
            kid: None,
            alg: if is_former_name {
                Some(Algorithm::Ed25519.as_str().to_owned())
            } else {
                self.alg
            },
            key_use: self.key_use,
            key_ops: None,
        })?;
        let thumbprint = self.kid.and_then(|kid| KeyId::parse(&kid).ok());
        match thumbprint {
            Some(other) if !is_pinned && other != *key.kid() => Err(KeyError::IdMismatch),
            _ => Ok(key),
        }
    }
}

fn verifies(operations: &[String]) -> bool {
    let mut sorted: Vec<&str> = operations.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    matches!(sorted.as_slice(), ["verify"] | ["sign", "verify"])
}

/// The keys of a JWK Set; `None` if it isn't one.
fn members_of_set(json: &str) -> Option<Vec<Value>> {
    let mut object = serde_json::from_str::<Map<String, Value>>(json).ok()?;
    if object.contains_key("kty") {
        return None;
    }
    match object.remove("keys")? {
        Value::Array(keys) => Some(keys),
        _ => None,
    }
}

/// Refuses members of private keys by name, as the strict reader does.
fn refuse_private<'a>(mut members: impl Iterator<Item = &'a String>) -> Outcome<()> {
    let Some(member) = members.find(|member| Jwk::PRIVATE_MEMBERS.contains(&member.as_str())) else {
        return Ok(());
    };
    let alone = serde_json::json!({ "kty": "", member: "" });
    Err(
        Jwk::from_json(alone.to_string().as_bytes()).map_or_else(Failure::from, |_| {
            Failure::new(
                DocumentCode::PrivateKeyMember,
                format!("`{member}` is part of a private key"),
            )
        }),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// RFC 7515 A.3.1 and RFC 8037 A.2.
    fn p256() -> Value {
        json!({ "kty": "EC", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" })
    }

    fn ed25519() -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
    }

    const P256_KID: &str = "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U";
    /// RFC 8037 A.3.
    const ED25519_KID: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

    fn read(mut jwk: Value, more: Value, is_pinned: bool) -> Result<String, String> {
        let (Value::Object(members), Value::Object(more)) = (&mut jwk, more) else {
            panic!("two objects");
        };
        members.extend(more);
        match Foreign::read(&jwk.to_string()).map_err(|failure| failure.code().to_string())? {
            Foreign::Key(key) => key
                .public_key(is_pinned)
                .map(|key| key.kid().to_string())
                .map_err(|error| error.code().to_string()),
            Foreign::Set(_) => panic!("it is one key"),
        }
    }

    #[test]
    fn members_of_others_count_for_nothing() {
        for more in [
            json!({}),
            json!({ "ext": true, "key_ops": ["verify"] }),
            json!({ "key_ops": ["verify", "sign"], "use": "sig" }),
            json!({ "x5c": ["MIIB"], "x5t#S256": "AA", "x5u": "https://example.com", "iat": 1, "deeper": { "d": 1 } }),
            json!({ "kid": "prod-2026", "alg": "ES256" }),
            json!({ "kid": P256_KID, "alg": null, "use": null, "key_ops": null }),
            json!({ "keys": [] }),
        ] {
            assert_eq!(read(p256(), more.clone(), false).as_deref(), Ok(P256_KID), "{more}");
        }
        for alg in ["EdDSA", "Ed25519"] {
            let more = json!({ "alg": alg, "kid": "1" });
            assert_eq!(read(ed25519(), more, false).as_deref(), Ok(ED25519_KID), "{alg}");
        }
    }

    #[test]
    fn what_contradicts_or_is_private_is_refused() {
        for (more, code) in [
            (json!({ "key_ops": [] }), "key_contradiction"),
            (json!({ "key_ops": ["sign"] }), "key_contradiction"),
            (json!({ "key_ops": ["verify", "verify"] }), "key_contradiction"),
            (json!({ "key_ops": ["verify", "encrypt"] }), "key_contradiction"),
            (json!({ "key_ops": ["verify"], "use": "enc" }), "key_contradiction"),
            (json!({ "alg": "EdDSA" }), "key_contradiction"),
            (json!({ "alg": "ES384" }), "key_contradiction"),
            (json!({ "crv": "secp256k1" }), "key_unsupported"),
            (json!({ "x": null }), "key_malformed"),
            (json!({ "x5c": [], "d": "AA" }), "private_key_member"),
            (json!({ "d": null }), "private_key_member"),
            (json!({ "k": "AA" }), "private_key_member"),
            (json!({ "x": 1 }), "member_invalid"),
        ] {
            assert_eq!(read(p256(), more.clone(), true), Err(code.to_owned()), "{more}");
        }
        // A thumbprint says which key it is, unless a pin does.
        let other = json!({ "kid": ED25519_KID });
        assert_eq!(read(p256(), other.clone(), false), Err("key_id_mismatch".to_owned()));
        assert_eq!(read(p256(), other, true).as_deref(), Ok(P256_KID));
    }

    #[test]
    fn a_member_that_is_there_twice_is_refused() {
        let twice = p256().to_string().replace("\"kty\"", "\"x\":\"AA\",\"kty\"");
        assert!(Foreign::read(&twice).is_err());
    }

    #[test]
    fn sets_keep_what_is_unknown_and_no_private_key() {
        let rsa = json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" });
        let set = |keys: Value| Foreign::read(&json!({ "keys": keys, "more": 1 }).to_string());
        let Ok(Foreign::Set(keys)) = set(json!([rsa, p256(), 7])) else {
            panic!("it is a set");
        };
        assert_eq!(keys.len(), 3);
        assert!(ForeignJwk::of_set(&keys[2]).is_none());
        assert!(ForeignJwk::of_set(&keys[0]).unwrap().public_key(true).is_err());
        assert!(ForeignJwk::of_set(&keys[1]).unwrap().public_key(true).is_ok());
        let mut private = p256();
        private["d"] = "AA".into();
        let refused = set(json!([p256(), private])).unwrap_err();
        assert_eq!(*refused.code(), "private_key_member");
        assert!(refused.message().contains("`d`"), "{}", refused.message());
        assert!(Foreign::read(r#"{"keys":1}"#).is_err());
    }
}
