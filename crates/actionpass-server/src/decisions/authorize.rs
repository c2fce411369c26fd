//! `POST /v1/authorize`.

use std::time::Duration;

use actionpass_canon::{BoundAction, BoundFacts};
use actionpass_client::api::{AuthorizeAnswer, AuthorizeRequest, MAX_WAIT_SECONDS, Problem, StatedCaller};
use actionpass_core::{Authorization, AuthorizeError, Request};
use actionpass_home::{Right, Scope};
use actionpass_model::{ActionId, Audience, Caller as Host, Decision, DoorName, SkippedObject, SkippedValue};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use uuid::Uuid;

use super::{entry, question, told};
use crate::ServerCode;
use crate::answer::json;
use crate::body::Admitted;
use crate::caller::Caller;
use crate::gate::{Gate, Shared};
use crate::load::Slot;
use crate::problem::Refused;
use crate::trace::TraceContext;

/// The front door, as records name it.
const DOOR: &str = "http";
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// [`AuthorizeRequest`] read past its large parts.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Asked {
    action: Option<SkippedObject>,
    call: Option<SkippedValue>,
    caller: Option<StatedCaller>,
    facts: Option<SkippedObject>,
    #[serde(default)]
    approvals: Vec<String>,
    audience: Option<Audience>,
    wait: Option<u64>,
    open: Option<bool>,
}

