//! The recipe of `docs/howto/check-a-ledger`: a whole export is found whole, and what was tampered with is found.

use std::fs;
use std::path::PathBuf;

use actionpass_canon::sha256;
use actionpass_model::{
    Digest, ErasureBody, ErasureSchema, Issuer, Origin, PolicyBody, PolicyChangeSchema, PolicyId, PolicyRef, Principal,
    RecordId, Statement, Tenant, Timestamp, Trace, TrustBody, TrustChangeSchema, TrustEvidence,
};
use actionpass_store::ledger::{ChainVerifier, KnownHead, Log, RecordDraft, verify_jsonl};
use actionpass_store::{Ledger, LedgerExt, MemoryDecisionStore};
use tempfile::TempDir;

use crate::fixture::{ISSUER, TENANT, block_on};
use crate::program::{Language, command, is_ready, root, run, text};

const RECORDS: u64 = 9;

#[test]
fn accepts_a_whole_export() {
    if !is_ready(Language::Python, &recipe()) {
        return;
    }
    let export = export();
    accepts(&export, &[]);
    accepts(&export, &[&head(&export, RECORDS - 1)]);
    accepts(&export, &[&head(&export, 3)]);
}

#[test]
fn refuses_another_spelling_of_the_same_records() {
    if !is_ready(Language::Python, &recipe()) {
        return;
    }
    let export = export();
    let spaced = export.replace(",\"log\":", " ,\t\"log\" : ");
    assert_ne!(spaced, export);
    refuses(&spaced, &[], "record 0: ledger_malformed");
}

#[test]
fn refuses_an_edited_record() {
    if !is_ready(Language::Python, &recipe()) {
        return;
    }
    let export = export();
    refuses(
        &edit(&export, 4, |line| line.replace("written by", "forged by")),
        &[],
        "record 4: ledger_hash_mismatch",
    );
    refuses(
        &edit(&export, 4, |line| line.replace("\"seq\":4", "\"seq\":5")),
        &[],
        "record 4: ledger_hash_mismatch",
    );
    // With a hash that fits, the next record shows it.
    let rehashed = edit(&export, 4, |line| rehash(&line.replace("written by", "forged by")));
    refuses(&rehashed, &[], "record 5: ledger_chain_broken");
}

#[test]
fn refuses_records_out_of_place() {
    if !is_ready(Language::Python, &recipe()) {
        return;
    }
    let export = export();
    let lines: Vec<&str> = export.lines().collect();
    let joined = |order: &[usize]| {
        order
            .iter()
            .map(|&index| format!("{}\n", lines[index]))
            .collect::<String>()
    };
    refuses(&joined(&[0, 1, 3, 4]), &[], "record 2: ledger_sequence_broken");
    refuses(&joined(&[0, 2, 1, 3]), &[], "record 1: ledger_sequence_broken");
    refuses(&joined(&[0, 1, 1, 2]), &[], "record 2: ledger_sequence_broken");
    refuses(&joined(&[1, 2, 3]), &[], "record 0: ledger_sequence_broken");
    let renumbered = edit(&export, 0, |line| {
        rehash(&line.replace("\"previousLedgerHash\":\"sha256:0", "\"previousLedgerHash\":\"sha256:1"))
    });
    refuses(&renumbered, &[], "record 0: ledger_chain_broken");
}

#[test]
fn refuses_another_log() {
    if !is_ready(Language::Python, &recipe()) {
        return;
    }
    let edited = edit(&export(), 2, |line| {
        rehash(&line.replace("issuer.example/log", "other.example/log"))
    });
    refuses(&edited, &[], "record 2: ledger_log_mismatch");
}

#[test]
fn finds_what_is_missing_at_the_end() {
    if !is_ready(Language::Python, &recipe()) {
        return;
    }
    let export = export();
    let known = head(&export, RECORDS - 1);
    let cut: String = export.lines().take(6).map(|line| format!("{line}\n")).collect();
    // Without a known head a shorter chain is a whole chain.
    accepts(&cut, &[]);
    refuses(&cut, &[&known], "record 6: ledger_truncated");
    refuses("", &[&known], "record 0: ledger_truncated");
    let (seq, hash) = known.split_once(':').unwrap();
    let fork = format!("{seq}:{}", hash.replace(|digit: char| digit.is_ascii_digit(), "a"));
    refuses(&export, &[&fork], "record 8: ledger_forked");
    refuses(&export[..export.len() - 20], &[], "record 8: ledger_malformed");
}

#[test]
fn refuses_what_readers_read_differently() {
    if !is_ready(Language::Python, &recipe()) {
        return;
    }
    let export = export();
    let twice = edit(&export, 1, |line| {
        line.replacen("\"kind\":", "\"kind\":\"decision\",\"kind\":", 1)
    });
    refuses(&twice, &[], "record 1: ledger_malformed");
    let later = edit(&export, 1, |line| {
        rehash(&line.replace("actionpass.record.v1", "actionpass.record.v2"))
    });
    refuses(&later, &[], "record 1: ledger_malformed");
    let more = edit(&export, 1, |line| {
        rehash(&line.replace("\"issuer\":", "\"if\":1,\"issuer\":"))
    });
    refuses(&more, &[], "record 1: ledger_malformed");
    let large = edit(&export, 1, |line| {
        rehash(&line.replace("written by", &"w".repeat(65_536)))
    });
    refuses(&large, &[], "record 1: ledger_malformed");
    let blank = export.replacen('\n', "\n\n", 1);
    refuses(&blank, &[], "record 1: ledger_malformed");
}

