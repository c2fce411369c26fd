//! `keys` and `trust`.

use crate::lab::Lab;

const ALLOW: &str = "home/examples/allow.json";

#[test]
fn keys() {
    let mut lab = Lab::with_home();
    lab.run(&["keys", "new", "--out", "mine.pem"]);
    lab.run(&["keys", "new", "--out", "mine.pem"]);
    lab.run(&[
        "keys",
        "new",
        "--out",
        "other.pem",
        "--use",
        "approval",
        "--principal",
        "user:a b",
        "--json",
    ]);
    lab.run(&[
        "keys",
        "new",
        "--out",
        "other.pem",
        "--use",
        "approval",
        "--principal",
        "user:o'neil",
        "--role",
        "maintainer",
        "--json",
    ]);
    lab.run(&["keys", "new"]);
    lab.run(&["keys", "new", "--use", "approval"]);
    lab.run(&[
        "keys",
        "new",
        "--use",
        "approval",
        "--principal",
        "service:ci",
        "--role",
        "tester",
        "--tenant",
        "*",
        "--json",
    ]);
    lab.run(&["keys", "import", "mine.pem", "--use", "ledger"]);
    lab.run(&["keys", "import", "mine.pem", "--use", "ledger"]);
    lab.run(&["keys", "import", "maintainer.jwk"]);
    lab.run(&["keys", "check"]);
    lab.run(&["keys", "check", "--json"]);
    lab.run(&["keys", "check", "--key", "other.pem"]);
    lab.run(&["keys", "check", "--key", "env:NOT_SET"]);
    lab.run(&["keys"]);
    lab.check("keys");
}

#[test]
fn lists_and_exports_are_public() {
    let lab = Lab::with_home();
    let list = lab.quiet(&["keys", "list", "--json"]).json();
    assert_eq!(list["keys"].as_array().unwrap().len(), 3);
    let table = lab.quiet(&["keys", "list"]).stdout;
    assert_eq!(table.lines().count(), 4, "{table}");
    assert_eq!(table.matches("(signs)").count(), 1, "{table}");
    let set = lab.quiet(&["keys", "export", "--jwks"]).stdout;
    let set: serde_json::Value = serde_json::from_str(&set).unwrap();
    // The approvers' keys are not among them: in a set that verifies passes they could sign passes.
    assert_eq!(set["keys"].as_array().unwrap().len(), 1);
    let approvers = lab
        .quiet(&["keys", "export", "--jwks", "--use", "approval", "--json"])
        .json();
    assert_eq!(approvers["jwks"]["keys"].as_array().unwrap().len(), 2);
    let one = lab
        .quiet(&["keys", "export", "--jwks", "--use", "pass", "--json"])
        .json();
    assert_eq!(one["jwks"]["keys"].as_array().unwrap().len(), 1);
    let kid = one["jwks"]["keys"][0]["kid"].as_str().unwrap().to_owned();
    let pem = lab.quiet(&["keys", "export", "--pem", "--kid", &kid[..8]]).stdout;
    assert!(
        pem.starts_with("-----BEGIN PUBLIC KEY-----\n") && pem.matches("BEGIN").count() == 1,
        "{pem}"
    );
    let trust = lab.quiet(&["trust", "export"]).stdout;
    assert_eq!(
        trust,
        std::fs::read_to_string(lab.path().join("home/trust.json")).unwrap()
    );
    for public in [trust, set.to_string(), pem] {
        assert!(!public.contains("\"d\"") && !public.contains("PRIVATE"), "{public}");
    }
    assert_eq!(
        lab.try_run(&["keys", "export", "--pem", "--kid", "abc", "--json"], b"")
            .code(),
        "key_missing"
    );
    assert_eq!(lab.try_run(&["keys", "export", "--json"], b"").exit, 2);
}

