//! [`ReplayStore`]: the executor's store.

use std::fmt::Debug;
use std::sync::Arc;

use actionpass_model::{Issuer, PassId, UnixSeconds, codes};

use crate::StoreFuture;

/// How far clocks may be apart, in seconds: the one constant of all checks of time (`docs/spec/tokens.md`).
pub const LEEWAY_SECS: u64 = 30;

codes! {
    /// Why a pass is not consumed.
    pub enum ReplayCode: Stale {
        /// The pass was consumed before.
        AlreadyUsed = "already_used" => AlreadyDone,
        /// The pass ended before the time up to which the store has forgotten used passes: the clock went back.
        ClockBehind = "clock_behind",
        /// The pass is older than the store, so it may have been consumed where nobody remembers.
        ReplayStateLost = "replay_state_lost",
    }
}

/// What executors of one audience share: which passes were consumed.
///
/// # Contract
/// - **Once.** Of all `consume` calls for one (issuer, pass), by any thread or process, at most one gives
///   [`Consumption::Consumed`], also across crashes and changes of the clock (G6).
/// - **Durability.** When the future gives `Ok(Consumed)`, the mark survives the loss of power.
/// - **Retention.** A mark stays at least until the pass's `exp` + [`LEEWAY_SECS`] has gone by on the clock of a caller.
///   The store keeps the latest end of a pass that it has forgotten, and refuses whatever ended by then.
/// - **Start.** A store that is new, or restored from an earlier state, refuses every pass issued before its
///   [`ReplayStart`], and keeps that start.
/// - **Errors.** `Err` promises that nothing was acknowledged: the pass may be marked used. The caller must not execute.
/// - **Cancellation.** Dropping a future before it is ready may leave the pass marked used.
/// - **Runtime.** Futures may be polled on any executor and must not block it.
pub trait ReplayStore: Debug + Send + Sync {
    /// Marks a pass used, if this is its one use. `now` is the time that it was verified at; a store may forget marks
    /// that ended before.
    ///
    /// Checked in this order: [`ReplayCode::ClockBehind`], [`ReplayCode::ReplayStateLost`], [`ReplayCode::AlreadyUsed`].
    fn consume<'a>(&'a self, mark: &'a Mark, now: UnixSeconds) -> StoreFuture<'a, Consumption>;

    /// Whether a pass is marked used. Forgotten marks count as unused: ask only about a pass that would still verify.
    fn is_used<'a>(&'a self, issuer: &'a Issuer, pass: &'a PassId) -> StoreFuture<'a, bool>;
}

/// A pass to be marked used. Exhaustive on purpose: it is what every store judges by.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mark {
    /// Who issued it, its `iss`.
    pub issuer: Issuer,
    /// Its `jti`.
    pub pass: PassId,
    /// Its `iat`.
    pub issued_at: UnixSeconds,
    /// Its `exp`.
    pub expires_at: UnixSeconds,
}

impl Mark {
    /// From when on nobody accepts the pass any more: `exp` + [`LEEWAY_SECS`].
    #[must_use]
    pub const fn until(&self) -> UnixSeconds {
        self.expires_at.saturating_add(LEEWAY_SECS)
    }
}

/// What became of a pass. Exhaustive on purpose: whoever executes must know each of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Consumption {
    /// This is its one use, and the mark is durable.
    Consumed,
    /// It must not be executed.
    Refused(ReplayCode),
}

/// From when on a store can judge passes: those issued before may have been consumed where it doesn't know.
///
/// ```
/// use actionpass_model::UnixSeconds;
/// use actionpass_store::ReplayStart;
///
/// let now = UnixSeconds::new(1_795_000_000).unwrap();
/// assert_eq!(ReplayStart::first(now).at(), now);
/// assert_eq!(ReplayStart::restored(now).at().get(), now.get() + 31);
/// ```
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ReplayStart(UnixSeconds);

impl ReplayStart {
    /// The audience has never had a store before: passes issued from `now` on.
    #[must_use]
    pub const fn first(now: UnixSeconds) -> Self {
        Self(now)
    }

    /// The audience had a store, and what it knew is lost in part or whole: passes issued from `now` + 31 s on.
    ///
    /// A pass consumed in the second of the loss may say, by the leeway, that it was issued 30 s later.
    #[must_use]
    pub const fn restored(now: UnixSeconds) -> Self {
        Self(now.saturating_add(LEEWAY_SECS.saturating_add(1)))
    }

    /// The start as it was kept.
    #[must_use]
    pub const fn kept(at: UnixSeconds) -> Self {
        Self(at)
    }

    /// The earliest `iat` that is judged.
    #[must_use]
    pub const fn at(self) -> UnixSeconds {
        self.0
    }
}

/// The refusals that need no look at the marks. Every store's `consume` uses it, so that they agree.
///
/// `pruned_to` is the latest [`Mark::until`] among the marks that were forgotten.
///
/// # Errors
/// [`ReplayCode::ClockBehind`] or [`ReplayCode::ReplayStateLost`].
pub const fn judge(mark: &Mark, start: ReplayStart, pruned_to: UnixSeconds) -> Result<(), ReplayCode> {
    if mark.until().get() <= pruned_to.get() {
        Err(ReplayCode::ClockBehind)
    } else if mark.issued_at.get() < start.at().get() {
        Err(ReplayCode::ReplayStateLost)
    } else {
        Ok(())
    }
}

macro_rules! forward {
    ($pointer:ident) => {
        impl<T: ReplayStore + ?Sized> ReplayStore for $pointer<T> {
            fn consume<'a>(&'a self, mark: &'a Mark, now: UnixSeconds) -> StoreFuture<'a, Consumption> {
                (**self).consume(mark, now)
            }

            fn is_used<'a>(&'a self, issuer: &'a Issuer, pass: &'a PassId) -> StoreFuture<'a, bool> {
                (**self).is_used(issuer, pass)
            }
        }
    };
}
forward!(Arc);
forward!(Box);
