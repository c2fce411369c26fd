use actionpass_model::{RecordId, UseBody, UseSchema};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::ledger::{LedgerVerifier, RecordDraft, SealedRecord, seal};

fn log(origin: &str) -> Log {
    Log::new(Origin::parse(origin).unwrap(), Issuer::parse("urn:issuer").unwrap())
}

fn draft(number: u64) -> RecordDraft {
    let body = UseBody {
        commitment: None,
        schema: UseSchema,
        pass: format!("ap_{number:032x}").parse().unwrap(),
        issuer: "urn:issuer".parse().unwrap(),
        audience: "executor".parse().unwrap(),
        token_hash: Digest::from_bytes([3; 32]),
    };
    RecordDraft::new(
        RecordId::from_uuid(Uuid::from_u128(number.into())),
        Timestamp::from_unix_millis(number).unwrap(),
        &body,
    )
    .unwrap()
}

fn chain(origin: &str, size: u64) -> Vec<SealedRecord> {
    let mut head = Head::EMPTY;
    (0..size)
        .map(|number| {
            let record = seal(&log(origin), &head, &draft(number)).unwrap();
            head = record.head();
            record
        })
        .collect()
}

fn lines(records: &[SealedRecord]) -> Vec<Vec<u8>> {
    records.iter().map(|record| record.json().to_vec()).collect()
}

fn export(lines: &[Vec<u8>]) -> Vec<u8> {
    lines
        .iter()
        .flat_map(|line| [line.as_slice(), b"\n"].concat())
        .collect()
}

fn verify(lines: &[Vec<u8>]) -> Result<VerifiedLedger, LedgerError> {
    verify_jsonl(export(lines).as_slice(), ChainVerifier::new())
}

fn code(lines: &[Vec<u8>]) -> (LedgerCode, u64) {
    let error = verify(lines).unwrap_err();
    (error.code(), error.seq())
}

fn replace(line: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = std::str::from_utf8(line).unwrap();
    assert!(text.contains(from), "{text}");
    text.replacen(from, to, 1).into_bytes()
}

/// The record in its canonical spelling with another hash that fits its content, as a forger would write it.
fn rehashed(line: &[u8]) -> Vec<u8> {
    let limits = Limits::default().with_max_bytes(MAX_LINE_BYTES).with_max_depth(96);
    let line = admit(line, &limits).unwrap().into_vec();
    let link = match Link::read(&line) {
        Ok(link) => link,
        Err(malformed) => panic!("{}", malformed.source),
    };
    replace(
        &line,
        &format!("\"ledgerHash\":\"{}\"", link.record.ledger_hash),
        &format!("\"ledgerHash\":\"{}\"", link.computed),
    )
}

mod trees;

#[test]
fn a_whole_chain_verifies() {
    let records = chain("log", 5);
    let verified = verify(&lines(&records)).unwrap();
    assert_eq!(verified.head, records[4].head());
    assert_eq!(verified.log, Some(log("log")));
    assert_eq!(
        verify(&[]).unwrap(),
        VerifiedLedger {
            head: Head::EMPTY,
            log: None,
            tree: None,
            observed: 0,
        }
    );

    let all = export(&lines(&records));
    let without_feed = &all[..all.len() - 1];
    assert!(verify_jsonl(without_feed, ChainVerifier::new()).is_ok());
}

