//! The log: what the libraries tell `tracing`, on stderr, for whoever asks for it.

use std::io;

use clap::{Args, ValueEnum};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::code::CliCode;
use crate::failure::{Failure, Outcome};

/// The environment variable that says what is logged.
const VARIABLE: &str = "ACTIONPASS_LOG";

/// What is logged, and how it is written.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct LogArgs {
    /// Say what happens, on stderr: -v decisions and changes, -vv also retries, -vvv everything [default: ACTIONPASS_LOG,
    /// a level or `actionpass_core=debug,…`, else nothing]
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Everywhere", display_order = 902)]
    verbose: u8,
    /// How a line of the log is written
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        default_value = "text",
        help_heading = "Everywhere",
        display_order = 903
    )]
    log_format: LogFormat,
}

/// How a line of the log is written. The values have no help of their own: it would make every command's help long.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
enum LogFormat {
    #[default]
    Text,
    Json,
}

impl LogArgs {
    /// Starts the log, if somebody asks for it.
    ///
    /// Whatever the filter says, only our own crates are heard: clients of custodians log tokens and headers.
    /// `is_service` says whether somebody who asks for nothing gets decisions and changes nevertheless.
    pub(crate) fn start(&self, is_service: bool) -> Outcome<()> {
        let default = is_service.then(|| Targets::new().with_default(LevelFilter::INFO));
        let Some(wanted) = self.wanted()?.or(default) else {
            return Ok(());
        };
        let ours = filter_fn(|metadata| is_ours(metadata.target()));
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(false);
        let lines = match self.log_format {
            LogFormat::Text => lines.boxed(),
            LogFormat::Json => lines.json().boxed(),
        };
        // Only a second start fails, and there is one.
        let _ = tracing_subscriber::registry()
            .with(lines.with_filter(wanted).with_filter(ours))
            .try_init();
        Ok(())
    }

    fn wanted(&self) -> Outcome<Option<Targets>> {
        let level = match self.verbose {
            0 => return from_variable(),
            1 => LevelFilter::INFO,
            2 => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        };
        Ok(Some(Targets::new().with_default(level)))
    }
}

fn from_variable() -> Outcome<Option<Targets>> {
    let Some(text) = std::env::var_os(VARIABLE).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let targets = text.to_str().and_then(|text| text.parse::<Targets>().ok());
    targets.map(Some).ok_or_else(|| {
        let problem = format!(
            "{VARIABLE} is not a filter: a level such as `info`, or `actionpass_core=debug`, separated by commas"
        );
        Failure::new(CliCode::UsageInvalid, problem)
    })
}

/// Whether an event comes from a crate of ours.
fn is_ours(target: &str) -> bool {
    target
        .strip_prefix("actionpass")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', ':']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_crates_are_heard() {
        for ours in [
            "actionpass",
            "actionpass::log",
            "actionpass_core::issuer",
            "actionpass_store_sqlite",
        ] {
            assert!(is_ours(ours), "{ours}");
        }
        for other in ["", "ureq", "aws_config", "actionpassport", "hyper::actionpass"] {
            assert!(!is_ours(other), "{other}");
        }
    }
}
