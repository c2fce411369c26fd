//! Of [`Queue`]. Apart from it, because the fault suites take its source in, with other locks.

use std::time::Duration;

use crate::queue::{MAX_BATCH, Queue};

#[test]
fn batches_are_bounded_and_in_order() {
    let queue = Queue::new();
    for number in 0..=MAX_BATCH {
        queue.put(number);
    }
    queue.close();
    let take = || queue.take(1, Duration::ZERO);
    assert_eq!(take().unwrap(), (0..MAX_BATCH).collect::<Vec<_>>());
    assert_eq!(take().unwrap(), [MAX_BATCH]);
    assert_eq!(take(), None);
}

#[test]
fn patience_ends_with_nothing_or_with_a_call() {
    let queue = Queue::new();
    assert_eq!(queue.take_within(Some(Duration::from_millis(1))), Some(Vec::new()));
    std::thread::scope(|scope| {
        let taken = scope.spawn(|| queue.take_within(Some(Duration::from_secs(3600))));
        queue.put(1);
        assert_eq!(taken.join().unwrap(), Some(vec![1]));
        let taken = scope.spawn(|| queue.take_within(Some(Duration::from_secs(3600))));
        queue.close();
        assert_eq!(taken.join().unwrap(), None);
    });
}

#[test]
fn the_expected_are_waited_for_and_no_longer() {
    let queue = Queue::new();
    let hour = Duration::from_secs(3600);
    std::thread::scope(|scope| {
        let taken = scope.spawn(|| queue.take(3, hour));
        for number in 0..3 {
            queue.put(number);
        }
        assert_eq!(taken.join().unwrap().unwrap(), [0, 1, 2]);

        let taken = scope.spawn(|| queue.take(3, hour));
        queue.put(3);
        queue.close();
        assert_eq!(taken.join().unwrap().unwrap(), [3]);
    });
    let queue = Queue::new();
    queue.put(4);
    assert_eq!(queue.take(3, Duration::from_millis(1)).unwrap(), [4]);
}
