//! [`ChainVerifier`]: a log, verified from its first record.

use std::error::Error as StdError;
use std::fmt;
use std::io::BufRead;
use std::ops::Range;

use actionpass_canon::{AdmitError, Limits, admit, sha256_parts};
use actionpass_model::{
    Code, Digest, Document, Issuer, JsonObject, MAX_ENTRY_BYTES, Origin, RecordId, RecordSchema, Tenant, Timestamp,
    Trace, codes,
};
use serde::{Deserialize, Deserializer, Serialize};

use super::lines::{Line, MAX_LINE_BYTES, read_line};
use super::tree::GrowingTree;
use super::{Head, KnownHead, Log, RecordRef, RecordVerifier, TreeHead};

codes! {
    /// What is wrong with a ledger.
    pub enum LedgerCode: LedgerBroken {
        /// The ledger can't be read to its end.
        LedgerUnreadable = "ledger_unreadable",
        /// A line is not the canonical bytes of a record of this version.
        LedgerMalformed = "ledger_malformed",
        /// The last line is cut off: the export was not written to its end.
        LedgerLineTruncated = "ledger_line_truncated",
        /// A record's content doesn't have the hash that it names: it was edited.
        LedgerHashMismatch = "ledger_hash_mismatch",
        /// A record belongs to another log or another issuer than the rest.
        LedgerLogMismatch = "ledger_log_mismatch",
        /// A record doesn't have the number that follows: one was removed, inserted or moved.
        LedgerSequenceBroken = "ledger_sequence_broken",
        /// A record doesn't name the hash of the one before: one of them was replaced.
        LedgerChainBroken = "ledger_chain_broken",
        /// The record at a known head has another hash: the ledger was rewritten or forked.
        LedgerForked = "ledger_forked",
        /// The ledger ends before a known head: records were cut off or it was rolled back.
        LedgerTruncated = "ledger_truncated",
        /// A pass was used that was used before.
        LedgerPassUsedTwice = "ledger_pass_used_twice",
        /// A pass of this issuer was used that no allow before it issued.
        LedgerUseUnissued = "ledger_use_unissued",
        /// An outcome is reported of a pass of this issuer that no record before it used, or of no decision that was only observed.
        LedgerOutcomeUnused = "ledger_outcome_unused",
        /// A decision that was only observed has a pass or an approval request.
        LedgerObservedGave = "ledger_observed_gave",
        /// Two outcomes are reported of one pass, and the second doesn't say that it contradicts the first; or there are more.
        LedgerOutcomeTwice = "ledger_outcome_twice",
        /// A record is about an approval request that no decision before it opened.
        LedgerRequestUnopened = "ledger_request_unopened",
        /// Something happened to an approval request after it had ended: an allow, a step_up or a vote after its decline,
        /// cancellation or expiry.
        LedgerRequestEnded = "ledger_request_ended",
        /// Two allows settled one approval request.
        LedgerRequestUsedTwice = "ledger_request_used_twice",
        /// One vote on an approval request, or the yes of one person, was recorded twice.
        LedgerVoteTwice = "ledger_vote_twice",
        /// An action was allowed that was allowed before.
        LedgerActionAllowedTwice = "ledger_action_allowed_twice",
        /// An allow relies on an approval that an allow before it used up.
        LedgerApprovalUsedTwice = "ledger_approval_used_twice",
        /// An allow rests on another policy than the one that was in force.
        LedgerPolicyNotInForce = "ledger_policy_not_in_force",
        /// An allow rests on an older trust store than the newest that the ledger knew, or on another one of its version.
        LedgerTrustWentBack = "ledger_trust_went_back",
    }
}

