//! Other programs: starting them, reading what they say, and failing when they fail.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// What a task yields: nothing, or why it failed, in one or more lines.
pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The folder of the workspace.
pub(crate) fn root() -> Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .ok_or_else(|| "the xtask package has no parent folder".into())
}

/// What `cargo xtask` leaves behind for its own use, below `target/`.
pub(crate) fn state() -> Result<PathBuf> {
    let folder = root()?.join("target/xtask");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// `cargo` with these arguments, in the workspace.
///
/// `cargo run` describes the xtask package in the environment. Build scripts that watch those variables would be
/// built once for xtask and once for a shell, so they are left out.
pub(crate) fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Result<Command> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root()?);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    Ok(command)
}

/// A command as one would type it.
pub(crate) fn spelled(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or_else(|| command.get_program());
    let words: Vec<_> = std::iter::once(program)
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect();
    words.join(" ")
}

/// Runs a command to its end; its failure is an error that says which command it was.
pub(crate) fn run(command: &mut Command) -> Result {
    let status = command
        .status()
        .map_err(|error| format!("`{}`: {error}", spelled(command)))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{}`: {status}", spelled(command)).into())
    }
}

/// Runs a command to its end and gives its standard output.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("`{}`: {error}", spelled(command)))?;
    if !output.status.success() {
        return Err(format!("`{}`: {}", spelled(command), output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Runs a command to its end, passes on what it says, and shows each line to `on_line`.
///
/// Both streams are one, so that the lines come in the order in which they were written.
pub(crate) fn tee(command: &mut Command, mut on_line: impl FnMut(&str)) -> Result<ExitStatus> {
    let (reader, writer) = io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let child = command.spawn();
    // What the command holds of the pipe would keep it open beyond the end of the child.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = child.map_err(|error| format!("`{}`: {error}", spelled(command)))?;
    let mut lines = BufReader::new(reader);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        io::stdout().write_all(&line)?;
        on_line(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    Ok(child.wait()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tee_sees_every_line_of_both_streams_in_order() {
        let mut seen = Vec::new();
        let script = "for n in 1 2 3; do echo out $n; echo err $n >&2; done; printf last; exit 3";
        let status = tee(Command::new("sh").args(["-c", script]), |line| {
            seen.push(line.to_owned())
        })
        .unwrap();
        assert_eq!(seen, ["out 1", "err 1", "out 2", "err 2", "out 3", "err 3", "last"]);
        assert_eq!(status.code(), Some(3));
    }

    #[test]
    fn a_failure_names_the_command() {
        let error = run(Command::new("sh").args(["-c", "exit 3"])).unwrap_err().to_string();
        assert!(error.contains("sh -c exit 3"), "{error}");
        assert!(capture(&mut Command::new("no-such-program-here")).is_err());
    }
}
