//! [`Proxy`] and [`Settings`]: what a proxy is told when it starts.

use std::sync::Arc;
use std::time::Duration;

use actionpass_door::{Door, DoorError, Mode};
use actionpass_gate::{DeclaredServer, Origin};
use actionpass_model::{Code, CodedError};

use crate::McpCode;

/// A proxy that has not started yet: what it asks, and what it is told.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "whoever starts one names all of it")]
pub struct Proxy {
    /// Who decides.
    pub door: Arc<dyn Door>,
    /// The name of the server's `[[server]]`.
    pub server: Option<String>,
    /// What starts or reaches the server; `None` for what its entry says.
    pub target: Option<Target>,
    /// How long a call waits for people.
    pub wait: Duration,
    /// How calls of tools are answered that aren't made.
    pub deny_as: DenyAs,
    /// Origins of pages where approvals are given.
    pub gate_origins: Vec<String>,
}

impl Proxy {
    /// What the catalogue says of the server. The door is asked only now.
    pub(crate) async fn settings(&self) -> Result<(Settings, Target), McpError> {
        let (entry, target) = ServerEntry::find(&*self.door, self.server.as_deref(), self.target.clone()).await?;
        if self.door.mode() == Mode::Observe {
            tracing::warn!(server = %entry.name, "the door observes: every call is made, whatever is decided");
        }
        if !entry.is_declared {
            tracing::warn!("the catalogue has no such server: none of its tools may be called");
        }
        let settings = Settings::new(entry, target.origin()?)
            .with_wait(self.wait)
            .with_deny_as(self.deny_as);
        Ok((settings.with_gate_origins(self.gate_origins.clone()), target))
    }
}

/// What a connection is told when it starts.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The server behind.
    pub server: ServerEntry,
    /// Where it comes from: its command, or its URL's origin.
    pub origin: Origin,
    /// How long a call waits for people. Clients give up after 60 s.
    pub wait: Duration,
    /// How calls of tools are answered that aren't made.
    pub deny_as: DenyAs,
    /// Origins of pages where approvals are given, in lower case: no server sends people there.
    pub gate_origins: Vec<String>,
}

impl Settings {
    /// How long a call waits for people unless told otherwise.
    pub const WAIT: Duration = Duration::from_secs(45);

    /// A proxy in front of this server.
    #[must_use]
    pub const fn new(server: ServerEntry, origin: Origin) -> Self {
        Self {
            server,
            origin,
            wait: Self::WAIT,
            deny_as: DenyAs::Result,
            gate_origins: Vec::new(),
        }
    }

    /// Waits that long for people.
    #[must_use]
    pub const fn with_wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Answers so.
    #[must_use]
    pub const fn with_deny_as(mut self, deny_as: DenyAs) -> Self {
        self.deny_as = deny_as;
        self
    }

    /// Keeps servers from sending people to these origins.
    #[must_use]
    pub fn with_gate_origins(mut self, origins: impl IntoIterator<Item = String>) -> Self {
        self.gate_origins = origins.into_iter().map(|origin| origin.to_ascii_lowercase()).collect();
        self
    }
}

/// How calls of tools are answered that aren't made.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the protocol has these two")]
pub enum DenyAs {
    /// As a result of the tool that is an error: models see it.
    #[default]
    Result,
    /// As an error of JSON-RPC.
    Error,
}

/// The `[[server]]` that a proxy stands in front of.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ServerEntry {
    /// Its name in the catalogue.
    pub name: Box<str>,
    /// The variables of the environment that it gets beside `PATH`, `HOME` and `LANG`.
    pub env: Vec<String>,
    /// Methods that reach it as calls, beside those that reach every server.
    pub methods: Vec<String>,
    /// The members of `_meta` of its tools that stay.
    pub meta: Vec<Box<str>>,
    /// Whether the catalogue has it. The tools of one that it hasn't are quarantined.
    pub is_declared: bool,
}

impl ServerEntry {
    /// What a server is called that the catalogue hasn't.
    pub const UNDECLARED: &'static str = "undeclared";

    /// A server that the catalogue hasn't: nothing of it may be called.
    #[must_use]
    pub fn undeclared() -> Self {
        Self {
            name: Self::UNDECLARED.into(),
            env: Vec::new(),
            methods: Vec::new(),
            meta: Vec::new(),
            is_declared: false,
        }
    }

