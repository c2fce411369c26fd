//! `POST /v1/outcomes`.

use actionpass_client::api::{OutcomeAnswer, OutcomeReport, Problem};
use actionpass_core::{Outcome, OutcomeReported};
use actionpass_home::{Right, Scope};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::{question, told};
use crate::ServerCode;
use crate::answer::json;
use crate::body::Admitted;
use crate::caller::Caller;
use crate::gate::Shared;
use crate::problem::Refused;

/// Report what came of a call that was made under a pass.
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
    let administrator = gate.issuer.administrator();
    let store = &*gate.home.store;
    let failed = |error: actionpass_core::AdminError| Refused::of(&error).with_status(StatusCode::SERVICE_UNAVAILABLE);
    let unused = || Refused::from(ServerCode::PassNotUsed).at("pass");

    let found = administrator.find_use(store, &report.pass).await.map_err(failed)?;
    let found = found.ok_or_else(unused)?;
    // A record that doesn't name its tenant may be of any.
    let is_of_any = found.tenant.is_none() && !client.tenants.are_any();
    let scope = Scope {
        tenant: found.tenant.as_ref(),
        audience: Some(&found.audience),
        ..Scope::default()
    };
    if is_of_any || caller.admits(&scope).is_err() {
        tracing::warn!(client = %client.name, pass = %report.pass, "a client reported of a pass that its entry doesn't have");
        return Err(unused());
    }
    let outcome = Outcome {
        pass: report.pass,
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
        pass: outcome.pass,
        record: told::link(&record),
        repeated,
    }))
}
