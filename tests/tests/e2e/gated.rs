//! Commands that ask a service (`--gate`): the same answers and exits as on its home, and nothing allowed or signed on the word of
//! somebody else.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use actionpass_client::Client;
use actionpass_model::RequestId;
use actionpass_servers::fake::{Answer, Fake};
use serde_json::{Value, json};

use crate::action::{self, ALLOW, DENY, STEP_UP};
use crate::facts;
use crate::home::{Home, MAINTAINER, Ran, key_file};

/// Longer than anything takes that comes at all.
const PATIENCE: Duration = Duration::from_secs(60);
const EVERYTHING: &[&str] = &[
    "--tenant",
    "*",
    "--agent",
    "*",
    "--owner",
    "*",
    "--runtime",
    "*",
    "--server",
    "*",
    "--audience",
    "*",
];

/// A service on a home, and a folder elsewhere from which it is asked: with a token, the maintainer's key and the actions, and no home.
struct Served {
    home: Home,
    far: Home,
    url: String,
    token: String,
    service: Child,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.service.kill().ok();
        self.service.wait().ok();
    }
}

impl Served {
    fn start() -> Self {
        let home = Home::with_approvers();
        let token = token(&home, "host", "authorize,requests,admin");
        let mut service = home
            .command(["serve", "--listen", "127.0.0.1:0", "--json"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let line = lines(&mut service).recv_timeout(PATIENCE).unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        let url = format!("http://{}", line["address"].as_str().unwrap());
        let far = Home::none();
        let key = key_file(MAINTAINER);
        far.write_secret(&key, home.read(&key));
        for file in [ALLOW, DENY, STEP_UP] {
            far.write(name(file), home.read(file));
        }
        Self {
            home,
            far,
            url,
            token,
            service,
        }
    }

    /// A command that asks this service.
    fn asks(&self, url: &str, args: &[&str]) -> Ran {
        let mut command = self.far.command(args);
        command.args(["--gate", url]).env("ACTIONPASS_TOKEN", &self.token);
        self.far.finish(command.spawn().unwrap())
    }

    /// The same for programs.
    fn ask(&self, args: &[&str]) -> Ran {
        self.asks(&self.url, &[args, &["--json"]].concat())
    }

    /// The same as people do it.
    fn talk(&self, args: &[&str]) -> Ran {
        self.asks(&self.url, args)
    }

    /// Asks for the action that people have to approve.
    fn open(&self) -> String {
        let asked = self.ask(&["authorize", "--action", name(STEP_UP)]).exits(11).json();
        asked["request"]["id"].as_str().unwrap().to_owned()
    }
}

/// The name of an action's file away from the home.
fn name(file: &str) -> &str {
    file.rsplit('/').next().unwrap()
}

fn token(home: &Home, client: &str, may: &str) -> String {
    let add = [&["clients", "add", client, "--may", may], EVERYTHING].concat();
    home.run(add).exits(0).json()["token"].as_str().unwrap().to_owned()
}

fn vote<'a>(verb: &'a str, id: &'a str, reason: &'a str) -> Vec<&'a str> {
    let who = ["--key", "maintainer.pem", "--as", MAINTAINER];
    [&["requests", verb, id], &who[..], &["--reason", reason, "--yes"]].concat()
}

/// What a process prints, line by line.
fn lines(child: &mut Child) -> Receiver<String> {
    let (sender, lines) = channel();
    let stdout = child.stdout.take().unwrap();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
}

