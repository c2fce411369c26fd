//! Tests of a policy: tables of actions and the decisions they must get (`docs/spec/policy.md`, "Testing a policy").
//!
//! ```
//! use actionpass_policy::{EXAMPLE_STEP_UP, RulePolicy, STARTER_POLICY, testing::PolicyTests};
//!
//! let policy = RulePolicy::load(STARTER_POLICY, "policy.toml")?;
//! let tests = PolicyTests::load(
//!     r#"
//!     schema = "actionpass.policy-tests.v1"
//!     [[test]]
//!     name = "a pull request without test evidence needs a maintainer"
//!     action = "pull-request.json"
//!     expect = "step_up"
//!     rules = ["github.pr.untested"]
//!     "#,
//!     "policy-tests.toml",
//! )?;
//! let files = |name: &str| (name == "pull-request.json").then(|| EXAMPLE_STEP_UP.as_bytes().to_vec());
//! for outcome in tests.run(&policy, files) {
//!     assert!(outcome.passed(), "{outcome}");
//! }
//! # Ok::<(), actionpass_policy::PolicyError>(())
//! ```
//!
//! Reading files is the caller's part: [`PolicyTests::run`] asks for them by the names that the tests use.

use std::collections::HashSet;
use std::fmt;

use actionpass_canon::{BoundAction, BoundFacts, Limits};
use actionpass_model::{
    ApprovalId, ApprovalMode, Approver, Assurance, Decision, Grant, Reason, Role, RuleId, Timestamp,
};
use serde_json::{Value, json};

use crate::load::{self, Fields, Node, Source, list, parsed, text};
use crate::{PolicyCode, PolicyEngine, PolicyError, PolicyInput};

/// A table of tests.
#[derive(Clone, Debug)]
pub struct PolicyTests {
    tests: Vec<PolicyTest>,
    /// When every test is judged, if that was said.
    at: Option<Timestamp>,
}

#[derive(Clone, Debug)]
struct PolicyTest {
    name: String,
    action: String,
    facts: Option<FactsOf>,
    grants: Vec<Grant>,
    expect: Decision,
    rules: Option<Vec<RuleId>>,
}

#[derive(Clone, Debug)]
enum FactsOf {
    File(String),
    Inline(Value),
}

/// What a test came to.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TestOutcome {
    /// The test's name.
    pub name: String,
    /// The decision that it expects.
    pub expected: Decision,
    /// The rules that it expects to decide, in any order; `None` if it doesn't say.
    pub expected_rules: Option<Vec<RuleId>>,
    /// What the policy decided, or why it couldn't be asked.
    pub decided: Result<Decided, String>,
}

/// What the policy decided.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Decided {
    /// The decision.
    pub decision: Decision,
    /// The rules that decided.
    pub rules: Vec<RuleId>,
    /// Why.
    pub reasons: Vec<Reason>,
}

impl PolicyTests {
    /// Reads a table of tests. `path` is where the text comes from, for messages.
    ///
    /// # Errors
    /// [`PolicyError`] names code, line and column of the first thing that is wrong.
    pub fn load(text: &str, path: &str) -> Result<Self, PolicyError> {
        load::document(text, path, "actionpass.policy-tests.v1", |source, top| {
            top.only(&["schema", "test"], "a file of policy tests")?;
            let mut tests: Vec<PolicyTest> = Vec::new();
            let mut names = HashSet::new();
            for node in list(source, top.need("test")?)? {
                let test = test(source, node)?;
                if !names.insert(test.name.clone()) {
                    let problem = format!("`{}` is the name of an earlier test", test.name);
                    return Err(source.error(PolicyCode::PolicyTestRepeated, node.span(), problem));
                }
                tests.push(test);
            }
            Ok(Self { tests, at: None })
        })
    }

    /// Judges every test at this time. Otherwise each is judged at the time that its facts are of, so that it comes out the
    /// same whenever it runs. Facts that stand in the table itself are always of the time of judging.
    #[must_use]
    pub fn at(self, time: Timestamp) -> Self {
        Self { at: Some(time), ..self }
    }

