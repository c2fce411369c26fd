//! What each field of an action can hold: one table, for matchers and conditions alike.
//!
//! A pattern, a value or a bound that no value of its field meets makes a rule that never applies; a deny like that would
//! protect nothing. Such rules are refused at load.

use actionpass_model::{Agent, Digest, Owner, Resource, Runtime, Server, Statement, Task, Tenant, Tool, is_hidden};
use unicode_normalization::is_nfc;

use crate::glob::Glob;
use crate::path::ActionText;

/// What a field can hold.
#[derive(Clone, Debug)]
pub(crate) enum Holds {
    /// A text of this format.
    Text(Format),
    /// A whole number from 0 up.
    Count,
}

/// The format of a text.
#[derive(Clone, Debug)]
pub(crate) struct Format {
    /// What its texts are, for people.
    pub(crate) what: &'static str,
    /// A superset of its texts, byte by byte.
    shape: Shape,
    /// The most bytes of a text.
    pub(crate) longest: usize,
    /// Whether a text is one of them.
    check: fn(&str) -> bool,
}

/// A set of texts: sets of bytes, one after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape(Vec<Piece>);

#[derive(Clone, Copy, Debug)]
struct Piece {
    bytes: Bytes,
    /// Any number of them, also none; else exactly one.
    repeated: bool,
}

/// A set of bytes.
#[derive(Clone, Copy, Debug)]
enum Bytes {
    One(u8),
    Class(fn(u8) -> bool),
}

impl Bytes {
    /// Whether both sets have one of the wanted bytes.
    fn meets(self, other: Self, wanted: fn(u8) -> bool) -> bool {
        match (self, other) {
            (Self::One(left), Self::One(right)) => left == right && wanted(left),
            (Self::One(byte), Self::Class(is_in)) | (Self::Class(is_in), Self::One(byte)) => {
                is_in(byte) && wanted(byte)
            }
            (Self::Class(left), Self::Class(right)) => {
                (0..=u8::MAX).any(|byte| left(byte) && right(byte) && wanted(byte))
            }
        }
    }
}

impl Shape {
    fn push(mut self, bytes: Bytes, repeated: bool) -> Self {
        self.0.push(Piece { bytes, repeated });
        self
    }

    fn one(self, is_in: fn(u8) -> bool) -> Self {
        self.push(Bytes::Class(is_in), false)
    }

    fn any(self, is_in: fn(u8) -> bool) -> Self {
        self.push(Bytes::Class(is_in), true)
    }

    /// One or more.
    fn some(self, is_in: fn(u8) -> bool) -> Self {
        self.one(is_in).any(is_in)
    }

    /// This text.
    pub(crate) fn text(self, text: &str) -> Self {
        text.bytes()
            .fold(self, |shape, byte| shape.push(Bytes::One(byte), false))
    }

    /// Any text.
    pub(crate) fn anything(self) -> Self {
        self.any(|_| true)
    }

    /// The texts that a pattern matches, and some more: `**/` is taken for `**`.
    pub(crate) fn of_glob(glob: &Glob) -> Self {
        glob.parts().fold(Self::default(), |shape, part| match part {
            (Some(byte), _) => shape.push(Bytes::One(byte), false),
            (None, true) => shape.anything(),
            (None, false) => shape.any(|byte| byte != b'/'),
        })
    }

    /// Whether two sets have a text in common.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        self.meets_in(other, |_| true)
    }

    /// Whether two sets have a text of these bytes in common. Every pair of places is visited once.
    fn meets_in(&self, other: &Self, wanted: fn(u8) -> bool) -> bool {
        let width = other.0.len().saturating_add(1);
        let mut seen = vec![false; self.0.len().saturating_add(1).saturating_mul(width)];
        let mut open = vec![(0_usize, 0_usize)];
        while let Some((left, right)) = open.pop() {
            match seen.get_mut(left.saturating_mul(width).saturating_add(right)) {
                Some(seen) if !*seen => *seen = true,
                _ => continue,
            }
            let (here, there) = (self.0.get(left), other.0.get(right));
            if here.is_none() && there.is_none() {
                return true;
            }
            if here.is_some_and(|piece| piece.repeated) {
                open.push((left.saturating_add(1), right));
            }
            if there.is_some_and(|piece| piece.repeated) {
                open.push((left, right.saturating_add(1)));
            }
            if let (Some(here), Some(there)) = (here, there)
                && here.bytes.meets(there.bytes, wanted)
            {
                let on = |at: usize, piece: &Piece| at.saturating_add(usize::from(!piece.repeated));
                open.push((on(left, here), on(right, there)));
            }
        }
        false
    }

    /// The fewest bytes of a text.
    fn shortest(&self) -> usize {
        self.0.iter().filter(|piece| !piece.repeated).count()
    }
}

