use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actionpass_custody::NoSecrets;
use actionpass_home::{Home, NewHome};
use actionpass_model::{CodedError as _, Issuer, Tenant};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::listening::ended;
use crate::load::Share;
use crate::settings::TlsFiles;

/// A service that runs on a new home.
pub(crate) struct Service {
    pub(crate) gate: Shared,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), ServeError>>,
    folder: TempDir,
}

async fn home(folder: &TempDir) -> OpenHome {
    let root = folder.path().join("home");
    if !root.exists() {
        let issuer = Issuer::parse("https://issuer.example").unwrap();
        let new = NewHome::new(issuer, vec![Tenant::parse("org:example").unwrap()]);
        new.create(&root, &NoSecrets).await.unwrap();
    }
    OpenHome::open(Home::open(&root).unwrap()).unwrap()
}

fn settings() -> Settings {
    Settings {
        listen: ([127, 0, 0, 1], 0).into(),
        ..Settings::default()
    }
}

impl Service {
    pub(crate) async fn new(change: impl FnOnce(&mut Settings)) -> Self {
        Self::within(TempDir::new().unwrap(), change).await
    }

    async fn within(folder: TempDir, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings();
        change(&mut settings);
        let server = Server::open(home(&folder).await, Arc::new(NoSecrets), settings)
            .await
            .unwrap();
        let (gate, address) = (Arc::clone(server.gate()), server.address());
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self {
            gate,
            address,
            stop,
            running,
            folder,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// The answer to a request that is written as it goes over the line; `HOST` stands for a `Host` that is known.
    pub(crate) async fn ask(&self, request: &str) -> Answer {
        let mut stream = self.connect().await;
        stream.write_all(self.written(request).as_bytes()).await.unwrap();
        Answer::read(&mut stream).await
    }

    fn written(&self, request: &str) -> String {
        request.replace("HOST", &format!("Host: localhost:{}", self.address.port()))
    }

    pub(crate) async fn end(self) -> Result<(), ServeError> {
        self.stop.send(()).unwrap();
        self.running.await.unwrap()
    }
}

/// An answer as it came over the line.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    body: String,
}

impl Answer {
    async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Self {
        let mut bytes = Vec::new();
        let read = async {
            loop {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                if let Some((head, body)) = text.split_once("\r\n\r\n") {
                    let length = head
                        .lines()
                        .find_map(|line| line.strip_prefix("content-length: "))
                        .map_or(0, |length| length.parse().unwrap());
                    if body.len() >= length {
                        return Self {
                            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
                            head: head.to_owned(),
                            body: body.to_owned(),
                        };
                    }
                }
                if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                    return Self {
                        status: 0,
                        head: String::new(),
                        body: String::from_utf8_lossy(&bytes).into_owned(),
                    };
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), read).await.unwrap()
    }

