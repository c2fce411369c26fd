//! [`Tls`]: the certificate of the service, read anew when its files change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use actionpass_home::Home;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::ServeError;
use crate::settings::TlsFiles;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// The largest file that is read.
const MAX_BYTES: u64 = 1 << 20;

/// The certificate that connections are accepted with.
#[derive(Debug)]
pub(crate) struct Tls {
    files: TlsFiles,
    home: Home,
    current: RwLock<Current>,
}

struct Current {
    config: Arc<ServerConfig>,
    /// What the files held when they were looked at last, right or wrong, so that a wrong pair is told of once.
    certificate: Vec<u8>,
    key: zeroize::Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Current").finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the pair.
    ///
    /// # Errors
    /// [`ServeError::Tls`]; [`ServeError::Home`] for a key that others can read.
    pub(crate) fn open(files: TlsFiles, home: Home) -> Result<Self, ServeError> {
        let (certificate, key) = read(&files, &home)?;
        let config = config(&files, &certificate, &key)?;
        Ok(Self {
            files,
            home,
            current: RwLock::new(Current {
                config: Arc::new(config),
                certificate,
                key,
            }),
        })
    }

    /// What the next connection is accepted with.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&current.config))
    }

    /// Looks at the files for ever.
    pub(crate) async fn follow(self: Arc<Self>) {
        let mut failure = String::new();
        loop {
            tokio::time::sleep(LOOK).await;
            let this = Arc::clone(&self);
            let looked = match tokio::task::spawn_blocking(move || this.look()).await {
                Ok(looked) => looked,
                Err(_) => continue,
            };
            // A file that stays unreadable is told of once.
            let said = looked.as_ref().err().map_or_else(String::new, ToString::to_string);
            if said != failure {
                if let Err(error) = &looked {
                    tracing::error!(%error, "the new certificate can't be used; the one of before stays");
                }
                failure = said;
            }
        }
    }

    /// Takes the pair over if the files hold another one; one that can't be used changes nothing.
    fn look(&self) -> Result<(), ServeError> {
        let (certificate, key) = read(&self.files, &self.home)?;
        {
            let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
            if current.certificate == certificate && *current.key == *key {
                return Ok(());
            }
        }
        let config = config(&self.files, &certificate, &key)?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Current {
            config: Arc::new(config),
            certificate,
            key,
        };
        tracing::info!(certificate = %self.files.certificate.display(), "took over a new certificate");
        Ok(())
    }
}

type Pair = (Vec<u8>, zeroize::Zeroizing<Vec<u8>>);

fn read(files: &TlsFiles, home: &Home) -> Result<Pair, ServeError> {
    home.secret(&files.key)?;
    Ok((bytes(&files.certificate)?, zeroize::Zeroizing::new(bytes(&files.key)?)))
}

fn bytes(path: &Path) -> Result<Vec<u8>, ServeError> {
    use std::io::Read as _;

    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes))
        .map_err(|error| problem(path, &error))?;
    Ok(bytes)
}

fn config(files: &TlsFiles, certificate: &[u8], key: &[u8]) -> Result<ServerConfig, ServeError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<_, _>>()
        .map_err(|error| problem(&files.certificate, &error))?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| problem(&files.key, &error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| problem(&files.certificate, &error))?
        .with_no_client_auth()
        // Refuses a key that is not the certificate's.
        .with_single_cert(chain, key)
        .map_err(|error| problem(&files.certificate, &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn problem(path: &Path, error: &dyn std::fmt::Display) -> ServeError {
    ServeError::Tls {
        path: PathBuf::from(path),
        problem: error.to_string(),
    }
}
