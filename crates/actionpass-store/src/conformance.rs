//! The contracts of [`Ledger`], [`DecisionStore`], [`ReplayStore`] and [`TrustDocument`] as tests: one named `#[test]` for
//! each clause.
//!
//! ```
//! # use std::path::Path;
//! use actionpass_store::ledger::Log;
//! use actionpass_store::{MemoryDecisionStore, MemoryReplayStore, ReplayStart};
//!
//! // Each test gets a folder of its own; `volatile` leaves out the clauses about opening again.
//! actionpass_store::decision_store_conformance!(volatile,
//!     open: |_: &Path, log: &Log| MemoryDecisionStore::new(log.clone()),
//!     block_on: actionpass_store::conformance::block_on);
//!
//! mod replay {
//!     # use std::path::Path;
//!     # use actionpass_store::{MemoryReplayStore, ReplayStart};
//!     actionpass_store::replay_store_conformance!(volatile,
//!         open: |_: &Path, start: ReplayStart| MemoryReplayStore::new(start),
//!         block_on: actionpass_store::conformance::block_on);
//! }
//! # fn main() {}
//! ```
//!
//! `durable` stores are opened several times on one folder: the first opening makes the store, later ones find it.
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a clause that doesn't hold fails its test"
)]

pub mod archive;
mod block_on;
pub mod decision;
pub mod fixtures;
mod folder;
pub mod ledger;
pub mod outcomes;
pub mod queue;
pub mod replay;
pub mod requests;
pub mod sessions;
pub mod trust;
pub mod uses;

use std::fmt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use crate::ledger::Log;
use crate::sessions::SessionStore;
use crate::{
    ArchiveStore, DecisionStore, Ledger, OutcomeStore, QueueStore, ReplayStart, ReplayStore, TrustDocument, UseStore,
};

#[doc(no_inline)]
pub use actionpass_model::TrustStore;
pub use block_on::block_on;
pub use folder::TempFolder;

/// What an executor runs.
pub type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Opens a ledger in a folder.
pub type OpenLedger<'a> = dyn Fn(&Path, &Log) -> Arc<dyn Ledger> + Sync + 'a;

/// Opens a decision store in a folder.
pub type OpenDecisions<'a> = dyn Fn(&Path, &Log) -> Arc<dyn DecisionStore> + Sync + 'a;

/// Opens a store of requests in a folder.
pub type OpenQueue<'a> = dyn Fn(&Path, &Log) -> Arc<dyn QueueStore> + Sync + 'a;

/// Opens a store of outcomes in a folder.
pub type OpenOutcomes<'a> = dyn Fn(&Path, &Log) -> Arc<dyn OutcomeStore> + Sync + 'a;

/// A store that can be archived, with what must not be forgotten then.
pub trait Archivable: ArchiveStore + DecisionStore + OutcomeStore + QueueStore {}
impl<S: ArchiveStore + DecisionStore + OutcomeStore + QueueStore> Archivable for S {}

/// Opens a store that can be archived in a folder.
pub type OpenArchivable<'a> = dyn Fn(&Path, &Log) -> Arc<dyn Archivable> + Sync + 'a;

/// Opens a replay store in a folder.
pub type OpenReplay<'a> = dyn Fn(&Path, ReplayStart) -> Arc<dyn ReplayStore> + Sync + 'a;

/// Opens a store of recorded uses in a folder.
pub type OpenUses<'a> = dyn Fn(&Path, &Log) -> Arc<dyn UseStore> + Sync + 'a;

/// Opens the sessions of a page in a folder.
pub type OpenSessions<'a> = dyn Fn(&Path) -> Arc<dyn SessionStore> + Sync + 'a;

/// Opens a trust document in a folder, and makes it as this if it isn't there.
pub type OpenTrust<'a> = dyn Fn(&Path, &TrustStore) -> Arc<dyn TrustDocument> + Sync + 'a;

/// What a clause runs on: a folder of its own, a way to open the store there, an executor.
pub struct Suite<'a, O: ?Sized> {
    folder: TempFolder,
    open: &'a O,
    block_on: &'a (dyn Fn(Task<'_>) + Sync),
}

