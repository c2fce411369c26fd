//! A server that trusts no proxy: its tools run only under a pass for exactly this call, which the proxy brings.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use actionpass_model::UnixSeconds;
use actionpass_store::ReplayStart;
use actionpass_store_sqlite::SqliteStore;
use serde_json::{Value, json};

use crate::mcp::bed::{Bed, Client, ISSUER, decision, text};
use crate::mcp::kit;
use crate::under_test::cargo;

/// The example server of `actionpass-rmcp`, built from the source as it is.
fn program() -> &'static str {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let mut build: Command = cargo();
        build.args([
            "build",
            "--package",
            "actionpass-rmcp",
            "--example",
            "guarded_notes",
            "--message-format",
            "json",
        ]);
        let output = build.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines = String::from_utf8(output.stdout).unwrap();
        let messages = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut found = messages.filter(|message| message["target"]["name"] == "guarded_notes");
        found
            .find_map(|message| message["executable"].as_str().map(ToOwned::to_owned))
            .unwrap()
    })
}

/// The answer to a call with a pass.
fn call(bed: &Bed, arguments: &Value, pass: Option<&str>) -> Value {
    let mut raw = bed.raw(bed.server(), false);
    let meta = pass.map_or_else(|| json!({}), |pass| json!({ "dev.actionpass/pass": pass }));
    raw.ask(
        "tools/call",
        &json!({ "name": "write", "arguments": arguments, "_meta": meta }),
    )
}

#[test]
fn its_tools_run_for_the_proxy_and_for_nobody_else() {
    if !kit::is_there() {
        return;
    }
    let audience = "reads.write";
    let words = [
        program(),
        "{home}/trust.json",
        "{home}/tools.toml",
        "files",
        ISSUER,
        audience,
        "org:example",
        "{home}/../used.db",
        "{work}",
    ];
    let words = words.map(ToOwned::to_owned);
    let bed = Bed::new(&words, &[("write", "reads.write", "note:{payload.name}")]);
    let used: PathBuf = bed.path("used.db");
    SqliteStore::create(&used, None, ReplayStart::first(UnixSeconds::new(0).unwrap())).unwrap();
    let bed = bed.with_pins(false);

    let mut through = bed.drive(Client::First(None), &bed.proxy(&[]));
    let note = json!({ "name": "a", "text": "x" });
    assert_eq!(text(&through.call("write", note.clone())), "wrote a");
    assert_eq!(bed.read("work/a.txt").as_deref(), Some("x"));
    // What no action says reaches neither.
    let dots = through.call("write", json!({ "name": "..", "text": "x" }));
    assert_eq!(decision(&dots)["codes"], json!(["call_value_dots"]));
    drop(through);

    // The pass that the proxy brought, from what the server received.
    let received = bed.received();
    assert_eq!(received.len(), 1);
    let pass = received[0]["params"]["_meta"]["dev.actionpass/pass"].as_str().unwrap();
    let refused = |arguments: &Value, pass: Option<&str>| {
        let answer = call(&bed, arguments, pass);
        assert_eq!(answer["error"]["code"], -32001, "{answer}");
        answer["error"]["data"]["dev.actionpass/decision"]["codes"].clone()
    };
    assert_eq!(refused(&note, None), json!(["token_malformed"]));
    assert_eq!(
        refused(&json!({ "name": "a", "text": "y" }), Some(pass)),
        json!(["payload_hash_mismatch"])
    );
    assert_eq!(refused(&note, Some(pass)), json!(["already_used"]));
    assert_eq!(bed.read("work/a.txt").as_deref(), Some("x"));
    assert_eq!(bed.outcomes().get("executed"), Some(&1));
}
