//! What an attacker tries on the starter policy: none of it allows.

use actionpass_model::Decision::Allow;
use actionpass_policy::{RulePolicy, STARTER_POLICY};
use serde_json::{Value, json};

use crate::world::{action, facts, judge};

fn allowed(tool: &str, resource: &str, payload: Value) -> bool {
    let policy = RulePolicy::load(STARTER_POLICY, "policy.toml").unwrap();
    judge(
        &policy,
        &action(tool, resource, payload),
        &facts(&json!({ "testsPassed": true })),
        &[],
    )
    .decision
        == Allow
}

fn pull_request(files: Value) -> bool {
    allowed(
        "github.pull_requests.create",
        "repo:company/web-app",
        json!({ "repo": "company/web-app", "title": "t", "head": "agent/axt-418", "base": "main", "files": files }),
    )
}

#[test]
fn paths_that_lead_elsewhere() {
    assert!(pull_request(json!([{ "path": "src/retry.ts" }])));
    for path in [
        "src/../infra/prod/gateway.tf",
        "../src/a",
        "src/..",
        "./src/a",
        "/src/a",
        "src//a",
        "src/",
        "",
        "src\\..\\infra\\prod\\a",
        "src/%2e%2e/infra/prod/a",
        "src/a\u{0}.ts",
        "src/a\r\n",
        "SRC/a",
        "infra/prod/a",
        "src/.env",
        ".env",
    ] {
        assert!(!pull_request(json!([{ "path": path }])), "{path:?}");
        assert!(
            !pull_request(json!([{ "path": "src/retry.ts" }, { "path": path }])),
            "{path:?}"
        );
    }
}

#[test]
fn arrays_and_members_of_another_shape() {
    for files in [
        json!([]),
        json!(null),
        json!("src/a"),
        json!({}),
        json!({ "0": { "path": "src/a" }, "length": 1 }),
        json!(["src/a"]),
        json!([["src/a"]]),
        json!([{}]),
        json!([{ "path": null }]),
        json!([{ "path": ["src/a"] }]),
        json!([{ "path": 1 }]),
        json!([{ "Path": "src/a" }]),
        json!([{ "path": "src/a" }, {}]),
        json!([[]]),
        json!(12),
        json!(vec![json!({ "path": "src/a" }); 13]),
    ] {
        assert!(!pull_request(files.clone()), "{files}");
    }
    assert!(!allowed(
        "github.pull_requests.create",
        "repo:company/web-app",
        json!({ "repo": "company/web-app" })
    ));
    assert!(!allowed(
        "github.pull_requests.create",
        "repo:company/web-app",
        json!([])
    ));
}

#[test]
fn a_call_about_something_else_than_it_says() {
    let files = json!([{ "path": "src/a" }]);
    for (resource, repo) in [
        ("repo:company/web-app", json!("company/infra")),
        ("repo:company/web-app", json!("company/web-app ")),
        ("repo:company/web-app", json!(["company/web-app"])),
        ("repo:company/web-app", json!(null)),
        ("repo:evil/web-app", json!("evil/web-app")),
        ("repo:company/x/y", json!("company/x/y")),
        ("repos:company/web-app", json!("company/web-app")),
    ] {
        assert!(
            !allowed(
                "github.pull_requests.create",
                resource,
                json!({ "repo": repo, "files": files })
            ),
            "{resource} {repo}"
        );
    }
    assert!(allowed(
        "slack.messages.post",
        "channel:eng-updates",
        json!({ "channel": "eng-updates", "text": "hi" })
    ));
    assert!(!allowed(
        "slack.messages.post",
        "channel:eng-updates",
        json!({ "channel": "press", "text": "hi" })
    ));
    assert!(!allowed(
        "slack.messages.post",
        "channel:eng-updates",
        json!({ "channel": "eng-updates", "text": "hi <!channel>" })
    ));
    assert!(!allowed(
        "slack.messages.post",
        "channel:eng-updates",
        json!({ "channel": "eng-updates", "text": ["hi"] })
    ));
    assert!(!allowed(
        "slack.messages.post",
        "channel:eng/x",
        json!({ "channel": "eng/x", "text": "hi" })
    ));
    assert!(allowed(
        "files.write",
        "file:src/a",
        json!({ "path": "src/a", "content": "" })
    ));
    assert!(!allowed(
        "files.write",
        "file:src/a",
        json!({ "path": "src/b", "content": "" })
    ));
    assert!(!allowed(
        "files.write",
        "file:src/../.env",
        json!({ "path": "src/../.env", "content": "" })
    ));
}

