//! [`Outlook`]: what the policy makes of an action without the approval that is about to be signed, and with it.

use actionpass_canon::{BoundAction, BoundFacts};
use actionpass_model::{Decision, Grant, PolicyId, Role, RuleId, Timestamp};
use actionpass_policy::grants::Standing;
use actionpass_policy::{
    Effect, Explanation, Outcome, PolicyEngine, PolicyInput, Requirement, RuleExplanation, RulePolicy,
};

use crate::render::Page;

/// What the policy makes of an action without an approval and with it.
#[derive(Debug)]
pub(crate) struct Outlook {
    policy: PolicyId,
    has_facts: bool,
    without: Explanation,
    /// Or why it can't be told.
    with: Result<Explanation, &'static str>,
}

impl Outlook {
    /// Judges an action at a time, with what others granted before and beside that with what one more approval grants: nothing
    /// if it is good for nothing, or why that can't be told.
    pub(crate) fn new(
        policy: &RulePolicy,
        action: &BoundAction,
        facts: &BoundFacts,
        at: Timestamp,
        before: &[Grant],
        grant: Result<Option<Grant>, &'static str>,
    ) -> Self {
        let explain = |grants: &[Grant]| policy.explain(&PolicyInput::new(action, facts, grants).at(at));
        Self {
            policy: policy.id().clone(),
            has_facts: facts.document().is_some(),
            without: explain(before),
            with: grant.map(|grant| explain(&before.iter().cloned().chain(grant).collect::<Vec<_>>())),
        }
    }

    /// The deny rules that deny the action where nobody lifts them.
    pub(crate) fn denying(&self) -> impl Iterator<Item = &RuleId> {
        let rules = self.without.rules.iter();
        rules
            .filter(|rule| rule.effect == Effect::Deny && rule.outcome == Outcome::Applies)
            .map(|rule| &rule.rule)
    }

    /// All of it: what is decided so far, by which rules and for which reasons, what that takes, and what it is with the
    /// approval.
    pub(crate) fn write(&self, page: &mut Page) {
        self.write_so_far(page);
        self.write_with(page);
    }

    /// What is decided so far, by which rules and for which reasons, and what that takes.
    pub(crate) fn write_so_far(&self, page: &mut Page) {
        let without_facts = if self.has_facts { "" } else { ", judged without facts" };
        page.named("policy", &format!("{}{without_facts}", self.policy));
        page.named("so far", &verdict(&self.without));
        for rule in deciding(&self.without) {
            let reason = rule.reason.as_ref().map(|reason| format!(": {reason}"));
            page.named("  rule", &format!("{}{}", rule.rule, reason.unwrap_or_default()));
        }
        for need in needs(&self.without, "") {
            page.named("  needs", &need);
        }
    }

    /// What it is with the approval.
    fn write_with(&self, page: &mut Page) {
        let with = match &self.with {
            Ok(with) => with,
            Err(why) => return page.named("with this", &format!("it can't be told: {why}")),
        };
        let nobody_else = if with.decision == Decision::Allow && self.changes(with) {
            ", nobody else is needed"
        } else {
            ""
        };
        page.named("with this", &format!("{}{nobody_else}", verdict(with)));
        for need in needs(with, "more ") {
            page.named("  needs", &need);
        }
        for (rule, standing) in uncounted(with) {
            page.named("  not for", &format!("{rule}: {standing}"));
        }
    }

    /// That the approval is of no use, or not alone.
    pub(crate) fn warning(&self) -> Option<&'static str> {
        const NEEDLESS: &str = "the policy allows it anyway: this approval is needless";
        if self.without.decision == Decision::Allow {
            return Some(NEEDLESS);
        }
        let Ok(with) = &self.with else {
            let is_denied = self.without.decision == Decision::Deny;
            return is_denied.then_some("the policy denies it, unless its deny rules are overridden");
        };
        // What nobody may override denies whatever else is approved.
        let mut required = with.required.iter();
        let is_liftable = required.any(|required| matches!(required, Requirement::Override { .. }));
        match (with.decision, self.changes(with)) {
            (Decision::Deny, true) if is_liftable => {
                Some("the policy denies it still: it takes more than this approval")
            }
            (Decision::Deny, _) => Some("the policy denies it either way: this approval is useless"),
            (Decision::StepUp, false) => Some("this approval counts for nothing: the policy asks for others"),
            (Decision::Allow | Decision::StepUp, _) => None,
        }
    }

    /// Why the approval would count for nothing; `None` if it would count.
    pub(crate) fn useless(&self) -> Option<String> {
        let Ok(with) = &self.with else { return None };
        if self.changes(with) {
            return None;
        }
        let why = uncounted(with).map(|(rule, standing)| format!("{rule}: {standing}"));
        let why: Vec<String> = why.collect();
        Some(if why.is_empty() {
            format!("the policy makes {} of the action whoever approves it", verdict(with))
        } else {
            why.join("; ")
        })
    }

    /// Whether the approval changes anything.
    fn changes(&self, with: &Explanation) -> bool {
        let outcomes = |it: &Explanation| it.rules.iter().map(|rule| rule.outcome).collect::<Vec<_>>();
        self.without.required != with.required || outcomes(&self.without) != outcomes(with)
    }
}

