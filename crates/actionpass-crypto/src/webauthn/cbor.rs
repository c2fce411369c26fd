//! The part of CBOR (RFC 8949) that authenticators write, read strictly: definite lengths, shortest heads, no tags, no
//! floating point. The CTAP2 canonical form asks for as much.

/// What is left of the input. Every method gives up by `None`, and never reads past the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cbor<'a>(&'a [u8]);

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const SIMPLE: u8 = 7;

/// The deepest nesting that is read: CTAP2 allows four.
const MAX_DEPTH: u8 = 4;

impl<'a> Cbor<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What follows what was read.
    pub(super) const fn rest(self) -> &'a [u8] {
        self.0
    }

    /// The head of an item: its major type, and its value in the shortest encoding (RFC 8949 §4.2.1).
    fn head(&mut self) -> Option<(u8, u64)> {
        let (first, rest) = self.0.split_first()?;
        let (major, short) = (first >> 5, first & 0x1F);
        let (value, rest) = match short {
            0..=23 => (u64::from(short), rest),
            24..=27 => {
                let (bytes, rest) = rest.split_at_checked(1_usize << (short & 3))?;
                let value = bytes.iter().fold(0_u64, |value, byte| (value << 8) | u64::from(*byte));
                let is_shortest = match short {
                    24 => value > 23,
                    25 => value > 0xFF,
                    26 => value > 0xFFFF,
                    _ => value > 0xFFFF_FFFF,
                };
                if !is_shortest {
                    return None;
                }
                (value, rest)
            }
            _ => return None,
        };
        self.0 = rest;
        Some((major, value))
    }

    fn head_of(&mut self, major: u8) -> Option<u64> {
        let (found, value) = self.head()?;
        (found == major).then_some(value)
    }

    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(bytes)
    }

    /// How many pairs a map has, which follow.
    pub(super) fn map(&mut self) -> Option<u64> {
        self.head_of(MAP)
    }

    /// An integer.
    pub(super) fn int(&mut self) -> Option<i64> {
        match self.head()? {
            (UNSIGNED, value) => i64::try_from(value).ok(),
            (NEGATIVE, value) => i64::try_from(value).ok().map(|value| !value),
            _ => None,
        }
    }

    /// A byte string.
    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.head_of(BYTES)?;
        self.take(length)
    }

    /// A text in UTF-8.
    pub(super) fn text(&mut self) -> Option<&'a str> {
        let length = self.head_of(TEXT)?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    /// Any value, well-formed, read over.
    pub(super) fn skip(&mut self) -> Option<()> {
        self.skip_within(MAX_DEPTH)
    }

    fn skip_within(&mut self, depth: u8) -> Option<()> {
        match self.head()? {
            (UNSIGNED | NEGATIVE, _) => Some(()),
            (BYTES, length) => self.take(length).map(|_| ()),
            (TEXT, length) => std::str::from_utf8(self.take(length)?).ok().map(|_| ()),
            (major @ (ARRAY | MAP), count) => {
                let depth = depth.checked_sub(1)?;
                // Each item takes a byte at least, so what is left bounds the loop.
                for _ in 0..count {
                    if major == MAP {
                        self.skip_within(depth)?;
                    }
                    self.skip_within(depth)?;
                }
                Some(())
            }
            // false, true, null.
            (SIMPLE, 20..=22) => Some(()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read() {
        let mut cbor = Cbor::new(&[
            0xA1, 0x03, 0x26, 0x42, 1, 2, 0x62, b'o', b'k', 0x18, 24, 0x39, 0x01, 0x00, 0xFF,
        ]);
        assert_eq!(cbor.map(), Some(1));
        assert_eq!((cbor.int(), cbor.int()), (Some(3), Some(-7)));
        assert_eq!(cbor.bytes(), Some(&[1_u8, 2][..]));
        assert_eq!(cbor.text(), Some("ok"));
        assert_eq!((cbor.int(), cbor.int()), (Some(24), Some(-257)));
        assert_eq!(cbor.rest(), [0xFF]);
        assert_eq!(
            Cbor::new(&[0x1B, 0x7F, 255, 255, 255, 255, 255, 255, 255]).int(),
            Some(i64::MAX)
        );
        assert_eq!(
            Cbor::new(&[0x3B, 0x7F, 255, 255, 255, 255, 255, 255, 255]).int(),
            Some(i64::MIN)
        );
        assert_eq!(Cbor::new(&[0x1B, 0x80, 0, 0, 0, 0, 0, 0, 0]).int(), None);
    }

    #[test]
    fn well_formed_values_are_skipped() {
        for good in [
            &[0xA0][..],
            &[0xF5],
            &[0xA1, 0x61, b'a', 0x81, 0xA1, 0x00, 0xF6],
            &[0x43, 1, 2, 3],
            &[0x82, 0x20, 0x61, b'x'],
        ] {
            let mut cbor = Cbor::new(good);
            assert_eq!(cbor.skip(), Some(()), "{good:02x?}");
            assert!(cbor.rest().is_empty(), "{good:02x?}");
        }
    }

    #[test]
    fn what_is_no_canonical_cbor_is_refused() {
        let deep = [0x81_u8; 200];
        for bad in [
            &[][..],
            // Longer heads than needed, and heads that end.
            &[0x18, 23],
            &[0x18],
            &[0x19, 0, 255],
            &[0x1A, 0, 0, 255, 255],
            &[0x1B, 0, 0, 0, 0, 255, 255, 255, 255],
            // Reserved and indefinite lengths, a break.
            &[0x1C],
            &[0x5F, 0x41, 0, 0xFF],
            &[0xBF, 0xFF],
            &[0xFF],
            // Longer than there is.
            &[0x42, 1],
            &[0x5B, 255, 255, 255, 255, 255, 255, 255, 255],
            &[0xBB, 255, 255, 255, 255, 255, 255, 255, 255, 0],
            &[0x9B, 255, 255, 255, 255, 255, 255, 255, 255, 0],
            // Not UTF-8, tags, floating point, other simple values.
            &[0x61, 0xFF],
            &[0xC0, 0x00],
            &[0xF9, 0, 0],
            &[0xFB, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0xF7],
            &[0xF8, 32],
            &[0xE0],
            &deep,
        ] {
            assert_eq!(Cbor::new(bad).skip(), None, "{bad:02x?}");
        }
    }
}
