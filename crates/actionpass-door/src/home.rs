//! [`HomeDoor`]: a front door on a home, which judges and executes in this process.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actionpass_canon::{CanonicalBytes, Limits};
use actionpass_client::api::AuthorizeAnswer;
use actionpass_core::{Clock as _, Issuer, ObservedOutcome, OutcomeReported, Request, System};
use actionpass_gate::{
    Call, CallCode, CallError, Catalogue, DeclaredServer, ListedTool, Normalized, Origin, Pins, ToolState,
};
use actionpass_home::{DoorEntry, HomePolicy, OpenHome, SharedSecrets};
use actionpass_model::{Audience, DecisionRef, Intent, Reason, Task, WebOrigin};
use actionpass_store::offload::offload;
use actionpass_verify::{OwnedCall, Verifier};

use crate::verdict::Bound;
use crate::{
    Allowed, Door, DoorCode, DoorError, DoorFuture, Mode, Observed, Occasion, Outcome, Permit, Ran, Refused, Verdict,
    told,
};

/// How often a call is read and judged anew because the catalogue changed meanwhile.
const MAX_ROUNDS: usize = 3;
/// For how long `pins.json` counts as it was read.
const PINS_HOLD: Duration = Duration::from_millis(500);

/// A front door on a home. Whoever can read the home needs no door: it protects only from those who can't.
pub struct HomeDoor {
    home: Arc<OpenHome>,
    issuer: Issuer,
    entry: DoorEntry,
    mode: Mode,
    origin: Option<WebOrigin>,
    pins: Mutex<Option<(Instant, Arc<Pins>)>>,
}