    fn code(&self) -> String {
        let problem: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        problem["code"].as_str().unwrap_or_default().to_owned()
    }
}

#[tokio::test]
async fn it_says_that_it_is_up_and_ready() {
    let service = Service::new(|_| {}).await;
    assert_eq!(service.ask("GET /healthz HTTP/1.1\r\nHOST\r\n\r\n").await.status, 200);
    let ready = service.ask("GET /readyz HTTP/1.1\r\nHOST\r\n\r\n").await;
    assert_eq!(
        (ready.status, ready.body.as_str()),
        (
            200,
            r#"{"ready":true,"parts":{"key":true,"store":true,"trust":true,"clients":true}}"#
        )
    );
    let trust = service.folder.path().join("home/trust.json");
    let text = std::fs::read_to_string(&trust).unwrap();
    std::fs::write(&trust, "{").unwrap();
    // What was found stands for some seconds.
    assert_eq!(service.ask("GET /readyz HTTP/1.1\r\nHOST\r\n\r\n").await.status, 200);
    let failed = wait_for(async || {
        let ready = service.ask("GET /readyz HTTP/1.1\r\nHOST\r\n\r\n").await;
        (ready.status == 503).then_some(ready)
    })
    .await;
    // Neither the key nor the store is broken with it.
    assert_eq!(failed.code(), "trust_not_ready");
    let parts = r#""ready":false,"parts":{"key":true,"store":true,"trust":false,"clients":true}"#;
    assert!(failed.body.contains(parts), "{failed:?}");
    assert!(
        failed.head.contains("application/problem+json") && failed.head.contains("retry-after"),
        "{failed:?}"
    );
    assert_eq!(service.ask("GET /healthz HTTP/1.1\r\nHOST\r\n\r\n").await.status, 200);
    std::fs::write(&trust, text).unwrap();
    wait_for(async || {
        let ready = service.ask("GET /readyz HTTP/1.1\r\nHOST\r\n\r\n").await;
        (ready.status == 200).then_some(())
    })
    .await;
    service.end().await.unwrap();
}

/// What a question answers at last.
async fn wait_for<T>(question: impl AsyncFn() -> Option<T>) -> T {
    let ask = async {
        loop {
            if let Some(answer) = question().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ask).await.unwrap()
}

#[tokio::test]
async fn other_hosts_are_refused() {
    let service = Service::new(|settings| settings.hosts = vec!["gate.internal".to_owned()]).await;
    let port = service.address.port();
    for known in [
        format!("Host: localhost:{port}"),
        format!("Host: 127.0.0.1:{port}"),
        "Host: gate.internal".to_owned(),
    ] {
        let answer = service.ask(&format!("GET /healthz HTTP/1.1\r\n{known}\r\n\r\n")).await;
        assert_eq!(answer.status, 200, "{known}");
    }
    for (foreign, status, code) in [
        ("Host: evil.example".to_owned(), 421, "host_unknown"),
        (format!("Host: evil.example:{port}"), 421, "host_unknown"),
        ("Host: localhost".to_owned(), 421, "host_unknown"),
        (format!("Host: 127.0.0.2:{port}"), 421, "host_unknown"),
        ("X: y".to_owned(), 400, "request_malformed"),
        (
            format!("Host: localhost:{port}\r\nHost: localhost:{port}"),
            400,
            "request_malformed",
        ),
    ] {
        for path in ["/healthz", "/test/body", "/nowhere"] {
            let answer = service.ask(&format!("GET {path} HTTP/1.1\r\n{foreign}\r\n\r\n")).await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (status, code),
                "{path} {foreign}"
            );
        }
    }
    let absolute = service
        .ask("GET http://evil.example/healthz HTTP/1.1\r\nHOST\r\n\r\n")
        .await;
    assert_eq!((absolute.status, absolute.code().as_str()), (400, "request_malformed"));
    for own in ["http", "https"] {
        let own = format!("GET {own}://localhost:{port}/healthz HTTP/1.1\r\nHOST\r\n\r\n");
        assert_eq!(service.ask(&own).await.status, 200);
    }
    for foreign in [
        format!("ftp://localhost:{port}"),
        format!("file://localhost:{port}"),
        format!("http://x@localhost:{port}"),
        "http://localhost:1".to_owned(),
        "https://evil.example".to_owned(),
    ] {
        let absolute = format!("GET {foreign}/healthz HTTP/1.1\r\nHOST\r\n\r\n");
        let answer = service.ask(&absolute).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "request_malformed"),
            "{foreign}"
        );
    }
    for method in ["TRACE /healthz", "CONNECT localhost:1", "BREW /healthz"] {
        let answer = service.ask(&format!("{method} HTTP/1.1\r\nHOST\r\n\r\n")).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (405, "method_not_allowed"),
            "{method}"
        );
    }
    service.end().await.unwrap();
}

