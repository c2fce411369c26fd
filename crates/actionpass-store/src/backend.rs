//! What backends have in common that keep a log and its queue in tables: pure, without a statement or a connection.
//!
//! A request is one row: its document, and [`Columns`] that say again what look-ups go by. What can be erased lies in rows of its own,
//! which the request's row names by one hash: [`Pieces`] puts it together again. A call is planned first ([`Plan`]): what of the
//! queue stands against it is found before anything is written.

use std::time::Duration;

use actionpass_model::{
    ApprovalId, ApprovalRequest, Document as _, PassId, RecordId, RequestId, RevocationId, Timestamp,
};
use actionpass_queue::{RequestCode, Step, came_to_nothing, step};

use crate::ledger::{Consequence, Log, PreparedRecord, RecordDraft};
use crate::{Beside, Change, NOTHING_BESIDE, Open, SideKind, StoredRequest, VoteToken, is_said};

/// The number under which a kind of side data is kept beside a record, below 8; `None` for one that no table has a place for. Numbers stay as
/// they are: databases hold them.
#[must_use]
pub const fn side_number(kind: SideKind) -> Option<u8> {
    match kind {
        SideKind::Payload => Some(0),
        SideKind::Context => Some(1),
        SideKind::Facts => Some(2),
        SideKind::Salt => Some(3),
        SideKind::Token => Some(4),
    }
}

/// The kind of side data that is kept under a number.
#[must_use]
pub const fn side_kind(number: i64) -> Option<SideKind> {
    match number {
        0 => Some(SideKind::Payload),
        1 => Some(SideKind::Context),
        2 => Some(SideKind::Facts),
        3 => Some(SideKind::Salt),
        4 => Some(SideKind::Token),
        _ => None,
    }
}

/// An id that is a prefix and 32 hex digits in lower case, and nothing else: two of them are never the same bytes. Ours grow
/// with time (UUIDv7), so rows are appended and not strewn.
pub trait Id: Sized {
    /// What stands before the digits.
    const PREFIX: &'static str;

    /// The whole of it.
    fn text(&self) -> &str;

    /// The id that reads so.
    fn parse(text: &str) -> Option<Self>;
}

macro_rules! id {
    ($($name:ident $prefix:literal),+) => {$(
        impl Id for $name {
            const PREFIX: &'static str = $prefix;

            fn text(&self) -> &str {
                self.as_str()
            }

            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        }
    )+};
}
id!(ApprovalId "apr_", PassId "ap_", RecordId "rec_", RequestId "req_", RevocationId "rev_");

/// What a table keeps of an id.
pub fn id_to_bytes<I: Id>(id: &I) -> Option<[u8; 16]> {
    let hex = id.text().strip_prefix(I::PREFIX)?;
    u128::from_str_radix(hex, 16).ok().map(u128::to_be_bytes)
}

/// The id that a table keeps so.
#[must_use]
pub fn id_from_bytes<I: Id>(bytes: [u8; 16]) -> Option<I> {
    I::parse(&format!("{}{:032x}", I::PREFIX, u128::from_be_bytes(bytes)))
}

/// Milliseconds before a time; below 0 for what is before 1970.
#[must_use]
pub fn millis_before(time: Timestamp, window: Duration) -> Option<i64> {
    let window = i64::try_from(window.as_millis()).ok()?;
    Some(millis(time)?.saturating_sub(window))
}

fn millis(time: Timestamp) -> Option<i64> {
    i64::try_from(time.unix_millis()).ok()
}

/// A request as its row has it.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a backend fills in all of it")]
pub struct Kept {
    /// The document.
    pub request: ApprovalRequest,
    /// The record that changed it last.
    pub last: u64,
    /// Whether its record has commitments in the place of hashes.
    pub is_committed: bool,
    /// The hash of what lies beside it; `None` once that was erased.
    pub side: Option<[u8; 32]>,
}

impl Kept {
    /// The request of a document, if that is one.
    #[must_use]
    pub fn parse(document: &str, last: u64, is_committed: bool, side: Option<[u8; 32]>) -> Option<Self> {
        let request = serde_json::from_str::<ApprovalRequest>(document).ok()?;
        request.check().ok()?;
        Some(Self {
            request,
            last,
            is_committed,
            side,
        })
    }

