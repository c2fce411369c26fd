//! Our hooks in the configuration of coding agents.

use std::path::PathBuf;

use crate::command::{self, Asked, Ours};
use crate::home::{HomeDraft, Identity};
use crate::json::Json;
use crate::places::{CodingAgent, Places};
use crate::plan::{Draft, Plan};
use crate::protect::Drafts;
use crate::{SetupError, State, show};

/// A hook that is to be installed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Hook {
    /// The coding agent.
    pub agent: CodingAgent,
    /// What it asks.
    pub asked: Asked,
    /// This program, by its whole path.
    pub program: PathBuf,
    /// Whether calls are made whatever is decided.
    pub is_observing: bool,
    /// The door, where it isn't the agent's own.
    pub door: Option<String>,
}

/// How a coding agent's hook stands.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct HookStatus {
    /// The coding agent.
    pub agent: CodingAgent,
    /// Whether the agent is there at all.
    pub is_there: bool,
    /// The file that its hooks stand in.
    pub path: PathBuf,
    /// How it stands.
    pub state: State,
    /// What is otherwise than `hook install` writes it, or keeps it from running, a line each.
    pub problems: Vec<String>,
}

impl Hook {
    /// A hook of this agent that asks there, and holds calls to what is decided.
    #[must_use]
    pub const fn new(agent: CodingAgent, asked: Asked, program: PathBuf) -> Self {
        Self {
            agent,
            asked,
            program,
            is_observing: false,
            door: None,
        }
    }

    /// Plans to install it, in the place of another of ours; with its door in the home.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn install(&self, places: &Places, identity: &Identity) -> Result<Plan, SetupError> {
        Self::install_all(std::slice::from_ref(self), places, identity)
    }

    /// Plans to install several, with one change of each file.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn install_all(hooks: &[Self], places: &Places, identity: &Identity) -> Result<Plan, SetupError> {
        let mut home: Option<HomeDraft> = None;
        let mut drafts = Drafts::new(places);
        let mut notes = Vec::new();
        for hook in hooks {
            let program = hook.named()?;
            let door = match (hook.asked.home_path(), &hook.door) {
                (Some(path), None) => {
                    let home = match &mut home {
                        Some(home) => home,
                        None => home.insert(HomeDraft::open(path, identity)?),
                    };
                    Some(home.hook_door(hook.agent)?)
                }
                (_, named) => named.clone(),
            };
            let ours = Ours {
                asked: hook.asked.clone(),
                door,
                is_observing: hook.is_observing,
            };
            notes.extend(write(places, hook.agent, &program, &ours, &mut drafts)?);
        }
        let mut plan = home.map(HomeDraft::finish).transpose()?.unwrap_or_default();
        plan.extend(drafts.finish());
        plan.notes.extend(notes);
        Ok(plan)
    }

    fn named(&self) -> Result<String, SetupError> {
        let paths = match &self.asked {
            Asked::Home(home) => [self.program.clone(), PathBuf::from(home)],
            Asked::Gate { token_file, .. } => [self.program.clone(), PathBuf::from(token_file)],
        };
        for path in &paths {
            if let Some(problem) = command::unfit(path) {
                return Err(SetupError::unusable(path, problem));
            }
        }
        Ok(self.program.display().to_string())
    }
}

/// Plans to take our hook, and the rules that protect its files, out of an agent's configuration.
///
/// # Errors
/// [`SetupError`].
pub fn uninstall(places: &Places, agent: CodingAgent) -> Result<Plan, SetupError> {
    let mut drafts = Drafts::new(places);
    let (path, format) = places.hooks_file(agent);
    let draft = drafts.open(&path, agent.product(), format)?;
    let mut homes: Vec<Ours> = Vec::new();
    for list in command::hook_lists(agent) {
        let items = items(draft, &list);
        let ours: Vec<Ours> = items.iter().filter_map(|item| ours_in(item, agent)).collect();
        if ours.is_empty() {
            continue;
        }
        homes.extend(ours);
        let others = items.into_iter().filter(|item| ours_in(item, agent).is_none());
        keep(draft, &list, others.collect())?;
    }
    if homes.is_empty() {
        return Ok(Plan::default());
    }
    let rules: Vec<String> = homes
        .iter()
        .flat_map(|ours| places.watched(agent, ours.asked.home_path()))
        .collect();
    let deny = deny_path();
    if let (false, Some(Json::List(denied))) = (rules.is_empty(), draft.text.get(&deny)) {
        let is_ours = |rule: &Json| rule.as_text().is_some_and(|rule| rules.iter().any(|ours| ours == rule));
        keep(draft, &deny, denied.into_iter().filter(|rule| !is_ours(rule)).collect())?;
    }
    draft.because(format!(
        "no hook of ActionPass before the tools of {}",
        agent.product().title()
    ));
    Ok(drafts.finish())
}

