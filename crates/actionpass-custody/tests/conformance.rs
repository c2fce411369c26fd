//! The suite of custodians on key files, and on custodians that break it.
#![expect(clippy::unwrap_used, reason = "a test that can not go on fails")]

use std::fmt;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use actionpass_crypto::{Algorithm, SoftwareKey};
use actionpass_custody::conformance::{self, Subject};
use actionpass_custody::{Custodian, CustodianError, KeyFiles, KeyUri, OpenKey, PrivatePem, SecretKind, Secrets};

/// The clauses, by name.
type Clause = (&'static str, fn(&Subject));

const CLAUSES: &[Clause] = &[
    (
        "a_missing_key_is_an_error_and_stays_missing",
        conformance::a_missing_key_is_an_error_and_stays_missing,
    ),
    (
        "opening_twice_gives_the_same_key",
        conformance::opening_twice_gives_the_same_key,
    ),
    (
        "the_uri_of_the_answer_names_exactly_that_key",
        conformance::the_uri_of_the_answer_names_exactly_that_key,
    ),
    ("a_new_key_overwrites_none", conformance::a_new_key_overwrites_none),
    (
        "the_successor_leaves_the_old_key",
        conformance::the_successor_leaves_the_old_key,
    ),
    (
        "unknown_parts_of_a_uri_are_refused",
        conformance::unknown_parts_of_a_uri_are_refused,
    ),
    ("nothing_shows_a_secret", conformance::nothing_shows_a_secret),
];

const PASSPHRASE: &str = "correct horse";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// None.
    Honest,
    ReplacesMissingKeys,
    OpensAnotherKeyEachTime,
    AnswersWithThePlaceInstead,
    Overwrites,
    MakesTheSuccessorInTheSamePlace,
    IgnoresWhatItDoesNotKnow,
    AsksBeforeItReads,
    ShowsItsSecret,
}

/// Key files with URIs of their own, `folder:NAME`, that break one clause of the contract.
struct Faulty {
    files: KeyFiles,
    folder: PathBuf,
    fault: Fault,
    opened: AtomicUsize,
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Faulty");
        if self.fault == Fault::ShowsItsSecret {
            shown.field("passphrase", &PASSPHRASE.as_bytes());
        }
        shown.finish_non_exhaustive()
    }
}

impl Faulty {
    /// Where the key is for `KeyFiles`; what stands behind `?` is nothing that this custodian knows.
    fn file(&self, uri: &KeyUri) -> Result<KeyUri, CustodianError> {
        match uri.split_query() {
            (name, query) if query.is_empty() || self.fault == Fault::IgnoresWhatItDoesNotKnow => {
                Ok(KeyUri::new("file", name))
            }
            _ => Err(CustodianError::malformed(uri, "it has attributes")),
        }
    }

    fn answer(&self, place: &KeyUri, key: OpenKey) -> OpenKey {
        let uri = match self.fault {
            Fault::AnswersWithThePlaceInstead => place.clone(),
            _ => KeyUri::new("folder", key.uri.rest()),
        };
        OpenKey { uri, ..key }
    }
}

impl Custodian for Faulty {
    fn schemes(&self) -> &'static [&'static str] {
        &["folder"]
    }

    fn open(&self, uri: &KeyUri, secrets: &dyn Secrets) -> Result<OpenKey, CustodianError> {
        if self.fault == Fault::AsksBeforeItReads {
            drop(secrets.ask(SecretKind::Passphrase, uri));
        }
        let file = self.file(uri)?;
        let number = self.opened.fetch_add(1, Ordering::SeqCst);
        if self.fault == Fault::OpensAnotherKeyEachTime && number > 1 {
            return self.generate(&KeyUri::new("folder", "other-*.pem"), Algorithm::Es256, secrets);
        }
        match self.files.open(&file, secrets) {
            Err(error) if self.fault == Fault::ReplacesMissingKeys && error.code() == "key_file_missing" => {
                self.generate(uri, Algorithm::Es256, secrets)
            }
            opened => Ok(self.answer(uri, opened?)),
        }
    }

    fn generate(&self, uri: &KeyUri, algorithm: Algorithm, secrets: &dyn Secrets) -> Result<OpenKey, CustodianError> {
        let file = self.file(uri)?;
        match self.files.generate(&file, algorithm, secrets) {
            Err(error) if self.fault == Fault::Overwrites && error.code() == "key_file_exists" => {
                let key = SoftwareKey::generate_for(algorithm).unwrap();
                let pem = PrivatePem::encode(&key.to_pkcs8().unwrap()).unwrap();
                fs::write(self.folder.join(file.rest()), pem.as_str()).unwrap();
                Ok(OpenKey {
                    uri: uri.clone(),
                    signer: Arc::new(key),
                })
            }
            made => Ok(self.answer(uri, made?)),
        }
    }

    fn beside(&self, uri: &KeyUri) -> Result<KeyUri, CustodianError> {
        let file = self.file(uri)?;
        if self.fault == Fault::MakesTheSuccessorInTheSamePlace {
            return Ok(uri.clone());
        }
        Ok(KeyUri::new("folder", self.files.beside(&file)?.rest()))
    }
}

