//! One authorization on its way: what was admitted, how it was judged, what was signed.

use std::borrow::Cow;
use std::time::Duration;

use actionpass_canon::{BoundAction, BoundFacts};
use actionpass_crypto::CompactJws;
use actionpass_model::{
    ApprovalRef, Audience, Decision, DecisionMode, DoorName, KeyId, OfferedEvidence, PassClaims, PolicyRef, Reason,
    RequestId, Statement, Trace, TrustEvidence,
};
use actionpass_policy::Verdict;
use actionpass_store::ActionKey;
use actionpass_store::ledger::RecordRef;
use actionpass_verify::approval::VerifiedApproval;

use crate::environment::Ids;
use crate::offered::MAX_OFFERED;
use crate::{Authorization, IssuedPass};

/// A request that contradicts nothing.
pub(crate) struct AdmittedCall<'a> {
    pub(crate) action: &'a BoundAction,
    pub(crate) facts: Cow<'a, BoundFacts>,
    pub(crate) audience: Audience,
    pub(crate) key: ActionKey,
    pub(crate) offered: Vec<String>,
    pub(crate) used: Vec<ApprovalRef>,
    pub(crate) trace: Option<Trace>,
    pub(crate) ids: Ids,
    pub(crate) door: Option<DoorName>,
    pub(crate) client: Option<Statement>,
    pub(crate) wait: Duration,
    /// Whether a step_up opens a request.
    pub(crate) opens: bool,
    /// Why the front door refuses it, whatever policy says.
    pub(crate) refusal: Option<Reason>,
    /// Whether it is only observed.
    pub(crate) mode: Option<DecisionMode>,
    /// The request whose end keeps the agent from opening others.
    pub(crate) held_by: Option<RequestId>,
    /// What a step_up says besides.
    pub(crate) remarks: Vec<Reason>,
    /// How many refusals before it the record that is made counts.
    pub(crate) unrecorded: Option<u64>,
}

/// Whether anybody was asked for approvals, and what they gave: once for each authorization, however often it is judged.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) was_asked: bool,
    pub(crate) tokens: Vec<String>,
    /// How long it was waited for people.
    pub(crate) waited: Duration,
    /// The request that it was waited for.
    pub(crate) waited_for: Option<RequestId>,
}

impl AdmittedCall<'_> {
    /// Offers these approvals too, as far as there is room.
    pub(crate) fn offer(&mut self, tokens: &[String]) {
        let room = MAX_OFFERED.saturating_sub(self.offered.len());
        self.offered.extend(tokens.iter().take(room).cloned());
    }

    /// Remembers that an approval is used; `false` if that was known, which the store then should have too.
    pub(crate) fn discard(&mut self, used: &ApprovalRef) -> bool {
        let is_new = !self.used.contains(used);
        if is_new {
            self.used.push(used.clone());
        }
        is_new
    }

    pub(crate) fn answer(
        &self,
        judged: &Judged,
        decision: Decision,
        pass: Option<IssuedPass>,
        record: RecordRef,
    ) -> Authorization {
        Authorization {
            decision,
            reasons: judged.reasons.clone(),
            notes: judged.verdict.notes.clone(),
            required: judged.verdict.required.clone(),
            action_id: self.key.action.clone(),
            action_hash: self.action.action_hash(),
            payload_hash: self.action.payload_hash(),
            policy: judged.policy.clone(),
            pass,
            record,
            request: None,
            held_by: None,
            declined: None,
        }
    }
}

/// A verdict with what it rests on.
pub(crate) struct Judged {
    pub(crate) verdict: Verdict,
    pub(crate) reasons: Vec<Reason>,
    /// Every approval that policy was told of, whether it relied on it or not.
    pub(crate) told: Vec<ApprovalRef>,
    /// Those that it relied on.
    pub(crate) approvals: Vec<VerifiedApproval>,
    /// What is recorded of those that it didn't rely on.
    pub(crate) in_vain: Vec<OfferedEvidence>,
    pub(crate) policy: PolicyRef,
    pub(crate) trust: TrustEvidence,
}

/// A pass that is signed and not released.
pub(crate) struct SignedPass {
    pub(crate) claims: PassClaims,
    pub(crate) token: CompactJws,
    pub(crate) kid: KeyId,
}

/// What judging once came to.
pub(crate) enum Round {
    /// It is recorded, and this is the answer.
    Settled(Box<Authorization>),
    /// Something changed meanwhile: it is judged again.
    Again,
    /// It is recorded as a step_up, and a request waits for people at this version.
    Waits(Box<Authorization>, u64),
}

/// How often it was begun anew.
#[derive(Debug, Default)]
pub(crate) struct Tries {
    /// Because what the decision relied on had changed when it was to be recorded.
    pub(crate) rounds: usize,
    /// Because requests had moved.
    pub(crate) moves: usize,
}

/// What became of an allow.
pub(crate) enum Settled {
    /// It is recorded, and this is the answer.
    Done(Box<Authorization>),
    /// This approval was used before.
    Used(ApprovalRef),
    /// Something changed since it was judged.
    StartOver,
    /// The queue did.
    Moved,
}
