//! Archives: the first records leave a store, whose every answer is the one of before; whatever is wrong is found before that.

mod attacked;
mod believed;
mod forged;
mod killed;
mod refused;
mod resigned;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::action::{self, ALLOW, DENY, STEP_UP};
use crate::database::consume;
use crate::home::{Home, MAINTAINER, Ran, key_file};
use crate::served::{ALL_RIGHTS, Served, client};
use crate::signed_heads::sign_heads;

const ERASE: [&str; 6] = ["ledger", "erase", "--older-than", "0s", "--reason", "asked to"];

/// What a home decided, which an archive must not forget.
struct Made {
    /// The pass that was used.
    used: String,
    /// The pass that was revoked.
    revoked: String,
    /// The action whose id has its pass.
    named: String,
    /// The approval that was used.
    approval: String,
    /// The request that a vote got its pass.
    request: String,
}

/// Who votes, and how.
fn vote(home: &Home, verb: &str, request: &str) {
    let key = key_file(MAINTAINER);
    let who = ["--key", &key, "--as", MAINTAINER, "--reason", "read it", "--yes"];
    home.run([&["requests", verb, request], &who[..]].concat()).exits(0);
}

/// The request that an action waits by.
fn wait(home: &Home, title: &str) -> String {
    let mut document = action::read(home, STEP_UP);
    document["capability"]["payload"]["title"] = title.into();
    let file = home.write(&format!("{title}.json"), document.to_string());
    let waiting = home.run(["authorize", "--action", &file]).exits(11).json();
    waiting["request"]["id"].as_str().unwrap().to_owned()
}

/// A record of each kind that leaves something in the tables.
fn decide(home: &Home) -> Made {
    let used = home.pass(ALLOW);
    consume(home, &used, ALLOW).exits(0);
    home.run(["authorize", "--action", DENY]).exits(10);
    let named = action::with_id(home, ALLOW, &action::id(1));
    home.pass(&named);
    let approval = home.approve(STEP_UP);
    let approved = home
        .run(["authorize", "--action", STEP_UP, "--approval", &approval])
        .exits(0);
    let revoked = home.write_pass(&approved);
    let id = revoked.trim_end_matches(".jwt");
    home.run(["revoke", "pass", id, "--reason", "no longer needed"])
        .exits(0);
    let request = wait(home, "voted");
    vote(home, "approve", &request);
    home.run(["authorize", "--action", "voted.json"]).exits(0);
    wait(home, "waits");
    Made {
        used,
        revoked,
        named,
        approval,
        request,
    }
}

/// What is answered to whoever comes again with what was used, and what is known of it.
fn answers(home: &Home, made: &Made) -> Vec<(i32, Value)> {
    let said = |ran: Ran, pointer: &str| {
        let json = ran.json();
        let part = json.pointer(pointer).unwrap_or_else(|| panic!("{pointer}: {ran:?}"));
        (ran.exit, part.clone())
    };
    let (again, other) = (action::with_id(home, ALLOW, &action::id(1)), "other.json");
    let mut document = action::read(home, &again);
    document["capability"]["payload"]["title"] = json!("Another title");
    home.write(other, document.to_string());
    vec![
        said(consume(home, &made.used, ALLOW), "/codes"),
        said(consume(home, &made.revoked, STEP_UP), "/codes"),
        said(home.run(["authorize", "--action", &made.named]), "/error/code"),
        said(home.run(["authorize", "--action", other]), "/error/code"),
        said(
            home.run(["authorize", "--action", STEP_UP, "--approval", &made.approval]),
            "/reasons/0/code",
        ),
        said(home.run(["requests", "show", &made.request]), "/state"),
    ]
}

fn export(home: &Home) -> String {
    home.talk(["ledger", "export"]).exits(0).stdout
}

fn size(home: &Home) -> u64 {
    home.run(["ledger", "show", "--limit", "1"]).exits(0).json()["size"]
        .as_u64()
        .unwrap()
}

