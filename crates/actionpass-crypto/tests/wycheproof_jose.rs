//! Wycheproof's sets for JSON Web Signature and JSON Web Key, from the folder `ACTIONPASS_VECTORS`.
//!
//! Their keys have names of their own where ours have thumbprints, so the name is taken off before a key is read.
//! For every algorithm that we don't offer the right answer is refusal.
#![expect(clippy::unwrap_used, reason = "a test that can not go on fails")]

use std::io::Write;
use std::path::{Path, PathBuf};

use actionpass_crypto::{Keyring, PublicKey, dangerous};
use actionpass_model::{Issuer, Jwk, KeyId, TrustKey};
use serde_json::Value;

/// The set of this name, or else a line that says aloud that it was not run.
fn load(name: &str) -> Option<Value> {
    let folder = std::env::var_os("ACTIONPASS_VECTORS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"),
        PathBuf::from,
    );
    if let Ok(bytes) = std::fs::read(folder.join("wycheproof").join(name)) {
        return Some(serde_json::from_slice(&bytes).unwrap());
    }
    let line = format!("not run: crypto wycheproof vectors ({name} is absent)");
    eprintln!("{line}");
    if let Some(list) = std::env::var_os("ACTIONPASS_NOT_RUN") {
        let mut list = std::fs::File::options().append(true).create(true).open(list).unwrap();
        list.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
    None
}

fn cases(group: &Value) -> impl Iterator<Item = (u64, bool, String)> {
    group["tests"].as_array().unwrap().iter().map(|test| {
        // A JSON serialization stands there as an object.
        let token = test["jws"]
            .as_str()
            .map_or_else(|| test["jws"].to_string(), str::to_owned);
        (test["tcId"].as_u64().unwrap(), test["result"] == "valid", token)
    })
}

fn without_name(jwk: &Value) -> Vec<u8> {
    let mut jwk = jwk.clone();
    if let Some(members) = jwk.as_object_mut() {
        members.remove("kid");
    }
    jwk.to_string().into_bytes()
}

/// The key of a group, if it is one of ours.
fn key(jwk: &Value) -> Option<PublicKey> {
    PublicKey::from_jwk(&Jwk::from_json(&without_name(jwk)).ok()?).ok()
}

fn entry(kid: &KeyId, jwk: &Value) -> Option<TrustKey> {
    let jwk = Jwk::from_json(&without_name(jwk)).ok()?;
    let issuer = Issuer::parse("https://issuer.example").unwrap();
    Some(TrustKey::pass(kid.clone(), jwk, "ES256", issuer))
}

#[test]
fn json_web_signatures() {
    let Some(set) = load("json_web_signature_test.json") else {
        return;
    };
    let groups = set["testGroups"].as_array().unwrap();
    let ours = groups.iter().filter_map(|group| key(&group["public"])).next().unwrap();
    let (mut count, mut under_our_key, mut accepted) = (0, 0, Vec::new());
    for group in groups {
        let key = key(&group["public"]);
        let is_p256 = group["public"]["crv"] == "P-256";
        for (id, is_valid, token) in cases(group) {
            count += 1;
            under_our_key += u32::from(is_p256);
            match &key {
                Some(key) => {
                    let outcome = dangerous::verify_published(&token, key);
                    assert_eq!(outcome.is_ok(), is_valid, "case {id}: {outcome:?}");
                    if outcome.is_ok() {
                        accepted.push(id);
                    }
                }
                // A key for encryption is no key of ours, and neither is one of another algorithm: there is nothing to
                // verify with, and nobody else's key helps.
                None => assert!(!is_p256 || !is_valid, "case {id}: its key is refused"),
            }
            if !is_p256 {
                assert!(
                    dangerous::verify_published(&token, &ours).is_err(),
                    "case {id} verifies with a foreign key"
                );
            }
        }
    }
    assert_eq!((count, under_our_key), (401, 41));
    assert_eq!(accepted, [18, 378]);
}

#[test]
fn json_web_key_sets() {
    let Some(set) = load("json_web_key_test.json") else {
        return;
    };
    let groups = set["testGroups"].as_array().unwrap();
    let mut refusals = Vec::new();
    let mut count = 0;
    for group in groups {
        let keys = [&group["public"]["keys"], &group["privateWithoutSecret"]["keys"]];
        let keys: Vec<&Value> = keys.into_iter().filter_map(Value::as_array).flatten().collect();
        for (id, _, token) in cases(group) {
            count += 1;
            for jwk in &keys {
                if let Some(key) = key(jwk) {
                    assert!(dangerous::verify_published(&token, &key).is_err(), "case {id} verifies");
                }
            }
            let kid = KeyId::parse("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs").unwrap();
            if let Some(entry) = group["public"]["keys"].get(0).and_then(|jwk| entry(&kid, jwk)) {
                refusals.push((id, Keyring::from_keys([entry]).unwrap_err().code().to_string()));
            }
        }
    }
    assert_eq!(count, 26);
    assert_eq!(
        refusals,
        [
            (19, "key_contradiction".to_owned()),
            (20, "key_contradiction".to_owned()),
            (21, "key_contradiction".to_owned()),
            (22, "key_not_on_curve".to_owned()),
            (23, "key_contradiction".to_owned()),
            (24, "key_unsupported".to_owned()),
        ]
    );
}

/// The key that the set spoils in six ways is fine as it is, so the refusals are not for another reason.
#[test]
fn the_unspoiled_key_is_accepted() {
    let Some(set) = load("json_web_signature_test.json") else {
        return;
    };
    let jwk = set["testGroups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| &group["public"])
        .find(|jwk| key(jwk).is_some())
        .unwrap();
    let kid = key(jwk).unwrap().kid().clone();
    let keyring = Keyring::from_keys([entry(&kid, jwk).unwrap()]).unwrap();
    assert_eq!(keyring.get(&kid).unwrap().key(), &key(jwk).unwrap());
}
