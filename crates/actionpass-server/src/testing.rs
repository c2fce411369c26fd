//! What tests of the routes share: a home in a folder that goes away, its gate and router, clients, and approvers.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actionpass_client::api::{PROBLEM_MEDIA_TYPE, Problem};
use actionpass_core::{Approval, Clock as _, System};
use actionpass_custody::NoSecrets;
use actionpass_display::View;
use actionpass_home::{Client, ClientToken, Home, NewHome, OpenHome, Patterns, Right, client_name};
use actionpass_model::{RequestId, Statement, VoteKind};
use actionpass_store::{Ledger as _, StoredRecord};
use actionpass_testkit::fixtures::{self, FixtureKey};
use axum::body::Body;
use axum::http::{HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Router, middleware};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;
use tracing_subscriber::fmt::MakeWriter;

use crate::caller::Caller;
use crate::gate::Shared;
use crate::page::{Host, Remote};
use crate::router::{page_router, router};
use crate::{Server, Settings};

/// A service of which nothing listens to anybody but these tests.
pub(crate) struct Fixture {
    pub(crate) gate: Shared,
    router: Router,
    _server: Server,
    folder: TempDir,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Fixture {
    /// The service of a home with the starter policy: issuer `https://issuer.example`, tenant `org:example`. Its approver is
    /// [`fixtures::approver`], a maintainer.
    pub(crate) async fn new() -> Self {
        Self::configured(|_| {}).await
    }

    /// The same with another policy.
    pub(crate) async fn with_policy(policy: &str) -> Self {
        Self::configured(|home| std::fs::write(home.path("policy.toml"), policy).unwrap()).await
    }

    /// The same of a home that was changed before it is opened.
    pub(crate) async fn configured(change: impl FnOnce(&Home)) -> Self {
        let folder = TempDir::new().unwrap();
        let root = folder.path().join("home");
        let new = NewHome::new(fixtures::issuer(), vec![fixtures::tenant()]);
        new.create(&root, &NoSecrets).await.unwrap();
        let home = Home::open(&root).unwrap();
        change(&home);
        let home = OpenHome::open(home).unwrap();
        let approver = fixtures::approval_key(FixtureKey::APPROVER, fixtures::approver(), vec![fixtures::maintainer()]);
        home.administrator().add_key(approver).await.unwrap();
        let mut settings = Settings::of(&home.config.serve, &home.home);
        settings.listen = ([127, 0, 0, 1], 0).into();
        settings.limits = home.config.serve.limits();
        let server = Server::open(home, Arc::new(NoSecrets), settings).await.unwrap();
        let gate = Arc::clone(server.gate());
        let head = gate.home.store.state().await.unwrap().head.size();
        let events = Arc::clone(&gate.events);
        tokio::spawn(async move { events.follow(head).await });
        Self {
            router: router(Arc::clone(&gate)),
            gate,
            _server: server,
            folder,
        }
    }

    /// The same with its page elsewhere: the gate answers on a port of its own, a page of the same origin asks it there as a client,
    /// and only the page is asked here. What the gate says is what `said` makes of it.
    pub(crate) async fn with_page_elsewhere(mut self, client: Client, said: &Said) -> Self {
        let token = self.enter("page", client);
        let said = Arc::clone(said);
        let saying = middleware::map_response(move |response: Response| say(response, Arc::clone(&said)));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let gate = axum::serve(listener, self.router.layer(saying));
        tokio::spawn(gate.into_future());
        let client = actionpass_client::Client::new(&address, token.as_str()).unwrap();
        let front = self.gate.front.clone();
        let source = Remote::new(client, front.origin.clone(), None);
        source.follow().unwrap();
        self.router = page_router(Arc::new(Host {
            front,
            source: Arc::new(source),
            sessions: Arc::new(actionpass_store::MemorySessions::default()),
        }));
        self
    }

    /// The folder that the home is in.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Asks as a client, which needs no token for it.
    pub(crate) async fn send(&self, client: &Client, mut request: Request<Body>) -> Answer {
        request.extensions_mut().insert(Caller::from(client.clone()));
        self.send_unknown(request).await
    }

    /// Asks as a client, and leaves the body to be read as it comes.
    pub(crate) async fn open(&self, client: &Client, mut request: Request<Body>) -> axum::response::Response {
        request.extensions_mut().insert(Caller::from(client.clone()));
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Asks as nobody.
    pub(crate) async fn send_unknown(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes().to_vec(),
        }
    }

    /// Puts a client into `clients.toml`, for a service that hasn't looked there yet; the token that proves it.
    pub(crate) fn enter(&self, name: &str, mut client: Client) -> ClientToken {
        let token = ClientToken::from_random(actionpass_canon::sha256(name.as_bytes()).as_bytes());
        client.name = client_name(name).unwrap();
        self.gate.home.home.add_client(&client.with_token(&token)).unwrap();
        token
    }

    /// Takes a client out of `clients.toml`, and waits until the service has to have looked there again.
    pub(crate) async fn remove(&self, name: &str) {
        self.gate.home.home.remove_client(&client_name(name).unwrap()).unwrap();
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }

    /// Asks as whoever has this token.
    pub(crate) async fn send_with(&self, token: &ClientToken, mut request: Request<Body>) -> Answer {
        let value = HeaderValue::from_str(&format!("Bearer {}", token.as_str())).unwrap();
        request.headers_mut().append(header::AUTHORIZATION, value);
        self.send_unknown(request).await
    }

    /// Asks as nobody for what has no end.
    pub(crate) async fn stream(&self, request: Request<Body>) -> Body {
        let response = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.into_body()
    }

    pub(crate) async fn post(&self, client: &Client, path: &str, body: &Value) -> Answer {
        self.send(client, post(path, body.to_string())).await
    }

    pub(crate) async fn get(&self, client: &Client, path: &str) -> Answer {
        let request = Request::get(path).body(Body::empty()).unwrap();
        self.send(client, request).await
    }

    /// How many records the ledger has.
    pub(crate) async fn records(&self) -> u64 {
        self.gate.home.store.state().await.unwrap().head.size()
    }

    /// The newest record.
    pub(crate) async fn last_record(&self) -> Value {
        let size = self.records().await;
        let read = self.gate.home.store.read(size - 1, 1).await.unwrap();
        serde_json::from_slice(&read[0].json).unwrap()
    }

    /// Every record from a number on.
    pub(crate) async fn records_from(&self, seq: u64) -> Vec<StoredRecord> {
        self.gate.home.store.read(seq, 1000).await.unwrap()
    }

    /// A vote of [`fixtures::approver`] on a request, which the issuer takes.
    pub(crate) async fn vote(&self, id: &RequestId, kind: VoteKind, words: &str) {
        let token = self.ballot(id, kind, words).await;
        self.gate.issuer.vote(id, &token).await.unwrap();
    }

    /// The token of such a vote.
    pub(crate) async fn ballot(&self, id: &RequestId, kind: VoteKind, words: &str) -> String {
        let review = self.gate.issuer.review(id).await.unwrap();
        let action = review.action.as_ref().unwrap();
        let words = Statement::parse(words).unwrap();
        let view = View::of(action, &review.request.rules, &review.facts).unwrap();
        let approval = Approval::human(fixtures::approver(), words)
            .for_request(&review.request)
            .with_shown(view.shown());
        let (issuer, signer) = (fixtures::issuer(), FixtureKey::APPROVER.signer());
        let now = System.now().unwrap();
        match kind {
            VoteKind::Approve => approval.sign(action, &issuer, &signer, now, &System).await.unwrap(),
            VoteKind::Decline => approval
                .sign_refusal(action, &issuer, &signer, now, &System)
                .await
                .unwrap(),
        }
    }

    /// Waits until so many records are there.
    pub(crate) async fn until_records(&self, count: u64) {
        let wait = async {
            while self.records().await < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap();
    }
}

impl Answer {
    /// The document.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&self.body)))
    }

    /// The code of a problem, with its status.
    pub(crate) fn problem(&self) -> (u16, String) {
        let media_type = self.headers.get(header::CONTENT_TYPE).unwrap();
        assert_eq!(
            media_type,
            "application/problem+json",
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        let json = self.json();
        assert_eq!(json["status"], self.status.as_u16());
        (self.status.as_u16(), json["code"].as_str().unwrap().to_owned())
    }

    /// The document of an answer that is no problem.
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.headers.get(header::CACHE_CONTROL).unwrap(), "no-store");
        self.json()
    }
}

