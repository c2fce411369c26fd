//! What a front door knows of a call before it is an action: [`Call`].

use actionpass_canon::{CanonicalBytes, Limits, admit};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::{CallCode, CallError, ListedTool};

/// A call as its protocol makes it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Call<'a> {
    /// A tool of an MCP server or of a coding agent.
    Tool(ToolCall<'a>),
    /// Another method of an MCP server that acts on something: `resources/read`, `prompts/get`.
    Method(MethodCall<'a>),
    /// An HTTP request.
    Http(HttpCall<'a>),
}

/// A tool of an MCP server or of a coding agent, and its arguments.
#[derive(Clone, Copy, Debug)]
pub struct ToolCall<'a> {
    pub(crate) server: &'a str,
    pub(crate) tool: &'a str,
    pub(crate) arguments: &'a CanonicalBytes,
    pub(crate) definition: Option<&'a ListedTool>,
}

/// A method of an MCP server, and its parameters.
#[derive(Clone, Copy, Debug)]
pub struct MethodCall<'a> {
    pub(crate) server: &'a str,
    pub(crate) method: &'a str,
    pub(crate) params: &'a CanonicalBytes,
}

/// An HTTP request.
#[derive(Clone, Copy, Debug)]
pub struct HttpCall<'a> {
    pub(crate) method: &'a str,
    pub(crate) host: &'a str,
    pub(crate) target: &'a str,
    pub(crate) body: Option<&'a CanonicalBytes>,
    pub(crate) headers: &'a [(String, String)],
}

impl<'a> ToolCall<'a> {
    /// A call of a tool, by the name of the server's `[[server]]` entry and the tool's own name. Where a protocol lets
    /// arguments away, they are `{}`.
    #[must_use]
    pub const fn new(server: &'a str, tool: &'a str, arguments: &'a CanonicalBytes) -> Self {
        Self {
            server,
            tool,
            arguments,
            definition: None,
        }
    }

    /// The same with the tool's definition as the server lists it now. Its hash goes into the action, and the arguments
    /// must fit its schema, unless the entry says otherwise.
    #[must_use]
    pub const fn with_definition(self, definition: &'a ListedTool) -> Self {
        Self {
            definition: Some(definition),
            ..self
        }
    }

    /// The server's name.
    #[must_use]
    pub const fn server(&self) -> &'a str {
        self.server
    }

    /// The tool's own name.
    #[must_use]
    pub const fn tool(&self) -> &'a str {
        self.tool
    }

    /// The arguments.
    #[must_use]
    pub const fn arguments(&self) -> &'a CanonicalBytes {
        self.arguments
    }

    /// The tool's definition, if the call comes with one.
    #[must_use]
    pub const fn definition(&self) -> Option<&'a ListedTool> {
        self.definition
    }
}

impl<'a> MethodCall<'a> {
    /// A call of a method.
    #[must_use]
    pub const fn new(server: &'a str, method: &'a str, params: &'a CanonicalBytes) -> Self {
        Self { server, method, params }
    }

    /// The server's name.
    #[must_use]
    pub const fn server(&self) -> &'a str {
        self.server
    }

    /// The method.
    #[must_use]
    pub const fn method(&self) -> &'a str {
        self.method
    }

    /// Its parameters.
    #[must_use]
    pub const fn params(&self) -> &'a CanonicalBytes {
        self.params
    }
}

impl<'a> HttpCall<'a> {
    /// A request with this method, host (and port, if it isn't the scheme's) and target (path and query) as they were
    /// received. A request that has a body that is no JSON can't be stated, and must be refused.
    #[must_use]
    pub const fn new(method: &'a str, host: &'a str, target: &'a str) -> Self {
        Self {
            method,
            host,
            target,
            body: None,
            headers: &[],
        }
    }

    /// The same with a body.
    #[must_use]
    pub const fn with_body(self, body: &'a CanonicalBytes) -> Self {
        Self {
            body: Some(body),
            ..self
        }
    }

    /// The same with headers: names and values, in any order. Only those that the entry names count.
    #[must_use]
    pub const fn with_headers(self, headers: &'a [(String, String)]) -> Self {
        Self { headers, ..self }
    }

    pub(crate) fn path(&self) -> &'a str {
        self.target.split_once('?').map_or(self.target, |(path, _)| path)
    }

    pub(crate) fn query(&self) -> Option<&'a str> {
        self.target.split_once('?').map(|(_, query)| query)
    }
}

impl<'a> From<ToolCall<'a>> for Call<'a> {
    fn from(call: ToolCall<'a>) -> Self {
        Self::Tool(call)
    }
}

impl<'a> From<MethodCall<'a>> for Call<'a> {
    fn from(call: MethodCall<'a>) -> Self {
        Self::Method(call)
    }
}

impl<'a> From<HttpCall<'a>> for Call<'a> {
    fn from(call: HttpCall<'a>) -> Self {
        Self::Http(call)
    }
}

/// A call as JSON: `{server, tool, arguments}`, of another method `{server, method, params}`, or of a request
/// `{method, host, target, headers?, body?}`, closed.
///
/// ```
/// use actionpass_canon::Limits;
/// use actionpass_gate::{CallDocument, Catalogue};
///
/// let document = CallDocument::admit(br#"{"server":"docs","tool":"search","arguments":{"q":"retry"}}"#, &Limits::default())?;
/// let call = Catalogue::empty().normalize(document.call())?;
/// assert_eq!(call.tool.as_str(), "mcp/docs/search");
/// assert_eq!(call.payload.as_bytes(), br#"{"q":"retry"}"#);
/// # Ok::<(), actionpass_gate::CallError>(())
/// ```
#[derive(Clone, Debug)]
pub struct CallDocument(Parts);

