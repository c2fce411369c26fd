//! [`Signature`]: the bytes that a custodian hands back, in the one form that JWS knows.

use std::fmt;

use crate::Algorithm;

/// A signature in the form of JWS: for ECDSA `r` and `s` as big-endian integers of fixed length, one after the other
/// (RFC 7518 §3.4). Its length is exactly that of its algorithm; whether it verifies is another question.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Signature {
    algorithm: Algorithm,
    bytes: Box<[u8]>,
}

/// What a custodian returned is not a signature of the algorithm.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the bytes are not a signature: {problem}")]
pub struct SignatureError {
    problem: &'static str,
}

impl Signature {
    /// A signature from the bytes of JWS.
    ///
    /// # Errors
    /// [`SignatureError`] unless there are exactly [`Algorithm::signature_bytes`].
    pub fn from_bytes(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, SignatureError> {
        if bytes.len() != algorithm.signature_bytes() {
            return Err(SignatureError::new("it has another length than its algorithm demands"));
        }
        Ok(Self {
            algorithm,
            bytes: bytes.into(),
        })
    }

    /// An ECDSA signature from the DER form, `SEQUENCE { r INTEGER, s INTEGER }` (RFC 3279 §2.2.3), as HSMs and cloud
    /// services return it.
    ///
    /// # Errors
    /// [`SignatureError`] unless the bytes are exactly one such value in DER with both integers positive and no
    /// longer than the curve's order.
    pub fn from_der(algorithm: Algorithm, der: &[u8]) -> Result<Self, SignatureError> {
        let (body, rest) = der_value(der, 0x30)?;
        let (r, body) = der_value(body, 0x02)?;
        let (s, body) = der_value(body, 0x02)?;
        if !rest.is_empty() || !body.is_empty() {
            return Err(SignatureError::new("something follows the DER value"));
        }
        for integer in [r, s] {
            match integer {
                [] => return Err(SignatureError::new("a DER integer is empty")),
                [high, ..] if *high >= 0x80 => return Err(SignatureError::new("a DER integer is negative")),
                [0, next, ..] if *next < 0x80 => return Err(SignatureError::new("a DER integer has a needless zero")),
                _ => {}
            }
        }
        Self::from_integers(algorithm, r, s)
    }

    /// An ECDSA signature from two unsigned big-endian integers of any length, as ssh-agents and TPMs return them:
    /// leading zeros are stripped, missing ones added.
    ///
    /// # Errors
    /// [`SignatureError`] if one of them is zero or longer than the curve's order, or if the algorithm is not ECDSA.
    pub fn from_integers(algorithm: Algorithm, r: &[u8], s: &[u8]) -> Result<Self, SignatureError> {
        if !algorithm.is_ecdsa() {
            return Err(SignatureError::new("its algorithm has no integers"));
        }
        let mut bytes = vec![0_u8; algorithm.signature_bytes()];
        let (left, right) = bytes.split_at_mut(algorithm.signature_bytes() / 2);
        for (integer, place) in [(r, left), (s, right)] {
            let zeros = integer.iter().take_while(|byte| **byte == 0).count();
            let digits = integer.get(zeros..).unwrap_or_default();
            if digits.is_empty() {
                return Err(SignatureError::new("an integer is zero"));
            }
            let gap = place
                .len()
                .checked_sub(digits.len())
                .ok_or(SignatureError::new("an integer is too long"))?;
            if let Some(end) = place.get_mut(gap..) {
                end.copy_from_slice(digits);
            }
        }
        Ok(Self {
            algorithm,
            bytes: bytes.into(),
        })
    }

    /// The DER form of an ECDSA signature (RFC 3279 §2.2.3), which [`from_der`](Self::from_der) reads; `None` for other
    /// algorithms, which have none.
    #[must_use]
    pub fn to_der(&self) -> Option<Vec<u8>> {
        if !self.algorithm.is_ecdsa() {
            return None;
        }
        let (r, s) = self.bytes.split_at(self.bytes.len() / 2);
        der_of(0x30, &[der_integer(r)?, der_integer(s)?].concat())
    }

    /// The algorithm that it is of.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The bytes, as they stand in a JWS.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl SignatureError {
    /// Says what is wrong: for custodians that take a signature out of an encoding of their own.
    #[must_use]
    pub const fn new(problem: &'static str) -> Self {
        Self { problem }
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Signature({}, {})",
            self.algorithm,
            crate::base64url::encode(&self.bytes)
        )
    }
}

