//! The trust store: public keys with use, owner and validity, and revocations. Never a private key.
//!
//! Entries are made by the constructor of their use, which asks for the owner that this use has: then they are active,
//! for every tenant and all the time, which the methods `with_…` narrow. Keys that a program holds as
//! `actionpass_crypto::PublicKey` make their entries themselves.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Deserializer, Serialize};

use crate::document::{Document, DocumentCode, DocumentError, schema_tag};
use crate::ids::{Approver, Issuer, KeyId, Origin, Principal, RevocationId, Role, Statement, Tenant, fold_principal};
use crate::json::{JsonObject, present};
use crate::jwk::Jwk;
use crate::key_use::{KeyStatus, KeyUse};
use crate::revocation::{Revocation, RevocationTarget, checked};
use crate::time::Timestamp;
use crate::webauthn::{Passkey, SignatureForm};

schema_tag!(
    /// `actionpass.trust.v1`.
    TrustSchema, "actionpass.trust.v1");

/// Which tenants a key speaks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Tenants {
    /// Every tenant, written `["*"]`.
    Any,
    /// These and no other; never empty.
    Only(Vec<Tenant>),
}

impl Tenants {
    /// Whether the key speaks for this tenant.
    #[must_use]
    pub fn contains(&self, tenant: &Tenant) -> bool {
        match self {
            Self::Any => true,
            Self::Only(tenants) => tenants.contains(tenant),
        }
    }
}

impl Serialize for Tenants {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Any => ["*"].serialize(serializer),
            Self::Only(tenants) => tenants.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Tenants {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        match texts.as_slice() {
            [] => Err(serde::de::Error::custom("names no tenant; `[\"*\"]` means every one")),
            [any] if any == "*" => Ok(Self::Any),
            some => some
                .iter()
                .map(|text| Tenant::parse(text).map_err(serde::de::Error::custom))
                .collect::<Result<_, _>>()
                .map(Self::Only),
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Tenants {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Tenants".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "array", "minItems": 1,
            "items": { "type": "string", "pattern": "^(\\*|org:[!-~]{1,256})$" }
        })
    }
}

/// The algorithms of passkeys (RFC 7518 §3.1, RFC 9864 §2.2).
const PASSKEY_ALGORITHMS: [&str; 2] = ["ES256", "Ed25519"];

/// The algorithms of ledger keys: those that C2SP's signed notes have a signature type for, 0x02 and 0x01.
const LEDGER_ALGORITHMS: [&str; 2] = ["ES256", "Ed25519"];

/// One public key, with everything that says when to believe it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
#[non_exhaustive]
pub struct TrustKey {
    /// The thumbprint of the key (RFC 7638).
    pub kid: KeyId,
    /// The key.
    pub jwk: Jwk,
    /// The one algorithm that it verifies (RFC 7518 §3.1).
    pub alg: String,
    /// The one use that it has. Only `pass`, `approval` and `ledger` are enforced, and a trust store with another is refused.
    #[serde(rename = "use")]
    pub key_use: KeyUse,
    /// Whose passes or revocation lists it signs.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Issuer>,
    /// Whose approvals it signs.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub principal: Option<Approver>,
    /// The roles of that principal.
    pub roles: Vec<Role>,
    /// The tenants that it speaks for.
    pub tenants: Tenants,
    /// Whose checkpoints it signs.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// From when on it signs.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Until when it signs; retiring sets it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    /// Where it is in its life.
    pub status: KeyStatus,
    /// The key that took its place.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<KeyId>,
    /// Since when it may have been in other hands.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub compromised_since: Option<Timestamp>,
    /// Why it was retired or revoked.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub reason: Option<Statement>,
    /// What makes it a passkey, on approval keys only: then it signs assertions of an authenticator and nothing else.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub webauthn: Option<Passkey>,
    /// Additions without meaning for security.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub ext: Option<JsonObject>,
}

