//! PostgreSQL against the contracts of its traits.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod shared;

use std::path::Path;

use actionpass_store::ReplayStart;
use actionpass_store::conformance::{block_on, fixtures};
use actionpass_store::ledger::Log;
use actionpass_store_postgres::PostgresStore;

fn opened(folder: &Path, log: &Log) -> PostgresStore {
    PostgresStore::open_or_create(&shared::of(folder), Some(log), ReplayStart::first(fixtures::at(0))).unwrap()
}

mod decisions {
    use super::*;

    actionpass_store::decision_store_conformance!(durable, open: opened, block_on: block_on);
}

mod queue {
    use super::*;

    actionpass_store::queue_store_conformance!(durable, open: opened, block_on: block_on);
}

mod outcomes {
    use super::*;

    actionpass_store::outcome_store_conformance!(durable, open: opened, block_on: block_on);
}

mod archives {
    use super::*;

    actionpass_store::archive_store_conformance!(durable, open: opened, block_on: block_on);
}

mod uses {
    use super::*;

    actionpass_store::use_store_conformance!(durable, open: opened, block_on: block_on);
}

mod replay {
    use super::*;

    actionpass_store::replay_store_conformance!(durable,
        open: |folder: &Path, start: ReplayStart| {
            PostgresStore::open_or_create(&shared::of(folder), None, start).unwrap()
        },
        block_on: block_on);
}

mod sessions {
    use actionpass_store_postgres::PostgresSessions;

    use super::*;

    actionpass_store::session_store_conformance!(durable,
        open: |folder: &Path| PostgresSessions::of(&opened(folder, &fixtures::log())),
        block_on: block_on);
}

mod trust {
    use actionpass_store::conformance::TrustStore;
    use actionpass_store::trust_file::TrustFileCode;
    use actionpass_store_postgres::PostgresTrust;

    use super::*;

    actionpass_store::trust_document_conformance!(durable,
        open: |folder: &Path, document: &TrustStore| {
            let trust = PostgresTrust::of(&opened(folder, &fixtures::log()));
            match block_on(trust.create(document)) {
                Err(error) if error.code() != TrustFileCode::TrustExists => panic!("{error:?}"),
                _ => trust,
            }
        },
        block_on: block_on);
}
