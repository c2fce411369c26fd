//! The budgets of `docs/benchmarks.md`, measured in one run: each row against what it is made of, interleaved, medians.
//!
//! `cargo xtask bench` builds what this needs, runs it and prints the table; this program prints one JSON object,
//! `{rows: [{what, figure, ratio, budget, met, …}]}`. With `--quick` it only shows that everything runs.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark that can't run stops"
)]

mod admission;
mod authorize;
mod bare;
mod bout;
mod command_line;
mod fixture;
mod row;
mod scale;
mod store;
mod template;
mod verify;

use crate::fixture::Fixture;
use crate::row::Row;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Everything once, to see that it runs; its figures say nothing.
    pub(crate) is_quick: bool,
}

impl Effort {
    /// So many, or few enough for a smoke run.
    pub(crate) const fn of(self, full: usize, quick: usize) -> usize {
        if self.is_quick { quick } else { full }
    }
}

/// Some rows that are measured together.
type Part = fn(&Fixture, Effort) -> Vec<Row>;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    // `cargo test --benches` runs this too, and has no use for it.
    if !has("--bench") {
        return;
    }
    let effort = Effort {
        is_quick: has("--quick"),
    };
    let only = arguments
        .iter()
        .position(|argument| argument == "--only")
        .and_then(|at| arguments.get(at + 1));
    let fixture = Fixture::new();
    if only.is_some_and(|only| only == "scale") {
        println!("{}", serde_json::json!(scale::report(&fixture, effort)));
        return;
    }
    let parts: [(&str, Part); 7] = [
        ("verify", verify::rows),
        ("authorize", authorize::rows),
        ("admission", admission::rows),
        ("decisions", store::decisions),
        ("consume", store::consume),
        ("threads", verify::threads),
        ("command-line", command_line::rows),
    ];
    if let Some(only) = only {
        assert!(parts.iter().any(|(name, _)| name == only), "no part is called `{only}`");
    }
    let mut rows = Vec::new();
    for (name, part) in parts {
        if only.is_none_or(|only| only == name) {
            eprintln!("measuring: {name}");
            let measured = part(&fixture, effort);
            rows.extend(
                measured
                    .into_iter()
                    .map(|row| if effort.is_quick { row.unjudged() } else { row }),
            );
        }
    }
    println!("{}", serde_json::json!({ "rows": rows }));
}