/// How the hook of an agent stands, compared with what would be written.
#[must_use]
pub fn status(places: &Places, agent: CodingAgent) -> HookStatus {
    let (path, format) = places.hooks_file(agent);
    let mut status = HookStatus {
        agent,
        is_there: places.has(agent),
        path: path.clone(),
        state: State::Open,
        problems: Vec::new(),
    };
    let mut drafts = Drafts::new(places);
    let draft = match drafts.open(&path, agent.product(), format) {
        Ok(draft) => draft,
        Err(error) => {
            status.problems.push(error.to_string());
            return status;
        }
    };
    let value = draft.text.value();
    let mut found: Vec<Ours> = Vec::new();
    for list in command::hook_lists(agent) {
        let items = items(draft, &list);
        let ours: Vec<(&Json, Ours)> = items
            .iter()
            .filter_map(|item| ours_in(item, agent).map(|ours| (item, ours)))
            .collect();
        for (item, ours) in &ours {
            let program = program_of(item);
            if !command::hook_item(agent, &ours.hook(&program, agent)).is_same(item) {
                let problem = format!("`{}` isn't as `actionpass hook install` writes it", list.join("."));
                status.problems.push(problem);
            }
            if !std::path::Path::new(&program).is_file() {
                status
                    .problems
                    .push(format!("its program `{}` is not there", show::visible(&program)));
            }
        }
        match ours.len() {
            0 => status.problems.push(format!("`{}` has none of ours", list.join("."))),
            1 => {}
            _ => status
                .problems
                .push(format!("`{}` has more than one of ours", list.join("."))),
        }
        found.extend(ours.into_iter().map(|(_, ours)| ours));
    }
    if found.is_empty() {
        status.problems.clear();
    }
    if let Some(ours) = found.first() {
        status.state = if found.iter().all(|ours| ours.is_observing) {
            State::Observed
        } else {
            State::Enforced
        };
        let denied = draft.text.get(&deny_path());
        let denied = denied.as_ref().map_or(&[] as &[Json], Json::items);
        for rule in places.watched(agent, ours.asked.home_path()) {
            if !denied.iter().any(|found| found.as_text() == Some(&rule)) {
                status.problems.push(format!("`permissions.deny` lacks {rule}"));
            }
        }
        status.problems.extend(switched_off(places, agent, &value));
    }
    status
}

/// What an agent's hook says, if it is there.
pub(crate) fn find(places: &Places, agent: CodingAgent) -> Result<Option<Ours>, SetupError> {
    let (path, format) = places.hooks_file(agent);
    let mut drafts = Drafts::new(places);
    let draft = drafts.open(&path, agent.product(), format)?;
    let mut lists = command::hook_lists(agent).into_iter();
    Ok(lists.find_map(|list| items(draft, &list).iter().find_map(|item| ours_in(item, agent))))
}

/// Writes a hook, in the place of another of ours; what is to be known of it.
pub(crate) fn write(
    places: &Places,
    agent: CodingAgent,
    program: &str,
    ours: &Ours,
    drafts: &mut Drafts,
) -> Result<Vec<String>, SetupError> {
    let (path, format) = places.hooks_file(agent);
    let title = agent.product().title();
    let draft = drafts.open(&path, agent.product(), format)?;
    if agent == CodingAgent::Cursor && draft.text.get(&["version".to_owned()]).is_none() {
        draft.set(&["version".to_owned()], Some(Json::Number("1".to_owned())))?;
    }
    let item = command::hook_item(agent, &ours.hook(program, agent));
    let mut is_written = false;
    for list in command::hook_lists(agent) {
        let there = items(draft, &list);
        let others: Vec<Json> = there
            .iter()
            .filter(|item| ours_in(item, agent).is_none())
            .cloned()
            .collect();
        is_written |= if others.len() == there.len() {
            draft.add(&list, item.clone())?
        } else {
            let mut items = others;
            items.push(item.clone());
            draft.set(&list, Some(Json::List(items)))?
        };
    }
    if is_written {
        let mode = if ours.is_observing {
            "observed"
        } else {
            "held to what is decided"
        };
        draft.because(format!("a hook before every tool of {title}, {mode}"));
    }
    let mut is_protected = false;
    for rule in places.watched(agent, ours.asked.home_path()) {
        is_protected |= draft.add(&deny_path(), Json::text(rule))?;
    }
    if is_protected {
        draft.because("rules against changes of the files that say so, and against reading the home");
    }
    let mut notes = switched_off(places, agent, &draft.text.value());
    if agent == CodingAgent::Codex && is_written {
        notes.push("Codex runs a hook only after you trusted it: open Codex and say so under `/hooks`".to_owned());
    }
    Ok(notes)
}

