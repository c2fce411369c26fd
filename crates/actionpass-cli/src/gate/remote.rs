//! [`Remote`]: a service, asked through its client.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use actionpass_canon::{BoundAction, BoundFacts, Limits};
use actionpass_client::api::{
    AuthorizeRequest, FullRequest, Lifted, MAX_WAIT_SECONDS, RequestEvent, RequestItem, VoteSubject,
};
use actionpass_client::{Client, ClientCode, ClientError, Update};
use actionpass_custody::Secret;
use actionpass_display::{Renderer, View};
use actionpass_home::Config;
use actionpass_model::{ApprovalRequest, CodedError as _, Decision, JsonObject, Principal, RequestId, RequestState};

use super::{Asking, Decided, Gate, Looked, Subject, Voter, Wanted};
use crate::clock;
use crate::code::CliCode;
use crate::commands::approve::outlook::Outlook;
use crate::commands::explain;
use crate::failure::{Failure, Outcome};
use crate::passphrase;
use crate::shell::quote;

/// The environment variable that may hold the token.
const VARIABLE: &str = "ACTIONPASS_TOKEN";
/// How long a request is waited for before it is looked at again: what makes it void is no event.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// How long a service is left alone that answers sooner than it was asked to wait.
const PAUSE: Duration = Duration::from_secs(5);
/// What a service admitted is admitted here, as far as it fits into an answer and a reader of JSON: the hashes say whether it is
/// the same.
const LIMITS: Limits = Limits::new()
    .with_max_bytes(32 << 20)
    .with_max_depth(127)
    .with_max_members(1 << 22);

/// A service.
pub(super) struct Remote {
    client: Client,
    /// Whether the command line names it, and not the environment.
    is_named: bool,
}

impl Remote {
    pub(super) fn open(url: &str, is_named: bool, token_file: Option<&Path>) -> Outcome<Self> {
        let token = token(token_file)?;
        let token = std::str::from_utf8(token.expose()).map_err(|_| {
            let problem = "the token of the client has characters that no token has";
            Failure::new(ClientCode::TokenMalformed, problem)
        })?;
        let client = Client::new(url, token).map_err(failed)?;
        Ok(Self { client, is_named })
    }

    fn full(&self, id: &RequestId) -> Outcome<FullRequest> {
        self.client.request(id).map_err(failed)
    }

    /// What a service says against itself.
    fn contradicts(&self, what: &str) -> Failure {
        let problem = format!(
            "what {} sent of the request contradicts itself: {what}",
            self.client.address()
        );
        Failure::new(CliCode::RequestContradicts, problem)
    }

    /// What a vote on a request is signed over, every hash and the view computed from it.
    fn subject(&self, full: &FullRequest, sent: &VoteSubject) -> Outcome<Subject> {
        let action = BoundAction::admit(&bytes(&sent.action)?, &LIMITS);
        let action = action.map_err(|_| self.contradicts("its action is none"))?;
        let facts = match &sent.facts {
            Some(facts) => {
                BoundFacts::admit(&bytes(facts)?, &LIMITS).map_err(|_| self.contradicts("its facts are none"))?
            }
            None => BoundFacts::none(),
        };
        if let Some(differing) = differing(&full.request, &action, &facts) {
            return Err(self.contradicts(&format!("`{differing}` is another in the action or the facts")));
        }
        let shown = full
            .shown
            .as_ref()
            .ok_or_else(|| self.contradicts("`shown` is missing"))?;
        let renderer = Renderer::parse(shown.renderer.as_str())?;
        let view = View::recompute(renderer, &action, &full.request.rules, &facts)?;
        let document = serde_json::from_str(&view.canonical()).map_err(|error| Failure::internal(&error))?;
        if view.shown() != *shown || full.view.as_ref() != Some(&document) {
            return Err(self.contradicts("its view isn't that of its action"));
        }
        Ok(Subject {
            issuer: sent.issuer.clone(),
            action,
            facts,
            view,
        })
    }
}

