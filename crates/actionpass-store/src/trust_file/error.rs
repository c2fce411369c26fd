//! [`TrustFileError`]: a trust store file that was not read or not written.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use actionpass_model::{Code, CodedError, DocumentCode, DocumentError, codes};

codes! {
    /// Why a trust store file was not read or not written.
    pub enum TrustFileCode: Unavailable {
        /// The file can't be read.
        TrustUnreadable = "trust_unreadable",
        /// The file is not a trust store of this version, or contradicts itself: all of it is refused.
        TrustInvalid = "trust_invalid" => InputRefused,
        /// Everybody on the machine can write the file.
        TrustNotPrivate = "trust_not_private",
        /// The trust store is older than one seen before, or another one of the same version.
        TrustRolledBack = "trust_rolled_back" => Stale,
        /// There is a file already.
        TrustExists = "trust_exists" => Usage,
        /// Another process holds the lock of the file; nothing was changed.
        TrustLocked = "trust_locked",
        /// The file can't be written or locked; whether a change took place is unknown.
        TrustUnwritable = "trust_unwritable",
        /// A change was not made; the source says why.
        TrustChangeRefused = "trust_change_refused" => InputRefused,
    }
}

/// A trust store file that was not read or not written.
#[derive(Clone, Debug)]
pub struct TrustFileError {
    code: TrustFileCode,
    /// Shared by everybody who waited for one reading of the file.
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl TrustFileError {
    /// An error without a cause to show.
    #[must_use]
    pub const fn new(code: TrustFileCode) -> Self {
        Self { code, source: None }
    }

    /// The same, and what caused it.
    #[must_use]
    pub fn with_source(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            source: Some(Arc::from(source.into())),
            ..self
        }
    }

    /// A change that was refused for this reason.
    pub(super) fn refused(reason: Box<dyn StdError + Send + Sync>) -> Self {
        Self {
            code: TrustFileCode::TrustChangeRefused,
            source: Some(Arc::from(reason)),
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> TrustFileCode {
        self.code
    }

    /// The code to report: [`DocumentCode::TrustUseUnenforced`] where that is what is wrong with the document, which tells
    /// a file that another release may take from one that is broken; else [`code`](Self::code).
    #[must_use]
    pub fn reported_code(&self) -> Code {
        let document = self
            .source
            .as_deref()
            .and_then(|source| source.downcast_ref::<DocumentError>());
        match document.map(DocumentError::code) {
            Some(code @ DocumentCode::TrustUseUnenforced) => code.into(),
            _ => self.code.into(),
        }
    }
}

impl fmt::Display for TrustFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.code {
            TrustFileCode::TrustUnreadable => "the trust store can't be read",
            TrustFileCode::TrustInvalid => "not a trust store",
            TrustFileCode::TrustNotPrivate => "everybody can write the trust store",
            TrustFileCode::TrustRolledBack => "the trust store is older than one seen before",
            TrustFileCode::TrustExists => "there is a trust store already",
            TrustFileCode::TrustLocked => "another process is changing the trust store",
            TrustFileCode::TrustUnwritable => "the trust store can't be written",
            TrustFileCode::TrustChangeRefused => "the trust store was not changed",
        })
    }
}

impl StdError for TrustFileError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl CodedError for TrustFileError {
    fn code(&self) -> Code {
        self.reported_code()
    }
}
