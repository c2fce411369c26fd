//! [`Keyring`]: public keys by id, each with the one algorithm and the one use that it has.

use std::collections::HashSet;
use std::sync::Arc;

use actionpass_model::{Code, KeyId, KeyStatus, RevocationTarget, TrustKey, TrustStore};

use crate::key::KeyError;
use crate::{Algorithm, PublicKey};

actionpass_model::codes! {
    /// Why a set of keys was refused as a whole. What is wrong with one key itself has the codes of keys.
    pub enum KeyringCode: InputRefused {
        /// Two entries have the same key id.
        Duplicate = "key_duplicate",
        /// The entry's `alg` is not that of its key.
        AlgorithmContradiction = "key_algorithm_contradiction",
    }
}

/// Public keys by key id, parsed and checked once.
///
/// A verifier builds one whenever its trust store changes and shares it; it never changes itself.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    /// Sorted by kid, so that looking one up needs no hash of what a stranger sent.
    entries: Vec<Arc<KeyEntry>>,
}

/// A key of a keyring: the parsed key, and what the trust store says of it.
#[derive(Clone, Debug)]
pub struct KeyEntry {
    key: PublicKey,
    trust: TrustKey,
    is_revoked: bool,
}

/// A set of keys that was refused as a whole.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("key {index} (`{kid}`) of the set is refused")]
pub struct KeyringError {
    index: usize,
    kid: KeyId,
    #[source]
    fault: KeyFault,
}

/// What is wrong with one key of a set.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFault {
    /// The key itself.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Another entry has the same key id.
    #[error("its id stands in the set twice")]
    Duplicate,
    /// `alg` is not the algorithm of the key.
    #[error("its `alg` is not that of the key")]
    AlgorithmContradiction,
}

impl Keyring {
    /// A keyring of these keys, whole or not at all.
    ///
    /// Only `status` says here that a key is revoked; [`from_trust`](Self::from_trust) reads revocations too.
    ///
    /// # Errors
    /// [`KeyringError`] names the first key that is malformed, off its curve, not what its `kid` or `alg` say, or
    /// there twice.
    pub fn from_keys(keys: impl IntoIterator<Item = TrustKey>) -> Result<Self, KeyringError> {
        Self::build(keys.into_iter(), &HashSet::new())
    }

    /// A keyring of a trust store's keys, revoked where their status or a revocation says so.
    ///
    /// # Errors
    /// [`KeyringError`], as [`from_keys`](Self::from_keys).
    pub fn from_trust(trust: &TrustStore) -> Result<Self, KeyringError> {
        let revoked = trust
            .revocations
            .iter()
            .filter_map(|revocation| match &revocation.target {
                RevocationTarget::Key(kid) => Some(kid),
                _ => None,
            });
        Self::build(trust.keys.iter().cloned(), &revoked.collect())
    }

    fn build(keys: impl Iterator<Item = TrustKey>, revoked: &HashSet<&KeyId>) -> Result<Self, KeyringError> {
        let mut seen = HashSet::new();
        let mut entries = Vec::with_capacity(keys.size_hint().0);
        for (index, trust) in keys.enumerate() {
            let is_new = seen.insert(trust.kid.clone());
            let checked = if is_new {
                parse(&trust)
            } else {
                Err(KeyFault::Duplicate)
            };
            match checked {
                Ok(key) => {
                    let is_revoked = trust.status == KeyStatus::Revoked || revoked.contains(&trust.kid);
                    entries.push(Arc::new(KeyEntry { key, trust, is_revoked }));
                }
                Err(fault) => {
                    return Err(KeyringError {
                        index,
                        kid: trust.kid,
                        fault,
                    });
                }
            }
        }
        entries.sort_unstable_by(|a, b| a.kid().cmp(b.kid()));
        Ok(Self { entries })
    }

    /// The entry of a key.
    #[must_use]
    pub fn get(&self, kid: &KeyId) -> Option<&Arc<KeyEntry>> {
        self.find(kid.as_str())
    }

    /// The entry of what a token calls its key, which may be no key id at all.
    pub(crate) fn find(&self, kid: &str) -> Option<&Arc<KeyEntry>> {
        let place = self
            .entries
            .binary_search_by(|entry| entry.kid().as_str().cmp(kid))
            .ok()?;
        self.entries.get(place)
    }

