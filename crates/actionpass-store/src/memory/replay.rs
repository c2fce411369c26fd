//! [`MemoryReplayStore`]: used passes in memory.

use std::collections::{BTreeMap, HashSet};
use std::future::ready;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use actionpass_model::{Issuer, PassId, UnixSeconds};

use crate::process::Process;
use crate::replay::judge;
use crate::{Consumption, Mark, ReplayCode, ReplayStart, ReplayStore, StoreCode, StoreError, StoreFuture};

const SHARDS: usize = 16;

/// Used passes in the memory of one process.
///
/// A restart forgets them, so after one start it with [`ReplayStart::restored`], which refuses every pass of before and
/// of the next 31 seconds. Executors in several processes need a store that they share: in a process that was forked after
/// it was made, this one refuses ([`StoreCode::StoreForked`]).
///
/// It remembers so many passes at once and no more. A mark goes only once its pass has ended, 30 s after `exp`; none is
/// dropped to make room, so a store that is full of marks that must stay refuses ([`StoreCode::StoreFull`]).
#[derive(Debug)]
pub struct MemoryReplayStore {
    process: Process,
    start: ReplayStart,
    /// The most marks.
    capacity: usize,
    /// How many marks there are in all parts, or about to be.
    marks: AtomicUsize,
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
}

/// The passes of one part, by the time until which each must be remembered.
#[derive(Debug, Default)]
struct Shard {
    by_end: BTreeMap<u64, HashSet<(Issuer, PassId)>>,
    used: HashSet<(Issuer, PassId)>,
    pruned_to: u64,
}

impl MemoryReplayStore {
    /// How many passes are remembered at once unless something else is said: some 300 MB, or 1,600 passes of ten minutes
    /// a second.
    pub const DEFAULT_CAPACITY: usize = 1_000_000;

    /// A store of at most [`DEFAULT_CAPACITY`](Self::DEFAULT_CAPACITY) marks that judges passes from `start` on.
    #[must_use]
    pub fn new(start: ReplayStart) -> Self {
        Self::with_capacity(start, Self::DEFAULT_CAPACITY)
    }

    /// A store of at most so many marks that judges passes from `start` on. Nothing is reserved for them.
    #[must_use]
    pub fn with_capacity(start: ReplayStart, marks: usize) -> Self {
        Self {
            process: Process::current(),
            start,
            capacity: marks,
            marks: AtomicUsize::new(0),
            shards: Default::default(),
            hasher: RandomState::new(),
        }
    }

    /// A pass is always in the same part, so each part can forget on its own.
    fn shard(&self, issuer: &Issuer, pass: &PassId) -> Result<MutexGuard<'_, Shard>, StoreError> {
        self.process.check()?;
        // The upper four bits: 16 parts.
        let index = self.hasher.hash_one((issuer, pass)) >> 60;
        let shard = usize::try_from(index).ok().and_then(|index| self.shards.get(index));
        locked(shard.ok_or_else(|| StoreError::new(StoreCode::StoreCorrupt))?)
    }

    fn consume_now(&self, mark: &Mark, now: UnixSeconds) -> Result<Consumption, StoreError> {
        match self.try_consume(mark, now)? {
            Some(outcome) => Ok(outcome),
            None => {
                // Every part forgets when it is asked: others may hold marks that nobody needs any more.
                for shard in &self.shards {
                    self.prune(&mut *locked(shard)?, now);
                }
                let full = || StoreError::new(StoreCode::StoreFull);
                self.try_consume(mark, now)?.ok_or_else(full)
            }
        }
    }

    /// Judges and marks a pass; `None` if there is no room for the mark.
    fn try_consume(&self, mark: &Mark, now: UnixSeconds) -> Result<Option<Consumption>, StoreError> {
        let mut shard = self.shard(&mark.issuer, &mark.pass)?;
        let pruned_to = UnixSeconds::new(shard.pruned_to).unwrap_or(mark.until());
        if let Err(code) = judge(mark, self.start, pruned_to) {
            return Ok(Some(Consumption::Refused(code)));
        }
        let pass = (mark.issuer.clone(), mark.pass.clone());
        if shard.used.contains(&pass) {
            return Ok(Some(Consumption::Refused(ReplayCode::AlreadyUsed)));
        }
        let room = |marks: usize| marks.checked_add(1).filter(|marks| *marks <= self.capacity);
        if self
            .marks
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .is_err()
        {
            return Ok(None);
        }
        shard.used.insert(pass.clone());
        shard.by_end.entry(mark.until().get()).or_default().insert(pass);
        self.prune(&mut shard, now);
        Ok(Some(Consumption::Consumed))
    }

    /// Forgets what nobody accepts any more at `now`.
    fn prune(&self, shard: &mut Shard, now: UnixSeconds) {
        let before = shard.used.len();
        shard.prune(now);
        let gone = before.saturating_sub(shard.used.len());
        self.marks.fetch_sub(gone, Ordering::Relaxed);
    }
}

