//! The `actionpass` command, end to end: real processes on temporary homes.
//!
//! Every run of every test is also searched for private key material ([`home`]), so that each of these tests shows
//! that secrets stay where they are.

#![cfg_attr(test, expect(clippy::arithmetic_side_effects, reason = "a test fails by panicking"))]

// Helpers count as tests for the lints only under this attribute.
#[cfg(test)]
mod action;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod approving;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod archives;
#[cfg(test)]
mod attacks;
#[cfg(test)]
mod back;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod crowds;
#[cfg(test)]
mod custodians;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod database;
#[cfg(test)]
mod decisions;
#[cfg(test)]
mod dependencies;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod deploy;
#[cfg(test)]
mod doctoring;
#[cfg(test)]
mod doors;
#[cfg(test)]
mod emergency;
#[cfg(test)]
mod entropy;
#[cfg(test)]
mod exits;
#[cfg(test)]
mod facts;
#[cfg(test)]
mod fsck;
#[cfg(test)]
mod gate;
#[cfg(test)]
mod gated;
#[cfg(test)]
mod home;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod hooks;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod hostile;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod kept;
#[cfg(test)]
mod keyfiles;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod kills;
#[cfg(test)]
mod ledger;
mod log;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod machines;
#[cfg(test)]
mod once;
#[cfg(test)]
mod opens;
#[cfg(test)]
#[path = "../interop/program.rs"]
#[expect(dead_code, reason = "the tests of interop use the rest")]
mod other_languages;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod passkeys;
#[cfg(test)]
mod places;
#[cfg(test)]
mod program;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod protecting;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod pty;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod required;
#[cfg(test)]
mod revoked;
#[cfg(test)]
mod rounds;
#[cfg(test)]
mod secrets;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod served;
#[cfg(test)]
mod signed_heads;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod signed_in;
#[cfg(test)]
mod story;
#[cfg(test)]
mod support;
#[cfg(test)]
mod syncs;
#[cfg(test)]
mod tampered;
#[cfg(test)]
mod template;
#[cfg(test)]
mod tools;
#[cfg(test)]
mod trust;
#[cfg(test)]
mod unknown;
#[cfg(test)]
mod watched;
