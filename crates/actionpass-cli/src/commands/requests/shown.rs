//! How requests are shown: in a line, and in full. Tokens of votes are in none of these.

use actionpass_client::api::{FullRequest, RequestItem};
use actionpass_display::Folds;
use actionpass_model::{RequestEnd, Vote, VoteKind};
use actionpass_policy::Requirement;

use crate::commands::authorize::{reason_text, requirement_text};
use crate::gate::Looked;
use crate::output::{Ink, Table};
use crate::render::{self, Page, visible};

/// Of a request that waits and that nobody can approve.
const VOID: &str = "nobody can approve it any more: ask for the action again";

/// Requests, a line each.
pub(super) fn table(items: &[RequestItem]) -> String {
    let mut table = Table::new(&["ID", "STATE", "EXPIRES", "AGENT", "TOOL", "RESOURCE", "MISSING"]);
    for item in items {
        table.row([
            item.id.to_string(),
            item.state.as_str().to_owned(),
            item.expires_at.to_string(),
            item.agent.to_string(),
            item.tool.to_string(),
            item.resource.to_string(),
            if item.void {
                VOID.to_owned()
            } else {
                missing(&item.missing).collect::<Vec<_>>().join("; ")
            },
        ]);
    }
    table.render(Ink::stdout())
}

/// What is missing, each in a few words.
pub(super) fn missing(missing: &[Requirement]) -> impl Iterator<Item = String> {
    missing.iter().map(requirement_text)
}

/// All of a request for people.
pub(super) fn full(looked: &Looked) -> String {
    let full = &looked.full;
    let request = &full.request;
    let mut page = Page::default();
    page.named("request", request.id.as_str());
    page.named("state", full.state.as_str());
    page.named(
        "opened",
        &format!("{} by record {}", request.created_at, request.decision.seq),
    );
    page.named("expires", &request.expires_at.to_string());
    if let Some(end) = &request.end {
        page.named("ended", &ended(end));
    }
    // Theirs, behind a mark, with nothing hidden in it.
    if let Some(words) = full.declined.as_ref().and_then(|declined| declined.words.as_ref()) {
        page.named("words", &format!("| {}", visible(words.as_str())));
    }
    for rule in &request.rules {
        let notes = request.notes.iter().filter(|note| note.rule == *rule);
        let notes: Vec<&str> = notes.map(|note| note.reason.as_str()).collect();
        let note = if notes.is_empty() {
            String::new()
        } else {
            format!(": {}", notes.join(" "))
        };
        page.named("rule", &format!("{rule}{note}"));
    }
    for missing in missing(&full.missing) {
        page.named("missing", &missing);
    }
    if full.void {
        page.named("void", VOID);
    }
    for reason in &full.reasons {
        page.named("reason", &reason_text(reason));
    }
    votes(full, &mut page);
    match &looked.subject {
        Some(subject) => format!(
            "{}\n{}",
            page.finish(),
            subject.view.to_terminal(render::MAX_COLUMNS, Folds::PayloadOpen)
        ),
        None => {
            page.line("the action was erased");
            page.finish()
        }
    }
}

/// Who voted.
pub(super) fn votes(full: &FullRequest, page: &mut Page) {
    for vote in &full.request.votes {
        page.named("vote", &said(full, vote));
    }
}

fn said(full: &FullRequest, vote: &Vote) -> String {
    let says = match vote.kind {
        VoteKind::Approve => "approves",
        VoteKind::Decline => "declines",
    };
    let dropped = full
        .dropped
        .iter()
        .find(|dropped| dropped.id == vote.id && dropped.principal == vote.principal);
    let codes = dropped.map(|dropped| dropped.codes.iter().map(ToString::to_string).collect::<Vec<_>>());
    let void = codes.map_or_else(String::new, |codes| {
        format!("; doesn't count any more: {}", codes.join(", "))
    });
    format!("{} {says}, {}{void}", vote.principal, vote.at)
}

fn ended(end: &RequestEnd) -> String {
    let mut text = format!("{} at {}", end.state.as_str(), end.at);
    if let Some(by) = &end.by {
        text.push_str(&format!(" by {by}"));
    }
    if let Some(code) = &end.code {
        text.push_str(&format!(" ({code})"));
    }
    if let Some(until) = end.holds_until {
        text.push_str(&format!("; answers the same action until {until}"));
    }
    text
}