impl TrustKey {
    /// A key that signs passes of this issuer.
    ///
    /// For this and the other constructors: `kid` is the thumbprint of `jwk` (RFC 7638), and `alg` the one algorithm that
    /// it verifies (RFC 7518 §3.1); a keyring refuses entries whose parts don't fit each other.
    #[must_use]
    pub fn pass(kid: KeyId, jwk: Jwk, alg: &str, issuer: Issuer) -> Self {
        Self {
            issuer: Some(issuer),
            ..Self::of_use(KeyUse::Pass, kid, jwk, alg)
        }
    }

    /// A key that signs approvals of this principal, who holds no role.
    #[must_use]
    pub fn approval(kid: KeyId, jwk: Jwk, alg: &str, principal: Approver) -> Self {
        Self {
            principal: Some(principal),
            ..Self::of_use(KeyUse::Approval, kid, jwk, alg)
        }
    }

    /// A key that signs checkpoints of the log of this origin (`docs/spec/checkpoint.md`).
    #[must_use]
    pub fn ledger(kid: KeyId, jwk: Jwk, alg: &str, origin: Origin) -> Self {
        Self {
            origin: Some(origin),
            ..Self::of_use(KeyUse::Ledger, kid, jwk, alg)
        }
    }

    fn of_use(key_use: KeyUse, kid: KeyId, jwk: Jwk, alg: &str) -> Self {
        Self {
            kid,
            jwk,
            alg: alg.to_owned(),
            key_use,
            issuer: None,
            principal: None,
            roles: Vec::new(),
            tenants: Tenants::Any,
            origin: None,
            not_before: None,
            not_after: None,
            status: KeyStatus::Active,
            superseded_by: None,
            compromised_since: None,
            reason: None,
            webauthn: None,
            ext: None,
        }
    }

    /// A passkey: an approval key that signs in an authenticator, on these pages. Keys of another use are none.
    #[must_use]
    pub fn with_passkey(mut self, passkey: Passkey) -> Self {
        self.webauthn = Some(passkey);
        self
    }

    /// The one form of signatures that the key makes.
    #[must_use]
    pub const fn form(&self) -> SignatureForm {
        match self.webauthn {
            Some(_) => SignatureForm::WebAuthn,
            None => SignatureForm::Jws,
        }
    }

    /// The roles that the principal of an approval key holds; keys of another use have none.
    #[must_use]
    pub fn with_roles(mut self, roles: Vec<Role>) -> Self {
        self.roles = roles;
        self
    }

    /// The tenants that it speaks for.
    #[must_use]
    pub fn with_tenants(mut self, tenants: Tenants) -> Self {
        self.tenants = tenants;
        self
    }

    /// When it signs: from the first time to the second, both included; `None` sets no bound.
    #[must_use]
    pub const fn with_window(mut self, not_before: Option<Timestamp>, not_after: Option<Timestamp>) -> Self {
        self.not_before = not_before;
        self.not_after = not_after;
        self
    }

    /// Whether the key was one to sign with at this time: inside of `notBefore` and `notAfter`.
    #[must_use]
    pub fn signs_at(&self, time: Timestamp) -> bool {
        self.not_before.is_none_or(|start| start <= time) && self.not_after.is_none_or(|end| time <= end)
    }

