//! moto, which speaks the API of AWS KMS.

use std::process::Command;

use crate::http;
use crate::process::{Process, free_port, python_tool, until};

/// A server that keeps its keys in memory: they end with it, so a restarted one has none.
///
/// It hashes what is sent as a digest once more: against it, messages are signed raw.
#[derive(Debug)]
pub struct Moto {
    process: Option<Process>,
    port: u16,
}

impl Moto {
    /// Starts a server without keys.
    ///
    /// # Panics
    /// If that fails.
    #[must_use]
    pub fn start() -> Self {
        let mut server = Self {
            process: None,
            port: free_port(),
        };
        server.restart();
        server
    }

    /// Where it listens.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Kills it as `kill -9` does.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again on the same port, without its keys.
    pub fn restart(&mut self) {
        self.kill();
        let mut command = Command::new(python_tool("moto_server"));
        command.args(["-H", "127.0.0.1", "-p", &self.port.to_string()]);
        self.process = Some(Process::start(&command));
        until("moto", || {
            http::request(self.port, "GET", "/moto-api/data.json", &[], "").is_ok_and(|(status, _)| status == 200)
        });
    }
}