    /// The entry of this name, or without one the entry with this origin, and what it is started by or reached at.
    ///
    /// # Errors
    /// [`McpCode::ServerUnknown`]: there is no such entry, it has another command or URL, or neither it nor the caller has one.
    pub async fn find(door: &dyn Door, name: Option<&str>, target: Option<Target>) -> Result<(Self, Target), McpError> {
        let servers = door.servers().await.map_err(McpError::Door)?;
        let Some(name) = name else {
            let target =
                target.ok_or_else(|| McpError::server("neither a server nor a command or URL is named".to_owned()))?;
            let found = servers.iter().find(|server| target.is_of(server));
            return Ok((found.map_or_else(Self::undeclared, Self::of), target));
        };
        let found = servers.iter().find(|server| &*server.name == name);
        let found =
            found.ok_or_else(|| McpError::server(format!("the catalogue has no server `{}`", name.escape_debug())))?;
        let declared = match (&found.command, &found.url) {
            (Some(command), _) => Some(Target::Command(command.clone())),
            (None, Some(url)) => Some(Target::Url(url.clone())),
            (None, None) => None,
        };
        match (target, declared) {
            (Some(target), Some(_)) if !target.is_of(found) => Err(McpError::server(format!(
                "the catalogue starts or reaches the server `{name}` otherwise"
            ))),
            (Some(target), _) | (None, Some(target)) => Ok((Self::of(found), target)),
            (None, None) => Err(McpError::server(format!(
                "the server `{name}` has neither a command nor a URL"
            ))),
        }
    }

    /// The entry of a declared server.
    #[must_use]
    pub fn of(server: &DeclaredServer) -> Self {
        Self {
            name: server.name.clone(),
            env: server.env.clone(),
            methods: server.methods.clone(),
            meta: server.meta.clone(),
            is_declared: true,
        }
    }
}

/// How a server is started or reached.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the protocol has these two transports")]
pub enum Target {
    /// A command with its arguments.
    Command(Vec<String>),
    /// A URL.
    Url(String),
}

impl Target {
    /// What pins belong to.
    ///
    /// # Errors
    /// [`McpCode::ServerUnknown`]: it is no URL of a server.
    pub fn origin(&self) -> Result<Origin, McpError> {
        match self {
            Self::Command(command) => Ok(Origin::Command(command.clone())),
            Self::Url(url) => Origin::of_url(url)
                .ok_or_else(|| McpError::server(format!("`{}` is no URL of a server", url.escape_debug()))),
        }
    }

    fn is_of(&self, server: &DeclaredServer) -> bool {
        match self {
            Self::Command(command) => server.command.as_ref() == Some(command),
            Self::Url(url) => server.url.as_ref() == Some(url),
        }
    }
}

/// Why a proxy doesn't start, or stops.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum McpError {
    /// The door doesn't say what servers there are.
    #[error("{0}")]
    Door(DoorError),
    /// The server isn't the one that is declared, or isn't there.
    #[error("{problem}")]
    Server {
        /// Which.
        code: McpCode,
        /// What is wrong.
        problem: String,
    },
    /// Reading or writing failed.
    #[error("the connection to the client failed")]
    Io(#[from] std::io::Error),
}

impl McpError {
    pub(crate) const fn server(problem: String) -> Self {
        Self::Server {
            code: McpCode::ServerUnknown,
            problem,
        }
    }

    pub(crate) fn gone() -> Self {
        Self::Server {
            code: McpCode::ServerGone,
            problem: "the server has ended".to_owned(),
        }
    }

    pub(crate) fn list(problem: &str) -> Self {
        Self::Server {
            code: McpCode::ListRefused,
            problem: format!("the server {problem}"),
        }
    }

    pub(crate) const fn unavailable(problem: String) -> Self {
        Self::Server {
            code: McpCode::ServerUnavailable,
            problem,
        }
    }
}

impl CodedError for McpError {
    fn code(&self) -> Code {
        match self {
            Self::Door(error) => error.code(),
            Self::Server { code, .. } => (*code).into(),
            Self::Io(_) => McpCode::ServerUnavailable.into(),
        }
    }
}
