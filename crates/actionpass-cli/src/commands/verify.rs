//! `verify`: a pass against the call that is about to be made.

use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actionpass_canon::Limits;
use actionpass_crypto::JwsCode;
use actionpass_home::{Config, Home, HomeError, MAX_LIMITS, duration, limit};
use actionpass_model::{
    Agent, ApprovalMode, Audience, Code, CodeClass, Issuer, ObligationId, Resource, Task, Tenant, Tool, UnixSeconds,
    UseBody, UseSchema,
};
use actionpass_store::ledger::RecordRef;
use actionpass_store::{ReplayCode, StoreCode};
use actionpass_verify::{Executor, OwnedCall, Refusal, Trust, VerifiedPass, Verifier, VerifyCode};
use clap::{ArgGroup, Args};
use pollster::block_on;
use serde::Serialize;
use serde_json::{Value, json};

use crate::clock;
use crate::code::CliCode;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::input::{self, Bounds};
use crate::output::{self, Ink, Reply};

#[derive(Args, Clone, Debug)]
#[command(group = ArgGroup::new("call").required(true))]
pub(crate) struct VerifyArgs {
    /// The pass; `-` is stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) token: PathBuf,
    /// The whole action that is about to be executed; `-` is stdin
    #[arg(long, group = "call", value_name = "FILE")]
    pub(crate) action: Option<PathBuf>,
    /// The tool that is about to be called, where the action isn't known
    #[arg(long, group = "call", requires_all = ["resource", "payload"], value_name = "TOOL")]
    pub(crate) tool: Option<Tool>,
    /// What it acts on
    #[arg(long, requires = "tool", value_name = "RESOURCE")]
    pub(crate) resource: Option<Resource>,
    /// The arguments of the call; `-` is stdin
    #[arg(long, requires = "tool", value_name = "FILE")]
    pub(crate) payload: Option<PathBuf>,
    /// The agent that calls, if it is known
    #[arg(long, requires = "tool", value_name = "AGENT")]
    pub(crate) agent: Option<Agent>,
    /// The task that the call serves, if it is known
    #[arg(long, requires = "tool", value_name = "TASK")]
    pub(crate) task: Option<Task>,
    /// The trust store [default: the home's]
    #[arg(long, value_name = "FILE")]
    pub(crate) trust: Option<PathBuf>,
    /// The issuer whose passes are accepted [default: the home's]
    #[arg(long, value_name = "ISSUER")]
    pub(crate) issuer: Option<Issuer>,
    /// The audience that this executor is [default: the one that the home gives the tool]
    #[arg(long, value_name = "AUDIENCE")]
    pub(crate) audience: Option<Audience>,
    /// The tenant that is served [default: the home's, if it has one only]
    #[arg(long, value_name = "TENANT")]
    pub(crate) tenant: Option<Tenant>,
    /// An obligation that this executor enforces; may be repeated
    #[arg(long = "enforces", value_name = "OBLIGATION")]
    pub(crate) enforces: Vec<ObligationId>,
    /// How old the trust store's revocations may be [default: any age]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) max_revocations_age: Option<Duration>,
    /// Mark the pass used, in the home: succeeds once
    #[arg(long)]
    pub(crate) consume: bool,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    /// Verify as of this time
    #[arg(long, conflicts_with = "consume", value_name = "TIME", value_parser = clock::parse)]
    pub(crate) at: Option<UnixSeconds>,
}

/// How large a call may be for this executor.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct LimitArgs {
    /// The largest action or payload, in bytes; the issuer's limits and these must be the same [default: the home's, else 1048576]
    #[arg(long, value_name = "BYTES", value_parser = max_bytes)]
    max_bytes: Option<usize>,
    /// How many objects and arrays may be open at once [default: the home's, else 64]
    #[arg(long, value_name = "N", value_parser = max_depth)]
    max_depth: Option<usize>,
    /// How many members all objects may have together [default: the home's, else 65536]
    #[arg(long, value_name = "N", value_parser = max_members)]
    max_members: Option<usize>,
}

