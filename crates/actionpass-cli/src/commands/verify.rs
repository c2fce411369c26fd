//! `verify`: a pass against the call that is about to be made.

use std::io::{self, IsTerminal};
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::time::Duration;

use actionpass_canon::Limits;
use actionpass_core::UseError;
use actionpass_crypto::{JwsCode, WebAuthnCode};
use actionpass_home::{Config, Home, HomeError, MAX_LIMITS, OpenHome, ReplayFile, duration, limit};
use actionpass_model::{
    Agent, ApprovalMode, Audience, Code, CodeClass, Issuer, ObligationId, Resource, Task, Tenant, Tool, UnixSeconds,
};
use actionpass_store::ledger::RecordRef;
use actionpass_store::{ReplayCode, StoreCode};
use actionpass_verify::{OwnedCall, Refusal, Trust, VerifiedPass, Verifier, VerifyCode};
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
use crate::shell::quote;

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
    /// Mark the pass used, in the home or in --replay-store: succeeds once
    #[arg(long)]
    pub(crate) consume: bool,
    /// The file of used passes that the executors of this audience share, in the place of a home's; `replay-store new` makes it
    #[arg(long, requires = "consume", value_name = "FILE")]
    pub(crate) replay_store: Option<PathBuf>,
    /// Print the canonical payload of a call that holds on stdout, and nothing else: what is to be executed
    #[arg(long)]
    pub(crate) print_payload: bool,
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
pub(crate) struct Judged {
    pub(crate) verdict: Verdict,
    /// The time that it was judged at.
    at: UnixSeconds,
}

#[derive(Debug)]
pub(crate) enum Verdict {
    /// Everything held.
    Valid(Box<VerifiedPass>, Use),
    /// Something didn't.
    Refused(Refusal),
}

