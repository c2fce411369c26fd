//! Where products keep their configuration.

use std::path::{Path, PathBuf};

use crate::edit::Format;

/// A product that runs MCP servers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Product {
    /// Claude Code, and the project files that it shares with others.
    ClaudeCode,
    /// Claude Desktop.
    ClaudeDesktop,
    /// Codex.
    Codex,
    /// Cursor.
    Cursor,
    /// Gemini CLI.
    Gemini,
    /// Visual Studio Code.
    VsCode,
}

impl Product {
    /// Its name in doors, runtimes and agents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::ClaudeDesktop => "claude-desktop",
            Self::Codex => "codex",
            Self::Cursor => "cursor",
            Self::Gemini => "gemini",
            Self::VsCode => "vscode",
        }
    }

    /// What people call it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::ClaudeCode => "Claude Code",
            Self::ClaudeDesktop => "Claude Desktop",
            Self::Codex => "Codex",
            Self::Cursor => "Cursor",
            Self::Gemini => "Gemini CLI",
            Self::VsCode => "VS Code",
        }
    }
}

/// A coding agent with hooks before its tools.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum CodingAgent {
    /// Claude Code: `PreToolUse`.
    ClaudeCode,
    /// Codex: `PreToolUse`.
    Codex,
    /// Cursor: `preToolUse`.
    Cursor,
    /// Gemini CLI: `BeforeTool`.
    Gemini,
}

impl CodingAgent {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::ClaudeCode, Self::Codex, Self::Cursor, Self::Gemini];

    /// Its product.
    #[must_use]
    pub const fn product(self) -> Product {
        match self {
            Self::ClaudeCode => Product::ClaudeCode,
            Self::Codex => Product::Codex,
            Self::Cursor => Product::Cursor,
            Self::Gemini => Product::Gemini,
        }
    }

    /// Its name in doors and in `hook run --agent`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.product().name()
    }
}

/// What kind of system it is, as far as places differ.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Platform {
    /// Linux and other Unix systems.
    Unix,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
}

impl Platform {
    /// The one that this program runs on.
    #[must_use]
    pub const fn here() -> Self {
        if cfg!(windows) {
            Self::Windows
        } else if cfg!(target_os = "macos") {
            Self::MacOs
        } else {
            Self::Unix
        }
    }
}

/// The folders that are looked through.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Places {
    /// The user's own folder.
    pub user: PathBuf,
    /// The project, if there is one.
    pub project: Option<PathBuf>,
    /// What the system is.
    pub platform: Platform,
    /// The user's settings of desktop programs on Unix (`XDG_CONFIG_HOME`).
    pub settings: PathBuf,
    /// Claude Code's folder, if `CLAUDE_CONFIG_DIR` says another than `~/.claude`.
    pub claude: Option<PathBuf>,
    /// Codex's folder, if `CODEX_HOME` says another than `~/.codex`.
    pub codex: Option<PathBuf>,
}

/// A file that names MCP servers.
#[derive(Clone, Debug)]
pub(crate) struct ServersFile {
    pub(crate) product: Product,
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
    /// The member that they stand in.
    pub(crate) member: &'static str,
    /// Whether each of `projects` has servers of its own.
    pub(crate) has_projects: bool,
}

impl Places {
    /// Those of a user on a system.
    #[must_use]
    pub fn new(user: PathBuf, platform: Platform) -> Self {
        Self {
            settings: user.join(".config"),
            user,
            project: None,
            platform,
            claude: None,
            codex: None,
        }
    }

    /// With this project.
    #[must_use]
    pub fn with_project(mut self, project: PathBuf) -> Self {
        self.project = Some(project);
        self
    }

    /// The folders that files may lie below, also where a link leads to them.
    #[must_use]
    pub fn below(&self) -> Vec<PathBuf> {
        let others = [&self.project, &self.claude, &self.codex].into_iter().flatten();
        [&self.user, &self.settings]
            .into_iter()
            .chain(others)
            .cloned()
            .collect()
    }

    /// Where desktop programs keep a user's settings.
    fn desktop(&self) -> PathBuf {
        match self.platform {
            Platform::MacOs => self.user.join("Library").join("Application Support"),
            Platform::Windows => self.user.join("AppData").join("Roaming"),
            Platform::Unix => self.settings.clone(),
        }
    }

    fn claude(&self) -> PathBuf {
        self.claude.clone().unwrap_or_else(|| self.user.join(".claude"))
    }

    fn codex(&self) -> PathBuf {
        self.codex.clone().unwrap_or_else(|| self.user.join(".codex"))
    }

    /// The file in which Claude Code keeps servers of the user, and of projects.
    fn claude_json(&self) -> PathBuf {
        self.claude.as_ref().unwrap_or(&self.user).join(".claude.json")
    }

