//! [`BlockingSigner`]: custodians whose calls block, behind threads of their own.

mod queue;

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use actionpass_crypto::{PublicKey, Residence, SignError, SignFuture, Signature, Signer, SigningInput};
use futures_channel::oneshot;

use self::queue::{NotTaken, Queue};
use crate::deadline::within;

/// A connection to a custodian, owned by one thread: a session, a socket, an HTTP agent.
///
/// It reconnects by itself, once for a call, when it finds its session lost.
pub trait BlockingKey: Send {
    /// Signs the input, however long that takes. The input is for this key: that was checked before.
    ///
    /// # Errors
    /// [`SignError`]: there is no signature.
    fn sign(&mut self, input: &SigningInput) -> Result<Signature, SignError>;
}

/// A [`Signer`] of connections that block: each has a thread, calls wait in a queue for a thread that is free, and a
/// call that takes longer than the time-out fails, whatever the custodian does.
///
/// Signatures are made outside of this process, so they are verified before they are used.
///
/// Putting threads to sleep and waking them takes as long as a fast device takes to sign. So where signatures are quick,
/// a thread that has made one looks out for the next call for a moment before it sleeps, and a call that is alone has
/// itself polled again and again for a moment, before its time-out is set and its executor may sleep. No poll ever waits.
pub struct BlockingSigner {
    public: PublicKey,
    custodian: &'static str,
    timeout: Duration,
    desk: Desk,
}

/// What calls and threads share, and what sends the threads home when it is dropped.
struct Desk(Arc<Shared>);

struct Shared {
    queue: Queue<Job>,
    /// How many calls are under way.
    calls: AtomicUsize,
    /// How long the last call that was alone took, as its caller saw it, in microseconds.
    pace: AtomicU32,
    has_cores: bool,
}

struct Job {
    input: SigningInput,
    answer: oneshot::Sender<Result<Signature, SignError>>,
}

/// How many calls may wait for each thread: more would only time out there.
const WAITING_FOR_EACH: usize = 256;

/// Up to here a call is quick: this much time of a core is worth less than waking a thread. On a machine that is short of
/// cores, calls take longer than that, and nobody looks out.
const QUICK: Duration = Duration::from_micros(250);

/// How long a thread looks out for the next call after a quick signature.
const LOOKOUT: Duration = Duration::from_micros(100);

impl BlockingSigner {
    /// A signer of these connections to one key.
    ///
    /// # Errors
    /// If there is no connection, or the operating system starts no thread.
    pub fn new<K: BlockingKey + 'static>(
        public: PublicKey,
        custodian: &'static str,
        timeout: Duration,
        connections: Vec<K>,
    ) -> io::Result<Self> {
        if connections.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is no connection"));
        }
        let desk = Desk(Arc::new(Shared {
            queue: Queue::new(connections.len().saturating_mul(WAITING_FOR_EACH), connections.len()),
            calls: AtomicUsize::new(0),
            pace: AtomicU32::new(u32::MAX),
            has_cores: thread::available_parallelism().is_ok_and(|cores| cores.get() > 1),
        }));
        for mut connection in connections {
            let shared = Arc::clone(&desk.0);
            thread::Builder::new()
                .name(format!("actionpass-{custodian}"))
                .spawn(move || work(&shared, &mut connection))?;
        }
        Ok(Self {
            public,
            custodian,
            timeout,
            desk,
        })
    }

    async fn ask(&self, input: &SigningInput) -> Result<Signature, SignError> {
        if input.kid() != self.public.kid() {
            return Err(SignError::WrongKey);
        }
        let call = Call::begin(&self.desk.0);
        let (answer, mut waiting) = oneshot::channel();
        let job = Job {
            input: input.clone(),
            answer,
        };
        self.desk.0.queue.push(job).map_err(|error| {
            let problem = match error {
                NotTaken::Full => "too many calls are waiting for it",
                NotTaken::NoWorkers => "its threads have ended",
            };
            SignError::unavailable(self.custodian, problem)
        })?;
        let answered = match eagerly(call.patience().min(self.timeout), &mut waiting).await {
            Some(answered) => Some(answered),
            None => {
                // Whoever looked out for this call may have lost its core meanwhile.
                self.desk.0.queue.nudge();
                within(self.timeout, waiting).await
            }
        };
        call.took_until_now();
        match answered {
            Some(Ok(answer)) => answer,
            Some(Err(oneshot::Canceled)) => Err(SignError::unavailable(self.custodian, "its thread ended")),
            None => Err(SignError::TimedOut {
                custodian: self.custodian.into(),
            }),
        }
    }
}

