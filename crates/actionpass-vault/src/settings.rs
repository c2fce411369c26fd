//! [`Settings`]: which server, and how it is reached. What is not given comes from the variables that `vault` and
//! `bao` themselves read.

use std::path::{Path, PathBuf};

use actionpass_custody::Secret;
use ureq::http::Uri;

use crate::fault::Fault;
use crate::place::is_path;

/// What a program gave of its own accord. It goes before variables.
#[derive(Debug, Default)]
pub(crate) struct Given {
    pub(crate) address: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) tls_server_name: Option<String>,
    pub(crate) may_be_plain: bool,
}

/// Which server, and how it is reached.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Scheme, host and port, and a path if the server is below one, without a slash at the end.
    pub(crate) server: Uri,
    pub(crate) namespace: Option<String>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) tls_server_name: Option<String>,
}

/// Where both programs look when nobody says.
const DEFAULT_ADDRESS: &str = "https://127.0.0.1:8200";

impl Settings {
    pub(crate) fn read(given: &Given) -> Result<Self, Fault> {
        let or = |given: &Option<String>, name| given.clone().map_or_else(|| variable(name), |text| Ok(Some(text)));
        let skip = variable("SKIP_VERIFY")?.unwrap_or_default().to_ascii_lowercase();
        if !matches!(&*skip, "" | "0" | "f" | "false") {
            return Err(Fault::Forbidden(
                "VAULT_SKIP_VERIFY is set: a key is never used over TLS that anybody can read; unset it, and name the authority with VAULT_CACERT",
            ));
        }
        let address = or(&given.address, "ADDR")?;
        let server = parse(address.as_deref().unwrap_or(DEFAULT_ADDRESS))?;
        if server.scheme_str() == Some("http") && !given.may_be_plain && !is_loopback(&server) {
            return Err(Fault::Forbidden(
                "the server's address is plain http and not on this machine: the token would go over the network in the clear",
            ));
        }
        let namespace = or(&given.namespace, "NAMESPACE")?;
        let namespace = namespace.map(|text| text.trim_matches('/').to_owned());
        let namespace = namespace.filter(|text| !text.is_empty() && text != "root");
        if namespace.as_deref().is_some_and(|text| !is_path(text)) {
            return Err(Fault::Forbidden("the namespace in VAULT_NAMESPACE is not a path"));
        }
        let ca_file = match &given.ca_file {
            Some(path) => Some(path.clone()),
            None => variable("CACERT")?.map(PathBuf::from),
        };
        Ok(Self {
            server,
            namespace,
            ca_file,
            tls_server_name: or(&given.tls_server_name, "TLS_SERVER_NAME")?,
        })
    }
}

/// `VAULT_name`, or what OpenBao calls `BAO_name`. Where both are set and differ, nobody knows which is meant, and a
/// token would go to the wrong server.
pub(crate) fn variable(name: &str) -> Result<Option<String>, Fault> {
    let read = |prefix| match std::env::var(format!("{prefix}_{name}")) {
        Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Fault::Forbidden("a variable of Vault's is not UTF-8")),
    };
    match (read("VAULT")?, read("BAO")?) {
        (Some(vault), Some(bao)) if vault != bao => Err(Fault::Forbidden(
            "a variable is set for Vault and for OpenBao (VAULT_… and BAO_…), and they differ: unset one",
        )),
        (vault, bao) => Ok(vault.or(bao)),
    }
}

/// The first line of a file. Opening a pipe would wait for its other end, so this asks first what it is.
pub(crate) fn secret_file(path: &Path) -> Result<Secret, Fault> {
    let unreadable = |source| Fault::Unreadable {
        path: path.display().to_string(),
        source,
    };
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        let kind = std::io::ErrorKind::InvalidInput;
        return Err(unreadable(std::io::Error::new(kind, "it is not a regular file")));
    }
    Secret::from_file(path).map_err(unreadable)
}

fn parse(address: &str) -> Result<Uri, Fault> {
    let malformed = || Fault::Forbidden("the address of the server is not `https://HOST:PORT`");
    let server: Uri = address.trim_end_matches('/').parse().map_err(|_| malformed())?;
    let is_known = matches!(server.scheme_str(), Some("http" | "https"));
    let authority = server.authority().map_or("", |authority| authority.as_str());
    if authority.contains('@') {
        return Err(Fault::Forbidden(
            "the address of the server has a name or password in it",
        ));
    }
    if !is_known || server.host().is_none_or(str::is_empty) || server.query().is_some() {
        return Err(malformed());
    }
    Ok(server)
}

pub(crate) fn is_loopback(server: &Uri) -> bool {
    let host = server.host().unwrap_or_default();
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    let address: Option<std::net::IpAddr> = literal.parse().ok();
    host == "localhost" || address.is_some_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(address: &str, may_be_plain: bool) -> Result<Settings, Fault> {
        Settings::read(&Given {
            address: Some(address.to_owned()),
            may_be_plain,
            ..Given::default()
        })
    }

    #[test]
    fn plain_http_stays_on_this_machine() {
        for address in [
            "http://127.0.0.1:8200",
            "http://[::1]:8200/",
            "http://localhost",
            "https://example.com/v",
        ] {
            assert!(read(address, false).is_ok(), "{address}");
        }
        for address in [
            "http://example.com:8200",
            "http://10.0.0.1",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "http://[::2]",
        ] {
            assert!(read(address, false).is_err(), "{address}");
            assert!(read(address, true).is_ok(), "{address}");
        }
    }

    #[test]
    fn addresses_are_plain() {
        for address in [
            "",
            "example.com",
            "example.com:8200",
            "unix:///run/vault.sock",
            "ftp://example.com",
            "https://",
            "https://user:PASSWORD@example.com",
            "https://example.com?token=PASSWORD",
            "https://exa mple.com",
        ] {
            let fault = read(address, true).unwrap_err();
            assert!(!format!("{fault:?}").contains("PASSWORD"), "{fault:?}");
        }
        assert_eq!(
            read("https://example.com/vault/", false).unwrap().server.path(),
            "/vault"
        );
    }
}
