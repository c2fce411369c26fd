//! Resources with placeholders: `repo:{payload.owner}/{payload.repo}`.
//!
//! What stands in a placeholder is percent-encoded, so that it never looks like the text around it, and two
//! placeholders have a separator between them that encoding never writes: from the resource follows what stood in each.

use std::borrow::Cow;

use actionpass_canon::{CanonicalBytes, names, scan};
use actionpass_model::Resource;
use actionpass_policy::is_safe_path;

use crate::percent;
use crate::{CallCode, CallError};

/// A resource, read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Template {
    /// As it is written.
    text: Box<str>,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Literal(Box<str>),
    Value(Placeholder),
}

/// What stands in braces.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Placeholder {
    /// As it is written, without braces and `path:`.
    pub(crate) text: Box<str>,
    /// The names of the members from the payload on.
    names: Vec<Box<str>>,
    /// Whether it is a path of files: `{path:…}`.
    pub(crate) is_path: bool,
}

/// Why a text is no resource with placeholders.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum TemplateError {
    /// Its grammar.
    Malformed(String),
    /// Its placeholders can't be told apart.
    Ambiguous(String),
}

impl Template {
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        let malformed = |problem: &str| TemplateError::Malformed(problem.to_owned());
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((literal, after)) = rest.split_once('{') {
            let (inner, after) = after
                .split_once('}')
                .ok_or_else(|| malformed("a brace is not closed"))?;
            if !literal.is_empty() {
                parts.push(Part::Literal(self::literal(literal)?));
            }
            parts.push(Part::Value(Placeholder::parse(inner)?));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(self::literal(rest)?));
        }
        let template = Self {
            text: text.into(),
            parts,
        };
        template.check()?;
        Ok(template)
    }

    pub(crate) const fn as_str(&self) -> &str {
        &self.text
    }

    /// The kind is written out, the whole can be a resource, and placeholders can be told apart.
    fn check(&self) -> Result<(), TemplateError> {
        let starts_with_kind = matches!(self.parts.first(), Some(Part::Literal(literal)) if literal.contains(':'));
        if !starts_with_kind {
            let problem = "begins with `kind:` written out, so that no call chooses the kind of what it acts on";
            return Err(TemplateError::Malformed(problem.to_owned()));
        }
        let sample: String = self
            .parts
            .iter()
            .map(|part| match part {
                Part::Literal(literal) => literal,
                Part::Value(_) => "x",
            })
            .collect();
        Resource::parse(&sample).map_err(|error| TemplateError::Malformed(error.problem().to_owned()))?;
        let keeps_slashes = self.placeholders().any(|placeholder| placeholder.is_path);
        let mut separated = true;
        for part in &self.parts {
            match part {
                Part::Literal(literal) => {
                    separated |= literal
                        .bytes()
                        .any(|byte| !(percent::is_unreserved(byte) || keeps_slashes && byte == b'/'));
                }
                Part::Value(_) if !separated => {
                    let such = if keeps_slashes { "`:` or `#`" } else { "`/` or `:`" };
                    return Err(TemplateError::Ambiguous(format!(
                        "two placeholders without a character between them that values never have, such as {such}"
                    )));
                }
                Part::Value(_) => separated = false,
            }
        }
        Ok(())
    }

    pub(crate) fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.parts.iter().filter_map(|part| match part {
            Part::Value(placeholder) => Some(placeholder),
            Part::Literal(_) => None,
        })
    }

    /// The resource of a call.
    pub(crate) fn fill(
        &self,
        payload: &CanonicalBytes,
        root: Option<&str>,
        fold: &[Box<str>],
    ) -> Result<Resource, CallError> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Value(placeholder) => {
                    let folds = fold.contains(&placeholder.text);
                    placeholder.write(payload, root, folds, &mut text)?;
                }
            }
        }
        // Everything else about a resource was checked when the template was read.
        Resource::parse(&text).map_err(|error| {
            let problem = format!("the resource of this call {}", error.problem());
            CallError::new(CallCode::CallTooLarge, problem)
        })
    }
}

/// What stands between placeholders.
fn literal(text: &str) -> Result<Box<str>, TemplateError> {
    let problem = if text.contains('}') {
        "a brace is closed that wasn't opened"
    } else if text.contains('%') {
        "has a `%` outside of placeholders"
    } else if !text.bytes().all(|byte| matches!(byte, 0x21..=0x7E)) {
        "has a character outside of ASCII 0x21 to 0x7E"
    } else {
        return Ok(text.into());
    };
    Err(TemplateError::Malformed(problem.to_owned()))
}

