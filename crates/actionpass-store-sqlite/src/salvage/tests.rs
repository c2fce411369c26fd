use std::collections::BTreeMap;

use actionpass_model::Decision;
use actionpass_store::conformance::{TempFolder, block_on, fixtures};
use actionpass_store::ledger::{Anchor, KnownHead, Survey};
use actionpass_store::salvage::{Examined, examine, kept_head};
use actionpass_store::{DecisionStore, Ledger, LedgerExt, ReplayStart, UseStore};
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::SqliteStore;

/// A store with something of everything, closed; its records and its head.
fn filled(folder: &Path, size: u64) -> (PathBuf, BTreeMap<u64, Vec<u8>>, KnownHead) {
    let path = folder.join("ledger.db");
    let store = fill(&path, size);
    let records = block_on(Ledger::read(&store, 0, 10_000)).unwrap();
    let head = block_on(store.state()).unwrap().head.known().unwrap();
    let records = records.into_iter().map(|record| (record.seq, record.json));
    (path, records.collect(), head)
}

/// Allows with an approval, uses of their passes, revocations, denies, in turns.
fn fill(path: &Path, size: u64) -> SqliteStore {
    let start = ReplayStart::first(fixtures::at(0));
    let store = SqliteStore::create(path, Some(&fixtures::log()), start).unwrap();
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
    assert_eq!(block_on(store.state()).unwrap().head.size(), size);
    store
}

/// What an examination finds, with the head of before as the witness's. Nothing in the folder is another afterwards.
fn examined(path: &Path, witnessed: Option<KnownHead>) -> Examined {
    let before = folder(path);
    let mut salvage = SqliteSalvage::open(path).unwrap();
    let mut survey = Survey::new().with_log(fixtures::log());
    for (head, anchor) in [
        (kept_head(salvage.state()), Anchor::Store),
        (witnessed, Anchor::Witness),
    ] {
        if let Some(head) = head {
            survey = survey.with_known_head(head, anchor);
        }
    }
    let examined = examine(&mut salvage, survey);
    drop(salvage);
    assert!(folder(path) == before, "something was written");
    examined
}

/// Every file of a store's folder, with its content.
fn folder(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(path.parent().unwrap()).unwrap();
    let file = |entry: io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        (path, bytes)
    };
    entries.map(file).collect()
}

fn stretches(examined: &Examined) -> Vec<(u64, u64, Option<Anchor>)> {
    let stretch = |stretch: &actionpass_store::ledger::Stretch| (stretch.first, stretch.last, stretch.anchor);
    examined.records.stretches.iter().map(stretch).collect()
}

fn codes(examined: &Examined) -> Vec<(&'static str, u64, u64)> {
    let findings = examined.records.findings.iter();
    findings
        .map(|finding| (finding.code, finding.first, finding.last))
        .collect()
}

fn store_codes(examined: &Examined) -> Vec<StoreCode> {
    examined.store.iter().map(StoreError::code).collect()
}

fn rows(examined: &Examined) -> Vec<(Option<u64>, StoreCode)> {
    examined
        .rows
        .iter()
        .map(|fault| (fault.seq, fault.error.code()))
        .collect()
}