impl Format {
    /// Whether this text is one of the format.
    pub(crate) fn has(&self, text: &str) -> bool {
        (self.check)(text)
    }

    /// Whether some text of the format is one of these.
    pub(crate) fn meets(&self, shape: &Shape) -> bool {
        self.shape.meets(shape)
    }

    /// Whether some text of the format is a decimal number.
    pub(crate) fn has_decimals(&self) -> bool {
        self.meets(
            &Shape::default()
                .any(|byte| byte == b'-')
                .some(|byte| byte == b'.' || byte.is_ascii_digit()),
        )
    }

    /// Whether two formats have a text in common.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.shape.meets(&other.shape)
    }

    /// Whether some text of the format matches a pattern.
    pub(crate) fn matches(&self, glob: &Glob) -> bool {
        if !glob.is_wild() {
            return String::from_utf8(glob.literals().collect()).is_ok_and(|text| self.has(&text));
        }
        let visible = |run: &str| is_nfc(run) && !run.chars().any(is_hidden);
        glob.literals().count() <= self.longest
            && glob.runs().iter().all(|run| visible(run))
            && self.shape.meets(&Shape::of_glob(glob))
    }

    /// Whether some safe path of the format matches a pattern of paths.
    pub(crate) fn matches_path(&self, glob: &Glob) -> bool {
        glob.literals().count() <= self.longest
            && self
                .shape
                .meets_in(&Shape::of_glob(glob), |byte| !b":\\%".contains(&byte))
    }

    /// The fewest characters of a text: a piece of a format is one character or more.
    pub(crate) fn shortest(&self) -> usize {
        self.shape.shortest()
    }
}

const fn is_visible(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7E)
}

const fn is_printable(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7E | 0x80..)
}

