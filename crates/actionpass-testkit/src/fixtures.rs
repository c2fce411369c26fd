//! Fixed keys, documents and tokens: the same bytes in every run and every release of version 1.
//!
//! The keys sign deterministically (RFC 6979), so that whole tokens are fixed.

mod claims;
mod documents;
mod keys;

use actionpass_canon::{BoundAction, BoundFacts, Limits};
use actionpass_model::{
    ActionHead, Approver, Audience, Caller, DEMO_ACTION, Issuer, Origin, Role, Tenant, Timestamp, UnixSeconds,
};

pub use claims::{approval_claims, asserted_approval, pass_claims, pass_with_approval_claims, refusal_claims};
pub use documents::{
    approval_request, contradicting, observed, record_drafts, revocation, revoke, sealed_ledger, trust_store,
    trust_store_with_passkey,
};
pub use keys::{FixtureKey, approval_key, pass_key};

/// A pull request with everything that an action can have, as JSON.
pub const ACTION: &str = include_str!("fixtures/action.json");

/// Facts that the starter policy asks of a pull request, as JSON.
pub const FACTS: &str = include_str!("fixtures/facts.json");

/// A pass for [`ACTION`], as [`FixtureKey::ISSUER`] signs [`pass_claims`].
pub const PASS: &str = include_str!("fixtures/pass.jwt").trim_ascii_end();

/// A pass for [`ACTION`] that rests on [`APPROVAL`], as [`FixtureKey::ISSUER`] signs [`pass_with_approval_claims`].
pub const PASS_WITH_APPROVAL: &str = include_str!("fixtures/pass_with_approval.jwt").trim_ascii_end();

/// An approval of [`ACTION`], as [`FixtureKey::APPROVER`] signs [`approval_claims`].
pub const APPROVAL: &str = include_str!("fixtures/approval.jwt").trim_ascii_end();

/// When the fixtures take place: 2026-11-23T01:02:03.000Z.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::parse("2026-11-23T01:02:03.000Z").expect("it is a time")
}

/// The same in whole seconds.
#[must_use]
pub fn seconds() -> UnixSeconds {
    now().to_unix_seconds()
}

macro_rules! text {
    ($($(#[$meta:meta])* $name:ident: $type:ident = $text:literal;)+) => {$(
        $(#[$meta])*
        #[doc = concat!(": `", $text, "`.")]
        #[must_use]
        pub fn $name() -> $type {
            $type::parse($text).expect("it is a constant that its type allows")
        }
    )+};
}
text! {
    /// The issuer, whose key is [`FixtureKey::ISSUER`]
    issuer: Issuer = "https://issuer.example";
    /// Another issuer that the fixtures' trust store knows, whose key is [`FixtureKey::OTHER_ISSUER`]
    other_issuer: Issuer = "https://other-issuer.example";
    /// The tenant
    tenant: Tenant = "org:example";
    /// Another tenant
    other_tenant: Tenant = "org:other";
    /// The audience of the fixtures' passes
    audience: Audience = "github-executor";
    /// The approver, whose key is [`FixtureKey::APPROVER`]
    approver: Approver = "user:maintainer@example.com";
    /// Another approver, whose key is [`FixtureKey::SECOND_APPROVER`]
    second_approver: Approver = "user:security@example.com";
    /// The role of both approvers
    maintainer: Role = "maintainer";
    /// The role of the second approver alone
    security: Role = "security";
    /// The origin of the issuer's log
    origin: Origin = "issuer.example/log";
}

/// Admits the JSON of an action.
///
/// # Panics
/// If it isn't admitted.
#[must_use]
pub fn admit(json: &str) -> BoundAction {
    BoundAction::admit(json.as_bytes(), &Limits::default()).expect("the action is admitted")
}

/// [`ACTION`], admitted.
#[must_use]
pub fn action() -> BoundAction {
    admit(ACTION)
}

/// [`DEMO_ACTION`], admitted.
#[must_use]
pub fn demo_action() -> BoundAction {
    admit(DEMO_ACTION)
}

/// [`FACTS`], admitted.
#[must_use]
pub fn facts() -> BoundFacts {
    BoundFacts::admit(FACTS.as_bytes(), &Limits::default()).expect("the facts are admitted")
}

/// Who calls, as a host states it that agrees with the action.
#[must_use]
pub fn caller(action: &ActionHead) -> Caller {
    Caller {
        tenant: action.tenant.clone(),
        actor: action.actor.clone(),
    }
}

#[cfg(test)]
mod tests {
    use actionpass_model::SignedDocument;
    use actionpass_verify::{Call, Trust, Verifier};

    use super::*;
    use crate::tokens;

    fn signed<D: SignedDocument>(key: FixtureKey, document: &D) -> String {
        tokens::sign(key, document)
    }

    #[test]
    fn tokens_are_what_the_keys_sign() {
        let action = action();
        assert_eq!(signed(FixtureKey::APPROVER, &approval_claims(&action)), APPROVAL);
        assert_eq!(signed(FixtureKey::ISSUER, &pass_claims(&action)), PASS);
        assert_eq!(
            signed(FixtureKey::ISSUER, &pass_with_approval_claims(&action, APPROVAL)),
            PASS_WITH_APPROVAL
        );
    }

    #[test]
    fn passes_verify() {
        let trust = Trust::parse(&serde_json::to_vec(&trust_store()).unwrap()).unwrap();
        let verifier = Verifier::new(issuer(), audience(), tenant());
        let action = action();
        for token in [PASS, PASS_WITH_APPROVAL] {
            let pass = verifier
                .verify(token, &Call::action(&action), &trust, seconds())
                .unwrap();
            assert_eq!(pass.payload(), action.payload());
        }
    }
}