#[test]
fn numbers_that_are_none() {
    let refund = |amount: Value| {
        allowed(
            "payments.refunds.create",
            "order:A",
            json!({ "order": "A", "currency": "EUR", "amount": amount }),
        )
    };
    for good in [json!(1), json!(5000), json!(4999.0)] {
        assert!(refund(good.clone()), "{good}");
    }
    for bad in [
        json!("10"),
        json!([10]),
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(5000.01),
        json!(4999.5),
        json!(5001),
        json!(1e300),
        json!({}),
    ] {
        assert!(!refund(bad.clone()), "{bad}");
    }
    assert!(!allowed(
        "payments.refunds.create",
        "order:A",
        json!({ "order": "A", "currency": "EUR" })
    ));
}

#[test]
fn commands_with_more_to_them() {
    let run = |payload: Value| allowed("shell.run", "host:ci", payload);
    assert!(run(json!({ "program": "cargo", "args": ["test", "--locked"] })));
    for bad in [
        json!({ "program": "cargo", "args": [] }),
        json!({ "program": "cargo" }),
        json!({ "program": "cargo", "args": ["test", "--config", "x"] }),
        json!({ "program": "cargo", "args": "test" }),
        json!({ "program": "cargo", "args": ["test"], "env": { "RUSTC_WRAPPER": "x" } }),
        json!({ "program": "cargo", "args": ["test"], "env": null }),
        json!({ "program": "./cargo", "args": ["test"] }),
        json!({ "program": "cargo test", "args": ["test"] }),
        json!({ "program": ["cargo"], "args": ["test"] }),
        json!("cargo test"),
    ] {
        assert!(!run(bad.clone()), "{bad}");
    }
}

#[test]
fn facts_that_the_agent_states_are_none() {
    let policy = RulePolicy::load(STARTER_POLICY, "policy.toml").unwrap();
    let mut document = crate::world::document(
        "github.pull_requests.create",
        "repo:company/web-app",
        json!({ "repo": "company/web-app", "files": [{ "path": "src/a" }], "testsPassed": true, "fact": { "testsPassed": true } }),
    );
    document["context"] = json!({ "testsPassed": true, "fact": { "testsPassed": true } });
    for facts in [
        actionpass_canon::BoundFacts::none(),
        facts(&json!({ "testspassed": true })),
        facts(&json!({ "fact": { "testsPassed": true } })),
    ] {
        assert_ne!(
            judge(&policy, &crate::world::bind(&document), &facts, &[]).decision,
            Allow
        );
    }
}

