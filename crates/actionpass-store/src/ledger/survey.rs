//! [`Survey`]: a damaged log, read to its end: what is broken where, and which stretches still prove themselves.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead};

use actionpass_model::{Digest, codes};

use super::lines::{Line, read_line};
use super::meaning::Meaning;
use super::verify::{Link, LinkRecord};
use super::{Head, KnownHead, LedgerCode, Log};

codes! {
    /// What an examination finds beside the faults of a verification.
    pub enum SurveyCode: LedgerBroken {
        /// Records are missing between others, or at the beginning.
        LedgerRecordsMissing = "ledger_records_missing",
        /// What lies beside a record isn't what the record has the hash of.
        SideDataChanged = "side_data_changed",
        /// What must lie beside a record is gone, and no erasure says so.
        SideDataMissing = "side_data_missing",
    }
}

/// How many findings are kept; the others are counted.
const MAX_FINDINGS: usize = 10_000;

/// Who vouches for the hash of a record. The later, the further from whoever writes the log.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Anchor {
    /// The first record of a log, which chains to nothing, or to the head that a store begins at. It shows that the log contradicts itself nowhere up to some record; who
    /// writes a log can write it anew from its first record on.
    Genesis,
    /// The head that the store keeps with the records, where whoever writes one can write the other.
    Store,
    /// The witness, a file outside of the store.
    Witness,
    /// A head that somebody kept elsewhere.
    Given,
}

impl Anchor {
    /// `genesis`, `store`, `witness` or `head`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Genesis => "genesis",
            Self::Store => "store",
            Self::Witness => "witness",
            Self::Given => "head",
        }
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something that is wrong with the records from one to another.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Finding {
    /// What: a [`LedgerCode`] or a [`SurveyCode`].
    pub code: &'static str,
    /// The first record.
    pub first: u64,
    /// The last record.
    pub last: u64,
    /// Where the first was found in what was read, in bytes from its start; `None` in a store.
    pub offset: Option<u64>,
    /// The same in words.
    pub problem: String,
}

impl Finding {
    /// Something that is wrong with one record of a store.
    #[must_use]
    pub const fn new(code: &'static str, seq: u64, problem: String) -> Self {
        Self {
            code,
            first: seq,
            last: seq,
            offset: None,
            problem,
        }
    }

    /// Whether the next finding is the same of the next record.
    #[must_use]
    pub fn leads_to(&self, next: &Self) -> bool {
        self.code == next.code && self.last.checked_add(1) == Some(next.first) && self.problem == next.problem
    }
}

/// Records that follow each other, each shown by the hash in the next.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stretch {
    /// The first record.
    pub first: u64,
    /// The last record.
    pub last: u64,
    /// Who vouches for it; `None` if nobody does: whoever writes the log could have made all of it.
    pub anchor: Option<Anchor>,
    /// The head that it was held against.
    pub head: Option<KnownHead>,
}

impl Stretch {
    /// How many records it has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }
}

/// What an examination of a log found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Surveyed {
    /// Whose log it is, by the first record that can be read, if nobody said.
    pub log: Option<Log>,
    /// How many records there should be: one more than the last that was found or is known.
    pub size: u64,
    /// How many of them stand in their places with their own hashes.
    pub read: u64,
    /// What is wrong, in the order of the records.
    pub findings: Vec<Finding>,
    /// How many findings there were besides.
    pub left_off: u64,
    /// Which records prove themselves, and by whom, in their order. Where several vouch for the same records, the one outside of
    /// the store is named.
    pub stretches: Vec<Stretch>,
    /// The records that can't be read any more, in their order: first and last.
    pub lost: Vec<(u64, u64)>,
}

impl Surveyed {
    /// The longest stretch that somebody vouches for.
    #[must_use]
    pub fn longest(&self) -> Option<&Stretch> {
        let anchored = self.stretches.iter().filter(|stretch| stretch.anchor.is_some());
        anchored.max_by_key(|stretch| (stretch.size(), stretch.anchor))
    }

    /// Whether a record can't be read any more.
    #[must_use]
    pub fn is_lost(&self, seq: u64) -> bool {
        let behind = self.lost.partition_point(|(first, _)| *first <= seq);
        let before = behind.checked_sub(1).and_then(|place| self.lost.get(place));
        before.is_some_and(|(_, last)| seq <= *last)
    }
}

