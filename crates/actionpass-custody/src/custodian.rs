//! [`Custodian`]: where keys are kept, and how one of them becomes a [`Signer`].

use std::error::Error;
use std::fmt::{self, Debug};
use std::sync::Arc;

use actionpass_crypto::{Algorithm, KeyError, PublicKey, SignCode, Signer};
use actionpass_model::Code;

use crate::{BlockingKey, BlockingSigner, KeyFileError, KeyUri, KeyUriError, Secret, Timeouts};

actionpass_model::codes! {
    /// Why a custodian's key was not opened or made. A custodian that is down or declines has the codes of signing, faults
    /// of the key itself those of keys, faults of key files those of files.
    pub enum CustodianCode: Unavailable {
        /// The text is not the URI of a key, or has something that its custodian doesn't know.
        UriMalformed = "key_uri_malformed" => Usage,
        /// No custodian of this program has the scheme of the URI.
        SchemeUnknown = "key_scheme_unknown" => Usage,
        /// The custodian has no key of this name. It is never replaced by a fresh one.
        KeyMissing = "custodian_key_missing",
        /// The custodian has more than one key that the URI fits.
        KeyAmbiguous = "custodian_key_ambiguous",
        /// The custodian has a key of this name already; keys are never overwritten.
        KeyExists = "custodian_key_exists",
        /// The PIN, token or passphrase that the custodian asks for was given nowhere.
        SecretMissing = "custodian_secret_missing",
        /// Keys of this custodian are made with its own tools, or not of this algorithm.
        NotGenerable = "custodian_generates_none",
    }
}

/// No key was opened or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CustodianError {
    /// The URI is not one of this custodian's.
    #[error("`{uri}` is no key")]
    UriMalformed {
        /// The URI, as far as it was read.
        uri: Box<str>,
        /// What is wrong with it.
        source: KeyUriError,
    },
    /// No custodian has the scheme.
    #[error("no custodian here has the scheme `{scheme}`; there are: {known}")]
    SchemeUnknown {
        /// The scheme.
        scheme: Box<str>,
        /// The schemes that there are.
        known: Box<str>,
    },
    /// The custodian could not be reached or failed.
    #[error("custodian `{custodian}` is unavailable")]
    Unavailable {
        /// Its scheme.
        custodian: Box<str>,
        /// The custodian's own error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The custodian declines.
    #[error("custodian `{custodian}` refuses")]
    Refused {
        /// Its scheme.
        custodian: Box<str>,
        /// The custodian's own error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// There is no such key.
    #[error("there is no key `{uri}`")]
    KeyMissing {
        /// Where it was looked for.
        uri: KeyUri,
    },
    /// There is more than one such key.
    #[error("`{uri}` fits more than one key")]
    KeyAmbiguous {
        /// Where it was looked for.
        uri: KeyUri,
    },
    /// There is such a key already.
    #[error("there is a key `{uri}` already")]
    KeyExists {
        /// Where it would have been made.
        uri: KeyUri,
    },
    /// A secret is missing.
    #[error("the {kind} of `{uri}` is missing: {hint}")]
    SecretMissing {
        /// The key.
        uri: KeyUri,
        /// What is missing.
        kind: SecretKind,
        /// Where it may be given.
        hint: &'static str,
    },
    /// The custodian makes no such keys.
    #[error("custodian `{custodian}` makes no such key: {problem}")]
    NotGenerable {
        /// Its scheme.
        custodian: Box<str>,
        /// Why, and what makes one.
        problem: Box<str>,
    },
    /// The key was reached and is none of ours.
    #[error("the key `{uri}` can't be used")]
    Key {
        /// The key.
        uri: KeyUri,
        /// What is wrong with it.
        source: KeyError,
    },
    /// The file of a key.
    #[error(transparent)]
    File(#[from] KeyFileError),
}

/// A key that was opened or made.
#[derive(Clone, Debug)]
pub struct OpenKey {
    /// Where it is, exactly: a URI that goes on naming this one key, whatever else the custodian gets, versions of the
    /// same name included. This is what belongs into a configuration.
    pub uri: KeyUri,
    /// The key.
    pub signer: Arc<dyn Signer>,
}

impl OpenKey {
    /// A key behind connections that block: its signer is a [`BlockingSigner`], which asks each of them for one signature
    /// at a time.
    ///
    /// # Errors
    /// [`CustodianError::Unavailable`] if there is no connection, or the operating system starts no thread.
    pub fn with_connections<K: BlockingKey + 'static>(
        uri: KeyUri,
        public: PublicKey,
        custodian: &'static str,
        timeouts: Timeouts,
        connections: Vec<K>,
    ) -> Result<Self, CustodianError> {
        let signer = BlockingSigner::new(public, custodian, timeouts.signing, connections)
            .map_err(|error| CustodianError::unavailable(custodian, error))?;
        Ok(Self {
            uri,
            signer: Arc::new(signer),
        })
    }
}

/// What kind of secret opens a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SecretKind {
    /// Decrypts the file of a key.
    Passphrase,
    /// Opens a token or device.
    Pin,
    /// Lets a program in at a service.
    Token,
}

