//! `serve --demo`: a service to try, with an approver to enrol and an agent that asks for something.
//!
//! What a person would do by a command is done by that command, which is printed first. Nothing here decides: the service is the one
//! that `serve` starts, the agent is a client of it, and trust changes by `approvers confirm` alone, once somebody says so.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{fs, thread};

use actionpass_client::Client;
use actionpass_client::api::{AuthorizeAnswer, AuthorizeRequest};
use actionpass_home::{Approvers, Home, HomeCode, WaitingPasskey};
use actionpass_model::{Approver, Audience, Decision, JsonObject, RequestId, Tool};
use actionpass_policy::EXAMPLE_STEP_UP;
use actionpass_server::Settings;
use serde_json::{Value, json};

use super::{ServeArgs, Service};
use crate::clock;
use crate::code::CliCode;
use crate::commands::init::InitArgs;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{self, Ink, Reply};
use crate::passphrase::{PassphraseArgs, has_terminal};
use crate::render::visible;
use crate::shell::quote;
use crate::terminal::Terminal;

/// Who decides.
const APPROVER: &str = "user:you@example.com";
/// What the policy of a new home wants of them.
const ROLE: &str = "maintainer";
/// The name of the agent's client.
const CLIENT: &str = "demo";
/// How long a call of the agent waits for people before it is made again, in seconds.
const WAIT: u64 = 30;
/// How long the agent rests between two calls, so that what happened can be read.
const REST: Duration = Duration::from_secs(5);
/// How often somebody looks whether a passkey waits.
const LOOK: Duration = Duration::from_millis(300);
/// So many different calls the agent makes.
const CALLS: u32 = 5;

pub(super) fn run(args: &ServeArgs, context: &Context) -> Outcome<Reply> {
    let folder = tempfile::Builder::new()
        .prefix("actionpass-demo-")
        .tempdir()
        .map_err(|error| Failure::from_error(HomeCode::FileUnwritable, &error))?;
    let named = context.named_home();
    let home = named.map_or_else(|| folder.path().join("home"), Path::to_path_buf);
    // A home that is there is somebody's: it gets no client and no invitation, and this fails.
    InitArgs::default().make(&context.within(home.clone()))?;
    let stage = Stage {
        home: home.clone(),
        folder: folder.path().to_owned(),
        is_json: context.is_json,
    };
    let fate = if named.is_some() {
        ""
    } else {
        ", gone again when you stop this"
    };
    stage.tell(
        &json!({ "event": "home", "home": home.display().to_string() }),
        &format!(
            "A service to try. Its home{fate}: {}\n\n",
            quote(&home.display().to_string())
        ),
    );
    let token = stage.add_client()?;
    let opened = Home::open(&home)?;
    let mut settings = args.settings(&opened)?;
    if args.listen.is_none() && TcpListener::bind(Settings::DEFAULT_LISTEN).is_err() {
        settings.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    }
    let service = Service::open(opened, settings, &PassphraseArgs::default())?;
    service.tell(context);
    let origin = service.server.origin().to_string();
    let port = service.server.address().port();
    // The story is told beside the service, which goes on until it is stopped, whatever becomes of the story.
    stage.beside(move |stage| stage.enrol(&origin));
    stage.beside(move |stage| stage.act(&format!("http://localhost:{port}"), &token));
    service.run()?;
    let gone = if named.is_some() {
        ""
    } else {
        " The home is gone again."
    };
    Ok(Reply::new(json!({ "stopped": true })).with_talk(format!("\nStopped.{gone}\n")))
}

/// Where the story plays.
#[derive(Clone, Debug)]
struct Stage {
    home: PathBuf,
    /// Where actions and passes are put.
    folder: PathBuf,
    is_json: bool,
}

impl Stage {
    /// Plays a part beside the service.
    fn beside(&self, play: impl FnOnce(&Self) -> Outcome<()> + Send + 'static) {
        let stage = self.clone();
        thread::spawn(move || {
            if let Err(failure) = play(&stage) {
                stage.tell(
                    &json!({ "event": "failed", "code": failure.code().as_str(), "message": failure.message() }),
                    &format!(
                        "The demo can't go on: {} ({})\n",
                        visible(failure.message()),
                        failure.code()
                    ),
                );
            }
        });
    }

