//! `keys`: making and looking after private keys, and their entries in the trust store.

mod rotate;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use actionpass_core::AuthorizeCode;
use actionpass_crypto::{KeyCode, KeyError, Pkcs8, PublicKey, Signer};
use actionpass_custody::{KeySource, KeyUri, OpenKey, PrivatePem};
use actionpass_home::Home;
use actionpass_home::home::key_place;
use actionpass_model::{KeyId, KeyStatus, KeyUse, Statement, TrustKey};
use clap::{ArgGroup, Args, Subcommand};
use pollster::block_on;
use serde_json::json;
use zeroize::Zeroizing;

use crate::clock;
use crate::code::CliCode;
use crate::context::{Administered, Context};
use crate::failure::{Failure, Outcome};
use crate::output::{Ink, Reply, Table};
use crate::owner::{Alg, Owner, Use, check_owner, entry};
use crate::passphrase::PassphraseArgs;
use crate::private_key::{self, NewKey, place_text};
use crate::public_key::{find, openssh_signs_no_passes, owner_text, probe, public_json, validity};
use crate::shell::quote;

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key: in the home, believed by its trust store, or with --out anywhere
    New(NewArgs),
    /// List the keys of the trust store, and which of them are kept here
    List,
    /// Take a private key (PKCS#8 or OpenSSH PEM) into the home, or believe one that a custodian has
    Import(ImportArgs),
    /// Print public keys
    Export(ExportArgs),
    /// Put a new key in the place of the one that signs passes, or heads of the ledger; what that one signed goes on to hold
    Rotate(rotate::RotateArgs),
    /// Say that a key signs nothing any more; what it signed before holds until it expires
    Retire(RetireArgs),
    /// Have the custodian sign something, and check it with the trust store's key
    Check(CheckArgs),
}

/// What a key is for and whose it is.
#[derive(Args, Clone, Debug)]
pub(crate) struct PurposeArgs {
    /// What it signs
    #[arg(long = "use", value_name = "USE", default_value = "pass")]
    key_use: Use,
    #[command(flatten)]
    owner: Owner,
}

#[derive(Args, Debug)]
pub(crate) struct NewArgs {
    #[command(flatten)]
    purpose: PurposeArgs,
    /// Write the private key here instead: then no home is needed, and nothing but the file is made
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    out: Option<PathBuf>,
    /// Have a custodian make it here, such as `vault:transit/pass` or `pkcs11:token=prod;object=pass`
    #[arg(long, value_name = "URI", value_parser = KeyUri::parse)]
    key: Option<KeyUri>,
    /// Its algorithm
    #[arg(long = "alg", value_name = "ALG", default_value_t = Alg::default())]
    algorithm: Alg,
    /// Encrypt its file with a passphrase
    #[arg(long, conflicts_with = "key")]
    encrypt: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// The private key: a PEM file (PKCS#8, or what ssh-keygen writes), which is copied, or the URI of a key that stays with its custodian
    #[arg(value_name = "KEY", value_parser = KeyUri::parse)]
    key: KeyUri,
    #[command(flatten)]
    purpose: PurposeArgs,
    /// Encrypt the copy with the passphrase
    #[arg(long)]
    encrypt: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("form").required(true))]
pub(crate) struct ExportArgs {
    /// As a JWK Set (RFC 7517)
    #[arg(long, group = "form")]
    jwks: bool,
    /// As SubjectPublicKeyInfo in PEM
    #[arg(long, group = "form")]
    pem: bool,
    /// A key, by kid or its start; may be repeated [default: this issuer's pass keys that are not revoked]
    #[arg(long = "kid", value_name = "KID", allow_hyphen_values = true)]
    kids: Vec<String>,
    /// Keys of this use in place of pass keys: whoever is handed them must know their use
    #[arg(long = "use", value_name = "USE")]
    key_use: Option<Use>,
}

#[derive(Args, Debug)]
pub(crate) struct RetireArgs {
    /// The key, by kid or its start
    #[arg(allow_hyphen_values = true)]
    kid: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<Statement>,
}

