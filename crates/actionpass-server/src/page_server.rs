//! [`PageServer`]: the page alone, of a service elsewhere.

use std::net::SocketAddr;
use std::sync::Arc;

use actionpass_client::Client;
use actionpass_model::{Issuer, WebOrigin};
use actionpass_store::MemorySessions;
use tokio::task::JoinSet;

use crate::listening::Listening;
use crate::page::{Host, Remote, SharedHost};
use crate::router::page_front;
use crate::{ServeError, Settings};

/// The page alone, listening: it has no key, no store and no home, decides nothing, and asks a service for all that it shows. What
/// people sign is computed here from the action that the service sends, so the service isn't trusted with that. Who is signed in is in
/// its memory: of several, a browser stays with one.
///
/// It speaks plain HTTP: a proxy before it ends TLS.
#[derive(Debug)]
pub struct PageServer {
    host: SharedHost,
    listening: Listening,
}

impl PageServer {
    /// Listens; nothing is answered before [`run`](Self::run), and the service isn't asked before somebody asks the page.
    ///
    /// `gate` is a client of the service with the right `requests`. Votes are made for `issuer` alone; without one, for the issuer
    /// that the service names first. `origin` is `http://localhost:PORT` unless it is said.
    ///
    /// # Errors
    /// [`ServeError`]: nothing listens.
    pub async fn open(
        gate: Client,
        issuer: Option<Issuer>,
        listen: SocketAddr,
        origin: Option<WebOrigin>,
    ) -> Result<Self, ServeError> {
        let settings = Settings {
            listen,
            origin,
            ..Settings::default()
        };
        let listening = Listening::bind(&settings, None).await?;
        let front = listening.front(&settings, listening.origin(&settings)?, None);
        let source = Remote::new(gate, front.origin.clone(), issuer);
        source.follow()?;
        let host = Arc::new(Host {
            front,
            source: Arc::new(source),
            sessions: Arc::new(MemorySessions::default()),
        });
        Ok(Self { host, listening })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.listening.address
    }

    /// The origin of the page.
    #[must_use]
    pub fn origin(&self) -> &WebOrigin {
        &self.host.front.origin
    }

    /// Answers until `stop` is ready. What runs then has ten seconds to finish.
    ///
    /// # Errors
    /// [`ServeError::Ended`] if a part that the page doesn't go on without has ended.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
        let Self { host, listening } = self;
        let app = page_front(Arc::clone(&host));
        listening.run(&host.front, app, JoinSet::new(), stop, || {}).await
    }
}
