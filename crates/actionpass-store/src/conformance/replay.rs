//! The clauses of the contract of [`ReplayStore`].

use std::sync::Arc;
use std::thread;

use actionpass_model::UnixSeconds;

use super::fixtures::{at, mark};
use super::{OpenReplay, Suite};
use crate::{Consumption, Mark, ReplayCode, ReplayStart, ReplayStore};

const USED: Consumption = Consumption::Refused(ReplayCode::AlreadyUsed);
const BEHIND: Consumption = Consumption::Refused(ReplayCode::ClockBehind);
const LOST: Consumption = Consumption::Refused(ReplayCode::ReplayStateLost);

type Replay<'a> = Suite<'a, OpenReplay<'a>>;

impl Replay<'_> {
    fn store(&self) -> Arc<dyn ReplayStore> {
        (self.open)(self.folder.path(), ReplayStart::first(at(0)))
    }

    fn consume(&self, store: &dyn ReplayStore, mark: &Mark, now: UnixSeconds) -> Consumption {
        self.run(store.consume(mark, now)).unwrap()
    }

    fn is_used(&self, store: &dyn ReplayStore, mark: &Mark) -> bool {
        self.run(store.is_used(&mark.issuer, &mark.pass)).unwrap()
    }
}

/// G6: a pass is consumed once.
pub fn g06_a_pass_is_consumed_once(suite: &Replay<'_>) {
    let store = suite.store();
    let (one, other) = (mark(1, 0), mark(2, 0));
    assert!(!suite.is_used(&store, &one));
    assert_eq!(suite.consume(&store, &one, at(1)), Consumption::Consumed);
    assert_eq!(suite.consume(&store, &one, at(1)), USED);
    assert!(suite.is_used(&store, &one) && !suite.is_used(&store, &other));
    assert_eq!(suite.consume(&store, &other, at(1)), Consumption::Consumed);
    // The id identifies the pass, whatever else a second token under it says.
    let longer = Mark {
        expires_at: at(9000),
        ..one
    };
    assert_eq!(suite.consume(&store, &longer, at(1)), USED);
}

/// A pass is named by its issuer and its id.
pub fn marks_are_scoped_by_issuer(suite: &Replay<'_>) {
    let store = suite.store();
    let foreign = Mark {
        issuer: "https://other.example".parse().unwrap(),
        ..mark(1, 0)
    };
    assert_eq!(suite.consume(&store, &mark(1, 0), at(1)), Consumption::Consumed);
    assert_eq!(suite.consume(&store, &foreign, at(1)), Consumption::Consumed);
    assert_eq!(suite.consume(&store, &foreign, at(1)), USED);
}

/// G6: of 16 threads that consume one pass, one does.
pub fn g06_of_16_threads_one_consumes(suite: &Replay<'_>) {
    let store = suite.store();
    for number in 0..8 {
        assert_eq!(at_once(suite, std::slice::from_ref(&store), &mark(number, 0)), 1);
    }
}

/// G6: marks stay until the pass has expired and the leeway has gone by, whatever else is consumed meanwhile.
pub fn g06_a_mark_stays_until_nobody_accepts_the_pass(suite: &Replay<'_>) {
    let store = suite.store();
    assert_eq!(suite.consume(&store, &mark(1, 0), at(1)), Consumption::Consumed);
    for number in 2..200 {
        assert_eq!(
            suite.consume(&store, &mark(number, 300), at(629)),
            Consumption::Consumed
        );
    }
    assert_eq!(suite.consume(&store, &mark(1, 0), at(629)), USED);
}

/// G6: once marks may be forgotten, a clock that goes back doesn't bring their passes to life.
pub fn g06_a_clock_that_goes_back_consumes_nothing_twice(suite: &Replay<'_>) {
    let store = suite.store();
    for number in 0..100 {
        assert_eq!(suite.consume(&store, &mark(number, 0), at(1)), Consumption::Consumed);
    }
    for number in 100..400 {
        assert_eq!(
            suite.consume(&store, &mark(number, 5000), at(5000)),
            Consumption::Consumed
        );
    }
    for number in 0..100 {
        let again = suite.consume(&store, &mark(number, 0), at(1));
        assert!(again == USED || again == BEHIND, "{again:?}");
    }
    for number in 100..400 {
        assert_eq!(suite.consume(&store, &mark(number, 5000), at(1)), USED);
    }
}

/// G6: a store can't know what was consumed before its start.
pub fn g06_a_pass_older_than_the_store_is_refused(suite: &Replay<'_>) {
    let store = suite.store();
    let before = Mark {
        issued_at: at(0).saturating_sub(1),
        ..mark(1, 0)
    };
    assert_eq!(suite.consume(&store, &before, at(1)), LOST);
    assert!(!suite.is_used(&store, &before));
    assert_eq!(suite.consume(&store, &mark(1, 0), at(1)), Consumption::Consumed);
    assert_eq!(suite.consume(&store, &before, at(1)), LOST);
}

/// G6: a restored store takes the leeway into account: what was consumed just before may say a later `iat`.
pub fn g06_a_restored_store_refuses_what_may_be_used(suite: &Replay<'_>) {
    let store = (suite.open)(suite.folder.path(), ReplayStart::restored(at(100)));
    assert_eq!(suite.consume(&store, &mark(1, 130), at(100)), LOST);
    assert_eq!(suite.consume(&store, &mark(1, 131), at(101)), Consumption::Consumed);
}

/// G6: marks, the start and what was forgotten are known when the store is opened again, whatever start is named.
pub fn g06_marks_and_limits_are_there_after_opening_again(suite: &Replay<'_>) {
    let store = suite.store();
    for number in 0..100 {
        assert_eq!(suite.consume(&store, &mark(number, 0), at(1)), Consumption::Consumed);
    }
    for number in 100..300 {
        assert_eq!(
            suite.consume(&store, &mark(number, 5000), at(5000)),
            Consumption::Consumed
        );
    }
    drop(store);
    let store = (suite.open)(suite.folder.path(), ReplayStart::first(at(0).saturating_sub(9000)));
    for number in 0..100 {
        let again = suite.consume(&store, &mark(number, 0), at(1));
        assert!(again == USED || again == BEHIND, "{again:?}");
    }
    assert_eq!(suite.consume(&store, &mark(100, 5000), at(5000)), USED);
    let before = Mark {
        issued_at: at(0).saturating_sub(1),
        ..mark(400, 5000)
    };
    assert_eq!(suite.consume(&store, &before, at(5000)), LOST);
}

/// G6: of 16 threads with two handles on one store, one consumes.
pub fn g06_two_handles_share_their_marks(suite: &Replay<'_>) {
    let stores = [suite.store(), suite.store()];
    for number in 0..8 {
        assert_eq!(at_once(suite, &stores, &mark(number, 0)), 1);
    }
}

/// Consumes one pass 16 times at once, and gives how often that succeeded.
fn at_once(suite: &Replay<'_>, stores: &[Arc<dyn ReplayStore>], mark: &Mark) -> usize {
    thread::scope(|scope| {
        let stores = stores.iter().cycle().take(16);
        let threads: Vec<_> = stores
            .map(|store| scope.spawn(move || suite.consume(store, mark, at(1))))
            .collect();
        let outcomes = threads.into_iter().map(|thread| thread.join().unwrap());
        outcomes.filter(|outcome| *outcome == Consumption::Consumed).count()
    })
}