/// Records in one chain, as far as it was read.
#[derive(Clone, Debug)]
struct Run {
    first: u64,
    last: u64,
    hash: Digest,
    /// Whether it starts with the first record, which chains to nothing.
    is_genesis: bool,
    /// Whether the record behind its last names another one.
    is_contradicted: bool,
    /// The heads that are known of its records, by their place.
    heads: Vec<(KnownHead, Anchor)>,
}

/// Examines the records of a log one by one and goes on after a fault, in memory that grows with the faults, and with what the records
/// say of each other.
///
/// It never says more than a verification would: a record is proved only through an unbroken chain of hashes that ends at a
/// head that somebody vouches for.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    log: Option<Log>,
    known: Vec<(KnownHead, Anchor)>,
    /// What the first record must follow.
    begin: Head,
    next: u64,
    read: u64,
    findings: Vec<Finding>,
    left_off: u64,
    runs: Vec<Run>,
    lost: BTreeMap<u64, u64>,
    meaning: Meaning,
}

impl Survey {
    /// Examines any one log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Examines this log: records of others are damage.
    #[must_use]
    pub fn with_log(self, log: Log) -> Self {
        Self { log: Some(log), ..self }
    }

    /// The records in front of this head were taken out: what is there begins behind it, and what records say of those isn't found
    /// to be wrong.
    #[must_use]
    pub fn behind(self, begin: Head) -> Self {
        Self {
            begin,
            next: begin.size(),
            ..self
        }
    }

    /// The log holds this record, if whoever says so is right.
    #[must_use]
    pub fn with_known_head(mut self, head: KnownHead, anchor: Anchor) -> Self {
        self.known.push((head, anchor));
        self
    }

