//! `keys`: making and looking after private keys, and their entries in the trust store.

mod file;
mod rotate;

use std::path::{Path, PathBuf};

use actionpass_crypto::{PublicKey, Signer, SigningInput};
use actionpass_model::{Jwk, KeyEvent, KeyId, KeyStatus, KeyUse, Statement, TrustKey};
use actionpass_store::trust_file::change;
use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Value, json};

pub(crate) use self::file::KeyFile;
use self::file::private_files;
use super::trust::{Owner, Use, entry, find, owner_text, validity};
use crate::cli::Context;
use crate::clock;
use crate::code::CliCode;
use crate::failure::{Failure, Outcome};
use crate::home::key_source;
use crate::input;
use crate::issuer::IssuerHome;
use crate::output::{Ink, Reply, Table};
use crate::passphrase::PassphraseArgs;
use crate::shell::quote;
use pollster::block_on;

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key: in the home, believed by its trust store, or with --out anywhere
    New(NewArgs),
    /// List the keys of the trust store, and which of them are kept here
    List,
    /// Take a private key (PKCS#8 PEM) into the home
    Import(ImportArgs),
    /// Print public keys
    Export(ExportArgs),
    /// Put a new signing key in the place of the old one, whose passes stay valid until they expire
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
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Encrypt it with a passphrase
    #[arg(long)]
    encrypt: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// The private key, PKCS#8 PEM
    file: PathBuf,
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
    /// The keys, by kid or its start; this issuer's pass keys that are not revoked unless named
    #[arg(value_name = "KID")]
    kids: Vec<String>,
    /// Keys of this use in place of pass keys: whoever is handed them must know their use
    #[arg(long = "use", value_name = "USE")]
    key_use: Option<Use>,
}

#[derive(Args, Debug)]
pub(crate) struct RetireArgs {
    /// The key, by kid or its start
    kid: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<Statement>,
}

#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// Another key than the signing key: a file, `file:PATH` or `env:NAME`
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
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
        let key = KeyFile::generate(self.encrypt.then_some(&self.passphrase))?;
        match &self.out {
            Some(path) => {
                key.write(path)?;
                let public = public_json(key.public())?;
                let data = serde_json::to_string(&public).map_err(|error| Failure::internal(&error))? + "\n";
                let json = json!({ "kid": key.public().kid(), "jwk": public, "file": path.display().to_string(), "isTrusted": false });
                Ok(Reply::new(json).with_data(data).with_talk(self.advice(path)))
            }
            None => settle(context, &key, &self.purpose),
        }
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
        format!(
            "The private key is in {}, for you alone. stdout has the public key:\nwhoever runs the issuer adds it with\n  {}\n",
            quote(&path),
            ink.bold(&next)
        )
    }
}

impl ImportArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let source = key_source(&self.file.display().to_string(), None);
        let key = self.passphrase.load(&source)?;
        let key = KeyFile::of(&key, self.encrypt.then_some(&self.passphrase))?;
        settle(context, &key, &self.purpose)
    }
}

/// Puts a key into the home and its public half into the trust store.
fn settle(context: &Context, key: &KeyFile, purpose: &PurposeArgs) -> Outcome<Reply> {
    let issuer = IssuerHome::open(context)?;
    let now = clock::now()?;
    let entry = entry(key.public(), purpose.key_use.into(), &purpose.owner, &issuer.config)?;
    let path = key.place(&issuer.home, entry.key_use);
    // The file first: an entry without its key would be trusted and of no use.
    key.write(&path)?;
    let (kid, key_use) = (entry.kid.clone(), entry.key_use);
    let added = issuer.change_trust(now, |trust| change::add_key(trust, entry.clone()));
    let ((), written) = added.inspect_err(|_| discard(&path))?;
    let record = issuer.record_key(now, KeyEvent::Added, (&kid, key_use), (None, None), written.evidence())?;
    let json = json!({
        "kid": kid, "use": key_use, "jwk": public_json(key.public())?, "file": path.display().to_string(), "isTrusted": true,
        "trust": { "version": written.document.version }, "record": super::record_json(&record),
    });
    let talk = format!(
        "The private key is in {}. The trust store believes it for use `{}`, owner {}.\n",
        quote(&path.display().to_string()),
        key_use.as_str(),
        entry.owner().unwrap_or("none")
    );
    Ok(Reply::new(json).with_data(format!("{kid}\n")).with_talk(talk))
}