#[test]
fn decisions_are_those_of_the_home() {
    let served = Served::start();
    let allowed = served.talk(&["authorize", "--action", name(ALLOW)]).exits(0);
    served.home.write("pass.jwt", &allowed.stdout);
    let verified = served.home.run(["verify", "--token", "pass.jwt", "--action", ALLOW]);
    assert_eq!(verified.exits(0).json()["valid"], true);
    let denied = served.talk(&["authorize", "--action", name(DENY)]).exits(10);
    assert!(
        denied.stdout.is_empty() && denied.stderr.starts_with("deny"),
        "{denied:?}"
    );
    // As on the home, but for what differs each time and what a service says besides.
    let far = served.ask(&["authorize", "--action", name(DENY)]).exits(10).json();
    let here = served.home.run(["authorize", "--action", DENY]).exits(10).json();
    for member in ["schema", "decision", "required", "actionHash", "payloadHash", "policy"] {
        assert_eq!(far[member], here[member], "{member}");
    }
    assert_eq!(far["reasons"][0]["code"], here["reasons"][0]["code"]);
    let stepped = served.talk(&["authorize", "--action", name(STEP_UP)]).exits(11);
    let again = format!("authorize --action {} --gate {}", name(STEP_UP), served.url);
    assert!(
        stepped.stdout.is_empty() && stepped.stderr.contains(&again),
        "{stepped:?}"
    );
    // Nobody decides: the wait ends, and it is a step_up still.
    let waited = served
        .talk(&["authorize", "--action", name(STEP_UP), "--wait", "1s"])
        .exits(11);
    assert!(waited.stderr.contains("nobody decided in time"), "{waited:?}");
}

#[test]
fn a_vote_from_afar_is_one_at_home() {
    let served = Served::start();
    let id = served.open();
    // Whoever waits gets the pass as soon as it is approved.
    let mut waiting = served
        .far
        .command(["authorize", "--action", name(STEP_UP), "--wait", "1m", "--gate"]);
    let waiting = waiting
        .arg(&served.url)
        .env("ACTIONPASS_TOKEN", &served.token)
        .spawn()
        .unwrap();
    assert_eq!(
        served
            .ask(&["requests", "wait", &id, "--timeout", "1s"])
            .exits(11)
            .json()["state"],
        "pending"
    );
    let approved = served.ask(&vote("approve", &id, "read the diff")).exits(0);
    assert_eq!(approved.json()["vote"]["principal"], MAINTAINER);
    assert!(
        approved.stderr.contains("issuer ") && approved.stderr.contains("payloadHash"),
        "{approved:?}"
    );
    let passed = served.far.finish(waiting).exits(0);
    assert!(passed.stdout.starts_with("ey"), "{passed:?}");
    assert_eq!(served.talk(&["requests", "wait", &id]).exits(0).stdout, "used\n");
    served.ask(&vote("approve", &id, "once more")).fails(24, "request_used");
    // What is refused ends as on the home: the class of a code is its own, whatever status it came with.
    let unknown = "req_01930000000070008000000000000000";
    let local = served.home.run(["requests", "show", unknown]);
    let far = served.ask(&["requests", "show", unknown]);
    assert_eq!((far.exit, far.code()), (local.exit, local.code()));
    let next = served.open();
    served.far.run(["keys", "new", "--out", "stranger.pem"]).exits(0);
    let mut stranger = vote("approve", &next, "let me");
    stranger[4] = "stranger.pem";
    served.ask(&stranger).fails(25, "approval_key_unknown");
    assert_eq!(served.home.run(["ledger", "verify"]).exits(0).json()["valid"], true);
}

#[test]
fn a_decline_from_afar_reaches_whoever_asks_again() {
    let served = Served::start();
    let id = served.open();
    served.ask(&vote("decline", &id, "not on a Friday")).exits(0);
    let denied = served.talk(&["authorize", "--action", name(STEP_UP)]).exits(10);
    assert!(denied.stderr.contains("| not on a Friday\n"), "{denied:?}");
    let json = served.ask(&["authorize", "--action", name(STEP_UP)]).exits(10).json();
    assert_eq!(json["declined"]["words"], "not on a Friday");
    served
        .ask(&vote("approve", &id, "I want it"))
        .fails(10, "request_declined");
    served.ask(&["requests", "wait", &id]).exits(10);
}

