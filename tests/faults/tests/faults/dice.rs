//! [`Dice`]: the same numbers for the same seed; and how many rounds there are.

/// SplitMix64 of Steele, Lea and Flood.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) const fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.index(from.len())]
    }

    pub(crate) fn shuffle<T>(&mut self, all: &mut [T]) {
        for last in (1..all.len()).rev() {
            all.swap(last, self.index(last + 1));
        }
    }

    /// So many of these, in their order.
    pub(crate) fn sample<T>(&mut self, mut all: Vec<T>, count: usize) -> Vec<T> {
        while all.len() > count {
            all.remove(self.index(all.len()));
        }
        all
    }
}

/// The seed to begin with: `ACTIONPASS_SEED`, or 1.
pub(crate) fn seed() -> u64 {
    std::env::var("ACTIONPASS_SEED").map_or(1, |seed| seed.parse().unwrap())
}

/// Whether everything is to run, however long it takes.
pub(crate) fn is_long() -> bool {
    std::env::var_os("ACTIONPASS_LONG").is_some()
}

/// So many in a usual run, and so many in a long one.
pub(crate) fn count(usual: usize, long: usize) -> usize {
    if is_long() { long } else { usual }
}
