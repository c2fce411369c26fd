//! Private keys by URI: opening and making them with whatever custodian has them.

use std::path::Path;

use actionpass_crypto::Algorithm;
use actionpass_custodians::{Custodians, SecretSource};
use actionpass_custody::{CustodianError, KeyFiles, KeyUri, NoSecrets, OpenKey};
use actionpass_model::{KeyId, KeyUse};

use crate::config::Config;
use crate::failure::{Failure, Outcome};
use crate::home::{self, Home};
use crate::passphrase::{Asked, PassphraseArgs};

/// Every custodian of this program; files relative to the home where there is one.
pub(crate) fn custodians(home: Option<&Path>) -> Custodians {
    let custodians = Custodians::standard();
    match home {
        Some(home) => custodians.with_base(home),
        None => custodians,
    }
}

/// Opens a key that a command line names.
pub(crate) fn open_named(uri: &KeyUri, passphrase: &PassphraseArgs) -> Outcome<OpenKey> {
    let asked = passphrase.of_old(None);
    asked.settle(custodians(None).open(&named(uri), &asked))
}

/// The key that a command line names: what looks like a scheme that no custodian has may be the start of a file's name,
/// `user:maya@example.com.pem`.
pub(crate) fn named(uri: &KeyUri) -> KeyUri {
    let is_known = custodians(None).schemes().contains(&uri.scheme());
    if !is_known && Path::new(uri.as_str()).is_file() {
        return KeyUri::new("file", uri.as_str());
    }
    uri.clone()
}

/// Opens the key that a home signs passes with.
pub(crate) fn open_signing(home: &Home, config: &Config, passphrase: &PassphraseArgs) -> Outcome<OpenKey> {
    let asked = passphrase.of_old(config.signing.passphrase.as_ref());
    asked.settle(custodians(Some(home.root())).open(&config.signing.key, &asked))
}

/// What a new key is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewKey<'a> {
    /// Its algorithm.
    pub(crate) algorithm: Algorithm,
    /// Whether its file is encrypted.
    pub(crate) is_encrypted: bool,
    /// Where the passphrase comes from.
    pub(crate) passphrase: &'a PassphraseArgs,
    /// Where the configuration says that it is kept.
    pub(crate) place: Option<&'a SecretSource>,
}

/// Makes a key; files relative to the home where there is one.
pub(crate) fn generate(home: Option<&Path>, uri: &KeyUri, new: NewKey<'_>) -> Outcome<OpenKey> {
    let mut files = home.map_or_else(KeyFiles::new, KeyFiles::below);
    if new.is_encrypted {
        files = files.with_encryption();
    }
    let asked: Asked<'_> = new.passphrase.of_new(new.place);
    asked.settle(custodians(home).with(files).generate(uri, new.algorithm, &asked))
}

/// Where a home makes a key of this use unless told otherwise: a file whose name says use and kid, so that an encrypted
/// one is found without its passphrase.
pub(crate) fn home_place(key_use: KeyUse) -> KeyUri {
    KeyUri::new("file", &format!("{}/{}-*.pem", home::KEYS, key_use.as_str()))
}

/// Removes the file of a key that came to nothing. Should that fail, or if another custodian has it, there is a key that
/// nobody believes.
pub(crate) fn discard(home: &Home, key: &OpenKey) {
    if key.uri.scheme() == "file" {
        let _ = std::fs::remove_file(home.path(key.uri.rest()));
    }
}

/// The kid of the signing key, without its passphrase where the file's name says it; `None` if it can't be told.
pub(crate) fn signing_kid(home: &Home, config: &Config) -> Option<KeyId> {
    let uri = &config.signing.key;
    if uri.scheme() == "file"
        && let Some((_, kid)) = Path::new(uri.rest())
            .file_stem()
            .and_then(|stem| stem.to_str())
            .and_then(|stem| stem.split_once('-'))
        && let Ok(kid) = KeyId::parse(kid)
    {
        return Some(kid);
    }
    let opened = custodians(Some(home.root())).open(uri, &NoSecrets).ok()?;
    Some(opened.signer.public_key().kid().clone())
}

/// The private keys that a home keeps: kid and path within the home.
pub(crate) fn private_files(home: &Home) -> Vec<(KeyId, String)> {
    let Ok(entries) = std::fs::read_dir(home.path(home::KEYS)) else {
        return Vec::new();
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut files: Vec<(KeyId, String)> = names
        .filter_map(|name| {
            let (_, kid) = name.strip_suffix(".pem")?.split_once('-')?;
            Some((KeyId::parse(kid).ok()?, format!("{}/{name}", home::KEYS)))
        })
        .collect();
    files.sort();
    files
}

impl From<CustodianError> for Failure {
    fn from(error: CustodianError) -> Self {
        let failure = Self::from_error(error.code(), &error);
        match error {
            CustodianError::SchemeUnknown { .. } => failure.with_hint(
                "a custodian that is missing here may be a feature of the build: `cargo install --path crates/actionpass-cli --features all-custodians`",
            ),
            _ => failure,
        }
    }
}
