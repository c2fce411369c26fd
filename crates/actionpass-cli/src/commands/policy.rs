//! `policy`: checked, explained, tested.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actionpass_canon::{BoundAction, BoundFacts};
use actionpass_core::{FactsTerms, Occasion, Offered};
use actionpass_display::{Folds, View};
use actionpass_model::{ActionId, Digest, KeyStatus, KeyUse, Role, RuleId, Timestamp, TrustStore};
use actionpass_policy::testing::{PolicyTests, TestOutcome};
use actionpass_policy::{Explanation, PolicyEngine, PolicyInput, Requirement, RulePolicy, decode};
use actionpass_store::{DecisionStore, Ledger};
use actionpass_verify::approval::OfRequest;
use clap::{Args, Subcommand};
use pollster::block_on;
use serde_json::{Value, json};

use super::bring;
use crate::clock;
use crate::code::CliCode;
use crate::context::Context;
use crate::exit;
use crate::failure::{Failure, Outcome};
use crate::input;
use crate::output::{Ink, Reply, Table};
use crate::render;

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Load a policy and list its rules; errors name line and column
    Check(CheckArgs),
    /// Show what every rule makes of an action, and why; nothing is recorded
    Explain(ExplainArgs),
    /// Run a table of actions and the decisions that they must get
    Test(TestArgs),
    /// Print the policy in force, or another of its files
    Show(bring::ShowArgs),
    /// Bring a policy into force, on every machine that shares the home's database
    ///
    /// Policy and tool catalogue are checked together, as an issuer loads them; what is refused changes nothing. In a home of files it
    /// writes policy.toml.
    Put(bring::PutPolicyArgs),
}

#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// The policy [default: the home's]; `-` is stdin
    file: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// The action; `-` is stdin
    #[arg(long, value_name = "FILE")]
    action: PathBuf,
    /// What the host attests, `actionpass.facts.v1`
    #[arg(long, value_name = "FILE")]
    facts: Option<PathBuf>,
    /// An approval that is offered (the JWT that `approve` prints); may be repeated. It is checked, and not used up
    #[arg(long = "approval", value_name = "FILE")]
    approvals: Vec<PathBuf>,
    /// When it is judged [default: the time that the facts are of; of approvals, now]
    #[arg(long, value_name = "TIME", value_parser = clock::parse_timestamp)]
    at: Option<Timestamp>,
    /// The policy [default: the home's]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct TestArgs {
    /// The table, `actionpass.policy-tests.v1`; files that it names are found beside it
    file: PathBuf,
    /// When every test is judged [default: the time that its facts are of]
    #[arg(long, value_name = "TIME", value_parser = clock::parse_timestamp)]
    at: Option<Timestamp>,
    /// The policy [default: the home's]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

impl PolicyCommand {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Check(_) => "policy-check",
            Self::Explain(_) => "policy-explain",
            Self::Test(_) => "policy-test",
            Self::Show(_) => "policy-show",
            Self::Put(_) => "policy-put",
        }
    }

    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        match self {
            Self::Check(args) => args.run(context),
            Self::Explain(args) => args.run(context),
            Self::Test(args) => args.run(context),
            Self::Show(args) => args.run(context),
            Self::Put(args) => args.run(context),
        }
    }
}

impl CheckArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let policy = named_or_home(self.file.as_deref(), context)?;
        let mut table = Table::new(&["RULE", "EFFECT"]);
        let mut rules = Vec::new();
        for (id, effect) in policy.rules() {
            table.row([id.to_string(), effect.to_string()]);
            rules.push(json!({ "id": id, "effect": effect }));
        }
        let digest = policy.digest().to_string();
        let held = match self.file {
            Some(_) => None,
            None => Some(held_roles(&context.home()?.trust_snapshot()?.document)),
        };
        let warnings = policy.warnings(held.as_deref());
        let ink = Ink::stdout();
        let mut data = format!(
            "{} policy {}, {} rules\n  {digest}\n\n{}",
            ink.good("ok"),
            policy.id(),
            rules.len(),
            table.render(ink)
        );
        for warning in &warnings {
            let words = format!("{}: {} ({})", warning.rule, warning.message, warning.code);
            data.push_str(&format!("{} {}\n", ink.warn("warning"), render::visible(&words)));
        }
        let json = json!({
            "valid": true, "id": policy.id(), "digest": digest, "rules": rules, "warnings": warnings,
        });
        Ok(Reply::new(json).with_data(data))
    }
}

