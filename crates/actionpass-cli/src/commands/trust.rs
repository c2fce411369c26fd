//! `trust`: whose keys are believed, and what is revoked.

use std::fmt;
use std::path::PathBuf;

use actionpass_crypto::{Keyring, PublicKey};
use actionpass_model::{
    Approver, Issuer, KeyEvent, KeyId, KeyStatus, KeyUse, Origin, RevocationTarget, Role, Tenant, Tenants, Timestamp,
    TrustKey,
};
use actionpass_store::trust_file::{TrustFile, change};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::keys::{public_json, read_public};
use super::record_json;
use crate::cli::Context;
use crate::clock;
use crate::code::CliCode;
use crate::config::Config;
use crate::failure::{Failure, Outcome};
use crate::home::{self, read_named_trust};
use crate::issuer::IssuerHome;
use crate::output::{Ink, Reply, Table};
use crate::render::visible;

#[derive(Debug, Subcommand)]
pub(crate) enum TrustCommand {
    /// Show keys and revocations
    Show,
    /// Believe a public key: an approver's, another issuer's, a log's
    Add(AddArgs),
    /// Take a key out; to make it invalid at once, revoke it
    Remove(RemoveArgs),
    /// Check a trust store: the home's, or any file
    Check(CheckArgs),
    /// Print the trust store as an executor is handed it: public keys and revocations
    Export,
}

/// What a key signs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Use {
    /// Passes of an issuer
    Pass,
    /// Revocation lists of an issuer
    Revocation,
    /// Approvals of a principal
    Approval,
    /// Checkpoints of a log
    Ledger,
    /// Trust stores
    Root,
}

impl From<Use> for KeyUse {
    fn from(key_use: Use) -> Self {
        match key_use {
            Use::Pass => Self::Pass,
            Use::Revocation => Self::Revocation,
            Use::Approval => Self::Approval,
            Use::Ledger => Self::Ledger,
            Use::Root => Self::Root,
        }
    }
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(KeyUse::from(*self).as_str())
    }
}

/// Whose key it is.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Owner {
    /// The approver whose approvals it signs: `user:…` or `service:…`
    #[arg(long, value_name = "PRINCIPAL")]
    pub(crate) principal: Option<Approver>,
    /// A role of that approver; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    pub(crate) roles: Vec<Role>,
    /// A tenant that it speaks for, `*` for every one; may be repeated [default: the tenants of the configuration]
    #[arg(long = "tenant", value_name = "TENANT", value_parser = tenant)]
    tenants: Vec<TenantOrAny>,
    /// The issuer whose passes or revocation lists it signs [default: the home's]
    #[arg(long, value_name = "ISSUER")]
    issuer: Option<Issuer>,
    /// The log whose checkpoints it signs [default: the home's]
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<Origin>,
}

/// A tenant, or every one.
#[derive(Clone, Debug)]
pub(crate) enum TenantOrAny {
    Any,
    One(Tenant),
}

fn tenant(text: &str) -> Result<TenantOrAny, String> {
    match text {
        "*" => Ok(TenantOrAny::Any),
        text => Tenant::parse(text)
            .map(TenantOrAny::One)
            .map_err(|error| error.to_string()),
    }
}

#[derive(Args, Debug)]
pub(crate) struct AddArgs {
    /// The public key, a JWK or a PEM file, or a JWK Set with --pin; `-` is stdin
    #[arg(value_name = "JWK")]
    file: PathBuf,
    /// The thumbprint that the key has: which key of a set, and that no other one is taken for it
    #[arg(long, value_name = "KID", allow_hyphen_values = true)]
    pin: Option<KeyId>,
    /// What it may sign
    #[arg(long = "use", value_name = "USE")]
    key_use: Use,
    #[command(flatten)]
    owner: Owner,
    /// From when on it signs
    #[arg(long, value_name = "TIME", value_parser = clock::parse_timestamp)]
    not_before: Option<Timestamp>,
    /// Until when it signs
    #[arg(long, value_name = "TIME", value_parser = clock::parse_timestamp)]
    not_after: Option<Timestamp>,
}