impl Placeholder {
    fn parse(inner: &str) -> Result<Self, TemplateError> {
        let (text, is_path) = inner.strip_prefix("path:").map_or((inner, false), |text| (text, true));
        let malformed = || {
            TemplateError::Malformed(format!(
                "`{{{inner}}}` is no placeholder: write `{{payload.NAME}}` or `{{path:payload.NAME}}`"
            ))
        };
        let mut names = text.split('.');
        if names.next() != Some("payload") {
            return Err(malformed());
        }
        let names: Vec<Box<str>> = names.map(Into::into).collect();
        let is_name = |name: &str| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'$' | b'@');
            !name.is_empty() && name.bytes().all(is_plain)
        };
        if names.is_empty() || !names.iter().all(|name| is_name(name)) {
            return Err(malformed());
        }
        Ok(Self {
            text: text.into(),
            names,
            is_path,
        })
    }

    fn refuse(&self, code: CallCode, problem: &str) -> CallError {
        CallError::at(code, self.text.clone(), problem)
    }

    /// Writes what stands here.
    fn write(
        &self,
        payload: &CanonicalBytes,
        root: Option<&str>,
        folds: bool,
        out: &mut String,
    ) -> Result<(), CallError> {
        let value = self.value(payload)?;
        if value.is_empty() {
            return Err(self.refuse(CallCode::CallValueEmpty, "is empty"));
        }
        if value.split(['/', '\\']).any(|segment| matches!(segment, "." | "..")) {
            let problem = "has a segment `.` or `..`: write what it stands for";
            return Err(self.refuse(CallCode::CallValueDots, problem));
        }
        let value = if folds {
            if !value.is_ascii() {
                let problem = "has a character outside of ASCII, and its case is folded";
                return Err(self.refuse(CallCode::CallValueNotFoldable, problem));
            }
            Cow::Owned(value.to_ascii_lowercase())
        } else {
            value
        };
        if self.is_path {
            self.write_path(&value, root.unwrap_or_default(), out)
        } else {
            percent::encode(&value, out);
            Ok(())
        }
    }

    /// Joins a path to the root, and writes it with one `/` before each segment.
    fn write_path(&self, value: &str, root: &str, out: &mut String) -> Result<(), CallError> {
        let segments = |path: &str| -> Vec<String> {
            let named = path.split('/').filter(|segment| !segment.is_empty());
            named.map(str::to_owned).collect()
        };
        let given = segments(value);
        if !given.is_empty() && !is_safe_path(&given.join("/")) {
            let problem = "is a path that some system resolves to another place";
            return Err(self.refuse(CallCode::CallPathUnsafe, problem));
        }
        let mut whole = if value.starts_with('/') {
            Vec::new()
        } else {
            segments(root)
        };
        whole.extend(given);
        if whole.is_empty() {
            out.push('/');
        }
        for segment in whole {
            out.push('/');
            percent::encode(&segment, out);
        }
        Ok(())
    }

    /// The argument as text.
    fn value<'p>(&self, payload: &'p CanonicalBytes) -> Result<Cow<'p, str>, CallError> {
        let mut value = payload.as_bytes();
        for name in &self.names {
            let mut found = None;
            let Some(members) = scan::members(value) else {
                return Err(self.refuse(CallCode::CallValueMissing, "is missing, and the resource needs it"));
            };
            for member in members.map_while(Result::ok) {
                if member.is_named(name) {
                    found = Some(member.value);
                } else if scan::text(member.name).is_some_and(|other| names::fold(&other) == names::fold(name)) {
                    let problem = "stands beside, or is replaced by, a member whose name differs in case only";
                    return Err(self.refuse(CallCode::CallValueShadowed, problem));
                }
            }
            value = found
                .ok_or_else(|| self.refuse(CallCode::CallValueMissing, "is missing, and the resource needs it"))?;
        }
        if let Some(text) = scan::text(value) {
            return Ok(text);
        }
        let digits = value.strip_prefix(b"-").unwrap_or(value);
        let is_integer = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        let integer = std::str::from_utf8(value).ok().filter(|_| is_integer);
        integer
            .map(Cow::Borrowed)
            .ok_or_else(|| self.refuse(CallCode::CallValueType, "is neither text nor an integer"))
    }
}

/// A root that paths are joined to: absolute, and safe on every system.
pub(crate) fn root(text: &str) -> Result<Box<str>, &'static str> {
    let Some(inside) = text.strip_prefix('/') else {
        return Err("is no absolute path: it begins with `/`");
    };
    if !inside.is_empty() && !is_safe_path(inside) {
        return Err("is a path that some system resolves to another place, or has an empty segment at its end");
    }
    Ok(text.into())
}
