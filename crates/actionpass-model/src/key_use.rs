//! What a key may sign, and where it is in its life.

use serde::{Deserialize, Serialize};

/// What a key may sign. One key has one use.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", remote = "Self")]
pub enum KeyUse {
    /// Passes of one issuer.
    Pass,
    /// Revocation lists of one issuer.
    Revocation,
    /// Approvals of one principal.
    Approval,
    /// Checkpoints of one ledger.
    Ledger,
    /// Trust stores.
    Root,
}

impl KeyUse {
    /// `pass`, `revocation`, `approval`, `ledger` or `root`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Revocation => "revocation",
            Self::Approval => "approval",
            Self::Ledger => "ledger",
            Self::Root => "root",
        }
    }
}

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", remote = "Self")]
pub enum KeyStatus {
    /// It signs.
    Active,
    /// It signs nothing any more; what it signed before holds until it expires.
    Retired,
    /// Nothing that it signed is accepted.
    Revoked,
}

impl KeyStatus {
    /// `active`, `retired` or `revoked`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
        }
    }
}

crate::closed::names!(KeyUse, KeyStatus);
