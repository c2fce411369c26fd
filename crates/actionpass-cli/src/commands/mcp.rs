//! `mcp`: the proxy between MCP clients and servers.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use actionpass_home::{DoorKind, duration};
use actionpass_mcp::{DenyAs, Proxy, Settings, Target, http, standard, stdio};
use actionpass_server::{ServeError, Socket};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::code::CliCode;
use crate::commands::serve;
use crate::context::Context;
use crate::door::DoorArgs;
use crate::failure::{Failure, Outcome};
use crate::output::{self, Reply};
use crate::passphrase;

#[derive(Args, Debug)]
pub(crate) struct McpArgs {
    /// The `[[server]]` of tools.toml that it stands in front of [default: the one with this command or URL; without one no tool
    /// may be called]
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// The server's URL, instead of a command
    #[arg(long, value_name = "URL", conflicts_with = "command")]
    url: Option<String>,
    /// How long a call waits for people; clients give up after a minute [default: 45s]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    wait: Option<Duration>,
    /// How calls of tools are answered that are not made
    #[arg(long, value_name = "FORM", default_value = "result")]
    deny_as: Form,
    #[command(flatten)]
    http: HttpArgs,
    #[command(flatten)]
    door: DoorArgs,
    /// What starts the server, with its arguments [default: the command of the `[[server]]`]
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Where clients come in that come over HTTP; without any, one client is on standard input and output.
#[derive(Args, Debug)]
struct HttpArgs {
    /// Answer clients over HTTP at this address, each session with a server of its own; needs --client-token-file
    #[arg(long, value_name = "ADDR:PORT", requires = "tokens")]
    listen: Option<SocketAddr>,
    /// The same at a Unix socket of mode 0600, without a token
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// A file of mode 0600 with the token of a client in its first line; repeat it for more clients
    #[arg(long = "client-token-file", id = "tokens", value_name = "FILE", requires = "listen")]
    tokens: Vec<PathBuf>,
    /// A `Host` that clients may name, beside `localhost` and the address itself
    #[arg(long = "host", id = "hosts", value_name = "HOST:PORT", requires = "listen")]
    hosts: Vec<String>,
}

impl HttpArgs {
    const fn is_named(&self) -> bool {
        self.listen.is_some() || self.socket.is_some()
    }

    async fn serve(&self, proxy: Proxy, context: &Context, stop: impl Future<Output = ()>) -> Outcome<()> {
        let tokens: Outcome<Vec<String>> = self.tokens.iter().map(|file| token(file)).collect();
        let tokens = tokens?;
        let tcp = match self.listen {
            Some(address) => {
                let at = |source| ServeError::Listen { address, source };
                Some(tokio::net::TcpListener::bind(address).await.map_err(at)?)
            }
            None => None,
        };
        let address = tcp.as_ref().and_then(|tcp| tcp.local_addr().ok());
        if address.is_some_and(|address| !address.ip().is_loopback()) {
            tracing::warn!("tokens and calls go over the network as they are: put TLS in front");
        }
        let socket = self.socket.as_deref().map(Socket::bind).transpose()?;
        self.tell(context, address);
        let http = http::Http {
            tcp,
            unix: socket.as_ref().map(Socket::listener),
            tokens,
            hosts: self.hosts.clone(),
        };
        Ok(http::serve(proxy, http, stop).await?)
    }

    /// Says where it listens, in one line.
    fn tell(&self, context: &Context, address: Option<SocketAddr>) {
        let url = address.map(|address| format!("http://{address}{}", http::PATH));
        let socket = self.socket.as_ref().map(|path| path.display().to_string());
        let line = if context.is_json {
            json!({ "schema": "actionpass.cli.mcp.v1", "url": url, "socket": socket }).to_string()
        } else {
            let places: Vec<String> = url.into_iter().chain(socket).collect();
            format!("listening on {}", places.join(" and "))
        };
        // Where nobody reads it, it serves nevertheless.
        let _ = output::print_line(&line);
    }
}

/// The token of a client. A short one can be guessed.
fn token(file: &Path) -> Outcome<String> {
    let secret = passphrase::of_file(file, "--client-token-file", "token")?;
    let token = std::str::from_utf8(secret.expose()).unwrap_or_default();
    if token.len() < 16 || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let problem = format!(
            "{}: a token of a client is at least 16 visible characters of ASCII",
            file.display()
        );
        return Err(Failure::new(CliCode::UsageInvalid, problem).with_hint("`openssl rand -hex 32` makes one"));
    }
    Ok(token.to_owned())
}

/// The values have no help of their own: it would make the command's help long.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    Result,
    Error,
}

impl McpArgs {
    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        let gate_origins = self.gate_origins(context)?;
        let target = match self.url {
            Some(url) => Some(Target::Url(url)),
            None => (!self.command.is_empty()).then_some(Target::Command(self.command)),
        };
        let proxy = Proxy {
            door: self.door.open(context, DoorKind::Mcp)?,
            server: self.server,
            target,
            wait: self.wait.unwrap_or(Settings::WAIT),
            deny_as: match self.deny_as {
                Form::Result => DenyAs::Result,
                Form::Error => DenyAs::Error,
            },
            gate_origins,
        };
        let runtime = if self.http.is_named() {
            serve::runtime()?
        } else {
            // One client, who mostly asks one thing after the other: a second thread would cost more than it does.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(|error| Failure::internal(&error))?
        };
        let stop = serve::stop(&runtime)?;
        if self.http.is_named() {
            let served = runtime.block_on(self.http.serve(proxy, context, stop));
            runtime.shutdown_background();
            served?;
            return Ok(Reply::new(json!({ "stopped": true })));
        }
        let served = runtime.block_on(async {
            let (input, output) = (standard::input()?, standard::output()?);
            stdio::serve(proxy, input, output, stop).await
        });
        // A read of a file as standard input can't be withdrawn.
        runtime.shutdown_background();
        served?;
        Ok(Reply::new(json!({})))
    }

    /// Where people decide on requests: no server sends them there.
    fn gate_origins(&self, context: &Context) -> Outcome<Vec<String>> {
        if self.door.gate.asks_a_service(context)? {
            return Ok(vec![self.door.gate.client(context)?.address().to_owned()]);
        }
        let origin = context.home()?.config()?.serve.origin;
        Ok(origin.map(|origin| origin.as_str().to_owned()).into_iter().collect())
    }
}
