//! Approval requests on a home: every way to get a pass without the votes that policy wants, and what becomes of requests
//! when trust, policy, store or time change under them.

use std::io::{BufRead as _, BufReader};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::action::{self, DENY, STEP_UP};
use crate::facts;
use crate::home::{Home, MAINTAINER, Ran, key_file};
use crate::program::root;

const OFFICER: &str = "user:officer@example.com";
/// Long enough for a machine that is busy with other things, and far below any wait that it is held against.
const PATIENCE: Duration = Duration::from_secs(20);

/// The id of the request that an answer names.
#[track_caller]
fn request_of(ran: &Ran) -> String {
    let json = ran.json();
    let id = json["request"]["id"].as_str();
    id.unwrap_or_else(|| panic!("no request: {ran:#?}")).to_owned()
}

/// Asks for an action; it has to wait.
#[track_caller]
fn wait_for(home: &Home, file: &str) -> String {
    request_of(&home.run(["authorize", "--action", file]).exits(11))
}

/// Somebody votes with a key.
fn cast(home: &Home, verb: &str, id: &str, key: &str, principal: &str) -> Ran {
    let who = ["--key", key, "--as", principal, "--reason", "looked at it", "--yes"];
    let ran = home.run([&["requests", verb, id], &who[..]].concat());
    // Tokens of votes are in no output.
    assert!(!ran.stdout.contains("eyJ") && !ran.stderr.contains("eyJ"), "{ran:#?}");
    ran
}

fn approve(home: &Home, id: &str, principal: &str) -> Ran {
    cast(home, "approve", id, &key_file(principal), principal)
}

fn decline(home: &Home, id: &str, principal: &str) -> Ran {
    cast(home, "decline", id, &key_file(principal), principal)
}

/// What a request is.
#[track_caller]
fn state(home: &Home, id: &str) -> String {
    let shown = home.run(["requests", "show", id]);
    shown.json()["state"].as_str().unwrap().to_owned()
}

/// The pull request with another title: another action.
fn titled(home: &Home, title: &str) -> String {
    let mut action = action::read(home, STEP_UP);
    action["capability"]["payload"]["title"] = title.into();
    home.write(&format!("{title}.json"), action.to_string())
}

/// A home whose `config.toml` has this `[queue]`.
fn with_queue(queue: &str) -> Home {
    let home = Home::with_approvers();
    let config = home.read("home/config.toml");
    let (before, rest) = config.split_once("[queue]\n").unwrap();
    let (_, after) = rest.split_once("\n[ledger]\n").unwrap();
    home.write(
        "home/config.toml",
        format!("{before}[queue]\n{queue}\n[ledger]\n{after}"),
    );
    home
}

/// Adds rules to the policy.
fn rule(home: &Home, rule: &str) {
    let policy = home.read("home/policy.toml");
    home.write("home/policy.toml", format!("{policy}\n{rule}"));
}

/// A refund that two of finance have to approve, and three who may.
fn with_finance() -> (Home, String) {
    let home = Home::new();
    for name in ["fay", "sid", "ulf"] {
        home.approver(&format!("user:{name}@example.com"), &["finance"])
            .exits(0);
    }
    let refund = root().join("examples/actions/refund.json").display().to_string();
    (home, refund)
}

#[test]
fn a_vote_on_one_request_is_none_on_another() {
    let home = Home::with_maintainer();
    let one = wait_for(&home, &titled(&home, "one"));
    let other = wait_for(&home, &titled(&home, "other"));
    approve(&home, &one, MAINTAINER).exits(0);
    assert_eq!(
        (state(&home, &one), state(&home, &other)),
        ("approved".into(), "pending".into())
    );
    home.run(["authorize", "--action", "other.json"]).exits(11);
    home.run(["authorize", "--action", "one.json"]).exits(0);
    // It was used: the same action again is another occurrence, which waits anew.
    let again = wait_for(&home, "one.json");
    assert_ne!(again, one);
    approve(&home, &one, MAINTAINER).fails(24, "request_used");
    decline(&home, &one, MAINTAINER).fails(24, "request_used");
    assert_eq!(home.run(["ledger", "verify"]).exits(0).json()["valid"], true);
}

