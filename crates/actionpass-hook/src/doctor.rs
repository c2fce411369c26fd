//! What is wrong with how a hook stands in an agent's configuration.
//!
//! Reads text and gives findings; which files there are, and whether the hook blocks when it is run, is the program's to see.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::{Agent, HookCode, HookError};

/// What stands behind a hook's command, so that a program that is missing, killed or silent blocks too: Codex and Gemini CLI run a
/// call whose hook exits 2 without a word on stderr, and some versions one whose hook didn't read all of its stdin.
pub const FALLBACK: &str = "|| { cat >/dev/null; echo 'ActionPass blocks this call.' >&2; exit 2; }";

/// A hook of an agent's configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Configured {
    /// The event that it is run at.
    pub event: String,
    /// Its command, if it is one.
    pub command: Option<String>,
    /// Which tools it is run for; `None` for all.
    pub matcher: Option<String>,
    /// How long the agent waits for it; `None` where nothing is said.
    pub timeout: Option<Duration>,
    /// Whether the agent blocks when the hook fails.
    pub fails_closed: bool,
}

/// Something that a person should know.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Finding {
    /// What kind of thing.
    pub code: HookCode,
    /// Whether calls can run that shouldn't.
    pub is_problem: bool,
    /// What it is.
    pub text: String,
    /// What to do.
    pub mend: Option<String>,
}

/// The words of a hook of ours.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Ours {
    /// The program, as it is written.
    pub program: String,
    /// `--home`.
    pub home: Option<String>,
    /// `--gate`.
    pub gate: Option<String>,
    /// `--deadline`.
    pub deadline: Option<Duration>,
    /// Whether it only observes.
    pub observes: bool,
    /// `--agent`.
    pub agent: Option<String>,
    /// The servers that it leaves to the proxy by name.
    pub proxied: Vec<String>,
    /// What stands behind the program and its options.
    pub rest: String,
}

impl Configured {
    /// What it says if it runs `actionpass hook run`, whatever the program is called.
    #[must_use]
    pub fn ours(&self) -> Option<Ours> {
        Ours::parse(self.command.as_deref()?)
    }
}

impl Ours {
    /// Takes a command apart: words, single or double quotes around them, and what a shell does if they fail.
    #[must_use]
    pub fn parse(command: &str) -> Option<Self> {
        let (own, rest) = match command.find("||") {
            Some(at) => (command.get(..at)?, command.get(at..)?),
            None => (command, ""),
        };
        let words = words(own)?;
        let (program, options) = words.split_first()?;
        let is_hook = options
            .iter()
            .zip(options.iter().skip(1))
            .any(|pair| pair.0 == "hook" && pair.1 == "run");
        if !is_hook {
            return None;
        }
        let values = |name: &str| {
            let joined = format!("{name}=");
            let pairs = options.iter().zip(options.iter().skip(1).map(Some).chain([None]));
            let found = pairs.filter_map(|(word, next)| match word.strip_prefix(&joined) {
                Some(value) => Some(value.to_owned()),
                None => (word == name).then(|| next.cloned()).flatten(),
            });
            found.collect::<Vec<String>>()
        };
        let value = |name: &str| values(name).pop();
        Some(Self {
            program: program.clone(),
            home: value("--home"),
            gate: value("--gate"),
            deadline: value("--deadline").and_then(|text| seconds(&text)),
            observes: options.iter().any(|word| word == "--observe"),
            agent: value("--agent"),
            proxied: values("--proxied"),
            rest: rest.trim().to_owned(),
        })
    }
}

/// The hooks of a configuration, in their order: the text of the agent's file, JSON, or TOML for Codex's `config.toml`.
///
/// # Errors
/// [`HookCode::HookConfigUnreadable`]: it isn't of the form that the agent reads.
pub fn hooks(agent: Agent, text: &str, is_toml: bool) -> Result<Vec<Configured>, HookError> {
    let unreadable = |problem: String| HookError::new(HookCode::HookConfigUnreadable, problem);
    let document: Value = match is_toml {
        true => {
            let table: toml::Table = toml::from_str(text).map_err(|error| unreadable(error.to_string()))?;
            serde_json::to_value(table).map_err(|error| unreadable(error.to_string()))?
        }
        false => serde_json::from_str(text).map_err(|error| unreadable(error.to_string()))?,
    };
    let Some(events) = document.get("hooks") else {
        return Ok(Vec::new());
    };
    let events = events
        .as_object()
        .ok_or_else(|| unreadable("`hooks` is no object".to_owned()))?;
    let mut found = Vec::new();
    for (event, groups) in events {
        let Some(groups) = groups.as_array() else {
            // Beside the events Gemini CLI has switches here.
            continue;
        };
        for group in groups {
            let matcher = group
                .get("matcher")
                .and_then(Value::as_str)
                .filter(|matcher| !matcher.is_empty());
            match group.get("hooks").and_then(Value::as_array) {
                Some(hooks) => found.extend(hooks.iter().map(|hook| configured(agent, event, matcher, hook))),
                None => found.push(configured(agent, event, matcher, group)),
            }
        }
    }
    Ok(found)
}