    /// Says something: to people as text, to programs as an object in a line.
    fn tell(&self, json: &Value, text: &str) {
        if !self.is_json {
            output::say(text);
            return;
        }
        let mut line = json.clone();
        if let Some(members) = line.as_object_mut() {
            members.insert("schema".to_owned(), "actionpass.cli.serve.v1".into());
        }
        // Where nobody reads it, the demo goes on nevertheless.
        let _ = output::print_line(&line.to_string());
    }

    /// A command on the home, as somebody types it.
    fn typed(&self, args: &[&str]) -> String {
        let args: Vec<String> = args.iter().map(|arg| quote(arg).into_owned()).collect();
        let home = self.home.display().to_string();
        format!("actionpass --home {} {}", quote(&home), args.join(" "))
    }

    /// Runs a command on the home, which is printed first, and gives its JSON.
    fn command(&self, args: &[&str]) -> Outcome<Value> {
        let typed = self.typed(args);
        self.tell(
            &json!({ "event": "command", "command": typed }),
            &format!("$ {}\n", Ink::stderr().faint(&typed)),
        );
        let failed = |error: &dyn std::error::Error| Failure::from_error(CliCode::DemoBroken, error);
        let program = std::env::current_exe().map_err(|error| failed(&error))?;
        let ran = Command::new(program)
            .arg("--json")
            .arg("--home")
            .arg(&self.home)
            .args(args)
            .env_remove("ACTIONPASS_GATE")
            .env_remove("ACTIONPASS_LOG")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| failed(&error))?;
        let said: Value = serde_json::from_slice(&ran.stdout).map_err(|error| failed(&error))?;
        if ran.status.success() {
            return Ok(said);
        }
        let message = said
            .pointer("/error/message")
            .and_then(Value::as_str)
            .unwrap_or_default();
        Err(Failure::new(
            CliCode::DemoBroken,
            format!("`{typed}` failed: {message}"),
        ))
    }

    /// Lets the agent's client in, and gives its token.
    fn add_client(&self) -> Outcome<String> {
        let agent = [
            "--tenant",
            "org:example",
            "--agent",
            "agent:codex-prod",
            "--owner",
            "user:owner@example.com",
        ];
        let more = [
            "--runtime",
            "runtime:codex-cli",
            "--audience",
            "*",
            "--may",
            "authorize,requests",
        ];
        let said = self.command(&[&["clients", "add", CLIENT], &agent[..], &more[..]].concat())?;
        text_of(&said, "token")
    }

    /// Invites the approver, and lets their passkey in once somebody says so.
    fn enrol(&self, origin: &str) -> Outcome<()> {
        let said = self.command(&["approvers", "invite", APPROVER, "--role", ROLE, "--origin", origin])?;
        let link = text_of(&said, "link")?;
        let ink = Ink::stderr();
        self.tell(
            &json!({ "event": "invited", "principal": APPROVER, "link": link, "page": format!("{origin}/") }),
            &format!(
                "\n1. You are the approver. Register a passkey, in a browser on this machine:\n     {}\n   \
                 It can be in this computer, a phone or a security key. Without any, Chromium has one to try with: developer tools,\n   \
                 \"WebAuthn\", \"Enable virtual authenticator environment\", add one with resident keys and user verification.\n\n",
                ink.bold(&link)
            ),
        );
        let waiting = self.waiting()?;
        let confirm = ["approvers", "confirm", APPROVER, waiting.code()];
        let typed = self.typed(&confirm);
        self.tell(
            &json!({ "event": "registered", "principal": APPROVER, "code": waiting.code(), "confirm": typed }),
            &format!(
                "2. A passkey was registered. Its code, which the page shows too: {}\n",
                ink.bold(waiting.code())
            ),
        );
        if self.is_told_yes("   Is that what your page shows, and shall it be believed? [y/N] ") {
            self.command(&confirm)?;
        } else if !self.is_json {
            output::say(&format!(
                "   If it is the same, let it in:\n     {}\n",
                ink.bold(&typed)
            ));
        }
        self.wait_for(|home| {
            let document = home.trust_snapshot()?.document;
            let mut keys = document.keys.iter();
            Ok(keys.any(|key| key.kid == waiting.key.kid).then_some(()))
        })?;
        self.tell(
            &json!({ "event": "confirmed", "principal": APPROVER, "page": format!("{origin}/") }),
            &format!(
                "   {} is an approver now. Sign in and decide:\n     {}\n\n",
                APPROVER,
                ink.bold(&format!("{origin}/"))
            ),
        );
        Ok(())
    }

    /// The passkey of the approver, once it waits.
    fn waiting(&self) -> Outcome<WaitingPasskey> {
        let approver: Approver = APPROVER
            .parse()
            .map_err(|error: actionpass_model::TextError| Failure::internal(&error))?;
        self.wait_for(|home| {
            let (_, waiting) = Approvers::of(home).pending(clock::now()?)?;
            let of_approver = |waiting: &WaitingPasskey| waiting.key.principal.as_ref() == Some(&approver);
            Ok(waiting.into_iter().find(of_approver))
        })
    }

    /// Looks at the home until something is found there.
    fn wait_for<T>(&self, find: impl Fn(&Home) -> Outcome<Option<T>>) -> Outcome<T> {
        let home = Home::open(&self.home)?;
        loop {
            if let Some(found) = find(&home)? {
                return Ok(found);
            }
            thread::sleep(LOOK);
        }
    }

    /// Asks whoever sits at the terminal; nobody there is a no.
    fn is_told_yes(&self, question: &str) -> bool {
        if self.is_json || !has_terminal() {
            return false;
        }
        let Ok(terminal) = Terminal::open() else { return false };
        if terminal.discard_typed().is_err() {
            return false;
        }
        output::say(question);
        let answer = terminal.answer().unwrap_or_default();
        matches!(answer.trim(), "y" | "Y" | "yes")
    }

    /// What the agent does: asks, waits, asks again, and says what came of it.
    fn act(&self, service: &str, token: &str) -> Outcome<()> {
        let client = Client::new(service, token)?;
        for call in 1..=CALLS {
            let action = action(call)?;
            let file = self.write(&format!("action-{call}.json"), &action.to_string())?;
            let document: JsonObject = serde_json::from_value(action).map_err(|error| Failure::internal(&error))?;
            let answer = self.ask(&client, call, document)?;
            self.tell_end(call, &answer, &file, service)?;
            if answer.held_by.is_some() {
                return Ok(());
            }
            thread::sleep(REST);
        }
        self.tell(
            &json!({ "event": "ended" }),
            "The agent has asked for everything that it wanted. The page and the history stay; Ctrl-C ends this.\n",
        );
        Ok(())
    }

    /// Asks until there is an answer that waiting doesn't change.
    fn ask(&self, client: &Client, call: u32, action: JsonObject) -> Outcome<AuthorizeAnswer> {
        let mut request = AuthorizeRequest::new(action);
        let mut told: Option<RequestId> = None;
        loop {
            let answer = client.authorize(&request)?;
            let waits = answer.request.as_ref().filter(|_| answer.decision == Decision::StepUp);
            let Some(opened) = waits else { return Ok(answer) };
            if told.as_ref() != Some(&opened.id) {
                self.tell(
                    &json!({ "event": "asked", "call": call, "request": opened.id, "review": opened.review }),
                    &format!(
                        "agent, call {call}: may I open this pull request? {}: a {ROLE} has to approve. Read it and decide:\n     {}\n",
                        Ink::stderr().warn("step_up"),
                        Ink::stderr().bold(&opened.review)
                    ),
                );
                told = Some(opened.id.clone());
            }
            request.wait = Some(WAIT);
        }
    }

    fn tell_end(&self, call: u32, answer: &AuthorizeAnswer, action: &Path, service: &str) -> Outcome<()> {
        let ink = Ink::stderr();
        let mut json =
            json!({ "event": "decided", "call": call, "decision": answer.decision, "reasons": answer.reasons });
        let mut text = format!("agent, call {call}: ");
        let mut more = Vec::new();
        if let Some(pass) = &answer.pass {
            let token = self.write(&format!("pass-{call}.jwt"), &format!("{}\n", pass.token))?;
            let [token, action] = [&token, action].map(|path| path.display().to_string());
            let verify = self.typed(&["verify", "--token", &token, "--action", &action]);
            let issuer = Home::open(&self.home)?.config()?.issuer;
            let keys = format!("{service}/.well-known/jwks.json");
            text.push_str(&format!(
                "{}, with pass {} until {}. Whoever executes the call verifies it:\n     {}\n   \
                 Libraries for JSON Web Tokens can too:\n     token {}\n     keys {}\n     issuer {}, audience {}, type actionpass+jwt\n",
                ink.good("allowed"),
                pass.id,
                pass.expires_at,
                ink.bold(&verify),
                quote(&token),
                keys,
                issuer,
                audience()?,
            ));
            more.extend([
                ("pass", json!(pass.id)),
                ("token", json!(token)),
                ("verify", json!(verify)),
                ("keys", json!(keys)),
                ("issuer", json!(issuer)),
                ("audience", json!(audience()?)),
            ]);
        } else if let Some(declined) = &answer.declined {
            text.push_str(&format!("{}, says {}", ink.bad("no"), visible(declined.by.as_str())));
            if let Some(words) = &declined.words {
                text.push_str(&format!(":\n   | {}", visible(words.as_str())));
            }
            text.push('\n');
            more.push(("declined", json!(declined)));
        } else if let Some(holding) = &answer.held_by {
            let lift = self.typed(&["requests", "lift", holding.as_str(), "--as", APPROVER]);
            text.push_str(&format!(
                "{}; three of my requests were declined or expired within an hour, so nobody is asked again until a person lifts that:\n     {}\n",
                ink.warn("step_up"),
                ink.bold(&lift)
            ));
            more.push(("lift", json!(lift)));
        } else {
            let codes: Vec<&str> = answer.reasons.iter().map(|reason| reason.code.as_str()).collect();
            text.push_str(&format!("{} ({})\n", answer.decision, codes.join(", ")));
        }
        if let Some(members) = json.as_object_mut() {
            members.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
        }
        text.push('\n');
        self.tell(&json, &text);
        Ok(())
    }

    fn write(&self, name: &str, text: &str) -> Outcome<PathBuf> {
        let path = self.folder.join(name);
        fs::write(&path, text).map_err(|error| Failure::from_error(HomeCode::FileUnwritable, &error))?;
        Ok(path)
    }
}