/// Calls that an exception or a missing member let through, each with what the engine says of them.
#[test]
fn force_under_another_name_or_type() {
    let rules = crate::world::policy(
        r#"
[[rule]]
id = "dev"
effect = "allow"
tool = "git.push"
when = [{ path = "payload.options.force", exists = false }, { path = "payload.branch", equals = "dev" }]
[[rule]]
id = "open"
effect = "allow"
tool = "git.plain"
[[rule]]
id = "no-force"
effect = "deny"
tool = "git.plain"
when = [{ path = "payload.force", exists = true, one_of = [true] }]
"#,
    );
    for (tool, payload, code, path) in [
        ("git.push", json!({ "branch": "dev" }), "rule_allowed", None),
        (
            "git.push",
            json!({ "branch": "dev", "options": {} }),
            "rule_allowed",
            None,
        ),
        (
            "git.push",
            json!({ "branch": "dev", "options": { "force": true } }),
            "condition_fails",
            Some("payload.options.force"),
        ),
        (
            "git.push",
            json!({ "branch": "dev", "options": [{ "force": true }] }),
            "condition_unknown",
            Some("payload.options.force"),
        ),
        (
            "git.push",
            json!({ "branch": "dev", "options": "--force" }),
            "condition_unknown",
            Some("payload.options.force"),
        ),
        (
            "git.push",
            json!({ "branch": "dev", "options": { "Force": true } }),
            "condition_unknown",
            Some("payload.options.force"),
        ),
        (
            "git.push",
            json!({ "branch": "dev", "OPTIONS": { "force": true } }),
            "condition_unknown",
            Some("payload.options.force"),
        ),
        ("git.plain", json!({}), "rule_allowed", None),
        ("git.plain", json!({ "force": false }), "rule_allowed", None),
        (
            "git.plain",
            json!({ "force": true }),
            "condition_holds",
            Some("payload.force"),
        ),
        (
            "git.plain",
            json!({ "Force": true }),
            "condition_unknown",
            Some("payload.force"),
        ),
        (
            "git.plain",
            json!({ "forc\u{0415}": true, "FORCE": 1 }),
            "condition_unknown",
            Some("payload.force"),
        ),
        (
            "git.plain",
            json!([{ "force": true }]),
            "condition_unknown",
            Some("payload.force"),
        ),
        (
            "git.plain",
            json!("--force"),
            "condition_unknown",
            Some("payload.force"),
        ),
    ] {
        let verdict = judge(
            &rules,
            &action(tool, "r:x", payload.clone()),
            &actionpass_canon::BoundFacts::none(),
            &[],
        );
        assert_eq!(verdict.decision == Allow, code == "rule_allowed", "{tool} {payload}");
        let said = |reason: &actionpass_model::Reason| reason.code == code && reason.path.as_deref() == path;
        assert!(
            verdict.reasons.iter().any(said),
            "{tool} {payload}: {:?}",
            verdict.reasons
        );
    }
}

/// The call that took 20 s: one rule, as many elements as members beside what they are compared with. Three places for
/// the right side, with the most that a step may read of it.
#[test]
fn a_right_side_is_looked_up_once() {
    let rule = |right: &str| {
        crate::world::policy(&format!(
            "[[rule]]\nid = \"r\"\neffect = \"allow\"\ntool = \"t\"\n\
             when = [{{ path = \"payload.items[].owner\", every = {{ same_as = \"{right}\" }} }}]\n"
        ))
    };
    let padding = || (0..10_000).map(|index| (format!("a{index:05}"), json!(0)));
    let with = |own: Value| {
        let mut members: serde_json::Map<_, _> = padding().collect();
        members.extend(own.as_object().unwrap().clone());
        Value::Object(members)
    };
    let items = |owner: &str| vec![json!({ "owner": owner }); 10_000];
    for (right, payload) in [
        (
            "payload.target.owner",
            json!({ "items": items("a"), "target": with(json!({ "owner": "a" })) }),
        ),
        ("payload.owner", with(json!({ "items": items("a"), "owner": "a" }))),
        (
            "owner",
            json!({ "items": items("user:owner@example.com"), "target": with(json!({})) }),
        ),
        (
            "{payload.target.owner}",
            json!({ "items": items("a"), "target": with(json!({ "owner": "a" })) }),
        ),
    ] {
        let size = payload.to_string().len() as u64;
        let (policy, action) = (rule(right), action("t", "r:x", payload));
        let facts = actionpass_canon::BoundFacts::none();
        assert_eq!(judge(&policy, &action, &facts, &[]).decision, Allow, "{right}");
        let steps = policy.work(&actionpass_policy::PolicyInput::new(&action, &facts, &[]));
        // A visit of each of the 10,000 elements, of its member and of what is asked of it.
        let visits = 4 * 16 * 10_000;
        assert!(steps < 5 * size + visits, "{right}: {steps} steps for {size} bytes");
    }
}

