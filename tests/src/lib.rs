//! End-to-end tests of ActionPass.
