//! `POST /v1/authorize`.

use std::time::Duration;

use actionpass_canon::{BoundAction, BoundFacts, CanonicalBytes, Limits};
use actionpass_client::api::{AuthorizeAnswer, AuthorizeRequest, MAX_WAIT_SECONDS, Problem, StatedCaller};
use actionpass_core::{Authorization, AuthorizeCode, AuthorizeError, Request};
use actionpass_door::told;
use actionpass_gate::{CallDocument, CallError, Normalized, Pins};
use actionpass_home::{Right, Scope};
use actionpass_model::{
    ActionId, Audience, Caller as Host, Decision, Digest, DoorName, Intent, Resource, Server, SkippedObject,
    SkippedValue, Tool,
};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{entry, question};
use crate::answer::json;
use crate::body::Admitted;
use crate::caller::Caller;
use crate::gate::{Gate, Shared, now};
use crate::load::Slot;
use crate::log::DecidedAs;
use crate::problem::Refused;
use crate::query::malformed;
use crate::trace::TraceContext;
use crate::{ServerCode, servers};

/// The front door, as records name it.
const DOOR: &str = "http";
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// How often a call is read and judged anew because the catalogue changed meanwhile.
const MAX_ROUNDS: usize = 3;
/// The fact that the catalogue attests.
const ATTESTED: &str = "tool";

/// [`AuthorizeRequest`] read past its large parts.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Asked {
    action: Option<SkippedObject>,
    call: Option<SkippedValue>,
    intent: Option<Intent>,
    context: Option<SkippedObject>,
    caller: Option<StatedCaller>,
    facts: Option<SkippedObject>,
    #[serde(default)]
    approvals: Vec<String>,
    audience: Option<Audience>,
    wait: Option<u64>,
    open: Option<bool>,
    observe: Option<bool>,
}

/// Decide on an action, or on a call that the tool catalogue makes one of.
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
    if body.member(&["call"]).is_some() {
        return authorize_call(&gate, &caller, &slot, &headers, &body).await;
    }
    // A question that waits for people keeps what it needs for that, and nothing of what came over the line.
    let (request, wait) = about_action(&gate, &caller, headers, body)?;
    let (decided, has_waited) = decide(&gate, &slot, request, wait)
        .await
        .map_err(|error| failed(&error))?;
    answered(&gate, &caller, *decided, has_waited, None).await
}

/// Decides on a call. What it is as an action the catalogue says, which is of the policy: if another one decided in the end, the
/// call is read again, and what was decided until then lets nothing happen.
async fn authorize_call(
    gate: &Shared,
    caller: &Caller,
    slot: &Slot,
    headers: &HeaderMap,
    body: &CanonicalBytes,
) -> Result<Response, Refused> {
    let pins = gate.pins.read(&gate.home.home).await?;
    for _ in 0..MAX_ROUNDS {
        let Called {
            request,
            wait,
            policy,
            tool,
            resource,
        } = about_call(gate, caller, headers, body, &pins)?;
        let (decided, has_waited) = decide(gate, slot, request, wait)
            .await
            .map_err(|error| failed(&error))?;
        if decided.policy.digest == policy {
            return answered(gate, caller, *decided, has_waited, Some((tool, resource))).await;
        }
    }
    Err(failed(&AuthorizeCode::PolicyChanged.into()))
}

/// The answer to a question, with what a call was as an action.
async fn answered(
    gate: &Gate,
    caller: &Caller,
    decided: Authorization,
    has_waited: bool,
    call: Option<(Tool, Resource)>,
) -> Result<Response, Refused> {
    let decision = decided.decision.as_str();
    gate.front.decided(decision);
    if has_waited {
        // The decision stays recorded; a client that was removed meanwhile gets no pass.
        caller.still(&gate.callers).await?;
    }
    let mut answer = told::answer(decided, Some(&gate.front.origin));
    if let Some((tool, resource)) = call {
        answer.audience = gate.issuer.authorizer().audience(&tool, None);
        (answer.tool, answer.resource) = (Some(tool), Some(resource));
    }
    let mut response = json(&answer);
    response.extensions_mut().insert(DecidedAs(decision));
    Ok(response)
}

/// What is to be judged, and how long to wait for people.
#[expect(clippy::needless_pass_by_value, reason = "what came over the line is let go of here")]
fn about_action(
    gate: &Gate,
    caller: &Caller,
    headers: HeaderMap,
    body: CanonicalBytes,
) -> Result<(Box<Request<'static>>, Duration), Refused> {
    let asked: Asked = question::read(&body)?;
    let limits = gate.limits();
    if asked.action.is_none() {
        return Err(missing("action"));
    }
    for (member, is_there) in [("intent", asked.intent.is_some()), ("context", asked.context.is_some())] {
        if is_there {
            return Err(malformed("an action has its own").at(member));
        }
    }
    let action = part(&body, "action")?;
    let action = BoundAction::admit(action.as_bytes(), &limits).map_err(|error| question::unbound(&error, "action"))?;
    let facts = facts_of(gate, &body, &asked)?;
    let wait = wait(asked.wait)?;
    let action = identified(gate, action, key(&headers)?)?;
    let host = match asked.caller.clone() {
        Some(stated) => entry::caller_of(caller.client(), stated)?,
        None => Host::dangerously_from(action.action()),
    };
    let request = asking(gate, caller, &headers, asked, action, host, facts)?;
    Ok((request, wait))
}

/// A call that is to be judged.
struct Called {
    request: Box<Request<'static>>,
    /// How long to wait for people.
    wait: Duration,
    /// The digest of the policy whose catalogue says what it is.
    policy: Digest,
    tool: Tool,
    resource: Resource,
}

