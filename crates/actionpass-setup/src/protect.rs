//! What `protect` plans: our proxy before MCP servers, our hooks before the tools of coding agents.

use std::path::{Path, PathBuf};

use crate::command::{self, Asked, Ours, Served};
use crate::edit::Format;
use crate::home::{HomeDraft, Identity};
use crate::json::Json;
use crate::places::{CodingAgent, Places, Product, ServersFile};
use crate::plan::{Draft, Left, Plan};
use crate::servers::{self, FoundServer, Kind};
use crate::{SetupError, show};

/// What is to be put before the agents of a machine.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Protection {
    /// Where to look.
    pub places: Places,
    /// The home that the doors ask.
    pub home: PathBuf,
    /// This program, by its whole path.
    pub program: PathBuf,
    /// Who the agents are.
    pub identity: Identity,
    /// Whether servers elsewhere are put behind the proxy too, which can't sign in to them.
    pub remote: bool,
}

/// What was found of a server or a hook.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Guarded {
    /// Its file.
    pub path: PathBuf,
    /// The product.
    pub product: Product,
    /// The server's name; none of a hook.
    pub server: Option<String>,
    /// How it stands.
    pub state: State,
}

/// How a server or a hook stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum State {
    /// Nothing stands before it.
    Open,
    /// It is watched: its calls are made, whatever is decided.
    Observed,
    /// Its calls are held to what is decided.
    Enforced,
}

impl State {
    /// The state as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Observed => "observed",
            Self::Enforced => "enforced",
        }
    }

    const fn of(ours: &Ours) -> Self {
        if ours.is_observing {
            Self::Observed
        } else {
            Self::Enforced
        }
    }
}

/// The files that are edited, each once, whatever is edited in it.
#[derive(Debug)]
pub(crate) struct Drafts {
    below: Vec<PathBuf>,
    drafts: Vec<Draft>,
}

impl Drafts {
    pub(crate) fn new(places: &Places) -> Self {
        Self {
            below: places.below(),
            drafts: Vec::new(),
        }
    }

    pub(crate) fn open(&mut self, path: &Path, product: Product, format: Format) -> Result<&mut Draft, SetupError> {
        let place = match self.drafts.iter().position(|draft| draft.path() == path) {
            Some(place) => place,
            None => {
                self.drafts
                    .push(Draft::open(path, product.title(), format, &self.below)?);
                self.drafts.len().saturating_sub(1)
            }
        };
        // INVARIANT: it was found, or has just been added.
        self.drafts
            .get_mut(place)
            .ok_or_else(|| SetupError::unusable(path, "it was lost"))
    }

    pub(crate) fn finish(self) -> Plan {
        Plan {
            changes: self.drafts.into_iter().filter_map(Draft::finish).collect(),
            ..Plan::default()
        }
    }
}

impl Protection {
    /// The protection of the agents of these places, by this program and this home.
    #[must_use]
    pub fn new(places: Places, home: PathBuf, program: PathBuf, identity: Identity) -> Self {
        Self {
            places,
            home,
            program,
            identity,
            remote: false,
        }
    }

    /// Plans to watch everything that nothing of ours stands before yet.
    ///
    /// No rule is written: what is allowed is for people to say.
    ///
    /// # Errors
    /// [`SetupError`] if the home can't be edited, or this program or the home lies where configuration can't name it. What is wrong
    /// with a product's files is in the plan.
    pub fn plan(&self) -> Result<Plan, SetupError> {
        let (program, asked) = self.named()?;
        let mut home = HomeDraft::open(&self.home, &self.identity)?;
        let mut drafts = Drafts::new(&self.places);
        let mut left = Vec::new();
        for file in self.places.servers_files() {
            match self.plan_file(&file, &program, &asked, &mut home, &mut drafts, &mut left) {
                Ok(()) => {}
                Err(error @ SetupError::IdentityMissing(_)) => return Err(error),
                Err(error) => left.push(Left::file(&file.path, &error)),
            }
        }
        let mut notes = Vec::new();
        for &agent in CodingAgent::ALL.iter().filter(|agent| self.places.has(**agent)) {
            let found = crate::hooks::find(&self.places, agent);
            match found {
                Ok(Some(_)) => continue,
                Ok(None) => {}
                Err(error) => {
                    left.push(Left::file(&self.places.hooks_file(agent).0, &error));
                    continue;
                }
            }
            let ours = Ours {
                asked: asked.clone(),
                door: Some(home.hook_door(agent)?),
                is_observing: true,
            };
            match crate::hooks::write(&self.places, agent, &program, &ours, &mut drafts) {
                Ok(more) => notes.extend(more),
                Err(error) => left.push(Left::file(&self.places.hooks_file(agent).0, &error)),
            }
        }
        let mut plan = home.finish()?;
        plan.extend(drafts.finish());
        plan.left = once(left);
        plan.notes = notes;
        Ok(plan)
    }

    /// Plans to have everything that is watched through this home held to what is decided.
    ///
    /// # Errors
    /// [`SetupError`] if this program or the home lies where configuration can't name it.
    pub fn enforce(&self) -> Result<Plan, SetupError> {
        let (_, asked) = self.named()?;
        let mut drafts = Drafts::new(&self.places);
        let mut left = Vec::new();
        for file in self.places.servers_files() {
            if let Err(error) = enforce_servers(&file, &asked, &mut drafts) {
                left.push(Left::file(&file.path, &error));
            }
        }
        for &agent in CodingAgent::ALL {
            if let Err(error) = crate::hooks::enforce(&self.places, agent, &asked, &mut drafts) {
                left.push(Left::file(&self.places.hooks_file(agent).0, &error));
            }
        }
        let mut plan = drafts.finish();
        plan.left = once(left);
        if !plan.changes.is_empty() {
            plan.notes.push(
                "tools of MCP servers are hidden until somebody approved what they say of themselves: `actionpass pins list`, `pins approve`"
                    .to_owned(),
            );
        }
        Ok(plan)
    }

