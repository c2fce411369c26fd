//! JSON in the one layout that we write ourselves: members in a known order, no white space. [`Layout`] reads it,
//! [`Written`] writes it.
//!
//! A verifier spends a good part of its time beside the signature on reading claims. Claims that this project wrote
//! stand in a known order, so a [`Layout`] expects each byte instead of looking names up. Whatever looks different, by
//! another writer or by an attacker, is not judged here: it goes to the strict reader, which decides alone. So this
//! reader may give up at any time, and must never read anything otherwise than the strict one; a proptest beside the
//! claims holds that.

/// The rest of a text that is expected to be in our layout. Every method gives up by `None`.
pub(crate) struct Layout<'a>(&'a str);

impl<'a> Layout<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// Exactly these bytes.
    pub(crate) fn expect(&mut self, literal: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(literal)?;
        Some(())
    }

    /// These bytes, or nothing.
    pub(crate) fn has(&mut self, literal: &str) -> bool {
        self.expect(literal).is_some()
    }

    /// A string without escapes, read into a checked type.
    pub(crate) fn text<T>(&mut self, parse: impl FnOnce(&str) -> Result<T, crate::TextError>) -> Option<T> {
        parse(self.plain()?).ok()
    }

    /// A string without escapes.
    pub(crate) fn plain(&mut self) -> Option<&'a str> {
        let inner = self.0.strip_prefix('"')?;
        let (text, rest) = inner.split_at_checked(plain_bytes(inner.as_bytes())?)?;
        self.0 = rest.strip_prefix('"')?;
        Some(text)
    }

    /// A string, whatever is in it.
    pub(crate) fn string(&mut self) -> Option<String> {
        if let Some(text) = self.plain() {
            return Some(text.to_owned());
        }
        let mut strings = serde_json::Deserializer::from_str(self.0).into_iter::<String>();
        let text = strings.next()?.ok()?;
        self.0 = self.0.get(strings.byte_offset()..)?;
        Some(text)
    }

    /// As much as `measure` says that a value takes.
    pub(crate) fn value(&mut self, measure: impl FnOnce(&'a str) -> Option<usize>) -> Option<&'a str> {
        let (value, rest) = self.0.split_at_checked(measure(self.0)?)?;
        self.0 = rest;
        Some(value)
    }

    /// A number of seconds: digits without a leading zero.
    pub(crate) fn seconds(&mut self) -> Option<crate::UnixSeconds> {
        let end = self.0.bytes().position(|byte| !byte.is_ascii_digit())?;
        let (digits, rest) = self.0.split_at_checked(end)?;
        if end > 1 && digits.starts_with('0') {
            return None;
        }
        self.0 = rest;
        crate::UnixSeconds::new(digits.parse().ok()?)
    }

    /// An array.
    pub(crate) fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut items = Vec::new();
        self.expect("[")?;
        if self.has("]") {
            return Some(items);
        }
        loop {
            items.push(item(self)?);
            if self.has("]") {
                return Some(items);
            }
            self.expect(",")?;
        }
    }

    /// Nothing more.
    pub(crate) const fn end(&self) -> Option<()> {
        if self.0.is_empty() { Some(()) } else { None }
    }
}

/// A text that is being written in our layout.
///
/// Its methods are called a few dozen times for one text. They stay functions of their own: beside a signature, what
/// code costs is mostly to fetch it.
pub(crate) struct Written(Vec<u8>);

impl Written {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Exactly these bytes.
    #[inline(never)]
    pub(crate) fn literal(&mut self, literal: &str) {
        self.0.extend_from_slice(literal.as_bytes());
    }

    /// A string, and what stands before it.
    #[inline(never)]
    pub(crate) fn text(&mut self, before: &str, text: &str) -> serde_json::Result<()> {
        if text.bytes().fold(false, |found, byte| found | is_special(byte)) {
            return self.json(before, text);
        }
        self.0
            .reserve(before.len().saturating_add(text.len()).saturating_add(2));
        self.0.extend_from_slice(before.as_bytes());
        self.0.push(b'"');
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(b'"');
        Ok(())
    }

    /// A digest, and what stands before it.
    #[inline(never)]
    pub(crate) fn digest(&mut self, before: &str, digest: crate::Digest) {
        self.0.extend_from_slice(before.as_bytes());
        self.0.push(b'"');
        self.0.extend_from_slice(&digest.to_text());
        self.0.push(b'"');
    }

    /// Anything, as `serde_json` writes it, and what stands before it.
    pub(crate) fn json<T: serde::Serialize + ?Sized>(&mut self, before: &str, value: &T) -> serde_json::Result<()> {
        self.literal(before);
        serde_json::to_writer(&mut self.0, value)
    }

    /// An array.
    pub(crate) fn list<T>(
        &mut self,
        items: &[T],
        mut write: impl FnMut(&mut Self, &T) -> serde_json::Result<()>,
    ) -> serde_json::Result<()> {
        self.0.push(b'[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.0.push(b',');
            }
            write(self, item)?;
        }
        self.0.push(b']');
        Ok(())
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// How many bytes there are up to the first that ends or interrupts a plain string; `None` if there is none such.
fn plain_bytes(bytes: &[u8]) -> Option<usize> {
    const fn all(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; 8])
    }
    // Eight bytes at a time: the high bit of each that is special, and perhaps of some behind it, since a borrow runs
    // upwards only.
    const fn specials(word: u64) -> u64 {
        let (quote, backslash) = (word ^ all(b'"'), word ^ all(b'\\'));
        let marks = (quote.wrapping_sub(all(1)) & !quote)
            | (backslash.wrapping_sub(all(1)) & !backslash)
            | (word.wrapping_sub(all(b' ')) & !word);
        marks & all(0x80)
    }
    let mut len = 0_usize;
    loop {
        let rest = bytes.get(len..)?;
        let Some(word) = rest.first_chunk::<8>() else {
            return Some(len.saturating_add(rest.iter().position(|byte| is_special(*byte))?));
        };
        let found = specials(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(len.saturating_add((found.trailing_zeros() >> 3) as usize));
        }
        len = len.saturating_add(8);
    }
}

const fn is_special(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..=0x1F)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_strings_end_at_the_first_special_byte_wherever_it_is() {
        for special in (0..0x20).chain([b'"', b'\\']) {
            for len in 0..40 {
                for fill in [b'a', b' ', b'!', b'#', b'[', b']', 0x7F, 0x80, 0xFF] {
                    let mut bytes = vec![fill; len];
                    assert_eq!(plain_bytes(&bytes), None);
                    for behind in [0, 1, 9] {
                        bytes.truncate(len);
                        bytes.push(special);
                        bytes.resize(len + 1 + behind, special ^ 1);
                        assert_eq!(plain_bytes(&bytes), Some(len), "{special} after {len} of {fill}");
                    }
                }
            }
        }
    }
}
