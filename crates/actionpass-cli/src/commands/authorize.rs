//! `authorize`: a decision on an action, and the pass if it is allowed.

use std::path::PathBuf;
use std::time::Duration;

use actionpass_client::api::{Declined, OpenedRequest, ToldReason};
use actionpass_door::told::meaning;
use actionpass_home::duration;
use actionpass_model::{Audience, Code, Decision, Reason, RuleId, Trace};
use actionpass_policy::Requirement;
use clap::{ArgGroup, Args};

use crate::call::CallArgs;
use crate::context::Context;
use crate::failure::Outcome;
use crate::gate::{Asking, Decided, Gate, GateArgs};
use crate::input::{self, Bounds};
use crate::output::{self, Ink, Reply};
use crate::passphrase::PassphraseArgs;
use crate::render::visible;
use crate::shell::quote;

/// The file of an action in commands that are suggested, where it is in none yet.
const UNSAVED: &str = "action.json";

#[derive(Args, Clone, Debug)]
#[command(group = ArgGroup::new("call").required(true))]
pub(crate) struct AuthorizeArgs {
    /// The action; `-` is stdin. Who calls is taken from it: whoever runs this command is the host
    #[arg(long, group = "call", value_name = "FILE")]
    action: Option<PathBuf>,
    #[command(flatten)]
    call: CallArgs,
    /// An approval (the JWT that `approve` prints); may be repeated
    #[arg(long = "approval", value_name = "FILE")]
    approvals: Vec<PathBuf>,
    /// What the host attests, `actionpass.facts.v1`
    #[arg(long, value_name = "FILE")]
    facts: Option<PathBuf>,
    /// The audience of the pass [default: the one that the configuration gives the tool, else the tool]
    #[arg(long, value_name = "AUDIENCE")]
    audience: Option<Audience>,
    /// Where approvals are missing, wait so long for people to vote on the request, `5m`
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "0s", hide_default_value = true)]
    wait: Duration,
    /// Open no approval request; one that waits for this action counts nevertheless
    #[arg(long)]
    no_request: bool,
    /// What the record can be correlated by, such as a W3C traceparent
    #[arg(long, value_name = "ID")]
    trace: Option<Trace>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    #[command(flatten)]
    gate: GateArgs,
}

