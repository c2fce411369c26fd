//! The two eras of MCP, and the members of `_meta` that matter.

/// The versions whose connections begin with `initialize`.
pub const LEGACY_VERSIONS: &[&str] = &["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05", "2024-10-07"];

/// The versions in which each request says by itself what it needs.
pub const MODERN_VERSIONS: &[&str] = &["2026-07-28"];

/// How a connection speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a third would change every match")]
pub enum Era {
    /// Sessions that begin with `initialize`.
    Legacy,
    /// Requests that describe themselves.
    Modern,
}

impl Era {
    /// The versions of it.
    #[must_use]
    pub const fn versions(self) -> &'static [&'static str] {
        match self {
            Self::Legacy => LEGACY_VERSIONS,
            Self::Modern => MODERN_VERSIONS,
        }
    }
}

pub(crate) const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
pub(crate) const META_CLIENT: &str = "io.modelcontextprotocol/clientInfo";
pub(crate) const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
pub(crate) const META_LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
pub(crate) const META_SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";
pub(crate) const META_PROGRESS: &str = "progressToken";
pub(crate) const META_TRACE: &str = "traceparent";
pub(crate) const META_PASS: &str = "dev.actionpass/pass";
pub(crate) const META_DECISION: &str = "dev.actionpass/decision";

/// The members of `_meta` that go with a call.
pub(crate) const CALL_META: &[&str] = &[
    META_VERSION,
    META_CLIENT,
    META_CAPABILITIES,
    META_LOG_LEVEL,
    META_PROGRESS,
    META_TRACE,
];

/// What a request is answered that is of no version spoken here.
pub(crate) const UNSUPPORTED_VERSION: i32 = -32022;
/// What a request is answered whose headers say something else than its body.
pub(crate) const HEADER_MISMATCH: i32 = -32020;
/// Where the client may do something itself: open an address (legacy).
pub(crate) const URL_ELICITATION_REQUIRED: i32 = -32042;
pub(crate) const INVALID_REQUEST: i32 = -32600;
pub(crate) const METHOD_NOT_FOUND: i32 = -32601;
pub(crate) const INVALID_PARAMS: i32 = -32602;
pub(crate) const INTERNAL: i32 = -32603;
/// A call that is not allowed.
pub(crate) const NOT_ALLOWED: i32 = -32001;
/// The server behind is gone, or says something that can't be passed on.
pub(crate) const SERVER_FAILED: i32 = -32002;
