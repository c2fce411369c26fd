//! [`RulePolicy`]: the built-in engine.

use actionpass_canon::{CanonError, canonicalize, sha256};
use actionpass_model::{Digest, PolicyId, Role, RuleId};
use serde::Serialize;

use crate::evaluate::evaluate;
use crate::explain::Explanation;
use crate::rule::Rule;
use crate::scope::Scope;
use crate::work::MAX_WORK;
use crate::{Effect, PolicyEngine, PolicyError, PolicyInput, Verdict, load};

/// The built-in engine: rules out of a `policy.toml` (`docs/spec/policy.md`).
#[derive(Clone, Debug)]
pub struct RulePolicy {
    id: PolicyId,
    /// The names and SHA-256 of what determines decisions, the file of the rules first.
    files: Vec<(Box<str>, Digest)>,
    digest: Digest,
    rules: Box<[Rule]>,
}

impl RulePolicy {
    /// The name and version of the language, as the policy's digest covers it.
    pub const ENGINE: &'static str = "actionpass.rules.v2";

    /// The most steps that one decision may take; one that takes more is a deny with `policy_work_exceeded`
    /// (`docs/spec/policy.md`, "Work").
    pub const MAX_WORK: u64 = MAX_WORK;

    /// The largest file that is read, in bytes: 1 MiB.
    pub const MAX_BYTES: usize = 1 << 20;

    /// Reads and compiles a policy. `path` is where the text comes from, for messages; its last component is in the
    /// policy's digest.
    ///
    /// # Errors
    /// [`PolicyError`] names code, line and column of the first thing that is wrong. A policy that could be
    /// misunderstood (an unknown key, a condition that can't hold, a pattern that matches nothing) is wrong.
    pub fn load(text: &str, path: &str) -> Result<Self, PolicyError> {
        let loaded = load::policy(text, path)?;
        let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
        let files = vec![(name.into(), sha256(text.as_bytes()))];
        Ok(Self {
            id: loaded.id,
            digest: digest(&files).map_err(|error| load::unhashable(path, &error))?,
            files,
            rules: loaded.rules.into(),
        })
    }

    /// The same with a digest that knows the file of the rules by this name, wherever it was read.
    ///
    /// # Errors
    /// [`PolicyError`] for a name that can't be hashed.
    pub fn with_name(mut self, name: &str) -> Result<Self, PolicyError> {
        if let Some((known, _)) = self.files.first_mut() {
            *known = name.into();
        }
        self.digest = digest(&self.files).map_err(|error| load::unhashable(name, &error))?;
        Ok(self)
    }

    /// The same with a digest that covers these files too, by name and SHA-256 of their bytes: those that say how calls become the
    /// actions that the rules see.
    ///
    /// # Errors
    /// [`PolicyError`] for a name that can't be hashed, which no text leads to.
    pub fn with_files<'a>(mut self, files: impl IntoIterator<Item = (&'a str, Digest)>) -> Result<Self, PolicyError> {
        self.files
            .extend(files.into_iter().map(|(name, hash)| (name.into(), hash)));
        let first = self.files.first().map_or("", |(name, _)| name);
        self.digest = digest(&self.files).map_err(|error| load::unhashable(first, &error))?;
        Ok(self)
    }

    /// The same of a file's bytes.
    ///
    /// # Errors
    /// Those of [`decode`](crate::decode), then those of [`load`](Self::load).
    pub fn load_bytes(bytes: &[u8], path: &str) -> Result<Self, PolicyError> {
        Self::load(load::decode(bytes, path)?, path)
    }

    /// The rules' ids and effects, in the order of the file.
    pub fn rules(&self) -> impl Iterator<Item = (&RuleId, Effect)> {
        self.rules.iter().map(|rule| (&rule.id, rule.effect))
    }

    /// The deny rules that an override lifts, in the order of the file, each with the roles of which the approver must hold
    /// one (`docs/spec/policy.md`, "Overrides").
    pub fn overridable(&self) -> impl Iterator<Item = (&RuleId, &[Role])> {
        let rules = self.rules.iter().filter(|rule| !rule.overridable_by.is_empty());
        rules.map(|rule| (&rule.id, &*rule.overridable_by))
    }

    /// The rules as they are compiled.
    pub(crate) const fn compiled(&self) -> &[Rule] {
        &self.rules
    }

    /// The same verdict with everything that led to it, values included: for people, not for records.
    #[must_use]
    pub fn explain(&self, input: &PolicyInput<'_>) -> Explanation {
        Explanation::new(&self.rules, input)
    }

    /// How many steps the decision takes: `docs/spec/policy.md`, "Work".
    #[must_use]
    pub fn work(&self, input: &PolicyInput<'_>) -> u64 {
        let scope = Scope::new(input);
        let _ = evaluate(&self.rules, &scope);
        scope.work.spent()
    }
}

