//! Interop: what is signed here is checked by other libraries, and what they sign is checked here.
//!
//! - [`verify_a_pass`]: the recipes of `docs/howto/verify-a-pass`, each on passes that hold and passes that don't.
//! - [`made_elsewhere`]: tokens that other libraries made with our key, right ones and malformed ones.
//! - [`show_a_view`]: a second implementation of `docs/spec/display.md`, on the published vectors and whatever else.
//! - [`normalize_a_call`]: a second implementation of `docs/spec/tools.md`, on the published vectors and whatever else.
//! - [`mcp`]: the MCP proxy between real clients and servers, tool lists of real servers, and real webhooks.
//! - [`browser`]: passkeys that Chromium made and used on a page, verified here.
//! - [`page`]: the service's page in Chromium: people enrol, read and decide; axe, pictures, hostile texts.
//! - [`newcomer`]: `actionpass serve` and its page in Chromium, by nothing but what they print and show.
//! - [`page_elsewhere`]: the page alone, for a gate in another process, in Chromium: the program from end to end.
//! - [`passkeys`]: the recipes of `docs/howto/verify-a-passkey-approval`, on what a passkey in software signed, right and wrong.
//! - [`agents`]: coding agents with our hook: whether they do what is allowed, and nothing else.
//! - [`other_logs`]: Merkle trees, checkpoints and signed heads, beside a second implementation in Rust.
//! - [`check_a_ledger`]: the recipe of `docs/howto/check-a-ledger`, on exports that are whole and exports that aren't.
//!
//! A program or package that is missing is reported as not run; `cargo xtask test` installs what it can.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[cfg(target_os = "linux")]
mod agents;
mod browser;
mod check_a_ledger;
mod chromium;
mod fixture;
mod made_elsewhere;
#[cfg(target_os = "linux")]
mod mcp;
#[cfg(target_os = "linux")]
mod newcomer;
mod normalize_a_call;
mod other_logs;
mod page;
#[cfg(target_os = "linux")]
mod page_elsewhere;
mod passkeys;
mod program;
#[cfg(target_os = "linux")]
#[path = "../e2e/pty.rs"]
mod pty;
mod show_a_view;
#[cfg(target_os = "linux")]
#[path = "../e2e/program.rs"]
mod under_test;
mod verify_a_pass;
