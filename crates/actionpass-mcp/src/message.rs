//! JSON-RPC messages: those of clients, which go through the gate whole, and those of servers, which are only looked at.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use actionpass_canon::{Limits, admit, names, rfc8785};
use actionpass_model::Digest;
use serde::de::IgnoredAny;

use crate::McpCode;
use crate::raw::{self, Member, OWN_PREFIX, ObjectWriter};

/// The largest message of a client, in bytes.
pub const MAX_CLIENT_MESSAGE: usize = 4 << 20;

/// The members of a message.
const ENVELOPE: &[&str] = &["jsonrpc", "id", "method", "params", "result", "error"];

/// The members of `params` that mean something in any method: nothing else may look like one of them.
const PARAMS: &[&str] = &[
    "_meta",
    "argument",
    "arguments",
    "capabilities",
    "clientInfo",
    "context",
    "cursor",
    "data",
    "inputResponses",
    "level",
    "message",
    "name",
    "notifications",
    "progress",
    "progressToken",
    "protocolVersion",
    "reason",
    "ref",
    "requestId",
    "requestState",
    "task",
    "taskId",
    "total",
    "uri",
];

/// The id of a request: text, or an integer that a double holds exactly.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Id(Kind);

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Kind {
    Text(Box<str>),
    Integer(i64),
}

impl Id {
    /// The longest text of an id, in bytes.
    pub const MAX_BYTES: usize = 256;

    /// An id of the proxy's own requests. No client may use one that begins so.
    pub(crate) fn own(number: u64) -> Self {
        Self(Kind::Text(format!("{OWN_PREFIX}{number}").into()))
    }

    /// Reads an id; `None` unless every reader takes it for the same.
    pub(crate) fn read(value: &[u8]) -> Option<Self> {
        if let Some(text) = raw::text(value) {
            return (text.len() <= Self::MAX_BYTES).then(|| Self(Kind::Text(text.into())));
        }
        let is_plain = matches!(value, [b'0'] | [b'1'..=b'9', ..] | [b'-', b'1'..=b'9', ..]);
        let integer: i64 = is_plain
            .then(|| std::str::from_utf8(value).ok()?.parse().ok())
            .flatten()?;
        (integer.unsigned_abs() < 1 << 53).then_some(Self(Kind::Integer(integer)))
    }

    /// Whether it is one of the proxy's own requests.
    pub(crate) fn is_own(&self) -> bool {
        matches!(&self.0, Kind::Text(text) if text.starts_with(OWN_PREFIX))
    }

    /// As JSON.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        match &self.0 {
            Kind::Text(text) => raw::quoted(text),
            Kind::Integer(integer) => integer.to_string().into_bytes(),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_json()))
    }
}

/// `params` of a client's message: members by name, each a slice of the message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params<'a> {
    members: HashMap<Cow<'a, str>, &'a [u8]>,
    /// Whether the message has `params` at all.
    pub(crate) is_present: bool,
}

impl<'a> Params<'a> {
    pub(crate) fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.members.get(name).copied()
    }

    pub(crate) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name).and_then(raw::text)
    }

    /// A member of `_meta`.
    pub(crate) fn meta(&self, name: &str) -> Option<&'a [u8]> {
        raw::member(self.get("_meta")?, name)
    }

    /// The names of all members.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(AsRef::as_ref)
    }

    /// An object of these members, as far as they are there.
    pub(crate) fn members(&self, names: &[&str]) -> Vec<u8> {
        let members = names.iter().map(|name| (raw::quoted(name), self.get(name)));
        let members = members.filter_map(|(name, value)| Some((name, value?)));
        let written = members.fold(ObjectWriter::new(), |out, (name, value)| {
            out.copy(&Member { name: &name, value })
        });
        written.finish()
    }

    /// The name of a member that is none of these.
    pub(crate) fn unknown(&self, known: &[&str]) -> Option<&str> {
        self.members
            .keys()
            .map(AsRef::as_ref)
            .find(|name| !known.contains(name))
    }

    /// These members written anew, with `_meta` as it is but for ActionPass's own members.
    pub(crate) fn written(&self, known: &[&str]) -> Vec<u8> {
        let mut out = ObjectWriter::new();
        for name in known {
            out = out.optional(name, self.get(name));
        }
        if let Some(meta) = self.get("_meta") {
            let is_own = |member: &Member<'_>| {
                member
                    .name()
                    .is_none_or(|name| names::fold(&name).starts_with(OWN_PREFIX))
            };
            let kept = raw::members(meta).filter(|member| !is_own(member));
            let meta = kept.fold(ObjectWriter::new(), |meta, member| meta.copy(&member));
            out = out.member("_meta", &meta.finish());
        }
        out.finish()
    }
}

/// A message of a client.
#[derive(Debug)]
pub(crate) enum ClientMessage<'a> {
    Request {
        id: Id,
        method: Cow<'a, str>,
        params: Params<'a>,
    },
    Notification {
        method: Cow<'a, str>,
        params: Params<'a>,
    },
    /// An answer to a request of the server: `result` or `error` as it is written.
    Answer {
        id: Id,
        result: Result<&'a [u8], &'a [u8]>,
    },
}

