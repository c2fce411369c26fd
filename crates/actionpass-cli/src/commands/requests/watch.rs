//! `requests watch`: what happens to requests, as the ledger is told of it.

use actionpass_home::OpenHome;
use actionpass_model::{ApprovalRequest, Decision, Record, RecordKind, RequestId};
use actionpass_store::{Ledger, QueueStore};
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
            let Some(event) = Event::of(&home, &stored.to_record()?)? else {
                continue;
            };
            let line = if context.is_json {
                event.json().to_string()
            } else {
                visible(&event.text())
            };
            if !output::print_line(&line) {
                return Ok(Reply::new(json!({})));
            }
        }
        block_on(home.store.follow(seq))?;
    }
}

/// Something that happened to a request.
struct Event {
    seq: u64,
    time: String,
    what: String,
    request: ApprovalRequest,
    /// Who did it.
    principal: Option<String>,
    /// Why it was cancelled.
    code: Option<String>,
}

impl Event {
    /// What a record tells of a request; `None` if it tells of none, or of a retry, which changes nothing.
    fn of(home: &OpenHome, record: &Record) -> Outcome<Option<Self>> {
        let said = |name: &str| record.body.get().get(name).and_then(Value::as_str);
        let request = said("request").and_then(|id| RequestId::parse(id).ok());
        let Some(request) = request else { return Ok(None) };
        let Some(stored) = block_on(home.store.request(&request))? else {
            return Ok(None);
        };
        let request = stored.request;
        let what = match record.kind {
            RecordKind::Request => said("change"),
            RecordKind::Decision if said("decision") == Some(Decision::Allow.as_str()) => Some("used"),
            RecordKind::Decision if request.decision.id == record.id => Some("opened"),
            _ => None,
        };
        Ok(what.map(|what| Self {
            seq: record.seq,
            time: record.time.to_string(),
            what: what.to_owned(),
            principal: said("principal").map(ToOwned::to_owned),
            code: said("code").map(ToOwned::to_owned),
            request,
        }))
    }

    fn json(&self) -> Value {
        let mut json = json!({
            "schema": "actionpass.cli.requests-watch.v1", "seq": self.seq, "time": self.time, "event": self.what,
            "request": self.request.id, "tool": self.request.tool, "resource": self.request.resource,
            "agent": self.request.actor.agent,
        });
        if let Some(members) = json.as_object_mut() {
            let more = [("principal", &self.principal), ("code", &self.code)];
            for (name, value) in more {
                if let Some(value) = value {
                    members.insert(name.to_owned(), value.as_str().into());
                }
            }
        }
        json
    }

    fn text(&self) -> String {
        let request = &self.request;
        let mut text = format!("{} {} {}", self.time, self.what, request.id);
        text.push_str(&format!(
            " {} {} {}",
            request.actor.agent, request.tool, request.resource
        ));
        if let Some(principal) = &self.principal {
            text.push_str(&format!(" by {principal}"));
        }
        if let Some(code) = &self.code {
            text.push_str(&format!(" ({code})"));
        }
        text
    }
}
