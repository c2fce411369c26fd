//! The clauses of the contract of [`TrustDocument`].

use std::sync::Arc;
use std::task::Poll;
use std::thread;

use actionpass_model::{
    Document, KeyStatus, Revocation, RevocationId, RevocationSchema, RevocationTarget, Timestamp, TrustStore,
};

use super::fixtures::{at, trust_key, trust_kid};
use super::{OpenTrust, Suite};
use crate::trust_file::{ChangeCode, ChangeError, TrustFileCode, TrustFileError, TrustSnapshot, change};
use crate::{TrustChange, TrustChanged, TrustDocument};

type Trusts<'a> = Suite<'a, OpenTrust<'a>>;

impl Trusts<'_> {
    /// The document, which begins as an empty trust store of version 1.
    fn document(&self) -> Arc<dyn TrustDocument> {
        (self.open)(self.folder.path(), &TrustStore::new(time(0)))
    }

    fn read(&self, document: &dyn TrustDocument) -> TrustSnapshot {
        self.run(document.read()).unwrap()
    }

    fn change(&self, document: &dyn TrustDocument, change: TrustChange<'_>) -> Result<TrustChanged, TrustFileError> {
        self.run(document.change(time(1), change))
    }

    /// What refuses leaves the document as it was.
    fn refused(&self, document: &dyn TrustDocument, change: TrustChange<'_>) -> TrustFileError {
        let before = self.read(document);
        let error = self.change(document, change).unwrap_err();
        assert_eq!(self.read(document), before);
        error
    }
}

fn time(seconds: u64) -> Timestamp {
    at(seconds).to_timestamp()
}

fn revocation(number: u64, target: RevocationTarget) -> Revocation {
    Revocation {
        schema: RevocationSchema,
        id: revocation_id(number),
        target,
        reason: "left its lane".parse().unwrap(),
        revoked_by: "user:owner".parse().unwrap(),
        revoked_at: time(0),
        compromised_since: None,
        expires_at: None,
        ext: None,
    }
}

fn revocation_id(number: u64) -> RevocationId {
    format!("rev_{number:032x}").parse().unwrap()
}

fn add<'a>(number: u64) -> TrustChange<'a> {
    Box::new(move |document| Ok(change::add_key(document, trust_key(number))?))
}

fn cause(error: &TrustFileError) -> Option<ChangeCode> {
    let cause = std::error::Error::source(error)?.downcast_ref::<ChangeError>()?;
    Some(cause.code())
}

/// What is read is the document, its bytes and their digest.
pub fn a_document_is_read_as_it_was_made(suite: &Trusts<'_>) {
    let document = suite.document();
    let snapshot = suite.read(&document);
    assert_eq!(snapshot.document, TrustStore::new(time(0)));
    assert_eq!(
        TrustStore::from_json(snapshot.text().bytes()).unwrap(),
        snapshot.document
    );
    let value = actionpass_canon::canonicalize(&snapshot.document).unwrap();
    assert_eq!(snapshot.text().digest(), value.digest());
}

/// A change raises the version by one, and says what it was made of and what it left.
pub fn a_change_is_the_next_version(suite: &Trusts<'_>) {
    let document = suite.document();
    let first = suite.read(&document);
    let changed = suite.change(&document, add(1)).unwrap();
    assert_eq!(changed.before, first.evidence());
    assert_eq!(
        (changed.after.document.version, changed.after.document.updated_at),
        (2, time(1))
    );
    assert!(changed.after.document.key(&trust_kid(1)).is_some());
    assert_eq!(suite.read(&document), changed.after);

    let again = suite.change(&document, Box::new(|_| Ok(()))).unwrap();
    assert_eq!(again.before, changed.after.evidence());
    assert_eq!(again.after.document.version, 3);
}

/// What a change refuses with is the cause of the error, and nothing is changed.
pub fn a_refused_change_changes_nothing(suite: &Trusts<'_>) {
    let document = suite.document();
    let _ = suite.change(&document, add(1)).unwrap();
    let twice = suite.refused(&document, add(1));
    assert_eq!(
        (twice.code(), cause(&twice)),
        (TrustFileCode::TrustChangeRefused, Some(ChangeCode::KeyExists))
    );
    let halfway = suite.refused(
        &document,
        Box::new(|document| {
            document.keys.clear();
            Err("on second thoughts".into())
        }),
    );
    assert_eq!(halfway.code(), TrustFileCode::TrustChangeRefused);
    let contradicts = suite.refused(
        &document,
        Box::new(|document| {
            document.keys.push(trust_key(1));
            Ok(())
        }),
    );
    assert_eq!(contradicts.code(), TrustFileCode::TrustInvalid);
}

