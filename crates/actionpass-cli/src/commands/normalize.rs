//! `normalize`: what a tool call becomes.

use std::path::PathBuf;

use actionpass_canon::CanonicalBytes;
use actionpass_gate::{Call, CallDocument, CallError, ListedTool, Normalized, ToolCall};
use clap::Args;
use serde_json::{Value, json};

use super::tools::{CatalogueArgs, Tools};
use crate::context::Context;
use crate::failure::Outcome;
use crate::input;
use crate::output::Reply;
use crate::render::Page;

#[derive(Args, Debug)]
pub(crate) struct NormalizeArgs {
    /// The call, `{server, tool, arguments}`, `{server, method, params}` or `{method, host, target, headers?, body?}`; with
    /// --tool its arguments alone
    #[arg(default_value = "-")]
    file: PathBuf,
    /// The server, as the catalogue names it
    #[arg(long, value_name = "NAME", requires = "tool")]
    server: Option<String>,
    /// The tool, as the server names it
    #[arg(long, value_name = "NAME", requires = "server")]
    tool: Option<String>,
    #[command(flatten)]
    catalogue: CatalogueArgs,
}

/// A call as it was read.
enum Stated {
    Document(CallDocument),
    Arguments {
        server: String,
        tool: String,
        arguments: CanonicalBytes,
    },
}

impl Stated {
    /// The server and its tool; `None` of another method and of an HTTP request.
    fn tool(&self) -> Option<(&str, &str)> {
        match self {
            Self::Document(document) => document.server().zip(document.tool()),
            Self::Arguments { server, tool, .. } => Some((server, tool)),
        }
    }

    fn call<'a>(&'a self, definition: Option<&'a ListedTool>) -> Call<'a> {
        match self {
            Self::Document(document) => document.call_with(definition),
            Self::Arguments {
                server,
                tool,
                arguments,
            } => {
                let call = ToolCall::new(server, tool, arguments);
                definition
                    .map_or(call, |definition| call.with_definition(definition))
                    .into()
            }
        }
    }
}

impl NormalizeArgs {
    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        input::one_stdin(
            [Some(&self.file), self.catalogue.file()]
                .into_iter()
                .flatten()
                .map(PathBuf::as_path),
        )?;
        let tools = self.catalogue.load(context)?;
        let document = input::document(&self.file, &context.bounds()?)?;
        let stated = match (self.server, self.tool) {
            (Some(server), Some(tool)) => Stated::Arguments {
                server,
                tool,
                arguments: document,
            },
            _ => Stated::Document(CallDocument::of(&document)?),
        };
        let normalized = normalize(&tools, &stated)?;
        Ok(Reply::new(json_of(&normalized)).with_data(shown(&normalized)))
    }
}

/// As an issuer has it: with the definition that is pinned.
fn normalize(tools: &Tools, stated: &Stated) -> Result<Normalized, CallError> {
    let pinned = stated.tool().and_then(|(server, tool)| tools.pins.pinned(server, tool));
    tools.catalogue.normalize(stated.call(pinned.as_ref()))
}

fn json_of(call: &Normalized) -> Value {
    let mut json = json!({
        "tool": call.tool, "resource": call.resource, "payloadHash": call.payload.digest(),
    });
    if let Some(members) = json.as_object_mut() {
        let further = [
            (
                "toolDefinition",
                call.definition.as_ref().map(|definition| json!(definition)),
            ),
            ("audience", call.audience.as_ref().map(|audience| json!(audience))),
            ("risk", call.risk.map(|risk| json!(risk.as_str()))),
            ("entry", call.entry.as_ref().map(|entry| json!(entry))),
        ];
        members.extend(
            further
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?))),
        );
    }
    json
}

fn shown(call: &Normalized) -> String {
    let mut page = Page::default();
    page.named("tool", call.tool.as_str());
    page.named("resource", call.resource.as_str());
    page.named("entry", call.entry.as_deref().unwrap_or("none"));
    if let Some(audience) = &call.audience {
        page.named("audience", audience.as_str());
    }
    if let Some(risk) = call.risk {
        page.named("risk", risk.as_str());
    }
    page.hash("payload", &call.payload.digest());
    if let Some(definition) = &call.definition {
        page.hash("definition", &definition.definition_hash);
    }
    page.finish()
}
