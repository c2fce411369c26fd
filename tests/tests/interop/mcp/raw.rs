//! [`Raw`]: a client of an MCP server over stdio that reads and writes lines, and so sees what SDKs hide.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// How long anything here may take, on a machine that is busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server that was started, and ends with this.
pub(crate) struct Raw {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    id: u64,
    /// What every request carries in `_meta`, of a server that has no sessions.
    meta: Option<Value>,
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Raw {
    /// Starts a server, without a word to it.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            stdin,
            lines,
            id: 0,
            meta: None,
        }
    }

    /// Starts a server of the era of sessions.
    pub(crate) fn open(command: &mut Command) -> Self {
        let mut raw = Self::start(command);
        let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "raw", "version": "1" } });
        let answer = raw.ask("initialize", &hello);
        assert!(answer["result"]["protocolVersion"].is_string(), "{answer}");
        raw.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        raw
    }

    /// Starts a server of the era in which every request describes itself.
    pub(crate) fn open_modern(command: &mut Command) -> Self {
        let mut raw = Self::start(command);
        raw.meta = Some(json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "raw", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        }));
        raw
    }

    pub(crate) fn send(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
        stdin.flush().unwrap();
    }

    /// Sends a request and gives its id.
    pub(crate) fn begin(&mut self, method: &str, params: &Value) -> u64 {
        self.id += 1;
        let mut params = params.clone();
        if let (Some(meta), Some(members)) = (&self.meta, params.as_object_mut()) {
            members.insert("_meta".to_owned(), meta.clone());
        }
        self.send(&json!({ "jsonrpc": "2.0", "id": self.id, "method": method, "params": params }).to_string());
        self.id
    }

    /// The next line; `None` if there is none any more.
    pub(crate) fn line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the server says nothing"),
        }
    }

    /// The line that answers a request; what comes before it is passed over.
    pub(crate) fn answer(&mut self, id: u64) -> String {
        loop {
            let line = self
                .line()
                .unwrap_or_else(|| panic!("the server ended before it answered"));
            let said: Value = serde_json::from_str(&line).unwrap_or_default();
            if said["id"] == id && said.get("method").is_none() {
                return line;
            }
        }
    }

    /// The answer to a request.
    pub(crate) fn ask(&mut self, method: &str, params: &Value) -> Value {
        let id = self.begin(method, params);
        serde_json::from_str(&self.answer(id)).unwrap()
    }

    /// The answer to a call.
    pub(crate) fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        self.ask("tools/call", &json!({ "name": tool, "arguments": arguments }))
    }

    /// The array of all tools, as the server writes it.
    pub(crate) fn tools(&mut self) -> String {
        let (mut all, mut params) = (Vec::new(), json!({}));
        loop {
            let id = self.begin("tools/list", &params);
            let line = self.answer(id);
            let result = member(&line, "result").unwrap_or_else(|| panic!("{line}"));
            let page = member(result, "tools").unwrap_or_else(|| panic!("{line}"));
            let inner = page.trim().trim_start_matches('[').strip_suffix(']').unwrap().trim();
            if !inner.is_empty() {
                all.push(inner.to_owned());
            }
            let answer: Value = serde_json::from_str(&line).unwrap();
            match &answer["result"]["nextCursor"] {
                Value::Null => return format!("[{}]", all.join(",")),
                cursor => params = json!({ "cursor": cursor }),
            }
        }
    }
}

/// The text of a member of an object, as it is written.
pub(crate) fn member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    // Where the value began whose end is looked for, and where the latest string did.
    let (mut value, mut string) = (None, 0);
    let mut key = "";
    for (at, byte) in object.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => {
                in_string = !in_string;
                if in_string {
                    string = at + 1;
                } else if depth == 1 && value.is_none() {
                    key = &object[string..at];
                }
            }
            _ if in_string => {}
            b':' if depth == 1 && value.is_none() => value = Some(at + 1),
            b',' | b'}' if depth == 1 => {
                if let Some(from) = value.take()
                    && key == name
                {
                    return Some(object[from..at].trim());
                }
                if byte == b'}' {
                    return None;
                }
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[test]
fn members_are_found_as_they_are_written() {
    let text = r#" {"a":"}\"","b" : {"tools":[1, 1.0]} ,"tools":[ {"x":"]"}, 1e400 ], "c":3}"#;
    assert_eq!(member(text, "tools"), Some(r#"[ {"x":"]"}, 1e400 ]"#));
    assert_eq!(member(text, "b"), Some(r#"{"tools":[1, 1.0]}"#));
    assert_eq!(member(text, "a"), Some(r#""}\"""#));
    assert_eq!(member(text, "c"), Some("3"));
    assert_eq!(member(text, "x"), None);
}