#[test]
fn requests_look_the_same_from_afar() {
    let served = Served::start();
    let id = served.open();
    let same = |id: &str| {
        for args in [
            vec!["requests", "list"],
            vec!["requests", "list", "--state", "pending"],
            vec!["requests", "list", "--agent", "agent:nobody"],
            vec!["requests", "show", id],
        ] {
            let (far, here) = (served.ask(&args), served.home.run(&args));
            assert_eq!((far.exit, far.stdout), (here.exit, here.stdout), "{args:?}");
            let (far, here) = (served.talk(&args), served.home.talk(&args));
            assert_eq!((far.exit, far.stdout), (here.exit, here.stdout), "{args:?}");
        }
    };
    same(&id);
    served.ask(&vote("decline", &id, "no \u{202e}reason")).exits(0);
    same(&id);
    // Another one is taken back in the name of the client, which it was that asked.
    let mut other = action::read(&served.far, name(STEP_UP));
    other["capability"]["payload"]["title"] = "another".into();
    served.far.write("other.json", other.to_string());
    let opened = served.ask(&["authorize", "--action", "other.json"]).exits(11).json();
    let other = opened["request"]["id"].as_str().unwrap();
    assert_eq!(
        served.ask(&["requests", "cancel", other]).exits(0).json()["state"],
        "cancelled"
    );
    same(other);
    let shown = served.home.run(["requests", "show", other]).exits(10).json();
    assert_eq!(shown["request"]["end"]["by"], "service:host");
    assert_eq!(
        served.ask(&["requests", "lift", other]).exits(0).json()["lifted"],
        false
    );
}

#[test]
fn what_happens_is_told_from_afar() {
    let served = Served::start();
    let mut far = served
        .far
        .command(["requests", "watch", "--json", "--gate", &served.url]);
    let mut far = far.env("ACTIONPASS_TOKEN", &served.token).spawn().unwrap();
    let mut here = served.home.start(["requests", "watch"]);
    let (told, told_here) = (lines(&mut far), lines(&mut here));
    // Both listen from some moment on: there is something to tell until both have told of the same.
    let mut number = 0;
    let (mut seen, mut seen_here) = (Vec::new(), Vec::new());
    while !seen.iter().any(|line| seen_here.contains(line)) {
        number += 1;
        assert!(number < 40, "{seen:?} {seen_here:?}");
        let mut action = action::read(&served.far, name(STEP_UP));
        action["capability"]["payload"]["title"] = format!("number {number}").into();
        served.far.write("next.json", action.to_string());
        served.ask(&["authorize", "--action", "next.json"]).exits(11);
        seen.extend(told.recv_timeout(Duration::from_millis(500)));
        seen_here.extend(told_here.recv_timeout(Duration::from_millis(500)));
    }
    for child in [&mut far, &mut here] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let line: Value = serde_json::from_str(&seen[0]).unwrap();
    assert_eq!(
        (&line["schema"], &line["event"]),
        (&json!("actionpass.cli.requests-watch.v1"), &json!("opened"))
    );
}

/// Every command that may ask a service, with a request that isn't there.
fn all<'a>() -> Vec<Vec<&'a str>> {
    let id = "req_01930000000070008000000000000000";
    vec![
        vec!["authorize", "--action", name(ALLOW)],
        vec!["requests", "list"],
        vec!["requests", "show", id],
        vote("approve", id, "fine"),
        vote("decline", id, "no"),
        vec!["requests", "cancel", id],
        vec!["requests", "wait", id],
        vec!["requests", "lift", id],
    ]
}

