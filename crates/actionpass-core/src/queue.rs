//! What an authorization has to do with the queue: what waits for its action, what it opens, and waiting.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actionpass_canon::{BoundFacts, Limits};
use actionpass_model::{
    ApprovalRequest, Decision, DecisionRef, EndState, MAX_REQUEST_LIFETIME, PolicyVersion, Principal, Reason, RecordId,
    RequestBody, RequestChange, RequestId, RequestSchema, RequiredApproval, RuleNote, Tenant, Timestamp, UnixSeconds,
    VoteKind,
};
use actionpass_policy::{PolicyInput, Requirement, Verdict};
use actionpass_queue::{RequestCode, RequestKey, Step};
use actionpass_store::ledger::{RecordDraft, RecordRef};
use actionpass_store::{
    Change, ChangeOutcome, Open, QueuePart, QueueStore, RequestPart, SideKind, Standing, StoredRequest, VoteToken,
};
use actionpass_verify::Trust;
use actionpass_verify::approval::{OfRequest, check_refusal};

use crate::authorize::Authorizer;
use crate::call::{AdmittedCall, Asked, Judged};
use crate::environment::{Ids, random_salt, within};
use crate::{Authorization, AuthorizeCode, AuthorizeError, Declined, RequestAnswer, RequestState};

/// How often a request is looked at while somebody waits for it: a vote of another process is noticed within half a
/// second.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often whoever waits looks at the clock, where a watch says whether the request moved: a request expires by the clock,
/// which may be set.
const CLOCK_EVERY: Duration = Duration::from_secs(2);
/// How often something is tried again when the queue moved under it. Each time somebody else got on: a vote, a retry, an end.
pub(crate) const MAX_MOVES: usize = 64;
/// Within this time an unchanged answer is the record of before.
const REPEATED_WITHIN: Duration = Duration::from_secs(60);
/// How many answers are remembered before those are forgotten that nobody would get again.
const REMEMBERED: usize = 1024;
/// What lies beside a request was admitted when it was opened, by the limits of whoever admitted it, and is held against its
/// hashes. So it is read again whatever it measures: the depth is where readers behind the gate stop.
pub(crate) const STORED_LIMITS: Limits = Limits::new()
    .with_max_bytes(Limits::MAX_BYTES_CEILING)
    .with_max_depth(127)
    .with_max_members(usize::MAX);
/// The most reasons that say what differs from the request of before.
const MAX_DIFFERENCES: usize = 16;

/// What waited for an action when it was judged.
#[derive(Debug)]
pub(crate) enum Waits {
    /// The issuer keeps no queue.
    NoQueue,
    /// Nothing.
    Nothing,
    /// This request, which is about the same.
    Same(Box<StoredRequest>),
    /// This request, which is about something else: it ends for that reason, and these say what differs.
    Other(Box<StoredRequest>, RequestCode, Vec<Reason>),
}

impl Waits {
    /// The request whose votes count.
    pub(crate) fn request(&self) -> Option<&StoredRequest> {
        match self {
            Self::Same(stored) => Some(stored),
            Self::NoQueue | Self::Nothing | Self::Other(..) => None,
        }
    }

    pub(crate) fn of_request(&self) -> OfRequest<'_> {
        self.request()
            .map_or(OfRequest::NoRequest, |stored| OfRequest::Only(&stored.request.id))
    }

    /// The approvals that people cast for it.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = &String> {
        let approvals = self.request().into_iter().flat_map(StoredRequest::approvals);
        approvals.map(|vote: &VoteToken| &vote.token)
    }

    /// Why votes of before are void.
    pub(crate) fn differences(&self) -> &[Reason] {
        match self {
            Self::Other(_, _, reasons) => reasons,
            Self::NoQueue | Self::Nothing | Self::Same(_) => &[],
        }
    }
}

/// The records of step_ups that were answered of late, by request: whoever asks again and again while nothing moves gets
/// the same answer without a record of its own.
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<HashMap<RequestId, Answered>>);

#[derive(Clone, Debug)]
struct Answered {
    version: u64,
    at: Timestamp,
    record: RecordRef,
    reasons: Vec<Reason>,
}

impl Answered {
    fn is_recent(&self, now: Timestamp) -> bool {
        self.at <= now && now < self.at.saturating_add(REPEATED_WITHIN)
    }
}

