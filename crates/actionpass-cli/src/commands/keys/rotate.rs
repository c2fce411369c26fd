//! `keys rotate`: a new signing key in the place of the old one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use actionpass_crypto::Algorithm;
use actionpass_custody::{KeyUri, OpenKey};
use actionpass_model::{KeyEvent, KeyId, KeyStatus, KeyUse, Statement, Timestamp, TrustStore};
use actionpass_store::ledger::RecordRef;
use actionpass_store::trust_file::change;
use clap::Args;
use serde_json::json;

use super::super::trust::{Owner, entry};
use super::{Alg, place_text, public_json};
use crate::cli::Context;
use crate::clock;
use crate::code::CliCode;
use crate::commands::record_json;
use crate::custody::{self, NewKey, signing_kid};
use crate::failure::{Failure, Outcome};
use crate::home;
use crate::input;
use crate::issuer::IssuerHome;
use crate::output::Reply;
use crate::passphrase::PassphraseArgs;

#[derive(Args, Debug)]
pub(crate) struct RotateArgs {
    /// Make the new key here [default: beside the old one, with the same custodian]
    #[arg(long, value_name = "URI", value_parser = KeyUri::parse)]
    key: Option<KeyUri>,
    /// Take a key that its custodian has already, in place of a new one
    #[arg(long, value_name = "URI", value_parser = KeyUri::parse, conflicts_with_all = ["key", "algorithm", "encrypt"])]
    to: Option<KeyUri>,
    /// The new key's algorithm [default: that of the old one, else ES256]
    #[arg(long = "alg", value_name = "ALG")]
    algorithm: Option<Alg>,
    /// Encrypt the new key's file with a passphrase
    #[arg(long)]
    encrypt: bool,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<Statement>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl RotateArgs {
    /// Three steps, so that there is a key to sign with at every moment: the new key is believed, then `config.toml` names
    /// it, then the old one retires. Whoever signed with the old one meanwhile is told that it is superseded, and reads
    /// the configuration again.
    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        // The lock is for homes only: nothing is written anywhere else.
        let home = context.home()?;
        home.config()?;
        // From here on another rotation waits, and then reads what this one wrote.
        let _lock = home.lock_config()?;
        let issuer = IssuerHome::open(context)?;
        // Where the name of its file doesn't tell, the key itself does, for whoever can open it.
        let old = signing_kid(&issuer.home, &issuer.config).or_else(|| {
            let opened = custody::open_signing(&issuer.home, &issuer.config, &self.passphrase).ok()?;
            Some(opened.signer.public_key().kid().clone())
        });
        let is_old_known = old.is_some();
        let new = self.new_key(&issuer, old.as_ref())?;
        let public = new.signer.public_key();
        let kid = public.kid().clone();
        let mut record = self.add(&issuer, &new, old.as_ref())?;
        set_signing_key(&issuer.home.file(home::CONFIG)?, new.uri.as_str())?;
        let mut version = issuer.trust.read()?.document.version;
        let retired = match old {
            Some(old) => self.retire(&issuer, old, &kid)?,
            None => None,
        };
        if let Some((_, retired)) = &retired {
            record = Some(retired.record.clone());
            version = retired.version;
        }

        let mut json = json!({
            "kid": kid, "jwk": public_json(public)?, "key": new.uri.as_str(),
            "trust": { "version": version }, "record": record.as_ref().map(record_json),
        });
        let mut talk = format!(
            "The new key is {}, and config.toml names it.\n",
            place_text(&issuer, &new.uri)
        );
        if let Some(members) = json.as_object_mut() {
            if let Some(file) = super::file(&issuer, &new.uri) {
                members.insert("file".to_owned(), file.into());
            }
            if let Some((old, _)) = &retired {
                members.insert("retired".to_owned(), old.as_str().into());
                talk.push_str(&format!("Passes of {old} hold until they expire.\n"));
            }
        }
        if !is_old_known {
            talk.push_str(
                "The key of before could not be opened, so it was not retired: `keys list` shows it, `keys retire KID` does.\n",
            );
        }
        talk.push_str(&format!(
            "Hand the trust store on to your executors: `{} trust export`.\n",
            context.program()
        ));
        Ok(Reply::new(json).with_data(format!("{kid}\n")).with_talk(talk))
    }

    /// Makes the new key, or opens the one that is there.
    fn new_key(&self, issuer: &IssuerHome, old: Option<&KeyId>) -> Outcome<OpenKey> {
        let root = issuer.home.root();
        let signing = &issuer.config.signing;
        if let Some(uri) = &self.to {
            let asked = self.passphrase.of_old(signing.passphrase.as_ref());
            return asked.settle(custody::custodians(Some(root)).open(uri, &asked));
        }
        let place = match &self.key {
            Some(uri) => uri.clone(),
            None => custody::custodians(Some(root)).beside(&signing.key)?,
        };
        let algorithm = match self.algorithm {
            Some(algorithm) => algorithm.into(),
            None => {
                let trust = issuer.home.trust()?;
                let entry = old.and_then(|old| trust.keyring().get(old).cloned());
                entry.map_or(Algorithm::Es256, |entry| entry.algorithm())
            }
        };
        let new = NewKey {
            algorithm,
            is_encrypted: self.encrypt,
            passphrase: &self.passphrase,
            place: signing.passphrase.as_ref(),
        };
        custody::generate(Some(root), &place, new)
    }

