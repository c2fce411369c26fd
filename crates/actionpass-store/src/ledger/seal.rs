//! [`seal`]: the one way to a [`SealedRecord`], in two steps where they are taken by two threads.

use actionpass_canon::sha256_parts;
use actionpass_model::{
    Digest, Document, DocumentError, Issuer, MAX_ENTRY_BYTES, Origin, Record, RecordId, RecordKind, RecordSchema,
};

use super::{Head, RecordDraft, RecordRef};
use crate::{StoreCode, StoreError};

/// Whose log it is: the checkpoint origin and the issuer, the same in every record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Log {
    origin: Origin,
    issuer: Issuer,
}

impl Log {
    /// The log of an issuer under an origin. One issuer has one log.
    #[must_use]
    pub const fn new(origin: Origin, issuer: Issuer) -> Self {
        Self { origin, issuer }
    }

    /// The checkpoint origin, each record's `log`.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The issuer.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }
}

/// A record with its place in a log and its hash: canonical, chained, of a size that a log takes.
///
/// It says nothing about durability: a [`DecisionStore`](crate::DecisionStore) hands one out only once it is durable.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SealedRecord {
    seq: u64,
    id: RecordId,
    kind: RecordKind,
    ledger_hash: Digest,
    /// The whole record.
    json: Vec<u8>,
    /// Where the member `ledgerHash` stands in `json`, with the comma before it.
    hash_member: std::ops::Range<usize>,
}

/// Seals a draft as the next record of a log (`docs/spec/ledger.md`).
///
/// The **entry** is the RFC 8785 form of the record without `ledgerHash`, and `ledgerHash` is its SHA-256.
///
/// # Errors
/// [`StoreCode::RecordTooLarge`] over [`MAX_ENTRY_BYTES`]; [`StoreCode::RecordInvalid`] once `seq` passes 2^53−1.
pub fn seal(log: &Log, head: &Head, draft: &RecordDraft) -> Result<SealedRecord, StoreError> {
    PreparedRecord::new(log, draft).seal(head)
}

/// A draft with everything written of it that doesn't depend on where the log ends.
///
/// A store that seals in one place, for all callers and under a lock, has each caller prepare its record before.
#[derive(Clone, Debug)]
pub struct PreparedRecord {
    id: RecordId,
    kind: RecordKind,
    /// The entry up to where `ledgerHash` goes.
    before: Vec<u8>,
    /// The member `log`.
    log: Vec<u8>,
    /// The entry from behind `seq` on.
    end: Vec<u8>,
}

impl PreparedRecord {
    /// Prepares a draft for a log.
    #[must_use]
    pub fn new(log: &Log, draft: &RecordDraft) -> Self {
        // The members in canonical order: body, id, issuer, kind, (ledgerHash,) log, previousLedgerHash, schema, seq,
        // tenant, time, trace. A unit test holds this against the canonicalizer.
        let body = draft.body.as_bytes();
        let mut before = Vec::with_capacity(body.len().saturating_add(1024));
        before.extend_from_slice(b"{\"body\":");
        before.extend_from_slice(body);
        push(&mut before, "id", draft.id.as_str());
        push(&mut before, "issuer", log.issuer.as_str());
        push(&mut before, "kind", draft.kind.as_str());
        let mut end = Vec::with_capacity(128);
        if let Some(tenant) = &draft.tenant {
            push(&mut end, "tenant", tenant.as_str());
        }
        push(&mut end, "time", &draft.time.to_string());
        if let Some(trace) = &draft.trace {
            push(&mut end, "trace", trace.as_str());
        }
        end.push(b'}');
        let mut member = Vec::with_capacity(64);
        push(&mut member, "log", log.origin.as_str());
        Self {
            id: draft.id.clone(),
            kind: draft.kind,
            before,
            log: member,
            end,
        }
    }

