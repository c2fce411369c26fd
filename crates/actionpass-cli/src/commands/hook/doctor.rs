//! `hook doctor`: whether an agent is held to what its hook says.

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use actionpass_hook::doctor::{Configured, Finding, Ours, examine, hooks};
use actionpass_hook::{Agent, HookCode};
use actionpass_model::CodeClass;
use clap::Args;
use serde_json::{Value, json};

use super::agent;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{Ink, Reply};
use crate::render::visible;

/// How long a hook without a deadline is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether a hook has ended.
const LOOK: Duration = Duration::from_millis(10);

#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    /// The agent that is checked: claude-code, codex, cursor or gemini
    #[arg(long, value_name = "AGENT", value_parser = agent)]
    agent: Agent,
    /// A file of the agent's configuration [default: those of the user and of the current folder]
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Look at the configuration only: run no hook, and have nothing recorded
    #[arg(long)]
    no_canary: bool,
}

/// What a check says.
struct Check {
    code: Option<HookCode>,
    is_problem: bool,
    text: String,
    mend: Option<String>,
}

impl From<Finding> for Check {
    fn from(finding: Finding) -> Self {
        Self {
            code: Some(finding.code),
            is_problem: finding.is_problem,
            text: finding.text,
            mend: finding.mend,
        }
    }
}

impl Check {
    fn good(text: impl Into<String>) -> Self {
        Self {
            code: None,
            is_problem: false,
            text: text.into(),
            mend: None,
        }
    }

    fn problem(code: HookCode, text: impl Into<String>, mend: &str) -> Self {
        Self {
            code: Some(code),
            is_problem: true,
            text: text.into(),
            mend: Some(mend.to_owned()),
        }
    }

    fn to_json(&self) -> Value {
        let mut check = json!({ "ok": !self.is_problem, "text": self.text });
        if let Some(members) = check.as_object_mut() {
            if let Some(code) = self.code {
                members.insert("code".to_owned(), code.as_str().into());
            }
            if let Some(mend) = &self.mend {
                members.insert("mend".to_owned(), mend.clone().into());
            }
        }
        check
    }
}

impl DoctorArgs {
    pub(crate) fn run(self, _context: &Context) -> Outcome<Reply> {
        let (files, configured) = self.configured()?;
        let mut checks: Vec<Check> = examine(self.agent, &configured).into_iter().map(Check::from).collect();
        if checks.iter().all(|check| !check.is_problem) {
            checks.insert(
                0,
                Check::good("the configuration leads every call to a hook that blocks when it fails"),
            );
        }
        if !self.no_canary {
            let ours = configured.iter().filter_map(|hook| Some((hook, hook.ours()?)));
            for (hook, own) in ours.filter(|(_, own)| !own.observes) {
                checks.extend(canaries(self.agent, hook, &own));
            }
        }
        let ways = self.agent.behaviour().ways_around;
        let problems: Vec<CodeClass> = checks
            .iter()
            .filter(|check| check.is_problem)
            .filter_map(|check| Some(check.code?.class()))
            .collect();
        let exit = match problems.is_empty() {
            true => 0,
            false => CodeClass::exit_code_of_all(problems.iter().copied()),
        };
        let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        let json = json!({
            "agent": self.agent.as_str(),
            "healthy": problems.is_empty(),
            "files": names,
            "checks": checks.iter().map(Check::to_json).collect::<Vec<_>>(),
            "waysAround": ways,
        });
        Ok(Reply::new(json).with_exit(exit).with_data(text(&checks, ways)))
    }

    /// The files that there are, and the hooks in them.
    fn configured(&self) -> Outcome<(Vec<PathBuf>, Vec<Configured>)> {
        let candidates = match self.config.is_empty() {
            true => usual(self.agent),
            false => self.config.clone(),
        };
        let mut files = Vec::new();
        let mut configured = Vec::new();
        for path in candidates {
            let unreadable = |problem: &str| {
                Failure::new(
                    HookCode::HookConfigUnreadable,
                    format!("`{}` can't be read: {problem}", path.display()),
                )
            };
            let text = match fs::read_to_string(&path) {
                Ok(text) => text,
                // One of the usual files that isn't there has no hooks.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && self.config.is_empty() => continue,
                Err(error) => return Err(unreadable(&error.to_string())),
            };
            let is_toml = path.extension().is_some_and(|ending| ending == "toml");
            configured.extend(hooks(self.agent, &text, is_toml).map_err(|error| unreadable(&error.to_string()))?);
            files.push(path);
        }
        Ok((files, configured))
    }
}

