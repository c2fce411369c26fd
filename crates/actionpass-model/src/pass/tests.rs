use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{ApprovalClaims, Digest};

fn digest(byte: u8) -> String {
    Digest::from_bytes([byte; 32]).to_string()
}

fn pass() -> Value {
    json!({
        "iss": "https://issuer.example", "sub": "agent:codex-prod", "aud": "github-executor",
        "iat": 1_795_000_000, "nbf": 1_795_000_000, "exp": 1_795_000_600, "jti": "ap_01920000000070008000000000000001",
        "actionpass": {
            "v": 1, "tenant": "org:example", "humanOwner": "user:owner@example.com", "runtime": "runtime:codex-cli",
            "via": ["agent:planner"], "task": "AXT-418", "tool": "github.pull_requests.create",
            "resource": "repo:company/web-app", "server": "mcp://x", "definitionHash": digest(1), "actionId": "act_1",
            "actionHash": digest(2), "payloadHash": digest(3), "contextHash": digest(4), "factsHash": digest(5),
            "canon": "rfc8785", "policy": { "id": "starter", "digest": digest(6), "rules": ["a", "b"] }, "obligations": [],
            "approvals": [{
                "id": "apr_01920000000070008000000000000001", "mode": "human", "approvedBy": "user:maria@example.com",
                "assurance": "signed", "token": "a.b.c"
            }]
        }
    })
}

fn approval() -> Value {
    json!({
        "iss": "user:maria@example.com", "sub": "agent:codex-prod", "aud": "https://issuer.example", "iat": 1_795_000_000,
        "exp": 1_795_000_600, "jti": "apr_01920000000070008000000000000001",
        "approval": {
            "v": 1, "mode": "policy_override", "reason": "I looked", "tenant": "org:example", "actionHash": digest(2),
            "payloadHash": digest(3), "policyDigest": digest(6), "rules": ["a"], "actionId": "act_1", "contextHash": digest(4), "shown": { "hash": digest(7), "renderer": "actionpass 0.1" }
        }
    })
}

/// What we write of claims, which is in our layout.
fn written<T: SignedDocument>(claims: &Value) -> String {
    let claims = T::from_claims(claims.to_string().as_bytes()).unwrap();
    String::from_utf8(claims.to_claims().unwrap()).unwrap()
}

#[test]
fn the_layout_is_the_one_that_is_written() {
    // Were the quick reader never used, it would be worth nothing and this file would test nothing.
    let text = written::<PassClaims>(&pass());
    assert_eq!(PassClaims::in_layout(&text), serde_json::from_str(&text).ok());
    assert!(PassClaims::in_layout(&text).is_some());
    let without = text
        .replace(",\"server\":\"mcp://x\"", "")
        .replace(&format!(",\"definitionHash\":\"{}\"", digest(1)), "");
    assert!(PassClaims::in_layout(&without).is_some());

    let text = written::<ApprovalClaims>(&approval());
    let claims = ApprovalClaims::from_claims(text.as_bytes()).unwrap();
    assert_eq!(Some(claims), serde_json::from_str(&text).ok());
}

#[test]
fn versions_are_told_apart_from_faults() {
    let mut later = pass();
    later["actionpass"]["v"] = json!(2);
    later["actionpass"]["new"] = json!(true);
    assert_eq!(
        PassClaims::from_claims(later.to_string().as_bytes()),
        Err(ClaimsError::VersionUnsupported(2))
    );
    let mut broken = pass();
    broken["actionpass"]["new"] = json!(true);
    assert!(matches!(
        PassClaims::from_claims(broken.to_string().as_bytes()),
        Err(ClaimsError::Malformed(_))
    ));
    for reserved in ["cnf", "status"] {
        let mut claims = pass();
        claims[reserved] = json!({});
        assert!(matches!(
            PassClaims::from_claims(claims.to_string().as_bytes()),
            Err(ClaimsError::Malformed(_))
        ));
    }
}

