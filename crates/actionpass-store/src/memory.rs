//! Stores in memory: for tests, examples, and executors that accept that a restart forgets.

mod decision;
mod queue;
mod replay;
mod sessions;

pub use decision::MemoryDecisionStore;
pub use replay::MemoryReplayStore;
pub use sessions::MemorySessions;
