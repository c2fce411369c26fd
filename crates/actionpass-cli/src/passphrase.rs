//! Secrets that open keys: from a file, the environment, a keyring, or asked for on the terminal; never from an argument.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use actionpass_crypto::KeyCode;
use actionpass_custodians::{SecretSource, SecretSourceCode};
use actionpass_custody::{Exposure, KeyUri, Secret, SecretFileError, SecretKind, Secrets};
use actionpass_home::HomeCode;
use clap::Args;
use zeroize::Zeroizing;

use crate::clock;
use crate::code::CliCode;
use crate::failure::{Failure, Outcome};
use crate::input;
use crate::shell::quote;

/// The environment variable that may hold a passphrase.
const VARIABLE: &str = "ACTIONPASS_PASSPHRASE";

/// Where the passphrase of an encrypted key comes from.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct PassphraseArgs {
    /// A file with the passphrase of an encrypted key in its first line; else ACTIONPASS_PASSPHRASE, else the terminal
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// What keeps the passphrase: `file:PATH`, `env:NAME` or `keyring:NAME`
    #[arg(long, value_name = "PLACE", conflicts_with = "passphrase_file", value_parser = SecretSource::parse)]
    pub(crate) passphrase_from: Option<SecretSource>,
}

/// Somebody who can be asked for secrets.
#[derive(Debug)]
pub(crate) struct Asked {
    args: PassphraseArgs,
    /// Where the configuration says that the passphrase is.
    place: Option<SecretSource>,
    /// Whether the passphrase is chosen now, for a new key.
    is_new: bool,
    /// Why there was no answer.
    failure: Mutex<Option<Failure>>,
}

impl PassphraseArgs {
    /// Asked for the secrets of keys that are there.
    pub(crate) fn of_old(&self, place: Option<&SecretSource>) -> Asked {
        self.asked(place, false)
    }

    /// Asked for the secrets of a key that is made.
    pub(crate) fn of_new(&self, place: Option<&SecretSource>) -> Asked {
        self.asked(place, true)
    }

    fn asked(&self, place: Option<&SecretSource>, is_new: bool) -> Asked {
        Asked {
            args: self.clone(),
            place: place.cloned(),
            is_new,
            failure: Mutex::new(None),
        }
    }
}

impl Asked {
    /// What custodians gave: why nobody answered counts for more than that a secret was missing.
    pub(crate) fn settle<T>(&self, outcome: Result<T, impl Into<Failure>>) -> Outcome<T> {
        outcome.map_err(|error| {
            let failure = self.failure().take().unwrap_or_else(|| error.into());
            if *failure.code() == KeyCode::PassphraseRequired.as_str() {
                return failure.with_hint(format!(
                    "set {VARIABLE}, use --passphrase-file or --passphrase-from, or run this on a terminal"
                ));
            }
            failure
        })
    }

    fn failure(&self) -> MutexGuard<'_, Option<Failure>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The passphrase for a new key; asked twice on a terminal.
    pub(crate) fn passphrase(&self, question: &str) -> Outcome<Option<Secret>> {
        match self.unasked()? {
            Some(secret) => Ok(Some(secret)),
            None if self.is_new => choose(),
            None => ask(question),
        }
    }

    /// What answers without that a person is asked.
    pub(crate) fn kept_elsewhere(&self, kind: SecretKind) -> Option<Secret> {
        if kind != SecretKind::Passphrase {
            return None;
        }
        self.unasked().unwrap_or_else(|failure| {
            *self.failure() = Some(failure);
            None
        })
    }

    /// The passphrase that a file, the environment or a keyring has, the first of them that is named.
    fn unasked(&self) -> Outcome<Option<Secret>> {
        if let Some(path) = &self.args.passphrase_file {
            return of_file(path, "--passphrase-file", "passphrase").map(Some);
        }
        if let Some(place) = &self.args.passphrase_from {
            return self.kept(place).map(Some);
        }
        if let Some(secret) = Secret::from_variable(VARIABLE) {
            return Ok(Some(secret));
        }
        self.place.as_ref().map(|place| self.kept(place)).transpose()
    }

