//! [`approve`]: an approver's signed yes.

use std::time::Duration;

use actionpass::Approver;
use actionpass::custody::within;
use actionpass::model::{Approver as Name, Digest, Issuer, RuleId, Statement};
use serde::Deserialize;

use crate::signer::SIGNING_TIME;
use crate::{Action, Error, SigningKey, options};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Options {
    /// Whose passes it is for.
    issuer: Issuer,
    /// Who approves.
    #[serde(rename = "as")]
    approver: Name,
    reason: Statement,
    #[serde(default)]
    mode: Mode,
    /// In seconds.
    #[serde(default)]
    lifetime: Option<u64>,
    #[serde(default)]
    policy_digest: Option<Digest>,
    #[serde(default)]
    rules: Option<Vec<RuleId>>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Mode {
    #[default]
    Human,
    PolicyOverride,
}

/// Signs an approval of exactly this action: `{issuer, as, reason, mode?, lifetime?}`, or with `mode: "policy_override"` and
/// `policyDigest` and `rules` the lifting of these deny rules. `lifetime` is in seconds, 15 minutes unless it is set. Gives the
/// token.
///
/// Whoever calls it has shown the exact payload to the person whose key signs.
///
/// # Errors
/// [`BindingCode::ArgumentInvalid`](crate::BindingCode::ArgumentInvalid); `custodian_unavailable`, `signature_self_check_failed` and
/// what else a key says: nothing was approved.
pub async fn approve(action: Action, key: SigningKey, json: &str) -> Result<String, Error> {
    let options: Options = options::read(json)?;
    let mut approver = Approver::new(options.approver, key.signer().clone());
    if let Some(seconds) = options.lifetime {
        approver = approver.with_lifetime(Duration::from_secs(seconds));
    }
    let (issuer, reason, action) = (options.issuer, options.reason, action.bound());
    let signed = match (options.mode, options.policy_digest, options.rules) {
        (Mode::Human, None, None) => within(SIGNING_TIME, approver.approve(action, issuer, reason)).await,
        (Mode::PolicyOverride, Some(policy), Some(rules)) => {
            let lifting = approver.override_denial(action, issuer, reason, policy, rules);
            within(SIGNING_TIME, lifting).await
        }
        (Mode::Human, ..) => {
            return Err(Error::argument(
                "mode",
                "`policyDigest` and `rules` go with `policy_override`",
            ));
        }
        (Mode::PolicyOverride, ..) => {
            return Err(Error::argument(
                "mode",
                "`policy_override` says `policyDigest` and `rules`",
            ));
        }
    };
    let custodian = || key.signer().custodian().into();
    Ok(signed.ok_or_else(|| actionpass::crypto::SignError::TimedOut { custodian: custodian() })??)
}
