//! `pins`: what servers list, and which definitions somebody approved.

use actionpass_canon::CanonicalBytes;
use actionpass_gate::{CallCode, Change, ListingCode, Origin, Pinned, Pins};
use actionpass_home::HomeError;
use actionpass_model::{Digest, PinBody, PinChange, PinChangeSchema, Principal, Server, Statement};
use actionpass_store::ledger::RecordRef;
use clap::{Args, Subcommand};
use pollster::block_on;
use serde_json::{Value, json};

use super::approve::asked;
use crate::clock;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::input;
use crate::output::{self, Ink, Reply, Table};
use crate::render::Page;

#[derive(Debug, Subcommand)]
pub(crate) enum PinsCommand {
    /// List the tools of all servers: pinned, new, changed
    List,
    /// Show a tool's definition, and where what its server lists differs from what was approved
    Show(ToolArgs),
    /// Look at what a server offers, and approve it: only then are its tools called
    Approve(ApproveArgs),
    /// Forget what was approved of a tool; without one, all of a server, which may have another command or URL then
    Reset(ResetArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ToolArgs {
    /// The server, as the catalogue names it
    server: Server,
    /// The tool, as the server names it
    tool: Statement,
}

#[derive(Args, Debug)]
pub(crate) struct ApproveArgs {
    /// The server, as the catalogue names it
    server: Server,
    /// Its tools [default: all that are new or changed]
    tools: Vec<Statement>,
    /// Who approves [default: the name of the login]
    #[arg(long = "as", value_name = "PRINCIPAL")]
    approver: Option<Principal>,
    /// Don't ask: whoever runs this has seen the definitions
    #[arg(long)]
    yes: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ResetArgs {
    /// The server
    server: Server,
    /// The tool
    tool: Option<Statement>,
    /// Who does it [default: the name of the login]
    #[arg(long = "as", value_name = "PRINCIPAL")]
    by: Option<Principal>,
}

impl PinsCommand {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::List => "pins-list",
            Self::Show(_) => "pins-show",
            Self::Approve(_) => "pins-approve",
            Self::Reset(_) => "pins-reset",
        }
    }

    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        match self {
            Self::List => list(context),
            Self::Show(args) => args.run(context),
            Self::Approve(args) => args.run(context),
            Self::Reset(args) => args.run(context),
        }
    }
}

/// What is known of a tool.
#[derive(Clone, Copy)]
struct Known<'a> {
    pinned: Option<&'a Pinned>,
    offered: Option<&'a CanonicalBytes>,
}

impl<'a> Known<'a> {
    /// # Errors
    /// `pin_unknown`.
    fn of(pins: &'a Pins, server: &Server, tool: &Statement) -> Outcome<Self> {
        let mut tools = pins.tools(server.as_str());
        let found = tools.find(|(name, _, _)| *name == tool.as_str());
        let (_, pinned, offered) = found.ok_or_else(|| {
            unknown_server(pins, server)
                .unwrap_or_else(|| unknown(&format!("nothing is known of a tool `{tool}` of `{server}`")))
        })?;
        Ok(Self { pinned, offered })
    }

    const fn standing(self) -> &'static str {
        match (self.pinned, self.offered) {
            (Some(_), None) => "pinned",
            (Some(_), Some(_)) => "changed",
            (None, _) => "new",
        }
    }

    fn json(self, name: &str) -> Value {
        let mut json = json!({ "name": name, "standing": self.standing() });
        if let Some(members) = json.as_object_mut() {
            if let Some(pinned) = self.pinned {
                members.insert("definitionHash".to_owned(), json!(pinned.definition.digest()));
                members.insert("approvedAt".to_owned(), json!(pinned.approved_at));
                if let Some(by) = &pinned.approved_by {
                    members.insert("approvedBy".to_owned(), json!(by));
                }
            }
            if let Some(offered) = self.offered {
                members.insert("offeredHash".to_owned(), json!(offered.digest()));
            }
        }
        json
    }
}

fn unknown(problem: &str) -> Failure {
    Failure::new(ListingCode::PinUnknown, problem)
        .with_hint("`actionpass pins list` shows what servers offered; a front door asks them when it starts")
}

/// That no server of this name was ever asked for its tools, if that is so.
fn unknown_server(pins: &Pins, server: &Server) -> Option<Failure> {
    let known: Vec<String> = pins.servers().map(|(name, _)| format!("`{name}`")).collect();
    if pins.servers().any(|(name, _)| name == server.as_str()) {
        return None;
    }
    let known = if known.is_empty() {
        "no server's".to_owned()
    } else {
        format!("only those of {}", known.join(", "))
    };
    Some(unknown(&format!("no tools of a server `{server}` are known, {known}")))
}

