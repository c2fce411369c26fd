//! Every command and its refusals, as people see them; a [`Transcript`] is compared with a golden file.
//!
//! `UPDATE_GOLDEN=1 cargo test -p actionpass-tests --test e2e commands` writes the golden files anew.

mod authorize;
mod concurrency;
mod documents;
mod examples;
mod explain;
mod home;
mod keys;
mod ledger;
mod others;
mod policy;
mod requests;
mod revoke;
mod verify;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use regex_lite::Regex;

use crate::home::{Home, Ran};

/// What commands were given and what they said, in order.
pub(crate) struct Transcript<'a> {
    home: &'a Home,
    text: String,
}

impl<'a> Transcript<'a> {
    /// An empty one of commands in this home's folder, which call the home `home` as people do.
    pub(crate) fn of(home: &'a Home) -> Self {
        Self {
            home,
            text: String::new(),
        }
    }

    /// Runs a command and writes down what it says.
    #[track_caller]
    pub(crate) fn run(&mut self, args: &[&str]) -> Ran {
        self.run_with(args, b"")
    }

    /// The same, with something on stdin.
    #[track_caller]
    pub(crate) fn run_with(&mut self, args: &[&str], stdin: &[u8]) -> Ran {
        let mut command = self.home.command(args);
        command.env("ACTIONPASS_HOME", "home");
        let ran = self.home.feed_to(&mut command, stdin);
        let quoted = args.iter().map(|word| {
            let blank = word.contains(' ');
            if blank { format!("'{word}'") } else { (*word).to_owned() }
        });
        let words: Vec<String> = quoted.collect();
        let _ = writeln!(self.text, "$ actionpass {}", words.join(" "));
        self.note(&ran.stdout);
        if !ran.stderr.is_empty() {
            self.text.push_str("--- stderr\n");
            self.note(&ran.stderr);
        }
        let _ = writeln!(self.text, "--- exit {}\n", ran.exit);
        ran
    }

    fn note(&mut self, said: &str) {
        self.text.push_str(said);
        if !said.is_empty() && !said.ends_with('\n') {
            self.text.push_str("<no line end>\n");
        }
    }

    /// Compares it with the golden file of that name.
    #[track_caller]
    pub(crate) fn check(self, name: &str) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/commands/golden");
        let path = folder.join(format!("{name}.txt"));
        let found = redact(&self.text);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(path, found).unwrap();
            return;
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if expected == found {
            return;
        }
        let differs = expected
            .lines()
            .zip(found.lines())
            .position(|(expected, found)| expected != found);
        let line = differs.unwrap_or_else(|| expected.lines().count().min(found.lines().count()));
        panic!(
            "{} differs from line {} on\nexpected: {:?}\nfound:    {:?}\nall of it:\n{found}",
            path.display(),
            line + 1,
            expected.lines().nth(line),
            found.lines().nth(line)
        );
    }
}

/// What differs from run to run, replaced by what it is.
fn redact(text: &str) -> String {
    let rules = [
        (r"-----BEGIN ([A-Z ]+)-----[^-]+-----END [A-Z ]+-----", "<pem $1>"),
        (r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}", "<token>"),
        (r"\b(pass|approval|ledger)-[A-Za-z0-9_-]{43}\.pem", "$1-<kid>.pem"),
        (r"\b(act|ap|apr|rec|req|rev)_[0-9a-f]{32}", "<$1>"),
        (r"sha256:[0-9a-f]{64}", "<digest>"),
        (r"sha256:[0-9a-f]{12}\b", "<digest>"),
        (r"urn:uuid:[0-9a-f-]{36}", "<uuid>"),
        (r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z", "<time>"),
        (r"they are [0-9]+ s old", "they are <age> s old"),
        (r"\b1[0-9]{9}\b", "<seconds>"),
        (r"[A-Za-z0-9_-]{43}\b", "<base64url>"),
        (r"in [0-9]+\.[0-9] s", "in <n> s"),
    ];
    let mut text = text.to_owned();
    for (pattern, name) in rules {
        text = Regex::new(pattern).unwrap().replace_all(&text, name).into_owned();
    }
    text
}
