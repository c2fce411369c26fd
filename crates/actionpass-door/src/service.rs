//! [`ServiceDoor`]: a front door that asks a service. The service keeps catalogue, pins and policy, judges, and uses passes up.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use actionpass_canon::{CanonicalBytes, Limits};
use actionpass_client::api::{
    AuthorizeRequest, MAX_WAIT_SECONDS, OutcomeReport, ServerOrigin, ToolStanding, ToolStateItem, VerifyRequest,
};
use actionpass_client::{Client, ClientError};
use actionpass_gate::{Call, CallCode, CallError, Change, DeclaredServer, ListedTool, Origin, Standing, ToolState};
use actionpass_model::{DecisionRef, Digest, Intent, JsonObject, Reason};
use actionpass_store::offload::offload;

use crate::home::{context, task_of_session};
use crate::verdict::Bound;
use crate::{
    Allowed, Door, DoorCode, DoorError, DoorFuture, Mode, Observed, Occasion, Outcome, Permit, Ran, Refused, Verdict,
};

/// A front door at a service. Whom its calls come from, the client's entry there says: its tenant, agent, owner and runtime are
/// one each.
pub struct ServiceDoor {
    client: Arc<Client>,
    mode: Mode,
    /// How each tool stood when it was listed last, by server and tool.
    states: Mutex<HashMap<(String, String), (Digest, ToolStanding)>>,
}

impl fmt::Debug for ServiceDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceDoor")
            .field("service", &self.client.address())
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

/// A call as it is stated to a service: its document, and the payload that its action must have.
struct Stated {
    document: JsonObject,
    payload: CanonicalBytes,
}

impl ServiceDoor {
    /// A front door that asks this service. Nobody is asked yet.
    #[must_use]
    pub fn new(client: Client, mode: Mode) -> Self {
        Self {
            client: Arc::new(client),
            mode,
            states: Mutex::default(),
        }
    }

