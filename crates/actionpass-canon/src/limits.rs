//! [`Limits`]: how much the gate reads before it refuses.

use crate::AdmitCode;

/// How large, how deep and how wide an admitted document may be.
///
/// ```
/// use actionpass_canon::Limits;
/// let limits = Limits::default().with_max_bytes(64 * 1024).with_max_depth(16);
/// assert_eq!((limits.max_bytes(), limits.max_depth(), limits.max_members()), (65_536, 16, 65_536));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Limits {
    max_bytes: usize,
    max_depth: usize,
    max_members: usize,
}

impl Limits {
    /// The largest `max_bytes` there is: 512 MiB. Larger values count as this one.
    ///
    /// Canonical numbers are at most 17/5 times as long as what was written (`1e15`), so the output of an input of
    /// this size still has 32-bit offsets.
    pub const MAX_BYTES_CEILING: usize = 512 << 20;

    /// The default limits: 1 MiB, depth 64, 65,536 members.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            max_bytes: 1 << 20,
            max_depth: 64,
            max_members: 1 << 16,
        }
    }

    /// Sets the largest size in bytes, of the input as well as of its canonical form.
    #[must_use]
    pub const fn with_max_bytes(mut self, max_bytes: usize) -> Self {
        self.max_bytes = if max_bytes < Self::MAX_BYTES_CEILING {
            max_bytes
        } else {
            Self::MAX_BYTES_CEILING
        };
        self
    }

    /// Sets how many objects and arrays may be open at once: `[]` has depth 1, a number 0.
    ///
    /// The gate keeps its own stack, so any value is safe here. Readers behind it may not: `serde_json` stops at 127.
    #[must_use]
    pub const fn with_max_depth(mut self, max_depth: usize) -> Self {
        self.max_depth = max_depth;
        self
    }

    /// Sets how many members all objects of the document may have together.
    ///
    /// The gate keeps 32 bytes for each member of an object that is still open, so the default bounds that to 2 MiB.
    /// Array elements cost nothing beyond their bytes and are not counted.
    #[must_use]
    pub const fn with_max_members(mut self, max_members: usize) -> Self {
        self.max_members = max_members;
        self
    }

    /// The limit that a refusal is about, by the name of its method here, and its value; `None` for a refusal that other
    /// limits would not change.
    ///
    /// ```
    /// use actionpass_canon::{Limits, admit};
    /// let limits = Limits::default().with_max_depth(1);
    /// let refused = admit(b"[[]]", &limits).unwrap_err();
    /// assert_eq!(limits.exceeded(refused.code()), Some(("max_depth", 1)));
    /// ```
    #[must_use]
    pub const fn exceeded(&self, code: AdmitCode) -> Option<(&'static str, usize)> {
        match code {
            AdmitCode::SizeExceeded => Some(("max_bytes", self.max_bytes)),
            AdmitCode::DepthExceeded => Some(("max_depth", self.max_depth)),
            AdmitCode::MembersExceeded => Some(("max_members", self.max_members)),
            _ => None,
        }
    }

    /// The largest size in bytes, of input and canonical form.
    #[must_use]
    pub const fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// How many objects and arrays may be open at once.
    #[must_use]
    pub const fn max_depth(&self) -> usize {
        self.max_depth
    }

    /// How many members all objects may have together.
    #[must_use]
    pub const fn max_members(&self) -> usize {
        self.max_members
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admit;

    #[test]
    fn a_refusal_names_the_limit_that_it_is_about() {
        let limits = Limits::default()
            .with_max_bytes(9)
            .with_max_depth(2)
            .with_max_members(1);
        let exceeded = |text: &str| limits.exceeded(admit(text.as_bytes(), &limits).unwrap_err().code());
        assert_eq!(exceeded("[0,1,2,3,4]"), Some(("max_bytes", 9)));
        assert_eq!(exceeded("[[[0]]]"), Some(("max_depth", 2)));
        assert_eq!(
            Limits::default().with_max_members(1).exceeded(
                admit(br#"{"a":1,"b":2}"#, &Limits::default().with_max_members(1))
                    .unwrap_err()
                    .code()
            ),
            Some(("max_members", 1))
        );
        assert_eq!(exceeded("[1,]"), None);
    }
}
