//! `protect`: what stands before the agents and MCP servers of this machine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use actionpass_home::{Config, Home, HomeError, duration, home};
use actionpass_model::{Agent, Decision, Owner, Tenant, Timestamp};
use actionpass_setup::{
    Change, Collector, Identity, Journal, Places, Plan, Platform, Protection, Report, State, visible,
};
use clap::Args;
use serde_json::{Value, json};

use super::approve::asked;
use super::init::InitArgs;
use super::ledger::each_record;
use crate::clock;
use crate::code::CliCode;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::input;
use crate::output::{self, Ink, Reply, Table};
use crate::shell::quote;

/// The tenant of a home that is made here, where none is named.
const LOCAL_TENANT: &str = "org:local";

#[derive(Args, Debug)]
pub(crate) struct ProtectArgs {
    /// Take back everything that was written
    #[arg(long, group = "what")]
    undo: bool,
    /// Hold calls to what is decided, in the place of only watching them
    #[arg(long, group = "what")]
    enforce: bool,
    /// Say what was watched so far, and what of it would have been denied or asked, and why
    #[arg(long, group = "what")]
    report: bool,
    /// Report what was decided within this time: `24h`, `30m`
    #[arg(long, value_name = "TIME", requires = "report", value_parser = duration::parse)]
    since: Option<Duration>,
    /// The project whose files are looked at, beside those of the user [default: the current folder]
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    /// Put MCP servers elsewhere behind the proxy, too, which can't sign in to them
    #[arg(long)]
    remote: bool,
    #[command(flatten)]
    who: WhoArgs,
    #[command(flatten)]
    writing: WritingArgs,
}

/// Who the agents are.
#[derive(Args, Clone, Debug)]
pub(crate) struct WhoArgs {
    /// The organization that the agents act for [default: the only one of the configuration]
    #[arg(long, value_name = "TENANT")]
    pub(crate) tenant: Option<Tenant>,
    /// The agent [default: `agent:` and the product's name]
    #[arg(long, value_name = "AGENT")]
    pub(crate) agent: Option<Agent>,
    /// Who answers for the agents [default: the name of the login]
    #[arg(long, value_name = "OWNER")]
    pub(crate) owner: Option<Owner>,
}

/// How files are written.
#[derive(Args, Clone, Debug)]
pub(crate) struct WritingArgs {
    /// Only show what would be written
    #[arg(long)]
    dry_run: bool,
    /// Don't ask: whoever runs this has seen the changes
    #[arg(long)]
    yes: bool,
}

impl WhoArgs {
    pub(crate) fn identity(&self) -> Identity {
        let mut identity = Identity::default();
        identity.tenant.clone_from(&self.tenant);
        identity.agent.clone_from(&self.agent);
        // Where the login has no name that fits, whoever needs an owner says so.
        let login = || {
            input::principal(None)
                .ok()
                .and_then(|login| Owner::parse(login.as_str()).ok())
        };
        identity.owner = self.owner.clone().or_else(login);
        identity
    }
}