#[derive(Clone, Debug)]
enum Parts {
    Tool {
        server: String,
        tool: String,
        arguments: CanonicalBytes,
    },
    Method {
        server: String,
        method: String,
        params: CanonicalBytes,
    },
    Http {
        method: String,
        host: String,
        target: String,
        headers: Vec<(String, String)>,
        body: Option<CanonicalBytes>,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Shape {
    Tool(ToolShape),
    Method(MethodShape),
    Http(HttpShape),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolShape {
    server: String,
    tool: String,
    #[serde(rename = "arguments")]
    _arguments: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MethodShape {
    server: String,
    method: String,
    #[serde(rename = "params")]
    _params: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HttpShape {
    method: String,
    host: String,
    target: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default, rename = "body")]
    _body: IgnoredAny,
}

impl CallDocument {
    /// Admits the JSON of a call.
    ///
    /// # Errors
    /// [`CallCode::CallMalformed`].
    pub fn admit(raw: &[u8], limits: &Limits) -> Result<Self, CallError> {
        let document = admit(raw, limits)
            .map_err(|error| CallError::new(CallCode::CallMalformed, format!("the call is refused: {error}")))?;
        Self::of(&document)
    }

    /// The same of a part of a document that was admitted.
    ///
    /// # Errors
    /// [`CallCode::CallMalformed`].
    pub fn of(document: &CanonicalBytes) -> Result<Self, CallError> {
        let malformed = || {
            let problem = "the call is none of `{server, tool, arguments}`, `{server, method, params}` and `{method, host, target, headers?, body?}`";
            CallError::new(CallCode::CallMalformed, problem)
        };
        let shape: Shape = serde_json::from_slice(document.as_bytes()).map_err(|_| malformed())?;
        let parts = match shape {
            Shape::Tool(ToolShape { server, tool, .. }) => Parts::Tool {
                server,
                tool,
                arguments: document.member(&["arguments"]).ok_or_else(malformed)?,
            },
            Shape::Method(MethodShape { server, method, .. }) => Parts::Method {
                server,
                method,
                params: document.member(&["params"]).ok_or_else(malformed)?,
            },
            Shape::Http(HttpShape {
                method,
                host,
                target,
                headers,
                ..
            }) => Parts::Http {
                method,
                host,
                target,
                headers,
                body: document.member(&["body"]),
            },
        };
        Ok(Self(parts))
    }

    /// The server that it is a call of; `None` of an HTTP request.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        match &self.0 {
            Parts::Tool { server, .. } | Parts::Method { server, .. } => Some(server),
            Parts::Http { .. } => None,
        }
    }

    /// The tool of that server; `None` of another method and of an HTTP request.
    #[must_use]
    pub fn tool(&self) -> Option<&str> {
        match &self.0 {
            Parts::Tool { tool, .. } => Some(tool),
            Parts::Method { .. } | Parts::Http { .. } => None,
        }
    }

    /// The call with the definition of its tool, if there is one.
    #[must_use]
    pub fn call_with<'a>(&'a self, definition: Option<&'a ListedTool>) -> Call<'a> {
        match (self.call(), definition) {
            (Call::Tool(call), Some(definition)) => call.with_definition(definition).into(),
            (call, _) => call,
        }
    }

    /// The call, without a definition.
    #[must_use]
    pub fn call(&self) -> Call<'_> {
        match &self.0 {
            Parts::Tool {
                server,
                tool,
                arguments,
            } => ToolCall::new(server, tool, arguments).into(),
            Parts::Method { server, method, params } => MethodCall::new(server, method, params).into(),
            Parts::Http {
                method,
                host,
                target,
                headers,
                body,
            } => {
                let call = HttpCall::new(method, host, target).with_headers(headers);
                body.as_ref().map_or(call, |body| call.with_body(body)).into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_as_json_is_closed() {
        let read = |text: &str| CallDocument::admit(text.as_bytes(), &Limits::default()).map(|_| ());
        for text in [
            r#"{"server":"a","tool":"b","arguments":{}}"#,
            r#"{"server":"a","method":"resources/read","params":{}}"#,
            r#"{"method":"GET","host":"h","target":"/"}"#,
            r#"{"method":"GET","host":"h","target":"/","headers":[["a","b"]],"body":null}"#,
        ] {
            assert_eq!(read(text), Ok(()), "{text}");
        }
        for text in [
            "",
            "[]",
            "{}",
            r#"{"server":"a","tool":"b"}"#,
            r#"{"server":"a","method":"b"}"#,
            r#"{"server":"a","method":"b","params":{},"tool":"c"}"#,
            r#"{"server":"a","method":"b","params":{},"host":"h","target":"/"}"#,
            r#"{"server":"a","tool":"b","arguments":{},"method":"GET"}"#,
            r#"{"server":"a","tool":"b","tool":"c","arguments":{}}"#,
            r#"{"server":"a","tool":1,"arguments":{}}"#,
            r#"{"method":"GET","host":"h","target":"/","header":[]}"#,
            r#"{"method":"GET","host":"h","target":"/","headers":[["a"]]}"#,
        ] {
            assert_eq!(read(text).unwrap_err().code(), CallCode::CallMalformed, "{text}");
        }
        // A body that is `null` is a body.
        let document = CallDocument::admit(
            br#"{"method":"GET","host":"h","target":"/","body":null}"#,
            &Limits::default(),
        )
        .unwrap();
        assert!(matches!(document.call(), Call::Http(HttpCall { body: Some(body), .. }) if body.as_bytes() == b"null"));
    }
}
