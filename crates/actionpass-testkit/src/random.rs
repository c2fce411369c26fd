//! [`CountingRandom`]: randomness that isn't.

use std::sync::atomic::{AtomicU64, Ordering};

use actionpass_core::Random;

/// Counts instead of drawing, so that ids are the same in every run; may run out.
///
/// ```
/// use actionpass_core::Random;
/// use actionpass_testkit::CountingRandom;
///
/// let random = CountingRandom::running_out_after(1);
/// let mut bytes = [0; 4];
/// assert!(random.fill(&mut bytes));
/// assert_eq!(bytes, [0, 0, 0, 1]);
/// assert!(!random.fill(&mut bytes));
/// ```
#[derive(Debug)]
pub struct CountingRandom {
    drawn: AtomicU64,
    limit: u64,
}

impl CountingRandom {
    /// Never runs out.
    #[must_use]
    pub const fn new() -> Self {
        Self::running_out_after(u64::MAX)
    }

    /// Serves so many requests, and no more.
    #[must_use]
    pub const fn running_out_after(requests: u64) -> Self {
        Self {
            drawn: AtomicU64::new(0),
            limit: requests,
        }
    }

    /// How many requests were made.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.drawn.load(Ordering::SeqCst)
    }
}

impl Default for CountingRandom {
    fn default() -> Self {
        Self::new()
    }
}

impl Random for CountingRandom {
    fn fill(&self, buffer: &mut [u8]) -> bool {
        let number = self.drawn.fetch_add(1, Ordering::SeqCst).saturating_add(1);
        let digits = number.to_be_bytes();
        buffer.fill(0);
        // Whoever draws for several ids at once gets the number into each: an id takes ten bytes.
        for bytes in buffer.rchunks_mut(10) {
            for (byte, digit) in bytes.iter_mut().rev().zip(digits.iter().rev()) {
                *byte = *digit;
            }
        }
        number <= self.limit
    }
}