    /// The files that name MCP servers, each once, whether they are there or not.
    pub(crate) fn servers_files(&self) -> Vec<ServersFile> {
        let file = |product, path, format, member| ServersFile {
            product,
            path,
            format,
            member,
            has_projects: false,
        };
        let servers = "mcpServers";
        let mut files = vec![
            ServersFile {
                has_projects: true,
                ..file(Product::ClaudeCode, self.claude_json(), Format::Json, servers)
            },
            file(
                Product::ClaudeDesktop,
                self.desktop().join("Claude").join("claude_desktop_config.json"),
                Format::Json,
                servers,
            ),
            file(
                Product::Codex,
                self.codex().join("config.toml"),
                Format::Toml,
                "mcp_servers",
            ),
            file(
                Product::Cursor,
                self.user.join(".cursor").join("mcp.json"),
                Format::Jsonc,
                servers,
            ),
            file(
                Product::Gemini,
                self.user.join(".gemini").join("settings.json"),
                Format::Jsonc,
                servers,
            ),
            file(
                Product::VsCode,
                self.desktop().join("Code").join("User").join("mcp.json"),
                Format::Jsonc,
                "servers",
            ),
        ];
        if let Some(project) = &self.project {
            files.extend([
                file(Product::ClaudeCode, project.join(".mcp.json"), Format::Json, servers),
                file(
                    Product::Codex,
                    project.join(".codex").join("config.toml"),
                    Format::Toml,
                    "mcp_servers",
                ),
                file(
                    Product::Cursor,
                    project.join(".cursor").join("mcp.json"),
                    Format::Jsonc,
                    servers,
                ),
                file(
                    Product::Gemini,
                    project.join(".gemini").join("settings.json"),
                    Format::Jsonc,
                    servers,
                ),
                file(
                    Product::VsCode,
                    project.join(".vscode").join("mcp.json"),
                    Format::Jsonc,
                    "servers",
                ),
            ]);
        }
        let mut seen: Vec<PathBuf> = Vec::new();
        files.retain(|file| {
            let is_new = !seen.contains(&file.path);
            seen.push(file.path.clone());
            is_new
        });
        files
    }

    /// Whether a coding agent is there.
    #[must_use]
    pub fn has(&self, agent: CodingAgent) -> bool {
        let folder = match agent {
            CodingAgent::ClaudeCode => return self.claude().is_dir() || self.claude_json().is_file(),
            CodingAgent::Codex => self.codex(),
            CodingAgent::Cursor => self.user.join(".cursor"),
            CodingAgent::Gemini => self.user.join(".gemini"),
        };
        folder.is_dir()
    }

    /// The file that holds a coding agent's hooks for the user, and how it is written.
    pub(crate) fn hooks_file(&self, agent: CodingAgent) -> (PathBuf, Format) {
        match agent {
            CodingAgent::ClaudeCode => (self.claude().join("settings.json"), Format::Json),
            CodingAgent::Codex => (self.codex().join("hooks.json"), Format::Json),
            CodingAgent::Cursor => (self.user.join(".cursor").join("hooks.json"), Format::Jsonc),
            CodingAgent::Gemini => (self.user.join(".gemini").join("settings.json"), Format::Jsonc),
        }
    }

    /// The files of a coding agent that say what it may do, as its rules name them, where it has such rules.
    pub(crate) fn watched(&self, agent: CodingAgent, home: Option<&Path>) -> Vec<String> {
        if agent != CodingAgent::ClaudeCode {
            return Vec::new();
        }
        let absolute = |path: &Path| format!("/{}", path.display());
        let user = match &self.claude {
            Some(folder) => vec![
                absolute(&folder.join("settings*.json")),
                absolute(&folder.join(".claude.json")),
            ],
            None => vec!["~/.claude/settings*.json".to_owned(), "~/.claude.json".to_owned()],
        };
        let project = [".claude/settings*.json", ".mcp.json"].map(str::to_owned);
        let mut rules: Vec<String> = user
            .into_iter()
            .chain(project)
            .map(|path| format!("Edit({path})"))
            .collect();
        if let Some(home) = home {
            let all = absolute(&home.join("**"));
            rules.extend([format!("Edit({all})"), format!("Read({all})")]);
        }
        rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_differ_by_system() {
        let paths = |platform| -> Vec<String> {
            let places = Places::new("/u".into(), platform).with_project("/p".into());
            let files = places.servers_files().into_iter();
            files
                .map(|file| file.path.display().to_string().replace('\\', "/"))
                .collect()
        };
        let unix = paths(Platform::Unix);
        for path in [
            "/u/.claude.json",
            "/u/.config/Claude/claude_desktop_config.json",
            "/u/.codex/config.toml",
            "/u/.cursor/mcp.json",
            "/u/.gemini/settings.json",
            "/u/.config/Code/User/mcp.json",
            "/p/.mcp.json",
            "/p/.codex/config.toml",
            "/p/.cursor/mcp.json",
            "/p/.gemini/settings.json",
            "/p/.vscode/mcp.json",
        ] {
            assert!(unix.iter().any(|found| found == path), "{path}: {unix:?}");
        }
        let mac = paths(Platform::MacOs);
        assert!(mac.contains(&"/u/Library/Application Support/Claude/claude_desktop_config.json".to_owned()));
        let windows = paths(Platform::Windows);
        assert!(windows.contains(&"/u/AppData/Roaming/Code/User/mcp.json".to_owned()));
        // Where the project is the user's own folder, each file is there once.
        let places = Places::new("/u".into(), Platform::Unix).with_project("/u".into());
        let cursor = places
            .servers_files()
            .into_iter()
            .filter(|file| file.path.ends_with(".cursor/mcp.json"));
        assert_eq!(cursor.count(), 1);
    }
}