/// G11: an edited, reordered, inserted or removed record is found.
#[test]
fn g11_each_kind_of_tampering_has_its_code_and_place() {
    let good = lines(&chain("log", 5));
    let change = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut lines = good.clone();
        change(&mut lines);
        code(&lines)
    };
    let edit = |line: &[u8]| replace(line, "\"audience\":\"executor\"", "\"audience\":\"other\"");
    assert_eq!(
        change(&|lines| lines[2] = edit(&lines[2])),
        (LedgerCode::LedgerHashMismatch, 2)
    );
    assert_eq!(
        change(&|lines| lines[2] = rehashed(&edit(&lines[2]))),
        (LedgerCode::LedgerChainBroken, 3)
    );
    assert_eq!(change(&|lines| lines.swap(1, 3)), (LedgerCode::LedgerSequenceBroken, 1));
    assert_eq!(
        change(&|lines| drop(lines.remove(0))),
        (LedgerCode::LedgerSequenceBroken, 0)
    );
    assert_eq!(
        change(&|lines| drop(lines.remove(2))),
        (LedgerCode::LedgerSequenceBroken, 2)
    );
    assert_eq!(
        change(&|lines| lines.insert(2, lines[2].clone())),
        (LedgerCode::LedgerSequenceBroken, 3)
    );
    let renumbered = |line: &[u8]| rehashed(&replace(line, "\"seq\":3", "\"seq\":2"));
    assert_eq!(
        change(&|lines| {
            lines[2] = renumbered(&lines[3]);
            lines.remove(3);
        }),
        (LedgerCode::LedgerChainBroken, 2)
    );
    let foreign = lines(&chain("other", 5));
    assert_eq!(
        change(&|lines| lines[2] = foreign[2].clone()),
        (LedgerCode::LedgerLogMismatch, 2)
    );
    assert_eq!(
        change(&|lines| lines[2] = b"{}".to_vec()),
        (LedgerCode::LedgerMalformed, 2)
    );
    assert_eq!(change(&|lines| lines[2].clear()), (LedgerCode::LedgerMalformed, 2));
    let unknown = |line: &[u8]| replace(line, "\"id\":", "\"hidden\":1,\"id\":");
    assert_eq!(
        change(&|lines| lines[4] = unknown(&lines[4])),
        (LedgerCode::LedgerMalformed, 4)
    );
    let later = |line: &[u8]| replace(line, "record.v1", "record.v2");
    assert_eq!(
        change(&|lines| lines[4] = later(&lines[4])),
        (LedgerCode::LedgerMalformed, 4)
    );
}

/// G12: truncation or rollback past a known head is found.
#[test]
fn g12_truncation_needs_a_known_head_and_is_found_with_one() {
    let records = chain("log", 5);
    let known = |index: usize| records[index].head().known().unwrap();
    let cut = export(&lines(&records[..3]));
    let with = |heads: &[KnownHead], bytes: &[u8]| {
        let verifier = heads
            .iter()
            .fold(ChainVerifier::new(), |verifier, head| verifier.with_known_head(*head));
        verify_jsonl(bytes, verifier).map_err(|error| (error.code(), error.seq()))
    };
    assert!(
        with(&[], &cut).is_ok(),
        "what is missing at the end can't be seen in the rest"
    );
    assert!(with(&[known(2), known(0)], &cut).is_ok());
    assert_eq!(
        with(&[known(2), known(3)], &cut).unwrap_err(),
        (LedgerCode::LedgerTruncated, 3)
    );
    assert_eq!(with(&[known(0)], b"").unwrap_err(), (LedgerCode::LedgerTruncated, 0));

    // Rolled back and grown again, past the known head.
    let mut head = records[1].head();
    let mut forked = records[..2].to_vec();
    for number in 10..14 {
        let record = seal(&log("log"), &head, &draft(number)).unwrap();
        head = record.head();
        forked.push(record);
    }
    let forked = export(&lines(&forked));
    assert!(with(&[known(1)], &forked).is_ok());
    assert_eq!(
        with(&[known(1), known(3)], &forked).unwrap_err(),
        (LedgerCode::LedgerForked, 3)
    );
}

#[test]
fn another_log_than_expected_is_found_at_its_first_record() {
    let bytes = export(&lines(&chain("log", 2)));
    let error = verify_jsonl(bytes.as_slice(), ChainVerifier::new().with_log(log("other"))).unwrap_err();
    assert_eq!((error.code(), error.seq()), (LedgerCode::LedgerLogMismatch, 0));
}

#[test]
fn another_spelling_of_a_record_is_refused() {
    let good = lines(&chain("log", 3));
    let respelled = [
        replace(&good[1], ",\"log\":", ", \"log\":"),
        [b" ", good[1].as_slice()].concat(),
        [good[1].as_slice(), b"\t"].concat(),
        [good[1].as_slice(), b"\r\r"].concat(),
        replace(&good[1], "executor", "execut\\u006fr"),
        replace(&good[1], "\"seq\":1,", "\"seq\":1.0,"),
        replace(&replace(&good[1], ",\"seq\":1", ""), "{\"body\"", "{\"seq\":1,\"body\""),
    ];
    let value = |line: &[u8]| serde_json::from_slice::<serde_json::Value>(line).unwrap();
    for line in respelled {
        let text = String::from_utf8_lossy(&line).into_owned();
        assert_eq!(value(&line)["body"], value(&good[1])["body"], "{text}");
        let bad = [good[0].clone(), line, good[2].clone()];
        assert_eq!(code(&bad), (LedgerCode::LedgerMalformed, 1), "{text}");
        // Also where it is the last line and lacks its line feed: it was not cut off.
        let bytes = export(&bad[..2]);
        let error = verify_jsonl(&bytes[..bytes.len() - 1], ChainVerifier::new()).unwrap_err();
        assert_eq!(error.code(), LedgerCode::LedgerMalformed, "{text}");
    }
    let twice = replace(&good[0], "\"seq\":0", "\"seq\":0,\"s\\u0065q\":0");
    assert_eq!(code(&[twice]), (LedgerCode::LedgerMalformed, 0));
    let spaced = replace(&good[0], ",\"log\"", ", \"log\"");
    let at = good[0].windows(6).position(|window| window == b",\"log\"").unwrap() as u64;
    assert_eq!(verify(&[spaced]).unwrap_err().offset(), at + 1);
}

