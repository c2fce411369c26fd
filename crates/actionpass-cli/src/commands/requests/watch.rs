//! `requests watch`: what happens to requests, as the ledger is told of it.

use actionpass_client::api::RequestEvent;
use serde_json::{Value, json};

use super::to_json;
use crate::context::Context;
use crate::failure::Outcome;
use crate::gate::Gate;
use crate::output::{self, Reply};
use crate::render::visible;

/// Prints a line for each event from now on, until it is interrupted or nobody reads it.
pub(super) fn run(gate: &dyn Gate, context: &Context) -> Outcome<Reply> {
    let mut failure = None;
    gate.watch(&mut |event| {
        let line = if context.is_json {
            json(event).map(|json| json.to_string())
        } else {
            Ok(visible(&text(event)))
        };
        match line {
            Ok(line) => output::print_line(&line),
            Err(error) => {
                failure = Some(error);
                false
            }
        }
    })?;
    failure.map_or_else(|| Ok(Reply::new(json!({}))), Err)
}

fn json(event: &RequestEvent) -> Outcome<Value> {
    let mut json = to_json(event)?;
    if let Some(members) = json.as_object_mut() {
        members.insert("schema".to_owned(), "actionpass.cli.requests-watch.v1".into());
    }
    Ok(json)
}

fn text(event: &RequestEvent) -> String {
    let mut text = format!("{} {} {}", event.time, event.event, event.request);
    text.push_str(&format!(" {} {} {}", event.agent, event.tool, event.resource));
    if let Some(principal) = &event.principal {
        text.push_str(&format!(" by {principal}"));
    }
    if let Some(code) = &event.code {
        text.push_str(&format!(" ({code})"));
    }
    text
}
