//! G2: no allow without a matching rule.

use actionpass_canon::{BoundAction, BoundFacts};
use actionpass_model::Decision;
use actionpass_policy::{PolicyEngine, PolicyInput, ReasonCode, RulePolicy};
use actionpass_testkit::policies::DangerouslyAllowAll;
use actionpass_testkit::strategies::documents;
use actionpass_testkit::{Testbed, fixtures};
use proptest::prelude::*;

use crate::common::{Checked, reasons};

const ELSEWHERE: &str = r#"
schema = "actionpass.policy.v1"
id = "elsewhere"
[[rule]]
id = "only.this"
effect = "allow"
tool = "no.agent.calls.this"
resource = "nothing:at-all"
"#;

fn elsewhere() -> RulePolicy {
    RulePolicy::load(ELSEWHERE, "policy.toml").unwrap()
}

fn denies_what_no_rule_is_about(policy: &dyn PolicyEngine, action: &BoundAction) -> Checked {
    let verdict = policy.evaluate(&PolicyInput::new(action, &BoundFacts::none(), &[]));
    if verdict.decision == Decision::Deny {
        Ok(())
    } else {
        Err(format!("{}", verdict.decision))
    }
}

#[test]
fn g02_default_deny_end_to_end() {
    let bed = Testbed::new().with_policy(elsewhere());
    let authorization = bed.authorize(&fixtures::demo_action()).unwrap();
    assert_eq!(
        (authorization.decision, authorization.pass.is_none()),
        (Decision::Deny, true)
    );
    assert!(reasons(&authorization).contains(&ReasonCode::DefaultDeny.as_str()));
    assert!(authorization.policy.rules.is_empty());
}

#[test]
fn g02_the_check_finds_a_policy_that_allows_by_default() {
    assert!(denies_what_no_rule_is_about(&DangerouslyAllowAll::new(), &fixtures::demo_action()).is_err());
}

proptest! {
    #[test]
    fn g02_whatever_the_action(action in documents::bound_actions()) {
        prop_assert_eq!(denies_what_no_rule_is_about(&elsewhere(), &action), Ok(()));
    }
}
