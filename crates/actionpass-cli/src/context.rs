//! [`Context`]: what every command gets.

use std::path::PathBuf;

use actionpass_core::Administrator;
use actionpass_home::{Home, HomeError, OpenHome, home};
use actionpass_store::trust_file::TrustSnapshot;
use actionpass_verify::Trust;
use pollster::block_on;

use crate::failure::Outcome;
use crate::input::Bounds;
use crate::shell::quote;

/// What every command gets.
#[derive(Debug)]
pub(crate) struct Context {
    home: Option<PathBuf>,
    /// Whether stdout gets one JSON object.
    pub(crate) is_json: bool,
    /// The whole command line, for its documentation.
    pub(crate) command_line: fn() -> clap::Command,
}

/// A home that is open to be changed.
#[derive(Debug)]
pub(crate) struct Administered {
    pub(crate) opened: OpenHome,
    pub(crate) administrator: Administrator,
    /// The trust store as it was read.
    trust: TrustSnapshot,
}

impl Administered {
    /// A home whose trust store was read and found to be no older than the ledger knows.
    pub(crate) const fn new(opened: OpenHome, administrator: Administrator, trust: TrustSnapshot) -> Self {
        Self {
            opened,
            administrator,
            trust,
        }
    }

    /// The trust store, with its keys checked.
    pub(crate) fn trust(&self) -> Outcome<Trust> {
        Ok(Trust::from_snapshot(&self.trust)?)
    }
}

impl Context {
    /// What the options that every command has say.
    pub(crate) const fn new(home: Option<PathBuf>, is_json: bool, command_line: fn() -> clap::Command) -> Self {
        Self {
            home,
            is_json,
            command_line,
        }
    }

    /// For commands that run others within a home of their own.
    pub(crate) const fn within(&self, home: PathBuf) -> Self {
        Self::new(Some(home), false, self.command_line)
    }

    /// The home that `--home` names; the environment counts for nothing.
    pub(crate) fn named_home(&self) -> Option<&std::path::Path> {
        self.home.as_deref()
    }

    /// Where the home is or would be.
    pub(crate) fn home_place(&self) -> Outcome<PathBuf> {
        Ok(home::place(self.home.as_deref())?)
    }

    /// The home, which has to be there.
    pub(crate) fn home(&self) -> Outcome<Home> {
        Ok(Home::open(&self.home_place()?)?)
    }

    /// The home, if there is one.
    pub(crate) fn home_if_there(&self) -> Outcome<Option<Home>> {
        match self.home_place() {
            Ok(place) => Ok(Home::open_if_there(&place)?),
            Err(_) => Ok(None),
        }
    }

    /// What documents are admitted by: the limits of the home, if there is one.
    pub(crate) fn bounds(&self) -> Outcome<Bounds> {
        let config = self.home_if_there()?.as_ref().map(Home::config).transpose()?;
        Ok(Bounds::of_issuer(config.as_ref()))
    }

    /// The home with its ledger open.
    pub(crate) fn open_home(&self) -> Outcome<OpenHome> {
        Ok(OpenHome::open(self.home()?)?)
    }

    /// The same for a command that reads only, and needs no right to write.
    pub(crate) fn open_home_to_read(&self) -> Outcome<OpenHome> {
        Ok(OpenHome::open_to_read(self.home()?)?)
    }

    /// The home, opened to change what it keeps: a trust store that went back is refused, and revocations that a crash kept
    /// out of the ledger are recorded.
    pub(crate) fn administer(&self) -> Outcome<Administered> {
        let opened = OpenHome::open_to_administer(self.home()?)?;
        let administrator = opened.administrator();
        // By way of the home, whose error says what to do.
        let trust = block_on(administrator.open()).map_err(HomeError::from)?;
        Ok(Administered::new(opened, administrator, trust))
    }

    /// How this program is called in the commands that it tells people to run: with the home, where that was named.
    pub(crate) fn program(&self) -> String {
        match &self.home {
            Some(home) => format!("actionpass --home {}", quote(&home.display().to_string())),
            None => "actionpass".to_owned(),
        }
    }
}
