//! `keys rotate`: a new signing key in the place of the old one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use actionpass_crypto::SoftwareKey;
use actionpass_model::{KeyEvent, KeyStatus, KeyUse, Statement, TrustStore};
use actionpass_store::trust_file::change;
use clap::Args;
use serde_json::json;

use super::super::trust::{Owner, entry};
use super::file::{KeyFile, name};
use super::public_json;
use crate::cli::Context;
use crate::clock;
use crate::code::CliCode;
use crate::commands::record_json;
use crate::failure::{Failure, Outcome};
use crate::home;
use crate::input;
use crate::issuer::IssuerHome;
use crate::output::Reply;
use crate::passphrase::PassphraseArgs;
use crate::shell::quote;

#[derive(Args, Debug)]
pub(crate) struct RotateArgs {
    /// Encrypt the new key with a passphrase
    #[arg(long)]
    encrypt: bool,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<Statement>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl RotateArgs {
    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        let new = KeyFile::of(&SoftwareKey::generate()?, self.encrypt.then_some(&self.passphrase))?;
        // The lock is for homes only: nothing is written anywhere else.
        let home = context.home()?;
        home.config()?;
        // From here on another rotation waits, and then reads what this one wrote.
        let _lock = home.lock_config()?;
        let issuer = IssuerHome::open(context)?;
        let now = clock::now()?;
        let old = crate::commands::signing_kid(&issuer.home, &issuer.config);
        let mut added = entry(new.public(), KeyUse::Pass, &Owner::default(), &issuer.config)?;
        let kid = added.kid.clone();
        let path = new.place(&issuer.home, KeyUse::Pass);
        // The file first: an entry without its key would be trusted and of no use.
        new.write(&path)?;
        let exchange = |trust: &mut TrustStore| {
            let before = old.as_ref().and_then(|old| trust.key(old));
            if let Some(before) = before {
                added.tenants = before.tenants.clone();
            }
            // A key that is revoked or retired already stays what it is.
            let retires = before
                .filter(|before| before.status == KeyStatus::Active && !trust.is_key_revoked(&before.kid))
                .map(|before| before.kid.clone());
            change::add_key(trust, added)?;
            if let Some(old) = &retires {
                change::retire_key(trust, old, now, Some(kid.clone()), self.reason.clone())?;
            }
            Ok(retires)
        };
        let (retires, written) = issuer
            .change_trust(now, exchange)
            .inspect_err(|_| super::discard(&path))?;
        // Until the next line is through, nothing is issued: the key that signs is the one that just retired.
        let source = format!("file:{}/{}", home::KEYS, name(KeyUse::Pass, &kid));
        set_signing_key(&issuer.home.file(home::CONFIG)?, &source)?;
        let evidence = written.evidence();
        let mut record = issuer.record_key(now, KeyEvent::Added, (&kid, KeyUse::Pass), (None, None), evidence)?;
        if let Some(old) = &retires {
            let why = (Some(kid.clone()), self.reason);
            record = issuer.record_key(now, KeyEvent::Rotated, (old, KeyUse::Pass), why, evidence)?;
        }

        let mut json = json!({
            "kid": kid, "jwk": public_json(new.public())?, "file": path.display().to_string(),
            "trust": { "version": written.document.version }, "record": record_json(&record),
        });
        let mut talk = format!(
            "The new key is in {}, and config.toml names it.\n",
            quote(&path.display().to_string())
        );
        if let (Some(old), Some(members)) = (&retires, json.as_object_mut()) {
            members.insert("retired".to_owned(), old.as_str().into());
            talk.push_str(&format!("Passes of {old} hold until they expire.\n"));
        }
        talk.push_str(&format!(
            "Hand the trust store on to your executors: `{} trust export`.\n",
            context.program()
        ));
        Ok(Reply::new(json).with_data(format!("{kid}\n")).with_talk(talk))
    }
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