    /// The passphrase that a place keeps. A keyring that has none gets one that nobody needs to know, for a new key.
    fn kept(&self, place: &SecretSource) -> Outcome<Secret> {
        match place.read() {
            Err(error)
                if self.is_new
                    && error.code() == SecretSourceCode::Missing
                    && matches!(place, SecretSource::Keyring(_)) =>
            {
                let drawn: Zeroizing<[u8; 32]> = Zeroizing::new(clock::random()?);
                let text: String = drawn.iter().map(|byte| format!("{byte:02x}")).collect();
                let secret = Secret::new(text.into_bytes());
                place.store(&secret)?;
                Ok(secret)
            }
            read => Ok(read?),
        }
    }
}

impl Secrets for Asked {
    fn ask(&self, kind: SecretKind, uri: &KeyUri) -> Option<Secret> {
        let question = format!("{kind} of {uri}: ");
        let answer = match kind {
            SecretKind::Passphrase => self.passphrase(&question),
            _ => ask(&question),
        };
        answer.unwrap_or_else(|failure| {
            *self.failure() = Some(failure);
            None
        })
    }
}

/// The first line of a file that is its owner's alone, of a pipe that the shell made, or of stdin.
///
/// No failure repeats the path of what isn't there: it may be the secret itself that somebody typed here.
pub(crate) fn of_file(path: &Path, option: &str, what: &str) -> Outcome<Secret> {
    const MAX_BYTES: usize = 64 * 1024;
    let is_pipe = || fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir());
    let read = if input::is_stdin(path) {
        return filled(Secret::first_line(input::read(path, MAX_BYTES)?), option);
    } else if is_pipe() {
        Secret::from_file(path).map_err(SecretFileError::from)
    } else {
        Secret::from_private_file(path)
    };
    let secret = read.map_err(|error| {
        let problem = format!("the file of {option} gives no {what}: {error}");
        match error {
            SecretFileError::Exposed(Exposure::Foreign) => Failure::new(SecretSourceCode::Permissions, problem),
            SecretFileError::Exposed(_) => {
                let path = path.display().to_string();
                Failure::new(SecretSourceCode::Permissions, problem).with_hint(format!("`chmod 600 {}`", quote(&path)))
            }
            _ => Failure::new(HomeCode::FileUnreadable, problem),
        }
    })?;
    filled(secret, option)
}

/// A key that is encrypted with nothing would only look as if it were.
fn filled(secret: Secret, option: &str) -> Outcome<Secret> {
    if secret.expose().is_empty() {
        return Err(Failure::new(
            SecretSourceCode::Unreadable,
            format!("the first line of {option} is empty"),
        ));
    }
    Ok(secret)
}

/// A new passphrase, typed twice; `None` if there is no terminal.
fn choose() -> Outcome<Option<Secret>> {
    let (Some(first), Some(second)) = (prompt("New passphrase: ")?, prompt("Once more: ")?) else {
        return Ok(None);
    };
    if *first != *second || first.is_empty() {
        return Err(Failure::new(
            KeyCode::PassphraseWrong,
            "the two passphrases differ, or are empty",
        ));
    }
    Ok(Some(taken(first)))
}

fn ask(question: &str) -> Outcome<Option<Secret>> {
    Ok(prompt(question)?.map(taken))
}

/// Asks on the terminal without echo; `None` if there is no terminal.
fn prompt(question: &str) -> Outcome<Option<Zeroizing<String>>> {
    if !has_terminal() {
        return Ok(None);
    }
    match rpassword::prompt_password(question) {
        Ok(text) => Ok(Some(Zeroizing::new(text))),
        Err(error) => Err(Failure::new(
            CliCode::ConfirmationRequired,
            format!("the terminal gives no answer: {error}"),
        )),
    }
}

/// The bytes move, so that no copy stays behind unwiped.
fn taken(mut text: Zeroizing<String>) -> Secret {
    Secret::new(std::mem::take(&mut *text).into_bytes())
}

/// Whether a person sees what is asked: stderr is a terminal.
pub(crate) fn has_terminal() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stderr())
}
