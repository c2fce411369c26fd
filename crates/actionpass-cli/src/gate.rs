//! [`Gate`]: whom commands ask for decisions and about approval requests, a home or a service.

mod local;
mod remote;

use std::path::{Path, PathBuf};
use std::time::Duration;

use actionpass_canon::{BoundAction, BoundFacts};
use actionpass_client::Client;
use actionpass_client::api::{AuthorizeAnswer, FullRequest, Lifted, RequestEvent, RequestItem};
use actionpass_core::RequestCode;
use actionpass_display::View;
use actionpass_home::Config;
use actionpass_model::{
    Agent, Approver, Audience, Grant, Issuer, KeyId, Principal, RequestId, RequestState, Statement, Tenant, Timestamp,
    Trace,
};
use clap::Args;
use serde_json::Value;

use self::local::Local;
use self::remote::Remote;
use crate::code::CliCode;
use crate::commands::approve::outlook::Outlook;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::passphrase::PassphraseArgs;

/// The environment variable that names a service.
const VARIABLE: &str = "ACTIONPASS_GATE";

/// Which service a command asks, if it asks one.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct GateArgs {
    /// Ask the service at this URL instead of a home, with the token in ACTIONPASS_TOKEN [default: ACTIONPASS_GATE]
    #[arg(long, value_name = "URL", help_heading = "Service", display_order = 800)]
    gate: Option<String>,
    /// A file with the token in its first line; else ACTIONPASS_TOKEN
    #[arg(long, value_name = "FILE", help_heading = "Service", display_order = 801)]
    token_file: Option<PathBuf>,
}

/// What a decision is asked on.
#[derive(Debug)]
pub(crate) struct Asking<'a> {
    pub(crate) action: &'a BoundAction,
    pub(crate) facts: &'a BoundFacts,
    pub(crate) approvals: &'a [String],
    pub(crate) audience: Option<&'a Audience>,
    /// Whether a step_up may open a request.
    pub(crate) opens: bool,
    pub(crate) trace: Option<&'a Trace>,
}

/// An answer, and what helps to say what to do next.
#[derive(Debug)]
pub(crate) struct Decided {
    pub(crate) answer: AuthorizeAnswer,
    /// The answer for programs.
    pub(crate) json: Value,
    /// What the policy's authors say about the rules that decided, as far as whoever decided tells.
    pub(crate) notes: Vec<Statement>,
    /// A role that an approval needs and no key of the trust store has, `ROLE` where any does. A service doesn't say.
    pub(crate) nobody_holds: Option<String>,
}

/// Which requests are listed.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) state: Option<RequestState>,
    pub(crate) tenant: Option<Tenant>,
    pub(crate) agent: Option<Agent>,
}

/// A request that was looked at.
#[derive(Debug)]
pub(crate) struct Looked {
    /// As it is printed for programs.
    pub(crate) full: FullRequest,
    /// What a vote on it is signed over; `None` once its action is erased.
    pub(crate) subject: Option<Subject>,
    /// What its votes grant; a service doesn't say.
    grants: Vec<Grant>,
}

/// What a vote is signed over. INVARIANT: all of it belongs together, and to the request that it was looked at with: hashes and
/// view are computed here and nowhere else.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) issuer: Issuer,
    pub(crate) action: BoundAction,
    pub(crate) facts: BoundFacts,
    pub(crate) view: View,
}

/// A vote that is about to be signed, as far as its worth goes.
#[derive(Debug)]
pub(crate) struct Voter<'a> {
    pub(crate) approver: &'a Approver,
    /// `None` if the key stayed closed.
    pub(crate) kid: Option<&'a KeyId>,
    pub(crate) now: Timestamp,
}

/// Whom commands ask. What it answers are the documents of the service, wherever they come from.
pub(crate) trait Gate {
    /// The configuration of the home, for what actions leave open.
    fn config(&self) -> Option<&Config>;

    /// What commands have to be given to ask the same: options, each with a space in front.
    fn options(&self) -> String;

