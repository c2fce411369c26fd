use actionpass_model::Decision;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::conformance::fixtures;
use crate::ledger::{RecordDraft, SealedRecord, seal};

fn sealed(drafts: &[RecordDraft]) -> Vec<SealedRecord> {
    let mut head = Head::EMPTY;
    let sealed = drafts.iter().map(|draft| {
        let record = seal(&fixtures::log(), &head, draft).unwrap();
        head = record.head();
        record
    });
    sealed.collect()
}

/// Allows and the uses of their passes, in turns.
fn chain(size: u64) -> Vec<SealedRecord> {
    let draft = |number: u64| match number % 2 {
        0 => fixtures::decision(number, Decision::Allow, Vec::new()).record,
        _ => fixtures::used(number.saturating_sub(1)),
    };
    sealed(&(0..size).map(draft).collect::<Vec<_>>())
}

fn lines(records: &[SealedRecord]) -> Vec<Vec<u8>> {
    records.iter().map(|record| record.json().to_vec()).collect()
}

fn known(record: &SealedRecord) -> KnownHead {
    record.head().known().unwrap()
}

/// Rows with their numbers, as a store holds them.
fn of_rows<'a>(survey: Survey, rows: impl IntoIterator<Item = (u64, &'a Vec<u8>)>) -> Surveyed {
    let mut survey = survey;
    for (seq, json) in rows {
        let _ = survey.stored(seq, &[json]);
    }
    survey.finish()
}

fn rows(lines: &[Vec<u8>]) -> impl Iterator<Item = (u64, &Vec<u8>)> {
    (0..).zip(lines)
}

fn codes(surveyed: &Surveyed) -> Vec<(&str, u64, u64)> {
    let finding = |finding: &Finding| (finding.code, finding.first, finding.last);
    // Codes have no lifetime of their own.
    let mut codes: Vec<(&str, u64, u64)> = Vec::new();
    for found in &surveyed.findings {
        codes.push(finding(found));
    }
    codes
}

fn stretches(surveyed: &Surveyed) -> Vec<(u64, u64, Option<Anchor>)> {
    let stretch = |stretch: &Stretch| (stretch.first, stretch.last, stretch.anchor);
    surveyed.stretches.iter().map(stretch).collect()
}

#[test]
fn a_whole_log_is_one_stretch() {
    let records = chain(6);
    let lines = lines(&records);
    let surveyed = of_rows(Survey::new(), rows(&lines));
    assert_eq!(codes(&surveyed), []);
    assert_eq!((surveyed.size, surveyed.read, &surveyed.lost), (6, 6, &Vec::new()));
    assert_eq!(stretches(&surveyed), [(0, 5, Some(Anchor::Genesis))]);
    let heads = Survey::new()
        .with_known_head(known(&records[5]), Anchor::Store)
        .with_known_head(known(&records[3]), Anchor::Witness);
    let surveyed = of_rows(heads, rows(&lines));
    assert_eq!(
        stretches(&surveyed),
        [(0, 3, Some(Anchor::Witness)), (4, 5, Some(Anchor::Store))]
    );
}

#[test]
fn g11_it_goes_on_behind_every_kind_of_fault() {
    let records = chain(12);
    let mut damaged = lines(&records);
    // An edited record, one that is none, two that change places, one that is gone, and one of another log.
    damaged[2] = String::from_utf8(damaged[2].clone())
        .unwrap()
        .replace("\"org:example\"", "\"org:exemple\"")
        .into_bytes();
    damaged[4] = b"{}".to_vec();
    damaged.swap(6, 7);
    let other = Log::new("other.example".parse().unwrap(), fixtures::log().issuer().clone());
    let head = records[9].head();
    damaged[10] = seal(&other, &head, &fixtures::used(99)).unwrap().json().to_vec();
    let survey = Survey::new()
        .with_known_head(known(&records[3]), Anchor::Given)
        .with_known_head(known(&records[11]), Anchor::Witness);
    let surveyed = of_rows(survey, rows(&damaged).filter(|(seq, _)| *seq != 8));
    assert_eq!(
        codes(&surveyed),
        [
            ("ledger_hash_mismatch", 2, 2),
            ("ledger_malformed", 4, 4),
            ("ledger_sequence_broken", 6, 6),
            ("ledger_sequence_broken", 7, 7),
            ("ledger_records_missing", 8, 8),
            ("ledger_log_mismatch", 10, 10),
        ]
    );
    assert_eq!(
        stretches(&surveyed),
        [
            (0, 1, Some(Anchor::Genesis)),
            (3, 3, Some(Anchor::Given)),
            (5, 5, None),
            (9, 9, None),
            (11, 11, Some(Anchor::Witness)),
        ]
    );
    assert_eq!(surveyed.lost, [(2, 2), (4, 4), (6, 8), (10, 10)]);
    assert!([2, 7, 8].iter().all(|seq| surveyed.is_lost(*seq)) && !surveyed.is_lost(9));
    assert_eq!(surveyed.longest().unwrap().first, 0);
}

