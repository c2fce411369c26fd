//! [`ServeError`]: why the service doesn't start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use actionpass_core::AuthorizeError;
use actionpass_home::HomeError;
use actionpass_model::{Code, CodedError};
use actionpass_store::lock_file::LockError;

use crate::ServerCode;

/// The service doesn't start, or ended by itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The home, or something in it.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The issuer.
    #[error(transparent)]
    Issuer(#[from] AuthorizeError),
    /// Another service runs on this home.
    #[error("`{}` is served already", .home.display())]
    Served {
        /// The home.
        home: PathBuf,
        /// Who does.
        #[source]
        source: LockError,
    },
    /// The lock of the home's service can't be taken, and that is not because somebody has it.
    #[error("`{}` can't be locked", .path.display())]
    Lock {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It can't listen there.
    #[error("{address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A webhook's secret can't be had or isn't one.
    #[error("webhook `{name}`: {problem}")]
    Webhook {
        /// Which.
        name: String,
        /// Its code.
        code: Code,
        /// What is wrong.
        problem: String,
    },
    /// It can't listen at the Unix socket.
    #[error("`{}`", .path.display())]
    Socket {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The certificate and its key can't be used.
    #[error("`{}`: {problem}", .path.display())]
    Tls {
        /// The file that is wrong.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Traces and metrics can't be sent as the configuration says.
    #[error("`[serve.otlp]`: {problem}")]
    Otlp {
        /// Its code.
        code: Code,
        /// What is wrong.
        problem: String,
    },
    /// A part that the service doesn't go on without has ended.
    #[error("{part} ended by itself")]
    Ended {
        /// Which.
        part: &'static str,
    },
    /// The system failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl CodedError for ServeError {
    fn code(&self) -> Code {
        match self {
            Self::Home(error) => CodedError::code(error),
            Self::Issuer(error) => error.code(),
            Self::Webhook { code, .. } | Self::Otlp { code, .. } => code.clone(),
            Self::Served { .. } => ServerCode::HomeServed.into(),
            Self::Listen { .. } | Self::Socket { .. } => ServerCode::ListenFailed.into(),
            Self::Tls { .. } => ServerCode::TlsUnusable.into(),
            Self::Lock { .. } | Self::Ended { .. } | Self::Io(_) => ServerCode::ServiceFailed.into(),
        }
    }
}
