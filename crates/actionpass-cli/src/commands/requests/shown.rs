//! How requests are shown: in a line, in full, and as JSON. Tokens of votes are in none of these.

use actionpass_core::Review;
use actionpass_display::{Folds, View};
use actionpass_model::{RequestEnd, Vote, VoteKind};
use actionpass_policy::Requirement;
use serde_json::{Value, json};

use super::to_json;
use crate::commands::authorize::{reason_text, requirement_text};
use crate::failure::{Failure, Outcome};
use crate::output::{Ink, Table};
use crate::render::{self, Page, visible};

/// Of a request that waits and that nobody can approve.
const VOID: &str = "nobody can approve it any more: ask for the action again";

/// A request in a listing.
pub(super) fn item(review: &Review) -> Value {
    let request = &review.request;
    json!({
        "id": request.id, "state": review.state.as_str(), "tool": request.tool, "resource": request.resource,
        "agent": request.actor.agent, "missing": approvals(review), "void": review.is_void(),
        "createdAt": request.created_at, "expiresAt": request.expires_at,
    })
}

/// Requests, a line each.
pub(super) fn table(reviews: &[Review]) -> String {
    let mut table = Table::new(&["ID", "STATE", "EXPIRES", "AGENT", "TOOL", "RESOURCE", "MISSING"]);
    for review in reviews {
        let request = &review.request;
        table.row([
            request.id.to_string(),
            review.state.as_str().to_owned(),
            request.expires_at.to_string(),
            request.actor.agent.to_string(),
            request.tool.to_string(),
            request.resource.to_string(),
            if review.is_void() {
                VOID.to_owned()
            } else {
                missing(review).collect::<Vec<_>>().join("; ")
            },
        ]);
    }
    table.render(Ink::stdout())
}

/// The approvals that are missing. What else would turn the decision, people can't vote for.
fn approvals(review: &Review) -> Vec<&Requirement> {
    let is_approval = |required: &&Requirement| matches!(required, Requirement::Approval { .. });
    review.missing.iter().filter(is_approval).collect()
}

/// The same, each in a few words.
pub(super) fn missing(review: &Review) -> impl Iterator<Item = String> {
    approvals(review).into_iter().map(requirement_text)
}

/// All of a request for programs: the document, what it is now, and what approvers are shown of its action.
pub(super) fn full_json(review: &Review) -> Outcome<Value> {
    let dropped: Vec<Value> = review
        .dropped
        .iter()
        .map(|vote| json!({ "id": vote.id, "principal": vote.principal, "codes": vote.codes }))
        .collect();
    let mut json = json!({
        "request": to_json(&review.request)?, "state": review.state.as_str(), "missing": approvals(review),
        "void": review.is_void(),
        "reasons": review.reasons, "dropped": dropped,
    });
    if let (Some(declined), Some(members)) = (&review.declined, json.as_object_mut()) {
        members.insert("declined".to_owned(), to_json(declined)?);
    }
    if let (Some(view), Some(members)) = (view(review)?, json.as_object_mut()) {
        let canonical = view.canonical();
        let document: Value = serde_json::from_str(&canonical).map_err(|error| Failure::internal(&error))?;
        members.insert("view".to_owned(), document);
        members.insert("shown".to_owned(), to_json(&view.shown())?);
    }
    Ok(json)
}

/// What approvers are shown of its action; `None` once that is erased.
pub(super) fn view(review: &Review) -> Outcome<Option<View>> {
    let view = |action| View::of(action, &review.request.rules, &review.facts);
    Ok(review.action.as_ref().map(view).transpose()?)
}

/// All of a request for people.
pub(super) fn full(review: &Review) -> Outcome<String> {
    let request = &review.request;
    let mut page = Page::default();
    page.named("request", request.id.as_str());
    page.named("state", review.state.as_str());
    page.named(
        "opened",
        &format!("{} by record {}", request.created_at, request.decision.seq),
    );
    page.named("expires", &request.expires_at.to_string());
    if let Some(end) = &request.end {
        page.named("ended", &ended(end));
    }
    // Theirs, behind a mark, with nothing hidden in it.
    if let Some(words) = review.declined.as_ref().and_then(|declined| declined.words.as_ref()) {
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
    for missing in missing(review) {
        page.named("missing", &missing);
    }
    if review.is_void() {
        page.named("void", VOID);
    }
    for reason in &review.reasons {
        page.named("reason", &reason_text(reason));
    }
    votes(review, &mut page);
    match view(review)? {
        Some(view) => Ok(format!(
            "{}\n{}",
            page.finish(),
            view.to_terminal(render::MAX_COLUMNS, Folds::PayloadOpen)
        )),
        None => {
            page.line("the action was erased");
            Ok(page.finish())
        }
    }
}

/// Who voted.
pub(super) fn votes(review: &Review, page: &mut Page) {
    for vote in &review.request.votes {
        page.named("vote", &said(review, vote));
    }
}

fn said(review: &Review, vote: &Vote) -> String {
    let says = match vote.kind {
        VoteKind::Approve => "approves",
        VoteKind::Decline => "declines",
    };
    let dropped = review
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
