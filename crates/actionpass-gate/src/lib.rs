//! The tool catalogue: a call becomes an action, or is refused by a stable code.
//!
//! ```
//! use actionpass_canon::{Limits, admit};
//! use actionpass_gate::{CallCode, Catalogue, ToolCall};
//!
//! let catalogue = Catalogue::parse(
//!     r#"
//!     schema = "actionpass.tools.v1"
//!     [[server]]
//!     name = "github"
//!     [[tool]]
//!     match = "github/create_pull_request"
//!     tool = "github.pull_requests.create"
//!     resource = "repo:{payload.owner}/{payload.repo}"
//!     fold = ["payload.owner", "payload.repo"]
//!     "#,
//!     "tools.toml",
//!     |_| None,
//! )?;
//! let arguments = admit(br#"{"owner":"Company","repo":"web-app","title":"Fix"}"#, &Limits::default())?;
//! let call = catalogue.normalize(ToolCall::new("github", "create_pull_request", &arguments))?;
//! assert_eq!(call.tool.as_str(), "github.pull_requests.create");
//! assert_eq!(call.resource.as_str(), "repo:company/web-app");
//! assert_eq!(call.payload, arguments);
//!
//! // What can't be read out of a call is refused, with the place. Nothing is guessed.
//! let arguments = admit(br#"{"owner":"Company","repo":".."}"#, &Limits::default())?;
//! let refused = catalogue.normalize(ToolCall::new("github", "create_pull_request", &arguments)).unwrap_err();
//! assert_eq!((refused.code(), refused.path()), (CallCode::CallValueDots, Some("payload.repo")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | what | where |
//! |---|---|
//! | `tools.toml` | [`Catalogue`], [`CatalogueError`]; the format: `docs/spec/tools.md` |
//! | a call as its protocol makes it, or as JSON | [`Call`]: [`ToolCall`], [`MethodCall`], [`HttpCall`]; [`CallDocument`] |
//! | what it is as an action | [`Catalogue::normalize`], [`Normalized`], [`CallError`] |
//! | tools as servers list them, and their hashes | [`ListedTool`] |
//! | definitions that somebody approved | [`Pins`], [`Origin`], [`ToolState`] |
//! | schemas of arguments | [`Schema`] |
//! | tests of a catalogue | [`testing`] |
//!
//! Everything here is pure: no I/O, no clock, no identity. Whoever calls knows who is calling, reads the files, and asks policy.

mod call;
mod catalogue;
mod definition;
mod error;
mod http;
mod normalize;
mod percent;
mod pins;
mod schema;
mod template;
pub mod testing;

pub use call::{Call, CallDocument, HttpCall, MethodCall, ToolCall};
pub use catalogue::{Catalogue, DeclaredServer, DeclaredTool, Risk};
pub use definition::ListedTool;
pub use error::{CallCode, CallError, CatalogueCode, CatalogueError, ListingCode, ListingError};
pub use normalize::Normalized;
pub use pins::{Change, Origin, Pinned, Pins, Standing, ToolState};
pub use schema::Schema;
