//! Other languages' programs: finding them, compiling them where they are compiled, and running them.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{LazyLock, Mutex};

/// What a program is written for, and with which packages.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Language {
    /// Node with npm `jose`.
    Node,
    /// Python with the packages of `tests/interop/requirements.txt`.
    Python,
    /// Python, standard library only.
    PlainPython,
    /// Go, standard library only.
    Go,
    /// Java, nothing but the JDK.
    Java,
    /// A POSIX shell with openssl.
    Shell,
    /// Node with clients and servers of MCP.
    Mcp,
    /// Python with the packages of `tests/interop/requirements.txt`, a client of MCP among them.
    McpPython,
    /// Node without packages, driving Chromium.
    Browser,
}

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Where programs are compiled to: below `target`.
fn workshop() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop")
}

/// The command that runs a source file, or what is missing. Sources are compiled once.
pub(crate) fn command(language: Language, source: &Path) -> Result<Command, String> {
    static READY: LazyLock<Mutex<HashMap<PathBuf, Prepared>>> = LazyLock::new(Mutex::default);
    // A test that panics while it holds the lock has not put anything in.
    let mut ready = READY.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let words = ready
        .entry(source.to_owned())
        .or_insert_with(|| prepare(language, source))
        .clone()?;
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null());
    Ok(command)
}

/// The words of the command, or what is missing.
type Prepared = Result<Vec<PathBuf>, String>;

fn prepare(language: Language, source: &Path) -> Prepared {
    let stem = source.file_stem().unwrap();
    let words = match language {
        Language::Node => {
            let packages = dependency("ACTIONPASS_NODE_DEPS", "node").join("node_modules");
            needs(packages.join("jose").is_dir(), "npm packages")?;
            beside_packages("node", packages, source)?
        }
        Language::Mcp => {
            let packages = dependency("ACTIONPASS_MCP_DEPS", "mcp").join("node_modules");
            needs(packages.join("@modelcontextprotocol/sdk").is_dir(), "MCP packages")?;
            beside_packages("mcp", packages, source)?
        }
        Language::McpPython => {
            let python = python();
            needs(starts(&python, &["-c", "import mcp"]), "python packages")?;
            vec![python, source.to_owned()]
        }
        Language::Python => {
            let python = python();
            needs(
                starts(&python, &["-c", "import joserfc, jwt, rfc8785"]),
                "python packages",
            )?;
            vec![python, source.to_owned()]
        }
        Language::PlainPython => {
            needs(starts("python3", &["--version"]), "python3")?;
            vec!["python3".into(), source.to_owned()]
        }
        Language::Go => {
            needs(starts("go", &["version"]), "go")?;
            let program = workshop().join("go").join(stem);
            let mut build = Command::new("go");
            build.args([OsStr::new("build"), "-o".as_ref(), program.as_ref(), source.as_ref()]);
            built(build.env("GOCACHE", workshop().join("go-cache")));
            vec![program]
        }
        Language::Java => {
            needs(starts("javac", &["-version"]) && starts("java", &["-version"]), "jdk")?;
            let classes = workshop().join("java");
            built(Command::new("javac").args([
                "-Xlint:all".as_ref(),
                "-d".as_ref(),
                classes.as_os_str(),
                source.as_ref(),
            ]));
            // The just-in-time compilers cost more than they save in a program this short.
            vec![
                "java".into(),
                "-XX:TieredStopAtLevel=1".into(),
                "-XX:+UseSerialGC".into(),
                "-cp".into(),
                classes,
                stem.into(),
            ]
        }
        Language::Browser => {
            needs(starts("node", &["--version"]), "node")?;
            needs(starts("chromium", &["--version"]), "chromium")?;
            vec!["node".into(), source.to_owned()]
        }
        Language::Shell => {
            needs(starts("openssl", &["version"]), "openssl")?;
            vec!["sh".into(), source.to_owned()]
        }
    };
    Ok(words)
}

/// The words that run a script of Node from where its packages are found.
fn beside_packages(name: &str, packages: PathBuf, source: &Path) -> Prepared {
    needs(starts("node", &["--version"]), "node")?;
    // Packages are looked up from where the script is.
    let folder = workshop().join(name);
    fs::create_dir_all(&folder).unwrap();
    let link = folder.join("node_modules");
    if fs::read_link(&link).ok().as_ref() != Some(&packages) {
        fs::remove_file(&link).ok();
        std::os::unix::fs::symlink(packages, &link).unwrap();
    }
    let script = folder.join(source.file_name().unwrap());
    fs::copy(source, &script).unwrap();
    Ok(vec!["node".into(), script])
}

/// Python with the packages of `tests/interop/requirements.txt`.
fn python() -> PathBuf {
    std::env::var_os("ACTIONPASS_PYTHON").map_or_else(|| root().join("target/deps/venv/bin/python"), PathBuf::from)
}

/// The folder of packages that `cargo xtask test` names, or the one that it made when it last ran.
pub(crate) fn dependency(variable: &str, folder: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| root().join("target/deps").join(folder), PathBuf::from)
}

fn needs(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

fn starts(program: impl AsRef<OsStr>, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Compiling is not a matter of what is installed: a failure is the test's.
fn built(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Whether a program can be run. If it can't, the current test reports that it did not run, once, the way that
/// `cargo xtask test` reads it, and returns.
pub(crate) fn is_ready(language: Language, source: &Path) -> bool {
    match command(language, source) {
        Ok(_) => true,
        Err(missing) => report_unless(false, &missing),
    }
}

/// Whether something is there; if it isn't, reports that the current test did not run.
pub(crate) fn report_unless(holds: bool, missing: &str) -> bool {
    if holds {
        return true;
    }
    let line = format!("not run: interop ({missing})\n");
    match std::env::var_os("ACTIONPASS_NOT_RUN").map(|path| fs::File::options().append(true).open(path)) {
        Some(file) => file.unwrap().write_all(line.as_bytes()).unwrap(),
        None => eprint!("{line}"),
    }
    false
}
