//! [`Agent`]: the coding agents, and how each of them behaves around a hook.

use std::fmt;
use std::time::Duration;

/// A coding agent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "an agent that isn't handled everywhere is handled nowhere"
)]
pub enum Agent {
    /// Claude Code, by `PreToolUse`.
    ClaudeCode,
    /// Codex, by `PreToolUse`.
    Codex,
    /// Cursor, by `preToolUse` and `beforeReadFile`, or by `beforeShellExecution`, `beforeMCPExecution` and `beforeReadFile`.
    Cursor,
    /// Gemini CLI, by `BeforeTool`.
    Gemini,
}

/// What is known of an agent's hooks, from its documentation, its source or by running it (`docs/howto/hooks.md` says which).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Behaviour {
    /// The file of the user's configuration that hooks stand in, below the user's home folder.
    pub file: &'static str,
    /// The same in a project, below its root.
    pub project_file: &'static str,
    /// Other files with hooks: `~` for the user's home folder or `.` for a project, and the file below it.
    pub other_files: &'static [(&'static str, &'static str)],
    /// The events that have to lead to the hook: each of one of these lists.
    pub events: &'static [&'static [&'static str]],
    /// What `timeout` of a hook counts.
    pub time_unit: TimeUnit,
    /// How long the agent waits for a hook whose `timeout` isn't stated, where that is known.
    pub default_timeout: Option<Duration>,
    /// The member of a hook that makes the agent block when the hook fails, and its value, where there is one.
    pub fail_closed: Option<(&'static str, &'static str)>,
    /// Whether the command is run by a shell, so that `|| exit 2` can stand behind it.
    pub has_shell: bool,
    /// What another hook can do to a call after ours has seen it.
    pub rewrites: &'static str,
    /// The ways around a hook that remain.
    pub ways_around: &'static [&'static str],
}

/// What a number of a time-out counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "agents count one of these")]
pub enum TimeUnit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

impl Agent {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::ClaudeCode, Self::Codex, Self::Cursor, Self::Gemini];

    /// The agent of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|agent| agent.as_str() == name)
    }

    /// Its name: on command lines, as the kind of a door, and as the server of its own tools in a catalogue.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::Cursor => "cursor",
            Self::Gemini => "gemini",
        }
    }

    /// What goes to stdout where there is nothing against a call: what this agent reads as no opinion, so that its own prompts stay.
    /// Cursor knows no such thing; what it is told leaves a call as it would be without a hook.
    #[must_use]
    pub const fn no_opinion(self) -> &'static str {
        match self {
            Self::ClaudeCode | Self::Codex => "",
            Self::Cursor => "{\"permission\":\"allow\"}\n",
            Self::Gemini => "{}\n",
        }
    }

    /// How it behaves around a hook.
    #[must_use]
    pub const fn behaviour(self) -> Behaviour {
        match self {
            Self::ClaudeCode => CLAUDE_CODE,
            Self::Codex => CODEX,
            Self::Cursor => CURSOR,
            Self::Gemini => GEMINI,
        }
    }

    /// An event about a tool that no catalogue names: every policy that denies what it doesn't know blocks it.
    #[must_use]
    pub fn canary(self) -> String {
        let call = match self {
            Self::ClaudeCode | Self::Codex => serde_json::json!({
                "session_id": CANARY, "transcript_path": null, "permission_mode": "default", "hook_event_name": "PreToolUse",
                "tool_name": CANARY, "tool_input": {}, "tool_use_id": CANARY,
            }),
            Self::Cursor => serde_json::json!({
                "conversation_id": CANARY, "generation_id": CANARY, "hook_event_name": "preToolUse",
                "tool_name": CANARY, "tool_input": {},
            }),
            Self::Gemini => serde_json::json!({
                "session_id": CANARY, "hook_event_name": "BeforeTool", "tool_name": CANARY, "tool_input": {},
            }),
        };
        call.to_string()
    }
}

/// The tool, session and so on of a canary.
const CANARY: &str = "actionpass_doctor_canary";

impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TimeUnit {
    /// So many of it.
    #[must_use]
    pub const fn times(self, count: u64) -> Duration {
        match self {
            Self::Seconds => Duration::from_secs(count),
            Self::Milliseconds => Duration::from_millis(count),
        }
    }
}

