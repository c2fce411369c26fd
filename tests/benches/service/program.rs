//! Programs that are measured: started here, ended with this one, and what they cost.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// A program that answers on a loopback port.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Program {
    /// Starts one that says on its first line where it listens.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let words = line.split(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | ',' | ';'));
        let address = words.filter_map(|word| word.parse().ok()).next();
        let address = address.unwrap_or_else(|| panic!("{line:?} doesn't say where it listens"));
        Self { child, address }
    }

    /// One that is started already and listens there.
    pub(crate) const fn at(child: Child, address: SocketAddr) -> Self {
        Self { child, address }
    }

    /// What the processors spent on it so far, for itself and in the kernel: fields 14 and 15 of `stat` (proc(5)), in ticks of
    /// a hundredth of a second.
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(self.file("stat")).unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let mut fields = fields.split_whitespace().skip(11);
        let mut ticks = || fields.next().unwrap().parse::<u64>().unwrap();
        Duration::from_millis((ticks() + ticks()) * 10)
    }

    /// Its resident memory, in MiB.
    pub(crate) fn memory(&self) -> f64 {
        let status = std::fs::read_to_string(self.file("status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib / 1024.0
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        Path::new("/proc").join(self.child.id().to_string()).join(name)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// As many open files as this machine lets a process have: each parked call is a connection at both ends.
pub(crate) fn raise_file_limit() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        setrlimit(Resource::RLIMIT_NOFILE, most, most).ok();
    }
}
