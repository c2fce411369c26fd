//! [`DatabaseDocuments`]: the documents of a home in a database.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use actionpass_model::Digest;
use actionpass_store::{StoreCode, StoreError};
use serde::{Deserialize, Serialize};

use crate::documents::Turn;
use crate::{DatabaseUrl, HomeError};

/// How often a change is begun anew because another process was faster.
const MAX_ROUNDS: usize = 32;

/// A row with a document.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) version: u64,
    pub(crate) digest: Digest,
    pub(crate) bytes: Arc<[u8]>,
}

/// Rows with versions, in a database. Every call blocks its thread.
pub(crate) trait Rows: Debug + Send + Sync {
    /// The row of this name, as it is now or will be.
    fn read(&self, name: &str) -> Result<Option<Row>, StoreError>;

    /// Puts these bytes in the place of this version, or where there is no row, and gives the new one; `None`, and nothing is
    /// changed, if another is there.
    fn replace(&self, name: &str, version: Option<u64>, bytes: Vec<u8>) -> Result<Option<u64>, StoreError>;
}

/// The documents of a home in a database.
#[derive(Clone, Debug)]
pub(crate) struct DatabaseDocuments {
    rows: Arc<dyn Rows>,
    url: DatabaseUrl,
    /// Changes of one process wait for each other: only another process can be faster.
    turn: Arc<Mutex<()>>,
}

impl DatabaseDocuments {
    #[cfg(any(feature = "postgres", test))]
    pub(crate) fn new(rows: Arc<dyn Rows>, url: DatabaseUrl) -> Self {
        Self {
            rows,
            url,
            turn: Arc::default(),
        }
    }

    /// The address of the database and the name of the document.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("{}#{name}", self.url))
    }

    pub(crate) fn read(&self, name: &str) -> Result<Option<Row>, HomeError> {
        self.rows.read(name).map_err(|error| self.about(name, error))
    }

    pub(crate) fn change(&self, name: &str, turn: Turn<'_>) -> Result<(), HomeError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..MAX_ROUNDS {
            let before = self.read(name)?;
            let Some(after) = turn(before.as_ref().map(|kept| kept.bytes.to_vec())) else {
                return Ok(());
            };
            let version = before.map(|kept| kept.version);
            let swapped = self.rows.replace(name, version, after);
            if swapped.map_err(|error| self.about(name, error))?.is_some() {
                return Ok(());
            }
        }
        let late = StoreError::with_source(StoreCode::StoreBusy, "other changes were faster for too long");
        Err(self.about(name, late))
    }

    fn about(&self, name: &str, error: StoreError) -> HomeError {
        HomeError::store(&self.place(name), error)
    }
}

/// The document of the files of a policy, which come into force together.
pub(crate) const POLICY_FILES: &str = "policy";

/// As it is written: nothing but this, to the byte.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Bundle {
    schema: Schema,
    files: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize, Serialize)]
enum Schema {
    #[serde(rename = "actionpass.policy-files.v1")]
    V1,
}

/// Version and digest of the files of a policy, and the text of each.
pub(crate) type KeptPolicy = (Option<(u64, Digest)>, BTreeMap<String, String>);

/// What makes other texts of those that are there.
pub(crate) type ChangeTexts<'a> = &'a dyn Fn(&BTreeMap<String, String>) -> Result<BTreeMap<String, String>, HomeError>;

impl DatabaseDocuments {
    /// The files of the policy, if the database has them.
    pub(crate) fn policy(&self) -> Result<Option<KeptPolicy>, HomeError> {
        let Some(kept) = self.read(POLICY_FILES)? else {
            return Ok(None);
        };
        let files = self.bundled(&kept.bytes)?;
        Ok(Some((Some((kept.version, kept.digest)), files)))
    }

    /// Puts other files in their place: those that `change` makes of the ones that are there, which it may be asked more than once.
    pub(crate) fn change_policy(&self, change: ChangeTexts<'_>) -> Result<(), HomeError> {
        let mut made = Ok(());
        self.change(POLICY_FILES, &mut |before| {
            let next = before
                .as_deref()
                .map_or_else(|| Ok(BTreeMap::new()), |bytes| self.bundled(bytes));
            let next = next
                .and_then(|files| change(&files))
                .and_then(|files| self.bundle(files));
            match next {
                Ok(next) => {
                    made = Ok(());
                    (before.as_deref() != Some(&*next)).then_some(next)
                }
                Err(error) => {
                    made = Err(error);
                    None
                }
            }
        })?;
        made
    }

    fn bundle(&self, files: BTreeMap<String, String>) -> Result<Vec<u8>, HomeError> {
        let schema = Schema::V1;
        serde_json::to_vec(&Bundle { schema, files }).map_err(|_| self.no_bundle())
    }

    fn bundled(&self, bytes: &[u8]) -> Result<BTreeMap<String, String>, HomeError> {
        let bundle: Bundle = serde_json::from_slice(bytes).map_err(|_| self.no_bundle())?;
        // A name that stands twice, or anything else that a second reader could take for something else.
        if serde_json::to_vec(&bundle).ok().as_deref() != Some(bytes) {
            return Err(self.no_bundle());
        }
        Ok(bundle.files)
    }

    fn no_bundle(&self) -> HomeError {
        let problem = "the document holds no files of a policy";
        self.about(POLICY_FILES, StoreError::with_source(StoreCode::StoreCorrupt, problem))
    }
}
