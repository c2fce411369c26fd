//! `serve`: the service of a home.

mod demo;
mod secrets;

use std::net::SocketAddr;
use std::sync::Arc;

use actionpass_home::{Home, OpenHome};
use actionpass_model::WebOrigin;
use actionpass_server::{Server, Settings};
use clap::Args;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{self, Ink, Reply};
use crate::passphrase::PassphraseArgs;
use secrets::Remembered;

#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    /// Where to listen [default: 127.0.0.1:8311]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// The origin of the page: `https://approve.example.com` behind a proxy [default: `http://localhost:PORT`]
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<WebOrigin>,
    /// Show it: a home of its own, an approver to enrol, an agent that asks for something
    #[arg(long)]
    demo: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl ServeArgs {
    /// Whether somebody who asked for no log nevertheless gets one: a service is looked after by its log.
    pub(crate) const fn is_logged(&self) -> bool {
        !self.demo
    }

    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        if self.demo {
            return demo::run(&self, context);
        }
        let home = context.home()?;
        let settings = self.settings(&home)?;
        let service = Service::open(home, settings, &self.passphrase)?;
        service.tell(context);
        service.run()?;
        let talk = format!("{}\n", Ink::stderr().faint("stopped"));
        Ok(Reply::new(json!({ "stopped": true })).with_talk(talk))
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
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::internal(&error))?;
        let server = runtime.block_on(Server::open(home, Arc::clone(&secrets) as _, settings));
        let server = secrets.settle(server)?;
        Ok(Self { runtime, server })
    }

    /// Says where it listens, in one line, whatever a log says beside it.
    fn tell(&self, context: &Context) {
        let (address, origin) = (self.server.address(), self.server.origin());
        let line = if context.is_json {
            json!({ "schema": "actionpass.cli.serve.v1", "address": address, "origin": origin }).to_string()
        } else {
            format!("listening on {address}; people decide at {origin}/")
        };
        // Where nobody reads it, it serves nevertheless.
        let _ = output::print_line(&line);
    }

    /// Answers until SIGTERM, SIGINT or, on Windows, Ctrl-C; then lets what was begun come to an end.
    fn run(self) -> Outcome<()> {
        let Self { runtime, server } = self;
        let stop = {
            let _entered = runtime.enter();
            signals().map_err(|error| Failure::internal(&error))?
        };
        Ok(runtime.block_on(server.run(stop))?)
    }
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
