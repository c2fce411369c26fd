//! [`DoorEntry`]: whom a front door on a home stands for, `[[door]]` of `config.toml`.

use std::fmt;
use std::str::FromStr;

use actionpass_model::{Actor, Agent, Caller, DoorName, Owner, Runtime, Task, Tenant};
use serde::Deserialize;

use crate::Config;

/// A front door on the home, and who calls through it, closed: a key that isn't known refuses the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DoorEntry {
    /// What records call it.
    pub name: DoorName,
    /// What stands in front of it.
    pub kind: DoorKind,
    /// The organization.
    pub tenant: Tenant,
    /// Who acts.
    pub agent: Agent,
    /// For whom.
    pub owner: Owner,
    /// In which runtime.
    pub runtime: Runtime,
    /// What for, unless the session that a product states is the task.
    #[serde(default)]
    pub task: Option<Task>,
}

impl DoorEntry {
    /// Who calls through it.
    #[must_use]
    pub fn caller(&self) -> Caller {
        Caller {
            tenant: self.tenant.clone(),
            actor: Actor {
                agent: self.agent.clone(),
                human_owner: self.owner.clone(),
                runtime: self.runtime.clone(),
                via: Vec::new(),
            },
        }
    }
}

/// What stands in front of a door: the MCP proxy, or the hook of a coding agent.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DoorKind {
    /// The MCP proxy.
    Mcp,
    /// Claude Code.
    ClaudeCode,
    /// Codex.
    Codex,
    /// Cursor.
    Cursor,
    /// Gemini CLI.
    Gemini,
}

impl DoorKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Mcp, Self::ClaudeCode, Self::Codex, Self::Cursor, Self::Gemini];

    /// As it is written. Of a coding agent it is the name of the server in the tool catalogue too.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mcp => "mcp",
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::Cursor => "cursor",
            Self::Gemini => "gemini",
        }
    }
}

impl fmt::Display for DoorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for DoorKind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|kind| kind.as_str() == text)
            .ok_or("is none of `mcp`, `claude-code`, `codex`, `cursor` and `gemini`")
    }
}

/// Why no front door is chosen.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DoorNotFound {
    /// `config.toml` has no door of this name.
    #[error("`config.toml` has no `[[door]]` named `{}`", .0.escape_debug())]
    Unknown(String),
    /// The door of this name is of another kind.
    #[error("the `[[door]]` `{name}` is of the kind `{kind}`, not `{asked}`")]
    OfAnotherKind {
        /// Its name.
        name: DoorName,
        /// Its kind.
        kind: DoorKind,
        /// The kind that was asked for.
        asked: DoorKind,
    },
    /// `config.toml` has no door of this kind.
    #[error("`config.toml` has no `[[door]]` of the kind `{0}`")]
    NoneOfKind(DoorKind),
    /// There are several of this kind, and none was named.
    #[error("`config.toml` has {count} `[[door]]` of the kind `{kind}`: name one")]
    NotNamed {
        /// The kind.
        kind: DoorKind,
        /// How many there are.
        count: usize,
    },
}

impl Config {
    /// The front doors on this home.
    #[must_use]
    pub fn doors(&self) -> &[DoorEntry] {
        &self.doors
    }

    /// The front door of this kind and name; without a name the only one of its kind.
    ///
    /// # Errors
    /// [`DoorNotFound`]: nothing is guessed.
    pub fn door(&self, kind: DoorKind, name: Option<&str>) -> Result<&DoorEntry, DoorNotFound> {
        if let Some(name) = name {
            let named = self.doors.iter().find(|door| door.name.as_str() == name);
            let door = named.ok_or_else(|| DoorNotFound::Unknown(name.to_owned()))?;
            return if door.kind == kind {
                Ok(door)
            } else {
                Err(DoorNotFound::OfAnotherKind {
                    name: door.name.clone(),
                    kind: door.kind,
                    asked: kind,
                })
            };
        }
        let of_kind: Vec<&DoorEntry> = self.doors.iter().filter(|door| door.kind == kind).collect();
        match *of_kind {
            [] => Err(DoorNotFound::NoneOfKind(kind)),
            [only] => Ok(only),
            _ => Err(DoorNotFound::NotNamed {
                kind,
                count: of_kind.len(),
            }),
        }
    }