impl<O: ?Sized> fmt::Debug for Suite<'_, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl<'a, O: ?Sized> Suite<'a, O> {
    /// A suite in a new folder.
    #[must_use]
    pub fn new(open: &'a O, block_on: &'a (dyn Fn(Task<'_>) + Sync)) -> Self {
        Self {
            folder: TempFolder::new(),
            open,
            block_on,
        }
    }

    /// Runs a future on the executor under test.
    fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let mut output = None;
        (self.block_on)(Box::pin(async { output = Some(future.await) }));
        output.unwrap()
    }
}

#[expect(clippy::panic, reason = "a clause that doesn't hold fails its test")]
fn fail(outcome: &dyn fmt::Debug) -> ! {
    panic!("{outcome:?}")
}

/// Expands to one `#[test]` for each clause of the contract of [`Ledger`]; see [`conformance`](mod@self).
#[macro_export]
macro_rules! ledger_conformance {
    (durable, open: $open:expr, block_on: $block_on:expr) => {
        $crate::ledger_conformance!(volatile, open: $open, block_on: $block_on);
        $crate::ledger_conformance!(@clauses $open, $block_on;
            g10_what_was_appended_is_there_after_opening_again
            g11_two_handles_append_to_one_chain
            following_notices_another_handle
        );
    };
    (volatile, open: $open:expr, block_on: $block_on:expr) => {
        $crate::ledger_conformance!(@clauses $open, $block_on;
            a_new_log_is_empty
            g11_records_of_every_kind_chain
            a_batch_is_written_in_order
            an_empty_batch_writes_nothing
            a_batch_with_a_bad_record_writes_nothing
            a_revocation_is_recorded_once
            the_watermark_moves_by_what_a_batch_says
            the_watermark_skips_nothing
            records_are_read_in_pages
            a_record_that_is_too_large_is_not_appended
            g11_16_threads_append_to_one_chain
            following_waits_for_the_next_record
            following_may_be_given_up
        );
    };
    (@clauses $open:expr, $block_on:expr; $($clause:ident)+) => {$(
        #[test]
        fn $clause() {
            let open = |folder: &::std::path::Path, log: &$crate::ledger::Log| -> ::std::sync::Arc<dyn $crate::Ledger> {
                ::std::sync::Arc::new(($open)(folder, log))
            };
            let block_on = |task: $crate::conformance::Task<'_>| { ($block_on)(task); };
            $crate::conformance::ledger::$clause(&$crate::conformance::Suite::new(&open, &block_on));
        }
    )+};
}

/// Expands to one `#[test]` for each clause of the contract of [`DecisionStore`], those of [`Ledger`] included; see
/// [`conformance`](mod@self).
#[macro_export]
macro_rules! decision_store_conformance {
    (durable, open: $open:expr, block_on: $block_on:expr) => {
        $crate::ledger_conformance!(durable, open: $open, block_on: $block_on);
        $crate::decision_store_conformance!(@volatile $open, $block_on);
        $crate::decision_store_conformance!(@clauses $open, $block_on;
            g10_what_was_acknowledged_is_there_after_opening_again
            two_handles_see_one_state
        );
    };
    (volatile, open: $open:expr, block_on: $block_on:expr) => {
        $crate::ledger_conformance!(volatile, open: $open, block_on: $block_on);
        $crate::decision_store_conformance!(@volatile $open, $block_on);
    };
    (@volatile $open:expr, $block_on:expr) => {
        $crate::decision_store_conformance!(@clauses $open, $block_on;
            nothing_is_found_in_a_new_store
            g09_a_commit_gives_its_record_and_is_found
            only_an_allow_is_final
            an_allow_is_given_once
            ids_are_scoped_by_tenant_and_agent
            ids_that_differ_in_anything_differ
            g05_an_approval_is_used_once
            g05_used_approvals_are_told
            a_look_up_answers_what_was_asked
            an_older_trust_store_is_refused
            another_policy_is_refused
            a_decision_never_moves_the_watermark
            erasing_side_data_leaves_the_chain
            g11_decisions_chain_with_other_records
            a_decision_that_is_too_large_writes_nothing
            g05_of_16_threads_one_uses_an_approval
            of_16_threads_one_gets_the_pass
            a_dropped_commit_is_done_or_not_done
        );
    };
    (@clauses $open:expr, $block_on:expr; $($clause:ident)+) => {$(
        #[test]
        fn $clause() {
            let open = |folder: &::std::path::Path, log: &$crate::ledger::Log| -> ::std::sync::Arc<dyn $crate::DecisionStore> {
                ::std::sync::Arc::new(($open)(folder, log))
            };
            let block_on = |task: $crate::conformance::Task<'_>| { ($block_on)(task); };
            $crate::conformance::decision::$clause(&$crate::conformance::Suite::new(&open, &block_on));
        }
    )+};
}

