//! Every command and its refusals, run as a user runs them, compared with golden files.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that can't go on fails"
)]

mod authorize;
mod concurrency;
mod documents;
mod home;
mod keys;
mod lab;
mod ledger;
mod others;
mod policy;
mod revoke;
mod verify;