    /// How many tests there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tests.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tests.is_empty()
    }

    /// Runs every test. `read` gives the bytes of a file by the name that the test uses.
    pub fn run<E: PolicyEngine + ?Sized>(
        &self,
        policy: &E,
        read: impl FnMut(&str) -> Option<Vec<u8>>,
    ) -> Vec<TestOutcome> {
        self.run_with(policy, read, |_, _, _| Ok(()))
    }

    /// The same, where an issuer's terms for facts hold as well: `admits` says whether facts of a file are taken for an
    /// action at the time of judging, or else the code and why not. Facts about another action never are.
    pub fn run_with<E: PolicyEngine + ?Sized>(
        &self,
        policy: &E,
        mut read: impl FnMut(&str) -> Option<Vec<u8>>,
        mut admits: impl FnMut(&BoundFacts, &BoundAction, Timestamp) -> Result<(), String>,
    ) -> Vec<TestOutcome> {
        let mut outcomes = Vec::with_capacity(self.tests.len());
        for test in &self.tests {
            outcomes.push(TestOutcome {
                name: test.name.clone(),
                expected: test.expect,
                expected_rules: test.rules.clone(),
                decided: test.decide(policy, self.at, &mut read, &mut admits),
            });
        }
        outcomes
    }
}

impl PolicyTest {
    fn decide<E: PolicyEngine + ?Sized>(
        &self,
        policy: &E,
        at: Option<Timestamp>,
        read: &mut impl FnMut(&str) -> Option<Vec<u8>>,
        admits: &mut impl FnMut(&BoundFacts, &BoundAction, Timestamp) -> Result<(), String>,
    ) -> Result<Decided, String> {
        let mut file = |name: &str| read(name).ok_or_else(|| format!("`{name}` can't be read"));
        let limits = Limits::default();
        // A name never starts with a brace, an action always does.
        let action = if self.action.trim_start().starts_with('{') {
            self.action.clone().into_bytes()
        } else {
            file(&self.action)?
        };
        let action = BoundAction::admit(&action, &limits).map_err(|error| format!("the action is refused: {error}"))?;
        let facts = match &self.facts {
            None => None,
            Some(FactsOf::File(name)) => Some(file(name)?),
            Some(FactsOf::Inline(facts)) => Some(
                json!({
                    "schema": "actionpass.facts.v1",
                    "source": "policy test",
                    "asOf": at.unwrap_or(Timestamp::EPOCH),
                    "facts": facts,
                })
                .to_string()
                .into_bytes(),
            ),
        };
        let facts = facts.map_or_else(|| Ok(BoundFacts::none()), |facts| BoundFacts::admit(&facts, &limits));
        let facts = facts.map_err(|error| format!("the facts are refused: {error}"))?;
        let input = PolicyInput::new(&action, &facts, &self.grants);
        let at = at.or_else(|| facts.document().map(|facts| facts.as_of));
        if let (Some(FactsOf::File(_)), Some(document), Some(at)) = (&self.facts, facts.document(), at) {
            if document.action_hash.is_some_and(|about| about != action.action_hash()) {
                return Err("the facts are refused: facts_mismatch: they are about another action".to_owned());
            }
            admits(&facts, &action, at).map_err(|problem| format!("the facts are refused: {problem}"))?;
        }
        let verdict = policy.evaluate(&at.map_or(input, |at| input.at(at)));
        Ok(Decided {
            decision: verdict.decision,
            rules: verdict.rules,
            reasons: verdict.reasons,
        })
    }
}

impl TestOutcome {
    /// Whether the policy decided as expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.decided.as_ref().is_ok_and(|decided| {
            decided.decision == self.expected
                && self.expected_rules.as_ref().is_none_or(|expected| {
                    expected.len() == decided.rules.len() && expected.iter().all(|rule| decided.rules.contains(rule))
                })
        })
    }
}