impl Recent {
    fn lock(&self) -> MutexGuard<'_, HashMap<RequestId, Answered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, request: &ApprovalRequest, reasons: &[Reason], now: Timestamp) -> Option<RecordRef> {
        let answers = self.lock();
        let answered = answers.get(&request.id)?;
        let is_same = answered.version == request.version && answered.reasons == reasons && answered.is_recent(now);
        is_same.then(|| answered.record.clone())
    }

    pub(crate) fn put(
        &self,
        request: &RequestId,
        version: u64,
        reasons: &[Reason],
        record: &RecordRef,
        now: Timestamp,
    ) {
        let mut answers = self.lock();
        if answers.len() >= REMEMBERED {
            answers.retain(|_, answered| answered.is_recent(now));
        }
        if answers.len() < REMEMBERED {
            let answered = Answered {
                version,
                at: now,
                record: record.clone(),
                reasons: reasons.to_vec(),
            };
            answers.insert(request.clone(), answered);
        }
    }
}

impl Authorizer {
    pub(crate) fn queue(&self) -> Option<&dyn QueueStore> {
        self.parts.queue.as_deref()
    }

    pub(crate) fn request_key(call: &AdmittedCall<'_>) -> RequestKey {
        RequestKey {
            tenant: call.key.tenant.clone(),
            agent: call.key.agent.clone(),
            action_hash: call.action.action_hash(),
        }
    }

    /// What waits for the action, and whether it is about what the call is about.
    pub(crate) fn waits(
        &self,
        call: &AdmittedCall<'_>,
        live: Option<StoredRequest>,
        restored: Option<UnixSeconds>,
    ) -> Waits {
        let Some(stored) = live else { return Waits::Nothing };
        let request = &stored.request;
        if is_lost(request, restored) {
            let lost = Reason::new(RequestCode::RequestStateLost);
            return Waits::Other(Box::new(stored), RequestCode::RequestStateLost, vec![lost]);
        }
        let differs = |path: &str| Reason::new(RequestCode::RequestSuperseded).with_path(path);
        let mut reasons = Vec::new();
        if request.context_hash != call.action.context_hash() {
            reasons.push(differs("context"));
        }
        if request.facts_hash != call.facts.hash() {
            reasons.extend(facts_that_differ(&stored, &call.facts).iter().map(|path| differs(path)));
        }
        if request.policy.digest != self.parts.policy.digest() {
            reasons.push(differs("policy"));
        }
        if reasons.is_empty() {
            Waits::Same(Box::new(stored))
        } else {
            Waits::Other(Box::new(stored), RequestCode::RequestSuperseded, reasons)
        }
    }

    /// Records that the time of these requests is over; whether any was recorded. What another process was faster to
    /// record needs no second record.
    pub(crate) async fn close_overdue(
        &self,
        queue: &dyn QueueStore,
        overdue: Vec<ApprovalRequest>,
        now: Timestamp,
    ) -> Result<bool, AuthorizeError> {
        let mut ids = Ids::new();
        let mut has_closed = false;
        for request in overdue {
            let body = RequestBody::new(request.id.clone(), RequestChange::Expire, request.action_hash);
            let change = Change {
                request: request.id,
                version: request.version,
                step: Step::Expire { at: now },
                token: None,
                record: self.change_record(&mut ids, body, &request.tenant, now)?,
            };
            has_closed |= matches!(self.bounded(queue.change(change)).await?, ChangeOutcome::Changed(..));
        }
        Ok(has_closed)
    }

    /// The record of a change, with commitments in the place of its hashes if the issuer is configured so.
    pub(crate) fn change_record(
        &self,
        ids: &mut Ids,
        mut body: RequestBody,
        tenant: &Tenant,
        now: Timestamp,
    ) -> Result<RecordDraft, AuthorizeError> {
        let salt = if self.config.salted_commitments {
            let salt = random_salt(&*self.random).ok_or(AuthorizeCode::RandomnessUnavailable)?;
            salt.hide_request(&mut body);
            Some(salt)
        } else {
            None
        };
        let id = self.id(ids, now, RecordId::from_uuid)?;
        let record = RecordDraft::new(id, now, &body)?.with_tenant(tenant.clone());
        Ok(match salt {
            Some(salt) => record.with_side(SideKind::Salt, salt.as_bytes().to_vec()),
            None => record,
        })
    }

