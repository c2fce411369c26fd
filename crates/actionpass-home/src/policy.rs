//! [`HomePolicy`]: the rules of a home, and how calls become the actions that they see.

use std::any::Any;
use std::sync::Arc;

use actionpass_gate::{Catalogue, Pins};
use actionpass_model::{Audience, Digest, PolicyId, Tool};
use actionpass_policy::{PolicyEngine, PolicyError, PolicyInput, RulePolicy, Verdict};

use crate::HomeError;

/// `policy.toml` and `tools.toml`, as they were read together: both are in the digest, and come into force together.
#[derive(Clone, Debug)]
pub struct HomePolicy {
    rules: RulePolicy,
    catalogue: Arc<Catalogue>,
}

impl HomePolicy {
    /// These rules with this catalogue, whose files the digest covers from now on.
    ///
    /// # Errors
    /// [`PolicyError`] if there is no digest to be had, which no file that was read leads to.
    pub fn new(rules: RulePolicy, catalogue: Catalogue) -> Result<Self, PolicyError> {
        Ok(Self {
            rules: rules.with_files(catalogue.files())?,
            catalogue: Arc::new(catalogue),
        })
    }

    /// Refuses a rule that looks at an argument which no tool that it is about can have, by the schemas that the catalogue names;
    /// with `pins`, by the definitions that are pinned as well. A rule with a pattern of tools isn't looked at.
    ///
    /// # Errors
    /// [`HomeError::PathUndeclared`]: a name is misspelt, or the schema is of another version.
    pub fn check_paths(&self, pins: Option<&Pins>) -> Result<(), HomeError> {
        for path in self.rules.payload_paths() {
            let tools: Vec<Tool> = path.tools.iter().filter_map(|tool| Tool::parse(tool).ok()).collect();
            let is_named = path.tools.iter().all(|tool| !tool.contains('*'));
            let can_have = |tool: &Tool| self.catalogue.can_have(tool, &path.steps, pins);
            if is_named
                && tools.len() == path.tools.len()
                && let Some(tool) = tools.first()
                && tools.iter().all(|tool| can_have(tool) == Some(false))
            {
                return Err(HomeError::PathUndeclared {
                    rule: path.rule.clone(),
                    path: path.text,
                    tool: tool.clone(),
                });
            }
        }
        Ok(())
    }

    /// The rules, with the digest of all files.
    #[must_use]
    pub const fn rules(&self) -> &RulePolicy {
        &self.rules
    }

    /// How calls become actions.
    #[must_use]
    pub const fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// The catalogue of the policy that an issuer judges by, [`Catalogue::empty`] of one that isn't a home's: they are in force
    /// together, so whoever reads a call asks for both at once.
    #[must_use]
    pub fn catalogue_of(policy: &dyn PolicyEngine) -> Arc<Catalogue> {
        let policy: &dyn Any = policy;
        let policy = policy.downcast_ref::<Self>();
        policy.map_or_else(|| Arc::new(Catalogue::empty()), |policy| Arc::clone(&policy.catalogue))
    }

    /// The rules, with the digest of all files.
    #[must_use]
    pub fn into_rules(self) -> RulePolicy {
        self.rules
    }
}

#[deny(clippy::missing_trait_methods)]
impl PolicyEngine for HomePolicy {
    fn id(&self) -> &PolicyId {
        self.rules.id()
    }

    fn digest(&self) -> Digest {
        self.rules.digest()
    }

    fn evaluate(&self, input: &PolicyInput<'_>) -> Verdict {
        self.rules.evaluate(input)
    }

    fn audience(&self, tool: &Tool) -> Option<&Audience> {
        self.catalogue.audience(tool)
    }

    fn permits_colliding_names(&self, tool: &Tool) -> bool {
        self.catalogue
            .tools_with_colliding_names()
            .any(|permitted| permitted == tool)
    }
}
