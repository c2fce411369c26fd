//! Hooks of coding agents: before an agent runs a tool it asks a program, which lets the call through or blocks it.
//!
//! ```no_run
//! # async fn example(door: &dyn actionpass_door::Door, stdin: &[u8]) {
//! use actionpass_hook::{Agent, Answer, Hook};
//!
//! match Hook::new(Agent::ClaudeCode).answer(door, stdin).await {
//!     Answer::NoOpinion => print!("{}", Agent::ClaudeCode.no_opinion()),
//!     // Every agent blocks a call on exit code 2, with what stands on stderr as the reason.
//!     Answer::Block(reason) => {
//!         eprintln!("{reason}");
//!         std::process::exit(2);
//!     }
//! }
//! # }
//! ```
//!
//! | what | where |
//! |---|---|
//! | the agents, and how each of them behaves | [`Agent`], [`Behaviour`] |
//! | what an agent says of a call | [`Event`], [`HookError`] |
//! | what becomes of it | [`Hook`], [`Answer`] |
//! | MCP servers that run behind our own proxy | [`Proxy`] |
//! | what is wrong with an agent's configuration | [`doctor`] |
//!
//! What the program owes beyond this (a watchdog, no environment, exit code 2 for every failure) is in `docs/spec/hooks.md`.
//! A hook is a tripwire: whoever gets around it isn't held by it. The executor is the wall.

mod agent;
mod answer;
pub mod doctor;
mod error;
mod event;
mod proxy;

pub use agent::{Agent, Behaviour, TimeUnit};
pub use answer::{Answer, Hook};
pub use error::{HookCode, HookError};
pub use event::{Event, MAX_INPUT, Tool};
pub use proxy::{Place, Proxy};