#[test]
fn times_and_definitions_must_agree() {
    let changes: [(&str, Value); 4] = [
        ("/nbf", json!(1)),
        ("/exp", json!(1_795_000_000)),
        ("/iat", json!(1.5)),
        ("/actionpass/server", Value::Null),
    ];
    for (place, value) in changes {
        let mut claims = pass();
        *claims.pointer_mut(place).unwrap() = value;
        assert!(
            PassClaims::from_claims(claims.to_string().as_bytes()).is_err(),
            "{place}"
        );
    }
    let mut claims = pass();
    claims["actionpass"].as_object_mut().unwrap().remove("server");
    assert!(PassClaims::from_claims(claims.to_string().as_bytes()).is_err());
}

/// Edits of a text: what to put where, in place of how much.
fn edits() -> impl Strategy<Value = (prop::sample::Index, usize, String)> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "\"",
            "\\",
            ",",
            ":",
            "{",
            "}",
            "[",
            "]",
            " ",
            "0",
            "1",
            "-",
            ".",
            "e",
            "null",
            "\\u0041",
            "\u{202E}",
            "é",
            "\u{0}",
            "\"v\":1,",
            "\"ext\":{}",
            ",\"nbf\":1",
            "agent:",
            "sha256:",
        ])
        .prop_map(str::to_owned),
        ".{0,3}",
    ];
    (any::<prop::sample::Index>(), 0_usize..4, piece)
}

fn edit(text: &str, (at, drop, piece): &(prop::sample::Index, usize, String)) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    let at = at.index(characters.len());
    let end = characters.len().min(at.saturating_add(*drop));
    characters.splice(at..end, piece.chars());
    characters.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever the quick reader reads, the strict one reads alike.
    #[test]
    fn both_readers_of_a_pass_agree(edits in prop::collection::vec(edits(), 0..3)) {
        let text = edits.iter().fold(written::<PassClaims>(&pass()), |text, change| edit(&text, change));
        if let Some(quick) = PassClaims::in_layout(&text) {
            prop_assert_eq!(Some(quick), serde_json::from_str(&text).ok());
        }
    }

    /// What is written by hand is what `serde_json` writes, whatever the texts hold and whatever is absent.
    #[test]
    fn both_writers_of_a_pass_agree(
        token in ".{0,40}",
        path in r#"[ -~é]{1,30}"#,
        principal in r#"[!-~]{1,40}"#,
        via in prop::collection::vec("[!-~]{1,20}", 0..3),
        with in any::<[bool; 4]>(),
        times in any::<[u32; 2]>(),
    ) {
        let mut claims = pass();
        let terms = &mut claims["actionpass"];
        terms["approvals"][0]["token"] = json!(token);
        terms["resource"] = json!(format!("file:{path}"));
        terms["humanOwner"] = json!(format!("user:{principal}"));
        terms["via"] = via.iter().map(|agent| format!("agent:{agent}")).collect();
        let [definition, approved, obliged, extended] = with;
        if !definition {
            terms.as_object_mut().unwrap().remove("server");
            terms.as_object_mut().unwrap().remove("definitionHash");
        }
        if !approved {
            terms["approvals"] = json!([]);
        }
        if obliged {
            terms["obligations"] = json!([{ "id": "a", "params": { "z": [token, 1.5], "a": null } }, { "id": "b", "params": {} }]);
        }
        if extended {
            terms["ext"] = json!({ "b": path, "a": { "c": true } });
        }
        let [from, lifetime] = times.map(u64::from);
        claims["iat"] = json!(from);
        claims["nbf"] = json!(from);
        claims["exp"] = json!(from.saturating_add(lifetime).saturating_add(1));
        let claims: PassClaims = serde_json::from_value(claims).unwrap();
        prop_assert_eq!(
            String::from_utf8(claims.to_claims().unwrap()).unwrap(),
            serde_json::to_string(&claims).unwrap()
        );
    }

    /// The same for approvals, through the one constructor that others have.
    #[test]
    fn both_readers_of_an_approval_agree(edits in prop::collection::vec(edits(), 0..3)) {
        let text = edits.iter().fold(written::<ApprovalClaims>(&approval()), |text, change| edit(&text, change));
        if let Ok(quick) = ApprovalClaims::from_claims(text.as_bytes()) {
            prop_assert_eq!(Some(quick), serde_json::from_str(&text).ok());
        }
    }
}