/// The roles of those who may approve today.
/// The roles that somebody holds who may approve.
pub(crate) fn held_roles(trust: &TrustStore) -> Vec<Role> {
    let keys = trust.keys.iter();
    keys.filter(|key| key.key_use == KeyUse::Approval && key.status == KeyStatus::Active)
        .flat_map(|key| key.roles.iter().cloned())
        .collect()
}

impl ExplainArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let paths = [Some(&self.action), self.facts.as_ref(), self.policy.as_ref()];
        let paths = paths.into_iter().flatten().chain(&self.approvals);
        input::one_stdin(paths.map(PathBuf::as_path))?;
        let bounds = context.bounds()?;
        let action = input::action(&self.action, &bounds)?;
        let facts = input::facts(self.facts.as_deref(), &bounds)?;
        let policy = named_or_home(self.policy.as_deref(), context)?;
        let at = self.at.or_else(|| facts.document().map(|facts| facts.as_of));
        // What `authorize` would refuse before it asks policy, policy doesn't explain.
        let terms = facts_terms(self.policy.as_deref(), context)?;
        if let Some(at) = at {
            terms.check(&facts, &action, at)?;
        }
        let note = match (self.at, facts.document()) {
            (None, Some(document)) => {
                let now = clock::now()?;
                let refused = terms.check(&facts, &action, now).err();
                refused.map(|error| FactsNote::new(error.code().to_string(), document.as_of, now, terms.max_age()))
            }
            _ => None,
        };
        let offered = self.offered(&action, &facts, policy.digest(), context)?;
        let grants = offered.grants();
        let input = PolicyInput::new(&action, &facts, &grants);
        let mut explanation = policy.explain(&at.map_or(input, |at| input.at(at)));
        let mut seen = HashSet::new();
        let refused = offered.reasons().iter().filter(|reason| seen.insert(&reason.code));
        explanation.reasons.splice(0..0, refused.cloned());
        let exit = exit::of_decision(explanation.decision);
        let mut json = serde_json::to_value(&explanation).map_err(|error| Failure::internal(&error))?;
        if let (Some(note), Some(members)) = (&note, json.as_object_mut()) {
            members.insert("notes".to_owned(), json!([note.json()]));
        }
        // Values out of the payload stand in it, so nothing hidden may pass for lines of ours.
        let text = explanation.to_string();
        let mut data = text
            .lines()
            .map(|line| render::visible(line) + "\n")
            .collect::<String>();
        let view = View::of(&action, &asking(&explanation), &facts)?;
        data.push('\n');
        data.push_str(&view.to_terminal(render::MAX_COLUMNS, Folds::Closed));
        if let Some(note) = note {
            data.push_str(&format!("\n{} {}\n", Ink::stdout().warn("note"), note.message()));
        }
        Ok(Reply::new(json).with_exit(exit).with_data(data))
    }
}

/// The rules that ask for approvals or overrides.
fn asking(explanation: &Explanation) -> Vec<RuleId> {
    let rule = |requirement: &Requirement| match requirement {
        Requirement::Approval { rule, .. } | Requirement::Override { rule, .. } => Some(rule.clone()),
        _ => None,
    };
    explanation.required.iter().filter_map(rule).collect()
}

/// That the issuer would refuse facts today which are explained as of their own time.
#[derive(Clone, Debug)]
struct FactsNote {
    code: String,
    /// Seconds, negative for facts from the future.
    age: i64,
    max_age: u64,
}

impl FactsNote {
    fn new(code: String, as_of: Timestamp, now: Timestamp, max_age: Duration) -> Self {
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        Self {
            code,
            age: seconds(now.saturating_since(as_of)).saturating_sub(seconds(as_of.saturating_since(now))),
            max_age: max_age.as_secs(),
        }
    }

    fn message(&self) -> String {
        format!(
            "the issuer would refuse these facts now ({}): they are {} s old, and it takes {} s at most",
            self.code, self.age, self.max_age
        )
    }

    fn json(&self) -> Value {
        json!({ "code": self.code, "age": self.age, "maxAge": self.max_age, "message": self.message() })
    }
}

/// Which facts are taken: by the home whose policy it is, or else by default.
fn facts_terms(policy: Option<&Path>, context: &Context) -> Outcome<FactsTerms> {
    Ok(match policy {
        Some(_) => FactsTerms::new(),
        None => context.home()?.config()?.facts_terms(),
    })
}

