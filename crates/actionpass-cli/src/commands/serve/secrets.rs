//! [`Remembered`]: secrets that a person was asked for while a service started.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use actionpass_custody::{KeyUri, Secret, SecretKind, Secrets};

use crate::failure::{Failure, Outcome};
use crate::passphrase::Asked;

/// What was answered while the service started. A key that is opened again gets it again; one that has another secret, as after a
/// rotation, gets what a file, the environment or a keyring says, and nobody is asked on a terminal.
pub(super) struct Remembered {
    asked: Asked,
    answers: Mutex<HashMap<(String, KeyUri), Secret>>,
    may_ask: AtomicBool,
}

impl Remembered {
    pub(super) fn new(asked: Asked) -> Self {
        Self {
            asked,
            answers: Mutex::default(),
            may_ask: AtomicBool::new(true),
        }
    }

    /// From now on nobody is asked.
    pub(super) fn ask_nobody_any_more(&self) {
        self.may_ask.store(false, Ordering::SeqCst);
    }

    /// As [`Asked::settle`].
    pub(super) fn settle<T>(&self, outcome: Result<T, impl Into<Failure>>) -> Outcome<T> {
        self.asked.settle(outcome)
    }
}

impl Secrets for Remembered {
    fn ask(&self, kind: SecretKind, uri: &KeyUri) -> Option<Secret> {
        let key = (kind.to_string(), uri.clone());
        let copy = |secret: &Secret| Secret::new(secret.expose().to_vec());
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = answers.get(&key) {
            return Some(copy(known));
        }
        let answer = if self.may_ask.load(Ordering::SeqCst) {
            self.asked.ask(kind, uri)?
        } else {
            self.asked.kept_elsewhere(kind)?
        };
        answers.insert(key, copy(&answer));
        Some(answer)
    }
}

impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remembered").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passphrase::PassphraseArgs;

    #[test]
    fn what_was_answered_is_answered_again() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "correct horse\n").unwrap();
        let args = PassphraseArgs {
            passphrase_file: Some(file.path().to_owned()),
            ..PassphraseArgs::default()
        };
        let remembered = Remembered::new(args.of_old(None));
        let uri = KeyUri::new("file", "keys/a.pem");
        let ask = || remembered.ask(SecretKind::Passphrase, &uri);
        assert_eq!(ask().unwrap().expose(), b"correct horse");
        remembered.ask_nobody_any_more();
        drop(file);
        assert_eq!(ask().unwrap().expose(), b"correct horse");
        // Another key's is asked for elsewhere, and there is nobody.
        assert!(
            remembered
                .ask(SecretKind::Passphrase, &KeyUri::new("file", "keys/b.pem"))
                .is_none()
        );
        assert!(!format!("{remembered:?}").contains("horse"));
    }
}
