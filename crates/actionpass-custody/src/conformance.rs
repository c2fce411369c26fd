//! The conformance suite of [`Custodian`]: one named test for each clause of its contract that shows from outside.
//!
//! ```
//! # // The macro makes tests, so this shows how it is called and runs a clause by hand.
//! use actionpass_custody::conformance::{self, Subject};
//! use actionpass_custody::{KeyFiles, KeyUri};
//!
//! fn files() -> Subject {
//!     Subject::new(KeyFiles::below(&std::env::temp_dir()), "file:no/such/key.pem")
//!         .making(|name| KeyUri::new("file", &format!("{name}-*.pem")))
//! }
//!
//! actionpass_custody::custodian_conformance!(key_files, files, es256: Es256);
//!
//! conformance::a_missing_key_is_an_error_and_stays_missing(&files());
//! ```
//!
//! Every clause panics where the contract is broken: that is what a test does.
#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "a broken clause fails its test by a panic"
)]

use std::any::Any;
use std::error::Error;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

#[doc(hidden)]
pub use actionpass_crypto;
use actionpass_crypto::conformance::{block_on, debug_shows_no_secret};
use actionpass_crypto::{Algorithm, PublicKey, SignCode, SignError, Signature, Signer, SigningInput};
use actionpass_model::Code;

use crate::{Custodian, CustodianCode, CustodianError, KeyFileCode, KeyUri, OpenKey, Secret, SecretKind, Secrets};

/// Declares a module of tests for a custodian: a name, a closure that makes a [`Subject`], and, for the suite of
/// [`Signer`] on its keys, a name for each algorithm that it has.
///
/// The closure is called by every test; the tests of signers share one key for each algorithm. What a custodian does
/// while its service is silent is tested by [`every_wait_ends`].
#[macro_export]
macro_rules! custodian_conformance {
    ($name:ident, $make:expr $(, $signer:ident: $algorithm:ident)* $(,)?) => {
        #[cfg(test)]
        mod $name {
            #[allow(unused_imports, reason = "what the expression names, if it names anything")]
            use super::*;

            $crate::custodian_conformance!(@clauses $make,
                a_missing_key_is_an_error_and_stays_missing,
                opening_twice_gives_the_same_key,
                the_uri_of_the_answer_names_exactly_that_key,
                a_new_key_overwrites_none,
                the_successor_leaves_the_old_key,
                unknown_parts_of_a_uri_are_refused,
                nothing_shows_a_secret,
            );

            $(
                fn $signer() -> ::std::sync::Arc<dyn $crate::conformance::actionpass_crypto::Signer> {
                    static KEY: $crate::conformance::SharedKey = $crate::conformance::SharedKey::new();
                    KEY.signer($crate::conformance::actionpass_crypto::Algorithm::$algorithm, $make)
                }

                $crate::conformance::actionpass_crypto::signer_conformance!($signer, $signer);
            )*
        }
    };
    (@clauses $make:expr, $($clause:ident,)+) => {$(
        #[test]
        fn $clause() {
            $crate::conformance::$clause(&($make)());
        }
    )+};
}

/// A custodian to be tested, with what the suite has to know of it.
#[derive(Debug)]
pub struct Subject {
    custodian: Box<dyn Custodian>,
    answers: OneAnswer,
    keys: Keys,
    missing: KeyUri,
    unknown: Vec<KeyUri>,
    hidden: Vec<String>,
    kept: Vec<Kept>,
}

/// Where the keys of the tests come from.
enum Keys {
    Nowhere,
    Made(Box<dyn Fn(&str) -> KeyUri + Send + Sync>),
    There(Box<dyn Fn(Algorithm) -> KeyUri + Send + Sync>),
}

/// What lives as long as the subject: a server, a folder.
struct Kept(
    #[expect(dead_code, reason = "it is dropped with the subject, and that is all that it is for")]
    Box<dyn Any + Send + Sync>,
);

impl Subject {
    /// This custodian, which has no key at the URI `missing`.
    ///
    /// # Panics
    /// If `missing` is no URI.
    pub fn new(custodian: impl Custodian + 'static, missing: &str) -> Self {
        Self {
            custodian: Box::new(custodian),
            answers: OneAnswer::default(),
            keys: Keys::Nowhere,
            missing: uri(missing),
            unknown: Vec::new(),
            hidden: Vec::new(),
            kept: Vec::new(),
        }
    }