    /// Seals it as the record that follows `head`.
    ///
    /// # Errors
    /// Those of [`seal`].
    pub fn seal(&self, head: &Head) -> Result<SealedRecord, StoreError> {
        const MAX_SEQ: u64 = (1 << 53) - 1;
        let seq = head.size();
        if seq > MAX_SEQ {
            return Err(StoreError::new(StoreCode::RecordInvalid));
        }
        let mut after = Vec::with_capacity(self.log.len().saturating_add(self.end.len()).saturating_add(HASHES));
        after.extend_from_slice(&self.log);
        push_digest(&mut after, "previousLedgerHash", head.hash());
        push(&mut after, "schema", RecordSchema::TEXT);
        after.extend_from_slice(b",\"seq\":");
        after.extend_from_slice(seq.to_string().as_bytes());
        after.extend_from_slice(&self.end);

        let length = self.before.len().saturating_add(after.len());
        if length > MAX_ENTRY_BYTES {
            return Err(StoreError::new(StoreCode::RecordTooLarge));
        }
        let ledger_hash = sha256_parts(&[&self.before, &after]);
        let mut json = Vec::with_capacity(length.saturating_add(HASHES));
        json.extend_from_slice(&self.before);
        push_digest(&mut json, "ledgerHash", ledger_hash);
        let hash_member = self.before.len()..json.len();
        json.extend_from_slice(&after);
        Ok(SealedRecord {
            seq,
            id: self.id.clone(),
            kind: self.kind,
            ledger_hash,
            json,
            hash_member,
        })
    }
}

/// More than a hash, a schema and a `seq` take with their names.
const HASHES: usize = 256;

impl SealedRecord {
    /// Its place in the log, from 0.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> &RecordId {
        &self.id
    }

    /// What it is about.
    #[must_use]
    pub const fn kind(&self) -> RecordKind {
        self.kind
    }

    /// SHA-256 of its entry.
    #[must_use]
    pub const fn ledger_hash(&self) -> Digest {
        self.ledger_hash
    }

    /// Place, id and hash.
    #[must_use]
    pub fn to_ref(&self) -> RecordRef {
        RecordRef {
            seq: self.seq,
            id: self.id.clone(),
            ledger_hash: self.ledger_hash,
        }
    }

    /// The head of the log once this record is in it.
    #[must_use]
    pub const fn head(&self) -> Head {
        Head::new(self.seq.saturating_add(1), self.ledger_hash)
    }

    /// The whole record as canonical JSON, `ledgerHash` included: a line of an export without its line feed.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// The entry: the canonical record without `ledgerHash`.
    #[must_use]
    pub fn entry(&self) -> Vec<u8> {
        self.parts().concat()
    }

    /// The Merkle leaf hash of the entry, SHA-256 of `0x00` and the entry (RFC 9162 §2.1.1).
    #[must_use]
    pub fn leaf_hash(&self) -> Digest {
        let [before, after] = self.parts();
        sha256_parts(&[&[0], before, after])
    }

    /// The record as a document.
    ///
    /// # Errors
    /// [`DocumentError`]: never for a record of this release's kinds.
    pub fn to_record(&self) -> Result<Record, DocumentError> {
        Record::from_json(&self.json)
    }

    fn parts(&self) -> [&[u8]; 2] {
        let before = self.json.get(..self.hash_member.start).unwrap_or_default();
        let after = self.json.get(self.hash_member.end..).unwrap_or_default();
        [before, after]
    }
}

/// Appends `,"name":"text"`. INVARIANT: `text` is visible ASCII, of which JSON escapes two characters.
fn push(json: &mut Vec<u8>, name: &str, text: &str) {
    json.extend_from_slice(b",\"");
    json.extend_from_slice(name.as_bytes());
    json.extend_from_slice(b"\":\"");
    let escapes = |byte: u8| matches!(byte, b'"' | b'\\');
    if text.bytes().any(escapes) {
        for byte in text.bytes() {
            if escapes(byte) {
                json.push(b'\\');
            }
            json.push(byte);
        }
    } else {
        json.extend_from_slice(text.as_bytes());
    }
    json.push(b'"');
}

fn push_digest(json: &mut Vec<u8>, name: &str, digest: Digest) {
    json.extend_from_slice(b",\"");
    json.extend_from_slice(name.as_bytes());
    json.extend_from_slice(b"\":\"");
    json.extend_from_slice(&digest.to_text());
    json.push(b'"');
}

