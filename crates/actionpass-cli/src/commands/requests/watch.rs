//! `requests watch`: what happens to requests, as the ledger is told of it.

use actionpass_core::RequestEvent;
use actionpass_store::Ledger;
use pollster::block_on;
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::Outcome;
use crate::output::{self, Reply};
use crate::render::visible;

/// How many records are read at once.
const PAGE: usize = 256;

/// Prints a line for each event from now on, until it is interrupted or nobody reads it.
pub(super) fn run(context: &Context) -> Outcome<Reply> {
    let home = context.open_home_to_read()?;
    let mut seq = block_on(home.store.state())?.head.size();
    loop {
        for stored in block_on(home.store.read(seq, PAGE))? {
            seq = stored.seq.saturating_add(1);
            let Some(event) = block_on(RequestEvent::of(&*home.store, &stored.to_record()?))? else {
                continue;
            };
            let line = if context.is_json {
                json(&event).to_string()
            } else {
                visible(&text(&event))
            };
            if !output::print_line(&line) {
                return Ok(Reply::new(json!({})));
            }
        }
        block_on(home.store.follow(seq))?;
    }
}

fn json(event: &RequestEvent) -> Value {
    let request = &event.request;
    let mut json = json!({
        "schema": "actionpass.cli.requests-watch.v1", "seq": event.seq, "time": event.time, "event": event.event,
        "request": request.id, "tool": request.tool, "resource": request.resource, "agent": request.actor.agent,
    });
    if let Some(members) = json.as_object_mut() {
        if let Some(principal) = &event.principal {
            members.insert("principal".to_owned(), principal.as_str().into());
        }
        if let Some(code) = &event.code {
            members.insert("code".to_owned(), code.as_str().into());
        }
    }
    json
}

fn text(event: &RequestEvent) -> String {
    let request = &event.request;
    let mut text = format!("{} {} {}", event.time, event.event, request.id);
    text.push_str(&format!(
        " {} {} {}",
        request.actor.agent, request.tool, request.resource
    ));
    if let Some(principal) = &event.principal {
        text.push_str(&format!(" by {principal}"));
    }
    if let Some(code) = &event.code {
        text.push_str(&format!(" ({code})"));
    }
    text
}