impl Shared {
    /// With one core, whoever looks out keeps the others from what it looks out for.
    fn is_quick(&self) -> bool {
        self.has_cores && Duration::from_micros(self.pace.load(Ordering::Relaxed).into()) < QUICK
    }
}

/// A call under way.
struct Call<'a> {
    shared: &'a Shared,
    is_alone: bool,
    start: Instant,
}

impl<'a> Call<'a> {
    fn begin(shared: &'a Shared) -> Self {
        Self {
            is_alone: shared.calls.fetch_add(1, Ordering::Relaxed) == 0,
            shared,
            start: Instant::now(),
        }
    }

    /// How long it is worth asking again and again. Where calls wait for each other, for a slow custodian or for a core,
    /// the core is of more use elsewhere.
    fn patience(&self) -> Duration {
        if self.is_alone && self.shared.is_quick() {
            QUICK
        } else {
            Duration::ZERO
        }
    }

    fn took_until_now(&self) {
        if self.is_alone {
            let micros = u32::try_from(self.start.elapsed().as_micros()).unwrap_or(u32::MAX);
            self.shared.pace.store(micros, Ordering::Relaxed);
        }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.shared.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.0.queue.close();
    }
}

/// What the future gives within this time, polled as often as the executor likes; it has other turns in between.
async fn eagerly<F: Future + Unpin>(time: Duration, future: &mut F) -> Option<F::Output> {
    let start = Instant::now();
    poll_fn(|context| match Pin::new(&mut *future).poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if start.elapsed() < time => {
            context.waker().wake_by_ref();
            Poll::Pending
        }
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Serves the queue until the signer is dropped.
fn work(shared: &Shared, connection: &mut dyn BlockingKey) {
    let worker = shared.queue.attend();
    let mut lookout = Duration::ZERO;
    while let Some(job) = worker.next(lookout) {
        // Nobody waits any more: the caller gave up or was dropped.
        if job.answer.is_canceled() {
            continue;
        }
        // An error here is a caller that gave up meanwhile.
        let _ = job.answer.send(connection.sign(&job.input));
        lookout = if shared.is_quick() { LOOKOUT } else { Duration::ZERO };
    }
}

impl fmt::Debug for BlockingSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingSigner")
            .field("public", &self.public)
            .field("custodian", &self.custodian)
            .finish_non_exhaustive()
    }
}

impl Signer for BlockingSigner {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn custodian(&self) -> &str {
        self.custodian
    }

    fn residence(&self) -> Residence {
        Residence::Outside
    }