/// Where the log of a test goes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl io::Write for Lines {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.lock().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What a gate says.
pub(crate) type Said = Arc<Mutex<Saying>>;

#[derive(Clone, Debug, Default)]
pub(crate) enum Saying {
    /// What it knows.
    #[default]
    Truth,
    /// Something else, here and there in a request.
    Otherwise(Vec<(&'static str, Value)>),
    /// Nothing: a proxy before it says that it isn't there.
    Nothing,
    /// No, in these words.
    No(&'static str),
}

async fn say(response: Response, said: Said) -> Response {
    let said = said.lock().unwrap().clone();
    let changes = match said {
        Saying::Truth => return response,
        Saying::Nothing => return (StatusCode::BAD_GATEWAY, "<h1>Bad gateway</h1>").into_response(),
        Saying::No(words) => {
            let mut problem = Problem::new("invented_code", "no", 400);
            problem.detail = Some(words.to_owned());
            let body = serde_json::to_string(&problem).unwrap();
            return (
                StatusCode::BAD_REQUEST,
                [(header::CONTENT_TYPE, PROBLEM_MEDIA_TYPE)],
                body,
            )
                .into_response();
        }
        Saying::Otherwise(changes) => changes,
    };
    let (mut parts, body) = response.into_parts();
    let media_type = parts.headers.get(header::CONTENT_TYPE);
    if media_type.is_none_or(|media_type| media_type != "application/json") {
        return Response::from_parts(parts, body);
    }
    let body = body.collect().await.unwrap().to_bytes();
    let mut document: Value = serde_json::from_slice(&body).unwrap();
    if document.get("subject").is_some() {
        for (pointer, to) in changes {
            change(&mut document, pointer, to);
        }
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(document.to_string()))
}

/// Puts something else in a place; `null` takes out what is there.
fn change(document: &mut Value, pointer: &str, to: Value) {
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    assert_ne!(parent.get(member), Some(&to), "{pointer}");
    if to.is_null() {
        parent.remove(member).unwrap();
    } else {
        parent.insert(member.to_owned(), to);
    }
}

/// A client that may do anything, for anybody.
pub(crate) fn everything() -> Client {
    let mut client = Client::new(Statement::parse("everything").unwrap());
    client.may = Right::ALL.to_vec();
    for patterns in [
        &mut client.tenants,
        &mut client.agents,
        &mut client.owners,
        &mut client.runtimes,
        &mut client.servers,
        &mut client.audiences,
    ] {
        *patterns = Patterns::any();
    }
    client.attests = true;
    client.consumes = true;
    client
}

/// A post of JSON.
pub(crate) fn post(path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(body.into())
        .unwrap()
}

/// JSON text as a value.
pub(crate) fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}