impl LedgerCode {
    /// Whether a record that isn't there, or isn't read, could have said what another lacks.
    pub(super) const fn may_be_elsewhere(self) -> bool {
        matches!(
            self,
            Self::LedgerUseUnissued
                | Self::LedgerOutcomeUnused
                | Self::LedgerOutcomeTwice
                | Self::LedgerRequestUnopened
                | Self::LedgerPolicyNotInForce
        )
    }

    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::LedgerUnreadable => "the ledger can't be read to its end",
            Self::LedgerMalformed => "not a ledger record",
            Self::LedgerLineTruncated => "the last line is cut off",
            Self::LedgerHashMismatch => "the record doesn't have the hash that it names",
            Self::LedgerLogMismatch => "the record belongs to another log",
            Self::LedgerSequenceBroken => "the record has another number than follows",
            Self::LedgerChainBroken => "the record names another predecessor",
            Self::LedgerForked => "the record is another than the one known",
            Self::LedgerTruncated => "the ledger ends before the head that is known",
            Self::LedgerPassUsedTwice => "the pass was used before",
            Self::LedgerUseUnissued => "the pass that was used was never issued",
            Self::LedgerOutcomeUnused => "the pass was not used, or the decision was not only observed",
            Self::LedgerObservedGave => "the decision was only observed, and has a pass or a request",
            Self::LedgerOutcomeTwice => "another outcome of the pass was reported before",
            Self::LedgerRequestUnopened => "no decision opened the approval request",
            Self::LedgerRequestEnded => "the approval request had ended",
            Self::LedgerRequestUsedTwice => "the approval request had its allow",
            Self::LedgerVoteTwice => "the vote was recorded before",
            Self::LedgerActionAllowedTwice => "the action was allowed before",
            Self::LedgerApprovalUsedTwice => "the approval was used before",
            Self::LedgerPolicyNotInForce => "another policy was in force",
            Self::LedgerTrustWentBack => "a newer trust store was known",
        }
    }
}

/// A ledger that isn't whole: what is wrong first, and where.
#[derive(Debug)]
pub struct LedgerError {
    code: LedgerCode,
    seq: u64,
    offset: u64,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl LedgerError {
    pub(super) const fn new(code: LedgerCode, seq: u64) -> Self {
        Self {
            code,
            seq,
            offset: 0,
            source: None,
        }
    }

    pub(super) fn with_source(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            source: Some(source.into()),
            ..self
        }
    }

    fn later(self, bytes: u64) -> Self {
        Self {
            offset: self.offset.saturating_add(bytes),
            ..self
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> LedgerCode {
        self.code
    }

    /// The place in the log where it was found: what stands there has not been verified, all before has.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// The line of an export, from 1: its lines are its records.
    #[must_use]
    pub const fn line(&self) -> u64 {
        self.seq.saturating_add(1)
    }

    /// Where it was found in what was read, in bytes from its start: the fault itself or the start of its record.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (record {}, byte {})", self.code.message(), self.seq, self.offset)
    }
}

impl StdError for LedgerError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// A ledger that is whole.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct VerifiedLedger {
    /// Where it ends: write [`Head::known`] down to find a later truncation.
    pub head: Head,
    /// Whose log it is; `None` if there are no records and none was expected.
    pub log: Option<Log>,
    /// The same end with the Merkle tree up to it, if that was asked for; `None` if there are no records, too.
    pub tree: Option<TreeHead>,
    /// How many decisions were only observed: their calls were executed, whatever was decided. 0 from a [`ChainVerifier`], which
    /// doesn't look into records.
    pub observed: u64,
}

/// Verifies records one by one, from the first of a log, in constant memory.
///
/// A record is taken in its canonical spelling only, so that whoever compares bytes comes to the same result. Its hash
/// is computed over these bytes without `ledgerHash`, whatever its kind and body. Times may go back (several machines
/// append), so they are not checked.
///
/// The chain alone can't show that its end is missing, nor that everything from some record on was written anew with
/// new hashes: for that, name a head that you know.
#[derive(Clone, Debug, Default)]
pub struct ChainVerifier {
    head: Head,
    /// What it began behind, if not with the first record.
    behind: Option<KnownHead>,
    log: Option<Log>,
    known: Vec<KnownHead>,
    /// The Merkle tree, if it is asked for and known from the first record on.
    tree: Option<GrowingTree>,
    /// The root where it began, if it began behind the head of a tree.
    behind_root: Option<Digest>,
    /// Number and root of the heads of trees that are known.
    roots: Vec<(u64, Digest)>,
    /// Whose they are.
    logs: Vec<Log>,
}

impl ChainVerifier {
    /// Verifies any one log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Verifies what follows this record, which somebody knows to be in the log: nothing of it or before it is read.
    #[must_use]
    pub fn behind(head: KnownHead) -> Self {
        Self {
            head: Head::new(head.seq().saturating_add(1), head.hash()),
            behind: Some(head),
            ..Self::default()
        }
    }

