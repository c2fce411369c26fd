use actionpass_model::{Decision, TrustEvidence};

use super::*;
use crate::conformance::{block_on, fixtures, requests};
use crate::ledger::{RecordDraft, SealedRecord, seal, verify_jsonl};
use crate::{DecisionStore, Ledger, LedgerExt, MemoryDecisionStore};

/// The drafts as a log, sealed as a store seals them but judged by nobody.
fn export(drafts: &[RecordDraft]) -> Vec<u8> {
    let mut head = Head::EMPTY;
    let mut lines = Vec::new();
    for draft in drafts {
        let record = seal(&fixtures::log(), &head, draft).unwrap();
        head = record.head();
        lines.extend_from_slice(record.json());
        lines.push(b'\n');
    }
    lines
}

fn verify(drafts: &[RecordDraft]) -> Result<u64, (LedgerCode, u64)> {
    let export = export(drafts);
    let chain = verify_jsonl(export.as_slice(), ChainVerifier::new()).unwrap();
    assert_eq!(chain.head.size(), drafts.len() as u64);
    verify_jsonl(export.as_slice(), LedgerVerifier::default())
        .map(|verified| verified.head.size())
        .map_err(|error| (error.code(), error.seq()))
}

/// An allow of action `number`, so of pass `number`, with approval `approval` if there is one.
fn allow(number: u64, approval: Option<u64>, trust: TrustEvidence, policy: u64) -> RecordDraft {
    let approvals = approval.map(|id| fixtures::approval("user:ann", id));
    fixtures::decision_by(number, Decision::Allow, approvals.into_iter().collect(), trust, policy).record
}

fn deny(number: u64, trust: TrustEvidence, policy: u64) -> RecordDraft {
    fixtures::decision_by(number, Decision::Deny, Vec::new(), trust, policy).record
}

fn other_trust(version: u64) -> TrustEvidence {
    TrustEvidence {
        version,
        digest: fixtures::digest(1000),
    }
}

/// Each impossible history of an approval request has its code, and the record that it stands in.
#[test]
fn g18_every_impossible_history_of_a_request_has_its_code() {
    use LedgerCode as Code;
    use actionpass_model::VoteKind::{Approve, Decline};
    let decides = |number, decision| requests::decides_on(Some(1), number, number, 0, decision).record;
    let opens = || requests::opens(1, 1, 0).record;
    let allow = |number| decides(number, Decision::Allow);
    let yes = |number, who: &str| requests::votes(1, 0, number, who, Approve, 1).record;
    let no = || requests::votes(1, 0, 9, "user:bob", Decline, 1).record;
    let cancelled = || requests::changes(1, 0, requests::cancel(1), 1).record;
    let expired = || requests::changes(1, 0, requests::expire(3600), 3600).record;
    let erased = || fixtures::erased(60, vec![0]);
    let lifted = || requests::lifted(1, 1);
    let step_up = || decides(3, Decision::StepUp);
    let table = [
        // Nothing opened it.
        (vec![allow(1)], Code::LedgerRequestUnopened, 0),
        (vec![decides(1, Decision::Deny)], Code::LedgerRequestUnopened, 0),
        (vec![yes(1, "user:ann"), opens()], Code::LedgerRequestUnopened, 0),
        (vec![lifted()], Code::LedgerRequestUnopened, 0),
        // Two allows.
        (vec![opens(), allow(1), allow(2)], Code::LedgerRequestUsedTwice, 2),
        // After its end.
        (vec![opens(), no(), allow(1)], Code::LedgerRequestEnded, 2),
        (vec![opens(), cancelled(), allow(1)], Code::LedgerRequestEnded, 2),
        (vec![opens(), expired(), allow(1)], Code::LedgerRequestEnded, 2),
        (vec![opens(), erased(), allow(1)], Code::LedgerRequestEnded, 2),
        (vec![opens(), no(), step_up()], Code::LedgerRequestEnded, 2),
        (vec![opens(), allow(1), step_up()], Code::LedgerRequestEnded, 2),
        (vec![opens(), no(), yes(1, "user:ann")], Code::LedgerRequestEnded, 2),
        (vec![opens(), allow(1), no()], Code::LedgerRequestEnded, 2),
        (vec![opens(), cancelled(), expired()], Code::LedgerRequestEnded, 2),
        // A vote twice.
        (
            vec![opens(), yes(1, "user:ann"), yes(1, "user:ann")],
            Code::LedgerVoteTwice,
            2,
        ),
        (
            vec![opens(), yes(1, "user:ann"), yes(2, "user:Ann")],
            Code::LedgerVoteTwice,
            2,
        ),
    ];
    for (drafts, code, seq) in table {
        assert_eq!(verify(&drafts), Err((code, seq)));
    }
    let possible = [
        vec![opens(), step_up(), yes(1, "user:ann"), yes(2, "user:bob"), allow(2)],
        vec![
            opens(),
            yes(1, "user:ann"),
            requests::votes(1, 1, 2, "user:ann", Decline, 1).record,
        ],
        vec![opens(), no(), decides(2, Decision::Deny), lifted(), erased()],
        vec![opens(), erased(), requests::opens(2, 2, 0).record],
    ];
    for drafts in possible {
        assert_eq!(verify(&drafts), Ok(drafts.len() as u64));
    }
}

