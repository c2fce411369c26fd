//! [`Trust`]: a trust store, parsed and indexed, as one immutable value.

use std::collections::HashSet;

use actionpass_crypto::{Keyring, KeyringError};
use actionpass_model::{
    ApprovalId, Approver, Code, Document, DocumentError, Issuer, KeyId, PassId, RevocationTarget, Timestamp,
    TrustEvidence, TrustKey, TrustStore, UnixSeconds, fold_principal,
};
use actionpass_store::trust_file::{TrustFileError, TrustSnapshot, TrustText};

use crate::standing::KeyRevoked;

/// Public keys and revocations, whole: parsed from one file, checked, and never changed afterwards.
///
/// A revocation of a key counts whether or not the key's own entry says `revoked`.
#[derive(Clone, Debug)]
pub struct Trust {
    version: u64,
    text: TrustText,
    revocations_as_of: Timestamp,
    expires_at: Option<Timestamp>,
    keyring: Keyring,
    /// Sorted. What a store writes is sorted by time, and so by id, already.
    passes: Vec<(PassId, Issuer)>,
    /// Sorted.
    approvals: Vec<(ApprovalId, Approver)>,
    principals: HashSet<Box<str>>,
    /// Few, and asked by auditors only: what verifies looks at the keyring.
    keys: Vec<(KeyId, KeyRevoked)>,
}

/// A trust store that isn't taken: nothing of it is.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// It isn't a trust store of a version that is known, or it contradicts itself.
    #[error("the trust store is refused")]
    Document(#[from] DocumentError),
    /// One of its keys isn't one.
    #[error("the trust store's keys are refused")]
    Keys(#[from] KeyringError),
    /// Its file can't be read or believed.
    #[error("the trust store's file is refused")]
    File(#[from] TrustFileError),
}

impl TrustError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Document(error) => error.code().into(),
            Self::Keys(error) => error.code(),
            Self::File(error) => error.reported_code(),
        }
    }
}

impl Trust {
    /// Parses the bytes of a trust store.
    ///
    /// # Errors
    /// [`TrustError::Document`] or [`TrustError::Keys`]; one bad entry refuses the whole.
    pub fn parse(bytes: &[u8]) -> Result<Self, TrustError> {
        Self::index(&TrustStore::from_json(bytes)?, TrustText::new(bytes.to_vec()))
    }

    /// The trust of a file that was read.
    ///
    /// # Errors
    /// [`TrustError::Keys`]: one bad key refuses the whole.
    pub fn from_snapshot(snapshot: &TrustSnapshot) -> Result<Self, TrustError> {
        Self::index(&snapshot.document, snapshot.text().clone())
    }

    fn index(document: &TrustStore, text: TrustText) -> Result<Self, TrustError> {
        let keyring = Keyring::from_trust(document)?;
        let mut passes = Vec::new();
        let mut approvals = Vec::new();
        let mut principals = HashSet::new();
        let mut keys = Vec::new();
        for revocation in &document.revocations {
            match &revocation.target {
                RevocationTarget::Pass { id, issuer } => passes.push((id.clone(), issuer.clone())),
                RevocationTarget::Approval { id, approver } => approvals.push((id.clone(), approver.clone())),
                RevocationTarget::Key(kid) => keys.push((
                    kid.clone(),
                    KeyRevoked {
                        at: revocation.revoked_at,
                        compromised_since: revocation.compromised_since,
                    },
                )),
                RevocationTarget::Principal(principal) => {
                    principals.insert(fold_principal(principal.as_str()).into());
                }
            }
        }
        passes.sort();
        approvals.sort();
        Ok(Self {
            version: document.version,
            text,
            revocations_as_of: document.revocations_as_of,
            expires_at: document.expires_at,
            keyring,
            passes,
            approvals,
            principals,
            keys,
        })
    }

    /// The version of the store; it grows with every write.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Version, and SHA-256 of the RFC 8785 bytes, computed when it is first asked for: what a record says of it.
    #[must_use]
    pub fn evidence(&self) -> TrustEvidence {
        TrustEvidence {
            version: self.version,
            digest: self.text.digest(),
        }
    }

    /// The store as it was read: what is handed on.
    #[must_use]
    pub const fn text(&self) -> &TrustText {
        &self.text
    }

    /// When the revocations were known to be complete.
    #[must_use]
    pub const fn revocations_as_of(&self) -> Timestamp {
        self.revocations_as_of
    }

    /// Whether the store itself has expired.
    #[must_use]
    pub fn is_expired(&self, now: UnixSeconds) -> bool {
        self.expires_at.is_some_and(|end| end.to_unix_seconds() <= now)
    }

    /// The keys.
    #[must_use]
    pub const fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// When a key was revoked: the first time, if it was more than once, and the earliest doubt.
    pub(crate) fn key_revoked(&self, kid: &KeyId) -> Option<KeyRevoked> {
        let all = self
            .keys
            .iter()
            .filter(|(key, _)| key == kid)
            .map(|(_, revoked)| *revoked);
        all.reduce(|one, other| KeyRevoked {
            at: one.at.min(other.at),
            compromised_since: [one.compromised_since, other.compromised_since]
                .into_iter()
                .flatten()
                .min(),
        })
    }

    /// Whether this pass of this issuer was revoked.
    #[must_use]
    pub fn is_pass_revoked(&self, issuer: &Issuer, id: &PassId) -> bool {
        self.passes
            .binary_search_by(|(pass, by)| (pass, by).cmp(&(id, issuer)))
            .is_ok()
    }

    /// Whether this approval of this approver was revoked.
    #[must_use]
    pub fn is_approval_revoked(&self, approver: &Approver, id: &ApprovalId) -> bool {
        self.approvals
            .binary_search_by(|(approval, by)| (approval, by).cmp(&(id, approver)))
            .is_ok()
    }

    /// Whether a principal of any kind was revoked, in whatever case it was written: of two principals that differ in
    /// case alone a trust store has one at most, and revoking the wrong spelling must not revoke nobody.
    #[must_use]
    pub fn is_principal_revoked(&self, principal: &str) -> bool {
        !self.principals.is_empty() && self.principals.contains(fold_principal(principal).as_str())
    }
}

/// Whether a key was one to sign with in that second. Windows are kept in milliseconds and tokens in whole seconds,
/// so both ends count with their whole second.
pub(crate) fn signs_in(key: &TrustKey, second: UnixSeconds) -> bool {
    key.not_before.is_none_or(|start| start.to_unix_seconds() <= second)
        && key.not_after.is_none_or(|end| second <= end.to_unix_seconds())
}

actionpass_model::coded_error!(TrustError);
