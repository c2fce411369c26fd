//! HTTP requests: which entry names one, and the payload that it becomes.

use std::collections::BTreeMap;

use actionpass_canon::{CanonicalBytes, Limits, admit};
use serde_json::Value;

use crate::call::HttpCall;
use crate::percent;
use crate::{CallCode, CallError};

/// What follows `http:` in `match`: `POST api.example.com/v1/refunds/{id}`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct HttpPattern {
    pub(crate) method: Box<str>,
    pub(crate) host: Box<str>,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Segment {
    Literal(Box<str>),
    Named(Box<str>),
}

impl HttpPattern {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (method, target) = text
            .split_once(' ')
            .ok_or("has no blank between method and host: write `http:POST api.example.com/v1/refunds/{id}`")?;
        if method.is_empty()
            || method.len() > 32
            || !method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
        {
            return Err("has a method that is not in capital letters".to_owned());
        }
        let (host, path) = target.split_once('/').ok_or("has no path: the shortest one is `/`")?;
        if !is_host(host) {
            return Err("has a host that is not in lower case, with a port if need be".to_owned());
        }
        let mut segments = Vec::new();
        for segment in path.split('/').filter(|_| !path.is_empty()) {
            segments.push(Segment::parse(segment)?);
        }
        let names: Vec<_> = segments.iter().filter_map(Segment::name).collect();
        for (at, name) in names.iter().enumerate() {
            if names.iter().skip(at.saturating_add(1)).any(|other| other == name) {
                return Err(format!("names two segments `{name}`"));
            }
        }
        Ok(Self {
            method: method.into(),
            host: host.into(),
            segments,
        })
    }

    /// The name that a call has where the entry gives none: `http:POST:api.example.com/v1/refunds/:id`.
    pub(crate) fn default_tool(&self) -> String {
        let mut tool = format!("http:{}:{}", self.method, self.host);
        for segment in &self.segments {
            let (mark, text) = match segment {
                Segment::Literal(text) => ("", text),
                Segment::Named(name) => (":", name),
            };
            tool.extend(["/", mark, text]);
        }
        tool
    }

    /// What stands in its named segments, if the request is one of these. `segments` are decoded.
    pub(crate) fn captures(&self, method: &str, host: &str, segments: &[String]) -> Option<BTreeMap<&str, String>> {
        let is_same = *self.method == *method && *self.host == *host && self.segments.len() == segments.len();
        if !is_same {
            return None;
        }
        let mut captures = BTreeMap::new();
        for (segment, found) in self.segments.iter().zip(segments) {
            match segment {
                Segment::Literal(text) if **text == **found => {}
                Segment::Literal(_) => return None,
                Segment::Named(name) => {
                    captures.insert(&**name, found.clone());
                }
            }
        }
        Some(captures)
    }

    /// How this pattern stands to another.
    pub(crate) fn compare(&self, other: &Self) -> Overlap {
        let is_near = self.method == other.method && self.host == other.host;
        if !is_near || self.segments.len() != other.segments.len() {
            return Overlap::None;
        }
        let (mut more, mut less) = (false, false);
        for pair in self.segments.iter().zip(&other.segments) {
            match pair {
                (Segment::Literal(left), Segment::Literal(right)) if left != right => return Overlap::None,
                (Segment::Literal(_), Segment::Named(_)) => more = true,
                (Segment::Named(_), Segment::Literal(_)) => less = true,
                _ => {}
            }
        }
        match (more, less) {
            (true, false) => Overlap::MoreExact,
            (false, true) => Overlap::LessExact,
            _ => Overlap::Alike,
        }
    }
}

/// Whether one request can be named by two patterns, and which of them is the more exact one then.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Overlap {
    None,
    MoreExact,
    LessExact,
    Alike,
}

impl Segment {
    fn parse(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            return if is_name && name.starts_with(|first: char| first.is_ascii_alphabetic()) {
                Ok(Self::Named(name.into()))
            } else {
                Err(format!(
                    "has a segment `{text}` whose name is not `[A-Za-z][A-Za-z0-9_]*`"
                ))
            };
        }
        let is_plain =
            |byte: u8| percent::is_unreserved(byte) || matches!(byte, b'@' | b'!' | b'$' | b'+' | b',' | b'=' | b':');
        let is_segment = !matches!(text, "" | "." | "..") && text.bytes().all(is_plain) && !text.starts_with(':');
        if is_segment {
            Ok(Self::Literal(text.into()))
        } else {
            Err(format!("has a segment `{text}` that no request is taken to have"))
        }
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Named(name) => Some(name),
            Self::Literal(_) => None,
        }
    }
}

/// A host in lower case, with a port if need be.
pub(crate) fn is_host(text: &str) -> bool {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (text, None),
    };
    let is_port = |port: &str| !port.is_empty() && port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'))
    };
    name.split('.').all(is_label) && port.is_none_or(is_port) && text.len() <= 255
}

