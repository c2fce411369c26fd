//! The memory stores against the contracts of their traits.

use std::path::Path;

use actionpass_model::TrustStore;
use actionpass_store::conformance::block_on;
use actionpass_store::ledger::Log;
use actionpass_store::trust_file::TrustFile;
use actionpass_store::{MemoryDecisionStore, MemoryReplayStore, MemorySessions, MemoryTrust, ReplayStart};

mod decisions {
    use super::*;

    actionpass_store::decision_store_conformance!(volatile,
        open: |_: &Path, log: &Log| MemoryDecisionStore::new(log.clone()),
        block_on: block_on);
}

mod queue {
    use super::*;

    actionpass_store::queue_store_conformance!(volatile,
        open: |_: &Path, log: &Log| MemoryDecisionStore::new(log.clone()),
        block_on: block_on);
}

mod outcomes {
    use super::*;

    actionpass_store::outcome_store_conformance!(volatile,
        open: |_: &Path, log: &Log| MemoryDecisionStore::new(log.clone()),
        block_on: block_on);
}

mod archives {
    use super::*;

    actionpass_store::archive_store_conformance!(volatile,
        open: |_: &Path, log: &Log| MemoryDecisionStore::new(log.clone()),
        block_on: block_on);
}

mod replay {
    use super::*;

    actionpass_store::replay_store_conformance!(volatile,
        open: |_: &Path, start: ReplayStart| MemoryReplayStore::new(start),
        block_on: block_on);
}

mod sessions {
    use super::*;

    actionpass_store::session_store_conformance!(volatile,
        open: |_: &Path| MemorySessions::default(),
        block_on: block_on);
}

mod trust_in_memory {
    use super::*;

    actionpass_store::trust_document_conformance!(volatile,
        open: |_: &Path, document: &TrustStore| MemoryTrust::new(document).unwrap(),
        block_on: block_on);
}

mod trust_in_a_file {
    use super::*;

    actionpass_store::trust_document_conformance!(durable,
        open: |folder: &Path, document: &TrustStore| {
            let path = folder.join("trust.json");
            TrustFile::create(&path, document).unwrap_or_else(|_| TrustFile::open(&path))
        },
        block_on: block_on);
}
