//! The thread that reads, on a connection of its own, and looks out for those who follow the log.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actionpass_store::{Known, LookUp, StoreFuture};
use futures_channel::oneshot::channel;
use rusqlite::Connection;

use crate::committer::{Reply, send};
use crate::error::Failure;
use crate::file::Access;
use crate::moment::Moment;
use crate::queue::Queue;
use crate::{decide, file};

/// A call that reads: it answers by itself, whether there is a connection or why there is none.
pub(crate) type Answer = Box<dyn FnOnce(Result<&Connection, &Failure>) + Send>;

/// A call of the reading thread.
pub(crate) enum Read {
    Ask(Answer),
    LookUp(LookUp, Reply<Known>),
    /// Tell once the log has more records than this.
    Follow(u64, Reply<u64>),
    /// The log may have grown.
    Look,
}

/// How often the thread looks for records of other processes while somebody follows the log.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The way to the reading thread.
pub(crate) struct Reads {
    pub(crate) queue: Queue<Read>,
    /// How many follow the log: without any, nobody needs to hear of a record.
    followers: AtomicUsize,
}

impl Reads {
    pub(crate) const fn new() -> Self {
        Self {
            queue: Queue::new(),
            followers: AtomicUsize::new(0),
        }
    }

    /// Says that the log grew.
    pub(crate) fn look(&self) {
        // Whoever began to follow before the record was durable counted itself before it looked.
        if self.followers.load(Ordering::SeqCst) > 0 {
            self.queue.put(Read::Look);
        }
    }

    /// Waits for more records than `seq`.
    pub(crate) fn follow(self: &Arc<Self>, seq: u64) -> StoreFuture<'static, u64> {
        let reads = Arc::clone(self);
        Box::pin(async move {
            let _counted = Counted::new(&reads.followers);
            let (reply, answer) = channel();
            reads.queue.put(Read::Follow(seq, reply));
            crate::store::received(answer).await
        })
    }
}

/// One follower more, for as long as this lives.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Reads until the queue is closed and empty.
pub(crate) fn run(path: PathBuf, access: Access, connection: Connection, queue: &Queue<Read>) {
    let mut reader = Reader {
        path,
        access,
        connection: Some(connection),
        followers: Vec::new(),
    };
    let mut looked = Instant::now();
    loop {
        let patience = (!reader.followers.is_empty()).then(|| LOOK_EVERY.saturating_sub(looked.elapsed()));
        let Some(batch) = queue.take_within(patience) else {
            return;
        };
        let mut look = batch.is_empty() || (patience.is_some() && looked.elapsed() >= LOOK_EVERY);
        let mut look_ups = Vec::new();
        for read in batch {
            match read {
                Read::LookUp(question, reply) => look_ups.push((question, reply)),
                Read::Ask(answer) => reader.on_connection(answer),
                Read::Follow(seq, reply) => {
                    reader.followers.push((seq, reply));
                    look = true;
                }
                Read::Look => look = true,
            }
        }
        if !look_ups.is_empty() {
            reader.look_up(look_ups);
        }
        if look {
            reader.look();
            looked = Instant::now();
        }
    }
}

struct Reader {
    path: PathBuf,
    access: Access,
    /// `None` if it could not be opened.
    connection: Option<Connection>,
    followers: Vec<(u64, Reply<u64>)>,
}

impl Reader {
    fn on_connection<T>(&mut self, read: impl FnOnce(Result<&Connection, &Failure>) -> T) -> T {
        let opened = self
            .connection
            .take()
            .map_or_else(|| file::open(&self.path, self.access), Ok);
        let value = read(opened.as_ref());
        self.connection = opened.ok();
        value
    }

    /// Answers questions that wait, all of one moment.
    fn look_up(&mut self, look_ups: Vec<(LookUp, Reply<Known>)>) {
        self.on_connection(|connection| {
            let moment = connection
                .map_err(Failure::clone)
                .and_then(|connection| Ok(Moment::begin(connection)?));
            let moment = moment.and_then(|moment| Ok((decide::state(&moment)?, moment)));
            for (question, reply) in look_ups {
                let known = match &moment {
                    Ok((state, moment)) => decide::look_up(moment, *state, question),
                    Err(failure) => Err(failure.clone()),
                };
                send(reply, known.map_err(|failure| failure.to_error()));
            }
        });
    }

    /// Answers those for whom the log has grown long enough.
    fn look(&mut self) {
        self.followers.retain(|(_, reply)| !reply.is_canceled());
        if self.followers.is_empty() {
            return;
        }
        match self.on_connection(|connection| connection.map_err(Failure::clone).and_then(decide::size)) {
            Ok(size) => {
                for (_, reply) in self.followers.extract_if(.., |(seq, _)| size > *seq) {
                    send(reply, Ok(size));
                }
            }
            Err(failure) => {
                for (_, reply) in self.followers.drain(..) {
                    send(reply, Err(failure.to_error()));
                }
            }
        }
    }
}
