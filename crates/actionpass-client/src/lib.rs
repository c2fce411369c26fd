//! The documents of the ActionPass service, and a client for it.
//!
//! [`api`] is what stands on the wire, for whoever asks the service and for the service itself. With the feature `http`, which
//! is on by default, there is a [`Client`] that blocks.
//!
//! ```no_run
//! # #[cfg(feature = "http")]
//! # fn example(action: actionpass_model::JsonObject) -> Result<(), Box<dyn std::error::Error>> {
//! use actionpass_client::Client;
//! use actionpass_client::api::AuthorizeRequest;
//!
//! let client = Client::new("http://localhost:8311", &std::env::var("ACTIONPASS_TOKEN")?)?;
//! let mut asked = AuthorizeRequest::new(action);
//! asked.wait = Some(60); // seconds for people to decide, where they have to
//! let answer = client.authorize(&asked)?;
//! match answer.pass {
//!     Some(pass) => println!("{}", pass.token), // the executor verifies it
//!     None => println!("not allowed: {:?}", answer.reasons),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What a pass says is not checked here: the client hands over what the service answered, and whoever executes the call verifies
//! it (`actionpass-verify`), offline, against the trust store that they were handed.

pub mod api;
#[cfg(feature = "http")]
mod client;
mod code;
#[cfg(feature = "http")]
mod error;
#[cfg(feature = "http")]
mod events;
#[cfg(feature = "http")]
pub mod tls;

#[cfg(feature = "http")]
pub use client::{Client, Document};
pub use code::ClientCode;
#[cfg(feature = "http")]
pub use error::ClientError;
#[cfg(feature = "http")]
pub use events::{Events, Update, Updates};
