//! `approve`: a person looks at an action and signs a yes to exactly this.

pub(crate) mod asked;
pub(crate) mod known;
pub(crate) mod outlook;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actionpass_canon::BoundAction;
use actionpass_core::{Approval, System};
use actionpass_crypto::Signer;
use actionpass_custody::KeyUri;
use actionpass_display::View;
use actionpass_home::duration;
use actionpass_model::{
    ApprovalMode, Approver, DEFAULT_APPROVAL_LIFETIME, Digest, Grant, Issuer, MAX_APPROVAL_LIFETIME, Role, RuleId,
    Statement, Timestamp, VoteKind,
};
use actionpass_policy::{Effect, PolicyEngine, RulePolicy};
use clap::{Args, ValueEnum};
use pollster::block_on;
use serde_json::{Value, json};

use crate::clock;
use crate::code::CliCode;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::input;
use crate::output::{Ink, Reply};
use crate::passphrase::PassphraseArgs;
use crate::render::Page;
use asked::Asked;
use known::{Known, Worth};
use outlook::Outlook;

#[derive(Args, Clone, Debug)]
pub(crate) struct ApproveArgs {
    /// The action to approve; `-` is stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) action: PathBuf,
    /// The approver's own key: a file, or a URI such as `ssh-agent:SHA256:…` or `pkcs11:…`
    #[arg(long, value_name = "KEY", value_parser = KeyUri::parse)]
    pub(crate) key: KeyUri,
    /// Who approves: `user:…` or `service:…`, as the issuer's trust store has it
    #[arg(long = "as", value_name = "PRINCIPAL")]
    pub(crate) approver: Approver,
    /// The issuer that the approval is for [default: the home's]
    #[arg(long, value_name = "ISSUER")]
    pub(crate) issuer: Option<Issuer>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Statement,
    /// How it counts
    #[arg(long, value_name = "MODE", default_value = "human")]
    pub(crate) mode: Mode,
    /// A deny rule that an override lifts; may be repeated
    #[arg(long = "rule", value_name = "RULE")]
    pub(crate) rules: Vec<RuleId>,
    /// The policy that it holds under, `sha256:…`; an override needs it [default for overrides: the home's]
    #[arg(long, value_name = "DIGEST")]
    pub(crate) policy_digest: Option<Digest>,
    /// How long it holds, at most `24h`
    #[arg(long, value_name = "DURATION", value_parser = lifetime)]
    pub(crate) expires: Option<Duration>,
    /// The policy to judge the action by, under the name that it has at the issuer [default: the home's]
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// What the issuer's host attests, `actionpass.facts.v1`, to judge the action by
    #[arg(long, value_name = "FILE")]
    pub(crate) facts: Option<PathBuf>,
    /// The trust store to look the key up in [default: the home's]
    #[arg(long, value_name = "FILE")]
    pub(crate) trust: Option<PathBuf>,
    /// Don't ask: whoever runs this has seen the action
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}

/// An approval before it is signed, and what the approver is shown.
struct Prepared {
    issuer: Issuer,
    approval: Approval,
    /// `None` if it couldn't be opened, where nothing is signed anyway.
    signer: Option<Arc<dyn Signer>>,
    asked: Asked,
}

/// How an approval counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Mode {
    /// A person's yes, for a step_up
    Human,
    /// Lifts deny rules that say who may lift them
    #[value(name = "policy_override")]
    PolicyOverride,
}

impl From<Mode> for ApprovalMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Human => Self::Human,
            Mode::PolicyOverride => Self::PolicyOverride,
        }
    }
}

fn lifetime(text: &str) -> Result<Duration, String> {
    let lifetime = duration::parse(text)?;
    if lifetime.is_zero() || lifetime > MAX_APPROVAL_LIFETIME {
        return Err("an approval holds between a second and 24 hours".to_owned());
    }
    Ok(lifetime)
}

