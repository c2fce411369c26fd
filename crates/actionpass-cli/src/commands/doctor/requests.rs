//! What `doctor` tells of approval requests.

use std::collections::BTreeSet;

use actionpass_model::{Agent, Digest, EndState, RequestId, Tenant, Timestamp};
use actionpass_queue::RequestKey;
use actionpass_store::{LookUp, QueueStore, StateFilter};
use pollster::block_on;

use super::Found;
use crate::commands::requests::each;
use crate::context::Context;
use crate::failure::Outcome;

/// The requests that wait, and what keeps requests from being approved or opened.
pub(super) fn waiting(context: &Context, now: Timestamp) -> Outcome<Found> {
    let home = context.open_home_to_read()?;
    let store = &*home.store;
    let policy = block_on(store.state())?.policy;
    let (mut live, mut superseded) = (0_u64, 0_u64);
    each(store, StateFilter::Live, now, |request| {
        live = live.saturating_add(1);
        superseded = superseded.saturating_add(u64::from(policy != Some(request.policy.digest)));
    })?;
    let mut notes = Vec::new();
    if superseded > 0 {
        notes.push(format!(
            "{superseded} of them are under a policy that is not in force any more: nobody can approve them, and whoever \
             needs them asks again"
        ));
    }
    for (agent, request) in held(store, now)? {
        notes.push(format!(
            "{agent} opens no requests, since three of them were declined or expired within an hour. Look at them, then: \
             `{} requests lift {request} --as user:NAME`",
            context.program()
        ));
    }
    let plural = if live == 1 { "request waits" } else { "requests wait" };
    Ok(Found::new(format!("{live} approval {plural}"), notes))
}

/// The agents whose new requests are held, and the request that brought that about. Only those with a request that came to
/// nothing can be.
fn held(store: &(impl QueueStore + ?Sized), now: Timestamp) -> Outcome<Vec<(Agent, RequestId)>> {
    let mut agents: BTreeSet<(Tenant, Agent)> = BTreeSet::new();
    for end in [EndState::Declined, EndState::Expired] {
        each(store, StateFilter::Ended(end), now, |request| {
            agents.insert((request.tenant, request.actor.agent));
        })?;
    }
    let mut held = Vec::new();
    for (tenant, agent) in agents {
        let key = RequestKey {
            tenant,
            agent: agent.clone(),
            // Whether an agent is held doesn't depend on the action.
            action_hash: Digest::ZERO,
        };
        let known = block_on(store.look_up(LookUp::new().of_request(key, now)))?;
        if let Some(request) = known.standing.and_then(|standing| standing.held_by) {
            held.push((agent, request));
        }
    }
    Ok(held)
}