#[test]
fn nobody_who_is_not_the_service_allows_anything() {
    let served = Served::start();
    let json = |status: &str, media_type: &str, body: &str| {
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\ncontent-length: {length}");
        Answer::Raw(format!("{head}\r\nconnection: close\r\n\r\n{body}").into_bytes())
    };
    let html = Fake::start(move |_| json("200 OK", "text/html", "<p>sign in</p>"));
    let empty = Fake::start(move |_| json("200 OK", "application/json", "{}"));
    let yes = Fake::start(move |_| {
        json(
            "200 OK",
            "application/json",
            r#"{"decision":"allow","state":"approved"}"#,
        )
    });
    let moved = Fake::start(|_| Answer::Header(302, "Location", "http://127.0.0.1:1/".to_owned()));
    for args in all() {
        let args = [&args[..], &["--json"]].concat();
        served
            .asks("http://127.0.0.1:1", &args)
            .fails(40, "service_unreachable");
        for other in [&html, &empty, &yes, &moved] {
            served
                .asks(&other.address(), &args)
                .fails(40, "service_answer_malformed");
        }
    }
    // An allow of this service for something else.
    let first = action::with_id(&served.far, name(ALLOW), &action::id(1));
    let allowed = served.ask(&["authorize", "--action", &first]).exits(0).json();
    let replayed = Fake::start(move |_| json("200 OK", "application/json", &allowed.to_string()));
    let mut other = action::read(&served.far, &first);
    other["intent"]["task"] = "AXT-9".into();
    served.far.write("other.json", other.to_string());
    let args = ["authorize", "--action", "other.json", "--json"];
    served
        .asks(&replayed.address(), &args)
        .fails(40, "service_answer_malformed");
    assert_eq!(
        served
            .asks(&replayed.address(), &["authorize", "--action", &first])
            .exit,
        0
    );
}

#[test]
fn whoever_has_no_right_gets_nothing() {
    let mut served = Served::start();
    let right = std::mem::replace(&mut served.token, "apc_nobody".to_owned());
    for args in all() {
        let refused = served.ask(&args);
        assert_eq!(
            (refused.exit, refused.code().as_str()),
            (31, "client_forbidden"),
            "{args:?}"
        );
        assert!(!refused.stdout.contains("apc_nobody"), "{refused:?}");
    }
    // Without a token nothing is asked at all, and an address may not give it to others on the way.
    let alone = served.far.run(["requests", "list", "--gate", &served.url]);
    alone.fails(2, "option_missing");
    served.token.clone_from(&right);
    served
        .asks("http://gate.example.com", &["requests", "list", "--json"])
        .fails(2, "service_address_refused");
    // From a file of its owner's alone.
    let file = served.far.write_secret("token", format!("{right}\n"));
    let with = ["requests", "list", "--gate", &served.url, "--token-file", &file];
    served.far.run(with).exits(0);
    served.far.set_mode(&file, 0o644);
    assert_ne!(served.far.run(with).exit, 0);
    // Who is named by the environment.
    let mut by_variable = served.far.command(["requests", "list", "--json"]);
    by_variable
        .env("ACTIONPASS_GATE", &served.url)
        .env("ACTIONPASS_TOKEN", &right);
    served.far.finish(by_variable.spawn().unwrap()).exits(0);
}

#[test]
fn what_is_of_a_home_is_refused() {
    let served = Served::start();
    let id = served.open();
    for args in [
        vec!["authorize", "--action", name(ALLOW), "--trace", "abc"],
        vec!["authorize", "--action", name(ALLOW), "--passphrase-file", "secret"],
        vec!["requests", "cancel", &id, "--as", MAINTAINER],
        vec!["requests", "lift", &id, "--as", MAINTAINER],
        vec!["--home", "home", "requests", "list"],
    ] {
        served.ask(&args).fails(2, "usage_invalid");
    }
    served
        .home
        .run(["requests", "list", "--token-file", "token"])
        .fails(2, "usage_invalid");
    served.home.run(["requests", "lift", &id]).fails(2, "option_missing");
    // A home on the command line counts for more than a service in the environment.
    let home = served.home.path("home").display().to_string();
    let mut local = served.far.command(["--home", &home, "requests", "list", "--json"]);
    local.env("ACTIONPASS_GATE", "http://127.0.0.1:1");
    served.far.finish(local.spawn().unwrap()).exits(0);
}

