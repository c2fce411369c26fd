//! Child processes that end with the test program.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A server. It is killed when this is dropped, and when the test program ends in any other way.
#[derive(Debug)]
pub struct Process {
    /// A shell that waits for the end of its standard input, which this process holds open, and then kills the server.
    guard: Child,
}

/// Kills its child once nothing holds the other end of its standard input any more: statics are never dropped.
///
/// First it closes what it inherited. C libraries open sockets that stay open in children, and a server would wait for
/// the end of a connection that a server of another test holds open.
const GUARD: &str = r#"
for fd in /proc/self/fd/*; do
    fd=${fd##*/}
    if [ "$fd" -gt 2 ]; then eval "exec $fd>&-"; fi
done 2>/dev/null
signal=$1; shift
"$@" & pid=$!; cat >/dev/null; kill -"$signal" $pid; wait $pid"#;

impl Process {
    /// Starts a program with the arguments and environment of `command`. What it says is discarded.
    ///
    /// # Panics
    /// If there is no bash.
    #[must_use]
    pub fn start(command: &Command) -> Self {
        Self::start_ended_by("KILL", command)
    }

    /// The same for a program that clears up after itself: it is ended by this signal, which must end it at once.
    ///
    /// # Panics
    /// If there is no bash.
    #[must_use]
    pub fn start_ended_by(signal: &str, command: &Command) -> Self {
        // Not sh: Debian's closes only descriptors of one digit.
        let mut guard = Command::new("bash");
        guard
            .args(["-c", GUARD, "bash", signal])
            .arg(command.get_program())
            .args(command.get_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => guard.env(name, value),
                None => guard.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            guard.current_dir(folder);
        }
        Self {
            guard: guard.spawn().expect("there is bash"),
        }
    }

    /// Whether the server ended by itself.
    pub fn has_ended(&mut self) -> bool {
        // The shell outlives it, and knows.
        let children = format!("/proc/{0}/task/{0}/children", self.guard.id());
        let is_server = |pid: &str| {
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
            name.is_ok_and(|name| name.trim_end() != "cat")
        };
        std::fs::read_to_string(children).is_ok_and(|pids| !pids.split_whitespace().any(is_server))
    }

    /// Kills the server as `kill -9` does, unless another signal was said, and waits until it is gone.
    pub fn kill(&mut self) {
        drop(self.guard.stdin.take());
        self.guard.wait().expect("a child can be waited for");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port of loopback that nobody listens on, for a program that can't bind port 0 and say what it got.
///
/// It is drawn from below what the system gives to whoever binds port 0 or connects (32768 and up, ip(7)): a port of
/// those is soon given to somebody else, often between this and the program's own bind. Never twice in one process.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn free_port() -> u16 {
    const FIRST: u16 = 10_240;
    const COUNT: u16 = 32_768 - FIRST;
    static NEXT: OnceLock<AtomicU16> = OnceLock::new();
    // Test programs that run at once begin at places of their own.
    let begin = || AtomicU16::new(RandomState::new().hash_one(std::process::id()) as u16 % COUNT);
    let next = NEXT.get_or_init(begin);
    (0..COUNT)
        .map(|_| (next.fetch_add(1, Ordering::Relaxed) % COUNT).saturating_add(FIRST))
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("there is a free port")
}

/// Waits until a server is ready.
///
/// # Panics
/// If it isn't within a minute; `what` names it.
pub fn until(what: &str, mut is_ready: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_ready() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "{what} did not start within a minute"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// The interpreter that has the Python packages that `cargo xtask test` installs.
pub(crate) fn python() -> PathBuf {
    std::env::var_os("ACTIONPASS_PYTHON").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/deps/venv/bin/python"),
        PathBuf::from,
    )
}

/// A program of the Python packages that `cargo xtask test` installs.
///
/// # Panics
/// If it isn't there.
#[must_use]
pub fn python_tool(name: &str) -> PathBuf {
    let tool = python().with_file_name(name);
    assert!(tool.exists(), "`{name}` is missing; `cargo xtask test` installs it");
    tool
}
