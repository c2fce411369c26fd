//! Tools as servers list them: [`ListedTool`], and the hash of a definition.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::OnceLock;

use actionpass_canon::{AdmitCode, CanonicalBytes, Limits, admit, scan};
use actionpass_model::Digest;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::{CallCode, CallError, ListingCode, ListingError, Origin, Schema};

/// What stands for a number that the gate refuses: an object with this one member, its text the number as it was written.
const NUMBER: &str = "actionpass.number";

/// A tool as its server lists it, without `_meta`.
///
/// ```
/// use actionpass_canon::Limits;
/// use actionpass_gate::ListedTool;
///
/// let list = br#"[{ "name": "search", "inputSchema": {"type": "object"}, "_meta": {"seen": 1} }]"#;
/// let tools = ListedTool::read_all(list, &[], &Limits::default())?;
/// assert_eq!(tools[0].definition().as_bytes(), br#"{"inputSchema":{"type":"object"},"name":"search"}"#);
/// assert_eq!(tools[0].hash(), tools[0].definition().digest());
/// # Ok::<(), actionpass_gate::ListingError>(())
/// ```
#[derive(Debug)]
pub struct ListedTool {
    name: Box<str>,
    definition: CanonicalBytes,
    hash: Digest,
    schema: OnceLock<Result<Schema, CallError>>,
}

/// A clone reads its schema anew.
impl Clone for ListedTool {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            definition: self.definition.clone(),
            hash: self.hash,
            schema: OnceLock::new(),
        }
    }
}

impl ListedTool {
    /// Reads the array `tools` of a server's answer, as it was received. `meta` names the members of `_meta` that stay, and so are
    /// hashed: those that the server's entry names.
    ///
    /// Numbers that [`admit`] refuses are kept as `{"actionpass.number": TEXT}` (`docs/spec/tools.md`, "Definitions"), so that no
    /// server is locked out by a `maximum` of 2^63.
    ///
    /// # Errors
    /// [`ListingCode::DefinitionMalformed`], [`ListingCode::DefinitionRepeated`].
    pub fn read_all(raw: &[u8], meta: &[Box<str>], limits: &Limits) -> Result<Vec<Self>, ListingError> {
        Self::of_list(admit_replaced(raw, limits)?.as_bytes(), meta, limits)
    }

