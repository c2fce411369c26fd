//! [`SetupError`]: why a configuration can't be changed.

use std::io;
use std::path::PathBuf;

use actionpass_model::{Code, CodedError, codes};

codes! {
    /// Why configuration of agents can't be changed, where no layer below says so.
    pub enum SetupCode: Usage {
        /// A file of an agent's configuration can't be changed: what is in it, or who else may write it, is in the way.
        AgentConfigurationUnusable = "agent_configuration_unusable" => InputRefused,
        /// A file of an agent's configuration changed after the change of it was shown; it was left alone.
        AgentConfigurationMoved = "agent_configuration_moved",
        /// A file of an agent's configuration can't be written.
        AgentConfigurationUnwritable = "agent_configuration_unwritable",
        /// `protect.json`, which says what can be undone, is not one.
        ProtectRecordInvalid = "protect_record_invalid" => InputRefused,
        /// No tenant, agent or owner can be told from the home, and none was named.
        ProtectIdentityMissing = "protect_identity_missing",
    }
}

/// Why a configuration can't be changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// What is in the file, or who else may write it, is in the way.
    #[error("`{}`: {problem}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The file changed after the change of it was planned.
    #[error("`{}` changed meanwhile and was left alone", .0.display())]
    Moved(PathBuf),
    /// The file can't be written.
    #[error("`{}` can't be written", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `protect.json` is not one.
    #[error("`{}` is not what `protect` writes: {problem}", path.display())]
    RecordInvalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Something that a door needs can be told from nothing.
    #[error("{0}")]
    IdentityMissing(String),
}

impl CodedError for SetupError {
    fn code(&self) -> Code {
        match self {
            Self::Unusable { .. } => SetupCode::AgentConfigurationUnusable,
            Self::Moved(_) => SetupCode::AgentConfigurationMoved,
            Self::Unwritable { .. } => SetupCode::AgentConfigurationUnwritable,
            Self::RecordInvalid { .. } => SetupCode::ProtectRecordInvalid,
            Self::IdentityMissing(_) => SetupCode::ProtectIdentityMissing,
        }
        .into()
    }
}

impl SetupError {
    pub(crate) fn unusable(path: impl Into<PathBuf>, problem: impl Into<String>) -> Self {
        Self::Unusable {
            path: path.into(),
            problem: problem.into(),
        }
    }
}