#[test]
fn a_record_that_was_written_anew_is_found_by_those_behind_it() {
    let records = chain(6);
    let mut damaged = lines(&records);
    damaged[2] = seal(&fixtures::log(), &records[1].head(), &fixtures::used(99))
        .unwrap()
        .json()
        .to_vec();
    let surveyed = of_rows(
        Survey::new().with_known_head(known(&records[5]), Anchor::Witness),
        rows(&damaged),
    );
    // How many of those before it were written anew as well, nobody knows.
    assert_eq!(stretches(&surveyed), [(0, 2, None), (3, 5, Some(Anchor::Witness))]);
    assert!(codes(&surveyed).contains(&("ledger_chain_broken", 3, 3)));
    // A head that somebody kept says where it happened.
    let forked = of_rows(
        Survey::new().with_known_head(known(&records[2]), Anchor::Given),
        rows(&damaged),
    );
    assert!(codes(&forked).contains(&("ledger_forked", 2, 2)));
    assert_eq!(stretches(&forked), [(0, 1, Some(Anchor::Genesis)), (3, 5, None)]);
}

#[test]
fn what_a_head_outside_says_counts_more_than_the_one_inside() {
    let records = chain(3);
    let lines = lines(&records);
    let wrong = KnownHead::new(2, fixtures::digest(7));
    let survey = Survey::new()
        .with_known_head(wrong, Anchor::Store)
        .with_known_head(known(&records[2]), Anchor::Witness);
    let surveyed = of_rows(survey, rows(&lines));
    assert_eq!(codes(&surveyed), [("ledger_forked", 2, 2)]);
    assert_eq!(stretches(&surveyed), [(0, 2, Some(Anchor::Witness))]);
    let surveyed = of_rows(Survey::new().with_known_head(wrong, Anchor::Store), rows(&lines));
    assert_eq!(stretches(&surveyed), [(0, 1, Some(Anchor::Genesis))]);
}

#[test]
fn g12_a_cut_off_end_is_as_long_as_what_is_known() {
    let records = chain(8);
    let lines = lines(&records);
    let survey = Survey::new()
        .with_known_head(known(&records[7]), Anchor::Witness)
        .with_known_head(known(&records[5]), Anchor::Store);
    let surveyed = of_rows(survey, rows(&lines).take(4));
    assert_eq!(codes(&surveyed), [("ledger_truncated", 4, 7)]);
    assert_eq!((surveyed.size, &surveyed.lost), (8, &vec![(4, 7)]));
    let nothing = of_rows(Survey::new(), []);
    assert_eq!((nothing.size, nothing.longest()), (0, None));
}

#[test]
fn contradictions_are_told_but_not_those_that_lost_records_explain() {
    let mut drafts: Vec<RecordDraft> = (0..4)
        .map(|number| fixtures::decision(number, Decision::Allow, Vec::new()).record)
        .collect();
    drafts.extend([
        fixtures::used(1),
        fixtures::used(1),
        fixtures::used(9),
        fixtures::used(2),
    ]);
    let records = sealed(&drafts);
    let lines = lines(&records);
    let surveyed = of_rows(Survey::new(), rows(&lines));
    assert_eq!(
        codes(&surveyed),
        [("ledger_pass_used_twice", 5, 5), ("ledger_use_unissued", 6, 6)]
    );
    assert_eq!(stretches(&surveyed), [(0, 7, Some(Anchor::Genesis))]);
    let surveyed = of_rows(Survey::new(), rows(&lines).filter(|(seq, _)| *seq != 2));
    assert_eq!(
        codes(&surveyed),
        [("ledger_records_missing", 2, 2), ("ledger_pass_used_twice", 5, 5)]
    );
}

