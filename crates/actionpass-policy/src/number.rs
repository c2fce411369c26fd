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

    /// The first whole number from here upwards or, if not `up`, downwards; this one only if it is included.
    pub(crate) fn next_whole(self, includes: bool, up: bool) -> Self {
        let step = if up { 1 } else { -1 };
        match self {
            Self::Integer(integer) if includes => Self::Integer(integer),
            // INVARIANT: no integer has more than 64 bits.
            Self::Integer(integer) => Self::Integer(integer.saturating_add(step)),
            Self::Float(float) if self.is_whole() && includes => Self::Float(float),
            Self::Float(float) if self.is_whole() => Self::Float(float + f64::from(step as i8)),
            Self::Float(float) if up => Self::Float(float.ceil()),
            Self::Float(float) => Self::Float(float.floor()),
        }
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

/// A text that is a decimal number, exactly: `-`, digits without needless zeros, and a fraction, as in `-12.50`. No `+`, no
/// exponent, no blanks and no separators, which readers take in different ways.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Decimal<'t> {
    negative: bool,
    whole: &'t str,
    /// Without zeros at its end.
    fraction: &'t str,
}

impl<'t> Decimal<'t> {
    pub(crate) fn parse(text: &'t str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = match digits.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (digits, None),
        };
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(whole) || fraction.is_some_and(|fraction| !is_digits(fraction)) {
            return None;
        }
        // To some readers `010` is eight.
        if whole.len() > 1 && whole.starts_with('0') {
            return None;
        }
        let fraction = fraction.unwrap_or_default().trim_end_matches('0');
        Some(Self {
            negative: digits.len() < text.len() && !(whole == "0" && fraction.is_empty()),
            whole,
            fraction,
        })
    }

    /// Whether it has no fraction.
    pub(crate) const fn is_whole(self) -> bool {
        self.fraction.is_empty()
    }

    /// Which of the two is greater, exactly.
    pub(crate) fn compare(self, other: Self) -> Ordering {
        let size = || {
            let whole = self
                .whole
                .len()
                .cmp(&other.whole.len())
                .then_with(|| self.whole.cmp(other.whole));
            whole.then_with(|| self.fraction.cmp(other.fraction))
        };
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => size(),
            (true, true) => size().reverse(),
        }
    }
}

impl Number {
    /// The number in decimal, as policies and payloads write it: of a number with a fraction the shortest text that is read
    /// as this one, without an exponent.
    pub(crate) fn to_decimal(self) -> Box<str> {
        match self {
            Self::Integer(integer) => integer.to_string().into(),
            Self::Float(float) => float.to_string().into(),
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
    fn decimals_are_compared_exactly() {
        for (left, right, order) in [
            ("1", "1.0", Equal),
            ("0", "-0.00", Equal),
            ("12.5", "12.50", Equal),
            ("9", "10", Less),
            ("0.09", "0.1", Less),
            ("0.1", "0.10000000000000000000001", Less),
            ("-2", "1", Less),
            ("-2", "-1.5", Less),
            ("-0.5", "0", Less),
            ("9007199254740993", "9007199254740992", Greater),
            (
                "100000000000000000000000000000000000000000",
                "99999999999999999999999999999999999999999.9",
                Greater,
            ),
        ] {
            let (left, right) = (Decimal::parse(left).unwrap(), Decimal::parse(right).unwrap());
            assert_eq!(left.compare(right), order, "{left:?} {right:?}");
            assert_eq!(right.compare(left), order.reverse(), "{left:?} {right:?}");
        }
        for text in [
            "", "-", "+1", "1e3", "01", "-00", ".5", "1.", "1,5", " 1", "1 ", "0x1", "1_000", "\u{661}", "--1", "NaN",
            "1.2.3",
        ] {
            assert!(Decimal::parse(text).is_none(), "{text}");
        }
        for (number, decimal) in [
            ("5000.01", "5000.01"),
            ("1e22", "10000000000000000000000"),
            ("1e-7", "0.0000001"),
            ("-3", "-3"),
        ] {
            assert_eq!(&*self::number(number).to_decimal(), decimal);
        }
    }

    #[test]
    fn whole_numbers() {
        for (from, includes, up, next) in [
            ("2", true, true, "2"),
            ("2", false, true, "3"),
            ("2", false, false, "1"),
            ("-0.5", true, true, "0"),
            ("-0.5", true, false, "-1"),
            ("1.5", false, true, "2"),
            ("1e30", true, false, "1e30"),
            ("-2e0", false, true, "-1"),
        ] {
            assert!(
                number(from).next_whole(includes, up).compare(number(next)).is_eq(),
                "{from} {includes} {up}"
            );
        }
        for (text, whole) in [("1", true), ("-3.00", true), ("1.01", false), ("0.0", true)] {
            assert_eq!(Decimal::parse(text).unwrap().is_whole(), whole, "{text}");
        }
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