/// Splits one DER value of this tag off: its contents and what follows. No signature that we know has contents of
/// more than 255 bytes.
fn der_value(der: &[u8], tag: u8) -> Result<(&[u8], &[u8]), SignatureError> {
    let (length, rest) = match der {
        [found, ..] if *found != tag => return Err(SignatureError::new("it has another DER tag")),
        [_, length @ 0..=0x7F, rest @ ..] | [_, 0x81, length @ 0x80..=0xFF, rest @ ..] => (usize::from(*length), rest),
        _ => return Err(SignatureError::new("a DER length is missing or not minimal")),
    };
    rest.split_at_checked(length)
        .ok_or(SignatureError::new("a DER value ends too early"))
}

/// A DER value with this tag; `None` over 255 bytes, which no signature that we know has.
fn der_of(tag: u8, contents: &[u8]) -> Option<Vec<u8>> {
    let mut der = vec![tag];
    match u8::try_from(contents.len()).ok()? {
        length @ 0x80.. => der.extend([0x81, length]),
        length => der.push(length),
    }
    der.extend_from_slice(contents);
    Some(der)
}

/// An unsigned integer in DER: without leading zeros, but with one where the highest bit is set.
fn der_integer(bytes: &[u8]) -> Option<Vec<u8>> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let digits = bytes.get(zeros..).unwrap_or_default();
    match digits {
        [0x80..=0xFF, ..] | [] => der_of(0x02, &[&[0], digits].concat()),
        _ => der_of(0x02, digits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ES256: Algorithm = Algorithm::Es256;

    fn integers(r: u8, s: u8) -> Signature {
        Signature::from_integers(ES256, &[r], &[s]).unwrap()
    }

    #[test]
    fn integers_are_padded_and_stripped() {
        let short = integers(1, 2);
        assert_eq!(short.as_bytes().len(), 64);
        assert_eq!((short.as_bytes()[31], short.as_bytes()[63]), (1, 2));
        let zeros = [&[0_u8; 9][..], &[1]].concat();
        assert_eq!(Signature::from_integers(ES256, &zeros, &[0, 2]), Ok(short));
        assert!(Signature::from_integers(ES256, &[0xFF; 32], &[0xFF; 32]).is_ok());
        for (r, s) in [(&[][..], &[1][..]), (&[1], &[0, 0]), (&[1; 33], &[1])] {
            assert!(Signature::from_integers(ES256, r, s).is_err(), "{r:?} {s:?}");
        }
        assert!(Signature::from_bytes(ES256, &[1; 64]).is_ok());
        for length in [0, 63, 65, 96, 128] {
            assert!(Signature::from_bytes(ES256, &vec![1; length]).is_err(), "{length}");
        }
    }

    #[test]
    fn der_is_strict() {
        assert_eq!(
            Signature::from_der(ES256, &[0x30, 6, 2, 1, 1, 2, 1, 2]),
            Ok(integers(1, 2))
        );
        assert_eq!(
            Signature::from_der(ES256, &[0x30, 8, 2, 2, 0, 0x80, 2, 2, 0, 0xFF]),
            Ok(integers(0x80, 0xFF))
        );
        let cases: [&[u8]; 17] = [
            &[],
            &[0x30],
            &[0x30, 0],
            &[0x31, 6, 2, 1, 1, 2, 1, 2],
            &[0x30, 6, 3, 1, 1, 2, 1, 2],
            &[0x30, 6, 2, 1, 1, 2, 1],
            &[0x30, 7, 2, 1, 1, 2, 1, 2],
            &[0x30, 5, 2, 1, 1, 2, 1, 2],
            &[0x30, 6, 2, 1, 1, 2, 1, 2, 0],
            &[0x30, 7, 2, 1, 1, 2, 1, 2, 0],
            &[0x30, 0x81, 6, 2, 1, 1, 2, 1, 2],
            &[0x30, 0x80, 2, 1, 1, 2, 1, 2, 0, 0],
            &[0x30, 7, 2, 2, 0, 1, 2, 1, 2],
            &[0x30, 6, 2, 1, 0x81, 2, 1, 2],
            &[0x30, 6, 2, 1, 0, 2, 1, 2],
            &[0x30, 5, 2, 0, 2, 1, 2],
            &[0x30, 7, 2, 0x81, 1, 1, 2, 1, 2],
        ];
        for der in cases {
            assert!(Signature::from_der(ES256, der).is_err(), "{der:02x?}");
        }
        let long = [&[0x30, 38, 2, 33][..], &[1; 33], &[2, 1, 1]].concat();
        assert!(Signature::from_der(ES256, &long).is_err());
    }
}
