//! Strings: RFC 8259 in, RFC 8785 out.

use super::{Gate, Refused};
use crate::AdmitCode;
use crate::text::{canonical_char, plain_run, short_simple};

/// What a string turned out to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text {
    /// It is spelled otherwise in the output.
    pub(super) rewritten: bool,
    /// ASCII without escapes. `false` says nothing.
    pub(super) simple: bool,
}

/// The length from which on a string is copied as soon as it is read.
const COPIED_AT_ONCE: usize = 2048;

impl Gate<'_> {
    /// Reads a string from its opening quote on.
    #[inline(always)]
    pub(super) fn string(&mut self) -> Result<Text, Refused> {
        self.advance(1);
        match short_simple(self.raw.get(self.pos..).unwrap_or_default()) {
            Some(len) => {
                self.advance(len.wrapping_add(1));
                Ok(Text {
                    rewritten: false,
                    simple: true,
                })
            }
            None => self.any_string(),
        }
    }

    #[inline(never)]
    fn any_string(&mut self) -> Result<Text, Refused> {
        let start = self.pos;
        let (mut ascii, mut simple, mut rewritten) = (true, true, false);
        loop {
            let run = plain_run(self.raw.get(self.pos..).unwrap_or_default());
            self.advance(run.len);
            ascii &= run.ascii;
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    simple = false;
                    rewritten |= self.escape()?;
                }
                Some(_) => return Err(self.refuse(AdmitCode::ControlCharacter, self.pos)),
                None => return Err(self.unexpected()),
            }
        }
        if !ascii && simdutf8::basic::from_utf8(self.raw.get(start..self.pos).unwrap_or_default()).is_err() {
            return Err(self.refuse(AdmitCode::InvalidUtf8, self.pos));
        }
        self.advance(1);
        // A long string is copied while it is still in the nearest cache, not only when something has to be.
        if self.pos.wrapping_sub(start) >= COPIED_AT_ONCE {
            self.flush();
        }
        Ok(Text {
            rewritten,
            simple: simple && ascii,
        })
    }

    /// Reads an escape; `true` if it is spelled otherwise in the output.
    fn escape(&mut self) -> Result<bool, Refused> {
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
    fn unicode_escape(&self, rest: &[u8]) -> Result<(char, usize), Refused> {
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
    fn lone_surrogate(&self) -> Refused {
        self.refuse(AdmitCode::LoneSurrogate, self.pos)
    }
}

/// The code unit of a `\uXXXX` at the start of `bytes`.
fn code_unit(bytes: &[u8]) -> Option<u32> {
    let [b'\\', b'u', a, b, c, d, ..] = bytes else {
        return None;
    };
    Some(hex_digit(*a)? << 12 | hex_digit(*b)? << 8 | hex_digit(*c)? << 4 | hex_digit(*d)?)
}

const fn hex_digit(byte: u8) -> Option<u32> {
    match byte {
        b'0'..=b'9' => Some((byte & 15) as u32),
        b'a'..=b'f' | b'A'..=b'F' => Some(((byte & 15) as u32).wrapping_add(9)),
        _ => None,
    }
}