    /// Asks the service on a thread of its own: its client blocks.
    async fn asking<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Client) -> Result<T, ClientError> + Send + 'static,
    ) -> Result<T, DoorError> {
        let client = Arc::clone(&self.client);
        let answered = offload(move || ask(&client)).await.map_err(DoorError::unfinished)?;
        answered.map_err(DoorError::below)
    }

    /// Whether the tool may be called as it is listed, as far as the service said so.
    fn listed_as_approved(&self, call: &Call<'_>) -> Result<(), CallError> {
        let Call::Tool(call) = call else { return Ok(()) };
        let Some(listed) = call.definition() else { return Ok(()) };
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        match states.get(&(call.server().to_owned(), call.tool().to_owned())) {
            Some((hash, ToolStanding::Pinned)) if *hash == listed.hash() => Ok(()),
            None | Some((_, ToolStanding::New)) => {
                Err(CallError::at(CallCode::ToolNotPinned, "tool", "is not approved yet"))
            }
            Some((_, ToolStanding::OtherOrigin)) => Err(CallError::at(
                CallCode::ServerOriginChanged,
                "tool",
                "is of a server that has another origin than when its tools were approved",
            )),
            Some(_) => Err(CallError::at(
                CallCode::DefinitionChanged,
                "tool",
                "has another definition than the one that was approved",
            )),
        }
    }

    async fn judge(&self, call: Call<'_>, occasion: &Occasion) -> Result<Verdict, DoorError> {
        if self.mode == Mode::Enforce
            && let Err(error) = self.listed_as_approved(&call)
        {
            return Ok(Verdict::Refused(Refused::unmapped(&error)));
        }
        let stated = stated(&call)?;
        let intent = Intent {
            task: task_of_session(occasion)?,
            summary: occasion.summary.clone(),
        };
        let mut request = AuthorizeRequest::call(stated.document, intent);
        // Whatever the service admits at most: it judges.
        request.context = context(occasion, Limits::default())?
            .map(|context| object(&context))
            .transpose()?;
        let wait = occasion.wait.as_secs().min(MAX_WAIT_SECONDS);
        request.wait = (wait > 0).then_some(wait);
        request.observe = (self.mode == Mode::Observe).then_some(true);
        let answered = self.asking(move |client| client.authorize(&request)).await;
        let answer = match answered {
            Ok(answer) => Box::new(answer),
            Err(error) => return self.refused(error),
        };
        if self.mode == Mode::Observe {
            return Ok(Verdict::Observed(Observed::of(answer)));
        }
        let (Some(tool), Some(resource)) = (answer.tool.clone(), answer.resource.clone()) else {
            return Err(DoorError::new(
                DoorCode::AnswerContradicts,
                "the service doesn't say which action the call is",
            ));
        };
        let bound = Bound {
            tool,
            resource,
            payload: stated.payload,
        };
        Ok(match Allowed::of(answer, bound) {
            Ok(allowed) => Verdict::Allowed(allowed),
            Err(answer) => Verdict::Refused(Refused::of(answer)),
        })
    }

    /// What the service refuses as a call is no failure: the call is not made, or observed.
    fn refused(&self, error: DoorError) -> Result<Verdict, DoorError> {
        let code = actionpass_model::CodedError::code(&error);
        let Some(code) = CallCode::from_code(code.as_str()) else {
            return Err(error);
        };
        let error = CallError::at(code, "call", error.to_string());
        Ok(match self.mode {
            Mode::Observe => Verdict::Observed(Observed::unmapped(&error)),
            Mode::Enforce => Verdict::Refused(Refused::unmapped(&error)),
        })
    }

    async fn use_up(&self, allowed: Allowed) -> Result<Permit, DoorError> {
        let bound = &allowed.call;
        let payload = bound.payload.clone();
        let mut request = VerifyRequest::parts(
            allowed.token()?,
            bound.tool.clone(),
            bound.resource.clone(),
            object(&payload)?,
        );
        request.audience.clone_from(&allowed.answer().audience);
        let verdict = self.asking(move |client| client.consume(&request)).await?;
        if !(verdict.valid && verdict.consumed) {
            let code = verdict.codes.first().cloned();
            return Err(code.map_or_else(
                || {
                    DoorError::new(
                        DoorCode::AnswerContradicts,
                        "the pass was not used up, and nothing says why",
                    )
                },
                |code| DoorError::coded(code, "the service refused the pass that it gave"),
            ));
        }
        if verdict.payload_canonical.as_deref() != Some(payload.as_str()) {
            return Err(DoorError::new(
                DoorCode::AnswerContradicts,
                "the service used the pass up for another payload",
            ));
        }
        allowed.permit(payload)
    }

    async fn record(&self, ran: &Ran, outcome: Outcome) -> Result<(), DoorError> {
        let mut report = match ran {
            Ran::Unrecorded => return Ok(()),
            Ran::Pass(pass) => OutcomeReport::new(pass.clone(), outcome.status),
            Ran::Observed(record) => {
                let decision = DecisionRef {
                    seq: record.seq,
                    id: record.id.clone(),
                };
                OutcomeReport::of_observed(decision, outcome.status)
            }
        };
        report.provider_id = outcome.provider_id;
        report.result_hash = outcome.result_hash;
        self.asking(move |client| client.outcome(&report)).await.map(drop)
    }

    async fn tell(&self, server: &str, origin: &Origin, tools: &[ListedTool]) -> Result<Vec<ToolState>, DoorError> {
        let origin = match origin {
            Origin::Command(command) => ServerOrigin::Command(command.clone()),
            Origin::Url(url) => ServerOrigin::Url(url.clone()),
        };
        let listed: Vec<String> = tools.iter().map(ListedTool::to_listed).collect();
        let name = server.to_owned();
        let told = self.asking(move |client| client.tools(&name, &origin, &listed)).await?;
        let agrees = |(tool, state): (&ListedTool, &ToolStateItem)| {
            tool.name() == state.name && tool.hash() == state.definition_hash
        };
        if !tools.iter().zip(&told.tools).all(agrees) {
            return Err(DoorError::new(
                DoorCode::AnswerContradicts,
                "the service says how other tools stand than those that were listed",
            ));
        }
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.retain(|(of, _), _| of != server);
        for state in &told.tools {
            let key = (server.to_owned(), state.name.clone());
            states.insert(key, (state.definition_hash, state.standing));
        }
        Ok(told.tools.into_iter().map(state).collect())
    }
}