#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// Another key than the signing key: a file or a URI
    #[arg(long, value_name = "KEY", value_parser = KeyUri::parse)]
    key: Option<KeyUri>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl KeysCommand {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::New(_) => "keys-new",
            Self::List => "keys-list",
            Self::Import(_) => "keys-import",
            Self::Export(_) => "keys-export",
            Self::Rotate(_) => "keys-rotate",
            Self::Retire(_) => "keys-retire",
            Self::Check(_) => "keys-check",
        }
    }

    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        match self {
            Self::New(args) => args.run(context),
            Self::List => list(context),
            Self::Import(args) => args.run(context),
            Self::Export(args) => args.run(context),
            Self::Rotate(args) => args.run(context),
            Self::Retire(args) => args.run(context),
            Self::Check(args) => args.run(context),
        }
    }
}

impl NewArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        // Before a key is made that could not be entered.
        self.purpose.check()?;
        let new = NewKey {
            algorithm: self.algorithm.into(),
            is_encrypted: self.encrypt,
            passphrase: &self.passphrase,
            place: None,
        };
        if let Some(path) = &self.out {
            let key = new.generate(None, &KeyUri::new("file", &path.display().to_string()))?;
            let public = key.signer.public_key();
            let jwk = public_json(public)?;
            let data = serde_json::to_string(&jwk).map_err(|error| Failure::internal(&error))? + "\n";
            let json =
                json!({ "kid": public.kid(), "jwk": jwk, "file": path.display().to_string(), "isTrusted": false });
            return Ok(Reply::new(json).with_data(data).with_talk(self.advice(path)));
        }
        let home = context.administer()?;
        let key_use = KeyUse::from(self.purpose.key_use);
        let place = self.key.clone().unwrap_or_else(|| key_place(key_use));
        let key = new.generate(Some(home.opened.home.root()), &place)?;
        settle(&home, &key, &self.purpose, Origin::Made)
    }

    /// What to do with the public key that was printed.
    fn advice(&self, path: &Path) -> String {
        let ink = Ink::stderr();
        let path = path.display().to_string();
        let mut next = format!("actionpass trust add JWK-FILE --use {}", self.purpose.key_use);
        if let Some(principal) = &self.purpose.owner.principal {
            next.push_str(&format!(" --principal {}", quote(principal.as_str())));
        }
        for role in &self.purpose.owner.roles {
            next.push_str(&format!(" --role {role}"));
        }
        if self.purpose.owner.roles.is_empty() && self.purpose.key_use == Use::Approval {
            next.push_str(" [--role ROLE]");
        }
        format!(
            "The private key is in {}, for you alone. stdout has the public key:\nwhoever runs the issuer adds it with\n  {}\n",
            quote(&path),
            ink.bold(&next)
        )
    }
}

impl PurposeArgs {
    /// Refuses what contradicts itself.
    fn check(&self) -> Outcome<()> {
        check_owner(self.key_use.into(), &self.owner)
    }
}

/// Refuses the file of a key of SSH as that of one for passes.
fn refuse_openssh(path: &Path) -> Outcome<()> {
    let is_openssh = std::fs::read_to_string(path).is_ok_and(|pem| PrivatePem::is_openssh(&Zeroizing::new(pem)));
    match is_openssh {
        true => Err(openssh_signs_no_passes("an `OPENSSH PRIVATE KEY`")),
        false => Ok(()),
    }
}

impl ImportArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let home = context.administer()?;
        self.purpose.check()?;
        let named = private_key::named(&self.key);
        if named.scheme() != "file" {
            let key = private_key::open(&named, &self.passphrase)?;
            return settle(&home, &key, &self.purpose, Origin::Found);
        }
        let key = self.copy(&home.opened.home, named.rest())?;
        settle(&home, &key, &self.purpose, Origin::Made)
    }

    /// Copies the key's file into the home.
    fn copy(&self, home: &Home, path: &str) -> Outcome<OpenKey> {
        let source = KeySource::File(PathBuf::from(path));
        let asked = self.passphrase.of_old(None);
        let key = match source.load(None) {
            Err(error) if error.code() == KeyCode::PassphraseRequired.as_str() => {
                match asked.settle(asked.passphrase(&format!("passphrase of {source}: ")))? {
                    Some(passphrase) => source.load(Some(&passphrase)),
                    None => Err(error),
                }
            }
            loaded => loaded,
        };
        let key = asked.settle(key)?;
        if self.purpose.key_use == Use::Pass {
            refuse_openssh(Path::new(path))?;
        }
        let private = key.to_pkcs8()?;
        let pem = if self.encrypt {
            self.encrypted(&private)?
        } else {
            PrivatePem::encode(&private)?
        };
        let kid = key.public_key().kid();
        let place = key_place(self.purpose.key_use.into());
        let uri = KeyUri::new("file", &place.rest().replacen('*', kid.as_str(), 1));
        pem.write_new(&home.path(uri.rest()))?;
        Ok(OpenKey {
            uri,
            signer: Arc::new(key),
        })
    }

    fn encrypted(&self, private: &Pkcs8) -> Outcome<PrivatePem> {
        let asked = self.passphrase.of_new(None);
        let passphrase = asked
            .passphrase("New passphrase: ")
            .and_then(|given| given.ok_or_else(|| KeyError::PassphraseRequired.into()));
        let passphrase = asked.settle(passphrase)?;
        Ok(PrivatePem::encrypt(private, &passphrase, &clock::random()?)?)
    }
}

