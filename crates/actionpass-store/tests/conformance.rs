//! The memory stores against the contracts of their traits.

use std::path::Path;

use actionpass_store::conformance::block_on;
use actionpass_store::ledger::Log;
use actionpass_store::{MemoryDecisionStore, MemoryReplayStore, ReplayStart};

mod decisions {
    use super::*;

    actionpass_store::decision_store_conformance!(volatile,
        open: |_: &Path, log: &Log| MemoryDecisionStore::new(log.clone()),
        block_on: block_on);
}

mod replay {
    use super::*;

    actionpass_store::replay_store_conformance!(volatile,
        open: |_: &Path, start: ReplayStart| MemoryReplayStore::new(start),
        block_on: block_on);
}
