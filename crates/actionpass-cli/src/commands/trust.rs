//! `trust`: whose keys are believed, and what is revoked.

use std::path::PathBuf;

use actionpass_core::Administrator;
use actionpass_crypto::{KeyCode, Keyring};
use actionpass_home::{HomeError, OpenHome};
use actionpass_model::{KeyId, KeyStatus, Principal, RevocationId, Statement, Timestamp};
use actionpass_verify::VerifyCode;
use clap::{Args, Subcommand};
use pollster::block_on;
use serde_json::json;

use crate::clock;
use crate::code::CliCode;
use crate::commands::revoke::PutBack;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::input;
use crate::output::{Ink, Reply, Table};
use crate::owner::{NO_PASSKEY, Owner, PasskeyArgs, Use, entry};
use crate::public_key::{find, list_text, owner_text, public_json, read_public, target_text, tenants_text, validity};
use crate::render::visible;

#[derive(Debug, Subcommand)]
pub(crate) enum TrustCommand {
    /// Show keys and revocations
    #[command(alias = "list")]
    Show,
    /// Believe a public key: an approver's, another issuer's
    Add(AddArgs),
    /// Take a key out; to make it invalid at once, revoke it
    Remove(RemoveArgs),
    /// Lift the revocation of a principal, who is accepted again
    Lift(LiftArgs),
    /// Say that the revocations are complete as of now: a new version, for executors that refuse old ones
    Refresh,
    /// Go on from a `trust.json` that was restored from a backup: puts back the revocations that the ledger holds
    Restored,
    /// Check a trust store: the home's, or any file
    Check(CheckArgs),
    /// Print the trust store as an executor is handed it: public keys and revocations
    Export,
}

#[derive(Args, Debug)]
pub(crate) struct AddArgs {
    /// The public key: a JWK, a PEM file or a line of OpenSSH, or a JWK Set with --pin; `-` is stdin
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
    #[command(flatten)]
    passkey: Option<PasskeyArgs>,
}

#[derive(Args, Debug)]
pub(crate) struct RemoveArgs {
    /// The key, by kid or its start
    #[arg(allow_hyphen_values = true)]
    kid: String,
}

#[derive(Args, Debug)]
pub(crate) struct LiftArgs {
    /// The revocation, `rev_…`, as `trust show` has it
    revocation: RevocationId,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Statement,
    /// Who lifts it [default: `user:` and your login]
    #[arg(long, value_name = "PRINCIPAL")]
    by: Option<Principal>,
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
            Self::Lift(_) => "trust-lift",
            Self::Refresh => "trust-refresh",
            Self::Restored => "trust-restored",
            Self::Check(_) => "trust-check",
            Self::Export => "trust-export",
        }
    }

    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        match self {
            Self::Show => show(context),
            Self::Add(args) => args.run(context),
            Self::Remove(args) => args.run(context),
            Self::Lift(args) => args.run(context),
            Self::Refresh => refresh(context),
            Self::Restored => restored(context),
            Self::Check(args) => args.run(context),
            Self::Export => export(context),
        }
    }
}