#[test]
fn nobody_votes_for_somebody_else() {
    let home = Home::with_approvers();
    home.approver("user:owner@example.com", &["maintainer"]).exits(0);
    home.run(["keys", "new", "--out", "stranger.pem"]).exits(0);
    let id = wait_for(&home, STEP_UP);
    for verb in ["approve", "decline"] {
        let refused = cast(&home, verb, &id, &key_file(MAINTAINER), OFFICER);
        assert!(
            refused.stdout.contains(&format!("the key is that of `{MAINTAINER}`")),
            "{refused:?}"
        );
        refused.fails(21, "approver_mismatch");
        cast(&home, verb, &id, "stranger.pem", MAINTAINER).fails(25, "approval_key_unknown");
        // Without the role, and as the owner whom the rule excludes: a yes that doesn't count makes no no that counts.
        for (who, why) in [
            (OFFICER, "none of the roles"),
            ("user:owner@example.com", "the agent's owner"),
        ] {
            let refused = cast(&home, verb, &id, &key_file(who), who);
            assert!(refused.stdout.contains(why), "{refused:?}");
            refused.fails(25, "vote_not_counted");
        }
    }
    // The signing key is nobody's vote either.
    let signing = home.run(["keys", "list"]).exits(0).json();
    let keys = signing["keys"].as_array().unwrap();
    let file = keys.iter().find(|key| key["use"] == "pass").unwrap()["file"]
        .as_str()
        .unwrap();
    let file = home.path("home").join(file).display().to_string();
    cast(&home, "approve", &id, &file, MAINTAINER).fails(21, "approver_mismatch");
    assert_eq!(state(&home, &id), "pending");
}

#[test]
fn two_approvals_are_of_two_people() {
    let (home, refund) = with_finance();
    let id = wait_for(&home, &refund);
    let half = approve(&home, &id, "user:fay@example.com").exits(11).json();
    assert_eq!(
        (&half["state"], &half["missing"][0]["count"]),
        (&json!("pending"), &json!(1))
    );
    approve(&home, &id, "user:fay@example.com").fails(24, "vote_repeated");
    // A second key makes nobody a second person. Another spelling of the name is refused where keys are let in.
    let add = |principal: &str| {
        let purpose = ["--use", "approval", "--principal", principal];
        let new = home
            .run([&["keys", "new", "--out", &format!("{principal}.pem")], &purpose[..]].concat())
            .exits(0);
        home.write("second.jwk", new.json()["jwk"].to_string());
        home.run([&["trust", "add", "second.jwk"], &purpose[..], &["--role", "finance"]].concat())
    };
    add("user:fay@example.com").exits(0);
    cast(
        &home,
        "approve",
        &id,
        "user:fay@example.com.pem",
        "user:fay@example.com",
    )
    .fails(24, "vote_repeated");
    add("user:Fay@example.com").fails(31, "members_contradict");
    home.run(["authorize", "--action", &refund]).exits(11);
    approve(&home, &id, "user:sid@example.com").exits(0);
    let pass = home.run(["authorize", "--action", &refund]).exits(0);
    let relied = home.decisions().pop().unwrap()["approvals"].as_array().unwrap().len();
    assert_eq!((request_of(&pass), relied), (id, 2));
}

#[test]
fn two_rules_want_their_roles() {
    let home = Home::with_approvers();
    rule(
        &home,
        "[[rule]]\nid = \"second\"\neffect = \"step_up\"\ntool = \"github.pull_requests.create\"\nagent = \"agent:codex-prod\"\n\
         approvals = { count = 1, roles = [\"security\"] }\nreason = \"security looks too\"\n",
    );
    let id = wait_for(&home, STEP_UP);
    let half = approve(&home, &id, OFFICER).exits(11).json();
    assert_eq!(half["missing"].as_array().unwrap().len(), 1, "{half}");
    home.run(["authorize", "--action", STEP_UP]).exits(11);
    let whole = approve(&home, &id, MAINTAINER).exits(0).json();
    assert_eq!((&whole["state"], &whole["missing"]), (&json!("approved"), &json!([])));
    home.run(["authorize", "--action", STEP_UP]).exits(0);
}

#[test]
fn who_comes_late_is_too_late() {
    let home = with_queue("lifetime = \"1s\"");
    let id = wait_for(&home, STEP_UP);
    // Its time is rounded up to a whole second.
    thread::sleep(Duration::from_millis(2100));
    for verb in ["approve", "decline"] {
        cast(&home, verb, &id, &key_file(MAINTAINER), MAINTAINER).fails(22, "request_expired");
    }
    home.run(["requests", "cancel", &id]).fails(22, "request_expired");
    home.run(["requests", "wait", &id]).exits(10);
    let listed = home.run(["requests", "list", "--state", "expired"]).exits(0).json();
    assert_eq!(listed["requests"][0]["id"], id.as_str());
    assert_ne!(wait_for(&home, STEP_UP), id);
}