fn configured(agent: Agent, event: &str, matcher: Option<&str>, hook: &Value) -> Configured {
    let behaviour = agent.behaviour();
    let fails_closed = behaviour
        .fail_closed
        .is_some_and(|(member, wanted)| match hook.get(member) {
            Some(Value::Bool(is_on)) => wanted == "true" && *is_on,
            Some(Value::String(text)) => text == wanted,
            _ => false,
        });
    Configured {
        event: event.to_owned(),
        command: hook.get("command").and_then(Value::as_str).map(ToOwned::to_owned),
        matcher: matcher.filter(|matcher| *matcher != "*").map(ToOwned::to_owned),
        timeout: hook
            .get("timeout")
            .and_then(Value::as_u64)
            .map(|count| behaviour.time_unit.times(count)),
        fails_closed,
    }
}

/// What is wrong with the hooks of an agent, all of its files together.
#[must_use]
pub fn examine(agent: Agent, hooks: &[Configured]) -> Vec<Finding> {
    let behaviour = agent.behaviour();
    let ours: Vec<(usize, &Configured, Ours)> = hooks
        .iter()
        .enumerate()
        .filter_map(|(at, hook)| Some((at, hook, hook.ours()?)))
        .collect();
    let mut findings = Findings::default();
    let has = |event: &str| ours.iter().any(|(_, hook, _)| hook.event == event);
    if ours.is_empty() {
        findings.problem(
            HookCode::HookMissing,
            "no hook of ours stands in the configuration",
            "actionpass hook install",
        );
        return findings.0;
    }
    if !behaviour
        .events
        .iter()
        .any(|events| events.iter().all(|event| has(event)))
    {
        let wanted: Vec<String> = behaviour.events.iter().map(|events| events.join(" with ")).collect();
        let text = format!(
            "some calls lead to no hook: there has to be one at {}",
            wanted.join(", or at ")
        );
        findings.problem(HookCode::HookOpen, &text, "actionpass hook install");
    }
    if has("preToolUse") && (has("beforeShellExecution") || has("beforeMCPExecution")) {
        findings.note(
            HookCode::HookOpen,
            "a call is judged by two hooks, and people are asked twice: one kind of event is enough",
        );
    }
    for (at, hook, own) in &ours {
        of_one(agent, hook, own, &mut findings);
        let others = hooks.iter().enumerate();
        let others =
            others.filter(|(other, hook)| other != at && is_judged(agent, &hook.event) && hook.ours().is_none());
        let names: Vec<&str> = others
            .map(|(_, hook)| hook.command.as_deref().unwrap_or("one without a command"))
            .collect();
        if !names.is_empty() {
            let text = format!("{}: {}", behaviour.rewrites, names.join(", "));
            findings.note(HookCode::HookOpen, &text);
        }
    }
    findings.0
}

fn is_judged(agent: Agent, event: &str) -> bool {
    agent.behaviour().events.iter().any(|events| events.contains(&event))
}