/// Where an agent's configuration is, the user's first.
fn usual(agent: Agent) -> Vec<PathBuf> {
    let behaviour = agent.behaviour();
    let mut files: Vec<PathBuf> = std::env::home_dir()
        .map(|home| home.join(behaviour.file))
        .into_iter()
        .collect();
    files.push(PathBuf::from(behaviour.project_file));
    for other in behaviour.other_files {
        let (base, file) = other;
        match *base {
            "~" => files.extend(std::env::home_dir().map(|home| home.join(file))),
            _ => files.push(PathBuf::from(file)),
        }
    }
    files.dedup();
    files
}

/// Runs a hook as the agent does: for a call that has to be blocked, and for one while the program isn't there.
fn canaries(agent: Agent, hook: &Configured, own: &Ours) -> Vec<Check> {
    let Some(command) = &hook.command else {
        return Vec::new();
    };
    let patience = hook.timeout.or(own.deadline).unwrap_or(PATIENCE);
    let without = command.replacen(&own.program, "/nonexistent/actionpass", 1);
    let fired = [
        (
            "a call that no rule allows",
            command,
            "see what the hook says: run the command with such an event on stdin",
        ),
        (
            "a call while the program is missing",
            &without,
            actionpass_hook::doctor::FALLBACK,
        ),
    ];
    let event = agent.canary();
    let checks = fired
        .into_iter()
        .map(|(what, command, mend)| match fire(command, &event, patience) {
            Ok(Fired { exit: Some(2), said }) if !said.trim().is_empty() => {
                {
                    // Why tells a hook that judges from one that can't.
                    let why = said.lines().next().unwrap_or_default();
                    Check::good(format!("{} blocks {what}: {why}", hook.event))
                }
            }
            Ok(Fired { exit: Some(2), .. }) => Check::problem(
                HookCode::HookNotBlocking,
                format!(
                    "{} exits 2 for {what} and says nothing on stderr, which some agents take for no block",
                    hook.event
                ),
                mend,
            ),
            Ok(Fired { exit, .. }) => {
                let exit = exit.map_or("is killed by a signal".to_owned(), |exit| format!("exits {exit}"));
                Check::problem(
                    HookCode::HookNotBlocking,
                    format!("{} {exit} for {what}", hook.event),
                    mend,
                )
            }
            Err(problem) => Check::problem(HookCode::HookNotBlocking, format!("{}: {problem}", hook.event), mend),
        });
    checks.collect()
}

/// How a hook ended.
struct Fired {
    exit: Option<i32>,
    said: String,
}

fn fire(command: &str, event: &str, patience: Duration) -> Result<Fired, String> {
    let run = || -> std::io::Result<Fired> {
        let mut child = Command::new("sh")
            .args(["-c", command])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A hook that doesn't read shows by how it ends.
            let _ = stdin.write_all(event.as_bytes());
        }
        let exit = ended(&mut child, patience)?;
        let mut said = String::new();
        if let Some(stderr) = child.stderr.take() {
            stderr.take(64 << 10).read_to_string(&mut said)?;
        }
        Ok(Fired { exit, said })
    };
    run().map_err(|error| format!("the hook can't be run: {error}"))
}

/// The exit code of a child, which is killed when nobody waits for it any longer.
fn ended(child: &mut Child, patience: Duration) -> std::io::Result<Option<i32>> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.code());
        }
        if started.elapsed() > patience {
            child.kill()?;
            child.wait()?;
            let problem = format!("it hasn't ended after {} s", patience.as_secs());
            return Err(std::io::Error::other(problem));
        }
        thread::sleep(LOOK);
    }
}

fn text(checks: &[Check], ways: &[&str]) -> String {
    let ink = Ink::stdout();
    let mut text = String::new();
    for check in checks {
        let mark = match (check.is_problem, check.code) {
            (true, _) => ink.bad("FAIL"),
            (false, Some(_)) => ink.warn("note"),
            (false, None) => ink.good("ok  "),
        };
        text.push_str(&format!("{mark}  {}", visible(&check.text)));
        match check.code.filter(|_| check.is_problem) {
            Some(code) => text.push_str(&format!(" ({})\n", code.as_str())),
            None => text.push('\n'),
        }
        if let Some(mend) = &check.mend {
            text.push_str(&format!("      {} {}\n", ink.bold("mend:"), visible(mend)));
        }
    }
    text.push_str("\nA hook is a tripwire; the executor is the wall. Ways around it that remain:\n");
    for way in ways {
        text.push_str(&format!("  - {way}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_installed_is_what_is_asked_for() {
        assert_eq!(actionpass_setup::FALLBACK, actionpass_hook::doctor::FALLBACK);
    }
}