/// As anybody who may write the file.
fn sql(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn nothing_is_found_in_a_whole_file_and_with_a_log_beside_it() {
    let folder = TempFolder::new();
    let (path, _, head) = filled(folder.path(), 12);
    let whole = |examined: &Examined| {
        assert_eq!(
            (codes(examined), store_codes(examined), rows(examined)),
            Default::default()
        );
        assert_eq!(stretches(examined), [(0, 11, Some(Anchor::Witness))]);
    };
    whole(&examined(&path, Some(head)));
    // Open, so that what was written last is in the write-ahead log.
    let other = TempFolder::new();
    let open = fill(&other.path().join("ledger.db"), 12);
    assert!(fs::metadata(other.path().join("ledger.db-wal")).unwrap().len() > 0);
    whole(&examined(&other.path().join("ledger.db"), Some(head)));
    drop(open);
}

#[test]
fn g11_rows_that_were_changed_are_told_one_by_one() {
    let folder = TempFolder::new();
    let (path, _, head) = filled(folder.path(), 16);
    sql(
        &path,
        "UPDATE record SET json = replace(json, 'org:example', 'org:exemple') WHERE seq = 3;
         DELETE FROM record WHERE seq = 7;
         UPDATE record SET seq = 100 WHERE seq = 9; UPDATE record SET seq = 9 WHERE seq = 10; UPDATE record SET seq = 10 WHERE seq = 100;
         DELETE FROM issued WHERE seq = 4; DELETE FROM approval WHERE seq = 8;
         DELETE FROM revocation WHERE seq = 6; DELETE FROM used WHERE seq = 5; DELETE FROM replay WHERE pass = (SELECT pass FROM used WHERE seq = 13)",
    );
    let found = examined(&path, Some(head));
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
    let missing = |seq| (Some(seq), StoreCode::StoreRowsMissing);
    assert_eq!(rows(&found), [4, 5, 6, 8, 13].map(missing));
    assert_eq!(store_codes(&found), []);
    // The use at 9 and the revocation at 10 left rows.
    let told = Told {
        revocations: 1,
        uses: 1,
        side: 2,
        ..Told::default()
    };
    assert_eq!(found.told, told);
}

#[test]
fn a_file_that_ends_too_early_is_read_up_to_there() {
    let folder = TempFolder::new();
    let (path, records, head) = filled(folder.path(), 60);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() * 2 / 3]).unwrap();
    let found = examined(&path, Some(head));
    assert!(store_codes(&found).contains(&StoreCode::StoreCorrupt));
    assert!(!found.records.lost.is_empty());
    is_true_to(&found, &path, Some(head), &records);
}

#[test]
fn without_its_first_page_the_records_are_still_found() {
    for spoilt in [0..100, 0..4096, 16..40] {
        let folder = TempFolder::new();
        let (path, records, head) = filled(folder.path(), 60);
        let mut bytes = fs::read(&path).unwrap();
        bytes[spoilt.clone()].fill(0xa5);
        fs::write(&path, &bytes).unwrap();
        let found = examined(&path, Some(head));
        assert!(!found.store.is_empty(), "{spoilt:?}");
        assert_eq!(stretches(&found), [(0, 59, Some(Anchor::Witness))], "{spoilt:?}");
        is_true_to(&found, &path, Some(head), &records);
    }
}

#[test]
fn what_only_the_log_beside_it_holds_is_found_without_sqlite() {
    let folder = TempFolder::new();
    let path = folder.path().join("ledger.db");
    let open = fill(&path, 40);
    let head = block_on(open.state()).unwrap().head.known().unwrap();
    let other = TempFolder::new();
    let copy = other.path().join("ledger.db");
    fs::copy(file::beside(&path, "-wal"), file::beside(&copy, "-wal")).unwrap();
    drop(open);
    // Nothing of the file itself is left.
    fs::write(&copy, vec![0xa5; 8192]).unwrap();
    let found = examined(&copy, Some(head));
    assert!(!found.store.is_empty());
    assert_eq!(found.records.stretches.last().unwrap().anchor, Some(Anchor::Witness));
    assert_eq!(found.records.stretches.last().unwrap().last, 39);
}

#[test]
fn other_tables_and_other_files_are_told() {
    let folder = TempFolder::new();
    let (path, _, head) = filled(folder.path(), 8);
    sql(&path, "CREATE TABLE more (x)");
    assert_eq!(
        store_codes(&examined(&path, Some(head))),
        [StoreCode::StoreSchemaChanged]
    );
    sql(&path, "DROP TABLE more; UPDATE ledger SET hash = zeroblob(32)");
    let found = examined(&path, Some(head));
    assert_eq!(codes(&found), [("ledger_forked", 7, 7)]);
    assert_eq!(stretches(&found), [(0, 7, Some(Anchor::Witness))]);

    let foreign = folder.path().join("foreign.db");
    fs::write(&foreign, "not a database at all, and not even long").unwrap();
    let found = examined(&foreign, Some(head));
    assert!(store_codes(&found).contains(&StoreCode::StoreForeign));
    assert_eq!(codes(&found), [("ledger_truncated", 0, 7)]);
    let missing = SqliteSalvage::open(&folder.path().join("missing.db")).unwrap_err();
    assert_eq!(missing.code(), StoreCode::StoreMissing);
}

