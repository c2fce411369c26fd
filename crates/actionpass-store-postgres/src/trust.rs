//! [`PostgresTrust`]: the trust store as a row, changed by a compare-and-set.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use actionpass_model::{Timestamp, TrustStore};
use actionpass_store::trust_file::{TrustFileCode, TrustFileError, TrustSnapshot};
use actionpass_store::{StoreError, TrustChange, TrustChanged, TrustDocument, TrustFuture, newest_trust};

use crate::error::Failure;
use crate::ledger::check_durable;
use crate::session::{Session, get, to_sql};
use crate::store::PostgresStore;

/// The document, unless the row is the one that was read before: each change of a row gives it another transaction.
const READ: &str = "SELECT xmin::text, CASE WHEN xmin::text = $1 AND version = $2 THEN NULL ELSE document END
    FROM actionpass.trust";
const CREATE: &str = "INSERT INTO actionpass.trust (id, version, document) VALUES (0, $1, $2) ON CONFLICT DO NOTHING";
const SWAP: &str = "UPDATE actionpass.trust SET version = $1, document = $2 WHERE version = $3 AND document = $4";
const IS_THERE: &str = "SELECT 1 FROM actionpass.trust WHERE version = $1 AND document = $2";
const SETTINGS: &str = "SELECT current_setting('synchronous_commit'), current_setting('fsync')";

/// The trust store of an issuer, in the database of its [`PostgresStore`]. Clones share what they have seen: an older
/// document is refused from then on.
#[derive(Clone, Debug)]
pub struct PostgresTrust {
    store: PostgresStore,
    seen: Arc<Mutex<Option<Seen>>>,
    /// Changes of one process wait for each other in turn: only another process can be faster.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// The newest document that was seen.
#[derive(Clone, Debug)]
struct Seen {
    snapshot: TrustSnapshot,
    /// What wrote the row that it was read from; empty of one that was written and not yet read.
    row: String,
}

/// What became of a change.
enum Swapped {
    Made,
    /// Another change was faster.
    Moved,
}

impl PostgresTrust {
    /// The trust store in the database of this store. Nothing is read yet.
    #[must_use]
    pub fn of(store: &PostgresStore) -> Self {
        Self {
            store: store.clone(),
            seen: Arc::default(),
            turn: Arc::default(),
        }
    }

    /// Puts this document there, if there is none.
    ///
    /// # Errors
    /// [`TrustFileCode::TrustExists`]; [`TrustFileCode::TrustInvalid`] if the document contradicts itself;
    /// [`TrustFileCode::TrustUnwritable`].
    pub async fn create(&self, document: &TrustStore) -> Result<(), TrustFileError> {
        let snapshot = TrustSnapshot::of(document)?;
        let (version, bytes) = (document.version, snapshot.text().bytes().to_vec());
        let made = self.store.ask(async move |session| {
            check_settings(session).await?;
            session.execute(CREATE, &[&to_sql(version)?, &bytes]).await
        });
        match made.await {
            Ok(1) => Ok(()),
            Ok(_) => Err(TrustFileError::new(TrustFileCode::TrustExists)),
            Err(error) => Err(unwritable(error)),
        }
    }

    async fn read_now(&self) -> Result<TrustSnapshot, TrustFileError> {
        let known = self.lock()?.clone();
        let (row, version) = match &known {
            Some(seen) => (seen.row.clone(), to_sql(seen.snapshot.document.version).unwrap_or(0)),
            None => (String::new(), 0),
        };
        let read = self.store.ask(async move |session| {
            let found = session.one(READ, &[&row, &version]).await?;
            found
                .map(|found| Ok((get::<String>(&found, 0)?, get::<Option<Vec<u8>>>(&found, 1)?)))
                .transpose()
        });
        let unreadable = |source: StoreError| TrustFileError::new(TrustFileCode::TrustUnreadable).with_source(source);
        let missing =
            || TrustFileError::new(TrustFileCode::TrustUnreadable).with_source("the database holds no trust store");
        let (row, bytes) = read.await.map_err(unreadable)?.ok_or_else(missing)?;
        let snapshot = match (bytes, &known) {
            (Some(bytes), _) => TrustSnapshot::from_bytes(bytes)?,
            (None, Some(seen)) => seen.snapshot.clone(),
            (None, None) => return Err(missing()),
        };
        // What was seen before the question is the least that the database may answer.
        is_newest(known.as_ref(), &snapshot)?;
        self.accept(snapshot, row)
    }

