//! G22: what an approver's token claims was shown is recomputable from the request.

use actionpass_canon::{BoundAction, BoundFacts, Limits, sha256};
use actionpass_core::{Approval, System};
use actionpass_display::{DisplayCode, Folds, Renderer, SectionName, View, shown_matches};
use actionpass_model::{Digest, RuleId, Statement};
use actionpass_testkit::fixtures::{self, FixtureKey};
use actionpass_testkit::strategies::documents;
use actionpass_testkit::tokens::{Forgery, at, leaves};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::Checked;

fn facts(facts: &Value) -> BoundFacts {
    let document =
        json!({ "schema": "actionpass.facts.v1", "source": "ci", "asOf": "2026-11-23T01:02:03.000Z", "facts": facts });
    BoundFacts::admit(document.to_string().as_bytes(), &Limits::default()).unwrap()
}

fn rule(name: &str) -> RuleId {
    RuleId::parse(name).unwrap()
}

/// Whether a hash of what is shown changes with each part that an approval can bind, to its last leaf.
fn parts_are_told_apart(hash: &dyn Fn(&BoundAction, &[RuleId], &BoundFacts) -> Digest) -> Checked {
    let mut action: Value = serde_json::from_str(fixtures::ACTION).unwrap();
    // Longer than what stays visible of a text.
    action["capability"]["payload"]["long"] = "x".repeat(10_000).into();
    action["context"] = json!({ "said": "as asked" });
    let (rules, attested) = ([rule("a"), rule("b")], facts(&json!({ "tests": { "passed": true } })));
    let admit = |action: &Value| BoundAction::admit(action.to_string().as_bytes(), &Limits::default());
    let honest = admit(&action).unwrap();
    let shown = hash(&honest, &rules, &attested);
    if shown != hash(&honest, &rules, &attested) {
        return Err("the same is shown in two ways".to_owned());
    }
    for (what, other) in [
        ("the rules", hash(&honest, &rules[..1], &attested)),
        (
            "the facts",
            hash(&honest, &rules, &facts(&json!({ "tests": { "passed": false } }))),
        ),
        ("that there are facts", hash(&honest, &rules, &BoundFacts::none())),
    ] {
        if other == shown {
            return Err(format!("{what} changed and nothing was shown of it"));
        }
    }
    for path in leaves(&action) {
        let mut changed = action.clone();
        let leaf = at(&mut changed, &path).unwrap();
        *leaf = match leaf.take() {
            Value::String(text) => {
                let mut text = text;
                let last = text.pop();
                text.push(if last == Some('7') { '8' } else { '7' });
                text.into()
            }
            Value::Number(number) => (number.as_f64().unwrap() * 2.0 + 1.0).into(),
            Value::Bool(value) => (!value).into(),
            _ => 1.into(),
        };
        // Which occurrence it is isn't approved, and not every leaf can be another.
        let Ok(changed) = admit(&changed) else { continue };
        if path != ["id"] && hash(&changed, &rules, &attested) == shown {
            return Err(format!("{path:?} changed and nothing was shown of it"));
        }
    }
    Ok(())
}

#[test]
fn g22_a_claim_holds_for_what_was_shown_and_nothing_else() {
    assert_eq!(
        parts_are_told_apart(&|action, rules, facts| View::of(action, rules, facts).unwrap().hash()),
        Ok(())
    );
}

#[test]
fn g22_the_check_finds_views_that_leave_something_out() {
    /// The hash of a view without one of its sections.
    fn without(left_out: SectionName, action: &BoundAction, rules: &[RuleId], facts: &BoundFacts) -> Digest {
        let view = View::of(action, rules, facts).unwrap();
        let sections = view.sections().iter().filter(|section| section.name != left_out);
        sha256(format!("{:?}", sections.collect::<Vec<_>>()).as_bytes())
    }
    // The words are in no other section; the rules in none but the first; hashes repeat the rest.
    for (left_out, is_found) in [
        (SectionName::Decision, true),
        (SectionName::Words, true),
        (SectionName::Hashes, false),
    ] {
        let checked = parts_are_told_apart(&|action, rules, facts| without(left_out, action, rules, facts));
        assert_eq!(checked.is_err(), is_found, "{left_out:?}: {checked:?}");
    }
    // What is folded away stays in the view, and so in the hash.
    let folded = parts_are_told_apart(&|action, rules, facts| {
        let terminal = View::of(action, rules, facts).unwrap().to_terminal(80, Folds::Closed);
        sha256(terminal.split("actionHash\n").next().unwrap_or_default().as_bytes())
    });
    assert!(folded.unwrap_err().contains("\"long\""));
}

#[test]
fn g22_an_approval_states_what_anybody_can_compute() {
    let (action, rules, attested) = (fixtures::action(), [rule("refund.large")], fixtures::facts());
    let shown = View::of(&action, &rules, &attested).unwrap().shown();
    let approval = Approval::human(fixtures::approver(), Statement::parse("read it").unwrap()).with_shown(shown);
    let signer = FixtureKey::APPROVER.signer();
    let issuer = fixtures::issuer();
    let token =
        actionpass_testkit::block_on(approval.sign(&action, &issuer, &signer, fixtures::now(), &System)).unwrap();
    let claimed = serde_json::from_value(Forgery::of(&token).claims()["approval"]["shown"].take()).unwrap();
    assert_eq!(shown_matches(&claimed, &action, &rules, &attested), Ok(()));
    let refused = |action: &BoundAction, rules: &[RuleId], facts: &BoundFacts| {
        shown_matches(&claimed, action, rules, facts).map_err(|error| error.code())
    };
    assert_eq!(
        refused(&fixtures::demo_action(), &rules, &attested),
        Err(DisplayCode::ShownMismatch)
    );
    assert_eq!(refused(&action, &[], &attested), Err(DisplayCode::ShownMismatch));
    assert_eq!(
        refused(&action, &rules, &BoundFacts::none()),
        Err(DisplayCode::ShownMismatch)
    );
    // What a release doesn't know it doesn't judge.
    let mut unknown = claimed.clone();
    unknown.renderer = Statement::parse("actionpass-cli 0.1.0").unwrap();
    assert_eq!(
        shown_matches(&unknown, &action, &rules, &attested).map_err(|error| error.code()),
        Err(DisplayCode::RendererUnknown)
    );
    assert_eq!(Renderer::parse(claimed.renderer.as_str()), Ok(Renderer::V1));
}

proptest! {
    #[test]
    fn g22_whatever_the_action(action in documents::bound_actions(), other in documents::bound_actions()) {
        let none = BoundFacts::none();
        let shown = View::of(&action, &[], &none).unwrap().shown();
        prop_assert_eq!(shown_matches(&shown, &action, &[], &none), Ok(()));
        let is_one = action.action_hash() == other.action_hash() && action.context_hash() == other.context_hash()
            && action.action().intent.summary == other.action().intent.summary;
        prop_assert_eq!(shown_matches(&shown, &other, &[], &none).is_ok(), is_one);
    }
}