impl Door for ServiceDoor {
    fn mode(&self) -> Mode {
        self.mode
    }

    fn servers(&self) -> DoorFuture<'_, Vec<DeclaredServer>> {
        Box::pin(async move {
            let list = self.asking(Client::servers).await?;
            let declared = list.servers.into_iter().map(|item| {
                let mut server = DeclaredServer::new(item.name);
                server.command = item.command;
                server.url = item.url;
                server.env = item.env;
                server.methods = item.methods;
                server.meta = item.meta.into_iter().map(Into::into).collect();
                server
            });
            Ok(declared.collect())
        })
    }

    fn listed<'a>(
        &'a self,
        server: &'a str,
        origin: &'a Origin,
        tools: &'a [ListedTool],
    ) -> DoorFuture<'a, Vec<ToolState>> {
        Box::pin(self.tell(server, origin, tools))
    }

    fn ask<'a>(&'a self, call: Call<'a>, occasion: &'a Occasion) -> DoorFuture<'a, Verdict> {
        Box::pin(self.judge(call, occasion))
    }

    fn refuse<'a>(&'a self, _: Call<'a>, _: &'a Occasion, _: Reason) -> DoorFuture<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn consume(&self, allowed: Allowed) -> DoorFuture<'_, Permit> {
        Box::pin(self.use_up(allowed))
    }

    fn report<'a>(&'a self, ran: &'a Ran, outcome: Outcome) -> DoorFuture<'a, ()> {
        Box::pin(self.record(ran, outcome))
    }
}

/// A call as the service takes it. Of a request only the service's catalogue knows the payload, so it can't be held against what
/// is made.
fn stated(call: &Call<'_>) -> Result<Stated, DoorError> {
    let (head, payload) = match call {
        Call::Tool(call) => (("tool", call.tool(), "arguments"), (call.server(), call.arguments())),
        Call::Method(call) => (("method", call.method(), "params"), (call.server(), call.params())),
        _ => {
            let problem = "a request of HTTP is judged on a home";
            return Err(DoorError::new(DoorCode::NotOverAService, problem));
        }
    };
    let ((kind, name, member), (server, payload)) = (head, payload);
    let mut document = serde_json::Map::new();
    document.insert("server".to_owned(), server.into());
    document.insert(kind.to_owned(), name.into());
    document.insert(
        member.to_owned(),
        serde_json::Value::Object(object(payload)?.into_inner()),
    );
    Ok(Stated {
        document: JsonObject::from(document),
        payload: payload.clone(),
    })
}

fn object(bytes: &CanonicalBytes) -> Result<JsonObject, DoorError> {
    serde_json::from_slice(bytes.as_bytes()).map_err(|_| {
        DoorError::new(
            DoorCode::ContextMalformed,
            "a call's arguments, and its context, are JSON objects",
        )
    })
}

fn state(item: ToolStateItem) -> ToolState {
    let standing = match item.standing {
        ToolStanding::Pinned => Standing::Pinned,
        ToolStanding::New => Standing::New,
        ToolStanding::OtherOrigin => Standing::OtherOrigin,
        ToolStanding::Changed => Standing::Changed(
            item.changes
                .into_iter()
                .map(|change| Change::new(change.at, change.before, change.after))
                .collect(),
        ),
    };
    ToolState::new(item.name, item.definition_hash, standing)
}