/// The records that were shown, by their numbers.
fn of_export(survey: Survey, export: &[u8]) -> (Surveyed, BTreeMap<u64, Vec<u8>>) {
    let (mut survey, mut shown) = (survey, BTreeMap::new());
    let show = |seq, json: &[u8]| drop(shown.insert(seq, json.to_vec()));
    survey_jsonl(export, &mut survey, show).unwrap();
    (survey.finish(), shown)
}

fn joined(lines: &[Vec<u8>]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line, &b"\n"[..]].concat()).collect()
}

#[test]
fn lines_of_an_export_find_their_places_again() {
    let records = chain(6);
    let whole = lines(&records);
    let of = |lines: &[Vec<u8>]| of_export(Survey::new(), &joined(lines)).0;
    assert_eq!(stretches(&of(&whole)), [(0, 5, Some(Anchor::Genesis))]);

    // A line that was put in takes no record's place.
    let mut put_in = whole.clone();
    put_in.insert(2, b"garbage".to_vec());
    let surveyed = of(&put_in);
    assert_eq!(codes(&surveyed), [("ledger_malformed", 2, 2)]);
    assert_eq!(stretches(&surveyed), [(0, 5, Some(Anchor::Genesis))]);
    assert_eq!(surveyed.lost, []);
    assert_eq!(
        surveyed.findings[0].offset,
        Some((whole[0].len() + whole[1].len() + 2) as u64)
    );

    let mut longer = whole.clone();
    longer[3] = vec![b'a'; 200_000];
    let surveyed = of(&longer);
    assert_eq!(codes(&surveyed), [("ledger_malformed", 3, 3)]);
    assert_eq!(stretches(&surveyed), [(0, 2, Some(Anchor::Genesis)), (4, 5, None)]);

    let mut twice = whole.clone();
    twice.insert(3, whole[1].clone());
    assert_eq!(codes(&of(&twice)), [("ledger_sequence_broken", 1, 1)]);

    let mut empty = whole.clone();
    empty.insert(3, Vec::new());
    assert_eq!(codes(&of(&empty)), [("ledger_malformed", 3, 3)]);

    let export = joined(&whole);
    let (cut, _) = of_export(Survey::new(), &export[..export.len() - 20]);
    assert_eq!(codes(&cut), [("ledger_line_truncated", 5, 5)]);
    assert_eq!(stretches(&cut), [(0, 4, Some(Anchor::Genesis))]);
}

#[derive(Clone, Debug)]
enum Damage {
    /// One byte of one record becomes another.
    Byte(Index, Index, u8),
    Gone(Index),
    Swapped(Index, Index),
    Twice(Index),
    Garbage(Index, Vec<u8>),
    /// A record with a hash of its own, which the one before it leads to.
    Anew(Index),
    CutOff(Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        3 => (any::<Index>(), any::<Index>(), 1..=255_u8).prop_map(|(record, byte, with)| Damage::Byte(record, byte, with)),
        1 => any::<Index>().prop_map(Damage::Gone),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(one, other)| Damage::Swapped(one, other)),
        1 => any::<Index>().prop_map(Damage::Twice),
        1 => (any::<Index>(), prop::collection::vec(any::<u8>(), 0..200)).prop_map(|(at, bytes)| Damage::Garbage(at, bytes)),
        2 => any::<Index>().prop_map(Damage::Anew),
        1 => any::<Index>().prop_map(Damage::CutOff),
    ]
}

