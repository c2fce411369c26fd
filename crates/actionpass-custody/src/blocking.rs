//! [`BlockingSigner`]: custodians whose calls block, behind threads of their own.

mod queue;

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use actionpass_crypto::{PublicKey, Residence, SignError, SignFuture, Signature, Signer, SigningInput};
use actionpass_timer::within;
use futures_channel::oneshot;

use self::queue::Queue;

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
pub struct BlockingSigner {
    public: PublicKey,
    custodian: &'static str,
    timeout: Duration,
    queue: Arc<Queue<Job>>,
}

/// A call, for the thread that makes it.
struct Job {
    input: SigningInput,
    answer: oneshot::Sender<Result<Signature, SignError>>,
}

/// How many calls may wait for each thread: more would only time out there.
const WAITING_FOR_EACH: usize = 256;

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
        let room = connections.len().saturating_mul(WAITING_FOR_EACH);
        // Made before the threads: should one of them not start, dropping it ends the others.
        let signer = Self {
            public,
            custodian,
            timeout,
            queue: Arc::new(Queue::new(room, connections.len())),
        };
        for mut connection in connections {
            let queue = Arc::clone(&signer.queue);
            thread::Builder::new()
                .name(format!("actionpass-{custodian}"))
                .spawn(move || work(&queue, &mut connection))?;
        }
        Ok(signer)
    }

    async fn ask(&self, input: &SigningInput) -> Result<Signature, SignError> {
        if input.kid() != self.public.kid() {
            return Err(SignError::WrongKey);
        }
        let (answer, waiting) = oneshot::channel();
        let job = Job {
            input: input.clone(),
            answer,
        };
        self.queue
            .push(job)
            .map_err(|error| SignError::unavailable(self.custodian, error))?;
        match within(self.timeout, waiting).await {
            Some(Ok(answer)) => answer,
            Some(Err(oneshot::Canceled)) => Err(SignError::unavailable(self.custodian, "its thread ended")),
            None => Err(SignError::TimedOut {
                custodian: self.custodian.into(),
            }),
        }
    }
}

impl Drop for BlockingSigner {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Serves the queue until the signer is dropped.
fn work(queue: &Queue<Job>, connection: &mut dyn BlockingKey) {
    let worker = queue.worker();
    while let Some(job) = worker.next() {
        // Nobody waits any more: the caller gave up or was dropped.
        if job.answer.is_canceled() {
            continue;
        }
        // An error here is a caller that gave up meanwhile.
        let _ = job.answer.send(connection.sign(&job.input));
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
        Box::pin(async move {
            self.ask(input).await.inspect_err(|error| {
                tracing::warn!(
                    custodian = self.custodian,
                    code = %error.code(),
                    error = error as &dyn Error,
                    "not signed"
                );
            })
        })
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
        let (mut signer, _) = signer(1, 150, 30);
        let input = SigningInput::probe(&[1; 32], signer.public_key());
        let error = block_on(signer.sign(&input)).unwrap_err();
        assert!(matches!(error, SignError::TimedOut { .. }), "{error}");
        assert_eq!(error.code(), SignCode::Unavailable);
        thread::sleep(Duration::from_millis(200));
        signer.timeout = Duration::from_secs(10);
        block_on(signer.sign(&input)).unwrap();
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
