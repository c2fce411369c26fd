//! [`Open`]: a session and its server, and the streams on which its client is answered.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::Client;
use crate::child::{self, Program};
use crate::stdio::{new_id, random};
use crate::{Id, McpCode, McpError, Proxy, Session, Target, ToClient, era, raw, url};

/// How many messages wait for a slow reader.
const QUEUE: usize = 64;

/// How many messages of a server are kept until its client listens.
const HELD: usize = 64;

/// How long a client may take nothing of what waits for it.
const STALL: Duration = Duration::from_secs(30);

/// A message on a stream.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) line: Vec<u8>,
    /// Whether it is the answer that the stream is for, and so its last message.
    pub(super) is_answer: bool,
}

/// A session that has begun.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) client: Client,
    pub(super) is_modern: bool,
    pub(super) session: Arc<Session>,
    streams: Mutex<Streams>,
    end: Notify,
}

#[derive(Debug)]
struct Streams {
    /// The stream of each request that has no answer yet, with a number that no other has.
    waiting: HashMap<Id, (u64, mpsc::Sender<Said>)>,
    listener: Option<(u64, mpsc::Sender<Said>)>,
    /// What the server said by itself while nobody listened.
    held: VecDeque<Vec<u8>>,
    next: u64,
    used: Instant,
    is_over: bool,
}

/// A stream that somebody reads. When it is dropped before its answer came, its client has gone.
#[derive(Debug)]
pub(super) struct Reading {
    open: Arc<Open>,
    number: u64,
    /// `None` for the stream of what a server says by itself.
    id: Option<Id>,
}

impl Open {
    /// Begins a session with a server of its own; `at_end` is called once both have ended.
    pub(super) async fn begin(
        proxy: &Proxy,
        client: Client,
        is_modern: bool,
        key: [u8; 32],
        at_end: impl FnOnce() + Send + 'static,
    ) -> Result<Arc<Self>, McpError> {
        let (settings, target) = proxy.settings().await?;
        let env = settings.server.env.clone();
        // What is recorded of a session is not the secret by which its client is known.
        let (session, to_server, to_client) = Session::new(Arc::clone(&proxy.door), settings, new_id()?, key);
        let streams = Streams {
            waiting: HashMap::new(),
            listener: None,
            held: VecDeque::new(),
            next: 0,
            used: Instant::now(),
            is_over: false,
        };
        let open = Arc::new(Self {
            client,
            is_modern,
            session: Arc::clone(&session),
            streams: Mutex::new(streams),
            end: Notify::new(),
        });
        let mut carrying = match target {
            Target::Command(command) => {
                tokio::spawn(child::run(Program { command, env }, Arc::clone(&session), to_server))
            }
            Target::Url(url) => tokio::spawn(url::run(url, Arc::clone(&session), to_server)),
        };
        let drained = Arc::new(Notify::new());
        let delivering = tokio::spawn(Arc::clone(&open).deliver(to_client, Arc::clone(&drained)));
        let ending = Arc::clone(&open);
        tokio::spawn(async move {
            let carried = tokio::select! {
                carried = &mut carrying => Some(carried),
                () = ending.end.notified() => None,
            };
            ending.streams().is_over = true;
            session.client_gone();
            let carried = match carried {
                Some(carried) => carried,
                None => {
                    session.close();
                    carrying.await
                }
            };
            if let Ok(Err(error)) = carried {
                tracing::warn!(%error, "a session's server has ended");
            }
            session.settled().await;
            drained.notify_one();
            let _ = delivering.await;
            at_end();
        });
        Ok(open)
    }

    /// Ends it and its server.
    pub(super) fn end(&self) {
        self.streams().is_over = true;
        self.session.client_gone();
        self.end.notify_one();
    }

    pub(super) fn is_over(&self) -> bool {
        self.streams().is_over || self.session.is_over()
    }

    /// For how long nobody has waited or listened; `None` if somebody does.
    pub(super) fn idle(&self) -> Option<Duration> {
        let streams = self.streams();
        let is_idle = streams.waiting.is_empty() && streams.listener.is_none();
        is_idle.then(|| streams.used.elapsed())
    }

    /// Whether a request has this id.
    pub(super) fn is_waited_for(&self, id: &Id) -> bool {
        self.streams().waiting.contains_key(id) || self.session.is_waited_for(id)
    }

    /// Whether any request waits.
    pub(super) fn is_busy(&self) -> bool {
        !self.streams().waiting.is_empty()
    }

    /// The stream for a request that is handed to the session next.
    pub(super) fn wait_for(self: &Arc<Self>, id: &Id) -> Result<(mpsc::Receiver<Said>, Reading), McpCode> {
        let is_used = self.session.is_waited_for(id);
        let mut streams = self.streams();
        if streams.is_over {
            return Err(McpCode::SessionUnknown);
        }
        if is_used || streams.waiting.contains_key(id) {
            return Err(McpCode::IdRefused);
        }
        let (sender, receiver) = mpsc::channel(QUEUE);
        let number = streams.number();
        streams.waiting.insert(id.clone(), (number, sender));
        Ok((receiver, self.reading(number, Some(id.clone()))))
    }

