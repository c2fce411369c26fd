//! [`Administrator`]: what changes about an issuer, and the record of each change.

use std::sync::Arc;

use actionpass_crypto::Keyring;
use actionpass_model::{
    Code, CodedError, DocumentError, KeyBody, KeyEvent, KeyEventSchema, KeyId, KeyStatus, LiftedRevocation, PolicyBody,
    PolicyChangeSchema, PolicyRef, Principal, RecordId, Revocation, RevocationId, Statement, Timestamp, TrustEvidence,
    TrustKey, TrustStore, UseBody, UseSchema,
};
use actionpass_policy::PolicyEngine;
use actionpass_store::ledger::{RecordBody, RecordDraft, RecordRef};
use actionpass_store::trust_file::{AnyError, ChangeError, TrustFileCode, TrustFileError, TrustSnapshot, change};
use actionpass_store::{
    Batch, Ledger, SideKind, StoreCode, StoreError, TrustChange, TrustChanged, TrustDocument, newest_trust,
};
use actionpass_verify::{Clock, VerifiedPass, VerifyCode};

use crate::environment::{Random, System, random_salt, uuid};
use crate::revoke::{lift, lost, put_back, reconcile_with, revoke};
use crate::{AuthorizeCode, NewRevocation, RevokeError};

/// How often another policy is put into force because somebody brought it meanwhile.
const MAX_POLICIES: usize = 8;

/// Whoever changes an issuer's trust and policy: each change is made and then recorded, so that the ledger never says what
/// isn't so and a decision never rests on what was replaced.
///
/// Cheap to clone; clones change the same issuer. An [`Issuer`](crate::Issuer) has one; a program that only administers
/// needs no signing key.
#[derive(Clone, Debug)]
pub struct Administrator {
    trust: Arc<dyn TrustDocument>,
    pub(crate) ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    salted_commitments: bool,
    /// A version of the trust store that was seen outside of the ledger.
    seen: u64,
}

/// A change of a key that was made and recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct KeyChanged {
    /// The version of the trust store and its digest since.
    pub trust: TrustEvidence,
    /// When.
    pub at: Timestamp,
    /// Its record.
    pub record: RecordRef,
}

/// A change was not made, or it was made and the ledger doesn't say so yet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// The trust store was not read or not changed.
    #[error(transparent)]
    Trust(#[from] TrustFileError),
    /// The ledger doesn't hold the record. A change of the trust store before it is in force.
    #[error("the ledger doesn't hold the record")]
    Ledger(#[from] StoreError),
    /// The trust store is older than one that the ledger knows, or another one of the same version: with it what was
    /// revoked since would be accepted again.
    #[error("the trust store is version {}, and the ledger knows {} version {}", .found.version, another(.known, .found), .known.version)]
    RolledBack {
        /// The one that was read.
        found: TrustEvidence,
        /// The one that the ledger knows.
        known: TrustEvidence,
    },
    /// The trust store lacks a revocation that the ledger holds: it went back, and was changed since.
    #[error("the trust store, version {}, lacks the revocation {revocation} that the ledger holds", .found.version)]
    RevocationLost {
        /// The one that was read.
        found: TrustEvidence,
        /// The first that it lacks.
        revocation: RevocationId,
    },
    /// The trust store is older than one that was seen outside of the ledger.
    #[error("the trust store is version {}, and version {seen} was seen before", .found.version)]
    Older {
        /// The one that was read.
        found: TrustEvidence,
        /// The version that was seen.
        seen: u64,
    },
    /// It is revoked, and the ledger doesn't say so yet: [`Administrator::open`] appends the record.
    #[error("it is revoked, but the ledger doesn't hold the record yet")]
    Unrecorded {
        /// The revocation.
        revocation: Box<Revocation>,
        /// Why it was not recorded.
        source: StoreError,
    },
    /// A step that is not the issuer's own, such as writing a configuration, failed.
    #[error("the new key was not named")]
    Step {
        /// Its code.
        code: Code,
        /// Its own error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Each time that a policy had come into force, another one was there.
    #[error("other policies came into force for too long")]
    PolicyMoves,
    /// The time is not known.
    #[error("the time is not known")]
    ClockUnknown,
    /// There is no randomness to make an id from.
    #[error("no randomness is to be had")]
    NoRandomness,
}

fn key_body(
    event: KeyEvent,
    key: &TrustKey,
    superseded_by: Option<KeyId>,
    reason: Option<Statement>,
    trust: TrustEvidence,
) -> KeyBody {
    KeyBody {
        schema: KeyEventSchema,
        event,
        kid: key.kid.clone(),
        key_use: key.key_use,
        // INVARIANT: the text of a principal or an issuer is a statement too.
        owner: key.owner().and_then(|owner| Statement::parse(owner).ok()),
        roles: Some(key.roles.clone()),
        tenants: Some(key.tenants.clone()),
        superseded_by,
        reason,
        trust,
    }
}

fn entry_of(trust: &TrustStore, kid: &KeyId) -> Result<TrustKey, ChangeError> {
    let entry = trust.key(kid).cloned();
    entry.ok_or_else(|| ChangeError::KeyMissing(kid.clone()))
}

const fn another(known: &TrustEvidence, found: &TrustEvidence) -> &'static str {
    if known.version == found.version {
        "another"
    } else {
        "the newer"
    }
}

impl AdminError {
    /// The stable code: where a change was refused, that of what refused it.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Trust(error) => trust_code(error),
            Self::Ledger(error) => error.code().into(),
            Self::RolledBack { .. } | Self::RevocationLost { .. } | Self::Older { .. } => {
                TrustFileCode::TrustRolledBack.into()
            }
            Self::Unrecorded { source, .. } => source.code().into(),
            Self::Step { code, .. } => code.clone(),
            Self::PolicyMoves => StoreCode::StoreBusy.into(),
            Self::ClockUnknown => VerifyCode::ClockUnknown.into(),
            Self::NoRandomness => AuthorizeCode::RandomnessUnavailable.into(),
        }
    }
}