#[tokio::test]
async fn a_length_that_can_be_read_two_ways_is_refused_and_nothing_behind_it_is_answered() {
    let service = Service::new(|_| {}).await;
    let json = "Content-Type: application/json";
    let chunked = "Transfer-Encoding: chunked";
    for (lengths, body) in [
        (format!("{chunked}\r\nContent-Length: 4"), "2\r\n{}\r\n0\r\n\r\n"),
        (format!("Content-Length: 4\r\n{chunked}"), "2\r\n{}\r\n0\r\n\r\n"),
        (chunked.to_owned(), "2\r\n{}\r\n0\r\n\r\n"),
        (format!("{chunked}\r\n{chunked}"), "0\r\n\r\n"),
        ("Transfer-Encoding: gzip, chunked".to_owned(), "0\r\n\r\n"),
    ] {
        // Who goes by the length ends the body early, and takes the rest for a request.
        let question = format!("POST /test/body HTTP/1.1\r\nHOST\r\n{json}\r\n{lengths}\r\n\r\n{body}");
        let answer = service.ask(&question).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (411, "length_required"),
            "{lengths}"
        );
        let mut stream = service.connect().await;
        let second = "GET /healthz HTTP/1.1\r\nHOST\r\n\r\n";
        let both = service.written(&format!("{question}{second}"));
        stream.write_all(both.as_bytes()).await.unwrap();
        assert_eq!(Answer::read(&mut stream).await.status, 411);
        if lengths.contains("Content-Length") {
            assert_eq!(Answer::read(&mut stream).await.status, 0, "{lengths}");
        }
    }
    // The parser refuses these itself.
    for lengths in [
        "Content-Length: 2\r\nContent-Length: 3",
        "Content-Length: +2",
        "Content-Length: 2, 2",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked, gzip",
    ] {
        let question = format!("POST /test/body HTTP/1.1\r\nHOST\r\n{json}\r\n{lengths}\r\n\r\n{{}}");
        assert_eq!(service.ask(&question).await.status, 400, "{lengths}");
    }
    service.end().await.unwrap();
}

#[tokio::test]
async fn an_idle_connection_lives_longer_than_a_header_may_take() {
    let service = Service::new(|settings| {
        settings.limits.header_time = Duration::from_secs(1);
        settings.limits.keep_alive_time = Duration::from_secs(4);
    })
    .await;
    let mut stream = service.connect().await;
    let request = service.written("GET /healthz HTTP/1.1\r\nHOST\r\n\r\n");
    for _ in 0..2 {
        stream.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(Answer::read(&mut stream).await.status, 200);
        tokio::time::sleep(Duration::from_millis(1500)).await;
    }
    // A header that has begun has its time.
    let start = Instant::now();
    stream.write_all(b"GET /he").await.unwrap();
    assert_eq!(Answer::read(&mut stream).await.status, 0);
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    // And being idle has an end.
    let mut stream = service.connect().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(Answer::read(&mut stream).await.status, 200);
    let start = Instant::now();
    assert_eq!(Answer::read(&mut stream).await.status, 0);
    assert!(start.elapsed() > Duration::from_secs(2), "{:?}", start.elapsed());
    service.end().await.unwrap();
}

#[tokio::test]
async fn a_lock_that_cannot_be_taken_is_not_another_service() {
    let folder = TempDir::new().unwrap();
    let home = home(&folder).await;
    std::fs::create_dir(home.home.path(SERVE_LOCK)).unwrap();
    let error = Server::open(home, Arc::new(NoSecrets), settings()).await.unwrap_err();
    assert!(matches!(error, ServeError::Lock { .. }), "{error:?}");
    assert_eq!(error.code(), "service_failed");
}

