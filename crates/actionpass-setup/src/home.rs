//! What a home has to know of the doors and servers that configuration names.

use std::path::{Path, PathBuf};

use actionpass_gate::Catalogue;
use actionpass_model::{Agent, Owner, Runtime, Tenant};

use crate::command::Served;
use crate::edit::Format;
use crate::json::Json;
use crate::places::{CodingAgent, Product};
use crate::plan::{Draft, Plan};
use crate::servers;
use crate::{SetupError, show};

/// The file of servers and tools in a home.
const TOOLS: &str = "tools.toml";
const CONFIG: &str = "config.toml";
/// Whose the files of a home are, as people call it.
pub(crate) const OWNER: &str = "ActionPass";
const TOOLS_SCHEMA: &str = "actionpass.tools.v1";

/// The longest name of a server.
const MAX_NAME: usize = 64;

/// Who the agents of this machine are, for whom they act, and who answers for them.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Identity {
    /// The organization; otherwise the only one of `config.toml`.
    pub tenant: Option<Tenant>,
    /// The agent; otherwise `agent:` and the product's name.
    pub agent: Option<Agent>,
    /// The person.
    pub owner: Option<Owner>,
}

/// `config.toml` and `tools.toml` of a home, as they are edited.
#[derive(Debug)]
pub(crate) struct HomeDraft {
    config: Draft,
    tools: Draft,
    identity: Identity,
}

impl HomeDraft {
    pub(crate) fn open(home: &Path, identity: &Identity) -> Result<Self, SetupError> {
        let below = [home.to_owned()];
        let open = |name: &str| Draft::open(&home.join(name), OWNER, Format::Toml, &below);
        Ok(Self {
            config: open(CONFIG)?,
            tools: open(TOOLS)?,
            identity: identity.clone(),
        })
    }

    /// The door of a coding agent's hook; its name.
    pub(crate) fn hook_door(&mut self, agent: CodingAgent) -> Result<String, SetupError> {
        self.door(agent.name(), agent.name(), agent.product())
    }

    /// The door of the proxies that a product starts; its name.
    pub(crate) fn proxy_door(&mut self, product: Product) -> Result<String, SetupError> {
        self.door(&format!("{}-mcp", product.name()), "mcp", product)
    }

    fn door(&mut self, name: &str, kind: &str, product: Product) -> Result<String, SetupError> {
        let path = ["door".to_owned()];
        let doors = self.config.text.get(&path);
        let is_it = |door: &Json| door.get("name").and_then(Json::as_text) == Some(name);
        if let Some(door) = doors
            .as_ref()
            .and_then(|doors| doors.items().iter().find(|door| is_it(door)))
        {
            return if door.get("kind").and_then(Json::as_text) == Some(kind) {
                Ok(name.to_owned())
            } else {
                let problem = format!("its door `{name}` is of another kind than `{kind}`");
                Err(SetupError::unusable(self.config.path(), problem))
            };
        }
        let missing = |what: &str| SetupError::IdentityMissing(format!("{what} for the doors of config.toml"));
        let tenant = match &self.identity.tenant {
            Some(tenant) => tenant.to_string(),
            None => self.only_tenant().ok_or_else(|| missing("no tenant: name one"))?,
        };
        let agent = match &self.identity.agent {
            Some(agent) => agent.to_string(),
            None => format!("agent:{}", product.name()),
        };
        let owner = self.identity.owner.as_ref();
        let owner = owner.ok_or_else(|| missing("nobody who answers for the agents: name an owner"))?;
        let runtime = Runtime::parse(&format!("runtime:{}", product.name()));
        let runtime = runtime.map_err(|error| SetupError::IdentityMissing(error.to_string()))?;
        let door = Json::object([
            ("name", Json::text(name)),
            ("kind", Json::text(kind)),
            ("tenant", Json::text(tenant)),
            ("agent", Json::text(agent)),
            ("owner", Json::text(owner.to_string())),
            ("runtime", Json::text(runtime.to_string())),
        ]);
        self.config.add(&path, door)?;
        self.config
            .because(format!("the door `{name}`: whose calls come from {}", product.title()));
        Ok(name.to_owned())
    }

    fn only_tenant(&self) -> Option<String> {
        let tenants = self.config.text.get(&["tenants".to_owned()])?;
        match tenants.items() {
            [only] => only.as_text().map(str::to_owned),
            _ => None,
        }
    }

