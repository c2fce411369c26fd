//! Parts of canonical bytes, without copying: members, elements, text.
//!
//! The canonical bytes of a part are a slice of the canonical bytes of the whole, so a member's value can be compared
//! or hashed where it stands.
//!
//! ```
//! use actionpass_canon::{Limits, admit, scan};
//!
//! let document = admit(br#"{"files":["a","b"],"repo":"web-app"}"#, &Limits::default())?;
//! let repo = scan::member(document.as_bytes(), "repo").and_then(scan::text);
//! assert_eq!(repo.as_deref(), Some("web-app"));
//!
//! let files = scan::member(document.as_bytes(), "files").unwrap();
//! let files: Result<Vec<_>, _> = scan::elements(files).unwrap().collect();
//! assert_eq!(files.unwrap(), [b"\"a\"", b"\"b\""]);
//! # Ok::<(), actionpass_canon::AdmitError>(())
//! ```
//!
//! Everything here trusts its input to be canonical, which bytes of [`CanonicalBytes`](crate::CanonicalBytes) are.
//! Given other bytes it answers something, `None` or [`NotCanonical`], and never panics; it is no parser.

use std::borrow::Cow;

use crate::text::plain_run;

/// The bytes are not those of a canonical document, or not all of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not canonical JSON")]
#[non_exhaustive]
pub struct NotCanonical;

/// A member of an object: slices of the object's bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Member<'a> {
    /// The name, a canonical string: [`text`] decodes it.
    pub name: &'a [u8],
    /// The value's canonical bytes.
    pub value: &'a [u8],
}

impl Member<'_> {
    /// Whether the decoded name is `name`. Only decodes if it must.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        match self.name {
            [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => inner == name.as_bytes(),
            _ => text(self.name).as_deref() == Some(name),
        }
    }
}

/// The members of an object, in canonical order; `None` if the bytes are no object.
#[must_use]
pub fn members(object: &[u8]) -> Option<Members<'_>> {
    match object {
        [b'{', rest @ ..] => Some(Members {
            parts: Parts {
                rest,
                first: true,
                close: b'}',
            },
        }),
        _ => None,
    }
}

/// The value of one member; `None` if the bytes are no object or have no such member.
#[must_use]
pub fn member<'a>(object: &'a [u8], name: &str) -> Option<&'a [u8]> {
    members(object)?
        .map_while(Result::ok)
        .find(|member| member.is_named(name))
        .map(|member| member.value)
}

/// The elements of an array, in order; `None` if the bytes are no array.
#[must_use]
pub fn elements(array: &[u8]) -> Option<Elements<'_>> {
    match array {
        [b'[', rest @ ..] => Some(Elements {
            parts: Parts {
                rest,
                first: true,
                close: b']',
            },
        }),
        _ => None,
    }
}

/// Every member name and every value that is neither object nor array, at any depth, in the order of the bytes: one pass
/// over the bytes, however deep they nest.
///
/// ```
/// use actionpass_canon::scan;
/// let found: Result<Vec<_>, _> = scan::scalars(br#"{"a":[1,{"b":"c"}]}"#).collect();
/// assert_eq!(found.unwrap(), [b"\"a\"".as_slice(), b"1", b"\"b\"", b"\"c\""]);
/// ```
#[must_use]
pub const fn scalars(value: &[u8]) -> Scalars<'_> {
    Scalars { rest: value }
}

/// What [`scalars`] gives: after an error, nothing more.
#[derive(Clone, Debug)]
pub struct Scalars<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Scalars<'a> {
    type Item = Result<&'a [u8], NotCanonical>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some((b'{' | b'}' | b'[' | b']' | b',' | b':', after)) = self.rest.split_first() {
            self.rest = after;
        }
        if self.rest.is_empty() {
            return None;
        }
        let (scalar, rest) = split_value(self.rest).unwrap_or_default();
        self.rest = rest;
        Some(if scalar.is_empty() {
            Err(NotCanonical)
        } else {
            Ok(scalar)
        })
    }
}

/// The text that a canonical string stands for; `None` if the bytes are no string. Borrowed if nothing is escaped.
#[must_use]
pub fn text(string: &[u8]) -> Option<Cow<'_, str>> {
    let [b'"', inner @ .., b'"'] = string else { return None };
    let inner = std::str::from_utf8(inner).ok()?;
    let Some((plain, mut rest)) = inner.split_once('\\') else {
        return (!inner.contains('"')).then_some(Cow::Borrowed(inner));
    };
    let mut text = String::with_capacity(inner.len());
    text.push_str(plain);
    loop {
        let mut escape = rest.chars();
        text.push(match escape.next()? {
            'b' => '\u{8}',
            't' => '\t',
            'n' => '\n',
            'f' => '\u{c}',
            'r' => '\r',
            same @ ('"' | '\\') => same,
            'u' => {
                let code = escape.as_str().get(..4)?;
                escape = escape.as_str().get(4..)?.chars();
                char::from_u32(u32::from_str_radix(code, 16).ok()?)?
            }
            _ => return None,
        });
        match escape.as_str().split_once('\\') {
            Some((plain, after)) => {
                text.push_str(plain);
                rest = after;
            }
            None => {
                text.push_str(escape.as_str());
                return Some(Cow::Owned(text));
            }
        }
    }
}

