//! `POST /v1/outcomes`.

use actionpass_client::api::{OutcomeAnswer, OutcomeReport, Problem};
use actionpass_core::{ObservedOutcome, Outcome, OutcomeReported};
use actionpass_door::told;
use actionpass_home::{Right, Scope};
use actionpass_model::DecisionRef;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::question;
use crate::ServerCode;
use crate::answer::json;
use crate::body::Admitted;
use crate::caller::Caller;
use crate::gate::{Gate, Shared};
use crate::problem::Refused;

/// Report what came of a call that was made under a pass, or though its decision was only observed.
///
/// Once for each pass: the same again is answered with the record of then. What says something else is recorded once more, as a
/// contradiction, and answered with 409.
#[utoipa::path(
    post,
    path = "/v1/outcomes",
    tag = "decisions",
    request_body = OutcomeReport,
    responses(
        (status = 200, description = "The outcome is recorded", body = OutcomeAnswer),
        (status = 404, description = "No use of such a pass is recorded, as far as the client may see", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Another outcome was recorded first", body = Problem, content_type = "application/problem+json"),
        (status = "4XX", description = "Nothing is recorded", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "A part of the service failed, or it is overloaded: asked again, it tells what is recorded", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn report(
    caller: Caller,
    State(gate): State<Shared>,
    Admitted(body): Admitted,
) -> Result<Response, Refused> {
    caller.may(Right::Outcome)?;
    let client = caller.client();
    let report: OutcomeReport = question::read(&body)?;
    let pass = match (report.pass, report.decision) {
        (Some(pass), None) => pass,
        (None, Some(decision)) => {
            let outcome = ObservedOutcome {
                status: report.status,
                provider_id: report.provider_id,
                result_hash: report.result_hash,
            };
            return observed(&caller, &gate, decision, &outcome).await;
        }
        (None, None) => return Err(Refused::from(ServerCode::ValueNotStated).at("pass")),
        (Some(_), Some(_)) => {
            let problem = "one of `pass` and `decision` says what the report is about";
            return Err(Refused::from(ServerCode::RequestMalformed).with_detail(problem));
        }
    };
    let administrator = gate.issuer.administrator();
    let store = &*gate.home.store;
    let failed = |error: actionpass_core::AdminError| Refused::of(&error).with_status(StatusCode::SERVICE_UNAVAILABLE);
    let unused = || Refused::from(ServerCode::PassNotUsed).at("pass");

    let found = administrator.find_use(store, &pass).await.map_err(failed)?;
    let found = found.ok_or_else(unused)?;
    // A record that doesn't name its tenant may be of any.
    let is_of_any = found.tenant.is_none() && !client.tenants.are_any();
    let scope = Scope {
        tenant: found.tenant.as_ref(),
        audience: Some(&found.audience),
        ..Scope::default()
    };
    if is_of_any || caller.admits(&scope).is_err() {
        tracing::warn!(client = %client.name, pass = %pass, "a client reported of a pass that its entry doesn't have");
        return Err(unused());
    }
    let outcome = Outcome {
        pass,
        status: report.status,
        provider_id: report.provider_id,
        result_hash: report.result_hash,
    };
    let (record, repeated) = match administrator
        .report(store, &outcome, found.tenant)
        .await
        .map_err(failed)?
    {
        OutcomeReported::Recorded(record) => (record, false),
        OutcomeReported::Before(record) => (record, true),
        OutcomeReported::Contradicts { first, contradiction } => {
            tracing::warn!(client = %client.name, pass = %outcome.pass, "a client contradicted an outcome");
            let problem = format!(
                "record {} says something else, and record {} that it was contradicted",
                first.seq, contradiction.seq
            );
            return Err(Refused::from(ServerCode::OutcomeContradicts).with_detail(problem));
        }
        OutcomeReported::Unused => return Err(unused()),
    };
    Ok(json(&OutcomeAnswer {
        pass: Some(outcome.pass),
        decision: None,
        record: told::link(&record),
        repeated,
    }))
}

/// Records what came of a call whose decision was only observed. Such a report holds nobody to anything, so more than one may
/// be recorded.
async fn observed(
    caller: &Caller,
    gate: &Gate,
    decision: DecisionRef,
    outcome: &ObservedOutcome,
) -> Result<Response, Refused> {
    let administrator = gate.issuer.administrator();
    let failed = |error: actionpass_core::AdminError| Refused::of(&error).with_status(StatusCode::SERVICE_UNAVAILABLE);
    let unknown = || Refused::from(ServerCode::PassNotUsed).at("decision");
    let found = administrator.find_observed(&decision).await.map_err(failed)?;
    let found = found.ok_or_else(unknown)?;
    let scope = Scope {
        tenant: Some(&found.tenant),
        agent: Some(&found.agent),
        audience: Some(&found.audience),
        ..Scope::default()
    };
    if caller.admits(&scope).is_err() {
        let client = caller.client();
        tracing::warn!(client = %client.name, seq = decision.seq, "a client reported of a decision that its entry doesn't have");
        return Err(unknown());
    }
    let reported = administrator.report_observed(&decision, &found.tenant, outcome).await;
    let record = reported.map_err(failed)?.ok_or_else(unknown)?;
    Ok(json(&OutcomeAnswer {
        pass: None,
        decision: Some(decision),
        record: told::link(&record),
        repeated: false,
    }))
}
