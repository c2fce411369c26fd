//! [`list_tools`]: what a server lists, asked without a client.

use std::process::Stdio;
use std::time::Duration;

use actionpass_gate::ListedTool;
use rustix::process::Pid;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::child::{self, Program};
use crate::era::{self, Era};
use crate::lines::{Line, Lines};
use crate::listing::Pages;
use crate::raw::{self, ObjectWriter};
use crate::stdio::BUFFER;
use crate::{MAX_LIST, McpError, ServerEntry};

/// The tools of a server that this command starts, all pages of them, within this time. It is asked as servers with sessions are,
/// and where it knows no `initialize`, as those of requests that describe themselves. It gets no more of the environment than
/// behind the proxy, and its standard error goes nowhere.
///
/// # Errors
/// [`McpCode::ServerUnavailable`](crate::McpCode::ServerUnavailable), [`McpCode::ServerGone`](crate::McpCode::ServerGone);
/// [`McpCode::ListRefused`](crate::McpCode::ListRefused) for a list that is too long, malformed, or doesn't come in time.
pub async fn list_tools(server: &ServerEntry, command: &[String], time: Duration) -> Result<Vec<ListedTool>, McpError> {
    let program = Program {
        command: command.to_vec(),
        env: server.env.clone(),
    };
    let late = |_| McpError::list("doesn't list its tools in time");
    let mut asked = Asked::start(&program)?;
    let listed = tokio::time::timeout(time, async {
        match asked.initialized().await? {
            Began::Legacy => asked.list(Era::Legacy).await,
            Began::Refused => asked.list(Era::Modern).await,
            // One that ends because it doesn't know what it was asked.
            Began::Gone => {
                asked.end().await;
                asked = Asked::start(&program)?;
                asked.list(Era::Modern).await
            }
        }
    });
    let listed = listed.await;
    asked.end().await;
    let pages = listed.map_err(late)??;
    pages
        .read(&server.meta)
        .map_err(|problem| McpError::list(&format!("lists tools that can't be read: {problem}")))
}

/// A server that is being asked.
struct Asked {
    child: Child,
    group: Option<Pid>,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    /// The id of the last request.
    last: u32,
}

/// What became of `initialize`.
enum Began {
    Legacy,
    Refused,
    Gone,
}

impl Asked {
    fn start(program: &Program) -> Result<Self, McpError> {
        let (child, input, output) = child::start(program, Stdio::null())?;
        Ok(Self {
            group: child::group(&child),
            child,
            input,
            // A list in one page, and what stands around it.
            lines: Lines::new(
                BufReader::with_capacity(BUFFER, output),
                MAX_LIST.saturating_add(BUFFER),
            ),
            last: 0,
        })
    }

    async fn end(&mut self) {
        child::end(&mut self.child, self.group).await;
    }

    async fn initialized(&mut self) -> Result<Began, McpError> {
        let params = format!(
            "{{\"protocolVersion\":\"{}\",\"capabilities\":{{}},\"clientInfo\":{}}}",
            version(Era::Legacy),
            client()
        );
        match self.ask("initialize", params.as_bytes()).await? {
            Some(Ok(_)) => {
                let told = self
                    .send(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}")
                    .await;
                Ok(if told.is_some() { Began::Legacy } else { Began::Gone })
            }
            Some(Err(())) => Ok(Began::Refused),
            None => Ok(Began::Gone),
        }
    }

    async fn list(&mut self, era: Era) -> Result<Pages, McpError> {
        let mut pages = Pages::default();
        let mut cursor: Option<Vec<u8>> = None;
        loop {
            let mut params = ObjectWriter::new();
            if era == Era::Modern {
                let meta = ObjectWriter::new()
                    .member(era::META_VERSION, format!("\"{}\"", version(era)).as_bytes())
                    .member(era::META_CLIENT, client().as_bytes())
                    .member(era::META_CAPABILITIES, b"{}");
                params = params.member("_meta", &meta.finish());
            }
            let params = params.optional("cursor", cursor.as_deref()).finish();
            let answer = self.ask("tools/list", &params).await?.ok_or_else(McpError::gone)?;
            let result = answer.map_err(|()| McpError::list("answers with an error in the place of its tools"))?;
            cursor = pages.take(&result).map_err(|problem| McpError::list(&problem))?;
            if cursor.is_none() {
                return Ok(pages);
            }
        }
    }

