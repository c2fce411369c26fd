//! SHA-256 (FIPS 180-4), the only hash of the project.

use actionpass_model::Digest;
use sha2::{Digest as _, Sha256};

/// The SHA-256 digest of `bytes`.
///
/// ```
/// assert_eq!(
///     actionpass_canon::sha256(b"{}").to_string(),
///     "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
/// );
/// ```
#[must_use]
pub fn sha256(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

/// The SHA-256 digest of all parts, one after the other, as if they were one slice.
///
/// Nothing separates the parts: only use it where the format says what stands where (RFC 9162's `0x00 ‖ entry`).
#[must_use]
pub fn sha256_parts(parts: &[&[u8]]) -> Digest {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    Digest::from_bytes(hasher.finalize().into())
}