    /// The principal that the key belongs to, if it belongs to one.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.principal
            .as_ref()
            .map(Approver::as_str)
            .or_else(|| self.issuer.as_ref().map(Issuer::as_str))
            .or_else(|| self.origin.as_ref().map(Origin::as_str))
    }

    /// Whether keys of this use are believed for something. Of the others nothing is checked yet.
    const fn is_enforced(&self) -> bool {
        match self.key_use {
            KeyUse::Pass | KeyUse::Approval | KeyUse::Ledger => true,
            KeyUse::Revocation | KeyUse::Root => false,
        }
    }

    /// What keeps a ledger key from signing checkpoints.
    fn ledger_problem(&self) -> Option<(&'static str, &'static str)> {
        let origin = self.origin.as_ref()?;
        if origin.as_str().contains('+') {
            return Some(("origin", "has a plus sign, which no name of a key in a signed note has"));
        }
        if !LEDGER_ALGORITHMS.contains(&self.alg.as_str()) {
            return Some((
                "alg",
                "must be ES256 or Ed25519 on ledger keys: checkpoints have no other",
            ));
        }
        if self.tenants != Tenants::Any {
            return Some((
                "tenants",
                "must be `[\"*\"]` on ledger keys: a checkpoint is of all records",
            ));
        }
        None
    }

    fn problem(&self) -> Option<(&'static str, &'static str)> {
        if let Some(member) = self.jwk.contradiction(&self.kid, &self.alg) {
            return Some((member, "contradicts the entry"));
        }
        if self.issuer.is_some() != (self.key_use == KeyUse::Pass) {
            return Some(("issuer", "must stand on pass keys, and on no other"));
        }
        if self.principal.is_some() != (self.key_use == KeyUse::Approval) {
            return Some(("principal", "must stand on approval keys, and on no other"));
        }
        if self.origin.is_some() != (self.key_use == KeyUse::Ledger) {
            return Some(("origin", "must stand on ledger keys, and on no other"));
        }
        if let Some(problem) = self.ledger_problem() {
            return Some(problem);
        }
        if !self.roles.is_empty() && self.key_use != KeyUse::Approval {
            return Some(("roles", "must be empty but on approval keys"));
        }
        if self.webauthn.is_some() && self.key_use != KeyUse::Approval {
            return Some(("webauthn", "must stand on approval keys only"));
        }
        if self.webauthn.is_some() && !PASSKEY_ALGORITHMS.contains(&self.alg.as_str()) {
            return Some((
                "webauthn",
                "must stand on keys of ES256 and Ed25519 only: no other passkey is taken",
            ));
        }
        if let (Some(start), Some(end)) = (self.not_before, self.not_after)
            && end < start
        {
            return Some(("notAfter", "is before `notBefore`"));
        }
        if self.status == KeyStatus::Retired && self.not_after.is_none() {
            return Some(("notAfter", "is missing on a retired key"));
        }
        if self.status == KeyStatus::Active && (self.superseded_by.is_some() || self.compromised_since.is_some()) {
            return Some(("status", "is `active` on a key that was superseded or compromised"));
        }
        None
    }
}

/// How many root keys must sign a trust store that is handed on. No release checks that yet, so a trust store with this
/// member is refused.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct Roots {
    /// At least so many.
    pub threshold: u32,
}

/// A revocation of a principal that no longer holds, and what the ledger's record of it says. It means nothing to
/// verifiers.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct LiftedRevocation {
    /// Which.
    pub revocation: RevocationId,
    /// Who lifted it.
    pub by: Principal,
    /// Why.
    pub reason: Statement,
    /// The version of the trust store since which it no longer holds.
    pub version: u64,
}

/// Public keys and revocations: one JSON file.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
#[non_exhaustive]
pub struct TrustStore {
    /// The version of this document.
    pub schema: TrustSchema,
    /// Grows with every write.
    pub version: u64,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// When its revocations were known to be complete.
    pub revocations_as_of: Timestamp,
    /// From when on nothing verifies with it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The keys.
    pub keys: Vec<TrustKey>,
    /// The revocations.
    #[serde(deserialize_with = "checked")]
    pub revocations: Vec<Revocation>,
    /// The revocations that were lifted, none of which stands in `revocations`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lifted: Vec<LiftedRevocation>,
    /// How many root keys must sign it: reserved, and refused until a release checks it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub roots: Option<Roots>,
    /// Additions without meaning for security.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub ext: Option<JsonObject>,
}

impl TrustStore {
    /// An empty store, version 1.
    #[must_use]
    pub const fn new(now: Timestamp) -> Self {
        Self {
            schema: TrustSchema,
            version: 1,
            updated_at: now,
            revocations_as_of: now,
            expires_at: None,
            keys: Vec::new(),
            revocations: Vec::new(),
            lifted: Vec::new(),
            roots: None,
            ext: None,
        }
    }