#[test]
fn a_rotated_keys_passes_hold_and_a_revoked_keys_do_not() {
    let mut lab = Lab::with_home();
    let signing = |lab: &Lab| {
        let keys = lab.quiet(&["keys", "list", "--json"]).json();
        let keys = keys["keys"].as_array().unwrap();
        keys.iter().find(|key| key["signs"] == true).unwrap()["kid"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let old = signing(&lab);
    lab.pass(ALLOW, "before.jwt");
    let comment = "# kept by rotation\n";
    let config = std::fs::read_to_string(lab.path().join("home/config.toml")).unwrap();
    lab.file("home/config.toml", (comment.to_owned() + &config).as_bytes());
    lab.run(&["keys", "rotate", "--reason", "yearly"]);
    lab.run(&["keys", "rotate", "--json"]);
    assert!(
        std::fs::read_to_string(lab.path().join("home/config.toml"))
            .unwrap()
            .starts_with(comment)
    );
    let new = signing(&lab);
    assert_ne!(old, new);
    lab.pass(ALLOW, "after.jwt");
    for pass in ["before.jwt", "after.jwt"] {
        assert_eq!(
            lab.try_run(&["verify", "--token", pass, "--action", ALLOW], b"").exit,
            0,
            "{pass}"
        );
    }
    let trust = lab.quiet(&["trust", "show", "--json"]).json();
    let entry = trust["trust"]["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["kid"] == old.as_str())
        .unwrap()
        .clone();
    assert_eq!(
        (entry["status"].as_str(), entry["reason"].as_str()),
        (Some("retired"), Some("yearly"))
    );
    assert_eq!(lab.run(&["keys", "retire", &new]).exit, 2);
    lab.quiet(&["revoke", "key", &old, "--reason", "leaked"]);
    let refused = lab.run(&["verify", "--token", "before.jwt", "--action", ALLOW]);
    assert_eq!(refused.exit, 23);
    assert_eq!(
        lab.try_run(&["verify", "--token", "after.jwt", "--action", ALLOW], b"")
            .exit,
        0
    );
    lab.run(&["doctor"]);
    lab.check("keys_rotate");
}

#[test]
fn encrypted_keys() {
    let mut lab = Lab::new();
    lab.file("passphrase", b"correct horse\n");
    lab.file("wrong", b"battery staple\n");
    lab.run(&["keys", "new", "--out", "a.pem", "--encrypt"]);
    lab.run(&[
        "keys",
        "new",
        "--out",
        "a.pem",
        "--encrypt",
        "--passphrase-file",
        "passphrase",
    ]);
    assert!(
        std::fs::read_to_string(lab.path().join("a.pem"))
            .unwrap()
            .starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    );
    lab.run(&[
        "init",
        "--issuer",
        crate::lab::ISSUER,
        "--encrypt",
        "--passphrase-file",
        "passphrase",
    ]);
    lab.run(&["authorize", "--action", ALLOW]);
    lab.run(&["authorize", "--action", ALLOW, "--passphrase-file", "wrong", "--json"]);
    lab.run(&["authorize", "--action", ALLOW, "--passphrase-file", "passphrase"]);
    let by_variable = lab
        .command(&["keys", "check"])
        .env("ACTIONPASS_PASSPHRASE", "correct horse")
        .output()
        .unwrap();
    assert!(by_variable.status.success());
    lab.run(&["keys", "check", "--passphrase-file", "missing"]);
    lab.check("keys_encrypted");
}

#[test]
fn trust() {
    let mut lab = Lab::with_home();
    lab.run(&["trust", "show"]);
    lab.run(&["trust", "check"]);
    lab.run(&["trust", "check", "--json"]);
    // The same key again, with another use.
    lab.run(&[
        "trust",
        "add",
        "maintainer.jwk",
        "--use",
        "pass",
        "--issuer",
        "https://other.example",
    ]);
    lab.file("private.jwk", br#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#);
    lab.run(&["trust", "add", "private.jwk", "--use", "pass"]);
    lab.file("off.jwk", br#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a4"}"#);
    lab.run(&["trust", "add", "off.jwk", "--use", "pass", "--json"]);
    let public = br#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    lab.file("public.jwk", public);
    lab.run(&["trust", "add", "public.jwk", "--use", "approval"]);
    lab.run(&["trust", "add", "public.jwk", "--use", "pass", "--principal", "user:a"]);
    lab.run(&[
        "trust",
        "add",
        "public.jwk",
        "--use",
        "approval",
        "--principal",
        "user:MAINTAINER@example.com",
    ]);
    lab.run_with(
        &[
            "trust",
            "add",
            "-",
            "--use",
            "approval",
            "--principal",
            "user:a",
            "--role",
            "r1",
            "--role",
            "r2",
            "--tenant",
            "*",
            "--not-after",
            "2030-01-01T00:00:00Z",
            "--json",
        ],
        public,
    );
    lab.run(&["trust", "show"]);
    lab.run(&["trust", "remove", "oKIywvGU"]);
    lab.run(&["trust", "remove", "oKIywvGU"]);
    lab.run(&["trust", "remove", "o", "--json"]);
    lab.file("broken.json", b"{}");
    lab.run(&["trust", "check", "broken.json"]);
    lab.run(&["trust", "check", "missing.json", "--json"]);
    lab.check("trust");
}
