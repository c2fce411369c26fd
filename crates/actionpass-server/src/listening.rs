//! [`Listening`]: connections, from where they come in to the routes that answer them.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actionpass_home::ServeLimits;
use actionpass_model::WebOrigin;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tower::ServiceExt as _;

use crate::front::{Front, SharedFront};
use crate::guard::Arrival;
use crate::idle::{Answering, Idle};
use crate::listen::Socket;
use crate::peer::Peer;
use crate::telemetry::Telemetry;
use crate::tls::Tls;
use crate::{ServeError, Settings, descriptors};

/// How long nobody is accepted after the system refused to.
const AFTER_FAILURE: Duration = Duration::from_millis(100);
/// How long a header, and a body, may take on a connection that is kept for people: a flood is gone from there soon.
pub(crate) const RESERVE_TIME: Duration = Duration::from_secs(2);

/// What connections come in at. Nothing is answered before [`run`](Self::run).
#[derive(Debug)]
pub(crate) struct Listening {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
    socket: Option<Socket>,
    tls: Option<Arc<Tls>>,
}

impl Listening {
    /// Listens where the settings say so.
    ///
    /// # Errors
    /// [`ServeError`]: nothing listens.
    pub(crate) async fn bind(settings: &Settings, tls: Option<Arc<Tls>>) -> Result<Self, ServeError> {
        let at = |source| ServeError::Listen {
            address: settings.listen,
            source,
        };
        let listener = TcpListener::bind(settings.listen).await.map_err(at)?;
        let address = listener.local_addr().map_err(at)?;
        let socket = settings.socket.as_deref().map(Socket::bind).transpose()?;
        Ok(Self {
            listener,
            address,
            socket,
            tls,
        })
    }

    /// The origin of the page: the one of the settings, or that of this address on this machine.
    pub(crate) fn origin(&self, settings: &Settings) -> Result<WebOrigin, ServeError> {
        match settings.origin.clone() {
            Some(origin) => Ok(origin),
            None => default_origin(self.address.port(), self.tls.is_some()),
        }
    }

    /// What routes share behind it.
    pub(crate) fn front(&self, settings: &Settings, origin: WebOrigin, telemetry: Option<Telemetry>) -> SharedFront {
        Front::new(origin, self.address.port(), &settings.hosts, settings.limits, telemetry)
    }

    /// Answers until `stop` is ready or one of the tasks in `background`, without which the service doesn't go on, has ended.
    /// Then nobody is accepted any more, `at_stop` ends what waits, and what runs has [`ServeLimits::stop_time`] to finish.
    ///
    /// # Errors
    /// [`ServeError::Ended`] if a task has ended.
    pub(crate) async fn run(
        self,
        front: &SharedFront,
        app: Router,
        mut background: JoinSet<&'static str>,
        stop: impl Future<Output = ()>,
        at_stop: impl FnOnce(),
    ) -> Result<(), ServeError> {
        let Self {
            listener, socket, tls, ..
        } = self;
        if let Some(tls) = tls.clone() {
            background.spawn(async move {
                tls.follow().await;
                "the reader of the certificate"
            });
        }
        let accepting = Accepting::new(front, app, tls);
        let mut connections = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        let ended = loop {
            tokio::select! {
                () = &mut stop => break Ok(()),
                Some(part) = background.join_next() => break Err(ended(part)),
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
        front.stop.begin();
        at_stop();
        let finish = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(front.serve.stop_time, finish).await.is_err() {
            tracing::warn!(connections = connections.len(), "what still ran was given up");
            connections.shutdown().await;
        }
        background.shutdown().await;
        ended
    }
}

/// Why the service ends when one of its parts has ended; one that panicked has no name.
pub(crate) fn ended(part: Result<&'static str, JoinError>) -> ServeError {
    let part = part.unwrap_or("a part of the service");
    ServeError::Ended { part }
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
    front: SharedFront,
    app: Router,
    tls: Option<Arc<Tls>>,
    general: Arc<Semaphore>,
    reserve: Arc<Semaphore>,
}

/// A place among the connections.
struct Place {
    _permit: OwnedSemaphorePermit,
    is_reserve: bool,
    front: SharedFront,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.front.open_connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Accepting {
    fn new(front: &SharedFront, app: Router, tls: Option<Arc<Tls>>) -> Self {
        let (general, reserve) = descriptors::connections(&front.serve);
        Self {
            front: Arc::clone(front),
            app,
            tls,
            general: Arc::new(Semaphore::new(general)),
            reserve: Arc::new(Semaphore::new(reserve)),
        }
    }

    /// A place for a connection; `None` where there is none, and then it is closed.
    fn place(&self) -> Option<Place> {
        let (permit, is_reserve) = match Arc::clone(&self.general).try_acquire_owned() {
            Ok(permit) => (permit, false),
            Err(_) => (Arc::clone(&self.reserve).try_acquire_owned().ok()?, true),
        };
        self.front.open_connections.fetch_add(1, Ordering::Relaxed);
        Some(Place {
            _permit: permit,
            is_reserve,
            front: Arc::clone(&self.front),
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
            let mut stopped = std::pin::pin!(connection.front.stop.begun());
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
            front: Arc::clone(&self.front),
            app: self.app.clone(),
            place,
            peer,
            local,
        }
    }
}

struct Connection {
    front: SharedFront,
    app: Router,
    place: Place,
    peer: Peer,
    local: Option<SocketAddr>,
}

impl Connection {
    fn header_time(&self) -> Duration {
        self.unless_reserve(self.front.serve.header_time)
    }

    /// A time, which is shorter on a connection that is kept for people.
    fn unless_reserve(&self, time: Duration) -> Duration {
        if self.place.is_reserve {
            time.min(RESERVE_TIME)
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
        let answering = Answering::default();
        let of_this = answering.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let (parts, body) = request.into_parts();
            let (answer, body) = of_this.begin(body);
            let mut request = Request::from_parts(parts, Body::new(body));
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(arrival);
            let answered = app.clone().oneshot(request);
            async move { Ok::<_, Infallible>(answered.await?.map(|body| answer.with(body))) }
        });
        let ServeLimits {
            header_bytes,
            idle_time,
            keep_alive_time,
            ..
        } = self.front.serve;
        let stream = TokioIo::new(Idle::new(stream, idle_time, answering, self.header_time()));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // It runs from the end of the request before; the time of a header that has begun is bounded below it.
            .header_read_timeout(self.unless_reserve(keep_alive_time))
            .max_header_size(header_bytes)
            .serve_connection(stream, service);
        let mut connection = std::pin::pin!(connection);
        let mut stopped = std::pin::pin!(self.front.stop.begun());
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
