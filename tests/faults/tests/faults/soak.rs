//! A soak: the service and the command on one home, all that they do, with faults at any time, and an oracle.
//!
//! It goes in slices of so many calls. In most of them something fails: the service is killed or stopped for a while, callers go
//! away, commands are killed, another process holds the store's lock, the policy can't be read. The last slices are quiet, and in
//! them memory, handles and threads of the service must not grow.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::dice::{Dice, is_long, seed};
use crate::home::{ALLOW, Home, MAINTAINER, Ran, STEP_UP};
use crate::oracle::Found;
use crate::service::{Service, Taken, post, send};
use crate::tally::{Tally, Wrong};

/// Callers that ask at once.
const CALLERS: u64 = 3;
/// What each of them does in a slice.
const CALLS: u64 = 20;
/// Slices with faults, and quiet ones.
const SLICES: usize = 12;
const QUIET: usize = 8;
/// How long the faults of a long run go on.
const LONG: Duration = Duration::from_secs(50 * 60);
const LONG_QUIET: usize = 400;

/// What was acknowledged.
#[derive(Debug, Default)]
struct Known {
    /// The pass of each action that was allowed.
    passes: BTreeMap<String, String>,
    /// Passes with the action and token of each, for whoever uses them.
    tokens: Vec<(String, Value, String)>,
    used: BTreeSet<String>,
    revoked: BTreeSet<String>,
    /// Requests that wait for a vote, each with its action.
    waiting: Vec<(String, Value)>,
    /// Those that were voted on.
    voted: Vec<Value>,
    acknowledged: u64,
    found: Found,
}

impl Known {
    fn wrong(&mut self, wrong: Wrong, what: impl Into<String>) {
        self.found.push((wrong, what.into()));
    }

    /// An answer to `authorize`.
    fn decided(&mut self, action: &Value, answer: &Value, may_wait: bool) {
        let id = action["id"].as_str().unwrap().to_owned();
        match answer["decision"].as_str() {
            Some("allow") => {
                let pass = answer["pass"]["id"].as_str().unwrap_or_default().to_owned();
                self.acknowledged += 1;
                match self.passes.insert(id, pass.clone()) {
                    Some(before) if before != pass => {
                        self.wrong(Wrong::PassedTwice, format!("{before}, then {answer}"))
                    }
                    Some(_) => {}
                    None => {
                        let token = answer["pass"]["token"].as_str().unwrap_or_default().to_owned();
                        self.tokens.push((pass, action.clone(), token));
                    }
                }
            }
            Some("step_up") if may_wait => {
                if let Some(request) = answer["request"]["id"].as_str() {
                    self.waiting.push((request.to_owned(), action.clone()));
                }
            }
            _ => self.wrong(Wrong::Corrupt, format!("decided {action} so: {answer}")),
        }
    }
}

struct Soak {
    home: Home,
    token: String,
    known: Mutex<Known>,
}

impl Soak {
    fn new() -> Self {
        let home = Home::new();
        let any = ["--tenant", "--agent", "--owner", "--runtime", "--server", "--audience"];
        let may = [
            "clients",
            "add",
            "soak",
            "--may",
            "authorize,verify,consume,requests,revoke,admin,ledger",
        ];
        let added = home
            .run(may.into_iter().chain(any.iter().flat_map(|option| [*option, "*"])))
            .exits(0)
            .json();
        Self {
            token: added["token"].as_str().unwrap().to_owned(),
            home,
            known: Mutex::default(),
        }
    }

    /// Asks; `None` without an answer, or with one that says that a part failed.
    fn ask(&self, address: SocketAddr, path: &str, body: &Value) -> Option<Value> {
        let (status, answer) = post(address, &self.token, path, body)?;
        match status {
            200 | 201 => Some(answer),
            // Overloaded, or a part failed.
            429 | 503 => None,
            // It was used up or revoked since it was allowed first.
            409 if answer["code"] == "action_already_issued" => None,
            _ => {
                let mut known = self.known.lock().unwrap();
                known.wrong(Wrong::Corrupt, format!("{path}: {status} {answer}"));
                None
            }
        }
    }

