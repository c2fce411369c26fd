//! [`Salt`]: commitments in the place of hashes that could be guessed.

use std::fmt;

use actionpass_canon::sha256_parts;
use actionpass_model::{Commitment, DecisionBody, Digest, RequestBody, UseBody};

/// The salt of one record's commitments: 32 random bytes, kept beside the record and erasable
/// ([`SideKind::Salt`](crate::SideKind::Salt)).
///
/// A commitment is the SHA-256 of the RFC 8785 bytes of `{"hash": …, "salt": …}`, the salt as 64 lower-case hexadecimal
/// digits. Whoever holds the salt can show what was hashed; once it is erased, nobody can find a short payload by trying.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Salt([u8; 32]);

impl Salt {
    /// A salt of these bytes, which must be random and serve one record.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A salt as a store keeps it; `None` unless it is 32 bytes.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The commitment to a hash.
    #[must_use]
    pub fn commit(&self, hash: Digest) -> Digest {
        let mut salt = String::with_capacity(64);
        for byte in self.0 {
            for digit in [byte >> 4, byte & 15] {
                salt.extend(char::from_digit(u32::from(digit), 16));
            }
        }
        // Both texts are ASCII without anything that JSON escapes, and the names are in order.
        sha256_parts(&[
            b"{\"hash\":\"",
            &hash.to_text(),
            b"\",\"salt\":\"",
            salt.as_bytes(),
            b"\"}",
        ])
    }

    /// Replaces every hash of a decision that could confirm a guess of what was decided on.
    pub fn hide_decision(&self, body: &mut DecisionBody) {
        for hash in body.committed_hashes() {
            *hash = self.commit(*hash);
        }
        body.commitment = Some(Commitment::Salted);
    }

    /// The same for a change of a request.
    pub fn hide_request(&self, body: &mut RequestBody) {
        for hash in body.committed_hashes() {
            *hash = self.commit(*hash);
        }
        body.commitment = Some(Commitment::Salted);
    }

    /// The same for the use of a pass.
    pub fn hide_use(&self, body: &mut UseBody) {
        body.token_hash = self.commit(body.token_hash);
        body.commitment = Some(Commitment::Salted);
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
    }
}

#[cfg(test)]
mod tests {
    use actionpass_canon::{canonicalize, sha256};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_commitment_is_the_hash_of_the_canonical_document(salt: [u8; 32], hashed: [u8; 8]) {
            let hash = sha256(&hashed);
            let digits: String = salt.iter().map(|byte| format!("{byte:02x}")).collect();
            let document = canonicalize(&serde_json::json!({ "salt": digits, "hash": hash })).unwrap();
            prop_assert_eq!(Salt::from_bytes(salt).commit(hash), document.digest());
        }
    }

    #[test]
    fn it_is_not_shown() {
        assert_eq!(format!("{:?}", Salt::from_bytes([0xAB; 32])), "Salt(..)");
    }
}
