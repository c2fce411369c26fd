//! The ssh-agent of OpenSSH.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Folder, Process, until};

/// An ssh-agent behind a socket of its own, and keys in files beside it.
#[derive(Debug)]
pub struct SshAgent {
    folder: Folder,
    askpass: PathBuf,
    agent: Process,
}

impl SshAgent {
    /// An agent without keys. Whoever it asks to confirm a signature says no.
    ///
    /// # Panics
    /// If OpenSSH is missing.
    #[must_use]
    pub fn start() -> Self {
        let folder = Folder::new();
        let askpass = folder.path().join("askpass");
        let agent = start(folder.path(), &askpass);
        let started = Self { folder, askpass, agent };
        started.confirm(false);
        started
    }

    /// The value of `SSH_AUTH_SOCK`.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("agent")
    }

    /// Whether whoever is asked to confirm a signature says yes.
    ///
    /// # Panics
    /// If the folder of the agent is gone.
    pub fn confirm(&self, yes: bool) {
        self.answer(if yes { "exit 0" } else { "exit 1" });
    }

    /// Makes a key with `ssh-keygen -t TYPE`, options of its own included, and hands it to the agent. It answers the
    /// key's fingerprint.
    ///
    /// # Panics
    /// If OpenSSH refuses.
    pub fn make_key(&self, name: &str, kind: &[&str], comment: &str) -> String {
        let file = self.file(name);
        self.run(
            "ssh-keygen",
            &[&["-q", "-N", "", "-C", comment, "-f", &file, "-t"], kind].concat(),
        );
        self.add(name, &[]);
        let printed = self.run("ssh-keygen", &["-l", "-f", &file]);
        printed
            .split(' ')
            .nth(1)
            .expect("a size, then the fingerprint")
            .to_owned()
    }

    /// Hands a key to the agent, with options of `ssh-add`.
    ///
    /// # Panics
    /// If OpenSSH refuses.
    pub fn add(&self, name: &str, options: &[&str]) {
        self.run("ssh-add", &[&["-q"], options, &[&self.file(name)]].concat());
    }

    /// Signs the public key of one of the keys with another, and hands the certificate to the agent.
    ///
    /// # Panics
    /// If OpenSSH refuses.
    pub fn certify(&self, name: &str, authority: &str) {
        let public = format!("{}.pub", self.file(name));
        self.run(
            "ssh-keygen",
            &[
                "-q",
                "-s",
                &self.file(authority),
                "-I",
                "test",
                "-n",
                "somebody",
                &public,
            ],
        );
        self.add(name, &[]);
    }

    /// Takes every key from the agent.
    ///
    /// # Panics
    /// If OpenSSH refuses.
    pub fn forget_keys(&self) {
        self.run("ssh-add", &["-q", "-D"]);
    }

    /// Locks the agent.
    ///
    /// # Panics
    /// If OpenSSH refuses.
    pub fn lock(&self) {
        self.lock_with("-x");
    }

    /// Unlocks the agent.
    ///
    /// # Panics
    /// If OpenSSH refuses.
    pub fn unlock(&self) {
        self.lock_with("-X");
    }

    /// Kills the agent, and its keys with it.
    pub fn kill(&mut self) {
        self.agent.kill();
    }

    /// Starts an agent without keys behind the same socket.
    pub fn restart(&mut self) {
        self.agent.kill();
        let _ = fs::remove_file(self.socket());
        self.agent = start(self.folder.path(), &self.askpass);
    }

    fn lock_with(&self, option: &str) {
        self.answer("echo locked");
        self.run("ssh-add", &["-q", option]);
        self.confirm(false);
    }

    fn answer(&self, script: &str) {
        fs::write(&self.askpass, format!("#!/bin/sh\n{script}\n")).expect("the folder is writable");
        fs::set_permissions(&self.askpass, fs::Permissions::from_mode(0o700)).expect("the file is ours");
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = Command::new(program)
            .args(arguments)
            .env("SSH_AUTH_SOCK", self.socket())
            .env("SSH_ASKPASS", &self.askpass)
            .env("SSH_ASKPASS_REQUIRE", "force")
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|_| panic!("`{program}` is missing; `cargo xtask test` installs it"));
        assert!(
            output.status.success(),
            "{program} {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

fn start(folder: &Path, askpass: &Path) -> Process {
    let socket = folder.join("agent");
    let mut command = Command::new("ssh-agent");
    command
        .args(["-D", "-a"])
        .arg(&socket)
        .env("DISPLAY", ":0")
        .env("SSH_ASKPASS", askpass)
        .env("SSH_ASKPASS_REQUIRE", "force");
    let process = Process::start(&command);
    until("ssh-agent, which `cargo xtask test` installs,", || {
        UnixStream::connect(&socket).is_ok()
    });
    process
}