    /// Takes what a store holds under a number, in the order of the numbers. Where a damaged file holds several, the first that is a
    /// whole record is taken. Gives the record that is whole and in its place.
    pub fn stored<'a>(&mut self, seq: u64, candidates: &[&'a [u8]]) -> Option<&'a [u8]> {
        if seq < self.next {
            return None;
        }
        self.missing(seq);
        self.next = seq.saturating_add(1);
        let mut worst = None;
        for json in candidates {
            match Link::read(json) {
                Ok(link) if link.computed == link.record.ledger_hash && link.record.seq == seq => {
                    return self.chain(link.record, None).then_some(*json);
                }
                read => worst = worst.or(Some(read)),
            }
        }
        let (code, problem) = match worst {
            Some(Ok(link)) if link.computed != link.record.ledger_hash => plain(LedgerCode::LedgerHashMismatch),
            Some(Ok(link)) => {
                let there = link.record.seq;
                (
                    LedgerCode::LedgerSequenceBroken,
                    format!("record {there} stands in its place"),
                )
            }
            Some(Err(malformed)) => (
                LedgerCode::LedgerMalformed,
                format!("not a ledger record: {}", malformed.source),
            ),
            None => (LedgerCode::LedgerUnreadable, "it can't be read".to_owned()),
        };
        self.damaged(None, seq, code, problem);
        None
    }

    /// Takes the next line of an export, from this byte on. Gives the record if it is whole and in its place.
    fn line<'a>(&mut self, offset: u64, json: &'a [u8]) -> Option<&'a [u8]> {
        let record = match Link::read(json) {
            Ok(link) if link.computed == link.record.ledger_hash => link.record,
            Ok(_) => {
                let (code, problem) = plain(LedgerCode::LedgerHashMismatch);
                self.damaged_next(Some(offset), code, problem);
                return None;
            }
            Err(malformed) => {
                let problem = format!("not a ledger record: {}", malformed.source);
                self.damaged_next(Some(offset), LedgerCode::LedgerMalformed, problem);
                return None;
            }
        };
        let seq = record.seq;
        let behind = self
            .runs
            .last()
            .map_or(self.begin.size(), |run| run.last.saturating_add(1));
        if (behind..self.next).contains(&seq) {
            // Lines that can't be read were more than there were records: some were put in.
            self.found_again(seq);
        }
        if seq < self.next {
            let problem = format!("record {seq} stands behind a later one, or twice");
            self.found(LedgerCode::LedgerSequenceBroken.as_str(), seq, Some(offset), problem);
            return None;
        }
        self.missing(seq);
        self.next = seq.saturating_add(1);
        self.chain(record, Some(offset)).then_some(json)
    }

    /// The records up to this one are not there.
    fn missing(&mut self, seq: u64) {
        if let Some(last) = seq.checked_sub(1).filter(|last| *last >= self.next) {
            let finding = Finding {
                code: SurveyCode::LedgerRecordsMissing.as_str(),
                first: self.next,
                last,
                offset: None,
                problem: "not there".to_owned(),
            };
            self.keep(finding);
            self.lose(self.next, last);
        }
    }

    /// The records from this one on were thought to be lost.
    fn found_again(&mut self, seq: u64) {
        self.next = seq;
        self.lost.retain(|first, _| *first < seq);
        if let Some(mut entry) = self.lost.last_entry() {
            let last = (*entry.get()).min(seq.saturating_sub(1));
            entry.insert(last);
        }
    }

    fn damaged_next(&mut self, offset: Option<u64>, code: LedgerCode, problem: String) {
        let seq = self.next;
        self.next = seq.saturating_add(1);
        self.damaged(offset, seq, code, problem);
    }

    fn damaged(&mut self, offset: Option<u64>, seq: u64, code: LedgerCode, problem: String) {
        self.found(code.as_str(), seq, offset, problem);
        self.lose(seq, seq);
    }

    fn found(&mut self, code: &'static str, seq: u64, offset: Option<u64>, problem: String) {
        let finding = Finding {
            offset,
            ..Finding::new(code, seq, problem)
        };
        if let Some(last) = self.findings.last_mut().filter(|last| last.leads_to(&finding)) {
            last.last = seq;
        } else {
            self.keep(finding);
        }
    }

    fn keep(&mut self, finding: Finding) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        } else {
            self.left_off = self.left_off.saturating_add(1);
        }
    }

    fn lose(&mut self, first: u64, last: u64) {
        match self.lost.last_entry() {
            Some(mut entry) if entry.get().saturating_add(1) >= first => {
                let until = (*entry.get()).max(last);
                entry.insert(until);
            }
            _ => {
                self.lost.insert(first, last);
            }
        }
    }

    /// Takes a record that is whole and in its place into the chain; `false` if it can't be.
    fn chain(&mut self, record: LinkRecord, offset: Option<u64>) -> bool {
        let seq = record.seq;
        let log = record.log();
        if self.log.as_ref().is_some_and(|known| *known != log) {
            let (code, problem) = plain(LedgerCode::LedgerLogMismatch);
            self.damaged(offset, seq, code, problem);
            return false;
        }
        let head = KnownHead::new(seq, record.ledger_hash);
        let here = || self.known.iter().filter(|(known, _)| known.seq() == seq);
        // A head from outside of the store says more than the one in it.
        let vouched: Vec<Anchor> = here()
            .filter(|(known, _)| *known == head)
            .map(|(_, anchor)| *anchor)
            .collect();
        let denied: Vec<Anchor> = here()
            .filter(|(known, _)| *known != head)
            .map(|(_, anchor)| *anchor)
            .collect();
        if let Some(denied) = denied.iter().max() {
            let problem = format!("the record is another than the one known ({denied})");
            if vouched.iter().max() >= Some(denied) {
                self.found(LedgerCode::LedgerForked.as_str(), seq, offset, problem);
            } else {
                self.damaged(offset, seq, LedgerCode::LedgerForked, problem);
                return false;
            }
        }
        self.log.get_or_insert(log);
        let before = self.runs.last_mut().filter(|run| run.last.checked_add(1) == Some(seq));
        let follows = match before {
            Some(run) if run.hash == record.previous_ledger_hash => {
                run.last = seq;
                run.hash = record.ledger_hash;
                true
            }
            Some(run) => {
                run.is_contradicted = true;
                let (code, problem) = plain(LedgerCode::LedgerChainBroken);
                self.found(code.as_str(), seq, offset, problem);
                false
            }
            None => false,
        };
        if !follows {
            let is_first = seq == self.begin.size();
            let is_genesis = is_first && record.previous_ledger_hash == self.begin.hash();
            if is_first && !is_genesis {
                let (code, problem) = plain(LedgerCode::LedgerChainBroken);
                self.found(code.as_str(), seq, offset, problem);
            }
            self.runs.push(Run {
                first: seq,
                last: seq,
                hash: record.ledger_hash,
                is_genesis,
                is_contradicted: false,
                heads: Vec::new(),
            });
        }
        if let Some(run) = self.runs.last_mut() {
            run.heads.extend(vouched.into_iter().map(|anchor| (head, anchor)));
        }
        self.read = self.read.saturating_add(1);
        self.weigh(&record, offset);
        true
    }

    /// What the record says of those before it.
    fn weigh(&mut self, record: &LinkRecord, offset: Option<u64>) {
        let is_partial = !self.lost.is_empty() || self.begin.size() > 0;
        for error in self.meaning.contradictions(record, is_partial) {
            let offset = offset.filter(|_| error.seq() == record.seq);
            let problem = error.code().message().to_owned();
            self.found(error.code().as_str(), error.seq(), offset, problem);
        }
    }

    /// The log has no more records.
    #[must_use]
    pub fn finish(mut self) -> Surveyed {
        let beyond = self.known.iter().filter(|(head, _)| head.seq() >= self.next);
        if let Some((head, anchor)) = beyond.max_by_key(|(head, _)| head.seq()).copied() {
            let finding = Finding {
                code: LedgerCode::LedgerTruncated.as_str(),
                first: self.next,
                last: head.seq(),
                offset: None,
                problem: format!("the log ends before the head that is known ({anchor})"),
            };
            self.keep(finding);
            self.lose(self.next, head.seq());
            self.next = head.seq().saturating_add(1);
        }
        self.findings.sort_by_key(|finding| finding.first);
        Surveyed {
            log: self.log,
            size: self.next,
            read: self.read,
            findings: self.findings,
            left_off: self.left_off,
            stretches: self.runs.iter().flat_map(Run::stretches).collect(),
            lost: self.lost.into_iter().collect(),
        }
    }
}

