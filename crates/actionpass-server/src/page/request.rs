//! One request: what one decides on, and the votes.

use actionpass_core::{Approval, System};
use actionpass_crypto::webauthn::AssertionInput;
use actionpass_display::{SectionName, View};
use actionpass_model::{ApprovalId, RefusalClaims, RequestId, Statement, Vote, VoteKind};
use actionpass_queue::RequestCode;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, PreEscaped, html};
use serde::Deserialize;
use serde_json::json;

use super::html::{self as layout, shown, time};
use super::look::{Looked, outcome, unknown};
use super::question::{Bytes, Question, assertion};
use super::sessions::{self, Person};
use super::source::{Review, Subject};
use super::{SharedHost, beside, json, now, page, person, signed_in};
use crate::ServerCode;
use crate::problem::Refused;

/// What an approval says where whoever approves says nothing.
const UNSAID: &str = "approved";

/// What somebody is about to sign.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Decide {
    decision: VoteKind,
    reason: Option<String>,
}

/// What `navigator.credentials.get` handed back for a vote.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Signed {
    ballot: ApprovalId,
    authenticator_data: Bytes,
    #[serde(rename = "clientDataJSON")]
    client_data_json: Bytes,
    signature: Bytes,
}

fn id_of(text: &str) -> Result<RequestId, Refused> {
    RequestId::parse(text).map_err(|_| unknown())
}

/// `GET /requests/{id}`.
pub(super) async fn show(
    State(host): State<SharedHost>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    let Some(person) = signed_in(&host, &headers).await? else {
        // The address stays, so that signing in leads back to it.
        return Ok(super::listing::sign_in(StatusCode::UNAUTHORIZED));
    };
    let looked = match async { host.source.look(&person, &id_of(&id)?).await }.await {
        Ok(looked) => looked,
        Err(refused) if refused.code() == unknown().code() => {
            let text = "There is no such request, or it is not yours to decide on.";
            return Ok(page(
                StatusCode::NOT_FOUND,
                layout::message("Not found", text, Some(&person)),
            ));
        }
        Err(refused) => return Ok(refused.into_response()),
    };
    let view = view_of(&looked.review).await?;
    let title = format!(
        "{} by {}",
        looked.review.request.tool, looked.review.request.actor.agent
    );
    let content = content(&looked, view.as_ref(), &person)?;
    Ok(page(StatusCode::OK, layout::page(&title, Some(&person), &content)))
}

/// The view of a request's action; `None` once it was erased. A large payload takes a while.
async fn view_of(review: &Review) -> Result<Option<View>, Refused> {
    let Some(Subject { action, facts, .. }) = review.subject.clone() else {
        return Ok(None);
    };
    let rules = review.request.rules.clone();
    let view = beside(move || View::of(&action, &rules, &facts)).await?;
    view.map(Some).map_err(|error| Refused::of(&error))
}

/// The fields of a view's first section that stand in the heading and beside it.
const ABOVE: [&str; 4] = ["agent", "owner", "tool", "resource"];

