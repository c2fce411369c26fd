//! `tools add`: entries for what a server lists.

use std::time::Duration;

use actionpass_display::Text;
use actionpass_gate::{Catalogue, CatalogueCode, ListedTool, ListingCode, Origin};
use actionpass_home::HomeError;
use actionpass_mcp::{ServerEntry, list_tools};
use clap::Args;
use serde_json::{Value, json};

use crate::commands::approve::asked;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{self, Ink, Reply};
use crate::render;

/// How long a server may take to list its tools.
const TIME: Duration = Duration::from_secs(30);
/// How much of a tool's description stands above its entry, in characters.
const MAX_COMMENT: usize = 100;

#[derive(Args, Debug)]
pub(crate) struct AddArgs {
    /// The `[[server]]`: its command is started, and asked for its tools
    #[arg(long = "from-mcp", value_name = "SERVER")]
    server: String,
    /// Don't ask: whoever runs this wants the entries
    #[arg(long)]
    yes: bool,
}

impl AddArgs {
    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        let home = context.home()?;
        let config = home.config()?;
        let catalogue = home.catalogue(&config)?;
        let server = catalogue.server(&self.server).ok_or_else(|| {
            let problem = format!("tools.toml declares no server `{}`", self.server);
            Failure::new(CatalogueCode::ToolsServerUnknown, problem)
                .with_hint("add a `[[server]]` with its `name` and `command`")
        })?;
        let command = server.command.clone().ok_or_else(|| {
            let problem = format!("the server `{}` has no `command` to start", self.server);
            Failure::new(ListingCode::PinUnknown, problem).with_hint("a proxy in front of its URL lists its tools")
        })?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::internal(&error))?;
        let listed = runtime.block_on(list_tools(&ServerEntry::of(server), &command, TIME))?;

        let mut added = Vec::new();
        let mut skipped = Vec::new();
        let mut text = String::new();
        for tool in &listed {
            let name = tool.name();
            if !Catalogue::is_tool_name(name) {
                skipped
                    .push(json!({ "name": name, "problem": "no call of a tool of this name can be told from others" }));
            } else if catalogue.entry_of(&self.server, name).is_none() {
                added.push(name);
                text.push_str(&entry(&self.server, tool));
            }
        }
        if !added.is_empty() {
            if !(context.is_json && self.yes) {
                let ink = Ink::stderr();
                let lines = text
                    .lines()
                    .map(|line| ink.good(&format!("+{}", render::visible(line))) + "\n");
                output::say(&lines.collect::<String>());
            }
            if !self.yes {
                asked::confirm(
                    &format!("Add {} entries to tools.toml?", added.len()),
                    "nothing was added",
                    "--yes adds them without asking",
                )?;
            }
            home.extend_catalogue(&config, &text)?;
        }
        // So that they can be looked at and approved.
        let origin = Origin::Command(command);
        home.change_pins(|pins| Ok::<_, HomeError>(pins.offer(&self.server, &origin, &listed)))?;
        let talk = format!(
            "{} lists {} tools: {} entries added, {} left out.\n`{} pins approve {}` shows the definitions.\n",
            self.server,
            listed.len(),
            added.len(),
            skipped.len(),
            context.program(),
            self.server
        );
        let json = json!({ "server": self.server, "listed": listed.len(), "added": added, "skipped": skipped });
        Ok(Reply::new(json).with_talk(talk))
    }
}

/// The entry of a tool: that it needs a pinned definition, and what its server says as a comment.
fn entry(server: &str, tool: &ListedTool) -> String {
    let definition: Value = serde_json::from_slice(tool.definition().as_bytes()).unwrap_or_default();
    let said = definition
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let mut text = String::from("\n");
    if !said.is_empty() {
        text.push_str(&format!("# {}\n", comment(said)));
    }
    let arguments = definition.pointer("/inputSchema/properties").and_then(Value::as_object);
    if let Some(arguments) = arguments.filter(|arguments| !arguments.is_empty()) {
        let names: Vec<&str> = arguments.keys().map(String::as_str).collect();
        text.push_str(&format!("# arguments: {}\n", comment(&names.join(", "))));
    }
    // INVARIANT: a name of a tool needs no escapes.
    text.push_str(&format!(
        "[[tool]]\nmatch = \"{server}/{}\"\nschema = \"pinned\"\n",
        tool.name()
    ));
    text.push_str("# tool = \"\"\n# resource = \"\"\n# risk = \"high\"\n");
    text
}

/// Foreign text as a comment: one line, nothing hidden in it, and not too long.
fn comment(text: &str) -> String {
    let line: String = text
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(MAX_COMMENT)
        .collect();
    let end = if line.len() < text.trim_end().len() { "…" } else { "" };
    let shown = Text::name(&line).text;
    // TOML takes no control characters in comments.
    shown
        .chars()
        .filter(|character| !character.is_control())
        .collect::<String>()
        + end
}

#[cfg(test)]
mod tests {
    use actionpass_canon::Limits;

    use super::*;

    #[test]
    fn whatever_a_server_says_its_entries_are_entries() {
        let listed = json!([
            { "name": "a", "description": "Reads.\n[[tool]]\nmatch = \"s/evil\"", "inputSchema": { "properties": { "x\n[[tool]]": {} } } },
            { "name": "b", "description": "\u{202e}\u{7}\u{1b}[2J".repeat(200) },
            { "name": "c" },
        ]);
        let listed = ListedTool::read_all(listed.to_string().as_bytes(), &[], &Limits::default()).unwrap();
        let entries: String = listed.iter().map(|tool| entry("s", tool)).collect();
        let text = format!("schema = \"actionpass.tools.v1\"\n[[server]]\nname = \"s\"\n{entries}");
        let catalogue = Catalogue::parse(&text, "tools.toml", |_| None).unwrap();
        let found: Vec<_> = catalogue
            .entries()
            .map(|entry| (entry.matched, entry.needs_pin))
            .collect();
        assert_eq!(found, [("s/a", true), ("s/b", true), ("s/c", true)]);
        assert!(entries.contains("# Reads.…\n"), "{entries}");
        assert!(!entries.contains('\u{202e}') && entries.lines().all(|line| line.chars().count() < 800));
    }
}
