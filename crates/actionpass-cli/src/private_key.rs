//! Private keys by URI: opened and made with whatever custodian has them.

use std::path::Path;

use actionpass_crypto::Algorithm;
use actionpass_custodians::{Custodians, SecretSource};
use actionpass_custody::{KeyUri, OpenKey};
use actionpass_home::{Home, KeyForm, home};

use crate::failure::Outcome;
use crate::passphrase::PassphraseArgs;
use crate::shell::quote;

/// Opens a key that a command line names.
pub(crate) fn open(uri: &KeyUri, passphrase: &PassphraseArgs) -> Outcome<OpenKey> {
    let asked = passphrase.of_old(None);
    asked.settle(Custodians::standard().open(&named(uri), &asked))
}

/// The key that a command line names: what looks like a scheme that no custodian has may be the start of a file's name,
/// `user:maya@example.com.pem`.
pub(crate) fn named(uri: &KeyUri) -> KeyUri {
    let is_known = Custodians::standard().schemes().contains(&uri.scheme());
    if !is_known && Path::new(uri.as_str()).is_file() {
        return KeyUri::new("file", uri.as_str());
    }
    uri.clone()
}

/// The form of a new key's file.
pub(crate) const fn form(is_encrypted: bool) -> KeyForm {
    if is_encrypted {
        KeyForm::Encrypted
    } else {
        KeyForm::Plain
    }
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

impl NewKey<'_> {
    /// Makes it; its file, if it has one, relative to a folder where there is one.
    pub(crate) fn generate(self, base: Option<&Path>, place: &KeyUri) -> Outcome<OpenKey> {
        let asked = self.passphrase.of_new(self.place);
        asked.settle(home::generate_key(
            base,
            place,
            self.algorithm,
            form(self.is_encrypted),
            &asked,
        ))
    }
}

/// Where a private key is, for people.
pub(crate) fn place_text(home: &Home, uri: &KeyUri) -> String {
    home.key_file(uri).map_or_else(
        || format!("`{uri}`, with its custodian"),
        |path| format!("in {}", quote(&path.display().to_string())),
    )
}
