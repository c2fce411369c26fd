//! Numbers: the canonical text of a double (RFC 8785 §3.2.2.3), and whether a written number is that of one.

use crate::AdmitCode;

/// The most significant digits that a canonical number has.
const MAX_DIGITS: usize = 17;

/// 2^53−1, the last integer up to which every integer is a double.
pub(crate) const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// Exponents beyond this are held as this. Inputs are far shorter, so no amount of zeros makes up for it.
const EXPONENT_CEILING: i64 = 1 << 40;

/// A number as it was written, in parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written<'a> {
    /// All of it.
    pub(crate) text: &'a [u8],
    pub(crate) negative: bool,
    /// The digits before the point.
    pub(crate) integer: &'a [u8],
    /// The digits after the point.
    pub(crate) fraction: &'a [u8],
    pub(crate) exponent: Exponent<'a>,
}

/// The part of a number after its `e`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Exponent<'a> {
    Absent,
    Positive(&'a [u8]),
    Negative(&'a [u8]),
}

/// A finite number, exact: `0.significand × 10^point`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Decimal {
    negative: bool,
    /// The digits without zeros at either end; 0 for zero.
    significand: u64,
    /// How many digits that are; 0 for zero.
    len: i64,
    point: i64,
}

/// Why a number is refused, and the double's text that would be accepted instead, if it would.
#[derive(Debug)]
pub(crate) struct NumberRefused {
    pub(crate) code: AdmitCode,
    pub(crate) instead: Option<Decimal>,
}

impl NumberRefused {
    const fn new(code: AdmitCode) -> Self {
        Self { code, instead: None }
    }
}

impl Written<'_> {
    /// The number, if every reader takes it for the same one.
    pub(crate) fn exact(&self) -> Result<Decimal, NumberRefused> {
        let (decimal, complete) = self.decimal();
        let literal = self.fraction.is_empty() && matches!(self.exponent, Exponent::Absent);
        if literal && !decimal.is_safe_integer() {
            return Err(NumberRefused::new(AdmitCode::NumberUnsafeInteger));
        }
        // Up to 15 digits in the normal range no other decimal of 15 digits is nearer to the double.
        let short = complete && decimal.len <= 15 && (-306..=308).contains(&decimal.point);
        if decimal.len == 0 || short {
            return decimal.checked();
        }
        let nearest = self.nearest()?.checked()?;
        if complete && nearest == decimal {
            return Ok(decimal);
        }
        Err(NumberRefused {
            code: AdmitCode::NumberNotExact,
            instead: Some(nearest),
        })
    }

    /// The double nearest to the number, as its shortest text.
    pub(crate) fn nearest(&self) -> Result<Decimal, NumberRefused> {
        std::str::from_utf8(self.text)
            .ok()
            .and_then(|text| text.parse().ok())
            .and_then(Decimal::shortest)
            .ok_or(NumberRefused::new(AdmitCode::NumberOutOfRange))
    }

    /// The number by its digits; `false` if it has more of them than any canonical number, and the later ones are lost.
    fn decimal(&self) -> (Decimal, bool) {
        let (mut significand, mut len, mut complete) = (0_u64, 0_usize, true);
        let (mut leading, mut zeros) = (0_usize, 0_usize);
        for digit in self.integer.iter().chain(self.fraction) {
            if *digit != b'0' {
                let longer = len.wrapping_add(zeros).wrapping_add(1);
                if longer > MAX_DIGITS {
                    complete = false;
                    break;
                }
                // At most 17 digits fit in 64 bits.
                for _ in 0..=zeros {
                    significand = significand.wrapping_mul(10);
                }
                significand = significand.wrapping_add(u64::from(digit & 15));
                (len, zeros) = (longer, 0);
            } else if len == 0 {
                leading = leading.wrapping_add(1);
            } else {
                zeros = zeros.wrapping_add(1);
            }
        }
        if len == 0 {
            return (
                Decimal {
                    negative: false,
                    significand: 0,
                    len: 0,
                    point: 0,
                },
                true,
            );
        }
        let signed = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let point = signed(self.integer.len())
            .saturating_sub(signed(leading))
            .saturating_add(self.exponent.value());
        (
            Decimal {
                negative: self.negative,
                significand,
                len: signed(len),
                point,
            },
            complete,
        )
    }
}

