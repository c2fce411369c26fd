//! The first five minutes: [`Quickstart`] and [`verify`], behind the four functions of the packages.
//!
//! Their approval may be a name that nobody signed. It counts without any opt-in for **one fictional call**: the demo action.
//! That is a value and no switch, so nothing in an environment turns it on. Four fences stand around it:
//!
//! 1. the hash of the action is that of [`ACTION`], a call that nobody executes;
//! 2. no policy was given: the built-in one knows this call only;
//! 3. the issuer's name is one that nobody can have: `localhost`, `.local`, `.test`, `.example`, `.invalid` (RFC 6761, RFC 6762);
//! 4. the pass is for the audience [`AUDIENCE`], which no executor has.
//!
//! Everything else needs a policy, and there an unsigned approval is refused with `approval_unsigned`.

#[cfg(feature = "issuer")]
mod quickstart;

use actionpass::model::{Approver, Audience, Issuer as Name, Role, Tenant, Tenants, TrustKey};
use actionpass::verify::VerifyCode;
use actionpass::{BoundAction, Limits};
use actionpass_crypto::PublicKey;
use actionpass_policy::EXAMPLE_STEP_UP;
use serde::Deserialize;

use crate::trust::KeyMaterial;
use crate::{Action, Call, Error, Trust, Verified, Verifier, options};

#[cfg(feature = "issuer")]
pub use quickstart::{AssertedArtifact, Quickstart};

/// The demo action: a pull request in a repository that doesn't exist.
pub const ACTION: &str = EXAMPLE_STEP_UP;

/// The audience of the demo's passes. No executor has it.
pub const AUDIENCE: &str = "actionpass-demo";

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrustedApprover {
    principal: Approver,
    key: KeyMaterial,
    #[serde(default)]
    roles: Vec<Role>,
}

impl TrustedApprover {
    fn entry(&self) -> Result<TrustKey, Error> {
        Ok(self
            .key
            .public_key()?
            .approval_key_of(&self.principal)
            .with_roles(self.roles.clone()))
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct VerifyOptions {
    issuer: Name,
    #[serde(default)]
    audience: Option<Audience>,
    #[serde(default)]
    tenant: Option<Tenant>,
    #[serde(default)]
    approvers: Vec<TrustedApprover>,
    #[serde(default)]
    dangerously_accept_asserted_approvals: bool,
}

/// Checks a pass with one public key (a JWK or PEM): `{issuer, audience?, tenant?, approvers?,
/// dangerouslyAcceptAssertedApprovals?}`. Tenant and audience are those of the action that is about to run unless they are stated.
///
/// # Errors
/// Every code that the pass is refused for.
pub fn verify(token: &str, action: &Action, public_key: &str, json: &str) -> Result<Verified, Error> {
    let options: VerifyOptions = options::read(json)?;
    let key = crate::trust::public_key("verificationKey", public_key)?;
    let head = action.bound().action();
    let tenant = options.tenant.clone().unwrap_or_else(|| head.tenant.clone());
    let trust = trust_in(&key, &options, &tenant)?;
    let verifier = |audience: Audience, accepts_asserted: bool| {
        let verifier = actionpass::Verifier::new(options.issuer.clone(), audience, tenant.clone());
        let verifier = if accepts_asserted {
            verifier.dangerously_accept_asserted_approvals()
        } else {
            verifier
        };
        Verifier::of(verifier, trust.clone())
    };
    let call = Call::action(action);
    let demo: Audience = options::text("audience", AUDIENCE)?;
    let stated = options.audience.clone();
    if is_demo_call(action.bound(), &options.issuer) && stated.as_ref().is_none_or(|audience| *audience == demo) {
        match verifier(demo, true).verify(token, &call) {
            // A pass for the real audience of the tool: the same action, decided by a policy of its own.
            Err(error) if stated.is_none() && error.has(VerifyCode::AudienceMismatch.as_str()) => {}
            settled => return settled,
        }
    }
    let audience = stated.unwrap_or_else(|| head.capability.tool.default_audience());
    verifier(audience, options.dangerously_accept_asserted_approvals).verify(token, &call)
}

fn trust_in(key: &PublicKey, options: &VerifyOptions, tenant: &Tenant) -> Result<Trust, Error> {
    let entry = key.pass_key_of(&options.issuer);
    let mut entries = vec![entry.with_tenants(Tenants::Only(vec![tenant.clone()]))];
    for approver in &options.approvers {
        entries.push(approver.entry()?);
    }
    Trust::of_entries(entries)
}

/// The first and the third fence.
fn is_demo_call(action: &BoundAction, issuer: &Name) -> bool {
    let demo = BoundAction::admit(ACTION.as_bytes(), &Limits::default());
    demo.is_ok_and(|demo| demo.action_hash() == action.action_hash()) && is_reserved(issuer.as_str())
}

/// Whether a name is one that nobody can have.
fn is_reserved(issuer: &str) -> bool {
    let Some(rest) = issuer.strip_prefix("https://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let last = host.rsplit('.').next().unwrap_or_default();
    !authority.contains('@') && matches!(last, "local" | "test" | "example" | "invalid" | "localhost")
}