fn of_one(agent: Agent, hook: &Configured, own: &Ours, findings: &mut Findings) {
    let behaviour = agent.behaviour();
    if !Path::new(&own.program).is_absolute() {
        let text = format!(
            "`{}` is no absolute path: whatever a project puts there is run",
            own.program
        );
        findings.problem(HookCode::HookOpen, &text, "name the program by its whole path");
    }
    if own.agent.as_deref() != Some(agent.as_str()) {
        let text = format!("--agent isn't {agent}, so what the agent says isn't understood");
        findings.problem(HookCode::HookOpen, &text, &format!("--agent {agent}"));
    }
    match (own.deadline, hook.timeout.or(behaviour.default_timeout)) {
        (None, _) => findings.problem(
            HookCode::HookOpen,
            "there is no --deadline",
            "--deadline, the time-out of the hook",
        ),
        (Some(_), None) => findings.problem(
            HookCode::HookOpen,
            "the hook states no time-out, and how long the agent waits without one isn't known",
            "\"timeout\", the same as --deadline",
        ),
        (Some(deadline), Some(waits)) if deadline > waits => {
            let waits = waits.as_secs();
            let text =
                format!("--deadline is later than the {waits} s for which the agent waits, and then runs the call");
            findings.problem(HookCode::HookOpen, &text, "make both the same");
        }
        (Some(_), Some(_)) => {}
    }
    if let Some((member, value)) = behaviour.fail_closed
        && !hook.fails_closed
    {
        let text = format!("the agent runs a call whose hook fails: `{member}` isn't {value}");
        findings.problem(HookCode::HookOpen, &text, &format!("\"{member}\": {value}"));
    }
    let speaks = own.rest.contains(">&2") && own.rest.contains("exit 2");
    if behaviour.has_shell && !speaks {
        let text =
            "the agent runs a call whose hook is missing or killed: nothing behind the command says why and exits 2";
        findings.problem(HookCode::HookOpen, text, FALLBACK);
    }
    if let Some(matcher) = &hook.matcher {
        findings.note(
            HookCode::HookOpen,
            &format!("the hook is run for the tools `{matcher}` only"),
        );
    }
    if own.observes {
        findings.problem(
            HookCode::HookOpen,
            "the hook observes: it records, and blocks nothing",
            "leave --observe away",
        );
    }
    for name in &own.proxied {
        let text = format!(
            "tools of the MCP server `{name}` are left to the proxy: whoever can change which server has this name gets around the hook"
        );
        findings.note(HookCode::HookOpen, &text);
    }
    match (&own.home, &own.gate) {
        (Some(home), _) if !Path::new(home).is_absolute() => {
            findings.problem(HookCode::HookOpen, "--home is no absolute path", "name the home by its whole path");
        }
        (Some(_), _) => findings.note(
            HookCode::HookHomeExposed,
            "the hook opens the home as whoever runs the agent, so the agent can read its key, and change its policy: this holds up \
             mistakes, not an attacker. Serve the home as another user, and use --gate",
        ),
        (None, Some(_)) => {}
        (None, None) => findings.problem(HookCode::HookOpen, "neither --home nor --gate says who judges", "--gate URL --token-file FILE"),
    }
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn problem(&mut self, code: HookCode, text: &str, mend: &str) {
        self.push(code, true, text, Some(mend));
    }

    fn note(&mut self, code: HookCode, text: &str) {
        self.push(code, false, text, None);
    }

    fn push(&mut self, code: HookCode, is_problem: bool, text: &str, mend: Option<&str>) {
        let finding = Finding {
            code,
            is_problem,
            text: text.to_owned(),
            mend: mend.map(ToOwned::to_owned),
        };
        if !self.0.contains(&finding) {
            self.0.push(finding);
        }
    }
}

/// Words of a command line, as a shell tells them apart where nothing but quotes is used; `None` if more is.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(character),
            (None, '\'' | '"') => {
                word.get_or_insert_default();
                quote = Some(character);
            }
            // As `it's` is quoted: `'it'\\''s'`.
            (None, '\\') => word.get_or_insert_default().push(characters.next()?),
            (None, '`' | '$' | ';' | '&' | '|' | '<' | '>' | '(' | ')') => return None,
            (None, _) if character.is_whitespace() => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// `30s`, `2m`.
