//! [`LazyDoor`]: a door that is opened when it is first asked.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use actionpass_gate::{Call, DeclaredServer, ListedTool, Origin, ToolState};
use actionpass_model::Reason;
use actionpass_store::offload::{Shared, offload};

use crate::{Allowed, Door, DoorError, DoorFuture, Mode, Occasion, Outcome, Permit, Ran, Verdict};

type Opened = Result<Arc<dyn Door>, DoorError>;

/// A door that nothing is opened for until it is asked: some clients of MCP start a server only to see what it speaks, and end it
/// again. One that can't be opened is tried again whenever it is asked, and everything is refused until it can.
pub struct LazyDoor {
    mode: Mode,
    open: Arc<dyn Fn() -> Opened + Send + Sync>,
    opened: Mutex<Option<Shared<Opened>>>,
}

impl fmt::Debug for LazyDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazyDoor")
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl LazyDoor {
    /// A door of this mode that this opens; it may block.
    #[must_use]
    pub fn new(mode: Mode, open: impl Fn() -> Opened + Send + Sync + 'static) -> Self {
        Self {
            mode,
            open: Arc::new(open),
            opened: Mutex::default(),
        }
    }

    async fn door(&self) -> Opened {
        let opening = {
            let mut held = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
            held.get_or_insert_with(|| {
                let open = Arc::clone(&self.open);
                offload(move || open()).shared()
            })
            .clone()
        };
        let opened = opening.await.map_err(DoorError::unfinished).and_then(|opened| opened);
        if opened.is_err() {
            *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        opened
    }
}

impl Door for LazyDoor {
    fn mode(&self) -> Mode {
        self.mode
    }

    fn servers(&self) -> DoorFuture<'_, Vec<DeclaredServer>> {
        Box::pin(async move { self.door().await?.servers().await })
    }

    fn listed<'a>(
        &'a self,
        server: &'a str,
        origin: &'a Origin,
        tools: &'a [ListedTool],
    ) -> DoorFuture<'a, Vec<ToolState>> {
        Box::pin(async move { self.door().await?.listed(server, origin, tools).await })
    }

    fn ask<'a>(&'a self, call: Call<'a>, occasion: &'a Occasion) -> DoorFuture<'a, Verdict> {
        Box::pin(async move { self.door().await?.ask(call, occasion).await })
    }

    fn refuse<'a>(&'a self, call: Call<'a>, occasion: &'a Occasion, reason: Reason) -> DoorFuture<'a, ()> {
        Box::pin(async move { self.door().await?.refuse(call, occasion, reason).await })
    }

    fn consume(&self, allowed: Allowed) -> DoorFuture<'_, Permit> {
        Box::pin(async move { self.door().await?.consume(allowed).await })
    }

    fn report<'a>(&'a self, ran: &'a Ran, outcome: Outcome) -> DoorFuture<'a, ()> {
        Box::pin(async move { self.door().await?.report(ran, outcome).await })
    }
}
