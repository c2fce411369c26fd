//! [`ScriptedDoor`]: a door whose answers are written down, for tests of front doors.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use actionpass_canon::{CanonicalBytes, sha256};
use actionpass_client::api::{AuthorizeAnswer, GivenPass, RecordLink, ToldReason};
use actionpass_gate::{Call, Catalogue, DeclaredServer, ListedTool, Normalized, Origin, Pins, ToolState};
use actionpass_model::{ActionId, Code, Decision, PassId, PolicyId, PolicyRef, Reason, RecordId, Timestamp};
use uuid::Uuid;

use crate::verdict::Bound;
use crate::{Allowed, Door, DoorError, DoorFuture, Mode, Observed, Occasion, Outcome, Permit, Ran, Refused, Verdict};

type Script = dyn Fn(&Normalized, &Occasion) -> Result<Decision, DoorError> + Send + Sync;

/// A door that answers as a function says, approves whatever is listed unless told otherwise, and keeps what it was asked.
/// No pass of it is one.
pub struct ScriptedDoor {
    script: Box<Script>,
    catalogue: Catalogue,
    mode: Mode,
    pins: Option<Mutex<Pins>>,
    permits: Option<CanonicalBytes>,
    observes_unsaid: bool,
    seen: Mutex<Vec<Seen>>,
}

/// What a [`ScriptedDoor`] was asked.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Seen {
    /// A server's tools were listed.
    Listed(String),
    /// A call was asked about: tool and payload of its action.
    Asked(String, CanonicalBytes),
    /// The front door refused a call itself: its tool, as its name alone says, and the code.
    Refused(String, Code),
    /// The pass of such a call was consumed.
    Consumed(String),
    /// An outcome was reported.
    Reported(Ran, Outcome),
}

impl fmt::Debug for ScriptedDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedDoor")
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl ScriptedDoor {
    /// A door that decides so.
    #[must_use]
    pub fn new(script: impl Fn(&Normalized, &Occasion) -> Result<Decision, DoorError> + Send + Sync + 'static) -> Self {
        Self {
            script: Box::new(script),
            catalogue: Catalogue::empty(),
            mode: Mode::Enforce,
            pins: None,
            permits: None,
            observes_unsaid: false,
            seen: Mutex::default(),
        }
    }

    /// The same with this catalogue.
    #[must_use]
    pub fn with_catalogue(self, catalogue: Catalogue) -> Self {
        Self { catalogue, ..self }
    }

    /// The same, observing.
    #[must_use]
    pub fn observing(self) -> Self {
        Self {
            mode: Mode::Observe,
            ..self
        }
    }

    /// The same with only these tools approved.
    #[must_use]
    pub fn with_pins(self, pins: Pins) -> Self {
        Self {
            pins: Some(Mutex::new(pins)),
            ..self
        }
    }

    /// The same whose passes are for this payload, whatever was asked.
    #[must_use]
    pub fn permitting(self, payload: CanonicalBytes) -> Self {
        Self {
            permits: Some(payload),
            ..self
        }
    }

    /// The same, observing although it says that it enforces.
    #[must_use]
    pub fn observing_unsaid(self) -> Self {
        Self {
            observes_unsaid: true,
            ..self
        }
    }

    /// What it was asked until now.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, seen: Seen) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    }

    fn decide(&self, call: Call<'_>, occasion: &Occasion) -> Result<Verdict, DoorError> {
        let call = match self.catalogue.normalize(call) {
            Ok(call) => call,
            Err(error) if self.mode == Mode::Observe => return Ok(Verdict::Observed(Observed::unmapped(&error))),
            Err(error) => return Ok(Verdict::Refused(Refused::unmapped(&error))),
        };
        self.note(Seen::Asked(call.tool.as_str().to_owned(), call.payload.clone()));
        let answer = Box::new(answer((self.script)(&call, occasion)?, &call, self.mode)?);
        if self.observes_unsaid || self.mode == Mode::Observe {
            return Ok(Verdict::Observed(Observed::of(answer)));
        }
        Ok(match Allowed::of(answer, Bound::of(call)) {
            Ok(allowed) => Verdict::Allowed(allowed),
            Err(answer) => Verdict::Refused(Refused::of(answer)),
        })
    }
}

