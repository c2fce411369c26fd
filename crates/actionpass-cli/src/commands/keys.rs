//! `keys`: making and looking after private keys, and their entries in the trust store.

mod rotate;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use actionpass_crypto::{Algorithm, Pkcs8, PublicKey, Signer, SigningInput};
use actionpass_custody::{KeySource, KeyUri, OpenKey, PrivatePem};
use actionpass_model::{Jwk, KeyEvent, KeyId, KeyStatus, KeyUse, Statement, TrustKey};
use actionpass_store::trust_file::change;
use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::trust::{Owner, Use, check_owner, entry, find, owner_text, validity};
use crate::cli::Context;
use crate::clock;
use crate::code::CliCode;
use crate::custody::{self, NewKey, private_files, signing_kid};
use crate::failure::{Failure, Outcome};
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
    /// Take a private key (PKCS#8 PEM) into the home, or believe one that a custodian has
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

/// The algorithm of a new key.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum Alg {
    #[default]
    #[value(name = "ES256")]
    Es256,
    #[value(name = "ES384")]
    Es384,
    #[value(name = "Ed25519")]
    Ed25519,
    #[cfg(feature = "ml-dsa")]
    #[value(name = "ML-DSA-65")]
    MlDsa65,
}

impl From<Alg> for Algorithm {
    fn from(alg: Alg) -> Self {
        match alg {
            Alg::Es256 => Self::Es256,
            Alg::Es384 => Self::Es384,
            Alg::Ed25519 => Self::Ed25519,
            #[cfg(feature = "ml-dsa")]
            Alg::MlDsa65 => Self::MlDsa65,
        }
    }
}

impl std::fmt::Display for Alg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(Algorithm::from(*self).as_str())
    }
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
    /// The private key: a PKCS#8 PEM file, which is copied, or the URI of a key that stays with its custodian
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
        let new = NewKey {
            algorithm: self.algorithm.into(),
            is_encrypted: self.encrypt,
            passphrase: &self.passphrase,
            place: None,
        };
        if let Some(path) = &self.out {
            let key = custody::generate(None, &KeyUri::new("file", &path.display().to_string()), new)?;
            let public = key.signer.public_key();
            let jwk = public_json(public)?;
            let data = serde_json::to_string(&jwk).map_err(|error| Failure::internal(&error))? + "\n";
            let json =
                json!({ "kid": public.kid(), "jwk": jwk, "file": path.display().to_string(), "isTrusted": false });
            return Ok(Reply::new(json).with_data(data).with_talk(self.advice(path)));
        }
        let issuer = IssuerHome::open(context)?;
        let key_use = KeyUse::from(self.purpose.key_use);
        let place = self.key.clone().unwrap_or_else(|| custody::home_place(key_use));
        // Before a key is made that could not be entered.
        self.purpose.check()?;
        let key = custody::generate(Some(issuer.home.root()), &place, new)?;
        settle(&issuer, &key, &self.purpose, Origin::Made)
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

impl PurposeArgs {
    /// Refuses what contradicts itself.
    fn check(&self) -> Outcome<()> {
        check_owner(self.key_use.into(), &self.owner)
    }
}