impl fmt::Display for TestOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.passed() {
            return write!(f, "ok {}", self.name);
        }
        write!(f, "FAILED {}: expected {}", self.name, self.expected)?;
        if let Some(rules) = &self.expected_rules {
            write!(f, " by {}", joined(rules))?;
        }
        match &self.decided {
            Err(problem) => write!(f, "; {problem}"),
            Ok(decided) => {
                write!(f, ", got {} by {}", decided.decision, joined(&decided.rules))?;
                for reason in &decided.reasons {
                    write!(f, "\n  {}", reason.code)?;
                    if let Some(rule) = &reason.rule {
                        write!(f, " {rule}")?;
                    }
                    if let Some(path) = &reason.path {
                        write!(f, " {path}")?;
                    }
                }
                Ok(())
            }
        }
    }
}

fn joined(rules: &[RuleId]) -> String {
    match rules {
        [] => "no rule".to_owned(),
        rules => rules.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(", "),
    }
}

fn test(source: &Source<'_>, node: &Node<'_>) -> Result<PolicyTest, PolicyError> {
    let fields = Fields::new(source, node)?;
    fields.only(&["name", "action", "facts", "approvals", "expect", "rules"], "a test")?;
    let expect = fields.need("expect")?;
    let grants = fields.get("approvals").map_or(Ok(&[][..]), |node| list(source, node))?;
    Ok(PolicyTest {
        name: text(source, fields.need("name")?)?.to_owned(),
        action: text(source, fields.need("action")?)?.to_owned(),
        facts: match fields.get("facts") {
            None => None,
            Some(node) => Some(match load::json(source, node)? {
                Value::String(name) => FactsOf::File(name),
                facts @ Value::Object(_) => FactsOf::Inline(facts),
                _ => {
                    let problem = "is neither a file name nor a table of facts";
                    return Err(source.error(PolicyCode::PolicyTypeMismatch, node.span(), problem));
                }
            }),
        },
        grants: grants
            .iter()
            .zip(1u64..)
            .map(|(node, number)| grant(source, node, number))
            .collect::<Result<_, _>>()?,
        expect: match text(source, expect)? {
            "allow" => Decision::Allow,
            "deny" => Decision::Deny,
            "step_up" => Decision::StepUp,
            _ => {
                let problem = "is none of `allow`, `deny`, `step_up`";
                return Err(source.error(PolicyCode::PolicyValueInvalid, expect.span(), problem));
            }
        },
        rules: fields.get("rules").map(|node| all(source, node)).transpose()?,
    })
}

/// A simulated approval: signed, and of mode `human` unless it names rules to override.
fn grant(source: &Source<'_>, node: &Node<'_>, number: u64) -> Result<Grant, PolicyError> {
    let fields = Fields::new(source, node)?;
    fields.only(&["approver", "roles", "overrides", "asserted"], "a simulated approval")?;
    let id = ApprovalId::parse(&format!("apr_{number:032x}"));
    let id = id.map_err(|error| source.error(PolicyCode::PolicyValueInvalid, node.span(), error.to_string()))?;
    let overrides = fields.get("overrides");
    Ok(Grant {
        id,
        mode: if overrides.is_some() {
            ApprovalMode::PolicyOverride
        } else {
            ApprovalMode::Human
        },
        approver: parsed::<Approver>(source, fields.need("approver")?)?,
        roles: fields
            .get("roles")
            .map_or(Ok(Vec::new()), |node| all::<Role>(source, node))?,
        assurance: if fields.flag("asserted")? {
            Assurance::Asserted
        } else {
            Assurance::Signed
        },
        rules: overrides.map_or(Ok(Vec::new()), |node| all::<RuleId>(source, node))?,
    })
}

fn all<T: std::str::FromStr<Err: fmt::Display>>(source: &Source<'_>, node: &Node<'_>) -> Result<Vec<T>, PolicyError> {
    list(source, node)?.iter().map(|node| parsed(source, node)).collect()
}