/// Where a key comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Origin {
    /// Made by this command: its file goes again if nobody comes to believe it.
    Made,
    /// There before, and somebody's.
    Found,
}

/// Puts the public half of a key that is there into the trust store.
fn settle(home: &Administered, key: &OpenKey, purpose: &PurposeArgs, origin: Origin) -> Outcome<Reply> {
    let public = key.signer.public_key();
    let entry = entry(public, purpose.key_use.into(), &purpose.owner, &home.opened.config)?;
    // The key was there first: an entry without its key would be trusted and of no use.
    let added = block_on(home.administrator.add_key(entry.clone())).inspect_err(|error| {
        if origin == Origin::Made && error.is_untouched() {
            home.opened.home.discard_key(key);
        }
    })?;
    let mut json = json!({
        "kid": entry.kid, "use": entry.key_use, "jwk": public_json(public)?, "key": key.uri.as_str(), "isTrusted": true,
        "trust": { "version": added.trust.version }, "record": added.record,
    });
    if let (Some(file), Some(members)) = (home.opened.home.key_file(&key.uri), json.as_object_mut()) {
        members.insert("file".to_owned(), file.display().to_string().into());
    }
    let talk = format!(
        "The private key is {}. The trust store believes it for use `{}`, owner {}.\n",
        place_text(&home.opened.home, &key.uri),
        entry.key_use.as_str(),
        entry.owner().unwrap_or("none")
    );
    let next = match (entry.key_use, home.opened.config.ledger_key()) {
        (KeyUse::Ledger, None) => format!(
            "With this line in `[ledger]` of config.toml it signs heads of the ledger:\n  key = \"{}\"\n",
            key.uri
        ),
        (KeyUse::Ledger, Some(named)) if *named != key.uri => format!(
            "`[ledger]` of config.toml names {named}, which signs heads until this line takes its place:\n  key = \"{}\"\n\
             `keys rotate --use ledger --to {}` writes that line and retires the key of before.\n",
            key.uri,
            quote(key.uri.as_str())
        ),
        _ => String::new(),
    };
    Ok(Reply::new(json)
        .with_data(format!("{}\n", entry.kid))
        .with_talk(talk + &next))
}

fn list(context: &Context) -> Outcome<Reply> {
    let home = context.home()?;
    let config = home.config()?;
    let trust = home.trust()?;
    let files = home.private_keys();
    let signing = home.signing_kid(&config);
    let signs_heads = home.ledger_kid(&config);
    let mut table = Table::new(&["KID", "USE", "OWNER", "STATUS", "VALID", "PRIVATE KEY"]);
    let mut keys = Vec::new();
    for entry in trust.keyring().iter() {
        let key = entry.trust();
        let file = files
            .iter()
            .find(|(kid, _)| *kid == key.kid)
            .map(|(_, file)| file.as_str());
        let signs_heads = signs_heads.as_ref() == Some(&key.kid);
        let is_signing = signs_heads || signing.as_ref() == Some(&key.kid);
        let status = if entry.is_revoked() {
            KeyStatus::Revoked
        } else {
            key.status
        };
        let place = match (file, is_signing) {
            (Some(file), true) => format!("{file} (signs)"),
            (Some(file), false) => file.to_owned(),
            (None, true) => {
                let uri = config.ledger_key().filter(|_| signs_heads);
                format!("{} (signs)", uri.unwrap_or(&config.signing.key))
            }
            (None, false) => "-".to_owned(),
        };
        table.row([
            key.kid.to_string(),
            key.key_use.as_str().to_owned(),
            owner_text(key),
            status.as_str().to_owned(),
            validity(key),
            place,
        ]);
        let mut json = serde_json::to_value(key).map_err(|error| Failure::internal(&error))?;
        if let Some(members) = json.as_object_mut() {
            members.insert("status".to_owned(), status.as_str().into());
            members.insert("signs".to_owned(), is_signing.into());
            if let Some(file) = file {
                members.insert("file".to_owned(), file.into());
            }
        }
        keys.push(json);
    }
    Ok(Reply::new(json!({ "keys": keys })).with_data(table.render(Ink::stdout())))
}

