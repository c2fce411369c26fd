//! Ids as the file keeps them: the 16 bytes behind their prefix.
//!
//! They grow with time (UUIDv7), so rows are appended and not strewn.

use actionpass_model::{ActionId, ApprovalId, PassId, RecordId, RevocationId};

use crate::error::Failure;

/// An id that is a prefix and 32 hex digits.
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
id!(ActionId, "act_");
id!(ApprovalId, "apr_");
id!(PassId, "ap_");
id!(RecordId, "rec_");
id!(RevocationId, "rev_");

#[cfg(test)]
mod tests {
    use super::*;

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
            check::<ActionId>(&digits);
            check::<ApprovalId>(&digits);
            check::<PassId>(&digits);
            check::<RecordId>(&digits);
            check::<RevocationId>(&digits);
        }
    }
}