impl ExplainArgs {
    /// The approvals that are offered, as `authorize` would find them, which is in the home.
    fn offered(
        &self,
        action: &BoundAction,
        facts: &BoundFacts,
        policy_digest: Digest,
        context: &Context,
    ) -> Outcome<Offered> {
        let tokens = self.approvals.iter().map(|path| input::token(path));
        let tokens = tokens.collect::<Outcome<Vec<_>>>()?;
        if tokens.is_empty() {
            return Ok(Offered::default());
        }
        let now = clock::now()?;
        let action_id = match &action.action().id {
            Some(id) => id.clone(),
            None => ActionId::from_uuid(clock::uuid(now)?),
        };
        let opened = context.open_home_to_read()?;
        let occasion = Occasion {
            action,
            action_id: &action_id,
            facts_hash: facts.hash(),
            // Whether the request that a vote names still waits isn't asked here.
            request: OfRequest::Any,
            policy_digest,
            at: self.at.unwrap_or(now),
            restored: block_on(opened.store.state())?.restored,
        };
        let (config, trust) = (opened.config.issuer_config(), opened.home.trust()?);
        let all = Offered::check(&tokens, &config, &occasion, &trust, &[])?;
        let used = block_on(opened.store.used_approvals(all.refs()))?;
        Ok(Offered::check(&tokens, &config, &occasion, &trust, &used)?)
    }
}

impl TestArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let (bytes, name) = (input::policy(&self.file)?, self.file.display().to_string());
        let mut tests = PolicyTests::load(decode(&bytes, &name)?, &name)?;
        if let Some(at) = self.at {
            tests = tests.at(at);
        }
        let policy = named_or_home(self.policy.as_deref(), context)?;
        let folder = self.file.parent().unwrap_or(Path::new(""));
        let terms = facts_terms(self.policy.as_deref(), context)?;
        let outcomes = tests.run_with(
            &*policy,
            |name| std::fs::read(folder.join(name)).ok(),
            |facts, action, at| {
                let refused = terms.check(facts, action, at).err();
                refused.map_or(Ok(()), |error| Err(format!("{}: {error}", error.code())))
            },
        );
        let failed = outcomes.iter().filter(|outcome| !outcome.passed()).count();
        let json = json!({
            "passed": failed == 0, "tests": outcomes.len(), "failed": failed,
            "outcomes": outcomes.iter().map(outcome_json).collect::<Vec<_>>(),
        });
        let ink = Ink::stdout();
        let mut data = outcomes
            .iter()
            .flat_map(|outcome| {
                let text = outcome.to_string();
                text.lines()
                    .map(|line| render::visible(line) + "\n")
                    .collect::<Vec<_>>()
            })
            .collect::<String>();
        let verdict = if failed == 0 { ink.good("ok") } else { ink.bad("failed") };
        data.push_str(&format!("{verdict} {} tests, {failed} failed\n", outcomes.len()));
        let exit = if failed == 0 {
            0
        } else {
            CliCode::PolicyTestFailed.class().exit_code()
        };
        Ok(Reply::new(json).with_exit(exit).with_data(data))
    }
}

fn outcome_json(outcome: &TestOutcome) -> Value {
    let mut json = json!({ "name": outcome.name, "passed": outcome.passed(), "expected": outcome.expected });
    if let Some(members) = json.as_object_mut() {
        match &outcome.decided {
            Ok(decided) => {
                members.insert("decision".to_owned(), decided.decision.as_str().into());
                members.insert(
                    "rules".to_owned(),
                    decided.rules.iter().map(|rule| Value::from(rule.as_str())).collect(),
                );
            }
            Err(problem) => {
                members.insert("problem".to_owned(), problem.as_str().into());
            }
        }
    }
    json
}

/// The policy of a file, or the home's.
pub(crate) fn named_or_home(path: Option<&Path>, context: &Context) -> Outcome<Arc<RulePolicy>> {
    match path {
        Some(path) => load(path).map(Arc::new),
        None => {
            let home = context.home()?;
            let policy = home.policy(&home.config()?)?;
            // Whoever looks at the policy hears of it; an issuer isn't stopped by what is pinned.
            policy.check_paths(Some(&home.pins()?))?;
            Ok(Arc::new(policy.into_rules()))
        }
    }
}

/// Loads a policy that the command line names.
pub(crate) fn load(path: &Path) -> Outcome<RulePolicy> {
    Ok(RulePolicy::load_bytes(
        &input::policy(path)?,
        &path.display().to_string(),
    )?)
}