#[tokio::test]
async fn other_sites_are_refused_and_get_no_cors() {
    let service = Service::new(|_| {}).await;
    for header in [
        "Origin: https://evil.example",
        "Origin: null",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
    ] {
        for path in ["/readyz", "/metrics", "/test/body"] {
            let answer = service
                .ask(&format!("GET {path} HTTP/1.1\r\nHOST\r\n{header}\r\n\r\n"))
                .await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (403, "cross_site"),
                "{path} {header}"
            );
            assert!(!answer.head.contains("access-control"), "{answer:?}");
        }
    }
    let preflight = "OPTIONS /test/body HTTP/1.1\r\nHOST\r\nOrigin: https://evil.example\r\n\
                     Access-Control-Request-Method: POST\r\n\r\n";
    assert_eq!(service.ask(preflight).await.code(), "cross_site");
    service.end().await.unwrap();
}

#[tokio::test]
async fn slow_headers_and_bodies_are_given_up() {
    let service = Service::new(|settings| {
        settings.limits.header_time = Duration::from_secs(1);
        settings.limits.body_time = Duration::from_secs(1);
    })
    .await;
    // A header that never ends.
    let mut slow = service.connect().await;
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHo").await.unwrap();
    let start = Instant::now();
    let answer = Answer::read(&mut slow).await;
    assert!([0, 408].contains(&answer.status), "{answer:?}");
    assert!(start.elapsed() < Duration::from_secs(10));
    // A body that never ends, and one that is too large.
    let mut slow = service.connect().await;
    let head = "POST /test/body HTTP/1.1\r\nHOST\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    slow.write_all(service.written(head).as_bytes()).await.unwrap();
    let answer = Answer::read(&mut slow).await;
    assert_eq!((answer.status, answer.code().as_str()), (408, "body_timeout"));
    let large = head.replace("Length: 100", "Length: 1048577") + &" ".repeat(1 << 20);
    let answer = service.ask(&large).await;
    assert_eq!((answer.status, answer.code().as_str()), (413, "body_too_large"));
    // Whoever sends all of it first still reads why.
    let lengths = [
        "Content-Length: 8388608",
        "Transfer-Encoding: chunked\r\nContent-Length: 8388608",
    ];
    for (lengths, code) in lengths.into_iter().zip(["body_too_large", "length_required"]) {
        let mut stream = service.connect().await;
        let head = head.replace("Content-Length: 100", lengths);
        stream.write_all(service.written(&head).as_bytes()).await.unwrap();
        stream.write_all(&[b' '; 8 << 20]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(Answer::read(&mut stream).await.code(), code);
    }
    // A header that is too large.
    let header = format!("GET /healthz HTTP/1.1\r\nHOST\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    assert_eq!(service.ask(&header).await.status, 431);
    service.end().await.unwrap();
}

#[tokio::test]
async fn a_request_has_its_time_and_that_is_no_decision() {
    let service = Service::new(|settings| settings.limits.request_time = Duration::from_secs(1)).await;
    let answer = service.ask("GET /test/slow HTTP/1.1\r\nHOST\r\n\r\n").await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "request_timeout"));
    service.end().await.unwrap();
}

#[tokio::test]
async fn a_flood_of_calls_is_refused_at_once_and_people_still_get_in() {
    let service = Service::new(|settings| {
        settings.limits.calls = 1;
        settings.limits.page_calls = 1;
    })
    .await;
    let mut slow = service.connect().await;
    let request = service.written("GET /test/slow HTTP/1.1\r\nHOST\r\n\r\n");
    slow.write_all(request.as_bytes()).await.unwrap();
    let refused = wait_for(async || {
        let answer = service.ask("GET /test/body HTTP/1.1\r\nHOST\r\n\r\n").await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    assert_eq!(refused.code(), "overloaded");
    assert!(refused.head.contains("retry-after: 1"), "{refused:?}");
    // Those who watch the service, and those who decide, have what is theirs.
    assert_eq!(service.ask("GET /healthz HTTP/1.1\r\nHOST\r\n\r\n").await.status, 200);
    service.gate.front.load.enter(Share::People, Instant::now()).unwrap();
    drop(slow);
    service.end().await.unwrap();
}

/// Whoever sends the bodies of what people ask slowly is nobody yet, and takes no place of those who decide.
#[tokio::test]
async fn bodies_that_arrive_slowly_keep_nobody_from_the_page() {
    let service = Service::new(|settings| settings.limits.page_calls = 2).await;
    let origin = format!("Origin: http://localhost:{}", service.address.port());
    let question = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHOST\r\n{origin}\r\nContent-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        )
    };
    let mut slow = Vec::new();
    for path in ["/sign-in/challenge", "/sign-in", "/enrol", "/requests/req_1/vote"] {
        let mut stream = service.connect().await;
        let request = service.written(&question(path));
        stream.write_all(request.as_bytes()).await.unwrap();
        // The body is waited for from then on.
        assert_eq!(Answer::read(&mut stream).await.status, 100, "{path}");
        slow.push(stream);
    }
    assert_eq!(service.ask("GET / HTTP/1.1\r\nHOST\r\n\r\n").await.status, 200);
    // What has arrived is answered.
    let first = slow.first_mut().unwrap();
    first.write_all(b"{}").await.unwrap();
    let answer = Answer::read(first).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    drop(slow);
    service.end().await.unwrap();
}