/// What became of a pass that holds.
#[derive(Debug)]
pub(crate) enum Use {
    /// It was not to be consumed, and nobody was asked whether it was before.
    Untouched,
    /// This was its one use, by a replay store that holds no log.
    Consumed,
    /// This was its one use, and the ledger of the home has the record.
    Recorded(RecordRef),
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
            replay_store: None,
            print_payload: false,
            limits: LimitArgs {
                max_bytes: None,
                max_depth: None,
                max_members: None,
            },
            at: None,
        }
    }

    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        let judged = self.judge(context)?;
        self.reply(&judged)
    }

    /// Verifies, and consumes if that was asked for.
    pub(crate) fn judge(&self, context: &Context) -> Outcome<Judged> {
        let paths = [
            Some(&self.token),
            self.action.as_ref(),
            self.payload.as_ref(),
            self.trust.as_ref(),
        ];
        input::one_stdin(paths.into_iter().flatten().map(PathBuf::as_path))?;
        let used = self.place_of_use(context)?;
        let home = match used {
            Some(PlaceOfUse::Home(_)) => None,
            _ if self.needs_home() => context.home_if_there()?,
            _ => None,
        };
        let read = home.as_ref().map(Home::config).transpose()?;
        let config = match &used {
            Some(PlaceOfUse::Home(opened)) => Some(&opened.config),
            _ => read.as_ref(),
        };
        let token = input::token(&self.token)?;
        let stated = self.stated(&self.limits.bounds(config))?;
        let call = stated.call();
        let of_use = match &used {
            Some(PlaceOfUse::Home(opened)) => Some(&opened.home),
            _ => home.as_ref(),
        };
        let verifier = self.verifier(of_use, config, stated.tool())?;
        // Freed by the end of the process, at no cost.
        let trust = ManuallyDrop::new(match &used {
            Some(PlaceOfUse::Home(opened)) => self.read_trust_of(opened)?,
            _ => self.read_trust(home.as_ref())?,
        });
        let at = match self.at {
            Some(at) => at,
            None => clock::now()?.to_unix_seconds(),
        };
        if used.is_some() {
            output::needs_reader("the pass was not used up: the verdict would reach nobody")?;
        }
        let judged = match (verifier.verify(&token, &call, &trust, at), used) {
            (Ok(pass), Some(place)) => place.use_up(&verifier, pass, at)?,
            (verified, _) => verified.map(|pass| (pass, Use::Untouched)),
        };
        let verdict = match judged {
            Ok((pass, used)) => Verdict::Valid(Box::new(pass), used),
            Err(refusal) => Verdict::Refused(refusal),
        };
        Ok(Judged { verdict, at })
    }

    /// Where the pass is marked used, if it is to be.
    fn place_of_use(&self, context: &Context) -> Outcome<Option<PlaceOfUse>> {
        if !self.consume {
            return Ok(None);
        }
        let Some(path) = &self.replay_store else {
            let opened = context.open_home().map_err(|failure| {
                let is_missing = *failure.code() == actionpass_home::HomeCode::HomeMissing.as_str();
                if is_missing {
                    let hint = "without a home, `--replay-store FILE` says where used passes are marked; `actionpass replay-store new FILE` makes it";
                    return failure.with_hint(hint);
                }
                failure
            })?;
            return Ok(Some(PlaceOfUse::Home(Box::new(opened))));
        };
        match ReplayFile::open(path) {
            Ok(file) => Ok(Some(PlaceOfUse::File(file))),
            Err(error) if error.code() == StoreCode::StoreMissing.as_str() => {
                let file = path.display().to_string();
                let hint = format!(
                    "`actionpass replay-store new {0}` makes one for an audience that never had one; where it is lost, `actionpass replay-store restored {0}` says so then",
                    quote(&file)
                );
                Err(Failure::from(error).with_hint(hint))
            }
            Err(error) => Err(error.into()),
        }
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

    fn verifier(&self, home: Option<&Home>, config: Option<&Config>, tool: &Tool) -> Outcome<Verifier> {
        let issuer = self.issuer.clone().or_else(|| Some(config?.issuer.clone()));
        let audience = match (&self.audience, home, config) {
            (Some(audience), _, _) => Some(audience.clone()),
            (None, Some(home), Some(config)) => match home.catalogue(config)?.audience(tool) {
                Some(named) => Some(named.clone()),
                None => config.issuer_config().audience(tool, None),
            },
            _ => None,
        };
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

    /// The trust in force of a home whose ledger is open, which notices one that went back.
    fn read_trust_of(&self, opened: &OpenHome) -> Outcome<Trust> {
        match &self.trust {
            Some(path) => input::trust(path),
            None => {
                let read = block_on(opened.administrator().read_trust()).map_err(HomeError::from)?;
                Ok(Trust::from_snapshot(&read)?)
            }
        }
    }

    fn reply(&self, judged: &Judged) -> Outcome<Reply> {
        let ink = if self.print_payload {
            Ink::stderr()
        } else {
            Ink::stdout()
        };
        let (mut json, mut text, exit) = match &judged.verdict {
            Verdict::Valid(pass, used) => (valid_json(pass, used)?, valid_text(pass, used, ink), 0),
            Verdict::Refused(refusal) => {
                let exit = CodeClass::exit_code_of_all(refusal.codes().map(Code::class));
                (to_json(refusal)?, refused_text(refusal, ink), exit)
            }
        };
        let is_consumed = matches!(&judged.verdict, Verdict::Valid(_, Use::Consumed | Use::Recorded(_)));
        let at = judged.at.to_timestamp();
        if let Some(members) = json.as_object_mut() {
            members.insert("at".to_owned(), json!(at));
            members.insert("consumed".to_owned(), is_consumed.into());
        }
        if self.at.is_some() {
            text.push_str(&format!("judged as of {at}, not of now\n"));
        }
        if matches!(judged.verdict, Verdict::Refused(_)) {
            text.push_str(&format!("next: {}\n", next(exit)));
        }
        let reply = Reply::new(json).with_exit(exit);
        Ok(match &judged.verdict {
            _ if !self.print_payload => reply.with_data(text),
            Verdict::Valid(pass, _) => reply.with_data(printed(pass)).with_talk(text),
            // Nothing is to be executed.
            Verdict::Refused(_) => reply.with_talk(text),
        })
    }
}

/// Where a pass is marked used.
enum PlaceOfUse {
    /// In a home, whose ledger gets a record of it.
    Home(Box<OpenHome>),
    /// In a file of its own.
    File(ReplayFile),
}

impl PlaceOfUse {
    /// Uses up a pass that was just verified, and records that where there is a ledger.
    fn use_up(
        &self,
        verifier: &Verifier,
        pass: VerifiedPass,
        at: UnixSeconds,
    ) -> Outcome<Result<(VerifiedPass, Use), Refusal>> {
        match self {
            Self::Home(opened) => {
                let administrator = opened.administrator();
                match block_on(administrator.use_up(verifier, pass, at, &*opened.store)) {
                    Ok(used) => Ok(Ok((used.pass.pass().clone(), Use::Recorded(used.record)))),
                    Err(UseError::Refused(refusal)) => Ok(Err(refusal)),
                    Err(error) => Err(Failure::from(error).about("the pass was not used up")),
                }
            }
            Self::File(file) => {
                let consumed = block_on(verifier.use_up(pass, at, file.store()));
                Ok(consumed.map(|consumed| (consumed.pass().clone(), Use::Consumed)))
            }
        }
    }
}

/// The canonical payload, exactly; a terminal wants its line ended.
fn printed(pass: &VerifiedPass) -> Vec<u8> {
    let mut bytes = pass.payload().as_bytes().to_vec();
    if io::stdout().is_terminal() {
        bytes.push(b'\n');
    }
    bytes
}

/// The verdict with the payload, as a value and as the text whose bytes were hashed.
fn valid_json(pass: &VerifiedPass, used: &Use) -> Outcome<Value> {
    let payload = pass.payload();
    let value: Value = serde_json::from_slice(payload.as_bytes()).map_err(|error| Failure::internal(&error))?;
    let mut json = to_json(pass)?;
    if let Some(members) = json.as_object_mut() {
        members.insert("payload".to_owned(), value);
        members.insert("payloadCanonical".to_owned(), payload.as_str().into());
        if let Use::Recorded(record) = used {
            members.insert("record".to_owned(), json!(record));
        }
    }
    Ok(json)
}

fn to_json(verdict: &impl Serialize) -> Outcome<Value> {
    serde_json::to_value(verdict).map_err(|error| Failure::internal(&error))
}

fn valid_text(pass: &VerifiedPass, used: &Use, ink: Ink) -> String {
    let claims = pass.claims();
    let terms = &claims.actionpass;
    let mut text = format!(
        "{}  {}\n",
        ink.good(match used {
            Use::Untouched => "valid",
            Use::Consumed | Use::Recorded(_) => "valid, and used up by this",
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

fn refused_text(refusal: &Refusal, ink: Ink) -> String {
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
        .or_else(|| WebAuthnCode::from_code(code).map(WebAuthnCode::meaning))
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