/// What [`members`] gives: after an error, nothing more.
#[derive(Clone, Debug)]
pub struct Members<'a> {
    parts: Parts<'a>,
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<Member<'a>, NotCanonical>;

    fn next(&mut self) -> Option<Self::Item> {
        self.parts.next(|rest| {
            let (name, rest) = split_string(rest)?;
            let (value, rest) = split_value(rest.strip_prefix(b":")?)?;
            Some((Member { name, value }, rest))
        })
    }
}

/// What [`elements`] gives: after an error, nothing more.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    parts: Parts<'a>,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<&'a [u8], NotCanonical>;

    fn next(&mut self) -> Option<Self::Item> {
        self.parts.next(split_value)
    }
}

/// What is left of an object or array.
#[derive(Clone, Debug)]
struct Parts<'a> {
    rest: &'a [u8],
    first: bool,
    close: u8,
}

impl<'a> Parts<'a> {
    fn next<T>(&mut self, read: impl FnOnce(&'a [u8]) -> Option<(T, &'a [u8])>) -> Option<Result<T, NotCanonical>> {
        let first = std::mem::take(&mut self.first);
        // Closed, or an error before: `close` is only found once, then `rest` is empty.
        let (head, after) = match (self.rest.split_first(), first) {
            (None, false) => return None,
            (None, true) => return Some(Err(NotCanonical)),
            (Some(parts), _) => parts,
        };
        let start = match (*head, first) {
            (close, _) if close == self.close => {
                self.rest = &[];
                return if after.is_empty() {
                    None
                } else {
                    Some(Err(NotCanonical))
                };
            }
            (_, true) => self.rest,
            (b',', false) => after,
            _ => &[],
        };
        let Some((part, rest)) = read(start).filter(|(_, rest)| !rest.is_empty()) else {
            self.rest = &[];
            return Some(Err(NotCanonical));
        };
        self.rest = rest;
        Some(Ok(part))
    }
}

/// A string at the start of the bytes, quotes included, and what follows it.
pub(crate) fn split_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut end = 1_usize;
    bytes.strip_prefix(b"\"")?;
    loop {
        end = end.saturating_add(plain_run(bytes.get(end..)?).len);
        match bytes.get(end)? {
            b'"' => return bytes.split_at_checked(end.saturating_add(1)),
            b'\\' => end = end.saturating_add(2),
            _ => return None,
        }
    }
}

/// A value at the start of the bytes and what follows it.
pub(crate) fn split_value(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    match bytes.first()? {
        b'"' => split_string(bytes),
        b'{' | b'[' => {
            let mut depth = 0_usize;
            let mut rest = bytes;
            loop {
                let (head, after) = rest.split_first()?;
                rest = after;
                match head {
                    b'"' => {
                        rest = split_string(bytes.get(bytes.len().saturating_sub(rest.len()).saturating_sub(1)..)?)?.1
                    }
                    b'{' | b'[' => depth = depth.saturating_add(1),
                    b'}' | b']' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                if depth == 0 {
                    return bytes.split_at_checked(bytes.len().saturating_sub(rest.len()));
                }
            }
        }
        _ => {
            let scalar = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
            let end = bytes.iter().position(|byte| !scalar(byte)).unwrap_or(bytes.len());
            (end > 0).then(|| bytes.split_at_checked(end)).flatten()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_members_and_elements() {
        let object = br#"{"":0,"a":[1,{"b":"]}"}],"\n":{},"q\"":"\"","z":null}"#;
        let found: Vec<_> = members(object).unwrap().map(Result::unwrap).collect();
        let values: Vec<_> = found
            .iter()
            .map(|member| std::str::from_utf8(member.value).unwrap())
            .collect();
        assert_eq!(values, ["0", r#"[1,{"b":"]}"}]"#, "{}", r#""\"""#, "null"]);
        assert_eq!(member(object, "\n"), Some(b"{}".as_slice()));
        assert_eq!(member(object, "q\""), Some(br#""\"""#.as_slice()));
        assert_eq!(member(object, "b"), None);
        let array: Vec<_> = elements(member(object, "a").unwrap())
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(array, [b"1".as_slice(), br#"{"b":"]}"}"#]);
        assert_eq!(members(b"{}").unwrap().count() + elements(b"[]").unwrap().count(), 0);
    }

    #[test]
    fn text_is_decoded() {
        assert!(matches!(text(br#""plain""#), Some(Cow::Borrowed("plain"))));
        assert_eq!(
            text(br#""\\\"\b\t\n\f\r\u001f\\u0041""#).unwrap(),
            "\\\"\u{8}\t\n\u{c}\r\u{1f}\\u0041"
        );
        for bad in [r#"""#, "", "1", r#""\""#, r#""\x""#, r#""\u00""#, r#""a"b""#] {
            assert_eq!(text(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn other_bytes_end_in_an_error_and_not_in_part_of_the_truth() {
        for bad in [
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":1,",
            "{\"a\":1,}",
            "{\"a\":1}x",
            "{a:1}",
            "{\"a\":[}",
            "{,",
            "{}}",
            "{\"a\"1}",
            "{\"a\\",
            "{\"a\":1;\"b\":2}",
        ] {
            let last = members(bad.as_bytes()).unwrap().take(5).last();
            assert_eq!(last, Some(Err(NotCanonical)), "{bad}");
        }
        assert!(members(b"[]").is_none() && elements(b"{}").is_none() && members(b"").is_none());
        assert_eq!(elements(b"[1,2").unwrap().last(), Some(Err(NotCanonical)));
    }
}
