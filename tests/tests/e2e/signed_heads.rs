//! Signed heads: what was cut off, rewritten or put back is found by whoever has one, and never signed.

use std::fs;
use std::process::Stdio;

use actionpass_canon::{Limits, admit, sha256};
use serde_json::{Value, json};

use crate::action::{ALLOW, DENY, STEP_UP};
use crate::back::{copy, put_back};
use crate::home::Home;
use crate::other_languages::{Language, command, is_ready, report_unless};

pub(crate) const CONFIG: &str = "home/config.toml";
const TRUST: &str = "home/trust.json";
pub(crate) const KEPT: &str = "home/ledger.tlog-proof";

/// Makes a key that signs heads, and has the configuration name it; gives its kid.
pub(crate) fn sign_heads(home: &Home, algorithm: &str) -> String {
    let made = home
        .run(["keys", "new", "--use", "ledger", "--alg", algorithm])
        .exits(0);
    name_key(home, made.json()["key"].as_str().unwrap());
    made.json()["kid"].as_str().unwrap().to_owned()
}

/// Has the configuration name this key for heads, in the place of any other.
pub(crate) fn name_key(home: &Home, key: &str) {
    let config = home.read(CONFIG);
    let mut lines: Vec<String> = config.lines().map(ToOwned::to_owned).collect();
    if !lines.iter().any(|line| line == "[ledger]") {
        lines.push("[ledger]".to_owned());
    }
    let place = lines.iter().position(|line| line == "[ledger]").unwrap() + 1;
    if lines.get(place).is_some_and(|line| line.starts_with("key = ")) {
        lines.remove(place);
    }
    lines.insert(place, format!("key = \"{key}\""));
    home.write(CONFIG, lines.join("\n") + "\n");
}

/// Two decisions more.
pub(crate) fn go_on(home: &Home) {
    home.run(["authorize", "--action", DENY]).exits(10);
    home.run(["authorize", "--action", STEP_UP]).exits(11);
}

fn checkpoint(home: &Home, file: &str) -> Value {
    home.run(["ledger", "checkpoint", "--out", file]).exits(0).json()
}

/// Forgets what notices that the ledger went back, as whoever writes the whole home can.
pub(crate) fn forget_witness(home: &Home) {
    fs::remove_file(home.path("home/ledger.witness")).unwrap();
}

#[test]
fn g12_a_ledger_goes_on_from_its_signed_heads() {
    for algorithm in ["ES256", "Ed25519"] {
        let home = Home::with_maintainer();
        let kid = sign_heads(&home, algorithm);
        home.pass(ALLOW);
        let first = checkpoint(&home, "first.tlog-proof");
        assert_eq!((&first["kid"], &first["log"]), (&json!(kid), &json!("issuer.example")));
        let text = home.read("first.tlog-proof");
        assert_eq!(
            (first["checkpoint"].as_str(), home.read(KEPT)),
            (Some(&*text), text.clone())
        );
        go_on(&home);
        // On stdout without a file, and kept in the home.
        let second = home.talk(["ledger", "checkpoint"]).exits(0).stdout;
        home.write("second.tlog-proof", &second);
        assert_eq!(home.read(KEPT), second);
        go_on(&home);

        let both = ["--checkpoint", "first.tlog-proof", "--checkpoint", "second.tlog-proof"];
        let verified = home.run([&["ledger", "verify"][..], &both].concat()).exits(0).json();
        assert_eq!(verified["checkpoints"][0]["head"], first["head"]);
        assert_eq!(verified["checkpoints"][0]["root"], first["root"]);
        let now = checkpoint(&home, "now.tlog-proof");
        assert_eq!((&verified["root"], &verified["head"]), (&now["root"], &now["head"]));

        // An auditor has the export and the trust store.
        let auditor = Home::none();
        let export = home.talk(["ledger", "export"]).exits(0).stdout;
        auditor.write("export.jsonl", &export);
        auditor.write("trust.json", home.talk(["trust", "export"]).exits(0).stdout);
        auditor.set_mode("trust.json", 0o600);
        for file in ["first.tlog-proof", "second.tlog-proof", "now.tlog-proof"] {
            auditor.write(file, home.read(file));
        }
        let of_export = ["ledger", "verify", "export.jsonl", "--trust", "trust.json"];
        let verified = auditor.run([&of_export[..], &both].concat()).exits(0).json();
        assert_eq!(verified["root"], now["root"]);
        auditor
            .run([&["ledger", "verify", "export.jsonl"][..], &both].concat())
            .fails(2, "usage_invalid");
        auditor
            .run([&["ledger", "fsck", "export.jsonl", "--trust", "trust.json"][..], &both].concat())
            .exits(0);

        // What follows a signed head leads to the next one.
        let rest = home
            .talk(["ledger", "export", "--from", &first["size"].to_string()])
            .exits(0);
        auditor.write("rest.jsonl", rest.stdout);
        let of_rest = ["ledger", "verify", "rest.jsonl", "--trust", "trust.json"];
        let from = ["--from", "first.tlog-proof", "--checkpoint", "now.tlog-proof"];
        let verified = auditor.run([&of_rest[..], &from].concat()).exits(0).json();
        assert_eq!((&verified["root"], &verified["from"]), (&now["root"], &first["head"]));
        let behind = ["--from", "second.tlog-proof", "--checkpoint", "first.tlog-proof"];
        auditor.run([&of_rest[..], &behind].concat()).fails(2, "usage_invalid");
        home.run(["ledger", "verify", "--from", "second.tlog-proof"]).exits(0);

        // Its end, cut off: nobody else would notice.
        let lines: Vec<&str> = export.split_inclusive('\n').collect();
        auditor.write("export.jsonl", lines[..lines.len() - 1].concat());
        auditor.run(of_export).exits(0);
        auditor
            .run([&of_export[..], &["--checkpoint", "now.tlog-proof"]].concat())
            .fails(30, "ledger_truncated");
    }
}