#[derive(Args, Debug)]
pub(crate) struct RemoveArgs {
    /// The key, by kid or its start
    #[arg(allow_hyphen_values = true)]
    kid: String,
}

#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// Another trust store than the home's; `-` is stdin
    file: Option<PathBuf>,
}

impl TrustCommand {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Show => "trust-show",
            Self::Add(_) => "trust-add",
            Self::Remove(_) => "trust-remove",
            Self::Check(_) => "trust-check",
            Self::Export => "trust-export",
        }
    }

    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        match self {
            Self::Show => show(context),
            Self::Add(args) => args.run(context),
            Self::Remove(args) => args.run(context),
            Self::Check(args) => args.run(context),
            Self::Export => export(context),
        }
    }
}

fn show(context: &Context) -> Outcome<Reply> {
    let home = context.home()?;
    let snapshot = TrustFile::open(&home.file(home::TRUST)?).read()?;
    let trust = &snapshot.document;
    let ink = Ink::stdout();
    let mut keys = Table::new(&["KID", "USE", "OWNER", "ROLES", "TENANTS", "STATUS", "VALID"]);
    for key in &trust.keys {
        let status = if trust.is_key_revoked(&key.kid) {
            KeyStatus::Revoked
        } else {
            key.status
        };
        keys.row([
            key.kid.to_string(),
            key.key_use.as_str().to_owned(),
            owner_text(key),
            list_text(&key.roles),
            tenants_text(&key.tenants),
            status.as_str().to_owned(),
            validity(key),
        ]);
    }
    let mut text = format!(
        "version {} of {}, {}\n\n",
        trust.version, trust.updated_at, snapshot.digest
    );
    text.push_str(&keys.render(ink));
    if !trust.revocations.is_empty() {
        let mut revocations = Table::new(&["REVOKED", "ID", "AT", "BY", "REASON"]);
        for revocation in &trust.revocations {
            let (kind, id) = target_text(&revocation.target);
            revocations.row([
                kind.to_owned(),
                id,
                revocation.revoked_at.to_string(),
                revocation.revoked_by.to_string(),
                visible(revocation.reason.as_str()),
            ]);
        }
        text.push('\n');
        text.push_str(&revocations.render(ink));
    }
    let document = serde_json::to_value(trust).map_err(|error| Failure::internal(&error))?;
    Ok(Reply::new(json!({ "trust": document, "digest": snapshot.digest.to_string() })).with_data(text))
}

impl AddArgs {
    /// An approver's key: for commands that run others.
    pub(crate) fn approver(file: PathBuf, principal: &str, role: &str) -> Outcome<Self> {
        let internal = |error: actionpass_model::TextError| Failure::internal(&error);
        let owner = Owner {
            principal: Some(principal.parse().map_err(internal)?),
            roles: vec![role.parse().map_err(internal)?],
            ..Owner::default()
        };
        Ok(Self {
            file,
            pin: None,
            key_use: Use::Approval,
            owner,
            not_before: None,
            not_after: None,
        })
    }

    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        let key = read_public(&self.file, self.pin.as_ref())?;
        let issuer = IssuerHome::open(context)?;
        let now = clock::now()?;
        let mut entry = entry(&key, self.key_use.into(), &self.owner, &issuer.config)?;
        entry.not_before = self.not_before;
        entry.not_after = self.not_after;
        let ((), written) = issuer.change_trust(now, |trust| change::add_key(trust, entry.clone()))?;
        let subject = (&entry.kid, entry.key_use);
        let record = issuer.record_key(now, KeyEvent::Added, subject, (None, None), written.evidence())?;
        let json = json!({
            "kid": entry.kid, "use": entry.key_use, "jwk": public_json(&key)?,
            "trust": { "version": written.document.version }, "record": record_json(&record),
        });
        let talk = format!(
            "Key {} of {} is believed now for use `{}`, tenants {}.\n",
            entry.kid,
            entry.owner().unwrap_or("nobody"),
            entry.key_use.as_str(),
            tenants_text(&entry.tenants)
        );
        Ok(Reply::new(json).with_data(format!("{}\n", entry.kid)).with_talk(talk))
    }
}

