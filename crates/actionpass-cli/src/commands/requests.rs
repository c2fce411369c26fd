//! `requests`: what waits for people, and what they say to it.

mod cast;
mod shown;
mod watch;

use std::time::Duration;

use actionpass_core::{Issuer, RequestState, Review};
use actionpass_home::{OpenHome, duration};
use actionpass_model::{
    Agent, ApprovalRequest, EndState, MAX_REQUEST_LIFETIME, Principal, RequestId, Tenant, Timestamp, VoteKind,
};
use actionpass_store::{QueueStore, RequestFilter, StateFilter};
use clap::{Args, Subcommand, ValueEnum};
use pollster::block_on;
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::input;
use crate::output::{self, Ink, Reply};
use cast::CastArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum RequestsCommand {
    /// List approval requests, the oldest first
    List(ListArgs),
    /// Show a request: what it is, what is missing, who voted, and the action
    Show(RequestArgs),
    /// Look at a request and sign an approval of its action
    Approve(Box<CastArgs>),
    /// Look at a request and sign a refusal, which ends it
    Decline(Box<CastArgs>),
    /// Take a request back
    Cancel(CancelArgs),
    /// Wait until a request is approved or has ended
    Wait(WaitArgs),
    /// Print what happens to requests, until interrupted
    Watch,
    /// Let an agent open requests again that three declined or expired ones keep from it
    Lift(LiftArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// Those in this state
    #[arg(long, value_name = "STATE")]
    state: Option<State>,
    /// Those of this tenant
    #[arg(long, value_name = "TENANT")]
    tenant: Option<Tenant>,
    /// Those of this agent
    #[arg(long, value_name = "AGENT")]
    agent: Option<Agent>,
}

#[derive(Args, Debug)]
pub(crate) struct RequestArgs {
    /// The request, `req_…`
    #[arg(value_name = "ID")]
    id: RequestId,
}

#[derive(Args, Debug)]
pub(crate) struct CancelArgs {
    /// The request, `req_…`
    #[arg(value_name = "ID")]
    id: RequestId,
    /// Who takes it back [default: `user:` and your login]
    #[arg(long = "as", value_name = "PRINCIPAL")]
    by: Option<Principal>,
}

#[derive(Args, Debug)]
pub(crate) struct WaitArgs {
    /// The request, `req_…`
    #[arg(value_name = "ID")]
    id: RequestId,
    /// For so long at most [default: until it expires]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    timeout: Option<Duration>,
}

#[derive(Args, Debug)]
pub(crate) struct LiftArgs {
    /// The request whose end brought the hold about: `doctor` and a refused step_up name it
    #[arg(value_name = "ID")]
    id: RequestId,
    /// Who lifts it
    #[arg(long = "as", value_name = "PRINCIPAL")]
    by: Principal,
}

/// What a request is, as it is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum State {
    /// Approvals are missing
    Pending,
    /// The approvals are there
    Approved,
    /// Its action got its pass
    Used,
    /// Somebody said no
    Declined,
    /// It was taken back, or what it was about changed
    Cancelled,
    /// Nobody decided in time
    Expired,
}

impl State {
    /// What the store is asked for, and what is left to be looked for in what it gives.
    const fn filter(self) -> (StateFilter, Option<RequestState>) {
        match self {
            Self::Pending => (StateFilter::Live, Some(RequestState::Pending)),
            Self::Approved => (StateFilter::Live, Some(RequestState::Approved)),
            Self::Used => (StateFilter::Ended(EndState::Used), None),
            Self::Declined => (StateFilter::Ended(EndState::Declined), None),
            Self::Cancelled => (StateFilter::Ended(EndState::Cancelled), None),
            Self::Expired => (StateFilter::Ended(EndState::Expired), None),
        }
    }
}

impl RequestsCommand {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::List(_) => "requests-list",
            Self::Show(_) => "requests-show",
            Self::Approve(_) => "requests-approve",
            Self::Decline(_) => "requests-decline",
            Self::Cancel(_) => "requests-cancel",
            Self::Wait(_) => "requests-wait",
            Self::Watch => "requests-watch",
            Self::Lift(_) => "requests-lift",
        }
    }

    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        match self {
            Self::List(args) => args.run(context),
            Self::Show(args) => args.run(context),
            Self::Approve(args) => args.run(VoteKind::Approve, context),
            Self::Decline(args) => args.run(VoteKind::Decline, context),
            Self::Cancel(args) => args.run(context),
            Self::Wait(args) => args.run(context),
            Self::Watch => watch::run(context),
            Self::Lift(args) => args.run(context),
        }
    }
}

/// The home with the issuer of its requests.
struct Queue {
    home: OpenHome,
    issuer: Issuer,
}