impl Exponent<'_> {
    fn value(&self) -> i64 {
        let magnitude = |digits: &[u8]| {
            digits.iter().fold(0_i64, |value, digit| {
                value
                    .saturating_mul(10)
                    .saturating_add(i64::from(digit & 15))
                    .min(EXPONENT_CEILING)
            })
        };
        match self {
            Self::Absent => 0,
            Self::Positive(digits) => magnitude(digits),
            Self::Negative(digits) => magnitude(digits).saturating_neg(),
        }
    }
}

impl Decimal {
    /// The shortest decimal that is nearest to no other double; `None` for infinities and NaN.
    pub(crate) fn shortest(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        let mut buffer = zmij::Buffer::new();
        let text = buffer.format_finite(value).as_bytes();
        let (negative, text) = text.strip_prefix(b"-").map_or((false, text), |text| (true, text));
        let mantissa_len = text.iter().position(|byte| *byte == b'e').unwrap_or(text.len());
        let (mantissa, exponent) = text.split_at_checked(mantissa_len)?;
        let integer_len = mantissa.iter().position(|byte| *byte == b'.').unwrap_or(mantissa.len());
        let (integer, fraction) = mantissa.split_at_checked(integer_len)?;
        let exponent = match exponent {
            [b'e', b'-', digits @ ..] => Exponent::Negative(digits),
            [b'e', b'+', digits @ ..] | [b'e', digits @ ..] => Exponent::Positive(digits),
            _ => Exponent::Absent,
        };
        let fraction = fraction.strip_prefix(b".").unwrap_or_default();
        let (decimal, complete) = Written {
            text,
            negative,
            integer,
            fraction,
            exponent,
        }
        .decimal();
        complete.then_some(decimal)
    }

    /// False for an integer outside of ±(2^53−1), wherever its text would have a point or an exponent.
    fn is_safe_integer(&self) -> bool {
        match self.point {
            ..=15 => true,
            // Shorter significands have zeros to follow.
            16 => {
                (self.len..16).fold(self.significand, |value, _| value.saturating_mul(10)) <= MAX_SAFE_INTEGER
                    || self.len > 16
            }
            _ => false,
        }
    }

    /// Refuses the number if its canonical text is an integer literal outside of ±(2^53−1).
    pub(crate) fn checked(self) -> Result<Self, NumberRefused> {
        let literal = self.len <= self.point && self.point <= 21;
        if literal && !self.is_safe_integer() {
            return Err(NumberRefused::new(AdmitCode::NumberUnsafeInteger));
        }
        Ok(self)
    }

    /// Writes the canonical text: what ECMAScript's `Number::toString` says, with `len` and `point` as its k and n.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(self.significand).as_bytes();
        if self.significand == 0 {
            out.push(b'0');
            return;
        }
        if self.negative {
            out.push(b'-');
        }
        let zeros = |out: &mut Vec<u8>, count: i64| out.extend((0..count).map(|_| b'0'));
        match usize::try_from(self.point).ok().filter(|point| *point > 0) {
            Some(point) if point <= 21 => match digits.split_at_checked(point) {
                Some((integer, fraction)) => {
                    out.extend_from_slice(integer);
                    if !fraction.is_empty() {
                        out.push(b'.');
                        out.extend_from_slice(fraction);
                    }
                }
                None => {
                    out.extend_from_slice(digits);
                    zeros(out, self.point.saturating_sub(self.len));
                }
            },
            None if self.point > -6 => {
                out.extend_from_slice(b"0.");
                zeros(out, self.point.saturating_neg());
                out.extend_from_slice(digits);
            }
            _ => {
                let (first, others) = digits.split_at_checked(1).unwrap_or_default();
                out.extend_from_slice(first);
                if !others.is_empty() {
                    out.push(b'.');
                    out.extend_from_slice(others);
                }
                let exponent = self.point.saturating_sub(1);
                out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
                out.extend_from_slice(itoa::Buffer::new().format(exponent.unsigned_abs()).as_bytes());
            }
        }
    }

    /// The canonical text on its own.
    pub(crate) fn to_text(self) -> Vec<u8> {
        let mut text = Vec::with_capacity(25);
        self.write(&mut text);
        text
    }
}