fn seconds(text: &str) -> Option<Duration> {
    let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count: u64 = count.parse().ok()?;
    let seconds = match unit {
        "s" => count,
        "m" => count.checked_mul(60)?,
        _ => return None,
    };
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A command that is in order.
    fn command(agent: Agent) -> String {
        format!(
            "/opt/actionpass hook run --agent {agent} --gate http://localhost:1 --token-file /t --deadline 30s {FALLBACK}"
        )
    }

    fn settings(agent: Agent, command: &str) -> String {
        let hook = match agent {
            Agent::ClaudeCode => {
                serde_json::json!({"type": "command", "command": command, "timeout": 30, "onFailure": "block"})
            }
            Agent::Codex => serde_json::json!({"type": "command", "command": command, "timeout": 30}),
            Agent::Gemini => serde_json::json!({"type": "command", "command": command, "timeout": 30_000}),
            Agent::Cursor => serde_json::json!({"command": command, "timeout": 30, "failClosed": true}),
        };
        let [event, ..] = agent.behaviour().events[0] else {
            unreachable!()
        };
        match agent {
            Agent::Cursor => serde_json::json!({"version": 1, "hooks": {(*event): [hook], "beforeReadFile": [hook]}}),
            _ => serde_json::json!({"hooks": {(*event): [{"hooks": [hook]}]}}),
        }
        .to_string()
    }

    fn problems(agent: Agent, text: &str) -> Vec<String> {
        let hooks = hooks(agent, text, false).unwrap();
        let found = examine(agent, &hooks).into_iter().filter(|finding| finding.is_problem);
        found.map(|finding| finding.text).collect()
    }

    #[test]
    fn a_hook_in_order_has_no_problems() {
        for agent in Agent::ALL {
            let text = settings(agent, &command(agent));
            assert_eq!(problems(agent, &text), Vec::<String>::new(), "{agent}");
            let found = examine(agent, &hooks(agent, &text, false).unwrap());
            assert_eq!(found, [], "{agent}");
        }
    }

    #[test]
    fn each_way_past_it_is_a_problem() {
        for agent in Agent::ALL {
            let good = command(agent);
            for bad in [
                good.replace("/opt/", ""),
                good.replace("--deadline 30s", ""),
                good.replace("--deadline 30s", "--deadline 31s"),
                good.replace(FALLBACK, ""),
                // Nothing on stderr: Codex and Gemini CLI run the call.
                good.replace(FALLBACK, "|| exit 2"),
                good.replace("hook run", "hook run --observe"),
                good.replace(agent.as_str(), "another"),
                good.replace("--gate http://localhost:1", ""),
                good.replace("--gate http://localhost:1", "--home home"),
            ] {
                assert_eq!(problems(agent, &settings(agent, &bad)).len(), 1, "{agent}: {bad}");
            }
            assert_eq!(problems(agent, "{}").len(), 1);
            let open = settings(agent, &good)
                .replace("block\"", "allow\"")
                .replace("true", "false");
            let expected = usize::from(agent.behaviour().fail_closed.is_some());
            let open = open.replace("ActionPass allow\"s", "ActionPass blocks");
            assert_eq!(problems(agent, &open).len(), expected, "{agent}");
        }
    }

    #[test]
    fn other_hooks_and_homes_are_noted() {
        let text = format!(
            r#"{{"hooks":{{"PreToolUse":[{{"matcher":"Bash","hooks":[{{"type":"command","command":{}}}]}},{{"hooks":[{{"type":"command","command":"x.sh"}}]}}]}}}}"#,
            serde_json::json!(command(Agent::Codex).replace("--gate http://localhost:1", "--home /h --proxied github"))
        );
        let found = examine(Agent::Codex, &hooks(Agent::Codex, &text, false).unwrap());
        let notes: Vec<HookCode> = found.iter().map(|finding| finding.code).collect();
        assert_eq!(
            notes,
            [
                HookCode::HookOpen,
                HookCode::HookOpen,
                HookCode::HookHomeExposed,
                HookCode::HookOpen
            ],
            "{found:?}"
        );
        assert!(found.iter().all(|finding| !finding.is_problem));
        assert!(found.last().unwrap().text.ends_with("x.sh"));
    }

    #[test]
    fn codex_config_is_toml_too() {
        let text = format!(
            "model = \"x\"\n[[hooks.PreToolUse]]\n[[hooks.PreToolUse.hooks]]\ntype = \"command\"\ncommand = \"\"\"{}\"\"\"\ntimeout = 30\n",
            command(Agent::Codex)
        );
        let found = hooks(Agent::Codex, &text, true).unwrap();
        assert_eq!(examine(Agent::Codex, &found), []);
        assert!(hooks(Agent::Codex, "=", true).is_err());
        assert!(hooks(Agent::Gemini, "[", false).is_err());
    }

    #[test]
    fn commands_of_others_are_none_of_ours() {
        for command in [
            "",
            "hook run",
            "/a hook status",
            "/a hook run; true",
            "$X hook run",
            "'/a hook run",
        ] {
            assert_eq!(Ours::parse(command), None, "{command}");
        }
        let quoted = Ours::parse(r"'/opt/it'\''s/a' hook run").unwrap();
        assert_eq!(quoted.program, "/opt/it's/a");
        let own = Ours::parse("'/opt/a b' --home \"/h x\" hook run --proxied=a --proxied b").unwrap();
        assert_eq!((own.program.as_str(), own.home.as_deref()), ("/opt/a b", Some("/h x")));
        assert_eq!(own.proxied, ["a", "b"]);
    }
}
