//! [`Digest`]: a SHA-256 digest, parsed.

use std::fmt;

use crate::text::TextError;

/// A SHA-256 digest (FIPS 180-4), written `sha256:` and 64 lower-case hexadecimal digits.
///
/// This crate only carries digests; `actionpass-canon` computes them.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Digest([u8; 32]);

const PREFIX: &str = "sha256:";
const HEX: &[u8; 16] = b"0123456789abcdef";

impl Digest {
    /// What stands before the first ledger record: 32 zero bytes. Not the digest of anything known.
    pub const ZERO: Self = Self([0; 32]);

    /// The length of the written form in bytes.
    pub const TEXT_BYTES: usize = 71;

    /// A digest from its 32 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads the written form.
    ///
    /// # Errors
    /// [`TextError`] unless the text is `sha256:` followed by exactly 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let hex = text.strip_prefix(PREFIX).map(str::as_bytes).unwrap_or_default();
        let mut bytes = [0_u8; 32];
        if hex.len() != 64 {
            return Err(TextError::new("digest", "is not `sha256:` and 64 lower-case hex digits"));
        }
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            match pair {
                [high, low] => match (nibble(*high), nibble(*low)) {
                    (Some(high), Some(low)) => *byte = (high << 4) | low,
                    _ => return Err(TextError::new("digest", "has a character that is not lower-case hex")),
                },
                _ => return Err(TextError::new("digest", "has an odd number of digits")),
            }
        }
        Ok(Self(bytes))
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The written form as ASCII bytes, without allocation.
    #[must_use]
    pub fn to_text(&self) -> [u8; Self::TEXT_BYTES] {
        let mut text = [0_u8; Self::TEXT_BYTES];
        let (prefix, hex) = text.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(PREFIX.as_bytes());
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0) {
            if let [high, low] = pair {
                *high = HEX.get(usize::from(byte >> 4)).copied().unwrap_or(b'0');
                *low = HEX.get(usize::from(byte & 15)).copied().unwrap_or(b'0');
            }
        }
        text
    }
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(digit.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.to_text();
        // INVARIANT: `to_text` yields ASCII only.
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

crate::text::serde_text!(Digest, "Digest", "^sha256:[0-9a-f]{64}$");

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_strictly() {
        let text = format!("sha256:{}", "0f".repeat(32));
        assert_eq!(Digest::parse(&text).unwrap().to_string(), text);
        for bad in [
            "".to_owned(),
            "sha256:".to_owned(),
            text.to_uppercase(),
            text.replace("sha256:", "sha512:"),
            format!("{text}0"),
            text.replace('f', "F"),
            text.replacen("0f", " f", 1),
            "0f".repeat(32),
        ] {
            assert!(Digest::parse(&bad).is_err(), "{bad}");
        }
    }
}