    /// Whether the columns beside the document say what it says.
    #[must_use]
    pub fn fits(&self, columns: &Columns) -> bool {
        Columns::of(&self.request).as_ref() == Some(columns)
    }

    /// Whether it is what a record at this place says of it.
    #[must_use]
    pub fn is_said(&self, seq: u64, consequence: &Consequence) -> bool {
        is_said(&self.request, self.last, self.is_committed, seq, consequence)
    }
}

/// What the columns of a request's row say again. Times are milliseconds since 1970.
#[derive(Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a backend reads and writes all of it")]
pub struct Columns {
    /// The number of the record that opened it.
    pub decision: i64,
    /// Its id.
    pub id: [u8; 16],
    /// Whose it is.
    pub tenant: String,
    /// Who asked.
    pub agent: String,
    /// What for.
    pub action_hash: [u8; 32],
    /// Since when it waits.
    pub created: i64,
    /// Until when.
    pub expires: i64,
    /// How it ended.
    pub ended: Option<String>,
    /// Until when its decline holds.
    pub holds: Option<i64>,
    /// When it came to nothing.
    pub failed: Option<i64>,
    /// How often it was changed.
    pub version: i64,
}

impl Columns {
    /// Those of a request; `None` if a number or an id is none that tables hold.
    #[must_use]
    pub fn of(request: &ApprovalRequest) -> Option<Self> {
        let end = request.end.as_ref();
        let maybe = |time: Option<Timestamp>| match time {
            Some(time) => millis(time).map(Some),
            None => Some(None),
        };
        Some(Self {
            decision: i64::try_from(request.decision.seq).ok()?,
            id: id_to_bytes(&request.id)?,
            tenant: request.tenant.to_string(),
            agent: request.actor.agent.to_string(),
            action_hash: *request.action_hash.as_bytes(),
            created: millis(request.created_at)?,
            expires: millis(request.expires_at)?,
            ended: end.map(|end| end.state.as_str().to_owned()),
            holds: maybe(end.and_then(|end| end.holds_until))?,
            failed: maybe(came_to_nothing(request))?,
            version: i64::try_from(request.version).ok()?,
        })
    }
}

/// The hold on new requests of an agent.
#[derive(Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a backend fills in all of it")]
pub struct Hold {
    /// The request that brought it about, while it lasts.
    pub by: Option<RequestId>,
    /// When one was lifted last, in milliseconds.
    pub lifted: Option<i64>,
}

/// The place of a request's action among what lies beside it.
const ACTION: i64 = 0;
/// That of its facts.
const FACTS: i64 = 1;
/// That of the token of its first vote.
pub const FIRST_TOKEN: i64 = 2;

/// The token of a vote as something that lies beside a request.
#[must_use]
pub fn beside_vote(place: i64, token: &VoteToken) -> Option<Beside<'_>> {
    Some(Beside {
        place,
        vote: Some((id_to_bytes(&token.vote)?, token.principal.as_str())),
        bytes: token.token.as_bytes(),
    })
}

/// Everything that lies beside a new request, in the order of its places.
#[must_use]
pub fn beside_all(stored: &StoredRequest) -> Option<Vec<Beside<'_>>> {
    let parts = [(ACTION, &stored.action), (FACTS, &stored.facts)];
    let parts = parts
        .into_iter()
        .filter_map(|(place, bytes)| Some((place, bytes.as_ref()?)));
    let mut all: Vec<_> = parts
        .map(|(place, bytes)| Beside {
            place,
            vote: None,
            bytes,
        })
        .collect();
    for (place, token) in (FIRST_TOKEN..).zip(&stored.tokens) {
        all.push(beside_vote(place, token)?);
    }
    Some(all)
}

/// A request and what lies beside it, put together row by row, in the order of their places.
#[derive(Debug)]
pub struct Pieces {
    stored: StoredRequest,
    /// What all of it must come to, and what it came to so far.
    wanted: Option<[u8; 32]>,
    hash: Option<[u8; 32]>,
}

impl Pieces {
    /// None so far.
    #[must_use]
    pub fn of(kept: Kept) -> Self {
        Self {
            stored: StoredRequest::new(kept.request),
            wanted: kept.side,
            hash: kept.side.map(|_| NOTHING_BESIDE),
        }
    }

