//! [`RequestEvent`]: what a record of the ledger tells of an approval request.

use actionpass_model::{ApprovalRequest, Code, Decision, Principal, Record, RecordKind, RequestId, Timestamp};
use actionpass_store::{QueueStore, StoreError};
use serde_json::Value;

/// Something that happened to an approval request, as the ledger was told of it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RequestEvent {
    /// The number of the record.
    pub seq: u64,
    /// When.
    pub time: Timestamp,
    /// What: `opened`, `used`, or the change that the record names (`approve`, `decline`, `cancel`, `expire`, `lift`).
    pub event: Box<str>,
    /// The request as it is when it is read, which may be later.
    pub request: ApprovalRequest,
    /// Who did it.
    pub principal: Option<Principal>,
    /// Why it was cancelled.
    pub code: Option<Code>,
}

impl RequestEvent {
    /// What a record tells of a request; `None` if it tells of none, or of a retry, which changes nothing.
    ///
    /// # Errors
    /// What the store says.
    pub async fn of(store: &(impl QueueStore + ?Sized), record: &Record) -> Result<Option<Self>, StoreError> {
        let said = |name: &str| record.body.get().get(name).and_then(Value::as_str);
        let Some(request) = said("request").and_then(|id| RequestId::parse(id).ok()) else {
            return Ok(None);
        };
        let Some(stored) = store.request(&request).await? else {
            return Ok(None);
        };
        let request = stored.request;
        let event = match record.kind {
            RecordKind::Request => said("change"),
            RecordKind::Decision if said("decision") == Some(Decision::Allow.as_str()) => Some("used"),
            RecordKind::Decision if request.decision.id == record.id => Some("opened"),
            _ => None,
        };
        Ok(event.map(|event| Self {
            seq: record.seq,
            time: record.time,
            event: event.into(),
            principal: said("principal").and_then(|text| Principal::parse(text).ok()),
            code: said("code").and_then(Code::parse),
            request,
        }))
    }
}