impl AuthorizeArgs {
    /// An action with its approvals: for commands that run others.
    pub(crate) fn of(action: PathBuf, approvals: Vec<PathBuf>) -> Self {
        Self {
            action: Some(action),
            call: CallArgs::default(),
            approvals,
            facts: None,
            audience: None,
            wait: Duration::ZERO,
            no_request: false,
            trace: None,
            passphrase: PassphraseArgs::default(),
            gate: GateArgs::default(),
        }
    }

    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        let gate = self.open(context)?;
        let decided = self.decide_at(&*gate, context)?;
        Ok(self.reply(&decided, &*gate, context))
    }

    /// Decides, and records the decision.
    pub(crate) fn decide(&self, context: &Context) -> Outcome<Decided> {
        let gate = self.open(context)?;
        self.decide_at(&*gate, context)
    }

    fn open<'a>(&self, context: &'a Context) -> Outcome<Box<dyn Gate + 'a>> {
        let paths = [self.action.as_ref(), self.call.payload(), self.facts.as_ref()]
            .into_iter()
            .flatten()
            .chain(&self.approvals);
        input::one_stdin(paths.map(PathBuf::as_path))?;
        let PassphraseArgs {
            passphrase_file,
            passphrase_from,
        } = &self.passphrase;
        let at_home = [
            ("--trace", self.trace.is_some()),
            ("--passphrase-file", passphrase_file.is_some()),
            ("--passphrase-from", passphrase_from.is_some()),
        ];
        self.gate.open(context, &self.passphrase, &at_home)
    }

    fn decide_at(&self, gate: &dyn Gate, context: &Context) -> Outcome<Decided> {
        let bounds = Bounds::of_issuer(gate.config());
        let action = match &self.action {
            Some(path) => input::action(path, &bounds)?,
            None => self.call.action(gate.config(), &bounds)?,
        };
        let facts = input::facts(self.facts.as_deref(), &bounds)?;
        let approvals = self
            .approvals
            .iter()
            .map(|path| input::token(path))
            .collect::<Outcome<Vec<_>>>()?;
        let asking = Asking {
            action: &action,
            facts: &facts,
            approvals: &approvals,
            audience: self.audience.as_ref(),
            opens: !self.no_request,
            trace: self.trace.as_ref(),
        };
        output::needs_reader("nothing was decided: a pass would reach nobody")?;
        let decided = gate.authorize(&asking, Duration::ZERO)?;
        // Whoever must approve is told before anybody waits: the request is open, and joined by the second call.
        let Some(opened) = waiting(&decided).filter(|_| !self.wait.is_zero()) else {
            return Ok(decided);
        };
        let talks = !context.is_json;
        if talks {
            let seconds = self.wait.as_secs();
            output::say(&format!(
                "waiting for people to decide on {}, {seconds} s at most\n",
                opened.id
            ));
        }
        let decided = gate.authorize(&asking, self.wait)?;
        if talks && let Some(opened) = waiting(&decided) {
            output::say(&format!(
                "nobody decided in time; the request waits until {}\n",
                opened.expires_at
            ));
        }
        Ok(decided)
    }

    fn reply(&self, decided: &Decided, gate: &dyn Gate, context: &Context) -> Reply {
        let answer = &decided.answer;
        let exit = crate::exit::of_decision(answer.decision);
        let token = answer
            .pass
            .as_ref()
            .map(|pass| format!("{}\n", pass.token))
            .unwrap_or_default();
        Reply::new(decided.json.clone())
            .with_exit(exit)
            .with_data(token)
            .with_talk(self.talk(decided, gate, context))
    }

    /// First the verdict and its rule or code, then what matched or was missing, then what to do next.
    fn talk(&self, decided: &Decided, gate: &dyn Gate, context: &Context) -> String {
        let ink = Ink::stderr();
        let answer = &decided.answer;
        let rules = answer
            .policy
            .rules
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        let code = answer
            .reasons
            .first()
            .map(|reason| reason.code.to_string())
            .unwrap_or_default();
        let by = if rules.is_empty() { code } else { rules };
        let verdict = match answer.decision {
            Decision::Allow => ink.good("allow"),
            Decision::Deny => ink.bad("deny"),
            Decision::StepUp => ink.warn("step_up"),
        };
        let mut text = format!("{verdict}  {by}\n");
        for note in &decided.notes {
            text.push_str(&format!("  {}\n", visible(note.as_str())));
        }
        for reason in &answer.reasons {
            text.push_str(&format!("  {}\n", visible(&told_text(reason))));
        }
        if let Some(pass) = &answer.pass {
            text.push_str(&format!(
                "pass {} until {}; the token is on stdout\n",
                pass.id, pass.expires_at
            ));
        }
        // Approvals and overrides are needed together; a condition is another way out.
        let mut word = "needs";
        for requirement in &answer.required {
            if !matches!(requirement, Requirement::Condition { .. }) {
                text.push_str(&format!(
                    "  {} {}\n",
                    ink.bold(word),
                    visible(&requirement_text(requirement))
                ));
                word = "and  ";
            }
        }
        let word = if word == "needs" { "needs" } else { "or   " };
        for requirement in &answer.required {
            if matches!(requirement, Requirement::Condition { .. }) {
                text.push_str(&format!(
                    "  {} {}\n",
                    ink.bold(word),
                    visible(&requirement_text(requirement))
                ));
            }
        }
        if let Some(declined) = &answer.declined {
            text.push_str(&declined_text(declined));
        }
        if let Some(request) = waiting(decided) {
            text.push_str(&format!("request {} until {}\n", request.id, request.expires_at));
        }
        text.push_str(&format!("record {}:{}\n", answer.record.seq, answer.record.ledger_hash));
        text.push_str(&self.next(decided, gate, context));
        text
    }

    /// The same action again, with facts and approvals of before and new ones.
    fn again(&self, program: &str, at: &str, file: &str, approvals: &[&str]) -> String {
        let shown = |path: &PathBuf| path.display().to_string();
        // One that is written anew takes the place of the former.
        let given = self
            .approvals
            .iter()
            .map(shown)
            .filter(|file| !approvals.contains(&&**file));
        let files = given.chain(approvals.iter().map(|file| (*file).to_owned()));
        let facts = self.facts.iter().map(|path| ("--facts", shown(path)));
        let options = facts.chain(files.map(|file| ("--approval", file)));
        let options: String = options
            .map(|(option, path)| format!(" {option} {}", quote(&path)))
            .collect();
        format!("{program} authorize --action {file}{options}{at}")
    }

    /// What people do about a request, and then whoever asked: the same again, which joins it.
    fn next_of_request(&self, request: &OpenedRequest, nobody_holds: Option<&str>, program: &str, at: &str) -> String {
        let mut lines = Vec::new();
        if let Some(role) = nobody_holds {
            lines.extend(new_approver(role, program));
        }
        let who = "--key KEY --as user:NAME --reason TEXT";
        lines.push(format!("{program} requests approve {} {who}{at}", request.id));
        let again = self.action.as_ref().filter(|path| !input::is_stdin(path));
        if let Some(path) = again {
            let file = path.display().to_string();
            let file = quote(&file);
            lines.push(self.again(program, at, &file, &[]));
        }
        let ink = Ink::stderr();
        let lines: String = lines.iter().map(|line| format!("  {}\n", ink.bold(line))).collect();
        let then = if again.is_some() {
            ""
        } else {
            "and then the same call again, unchanged\n"
        };
        format!("next:\n{lines}{then}")
    }

    /// What to do next: the commands that get what is missing.
    fn next(&self, decided: &Decided, gate: &dyn Gate, context: &Context) -> String {
        let answer = &decided.answer;
        if answer.decision == Decision::Allow {
            return String::new();
        }
        if answer.declined.is_some() {
            return String::new();
        }
        let (program, at) = (context.program(), gate.options());
        if let Some(request) = waiting(decided) {
            return self.next_of_request(request, decided.nobody_holds.as_deref(), &program, &at);
        }
        let written = self.action.as_ref().or(self.call.saved());
        let file = written.map_or_else(|| UNSAVED.to_owned(), |path| path.display().to_string());
        let file = quote(&file);
        let overrides: String = answer.required.iter().filter_map(override_rule).collect();
        let needs_approval = answer
            .required
            .iter()
            .any(|requirement| matches!(requirement, Requirement::Approval { .. }));
        if let Some(holding) = &answer.held_by {
            let ink = Ink::stderr();
            let look = ink.bold(&format!("{program} requests show {holding}{at}"));
            // A service knows who lifts it.
            let who = gate.config().map_or("", |_| " --as user:NAME");
            let lift = ink.bold(&format!("{program} requests lift {holding}{who}{at}"));
            return format!("next, for a person:\n  {look}\n  {lift}\n");
        }
        let mut lines = Vec::new();
        let mut approvals = Vec::new();
        let approve = format!("{program} approve --action {file} --key KEY --as user:NAME --reason TEXT");
        if !overrides.is_empty() {
            lines.push(format!("{approve} --mode policy_override{overrides} > override.jwt"));
            approvals.push("override.jwt");
        }
        if needs_approval {
            lines.push(format!("{approve} > approval.jwt"));
            approvals.push("approval.jwt");
        }
        if lines.is_empty() {
            if gate.config().is_none() {
                return String::new();
            }
            lines.push(format!("{program} policy explain --action {file}"));
        } else {
            if let Some(role) = &decided.nobody_holds {
                lines.splice(0..0, new_approver(role, &program));
            }
            lines.push(self.again(&program, &at, &file, &approvals));
        }
        let ink = Ink::stderr();
        let lines: String = lines.iter().map(|line| format!("  {}\n", ink.bold(line))).collect();
        if written.is_some() {
            format!("next:\n{lines}")
        } else {
            format!("next, after the same again with --save-action {UNSAVED}:\n{lines}")
        }
    }
}

