//! A service elsewhere as the [`Source`] of a page that doesn't trust it with what people see and sign.
//!
//! Hashes and view are computed here, from the action and the facts that the service sends ([`shown::checked`]); where something
//! differs, nothing of the request is offered. What the service alone can know stays its word: what waits, what is missing, who
//! voted, why the policy asks, and whose passkey it is (`docs/decisions/0009-a-page-elsewhere.md`).
//!
//! The client blocks, so all of it runs beside the threads that answer.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use actionpass_client::api::{FullRequest, RegisterPasskey};
use actionpass_client::{Client, ClientError};
use actionpass_crypto::webauthn::{Registration, RelyingParty};
use actionpass_display::Text;
use actionpass_home::{InvitationSecret, confirmation_code};
use actionpass_model::{
    ApprovalRequest, CodedError as _, Issuer, MAX_REQUEST_LIFETIME, RequestId, RequestState, RpId, Tenant, Tenants,
    Timestamp, WebOrigin,
};
use actionpass_verify::Trust;
use axum::http::StatusCode;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use serde_json::Value;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::look::{Looked, could, is_remembered, outcome, unknown};
use super::question::base64url;
use super::sessions::Person;
use super::source::{Answer, Invited, Registered, Review, Source, Subject, Voted};
use super::{beside, not_registered, now};
use crate::ServerCode;
use crate::problem::Refused;
use crate::requests::shown;

/// How many questions are asked at once to make one page.
const AT_ONCE: usize = 8;
/// How many requests are looked at to make one page.
const MAX_LOOKED_AT: usize = 400;
/// How many pages of a list are read.
const MAX_PAGES: usize = 100;
/// Of how many requests it is remembered what was said first.
const MAX_REMEMBERED: usize = 4096;
/// How many changes somebody may be behind before they are told that they missed some.
const BEHIND: usize = 1024;
/// How long a service is left alone whose events can't be had.
const AFTER_FAILURE: Duration = Duration::from_secs(2);
/// How far the clocks of the service and of this host may differ.
const LEEWAY: Duration = Duration::from_secs(60);

/// A service elsewhere.
#[derive(Debug)]
pub(crate) struct Remote {
    gate: Arc<Gate>,
    changes: broadcast::Sender<Option<RequestId>>,
}

#[derive(Debug)]
struct Gate {
    client: Client,
    /// The origin of this page, which passkeys are bound to.
    origin: WebOrigin,
    /// The trust store as it was sent last, with its version.
    trust: Mutex<Option<(String, Arc<Trust>)>>,
    /// Whose requests these are: what was configured, or what was said first.
    issuer: Mutex<Option<Issuer>>,
    /// What was said of a request first, which doesn't change as long as it lives.
    said: Mutex<HashMap<RequestId, ApprovalRequest>>,
}

impl Remote {
    /// The service that this client asks. A vote is for this issuer alone; for the one that is named first, unless there is one.
    pub(crate) fn new(client: Client, origin: WebOrigin, issuer: Option<Issuer>) -> Self {
        Self {
            gate: Arc::new(Gate {
                client,
                origin,
                trust: Mutex::default(),
                issuer: Mutex::new(issuer),
                said: Mutex::default(),
            }),
            changes: broadcast::Sender::new(BEHIND),
        }
    }

    /// Tells of changes from now on, on a thread of its own that ends with the page. The stream of the service blocks, and for so
    /// long that no pool of the runtime should wait for it.
    pub(crate) fn follow(&self) -> std::io::Result<()> {
        let (gate, changes) = (Arc::downgrade(&self.gate), self.changes.clone());
        let follow = move || {
            while let Some(gate) = gate.upgrade() {
                for event in gate.client.events(None) {
                    match event {
                        // Nobody may be listening.
                        Ok(event) => drop(changes.send(Some(event.request))),
                        Err(error) => tracing::warn!(%error, "nobody is told of changes until the gate answers again"),
                    }
                    if Arc::strong_count(&gate) == 1 {
                        return;
                    }
                }
                let _ = changes.send(None);
                drop(gate);
                thread::sleep(AFTER_FAILURE);
            }
        };
        thread::Builder::new().name("events".to_owned()).spawn(follow).map(drop)
    }

    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Gate) -> Result<T, Refused> + Send + 'static,
    ) -> Answer<'_, T> {
        let gate = Arc::clone(&self.gate);
        Box::pin(async move { beside(move || question(&gate)).await? })
    }
}

