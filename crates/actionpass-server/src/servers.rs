//! Servers of the tool catalogue, for front doors elsewhere: which there are, and how what they list stands.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actionpass_canon::Limits;
use actionpass_client::api::{
    DefinitionChange, ListedTools, Problem, ServerItem, ServerList, ToolStanding, ToolStateItem, ToolStates,
};
use actionpass_core::Authorizer;
use actionpass_gate::{Catalogue, Change, DeclaredServer, ListedTool, ListingCode, Pins, Standing, ToolState};
use actionpass_home::{Home, HomeError, HomePolicy, Right, Scope};
use actionpass_model::{Code, CodedError, Server};
use actionpass_store::offload::offload;
use actionpass_store::{StoreCode, StoreError};
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};

use crate::ServerCode;
use crate::answer::json;
use crate::body;
use crate::caller::Caller;
use crate::gate::Shared;
use crate::problem::Refused;

/// For how long `pins.json` counts as it was read.
const PINS_HOLD: Duration = Duration::from_millis(500);
/// How large a list of tools is, at most, in bytes.
const MAX_LIST_BYTES: usize = 4 << 20;
/// How many members all of its objects may have together.
const MAX_LIST_MEMBERS: usize = 1 << 18;
/// How many tools a server has, at most.
const MAX_TOOLS: usize = 1000;

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/servers", get(servers))
        .route("/v1/servers/{name}/tools", post(tools))
}

/// The tool catalogue of the policy that an authorizer judges by.
pub(crate) fn catalogue(authorizer: &Authorizer) -> Arc<Catalogue> {
    HomePolicy::catalogue_of(&**authorizer.policy())
}

/// `pins.json`, read again at least twice a second: whoever approves a tool waits no longer.
#[derive(Debug, Default)]
pub(crate) struct LivePins(Mutex<Option<(Instant, Arc<Pins>)>>);

impl LivePins {
    /// The pins as they are.
    pub(crate) async fn read(&self, home: &Home) -> Result<Arc<Pins>, Refused> {
        {
            let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((at, pins)) = &*held
                && at.elapsed() < PINS_HOLD
            {
                return Ok(Arc::clone(pins));
            }
        }
        let home = home.clone();
        let read = offload(move || home.pins()).await.map_err(|_| unfinished())?;
        Ok(self.keep(read.map_err(|error| unreadable(&error))?))
    }

    fn keep(&self, pins: Pins) -> Arc<Pins> {
        let pins = Arc::new(pins);
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *held = Some((Instant::now(), Arc::clone(&pins)));
        pins
    }
}

fn unfinished() -> Refused {
    Refused::of(&StoreError::new(StoreCode::StoreUnavailable))
}

/// A file of the home that can't be used is no fault of who asks; what is wrong with it the log says.
fn unreadable(error: &HomeError) -> Refused {
    let code = error.code();
    tracing::error!(%code, error = %error, "pins.json can't be used");
    Refused::of(error)
        .with_detail("the pins of this service can't be used")
        .with_status(StatusCode::SERVICE_UNAVAILABLE)
}

/// The servers of the tool catalogue that the client may name.
#[utoipa::path(get, path = "/v1/servers", tag = "servers",
    responses((status = 200, body = ServerList), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn servers(State(gate): State<Shared>, caller: Caller) -> Result<Response, Refused> {
    caller.may(Right::Authorize)?;
    let catalogue = catalogue(&gate.issuer.authorizer());
    let admitted = &caller.client().servers;
    let servers = catalogue.servers().iter().filter(|server| admitted.admit(&server.name));
    Ok(json(&ServerList {
        servers: servers.map(item).collect(),
    }))
}

fn item(server: &DeclaredServer) -> ServerItem {
    ServerItem {
        name: server.name.to_string(),
        command: server.command.clone(),
        url: server.url.clone(),
        env: server.env.clone(),
        methods: server.methods.clone(),
        meta: server.meta.iter().map(ToString::to_string).collect(),
    }
}

/// Tell what a server lists now, and how each of its tools stands.
///
/// What is new or differs from what was approved is kept, so that somebody can look at it and approve it (`actionpass pins`).
#[utoipa::path(post, path = "/v1/servers/{name}/tools", tag = "servers", request_body = ListedTools,
    params(("name" = String, Path, description = "The server, as the tool catalogue names it")),
    responses((status = 200, body = ToolStates), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn tools(
    State(gate): State<Shared>,
    caller: Caller,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Refused> {
    caller.may(Right::Authorize)?;
    let unknown = || Refused::of(&Unknown).with_status(StatusCode::NOT_FOUND).at("name");
    let server = Server::parse(&name).map_err(|_| unknown())?;
    caller.admits(&Scope::default().with_server(Some(&server)))?;
    let catalogue = catalogue(&gate.issuer.authorizer());
    // Of a server that isn't declared nothing is kept: pins are of those that somebody wrote down.
    let declared = catalogue.server(&name).ok_or_else(unknown)?;
    body::is_json(&request)?;
    // Not admitted as other bodies are: definitions have numbers that the gate refuses, which are kept as they are written.
    let raw = body::read(request, MAX_LIST_BYTES, gate.front.serve.body_time).await?;
    let limits = Limits::default()
        .with_max_bytes(MAX_LIST_BYTES.saturating_mul(2))
        .with_max_members(MAX_LIST_MEMBERS);
    let (origin, listed) =
        ListedTool::read_listing(&raw, &declared.meta, &limits).map_err(|error| Refused::of(&error))?;
    if listed.len() > MAX_TOOLS {
        let problem = format!("a server has {MAX_TOOLS} tools at most");
        return Err(Refused::from(ServerCode::RequestMalformed)
            .with_detail(problem)
            .at("tools"));
    }
    let home = gate.home.home.clone();
    let judged = offload(move || {
        home.change_pins(|pins| {
            let states = pins.judge(&name, &origin, &listed);
            pins.offer(&name, &origin, &listed);
            Ok::<_, HomeError>((states, pins.clone()))
        })
    });
    let (states, pins) = judged
        .await
        .map_err(|_| unfinished())?
        .map_err(|error| unreadable(&error))?;
    gate.pins.keep(pins);
    Ok(json(&ToolStates {
        tools: states.iter().map(state).collect(),
    }))
}

/// No server of this name is declared.
#[derive(Debug, thiserror::Error)]
#[error("the tool catalogue declares no such server")]
struct Unknown;

impl CodedError for Unknown {
    fn code(&self) -> Code {
        ListingCode::PinUnknown.into()
    }
}

fn state(state: &ToolState) -> ToolStateItem {
    let (standing, changes) = match &state.standing {
        Standing::Pinned => (ToolStanding::Pinned, &[][..]),
        Standing::Changed(changes) => (ToolStanding::Changed, changes.as_slice()),
        Standing::OtherOrigin => (ToolStanding::OtherOrigin, &[][..]),
        _ => (ToolStanding::New, &[][..]),
    };
    let change = |change: &Change| DefinitionChange {
        at: change.at.clone(),
        before: change.before.clone(),
        after: change.after.clone(),
    };
    ToolStateItem {
        name: state.name.to_string(),
        definition_hash: state.hash,
        standing,
        changes: changes.iter().map(change).collect(),
    }
}

#[cfg(test)]
mod tests;