fn locked(shard: &Mutex<Shard>) -> Result<MutexGuard<'_, Shard>, StoreError> {
    shard.lock().map_err(|_| StoreError::new(StoreCode::StorePoisoned))
}

impl Shard {
    /// Forgets what nobody accepts any more at `now`, and remembers up to where.
    fn prune(&mut self, now: UnixSeconds) {
        while let Some(first) = self.by_end.first_entry() {
            if *first.key() > now.get() {
                break;
            }
            let (end, passes) = first.remove_entry();
            self.pruned_to = self.pruned_to.max(end);
            for pass in &passes {
                self.used.remove(pass);
            }
        }
    }
}

impl ReplayStore for MemoryReplayStore {
    fn consume<'a>(&'a self, mark: &'a Mark, now: UnixSeconds) -> StoreFuture<'a, Consumption> {
        Box::pin(ready(self.consume_now(mark, now)))
    }

    fn is_used<'a>(&'a self, issuer: &'a Issuer, pass: &'a PassId) -> StoreFuture<'a, bool> {
        let used = self
            .shard(issuer, pass)
            .map(|shard| shard.used.contains(&(issuer.clone(), pass.clone())));
        Box::pin(ready(used))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::conformance::block_on;

    fn at(seconds: u64) -> UnixSeconds {
        UnixSeconds::new(seconds).unwrap()
    }

    /// A pass that ends a minute after it was issued.
    fn mark(number: u64, issued: u64) -> Mark {
        Mark {
            issuer: Issuer::parse("urn:a").unwrap(),
            pass: PassId::from_uuid(Uuid::from_u128(number.into())),
            issued_at: at(issued),
            expires_at: at(issued).saturating_add(60),
        }
    }

    fn kept(store: &MemoryReplayStore) -> usize {
        let kept = store.shards.iter().map(|shard| shard.lock().unwrap().used.len()).sum();
        assert_eq!(store.marks.load(Ordering::Relaxed), kept);
        kept
    }

    #[test]
    fn expired_marks_are_forgotten() {
        let store = MemoryReplayStore::new(ReplayStart::first(at(1000)));
        for second in 0..10_000_u64 {
            assert_eq!(
                store
                    .consume_now(&mark(second, 1000 + second), at(1000 + second))
                    .unwrap(),
                Consumption::Consumed
            );
        }
        // 90 live marks, and what the other parts forget at their next mark.
        let kept = kept(&store);
        assert!((90..1000).contains(&kept), "{kept}");
    }

    #[test]
    fn a_full_store_refuses_and_drops_nothing_that_lives() {
        let store = MemoryReplayStore::with_capacity(ReplayStart::first(at(1000)), 100);
        let consume = |number, issued, now| store.consume_now(&mark(number, issued), at(now));
        let full = |number, issued, now| consume(number, issued, now).unwrap_err().code() == StoreCode::StoreFull;
        for number in 0..100 {
            assert_eq!(consume(number, 1000, 1000).unwrap(), Consumption::Consumed);
        }
        // Up to the last second in which one of them may be accepted.
        for now in [1000, 1060, 1089] {
            assert!(full(100, 1000, now));
            for number in 0..100 {
                let again = consume(number, 1000, now).unwrap();
                assert_eq!(again, Consumption::Refused(ReplayCode::AlreadyUsed));
            }
            assert_eq!(kept(&store), 100);
        }
        // Then there is room for as many again, whatever parts the old ones lay in.
        for number in 200..300 {
            assert_eq!(consume(number, 1090, 1090).unwrap(), Consumption::Consumed);
        }
        assert_eq!(kept(&store), 100);
        assert!(full(300, 1090, 1091));
        let behind = consume(0, 1000, 1090).unwrap();
        assert_eq!(behind, Consumption::Refused(ReplayCode::ClockBehind));
    }

    #[test]
    fn a_copy_of_the_process_consumes_nothing() {
        let mut store = MemoryReplayStore::new(ReplayStart::first(at(1000)));
        store.process = Process::another();
        let mark = mark(1, 1000);
        let refused = [
            store.consume_now(&mark, at(1000)).map(drop),
            block_on(store.is_used(&mark.issuer, &mark.pass)).map(drop),
        ];
        for result in refused {
            assert_eq!(result.unwrap_err().code(), StoreCode::StoreForked);
        }
    }

    #[test]
    fn of_many_at_once_as_many_get_in_as_there_is_room_for() {
        let store = MemoryReplayStore::with_capacity(ReplayStart::first(at(1000)), 50);
        let consumed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8_u64)
                .map(|thread| {
                    let store = &store;
                    scope.spawn(move || {
                        let numbers = (0..20).map(|number| thread * 20 + number);
                        numbers
                            .filter(|number| store.consume_now(&mark(*number, 1000), at(1000)).is_ok())
                            .count()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!((consumed, kept(&store)), (50, 50));
    }
}
