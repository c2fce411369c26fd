//! `canon`, `hash`, `inspect`, `schema`: no home needed.

use super::Transcript;
use crate::home::Home;

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
    let home = Home::none();
    let mut transcript = Transcript::of(&home);
    home.write("payload.json", br#"{ "title": "caf\u00e9", "count": 1.0 }"#);
    transcript.run(&["canon", "payload.json"]);
    transcript.run(&["canon", "payload.json", "--json"]);
    transcript.run_with(&["canon", "-"], b"[1e2]");
    transcript.run(&["canon", "missing.json"]);
    transcript.run(&["canon", "missing.json", "--json"]);
    transcript.run_with(&["canon", "-"], b"[0.10000000000000001]");
    transcript.run(&["canon"]);
    transcript.check("canon");
}

#[test]
fn hash() {
    let home = Home::none();
    let mut transcript = Transcript::of(&home);
    let empty = transcript.run_with(&["hash", "-"], b" { } ");
    assert_eq!(
        empty.stdout,
        "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\n"
    );
    home.write("action.json", actionpass_model::DEMO_ACTION.as_bytes());
    let hashes = transcript.run(&["hash", "--action", "action.json", "--json"]).json();
    let action = actionpass_canon::BoundAction::admit(
        actionpass_model::DEMO_ACTION.as_bytes(),
        &actionpass_canon::Limits::new(),
    );
    let action = action.unwrap();
    assert_eq!(hashes["payloadHash"], action.payload_hash().to_string());
    assert_eq!(hashes["actionHash"], action.action_hash().to_string());
    transcript.run(&["hash", "--action", "action.json"]);
    transcript.run_with(&["hash", "-", "--json"], b"{}");
    transcript.run_with(&["hash", "--action", "-"], b"{}");
    transcript.run_with(
        &["hash", "--action", "-", "--json"],
        br#"{"schema":"actionpass.action.v2"}"#,
    );
    transcript.run(&["hash", "a", "--action", "b"]);
    transcript.run(&["hash"]);
    transcript.check("hash");
}

#[test]
fn what_readers_could_read_differently_is_refused() {
    let home = Home::none();
    for (what, input, code, offset) in refused() {
        for command in ["hash", "canon"] {
            let ran = home.tell([command, "-", "--json"], &input);
            assert_eq!(ran.exit, 31, "{what}: {ran:?}");
            let json = ran.json();
            assert_eq!(
                (json["error"]["code"].as_str(), json["error"]["offset"].as_u64()),
                (Some(code), Some(offset)),
                "{what}"
            );
            assert_eq!(json["schema"], format!("actionpass.cli.{command}.v1"));
            let ran = home.tell([command, "-"], &input);
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
    let home = Home::none();
    let mut transcript = Transcript::of(&home);
    for (_, input, _, _) in refused() {
        transcript.run_with(&["hash", "-"], &input);
    }
    transcript.run_with(&["hash", "-", "--json"], &refused()[0].1);
    transcript.check("refusals");
}

#[test]
fn inspect() {
    let home = Home::none();
    let mut transcript = Transcript::of(&home);
    // {"alg":"none"} . {"note":"a\u202eb"} . nothing
    home.write("none.jwt", b"eyJhbGciOiJub25lIn0.eyJub3RlIjoiYVx1MjAyZWIifQ.\n");
    transcript.run(&["inspect", "none.jwt"]);
    transcript.run(&["inspect", "none.jwt", "--json"]);
    transcript.run_with(&["inspect", "-"], b"not a token");
    transcript.run_with(&["inspect", "-", "--json"], b"a.b");
    transcript.run_with(&["inspect", "-"], b"eyJhIjoxLCJhIjoyfQ.e30.AAAA");
    transcript.run(&["inspect", "missing.jwt"]);
    transcript.check("inspect");
}

#[test]
fn schema() {
    let home = Home::none();
    let mut transcript = Transcript::of(&home);
    transcript.run(&["schema"]);
    transcript.run(&["schema", "--json"]);
    transcript.run(&["schema", "nothing"]);
    transcript.run(&["schema", "nothing", "--json"]);
    let facts = home.talk(["schema", "facts"]).exits(0).stdout;
    assert_eq!(facts, include_str!("../../../../docs/schemas/facts.v1.schema.json"));
    assert_eq!(home.talk(["schema", "actionpass.facts.v1"]).exits(0).stdout, facts);
    transcript.check("schema");
}
