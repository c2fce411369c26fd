//! JSON as it is written: members and values as slices of the text, so that what is passed on keeps its spelling.
//!
//! INVARIANT: what is read here was read by a parser before and is JSON. Of other text these functions give something, and never
//! panic.

use std::borrow::Cow;

use serde::de::IgnoredAny;

/// What the members of `_meta` that are ActionPass's own begin with.
pub(crate) const OWN_PREFIX: &str = "dev.actionpass/";

/// How deep a server's message may nest.
pub(crate) const MAX_DEPTH: usize = 128;

/// A member of an object: slices of its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member<'a> {
    /// The name with its quotes, as it is written.
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
}

impl<'a> Member<'a> {
    /// The name; `None` if it is no Unicode.
    pub(crate) fn name(&self) -> Option<Cow<'a, str>> {
        text(self.name)
    }

    pub(crate) fn is_named(&self, name: &str) -> bool {
        match self.name {
            [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => inner == name.as_bytes(),
            _ => self.name().as_deref() == Some(name),
        }
    }
}

/// The text without white space around it.
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let start = text.iter().position(|byte| !is_space(byte)).unwrap_or(text.len());
    let end = text
        .iter()
        .rposition(|byte| !is_space(byte))
        .map_or(start, |at| at.saturating_add(1));
    text.get(start..end).unwrap_or_default()
}

/// Whether the bytes are a JSON object, of UTF-8, no deeper than [`MAX_DEPTH`]. (Texts may have halves of surrogate pairs, which
/// real servers cut texts into.)
pub(crate) fn is_object(text: &[u8]) -> bool {
    text.first() == Some(&b'{')
        && std::str::from_utf8(text).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
        && depth(text) <= MAX_DEPTH
}

/// How deep a value nests.
fn depth(text: &[u8]) -> usize {
    let (mut open, mut deepest) = (0_usize, 0_usize);
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = match first {
            b'"' => split_string(rest).map_or(&[][..], |(_, after)| after),
            b'{' | b'[' => {
                open = open.saturating_add(1);
                deepest = deepest.max(open);
                after
            }
            b'}' | b']' => {
                open = open.saturating_sub(1);
                after
            }
            _ => after,
        };
    }
    deepest
}

/// The members of an object, in the order in which they are written; none if it is no object.
pub(crate) fn members(object: &[u8]) -> Members<'_> {
    Members {
        rest: object.strip_prefix(b"{").unwrap_or_default(),
    }
}

/// The value of the first member of that name.
pub(crate) fn member<'a>(object: &'a [u8], name: &str) -> Option<&'a [u8]> {
    members(object)
        .find(|member| member.is_named(name))
        .map(|member| member.value)
}

/// The elements of an array; none if it is no array.
pub(crate) fn elements(array: &[u8]) -> Elements<'_> {
    Elements {
        rest: array.strip_prefix(b"[").unwrap_or_default(),
    }
}

/// The text of a string.
pub(crate) fn text(string: &[u8]) -> Option<Cow<'_, str>> {
    match string {
        [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => std::str::from_utf8(inner).ok().map(Cow::Borrowed),
        [b'"', ..] => serde_json::from_slice(string).ok().map(Cow::Owned),
        _ => None,
    }
}

/// Whether an object has a name twice, or one that is no Unicode.
pub(crate) fn is_ambiguous(object: &[u8]) -> bool {
    let mut names = std::collections::HashSet::new();
    members(object).any(|member| member.name().is_none_or(|name| !names.insert(name)))
}

/// What [`members`] gives.
#[derive(Clone, Debug)]
pub(crate) struct Members<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    fn next(&mut self) -> Option<Member<'a>> {
        let start = skip(self.rest, b",");
        let (name, rest) = split_string(start)?;
        let (value, rest) = split_value(skip(rest, b":"))?;
        self.rest = rest;
        Some(Member { name, value })
    }
}

/// What [`elements`] gives.
#[derive(Clone, Debug)]
pub(crate) struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (value, rest) = split_value(skip(self.rest, b","))?;
        self.rest = rest;
        Some(value)
    }
}

/// What follows white space and these separators.
fn skip<'a>(text: &'a [u8], separators: &[u8]) -> &'a [u8] {
    let is_skipped = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r') || separators.contains(byte);
    let at = text.iter().position(|byte| !is_skipped(byte)).unwrap_or(text.len());
    text.get(at..).unwrap_or_default()
}

