//! Cerbos, a decision service that signs and keeps nothing: the same question to its policies, over HTTP.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
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

pub(crate) async fn start(folder: &Path) -> Program {
    let packages = std::env::var_os(PACKAGES).unwrap_or_else(|| panic!("`cargo xtask load` sets {PACKAGES}"));
    let program = PathBuf::from(packages).join("node_modules/@cerbos/cerbos-linux-x64/cerbos-linux-x64");
    let policies = folder.join("policies");
    std::fs::create_dir_all(&policies).unwrap();
    std::fs::write(policies.join("repo.yaml"), POLICY).unwrap();
    let (http, grpc) = (address(), address());
    let mut command = Command::new(program);
    command
        .arg("server")
        .args(["--set", &format!("server.httpListenAddr=127.0.0.1:{}", http.port())])
        .args(["--set", &format!("server.grpcListenAddr=127.0.0.1:{}", grpc.port())])
        .args(["--set", "storage.driver=disk", "--set"])
        .arg(format!("storage.disk.directory={}", policies.display()))
        .args(["--set", "telemetry.disabled=true", "--log-level=error"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let program = Program::at(child, http);
    let start = Instant::now();
    while TcpStream::connect(http).is_err() {
        assert!(start.elapsed() < Duration::from_secs(20), "Cerbos doesn't listen");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    program
}

fn address() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, actionpass_servers::free_port()))
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
