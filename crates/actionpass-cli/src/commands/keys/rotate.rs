//! `keys rotate`: a new signing key in the place of the old one.

use actionpass_core::Rotation;
use actionpass_crypto::Algorithm;
use actionpass_custody::{KeyUri, OpenKey};
use actionpass_model::{KeyId, KeyUse, Statement};
use clap::Args;
use pollster::block_on;
use serde_json::json;

use crate::context::{Administered, Context};
use crate::failure::Outcome;
use crate::output::Reply;
use crate::owner::{Alg, Owner, entry};
use crate::passphrase::PassphraseArgs;
use crate::private_key::{NewKey, place_text};
use crate::public_key::public_json;

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
    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        // The lock is for homes only: nothing is written anywhere else.
        let home = context.home()?;
        home.config()?;
        // From here on another rotation waits, and then reads what this one wrote.
        let _lock = home.lock_config()?;
        let home = context.administer()?;
        let old = self.old(&home);
        let is_old_known = old.is_some();
        let new = self.new_key(&home, old.as_ref())?;
        let public = new.signer.public_key();
        let kid = public.kid().clone();
        let rotation = Rotation {
            new: entry(public, KeyUse::Pass, &Owner::default(), &home.opened.config)?,
            old: old.clone(),
            reason: self.reason.clone(),
        };
        let named = || home.opened.home.set_signing_key(&new.uri);
        let rotated = block_on(home.administrator.rotate(rotation, named)).inspect_err(|error| {
            // Only what was made here is discarded: a key that `--to` names was there before, and is somebody's.
            if self.to.is_none() && error.is_untouched() {
                home.opened.home.discard_key(&new);
            }
        })?;
        let changed = rotated.retired.as_ref().or(rotated.added.as_ref());
        let version = match changed {
            Some(changed) => changed.trust.version,
            None => block_on(home.opened.trust.read())?.document.version,
        };

        let mut json = json!({
            "kid": kid, "jwk": public_json(public)?, "key": new.uri.as_str(),
            "trust": { "version": version }, "record": changed.map(|changed| &changed.record),
        });
        let mut talk = format!(
            "The new key is {}, and config.toml names it.\n",
            place_text(&home.opened.home, &new.uri)
        );
        if let Some(members) = json.as_object_mut() {
            if let Some(file) = home.opened.home.key_file(&new.uri) {
                members.insert("file".to_owned(), file.display().to_string().into());
            }
            if let (Some(old), Some(_)) = (&old, &rotated.retired) {
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

    /// The key of before: where the name of its file doesn't tell, the key itself does, for whoever can open it.
    fn old(&self, home: &Administered) -> Option<KeyId> {
        let config = &home.opened.config;
        home.opened.home.signing_kid(config).or_else(|| {
            let asked = self.passphrase.of_old(config.signing.passphrase.as_ref());
            let opened = home.opened.home.open_signing_key(config, &asked).ok()?;
            Some(opened.signer.public_key().kid().clone())
        })
    }

    /// Makes the new key, or opens the one that is there.
    fn new_key(&self, home: &Administered, old: Option<&KeyId>) -> Outcome<OpenKey> {
        let (folder, signing) = (&home.opened.home, &home.opened.config.signing);
        if let Some(uri) = &self.to {
            if uri.scheme() == "file" {
                super::refuse_openssh(&folder.path(uri.rest()))?;
            }
            let asked = self.passphrase.of_old(signing.passphrase.as_ref());
            return asked.settle(folder.custodians().open(uri, &asked));
        }
        let place = match &self.key {
            Some(uri) => uri.clone(),
            None => folder.custodians().beside(&signing.key)?,
        };
        let algorithm = match self.algorithm {
            Some(algorithm) => algorithm.into(),
            None => {
                let trust = home.trust()?;
                let entry = old.and_then(|old| trust.keyring().get(old));
                entry.map_or(Algorithm::Es256, |entry| entry.algorithm())
            }
        };
        let new = NewKey {
            algorithm,
            is_encrypted: self.encrypt,
            passphrase: &self.passphrase,
            place: signing.passphrase.as_ref(),
        };
        new.generate(Some(folder.root()), &place)
    }
}