/// A log in which pass 1 was allowed, used and executed, and then these were reported: executed or not, contradicting what.
fn reported(more: &[(bool, Option<u64>)]) -> Vec<RecordDraft> {
    let first = [
        allow(1, None, fixtures::trust(1), 1),
        fixtures::used(1),
        fixtures::outcome(10, 1, true, None),
    ];
    let more = (11..)
        .zip(more)
        .map(|(number, (is_executed, contradicts))| fixtures::outcome(number, 1, *is_executed, *contradicts));
    first.into_iter().chain(more).collect()
}

#[test]
fn one_outcome_and_one_that_says_that_it_contradicts_it_are_honest() {
    assert_eq!(verify(&reported(&[])), Ok(3));
    assert_eq!(verify(&reported(&[(false, Some(2))])), Ok(4));
    // A log of uses alone, as an executor's own issuer may have one.
    let alone = [fixtures::used(1), fixtures::outcome(2, 1, false, None)];
    assert_eq!(verify(&alone), Ok(2));
}

/// Each contradiction in a log with a whole chain has its code, and the record that it stands in.
#[test]
fn g11_every_contradiction_has_its_code_and_record() {
    use LedgerCode as Code;
    let trust = fixtures::trust;
    let allow_1 = || allow(1, Some(1), trust(1), 1);
    let table = [
        (
            vec![allow_1(), fixtures::used(1), fixtures::used(1)],
            Code::LedgerPassUsedTwice,
            2,
        ),
        (
            vec![fixtures::used(1), fixtures::used(2), fixtures::used(1)],
            Code::LedgerPassUsedTwice,
            2,
        ),
        (vec![allow_1(), fixtures::used(2)], Code::LedgerUseUnissued, 1),
        (
            vec![allow_1(), fixtures::outcome(2, 1, true, None)],
            Code::LedgerOutcomeUnused,
            1,
        ),
        (
            vec![allow_1(), fixtures::used(1), fixtures::outcome(2, 2, true, None)],
            Code::LedgerOutcomeUnused,
            2,
        ),
        (
            vec![allow_1(), fixtures::outcome(2, 1, true, None), fixtures::used(1)],
            Code::LedgerOutcomeUnused,
            1,
        ),
        // The second says nothing of the first, another one than the first, or comes third; the first contradicts nothing.
        (reported(&[(false, None)]), Code::LedgerOutcomeTwice, 3),
        (reported(&[(true, None)]), Code::LedgerOutcomeTwice, 3),
        (reported(&[(false, Some(1))]), Code::LedgerOutcomeTwice, 3),
        (
            reported(&[(false, Some(2)), (true, Some(2))]),
            Code::LedgerOutcomeTwice,
            4,
        ),
        (
            reported(&[(false, Some(2)), (true, Some(3))]),
            Code::LedgerOutcomeTwice,
            4,
        ),
        (
            vec![fixtures::used(1), fixtures::outcome(2, 1, true, Some(0))],
            Code::LedgerOutcomeTwice,
            1,
        ),
        // Used before it was issued, found once the log has a decision.
        (vec![fixtures::used(1), allow_1()], Code::LedgerUseUnissued, 0),
        (
            vec![fixtures::used(2), deny(1, trust(1), 1)],
            Code::LedgerUseUnissued,
            0,
        ),
        (
            vec![deny(1, trust(1), 1), fixtures::used(1)],
            Code::LedgerUseUnissued,
            1,
        ),
        (
            vec![allow_1(), allow(1, None, trust(1), 1)],
            Code::LedgerActionAllowedTwice,
            1,
        ),
        (
            vec![allow_1(), allow(2, Some(1), trust(1), 1)],
            Code::LedgerApprovalUsedTwice,
            1,
        ),
        (
            vec![fixtures::policed(1, 1), allow_1(), allow(2, Some(1), trust(1), 1)],
            Code::LedgerApprovalUsedTwice,
            2,
        ),
        (
            vec![fixtures::policed(1, 2), allow_1()],
            Code::LedgerPolicyNotInForce,
            1,
        ),
        (
            vec![fixtures::policed(1, 1), fixtures::policed(2, 2), allow_1()],
            Code::LedgerPolicyNotInForce,
            2,
        ),
        (
            vec![allow(2, None, trust(2), 1), allow_1()],
            Code::LedgerTrustWentBack,
            1,
        ),
        (
            vec![fixtures::trusted(1, trust(2)), allow_1()],
            Code::LedgerTrustWentBack,
            1,
        ),
        (
            vec![fixtures::revoked(1, 1, 2), allow_1()],
            Code::LedgerTrustWentBack,
            1,
        ),
        (
            vec![fixtures::trusted(1, other_trust(1)), allow_1()],
            Code::LedgerTrustWentBack,
            1,
        ),
    ];
    for (number, (drafts, code, seq)) in table.iter().enumerate() {
        assert_eq!(verify(drafts), Err((*code, *seq)), "case {number}");
    }
}