    /// What one caller does in a slice.
    fn call(&self, address: SocketAddr, mut dice: Dice, first: u64, leaves: bool) {
        for number in first..first + CALLS {
            match dice.below(100) {
                0..33 => self.authorize(address, &mut dice, number, leaves),
                33..55 => self.step_up(address, number),
                55..97 => self.use_up(address, &mut dice),
                _ => self.revoke(address, &mut dice),
            }
        }
    }

    fn authorize(&self, address: SocketAddr, dice: &mut Dice, number: u64, leaves: bool) {
        let mut action: Value = serde_json::from_str(&self.home.read(ALLOW)).unwrap();
        action["id"] = format!("run-{number}").into();
        let body = json!({ "action": action });
        if leaves && dice.below(3) == 0 {
            // Whoever goes away may have been allowed all the same.
            drop(send(address, &self.token, "/v1/authorize", &body));
        }
        // Asked twice, it is one action with one pass.
        for _ in 0..=dice.below(2) {
            if let Some(answer) = self.ask(address, "/v1/authorize", &body) {
                self.known.lock().unwrap().decided(&action, &answer, false);
            }
        }
    }

    fn step_up(&self, address: SocketAddr, number: u64) {
        let voted = self.known.lock().unwrap().voted.pop();
        if let Some(action) = voted {
            match self.ask(address, "/v1/authorize", &json!({ "action": action })) {
                Some(answer) => self.known.lock().unwrap().decided(&action, &answer, false),
                None => return self.known.lock().unwrap().voted.push(action),
            }
            // The same act once more: the vote is used up.
            let mut again = action;
            again["id"] = format!("run-{number}").into();
            if let Some(answer) = self.ask(address, "/v1/authorize", &json!({ "action": again })) {
                let mut known = self.known.lock().unwrap();
                if answer["decision"] == "allow" {
                    known.wrong(Wrong::PassedTwice, format!("one vote allows {again} too: {answer}"));
                }
                known.decided(&again, &answer, true);
            }
            return;
        }
        if self.known.lock().unwrap().waiting.len() > 8 {
            return;
        }
        let mut action: Value = serde_json::from_str(&self.home.read(STEP_UP)).unwrap();
        action["id"] = format!("run-{number}").into();
        action["capability"]["payload"]["title"] = format!("number {number}").into();
        if let Some(answer) = self.ask(address, "/v1/authorize", &json!({ "action": action })) {
            self.known.lock().unwrap().decided(&action, &answer, true);
        }
    }

    fn use_up(&self, address: SocketAddr, dice: &mut Dice) {
        let (pass, action, token, was_used, was_revoked) = {
            let known = self.known.lock().unwrap();
            if known.tokens.is_empty() {
                return;
            }
            // One of the last: those of before are used up.
            let from = known.tokens.len().saturating_sub(20);
            let (pass, action, token) = dice.pick(&known.tokens[from..]).clone();
            let (was_used, was_revoked) = (known.used.contains(&pass), known.revoked.contains(&pass));
            (pass, action, token, was_used, was_revoked)
        };
        let body = json!({ "token": token, "action": action, "audience": action["capability"]["tool"], "tenant": action["tenant"] });
        let Some(verdict) = self.ask(address, "/v1/consume", &body) else {
            return;
        };
        let mut known = self.known.lock().unwrap();
        if verdict["valid"] == true {
            known.acknowledged += 1;
            if was_used || !known.used.insert(pass.clone()) {
                known.wrong(Wrong::ConsumedTwice, format!("{pass}: {verdict}"));
            }
            if was_revoked {
                known.wrong(Wrong::Lost, format!("{pass} was revoked: {verdict}"));
            }
        }
    }