impl Gate for Remote {
    fn config(&self) -> Option<&Config> {
        None
    }

    fn options(&self) -> String {
        if self.is_named {
            format!(" --gate {}", quote(self.client.address()))
        } else {
            String::new()
        }
    }

    fn authorize(&self, asking: &Asking<'_>, wait: Duration) -> Outcome<Decided> {
        let mut asked = AuthorizeRequest::new(object(asking.action.document().as_str())?);
        asked.facts = asking
            .facts
            .canonical()
            .map(|facts| object(facts.as_str()))
            .transpose()?;
        asked.approvals = asking.approvals.to_vec();
        asked.audience = asking.audience.cloned();
        asked.open = (!asking.opens).then_some(false);
        let begun = Instant::now();
        loop {
            let left = wait.saturating_sub(begun.elapsed());
            let seconds = left.as_secs().min(MAX_WAIT_SECONDS);
            asked.wait = (seconds > 0).then_some(seconds);
            let sent = Instant::now();
            let answer = self.client.authorize(&asked).map_err(failed)?;
            let action = asking.action;
            if (answer.action_hash, answer.payload_hash) != (action.action_hash(), action.payload_hash()) {
                let problem = format!("what {} answers is about another action", self.client.address());
                return Err(Failure::new(ClientCode::AnswerMalformed, problem));
            }
            let left = wait.saturating_sub(begun.elapsed());
            let is_waiting = answer.decision == Decision::StepUp && answer.request.is_some();
            if !is_waiting || left.as_secs() == 0 {
                let json = serde_json::to_value(&answer).map_err(|error| Failure::internal(&error))?;
                return Ok(Decided {
                    answer,
                    json,
                    notes: Vec::new(),
                    nobody_holds: None,
                });
            }
            // It is the same occurrence however often it is asked about.
            let mut members = asked.action.into_inner();
            members.insert("id".to_owned(), answer.action_id.as_str().into());
            asked.action = JsonObject::from(members);
            if sent.elapsed() < Duration::from_secs(seconds) {
                thread::sleep(PAUSE.min(left));
            }
        }
    }

    fn list(&self, wanted: Wanted) -> Outcome<Vec<RequestItem>> {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = self
                .client
                .requests(
                    wanted.state,
                    wanted.tenant.as_ref(),
                    wanted.agent.as_ref(),
                    after.as_ref(),
                )
                .map_err(failed)?;
            // A page with a next one has requests: otherwise this could go on without an end.
            let is_last = page.next.is_none() || page.requests.is_empty();
            found.extend(page.requests);
            if is_last {
                return Ok(found);
            }
            after = page.next;
        }
    }

    fn look(&self, id: &RequestId) -> Outcome<Looked> {
        let mut full = self.full(id)?;
        let subject = match full.subject.take() {
            Some(sent) => Some(self.subject(&full, &sent)?),
            None if full.view.is_some() || full.shown.is_some() => {
                return Err(self.contradicts("it has a view and no action"));
            }
            None => None,
        };
        Ok(Looked {
            full,
            subject,
            grants: Vec::new(),
        })
    }

    /// Policy and trust store are the service's: it refuses a vote that doesn't count.
    fn outlook(&self, _: &Looked, _: &Subject, _: &Voter<'_>) -> Outcome<Option<Outlook>> {
        Ok(None)
    }

    fn decline_holds(&self) -> Option<Duration> {
        None
    }

    fn vote(&self, id: &RequestId, token: &str) -> Outcome<RequestItem> {
        self.client.vote(id, token).map_err(failed)
    }

    fn cancel(&self, id: &RequestId, _: Option<Principal>) -> Outcome<(RequestItem, Option<Principal>)> {
        Ok((self.client.cancel(id).map_err(failed)?, None))
    }

    fn wait(&self, id: &RequestId, wait: Duration) -> Outcome<RequestItem> {
        let begun = Instant::now();
        loop {
            let full = self.full(id)?;
            let left = wait.saturating_sub(begun.elapsed());
            if full.state != RequestState::Pending || full.void || left.is_zero() {
                return Ok(item(full));
            }
            // Until it expires at most, and a little longer for clocks that differ.
            let expires = full.request.expires_at.saturating_since(clock::now()?);
            let nap = left.min(LOOK_AGAIN).min(expires.saturating_add(Duration::from_secs(1)));
            let deadline = Instant::now().checked_add(nap).unwrap_or(begun);
            for update in self.client.updates(id).with_deadline(deadline) {
                match update.map_err(failed)? {
                    Update::State(now) if now.state == RequestState::Pending && !now.void => {}
                    _ => break,
                }
            }
        }
    }

    fn watch(&self, see: &mut dyn FnMut(&RequestEvent) -> bool) -> Outcome<()> {
        for event in self.client.events(None) {
            if !see(&event.map_err(failed)?) {
                break;
            }
        }
        Ok(())
    }

    fn lift(&self, id: &RequestId, _: Option<Principal>) -> Outcome<Lifted> {
        self.client.lift(id).map_err(failed)
    }
}

