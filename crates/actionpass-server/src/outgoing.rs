//! What the service sends to others by itself: without redirects and proxies of the environment, and over TLS to whoever has a
//! certificate that leads to a trusted one.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use actionpass_client::tls;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use ureq::Agent;
use ureq::config::Config;
use ureq::tls::Certificate;

/// The largest file of certificates that is read.
const MAX_BYTES: u64 = 1 << 20;

/// The certificates that another's leads to: those of a PEM file, or else the system's.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn roots(ca: Option<&Path>) -> Result<Vec<Certificate<'static>>, String> {
    let Some(path) = ca else {
        return Ok(tls::system_roots());
    };
    let at = |problem: &dyn std::fmt::Display| format!("`{}`: {problem}", path.display());
    let mut pem = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_BYTES).read_to_end(&mut pem))
        .map_err(|error| at(&error))?;
    let read: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = read.map_err(|error| at(&error))?;
    if certificates.is_empty() {
        return Err(at(&"it has no certificate in PEM"));
    }
    Ok(certificates
        .iter()
        .map(|der| Certificate::from_der(der).to_owned())
        .collect())
}

/// How somebody is asked, within `time` altogether; over TLS alone where there are roots.
pub(crate) fn config(roots: Option<Vec<Certificate<'static>>>, time: Duration) -> Config {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .https_only(roots.is_some())
        .max_redirects(0)
        .proxy(None)
        .timeout_global(Some(time))
        // A name is looked up for each request, so that what it leads to now is what counts.
        .max_idle_connections(0)
        .user_agent("actionpass");
    if let Some(roots) = roots {
        config = config.tls_config(tls::verified_by(roots));
    }
    config.build()
}
