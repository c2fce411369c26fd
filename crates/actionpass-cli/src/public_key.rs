//! Public keys: read, found, shown.

use std::fmt;
use std::path::Path;

use actionpass_crypto::{Keyring, PublicKey, Signer, SigningInput};
use actionpass_model::{Jwk, KeyId, RevocationTarget, Tenants, TrustKey};
use pollster::block_on;
use serde_json::Value;

use crate::clock;
use crate::code::CliCode;
use crate::failure::{Failure, Outcome};
use crate::input;

/// Has a custodian sign something that can't be a document, and checks it with the key that others believe.
pub(crate) fn probe(signer: &dyn Signer, believed: &PublicKey) -> Outcome<()> {
    let input = SigningInput::probe(&clock::random()?, signer.public_key());
    let signature = block_on(signer.sign(&input))?;
    believed.verify(&input, &signature).map_err(|error| {
        Failure::from_error(actionpass_crypto::SignCode::SelfCheckFailed, &error)
            .about(&format!("custodian `{}`", signer.custodian()))
    })
}

/// A public key as JWK.
pub(crate) fn public_json(key: &PublicKey) -> Outcome<Value> {
    serde_json::to_value(key.to_jwk()).map_err(|error| Failure::internal(&error))
}

/// Reads a public key: a JWK, SubjectPublicKeyInfo in PEM, or out of a JWK Set the one with this thumbprint. A key that
/// is pinned and has another thumbprint is refused: whoever swapped the file would be believed.
pub(crate) fn read_public(path: &Path, pin: Option<&KeyId>) -> Outcome<PublicKey> {
    let key = read_any(path, pin)?;
    match pin {
        Some(pin) if key.kid() != pin => Err(Failure::new(
            actionpass_crypto::KeyCode::IdMismatch,
            format!("the key has the thumbprint {}, not the one of --pin", key.kid()),
        )
        .about(&input::name(path))),
        _ => Ok(key),
    }
}

fn read_any(path: &Path, pin: Option<&KeyId>) -> Outcome<PublicKey> {
    const MAX_BYTES: usize = 64 * 1024;
    let bytes = input::read(path, MAX_BYTES)?;
    let about = |failure: Failure| failure.about(&input::name(path));
    if bytes.trim_ascii_start().starts_with(b"-----BEGIN") {
        let pem = String::from_utf8_lossy(&bytes);
        return PublicKey::from_spki_pem(&pem).map_err(|error| about(error.into()));
    }
    if let Some(keys) = members_of_set(&bytes) {
        return out_of_set(&keys, pin).map_err(about);
    }
    let jwk = Jwk::from_json(&bytes).map_err(|error| about(error.into()))?;
    PublicKey::from_jwk(&jwk).map_err(|error| about(error.into()))
}

/// The keys of a JWK Set (RFC 7517 §5); `None` if it isn't one.
fn members_of_set(bytes: &[u8]) -> Option<Vec<Value>> {
    match serde_json::from_slice::<Value>(bytes).ok()?.get_mut("keys")?.take() {
        Value::Array(keys) => Some(keys),
        _ => None,
    }
}

/// The key of a foreign set that has this thumbprint. Whoever wrote the set chose its `kid`s, so those are not looked at,
/// and keys of other kinds are passed over (RFC 7517 §5).
fn out_of_set(keys: &[Value], pin: Option<&KeyId>) -> Outcome<PublicKey> {
    let pin = pin.ok_or_else(|| {
        Failure::new(
            CliCode::OptionMissing,
            "a JWK Set is read for the keys that --pin names",
        )
        .with_hint("--pin is the thumbprint (RFC 7638), told by the keys' owner over another way than the set")
    })?;
    let key = keys.iter().find_map(|key| {
        let mut key = key.clone();
        key.as_object_mut()?.remove("kid");
        let key = PublicKey::from_jwk(&Jwk::from_json(key.to_string().as_bytes()).ok()?).ok()?;
        (key.kid() == pin).then_some(key)
    });
    key.ok_or_else(|| {
        Failure::new(
            actionpass_store::trust_file::ChangeCode::KeyMissing,
            format!(
                "none of the set's {} keys that can be read has the thumbprint {pin}",
                keys.len()
            ),
        )
    })
}

/// The one key whose kid is this text or starts with it.
pub(crate) fn find(keyring: &Keyring, text: &str) -> Outcome<KeyId> {
    let missing = |problem: String| Failure::new(actionpass_store::trust_file::ChangeCode::KeyMissing, problem);
    // A start that is too short would soon be another key's too.
    const MIN_CHARS: usize = 6;
    if text.len() < MIN_CHARS {
        return Err(missing(format!(
            "`{text}` is too short to name a key: {MIN_CHARS} characters at least"
        )));
    }
    let mut found = keyring
        .iter()
        .map(|entry| entry.kid())
        .filter(|kid| kid.as_str().starts_with(text));
    match (found.next(), found.next()) {
        (Some(kid), None) => Ok(kid.clone()),
        (None, _) => Err(missing(format!("the trust store has no key `{text}`"))),
        (Some(_), Some(_)) => Err(missing(format!("more than one key starts with `{text}`"))),
    }
}

/// Whose key it is.
pub(crate) fn owner_text(key: &TrustKey) -> String {
    key.owner().unwrap_or("-").to_owned()
}

/// When it signs.
pub(crate) fn validity(key: &TrustKey) -> String {
    match (key.not_before, key.not_after) {
        (None, None) => "always".to_owned(),
        (Some(start), None) => format!("from {start}"),
        (None, Some(end)) => format!("until {end}"),
        (Some(start), Some(end)) => format!("{start} to {end}"),
    }
}

pub(crate) fn tenants_text(tenants: &Tenants) -> String {
    match tenants {
        Tenants::Any => "*".to_owned(),
        Tenants::Only(tenants) => list_text(tenants),
    }
}

pub(crate) fn list_text<T: fmt::Display>(items: &[T]) -> String {
    if items.is_empty() {
        return "-".to_owned();
    }
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// What a revocation is about, as kind and id.
pub(crate) fn target_text(target: &RevocationTarget) -> (&'static str, String) {
    match target {
        RevocationTarget::Pass { id, .. } => ("pass", id.to_string()),
        RevocationTarget::Approval { id, .. } => ("approval", id.to_string()),
        RevocationTarget::Key(kid) => ("key", kid.to_string()),
        RevocationTarget::Principal(principal) => ("principal", principal.to_string()),
    }
}
