//! Public keys: read, found, shown.

use std::fmt;
use std::path::Path;

use actionpass_crypto::{KeyCode, KeyError, Keyring, PublicKey, Signer, SigningInput};
use actionpass_model::{KeyId, RevocationTarget, Tenants, TrustKey};
use pollster::block_on;
use serde_json::Value;

use crate::clock;
use crate::code::CliCode;
use crate::failure::{Failure, Outcome};
use crate::foreign_jwk::{Foreign, ForeignJwk};
use crate::input;
use crate::owner::Use;

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

/// Reads a public key of somebody else: a JWK, out of a JWK Set the one with this thumbprint, SubjectPublicKeyInfo in PEM, or
/// a line of OpenSSH. A key that is pinned and has another thumbprint is refused: whoever swapped the file would be believed.
pub(crate) fn read_public(path: &Path, pin: Option<&KeyId>, key_use: Use) -> Outcome<PublicKey> {
    const MAX_BYTES: usize = 64 * 1024;
    let bytes = input::read(path, MAX_BYTES)?;
    let key = if bytes.len() > MAX_BYTES {
        Err(malformed("the file is longer than 64 KiB"))
    } else {
        read_any(&bytes, pin, key_use)
    };
    match (key, pin) {
        (Ok(key), Some(pin)) if key.kid() != pin => Err(Failure::new(
            KeyCode::IdMismatch,
            format!("the key has the thumbprint {}, not the one of --pin", key.kid()),
        )),
        (key, _) => key,
    }
    .map_err(|failure| failure.about(&input::name(path)))
}

/// Refuses a key that opens sessions of SSH as one that signs passes: a key has one use (NIST SP 800-57 Part 1, §5.2). People
/// may approve with theirs.
pub(crate) fn openssh_signs_no_passes(what: &str) -> Failure {
    let problem = format!("the key is {what}: it opens sessions of SSH, and what signs passes signs nothing else");
    Failure::new(KeyCode::Unsupported, problem).with_hint(
        "`actionpass keys new` makes a key for passes; with `--use approval` this one is taken for its owner's approvals",
    )
}

fn malformed(problem: &'static str) -> Failure {
    KeyError::Malformed { problem }.into()
}

fn read_any(bytes: &[u8], pin: Option<&KeyId>, key_use: Use) -> Outcome<PublicKey> {
    let text = actionpass_crypto::pem::text(bytes)?;
    if text.trim_start().starts_with('{') {
        return match Foreign::read(text)? {
            Foreign::Key(key) => match key.public_key(pin.is_some()) {
                Err(error @ KeyError::IdMismatch) => Err(Failure::from(error)
                    .with_hint("--pin is the thumbprint (RFC 7638) of the key that is meant, told by its owner")),
                key => Ok(key?),
            },
            Foreign::Set(keys) => out_of_set(&keys, pin),
        };
    }
    if text.contains("-----BEGIN ") {
        return Ok(PublicKey::from_spki_pem(text)?);
    }
    if PublicKey::is_openssh(text) {
        if key_use == Use::Pass {
            return Err(openssh_signs_no_passes("a line of OpenSSH"));
        }
        return Ok(PublicKey::from_openssh(text)?);
    }
    Err(malformed("it is no JWK, no PEM and no line of OpenSSH"))
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
        let key = ForeignJwk::of_set(key)?.public_key(true).ok()?;
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