    /// It makes keys: the URI says where for a name, made of lower-case letters, digits and hyphens. The suite uses a
    /// name no more than once for each subject, and no two of its tests use the same one.
    #[must_use]
    pub fn making(mut self, place: impl Fn(&str) -> KeyUri + Send + Sync + 'static) -> Self {
        self.keys = Keys::Made(Box::new(place));
        self
    }

    /// It makes no keys; one of each algorithm is there.
    #[must_use]
    pub fn holding(mut self, place: impl Fn(Algorithm) -> KeyUri + Send + Sync + 'static) -> Self {
        self.keys = Keys::There(Box::new(place));
        self
    }

    /// URIs of its scheme with something in them that it doesn't know, among them one with a secret.
    ///
    /// # Panics
    /// If one of them is no URI.
    #[must_use]
    pub fn refusing<'a>(mut self, unknown: impl IntoIterator<Item = &'a str>) -> Self {
        self.unknown.extend(unknown.into_iter().map(uri));
        self
    }

    /// The PIN, token or passphrase that opens its keys: whoever asks gets it, and nothing may show it.
    #[must_use]
    pub fn knowing(mut self, secret: &str) -> Self {
        self.answers = OneAnswer::new(secret);
        self.hiding(secret)
    }

    /// A secret that it was given otherwise, and that nothing may show.
    #[must_use]
    pub fn hiding(mut self, secret: &str) -> Self {
        self.hidden.push(secret.to_owned());
        self
    }

    /// Drops this with the subject: the server that it speaks to.
    #[must_use]
    pub fn keeping(mut self, kept: impl Any + Send + Sync) -> Self {
        self.kept.push(Kept(Box::new(kept)));
        self
    }

    fn open(&self, uri: &KeyUri) -> Result<OpenKey, CustodianError> {
        self.custodian.open(uri, &self.answers)
    }

    fn generate(&self, uri: &KeyUri, algorithm: Algorithm) -> Result<OpenKey, CustodianError> {
        self.custodian.generate(uri, algorithm, &self.answers)
    }

    /// The key of this URI, which is there and signs.
    fn opened(&self, uri: &KeyUri) -> OpenKey {
        match self.open(uri) {
            Ok(key) => signing(key),
            Err(error) => panic!("`{uri}` does not open: {}", report(&error)),
        }
    }

    /// A key of the test of this name, made or there, and where it was to be.
    fn key(&self, name: &str, algorithm: Algorithm) -> (KeyUri, OpenKey) {
        match &self.keys {
            Keys::Nowhere => panic!("the subject neither makes nor holds keys"),
            Keys::Made(place) => {
                let place = place(name);
                let key = self.made(&place, algorithm);
                (place, key)
            }
            Keys::There(place) => {
                let place = place(algorithm);
                let key = self.opened(&place);
                assert_eq!(key.signer.public_key().algorithm(), algorithm, "`{place}`");
                (place, key)
            }
        }
    }

    fn made(&self, place: &KeyUri, algorithm: Algorithm) -> OpenKey {
        match self.generate(place, algorithm) {
            Ok(key) => {
                assert_eq!(key.signer.public_key().algorithm(), algorithm, "`{place}`");
                signing(key)
            }
            Err(error) => panic!("no key was made at `{place}`: {}", report(&error)),
        }
    }
}

/// A key that several tests share: made, or opened, by the first that asks.
#[derive(Debug, Default)]
pub struct SharedKey(OnceLock<(Subject, Arc<dyn Signer>)>);

impl SharedKey {
    /// No key yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// The signer of this algorithm, of the subject that the closure makes.
    pub fn signer(&self, algorithm: Algorithm, subject: impl FnOnce() -> Subject) -> Arc<dyn Signer> {
        let (_, signer) = self.0.get_or_init(|| {
            let subject = subject();
            let name = format!("signs-{}", algorithm.as_str().to_ascii_lowercase());
            let (_, key) = subject.key(&name, algorithm);
            (subject, key.signer)
        });
        Arc::clone(signer)
    }
}

/// Somebody who gives the same answer whatever is asked, or knows nothing, and counts.
#[derive(Debug, Default)]
pub struct OneAnswer {
    secret: Option<Box<str>>,
    asked: AtomicUsize,
}

impl OneAnswer {
    /// Somebody who knows this secret.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self {
            secret: Some(secret.into()),
            asked: AtomicUsize::new(0),
        }
    }

    /// How often a secret was asked for.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Secrets for OneAnswer {
    fn ask(&self, _: SecretKind, _: &KeyUri) -> Option<Secret> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.secret
            .as_deref()
            .map(|secret| Secret::new(secret.as_bytes().to_vec()))
    }
}

