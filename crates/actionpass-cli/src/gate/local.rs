//! [`Local`]: a home, asked through its issuer.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use actionpass_client::api::{Lifted, RequestEvent, RequestItem};
use actionpass_core::{Issuer, Request, RequestCode, Review};
use actionpass_door::told::told;
use actionpass_home::{Config, OpenHome};
use actionpass_model::{ApprovalMode, Caller, EndState, KeyStatus, KeyUse, Principal, RequestId, RequestState, Tenant};
use actionpass_policy::{PolicyEngine as _, Requirement};
use actionpass_server::shown;
use actionpass_store::{Ledger as _, RequestFilter, StateFilter};
use actionpass_verify::{Trust, VerifyCode};
use pollster::block_on;

use super::{Asking, Decided, Gate, Looked, Subject, Voter, Wanted};
use crate::commands::approve::asked;
use crate::commands::approve::known::{Known, Worth};
use crate::commands::approve::outlook::Outlook;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::input;
use crate::passphrase::{self, PassphraseArgs};

/// How many records are read at once.
const PAGE: usize = 256;

/// A home.
pub(super) struct Local<'a> {
    context: &'a Context,
    home: OpenHome,
    secrets: Arc<passphrase::Asked>,
    /// Opened when it is first needed: the one that signs asks for the passphrase of its key.
    signing: OnceCell<Issuer>,
    requests: OnceCell<Issuer>,
}

impl<'a> Local<'a> {
    pub(super) fn open(context: &'a Context, passphrase: &PassphraseArgs) -> Outcome<Self> {
        let home = context.open_home()?;
        let secrets = Arc::new(passphrase.of_old(home.config.signing.passphrase.as_ref()));
        Ok(Self {
            context,
            home,
            secrets,
            signing: OnceCell::new(),
            requests: OnceCell::new(),
        })
    }

    /// The issuer that gives passes.
    fn signing(&self) -> Outcome<&Issuer> {
        if let Some(issuer) = self.signing.get() {
            return Ok(issuer);
        }
        let opened = block_on(self.home.issuer_of_one_request(Arc::clone(&self.secrets) as _));
        let issuer = self.secrets.settle(opened)?;
        Ok(self.signing.get_or_init(|| issuer))
    }

    /// The issuer that looks after requests.
    fn requests(&self) -> Outcome<&Issuer> {
        if let Some(issuer) = self.requests.get() {
            return Ok(issuer);
        }
        let issuer = block_on(self.home.issuer_of_requests())?;
        Ok(self.requests.get_or_init(|| issuer))
    }

    fn review(&self, id: &RequestId) -> Outcome<Review> {
        Ok(block_on(self.requests()?.review(id))?)
    }
}