    /// Every entry, in the order of key ids.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<KeyEntry>> {
        self.entries.iter()
    }

    /// How many keys there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no key: then nothing verifies.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

fn parse(trust: &TrustKey) -> Result<PublicKey, KeyFault> {
    let key = PublicKey::from_jwk(&trust.jwk)?;
    if trust.alg != key.algorithm().as_str() {
        return Err(KeyFault::AlgorithmContradiction);
    }
    if trust.kid != *key.kid() {
        return Err(KeyError::IdMismatch.into());
    }
    Ok(key)
}

impl KeyEntry {
    /// The key.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The key's id.
    #[must_use]
    pub const fn kid(&self) -> &KeyId {
        self.key.kid()
    }

    /// The one algorithm that it verifies.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// What the trust store says of it: use, owner, tenants, validity.
    #[must_use]
    pub const fn trust(&self) -> &TrustKey {
        &self.trust
    }

    /// Whether nothing that it signed is accepted.
    #[must_use]
    pub const fn is_revoked(&self) -> bool {
        self.is_revoked
    }
}

impl KeyringError {
    /// Which key of the set, counted from 0.
    #[must_use]
    pub const fn index(&self) -> usize {
        self.index
    }

    /// The id that the entry claims.
    #[must_use]
    pub const fn kid(&self) -> &KeyId {
        &self.kid
    }

    /// What is wrong with it.
    #[must_use]
    pub const fn fault(&self) -> &KeyFault {
        &self.fault
    }

    /// The stable code: of the key, or of the set.
    #[must_use]
    pub fn code(&self) -> Code {
        match &self.fault {
            KeyFault::Key(error) => error.code().into(),
            KeyFault::Duplicate => KeyringCode::Duplicate.into(),
            KeyFault::AlgorithmContradiction => KeyringCode::AlgorithmContradiction.into(),
        }
    }
}

actionpass_model::coded_error!(KeyringError);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{revocation_of, trust_key, trust_store};
    use crate::{Signer, SoftwareKey};

    fn key() -> TrustKey {
        trust_key(SoftwareKey::generate().unwrap().public_key())
    }

    #[test]
    fn keys_are_found_by_id() {
        let keys: Vec<_> = (0..20).map(|_| key()).collect();
        let keyring = Keyring::from_keys(keys.clone()).unwrap();
        assert_eq!(keyring.len(), 20);
        for key in &keys {
            assert_eq!(keyring.get(&key.kid).unwrap().trust(), key);
        }
        assert!(keyring.get(&key().kid).is_none());
        assert!(keyring.find("").is_none() && keyring.find("kid-ec-sign").is_none());
        assert!(Keyring::default().is_empty());
    }

    #[test]
    fn one_bad_key_refuses_the_set() {
        let refusal = |change: &dyn Fn(&mut TrustKey, &TrustKey)| {
            let first = key();
            let mut bad = key();
            change(&mut bad, &first);
            let error = Keyring::from_keys([first, bad.clone()]).unwrap_err();
            assert_eq!((error.index(), error.kid()), (1, &bad.kid));
            error.code()
        };
        assert_eq!(refusal(&|bad, first| bad.clone_from(first)), "key_duplicate");
        assert_eq!(refusal(&|bad, _| bad.kid = key().kid), "key_id_mismatch");
        assert_eq!(
            refusal(&|bad, _| bad.alg = "ES384".to_owned()),
            "key_algorithm_contradiction"
        );
        assert_eq!(
            refusal(&|bad, _| bad.jwk.crv = Some("P-521".to_owned())),
            "key_unsupported"
        );
        assert_eq!(refusal(&|bad, _| bad.jwk.y.clone_from(&bad.jwk.x)), "key_not_on_curve");
        assert_eq!(
            refusal(&|bad, _| bad.jwk.key_use = Some("enc".to_owned())),
            "key_contradiction"
        );
    }

    #[test]
    fn a_revocation_revokes_whatever_the_status_says() {
        let mut keys = [key(), key(), key()];
        keys[1].status = KeyStatus::Revoked;
        let mut trust = trust_store(keys.to_vec());
        trust.revocations.push(revocation_of(&keys[2].kid));
        let keyring = Keyring::from_trust(&trust).unwrap();
        let revoked = keys.each_ref().map(|key| keyring.get(&key.kid).unwrap().is_revoked());
        assert_eq!(revoked, [false, true, true]);
    }
}