#[test]
fn a_token_in_the_place_of_its_file_is_refused_and_not_repeated() {
    let served = Served::start();
    for args in [
        vec!["requests", "list"],
        vec!["authorize", "--action", name(ALLOW)],
        vec!["serve", "--page-only", "--listen", "127.0.0.1:0"],
    ] {
        let args = [&args[..], &["--token-file", &served.token]].concat();
        let (code, told) = (served.ask(&args).fails(2, "usage_invalid"), served.talk(&args).exits(2));
        let said = format!("{}{}{}{}", code.stdout, code.stderr, told.stdout, told.stderr);
        assert!(said.contains("looks like a token"), "{said}");
        assert!(said.contains("clients remove"), "{said}");
        assert!(!said.contains(&served.token[4..12]), "{said}");
    }
    // A page alone needs a service, and a home has no use for one.
    let home = &served.home;
    home.run(["serve", "--page-only"]).fails(2, "option_missing");
    home.run(["serve", "--gate", &served.url]).fails(2, "usage_invalid");
    home.run(["serve", "--page-only", "--demo"]).exits(2);
}

/// The request as the service sends it, with something else in the place of a part; `null` takes the part out.
fn changed(full: &Value, pointer: &str, to: Value) -> Value {
    let mut full = full.clone();
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    let parent = full.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    assert_ne!(parent.get(member), Some(&to), "{pointer}");
    if to.is_null() {
        parent.remove(member).unwrap();
    } else {
        parent.insert(member.to_owned(), to);
    }
    full
}

#[test]
fn nothing_is_signed_that_is_not_what_it_says() {
    let served = Served::start();
    let id = served.open();
    let client = Client::new(&served.url, &served.token).unwrap();
    let full = client.request(&RequestId::parse(&id).unwrap()).unwrap();
    let full = serde_json::to_value(full).unwrap();
    let answers = |full: Value| {
        Fake::start(move |question| {
            let body = if question.method == "GET" {
                full.to_string()
            } else {
                "{}".to_owned()
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}",
                body.len()
            );
            Answer::Raw(format!("{head}\r\nconnection: close\r\n\r\n{body}").into_bytes())
        })
    };
    let zeros = format!("sha256:{}", "0".repeat(64));
    let facts = facts::document(0, &json!({ "green": true }));
    let lies = [
        ("/subject/action/capability/payload/title", json!("harmless")),
        ("/subject/action/capability/tool", json!("github.other")),
        ("/subject/action/capability/resource", json!("repo:other/place")),
        ("/subject/action/context", json!({ "note": "trust me" })),
        ("/subject/action/tenant", json!("org:other")),
        ("/subject/facts", facts),
        ("/request/actionHash", json!(zeros)),
        ("/request/payloadHash", json!(zeros)),
        ("/request/contextHash", json!(zeros)),
        ("/request/factsHash", json!(zeros)),
        ("/request/tool", json!("github.other")),
        ("/request/task", json!("AXT-9")),
        ("/request/rules", json!(["another"])),
        ("/shown/hash", json!(zeros)),
        ("/view/sections", json!([])),
        ("/view", Value::Null),
        ("/shown", Value::Null),
        ("/subject", Value::Null),
    ];
    for (pointer, to) in lies {
        let lying = answers(changed(&full, pointer, to));
        for args in [
            vote("approve", &id, "fine"),
            vote("decline", &id, "no"),
            vec!["requests", "show", &id],
        ] {
            let refused = served.asks(&lying.address(), &[&args[..], &["--json"]].concat());
            assert_eq!(
                (refused.exit, refused.code().as_str()),
                (40, "request_contradicts"),
                "{pointer}: {refused:?}"
            );
            assert!(!refused.stderr.contains("sha256:"), "{pointer}: {refused:?}");
        }
        assert!(
            lying.asked().iter().all(|question| question.method == "GET"),
            "{pointer}"
        );
    }
    // What is as it says is signed, so these were refused for what was changed.
    let honest = answers(full);
    served.asks(&honest.address(), &vote("approve", &id, "fine")).exits(40);
    let posted = honest.asked().into_iter().filter(|question| question.method == "POST");
    let bodies: Vec<String> = posted.map(|question| question.body).collect();
    assert!(
        matches!(bodies.as_slice(), [body] if body.starts_with(r#"{"token":"ey"#)),
        "{bodies:?}"
    );
}
