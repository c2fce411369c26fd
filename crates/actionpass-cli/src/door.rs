//! [`DoorArgs`]: whom a front door asks, and for whom it stands.

use std::sync::Arc;

use actionpass_door::{Door, DoorError, HomeDoor, LazyDoor, Mode, ServiceDoor};
use actionpass_home::{DoorEntry, DoorKind, Home, OpenHome};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use pollster::block_on;

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::gate::GateArgs;
use crate::passphrase::PassphraseArgs;

/// Which front door it is.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct DoorArgs {
    /// The `[[door]]` of config.toml whose calls these are [default: the only one of its kind]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) door: Option<String>,
    /// Hold no call up: all are made, and what would have been decided is recorded
    #[arg(long)]
    pub(crate) observe: bool,
    #[command(flatten)]
    pub(crate) gate: GateArgs,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}

impl DoorArgs {
    /// The door, of a home or at a service. Configuration is read and checked now; ledger and key of a home are opened when
    /// somebody asks first, and a service isn't asked before that either.
    ///
    /// # Errors
    /// What reading the home's configuration says, and that it has no such door; of a service, options that don't go with one.
    pub(crate) fn open(&self, context: &Context, kind: DoorKind) -> Outcome<Arc<dyn Door>> {
        let mode = if self.observe { Mode::Observe } else { Mode::Enforce };
        if self.gate.asks_a_service(context)? {
            if self.door.is_some() {
                let problem = "--door is of a home: at a service the client's entry says who calls";
                return Err(Failure::new(crate::code::CliCode::UsageInvalid, problem));
            }
            return Ok(Arc::new(ServiceDoor::new(self.gate.client(context)?, mode)));
        }
        let home = context.home()?;
        let config = home.config()?;
        let entry = config
            .door(kind, self.door.as_deref())
            .map_err(DoorError::from)?
            .clone();
        let passphrase = self.passphrase.clone();
        Ok(Arc::new(LazyDoor::new(mode, move || {
            opened(&home, &entry, mode, &passphrase).map(|door| Arc::new(door) as _)
        })))
    }
}

fn opened(home: &Home, entry: &DoorEntry, mode: Mode, passphrase: &PassphraseArgs) -> Result<HomeDoor, DoorError> {
    let home = OpenHome::open(home.clone()).map_err(DoorError::below)?;
    let secrets = Arc::new(passphrase.of_old(home.config.signing.passphrase.as_ref()));
    block_on(HomeDoor::open(home, entry.clone(), mode, secrets))
}
