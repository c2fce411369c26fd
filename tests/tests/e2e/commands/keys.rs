//! `keys` and `trust`.

use super::Transcript;
use crate::action::ALLOW;
use crate::home::Home;

#[test]
fn keys() {
    let home = Home::with_approvers();
    let mut transcript = Transcript::of(&home);
    transcript.run(&["keys", "new", "--out", "mine.pem"]);
    transcript.run(&["keys", "new", "--out", "mine.pem"]);
    transcript.run(&[
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
    transcript.run(&[
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
    transcript.run(&["keys", "new"]);
    transcript.run(&["keys", "new", "--use", "approval"]);
    transcript.run(&[
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
    transcript.run(&["keys", "import", "mine.pem"]);
    transcript.run(&["keys", "import", "mine.pem"]);
    transcript.run(&["keys", "import", "mine.pem", "--use", "root"]);
    transcript.run(&["keys", "import", "maintainer.jwk"]);
    transcript.run(&["keys", "check"]);
    transcript.run(&["keys", "check", "--json"]);
    transcript.run(&["keys", "check", "--key", "other.pem"]);
    transcript.run(&["keys", "check", "--key", "env:NOT_SET"]);
    transcript.run(&["keys"]);
    transcript.check("keys");
}

#[test]
fn lists_and_exports_are_public() {
    let home = Home::with_approvers();
    let list = home.talk(["keys", "list", "--json"]).exits(0).json();
    assert_eq!(list["keys"].as_array().unwrap().len(), 3);
    let table = home.talk(["keys", "list"]).exits(0).stdout;
    assert_eq!(table.lines().count(), 4, "{table}");
    assert_eq!(table.matches("(signs)").count(), 1, "{table}");
    let set = home.talk(["keys", "export", "--jwks"]).exits(0).stdout;
    let set: serde_json::Value = serde_json::from_str(&set).unwrap();
    // The approvers' keys are not among them: in a set that verifies passes they could sign passes.
    assert_eq!(set["keys"].as_array().unwrap().len(), 1);
    let approvers = home
        .talk(["keys", "export", "--jwks", "--use", "approval", "--json"])
        .exits(0)
        .json();
    assert_eq!(approvers["jwks"]["keys"].as_array().unwrap().len(), 2);
    let one = home
        .talk(["keys", "export", "--jwks", "--use", "pass", "--json"])
        .exits(0)
        .json();
    assert_eq!(one["jwks"]["keys"].as_array().unwrap().len(), 1);
    let kid = one["jwks"]["keys"][0]["kid"].as_str().unwrap().to_owned();
    let pem = home
        .talk(["keys", "export", "--pem", "--kid", &kid[..8]])
        .exits(0)
        .stdout;
    assert!(
        pem.starts_with("-----BEGIN PUBLIC KEY-----\n") && pem.matches("BEGIN").count() == 1,
        "{pem}"
    );
    let trust = home.talk(["trust", "export"]).exits(0).stdout;
    assert_eq!(trust, home.read("home/trust.json"));
    for public in [trust, set.to_string(), pem] {
        assert!(!public.contains("\"d\"") && !public.contains("PRIVATE"), "{public}");
    }
    assert_eq!(
        home.talk(["keys", "export", "--pem", "--kid", "abc", "--json"]).code(),
        "key_missing"
    );
    assert_eq!(home.talk(["keys", "export", "--json"]).exit, 2);
}

#[test]
fn a_rotated_keys_passes_hold_and_a_revoked_keys_do_not() {
    let home = Home::with_approvers();
    let mut transcript = Transcript::of(&home);
    let signing = || {
        let keys = home.talk(["keys", "list", "--json"]).exits(0).json();
        let keys = keys["keys"].as_array().unwrap();
        keys.iter().find(|key| key["signs"] == true).unwrap()["kid"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let old = signing();
    home.pass_into("before.jwt", ALLOW);
    let comment = "# kept by rotation\n";
    let config = home.read("home/config.toml");
    home.write("home/config.toml", (comment.to_owned() + &config).as_bytes());
    transcript.run(&["keys", "rotate", "--reason", "yearly"]);
    transcript.run(&["keys", "rotate", "--json"]);
    assert!(home.read("home/config.toml").starts_with(comment));
    let new = signing();
    assert_ne!(old, new);
    home.pass_into("after.jwt", ALLOW);
    for pass in ["before.jwt", "after.jwt"] {
        assert_eq!(
            home.talk(["verify", "--token", pass, "--action", ALLOW]).exit,
            0,
            "{pass}"
        );
    }
    let trust = home.talk(["trust", "show", "--json"]).exits(0).json();
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
    assert_eq!(transcript.run(&["keys", "retire", &new]).exit, 2);
    home.talk(["revoke", "key", &old, "--reason", "leaked"]).exits(0);
    let refused = transcript.run(&["verify", "--token", "before.jwt", "--action", ALLOW]);
    assert_eq!(refused.exit, 23);
    assert_eq!(home.talk(["verify", "--token", "after.jwt", "--action", ALLOW]).exit, 0);
    transcript.run(&["doctor"]);
    transcript.check("keys_rotate");
}

#[test]
fn encrypted_keys() {
    let home = Home::none();
    let mut transcript = Transcript::of(&home);
    home.write_secret("passphrase", b"correct horse\n");
    home.write_secret("wrong", b"battery staple\n");
    transcript.run(&["keys", "new", "--out", "a.pem", "--encrypt"]);
    transcript.run(&[
        "keys",
        "new",
        "--out",
        "a.pem",
        "--encrypt",
        "--passphrase-file",
        "passphrase",
    ]);
    assert!(home.read("a.pem").starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    transcript.run(&[
        "init",
        "--issuer",
        crate::home::ISSUER,
        "--encrypt",
        "--passphrase-file",
        "passphrase",
    ]);
    transcript.run(&["authorize", "--action", ALLOW]);
    transcript.run(&["authorize", "--action", ALLOW, "--passphrase-file", "wrong", "--json"]);
    transcript.run(&["authorize", "--action", ALLOW, "--passphrase-file", "passphrase"]);
    let by_variable = home
        .command(["keys", "check"])
        .env("ACTIONPASS_PASSPHRASE", "correct horse")
        .output()
        .unwrap();
    assert!(by_variable.status.success());
    transcript.run(&["keys", "check", "--passphrase-file", "missing"]);
    transcript.check("keys_encrypted");
}

#[test]
fn trust() {
    let home = Home::with_approvers();
    let mut transcript = Transcript::of(&home);
    transcript.run(&["trust", "show"]);
    transcript.run(&["trust", "check"]);
    transcript.run(&["trust", "check", "--json"]);
    // The same key again, with another use.
    transcript.run(&[
        "trust",
        "add",
        "maintainer.jwk",
        "--use",
        "pass",
        "--issuer",
        "https://other.example",
    ]);
    home.write("private.jwk", br#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#);
    transcript.run(&["trust", "add", "private.jwk", "--use", "pass"]);
    home.write("off.jwk", br#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a4"}"#);
    transcript.run(&["trust", "add", "off.jwk", "--use", "pass", "--json"]);
    let public = br#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    home.write("public.jwk", public);
    transcript.run(&["trust", "add", "public.jwk", "--use", "approval"]);
    transcript.run(&["trust", "add", "public.jwk", "--use", "pass", "--principal", "user:a"]);
    transcript.run(&[
        "trust",
        "add",
        "public.jwk",
        "--use",
        "approval",
        "--principal",
        "user:MAINTAINER@example.com",
    ]);
    transcript.run_with(
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
    transcript.run(&["trust", "show"]);
    transcript.run(&["trust", "remove", "oKIywvGU"]);
    transcript.run(&["trust", "remove", "oKIywvGU"]);
    transcript.run(&["trust", "remove", "o", "--json"]);
    let revoked = home.run(["revoke", "principal", "agent:a", "--reason", "left its lane"]);
    let revocation = revoked.exits(0).json()["revocation"]["id"].take();
    let lift = [
        "trust",
        "lift",
        revocation.as_str().unwrap(),
        "--reason",
        "it was a test",
    ];
    transcript.run(&lift);
    transcript.run(&lift);
    transcript.run(&["trust", "lift", "rev_1", "--reason", "x"]);
    transcript.run(&["trust", "refresh"]);
    transcript.run(&["trust", "refresh", "--json"]);
    home.write("broken.json", b"{}");
    transcript.run(&["trust", "check", "broken.json"]);
    transcript.run(&["trust", "check", "missing.json", "--json"]);
    transcript.check("trust");
}