impl Run {
    /// What of it is proved by whom, from its first record on.
    fn stretches(&self) -> Vec<Stretch> {
        let mut stretches: Vec<Stretch> = Vec::new();
        let mut first = self.first;
        let mut take = |last: u64, anchor, head| {
            if last >= first {
                stretches.push(Stretch {
                    first,
                    last,
                    anchor,
                    head,
                });
                first = last.saturating_add(1);
            }
        };
        // The furthest of each: it proves everything before it.
        for anchor in [Anchor::Given, Anchor::Witness, Anchor::Store] {
            let heads = self.heads.iter().filter(|(_, by)| *by == anchor).map(|(head, _)| *head);
            if let Some(head) = heads.max_by_key(KnownHead::seq) {
                take(head.seq(), Some(anchor), Some(head));
            }
        }
        // That a log begins with its first record says nothing of an end which what follows denies.
        let anchor = (self.is_genesis && !self.is_contradicted).then_some(Anchor::Genesis);
        let head = Head::new(self.last.saturating_add(1), self.hash).known();
        take(self.last, anchor, head.filter(|_| anchor.is_some()));
        stretches
    }
}

fn plain(code: LedgerCode) -> (LedgerCode, String) {
    (code, code.message().to_owned())
}

/// Examines an export, JSON lines, and shows every record that is whole and in its place.
///
/// # Errors
/// Those of `reader`.
pub fn survey_jsonl(mut reader: impl BufRead, survey: &mut Survey, mut show: impl FnMut(u64, &[u8])) -> io::Result<()> {
    let mut line = Vec::new();
    let mut start: u64 = 0;
    let mut blank: Option<u64> = None;
    loop {
        let end = read_line(&mut reader, &mut line)?;
        if end == Line::End {
            return Ok(());
        }
        let at = start;
        start = start.saturating_add(line.len() as u64).saturating_add(1);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if line.is_empty() && end == Line::Whole {
            blank = blank.or(Some(at));
            continue;
        }
        if let Some(blank) = blank.take() {
            // No record stood there.
            let (code, next) = (LedgerCode::LedgerMalformed.as_str(), survey.next);
            survey.found(code, next, Some(blank), "an empty line".to_owned());
        }
        match end {
            Line::TooLong => {
                let mut length = line.len() as u64;
                length = length.saturating_add(skip_line(&mut reader)?);
                start = at.saturating_add(length);
                let problem = "longer than any record".to_owned();
                survey.damaged_next(Some(at), LedgerCode::LedgerMalformed, problem);
            }
            Line::Unfinished if Link::read(&line).is_err() => {
                let (code, problem) = plain(LedgerCode::LedgerLineTruncated);
                survey.damaged_next(Some(at), code, problem);
            }
            _ => {
                if let Some(json) = survey.line(at, &line) {
                    let seq = survey.next.saturating_sub(1);
                    show(seq, json);
                }
            }
        }
    }
}

/// Leaves the rest of a line out, and gives its length with the line feed.
fn skip_line(reader: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped: u64 = 0;
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(skipped);
        }
        let found = buffer.iter().position(|byte| *byte == b'\n');
        let length = found.map_or(buffer.len(), |place| place.saturating_add(1));
        reader.consume(length);
        skipped = skipped.saturating_add(length as u64);
        if found.is_some() {
            return Ok(skipped);
        }
    }
}

#[cfg(test)]
mod tests;
