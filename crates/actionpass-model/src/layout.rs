//! Reading JSON in the one layout that we write ourselves: members in the order of the schema, no white space.
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
        let end = inner.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F))?;
        let (text, rest) = inner.split_at_checked(end)?;
        self.0 = rest.strip_prefix('"')?;
        Some(text)
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
