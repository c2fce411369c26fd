//! What is no JSON that every reader reads alike: refused at the door, with its place, at once.

use std::time::{Duration, Instant};

use crate::action::{self, ALLOW};
use crate::home::Home;

/// Input, code, offset.
fn refused() -> Vec<(Vec<u8>, &'static str, u64)> {
    let mut large = vec![b'['];
    large.extend(b"1,".repeat(1 << 19));
    large.extend(b"1]");
    vec![
        (br#"{"a":1,"\u0061":2}"#.to_vec(), "member_duplicate", 7),
        (b"9007199254740993".to_vec(), "number_unsafe_integer", 0),
        (b"[1, -9007199254740992]".to_vec(), "number_unsafe_integer", 4),
        (b"1e400".to_vec(), "number_out_of_range", 0),
        (b"[0.10000000000000001]".to_vec(), "number_not_exact", 1),
        (br#"["\ud800"]"#.to_vec(), "lone_surrogate", 2),
        (br#"["\udc00\ud800"]"#.to_vec(), "lone_surrogate", 2),
        (b"\xef\xbb\xbf{}".to_vec(), "byte_order_mark", 0),
        (b"[".repeat(100_000), "depth_exceeded", 64),
        (b"{\"a\":".repeat(100_000), "depth_exceeded", 64 * 5),
        (b"{\"a\":\"\xff\"}".to_vec(), "invalid_utf8", 6),
        // An overlong form of `/`.
        (b"\"\xc0\xaf\"".to_vec(), "invalid_utf8", 1),
        (b"{} {}".to_vec(), "trailing_bytes", 3),
        (b"[01]".to_vec(), "number_malformed", 2),
        (b"\"a\tb\"".to_vec(), "control_character", 2),
        (
            br#"{"$serde_json::private::RawValue":"1"}"#.to_vec(),
            "member_name_reserved",
            1,
        ),
        (b"".to_vec(), "json_truncated", 0),
        (b"[1".to_vec(), "json_truncated", 2),
        (large, "size_exceeded", 1 << 20),
    ]
}

#[test]
fn each_with_its_own_code_and_place_at_once() {
    let home = Home::none();
    for (input, code, offset) in refused() {
        let shown = String::from_utf8_lossy(&input[..input.len().min(40)]).into_owned();
        for command in ["hash", "canon"] {
            let start = Instant::now();
            let ran = home.feed([command, "-"], &input).fails(31, code);
            assert!(
                start.elapsed() < Duration::from_secs(1),
                "{shown}: {:?}",
                start.elapsed()
            );
            assert_eq!(ran.json()["error"]["offset"].as_u64(), Some(offset), "{shown}: {ran:?}");
        }
        // People read it too.
        let file = home.write("input.json", &input);
        let ran = home.talk(["hash", &file]).exits(31);
        assert_eq!(ran.stdout, "");
        assert!(
            ran.stderr.starts_with("error: ") && ran.stderr.contains(code),
            "{shown}: {ran:?}"
        );
    }
}

#[test]
fn an_input_without_end_ends() {
    let home = Home::none();
    let start = Instant::now();
    home.run(["hash", "/dev/zero"]).exits(31);
    home.run(["hash", "--action", "/dev/zero"]).exits(31);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

/// The same door for everything that reads JSON, and nothing is recorded of what doesn't get through it.
#[test]
fn every_command_has_the_same_door() {
    let home = Home::new();
    let pass = home.pass(ALLOW);
    let records = home.records().len();
    let text = home.read(ALLOW);
    let twice = text.replacen("\"payload\": {", "\"payload\": { \"te\\u0061m\": \"OPS\",", 1);
    assert_ne!(twice, text);
    let file = home.write("twice.json", twice);
    let payload = home.write("payload.json", r#"{"team":"ENG","team":"OPS"}"#);
    let (facts, tool) = (home.write("facts.json", "[1e400]"), "linear.issues.create");
    let code = "member_duplicate";
    home.run(["hash", "--action", &file]).fails(31, code);
    home.run(["authorize", "--action", &file]).fails(31, code);
    home.run(["policy", "explain", "--action", &file]).fails(31, code);
    home.run(["verify", "--token", &pass, "--action", &file])
        .fails(31, code);
    let stated = ["--tool", tool, "--resource", "team:ENG", "--payload", &payload];
    home.run([&["verify", "--token", &pass], &stated[..]].concat())
        .fails(31, code);
    home.run(["verify", "--token", &pass, "--action", &file, "--consume"])
        .fails(31, code);
    home.run(["authorize", "--action", ALLOW, "--facts", &facts])
        .fails(31, "number_out_of_range");
    assert_eq!(home.records().len(), records);
    // What was refused used nothing up.
    home.run(["verify", "--token", &pass, "--action", ALLOW, "--consume"])
        .exits(0);
}

/// Names that some parsers read as one are admitted as JSON and refused as a call.
#[test]
fn names_that_differ_in_case_only_are_no_call() {
    let home = Home::new();
    let mut colliding = action::read(&home, ALLOW);
    colliding["capability"]["payload"]["TEAM"] = "OPS".into();
    let file = home.write("colliding.json", colliding.to_string());
    home.run(["hash", "--action", &file]).exits(0);
    home.run(["authorize", "--action", &file])
        .fails(31, "member_names_collide");
}

/// The hashes are the ones that any tool gives.
#[test]
fn payload_hashes_are_sha256_of_rfc8785() {
    let home = Home::new();
    let payload = home
        .feed(["canon", "-"], br#" { "b":1.0, "a":"\u00e9", "c":[-0, 1e2] } "#)
        .exits(0)
        .json();
    assert_eq!(payload["canonical"], "{\"a\":\"é\",\"b\":1,\"c\":[0,100]}");
    let hashed = home
        .feed(["hash", "-"], "{\"a\":\"é\",\"b\":1,\"c\":[0,100]}".as_bytes())
        .exits(0)
        .json();
    assert_eq!(hashed["hash"], payload["hash"]);
    // RFC 6234's empty object by any sha256sum.
    let empty = home.feed(["hash", "-"], b" { } ").exits(0).json();
    assert_eq!(
        empty["hash"],
        "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    );
    let of_action = home.run(["hash", "--action", ALLOW]).exits(0).json();
    let payload = action::read(&home, ALLOW)["capability"]["payload"].to_string();
    let of_payload = home.feed(["hash", "-"], payload.as_bytes()).exits(0).json();
    assert_eq!(of_action["payloadHash"], of_payload["hash"]);
    let decided = home.run(["authorize", "--action", ALLOW]).exits(0).json();
    assert_eq!(decided["payloadHash"], of_payload["hash"]);
    assert_eq!(decided["actionHash"], of_action["actionHash"]);
}
