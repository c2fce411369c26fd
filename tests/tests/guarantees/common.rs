//! What many of these tests say in one line.

use std::sync::Arc;
use std::thread;

use actionpass_canon::BoundAction;
use actionpass_core::{Authorization, AuthorizeError};
use actionpass_model::{Document, Record};
use actionpass_testkit::{Testbed, fixtures};
use actionpass_verify::Refusal;
use serde_json::Value;

/// What a check found wrong; the text is for whoever reads the failure.
pub(crate) type Checked = Result<(), String>;

/// The codes of a refusal, in their order; empty if there was none.
pub(crate) fn codes<T>(outcome: Result<T, Refusal>) -> Vec<String> {
    outcome.map_or_else(
        |refusal| refusal.codes().map(ToString::to_string).collect(),
        |_| Vec::new(),
    )
}

/// The code of an authorization that came to nothing, or the decision.
pub(crate) fn outcome(result: Result<Authorization, AuthorizeError>) -> String {
    result.map_or_else(
        |error| error.code().to_string(),
        |authorization| authorization.decision.as_str().to_owned(),
    )
}

/// The code of an authorization that came to nothing.
pub(crate) fn failure(result: Result<Authorization, AuthorizeError>) -> String {
    result
        .map(|authorization| authorization.decision)
        .unwrap_err()
        .code()
        .to_string()
}

/// The codes of the reasons of a decision.
pub(crate) fn reasons(authorization: &Authorization) -> Vec<&str> {
    authorization
        .reasons
        .iter()
        .map(|reason| reason.code.as_str())
        .collect()
}

/// [`fixtures::ACTION`] as a value, to be changed.
pub(crate) fn action_json() -> Value {
    serde_json::from_str(fixtures::ACTION).unwrap()
}

/// [`fixtures::ACTION`] with one member changed.
pub(crate) fn action_with(pointer: &str, value: Value) -> BoundAction {
    let mut json = action_json();
    *json.pointer_mut(pointer).unwrap() = value;
    fixtures::admit(&json.to_string())
}

/// The demo action as this occurrence.
pub(crate) fn demo_with_id(id: &str) -> BoundAction {
    let text = actionpass_model::DEMO_ACTION.replacen("\"tenant\"", &format!("\"id\": \"{id}\", \"tenant\""), 1);
    fixtures::admit(&text)
}

/// The records of the ledger.
pub(crate) fn records(bed: &Testbed) -> Vec<Record> {
    bed.records()
        .unwrap()
        .iter()
        .map(|record| Record::from_json(&record.json).unwrap())
        .collect()
}

/// The decisions of the ledger with their reasons' codes, in order.
pub(crate) fn recorded(bed: &Testbed) -> Vec<(String, Vec<String>)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let decisions = records(bed)
        .into_iter()
        .filter(|record| record.body.get().contains_key("decision"));
    decisions
        .map(|record| {
            let body = record.body.get();
            let reasons = body["reasons"]
                .as_array()
                .unwrap()
                .iter()
                .map(|reason| text(&reason["code"]))
                .collect();
            (text(&body["decision"]), reasons)
        })
        .collect()
}

/// Runs so many threads at once and gives what each gave.
pub(crate) fn at_once<T: Send>(threads: usize, run: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Arc::new(std::sync::Barrier::new(threads));
    thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|index| {
                let (run, barrier) = (&run, Arc::clone(&barrier));
                scope.spawn(move || {
                    barrier.wait();
                    run(index)
                })
            })
            .collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    })
}

/// A small change of a value of the same type.
pub(crate) fn changed(value: &Value) -> Value {
    match value {
        Value::Null => Value::Bool(false),
        Value::Bool(value) => Value::Bool(!value),
        Value::Number(number) if number.as_i64().is_some_and(|number| number.abs() < 1 << 50) => {
            (number.as_i64().unwrap() + 1).into()
        }
        Value::Number(_) => 7.into(),
        Value::String(text) => Value::String(format!("{text}x")),
        Value::Array(elements) => {
            let mut elements = elements.clone();
            elements.push(Value::Null);
            Value::Array(elements)
        }
        Value::Object(members) => {
            let mut members = members.clone();
            members.insert("x".into(), Value::Null);
            Value::Object(members)
        }
    }
}

/// SplitMix64 of Steele, Lea and Flood: the same numbers for the same seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}