    fn lock(&self) -> Result<MutexGuard<'_, Option<Seen>>, TrustFileError> {
        let poisoned = |_| TrustFileError::new(TrustFileCode::TrustRolledBack);
        self.seen.lock().map_err(poisoned)
    }

    /// Remembers the newest that was seen, and gives it: another reader, or a change, may have seen a newer one than this, which was
    /// read before it. Another of the same version is refused.
    fn accept(&self, snapshot: TrustSnapshot, row: String) -> Result<TrustSnapshot, TrustFileError> {
        let mut seen = self.lock()?;
        if let Some(newer) = seen
            .as_ref()
            .filter(|seen| seen.snapshot.document.version > snapshot.document.version)
        {
            return Ok(newer.snapshot.clone());
        }
        is_newest(seen.as_ref(), &snapshot)?;
        *seen = Some(Seen {
            snapshot: snapshot.clone(),
            row,
        });
        Ok(snapshot)
    }

    async fn swap(&self, before: &TrustSnapshot, after: &TrustSnapshot) -> Result<Swapped, TrustFileError> {
        let versions = (before.document.version, after.document.version);
        let (old, new) = (before.text().bytes().to_vec(), after.text().bytes().to_vec());
        let was_tried = AtomicBool::new(false);
        let swapped = self.store.ask(async move |session| {
            check_settings(session).await?;
            let (version, former) = (to_sql(versions.1)?, to_sql(versions.0)?);
            // The first try may have been made although nobody heard of it.
            if was_tried.swap(true, Ordering::Relaxed) && session.one(IS_THERE, &[&version, &new]).await?.is_some() {
                return Ok(1);
            }
            session.execute(SWAP, &[&version, &new, &former, &old]).await
        });
        match swapped.await {
            Ok(0) => Ok(Swapped::Moved),
            Ok(_) => Ok(Swapped::Made),
            Err(error) => Err(unwritable(error)),
        }
    }
}

/// That nothing newer was seen than this, and no other of its version.
fn is_newest(seen: Option<&Seen>, snapshot: &TrustSnapshot) -> Result<(), TrustFileError> {
    let known = seen.map(|seen| seen.snapshot.evidence());
    match newest_trust(known, snapshot.evidence()) {
        Ok(_) => Ok(()),
        Err(_) => Err(TrustFileError::new(TrustFileCode::TrustRolledBack)),
    }
}

fn unwritable(source: StoreError) -> TrustFileError {
    TrustFileError::new(TrustFileCode::TrustUnwritable).with_source(source)
}

pub(crate) async fn check_settings(session: &Session) -> Result<(), Failure> {
    let row = session
        .one(SETTINGS, &[])
        .await?
        .ok_or_else(|| Failure::corrupt("the settings"))?;
    check_durable(&get::<String>(&row, 0)?, &get::<String>(&row, 1)?)
}

impl TrustDocument for PostgresTrust {
    fn read(&self) -> TrustFuture<'_, TrustSnapshot> {
        Box::pin(self.read_now())
    }

    fn change<'a>(&'a self, now: Timestamp, mut change: TrustChange<'a>) -> TrustFuture<'a, TrustChanged> {
        Box::pin(async move {
            let _turn = self.turn.lock().await;
            let began = Instant::now();
            loop {
                let before = self.read().await?;
                let after = before.changed(now, &mut *change)?;
                match self.swap(&before, &after).await? {
                    Swapped::Made => {
                        // It is made, whatever else was seen since.
                        let _ = self.accept(after.clone(), String::new());
                        return Ok(TrustChanged::new(before.evidence(), after));
                    }
                    Swapped::Moved if began.elapsed() < self.store.patience() => {}
                    Swapped::Moved => {
                        let late = "other changes were faster for too long";
                        return Err(TrustFileError::new(TrustFileCode::TrustUnwritable).with_source(late));
                    }
                }
            }
        })
    }
}
