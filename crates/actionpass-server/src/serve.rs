//! [`Server`]: the service of one home.

use std::net::SocketAddr;
use std::sync::Arc;

use actionpass_home::{OpenHome, SharedSecrets};
use actionpass_model::WebOrigin;
use actionpass_store::{Ledger as _, QueueStore};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

use crate::caller::Callers;
use crate::events::{Events, Watch};
use crate::gate::Gate;
use crate::load::Load;
use crate::router::router;
use crate::stop::Stop;
use crate::webhooks::Webhooks;
use crate::{ServeError, Settings, events};

/// The service of one home, listening.
#[derive(Debug)]
pub struct Server {
    gate: Arc<Gate>,
    listener: TcpListener,
    address: SocketAddr,
    webhooks: Webhooks,
    head: u64,
}

impl Server {
    /// Opens the issuer of a home and listens; nothing is answered before [`run`](Self::run).
    ///
    /// # Errors
    /// [`ServeError`]: nothing listens.
    pub async fn open(home: OpenHome, secrets: SharedSecrets, settings: Settings) -> Result<Self, ServeError> {
        let store: Arc<dyn QueueStore> = Arc::clone(&home.store) as _;
        let events = Events::new(Arc::clone(&store));
        let issuer = home
            .issuer_builder(secrets)?
            .with_timer(Arc::new(events::TokioTimer))
            .with_request_watch(Arc::new(Watch(Arc::clone(&events))))
            .open()
            .await?;
        let head = home
            .store
            .state()
            .await
            .map_err(actionpass_core::AuthorizeError::from)?
            .head
            .size();
        let at = |source| ServeError::Listen {
            address: settings.listen,
            source,
        };
        let listener = TcpListener::bind(settings.listen).await.map_err(at)?;
        let address = listener.local_addr().map_err(at)?;
        let origin = match settings.origin {
            Some(origin) => origin,
            None => WebOrigin::parse(&format!("http://localhost:{}", address.port()))
                .map_err(|error| ServeError::Io(std::io::Error::other(error)))?,
        };
        let webhooks = Webhooks::open(&home.config, origin.clone())?;
        let gate = Arc::new(Gate {
            webhooks: webhooks.counts(),
            callers: Callers::of(home.home.clone()),
            load: Load::new(&home.config.serve.limits()),
            stop: Stop::new(),
            home,
            issuer,
            events,
            origin,
        });
        Ok(Self {
            gate,
            listener,
            address,
            webhooks,
            head,
        })
    }

    /// What its routes share, for tests that ask them without a connection.
    #[cfg(test)]
    pub(crate) const fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The origin of the page.
    #[must_use]
    pub fn origin(&self) -> &WebOrigin {
        &self.gate.origin
    }

    /// Answers until `stop` is ready.
    ///
    /// # Errors
    /// [`ServeError::Io`] if nobody can be listened to any more.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
        let events = Arc::clone(&self.gate.events);
        self.webhooks.start(&events);
        let following = tokio::spawn(async move { events.follow(self.head).await });
        let app = router(Arc::clone(&self.gate));
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = &mut stop => break,
            };
            let Ok((stream, _)) = accepted else { continue };
            let service = TowerToHyperService::new(app.clone());
            tokio::spawn(async move {
                let mut connection = hyper::server::conn::http1::Builder::new();
                let connection = connection.timer(TokioTimer::new());
                if let Err(error) = connection.serve_connection(TokioIo::new(stream), service).await {
                    tracing::debug!(%error, "a connection ended");
                }
            });
        }
        following.abort();
        Ok(())
    }
}
