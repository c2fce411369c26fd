//! Tests of a catalogue: tables of calls, and what each must become (`docs/spec/tools.md`, "Testing a catalogue").
//!
//! ```
//! use actionpass_gate::{Catalogue, testing::CallTests};
//!
//! let tests = CallTests::parse(
//!     r#"
//!     schema = "actionpass.tools-tests.v1"
//!     [[test]]
//!     name = "a search acts on its server"
//!     call = '{"server":"docs","tool":"search","arguments":{}}'
//!     tool = "mcp/docs/search"
//!     resource = "server:docs"
//!     [[test]]
//!     name = "a name out of another place is no name"
//!     call = '{"server":"docs","tool":"../admin","arguments":{}}'
//!     refused = "call_not_normalizable"
//!     "#,
//!     "tools-tests.toml",
//! )?;
//! for outcome in tests.run(&Catalogue::empty(), None) {
//!     assert!(outcome.passed(), "{outcome}");
//! }
//! # Ok::<(), actionpass_gate::CatalogueError>(())
//! ```

use std::collections::HashSet;
use std::fmt;

use actionpass_canon::{BoundFacts, Limits};
use actionpass_model::{Caller, Code, Decision, Intent, Resource, Task, Tool};
use actionpass_policy::{PolicyEngine, PolicyInput};
use serde::Deserialize;
use serde_json::json;
use toml::Spanned;

use crate::catalogue::Source;
use crate::{CallDocument, Catalogue, CatalogueCode, CatalogueError};

/// A table of tests.
#[derive(Clone, Debug)]
pub struct CallTests {
    tests: Vec<Test>,
}

/// What a test came to.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct CallOutcome {
    /// The test's name.
    pub name: String,
    /// What came out otherwise than it says; empty if it passed.
    pub problems: Vec<String>,
}

impl CallOutcome {
    /// Whether everything came out as the test says.
    #[must_use]
    pub const fn passed(&self) -> bool {
        self.problems.is_empty()
    }
}

impl fmt::Display for CallOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.name)?;
        if self.passed() {
            f.write_str("ok")
        } else {
            f.write_str(&self.problems.join("; "))
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: Spanned<String>,
    test: Vec<Test>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    name: Spanned<String>,
    call: Spanned<String>,
    #[serde(default)]
    tool: Option<Tool>,
    #[serde(default)]
    resource: Option<Resource>,
    #[serde(default)]
    decision: Option<Decision>,
    #[serde(default)]
    refused: Option<Code>,
}

impl CallTests {
    /// The schema of the file.
    pub const SCHEMA: &'static str = "actionpass.tools-tests.v1";

    /// Reads a table of tests. `path` is where the text comes from, for messages.
    ///
    /// # Errors
    /// [`CatalogueError`] with line and column: [`CatalogueCode::ToolsInvalid`], also for a test that asks nothing or too much, and for
    /// two of one name; [`CatalogueCode::ToolsSchemaUnsupported`].
    pub fn parse(text: &str, path: &str) -> Result<Self, CatalogueError> {
        let source = Source::new(text, path);
        let file: File = toml::from_str(text).map_err(|error| {
            source.error(
                CatalogueCode::ToolsInvalid,
                error.span().map_or(0, |span| span.start),
                error.message(),
            )
        })?;
        if file.schema.get_ref() != Self::SCHEMA {
            let problem = format!("is not `{}`", Self::SCHEMA);
            return Err(source.error(CatalogueCode::ToolsSchemaUnsupported, file.schema.span().start, problem));
        }
        let mut names = HashSet::new();
        for test in &file.test {
            let is_action = test.tool.is_some() || test.resource.is_some() || test.decision.is_some();
            let problem = if !names.insert(test.name.get_ref()) {
                "is the name of an earlier test"
            } else if is_action == test.refused.is_some() {
                "a test says `refused`, or what the call becomes: `tool`, `resource`, `decision`"
            } else {
                continue;
            };
            return Err(source.error(CatalogueCode::ToolsInvalid, test.name.span().start, problem));
        }
        Ok(Self { tests: file.test })
    }

    /// Runs every test, in order. Schemas are not asked: a table has no list of tools. Decisions are those of the policy, about the agent `agent:codex-prod` of `user:owner@example.com`,
    /// without approvals; without a policy a test that expects one fails.
    #[must_use]
    pub fn run(&self, catalogue: &Catalogue, policy: Option<&dyn PolicyEngine>) -> Vec<CallOutcome> {
        let outcome = |test: &Test| CallOutcome {
            name: test.name.get_ref().clone(),
            problems: test.problems(catalogue, policy),
        };
        self.tests.iter().map(outcome).collect()
    }
}

