//! TLS as everybody here speaks it to a server: by aws-lc, with the authorities of the machine or with others that were named.

use std::sync::Arc;

use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// The authorities that this machine trusts; none of them can be read on a machine that has none, and then nobody is trusted.
#[must_use]
pub fn system_roots() -> Vec<Certificate<'static>> {
    let system = rustls_native_certs::load_native_certs();
    system
        .certs
        .iter()
        .map(|der| Certificate::from_der(der).to_owned())
        .collect()
}

/// The settings with which a server is believed if its certificate leads to one of these.
#[must_use]
pub fn verified_by(roots: Vec<Certificate<'static>>) -> TlsConfig {
    TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .root_certs(RootCerts::from(roots))
        .build()
}