    /// The same behind the head of a tree, whose root somebody vouches for: the log is that one's, and the Merkle tree goes
    /// on from there.
    #[must_use]
    pub fn behind_tree(head: &TreeHead) -> Self {
        Self {
            tree: Some(GrowingTree::behind(head)),
            behind_root: Some(head.root()),
            ..Self::behind(head.known()).with_log(head.log().clone())
        }
    }

    /// Computes the Merkle tree beside the chain, from the first record of the log on: [`VerifiedLedger::tree`] then is where it
    /// ends. Without effect [behind a record](Self::behind): the tree before it isn't known.
    ///
    /// It costs a second SHA-256 of each entry.
    #[must_use]
    pub fn with_tree(mut self) -> Self {
        if self.head.size() == 0 {
            self.tree = Some(GrowingTree::default());
        }
        self
    }

    /// Demands that the log is this head's and holds its record, as [`with_known_head`](Self::with_known_head) does, and that
    /// the tree has its root there. The root isn't computed [behind a record](Self::behind), only behind the head of a tree.
    #[must_use]
    pub fn with_tree_head(mut self, head: &TreeHead) -> Self {
        self.roots.push((head.seq(), head.root()));
        self.logs.push(head.log().clone());
        self.with_tree_from_start().with_known_head(head.known())
    }

    /// With the tree, unless it is there already.
    fn with_tree_from_start(self) -> Self {
        if self.tree.is_some() { self } else { self.with_tree() }
    }

    /// Verifies this log and no other.
    #[must_use]
    pub fn with_log(self, log: Log) -> Self {
        Self { log: Some(log), ..self }
    }

    /// Demands that the log holds this record. Several may be known. One in front of what is read is demanded as well, and never
    /// found: the log may end there.
    #[must_use]
    pub fn with_known_head(mut self, head: KnownHead) -> Self {
        self.known.push(head);
        self
    }

    /// Verifies the next record, as canonical JSON (RFC 8785).
    ///
    /// # Errors
    /// [`LedgerError`], the first that holds of: malformed, hash mismatch, log mismatch, sequence broken, chain broken,
    /// forked. The record is not taken in then.
    pub fn push(&mut self, json: &[u8]) -> Result<RecordRef, LedgerError> {
        let placed = self.check(json)?;
        Ok(self.take(placed))
    }

    /// Holds the next record against the chain, and changes nothing.
    pub(super) fn check(&self, json: &[u8]) -> Result<Placed, LedgerError> {
        let seq = self.head.size();
        let fault = |code| LedgerError::new(code, seq);
        let link = Link::read(json).map_err(|malformed| {
            fault(LedgerCode::LedgerMalformed)
                .later(malformed.offset as u64)
                .with_source(malformed.source)
        })?;
        if link.computed != link.record.ledger_hash {
            return Err(fault(LedgerCode::LedgerHashMismatch));
        }
        let entry = self.tree.as_ref().map(|_| link.entry(json));
        let record = link.record;
        let is_other = |log: &Log| *log.origin() != record.log || *log.issuer() != record.issuer;
        if self.log.iter().chain(&self.logs).any(is_other) {
            return Err(fault(LedgerCode::LedgerLogMismatch));
        }
        if record.seq != seq {
            return Err(fault(LedgerCode::LedgerSequenceBroken));
        }
        if record.previous_ledger_hash != self.head.hash() {
            return Err(fault(LedgerCode::LedgerChainBroken));
        }
        if self
            .known
            .iter()
            .any(|known| known.seq() == seq && known.hash() != record.ledger_hash)
        {
            return Err(fault(LedgerCode::LedgerForked));
        }
        if let (Some(tree), Some(entry)) = (&self.tree, &entry) {
            let mut roots = self.roots.iter().filter(|(at, _)| *at == seq).peekable();
            if roots.peek().is_some() {
                let root = tree.root_with(entry);
                if roots.any(|(_, known)| *known != root) {
                    return Err(fault(LedgerCode::LedgerForked));
                }
            }
        }
        Ok(Placed { record, entry })
    }

