//! `ledger checkpoint`, and the signed heads that other commands are given.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use actionpass_crypto::tlog::MAX_PROOF_BYTES;
use actionpass_home::OpenHome;
use actionpass_model::UnixSeconds;
use actionpass_store::ledger::{ChainVerifier, KnownHead, TreeHead};
use actionpass_verify::{SignedHead, Trust};
use clap::Args;
use serde_json::{Value, json};

use crate::clock;
use crate::code::CliCode;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::input;
use crate::output::{Ink, Reply};
use crate::passphrase::PassphraseArgs;
use crate::shell::quote;

#[derive(Args, Debug)]
pub(crate) struct CheckpointArgs {
    /// Write the signed head to this file, which is replaced; by default it is printed
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl CheckpointArgs {
    pub(super) fn run(self, context: &Context) -> Outcome<Reply> {
        let home = OpenHome::open_to_administer(context.home()?)?;
        let asked = self.passphrase.of_old(home.config.ledger_passphrase());
        let key = asked.settle(home.home.open_ledger_key(&home.config, &asked))?;
        let signed = home.sign_head(&key, now()?)?;
        let text = signed.proof().to_string();
        let head = signed.head();
        let mut json = json_of(head);
        if let Some(members) = json.as_object_mut() {
            members.insert("kid".to_owned(), key.signer.public_key().kid().as_str().into());
            members.insert("checkpoint".to_owned(), text.as_str().into());
        }
        let talk = format!(
            "{} head {} of {} records, root {}\nkeep it elsewhere: `ledger verify --checkpoint FILE` finds what is cut off or rewritten\n",
            Ink::stderr().good("signed"),
            head.known(),
            head.size(),
            head.root(),
        );
        let reply = Reply::new(json).with_talk(talk);
        match &self.out {
            None => Ok(reply.with_data(text)),
            Some(path) => {
                write(path, text.as_bytes())?;
                Ok(reply.with_members(json!({ "file": path.display().to_string() })))
            }
        }
    }
}

fn now() -> Outcome<UnixSeconds> {
    Ok(clock::now()?.to_unix_seconds())
}

/// Puts the file there whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> Outcome<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", clock::uuid(clock::now()?)?.simple()));
    let beside = PathBuf::from(beside);
    let written = std::fs::write(&beside, bytes).and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&beside);
        let problem = format!("{} can't be written: {error}", quote(&path.display().to_string()));
        Failure::new(actionpass_home::HomeCode::FileUnwritable, problem)
    })
}

/// Where a verification begins: behind a record that somebody knows, or behind a signed head.
#[derive(Clone, Debug)]
pub(crate) enum Start {
    Known(KnownHead),
    Signed(PathBuf),
}

impl FromStr for Start {
    type Err = Infallible;

    /// What isn't a known head is a file.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text
            .parse()
            .map_or_else(|_| Self::Signed(PathBuf::from(text)), Self::Known))
    }
}

/// Where a verification begins, read.
#[derive(Debug)]
pub(super) enum Begin {
    First,
    Behind(KnownHead),
    BehindTree(Box<TreeHead>),
}

impl Begin {
    /// Reads what a command line says.
    pub(super) fn read(start: Option<&Start>, trust: Option<&Trust>) -> Outcome<Self> {
        Ok(match start {
            None => Self::First,
            Some(Start::Known(head)) => Self::Behind(*head),
            Some(Start::Signed(path)) => Self::BehindTree(Box::new(signed_head(path, trust)?)),
        })
    }

    pub(super) fn verifier(&self) -> ChainVerifier {
        match self {
            Self::First => ChainVerifier::new(),
            Self::Behind(head) => ChainVerifier::behind(*head),
            Self::BehindTree(head) => ChainVerifier::behind_tree(head),
        }
    }

    /// The record behind which it begins.
    pub(super) fn head(&self) -> Option<KnownHead> {
        match self {
            Self::First => None,
            Self::Behind(head) => Some(*head),
            Self::BehindTree(head) => Some(head.known()),
        }
    }
}

/// Reads signed heads and verifies their signatures.
pub(super) fn signed_heads(paths: &[PathBuf], trust: Option<&Trust>) -> Outcome<Vec<TreeHead>> {
    paths.iter().map(|path| signed_head(path, trust)).collect()
}

fn signed_head(path: &Path, trust: Option<&Trust>) -> Outcome<TreeHead> {
    let trust = trust.ok_or_else(|| {
        let problem = "a signed head is verified with the keys of a trust store, which --trust names";
        Failure::new(CliCode::UsageInvalid, problem)
    })?;
    // One byte more, which its reader refuses.
    let bytes = input::read(path, MAX_PROOF_BYTES)?;
    let signed = SignedHead::verify(&bytes, trust, now()?);
    let signed = signed.map_err(|error| Failure::from(error).about(&input::name(path)))?;
    Ok(signed.head().clone())
}

/// What programs are told of a head.
pub(super) fn json_of(head: &TreeHead) -> Value {
    json!({
        "log": head.origin().as_str(),
        "size": head.size(),
        "head": head.known().to_string(),
        "root": head.root().to_string(),
    })
}
