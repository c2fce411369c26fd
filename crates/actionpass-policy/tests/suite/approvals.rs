//! Approvals, overrides, lifetimes and obligations.

use std::time::Duration;

use actionpass_canon::{BoundAction, BoundFacts};
use actionpass_model::Decision::{Allow, Deny, StepUp};
use actionpass_model::{Decision, Grant, Role};
use actionpass_policy::grants::Standing::{Counts, IsOwner, OtherMode};
use actionpass_policy::grants::{self, Need};
use actionpass_policy::{PolicyInput, Requirement, RulePolicy, Verdict};
use serde_json::json;

use crate::world::{asserted, bind, document, human, ids, judge, overriding, policy};

fn call() -> BoundAction {
    let mut document = document("t", "r:x", json!({}));
    document["actor"]["via"] = json!(["agent:planner"]);
    bind(&document)
}

fn with(policy: &RulePolicy, grants: &[Grant]) -> Verdict {
    judge(policy, &call(), &BoundFacts::none(), grants)
}

fn relied(verdict: &Verdict) -> Vec<&str> {
    verdict
        .relied_on
        .iter()
        .map(|approval| approval.approver.as_str())
        .collect()
}

const TWO: &str = "[[rule]]\nid = \"two\"\neffect = \"step_up\"\ntool = \"t\"\napprovals = { count = 2, roles = [\"a\", \"b\"], not_owner = true }\n";

#[test]
fn a_step_up_counts_different_people_with_a_role() {
    let policy = policy(TWO);
    let ann = || human(1, "user:ann", &["a"]);
    let bob = || human(2, "user:bob", &["x", "b"]);
    let cases: Vec<(&str, Vec<Grant>, Decision)> = vec![
        ("nobody", vec![], StepUp),
        ("one", vec![ann()], StepUp),
        ("two", vec![ann(), bob()], Allow),
        ("one twice", vec![ann(), ann()], StepUp),
        (
            "one person, two approvals",
            vec![ann(), human(3, "user:ann", &["b"])],
            StepUp,
        ),
        (
            "one person, two spellings",
            vec![ann(), human(3, "user:Ann", &["b"])],
            StepUp,
        ),
        (
            "one person, two kinds",
            vec![ann(), human(3, "service:ann", &["b"])],
            StepUp,
        ),
        ("no role", vec![ann(), human(3, "user:cat", &[])], StepUp),
        ("another role", vec![ann(), human(3, "user:cat", &["c", "A"])], StepUp),
        (
            "the owner",
            vec![ann(), human(3, "user:owner@example.com", &["a"])],
            StepUp,
        ),
        (
            "the owner, spelled differently",
            vec![ann(), human(3, "user:OWNER@example.com", &["a"])],
            StepUp,
        ),
        (
            "the agent's name",
            vec![ann(), human(3, "service:codex-prod", &["a"])],
            StepUp,
        ),
        (
            "an agent in between",
            vec![ann(), human(3, "service:planner", &["a"])],
            StepUp,
        ),
        (
            "an override",
            vec![ann(), overriding(3, "user:cat", &["a"], &["two"])],
            StepUp,
        ),
        ("an asserted one", vec![ann(), asserted(bob())], Allow),
    ];
    for (name, grants, expected) in cases {
        let verdict = with(&policy, &grants);
        assert_eq!(verdict.decision, expected, "{name}");
        assert_eq!(verdict.relied_on.len(), if expected == Allow { 2 } else { 0 }, "{name}");
    }
}

#[test]
fn what_is_missing_is_said() {
    let policy = policy(TWO);
    let verdict = with(&policy, &[human(1, "user:ann", &["a"]), human(2, "user:cat", &["c"])]);
    let [
        Requirement::Approval {
            rule,
            count,
            roles,
            not_owner,
            ..
        },
    ] = &verdict.required[..]
    else {
        panic!("{:?}", verdict.required)
    };
    assert_eq!((rule.as_str(), *count, roles.len(), *not_owner), ("two", 1, 2, true));
    let codes: Vec<&str> = verdict.reasons.iter().map(|reason| reason.code.as_str()).collect();
    assert_eq!(codes, ["approval_required", "approval_not_counted"]);
    assert_eq!(ids(&verdict.rules), ["two"]);
}

#[test]
fn without_approvals_stated_one_of_anybody_is_needed() {
    let policy = policy("[[rule]]\nid = \"one\"\neffect = \"step_up\"\ntool = \"t\"\n");
    assert_eq!(with(&policy, &[]).decision, StepUp);
    assert_eq!(
        with(&policy, &[human(1, "user:owner@example.com", &[])]).decision,
        Allow
    );
}

