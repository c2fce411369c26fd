//! [`LedgerVerifier`]: the chain of a log, and what its records say of each other.

use std::collections::{HashMap, HashSet};

use actionpass_model::{
    ActionId, Agent, AnyPrincipal, ApprovalId, ApprovalRef, Approver, Audience, Decision, DecisionMode, Digest,
    EndState, Issuer, PassId, Principal, RequestChange, RequestId, Tenant, TrustEvidence,
};
use serde::Deserialize;
use serde_json::Value;

use super::verify::{LedgerCode, LedgerError, LinkRecord};
use super::{ChainVerifier, Head, RecordRef, VerifiedLedger};
use crate::newest_trust;

/// What verifies the records of a log one by one: [`ChainVerifier`] or [`LedgerVerifier`].
pub trait RecordVerifier: sealed::Sealed {
    /// Verifies the next record, as canonical JSON (RFC 8785).
    ///
    /// # Errors
    /// [`LedgerError`]: the record is not taken in, and nothing may be verified behind it.
    fn push(&mut self, json: &[u8]) -> Result<RecordRef, LedgerError>;

    /// Where the log ends so far.
    fn head(&self) -> Head;

    /// The log has no more records.
    ///
    /// # Errors
    /// [`LedgerCode::LedgerTruncated`] if a known head was not reached.
    fn finish(self) -> Result<VerifiedLedger, LedgerError>;
}

impl RecordVerifier for ChainVerifier {
    fn push(&mut self, json: &[u8]) -> Result<RecordRef, LedgerError> {
        Self::push(self, json)
    }

    fn head(&self) -> Head {
        Self::head(self)
    }

    fn finish(self) -> Result<VerifiedLedger, LedgerError> {
        Self::finish(self)
    }
}

mod sealed {
    #[expect(unnameable_types, reason = "so that no other crate has a verifier of its own")]
    pub trait Sealed {}
    impl Sealed for super::ChainVerifier {}
    impl Sealed for super::LedgerVerifier {}
}

/// Verifies the chain of a log and, beside it, that no record contradicts one before it (`docs/spec/ledger.md`).
///
/// It demands what every [`DecisionStore`](crate::DecisionStore) guarantees of its log, and nothing else, so a log that a
/// store wrote is never refused. It goes by ids, never by hashes: in a salted log these are commitments. A record of a
/// kind, or with a body of a version, that this release doesn't know is only held against the chain.
///
/// Behind a known head ([`ChainVerifier::behind`]) records before it aren't read, so what a record says of those (that a pass was
/// issued, a request opened, an approval used) isn't found to be wrong.
///
/// Memory grows with the number of passes, approvals and actions of the log, by some 200 bytes for each.
/// [`ChainVerifier`] alone takes constant memory.
#[derive(Clone, Debug, Default)]
pub struct LedgerVerifier {
    chain: ChainVerifier,
    meaning: Meaning,
    /// Whether it begins behind a known head.
    is_partial: bool,
}

impl LedgerVerifier {
    /// Verifies the meaning of records beside this chain.
    #[must_use]
    pub fn new(chain: ChainVerifier) -> Self {
        Self {
            is_partial: chain.head().size() > 0,
            chain,
            meaning: Meaning::default(),
        }
    }

    /// Verifies the next record, as canonical JSON (RFC 8785).
    ///
    /// # Errors
    /// [`LedgerError`]: those of [`ChainVerifier::push`] first. The record is not taken in then, and nothing may be
    /// verified behind it.
    pub fn push(&mut self, json: &[u8]) -> Result<RecordRef, LedgerError> {
        let placed = self.chain.check(json)?;
        let contradictions = self.meaning.contradictions(&placed.record, self.is_partial);
        match contradictions.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(self.chain.take(placed)),
        }
    }

    /// Where the log ends so far.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.chain.head()
    }

    /// The log has no more records.
    ///
    /// # Errors
    /// [`LedgerCode::LedgerTruncated`] if a known head was not reached.
    pub fn finish(self) -> Result<VerifiedLedger, LedgerError> {
        let observed = self.meaning.observed.len() as u64;
        let verified = self.chain.finish()?;
        Ok(VerifiedLedger { observed, ..verified })
    }
}

