//! [`MemoryReplayStore`]: used passes in memory.

use std::collections::{BTreeMap, HashSet};
use std::future::ready;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard};

use actionpass_model::{Issuer, PassId, UnixSeconds};

use crate::replay::judge;
use crate::{Consumption, Mark, ReplayCode, ReplayStart, ReplayStore, StoreCode, StoreError, StoreFuture};

const SHARDS: usize = 16;

/// Used passes in the memory of one process.
///
/// A restart forgets them, so after one start it with [`ReplayStart::restored`], which refuses every pass of before and
/// of the next 31 seconds. Executors in several processes need a store that they share.
#[derive(Debug)]
pub struct MemoryReplayStore {
    start: ReplayStart,
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
    /// A store that judges passes from `start` on.
    #[must_use]
    pub fn new(start: ReplayStart) -> Self {
        Self {
            start,
            shards: Default::default(),
            hasher: RandomState::new(),
        }
    }

    /// A pass is always in the same part, so each part can forget on its own.
    fn shard(&self, issuer: &Issuer, pass: &PassId) -> Result<MutexGuard<'_, Shard>, StoreError> {
        // The upper four bits: 16 parts.
        let index = self.hasher.hash_one((issuer, pass)) >> 60;
        let shard = usize::try_from(index).ok().and_then(|index| self.shards.get(index));
        let shard = shard.ok_or_else(|| StoreError::new(StoreCode::StoreCorrupt))?;
        shard.lock().map_err(|_| StoreError::new(StoreCode::StorePoisoned))
    }

    fn consume_now(&self, mark: &Mark, now: UnixSeconds) -> Result<Consumption, StoreError> {
        let mut shard = self.shard(&mark.issuer, &mark.pass)?;
        let pruned_to = UnixSeconds::new(shard.pruned_to).unwrap_or(mark.until());
        if let Err(code) = judge(mark, self.start, pruned_to) {
            return Ok(Consumption::Refused(code));
        }
        let pass = (mark.issuer.clone(), mark.pass.clone());
        if !shard.used.insert(pass.clone()) {
            return Ok(Consumption::Refused(ReplayCode::AlreadyUsed));
        }
        shard.by_end.entry(mark.until().get()).or_default().insert(pass);
        shard.prune(now);
        Ok(Consumption::Consumed)
    }
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

    #[test]
    fn expired_marks_are_forgotten() {
        let at = |seconds| UnixSeconds::new(seconds).unwrap();
        let store = MemoryReplayStore::new(ReplayStart::first(at(1000)));
        for second in 0..10_000_u64 {
            let mark = Mark {
                issuer: Issuer::parse("urn:a").unwrap(),
                pass: PassId::from_uuid(Uuid::from_u128(second.into())),
                issued_at: at(1000 + second),
                expires_at: at(1060 + second),
            };
            assert_eq!(
                store.consume_now(&mark, at(1000 + second)).unwrap(),
                Consumption::Consumed
            );
        }
        let kept: usize = store.shards.iter().map(|shard| shard.lock().unwrap().used.len()).sum();
        // 90 live marks, and what the other parts forget at their next mark.
        assert!((90..1000).contains(&kept), "{kept}");
    }
}
