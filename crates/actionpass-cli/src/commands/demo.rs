//! `demo`: the whole story in a temporary home, told in plain words. It runs the commands themselves, and each step
//! must come out as promised.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use actionpass_crypto::Algorithm;
use actionpass_custody::KeyUri;
use actionpass_home::{HomeCode, home};
use actionpass_model::{Decision, Statement};
use clap::Args;
use serde_json::{Value, json};

use super::approve::{ApproveArgs, Mode};
use super::authorize::AuthorizeArgs;
use super::init::InitArgs;
use super::ledger::verify_home;
use super::trust::AddArgs;
use super::verify::{Judged, Verdict, VerifyArgs};
use crate::code::CliCode;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::gate::Decided;
use crate::output::{self, Ink, Reply};
use crate::passphrase::PassphraseArgs;
use crate::private_key::NewKey;
use crate::public_key::public_json;

/// Who approves in the story.
const MAINTAINER: &str = "user:maintainer@example.com";

#[derive(Args, Debug)]
pub(crate) struct DemoArgs {}

impl DemoArgs {
    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        let started = Instant::now();
        let folder = tempfile::Builder::new()
            .prefix("actionpass-demo-")
            .tempdir()
            .map_err(|error| Failure::from_error(HomeCode::FileUnwritable, &error))?;
        let mut story = Story {
            is_json: context.is_json,
            steps: Vec::new(),
        };
        story.tell(&context.within(folder.path().join("home")), folder.path())?;
        let steps = story.steps.len();
        let talk = format!(
            "\n{} All {steps} steps came out as promised, in {:.1} s, offline. The temporary home is gone again.\n\
             Next: `actionpass init`, and your own policy.\n",
            Ink::stderr().good("Done."),
            started.elapsed().as_secs_f64()
        );
        Ok(Reply::new(json!({ "asPromised": true, "steps": story.steps })).with_talk(talk))
    }
}

/// The steps so far.
struct Story {
    is_json: bool,
    steps: Vec<Value>,
}

impl Story {
    fn tell(&mut self, context: &Context, folder: &Path) -> Outcome<()> {
        self.say("An AI agent holds a token for your tools. The token opens the channel; nobody checks what goes through it.\nActionPass checks every single call, payload included. Watch:\n");

        InitArgs::default().make(context)?;
        let examples = context.home_place()?.join(home::EXAMPLES);
        self.step(
            "a home",
            "Made a home: a signing key, a trust store, a starter policy, an empty ledger.",
            true,
            "made",
        )?;

        let allow = examples.join("allow.json");
        let allowed = decide(&allow, &[], context)?;
        self.decision(
            "allow",
            "The agent asks for something that a rule permits.",
            &allowed,
            Decision::Allow,
        )?;

        let denied = decide(&examples.join("deny.json"), &[], context)?;
        self.decision(
            "deny",
            "It asks for something that no rule permits, or that one forbids.",
            &denied,
            Decision::Deny,
        )?;

        let careful = examples.join("step_up.json");
        let waiting = decide(&careful, &[], context)?;
        self.decision(
            "step_up",
            "It asks for something that needs a person's yes.",
            &waiting,
            Decision::StepUp,
        )?;

        let approval = self.approve(folder, &careful, context)?;
        let passed = decide(&careful, &[approval], context)?;
        self.decision(
            "pass",
            "Asked again with the approval, the same action gets its pass.",
            &passed,
            Decision::Allow,
        )?;

        let pass = passed
            .answer
            .pass
            .as_ref()
            .map(|pass| pass.token.clone())
            .unwrap_or_default();
        let token = write(folder, "pass.jwt", &pass)?;
        let mut executor = VerifyArgs::of(token.clone(), careful.clone());
        let verdict = executor.judge(context)?;
        self.verdict(
            "verified",
            "The executor verifies pass and call, offline.",
            &verdict,
            None,
        )?;

        let tampered = write(folder, "tampered.json", &tampered(&careful)?)?;
        let verdict = VerifyArgs::of(token, tampered).judge(context)?;
        self.verdict(
            "tampered",
            "Someone changes one word of the payload.",
            &verdict,
            Some("payload_hash_mismatch"),
        )?;

        executor.consume = true;
        let verdict = executor.judge(context)?;
        self.verdict(
            "consumed",
            "The executor uses the pass up and runs the call.",
            &verdict,
            None,
        )?;
        let verdict = executor.judge(context)?;
        self.verdict(
            "replayed",
            "Someone presents the same pass again.",
            &verdict,
            Some("already_used"),
        )?;

        let verified = verify_home(&context.open_home()?)?;
        let found = format!("{} records, each chained to the one before", verified.head.size());
        self.step(
            "ledger",
            "All of it is in the ledger, which shows every later change.",
            verified.head.size() >= 7,
            &found,
        )
    }

