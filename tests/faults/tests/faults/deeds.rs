//! [`Deed`]: what the command does that must last, and the oracle for each.

use std::path::PathBuf;
use std::sync::LazyLock;

use serde_json::Value;

use crate::disk::Files;
use crate::home::{ALLOW, Home, MAINTAINER, Ran, STEP_UP};
use crate::oracle::Found;
use crate::tally::Wrong;

/// One command.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Deed {
    /// A home is made.
    Init,
    /// An action is allowed by an approval, which is used up.
    Authorize,
    /// A pass is used up.
    Consume,
    /// A pass is revoked.
    Revoke,
    /// The signing key is replaced.
    Rotate,
    /// An approver's key is believed.
    Believe,
    /// The first client of the service gets in.
    FirstClient,
    /// Another client does.
    NextClient,
    /// A person votes on a request.
    Vote,
}

pub(crate) const DEEDS: [Deed; 9] = [
    Deed::Init,
    Deed::Authorize,
    Deed::Consume,
    Deed::Revoke,
    Deed::Rotate,
    Deed::Believe,
    Deed::FirstClient,
    Deed::NextClient,
    Deed::Vote,
];

/// A deed on a home that is ready for it, as often as it is wanted.
pub(crate) struct Prepared {
    pub(crate) deed: Deed,
    /// The words of the command.
    pub(crate) args: Vec<String>,
    /// The id of what it is about, where the oracle needs it.
    id: String,
    root: PathBuf,
    files: Files,
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Every deed, prepared.
pub(crate) fn prepared() -> &'static [Prepared] {
    static ALL: LazyLock<Vec<Prepared>> = LazyLock::new(|| DEEDS.into_iter().map(Prepared::new).collect());
    &ALL
}

const CONSUME: [&str; 6] = ["verify", "--token", "pass.jwt", "--action", ALLOW, "--consume"];
const VERIFY: [&str; 5] = ["verify", "--token", "pass.jwt", "--action", ALLOW];
const AUTHORIZE: [&str; 3] = ["authorize", "--action", ALLOW];
const OTHER: [&str; 5] = ["authorize", "--action", "run-2.json", "--approval", "approval.jwt"];

/// A new pass into a file; its id.
fn pass(home: &Home) -> String {
    let allowed = home.run(AUTHORIZE).exits(0).json();
    home.write("pass.jwt", allowed["pass"]["token"].as_str().unwrap());
    allowed["pass"]["id"].as_str().unwrap().to_owned()
}

impl Prepared {
    fn new(deed: Deed) -> Self {
        let home = if deed == Deed::Init { Home::none() } else { Home::new() };
        let mut id = String::new();
        let args = match deed {
            Deed::Init => words(&["init", "--issuer", "https://issuer.example"]),
            Deed::Authorize => {
                let file = home.action(STEP_UP, "run-1");
                home.action(STEP_UP, "run-2");
                home.approve(&file);
                words(&["authorize", "--action", "run-1.json", "--approval", "approval.jwt"])
            }
            Deed::Consume => {
                id = pass(&home);
                words(&CONSUME)
            }
            Deed::Revoke => {
                id = pass(&home);
                words(&["revoke", "pass", &id, "--reason", "test"])
            }
            Deed::Rotate => {
                pass(&home);
                id = home.read("home/config.toml");
                words(&["keys", "rotate"])
            }
            Deed::Believe => {
                let purpose = ["--use", "approval", "--principal", "user:second@example.com"];
                let made = home
                    .run(["keys", "new", "--out", "second.pem"].into_iter().chain(purpose))
                    .exits(0);
                made.json()["kid"].as_str().unwrap().clone_into(&mut id);
                home.write("second.jwk", made.json()["jwk"].to_string());
                words(&[&["trust", "add", "second.jwk"][..], &purpose].concat())
            }
            Deed::FirstClient => client("first"),
            Deed::NextClient => {
                home.run(client("first").iter().map(String::as_str)).exits(0);
                client("next")
            }
            Deed::Vote => {
                let file = home.action(STEP_UP, "run-1");
                home.action(STEP_UP, "run-2");
                let waits = home.run(["authorize", "--action", &file]).exits(11).json();
                waits["request"]["id"].as_str().unwrap().clone_into(&mut id);
                words(&[
                    "requests",
                    "approve",
                    &id,
                    "--key",
                    "maintainer.pem",
                    "--as",
                    MAINTAINER,
                    "--reason",
                    "read",
                    "--yes",
                ])
            }
        };
        Self {
            deed,
            args,
            id,
            root: home.root().to_owned(),
            files: home.files(),
        }
    }

