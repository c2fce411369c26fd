//! [`Client`]: who may ask the service of a home, for whom, and what.

/// Something that a client may do.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Right {
    /// Ask for decisions.
    Authorize,
    /// Have passes verified.
    Verify,
    /// Have passes consumed.
    Consume,
    /// Report what came of calls.
    Outcome,
    /// See approval requests, and cast votes that people signed.
    Requests,
    /// Read the ledger.
    Ledger,
    /// Revoke passes.
    Revoke,
    /// Revoke principals and keys, cancel any request, lift holds, confirm passkeys.
    Admin,
}

impl Right {
    /// Every right.
    pub const ALL: &[Self] = &[
        Self::Authorize,
        Self::Verify,
        Self::Consume,
        Self::Outcome,
        Self::Requests,
        Self::Ledger,
        Self::Revoke,
        Self::Admin,
    ];

    /// The right as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Verify => "verify",
            Self::Consume => "consume",
            Self::Outcome => "outcome",
            Self::Requests => "requests",
            Self::Ledger => "ledger",
            Self::Revoke => "revoke",
            Self::Admin => "admin",
        }
    }
}

/// What a client may state or touch of one kind: `*` stands for any text. None if there is none.
#[derive(Clone, Debug, Default, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(transparent)]
pub struct Patterns(Vec<String>);

impl Patterns {
    /// These.
    #[must_use]
    pub fn of<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Self {
        Self(patterns.into_iter().map(ToOwned::to_owned).collect())
    }

    /// The only value that they admit, where there is but one.
    #[must_use]
    pub fn only(&self) -> Option<&str> {
        match self.0.as_slice() {
            [only] if !only.contains('*') => Some(only),
            _ => None,
        }
    }

    /// Whether one of them is this, or stands for it.
    #[must_use]
    pub fn admit(&self, value: &str) -> bool {
        self.0.iter().any(|pattern| pattern == "*" || pattern == value)
    }
}

/// An entry of `clients.toml`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Client {
    /// Its name, which records and logs say.
    pub name: String,
    /// What it may do.
    pub may: Vec<Right>,
    /// For which tenants.
    pub tenants: Patterns,
    /// For which agents.
    pub agents: Patterns,
    /// For agents of which owners.
    pub owners: Patterns,
    /// On which runtimes.
    pub runtimes: Patterns,
    /// With tools of which servers.
    pub servers: Patterns,
    /// For which audiences.
    pub audiences: Patterns,
    /// Whether the facts that it states count.
    pub attests: bool,
    /// Whether it consumes passes in the call that it asks in.
    pub consumes: bool,
}

impl Client {
    /// An entry of this name, which permits nothing yet.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            may: Vec::new(),
            tenants: Patterns::default(),
            agents: Patterns::default(),
            owners: Patterns::default(),
            runtimes: Patterns::default(),
            servers: Patterns::default(),
            audiences: Patterns::default(),
            attests: false,
            consumes: false,
        }
    }
}
