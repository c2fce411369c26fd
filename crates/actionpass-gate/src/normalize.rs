//! From a call to what an action says of it: [`Normalized`].

use std::collections::BTreeMap;

use actionpass_canon::{BindError, BoundAction, BoundFacts, CanonicalBytes, Limits, scan};
use actionpass_model::{ActionId, Audience, Caller, Intent, Resource, Server, Timestamp, Tool, ToolDefinition};
use serde::Serialize;
use serde_json::{Value, json};

use crate::call::{Call, HttpCall, MethodCall, ToolCall};
use crate::catalogue::{Entry, Match, SchemaSource, check_server_name, is_tool_name};
use crate::http::{self, HttpPattern, Overlap};
use crate::{CallCode, CallError, Catalogue, Risk};

/// What an action says of a call, and what goes with it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Normalized {
    /// `capability.tool`.
    pub tool: Tool,
    /// `capability.resource`.
    pub resource: Resource,
    /// `capability.payload`: the arguments, unchanged; of an HTTP request `{body?, headers?, path, query}`.
    pub payload: CanonicalBytes,
    /// `toolDefinition`, where the call came with one.
    pub definition: Option<ToolDefinition>,
    /// The audience that the entry names.
    pub audience: Option<Audience>,
    /// The fact `tool.risk`.
    pub risk: Option<Risk>,
    /// `match` of the entry that named the call, if one did.
    pub entry: Option<Box<str>>,
}

impl Normalized {
    /// The action of a caller whom the front door knows.
    ///
    /// # Errors
    /// [`BindError`] if the action as a whole exceeds the limits.
    pub fn action(
        &self,
        caller: &Caller,
        intent: &Intent,
        id: Option<&ActionId>,
        context: Option<&CanonicalBytes>,
        limits: &Limits,
    ) -> Result<BoundAction, BindError> {
        let mut document = String::from("{\"schema\":\"actionpass.action.v1\"");
        let mut member = |name: &str, value: &str| document.extend([",\"", name, "\":", value]);
        member("tenant", &written(&caller.tenant));
        member("actor", &written(&caller.actor));
        member("intent", &written(intent));
        let capability = format!(
            "{{\"tool\":{},\"resource\":{},\"payload\":{}}}",
            written(&self.tool),
            written(&self.resource),
            self.payload.as_str()
        );
        member("capability", &capability);
        if let Some(definition) = &self.definition {
            member("toolDefinition", &written(definition));
        }
        if let Some(id) = id {
            member("id", &written(id));
        }
        if let Some(context) = context {
            member("context", context.as_str());
        }
        document.push('}');
        BoundAction::admit(document.as_bytes(), limits)
    }

    /// What the catalogue attests about the call at this time, as a facts document of its own; `None` if it says nothing.
    ///
    /// # Errors
    /// [`BindError`] if the limits are too small even for that.
    pub fn attested(&self, now: Timestamp, limits: &Limits) -> Result<Option<BoundFacts>, BindError> {
        if self.risk.is_none() {
            return Ok(None);
        }
        let document = json!({
            "schema": "actionpass.facts.v1", "source": Catalogue::FILE, "asOf": now, "facts": self.facts(),
        });
        BoundFacts::admit(document.to_string().as_bytes(), limits).map(Some)
    }

    /// What the catalogue attests about the call, as the member `facts` of a facts document: `{"tool":{"risk":…}}`.
    #[must_use]
    pub fn facts(&self) -> Value {
        match self.risk {
            Some(risk) => json!({ "tool": { "risk": risk.as_str() } }),
            None => json!({}),
        }
    }
}

