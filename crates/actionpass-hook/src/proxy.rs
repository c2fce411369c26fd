//! [`Proxy`]: which tools of MCP servers are judged by our own proxy, so that nobody has to be asked twice.

use std::path::{Path, PathBuf};

/// Which MCP servers run behind our own proxy.
///
/// Only what is certain counts; everything else is judged by the hook. Where an agent states the command line that runs a server
/// (Gemini CLI, Cursor), that is our proxy if it is this very program and asks the same home or service as the hook. Where an
/// agent states only a name (Claude Code, Codex), whoever set the hook up says which names are; nothing that the agent can write
/// does.
#[derive(Clone, Debug, Default)]
pub struct Proxy {
    program: Option<PathBuf>,
    place: Option<Place>,
    names: Vec<String>,
}

/// Where calls are judged.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "there are two kinds of doors")]
pub enum Place {
    /// A home: an absolute path.
    Home(PathBuf),
    /// A service: its URL.
    Gate(String),
}

impl Proxy {
    /// The proxy that is this program, by its real path, and asks there.
    #[must_use]
    pub const fn of(program: PathBuf, place: Place) -> Self {
        Self {
            program: Some(program),
            place: Some(place),
            names: Vec::new(),
        }
    }

    /// With these servers of the agent's configuration, by their names.
    #[must_use]
    pub fn with_names(self, names: Vec<String>) -> Self {
        Self { names, ..self }
    }

    /// Whether whoever set the hook up says that this server runs behind the proxy.
    pub(crate) fn is_named(&self, server: &str) -> bool {
        self.names.iter().any(|name| name == server)
    }

    /// Whether this command line is our proxy.
    pub(crate) fn is(&self, command_line: &[String]) -> bool {
        let (Some(program), Some(place)) = (&self.program, &self.place) else {
            return false;
        };
        let Some((first, rest)) = command_line.split_first() else {
            return false;
        };
        is_program(first, program) && options(rest).is_some_and(|asked| asked == *place)
    }

    /// The command line of the server: behind our program what follows `--`.
    pub(crate) fn served<'a>(&self, command_line: &'a [String]) -> &'a [String] {
        match (command_line.split_first(), &self.program) {
            (Some((first, rest)), Some(program)) if is_program(first, program) => {
                let mut parts = rest.splitn(2, |word| word == "--");
                parts.nth(1).unwrap_or_default()
            }
            _ => command_line,
        }
    }
}

/// Whether a word of a command line is this program, by its real path.
fn is_program(word: &str, program: &Path) -> bool {
    let path = Path::new(word);
    path.is_absolute() && path.canonicalize().is_ok_and(|real| real == program)
}

/// Where a command line of our own asks that is `mcp` and nothing that observes or listens.
fn options(words: &[String]) -> Option<Place> {
    let mut place = None;
    let mut is_mcp = false;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--" => break,
            "mcp" if !is_mcp => is_mcp = true,
            "--home" | "--gate" if place.is_none() => {
                let value = words.next()?;
                place = Some(match word.as_str() {
                    "--home" => Place::Home(PathBuf::from(value)),
                    _ => Place::Gate(value.clone()),
                });
            }
            "--server" | "--door" | "--wait" | "--url" | "--deny-as" | "--token-file" => {
                words.next()?;
            }
            // Another option may change what is judged, so the hook judges too.
            _ => return None,
        }
    }
    place.filter(|_| is_mcp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_program_with_this_home_is_the_proxy() {
        let program = std::env::current_exe().unwrap().canonicalize().unwrap();
        let own = program.to_str().unwrap();
        let proxy = Proxy::of(program.clone(), Place::Home("/h".into()));
        let is = |line: &[&str]| proxy.is(&line.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert!(is(&[
            own,
            "--home",
            "/h",
            "mcp",
            "--server",
            "s",
            "--",
            "x",
            "--observe"
        ]));
        assert!(is(&[own, "mcp", "--home", "/h", "--url", "https://x"]));
        for line in [
            &[own, "mcp", "--", "x"] as &[&str],
            &[own, "--home", "/other", "mcp", "--", "x"],
            &[own, "--home", "/h", "--home", "/other", "mcp", "--", "x"],
            &[own, "--home=/h", "mcp", "--", "x"],
            &[own, "--home", "/h", "mcp", "--observe", "--", "x"],
            &[own, "--home", "/h", "--", "mcp"],
            &[own, "--gate", "/h", "mcp"],
            &["actionpass", "--home", "/h", "mcp"],
            &["/bin/sh", "--home", "/h", "mcp"],
            &[own],
            &[],
        ] {
            assert!(!is(line), "{line:?}");
        }
        assert!(!Proxy::default().is(&[own.to_owned(), "mcp".to_owned()]));
        let served = |line: &[&str]| {
            let line: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
            proxy.served(&line).join(" ")
        };
        assert_eq!(served(&[own, "mcp", "--observe", "--", "x", "--", "y"]), "x -- y");
        assert_eq!(served(&[own, "mcp", "--server", "s"]), "");
        assert_eq!(served(&["x", "--", "y"]), "x -- y");
    }
}
