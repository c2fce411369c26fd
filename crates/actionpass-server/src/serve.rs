//! [`Server`]: the service of one home.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actionpass_home::{OpenHome, ServeLimits, SharedSecrets};
use actionpass_model::WebOrigin;
use actionpass_store::{Ledger as _, QueueStore, lock_file};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio::task::{JoinError, JoinSet};
use tower::ServiceExt as _;

use crate::caller::Callers;
use crate::events::{Events, Watch};
use crate::gate::{Gate, Shared};
use crate::guard::{Arrival, Names};
use crate::idle::Idle;
use crate::listen::Socket;
use crate::load::Load;
use crate::metrics::Metrics;
use crate::operations::Readiness;
use crate::peer::Peer;
use crate::router::front;
use crate::stop::Stop;
use crate::tls::Tls;
use crate::webhooks::Webhooks;
use crate::{ServeError, Settings, events};

/// The file whose lock the service of a home holds.
const LOCK: &str = "serve.lock";
/// How long nobody is accepted after the system refused to.
const AFTER_FAILURE: Duration = Duration::from_millis(100);
/// How long the header may take on a connection that is kept for people: a flood is gone from there soon.
const RESERVE_HEADER_TIME: Duration = Duration::from_secs(2);

/// The service of one home, listening.
#[derive(Debug)]
pub struct Server {
    gate: Shared,
    listener: TcpListener,
    address: SocketAddr,
    socket: Option<Socket>,
    tls: Option<Arc<Tls>>,
    webhooks: Webhooks,
    head: u64,
    /// Held until the service is gone, so that a home has one.
    _lock: File,
}

impl Server {
    /// Opens the issuer of a home and listens; nothing is answered before [`run`](Self::run).
    ///
    /// # Errors
    /// [`ServeError`]: nothing listens.
    pub async fn open(home: OpenHome, secrets: SharedSecrets, settings: Settings) -> Result<Self, ServeError> {
        let lock = lock(&home).await?;
        let tls = match settings.tls.clone() {
            Some(files) => Some(Arc::new(Tls::open(files, home.home.clone())?)),
            None => None,
        };
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
        let socket = settings.socket.as_deref().map(Socket::bind).transpose()?;
        let origin = match settings.origin {
            Some(origin) => origin,
            None => default_origin(address.port(), tls.is_some())?,
        };
        let webhooks = Webhooks::open(&home.config, origin.clone())?;
        let gate = Arc::new(Gate {
            webhooks: webhooks.counts(),
            callers: Callers::of(home.home.clone()),
            load: Load::new(&settings.limits),
            stop: Stop::new(),
            names: Names::new(origin.clone(), address.port(), &settings.hosts),
            metrics: Metrics::new(),
            metrics_for: settings.metrics,
            readiness: Readiness::default(),
            open_connections: AtomicUsize::new(0),
            serve: settings.limits,
            home,
            issuer,
            events,
            origin,
        });
        Ok(Self {
            gate,
            listener,
            address,
            socket,
            tls,
            webhooks,
            head,
            _lock: lock,
        })
    }

    /// What its routes share, for tests that ask them without a connection.
    #[cfg(test)]
    pub(crate) const fn gate(&self) -> &Shared {
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

    /// Answers until `stop` is ready. Then nobody is accepted any more, parked calls answer what they know, streams end, and what
    /// runs has [`ServeLimits::stop_time`] to finish.
    ///
    /// # Errors
    /// [`ServeError::Ended`] if a part that the service doesn't go on without has ended.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
        let Self {
            gate,
            listener,
            socket,
            tls,
            webhooks,
            head,
            _lock,
            ..
        } = self;
        webhooks.start(&gate.events);
        let mut background = background(&gate, tls.clone(), head);
        let accepting = Accepting::new(&gate, tls);
        let mut connections = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        let ended = loop {
            tokio::select! {
                () = &mut stop => break Ok(()),
                part = background.join_next() => break Err(ended(part)),
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => accepting.tcp(&mut connections, stream, peer),
                    Err(error) => not_accepted(&error).await,
                },
                accepted = accept_unix(socket.as_ref()) => match accepted {
                    Ok(stream) => accepting.unix(&mut connections, stream),
                    Err(error) => not_accepted(&error).await,
                },
                // What has ended is forgotten.
                Some(_) = connections.join_next() => {}
            }
        };
        drop((listener, socket));
        gate.stop.begin();
        // Parked calls, streams and receivers of webhooks wait for events.
        gate.events.stop();
        let finish = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(gate.serve.stop_time, finish).await.is_err() {
            tracing::warn!(connections = connections.len(), "what still ran was given up");
            connections.shutdown().await;
        }
        background.shutdown().await;
        ended
    }
}

/// The tasks without which the service doesn't go on, each with its name.
fn background(gate: &Shared, tls: Option<Arc<Tls>>, head: u64) -> JoinSet<&'static str> {
    let mut tasks = JoinSet::new();
    let events = Arc::clone(&gate.events);
    tasks.spawn(async move {
        events.follow(head).await;
        "the reader of events"
    });
    let (counting, mut moved) = (Arc::clone(gate), gate.events.subscribe());
    tasks.spawn(async move {
        loop {
            match moved.recv().await {
                Ok(event) => counting.metrics.request_moved(&event.event),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return "the counter of events",
            }
        }
    });
    if let Some(tls) = tls {
        tasks.spawn(async move {
            tls.follow().await;
            "the reader of the certificate"
        });
    }
    tasks
}

