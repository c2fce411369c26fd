//! What the proxy is measured beside: a relay that reads nothing of what it carries, and a server that does nothing.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::thread;

use serde_json::{Value, json};

/// Carries lines to a server and back.
pub(crate) fn relay(words: &[String]) {
    let mut command = Command::new(&words[0]);
    let mut child = command
        .args(&words[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let back = thread::spawn(move || carry(output, std::io::stdout()));
    carry(std::io::stdin(), input);
    back.join().unwrap();
    child.wait().unwrap();
}

fn carry(from: impl Read, mut to: impl Write) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        if to.write_all(&line).and_then(|()| to.flush()).is_err() {
            break;
        }
        line.clear();
    }
}

/// A server of two tools that answer at once.
pub(crate) fn serve() {
    let tool = |name: &str| {
        let schema = json!({ "type": "object", "properties": { "path": { "type": "string" } }, "required": ["path"] });
        json!({ "name": name, "description": format!("Would {name} a file."), "inputSchema": schema })
    };
    let mut stdout = std::io::stdout();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let message: Value = serde_json::from_str(&line).unwrap();
        let Some(id) = message.get("id") else { continue };
        let result = match message["method"].as_str() {
            Some("initialize") => json!({
                "protocolVersion": "2025-11-25", "capabilities": { "tools": {} }, "serverInfo": { "name": "nothing", "version": "1" },
            }),
            Some("tools/list") => json!({ "tools": [tool("read"), tool("write")] }),
            Some("tools/call") => json!({ "content": [{ "type": "text", "text": "done" }] }),
            _ => json!({}),
        };
        let answer = json!({ "jsonrpc": "2.0", "id": id, "result": result });
        writeln!(stdout, "{answer}").and_then(|()| stdout.flush()).unwrap();
    }
}
