//! The transit engine: what it says about a key, and signatures by one version of it.

use std::sync::Arc;
use std::time::Duration;

use actionpass_crypto::{Algorithm, KeyError, PublicKey, SignError, Signature, SigningInput};
use actionpass_custody::BlockingKey;
use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};

use crate::SCHEME;
use crate::client::{Client, Deadline, Effect};
use crate::fault::Fault;
use crate::place::Place;

/// A key with all its versions, as the server describes it.
pub(crate) struct Description(Value);

/// Asks what there is at a place.
pub(crate) fn describe(client: &Client, place: &Place, deadline: Deadline) -> Result<Description, Fault> {
    let answer = client.call(&place.keys_path(), None, Effect::Nothing, deadline)?;
    Description::read(&answer)
}

impl Description {
    /// Reads the answer to a request about a key.
    pub(crate) fn read(answer: &Value) -> Result<Self, Fault> {
        match answer.get("data") {
            Some(data @ Value::Object(_)) => Ok(Self(data.clone())),
            _ => Err(Fault::Garbled("it describes no key")),
        }
    }

    pub(crate) fn latest(&self) -> Result<u64, Fault> {
        let latest = self.0.get("latest_version").and_then(Value::as_u64);
        latest.ok_or(Fault::Garbled("it says no latest version"))
    }

    /// What the key signs with; `None` for types that are none of ours.
    pub(crate) fn algorithm(&self) -> Option<Algorithm> {
        // A derived key is another one for every context.
        if self.is("derived") {
            return None;
        }
        let found = self.0.get("type").and_then(Value::as_str)?;
        [Algorithm::Es256, Algorithm::Es384, Algorithm::Ed25519]
            .into_iter()
            .find(|algorithm| type_of(*algorithm) == Some(found))
    }

    /// Whether the private key can be read out of the server.
    pub(crate) fn can_leave(&self) -> bool {
        self.is("exportable") || self.is("allow_plaintext_backup")
    }

    /// The public half of one version: `None` if there is no such version, or no more.
    pub(crate) fn public_key(&self, version: u64) -> Option<Result<PublicKey, KeyError>> {
        let entry = self.0.get("keys")?.get(version.to_string())?;
        let text = entry.get("public_key").and_then(Value::as_str).unwrap_or_default();
        let key = match self.algorithm() {
            None => Err(KeyError::Unsupported),
            Some(Algorithm::Ed25519) => ed25519(text),
            Some(expected) => PublicKey::from_spki_pem(text.trim_end()).and_then(|key| {
                let fits = key.algorithm() == expected;
                fits.then_some(key).ok_or(KeyError::Unsupported)
            }),
        };
        Some(key)
    }

    /// Why a version that is there signs nothing.
    pub(crate) fn objection(&self, version: u64) -> Option<&'static str> {
        let least = self.0.get("min_encryption_version").and_then(Value::as_u64);
        if self.is("soft_deleted") {
            Some("the key is deleted, and can be restored")
        } else if least.is_some_and(|least| version < least) {
            Some("this version signs no more: the key's `min_encryption_version` is a later one")
        } else {
            None
        }
    }

    fn is(&self, member: &str) -> bool {
        self.0.get(member) == Some(&Value::Bool(true))
    }
}

/// What the engine calls the keys of an algorithm.
pub(crate) fn type_of(algorithm: Algorithm) -> Option<&'static str> {
    match algorithm {
        Algorithm::Es256 => Some("ecdsa-p256"),
        Algorithm::Es384 => Some("ecdsa-p384"),
        Algorithm::Ed25519 => Some("ed25519"),
        // Algorithms that later releases of -crypto may have.
        _ => None,
    }
}

/// The engine gives 32 bytes; RFC 8410 §4 puts these before them.
fn ed25519(text: &str) -> Result<PublicKey, KeyError> {
    const PREFIX: [u8; 12] = [0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00];
    // What is no base64 has no length that fits.
    let key = Base64::decode_vec(text).unwrap_or_default();
    PublicKey::from_spki_der(&[&PREFIX, &*key].concat())
}

/// One version of a key, for one thread.
pub(crate) struct TransitKey {
    pub(crate) client: Arc<Client>,
    pub(crate) place: Place,
    pub(crate) version: u64,
    pub(crate) timeout: Duration,
}

impl BlockingKey for TransitKey {
    fn sign(&mut self, input: &SigningInput) -> Result<Signature, SignError> {
        let body = question(input, self.version);
        let deadline = Deadline::after(self.timeout);
        let path = format!("{}/sign/{}", self.place.mount, self.place.key);
        let answer = self.client.call(&path, Some(&body), Effect::Nothing, deadline);
        let answer = answer.map_err(|fault| self.explain(fault, deadline).into_sign_error())?;
        read_signature(input.algorithm(), self.version, &answer)
    }
}

impl TransitKey {
    /// A version that may sign no more is status 500, as if the server were ill: ask it about the key.
    fn explain(&self, fault: Fault, deadline: Deadline) -> Fault {
        let Fault::Failing { status: 500, .. } = &fault else {
            return fault;
        };
        match describe(&self.client, &self.place, deadline) {
            Ok(key) if key.public_key(self.version).is_none() => Fault::Forbidden("this version of the key is gone"),
            Ok(key) => key.objection(self.version).map_or(fault, Fault::Forbidden),
            Err(_) => fault,
        }
    }
}

fn question(input: &SigningInput, version: u64) -> Value {
    match input.prehash() {
        Some(hash) => json!({
            "input": Base64::encode_string(&hash),
            "key_version": version,
            "prehashed": true,
            "hash_algorithm": if input.algorithm() == Algorithm::Es384 { "sha2-384" } else { "sha2-256" },
            "marshaling_algorithm": "jws",
        }),
        None => json!({ "input": Base64::encode_string(input.as_bytes()), "key_version": version }),
    }
}

/// Reads `vault:vN:SIGNATURE`. With `jws` that is base64url, else base64.
fn read_signature(algorithm: Algorithm, version: u64, answer: &Value) -> Result<Signature, SignError> {
    let text = answer
        .pointer("/data/signature")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let mut parts = text.splitn(3, ':');
    let (Some("vault"), Some(found), Some(signature)) = (parts.next(), parts.next(), parts.next()) else {
        return exact(algorithm, &[]);
    };
    if found.strip_prefix('v') != Some(&version.to_string()) {
        // It may well be a signature, but not by this key.
        return Err(SignError::SelfCheckFailed {
            custodian: SCHEME.into(),
        });
    }
    let bytes = if algorithm.is_ecdsa() {
        Base64UrlUnpadded::decode_vec(signature)
    } else {
        Base64::decode_vec(signature)
    };
    exact(algorithm, &bytes.unwrap_or_default())
}

/// Takes exact bytes and nothing else: what could not be decoded comes as none.
fn exact(algorithm: Algorithm, bytes: &[u8]) -> Result<Signature, SignError> {
    Signature::from_bytes(algorithm, bytes).map_err(|source| SignError::SignatureMalformed {
        custodian: SCHEME.into(),
        source,
    })
}