    /// The new key is believed, for the tenants of the old one.
    /// One that `--to` names may be believed already: then it was added ahead of time, or a rotation ended halfway.
    fn add(&self, issuer: &IssuerHome, new: &OpenKey, old: Option<&KeyId>) -> Outcome<Option<RecordRef>> {
        let now = clock::now()?;
        if self.to.is_some() && is_ready(issuer, new.signer.public_key().kid(), old, now)? {
            return Ok(None);
        }
        let mut added = entry(new.signer.public_key(), KeyUse::Pass, &Owner::default(), &issuer.config)?;
        let kid = added.kid.clone();
        let changed = issuer.change_trust(now, |trust| {
            if let Some(before) = old.and_then(|old| trust.key(old)) {
                added.tenants = before.tenants.clone();
            }
            change::add_key(trust, added)
        });
        // Only what was made here is discarded: a key that `--to` names was there before, and is somebody's.
        let ((), written) = changed.inspect_err(|_| {
            if self.to.is_none() {
                custody::discard(&issuer.home, new);
            }
        })?;
        let subject = (&kid, KeyUse::Pass);
        let record = issuer.record_key(now, KeyEvent::Added, subject, (None, None), written.evidence())?;
        Ok(Some(record))
    }

    /// The old key signs nothing any more. One that is revoked or retired already stays what it is.
    fn retire(&self, issuer: &IssuerHome, old: KeyId, new: &KeyId) -> Outcome<Option<(KeyId, Retired)>> {
        let now = clock::now()?;
        let exchange = |trust: &mut TrustStore| {
            let is_active = trust
                .key(&old)
                .is_some_and(|before| before.status == KeyStatus::Active && !trust.is_key_revoked(&old));
            if is_active {
                change::retire_key(trust, &old, now, Some(new.clone()), self.reason.clone())?;
            }
            Ok(is_active)
        };
        let (is_retired, written) = issuer.change_trust(now, exchange)?;
        if !is_retired {
            return Ok(None);
        }
        let why = (Some(new.clone()), self.reason.clone());
        let record = issuer.record_key(now, KeyEvent::Rotated, (&old, KeyUse::Pass), why, written.evidence())?;
        let version = written.document.version;
        Ok(Some((old, Retired { record, version })))
    }
}

/// Whether the trust store believes this key as one that signs passes of this issuer now, and it is not the old one.
fn is_ready(issuer: &IssuerHome, kid: &KeyId, old: Option<&KeyId>, now: Timestamp) -> Outcome<bool> {
    let trust = issuer.home.trust()?;
    Ok(trust.keyring().get(kid).is_some_and(|entry| {
        let key = entry.trust();
        let is_ours = key.key_use == KeyUse::Pass && key.issuer.as_ref() == Some(&issuer.config.issuer);
        let signs = key.status == KeyStatus::Active && !entry.is_revoked() && key.signs_at(now);
        is_ours && signs && old != Some(kid)
    }))
}

/// What retiring the old key left behind.
struct Retired {
    record: RecordRef,
    version: u64,
}

/// Writes another signing key into a `config.toml` and leaves the rest as its owner wrote it, comments included.
fn set_signing_key(path: &Path, source: &str) -> Outcome<()> {
    let text = input::text(path, CliCode::ConfigInvalid)?;
    let mut document: toml_edit::DocumentMut = text
        .parse()
        .map_err(|error: toml_edit::TomlError| Failure::from_error(CliCode::ConfigInvalid, &error))?;
    let place = document
        .get_mut("signing")
        .and_then(|table| table.get_mut("key"))
        .and_then(toml_edit::Item::as_value_mut);
    let place = place.ok_or_else(|| Failure::new(CliCode::ConfigInvalid, "`[signing] key` is not there"))?;
    let decor = place.decor().clone();
    *place = toml_edit::Value::from(source);
    *place.decor_mut() = decor;
    replace(path, document.to_string().as_bytes())
        .map_err(|error| Failure::from_error(CliCode::FileUnwritable, &error).about(&input::name(path)))
}

/// Replaces a file: readers see the old one or the new one, and the new one survives the loss of power.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut next = tempfile::NamedTempFile::new_in(folder)?;
    next.as_file().set_permissions(fs::metadata(path)?.permissions())?;
    next.write_all(bytes)?;
    next.as_file().sync_all()?;
    next.persist(path)?;
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_order_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let before = "# top\nissuer = \"urn:x\"\n[signing] # here\nkey =   \"file:a\" # there\n# end\n";
        fs::write(&path, before).unwrap();
        set_signing_key(&path, "file:keys/b.pem").unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            before.replace("file:a", "file:keys/b.pem")
        );
        fs::write(&path, "issuer = 1\n").unwrap();
        assert_eq!(
            set_signing_key(&path, "x").unwrap_err().code().as_str(),
            "config_invalid"
        );
    }
}
