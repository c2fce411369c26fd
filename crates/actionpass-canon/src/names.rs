//! Member names that some readers take for one: equal after case folding.
//!
//! Go's `encoding/json`, Jackson and others match members without regard to case, so `{"repo":…,"Repo":…}` is one
//! value to them and another to us. The gate admits such names; whoever authorizes asks here and refuses.

use std::borrow::Cow;

use crate::scan::{split_string, text};

/// Two names of one object that are equal after case folding.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Collision {
    /// The name that stands later in the canonical bytes.
    pub name: String,
    /// The one it collides with.
    pub other: String,
    /// Where `name` is in the canonical bytes: the offset of its opening quote.
    pub offset: usize,
}

/// The first two names of one object, at any depth, that are equal after [`fold`]; `None` if there are none.
///
/// The bytes have to be canonical. Of several collisions, the one in the object that is closed first.
///
/// ```
/// use actionpass_canon::{Limits, admit, names};
/// let payload = admit(br#"{"a":{"repo":1,"Repo":2}}"#, &Limits::default())?;
/// let collision = names::first_case_collision(payload.as_bytes()).unwrap();
/// assert_eq!((collision.other.as_str(), collision.name.as_str(), collision.offset), ("Repo", "repo", 15));
/// # Ok::<(), actionpass_canon::AdmitError>(())
/// ```
#[must_use]
pub fn first_case_collision(canonical: &[u8]) -> Option<Collision> {
    // Names without a capital, an escape or another script are as distinct as they were, and most payloads have no
    // other: that is found out without keeping anything.
    let mut rest = canonical;
    while let Some(at) = rest.iter().position(|byte| *byte == b'"') {
        let (string, after) = split_string(rest.get(at..)?)?;
        if after.first() == Some(&b':') && !string.iter().all(|byte| is_folded(*byte)) {
            return first_collision(canonical);
        }
        rest = after;
    }
    None
}

/// Whether a byte of a canonical name stays what it is, and so does whatever it is a part of.
const fn is_folded(byte: u8) -> bool {
    byte.is_ascii() && !byte.is_ascii_uppercase() && byte != b'\\'
}

/// The same, with every name kept and folded.
fn first_collision(canonical: &[u8]) -> Option<Collision> {
    let mut names = Names {
        canonical,
        folded: Vec::new(),
        names: Vec::new(),
    };
    let mut open = Vec::new();
    let mut rest = canonical;
    while let Some((head, after)) = rest.split_first() {
        match head {
            b'"' => {
                let at = canonical.len().saturating_sub(rest.len());
                let (string, after) = split_string(rest)?;
                // Canonical JSON has no white space: what a colon follows is a name.
                if after.first() == Some(&b':') {
                    names.add(at, string);
                }
                rest = after;
                continue;
            }
            b'{' => open.push((names.names.len(), names.folded.len())),
            b'}' => {
                let (first, folded) = open.pop()?;
                if let Some(collision) = names.collision(first) {
                    return Some(collision);
                }
                names.names.truncate(first);
                names.folded.truncate(folded);
            }
            _ => {}
        }
        rest = after;
    }
    None
}

/// A name as a reader that ignores case takes it.
///
/// Two names are equal here if they are equal under any of: full case folding (Unicode, `C` + `F`), simple case
/// folding (Go), upper-casing, lower-casing or both character by character (Java, C#, Python). So `K` is the Kelvin
/// sign, `ſ` is `s`, `ß` is `ss`, and the Turkish `İ` and `ı` are `i`.
///
/// ```
/// use actionpass_canon::names::fold;
/// assert_eq!(fold("Straße"), fold("STRASSE"));
/// assert_eq!(fold("\u{212A}ind"), "kind");
/// ```
#[must_use]
pub fn fold(name: &str) -> Cow<'_, str> {
    if name.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        return Cow::Borrowed(name);
    }
    if name.is_ascii() {
        return Cow::Owned(name.to_ascii_lowercase());
    }
    let lower = name.chars().flat_map(char::to_lowercase);
    let upper = lower.flat_map(char::to_uppercase);
    let mut folded = String::with_capacity(name.len());
    for character in upper.flat_map(char::to_lowercase) {
        // `İ` is an `i` with a dot above in one way of folding and an `i` in another.
        if !(character == '\u{307}' && folded.ends_with('i')) {
            folded.push(character);
        }
    }
    Cow::Owned(folded)
}

/// The names, so far, of all open objects.
struct Names<'a> {
    canonical: &'a [u8],
    folded: Vec<u8>,
    names: Vec<Name>,
}