/// Rules that protect nothing, whatever key they are written with: refused, each with its code.
#[test]
fn rules_that_never_apply_do_not_load() {
    for (rule, code) in [
        ("tool = \"**\"\nresource = \"company/*\"", "policy_glob_matches_nothing"),
        (
            "tool = \"**\"\nresource = \"file:cafe\u{301}\"",
            "policy_glob_matches_nothing",
        ),
        ("tool = \"_x\"", "policy_glob_matches_nothing"),
        ("tool = \"**\"\nagent = \"codex\"", "policy_glob_matches_nothing"),
        ("tool = \"**\"\nvia = \"planner\"", "policy_glob_matches_nothing"),
        (
            "tool = \"**\"\nwhen = [{ path = \"resource\", glob = \"company/*\" }]",
            "policy_glob_matches_nothing",
        ),
        (
            "tool = \"**\"\nwhen = [{ path = \"owner\", glob = \"ann*\" }]",
            "policy_glob_matches_nothing",
        ),
        (
            "tool = \"**\"\nwhen = [{ path = \"tenant\", one_of = [\"example\"] }]",
            "policy_condition_impossible",
        ),
        (
            "tool = \"**\"\nwhen = [{ path = \"resource.kind\", equals = \"repo:\" }]",
            "policy_condition_impossible",
        ),
        (
            "tool = \"**\"\nwhen = [{ path = \"runtime\", equals = \"codex-cli\" }]",
            "policy_condition_impossible",
        ),
        (
            "tool = \"**\"\nunless = [{ path = \"tool\", equals = \"_x\" }]",
            "policy_condition_impossible",
        ),
        (
            "tool = \"github.*\"\nwhen = [{ path = \"tool\", equals = \"slack.post\" }]",
            "policy_condition_impossible",
        ),
        // Conditions of which each can hold, and no two together.
        (
            "tool = \"t\"\nwhen = [{ path = \"payload.a\", equals = 1 }, { path = \"payload.a\", equals = 2 }]",
            "policy_condition_impossible",
        ),
        (
            "tool = \"t\"\nwhen = [{ path = \"payload.a\", at_least = 5 }, { path = \"payload.b\", exists = true }, { path = \"payload.a\", less_than = 5 }]",
            "policy_condition_impossible",
        ),
        (
            "tool = \"t\"\nwhen = [{ path = \"payload.a\", exists = false }, { path = \"payload.a\", exists = true }]",
            "policy_condition_impossible",
        ),
        (
            "tool = \"t\"\nwhen = [{ path = \"fact.a\", min_length = 5 }, { path = \"fact.a\", max_length = 4 }]",
            "policy_condition_impossible",
        ),
        (
            "tool = \"t\"\nwhen = [{ path = \"payload.a\", glob = \"x*\" }, { path = \"payload.a\", at_most = 5 }]",
            "policy_condition_impossible",
        ),
        (
            "tool = \"t\"\nwhen = [{ path = \"payload.a\", members = [\"b\"] }, { path = \"payload.a.c\", exists = true }]",
            "policy_condition_impossible",
        ),
        (
            "tool = \"t\"\nwhen = [{ path = \"payload.c.d[]\", any = { equals = 1 } }, { path = \"payload\", members = [\"a\", \"b\"] }]",
            "policy_condition_impossible",
        ),
        // One value, however its path is spelled.
        (
            "tool = \"t\"\nwhen = [{ path = \"payload.a\", equals = 1 }, { path = 'payload.\"a\"', equals = 2 }]",
            "policy_condition_impossible",
        ),
        // A value, and what is inside of it.
        (
            "tool = \"t\"\nwhen = [{ path = \"payload.a\", exists = false }, { path = \"payload.a.b\", equals = 1 }]",
            "policy_condition_impossible",
        ),
        (
            "tool = \"t\"\nwhen = [{ path = \"payload.a.b.c\", exists = true }, { path = \"payload.a\", exists = false }]",
            "policy_condition_impossible",
        ),
        (
            "tool = \"t\"\nwhen = [{ path = \"payload.a\", glob = \"x*\" }, { path = \"payload.a.b\", exists = false }]",
            "policy_condition_impossible",
        ),
        (
            "tool = \"t\"\nwhen = [{ path = \"payload.a\", at_most = 5 }, { path = \"payload.a.b.c\", exists = true }]",
            "policy_condition_impossible",
        ),
        (
            "tool = \"t\"\nwhen = [{ path = \"payload.a\", min_length = 1 }, { path = \"payload.a.b\", exists = true }]",
            "policy_condition_impossible",
        ),
        (
            "tool = \"t\"\nwhen = [{ path = \"payload.a[]\", any = { equals = 1 } }, { path = \"payload.a.b\", equals = 1 }]",
            "policy_condition_impossible",
        ),
        (
            "tool = \"t\"\nwhen = [{ path = \"payload.a[].b\", any = { exists = false } }, { path = \"payload.a\", exists = false }]",
            "policy_condition_impossible",
        ),
        (
            "tool = \"t\"\nwhen = [{ path = \"payload.a.*\", every = { equals = 1 } }, { path = \"payload.a[]\", every = { equals = 1 } }]",
            "policy_condition_impossible",
        ),
        (
            "tool = \"t\"\nwhen = [{ path = \"payload.a.**\", any = { equals = 1 } }, { path = \"payload.a\", exists = false }]",
            "policy_condition_impossible",
        ),
        (
            "tool = \"t\"\nwhen = [{ path = \"payload.a\", members = [\"b\"] }, { path = \"payload.a.c[]\", every = { equals = 1 } }]",
            "policy_condition_impossible",
        ),
        (
            "tool = \"t\"\nwhen = [{ path = \"payload.a[]\", every = { members = [\"b\"] } }, { path = \"payload.a[].c\", any = { exists = true } }]",
            "policy_condition_impossible",
        ),
        (
            "tool = \"t\"\nwhen = [{ path = \"payload.a[]\", any = { equals = 1 } }, { path = \"payload.a.b[]\", any = { equals = 1 } }]",
            "policy_condition_impossible",
        ),
        // Every one of many values, and one of them.
        (
            "tool = \"t\"\nwhen = [{ path = \"payload.a[]\", every = { equals = 1 } }, { path = \"payload.a[]\", any = { equals = 2 } }]",
            "policy_condition_impossible",
        ),
        (
            "tool = \"t\"\nwhen = [{ path = \"payload.a[].b\", every = { at_most = 1 } }, { path = \"payload.a[].b\", every = { at_least = 2 } }]",
            "policy_condition_impossible",
        ),
        (
            "tool = \"t\"\nwhen = [{ path = \"payload.a[]\", any = { equals = 1 } }, { path = \"payload.a[].b\", every = { exists = true } }]",
            "policy_condition_impossible",
        ),
        (
            "tool = \"t\"\nwhen = [{ path = \"payload.**\", every = { glob = \"x*\" } }, { path = \"payload.**\", any = { at_most = 2 } }]",
            "policy_condition_impossible",
        ),
        // What a value is compared with.
        (
            "tool = \"t\"\nwhen = [{ path = \"payload.a\", same_as = \"payload.b\" }, { path = \"payload.b\", exists = false }]",
            "policy_condition_impossible",
        ),
        (
            "tool = \"t\"\nwhen = [{ path = \"payload.a\", same_as = \"payload.b\" }, { path = \"payload.b.c\", exists = true }]",
            "policy_condition_impossible",
        ),
        (
            "tool = \"t\"\nwhen = [{ path = \"payload.a\", same_as = \"payload.b\" }, { path = \"payload.a[]\", any = { equals = 1 } }]",
            "policy_condition_impossible",
        ),
        (
            "tool = \"t\"\nwhen = [{ path = \"payload.a\", same_as = \"{payload.b}/{payload.c}\" }, { path = \"payload.c\", equals = 1 }]",
            "policy_condition_impossible",
        ),
        // Exceptions that no call meets: they read as alternatives, and are asked together.
        (
            "tool = \"t\"\nunless = [{ path = \"payload.a\", equals = 1 }, { path = \"payload.a\", equals = 2 }]",
            "policy_condition_impossible",
        ),
        (
            "tool = \"github.*\"\nunless = [{ path = \"tool\", equals = \"slack.post\" }]",
            "policy_condition_impossible",
        ),
        // Tests of one condition that no value has the type for, also below `**`.
        (
            "tool = \"t\"\nwhen = [{ path = \"payload.**\", any = { glob = \"x\", at_most = 5 } }]",
            "policy_condition_impossible",
        ),
        (
            "tool = \"t\"\nwhen = [{ path = \"payload.a\", members = [\"b\"], min_length = 1 }]",
            "policy_condition_impossible",
        ),
        (
            "tool = \"t\"\nwhen = [{ path = \"payload.a\", one_of = [true], at_most = 5, decimal = true }]",
            "policy_condition_impossible",
        ),
        // Exceptions of everything.
        (
            "tool = \"slack.*\"\nunless = [{ path = \"tool\", glob = [\"jira.*\", \"slack.*\"] }]",
            "policy_condition_impossible",
        ),
        (
            "tool = [\"a\", \"b\"]\nunless = [{ path = \"tool\", one_of = [\"a\", \"b\", \"c\"] }, { path = \"task\", glob = \"**\" }]",
            "policy_condition_impossible",
        ),
    ] {
        let text =
            format!("schema = \"actionpass.policy.v1\"\nid = \"p\"\n[[rule]]\nid = \"r\"\neffect = \"deny\"\n{rule}\n");
        let error = RulePolicy::load(&text, "policy.toml").expect_err(rule);
        assert_eq!(error.code().as_str(), code, "{rule}: {error}");
    }
}