impl Queue {
    fn open(context: &Context) -> Outcome<Self> {
        let home = context.open_home()?;
        let issuer = block_on(home.issuer_of_requests())?;
        Ok(Self { home, issuer })
    }

    fn review(&self, id: &RequestId) -> Outcome<Review> {
        Ok(block_on(self.issuer.review(id))?)
    }
}

impl ListArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let queue = Queue::open(context)?;
        let asked = self.state.map(State::filter);
        let mut filter = RequestFilter::default();
        filter.state = asked.map(|(filter, _)| filter);
        filter.tenant = self.tenant;
        filter.agent = self.agent;
        let wanted = asked.and_then(|(_, state)| state);
        let mut found = Vec::new();
        loop {
            let page = block_on(queue.issuer.reviews(&filter))?;
            let Some(last) = page.last() else { break };
            filter.after = Some(last.request.id.clone());
            let is_wanted = |review: &Review| wanted.is_none_or(|state| review.state == state);
            found.extend(page.into_iter().filter(is_wanted));
        }
        let items: Vec<Value> = found.iter().map(shown::item).collect();
        let text = if found.is_empty() {
            "no approval requests\n".to_owned()
        } else {
            shown::table(&found)
        };
        Ok(Reply::new(json!({ "requests": items })).with_data(text))
    }
}

impl RequestArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let review = Queue::open(context)?.review(&self.id)?;
        Ok(Reply::new(shown::full_json(&review)?)
            .with_exit(exit(review.state))
            .with_data(shown::full(&review)?))
    }
}

impl CancelArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let queue = Queue::open(context)?;
        let by = input::principal(self.by)?;
        let review = block_on(queue.issuer.cancel(&self.id, Some(by.clone())))?;
        let talk = format!(
            "{} by {by}: nobody can approve it any more\n",
            Ink::stderr().warn("cancelled")
        );
        Ok(state_reply(&review).with_talk(talk))
    }
}

impl WaitArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let queue = Queue::open(context)?;
        // No request waits longer.
        let wait = self.timeout.unwrap_or(MAX_REQUEST_LIFETIME);
        let review = queue.review(&self.id)?;
        if review.state == RequestState::Pending && !review.is_void() && !context.is_json {
            output::say(&format!(
                "waiting for people to decide, until {} at most\n",
                review.request.expires_at
            ));
        }
        let review = block_on(queue.issuer.wait_for(&self.id, wait))?;
        Ok(state_reply(&review).with_exit(exit(review.state)))
    }
}

impl LiftArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let queue = Queue::open(context)?;
        let agent = queue.review(&self.id)?.request.actor.agent;
        let is_lifted = block_on(queue.issuer.lift_hold(&self.id, Some(self.by)))?;
        let talk = if is_lifted {
            format!(
                "{} {agent} may open approval requests again\n",
                Ink::stderr().good("lifted")
            )
        } else {
            format!("nothing keeps {agent} from opening approval requests\n")
        };
        Ok(Reply::new(json!({ "id": self.id, "agent": agent, "lifted": is_lifted })).with_talk(talk))
    }
}

/// Hands on the requests in a state, page by page, as the store has them.
pub(crate) fn each(
    store: &(impl QueueStore + ?Sized),
    state: StateFilter,
    now: Timestamp,
    mut see: impl FnMut(ApprovalRequest),
) -> Outcome<()> {
    let mut filter = RequestFilter::default();
    filter.state = Some(state);
    loop {
        let page = block_on(store.requests(&filter, now))?;
        let Some(last) = page.last() else { return Ok(()) };
        filter.after = Some(last.id.clone());
        page.into_iter().for_each(&mut see);
    }
}

/// The state on stdout, and what `list` says of the request.
fn state_reply(review: &Review) -> Reply {
    Reply::new(shown::item(review)).with_data(format!("{}\n", review.state.as_str()))
}

/// As `authorize` would exit: allowed, denied, or still waiting.
const fn exit(state: RequestState) -> u8 {
    match state {
        RequestState::Approved | RequestState::Used => 0,
        RequestState::Declined | RequestState::Cancelled | RequestState::Expired => 10,
        RequestState::Pending => 11,
    }
}

/// A value as JSON.
fn to_json(value: &impl serde::Serialize) -> Outcome<Value> {
    serde_json::to_value(value).map_err(|error| Failure::internal(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_found_where_the_store_has_it() {
        for state in State::value_variants() {
            let (filter, left) = state.filter();
            let name = state.to_possible_value().unwrap();
            match (filter, left) {
                (StateFilter::Live, Some(state)) => assert_eq!(state.as_str(), name.get_name()),
                (StateFilter::Ended(end), None) => assert_eq!(end.as_str(), name.get_name()),
                other => panic!("{other:?}"),
            }
        }
    }
}