    /// A home of its own to do it on.
    pub(crate) fn home(&self) -> Home {
        Home::of(&self.files, &self.root)
    }

    fn again(&self, home: &Home) -> Ran {
        home.run(self.args.iter().map(String::as_str))
    }

    /// Whether an answer says that it is done.
    pub(crate) fn is_acknowledged(&self, answer: &Value) -> bool {
        match self.deed {
            Deed::Authorize => answer["decision"] == "allow",
            Deed::Consume => answer["valid"] == true,
            _ => answer["schema"].is_string() && answer.get("error").is_none(),
        }
    }

    /// Looks at a home on which it was begun: what was acknowledged is there, and everything goes on.
    pub(crate) fn check(&self, home: &Home, answer: &Value) -> Found {
        let mut oracle = Oracle {
            home,
            found: Vec::new(),
        };
        if oracle.check(self, answer).is_none() && oracle.found.is_empty() {
            oracle
                .found
                .push((Wrong::Corrupt, "an answer that says nothing".to_owned()));
        }
        let named = |(wrong, what)| (wrong, format!("{:?}: {what}", self.deed));
        oracle.found.into_iter().map(named).collect()
    }
}

fn client(name: &str) -> Vec<String> {
    let any = ["--tenant", "--agent", "--owner", "--runtime", "--server", "--audience"];
    let any = any.iter().flat_map(|option| [*option, "*"]);
    ["clients", "add", name, "--may", "authorize"]
        .into_iter()
        .chain(any)
        .map(str::to_owned)
        .collect()
}

struct Oracle<'a> {
    home: &'a Home,
    found: Found,
}

