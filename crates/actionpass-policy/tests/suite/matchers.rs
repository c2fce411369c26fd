//! Which calls a rule is about.

use actionpass_model::Decision::{Allow, Deny};
use serde_json::{Value, json};

use crate::world::{bind, decide, document, policy};

fn with_via(via: Value) -> Value {
    let mut document = document("github.pull_requests.create", "repo:company/web-app", json!({}));
    document["actor"]["via"] = via;
    document
}

#[test]
fn every_matcher_must_match() {
    let action = bind(&with_via(json!(["agent:planner"])));
    for (key, good, bad) in [
        ("tool", "github.pull_requests.create", "github.pull_requests"),
        ("tool", "github.*", "slack.*"),
        ("resource", "repo:company/*", "repo:company"),
        ("resource", "repo:**", "repo:*"),
        ("agent", "agent:codex-*", "agent:codex"),
        ("owner", "user:*@example.com", "user:*@example.org"),
        ("tenant", "org:example", "org:exampl"),
        ("runtime", "runtime:codex-cli", "runtime:other"),
        ("via", "agent:planner", "agent:plan"),
    ] {
        let rule = |pattern: &str| {
            let tool = if key == "tool" { "" } else { "tool = \"**\"\n" };
            policy(&format!(
                "[[rule]]\nid = \"r\"\neffect = \"allow\"\n{tool}{key} = {pattern}"
            ))
        };
        assert_eq!(decide(&rule(&format!("\"{good}\"")), &action), Allow, "{key} {good}");
        assert_eq!(decide(&rule(&format!("\"{bad}\"")), &action), Deny, "{key} {bad}");
        assert_eq!(
            decide(&rule(&format!("[\"{bad}\", \"{good}\"]")), &action),
            Allow,
            "{key} list"
        );
    }
}

#[test]
fn one_matcher_that_differs_is_enough() {
    let action = bind(&with_via(json!([])));
    let rule = |agent: &str, owner: &str| {
        policy(&format!(
            "[[rule]]\nid = \"r\"\neffect = \"allow\"\ntool = \"**\"\nagent = \"{agent}\"\nowner = \"{owner}\""
        ))
    };
    assert_eq!(decide(&rule("agent:*", "user:*"), &action), Allow);
    assert_eq!(decide(&rule("agent:x", "user:*"), &action), Deny);
    assert_eq!(decide(&rule("agent:*", "user:x"), &action), Deny);
}

#[test]
fn an_allow_vouches_for_the_whole_chain_and_a_deny_for_any_link() {
    let open = "[[rule]]\nid = \"open\"\neffect = \"allow\"\ntool = \"**\"\n";
    for (via, pattern, allow, deny) in [
        (json!([]), "\"agent:planner\"", Deny, Allow),
        (json!(["agent:planner"]), "\"agent:planner\"", Allow, Deny),
        (json!(["agent:planner", "agent:evil"]), "\"agent:planner\"", Deny, Deny),
        (json!(["agent:evil", "agent:planner"]), "\"agent:evil\"", Deny, Deny),
        (
            json!(["agent:planner", "agent:evil"]),
            "[\"agent:planner\", \"agent:evil\"]",
            Allow,
            Deny,
        ),
        (json!([]), "[]", Allow, Deny),
        (json!(["agent:planner"]), "[]", Deny, Allow),
    ] {
        let action = bind(&with_via(via.clone()));
        let only = format!("[[rule]]\nid = \"r\"\neffect = \"allow\"\ntool = \"**\"\nvia = {pattern}\n");
        let not = format!("{open}[[rule]]\nid = \"r\"\neffect = \"deny\"\ntool = \"**\"\nvia = {pattern}\n");
        assert_eq!(decide(&policy(&only), &action), allow, "allow via {via} {pattern}");
        assert_eq!(decide(&policy(&not), &action), deny, "deny via {via} {pattern}");
    }
}
