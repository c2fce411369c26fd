//! [`PostgresOptions`]: which database, and how it is reached.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use actionpass_store::{StoreCode, StoreError};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// Which database a store is in, and how it is reached. Its debug output shows no password.
///
/// ```
/// use actionpass_store_postgres::PostgresOptions;
///
/// let options = PostgresOptions::parse("postgres://gate@db.example/actionpass?sslrootcert=/etc/ssl/db.pem")?;
/// assert!(options.is_encrypted());
/// # Ok::<(), actionpass_store::StoreError>(())
/// ```
#[derive(Clone)]
pub struct PostgresOptions {
    pub(crate) config: Config,
    pub(crate) roots: Option<PathBuf>,
    pub(crate) timeout: Duration,
    pub(crate) connections: usize,
    pub(crate) is_read_only: bool,
}

impl PostgresOptions {
    /// The database that a URL names: `postgres://USER@HOST:PORT/DATABASE?…`, with the parameters of libpq. Several hosts
    /// are tried in turn; with `target_session_attrs=read-write` the one that can be written.
    ///
    /// `sslmode` is `verify-full` unless all hosts are Unix sockets or loopback addresses: the server must show a certificate
    /// for its name by an authority of this machine, or of `sslrootcert`. `disable` is refused for other hosts, and so are
    /// the modes that don't verify.
    ///
    /// # Errors
    /// [`StoreCode::StoreMisused`], without the text, which may hold a password.
    pub fn parse(url: &str) -> Result<Self, StoreError> {
        let misused = |problem: &'static str| StoreError::with_source(StoreCode::StoreMisused, problem);
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(misused("the address of a database begins with postgres://"));
        }
        let (address, parameters) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut roots, mut others) = (None, None, Vec::new());
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => {
                    let path = decoded(value).ok_or_else(|| misused("sslrootcert is no path"))?;
                    roots = Some(PathBuf::from(path));
                }
                _ => others.push(parameter),
            }
        }
        let mut known = address.to_owned();
        if !others.is_empty() {
            known.push('?');
            known.push_str(&others.join("&"));
        }
        let mut config: Config = known
            .parse()
            .map_err(|_| misused("the address of the database can't be read"))?;
        if config.get_hosts().is_empty() || config.get_dbname().is_none() {
            return Err(misused("the address of the database names no host or no database"));
        }
        let is_here =
            config.get_hosts().iter().all(is_local) && config.get_hostaddrs().iter().all(|ip| ip.is_loopback());
        let is_plain = match mode {
            None => is_here,
            Some("verify-full") => false,
            Some("disable") if is_here => true,
            Some("disable") => {
                return Err(misused(
                    "a connection over the network is encrypted: sslmode=verify-full",
                ));
            }
            Some(_) => return Err(misused("sslmode is verify-full, or disable on a socket or loopback")),
        };
        config.ssl_mode(if is_plain { SslMode::Disable } else { SslMode::Require });
        if config.get_application_name().is_none() {
            config.application_name("actionpass");
        }
        Ok(Self {
            config,
            roots,
            timeout: Duration::from_secs(10),
            connections: 8,
            is_read_only: false,
        })
    }

    /// With this password, in the place of one in the URL.
    #[must_use]
    pub fn with_password(mut self, password: impl AsRef<[u8]>) -> Self {
        self.config.password(password);
        self
    }

    /// For whoever reads only: the server refuses whatever would write ([`StoreCode::StoreReadOnly`]).
    #[must_use]
    pub fn with_read_only(self) -> Self {
        Self {
            is_read_only: true,
            ..self
        }
    }

    /// How long a call may take before it fails, 10 s unless it is said: for waiting, for trying again where another process
    /// was faster, and for connecting anew.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// How many connections are open at most, 8 unless it is said; one more listens for news. At least 4 are used.
    #[must_use]
    pub fn with_connections(self, connections: usize) -> Self {
        Self { connections, ..self }
    }

    /// Whether connections are encrypted, and the server's certificate verified.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.config.get_ssl_mode() == SslMode::Require
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("hosts", &self.config.get_hosts())
            .field("database", &self.config.get_dbname())
            .field("user", &self.config.get_user())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Whether what is sent there stays on this machine.
fn is_local(host: &Host) -> bool {
    match host {
        #[cfg(unix)]
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            let address = name.trim_start_matches('[').trim_end_matches(']');
            name == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        #[cfg(not(unix))]
        _ => false,
    }
}

/// Text without its percent signs (RFC 3986 §2.1).
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                u8::try_from(high << 4 | low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> Result<bool, StoreCode> {
        let options = PostgresOptions::parse(url).map_err(|error| error.code());
        options.map(|options| options.is_encrypted())
    }

    #[test]
    fn what_leaves_the_machine_is_encrypted_and_verified() {
        const REFUSED: Result<bool, StoreCode> = Err(StoreCode::StoreMisused);
        for (url, expected) in [
            ("postgres://u@db.example/d", Ok(true)),
            ("postgresql://u@db.example/d?sslmode=verify-full", Ok(true)),
            ("postgres://u@db.example/d?sslmode=disable", REFUSED),
            ("postgres://u@db.example/d?sslmode=prefer", REFUSED),
            ("postgres://u@db.example/d?sslmode=require", REFUSED),
            ("postgres://u@db.example/d?sslmode=verify-ca", REFUSED),
            ("postgres://u@127.0.0.1/d", Ok(false)),
            ("postgres://u@[::1]/d", Ok(false)),
            ("postgres://u@localhost/d?sslmode=disable", Ok(false)),
            ("postgres://u@localhost/d?sslmode=verify-full", Ok(true)),
            ("postgres://u@%2Frun%2Fpostgresql/d", Ok(false)),
            ("postgres://u@/d?host=/run/postgresql", Ok(false)),
            // One of several hosts is elsewhere, whatever its name says of the first.
            ("postgres://u@127.0.0.1,db.example/d", Ok(true)),
            ("postgres://u@127.0.0.1,db.example/d?sslmode=disable", REFUSED),
            ("postgres://u@localhost/d?hostaddr=192.0.2.1", Ok(true)),
            ("postgres://u@localhost.example/d", Ok(true)),
            ("mysql://u@localhost/d", REFUSED),
            ("host=localhost dbname=d", REFUSED),
            ("postgres://u@localhost", REFUSED),
            ("postgres:///d", REFUSED),
            ("postgres://u@localhost/d?unknown=1", REFUSED),
        ] {
            assert_eq!(mode(url), expected, "{url}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let secret = "s3cret-of-the-database";
        let url = format!("postgres://u:{secret}@localhost/d");
        let options = PostgresOptions::parse(&url).unwrap();
        for options in [options.clone(), options.with_password("another-s3cret")] {
            assert!(!format!("{options:?}").contains("s3cret"));
        }
        let error = PostgresOptions::parse(&format!("postgres://u:{secret}@localhost/d?port=x")).unwrap_err();
        assert!(!format!("{error:?}").contains("s3cret"));
    }

    #[test]
    fn authorities_are_files() {
        let roots = |url: &str| PostgresOptions::parse(url).unwrap().roots;
        assert_eq!(roots("postgres://u@db.example/d"), None);
        let named = roots("postgres://u@db.example/d?sslrootcert=%2Fetc%2Fa%20b.pem&connect_timeout=3");
        assert_eq!(named, Some(PathBuf::from("/etc/a b.pem")));
    }
}