/// The decision with the code of its first reason.
fn verdict(explanation: &Explanation) -> String {
    let code = explanation.reasons.first().map(|reason| format!(" ({})", reason.code));
    format!("{}{}", explanation.decision, code.unwrap_or_default())
}

/// The rules that decided.
fn deciding(explanation: &Explanation) -> impl Iterator<Item = &RuleExplanation> {
    let decision = explanation.decision;
    explanation.rules.iter().filter(move |rule| match decision {
        Decision::Allow => rule.effect != Effect::Deny && rule.outcome == Outcome::Applies,
        Decision::StepUp => rule.outcome == Outcome::Waiting,
        Decision::Deny => rule.effect == Effect::Deny && rule.outcome == Outcome::Applies,
    })
}

/// The approvals and overrides that are missing; for which rule, where there are several.
fn needs(explanation: &Explanation, more: &str) -> Vec<String> {
    let need = |requirement: &Requirement| match requirement {
        Requirement::Approval {
            rule,
            count,
            roles,
            not_owner,
            ..
        } => {
            let people = if *count == 1 { "person" } else { "people" };
            let not_owner = if *not_owner { ", not the owner" } else { "" };
            let who = format!("{count} {more}{people}{}{not_owner}", of_role(roles));
            Some((rule.clone(), who))
        }
        Requirement::Override { rule, roles, .. } => {
            Some((rule.clone(), format!("override by 1 person{}", of_role(roles))))
        }
        _ => None,
    };
    let needs: Vec<_> = explanation.required.iter().filter_map(need).collect();
    if needs.len() == 1 {
        return needs.into_iter().map(|(_, who)| who).collect();
    }
    needs.into_iter().map(|(rule, who)| format!("{who} ({rule})")).collect()
}

fn of_role(roles: &[Role]) -> String {
    if roles.is_empty() {
        return String::new();
    }
    let roles: Vec<&str> = roles.iter().map(Role::as_str).collect();
    format!(" of role {}", roles.join(" or "))
}

/// The rules that wait or deny and for which the approval doesn't count, although it is of the kind that they ask for.
fn uncounted(with: &Explanation) -> impl Iterator<Item = (&RuleId, Standing)> {
    let open = with.rules.iter().filter(|rule| match rule.effect {
        Effect::Deny => rule.outcome == Outcome::Applies,
        Effect::StepUp => rule.outcome == Outcome::Waiting,
        Effect::Allow => false,
    });
    open.flat_map(|rule| rule.approvals.iter().map(|approval| (&rule.rule, approval.standing)))
        .filter(|(_, standing)| {
            !matches!(
                standing,
                Standing::Counts | Standing::OtherMode | Standing::RuleNotNamed
            )
        })
}

#[cfg(test)]
mod tests {
    use actionpass_canon::Limits;
    use actionpass_model::{ApprovalId, ApprovalMode, Approver, Assurance, DEMO_ACTION};

    use super::*;

    const STEP_UP: &str = "[[rule]]\nid = \"ask\"\neffect = \"step_up\"\ntool = \"github.**\"\n\
        approvals = { count = 2, roles = [\"lead\", \"ops\"], not_owner = true }\nreason = \"two look at it\"\n";
    const DENY: &str = "[[rule]]\nid = \"never\"\neffect = \"deny\"\ntool = \"github.**\"\nreason = \"never\"\n";
    const LIFTED: &str =
        "[[rule]]\nid = \"rarely\"\neffect = \"deny\"\ntool = \"github.**\"\noverridable_by = [\"ops\"]\n";
    const ALLOW: &str = "[[rule]]\nid = \"fine\"\neffect = \"allow\"\ntool = \"github.**\"\n";