/// Why a client's message goes no further.
#[derive(Debug)]
pub(crate) enum Rejected {
    /// It is no JSON object: nobody is told.
    Dropped,
    /// It is answered with an error, under its id if it has one.
    Refused {
        id: Option<Id>,
        code: McpCode,
        problem: String,
    },
}

/// Reads a message of a client. Numbers outside of arguments are kept as they are written, so here only texts and names are
/// judged; arguments are admitted when they are read.
pub(crate) fn read_client(line: &[u8]) -> Result<ClientMessage<'_>, Rejected> {
    let text = raw::trim(line);
    match text.first() {
        Some(b'{') => {}
        Some(b'[') if serde_json::from_slice::<IgnoredAny>(text).is_ok() => {
            return Err(Rejected::Refused {
                id: None,
                code: McpCode::MessageMalformed,
                problem: "a batch: requests come one by one".to_owned(),
            });
        }
        _ => return Err(Rejected::Dropped),
    }
    if let Err(error) = rfc8785::transform(text, &limits()) {
        if std::str::from_utf8(text).is_err() || serde_json::from_slice::<IgnoredAny>(text).is_err() {
            return Err(Rejected::Dropped);
        }
        return Err(Rejected::Refused {
            id: sole_id(text),
            code: McpCode::MessageRefused,
            problem: error.to_string(),
        });
    }
    read_object(text).map_err(|(code, problem)| Rejected::Refused {
        id: sole_id(text),
        code,
        problem,
    })
}

/// How much of a client's message the gate reads.
pub(crate) fn limits() -> Limits {
    Limits::default().with_max_bytes(MAX_CLIENT_MESSAGE)
}

fn read_object(text: &[u8]) -> Result<ClientMessage<'_>, (McpCode, String)> {
    let malformed = |problem: &str| (McpCode::MessageMalformed, problem.to_owned());
    let (mut id, mut method, mut params, mut result, mut error, mut version) = (None, None, None, None, None, None);
    for member in raw::members(text) {
        let name = named(&member, ENVELOPE)?;
        match &*name {
            "jsonrpc" => version = Some(member.value),
            "id" => id = Some(member.value),
            "method" => method = Some(member.value),
            "params" => params = Some(member.value),
            "result" => result = Some(member.value),
            "error" => error = Some(member.value),
            _ => {}
        }
    }
    if version != Some(b"\"2.0\"") {
        return Err(malformed("no message of JSON-RPC 2.0"));
    }
    let id = match id {
        None => None,
        Some(id) => Some(Id::read(id).ok_or((
            McpCode::IdRefused,
            "an id is text or an integer, written plainly".to_owned(),
        ))?),
    };
    if id.as_ref().is_some_and(Id::is_own) {
        return Err((
            McpCode::IdRefused,
            format!("ids that begin with {OWN_PREFIX} are the proxy's"),
        ));
    }
    match (method, id, result, error) {
        (Some(method), id, None, None) => {
            let method = raw::text(method).ok_or_else(|| malformed("`method` is no text"))?;
            let params = read_params(params)?;
            Ok(match id {
                Some(id) => ClientMessage::Request { id, method, params },
                None => ClientMessage::Notification { method, params },
            })
        }
        (None, Some(id), Some(result), None) => Ok(ClientMessage::Answer { id, result: Ok(result) }),
        (None, Some(id), None, Some(error)) => Ok(ClientMessage::Answer { id, result: Err(error) }),
        _ => Err(malformed("neither a request, nor a notification, nor an answer")),
    }
}

fn read_params(params: Option<&[u8]>) -> Result<Params<'_>, (McpCode, String)> {
    let Some(params) = params else {
        return Ok(Params::default());
    };
    if params.first() != Some(&b'{') {
        return Err((McpCode::MessageMalformed, "`params` is no object".to_owned()));
    }
    let mut members = HashMap::new();
    for member in raw::members(params) {
        members.insert(named(&member, PARAMS)?, member.value);
    }
    let is_object = |meta: &&[u8]| meta.first() == Some(&b'{');
    if members.get("_meta").is_some_and(|meta| !is_object(meta)) {
        return Err((McpCode::MessageMalformed, "`_meta` is no object".to_owned()));
    }
    Ok(Params {
        members,
        is_present: true,
    })
}

/// The name of a member, unless some reader takes it for a known one that it isn't.
fn named<'a>(member: &Member<'a>, known: &[&str]) -> Result<Cow<'a, str>, (McpCode, String)> {
    let name = member
        .name()
        .ok_or_else(|| (McpCode::MessageRefused, "a name is no Unicode".to_owned()))?;
    if known.contains(&&*name) {
        return Ok(name);
    }
    let folded = names::fold(&name);
    match known.iter().find(|known| names::fold(known) == folded) {
        None => Ok(name),
        Some(known) => Err((
            McpCode::MemberAmbiguous,
            format!("`{}` can be taken for `{known}`", name.escape_debug()),
        )),
    }
}