    /// The end of a request that isn't about what is judged now.
    pub(crate) fn cancellation(
        &self,
        ids: &mut Ids,
        request: &ApprovalRequest,
        by: Option<Principal>,
        code: RequestCode,
        now: Timestamp,
    ) -> Result<Change, AuthorizeError> {
        let mut body = RequestBody::new(request.id.clone(), RequestChange::Cancel, request.action_hash);
        body.code = Some(code.into());
        body.principal = by.clone();
        Ok(Change {
            request: request.id.clone(),
            version: request.version,
            step: Step::Cancel {
                at: now,
                by,
                code: code.into(),
            },
            token: None,
            record: self.change_record(ids, body, &request.tenant, now)?,
        })
    }

    /// What a decision does to the queue, and the request that its record names.
    pub(crate) fn queue_part(
        &self,
        call: &mut AdmittedCall<'_>,
        judged: &Judged,
        waits: &Waits,
        now: Timestamp,
    ) -> Result<Option<QueuePart>, AuthorizeError> {
        let decision = judged.verdict.decision;
        let (request, other) = match waits {
            Waits::NoQueue => return Ok(None),
            Waits::Same(stored) => {
                let (id, version) = (stored.request.id.clone(), stored.request.version);
                let part = match decision {
                    Decision::Allow => RequestPart::Settles(id, version),
                    Decision::StepUp => RequestPart::Joins(id, version),
                    Decision::Deny => RequestPart::Apart,
                };
                (part, None)
            }
            Waits::Nothing | Waits::Other(..) if decision == Decision::Deny => (RequestPart::Apart, None),
            Waits::Nothing => (self.opening(call, judged, now)?, None),
            Waits::Other(stored, code, _) => (self.opening(call, judged, now)?, Some((stored, *code))),
        };
        let supersedes = match other {
            // Where nothing takes its place it stays: its votes are void for as long as something differs.
            Some(_) if matches!(request, RequestPart::Apart) => None,
            Some((stored, code)) => Some(self.cancellation(&mut call.ids, &stored.request, None, code, now)?),
            None => None,
        };
        Ok(Some(QueuePart {
            key: Self::request_key(call),
            supersedes,
            request,
        }))
    }

    /// The request that a step_up opens; an allow opens none.
    fn opening(
        &self,
        call: &mut AdmittedCall<'_>,
        judged: &Judged,
        now: Timestamp,
    ) -> Result<RequestPart, AuthorizeError> {
        if judged.verdict.decision == Decision::Allow {
            return Ok(RequestPart::None);
        }
        if !call.opens {
            return Ok(RequestPart::Apart);
        }
        // What policy asks of votes alone, as every look at the request will judge it: an approval that was offered beside it is
        // no vote, and what only an offered override made a step_up waits for nobody.
        let alone = PolicyInput::new(call.action, &call.facts, &[]).at(now);
        let alone = self.parts.policy.evaluate(&alone);
        let required = required_approvals(&alone);
        if alone.decision != Decision::StepUp || required.is_empty() {
            return Ok(RequestPart::Apart);
        }
        let terms = &self.config.requests;
        let head = call.action.action();
        let definition = head.tool_definition.as_ref();
        let request = ApprovalRequest {
            schema: RequestSchema,
            id: self.id(&mut call.ids, now, RequestId::from_uuid)?,
            tenant: call.key.tenant.clone(),
            actor: head.actor.clone(),
            task: head.intent.task.clone(),
            tool: head.capability.tool.clone(),
            resource: head.capability.resource.clone(),
            server: definition.map(|definition| definition.server.clone()),
            definition_hash: definition.map(|definition| definition.definition_hash),
            action_id: call.key.action.clone(),
            action_hash: call.action.action_hash(),
            payload_hash: call.action.payload_hash(),
            context_hash: call.action.context_hash(),
            facts_hash: call.facts.hash(),
            policy: PolicyVersion {
                id: judged.policy.id.clone(),
                digest: judged.policy.digest,
            },
            rules: required.iter().map(|required| required.rule.clone()).collect(),
            reasons: alone.reasons.clone(),
            notes: notes(&alone),
            required,
            // The store fills in which record it is.
            decision: DecisionRef {
                seq: 0,
                id: self.id(&mut call.ids, now, RecordId::from_uuid)?,
            },
            created_at: now,
            expires_at: expiry(now, terms.lifetime),
            end: None,
            votes: Vec::new(),
            version: 0,
        };
        let mut stored = StoredRequest::new(request);
        stored.action = Some(call.action.document().as_bytes().to_vec());
        stored.facts = call.facts.canonical().map(|facts| facts.as_bytes().to_vec());
        Ok(RequestPart::Opens(Box::new(Open {
            request: stored,
            limits: terms.limits,
            client: call.client.clone(),
        })))
    }

