//! `requests`: what waits for people, and what they say to it.

mod cast;
mod shown;
mod watch;

use std::time::Duration;

use actionpass_client::api::RequestItem;
use actionpass_home::duration;
use actionpass_model::{
    Agent, ApprovalRequest, MAX_REQUEST_LIFETIME, Principal, RequestId, RequestState, Tenant, Timestamp, VoteKind,
};
use actionpass_store::{QueueStore, RequestFilter, StateFilter};
use clap::{Args, Subcommand, ValueEnum};
use pollster::block_on;
use serde_json::{Value, json};

use crate::code::CliCode;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::gate::{Gate, GateArgs, Wanted};
use crate::output::{self, Ink, Reply};
use crate::passphrase::PassphraseArgs;
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
    Watch(WatchArgs),
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
    #[command(flatten)]
    gate: GateArgs,
}

#[derive(Args, Debug)]
pub(crate) struct RequestArgs {
    /// The request, `req_…`
    #[arg(value_name = "ID")]
    id: RequestId,
    #[command(flatten)]
    gate: GateArgs,
}

#[derive(Args, Debug)]
pub(crate) struct CancelArgs {
    /// The request, `req_…`
    #[arg(value_name = "ID")]
    id: RequestId,
    /// Who takes it back [default: `user:` and your login]; a service takes its client's name
    #[arg(long = "as", value_name = "PRINCIPAL")]
    by: Option<Principal>,
    #[command(flatten)]
    gate: GateArgs,
}

#[derive(Args, Debug)]
pub(crate) struct WaitArgs {
    /// The request, `req_…`
    #[arg(value_name = "ID")]
    id: RequestId,
    /// For so long at most [default: until it expires]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    timeout: Option<Duration>,
    #[command(flatten)]
    gate: GateArgs,
}

#[derive(Args, Debug)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    gate: GateArgs,
}

#[derive(Args, Debug)]
pub(crate) struct LiftArgs {
    /// The request whose end brought the hold about: `doctor` and a refused step_up name it
    #[arg(value_name = "ID")]
    id: RequestId,
    /// Who lifts it; needed on a home, and a service takes its client's name
    #[arg(long = "as", value_name = "PRINCIPAL")]
    by: Option<Principal>,
    #[command(flatten)]
    gate: GateArgs,
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
    const fn of_request(self) -> RequestState {
        match self {
            Self::Pending => RequestState::Pending,
            Self::Approved => RequestState::Approved,
            Self::Used => RequestState::Used,
            Self::Declined => RequestState::Declined,
            Self::Cancelled => RequestState::Cancelled,
            Self::Expired => RequestState::Expired,
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
            Self::Watch(_) => "requests-watch",
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
            Self::Watch(args) => watch::run(&*open(&args.gate, context, None)?, context),
            Self::Lift(args) => args.run(context),
        }
    }
}

/// The home or the service; `by` is whose name was stated for what is done, which a service knows itself.
fn open<'a>(args: &GateArgs, context: &'a Context, by: Option<&Principal>) -> Outcome<Box<dyn Gate + 'a>> {
    args.open(context, &PassphraseArgs::default(), &[("--as", by.is_some())])
}

impl ListArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let gate = open(&self.gate, context, None)?;
        let found = gate.list(Wanted {
            state: self.state.map(State::of_request),
            tenant: self.tenant,
            agent: self.agent,
        })?;
        let text = if found.is_empty() {
            "no approval requests\n".to_owned()
        } else {
            shown::table(&found)
        };
        Ok(Reply::new(json!({ "requests": to_json(&found)? })).with_data(text))
    }
}

impl RequestArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let looked = open(&self.gate, context, None)?.look(&self.id)?;
        Ok(Reply::new(to_json(&looked.full)?)
            .with_exit(exit(looked.full.state))
            .with_data(shown::full(&looked)))
    }
}

impl CancelArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let gate = open(&self.gate, context, self.by.as_ref())?;
        let (item, by) = gate.cancel(&self.id, self.by)?;
        let by = by.map_or_else(String::new, |by| format!(" by {by}"));
        let talk = format!(
            "{}{by}: nobody can approve it any more\n",
            Ink::stderr().warn("cancelled")
        );
        Ok(state_reply(&item)?.with_talk(talk))
    }
}

impl WaitArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let gate = open(&self.gate, context, None)?;
        // No request waits longer.
        let wait = self.timeout.unwrap_or(MAX_REQUEST_LIFETIME);
        let full = gate.look(&self.id)?.full;
        if full.state == RequestState::Pending && !full.void && !context.is_json {
            output::say(&format!(
                "waiting for people to decide, until {} at most\n",
                full.request.expires_at
            ));
        }
        let item = gate.wait(&self.id, wait)?;
        Ok(state_reply(&item)?.with_exit(exit(item.state)))
    }
}

impl LiftArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let gate = open(&self.gate, context, self.by.as_ref())?;
        if gate.config().is_some() && self.by.is_none() {
            return Err(Failure::new(
                CliCode::OptionMissing,
                "a home is told who lifts it: --as PRINCIPAL",
            ));
        }
        let lifted = gate.lift(&self.id, self.by)?;
        let agent = &lifted.agent;
        let talk = if lifted.lifted {
            format!(
                "{} {agent} may open approval requests again\n",
                Ink::stderr().good("lifted")
            )
        } else {
            format!("nothing keeps {agent} from opening approval requests\n")
        };
        Ok(Reply::new(to_json(&lifted)?).with_talk(talk))
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
fn state_reply(item: &RequestItem) -> Outcome<Reply> {
    Ok(Reply::new(to_json(item)?).with_data(format!("{}\n", item.state.as_str())))
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
    fn states_are_named_as_requests_name_them() {
        for state in State::value_variants() {
            let name = state.to_possible_value().unwrap();
            assert_eq!(state.of_request().as_str(), name.get_name());
        }
    }
}