/// The same records with another time in one of them, and fresh hashes from there on.
fn rewritten(export: &str, at: usize) -> String {
    let canonical = |record: &Value| {
        admit(record.to_string().as_bytes(), &Limits::default())
            .unwrap()
            .into_vec()
    };
    let mut last = Value::Null;
    let mut text = String::new();
    for (seq, line) in export.lines().enumerate() {
        let mut record: Value = serde_json::from_str(line).unwrap();
        let members = record.as_object_mut().unwrap();
        if seq == at {
            members.insert("time".to_owned(), json!("2026-01-01T00:00:00.000Z"));
        }
        if seq > at {
            members.insert("previousLedgerHash".to_owned(), last);
        }
        members.remove("ledgerHash");
        last = json!(sha256(&canonical(&record)).to_string());
        record["ledgerHash"] = last.clone();
        text += std::str::from_utf8(&canonical(&record)).unwrap();
        text.push('\n');
    }
    text
}

#[test]
fn g12_a_rewritten_export_is_another_ledger() {
    let home = Home::with_maintainer();
    sign_heads(&home, "ES256");
    home.pass(ALLOW);
    let size = checkpoint(&home, "head.tlog-proof")["size"].as_u64().unwrap();
    go_on(&home);
    let export = home.talk(["ledger", "export"]).exits(0).stdout;
    let verify = ["ledger", "verify", "rewritten.jsonl"];
    let against = [&verify[..], &["--checkpoint", "head.tlog-proof", "--trust", TRUST]].concat();
    for at in 0..export.lines().count() {
        home.write("rewritten.jsonl", rewritten(&export, at));
        // Whole, and nothing in it says otherwise.
        home.run(verify).exits(0);
        if (at as u64) < size {
            home.run(&against).fails(30, "ledger_forked");
        } else {
            home.run(&against).exits(0);
        }
    }
}

#[test]
fn g12_a_store_that_was_put_back_is_not_signed() {
    let home = Home::with_maintainer();
    sign_heads(&home, "Ed25519");
    home.pass(ALLOW);
    let before = copy(&home);
    go_on(&home);
    checkpoint(&home, "head.tlog-proof");
    let kept = home.read(KEPT);

    put_back(&home, &before);
    forget_witness(&home);
    home.run(["ledger", "verify"]).exits(0);
    let against = ["ledger", "verify", "--checkpoint", "head.tlog-proof"];
    home.run(against).fails(30, "ledger_truncated");
    home.run(["ledger", "checkpoint"]).fails(30, "ledger_truncated");
    // Another history of the same length and longer.
    go_on(&home);
    go_on(&home);
    home.run(["ledger", "verify"]).exits(0);
    home.run(against).fails(30, "ledger_forked");
    home.run(["ledger", "checkpoint"]).fails(30, "ledger_forked");
    assert_eq!(home.read(KEPT), kept);

    // What is no head any more holds the ledger to nothing, and so nothing is signed.
    home.write(KEPT, kept.replacen("index", "indes", 1));
    home.run(["ledger", "checkpoint"]).fails(30, "ledger_kept_head_invalid");
}

