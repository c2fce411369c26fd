//! The home of an issuer: one folder with `config.toml`, private keys, trust store, policy and ledger.
//!
//! ```no_run
//! # async fn example(action: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//!
//! use actionpass_core::Request;
//! use actionpass_core::verify::canon::{BoundAction, Limits};
//! use actionpass_custody::NoSecrets;
//! use actionpass_home::{Home, OpenHome};
//! use actionpass_model::Caller;
//!
//! let home = OpenHome::open(Home::open("/srv/actionpass".as_ref())?)?;
//! let issuer = home.issuer(Arc::new(NoSecrets)).await?;
//!
//! let action = BoundAction::admit(action, &Limits::default())?;
//! let caller = Caller::parse("org:example", "agent:codex-prod", "user:owner@example.com", "runtime:codex-cli")?;
//! let decided = issuer.authorize(Request::new(action, caller)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! | what | where |
//! |---|---|
//! | the folder and its files | [`Home`], [`home`] |
//! | who the issuer is and whom it serves | [`Config`] |
//! | whom front doors on it stand for | [`DoorEntry`] |
//! | its rules, and how calls become actions | [`HomePolicy`], [`PolicyFiles`], [`Home::catalogue`], [`Home::pins`] |
//! | ledger, trust and issuer of a home | [`OpenHome`], [`HomeStore`] |
//! | the database that keeps them in the place of its files | [`Database`] |
//! | the head of its ledger, signed | [`OpenHome::sign_head`] |
//! | its first records, in an archive | [`OpenHome::archive`] |
//! | what lies beside its records, erased by age | [`retention`] |
//! | a home that is made | [`NewHome`] |
//! | people who are invited, and passkeys that wait to be confirmed | [`Approvers`] |
//! | who may ask a service of the home | [`Clients`], [`LiveClients`] |
//! | used passes of an executor that has no home | [`ReplayFile`] |
//! | why one can't be used | [`HomeError`], [`HomeCode`] |

mod approvers;
mod archive;
mod clients;
mod code;
mod config;
mod create;
mod database;
mod documents;
mod door;
pub mod duration;
mod error;
mod files;
pub mod home;
mod kept;
#[cfg(feature = "postgres")]
mod moving;
mod open;
mod policy;
mod policy_files;
mod replay;
pub mod retention;
mod salvage;
mod serve;
mod signed_head;
mod store;
mod tools;
mod webhooks;

pub use actionpass_custody::Exposure;
#[cfg(feature = "postgres")]
pub use actionpass_store_postgres::{Found as DatabaseFound, ROLES_SQL};
pub use approvers::{
    Approvers, INVITATION_HOLDS, Invitation, InvitationSecret, NewInvitation, PASSKEY_WAITS, WaitingPasskey,
    confirmation_code,
};
pub use archive::{
    ArchiveCode, ArchiveError, Archived, Archiving, ResignCode, ResignError, Resigned, Resigning, Unvouched, Voucher,
    is_of_its_key, verified_beginning,
};
pub use clients::{CLIENTS, Client, ClientToken, Clients, LiveClients, Member, Patterns, Right, Scope, client_name};
pub use code::HomeCode;
pub use config::{Config, MAX_LIMITS, Signing, limit};
pub use create::{EXAMPLE_TENANT, Made, NewHome};
pub use database::{Database, DatabaseUrl, DatabaseUrlError};
pub use door::{DoorEntry, DoorKind, DoorNotFound};
pub use error::HomeError;
pub use home::{Home, KeyForm};
#[cfg(feature = "postgres")]
pub use moving::KeptFiles;
pub use open::{OpenHome, SharedSecrets};
pub use policy::HomePolicy;
pub use policy_files::{Brought, BroughtFiles, PolicyFiles};
pub use replay::ReplayFile;
pub use salvage::LeftFile;
pub use serve::{DEFAULT_LISTEN, Metrics, Otlp, Serve, ServeLimits};
pub use signed_head::{HeadCode, HeadSigningError};
pub use store::HomeStore;
pub use webhooks::{HttpUrl, Network, REQUEST_EVENTS, Webhook, WebhookFormat};
