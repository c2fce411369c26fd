//! [`Event`]: what an agent says it is about to do.

use std::borrow::Cow;

use actionpass_canon::{CanonicalBytes, Limits, admit, scan};
use serde_json::json;

use crate::{Agent, HookCode, HookError};

/// The most bytes that are read of what an agent states: 8 MiB. What a call may have is less, and the door's limit.
pub const MAX_INPUT: usize = 8 << 20;

/// What an agent says it is about to do.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// The id of the session, as the agent states it.
    pub session: Option<String>,
    /// The folder in which the agent works, as the agent states it.
    pub folder: Option<String>,
    /// Which tool.
    pub tool: Tool,
    /// With what: a JSON object, unchanged.
    pub arguments: CanonicalBytes,
}

/// A tool, as far as an agent says which one it is.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "who names tools has to handle each way of it")]
pub enum Tool {
    /// A tool of the agent itself.
    Own(String),
    /// A tool of an MCP server, in one name: `mcp__SERVER__TOOL` (Claude Code, Codex).
    Joined(String),
    /// A tool of an MCP server, with the server's name (Gemini CLI).
    Of {
        /// The name of the server in the agent's configuration.
        server: String,
        /// The tool's name at the server.
        tool: String,
        /// The name under which the agent calls it.
        name: String,
        /// The command line that runs the server, if the agent states one.
        runs: Option<Vec<String>>,
        /// The URL of the server, if the agent states one.
        url: Option<String>,
    },
    /// A tool of an MCP server that isn't named (Cursor).
    OfUnnamed {
        /// The tool's name at the server.
        tool: String,
        /// The command line that runs the server, if the agent states one.
        runs: Option<Vec<String>>,
    },
}

impl Event {
    /// Reads what an agent wrote to its hook.
    ///
    /// # Errors
    /// [`HookError`]: it isn't admitted (`docs/spec/admission.md`), isn't of the form that is documented for this agent
    /// (`docs/spec/hooks.md`), or is about something else than a call that is about to be made.
    pub fn read(agent: Agent, raw: &[u8]) -> Result<Self, HookError> {
        let limits = Limits::default().with_max_bytes(MAX_INPUT);
        if raw.len() > MAX_INPUT {
            let problem = format!("it has more than {MAX_INPUT} bytes");
            return Err(HookError::new(HookCode::HookInputTooLarge, problem));
        }
        let document = admit(raw, &limits).map_err(|error| HookError::not_admitted("what the agent states", &error))?;
        let stated = Stated(document.as_bytes());
        if scan::members(stated.0).is_none() {
            return Err(HookError::new(HookCode::HookInputMalformed, "it is no JSON object"));
        }
        let name = stated.required("hook_event_name")?;
        match (agent, &*name) {
            (Agent::ClaudeCode | Agent::Codex, "PreToolUse") => called(&stated),
            (Agent::Gemini, "BeforeTool") => gemini(&stated),
            (Agent::Cursor, "preToolUse") => cursor_tool(&stated, &limits),
            (Agent::Cursor, "beforeShellExecution") => cursor_shell(&stated, &limits),
            (Agent::Cursor, "beforeMCPExecution") => cursor_mcp(&stated, &limits),
            (Agent::Cursor, "beforeReadFile") => cursor_read(&stated, &limits),
            _ => Err(HookError::new(
                HookCode::HookEventUnknown,
                format!("the event `{name}` of {agent} is none that is judged"),
            )),
        }
    }

    /// What goes into the action's `context`: an approval of a command holds for the folder it was asked in.
    pub(crate) fn context(&self) -> Option<CanonicalBytes> {
        let folder = self.folder.as_ref()?;
        admit(json!({ "cwd": folder }).to_string().as_bytes(), &Limits::default()).ok()
    }
}

/// What an agent states, canonical.
struct Stated<'a>(&'a [u8]);

impl<'a> Stated<'a> {
    /// A text, if there is a member of this name.
    fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>, HookError> {
        let Some(value) = scan::member(self.0, name) else {
            return Ok(None);
        };
        let text = scan::text(value).ok_or_else(|| HookError::malformed(name, "is no string"))?;
        Ok(Some(text))
    }

