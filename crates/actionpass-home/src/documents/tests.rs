use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use actionpass_store::StoreError;

use super::*;
use crate::DatabaseUrl;
use crate::kept::{Row, Rows};

fn count(kept: Option<Vec<u8>>) -> usize {
    kept.map_or(0, |bytes| String::from_utf8(bytes).unwrap().parse().unwrap())
}

fn text(documents: &Documents, document: Document) -> Option<String> {
    let bytes = documents.read(document).unwrap()?;
    Some(String::from_utf8(bytes).unwrap())
}

/// What holds wherever documents are kept; both are of the same place.
fn conforms(one: &Documents, two: &Documents) {
    for document in ALL {
        assert_eq!(text(one, document), None, "{}", document.name);
        let refused = one.change(document, |kept| {
            assert_eq!(kept, None);
            Err::<((), _), _>(missing(Path::new("x")))
        });
        assert_eq!(refused.unwrap_err().code().to_string(), "file_unreadable");
        let left = one.change(document, |_| Ok::<_, HomeError>((7, None)));
        assert_eq!((left.unwrap(), text(two, document)), (7, None));
        let made = one.change(document, |_| Ok::<_, HomeError>(("made", Some(b"0".to_vec()))));
        assert_eq!((made.unwrap(), text(two, document).as_deref()), ("made", Some("0")));
        let refused = two.change(document, |kept| {
            assert_eq!(kept.as_deref(), Some(&b"0"[..]));
            Err::<((), _), _>(missing(Path::new("x")))
        });
        assert!(refused.is_err());
        assert_eq!(text(one, document).as_deref(), Some("0"));

        let changes = 10;
        std::thread::scope(|scope| {
            for documents in [one, two, one, two] {
                scope.spawn(move || {
                    for _ in 0..changes {
                        let next = |kept| {
                            Ok::<_, HomeError>(((), Some(count(kept).saturating_add(1).to_string().into_bytes())))
                        };
                        documents.change(document, next).unwrap();
                    }
                });
            }
        });
        assert_eq!(text(one, document), Some((4 * changes).to_string()));
        assert!(one.place(document.name).display().to_string().ends_with(document.name));
    }
}

#[test]
fn files_of_a_home_conform() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::open(folder.path()).unwrap();
    let documents = Documents::Files(home.clone());
    conforms(&documents, &Documents::Files(Home::open(folder.path()).unwrap()));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let open = |document: Document, mode| {
            fs::set_permissions(home.path(document.name), fs::Permissions::from_mode(mode)).unwrap();
            documents.read(document).map_err(|error| error.code().to_string())
        };
        // Pins are no secret.
        assert!(open(PINS_FILE, 0o644).is_ok());
        for document in [CLIENTS_FILE, APPROVERS_FILE] {
            assert_eq!(open(document, 0o644), Err("key_file_permissions".to_owned()));
        }
        assert_eq!(open(PINS_FILE, 0o666), Err("home_not_private".to_owned()));
    }
    fs::remove_file(home.path(CLIENTS)).unwrap();
    fs::create_dir(home.path(CLIENTS)).unwrap();
    assert!(documents.read(CLIENTS_FILE).is_err());
}

/// Rows in memory, of which the first replacements come too late.
#[derive(Debug, Default)]
struct Memory {
    rows: Mutex<Vec<(String, Row)>>,
    late: AtomicUsize,
}

impl Rows for Memory {
    fn read(&self, name: &str) -> Result<Option<Row>, StoreError> {
        let rows = self.rows.lock().unwrap();
        Ok(rows.iter().find(|(known, _)| known == name).map(|(_, row)| row.clone()))
    }

    fn replace(&self, name: &str, version: Option<u64>, bytes: Vec<u8>) -> Result<Option<u64>, StoreError> {
        let is_late = |left: usize| left.checked_sub(1);
        if self
            .late
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_late)
            .is_ok()
        {
            return Ok(None);
        }
        let mut rows = self.rows.lock().unwrap();
        let known = rows.iter().position(|(known, _)| known == name);
        let there = known.and_then(|at| rows.get(at)).map(|(_, row)| row.version);
        if there != version {
            return Ok(None);
        }
        let next = version.unwrap_or(0).saturating_add(1);
        let row = Row {
            version: next,
            digest: actionpass_verify::canon::sha256(&bytes),
            bytes: bytes.into(),
        };
        rows.retain(|(known, _)| known != name);
        rows.push((name.to_owned(), row));
        Ok(Some(next))
    }
}