    /// The result of a request, or that it is an error; `None` if the server is gone.
    async fn ask(&mut self, method: &str, params: &[u8]) -> Result<Option<Result<Vec<u8>, ()>>, McpError> {
        self.last = self.last.saturating_add(1);
        let id = self.last.to_string();
        let request = ObjectWriter::new()
            .member("jsonrpc", b"\"2.0\"")
            .member("id", id.as_bytes())
            .member("method", format!("\"{method}\"").as_bytes())
            .member("params", params)
            .finish();
        if self.send(&request).await.is_none() {
            return Ok(None);
        }
        loop {
            let line = match self.lines.next().await {
                Ok(Some(Line::Whole(line))) => line,
                Ok(Some(Line::TooLong { .. })) => return Err(McpError::list("answers with a line that is too long")),
                Ok(None) | Err(_) => return Ok(None),
            };
            let line = raw::trim(&line);
            if !raw::is_object(line) {
                continue;
            }
            match (raw::member(line, "id"), raw::member(line, "method")) {
                // Its own requests: it is only looked at, so nothing but a ping is answered.
                (Some(theirs), Some(asked)) => {
                    let answer = ObjectWriter::new().member("jsonrpc", b"\"2.0\"").member("id", theirs);
                    let answer = if asked == b"\"ping\"" {
                        answer.member("result", b"{}")
                    } else {
                        answer.member("error", b"{\"code\":-32601,\"message\":\"not offered\"}")
                    };
                    if self.send(&answer.finish()).await.is_none() {
                        return Ok(None);
                    }
                }
                (Some(theirs), None) if theirs == id.as_bytes() => {
                    let result = raw::member(line, "result").filter(|_| raw::member(line, "error").is_none());
                    return Ok(Some(result.map(<[u8]>::to_vec).ok_or(())));
                }
                _ => {}
            }
        }
    }

    async fn send(&mut self, message: &[u8]) -> Option<()> {
        let line = [message, b"\n"].concat();
        self.input.write_all(&line).await.ok()?;
        self.input.flush().await.ok()
    }
}

fn version(era: Era) -> &'static str {
    era.versions().first().copied().unwrap_or_default()
}

fn client() -> String {
    format!(
        "{{\"name\":\"actionpass\",\"version\":\"{}\"}}",
        env!("CARGO_PKG_VERSION")
    )
}

#[cfg(all(test, unix))]
mod tests {
    use actionpass_model::CodedError as _;

    use super::*;

    /// What a shell script lists that answers line by line.
    async fn listed(script: &str) -> Result<Vec<String>, McpError> {
        let command = ["sh", "-c", script].map(str::to_owned);
        let tools = list_tools(&ServerEntry::undeclared(), &command, Duration::from_secs(20)).await?;
        Ok(tools.iter().map(|tool| tool.name().to_owned()).collect())
    }

    const LEGACY: &str = r#"
        while read -r line; do case "$line" in
        *'"initialize"'*) echo '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{}}}'
            echo '{"jsonrpc":"2.0","method":"notifications/message"}'; echo 'no JSON';;
        *'"notifications/initialized"'*) ready=1;;
        *'"cursor":"2"'*) echo '{"jsonrpc":"2.0","id":3,"result":{"tools":[{"name":"b"}]}}';;
        *'"tools/list"'*) [ "$ready" = 1 ] && echo '{"jsonrpc":"2.0","id":"p","method":"ping"}' && read -r pong &&
            case "$pong" in *'"id":"p","result":{}'*) echo '{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"a"}],"nextCursor":"2"}}';; esac;;
        esac; done"#;

    const MODERN: &str = r#"
        while read -r line; do case "$line" in
        *'"initialize"'*) REFUSAL;;
        *'"tools/list"'*'"io.modelcontextprotocol/protocolVersion":"2026-07-28"'*) id=${line#*'"id":'}
            echo "{\"jsonrpc\":\"2.0\",\"id\":${id%%,*},\"result\":{\"tools\":[{\"name\":\"m\"}]}}";;
        esac; done"#;

    #[tokio::test]
    async fn servers_of_both_eras_are_listed_to_their_last_page() {
        assert_eq!(listed(LEGACY).await.unwrap(), ["a", "b"]);
        let refuses = r#"echo '{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}'"#;
        for refusal in [refuses, "exit 1"] {
            assert_eq!(
                listed(&MODERN.replace("REFUSAL", refusal)).await.unwrap(),
                ["m"],
                "{refusal}"
            );
        }
    }

    #[tokio::test]
    async fn a_list_that_is_none_is_refused() {
        let code = async |script: &str| listed(script).await.unwrap_err().code().to_string();
        let answers = |result: &str| {
            MODERN
                .replace("REFUSAL", "exit 1")
                .replace(r#"{\"tools\":[{\"name\":\"m\"}]}"#, result)
        };
        for result in [
            "{}",
            r#"{\"tools\":{}}"#,
            r#"{\"tools\":[{}]}"#,
            r#"{\"tools\":[{\"name\":\"a\"},{\"name\":\"a\"}]}"#,
        ] {
            assert_eq!(code(&answers(result)).await, "mcp_list_refused", "{result}");
        }
        assert_eq!(code("exit 0").await, "mcp_server_gone");
        // One that never answers is not waited for.
        let command = ["sh", "-c", "sleep 60"].map(str::to_owned);
        let late = list_tools(&ServerEntry::undeclared(), &command, Duration::from_millis(200)).await;
        assert_eq!(late.unwrap_err().code().as_str(), "mcp_list_refused");
        let none = list_tools(
            &ServerEntry::undeclared(),
            &["/nonexistent".to_owned()],
            Duration::from_secs(5),
        )
        .await;
        assert_eq!(none.unwrap_err().code().as_str(), "mcp_server_unavailable");
    }
}
