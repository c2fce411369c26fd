//! [`KeyStanding`]: what a signature of the past is worth as evidence, now that its key has moved on.

use actionpass_model::{KeyId, KeyStatus, Timestamp, TrustKey};

use crate::trust::{Trust, signs_in};

actionpass_model::codes! {
    /// How a key stands to something that it signed at some time. Nothing here makes a token of a revoked key verify:
    /// it is for whoever weighs records.
    pub enum StandingCode: Reason {
        /// The key could sign then, and still can.
        Active = "key_active",
        /// The key could sign then; another has since taken its place.
        Superseded = "key_superseded",
        /// The key could sign then; it has since been retired.
        Retired = "key_retired",
        /// The key was revoked later, and nothing says that it was in other hands by then.
        RevokedLater = "key_revoked_later",
        /// The key was revoked, or may have been in other hands, by then: somebody else may have signed.
        InDoubt = "key_in_doubt",
        /// The key was not to sign then: before its time or after it.
        OutOfTime = "key_out_of_time",
        /// The trust store doesn't have the key.
        Unknown = "key_not_in_store",
    }
}

/// How a key stands to a signature of some time, by what a trust store says today.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyStanding {
    code: StandingCode,
    revoked_at: Option<Timestamp>,
    compromised_since: Option<Timestamp>,
}

/// When a key was revoked, and since when it may have been in other hands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyRevoked {
    pub(crate) at: Timestamp,
    pub(crate) compromised_since: Option<Timestamp>,
}

impl KeyStanding {
    /// In a word.
    #[must_use]
    pub const fn code(&self) -> StandingCode {
        self.code
    }

    /// When the key was revoked, if it was and the store says when.
    #[must_use]
    pub const fn revoked_at(&self) -> Option<Timestamp> {
        self.revoked_at
    }

    /// Since when it may have been in other hands, if somebody knows.
    #[must_use]
    pub const fn compromised_since(&self) -> Option<Timestamp> {
        self.compromised_since
    }

    /// Whether the signature is still evidence that the key's owner signed.
    #[must_use]
    pub const fn holds(&self) -> bool {
        matches!(
            self.code,
            StandingCode::Active | StandingCode::Superseded | StandingCode::Retired | StandingCode::RevokedLater
        )
    }
}

impl Trust {
    /// How a key stands to something that it signed at this time, which the caller has from elsewhere: out of a record
    /// whose place in the log is known, never out of the signed text itself, whose time a thief chooses.
    #[must_use]
    pub fn standing(&self, kid: &KeyId, at: Timestamp) -> KeyStanding {
        let Some(entry) = self.keyring().get(kid) else {
            return plain(StandingCode::Unknown);
        };
        let key = entry.trust();
        if !entry.is_revoked() {
            return plain(by_window(key, at));
        }
        let revoked = self.key_revoked(kid);
        let compromised_since = earlier(revoked.and_then(|it| it.compromised_since), key.compromised_since);
        let revoked_at = revoked.map(|it| it.at);
        let code = match earlier(revoked_at, compromised_since) {
            // A bound that nobody knows may lie before any signature.
            None => StandingCode::InDoubt,
            Some(bound) if bound <= at => StandingCode::InDoubt,
            Some(_) if !signs_in(key, at.to_unix_seconds()) => StandingCode::OutOfTime,
            Some(_) => StandingCode::RevokedLater,
        };
        KeyStanding {
            code,
            revoked_at,
            compromised_since,
        }
    }
}

fn by_window(key: &TrustKey, at: Timestamp) -> StandingCode {
    if !signs_in(key, at.to_unix_seconds()) {
        return StandingCode::OutOfTime;
    }
    match (key.status, &key.superseded_by) {
        (KeyStatus::Retired, Some(_)) => StandingCode::Superseded,
        (KeyStatus::Retired, None) => StandingCode::Retired,
        _ => StandingCode::Active,
    }
}

