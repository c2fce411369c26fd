//! [`RecordDraft`]: a record before its place in the log is known.

use actionpass_canon::{CanonError, CanonicalBytes, canonicalize, canonicalize_decision};
use actionpass_model::{
    ArchiveBody, BeginningBody, DecisionBody, Digest, ErasureBody, Issuer, KeyBody, OutcomeBody, PassId, PinBody,
    PolicyBody, RecordId, RecordKind, RequestBody, RequestId, RevocationBody, RevocationId, Tenant, Timestamp, Trace,
    TrustBody, TrustEvidence, UseBody,
};
use serde::Serialize;

use super::Head;
use crate::{SideKind, StoreCode, StoreError};

/// A record's body: what is recorded, of which kind, and what a store takes from it. Sealed: one for each kind.
pub trait RecordBody: Serialize + sealed::Sealed {
    /// The kind of record that carries it.
    const KIND: RecordKind;

    /// What it means for the store that it is appended to.
    fn effects(&self) -> Effects;

    /// Its canonical form (RFC 8785).
    ///
    /// # Errors
    /// [`CanonError`] if it has none.
    fn to_canonical(&self) -> Result<CanonicalBytes, CanonError> {
        canonicalize(self)
    }
}

/// What a record means for the store, besides being appended.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Effects {
    /// The trust store that the record names. A decision relies on it; every other kind makes it known.
    pub trust: Option<TrustEvidence>,
    /// The digest of the policy that the record names. A decision relies on it; a change of policy makes it known.
    pub policy: Option<Digest>,
    /// The revocation that the record holds: each is recorded once.
    pub revocation: Option<RevocationId>,
    /// The approval request that a decision names.
    pub request: Option<RequestId>,
    /// The records whose side data goes.
    pub erases: Vec<u64>,
    /// Up to where records are taken out of the store: only [`ArchiveStore::archive`](crate::ArchiveStore::archive) does that.
    pub archives: Option<Head>,
    /// Where the store begins, at a head that was signed anew: only [`ArchiveStore::resign`](crate::ArchiveStore::resign) does that.
    pub resigns: Option<Head>,
    /// The pass that was used, and who issued it.
    pub used: Option<(Issuer, PassId)>,
    /// The pass that an outcome is of.
    pub outcome: Option<PassId>,
}

impl Effects {
    /// Whether it is about where the store begins: no such record is appended by itself.
    #[must_use]
    pub const fn is_of_the_beginning(&self) -> bool {
        self.archives.is_some() || self.resigns.is_some()
    }
}

/// A record before its place in the log is known: everything but `log`, `issuer`, `seq` and the hashes.
#[derive(Clone, Debug)]
pub struct RecordDraft {
    pub(super) id: RecordId,
    pub(super) time: Timestamp,
    pub(super) kind: RecordKind,
    pub(super) tenant: Option<Tenant>,
    pub(super) trace: Option<Trace>,
    pub(super) body: CanonicalBytes,
    effects: Effects,
    side: Vec<(SideKind, Vec<u8>)>,
}

impl RecordDraft {
    /// A record of this body's kind.
    ///
    /// # Errors
    /// [`StoreCode::RecordInvalid`] if the body has no canonical form (RFC 8785), for instance because of a number
    /// that no double equals.
    pub fn new<B: RecordBody>(id: RecordId, time: Timestamp, body: &B) -> Result<Self, StoreError> {
        let bytes = body
            .to_canonical()
            .map_err(|error| StoreError::with_source(StoreCode::RecordInvalid, error))?;
        Ok(Self {
            id,
            time,
            kind: B::KIND,
            tenant: None,
            trace: None,
            body: bytes,
            effects: body.effects(),
            side: Vec::new(),
        })
    }

    /// The same under another id and time.
    #[cfg(feature = "conformance")]
    pub(crate) fn renamed(self, id: RecordId, time: Timestamp) -> Self {
        Self { id, time, ..self }
    }

    /// The same, concerning one tenant.
    #[must_use]
    pub fn with_tenant(self, tenant: Tenant) -> Self {
        Self {
            tenant: Some(tenant),
            ..self
        }
    }

    /// The same, with what it can be correlated by.
    #[must_use]
    pub fn with_trace(self, trace: Trace) -> Self {
        Self {
            trace: Some(trace),
            ..self
        }
    }

    /// The same, with this kept beside it, where it can be erased.
    #[must_use]
    pub fn with_side(mut self, kind: SideKind, bytes: Vec<u8>) -> Self {
        self.side.push((kind, bytes));
        self
    }

    /// What is kept beside it.
    #[must_use]
    pub fn side(&self) -> &[(SideKind, Vec<u8>)] {
        &self.side
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> &RecordId {
        &self.id
    }

    /// When it is appended, by the clock of whoever made it.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        self.time
    }

    /// What it is about.
    #[must_use]
    pub const fn kind(&self) -> RecordKind {
        self.kind
    }

    /// What it means for the store.
    #[must_use]
    pub const fn effects(&self) -> &Effects {
        &self.effects
    }
}

mod sealed {
    #[expect(unnameable_types, reason = "so that no other crate has a body of its own")]
    pub trait Sealed {}
}

macro_rules! record_body {
    ($body:ty, $kind:ident, |$self:ident| $effects:expr $(, $canonicalize:ident)?) => {
        impl sealed::Sealed for $body {}
        impl RecordBody for $body {
            const KIND: RecordKind = RecordKind::$kind;

            fn effects(&self) -> Effects {
                let $self = self;
                $effects
            }

            $(fn to_canonical(&self) -> Result<CanonicalBytes, CanonError> {
                $canonicalize(self)
            })?
        }
    };
}

record_body!(
    DecisionBody,
    Decision,
    |body| Effects {
        trust: Some(body.trust),
        policy: Some(body.policy.digest),
        request: body.request.clone(),
        ..Effects::default()
    },
    canonicalize_decision
);
record_body!(RevocationBody, Revocation, |body| Effects {
    trust: Some(body.trust),
    revocation: Some(body.revocation.id.clone()),
    ..Effects::default()
});
record_body!(RequestBody, Request, |_body| Effects::default());
record_body!(PinBody, Pin, |_body| Effects::default());
record_body!(OutcomeBody, Outcome, |body| Effects {
    outcome: body.pass.clone(),
    ..Effects::default()
});
record_body!(UseBody, Use, |body| Effects {
    used: Some((body.issuer.clone(), body.pass.clone())),
    ..Effects::default()
});
record_body!(KeyBody, Key, |body| Effects {
    trust: Some(body.trust),
    ..Effects::default()
});
record_body!(TrustBody, Trust, |body| Effects {
    trust: Some(body.trust),
    ..Effects::default()
});
record_body!(PolicyBody, Policy, |body| Effects {
    policy: Some(body.policy.digest),
    ..Effects::default()
});
record_body!(ErasureBody, Erasure, |body| Effects {
    erases: body.records.clone(),
    ..Effects::default()
});
record_body!(ArchiveBody, Erasure, |body| Effects {
    archives: Some(Head::new(body.size, body.last_hash)),
    ..Effects::default()
});
record_body!(BeginningBody, Erasure, |body| Effects {
    resigns: Some(Head::new(body.size, body.last_hash)),
    ..Effects::default()
});
