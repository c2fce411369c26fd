//! `POST /v1/verify` and `/v1/consume`, for executors that have no verifier of their own.

use actionpass_canon::{BoundAction, CanonicalBytes, Limits};
use actionpass_client::api::{PassSummary, Problem, Verdict, VerdictFinding, VerifyRequest};
use actionpass_core::{Clock as _, System, UseError};
use actionpass_door::told;
use actionpass_home::{Right, Scope};
use actionpass_model::{
    Agent, Audience, CodeClass, JsonObject, ObligationId, Resource, SkippedObject, Task, Tenant, Timestamp, Tool,
};
use actionpass_store::ledger::RecordRef;
use actionpass_verify::{OwnedCall, Refusal, VerifiedPass, Verifier, VerifyCode};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::{entry, question};
use crate::ServerCode;
use crate::answer::json;
use crate::body::Admitted;
use crate::caller::Caller;
use crate::gate::{Gate, Shared};
use crate::problem::Refused;

/// [`VerifyRequest`] read past its large parts.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Asked {
    token: String,
    action: Option<SkippedObject>,
    tool: Option<Tool>,
    resource: Option<Resource>,
    payload: Option<SkippedObject>,
    agent: Option<Agent>,
    task: Option<Task>,
    audience: Option<Audience>,
    tenant: Option<Tenant>,
    #[serde(default)]
    enforces: Vec<ObligationId>,
}

