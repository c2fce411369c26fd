//! Changes of a trust store, as pure functions: each leaves it as it was if it refuses.

use std::collections::HashSet;

use actionpass_model::{
    KeyId, KeyStatus, LiftedRevocation, Principal, Revocation, RevocationId, RevocationTarget, Statement, Timestamp,
    TrustKey, TrustStore, codes,
};

codes! {
    /// Why a trust store was not changed.
    pub enum ChangeCode: InputRefused {
        /// There is a key with this kid already.
        KeyExists = "key_exists",
        /// There is no key with this kid.
        KeyMissing = "key_missing" => Usage,
        /// The key was revoked, which is for ever.
        KeyWasRevoked = "key_was_revoked",
        /// The key signs nothing any more already.
        KeyNotActive = "key_not_active",
        /// There is a revocation with this id already.
        RevocationExists = "revocation_exists",
        /// A revocation would be dropped that must stay.
        RevocationDropped = "revocation_dropped",
        /// There is no revocation with this id.
        RevocationMissing = "revocation_missing" => Usage,
        /// The revocation is not one of a principal, and only those can be lifted.
        RevocationNotLiftable = "revocation_not_liftable",
    }
}

/// A change that was not made.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// There is a key with this kid already.
    #[error("key `{0}` is there already")]
    KeyExists(KeyId),
    /// There is no key with this kid.
    #[error("there is no key `{0}`")]
    KeyMissing(KeyId),
    /// The key was revoked.
    #[error("key `{0}` was revoked, which is for ever")]
    KeyWasRevoked(KeyId),
    /// The key is retired or revoked.
    #[error("key `{0}` is not active")]
    KeyNotActive(KeyId),
    /// There is a revocation with this id already.
    #[error("revocation `{0}` is there already")]
    RevocationExists(RevocationId),
    /// A revocation would be dropped that must stay.
    #[error("revocation `{0}` must stay")]
    RevocationDropped(RevocationId),
    /// There is no revocation with this id.
    #[error("there is no revocation `{0}`")]
    RevocationMissing(RevocationId),
    /// What is revoked is not a principal.
    #[error("revocation `{0}` is not one of a principal, and only those can be lifted")]
    RevocationNotLiftable(RevocationId),
}

impl ChangeError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> ChangeCode {
        match self {
            Self::KeyExists(_) => ChangeCode::KeyExists,
            Self::KeyMissing(_) => ChangeCode::KeyMissing,
            Self::KeyWasRevoked(_) => ChangeCode::KeyWasRevoked,
            Self::KeyNotActive(_) => ChangeCode::KeyNotActive,
            Self::RevocationExists(_) => ChangeCode::RevocationExists,
            Self::RevocationDropped(_) => ChangeCode::RevocationDropped,
            Self::RevocationMissing(_) => ChangeCode::RevocationMissing,
            Self::RevocationNotLiftable(_) => ChangeCode::RevocationNotLiftable,
        }
    }
}

/// Adds a key.
///
/// # Errors
/// [`ChangeError::KeyExists`]; [`ChangeError::KeyWasRevoked`] also where the entry itself is gone.
pub fn add_key(trust: &mut TrustStore, key: TrustKey) -> Result<(), ChangeError> {
    if trust.is_key_revoked(&key.kid) {
        return Err(ChangeError::KeyWasRevoked(key.kid));
    }
    if trust.key(&key.kid).is_some() {
        return Err(ChangeError::KeyExists(key.kid));
    }
    trust.keys.push(key);
    Ok(())
}

/// Retires an active key: it signs nothing after `at`, and what it signed before holds until it expires.
///
/// # Errors
/// [`ChangeError::KeyMissing`], [`ChangeError::KeyWasRevoked`], [`ChangeError::KeyNotActive`].
pub fn retire_key(
    trust: &mut TrustStore,
    kid: &KeyId,
    at: Timestamp,
    superseded_by: Option<KeyId>,
    reason: Option<Statement>,
) -> Result<(), ChangeError> {
    if trust.is_key_revoked(kid) {
        return Err(ChangeError::KeyWasRevoked(kid.clone()));
    }
    let key = key_mut(trust, kid)?;
    if key.status != KeyStatus::Active {
        return Err(ChangeError::KeyNotActive(kid.clone()));
    }
    key.status = KeyStatus::Retired;
    // Never longer than it was, and never before it began.
    let end = key.not_after.map_or(at, |end| end.min(at));
    key.not_after = Some(key.not_before.map_or(end, |start| end.max(start)));
    key.superseded_by = superseded_by;
    key.reason = reason;
    Ok(())
}

/// Takes a key's entry out. What revokes it stays.
///
/// # Errors
/// [`ChangeError::KeyMissing`]; [`ChangeError::KeyWasRevoked`] if only the entry itself says that it is revoked.
pub fn remove_key(trust: &mut TrustStore, kid: &KeyId) -> Result<TrustKey, ChangeError> {
    let index = trust
        .keys
        .iter()
        .position(|key| key.kid == *kid)
        .ok_or_else(|| ChangeError::KeyMissing(kid.clone()))?;
    let key = trust.keys.remove(index);
    if key.status == KeyStatus::Revoked && !trust.is_key_revoked(kid) {
        trust.keys.insert(index, key);
        return Err(ChangeError::KeyWasRevoked(kid.clone()));
    }
    Ok(key)
}

