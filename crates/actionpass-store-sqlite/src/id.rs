//! Ids as the file keeps them: those that we make as the 16 bytes behind their prefix, those that callers choose as text.
//!
//! Ours grow with time (UUIDv7), so rows are appended and not strewn.

use actionpass_model::ActionId;
use actionpass_store::backend::{Id, id_from_bytes, id_to_bytes};

use crate::error::Failure;

/// What the file keeps of an id.
pub(crate) fn to_bytes<I: Id>(id: &I) -> Result<[u8; 16], Failure> {
    id_to_bytes(id).ok_or_else(|| Failure::corrupt("an id"))
}

/// The id that the file keeps so.
pub(crate) fn from_bytes<I: Id>(bytes: [u8; 16]) -> Result<I, Failure> {
    id_from_bytes(bytes).ok_or_else(|| Failure::corrupt("an id"))
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
}