#[test]
fn every_step_up_must_be_satisfied() {
    let policy = policy(
        "[[rule]]\nid = \"a\"\neffect = \"step_up\"\ntool = \"t\"\napprovals = { count = 1, roles = [\"a\"] }\n\
         [[rule]]\nid = \"b\"\neffect = \"step_up\"\ntool = \"t\"\napprovals = { count = 1, roles = [\"b\"] }\n",
    );
    let verdict = with(&policy, &[human(1, "user:ann", &["a"])]);
    assert_eq!((verdict.decision, ids(&verdict.rules)), (StepUp, vec!["b"]));
    assert_eq!(
        with(&policy, &[human(1, "user:ann", &["a"]), human(2, "user:bob", &["b"])]).decision,
        Allow
    );
    // One person with both roles says yes to the same action for both.
    let verdict = with(&policy, &[human(1, "user:ann", &["a", "b"])]);
    assert_eq!((verdict.decision, verdict.relied_on.len()), (Allow, 1));
}

#[test]
fn relied_on_is_minimal_and_independent_of_order() {
    let policy = policy(
        "[[rule]]\nid = \"a\"\neffect = \"step_up\"\ntool = \"t\"\napprovals = { count = 1, roles = [\"a\"] }\n\
         [[rule]]\nid = \"b\"\neffect = \"step_up\"\ntool = \"t\"\napprovals = { count = 2, roles = [\"b\"] }\n",
    );
    let mut grants = vec![
        asserted(human(1, "user:old", &["a", "b"])),
        human(2, "user:ann", &["a"]),
        human(3, "user:bob", &["b"]),
        human(4, "user:cat", &["a", "b"]),
        human(5, "user:dan", &["b"]),
        human(6, "user:eve", &["x"]),
    ];
    // Not dan, whom the older ones make superfluous, and then not ann, because cat has both roles.
    let expected = ["user:bob", "user:cat"];
    for _ in 0..grants.len() {
        grants.rotate_left(1);
        assert_eq!(relied(&with(&policy, &grants)), expected);
    }
    // Nothing can be left out of it.
    let needed: Vec<Grant> = grants
        .iter()
        .filter(|grant| {
            with(&policy, &grants)
                .relied_on
                .iter()
                .any(|approval| approval.id == grant.id)
        })
        .cloned()
        .collect();
    assert_eq!(with(&policy, &needed).decision, Allow);
    for left_out in 0..needed.len() {
        let mut fewer = needed.clone();
        fewer.remove(left_out);
        assert_eq!(with(&policy, &fewer).decision, StepUp);
    }
    // An allow that needs no approval relies on none.
    let open = crate::world::policy("[[rule]]\nid = \"open\"\neffect = \"allow\"\ntool = \"t\"\n");
    assert_eq!(with(&open, &grants).relied_on, []);
}

#[test]
fn two_approvers_may_have_chosen_one_id() {
    let policy = policy("[[rule]]\nid = \"two\"\neffect = \"step_up\"\ntool = \"t\"\napprovals = { count = 2 }\n");
    let verdict = with(&policy, &[human(1, "user:bob", &[]), human(1, "user:ann", &[])]);
    assert_eq!(
        (verdict.decision, relied(&verdict)),
        (Allow, vec!["user:ann", "user:bob"])
    );
}

#[test]
fn an_override_lifts_only_what_it_names_and_may() {
    let policy = policy(
        "[[rule]]\nid = \"open\"\neffect = \"allow\"\ntool = \"t\"\n\
         [[rule]]\nid = \"shut\"\neffect = \"deny\"\ntool = \"t\"\noverridable_by = [\"security\"]\n",
    );
    let cases: Vec<(&str, Vec<Grant>, Decision)> = vec![
        ("none", vec![], Deny),
        (
            "right",
            vec![overriding(1, "user:sam", &["security"], &["shut"])],
            Allow,
        ),
        (
            "one of several rules",
            vec![overriding(1, "user:sam", &["x", "security"], &["other", "shut"])],
            Allow,
        ),
        (
            "another rule",
            vec![overriding(1, "user:sam", &["security"], &["open"])],
            Deny,
        ),
        (
            "a pattern",
            vec![overriding(1, "user:sam", &["security"], &["shut.x"])],
            Deny,
        ),
        ("no rule", vec![overriding(1, "user:sam", &["security"], &[])], Deny),
        (
            "another role",
            vec![overriding(1, "user:sam", &["maintainer"], &["shut"])],
            Deny,
        ),
        ("no role", vec![overriding(1, "user:sam", &[], &["shut"])], Deny),
        (
            "asserted",
            vec![asserted(overriding(1, "user:sam", &["security"], &["shut"]))],
            Deny,
        ),
        (
            "human",
            vec![Grant {
                mode: actionpass_model::ApprovalMode::Human,
                ..overriding(1, "user:sam", &["security"], &["shut"])
            }],
            Deny,
        ),
        (
            "the agent",
            vec![overriding(1, "service:codex-prod", &["security"], &["shut"])],
            Deny,
        ),
    ];
    for (name, grants, expected) in cases {
        let verdict = with(&policy, &grants);
        assert_eq!(verdict.decision, expected, "{name}");
        assert_eq!(verdict.relied_on.len(), usize::from(expected == Allow), "{name}");
    }
    let verdict = with(&policy, &[]);
    assert!(
        matches!(&verdict.required[..], [Requirement::Override { rule, roles, .. }] if rule.as_str() == "shut" && roles.len() == 1)
    );
    let verdict = with(&policy, &[overriding(1, "user:sam", &["security"], &["shut"])]);
    assert_eq!(ids(&verdict.rules), ["open", "shut"]);
    assert_eq!(verdict.reasons[0].code, "rule_overridden");
}