    /// The entry of a key.
    #[must_use]
    pub fn key(&self, kid: &KeyId) -> Option<&TrustKey> {
        self.keys.iter().find(|key| key.kid == *kid)
    }

    /// Whether a key is revoked, by its own entry or by a revocation.
    #[must_use]
    pub fn is_key_revoked(&self, kid: &KeyId) -> bool {
        self.key(kid).is_some_and(|key| key.status == KeyStatus::Revoked)
            || self
                .revocations
                .iter()
                .any(|entry| matches!(&entry.target, RevocationTarget::Key(id) if id == kid))
    }
}

impl TrustStore {
    /// Refuses what no release enforces yet: whoever writes it relies on a check that nobody makes.
    fn check_enforced(&self) -> Result<(), DocumentError> {
        let refused = |path: &str| {
            DocumentError::new(
                DocumentCode::TrustUseUnenforced,
                path,
                "is not enforced by this release, and a file that relies on it is refused",
            )
        };
        if self.roots.is_some() {
            return Err(refused("roots"));
        }
        match self.keys.iter().position(|key| !key.is_enforced()) {
            Some(index) => Err(refused(&format!("keys[{index}].use"))),
            None => Ok(()),
        }
    }
}

impl Document for TrustStore {
    const KIND: &'static str = "trust";

    fn check(&self) -> Result<(), DocumentError> {
        self.check_enforced()?;
        let wrong = |path: &str, problem: &str| Err(DocumentError::new(DocumentCode::MembersContradict, path, problem));
        let mut kids = HashSet::new();
        let mut credentials = HashSet::new();
        let mut principals: HashMap<String, &str> = HashMap::new();
        for (index, key) in self.keys.iter().enumerate() {
            if let Some((member, problem)) = key.problem() {
                return wrong(&format!("keys[{index}].{member}"), problem);
            }
            if !kids.insert(&key.kid) {
                return wrong(&format!("keys[{index}].kid"), "stands in the file twice");
            }
            if let Some(passkey) = &key.webauthn
                && !credentials.insert(passkey.credential_id())
            {
                return wrong(
                    &format!("keys[{index}].webauthn.credentialId"),
                    "stands in the file twice",
                );
            }
            let tenants = match &key.tenants {
                Tenants::Any => &[][..],
                Tenants::Only(tenants) => tenants,
            };
            for name in key
                .principal
                .iter()
                .map(Approver::as_str)
                .chain(tenants.iter().map(Tenant::as_str))
            {
                let known = principals.entry(fold_principal(name)).or_insert(name);
                if *known != name {
                    return wrong(
                        &format!("keys[{index}]"),
                        "names a principal that differs from another only in case",
                    );
                }
            }
        }
        // Ids grow with time and revocations are appended, so they are mostly in order, which rules out that one is
        // there twice.
        if !self.revocations.is_sorted_by(|before, after| before.id < after.id) {
            let mut ids = HashSet::with_capacity(self.revocations.len());
            if let Some(twice) = self.revocations.iter().find(|entry| !ids.insert(&entry.id)) {
                return wrong("revocations", &format!("holds `{}` twice", twice.id));
            }
        }
        if !self.lifted.is_empty() {
            let lifted: HashSet<_> = self.lifted.iter().map(|entry| &entry.revocation).collect();
            if let Some(both) = self.revocations.iter().find(|entry| lifted.contains(&entry.id)) {
                return wrong("lifted", &format!("holds `{}`, which is in force", both.id));
            }
        }
        Ok(())
    }
}

