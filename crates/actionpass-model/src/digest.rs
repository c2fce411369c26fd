//! [`Digest`]: a SHA-256 digest, parsed.

use std::fmt;

use crate::text::TextError;

/// A SHA-256 digest (FIPS 180-4), written `sha256:` and 64 lower-case hexadecimal digits.
///
/// This crate only carries digests; `actionpass-canon` computes them.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Digest([u8; 32]);

const PREFIX: &str = "sha256:";

/// Every byte as two lower-case hexadecimal digits.
const PAIRS: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::indexing_slicing, reason = "a constant: out of bounds is a compile error")]
        {
            pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        }
        byte = byte.wrapping_add(1);
    }
    pairs
};

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
            return Err(TextError::new(
                "digest",
                "is not `sha256:` and 64 lower-case hex digits",
            ));
        }
        // Every digit is looked at before the verdict: no branch per character, and nothing here is secret.
        let mut seen = 0_u8;
        let (pairs, _) = hex.as_chunks::<2>();
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let (high, low) = (nibble(*high), nibble(*low));
            seen |= high | low;
            *byte = (high << 4) | (low & 15);
        }
        if seen & NOT_HEX != 0 {
            return Err(TextError::new("digest", "has a character that is not lower-case hex"));
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
        let (pairs, _) = hex.as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(self.0) {
            #[expect(clippy::indexing_slicing, reason = "the table has an entry for every byte")]
            {
                *pair = PAIRS[usize::from(byte)];
            }
        }
        text
    }
}

/// Set in [`nibble`]'s answer for what is no lower-case hexadecimal digit.
const NOT_HEX: u8 = 0x80;

/// The value of every byte as a lower-case hexadecimal digit.
const NIBBLES: [u8; 256] = {
    let mut table = [NOT_HEX; 256];
    let mut value: u8 = 0;
    while value < 16 {
        #[expect(clippy::indexing_slicing, reason = "a constant: out of bounds is a compile error")]
        let [_, digit] = PAIRS[value as usize];
        #[expect(clippy::indexing_slicing, reason = "a constant: out of bounds is a compile error")]
        {
            table[digit as usize] = value;
        }
        value = value.wrapping_add(1);
    }
    table
};

#[expect(clippy::indexing_slicing, reason = "the table has an entry for every byte")]
const fn nibble(digit: u8) -> u8 {
    NIBBLES[digit as usize]
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

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.to_text();
        serializer.serialize_str(std::str::from_utf8(&text).map_err(serde::ser::Error::custom)?)
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