impl Oracle<'_> {
    fn wrong(&mut self, wrong: Wrong, what: impl Into<String>) {
        self.found.push((wrong, what.into()));
    }

    /// A command must end with one of these. What is refused for another reason happens no second time.
    fn must(&mut self, ran: Ran, exits: &[i32], wrong: Wrong) -> Value {
        if !ran.exit.is_some_and(|exit| exits.contains(&exit)) {
            let wrong = match wrong {
                Wrong::ConsumedTwice | Wrong::PassedTwice if ran.exit != Some(0) => Wrong::Corrupt,
                wrong => wrong,
            };
            self.wrong(wrong, format!("not {exits:?}: {ran:?}"));
        }
        ran.json()
    }

    /// The records, if the ledger is whole.
    fn records(&mut self) -> Option<Vec<Value>> {
        match self.home.records() {
            Ok(records) => Some(records),
            Err(ran) => {
                self.wrong(Wrong::Corrupt, format!("ledger verify: {ran:?}"));
                None
            }
        }
    }

    /// `None` if it can't go on, having found why.
    fn check(&mut self, prepared: &Prepared, answer: &Value) -> Option<()> {
        let home = self.home;
        let is_known = prepared.is_acknowledged(answer);
        match prepared.deed {
            Deed::Init => {
                if is_known {
                    self.must(home.run(AUTHORIZE), &[0], Wrong::Lost);
                } else {
                    // Whatever is there is a home, or is refused with a code.
                    let ran = home.run(AUTHORIZE);
                    if ran.exit != Some(0) && ran.code().is_empty() {
                        self.wrong(Wrong::Corrupt, format!("{ran:?}"));
                    }
                    return Some(());
                }
            }
            Deed::Authorize => {
                let passes = |records: &[Value]| {
                    let bodies = records.iter().map(|record| record["body"].clone());
                    bodies
                        .filter(|body| body["actionId"] == "run-1" && body["pass"].is_object())
                        .collect::<Vec<_>>()
                };
                let before = passes(&self.records()?);
                if is_known && !before.iter().any(|body| body["pass"]["id"] == answer["pass"]["id"]) {
                    self.wrong(Wrong::Lost, format!("the pass isn't in the ledger: {answer}"));
                }
                let again = self.must(prepared.again(home), &[0], Wrong::Corrupt);
                if is_known && again["pass"]["id"] != answer["pass"]["id"] {
                    self.wrong(Wrong::PassedTwice, format!("{answer}, then {again}"));
                }
                self.must(home.run(OTHER), &[11], Wrong::PassedTwice);
                if passes(&self.records()?).len() != 1 {
                    self.wrong(Wrong::PassedTwice, "one action has other than one pass");
                }
            }
            Deed::Consume => {
                let exits: &[i32] = if is_known { &[24] } else { &[0, 24] };
                self.must(prepared.again(home), exits, Wrong::ConsumedTwice);
                self.must(prepared.again(home), &[24], Wrong::ConsumedTwice);
                let is_use =
                    |record: &&Value| record["kind"] == "use" && record["body"]["pass"] == prepared.id.as_str();
                let uses = self.records()?.iter().filter(is_use).count();
                if uses != 1 {
                    self.wrong(Wrong::ConsumedTwice, format!("{uses} records of one use"));
                }
            }
            Deed::Revoke => {
                if !is_known {
                    self.must(prepared.again(home), &[0], Wrong::Corrupt);
                }
                self.must(home.run(VERIFY), &[23], Wrong::Lost);
                self.must(home.run(AUTHORIZE), &[0], Wrong::Corrupt);
                let is_it =
                    |record: &&Value| record["kind"] == "revocation" && record.to_string().contains(&prepared.id);
                let records = self.records()?.iter().filter(is_it).count();
                if records == 0 {
                    self.wrong(Wrong::Lost, "no record of the revocation");
                }
            }
            Deed::Rotate => {
                if is_known && home.read("home/config.toml") == prepared.id {
                    self.wrong(Wrong::Lost, "the old key signs");
                }
                self.must(home.run(AUTHORIZE), &[0], Wrong::Corrupt);
                self.must(prepared.again(home), &[0], Wrong::Corrupt);
                // What either key signed holds.
                self.must(home.run(VERIFY), &[0], Wrong::Lost);
                pass_of(self, home)?;
                self.must(home.run(VERIFY), &[0], Wrong::Corrupt);
            }
            Deed::Believe => {
                let shown = |home: &Home| home.run(["trust", "show"]);
                if !is_known {
                    // It may be there.
                    let ran = prepared.again(home);
                    self.must(ran, &[0, 31, 2], Wrong::Corrupt);
                }
                let trust = self.must(shown(home), &[0], Wrong::Corrupt);
                if !trust.to_string().contains(&prepared.id) {
                    self.wrong(Wrong::Lost, "the key isn't believed");
                }
                self.must(home.run(AUTHORIZE), &[0], Wrong::Corrupt);
            }
            Deed::FirstClient | Deed::NextClient => {
                let list = |home: &Home| home.run(["clients", "list"]);
                let listed = self.must(list(home), &[0], Wrong::Corrupt).to_string();
                let (name, before) = match prepared.deed {
                    Deed::FirstClient => ("first", None),
                    _ => ("next", Some("first")),
                };
                let is_listed = |listed: &str, name: &str| listed.contains(&format!("\"{name}\""));
                if before.is_some_and(|before| !is_listed(&listed, before)) || is_known && !is_listed(&listed, name) {
                    self.wrong(Wrong::Lost, format!("a client: {listed}"));
                }
                if !is_listed(&listed, name) {
                    self.must(prepared.again(home), &[0], Wrong::Corrupt);
                }
                self.must(home.run(AUTHORIZE), &[0], Wrong::Corrupt);
            }
            Deed::Vote => {
                let state = home.run(["requests", "show", &prepared.id]).json()["state"].clone();
                if is_known && state != "approved" {
                    self.wrong(Wrong::Lost, format!("the vote: {state}"));
                }
                if state != "approved" {
                    self.must(prepared.again(home), &[0], Wrong::Corrupt);
                }
                self.must(home.run(["authorize", "--action", "run-1.json"]), &[0], Wrong::Lost);
                self.must(
                    home.run(["authorize", "--action", "run-2.json"]),
                    &[11],
                    Wrong::PassedTwice,
                );
            }
        }
        self.records()?;
        Some(())
    }
}

/// A new pass in the place of the old one.
fn pass_of(oracle: &mut Oracle<'_>, home: &Home) -> Option<()> {
    let allowed = oracle.must(home.run(AUTHORIZE), &[0], Wrong::Corrupt);
    home.write("pass.jwt", allowed["pass"]["token"].as_str()?);
    Some(())
}