impl RecordVerifier for LedgerVerifier {
    fn push(&mut self, json: &[u8]) -> Result<RecordRef, LedgerError> {
        Self::push(self, json)
    }

    fn head(&self) -> Head {
        Self::head(self)
    }

    fn finish(self) -> Result<VerifiedLedger, LedgerError> {
        Self::finish(self)
    }
}

/// What the records so far say, as far as later ones may contradict it.
#[derive(Clone, Debug, Default)]
pub(super) struct Meaning {
    /// Whether there was a decision of any kind: a log of uses alone issued nothing.
    has_decisions: bool,
    /// The first use of a pass of this issuer in front of every decision.
    early_use: Option<u64>,
    /// The passes of this issuer that were allowed or used, and whether they were used.
    passes: HashMap<PassId, bool>,
    /// The passes of which an outcome was reported: its record, and whether it was contradicted.
    outcomes: HashMap<PassId, (u64, bool)>,
    /// The uses of other issuers' passes.
    foreign_uses: HashSet<(Issuer, PassId, Audience)>,
    /// The actions that were allowed.
    actions: HashSet<(Option<Tenant>, Agent, ActionId)>,
    /// The approvals that an allow relied on.
    approvals: HashSet<ApprovalRef>,
    /// The newest trust store that the log was told of, as a store keeps it.
    trust: Option<TrustEvidence>,
    /// The policy in force.
    policy: Option<Digest>,
    /// The approval requests.
    requests: HashMap<RequestId, RequestSoFar>,
    /// The records of decisions that were only observed.
    observed: HashSet<u64>,
    /// Those that wait, by the record that opened them: erasing its side data ends them.
    opened: HashMap<u64, RequestId>,
}

/// What the records so far say of an approval request.
#[derive(Clone, Debug, Default)]
struct RequestSoFar {
    end: Option<EndState>,
    /// Who voted and by which vote.
    votes: Vec<(Principal, ApprovalId)>,
    /// Who said yes.
    approved: Vec<Principal>,
}

/// What counts of a decision. Members beside it may come with later releases.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DecisionMeaning {
    action_id: ActionId,
    actor: ActorMeaning,
    approvals: Vec<ApprovalMeaning>,
    decision: Decision,
    mode: Option<DecisionMode>,
    pass: Option<PassMeaning>,
    policy: PolicyMeaning,
    request: Option<RequestId>,
    trust: TrustEvidence,
}

#[derive(Deserialize)]
struct RequestMeaning {
    request: RequestId,
    change: RequestChange,
    principal: Option<Principal>,
    vote: Option<ApprovalId>,
}

#[derive(Deserialize)]
struct ErasureMeaning {
    records: Vec<u64>,
}

#[derive(Deserialize)]
struct ActorMeaning {
    agent: Agent,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApprovalMeaning {
    approved_by: Approver,
    id: ApprovalId,
}

#[derive(Deserialize)]
struct PassMeaning {
    id: PassId,
}

#[derive(Deserialize)]
struct PolicyMeaning {
    digest: Digest,
}

#[derive(Deserialize)]
struct UseMeaning {
    audience: Audience,
    issuer: Issuer,
    pass: PassId,
}

#[derive(Deserialize)]
struct OutcomeMeaning {
    pass: Option<PassId>,
    decision: Option<ObservedMeaning>,
    contradicts: Option<u64>,
}

#[derive(Deserialize)]
struct ObservedMeaning {
    seq: u64,
}

#[derive(Deserialize)]
struct PolicyChangeMeaning {
    policy: PolicyMeaning,
}

#[derive(Deserialize)]
struct TrustMeaning {
    trust: TrustEvidence,
}

impl Meaning {
    /// Takes in a record whatever it contradicts, and gives that. Where other records weren't read, only what none of those could have
    /// said counts.
    pub(super) fn contradictions(&mut self, record: &LinkRecord, is_partial: bool) -> Vec<LedgerError> {
        let mut found = Vec::new();
        // A use in front of every decision is told by the first of those, which is held against the rest then.
        for _ in 0..2 {
            let Err(error) = self.take(record) else { break };
            let is_of_earlier = error.seq() != record.seq;
            if !(is_partial && error.code().may_be_elsewhere()) {
                found.push(error);
            }
            if !is_of_earlier || self.early_use.take().is_none() {
                break;
            }
        }
        found
    }

