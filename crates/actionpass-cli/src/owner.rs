//! What a key is for and whose it is, as command lines say it.

use std::fmt;

use actionpass_crypto::{Algorithm, PublicKey};
use actionpass_home::{Config, home};
use actionpass_model::{
    Approver, CredentialId, DocumentCode, Issuer, KeyUse, Passkey, Role, RpId, Tenant, Tenants, TrustKey, WebOrigin,
};
use clap::{Args, ValueEnum};

use crate::code::CliCode;
use crate::failure::{Failure, Outcome};

/// What a key signs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Use {
    /// Passes of an issuer
    Pass,
    /// Revocation lists of an issuer: not enforced yet, and refused
    Revocation,
    /// Approvals of a principal
    Approval,
    /// Checkpoints of the home's ledger
    Ledger,
    /// Trust stores: not enforced yet, and refused
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
    pub(crate) tenants: Vec<TenantOrAny>,
    /// The issuer whose passes it signs [default: the home's]
    #[arg(long, value_name = "ISSUER")]
    pub(crate) issuer: Option<Issuer>,
}

/// What makes an approver's key a passkey.
#[derive(Args, Clone, Debug)]
#[group(requires_all = ["rp_id", "origins", "credential_id"], multiple = true)]
pub(crate) struct PasskeyArgs {
    /// The key is a passkey of this relying party: the exact host of the page
    #[arg(long = "webauthn-rp-id", value_name = "HOST", required = false)]
    rp_id: RpId,
    /// A page that the passkey signs on, such as `https://approve.example.com`; may be repeated
    #[arg(long = "webauthn-origin", value_name = "ORIGIN", required = false)]
    origins: Vec<WebOrigin>,
    /// How the authenticator knows the passkey: `rawId` in base64url
    #[arg(
        long = "webauthn-credential-id",
        value_name = "ID",
        required = false,
        allow_hyphen_values = true
    )]
    credential_id: CredentialId,
}

/// What to use where an authenticator knows other algorithms only, as old Windows Hello does.
pub(crate) const NO_PASSKEY: &str =
    "passkeys sign with ES256 or Ed25519 here: have one made by a phone, a security key or a password manager";

impl PasskeyArgs {
    /// The passkey, if a key of this use and algorithm can be one.
    pub(crate) fn passkey_of(&self, key: &PublicKey, key_use: KeyUse) -> Outcome<Passkey> {
        let refused = |problem: &str| Err(Failure::new(CliCode::UsageInvalid, problem));
        if key_use != KeyUse::Approval {
            return refused("a passkey signs approvals only: `--webauthn-…` goes with `--use approval`");
        }
        if !matches!(key.algorithm(), Algorithm::Es256 | Algorithm::Ed25519) {
            return refused(NO_PASSKEY);
        }
        Passkey::new(self.rp_id.clone(), self.origins.clone(), self.credential_id.clone())
            .map_err(|error| Failure::new(CliCode::UsageInvalid, error.to_string()))
    }
}

/// A tenant, or every one.
#[derive(Clone, Debug)]
pub(crate) enum TenantOrAny {
    Any,
    One(Tenant),
}

pub(crate) fn tenant(text: &str) -> Result<TenantOrAny, String> {
    match text {
        "*" => Ok(TenantOrAny::Any),
        text => Tenant::parse(text)
            .map(TenantOrAny::One)
            .map_err(|error| error.to_string()),
    }
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

/// The trust store's entry of a key.
pub(crate) fn entry(key: &PublicKey, key_use: KeyUse, owner: &Owner, config: &Config) -> Outcome<TrustKey> {
    check_owner(key_use, owner)?;
    if key_use == KeyUse::Ledger {
        // Of every tenant: a checkpoint is of all records.
        return Ok(key.ledger_key_of(home::log(config)?.origin()));
    }
    let entry = match &owner.principal {
        Some(principal) => key.approval_key_of(principal).with_roles(owner.roles.clone()),
        None => key.pass_key_of(owner.issuer.as_ref().unwrap_or(&config.issuer)),
    };
    Ok(entry.with_tenants(tenants(&owner.tenants, &config.tenants)))
}

/// Refuses a use that nothing enforces yet, and an owner that keys of this use don't have. What passes is a key of use
/// `approval` with a principal, of use `pass` without one, or of use `ledger` without anything.
pub(crate) fn check_owner(key_use: KeyUse, owner: &Owner) -> Outcome<()> {
    let refused = |problem: &str| Err(Failure::new(CliCode::UsageInvalid, problem));
    if !matches!(key_use, KeyUse::Pass | KeyUse::Approval | KeyUse::Ledger) {
        return Err(Failure::new(
            DocumentCode::TrustUseUnenforced,
            format!(
                "keys of use `{}` are not enforced by this release, and a trust store with one is refused",
                key_use.as_str()
            ),
        ));
    }
    if key_use == KeyUse::Approval && owner.principal.is_none() {
        return refused("a key of use `approval` needs --principal: whose approvals it signs");
    }
    if key_use != KeyUse::Approval && (owner.principal.is_some() || !owner.roles.is_empty()) {
        return refused("--principal and --role are for keys of use `approval`");
    }
    if key_use != KeyUse::Pass && owner.issuer.is_some() {
        return refused("--issuer is for keys of use `pass`");
    }
    if key_use == KeyUse::Ledger && !owner.tenants.is_empty() {
        return refused("--tenant is not for keys of use `ledger`: a checkpoint is of all records");
    }
    Ok(())
}

/// What was stated, or else what is configured.
pub(crate) fn tenants(stated: &[TenantOrAny], configured: &[Tenant]) -> Tenants {
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