    /// What is wrong with the door at this place of the file beyond its single keys.
    pub(crate) fn problem_of_door(&self, at: usize) -> Option<&'static str> {
        let door = self.doors.get(at)?;
        if self.doors.iter().take(at).any(|former| former.name == door.name) {
            Some("two doors have this name")
        } else if !self.tenants.contains(&door.tenant) {
            Some("its `tenant` is none of `tenants`")
        } else if !self.agents().is_empty() && !self.agents().contains(&door.agent) {
            Some("its `agent` is none of `agents`")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::HomeError;

    const DOORS: &str = r#"
        [[door]]
        name = "team"
        kind = "mcp"
        tenant = "org:a"
        agent = "agent:x"
        owner = "user:o@example.com"
        runtime = "runtime:r"
        [[door]]
        name = "mine"
        kind = "claude-code"
        tenant = "org:a"
        agent = "agent:y"
        owner = "user:o@example.com"
        runtime = "runtime:r"
        task = "AXT-1"
        [[door]]
        name = "other"
        kind = "mcp"
        tenant = "org:a"
        agent = "agent:x"
        owner = "user:o@example.com"
        runtime = "runtime:r"
    "#;

    fn config(doors: &str) -> Result<Config, HomeError> {
        let head = "issuer = \"urn:x\"\ntenants = [\"org:a\"]\nagents = [\"agent:x\", \"agent:y\"]\n[signing]\nkey = \"file:a\"\n";
        Config::parse(&format!("{head}{doors}"), Path::new("config.toml"))
    }

    #[test]
    fn a_door_is_chosen_by_kind_and_name() {
        let config = config(DOORS).unwrap();
        let name = |kind, name| config.door(kind, name).map(|door| door.name.to_string());
        assert_eq!(name(DoorKind::ClaudeCode, None).unwrap(), "mine");
        assert_eq!(name(DoorKind::Mcp, Some("other")).unwrap(), "other");
        assert_eq!(
            name(DoorKind::Mcp, None),
            Err(DoorNotFound::NotNamed {
                kind: DoorKind::Mcp,
                count: 2
            })
        );
        assert_eq!(
            name(DoorKind::Codex, None),
            Err(DoorNotFound::NoneOfKind(DoorKind::Codex))
        );
        assert_eq!(
            name(DoorKind::Mcp, Some("none")),
            Err(DoorNotFound::Unknown("none".to_owned()))
        );
        let other = name(DoorKind::Mcp, Some("mine"));
        assert!(matches!(
            other,
            Err(DoorNotFound::OfAnotherKind {
                kind: DoorKind::ClaudeCode,
                ..
            })
        ));
        let door = config.door(DoorKind::ClaudeCode, None).unwrap();
        let caller = Caller::parse("org:a", "agent:y", "user:o@example.com", "runtime:r").unwrap();
        assert_eq!(door.caller(), caller);
        assert_eq!(door.task.as_ref().map(Task::as_str), Some("AXT-1"));
    }

    #[test]
    fn kinds_are_read_as_they_are_written() {
        for kind in DoorKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            let one = DOORS.replacen("\"claude-code\"", &format!("\"{kind}\""), 1);
            assert_eq!(config(&one).unwrap().doors()[1].kind, kind);
        }
        assert!("MCP".parse::<DoorKind>().is_err());
    }

    #[test]
    fn a_door_is_refused_at_its_place() {
        for (from, to, line, problem) in [
            ("\"other\"", "\"team\"", 22, "`team`: two doors have this name"),
            ("org:a", "org:b", 7, "`team`: its `tenant` is none"),
            ("agent:y", "agent:z", 14, "`mine`: its `agent` is none"),
            ("\"mcp\"", "\"MCP\"", 9, "unknown variant"),
            (
                "runtime = ",
                "session = \"x\"\nruntime = ",
                13,
                "unknown field `session`",
            ),
        ] {
            let changed = DOORS.replacen(from, to, 1);
            assert_ne!(changed, DOORS);
            let error = config(&changed).unwrap_err();
            assert_eq!(error.code(), "config_invalid");
            let message = error.to_string();
            assert!(message.starts_with(&format!("config.toml:{line}:")), "{message}");
            assert!(message.contains(problem), "{message}");
        }
    }
}
