//! [`Lookup`]: the server's address on the network.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// How long a name is not asked for again. ureq asks before every request, also where it has a connection already: a
/// signature would wait for DNS.
const KEPT: Duration = Duration::from_secs(30);

/// Finds one server, whatever the name in its certificate is. Anything else, such as a proxy, is looked up as usual.
#[derive(Clone, Debug)]
pub(crate) struct Lookup {
    /// The host in URLs: what the certificate has to be for.
    name: String,
    /// Where that is.
    server: Uri,
    found: Arc<Mutex<Option<Found>>>,
}

#[derive(Debug)]
struct Found {
    when: Instant,
    addresses: Vec<SocketAddr>,
}

impl Lookup {
    pub(crate) fn new(name: &str, server: Uri) -> Self {
        Self {
            name: name.to_owned(),
            server,
            found: Arc::default(),
        }
    }

    /// Asks again the next time: the server may have moved.
    pub(crate) fn forget(&self) {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn known(&self) -> Option<Vec<SocketAddr>> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let found = found.as_ref()?;
        (found.when.elapsed() < KEPT).then(|| found.addresses.clone())
    }
}

impl Resolver for Lookup {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        if uri.host() != Some(&self.name) {
            return DefaultResolver::default().resolve(uri, config, timeout);
        }
        if let Some(known) = self.known() {
            let mut addresses = self.empty();
            for address in known {
                addresses.push(address);
            }
            return Ok(addresses);
        }
        let addresses = DefaultResolver::default().resolve(&self.server, config, timeout)?;
        let found = Found {
            when: Instant::now(),
            addresses: addresses.to_vec(),
        };
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        Ok(addresses)
    }
}
