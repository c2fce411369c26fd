//! G3: a deny that isn't lifted beats step_up beats allow.

use actionpass_canon::sha256;
use actionpass_core::Approval;
use actionpass_model::{Decision, RuleId, Statement};
use actionpass_policy::RulePolicy;
use actionpass_testkit::fixtures::FixtureKey;
use actionpass_testkit::policies::NeedsApprovals;
use actionpass_testkit::{Testbed, fixtures};

use crate::common::{Checked, codes, reasons};

const EFFECTS: [(&str, &str); 3] = [
    ("allow", "effect = \"allow\""),
    (
        "step_up",
        "effect = \"step_up\"\napprovals = { count = 1, roles = [\"maintainer\"] }",
    ),
    ("deny", "effect = \"deny\"\noverridable_by = [\"security\"]"),
];

/// A policy with the rules of these effects, all of which match, in this order.
fn policy(effects: &[usize]) -> RulePolicy {
    let mut text = "schema = \"actionpass.policy.v1\"\nid = \"order\"\n".to_owned();
    for effect in effects {
        let (name, keys) = EFFECTS[*effect];
        text.push_str(&format!("[[rule]]\nid = \"{name}\"\ntool = \"github.**\"\n{keys}\n"));
    }
    RulePolicy::load(&text, "policy.toml").unwrap()
}

/// Every order of every choice of rules.
fn choices() -> Vec<Vec<usize>> {
    let mut choices = vec![vec![]];
    for first in 0..3 {
        choices.push(vec![first]);
        for second in (0..3).filter(|second| *second != first) {
            choices.push(vec![first, second]);
            choices.push(vec![first, second, 3 - first - second]);
        }
    }
    choices
}

/// Whatever the order of the rules, the strictest decides.
fn strictest_wins(decide: &dyn Fn(&[usize]) -> Decision) -> Checked {
    for effects in choices() {
        let expected = match effects.iter().max() {
            Some(0) => Decision::Allow,
            Some(1) => Decision::StepUp,
            _ => Decision::Deny,
        };
        let decision = decide(&effects);
        if decision != expected {
            return Err(format!("{effects:?}: {decision}"));
        }
    }
    Ok(())
}

#[test]
fn g03_the_strictest_rule_decides_in_any_order() {
    let decide = |effects: &[usize]| {
        let bed = Testbed::new().with_policy(policy(effects));
        bed.authorize(&fixtures::demo_action()).unwrap().decision
    };
    assert_eq!(strictest_wins(&decide), Ok(()));
}

#[test]
fn g03_the_check_finds_engines_with_another_order() {
    let by_effect = |effect: Option<&usize>| match effect {
        Some(0) => Decision::Allow,
        Some(1) => Decision::StepUp,
        _ => Decision::Deny,
    };
    assert!(
        strictest_wins(&|effects| by_effect(effects.first())).is_err(),
        "the first rule decides"
    );
    assert!(
        strictest_wins(&|effects| by_effect(effects.last())).is_err(),
        "the last rule decides"
    );
    assert!(
        strictest_wins(&|effects| by_effect(effects.iter().min())).is_err(),
        "the mildest rule decides"
    );
}

#[test]
fn g03_a_human_yes_lifts_no_deny() {
    let bed = Testbed::new().with_policy(policy(&[0, 1, 2]));
    let action = fixtures::demo_action();
    let yes = [
        bed.approve(&action),
        bed.approve_as(FixtureKey::SECOND_APPROVER, fixtures::second_approver(), &action),
    ];
    assert_eq!(
        bed.authorize_with(&action, None, &yes).unwrap().decision,
        Decision::Deny
    );
}

fn override_by(bed: &Testbed, rules: &[&str], key: FixtureKey) -> String {
    let rules = rules.iter().map(|rule| RuleId::parse(rule).unwrap()).collect();
    let approver = if key == FixtureKey::APPROVER {
        fixtures::approver()
    } else {
        fixtures::second_approver()
    };
    let reason = Statement::parse("incident 7").unwrap();
    let approval = Approval::policy_override(approver, reason, bed.policy().digest(), rules);
    bed.sign_approval(key, approval, &fixtures::demo_action())
}

#[test]
fn g03_an_override_lifts_the_rules_that_say_who_may_and_no_more() {
    let action = fixtures::demo_action();
    let bed = Testbed::new().with_policy(policy(&[0, 2]));
    let lifted = bed
        .authorize_with(
            &action,
            None,
            &[override_by(&bed, &["deny"], FixtureKey::SECOND_APPROVER)],
        )
        .unwrap();
    assert_eq!(lifted.decision, Decision::Allow);

    let cases: [(&[usize], &[&str], FixtureKey, Decision); 4] = [
        // It names another rule; its approver lacks the role; it satisfies no step_up; nothing lifts a default deny.
        (&[0, 2], &["other"], FixtureKey::SECOND_APPROVER, Decision::Deny),
        (&[0, 2], &["deny"], FixtureKey::APPROVER, Decision::Deny),
        (
            &[0, 1, 2],
            &["deny", "step_up"],
            FixtureKey::SECOND_APPROVER,
            Decision::StepUp,
        ),
        (&[2], &["deny"], FixtureKey::SECOND_APPROVER, Decision::Deny),
    ];
    for (effects, rules, key, expected) in cases {
        let bed = Testbed::new().with_policy(policy(effects));
        let authorization = bed
            .authorize_with(&action, None, &[override_by(&bed, rules, key)])
            .unwrap();
        assert_eq!(authorization.decision, expected, "{effects:?} {rules:?} {}", key.name());
    }
}

#[test]
fn g03_a_pass_that_rests_on_an_override_verifies() {
    let action = fixtures::demo_action();
    // It may name more rules than were in the way.
    for rules in [&["deny"][..], &["deny", "other"]] {
        let bed = Testbed::new().with_policy(policy(&[0, 2]));
        let lifted = bed
            .authorize_with(&action, None, &[override_by(&bed, rules, FixtureKey::SECOND_APPROVER)])
            .unwrap();
        assert_eq!(
            codes(bed.verify(&lifted.pass.unwrap().token, &action)),
            Vec::<String>::new(),
            "{rules:?}"
        );
    }
}

#[test]
fn g03_an_override_of_another_policy_lifts_nothing() {
    let bed = Testbed::new().with_policy(policy(&[0, 2]));
    let reason = Statement::parse("incident 7").unwrap();
    let rules = vec![RuleId::parse("deny").unwrap()];
    let approval = Approval::policy_override(fixtures::second_approver(), reason, sha256(b"another"), rules);
    let token = bed.sign_approval(FixtureKey::SECOND_APPROVER, approval, &fixtures::demo_action());
    let authorization = bed.authorize_with(&fixtures::demo_action(), None, &[token]).unwrap();
    assert_eq!(authorization.decision, Decision::Deny);
    assert!(reasons(&authorization).contains(&"approval_policy_mismatch"));
}

#[test]
fn g03_two_approvals_of_one_person_are_one() {
    let bed = Testbed::new().with_policy(NeedsApprovals::new(2));
    let action = fixtures::demo_action();
    let twice = [bed.approve(&action), bed.approve(&action)];
    assert_eq!(
        bed.authorize_with(&action, None, &twice).unwrap().decision,
        Decision::StepUp
    );
    let both = [
        bed.approve(&action),
        bed.approve_as(FixtureKey::SECOND_APPROVER, fixtures::second_approver(), &action),
    ];
    assert_eq!(
        bed.authorize_with(&action, None, &both).unwrap().decision,
        Decision::Allow
    );
}