/// Valid types are always written; should that ever fail, the action isn't one and is refused.
fn written(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

impl Catalogue {
    /// What this call is as an action. An issuer and an executor that have the same catalogue derive the same.
    ///
    /// # Errors
    /// [`CallError`]: the call can't be told from another one, its resource can't be read out of it, or its arguments don't
    /// fit the tool's schema. Nothing is guessed.
    pub fn normalize<'a>(&self, call: impl Into<Call<'a>>) -> Result<Normalized, CallError> {
        let call = call.into();
        let (normalized, entry) = self.read(&call)?;
        judge(entry, &call, &normalized.payload)?;
        Ok(normalized)
    }

    /// The same without asking any schema: for an executor, which has no list of tools and compares with a pass what an issuer
    /// judged.
    ///
    /// # Errors
    /// [`CallError`], as [`normalize`](Self::normalize).
    pub fn derive<'a>(&self, call: impl Into<Call<'a>>) -> Result<Normalized, CallError> {
        self.read(&call.into()).map(|(normalized, _)| normalized)
    }

    fn read(&self, call: &Call<'_>) -> Result<(Normalized, Option<&Entry>), CallError> {
        match call {
            Call::Tool(call) => self.tool(call),
            Call::Method(call) => Ok((Self::method(call)?, None)),
            Call::Http(call) => self.http(call),
        }
    }

    fn tool(&self, call: &ToolCall<'_>) -> Result<(Normalized, Option<&Entry>), CallError> {
        server_name(call.server)?;
        if !is_tool_name(call.tool) {
            let problem = "is no name of a tool that can be told from every other: `[A-Za-z0-9_./-]{1,128}`";
            return Err(CallError::at(CallCode::CallNotNormalizable, "tool", problem));
        }
        object(call.arguments)?;
        if call.definition.is_some_and(|listed| listed.name() != call.tool) {
            return Err(not_normalizable("definition", "is that of another tool"));
        }
        let entry = self.entry_of_tool(call.server, call.tool);
        let tool = match entry.and_then(|entry| entry.tool.clone()) {
            Some(tool) => tool,
            None => parsed(&format!("mcp/{}/{}", call.server, call.tool))?,
        };
        let resource = resource(entry, call.arguments, || format!("server:{}", call.server))?;
        let definition = call.definition.map(|listed| -> Result<_, CallError> {
            Ok(ToolDefinition {
                server: Server::parse(call.server).map_err(|error| not_normalizable("server", error.problem()))?,
                definition_hash: listed.hash(),
            })
        });
        let normalized = Normalized {
            tool,
            resource,
            payload: call.arguments.clone(),
            definition: definition.transpose()?,
            audience: entry.and_then(|entry| entry.audience.clone()),
            risk: entry.and_then(|entry| entry.risk),
            entry: entry.map(|entry| entry.text.clone()),
        };
        Ok((normalized, entry))
    }

    fn method(call: &MethodCall<'_>) -> Result<Normalized, CallError> {
        server_name(call.server)?;
        if !is_tool_name(call.method) {
            return Err(not_normalizable("method", "is no name of a method"));
        }
        object(call.params)?;
        Ok(Normalized {
            tool: parsed(&format!("mcp-method/{}/{}", call.server, call.method))?,
            resource: of_server(&format!("server:{}", call.server))?,
            payload: call.params.clone(),
            definition: None,
            audience: None,
            risk: None,
            entry: None,
        })
    }

    fn http(&self, call: &HttpCall<'_>) -> Result<(Normalized, Option<&Entry>), CallError> {
        let host = call.host.to_ascii_lowercase();
        if !http::is_host(&host) {
            return Err(not_normalizable("host", "is no name of a host"));
        }
        let segments = http::segments(call.path())?;
        let (entry, captures) = self.entry_of_request(call.method, &host, &segments).ok_or_else(|| {
            let problem = format!(
                "no entry of the catalogue names `{} {host}` with this path",
                call.method.escape_debug()
            );
            CallError::new(CallCode::CallNotMapped, problem)
        })?;
        let payload = http::payload(call, &captures, &entry.headers, &self.limits)?;
        let resource = resource(Some(entry), &payload, || format!("host:{host}"))?;
        let normalized = Normalized {
            // Every entry for requests has one.
            tool: entry
                .tool
                .clone()
                .ok_or_else(|| not_normalizable("tool", "is missing"))?,
            resource,
            payload,
            definition: None,
            audience: entry.audience.clone(),
            risk: entry.risk,
            entry: Some(entry.text.clone()),
        };
        Ok((normalized, Some(entry)))
    }

    /// The entry with this name, else the one with the longest prefix of it.
    pub(crate) fn entry_of_tool(&self, server: &str, tool: &str) -> Option<&Entry> {
        let length = |entry: &&Entry| match &entry.matched {
            Match::Tool {
                server: of,
                name,
                is_prefix,
            } if **of == *server => match is_prefix {
                false => (**name == *tool).then_some(usize::MAX),
                true => tool.starts_with(&**name).then_some(name.len()),
            },
            _ => None,
        };
        let fitting = self.entries.iter().filter_map(|entry| Some((length(&entry)?, entry)));
        fitting.max_by_key(|(length, _)| *length).map(|(_, entry)| entry)
    }

    /// The most exact entry for a request, and what stands in its named segments. No two are equally exact.
    fn entry_of_request(
        &self,
        method: &str,
        host: &str,
        segments: &[String],
    ) -> Option<(&Entry, BTreeMap<&str, String>)> {
        let mut best: Option<(&Entry, &HttpPattern, BTreeMap<&str, String>)> = None;
        for entry in &self.entries {
            let Match::Http(pattern) = &entry.matched else { continue };
            let Some(captures) = pattern.captures(method, host, segments) else {
                continue;
            };
            let is_better = best
                .as_ref()
                .is_none_or(|(_, other, _)| HttpPattern::compare(pattern, other) == Overlap::MoreExact);
            if is_better {
                best = Some((entry, pattern, captures));
            }
        }
        best.map(|(entry, _, captures)| (entry, captures))
    }
}

