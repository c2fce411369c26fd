//! Paths: where in the action or the facts a condition looks.

use std::fmt;

use actionpass_canon::{names::fold, scan};

/// A parsed path: `payload.files[].path`, `fact.testsPassed`, `resource.value`.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub(crate) root: Root,
    pub(crate) steps: Box<[Step]>,
    text: Box<str>,
}

/// Where a path starts.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Root {
    Payload,
    Fact,
    Context,
    /// A text of the action itself.
    Action(ActionText),
}

/// The texts of an action that conditions may look at.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum ActionText {
    Tool,
    Resource,
    ResourceKind,
    ResourceValue,
    Agent,
    Owner,
    Tenant,
    Runtime,
    Task,
    /// Only where the action has a tool definition.
    Server,
    /// Only where the action has a tool definition.
    DefinitionHash,
    /// Who attests the facts; only where there are facts.
    FactsSource,
    /// The age of the facts, a whole number of seconds; only where there are facts.
    FactsAge,
}

impl ActionText {
    const ALL: [(&'static str, Self); 13] = [
        ("tool", Self::Tool),
        ("resource", Self::Resource),
        ("resource.kind", Self::ResourceKind),
        ("resource.value", Self::ResourceValue),
        ("agent", Self::Agent),
        ("owner", Self::Owner),
        ("tenant", Self::Tenant),
        ("runtime", Self::Runtime),
        ("task", Self::Task),
        ("server", Self::Server),
        ("definitionHash", Self::DefinitionHash),
        ("facts.source", Self::FactsSource),
        ("facts.age", Self::FactsAge),
    ];

    /// Whether every action has it.
    pub(crate) const fn is_always_there(self) -> bool {
        !matches!(
            self,
            Self::Server | Self::DefinitionHash | Self::FactsSource | Self::FactsAge
        )
    }
}

/// One step from a value into it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Step {
    /// The member of this name.
    Member(Name),
    /// `[]`: each element of an array.
    Each,
    /// `.*`: each member's value of an object.
    Members,
    /// `.**`: each member name, and each value that is neither object nor array, at any depth.
    Tree,
}

/// The name of a member, and what other names are equal to after case folding.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Name {
    text: Box<str>,
    folded: Box<str>,
}

impl Name {
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The name as a reader that ignores case takes it.
    pub(crate) fn folded(&self) -> &str {
        &self.folded
    }

    /// Whether a reader that ignores case takes another name for this one.
    pub(crate) fn is_like(&self, other: &str) -> bool {
        fold(other) == *self.folded
    }

    /// The same of a name as it stands in canonical bytes, which is only decoded if it must.
    pub(crate) fn is_like_canonical(&self, other: &[u8]) -> bool {
        match other {
            [b'"', inner @ .., b'"'] if inner.is_ascii() && !inner.contains(&b'\\') => {
                inner.eq_ignore_ascii_case(self.folded.as_bytes())
            }
            _ => scan::text(other).is_some_and(|other| self.is_like(&other)),
        }
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self {
            text: text.into(),
            folded: fold(text).into(),
        }
    }
}

impl Path {
    pub(crate) const MAX_BYTES: usize = 512;