impl fmt::Debug for HomeDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HomeDoor")
            .field("name", &self.entry.name)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl HomeDoor {
    /// The front door that this entry of `config.toml` describes. Its key is opened now; `secrets` is asked for what opens it.
    ///
    /// # Errors
    /// [`DoorError`]: what [`OpenHome::issuer`] says.
    pub async fn open(home: OpenHome, entry: DoorEntry, mode: Mode, secrets: SharedSecrets) -> Result<Self, DoorError> {
        let issuer = match mode {
            Mode::Enforce => home.issuer(secrets).await,
            // Nothing is signed, so nobody is asked for what opens the key.
            Mode::Observe => home.issuer_of_requests().await,
        };
        // One agent's calls, mostly one after the other.
        home.store.write_here();
        Ok(Self {
            issuer: issuer.map_err(DoorError::below)?,
            origin: home.config.serve.origin.clone(),
            home: Arc::new(home),
            entry,
            mode,
            pins: Mutex::default(),
        })
    }

    fn limits(&self) -> Limits {
        self.home.config.limits()
    }

    /// The tools that were approved. They are read again at least twice a second: whoever approves one waits no longer.
    async fn pins(&self) -> Result<Arc<Pins>, DoorError> {
        {
            let held = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((at, pins)) = &*held
                && at.elapsed() < PINS_HOLD
            {
                return Ok(Arc::clone(pins));
            }
        }
        let home = Arc::clone(&self.home);
        let read = offload(move || home.home.pins()).await.map_err(DoorError::unfinished)?;
        Ok(self.keep(read.map_err(DoorError::below)?))
    }

    fn keep(&self, pins: Pins) -> Arc<Pins> {
        let pins = Arc::new(pins);
        let mut held = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
        *held = Some((Instant::now(), Arc::clone(&pins)));
        pins
    }

    /// Whether the tool may be called as it is listed.
    fn pinned(&self, call: &Call<'_>, pins: &Pins) -> Result<Option<ListedTool>, CallError> {
        let Call::Tool(call) = call else { return Ok(None) };
        let Some(listed) = call.definition() else {
            // Of a tool that nobody lists now the approved definition counts, if there is one.
            return Ok(pins.pinned(call.server(), call.tool()));
        };
        match pins.approves(call.server(), listed) {
            Some(true) => Ok(None),
            Some(false) => Err(CallError::at(
                CallCode::DefinitionChanged,
                "tool",
                "has another definition than the one that was approved",
            )),
            None => Err(CallError::at(CallCode::ToolNotPinned, "tool", "is not approved yet")),
        }
    }

    async fn judge(&self, call: Call<'_>, occasion: &Occasion) -> Result<Verdict, DoorError> {
        let (context, intent) = (context(occasion, self.limits())?, self.intent(occasion)?);
        let pins = match &call {
            Call::Tool(_) => self.pins().await?,
            _ => Arc::default(),
        };
        for _ in 0..MAX_ROUNDS {
            let authorizer = self.issuer.authorizer();
            let digest = authorizer.policy().digest();
            let catalogue = HomePolicy::catalogue_of(&**authorizer.policy());
            let (bound, refusal) = match self.read(&catalogue, &call, &pins) {
                Ok(read) => (read, None),
                Err(error) => match named(&call) {
                    Ok(bound) => (bound, Some(error)),
                    Err(_) => return Ok(self.unmapped(&error)),
                },
            };
            let reason = refusal.as_ref().map(|error| {
                let reason = Reason::new(error.code());
                error.path().map_or(reason.clone(), |path| reason.with_path(path))
            });
            let answer = self
                .ask_issuer(&bound, &intent, context.as_ref(), reason, occasion)
                .await?;
            if answer.policy.digest != digest {
                // What the call is, another catalogue said.
                continue;
            }
            return Ok(self.verdict(answer, bound, refusal));
        }
        Err(DoorError::new(
            DoorCode::CatalogueChanged,
            "the catalogue changed again and again while the call was judged",
        ))
    }

    fn read(&self, catalogue: &Catalogue, call: &Call<'_>, pins: &Pins) -> Result<Normalized, CallError> {
        let pinned = match self.pinned(call, pins) {
            // What is observed is judged as it would be once its tool is approved: that it isn't yet, the list of tools says.
            Err(_) if self.mode == Mode::Observe => None,
            pinned => pinned?,
        };
        match (call, &pinned) {
            (Call::Tool(tool), Some(pinned)) => catalogue.normalize(tool.with_definition(pinned)),
            _ => catalogue.normalize(*call),
        }
    }

    async fn ask_issuer(
        &self,
        bound: &Normalized,
        intent: &Intent,
        context: Option<&CanonicalBytes>,
        refusal: Option<Reason>,
        occasion: &Occasion,
    ) -> Result<Box<AuthorizeAnswer>, DoorError> {
        let caller = self.entry.caller();
        let limits = self.limits();
        let action = bound
            .action(&caller, intent, None, context, &limits)
            .map_err(DoorError::below)?;
        let mut request = Request::new(&action, &caller)
            .through(self.entry.name.clone())
            .with_wait(occasion.wait);
        let now = System.now().ok_or_else(DoorError::without_clock)?;
        if let Some(facts) = bound.attested(now, &limits).map_err(DoorError::below)? {
            request = request.with_facts(facts);
        }
        if let Some(reason) = refusal {
            request = request.refused(reason);
        }
        if let Some(trace) = &occasion.trace {
            request = request.with_trace(trace);
        }
        if self.mode == Mode::Observe {
            request = request.observing();
        }
        let decided = self.issuer.authorize(request).await.map_err(DoorError::below)?;
        Ok(Box::new(told::answer(decided, self.origin.as_ref())))
    }

    fn verdict(&self, mut answer: Box<AuthorizeAnswer>, bound: Normalized, refusal: Option<CallError>) -> Verdict {
        if let (Some(error), Some(reason)) = (refusal, answer.reasons.first_mut()) {
            error.to_string().clone_into(&mut reason.message);
        }
        if self.mode == Mode::Observe {
            return Verdict::Observed(Observed::of(answer));
        }
        match Allowed::of(answer, Bound::of(bound)) {
            Ok(allowed) => Verdict::Allowed(allowed),
            Err(answer) => Verdict::Refused(Refused::of(answer)),
        }
    }

    fn unmapped(&self, error: &CallError) -> Verdict {
        tracing::warn!(code = %error.code(), "a call that no action says");
        match self.mode {
            Mode::Observe => Verdict::Observed(Observed::unmapped(error)),
            Mode::Enforce => Verdict::Refused(Refused::unmapped(error)),
        }
    }

    /// Records a call that the front door refuses, by its name alone.
    async fn record_refusal(&self, call: Call<'_>, occasion: &Occasion, reason: Reason) -> Result<(), DoorError> {
        let (context, intent) = (context(occasion, self.limits())?, self.intent(occasion)?);
        let bound = named(&call).map_err(DoorError::below)?;
        self.ask_issuer(&bound, &intent, context.as_ref(), Some(reason), occasion)
            .await
            .map(drop)
    }

    fn intent(&self, occasion: &Occasion) -> Result<Intent, DoorError> {
        Ok(Intent {
            task: self.task(occasion)?,
            summary: occasion.summary.clone(),
        })
    }

    fn task(&self, occasion: &Occasion) -> Result<Task, DoorError> {
        if let Some(task) = &self.entry.task {
            return Ok(task.clone());
        }
        task_of_session(occasion)
    }

    fn audience(&self, bound: &Bound) -> Result<Audience, DoorError> {
        let audience = self.issuer.authorizer().audience(&bound.tool, None);
        audience.ok_or_else(|| DoorError::new(DoorCode::AnswerContradicts, "the tool has no audience any more"))
    }

    async fn use_up(&self, allowed: Allowed) -> Result<Permit, DoorError> {
        let bound = &allowed.call;
        let token = allowed.token()?;
        let config = &self.home.config;
        let audience = self.audience(bound)?;
        let mut verifier = Verifier::new(config.issuer.clone(), audience, self.entry.tenant.clone());
        if config.accepts_asserted() {
            verifier = verifier.dangerously_accept_asserted_approvals();
        }
        let call = OwnedCall::new(bound.tool.clone(), bound.resource.clone(), bound.payload.clone())
            .stating(Some(self.entry.agent.clone()), self.entry.task.clone());
        let trust = self.issuer.trust().await.map_err(DoorError::below)?;
        let now = System.now().ok_or_else(DoorError::without_clock)?.to_unix_seconds();
        let pass = verifier
            .verify(token, &call.call(), &trust, now)
            .map_err(DoorError::below)?;
        let administrator = self.issuer.administrator();
        let used = administrator.use_up(&verifier, pass, now, &*self.home.store).await;
        let payload = used.map_err(DoorError::below)?.pass.payload().clone();
        allowed.permit(payload)
    }

    async fn record(&self, ran: &Ran, outcome: Outcome) -> Result<(), DoorError> {
        let administrator = self.issuer.administrator();
        let Outcome {
            status,
            provider_id,
            result_hash,
        } = outcome;
        let is_recorded = match ran {
            Ran::Unrecorded => true,
            Ran::Pass(pass) => {
                let outcome = actionpass_core::Outcome {
                    pass: pass.clone(),
                    status,
                    provider_id,
                    result_hash,
                };
                let tenant = Some(self.entry.tenant.clone());
                let told = administrator.report(&*self.home.store, &outcome, tenant).await;
                matches!(
                    told.map_err(DoorError::below)?,
                    OutcomeReported::Recorded(_) | OutcomeReported::Before(_)
                )
            }
            Ran::Observed(record) => {
                let decision = DecisionRef {
                    seq: record.seq,
                    id: record.id.clone(),
                };
                let outcome = ObservedOutcome {
                    status,
                    provider_id,
                    result_hash,
                };
                let told = administrator
                    .report_observed(&decision, &self.entry.tenant, &outcome)
                    .await;
                told.map_err(DoorError::below)?.is_some()
            }
        };
        if is_recorded {
            return Ok(());
        }
        Err(DoorError::new(
            DoorCode::AnswerContradicts,
            "the ledger says something else of the call",
        ))
    }
}

