//! `approve` in front of a person: on a terminal, and with what it knows of the issuer's policy and trust store.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::Child;

use actionpass_canon::{BoundAction, BoundFacts, Limits};
use actionpass_display::{Folds, View, shown_matches};
use actionpass_model::RuleId;
use serde_json::{Value, json};

use crate::action::{self, ALLOW, DENY, STEP_UP};
use crate::home::{Home, ISSUER, MAINTAINER, Ran, jwk_file, key_file};
use crate::pty;

/// The command line of an approval by somebody, of the action in a file.
fn approve<'a>(principal: &'a str, key: &'a str, action: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let base = [
        "approve", "--action", action, "--key", key, "--as", principal, "--reason", "read it",
    ];
    [&base, more].concat()
}

/// A command that runs on a terminal of its own, whose other end is here.
pub(crate) struct OnTerminal {
    pub(crate) home: Home,
    child: Child,
    here: File,
    shown: String,
}

impl OnTerminal {
    /// Starts the approval of an action by the maintainer.
    fn approving(home: Home, action: &str, size: (u16, u16), typed: &[u8]) -> Self {
        let key = key_file(MAINTAINER);
        Self::running(home, &approve(MAINTAINER, &key, action, &[]), size, typed)
    }

    /// Starts a command on a terminal of this size into which something was typed before the command ran.
    pub(crate) fn running(home: Home, args: &[&str], size: (u16, u16), typed: &[u8]) -> Self {
        let (mut here, there) = pty::open(size);
        here.write_all(typed).unwrap();
        let mut command = home.command_of("setsid", ["--ctty"]);
        command.arg(crate::program::actionpass());
        command.args(args);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("TERM", "dumb");
        let child = command.stdin(there.try_clone().unwrap()).stderr(there).spawn().unwrap();
        // The ends that the command has are its own from now on.
        drop(command);
        Self {
            home,
            child,
            here,
            shown: String::new(),
        }
    }

    /// Types something.
    pub(crate) fn type_in(&mut self, text: &str) {
        self.here.write_all(text.as_bytes()).unwrap();
    }

    /// Reads what is shown until a text comes, or the command closes the terminal.
    pub(crate) fn until(&mut self, text: &str) -> &str {
        let mut bytes = [0; 4096];
        while !self.shown.contains(text) {
            // At its end a terminal is an error.
            let read = self.here.read(&mut bytes).ok().and_then(|read| bytes.get(..read));
            let Some(read) = read.filter(|read| !read.is_empty()) else {
                break;
            };
            self.shown.push_str(&String::from_utf8_lossy(read).replace('\r', ""));
        }
        &self.shown
    }

    /// Answers a question that others follow, once it is there; gives what was shown up to it.
    pub(crate) fn answer_one(&mut self, answer: &str) -> String {
        self.until("[y/N] ");
        self.type_in(answer);
        std::mem::take(&mut self.shown)
    }

    /// Answers the question, once it is there; gives what was shown and how it ended.
    pub(crate) fn answer(mut self, answer: &str) -> (String, Ran) {
        self.until("[y/N] ");
        self.here.write_all(answer.as_bytes()).unwrap();
        self.end()
    }

    fn end(mut self) -> (String, Ran) {
        self.until("\0");
        let ran = self.home.finish(self.child);
        (self.shown, ran)
    }
}

#[test]
fn what_was_typed_before_the_question_is_no_answer() {
    let start = |typed: &[u8]| OnTerminal::approving(Home::with_maintainer(), STEP_UP, (60, 80), typed);
    let (shown, ran) = start(b"y\ny\n").answer("n\n");
    assert!(shown.contains("(not_confirmed)"), "{shown}");
    assert_eq!(ran.exits(10).stdout, "");
    let (shown, ran) = start(b"n\n").answer("y\n");
    assert!(shown.contains("approved; the approval is on stdout"), "{shown}");
    assert_eq!(ran.exits(0).stdout.matches('.').count(), 2);
    // The end of the input is no yes either.
    start(b"y\n").answer("\u{4}").1.exits(10);
}

