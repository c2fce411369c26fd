//! [`Remote`]: a service, asked through its client.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use actionpass_client::api::{AuthorizeRequest, FullRequest, Lifted, MAX_WAIT_SECONDS, RequestEvent, RequestItem};
use actionpass_client::{Client, ClientCode, ClientError, Update};
use actionpass_custody::Secret;
use actionpass_home::Config;
use actionpass_model::{CodedError as _, Decision, JsonObject, Principal, RequestId, RequestState};
use actionpass_server::ServerCode;
use actionpass_server::shown::{self, SubjectError};

use super::{Asking, Decided, Gate, Looked, Subject, Voter, Wanted};
use crate::clock;
use crate::code::CliCode;
use crate::commands::approve::outlook::Outlook;
use crate::commands::explain;
use crate::failure::{Failure, Outcome};
use crate::passphrase;
use crate::shell::quote;

/// What every token begins with.
const TOKEN_PREFIX: &str = "apc_";
/// The environment variable that may hold the token.
const VARIABLE: &str = "ACTIONPASS_TOKEN";
/// How long a request is waited for before it is looked at again: what makes it void is no event.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// How long a service is left alone that answers sooner than it was asked to wait.
const PAUSE: Duration = Duration::from_secs(5);
/// A service.
pub(super) struct Remote {
    client: Client,
    /// Whether the command line names it, and not the environment.
    is_named: bool,
}

impl Remote {
    pub(super) const fn new(client: Client, is_named: bool) -> Self {
        Self { client, is_named }
    }

    fn full(&self, id: &RequestId) -> Outcome<FullRequest> {
        self.client.request(id).map_err(failed)
    }

    /// What a vote on a request is signed over, every hash and the view computed from it.
    fn subject(&self, full: &FullRequest) -> Outcome<Option<Subject>> {
        let checked = shown::checked(full).map_err(|error| match error {
            SubjectError::Contradicts(what) => {
                let address = self.client.address();
                let problem = format!("what {address} sent of the request contradicts itself: {what}");
                Failure::new(ServerCode::RequestContradicts, problem)
            }
            error => error.into(),
        })?;
        Ok(checked.map(|checked| Subject {
            issuer: checked.issuer,
            action: checked.action,
            facts: checked.facts,
            view: checked.view,
        }))
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
            asked.action = asked.action.map(|action| {
                let mut members = action.into_inner();
                members.insert("id".to_owned(), answer.action_id.as_str().into());
                JsonObject::from(members)
            });
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
        let subject = self.subject(&full)?;
        full.subject = None;
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

/// A client of the service at this address.
pub(super) fn client(url: &str, token_file: Option<&Path>) -> Outcome<Client> {
    let token = token(token_file)?;
    let token = std::str::from_utf8(token.expose()).map_err(|_| {
        let problem = "the token of the client has characters that no token has";
        Failure::new(ClientCode::TokenMalformed, problem)
    })?;
    Client::new(url, token).map_err(failed)
}

/// The token of the client.
fn token(file: Option<&Path>) -> Outcome<Secret> {
    if let Some(file) = file {
        if file.to_str().is_some_and(|name| name.starts_with(TOKEN_PREFIX)) {
            let problem = "--token-file takes the name of a file with the token in its first line, and was given what looks like a token";
            return Err(Failure::new(CliCode::UsageInvalid, problem).with_hint(format!(
                "put the token into {VARIABLE} or into a file of mode 0600. Whoever sees the command lines of this machine may have \
                 seen it, and the history of the shell has it: `actionpass clients remove NAME` on the home of the service, then \
                 `clients add` makes another. A file of such a name is `./{TOKEN_PREFIX}…`"
            )));
        }
        return passphrase::of_file(file, "--token-file", "token");
    }
    Secret::from_variable(VARIABLE).ok_or_else(|| {
        let problem = format!("a service is asked with the token of a client: set {VARIABLE} or use --token-file");
        Failure::new(CliCode::OptionMissing, problem)
            .with_hint("`actionpass clients add` on the home of the service makes a client and prints its token once")
    })
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
