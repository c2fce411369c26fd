//! The MCP proxy with real clients, real servers and the official conformance suite; tool lists of real servers; real webhooks.
//!
//! Every scenario runs without the proxy too: what a client then gets is what it is compared with.

mod bed;
mod conformance;
mod guarded;
mod http;
mod kit;
mod lists;
mod protected;
mod proxied;
mod raw;
mod webhooks;