impl Door for HomeDoor {
    fn mode(&self) -> Mode {
        self.mode
    }

    fn servers(&self) -> DoorFuture<'_, Vec<DeclaredServer>> {
        Box::pin(async move {
            let authorizer = self.issuer.authorizer();
            Ok(HomePolicy::catalogue_of(&**authorizer.policy()).servers().to_vec())
        })
    }

    fn listed<'a>(
        &'a self,
        server: &'a str,
        origin: &'a Origin,
        tools: &'a [ListedTool],
    ) -> DoorFuture<'a, Vec<ToolState>> {
        Box::pin(async move {
            let (home, name, at, listed) = (
                Arc::clone(&self.home),
                server.to_owned(),
                origin.clone(),
                tools.to_vec(),
            );
            let offered = offload(move || {
                home.home.change_pins(|pins| {
                    pins.offer(&name, &at, &listed);
                    Ok::<_, actionpass_home::HomeError>(pins.clone())
                })
            });
            let pins = offered
                .await
                .map_err(DoorError::unfinished)?
                .map_err(DoorError::below)?;
            Ok(self.keep(pins).judge(server, origin, tools))
        })
    }

    fn ask<'a>(&'a self, call: Call<'a>, occasion: &'a Occasion) -> DoorFuture<'a, Verdict> {
        Box::pin(self.judge(call, occasion))
    }

    fn refuse<'a>(&'a self, call: Call<'a>, occasion: &'a Occasion, reason: Reason) -> DoorFuture<'a, ()> {
        Box::pin(self.record_refusal(call, occasion, reason))
    }

    fn consume(&self, allowed: Allowed) -> DoorFuture<'_, Permit> {
        Box::pin(self.use_up(allowed))
    }

    fn report<'a>(&'a self, ran: &'a Ran, outcome: Outcome) -> DoorFuture<'a, ()> {
        Box::pin(self.record(ran, outcome))
    }
}