#[test]
fn each_key_signs_what_it_is_for() {
    let home = Home::with_maintainer();
    home.run(["ledger", "checkpoint"]).fails(2, "ledger_key_missing");
    let kid = sign_heads(&home, "Ed25519");
    home.pass(ALLOW);
    checkpoint(&home, "head.tlog-proof");
    let against = ["ledger", "verify", "--checkpoint", "head.tlog-proof"];

    // Another issuer's trust store, which has a ledger key as well.
    let other = Home::with_maintainer();
    sign_heads(&other, "Ed25519");
    home.run([&against[..], &["--trust", other.path(TRUST).to_str().unwrap()]].concat())
        .fails(20, "checkpoint_key_unknown");

    // The key for passes signs no head, and the key for heads no pass.
    let config = home.read(CONFIG);
    let pass_key = config
        .lines()
        .find_map(|line| line.strip_prefix("key = \"file:keys/pass-"));
    let pass_key = format!("file:keys/pass-{}", pass_key.unwrap().split('"').next().unwrap());
    name_key(&home, &pass_key);
    home.run(["ledger", "checkpoint"]).fails(31, "ledger_key_not_trusted");
    home.write(
        CONFIG,
        config.replacen(&pass_key, &format!("file:keys/ledger-{kid}.pem"), 1),
    );
    assert_ne!(home.run(["authorize", "--action", ALLOW]).exit, 0);
    home.write(CONFIG, &config);

    // A retired key's heads hold, and it signs no more; a revoked key's don't.
    home.run(["keys", "retire", &kid]).exits(0);
    home.run(against).exits(0);
    home.run(["ledger", "checkpoint"]).fails(31, "ledger_key_not_trusted");
    home.run(["revoke", "key", &kid, "--reason", "test"]).exits(0);
    home.run(against).fails(23, "checkpoint_key_revoked");
    // The next key goes on from what the former signed.
    sign_heads(&home, "ES256");
    let signed = checkpoint(&home, "head.tlog-proof");
    home.run(against).exits(0);
    assert_ne!(signed["kid"], json!(kid));

    // A limit to tenants, and algorithms that notes don't have.
    let new = ["keys", "new", "--use", "ledger"];
    home.run([&new[..], &["--tenant", "org:example"]].concat())
        .fails(2, "usage_invalid");
    home.run([&new[..], &["--alg", "ES384"]].concat())
        .fails(31, "members_contradict");
}

/// The next key signs, and what the former signed goes on to hold: it is retired, not revoked.
#[test]
fn a_ledger_key_is_rotated() {
    let rotate = ["keys", "rotate", "--use", "ledger"];
    let home = Home::with_maintainer();
    home.run(rotate).fails(2, "ledger_key_missing");
    let kid = sign_heads(&home, "Ed25519");
    let before = home.read(CONFIG);
    home.pass(ALLOW);
    checkpoint(&home, "first.tlog-proof");
    let rotated = home
        .run([&rotate[..], &["--reason", "yearly"]].concat())
        .exits(0)
        .json();
    let (key, next) = (rotated["key"].as_str().unwrap(), rotated["kid"].as_str().unwrap());
    assert_eq!(
        (&rotated["retired"], &rotated["jwk"]["kty"]),
        (&json!(kid), &json!("OKP"))
    );
    assert!(key.starts_with("file:keys/ledger-") && next != kid, "{rotated}");
    // One line is another, and no key that signs passes changed.
    assert_eq!(home.read(CONFIG), before.replacen(&kid, next, 1));
    home.pass(ALLOW);
    assert_eq!(checkpoint(&home, "second.tlog-proof")["kid"], json!(next));
    let listed = home.run(["keys", "list"]).exits(0).json();
    let listed = listed["keys"].as_array().unwrap();
    let of = |kid: &str| listed.iter().find(|key| key["kid"] == kid).unwrap().clone();
    assert_eq!(
        (&of(&kid)["status"], &of(&kid)["supersededBy"], &of(next)["signs"]),
        (&json!("retired"), &json!(next), &json!(true))
    );

    // One that was made ahead: what takes effect is said, and done.
    let ahead = home.talk(["keys", "new", "--use", "ledger"]).exits(0);
    let (_, uri) = ahead.stderr.split_once("key = \"").unwrap();
    let (uri, _) = uri.split_once('"').unwrap();
    assert!(ahead.stderr.contains(&format!("names {key}")), "{ahead:?}");
    assert_eq!(checkpoint(&home, "still.tlog-proof")["kid"], json!(next));
    let to = home.run([&rotate[..], &["--to", uri]].concat()).exits(0).json();
    assert_eq!((&to["key"], &to["retired"]), (&json!(uri), &json!(next)));
    assert_eq!(checkpoint(&home, "third.tlog-proof")["kid"], json!(ahead.stdout.trim()));
    let heads = ["first", "second", "still", "third"].map(|name| format!("{name}.tlog-proof"));
    let mut verify = vec!["ledger", "verify"];
    for head in &heads {
        verify.extend(["--checkpoint", head]);
    }
    home.run(verify).exits(0);

    // What notes can't be signed with comes to nothing.
    let before = (home.read(CONFIG), home.read(TRUST));
    home.run([&rotate[..], &["--alg", "ES384"]].concat())
        .fails(31, "members_contradict");
    home.run(["keys", "rotate", "--use", "approval"]).exits(2);
    // Nor does a key take the place of one that signs something else.
    let (_, pass_key) = before.0.split_once("[signing]").unwrap();
    let (_, pass_key) = pass_key.split_once("key = \"").unwrap();
    let (pass_key, _) = pass_key.split_once('"').unwrap();
    let ledger_key = to["key"].as_str().unwrap();
    assert_ne!(home.run([&rotate[..], &["--to", pass_key]].concat()).exit, 0);
    assert_ne!(home.run(["keys", "rotate", "--to", ledger_key]).exit, 0);
    assert_eq!((home.read(CONFIG), home.read(TRUST)), before);
    home.pass(ALLOW);
}