impl Source for Remote {
    fn trust(&self) -> Answer<'_, Arc<Trust>> {
        self.ask(Gate::trust)
    }

    fn look<'a>(&'a self, person: &'a Person, id: &'a RequestId) -> Answer<'a, Looked> {
        let (person, id) = (person.clone(), id.clone());
        self.ask(move |gate| looked(&person, gate.review(&id)?).ok_or_else(unknown))
    }

    fn waiting<'a>(&'a self, person: &'a Person, _: Timestamp, most: usize) -> Answer<'a, (Vec<Looked>, bool)> {
        let person = person.clone();
        self.ask(move |gate| gate.waiting(&person, most))
    }

    fn ended<'a>(
        &'a self,
        person: &'a Person,
        now: Timestamp,
        after: RequestId,
        most: usize,
    ) -> Answer<'a, VecDeque<ApprovalRequest>> {
        let person = person.clone();
        self.ask(move |gate| gate.ended(&person, now, &after, most))
    }

    fn vote<'a>(&'a self, id: &'a RequestId, token: &'a str) -> Answer<'a, Voted> {
        let (id, token) = (id.clone(), token.to_owned());
        self.ask(move |gate| gate.vote(&id, &token))
    }

    fn changes(&self) -> BoxStream<'static, Option<RequestId>> {
        let changes = stream::unfold(self.changes.subscribe(), |mut changes| async move {
            match changes.recv().await {
                Ok(change) => Some((change, changes)),
                Err(RecvError::Lagged(_)) => Some((None, changes)),
                Err(RecvError::Closed) => None,
            }
        });
        changes.boxed()
    }

    fn invited(&self, secret: InvitationSecret, _: Timestamp) -> Answer<'_, Invited> {
        self.ask(move |gate| gate.invited(&secret))
    }

    fn register(&self, secret: InvitationSecret, registration: Registration, _: Timestamp) -> Answer<'_, Registered> {
        self.ask(move |gate| gate.register(&secret, &registration))
    }

    fn is_ready(&self) -> BoxFuture<'_, bool> {
        // Any client may have the trust store; a page whose client lacks the right `requests` shows nothing. What was cancelled is
        // listed without being judged.
        let may_ask = |gate: &Gate| {
            gate.trust()?;
            let listed = gate.client.requests(Some(RequestState::Cancelled), None, None, None);
            listed.map(drop).map_err(refused)
        };
        Box::pin(async move { self.ask(may_ask).await.is_ok() })
    }
}

impl Gate {
    fn trust(&self) -> Result<Arc<Trust>, Refused> {
        let known = lock(&self.trust).clone();
        let Some((etag, trust)) = known else {
            return self.took(self.client.trust().map_err(refused)?);
        };
        match self.client.trust_if_changed(&etag).map_err(refused)? {
            None => Ok(trust),
            Some(changed) => self.took(changed),
        }
    }

    fn took(&self, document: actionpass_client::Document) -> Result<Arc<Trust>, Refused> {
        let trust = Trust::parse(document.text.as_bytes()).map_err(|error| {
            tracing::error!(%error, "the trust store that the gate sent can't be used");
            Refused::from(ServerCode::GateUnreachable)
        })?;
        let trust = Arc::new(trust);
        *lock(&self.trust) = document.etag.map(|etag| (etag, Arc::clone(&trust)));
        Ok(trust)
    }

    fn review(&self, id: &RequestId) -> Result<Review, Refused> {
        Ok(self.review_of(self.client.request(id).map_err(refused)?, now()?))
    }

    /// Several of them, in their order.
    fn reviews(&self, ids: &[RequestId]) -> Result<Vec<Review>, Refused> {
        let share = ids.len().div_ceil(AT_ONCE).max(1);
        thread::scope(|scope| {
            let one = |ids: &[RequestId]| ids.iter().map(|id| self.review(id)).collect::<Result<Vec<_>, _>>();
            let asked: Vec<_> = ids.chunks(share).map(|ids| scope.spawn(move || one(ids))).collect();
            let mut reviews = Vec::new();
            for asked in asked {
                reviews.extend(asked.join().map_err(|_| Refused::from(ServerCode::ServiceFailed))??);
            }
            Ok(reviews)
        })
    }