/// Expands to one `#[test]` for each clause of the contract of [`OutcomeStore`] that is not one of [`Ledger`]; see
/// [`conformance`](mod@self).
#[macro_export]
macro_rules! outcome_store_conformance {
    (durable, open: $open:expr, block_on: $block_on:expr) => {
        $crate::outcome_store_conformance!(volatile, open: $open, block_on: $block_on);
        $crate::outcome_store_conformance!(@clauses $open, $block_on;
            outcomes_are_there_after_opening_again
        );
    };
    (volatile, open: $open:expr, block_on: $block_on:expr) => {
        $crate::outcome_store_conformance!(@clauses $open, $block_on;
            an_unused_pass_has_no_outcome
            a_foreign_pass_has_no_outcome
            an_outcome_is_recorded_once_and_contradicted_once
            what_is_no_report_writes_nothing
            of_16_threads_one_reports
        );
    };
    (@clauses $open:expr, $block_on:expr; $($clause:ident)+) => {$(
        #[test]
        fn $clause() {
            let open = |folder: &::std::path::Path, log: &$crate::ledger::Log| -> ::std::sync::Arc<dyn $crate::OutcomeStore> {
                ::std::sync::Arc::new(($open)(folder, log))
            };
            let block_on = |task: $crate::conformance::Task<'_>| { ($block_on)(task); };
            $crate::conformance::outcomes::$clause(&$crate::conformance::Suite::new(&open, &block_on));
        }
    )+};
}

/// Expands to one `#[test]` for each clause of the contract of [`ArchiveStore`] that is not one of [`Ledger`]; see
/// [`conformance`](mod@self).
#[macro_export]
macro_rules! archive_store_conformance {
    (durable, open: $open:expr, block_on: $block_on:expr) => {
        $crate::archive_store_conformance!(volatile, open: $open, block_on: $block_on);
        $crate::archive_store_conformance!(@clauses $open, $block_on;
            g10_the_beginning_is_there_after_opening_again
            g10_a_head_that_was_signed_anew_is_there_after_opening_again
        );
    };
    (volatile, open: $open:expr, block_on: $block_on:expr) => {
        $crate::archive_store_conformance!(@clauses $open, $block_on;
            a_log_begins_with_its_first_record
            g11_the_rest_follows_the_head
            what_something_needs_stays
            what_is_no_archive_moves_nothing
            g05_nothing_is_forgotten
            g18_requests_of_before_go_on
            archives_follow_each_other
            g12_another_signed_head_takes_the_place_of_the_first
            what_is_no_signing_anew_changes_nothing
        );
    };
    (@clauses $open:expr, $block_on:expr; $($clause:ident)+) => {$(
        #[test]
        fn $clause() {
            let open = |folder: &::std::path::Path, log: &$crate::ledger::Log| -> ::std::sync::Arc<dyn $crate::conformance::Archivable> {
                ::std::sync::Arc::new(($open)(folder, log))
            };
            let block_on = |task: $crate::conformance::Task<'_>| { ($block_on)(task); };
            $crate::conformance::archive::$clause(&$crate::conformance::Suite::new(&open, &block_on));
        }
    )+};
}