    fn required(&self, name: &str) -> Result<Cow<'a, str>, HookError> {
        let text = self.text(name)?;
        let text = text.ok_or_else(|| HookError::malformed(name, "is missing"))?;
        if text.is_empty() {
            return Err(HookError::malformed(name, "is empty"));
        }
        Ok(text)
    }

    /// The member as a document of its own, which has to be an object.
    fn object(&self, name: &str) -> Result<CanonicalBytes, HookError> {
        let value = scan::member(self.0, name).ok_or_else(|| HookError::malformed(name, "is missing"))?;
        self::object(name, value)
    }

    /// An object, or a string that is the text of one: some versions of Cursor say the one, some the other.
    fn object_or_text(&self, name: &str, limits: &Limits) -> Result<CanonicalBytes, HookError> {
        match self.text(name) {
            Ok(Some(text)) => {
                let what = format!("the text of `{name}`");
                let inner = admit(text.as_bytes(), limits).map_err(|error| HookError::not_admitted(&what, &error))?;
                object(name, inner.as_bytes())
            }
            Ok(None) | Err(_) => self.object(name),
        }
    }

    fn event(&self, session: &str, tool: Tool, arguments: CanonicalBytes) -> Result<Event, HookError> {
        Ok(Event {
            session: self.text(session)?.map(Cow::into_owned),
            folder: self.text("cwd")?.map(Cow::into_owned),
            tool,
            arguments,
        })
    }
}

fn object(name: &str, value: &[u8]) -> Result<CanonicalBytes, HookError> {
    if scan::members(value).is_none() {
        return Err(HookError::malformed(name, "is no object"));
    }
    // A part of what is canonical is canonical by itself, and admitted unchanged.
    let limits = Limits::default().with_max_bytes(MAX_INPUT);
    admit(value, &limits).map_err(|error| HookError::not_admitted(name, &error))
}

/// `PreToolUse` of Claude Code and Codex.
fn called(stated: &Stated<'_>) -> Result<Event, HookError> {
    let name = stated.required("tool_name")?;
    let tool = match name.strip_prefix("mcp__") {
        Some(_) => Tool::Joined(name.into_owned()),
        None => Tool::Own(name.into_owned()),
    };
    stated.event("session_id", tool, stated.object("tool_input")?)
}

/// `BeforeTool` of Gemini CLI. A tool of an MCP server comes with `mcp_context`.
fn gemini(stated: &Stated<'_>) -> Result<Event, HookError> {
    let name = stated.required("tool_name")?.into_owned();
    let tool = match scan::member(stated.0, "mcp_context") {
        None => Tool::Own(name),
        Some(of) => {
            let of = Stated(of);
            Tool::Of {
                server: of.required("server_name")?.into_owned(),
                tool: of.required("tool_name")?.into_owned(),
                name,
                runs: command_line(&of)?,
                url: of.text("url")?.map(Cow::into_owned),
            }
        }
    };
    stated.event("session_id", tool, stated.object("tool_input")?)
}

/// `command` and `args`, if the server is one that is run.
fn command_line(of: &Stated<'_>) -> Result<Option<Vec<String>>, HookError> {
    let Some(program) = of.text("command")? else {
        return Ok(None);
    };
    let mut words = vec![program.into_owned()];
    if let Some(args) = scan::member(of.0, "args") {
        let args = scan::elements(args).ok_or_else(|| HookError::malformed("args", "is no array"))?;
        for arg in args {
            let arg = arg.ok().and_then(scan::text);
            let arg = arg.ok_or_else(|| HookError::malformed("args", "has what is no string"))?;
            words.push(arg.into_owned());
        }
    }
    Ok(Some(words))
}

/// `preToolUse` of Cursor.
fn cursor_tool(stated: &Stated<'_>, limits: &Limits) -> Result<Event, HookError> {
    let name = stated.required("tool_name")?;
    let tool = match name.strip_prefix("MCP:") {
        Some(tool) => Tool::OfUnnamed {
            tool: tool.to_owned(),
            runs: None,
        },
        None => Tool::Own(name.into_owned()),
    };
    stated.event("conversation_id", tool, stated.object_or_text("tool_input", limits)?)
}

