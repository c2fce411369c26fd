//! The command lines of ours that configuration calls.

use std::path::Path;

use crate::edit::Format;
use crate::json::Json;
use crate::places::CodingAgent;

/// How long a coding agent waits for its hook, in seconds. A hook doesn't wait for people: what they approve goes through with
/// the retry.
pub(crate) const DEADLINE: u64 = 30;

/// What stands behind a hook's command, so that a program that is gone or killed blocks too: only 2 does in every agent, and in Codex
/// 0.171 and Gemini CLI 0.61 only with something on stderr.
pub const FALLBACK: &str = "|| { cat >/dev/null; echo 'ActionPass blocks this call.' >&2; exit 2; }";

/// What a front door asks.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "front doors ask nobody else")]
pub enum Asked {
    /// A home, by its whole path.
    Home(String),
    /// A service, by its URL and the whole path of the file with the token.
    Gate {
        /// The URL.
        url: String,
        /// The file with the token.
        token_file: String,
    },
}

/// A command line of ours as it stands in a configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Ours {
    pub(crate) asked: Asked,
    pub(crate) door: Option<String>,
    pub(crate) is_observing: bool,
}

impl Asked {
    /// A home, by its whole path.
    #[must_use]
    pub fn home(path: &str) -> Self {
        Self::Home(path.to_owned())
    }

    /// A service, by its URL and the whole path of the file with the token.
    #[must_use]
    pub fn gate(url: &str, token_file: &str) -> Self {
        Self::Gate {
            url: url.to_owned(),
            token_file: token_file.to_owned(),
        }
    }

    fn words(&self) -> Vec<String> {
        match self {
            Self::Home(home) => vec!["--home".to_owned(), home.clone()],
            Self::Gate { url, token_file } => ["--gate", url, "--token-file", token_file].map(str::to_owned).into(),
        }
    }

    /// The folder, where it is a home.
    pub(crate) fn home_path(&self) -> Option<&Path> {
        match self {
            Self::Home(home) => Some(Path::new(home)),
            Self::Gate { .. } => None,
        }
    }
}

impl Ours {
    fn words(&self) -> Vec<String> {
        let mut words = self.asked.words();
        if let Some(door) = &self.door {
            words.extend(["--door".to_owned(), door.clone()]);
        }
        if self.is_observing {
            words.push("--observe".to_owned());
        }
        words
    }

    /// The arguments of the proxy before a server, which follows.
    pub(crate) fn proxy(&self, server: &str, served: &Served) -> Vec<String> {
        let mut words = vec!["mcp".to_owned(), "--server".to_owned(), server.to_owned()];
        words.extend(self.words());
        match served {
            Served::Command(command) => {
                words.push("--".to_owned());
                words.extend(command.iter().cloned());
            }
            Served::Url(url) => words.extend(["--url".to_owned(), url.clone()]),
        }
        words
    }

    /// The command of a hook, for a shell.
    pub(crate) fn hook(&self, program: &str, agent: CodingAgent) -> String {
        let mut words = ["hook", "run", "--agent", agent.name()].map(str::to_owned).to_vec();
        words.extend(self.words());
        words.extend(["--deadline".to_owned(), format!("{DEADLINE}s")]);
        let words: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
        format!("{} {} {FALLBACK}", shell_word(program), words.join(" "))
    }
}

/// What the proxy stands before.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Served {
    Command(Vec<String>),
    Url(String),
}

/// Whether a program is this one, wherever it lies.
pub(crate) fn is_ours(program: &str) -> bool {
    let name = program.rsplit(['/', '\\']).next().unwrap_or_default();
    matches!(name, "actionpass" | "actionpass.exe")
}

/// What a server's command says, if it is our proxy.
pub(crate) fn read_proxy(program: &str, arguments: &[String]) -> Option<Ours> {
    let own = arguments.split(|word| word == "--").next()?;
    (is_ours(program) && own.first().is_some_and(|word| word == "mcp")).then_some(())?;
    read(own)
}

/// What a hook's command says, if it is ours for this agent.
pub(crate) fn read_hook(command: &str, agent: CodingAgent) -> Option<Ours> {
    let words = shell_words(command)?;
    let [program, hook, run, option, name, rest @ ..] = words.as_slice() else {
        return None;
    };
    let is_it = is_ours(program) && hook == "hook" && run == "run" && option == "--agent" && name == agent.name();
    is_it.then(|| read(rest))?
}

fn read(words: &[String]) -> Option<Ours> {
    let value = |option: &str| {
        let place = words.iter().position(|word| word == option)?;
        words.get(place.checked_add(1)?).cloned()
    };
    let asked = match (value("--home"), value("--gate"), value("--token-file")) {
        (Some(home), ..) => Asked::Home(home),
        (None, Some(url), Some(token_file)) => Asked::Gate { url, token_file },
        _ => return None,
    };
    Some(Ours {
        asked,
        door: value("--door"),
        is_observing: words.iter().any(|word| word == "--observe"),
    })
}

/// The text as one word for a shell of POSIX.
pub(crate) fn shell_word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:@%+=,".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The words of a shell's command that only quotes as [`shell_word`] does.
pub(crate) fn shell_words(command: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = command.chars();
    while let Some(character) = characters.next() {
        match character {
            ' ' => words.extend(word.take()),
            '\'' => {
                let open = word.get_or_insert_with(String::new);
                loop {
                    match characters.next()? {
                        '\'' => break,
                        inner => open.push(inner),
                    }
                }
            }
            '\\' => word.get_or_insert_with(String::new).push(characters.next()?),
            plain => word.get_or_insert_with(String::new).push(plain),
        }
    }
    words.extend(word);
    Some(words)
}