    fn sign<'a>(&'a self, input: &'a SigningInput) -> SignFuture<'a> {
        Box::pin(self.ask(input))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Instant;

    use actionpass_crypto::conformance::block_on;
    use actionpass_crypto::{SignCode, SoftwareKey, signer_conformance};

    use super::*;

    /// Signs, after a while.
    struct Slow {
        key: Arc<SoftwareKey>,
        takes: Duration,
        calls: Arc<AtomicUsize>,
    }

    impl BlockingKey for Slow {
        fn sign(&mut self, input: &SigningInput) -> Result<Signature, SignError> {
            self.calls.fetch_add(1, Ordering::SeqCst);
            thread::sleep(self.takes);
            self.key.sign_now(input)
        }
    }

    fn signer(connections: usize, takes: u64, timeout: u64) -> (BlockingSigner, Arc<AtomicUsize>) {
        let key = Arc::new(SoftwareKey::generate().unwrap());
        let calls = Arc::new(AtomicUsize::new(0));
        let connections = (0..connections)
            .map(|_| Slow {
                key: Arc::clone(&key),
                takes: Duration::from_millis(takes),
                calls: Arc::clone(&calls),
            })
            .collect();
        let timeout = Duration::from_millis(timeout);
        let signer = BlockingSigner::new(key.public_key().clone(), "slow", timeout, connections).unwrap();
        (signer, calls)
    }

    signer_conformance!(blocking, || signer(3, 0, 10_000).0);

    #[test]
    fn a_call_that_takes_too_long_fails_and_the_next_one_works() {
        let (signer, _) = signer(1, 150, 30);
        let input = SigningInput::probe(&[1; 32], signer.public_key());
        let error = block_on(signer.sign(&input)).unwrap_err();
        assert!(matches!(error, SignError::TimedOut { .. }), "{error}");
        assert_eq!(error.code(), SignCode::Unavailable);
        thread::sleep(Duration::from_millis(200));
        let patient = BlockingSigner {
            timeout: Duration::from_secs(10),
            ..signer
        };
        block_on(patient.sign(&input)).unwrap();
    }

    #[test]
    fn what_nobody_waits_for_is_not_signed() {
        let (signer, calls) = signer(1, 100, 10_000);
        let input = SigningInput::probe(&[1; 32], signer.public_key());
        thread::scope(|scope| {
            scope.spawn(|| block_on(signer.sign(&input)).unwrap());
            thread::sleep(Duration::from_millis(20));
            // Queued behind the first, and dropped there.
            let mut dropped = signer.sign(&input);
            let _ = dropped
                .as_mut()
                .poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
            drop(dropped);
        });
        block_on(signer.sign(&input)).unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn connections_work_side_by_side() {
        let (signer, _) = signer(8, 100, 10_000);
        let input = SigningInput::probe(&[1; 32], signer.public_key());
        let start = Instant::now();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| block_on(signer.sign(&input)).unwrap());
            }
        });
        assert!(start.elapsed() < Duration::from_millis(700), "{:?}", start.elapsed());
    }

    /// After quick calls, callers and threads look out for each other; nothing may hang on that.
    #[test]
    fn calls_may_be_quick_and_slow_by_turns() {
        struct Moody(Arc<SoftwareKey>, u8);
        impl BlockingKey for Moody {
            fn sign(&mut self, input: &SigningInput) -> Result<Signature, SignError> {
                self.1 = self.1.wrapping_add(1);
                if self.1.is_multiple_of(8) {
                    thread::sleep(Duration::from_millis(3));
                }
                self.0.sign_now(input)
            }
        }
        let key = Arc::new(SoftwareKey::generate().unwrap());
        let connections = [0, 3].map(|number| Moody(Arc::clone(&key), number)).into();
        let public = key.public_key().clone();
        let signer = BlockingSigner::new(public, "moody", Duration::from_secs(10), connections).unwrap();
        for number in 0..200 {
            let input = SigningInput::probe(&[number; 32], signer.public_key());
            let signature = block_on(signer.sign(&input)).unwrap();
            signer.public_key().verify(&input, &signature).unwrap();
            if number % 16 == 0 {
                thread::sleep(Duration::from_micros(300));
            }
        }
    }

    #[test]
    fn without_connections_there_is_no_signer() {
        let public = SoftwareKey::generate().unwrap().public_key().clone();
        assert!(BlockingSigner::new(public, "none", Duration::from_secs(1), Vec::<Slow>::new()).is_err());
    }

    #[test]
    fn a_connection_that_panics_is_unavailable() {
        struct Panics;
        impl BlockingKey for Panics {
            fn sign(&mut self, _: &SigningInput) -> Result<Signature, SignError> {
                panic!("on purpose")
            }
        }
        let public = SoftwareKey::generate().unwrap().public_key().clone();
        let signer = BlockingSigner::new(public, "panics", Duration::from_secs(10), vec![Panics]).unwrap();
        let input = SigningInput::probe(&[1; 32], signer.public_key());
        for _ in 0..2 {
            assert_eq!(block_on(signer.sign(&input)).unwrap_err().code(), SignCode::Unavailable);
        }
    }
}
