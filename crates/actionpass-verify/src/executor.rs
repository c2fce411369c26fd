//! [`Executor`]: a verifier with everything that it needs to use passes up.

use std::sync::Arc;

use actionpass_model::UnixSeconds;
use actionpass_store::ReplayStore;

use crate::{
    Call, Clock, ConsumedPass, FixedTrust, Refusal, SystemClock, Trust, TrustSource, VerifiedPass, Verifier,
    VerifyCode, log,
};

/// An executor that lives: what it accepts, whom it trusts, which passes were used, and the time.
///
/// Cheap to clone; clones share trust and replay store.
///
/// ```no_run
/// # async fn example(token: &str, action: &actionpass_canon::BoundAction) -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
///
/// use actionpass_model::{Audience, Issuer, Tenant};
/// use actionpass_store::{MemoryReplayStore, ReplayStart};
/// use actionpass_verify::{Call, Clock, Executor, LiveTrust, SystemClock, Verifier};
///
/// let verifier = Verifier::new(
///     Issuer::parse("https://issuer.example")?,
///     Audience::parse("github-executor")?,
///     Tenant::parse("org:example")?,
/// );
/// let trust = LiveTrust::open("trust.json".as_ref())?;
/// // One that outlives the process is `SqliteStore` of `actionpass-store-sqlite`.
/// let now = SystemClock.now().ok_or("no time")?;
/// let used = MemoryReplayStore::new(ReplayStart::restored(now.to_unix_seconds()));
/// let executor = Executor::new(verifier, Arc::new(trust), Arc::new(used));
///
/// let consumed = executor.consume(token, &Call::action(action)).await?;
/// // Execute exactly these bytes and nothing else:
/// let payload = consumed.payload();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Executor {
    verifier: Verifier,
    trust: Arc<dyn TrustSource>,
    replay: Arc<dyn ReplayStore>,
    clock: Arc<dyn Clock>,
}

impl Executor {
    /// An executor that goes by the clock of the operating system.
    #[must_use]
    pub fn new(verifier: Verifier, trust: Arc<dyn TrustSource>, replay: Arc<dyn ReplayStore>) -> Self {
        Self {
            verifier,
            trust,
            replay,
            clock: Arc::new(SystemClock),
        }
    }

    /// The same with trust that never changes.
    #[must_use]
    pub fn with_fixed_trust(verifier: Verifier, trust: Arc<Trust>, replay: Arc<dyn ReplayStore>) -> Self {
        Self::new(verifier, Arc::new(FixedTrust::new(trust)), replay)
    }

    /// Goes by another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// What it accepts.
    #[must_use]
    pub const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Checks a pass for the call that is about to be made, without using it up.
    ///
    /// # Errors
    /// [`Refusal`] with the codes: those of [`Verifier::verify`], [`VerifyCode::ClockUnknown`], and those of trust that
    /// can't be believed.
    pub async fn verify(&self, token: &str, call: &Call<'_>) -> Result<VerifiedPass, Refusal> {
        let (trust, now) = self.surroundings().await?;
        self.verifier.verify(token, call, &trust, now)
    }

    /// Checks a pass and marks it used: of any number of executors with one replay store, exactly one succeeds. Only then
    /// may the call be made, with [`ConsumedPass::payload`].
    ///
    /// # Errors
    /// [`Refusal`] with the codes: beside those of [`verify`](Self::verify) those of the replay store. The pass may be used
    /// up all the same, so a refused call must not be made.
    pub async fn consume(&self, token: &str, call: &Call<'_>) -> Result<ConsumedPass, Refusal> {
        let (trust, now) = self.surroundings().await?;
        self.verifier.consume(token, call, &trust, now, &*self.replay).await
    }

    async fn surroundings(&self) -> Result<(Arc<Trust>, UnixSeconds), Refusal> {
        let refusal = match (self.trust.current().await, self.clock.now()) {
            (Ok(trust), Some(now)) => return Ok((trust, now.to_unix_seconds())),
            (Err(error), _) => Refusal::failed(error),
            (Ok(_), None) => Refusal::because(VerifyCode::ClockUnknown),
        };
        log::refused(self.verifier.audience(), &refusal);
        Err(refusal)
    }
}