    /// Takes in a record that was found to be in its place.
    pub(super) fn take(&mut self, placed: Placed) -> RecordRef {
        let Placed { record, entry } = placed;
        if let (Some(tree), Some(entry)) = (&mut self.tree, entry) {
            tree.push(entry, record.ledger_hash);
        }
        if self.log.is_none() {
            self.log = Some(Log::new(record.log, record.issuer));
        }
        self.head = Head::new(record.seq.saturating_add(1), record.ledger_hash);
        RecordRef {
            seq: record.seq,
            id: record.id,
            ledger_hash: record.ledger_hash,
        }
    }

    /// Where the log ends so far.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.head
    }

    /// The log has no more records.
    ///
    /// # Errors
    /// [`LedgerCode::LedgerTruncated`] if a known head was not reached.
    pub fn finish(self) -> Result<VerifiedLedger, LedgerError> {
        let size = self.head.size();
        let first = self.behind.map_or(0, |behind| behind.seq());
        let is_unread = |known: &KnownHead| known.seq() >= size || known.seq() < first;
        if self.known.iter().any(is_unread) {
            return Err(LedgerError::new(LedgerCode::LedgerTruncated, size));
        }
        let is_other = |behind: KnownHead| self.known.iter().any(|known| known.seq() == first && *known != behind);
        let has_other_root = |root: Digest| self.roots.iter().any(|(seq, known)| *seq == first && *known != root);
        if self.behind.is_some_and(is_other) || self.behind_root.is_some_and(has_other_root) {
            return Err(LedgerError::new(LedgerCode::LedgerForked, first));
        }
        if let Some(log) = &self.log
            && self.logs.iter().any(|known| known != log)
        {
            return Err(LedgerError::new(LedgerCode::LedgerLogMismatch, size));
        }
        let tree = self.tree.zip(self.log.clone());
        Ok(VerifiedLedger {
            head: self.head,
            tree: tree.and_then(|(tree, log)| tree.into_head(log)),
            log: self.log,
            observed: 0,
        })
    }
}

/// Verifies an export: JSON lines, one record each, from the first on. Only the last may lack its line feed.
///
/// With a [`LedgerVerifier`](super::LedgerVerifier) chain and meaning, with a [`ChainVerifier`] the chain alone.
///
/// # Errors
/// [`LedgerError`], with the byte offset in what `reader` gives.
pub fn verify_jsonl(reader: impl BufRead, verifier: impl RecordVerifier) -> Result<VerifiedLedger, LedgerError> {
    verify_jsonl_with(reader, verifier, |_| {})
}

/// The same, and shows every record that was found in its place, in canonical bytes. Records may be shown of a ledger
/// that is refused in the end.
///
/// # Errors
/// As [`verify_jsonl`].
pub fn verify_jsonl_with(
    reader: impl BufRead,
    mut verifier: impl RecordVerifier,
    show: impl FnMut(&[u8]),
) -> Result<VerifiedLedger, LedgerError> {
    let length = push_jsonl(reader, &mut verifier, show)?;
    verifier.finish().map_err(|error| error.later(length))
}

/// The same of one of several exports that follow each other: the verifier goes on with the next one. Gives how many bytes were read,
/// the line feed counted that the last line may lack.
///
/// # Errors
/// As [`verify_jsonl`], but that the log may not end here.
pub fn push_jsonl(
    mut reader: impl BufRead,
    verifier: &mut impl RecordVerifier,
    mut show: impl FnMut(&[u8]),
) -> Result<u64, LedgerError> {
    let mut line = Vec::new();
    let mut start: u64 = 0;
    let mut blank = None;
    loop {
        let seq = verifier.head().size();
        let fault = |code| LedgerError::new(code, seq).later(start);
        let end = read_line(&mut reader, &mut line)
            .map_err(|error| fault(LedgerCode::LedgerUnreadable).with_source(error))?;
        match end {
            Line::End => return Ok(start),
            Line::TooLong => return Err(fault(LedgerCode::LedgerMalformed).later(MAX_LINE_BYTES as u64)),
            Line::Whole | Line::Unfinished => {}
        }
        let length = line.len() as u64;
        // What some systems end lines with, and some programs make of all line ends that they move.
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if line.is_empty() {
            blank = blank.or(Some(start));
            start = start.saturating_add(length).saturating_add(1);
            continue;
        }
        if let Some(blank) = blank {
            return Err(LedgerError::new(LedgerCode::LedgerMalformed, seq).later(blank));
        }
        if let Err(error) = verifier.push(&line) {
            // What is cut off isn't JSON, so it was not admitted.
            let refused = error.source.as_ref().is_some_and(|source| source.is::<AdmitError>());
            let cut = end == Line::Unfinished && refused;
            let code = if cut {
                LedgerCode::LedgerLineTruncated
            } else {
                error.code
            };
            return Err(LedgerError { code, ..error }.later(start));
        }
        show(&line);
        start = start.saturating_add(length).saturating_add(1);
    }
}

