//! What the tests of this crate sign and trust.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use actionpass_model::{
    ClaimsError, DocumentCode, DocumentError, Issuer, KeyId, KeyUse, Principal, Revocation, RevocationId,
    RevocationSchema, RevocationTarget, SignedDocument, Statement, Timestamp, TrustKey, TrustStore,
};

use crate::{CompactJws, PublicKey, Signer, sign_document};

/// A document of the tests: any bytes that start with `note`. `v` and a byte are a version that nobody knows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Note(pub(crate) Vec<u8>);

impl SignedDocument for Note {
    const TYP: &'static str = "actionpass-note+jwt";
    const KEY_USE: KeyUse = KeyUse::Pass;

    fn from_claims(payload: &[u8]) -> Result<Self, ClaimsError> {
        match payload {
            [b'v', version] => Err(ClaimsError::VersionUnsupported(u64::from(*version))),
            note if note.starts_with(b"note") => Ok(Self(note.to_vec())),
            _ => Err(ClaimsError::Malformed(DocumentError::new(
                DocumentCode::JsonMalformed,
                "",
                "is no note",
            ))),
        }
    }

    fn to_claims(&self) -> Result<Vec<u8>, ClaimsError> {
        Ok(self.0.clone())
    }
}

pub(crate) fn note() -> Note {
    Note(b"note 1".to_vec())
}

/// The result of a future that never waits: those of software keys.
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future waits"),
    }
}

pub(crate) fn sign(signer: &dyn Signer, document: &Note) -> CompactJws {
    now(sign_document(signer, document)).unwrap()
}

pub(crate) fn trust_key(key: &PublicKey) -> TrustKey {
    key.pass_key_of(&Issuer::parse("https://issuer.example").unwrap())
}

pub(crate) fn trust_store(keys: Vec<TrustKey>) -> TrustStore {
    let mut trust = TrustStore::new(time());
    trust.keys = keys;
    trust
}

pub(crate) fn revocation_of(kid: &KeyId) -> Revocation {
    Revocation {
        schema: RevocationSchema,
        id: RevocationId::parse("rev_01920000000070008000000000000001").unwrap(),
        target: RevocationTarget::Key(kid.clone()),
        reason: Statement::parse("lost").unwrap(),
        revoked_by: Principal::parse("user:owner@example.com").unwrap(),
        revoked_at: time(),
        compromised_since: None,
        expires_at: None,
        ext: None,
    }
}

fn time() -> Timestamp {
    Timestamp::parse("2026-11-23T01:02:03.000Z").unwrap()
}
