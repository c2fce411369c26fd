//! Store traits, the chained ledger and the JSON trust store file.
//!
//! ```
//! use actionpass_model::{Issuer, Origin, PassId, UnixSeconds};
//! use actionpass_store::{Consumption, Mark, MemoryReplayStore, ReplayCode, ReplayStart, ReplayStore};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let now = UnixSeconds::new(1_795_000_000).ok_or("time")?;
//! let store = MemoryReplayStore::new(ReplayStart::first(now));
//! let mark = Mark {
//!     issuer: Issuer::parse("https://issuer.example")?,
//!     pass: PassId::parse("ap_01920000000070008000000000000001")?,
//!     issued_at: now,
//!     expires_at: now.saturating_add(600),
//! };
//! assert_eq!(store.consume(&mark, now).await?, Consumption::Consumed);
//! assert_eq!(store.consume(&mark, now).await?, Consumption::Refused(ReplayCode::AlreadyUsed));
//! # Ok(())
//! # }
//! # let mut example = std::pin::pin!(example());
//! # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
//! # assert!(matches!(example.as_mut().poll(&mut context), std::task::Poll::Ready(Ok(()))));
//! ```
//!
//! | what | where |
//! |---|---|
//! | the issuer's log: records in one chain, appended in batches, followed | [`Ledger`], [`Batch`] |
//! | the issuer's store: approvals used, records, tokens, in one commit | [`DecisionStore`], [`MemoryDecisionStore`] |
//! | the beginning of a log taken out of its store | [`ArchiveStore`], [`MemoryDecisionStore`] |
//! | what waits for people, in the same transactions | [`QueueStore`], [`MemoryDecisionStore`] |
//! | the executor's store: passes used once | [`ReplayStore`], [`MemoryReplayStore`] |
//! | … and recorded in the same transactions | [`UseStore`] |
//! | sealing records, verifying a log | [`ledger`] |
//! | keys and revocations, wherever they are kept | [`TrustDocument`], [`MemoryTrust`], in a JSON file [`trust_file`] |
//! | who is signed in at the page | [`sessions`], [`MemorySessions`] |
//! | everything that a store holds, on its way into another | [`contents`] |
//! | what backends with tables have in common | [`backend`] |
//! | a store in whatever state it is, looked at | [`salvage`] |
//! | calls that block, beside an executor's threads | [`offload`](mod@offload) |
//! | the clauses of the contracts as tests | `conformance`, with the feature of that name |
//!
//! Nothing here knows signatures or policy, and no async runtime is needed.

mod archive;
pub mod backend;
mod beside;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod contents;
mod decision;
mod error;
pub mod ledger;
pub mod lock_file;
mod log;
mod memory;
pub mod offload;
mod outcome;
mod process;
mod queue;
mod replay;
pub mod salvage;
pub mod sessions;
mod tally;
mod trust_document;
pub mod trust_file;
mod uses;
mod witness;

pub use archive::{Archive, ArchiveOutcome, ArchiveStore, Beginning, MAX_SIGNED_HEAD, Needed, Resign};
pub use beside::{Beside, NOTHING_BESIDE};
pub use decision::{
    ActionKey, Allow, CommitOutcome, DecisionCommit, DecisionStore, Issued, Known, LookUp, newest_trust,
};
pub use error::{StoreCode, StoreError, StoreFuture};
pub use log::{AppendOutcome, Batch, Ledger, LedgerExt, LedgerState, SideKind, StoredRecord, TrustRange};
pub use memory::{MemoryDecisionStore, MemoryReplayStore, MemorySessions};
pub use outcome::{OutcomeStore, Report, Reported, UsedPass};
pub use process::Process;
pub use queue::{
    Change, ChangeOutcome, Found, MAX_LISTED, MAX_OVERDUE, Obstacle, Open, QueuePart, QueueStore, RequestFilter,
    RequestPart, Standing, StateFilter, StoredRequest, VoteToken, hide,
};
pub use replay::{Consumption, LEEWAY_SECS, Mark, ReplayCode, ReplayStart, ReplayStore, judge};
pub use tally::{RequestTally, TalliedHold, is_said};
pub use trust_document::{MemoryTrust, TrustChange, TrustChanged, TrustDocument, TrustFuture};
pub use uses::{UseStore, UsedUp};
pub use witness::HeadWitness;