impl ExportArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let home = context.home()?;
        let trust = home.trust()?;
        let issuer = home.config()?.issuer;
        let named: Vec<KeyId> = self
            .kids
            .iter()
            .map(|kid| find(trust.keyring(), kid))
            .collect::<Outcome<_>>()?;
        // A JWK says nothing of our uses: whoever is handed a set takes every key in it for one that signs passes. So
        // an approver's key is in it only if somebody asks for it.
        let wanted = |key: &TrustKey| match self.key_use {
            Some(wanted) => (named.is_empty() || named.contains(&key.kid)) && KeyUse::from(wanted) == key.key_use,
            None if named.is_empty() => key.key_use == KeyUse::Pass && key.issuer.as_ref() == Some(&issuer),
            None => named.contains(&key.kid),
        };
        let keys: Vec<&PublicKey> = trust
            .keyring()
            .iter()
            .filter(|entry| wanted(entry.trust()) && (!entry.is_revoked() || !named.is_empty()))
            .map(|entry| entry.key())
            .collect();
        if self.pem {
            let pem: String = keys.iter().map(|key| key.to_spki_pem()).collect();
            return Ok(Reply::new(json!({ "pem": pem })).with_data(pem));
        }
        let keys = keys.into_iter().map(public_json).collect::<Outcome<Vec<_>>>()?;
        let set = json!({ "keys": keys });
        let data = serde_json::to_string_pretty(&set).map_err(|error| Failure::internal(&error))? + "\n";
        Ok(Reply::new(json!({ "jwks": set })).with_data(data))
    }
}

impl RetireArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let home = context.administer()?;
        let kid = find(home.trust()?.keyring(), &self.kid)?;
        if home.opened.home.signing_kid(&home.opened.config).as_ref() == Some(&kid) {
            return Err(Failure::new(
                CliCode::UsageInvalid,
                "this is the signing key, and without one nothing is issued",
            )
            .with_hint(format!(
                "`{} keys rotate` puts a new one in its place",
                context.program()
            )));
        }
        let retired = block_on(home.administrator.retire_key(&kid, self.reason))?;
        let now = retired.at;
        let json = json!({
            "kid": kid, "retiredAt": now, "trust": { "version": retired.trust.version }, "record": retired.record
        });
        let talk = format!("{kid} signs nothing any more. What it signed before {now} holds until it expires.\n");
        Ok(Reply::new(json).with_talk(talk))
    }
}

impl CheckArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let home = context.home()?;
        let config = home.config()?;
        let opened = match &self.key {
            Some(key) => private_key::open(key, &self.passphrase)?,
            None => {
                let asked = self.passphrase.of_old(config.signing.passphrase.as_ref());
                asked.settle(home.open_signing_key(&config, &asked))?
            }
        };
        let signer = &*opened.signer;
        let kid = signer.public_key().kid().clone();
        let trust = home.trust()?;
        let entry = trust.keyring().get(&kid).ok_or_else(|| {
            Failure::new(
                AuthorizeCode::SignerNotTrusted,
                format!("the trust store doesn't have key {kid}"),
            )
        })?;
        probe(signer, entry.key())?;
        let status = if entry.is_revoked() {
            KeyStatus::Revoked
        } else {
            entry.trust().status
        };
        let json = json!({
            "kid": kid, "custodian": signer.custodian(), "use": entry.trust().key_use, "status": status, "signatureHolds": true
        });
        let ink = Ink::stdout();
        let data = format!(
            "{} custodian `{}` signs with {kid}\n  use {}, {}, owner {}\n  the signature verifies with the trust store's key\n",
            ink.good("ok"),
            signer.custodian(),
            entry.trust().key_use.as_str(),
            status.as_str(),
            owner_text(entry.trust())
        );
        Ok(Reply::new(json).with_data(data))
    }
}