    pub(super) fn take(&mut self, record: &LinkRecord) -> Result<(), LedgerError> {
        let schema = record.body.get().get("schema").and_then(Value::as_str);
        match (record.kind.as_str(), schema.unwrap_or_default()) {
            ("decision", "actionpass.decision.v1") => self.decided(record, read(record)?),
            ("use", "actionpass.use.v1") => self.used(record, read(record)?),
            ("outcome", "actionpass.outcome.v1") => self.reported(record, read(record)?),
            ("request", "actionpass.request-change.v1") => self.changed(record, read(record)?),
            ("erasure", "actionpass.erasure.v1") => {
                let body: ErasureMeaning = read(record)?;
                for seq in body.records {
                    let opened = self.opened.get(&seq).and_then(|id| self.requests.get_mut(id));
                    if let Some(request) = opened {
                        request.end = request.end.or(Some(EndState::Cancelled));
                    }
                }
                Ok(())
            }
            ("policy", "actionpass.policy-change.v1") => {
                let body: PolicyChangeMeaning = read(record)?;
                self.policy = Some(body.policy.digest);
                Ok(())
            }
            ("revocation", "actionpass.revocation-record.v1")
            | ("key", "actionpass.key.v1")
            | ("trust", "actionpass.trust-change.v1") => {
                let body: TrustMeaning = read(record)?;
                // Two who change the trust store at once may record it the other way round, so that a change is recorded
                // behind a newer one says nothing. No allow may rely on it any more.
                if let Ok(newest) = newest_trust(self.trust, body.trust) {
                    self.trust = Some(newest);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn decided(&mut self, record: &LinkRecord, body: DecisionMeaning) -> Result<(), LedgerError> {
        let fault = |code| Err(LedgerError::new(code, record.seq));
        self.has_decisions = true;
        if let Some(seq) = self.early_use {
            return Err(LedgerError::new(LedgerCode::LedgerUseUnissued, seq));
        }
        // What was only observed gave nothing, opened nothing and settled nothing.
        if body.mode == Some(DecisionMode::Observe) {
            if body.pass.is_some() || body.request.is_some() {
                return fault(LedgerCode::LedgerObservedGave);
            }
            self.observed.insert(record.seq);
            return Ok(());
        }
        if let Some(id) = &body.request {
            self.named(record, id, body.decision)?;
        }
        // What a deny or step_up was judged by, the store doesn't hold against anything: it lets nothing happen.
        if body.decision != Decision::Allow {
            return Ok(());
        }
        if !self
            .actions
            .insert((record.tenant.clone(), body.actor.agent, body.action_id))
        {
            return fault(LedgerCode::LedgerActionAllowedTwice);
        }
        match newest_trust(self.trust, body.trust) {
            Ok(newest) => self.trust = Some(newest),
            Err(_) => return fault(LedgerCode::LedgerTrustWentBack),
        }
        if self.policy.is_some_and(|policy| policy != body.policy.digest) {
            return fault(LedgerCode::LedgerPolicyNotInForce);
        }
        for approval in body.approvals {
            let used = ApprovalRef {
                approver: approval.approved_by,
                id: approval.id,
            };
            if !self.approvals.insert(used) {
                return fault(LedgerCode::LedgerApprovalUsedTwice);
            }
        }
        if let Some(pass) = body.pass {
            self.passes.entry(pass.id).or_insert(false);
        }
        Ok(())
    }

    /// A decision names a request: a step_up opens or joins it, an allow settles it, a deny tells of its decline.
    fn named(&mut self, record: &LinkRecord, id: &RequestId, decision: Decision) -> Result<(), LedgerError> {
        let fault = |code| Err(LedgerError::new(code, record.seq));
        let Some(request) = self.requests.get_mut(id) else {
            if decision != Decision::StepUp {
                return fault(LedgerCode::LedgerRequestUnopened);
            }
            self.requests.insert(id.clone(), RequestSoFar::default());
            self.opened.insert(record.seq, id.clone());
            return Ok(());
        };
        match (decision, request.end) {
            (Decision::StepUp, None) | (Decision::Deny, _) => Ok(()),
            (Decision::Allow, None) => {
                request.end = Some(EndState::Used);
                Ok(())
            }
            (Decision::Allow, Some(EndState::Used)) => fault(LedgerCode::LedgerRequestUsedTwice),
            (Decision::Allow | Decision::StepUp, Some(_)) => fault(LedgerCode::LedgerRequestEnded),
        }
    }

    fn changed(&mut self, record: &LinkRecord, body: RequestMeaning) -> Result<(), LedgerError> {
        let fault = |code| Err(LedgerError::new(code, record.seq));
        let Some(request) = self.requests.get_mut(&body.request) else {
            return fault(LedgerCode::LedgerRequestUnopened);
        };
        if body.change == RequestChange::Lift {
            return Ok(());
        }
        if request.end.is_some() {
            return fault(LedgerCode::LedgerRequestEnded);
        }
        if let (Some(principal), Some(vote)) = (body.principal, body.vote) {
            let is_yes = body.change == RequestChange::Approve;
            let said_yes = request
                .approved
                .iter()
                .any(|former| former.is_same_person_as(&principal));
            let cast = (principal.clone(), vote);
            if request.votes.contains(&cast) || (is_yes && said_yes) {
                return fault(LedgerCode::LedgerVoteTwice);
            }
            request.votes.push(cast);
            if is_yes {
                request.approved.push(principal);
            }
        }
        request.end = match body.change {
            RequestChange::Decline => Some(EndState::Declined),
            RequestChange::Cancel => Some(EndState::Cancelled),
            RequestChange::Expire => Some(EndState::Expired),
            RequestChange::Approve | RequestChange::Lift => None,
        };
        Ok(())
    }

    fn used(&mut self, record: &LinkRecord, body: UseMeaning) -> Result<(), LedgerError> {
        let fault = |code| Err(LedgerError::new(code, record.seq));
        if body.issuer != record.issuer {
            return if self.foreign_uses.insert((body.issuer, body.pass, body.audience)) {
                Ok(())
            } else {
                fault(LedgerCode::LedgerPassUsedTwice)
            };
        }
        match self.passes.insert(body.pass, true) {
            Some(true) => fault(LedgerCode::LedgerPassUsedTwice),
            Some(false) => Ok(()),
            None if self.has_decisions => fault(LedgerCode::LedgerUseUnissued),
            None => {
                self.early_use = self.early_use.or(Some(record.seq));
                Ok(())
            }
        }
    }
}

impl Meaning {
    /// Of a pass that was used there is one outcome, and one more that says that it contradicts it.
    fn reported(&mut self, record: &LinkRecord, body: OutcomeMeaning) -> Result<(), LedgerError> {
        let fault = |code| Err(LedgerError::new(code, record.seq));
        let Some(pass) = body.pass else {
            let observed = body
                .decision
                .is_some_and(|decision| self.observed.contains(&decision.seq));
            return if observed {
                Ok(())
            } else {
                fault(LedgerCode::LedgerOutcomeUnused)
            };
        };
        if self.passes.get(&pass) != Some(&true) {
            return fault(LedgerCode::LedgerOutcomeUnused);
        }
        match (self.outcomes.get_mut(&pass), body.contradicts) {
            (None, None) => {
                self.outcomes.insert(pass, (record.seq, false));
                Ok(())
            }
            (Some((first, is_contradicted)), Some(named)) if *first == named && !*is_contradicted => {
                *is_contradicted = true;
                Ok(())
            }
            _ => fault(LedgerCode::LedgerOutcomeTwice),
        }
    }
}

/// The body of a record whose schema says that this release knows it.
fn read<'de, T: Deserialize<'de>>(record: &'de LinkRecord) -> Result<T, LedgerError> {
    T::deserialize(record.body.get())
        .map_err(|error| LedgerError::new(LedgerCode::LedgerMalformed, record.seq).with_source(error))
}

#[cfg(test)]
mod tests;