#[test]
fn a_rule_that_names_nobody_is_never_lifted() {
    let policy = policy(
        "[[rule]]\nid = \"open\"\neffect = \"allow\"\ntool = \"t\"\n[[rule]]\nid = \"shut\"\neffect = \"deny\"\ntool = \"t\"\n",
    );
    let verdict = with(&policy, &[overriding(1, "user:sam", &["security"], &["shut"])]);
    assert_eq!((verdict.decision, verdict.required), (Deny, vec![]));
}

/// Nobody is asked for an override that would not turn the decision.
#[test]
fn an_override_is_asked_for_only_where_it_is_enough() {
    let deny = |id: &str, more: &str| format!("[[rule]]\nid = \"{id}\"\neffect = \"deny\"\ntool = \"t\"\n{more}\n");
    let lifted = deny("lifted", "overridable_by = [\"security\"]");
    let open = "[[rule]]\nid = \"open\"\neffect = \"allow\"\ntool = \"t\"\n";
    let required = |rules: &str| with(&policy(rules), &[]).required.len();
    assert_eq!(required(&format!("{open}{lifted}")), 1);
    assert_eq!(required(&format!("{open}{lifted}{}", deny("final", ""))), 0);
    assert_eq!(required(&lifted), 0, "nothing would permit it");
}

/// However many rules decide, a record stays small.
#[test]
fn a_verdict_has_at_most_32_reasons() {
    let many = |effect: &str, more: &str| -> String {
        (0..40)
            .map(|index| format!("[[rule]]\nid = \"r{index}\"\neffect = \"{effect}\"\ntool = \"t\"\n{more}\n"))
            .collect()
    };
    let absent = "when = [{ path = \"payload.a\", equals = 1 }]";
    for (effect, more, decision) in [
        ("allow", "", Allow),
        ("deny", "", Deny),
        ("step_up", "", StepUp),
        ("allow", absent, Deny),
    ] {
        let verdict = with(&policy(&many(effect, more)), &[]);
        assert_eq!(
            (verdict.decision, verdict.reasons.len()),
            (decision, 32),
            "{effect} {more}"
        );
        if !more.is_empty() {
            assert_eq!(verdict.required.len(), 32);
        }
    }
}

#[test]
fn an_override_neither_permits_nor_satisfies() {
    let alone = policy("[[rule]]\nid = \"shut\"\neffect = \"deny\"\ntool = \"t\"\noverridable_by = [\"security\"]\n");
    let verdict = with(&alone, &[overriding(1, "user:sam", &["security"], &["shut"])]);
    assert_eq!(
        (verdict.decision, ids(&verdict.rules)),
        (Deny, vec![]),
        "the default deny stays"
    );
    assert_eq!(verdict.reasons[0].code, "default_deny");

    let both = policy(
        "[[rule]]\nid = \"shut\"\neffect = \"deny\"\ntool = \"t\"\noverridable_by = [\"security\"]\n\
         [[rule]]\nid = \"ask\"\neffect = \"step_up\"\ntool = \"t\"\n",
    );
    let sam = overriding(1, "user:sam", &["security"], &["shut", "ask"]);
    assert_eq!(with(&both, &[]).decision, Deny);
    assert_eq!(with(&both, std::slice::from_ref(&sam)).decision, StepUp);
    let verdict = with(&both, &[sam, human(2, "user:sam", &[])]);
    assert_eq!((verdict.decision, verdict.relied_on.len()), (Allow, 2));
}

