//! The commands, one module each.

pub(crate) mod approve;
pub(crate) mod approvers;
pub(crate) mod authorize;
mod bring;
pub(crate) mod canon;
pub(crate) mod clients;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod hash;
pub(crate) mod help;
pub(crate) mod hook;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod keys;
pub(crate) mod ledger;
pub(crate) mod man;
pub(crate) mod mcp;
pub(crate) mod normalize;
pub(crate) mod pins;
pub(crate) mod policy;
pub(crate) mod protect;
pub(crate) mod replay;
pub(crate) mod requests;
pub(crate) mod revoke;
pub(crate) mod schema;
pub(crate) mod serve;
#[cfg(feature = "postgres")]
pub(crate) mod store;
pub(crate) mod tools;
pub(crate) mod trust;
pub(crate) mod verify;
pub(crate) mod version;
