//! `tools`: the tool catalogue, checked, listed, tested.

mod add;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actionpass_gate::testing::{CallOutcome, CallTests};
use actionpass_gate::{Catalogue, DeclaredServer, DeclaredTool, Origin, Pins};
use actionpass_policy::{PolicyEngine, decode};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::bring::PutToolsArgs;
use super::policy;
use crate::code::CliCode;
use crate::context::Context;
use crate::failure::Outcome;
use crate::input;
use crate::output::{Ink, Reply, Table};
use crate::render;

#[derive(Debug, Subcommand)]
pub(crate) enum ToolsCommand {
    /// Load the tool catalogue and say what it has, and what is odd; errors name line and column
    Check(CatalogueArgs),
    /// List the entries: which calls become which tool, on what
    List(CatalogueArgs),
    /// Run tables of calls and what they must become
    Test(TestArgs),
    /// Start a server, and add an entry for each tool of it that has none
    ///
    /// The entries need a pinned definition and say nothing else: what their tools are and act on is left to whoever knows. No rule
    /// is written, so policy denies them as before.
    Add(add::AddArgs),
    /// Bring a tool catalogue with its schemas into force, on every machine that shares the home's database
    ///
    /// It is checked together with the policy, as an issuer loads them; what is refused changes nothing. In a home of files it writes
    /// tools.toml and the schemas.
    Put(PutToolsArgs),
}

/// Which catalogue.
#[derive(Args, Clone, Debug)]
pub(crate) struct CatalogueArgs {
    /// The tool catalogue; schemas that it names are found beside it [default: the home's]
    #[arg(long = "tools", value_name = "FILE")]
    tools: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct TestArgs {
    /// The tables, `actionpass.tools-tests.v1`
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    catalogue: CatalogueArgs,
    /// The policy that decides [default: the home's]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

/// A catalogue, and the definitions that are pinned beside it.
pub(crate) struct Tools {
    pub(crate) catalogue: Catalogue,
    pub(crate) pins: Pins,
}

impl CatalogueArgs {
    /// The file that the command line names.
    pub(crate) const fn file(&self) -> Option<&PathBuf> {
        self.tools.as_ref()
    }

    /// Loads it; pins are the home's.
    pub(crate) fn load(&self, context: &Context) -> Outcome<Tools> {
        let Some(path) = &self.tools else {
            let home = context.home()?;
            return Ok(Tools {
                catalogue: home.catalogue(&home.config()?)?,
                pins: home.pins()?,
            });
        };
        let name = path.display().to_string();
        let bytes = input::policy(path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let schema = |file: &str| std::fs::read(folder.join(file)).ok();
        Ok(Tools {
            catalogue: Catalogue::parse(decode(&bytes, &name)?, &name, schema)?,
            pins: Pins::default(),
        })
    }
}

impl ToolsCommand {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Check(_) => "tools-check",
            Self::List(_) => "tools-list",
            Self::Test(_) => "tools-test",
            Self::Add(_) => "tools-add",
            Self::Put(_) => "tools-put",
        }
    }

    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        match self {
            Self::Check(args) => args.load(context).map(|tools| check(&tools)),
            Self::List(args) => args.load(context).map(|tools| list(&tools.catalogue)),
            Self::Test(args) => args.run(context),
            Self::Add(args) => args.run(context),
            Self::Put(args) => args.run(context),
        }
    }
}

fn check(tools: &Tools) -> Reply {
    let (servers, entries) = (tools.catalogue.servers().len(), tools.catalogue.entries().count());
    let files: Vec<Value> = tools
        .catalogue
        .files()
        .map(|(name, hash)| json!({ "name": name, "sha256": hash }))
        .collect();
    let warnings = odd(tools);
    let ink = Ink::stdout();
    let mut data = if files.is_empty() {
        "there is no tools.toml: every tool is `mcp/SERVER/TOOL` on `server:SERVER`\n".to_owned()
    } else {
        format!("{} {servers} servers, {entries} tools\n", ink.good("ok"))
    };
    for (name, hash) in tools.catalogue.files() {
        data.push_str(&format!("  {hash}  {}\n", render::visible(name)));
    }
    for warning in &warnings {
        data.push_str(&format!("{} {}\n", ink.warn("warning"), render::visible(warning)));
    }
    let json = json!({ "valid": true, "servers": servers, "tools": entries, "files": files, "warnings": warnings });
    Reply::new(json).with_data(data)
}