impl LimitArgs {
    fn bounds(self, config: Option<&Config>) -> Bounds {
        let default = config.map_or_else(Limits::default, Config::limits);
        Bounds::of_executor(
            default
                .with_max_bytes(self.max_bytes.unwrap_or(default.max_bytes()))
                .with_max_depth(self.max_depth.unwrap_or(default.max_depth()))
                .with_max_members(self.max_members.unwrap_or(default.max_members())),
        )
    }
}

fn max_bytes(text: &str) -> Result<usize, String> {
    parse_limit(text, MAX_LIMITS.max_bytes())
}

fn max_depth(text: &str) -> Result<usize, String> {
    parse_limit(text, MAX_LIMITS.max_depth())
}

fn max_members(text: &str) -> Result<usize, String> {
    parse_limit(text, MAX_LIMITS.max_members())
}

fn parse_limit(text: &str, largest: usize) -> Result<usize, String> {
    // A number that is too large for its type is too large for the limit.
    limit(text.parse().unwrap_or_default(), largest)
}

/// Everything that a call may state; what is missing in a verdict's `compared` was not stated.
const COMPARABLE: [&str; 10] = [
    "agent",
    "via",
    "humanOwner",
    "runtime",
    "task",
    "tool",
    "resource",
    "server",
    "definitionHash",
    "payload",
];

/// What verifying came to.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Everything held; with the record of its use, if it was consumed.
    Valid(Box<VerifiedPass>, Option<RecordRef>),
    /// Something didn't.
    Refused(Refusal),
}