    /// The record of the same answer of a moment ago, if there is one.
    pub(crate) async fn answered_before(
        &self,
        request: &ApprovalRequest,
        judged: &Judged,
        now: Timestamp,
    ) -> Result<Option<RecordRef>, AuthorizeError> {
        if let Some(record) = self.recent.get(request, &judged.reasons, now) {
            return Ok(Some(record));
        }
        // The record that opened it, by whatever process.
        let is_opening = request.version == 0
            && request.reasons == judged.reasons
            && request.created_at <= now
            && now < request.created_at.saturating_add(REPEATED_WITHIN);
        if !is_opening {
            return Ok(None);
        }
        let read = self.bounded(self.parts.store.read(request.decision.seq, 1)).await?;
        let record = read.first().and_then(|stored| stored.to_record().ok());
        let record = record.filter(|record| record.id == request.decision.id);
        Ok(record.map(|record| RecordRef {
            seq: record.seq,
            id: record.id,
            ledger_hash: record.ledger_hash,
        }))
    }

    /// Waits until the request moves or its time is over; `false` if the caller's time is over first, or nobody shall wait.
    pub(crate) async fn park(
        &self,
        queue: &dyn QueueStore,
        request: &RequestAnswer,
        version: u64,
        wait: Duration,
        asked: &mut Asked,
    ) -> Result<bool, AuthorizeError> {
        asked.waited_for = Some(request.id.clone());
        while asked.waited < wait && !self.is_over() {
            let left = wait.saturating_sub(asked.waited);
            let (nap, has_moved) = self.nap(queue, &request.id, version, left).await?;
            asked.waited = asked.waited.saturating_add(nap);
            if self.is_over() {
                break;
            }
            if has_moved || request.expires_at <= self.now()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether nobody shall wait any more.
    pub(crate) fn is_over(&self) -> bool {
        self.watch.as_ref().is_some_and(|watch| watch.is_over())
    }

    /// Sleeps, not longer than this, and says for how long and whether the request has moved. Where it moved, it may have been
    /// for less.
    pub(crate) async fn nap(
        &self,
        queue: &dyn QueueStore,
        request: &RequestId,
        version: u64,
        left: Duration,
    ) -> Result<(Duration, bool), AuthorizeError> {
        if let Some(watch) = &self.watch {
            let nap = CLOCK_EVERY.min(left);
            let moved = within(&*self.timer, nap, watch.moved(request, version)).await;
            return Ok((nap, moved.is_some()));
        }
        let nap = LOOK_EVERY.min(left);
        self.timer.sleep(nap).await;
        let at = self.bounded(queue.request_version(request)).await?;
        Ok((nap, at != Some(version)))
    }

    /// How the request ended that was waited for, where it doesn't wait any more.
    pub(crate) async fn ended_meanwhile(
        &self,
        queue: &dyn QueueStore,
        asked: &Asked,
        now: Timestamp,
    ) -> Result<Option<EndState>, AuthorizeError> {
        let Some(id) = &asked.waited_for else { return Ok(None) };
        let stored = self.bounded(queue.request(id)).await?;
        Ok(stored.and_then(|stored| stored.request.ended(now)))
    }

    /// Who declined a request, as its agent learns it.
    pub(crate) fn declined(&self, stored: &StoredRequest, trust: &Trust) -> Option<Declined> {
        let request = &stored.request;
        let end = request.end.as_ref()?;
        let is_no = |token: &&VoteToken| {
            let mut votes = request.votes.iter();
            votes.any(|vote| {
                vote.kind == VoteKind::Decline && vote.id == token.vote && vote.principal == token.principal
            })
        };
        let token = stored.tokens.iter().find(is_no);
        // Words of somebody whose signature doesn't verify any more are nobody's.
        let words = token.and_then(|token| self.words(request, &token.token, trust));
        Some(Declined {
            request: request.id.clone(),
            by: end.by.clone()?,
            at: end.at,
            until: end.holds_until?,
            words,
        })
    }

    fn words(&self, request: &ApprovalRequest, token: &str, trust: &Trust) -> Option<actionpass_model::Statement> {
        let at = request.end.as_ref()?.at.to_unix_seconds();
        let context = self.vote_context(request, request.policy.digest, at);
        let refusal = check_refusal(token, &context, trust).ok()?;
        Some(refusal.reason().clone())
    }
}

impl Authorization {
    pub(crate) fn with_request(mut self, request: &ApprovalRequest, state: RequestState) -> Self {
        self.request = Some(RequestAnswer {
            id: request.id.clone(),
            state,
            expires_at: request.expires_at,
        });
        self
    }
}

/// Whether a request is of before the store was restored.
pub(crate) fn is_lost(request: &ApprovalRequest, restored: Option<UnixSeconds>) -> bool {
    restored.is_some_and(|start| request.created_at.to_unix_seconds() < start)
}

/// When a request that is opened now expires: in whole seconds, as the `exp` of its votes is. Nobody gets less time than was
/// configured, and nobody more than the most there is.
fn expiry(now: Timestamp, lifetime: Duration) -> Timestamp {
    let at = now.saturating_add(lifetime).to_unix_seconds();
    let rounded_up = at.saturating_add(1).to_timestamp();
    if at.to_timestamp() == now.saturating_add(lifetime) || rounded_up > now.saturating_add(MAX_REQUEST_LIFETIME) {
        at.to_timestamp()
    } else {
        rounded_up
    }
}

/// What people can turn of a verdict.
pub(crate) fn required_approvals(verdict: &Verdict) -> Vec<RequiredApproval> {
    let approvals = verdict.required.iter().filter_map(|required| match required {
        Requirement::Approval {
            rule,
            count,
            total,
            roles,
            not_owner,
            ..
        } => Some(RequiredApproval {
            rule: rule.clone(),
            count: u64::try_from(*count).unwrap_or(u64::MAX),
            total: u64::try_from(*total).unwrap_or(u64::MAX),
            roles: roles.clone(),
            not_owner: *not_owner,
        }),
        _ => None,
    });
    approvals.collect()
}

fn notes(verdict: &Verdict) -> Vec<RuleNote> {
    let notes = verdict.notes.iter().map(|note| RuleNote {
        rule: note.rule.clone(),
        reason: note.reason.clone(),
    });
    notes.collect()
}

/// The facts that aren't as they were, by the paths that policy calls them.
fn facts_that_differ(stored: &StoredRequest, facts: &BoundFacts) -> Vec<String> {
    let former = match &stored.facts {
        Some(bytes) => BoundFacts::admit(bytes, &STORED_LIMITS).ok(),
        None => Some(BoundFacts::none()),
    };
    let Some(former) = former else {
        return vec!["fact".to_owned()];
    };
    let (then, now) = (former.value(), facts.value());
    let names = then.keys().chain(now.keys().filter(|name| !then.contains_key(*name)));
    let changed = names.filter(|name| then.get(*name) != now.get(*name));
    let mut paths: Vec<String> = changed
        .map(|name| format!("fact.{name}"))
        .take(MAX_DIFFERENCES)
        .collect();
    if paths.is_empty() {
        paths.push("fact".to_owned());
    }
    paths
}

/// What the queue has to say of a call, if the store was asked.
pub(crate) fn standing(known: Option<Standing>) -> Result<Standing, AuthorizeError> {
    known.ok_or_else(|| {
        let missing = "a store of requests didn't say what waits";
        actionpass_store::StoreError::with_source(actionpass_store::StoreCode::StoreCorrupt, missing).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_lives_as_long_as_was_configured_in_whole_seconds() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let hour = Duration::from_secs(3600);
        let (whole, odd) = (at("2026-11-23T01:02:03.000Z"), at("2026-11-23T01:02:03.001Z"));
        assert_eq!(expiry(whole, hour), at("2026-11-23T02:02:03.000Z"));
        assert_eq!(expiry(odd, hour), at("2026-11-23T02:02:04.000Z"));
        assert_eq!(expiry(odd, MAX_REQUEST_LIFETIME), at("2026-11-24T01:02:03.000Z"));
    }
}