/// Expands to one `#[test]` for each clause of the contract of [`QueueStore`] that is not one of [`DecisionStore`]; see
/// [`conformance`](mod@self).
#[macro_export]
macro_rules! queue_store_conformance {
    (durable, open: $open:expr, block_on: $block_on:expr) => {
        $crate::queue_store_conformance!(volatile, open: $open, block_on: $block_on);
        $crate::queue_store_conformance!(@clauses $open, $block_on;
            g18_requests_are_there_after_opening_again
            g20_two_handles_see_one_queue
        );
    };
    (volatile, open: $open:expr, block_on: $block_on:expr) => {
        $crate::queue_store_conformance!(@clauses $open, $block_on;
            g18_a_request_is_opened_with_its_decision
            g20_one_request_waits_for_an_action
            g20_a_decision_by_another_version_is_refused
            g20_an_allow_settles_its_request_once
            g18_a_vote_is_recorded
            g18_what_is_refused_changes_nothing
            g18_the_table_of_steps_is_the_law
            g19_a_decline_stands_in_the_way_while_it_holds
            g18_what_is_superseded_ends_with_the_decision
            g18_a_refused_decision_supersedes_nothing
            g18_a_record_names_its_request
            a_step_up_under_another_policy_is_refused
            limits_are_kept
            three_requests_for_nothing_hold_the_next
            overdue_requests_are_told
            requests_are_listed
            g18_erasing_ends_what_waits
            g18_erasing_in_a_salted_log_leaves_no_hash
            g20_of_16_threads_one_changes_a_version
            g20_of_16_threads_one_opens
        );
    };
    (@clauses $open:expr, $block_on:expr; $($clause:ident)+) => {$(
        #[test]
        fn $clause() {
            let open = |folder: &::std::path::Path, log: &$crate::ledger::Log| -> ::std::sync::Arc<dyn $crate::QueueStore> {
                ::std::sync::Arc::new(($open)(folder, log))
            };
            let block_on = |task: $crate::conformance::Task<'_>| { ($block_on)(task); };
            $crate::conformance::queue::$clause(&$crate::conformance::Suite::new(&open, &block_on));
        }
    )+};
}

/// Expands to one `#[test]` for each clause of the contract of [`UseStore`] that is not one of [`ReplayStore`] or [`Ledger`]; see
/// [`conformance`](mod@self).
#[macro_export]
macro_rules! use_store_conformance {
    (durable, open: $open:expr, block_on: $block_on:expr) => {
        $crate::use_store_conformance!(volatile, open: $open, block_on: $block_on);
        $crate::use_store_conformance!(@clauses $open, $block_on;
            g10_uses_are_there_after_opening_again
        );
    };
    (volatile, open: $open:expr, block_on: $block_on:expr) => {
        $crate::use_store_conformance!(@clauses $open, $block_on;
            g06_a_pass_is_used_and_recorded_once
            g06_marks_are_those_of_consume
            a_use_that_cannot_be_recorded_marks_nothing
            g06_of_16_threads_one_uses_a_pass_up
        );
    };
    (@clauses $open:expr, $block_on:expr; $($clause:ident)+) => {$(
        #[test]
        fn $clause() {
            let open = |folder: &::std::path::Path, log: &$crate::ledger::Log| -> ::std::sync::Arc<dyn $crate::UseStore> {
                ::std::sync::Arc::new(($open)(folder, log))
            };
            let block_on = |task: $crate::conformance::Task<'_>| { ($block_on)(task); };
            $crate::conformance::uses::$clause(&$crate::conformance::Suite::new(&open, &block_on));
        }
    )+};
}