    /// Reads what a front door elsewhere tells of a server: `{"origin": …, "tools": […]}`, closed, as it was received. The tools
    /// are as [`read_all`](Self::read_all) takes them.
    ///
    /// # Errors
    /// [`ListingCode::DefinitionMalformed`], [`ListingCode::DefinitionRepeated`].
    pub fn read_listing(raw: &[u8], meta: &[Box<str>], limits: &Limits) -> Result<(Origin, Vec<Self>), ListingError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Told {
            origin: Origin,
            #[serde(rename = "tools")]
            _tools: IgnoredAny,
        }
        let malformed = |problem: &str| ListingError::new(ListingCode::DefinitionMalformed, problem);
        let document = admit_replaced(raw, limits)?;
        let is_it = "the document is not `{origin: {command} or {url}, tools: […]}`";
        let told: Told = serde_json::from_slice(document.as_bytes()).map_err(|_| malformed(is_it))?;
        let origin = match told.origin {
            Origin::Url(url) => {
                Origin::of_url(&url).ok_or_else(|| malformed("the origin is no `http` or `https` URL"))?
            }
            command @ Origin::Command(_) => command,
        };
        let list = scan::member(document.as_bytes(), "tools").ok_or_else(|| malformed(is_it))?;
        Ok((origin, Self::of_list(list, meta, limits)?))
    }

    /// Reads an admitted list.
    fn of_list(list: &[u8], meta: &[Box<str>], limits: &Limits) -> Result<Vec<Self>, ListingError> {
        let elements = scan::elements(list).ok_or_else(|| {
            let problem = "the list of tools is no array";
            ListingError::new(ListingCode::DefinitionMalformed, problem)
        })?;
        let mut tools = Vec::new();
        let mut names = HashSet::new();
        for element in elements.map_while(Result::ok) {
            let tool = Self::of_canonical(element, meta, limits)?;
            if !names.insert(tool.name.clone()) {
                let problem = format!("two tools have the name `{}`", tool.name.escape_debug());
                return Err(ListingError::new(ListingCode::DefinitionRepeated, problem));
            }
            tools.push(tool);
        }
        Ok(tools)
    }

    /// Reads a tool of an admitted list.
    fn of_canonical(element: &[u8], meta: &[Box<str>], limits: &Limits) -> Result<Self, ListingError> {
        let malformed = |problem: &str| ListingError::new(ListingCode::DefinitionMalformed, problem);
        let members = scan::members(element).ok_or_else(|| malformed("a tool is no object"))?;
        let name = scan::member(element, "name").and_then(scan::text);
        let name = name
            .filter(|name| !name.is_empty())
            .ok_or_else(|| malformed("a tool has no name"))?;
        let mut kept: Vec<Cow<'_, [u8]>> = Vec::new();
        for member in members.map_while(Result::ok) {
            let value = if member.is_named("_meta") {
                match kept_meta(member.value, meta) {
                    Some(value) => Cow::Owned(value),
                    None => continue,
                }
            } else {
                Cow::Borrowed(member.value)
            };
            kept.push([member.name, b":", &*value].concat().into());
        }
        let definition = [b"{", kept.join(&b","[..]).as_slice(), b"}"].concat();
        let definition =
            admit(&definition, limits).map_err(|error| malformed(&format!("a tool is refused: {error}")))?;
        Ok(Self::new(&name, definition))
    }

    pub(crate) fn new(name: &str, definition: CanonicalBytes) -> Self {
        Self {
            name: name.into(),
            hash: definition.digest(),
            definition,
            schema: OnceLock::new(),
        }
    }

    /// The tool's name, as the server has it.
    #[must_use]
    pub const fn name(&self) -> &str {
        &self.name
    }

    /// `definitionHash`: SHA-256 of the definition's canonical bytes.
    #[must_use]
    pub const fn hash(&self) -> Digest {
        self.hash
    }

    /// The whole tool object without `_meta`: what is hashed, and what a client may be shown.
    #[must_use]
    pub const fn definition(&self) -> &CanonicalBytes {
        &self.definition
    }

    /// The definition as a server could list it: the same, with every number as it was written. Read again it has the same hash.
    #[must_use]
    pub fn to_listed(&self) -> String {
        let start = format!("{{\"{NUMBER}\":\"");
        // INVARIANT: the start stands in no text, where its quotes would be escaped, and a number has no quotes.
        let mut parts = self.definition.as_str().split(&start);
        let mut listed = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (number, rest) = part.split_once("\"}").unwrap_or((part, ""));
            listed.extend([number, rest]);
        }
        listed
    }

    /// Its `inputSchema`, read when it is first asked for.
    ///
    /// # Errors
    /// [`CallCode::SchemaUnusable`], also where there is none.
    pub fn input_schema(&self) -> Result<&Schema, CallError> {
        let schema = self.schema.get_or_init(|| {
            let unusable =
                |problem: &str| CallError::new(CallCode::SchemaUnusable, format!("the tool's schema {problem}"));
            let text = scan::member(self.definition.as_bytes(), "inputSchema").ok_or_else(|| unusable("is missing"))?;
            if text.len() > Schema::MAX_BYTES {
                return Err(unusable("is larger than 65536 bytes"));
            }
            let mut value = serde_json::from_slice(text).map_err(|_| unusable("can't be read"))?;
            restore_numbers(&mut value).ok_or_else(|| unusable("has a number that no double holds"))?;
            Schema::compile(&value)
        });
        schema.as_ref().map_err(Clone::clone)
    }
}

