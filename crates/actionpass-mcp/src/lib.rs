//! The MCP proxy: it stands between a client and a server, and no tool is called that wasn't allowed, recorded and consumed.
//!
//! A [`Session`] is one connection of one client to one server, as a state machine over channels: it is fed with the lines of
//! both, and gives the lines for both. [`stdio`] puts it between a client on standard input and output and a child process, [`http`]
//! between clients that come over HTTP and a server for each of them.
//! What is passed on, refused and answered: `docs/spec/mcp.md`.
//!
//! The proxy knows a [`Door`](actionpass_door::Door) and no home, no key and no policy.

mod address;
mod answer;
mod child;
mod code;
mod era;
pub mod http;
mod lines;
mod list;
mod listing;
mod message;
mod raw;
mod session;
mod settings;
pub mod standard;
mod state;
pub mod stdio;
mod url;

pub use code::McpCode;
pub use era::{Era, LEGACY_VERSIONS, MODERN_VERSIONS};
pub use list::list_tools;
pub use listing::{MAX_LIST, MAX_TOOLS};
pub use message::{Id, MAX_CLIENT_MESSAGE};
pub use session::{Session, ToClient, ToServer};
pub use settings::{DenyAs, McpError, Proxy, ServerEntry, Settings, Target};
pub use stdio::MAX_SERVER_LINE;