/// Expands to one `#[test]` for each clause of the contract of [`ReplayStore`]; see [`conformance`](mod@self).
#[macro_export]
macro_rules! replay_store_conformance {
    (durable, open: $open:expr, block_on: $block_on:expr) => {
        $crate::replay_store_conformance!(volatile, open: $open, block_on: $block_on);
        $crate::replay_store_conformance!(@clauses $open, $block_on;
            g06_marks_and_limits_are_there_after_opening_again
            g06_two_handles_share_their_marks
        );
    };
    (volatile, open: $open:expr, block_on: $block_on:expr) => {
        $crate::replay_store_conformance!(@clauses $open, $block_on;
            g06_a_pass_is_consumed_once
            marks_are_scoped_by_issuer
            g06_of_16_threads_one_consumes
            g06_a_mark_stays_until_nobody_accepts_the_pass
            g06_a_clock_that_goes_back_consumes_nothing_twice
            g06_a_pass_older_than_the_store_is_refused
            g06_a_restored_store_refuses_what_may_be_used
        );
    };
    (@clauses $open:expr, $block_on:expr; $($clause:ident)+) => {$(
        #[test]
        fn $clause() {
            let open = |folder: &::std::path::Path, start: $crate::ReplayStart| -> ::std::sync::Arc<dyn $crate::ReplayStore> {
                ::std::sync::Arc::new(($open)(folder, start))
            };
            let block_on = |task: $crate::conformance::Task<'_>| { ($block_on)(task); };
            $crate::conformance::replay::$clause(&$crate::conformance::Suite::new(&open, &block_on));
        }
    )+};
}

/// Expands to one `#[test]` for each clause of the contract of [`SessionStore`]; see [`conformance`](mod@self).
#[macro_export]
macro_rules! session_store_conformance {
    (durable, open: $open:expr, block_on: $block_on:expr) => {
        $crate::session_store_conformance!(volatile, open: $open, block_on: $block_on);
        $crate::session_store_conformance!(@clauses $open, $block_on;
            two_handles_share_their_sessions
            of_two_handles_one_is_served
        );
    };
    (volatile, open: $open:expr, block_on: $block_on:expr) => {
        $crate::session_store_conformance!(@clauses $open, $block_on;
            the_secret_is_one_for_all
            a_session_is_open_until_it_ends
            a_challenge_signs_in_once
            of_16_threads_one_signs_in
            the_oldest_session_of_a_passkey_makes_room
            a_passkey_signs_in_so_often
            a_ballot_serves_once
            a_ballot_ends_with_its_session
            the_oldest_ballot_of_a_session_makes_room
            of_16_threads_one_takes_a_ballot
        );
    };
    (@clauses $open:expr, $block_on:expr; $($clause:ident)+) => {$(
        #[test]
        fn $clause() {
            let open = |folder: &::std::path::Path| -> ::std::sync::Arc<dyn $crate::sessions::SessionStore> {
                ::std::sync::Arc::new(($open)(folder))
            };
            let block_on = |task: $crate::conformance::Task<'_>| { ($block_on)(task); };
            $crate::conformance::sessions::$clause(&$crate::conformance::Suite::new(&open, &block_on));
        }
    )+};
}

/// Expands to one `#[test]` for each clause of the contract of [`TrustDocument`]; see [`conformance`](mod@self). `open`
/// makes the document as the one it is given if there is none.
#[macro_export]
macro_rules! trust_document_conformance {
    (durable, open: $open:expr, block_on: $block_on:expr) => {
        $crate::trust_document_conformance!(volatile, open: $open, block_on: $block_on);
        $crate::trust_document_conformance!(@clauses $open, $block_on;
            a_change_is_there_after_opening_again
            two_handles_lose_no_change
        );
    };
    (volatile, open: $open:expr, block_on: $block_on:expr) => {
        $crate::trust_document_conformance!(@clauses $open, $block_on;
            a_document_is_read_as_it_was_made
            a_change_is_the_next_version
            a_refused_change_changes_nothing
            a_change_does_not_lower_the_version
            g07_what_was_revoked_stays_revoked
            of_16_threads_no_change_is_lost
            a_dropped_change_is_made_or_not_made
        );
    };
    (@clauses $open:expr, $block_on:expr; $($clause:ident)+) => {$(
        #[test]
        fn $clause() {
            let open = |folder: &::std::path::Path, document: &$crate::conformance::TrustStore| -> ::std::sync::Arc<dyn $crate::TrustDocument> {
                ::std::sync::Arc::new(($open)(folder, document))
            };
            let block_on = |task: $crate::conformance::Task<'_>| { ($block_on)(task); };
            $crate::conformance::trust::$clause(&$crate::conformance::Suite::new(&open, &block_on));
        }
    )+};
}
