//! [`KeyFile`]: a new private key on its way into a file.

use std::path::{Path, PathBuf};

use actionpass_crypto::{PrivatePem, PublicKey, Signer, SoftwareKey};
use actionpass_model::{KeyId, KeyUse};

use crate::clock;
use crate::failure::Outcome;
use crate::home::{self, Home};
use crate::passphrase::PassphraseArgs;

/// A private key as it will be written, and its public half.
#[derive(Debug)]
pub(crate) struct KeyFile {
    public: PublicKey,
    pem: PrivatePem,
}

impl KeyFile {
    /// A new key, encrypted if a passphrase is to be chosen.
    pub(crate) fn generate(passphrase: Option<&PassphraseArgs>) -> Outcome<Self> {
        Self::of(&SoftwareKey::generate()?, passphrase)
    }

    /// This key.
    pub(crate) fn of(key: &SoftwareKey, passphrase: Option<&PassphraseArgs>) -> Outcome<Self> {
        let private = key.to_pkcs8()?;
        let pem = match passphrase {
            Some(passphrase) => private.to_encrypted_pem(&passphrase.choose()?, &clock::random()?)?,
            None => private.to_pem()?,
        };
        Ok(Self {
            public: key.public_key().clone(),
            pem,
        })
    }

    /// The public half.
    pub(crate) const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Where a home keeps it. The name says use and kid, so that an encrypted key is found without its passphrase.
    pub(crate) fn place(&self, home: &Home, key_use: KeyUse) -> PathBuf {
        home.path(home::KEYS).join(name(key_use, self.public.kid()))
    }

    /// Writes the private key into a new file that only its owner can read.
    pub(crate) fn write(&self, path: &Path) -> Outcome<()> {
        Ok(self.pem.write_new(path)?)
    }
}

/// The name of a key's file.
pub(crate) fn name(key_use: KeyUse, kid: &KeyId) -> String {
    format!("{}-{kid}.pem", key_use.as_str())
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