actionpass_model::coded_error!(AdminError);

impl AdminError {
    /// Whether the trust store is certainly as it was before.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        match self {
            Self::Trust(error) => error.code() != TrustFileCode::TrustUnwritable,
            Self::Ledger(_) | Self::Step { .. } => false,
            Self::Unrecorded { .. } => false,
            Self::RolledBack { .. }
            | Self::RevocationLost { .. }
            | Self::Older { .. }
            | Self::PolicyMoves
            | Self::ClockUnknown
            | Self::NoRandomness => true,
        }
    }
}

impl From<RevokeError> for AdminError {
    fn from(error: RevokeError) -> Self {
        match error {
            RevokeError::Trust(error) => Self::Trust(error),
            RevokeError::Ledger(error) => Self::Ledger(error),
            RevokeError::Unrecorded { revocation, source } => Self::Unrecorded { revocation, source },
            RevokeError::NoRandomness => Self::NoRandomness,
        }
    }
}

/// What refused a change says more than that it was refused.
pub(crate) fn trust_code(error: &TrustFileError) -> Code {
    let source = std::error::Error::source(error);
    let of = |source: &(dyn std::error::Error + 'static)| {
        let change = source.downcast_ref::<ChangeError>().map(|error| error.code().into());
        let keys = || {
            source
                .downcast_ref::<actionpass_crypto::KeyringError>()
                .map(CodedError::code)
        };
        let document = || source.downcast_ref::<DocumentError>().map(CodedError::code);
        change.or_else(keys).or_else(document)
    };
    source.and_then(of).unwrap_or_else(|| error.code().into())
}

/// A new key in the place of the old one: one that signs passes, or one that signs heads of the ledger.
#[derive(Debug)]
pub struct Rotation {
    /// The new key's entry. It speaks for the tenants that the issuer is configured for now, which may be others than those
    /// of the old one.
    pub new: TrustKey,
    /// The key that signs until then, where it is known: it is retired.
    pub old: Option<KeyId>,
    /// Why.
    pub reason: Option<Statement>,
}

/// A rotation that was carried out.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Rotated {
    /// That the new key is believed; `None` if it was before.
    pub added: Option<KeyChanged>,
    /// That the old one is retired; `None` if it was before, or isn't known.
    pub retired: Option<KeyChanged>,
}

impl Administrator {
    /// Whoever changes this trust store and records it in this ledger. Nothing is read yet.
    #[must_use]
    pub fn new(trust: Arc<dyn TrustDocument>, ledger: Arc<dyn Ledger>) -> Self {
        Self {
            trust,
            ledger,
            clock: Arc::new(System),
            random: Arc::new(System),
            salted_commitments: false,
            seen: 0,
        }
    }

    /// Refuses a trust store below this version as well, which was seen outside of the ledger: by a witness, for instance.
    #[must_use]
    pub const fn with_seen_version(mut self, version: u64) -> Self {
        self.seen = version;
        self
    }