/// The version is the store's to count: a change may skip versions, and never go back to one.
pub fn a_change_does_not_lower_the_version(suite: &Trusts<'_>) {
    let document = suite.document();
    for version in [78, 79] {
        let changed = suite.change(
            &document,
            Box::new(|document| {
                document.version = if document.version == 1 { 77 } else { 1 };
                Ok(())
            }),
        );
        assert_eq!(changed.unwrap().after.document.version, version);
    }
}

/// G7: no revoked key comes back, and no revocation goes that must stay, however the change is made.
pub fn g07_what_was_revoked_stays_revoked(suite: &Trusts<'_>) {
    let document = suite.document();
    let _ = suite.change(&document, add(1)).unwrap();
    let revoke = |number, target: RevocationTarget| -> TrustChange<'_> {
        Box::new(move |document| Ok(change::revoke(document, revocation(number, target.clone()))?))
    };
    let _ = suite
        .change(&document, revoke(1, RevocationTarget::Key(trust_kid(1))))
        .unwrap();
    let rogue = RevocationTarget::Principal("agent:rogue".parse().unwrap());
    let _ = suite.change(&document, revoke(2, rogue)).unwrap();

    let active = suite.refused(
        &document,
        Box::new(|document| {
            document.keys.iter_mut().for_each(|key| key.status = KeyStatus::Active);
            Ok(())
        }),
    );
    assert_eq!(cause(&active), Some(ChangeCode::KeyWasRevoked));
    let dropped = suite.refused(
        &document,
        Box::new(|document| {
            document.revocations.pop();
            Ok(())
        }),
    );
    assert_eq!(cause(&dropped), Some(ChangeCode::RevocationDropped));
    let ids: Vec<_> = suite
        .read(&document)
        .document
        .revocations
        .into_iter()
        .map(|revocation| revocation.id)
        .collect();
    assert_eq!(ids, [revocation_id(1), revocation_id(2)]);
}

/// Of changes at once none is lost, and each sees what the one before left.
pub fn of_16_threads_no_change_is_lost(suite: &Trusts<'_>) {
    let document = suite.document();
    let mut versions: Vec<_> = thread::scope(|scope| {
        let document = &document;
        let threads: Vec<_> = (0..16)
            .map(|number| {
                scope.spawn(move || {
                    let changed = suite.change(document, add(number)).unwrap();
                    let version = changed.after.document.version;
                    assert_eq!(changed.before.version.checked_add(1), Some(version));
                    assert_eq!(changed.after.document.keys.len() as u64, changed.before.version);
                    version
                })
            })
            .collect();
        // Readers see whole documents meanwhile, and never an older one.
        let mut newest = 0;
        while threads.iter().any(|thread| !thread.is_finished()) {
            let version = suite.read(document).document.version;
            assert!(version >= newest);
            newest = version;
        }
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    versions.sort_unstable();
    assert_eq!(versions, (2..=17).collect::<Vec<_>>());
    assert_eq!(suite.read(&document).document.keys.len(), 16);
}

/// Dropping a change after its first poll leaves it made or not made, and the next one is made.
pub fn a_dropped_change_is_made_or_not_made(suite: &Trusts<'_>) {
    let document = suite.document();
    suite.run(async {
        let mut dropped = document.change(time(1), add(1));
        std::future::poll_fn(|context| {
            let _ = dropped.as_mut().poll(context);
            Poll::Ready(())
        })
        .await;
    });
    let changed = suite.change(&document, add(2)).unwrap();
    let made = changed.after.document.key(&trust_kid(1)).is_some();
    let version = if made { 3 } else { 2 };
    assert_eq!(changed.after.document.version, version);
    assert_eq!(suite.read(&document), changed.after);
}

/// Changes are there when the document is opened again.
pub fn a_change_is_there_after_opening_again(suite: &Trusts<'_>) {
    let document = suite.document();
    let changed = suite.change(&document, add(1)).unwrap();
    drop(document);
    assert_eq!(suite.read(&suite.document()), changed.after);
}

/// Two handles on one document change it one after the other.
pub fn two_handles_lose_no_change(suite: &Trusts<'_>) {
    let (one, other) = (suite.document(), suite.document());
    thread::scope(|scope| {
        for (document, first) in [(&one, 0_u64), (&other, 100)] {
            scope.spawn(move || {
                for number in first..first.saturating_add(10) {
                    let _ = suite.change(document, add(number)).unwrap();
                }
            });
        }
    });
    let snapshot = suite.read(&one);
    assert_eq!((snapshot.document.version, snapshot.document.keys.len()), (21, 20));
    assert_eq!(suite.read(&other), snapshot);
}
