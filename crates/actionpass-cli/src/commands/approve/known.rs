//! [`Known`]: what is known here of the issuer that an approval is for.

use std::path::Path;

use actionpass_core::FactsTerms;
use actionpass_model::{Approver, Digest, Issuer, KeyId, KeyUse, Role, Tenant, Timestamp};
use actionpass_policy::{PolicyEngine, RulePolicy};
use actionpass_verify::{Trust, VerifyCode};

use crate::commands::policy;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::input;

/// The issuer's policy and trust store, as far as they are here: by name on the command line, or in a home of this issuer.
#[derive(Debug)]
pub(crate) struct Known {
    /// Or why there is none.
    pub(crate) policy: Result<RulePolicy, &'static str>,
    /// Which facts the issuer takes.
    pub(crate) terms: FactsTerms,
    trust: Option<Trust>,
}

/// What a key's approvals are worth to the issuer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Worth {
    /// They count, with these roles.
    Counts(Vec<Role>),
    /// They count for nothing: the code that the issuer refuses them with, and why.
    Nothing(VerifyCode, &'static str),
    /// The trust store doesn't have the key.
    KeyMissing,
    /// There is no trust store here.
    TrustMissing,
    /// The key wasn't opened, so that nobody knows which one it is.
    KeyClosed,
}

impl Known {
    /// Reads what is there. A home of another issuer says nothing about this one.
    pub(crate) fn read(
        policy: Option<&Path>,
        trust: Option<&Path>,
        issuer: &Issuer,
        context: &Context,
    ) -> Outcome<Self> {
        let mut terms = FactsTerms::new();
        let mut home = None;
        if let Some(there) = context.home_if_there()? {
            let config = there.config()?;
            if config.issuer == *issuer {
                terms = config.facts_terms();
                home = Some((there, config));
            }
        }
        let policy = match (policy, &home) {
            (Some(path), _) => Ok(policy::load(path)?),
            (None, Some((home, config))) => Ok(home.policy(config)?.into_rules()),
            (None, None) => Err("there is no home of this issuer here, and no --policy"),
        };
        let trust = match (trust, &home) {
            (Some(path), _) => Some(input::trust(path)?),
            (None, Some((home, _))) => Some(home.trust()?),
            (None, None) => None,
        };
        Ok(Self { policy, terms, trust })
    }

    /// The same for an approval that holds under this policy alone: another says nothing about it.
    pub(crate) fn under(self, digest: Digest) -> Self {
        let policy = self.policy.and_then(|policy| {
            let is_it = policy.digest() == digest;
            is_it
                .then_some(policy)
                .ok_or("the one here isn't that of --policy-digest")
        });
        Self { policy, ..self }
    }

    /// What approvals of this key are worth at a time.
    ///
    /// # Errors
    /// `approver_mismatch` if the key is somebody else's.
    pub(crate) fn worth(&self, kid: &KeyId, approver: &Approver, tenant: &Tenant, at: Timestamp) -> Outcome<Worth> {
        let Some(trust) = &self.trust else {
            return Ok(Worth::TrustMissing);
        };
        let Some(entry) = trust.keyring().get(kid) else {
            return Ok(Worth::KeyMissing);
        };
        let key = entry.trust();
        if key.principal.as_ref() != Some(approver) {
            let owner = key.owner().unwrap_or("nobody");
            return Err(Failure::new(
                VerifyCode::ApproverMismatch,
                format!("the key is that of `{owner}` in the trust store, and not of `{approver}`"),
            ));
        }
        let revoked = |why| Worth::Nothing(VerifyCode::ApprovalRevoked, why);
        let unknown = |why| Worth::Nothing(VerifyCode::ApprovalKeyUnknown, why);
        Ok(if entry.is_revoked() {
            revoked("this key is revoked")
        } else if trust.is_principal_revoked(approver.as_str()) {
            revoked("this approver is revoked")
        } else if key.key_use != KeyUse::Approval {
            unknown("this key is not for approvals")
        } else if !key.signs_at(at) {
            unknown("this key is not to sign now")
        } else if !key.tenants.contains(tenant) {
            unknown("this key doesn't speak for the tenant of the action")
        } else {
            Worth::Counts(key.roles.clone())
        })
    }
}

impl Worth {
    /// That approvals of the key count for nothing, or may.
    pub(crate) fn warning(&self) -> Option<String> {
        match self {
            Self::Nothing(_, why) => Some(format!("{why}: its approvals count for nothing")),
            Self::KeyMissing => Some("the trust store lacks this key: its approvals count for nothing".to_owned()),
            Self::Counts(_) | Self::TrustMissing | Self::KeyClosed => None,
        }
    }
}
