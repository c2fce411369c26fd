//! The service behind the reverse proxies of the how-to, each with the file that is shipped: Caddy and nginx.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use actionpass_servers::{Process, free_port, python_tool};
use serde_json::{Value, json};

use super::{ALL_RIGHTS, PATIENCE, Served, client, serve};
use crate::action::{self, ALLOW, STEP_UP};
use crate::home::Home;
use crate::program::root;
use crate::support::until;

const NAME: &str = "approve.example.com";
/// What `[limits] max_bytes` is unless something else is said.
const MAX_BYTES: usize = 1 << 20;

/// The file of a proxy, with these places changed: each of them is there once.
fn shipped(file: &str, places: &[(&str, &str)]) -> String {
    let mut text = std::fs::read_to_string(root().join("deploy").join(file)).unwrap();
    for (place, to) in places {
        assert_eq!(text.matches(place).count(), 1, "{place} in {file}");
        text = text.replace(place, to);
    }
    text
}

/// Caddy by its file, on a port of its own and without TLS, which is nothing of the service's.
fn caddy(folder: &Path, service: &str) -> (Process, u16) {
    let port = free_port();
    let site = format!("{{\n    admin off\n    persist_config off\n}}\nhttp://{NAME}:{port} {{\n    bind 127.0.0.1");
    let text = shipped(
        "Caddyfile",
        &[(&format!("{NAME} {{"), &site), ("127.0.0.1:8311", service)],
    );
    std::fs::write(folder.join("Caddyfile"), text).unwrap();
    let mut command = Command::new(python_tool("caddy"));
    command.args(["run", "--config", "Caddyfile"]).current_dir(folder);
    for variable in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
        command.env(variable, folder);
    }
    (Process::start(&command), port)
}

/// nginx by its file, the same.
fn nginx(folder: &Path, service: &str) -> (Process, u16) {
    let port = free_port();
    let server = shipped(
        "nginx.conf",
        &[
            ("listen 443 ssl;", &format!("listen 127.0.0.1:{port};")),
            ("    ssl_certificate     /etc/ssl/approve.example.com.pem;\n", ""),
            ("    ssl_certificate_key /etc/ssl/approve.example.com.key;\n", ""),
            ("127.0.0.1:8311", service),
        ],
    );
    let here = folder.display();
    let kept: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {here}/{kind};\n"))
        .collect();
    let text = format!(
        "daemon off;\nmaster_process off;\npid {here}/pid;\nerror_log {here}/log;\nevents {{}}\nhttp {{\naccess_log off;\n\
         {kept}{server}}}\n"
    );
    std::fs::write(folder.join("nginx.conf"), text).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf"));
    command.arg("-e").arg(folder.join("log"));
    (Process::start(&command), port)
}

/// A connection to a proxy, kept open between questions.
struct Visitor {
    stream: BufReader<TcpStream>,
}

/// What came back: status, head in lower case, body.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

impl Visitor {
    fn of(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream: BufReader::new(stream),
        }
    }

    fn send(&mut self, question: &str, host: &str, headers: &str, body: &str) {
        let text = format!("{question} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n{body}");
        // A proxy that refuses a body early closes.
        let _ = self.stream.get_mut().write_all(text.as_bytes());
    }

    fn head(&mut self) -> (u16, String) {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(
                self.stream.read_line(&mut head).unwrap(),
                0,
                "the connection ended: {head:?}"
            );
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_ascii_lowercase())
    }

    fn answer(&mut self) -> Answer {
        let (status, head) = self.head();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = Vec::new();
        if let Some(length) = length {
            body.resize(length.parse().unwrap(), 0);
            self.stream.read_exact(&mut body).unwrap();
        } else if head.contains("transfer-encoding: chunked") {
            loop {
                let mut size = String::new();
                self.stream.read_line(&mut size).unwrap();
                let mut piece = vec![0; usize::from_str_radix(size.trim(), 16).unwrap() + 2];
                self.stream.read_exact(&mut piece).unwrap();
                if piece.len() == 2 {
                    break;
                }
                body.extend_from_slice(&piece[..piece.len() - 2]);
            }
        }
        let body = String::from_utf8(body).unwrap();
        Answer { status, head, body }
    }

    fn ask(&mut self, question: &str, host: &str, headers: &str) -> Answer {
        self.send(question, host, headers, "");
        self.answer()
    }

    fn post(&mut self, path: &str, headers: &str, body: &str) -> Answer {
        let length = format!(
            "{headers}Content-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        );
        self.send(&format!("POST {path}"), NAME, &length, body);
        self.answer()
    }
}