impl ImportArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let issuer = IssuerHome::open(context)?;
        self.purpose.check()?;
        let named = custody::named(&self.key);
        if named.scheme() != "file" {
            let key = custody::open_named(&named, &self.passphrase)?;
            return settle(&issuer, &key, &self.purpose, Origin::Found);
        }
        let key = self.copy(&issuer, named.rest())?;
        settle(&issuer, &key, &self.purpose, Origin::Made)
    }

    /// Copies the key's file into the home.
    fn copy(&self, issuer: &IssuerHome, path: &str) -> Outcome<OpenKey> {
        let source = KeySource::File(PathBuf::from(path));
        let asked = self.passphrase.of_old(None);
        let key = match source.load(None) {
            Err(error) if error.code() == actionpass_crypto::KeyCode::PassphraseRequired.as_str() => {
                match asked.settle(asked.passphrase(&format!("passphrase of {source}: ")))? {
                    Some(passphrase) => source.load(Some(&passphrase)),
                    None => Err(error),
                }
            }
            loaded => loaded,
        };
        let key = asked.settle(key)?;
        let private = key.to_pkcs8()?;
        let pem = if self.encrypt {
            self.encrypted(&private)?
        } else {
            PrivatePem::encode(&private)?
        };
        let kid = key.public_key().kid();
        let place = custody::home_place(self.purpose.key_use.into());
        let uri = KeyUri::new("file", &place.rest().replacen('*', kid.as_str(), 1));
        pem.write_new(&issuer.home.path(uri.rest()))?;
        Ok(OpenKey {
            uri,
            signer: Arc::new(key),
        })
    }

    fn encrypted(&self, private: &Pkcs8) -> Outcome<PrivatePem> {
        let asked = self.passphrase.of_new(None);
        let passphrase = asked
            .passphrase("New passphrase: ")
            .and_then(|given| given.ok_or_else(|| actionpass_crypto::KeyError::PassphraseRequired.into()));
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
fn settle(issuer: &IssuerHome, key: &OpenKey, purpose: &PurposeArgs, origin: Origin) -> Outcome<Reply> {
    let now = clock::now()?;
    let public = key.signer.public_key();
    let entry = entry(public, purpose.key_use.into(), &purpose.owner, &issuer.config)?;
    let (kid, key_use) = (entry.kid.clone(), entry.key_use);
    // The key was there first: an entry without its key would be trusted and of no use.
    let changed = issuer.change_trust(now, |trust| change::add_key(trust, entry.clone()));
    let ((), written) = changed.inspect_err(|_| {
        if origin == Origin::Made {
            custody::discard(&issuer.home, key);
        }
    })?;
    let record = issuer.record_key(now, KeyEvent::Added, (&kid, key_use), (None, None), written.evidence())?;
    let mut json = json!({
        "kid": kid, "use": key_use, "jwk": public_json(public)?, "key": key.uri.as_str(), "isTrusted": true,
        "trust": { "version": written.document.version }, "record": super::record_json(&record),
    });
    if let (Some(file), Some(members)) = (file(issuer, &key.uri), json.as_object_mut()) {
        members.insert("file".to_owned(), file.into());
    }
    let talk = format!(
        "The private key is {}. The trust store believes it for use `{}`, owner {}.\n",
        place_text(issuer, &key.uri),
        key_use.as_str(),
        entry.owner().unwrap_or("none")
    );
    Ok(Reply::new(json).with_data(format!("{kid}\n")).with_talk(talk))
}

/// The path of a key that is a file of the home.
fn file(issuer: &IssuerHome, uri: &KeyUri) -> Option<String> {
    (uri.scheme() == "file").then(|| issuer.home.path(uri.rest()).display().to_string())
}

/// Where a private key is, for people.
fn place_text(issuer: &IssuerHome, uri: &KeyUri) -> String {
    file(issuer, uri).map_or_else(
        || format!("`{uri}`, with its custodian"),
        |path| format!("in {}", quote(&path)),
    )
}

fn list(context: &Context) -> Outcome<Reply> {
    let home = context.home()?;
    let config = home.config()?;
    let trust = home.trust()?;
    let files = private_files(&home);
    let signing = signing_kid(&home, &config);
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
        if signing_kid(&issuer.home, &issuer.config).as_ref() == Some(&kid) {
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
        let opened = match &self.key {
            Some(key) => custody::open_named(key, &self.passphrase)?,
            None => custody::open_signing(&home, &config, &self.passphrase)?,
        };
        let signer = &*opened.signer;
        let kid = signer.public_key().kid().clone();
        let trust = home.trust()?;
        let entry = trust.keyring().get(&kid).ok_or_else(|| {
            Failure::new(
                actionpass_core::AuthorizeCode::SignerNotTrusted,
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

/// Reads a public key: a JWK, SubjectPublicKeyInfo in PEM, or out of a JWK Set the one with this thumbprint. A key that
/// is pinned and has another thumbprint is refused: whoever swapped the file would be believed.
pub(crate) fn read_public(path: &Path, pin: Option<&KeyId>) -> Outcome<PublicKey> {
    let key = read_any(path, pin)?;
    match pin {
        Some(pin) if key.kid() != pin => Err(Failure::new(
            actionpass_crypto::KeyCode::IdMismatch,
            format!("the key has the thumbprint {}, not the one of --pin", key.kid()),
        )
        .about(&input::name(path))),
        _ => Ok(key),
    }
}

fn read_any(path: &Path, pin: Option<&KeyId>) -> Outcome<PublicKey> {
    const MAX_BYTES: usize = 64 * 1024;
    let bytes = input::read(path, MAX_BYTES)?;
    let about = |failure: Failure| failure.about(&input::name(path));
    if bytes.trim_ascii_start().starts_with(b"-----BEGIN") {
        let pem = String::from_utf8_lossy(&bytes);
        return PublicKey::from_spki_pem(&pem).map_err(|error| about(error.into()));
    }
    if let Some(keys) = members_of_set(&bytes) {
        return out_of_set(&keys, pin).map_err(about);
    }
    let jwk = Jwk::from_json(&bytes).map_err(|error| about(error.into()))?;
    PublicKey::from_jwk(&jwk).map_err(|error| about(error.into()))
}

/// The keys of a JWK Set (RFC 7517 §5); `None` if it isn't one.
fn members_of_set(bytes: &[u8]) -> Option<Vec<Value>> {
    match serde_json::from_slice::<Value>(bytes).ok()?.get_mut("keys")?.take() {
        Value::Array(keys) => Some(keys),
        _ => None,
    }
}

/// The key of a foreign set that has this thumbprint. Whoever wrote the set chose its `kid`s, so those are not looked at,
/// and keys of other kinds are passed over (RFC 7517 §5).
fn out_of_set(keys: &[Value], pin: Option<&KeyId>) -> Outcome<PublicKey> {
    let pin = pin.ok_or_else(|| {
        Failure::new(
            CliCode::OptionMissing,
            "a JWK Set is read for the keys that --pin names",
        )
        .with_hint("--pin is the thumbprint (RFC 7638), told by the keys' owner over another way than the set")
    })?;
    let key = keys.iter().find_map(|key| {
        let mut key = key.clone();
        key.as_object_mut()?.remove("kid");
        let key = PublicKey::from_jwk(&Jwk::from_json(key.to_string().as_bytes()).ok()?).ok()?;
        (key.kid() == pin).then_some(key)
    });
    key.ok_or_else(|| {
        Failure::new(
            actionpass_store::trust_file::ChangeCode::KeyMissing,
            format!(
                "none of the set's {} keys that can be read has the thumbprint {pin}",
                keys.len()
            ),
        )
    })
}