#[tokio::test]
async fn a_parked_call_holds_no_place_and_ends_when_the_service_stops() {
    let service = Service::new(|settings| {
        settings.limits.calls = 1;
        settings.limits.parked = 1;
        settings.limits.request_time = Duration::from_secs(1);
    })
    .await;
    let mut waiting = service.connect().await;
    let request = service.written("GET /test/parked HTTP/1.1\r\nHOST\r\n\r\n");
    waiting.write_all(request.as_bytes()).await.unwrap();
    wait_for(async || (service.gate.front.load.parked() == 1).then_some(())).await;
    // Another call runs meanwhile, but nobody else is parked.
    let answer = service.ask(&request).await;
    assert_eq!(answer.code(), "overloaded");
    // The time of a request doesn't run while it is parked.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let address = service.address;
    let gate = Arc::clone(&service.gate);
    service.end().await.unwrap();
    let answer = Answer::read(&mut waiting).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "step_up"));
    assert_eq!(gate.front.load.parked(), 0);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn what_doesnt_finish_in_time_is_given_up() {
    let service = Service::new(|settings| settings.limits.stop_time = Duration::from_secs(1)).await;
    let mut slow = service.connect().await;
    let request = service.written("GET /test/slow HTTP/1.1\r\nHOST\r\n\r\n");
    slow.write_all(request.as_bytes()).await.unwrap();
    // An idle connection is no reason to wait.
    let _idle = service.connect().await;
    wait_for(async || {
        let open = service.gate.front.open_connections.load(Ordering::Relaxed);
        (open == 2).then_some(())
    })
    .await;
    let start = Instant::now();
    service.end().await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(Answer::read(&mut slow).await.status, 0);
}

#[tokio::test]
async fn beyond_its_connections_it_keeps_some_for_people() {
    let service = Service::new(|settings| {
        settings.limits.connections = 1;
        settings.limits.page_connections = 1;
    })
    .await;
    let mut first = service.connect().await;
    let healthy = service.written("GET /healthz HTTP/1.1\r\nHOST\r\n\r\n");
    first.write_all(healthy.as_bytes()).await.unwrap();
    assert_eq!(Answer::read(&mut first).await.status, 200);
    // The second is one of those that are kept: programs are refused there, and the connection is closed.
    let mut second = service.connect().await;
    let call = service.written("GET /test/body HTTP/1.1\r\nHOST\r\n\r\n");
    second.write_all(call.as_bytes()).await.unwrap();
    let answer = Answer::read(&mut second).await;
    assert_eq!(answer.code(), "overloaded");
    assert!(answer.head.contains("connection: close"), "{answer:?}");
    // It is free again for somebody else; while that one holds it, a third gets nothing.
    let mut kept = service.connect().await;
    kept.write_all(healthy.as_bytes()).await.unwrap();
    assert_eq!(Answer::read(&mut kept).await.status, 200);
    let mut third = service.connect().await;
    let _ = third.write_all(healthy.as_bytes()).await;
    assert_eq!(Answer::read(&mut third).await.status, 0);
    service.end().await.unwrap();
}