/// One signature over a probe, which verifies with the signer's public key.
///
/// # Errors
/// [`SignError`], as the signer has it.
///
/// # Panics
/// If the signature doesn't verify.
pub fn sign(signer: &dyn Signer) -> Result<Signature, SignError> {
    let input = SigningInput::probe(&[7; 32], signer.public_key());
    let signature = block_on(signer.sign(&input))?;
    assert!(
        signer.public_key().verify(&input, &signature).is_ok(),
        "a signature of custodian `{}` doesn't verify with its key",
        signer.custodian()
    );
    Ok(signature)
}

/// An error with all of its causes, as a log would show them, `Debug` included.
#[must_use]
pub fn report(error: &dyn Error) -> String {
    let mut text = format!("{error} ({error:?})");
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing into text does not fail.
        let _ = write!(text, ": {cause} ({cause:?})");
        source = cause.source();
    }
    text
}

/// A key that isn't there is an error, for everybody who asks: none is made instead.
pub fn a_missing_key_is_an_error_and_stays_missing(subject: &Subject) {
    for _ in 0..2 {
        let Err(error) = subject.open(&subject.missing) else {
            panic!("`{}` opens a key, and there was none", subject.missing);
        };
        let codes = [
            CustodianCode::KeyMissing.as_str(),
            KeyFileCode::Missing.as_str(),
            KeyFileCode::VariableMissing.as_str(),
        ];
        assert!(
            codes.contains(&error.code().as_str()),
            "{}: {}",
            error.code(),
            report(&error)
        );
    }
}

/// A key that is opened again is the same key.
pub fn opening_twice_gives_the_same_key(subject: &Subject) {
    let (place, made) = subject.key("twice", Algorithm::Es256);
    let (exact, public) = parts(made);
    for uri in [&place, &exact, &exact] {
        // The place of a new key need not lead to it: a path with a `*` is no file.
        if *uri != exact && subject.open(uri).is_err() {
            continue;
        }
        assert_eq!(parts(subject.opened(uri)), (exact.clone(), public.clone()), "`{uri}`");
    }
}

/// The URI of an answer names its key and no other, whatever is made in the same place later.
pub fn the_uri_of_the_answer_names_exactly_that_key(subject: &Subject) {
    let (place, first) = subject.key("exact", Algorithm::Es256);
    let (exact, public) = parts(first);
    if matches!(subject.keys, Keys::Made(_)) {
        match subject.generate(&place, Algorithm::Es256).map(parts) {
            Ok((uri, other)) => {
                assert_ne!(uri, exact, "two keys have one URI");
                assert_ne!(other, public, "a new key is an old one");
            }
            Err(error) => assert!(is_taken(&error), "{}", report(&error)),
        }
    }
    assert_eq!(parts(subject.opened(&exact)), (exact, public));
}

/// A new key takes the place of none: where there is one already, it is another beside it, or nothing is made.
pub fn a_new_key_overwrites_none(subject: &Subject) {
    let (_, first) = subject.key("overwritten", Algorithm::Es256);
    let (exact, public) = parts(first);
    // Right at the URI of the first, where its custodian takes the URI of a key for a place at all.
    if let Ok(other) = subject.generate(&exact, Algorithm::Es256) {
        let (uri, other) = parts(other);
        assert_ne!(uri, exact, "a new key has the URI of an old one");
        assert_ne!(other, public, "a new key is an old one");
    }
    assert_eq!(parts(subject.opened(&exact)), (exact, public));
}

/// The successor of a key is made beside it and leaves it as it is; whoever makes no keys says so.
pub fn the_successor_leaves_the_old_key(subject: &Subject) {
    let (_, old) = subject.key("old", Algorithm::Es256);
    let (exact, public) = parts(old);
    let none = Code::from(CustodianCode::NotGenerable);
    match (subject.custodian.beside(&exact), &subject.keys) {
        (Ok(place), Keys::Made(_)) => {
            let (uri, successor) = parts(subject.made(&place, Algorithm::Es256));
            assert_ne!(uri, exact, "the successor has the URI of the old key");
            assert_ne!(successor, public, "the successor is the old key");
            assert_eq!(parts(subject.opened(&uri)), (uri, successor));
        }
        (Err(error), Keys::There(_)) => {
            assert_eq!(error.code(), none, "{}", report(&error));
            let made = subject.generate(&exact, Algorithm::Es256);
            assert_eq!(made.map(parts).map_err(|error| error.code()), Err(none.clone()));
        }
        (Ok(place), _) => panic!("the successor is to be made at `{place}`, and the custodian makes none"),
        (Err(error), _) => panic!("no place for the successor of `{exact}`: {}", report(&error)),
    }
    assert_eq!(parts(subject.opened(&exact)), (exact, public));
}