impl Door for ScriptedDoor {
    fn mode(&self) -> Mode {
        self.mode
    }

    fn servers(&self) -> DoorFuture<'_, Vec<DeclaredServer>> {
        Box::pin(async { Ok(self.catalogue.servers().to_vec()) })
    }

    fn listed<'a>(
        &'a self,
        server: &'a str,
        origin: &'a Origin,
        tools: &'a [ListedTool],
    ) -> DoorFuture<'a, Vec<ToolState>> {
        Box::pin(async move {
            self.note(Seen::Listed(server.to_owned()));
            let Some(pins) = &self.pins else {
                let mut pins = Pins::default();
                pins.offer(server, origin, tools);
                let at = Timestamp::from_unix_millis(0).ok_or_else(DoorError::without_pass)?;
                for tool in tools {
                    pins.approve(server, tool.name(), at, None).map_err(DoorError::below)?;
                }
                return Ok(pins.judge(server, origin, tools));
            };
            let mut pins = pins.lock().unwrap_or_else(PoisonError::into_inner);
            pins.offer(server, origin, tools);
            Ok(pins.judge(server, origin, tools))
        })
    }

    fn ask<'a>(&'a self, call: Call<'a>, occasion: &'a Occasion) -> DoorFuture<'a, Verdict> {
        Box::pin(async move { self.decide(call, occasion) })
    }

    fn refuse<'a>(&'a self, call: Call<'a>, _: &'a Occasion, reason: Reason) -> DoorFuture<'a, ()> {
        Box::pin(async move {
            let call = Catalogue::empty().derive(call).map_err(DoorError::below)?;
            self.note(Seen::Refused(call.tool.as_str().to_owned(), reason.code));
            Ok(())
        })
    }

    fn consume(&self, allowed: Allowed) -> DoorFuture<'_, Permit> {
        Box::pin(async move {
            self.note(Seen::Consumed(allowed.call.tool.as_str().to_owned()));
            let payload = self.permits.as_ref().unwrap_or(&allowed.call.payload).clone();
            allowed.permit(payload)
        })
    }

    fn report<'a>(&'a self, ran: &'a Ran, outcome: Outcome) -> DoorFuture<'a, ()> {
        Box::pin(async move {
            self.note(Seen::Reported(ran.clone(), outcome));
            Ok(())
        })
    }
}

pub(crate) fn answer(decision: Decision, call: &Normalized, mode: Mode) -> Result<AuthorizeAnswer, DoorError> {
    let now = Timestamp::from_unix_millis(0).ok_or_else(DoorError::without_pass)?;
    let code = match decision {
        Decision::Allow => "rule_allows",
        Decision::Deny => "rule_denies",
        Decision::StepUp => "approval_required",
    };
    let code = actionpass_model::Code::parse(code).ok_or_else(DoorError::without_pass)?;
    let has_pass = decision == Decision::Allow && mode == Mode::Enforce;
    Ok(AuthorizeAnswer {
        decision,
        reasons: vec![ToldReason {
            code,
            rule: None,
            path: None,
            message: "as the test says".to_owned(),
            by: None,
            at: None,
            words: None,
        }],
        required: Vec::new(),
        tool: None,
        resource: None,
        audience: None,
        action_id: ActionId::from_uuid(Uuid::nil()),
        action_hash: sha256(call.payload.as_bytes()),
        payload_hash: call.payload.digest(),
        policy: PolicyRef {
            id: PolicyId::parse("scripted").map_err(|_| DoorError::without_pass())?,
            digest: sha256(b""),
            rules: Vec::new(),
        },
        pass: has_pass.then(|| GivenPass {
            id: PassId::from_uuid(Uuid::nil()),
            token: "e30.e30.".to_owned(),
            expires_at: now,
        }),
        record: RecordLink {
            seq: 0,
            id: RecordId::from_uuid(Uuid::nil()),
            ledger_hash: sha256(b""),
        },
        request: None,
        held_by: None,
        declined: None,
    })
}