/// What a call is as an action of whoever calls, with the facts that the catalogue attests.
fn about_call(
    gate: &Gate,
    caller: &Caller,
    headers: &HeaderMap,
    body: &CanonicalBytes,
    pins: &Pins,
) -> Result<Called, Refused> {
    let asked: Asked = question::read(body)?;
    let limits = gate.limits();
    if asked.action.is_some() {
        return Err(malformed("a question is about an action or a call, not both").at("call"));
    }
    if asked.call.is_none() {
        return Err(missing("call"));
    }
    let uncallable = |error: &CallError| question::refused(error, "call");
    let intent = asked.intent.clone().ok_or_else(|| missing("intent"))?;
    let document = CallDocument::of(&part(body, "call")?).map_err(|error| uncallable(&error))?;
    let context = match asked.context {
        Some(_) => Some(part(body, "context")?),
        None => None,
    };
    // Before the catalogue is asked, which would say more than the client may know.
    if let Some(server) = document.server().and_then(|name| Server::parse(name).ok()) {
        caller.admits(&Scope::default().with_server(Some(&server)))?;
    }
    let host = entry::caller_of(caller.client(), asked.caller.clone().unwrap_or_default())?;

    let authorizer = gate.issuer.authorizer();
    let pinned = document
        .server()
        .zip(document.tool())
        .and_then(|(server, tool)| pins.pinned(server, tool));
    let called = servers::catalogue(&authorizer).normalize(document.call_with(pinned.as_ref()));
    let called = called.map_err(|error| uncallable(&error))?;
    let action = called.action(&host, &intent, key(headers)?.as_ref(), context.as_ref(), &limits);
    let action = action.map_err(|error| question::unbound(&error, ""))?;
    let facts = match facts_of(gate, body, &asked)? {
        Some(facts) => Some(with_attested(facts, &called, &limits)?),
        None => called.attested(now()?, &limits).map_err(|error| Refused::of(&error))?,
    };
    Ok(Called {
        wait: wait(asked.wait)?,
        policy: authorizer.policy().digest(),
        request: asking(gate, caller, headers, asked, action, host, facts)?,
        tool: called.tool,
        resource: called.resource,
    })
}

/// The facts that the client states.
fn facts_of(gate: &Gate, body: &CanonicalBytes, asked: &Asked) -> Result<Option<BoundFacts>, Refused> {
    if asked.facts.is_none() {
        return Ok(None);
    }
    let facts = part(body, "facts")?;
    BoundFacts::admit(facts.as_bytes(), &gate.limits())
        .map(Some)
        .map_err(|error| question::unbound(&error, "facts"))
}

/// What the catalogue attests of a call beside what a client attests, which says nothing of the tool itself.
fn with_attested(stated: BoundFacts, called: &Normalized, limits: &Limits) -> Result<BoundFacts, Refused> {
    if stated.value().contains_key(ATTESTED) {
        return Err(malformed("this fact is attested by the tool catalogue").at(format!("facts.facts.{ATTESTED}")));
    }
    let (Some(Value::Object(attested)), Some(canonical)) = (called.risk.map(|_| called.facts()), stated.canonical())
    else {
        return Ok(stated);
    };
    let mut document: Value =
        serde_json::from_slice(canonical.as_bytes()).map_err(|error| malformed(error.to_string()))?;
    if let Some(facts) = document.get_mut("facts").and_then(Value::as_object_mut) {
        facts.extend(attested);
    }
    BoundFacts::admit(document.to_string().as_bytes(), limits).map_err(|error| question::unbound(&error, "facts"))
}

/// The question as the issuer takes it, once everything that is stated is held against the client's entry.
fn asking(
    gate: &Gate,
    caller: &Caller,
    headers: &HeaderMap,
    asked: Asked,
    action: BoundAction,
    host: Host,
    facts: Option<BoundFacts>,
) -> Result<Box<Request<'static>>, Refused> {
    let client = caller.client();
    check(gate, caller, &host, &action, asked.audience.as_ref())?;
    if asked.facts.is_some() && !client.attests {
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
    if asked.observe == Some(true) {
        request = request.observing();
    }
    if let Ok(door) = DoorName::parse(DOOR) {
        request = request.through(door);
    }
    // Whose waiting requests are limited.
    request = request.from_client(client.name.clone());
    if let Some(trace) = TraceContext::of(headers) {
        request = request.with_trace(trace.trace);
    }
    Ok(Box::new(request))
}

fn part(body: &CanonicalBytes, name: &str) -> Result<CanonicalBytes, Refused> {
    body.member(&[name]).ok_or_else(|| missing(name))
}

/// Judges without waiting. Only a step_up that a request waits for takes a place among the parked calls: it joins that request,
/// and is judged again whenever it moves. Where there is no such place, or the service stops, the step_up is the answer. Says
/// besides whether the call was parked.
async fn decide(
    gate: &Shared,
    slot: &Slot,
    request: Box<Request<'static>>,
    wait: Duration,
) -> Result<(Box<Authorization>, bool), AuthorizeError> {
    // Each on memory of its own, which is given back while the other runs.
    let decided = Box::new(Box::pin(gate.issuer.authorize((*request).clone())).await?);
    let is_waited_for = decided.decision == Decision::StepUp && decided.request.is_some();
    if !is_waited_for || wait.is_zero() || gate.front.stop.has_begun() {
        return Ok((decided, false));
    }
    let Ok(parked) = slot.park(gate, wait) else {
        return Ok((decided, false));
    };
    let decided = Box::pin(gate.issuer.authorize(request.with_wait(wait))).await;
    drop(parked);
    Ok((Box::new(decided?), true))
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
    let configured = || gate.issuer.authorizer().audience(&head.capability.tool, None);
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
