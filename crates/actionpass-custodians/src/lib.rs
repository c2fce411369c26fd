//! Every custodian of ActionPass by the scheme of its keys' URIs: a program that opens its keys here changes its
//! custodian by one line of configuration.
//!
//! ```
//! use actionpass_custody::{KeyUri, NoSecrets};
//! use actionpass_custodians::Custodians;
//!
//! let custodians = Custodians::standard();
//! let uri = KeyUri::parse("env:PASS_KEY")?; // file:, env:; with its feature pkcs11:, awskms:, vault:, tpm:, ssh-agent:
//! let missing = custodians.open(&uri, &NoSecrets).unwrap_err();
//! assert_eq!(missing.code(), "key_variable_missing");
//! # Ok::<(), actionpass_custody::KeyUriError>(())
//! ```
//!
//! | scheme | key | feature |
//! |---|---|---|
//! | `file:PATH` | a PEM file: PKCS#8, or OpenSSH's own, plain or encrypted | always |
//! | `env:NAME` | the same text in an environment variable, for development | always |
//! | `pkcs11:…` (RFC 7512) | in an HSM or token behind PKCS#11 | `pkcs11` |
//! | `awskms:ARN` | in AWS KMS | `aws-kms` |
//! | `vault:MOUNT/KEY?version=N` | in the transit engine of Vault or OpenBao | `vault` |
//! | `tpm:HANDLE` | in a TPM 2.0 | `tpm` |
//! | `ssh-agent:FINGERPRINT` | in an ssh-agent | `ssh-agent` |
//!
//! A custodian of your own joins through [`Custodians::with`]. One more in this list is a feature and a line in
//! [`Custodians::standard`].

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use actionpass_crypto::Algorithm;
use actionpass_custody::{Custodian, CustodianError, KeyFiles, KeyUri, OpenKey, Secrets};

mod secret_source;

pub use secret_source::{SecretSource, SecretSourceCode, SecretSourceError};

/// Custodians by scheme.
#[derive(Clone, Debug)]
pub struct Custodians {
    /// The last that has a scheme counts.
    all: Vec<Arc<dyn Custodian>>,
}

impl Custodians {
    /// Every custodian of this build; files by their path, relative to the current folder.
    #[must_use]
    pub fn standard() -> Self {
        Self::none().with(KeyFiles::new()).with_features()
    }

    /// No custodian: for programs that name theirs one by one.
    #[must_use]
    pub const fn none() -> Self {
        Self { all: Vec::new() }
    }

    /// The custodians that are features of this crate.
    fn with_features(self) -> Self {
        #[cfg(feature = "aws-kms")]
        let this = self.with(actionpass_aws_kms::AwsKms::new());
        #[cfg(not(feature = "aws-kms"))]
        let this = self;
        #[cfg(feature = "pkcs11")]
        let this = this.with(actionpass_pkcs11::Pkcs11::new());
        #[cfg(feature = "ssh-agent")]
        let this = this.with(actionpass_ssh_agent::SshAgent::new());
        #[cfg(feature = "tpm")]
        let this = this.with(actionpass_tpm::Tpm::new());
        #[cfg(feature = "vault")]
        let this = this.with(actionpass_vault::Vault::new());
        this
    }

    /// Reads `file:` URIs relative to this folder.
    #[must_use]
    pub fn with_base(self, base: &Path) -> Self {
        self.with(KeyFiles::below(base))
    }

    /// Adds a custodian: of your own, or one of these with other options. It takes over its schemes.
    #[must_use]
    pub fn with(mut self, custodian: impl Custodian + 'static) -> Self {
        self.all.push(Arc::new(custodian));
        self
    }