    fn granted(approver: &str, roles: &[&str], rules: &[&str]) -> Grant {
        Grant {
            id: ApprovalId::parse("apr_00000000000000000000000000000001").unwrap(),
            mode: if rules.is_empty() {
                ApprovalMode::Human
            } else {
                ApprovalMode::PolicyOverride
            },
            approver: Approver::parse(approver).unwrap(),
            roles: roles.iter().map(|role| Role::parse(role).unwrap()).collect(),
            assurance: Assurance::Signed,
            rules: rules.iter().map(|rule| RuleId::parse(rule).unwrap()).collect(),
        }
    }

    /// What is shown, and the warning.
    fn shown(rules: &[&str], grant: Result<Option<Grant>, &'static str>) -> (String, Option<&'static str>) {
        let outlook = outlook(rules, &[], grant);
        let mut page = Page::default();
        outlook.write(&mut page);
        (page.finish(), outlook.warning())
    }

    fn outlook(rules: &[&str], before: &[Grant], grant: Result<Option<Grant>, &'static str>) -> Outlook {
        let text = format!("schema = \"actionpass.policy.v1\"\nid = \"p\"\n{}", rules.concat());
        let policy = RulePolicy::load(&text, "policy.toml").unwrap();
        let action = BoundAction::admit(DEMO_ACTION.as_bytes(), &Limits::default()).unwrap();
        let at = Timestamp::parse("2026-11-23T01:02:03.000Z").unwrap();
        Outlook::new(&policy, &action, &BoundFacts::none(), at, before, grant)
    }