/// A vote on a request is asked for like any approval, and a no is a question too.
#[test]
fn a_vote_is_asked_for() {
    let start = |verb: &str| {
        let home = Home::with_maintainer();
        let stepped = home.run(["authorize", "--action", STEP_UP]).exits(11).json();
        let id = stepped["request"]["id"].as_str().unwrap();
        let key = key_file(MAINTAINER);
        let who = ["--key", &key, "--as", MAINTAINER, "--reason", "read it"];
        let args = [&["requests", verb, id], &who[..]].concat();
        OnTerminal::running(home, &args, (60, 80), b"y\n")
    };
    for (verb, question, said) in [
        ("approve", "Approve exactly this? [y/N] ", "approved\n"),
        ("decline", "Decline exactly this? [y/N] ", "declined\n"),
    ] {
        let (shown, ran) = start(verb).answer("n\n");
        assert!(shown.contains(question) && shown.contains("(not_confirmed)"), "{shown}");
        assert_eq!(ran.exits(10).stdout, "");
        let (shown, ran) = start(verb).answer("y\n");
        assert!(shown.contains("payload.title (string)  Fix the retry loop"), "{shown}");
        assert_eq!(ran.exits(0).stdout, said);
    }
}

#[test]
fn what_scrolled_by_is_counted() {
    let asked = |rows| {
        let started = OnTerminal::approving(Home::with_maintainer(), STEP_UP, (rows, 80), b"");
        let (shown, ran) = started.answer("y\n");
        ran.exits(0);
        shown
    };
    let shown = asked(20);
    let (above, _) = shown
        .split_once(" lines above, your terminal shows 20: scroll up, or ")
        .unwrap();
    let (above, count) = above.rsplit_once('\n').unwrap();
    // The last of them is empty.
    let last = above.trim_end_matches('\n').lines().last().unwrap();
    assert!(last.starts_with("  sha256:") && above.ends_with('\n'), "{shown}");
    assert_eq!(count.parse(), Ok(above.lines().count() + 1), "{shown}");
    assert!(!asked(100).contains("lines above"));
}

#[test]
fn a_terminal_that_would_break_lines_itself_is_not_asked_on() {
    let (shown, ran) = OnTerminal::approving(Home::with_maintainer(), STEP_UP, (60, 75), b"y\n").end();
    assert!(
        shown.contains("it shows 75 columns, and 76 are needed (confirmation_required)"),
        "{shown}"
    );
    assert_eq!(ran.exits(2).stdout, "");
}

#[test]
fn g22_what_is_shown_on_a_terminal_is_what_the_approval_says_was_shown() {
    let (asked, ran) = OnTerminal::approving(Home::with_maintainer(), STEP_UP, (100, 80), b"").answer("y\n");
    let home = Home::with_maintainer();
    home.write("approval.jwt", ran.exits(0).stdout);
    let inspected = home.run(["inspect", "approval.jwt"]).exits(0).json();
    let claimed = serde_json::from_value(inspected["payload"]["approval"]["shown"].clone()).unwrap();
    let action = BoundAction::admit(home.read(STEP_UP).as_bytes(), &Limits::default()).unwrap();
    assert_eq!(shown_matches(&claimed, &action, &[], &BoundFacts::none()), Ok(()));
    let view = View::of(&action, &[], &BoundFacts::none()).unwrap();
    assert!(asked.contains(&view.to_terminal(76, Folds::PayloadOpen)), "{asked}");
    // An override names its rules, and facts that are judged are shown.
    let key = key_file("user:officer@example.com");
    let facts = crate::facts::document(0, &json!({ "testsPassed": true })).to_string();
    home.write("facts.json", &facts);
    let mode = [
        "--yes",
        "--mode",
        "policy_override",
        "--rule",
        "github.protected",
        "--facts",
        "facts.json",
    ];
    home.approver("user:officer@example.com", &["security"]).exits(0);
    let ran = home
        .talk(approve("user:officer@example.com", &key, DENY, &mode))
        .exits(0);
    assert!(ran.stderr.contains("\nrules[0]     github.protected\n"), "{ran:?}");
    assert!(
        ran.stderr.contains("\n  facts.testsPassed (boolean)  true\n"),
        "{ran:?}"
    );
    home.write("override.jwt", &ran.stdout);
    let inspected = home.run(["inspect", "override.jwt"]).exits(0).json();
    let claimed = serde_json::from_value(inspected["payload"]["approval"]["shown"].clone()).unwrap();
    let action = BoundAction::admit(home.read(DENY).as_bytes(), &Limits::default()).unwrap();
    let facts = BoundFacts::admit(facts.as_bytes(), &Limits::default()).unwrap();
    let rules = [RuleId::parse("github.protected").unwrap()];
    assert_eq!(shown_matches(&claimed, &action, &rules, &facts), Ok(()));
    assert!(shown_matches(&claimed, &action, &[], &facts).is_err());
}