fn origin_text(origin: &Origin) -> String {
    match origin {
        Origin::Command(command) => command.join(" "),
        Origin::Url(url) => url.clone(),
    }
}

fn list(context: &Context) -> Outcome<Reply> {
    let pins = context.home()?.pins()?;
    let mut table = Table::new(&["SERVER", "TOOL", "STANDING", "BY", "SINCE"]);
    let mut servers = Vec::new();
    for (server, origin) in pins.servers() {
        let mut tools = Vec::new();
        for (name, pinned, offered) in pins.tools(server) {
            let known = Known { pinned, offered };
            let by = pinned.and_then(|pinned| pinned.approved_by.as_ref());
            table.row([
                server.to_owned(),
                name.to_owned(),
                known.standing().to_owned(),
                by.map_or_else(|| "-".to_owned(), ToString::to_string),
                pinned.map_or_else(|| "-".to_owned(), |pinned| pinned.approved_at.to_string()),
            ]);
            tools.push(known.json(name));
        }
        servers.push(json!({ "name": server, "origin": origin, "tools": tools }));
    }
    Ok(Reply::new(json!({ "servers": servers })).with_data(table.render(Ink::stdout())))
}

impl ToolArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let pins = context.home()?.pins()?;
        let known = Known::of(&pins, &self.server, &self.tool)?;
        let changes = pins.changes(self.server.as_str(), self.tool.as_str());
        let value = |bytes: &CanonicalBytes| serde_json::from_slice::<Value>(bytes.as_bytes()).unwrap_or_default();
        let mut json = known.json(self.tool.as_str());
        if let Some(members) = json.as_object_mut() {
            members.insert("server".to_owned(), json!(self.server));
            if let Some(pinned) = known.pinned {
                members.insert("definition".to_owned(), value(&pinned.definition));
            }
            if let Some(offered) = known.offered {
                members.insert("offered".to_owned(), value(offered));
            }
            let changes: Vec<Value> = changes
                .iter()
                .map(|change| json!({ "at": change.at, "before": change.before, "after": change.after }))
                .collect();
            members.insert("changes".to_owned(), changes.into());
        }
        Ok(Reply::new(json).with_data(page(&pins, &self.server, &self.tool, known).finish()))
    }
}

/// What a person reads of a tool: the differences where it changed, else the definition.
fn page(pins: &Pins, server: &Server, tool: &Statement, known: Known<'_>) -> Page {
    let mut page = Page::default();
    page.named("server", server.as_str());
    let origin = pins.servers().find(|(name, _)| *name == server.as_str());
    if let Some((_, origin)) = origin {
        page.named("from", &origin_text(origin));
    }
    page.named("tool", tool.as_str());
    page.named("standing", known.standing());
    if let Some(pinned) = known.pinned {
        let by = pinned.approved_by.as_ref().map(|by| format!(" by {by}"));
        page.named("approved", &format!("{}{}", pinned.approved_at, by.unwrap_or_default()));
    }
    let changes = pins.changes(server.as_str(), tool.as_str());
    match (known.pinned, known.offered) {
        (Some(_), Some(offered)) => {
            page.hash("offered", &offered.digest());
            for Change { at, before, after, .. } in &changes {
                page.line(&format!("at {}", if at.is_empty() { "the whole" } else { at }));
                page.block("was", before.as_deref().unwrap_or("nothing"));
                page.block("is now", after.as_deref().unwrap_or("nothing"));
            }
        }
        (None, Some(definition)) => defined(&mut page, definition),
        (Some(pinned), None) => defined(&mut page, &pinned.definition),
        (None, None) => {}
    }
    page
}

fn defined(page: &mut Page, definition: &CanonicalBytes) {
    page.hash("definition", &definition.digest());
    let value: Value = serde_json::from_slice(definition.as_bytes()).unwrap_or_default();
    for (name, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::String(text) => page.block(name, text),
            other => page.block(name, &serde_json::to_string_pretty(other).unwrap_or_default()),
        }
    }
}