/// Verify a pass for a call, without using it up.
///
/// Permits nothing: the pass may have been used, and may be used by somebody else a moment later.
#[utoipa::path(
    post,
    path = "/v1/verify",
    tag = "decisions",
    request_body = VerifyRequest,
    responses(
        (status = 200, description = "The verdict", body = Verdict),
        (status = "4XX", description = "There is no verdict", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "A part of the service failed, or it is overloaded", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn verify(
    caller: Caller,
    State(gate): State<Shared>,
    Admitted(body): Admitted,
) -> Result<Response, Refused> {
    caller.may(Right::Verify)?;
    let question = Question::read(&gate, &caller, &body)?;
    let (trust, now) = surroundings(&gate).await?;
    let verified = question
        .verifier
        .verify(&question.token, &question.call.call(), &trust, now.to_unix_seconds());
    match verified {
        Ok(pass) => Ok(json(&valid(&pass, now, None)?)),
        Err(refusal) => refused(&refusal, now),
    }
}

/// Use a pass up for a call that is about to be made.
///
/// Only an answer that is `valid` and `consumed` lets the call be made, once, with `payloadCanonical`. Where the answer is lost, the
/// call counts as not made, and the pass as used.
#[utoipa::path(
    post,
    path = "/v1/consume",
    tag = "decisions",
    request_body = VerifyRequest,
    responses(
        (status = 200, description = "The verdict", body = Verdict),
        (status = "4XX", description = "There is no verdict", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "A part of the service failed, or it is overloaded: the pass may be used, and the call must not be made", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn consume(
    caller: Caller,
    State(gate): State<Shared>,
    Admitted(body): Admitted,
) -> Result<Response, Refused> {
    caller.may(Right::Consume)?;
    Question::read(&gate, &caller, &body)?.consume(&gate).await
}

/// A call, and what is accepted for it.
struct Question {
    token: String,
    call: OwnedCall,
    verifier: Verifier,
}

impl Question {
    fn read(gate: &Gate, caller: &Caller, body: &CanonicalBytes) -> Result<Self, Refused> {
        let client = caller.client();
        let mut asked: Asked = question::read(body)?;
        let call = call(&mut asked, body, &gate.limits())?;
        let audience = entry::stated_or_only(asked.audience, &client.audiences, |text| text.parse().ok(), "audience")?;
        let tenant = entry::stated_or_only(asked.tenant, &client.tenants, |text| text.parse().ok(), "tenant")?;
        caller.admits(&Scope {
            tenant: Some(&tenant),
            audience: Some(&audience),
            ..Scope::default()
        })?;
        let config = &gate.home.config;
        let mut verifier = Verifier::new(config.issuer.clone(), audience, tenant);
        for obligation in asked.enforces {
            verifier = verifier.with_obligation(obligation);
        }
        if config.accepts_asserted() {
            verifier = verifier.dangerously_accept_asserted_approvals();
        }
        Ok(Self {
            token: asked.token,
            call,
            verifier,
        })
    }

    async fn consume(&self, gate: &Gate) -> Result<Response, Refused> {
        let (trust, now) = surroundings(gate).await?;
        let (call, seconds) = (self.call.call(), now.to_unix_seconds());
        let pass = match self.verifier.verify(&self.token, &call, &trust, seconds) {
            Ok(pass) => pass,
            Err(refusal) => return refused(&refusal, now),
        };
        let administrator = gate.issuer.administrator();
        match administrator
            .use_up(&self.verifier, pass, seconds, &*gate.home.store)
            .await
        {
            Ok(used) => Ok(json(&valid(used.pass.pass(), now, Some(&used.record))?)),
            Err(UseError::Refused(refusal)) => refused(&refusal, now),
            Err(error) => Err(Refused::of(&error).with_status(StatusCode::SERVICE_UNAVAILABLE)),
        }
    }
}

/// The call that the body states: the whole action, or its parts.
fn call(asked: &mut Asked, body: &CanonicalBytes, limits: &Limits) -> Result<OwnedCall, Refused> {
    let part = |name: &str| body.member(&[name]).ok_or_else(|| missing(name));
    if asked.action.is_some() {
        let parts = [
            ("tool", asked.tool.is_some()),
            ("resource", asked.resource.is_some()),
            ("payload", asked.payload.is_some()),
            ("agent", asked.agent.is_some()),
            ("task", asked.task.is_some()),
        ];
        if let Some((name, _)) = parts.into_iter().find(|(_, is_there)| *is_there) {
            let problem = "the whole action says it already";
            return Err(Refused::from(ServerCode::RequestMalformed)
                .with_detail(problem)
                .at(name));
        }
        let action = BoundAction::admit(part("action")?.as_bytes(), limits)
            .map_err(|error| question::unbound(&error, "action"))?;
        return Ok(OwnedCall::action(action));
    }
    let tool = asked.tool.take().ok_or_else(|| missing("tool"))?;
    let resource = asked.resource.take().ok_or_else(|| missing("resource"))?;
    asked.payload.ok_or_else(|| missing("payload"))?;
    let payload = part("payload")?;
    Ok(OwnedCall::new(tool, resource, payload).stating(asked.agent.take(), asked.task.take()))
}

fn missing(member: &str) -> Refused {
    Refused::from(ServerCode::ValueNotStated).at(member)
}

/// Trust and time of this moment.
async fn surroundings(gate: &Gate) -> Result<(std::sync::Arc<actionpass_verify::Trust>, Timestamp), Refused> {
    let trust = gate.issuer.trust().await.map_err(|error| Refused::of(&error))?;
    let now = System
        .now()
        .ok_or_else(|| Refused::of(&Refusal::because(VerifyCode::ClockUnknown)))?;
    Ok((trust, now))
}

fn valid(pass: &VerifiedPass, at: Timestamp, used: Option<&RecordRef>) -> Result<Verdict, Refused> {
    let said = pass.summary();
    let payload = pass.payload();
    let value: JsonObject =
        serde_json::from_slice(payload.as_bytes()).map_err(|_| Refused::from(ServerCode::ServiceFailed))?;
    Ok(Verdict {
        valid: true,
        consumed: used.is_some(),
        codes: Vec::new(),
        findings: Vec::new(),
        compared: names(pass.compared()),
        at,
        pass: Some(PassSummary {
            id: said.id.clone(),
            kid: said.kid.clone(),
            issuer: said.issuer.clone(),
            audience: said.audience.clone(),
            agent: said.agent.clone(),
            tenant: said.tenant.clone(),
            tool: said.tool.clone(),
            resource: said.resource.clone(),
            action_id: said.action_id.clone(),
            action_hash: said.action_hash,
            payload_hash: said.payload_hash,
            obligations: said.obligations.to_vec(),
            issued_at: said.issued_at,
            expires_at: said.expires_at,
        }),
        payload: Some(value),
        payload_canonical: Some(payload.as_str().to_owned()),
        record: used.map(told::link),
    })
}

/// A verdict too, unless there is none because a part failed: then it can be asked again.
fn refused(refusal: &Refusal, at: Timestamp) -> Result<Response, Refused> {
    let has_failed = |class| matches!(class, CodeClass::Unavailable | CodeClass::Internal);
    if refusal.codes().any(|code| has_failed(code.class())) {
        return Err(Refused::of(refusal).with_status(StatusCode::SERVICE_UNAVAILABLE));
    }
    let findings = refusal.findings().iter().map(|finding| VerdictFinding {
        code: finding.code().clone(),
        approval: finding.approval().cloned(),
    });
    Ok(json(&Verdict {
        valid: false,
        consumed: false,
        codes: refusal.codes().cloned().collect(),
        findings: findings.collect(),
        compared: names(refusal.compared()),
        at,
        pass: None,
        payload: None,
        payload_canonical: None,
        record: None,
    }))
}

fn names(compared: &[&'static str]) -> Vec<String> {
    compared.iter().map(|name| (*name).to_owned()).collect()
}
