//! [`Service`]: `actionpass serve` on a home, asked over HTTP.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Child;
use std::time::Duration;

use serde_json::Value;

use crate::home::Home;
use crate::program::actionpass;

/// Nobody waits longer for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Service {
    child: Child,
    address: SocketAddr,
}

/// What a process takes of the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    /// Memory, in KiB.
    pub(crate) memory: u64,
    /// Open descriptors.
    pub(crate) handles: usize,
    pub(crate) threads: usize,
}

impl Service {
    pub(crate) fn start(home: &Home) -> Self {
        let mut command = home.command_of(actionpass());
        let mut child = command
            .args(["--json", "serve", "--listen", "127.0.0.1:0"])
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let words = line.split(|c: char| c.is_whitespace() || "/\"',".contains(c));
        let address = words.filter_map(|word| word.parse().ok()).next();
        let mut stderr = child.stderr.take().unwrap();
        let Some(address) = address else {
            let mut said = String::new();
            child.kill().ok();
            stderr.read_to_string(&mut said).ok();
            panic!("{line:?} doesn't say where it listens: {said}");
        };
        // What it logs is read, or it would stop at a full pipe.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        Self { child, address }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// As `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }

    pub(crate) fn taken(&self) -> Taken {
        let folder = format!("/proc/{}", self.pid());
        let status = fs::read_to_string(format!("{folder}/status")).unwrap();
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let entries = |name: &str| fs::read_dir(format!("{folder}/{name}")).unwrap().count();
        Taken {
            memory: memory.trim().trim_end_matches(" kB").parse().unwrap(),
            handles: entries("fd"),
            threads: entries("task"),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Asks on a connection of its own; `None` without a whole answer.
pub(crate) fn post(address: SocketAddr, token: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
    let mut stream = send(address, token, path, body)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    // Half an answer is none.
    Some((status, serde_json::from_str(body).ok()?))
}

/// Asks, and doesn't wait for the answer.
pub(crate) fn send(address: SocketAddr, token: &str, path: &str, body: &Value) -> Option<TcpStream> {
    let body = body.to_string();
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body.as_bytes()).ok()?;
    Some(stream)
}
