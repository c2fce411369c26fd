//! Servers that tests start for themselves: real custodians on loopback ports and in folders of their own.
//!
//! `cargo xtask test` installs what they need. A server that isn't there fails the test that wants it, and says what
//! is missing: a custodian that was not tried has not passed.
//!
//! Every process ends with the test program, however that ends.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that can not go on fails")]

mod certificates;
mod folder;
mod http;
mod process;

pub mod fake;
pub mod latency;
pub mod moto;
pub mod openbao;
pub mod postgres;
pub mod softhsm;
pub mod ssh_agent;
pub mod swtpm;

pub use folder::Folder;
pub use process::{Process, free_port, python_tool, until};