/// How somebody with a role comes to approve.
fn new_approver(role: &str, program: &str) -> [String; 2] {
    let key = "actionpass keys new --use approval --principal user:NAME --out KEY > approver.jwk";
    let add = format!("trust add approver.jwk --use approval --principal user:NAME --role {role}");
    [key.to_owned(), format!("{program} {add}")]
}

/// Who said no, and for how long. Their words are theirs: behind a `|`, in one line, nothing hidden in it.
fn declined_text(declined: &Declined) -> String {
    let mut text = format!("declined by {} at {}\n", visible(declined.by.as_str()), declined.at);
    if let Some(words) = &declined.words {
        text.push_str(&format!("| {}\n", visible(words.as_str())));
    }
    text.push_str(&format!(
        "that answers this action of this agent until {}, however it is asked again\n",
        declined.until
    ));
    text
}

/// The request that waits for the action, if it is a step_up.
fn waiting(decided: &Decided) -> Option<&OpenedRequest> {
    let answer = &decided.answer;
    answer.request.as_ref().filter(|_| answer.decision == Decision::StepUp)
}

/// A reason in a line: code, rule and path, and what the code means.
pub(crate) fn reason_text(reason: &Reason) -> String {
    line(
        &reason.code,
        reason.rule.as_ref(),
        reason.path.as_deref(),
        meaning(&reason.code),
    )
}