/// What a call is by its name alone, for the record of a refusal: no entry and no schema is asked. An error if not even that
/// can be said.
fn named(call: &Call<'_>) -> Result<Normalized, CallError> {
    Catalogue::empty().derive(*call)
}

/// The task of a call whose door has none.
pub(crate) fn task_of_session(occasion: &Occasion) -> Result<Task, DoorError> {
    let Some(session) = &occasion.session else {
        return Err(DoorError::new(
            DoorCode::SessionMissing,
            "the door has no task, and the call came without the id of a session",
        ));
    };
    check_session(session)?;
    Task::parse(&format!("session:{session}")).map_err(|_| session_malformed())
}

/// The context of a call: the session, and what else goes with it.
pub(crate) fn context(occasion: &Occasion, limits: Limits) -> Result<Option<CanonicalBytes>, DoorError> {
    let malformed = |problem: &str| DoorError::new(DoorCode::ContextMalformed, problem);
    if let Some(context) = &occasion.context {
        if !context.as_str().starts_with('{') {
            return Err(malformed("the context is no object"));
        }
        if context.member(&["session"]).is_some() {
            return Err(malformed("the context has the member `session`, which is the door's"));
        }
    }
    let Some(session) = &occasion.session else {
        return Ok(occasion.context.clone());
    };
    check_session(session)?;
    let rest = occasion
        .context
        .as_ref()
        .and_then(|context| context.as_str().strip_prefix('{'));
    // INVARIANT: a session is of characters that JSON doesn't escape.
    let text = match rest {
        None | Some("}") => format!("{{\"session\":\"{session}\"}}"),
        Some(rest) => format!("{{\"session\":\"{session}\",{rest}"),
    };
    let admitted = actionpass_canon::admit(text.as_bytes(), &limits);
    admitted.map(Some).map_err(|error| malformed(&error.to_string()))
}

fn check_session(session: &str) -> Result<(), DoorError> {
    let is_plain = session
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
    if is_plain && (1..=128).contains(&session.len()) {
        Ok(())
    } else {
        Err(session_malformed())
    }
}

fn session_malformed() -> DoorError {
    DoorError::new(
        DoorCode::SessionMalformed,
        "the id of a session is 1 to 128 visible ASCII characters, without quotes and backslashes",
    )
}