fn behind(start: fn(&Path, &str) -> (Process, u16), of_chunks: u16) {
    let home = Home::with_maintainer();
    let token = client(&home, "agent", ALL_RIGHTS);
    // So short that a connection which the proxy keeps outlives it, were the two bounded by one.
    let config = home.path("home/config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}\n[serve.limits]\nheader_time = \"1s\"\n")).unwrap();
    let mut command = serve(&home);
    command.args(["--origin", &format!("https://{NAME}")]);
    let served = Served::start_by(&mut command, &token);
    let folder = tempfile::tempdir().unwrap();
    let (_proxy, port) = start(folder.path(), served.url().trim_start_matches("http://"));
    until("the proxy listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    let key = format!("Authorization: Bearer {token}\r\n");

    // The page, on its origin and on no other.
    let mut visitor = Visitor::of(port);
    let page = visitor.ask("GET /", NAME, "");
    assert_eq!(page.status, 200, "{page:?}");
    assert!(
        page.body.contains("<title>") && page.head.contains("content-security-policy"),
        "{page:?}"
    );
    for host in ["evil.example", "localhost", "127.0.0.1"] {
        let foreign = Visitor::of(port).ask("GET /", host, "");
        // Caddy has no such site and says nothing at all.
        let is_refused = foreign.json()["code"] == "host_unknown" || foreign.body.is_empty();
        assert!(is_refused, "{host}: {foreign:?}");
    }

    // Decisions, over a connection that was idle for longer than a header may take.
    let allow = json!({ "action": action::read(&home, ALLOW) }).to_string();
    for _ in 0..3 {
        let decided = visitor.post("/v1/authorize", &key, &allow);
        assert_eq!(
            (decided.status, &decided.json()["decision"]),
            (200, &json!("allow")),
            "{decided:?}"
        );
        std::thread::sleep(Duration::from_millis(1300));
    }
    // A body whose length its client doesn't state: nginx reads it first and states it, Caddy passes it on.
    let chunks = format!("{:x}\r\n{allow}\r\n0\r\n\r\n", allow.len());
    let chunked = format!("{key}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n");
    let mut other = Visitor::of(port);
    other.send("POST /v1/authorize", NAME, &chunked, &chunks);
    assert_eq!(other.answer().status, of_chunks);

    // What a client says of its address, its host and its scheme is believed by nobody.
    let forwarded = "X-Forwarded-For: 203.0.113.9\r\nX-Real-IP: 203.0.113.9\r\nX-Forwarded-Host: evil.example\r\n\
                     X-Forwarded-Proto: gopher\r\nForwarded: for=203.0.113.9;host=evil.example;proto=gopher\r\n";
    let ready = visitor.ask("GET /readyz", NAME, forwarded);
    // To an address of elsewhere it wouldn't tell the parts.
    assert_eq!(
        (ready.status, &ready.json()["parts"]["key"]),
        (200, &json!(true)),
        "{ready:?}"
    );
    let step_up = json!({ "action": action::read(&home, STEP_UP) }).to_string();

    // An event arrives while the stream is open.
    let mut listener = Visitor::of(port);
    listener.send("GET /v1/events", NAME, &key, "");
    let (status, head) = listener.head();
    assert_eq!(status, 200, "{head}");
    let waiting = visitor.post("/v1/authorize", &format!("{key}{forwarded}"), &step_up);
    let review = waiting.json()["request"]["review"].as_str().unwrap().to_owned();
    assert!(review.starts_with(&format!("https://{NAME}/requests/")), "{review}");
    let begun = Instant::now();
    let mut line = String::new();
    while !line.starts_with("event: opened") {
        line.clear();
        assert_ne!(listener.stream.read_line(&mut line).unwrap(), 0);
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());

    // As large as the service takes passes, and no larger.
    let padded = |length: usize| format!("{}{}", " ".repeat(length - allow.len()), allow);
    let large = Visitor::of(port).post("/v1/authorize", &key, &padded(MAX_BYTES));
    assert_eq!(
        (large.status, &large.json()["decision"]),
        (200, &json!("allow")),
        "{large:?}"
    );
    let larger = Visitor::of(port).post("/v1/authorize", &key, &padded(MAX_BYTES + 1));
    assert_eq!(larger.status, 413, "{larger:?}");
}

#[test]
fn behind_caddy() {
    behind(caddy, 411);
}

#[test]
fn behind_nginx() {
    behind(nginx, 200);
}

#[test]
fn the_how_to_shows_the_files_that_are_shipped_and_they_fit_the_service() {
    let how_to = std::fs::read_to_string(root().join("docs/howto/run-the-service.md")).unwrap();
    let limits = actionpass_home::ServeLimits::DEFAULT;
    for file in ["Caddyfile", "nginx.conf"] {
        let text = std::fs::read_to_string(root().join("deploy").join(file)).unwrap();
        assert!(how_to.contains(&format!("\n{text}```")), "{file}");
        // A connection that the service has closed costs a POST its answer.
        let kept = text
            .split_once("keepalive_timeout ")
            .or_else(|| text.split_once("keepalive "));
        let seconds = kept.unwrap().1.split('s').next().unwrap().parse().unwrap();
        assert!(Duration::from_secs(seconds) < limits.keep_alive_time, "{file}");
    }
}