    /// The stream of what the server says by itself; `None` while somebody has it.
    pub(super) fn listen(self: &Arc<Self>) -> Option<(mpsc::Receiver<Said>, Reading)> {
        let mut streams = self.streams();
        if streams.is_over || streams.listener.is_some() {
            return None;
        }
        let (sender, receiver) = mpsc::channel(QUEUE.max(HELD));
        for line in std::mem::take(&mut streams.held) {
            let _ = sender.try_send(Said { line, is_answer: false });
        }
        let number = streams.number();
        streams.listener = Some((number, sender));
        Some((receiver, self.reading(number, None)))
    }

    /// The client withdrew a request: its stream ends.
    pub(super) fn withdrawn(&self, id: &Id) {
        if !self.session.is_waited_for(id) {
            self.streams().waiting.remove(id);
        }
    }

    /// Somebody said something.
    pub(super) fn touch(&self) {
        self.streams().used = Instant::now();
    }

    fn reading(self: &Arc<Self>, number: u64, id: Option<Id>) -> Reading {
        let open = Arc::clone(self);
        Reading { open, number, id }
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn deliver(self: Arc<Self>, mut messages: mpsc::Receiver<ToClient>, drained: Arc<Notify>) {
        loop {
            tokio::select! {
                biased;
                message = messages.recv() => match message {
                    Some(message) => self.say(message).await,
                    None => break,
                },
                () = drained.notified() => break,
            }
        }
        // Whoever reads sees the end.
        let mut streams = self.streams();
        streams.waiting.clear();
        streams.listener = None;
    }

    async fn say(&self, message: ToClient) {
        let mut said = Said {
            line: message.line,
            is_answer: message.is_answer,
        };
        if said.line.contains(&b'\r') {
            // To readers of events it is the end of a line.
            let mut compact = Vec::with_capacity(said.line.len());
            raw::push_compact(&mut compact, &said.line);
            said.line = compact;
        }
        let stream = self.streams().stream(message.about.as_ref(), &said);
        match stream {
            Some((_, sender)) => {
                let sent = sender.send_timeout(said, STALL).await;
                if sent.is_err() {
                    tracing::debug!("a client doesn't read");
                }
            }
            None if message.about.is_none() => self.streams().hold(said.line),
            None => {}
        }
    }
}

impl Streams {
    fn number(&mut self) -> u64 {
        self.next = self.next.saturating_add(1);
        self.used = Instant::now();
        self.next
    }

    /// Keeps what the server says by itself until its client listens.
    fn hold(&mut self, line: Vec<u8>) {
        if self.held.len() < HELD {
            self.held.push_back(line);
        }
    }

    /// Where a message goes. What a server says while it has one request belongs to that one most likely; what it says beside, to
    /// who listens, or else to whoever waits.
    fn stream(&mut self, about: Option<&Id>, said: &Said) -> Option<(u64, mpsc::Sender<Said>)> {
        if let Some(id) = about {
            return if said.is_answer {
                self.waiting.remove(id)
            } else {
                self.waiting.get(id).cloned()
            };
        }
        let meta = raw::member(&said.line, "params").and_then(|params| raw::member(params, "_meta"));
        let subscription = meta
            .and_then(|meta| raw::member(meta, era::META_SUBSCRIPTION))
            .and_then(Id::read);
        if let Some(id) = subscription {
            return self.waiting.get(&id).cloned();
        }
        let sole = self.waiting.values().next().filter(|_| self.waiting.len() == 1);
        let any = self.waiting.values().min_by_key(|(number, _)| *number);
        sole.or(self.listener.as_ref()).or(any).cloned()
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut streams = self.open.streams();
        streams.used = Instant::now();
        let Some(id) = &self.id else {
            if streams
                .listener
                .as_ref()
                .is_some_and(|(number, _)| *number == self.number)
            {
                streams.listener = None;
            }
            return;
        };
        let is_open = streams
            .waiting
            .get(id)
            .is_some_and(|(number, _)| *number == self.number);
        if !is_open {
            return;
        }
        streams.waiting.remove(id);
        drop(streams);
        let (session, id) = (Arc::clone(&self.open.session), id.clone());
        if let Ok(handle) = Handle::try_current() {
            handle.spawn(async move { session.hung_up(&id).await });
        }
    }
}

/// A secret that names a session to its client.
pub(super) fn new_secret() -> Result<String, McpError> {
    use base64ct::Encoding as _;
    let bytes: [u8; 32] = random()?;
    Ok(base64ct::Base64UrlUnpadded::encode_string(&bytes))
}