const fn plain(code: StandingCode) -> KeyStanding {
    KeyStanding {
        code,
        revoked_at: None,
        compromised_since: None,
    }
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    [one, other].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use actionpass_crypto::{Signer, SoftwareKey};
    use serde_json::{Value, json};

    use super::*;

    const MADE: &str = "2026-01-01T00:00:00.000Z";
    const RETIRED: &str = "2026-03-01T00:00:00.000Z";

    fn time(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    /// Standings at one time of a key whose entry and revocations were changed.
    fn codes(change: impl FnOnce(&mut Value, &mut Vec<Value>)) -> [&'static str; 4] {
        let key = SoftwareKey::generate().unwrap();
        let kid = key.public_key().kid();
        let mut entry = json!({
            "kid": kid, "jwk": key.public_key().to_jwk(), "alg": "ES256", "use": "pass", "issuer": "https://issuer.example",
            "roles": [], "tenants": ["*"], "status": "active", "notBefore": MADE,
        });
        let mut revocations = Vec::new();
        change(&mut entry, &mut revocations);
        for (number, revocation) in revocations.iter_mut().enumerate() {
            revocation["schema"] = "actionpass.revocation.v1".into();
            revocation["id"] = format!("rev_0192000000007000800000000000000{number}").into();
            revocation["target"] = json!({ "kind": "key", "id": kid });
            revocation["reason"] = "r".into();
            revocation["revokedBy"] = "user:a".into();
        }
        let store = json!({
            "schema": "actionpass.trust.v1", "version": 1, "updatedAt": MADE, "revocationsAsOf": MADE,
            "keys": [entry], "revocations": revocations,
        });
        let trust = Trust::parse(store.to_string().as_bytes()).unwrap();
        [
            "2025-12-31T23:59:00.000Z",
            "2026-02-01T00:00:00.000Z",
            "2026-03-01T00:00:00.500Z",
            "2026-05-01T00:00:00.000Z",
        ]
        .map(|at| trust.standing(kid, time(at)).code().as_str())
    }

    #[test]
    fn each_end_of_a_key_has_its_standing() {
        assert_eq!(
            codes(|_, _| {}),
            ["key_out_of_time", "key_active", "key_active", "key_active"]
        );
        let retire = |entry: &mut Value| {
            entry["status"] = "retired".into();
            entry["notAfter"] = RETIRED.into();
        };
        assert_eq!(
            codes(|entry, _| retire(entry)),
            ["key_out_of_time", "key_retired", "key_retired", "key_out_of_time"]
        );
        let superseded = codes(|entry, _| {
            retire(entry);
            entry["supersededBy"] = SoftwareKey::generate().unwrap().public_key().kid().as_str().into();
        });
        assert_eq!(
            superseded,
            ["key_out_of_time", "key_superseded", "key_superseded", "key_out_of_time"]
        );
    }

    #[test]
    fn doubt_begins_with_the_earliest_that_is_known() {
        let april = json!({ "revokedAt": "2026-04-01T00:00:00.000Z" });
        let february = "2026-02-15T00:00:00.000Z";
        assert_eq!(
            codes(|_, revocations| revocations.push(april.clone())),
            [
                "key_out_of_time",
                "key_revoked_later",
                "key_revoked_later",
                "key_in_doubt"
            ]
        );
        let since = codes(|_, revocations| {
            revocations.push(json!({ "revokedAt": "2026-04-01T00:00:00.000Z", "compromisedSince": february }));
        });
        assert_eq!(
            since,
            ["key_out_of_time", "key_revoked_later", "key_in_doubt", "key_in_doubt"]
        );
        // A second revocation with a later date takes no doubt away.
        let twice = codes(|_, revocations| {
            revocations.push(json!({ "revokedAt": "2026-04-01T00:00:00.000Z", "compromisedSince": february }));
            revocations.push(april.clone());
        });
        assert_eq!(twice, since);
        // An entry that only says `revoked` says nothing of when.
        let unknown = codes(|entry, _| entry["status"] = "revoked".into());
        assert_eq!(unknown, ["key_in_doubt"; 4]);
    }

    #[test]
    fn a_key_that_is_gone_is_unknown() {
        let store = json!({
            "schema": "actionpass.trust.v1", "version": 1, "updatedAt": MADE, "revocationsAsOf": MADE, "keys": [],
            "revocations": [],
        });
        let trust = Trust::parse(store.to_string().as_bytes()).unwrap();
        let kid = SoftwareKey::generate().unwrap().public_key().kid().clone();
        let standing = trust.standing(&kid, time(MADE));
        assert_eq!((standing.code(), standing.holds()), (StandingCode::Unknown, false));
    }
}