#[test]
fn an_approval_in_time_is_late_afterwards() {
    let home = with_queue("lifetime = \"2s\"");
    let id = wait_for(&home, STEP_UP);
    approve(&home, &id, MAINTAINER).exits(0);
    thread::sleep(Duration::from_millis(3100));
    assert_eq!(state(&home, &id), "expired");
    home.run(["authorize", "--action", STEP_UP]).exits(11);
}

#[test]
fn a_vote_under_another_policy_is_void() {
    let home = Home::with_maintainer();
    let id = wait_for(&home, STEP_UP);
    approve(&home, &id, MAINTAINER).exits(0);
    rule(
        &home,
        "[[rule]]\nid = \"other\"\neffect = \"deny\"\ntool = \"nothing.at_all\"\n",
    );
    // The request stays until somebody asks again; nobody can approve it.
    let shown = home.run(["requests", "show", &id]).exits(11).json();
    assert_eq!(
        shown["reasons"],
        json!([{ "code": "request_superseded", "path": "policy" }])
    );
    approve(&home, &id, MAINTAINER).fails(31, "request_superseded");
    let doctor = home.run(["doctor"]).exits(0).json();
    let checks = doctor["checks"].as_array().unwrap();
    let queue = checks.iter().find(|check| check["name"] == "queue").unwrap();
    assert_eq!(queue["found"], "1 approval request waits");
    assert!(
        queue["notes"][0].as_str().unwrap().contains("not in force any more"),
        "{queue}"
    );
    let stepped = home.run(["authorize", "--action", STEP_UP]).exits(11);
    let reasons = stepped.json()["reasons"].take();
    let superseded = json!({ "code": "request_superseded", "path": "policy" });
    assert!(reasons.as_array().unwrap().contains(&superseded), "{reasons}");
    assert_ne!(request_of(&stepped), id);
    assert_eq!(state(&home, &id), "cancelled");
}

#[test]
fn other_context_or_facts_start_anew() {
    let home = Home::with_maintainer();
    let write = |name: &str, facts: Value| home.write(name, facts::document(0, &facts).to_string());
    let (one, two) = (
        write("1.json", json!({ "ciRun": 1 })),
        write("2.json", json!({ "ciRun": 2 })),
    );
    let ask = |facts: &str| home.run(["authorize", "--action", STEP_UP, "--facts", facts]).exits(11);
    let first = request_of(&ask(&one));
    approve(&home, &first, MAINTAINER).exits(0);
    let stepped = ask(&two);
    let difference = json!({ "code": "request_superseded", "path": "fact.ciRun" });
    assert!(
        stepped.json()["reasons"].as_array().unwrap().contains(&difference),
        "{stepped:?}"
    );
    let second = request_of(&stepped);
    let mut action = action::read(&home, STEP_UP);
    action["context"] = json!({ "ticket": "AXT-419" });
    home.write("context.json", action.to_string());
    let stepped = home
        .run(["authorize", "--action", "context.json", "--facts", &two])
        .exits(11);
    let difference = json!({ "code": "request_superseded", "path": "context" });
    assert!(
        stepped.json()["reasons"].as_array().unwrap().contains(&difference),
        "{stepped:?}"
    );
    let third = request_of(&stepped);
    let states = [&first, &second, &third].map(|id| state(&home, id));
    assert_eq!(states, ["cancelled", "cancelled", "pending"]);
}