impl VerifyArgs {
    /// A pass for an action, judged by the home: for commands that run others.
    pub(crate) const fn of(token: PathBuf, action: PathBuf) -> Self {
        Self {
            token,
            action: Some(action),
            tool: None,
            resource: None,
            payload: None,
            agent: None,
            task: None,
            trust: None,
            issuer: None,
            audience: None,
            tenant: None,
            enforces: Vec::new(),
            max_revocations_age: None,
            consume: false,
            limits: LimitArgs {
                max_bytes: None,
                max_depth: None,
                max_members: None,
            },
            at: None,
        }
    }

    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        let verdict = self.judge(context)?;
        self.reply(&verdict)
    }

    /// Verifies, and consumes if that was asked for.
    pub(crate) fn judge(&self, context: &Context) -> Outcome<Verdict> {
        let paths = [
            Some(&self.token),
            self.action.as_ref(),
            self.payload.as_ref(),
            self.trust.as_ref(),
        ];
        input::one_stdin(paths.into_iter().flatten().map(PathBuf::as_path))?;
        let token = input::token(&self.token)?;
        if self.consume {
            return self.consume(context, &token);
        }
        let home = if self.needs_home() {
            context.home_if_there()?
        } else {
            None
        };
        let config = home.as_ref().map(Home::config).transpose()?;
        let stated = self.stated(&self.limits.bounds(config.as_ref()))?;
        let call = stated.call();
        let verifier = self.verifier(config.as_ref(), stated.tool())?;
        // Freed by the end of the process, at no cost.
        let trust = ManuallyDrop::new(self.read_trust(home.as_ref())?);
        let now = match self.at {
            Some(at) => at,
            None => clock::now()?.to_unix_seconds(),
        };
        Ok(match verifier.verify(&token, &call, &trust, now) {
            Ok(pass) => Verdict::Valid(Box::new(pass), None),
            Err(refusal) => Verdict::Refused(refusal),
        })
    }

    fn consume(&self, context: &Context, token: &str) -> Outcome<Verdict> {
        let opened = context.open_home()?;
        let stated = self.stated(&self.limits.bounds(Some(&opened.config)))?;
        let administrator = opened.administrator();
        let trust = match &self.trust {
            Some(path) => input::trust(path)?,
            None => {
                let read = block_on(administrator.read_trust()).map_err(HomeError::from)?;
                Trust::from_snapshot(&read)?
            }
        };
        let verifier = self.verifier(Some(&opened.config), stated.tool())?;
        let executor = Executor::with_fixed_trust(verifier, Arc::new(trust), Arc::clone(&opened.store) as _);
        output::needs_reader("the pass was not used up: the verdict would reach nobody")?;
        let consumed = match block_on(executor.consume(token, &stated.call())) {
            Ok(consumed) => consumed,
            Err(refusal) => return Ok(Verdict::Refused(refusal)),
        };
        let pass = consumed.pass().clone();
        let claims = pass.claims();
        let body = UseBody {
            schema: UseSchema,
            pass: claims.jti.clone(),
            issuer: claims.iss.clone(),
            audience: claims.aud.clone(),
            token_hash: pass.token_hash(),
            commitment: None,
        };
        // The pass is used up whatever becomes of the record: without it nothing must be executed.
        let record = block_on(administrator.record_use(body))
            .map_err(|error| Failure::from(error).about("the pass is used up, and its use was not recorded"))?;
        Ok(Verdict::Valid(Box::new(pass), Some(record)))
    }

    /// Whether anything has to come from a home.
    const fn needs_home(&self) -> bool {
        self.trust.is_none() || self.issuer.is_none() || self.audience.is_none() || self.tenant.is_none()
    }

    fn stated(&self, bounds: &Bounds) -> Outcome<OwnedCall> {
        if let Some(path) = &self.action {
            return Ok(OwnedCall::action(input::action(path, bounds)?));
        }
        match (&self.tool, &self.resource, &self.payload) {
            (Some(tool), Some(resource), Some(payload)) => Ok(OwnedCall::Parts {
                tool: tool.clone(),
                resource: resource.clone(),
                payload: input::document(payload, bounds)?,
                agent: self.agent.clone(),
                task: self.task.clone(),
            }),
            _ => Err(Failure::new(
                CliCode::OptionMissing,
                "either --action, or --tool, --resource and --payload",
            )),
        }
    }

    fn verifier(&self, config: Option<&Config>, tool: &Tool) -> Outcome<Verifier> {
        let issuer = self.issuer.clone().or_else(|| Some(config?.issuer.clone()));
        let audience = self
            .audience
            .clone()
            .or_else(|| config?.issuer_config().audience(tool, None));
        let tenant = self.tenant.clone().or_else(|| match config?.tenants.as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        });
        let (Some(issuer), Some(audience), Some(tenant)) = (issuer.clone(), audience.clone(), tenant.clone()) else {
            let missing = [
                ("--issuer", issuer.is_some()),
                ("--audience", audience.is_some()),
                ("--tenant", tenant.is_some()),
            ];
            let missing: Vec<&str> = missing
                .into_iter()
                .filter_map(|(name, is_there)| (!is_there).then_some(name))
                .collect();
            let problem = format!("needed, and no home says it: {}", missing.join(", "));
            return Err(Failure::new(CliCode::OptionMissing, problem));
        };
        let mut verifier = Verifier::new(issuer, audience, tenant);
        for obligation in &self.enforces {
            verifier = verifier.with_obligation(obligation.clone());
        }
        if let Some(age) = self.max_revocations_age {
            verifier = verifier.with_max_revocations_age(age);
        }
        if config.is_some_and(Config::accepts_asserted) {
            verifier = verifier.dangerously_accept_asserted_approvals();
        }
        Ok(verifier)
    }

    fn read_trust(&self, home: Option<&Home>) -> Outcome<Trust> {
        match (&self.trust, home) {
            (Some(path), _) => input::trust(path),
            (None, Some(home)) => Ok(home.trust()?),
            (None, None) => Err(Failure::new(
                CliCode::OptionMissing,
                "needed, and no home has it: --trust",
            )),
        }
    }

    fn reply(&self, verdict: &Verdict) -> Outcome<Reply> {
        Ok(match verdict {
            Verdict::Valid(pass, used) => {
                let mut json = to_json(&**pass)?;
                if let (Some(used), Some(members)) = (used, json.as_object_mut()) {
                    members.insert("record".to_owned(), json!(used));
                }
                Reply::new(json).with_data(valid_text(pass, used.is_some()))
            }
            Verdict::Refused(refusal) => {
                let exit = CodeClass::exit_code_of_all(refusal.codes().map(Code::class));
                Reply::new(to_json(refusal)?)
                    .with_exit(exit)
                    .with_data(refused_text(refusal, exit))
            }
        })
    }
}