impl Gate for Local<'_> {
    fn config(&self) -> Option<&Config> {
        Some(&self.home.config)
    }

    /// The program is called with the home already.
    fn options(&self) -> String {
        String::new()
    }

    fn authorize(&self, asking: &Asking<'_>, wait: Duration) -> Outcome<Decided> {
        let head = asking.action.action();
        let caller = Caller {
            tenant: head.tenant.clone(),
            actor: head.actor.clone(),
        };
        let mut request = Request::new(asking.action, &caller)
            .with_facts(asking.facts)
            .with_wait(wait);
        for approval in asking.approvals {
            request = request.with_approval(approval.clone());
        }
        if let Some(audience) = asking.audience {
            request = request.with_audience(audience);
        }
        if !asking.opens {
            request = request.without_opening();
        }
        if let Some(trace) = asking.trace {
            request = request.with_trace(trace);
        }
        let issuer = self.signing()?;
        let decided = self.secrets.settle(block_on(issuer.authorize(request)))?;
        let trust = block_on(issuer.trust())?;
        let nobody_holds = nobody_holds(&decided.required, &head.tenant, &trust);
        let json = serde_json::to_value(&decided).map_err(|error| Failure::internal(&error))?;
        let notes = decided.notes.iter().map(|note| note.reason.clone()).collect();
        Ok(Decided {
            answer: told(decided),
            json,
            notes,
            nobody_holds,
        })
    }

    fn list(&self, wanted: Wanted) -> Outcome<Vec<RequestItem>> {
        let issuer = self.requests()?;
        let asked = wanted.state.map(stored_as);
        let mut filter = RequestFilter::default();
        filter.state = asked.map(|(filter, _)| filter);
        filter.tenant = wanted.tenant;
        filter.agent = wanted.agent;
        let left = asked.and_then(|(_, state)| state);
        let mut found = Vec::new();
        loop {
            let page = block_on(issuer.reviews(&filter))?;
            let Some(last) = page.last() else { return Ok(found) };
            filter.after = Some(last.request.id.clone());
            let is_wanted = |review: &&Review| left.is_none_or(|state| review.state == state);
            found.extend(page.iter().filter(is_wanted).map(shown::item));
        }
    }

    fn look(&self, id: &RequestId) -> Outcome<Looked> {
        let review = self.review(id)?;
        let full = shown::full(&review)?;
        let view = shown::view(&review)?;
        let subject = review.action.zip(view).map(|(action, view)| Subject {
            issuer: self.home.config.issuer.clone(),
            action,
            facts: review.facts,
            view,
        });
        Ok(Looked {
            full,
            subject,
            grants: review.grants,
        })
    }

    fn outlook(&self, looked: &Looked, subject: &Subject, voter: &Voter<'_>) -> Outcome<Option<Outlook>> {
        let request = &looked.full.request;
        let known = Known::read(None, None, &subject.issuer, self.context)?;
        let policy = known.policy.as_ref();
        let policy = policy.map_err(|why| Failure::new(RequestCode::RequestSuperseded, *why))?;
        // It was put there after the issuer was opened: the next command sees it in force.
        if policy.digest() != request.policy.digest {
            return Err(super::not_votable(RequestCode::RequestSuperseded, &request.id));
        }
        let worth = match voter.kid {
            Some(kid) => known.worth(kid, voter.approver, &request.tenant, voter.now)?,
            None => Worth::KeyClosed,
        };
        let outlook =
            |before: &[_], grant| Outlook::new(policy, &subject.action, &subject.facts, voter.now, before, grant);
        let roles = match worth {
            Worth::Counts(roles) => roles,
            Worth::Nothing(code, why) => return Err(Failure::new(code, why)),
            Worth::KeyMissing | Worth::TrustMissing => {
                let problem = "the trust store lacks this key";
                return Err(Failure::new(VerifyCode::ApprovalKeyUnknown, problem)
                    .with_hint("`actionpass trust add` lets it in, with the roles of its owner"));
            }
            // Nothing is signed.
            Worth::KeyClosed => return Ok(Some(outlook(&looked.grants, Err("the key needs its passphrase")))),
        };
        let grant = asked::grant(voter.approver, roles, ApprovalMode::Human, &[], voter.now)?;
        // Whether it is needed beside those of others isn't asked: one of these may fall away.
        if let Some(why) = outlook(&[], Ok(Some(grant.clone()))).useless() {
            let problem = format!("a vote of `{}` doesn't count: {why}", voter.approver);
            return Err(Failure::new(RequestCode::VoteNotCounted, problem));
        }
        Ok(Some(outlook(&looked.grants, Ok(Some(grant)))))
    }

    fn decline_holds(&self) -> Option<Duration> {
        Some(self.home.config.request_terms().decline_holds)
    }

    fn vote(&self, id: &RequestId, token: &str) -> Outcome<RequestItem> {
        Ok(shown::item(&block_on(self.requests()?.vote(id, token))?))
    }

    fn cancel(&self, id: &RequestId, by: Option<Principal>) -> Outcome<(RequestItem, Option<Principal>)> {
        let issuer = self.requests()?;
        let by = input::principal(by)?;
        let review = block_on(issuer.cancel(id, Some(by.clone())))?;
        Ok((shown::item(&review), Some(by)))
    }

    fn wait(&self, id: &RequestId, wait: Duration) -> Outcome<RequestItem> {
        Ok(shown::item(&block_on(self.requests()?.wait_for(id, wait))?))
    }

    fn watch(&self, see: &mut dyn FnMut(&RequestEvent) -> bool) -> Outcome<()> {
        let store = &self.home.store;
        let mut seq = block_on(store.state())?.head.size();
        loop {
            for stored in block_on(store.read(seq, PAGE))? {
                seq = stored.seq.saturating_add(1);
                let Some(event) = block_on(actionpass_core::RequestEvent::of(&**store, &stored.to_record()?))? else {
                    continue;
                };
                if !see(&shown::event(&event)) {
                    return Ok(());
                }
            }
            block_on(store.follow(seq))?;
        }
    }

    fn lift(&self, id: &RequestId, by: Option<Principal>) -> Outcome<Lifted> {
        let agent = self.review(id)?.request.actor.agent;
        let lifted = block_on(self.requests()?.lift_hold(id, by))?;
        Ok(Lifted {
            id: id.clone(),
            agent,
            lifted,
        })
    }
}

/// Where the store has requests in a state, and what is left to be looked for in what it gives.
const fn stored_as(state: RequestState) -> (StateFilter, Option<RequestState>) {
    match state {
        RequestState::Pending | RequestState::Approved => (StateFilter::Live, Some(state)),
        RequestState::Used => (StateFilter::Ended(EndState::Used), None),
        RequestState::Declined => (StateFilter::Ended(EndState::Declined), None),
        RequestState::Cancelled => (StateFilter::Ended(EndState::Cancelled), None),
        RequestState::Expired => (StateFilter::Ended(EndState::Expired), None),
    }
}

/// The first requirement's role that nobody of the tenant could fulfil it with.
fn nobody_holds(required: &[Requirement], tenant: &Tenant, trust: &Trust) -> Option<String> {
    let approvers: Vec<_> = trust
        .keyring()
        .iter()
        .filter(|key| !key.is_revoked())
        .map(|key| key.trust())
        .filter(|key| {
            key.key_use == KeyUse::Approval && key.status == KeyStatus::Active && key.tenants.contains(tenant)
        })
        .collect();
    required.iter().find_map(|requirement| {
        let roles = match requirement {
            Requirement::Approval { roles, .. } | Requirement::Override { roles, .. } => roles,
            _ => return None,
        };
        let is_held = approvers
            .iter()
            .any(|key| roles.is_empty() || key.roles.iter().any(|role| roles.contains(role)));
        (!is_held).then(|| roles.first().map_or_else(|| "ROLE".to_owned(), ToString::to_string))
    })
}