impl ProtectArgs {
    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        if self.report {
            return self.reported(context);
        }
        let places = places(self.project.as_deref())?;
        if self.undo {
            return self.undone(context, &places);
        }
        let made = if self.enforce { None } else { self.make_home(context)? };
        let root = root(context)?;
        let mut identity = self.who.identity();
        let has_home = context.home_if_there()?.is_some();
        if !has_home {
            if self.enforce {
                return Err(HomeError::Missing(root).into());
            }
            // As the home that would be made.
            identity.tenant = Some(self.tenant()?);
        }
        let mut protection = Protection::new(places, root.clone(), program()?, identity);
        protection.remote = self.remote;
        let (mut plan, report) = if self.enforce {
            (protection.enforce()?, Some(observed(context, None)?))
        } else {
            (protection.plan()?, None)
        };
        if let Some(report) = report.as_ref().filter(|_| !context.is_json) {
            output::say(&text_of(report));
        }
        if !has_home {
            plan.notes.push(format!("a home would be made in {}", root.display()));
        }
        let written = self.writing.write(context, plan, Some(&mut Journal::open(&root)?))?;
        let mut reply = written.reply(&root, &protection);
        if let Some(report) = report {
            reply = reply.with_members(json!({ "report": report }));
        }
        Ok(match made {
            Some(made) => reply.with_members(json!({ "made": made })),
            None => reply,
        })
    }

    /// Makes a home if there is none; where it was made.
    fn make_home(&self, context: &Context) -> Outcome<Option<String>> {
        if context.home_if_there()?.is_some() || self.writing.dry_run {
            return Ok(None);
        }
        let root = context.home_place()?.display().to_string();
        if !self.writing.yes {
            asked::confirm(
                &format!("Make a home in {}?", quote(&root)),
                "nothing was written",
                "--yes makes one without asking; --dry-run shows what would be written",
            )?;
        }
        let init = InitArgs {
            tenants: vec![self.tenant()?],
            ..InitArgs::default()
        };
        init.make(context)?;
        if !context.is_json {
            output::say(&format!("{} a home in {}\n", Ink::stderr().good("made"), quote(&root)));
        }
        Ok(Some(root))
    }

    /// The tenant of a home that is made here.
    fn tenant(&self) -> Outcome<Tenant> {
        match &self.who.tenant {
            Some(tenant) => Ok(tenant.clone()),
            None => Tenant::parse(LOCAL_TENANT).map_err(|error| Failure::internal(&error)),
        }
    }

    fn undone(&self, context: &Context, places: &Places) -> Outcome<Reply> {
        context.home()?;
        let root = root(context)?;
        let mut journal = Journal::open(&root)?;
        let mut below = places.below();
        below.push(root.clone());
        // A project that was protected from elsewhere is undone from here, too.
        let folders = journal.paths().into_iter().filter_map(Path::parent).map(Path::to_owned);
        below.extend(folders.collect::<Vec<_>>());
        let plan = journal.undo(&below);
        let written = self.writing.write(context, plan, Some(&mut journal))?;
        if !self.writing.dry_run {
            journal.save()?;
        }
        let protection = Protection::new(places.clone(), root.clone(), PathBuf::new(), Identity::default());
        Ok(written.reply(&root, &protection))
    }

    fn reported(&self, context: &Context) -> Outcome<Reply> {
        let since = match self.since {
            Some(since) => {
                let before = clock::now()?.to_unix_seconds().saturating_sub(since.as_secs());
                Some(before.to_timestamp())
            }
            None => None,
        };
        let report = observed(context, since)?;
        let json = serde_json::to_value(&report).map_err(|error| Failure::internal(&error))?;
        Ok(Reply::new(json).with_data(text_of(&report)))
    }
}

/// What the ledger says of decisions that were only observed.
fn observed(context: &Context, since: Option<Timestamp>) -> Outcome<Report> {
    let issuer = context.open_home_to_read()?;
    let mut collector = Collector::since(since);
    each_record(&issuer, 0, |stored| {
        let looked = collector.look(&stored.json);
        looked.map_err(|error| Failure::internal(&error))?;
        Ok(true)
    })?;
    Ok(collector.finish())
}

/// A report for people.
fn text_of(report: &Report) -> String {
    if report.observed == 0 {
        return "no call was observed in this time\n".to_owned();
    }
    let count = |decision: Decision| -> u64 {
        let groups = report.refused.iter().filter(|group| group.decision == decision);
        groups.map(|group| group.count).sum()
    };
    let mut text = format!(
        "{} calls observed: {} would have been allowed, {} denied, {} asked\n",
        report.observed,
        report.allowed,
        count(Decision::Deny),
        count(Decision::StepUp)
    );
    if report.refused.is_empty() {
        return text;
    }
    let mut table = Table::new(&["TIMES", "WOULD BE", "TOOL", "RESOURCE", "BY", "WHY", "LAST"]);
    for group in &report.refused {
        let decision = if group.decision == Decision::Deny {
            "denied"
        } else {
            "asked"
        };
        table.row([
            group.count.to_string(),
            decision.to_owned(),
            group.tool.clone(),
            group.resource.clone(),
            group.rule.clone().unwrap_or_else(|| "no rule".to_owned()),
            group.code.clone(),
            group.last.to_string(),
        ]);
    }
    text.push_str(&table.render(Ink::stdout()));
    text
}

/// Where products keep what, for whoever runs this.
pub(crate) fn places(project: Option<&Path>) -> Outcome<Places> {
    let folder = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    // Not what the system says of the login: who runs this for another folder means that one.
    let user = folder(if cfg!(windows) { "USERPROFILE" } else { "HOME" }).filter(|user| user.is_absolute());
    let user =
        user.ok_or_else(|| Failure::new(CliCode::OptionMissing, "the user's own folder isn't known: set HOME"))?;
    let mut places = Places::new(user, Platform::here());
    if let Some(settings) = folder("XDG_CONFIG_HOME").filter(|path| path.is_absolute()) {
        places.settings = settings;
    }
    places.claude = folder("CLAUDE_CONFIG_DIR").filter(|path| path.is_absolute());
    places.codex = folder("CODEX_HOME").filter(|path| path.is_absolute());
    let project = absolute(project.unwrap_or_else(|| Path::new(".")))?;
    Ok(places.with_project(project))
}