/// The same of a reason as it is told. What this release knows of a code counts for more than what is said of it.
fn told_text(reason: &ToldReason) -> String {
    let said = Some(reason.message.as_str()).filter(|message| !message.is_empty());
    line(
        &reason.code,
        reason.rule.as_ref(),
        reason.path.as_deref(),
        meaning(&reason.code).or(said),
    )
}

fn line(code: &Code, rule: Option<&RuleId>, path: Option<&str>, meaning: Option<&str>) -> String {
    let mut text = code.to_string();
    for part in [rule.map(RuleId::as_str), path].into_iter().flatten() {
        text.push_str(&format!(" {part}"));
    }
    if let Some(meaning) = meaning {
        text.push_str(&format!(" — {meaning}"));
    }
    text
}

/// What would turn a decision, in a line.
pub(crate) fn requirement_text(requirement: &Requirement) -> String {
    let one_of = |roles: &[actionpass_model::Role]| match roles {
        [] => String::new(),
        roles => format!(
            " with role {}",
            roles.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
        ),
    };
    match requirement {
        Requirement::Approval {
            rule,
            count,
            total,
            roles,
            not_owner,
            ..
        } => {
            let owner = if *not_owner { ", not the agent's owner" } else { "" };
            let wanted = match (*count, *total) {
                (count, 1) => format!("{count} approval"),
                (count, total) if count == total => format!("{count} approvals by different people"),
                // Whoever gave one that counts is one of them: a second approval of theirs changes nothing.
                (count, total) => format!("{count} more of {total} approvals by different people"),
            };
            format!("{wanted}{}{owner} ({rule})", one_of(roles))
        }
        Requirement::Override { rule, roles, .. } => format!("an override of `{rule}`{}", one_of(roles)),
        Requirement::Condition {
            rule, path, expected, ..
        } => format!("`{path}` {expected} ({rule})"),
        _ => "something that this release doesn't know".to_owned(),
    }
}

fn override_rule(requirement: &Requirement) -> Option<String> {
    match requirement {
        Requirement::Override { rule, .. } => Some(format!(" --rule {rule}")),
        _ => None,
    }
}