impl ApproveArgs {
    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        let (token, action) = self.sign(context)?;
        let json = json!({
            "token": token, "approver": self.approver, "mode": ApprovalMode::from(self.mode),
            "actionHash": action.action_hash().to_string(), "payloadHash": action.payload_hash().to_string(),
            "approval": claims(&token),
        });
        Ok(Reply::new(json).with_data(format!("{token}\n")).with_talk(self.talk()))
    }

    /// Shows the action, asks, and signs.
    fn sign(&self, context: &Context) -> Outcome<(String, BoundAction)> {
        let prepared = self.prepare(context)?;
        let is_shown = (!context.is_json || !self.yes) && prepared.asked.is_shown();
        if !self.yes {
            prepared.asked.confirm()?;
        }
        let token = sign(&prepared, is_shown)?;
        Ok((token, prepared.asked.action))
    }

    /// Signs what was confirmed in another way: for commands that run others.
    pub(crate) fn sign_silently(&self, context: &Context) -> Outcome<String> {
        sign(&self.prepare(context)?, false)
    }

    fn prepare(&self, context: &Context) -> Outcome<Prepared> {
        let files = [&self.policy, &self.facts, &self.trust].into_iter().flatten();
        input::one_stdin(files.chain([&self.action]).map(PathBuf::as_path))?;
        let bounds = context.bounds()?;
        let action = input::action(&self.action, &bounds)?;
        let facts = input::facts(self.facts.as_deref(), &bounds)?;
        let issuer = self.issuer(context)?;
        self.check_mode()?;
        let mut known = Known::read(self.policy.as_deref(), self.trust.as_deref(), &issuer, context)?;
        if let Some(digest) = self.policy_digest {
            known = known.under(digest);
        }
        let approval = self.approval(known.policy.as_ref().ok())?;
        let signer = asked::signer(&self.key, &self.passphrase, self.yes)?;
        let now = clock::now()?;
        let worth = match &signer {
            Some(signer) => known.worth(signer.public_key().kid(), &self.approver, &action.action().tenant, now)?,
            None => Worth::KeyClosed,
        };
        known.terms.check(&facts, &action, now)?;
        let outlook = match &known.policy {
            Ok(policy) => {
                let grant = self.grant(&worth, now)?;
                let outlook = Outlook::new(policy, &action, &facts, now, &[], grant);
                self.check_rules(policy, &worth, &outlook)?;
                Ok(outlook)
            }
            Err(why) if self.facts.is_some() => {
                let problem = format!("--facts is for a policy to judge by, which is unknown: {why}");
                return Err(Failure::new(CliCode::OptionMissing, problem));
            }
            Err(why) => Err(*why),
        };
        let warnings = worth.warning().into_iter();
        let warnings = warnings.chain(outlook.as_ref().ok().and_then(Outlook::warning).map(str::to_owned));
        let warnings = warnings.collect();
        let view = View::of(&action, &self.rules, &facts)?;
        let page = self.page(&issuer, &outlook);
        Ok(Prepared {
            asked: Asked::new(VoteKind::Approve, action, view, page, warnings),
            issuer,
            approval,
            signer,
        })
    }

    fn issuer(&self, context: &Context) -> Outcome<Issuer> {
        if let Some(issuer) = &self.issuer {
            return Ok(issuer.clone());
        }
        match context.home_if_there()? {
            Some(home) => Ok(home.config()?.issuer),
            None => Err(Failure::new(
                CliCode::OptionMissing,
                "--issuer is needed: there is no home to take it from",
            )),
        }
    }

    fn check_mode(&self) -> Outcome<()> {
        let problem = match self.mode {
            Mode::Human if !self.rules.is_empty() => "--rule is for --mode policy_override",
            Mode::PolicyOverride if self.rules.is_empty() => "an override needs --rule: the deny rules that it lifts",
            Mode::Human | Mode::PolicyOverride => return Ok(()),
        };
        Err(Failure::new(CliCode::UsageInvalid, problem))
    }

    fn approval(&self, policy: Option<&RulePolicy>) -> Outcome<Approval> {
        let (approver, reason) = (self.approver.clone(), self.reason.clone());
        let approval = match self.mode {
            Mode::Human => {
                let approval = Approval::human(approver, reason);
                self.policy_digest
                    .map_or(approval.clone(), |digest| approval.with_policy_digest(digest))
            }
            Mode::PolicyOverride => {
                let known = || policy.map(PolicyEngine::digest);
                let Some(digest) = self.policy_digest.or_else(known) else {
                    let problem = "an override needs --policy-digest or --policy: there is no home of this issuer to take it from";
                    return Err(Failure::new(CliCode::OptionMissing, problem));
                };
                Approval::policy_override(approver, reason, digest, self.rules.clone())
            }
        };
        Ok(approval.with_lifetime(self.expires.unwrap_or(DEFAULT_APPROVAL_LIFETIME)))
    }

    /// What the approval would grant: nothing if its key is good for nothing, or why that can't be told.
    fn grant(&self, worth: &Worth, now: Timestamp) -> Outcome<Result<Option<Grant>, &'static str>> {
        let roles = match worth {
            Worth::Counts(roles) => roles.clone(),
            Worth::Nothing(..) => return Ok(Ok(None)),
            Worth::KeyMissing => return Ok(Err("the trust store lacks this key")),
            Worth::TrustMissing => return Ok(Err("there is no trust store here that has the key's roles")),
            Worth::KeyClosed => return Ok(Err("the key needs its passphrase")),
        };
        Ok(Ok(Some(asked::grant(
            &self.approver,
            roles,
            self.mode.into(),
            &self.rules,
            now,
        )?)))
    }

    /// Refuses an override of what isn't a deny rule of the policy, or of one that the approver's roles don't lift.
    fn check_rules(&self, policy: &RulePolicy, worth: &Worth, outlook: &Outlook) -> Outcome<()> {
        let may_lift = |roles: &[Role]| match worth {
            Worth::Counts(held) => held.iter().any(|role| roles.contains(role)),
            Worth::Nothing(..) | Worth::KeyMissing | Worth::TrustMissing | Worth::KeyClosed => true,
        };
        let liftable: Vec<&RuleId> = policy
            .overridable()
            .filter(|(_, roles)| may_lift(roles))
            .map(|(rule, _)| rule)
            .collect();
        let Some(rule) = self.rules.iter().find(|rule| !liftable.contains(rule)) else {
            return Ok(());
        };
        let is_deny = policy.rules().any(|(id, effect)| id == rule && effect == Effect::Deny);
        let problem = if is_deny {
            format!("the rule `{rule}` isn't lifted by an override of `{}`", self.approver)
        } else {
            format!("the policy has no deny rule `{rule}`")
        };
        let here: Vec<&str> = outlook
            .denying()
            .filter(|rule| liftable.contains(rule))
            .map(RuleId::as_str)
            .collect();
        let hint = if here.is_empty() {
            "an override lifts none of the rules that deny this action".to_owned()
        } else {
            format!("of the rules that deny this action it could lift {}", here.join(", "))
        };
        Err(Failure::new(CliCode::RuleNotOverridable, format!("{problem}; {hint}")))
    }

    /// What comes of the approval.
    fn page(&self, issuer: &Issuer, outlook: &Result<Outlook, &'static str>) -> Page {
        let rules = self
            .rules
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        let what = match self.mode {
            Mode::Human => "approves this action".to_owned(),
            Mode::PolicyOverride => format!("OVERRIDES {rules} for this action"),
        };
        let lifetime = duration::text(self.expires.unwrap_or(DEFAULT_APPROVAL_LIFETIME));
        let mut page = Page::default();
        page.line(&format!("{} {what}", self.approver));
        page.named("issuer", &format!("{issuer}, for {lifetime}"));
        page.named("reason", self.reason.as_str());
        match outlook {
            Ok(outlook) => outlook.write(&mut page),
            Err(why) => {
                page.named("policy", &format!("unknown: {why}"));
                page.named("with this", "it can't be told");
            }
        }
        page
    }

    fn talk(&self) -> String {
        format!(
            "{}; the approval is on stdout and counts once\n",
            Ink::stderr().good("approved")
        )
    }
}

fn sign(prepared: &Prepared, is_shown: bool) -> Outcome<String> {
    let signer = prepared
        .signer
        .as_ref()
        .ok_or_else(|| asked::unanswered(VoteKind::Approve))?;
    let mut approval = prepared.approval.clone();
    if is_shown {
        approval = approval.with_shown(prepared.asked.view.shown());
    }
    Ok(block_on(approval.sign(
        &prepared.asked.action,
        &prepared.issuer,
        &**signer,
        clock::now()?,
        &System,
    ))?)
}

/// The claims of a token that was just signed.
fn claims(token: &str) -> Value {
    let inspected = actionpass_crypto::dangerous::inspect(token).ok();
    inspected
        .and_then(|parts| serde_json::from_slice(&parts.payload).ok())
        .unwrap_or_default()
}
