//! From text to values with their places.

use super::{Dialect, JsonError, Kind, Member, Node};

/// How deep values may be nested.
const MAX_DEPTH: usize = 64;

/// Reads a whole document, with or without a byte order mark.
pub(super) fn document(text: &str, dialect: Dialect) -> Result<Node, JsonError> {
    let mut scanner = Scanner {
        text,
        at: if text.starts_with('\u{feff}') { 3 } else { 0 },
        dialect,
    };
    scanner.blanks()?;
    let node = scanner.value(0)?;
    scanner.blanks()?;
    match scanner.peek() {
        None => Ok(node),
        Some(_) => Err(scanner.refused("there is more behind the value")),
    }
}

/// Where blanks and comments from here on end, and where the last comment among them does.
pub(super) fn blanks(text: &str, from: usize, dialect: Dialect) -> Result<(usize, Option<usize>), JsonError> {
    let mut scanner = Scanner {
        text,
        at: from,
        dialect,
    };
    let comment = scanner.blanks()?;
    Ok((scanner.at, comment))
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    dialect: Dialect,
}

impl Scanner<'_> {
    fn refused(&self, problem: &'static str) -> JsonError {
        JsonError { at: self.at, problem }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn step(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes).min(self.text.len());
    }

    fn takes(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.step(usize::from(is_there));
        is_there
    }

    fn expect(&mut self, byte: u8, problem: &'static str) -> Result<(), JsonError> {
        if self.takes(byte) {
            Ok(())
        } else {
            Err(self.refused(problem))
        }
    }

    /// Goes on behind blanks and comments; where the last comment ended.
    fn blanks(&mut self) -> Result<Option<usize>, JsonError> {
        let mut comment = None;
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\r' | b'\n') => self.step(1),
                Some(b'/') => {
                    self.comment()?;
                    comment = Some(self.at);
                }
                _ => return Ok(comment),
            }
        }
    }

    fn comment(&mut self) -> Result<(), JsonError> {
        if self.dialect == Dialect::Strict {
            return Err(self.refused("a comment, which this file may not have"));
        }
        let rest = self.rest();
        let length = if rest.starts_with("//") {
            Some(rest.find(['\n', '\r']).unwrap_or(rest.len()))
        } else if let Some(inner) = rest.strip_prefix("/*") {
            inner.find("*/").map(|end| end.saturating_add(4))
        } else {
            None
        };
        match length {
            Some(length) => self.step(length),
            None => return Err(self.refused("no comment, or one without an end")),
        }
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<Node, JsonError> {
        if depth > MAX_DEPTH {
            return Err(self.refused("values are nested too deep"));
        }
        let start = self.at;
        let kind = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Kind::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => self.word()?,
        };
        Ok(Node {
            span: start..self.at,
            kind,
        })
    }

    fn word(&mut self) -> Result<Kind, JsonError> {
        let words = [
            ("true", Kind::Bool(true)),
            ("false", Kind::Bool(false)),
            ("null", Kind::Null),
        ];
        let found = words.into_iter().find(|(word, _)| self.rest().starts_with(word));
        let (word, kind) = found.ok_or_else(|| self.refused("no value"))?;
        self.step(word.len());
        Ok(kind)
    }

    fn number(&mut self) -> Result<Kind, JsonError> {
        let rest = self.rest();
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let length = rest.bytes().take_while(|byte| is_part(byte)).count();
        let is_number = rest.get(..length).is_some_and(is_number);
        if !is_number {
            return Err(self.refused("no number"));
        }
        self.step(length);
        Ok(Kind::Number)
    }

    fn string(&mut self) -> Result<String, JsonError> {
        let rest = self.rest();
        let mut is_escaped = false;
        let end = rest.bytes().enumerate().skip(1).find(|(_, byte)| {
            let ends = *byte == b'"' && !is_escaped;
            is_escaped = *byte == b'\\' && !is_escaped;
            ends
        });
        let (end, _) = end.ok_or_else(|| self.refused("a string without an end"))?;
        let length = end.saturating_add(1);
        let literal = rest.get(..length).unwrap_or_default();
        let text = serde_json::from_str(literal).map_err(|_| self.refused("no string"))?;
        self.step(length);
        Ok(text)
    }

    fn object(&mut self, depth: usize) -> Result<Kind, JsonError> {
        self.step(1);
        let mut members = Vec::new();
        loop {
            self.blanks()?;
            let may_end = members.is_empty() || self.dialect == Dialect::Lenient;
            if may_end && self.takes(b'}') {
                return Ok(Kind::Object(members));
            }
            let start = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.refused("no name of a member"));
            }
            let name = self.string()?;
            self.blanks()?;
            self.expect(b':', "no `:` behind a name")?;
            self.blanks()?;
            let node = self.value(depth.saturating_add(1))?;
            members.push(Member { start, name, node });
            self.blanks()?;
            if self.takes(b'}') {
                return Ok(Kind::Object(members));
            }
            self.expect(b',', "neither `,` nor `}` behind a member")?;
        }
    }

    fn list(&mut self, depth: usize) -> Result<Kind, JsonError> {
        self.step(1);
        let mut items = Vec::new();
        loop {
            self.blanks()?;
            let may_end = items.is_empty() || self.dialect == Dialect::Lenient;
            if may_end && self.takes(b']') {
                return Ok(Kind::List(items));
            }
            items.push(self.value(depth.saturating_add(1))?);
            self.blanks()?;
            if self.takes(b']') {
                return Ok(Kind::List(items));
            }
            self.expect(b',', "neither `,` nor `]` behind an item")?;
        }
    }
}

/// Whether the text is a number of JSON, whatever its size.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (number, None),
    };
    let has_exponent = exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)));
    digits(whole) && (whole == "0" || !whole.starts_with('0')) && fraction.is_none_or(digits) && has_exponent
}
