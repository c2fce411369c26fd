//! [`HomeError`]: why a home, or something in it, can't be used.

use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};

use actionpass_core::{AdminError, AuthorizeError};
use actionpass_crypto::WebAuthnError;
use actionpass_custodians::SecretSourceError;
use actionpass_custody::{CustodianError, Exposure, KeyFileCode};
use actionpass_gate::{CatalogueError, ListingError};
use actionpass_model::{Code, CodedError, RuleId, Statement, TextError, Tool};
use actionpass_policy::PolicyError;
use actionpass_store::StoreError;
use actionpass_store::trust_file::TrustFileError;
use actionpass_verify::TrustError;

use crate::HomeCode;

/// Why a home, or something in it, can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HomeError {
    /// Nothing says where the home is.
    #[error("no data folder is known: neither XDG_DATA_HOME nor HOME is set")]
    NoPlace,
    /// There is no home.
    #[error("there is no home at `{}`", .0.display())]
    Missing(PathBuf),
    /// The home is no folder.
    #[error("`{}` is not a folder", .0.display())]
    NotAFolder(PathBuf),
    /// A home would be made where something is.
    #[error("`{}` is there and not empty; nothing was changed", .0.display())]
    Exists(PathBuf),
    /// Somebody else can change or read what only the owner may.
    #[error("`{}` {exposure}", .path.display())]
    Exposed {
        /// What.
        path: PathBuf,
        /// To whom.
        exposure: Exposure,
    },
    /// A file can't be read.
    #[error("`{}` can't be read", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file can't be written.
    #[error("`{}` can't be written", .path.display())]
    Unwritable {
        /// Which.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A text file is not UTF-8, or larger than 1 MiB.
    #[error("`{}` is {problem}", .path.display())]
    NotText {
        /// Which.
        path: PathBuf,
        /// The code of its kind of file.
        code: Code,
        /// What it is instead.
        problem: &'static str,
    },
    /// `config.toml` is not one.
    #[error("{}:{line}:{column}: {problem}", .path.display())]
    ConfigInvalid {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// What is wrong there.
        problem: Box<str>,
    },
    /// `clients.toml` is not one.
    #[error("{}:{line}:{column}: {problem}", .path.display())]
    ClientsInvalid {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// What is wrong there.
        problem: Box<str>,
    },
    /// A new client has the name of another.
    #[error("there is a client `{0}` already")]
    ClientKnown(Statement),
    /// No client has this name.
    #[error("there is no client `{0}`")]
    ClientUnknown(Statement),
    /// `approvers.json` is not one.
    #[error("`{}` is not a file of approvers", .0.display())]
    ApproversInvalid(PathBuf),
    /// An invitation never was, was used, or is over.
    #[error("there is no such invitation: it was used, or is over")]
    InvitationUnknown,
    /// The registration of a passkey is refused.
    #[error(transparent)]
    Passkey(#[from] WebAuthnError),
    /// A new passkey is not new.
    #[error("the passkey's key, or its id, is known already")]
    PasskeyKnown,
    /// No such passkey waits.
    #[error("no passkey of this principal waits under this code")]
    PasskeyNotWaiting,
    /// A name isn't one.
    #[error(transparent)]
    Name(#[from] TextError),
    /// The key can't be opened or made.
    #[error(transparent)]
    Custodian(#[from] CustodianError),
    /// The policy is not one.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A rule looks for what its tools can't have.
    #[error("the rule `{rule}` looks at `{path}`, which the schema of `{tool}` doesn't declare: no call has it")]
    PathUndeclared {
        /// The rule.
        rule: RuleId,
        /// Where it looks.
        path: String,
        /// A tool that it is about.
        tool: Tool,
    },
    /// The tool catalogue is not one.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// Pins can't be changed so.
    #[error(transparent)]
    Pins(#[from] ListingError),
    /// `pins.json` is not one.
    #[error("`{}`", .path.display())]
    PinsInvalid {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ListingError,
    },
    /// The trust store can't be believed.
    #[error("`{}`", .path.display())]
    Trust {
        /// Its file, or the address of its database.
        path: PathBuf,
        /// Why.
        source: TrustError,
    },
    /// The trust store can't be made.
    #[error(transparent)]
    TrustFile(#[from] TrustFileError),
    /// The store can't be used.
    #[error("`{}`", .path.display())]
    Store {
        /// Its file, or the address of its database.
        path: PathBuf,
        /// Why.
        source: StoreError,
    },
    /// The password of the database can't be read.
    #[error("the password of the database")]
    Secret(#[from] SecretSourceError),
    /// A change was not made or not recorded.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The issuer can't be opened.
    #[error(transparent)]
    Authorize(#[from] AuthorizeError),
}

impl HomeError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::NoPlace | Self::Missing(_) | Self::NotAFolder(_) => HomeCode::HomeMissing.into(),
            Self::Exists(_) => HomeCode::HomeExists.into(),
            Self::Exposed {
                exposure: Exposure::Readable,
                ..
            } => KeyFileCode::Permissions.into(),
            Self::Exposed { .. } => HomeCode::HomeNotPrivate.into(),
            Self::Unreadable { .. } => HomeCode::FileUnreadable.into(),
            Self::Unwritable { .. } => HomeCode::FileUnwritable.into(),
            Self::NotText { code, .. } => code.clone(),
            Self::ConfigInvalid { .. } | Self::Name(_) => HomeCode::ConfigInvalid.into(),
            Self::ClientsInvalid { .. } => HomeCode::ClientsInvalid.into(),
            Self::ClientKnown(_) => HomeCode::ClientKnown.into(),
            Self::ClientUnknown(_) => HomeCode::ClientUnknown.into(),
            Self::ApproversInvalid(_) => HomeCode::ApproversInvalid.into(),
            Self::InvitationUnknown => HomeCode::InvitationUnknown.into(),
            Self::Passkey(error) => error.code().into(),
            Self::PasskeyKnown => HomeCode::PasskeyKnown.into(),
            Self::PasskeyNotWaiting => HomeCode::PasskeyNotWaiting.into(),
            Self::Custodian(error) => error.code(),
            Self::Policy(error) => error.code().into(),
            Self::PathUndeclared { .. } => HomeCode::PolicyPathUndeclared.into(),
            Self::Catalogue(error) => error.code().into(),
            Self::Pins(error) | Self::PinsInvalid { source: error, .. } => error.code().into(),
            Self::Trust { source, .. } => source.code(),
            Self::TrustFile(error) => CodedError::code(error),
            Self::Store { source, .. } => source.code().into(),
            Self::Secret(error) => error.code().into(),
            Self::Admin(error) => error.code(),
            Self::Authorize(error) => error.code(),
        }
    }

    pub(crate) fn unreadable(path: &Path, source: io::Error) -> Self {
        Self::Unreadable {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn unwritable(path: &Path, source: io::Error) -> Self {
        Self::Unwritable {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn trust(path: &Path, source: impl Into<TrustError>) -> Self {
        Self::Trust {
            path: path.to_owned(),
            source: source.into(),
        }
    }

    pub(crate) fn store(path: &Path, source: StoreError) -> Self {
        Self::Store {
            path: path.to_owned(),
            source,
        }
    }

    /// Whether it is, or comes of, an error of this type.
    #[must_use]
    pub fn find<E: StdError + 'static>(&self) -> Option<&E> {
        let mut error: Option<&(dyn StdError + 'static)> = Some(self);
        while let Some(this) = error {
            if let Some(found) = this.downcast_ref() {
                return Some(found);
            }
            error = this.source();
        }
        None
    }
}

actionpass_model::coded_error!(HomeError);
