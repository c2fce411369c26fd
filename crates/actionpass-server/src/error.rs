//! [`ServeError`]: why the service doesn't start.

use std::io;
use std::net::SocketAddr;

use actionpass_core::AuthorizeError;
use actionpass_home::HomeError;
use actionpass_model::{Code, CodedError};

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
    /// It can't listen there.
    #[error("{address}: {source}")]
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
    /// The system failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl CodedError for ServeError {
    fn code(&self) -> Code {
        match self {
            Self::Home(error) => CodedError::code(error),
            Self::Issuer(error) => error.code(),
            Self::Webhook { code, .. } => code.clone(),
            Self::Listen { .. } | Self::Io(_) => ServerCode::ServiceFailed.into(),
        }
    }
}
