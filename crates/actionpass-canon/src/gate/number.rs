//! Numbers: read by their digits; only those of 16 or 17 digits are ever converted.

use super::{Gate, Numbers, Refused};
use crate::number::{Decimal, Exponent, NumberRefused, Written};
use crate::{AdmitCode, AdmitError};

impl<'a> Gate<'a> {
    /// Reads a number from its first byte on.
    #[inline]
    pub(super) fn number(&mut self) -> Result<(), Refused> {
        let start = self.pos;
        let negative = self.peek() == Some(b'-');
        if negative {
            self.advance(1);
        }
        let integer = self.digits()?;
        if integer.first() == Some(&b'0') && integer.len() > 1 {
            let second = self.pos.wrapping_sub(integer.len()).wrapping_add(1);
            return Err(self.unexpected_as(AdmitCode::NumberMalformed, second));
        }
        match self.peek() {
            Some(b'.') => {
                self.advance(1);
                let fraction = self.digits()?;
                if !matches!(self.peek(), Some(b'e' | b'E')) {
                    let text = self.raw.get(start..self.pos).unwrap_or_default();
                    if is_canonical(text, integer, fraction) {
                        return Ok(());
                    }
                }
                self.slow_number(start, negative, integer, fraction)
            }
            Some(b'e' | b'E') => self.slow_number(start, negative, integer, &[]),
            _ if integer.len() <= 15 && !(negative && integer == b"0") => Ok(()),
            _ => self.slow_number(start, negative, integer, &[]),
        }
    }

    /// Reads one digit or more.
    #[inline]
    fn digits(&mut self) -> Result<&'a [u8], Refused> {
        let rest = self.raw.get(self.pos..).unwrap_or_default();
        let len = rest
            .iter()
            .position(|byte| !byte.is_ascii_digit())
            .unwrap_or(rest.len());
        self.advance(len);
        match rest.get(..len) {
            Some(digits) if !digits.is_empty() => Ok(digits),
            _ => Err(self.unexpected_as(AdmitCode::NumberMalformed, self.pos)),
        }
    }

    /// Reads the exponent if there is one, judges the number, and writes its canonical text.
    fn slow_number(
        &mut self,
        start: usize,
        negative: bool,
        integer: &'a [u8],
        fraction: &'a [u8],
    ) -> Result<(), Refused> {
        let exponent = self.exponent()?;
        let text = self.raw.get(start..self.pos).unwrap_or_default();
        let written = Written {
            text,
            negative,
            integer,
            fraction,
            exponent,
        };
        let decimal = match self.numbers {
            Numbers::Exact => written.exact(),
            Numbers::Rounded => written.nearest(),
        };
        let decimal = decimal.map_err(|refused| refusal(&refused, start))?;
        self.pos = start;
        self.flush();
        decimal.write(&mut self.out);
        self.advance(text.len());
        self.kept = self.pos;
        Ok(())
    }

    fn exponent(&mut self) -> Result<Exponent<'a>, Refused> {
        if !matches!(self.peek(), Some(b'e' | b'E')) {
            return Ok(Exponent::Absent);
        }
        self.advance(1);
        let sign = self.peek();
        if matches!(sign, Some(b'+' | b'-')) {
            self.advance(1);
        }
        let digits = self.digits()?;
        Ok(if sign == Some(b'-') {
            Exponent::Negative(digits)
        } else {
            Exponent::Positive(digits)
        })
    }
}

/// Whether a number with a point and without an exponent is canonical as it stands: nothing is superfluous, and it is
/// the shortest text of its double, which up to 15 digits always are. Very small ones are written otherwise.
#[inline]
fn is_canonical(text: &[u8], integer: &[u8], fraction: &[u8]) -> bool {
    if fraction.last() == Some(&b'0') || (integer == b"0" && fraction.starts_with(b"000000")) {
        return false;
    }
    integer.len().saturating_add(fraction.len()) <= 15 || is_shortest(text)
}

fn is_shortest(text: &[u8]) -> bool {
    let value = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
    value.is_some_and(|value| value.is_finite() && zmij::Buffer::new().format_finite(value).as_bytes() == text)
}

#[cold]
fn refusal(refused: &NumberRefused, at: usize) -> Refused {
    let error = AdmitError::new(refused.code, at);
    match refused.instead.map(Decimal::to_text) {
        Some(text) => error.with_spelling(&text).into(),
        None => error.into(),
    }
}