/// Adds a revocation; one of a key marks its entry as well, if there is one.
///
/// # Errors
/// [`ChangeError::RevocationExists`].
pub fn revoke(trust: &mut TrustStore, revocation: Revocation) -> Result<(), ChangeError> {
    if trust.revocations.iter().any(|known| known.id == revocation.id) {
        return Err(ChangeError::RevocationExists(revocation.id));
    }
    if let RevocationTarget::Key(kid) = &revocation.target
        && let Ok(key) = key_mut(trust, kid)
    {
        key.status = KeyStatus::Revoked;
        key.compromised_since = earlier(key.compromised_since, revocation.compromised_since);
        key.reason = Some(revocation.reason.clone());
    }
    trust.revocations.push(revocation);
    Ok(())
}

/// Lifts a revocation of a principal, who is accepted again from the next version on. Keys stay revoked, and of passes and
/// approvals there are new ones to be had.
///
/// # Errors
/// [`ChangeError::RevocationMissing`], [`ChangeError::RevocationNotLiftable`].
pub fn lift(trust: &mut TrustStore, id: &RevocationId, reason: Statement, by: Principal) -> Result<(), ChangeError> {
    let index = trust
        .revocations
        .iter()
        .position(|revocation| revocation.id == *id)
        .ok_or_else(|| ChangeError::RevocationMissing(id.clone()))?;
    let is_principal = |revocation: &Revocation| matches!(revocation.target, RevocationTarget::Principal(_));
    if !trust.revocations.get(index).is_some_and(is_principal) {
        return Err(ChangeError::RevocationNotLiftable(id.clone()));
    }
    trust.revocations.remove(index);
    trust.lifted.push(LiftedRevocation {
        revocation: id.clone(),
        by,
        reason,
        version: trust.version.saturating_add(1),
    });
    Ok(())
}

/// Drops the revocations whose `expiresAt` has gone by, and says how many. Those of keys and principals stay.
pub fn prune(trust: &mut TrustStore, now: Timestamp) -> usize {
    let before = trust.revocations.len();
    trust.revocations.retain(|revocation| !may_go(revocation, now));
    before.saturating_sub(trust.revocations.len())
}

/// Says that the revocations are complete as of `now`: for whoever keeps the original, not a copy.
pub fn confirm_revocations(trust: &mut TrustStore, now: Timestamp) {
    trust.revocations_as_of = trust.revocations_as_of.max(now);
}

/// What no change may do, however it was made: bring a revoked key back, or drop a revocation that must stay.
pub(super) fn check_transition(before: &TrustStore, after: &TrustStore, now: Timestamp) -> Result<(), ChangeError> {
    let stay: HashSet<_> = after
        .revocations
        .iter()
        .map(|entry| (&entry.id, &entry.target))
        .collect();
    let lifted: HashSet<_> = after.lifted.iter().map(|entry| &entry.revocation).collect();
    for revocation in &before.revocations {
        let is_lifted = matches!(revocation.target, RevocationTarget::Principal(_)) && lifted.contains(&revocation.id);
        if !stay.contains(&(&revocation.id, &revocation.target)) && !is_lifted && !may_go(revocation, now) {
            return Err(ChangeError::RevocationDropped(revocation.id.clone()));
        }
    }
    for key in before.keys.iter().filter(|key| key.status == KeyStatus::Revoked) {
        let back = after
            .key(&key.kid)
            .is_some_and(|entry| entry.status != KeyStatus::Revoked);
        if back || !after.is_key_revoked(&key.kid) {
            return Err(ChangeError::KeyWasRevoked(key.kid.clone()));
        }
    }
    let known: HashSet<_> = before.keys.iter().map(|key| &key.kid).collect();
    let added = after.keys.iter().filter(|key| !known.contains(&key.kid));
    for key in added.filter(|key| key.status != KeyStatus::Revoked) {
        if after.is_key_revoked(&key.kid) {
            return Err(ChangeError::KeyWasRevoked(key.kid.clone()));
        }
    }
    Ok(())
}

fn may_go(revocation: &Revocation, now: Timestamp) -> bool {
    let permitted = match revocation.target {
        RevocationTarget::Pass { .. } | RevocationTarget::Approval { .. } => revocation.expires_at,
        RevocationTarget::Key(_) | RevocationTarget::Principal(_) => None,
    };
    permitted.is_some_and(|end| end < now)
}

fn key_mut<'a>(trust: &'a mut TrustStore, kid: &KeyId) -> Result<&'a mut TrustKey, ChangeError> {
    trust
        .keys
        .iter_mut()
        .find(|key| key.kid == *kid)
        .ok_or_else(|| ChangeError::KeyMissing(kid.clone()))
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

actionpass_model::coded_error!(ChangeError);