/// What a store takes is never refused.
#[test]
fn what_is_no_contradiction_is_none() {
    let trust = fixtures::trust;
    let table = [
        // A log of uses alone, as an executor's might be.
        vec![fixtures::used(1), fixtures::used(2)],
        vec![
            allow(1, Some(1), trust(1), 1),
            fixtures::used(1),
            allow(2, Some(2), trust(1), 1),
        ],
        // Another policy before any was recorded; a later one from its record on.
        vec![
            allow(1, None, trust(1), 7),
            fixtures::policed(2, 2),
            allow(3, None, trust(1), 2),
        ],
        // Two administrators recorded their changes the other way round.
        vec![
            fixtures::trusted(1, trust(3)),
            fixtures::trusted(2, trust(2)),
            allow(3, None, trust(3), 1),
        ],
        // A deny names what its process knew, older or newer, and moves nothing.
        vec![
            fixtures::trusted(1, trust(3)),
            deny(2, trust(9), 5),
            deny(2, trust(1), 6),
            deny(2, other_trust(3), 1),
            allow(3, None, trust(3), 1),
        ],
        // Denied twice, then allowed.
        vec![deny(1, trust(1), 1), deny(1, trust(1), 1), allow(1, None, trust(1), 1)],
    ];
    for (number, drafts) in table.iter().enumerate() {
        assert_eq!(verify(drafts), Ok(drafts.len() as u64), "case {number}");
    }
}

/// A pass of another issuer is used once at each audience, whatever this log decided.
#[test]
fn foreign_passes_are_used_once_at_an_audience() {
    let used = |audience: &str| {
        let body = actionpass_model::UseBody {
            schema: actionpass_model::UseSchema,
            commitment: None,
            pass: fixtures::pass(1),
            issuer: "https://other.example".parse().unwrap(),
            audience: audience.parse().unwrap(),
            token_hash: fixtures::digest(1),
        };
        fixtures::draft(1, &body)
    };
    let allow = allow(1, None, fixtures::trust(1), 1);
    assert_eq!(verify(&[allow.clone(), used("a"), used("b"), fixtures::used(1)]), Ok(4));
    assert_eq!(
        verify(&[allow, used("a"), used("b"), used("a")]),
        Err((LedgerCode::LedgerPassUsedTwice, 3))
    );
}

