//! [`Timeouts`]: how long a custodian may take.

use std::time::Duration;

/// How long a custodian may take: for one signature, and to open a key or make one.
///
/// Time that a person takes to type a PIN doesn't count; time that somebody takes to confirm a signature does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Timeouts {
    /// For one signature, with all attempts.
    pub signing: Duration,
    /// For opening a key, and for making one; for each of the steps, where a custodian has several.
    pub opening: Duration,
}

impl Timeouts {
    /// Five seconds for a signature, ten for opening or making a key.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            signing: Duration::from_secs(5),
            opening: Duration::from_secs(10),
        }
    }

    /// This long for a signature.
    #[must_use]
    pub const fn with_signing(mut self, limit: Duration) -> Self {
        self.signing = limit;
        self
    }

    /// This long for opening or making a key.
    #[must_use]
    pub const fn with_opening(mut self, limit: Duration) -> Self {
        self.opening = limit;
        self
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self::new()
    }
}