fn subject(fault: Fault, options: impl FnOnce(KeyFiles) -> KeyFiles) -> Subject {
    let folder = tempfile::tempdir().unwrap();
    let faulty = Faulty {
        files: options(KeyFiles::below(folder.path())),
        folder: folder.path().to_owned(),
        fault,
        opened: AtomicUsize::new(0),
    };
    Subject::new(faulty, "folder:missing.pem")
        .making(|name| KeyUri::new("folder", &format!("{name}.pem")))
        .refusing(["folder:a.pem?pin=1234"])
        .knowing(PASSPHRASE)
        .keeping(folder)
}

fn encrypted() -> Subject {
    subject(Fault::Honest, KeyFiles::with_encryption)
}

actionpass_custody::custodian_conformance!(encrypted_files, encrypted, es256: Es256, ed25519: Ed25519);

/// Key files themselves, which take any text for a path.
#[test]
fn key_files_conform() {
    for (name, clause) in CLAUSES {
        if *name == "unknown_parts_of_a_uri_are_refused" {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let files = KeyFiles::below(folder.path());
        clause(&Subject::new(files, "file:missing.pem").making(|name| KeyUri::new("file", &format!("{name}-*.pem"))));
    }
}

/// The clauses that this fault breaks.
fn broken_by(fault: Fault) -> Vec<&'static str> {
    let breaks = |clause: &&Clause| {
        let subject = subject(fault, |plain| plain);
        catch_unwind(AssertUnwindSafe(|| clause.1(&subject))).is_err()
    };
    CLAUSES.iter().filter(breaks).map(|(name, _)| *name).collect()
}

#[test]
fn each_fault_breaks_its_clause() {
    let cases = [
        (Fault::Honest, None),
        (
            Fault::ReplacesMissingKeys,
            Some("a_missing_key_is_an_error_and_stays_missing"),
        ),
        (Fault::OpensAnotherKeyEachTime, Some("opening_twice_gives_the_same_key")),
        (Fault::Overwrites, Some("a_new_key_overwrites_none")),
        (
            Fault::MakesTheSuccessorInTheSamePlace,
            Some("the_successor_leaves_the_old_key"),
        ),
        (
            Fault::IgnoresWhatItDoesNotKnow,
            Some("unknown_parts_of_a_uri_are_refused"),
        ),
        (Fault::AsksBeforeItReads, Some("unknown_parts_of_a_uri_are_refused")),
        (Fault::ShowsItsSecret, Some("nothing_shows_a_secret")),
    ];
    for (fault, clause) in cases {
        let broken = broken_by(fault);
        match clause {
            Some(clause) => assert!(broken.contains(&clause), "{fault:?}: {broken:?}"),
            None => assert!(broken.is_empty(), "{fault:?}: {broken:?}"),
        }
    }
}

/// A custodian whose successors are kept under a name of which only the place is told.
#[test]
fn an_answer_that_names_the_place_only_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let faulty = Faulty {
        files: KeyFiles::below(folder.path()),
        folder: folder.path().to_owned(),
        fault: Fault::AnswersWithThePlaceInstead,
        opened: AtomicUsize::new(0),
    };
    let subject = Subject::new(faulty, "folder:missing.pem")
        .making(|name| KeyUri::new("folder", &format!("{name}-*.pem")))
        .keeping(folder);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        conformance::the_uri_of_the_answer_names_exactly_that_key(&subject);
    }));
    assert!(outcome.is_err());
}

/// Waits for a while before it says that nobody is there.
#[derive(Debug)]
struct Slow(Duration);

impl Custodian for Slow {
    fn schemes(&self) -> &'static [&'static str] {
        &["slow"]
    }

    fn open(&self, _: &KeyUri, _: &dyn Secrets) -> Result<OpenKey, CustodianError> {
        thread::sleep(self.0);
        Err(CustodianError::unavailable("slow", "nobody is there"))
    }

    fn generate(&self, uri: &KeyUri, _: Algorithm, secrets: &dyn Secrets) -> Result<OpenKey, CustodianError> {
        self.open(uri, secrets)
    }

    fn beside(&self, uri: &KeyUri) -> Result<KeyUri, CustodianError> {
        Ok(uri.clone())
    }
}

#[test]
fn waits_without_an_end_are_found() {
    let uri = KeyUri::parse("slow:a").unwrap();
    let limit = Duration::from_millis(50);
    conformance::every_wait_ends(Slow(limit), &uri, None, limit);
    let outcome = catch_unwind(|| conformance::every_wait_ends(Slow(Duration::from_secs(60)), &uri, None, limit));
    assert!(outcome.is_err());
}