/// What an agent's list of hooks has for ours.
pub(crate) fn hook_item(agent: CodingAgent, command: &str) -> Json {
    let number = |number: u64| Json::Number(number.to_string());
    let kind = ("type", Json::text("command"));
    let command = ("command", Json::text(command));
    let of_all_tools = |hook: Json| Json::object([("hooks", Json::List(vec![hook]))]);
    match agent {
        CodingAgent::ClaudeCode => of_all_tools(Json::object([
            kind,
            command,
            ("timeout", number(DEADLINE)),
            ("onFailure", Json::text("block")),
        ])),
        CodingAgent::Codex => of_all_tools(Json::object([kind, command, ("timeout", number(DEADLINE))])),
        CodingAgent::Cursor => Json::object([command, ("timeout", number(DEADLINE)), ("failClosed", Json::Bool(true))]),
        CodingAgent::Gemini => of_all_tools(Json::object([
            ("name", Json::text("actionpass")),
            kind,
            command,
            // In milliseconds here.
            ("timeout", number(DEADLINE.saturating_mul(1000))),
        ])),
    }
}

/// The lists that an agent's hooks before a tool stand in.
pub(crate) fn hook_lists(agent: CodingAgent) -> Vec<Vec<String>> {
    let events: &[&str] = match agent {
        CodingAgent::ClaudeCode | CodingAgent::Codex => &["PreToolUse"],
        // Some versions read files without the first.
        CodingAgent::Cursor => &["preToolUse", "beforeReadFile"],
        CodingAgent::Gemini => &["BeforeTool"],
    };
    events
        .iter()
        .map(|event| ["hooks", event].map(str::to_owned).into())
        .collect()
}

/// Why a path can't stand in configuration: products put other things in the place of some characters.
pub(crate) fn unfit(path: &Path) -> Option<String> {
    let shown = || path.display().to_string().escape_debug().to_string();
    let Some(text) = path.to_str() else {
        return Some(format!("`{}` is not UTF-8", shown()));
    };
    if !path.is_absolute() {
        return Some(format!("`{}` is no whole path", shown()));
    }
    let is_odd = |character: char| character.is_control() || matches!(character, '$' | '`' | '%' | '!');
    text.contains(is_odd).then(|| {
        format!(
            "`{}` has a character for which agents or shells put something else",
            shown()
        )
    })
}

/// How a format is called to whoever reads about it.
impl Format {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Jsonc => "jsonc",
            Self::Toml => "toml",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn ours(home: &str) -> Ours {
        Ours {
            asked: Asked::Home(home.to_owned()),
            door: Some("claude-code".to_owned()),
            is_observing: true,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for home in ["/h", "/with space/it's \"q\"", "/a\\b", "/~/#x;y&z|(*?)"] {
            let ours = ours(home);
            let command = ours.hook("/opt/my apps/actionpass", CodingAgent::ClaudeCode);
            assert_eq!(
                read_hook(&command, CodingAgent::ClaudeCode),
                Some(ours.clone()),
                "{command}"
            );
            assert_eq!(read_hook(&command, CodingAgent::Gemini), None);
            let arguments = ours.proxy("files", &Served::Command(vec!["npx".into(), "--observe".into()]));
            assert_eq!(read_proxy("/usr/bin/actionpass", &arguments), Some(ours.clone()));
            assert_eq!(read_proxy("/usr/bin/other", &arguments), None);
            let gate = Ours {
                asked: Asked::Gate {
                    url: "https://gate.example".to_owned(),
                    token_file: home.to_owned(),
                },
                door: None,
                is_observing: false,
            };
            let command = gate.hook("/a/actionpass", CodingAgent::Codex);
            assert_eq!(read_hook(&command, CodingAgent::Codex), Some(gate));
        }
        assert_eq!(read_hook("echo 'open", CodingAgent::Codex), None);
    }

    #[test]
    #[cfg(unix)]
    fn a_shell_runs_what_is_meant_and_a_program_that_is_gone_blocks() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("it's \"my\" $dir;").join("actionpass");
        std::fs::create_dir(program.parent().unwrap()).unwrap();
        let home = "/a b/it's \"q\" #;&|*\\";
        let command = ours(home).hook(program.to_str().unwrap(), CodingAgent::Gemini);
        let ran = || Command::new("sh").arg("-c").arg(&command).output().unwrap();
        let blocks =
            |ran: std::process::Output| ran.status.code() == Some(2) && ran.stderr.ends_with(b"blocks this call.\n");
        assert!(blocks(ran()), "the program is missing");

        std::fs::write(&program, "#!/bin/sh\nprintf '%s\\n' \"$@\"\n").unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let expected =
            format!("hook\nrun\n--agent\ngemini\n--home\n{home}\n--door\nclaude-code\n--observe\n--deadline\n30s\n");
        assert_eq!(String::from_utf8(ran().stdout).unwrap(), expected);

        std::fs::write(&program, "#!/bin/sh\nkill -9 $$\n").unwrap();
        assert!(blocks(ran()), "the program is killed");
    }

    #[test]
    fn paths_that_something_else_would_be_put_in_for_are_unfit() {
        assert_eq!(unfit(Path::new("/home/me/it's here/actionpass")), None);
        for path in ["actionpass", "/a/$HOME", "/a/${X}", "/a/`id`", "/a\nb", "/a\u{1b}[2J"] {
            assert!(unfit(Path::new(path)).is_some(), "{path:?}");
        }
    }
}
