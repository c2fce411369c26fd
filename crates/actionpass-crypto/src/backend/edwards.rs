//! Points of edwards25519, as public keys of Ed25519.

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};

/// The point of a public key: on the curve, in its one encoding (RFC 8032 §5.1.3), and not one of the eight of small
/// order, whose "signatures" hold for messages that nobody signed.
pub(crate) fn point(encoded: &[u8]) -> Option<EdwardsPoint> {
    let encoded = CompressedEdwardsY::from_slice(encoded).ok()?;
    let point = encoded.decompress()?;
    // A coordinate of the field's prime or more decompresses too, and is another spelling of the same key.
    (point.compress() == encoded && !point.is_small_order()).then_some(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn little_endian(low: u8, middle: u8, high: u8) -> [u8; 32] {
        let mut bytes = [middle; 32];
        bytes[0] = low;
        bytes[31] = high;
        bytes
    }

    #[test]
    fn only_full_order_in_one_spelling() {
        // RFC 8032 §7.1, TEST 1.
        let key = [
            0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e, 0xe1,
            0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
        ];
        assert!(point(&key).is_some());
        assert!(point(&key[1..]).is_none());
        for (name, bytes) in [
            ("y = 0, order 4", little_endian(0, 0, 0)),
            ("y = 1, the identity", little_endian(1, 0, 0)),
            ("y = 1 with a sign that zero has not", little_endian(1, 0, 0x80)),
            ("y = p - 1, order 2", little_endian(0xEC, 0xFF, 0x7F)),
            ("y = p, that is 0", little_endian(0xED, 0xFF, 0x7F)),
            ("y = p + 1, that is 1", little_endian(0xEE, 0xFF, 0x7F)),
            ("y = p + 4, that is 4", little_endian(0xF1, 0xFF, 0x7F)),
            ("y = 2, off the curve", little_endian(2, 0, 0)),
        ] {
            assert!(point(&bytes).is_none(), "{name}");
        }
    }
}
