//! swtpm, a TPM 2.0 in software.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::process::{Process, free_port, until};

/// A TPM of its own, new and without any key. It serves one connection at a time; clients that connect for each command,
/// as libtss2 does, take turns.
#[derive(Debug)]
pub struct SwTpm {
    process: Process,
    /// What survives a restart: seeds, persistent keys, counters of wrong secrets.
    state: TempDir,
    port: u16,
}

impl SwTpm {
    /// Starts one.
    ///
    /// # Panics
    /// If swtpm is missing or doesn't start.
    #[must_use]
    pub fn start() -> Self {
        let mut state = TempDir::new().expect("there is a folder for temporary files");
        let found = Command::new("swtpm").arg("--version").stdout(Stdio::null()).status();
        assert!(
            found.is_ok_and(|status| status.success()),
            "`swtpm` is missing; `cargo xtask test` installs it"
        );
        // Somebody else may take the ports between their choice and their use.
        for _ in 0..8 {
            let port = two_free_ports();
            let mut server = Self {
                process: spawn(&state, port),
                state,
                port,
            };
            if server.is_ready_within(Duration::from_secs(10)) {
                return server;
            }
            server.process.kill();
            state = server.state;
        }
        panic!("swtpm does not start");
    }

    /// How a client reaches it: the text of a TCTI.
    #[must_use]
    pub fn tcti(&self) -> String {
        format!("swtpm:host=127.0.0.1,port={}", self.port)
    }

    /// Kills it as a loss of power does.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Kills it and starts it again, with the same state on the same ports.
    ///
    /// # Panics
    /// If it doesn't start.
    pub fn restart(&mut self) {
        self.process.kill();
        let _ = fs::remove_file(self.pid_file());
        self.process = spawn(&self.state, self.port);
        until("swtpm", || self.pid().is_some());
    }

    /// Stops it: connections stay, commands get no answer until [`thaw`](Self::thaw).
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.pid().expect("swtpm runs");
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(sent.is_ok_and(|status| status.success()), "swtpm takes no signal");
    }

    fn is_ready_within(&self, time: Duration) -> bool {
        let start = Instant::now();
        while self.pid().is_none() {
            if start.elapsed() > time {
                return false;
            }
            thread::sleep(Duration::from_millis(20));
        }
        true
    }

    /// Written once it listens.
    fn pid(&self) -> Option<String> {
        let text = fs::read_to_string(self.pid_file()).ok()?;
        let pid = text.trim();
        (!pid.is_empty()).then(|| pid.to_owned())
    }

    fn pid_file(&self) -> PathBuf {
        self.state.path().join("pid")
    }
}

fn spawn(state: &TempDir, port: u16) -> Process {
    let listen = |port: u16| format!("type=tcp,port={port},bindaddr=127.0.0.1");
    let mut command = Command::new("swtpm");
    command
        .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"])
        .args(["--server", &listen(port)])
        .args(["--ctrl", &listen(port.saturating_add(1))])
        .arg("--tpmstate")
        .arg(format!("dir={}", state.path().display()))
        .arg("--pid")
        .arg(format!("file={}", state.path().join("pid").display()));
    Process::start(&command)
}

/// A port that nobody listens on, nor on the one after it: clients take that for the control channel.
fn two_free_ports() -> u16 {
    loop {
        let (port, next) = (free_port(), free_port());
        if port.checked_add(1) == Some(next) {
            return port;
        }
    }
}