impl fmt::Display for SecretKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passphrase => "passphrase",
            Self::Pin => "PIN",
            Self::Token => "token",
        })
    }
}

/// Whoever can be asked for a secret.
///
/// Custodians look first where the URI and their own tools' variables lead, and ask only then.
pub trait Secrets {
    /// The secret of this kind that opens this key; `None` if there is nobody to ask.
    fn ask(&self, kind: SecretKind, uri: &KeyUri) -> Option<Secret>;
}

/// Nobody can be asked: for services.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSecrets;

impl Secrets for NoSecrets {
    fn ask(&self, _: SecretKind, _: &KeyUri) -> Option<Secret> {
        None
    }
}

/// A kind of place where keys are kept: files, HSMs, services.
///
/// # Contract
///
/// - **Blocking, bounded.** The methods are for the start of a program and for commands; they may block, and every wait
///   in them ends.
/// - **Never a substitute.** A key that isn't there is [`CustodianError::KeyMissing`]; only
///   [`generate`](Self::generate) makes one, and it overwrites none.
/// - **Known before use.** The signer's public key comes from the custodian when the key is opened.
/// - **No secret** in a URI, an error or `Debug`.
pub trait Custodian: Debug + Send + Sync {
    /// The schemes of its URIs.
    fn schemes(&self) -> &'static [&'static str];

    /// Opens the key at this URI, whose scheme is one of the custodian's.
    ///
    /// # Errors
    /// [`CustodianError`]: there is no signer.
    fn open(&self, uri: &KeyUri, secrets: &dyn Secrets) -> Result<OpenKey, CustodianError>;

    /// Makes a new key where the URI says, which names a place or a kin of keys rather than the key that comes of it:
    /// the answer names that.
    ///
    /// # Errors
    /// [`CustodianError`]: there is no new key, or one that nobody knows.
    fn generate(&self, uri: &KeyUri, algorithm: Algorithm, secrets: &dyn Secrets) -> Result<OpenKey, CustodianError>;

    /// Where [`generate`](Self::generate) makes the successor of the key at this URI: in the same place, under a name
    /// that leaves the old key as it is. Asks nobody.
    ///
    /// # Errors
    /// [`CustodianError::UriMalformed`], and [`CustodianError::NotGenerable`] if successors are made elsewhere.
    fn beside(&self, uri: &KeyUri) -> Result<KeyUri, CustodianError>;
}

/// Random bytes for the name of a new key, from the operating system.
///
/// # Errors
/// [`CustodianError::Key`] with [`KeyError::NotGenerated`] if there are none.
pub fn random_name<const BYTES: usize>(uri: &KeyUri) -> Result<[u8; BYTES], CustodianError> {
    let mut name = [0; BYTES];
    getrandom::fill(&mut name).map_err(|_| CustodianError::Key {
        uri: uri.clone(),
        source: KeyError::NotGenerated,
    })?;
    Ok(name)
}

impl CustodianError {
    /// The custodian could not be reached or failed, and why.
    pub fn unavailable(custodian: &str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable {
            custodian: custodian.into(),
            source: source.into(),
        }
    }

    /// The custodian declines, and why.
    pub fn refused(custodian: &str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Refused {
            custodian: custodian.into(),
            source: source.into(),
        }
    }

    /// The URI has something that the custodian doesn't know, or lacks something that it needs.
    #[must_use]
    pub fn malformed(uri: &KeyUri, problem: &'static str) -> Self {
        Self::UriMalformed {
            uri: uri.as_str().into(),
            source: KeyUriError::new(problem),
        }
    }

    /// The custodian makes no such key: why, and what makes one.
    #[must_use]
    pub fn not_generable(custodian: &str, problem: &str) -> Self {
        Self::NotGenerable {
            custodian: custodian.into(),
            problem: problem.into(),
        }
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::UriMalformed { .. } => CustodianCode::UriMalformed.into(),
            Self::SchemeUnknown { .. } => CustodianCode::SchemeUnknown.into(),
            Self::Unavailable { .. } => SignCode::Unavailable.into(),
            Self::Refused { .. } => SignCode::Refused.into(),
            Self::KeyMissing { .. } => CustodianCode::KeyMissing.into(),
            Self::KeyAmbiguous { .. } => CustodianCode::KeyAmbiguous.into(),
            Self::KeyExists { .. } => CustodianCode::KeyExists.into(),
            Self::SecretMissing { .. } => CustodianCode::SecretMissing.into(),
            Self::NotGenerable { .. } => CustodianCode::NotGenerable.into(),
            Self::Key { source, .. } => source.code().into(),
            Self::File(error) => error.code(),
        }
    }
}

actionpass_model::coded_error!(CustodianError);
