//! `canon`, `hash`, `inspect`, `schema`: no home needed.

use crate::lab::Lab;

/// What the gate refuses: input, code, offset. Each must exit 31 at once.
fn refused() -> Vec<(&'static str, Vec<u8>, &'static str, u64)> {
    vec![
        ("duplicate", br#"{"a":1,"\u0061":2}"#.to_vec(), "member_duplicate", 7),
        (
            "unsafe integer",
            b"9007199254740993".to_vec(),
            "number_unsafe_integer",
            0,
        ),
        ("overflow", b"1e400".to_vec(), "number_out_of_range", 0),
        ("inexact", b"[0.10000000000000001]".to_vec(), "number_not_exact", 1),
        ("lone surrogate", br#"["\ud800"]"#.to_vec(), "lone_surrogate", 2),
        ("byte order mark", b"\xef\xbb\xbf{}".to_vec(), "byte_order_mark", 0),
        ("deep", vec![b'['; 100_000], "depth_exceeded", 64),
        ("invalid byte", b"[\"a\xffb\"]".to_vec(), "invalid_utf8", 3),
        ("trailing", b"{} {}".to_vec(), "trailing_bytes", 3),
        ("empty", Vec::new(), "json_truncated", 0),
        ("large", vec![b' '; (1 << 20) + 2], "size_exceeded", 1 << 20),
    ]
}

#[test]
fn canon() {
    let mut lab = Lab::new();
    lab.file("payload.json", br#"{ "title": "caf\u00e9", "count": 1.0 }"#);
    lab.run(&["canon", "payload.json"]);
    lab.run(&["canon", "payload.json", "--json"]);
    lab.run_with(&["canon", "-"], b"[1e2]");
    lab.run(&["canon", "missing.json"]);
    lab.run(&["canon", "missing.json", "--json"]);
    lab.run_with(&["canon", "-"], b"[0.10000000000000001]");
    lab.run(&["canon"]);
    lab.check("canon");
}

#[test]
fn hash() {
    let mut lab = Lab::new();
    let empty = lab.run_with(&["hash", "-"], b" { } ");
    assert_eq!(
        empty.stdout,
        "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\n"
    );
    lab.file("action.json", actionpass_model::DEMO_ACTION.as_bytes());
    let hashes = lab.run(&["hash", "--action", "action.json", "--json"]).json();
    let action = actionpass_canon::BoundAction::admit(
        actionpass_model::DEMO_ACTION.as_bytes(),
        &actionpass_canon::Limits::new(),
    );
    let action = action.unwrap();
    assert_eq!(hashes["payloadHash"], action.payload_hash().to_string());
    assert_eq!(hashes["actionHash"], action.action_hash().to_string());
    lab.run(&["hash", "--action", "action.json"]);
    lab.run_with(&["hash", "-", "--json"], b"{}");
    lab.run_with(&["hash", "--action", "-"], b"{}");
    lab.run_with(
        &["hash", "--action", "-", "--json"],
        br#"{"schema":"actionpass.action.v2"}"#,
    );
    lab.run(&["hash", "a", "--action", "b"]);
    lab.run(&["hash"]);
    lab.check("hash");
}

#[test]
fn what_readers_could_read_differently_is_refused() {
    let lab = Lab::new();
    for (what, input, code, offset) in refused() {
        for command in ["hash", "canon"] {
            let ran = lab.try_run(&[command, "-", "--json"], &input);
            assert_eq!(ran.exit, 31, "{what}: {ran:?}");
            let json = ran.json();
            assert_eq!(
                (json["error"]["code"].as_str(), json["error"]["offset"].as_u64()),
                (Some(code), Some(offset)),
                "{what}"
            );
            assert_eq!(json["schema"], format!("actionpass.cli.{command}.v1"));
            let ran = lab.try_run(&[command, "-"], &input);
            assert_eq!((ran.exit, ran.stdout.as_str()), (31, ""), "{what}");
            assert!(
                ran.stderr.contains(&format!("byte {offset})")) && ran.stderr.contains(code),
                "{what}: {}",
                ran.stderr
            );
        }
    }
}

#[test]
fn refusals() {
    let mut lab = Lab::new();
    for (_, input, _, _) in refused() {
        lab.run_with(&["hash", "-"], &input);
    }
    lab.run_with(&["hash", "-", "--json"], &refused()[0].1);
    lab.check("refusals");
}

#[test]
fn inspect() {
    let mut lab = Lab::new();
    // {"alg":"none"} . {"note":"a\u202eb"} . nothing
    lab.file("none.jwt", b"eyJhbGciOiJub25lIn0.eyJub3RlIjoiYVx1MjAyZWIifQ.\n");
    lab.run(&["inspect", "none.jwt"]);
    lab.run(&["inspect", "none.jwt", "--json"]);
    lab.run_with(&["inspect", "-"], b"not a token");
    lab.run_with(&["inspect", "-", "--json"], b"a.b");
    lab.run_with(&["inspect", "-"], b"eyJhIjoxLCJhIjoyfQ.e30.AAAA");
    lab.run(&["inspect", "missing.jwt"]);
    lab.check("inspect");
}

#[test]
fn schema() {
    let mut lab = Lab::new();
    lab.run(&["schema"]);
    lab.run(&["schema", "--json"]);
    lab.run(&["schema", "nothing"]);
    lab.run(&["schema", "nothing", "--json"]);
    let facts = lab.quiet(&["schema", "facts"]).stdout;
    assert_eq!(facts, include_str!("../../../../docs/schemas/facts.v1.schema.json"));
    assert_eq!(lab.quiet(&["schema", "actionpass.facts.v1"]).stdout, facts);
    lab.check("schema");
}