fn database(rows: Arc<dyn Rows>) -> Documents {
    let url = DatabaseUrl::parse("postgres://gate@db.example/actionpass").unwrap();
    Documents::Database(DatabaseDocuments::new(rows, url))
}

#[test]
fn a_change_is_asked_again_where_another_was_faster() {
    let rows = Arc::new(Memory::default());
    let documents = database(Arc::clone(&rows) as _);
    conforms(&database(Arc::clone(&rows) as _), &documents);
    rows.late.store(3, Ordering::Relaxed);
    let mut asked = 0;
    let changed = documents.change(PINS_FILE, |_| {
        asked += 1;
        Ok::<_, HomeError>(((), Some(vec![b'1'])))
    });
    changed.unwrap();
    assert_eq!((asked, text(&documents, PINS_FILE).as_deref()), (4, Some("1")));
    // Not for ever.
    rows.late.store(usize::MAX, Ordering::Relaxed);
    let refused = documents.change(PINS_FILE, |_| Ok::<_, HomeError>(((), Some(vec![b'2']))));
    let error = refused.unwrap_err();
    assert_eq!(error.code().to_string(), "store_busy");
    assert_eq!(error.to_string(), "`postgres://gate@db.example/actionpass#pins.json`");
    assert_eq!(text(&documents, PINS_FILE).as_deref(), Some("1"));
}

#[test]
fn files_of_a_policy_are_one_document() {
    let rows = Arc::new(Memory::default());
    let documents = database(Arc::clone(&rows) as _);
    let Documents::Database(database) = &documents else {
        panic!("{documents:?}")
    };
    assert!(database.policy().unwrap().is_none());
    let files = |text: &str| [("policy.toml".to_owned(), text.to_owned())].into();
    database
        .change_policy(&|before| {
            assert!(before.is_empty());
            Ok(files("one"))
        })
        .unwrap();
    // The same is no change, and what is refused is none.
    database.change_policy(&|_| Ok(files("one"))).unwrap();
    let refused = database.change_policy(&|_| Err(missing(Path::new("x"))));
    assert_eq!(refused.unwrap_err().code().to_string(), "file_unreadable");
    let (kept, texts) = database.policy().unwrap().unwrap();
    assert_eq!((kept.map(|(version, _)| version), texts), (Some(1), files("one")));
    let before = rows.read("policy").unwrap().unwrap().bytes;
    let before = String::from_utf8(before.to_vec()).unwrap();
    // Whatever could be read in two ways is refused.
    for broken in [
        before.replace("v1", "v2"),
        before.replace("\"files\"", " \"files\""),
        before.replace(
            "\"policy.toml\":\"one\"",
            "\"policy.toml\":\"two\",\"policy.toml\":\"one\"",
        ),
        before.replace("}}", "},\"more\":1}"),
        format!("{before}\n"),
        String::new(),
    ] {
        let version = rows.read("policy").unwrap().map(|row| row.version);
        rows.replace("policy", version, broken.clone().into_bytes())
            .unwrap()
            .unwrap();
        assert_eq!(
            database.policy().unwrap_err().code().to_string(),
            "store_corrupt",
            "{broken}"
        );
    }
}

#[cfg(feature = "postgres")]
#[test]
fn documents_of_a_database_conform() {
    use actionpass_model::UnixSeconds;
    use actionpass_servers::postgres::Postgres;
    use actionpass_store::ReplayStart;
    use actionpass_store_postgres::{PostgresDocuments, PostgresOptions, PostgresStore};

    let server = Postgres::start();
    server.create_database("home");
    let options = PostgresOptions::parse(&server.url("home")).unwrap();
    let start = ReplayStart::first(UnixSeconds::new(1_795_000_000).unwrap());
    let one = PostgresStore::create(&options, None, start).unwrap();
    let two = PostgresStore::open(&options).unwrap();
    let of = |store| database(Arc::new(PostgresDocuments::of(store)));
    conforms(&of(&one), &of(&two));
}
