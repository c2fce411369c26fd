//! [`Guarded`]: an MCP server written with `rmcp` whose tools run only under a pass for exactly the call that was made.
//!
//! The pass comes with the call, in `_meta["dev.actionpass/pass"]`, where the MCP proxy puts it. What the call is as an action is
//! derived with the same catalogue that the proxy has; the pass is verified for it and used up, and the tool gets the payload that
//! was permitted. Whoever reaches the server past the proxy has no pass, and no tool runs.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use actionpass_gate::Catalogue;
//! use actionpass_rmcp::Guard;
//! use actionpass_verify::Executor;
//! use rmcp::{ServerHandler, ServiceExt as _};
//!
//! # async fn example(tools: impl ServerHandler, executor: Executor) -> Result<(), Box<dyn std::error::Error>> {
//! let catalogue = Catalogue::parse(&std::fs::read_to_string("tools.toml")?, "tools.toml", |_| None)?;
//! // `notes` is the name that the server has in the catalogue.
//! let guard = Guard::new(executor, Arc::new(catalogue), "notes");
//! let running = guard.over(tools).serve((tokio::io::stdin(), tokio::io::stdout())).await?;
//! running.waiting().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What it does not do
//!
//! - **Only calls of tools are guarded.** Resources, prompts and everything else reach the server as without it.
//! - **One reading of JSON comes before.** `rmcp` has parsed a call when it gets here, and of two members of one name the last has won
//!   by then. What is compared with the pass is the canonical form of what it parsed, and that is also what the tool gets; so
//!   nothing runs that wasn't approved, but a call that the gate would refuse for such a member isn't refused for it here.
//! - **Rounds of questions** (`inputResponses`, `requestState`) are bound by no payload. A call that brings any is refused.
//! - **The replay store is the server's own.** The proxy uses the pass up as well, in its home; two executors that share one store
//!   refuse each other.

use std::borrow::Cow;
use std::sync::Arc;

use actionpass_canon::{CanonicalBytes, Limits, admit};
use actionpass_gate::{CallCode, Catalogue, ToolCall};
use actionpass_model::{Code, CodedError};
use actionpass_verify::{Call, ConsumedPass, Executor};
use rmcp::RoleServer;
use rmcp::model::{
    CallToolRequestParams, ClientRequest, ErrorCode, ErrorData, JsonObject, ProtocolVersion, RequestMetaObject,
    ServerConfig, ServerResult,
};
use rmcp::service::{NotificationContext, RequestContext, Service, ServiceRole};
use serde_json::{Value, json};

/// The member of `_meta` that a call's pass stands in.
pub const PASS: &str = "dev.actionpass/pass";

/// The JSON-RPC error code of a call that is refused.
pub const REFUSED: ErrorCode = ErrorCode(-32001);

/// What passes are held against: whom the server trusts, and what its calls are as actions.
#[derive(Clone, Debug)]
pub struct Guard {
    executor: Executor,
    catalogue: Arc<Catalogue>,
    server: Box<str>,
    limits: Limits,
}

/// A server whose tools run under passes only.
#[derive(Clone, Debug)]
pub struct Guarded<S> {
    guard: Guard,
    service: S,
}

impl Guard {
    /// The guard of a server, by the name that it has in the catalogue.
    #[must_use]
    pub fn new(executor: Executor, catalogue: Arc<Catalogue>, server: impl Into<Box<str>>) -> Self {
        Self {
            executor,
            catalogue,
            server: server.into(),
            limits: Limits::default(),
        }
    }

    /// The same with the issuer's limits, where those aren't the defaults.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The server under this guard.
    pub const fn over<S: Service<RoleServer>>(self, service: S) -> Guarded<S> {
        Guarded { guard: self, service }
    }

    /// Verifies a pass for a call and uses it up. Only then may the tool run, with [`ConsumedPass::payload`] as its arguments.
    ///
    /// # Errors
    /// The answer to the call, with the codes in `data["dev.actionpass/decision"]`. The pass may be used up all the same.
    pub async fn consume(&self, token: Option<&str>, call: &CallToolRequestParams) -> Result<ConsumedPass, ErrorData> {
        if call.input_responses.is_some() || call.request_state.is_some() {
            return Err(refused([CallCode::CallNotNormalizable.into()]));
        }
        let arguments = canonical(call.arguments.as_ref(), &self.limits)?;
        let derived = self
            .catalogue
            .derive(ToolCall::new(&self.server, &call.name, &arguments))
            .map_err(|error| refused([error.code().into()]))?;
        let call = Call::new(&derived.tool, &derived.resource, &derived.payload);
        // A call without a pass has one that isn't a token, and is refused as that.
        let consumed = self.executor.consume(token.unwrap_or_default(), &call).await;
        consumed.map_err(|refusal| refused(refusal.codes().cloned()))
    }
}

/// The canonical form of what was parsed, admitted as a whole.
fn canonical(arguments: Option<&JsonObject>, limits: &Limits) -> Result<CanonicalBytes, ErrorData> {
    let text = match arguments {
        Some(arguments) => serde_json::to_vec(arguments).map_err(|_| refused([CallCode::CallMalformed.into()]))?,
        None => b"{}".to_vec(),
    };
    admit(&text, limits).map_err(|error| refused([CodedError::code(&error)]))
}

/// The answer to a call that is not made.
fn refused(codes: impl IntoIterator<Item = Code>) -> ErrorData {
    let codes: Vec<Code> = codes.into_iter().collect();
    let told: Vec<&str> = codes.iter().map(Code::as_str).collect();
    let message = format!("refused: {}", told.join(", "));
    let data = json!({ "dev.actionpass/decision": { "decision": "deny", "codes": told } });
    ErrorData::new(REFUSED, message, Some(data))
}

/// Takes the pass out of where it may stand, so that no tool sees it.
fn take_pass<'a>(metas: impl IntoIterator<Item = &'a mut RequestMetaObject>) -> Option<String> {
    let mut found = metas.into_iter().filter_map(|meta| meta.remove(PASS));
    let first = found.next();
    // Two passes are as good as none: which one counted would be a guess.
    let more = found.count();
    match first {
        Some(Value::String(token)) if more == 0 => Some(token),
        _ => None,
    }
}

impl<S: Service<RoleServer>> Service<RoleServer> for Guarded<S> {
    async fn handle_request(
        &self,
        mut request: ClientRequest,
        mut context: RequestContext<RoleServer>,
    ) -> Result<ServerResult, ErrorData> {
        match &mut request {
            ClientRequest::CallToolRequest(call) => {
                let token = take_pass(
                    [Some(&mut context.meta), call.params.meta.as_mut()]
                        .into_iter()
                        .flatten(),
                );
                let consumed = self.guard.consume(token.as_deref(), &call.params).await?;
                // Exactly what was permitted, which is what was compared.
                let arguments = serde_json::from_slice(consumed.payload().as_bytes());
                call.params.arguments = Some(arguments.map_err(|_| refused([CallCode::CallMalformed.into()]))?);
            }
            // A call of a tool that `rmcp` couldn't read as one.
            ClientRequest::CustomRequest(custom) if custom.method == "tools/call" => {
                return Err(refused([CallCode::CallMalformed.into()]));
            }
            _ => {}
        }
        self.service.handle_request(request, context).await
    }

    async fn handle_notification(
        &self,
        notification: <RoleServer as ServiceRole>::PeerNot,
        context: NotificationContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.service.handle_notification(notification, context).await
    }

    fn get_info(&self) -> ServerConfig {
        self.service.get_info()
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        self.service.supported_protocol_versions()
    }
}
