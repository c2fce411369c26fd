//! [`bounded`]: waiting with a bound for libraries that have none.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// Tells work on another thread that nobody waits for it any more.
#[derive(Clone, Debug, Default)]
pub struct Abandoned(Arc<AtomicBool>);

impl Abandoned {
    /// Whether nobody waits any more: then what only the caller would know of is not to be made.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Work on another thread came to no end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unanswered {
    /// It takes longer than it may.
    #[error("it did not answer in time")]
    TimedOut,
    /// It panicked.
    #[error("the thread that called it ended")]
    ThreadEnded,
    /// The operating system starts no thread.
    #[error("no thread could be started")]
    NoThread(#[source] io::Error),
}

/// Does the work on a thread of its own, named after the custodian, and waits for it up to this long. A library that
/// hangs keeps the thread, not the caller.
///
/// # Errors
/// [`Unanswered`]. The work may go on, and what it gives is dropped.
pub fn bounded<T: Send + 'static>(
    custodian: &str,
    limit: Duration,
    work: impl FnOnce(&Abandoned) -> T + Send + 'static,
) -> Result<T, Unanswered> {
    let abandoned = Abandoned::default();
    let seen = abandoned.clone();
    let (answer, waiting) = mpsc::sync_channel(1);
    thread::Builder::new()
        .name(format!("actionpass-{custodian}-open"))
        .spawn(move || {
            // An error here is a caller that gave up meanwhile: what was opened is closed with it.
            let _ = answer.send(work(&seen));
        })
        .map_err(Unanswered::NoThread)?;
    waiting.recv_timeout(limit).map_err(|error| {
        abandoned.0.store(true, Ordering::SeqCst);
        match error {
            RecvTimeoutError::Timeout => Unanswered::TimedOut,
            RecvTimeoutError::Disconnected => Unanswered::ThreadEnded,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn what_is_done_in_time_is_handed_out() {
        assert_eq!(bounded("test", LONG, |_| 7).unwrap(), 7);
    }

    #[test]
    fn work_that_hangs_hears_that_nobody_waits() {
        let (heard, hears) = mpsc::channel();
        let start = Instant::now();
        let outcome = bounded("test", Duration::from_millis(20), move |abandoned| {
            while !abandoned.is_set() && start.elapsed() < LONG {
                thread::sleep(Duration::from_millis(1));
            }
            heard.send(abandoned.is_set()).unwrap();
        });
        assert!(matches!(outcome, Err(Unanswered::TimedOut)), "{outcome:?}");
        assert_eq!(hears.recv_timeout(LONG), Ok(true));
    }

    #[test]
    fn work_that_panics_is_no_answer() {
        let outcome = bounded("test", LONG, |_| -> u8 { panic!("on purpose") });
        assert!(matches!(outcome, Err(Unanswered::ThreadEnded)), "{outcome:?}");
    }
}
