//! The budgets of the service, measured in one run beside a bare handler and Cerbos: `cargo xtask load` builds what this
//! needs, runs it and prints the table; this program prints one JSON object, `{rows: [{what, figure, ratio, budget, met, …}]}`.
//!
//! Every load is bounded in time and count. All of it runs on this machine, generator and service on the same processors.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark that can't run stops"
)]

mod bare;
mod cerbos;
mod load;
mod parked;
mod program;
mod rows;
mod service;

use std::time::Duration;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Everything for a moment, to see that it runs; its figures say nothing.
    pub(crate) is_quick: bool,
}

impl Effort {
    pub(crate) const fn time(self) -> Duration {
        if self.is_quick {
            Duration::from_millis(500)
        } else {
            Duration::from_secs(10)
        }
    }

    pub(crate) const fn count(self, full: usize, quick: usize) -> usize {
        if self.is_quick { quick } else { full }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    if has("--serve-bare") {
        return bare::serve();
    }
    // `cargo test --benches` runs this too, and has no use for it.
    if !has("--bench") {
        return;
    }
    let effort = Effort {
        is_quick: has("--quick"),
    };
    program::raise_file_limit();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let rows = runtime.block_on(rows::all(effort));
    println!("{}", serde_json::json!({ "rows": rows }));
}