/// What runs comes first, whole; nothing stands twice.
fn content(looked: &Looked, view: Option<&View>, person: &Person) -> Result<Markup, Refused> {
    let (review, request) = (&looked.review, &looked.review.request);
    let left = request.expires_at.saturating_since(now()?);
    let is_open = review.is_open();
    Ok(html! {
        div .review data-request=(request.id.as_str()) data-exp=(request.expires_at.to_unix_seconds().get())
            data-view=[view.map(|view| view.hash().to_string())] data-person=(person.principal.as_str()) {
            section .ask aria-labelledby="what" {
                p .kicker {
                    strong { (shown(request.actor.agent.as_str())) }
                    @for via in &request.actor.via { " via " strong { (shown(via.as_str())) } }
                    " asks, for " strong { (shown(request.actor.human_owner.as_str())) }
                }
                h1 #what { (request.tool.as_str()) }
                p .on { "on " (shown(request.resource.as_str())) }
            }
            section .facts aria-label="Where it stands" {
                p #state .state role="status" { (outcome(review)) }
                @if let Some(words) = &review.words {
                    p .words { "Reason given: " q { (shown(words.as_str())) } }
                }
                dl {
                    (fact("Why", &why(review)))
                    div { dt { "Votes" } dd #votes { (votes(review)) } }
                    (fact("Time left", &html! {
                        @if is_open {
                            span #left data-left=(layout::seconds_left(left)) { (layout::left(left)) }
                            span .soft .until { "until " (time(request.expires_at)) }
                        } @else {
                            span .soft { "until " (time(request.expires_at)) }
                        }
                    }))
                }
            }
            @match view {
                Some(view) => (shown_in(view)),
                None if review.contradiction.is_some() => div .view {
                    p .empty { "What it asks for isn't shown: it can't be told what that is." }
                },
                None => div .view { p .empty { "What was asked for was erased; its hashes are left." } },
            }
            div .side { (decision(looked, is_open, person)) }
        }
    })
}

/// The payload, what the agent says, the facts, and what of the rest stands nowhere else. The hashes are beside the buttons.
fn shown_in(view: &View) -> Markup {
    let sections = |name: SectionName| view.sections().iter().filter(move |section| section.name == name);
    let rest = sections(SectionName::Decision).flat_map(|section| &section.fields);
    let rest = rest.filter(|field| {
        let path = field.path.as_str();
        !ABOVE.contains(&path) && !path.starts_with("rules[") && !path.starts_with("via[")
    });
    html! {
        article .view {
            @let warnings = view.warnings();
            @if !warnings.is_empty() {
                ul .ap-warnings { @for warning in &warnings { li { (warning) } } }
            }
            @for name in [SectionName::Payload, SectionName::Words, SectionName::Facts] {
                @for section in sections(name) { (PreEscaped(section.to_html())) }
            }
            section .ap-section .rest {
                h2 { "From where" }
                dl {
                    @for field in rest {
                        (fact(&field.path, &html! {
                            bdi .ap-name { (field.text.text) }
                            @for flag in &field.text.flags { " " mark .flag { (flag.message()) } }
                        }))
                    }
                }
            }
        }
    }
}

fn fact(name: &str, value: &Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn why(review: &Review) -> Markup {
    html! {
        @for rule in &review.request.rules {
            span .rule {
                @for note in review.request.notes.iter().filter(|note| note.rule == *rule) {
                    (shown(note.reason.as_str())) " "
                }
                code { (rule.as_str()) }
            }
        }
    }
}

fn votes(review: &Review) -> Markup {
    html! {
        @if review.request.votes.is_empty() { "nobody yet" }
        @for vote in &review.request.votes {
            span .rule {
                (vote.principal.as_str()) (said(vote)) ", " (time(vote.at))
                @if review.dropped.contains(&vote.id) { " (counts no more)" }
            }
        }
    }
}

/// What somebody said.
pub(super) const fn said(vote: &Vote) -> &'static str {
    match vote.kind {
        VoteKind::Approve => " approved",
        VoteKind::Decline => " declined",
    }
}

/// Where one decides. Approve is neither first nor focused; both wait for the script, which alone can ask for a passkey.
fn decision(looked: &Looked, is_open: bool, person: &Person) -> Markup {
    let request = &looked.review.request;
    let votes = is_open && looked.may_vote;
    let action = html! { code #action-hash { (request.action_hash) } };
    html! {
        section #decide .decide aria-labelledby="decision" {
            h2 #decision { "Your decision" }
            @if votes {
                label for="reason" { "Reason" }
                textarea #reason rows="2" maxlength="500" aria-describedby="hint" {}
                p #hint .soft { "Needed to decline: the agent gets to read it. With an approval it is kept in the signed token." }
                (layout::script_needed("Deciding needs JavaScript: only a script can ask the browser for a passkey."))
            } @else {
                p { (closed(looked, is_open)) }
                p #note .note role="status" {}
            }
        }
        @if votes {
            div .act role="group" aria-label="Decide" {
                p .hash { "You sign " (action) }
                p #note role="status" {
                    @if looked.has_approved { "You approved. Until it is used you can still decline." }
                }
                button #decline .decline type="button" disabled { "Decline" }
                button #approve .approve type="button" disabled data-done[looked.has_approved] { "Approve" }
            }
        }
        dl .signed {
            (fact("You are", &html! { (person.principal.as_str()) }))
            @if !votes { (fact("Action", &action)) }
            (fact("Payload", &html! { code #payload-hash { (request.payload_hash) } }))
            (fact("Context", &html! { code { (request.context_hash) } }))
            (fact("Facts", &html! { code { (request.facts_hash) } }))
            (fact("Request", &html! { code #request-id { (request.id.as_str()) } }))
        }
    }
}

fn closed(looked: &Looked, is_open: bool) -> &'static str {
    if looked.review.contradiction.is_some() {
        return "There is nothing that you could sign knowing what it is.";
    }
    match (is_open, looked.has_approved) {
        (false, _) => "There is nothing to decide any more.",
        (true, true) => "You approved. Your vote doesn't count any more as things stand.",
        (true, false) => "Your vote doesn't count as things stand.",
    }
}

/// `POST /requests/{id}/ballot`: what the passkey is to sign. Nothing is decided by it.
pub(super) async fn ballot(
    State(host): State<SharedHost>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Question(asked): Question<Decide>,
) -> Result<Response, Refused> {
    let person = person(&host, &headers).await?;
    let (id, now) = (id_of(&id)?, now()?);
    let looked = host.source.look(&person, &id).await?;
    if let Some(contradiction) = &looked.review.contradiction {
        return Err(Refused::from(ServerCode::RequestContradicts).with_detail(contradiction));
    }
    if !looked.may_vote {
        return Err(Refused::of(&actionpass_core::ReviewError::from(
            RequestCode::VoteNotCounted,
        )));
    }
    let reason = match (asked.decision, asked.reason.as_deref()) {
        (VoteKind::Approve, None) => UNSAID,
        (_, reason) => reason.unwrap_or_default(),
    };
    let reason = Statement::parse(reason).map_err(|error| {
        let malformed =
            Refused::from(ServerCode::RequestMalformed).with_detail(format!("the reason {}", error.problem()));
        malformed.at("reason")
    })?;
    let (Some(subject), Some(view)) = (&looked.review.subject, view_of(&looked.review).await?) else {
        return Err(Refused::of(&actionpass_core::ReviewError::from(
            RequestCode::RequestErased,
        )));
    };
    let claims = Approval::human(person.principal.clone(), reason)
        .for_request(&looked.review.request)
        .with_shown(view.shown())
        .claims(&subject.action, &subject.issuer, now, &System)
        .map_err(|error| Refused::of(&error))?;
    let trust = host.source.trust().await?;
    let entry = trust.keyring().get(&person.kid).ok_or(ServerCode::SignedOut)?;
    let ballot = claims.jti.clone();
    let input = match asked.decision {
        VoteKind::Approve => AssertionInput::for_document(&claims, entry.key()),
        VoteKind::Decline => {
            let refusal = RefusalClaims::new(claims).map_err(|error| Refused::of(&error))?;
            AssertionInput::for_document(&refusal, entry.key())
        }
    }
    .map_err(|error| Refused::of(&error))?;
    let answer = json!({ "ballot": ballot, "input": input.as_str(), "credential": person.credential });
    sessions::keep_ballot(&host, &person, ballot, id, &input, now).await?;
    Ok(json(answer.to_string()))
}

/// `POST /requests/{id}/vote`: the assertion that makes a token of it.
pub(super) async fn vote(
    State(host): State<SharedHost>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Question(signed): Question<Signed>,
) -> Result<Response, Refused> {
    let person = person(&host, &headers).await?;
    let id = id_of(&id)?;
    host.front.load.vote(person.principal.as_str())?;
    let input = sessions::take_ballot(&host, &person, signed.ballot, id.clone(), now()?).await?;
    let input = input.ok_or(ServerCode::BallotUnknown)?;
    let assertion = assertion(signed.authenticator_data, signed.client_data_json, signed.signature);
    let token = assertion.token_of(&input);
    let voted = host.source.vote(&id, &token).await?;
    Ok(json(
        json!({ "state": voted.state.as_str(), "text": voted.text }).to_string(),
    ))
}
