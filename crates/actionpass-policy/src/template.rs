//! Texts that are put together from values of the action: `{payload.owner}/{payload.repo}`.

use crate::condition::Cause;
use crate::datum::End;
use crate::path::Path;
use crate::scope::Scope;

/// Literal texts and paths in braces, two paths never side by side.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    parts: Box<[Part]>,
    /// The characters that stand between two paths. No value may have one of them: without that, `a/b` and `c` would make
    /// the same text as `a` and `b/c`.
    separators: Box<str>,
}

#[derive(Clone, Debug)]
pub(crate) enum Part {
    Literal(Box<str>),
    Path(Path),
}

impl Template {
    /// Whether a text is a template and not a path: it has a brace, and not only in a quoted name.
    pub(crate) fn is_one(text: &str) -> bool {
        let first = text.find(['{', '}', '"']).and_then(|at| text.get(at..));
        first.is_some_and(|rest| !rest.starts_with('"'))
    }

    /// Reads a template.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut parts: Vec<Part> = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (literal, after) = rest.split_once('{').unwrap_or((rest, ""));
            if literal.contains('}') {
                return Err("has a `}` without its `{`");
            }
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.into()));
            } else if matches!(parts.last(), Some(Part::Path(_))) {
                return Err("has two paths side by side, which could share their text in more than one way");
            }
            if literal.len() == rest.len() {
                break;
            }
            let end = closing(after).ok_or("has a `{` without its `}`")?;
            let (path, after) = after.split_at_checked(end).ok_or("has a `{` without its `}`")?;
            parts.push(Part::Path(Path::parse(path)?));
            rest = after.strip_prefix('}').unwrap_or(after);
        }
        let between = parts.windows(3).filter_map(|parts| match parts {
            [Part::Path(_), Part::Literal(between), Part::Path(_)] => Some(&**between),
            _ => None,
        });
        Ok(Self {
            separators: between.collect::<String>().into(),
            parts: parts.into(),
        })
    }

    /// The paths in it.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.parts.iter().filter_map(|part| match part {
            Part::Path(path) => Some(path),
            Part::Literal(_) => None,
        })
    }

    /// Its parts.
    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The text for an action; unknown if a value is missing, is no text, or has a separator.
    pub(crate) fn fill(&self, scope: &Scope<'_>) -> Result<String, Cause> {
        let mut filled = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => filled.push_str(text),
                Part::Path(path) => {
                    let datum = match scope.end(path) {
                        End::Found(datum) => datum,
                        other => return Err(other.cause()),
                    };
                    let text = datum.text(&scope.work).ok_or(Cause::OtherType)?;
                    if text.contains(|character| self.separators.contains(character)) {
                        return Err(Cause::AmbiguousParts);
                    }
                    filled.push_str(&text);
                }
            }
        }
        Ok(filled)
    }
}

/// Where the brace is that closes a path: one outside of quotes.
fn closing(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            '}' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates() {
        let template = Template::parse(r#"repo:{payload.owner} / {payload."}{".a}!"#).unwrap();
        assert_eq!(&*template.separators, " / ");
        let paths: Vec<_> = template.paths().map(Path::as_str).collect();
        assert_eq!(paths, ["payload.owner", r#"payload."}{".a"#]);
        assert_eq!(template.parts().len(), 5);
        assert!(Template::parse("{tool}").unwrap().separators.is_empty());
        for bad in [
            "{payload.a}{payload.b}",
            "{",
            "}",
            "a}b",
            "{payload.a",
            "{}",
            "{a}",
            "{payload.a}}",
            "{payload.a}/{",
        ] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
        for text in ["{payload.a}", "a{payload.b}", "a}", r#"a{payload."b"}"#] {
            assert!(Template::is_one(text), "{text}");
        }
        for text in ["payload.a", r#"payload."{a}""#] {
            assert!(!Template::is_one(text), "{text}");
        }
    }
}