/// The command that archives up to a record, into a folder of the home's.
pub(crate) fn archive(home: &Home, until: u64, folder: &str, more: &[&str]) -> Ran {
    let until = until.to_string();
    let args = [
        "ledger", "archive", "--until", &until, "--to", folder, "--reason", "old",
    ];
    home.run([&args[..], more].concat())
}

/// The same, which is refused and takes nothing out.
#[track_caller]
fn refused(home: &Home, until: u64, folder: &str, exit: i32, code: &str) -> Ran {
    let before = export(home);
    let ran = archive(home, until, folder, &[]).fails(exit, code);
    assert!(export(home) == before, "{code}: something was taken out");
    ran
}

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Everything that looks at a ledger finds it whole.
fn is_whole(home: &Home) {
    home.run(["ledger", "verify"]).exits(0);
    home.run(["doctor"]).exits(0);
    home.run(["store", "check"]).exits(0);
    home.run(["ledger", "checkpoint"]).exits(0);
}

/// A whole life: what is needed stays, what is archived verifies elsewhere, and every answer is the one of before.
fn lives_on(home: &Home) {
    sign_heads(home, "ES256");
    let made = decide(home);
    fs::create_dir(home.path("to")).unwrap();
    // The first record with something beside it is named.
    let first = home.records().iter().position(|record| record["kind"] == "decision");
    let needed = refused(home, 5, "to", 31, "records_needed");
    let named = format!("record {} ", first.unwrap());
    assert!(needed.stdout.contains(&named), "{needed:?}");
    assert!(names(&home.path("to")).is_empty());
    home.run(ERASE).exits(0);
    let last = size(home) - 1;
    let before_answers = answers(home, &made);
    let codes: Vec<String> = before_answers.iter().map(|(_, said)| said.to_string()).collect();
    for code in [
        "already_used",
        "pass_revoked",
        "action_already_issued",
        "approval_already_used",
        "used",
    ] {
        assert!(codes.iter().any(|said| said.contains(code)), "{code}: {codes:?}");
    }

    // Kept, the records are in both.
    let before = export(home);
    let kept = archive(home, last, "to", &["--keep"]).exits(0).json();
    assert_eq!(
        (&kept["first"], &kept["last"], &kept["record"]),
        (&json!(0), &json!(last), &Value::Null)
    );
    assert!(export(home) == before);
    let (records, head) = (format!("0-{last}.jsonl"), format!("0-{last}.tlog-proof"));
    assert_eq!(names(&home.path("to")), [records.clone(), head.clone()]);
    let taken: String = before
        .split_inclusive('\n')
        .take(usize::try_from(last).unwrap() + 1)
        .collect();
    assert_eq!(home.read(&format!("to/{records}")), taken);
    let done = archive(home, last, "to", &[]).exits(0).json();
    assert_eq!(done["record"]["seq"], json!(before.lines().count()));
    for name in [&records, &head] {
        let mode = fs::metadata(home.path("to").join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let live = export(home);
    assert!((taken.clone() + &live).starts_with(&before), "records are lost");

    // Whoever has the files and the trust store verifies both parts, alone and one after the other.
    let auditor = Home::none();
    auditor.write("trust.json", home.talk(["trust", "export"]).exits(0).stdout);
    auditor.set_mode("trust.json", 0o600);
    auditor.write(&records, &taken);
    auditor.write(&head, home.read(&format!("to/{head}")));
    auditor.write("live.jsonl", &live);
    auditor.write("whole.jsonl", taken.clone() + &live);
    let trust = ["--trust", "trust.json"];
    let verify = |file: &str, more: &[&str]| auditor.run([&["ledger", "verify", file], &trust[..], more].concat());
    verify(&records, &["--checkpoint", &head]).exits(0);
    verify("live.jsonl", &["--from", &head]).exits(0);
    verify("whole.jsonl", &["--checkpoint", &head]).exits(0);
    verify("live.jsonl", &[]).fails(30, "ledger_sequence_broken");

    is_whole(home);
    let verified = home.run(["ledger", "verify"]).exits(0).json();
    assert_eq!(verified["archived"], json!(last + 1));
    let fsck = home.run(["ledger", "fsck"]).exits(0).json();
    assert_eq!(fsck["stretches"][0]["first"], json!(last + 1));
    home.run(["ledger", "show", "0"]).fails(31, "ledger_archived");
    home.run(["ledger", "show", &last.to_string()])
        .fails(31, "ledger_archived");
    home.run(["ledger", "show", &(last + 1).to_string()]).exits(0);
    home.run(["ledger", "show", "--decision", "allow"]).exits(0);
    home.run(["ledger", "export", "--from", "1"])
        .fails(31, "ledger_archived");
    home.run(["ledger", "export", "--until", "1"])
        .fails(31, "ledger_archived");
    home.run(["ledger", "export", "--from", &(last + 1).to_string()])
        .exits(0);
    assert_eq!(answers(home, &made), before_answers);
    refused(home, 0, "to", 2, "ledger_nothing_to_archive");
    refused(home, last, "to", 2, "ledger_nothing_to_archive");

    // And on, behind the first: the record of that goes in its turn.
    home.run(ERASE).exits(0);
    let end = size(home) - 1;
    let before = export(home);
    archive(home, end, "to", &[]).exits(0);
    let (next, next_head) = (
        format!("{}-{end}.jsonl", last + 1),
        format!("{}-{end}.tlog-proof", last + 1),
    );
    assert_eq!(home.read(&format!("to/{next}")), before);
    auditor.write(&next, &before);
    auditor.write(&next_head, home.read(&format!("to/{next_head}")));
    verify(&next, &["--from", &head, "--checkpoint", &next_head]).exits(0);
    is_whole(home);
    assert_eq!(answers(home, &made), before_answers);
    home.pass(ALLOW);
    is_whole(home);
    // By age: everything that nothing needs, which of what was just decided is what comes before it.
    let by_age = [
        "ledger",
        "archive",
        "--older-than",
        "0s",
        "--to",
        "to",
        "--reason",
        "old",
    ];
    let aged = home.run(by_age).exits(0).json();
    assert!(aged["needed"].is_u64(), "{aged}");
    is_whole(home);
}

#[test]
fn g11_a_home_lives_on_behind_its_archives() {
    lives_on(&Home::with_maintainer());
}

#[test]
fn g11_a_home_in_a_database_lives_on_behind_its_archives() {
    let (home, _) = crate::database::home();
    home.approver(MAINTAINER, &["maintainer"]).exits(0);
    lives_on(&home);
}

/// A home with two decisions whose side data is erased, a key for heads, and a folder for archives; gives its last record.
pub(crate) fn erased() -> (Home, u64) {
    let home = Home::with_maintainer();
    sign_heads(&home, "Ed25519");
    home.pass(ALLOW);
    home.run(["authorize", "--action", DENY]).exits(10);
    home.run(ERASE).exits(0);
    fs::create_dir(home.path("to")).unwrap();
    let last = size(&home) - 1;
    (home, last)
}

/// There and back: the beginning goes along, with the head that vouches for it.
#[test]
fn an_archived_home_moves_into_a_database_and_back() {
    let home = Home::with_maintainer();
    sign_heads(&home, "ES256");
    let made = decide(&home);
    home.run(ERASE).exits(0);
    let last = size(&home) - 1;
    let before = answers(&home, &made);
    fs::create_dir(home.path("to")).unwrap();
    archive(&home, last, "to", &[]).exits(0);
    let text = export(&home);
    let verified = home.run(["ledger", "verify"]).exits(0).json();
    let url = crate::database::server().url(&crate::database::database());
    for to in [url.as_str(), "files"] {
        home.run(["store", "copy", "--to", to]).exits(0);
        assert!(export(&home) == text, "{to}");
        let there = home.run(["ledger", "verify"]).exits(0).json();
        for member in ["head", "root", "size", "archived"] {
            assert_eq!(there[member], verified[member], "{to}: {member}");
        }
        home.run(["doctor"]).exits(0);
        home.run(["store", "check"]).exits(0);
        home.run(["ledger", "fsck"]).exits(0);
    }
    assert_eq!(answers(&home, &made), before);
    home.run(ERASE).exits(0);
    archive(&home, size(&home) - 1, "to", &[]).exits(0);
    is_whole(&home);
}

/// The service says where its records begin, and goes on.
#[test]
fn a_service_says_that_a_record_is_in_an_archive() {
    let (home, last) = erased();
    let token = client(&home, "all", ALL_RIGHTS);
    let service = Served::start(&home, &token);
    let body = json!({ "action": action::read(&home, ALLOW) });
    archive(&home, last, "to", &[]).exits(0);
    let record = |seq: u64| service.get(&format!("/v1/ledger/records/{seq}"));
    let archived = |path: &str| {
        let answer = service.get(path);
        assert_eq!(answer.body["code"], "ledger_archived", "{path}: {answer:?}");
        assert!((400..500).contains(&answer.status), "{path}: {answer:?}");
    };
    archived("/v1/ledger/records/0");
    archived(&format!("/v1/ledger/records/{last}"));
    archived("/v1/ledger/records?after=0");
    assert_eq!(record(last + 1).status, 200);
    let listed = service.get("/v1/ledger/records");
    assert_eq!(listed.body["records"][0]["seq"], json!(last + 1), "{listed:?}");
    let exported = service.get("/v1/ledger/export");
    let text = match exported.body {
        // One line is a JSON value of its own.
        Value::String(text) => text,
        value => value.to_string(),
    };
    assert!(text.contains("actionpass.archive.v1"), "{text}");
    assert_eq!(service.get("/v1/ledger/head").status, 200);
    let allowed = service.post("/v1/authorize", &body);
    assert_eq!(allowed.body["decision"], "allow", "{allowed:?}");
    service.stop();
    // What is due by the configuration is looked for behind the beginning.
    let config = home.read("home/config.toml");
    home.write(
        "home/config.toml",
        format!("{config}\n[retention]\nside_data = \"30d\"\n"),
    );
    home.run(["ledger", "erase", "--due"]).exits(0);
    is_whole(&home);
}

/// The records of revocations stay: a trust store that went back is mended by them. Whose an approval was isn't known any more.
#[test]
fn g07_a_trust_store_that_went_back_is_mended_behind_an_archive() {
    let home = Home::with_maintainer();
    sign_heads(&home, "ES256");
    let pass = home.pass(ALLOW);
    let approval = home.approve(STEP_UP);
    let approved = home
        .run(["authorize", "--action", STEP_UP, "--approval", &approval])
        .exits(0);
    let approved = home.write_pass(&approved);
    let before = home.read("home/trust.json");
    let id = pass.trim_end_matches(".jwt");
    home.run(["revoke", "pass", id, "--reason", "no longer needed"])
        .exits(0);
    home.run(ERASE).exits(0);
    fs::create_dir(home.path("to")).unwrap();
    archive(&home, size(&home) - 1, "to", &[]).exits(0);
    home.write("home/trust.json", before);
    home.run(["authorize", "--action", ALLOW])
        .fails(26, "trust_rolled_back");
    let said = home.run(["trust", "restored"]).exits(0).json();
    assert_eq!(said["putBack"]["revocations"].as_array().map(Vec::len), Some(1));
    consume(&home, &pass, ALLOW).refuses(23, &["pass_revoked"]);

    let id = approval.trim_end_matches(".jwt");
    let revoke = ["revoke", "approval", id, "--reason", "changed my mind"];
    home.run(revoke).fails(2, "option_missing");
    home.run([&revoke[..], &["--approver", MAINTAINER]].concat()).exits(0);
    home.verify(&approved, STEP_UP).refuses(23, &["approval_revoked"]);
    is_whole(&home);
}