    /// Asks for a decision, which is recorded, and waits so long for people where it is a step_up that a request waits for.
    fn authorize(&self, asking: &Asking<'_>, wait: Duration) -> Outcome<Decided>;

    /// The requests, the oldest first.
    fn list(&self, wanted: Wanted) -> Outcome<Vec<RequestItem>>;

    /// All of a request.
    fn look(&self, id: &RequestId) -> Outcome<Looked>;

    /// What becomes of a request with a vote; `None` if only whoever takes the vote can tell. One that would not be taken is an
    /// error, before anybody is asked to sign it.
    fn outlook(&self, looked: &Looked, subject: &Subject, voter: &Voter<'_>) -> Outcome<Option<Outlook>>;

    /// For how long a refusal answers the same action; `None` if that isn't known here.
    fn decline_holds(&self) -> Option<Duration>;

    /// Hands in a vote.
    fn vote(&self, id: &RequestId, token: &str) -> Outcome<RequestItem>;

    /// Takes a request back, and says in whose name, if that is known here.
    fn cancel(&self, id: &RequestId, by: Option<Principal>) -> Outcome<(RequestItem, Option<Principal>)>;

    /// Waits until a request is approved, void or over, for so long at most.
    fn wait(&self, id: &RequestId, wait: Duration) -> Outcome<RequestItem>;

    /// Hands on what happens to requests from now on, until nobody wants it any more.
    fn watch(&self, see: &mut dyn FnMut(&RequestEvent) -> bool) -> Outcome<()>;

    /// Lets the agent of a request open others again.
    fn lift(&self, id: &RequestId, by: Option<Principal>) -> Outcome<Lifted>;
}

impl GateArgs {
    /// The home, or the service that is named. `at_home` are options that a service has no use for, and whether they are there.
    ///
    /// A home on the command line counts for more than a service in the environment.
    ///
    /// # Errors
    /// What opening the home says; for a service, options that don't go with one, no token, or what can't be its address.
    pub(crate) fn open<'a>(
        &self,
        context: &'a Context,
        passphrase: &PassphraseArgs,
        at_home: &[(&str, bool)],
    ) -> Outcome<Box<dyn Gate + 'a>> {
        let Some(url) = self.url(context.named_home())? else {
            if self.token_file.is_some() {
                return Err(without_service());
            }
            return Ok(Box::new(Local::open(context, passphrase)?));
        };
        let misplaced: Vec<&str> = at_home
            .iter()
            .filter(|(_, is_there)| *is_there)
            .map(|(name, _)| *name)
            .collect();
        if !misplaced.is_empty() {
            let problem = format!(
                "of a home only, and a service is asked (--gate, {VARIABLE}): {}",
                misplaced.join(", ")
            );
            return Err(usage(problem));
        }
        let client = remote::client(&url, self.token_file.as_deref())?;
        Ok(Box::new(Remote::new(client, self.gate.is_some())))
    }

    /// A client of the service that is named, for what has no home.
    ///
    /// # Errors
    /// No service is named, or a home is; no token, or what can't be the address of a service.
    pub(crate) fn client(&self, context: &Context) -> Outcome<Client> {
        let url = self.url(context.named_home())?;
        let url = url.ok_or_else(|| {
            let problem = format!("a service is asked, and neither --gate nor {VARIABLE} names one");
            Failure::new(CliCode::OptionMissing, problem)
        })?;
        remote::client(&url, self.token_file.as_deref())
    }

    /// Whether a service is asked, and no home.
    ///
    /// # Errors
    /// Both are named, or a token without a service.
    pub(crate) fn asks_a_service(&self, context: &Context) -> Outcome<bool> {
        let is_asked = self.url(context.named_home())?.is_some();
        if !is_asked && self.token_file.is_some() {
            return Err(without_service());
        }
        Ok(is_asked)
    }

    /// The service and the file of its token, as the command line names them.
    pub(crate) fn named(&self) -> (Option<&str>, Option<&Path>) {
        (self.gate.as_deref(), self.token_file.as_deref())
    }

    /// Whether the command line names a service or a token.
    pub(crate) const fn is_named(&self) -> bool {
        self.gate.is_some() || self.token_file.is_some()
    }

    /// Where the service is, if one is asked.
    fn url(&self, home: Option<&Path>) -> Outcome<Option<String>> {
        match (&self.gate, home) {
            (Some(_), Some(_)) => Err(usage("--gate asks a service and --home a home: one of them")),
            (Some(url), None) => Ok(Some(url.clone())),
            (None, Some(_)) => Ok(None),
            (None, None) => match std::env::var(VARIABLE) {
                Ok(url) if url.is_empty() => Ok(None),
                Ok(url) => Ok(Some(url)),
                Err(std::env::VarError::NotPresent) => Ok(None),
                // Going on with a home would ask somebody else than was meant.
                Err(std::env::VarError::NotUnicode(_)) => Err(usage(format!("{VARIABLE} is no URL"))),
            },
        }
    }
}

/// That a request can't be voted on.
pub(crate) fn not_votable(code: RequestCode, id: &RequestId) -> Failure {
    let meaning = code.meaning().trim();
    Failure::new(code, format!("{id} can't be voted on. {meaning}"))
}

fn without_service() -> Failure {
    usage("--token-file is of a service, and neither --gate nor ACTIONPASS_GATE names one")
}

fn usage(problem: impl Into<String>) -> Failure {
    Failure::new(CliCode::UsageInvalid, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_and_a_home_are_not_asked_at_once() {
        let args = |gate: Option<&str>| GateArgs {
            gate: gate.map(ToOwned::to_owned),
            token_file: None,
        };
        let home = Path::new("home");
        let named = args(Some("http://localhost:1"));
        assert_eq!(named.url(None).unwrap().as_deref(), Some("http://localhost:1"));
        assert_eq!(*named.url(Some(home)).unwrap_err().code(), "usage_invalid");
        assert_eq!(args(None).url(Some(home)).unwrap(), None);
    }
}
