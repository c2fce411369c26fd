//! Files that are written from the source, and the check that they still say what the source says.

use std::fs;
use std::io;
use std::path::Path;

use crate::process::{Result, root};

/// What to do about a generated file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// Write it.
    Write,
    /// Fail if it is not as it would be written.
    Check,
}

/// Writes or checks one file, named from the project's root.
pub(crate) fn settle(name: &str, text: &str, mode: Mode, task: &str) -> Result {
    settle_in(root()?, name, text, mode, task)
}

fn settle_in(root: &Path, name: &str, text: &str, mode: Mode, task: &str) -> Result {
    let path = root.join(name);
    let found = match fs::read_to_string(&path) {
        Ok(found) => Some(found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(format!("{name}: {error}").into()),
    };
    if found.as_deref() == Some(text) {
        return Ok(());
    }
    if mode == Mode::Write {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, text)?;
        println!("wrote {name}");
        return Ok(());
    }
    let found = found.unwrap_or_default();
    let missing = text.lines().find(|line| !found.lines().any(|other| other == *line));
    let stale = found.lines().find(|line| !text.lines().any(|other| other == *line));
    let mut message = format!("{name} is not what the source says; run `cargo xtask {task}`");
    for (mark, line) in [("+", missing), ("-", stale)] {
        if let Some(line) = line {
            message.push_str(&format!("\n  first difference: {mark} {line}"));
        }
    }
    Err(message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_fails_until_the_file_is_written() {
        let root = std::env::temp_dir().join(format!("actionpass-generated-{}", std::process::id()));
        let settle = |text, mode| settle_in(&root, "docs/a.md", text, mode, "codes");
        assert!(settle("one\n", Mode::Check).is_err());
        settle("one\n", Mode::Write).unwrap();
        settle("one\n", Mode::Check).unwrap();
        let error = settle("two\n", Mode::Check).unwrap_err().to_string();
        assert!(error.contains("+ two") && error.contains("- one"), "{error}");
        fs::remove_dir_all(&root).unwrap();
    }
}