    /// The next; `None` if nothing of the kind lies beside a request.
    #[must_use]
    pub fn with(mut self, place: i64, vote: Option<[u8; 16]>, principal: Option<&str>, bytes: Vec<u8>) -> Option<Self> {
        let beside = Beside {
            place,
            vote: vote.zip(principal),
            bytes: &bytes,
        };
        self.hash = Some(beside.chain(&self.hash.unwrap_or(NOTHING_BESIDE)));
        match (place, beside.vote) {
            (ACTION, None) => self.stored.action = Some(bytes),
            (FACTS, None) => self.stored.facts = Some(bytes),
            (_, Some((vote, principal))) => self.stored.tokens.push(VoteToken {
                principal: principal.parse().ok()?,
                vote: id_from_bytes(vote)?,
                token: String::from_utf8(bytes).ok()?,
            }),
            _ => return None,
        }
        Some(self)
    }

    /// The whole; `None` if it isn't what was put there.
    #[must_use]
    pub fn end(self) -> Option<StoredRequest> {
        (self.hash == self.wanted).then_some(self.stored)
    }
}

/// A call on the queue alone, with its record as far as its caller's thread makes it.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "a call and its record")]
pub struct QueueCall<T> {
    /// What is asked.
    pub call: T,
    /// The record of it.
    pub record: PreparedRecord,
}

/// The lifting of a hold.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "all of it is needed")]
pub struct Lift {
    /// The request that brought it about.
    pub request: RequestId,
    /// The record that says so.
    pub record: RecordDraft,
}

impl QueueCall<Change> {
    /// A change, as a record of this log.
    #[must_use]
    pub fn change(log: &Log, call: Change) -> Self {
        let record = PreparedRecord::new(log, &call.record);
        Self { call, record }
    }
}

impl QueueCall<Lift> {
    /// A lifting, as a record of this log.
    #[must_use]
    pub fn lift(log: &Log, call: Lift) -> Self {
        let record = PreparedRecord::new(log, &call.record);
        Self { call, record }
    }
}

/// What a decision does to the queue: found possible, not yet done.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "a backend carries out all of it")]
pub struct Plan<'a> {
    /// The request that is superseded.
    pub ended: Option<Stepped>,
    /// What becomes of the request that waits.
    pub then: Then<'a>,
}

/// What a decision does with the request that waits for its action.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a backend must know each of them")]
pub enum Then<'a> {
    /// Nothing.
    Nothing,
    /// It opens this one.
    Open(&'a Open),
    /// It settles this one.
    Settle(Box<Stepped>),
}

/// A request before a change and after it.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "a backend puts one in the place of the other")]
pub struct Stepped {
    /// As it is.
    pub former: Kept,
    /// As it will be.
    pub next: ApprovalRequest,
}

/// Why a change isn't made.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a backend must know each of them")]
pub enum Refused {
    /// The request is at another version.
    Moved(Box<Kept>),
    /// The law forbids it.
    Law(RequestCode),
}

impl Stepped {
    /// A request and what a step makes of it.
    ///
    /// # Errors
    /// [`RequestCode`]: the law forbids it.
    pub fn by(former: Kept, what: Step) -> Result<Self, RequestCode> {
        let next = step(&former.request, what)?;
        Ok(Self { former, next })
    }

    /// A request and what a change makes of it, if it is at the version that the change names.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn of(change: &Change, kept: Option<Kept>) -> Result<Self, Refused> {
        let Some(kept) = kept else {
            return Err(Refused::Law(RequestCode::RequestUnknown));
        };
        if kept.request.version != change.version {
            return Err(Refused::Moved(Box::new(kept)));
        }
        Self::by(kept, change.step.clone()).map_err(Refused::Law)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_as_they_were() {
        fn check<I: Id>(digits: &str) {
            let text = format!("{}{digits}", I::PREFIX);
            let id = I::parse(&text).unwrap();
            assert_eq!(id_from_bytes::<I>(id_to_bytes(&id).unwrap()).unwrap().text(), text);
        }
        for digits in [
            "0".repeat(32),
            "f".repeat(32),
            "01920000000070008000000000000001".to_owned(),
        ] {
            check::<ApprovalId>(&digits);
            check::<PassId>(&digits);
            check::<RecordId>(&digits);
            check::<RequestId>(&digits);
            check::<RevocationId>(&digits);
        }
    }
}