/// The recipe must never say other than our own verifier.
#[test]
fn agrees_with_the_library() {
    if !is_ready(Language::Python, &recipe()) {
        return;
    }
    let export = export();
    let lines = || export.lines().map(str::to_owned);
    let mut samples = vec![export.clone(), String::new()];
    samples.extend((0..RECORDS as usize).map(|gone| {
        let kept = lines().enumerate().filter(|(index, _)| *index != gone);
        kept.map(|(_, line)| line + "\n").collect()
    }));
    let whole = |sample: &String| verify_jsonl(sample.as_bytes(), ChainVerifier::new()).is_ok();
    for sample in samples {
        if whole(&sample) {
            accepts(&sample, &[]);
        } else {
            refuses(&sample, &[], "record ");
        }
    }
}

/// An export of a log with records of several kinds.
fn export() -> String {
    let log = Log::new(
        Origin::parse("issuer.example/log").unwrap(),
        Issuer::parse(ISSUER).unwrap(),
    );
    let store = MemoryDecisionStore::new(log);
    let id = |seq: u64| RecordId::parse(&format!("rec_{seq:032x}")).unwrap();
    for seq in 0..RECORDS {
        let time = Timestamp::from_unix_millis(1_795_000_000_000 + seq * 1_001).unwrap();
        let digest = Digest::from_bytes([u8::try_from(seq).unwrap(); 32]);
        let draft = match seq % 3 {
            0 => {
                let body = TrustBody {
                    schema: TrustChangeSchema,
                    lifted: None,
                    trust: TrustEvidence {
                        version: seq + 1,
                        digest,
                    },
                };
                RecordDraft::new(id(seq), time, &body).unwrap()
            }
            1 => {
                let rule = |name: &str| actionpass_model::RuleId::parse(name).unwrap();
                let body = ErasureBody {
                    schema: ErasureSchema,
                    records: vec![0, seq],
                    erased_by: Principal::parse("user:owner@example.com").unwrap(),
                    reason: Statement::parse("written by \"José\" ☕ \u{1f600}\\").unwrap(),
                    rules: vec![rule("gdpr.17")],
                };
                RecordDraft::new(id(seq), time, &body)
                    .unwrap()
                    .with_tenant(Tenant::parse(TENANT).unwrap())
            }
            _ => {
                let policy = PolicyRef {
                    id: PolicyId::parse("starter").unwrap(),
                    digest,
                    rules: Vec::new(),
                };
                let body = PolicyBody {
                    schema: PolicyChangeSchema,
                    policy,
                };
                RecordDraft::new(id(seq), time, &body)
                    .unwrap()
                    .with_trace(Trace::parse("trace-1").unwrap())
            }
        };
        let _ = block_on(store.append_one(draft)).unwrap();
    }
    let records = block_on(store.read(0, 100)).unwrap();
    let export: String = records.iter().map(|record| text(&record.json) + "\n").collect();
    assert!(verify_jsonl(export.as_bytes(), ChainVerifier::new()).is_ok());
    export
}

/// `SEQ:HASH` of a record, as it is written down.
fn head(export: &str, seq: u64) -> String {
    let line: serde_json::Value =
        serde_json::from_str(export.lines().nth(usize::try_from(seq).unwrap()).unwrap()).unwrap();
    let head = format!("{seq}:{}", line["ledgerHash"].as_str().unwrap());
    assert!(head.parse::<KnownHead>().is_ok());
    head
}

fn edit(export: &str, line: usize, change: impl Fn(&str) -> String) -> String {
    let mut lines: Vec<String> = export.lines().map(str::to_owned).collect();
    let changed = change(&lines[line]);
    assert_ne!(changed, lines[line]);
    lines[line] = changed;
    lines.join("\n") + "\n"
}

/// The record with the hash that its content has, as a forger would write it.
fn rehash(line: &str) -> String {
    let start = line.find(",\"ledgerHash\":\"").unwrap();
    let end = start + ",\"ledgerHash\":\"\"".len() + Digest::TEXT_BYTES;
    let entry = format!("{}{}", &line[..start], &line[end..]);
    format!(
        "{},\"ledgerHash\":\"{}\"{}",
        &line[..start],
        sha256(entry.as_bytes()),
        &line[end..]
    )
}

fn accepts(export: &str, heads: &[&str]) {
    let (code, stdout, stderr) = check(export, heads);
    let records = export.lines().count();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.starts_with(&format!("whole: {records} records")), "{stdout}");
}

fn refuses(export: &str, heads: &[&str], fault: &str) {
    let (code, stdout, stderr) = check(export, heads);
    assert!(
        stderr.starts_with(&format!("broken: {fault}")),
        "{stderr:?} is not {fault:?}"
    );
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
}

fn check(export: &str, heads: &[&str]) -> (Option<i32>, String, String) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("ledger.jsonl");
    fs::write(&file, export).unwrap();
    let output = run(command(Language::Python, &recipe()).unwrap().arg(&file).args(heads));
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn recipe() -> PathBuf {
    root().join("docs/howto/check-a-ledger/check_ledger.py")
}