/// Whatever a store commits and appends, in any order, has no contradiction; what it refuses leaves no record.
#[test]
fn g11_a_store_writes_no_contradiction() {
    for seed in 0_u64..64 {
        let store = MemoryDecisionStore::new(fixtures::log());
        // A linear congruential generator (Knuth's MMIX constants): seeded, so that a failure can be repeated.
        let mut state = seed;
        let mut next = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let mut used = HashSet::new();
        for _ in 0..60 {
            let (number, trust, policy) = (next(12), fixtures::trust(1 + next(4)), 1 + next(2));
            match next(6) {
                0 => drop(block_on(store.append_one(fixtures::trusted(number, trust))).unwrap()),
                1 => drop(block_on(store.append_one(fixtures::policed(number, policy))).unwrap()),
                2 => {
                    let decision = fixtures::decision_by(number, Decision::Deny, Vec::new(), trust, policy);
                    drop(block_on(store.commit(decision)).unwrap());
                }
                _ => {
                    let approvals = vec![fixtures::approval("user:ann", next(6))];
                    let decision = fixtures::decision_by(number, Decision::Allow, approvals, trust, policy);
                    drop(block_on(store.commit(decision)).unwrap());
                    let is_issued = block_on(store.find(&fixtures::action(number))).unwrap().is_some();
                    if is_issued && used.insert(number) {
                        drop(block_on(store.append_one(fixtures::used(number))).unwrap());
                    }
                }
            }
        }
        let mut verifier = LedgerVerifier::default();
        for record in block_on(store.read(0, 1000)).unwrap() {
            let pushed = verifier.push(&record.json).map(drop).map_err(|error| error.to_string());
            assert_eq!(pushed, Ok(()), "seed {seed}");
        }
    }
}

/// A body of a later version is none of this release's business; one that says to be of this version must be.
#[test]
fn bodies_of_later_versions_are_skipped_and_broken_ones_refused() {
    let line = |from: &str, to: &str| {
        let text = String::from_utf8(export(&[allow(1, None, fixtures::trust(1), 1)])).unwrap();
        let text = text.trim_end().to_owned();
        assert!(text.contains(from), "{text}");
        let text = text.replacen(from, to, 1);
        // Sealed anew: the hash is that of the entry.
        let (before, rest) = text.split_once(",\"ledgerHash\":\"").unwrap();
        let after = rest.split_once('"').unwrap().1;
        let hash = actionpass_canon::sha256(format!("{before}{after}").as_bytes());
        format!("{before},\"ledgerHash\":\"{hash}\"{after}")
    };
    let push = |line: &str| {
        let pushed = LedgerVerifier::default().push(line.as_bytes());
        pushed.map(drop).map_err(|error| error.code())
    };
    assert_eq!(push(&line("act_1", "act_2")), Ok(()));
    assert_eq!(push(&line("actionpass.decision.v1", "actionpass.decision.v2")), Ok(()));
    assert_eq!(
        push(&line("\"decision\":\"allow\"", "\"decision\":\"maybe\"")),
        Err(LedgerCode::LedgerMalformed)
    );
}

#[test]
fn behind_a_known_head_only_what_is_read_can_be_contradicted() {
    let drafts = [
        fixtures::decision(1, Decision::Allow, Vec::new()).record,
        fixtures::used(1),
        fixtures::outcome(2, 1, true, None),
        fixtures::decision(3, Decision::Allow, Vec::new()).record,
        fixtures::used(3),
        fixtures::used(3),
    ];
    let mut head = Head::EMPTY;
    let records: Vec<SealedRecord> = drafts
        .iter()
        .map(|draft| {
            let record = seal(&fixtures::log(), &head, draft).unwrap();
            head = record.head();
            record
        })
        .collect();
    let mut verifier = LedgerVerifier::new(ChainVerifier::behind(records[0].head().known().unwrap()));
    // Whether the pass was issued, and used, stands before it; that one was used twice, behind it.
    for record in &records[1..5] {
        let _ = verifier.push(record.json()).unwrap();
    }
    assert_eq!(
        verifier.push(records[5].json()).unwrap_err().code(),
        LedgerCode::LedgerPassUsedTwice
    );
}