/// Conditions that look alike, and that some call meets.
#[test]
fn rules_that_may_apply_load() {
    for rule in [
        "when = [{ path = \"payload.a\", at_least = 5 }, { path = \"payload.a\", at_most = 5 }]",
        "when = [{ path = \"payload.a\", exists = true }, { path = \"payload.a\", equals = 2 }]",
        "when = [{ path = \"payload.a\", exists = false }, { path = \"payload.a\", exists = false }]",
        "when = [{ path = \"payload.a\", equals = 1 }, { path = \"fact.a\", equals = 2 }]",
        // Each by another value.
        "when = [{ path = \"payload.a[]\", any = { equals = 1 } }, { path = \"payload.a[]\", any = { equals = 2 } }]",
        "when = [{ path = \"payload.a\", glob = \"1*\" }, { path = \"payload.a\", at_most = 15, decimal = true }]",
        "when = [{ path = \"payload.a\", members = [\"b\"] }, { path = \"payload.a.b\", exists = true }]",
        "when = [{ path = \"payload.a\", members = [\"b\"] }, { path = \"payload.a.c\", exists = false }]",
        "when = [{ path = \"payload.a\", members = [\"b\"] }, { path = \"payload.c\", exists = true }]",
        "when = [{ path = \"payload.a\", exists = false }, { path = \"payload.a.b\", exists = false }]",
        "when = [{ path = \"payload.a.b\", exists = false }, { path = \"payload.a\", exists = false }]",
        "when = [{ path = \"payload.a\", exists = true }, { path = \"payload.a.b\", exists = false }]",
        "when = [{ path = \"payload.a\", max_length = 5 }, { path = \"payload.a[].b\", every = { equals = 1 } }]",
        "when = [{ path = \"payload.a[]\", any = { members = [\"b\"] } }, { path = \"payload.a[].c\", any = { exists = true } }]",
        "when = [{ path = \"payload.a[]\", every = { members = [\"b\"] } }, { path = \"payload.a[].c\", any = { exists = false } }]",
        "when = [{ path = \"payload.a[].b\", any = { equals = 1 } }, { path = \"payload.a[].b\", every = { at_most = 1 } }]",
        "when = [{ path = \"payload.a[].b\", any = { equals = 1 } }, { path = \"payload.a[]\", any = { equals = 2 } }]",
        "when = [{ path = \"payload.a.b\", exists = true }, { path = \"payload.a.**\", any = { equals = 1 } }]",
        "when = [{ path = \"payload.a\", same_as = \"payload.b\" }, { path = \"payload.b\", one_of = [\"x\", 1, true] }]",
        "when = [{ path = \"payload.A\", equals = 1 }, { path = \"payload.a\", equals = 2 }]",
        "unless = [{ path = \"tool\", glob = \"slack.post\" }]",
        "unless = [{ path = \"tool\", glob = \"slack.*\" }, { path = \"task\", glob = \"run-*\" }]",
        "unless = [{ path = \"server\", glob = \"**\" }]",
    ] {
        let text = format!(
            "schema = \"actionpass.policy.v1\"\nid = \"p\"\n[[rule]]\nid = \"r\"\neffect = \"deny\"\ntool = \"slack.*\"\n{rule}\n"
        );
        let loaded = RulePolicy::load(&text, "policy.toml");
        assert!(loaded.is_ok(), "{rule}: {}", loaded.unwrap_err());
    }
}