/// What the custodian doesn't know in a URI is refused, before anybody is asked for a secret.
pub fn unknown_parts_of_a_uri_are_refused(subject: &Subject) {
    assert!(!subject.unknown.is_empty(), "the subject names no URI that is refused");
    let malformed = Some(Code::from(CustodianCode::UriMalformed));
    for uri in &subject.unknown {
        let opened = subject.open(uri).err().map(|error| error.code());
        assert_eq!(opened, malformed.clone(), "open `{uri}`");
        if matches!(subject.keys, Keys::Made(_)) {
            let made = subject.generate(uri, Algorithm::Es256).err();
            assert_eq!(made.map(|error| error.code()), malformed.clone(), "generate `{uri}`");
            let place = subject.custodian.beside(uri).err();
            assert_eq!(place.map(|error| error.code()), malformed.clone(), "beside `{uri}`");
        }
    }
    assert_eq!(subject.answers.asked(), 0, "a secret was asked for");
}

/// Neither errors nor `Debug` show a secret.
pub fn nothing_shows_a_secret(subject: &Subject) {
    let (place, key) = subject.key("shown", Algorithm::Es256);
    debug_shows_no_secret(&*key.signer);
    let mut shown = vec![format!("{:?} {key:?} {place} {}", subject.custodian, key.uri)];
    drop(key);
    for uri in subject.unknown.iter().chain([&subject.missing]) {
        match subject.open(uri) {
            Ok(key) => panic!("`{}` opens", key.uri),
            Err(error) => shown.push(report(&error)),
        }
    }
    for text in shown {
        for secret in &subject.hidden {
            let bytes = format!("{:?}", secret.as_bytes());
            let bytes = bytes.trim_matches(['[', ']']);
            assert!(
                !text.contains(secret) && !text.contains(bytes),
                "a secret is shown: {text}"
            );
        }
    }
}

/// Opening a key and making one end within the time that the custodian was given and two seconds more, with the code of
/// custodians that are not available: while its service takes connections, or calls, and never answers.
pub fn every_wait_ends(custodian: impl Custodian + 'static, uri: &KeyUri, secret: Option<&str>, limit: Duration) {
    let custodian: Arc<dyn Custodian> = Arc::new(custodian);
    let unavailable = SignCode::Unavailable.as_str();
    for name in ["open", "generate"] {
        let (sender, receiver) = mpsc::channel();
        let (custodian, uri) = (Arc::clone(&custodian), uri.clone());
        let answers = secret.map(OneAnswer::new).unwrap_or_default();
        // Left alone if it hangs, since that is what is tested.
        thread::spawn(move || {
            let outcome = match name {
                "open" => custodian.open(&uri, &answers),
                _ => custodian.generate(&uri, Algorithm::Es256, &answers),
            };
            // An error here is a test that has failed already.
            let _ = sender.send(outcome.map(parts).map_err(|error| (error.code(), report(&error))));
        });
        let limit = limit.saturating_add(Duration::from_secs(2));
        match receiver.recv_timeout(limit) {
            Ok(Err((code, _))) if code == unavailable => {}
            // Whoever makes no keys says so without asking.
            Ok(Err((code, _))) if code == CustodianCode::NotGenerable.as_str() => {}
            Ok(Err((code, error))) => panic!("`{name}` fails with `{code}`: {error}"),
            Ok(Ok((uri, _))) => panic!("`{name}` gives `{uri}`, and nobody answered"),
            Err(_) => panic!("`{name}` still waits after {limit:?}"),
        }
    }
}

fn uri(text: &str) -> KeyUri {
    KeyUri::parse(text).expect("the suite is given URIs")
}

/// The key, which signs.
fn signing(key: OpenKey) -> OpenKey {
    match sign(&*key.signer) {
        Ok(_) => key,
        Err(error) => panic!("`{}` does not sign: {}", key.uri, report(&error)),
    }
}

/// What is compared of a key. It is closed, since some custodians have one connection only.
fn parts(key: OpenKey) -> (KeyUri, PublicKey) {
    (key.uri, key.signer.public_key().clone())
}

fn is_taken(error: &CustodianError) -> bool {
    let codes = [CustodianCode::KeyExists.as_str(), KeyFileCode::Exists.as_str()];
    codes.contains(&error.code().as_str())
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nowhere => "Nowhere",
            Self::Made(_) => "Made",
            Self::There(_) => "There",
        })
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}