/// Removes a key file that came to nothing. Should that fail, a file lies there that nobody believes.
fn discard(path: &Path) {
    let _ = std::fs::remove_file(path);
}

fn list(context: &Context) -> Outcome<Reply> {
    let home = context.home()?;
    let config = home.config()?;
    let trust = home.trust()?;
    let files = private_files(&home);
    let signing = super::signing_kid(&home, &config);
    let mut table = Table::new(&["KID", "USE", "OWNER", "STATUS", "VALID", "PRIVATE KEY"]);
    let mut keys = Vec::new();
    for entry in trust.keyring().iter() {
        let key = entry.trust();
        let file = files
            .iter()
            .find(|(kid, _)| *kid == key.kid)
            .map(|(_, file)| file.as_str());
        let is_signing = signing.as_ref() == Some(&key.kid);
        let status = if entry.is_revoked() {
            KeyStatus::Revoked
        } else {
            key.status
        };
        let place = match (file, is_signing) {
            (Some(file), true) => format!("{file} (signs)"),
            (Some(file), false) => file.to_owned(),
            (None, true) => format!("{} (signs)", config.signing.key),
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
        let issuer = IssuerHome::open(context)?;
        let trust = issuer.home.trust()?;
        let kid = find(trust.keyring(), &self.kid)?;
        if super::signing_kid(&issuer.home, &issuer.config).as_ref() == Some(&kid) {
            return Err(Failure::new(
                CliCode::UsageInvalid,
                "this is the signing key, and without one nothing is issued",
            )
            .with_hint(format!(
                "`{} keys rotate` puts a new one in its place",
                context.program()
            )));
        }
        let now = clock::now()?;
        let (key_use, written) = issuer.change_trust(now, |trust| {
            change::retire_key(trust, &kid, now, None, self.reason.clone())?;
            Ok(trust.key(&kid).map(|key| key.key_use))
        })?;
        let key_use = key_use.unwrap_or(KeyUse::Pass);
        let record = issuer.record_key(
            now,
            KeyEvent::Retired,
            (&kid, key_use),
            (None, self.reason),
            written.evidence(),
        )?;
        let json = json!({
            "kid": kid, "retiredAt": now, "trust": { "version": written.document.version }, "record": super::record_json(&record)
        });
        let talk = format!("{kid} signs nothing any more. What it signed before {now} holds until it expires.\n");
        Ok(Reply::new(json).with_talk(talk))
    }
}

impl CheckArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let home = context.home()?;
        let config = home.config()?;
        let source = match &self.key {
            Some(key) => key_source(key, None),
            None => home.key_source(&config),
        };
        let signer = self.passphrase.load(&source)?;
        let kid = signer.public_key().kid().clone();
        let trust = home.trust()?;
        let entry = trust.keyring().get(&kid).ok_or_else(|| {
            Failure::new(
                actionpass_core::AuthorizeCode::SignerNotTrusted,
                format!("the trust store doesn't have key {kid}"),
            )
        })?;
        probe(&signer, entry.key())?;
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

/// Has a custodian sign something that can't be a document, and checks it with the key that others believe.
pub(crate) fn probe(signer: &dyn Signer, believed: &PublicKey) -> Outcome<()> {
    let input = SigningInput::probe(&clock::random()?, signer.public_key());
    let signature = block_on(signer.sign(&input))?;
    believed.verify(&input, &signature).map_err(|error| {
        Failure::from_error(actionpass_crypto::SignCode::SelfCheckFailed, &error)
            .about(&format!("custodian `{}`", signer.custodian()))
    })
}

/// A public key as JWK.
pub(crate) fn public_json(key: &PublicKey) -> Outcome<Value> {
    serde_json::to_value(key.to_jwk()).map_err(|error| Failure::internal(&error))
}

/// Reads a public key: a JWK, or SubjectPublicKeyInfo in PEM.
pub(crate) fn read_public(path: &Path) -> Outcome<PublicKey> {
    const MAX_BYTES: usize = 64 * 1024;
    let bytes = input::read(path, MAX_BYTES)?;
    let about = |failure: Failure| failure.about(&input::name(path));
    if bytes.trim_ascii_start().starts_with(b"-----BEGIN") {
        let pem = String::from_utf8_lossy(&bytes);
        return PublicKey::from_spki_pem(&pem).map_err(|error| about(error.into()));
    }
    let jwk = Jwk::from_json(&bytes).map_err(|error| about(error.into()))?;
    PublicKey::from_jwk(&jwk).map_err(|error| about(error.into()))
}