fn show(context: &Context) -> Outcome<Reply> {
    let home = context.home()?;
    let snapshot = home.trust_snapshot()?;
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
        trust.version,
        trust.updated_at,
        snapshot.text().digest()
    );
    text.push_str(&keys.render(ink));
    let mut passkeys = Table::new(&["PASSKEY", "RELYING PARTY", "PAGES", "CREDENTIAL"]);
    let mut has_passkeys = false;
    for key in &trust.keys {
        let Some(passkey) = &key.webauthn else { continue };
        has_passkeys = true;
        passkeys.row([
            key.kid.to_string(),
            passkey.rp_id().to_string(),
            list_text(passkey.origins()),
            passkey.credential_id().to_string(),
        ]);
    }
    if has_passkeys {
        text.push('\n');
        text.push_str(&passkeys.render(ink));
    }
    if !trust.revocations.is_empty() {
        let mut revocations = Table::new(&["REVOKED", "ID", "AT", "BY", "REVOCATION", "REASON"]);
        for revocation in &trust.revocations {
            let (kind, id) = target_text(&revocation.target);
            revocations.row([
                kind.to_owned(),
                id,
                revocation.revoked_at.to_string(),
                revocation.revoked_by.to_string(),
                revocation.id.to_string(),
                visible(revocation.reason.as_str()),
            ]);
        }
        text.push('\n');
        text.push_str(&revocations.render(ink));
    }
    let document = serde_json::to_value(trust).map_err(|error| Failure::internal(&error))?;
    Ok(Reply::new(json!({ "trust": document, "digest": snapshot.text().digest().to_string() })).with_data(text))
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
            passkey: None,
        })
    }

    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        let key = read_public(&self.file, self.pin.as_ref(), self.key_use).map_err(|failure| match self.passkey {
            Some(_) if *failure.code() == KeyCode::Unsupported => failure.followed_by(NO_PASSKEY),
            _ => failure,
        })?;
        let home = context.administer()?;
        let mut entry = entry(&key, self.key_use.into(), &self.owner, &home.opened.config)?;
        entry.not_before = self.not_before;
        entry.not_after = self.not_after;
        if let Some(passkey) = &self.passkey {
            entry = entry.with_passkey(passkey.passkey_of(&key, self.key_use.into())?);
        }
        let added = block_on(home.administrator.add_key(entry.clone()))?;
        let json = json!({
            "kid": entry.kid, "use": entry.key_use, "jwk": public_json(&key)?,
            "trust": { "version": added.trust.version }, "record": added.record,
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
        let home = context.administer()?;
        let kid = find(home.trust()?.keyring(), &self.kid)?;
        if home.opened.home.signing_kid(&home.opened.config).as_ref() == Some(&kid) {
            return Err(Failure::new(
                CliCode::UsageInvalid,
                "this is the signing key, and without it nothing is issued",
            )
            .with_hint(format!(
                "`{} keys rotate` puts a new one in its place",
                context.program()
            )));
        }
        let removed = block_on(home.administrator.remove_key(&kid))?;
        let json = json!({
            "kid": kid, "trust": { "version": removed.trust.version }, "record": removed.record
        });
        Ok(Reply::new(json).with_talk(format!(
            "Key {kid} is gone from the trust store: what it signed is unknown from now on.\n"
        )))
    }
}

impl LiftArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let home = context.administer()?;
        let by = input::principal(self.by)?;
        let (lifted, record) = block_on(home.administrator.lift(&self.revocation, self.reason, by))?;
        let json = json!({
            "lifted": { "revocation": lifted.revocation, "reason": lifted.reason, "by": lifted.by },
            "trust": { "version": lifted.version }, "record": record,
        });
        let talk = format!(
            "Revocation {} is lifted: the principal is accepted again.\nHand the trust store on to your executors: `{} trust export`.\n",
            lifted.revocation,
            context.program()
        );
        Ok(Reply::new(json)
            .with_data(format!("{}\n", lifted.revocation))
            .with_talk(talk))
    }
}

/// No record: nothing changed but the time as of which the revocations are complete.
fn refresh(context: &Context) -> Outcome<Reply> {
    let home = context.administer()?;
    let trust = block_on(home.administrator.refresh())?.document;
    let json = json!({ "trust": { "version": trust.version }, "revocationsAsOf": trust.revocations_as_of });
    let talk = format!(
        "Version {}: the revocations are complete as of {}.\nHand the trust store on to your executors: `{} trust export`.\n",
        trust.version,
        trust.revocations_as_of,
        context.program()
    );
    Ok(Reply::new(json).with_talk(talk))
}

/// Where the trust store is as the ledger knows it, nothing is changed.
fn restored(context: &Context) -> Outcome<Reply> {
    let administrator = OpenHome::open_to_administer(context.home()?)?.administrator();
    let put_back = match block_on(administrator.open()) {
        Err(error) if Administrator::went_back(&error) => Some(PutBack::into(&administrator)?),
        opened => {
            opened.map_err(HomeError::from)?;
            None
        }
    };
    let talk = put_back.as_ref().map_or_else(
        || "The trust store had not gone back: nothing was changed.\n".to_owned(),
        |put_back| put_back.talk(Ink::stderr()),
    );
    Ok(Reply::new(json!({ "putBack": put_back })).with_talk(talk))
}

impl CheckArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let trust = match self.file {
            Some(path) => input::trust(&path)?,
            None => context.home()?.trust()?,
        };
        let now = clock::now()?;
        if trust.is_expired(now.to_unix_seconds()) {
            return Err(Failure::new(VerifyCode::TrustExpired, "the trust store has expired"));
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

/// The bytes of the file itself: version and digest are those that the records name.
fn export(context: &Context) -> Outcome<Reply> {
    let home = context.home()?;
    let snapshot = home.trust_snapshot()?;
    Keyring::from_trust(&snapshot.document)?;
    let document = serde_json::to_value(&snapshot.document).map_err(|error| Failure::internal(&error))?;
    Ok(
        Reply::new(json!({ "trust": document, "digest": snapshot.text().digest().to_string() }))
            .with_data(snapshot.text().bytes()),
    )
}
