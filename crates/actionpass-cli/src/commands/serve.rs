//! `serve`: the service of a home, or the page alone of a service elsewhere.

mod demo;
mod secrets;

use std::net::SocketAddr;
use std::sync::Arc;

use actionpass_home::{Home, OpenHome};
use actionpass_model::{Issuer, WebOrigin};
use actionpass_server::{PageServer, Server, Settings};
use clap::Args;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::code::CliCode;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::gate::GateArgs;
use crate::output::{self, Ink, Reply};
use crate::passphrase::PassphraseArgs;
use secrets::Remembered;

#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    /// Where to listen [default: 127.0.0.1:8311]
    #[arg(long, value_name = "ADDR:PORT", value_parser = address)]
    listen: Option<SocketAddr>,
    /// The origin of the page: `https://approve.example.com` behind a proxy [default: `http://localhost:PORT`]
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<WebOrigin>,
    /// Show it: a home of its own, an approver to enrol, an agent that asks for something
    #[arg(long)]
    demo: bool,
    /// Serve the page alone: requests, votes and trust are those of the service at --gate, no home is opened and no key is here
    #[arg(long, conflicts_with_all = ["demo", "passphrase_file", "passphrase_from"])]
    page_only: bool,
    /// Whose requests are decided on a page alone: a vote is made for this issuer only [default: the one that the service names first]
    #[arg(long, value_name = "ISSUER", requires = "page_only")]
    issuer: Option<Issuer>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    #[command(flatten)]
    gate: GateArgs,
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse()
        .map_err(|_| "not an IP address and a port, such as 127.0.0.1:8311 or [::1]:8311")
}

impl ServeArgs {
    /// Whether somebody who asked for no log nevertheless gets one: a service is looked after by its log.
    pub(crate) const fn is_logged(&self) -> bool {
        !self.demo
    }

    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        if self.page_only {
            return self.page_only(context);
        }
        if self.gate.is_named() {
            let problem = "--gate and --token-file are of --page-only: a service of a home asks no other one";
            return Err(Failure::new(CliCode::UsageInvalid, problem));
        }
        if self.demo {
            return demo::run(&self, context);
        }
        let home = context.home()?;
        let settings = self.settings(&home)?;
        let service = Service::open(home, settings, &self.passphrase)?;
        service.tell(context);
        service.run()?;
        Ok(stopped())
    }

    /// Serves the page alone.
    fn page_only(self, context: &Context) -> Outcome<Reply> {
        let client = self.gate.client(context)?;
        let runtime = runtime()?;
        let listen = self.listen.unwrap_or(Settings::DEFAULT_LISTEN);
        let server = runtime.block_on(PageServer::open(client, self.issuer, listen, self.origin))?;
        tell(context, server.address(), server.origin());
        let stop = stop(&runtime)?;
        runtime.block_on(server.run(stop))?;
        // Questions that the service hasn't answered yet are for nobody any more.
        runtime.shutdown_background();
        Ok(stopped())
    }

    /// What `[serve]` of the home says, and what the command line says instead.
    fn settings(&self, home: &Home) -> Outcome<Settings> {
        let mut settings = Settings::of(&home.config()?.serve, home);
        if let Some(listen) = self.listen {
            settings.listen = listen;
        }
        if self.origin.is_some() {
            settings.origin.clone_from(&self.origin);
        }
        Ok(settings)
    }
}

/// A service that listens and answers nobody yet.
struct Service {
    runtime: Runtime,
    server: Server,
}

impl Service {
    /// Opens key and home, and listens.
    fn open(home: Home, settings: Settings, passphrase: &PassphraseArgs) -> Outcome<Self> {
        let config = home.config()?;
        // Whoever has a passphrase is asked now, on the terminal that the service was started from; later nobody looks there.
        let secrets = Arc::new(Remembered::new(passphrase.of_old(config.signing.passphrase.as_ref())));
        secrets.settle(home.open_signing_key(&config, &*secrets))?;
        secrets.ask_nobody_any_more();
        let home = OpenHome::open(home)?;
        let runtime = runtime()?;
        let server = runtime.block_on(Server::open(home, Arc::clone(&secrets) as _, settings));
        let server = secrets.settle(server)?;
        Ok(Self { runtime, server })
    }

    fn tell(&self, context: &Context) {
        tell(context, self.server.address(), self.server.origin());
    }

    /// Answers until SIGTERM, SIGINT or, on Windows, Ctrl-C; then lets what was begun come to an end.
    fn run(self) -> Outcome<()> {
        let Self { runtime, server } = self;
        let stop = stop(&runtime)?;
        Ok(runtime.block_on(server.run(stop))?)
    }
}

/// Says where it listens, in one line, whatever a log says beside it.
fn tell(context: &Context, address: SocketAddr, origin: &WebOrigin) {
    let line = if context.is_json {
        json!({ "schema": "actionpass.cli.serve.v1", "address": address, "origin": origin }).to_string()
    } else {
        format!("listening on {address}; people decide at {origin}/")
    };
    // Where nobody reads it, it serves nevertheless.
    let _ = output::print_line(&line);
}

fn stopped() -> Reply {
    let talk = format!("{}\n", Ink::stderr().faint("stopped"));
    Reply::new(json!({ "stopped": true })).with_talk(talk)
}

pub(super) fn runtime() -> Outcome<Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Failure::internal(&error))
}

/// Ready once somebody wants it to stop.
pub(super) fn stop(runtime: &Runtime) -> Outcome<impl Future<Output = ()> + use<>> {
    let _entered = runtime.enter();
    signals().map_err(|error| Failure::internal(&error))
}

/// Ready once somebody wants the service to stop. They are listened to from now on, not from when it is asked first.
#[cfg(unix)]
fn signals() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// The same where there are no signals.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "it fails elsewhere")]
fn signals() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Where Ctrl-C can't be listened to, nothing but the end of the process stops it.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
