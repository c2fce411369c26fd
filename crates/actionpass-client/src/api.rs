//! What is asked of the service, and what it answers (`docs/spec/service.md`).
//!
//! Names are camelCase, times RFC 3339, hashes `sha256:…`. Answers may gain members; questions are closed.

mod problem;

pub use problem::{PROBLEM_MEDIA_TYPE, Problem};
