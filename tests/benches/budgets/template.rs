//! Decisions to commit, made of one that an issuer decided.

use std::sync::Arc;

use actionpass_canon::{BoundAction, Limits};
use actionpass_core::Request;
use actionpass_model::{ActionId, ApprovalId, ApprovalRef, DecisionBody, PassId, RecordId, Timestamp};
use actionpass_store::ledger::RecordDraft;
use actionpass_store::{ActionKey, Allow, DecisionCommit};
use uuid::Uuid;

use crate::fixture::{self, Fixture, NoStore, block_on};

/// What an allow with one approval commits, to be committed again with other ids.
pub(crate) struct Template {
    commit: DecisionCommit,
    body: DecisionBody,
    time: Timestamp,
    pub(crate) record_bytes: Vec<u8>,
}

impl Template {
    pub(crate) fn of(fixture: &Fixture) -> Self {
        let store = Arc::new(NoStore::new(&fixture.config));
        let issuing = fixture.reviewing(Arc::clone(&fixture.key) as _, Arc::clone(&store) as _);
        let action = BoundAction::admit(action_with_id(fixture).as_bytes(), &Limits::default()).unwrap();
        let request = Request::new(&action, &fixture.caller).with_approval(fixture.approval());
        assert!(block_on(issuing.authorize(request)).unwrap().pass.is_some());
        let (commit, record) = store.first().clone();
        let body = serde_json::from_value(record.to_record().unwrap().body.get().clone().into()).unwrap();
        Self {
            time: commit.record.time(),
            commit,
            body,
            record_bytes: record.json().to_vec(),
        }
    }

    /// A decision of its own: with everything, or only with what marks the approval.
    pub(crate) fn commit(&self, is_whole: bool) -> DecisionCommit {
        let template = self.commit.clone();
        let allow = template.allow.unwrap();
        let approval = ApprovalRef {
            id: ApprovalId::from_uuid(Uuid::now_v7()),
            ..allow.approvals[0].clone()
        };
        let key = ActionKey {
            action: ActionId::from_uuid(Uuid::now_v7()),
            ..template.action
        };
        let record = RecordDraft::new(RecordId::from_uuid(Uuid::now_v7()), self.time, &self.body).unwrap();
        let token = if is_whole { allow.token } else { String::new() };
        let pass = PassId::from_uuid(Uuid::now_v7());
        let kept = template.record.side().iter().filter(|_| is_whole).cloned();
        let record = kept.fold(record, |record, (kind, bytes)| record.with_side(kind, bytes));
        DecisionCommit::new(key, template.action_hash, record)
            .with_allow(Allow::new(pass, token, allow.expires_at, allow.audience).with_approvals(vec![approval]))
    }
}

/// What each caller of a round calls with. Ids grow with time, so those of calls at once are made one after the other.
pub(crate) fn shares<T>(callers: usize, each: usize, mut make: impl FnMut() -> T) -> Vec<Vec<T>> {
    let mut shares: Vec<Vec<T>> = (0..callers).map(|_| Vec::with_capacity(each)).collect();
    for _ in 0..each {
        shares.iter_mut().for_each(|share| share.push(make()));
    }
    shares
}

/// The action with an id of its own.
pub(crate) fn action_with_id(fixture: &Fixture) -> String {
    fixture::action(&fixture.payload, Some(ActionId::from_uuid(Uuid::now_v7()).as_str()))
}
