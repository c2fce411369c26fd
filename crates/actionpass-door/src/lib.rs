//! [`Door`]: what every front door does with a call, whether it stands on a home or asks a service.
//!
//! A front door (the MCP proxy, a hook of a coding agent) reads a call, [asks](Door::ask), and where a pass was given it is the
//! executor: it [consumes](Door::consume) the pass, makes the call with the [payload](Permit::payload) that was permitted, and
//! [reports](Door::report) what came of it. Every error means that the call is not made.
//!
//! ```no_run
//! # async fn example(door: &dyn actionpass_door::Door, arguments: &actionpass_canon::CanonicalBytes) -> Result<(), actionpass_door::DoorError> {
//! use actionpass_door::{Occasion, Outcome, Verdict};
//! use actionpass_gate::ToolCall;
//!
//! let call = ToolCall::new("github", "create_pull_request", arguments);
//! match door.ask(call.into(), &Occasion::default()).await? {
//!     Verdict::Allowed(allowed) => {
//!         let permit = door.consume(allowed).await?;
//!         // Make the call with exactly `permit.payload`, then:
//!         door.report(&permit.ran(), Outcome::executed()).await?;
//!     }
//!     Verdict::Refused(refused) => println!("not made: {:?}", refused.reasons),
//!     // The door only observes: the call is made, whatever was decided.
//!     Verdict::Observed(observed) => door.report(&observed.ran(), Outcome::executed()).await?,
//!     _ => {}
//! }
//! # Ok(())
//! # }
//! ```

mod error;
mod home;
mod lazy;
mod service;
#[cfg(feature = "testing")]
pub mod testing;
pub mod told;
mod verdict;

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use actionpass_canon::CanonicalBytes;
use actionpass_gate::{Call, DeclaredServer, ListedTool, Origin, ToolState};
use actionpass_model::{Reason, Trace};

pub use error::{DoorCode, DoorError};
pub use home::HomeDoor;
pub use lazy::LazyDoor;
pub use service::ServiceDoor;
pub use verdict::{Allowed, Observed, Outcome, Permit, Ran, Refused, Verdict};

/// What a [`Door`] answers, later.
pub type DoorFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, DoorError>> + Send + 'a>>;

/// What a front door asks: a home, or a service.
pub trait Door: Send + Sync + fmt::Debug {
    /// Whether calls are held to what is decided.
    fn mode(&self) -> Mode;

    /// The servers of the catalogue, as far as this door may name them.
    ///
    /// # Errors
    /// [`DoorError`]: what the catalogue is can't be told.
    fn servers(&self) -> DoorFuture<'_, Vec<DeclaredServer>>;

    /// Tells what a server lists now: all of its tools. What is new or differs from what was approved is kept, so that somebody can
    /// look at it and approve. How each tool stands, in the order of the list.
    ///
    /// # Errors
    /// [`DoorError`]: none of them may be shown or called.
    fn listed<'a>(
        &'a self,
        server: &'a str,
        origin: &'a Origin,
        tools: &'a [ListedTool],
    ) -> DoorFuture<'a, Vec<ToolState>>;

    /// Has a call judged and the decision recorded. Where people have to approve it and [`Occasion::wait`] isn't zero, waits that
    /// long for them. A call that no action says is refused too, without a decision.
    ///
    /// A call of a tool comes with its definition if the tool was [listed](Self::listed); whether that is the approved one is
    /// judged here once more.
    ///
    /// # Errors
    /// [`DoorError`]: a part failed, and the call is not made.
    fn ask<'a>(&'a self, call: Call<'a>, occasion: &'a Occasion) -> DoorFuture<'a, Verdict>;

    /// Records that the front door itself refuses a call, for this reason: as a deny, whatever policy says of it. A door at a
    /// service records nothing, since it decides nothing there.
    ///
    /// # Errors
    /// [`DoorError`]: it isn't recorded. The call is refused all the same.
    fn refuse<'a>(&'a self, call: Call<'a>, occasion: &'a Occasion, reason: Reason) -> DoorFuture<'a, ()>;

    /// Verifies the pass for the call and uses it up, which is recorded. Only then may the call be made, once, with
    /// [`Permit::payload`].
    ///
    /// # Errors
    /// [`DoorError`]: the call is not made, and the pass may be used up all the same.
    fn consume(&self, allowed: Allowed) -> DoorFuture<'_, Permit>;

    /// Records what came of a call that was made, or that may have been.
    ///
    /// # Errors
    /// [`DoorError`]: it isn't recorded, as far as is known. The call was made nevertheless.
    fn report<'a>(&'a self, ran: &'a Ran, outcome: Outcome) -> DoorFuture<'a, ()>;
}

/// Whether calls are held to what is decided.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "there is nothing between the two")]
pub enum Mode {
    /// Only what is allowed is made.
    #[default]
    Enforce,
    /// Everything is made; what would have been decided is recorded.
    Observe,
}

/// What goes with a call.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Occasion {
    /// The id of the session as the agent's product states it, at most 128 characters: `context.session`, and the task
    /// `session:ID` where the door has none.
    pub session: Option<String>,
    /// Further members of the context: a JSON object.
    pub context: Option<CanonicalBytes>,
    /// What the agent says it wants; believed for nothing.
    pub summary: Option<String>,
    /// How long to wait for people, on a step_up.
    pub wait: Duration,
    /// What the record can be correlated by.
    pub trace: Option<Trace>,
}

impl Occasion {
    /// A call of this session.
    #[must_use]
    pub fn of_session(session: impl Into<String>) -> Self {
        Self {
            session: Some(session.into()),
            ..Self::default()
        }
    }

    /// Waits that long for people.
    #[must_use]
    pub const fn with_wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// With these members of the context.
    #[must_use]
    pub fn with_context(mut self, context: CanonicalBytes) -> Self {
        self.context = Some(context);
        self
    }

    /// With what the agent says it wants.
    #[must_use]
    pub fn with_summary(mut self, summary: impl Into<String>) -> Self {
        self.summary = Some(summary.into());
        self
    }

    /// With what the record can be correlated by.
    #[must_use]
    pub fn with_trace(mut self, trace: Trace) -> Self {
        self.trace = Some(trace);
        self
    }
}
