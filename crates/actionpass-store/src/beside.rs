//! [`Beside`]: what lies beside an approval request, as stores chain it.

use actionpass_canon::sha256_parts;

/// The hash of what lies beside a request, before anything does.
pub const NOTHING_BESIDE: [u8; 32] = [0; 32];

/// Something that lies beside a request and can be erased: its action, its facts, the token of a vote. A store keeps one
/// hash of all of it, so that what was put there can't be exchanged.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a store fills in all of it")]
pub struct Beside<'a> {
    /// Its place among the others.
    pub place: i64,
    /// The bytes of the id of a vote, and who cast it.
    pub vote: Option<([u8; 16], &'a str)>,
    /// What lies there.
    pub bytes: &'a [u8],
}

impl Beside<'_> {
    /// The hash of what lies beside a request once this lies behind what has that hash. Every store uses it, so that they
    /// agree.
    #[must_use]
    pub fn chain(&self, before: &[u8; 32]) -> [u8; 32] {
        let (vote, principal) = self.vote.unwrap_or_default();
        let length = (principal.len() as u64).to_be_bytes();
        let place = self.place.to_be_bytes();
        let parts = [before, &place[..], &vote, &length, principal.as_bytes(), self.bytes];
        *sha256_parts(&parts).as_bytes()
    }
}