impl RemoveArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let issuer = IssuerHome::open(context)?;
        let trust = issuer.home.trust()?;
        let kid = find(trust.keyring(), &self.kid)?;
        if crate::custody::signing_kid(&issuer.home, &issuer.config).as_ref() == Some(&kid) {
            return Err(Failure::new(
                CliCode::UsageInvalid,
                "this is the signing key, and without it nothing is issued",
            )
            .with_hint(format!(
                "`{} keys rotate` puts a new one in its place",
                context.program()
            )));
        }
        let now = clock::now()?;
        let (removed, written) = issuer.change_trust(now, |trust| change::remove_key(trust, &kid))?;
        let subject = (&kid, removed.key_use);
        let record = issuer.record_key(now, KeyEvent::Removed, subject, (None, None), written.evidence())?;
        let json = json!({
            "kid": kid, "trust": { "version": written.document.version }, "record": record_json(&record)
        });
        Ok(Reply::new(json).with_talk(format!(
            "Key {kid} is gone from the trust store: what it signed is unknown from now on.\n"
        )))
    }
}

impl CheckArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let trust = match self.file {
            Some(path) => read_named_trust(&path)?,
            None => context.home()?.trust()?,
        };
        let now = clock::now()?;
        if trust.is_expired(now.to_unix_seconds()) {
            return Err(Failure::new(
                actionpass_verify::VerifyCode::TrustExpired,
                "the trust store has expired",
            ));
        }
        let active = trust
            .keyring()
            .iter()
            .filter(|key| !key.is_revoked() && key.trust().status == KeyStatus::Active);
        let active = active.filter(|key| key.trust().signs_at(now)).count();
        let evidence = trust.evidence();
        let json = json!({
            "valid": true, "version": evidence.version, "digest": evidence.digest.to_string(), "keys": trust.keyring().len(),
            "activeKeys": active, "revocationsAsOf": trust.revocations_as_of(),
        });
        let data = format!(
            "{} version {}, {} keys, {active} of them sign now\n  revocations as of {}\n  {}\n",
            Ink::stdout().good("ok"),
            evidence.version,
            trust.keyring().len(),
            trust.revocations_as_of(),
            evidence.digest
        );
        Ok(Reply::new(json).with_data(data))
    }
}

/// The bytes of the file itself, so that version and digest are those that the records name.
fn export(context: &Context) -> Outcome<Reply> {
    let home = context.home()?;
    let snapshot = TrustFile::open(&home.file(home::TRUST)?).read()?;
    crate::issuer::check_keys(&snapshot.document)
        .map_err(|error| Failure::new(CliCode::Internal, error.to_string()))?;
    let document = serde_json::to_value(&snapshot.document).map_err(|error| Failure::internal(&error))?;
    Ok(Reply::new(json!({ "trust": document, "digest": snapshot.digest.to_string() })).with_data(snapshot.bytes))
}

/// The trust store's entry of a key.
pub(crate) fn entry(key: &PublicKey, key_use: KeyUse, owner: &Owner, config: &Config) -> Outcome<TrustKey> {
    let is_issuers = is_issuers(key_use);
    check_owner(key_use, owner)?;
    let origin = match (key_use, &owner.origin) {
        (KeyUse::Ledger, Some(origin)) => Some(origin.clone()),
        (KeyUse::Ledger, None) => Some(crate::issuer::log(config)?.origin().clone()),
        _ => None,
    };
    Ok(TrustKey {
        kid: key.kid().clone(),
        jwk: key.to_jwk(),
        alg: key.algorithm().as_str().to_owned(),
        key_use,
        issuer: is_issuers.then(|| owner.issuer.clone().unwrap_or_else(|| config.issuer.clone())),
        principal: owner.principal.clone(),
        roles: owner.roles.clone(),
        tenants: tenants(&owner.tenants, &config.tenants),
        origin,
        not_before: None,
        not_after: None,
        status: KeyStatus::Active,
        superseded_by: None,
        compromised_since: None,
        reason: None,
        ext: None,
    })
}