/// Decide on an action.
///
/// 200 for every decision: only `allow` has a pass. With `Idempotency-Key` the same question may be asked again whatever became of
/// the answer, and gets the same pass.
#[utoipa::path(
    post,
    path = "/v1/authorize",
    tag = "decisions",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "A UUID or an id `act_…`: the id of an action that has none, the same as that of one that has"),
        ("traceparent" = Option<String>, Header, description = "W3C trace context, which the record says"),
    ),
    request_body = AuthorizeRequest,
    responses(
        (status = 200, description = "The decision", body = AuthorizeAnswer),
        (status = "4XX", description = "Nothing was decided", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "A part of the service failed, or it is overloaded: nothing is allowed", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn authorize(
    caller: Caller,
    slot: Slot,
    State(gate): State<Shared>,
    headers: HeaderMap,
    Admitted(body): Admitted,
) -> Result<Response, Refused> {
    caller.may(Right::Authorize)?;
    let client = caller.client();
    let asked: Asked = question::read(&body)?;
    if asked.call.is_some() {
        return Err(Refused::from(ServerCode::CallNotOffered).at("call"));
    }
    let limits = gate.limits();
    let part = |name: &str| body.member(&[name]).ok_or_else(|| missing(name));
    if asked.action.is_none() {
        return Err(missing("action"));
    }
    let action =
        BoundAction::admit(part("action")?.as_bytes(), &limits).map_err(|error| question::unbound(&error, "action"))?;
    let facts = match asked.facts {
        Some(_) => Some(
            BoundFacts::admit(part("facts")?.as_bytes(), &limits)
                .map_err(|error| question::unbound(&error, "facts"))?,
        ),
        None => None,
    };
    let wait = wait(asked.wait)?;
    let action = identified(&gate, action, key(&headers)?)?;

    let host = match asked.caller {
        Some(stated) => entry::caller_of(client, stated)?,
        None => Host::dangerously_from(action.action()),
    };
    check(&gate, &caller, &host, &action, asked.audience.as_ref())?;
    if facts.is_some() && !client.attests {
        tracing::warn!(client = %client.name, "a client that doesn't attest stated facts");
        return Err(Refused::from(ServerCode::FactsNotAttested).at("facts"));
    }

    let mut request = Request::new(action, host);
    if let Some(facts) = facts {
        request = request.with_facts(facts);
    }
    for approval in asked.approvals {
        request = request.with_approval(approval);
    }
    if let Some(audience) = asked.audience {
        request = request.with_audience(audience);
    }
    if asked.open == Some(false) {
        request = request.without_opening();
    }
    if let Ok(door) = DoorName::parse(DOOR) {
        request = request.through(door);
    }
    // Whose waiting requests are limited.
    request = request.from_client(client.name.clone());
    if let Some(trace) = TraceContext::of(&headers) {
        request = request.with_trace(trace.trace);
    }
    let (decided, has_waited) = decide(&gate, &slot, request, wait)
        .await
        .map_err(|error| failed(&error))?;
    gate.metrics.decided(decided.decision.as_str());
    if has_waited {
        // The decision stays recorded; a client that was removed meanwhile gets no pass.
        caller.still(&gate.callers)?;
    }
    Ok(json(&told::answer(decided, &gate.origin)))
}

/// Judges without waiting. Only a step_up that a request waits for takes a place among the parked calls: it joins that request,
/// and is judged again whenever it moves. Where there is no such place, or the service stops, the step_up is the answer. Says
/// besides whether the call was parked.
async fn decide(
    gate: &Shared,
    slot: &Slot,
    request: Request<'_>,
    wait: Duration,
) -> Result<(Authorization, bool), AuthorizeError> {
    let decided = gate.issuer.authorize(request.clone()).await?;
    let is_waited_for = decided.decision == Decision::StepUp && decided.request.is_some();
    if !is_waited_for || wait.is_zero() || gate.stop.has_begun() {
        return Ok((decided, false));
    }
    let Ok(parked) = slot.park(gate, wait) else {
        return Ok((decided, false));
    };
    let decided = gate.issuer.authorize(request.with_wait(wait)).await;
    drop(parked);
    Ok((decided?, true))
}

/// Everything that a client states, held against its entry before anything is judged or recorded.
fn check(
    gate: &Gate,
    caller: &Caller,
    host: &Host,
    action: &BoundAction,
    audience: Option<&Audience>,
) -> Result<(), Refused> {
    let head = action.action();
    let server = head.tool_definition.as_ref().map(|definition| &definition.server);
    // One that isn't had for this tool the issuer refuses, by the name that was asked for.
    let configured = || gate.issuer.config().audience(&head.capability.tool, None);
    let audience = audience.cloned().or_else(configured);
    // Whom the action names counts whoever is said to call: a mismatch is recorded as that agent's.
    caller.admits(&Scope::of_caller(&Host::dangerously_from(head)))?;
    caller.admits(
        &Scope::of_caller(host)
            .with_server(server)
            .with_audience(audience.as_ref()),
    )
}

fn missing(member: &str) -> Refused {
    Refused::from(ServerCode::ValueNotStated).at(member)
}

fn wait(seconds: Option<u64>) -> Result<Duration, Refused> {
    match seconds.unwrap_or_default() {
        seconds if seconds <= MAX_WAIT_SECONDS => Ok(Duration::from_secs(seconds)),
        _ => Err(Refused::from(ServerCode::WaitTooLong).at("wait")),
    }
}

/// The id that the header `Idempotency-Key` says: a UUID, or an id of our form.
fn key(headers: &HeaderMap) -> Result<Option<ActionId>, Refused> {
    let mut said = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = said.next() else { return Ok(None) };
    let id = value.to_str().ok().filter(|_| said.next().is_none()).and_then(key_id);
    id.map(Some).ok_or_else(|| ServerCode::IdempotencyKeyMalformed.into())
}

fn key_id(text: &str) -> Option<ActionId> {
    // The header is a structured field in the draft that defines it: there a text stands in quotes.
    let text = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    if let Some(own) = text.strip_prefix("act_") {
        return ActionId::parse(text).ok().filter(|_| !own.is_empty());
    }
    // Braces and `urn:uuid:` are other texts of a UUID, and nobody needs them here.
    let is_plain = text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let uuid = Uuid::try_parse(text).ok().filter(|_| is_plain)?;
    Some(ActionId::from_uuid(uuid))
}

/// The action with the id of the header, if it has none; the same as it has is right too.
fn identified(gate: &Gate, action: BoundAction, key: Option<ActionId>) -> Result<BoundAction, Refused> {
    let Some(key) = key else { return Ok(action) };
    match &action.action().id {
        Some(id) if *id == key => Ok(action),
        Some(_) => Err(ServerCode::IdempotencyKeyMismatch.into()),
        None => {
            // An action is an object with members, so `{` is followed by one. INVARIANT: an action id is ASCII that JSON doesn't
            // escape.
            let rest = action.document().as_str().strip_prefix('{').unwrap_or_default();
            let text = format!("{{\"id\":\"{key}\",{rest}");
            BoundAction::admit(text.as_bytes(), &gate.limits()).map_err(|error| question::unbound(&error, "action"))
        }
    }
}

/// There is no decision. Nothing of what failed is repeated but its code and what it says of itself; a pass never is.
fn failed(error: &AuthorizeError) -> Refused {
    let refused = Refused::of(error);
    if error.code().class().http_status() == 500 {
        return refused.with_status(StatusCode::SERVICE_UNAVAILABLE);
    }
    refused
}