#[test]
fn what_is_revoked_after_the_vote_does_not_count() {
    let vote_id = |home: &Home, id: &str| {
        let shown = home.run(["requests", "show", id]).json();
        shown["request"]["votes"][0]["id"].as_str().unwrap().to_owned()
    };
    let kid = |home: &Home| {
        let trust = home.run(["trust", "show"]).exits(0).json();
        let keys = trust["trust"]["keys"].as_array().unwrap();
        let key = keys.iter().find(|key| key["principal"] == MAINTAINER).unwrap();
        key["kid"].as_str().unwrap().to_owned()
    };
    let target = |home: &Home, id: &str, kind: &str| match kind {
        "approval" => vote_id(home, id),
        "key" => kid(home),
        _ => MAINTAINER.to_owned(),
    };
    for kind in ["approval", "key", "principal"] {
        let home = Home::with_maintainer();
        let id = wait_for(&home, STEP_UP);
        approve(&home, &id, MAINTAINER).exits(0);
        let target = target(&home, &id, kind);
        home.run(["revoke", kind, &target, "--reason", "stolen laptop"])
            .exits(0);
        let shown = home.run(["requests", "show", &id]).exits(11).json();
        assert_eq!(
            (&shown["state"], &shown["dropped"][0]["principal"]),
            (&json!("pending"), &json!(MAINTAINER))
        );
        home.run(["authorize", "--action", STEP_UP]).exits(11);
        if kind != "approval" {
            decline(&home, &id, MAINTAINER).fails(23, "approval_revoked");
        }
    }
}

