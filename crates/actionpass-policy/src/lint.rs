//! What is well formed and still may not be what its author means: [`Warning`].

use std::collections::HashSet;

use actionpass_model::{Role, RuleId};
use serde::{Serialize, Serializer};

use crate::condition::{Condition, Test};
use crate::glob::Glob;
use crate::path::{ActionText, Root, Step};
use crate::rule::{MatcherKey, Rule};
use crate::work::Work;
use crate::{Effect, RulePolicy};

actionpass_model::codes! {
    /// Why the author of a policy should look at a rule again. The rule is in force as it is.
    pub enum WarningCode: Reason {
        /// An allow doesn't say which members the payload may have: it permits those that no condition knows, too.
        PayloadOpen = "policy_payload_open",
        /// A deny or step_up is about what a folder holds and not about the folder itself: `x/**` without `x`.
        FolderItselfLeft = "policy_folder_itself_left",
        /// An approval makes this step_up an allow, for every agent that the issuer serves.
        ApprovedForAnyAgent = "policy_approved_for_any_agent",
        /// Nobody who may approve holds one of these roles.
        RoleUnheld = "policy_role_unheld",
    }
}

impl Serialize for WarningCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What the author of a policy should look at again.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Warning {
    /// The stable code.
    pub code: WarningCode,
    /// The rule.
    pub rule: RuleId,
    /// What about it, for people. Made of the policy's own words.
    pub message: String,
}

impl RulePolicy {
    /// What is well formed and still may not be what its author means, in the order of the rules. `held` are the roles of
    /// those who may approve; without, roles are not looked at.
    #[must_use]
    pub fn warnings(&self, held: Option<&[Role]>) -> Vec<Warning> {
        let rules = self.compiled().iter();
        rules
            .flat_map(|rule| {
                let found = [
                    payload_open(rule),
                    folder_itself_left(rule),
                    approved_for_any_agent(rule),
                    held.and_then(|held| role_unheld(rule, held)),
                ];
                found.into_iter().flatten().map(|(code, message)| Warning {
                    code,
                    rule: rule.id.clone(),
                    message,
                })
            })
            .collect()
    }
}

type Found = Option<(WarningCode, String)>;

fn payload_open(rule: &Rule) -> Found {
    let closes = |condition: &Condition| {
        condition.path.root == Root::Payload
            && condition.path.steps.is_empty()
            && condition.tests.iter().any(|test| matches!(test, Test::Members(_)))
    };
    if rule.effect != Effect::Allow || rule.when.iter().any(closes) {
        return None;
    }
    let mut known: Vec<&str> = rule.when.iter().filter_map(first_member).collect();
    known.sort_unstable();
    known.dedup();
    let members = serde_json::to_string(&known).unwrap_or_default();
    let message = if known.is_empty() {
        "no condition looks at the payload: whatever it holds is permitted".to_owned()
    } else {
        format!(
            "members of the payload that it doesn't name are permitted too; closed to those that it names: \
             {{ path = \"payload\", members = {members} }}"
        )
    };
    Some((WarningCode::PayloadOpen, message))
}

/// The member of the payload that a condition goes to.
fn first_member(condition: &Condition) -> Option<&str> {
    match (condition.path.root, condition.path.steps.first()) {
        (Root::Payload, Some(Step::Member(name))) => Some(name.as_str()),
        _ => None,
    }
}

fn folder_itself_left(rule: &Rule) -> Found {
    if rule.effect == Effect::Allow {
        return None;
    }
    let asked = rule.when.iter().flat_map(|condition| &condition.tests);
    let asked = asked.filter_map(|test| match test {
        Test::PathGlob(patterns) | Test::Glob(patterns) => Some(&*patterns.globs),
        _ => None,
    });
    let resources = rule
        .matchers
        .iter()
        .filter(|matcher| matcher.key == MatcherKey::Resource);
    let lists = asked.chain(resources.map(|matcher| &*matcher.globs));
    let left: Vec<String> = lists
        .flat_map(folders_without_themselves)
        .map(|folder| format!("`{folder}`"))
        .collect();
    (!left.is_empty()).then(|| {
        let message = format!(
            "covers what is in a folder and not the folder itself: {}",
            left.join(", ")
        );
        (WarningCode::FolderItselfLeft, message)
    })
}

/// How many patterns are tried on folders, for one list: a longer list takes no more time.
const MAX_TRIES: usize = 1 << 16;

/// `x` of each `x/**`, unless another pattern of the list is about it. A wildcard in `x` stands for itself where the other
/// patterns are tried on it.
fn folders_without_themselves(globs: &[Glob]) -> Vec<&str> {
    let patterns: HashSet<&str> = globs.iter().map(Glob::as_str).collect();
    let work = Work::default();
    let mut tries = MAX_TRIES;
    let is_about = |folder: &str| {
        patterns.contains(folder)
            || globs.iter().any(|glob| {
                tries = tries.saturating_sub(1);
                tries > 0 && glob.matches(folder, &work)
            })
    };
    let folders = globs.iter().filter_map(|glob| folder_of(glob.as_str()));
    let mut is_about = is_about;
    folders.filter(|folder| !is_about(folder)).collect()
}

/// `x` of `x/**`, `x/**/*` and `x/**/**`; nothing where it is any folder.
fn folder_of(pattern: &str) -> Option<&str> {
    let tails = ["/**/**", "/**/*", "/**"];
    let folder = tails.iter().find_map(|tail| pattern.strip_suffix(tail))?;
    (!matches!(folder, "" | "*" | "**")).then_some(folder)
}

fn approved_for_any_agent(rule: &Rule) -> Found {
    let is_any = |glob: &Glob| matches!(glob.as_str(), "*" | "**");
    // An exception for one agent leaves all others.
    let names_agents = |condition: &Condition| {
        condition.path.root == Root::Action(ActionText::Agent)
            && !condition
                .tests
                .iter()
                .all(|test| matches!(test, Test::Glob(globs) if globs.globs.iter().any(is_any)))
    };
    let is_narrowed = rule
        .matchers
        .iter()
        .any(|matcher| matcher.key == MatcherKey::Agent && !matcher.globs.iter().any(is_any))
        || rule.when.iter().any(names_agents);
    (rule.effect == Effect::StepUp && !is_narrowed).then(|| {
        let message =
            "once approved, any agent that the issuer serves may do it; `agent = \"agent:*\"` says that this is meant";
        (WarningCode::ApprovedForAnyAgent, message.to_owned())
    })
}

fn role_unheld(rule: &Rule, held: &[Role]) -> Found {
    let approvals = rule.approvals.iter().flat_map(|approvals| &approvals.roles);
    let unheld: Vec<&str> = approvals
        .chain(&rule.overridable_by)
        .filter(|role| !held.contains(role))
        .map(|role| role.as_str())
        .collect();
    (!unheld.is_empty()).then(|| {
        let message = format!("no approver in the trust store holds: {}", unheld.join(", "));
        (WarningCode::RoleUnheld, message)
    })
}