    /// The maintainer makes a key, the issuer takes its public half in, the maintainer approves.
    fn approve(&mut self, folder: &Path, action: &Path, context: &Context) -> Outcome<PathBuf> {
        let passphrase = PassphraseArgs::default();
        let new = NewKey {
            algorithm: Algorithm::Es256,
            is_encrypted: false,
            passphrase: &passphrase,
            place: None,
        };
        let key = new.generate(Some(folder), &KeyUri::new("file", "maintainer.pem"))?;
        let jwk =
            serde_json::to_string(&public_json(key.signer.public_key())?).map_err(|error| Failure::internal(&error))?;
        AddArgs::approver(write(folder, "maintainer.jwk", &jwk)?, MAINTAINER, "maintainer")?.run(context)?;
        let approve = ApproveArgs {
            action: action.to_owned(),
            key: KeyUri::new("file", &folder.join("maintainer.pem").display().to_string()),
            approver: MAINTAINER
                .parse()
                .map_err(|error: actionpass_model::TextError| Failure::internal(&error))?,
            issuer: None,
            reason: Statement::parse("read every line of it").map_err(|error| Failure::internal(&error))?,
            mode: Mode::Human,
            rules: Vec::new(),
            policy_digest: None,
            expires: None,
            policy: None,
            facts: None,
            trust: None,
            yes: true,
            passphrase: PassphraseArgs::default(),
        };
        let approval = approve.sign_silently(context)?;
        let told = "A maintainer reads the exact payload and signs a yes, with a key that only they have.";
        self.step(
            "approval",
            told,
            !approval.is_empty(),
            &format!("approved by {MAINTAINER}"),
        )?;
        write(folder, "approval.jwt", &approval)
    }

    fn decision(&mut self, name: &str, told: &str, decided: &Decided, promised: Decision) -> Outcome<()> {
        let answer = &decided.answer;
        let rules = answer
            .policy
            .rules
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        let code = answer
            .reasons
            .first()
            .map(|reason| reason.code.to_string())
            .unwrap_or_default();
        let by = if rules.is_empty() { code } else { rules };
        let has_pass = answer.pass.is_some() == (promised == Decision::Allow);
        self.step(
            name,
            told,
            answer.decision == promised && has_pass,
            &format!("{}, by {by}", answer.decision),
        )
    }

    fn verdict(&mut self, name: &str, told: &str, judged: &Judged, promised: Option<&str>) -> Outcome<()> {
        let (is_promised, found) = match (&judged.verdict, promised) {
            (Verdict::Valid(pass, _), promised) => (promised.is_none(), format!("valid, {}", pass.claims().jti)),
            (Verdict::Refused(refusal), promised) => {
                let codes: Vec<&str> = refusal.codes().map(actionpass_model::Code::as_str).collect();
                (
                    promised.is_some_and(|promised| codes.contains(&promised)),
                    format!("refused, {}", codes.join(", ")),
                )
            }
        };
        self.step(name, told, is_promised, &found)
    }

    /// Tells a step, and ends the story if it didn't come out as promised.
    fn step(&mut self, name: &str, told: &str, is_promised: bool, found: &str) -> Outcome<()> {
        let ink = Ink::stderr();
        let mark = if is_promised {
            ink.good("ok")
        } else {
            ink.bad("NOT AS PROMISED")
        };
        self.say(&format!(
            "{:>2}. {told}\n    {mark} {found}\n",
            self.steps.len().saturating_add(1)
        ));
        self.steps
            .push(json!({ "name": name, "found": found, "asPromised": is_promised }));
        if is_promised {
            Ok(())
        } else {
            Err(Failure::new(
                CliCode::DemoBroken,
                format!("step `{name}` came out as: {found}"),
            ))
        }
    }

    fn say(&self, text: &str) {
        if !self.is_json {
            output::say(text);
        }
    }
}

fn decide(action: &Path, approvals: &[PathBuf], context: &Context) -> Outcome<Decided> {
    AuthorizeArgs::of(action.to_owned(), approvals.to_vec()).decide(context)
}

/// The action with one text of its payload changed.
fn tampered(action: &Path) -> Outcome<String> {
    let text = fs::read_to_string(action).map_err(|error| crate::input::unreadable(action, &error))?;
    let mut value: Value = serde_json::from_str(&text).map_err(|error| Failure::internal(&error))?;
    let payload = value.pointer_mut("/capability/payload").and_then(Value::as_object_mut);
    let word = payload.and_then(|payload| payload.values_mut().find(|value| value.is_string()));
    if let Some(word) = word {
        *word = Value::from(format!("{} and one thing more", word.as_str().unwrap_or_default()));
    }
    Ok(value.to_string())
}

fn write(folder: &Path, name: &str, text: &str) -> Outcome<PathBuf> {
    let path = folder.join(name);
    fs::write(&path, text).map_err(|error| Failure::from_error(HomeCode::FileUnwritable, &error))?;
    Ok(path)
}
