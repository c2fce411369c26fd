//! Unpadded base64url (RFC 4648 §5, RFC 7515 §2): one spelling for every value.
//!
//! Everything here is public data, so speed counts and constant time doesn't.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Appends the text of `bytes`.
pub(crate) fn encode_into(bytes: &[u8], text: &mut String) {
    URL_SAFE_NO_PAD.encode_string(bytes, text);
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// How many characters so many bytes take.
pub(crate) const fn chars(bytes: usize) -> usize {
    bytes.saturating_mul(4).div_ceil(3)
}

/// Whether `text` [decodes](decode): the right characters, a length that there is, no stray bits in the last character.
///
/// A third of the work, and no allocation.
#[must_use]
pub(crate) fn is_valid(text: &str) -> bool {
    let bytes = text.as_bytes();
    // Without a branch, so that the compiler makes vectors of it.
    let in_alphabet = bytes.iter().fold(true, |all, &byte| {
        all & (byte.wrapping_sub(b'A') < 26
            || byte.wrapping_sub(b'a') < 26
            || byte.wrapping_sub(b'0') < 10
            || byte == b'-'
            || byte == b'_')
    });
    let tail = bytes.len() % 4;
    let last = text.get(bytes.len().saturating_sub(tail)..);
    // One character is less than a byte; of two and three, some bits mean nothing and must be zero.
    in_alphabet && tail != 1 && last.is_some_and(|last| last.is_empty() || decode(last).is_some())
}

/// The bytes that `text` stands for.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every byte in every place of a group, by the decoder's own table.
    #[test]
    fn every_character_is_valid_or_not() {
        for byte in 0..=127_u8 {
            for (before, after) in [
                ("", ""),
                ("A", ""),
                ("AA", ""),
                ("AAA", ""),
                ("AAAA", "AAAA"),
                ("", "AAA"),
                ("A", "A"),
            ] {
                let text = format!("{before}{}{after}", char::from(byte));
                assert_eq!(is_valid(&text), decode(&text).is_some(), "{text:?}");
            }
        }
    }

    #[test]
    fn one_spelling_only() {
        // RFC 4648 §10.
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
            ("fooba", "Zm9vYmE"),
        ] {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()));
        }
        for bad in [
            "Z", "Zg==", "Zg=", "Zh", "Zn8=", "Zm9", "Zm9v=", "Zm9vY", "Zm 9v", " Zm9v", "Zm9v\n", "Zm+v", "Zm/v",
            "Zm9v.", "Zmüv", "\0m9v", "=", "====",
        ] {
            assert_eq!(decode(bad), None, "{bad:?}");
            assert!(!is_valid(bad), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_decoded_is_spelled_the_same(text in "[A-Za-z0-9_=+/ -]{0,200}") {
            if let Some(bytes) = decode(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }

        #[test]
        fn what_is_valid_is_what_decodes(text in "[A-Za-z0-9_-]{0,70}[A-Za-z0-9_=+/. ü-]?[A-Za-z0-9_-]{0,5}") {
            prop_assert_eq!(is_valid(&text), decode(&text).is_some());
        }

        #[test]
        fn round_trip(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }

        // Whole groups and what is left over have code of their own: a bad character is found wherever it stands.
        #[test]
        fn a_bad_character_is_found_anywhere(bytes in prop::collection::vec(any::<u8>(), 1..300), at: prop::sample::Index, bad in "[^A-Za-z0-9_-]") {
            let mut text = encode(&bytes);
            let at = at.index(text.len());
            text.replace_range(at..=at, &bad);
            prop_assert_eq!(decode(&text), None);
            prop_assert!(!is_valid(&text));
        }
    }
}