/// This program, by a path that stays when another version takes its place: where it is found by its name, if it is this one.
pub(crate) fn program() -> Outcome<PathBuf> {
    let unknown =
        |error: std::io::Error| Failure::new(CliCode::Internal, format!("this program can't be found: {error}"));
    let here = std::env::current_exe().map_err(unknown)?;
    let is_here = |path: &PathBuf| {
        path.is_absolute()
            && path
                .canonicalize()
                .is_ok_and(|path| here.canonicalize().is_ok_and(|here| path == here))
    };
    let name = if cfg!(windows) { "actionpass.exe" } else { "actionpass" };
    let search = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&search)
        .map(|folder| folder.join(name))
        .find(is_here);
    Ok(found.unwrap_or(here))
}

/// The home's whole path, by which configuration names it.
pub(crate) fn root(context: &Context) -> Outcome<PathBuf> {
    let place = context.home_place()?;
    place.canonicalize().or_else(|_| absolute(&place))
}

fn absolute(path: &Path) -> Outcome<PathBuf> {
    let whole = std::path::absolute(path);
    let whole = whole.map_err(|error| Failure::new(CliCode::UsageInvalid, format!("{}: {error}", path.display())))?;
    // `.` in the middle means nothing, and the project is the current folder.
    Ok(whole.components().collect())
}

/// What became of a plan.
#[derive(Debug)]
pub(crate) struct Written {
    plan: Plan,
    /// Of each change.
    states: Vec<FileState>,
    dry_run: bool,
}

#[derive(Debug)]
enum FileState {
    Planned,
    Written,
    Declined,
    Failed(Failure),
}

impl FileState {
    const fn as_str(&self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Written => "written",
            Self::Declined => "declined",
            Self::Failed(_) => "failed",
        }
    }
}

impl WritingArgs {
    /// Shows every change of a plan, asks, and makes it.
    pub(crate) fn write(&self, context: &Context, plan: Plan, mut journal: Option<&mut Journal>) -> Outcome<Written> {
        let root = root(context)?;
        let (config, tools) = (root.join(home::CONFIG), root.join(home::TOOLS));
        let is_kept_elsewhere = Home::open_if_there(&root)?.is_some_and(|home| home.names_database());
        if is_kept_elsewhere && plan.changes.iter().any(|change| change.path == tools) {
            // It would be a file that nobody goes by.
            let problem =
                "the tool catalogue of this home is in its database, and these servers would go into tools.toml";
            let hint = "add the `[[server]]` entries to tools.toml in the home (`policy show tools.toml` prints the one in force), bring it \
                        into force with `tools put`, and run this again";
            return Err(Failure::new(CliCode::UsageInvalid, problem).with_hint(hint));
        }
        for change in plan
            .changes
            .iter()
            .filter(|change| change.path == config && change.before().is_some())
        {
            // What a home would refuse isn't written.
            Config::parse(change.after().unwrap_or_default(), &change.path)?;
        }
        let mut states = Vec::new();
        if !self.dry_run && !self.yes && !plan.changes.is_empty() && !crate::passphrase::has_terminal() {
            if !context.is_json {
                for change in &plan.changes {
                    output::say(&shown(change));
                }
            }
            let problem = "every change is confirmed on a terminal, and there is none";
            return Err(Failure::new(CliCode::ConfirmationRequired, problem).with_hint(
                "--yes writes without asking, for whoever has seen the changes; --dry-run only shows them",
            ));
        }
        for change in &plan.changes {
            if !context.is_json {
                output::say(&shown(change));
            }
            states.push(self.write_one(change, journal.as_deref_mut())?);
        }
        Ok(Written {
            plan,
            states,
            dry_run: self.dry_run,
        })
    }

    fn write_one(&self, change: &Change, journal: Option<&mut Journal>) -> Outcome<FileState> {
        if self.dry_run {
            return Ok(FileState::Planned);
        }
        if !self.yes {
            let path = change.path.display().to_string();
            let question = format!("Write this to {}?", quote(&path));
            match asked::confirm(&question, "it was left alone", "--yes writes without asking") {
                Ok(()) => {}
                // Doors and servers that products' files name have to be there, so without them nothing else is written.
                Err(failure) if *failure.code() == CliCode::NotConfirmed.as_str() && !change.is_of_home() => {
                    return Ok(FileState::Declined);
                }
                Err(failure) => return Err(failure),
            }
        }
        let applied = match journal {
            Some(journal) => change.apply(journal),
            None => change.apply_unrecorded(),
        };
        match applied {
            Ok(()) => Ok(FileState::Written),
            Err(error) if change.is_of_home() => Err(error.into()),
            Err(error) => Ok(FileState::Failed(error.into())),
        }
    }
}

