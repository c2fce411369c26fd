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

/// Appends the bytes that `text` stands for; `false` on padding, white space, another alphabet or stray bits.
#[must_use]
pub(crate) fn decode_into(text: &[u8], bytes: &mut Vec<u8>) -> bool {
    URL_SAFE_NO_PAD.decode_vec(text, bytes).is_ok()
}

/// The bytes that `text` stands for.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
        }
    }
}