    /// Reads a path.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > Self::MAX_BYTES {
            return Err("is longer than 512 bytes");
        }
        if let Some((_, known)) = ActionText::ALL.iter().find(|(name, _)| *name == text) {
            return Ok(Self {
                root: Root::Action(*known),
                steps: Box::default(),
                text: text.into(),
            });
        }
        let (root, rest) = text.split_at(text.find(['.', '[']).unwrap_or(text.len()));
        let root = match root {
            "payload" => Root::Payload,
            "fact" => Root::Fact,
            "context" => Root::Context,
            _ => {
                return Err(
                    "starts with none of `payload`, `fact`, `context`, and is none of `tool`, `resource`, `resource.kind`, \
                     `resource.value`, `agent`, `owner`, `tenant`, `runtime`, `task`, `server`, `definitionHash`, `facts.source`, `facts.age`",
                );
            }
        };
        let steps = steps(rest)?;
        if root != Root::Payload && !matches!(steps.first(), Some(Step::Member(_))) {
            return Err("names no member: `fact` and `context` are objects");
        }
        Ok(Self {
            root,
            steps,
            text: text.into(),
        })
    }

    /// The path as it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether there is a `[]`, `.*` or `.**`, so that the path leads to any number of values.
    pub(crate) fn is_many(&self) -> bool {
        self.steps.iter().any(|step| !matches!(step, Step::Member(_)))
    }

    /// Whether it ends in `.**`.
    pub(crate) fn is_tree(&self) -> bool {
        self.steps.last() == Some(&Step::Tree)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn steps(mut rest: &str) -> Result<Box<[Step]>, &'static str> {
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("[]") {
            steps.push(Step::Each);
            rest = after;
        } else if let Some(after) = rest.strip_prefix(".\"") {
            let (name, after) = quoted(after)?;
            steps.push(Step::Member(Name::from(&*name)));
            rest = after;
        } else if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (name, after) = after.split_at(end);
            match name {
                "*" => {
                    steps.push(Step::Members);
                    rest = after;
                    continue;
                }
                "**" if after.is_empty() => {
                    steps.push(Step::Tree);
                    rest = after;
                    continue;
                }
                name if name.contains('*') => {
                    return Err(
                        "has a `*` beside other characters, or steps after `**`: `*` is every member's value, `**` at the end is the whole tree",
                    );
                }
                _ => {}
            }
            let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '$' | '@');
            if name.is_empty() || !name.chars().all(plain) {
                return Err("has a member name that must be quoted: `payload.\"name\"`, the name spelled as in JSON");
            }
            steps.push(Step::Member(name.into()));
            rest = after;
        } else {
            return Err("has a `[` that is not `[]`: elements have no numbers here");
        }
    }
    Ok(steps.into())
}

/// Reads a JSON string whose opening quote was read.
fn quoted(rest: &str) -> Result<(Box<str>, &str), &'static str> {
    let mut escaped = false;
    for (at, character) in rest.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => {
                let (name, after) = rest.split_at(at);
                let name = serde_json::from_str::<String>(&format!("\"{name}\""));
                let name = name.map_err(|_| "has a quoted member name that is no JSON string")?;
                return Ok((name.into(), after.strip_prefix('"').unwrap_or(after)));
            }
            _ => {}
        }
    }
    Err("has a quote that doesn't close")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let path = Path::parse(r#"payload.files[][]."a.\"b".c-d"#).unwrap();
        assert_eq!(
            *path.steps,
            [
                Step::Member("files".into()),
                Step::Each,
                Step::Each,
                Step::Member("a.\"b".into()),
                Step::Member("c-d".into())
            ]
        );
        assert_eq!(
            Path::parse("resource.value").unwrap().root,
            Root::Action(ActionText::ResourceValue)
        );
        assert!(Path::parse("payload").unwrap().steps.is_empty());
        assert!(Path::parse("payload[].x").unwrap().is_many());
        let tree = Path::parse("payload.*.a.**").unwrap();
        assert_eq!(*tree.steps, [Step::Members, Step::Member("a".into()), Step::Tree]);
        assert!(tree.is_many() && tree.is_tree());
        assert_eq!(
            *Path::parse(r#"payload."**""#).unwrap().steps,
            [Step::Member("**".into())]
        );
        for bad in [
            "",
            "payload.",
            "payload..a",
            "payload.a[0]",
            "payload.a[",
            "payload.a b",
            "payload.a*",
            "payload.***",
            "payload.**.a",
            "payload.**[]",
            "fact.*",
            "context.**",
            "payload.\"a",
            "fact",
            "fact[]",
            "context",
            "facts.a",
            "tool.x",
            "payloads.a",
            "Payload.a",
            "payload.a[]b",
            "payload.\"\\x\"",
            "owner.kind",
            "summary",
        ] {
            assert!(Path::parse(bad).is_err(), "{bad}");
        }
    }
}