    /// How the servers and coding agents of these places stand.
    #[must_use]
    pub fn look(&self) -> Vec<Guarded> {
        let mut found = Vec::new();
        for file in self.places.servers_files() {
            let mut drafts = Drafts::new(&self.places);
            let Ok(draft) = drafts.open(&file.path, file.product, file.format) else {
                continue;
            };
            for server in servers::find(&file, &draft.text.value()) {
                let state = match &server.kind {
                    Kind::Wrapped(ours) => State::of(ours),
                    _ => State::Open,
                };
                found.push(Guarded {
                    path: file.path.clone(),
                    product: file.product,
                    server: Some(server.name),
                    state,
                });
            }
        }
        for &agent in CodingAgent::ALL.iter().filter(|agent| self.places.has(**agent)) {
            let hook = crate::hooks::find(&self.places, agent).ok().flatten();
            found.push(Guarded {
                path: self.places.hooks_file(agent).0,
                product: agent.product(),
                server: None,
                state: hook.as_ref().map_or(State::Open, State::of),
            });
        }
        found
    }

    fn named(&self) -> Result<(String, Asked), SetupError> {
        let named = |path: &Path| match (command::unfit(path), path.to_str()) {
            (None, Some(text)) => Ok(text.to_owned()),
            (problem, _) => Err(SetupError::unusable(path, problem.unwrap_or_default())),
        };
        Ok((named(&self.program)?, Asked::Home(named(&self.home)?)))
    }

    fn plan_file(
        &self,
        file: &ServersFile,
        program: &str,
        asked: &Asked,
        home: &mut HomeDraft,
        drafts: &mut Drafts,
        left: &mut Vec<Left>,
    ) -> Result<(), SetupError> {
        let draft = drafts.open(&file.path, file.product, file.format)?;
        if !draft.is_there() {
            return Ok(());
        }
        for server in servers::find(file, &draft.text.value()) {
            let (served, env) = match &server.kind {
                Kind::Plain { served, env } => (served, env),
                Kind::Wrapped(_) => continue,
                Kind::Left(why) => {
                    left.push(Left::new(&file.path, show::visible(&server.name), *why));
                    continue;
                }
            };
            if let Served::Url(url) = served
                && !self.remote
                && !servers::is_local(url)
            {
                let why = "it is elsewhere, and the product may sign in to it, which the proxy can't: `--remote` takes it all the same";
                left.push(Left::new(&file.path, show::visible(&server.name), why));
                continue;
            }
            let ours = Ours {
                asked: asked.clone(),
                door: Some(home.proxy_door(file.product)?),
                is_observing: true,
            };
            let name = home.server(file.product, &server.name, served, env)?;
            wrap(draft, &server, program, ours.proxy(&name, served), served)?;
            draft.because(format!(
                "the server `{}` behind the proxy, observed",
                show::visible(&server.name)
            ));
        }
        Ok(())
    }
}

/// Each once: a file may be looked at for its servers and for its hooks.
fn once(left: Vec<Left>) -> Vec<Left> {
    let mut kept: Vec<Left> = Vec::new();
    for left in left {
        if !kept.contains(&left) {
            kept.push(left);
        }
    }
    kept
}

/// Puts our command in the place of a server's.
fn wrap(
    draft: &mut Draft,
    server: &FoundServer,
    program: &str,
    arguments: Vec<String>,
    served: &Served,
) -> Result<(), SetupError> {
    let member = |name: &str| {
        let mut path = server.path.clone();
        path.push(name.to_owned());
        path
    };
    if let Served::Url(_) = served {
        for name in ["url", "httpUrl", "transport"] {
            draft.set(&member(name), None)?;
        }
        if draft.text.get(&member("type")).is_some() {
            draft.set(&member("type"), Some(Json::text("stdio")))?;
        }
    }
    draft.set(&member("command"), Some(Json::text(program)))?;
    draft.set(&member("args"), Some(Json::texts(arguments)))?;
    Ok(())
}

/// Takes `--observe` out of the commands of a file that ask this home.
fn enforce_servers(file: &ServersFile, asked: &Asked, drafts: &mut Drafts) -> Result<(), SetupError> {
    let draft = drafts.open(&file.path, file.product, file.format)?;
    for server in servers::find(file, &draft.text.value()) {
        let Kind::Wrapped(ours) = &server.kind else { continue };
        if !ours.is_observing || ours.asked != *asked {
            continue;
        }
        let mut path = server.path.clone();
        path.push("args".to_owned());
        let Some(Json::List(mut arguments)) = draft.text.get(&path) else {
            continue;
        };
        // Only before the server's own words, which may have such an option too.
        let place = arguments.iter().position(|word| word.as_text() == Some("--observe"));
        if let Some(place) = place {
            arguments.remove(place);
        }
        draft.set(&path, Some(Json::List(arguments)))?;
        draft.because(format!(
            "the server `{}` is held to what is decided",
            show::visible(&server.name)
        ));
    }
    Ok(())
}