fn to_json(verdict: &impl Serialize) -> Outcome<Value> {
    serde_json::to_value(verdict).map_err(|error| Failure::internal(&error))
}

fn valid_text(pass: &VerifiedPass, is_consumed: bool) -> String {
    let ink = Ink::stdout();
    let claims = pass.claims();
    let terms = &claims.actionpass;
    let mut text = format!(
        "{}  {}\n",
        ink.good(if is_consumed {
            "valid, and used up by this"
        } else {
            "valid"
        }),
        claims.jti
    );
    text.push_str(&format!(
        "  {} on {}\n",
        terms.tool,
        crate::render::visible(terms.resource.as_str())
    ));
    text.push_str(&format!(
        "  {} for {}, until {}\n",
        claims.sub,
        claims.aud,
        claims.exp.to_timestamp()
    ));
    for approval in &terms.approvals {
        let word = match approval.mode {
            ApprovalMode::Human => "approved",
            ApprovalMode::PolicyOverride => "overridden",
        };
        let (by, assurance) = (&approval.approved_by, approval.assurance.as_str());
        text.push_str(&format!("  {word} by {by} ({assurance})\n"));
    }
    for obligation in &terms.obligations {
        text.push_str(&format!("  the executor must enforce {}\n", obligation.id));
    }
    text.push_str(&compared_text(pass.compared()));
    text
}

fn refused_text(refusal: &Refusal, exit: u8) -> String {
    let ink = Ink::stdout();
    let first = refusal.codes().next().map(ToString::to_string).unwrap_or_default();
    let mut text = format!("{}  {first}\n", ink.bad("refused"));
    for finding in refusal.findings() {
        let about = finding
            .approval()
            .map(|approval| format!(" ({approval})"))
            .unwrap_or_default();
        text.push_str(&format!(
            "  {}{about}: {}\n",
            finding.code(),
            meaning(finding.code().as_str())
        ));
    }
    if !refusal.compared().is_empty() {
        text.push_str(&compared_text(refusal.compared()));
    }
    text.push_str(&format!("next: {}\n", next(exit)));
    text
}

fn compared_text(compared: &[&str]) -> String {
    let missing: Vec<&str> = COMPARABLE.into_iter().filter(|name| !compared.contains(name)).collect();
    let mut text = format!("compared: {}\n", compared.join(", "));
    if !missing.is_empty() {
        text.push_str(&format!("not stated, so not compared: {}\n", missing.join(", ")));
    }
    text
}

fn meaning(code: &str) -> &'static str {
    VerifyCode::from_code(code)
        .map(VerifyCode::meaning)
        .or_else(|| JwsCode::from_code(code).map(JwsCode::meaning))
        .or_else(|| ReplayCode::from_code(code).map(ReplayCode::meaning))
        .or_else(|| StoreCode::from_code(code).map(StoreCode::meaning))
        .unwrap_or_default()
        .trim()
}

/// What to do about a refusal.
const fn next(exit: u8) -> &'static str {
    match exit {
        20 => "don't execute; whoever handed this over has no pass of an issuer that is trusted here",
        21 => "don't execute; have the call authorized that is really to be made",
        22 => "don't execute; have the action authorized again, and check both clocks",
        23 => "don't execute; somebody revoked this on purpose",
        24 => "don't execute; this pass did its one job",
        25 => "don't execute; have the action approved and authorized again",
        26 => "don't execute; bring this executor's trust store, clock or replay store up to date",
        _ => "don't execute; mend the store and try again",
    }
}