    /// What the service says of a request, held against itself.
    fn review_of(&self, full: FullRequest, now: Timestamp) -> Review {
        let (subject, contradiction) = match self.subject(&full, now) {
            Ok(subject) => (subject, None),
            Err(contradiction) => {
                tracing::error!(request = %full.request.id, contradiction, "the gate contradicts itself");
                (None, Some(contradiction))
            }
        };
        Review {
            request: full.request,
            state: full.state,
            missing: full.missing,
            is_void: full.void,
            words: full.declined.and_then(|declined| declined.words),
            dropped: full.dropped.into_iter().map(|dropped| dropped.id).collect(),
            subject,
            contradiction,
        }
    }

    /// What a vote is signed over, or what is wrong with it.
    fn subject(&self, full: &FullRequest, now: Timestamp) -> Result<Option<Subject>, String> {
        let request = &full.request;
        if let Some(other) = self.said_otherwise(request) {
            return Err(format!("the service said something else of `{other}` before"));
        }
        let checked = shown::checked(full).map_err(|error| error.to_string())?;
        let Some(checked) = checked else { return Ok(None) };
        if request.expires_at > now.saturating_add(MAX_REQUEST_LIFETIME).saturating_add(LEEWAY) {
            return Err("`expiresAt` is more than 24 hours ahead".to_owned());
        }
        let mut issuer = lock(&self.issuer);
        if *issuer.get_or_insert_with(|| checked.issuer.clone()) != checked.issuer {
            return Err(format!("it is for another issuer, `{}`", checked.issuer));
        }
        drop(issuer);
        self.remember(request, now);
        Ok(Some(Subject {
            issuer: checked.issuer,
            action: checked.action,
            facts: checked.facts,
        }))
    }

    /// The first member of a request that was another one before. Votes and how it ends come with time; nothing else does.
    fn said_otherwise(&self, request: &ApprovalRequest) -> Option<String> {
        let before = lock(&self.said).get(&request.id).map(members)??;
        let members = members(request)?;
        let names = before.keys().chain(members.keys());
        names
            .filter(|name| !["votes", "end", "version"].contains(&name.as_str()))
            .find(|name| before.get(*name) != members.get(*name))
            .cloned()
    }

    fn remember(&self, request: &ApprovalRequest, now: Timestamp) {
        let mut said = lock(&self.said);
        if said.contains_key(&request.id) {
            return;
        }
        if said.len() >= MAX_REMEMBERED {
            said.retain(|_, request| request.is_live(now));
        }
        if said.len() < MAX_REMEMBERED {
            said.insert(request.id.clone(), request.clone());
        }
    }

    /// The requests in one of these states, the oldest first, that are for one of a person's tenants.
    fn listed(
        &self,
        person: &Person,
        states: &[RequestState],
        after: Option<&RequestId>,
    ) -> Result<Vec<RequestId>, Refused> {
        let tenants: Vec<Option<&Tenant>> = match &person.tenants {
            Tenants::Any => vec![None],
            Tenants::Only(tenants) => tenants.iter().map(Some).collect(),
        };
        let mut ids = Vec::new();
        for state in states {
            for tenant in &tenants {
                let mut after = after.cloned();
                for _ in 0..MAX_PAGES {
                    let page = self.client.requests(Some(*state), *tenant, None, after.as_ref());
                    let page = page.map_err(refused)?;
                    ids.extend(page.requests.into_iter().map(|item| item.id));
                    after = page.next;
                    if after.is_none() {
                        break;
                    }
                }
            }
        }
        // An id begins with the time of its making.
        ids.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        ids.dedup();
        Ok(ids)
    }

    fn waiting(&self, person: &Person, most: usize) -> Result<(Vec<Looked>, bool), Refused> {
        let ids = self.listed(person, &[RequestState::Pending, RequestState::Approved], None)?;
        let mut waiting = Vec::new();
        let mut left = ids.chunks(AT_ONCE);
        for ids in left.by_ref().take(MAX_LOOKED_AT / AT_ONCE) {
            let reviews = self.reviews(ids)?.into_iter();
            waiting.extend(
                reviews
                    .filter_map(|review| looked(person, review))
                    .filter(Looked::waits),
            );
            if waiting.len() >= most {
                waiting.truncate(most);
                return Ok((waiting, true));
            }
        }
        Ok((waiting, left.next().is_some()))
    }

