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
        json!({ "repo": "company/web-app", "files": files }),
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
    for good in [json!(1), json!(5000), json!(4999.5)] {
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