impl ApproveArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let by = input::principal(self.approver.clone())?;
        let shown = self.shown(context)?;
        if !self.yes {
            let (count, server) = (shown.len(), &self.server);
            asked::confirm(
                &format!("Approve {count} definitions of `{server}`, so that these tools may be called?"),
                "nothing was approved",
                "--yes approves without asking, for whoever has seen the definitions",
            )?;
        }
        let home = context.administer()?;
        let now = clock::now()?;
        let said = Statement::parse(by.as_str()).map_err(HomeError::from)?;
        let mut recorded = None;
        let records = home.opened.home.change_pins(|pins| -> Outcome<Vec<Value>> {
            for (tool, hash) in &shown {
                let known = Known::of(pins, &self.server, tool)?;
                // What its server listed meanwhile nobody has seen.
                if known.offered.map(CanonicalBytes::digest) != Some(*hash) {
                    let problem = format!("`{tool}` was listed anew meanwhile: look at it again");
                    return Err(Failure::new(CallCode::DefinitionChanged, problem));
                }
                pins.approve(self.server.as_str(), tool.as_str(), now, Some(said.clone()))?;
            }
            // Recorded before it holds, and once: where another process was faster, this is asked again.
            if let Some(records) = &recorded {
                return Ok(Vec::clone(records));
            }
            let mut records = Vec::new();
            for (tool, hash) in &shown {
                let body = PinBody {
                    schema: PinChangeSchema,
                    change: PinChange::Approved,
                    server: self.server.clone(),
                    tool: Some(tool.clone()),
                    definition_hash: Some(*hash),
                    by: by.clone(),
                };
                let record = block_on(home.administrator.record(&body)).map_err(HomeError::from)?;
                records.push(json!({ "name": tool, "definitionHash": hash, "record": record }));
            }
            recorded = Some(records.clone());
            Ok(records)
        })?;
        let talk = format!(
            "{} {} definitions of {}: calls of these tools go to policy.\n",
            Ink::stderr().good("approved"),
            records.len(),
            self.server
        );
        let json = json!({ "server": self.server, "by": by, "tools": records });
        Ok(Reply::new(json).with_talk(talk))
    }

    /// Shows what would be approved: each tool with the hash of what is offered.
    fn shown(&self, context: &Context) -> Outcome<Vec<(Statement, Digest)>> {
        let pins = context.home()?.pins()?;
        let tools = if self.tools.is_empty() {
            let offered = pins
                .tools(self.server.as_str())
                .filter(|(_, _, offered)| offered.is_some());
            let names = offered.map(|(name, _, _)| Statement::parse(name).map_err(HomeError::from));
            names.collect::<Result<Vec<_>, _>>()?
        } else {
            self.tools.clone()
        };
        if tools.is_empty() {
            let nothing = || unknown(&format!("`{}` offers nothing that is new or changed", self.server));
            return Err(unknown_server(&pins, &self.server).unwrap_or_else(nothing));
        }
        let mut shown = Vec::new();
        for tool in tools {
            let known = Known::of(&pins, &self.server, &tool)?;
            let offered = known
                .offered
                .ok_or_else(|| unknown(&format!("`{tool}` is pinned as it is offered")))?;
            if !(context.is_json && self.yes) {
                output::say(&format!("{}\n", page(&pins, &self.server, &tool, known).finish()));
            }
            if !shown.iter().any(|(other, _)| *other == tool) {
                shown.push((tool, offered.digest()));
            }
        }
        Ok(shown)
    }
}

impl ResetArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let by = input::principal(self.by)?;
        let home = context.administer()?;
        let mut recorded = None;
        let record = home.opened.home.change_pins(|pins| -> Outcome<_> {
            pins.reset(self.server.as_str(), self.tool.as_ref().map(Statement::as_str))?;
            if let Some(record) = &recorded {
                return Ok(RecordRef::clone(record));
            }
            let body = PinBody {
                schema: PinChangeSchema,
                change: PinChange::Reset,
                server: self.server.clone(),
                tool: self.tool.clone(),
                definition_hash: None,
                by: by.clone(),
            };
            let record = block_on(home.administrator.record(&body)).map_err(HomeError::from)?;
            Ok(recorded.insert(record).clone())
        })?;
        let what = match &self.tool {
            Some(tool) => format!("`{tool}` of {}", self.server),
            None => format!("{}", self.server),
        };
        let mut json = json!({ "server": self.server, "by": by, "record": record });
        if let (Some(members), Some(tool)) = (json.as_object_mut(), &self.tool) {
            members.insert("tool".to_owned(), json!(tool));
        }
        Ok(Reply::new(json).with_talk(format!("What was approved of {what} is forgotten.\n")))
    }
}