/// What the agent asks for: the example that needs an approval, each time with another title.
fn action(call: u32) -> Outcome<Value> {
    let mut action: Value = serde_json::from_str(EXAMPLE_STEP_UP).map_err(|error| Failure::internal(&error))?;
    if let Some(title) = action.pointer_mut("/capability/payload/title") {
        *title = format!("{} ({call})", title.as_str().unwrap_or_default()).into();
    }
    Ok(action)
}

/// The audience of its passes: nothing but the tool, as no audience is configured.
fn audience() -> Outcome<Audience> {
    let action = action(1)?;
    let tool = action.pointer("/capability/tool").and_then(Value::as_str);
    let tool = Tool::parse(tool.unwrap_or_default()).map_err(|error| Failure::internal(&error))?;
    Ok(tool.default_audience())
}

fn text_of(said: &Value, member: &str) -> Outcome<String> {
    let text = said.get(member).and_then(Value::as_str);
    let missing = || Failure::new(CliCode::DemoBroken, format!("a command doesn't say `{member}`"));
    text.map(ToOwned::to_owned).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use actionpass_canon::{BoundAction, BoundFacts, Limits};
    use actionpass_policy::{PolicyEngine, PolicyInput, RulePolicy, STARTER_POLICY};

    use super::*;

    #[test]
    fn every_call_needs_an_approval_and_differs_from_the_others() {
        let policy = RulePolicy::load(STARTER_POLICY, "policy.toml").unwrap();
        let mut hashes = std::collections::HashSet::new();
        for call in 1..=CALLS {
            let text = action(call).unwrap().to_string();
            let action = BoundAction::admit(text.as_bytes(), &Limits::default()).unwrap();
            let verdict = policy.evaluate(&PolicyInput::new(&action, &BoundFacts::none(), &[]));
            assert_eq!(verdict.decision, Decision::StepUp);
            assert!(hashes.insert(action.action_hash()));
        }
    }
}