/// The token of a vote, which only the store has.
fn token_of_a_vote(home: &Home) -> String {
    let store = Connection::open(home.path("home/ledger.db")).unwrap();
    let bytes: Vec<u8> = store
        .query_row("SELECT bytes FROM request_side WHERE vote IS NOT NULL", [], |row| {
            row.get(0)
        })
        .unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_refusal_grants_nothing_anywhere() {
    let home = with_queue("lifetime = \"3s\"\ndecline_holds = \"1s\"");
    let id = wait_for(&home, STEP_UP);
    decline(&home, &id, MAINTAINER).exits(0);
    home.write("refusal.jwt", token_of_a_vote(&home));
    thread::sleep(Duration::from_millis(4200));
    // The decline holds no more, and what it was signed with is no approval.
    let args = [
        "authorize",
        "--action",
        STEP_UP,
        "--no-request",
        "--approval",
        "refusal.jwt",
    ];
    let stepped = home.run(args).exits(11);
    assert!(
        stepped.reasons().contains(&"approval_malformed".to_owned()),
        "{stepped:?}"
    );
}

#[test]
fn a_vote_that_was_spent_is_spent() {
    let home = Home::with_maintainer();
    let id = wait_for(&home, STEP_UP);
    approve(&home, &id, MAINTAINER).exits(0);
    home.write("vote.jwt", token_of_a_vote(&home));
    // Whoever can read the store has the token. Beside its request it is worth nothing more than in it.
    let args = ["authorize", "--action", STEP_UP, "--approval", "vote.jwt"];
    home.run(args).exits(0);
    let again = home.run(args).exits(11);
    let spent = [
        "approval_already_used",
        "approval_binding_mismatch",
        "approval_request_mismatch",
    ];
    assert!(
        again.reasons().iter().any(|code| spent.contains(&code.as_str())),
        "{again:?}"
    );
    assert_eq!(home.run(["ledger", "verify"]).exits(0).json()["valid"], true);
}

#[test]
fn three_noes_hold_an_agent_until_a_person_lifts_it() {
    let home = Home::with_maintainer();
    let mut last = String::new();
    for title in ["first", "second", "third"] {
        last = wait_for(&home, &titled(&home, title));
        decline(&home, &last, MAINTAINER).exits(0);
    }
    let held = home.run(["authorize", "--action", &titled(&home, "fourth")]).exits(11);
    assert!(held.reasons().contains(&"requests_held".to_owned()), "{held:?}");
    assert_eq!(held.json().get("request"), None);
    let doctor = home.run(["doctor"]).exits(0).json();
    let queue = doctor["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["name"] == "queue");
    let note = queue.unwrap()["notes"][0].as_str().unwrap().to_owned();
    assert!(
        note.contains("agent:codex-prod") && note.contains(&format!("requests lift {last} ")),
        "{note}"
    );

    let by = ["--as", "user:admin@example.com"];
    let lift = |id: &str| home.run([&["requests", "lift", id], &by[..]].concat()).exits(0).json()["lifted"].take();
    assert_eq!(lift(&last), true);
    assert_eq!(lift(&last), false);
    let record = home.records().pop().unwrap();
    assert_eq!(
        (&record["body"]["change"], &record["body"]["principal"]),
        (&json!("lift"), &json!(by[1]))
    );
    wait_for(&home, "fourth.json");
    // What was declined stays declined.
    home.run(["authorize", "--action", "first.json"]).exits(10);
}

#[test]
fn a_full_queue_opens_nothing() {
    for queue in ["live_per_agent = 1", "live = 1", "opened_per_hour = 1"] {
        let home = with_queue(queue);
        let first = wait_for(&home, STEP_UP);
        let full = home.run(["authorize", "--action", &titled(&home, "another")]).exits(11);
        assert!(full.reasons().contains(&"queue_full".to_owned()), "{queue}: {full:?}");
        assert_eq!(full.json().get("request"), None);
        // What waits can be joined and approved.
        assert_eq!(wait_for(&home, STEP_UP), first);
        approve(&home, &first, MAINTAINER).exits(0);
        home.run(["authorize", "--action", STEP_UP]).exits(0);
    }
}

#[test]
fn erasing_what_a_request_is_about_ends_it() {
    let home = Home::with_maintainer();
    let declined = wait_for(&home, &titled(&home, "declined"));
    decline(&home, &declined, MAINTAINER).exits(0);
    let waits = wait_for(&home, STEP_UP);
    approve(&home, &waits, MAINTAINER).exits(0);
    let erased = home
        .run(["ledger", "erase", "--older-than", "0s", "--reason", "asked to"])
        .exits(0)
        .json();
    assert_eq!(
        (&erased["requestsCancelled"], &erased["held"]),
        (&json!([waits]), &json!(1)),
        "{erased}"
    );
    let shown = home.run(["requests", "show", &waits]).exits(10).json();
    assert_eq!(shown["request"]["end"]["code"], "request_erased");
    assert_eq!(shown.get("view"), None);
    approve(&home, &waits, MAINTAINER).fails(10, "request_cancelled");
    // The decline still holds.
    home.run(["authorize", "--action", "declined.json"]).exits(10);
    assert_ne!(wait_for(&home, STEP_UP), waits);
    home.run(["ledger", "verify"]).exits(0);
}

#[test]
fn a_restored_store_forgets_what_waited() {
    let home = Home::with_maintainer();
    let id = wait_for(&home, STEP_UP);
    approve(&home, &id, MAINTAINER).exits(0);
    let restored = home.run(["ledger", "restored"]).exits(0).json();
    assert_eq!(restored["requestsCancelled"], 1);
    let shown = home.run(["requests", "show", &id]).exits(10).json();
    assert_eq!(shown["request"]["end"]["code"], "request_state_lost");
    home.run(["authorize", "--action", STEP_UP]).exits(11);
    assert_eq!(home.run(["ledger", "restored"]).exits(0).json()["requestsCancelled"], 1);
}

#[test]
fn salted_requests_go_the_same_way() {
    let home = Home::with_maintainer();
    let config = home.read("home/config.toml");
    home.write(
        "home/config.toml",
        config.replace("[ledger]\n", "[ledger]\ncommitment = \"salted\"\n"),
    );
    let id = wait_for(&home, STEP_UP);
    approve(&home, &id, MAINTAINER).exits(0);
    home.run(["authorize", "--action", STEP_UP]).exits(0);
    let hash = home.run(["hash", "--action", STEP_UP]).exits(0).json()["actionHash"].take();
    let export = home.talk(["ledger", "export"]).exits(0).stdout;
    assert!(!export.contains(hash.as_str().unwrap()));
    let declined = wait_for(&home, &titled(&home, "declined"));
    decline(&home, &declined, MAINTAINER).exits(0);
    home.run(["authorize", "--action", "declined.json"]).exits(10);
    home.run(["ledger", "verify"]).exits(0);
}

#[test]
fn without_a_request_nothing_waits_and_what_waits_still_counts() {
    let home = Home::with_maintainer();
    let ask = || home.run(["authorize", "--action", STEP_UP, "--no-request"]);
    let stepped = ask().exits(11);
    assert_eq!(stepped.json().get("request"), None);
    assert_eq!(home.run(["requests", "list"]).exits(0).json()["requests"], json!([]));
    let id = wait_for(&home, STEP_UP);
    assert_eq!(request_of(&ask().exits(11)), id);
    approve(&home, &id, MAINTAINER).exits(0);
    ask().exits(0);
    assert_eq!(state(&home, &id), "used");
}

/// An override is no vote: what is only stepped up because one was offered waits for nobody, and is approved in files.
#[test]
fn what_an_override_lifts_is_no_request() {
    let home = Home::with_approvers();
    let lifting = ["--mode", "policy_override", "--rule", "github.protected"];
    let lifted = home.approve_as(OFFICER, DENY, &lifting);
    let stepped = home
        .talk(["authorize", "--action", DENY, "--approval", &lifted])
        .exits(11);
    assert!(!stepped.stderr.contains("req_"), "{stepped:?}");
    assert!(
        stepped
            .stderr
            .contains(&format!("--approval {lifted} --approval approval.jwt")),
        "{stepped:?}"
    );
    let approval = home.approve(DENY);
    home.run([
        "authorize",
        "--action",
        DENY,
        "--approval",
        &lifted,
        "--approval",
        &approval,
    ])
    .exits(0);
}

/// Waits until a request is there, opened by another process.
fn opened(home: &Home) -> String {
    let start = Instant::now();
    loop {
        let listed = home.run(["requests", "list", "--state", "pending"]).exits(0).json();
        if let Some(id) = listed["requests"][0]["id"].as_str() {
            return id.to_owned();
        }
        assert!(start.elapsed() < PATIENCE, "nothing waits");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Two processes on one home: one is parked, the other votes. How long the first took to notice is printed; that it is
/// less than half a second is for a machine that does nothing else.
#[test]
fn a_parked_call_notices_the_vote_of_another_process() {
    for (verb, exit) in [("approve", 0), ("decline", 10)] {
        let home = Home::with_maintainer();
        let parked = home.start(["authorize", "--action", STEP_UP, "--wait", "10m"]);
        let id = opened(&home);
        let waiting = home.start(["requests", "wait", &id]);
        cast(&home, verb, &id, &key_file(MAINTAINER), MAINTAINER).exits(0);
        let voted = Instant::now();
        let ran = home.finish(parked);
        let noticed = voted.elapsed();
        let waited = home.finish(waiting);
        println!(
            "{verb}: the parked call ended {noticed:?} after the vote, and `wait` {:?}",
            voted.elapsed()
        );
        assert!(noticed < PATIENCE, "{noticed:?}");
        assert_eq!((ran.exit, waited.exit), (exit, exit), "{ran:#?} {waited:#?}");
        if verb == "approve" {
            assert_eq!(request_of(&ran), id);
            assert!(ran.json()["pass"]["token"].is_string());
        } else {
            assert_eq!(ran.json()["declined"]["by"], MAINTAINER);
        }
    }
}

#[test]
fn a_parked_call_ends_with_its_request() {
    let home = with_queue("lifetime = \"2s\"");
    let ran = home.run(["authorize", "--action", STEP_UP, "--wait", "10m"]).exits(11);
    assert!(ran.reasons().contains(&"request_expired".to_owned()), "{ran:?}");
    let parked = home.start(["authorize", "--action", STEP_UP, "--wait", "10m"]);
    home.run(["requests", "cancel", &opened(&home), "--as", "user:admin@example.com"])
        .exits(0);
    let ran = home.finish(parked).exits(11);
    assert!(ran.reasons().contains(&"request_cancelled".to_owned()), "{ran:?}");
}

/// `watch` tells what others do, as it happens.
#[test]
fn what_happens_is_watched() {
    let home = Home::with_maintainer();
    let mut watching = home.start(["requests", "watch"]);
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    // It tells of what comes after it started, so it has to have started.
    let probe = |n: usize| wait_for(&home, &titled(&home, &format!("probe-{n}")));
    let (send, receive) = std::sync::mpsc::channel();
    let reader = thread::spawn(move || {
        while let Some(Ok(line)) = lines.next() {
            if send.send(serde_json::from_str::<Value>(&line).unwrap()).is_err() {
                break;
            }
        }
    });
    let mut probes = 0;
    while receive.recv_timeout(Duration::from_millis(500)).is_err() {
        probe(probes);
        probes += 1;
        assert!(probes < 40, "nothing is told");
    }
    let tells = |event: &str, id: &str| loop {
        let told = receive.recv_timeout(PATIENCE).unwrap();
        assert_eq!(told["schema"], "actionpass.cli.requests-watch.v1");
        if told["event"] == event && told["request"] == id {
            return told;
        }
    };
    let id = wait_for(&home, STEP_UP);
    let told = tells("opened", &id);
    assert_eq!(
        (&told["agent"], &told["tool"]),
        (&json!("agent:codex-prod"), &json!("github.pull_requests.create"))
    );
    approve(&home, &id, MAINTAINER).exits(0);
    assert_eq!(tells("approve", &id)["principal"], MAINTAINER);
    home.run(["authorize", "--action", STEP_UP]).exits(0);
    tells("used", &id);
    let other = wait_for(&home, &titled(&home, "other"));
    home.run(["requests", "cancel", &other, "--as", "user:admin@example.com"])
        .exits(0);
    assert_eq!(tells("cancel", &other)["code"], "request_withdrawn");
    watching.kill().unwrap();
    watching.wait().unwrap();
    reader.join().unwrap();
}

#[test]
fn the_list_is_filtered() {
    let home = Home::with_maintainer();
    let pending = wait_for(&home, &titled(&home, "pending"));
    let approved = wait_for(&home, &titled(&home, "approved"));
    approve(&home, &approved, MAINTAINER).exits(0);
    let cancelled = wait_for(&home, &titled(&home, "cancelled"));
    home.run(["requests", "cancel", &cancelled]).exits(0);
    let ids = |more: &[&str]| -> Vec<String> {
        let listed = home.run([&["requests", "list"], more].concat()).exits(0).json();
        let requests = listed["requests"].as_array().unwrap().iter();
        requests
            .map(|request| request["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(&[]), [pending.clone(), approved.clone(), cancelled.clone()]);
    assert_eq!(ids(&["--state", "pending"]), [pending]);
    assert_eq!(ids(&["--state", "approved"]), [approved]);
    assert_eq!(ids(&["--state", "cancelled"]), [cancelled]);
    assert_eq!(ids(&["--state", "used"]).len() + ids(&["--state", "expired"]).len(), 0);
    assert_eq!(
        ids(&["--agent", "agent:codex-prod", "--tenant", "org:example"]).len(),
        3
    );
    assert_eq!(
        ids(&["--agent", "agent:other"]).len() + ids(&["--tenant", "org:other"]).len(),
        0
    );
}

/// Looking after requests opens no key of the issuer: it works where the key is encrypted and nobody knows the passphrase.
#[test]
fn the_signing_key_is_not_opened_for_a_vote() {
    let home = Home::none();
    home.write_secret("passphrase", "correct horse\n");
    home.run(["init", "--encrypt", "--passphrase-file", "passphrase"])
        .exits(0);
    home.approver(MAINTAINER, &["maintainer"]).exits(0);
    let id = wait_for(&home, STEP_UP);
    approve(&home, &id, MAINTAINER).exits(0);
    home.run(["requests", "show", &id]).exits(0);
    home.run(["authorize", "--action", STEP_UP])
        .fails(40, "key_passphrase_required");
    home.run(["authorize", "--action", STEP_UP, "--passphrase-file", "passphrase"])
        .exits(0);
}

/// An issuer whose `[limits]` let in what the default ones don't.
#[test]
fn what_wider_limits_let_in_can_be_voted_on() {
    let home = Home::with_maintainer();
    let config = home.read("home/config.toml");
    home.write("home/config.toml", config.replace("max_depth = 64", "max_depth = 120"));
    rule(
        &home,
        "[[rule]]\nid = \"deep\"\neffect = \"step_up\"\ntool = \"deep.call\"\nagent = \"agent:codex-prod\"\n\
         approvals = { count = 1, roles = [\"maintainer\"] }\nreason = \"deep\"\n",
    );
    let mut action = action::read(&home, STEP_UP);
    action["capability"]["tool"] = "deep.call".into();
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    action["capability"]["payload"] = json!({ "deep": deep });
    let file = home.write("deep.json", action.to_string());
    let facts = home.write("facts.json", facts::document(0, &json!({ "deep": deep })).to_string());
    let ask = || home.run(["authorize", "--action", &file, "--facts", &facts]);
    let id = request_of(&ask().exits(11));
    approve(&home, &id, MAINTAINER).exits(0);
    ask().exits(0);
}

/// Files of a home from before it kept requests have no `[queue]`.
#[test]
fn a_home_without_the_table_keeps_requests_too() {
    let home = with_queue("");
    let config = home.read("home/config.toml");
    assert!(config.contains("[queue]\n\n[ledger]"));
    home.write("home/config.toml", config.replace("[queue]\n", ""));
    let id = wait_for(&home, STEP_UP);
    approve(&home, &id, MAINTAINER).exits(0);
    home.write(
        "home/config.toml",
        config.replace("[queue]\n", "[queue]\nlifetime = \"25h\"\n"),
    );
    home.run(["requests", "list"]).fails(31, "config_invalid");
}
