//! `init`, `authorize`, `approve`, `verify`: the promised decisions.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Value, json};

use crate::action::{ALLOW, DENY, STEP_UP, example};
use crate::home::{Home, ISSUER, MAINTAINER, Ran};
use crate::program::root;

#[test]
fn the_examples_of_a_new_home_come_out_as_they_are_called() {
    let home = Home::new();
    let allowed = home.run(["authorize", "--action", ALLOW]).exits(0);
    assert_eq!(allowed.decision(), "allow");
    assert!(!allowed.pass_id().is_empty());
    for (file, exit, decision) in [(STEP_UP, 11, "step_up"), (DENY, 10, "deny")] {
        let decided = home.run(["authorize", "--action", file]).exits(exit);
        assert_eq!(decided.decision(), decision);
        assert_eq!(decided.json().get("pass"), None);
        assert!(!decided.reasons().is_empty());
        // It says what would turn it: whose approval, whose override.
        assert!(
            !decided.json()["required"].as_array().unwrap().is_empty(),
            "{decided:?}"
        );
    }
    let recorded: Vec<Value> = home
        .decisions()
        .into_iter()
        .map(|mut body| body["decision"].take())
        .collect();
    assert_eq!(recorded, ["allow", "step_up", "deny"]);
}

/// For people: the token alone is data, everything else is talk, verdict first.
#[test]
fn people_get_the_token_on_stdout_and_the_verdict_on_stderr() {
    let home = Home::new();
    let allowed = home.talk(["authorize", "--action", ALLOW]).exits(0);
    assert_eq!(allowed.stdout.trim_end().split('.').count(), 3, "{allowed:?}");
    assert_eq!(allowed.stdout.lines().count(), 1, "{allowed:?}");
    for (file, exit, decision) in [(STEP_UP, 11, "step_up"), (DENY, 10, "deny")] {
        let decided = home.talk(["authorize", "--action", file]).exits(exit);
        assert_eq!(decided.stdout, "");
        assert!(decided.stderr.starts_with(decision), "{decided:?}");
    }
}

