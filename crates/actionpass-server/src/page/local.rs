//! The issuer of this process as the [`Source`] of its page.

use std::collections::VecDeque;
use std::sync::Arc;

use actionpass_core::{Review as Reviewed, ReviewError};
use actionpass_crypto::webauthn::Registration;
use actionpass_home::{Approvers, HomeError, InvitationSecret};
use actionpass_model::{ApprovalRequest, RequestId, Timestamp};
use actionpass_store::{QueueStore as _, RequestFilter, StateFilter, StoreError};
use actionpass_verify::Trust;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use tokio::sync::broadcast::error::RecvError;

use super::beside;
use super::look::{Looked, is_remembered, outcome, unknown};
use super::sessions::Person;
use super::source::{Answer, Invited, Registered, Review, Source, Subject, Voted};
use crate::ServerCode;
use crate::gate::Gate;
use crate::problem::Refused;

/// How many pages of the store are read for the history.
const MAX_PAGES: usize = 20;

impl Source for Gate {
    fn trust(&self) -> Answer<'_, Arc<Trust>> {
        Box::pin(async { self.issuer.trust().await.map_err(|error| Refused::of(&error)) })
    }

    fn look<'a>(&'a self, person: &'a Person, id: &'a RequestId) -> Answer<'a, Looked> {
        Box::pin(async move {
            let review = self.issuer.review(id).await.map_err(refused)?;
            looked(self, person, review).await?.ok_or_else(unknown)
        })
    }

    fn waiting<'a>(&'a self, person: &'a Person, now: Timestamp, most: usize) -> Answer<'a, (Vec<Looked>, bool)> {
        Box::pin(async move {
            let mut filter = RequestFilter::default();
            filter.state = Some(StateFilter::Live);
            let mut waiting = Vec::new();
            loop {
                let listed = self.home.store.requests(&filter, now).await.map_err(failed)?;
                let Some(last) = listed.last() else {
                    return Ok((waiting, false));
                };
                filter.after = Some(last.id.clone());
                for request in listed {
                    if !person.tenants.contains(&request.tenant) {
                        continue;
                    }
                    if waiting.len() >= most {
                        return Ok((waiting, true));
                    }
                    let review = self.issuer.review(&request.id).await.map_err(refused)?;
                    waiting.extend(looked(self, person, review).await?.filter(Looked::waits));
                }
            }
        })
    }

    fn ended<'a>(
        &'a self,
        person: &'a Person,
        now: Timestamp,
        after: RequestId,
        most: usize,
    ) -> Answer<'a, VecDeque<ApprovalRequest>> {
        Box::pin(async move {
            let mut filter = RequestFilter::default();
            filter.after = Some(after);
            let mut requests = VecDeque::new();
            for _ in 0..MAX_PAGES {
                let listed = self.home.store.requests(&filter, now).await.map_err(failed)?;
                let Some(last) = listed.last() else { break };
                filter.after = Some(last.id.clone());
                for request in listed {
                    if is_remembered(person, &request, now) {
                        if requests.len() >= most {
                            requests.pop_front();
                        }
                        requests.push_back(request);
                    }
                }
            }
            Ok(requests)
        })
    }

    fn vote<'a>(&'a self, id: &'a RequestId, token: &'a str) -> Answer<'a, Voted> {
        Box::pin(async move {
            let review = review_of(self, self.issuer.vote(id, token).await.map_err(refused)?);
            Ok(Voted {
                state: review.state,
                text: outcome(&review),
            })
        })
    }

    fn changes(&self) -> BoxStream<'static, Option<RequestId>> {
        let changes = stream::unfold(self.events.subscribe(), |mut events| async move {
            match events.recv().await {
                Ok(event) => Some((Some(event.request.id.clone()), events)),
                Err(RecvError::Lagged(_)) => Some((None, events)),
                Err(RecvError::Closed) => None,
            }
        });
        changes.boxed()
    }

    fn invited(&self, secret: InvitationSecret, now: Timestamp) -> Answer<'_, Invited> {
        let home = self.home.home.clone();
        Box::pin(async move {
            let invited = beside(move || Approvers::of(&home).invited(&secret, now)).await?;
            let invited = invited.map_err(|error| not_registered(&error))?;
            Ok(Invited {
                principal: invited.principal,
                roles: invited.roles,
                tenants: invited.tenants,
                expires_at: invited.expires_at,
            })
        })
    }

    fn register(&self, secret: InvitationSecret, registration: Registration, now: Timestamp) -> Answer<'_, Registered> {
        let home = self.home.home.clone();
        Box::pin(async move {
            let registered = beside(move || {
                let trust = home.trust_snapshot()?.document;
                Approvers::of(&home).register(&secret, &registration, &trust, now)
            });
            let waiting = registered.await?.map_err(|error| not_registered(&error))?;
            Ok(Registered {
                principal: waiting.key.owner().unwrap_or_default().to_owned(),
                code: waiting.code().to_owned(),
                kid: waiting.key.kid,
            })
        })
    }

    fn is_ready(&self) -> BoxFuture<'_, bool> {
        Box::pin(async { self.issuer.trust().await.is_ok() })
    }
}

/// What may be told of an invitation; what is wrong with the home itself is for the log.
pub(crate) fn not_registered(error: &HomeError) -> Refused {
    match error {
        HomeError::InvitationUnknown | HomeError::Passkey(_) | HomeError::PasskeyKnown => Refused::of(error),
        _ => {
            tracing::error!(%error, "the home can't be used");
            ServerCode::ServiceFailed.into()
        }
    }
}

/// A request as this person sees it, if they do.
async fn looked(gate: &Gate, person: &Person, review: Reviewed) -> Result<Option<Looked>, Refused> {
    if !person.tenants.contains(&review.request.tenant) {
        return Ok(None);
    }
    let may_vote = !review.is_void() && gate.issuer.may_vote(&review, &person.kid).await.map_err(refused)?;
    Ok(Looked::of(person, review_of(gate, review), may_vote))
}

fn review_of(gate: &Gate, review: Reviewed) -> Review {
    let is_void = review.is_void();
    let (facts, issuer) = (review.facts, &gate.home.config.issuer);
    Review {
        is_void,
        request: review.request,
        state: review.state,
        missing: review.missing,
        words: review.declined.and_then(|declined| declined.words),
        dropped: review.dropped.into_iter().map(|dropped| dropped.id).collect(),
        subject: review.action.map(|action| Subject {
            issuer: issuer.clone(),
            action,
            facts,
        }),
        contradiction: None,
    }
}

fn refused(error: ReviewError) -> Refused {
    Refused::of(&error)
}

fn failed(error: StoreError) -> Refused {
    Refused::of(&actionpass_core::AuthorizeError::from(error))
}
