//! `approvers`: who may approve, and how people get a passkey in.

use actionpass_core::NewRevocation;
use actionpass_crypto::webauthn::RelyingParty;
use actionpass_home::{Approvers, InvitationSecret, NewInvitation};
use actionpass_model::{
    Approver, KeyStatus, KeyUse, Principal, RevocationTarget, Role, RpId, SignatureForm, Statement, TrustKey, WebOrigin,
};
use clap::{Args, Subcommand};
use pollster::block_on;
use serde_json::{Value, json};

use crate::clock;
use crate::code::CliCode;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::input;
use crate::output::{Ink, Reply, Table};
use crate::owner::{TenantOrAny, tenant, tenants};
use crate::public_key::{list_text, tenants_text};

#[derive(Debug, Subcommand)]
pub(crate) enum ApproversCommand {
    /// List whose approvals count, who is invited and whose passkey waits
    List,
    /// Invite somebody to register a passkey, within an hour and once
    ///
    /// The link's secret stands behind its `#`, and only its hash is kept. `actionpass serve` serves the page under it, on this
    /// home or, with `--page-only`, elsewhere.
    Invite(InviteArgs),
    /// Let a passkey in that waits, by the code that its owner reads to you
    Confirm(ConfirmArgs),
    /// Revoke all keys of an approver, and take back what they were invited to
    Remove(RemoveArgs),
}

#[derive(Args, Debug)]
pub(crate) struct InviteArgs {
    /// Whom: `user:…`
    principal: Approver,
    /// A role that they will hold; may be repeated
    #[arg(long = "role", value_name = "ROLE", required = true)]
    roles: Vec<Role>,
    /// A tenant that they will approve for, `*` for every one; may be repeated [default: the tenants of the configuration]
    #[arg(long = "tenant", value_name = "TENANT", value_parser = tenant)]
    tenants: Vec<TenantOrAny>,
    /// The page on which they register and approve: `https://approve.example.com`, or `http://localhost:PORT`
    #[arg(long, value_name = "ORIGIN")]
    origin: WebOrigin,
}

#[derive(Args, Debug)]
pub(crate) struct ConfirmArgs {
    /// Whose passkey
    principal: Approver,
    /// The first eight characters of its thumbprint, as its owner reads them to you from the page
    #[arg(value_name = "CODE", allow_hyphen_values = true)]
    code: String,
}

#[derive(Args, Debug)]
pub(crate) struct RemoveArgs {
    /// Who
    principal: Approver,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Statement,
    /// Who removes them [default: `user:` and your login]
    #[arg(long, value_name = "PRINCIPAL")]
    by: Option<Principal>,
}

impl ApproversCommand {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::List => "approvers-list",
            Self::Invite(_) => "approvers-invite",
            Self::Confirm(_) => "approvers-confirm",
            Self::Remove(_) => "approvers-remove",
        }
    }

    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        match self {
            Self::List => list(context),
            Self::Invite(args) => args.run(context),
            Self::Confirm(args) => args.run(context),
            Self::Remove(args) => args.run(context),
        }
    }
}

const fn form_text(key: &TrustKey) -> &'static str {
    match key.form() {
        SignatureForm::Jws => "key",
        SignatureForm::WebAuthn => "passkey",
    }
}

/// The codes of what waits are left out: whoever confirms is to have them from the owner.
fn list(context: &Context) -> Outcome<Reply> {
    let home = context.home()?;
    let trust = home.trust_snapshot()?.document;
    let (invited, waiting) = Approvers::of(&home).pending(clock::now()?)?;
    let mut table = Table::new(&["APPROVER", "KID", "FORM", "ROLES", "TENANTS", "STATUS"]);
    let mut approvers: Vec<Value> = Vec::new();
    for key in trust.keys.iter().filter(|key| key.key_use == KeyUse::Approval) {
        let status = if trust.is_key_revoked(&key.kid) {
            KeyStatus::Revoked
        } else {
            key.status
        };
        let principal = key.owner().unwrap_or("-");
        table.row([
            principal.to_owned(),
            key.kid.to_string(),
            form_text(key).to_owned(),
            list_text(&key.roles),
            tenants_text(&key.tenants),
            status.as_str().to_owned(),
        ]);
        approvers.push(json!({
            "principal": principal, "kid": key.kid, "form": form_text(key), "roles": key.roles,
            "tenants": key.tenants, "status": status,
        }));
    }
    let mut text = table.render(Ink::stdout());
    for entry in &invited {
        text.push_str(&format!("invited until {}: {}\n", entry.expires_at, entry.principal));
    }
    for passkey in &waiting {
        let principal = passkey.key.owner().unwrap_or("-");
        text.push_str(&format!("waits since {}: {principal}\n", passkey.registered_at));
    }
    let invited: Vec<Value> = invited
        .iter()
        .map(|entry| {
            json!({ "principal": entry.principal, "roles": entry.roles, "tenants": entry.tenants, "expiresAt": entry.expires_at })
        })
        .collect();
    let waiting: Vec<Value> = waiting
        .iter()
        .map(|passkey| {
            json!({
                "principal": passkey.key.principal, "roles": passkey.key.roles, "tenants": passkey.key.tenants,
                "registeredAt": passkey.registered_at,
            })
        })
        .collect();
    Ok(Reply::new(json!({ "approvers": approvers, "invited": invited, "waiting": waiting })).with_data(text))
}

