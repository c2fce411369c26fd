//! [`ManualTrust`]: trust that a test changes.

use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actionpass_model::{DocumentCode, DocumentError, TrustStore};
use actionpass_verify::{Trust, TrustError, TrustSource, TrustSourceFuture};

/// A trust store in memory that a test changes, also while something is judged by it, or takes away.
#[derive(Debug)]
pub struct ManualTrust(Mutex<State>);

#[derive(Debug)]
struct State {
    document: TrustStore,
    trust: Option<Arc<Trust>>,
    /// Changes that wait for the next look.
    at_next_look: Vec<TrustStore>,
}

impl ManualTrust {
    /// Trust by this document.
    ///
    /// # Panics
    /// If a reader would refuse it.
    #[must_use]
    pub fn new(document: TrustStore) -> Self {
        let trust = Some(parse(&document));
        Self(Mutex::new(State {
            document,
            trust,
            at_next_look: Vec::new(),
        }))
    }

    /// Changes the trust store and raises its version, as a write to the file would.
    ///
    /// # Panics
    /// If a reader would refuse the result.
    pub fn update(&self, change: impl FnOnce(&mut TrustStore)) {
        let mut state = self.lock();
        change(&mut state.document);
        state.document.version = state.document.version.saturating_add(1);
        state.trust = Some(parse(&state.document));
    }

    /// Raises the version right after each of the next looks: trust that changes while somebody judges by it.
    pub fn change_after_looks(&self, looks: u64) {
        let mut state = self.lock();
        let mut next = state.document.clone();
        state.at_next_look = (0..looks)
            .map(|_| {
                next.version = next.version.saturating_add(1);
                next.clone()
            })
            .rev()
            .collect();
    }

    /// Takes the trust away: whoever asks gets an error.
    pub fn lose(&self) {
        self.lock().trust = None;
    }

    /// The document in force.
    #[must_use]
    pub fn document(&self) -> TrustStore {
        self.lock().document.clone()
    }

    /// The trust in force.
    ///
    /// # Panics
    /// If it was taken away.
    #[must_use]
    pub fn trust(&self) -> Arc<Trust> {
        Arc::clone(self.lock().trust.as_ref().expect("the trust was taken away"))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ManualTrust {
    fn look(&self) -> Result<Arc<Trust>, TrustError> {
        let mut state = self.lock();
        let gone = || DocumentError::new(DocumentCode::JsonMalformed, "", "the test took the trust away");
        let trust = state.trust.clone().ok_or_else(gone)?;
        if let Some(next) = state.at_next_look.pop() {
            state.trust = Some(parse(&next));
            state.document = next;
        }
        Ok(trust)
    }
}

impl TrustSource for ManualTrust {
    fn current(&self) -> TrustSourceFuture<'_> {
        Box::pin(ready(self.look()))
    }

    fn refresh(&self) -> TrustSourceFuture<'_> {
        self.current()
    }
}

fn parse(document: &TrustStore) -> Arc<Trust> {
    let bytes = serde_json::to_vec(document).expect("a trust store can be written");
    Arc::new(Trust::parse(&bytes).expect("the trust store of the test is one"))
}
