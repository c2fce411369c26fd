//! Which approvals count for what a rule needs, how many are missing, and how few of them a decision takes.
//!
//! [`RulePolicy`](crate::RulePolicy) counts with these functions, and so can any other engine: it states what each of
//! its rules needs, and gets the same law about people, roles, owners and agents.
//!
//! ```
//! use actionpass_canon::{BoundAction, BoundFacts, Limits};
//! use actionpass_model::{
//!     ApprovalId, ApprovalMode, Approver, Assurance, DEMO_ACTION, Decision, Digest, Grant, PolicyId, Reason, Role,
//!     RuleId,
//! };
//! use actionpass_policy::grants::{self, Need};
//! use actionpass_policy::{PolicyEngine, PolicyInput, ReasonCode, Verdict};
//!
//! /// An engine without any rules of a `policy.toml`: whatever is done, two maintainers approve it.
//! #[derive(Debug)]
//! struct FourEyes {
//!     id: PolicyId,
//!     rule: RuleId,
//!     roles: Vec<Role>,
//! }
//!
//! impl PolicyEngine for FourEyes {
//!     fn id(&self) -> &PolicyId {
//!         &self.id
//!     }
//!
//!     fn digest(&self) -> Digest {
//!         actionpass_canon::sha256(b"four-eyes, version 1: two maintainers")
//!     }
//!
//!     fn evaluate(&self, input: &PolicyInput<'_>) -> Verdict {
//!         let need = Need::approvals(&self.rule, 2, &self.roles).not_of_owner();
//!         let rules = vec![self.rule.clone()];
//!         let because = |code: ReasonCode| vec![Reason::new(code).with_rule(self.rule.clone())];
//!         if need.missing(input) > 0 {
//!             let required = vec![need.requirement(input)];
//!             return Verdict::step_up(rules, because(ReasonCode::ApprovalRequired), required);
//!         }
//!         let mut verdict = Verdict::allow(rules, because(ReasonCode::ApprovalSatisfied));
//!         verdict.relied_on = grants::needed(&[need], input);
//!         verdict
//!     }
//! }
//!
//! let engine = FourEyes {
//!     id: PolicyId::parse("four-eyes")?,
//!     rule: RuleId::parse("two-maintainers")?,
//!     roles: vec![Role::parse("maintainer")?],
//! };
//! let action = BoundAction::admit(DEMO_ACTION.as_bytes(), &Limits::default())?;
//! let facts = BoundFacts::none();
//! let approved_by = |approver: &str, id: &str| -> Result<Grant, Box<dyn std::error::Error>> {
//!     Ok(Grant {
//!         id: ApprovalId::parse(id)?,
//!         mode: ApprovalMode::Human,
//!         approver: Approver::parse(approver)?,
//!         roles: engine.roles.clone(),
//!         assurance: Assurance::Signed,
//!         rules: Vec::new(),
//!     })
//! };
//! let ann = approved_by("user:ann@example.com", "apr_00000000000000000000000000000001")?;
//! let again = approved_by("user:Ann@example.com", "apr_00000000000000000000000000000002")?;
//! let bob = approved_by("user:bob@example.com", "apr_00000000000000000000000000000003")?;
//!
//! // One person is one approval, however often and in whatever spelling.
//! let verdict = engine.evaluate(&PolicyInput::new(&action, &facts, &[ann.clone(), again.clone()]));
//! assert_eq!(verdict.decision, Decision::StepUp);
//!
//! // Two people are two, and the approval that wasn't needed isn't used up.
//! let verdict = engine.evaluate(&PolicyInput::new(&action, &facts, &[again, bob, ann]));
//! assert_eq!(verdict.decision, Decision::Allow);
//! assert_eq!(verdict.relied_on.len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use actionpass_canon::BoundAction;
use actionpass_model::{AnyPrincipal, ApprovalMode, ApprovalRef, Approver, Assurance, Grant, Role, RuleId};
use serde::Serialize;

use crate::{PolicyInput, Requirement};

/// Whether an approval counts for what a rule needs, and if not, why.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Standing {
    /// It counts.
    Counts,
    /// It is of the other mode: `human` lifts no deny, `policy_override` satisfies no step_up.
    OtherMode,
    /// It names rules, and this one isn't among them; an override always names rules.
    RuleNotNamed,
    /// It is an override that nobody signed.
    NotSigned,
    /// The approver holds none of the roles that the rule names.
    RoleMissing,
    /// The approver is the agent's owner.
    IsOwner,
    /// The approver is the agent, or one that it acts for.
    IsAgent,
}

/// What a rule needs of people (`docs/spec/policy.md`, "Approvals" and "Overrides"): approvals for a step_up, or an
/// override that lifts a deny. Nothing that an agent, or one that it acts for, approved counts for either.
#[derive(Clone, Copy, Debug)]
pub struct Need<'a> {
    rule: &'a RuleId,
    kind: Kind<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Kind<'a> {
    Approvals {
        count: usize,
        roles: &'a [Role],
        not_owner: bool,
    },
    Override {
        roles: &'a [Role],
    },
}

impl<'a> Need<'a> {
    /// Approvals of mode `human` for the step_up of this rule, by so many different people who each hold one of these
    /// roles. With no roles anybody's counts.
    #[must_use]
    pub const fn approvals(rule: &'a RuleId, count: usize, roles: &'a [Role]) -> Self {
        Self {
            rule,
            kind: Kind::Approvals {
                count,
                roles,
                not_owner: false,
            },
        }
    }

