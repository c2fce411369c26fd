//! The fault suites. What they are is in the documentation of the package.
#![cfg(target_os = "linux")]

mod calls;
mod deeds;
mod dice;
mod disk;
mod home;
mod kills;
mod oracle;
mod postgres;
mod power;
mod program;
mod proxy;
mod queue;
mod service;
mod soak;
mod sync;
mod tally;
mod trace;
mod vfs;