    /// Whether an error says that the trust store went back, so that [`put_back_revocations`](Self::put_back_revocations)
    /// can go on from it.
    #[must_use]
    pub const fn went_back(error: &AdminError) -> bool {
        matches!(
            error,
            AdminError::RolledBack { .. } | AdminError::RevocationLost { .. } | AdminError::Older { .. }
        )
    }

    /// Goes by this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Makes ids of this randomness.
    #[must_use]
    pub fn with_random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// Whether uses are recorded with salted commitments, as
    /// [`IssuerConfig::with_salted_commitments`](crate::IssuerConfig::with_salted_commitments) has it.
    #[must_use]
    pub const fn with_salted_commitments(mut self, are_salted: bool) -> Self {
        self.salted_commitments = are_salted;
        self
    }

    /// The trust store.
    #[must_use]
    pub fn trust(&self) -> &Arc<dyn TrustDocument> {
        &self.trust
    }

    /// The ledger.
    #[must_use]
    pub fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.ledger
    }

    /// What a program does before anything else: refuses a trust store that went back, and appends the records of
    /// revocations that a crash kept out of the ledger. Gives the trust store as it was read.
    ///
    /// # Errors
    /// [`AdminError::RolledBack`], [`AdminError::RevocationLost`], [`AdminError::Older`]; [`AdminError::Trust`] and [`AdminError::Ledger`] if they can't be read.
    pub async fn open(&self) -> Result<TrustSnapshot, AdminError> {
        self.open_with(self.trust.read().await?).await
    }

    /// The same for a trust store that was read a moment ago.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub async fn open_with(&self, snapshot: TrustSnapshot) -> Result<TrustSnapshot, AdminError> {
        let snapshot = self.refuse_rollback(snapshot).await?;
        let appended = reconcile_with(&snapshot, &*self.ledger, self.now()?, &*self.random).await?;
        if appended > 0 {
            tracing::warn!(
                appended,
                "revocations, or liftings of some, without a record were recorded"
            );
        }
        Ok(snapshot)
    }

    /// Goes on from a trust store that went back, as after a restore of an older file: puts back the revocations that it lacks
    /// and the ledger holds, which it gives, as a version above both, and records that. Everything else is as the older file
    /// has it, also keys that were retired or removed since.
    ///
    /// # Errors
    /// [`AdminError::Trust`], [`AdminError::Ledger`].
    pub async fn put_back_revocations(&self) -> Result<(Vec<Revocation>, TrustEvidence), AdminError> {
        let (now, random) = (self.now()?, &*self.random);
        let (revocations, trust) = put_back(&*self.trust, &*self.ledger, self.seen, now, random).await?;
        tracing::warn!(
            revocations = revocations.len(),
            trust = trust.version,
            "the trust store went back: its revocations were put back"
        );
        Ok((revocations, trust))
    }

    /// The trust store as it is now, unless it is older than one that the ledger knows, or another one of the same version.
    /// Changes nothing: for programs that only read.
    ///
    /// # Errors
    /// [`AdminError::RolledBack`], [`AdminError::RevocationLost`], [`AdminError::Older`]; [`AdminError::Trust`] and
    /// [`AdminError::Ledger`] if they can't be read.
    pub async fn read_trust(&self) -> Result<TrustSnapshot, AdminError> {
        self.refuse_rollback(self.trust.read().await?).await
    }

    /// The same of a trust store that was read a moment ago; one that was overtaken since is read again.
    ///
    /// # Errors
    /// Those of [`read_trust`](Self::read_trust).
    pub async fn refuse_rollback(&self, snapshot: TrustSnapshot) -> Result<TrustSnapshot, AdminError> {
        let known = self.ledger.state().await?.trust;
        let is_newest = |found: &TrustSnapshot| newest_trust(known, found.evidence()).is_ok();
        // It was read before the ledger: what was changed in between is newer in the ledger, and in the trust store too.
        let is_read_in_time = is_newest(&snapshot) && snapshot.document.version >= self.seen;
        let snapshot = if is_read_in_time {
            snapshot
        } else {
            self.trust.read().await?
        };
        let found = snapshot.evidence();
        if let Some(known) = known.filter(|_| !is_newest(&snapshot)) {
            return Err(AdminError::RolledBack { found, known });
        }
        if found.version < self.seen {
            return Err(AdminError::Older { found, seen: self.seen });
        }
        // The one that the ledger names came with all revocations. Of another the version says nothing: it may be that of an
        // older file which was changed since.
        if known != Some(found)
            && let Some(revocation) = lost(&snapshot.document, &*self.ledger, self.now()?)
                .await?
                .into_iter()
                .next()
        {
            return Err(AdminError::RevocationLost {
                found,
                revocation: revocation.id,
            });
        }
        Ok(snapshot)
    }

    /// Puts a policy into force, whole: from its record on the ledger takes no allow under another. `None` if it was in
    /// force already.
    ///
    /// # Errors
    /// [`AdminError::Ledger`]: the policy of before is in force.
    pub async fn enforce(&self, policy: &dyn PolicyEngine) -> Result<Option<RecordRef>, AdminError> {
        if self.ledger.state().await?.policy == Some(policy.digest()) {
            return Ok(None);
        }
        let policy = PolicyRef {
            id: policy.id().clone(),
            digest: policy.digest(),
            rules: Vec::new(),
        };
        tracing::info!(policy = %policy.id, digest = %policy.digest, "policy in force");
        let body = PolicyBody {
            schema: PolicyChangeSchema,
            policy,
        };
        self.record(&body).await.map(Some)
    }

    /// Puts the policy that `read` gives into force, and reads again, until what is in force is what was read last; gives that,
    /// and the newest record.
    ///
    /// Others may bring policies to the same place meanwhile. Without a second look, whoever read the former policy a moment before
    /// another came into force would put the former back. Whoever is answered may judge by the policy, and nobody else: one that
    /// another was put in the place of is never given.
    ///
    /// # Errors
    /// Those of `read` and of [`enforce`](Self::enforce); [`AdminError::PolicyMoves`] if another policy was there eight times in a
    /// row.
    pub async fn enforce_kept<P, E, F>(
        &self,
        read: impl Fn() -> F,
        policy: impl Fn(&P) -> &dyn PolicyEngine,
    ) -> Result<(P, Option<RecordRef>), E>
    where
        E: From<AdminError>,
        F: Future<Output = Result<P, E>>,
    {
        let mut kept = read().await?;
        let mut made = None;
        for _ in 0..MAX_POLICIES {
            let record = self.enforce(policy(&kept)).await?;
            let was_in_force = record.is_none();
            made = record.or(made);
            if was_in_force {
                return Ok((kept, made));
            }
            let now = read().await?;
            if policy(&now).digest() == policy(&kept).digest() {
                return Ok((now, made));
            }
            kept = now;
        }
        Err(AdminError::PolicyMoves.into())
    }

    /// Believes a key from now on. A key that isn't one, off its curve or under another id than its thumbprint, is refused.
    ///
    /// # Errors
    /// [`AdminError::Trust`]: nothing was changed. [`AdminError::Ledger`]: it is believed, and its record is missing.
    pub async fn add_key(&self, key: TrustKey) -> Result<KeyChanged, AdminError> {
        self.change_key(KeyEvent::Added, None, None, move |trust| {
            change::add_key(trust, key.clone())?;
            Ok(key.clone())
        })
        .await
    }

    /// Records a key with which the trust store was made.
    ///
    /// # Errors
    /// [`AdminError::Ledger`].
    pub async fn record_first_key(&self, key: &TrustKey, trust: TrustEvidence) -> Result<RecordRef, AdminError> {
        self.record(&key_body(KeyEvent::Added, key, None, None, trust)).await
    }

    /// Says that a key signs nothing any more; what it signed before holds until it expires.
    ///
    /// # Errors
    /// Those of [`add_key`](Self::add_key).
    pub async fn retire_key(&self, kid: &KeyId, reason: Option<Statement>) -> Result<KeyChanged, AdminError> {
        let now = self.now()?;
        let (key, why) = (kid.clone(), reason.clone());
        self.change_key(KeyEvent::Retired, None, reason, move |trust| {
            change::retire_key(trust, &key, now, None, why.clone())?;
            entry_of(trust, &key)
        })
        .await
    }

    /// Takes a key's entry out: what it signed is unknown from then on. What revokes it stays.
    ///
    /// # Errors
    /// Those of [`add_key`](Self::add_key).
    pub async fn remove_key(&self, kid: &KeyId) -> Result<KeyChanged, AdminError> {
        let key = kid.clone();
        self.change_key(KeyEvent::Removed, None, None, move |trust| {
            change::remove_key(trust, &key)
        })
        .await
    }

    /// Revokes something: the trust store first, which is what verifiers read, and then the record.
    ///
    /// # Errors
    /// [`AdminError`]; only [`AdminError::Unrecorded`] leaves a revocation behind, and it is in force.
    pub async fn revoke(&self, revocation: NewRevocation) -> Result<(Revocation, RecordRef), AdminError> {
        let revoked = revoke(revocation, &*self.trust, &*self.ledger, self.now()?, &*self.random).await?;
        tracing::info!(revocation = %revoked.0.id, record = revoked.1.seq, "revoked");
        Ok(revoked)
    }

    /// Lifts a revocation of a principal, who is accepted again: the trust store first, and then the record. The record of
    /// what a crash left out in between is appended by [`open`](Self::open).
    ///
    /// # Errors
    /// [`AdminError::Trust`], with the codes `revocation_missing` and `revocation_not_liftable` for one that isn't there or
    /// isn't of a principal: nothing was lifted. [`AdminError::Ledger`]: it is lifted, and its record is missing.
    pub async fn lift(
        &self,
        revocation: &RevocationId,
        reason: Statement,
        by: Principal,
    ) -> Result<(LiftedRevocation, RecordRef), AdminError> {
        let (now, random) = (self.now()?, &*self.random);
        let lifted = lift(revocation, reason, by, &*self.trust, &*self.ledger, now, random).await?;
        tracing::info!(revocation = %revocation, record = lifted.1.seq, "revocation lifted");
        Ok(lifted)
    }

    /// Says that the revocations are complete as of now: a new version of the trust store, and no record, since nothing
    /// else changed.
    ///
    /// # Errors
    /// [`AdminError::Trust`].
    pub async fn refresh(&self) -> Result<TrustSnapshot, AdminError> {
        let now = self.now()?;
        let confirm: TrustChange<'_> = Box::new(move |trust| {
            change::confirm_revocations(trust, now);
            Ok(())
        });
        let after = self.change_trust(now, confirm).await?.after;
        tracing::info!(trust = after.document.version, "revocations confirmed");
        Ok(after)
    }

    /// Puts a new signing key in the place of the old one, in three steps, so that there is a key to sign with at every
    /// moment: the new key is believed, then `name` makes the issuer's configuration name it, then the old one retires.
    /// Whoever signed with the old one meanwhile is told that it is superseded, and opens the new one.
    ///
    /// A key that is believed already and ready to sign is not added once more: a rotation that ended halfway is carried
    /// on by the same call. One that is revoked or retired already stays what it is.
    ///
    /// # Errors
    /// [`AdminError::Trust`] where the new key isn't believed: then nothing was changed. [`AdminError::Step`] is that of
    /// `name`: both keys are believed then.
    pub async fn rotate<E: CodedError + Send + Sync + 'static>(
        &self,
        rotation: Rotation,
        name: impl FnOnce() -> Result<(), E>,
    ) -> Result<Rotated, AdminError> {
        let new = rotation.new.kid.clone();
        let is_ready = self.is_ready(&rotation).await?;
        let added = if is_ready {
            None
        } else {
            Some(self.add_key(rotation.new.clone()).await?)
        };
        name().map_err(|error| AdminError::Step {
            code: error.code(),
            source: Box::new(error),
        })?;
        let retired = match rotation.old {
            Some(old) => self.retire_for(&old, &new, rotation.reason).await?,
            None => None,
        };
        tracing::info!(key = %new, "signing key rotated");
        Ok(Rotated { added, retired })
    }

    /// Whether the trust store believes the new key for the same use, issuer and log now, and it is not the old one.
    async fn is_ready(&self, rotation: &Rotation) -> Result<bool, AdminError> {
        let now = self.now()?;
        let trust = self.trust.read().await?.document;
        let new = &rotation.new;
        let is_other = rotation.old.as_ref() != Some(&new.kid);
        Ok(is_other
            && trust.key(&new.kid).is_some_and(|key| {
                let is_ours = key.key_use == new.key_use && key.issuer == new.issuer && key.origin == new.origin;
                is_ours && key.status == KeyStatus::Active && !trust.is_key_revoked(&key.kid) && key.signs_at(now)
            }))
    }

    async fn retire_for(
        &self,
        old: &KeyId,
        new: &KeyId,
        reason: Option<Statement>,
    ) -> Result<Option<KeyChanged>, AdminError> {
        let trust = self.trust.read().await?.document;
        let is_active = trust
            .key(old)
            .is_some_and(|before| before.status == KeyStatus::Active && !trust.is_key_revoked(old));
        if !is_active {
            return Ok(None);
        }
        let now = self.now()?;
        let (key, by, why) = (old.clone(), new.clone(), reason.clone());
        let retired = self.change_key(KeyEvent::Rotated, Some(new.clone()), reason, move |trust| {
            change::retire_key(trust, &key, now, Some(by.clone()), why.clone())?;
            entry_of(trust, &key)
        });
        retired.await.map(Some)
    }

    /// Changes a key in the trust store, checks all keys before it is written, and records what happened to the entry that
    /// `change` gives.
    async fn change_key(
        &self,
        event: KeyEvent,
        superseded_by: Option<KeyId>,
        reason: Option<Statement>,
        mut change: impl FnMut(&mut TrustStore) -> Result<TrustKey, ChangeError> + Send,
    ) -> Result<KeyChanged, AdminError> {
        let at = self.now()?;
        let mut key = None;
        let changed = self
            .change_trust(
                at,
                Box::new(|trust| {
                    key = Some(change(trust)?);
                    Ok(())
                }),
            )
            .await?;
        let key = key.ok_or_else(|| TrustFileError::new(TrustFileCode::TrustChangeRefused))?;
        let trust = changed.after.evidence();
        let body = key_body(event, &key, superseded_by, reason, trust);
        // No revocation came with this version, so the ledger lacks none because of it.
        let range = changed.range();
        let record = self
            .append(Batch::of(self.draft(&body)?).with_reconciled(range))
            .await?;
        tracing::info!(event = ?event, key = %key.kid, trust = trust.version, record = record.seq, "key changed");
        Ok(KeyChanged { trust, at, record })
    }

    /// Changes the trust store; a result with a key that isn't one is refused before it is written.
    async fn change_trust(&self, now: Timestamp, mut change: TrustChange<'_>) -> Result<TrustChanged, AdminError> {
        let checked = Box::new(move |document: &mut TrustStore| {
            change(document)?;
            Keyring::from_trust(document).map(drop).map_err(AnyError::from)
        });
        Ok(self.trust.change(now, checked).await?)
    }

    /// Appends a record.
    ///
    /// # Errors
    /// [`AdminError::Ledger`].
    pub async fn record<B: RecordBody>(&self, body: &B) -> Result<RecordRef, AdminError> {
        self.append(Batch::of(self.draft(body)?)).await
    }

    /// Appends a record of the use of a pass, in its tenant. The pass was just consumed, in a replay store that isn't the
    /// ledger's too ([`use_up`](Self::use_up) does both at once); where this fails, nothing may be executed.
    ///
    /// # Errors
    /// Those of [`record`](Self::record).
    pub async fn record_use(&self, pass: &VerifiedPass) -> Result<RecordRef, AdminError> {
        self.append(Batch::of(self.draft_of_use(pass)?)).await
    }

    /// The record of the use of a pass.
    pub(crate) fn draft_of_use(&self, pass: &VerifiedPass) -> Result<RecordDraft, AdminError> {
        let claims = pass.claims();
        let mut body = UseBody {
            schema: UseSchema,
            pass: claims.jti.clone(),
            issuer: claims.iss.clone(),
            audience: claims.aud.clone(),
            token_hash: pass.token_hash(),
            commitment: None,
        };
        let salt = if self.salted_commitments {
            let salt = random_salt(&*self.random).ok_or(AdminError::NoRandomness)?;
            salt.hide_use(&mut body);
            Some(salt)
        } else {
            None
        };
        let mut draft = self.draft(&body)?.with_tenant(claims.actionpass.tenant.clone());
        if let Some(salt) = salt {
            draft = draft.with_side(SideKind::Salt, salt.as_bytes().to_vec());
        }
        Ok(draft)
    }

    pub(crate) async fn append(&self, batch: Batch) -> Result<RecordRef, AdminError> {
        let outcomes = self.ledger.append(batch).await?;
        let outcome = outcomes.first().ok_or(StoreError::new(StoreCode::StoreCorrupt))?;
        Ok(outcome.to_ref())
    }

    /// A record of now that is appended in another way.
    ///
    /// # Errors
    /// [`AdminError::ClockUnknown`], [`AdminError::NoRandomness`], [`AdminError::Ledger`].
    pub fn draft<B: RecordBody>(&self, body: &B) -> Result<RecordDraft, AdminError> {
        let now = self.now()?;
        let id = uuid(now, &*self.random)
            .map(RecordId::from_uuid)
            .ok_or(AdminError::NoRandomness)?;
        Ok(RecordDraft::new(id, now, body)?)
    }

    fn now(&self) -> Result<Timestamp, AdminError> {
        self.clock.now().ok_or(AdminError::ClockUnknown)
    }
}