/// Every test of `examples/actions/policy-tests.toml`, with real keys, real approvals and real facts.
#[test]
fn the_actions_of_the_examples_come_out_as_their_table_says() {
    let home = Home::new();
    let folder = root().join("examples/actions");
    let table: toml::Table = fs::read_to_string(folder.join("policy-tests.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let mut people = BTreeMap::new();
    let mut tested = BTreeSet::new();
    for test in table["test"].as_array().unwrap() {
        let text = |key: &str| test.get(key).and_then(toml::Value::as_str);
        let name = text("name").unwrap();
        let action = folder.join(text("action").unwrap()).display().to_string();
        tested.insert(text("action").unwrap());
        let mut args = vec!["authorize".to_owned(), "--action".to_owned(), action.clone()];
        if let Some(facts) = test.get("facts") {
            args.extend(["--facts".to_owned(), facts_file(&home, facts)]);
        }
        for approval in test
            .get("approvals")
            .and_then(toml::Value::as_array)
            .into_iter()
            .flatten()
        {
            if let Some(approval) = approve(&home, &mut people, &action, approval) {
                args.extend(["--approval".to_owned(), approval]);
            }
        }
        let expected = text("expect").unwrap();
        let decided = home.run(&args);
        assert_eq!(decided.decision(), expected, "{name}: {decided:#?}");
        let exit = if expected == "allow" {
            0
        } else if expected == "deny" {
            10
        } else {
            11
        };
        let decided = decided.exits(exit);
        if let Some(rules) = test.get("rules").and_then(toml::Value::as_array) {
            let expected: BTreeSet<&str> = rules.iter().filter_map(toml::Value::as_str).collect();
            let json = decided.json();
            let found = json["policy"]["rules"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(Value::as_str)
                .collect();
            assert_eq!(expected, found, "{name}");
        }
        if expected == "allow" {
            home.verify(&home.write_pass(&decided), &action).exits(0);
        }
    }
    let there: BTreeSet<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".json"))
        .collect();
    assert_eq!(
        there.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        tested,
        "actions without a test"
    );
    home.run(["ledger", "verify"]).exits(0);
}

/// Facts as the table has them, a file beside it or the facts themselves, established now.
fn facts_file(home: &Home, facts: &toml::Value) -> String {
    let facts = match facts.as_str() {
        Some(name) => {
            let text = fs::read_to_string(root().join("examples/actions").join(name)).unwrap();
            serde_json::from_str::<Value>(&text).unwrap()["facts"].take()
        }
        None => serde_json::to_value(facts).unwrap(),
    };
    home.write("facts.json", crate::facts::document(0, &facts).to_string())
}

/// Has the approver of the table sign. Whoever the trust store doesn't take in (one person in two spellings) can't.
fn approve(home: &Home, people: &mut BTreeMap<String, bool>, action: &str, approval: &toml::Value) -> Option<String> {
    let texts = |key: &str| -> Vec<&str> {
        approval
            .get(key)
            .and_then(toml::Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(toml::Value::as_str)
            .collect()
    };
    let principal = approval["approver"].as_str().unwrap();
    let is_believed = *people
        .entry(principal.to_owned())
        .or_insert_with(|| home.approver(principal, &texts("roles")).exit == 0);
    let overridden = texts("overrides");
    let mut more: Vec<&str> = overridden.iter().flat_map(|rule| ["--rule", rule]).collect();
    if !more.is_empty() {
        more.extend(["--mode", "policy_override"]);
    }
    is_believed.then(|| home.approve_as(principal, action, &more))
}

#[test]
fn an_approval_turns_a_step_up_into_a_pass() {
    let home = Home::with_maintainer();
    home.run(["authorize", "--action", STEP_UP]).exits(11);
    let approval = home.approve(STEP_UP);
    let decided = home
        .run(["authorize", "--action", STEP_UP, "--approval", &approval])
        .exits(0);
    let pass = home.write_pass(&decided);
    let verified = home.verify(&pass, STEP_UP).exits(0).json();
    assert_eq!((&verified["valid"], &verified["codes"]), (&json!(true), &json!([])));
    assert_eq!(verified["pass"]["id"].as_str(), Some(decided.pass_id().as_str()));

    // Each is for one occurrence: used up, it turns nothing any more.
    let again = home
        .run(["authorize", "--action", STEP_UP, "--approval", &approval])
        .exits(11);
    assert!(
        again.reasons().contains(&"approval_already_used".to_owned()),
        "{again:?}"
    );
    // The pass of the first is not touched by that.
    home.verify(&pass, STEP_UP).exits(0);

    let inspected = home.run(["inspect", &pass]).exits(0).json();
    let embedded = inspected.to_string();
    assert!(
        embedded.contains(MAINTAINER) && embedded.contains("\"signed\""),
        "{embedded}"
    );
}

/// What an approval is not good for, and why.
#[test]
fn an_approval_of_anything_else_turns_nothing() {
    let home = Home::with_maintainer();
    let turned_by = |approval: &str, reason: &str| {
        let decided = home
            .run(["authorize", "--action", STEP_UP, "--approval", approval])
            .exits(11);
        assert!(decided.reasons().contains(&reason.to_owned()), "{reason}: {decided:#?}");
    };
    // Another action, another issuer, another policy.
    turned_by(&home.approve(DENY), "approval_binding_mismatch");
    turned_by(
        &home.approve_as(MAINTAINER, STEP_UP, &["--issuer", "urn:other"]),
        "approval_audience_mismatch",
    );
    let digest = format!("sha256:{}", "0".repeat(64));
    turned_by(
        &home.approve_as(MAINTAINER, STEP_UP, &["--policy-digest", &digest]),
        "approval_policy_mismatch",
    );
    // By someone whom nobody believes, or whose role is another.
    let stranger = "user:stranger@example.com";
    home.run(["keys", "new", "--out", &crate::home::key_file(stranger)])
        .exits(0);
    turned_by(&home.approve_as(stranger, STEP_UP, &[]), "approval_key_unknown");
    home.approver("user:guest@example.com", &["guest"]).exits(0);
    let of_a_guest = home.approve_as("user:guest@example.com", STEP_UP, &[]);
    home.run(["authorize", "--action", STEP_UP, "--approval", &of_a_guest])
        .exits(11);
    // Or a signature that was touched.
    let token = home.read(&home.approve(STEP_UP));
    let (signed, signature) = token.trim_end().rsplit_once('.').unwrap();
    let touched = home.write("touched.jwt", format!("{signed}.{}", crate::exits::flip(signature)));
    turned_by(&touched, "approval_signature_invalid");
    // A real one turns it: what was refused was not the home.
    home.run(["authorize", "--action", STEP_UP, "--approval", &home.approve(STEP_UP)])
        .exits(0);
}

/// An override lifts the deny that says so, by whom it says so, and nothing else.
#[test]
fn an_override_lifts_a_deny_for_who_may_override_it() {
    let home = Home::with_maintainer();
    let override_by = |principal: &str, more: &[&str]| {
        let lifting = ["--mode", "policy_override", "--rule", "github.protected"];
        home.approve_as(principal, DENY, &[&lifting, more].concat())
    };
    // Signed where nothing is known of the policy, which would refuse it.
    let checked = home.run(["policy", "check"]).exits(0).json();
    let digest = checked["digest"].as_str().unwrap();
    let elsewhere = ["--home", "nowhere", "--issuer", ISSUER, "--policy-digest", digest];
    let by_maintainer = override_by(MAINTAINER, &elsewhere);
    home.run(["authorize", "--action", DENY, "--approval", &by_maintainer])
        .exits(10);
    // Somebody approves here, but nobody with the role that this takes.
    let advice = || home.talk(["authorize", "--action", DENY]).exits(10).stderr;
    let add = "trust add approver.jwk --use approval --principal user:NAME --role security";
    assert!(advice().contains(add), "{}", advice());
    home.approver("user:officer@example.com", &["security"]).exits(0);
    assert!(!advice().contains("trust add"), "{}", advice());
    let lifted = override_by("user:officer@example.com", &[]);
    // The deny is gone, the step_up behind it is not.
    home.run(["authorize", "--action", DENY, "--approval", &lifted])
        .exits(11);
    let approval = home.approve(DENY);
    let both = [
        "authorize",
        "--action",
        DENY,
        "--approval",
        &lifted,
        "--approval",
        &approval,
    ];
    let pass = home.write_pass(&home.run(both).exits(0));
    home.verify(&pass, DENY).exits(0);
}

/// An executor needs the exported trust store and nothing of the issuer's.
#[test]
fn an_executor_verifies_without_a_home() {
    let issuer = Home::new();
    let pass = issuer.read(&issuer.pass(ALLOW));
    let trust = issuer.talk(["trust", "export"]).exits(0).stdout;
    let action = issuer.read(ALLOW);

    let executor = Home::none();
    executor.write("pass.jwt", pass);
    executor.write("trust.json", trust);
    let payload = example("linear-issue.json")["capability"]["payload"].to_string();
    executor.write("payload.json", payload);
    executor.write("action.json", action);
    let stated = [
        "--issuer",
        ISSUER,
        "--audience",
        "linear.issues.create",
        "--tenant",
        "org:example",
    ];
    let verify = |more: &[&str]| {
        let args = [&["verify", "--token", "pass.jwt", "--trust", "trust.json"], more].concat();
        executor.run(args)
    };
    let whole = verify(&[&["--action", "action.json"], &stated[..]].concat()).exits(0);
    assert!(compared(&whole).contains("task"));
    let parts = [
        "--tool",
        "linear.issues.create",
        "--resource",
        "team:ENG",
        "--payload",
        "payload.json",
    ];
    // What wasn't stated wasn't compared, and the verdict says so.
    let parts = verify(&[&parts, &stated[..]].concat()).exits(0);
    assert_eq!(
        compared(&parts),
        ["payload", "resource", "tool"].map(str::to_owned).into()
    );

    // Whatever is not stated here has to come from a home, and there is none.
    for at in [0, 2, 4] {
        let mut fewer = stated.to_vec();
        let missing = fewer[at];
        fewer.drain(at..at + 2);
        let refused = verify(&[&["--action", "action.json"], &fewer[..]].concat()).fails(2, "option_missing");
        assert!(refused.stdout.contains(missing), "{refused:?}");
    }
    // For another issuer, executor or tenant it holds nothing.
    for (at, other, code) in [
        (1, "urn:other", "issuer_mismatch"),
        (3, "other", "audience_mismatch"),
        (5, "org:other", "tenant_mismatch"),
    ] {
        let mut stated = stated;
        stated[at] = other;
        let parts = [
            "--tool",
            "linear.issues.create",
            "--resource",
            "team:ENG",
            "--payload",
            "payload.json",
        ];
        verify(&[&parts, &stated[..]].concat()).refuses(21, &[code]);
    }
}

fn compared(verified: &Ran) -> BTreeSet<String> {
    let json = verified.json();
    json["compared"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn an_override_names_every_rule_that_it_is_given() {
    let home = Home::with_approvers();
    let rules = ["github.protected", "github.secrets"];
    let mut command = vec!["approve", "--action", DENY, "--key", "officer.pem"];
    command.extend(["--as", "user:officer@example.com"]);
    command.extend(["--reason", "read it", "--yes", "--mode", "policy_override"]);
    command.extend(rules.iter().flat_map(|rule| ["--rule", *rule]));
    let approved = home.run(command).exits(0).json();
    assert_eq!(approved["approval"]["approval"]["rules"], serde_json::json!(rules));
}

/// An approval that nobody signed counts only where the issuer and whoever verifies both say so.
#[test]
fn an_asserted_approval_verifies_only_where_the_configuration_accepts_it() {
    let home = Home::new();
    let signed = home.read("home/config.toml");
    let accepting = signed.replace(
        "dangerously_accept_asserted = false",
        "dangerously_accept_asserted = true",
    );
    assert_ne!(signed, accepting);
    home.write("home/config.toml", &accepting);
    let policy =
        "schema = \"actionpass.policy.v1\"\nid = \"p\"\n[[rule]]\nid = \"ask\"\neffect = \"step_up\"\ntool = \"**\"\n";
    home.write("home/policy.toml", policy);
    let action = actionpass_testkit::fixtures::admit(&home.read(STEP_UP));
    let mut asserted = serde_json::to_value(actionpass_testkit::fixtures::asserted_approval(&action)).unwrap();
    let now = actionpass_core::Clock::now(&actionpass_core::System).unwrap();
    asserted["issuer"] = crate::home::ISSUER.into();
    asserted["approvedAt"] = now.to_string().into();
    let later = now.saturating_add(std::time::Duration::from_secs(600));
    asserted["expiresAt"] = later.to_string().into();
    home.write("asserted.json", asserted.to_string());
    let decided = home
        .run(["authorize", "--action", STEP_UP, "--approval", "asserted.json"])
        .exits(0);
    let pass = home.write_pass(&decided);
    home.verify(&pass, STEP_UP).exits(0);
    home.write("home/config.toml", &signed);
    home.verify(&pass, STEP_UP).refuses(25, &["approval_unsigned"]);
}
