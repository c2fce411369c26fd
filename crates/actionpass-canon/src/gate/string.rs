//! Strings: RFC 8259 in, RFC 8785 out.

use super::Gate;
use crate::text::{canonical_char, plain_run};
use crate::{AdmitCode, AdmitError};

/// What a string turned out to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text {
    /// It is spelled otherwise in the output.
    pub(super) rewritten: bool,
    /// ASCII without escapes. `false` says nothing.
    pub(super) simple: bool,
}

impl Gate<'_> {
    /// Reads a string from its opening quote on.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Text, AdmitError> {
        let quote = self.pos;
        self.advance(1);
        let run = plain_run(self.raw.get(self.pos..).unwrap_or_default());
        self.advance(run.len);
        if run.ascii && self.peek() == Some(b'"') {
            self.advance(1);
            return Ok(Text {
                rewritten: false,
                simple: true,
            });
        }
        self.rest_of_string(quote, run.ascii)
    }

    fn rest_of_string(&mut self, quote: usize, mut ascii: bool) -> Result<Text, AdmitError> {
        let mut rewritten = false;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => rewritten |= self.escape()?,
                Some(_) => return Err(self.refuse(AdmitCode::ControlCharacter, self.pos)),
                None => return Err(self.unexpected()),
            }
            let run = plain_run(self.raw.get(self.pos..).unwrap_or_default());
            self.advance(run.len);
            ascii &= run.ascii;
        }
        if !ascii && std::str::from_utf8(self.raw.get(quote..self.pos).unwrap_or_default()).is_err() {
            return Err(self.refuse(AdmitCode::InvalidUtf8, self.pos));
        }
        self.advance(1);
        Ok(Text {
            rewritten,
            simple: false,
        })
    }

    /// Reads an escape; `true` if it is spelled otherwise in the output.
    fn escape(&mut self) -> Result<bool, AdmitError> {
        let rest = self.raw.get(self.pos..).unwrap_or_default();
        match rest.get(1) {
            Some(b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.advance(2);
                Ok(false)
            }
            Some(b'/') => {
                self.replace(2, b"/");
                Ok(true)
            }
            Some(b'u') => {
                let (character, len) = self.unicode_escape(rest)?;
                let mut buffer = [0; 6];
                let canonical = canonical_char(character, &mut buffer);
                if rest.get(..len) == Some(canonical) {
                    self.advance(len);
                    return Ok(false);
                }
                self.replace(len, canonical);
                Ok(true)
            }
            Some(_) => Err(self.refuse(AdmitCode::InvalidEscape, self.pos)),
            None => Err(self.refuse(AdmitCode::JsonTruncated, self.raw.len())),
        }
    }

    /// The character that `\u…` at the start of `rest` means, and how long that is; two of them for a pair.
    fn unicode_escape(&self, rest: &[u8]) -> Result<(char, usize), AdmitError> {
        let Some(unit) = code_unit(rest) else {
            // Hexadecimal digits up to the end of the input: the rest is missing, not wrong.
            let digits = rest.get(2..).unwrap_or_default();
            return Err(if digits.len() < 4 && digits.iter().all(u8::is_ascii_hexdigit) {
                self.refuse(AdmitCode::JsonTruncated, self.raw.len())
            } else {
                self.refuse(AdmitCode::InvalidEscape, self.pos)
            });
        };
        if let Some(character) = char::from_u32(unit) {
            return Ok((character, 6));
        }
        let low = rest
            .get(6..)
            .and_then(code_unit)
            .filter(|low| (0xDC00..=0xDFFF).contains(low));
        match low {
            Some(low) if unit < 0xDC00 => {
                let code = ((unit & 0x3FF) << 10 | (low & 0x3FF)).wrapping_add(0x1_0000);
                char::from_u32(code)
                    .map(|character| (character, 12))
                    .ok_or_else(|| self.lone_surrogate())
            }
            _ => Err(self.lone_surrogate()),
        }
    }

    #[cold]
    fn lone_surrogate(&self) -> AdmitError {
        self.refuse(AdmitCode::LoneSurrogate, self.pos)
    }
}

/// The code unit of a `\uXXXX` at the start of `bytes`.
fn code_unit(bytes: &[u8]) -> Option<u32> {
    let [b'\\', b'u', digits @ ..] = bytes else { return None };
    let digits = digits.first_chunk::<4>()?;
    digits
        .iter()
        .try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
}