impl InviteArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let home = context.home()?;
        let config = home.config()?;
        let rp_id = RpId::parse(self.origin.host()).map_err(|error| Failure::internal(&error))?;
        let party = RelyingParty::new(rp_id, vec![self.origin.clone()]).map_err(|error| Failure::internal(&error))?;
        let secret = InvitationSecret::from_random(&clock::random()?);
        let invitation = NewInvitation {
            principal: self.principal,
            roles: self.roles,
            tenants: tenants(&self.tenants, &config.tenants),
            party,
        };
        let invited = Approvers::of(&home).invite(invitation, &secret, clock::now()?)?;
        let link = format!("{}/enrol#{}", self.origin, secret.as_str());
        let json = json!({
            "principal": invited.principal, "roles": invited.roles, "tenants": invited.tenants, "link": link,
            "expiresAt": invited.expires_at,
        });
        let talk = format!(
            "{} registers a passkey with this link, once, until {}. Whoever has it can: hand it over as you would a password.\n\
             Then they read a code to you: `{} approvers confirm {} CODE`.\n\
             The page there is that of `{} serve`, here or with `--page-only`.\n",
            invited.principal,
            invited.expires_at,
            context.program(),
            invited.principal,
            context.program()
        );
        Ok(Reply::new(json).with_data(format!("{link}\n")).with_talk(talk))
    }
}

impl ConfirmArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let administered = context.administer()?;
        let approvers = Approvers::of(&administered.opened.home);
        let confirmed = approvers.confirm(&administered.administrator, &self.principal, &self.code, clock::now()?);
        let (key, added) = block_on(confirmed)?;
        let json = json!({
            "kid": key.kid, "principal": key.principal, "roles": key.roles, "tenants": key.tenants,
            "trust": { "version": added.trust.version }, "record": added.record,
        });
        let talk = format!(
            "Passkey {} of {} is believed now, roles {}, tenants {}.\nHand the trust store on to your executors: `{} trust export`.\n",
            key.kid,
            self.principal,
            list_text(&key.roles),
            tenants_text(&key.tenants),
            context.program()
        );
        Ok(Reply::new(json).with_data(format!("{}\n", key.kid)).with_talk(talk))
    }
}

impl RemoveArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let administered = context.administer()?;
        let trust = administered.opened.home.trust_snapshot()?.document;
        let keys: Vec<&TrustKey> = trust
            .keys
            .iter()
            .filter(|key| key.principal.as_ref() == Some(&self.principal) && !trust.is_key_revoked(&key.kid))
            .collect();
        let by = input::principal(self.by)?;
        let forgotten = Approvers::of(&administered.opened.home).forget(&self.principal, clock::now()?)?;
        if keys.is_empty() && forgotten == 0 {
            return Err(Failure::new(
                CliCode::UsageInvalid,
                format!(
                    "{} has no key that counts, is not invited, and nothing of theirs waits",
                    self.principal
                ),
            )
            .with_hint(format!("`{} approvers list` says who does", context.program())));
        }
        let mut revoked = Vec::new();
        for key in keys {
            let revocation = NewRevocation {
                target: RevocationTarget::Key(key.kid.clone()),
                reason: self.reason.clone(),
                revoked_by: by.clone(),
                compromised_since: None,
                expires_at: None,
            };
            let (revocation, record) = block_on(administered.administrator.revoke(revocation))?;
            revoked.push(json!({ "kid": key.kid, "revocation": revocation.id, "record": record }));
        }
        let talk = format!(
            "{} approves nothing any more: {} of their keys revoked, {forgotten} invitations and waiting passkeys taken back.\n\
             Hand the trust store on to your executors: `{} trust export`.\n",
            self.principal,
            revoked.len(),
            context.program()
        );
        let json = json!({ "principal": self.principal, "revoked": revoked, "takenBack": forgotten });
        Ok(Reply::new(json).with_talk(talk))
    }
}
