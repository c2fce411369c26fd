//! What doors that only observe would have refused, from records.

#![cfg(test)]

use actionpass_model::{Decision, Timestamp};
use actionpass_setup::Collector;
use actionpass_testkit::fixtures::{observed, record_drafts, sealed_ledger};
use serde_json::{Value, json};

fn record(time: &str, kind: &str, body: Value) -> Vec<u8> {
    json!({ "time": time, "kind": kind, "body": body })
        .to_string()
        .into_bytes()
}

#[test]
fn only_what_was_observed_counts_grouped_and_counted() {
    let (decision, outcome) = observed();
    let body = serde_json::to_value(&decision).unwrap();
    let mut collector = Collector::since(None);
    let mut other = body.clone();
    other["tool"] = json!("shell.run");
    other["unrecorded"] = json!(3);
    let mut allowed = body.clone();
    allowed["decision"] = json!("allow");
    let mut enforced = body.clone();
    enforced.as_object_mut().unwrap().remove("mode");
    for (time, body) in [
        ("2026-11-30T10:00:00.000Z", body.clone()),
        ("2026-11-30T12:00:00.000Z", body.clone()),
        ("2026-11-30T11:00:00.000Z", body.clone()),
        ("2026-11-30T11:00:00.000Z", other),
        ("2026-11-30T11:00:00.000Z", allowed),
        ("2026-11-30T11:00:00.000Z", enforced),
    ] {
        collector.look(&record(time, "decision", body)).unwrap();
    }
    collector
        .look(&record(
            "2026-11-30T11:00:00.000Z",
            "outcome",
            serde_json::to_value(outcome).unwrap(),
        ))
        .unwrap();
    let report = collector.finish();
    assert_eq!((report.observed, report.allowed), (8, 1));
    assert_eq!(report.refused.len(), 2, "{report:?}");
    let first = &report.refused[0];
    assert_eq!((first.count, first.decision), (3, Decision::StepUp));
    assert_eq!(first.last, "2026-11-30T12:00:00.000Z".parse::<Timestamp>().unwrap());
    assert_eq!(first.tool, decision.tool.as_str());
    assert_eq!(first.door.as_deref(), Some("ide"));
    assert_eq!(report.refused[1].tool, "shell.run");
}

#[test]
fn what_is_older_does_not_count() {
    let body = serde_json::to_value(observed().0).unwrap();
    let mut collector = Collector::since(Some("2026-11-30T11:00:00.000Z".parse().unwrap()));
    for time in ["2026-11-30T10:59:59.000Z", "2026-11-30T11:00:00.000Z"] {
        collector.look(&record(time, "decision", body.clone())).unwrap();
    }
    assert_eq!(collector.finish().observed, 1);
}

#[test]
fn every_kind_of_record_is_read() {
    let mut collector = Collector::since(None);
    assert!(!record_drafts().is_empty());
    for record in sealed_ledger() {
        collector.look(record.json()).unwrap();
    }
    collector.look(b"{}").unwrap_err();
}
