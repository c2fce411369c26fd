//! [`Salvage`]: a store that is looked at in whatever state it is, and what an examination of it finds.

use std::collections::HashSet;

use actionpass_canon::sha256;
use actionpass_model::{Commitment, Digest, PassEvidence};
use serde::Deserialize;

use crate::ledger::{Consequence, Finding, Head, KnownHead, Log, Salt, Survey, SurveyCode, Surveyed};
use crate::{LedgerState, SideKind, StoreError};

/// What lies beside a record, by its kind.
pub type SideData = Vec<(SideKind, Vec<u8>)>;

/// What takes the number of a record, the record if it can be read, and what lies beside it.
pub type TakeBeside<'a> = dyn FnMut(u64, Option<&[u8]>, &[(SideKind, Vec<u8>)]) + 'a;

/// A store that is read as far as it can be, whatever is wrong with it. Nothing in it or beside it is changed.
///
/// # Contract
/// What can't be read is left out, and told by [`faults`](Self::faults). Every method may be called once, in this order; each
/// blocks its thread.
pub trait Salvage {
    /// Whose log it says to hold.
    fn log(&self) -> Option<&Log>;

    /// Where it says that its log ends, and what it says to know.
    fn state(&self) -> Option<&LedgerState>;

    /// The signed head that it says to begin at, as it was given; `None` also if it can't be read, which is a fault.
    fn signed_head(&mut self) -> Option<Vec<u8>>;

    /// Hands on what stands under each number, in the order of the numbers: several where a damaged file holds several.
    fn records(&mut self, take: &mut dyn FnMut(u64, &[&[u8]]));

    /// Hands on what lies beside each record, in the order of their numbers, with the record if it can be read. `false` if there may be
    /// more than could be read.
    fn beside(&mut self, take: &mut TakeBeside<'_>) -> bool;

    /// Holds the tables against the records that were found, and counts their rows if none was lost.
    fn rows(&mut self, records: &Surveyed) -> Vec<RowFault>;

    /// How many rows of which table go back to records that were lost.
    fn told(&mut self, records: &Surveyed) -> Told;

    /// What was wrong with the store itself so far.
    fn faults(&mut self) -> Vec<StoreError>;
}

/// Rows that aren't as the log says.
#[derive(Debug)]
#[non_exhaustive]
pub struct RowFault {
    /// The record whose rows they are; `None` for the number of all.
    pub seq: Option<u64>,
    /// What is wrong.
    pub error: StoreError,
}

impl RowFault {
    /// Rows that aren't as a record, or all of them, say.
    #[must_use]
    pub const fn new(seq: Option<u64>, error: StoreError) -> Self {
        Self { seq, error }
    }
}

/// What the tables still know of records that can't be read any more.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a store fills in all of it")]
pub struct Told {
    /// Actions that are marked issued.
    pub issued: u64,
    /// Approvals that are marked used.
    pub approvals: u64,
    /// Revocations.
    pub revocations: u64,
    /// Passes that are marked used.
    pub uses: u64,
    /// Outcomes.
    pub outcomes: u64,
    /// Approval requests that were opened.
    pub requests: u64,
    /// Records with data beside them.
    pub side: u64,
}

/// What an examination of a store found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Examined {
    /// Of the records.
    pub records: Surveyed,
    /// Of what lies beside them, in the order of the records.
    pub side: Vec<Finding>,
    /// Of the rows.
    pub rows: Vec<RowFault>,
    /// Of the store itself.
    pub store: Vec<StoreError>,
    /// What the tables still know of records that are lost.
    pub told: Told,
}

/// Examines a store: its records, what lies beside them, and its tables.
pub fn examine(salvage: &mut dyn Salvage, survey: Survey) -> Examined {
    let mut survey = survey;
    let mut expected = Expected::default();
    salvage.records(&mut |seq, candidates| {
        if let Some(json) = survey.stored(seq, candidates) {
            expected.take(seq, json);
        }
    });
    let records = survey.finish();
    let mut side = Side::of(expected);
    let is_read = salvage.beside(&mut |seq, json, there| side.take(seq, json, there));
    let side = side.finish(is_read);
    let rows = salvage.rows(&records);
    let told = match records.lost.is_empty() {
        true => Told::default(),
        false => salvage.told(&records),
    };
    Examined {
        store: salvage.faults(),
        records,
        side,
        rows,
        told,
    }
}

/// The head that a store keeps with its records, if it says that there are any.
#[must_use]
pub fn kept_head(state: Option<&LedgerState>) -> Option<KnownHead> {
    state.map_or(Head::EMPTY, |state| state.head).known()
}

/// What must lie beside records, unless it was erased.
#[derive(Debug, Default)]
struct Expected {
    /// Those that were allowed, or have commitments, in their order.
    records: Vec<(u64, Must)>,
    erased: HashSet<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Must {
    is_allowed: bool,
    is_committed: bool,
}

/// What of a record is compared with what lies beside it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hashes {
    payload_hash: Option<Digest>,
    context_hash: Option<Digest>,
    facts_hash: Option<Digest>,
    pass: Option<serde_json::Value>,
    commitment: Option<Commitment>,
}