/// What a chain needs of a record. The kind is any, so that the chain of a later kind verifies as well.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LinkRecord {
    schema: RecordSchema,
    pub(super) log: Origin,
    pub(super) seq: u64,
    id: RecordId,
    time: Timestamp,
    pub(super) kind: Code,
    pub(super) issuer: Issuer,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) tenant: Option<Tenant>,
    pub(super) body: JsonObject,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    trace: Option<Trace>,
    pub(super) previous_ledger_hash: Digest,
    pub(super) ledger_hash: Digest,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    ext: Option<JsonObject>,
}

impl Document for LinkRecord {
    const KIND: &'static str = "record";
}

/// Absent is absent, and `null` is not: it goes to `T`, which refuses it.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

pub(super) struct Link {
    pub(super) record: LinkRecord,
    pub(super) computed: Digest,
    /// Where the member `ledgerHash` stands, with the comma before it.
    hash_member: Range<usize>,
}

/// A record that was found to be in its place, and its entry where a tree is computed.
pub(super) struct Placed {
    pub(super) record: LinkRecord,
    entry: Option<Vec<u8>>,
}

pub(super) struct Malformed {
    offset: usize,
    pub(super) source: Box<dyn StdError + Send + Sync>,
}

impl Malformed {
    fn whole(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            offset: 0,
            source: source.into(),
        }
    }
}

impl LinkRecord {
    /// Whose log it says to be of.
    pub(super) fn log(&self) -> Log {
        Log::new(self.log.clone(), self.issuer.clone())
    }
}

impl Link {
    pub(super) fn read(json: &[u8]) -> Result<Self, Malformed> {
        // A body may be nested as deep as the canonicalizer permits, and stands one deeper here.
        let limits = Limits::default().with_max_bytes(MAX_LINE_BYTES).with_max_depth(96);
        let admitted = admit(json, &limits).map_err(|error| Malformed {
            offset: error.offset(),
            source: error.into(),
        })?;
        let admitted = admitted.as_bytes();
        if admitted != json {
            let same = admitted.iter().zip(json).take_while(|(ours, theirs)| ours == theirs);
            return Err(Malformed {
                offset: same.count(),
                source: "another spelling than the canonical one".into(),
            });
        }
        let record = LinkRecord::from_json(admitted).map_err(Malformed::whole)?;

        // INVARIANT: the member is found, and it is the record's own: the members after it in canonical order (log,
        // previousLedgerHash, schema, seq, tenant, time, trace) hold no objects, and inside of a string its quotation
        // marks would be escaped.
        let member = [b",\"ledgerHash\":\"".as_slice(), &record.ledger_hash.to_text(), b"\""].concat();
        let start = admitted.windows(member.len()).rposition(|window| window == member);
        let start = start.ok_or_else(|| Malformed::whole("`ledgerHash` is not where it must be"))?;
        let before = admitted.get(..start).unwrap_or_default();
        let end = start.saturating_add(member.len());
        let after = admitted.get(end..).unwrap_or_default();
        if before.len().saturating_add(after.len()) > MAX_ENTRY_BYTES {
            return Err(Malformed::whole("the entry is larger than 65535 bytes"));
        }
        Ok(Self {
            computed: sha256_parts(&[before, after]),
            hash_member: start..end,
            record,
        })
    }

    /// The entry: what was read, without `ledgerHash`.
    fn entry(&self, json: &[u8]) -> Vec<u8> {
        let before = json.get(..self.hash_member.start).unwrap_or_default();
        let after = json.get(self.hash_member.end..).unwrap_or_default();
        [before, after].concat()
    }
}

actionpass_model::coded_error!(LedgerError, offset = |error| Some(error.offset));

#[cfg(test)]
mod tests;
