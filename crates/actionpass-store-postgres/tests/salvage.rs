//! A damaged store, examined: every fault is told, and what is called proved is what was written.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod shared;

use actionpass_model::Decision;
use actionpass_store::conformance::{block_on, fixtures};
use actionpass_store::ledger::{Anchor, KnownHead, Survey};
use actionpass_store::salvage::{Examined, Salvage as _, Told, examine, kept_head};
use actionpass_store::{DecisionStore, Ledger, LedgerExt, ReplayStart, StoreCode, UseStore};
use actionpass_store_postgres::{PostgresSalvage, PostgresStore};
use shared::{database, options, server};

/// Allows with an approval, uses of their passes, revocations, denies, in turns; its name and head.
fn filled(size: u64) -> (String, KnownHead) {
    let name = database(server());
    let start = ReplayStart::first(fixtures::at(0));
    let store = PostgresStore::create(&options(server(), &name), Some(&fixtures::log()), start).unwrap();
    for number in 0..size {
        let before = number.saturating_sub(1);
        match number % 4 {
            0 => {
                let approvals = vec![fixtures::approval("user:ann", number)];
                let _ = block_on(store.commit(fixtures::decision(number, Decision::Allow, approvals))).unwrap();
            }
            1 => {
                let (mark, record) = (fixtures::mark(before, 0), fixtures::used(before));
                let _ = block_on(store.use_up(mark, fixtures::at(1), record)).unwrap();
            }
            2 => drop(block_on(store.append_one(fixtures::revoked(number, number, 1))).unwrap()),
            _ => drop(block_on(store.commit(fixtures::decision(number, Decision::Deny, Vec::new()))).unwrap()),
        }
    }
    let head = block_on(store.state()).unwrap().head;
    assert_eq!(head.size(), size);
    (name, head.known().unwrap())
}

fn examined(name: &str, witnessed: KnownHead) -> Examined {
    let mut salvage = PostgresSalvage::open(&options(server(), name)).unwrap();
    assert_eq!(salvage.log(), Some(&fixtures::log()));
    let mut survey = Survey::new()
        .with_log(fixtures::log())
        .with_known_head(witnessed, Anchor::Witness);
    if let Some(head) = kept_head(salvage.state()) {
        survey = survey.with_known_head(head, Anchor::Store);
    }
    examine(&mut salvage, survey)
}

fn codes(examined: &Examined) -> Vec<(&'static str, u64, u64)> {
    let findings = examined.records.findings.iter();
    findings
        .map(|finding| (finding.code, finding.first, finding.last))
        .collect()
}

fn stretches(examined: &Examined) -> Vec<(u64, u64, Option<Anchor>)> {
    let stretches = examined.records.stretches.iter();
    stretches
        .map(|stretch| (stretch.first, stretch.last, stretch.anchor))
        .collect()
}

#[test]
fn nothing_is_found_in_a_whole_store() {
    let (name, head) = filled(12);
    let found = examined(&name, head);
    assert_eq!(codes(&found), []);
    assert!(found.store.is_empty() && found.rows.is_empty(), "{found:?}");
    assert_eq!(stretches(&found), [(0, 11, Some(Anchor::Witness))]);
}

#[test]
fn g11_what_a_superuser_changed_is_told_row_by_row() {
    let (name, head) = filled(16);
    for sql in [
        "UPDATE actionpass.record SET json = replace(json::text, 'org:example', 'org:exemple') WHERE seq = 3",
        "DELETE FROM actionpass.record WHERE seq = 7",
        "UPDATE actionpass.record SET seq = 100 WHERE seq = 9",
        "UPDATE actionpass.record SET seq = 9 WHERE seq = 10",
        "UPDATE actionpass.record SET seq = 10 WHERE seq = 100",
        "DELETE FROM actionpass.issued WHERE seq = 4",
        "DELETE FROM actionpass.approval WHERE seq = 8",
        "DELETE FROM actionpass.revocation WHERE seq = 6",
        "DELETE FROM actionpass.used WHERE seq = 5",
        "DELETE FROM actionpass.replay WHERE pass = (SELECT pass FROM actionpass.used WHERE seq = 13)",
    ] {
        let _ = server().sql(&name, sql);
    }
    let found = examined(&name, head);
    assert_eq!(
        codes(&found),
        [
            ("ledger_hash_mismatch", 3, 3),
            ("ledger_records_missing", 7, 7),
            ("ledger_sequence_broken", 9, 9),
            ("ledger_sequence_broken", 10, 10),
        ]
    );
    assert_eq!(
        stretches(&found),
        [
            (0, 2, Some(Anchor::Genesis)),
            (4, 6, None),
            (8, 8, None),
            (11, 15, Some(Anchor::Witness)),
        ]
    );
    let rows: Vec<_> = found.rows.iter().map(|fault| (fault.seq, fault.error.code())).collect();
    assert_eq!(
        rows,
        [4, 5, 6, 8, 13].map(|seq| (Some(seq), StoreCode::StoreRowsMissing))
    );
    assert!(found.store.is_empty(), "{:?}", found.store);
    let told = Told {
        revocations: 1,
        uses: 1,
        side: 2,
        ..Told::default()
    };
    assert_eq!(found.told, told);
}

#[test]
fn a_database_without_a_store_and_one_of_another_head() {
    let empty = PostgresSalvage::open(&options(server(), &database(server()))).unwrap_err();
    assert_eq!(empty.code(), StoreCode::StoreMissing);
    let (name, head) = filled(8);
    let _ = server().sql(
        &name,
        "UPDATE actionpass.ledger SET hash = decode(repeat('00', 32), 'hex')",
    );
    let found = examined(&name, head);
    assert_eq!(codes(&found), [("ledger_forked", 7, 7)]);
    assert_eq!(stretches(&found), [(0, 7, Some(Anchor::Witness))]);
    let _ = server().sql(
        &name,
        "DELETE FROM actionpass.record WHERE seq > 4; DELETE FROM actionpass.ledger",
    );
    let mut salvage = PostgresSalvage::open(&options(server(), &name)).unwrap();
    let found = examine(&mut salvage, Survey::new().with_known_head(head, Anchor::Given));
    assert_eq!(codes(&found), [("ledger_truncated", 5, 7)]);
    assert_eq!(
        found.store.iter().map(|error| error.code()).collect::<Vec<_>>(),
        [StoreCode::StoreLogMismatch]
    );
}