fn hashes(json: &[u8]) -> Option<Hashes> {
    #[derive(Deserialize)]
    struct Outer {
        body: Hashes,
    }
    serde_json::from_slice(json).ok().map(|outer: Outer| outer.body)
}

impl Expected {
    fn take(&mut self, seq: u64, json: &[u8]) {
        let consequence = Consequence::of(json);
        if let Some(Consequence::Erasure { records, .. }) = &consequence {
            self.erased.extend(records);
        }
        let must = Must {
            is_allowed: matches!(consequence, Some(Consequence::Allow { .. })),
            is_committed: hashes(json).is_some_and(|hashes| hashes.commitment.is_some()),
        };
        if must.is_allowed || must.is_committed {
            self.records.push((seq, must));
        }
    }
}

/// A comparison of what lies beside records with what they have the hashes of.
struct Side {
    expected: std::iter::Peekable<std::vec::IntoIter<(u64, Must)>>,
    erased: HashSet<u64>,
    findings: Vec<Finding>,
}

impl Side {
    fn of(expected: Expected) -> Self {
        Self {
            expected: expected.records.into_iter().peekable(),
            erased: expected.erased,
            findings: Vec::new(),
        }
    }

    fn take(&mut self, seq: u64, json: Option<&[u8]>, there: &[(SideKind, Vec<u8>)]) {
        while let Some((before, must)) = self.expected.next_if(|(before, _)| *before < seq) {
            self.lacks(before, must, &[]);
        }
        if let Some((_, must)) = self.expected.next_if(|(next, _)| *next == seq) {
            self.lacks(seq, must, there);
        }
        if self.erased.contains(&seq) {
            let problem = "it is there, and an erasure says that it was erased".to_owned();
            self.found(SurveyCode::SideDataChanged, seq, problem);
        }
        let Some(hashes) = json.and_then(hashes) else { return };
        for problem in changed(&hashes, there) {
            self.found(SurveyCode::SideDataChanged, seq, problem.to_owned());
        }
    }

    fn lacks(&mut self, seq: u64, must: Must, there: &[(SideKind, Vec<u8>)]) {
        if self.erased.contains(&seq) {
            return;
        }
        let has = |kind| there.iter().any(|(there, _)| *there == kind);
        for (is_due, kind, name) in [
            (must.is_allowed, SideKind::Payload, "the payload"),
            (must.is_allowed, SideKind::Token, "the pass"),
            (must.is_committed, SideKind::Salt, "the salt"),
        ] {
            if is_due && !has(kind) {
                let problem = format!("{name} is gone, and no erasure that can be read says why");
                self.found(SurveyCode::SideDataMissing, seq, problem);
            }
        }
    }

    fn found(&mut self, code: SurveyCode, seq: u64, problem: String) {
        let finding = Finding::new(code.as_str(), seq, problem);
        // The last of its kind: a record may lack several things.
        let same = self
            .findings
            .iter_mut()
            .rev()
            .take(4)
            .find(|last| last.leads_to(&finding));
        match same {
            Some(last) => last.last = seq,
            None => self.findings.push(finding),
        }
    }

    fn finish(mut self, is_read: bool) -> Vec<Finding> {
        while let Some((seq, must)) = self.expected.next().filter(|_| is_read) {
            self.lacks(seq, must, &[]);
        }
        self.findings.sort_by_key(|finding| finding.first);
        self.findings
    }
}

/// What of the side data of a record isn't what the record has the hash of.
fn changed(hashes: &Hashes, there: &[(SideKind, Vec<u8>)]) -> Vec<&'static str> {
    let of = |kind| {
        there
            .iter()
            .find(|(there, _)| *there == kind)
            .map(|(_, bytes)| bytes.as_slice())
    };
    let mut changed = Vec::new();
    let salt = match (of(SideKind::Salt).map(Salt::parse), hashes.commitment) {
        (Some(None), _) => {
            changed.push("the salt is none");
            return changed;
        }
        // Nothing can be compared without it.
        (None, Some(_)) => return changed,
        (Some(salt), Some(_)) => salt,
        (_, None) => None,
    };
    let named = |hash: Digest| salt.map_or(hash, |salt| salt.commit(hash));
    for (kind, hash, problem) in [
        (
            SideKind::Payload,
            hashes.payload_hash,
            "the payload is another than the record has the hash of",
        ),
        (
            SideKind::Context,
            hashes.context_hash,
            "the context is another than the record has the hash of",
        ),
        (
            SideKind::Facts,
            hashes.facts_hash,
            "the facts are others than the record has the hash of",
        ),
    ] {
        if let (Some(bytes), Some(hash)) = (of(kind), hash)
            && named(sha256(bytes)) != hash
        {
            changed.push(problem);
        }
    }
    let pass: Option<PassEvidence> = hashes
        .pass
        .as_ref()
        .and_then(|pass| PassEvidence::deserialize(pass).ok());
    if let (Some(token), Some(pass)) = (of(SideKind::Token), pass) {
        let signed = token
            .iter()
            .rposition(|byte| *byte == b'.')
            .and_then(|dot| token.get(..dot));
        if named(sha256(signed.unwrap_or(token))) != pass.token_hash {
            changed.push("the pass is another than the record has the hash of");
        }
    }
    changed
}
