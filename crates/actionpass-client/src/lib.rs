//! The documents of the ActionPass service, and a client for it.
//!
//! [`api`] is what stands on the wire, for whoever asks the service and for the service itself. With the feature `http`, which
//! is on by default, there is a client that blocks.

pub mod api;