/// `beforeShellExecution` of Cursor: what its tool `Shell` runs. Whether it runs in Cursor's sandbox is a part of the call.
fn cursor_shell(stated: &Stated<'_>, limits: &Limits) -> Result<Event, HookError> {
    let mut call = json!({ "command": stated.required("command")? });
    if let Some(sandbox) = scan::member(stated.0, "sandbox")
        && let Some(members) = call.as_object_mut()
    {
        let is_on = match sandbox {
            b"true" => true,
            b"false" => false,
            _ => return Err(HookError::malformed("sandbox", "is no boolean")),
        };
        members.insert("sandbox".to_owned(), is_on.into());
    }
    stated.event("conversation_id", Tool::Own("Shell".to_owned()), made(&call, limits)?)
}

/// `beforeMCPExecution` of Cursor, which says how the server is run and not what it is called.
fn cursor_mcp(stated: &Stated<'_>, limits: &Limits) -> Result<Event, HookError> {
    let name = stated.required("tool_name")?;
    let tool = Tool::OfUnnamed {
        tool: name.strip_prefix("MCP:").unwrap_or(&name).to_owned(),
        runs: stated.text("command")?.and_then(|line| words(&line)),
    };
    stated.event("conversation_id", tool, stated.object_or_text("tool_input", limits)?)
}

/// `beforeReadFile` of Cursor. What is in the file is no part of the call.
fn cursor_read(stated: &Stated<'_>, limits: &Limits) -> Result<Event, HookError> {
    let call = json!({ "file_path": stated.required("file_path")? });
    stated.event("conversation_id", Tool::Own("Read".to_owned()), made(&call, limits)?)
}

fn made(call: &serde_json::Value, limits: &Limits) -> Result<CanonicalBytes, HookError> {
    admit(call.to_string().as_bytes(), limits).map_err(|error| HookError::not_admitted("the call", &error))
}

/// The words of a command line that were joined with spaces; `None` if they can't be told apart again.
fn words(line: &str) -> Option<Vec<String>> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b" -_./:=@,+".contains(&byte);
    let words: Vec<String> = line.split(' ').map(ToOwned::to_owned).collect();
    (line.bytes().all(is_plain) && words.iter().all(|word| !word.is_empty())).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(agent: Agent, raw: &str) -> String {
        use actionpass_model::CodedError;
        Event::read(agent, raw.as_bytes()).unwrap_err().code().to_string()
    }

    #[test]
    fn what_is_of_another_form_is_no_call() {
        for raw in [
            "[]",
            "{}",
            r#"{"hook_event_name":1}"#,
            r#"{"hook_event_name":"PreToolUse"}"#,
            r#"{"hook_event_name":"PreToolUse","tool_name":"Bash"}"#,
            r#"{"hook_event_name":"PreToolUse","tool_name":"","tool_input":{}}"#,
            r#"{"hook_event_name":"PreToolUse","tool_name":["Bash"],"tool_input":{}}"#,
            r#"{"hook_event_name":"PreToolUse","tool_name":"Bash","tool_input":"{}"}"#,
            r#"{"hook_event_name":"PreToolUse","tool_name":"Bash","tool_input":{},"session_id":7}"#,
            r#"{"hook_event_name":"PreToolUse","tool_name":"Bash","tool_input":{},"cwd":null}"#,
        ] {
            assert_eq!(code(Agent::ClaudeCode, raw), "hook_input_malformed", "{raw}");
        }
        assert_eq!(code(Agent::Codex, r#"{"a":1,"a":1}"#), "member_duplicate");
        let post = r#"{"hook_event_name":"PostToolUse","tool_name":"Bash","tool_input":{}}"#;
        assert_eq!(code(Agent::ClaudeCode, post), "hook_event_unknown");
        assert_eq!(code(Agent::Gemini, post), "hook_event_unknown");
        let nested = r#"{"hook_event_name":"preToolUse","tool_name":"Shell","tool_input":"{\"a\":1,\"a\":2}"}"#;
        assert_eq!(code(Agent::Cursor, nested), "member_duplicate");
    }

    #[test]
    fn what_is_too_large_is_no_call() {
        let raw = format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_INPUT));
        assert_eq!(code(Agent::ClaudeCode, &raw), "hook_input_too_large");
    }

    #[test]
    fn words_are_told_apart_or_not_at_all() {
        assert_eq!(words("/bin/a mcp"), Some(vec!["/bin/a".to_owned(), "mcp".to_owned()]));
        for line in [
            "/bin/a  mcp",
            "'/bin/a' mcp",
            "/bin/a\\ b mcp",
            "/bin/a mcp ",
            "/bin/a $X",
        ] {
            assert_eq!(words(line), None, "{line}");
        }
    }
}