/// The segments of a path as it was received, each decoded once.
pub(crate) fn segments(path: &str) -> Result<Vec<String>, CallError> {
    let refuse = |problem: &str| CallError::at(CallCode::CallPathAmbiguous, "path", problem);
    let inside = path.strip_prefix('/').ok_or_else(|| refuse("doesn't begin with `/`"))?;
    let mut segments = Vec::new();
    for segment in inside.split('/').filter(|_| !inside.is_empty()) {
        let is_plain = |byte: u8| {
            percent::is_unreserved(byte)
                || matches!(
                    byte,
                    b'%' | b'@' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':'
                )
        };
        if segment.is_empty() {
            return Err(refuse("has an empty segment"));
        }
        if !segment.bytes().all(is_plain) {
            return Err(refuse(
                "has a character that a path has only encoded, or that starts parameters",
            ));
        }
        let decoded =
            percent::decode(segment).ok_or_else(|| refuse("has an escape that is broken or of a control character"))?;
        if matches!(&*decoded, "." | "..") {
            return Err(refuse("has a segment `.` or `..`"));
        }
        if decoded.contains(['/', '\\']) || percent::has_escape(&decoded) {
            return Err(refuse("has an encoded `/`, `\\` or `%` escape"));
        }
        segments.push(decoded);
    }
    Ok(segments)
}

/// The members of a query as it was received: text, or `true` for a name without `=`.
fn query(text: &str) -> Result<BTreeMap<String, Value>, CallError> {
    let refuse = |problem: &str| CallError::at(CallCode::CallQueryAmbiguous, "query", problem);
    let mut members = BTreeMap::new();
    for pair in text.split('&').filter(|_| !text.is_empty()) {
        // RFC 3986 §3.4 without `+`, which is a blank to some and itself to others, and `;`, which some split at.
        let is_plain = |byte: u8| percent::is_unreserved(byte) || b"%=!$'()*,:@/?".contains(&byte);
        if !pair.bytes().all(is_plain) {
            return Err(refuse(
                "has a character that a query has only encoded: write `+` as `%2B`, a blank as `%20`",
            ));
        }
        let (name, value) = match pair.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (pair, None),
        };
        let decode = |text| {
            percent::decode(text).ok_or_else(|| refuse("has an escape that is broken or of a control character"))
        };
        let name = decode(name)?;
        if name.is_empty() {
            return Err(refuse("has an empty name"));
        }
        let value = value.map_or(Ok(Value::Bool(true)), |value| decode(value).map(Value::String))?;
        if members.insert(name, value).is_some() {
            return Err(refuse("has a name twice"));
        }
    }
    Ok(members)
}

/// The headers that an entry names.
fn headers<'h>(names: &'h [Box<str>], call: &HttpCall<'_>) -> Result<BTreeMap<&'h str, String>, CallError> {
    let mut found = BTreeMap::new();
    for name in names {
        let mut values = call
            .headers
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name));
        let Some((_, value)) = values.next() else { continue };
        let refuse = |problem: &str| CallError::at(CallCode::CallHeaderAmbiguous, format!("headers.{name}"), problem);
        if values.next().is_some() {
            return Err(refuse("occurs twice"));
        }
        let value = value.trim_matches([' ', '\t']);
        if !value.bytes().all(|byte| matches!(byte, 0x20..=0x7E)) {
            return Err(refuse("has a character outside of ASCII"));
        }
        found.insert(&**name, value.to_owned());
    }
    Ok(found)
}

/// The payload of a request: `{body?, headers?, path, query}`.
pub(crate) fn payload(
    call: &HttpCall<'_>,
    captures: &BTreeMap<&str, String>,
    header_names: &[Box<str>],
    limits: &Limits,
) -> Result<CanonicalBytes, CallError> {
    let query = query(call.query().unwrap_or_default())?;
    let mut document = String::from("{");
    if let Some(body) = call.body {
        document.push_str("\"body\":");
        document.push_str(body.as_str());
        document.push(',');
    }
    if !header_names.is_empty() {
        document.push_str("\"headers\":");
        document.push_str(&written(&headers(header_names, call)?)?);
        document.push(',');
    }
    document.push_str("\"path\":");
    document.push_str(&written(captures)?);
    document.push_str(",\"query\":");
    document.push_str(&written(&query)?);
    document.push('}');
    admit(document.as_bytes(), limits).map_err(|error| {
        let problem = format!("the request as a payload is refused: {error}");
        CallError::new(CallCode::CallTooLarge, problem)
    })
}

fn written(value: &impl serde::Serialize) -> Result<String, CallError> {
    serde_json::to_string(value).map_err(|error| CallError::new(CallCode::CallTooLarge, error.to_string()))
}
