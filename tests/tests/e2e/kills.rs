//! `kill -9`, at any moment.

use std::collections::BTreeMap;
use std::process::{Child, Output};
use std::thread;
use std::time::{Duration, Instant};

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::Value;

use crate::action::{self, ALLOW, STEP_UP};
use crate::home::Home;

/// How often `authorize` is killed.
const KILLS: usize = 60;

/// What a process got to print before it was killed, and whether it was.
pub(crate) fn kill(mut child: Child, after: Duration) -> (String, bool) {
    thread::sleep(after);
    child.kill().unwrap();
    let Output { status, stdout, .. } = child.wait_with_output().unwrap();
    (String::from_utf8(stdout).unwrap(), status.code().is_none())
}

/// Moments spread over `usual` and a little more, in no order.
pub(crate) fn moments(count: usize, usual: Duration) -> impl Iterator<Item = Duration> {
    let span = usual.mul_f64(1.3);
    (0..count).map(move |n| span.mul_f64(((n * 37) % count) as f64 / count as f64))
}

/// How long it takes when nobody kills it.
pub(crate) fn usual(run: impl Fn()) -> Duration {
    let mut taken: Vec<Duration> = (0..5)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    taken.sort();
    taken[2]
}

/// The id of the pass in a token that was printed to its end.
fn printed_pass(stdout: &str) -> Option<String> {
    let payload = stdout.strip_suffix('\n')?.split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&Base64UrlUnpadded::decode_vec(payload).unwrap()).unwrap();
    Some(claims["jti"].as_str().unwrap().to_owned())
}

/// The one pass of each action in the ledger, which must verify.
fn passes(home: &Home) -> BTreeMap<String, String> {
    let mut passes = BTreeMap::new();
    for body in home.decisions() {
        if let Some(pass) = body.get("pass") {
            let action = body["actionId"].as_str().unwrap().to_owned();
            let before = passes.insert(action, pass["id"].as_str().unwrap().to_owned());
            assert_eq!(before, None, "a second pass: {body}");
        }
    }
    passes
}

#[test]
fn every_pass_that_was_printed_is_in_the_ledger_and_no_id_has_two() {
    let home = Home::with_maintainer();
    let usual = usual(|| drop(home.talk(["authorize", "--action", ALLOW]).exits(0)));
    let mut printed = BTreeMap::new();
    let mut again = Vec::new();
    let mut killed = 0;
    for (n, moment) in moments(KILLS, usual).enumerate() {
        let id = action::id(n);
        // Every fifth uses an approval up: pass and approval go together or not at all.
        let file = action::with_id(&home, if n % 5 == 0 { STEP_UP } else { ALLOW }, &id);
        let mut args = vec!["authorize".to_owned(), "--action".to_owned(), file.clone()];
        if n % 5 == 0 {
            args.extend(["--approval".to_owned(), home.approve(&file)]);
        }
        let (stdout, was_killed) = kill(home.command(&args).spawn().unwrap(), moment);
        killed += usize::from(was_killed);
        if let Some(pass) = printed_pass(&stdout) {
            printed.insert(id.clone(), pass);
        }
        again.push((id, args));
    }
    assert!(killed > KILLS / 4, "only {killed} of {KILLS} were still running");

    let there = passes(&home);
    for (id, pass) in &printed {
        assert_eq!(there.get(id), Some(pass), "printed, and not in the ledger");
    }
    // Whoever got no answer asks again: the pass of then, or a first one.
    for (id, args) in again {
        let pass = home.run(&args).exits(0).pass_id();
        assert!(
            printed.get(&id).is_none_or(|printed| *printed == pass),
            "{id} has another pass now"
        );
        assert!(
            there.get(&id).is_none_or(|there| *there == pass),
            "{id} has another pass now"
        );
    }
    assert_eq!(
        passes(&home).keys().filter(|id| id.contains("0192f0c1a5b67")).count(),
        KILLS
    );
    home.run(["doctor"]).exits(0);
}

#[test]
fn a_pass_that_was_consumed_stays_consumed() {
    let home = Home::new();
    let measured = home.pass(ALLOW);
    let usual = usual(|| drop(home.run(["verify", "--token", &measured, "--action", ALLOW, "--consume"])));
    for moment in moments(20, usual) {
        let pass = home.pass(ALLOW);
        let consume = ["verify", "--token", &pass, "--action", ALLOW, "--consume"];
        let (stdout, _) = kill(home.start(consume), moment);
        let second = home.run(consume);
        if stdout.contains("\"valid\":true") {
            second.refuses(24, &["already_used"]);
        }
        home.run(consume).refuses(24, &["already_used"]);
    }
    home.run(["ledger", "verify"]).exits(0);
}
