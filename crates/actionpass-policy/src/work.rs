//! What a decision costs: steps, counted where they are taken, and the most of them that one decision may take.

use std::cell::Cell;

/// The most steps of one decision: 2^28.
///
/// A step is a byte that is read or compared; an element or member that is visited and a condition that is asked are
/// [`VISIT`] steps, which is what they take beside the bytes. An action is at most 1 MiB by default, so
/// this reads all of it 256 times; see `docs/spec/policy.md`, "Work".
pub(crate) const MAX_WORK: u64 = 1 << 28;

/// The steps of a visit: of an element, a member, a rule's condition.
const VISIT: usize = 16;

/// The steps of one decision so far.
#[derive(Debug, Default)]
pub(crate) struct Work {
    spent: Cell<u64>,
}

impl Work {
    /// Counts steps.
    pub(crate) fn spend(&self, steps: usize) {
        self.spent.set(self.spent.get().saturating_add(steps as u64));
    }

    /// Counts visits of so many elements, members or conditions.
    pub(crate) fn visit(&self, count: usize) {
        self.spend(count.saturating_mul(VISIT));
    }

    /// How many steps were taken.
    pub(crate) fn spent(&self) -> u64 {
        self.spent.get()
    }

    /// Whether more steps were taken than a decision may take. Whatever was found out is then void.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.spent.get() > MAX_WORK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_step_is_allowed_and_the_next_is_not() {
        let work = Work::default();
        work.spend(MAX_WORK as usize);
        assert!(!work.is_exceeded());
        work.spend(1);
        assert!(work.is_exceeded());
        work.spend(usize::MAX);
        assert_eq!(work.spent(), u64::MAX);
        assert!(work.is_exceeded());
    }
}
