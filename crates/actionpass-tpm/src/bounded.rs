//! Waiting with a bound for libraries that have none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use actionpass_custody::CustodianError;

use crate::uri::TPM;

/// Tells work on another thread that nobody waits for it any more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Abandoned(Arc<AtomicBool>);

impl Abandoned {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Does the work on a thread of its own and waits for it that long. A TPM that hangs keeps the thread, not the caller.
pub(crate) fn bounded<T, E>(
    time: Duration,
    work: impl FnOnce(&Abandoned) -> Result<T, E> + Send + 'static,
) -> Result<T, CustodianError>
where
    T: Send + 'static,
    E: Into<CustodianError> + Send + 'static,
{
    let abandoned = Abandoned::default();
    let seen = abandoned.clone();
    let (answer, waiting) = mpsc::sync_channel(1);
    thread::Builder::new()
        .name("actionpass-tpm-open".to_owned())
        .spawn(move || {
            // An error here is a caller that gave up meanwhile.
            let _ = answer.send(work(&seen));
        })
        .map_err(|error| CustodianError::unavailable(TPM, error))?;
    match waiting.recv_timeout(time) {
        Ok(result) => result.map_err(Into::into),
        Err(error) => {
            abandoned.0.store(true, Ordering::SeqCst);
            let problem = match error {
                mpsc::RecvTimeoutError::Timeout => "it did not answer in time",
                mpsc::RecvTimeoutError::Disconnected => "its thread ended",
            };
            Err(CustodianError::unavailable(TPM, problem))
        }
    }
}