/// What is called proved is what was written.
fn is_true_to(found: &Examined, path: &Path, witnessed: Option<KnownHead>, records: &BTreeMap<u64, Vec<u8>>) {
    // Read once more, to see which bytes are meant.
    let mut survey = Survey::new().with_log(fixtures::log());
    if let Some(head) = witnessed {
        survey = survey.with_known_head(head, Anchor::Witness);
    }
    let mut taken = BTreeMap::new();
    SqliteSalvage::open(path).unwrap().records(&mut |seq, candidates| {
        if let Some(json) = survey.stored(seq, candidates) {
            taken.insert(seq, json.to_vec());
        }
    });
    for stretch in found
        .records
        .stretches
        .iter()
        .filter(|stretch| stretch.anchor.is_some())
    {
        for seq in stretch.first..=stretch.last {
            assert_eq!(taken.get(&seq), records.get(&seq), "{seq}");
        }
    }
}

#[derive(Clone, Debug)]
enum Damage {
    Byte(Index, u8),
    /// A sector with other content.
    Sector(Index, u8),
    /// A page of the file in the place of another.
    Page(Index, Index),
    CutOff(Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        2 => (any::<Index>(), 1..=255_u8).prop_map(|(at, with)| Damage::Byte(at, with)),
        2 => (any::<Index>(), any::<u8>()).prop_map(|(at, with)| Damage::Sector(at, with)),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Damage::Page(from, to)),
        1 => any::<Index>().prop_map(Damage::CutOff),
    ]
}

#[expect(clippy::arithmetic_side_effects, reason = "a test's file is small")]
fn spoil(bytes: &mut Vec<u8>, damage: &Damage) {
    if bytes.is_empty() {
        return;
    }
    let pages = bytes.len().div_ceil(4096);
    match damage {
        Damage::Byte(at, with) => *at.get_mut(bytes.as_mut_slice()) ^= with,
        Damage::Sector(at, with) => {
            let at = at.index(bytes.len()) / 512 * 512;
            let end = bytes.len().min(at + 512);
            bytes[at..end].fill(*with);
        }
        Damage::Page(from, to) => {
            let (from, to) = (from.index(pages) * 4096, to.index(pages) * 4096);
            let page = bytes[from..bytes.len().min(from + 4096)].to_vec();
            let end = bytes.len().min(to + page.len());
            bytes[to..end].copy_from_slice(&page[..end - to]);
        }
        Damage::CutOff(at) => bytes.truncate(at.index(bytes.len())),
    }
}

/// A file, its records and its head.
type Whole = (Vec<u8>, BTreeMap<u64, Vec<u8>>, KnownHead);

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Whatever happens to the bytes of the file, it is read without a panic, and what is called proved is what was written.
    #[test]
    fn g11_what_was_damaged_is_never_called_proved(
        damages in prop::collection::vec(damage(), 1..6),
        witnessed: bool,
    ) {
        static WHOLE: std::sync::OnceLock<Whole> = std::sync::OnceLock::new();
        let (whole, records, head) = WHOLE.get_or_init(|| {
            let folder = TempFolder::new();
            let (path, records, head) = filled(folder.path(), 40);
            (fs::read(path).unwrap(), records, head)
        });
        let mut bytes = whole.clone();
        for damage in &damages {
            spoil(&mut bytes, damage);
        }
        let folder = TempFolder::new();
        let path = folder.path().join("ledger.db");
        fs::write(&path, &bytes).unwrap();
        let witnessed = witnessed.then_some(*head);
        let found = examined(&path, witnessed);
        is_true_to(&found, &path, witnessed, records);
        // Nothing that was lost goes unsaid.
        prop_assert!(found.records.read == 40 || !found.records.findings.is_empty() || witnessed.is_none());
    }
}
