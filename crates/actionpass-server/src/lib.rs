//! The ActionPass service: decisions, approval requests and their page over HTTP.
//!
//! A front door, so no law lives here: it reads what is asked, asks the [`Issuer`](actionpass_core::Issuer) of one home, and
//! answers. What it decides by itself is who may ask what ([`actionpass_home::Client`]) and how much at once.
//!
//! | what | where |
//! |---|---|
//! | the service of a home | [`Server`], [`Settings`] |
//! | the page alone, of a service elsewhere | [`PageServer`] |
//! | a socket of this user alone, for front doors too | [`Socket`] |
//! | approval requests as the documents of `actionpass-client` | [`shown`] |
//! | what somebody signs elsewhere, held against itself | [`shown::checked`] |
//! | why it doesn't start, or doesn't answer | [`ServeError`], [`ServerCode`] |

#![cfg_attr(
    test,
    expect(
        clippy::arithmetic_side_effects,
        clippy::type_complexity,
        reason = "a test fails by panicking, and its tables are read where they stand"
    )
)]

mod answer;
mod approvers;
mod body;
mod caller;
mod code;
mod decisions;
mod descriptors;
mod error;
mod events;
mod front;
mod gate;
mod guard;
mod idle;
mod ledger;
mod listen;
mod listening;
mod load;
mod log;
mod metrics;
mod openapi;
mod operations;
mod outgoing;
mod page;
mod page_server;
mod peer;
mod problem;
mod query;
mod requests;
mod retention;
mod router;
mod serve;
mod servers;
mod settings;
mod stop;
mod telemetry;
#[cfg(test)]
mod testing;
mod tls;
mod trace;
mod trust;
mod webhooks;

pub use code::ServerCode;
pub use error::ServeError;
pub use listen::Socket;
pub use page_server::PageServer;
pub use requests::shown;
pub use serve::Server;
pub use settings::{Settings, TlsFiles};

/// The OpenAPI 3.1 document of the service: `docs/openapi.json`.
///
/// # Errors
/// What the serializer says.
pub fn openapi() -> Result<String, serde_json::Error> {
    openapi::text()
}