#[tokio::test]
async fn a_body_has_little_time_on_a_connection_that_is_kept_for_people() {
    let service = Service::new(|settings| settings.limits.connections = 1).await;
    let mut first = service.connect().await;
    let healthy = service.written("GET /healthz HTTP/1.1\r\nHOST\r\n\r\n");
    first.write_all(healthy.as_bytes()).await.unwrap();
    assert_eq!(Answer::read(&mut first).await.status, 200);
    let start = Instant::now();
    let answer = service
        .ask(&format!(
            "POST /sign-in/challenge HTTP/1.1\r\nHOST\r\nOrigin: http://localhost:{}\r\nContent-Type: application/json\r\n\
             Content-Length: 2\r\n\r\n{{",
            service.address.port()
        ))
        .await;
    assert_eq!((answer.status, answer.code().as_str()), (408, "body_timeout"));
    assert!(start.elapsed() < service.gate.front.serve.body_time / 2);
    service.end().await.unwrap();
}

#[tokio::test]
async fn the_socket_says_whose_process_it_is() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("gate.sock");
    let service = Service::within(folder, |settings| {
        settings.socket = Some(path.clone());
        settings.metrics = actionpass_home::Metrics::Open;
    })
    .await;
    let mut stream = UnixStream::connect(&path).await.unwrap();
    // Whatever host it names: a browser can't get here.
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: gate\r\n\r\n")
        .await
        .unwrap();
    let answer = Answer::read(&mut stream).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("actionpass_connections 1\n"), "{answer:?}");
    let credentials = stream.peer_cred().unwrap();
    assert_eq!(credentials.uid(), owner_of(&path));
    service.end().await.unwrap();
    assert!(!path.exists());
}

/// The user of this process, who owns what it makes.
fn owner_of(path: &Path) -> u32 {
    std::os::unix::fs::MetadataExt::uid(&std::fs::symlink_metadata(path).unwrap())
}

#[tokio::test]
async fn metrics_are_for_clients_unless_they_are_open() {
    let service = Service::new(|_| {}).await;
    let answer = service.ask("GET /metrics HTTP/1.1\r\nHOST\r\n\r\n").await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "client_unauthenticated"));
    service.end().await.unwrap();
    let service = Service::new(|settings| settings.metrics = actionpass_home::Metrics::Open).await;
    service.ask("GET /nowhere?token=secret HTTP/1.1\r\nHOST\r\n\r\n").await;
    let answer = service.ask("GET /metrics HTTP/1.1\r\nHOST\r\n\r\n").await;
    let counted = r#"actionpass_http_answers_total{method="GET",route="none",status="404"} 1"#;
    assert!(answer.body.contains(counted), "{answer:?}");
    assert!(
        answer
            .body
            .contains(r#"actionpass_refused_total{code="route_unknown"} 1"#),
        "{answer:?}"
    );
    assert!(!answer.body.contains("nowhere") && !answer.body.contains("secret"));
    service.end().await.unwrap();
}

#[tokio::test]
async fn a_home_has_one_service() {
    let service = Service::new(|_| {}).await;
    let error = Server::open(home(&service.folder).await, Arc::new(NoSecrets), settings())
        .await
        .unwrap_err();
    assert_eq!(error.code(), "home_served");
    let Service {
        stop, running, folder, ..
    } = service;
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
    Service::within(folder, |_| {}).await.end().await.unwrap();
}