    fn ended(
        &self,
        person: &Person,
        now: Timestamp,
        after: &RequestId,
        most: usize,
    ) -> Result<VecDeque<ApprovalRequest>, Refused> {
        let states = [
            RequestState::Used,
            RequestState::Declined,
            RequestState::Cancelled,
            RequestState::Expired,
        ];
        let ids = self.listed(person, &states, Some(after))?;
        let newest = ids.get(ids.len().saturating_sub(most)..).unwrap_or_default();
        let ended = self.reviews(newest)?.into_iter().map(|review| review.request);
        Ok(ended.filter(|request| is_remembered(person, request, now)).collect())
    }

    fn vote(&self, id: &RequestId, token: &str) -> Result<Voted, Refused> {
        let item = self.client.vote(id, token).map_err(|error| match error {
            ClientError::Refused { .. } => refused(error),
            error => refused(error)
                .with_detail("the gate can't be reached: whether it took the vote isn't known. Reload the page"),
        })?;
        // It is taken, whatever comes of looking again.
        let text = match self.review(id) {
            Ok(review) => outcome(&review),
            Err(_) => format!("The gate took it: {}.", item.state.as_str()),
        };
        Ok(Voted {
            state: item.state,
            text,
        })
    }

    fn invited(&self, secret: &InvitationSecret) -> Result<Invited, Refused> {
        let invited = self.client.invitation(secret.as_str()).map_err(refused)?;
        Ok(Invited {
            principal: invited.principal,
            roles: invited.roles,
            tenants: invited.tenants,
            expires_at: invited.expires_at,
        })
    }

    /// What its owner reads out is the thumbprint of the key that was made here, so whoever confirms by it confirms this key and no
    /// other.
    fn register(&self, secret: &InvitationSecret, registration: &Registration) -> Result<Registered, Refused> {
        let failed = |_| Refused::from(ServerCode::ServiceFailed);
        let rp_id = RpId::parse(self.origin.host()).map_err(|error| {
            tracing::error!(%error, "the page's host can't have passkeys");
            Refused::from(ServerCode::ServiceFailed)
        })?;
        let party = RelyingParty::new(rp_id, vec![self.origin.clone()]).map_err(failed)?;
        let made = registration.verify(&secret.challenge(), &party);
        let made = made.map_err(|error| not_registered(&error.into()))?;
        let invited = self.client.invitation(secret.as_str()).map_err(refused)?;
        let asked = RegisterPasskey {
            secret: secret.as_str().to_owned(),
            client_data_json: base64url(&registration.client_data_json),
            attestation_object: base64url(&registration.attestation_object),
        };
        self.client.register_passkey(&asked).map_err(refused)?;
        let kid = made.approval_key_of(&invited.principal).kid;
        Ok(Registered {
            principal: invited.principal.to_string(),
            code: confirmation_code(&kid).to_owned(),
            kid,
        })
    }
}

/// A request as this person sees it, if they do. Whether their vote counts, the policy of the service says once it has it; here it
/// counts if they are one of those whose approval was missing.
fn looked(person: &Person, review: Review) -> Option<Looked> {
    let may_vote = review.is_open() && could(person, &review.request);
    Looked::of(person, review, may_vote)
}

fn members(request: &ApprovalRequest) -> Option<serde_json::Map<String, Value>> {
    match serde_json::to_value(request) {
        Ok(Value::Object(members)) => Some(members),
        _ => None,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a person is told: the words of the service as its words, with nothing hidden in them. Why it doesn't answer this page is for
/// whoever runs it, and for the log.
fn refused(error: ClientError) -> Refused {
    const OURS: [&str; 3] = ["client_unauthenticated", "client_forbidden", "host_unknown"];
    let status = error.problem().map(|problem| problem.status);
    match status.and_then(|status| StatusCode::from_u16(status).ok()) {
        Some(status) if status.is_client_error() && !OURS.contains(&error.code().as_str()) => {
            let said = Text::name(&error.to_string()).text;
            let refused = Refused::of(&error).with_status(status);
            refused.with_detail(format!("the gate says: {said}"))
        }
        _ => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(%error, cause, "the gate doesn't answer");
            ServerCode::GateUnreachable.into()
        }
    }
}
