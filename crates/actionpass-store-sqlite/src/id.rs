//! Ids as the file keeps them: those that we make as the 16 bytes behind their prefix, those that callers choose as text.
//!
//! Ours grow with time (UUIDv7), so rows are appended and not strewn.

use actionpass_model::{ActionId, ApprovalId, PassId, RecordId, RequestId, RevocationId};

use crate::error::Failure;

/// An id that is a prefix and 32 hex digits in lower case, and nothing else: two of them are never the same bytes.
pub(crate) trait Id: Sized {
    /// What stands before the digits.
    const PREFIX: &'static str;

    fn text(&self) -> &str;

    fn parse(text: &str) -> Option<Self>;
}

/// What the file keeps of an id.
pub(crate) fn to_bytes<I: Id>(id: &I) -> Result<[u8; 16], Failure> {
    let hex = id.text().strip_prefix(I::PREFIX);
    let number = hex.and_then(|hex| u128::from_str_radix(hex, 16).ok());
    number.map(u128::to_be_bytes).ok_or_else(|| Failure::corrupt("an id"))
}

/// The id that the file keeps so.
pub(crate) fn from_bytes<I: Id>(bytes: [u8; 16]) -> Result<I, Failure> {
    let number = u128::from_be_bytes(bytes);
    I::parse(&format!("{}{number:032x}", I::PREFIX)).ok_or_else(|| Failure::corrupt("an id"))
}

/// What the file keeps of the id of an action, whose text is the caller's to choose: `act_7`, `act_07` and `ACT_7` are three.
/// The first byte says which of two forms follows, so no text is taken for the bytes of another id.
pub(crate) fn action_to_bytes(id: &ActionId) -> Vec<u8> {
    const TEXT: u8 = 0;
    const OURS: u8 = 1;
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let text = id.as_str();
    let number = text
        .strip_prefix("act_")
        .filter(|hex| hex.len() == 32 && hex.bytes().all(is_digit))
        .and_then(|hex| u128::from_str_radix(hex, 16).ok());
    match number {
        Some(number) => [&[OURS][..], &number.to_be_bytes()].concat(),
        None => [&[TEXT], text.as_bytes()].concat(),
    }
}

/// The id of an action that the file keeps so.
pub(crate) fn action_of_bytes(bytes: &[u8]) -> Option<String> {
    match bytes.split_first()? {
        (0, text) => String::from_utf8(text.to_vec()).ok(),
        (1, number) => Some(format!("act_{:032x}", u128::from_be_bytes(number.try_into().ok()?))),
        _ => None,
    }
}

macro_rules! id {
    ($name:ident, $prefix:literal) => {
        impl Id for $name {
            const PREFIX: &'static str = $prefix;

            fn text(&self) -> &str {
                self.as_str()
            }

            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        }
    };
}
id!(ApprovalId, "apr_");
id!(PassId, "ap_");
id!(RecordId, "rec_");
id!(RequestId, "req_");
id!(RevocationId, "rev_");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_callers_choose_stay_apart() {
        let ours = format!("act_{:032x}", 0x0192_u128 << 112);
        let texts = [
            "run-7",
            "act_7",
            "act_07",
            "ACT_7",
            "act_a",
            "act_A",
            &ours,
            &ours.to_uppercase(),
            &ours.replace("act_", "act."),
            &format!("{ours}0"),
            &"0".repeat(16),
            &"\u{30}".repeat(17),
        ];
        let bytes: std::collections::HashSet<_> = texts
            .iter()
            .map(|text| action_to_bytes(&text.parse().unwrap()))
            .collect();
        assert_eq!(bytes.len(), texts.len());
        assert_eq!(action_to_bytes(&ours.parse().unwrap()).len(), 17);
    }

    #[test]
    fn ids_come_back_as_they_were() {
        fn check<I: Id>(digits: &str) {
            let text = format!("{}{digits}", I::PREFIX);
            let id = I::parse(&text).unwrap();
            assert_eq!(from_bytes::<I>(to_bytes(&id).unwrap()).unwrap().text(), text);
        }
        for digits in [
            "0".repeat(32),
            "f".repeat(32),
            "01920000000070008000000000000001".to_owned(),
        ] {
            check::<ApprovalId>(&digits);
            check::<PassId>(&digits);
            check::<RecordId>(&digits);
            check::<RequestId>(&digits);
            check::<RevocationId>(&digits);
        }
    }
}