/// Programs that move an export may end its lines otherwise, or add blank ones at its end. Offsets count what is there.
#[test]
fn other_line_ends_are_read() {
    let good = lines(&chain("log", 3));
    let crlf = good.join(&b"\r\n"[..]);
    let end = crlf.len() as u64;
    for tail in [&b""[..], b"\r\n", b"\n", b"\r\n\r\n", b"\n\n\n", b"\r"] {
        let bytes = [&crlf, tail].concat();
        let verified = verify_jsonl(bytes.as_slice(), ChainVerifier::new()).unwrap();
        assert_eq!(verified.head.size(), 3, "{tail:?}");
    }
    let bytes = [&crlf[..], b"\r\n\r\n", &good[0]].concat();
    let error = verify_jsonl(bytes.as_slice(), ChainVerifier::new()).unwrap_err();
    assert_eq!(
        (error.code(), error.seq(), error.offset()),
        (LedgerCode::LedgerMalformed, 3, end + 2)
    );
}

#[test]
fn a_hash_member_in_the_body_is_not_the_records_own() {
    // An outcome's body is closed, so the body is written by hand, with a member that looks like the record's.
    let good = lines(&chain("log", 1));
    let fake = format!("\"body\":{{\"a\":1,\"ledgerHash\":\"{}\",", Digest::ZERO);
    let line = rehashed(&replace(&good[0], "\"body\":{", &fake));
    assert!(verify(&[line]).is_ok());
}

#[test]
fn any_kind_and_body_chains() {
    let good = lines(&chain("log", 1));
    let deep = format!("\"body\":{{\"deep\":{}{},", "[".repeat(60), "]".repeat(60));
    let line = replace(
        &replace(&good[0], "\"kind\":\"use\"", "\"kind\":\"later_kind\""),
        "\"body\":{",
        &deep,
    );
    assert!(verify(&[rehashed(&line)]).is_ok());
}

#[test]
fn offsets_are_of_the_file() {
    let good = lines(&chain("log", 3));
    let start = (good[0].len() + good[1].len() + 2) as u64;
    let all = export(&good);
    let cut = &all[..all.len() - 10];
    let error = verify_jsonl(cut, ChainVerifier::new()).unwrap_err();
    assert_eq!(
        (error.code(), error.seq(), error.line()),
        (LedgerCode::LedgerLineTruncated, 2, 3)
    );
    assert_eq!(error.offset(), cut.len() as u64);

    let broken = [
        good[0].clone(),
        good[1].clone(),
        replace(&good[2], "{\"body\"", "{!body\""),
    ];
    let error = verify(&broken).unwrap_err();
    assert_eq!((error.code(), error.offset()), (LedgerCode::LedgerMalformed, start + 1));

    let endless = std::io::BufReader::new(std::io::repeat(b'7'));
    assert_eq!(
        verify_jsonl(endless, ChainVerifier::new()).unwrap_err().code(),
        LedgerCode::LedgerMalformed
    );
}

