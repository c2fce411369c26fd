//! The commands, one module each.

pub(crate) mod approve;
pub(crate) mod authorize;
pub(crate) mod canon;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod hash;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod keys;
pub(crate) mod ledger;
pub(crate) mod man;
pub(crate) mod policy;
pub(crate) mod revoke;
pub(crate) mod schema;
pub(crate) mod trust;
pub(crate) mod verify;

use actionpass_crypto::{KeySource, Signer};
use actionpass_model::KeyId;
use actionpass_store::ledger::RecordRef;
use serde_json::{Value, json};

use crate::config::Config;
use crate::home::Home;

/// A record as answers refer to it.
pub(crate) fn record_json(record: &RecordRef) -> Value {
    json!({ "seq": record.seq, "id": record.id, "ledgerHash": record.ledger_hash.to_string() })
}

/// The kid of the signing key, without its passphrase where the file's name says it; `None` if it can't be told.
pub(crate) fn signing_kid(home: &Home, config: &Config) -> Option<KeyId> {
    let source = home.key_source(config);
    if let KeySource::File(path) = &source
        && let Some((_, kid)) = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .and_then(|stem| stem.split_once('-'))
        && let Ok(kid) = KeyId::parse(kid)
    {
        return Some(kid);
    }
    source.load(None).ok().map(|key| key.public_key().kid().clone())
}
