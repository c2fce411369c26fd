//! Numbers compared as numbers: no comparison rounds.

use std::cmp::Ordering;

/// A finite number of a payload, a fact or a policy.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    /// Anything that `i64` or `u64` holds.
    Integer(i128),
    /// Anything else.
    Float(f64),
}

impl Number {
    pub(crate) fn from_json(number: &serde_json::Number) -> Option<Self> {
        if let Some(integer) = number.as_i64() {
            return Some(Self::Integer(integer.into()));
        }
        if let Some(integer) = number.as_u64() {
            return Some(Self::Integer(integer.into()));
        }
        number.as_f64().filter(|float| float.is_finite()).map(Self::Float)
    }

    /// A number as RFC 8785 writes it; `None` for any other value.
    pub(crate) fn from_canonical(bytes: &[u8]) -> Option<Self> {
        let is_number = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e');
        if !bytes
            .first()
            .is_some_and(|first| first.is_ascii_digit() || *first == b'-')
            || !bytes.iter().all(is_number)
        {
            return None;
        }
        let text = std::str::from_utf8(bytes).ok()?;
        let integer = text.parse().ok().map(Self::Integer);
        integer.or_else(|| {
            text.parse()
                .ok()
                .filter(|float: &f64| float.is_finite())
                .map(Self::Float)
        })
    }

    /// Whether it has no fraction.
    pub(crate) fn is_whole(self) -> bool {
        match self {
            Self::Integer(_) => true,
            Self::Float(float) => float.fract() == 0.0,
        }
    }

    /// Which of the two is greater, exactly.
    pub(crate) fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Integer(left), Self::Integer(right)) => left.cmp(&right),
            // INVARIANT: both are finite, so they compare.
            (Self::Float(left), Self::Float(right)) => left.partial_cmp(&right).unwrap_or(Ordering::Equal),
            (Self::Integer(left), Self::Float(right)) => integer_to_float(left, right),
            (Self::Float(left), Self::Integer(right)) => integer_to_float(right, left).reverse(),
        }
    }
}

/// Compares whole parts as integers, then looks at the fraction. The cast saturates far outside of what `integer`
/// can be (64 bits), and truncation is exact.
fn integer_to_float(integer: i128, float: f64) -> Ordering {
    match integer.cmp(&(float.trunc() as i128)) {
        Ordering::Equal => 0.0.partial_cmp(&float.fract()).unwrap_or(Ordering::Equal),
        decided => decided,
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering::{Equal, Greater, Less};

    use super::*;

    fn number(text: &str) -> Number {
        Number::from_json(&serde_json::from_str(text).unwrap()).unwrap()
    }

    #[test]
    fn comparisons_are_exact() {
        for (left, right, order) in [
            ("1", "1.0", Equal),
            ("0", "-0.0", Equal),
            ("2", "2.5", Less),
            ("-2", "-2.5", Greater),
            ("-3", "-2.5", Less),
            ("0", "-0.5", Greater),
            ("0", "5e-324", Less),
            // Both sides round to the same f64; compared as floats they would be equal.
            ("9007199254740993", "9007199254740992.0", Greater),
            ("18446744073709551615", "18446744073709551616.0", Less),
            ("18446744073709551615", "9223372036854775807", Greater),
            ("-9223372036854775808", "-9223372036854775808.0", Equal),
            ("1", "1e300", Less),
            ("1", "-1e300", Greater),
            ("0.1", "0.1", Equal),
            ("0.1", "0.2", Less),
        ] {
            assert_eq!(number(left).compare(number(right)), order, "{left} {right}");
            assert_eq!(number(right).compare(number(left)), order.reverse(), "{right} {left}");
        }
    }
}