/// A string at the start, quotes included, and what follows it.
fn split_string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    text.strip_prefix(b"\"")?;
    let mut at = 1_usize;
    loop {
        at = at.saturating_add(memchr::memchr2(b'"', b'\\', text.get(at..)?)?);
        match text.get(at)? {
            b'"' => return text.split_at_checked(at.saturating_add(1)),
            _ => at = at.saturating_add(2),
        }
    }
}

/// A value at the start, and what follows it.
fn split_value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    match text.first()? {
        b'"' => split_string(text),
        b'{' | b'[' => {
            let mut open = 0_usize;
            let mut rest = text;
            loop {
                let (first, after) = rest.split_first()?;
                rest = match first {
                    b'"' => split_string(rest)?.1,
                    b'{' | b'[' => {
                        open = open.saturating_add(1);
                        after
                    }
                    b'}' | b']' => {
                        open = open.saturating_sub(1);
                        after
                    }
                    _ => after,
                };
                if open == 0 {
                    return text.split_at_checked(text.len().saturating_sub(rest.len()));
                }
            }
        }
        _ => {
            let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
            let end = text.iter().position(|byte| !is_part(byte)).unwrap_or(text.len());
            (end > 0).then(|| text.split_at_checked(end)).flatten()
        }
    }
}

/// Writes an object, member by member.
#[derive(Debug)]
pub(crate) struct ObjectWriter {
    out: Vec<u8>,
}

impl ObjectWriter {
    pub(crate) fn new() -> Self {
        Self { out: vec![b'{'] }
    }

    /// Adds a member whose value is this JSON. The name needs no escapes.
    pub(crate) fn member(mut self, name: &str, value: &[u8]) -> Self {
        self.start();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        push_compact(&mut self.out, value);
        self
    }

    /// Adds a member if there is one.
    pub(crate) fn optional(self, name: &str, value: Option<&[u8]>) -> Self {
        match value {
            Some(value) => self.member(name, value),
            None => self,
        }
    }

    /// Adds a member as it is written.
    pub(crate) fn copy(mut self, member: &Member<'_>) -> Self {
        self.start();
        self.out.extend_from_slice(member.name);
        self.out.push(b':');
        push_compact(&mut self.out, member.value);
        self
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.out.push(b'}');
        self.out
    }

    fn start(&mut self) {
        if self.out.len() > 1 {
            self.out.push(b',');
        }
    }
}

/// A text as JSON.
pub(crate) fn quoted(text: &str) -> Vec<u8> {
    serde_json::to_vec(text).unwrap_or_default()
}

/// Adds a value without white space between its parts: what is written on one line has no line breaks.
pub(crate) fn push_compact(out: &mut Vec<u8>, value: &[u8]) {
    let mut rest = value;
    let is_stop = |byte: &u8| matches!(byte, b'"' | b' ' | b'\t' | b'\n' | b'\r');
    while let Some(at) = rest.iter().position(is_stop) {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(before);
        rest = match split_string(from) {
            Some((string, after)) => {
                out.extend_from_slice(string);
                after
            }
            None => from.get(1..).unwrap_or_default(),
        };
    }
    out.extend_from_slice(rest);
}

/// A message of a server without the members of any `_meta` that are ActionPass's own.
pub(crate) fn without_own(message: &[u8]) -> Cow<'_, [u8]> {
    // A name that isn't written plainly has an escape.
    if memchr::memmem::find(message, b"actionpass").is_none() && memchr::memmem::find(message, b"\\u").is_none() {
        return Cow::Borrowed(message);
    }
    let mut out = Vec::with_capacity(message.len());
    copy_without_own(&mut out, message, false);
    Cow::Owned(out)
}

/// Recursion is bounded: [`is_object`] refuses what nests deeper than [`MAX_DEPTH`].
fn copy_without_own(out: &mut Vec<u8>, value: &[u8], is_meta: bool) {
    let mut separator: &[u8] = b"";
    match value.first() {
        Some(b'{') => {
            out.push(b'{');
            for member in members(value) {
                if is_meta && member.name().is_some_and(|name| name.starts_with(OWN_PREFIX)) {
                    continue;
                }
                out.extend_from_slice(separator);
                out.extend_from_slice(member.name);
                out.push(b':');
                copy_without_own(out, member.value, member.is_named("_meta"));
                separator = b",";
            }
            out.push(b'}');
        }
        Some(b'[') => {
            out.push(b'[');
            for element in elements(value) {
                out.extend_from_slice(separator);
                copy_without_own(out, element, false);
                separator = b",";
            }
            out.push(b']');
        }
        _ => out.extend_from_slice(value),
    }
}

#[cfg(test)]
mod tests;