impl Test {
    fn problems(&self, catalogue: &Catalogue, policy: Option<&dyn PolicyEngine>) -> Vec<String> {
        let document = CallDocument::admit(self.call.get_ref().as_bytes(), &Limits::default());
        let call = match document.and_then(|document| catalogue.derive(document.call())) {
            Ok(call) => call,
            Err(error) => {
                let is_expected = self.refused.as_ref().is_some_and(|code| *code == error.code());
                return if is_expected {
                    Vec::new()
                } else {
                    vec![format!("refused, {}: {error}", error.code())]
                };
            }
        };
        let mut problems = Vec::new();
        let mut expect = |what: &str, expected: Option<&str>, found: &str| {
            if expected.is_some_and(|expected| expected != found) {
                problems.push(format!("{what} `{found}` and not `{}`", expected.unwrap_or_default()));
            }
        };
        expect("tool", self.tool.as_ref().map(Tool::as_str), call.tool.as_str());
        expect(
            "resource",
            self.resource.as_ref().map(Resource::as_str),
            call.resource.as_str(),
        );
        expect(
            "not refused:",
            self.refused.as_ref().map(Code::as_str),
            call.tool.as_str(),
        );
        if let Some(expected) = self.decision {
            match policy.map(|policy| decide(&call, policy)) {
                Some(Ok(found)) => expect("decision", Some(expected.as_str()), found.as_str()),
                Some(Err(problem)) => problems.push(problem),
                None => problems.push("there is no policy to decide".to_owned()),
            }
        }
        problems
    }
}

fn decide(call: &crate::Normalized, policy: &dyn PolicyEngine) -> Result<Decision, String> {
    let text = |error: actionpass_model::TextError| error.to_string();
    let caller = Caller::parse(
        "org:example",
        "agent:codex-prod",
        "user:owner@example.com",
        "runtime:codex-cli",
    )
    .map_err(text)?;
    let intent = Intent {
        task: Task::parse("AXT-418").map_err(text)?,
        summary: None,
    };
    let limits = Limits::default();
    let action = call
        .action(&caller, &intent, None, None, &limits)
        .map_err(|error| error.to_string())?;
    let facts = json!({ "schema": "actionpass.facts.v1", "source": "catalogue", "asOf": "2026-11-23T01:02:03.000Z", "facts": call.facts() });
    let facts = BoundFacts::admit(facts.to_string().as_bytes(), &limits).map_err(|error| error.to_string())?;
    Ok(policy.evaluate(&PolicyInput::new(&action, &facts, &[])).decision)
}

#[cfg(test)]
mod tests {
    use actionpass_policy::RulePolicy;

    use super::*;

    fn parse(tests: &str) -> Result<CallTests, CatalogueError> {
        CallTests::parse(&format!("schema = \"actionpass.tools-tests.v1\"\n{tests}"), "t.toml")
    }

    const CALL: &str = r#"call = '{"server":"d","tool":"s","arguments":{}}'"#;

    #[test]
    fn a_test_that_fails_says_what_came_out() {
        let policy = "schema = \"actionpass.policy.v1\"\nid = \"p\"\n[[rule]]\nid = \"a\"\neffect = \"allow\"\ntool = \"mcp/d/s\"\n";
        let policy = RulePolicy::load(policy, "policy.toml").unwrap();
        let problems = |expected: &str, policy: Option<&dyn PolicyEngine>| {
            let tests = parse(&format!("[[test]]\nname = \"n\"\n{CALL}\n{expected}")).unwrap();
            tests.run(&Catalogue::empty(), policy).remove(0).problems
        };
        for good in ["tool = \"mcp/d/s\"\nresource = \"server:d\"", "decision = \"allow\""] {
            assert_eq!(problems(good, Some(&policy)), <[String; 0]>::default(), "{good}");
        }
        for bad in [
            "tool = \"x\"",
            "resource = \"server:x\"",
            "refused = \"call_not_mapped\"",
            "decision = \"deny\"",
        ] {
            assert_eq!(problems(bad, Some(&policy)).len(), 1, "{bad}");
        }
        assert_eq!(problems("decision = \"allow\"", None).len(), 1);
        let refused = parse("[[test]]\nname = \"n\"\ncall = '[]'\nrefused = \"call_malformed\"\n[[test]]\nname = \"m\"\ncall = '[]'\ntool = \"x\"").unwrap();
        let passed: Vec<bool> = refused
            .run(&Catalogue::empty(), None)
            .iter()
            .map(CallOutcome::passed)
            .collect();
        assert_eq!(passed, [true, false]);
    }

    #[test]
    fn a_table_is_closed_and_every_test_asks_something() {
        let one = |rest: &str| format!("[[test]]\nname = \"n\"\n{CALL}\n{rest}\n");
        for text in [
            String::new(),
            one(""),
            one("expect = \"allow\""),
            one("tool = \"x\"\nrefused = \"y\""),
            one("tool = \"\""),
            format!("{}{}", one("tool = \"x\""), one("tool = \"x\"")),
        ] {
            assert_eq!(parse(&text).unwrap_err().code(), CatalogueCode::ToolsInvalid, "{text}");
        }
        let error = CallTests::parse("schema = \"x\"\ntest = []", "t.toml").unwrap_err();
        assert_eq!(error.code(), CatalogueCode::ToolsSchemaUnsupported);
    }
}