/// Takes `--observe` out of an agent's hook, if it asks this home.
pub(crate) fn enforce(
    places: &Places,
    agent: CodingAgent,
    asked: &Asked,
    drafts: &mut Drafts,
) -> Result<(), SetupError> {
    let (path, format) = places.hooks_file(agent);
    let draft = drafts.open(&path, agent.product(), format)?;
    let mut is_changed = false;
    for list in command::hook_lists(agent) {
        let mut items = items(draft, &list);
        for item in &mut items {
            let Some(ours) = ours_in(item, agent).filter(|ours| ours.is_observing && ours.asked == *asked) else {
                continue;
            };
            let enforcing = Ours {
                is_observing: false,
                ..ours
            };
            *item = command::hook_item(agent, &enforcing.hook(&program_of(item), agent));
            is_changed = true;
        }
        if !items.is_empty() {
            draft.set(&list, Some(Json::List(items)))?;
        }
    }
    if is_changed {
        draft.because(format!(
            "the hook of {} holds calls to what is decided",
            agent.product().title()
        ));
    }
    Ok(())
}

/// The items of a list, if it is there.
fn items(draft: &Draft, list: &[String]) -> Vec<Json> {
    match draft.text.get(list) {
        Some(Json::List(items)) => items,
        _ => Vec::new(),
    }
}

/// Leaves these items in a list; a list without any goes, and the object around it if nothing else is in it.
fn keep(draft: &mut Draft, path: &[String], items: Vec<Json>) -> Result<(), SetupError> {
    if !items.is_empty() {
        draft.set(path, Some(Json::List(items)))?;
        return Ok(());
    }
    draft.set(path, None)?;
    let above = path.get(..1).unwrap_or_default();
    if matches!(draft.text.get(above), Some(Json::Object(members)) if members.is_empty()) {
        draft.set(above, None)?;
    }
    Ok(())
}

fn deny_path() -> Vec<String> {
    ["permissions", "deny"].map(str::to_owned).into()
}

/// What an item of a list of hooks says, if its command is ours.
fn ours_in(item: &Json, agent: CodingAgent) -> Option<Ours> {
    commands(item)
        .iter()
        .find_map(|command| command::read_hook(command, agent))
}

/// The commands of an item: its own, and those of the hooks in it.
fn commands(item: &Json) -> Vec<&str> {
    let inner = item.get("hooks").map_or(&[] as &[Json], Json::items);
    let all = [item].into_iter().chain(inner);
    all.filter_map(|hook| hook.get("command").and_then(Json::as_text))
        .collect()
}

/// The program that an item of ours runs.
fn program_of(item: &Json) -> String {
    let words = commands(item).first().and_then(|command| command::shell_words(command));
    words.and_then(|words| words.into_iter().next()).unwrap_or_default()
}

/// What keeps an agent's hooks from running.
fn switched_off(places: &Places, agent: CodingAgent, value: &Json) -> Vec<String> {
    let says = |path: &[&str], expected: &Json| {
        let found = path.iter().try_fold(value, |value, name| value.get(name));
        found == Some(expected)
    };
    let off: Option<&str> = match agent {
        CodingAgent::ClaudeCode => says(&["disableAllHooks"], &Json::Bool(true)).then_some("`disableAllHooks`"),
        CodingAgent::Gemini => (says(&["hooksConfig", "enabled"], &Json::Bool(false))
            || says(&["tools", "enableHooks"], &Json::Bool(false)))
        .then_some("`hooksConfig.enabled`"),
        CodingAgent::Codex => codex_is_off(places).then_some("`features.hooks` of config.toml"),
        CodingAgent::Cursor => None,
    };
    off.map(|what| format!("{what} switches the hooks of {} off", agent.product().title()))
        .into_iter()
        .collect()
}

fn codex_is_off(places: &Places) -> bool {
    let mut drafts = Drafts::new(places);
    let files = places.servers_files();
    let Some(file) = files.iter().find(|file| file.product == crate::Product::Codex) else {
        return false;
    };
    let Ok(draft) = drafts.open(&file.path, file.product, file.format) else {
        return false;
    };
    ["hooks", "codex_hooks"].iter().any(|name| {
        let path = ["features", name].map(str::to_owned);
        draft.text.get(&path) == Some(Json::Bool(false))
    })
}
