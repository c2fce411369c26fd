//! Puts ActionPass in front of what runs on a machine: finds the MCP servers and coding agents that products are configured with,
//! plans changes of their configuration, shows them, makes them, and undoes them.
//!
//! ```no_run
//! use actionpass_setup::{Identity, Journal, Places, Platform, Protection};
//!
//! # fn example() -> Result<(), actionpass_setup::SetupError> {
//! let places = Places::new("/home/maya".into(), Platform::here());
//! let mut identity = Identity::default();
//! identity.owner = "user:maya@example.com".parse().ok();
//! let home = "/home/maya/.local/share/actionpass";
//! let plan = Protection::new(places, home.into(), "/usr/bin/actionpass".into(), identity).plan()?;
//! let mut journal = Journal::open(home.as_ref())?;
//! for change in &plan.changes {
//!     println!("{}", change.diff());
//!     change.apply(&mut journal)?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | what | where |
//! |---|---|
//! | where products keep what | [`Places`], [`Product`], [`CodingAgent`] |
//! | the proxy before servers, hooks before tools | [`Protection`] |
//! | one agent's hook | [`Hook`], [`uninstall`], [`status`] |
//! | changes that are shown before they are made | [`Plan`], [`Change`] |
//! | what was written, and how it is undone | [`Journal`] |
//! | what doors that only observe would have refused | [`Collector`], [`Report`] |
//!
//! Everything outside of an edit stays byte for byte. Nothing here allows anything: no rule of a policy is written.

mod command;
mod edit;
mod error;
mod files;
mod home;
mod hooks;
mod json;
mod places;
mod plan;
mod protect;
mod record;
mod report;
mod servers;
mod show;
mod toml;

pub use command::{Asked, FALLBACK};
pub use edit::{Edit, Format};
pub use error::{SetupCode, SetupError};
pub use home::Identity;
pub use hooks::{Hook, HookStatus, status, uninstall};
pub use json::Json;
pub use places::{CodingAgent, Places, Platform, Product};
pub use plan::{Change, Left, Plan};
pub use protect::{Guarded, Protection, State};
pub use record::{Journal, RECORD};
pub use report::{Collector, Refused, Report};
pub use show::visible;