crate::closed::objects!(TrustKey, Roots, LiftedRevocation, TrustStore);

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const KID: &str = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";

    fn key() -> Value {
        json!({
            "kid": KID, "jwk": { "kty": "EC", "crv": "P-256", "x": "x", "y": "y" }, "alg": "ES256", "use": "pass",
            "issuer": "https://issuer.example", "roles": [], "tenants": ["*"], "status": "active"
        })
    }

    fn store(keys: &[Value]) -> Vec<u8> {
        let time = "2026-11-23T01:02:03.000Z";
        json!({
            "schema": "actionpass.trust.v1", "version": 1, "updatedAt": time, "revocationsAsOf": time,
            "keys": keys, "revocations": []
        })
        .to_string()
        .into_bytes()
    }

    fn refusal(change: impl FnOnce(&mut Value)) -> DocumentError {
        let mut key = key();
        change(&mut key);
        TrustStore::from_json(&store(&[key])).unwrap_err()
    }

    #[test]
    fn a_good_store_reads_and_round_trips() {
        let read = TrustStore::from_json(&store(&[key()])).unwrap();
        let again = TrustStore::from_json(&serde_json::to_vec(&read).unwrap()).unwrap();
        assert_eq!(read, again);
    }

    /// Each constructor makes an entry that a trust store takes, of its use.
    #[test]
    fn what_is_constructed_holds_together() {
        let jwk: Jwk = serde_json::from_value(key()["jwk"].clone()).unwrap();
        let kid = |first: char| KeyId::parse(&KID.replace('N', &first.to_string())).unwrap();
        let issuer = || Issuer::parse("https://issuer.example").unwrap();
        let approver = Approver::parse("user:a").unwrap();
        let origin = Origin::parse("issuer.example").unwrap();
        let time = |text: &str| Some(Timestamp::parse(text).unwrap());
        let mut trust = TrustStore::new(Timestamp::parse("2026-11-23T01:02:03.000Z").unwrap());
        trust.keys = vec![
            TrustKey::pass(kid('A'), jwk.clone(), "ES256", issuer()),
            TrustKey::ledger(kid('C'), jwk.clone(), "ES256", origin),
            TrustKey::approval(kid('B'), jwk, "ES256", approver)
                .with_roles(vec![Role::parse("maintainer").unwrap()])
                .with_tenants(Tenants::Only(vec![Tenant::parse("org:a").unwrap()]))
                .with_window(time("2026-11-23T01:02:03.000Z"), time("2026-11-24T01:02:03.000Z")),
        ];
        assert_eq!(trust.check(), Ok(()));
        let uses = trust.keys.iter().map(|key| key.key_use);
        assert!(uses.eq([KeyUse::Pass, KeyUse::Ledger, KeyUse::Approval]));
        let bytes = serde_json::to_vec(&trust).unwrap();
        assert_eq!(TrustStore::from_json(&bytes).unwrap(), trust);
        // The first is the one that is written by hand elsewhere in these tests.
        let mut written = key();
        written["kid"] = json!(kid('A').as_str());
        assert_eq!(serde_json::to_value(&trust.keys[0]).unwrap(), written);
    }

    #[test]
    fn contradictions_refuse_the_whole_file() {
        let other = KID.replace('N', "M");
        let changes: [(&str, &str, Value); 9] = [
            ("/jwk", "kid", json!(other)),
            ("/jwk", "alg", json!("ES384")),
            ("/jwk", "use", json!("enc")),
            ("/jwk", "key_ops", json!(["sign", "verify"])),
            ("", "use", json!("approval")),
            ("", "roles", json!(["maintainer"])),
            ("", "status", json!("retired")),
            ("", "principal", json!("user:a")),
            ("", "supersededBy", json!(other)),
        ];
        for (place, member, value) in changes {
            let error = refusal(|key| key.pointer_mut(place).unwrap()[member] = value);
            assert_eq!(
                error.code(),
                DocumentCode::MembersContradict,
                "{place}/{member}: {error}"
            );
        }
        assert_eq!(
            TrustStore::from_json(&store(&[key(), key()])).unwrap_err().code(),
            DocumentCode::MembersContradict
        );
        assert_eq!(
            refusal(|key| key["tenants"] = json!([])).code(),
            DocumentCode::MemberInvalid
        );
    }

    fn passkey(alg: &str, kid: &str) -> Value {
        let mut key = key();
        key["kid"] = json!(kid);
        key["use"] = json!("approval");
        key["alg"] = json!(alg);
        key["principal"] = json!("user:a");
        key.as_object_mut().unwrap().remove("issuer");
        key["webauthn"] = json!({
            "rpId": "approve.example.com", "origins": ["https://approve.example.com"], "credentialId": "AAAA",
        });
        key
    }

    #[test]
    fn passkeys_stand_on_approval_keys_and_are_there_once() {
        let read = |keys: &[Value]| {
            TrustStore::from_json(&store(keys)).map_err(|error| (error.code(), error.path().to_owned()))
        };
        let good = read(&[passkey("ES256", KID)]).unwrap();
        assert_eq!(good.keys[0].form(), SignatureForm::WebAuthn);
        assert_eq!(serde_json::to_value(&good.keys[0]).unwrap(), passkey("ES256", KID));
        assert!(read(&[passkey("Ed25519", KID)]).is_ok());
        let contradicts = |path: &str| Err((DocumentCode::MembersContradict, path.to_owned()));
        for alg in ["ES384", "ML-DSA-65", "RS256"] {
            assert_eq!(read(&[passkey(alg, KID)]), contradicts("keys[0].webauthn"), "{alg}");
        }
        let mut pass = key();
        pass["webauthn"] = passkey("ES256", KID)["webauthn"].clone();
        assert_eq!(read(&[pass]), contradicts("keys[0].webauthn"));
        let other = KID.replace('N', "M");
        let twice = [passkey("ES256", KID), passkey("ES256", &other)];
        assert_eq!(read(&twice), contradicts("keys[1].webauthn.credentialId"));
        // Of another principal too, and where one of them is retired.
        let mut foreign = passkey("ES256", &other);
        foreign["principal"] = json!("user:b");
        foreign["status"] = json!("retired");
        foreign["notAfter"] = json!("2026-11-23T01:02:03.000Z");
        assert_eq!(
            read(&[passkey("ES256", KID), foreign]),
            contradicts("keys[1].webauthn.credentialId")
        );
        let mut parent = passkey("ES256", KID);
        parent["webauthn"]["rpId"] = json!("example.com");
        assert_eq!(read(&[parent]), contradicts("keys[0].webauthn"));
        let mut address = passkey("ES256", KID);
        address["webauthn"]["rpId"] = json!("127.0.0.1");
        assert_eq!(
            read(&[address]),
            Err((DocumentCode::MemberInvalid, "keys[0].webauthn.rpId".into()))
        );
    }

    /// A threshold that nobody checks is no threshold, and neither is a key that signs what nobody asks for.
    #[test]
    fn what_is_not_enforced_refuses_the_whole_file() {
        let without_issuer = |key: &mut Value| {
            key.as_object_mut().unwrap().remove("issuer");
        };
        type Change = fn(&mut Value);
        let owners: [(&str, Change); 2] = [
            ("root", |_| ()),
            ("revocation", |key| key["issuer"] = json!("https://issuer.example")),
        ];
        for (key_use, own) in owners {
            let error = refusal(|key| {
                without_issuer(key);
                key["use"] = json!(key_use);
                own(key);
            });
            assert_eq!(error.code(), DocumentCode::TrustUseUnenforced, "{key_use}: {error}");
            assert_eq!(error.path(), "keys[0].use");
        }
        let mut with_roots: Value = serde_json::from_slice(&store(&[key()])).unwrap();
        with_roots["roots"] = json!({ "threshold": 1 });
        let error = TrustStore::from_json(with_roots.to_string().as_bytes()).unwrap_err();
        assert_eq!(
            (error.code(), error.path()),
            (DocumentCode::TrustUseUnenforced, "roots")
        );
        // Alone, an origin contradicts the key that it stands on.
        let error = refusal(|key| key["origin"] = json!("log.example"));
        assert_eq!(error.code(), DocumentCode::MembersContradict);
    }

    /// What stands on a ledger key is what the verification of a checkpoint asks for, and nothing that it doesn't.
    #[test]
    fn ledger_keys_are_of_one_log() {
        let ledger = |change: &dyn Fn(&mut Value)| {
            let mut key = key();
            key.as_object_mut().unwrap().remove("issuer");
            key["use"] = json!("ledger");
            key["origin"] = json!("issuer.example");
            change(&mut key);
            TrustStore::from_json(&store(&[key])).map_err(|error| (error.code(), error.path().to_owned()))
        };
        assert_eq!(ledger(&|_| ()).unwrap().keys[0].owner(), Some("issuer.example"));
        assert!(ledger(&|key| key["alg"] = json!("Ed25519")).is_ok());
        let changes: [(&str, Value); 8] = [
            ("issuer", json!("https://issuer.example")),
            ("principal", json!("user:a")),
            ("origin", json!("issuer.example/a+b")),
            ("alg", json!("ES384")),
            ("alg", json!("ML-DSA-65")),
            ("tenants", json!(["org:a"])),
            ("roles", json!(["maintainer"])),
            ("webauthn", passkey("ES256", KID)["webauthn"].clone()),
        ];
        for (member, value) in changes {
            let refused = ledger(&|key| key[member] = value.clone()).unwrap_err();
            assert_eq!(refused, (DocumentCode::MembersContradict, format!("keys[0].{member}")));
        }
        let without = ledger(&|key| drop(key.as_object_mut().unwrap().remove("origin")));
        assert_eq!(
            without.unwrap_err(),
            (DocumentCode::MembersContradict, "keys[0].origin".to_owned())
        );
    }

    #[test]
    fn a_revocation_is_there_once_in_whatever_order() {
        let revocation = |id: u8| {
            json!({
                "schema": "actionpass.revocation.v1", "id": format!("rev_{id:032x}"), "target": { "kind": "principal", "id": "agent:a" },
                "reason": "x", "revokedBy": "user:b", "revokedAt": "2026-11-23T01:02:03.000Z"
            })
        };
        let read = |ids: &[u8]| {
            let mut store: Value = serde_json::from_slice(&store(&[key()])).unwrap();
            store["revocations"] = ids.iter().map(|id| revocation(*id)).collect();
            TrustStore::from_json(store.to_string().as_bytes())
        };
        for good in [&[1, 2, 3][..], &[3, 1, 2]] {
            assert_eq!(read(good).unwrap().revocations.len(), 3);
        }
        for bad in [&[1, 1][..], &[1, 2, 2, 3], &[2, 1, 2]] {
            assert_eq!(
                read(bad).unwrap_err().code(),
                DocumentCode::MembersContradict,
                "{bad:?}"
            );
        }
    }

    #[test]
    fn what_is_lifted_is_not_in_force() {
        let lifted =
            |id: u8| json!({ "revocation": format!("rev_{id:032x}"), "by": "user:a", "reason": "x", "version": 2 });
        let mut store: Value = serde_json::from_slice(&store(&[key()])).unwrap();
        store["revocations"] = json!([{
            "schema": "actionpass.revocation.v1", "id": format!("rev_{:032x}", 1),
            "target": { "kind": "principal", "id": "agent:a" },
            "reason": "x", "revokedBy": "user:b", "revokedAt": "2026-11-23T01:02:03.000Z"
        }]);
        store["lifted"] = json!([lifted(2)]);
        let read = TrustStore::from_json(store.to_string().as_bytes()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), store);
        store["lifted"] = json!([lifted(2), lifted(1)]);
        let error = TrustStore::from_json(store.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.code(), DocumentCode::MembersContradict);
    }

    #[test]
    fn principals_alike_after_case_folding_refuse_the_file() {
        let approver = |kid: &str, principal: &str| {
            let mut key = key();
            key["kid"] = json!(kid);
            key["use"] = json!("approval");
            key["principal"] = json!(principal);
            key.as_object_mut().unwrap().remove("issuer");
            key
        };
        let other = KID.replace('N', "M");
        assert!(TrustStore::from_json(&store(&[approver(KID, "user:a"), approver(&other, "user:a")])).is_ok());
        assert!(TrustStore::from_json(&store(&[approver(KID, "user:a"), approver(&other, "user:A")])).is_err());
    }
}