    /// The entry of a server: the one that is the same, or a new one. Its name.
    pub(crate) fn server(
        &mut self,
        product: Product,
        name: &str,
        served: &Served,
        env: &[String],
    ) -> Result<String, SetupError> {
        let path = ["server".to_owned()];
        let entries = self.tools.text.get(&path);
        let entries = entries.as_ref().map_or(&[] as &[Json], Json::items);
        let base = fitting(name);
        let mut names = [base.clone(), with_end(&base, product.name())]
            .into_iter()
            .chain((2..1000).map(|number| with_end(&base, &number.to_string())));
        let is_agent = |name: &str| CodingAgent::ALL.iter().any(|agent| agent.name() == name);
        let mut chosen = None;
        for name in names.by_ref() {
            let entry = entry(&name, served, env);
            let there = entries
                .iter()
                .find(|found| found.get("name").and_then(Json::as_text) == Some(name.as_str()));
            match there {
                // A catalogue says of a server as it likes what its tools do; which server it is, is what counts.
                Some(there) if is_same_server(there, &entry) => return Ok(name),
                Some(_) => {}
                None if is_agent(&name) => {}
                None => {
                    chosen = Some((name, entry));
                    break;
                }
            }
        }
        let Some((name, entry)) = chosen else {
            return Err(SetupError::unusable(
                self.tools.path(),
                "it has too many servers of this name",
            ));
        };
        self.tools.set(&["schema".to_owned()], Some(Json::text(TOOLS_SCHEMA)))?;
        self.tools.add(&path, entry)?;
        self.tools.because(format!("the server `{name}`"));
        Ok(name)
    }

    /// What changes, if what comes of it can be read.
    pub(crate) fn finish(self) -> Result<Plan, SetupError> {
        let mut plan = Plan::default();
        for draft in [self.config, self.tools] {
            let path = draft.path().to_owned();
            let Some(change) = draft.finish() else { continue };
            if path.ends_with(TOOLS) {
                checked(&path, change.after().unwrap_or_default())?;
            }
            plan.changes.push(change);
        }
        Ok(plan)
    }
}

/// Refuses a catalogue that the home wouldn't take.
fn checked(path: &Path, text: &str) -> Result<(), SetupError> {
    let folder = path.parent().map(PathBuf::from).unwrap_or_default();
    let schema = |name: &str| std::fs::read(folder.join(name)).ok();
    match Catalogue::parse(text, TOOLS, schema) {
        Ok(_) => Ok(()),
        Err(error) => Err(SetupError::unusable(path, error.to_string())),
    }
}

fn entry(name: &str, served: &Served, env: &[String]) -> Json {
    let mut members = vec![("name".to_owned(), Json::text(name))];
    match served {
        // What isn't known here, or must not be repeated, can't be compared with either.
        Served::Command(words) if servers::has_reference(words) || show::has_secret(words) => {}
        Served::Command(words) => members.push(("command".to_owned(), Json::texts(words.iter()))),
        Served::Url(url) => members.push(("url".to_owned(), Json::text(url))),
    }
    if !env.is_empty() {
        let mut env = env.to_vec();
        env.sort_unstable();
        env.dedup();
        members.push(("env".to_owned(), Json::texts(env)));
    }
    Json::Object(members)
}

/// Whether an entry says the same of where a server is and what it is given.
fn is_same_server(there: &Json, new: &Json) -> bool {
    ["command", "url", "env"]
        .iter()
        .all(|name| match (there.get(name), new.get(name)) {
            (Some(there), Some(new)) => there.is_same(new),
            (there, new) => there.is_none() && new.is_none(),
        })
}

/// A name that the catalogue takes: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`.
fn fitting(name: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
    let fit: String = name
        .chars()
        .map(|character| if is_plain(character) { character } else { '-' })
        .collect();
    let fit = fit.trim_start_matches(|character: char| !character.is_ascii_alphanumeric());
    let fit = fit.get(..fit.len().min(MAX_NAME)).unwrap_or_default();
    if fit.is_empty() { "server" } else { fit }.to_owned()
}

fn with_end(base: &str, end: &str) -> String {
    let room = MAX_NAME.saturating_sub(end.len()).saturating_sub(1);
    format!("{}-{end}", base.get(..base.len().min(room)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_the_catalogue() {
        for (name, expected) in [
            ("github", "github"),
            ("my server/äöü", "my-server----"),
            ("\u{1b}[2J", "2J"),
            ("..", "server"),
            ("", "server"),
        ] {
            assert_eq!(fitting(name), expected, "{name:?}");
        }
        assert_eq!(with_end(&"a".repeat(64), "codex").len(), 64);
    }
}
