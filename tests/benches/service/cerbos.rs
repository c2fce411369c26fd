//! Cerbos, a decision service that signs and keeps nothing: the same question to its policies, over HTTP.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use serde_json::json;

use crate::load::Question;
use crate::program::Program;

/// Where npm's packages for this bench are.
const PACKAGES: &str = "ACTIONPASS_LOAD_DEPS";

/// Six rules on a pull request, of the size of our starter policy.
const POLICY: &str = r#"
apiVersion: api.cerbos.dev/v1
resourcePolicy:
  resource: repo
  version: default
  rules:
    - actions: ["push"]
      effect: EFFECT_DENY
      roles: ["*"]
      condition: { match: { expr: "R.attr.branch == 'main'" } }
    - actions: ["create"]
      effect: EFFECT_ALLOW
      roles: ["agent"]
      condition: { match: { all: { of: [{ expr: "R.attr.draft == true" }, { expr: "P.attr.testsPassed == true" }] } } }
    - actions: ["merge"]
      effect: EFFECT_ALLOW
      roles: ["maintainer"]
      condition: { match: { expr: "R.attr.reviews >= 2" } }
    - actions: ["delete"]
      effect: EFFECT_DENY
      roles: ["*"]
    - actions: ["create"]
      effect: EFFECT_DENY
      roles: ["agent"]
      condition: { match: { expr: "R.attr.title.matches('(?i)release')" } }
    - actions: ["read"]
      effect: EFFECT_ALLOW
      roles: ["*"]
"#;

/// `None` where it isn't installed.
pub(crate) async fn start(folder: &Path) -> Option<Program> {
    let packages = PathBuf::from(std::env::var_os(PACKAGES)?);
    let program = packages.join("node_modules/@cerbos/cerbos-linux-x64/cerbos");
    if !program.exists() {
        return None;
    }
    let policies = folder.join("policies");
    std::fs::create_dir_all(&policies).ok()?;
    std::fs::write(policies.join("repo.yaml"), POLICY).ok()?;
    let (http, grpc) = (free_port()?, free_port()?);
    let mut command = Command::new(program);
    command
        .arg("server")
        .args(["--set", &format!("server.httpListenAddr=127.0.0.1:{}", http.port())])
        .args(["--set", &format!("server.grpcListenAddr=127.0.0.1:{}", grpc.port())])
        .args(["--set", "storage.driver=disk", "--set"])
        .arg(format!("storage.disk.directory={}", policies.display()))
        .args(["--set", "telemetry.disabled=true", "--log-level=error"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
    let program = Program::at(child, http);
    let start = Instant::now();
    while TcpStream::connect(http).is_err() {
        if start.elapsed() > Duration::from_secs(20) {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Some(program)
}

fn free_port() -> Option<SocketAddr> {
    TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()
}

pub(crate) fn question(program: &Program) -> Question {
    let body = json!({
        "requestId": "1",
        "principal": { "id": "agent:codex-prod", "roles": ["agent"], "attr": { "testsPassed": true, "owner": "user:owner@example.com" } },
        "resources": [{
            "actions": ["create"],
            "resource": { "kind": "repo", "id": "acme/api", "attr": {
                "branch": "fix/typo", "base": "main", "draft": true, "reviews": 0, "title": "Fix a typo",
                "body": "Three words in the introduction were misspelt.\n\nNo code is touched.", "files": ["README.md", "docs/index.md"],
            } },
        }],
    });
    Question {
        address: program.address,
        path: "/api/check/resources",
        token: None,
        body: Bytes::from(body.to_string()),
        is_right: |body| body.windows(12).any(|part| part == b"EFFECT_ALLOW"),
    }
}
