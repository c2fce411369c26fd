//! `keys rotate`: a new key in the place of the one that signs passes, or heads of the ledger.

use actionpass_core::Rotation;
use actionpass_crypto::Algorithm;
use actionpass_custodians::SecretSource;
use actionpass_custody::{KeyUri, OpenKey};
use actionpass_home::{Config, HeadSigningError, Home, HomeError};
use actionpass_model::{KeyId, KeyUse, Statement};
use clap::{Args, ValueEnum};
use pollster::block_on;
use serde_json::json;

use crate::context::{Administered, Context};
use crate::failure::{Failure, Outcome};
use crate::output::Reply;
use crate::owner::{Alg, Owner, entry};
use crate::passphrase::PassphraseArgs;
use crate::private_key::{NewKey, place_text};
use crate::public_key::public_json;

/// Which key of the configuration is replaced.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Signs {
    /// Passes: `[signing] key`
    Pass,
    /// Heads of the ledger: `[ledger] key`
    Ledger,
}

impl Signs {
    const fn key_use(self) -> KeyUse {
        match self {
            Self::Pass => KeyUse::Pass,
            Self::Ledger => KeyUse::Ledger,
        }
    }

    /// Where the key of before is.
    fn named(self, config: &Config, program: &str) -> Outcome<KeyUri> {
        match self {
            Self::Pass => Ok(config.signing.key.clone()),
            Self::Ledger => config.ledger_key().cloned().ok_or_else(|| {
                let first =
                    format!("`{program} keys new --use ledger` makes the first one, which config.toml is to name");
                Failure::from(HeadSigningError::KeyMissing).with_hint(first)
            }),
        }
    }

    const fn passphrase(self, config: &Config) -> Option<&SecretSource> {
        match self {
            Self::Pass => config.signing.passphrase.as_ref(),
            Self::Ledger => config.ledger_passphrase(),
        }
    }

    /// The kid of that key, as far as it can be told without a secret.
    fn kid(self, home: &Home, config: &Config) -> Option<KeyId> {
        match self {
            Self::Pass => home.signing_kid(config),
            Self::Ledger => home.ledger_kid(config),
        }
    }

    fn name(self, home: &Home, key: &KeyUri) -> Result<(), HomeError> {
        match self {
            Self::Pass => home.set_signing_key(key),
            Self::Ledger => home.set_ledger_key(key),
        }
    }

    /// What becomes of what the old key signed.
    fn kept(self, old: &KeyId, program: &str) -> String {
        match self {
            Self::Pass => format!("Passes of {old} hold until they expire.\n"),
            Self::Ledger => format!(
                "Heads that {old} signed go on to hold, it is retired and not revoked. `{program} ledger checkpoint` signs the \
                 next one with the new key.\n"
            ),
        }
    }

    /// Who has to have the new trust store.
    const fn verifiers(self) -> &'static str {
        match self {
            Self::Pass => "your executors",
            Self::Ledger => "whoever verifies heads and archives",
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct RotateArgs {
    /// Which key is replaced: that of passes, or that of heads of the ledger
    #[arg(long = "use", value_name = "USE", default_value = "pass")]
    signs: Signs,
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
        let named = self.signs.named(&home.opened.config, &context.program())?;
        let old = self.old(&home, &named);
        let is_old_known = old.is_some();
        let new = self.new_key(&home, &named, old.as_ref())?;
        let public = new.signer.public_key();
        let kid = public.kid().clone();
        let rotation = Rotation {
            new: entry(public, self.signs.key_use(), &Owner::default(), &home.opened.config)?,
            old: old.clone(),
            reason: self.reason.clone(),
        };
        let name = || self.signs.name(&home.opened.home, &new.uri);
        let rotated = block_on(home.administrator.rotate(rotation, name)).inspect_err(|error| {
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
                talk.push_str(&self.signs.kept(old, &context.program()));
            }
        }
        if !is_old_known {
            talk.push_str(
                "The key of before could not be opened, so it was not retired: `keys list` shows it, `keys retire KID` does.\n",
            );
        }
        talk.push_str(&format!(
            "Hand the trust store on to {}: `{} trust export`.\n",
            self.signs.verifiers(),
            context.program()
        ));
        Ok(Reply::new(json).with_data(format!("{kid}\n")).with_talk(talk))
    }

    /// The key of before: where the name of its file doesn't tell, the key itself does, for whoever can open it.
    fn old(&self, home: &Administered, named: &KeyUri) -> Option<KeyId> {
        let (folder, config) = (&home.opened.home, &home.opened.config);
        self.signs.kid(folder, config).or_else(|| {
            let asked = self.passphrase.of_old(self.signs.passphrase(config));
            let opened = folder.custodians().open(named, &asked).ok()?;
            Some(opened.signer.public_key().kid().clone())
        })
    }

    /// Makes the new key, or opens the one that is there.
    fn new_key(&self, home: &Administered, named: &KeyUri, old: Option<&KeyId>) -> Outcome<OpenKey> {
        let folder = &home.opened.home;
        let passphrase = self.signs.passphrase(&home.opened.config);
        if let Some(uri) = &self.to {
            if uri.scheme() == "file" && self.signs == Signs::Pass {
                super::refuse_openssh(&folder.path(uri.rest()))?;
            }
            let asked = self.passphrase.of_old(passphrase);
            return asked.settle(folder.custodians().open(uri, &asked));
        }
        let place = match &self.key {
            Some(uri) => uri.clone(),
            None => folder.custodians().beside(named)?,
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
            place: passphrase,
        };
        new.generate(Some(folder.root()), &place)
    }
}