    fn revoke(&self, address: SocketAddr, dice: &mut Dice) {
        let pass = {
            let known = self.known.lock().unwrap();
            if known.tokens.is_empty() {
                return;
            }
            dice.pick(&known.tokens).0.clone()
        };
        let target = json!({ "kind": "pass", "id": pass, "issuer": "https://issuer.example" });
        if self
            .ask(
                address,
                "/v1/revocations",
                &json!({ "target": target, "reason": "soak" }),
            )
            .is_some()
        {
            let mut known = self.known.lock().unwrap();
            known.acknowledged += 1;
            known.revoked.insert(pass);
        }
    }

    /// What people and administrators do beside the service in a slice.
    fn administer(&self, dice: &mut Dice, number: usize) {
        let waiting = std::mem::take(&mut self.known.lock().unwrap().waiting);
        for (request, action) in waiting.into_iter().take(3) {
            let vote = [
                "--key",
                "maintainer.pem",
                "--as",
                MAINTAINER,
                "--reason",
                "read",
                "--yes",
            ];
            let voted = self.home.run(["requests", "approve", &request].into_iter().chain(vote));
            if voted.exit == Some(0) {
                self.known.lock().unwrap().voted.push(action);
            }
        }
        match dice.below(4) {
            0 => {
                // A rule that is about nothing here: another policy all the same.
                let policy = self.home.read("home/policy.toml");
                let (policy, _) = policy.split_once("\n# soak").unwrap_or((&policy, ""));
                let rule = format!(
                    "{policy}\n# soak\n[[rule]]\nid = \"soak.{number}\"\neffect = \"deny\"\ntool = \"soak.number-{number}\"\nreason = \"soak\"\n"
                );
                self.home.write("home/policy.next", rule);
                std::fs::rename(self.home.path("home/policy.next"), self.home.path("home/policy.toml")).unwrap();
            }
            1 if number.is_multiple_of(4) => {
                let rotated = self.home.run(["keys", "rotate"]);
                self.done(&rotated);
            }
            2 => {
                let revoked = self.home.run([
                    "revoke",
                    "principal",
                    &format!("agent:rogue-{number}"),
                    "--reason",
                    "soak",
                ]);
                self.done(&revoked);
            }
            3 if number < 100 => {
                let name = format!("client-{number}");
                let added = self.home.run(["clients", "add", &name, "--may", "ledger"]);
                self.done(&added);
            }
            _ => {}
        }
    }

    /// A command has done what it was to do, or says that another process had the lock for as long as commands wait: a machine may be that
    /// busy.
    fn done(&self, ran: &Ran) {
        if ran.exit != Some(0) && !ran.stdout.contains("\"trust_locked\"") {
            self.known.lock().unwrap().wrong(Wrong::Corrupt, format!("{ran:?}"));
        }
    }

    /// Something fails while callers call.
    fn fault(&self, service: &mut Service, dice: &mut Dice) {
        thread::sleep(Duration::from_millis(dice.below(300)));
        match dice.below(5) {
            0 | 1 => {
                service.kill();
                *service = Service::start(&self.home);
            }
            2 => {
                let pid = service.pid().to_string();
                Command::new("kill").args(["-STOP", &pid]).status().unwrap();
                thread::sleep(Duration::from_millis(dice.below(300)));
                Command::new("kill").args(["-CONT", &pid]).status().unwrap();
            }
            3 => {
                let mut command = self
                    .home
                    .start(["revoke", "principal", "agent:killed", "--reason", "soak"]);
                thread::sleep(Duration::from_millis(dice.below(40)));
                command.kill().unwrap();
                command.wait().unwrap();
            }
            _ => {
                // A backup that holds the lock for a while.
                let store = rusqlite::Connection::open(self.home.path("home/ledger.db")).unwrap();
                store.busy_timeout(Duration::from_secs(10)).unwrap();
                if store.execute_batch("BEGIN IMMEDIATE").is_ok() {
                    thread::sleep(Duration::from_millis(dice.below(400)));
                    store.execute_batch("ROLLBACK").unwrap();
                }
            }
        }
    }

