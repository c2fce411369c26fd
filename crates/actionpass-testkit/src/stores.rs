//! Stores that refuse, stall, forget and fail now and then.
//!
//! [`Flaky`] wraps a store that works; the others need none.

mod flaky;
mod hopeless;
mod losing;

pub use flaky::{Flaky, Moment};
pub use hopeless::{RefusingStore, StallingStore};
pub use losing::LosingStore;

#[cfg(test)]
mod tests;
