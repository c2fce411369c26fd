//! What an author is told to look at again.

use actionpass_model::Role;
use actionpass_policy::{PolicyEngine, RulePolicy, STARTER_POLICY, WarningCode};

/// The codes of the warnings about one rule, with its effect and what else it says.
fn warned(effect: &str, text: &str, held: Option<&[&str]>) -> Vec<(&'static str, String)> {
    let policy = format!(
        "schema = \"actionpass.policy.v1\"\nid = \"p\"\n[[rule]]\nid = \"r\"\neffect = \"{effect}\"\ntool = \"t\"\n{text}\n"
    );
    let policy = RulePolicy::load(&policy, "p").unwrap();
    let held: Option<Vec<Role>> = held.map(|held| held.iter().map(|role| Role::parse(role).unwrap()).collect());
    let warnings = policy.warnings(held.as_deref()).into_iter();
    warnings
        .map(|warning| (warning.code.as_str(), warning.message))
        .collect()
}

fn codes(effect: &str, text: &str) -> Vec<&'static str> {
    warned(effect, text, None).into_iter().map(|(code, _)| code).collect()
}

#[test]
fn an_allow_that_leaves_the_payload_open() {
    let open = WarningCode::PayloadOpen.as_str();
    assert_eq!(codes("allow", ""), [open]);
    let named =
        "when = [{ path = \"payload.text\", max_length = 9 }, { path = \"payload.to[]\", any = { equals = \"a\" } }]";
    let warnings = warned("allow", named, None);
    assert_eq!(warnings[0].0, open);
    assert!(
        warnings[0]
            .1
            .contains(r#"{ path = "payload", members = ["text","to"] }"#),
        "{warnings:?}"
    );
    // What it proposes loads, and is enough.
    let closed = r#"when = [{ path = "payload.text", max_length = 9 }, { path = "payload", members = ["text","to"] }]"#;
    assert_eq!(codes("allow", closed), [""; 0]);
    // Another object that is closed is not the payload.
    assert_eq!(
        codes("allow", "when = [{ path = \"payload.a\", members = [\"b\"] }]"),
        [open]
    );
    // Only `when` narrows: an exception doesn't.
    assert_eq!(
        codes("allow", "unless = [{ path = \"payload\", members = [\"b\"] }]"),
        [open]
    );
    assert_eq!(codes("deny", ""), [""; 0]);
}

#[test]
fn a_folder_without_itself() {
    let left = WarningCode::FolderItselfLeft.as_str();
    let deny = |patterns: &str| {
        codes(
            "deny",
            &format!("when = [{{ path = \"payload.p\", path_glob = {patterns} }}]"),
        )
    };
    assert_eq!(deny("\"infra/prod/**\""), [left]);
    assert_eq!(deny("[\"infra/prod/**\", \"infra/prod\"]"), [""; 0]);
    assert_eq!(deny("[\"**/.git/**\", \"**/.gitx\"]"), [left]);
    assert_eq!(deny("[\"**/.git/**\", \"**/.git\"]"), [""; 0]);
    assert_eq!(deny("[\"**/.git/**\", \"**/.git*\"]"), [""; 0]);
    assert_eq!(deny("[\"a/**\", \"**\"]"), [""; 0]);
    assert_eq!(deny("[\"**/x\", \"x/**\"]"), [""; 0]);
    assert_eq!(deny("[\"a/*/**\", \"a/*\"]"), [""; 0]);
    assert_eq!(deny("\"*/**\""), [""; 0]);
    for pattern in ["x/**/*", "x/**/**", "x*/**", "a/*/**"] {
        assert_eq!(deny(&format!("{pattern:?}")), [left], "{pattern}");
    }
    // Whatever compares a path as a text.
    for path in ["payload.p", "resource.value"] {
        let glob = |patterns| codes("deny", &format!("when = [{{ path = \"{path}\", glob = {patterns} }}]"));
        assert_eq!(glob("\"x/**\""), [left], "{path}");
        assert_eq!(glob("[\"x/**\", \"x\"]"), [""; 0], "{path}");
    }
    assert_eq!(codes("deny", "resource = \"file:x/**\""), [left]);
    assert_eq!(codes("deny", "resource = [\"file:x/**\", \"file:x\"]"), [""; 0]);
    assert_eq!(codes("deny", "resource = \"file:**\""), [""; 0]);
    assert_eq!(deny("\"a/*\""), [""; 0]);
    // Inside of `any` too, without regard to case, and for a step_up.
    let any = "agent = \"agent:a\"\nwhen = [{ path = \"payload.p[]\", any = { path_glob_nocase = \"X/**\" } }]";
    assert_eq!(codes("step_up", any), [left]);
    // An allow is safer without the folder itself.
    let allow = "when = [{ path = \"payload\", members = [\"p\"] }, { path = \"payload.p\", path_glob = \"src/**\" }]";
    assert_eq!(codes("allow", allow), [""; 0]);
}

#[test]
fn a_step_up_for_any_agent() {
    assert_eq!(codes("step_up", ""), [WarningCode::ApprovedForAnyAgent.as_str()]);
    assert_eq!(codes("step_up", "agent = \"agent:*\""), [""; 0]);
    assert_eq!(
        codes("step_up", "when = [{ path = \"agent\", equals = \"agent:a\" }]"),
        [""; 0]
    );
}

/// What matches every agent, or leaves out one, narrows nothing.
#[test]
fn a_step_up_for_nearly_any_agent() {
    let any = WarningCode::ApprovedForAnyAgent.as_str();
    for text in [
        "agent = \"*\"",
        "agent = \"**\"",
        "agent = [\"agent:a\", \"**\"]",
        "unless = [{ path = \"agent\", equals = \"agent:a\" }]",
        "when = [{ path = \"agent\", glob = \"**\" }]",
    ] {
        assert_eq!(codes("step_up", text), [any], "{text}");
    }
}

#[test]
fn roles_that_nobody_holds() {
    let text = "agent = \"agent:a\"\napprovals = { count = 1, roles = [\"maintainer\", \"security\"] }";
    assert_eq!(warned("step_up", text, None), []);
    assert_eq!(warned("step_up", text, Some(&["maintainer", "security"])), []);
    let warnings = warned("step_up", text, Some(&["maintainer"]));
    assert_eq!(warnings[0].0, WarningCode::RoleUnheld.as_str());
    assert!(warnings[0].1.ends_with(": security"), "{warnings:?}");
    assert_eq!(warned("deny", "overridable_by = [\"security\"]", Some(&[])).len(), 1);
}

#[test]
fn the_starter_policy_needs_no_second_look() {
    let policy = RulePolicy::load(STARTER_POLICY, "policy.toml").unwrap();
    assert_eq!(policy.id().as_str(), "starter");
    assert_eq!(policy.warnings(None), []);
}