    /// The schemes that can be opened, sorted.
    #[must_use]
    pub fn schemes(&self) -> Vec<&'static str> {
        let mut schemes: Vec<_> = self
            .all
            .iter()
            .flat_map(|custodian| custodian.schemes().iter().copied())
            .collect();
        schemes.sort_unstable();
        schemes.dedup();
        schemes
    }

    /// Opens the key at this URI. Blocks, for as long as its custodian's time-out allows.
    ///
    /// # Errors
    /// [`CustodianError`], [`SchemeUnknown`](CustodianError::SchemeUnknown) among them.
    pub fn open(&self, uri: &KeyUri, secrets: &dyn Secrets) -> Result<OpenKey, CustodianError> {
        self.custodian(uri)
            .and_then(|custodian| custodian.open(uri, secrets))
            .inspect_err(|error| log(uri, error))
    }

    /// Makes a new key where the URI says, as [`Custodian::generate`] does.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn generate(
        &self,
        uri: &KeyUri,
        algorithm: Algorithm,
        secrets: &dyn Secrets,
    ) -> Result<OpenKey, CustodianError> {
        self.custodian(uri)
            .and_then(|custodian| custodian.generate(uri, algorithm, secrets))
            .inspect_err(|error| log(uri, error))
    }

    /// Where the successor of this key is made, as [`Custodian::beside`] says.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn beside(&self, uri: &KeyUri) -> Result<KeyUri, CustodianError> {
        self.custodian(uri)?.beside(uri)
    }

    fn custodian(&self, uri: &KeyUri) -> Result<&dyn Custodian, CustodianError> {
        self.all
            .iter()
            .rev()
            .find(|custodian| custodian.schemes().contains(&uri.scheme()))
            .map(|custodian| &**custodian)
            .ok_or_else(|| CustodianError::SchemeUnknown {
                scheme: uri.scheme().into(),
                known: self.schemes().join(", ").into(),
            })
    }
}

/// Tells the log that there is no key, and why. Without the URI, which may hold a secret where it is malformed.
fn log(uri: &KeyUri, error: &CustodianError) {
    tracing::info!(custodian = uri.scheme(), code = %error.code(), error = error as &dyn Error, "no key");
}

impl Default for Custodians {
    fn default() -> Self {
        Self::standard()
    }
}

#[cfg(test)]
mod tests {
    use actionpass_custody::NoSecrets;

    use super::*;

    fn uri(text: &str) -> KeyUri {
        KeyUri::parse(text).unwrap()
    }

    #[test]
    fn an_unknown_scheme_is_told_what_is_known() {
        let error = Custodians::standard().open(&uri("yubikey:9c"), &NoSecrets).unwrap_err();
        assert_eq!(error.code(), "key_scheme_unknown");
        assert!(error.to_string().contains("`yubikey`"), "{error}");
        assert!(error.to_string().contains("env, file"), "{error}");
    }

    #[test]
    fn files_are_below_their_base() {
        let folder = tempfile::tempdir().unwrap();
        let custodians = Custodians::standard().with_base(folder.path());
        let made = custodians
            .generate(&uri("file:pass-*.pem"), Algorithm::Es384, &NoSecrets)
            .unwrap();
        let kid = made.signer.public_key().kid().clone();
        assert_eq!(made.uri, uri(&format!("file:pass-{kid}.pem")));
        assert!(folder.path().join(made.uri.rest()).exists());
        let opened = custodians.open(&made.uri, &NoSecrets).unwrap();
        assert_eq!(opened.signer.public_key(), made.signer.public_key());
        assert_eq!(opened.signer.custodian(), "file");
        assert_eq!(custodians.beside(&made.uri).unwrap(), uri("file:pass-*.pem"));
        let elsewhere = Custodians::standard().open(&made.uri, &NoSecrets).unwrap_err();
        assert_eq!(elsewhere.code(), "key_file_missing");
    }

    /// A custodian that says whose it is.
    #[derive(Debug)]
    struct Mine;

    impl Custodian for Mine {
        fn schemes(&self) -> &'static [&'static str] {
            &["file", "mine"]
        }

        fn open(&self, uri: &KeyUri, _: &dyn Secrets) -> Result<OpenKey, CustodianError> {
            Err(CustodianError::KeyMissing { uri: uri.clone() })
        }

        fn generate(&self, uri: &KeyUri, _: Algorithm, _: &dyn Secrets) -> Result<OpenKey, CustodianError> {
            Err(CustodianError::KeyExists { uri: uri.clone() })
        }

        fn beside(&self, uri: &KeyUri) -> Result<KeyUri, CustodianError> {
            Ok(uri.clone())
        }
    }

    #[test]
    fn a_custodian_of_ones_own_takes_its_schemes_over() {
        let custodians = Custodians::standard().with(Mine);
        for text in ["mine:a", "file:a"] {
            let error = custodians.open(&uri(text), &NoSecrets).unwrap_err();
            assert_eq!(error.code(), "custodian_key_missing", "{text}");
        }
        let error = custodians.open(&uri("env:NOT_SET_ANYWHERE"), &NoSecrets).unwrap_err();
        assert_eq!(error.code(), "key_variable_missing");
        assert!(custodians.schemes().contains(&"mine"));
    }
}