proptest! {
    /// G11 for any byte of any record.
    #[test]
    fn g11_any_changed_byte_is_found(record in 0_usize..4, at: prop::sample::Index, bits in 1_u8..=255) {
        let mut bad = lines(&chain("log", 4));
        let place = at.index(bad[record].len());
        bad[record][place] ^= bits;
        prop_assert!(verify(&bad).is_err());
    }

    /// G11 for any permutation, removal and repetition of records.
    #[test]
    fn g11_any_other_order_is_found(order in prop::collection::vec(0_usize..5, 0..8)) {
        let good = lines(&chain("log", 5));
        let shown: Vec<_> = order.iter().map(|index| good[*index].clone()).collect();
        let is_prefix = order.iter().enumerate().all(|(place, index)| place == *index);
        prop_assert_eq!(verify(&shown).is_ok(), is_prefix);
    }

    /// G16: whatever a file holds, there is a code and no panic.
    #[test]
    fn g16_garbage_yields_a_code(bytes: Vec<u8>) {
        prop_assert_eq!(verify_jsonl(bytes.as_slice(), ChainVerifier::new()).is_ok(), bytes.is_empty());
    }
}

#[test]
fn what_follows_a_known_head_is_verified_without_what_is_before() {
    let records = chain("log.example", 6);
    let lines = lines(&records);
    let from = |seq: usize| records[seq].head().known().unwrap();
    for seq in 0..6 {
        let rest = export(&lines[seq + 1..]);
        let verified = verify_jsonl(rest.as_slice(), LedgerVerifier::new(ChainVerifier::behind(from(seq)))).unwrap();
        assert_eq!(verified.head, records[5].head());
        // A later head is demanded all the same.
        let cut = export(&lines[seq + 1..6.max(seq + 2) - 1]);
        let wanted = ChainVerifier::behind(from(seq)).with_known_head(from(5));
        let error = verify_jsonl(cut.as_slice(), wanted).map(drop);
        assert_eq!(error.is_err(), seq < 5, "{error:?}");
    }
    // A log that ends before the head, or with another record there, isn't the one.
    let ended = |head: KnownHead| {
        let verifier = ChainVerifier::behind(from(3)).with_known_head(head);
        verifier.finish().map_err(|error| error.code()).map(drop)
    };
    assert_eq!(ended(from(3)), Ok(()));
    assert_eq!(ended(from(2)), Err(LedgerCode::LedgerTruncated));
    assert_eq!(ended(KnownHead::new(3, Digest::ZERO)), Err(LedgerCode::LedgerForked));
    // It must begin right behind the head, and lead on from it.
    let code = |head: KnownHead, lines: &[Vec<u8>]| {
        let verified = verify_jsonl(export(lines).as_slice(), ChainVerifier::behind(head));
        verified.unwrap_err().code()
    };
    assert_eq!(code(from(1), &lines), LedgerCode::LedgerSequenceBroken);
    assert_eq!(code(from(1), &lines[3..]), LedgerCode::LedgerSequenceBroken);
    let other = KnownHead::new(1, Digest::from_bytes([9; 32]));
    assert_eq!(code(other, &lines[2..]), LedgerCode::LedgerChainBroken);
    let mut edited = lines.clone();
    edited[4] = replace(&edited[4], "executor", "executer");
    assert_eq!(code(from(1), &edited[2..]), LedgerCode::LedgerHashMismatch);
}

/// Exports that follow each other are one, wherever it is cut; the first fault has its place in the export that it is in.
#[test]
fn parts_of_an_export_are_verified_one_after_the_other() {
    let whole = lines(&chain("issuer.example", 6));
    let expected = verify(&whole).unwrap();
    for cut in 0..=whole.len() {
        let (first, second) = whole.split_at(cut);
        let mut verifier = ChainVerifier::new();
        // The last line of each may lack its line feed.
        let first = export(first);
        let first = first.strip_suffix(b"\n").unwrap_or(&first);
        let mut shown = Vec::new();
        let read = push_jsonl(first, &mut verifier, |json| shown.push(json.to_vec())).unwrap();
        assert_eq!(read, export(&whole[..cut]).len() as u64);
        push_jsonl(export(second).as_slice(), &mut verifier, |json| {
            shown.push(json.to_vec())
        })
        .unwrap();
        assert_eq!((verifier.finish().unwrap(), shown), (expected.clone(), whole.clone()));
    }
    let mut verifier = ChainVerifier::new();
    push_jsonl(export(&whole[..2]).as_slice(), &mut verifier, |_| {}).unwrap();
    let after_a_gap = [&whole[2..3], &whole[4..]].concat();
    let error = push_jsonl(export(&after_a_gap).as_slice(), &mut verifier, |_| {}).unwrap_err();
    assert_eq!(
        (error.code(), error.seq(), error.offset()),
        (LedgerCode::LedgerSequenceBroken, 3, export(&whole[2..3]).len() as u64)
    );
}