fn spoil(lines: &mut Vec<Vec<u8>>, records: &[SealedRecord], damage: Damage) {
    if lines.is_empty() {
        return;
    }
    match damage {
        Damage::Byte(record, byte, with) => {
            let line = record.get_mut(lines.as_mut_slice());
            if !line.is_empty() {
                *byte.get_mut(line.as_mut_slice()) ^= with;
            }
        }
        Damage::Gone(at) => drop(lines.remove(at.index(lines.len()))),
        Damage::Swapped(one, other) => {
            let (one, other) = (one.index(lines.len()), other.index(lines.len()));
            lines.swap(one, other);
        }
        Damage::Twice(at) => {
            let at = at.index(lines.len());
            lines.insert(at, lines[at].clone());
        }
        Damage::Garbage(at, bytes) => lines.insert(at.index(lines.len()), bytes),
        Damage::Anew(at) => {
            let at = at.index(records.len());
            let before = at.checked_sub(1).map_or(Head::EMPTY, |before| records[before].head());
            let anew = seal(
                &fixtures::log(),
                &before,
                &fixtures::used(at.saturating_add(1000) as u64),
            )
            .unwrap();
            if let Some(line) = lines.get_mut(at) {
                *line = anew.json().to_vec();
            }
        }
        Damage::CutOff(at) => lines.truncate(at.index(lines.len())),
    }
}

proptest! {
    /// Held against what was written: whatever happens to rows and bytes, nothing but the records of before is called proved.
    #[test]
    fn g11_what_was_damaged_is_never_called_proved(
        size in 1..14_u64,
        damages in prop::collection::vec(damage(), 0..5),
        kept in prop::option::of(any::<Index>()),
        witnessed: bool,
    ) {
        let records = chain(size);
        let whole = lines(&records);
        let mut lines = whole.clone();
        for damage in damages {
            spoil(&mut lines, &records, damage);
        }
        let mut survey = Survey::new();
        if let Some(kept) = kept {
            survey = survey.with_known_head(known(kept.get(&records)), Anchor::Given);
        }
        if witnessed {
            survey = survey.with_known_head(known(records.last().unwrap()), Anchor::Witness);
        }
        let stored = of_rows(survey.clone(), rows(&lines));
        let (exported, shown) = of_export(survey, &joined(&lines));
        for (surveyed, is_export) in [(&stored, false), (&exported, true)] {
            let mut behind = 0;
            for stretch in &surveyed.stretches {
                prop_assert!(stretch.first >= behind && stretch.last >= stretch.first);
                behind = stretch.last.saturating_add(1);
                // What nobody outside vouches for may be all anew, if it contradicts itself nowhere.
                let is_proved = stretch.anchor.is_some_and(|anchor| anchor != Anchor::Genesis);
                for seq in stretch.first..=stretch.last {
                    prop_assert!(!surveyed.is_lost(seq));
                    let there = if is_export { &shown[&seq] } else { &lines[seq as usize] };
                    prop_assert!(!is_proved || *there == whole[seq as usize], "{seq}");
                }
            }
            let is_whole = surveyed.findings.is_empty();
            // Blank lines at the end are none of an export.
            let joined = joined(&lines);
            let export = joined.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
            let is_same = match is_export {
                true => export.filter(|line| !line.is_empty()).eq(whole.iter().map(Vec::as_slice)),
                false => lines == whole,
            };
            prop_assert!(!is_whole || !witnessed || is_same);
            prop_assert!(lines != whole || (is_whole && surveyed.read == size));
        }
    }

    /// Without anybody who writes hashes anew, the same holds of what begins with the first record.
    #[test]
    fn accidents_are_never_called_whole(size in 1..14_u64, damages in prop::collection::vec(damage(), 1..5)) {
        let records = chain(size);
        let whole = lines(&records);
        let mut lines = whole.clone();
        for damage in damages {
            if !matches!(damage, Damage::Anew(_)) {
                spoil(&mut lines, &records, damage);
            }
        }
        let (_, shown) = of_export(Survey::new(), &joined(&lines));
        for surveyed in [of_rows(Survey::new(), rows(&lines)), of_export(Survey::new(), &joined(&lines)).0] {
            for stretch in surveyed.stretches.iter().filter(|stretch| stretch.anchor.is_some()) {
                for seq in stretch.first..=stretch.last {
                    prop_assert_eq!(&shown[&seq], &whole[seq as usize]);
                }
            }
        }
    }
}