const CLAUDE_CODE: Behaviour = Behaviour {
    file: ".claude/settings.json",
    project_file: ".claude/settings.json",
    other_files: &[(".", ".claude/settings.local.json")],
    events: &[&["PreToolUse"]],
    time_unit: TimeUnit::Seconds,
    default_timeout: Some(Duration::from_secs(600)),
    fail_closed: Some(("onFailure", "block")),
    has_shell: true,
    rewrites: "every other PreToolUse hook can change the input (`updatedInput`) after ours has seen it",
    ways_around: &[
        "files that a person names with @ are read without an event",
        "hooks were not run, or not heeded, for tools that subagents call, in some versions",
        "`--bare`, `disableAllHooks` in a settings file and a managed policy switch hooks off",
        "versions before 2.1.295 ignore `onFailure`, and let a call run whose hook timed out",
        "with `-p`, hooks of a project run without anybody having trusted it",
        "what MCP servers do when they are started is no call of a tool",
    ],
};

const CODEX: Behaviour = Behaviour {
    file: ".codex/hooks.json",
    project_file: ".codex/hooks.json",
    other_files: &[("~", ".codex/config.toml"), (".", ".codex/config.toml")],
    events: &[&["PreToolUse"]],
    time_unit: TimeUnit::Seconds,
    default_timeout: Some(Duration::from_secs(600)),
    fail_closed: None,
    has_shell: true,
    rewrites: "every other PreToolUse hook can change the input (`updatedInput`); the one that ends last wins",
    ways_around: &[
        "a hook that nobody trusted (`/hooks`) is skipped without a word; one whose command was changed has to be trusted anew",
        "the call runs if the hook times out, is killed, exits with anything but 2, or exits 2 with nothing on stderr",
        "the folder, the sandbox and the time of a command aren't in what the hook is told: only its text is",
        "what is written to a command that runs already (`write_stdin`) is no event",
        "searches that the model's provider makes are no event",
        "what MCP servers do when they are started is no call of a tool",
    ],
};

const CURSOR: Behaviour = Behaviour {
    file: ".cursor/hooks.json",
    project_file: ".cursor/hooks.json",
    other_files: &[],
    events: &[
        &["preToolUse", "beforeReadFile"],
        &["beforeShellExecution", "beforeMCPExecution", "beforeReadFile"],
    ],
    time_unit: TimeUnit::Seconds,
    default_timeout: None,
    fail_closed: Some(("failClosed", "true")),
    has_shell: true,
    rewrites: "every other preToolUse hook can change the input (`updated_input`) after ours has seen it",
    ways_around: &[
        "without `preToolUse`, edits of files are no event that can be blocked",
        "completions (Tab) read and change files by events of their own, which this hook judges none of",
        "some versions read files without `preToolUse`, so `beforeReadFile` is needed beside it",
        "cloud agents run hooks of the repository and of the team only, and not all events",
        "the name of an MCP server isn't in what the hook is told",
        "what MCP servers do when they are started is no call of a tool",
    ],
};

const GEMINI: Behaviour = Behaviour {
    file: ".gemini/settings.json",
    project_file: ".gemini/settings.json",
    other_files: &[],
    events: &[&["BeforeTool"]],
    time_unit: TimeUnit::Milliseconds,
    default_timeout: Some(Duration::from_secs(60)),
    fail_closed: None,
    has_shell: true,
    rewrites: "every other BeforeTool hook can change the input (`hookSpecificOutput.tool_input`) after ours has seen it",
    ways_around: &[
        "the call runs if the hook times out, is killed, exits with anything but 2, or exits 2 with nothing on stderr",
        "`hooksConfig.enabled` and `hooksConfig.disabled` of a settings file switch hooks off",
        "what MCP servers do when they are started is no call of a tool",
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, Tool};

    #[test]
    fn names_are_read_back_and_canaries_are_events() {
        for agent in Agent::ALL {
            assert_eq!(Agent::parse(agent.as_str()), Some(agent));
            let event = Event::read(agent, agent.canary().as_bytes()).unwrap();
            assert_eq!(event.tool, Tool::Own(CANARY.to_owned()), "{agent}");
            assert!(!agent.behaviour().ways_around.is_empty());
        }
        assert_eq!(Agent::parse("Claude-Code"), None);
    }
}