#[tokio::test]
async fn a_part_that_ends_ends_the_service() {
    let folder = TempDir::new().unwrap();
    let server = Server::open(home(&folder).await, Arc::new(NoSecrets), settings())
        .await
        .unwrap();
    let mut parts = background(server.gate(), 0);
    parts.abort_all();
    let ended = ended(parts.join_next().await.unwrap());
    assert!(matches!(ended, ServeError::Ended { .. }));
    assert_eq!(ended.code(), "service_failed");
}

/// A certificate of this name, valid for a day, and its key.
fn certify(folder: &Path, name: &str) -> TlsFiles {
    let (certificate, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
    // The system's own configuration would make it an authority, which no server may be.
    let config = folder.join(format!("{name}.cnf"));
    let extensions = "subjectAltName=DNS:localhost\nbasicConstraints=critical,CA:FALSE";
    std::fs::write(
        &config,
        format!("[req]\ndistinguished_name=dn\nx509_extensions=x\n[dn]\n[x]\n{extensions}\n"),
    )
    .unwrap();
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args(["-days", "1", "-subj", &format!("/CN={name}"), "-config"])
        .arg(&config)
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    TlsFiles { certificate, key }
}

/// The certificate that the service shows to a client that trusts this one.
async fn shown(address: SocketAddr, trusted: &Path) -> Option<CertificateDer<'static>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(trusted).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect(name, stream).await.ok()?;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", address.port());
    stream.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(Answer::read(&mut stream).await.status, 200);
    let certificates = stream.get_ref().1.peer_certificates().unwrap();
    Some(certificates[0].clone().into_owned())
}

#[tokio::test]
async fn a_new_certificate_is_taken_over_and_a_broken_one_is_not() {
    let folder = TempDir::new().unwrap();
    let (first, second) = (certify(folder.path(), "first"), certify(folder.path(), "second"));
    let used = TlsFiles {
        certificate: folder.path().join("used.pem"),
        key: folder.path().join("used.key"),
    };
    let put = |from: &Path, to: &Path| {
        std::fs::copy(from, to).unwrap();
    };
    put(&first.certificate, &used.certificate);
    put(&first.key, &used.key);
    let files = used.clone();
    let service = Service::within(folder, |settings| settings.tls = Some(files)).await;
    assert_eq!(
        service.gate.front.origin.as_str(),
        format!("https://localhost:{}", service.address.port())
    );
    let address = service.address;
    assert!(shown(address, &first.certificate).await.is_some());
    assert!(shown(address, &second.certificate).await.is_none());
    // The certificate without its key: the pair of before stays.
    put(&second.certificate, &used.certificate);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(shown(address, &first.certificate).await.is_some());
    put(&second.key, &used.key);
    wait_for(async || shown(address, &second.certificate).await).await;
    assert!(shown(address, &first.certificate).await.is_none());
    // Plain HTTP gets no answer there.
    let answer = service.ask("GET /healthz HTTP/1.1\r\nHOST\r\n\r\n").await;
    assert_eq!(answer.status, 0);
    service.end().await.unwrap();
}

#[tokio::test]
async fn a_key_that_others_can_read_or_that_is_anothers_is_refused() {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::PermissionsExt as _;

    let folder = TempDir::new().unwrap();
    let (first, second) = (certify(folder.path(), "first"), certify(folder.path(), "second"));
    let open = async |files: TlsFiles| {
        let mut settings = settings();
        settings.tls = Some(files);
        let opened = Server::open(home(&folder).await, Arc::new(NoSecrets), settings).await;
        opened.unwrap_err().code().to_string()
    };
    let mut mixed = first.clone();
    mixed.key = second.key;
    assert_eq!(open(mixed).await, "tls_unusable");
    // A name that is no UTF-8 is as good as another.
    let mut odd = first.clone();
    odd.key = folder.path().join(std::ffi::OsStr::from_bytes(b"\xff.key"));
    std::fs::copy(&first.key, &odd.key).unwrap();
    for key in [&first.key, &odd.key] {
        std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    assert_eq!(open(first).await, "key_file_permissions");
    assert_eq!(open(odd).await, "key_file_permissions");
}
