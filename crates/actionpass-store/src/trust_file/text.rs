//! [`TrustText`]: the text of a trust store, and the digest of its value.

use std::sync::{Arc, OnceLock};

use actionpass_canon::{Limits, rfc8785, sha256};
use actionpass_model::Digest;

/// The text of a trust store that was read, and the digest of its value, computed when it is first asked for: most
/// programs that verify never do. Cheap to clone; clones share both.
#[derive(Clone, Debug)]
pub struct TrustText(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bytes: Vec<u8>,
    digest: OnceLock<Digest>,
}

impl TrustText {
    /// The text of a trust store that was read: what isn't one has no value.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Inner {
            bytes,
            digest: OnceLock::new(),
        }))
    }

    /// The bytes, as they were read or written.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// SHA-256 of the RFC 8785 form: two spellings of one trust store have one digest.
    ///
    /// Numbers are rounded to doubles, as the RFC says; of those that are not safe integers only `ext` has any, which has
    /// no meaning for security. A text that has no such form (a reserved member name in `ext`) counts as it is spelt.
    #[must_use]
    pub fn digest(&self) -> Digest {
        *self.0.digest.get_or_init(|| {
            let bytes = self.bytes();
            rfc8785::transform(bytes, &LIMITS).map_or_else(|_| sha256(bytes), |form| sha256(&form))
        })
    }

    /// Whether both are spellings of one value.
    #[must_use]
    pub fn is_same_value(&self, other: &Self) -> bool {
        self == other || self.digest() == other.digest()
    }
}

/// Whether both are one spelling.
impl PartialEq for TrustText {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.bytes() == other.bytes()
    }
}

impl Eq for TrustText {}

/// Whatever was parsed as a trust store passes: its reader bounds its size, and serde_json its depth.
const LIMITS: Limits = Limits::new()
    .with_max_bytes(Limits::MAX_BYTES_CEILING)
    .with_max_depth(128)
    .with_max_members(usize::MAX);

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> TrustText {
        TrustText::new(text.as_bytes().to_vec())
    }

    /// What any implementation of RFC 8785 gives for it.
    #[test]
    fn the_digest_is_that_of_the_value() {
        let spellings = [r#"{"a":1,"b":"\u00e9"}"#, "{ \"b\" : \"\u{e9}\",\n  \"a\" : 1.0 }\n"];
        for spelling in spellings {
            assert_eq!(text(spelling).digest(), sha256("{\"a\":1,\"b\":\"\u{e9}\"}".as_bytes()));
        }
        assert!(text(spellings[0]).is_same_value(&text(spellings[1])));
        assert_ne!(text(spellings[0]), text(spellings[1]));
        assert!(!text(spellings[0]).is_same_value(&text(r#"{"a":2}"#)));
    }

    #[test]
    fn what_has_no_form_counts_as_it_is_spelt() {
        let (one, other) = (
            r#"{"ext":{"$serde_json::private::x":1}}"#,
            r#"{ "ext":{"$serde_json::private::x":1}}"#,
        );
        assert_eq!(text(one).digest(), sha256(one.as_bytes()));
        assert!(!text(one).is_same_value(&text(other)));
    }
}