#[cfg(test)]
mod tests {
    use actionpass_canon::{canonicalize, sha256};
    use actionpass_model::{ErasureBody, ErasureSchema, Principal, Statement, Tenant, Timestamp, Trace};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn draft(reason: &str, tenant: Option<String>, trace: Option<String>) -> RecordDraft {
        let body = ErasureBody {
            schema: ErasureSchema,
            records: vec![1, 2],
            erased_by: Principal::parse("user:o\"\\'wner").unwrap(),
            reason: Statement::parse(reason).unwrap(),
            rules: Vec::new(),
        };
        let id = RecordId::from_uuid(Uuid::from_u128(7));
        let mut draft = RecordDraft::new(id, Timestamp::from_unix_millis(1_795_000_000_123).unwrap(), &body).unwrap();
        if let Some(tenant) = tenant {
            draft = draft.with_tenant(Tenant::parse(&format!("org:{tenant}")).unwrap());
        }
        if let Some(trace) = trace {
            draft = draft.with_trace(Trace::parse(&trace).unwrap());
        }
        draft
    }

    fn visible() -> impl Strategy<Value = String> {
        "[!-~]{1,40}"
    }

    proptest! {
        #[test]
        fn the_entry_is_the_canonical_record_without_its_hash(
            reason in "[^\\p{Cc}]{1,100}", origin in visible(), issuer in visible(),
            tenant in proptest::option::of(visible()), trace in proptest::option::of(visible()),
            size in 0_u64..=(1 << 53) - 1, hash: [u8; 32],
        ) {
            let log = Log::new(Origin::parse(&origin).unwrap(), Issuer::parse(&format!("urn:{issuer}")).unwrap());
            let head = Head::new(size, Digest::from_bytes(hash));
            let sealed = seal(&log, &head, &draft(&reason, tenant, trace)).unwrap();
            let record = sealed.to_record().unwrap();
            let canonical = canonicalize(&record).unwrap();
            prop_assert_eq!(canonical.as_bytes(), sealed.json());

            let mut without: serde_json::Value = serde_json::from_slice(sealed.json()).unwrap();
            without.as_object_mut().unwrap().remove("ledgerHash");
            let canonical = canonicalize(&without).unwrap();
            let entry = sealed.entry();
            prop_assert_eq!(canonical.as_bytes(), entry.as_slice());
            prop_assert_eq!(sealed.ledger_hash(), sha256(&entry));
            prop_assert_eq!(sealed.leaf_hash(), sha256(&[&[0], entry.as_slice()].concat()));
            prop_assert_eq!((record.seq, record.previous_ledger_hash), (size, head.hash()));
        }
    }

    #[test]
    fn a_record_has_the_size_that_an_entry_bundle_takes() {
        let log = Log::new(Origin::parse("log.example").unwrap(), Issuer::parse("urn:a").unwrap());
        let id = RecordId::from_uuid(Uuid::from_u128(7));
        let time = Timestamp::from_unix_millis(0).unwrap();
        let with = |records: usize| {
            let body = ErasureBody {
                schema: ErasureSchema,
                records: vec![1; records],
                erased_by: Principal::parse("user:owner").unwrap(),
                reason: Statement::parse("law").unwrap(),
                rules: Vec::new(),
            };
            seal(&log, &Head::EMPTY, &RecordDraft::new(id.clone(), time, &body).unwrap())
        };
        let mut largest = with(10).unwrap();
        let fits = 10 + (MAX_ENTRY_BYTES - largest.entry().len()) / 2;
        largest = with(fits).unwrap();
        assert!(
            largest.entry().len() >= MAX_ENTRY_BYTES - 1,
            "{}",
            largest.entry().len()
        );
        assert_eq!(with(fits + 1).unwrap_err().code(), StoreCode::RecordTooLarge);
    }

    #[test]
    fn a_log_ends_where_json_integers_do() {
        let log = Log::new(Origin::parse("log.example").unwrap(), Issuer::parse("urn:a").unwrap());
        let full = Head::new(1 << 53, Digest::ZERO);
        assert_eq!(
            seal(&log, &full, &draft("r", None, None)).unwrap_err().code(),
            StoreCode::RecordInvalid
        );
    }
}