/// Why the service ends when one of its parts has ended; one that panicked has no name.
fn ended(part: Option<Result<&'static str, JoinError>>) -> ServeError {
    let part = part.and_then(Result::ok).unwrap_or("a part of the service");
    ServeError::Ended { part }
}

/// The lock of the home's service.
async fn lock(home: &OpenHome) -> Result<File, ServeError> {
    let (root, path) = (home.home.root().to_owned(), home.home.path(LOCK));
    let locked = tokio::task::spawn_blocking(move || lock_file::exclusive(&path)).await;
    let locked = locked.map_err(io::Error::other)?;
    locked.map_err(|source| ServeError::Served { home: root, source })
}

fn default_origin(port: u16, is_tls: bool) -> Result<WebOrigin, ServeError> {
    let (scheme, own) = if is_tls { ("https", 443) } else { ("http", 80) };
    let text = if port == own {
        format!("{scheme}://localhost")
    } else {
        format!("{scheme}://localhost:{port}")
    };
    WebOrigin::parse(&text).map_err(|error| ServeError::Io(io::Error::other(error)))
}

async fn accept_unix(socket: Option<&Socket>) -> io::Result<UnixStream> {
    match socket {
        Some(socket) => Ok(socket.listener.accept().await?.0),
        None => std::future::pending().await,
    }
}

/// The system has no descriptor to give, most likely: it is asked again in a while.
async fn not_accepted(error: &io::Error) {
    tracing::error!(%error, "nobody can be accepted");
    tokio::time::sleep(AFTER_FAILURE).await;
}

/// What becomes of connections.
struct Accepting {
    gate: Shared,
    app: Router,
    tls: Option<Arc<Tls>>,
    general: Arc<Semaphore>,
    reserve: Arc<Semaphore>,
}

/// A place among the connections.
struct Place {
    _permit: OwnedSemaphorePermit,
    is_reserve: bool,
    gate: Shared,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gate.open_connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Accepting {
    fn new(gate: &Shared, tls: Option<Arc<Tls>>) -> Self {
        Self {
            gate: Arc::clone(gate),
            app: front(gate),
            tls,
            general: Arc::new(Semaphore::new(gate.serve.connections)),
            reserve: Arc::new(Semaphore::new(gate.serve.page_connections)),
        }
    }

    /// A place for a connection; `None` where there is none, and then it is closed.
    fn place(&self) -> Option<Place> {
        let (permit, is_reserve) = match Arc::clone(&self.general).try_acquire_owned() {
            Ok(permit) => (permit, false),
            Err(_) => (Arc::clone(&self.reserve).try_acquire_owned().ok()?, true),
        };
        self.gate.open_connections.fetch_add(1, Ordering::Relaxed);
        Some(Place {
            _permit: permit,
            is_reserve,
            gate: Arc::clone(&self.gate),
        })
    }

    fn tcp(&self, connections: &mut JoinSet<()>, stream: TcpStream, peer: SocketAddr) {
        let Some(place) = self.place() else { return };
        let Ok(local) = stream.local_addr() else { return };
        // Answers are written whole, so there is nothing to gather.
        let _ = stream.set_nodelay(true);
        let connection = self.connection(place, Peer::Tcp(peer), Some(local));
        let Some(tls) = &self.tls else {
            connections.spawn(connection.serve(stream));
            return;
        };
        let acceptor = tls.acceptor();
        connections.spawn(async move {
            let time = connection.header_time();
            let mut stopped = std::pin::pin!(connection.gate.stop.begun());
            let shaken = tokio::select! {
                shaken = tokio::time::timeout(time, acceptor.accept(stream)) => shaken,
                () = &mut stopped => return,
            };
            match shaken {
                Ok(Ok(stream)) => connection.serve(stream).await,
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            }
        });
    }

    fn unix(&self, connections: &mut JoinSet<()>, stream: UnixStream) {
        let Some(place) = self.place() else { return };
        // Whose process it is decides what it may do, so nobody unknown is answered.
        let Ok(credentials) = stream.peer_cred() else { return };
        let peer = Peer::Unix { uid: credentials.uid() };
        connections.spawn(self.connection(place, peer, None).serve(stream));
    }

    fn connection(&self, place: Place, peer: Peer, local: Option<SocketAddr>) -> Connection {
        Connection {
            gate: Arc::clone(&self.gate),
            app: self.app.clone(),
            place,
            peer,
            local,
        }
    }
}

struct Connection {
    gate: Shared,
    app: Router,
    place: Place,
    peer: Peer,
    local: Option<SocketAddr>,
}

impl Connection {
    fn header_time(&self) -> Duration {
        let time = self.gate.serve.header_time;
        if self.place.is_reserve {
            time.min(RESERVE_HEADER_TIME)
        } else {
            time
        }
    }

    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(self, stream: S) {
        let (app, peer) = (self.app.clone(), self.peer);
        let arrival = Arrival {
            local: self.local,
            is_reserve: self.place.is_reserve,
        };
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(arrival);
            app.clone().oneshot(request.map(Body::new))
        });
        let ServeLimits {
            header_bytes,
            idle_time,
            ..
        } = self.gate.serve;
        let stream = TokioIo::new(Idle::new(stream, idle_time));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.header_time())
            .max_header_size(header_bytes)
            .serve_connection(stream, service);
        let mut connection = std::pin::pin!(connection);
        let mut stopped = std::pin::pin!(self.gate.stop.begun());
        let served = tokio::select! {
            served = connection.as_mut() => served,
            () = &mut stopped => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = served {
            tracing::debug!(%error, "a connection ended");
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