/// What is likely not meant.
fn odd(tools: &Tools) -> Vec<String> {
    let Tools { catalogue, pins } = tools;
    let mut odd = Vec::new();
    for server in catalogue.servers() {
        let of_it = |entry: &DeclaredTool<'_>| entry.server == Some(&*server.name);
        if !catalogue.entries().any(|entry| of_it(&entry)) {
            odd.push(format!("no entry is about the server `{}`", server.name));
        }
    }
    for entry in catalogue.entries().filter(|entry| entry.needs_pin) {
        let unpinned = entry.server.zip(entry.name);
        if let Some((server, name)) = unpinned.filter(|(server, name)| pins.pinned(server, name).is_none()) {
            odd.push(format!(
                "`{}` needs a pinned definition, and has none: calls are refused until `pins approve {server} {name}`",
                entry.matched
            ));
        }
    }
    for entry in catalogue.entries() {
        let Some((server, name)) = entry.server.zip(entry.name) else {
            continue;
        };
        // What a server never listed nobody can tell.
        let mut known = pins.tools(server).peekable();
        if known.peek().is_some() && known.all(|(listed, _, _)| listed != name) {
            odd.push(format!(
                "`{server}` never listed a tool `{name}`, so `{}` is about no call: `pins list` shows what it lists",
                entry.matched
            ));
        }
    }
    for (server, origin) in pins.servers() {
        match catalogue.server(server) {
            None => odd.push(format!("there are pins of the server `{server}`, which is not declared")),
            Some(declared) if declared_origin(declared).is_some_and(|declared| declared != *origin) => odd.push(format!(
                "the pins of `{server}` are of another command or URL than its entry has: calls are refused until `pins reset {server}`"
            )),
            Some(_) => {}
        }
        let waiting = pins.tools(server).filter(|(_, _, offered)| offered.is_some()).count();
        if waiting > 0 {
            odd.push(format!(
                "{waiting} tools of `{server}` are new or changed: `pins list` shows them"
            ));
        }
    }
    odd
}

/// Where a declared server's tools come from, as far as its entry says.
pub(crate) fn declared_origin(server: &DeclaredServer) -> Option<Origin> {
    let command = server.command.clone().map(Origin::Command);
    command.or_else(|| Origin::of_url(server.url.as_deref()?))
}

fn list(catalogue: &Catalogue) -> Reply {
    let mut table = Table::new(&["CALL", "TOOL", "RESOURCE", "RISK", "AUDIENCE"]);
    let mut listed = Vec::new();
    let or_dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
    for entry in catalogue.entries() {
        let DeclaredTool {
            matched,
            tool,
            resource,
            audience,
            risk,
            needs_pin,
            ..
        } = entry;
        let mut json = json!({ "match": matched, "pinned": needs_pin });
        if let Some(members) = json.as_object_mut() {
            let further = [
                ("tool", tool.map(|tool| tool.as_str())),
                ("resource", resource),
                ("audience", audience.map(|audience| audience.as_str())),
                ("risk", risk.map(|risk| risk.as_str())),
            ];
            members.extend(
                further
                    .into_iter()
                    .filter_map(|(name, value)| Some((name.to_owned(), value?.into()))),
            );
        }
        table.row([
            matched.to_owned(),
            or_dash(tool.map(|tool| tool.as_str())),
            or_dash(resource),
            or_dash(risk.map(|risk| risk.as_str())),
            or_dash(audience.map(|audience| audience.as_str())),
        ]);
        listed.push(json);
    }
    let servers: BTreeSet<&str> = catalogue.servers().iter().map(|server| &*server.name).collect();
    Reply::new(json!({ "servers": servers, "tools": listed })).with_data(table.render(Ink::stdout()))
}

impl TestArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let catalogue = self.catalogue.load(context)?.catalogue;
        // A catalogue of the command line is tested without a policy, unless one is named with it.
        let policy: Option<Arc<dyn PolicyEngine>> = if self.policy.is_some() || self.catalogue.tools.is_none() {
            Some(policy::named_or_home(self.policy.as_deref(), context)?)
        } else {
            None
        };
        let mut data = String::new();
        let mut outcomes = Vec::new();
        for file in &self.files {
            let (bytes, name) = (input::policy(file)?, file.display().to_string());
            let tests = CallTests::parse(decode(&bytes, &name)?, &name)?;
            outcomes.extend(tests.run(&catalogue, policy.as_deref()));
        }
        let ink = Ink::stdout();
        for outcome in outcomes.iter().filter(|outcome| !outcome.passed()) {
            data.push_str(&format!("{} {}\n", ink.bad("failed"), render::visible(&outcome.name)));
            for problem in &outcome.problems {
                data.push_str(&format!("  {}\n", render::visible(problem)));
            }
        }
        let failed = outcomes.iter().filter(|outcome| !outcome.passed()).count();
        let verdict = if failed == 0 { ink.good("ok") } else { ink.bad("failed") };
        data.push_str(&format!("{verdict} {} tests, {failed} failed\n", outcomes.len()));
        let outcome = |outcome: &CallOutcome| json!({ "name": outcome.name, "passed": outcome.passed(), "problems": outcome.problems });
        let json = json!({
            "passed": failed == 0, "tests": outcomes.len(), "failed": failed,
            "outcomes": outcomes.iter().map(outcome).collect::<Vec<_>>(),
        });
        let exit = if failed == 0 {
            0
        } else {
            CliCode::PolicyTestFailed.class().exit_code()
        };
        Ok(Reply::new(json).with_exit(exit).with_data(data))
    }
}