/// The page's own code, on a real head: it says which head that is, and what OpenSSL is to verify.
#[test]
fn g12_a_signed_head_is_checked_by_hand_as_the_page_says() {
    let page = fs::read_to_string(crate::program::root().join("docs/spec/checkpoint.md")).unwrap();
    let (_, code) = page.split_once("```python\n").unwrap();
    let (code, _) = code.split_once("```").unwrap();
    let home = Home::with_maintainer();
    home.write("check.py", code);
    sign_heads(&home, "ES256");
    let script = home.path("check.py");
    if !is_ready(Language::PlainPython, &script) || !report_unless(openssl(&home, &["version"]), "openssl") {
        return;
    }
    let check = |head: &str| {
        for name in ["text", "signature"] {
            fs::remove_file(home.path(name)).ok();
        }
        let mut python = command(Language::PlainPython, &script).unwrap();
        python
            .current_dir(home.path(""))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        home.feed_to(&mut python, head.as_bytes())
    };
    let pem = home.talk(["keys", "export", "--use", "ledger", "--pem"]).exits(0);
    home.write("ledger.pem", pem.stdout);
    let verify = [
        "dgst",
        "-sha256",
        "-verify",
        "ledger.pem",
        "-signature",
        "signature",
        "text",
    ];
    // Sizes of which the last record has proofs of several lengths.
    for _ in 0..6 {
        home.run(["authorize", "--action", DENY]).exits(10);
        let signed = checkpoint(&home, "head.tlog-proof");
        let head = home.read("head.tlog-proof");
        let said = check(&head).exits(0);
        assert_eq!(signed["head"], json!(said.stdout.trim()));
        assert!(openssl(&home, &verify), "{head}");

        // The root of another tree, and another record under the same root.
        let root = head.lines().rev().nth(2).unwrap();
        let mut other = root.to_owned();
        other.replace_range(..1, if root.starts_with('A') { "B" } else { "A" });
        assert_ne!(check(&head.replacen(root, &other, 1)).exit, 0);
        assert!(!home.path("text").exists());
        let extra = head.lines().nth(1).unwrap();
        assert_ne!(check(&head.replacen(extra, &extra[..extra.len() - 4], 1)).exit, 0);
        assert!(!home.path("text").exists());
    }
}

/// Whether OpenSSL says that it is so.
fn openssl(home: &Home, args: &[&str]) -> bool {
    let ran = home.command_of("openssl", args).env("PATH", "/usr/bin:/bin").output();
    ran.is_ok_and(|ran| ran.status.success())
}

#[cfg(target_os = "linux")]
#[test]
fn g12_heads_of_a_ledger_in_a_database_are_signed_forward() {
    let (home, _) = crate::database::home();
    sign_heads(&home, "ES256");
    go_on(&home);
    let first = checkpoint(&home, "first.tlog-proof");
    go_on(&home);
    let second = checkpoint(&home, "second.tlog-proof");
    assert!(first["size"].as_u64() < second["size"].as_u64());
    assert!(!home.path(KEPT).exists());
    home.run([
        "ledger",
        "verify",
        "--checkpoint",
        "first.tlog-proof",
        "--checkpoint",
        "second.tlog-proof",
    ])
    .exits(0);
    // The kept head is the one in the database: signing goes on from it.
    let again = checkpoint(&home, "third.tlog-proof");
    assert_eq!(again["root"], second["root"]);
}