#[test]
fn the_question_repeats_that_an_approval_is_useless_or_needless() {
    for (action, warning) in [
        (
            DENY,
            "warning      the policy denies it still: it takes more than this approval",
        ),
        (ALLOW, "warning      the policy allows it anyway"),
    ] {
        let (shown, ran) = OnTerminal::approving(Home::with_maintainer(), action, (100, 80), b"").answer("y\n");
        ran.exits(0);
        assert_eq!(shown.matches(warning).count(), 2, "{shown}");
        let question = shown.rsplit_once("payloadHash").unwrap().1;
        assert!(question.contains(warning), "{shown}");
    }
}

#[test]
fn without_a_terminal_everything_is_shown_also_to_a_key_that_stays_closed() {
    let home = Home::with_maintainer();
    home.write_secret("passphrase", "correct horse");
    let new = [
        "keys",
        "new",
        "--use",
        "approval",
        "--principal",
        MAINTAINER,
        "--out",
        "closed.pem",
        "--encrypt",
        "--passphrase-file",
        "passphrase",
    ];
    home.run(new).exits(0);
    let ran = home.talk(approve(MAINTAINER, "closed.pem", STEP_UP, &[])).exits(2);
    for part in [
        "\nwith this    it can't be told: the key needs its passphrase\n",
        "\n  payload.title (string)  Fix the retry loop\n",
        "(confirmation_required)",
    ] {
        assert!(ran.stderr.contains(part), "{ran:?}");
    }
    assert_eq!(ran.stdout, "");
    home.run(approve(MAINTAINER, "closed.pem", STEP_UP, &["--yes"]))
        .fails(40, "key_passphrase_required");
    let opened = ["--yes", "--passphrase-file", "passphrase"];
    home.run(approve(MAINTAINER, "closed.pem", STEP_UP, &opened)).exits(0);
}

/// What is shown to somebody who approves in the home.
fn shown(home: &Home, principal: &str, action: &str, more: &[&str]) -> String {
    let key = key_file(principal);
    let ran = home.talk(approve(principal, &key, action, &[&["--yes"], more].concat()));
    ran.exits(0).stderr
}

#[test]
fn a_member_that_a_broken_line_pretends_is_marked() {
    let home = Home::with_maintainer();
    let mut action = action::read(&home, STEP_UP);
    // What follows is broken off, and looks like a member in the place of one; the second comes on a line of its own.
    let pad = " ".repeat(76 - "  : x".len());
    let note = format!("x{pad}  payload.order (number)  1\n  payload.order (number)  2\u{202e}");
    action["capability"]["payload"] =
        json!({ "account": "attacker", "note": note, "p\u{430}id": true, "zaccount": "y" });
    let file = home.write("spoof.json", action.to_string());
    let shown = shown(&home, MAINTAINER, &file, &["--home", "nowhere", "--issuer", ISSUER]);
    assert!(
        shown.contains(&format!(
            "  payload.account (string)  attacker\n  payload.note (string, 2 lines)\n  : x{pad}\n>   payload.order (number)  1\n  \
               :   payload.order (number)  2\\u{{202e}}\n  ! 1 character that turns the direction of text: U+202E\n"
        )),
        "{shown}"
    );
    assert!(
        shown.contains("\n  payload.\"p\\u{430}id\" (boolean)  true\n  ! 1 character looks like others: U+0430 like a; it reads \"paid\"\n"),
        "{shown}"
    );
    assert!(
        shown.contains("\n! 2 fields have characters that aren't what they seem\n"),
        "{shown}"
    );
    assert!(
        shown.contains("\n1 line is broken: `>` marks where it goes on\n"),
        "{shown}"
    );
}

#[test]
fn an_agents_flood_of_words_is_folded_and_the_payload_never_is() {
    let home = Home::with_maintainer();
    let mut action = action::read(&home, STEP_UP);
    let text: Vec<String> = (0..500).map(|line| format!("line {line}")).collect();
    action["context"] = json!({ "a": text, "b": text.join("\n") });
    action["intent"]["summary"] = text.join("\n").into();
    action["capability"]["payload"]["body"] = text.join("\n").into();
    let file = home.write("flood.json", action.to_string());
    let shown = shown(&home, MAINTAINER, &file, &[]);
    let (payload, words) = shown.split_once("the agent's own words").unwrap();
    assert_eq!(payload.matches("\n  : line ").count(), 500, "{payload}");
    assert!(
        words.lines().filter(|line| line.starts_with('|')).count() < 120,
        "{words}"
    );
    assert!(words.contains("| … 480 lines more, "), "{words}");
    assert!(words.contains(" more values, folded\n"), "{words}");
}

