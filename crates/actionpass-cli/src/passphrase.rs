//! Passphrases: from a file, from the environment or asked for on the terminal; never from an argument.

use std::path::PathBuf;

use actionpass_crypto::{KeyCode, KeyFileError, KeySource, Secret, SoftwareKey};
use clap::Args;
use zeroize::Zeroizing;

use crate::code::CliCode;
use crate::failure::{Failure, Outcome};
use crate::input;

/// The environment variable that may hold a passphrase.
const VARIABLE: &str = "ACTIONPASS_PASSPHRASE";

/// Where the passphrase of an encrypted key comes from.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct PassphraseArgs {
    /// A file with the passphrase of an encrypted key in its first line; else ACTIONPASS_PASSPHRASE, else the terminal
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

impl PassphraseArgs {
    /// Loads a private key, asking for its passphrase only if it is encrypted.
    pub(crate) fn load(&self, source: &KeySource) -> Outcome<SoftwareKey> {
        let given = self.given()?;
        match source.load(given.as_ref()) {
            Err(error) if given.is_none() && is_encrypted(&error) => {
                let typed = ask(&format!("Passphrase of {source}: "))?.ok_or_else(|| {
                    Failure::from(error).with_hint(format!("set {VARIABLE} or use --passphrase-file"))
                })?;
                Ok(source.load(Some(&typed))?)
            }
            outcome => Ok(outcome?),
        }
    }

    /// The passphrase for a new key; asked twice on a terminal.
    pub(crate) fn choose(&self) -> Outcome<Secret> {
        if let Some(given) = self.given()? {
            return Ok(given);
        }
        let required = || {
            Failure::new(KeyCode::PassphraseRequired, "a passphrase is needed to encrypt the key").with_hint(format!(
                "set {VARIABLE}, use --passphrase-file, or run this on a terminal"
            ))
        };
        let first = prompt("New passphrase: ")?.ok_or_else(required)?;
        let second = prompt("Once more: ")?.ok_or_else(required)?;
        if *first != *second || first.is_empty() {
            return Err(Failure::new(
                KeyCode::PassphraseWrong,
                "the two passphrases differ, or are empty",
            ));
        }
        Ok(taken(first))
    }

    fn given(&self) -> Outcome<Option<Secret>> {
        const MAX_BYTES: usize = 4096;
        if let Some(path) = &self.passphrase_file {
            let mut bytes = input::read(path, MAX_BYTES)?;
            let end = bytes
                .iter()
                .position(|byte| matches!(byte, b'\n' | b'\r'))
                .unwrap_or(bytes.len());
            bytes.truncate(end);
            return Ok(Some(Secret::new(bytes)));
        }
        Ok(std::env::var_os(VARIABLE).map(|text| Secret::new(text.into_encoded_bytes())))
    }
}

fn is_encrypted(error: &KeyFileError) -> bool {
    error.code() == KeyCode::PassphraseRequired.as_str()
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
