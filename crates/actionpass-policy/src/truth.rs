//! Three-valued truth: what a condition comes to when its subject may be missing or of another type.

use serde::Serialize;

/// What a condition comes to.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Truth {
    /// It definitely holds.
    True,
    /// It definitely doesn't hold.
    False,
    /// It can't be told, which counts against the action.
    Unknown,
}

impl Truth {
    /// `True` or `False`.
    pub(crate) const fn definite(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }

    /// Whether both hold: a definite false settles it.
    pub(crate) const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::True, Self::True) => Self::True,
        }
    }

    /// The opposite; the opposite of unknown is unknown.
    pub(crate) const fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Truth::{False, True, Unknown};

    #[test]
    fn tables() {
        for (left, right, both) in [
            (True, True, True),
            (True, False, False),
            (True, Unknown, Unknown),
            (False, False, False),
            (False, Unknown, False),
            (Unknown, Unknown, Unknown),
        ] {
            assert_eq!((left.and(right), right.and(left)), (both, both), "{left:?} {right:?}");
        }
        assert_eq!((True.not(), False.not(), Unknown.not()), (False, True, Unknown));
    }
}