impl PolicyEngine for RulePolicy {
    fn id(&self) -> &PolicyId {
        &self.id
    }

    fn digest(&self) -> Digest {
        self.digest
    }

    fn evaluate(&self, input: &PolicyInput<'_>) -> Verdict {
        evaluate(&self.rules, &Scope::new(input))
    }
}

/// `policy.digest`: of everything that determines decisions.
fn digest(files: &[(Box<str>, Digest)]) -> Result<Digest, CanonError> {
    #[derive(Serialize)]
    struct Whole<'a> {
        schema: &'static str,
        engine: &'static str,
        files: Vec<File<'a>>,
        settings: Settings,
    }
    #[derive(Serialize)]
    struct File<'a> {
        path: &'a str,
        sha256: Digest,
    }
    #[derive(Serialize)]
    struct Settings {}

    let whole = Whole {
        schema: "actionpass.policy-digest.v1",
        engine: RulePolicy::ENGINE,
        files: files.iter().map(|(path, hash)| File { path, sha256: *hash }).collect(),
        settings: Settings {},
    };
    Ok(canonicalize(&whole)?.digest())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "schema = \"actionpass.policy.v1\"\nid = \"empty\"\n";

    #[test]
    fn only_what_somebody_may_lift_is_overridable() {
        let rules = "[[rule]]\nid = \"a\"\neffect = \"deny\"\ntool = \"x\"\n\
            [[rule]]\nid = \"b\"\neffect = \"deny\"\ntool = \"x\"\noverridable_by = [\"r\", \"s\"]\n\
            [[rule]]\nid = \"c\"\neffect = \"allow\"\ntool = \"y\"\n";
        let policy = RulePolicy::load(&format!("{EMPTY}{rules}"), "policy.toml").unwrap();
        let found: Vec<_> = policy.overridable().collect();
        let roles = ["r", "s"].map(|role| Role::parse(role).unwrap());
        assert_eq!(found, [(&RuleId::parse("b").unwrap(), &roles[..])]);
    }

    #[test]
    fn the_digest_is_over_the_file_and_its_name() {
        let digest = |text: &str, path: &str| RulePolicy::load(text, path).unwrap().digest();
        let expected = format!(
            r#"{{"engine":"actionpass.rules.v2","files":[{{"path":"policy.toml","sha256":"{}"}}],"schema":"actionpass.policy-digest.v1","settings":{{}}}}"#,
            sha256(EMPTY.as_bytes())
        );
        assert_eq!(digest(EMPTY, "/home/a/policy.toml"), sha256(expected.as_bytes()));
        assert_eq!(digest(EMPTY, "policy.toml"), digest(EMPTY, "C:\\a\\policy.toml"));
        assert_ne!(digest(EMPTY, "policy.toml"), digest(EMPTY, "other.toml"));
        assert_ne!(
            digest(EMPTY, "policy.toml"),
            digest(&format!("{EMPTY}# a comment\n"), "policy.toml")
        );
    }

    #[test]
    fn the_digest_covers_further_files_in_their_order() {
        let policy = || RulePolicy::load(EMPTY, "policy.toml").unwrap();
        let (tools, schema) = (("tools.toml", sha256(b"tools")), ("a.json", sha256(b"schema")));
        let expected = format!(
            r#"{{"engine":"actionpass.rules.v2","files":[{{"path":"policy.toml","sha256":"{}"}},{{"path":"tools.toml","sha256":"{}"}},{{"path":"a.json","sha256":"{}"}}],"schema":"actionpass.policy-digest.v1","settings":{{}}}}"#,
            sha256(EMPTY.as_bytes()),
            tools.1,
            schema.1
        );
        let with = policy().with_files([tools, schema]).unwrap();
        assert_eq!(with.digest(), sha256(expected.as_bytes()));
        assert_ne!(policy().with_files([schema, tools]).unwrap().digest(), with.digest());
        assert_eq!(policy().with_files([]).unwrap().digest(), policy().digest());
    }
}