/// A document with numbers that the gate refuses, admitted with each as an object in its place.
fn admit_replaced(raw: &[u8], limits: &Limits) -> Result<CanonicalBytes, ListingError> {
    let malformed = |problem: String| ListingError::new(ListingCode::DefinitionMalformed, problem);
    let (replaced, count) = replace_numbers(raw, limits);
    let list = admit(&replaced, limits).map_err(|error| malformed(format!("the list of tools is refused: {error}")))?;
    // The server's own text must not look like what stands for a number.
    let name = format!("\"{NUMBER}\"");
    let found = scan::scalars(list.as_bytes()).filter(|scalar| *scalar == Ok(name.as_bytes()));
    if found.count() != count {
        return Err(malformed(format!("a tool has a member or text `{NUMBER}`")));
    }
    Ok(list)
}

/// `_meta` with these members only; `None` if nothing is left.
fn kept_meta(value: &[u8], names: &[Box<str>]) -> Option<Vec<u8>> {
    let members = scan::members(value)?.map_while(Result::ok);
    let kept = members.filter(|member| names.iter().any(|name| member.is_named(name)));
    let kept: Vec<Vec<u8>> = kept.map(|member| [member.name, b":", member.value].concat()).collect();
    (!kept.is_empty()).then(|| [b"{", kept.join(&b","[..]).as_slice(), b"}"].concat())
}

/// The text with every number that the gate refuses written as an object, and how many there were. Of what is no JSON
/// nothing is promised: the gate reads it next.
fn replace_numbers(raw: &[u8], limits: &Limits) -> (Vec<u8>, usize) {
    let mut out = Vec::with_capacity(raw.len());
    let mut count = 0_usize;
    let mut rest = raw;
    while let Some((first, after)) = rest.split_first() {
        let length = match first {
            b'"' => string_length(rest),
            b'-' | b'0'..=b'9' => {
                let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
                rest.iter().take_while(|byte| is_part(byte)).count()
            }
            _ => 1,
        };
        let (token, others) = rest.split_at_checked(length.max(1)).unwrap_or((rest, &[]));
        if matches!(first, b'-' | b'0'..=b'9') && is_refused_number(token, limits) {
            count = count.saturating_add(1);
            out.extend_from_slice(format!("{{\"{NUMBER}\":\"").as_bytes());
            out.extend_from_slice(token);
            out.extend_from_slice(b"\"}");
        } else {
            out.extend_from_slice(token);
        }
        rest = if others.len() < rest.len() { others } else { after };
    }
    (out, count)
}

fn is_refused_number(token: &[u8], limits: &Limits) -> bool {
    let refused = admit(token, limits).err();
    refused.is_some_and(|error| {
        matches!(
            error.code(),
            AdmitCode::NumberNotExact | AdmitCode::NumberOutOfRange | AdmitCode::NumberUnsafeInteger
        )
    })
}

/// The length of a string at the start, quotes included; of what isn't closed the rest.
fn string_length(text: &[u8]) -> usize {
    let mut escaped = false;
    let end = text.iter().skip(1).position(|byte| match (escaped, byte) {
        (true, _) => {
            escaped = false;
            false
        }
        (false, b'\\') => {
            escaped = true;
            false
        }
        (false, byte) => *byte == b'"',
    });
    end.map_or(text.len(), |end| end.saturating_add(2))
}

/// Puts numbers back, for the schema alone, as the nearest that a reader of JSON has; `None` if there is none.
fn restore_numbers(root: &mut Value) -> Option<()> {
    // As deep as the gate lets anything nest.
    match root {
        Value::Object(members) => {
            let written = members.get(NUMBER).and_then(Value::as_str);
            if let Some(number) = written.map(serde_json::from_str) {
                *root = number.ok()?;
            } else {
                members.values_mut().try_for_each(restore_numbers)?;
            }
        }
        Value::Array(elements) => elements.iter_mut().try_for_each(restore_numbers)?,
        _ => {}
    }
    Some(())
}

#[cfg(test)]
mod tests;