    /// One signed approval of mode `policy_override` that names this rule, a deny, by somebody who holds one of these
    /// roles. With no roles nobody can lift it.
    #[must_use]
    pub const fn override_by(rule: &'a RuleId, roles: &'a [Role]) -> Self {
        Self {
            rule,
            kind: Kind::Override { roles },
        }
    }

    /// The same, where an approval of the agent's owner doesn't count. Of an override roles alone decide, so that
    /// there this changes nothing.
    #[must_use]
    pub const fn not_of_owner(self) -> Self {
        let kind = match self.kind {
            Kind::Approvals { count, roles, .. } => Kind::Approvals {
                count,
                roles,
                not_owner: true,
            },
            lift @ Kind::Override { .. } => lift,
        };
        Self { kind, ..self }
    }

    /// The rule that needs it.
    #[must_use]
    pub const fn rule(&self) -> &'a RuleId {
        self.rule
    }

    /// How one grant stands to it.
    #[must_use]
    pub fn standing(&self, grant: &Grant, action: &BoundAction) -> Standing {
        let actor = &action.action().actor;
        let mut agents = std::iter::once(&actor.agent).chain(&actor.via);
        if agents.any(|agent| grant.approver.is_same_person_as(agent)) {
            return Standing::IsAgent;
        }
        match self.kind {
            Kind::Approvals { roles, not_owner, .. } => {
                if grant.mode != ApprovalMode::Human {
                    Standing::OtherMode
                } else if !grant.rules.is_empty() && !grant.rules.contains(self.rule) {
                    Standing::RuleNotNamed
                } else if not_owner && grant.approver.is_same_person_as(&actor.human_owner) {
                    Standing::IsOwner
                } else if !roles.is_empty() && !grant.roles.iter().any(|role| roles.contains(role)) {
                    Standing::RoleMissing
                } else {
                    Standing::Counts
                }
            }
            Kind::Override { roles } => {
                if grant.mode != ApprovalMode::PolicyOverride {
                    Standing::OtherMode
                } else if grant.assurance != Assurance::Signed {
                    Standing::NotSigned
                } else if !grant.rules.contains(self.rule) {
                    Standing::RuleNotNamed
                } else if !grant.roles.iter().any(|role| roles.contains(role)) {
                    Standing::RoleMissing
                } else {
                    Standing::Counts
                }
            }
        }
    }

    /// How many approvals are still missing, each from another person; of an override 1 or 0.
    #[must_use]
    pub fn missing(&self, input: &PolicyInput<'_>) -> usize {
        self.missing_of(input.grants().iter(), input.action())
    }

    /// What a verdict says of it in [`Verdict::required`](crate::Verdict::required).
    #[must_use]
    pub fn requirement(&self, input: &PolicyInput<'_>) -> Requirement {
        let rule = self.rule.clone();
        match self.kind {
            Kind::Approvals {
                count,
                roles,
                not_owner,
            } => Requirement::Approval {
                rule,
                count: self.missing(input),
                total: count,
                roles: roles.to_vec(),
                not_owner,
            },
            Kind::Override { roles } => Requirement::Override {
                rule,
                roles: roles.to_vec(),
            },
        }
    }

    fn missing_of<'g>(&self, grants: impl Iterator<Item = &'g Grant>, action: &BoundAction) -> usize {
        let mut counting = grants.filter(|grant| self.standing(grant, action) == Standing::Counts);
        match self.kind {
            Kind::Approvals { count, .. } => {
                let mut approvers: Vec<&Approver> = Vec::new();
                for grant in counting {
                    let approver = &grant.approver;
                    if !approvers.iter().any(|other| approver.is_same_person_as(*other)) {
                        approvers.push(approver);
                    }
                }
                count.saturating_sub(approvers.len())
            }
            Kind::Override { .. } => usize::from(counting.next().is_none()),
        }
    }
}

/// The grants that these needs take together, none of which can be left out. Which ones depends on the grants only and
/// not on their order: the oldest stay (ids are made in the order of time), and signed ones before asserted ones.
///
/// Where something is missing, all grants that count are given.
#[must_use]
pub fn needed(needs: &[Need<'_>], input: &PolicyInput<'_>) -> Vec<ApprovalRef> {
    let action = input.action();
    let counts = |grant: &&Grant| {
        needs
            .iter()
            .any(|need| need.standing(grant, action) == Standing::Counts)
    };
    let mut kept: Vec<&Grant> = input.grants().iter().filter(counts).collect();
    kept.sort_by(|left, right| {
        let key = |grant: &Grant| grant.assurance != Assurance::Signed;
        key(left)
            .cmp(&key(right))
            .then_with(|| (&left.id, &left.approver).cmp(&(&right.id, &right.approver)))
    });
    for candidate in (0..kept.len()).rev() {
        let without = || {
            kept.iter()
                .enumerate()
                .filter(move |(at, _)| *at != candidate)
                .map(|(_, grant)| *grant)
        };
        if needs.iter().all(|need| need.missing_of(without(), action) == 0) {
            kept.remove(candidate);
        }
    }
    kept.iter().map(|grant| grant.to_ref()).collect()
}