impl ActionText {
    /// What this field can hold.
    pub(crate) fn holds(self) -> Holds {
        let shape = Shape::default;
        let alphanumeric: fn(u8) -> bool = |byte| byte.is_ascii_alphanumeric();
        let kind: fn(u8) -> bool = |byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let (what, shape, longest, check): (_, _, _, fn(&str) -> bool) = match self {
            Self::Tool => (
                "a tool starts with a letter or digit and is letters, digits and `. _ / : -`",
                shape()
                    .one(alphanumeric)
                    .any(|byte| byte.is_ascii_alphanumeric() || b"._/:-".contains(&byte)),
                256,
                |text| Tool::parse(text).is_ok(),
            ),
            Self::Resource => (
                "a resource is `kind:value`, the value in NFC without hidden characters",
                shape().one(alphanumeric).any(kind).text(":").some(is_printable),
                64 + 1 + 2048,
                |text| Resource::parse(text).is_ok(),
            ),
            Self::ResourceKind => (
                "the kind of a resource starts with a letter or digit and is letters, digits and `. _ -`",
                shape().one(alphanumeric).any(kind),
                64,
                |text| !text.contains(':') && Resource::parse(&format!("{text}:x")).is_ok(),
            ),
            Self::ResourceValue => (
                "the value of a resource is in NFC without hidden characters",
                shape().some(is_printable),
                2048,
                |text| Resource::parse(&format!("a:{text}")).is_ok(),
            ),
            Self::Agent => (
                "an agent is `agent:` and visible ASCII",
                shape().text("agent:").some(is_visible),
                6 + 256,
                |text| Agent::parse(text).is_ok(),
            ),
            Self::Owner => (
                "an owner is `user:` and visible ASCII",
                shape().text("user:").some(is_visible),
                5 + 256,
                |text| Owner::parse(text).is_ok(),
            ),
            Self::Tenant => (
                "a tenant is `org:` and visible ASCII",
                shape().text("org:").some(is_visible),
                4 + 256,
                |text| Tenant::parse(text).is_ok(),
            ),
            Self::Runtime => (
                "a runtime is `runtime:` and visible ASCII",
                shape().text("runtime:").some(is_visible),
                8 + 256,
                |text| Runtime::parse(text).is_ok(),
            ),
            Self::Task => ("a task is visible ASCII", shape().some(is_visible), 256, |text| {
                Task::parse(text).is_ok()
            }),
            Self::Server => ("a server is visible ASCII", shape().some(is_visible), 512, |text| {
                Server::parse(text).is_ok()
            }),
            Self::DefinitionHash => (
                "a definition's hash is `sha256:` and 64 lower-case hex digits",
                (0..64).fold(shape().text("sha256:"), |shape, _| {
                    shape.one(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
                }),
                7 + 64,
                |text| text.parse::<Digest>().is_ok(),
            ),
            Self::FactsSource => (
                "a source is text without control characters",
                shape().some(is_printable),
                1024,
                |text| Statement::parse(text).is_ok(),
            ),
            Self::FactsAge => return Holds::Count,
        };
        Holds::Text(Format {
            what,
            shape,
            longest,
            check,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(field: ActionText) -> Format {
        match field.holds() {
            Holds::Text(format) => format,
            Holds::Count => panic!("a number"),
        }
    }

    #[test]
    fn patterns_that_some_value_matches_and_patterns_that_none_does() {
        use ActionText::*;
        for (field, good, bad) in [
            (
                Tool,
                &["**", "github.*", "*.create", "a/**/b", "9"][..],
                &["_x", "*{", "a b", ".*x y", "-*"][..],
            ),
            (
                Resource,
                &["repo:company/*", "*", "**/x", "repo:**", "r*", "*:x", "file:caf\u{e9}"],
                &[
                    "company/*",
                    "company",
                    "/x/*",
                    "repo:",
                    ":x",
                    "file:cafe\u{301}",
                    "file:cafe\u{301}/*",
                    "file:a\u{200b}*",
                    "r o:x*",
                ],
            ),
            (ResourceKind, &["repo", "r*"], &["repo:", "repo:*", "a/*", "_*"]),
            (ResourceValue, &["a:b", "**", "a b"], &["a\u{301}", "\u{202e}*"]),
            (
                Agent,
                &["agent:*", "*", "a*", "*x", "agent:a"],
                &["agent", "agent:", "user:*", "codex-*", "agent:a b"],
            ),
            (Owner, &["user:ann"], &["ann", "agent:a"]),
            (Tenant, &["org:*", "**"], &["example", "org:"]),
            (Runtime, &["runtime:x"], &["x"]),
            (Task, &["AXT-*"], &["a b"]),
            (
                DefinitionHash,
                &["sha256:*", "sha256:00*"],
                &["sha256:A*", "0*", "sha256:0"],
            ),
            (FactsSource, &["CI of company", "*"], &["a\u{7}*"]),
        ] {
            for pattern in good {
                assert!(
                    format(field).matches(&Glob::parse(pattern).unwrap()),
                    "{field:?} {pattern}"
                );
            }
            for pattern in bad {
                let Ok(glob) = Glob::parse(pattern) else { continue };
                assert!(!format(field).matches(&glob), "{field:?} {pattern}");
            }
        }
        assert!(format(Tool).matches_path(&Glob::parse("a/**").unwrap()));
        for field in [Resource, Agent, Owner, Tenant, Runtime, DefinitionHash] {
            assert!(!format(field).matches_path(&Glob::parse("**").unwrap()), "{field:?}");
        }
    }

    /// The shape of a format has every text of its type: what is refused at load is never a value.
    #[test]
    fn values_have_their_shape() {
        use ActionText::*;
        for (field, texts) in [
            (
                Tool,
                &["a", "github.pull_requests.create", "mcp/docs/search", "0:-_."][..],
            ),
            (
                Resource,
                &["a:b", "repo:company/web-app", "file:caf\u{e9} x:y", "R.-_0::"],
            ),
            (ResourceKind, &["repo", "0"]),
            (ResourceValue, &[":", "a b", "\u{65e5}"]),
            (Agent, &["agent:codex-prod", "agent:~"]),
            (Server, &["mcp://docs", "x"]),
            (
                DefinitionHash,
                &["sha256:9f2feb0f1ef425b292f2f94bc8482494df430413d4d1fe5c7e1cbb2b1f5d6f3a"],
            ),
            (FactsSource, &["CI", "a b \u{e9}"]),
        ] {
            for text in texts {
                assert!(format(field).has(text), "{field:?} {text}");
                assert!(text.chars().count() >= format(field).shortest() && text.len() <= format(field).longest);
            }
        }
        assert!(!format(Agent).overlaps(&format(Owner)) && !format(ResourceKind).overlaps(&format(Agent)));
        assert!(format(Task).overlaps(&format(Agent)) && format(ResourceValue).overlaps(&format(Tool)));
    }
}
