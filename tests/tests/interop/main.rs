//! Interop: what is signed here is checked by other libraries, and what they sign is checked here.
//!
//! - [`verify_a_pass`]: the recipes of `docs/howto/verify-a-pass`, each on passes that hold and passes that don't.
//! - [`made_elsewhere`]: tokens that other libraries made with our key, right ones and malformed ones.
//! - [`show_a_view`]: a second implementation of `docs/spec/display.md`, on the published vectors and whatever else.
//! - [`browser`]: passkeys that Chromium made and used on a page, verified here.
//! - [`page`]: the service's page in Chromium: people enrol, read and decide; axe, pictures, hostile texts.
//! - [`passkeys`]: the recipes of `docs/howto/verify-a-passkey-approval`, on what a passkey in software signed, right and wrong.
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

mod browser;
mod check_a_ledger;
mod fixture;
mod made_elsewhere;
mod page;
mod passkeys;
mod program;
mod show_a_view;
mod verify_a_pass;
