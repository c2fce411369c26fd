//! Stores in memory: for tests, examples, and executors that accept that a restart forgets.

mod decision;
mod queue;
mod replay;

pub use decision::MemoryDecisionStore;
pub use replay::MemoryReplayStore;