/// Judges a payload by what the entry says it must fit.
fn judge(entry: Option<&Entry>, call: &Call<'_>, payload: &CanonicalBytes) -> Result<(), CallError> {
    let (definition, tool) = match call {
        Call::Tool(call) => (call.definition, call.tool),
        _ => (None, ""),
    };
    match (entry.map_or(&SchemaSource::IfListed, |entry| &entry.schema), definition) {
        (SchemaSource::None, _) | (SchemaSource::IfListed, None) => Ok(()),
        (SchemaSource::File(schema), _) => schema.judge(payload),
        (SchemaSource::IfListed | SchemaSource::Pinned, Some(listed)) => listed.input_schema()?.judge(payload),
        (SchemaSource::Pinned, None) => {
            let problem = format!("is `{tool}`, which has no pinned definition whose schema its arguments must fit");
            Err(CallError::at(CallCode::ToolNotPinned, "tool", problem))
        }
    }
}

fn resource(
    entry: Option<&Entry>,
    payload: &CanonicalBytes,
    default: impl Fn() -> String,
) -> Result<Resource, CallError> {
    match entry.and_then(|entry| Some((entry, entry.resource.as_ref()?))) {
        Some((entry, template)) => template.fill(payload, entry.root.as_deref(), &entry.fold),
        None => of_server(&default()),
    }
}

fn of_server(text: &str) -> Result<Resource, CallError> {
    Resource::parse(text).map_err(|error| not_normalizable("server", error.problem()))
}

fn parsed(tool: &str) -> Result<Tool, CallError> {
    Tool::parse(tool).map_err(|error| not_normalizable("tool", error.problem()))
}

fn server_name(name: &str) -> Result<(), CallError> {
    check_server_name(name).map_err(|problem| not_normalizable("server", problem))
}

fn object(arguments: &CanonicalBytes) -> Result<(), CallError> {
    if scan::members(arguments.as_bytes()).is_none() {
        return Err(CallError::at(
            CallCode::CallArgumentsNotObject,
            "payload",
            "is no object",
        ));
    }
    Ok(())
}

fn not_normalizable(path: &str, problem: impl Into<Box<str>>) -> CallError {
    CallError::at(CallCode::CallNotNormalizable, path, problem)
}

#[cfg(test)]
mod tests;
