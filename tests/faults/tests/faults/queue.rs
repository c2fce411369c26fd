//! The queue of calls that one thread commits in batches, as the store has it, with locks that try one order of threads after
//! the other: nobody waits for ever, nothing is taken twice or left behind, and what is answered was committed.

#[path = "../../../../crates/actionpass-store-sqlite/src/queue.rs"]
#[expect(dead_code, reason = "the readers' part of it is not needed here")]
mod committed;

use std::time::Duration;

use shuttle::sync::mpsc::{Sender, channel};
use shuttle::sync::{Arc, Mutex};
use shuttle::thread;

use self::committed::Queue;
use crate::dice::count;

/// A call, and where its answer goes.
type Call = (u64, Sender<u64>);

/// Takes batches, commits them and answers, as the store's writing thread does; what was committed, in order.
fn commit(queue: &Queue<Call>, log: &Mutex<Vec<u64>>, expected: usize) {
    while let Some(batch) = queue.take(expected, Duration::from_millis(1)) {
        assert!(!batch.is_empty());
        log.lock().unwrap().extend(batch.iter().map(|(number, _)| *number));
        for (number, answer) in batch {
            answer.send(number).unwrap();
        }
    }
}

/// Callers that wait for each answer before they call again.
fn callers_and_one_committer() {
    let (queue, log) = (Arc::new(Queue::new()), Arc::new(Mutex::new(Vec::new())));
    let committer = {
        let (queue, log) = (Arc::clone(&queue), Arc::clone(&log));
        thread::spawn(move || commit(&queue, &log, 1))
    };
    let callers: Vec<_> = (0..3)
        .map(|caller| {
            let (queue, log) = (Arc::clone(&queue), Arc::clone(&log));
            thread::spawn(move || {
                for number in [caller * 2, caller * 2 + 1] {
                    let (answer, answered) = channel();
                    queue.put((number, answer));
                    assert_eq!(answered.recv(), Ok(number));
                    assert!(
                        log.lock().unwrap().contains(&number),
                        "answered before it was committed"
                    );
                }
            })
        })
        .collect();
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    queue.close();
    committer.join().unwrap();
    let mut log = log.lock().unwrap().clone();
    log.sort_unstable();
    assert_eq!(log, [0, 1, 2, 3, 4, 5]);
}

/// The committer lingers for more callers than come, and is closed; whatever was put is committed.
fn callers_that_leave_and_a_committer_that_lingers() {
    let (queue, log) = (Arc::new(Queue::new()), Arc::new(Mutex::new(Vec::new())));
    let committer = {
        let (queue, log) = (Arc::clone(&queue), Arc::clone(&log));
        thread::spawn(move || commit(&queue, &log, 3))
    };
    let callers: Vec<_> = (0..2)
        .map(|caller| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                let (answer, answered) = channel();
                queue.put((caller, answer));
                answered
            })
        })
        .collect();
    let answers: Vec<_> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
    queue.close();
    committer.join().unwrap();
    for (number, answered) in answers.into_iter().enumerate() {
        assert_eq!(answered.recv(), Ok(number as u64));
    }
}

#[test]
fn g09_in_every_order_of_threads_what_is_answered_was_committed() {
    shuttle::check_random(callers_and_one_committer, count(2_000, 100_000));
    shuttle::check_pct(callers_and_one_committer, count(2_000, 100_000), 3);
}

#[test]
fn g09_in_every_order_of_threads_nothing_is_left_behind() {
    shuttle::check_random(callers_that_leave_and_a_committer_that_lingers, count(2_000, 100_000));
    shuttle::check_pct(
        callers_that_leave_and_a_committer_that_lingers,
        count(2_000, 100_000),
        3,
    );
}