#[test]
fn the_policy_is_asked_with_the_roles_of_the_key() {
    let home = Home::with_maintainer();
    home.approver("user:intern@example.com", &["intern"]).exits(0);
    assert!(
        shown(&home, MAINTAINER, STEP_UP, &[]).contains(
            "policy       starter, judged without facts\nso far       step_up (approval_required)\n  rule       github.pr.untested"
        )
    );
    let by_maintainer = shown(&home, MAINTAINER, STEP_UP, &[]);
    assert!(
        by_maintainer.contains("\nwith this    allow (approval_satisfied), nobody else is needed\n"),
        "{by_maintainer}"
    );
    let by_intern = shown(&home, "user:intern@example.com", STEP_UP, &[]);
    assert!(
        by_intern.contains("  not for    github.pr.untested: its approver has none of the roles\nwarning      this approval counts for nothing"),
        "{by_intern}"
    );
    // What facts make of it.
    let facts = home.write(
        "facts.json",
        crate::facts::document(0, &json!({ "testsPassed": true })).to_string(),
    );
    let with_facts = shown(&home, MAINTAINER, STEP_UP, &["--facts", &facts]);
    assert!(
        with_facts.contains("policy       starter\nso far       allow (rule_allowed)\n")
            && with_facts.contains("\nwarning      the policy allows it anyway"),
        "{with_facts}"
    );
    let key = key_file(MAINTAINER);
    let nowhere = ["--yes", "--home", "nowhere", "--issuer", ISSUER, "--facts", &facts];
    home.run(approve(MAINTAINER, &key, STEP_UP, &nowhere))
        .fails(2, "option_missing");
    let stale = home.write(
        "stale.json",
        crate::facts::document(7200, &json!({ "testsPassed": true })).to_string(),
    );
    home.run(approve(MAINTAINER, &key, STEP_UP, &["--yes", "--facts", &stale]))
        .fails(31, "facts_stale");
}

#[test]
fn who_else_is_needed_is_said() {
    let home = Home::with_maintainer();
    home.approver("user:anna@example.com", &["finance"]).exits(0);
    let mut refund = action::read(&home, STEP_UP);
    refund["capability"] = json!({
        "tool": "payments.refunds.create", "resource": "order:7",
        "payload": { "order": "7", "amount": 90_000, "currency": "EUR", "reason": "broken" },
    });
    let file = home.write("refund.json", refund.to_string());
    let text = shown(&home, "user:anna@example.com", &file, &[]);
    assert!(
        text.contains(
            "  rule       refund.large: more than 50.00\n  needs      2 people of role finance or support, not the owner\n\
             with this    step_up (approval_required)\n  needs      1 more person of role finance or support, not the owner\n"
        ),
        "{text}"
    );
    assert!(!text.contains("warning"), "{text}");
}

#[test]
fn an_approver_elsewhere_is_told_what_can_not_be_told() {
    let home = Home::with_maintainer();
    let text = shown(&home, MAINTAINER, STEP_UP, &["--home", "nowhere", "--issuer", ISSUER]);
    let untold =
        "policy       unknown: there is no home of this issuer here, and no --policy\nwith this    it can't be told\n";
    assert!(text.contains(untold), "{text}");
    assert!(!text.contains("warning"), "{text}");
    // A home of another issuer says nothing about this one.
    let text = shown(&home, MAINTAINER, STEP_UP, &["--issuer", "https://other.example"]);
    assert!(text.contains(untold), "{text}");
    // With both files at hand everything can be.
    let files = [
        "--home",
        "nowhere",
        "--issuer",
        ISSUER,
        "--policy",
        "home/policy.toml",
        "--trust",
        "home/trust.json",
    ];
    let text = shown(&home, MAINTAINER, STEP_UP, &files);
    assert!(text.contains("\nwith this    allow (approval_satisfied)"), "{text}");
    let text = shown(&home, MAINTAINER, STEP_UP, &files[..6]);
    assert!(
        text.contains("\nso far       step_up (approval_required)\n")
            && text.contains("\nwith this    it can't be told: "),
        "{text}"
    );
    // An approval under another policy than the one that is here.
    let digest = format!("sha256:{}", "0".repeat(64));
    let text = shown(&home, MAINTAINER, STEP_UP, &["--policy-digest", &digest]);
    assert!(
        text.contains("policy       unknown: the one here isn't that of --policy-digest\n"),
        "{text}"
    );
}

