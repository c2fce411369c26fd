//! Ten thousand calls that wait for people at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::load::Connection;
use crate::service::Service;

/// How many requests of one agent may wait at once.
const PER_AGENT: usize = 50;
/// How long each call waits, in seconds.
const WAIT: u64 = 60;

/// What became of the calls.
#[derive(Debug)]
pub(crate) struct Parked {
    pub(crate) calls: usize,
    /// The service's memory before, and while all of them waited, in MiB.
    pub(crate) before: f64,
    pub(crate) memory: f64,
    /// Processor time that it took in a second in which nothing happened and all of them waited.
    pub(crate) idle: Duration,
    /// Calls that were answered with a step_up.
    pub(crate) stepped_up: usize,
}

/// Parks so many calls, each for a request of its own.
pub(crate) async fn park(service: &Service, calls: usize) -> Parked {
    let before = service.program.memory();
    let action = service.example("step_up.json");
    let (waiting, stepped_up) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..calls {
        let mut action = action.clone();
        action["actor"]["agent"] = json!(format!("agent:parked-{}", number / PER_AGENT));
        action["intent"]["summary"] = json!(format!("Number {number}"));
        action["capability"]["payload"]["title"] = json!(format!("Number {number}"));
        let body = json!({ "action": action, "wait": WAIT });
        let question = service.question(&body, |_| true);
        let (waiting, stepped_up) = (Arc::clone(&waiting), Arc::clone(&stepped_up));
        tasks.spawn(async move {
            waiting.fetch_add(1, Ordering::SeqCst);
            let mut connection = Connection::new(question.address);
            let answer = connection.ask(&question, Duration::from_secs(3 * WAIT)).await;
            if let Some((status, body)) = answer {
                let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
                if status == StatusCode::OK && answer["decision"] == "step_up" {
                    stepped_up.fetch_add(1, Ordering::SeqCst);
                } else if number % 1000 == 0 {
                    eprintln!(
                        "a parked call was answered with {status}: {}",
                        String::from_utf8_lossy(&body)
                    );
                }
            }
        });
        // Not faster than the service decides: what it refuses isn't parked.
        if number % 16 == 0 {
            tokio::time::sleep(Duration::from_millis(16)).await;
        }
    }
    // All of them are recorded and wait, and the first doesn't return yet.
    tokio::time::sleep(Duration::from_secs(WAIT / 4)).await;
    let (memory, spent) = (service.program.memory(), service.program.processor_time());
    tokio::time::sleep(Duration::from_secs(5)).await;
    let idle = (service.program.processor_time() - spent) / 5;
    while tasks.join_next().await.is_some() {}
    Parked {
        calls: waiting.load(Ordering::SeqCst),
        before,
        memory,
        idle,
        stepped_up: stepped_up.load(Ordering::SeqCst),
    }
}