    fn lead() -> Result<Option<Grant>, &'static str> {
        Ok(Some(granted("user:ann@example.com", &["lead"], &[])))
    }

    #[test]
    fn a_step_up_says_by_which_rule_why_and_who_else_is_needed() {
        let (text, warning) = shown(&[STEP_UP], lead());
        assert_eq!(
            text,
            "policy       p, judged without facts\n\
             so far       step_up (approval_required)\n  \
               rule       ask: two look at it\n  \
               needs      2 people of role lead or ops, not the owner\n\
             with this    step_up (approval_required)\n  \
               needs      1 more person of role lead or ops, not the owner\n"
        );
        assert_eq!(warning, None);
        let one = STEP_UP.replace("count = 2", "count = 1");
        let (text, warning) = shown(&[&one], lead());
        assert!(
            text.contains("with this    allow (approval_satisfied), nobody else is needed\n"),
            "{text}"
        );
        assert_eq!(warning, None);
    }

    #[test]
    fn what_others_approved_before_is_not_needed_any_more() {
        let before = [granted("user:bob@example.com", &["ops"], &[])];
        let outlook = outlook(&[STEP_UP], &before, lead());
        let mut page = Page::default();
        outlook.write_so_far(&mut page);
        let text = page.finish();
        assert!(
            text.ends_with("  needs      1 person of role lead or ops, not the owner\n"),
            "{text}"
        );
        let mut page = Page::default();
        outlook.write(&mut page);
        let text = page.finish();
        assert!(
            text.ends_with("with this    allow (approval_satisfied), nobody else is needed\n"),
            "{text}"
        );
        assert_eq!(outlook.useless(), None);
    }

    #[test]
    fn why_an_approval_would_count_for_nothing_is_said() {
        let useless = |rules: &[&str], approver, roles: &[&str]| {
            outlook(rules, &[], Ok(Some(granted(approver, roles, &[])))).useless()
        };
        let why = |text: &str| Some(text.to_owned());
        let (ann, owner) = ("user:ann@example.com", "user:owner@example.com");
        assert_eq!(useless(&[STEP_UP], ann, &["lead"]), None);
        assert_eq!(
            useless(&[STEP_UP], ann, &["intern"]),
            why("ask: its approver has none of the roles")
        );
        assert_eq!(
            useless(&[STEP_UP], owner, &["lead"]),
            why("ask: its approver is the agent's owner")
        );
        let denied = why("the policy makes deny (rule_denied) of the action whoever approves it");
        assert_eq!(useless(&[DENY], ann, &["lead"]), denied);
    }

    #[test]
    fn an_approval_that_does_not_count_is_said_to_be_none() {
        for (grant, why) in [
            (
                granted("user:ann@example.com", &["intern"], &[]),
                "ask: its approver has none of the roles",
            ),
            (
                granted("user:owner@example.com", &["lead"], &[]),
                "ask: its approver is the agent's owner",
            ),
        ] {
            let (text, warning) = shown(&[STEP_UP], Ok(Some(grant)));
            assert!(text.contains(&format!("  not for    {why}\n")), "{text}");
            assert_eq!(
                warning,
                Some("this approval counts for nothing: the policy asks for others")
            );
        }
        // A key that is good for nothing here.
        let (text, warning) = shown(&[STEP_UP], Ok(None));
        assert!(text.contains("2 more people"), "{text}");
        assert!(warning.is_some());
    }

    #[test]
    fn what_is_denied_or_allowed_anyway_is_said_plainly() {
        let useless = Some("the policy denies it either way: this approval is useless");
        let (text, warning) = shown(&[DENY, ALLOW], lead());
        assert!(
            text.contains(
                "so far       deny (rule_denied)\n  rule       never: never\nwith this    deny (rule_denied)\n"
            ),
            "{text}"
        );
        assert_eq!(warning, useless);
        let (text, warning) = shown(&[], lead());
        assert!(
            text.contains("so far       deny (default_deny)\nwith this    deny (default_deny)\n"),
            "{text}"
        );
        assert_eq!(warning, useless);
        let (text, warning) = shown(&[ALLOW], lead());
        assert!(
            text.contains("so far       allow (rule_allowed)\n  rule       fine\nwith this    allow (rule_allowed)\n"),
            "{text}"
        );
        assert_eq!(warning, Some("the policy allows it anyway: this approval is needless"));
        // A human approval lifts no deny, where one that could be lifted stands beside.
        assert_eq!(shown(&[DENY, LIFTED, STEP_UP], lead()).1, useless);
        let one = STEP_UP.replace("count = 2", "count = 1");
        assert_eq!(shown(&[DENY, &one], lead()).1, useless);
    }

    #[test]
    fn an_override_and_an_approval_each_say_what_is_still_missing() {
        let more = Some("the policy denies it still: it takes more than this approval");
        let (text, warning) = shown(&[LIFTED, STEP_UP], lead());
        let with = text.split_once("with this    deny").unwrap().1;
        assert!(
            with.contains("  needs      override by 1 person of role ops (rarely)\n")
                && with.contains("  needs      1 more person of role lead or ops"),
            "{text}"
        );
        assert_eq!(warning, more);
        let lifting = granted("user:ann@example.com", &["ops"], &["rarely"]);
        let (text, warning) = shown(&[LIFTED, STEP_UP], Ok(Some(lifting.clone())));
        let (_, with) = text.split_once("with this    step_up (approval_required)\n").unwrap();
        assert!(with.contains("2 more people") && !with.contains("override"), "{text}");
        assert_eq!(warning, None);
        let (text, warning) = shown(&[LIFTED, ALLOW], Ok(Some(lifting)));
        assert!(
            text.contains("with this    allow (rule_overridden), nobody else is needed\n"),
            "{text}"
        );
        assert_eq!(warning, None);
    }

    #[test]
    fn what_can_not_be_told_is_said() {
        let (text, warning) = shown(&[STEP_UP], Err("nobody knows"));
        assert!(text.contains("so far       step_up (approval_required)\n"), "{text}");
        assert!(text.contains("with this    it can't be told: nobody knows\n"), "{text}");
        assert_eq!(warning, None);
        assert_eq!(
            shown(&[DENY], Err("")).1,
            Some("the policy denies it, unless its deny rules are overridden")
        );
    }

    #[test]
    fn the_policys_words_stay_in_their_line() {
        let rule = DENY.replace("reason = \"never\"", "reason = \"p\u{430}y\u{202e}\"");
        let (text, _) = shown(&[&rule], lead());
        assert!(text.contains("  rule       never: p\\u{430}y\\u{202e}\n"), "{text}");
        assert!(
            text.contains("\n  ! 1 character looks like others: U+0430 like a; it reads \"pay\"\n"),
            "{text}"
        );
    }
}