#[test]
fn a_key_approves_as_its_owner_alone() {
    let home = Home::with_approvers();
    let key = key_file(MAINTAINER);
    for principal in ["user:officer@example.com", "service:maintainer@example.com"] {
        let refused = home
            .run(approve(principal, &key, STEP_UP, &["--yes"]))
            .fails(21, "approver_mismatch");
        assert_eq!(
            refused.json()["error"]["message"],
            format!("the key is that of `{MAINTAINER}` in the trust store, and not of `{principal}`")
        );
    }
    // With the trust store by its name as well, and of an approver who has no home.
    let elsewhere = ["--yes", "--home", "nowhere", "--issuer", ISSUER];
    let named = [&elsewhere[..], &["--trust", "home/trust.json"]].concat();
    let officer = "user:officer@example.com";
    home.run(approve(officer, &key, STEP_UP, &named))
        .fails(21, "approver_mismatch");
    home.run(approve(officer, &key, STEP_UP, &elsewhere)).exits(0);
    // The issuer's own key is no approver's.
    let pass_key = std::fs::read_dir(home.path("home/keys"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let pass_key = pass_key.to_str().unwrap();
    let refused = home
        .run(approve(officer, pass_key, STEP_UP, &["--yes"]))
        .fails(21, "approver_mismatch");
    assert!(
        refused.json().to_string().contains(&format!("that of `{ISSUER}`")),
        "{refused:?}"
    );
}

#[test]
fn a_key_that_counts_for_nothing_is_warned_of() {
    let home = Home::with_maintainer();
    let new = home.run([
        "keys",
        "new",
        "--use",
        "approval",
        "--principal",
        "user:new@example.com",
        "--out",
        "new.pem",
    ]);
    new.exits(0);
    let text = shown(&home, "user:new@example.com", STEP_UP, &[]);
    assert!(
        text.contains("\nwarning      the trust store lacks this key: its approvals count for nothing\n"),
        "{text}"
    );
    assert!(
        text.contains("\nwith this    it can't be told: the trust store lacks this key\n"),
        "{text}"
    );
    let kid = serde_json::from_str::<Value>(&home.read(&jwk_file(MAINTAINER))).unwrap()["kid"].take();
    home.run(["revoke", "key", kid.as_str().unwrap(), "--reason", "lost"])
        .exits(0);
    let text = shown(&home, MAINTAINER, STEP_UP, &[]);
    assert!(
        text.contains("\nwarning      this key is revoked: its approvals count for nothing\n"),
        "{text}"
    );
    assert!(text.contains("\nwith this    step_up (approval_required)\n"), "{text}");
}

#[test]
fn an_override_of_what_nobody_can_override_is_refused() {
    let home = Home::with_approvers();
    let officer = "user:officer@example.com";
    let overriding = |principal: &'static str, rules: &[&'static str], more: &[&'static str]| {
        let key = key_file(principal);
        let mode = ["--yes", "--mode", "policy_override"];
        let rules: Vec<&str> = rules.iter().flat_map(|rule| ["--rule", *rule]).collect();
        home.run(approve(principal, &key, DENY, &[&mode, &rules[..], more].concat()))
    };
    overriding(officer, &["github.protected"], &[]).exits(0);
    let message = |refused: Ran| {
        let refused = refused.fails(2, "rule_not_overridable").json();
        refused["error"]["message"].as_str().unwrap().to_owned()
    };
    let could = "of the rules that deny this action it could lift github.protected";
    for (rule, problem) in [
        ("github.protectd", "the policy has no deny rule `github.protectd`"),
        ("github.pr.untested", "the policy has no deny rule `github.pr.untested`"),
        (
            "slack.mentions",
            "the rule `slack.mentions` isn't lifted by an override of `user:officer@example.com`",
        ),
    ] {
        let refused = message(overriding(officer, &["github.protected", rule], &[]));
        assert_eq!(refused, format!("{problem}; {could}"));
    }
    assert_eq!(
        message(overriding(MAINTAINER, &["github.protected"], &[])),
        "the rule `github.protected` isn't lifted by an override of `user:maintainer@example.com`; \
         an override lifts none of the rules that deny this action"
    );
    // Roles that aren't known refuse nothing, rules that aren't there do.
    let policy = ["--home", "nowhere", "--issuer", ISSUER, "--policy", "home/policy.toml"];
    overriding(MAINTAINER, &["github.protected"], &policy).exits(0);
    overriding(MAINTAINER, &["another"], &policy).fails(2, "rule_not_overridable");
    // Of a policy that isn't here nothing is known.
    overriding(MAINTAINER, &["another"], &policy[..4]).fails(2, "option_missing");
}