    /// Everything that was acknowledged is in the ledger, which is whole.
    fn audit(&self) {
        let records = match self.home.records() {
            Ok(records) => records,
            Err(ran) => return self.known.lock().unwrap().wrong(Wrong::Corrupt, format!("{ran:?}")),
        };
        let mut known = self.known.lock().unwrap();
        let (mut passes, mut uses, mut revoked) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        for record in &records {
            let body = &record["body"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            match record["kind"].as_str().unwrap_or_default() {
                "decision" if body["pass"].is_object() => {
                    let before = passes.insert(text(&body["actionId"]), text(&body["pass"]["id"]));
                    known
                        .found
                        .extend(before.map(|_| (Wrong::PassedTwice, format!("{record}"))));
                }
                "use" => *uses.entry(text(&body["pass"])).or_insert(0) += 1,
                "revocation" => drop(revoked.insert(text(&body["revocation"]["target"]["id"]))),
                _ => {}
            }
        }
        let mut found = Found::new();
        for (action, pass) in &known.passes {
            if passes.get(action) != Some(pass) {
                found.push((Wrong::Lost, format!("{action}: {pass}, and {:?}", passes.get(action))));
            }
        }
        found.extend(
            uses.iter()
                .filter(|(_, uses)| **uses > 1)
                .map(|(pass, uses)| (Wrong::ConsumedTwice, format!("{pass}: {uses} uses"))),
        );
        found.extend(
            known
                .used
                .iter()
                .filter(|pass| !uses.contains_key(*pass))
                .map(|pass| (Wrong::Lost, format!("the use of {pass}"))),
        );
        found.extend(
            known
                .revoked
                .difference(&revoked)
                .map(|pass| (Wrong::Lost, format!("the revocation of {pass}"))),
        );
        known.found.extend(found);
    }
}

/// What grew is said; a little may, since memory is kept for later and connections end late.
fn flat(early: &[Taken], late: &[Taken]) -> Found {
    let least = |taken: &[Taken], what: fn(&Taken) -> u64| taken.iter().map(what).min().unwrap();
    let mut found = Found::new();
    for (name, what, room) in [
        ("memory", (|taken| taken.memory) as fn(&Taken) -> u64, 16 << 10),
        ("handles", |taken| taken.handles as u64, 8),
        ("threads", |taken| taken.threads as u64, 4),
    ] {
        let (before, after) = (least(early, what), least(late, what));
        if after > before + before / 4 + room {
            found.push((Wrong::Corrupt, format!("{name} grew from {before} to {after}")));
        }
    }
    found
}

#[test]
fn g20_a_soak_of_everything_with_faults_at_any_time() {
    let seed = seed();
    let (mut dice, mut tally) = (Dice::new(seed), Tally::new("soak", seed));
    let soak = Soak::new();
    let mut service = Service::start(&soak.home);
    let (started, mut taken) = (Instant::now(), Vec::new());
    let (mut loud, mut quiet) = (0, 0);
    loop {
        let is_loud = if is_long() {
            started.elapsed() < LONG
        } else {
            loud < SLICES
        };
        if !is_loud && quiet == if is_long() { LONG_QUIET } else { QUIET } {
            break;
        }
        let slice = loud + quiet;
        let address = service.address();
        thread::scope(|scope| {
            for caller in 0..CALLERS {
                let (soak, dice) = (&soak, Dice::new(dice.next()));
                let first = (slice as u64 * CALLERS + caller) * CALLS;
                scope.spawn(move || soak.call(address, dice, first, is_loud));
            }
            if is_loud {
                soak.fault(&mut service, &mut dice);
                tally.injected += 1;
            }
            soak.administer(&mut dice, slice);
        });
        match is_loud {
            true => loud += 1,
            false => {
                quiet += 1;
                taken.push(service.taken());
            }
        }
        tally.rounds += 1;
    }
    let (early, late) = taken.split_at(taken.len() / 2);
    tally.count(flat(early, late));
    soak.audit();
    drop(service);
    soak.audit();
    let known = soak.known.into_inner().unwrap();
    tally.acknowledged = known.acknowledged;
    tally.count(known.found);
    tally.end();
}
