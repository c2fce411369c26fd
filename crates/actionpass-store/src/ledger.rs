//! The chained ledger: drafts, the one way to seal them, and the verification of a log from its first record.
//!
//! `docs/spec/ledger.md` describes the format and how to check it by hand.

mod consequence;
mod draft;
mod head;
mod lines;
mod meaning;
mod salt;
mod seal;
mod survey;
mod tree;
mod tree_head;
mod verify;

pub use consequence::Consequence;
pub use draft::{Effects, RecordBody, RecordDraft};
pub use head::{Head, HeadError, KnownHead, RecordRef};
pub use lines::MAX_LINE_BYTES;
pub use meaning::{LedgerVerifier, RecordVerifier};
pub use salt::Salt;
pub use seal::{Log, PreparedRecord, SealedRecord, seal};
pub use survey::{Anchor, Finding, Stretch, Survey, SurveyCode, Surveyed, survey_jsonl};
pub use tree_head::TreeHead;
pub use verify::{ChainVerifier, LedgerCode, LedgerError, VerifiedLedger, push_jsonl, verify_jsonl, verify_jsonl_with};