#[derive(Clone, Copy)]
struct Name {
    /// Where its opening quote is.
    at: usize,
    /// Where its folded form is in `folded`.
    start: usize,
    end: usize,
    /// Folding changed it.
    changed: bool,
}

impl Names<'_> {
    fn add(&mut self, at: usize, string: &[u8]) {
        let start = self.folded.len();
        let mut changed = false;
        if string.iter().all(|byte| byte.is_ascii() && *byte != b'\\') {
            let inner = string.get(1..string.len().saturating_sub(1)).unwrap_or_default();
            changed = inner.iter().any(u8::is_ascii_uppercase);
            self.folded.extend(inner.iter().map(u8::to_ascii_lowercase));
        } else if let Some(name) = text(string) {
            let folded = fold(&name);
            changed = folded != name;
            self.folded.extend_from_slice(folded.as_bytes());
        }
        self.names.push(Name {
            at,
            start,
            end: self.folded.len(),
            changed,
        });
    }

    /// The first collision among the names from `first` on. Their order is lost.
    fn collision(&mut self, first: usize) -> Option<Collision> {
        let names = self.names.get_mut(first..)?;
        // Names that folding leaves alone are as distinct as they were.
        if !names.iter().any(|name| name.changed) {
            return None;
        }
        let folded = |name: &Name| self.folded.get(name.start..name.end).unwrap_or_default();
        names.sort_unstable_by(|left, right| folded(left).cmp(folded(right)).then(left.at.cmp(&right.at)));
        let pairs = names.windows(2).filter_map(|pair| match pair {
            [left, right] if folded(left) == folded(right) => Some((left.at, right.at)),
            _ => None,
        });
        let (other, at) = pairs.min_by_key(|(_, at)| *at)?;
        Some(Collision {
            name: self.name_at(at),
            other: self.name_at(other),
            offset: at,
        })
    }

    fn name_at(&self, at: usize) -> String {
        let string = self
            .canonical
            .get(at..)
            .and_then(split_string)
            .map(|(string, _)| string)
            .unwrap_or_default();
        text(string).unwrap_or_default().into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What full case folding makes equal is equal here, character by character and so for every name.
    #[test]
    fn folding_covers_unicode_case_folding() {
        let mut cased = 0;
        for character in '\0'..=char::MAX {
            let one = character.to_string();
            let ways: [String; 5] = [
                caseless::default_case_fold_str(&one),
                one.chars().flat_map(char::to_lowercase).collect(),
                one.chars().flat_map(char::to_uppercase).collect(),
                one.chars()
                    .flat_map(char::to_uppercase)
                    .flat_map(char::to_lowercase)
                    .collect(),
                one.chars()
                    .flat_map(char::to_lowercase)
                    .flat_map(char::to_uppercase)
                    .collect(),
            ];
            for way in ways.iter().filter(|way| **way != one) {
                assert_eq!(fold(&one), fold(way), "U+{:04X} and {way}", u32::from(character));
                cased += 1;
            }
        }
        assert!(cased > 5_000, "{cased}");
    }

    #[test]
    fn finds_collisions_at_every_level_and_only_within_one_object() {
        for (text, expected) in [
            (r#"{"A":1,"a":2}"#, Some(("A", "a", 7))),
            (r#"{"A":{"a":1},"b":[{"B":1}]}"#, None),
            (r#"[{"x":{"Kind":1,"Other":2,"kind":3}}]"#, Some(("Kind", "kind", 26))),
            ("{\"kind\":1,\"\u{212a}ind\":2}", Some(("kind", "\u{212a}ind", 10))),
            ("{\"files\":1,\"file\u{17f}\":2}", Some(("files", "file\u{17f}", 11))),
            ("{\"\\n\":1,\"N\":2,\"n\":2}", Some(("N", "n", 14))),
            ("{\"SS\":1,\"\u{df}\":2}", Some(("SS", "\u{df}", 8))),
            (r#"{"a":"A","b":["A","a"]}"#, None),
            (r#"{"A":{"Z":{},"y":{}},"B":{"C":1},"a":2}"#, Some(("A", "a", 33))),
            (r#""A""#, None),
            ("{\"I\":1,\"\u{130}\":2}", Some(("I", "\u{130}", 7))),
            ("{\"I\":1,\"\u{131}\":2}", Some(("I", "\u{131}", 7))),
        ] {
            let canonical = crate::admit(text.as_bytes(), &crate::Limits::default()).unwrap();
            assert_eq!(canonical.as_bytes(), text.as_bytes(), "not canonical");
            let found = first_case_collision(canonical.as_bytes());
            let found = found
                .as_ref()
                .map(|found| (found.other.as_str(), found.name.as_str(), found.offset));
            assert_eq!(found, expected, "{text}");
        }
    }
}