/// The id of a message that is refused, if it has exactly one.
fn sole_id(text: &[u8]) -> Option<Id> {
    let mut ids = raw::members(text).filter(|member| member.is_named("id"));
    let id = ids.next().filter(|_| ids.next().is_none())?;
    Id::read(id.value).filter(|id| !id.is_own())
}

/// A message of a server: slices of its line.
#[derive(Debug)]
pub(crate) enum ServerMessage<'a> {
    Request {
        id: Id,
        method: Cow<'a, str>,
        params: Option<&'a [u8]>,
    },
    Notification {
        method: Cow<'a, str>,
        params: Option<&'a [u8]>,
    },
    Answer {
        id: Id,
        result: Result<&'a [u8], &'a [u8]>,
    },
}

/// Reads a message of a server; `None` if it is none that can be passed on: no JSON object, or one of which two readers read
/// different things where the proxy looks.
pub(crate) fn read_server(line: &[u8]) -> Option<ServerMessage<'_>> {
    let text = raw::trim(line);
    if !raw::is_object(text) || raw::is_ambiguous(text) {
        return None;
    }
    let (mut id, mut method, mut params, mut result, mut error, mut version) = (None, None, None, None, None, None);
    for member in raw::members(text) {
        let name = named(&member, ENVELOPE).ok()?;
        match &*name {
            "jsonrpc" => version = Some(member.value),
            "id" => id = Some(member.value),
            "method" => method = Some(member.value),
            "params" => params = Some(member.value),
            "result" => result = Some(member.value),
            "error" => error = Some(member.value),
            _ => {}
        }
    }
    if version != Some(b"\"2.0\"") || [params, result, error].into_iter().flatten().any(raw::is_ambiguous) {
        return None;
    }
    let id = match id {
        None => None,
        Some(id) => Some(Id::read(id)?),
    };
    match (method, id, result, error) {
        (Some(method), Some(id), None, None) => Some(ServerMessage::Request {
            id,
            method: raw::text(method)?,
            params,
        }),
        (Some(method), None, None, None) => Some(ServerMessage::Notification {
            method: raw::text(method)?,
            params,
        }),
        (None, Some(id), Some(result), None) if result.first() == Some(&b'{') => {
            Some(ServerMessage::Answer { id, result: Ok(result) })
        }
        (None, Some(id), None, Some(error)) if error.first() == Some(&b'{') => {
            Some(ServerMessage::Answer { id, result: Err(error) })
        }
        _ => None,
    }
}

/// Of a server's message that can't be passed on, and of which only the start and the end may be known: the request that it means to
/// answer. It needn't be JSON: whoever waits for it is told that nothing else comes.
pub(crate) fn answered_id(start: &[u8], end: &[u8]) -> Option<Id> {
    if raw::member(start, "method").is_some() {
        return None;
    }
    let mut ids = raw::members(start).filter(|member| member.is_named("id"));
    match (ids.next(), ids.next()) {
        (Some(id), None) => Id::read(id.value),
        (None, _) => id_at_end(end),
        _ => None,
    }
}

/// The id at the end of a message, where many servers write it.
fn id_at_end(end: &[u8]) -> Option<Id> {
    let at = memchr::memmem::rfind(end, b",\"id\":")?;
    let rest = end.get(at.saturating_add(1)..)?;
    let object = [b"{", rest].concat();
    raw::is_object(&object)
        .then(|| raw::member(&object, "id").and_then(Id::read))
        .flatten()
}

/// A request.
pub(crate) fn request(id: &Id, method: &str, params: Option<&[u8]>) -> Vec<u8> {
    let message = ObjectWriter::new()
        .member("jsonrpc", b"\"2.0\"")
        .member("id", &id.to_json());
    message
        .member("method", &raw::quoted(method))
        .optional("params", params)
        .finish()
}

/// A notification.
pub(crate) fn notification(method: &str, params: Option<&[u8]>) -> Vec<u8> {
    let message = ObjectWriter::new().member("jsonrpc", b"\"2.0\"");
    message
        .member("method", &raw::quoted(method))
        .optional("params", params)
        .finish()
}

/// An answer.
pub(crate) fn answer(id: &Id, result: Result<&[u8], &[u8]>) -> Vec<u8> {
    let message = ObjectWriter::new()
        .member("jsonrpc", b"\"2.0\"")
        .member("id", &id.to_json());
    match result {
        Ok(result) => message.member("result", result),
        Err(error) => message.member("error", error),
    }
    .finish()
}

/// Arguments or parameters as the gate admits them.
pub(crate) fn admitted(value: &[u8]) -> Result<actionpass_canon::CanonicalBytes, String> {
    admit(value, &limits()).map_err(|error| error.to_string())
}

/// SHA-256 of a result's canonical bytes; `None` if the gate refuses it.
pub(crate) fn hash(result: &[u8]) -> Option<Digest> {
    let limits = Limits::default()
        .with_max_bytes(Limits::MAX_BYTES_CEILING)
        .with_max_members(1 << 20);
    admit(result, &limits).ok().map(|result| result.digest())
}

#[cfg(test)]
mod tests;