/// The token of the client.
fn token(file: Option<&Path>) -> Outcome<Secret> {
    if let Some(file) = file {
        return passphrase::of_file(file, "--token-file", "token");
    }
    Secret::from_variable(VARIABLE).ok_or_else(|| {
        let problem = format!("a service is asked with the token of a client: set {VARIABLE} or use --token-file");
        Failure::new(CliCode::OptionMissing, problem)
            .with_hint("`actionpass clients add` on the home of the service makes a client and prints its token once")
    })
}

/// The first member of a request that its action or facts say otherwise.
fn differing(request: &ApprovalRequest, action: &BoundAction, facts: &BoundFacts) -> Option<&'static str> {
    let head = action.action();
    let definition = head.tool_definition.as_ref();
    let same = [
        ("actionHash", request.action_hash == action.action_hash()),
        ("payloadHash", request.payload_hash == action.payload_hash()),
        ("contextHash", request.context_hash == action.context_hash()),
        ("factsHash", request.facts_hash == facts.hash()),
        ("tenant", request.tenant == head.tenant),
        ("actor", request.actor == head.actor),
        ("task", request.task == head.intent.task),
        ("tool", request.tool == head.capability.tool),
        ("resource", request.resource == head.capability.resource),
        (
            "server",
            request.server.as_ref() == definition.map(|definition| &definition.server),
        ),
        (
            "definitionHash",
            request.definition_hash.as_ref() == definition.map(|definition| &definition.definition_hash),
        ),
    ];
    same.into_iter().find_map(|(name, is_same)| (!is_same).then_some(name))
}

/// A request as a list has it.
fn item(full: FullRequest) -> RequestItem {
    RequestItem {
        id: full.request.id,
        state: full.state,
        tool: full.request.tool,
        resource: full.request.resource,
        agent: full.request.actor.agent,
        missing: full.missing,
        void: full.void,
        created_at: full.request.created_at,
        expires_at: full.request.expires_at,
    }
}

fn object(text: &str) -> Outcome<JsonObject> {
    serde_json::from_str(text).map_err(|error| Failure::internal(&error))
}

fn bytes(object: &JsonObject) -> Outcome<Vec<u8>> {
    serde_json::to_vec(object).map_err(|error| Failure::internal(&error))
}

/// Why a question got no answer. A refusal ends a command as it would on a home: text doesn't say a class, so it is looked up.
fn failed(error: ClientError) -> Failure {
    let code = error.code();
    let code = match explain::class_of(code.as_str()) {
        Some(class) => code.with_class(class),
        None => code,
    };
    let offset = error.offset().and_then(|offset| usize::try_from(offset).ok());
    Failure::from_error(code, &error).at(offset)
}