#[test]
fn the_shortest_lifetime_and_all_obligations_of_the_rules_that_permit() {
    let policy = policy(
        "[[rule]]\nid = \"a\"\neffect = \"allow\"\ntool = \"t\"\nlifetime = \"5m\"\nobligations = [{ id = \"log\" }, { id = \"rate\", params = { per_minute = 5 } }]\n\
         [[rule]]\nid = \"b\"\neffect = \"step_up\"\ntool = \"t\"\nlifetime = \"90s\"\nobligations = [{ id = \"rate\", params = { per_minute = 1 } }, { id = \"log\" }]\n\
         [[rule]]\nid = \"c\"\neffect = \"allow\"\ntool = \"other\"\nlifetime = \"1s\"\nobligations = [{ id = \"never\" }]\n",
    );
    let verdict = with(&policy, &[human(1, "user:ann", &[])]);
    assert_eq!(verdict.lifetime, Some(Duration::from_secs(90)));
    let obligations: Vec<(&str, String)> = verdict
        .obligations
        .iter()
        .map(|obligation| {
            (
                obligation.id.as_str(),
                serde_json::to_string(&obligation.params).unwrap(),
            )
        })
        .collect();
    assert_eq!(
        obligations,
        [
            ("log", "{}".to_owned()),
            ("rate", r#"{"per_minute":5}"#.to_owned()),
            ("rate", r#"{"per_minute":1}"#.to_owned())
        ]
    );
    assert_eq!(ids(&verdict.rules), ["a", "b"]);
    let waiting = with(&policy, &[]);
    assert_eq!((waiting.lifetime, waiting.obligations.len()), (None, 0));
}

#[test]
fn an_approval_that_names_rules_serves_no_other() {
    let policy = policy("[[rule]]\nid = \"r\"\neffect = \"step_up\"\ntool = \"t\"\napprovals = { count = 1 }\n");
    let naming = |rules: &[&str]| Grant {
        rules: rules.iter().map(|rule| rule.parse().unwrap()).collect(),
        ..human(1, "user:maria", &[])
    };
    assert_eq!(with(&policy, &[naming(&[])]).decision, Allow);
    assert_eq!(with(&policy, &[naming(&["r"])]).decision, Allow);
    assert_eq!(with(&policy, &[naming(&["other"])]).decision, StepUp);
}

/// What an engine without rules of ours states by itself, and gets the same answers.
#[test]
fn any_engine_can_say_what_it_needs() {
    let (shut, ask) = ("shut".parse().unwrap(), "ask".parse().unwrap());
    let [security, reviewer] = ["security", "reviewer"].map(|role| [Role::parse(role).unwrap()]);
    let (lift, review) = (
        Need::override_by(&shut, &security),
        Need::approvals(&ask, 2, &reviewer).not_of_owner(),
    );
    let owner = "user:owner@example.com";
    let (call, facts) = (call(), BoundFacts::none());
    let grants = [
        human(5, "user:cat", &["reviewer"]),
        human(1, "user:ann", &["reviewer"]),
        human(2, "user:ANN", &["reviewer"]),
        human(3, "user:bob", &["reviewer"]),
        human(4, owner, &["reviewer"]),
        overriding(6, owner, &["security"], &["shut"]),
    ];
    let standings = |need: &Need<'_>| grants.each_ref().map(|grant| need.standing(grant, &call));
    assert_eq!(standings(&review), [Counts, Counts, Counts, Counts, IsOwner, OtherMode]);
    // Roles alone decide who may lift.
    let lifting = [OtherMode, OtherMode, OtherMode, OtherMode, OtherMode, Counts];
    assert_eq!(standings(&lift), lifting);
    assert_eq!(standings(&lift.not_of_owner()), lifting);

    let of = |grants| PolicyInput::new(&call, &facts, grants);
    assert_eq!((review.missing(&of(&grants)), lift.missing(&of(&grants))), (0, 0));
    // Both are one person's.
    assert_eq!(
        (review.missing(&of(&grants[1..3])), lift.missing(&of(&grants[1..3]))),
        (1, 1)
    );
    assert_eq!(Need::override_by(&shut, &[]).missing(&of(&grants)), 1, "nobody may");
    assert!(matches!(
        review.requirement(&of(&grants[1..3])),
        Requirement::Approval { rule, count: 1, not_owner: true, .. } if rule == ask
    ));

    let ids = |needs: &[Need<'_>], grants: &[Grant]| {
        let needed = grants::needed(needs, &PolicyInput::new(&call, &facts, grants));
        let numbers = needed
            .iter()
            .map(|relied| relied.id.as_str().trim_start_matches("apr_0").to_owned());
        numbers
            .map(|number| number.trim_start_matches('0').to_owned())
            .collect::<Vec<_>>()
    };
    // The oldest of each person that is needed, whatever the order in which they were offered.
    let mut reversed = grants.to_vec();
    reversed.reverse();
    for grants in [&grants[..], &reversed] {
        assert_eq!(ids(&[review, lift], grants), ["1", "3", "6"]);
    }
    assert_eq!(ids(&[lift], &grants), ["6"]);
    assert_eq!(ids(&[], &grants), <[&str; 0]>::default());
}