/// Refuses an owner that keys of this use don't have.
pub(crate) fn check_owner(key_use: KeyUse, owner: &Owner) -> Outcome<()> {
    let refused = |problem: &str| Err(Failure::new(CliCode::UsageInvalid, problem));
    if key_use == KeyUse::Approval && owner.principal.is_none() {
        return refused("a key of use `approval` needs --principal: whose approvals it signs");
    }
    if key_use != KeyUse::Approval && (owner.principal.is_some() || !owner.roles.is_empty()) {
        return refused("--principal and --role are for keys of use `approval`");
    }
    if owner.issuer.is_some() && !is_issuers(key_use) {
        return refused("--issuer is for keys of use `pass` and `revocation`");
    }
    if owner.origin.is_some() && key_use != KeyUse::Ledger {
        return refused("--origin is for keys of use `ledger`");
    }
    Ok(())
}

/// Whether keys of this use belong to an issuer.
const fn is_issuers(key_use: KeyUse) -> bool {
    matches!(key_use, KeyUse::Pass | KeyUse::Revocation)
}

fn tenants(stated: &[TenantOrAny], configured: &[Tenant]) -> Tenants {
    if stated.iter().any(|tenant| matches!(tenant, TenantOrAny::Any)) {
        return Tenants::Any;
    }
    let named: Vec<Tenant> = stated
        .iter()
        .filter_map(|tenant| match tenant {
            TenantOrAny::One(tenant) => Some(tenant.clone()),
            TenantOrAny::Any => None,
        })
        .collect();
    Tenants::Only(if named.is_empty() { configured.to_vec() } else { named })
}

/// The one key whose kid is this text or starts with it.
pub(crate) fn find(keyring: &Keyring, text: &str) -> Outcome<KeyId> {
    let missing = |problem: String| Failure::new(actionpass_store::trust_file::ChangeCode::KeyMissing, problem);
    // A start that is too short would soon be another key's too.
    const MIN_CHARS: usize = 6;
    if text.len() < MIN_CHARS {
        return Err(missing(format!(
            "`{text}` is too short to name a key: {MIN_CHARS} characters at least"
        )));
    }
    let mut found = keyring
        .iter()
        .map(|entry| entry.kid())
        .filter(|kid| kid.as_str().starts_with(text));
    match (found.next(), found.next()) {
        (Some(kid), None) => Ok(kid.clone()),
        (None, _) => Err(missing(format!("the trust store has no key `{text}`"))),
        (Some(_), Some(_)) => Err(missing(format!("more than one key starts with `{text}`"))),
    }
}

/// Whose key it is.
pub(crate) fn owner_text(key: &TrustKey) -> String {
    key.owner().unwrap_or("-").to_owned()
}

/// When it signs.
pub(crate) fn validity(key: &TrustKey) -> String {
    match (key.not_before, key.not_after) {
        (None, None) => "always".to_owned(),
        (Some(start), None) => format!("from {start}"),
        (None, Some(end)) => format!("until {end}"),
        (Some(start), Some(end)) => format!("{start} to {end}"),
    }
}

fn tenants_text(tenants: &Tenants) -> String {
    match tenants {
        Tenants::Any => "*".to_owned(),
        Tenants::Only(tenants) => list_text(tenants),
    }
}

fn list_text<T: fmt::Display>(items: &[T]) -> String {
    if items.is_empty() {
        return "-".to_owned();
    }
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// What a revocation is about, as kind and id.
pub(crate) fn target_text(target: &RevocationTarget) -> (&'static str, String) {
    match target {
        RevocationTarget::Pass { id, .. } => ("pass", id.to_string()),
        RevocationTarget::Approval { id, .. } => ("approval", id.to_string()),
        RevocationTarget::Key(kid) => ("key", kid.to_string()),
        RevocationTarget::Principal(principal) => ("principal", principal.to_string()),
    }
}