/// A change as it is shown.
fn shown(change: &Change) -> String {
    let ink = Ink::stderr();
    let mut text = format!(
        "\n{}\n",
        ink.bold(&format!(
            "{}: {}",
            change.owner,
            visible(&change.path.display().to_string())
        ))
    );
    for why in &change.why {
        text.push_str(&format!("  {why}\n"));
    }
    for line in change.diff().lines() {
        let line = match line.chars().next() {
            Some('+') => ink.good(line),
            Some('-') => ink.bad(line),
            _ => line.to_owned(),
        };
        text.push_str(&format!("{line}\n"));
    }
    text
}

impl Written {
    /// What is said of it, with how everything stands afterwards.
    fn reply(self, root: &Path, protection: &Protection) -> Reply {
        let guarded = protection.look();
        let (json, talk, exit) = self.told(root);
        let mut table = Table::new(&["PRODUCT", "WHAT", "STANDS", "FILE"]);
        let mut listed = Vec::new();
        for found in &guarded {
            let what = found
                .server
                .as_ref()
                .map_or_else(|| "tools (hook)".to_owned(), |server| format!("server {server}"));
            table.row([
                found.product.title().to_owned(),
                what,
                found.state.as_str().to_owned(),
                found.path.display().to_string(),
            ]);
            listed.push(json!({
                "product": found.product.name(), "server": found.server, "state": found.state.as_str(),
                "path": found.path.display().to_string(),
            }));
        }
        let mut talk = talk;
        if self.states.iter().any(|state| matches!(state, FileState::Written)) {
            talk.push_str("start the products anew: they read their configuration when they start\n");
        }
        if guarded.iter().any(|found| found.state == State::Observed) && !self.dry_run {
            talk.push_str("calls are watched and none is held up: `actionpass protect --report` says what would have been denied or asked,\n`actionpass protect --enforce` holds calls to it, `actionpass protect --undo` takes everything back\n");
        }
        Reply::new(json)
            .with_members(json!({ "guarded": listed }))
            .with_data(table.render(Ink::stdout()))
            .with_talk(talk)
            .with_exit(exit)
    }

    /// The same without that: members for programs, text for people, the exit code.
    pub(crate) fn told(&self, root: &Path) -> (Value, String, u8) {
        let ink = Ink::stderr();
        let mut talk = String::new();
        let mut exit = 0;
        let mut files = Vec::new();
        for (change, state) in self.plan.changes.iter().zip(&self.states) {
            let path = visible(&change.path.display().to_string());
            let mut file = json!({
                "path": change.path.display().to_string(), "owner": change.owner, "state": state.as_str(), "why": change.why,
            });
            if let FileState::Failed(failure) = state {
                exit = failure.code().class().exit_code();
                let error = json!({ "code": failure.code().as_str(), "message": failure.message() });
                if let Some(members) = file.as_object_mut() {
                    members.insert("error".to_owned(), error);
                }
                talk.push_str(&format!("{} {}\n", ink.bad("failed"), visible(failure.message())));
            } else {
                talk.push_str(&format!("{} {path}\n", ink.good(state.as_str())));
            }
            files.push(file);
        }
        if self.plan.changes.is_empty() {
            talk.push_str("nothing to write\n");
        }
        let mut left = Vec::new();
        for found in &self.plan.left {
            let path = found.path.display().to_string();
            let what = if found.what.is_empty() {
                String::new()
            } else {
                format!(" `{}`", found.what)
            };
            talk.push_str(&format!(
                "{} {}{what}: {}\n",
                ink.warn("left alone"),
                visible(&path),
                visible(&found.why)
            ));
            left.push(json!({ "path": path, "what": found.what, "why": found.why }));
        }
        for note in &self.plan.notes {
            talk.push_str(&format!("{} {}\n", ink.warn("note:"), visible(note)));
        }
        let json = json!({
            "home": root.display().to_string(), "dryRun": self.dry_run, "files": files, "left": left, "notes": self.plan.notes,
        });
        (json, talk, exit)
    }
}
