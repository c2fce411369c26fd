//! Requests as clients of all kinds see them, and the streams of what happens to them.

use std::sync::Arc;
use std::time::Duration;

use actionpass_core::{Request, RequestState};
use actionpass_home::{Client, Patterns, Right, client_name};
use actionpass_model::{RequestId, VoteKind};
use actionpass_policy::EXAMPLE_STEP_UP;
use actionpass_store::QueueStore;
use actionpass_testkit::fixtures;
use axum::body::{Body, BodyDataStream};
use axum::http::{Request as HttpRequest, StatusCode, header};
use axum::response::Response;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::events::{Events, Watch};
use crate::testing::{Fixture, everything, post};

const AGENT: &str = "agent:codex-prod";
const OTHER_AGENT: &str = "agent:other";

/// Has a request opened for this agent, with a payload of its own.
async fn opened(fixture: &Fixture, agent: &str, title: &str, client: &str) -> RequestId {
    let text = EXAMPLE_STEP_UP
        .replace(AGENT, agent)
        .replace("Fix the retry loop", title);
    let action = fixtures::admit(&text);
    let caller = fixtures::caller(action.action());
    let request = Request::new(action, caller).from_client(client.parse().unwrap());
    let answer = fixture.gate.issuer.authorize(request).await.unwrap();
    answer.request.unwrap().id
}

/// A client with one right, for everybody but other agents than this.
fn only(name: &str, right: Right, agent: &str) -> Client {
    let mut client = everything();
    client.name = client_name(name).unwrap();
    client.may = vec![right];
    client.agents = Patterns::of_agents(vec![agent.to_owned()]).unwrap();
    client
}

fn ids(page: &Value) -> Vec<&str> {
    let requests = page["requests"].as_array().unwrap();
    requests.iter().map(|request| request["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_list_has_pages_of_what_the_client_may_see() {
    let fixture = Fixture::new().await;
    let mut own = Vec::new();
    for number in 0..5 {
        own.push(opened(&fixture, AGENT, &format!("own {number}"), "a").await.to_string());
        opened(&fixture, OTHER_AGENT, &format!("other {number}"), "b").await;
    }
    let client = only("seer", Right::Requests, AGENT);
    let all = fixture.get(&client, "/v1/requests").await.ok();
    assert_eq!(ids(&all), own);
    assert!(all.get("next").is_none());
    assert_eq!(all["requests"][0]["missing"][0]["kind"], "approval");

    // Pages are full and say nothing of what lies between.
    let (mut after, mut seen) = (String::new(), Vec::new());
    loop {
        let page = fixture.get(&client, &format!("/v1/requests?limit=2{after}")).await.ok();
        seen.extend(ids(&page).into_iter().map(ToOwned::to_owned));
        let Some(next) = page.get("next") else { break };
        assert_eq!(ids(&page).len(), 2);
        assert!(own.iter().any(|id| next == id));
        after = format!("&after={}", next.as_str().unwrap());
    }
    assert_eq!(seen, own);

    fixture
        .vote(&RequestId::parse(&own[1]).unwrap(), VoteKind::Approve, "yes")
        .await;
    fixture
        .vote(&RequestId::parse(&own[2]).unwrap(), VoteKind::Decline, "no")
        .await;
    for (query, expected) in [
        ("state=pending", vec![&own[0], &own[3], &own[4]]),
        ("state=approved&limit=1", vec![&own[1]]),
        ("state=declined", vec![&own[2]]),
        ("state=used", vec![]),
        ("tenant=org:other", vec![]),
        ("tenant=org:example&agent=agent:other", vec![]),
        ("agent=agent:codex-prod&state=declined", vec![&own[2]]),
    ] {
        let page = fixture.get(&client, &format!("/v1/requests?{query}")).await.ok();
        assert_eq!(ids(&page), expected, "{query}");
    }
    for wrong in [
        "state=live",
        "state=",
        "limit=0",
        "limit=101",
        "after=x",
        "sort=id",
        "state=used&state=used",
        "agent=codex",
    ] {
        let answer = fixture.get(&client, &format!("/v1/requests?{wrong}")).await;
        assert_eq!(answer.problem(), (400, "request_malformed".into()), "{wrong}");
    }
}

#[tokio::test]
async fn what_a_client_may_not_see_is_unknown_to_it() {
    let fixture = Fixture::new().await;
    let id = opened(&fixture, OTHER_AGENT, "other", "b").await;
    let token = fixture.ballot(&id, VoteKind::Approve, "yes").await;
    let records = fixture.records().await;
    let unknown = "req_00000000000000000000000000000000";
    for id in [id.as_str(), unknown] {
        let mut client = only("seer", Right::Requests, AGENT);
        for path in ["", "/view", "/events"] {
            let answer = fixture.get(&client, &format!("/v1/requests/{id}{path}")).await;
            assert_eq!(answer.problem(), (404, "request_unknown".into()), "{path}");
        }
        let body = json!({ "token": token });
        let answer = fixture.post(&client, &format!("/v1/requests/{id}/votes"), &body).await;
        assert_eq!(answer.problem(), (404, "request_unknown".into()));
        client.may.push(Right::Admin);
        for path in ["cancel", "lift"] {
            let request = HttpRequest::post(format!("/v1/requests/{id}/{path}"))
                .body(Body::empty())
                .unwrap();
            let answer = fixture.send(&client, request).await;
            assert_eq!(answer.problem(), (404, "request_unknown".into()), "{path}");
        }
    }
    // Each part of the entry counts.
    let narrow: [fn(&mut Client); 4] = [
        |client| client.tenants = Patterns::of_tenants(vec!["org:x".to_owned()]).unwrap(),
        |client| client.owners = Patterns::default(),
        |client| client.runtimes = Patterns::of_runtimes(vec!["runtime:x".to_owned()]).unwrap(),
        |client| client.agents = Patterns::default(),
    ];
    for narrow in narrow {
        let mut client = everything();
        narrow(&mut client);
        let answer = fixture.get(&client, &format!("/v1/requests/{id}")).await;
        assert_eq!(answer.problem(), (404, "request_unknown".into()));
        assert!(ids(&fixture.get(&client, "/v1/requests").await.ok()).is_empty());
    }
    // Nor does anything work without the right.
    let mut client = everything();
    client
        .may
        .retain(|right| !matches!(right, Right::Requests | Right::Admin));
    for path in ["", "/x", "/view", "/events"].map(|path| path.replace("/x", &format!("/{id}"))) {
        let path = if path.len() > 8 || path.is_empty() {
            path
        } else {
            format!("/{id}{path}")
        };
        let answer = fixture.get(&client, &format!("/v1/requests{path}")).await;
        assert_eq!(answer.problem(), (403, "client_forbidden".into()), "{path}");
    }
    let answer = fixture.get(&client, "/v1/events").await;
    assert_eq!(answer.problem(), (403, "client_forbidden".into()));
    assert_eq!(fixture.records().await, records);
}

#[tokio::test]
async fn a_request_is_shown_in_full_and_its_view_is_what_votes_are_for() {
    let fixture = Fixture::new().await;
    let id = opened(&fixture, AGENT, "<script>alert(1)</script>", "a").await;
    let full = fixture.get(&everything(), &format!("/v1/requests/{id}")).await.ok();
    assert_eq!(full["state"], "pending");
    assert_eq!(full["request"]["id"], id.as_str());
    assert_eq!((&full["void"], &full["dropped"]), (&json!(false), &json!([])));
    let answer = fixture.get(&everything(), &format!("/v1/requests/{id}/view")).await;
    assert_eq!(answer.ok(), full["view"]);
    let hash = actionpass_canon::sha256(&answer.body);
    assert_eq!(full["shown"]["hash"], hash.to_string());

    let request = HttpRequest::get(format!("/v1/requests/{id}/view")).header(header::ACCEPT, "text/html");
    let page = fixture.send(&everything(), request.body(Body::empty()).unwrap()).await;
    let text = String::from_utf8(page.body).unwrap();
    assert!(text.contains("ap-view") && text.contains("&lt;script&gt;") && !text.contains("<script"));
    let policy = page
        .headers
        .get(header::CONTENT_SECURITY_POLICY)
        .unwrap()
        .to_str()
        .unwrap();
    assert!(policy.starts_with("default-src 'none';") && policy.contains("frame-ancestors 'none'"));
    assert_eq!(page.headers[header::VARY], "accept");

    fixture.vote(&id, VoteKind::Decline, "not today").await;
    let full = fixture.get(&everything(), &format!("/v1/requests/{id}")).await.ok();
    assert_eq!(full["declined"]["words"], "not today");
    assert_eq!(full["declined"]["by"], "user:maintainer@example.com");
    let token = fixture.gate.home.store.request(&id).await.unwrap().unwrap().tokens[0]
        .token
        .clone();
    assert!(!full.to_string().contains(&token));
}

#[tokio::test]
async fn votes_are_cast_by_their_token() {
    let fixture = Fixture::new().await;
    let id = opened(&fixture, AGENT, "one", "a").await;
    let other = opened(&fixture, AGENT, "two", "a").await;
    let client = only("messenger", Right::Requests, AGENT);
    let path = format!("/v1/requests/{id}/votes");
    let records = fixture.records().await;
    let foreign = fixture.ballot(&other, VoteKind::Approve, "yes").await;
    let answer = fixture.post(&client, &path, &json!({ "token": foreign })).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{:?}", answer.json());
    for body in [
        json!({}),
        json!({ "token": 1 }),
        json!({ "token": "x", "by": "user:x" }),
        json!([]),
        json!("x"),
    ] {
        let answer = fixture.post(&client, &path, &body).await;
        assert_eq!(answer.problem(), (400, "request_malformed".into()), "{body}");
    }
    let twice = fixture.send(&client, post(&path, r#"{"token":"x","token":"y"}"#)).await;
    assert_eq!(twice.problem(), (400, "member_duplicate".into()));
    let garbage = fixture.post(&client, &path, &json!({ "token": "x" })).await;
    assert_eq!(garbage.status, StatusCode::UNPROCESSABLE_ENTITY);
    let untyped = HttpRequest::post(&path).body(Body::from("{}")).unwrap();
    assert_eq!(
        fixture.send(&client, untyped).await.problem(),
        (415, "media_type_unsupported".into())
    );
    assert_eq!(fixture.records().await, records);

    let token = fixture.ballot(&id, VoteKind::Approve, "yes").await;
    let answer = fixture.post(&client, &path, &json!({ "token": token })).await.ok();
    assert_eq!((&answer["state"], &answer["missing"]), (&json!("approved"), &json!([])));
    let again = fixture.post(&client, &path, &json!({ "token": token })).await;
    assert_eq!(again.problem(), (409, "vote_repeated".into()));
    let no = fixture.ballot(&id, VoteKind::Decline, "no").await;
    // Whoever approved may think better of it, and that ends it.
    let declined = fixture.post(&client, &path, &json!({ "token": no })).await.ok();
    assert_eq!(declined["state"], "declined");
    let late = fixture.post(&client, &path, &json!({ "token": token })).await;
    assert_eq!(late.problem(), (409, "request_declined".into()));
    assert_eq!(fixture.records().await, records + 2);
}

#[tokio::test]
async fn a_request_is_cancelled_by_whoever_asked_or_an_administrator() {
    let fixture = Fixture::new().await;
    let cancel = |id: &RequestId, body: &'static str| {
        HttpRequest::post(format!("/v1/requests/{id}/cancel"))
            .body(Body::from(body))
            .unwrap()
    };
    let id = opened(&fixture, AGENT, "one", "asker").await;
    let records = fixture.records().await;
    let other = fixture
        .send(&only("other", Right::Requests, AGENT), cancel(&id, ""))
        .await;
    assert_eq!(other.problem(), (403, "client_forbidden".into()));
    let body = fixture
        .send(&only("asker", Right::Authorize, AGENT), cancel(&id, "{}"))
        .await;
    assert_eq!(body.problem(), (400, "request_malformed".into()));
    assert_eq!(fixture.records().await, records);

    let own = fixture
        .send(&only("asker", Right::Authorize, AGENT), cancel(&id, ""))
        .await
        .ok();
    assert_eq!(own["state"], "cancelled");
    assert_eq!(fixture.last_record().await["body"]["principal"], "service:asker");
    let again = fixture
        .send(&only("asker", Right::Authorize, AGENT), cancel(&id, ""))
        .await;
    assert_eq!(again.problem(), (409, "request_cancelled".into()));

    let id = opened(&fixture, AGENT, "two", "asker").await;
    let done = fixture
        .send(&only("root", Right::Admin, AGENT), cancel(&id, ""))
        .await
        .ok();
    assert_eq!(done["state"], "cancelled");
}

#[tokio::test]
async fn a_hold_is_lifted_by_an_administrator() {
    let fixture = Fixture::new().await;
    let mut last = None;
    for number in 0..3 {
        let id = opened(&fixture, AGENT, &format!("{number}"), "a").await;
        fixture.vote(&id, VoteKind::Decline, "no").await;
        last = Some(id);
    }
    let lift = || {
        HttpRequest::post(format!("/v1/requests/{}/lift", last.as_ref().unwrap()))
            .body(Body::empty())
            .unwrap()
    };
    let refused = fixture.send(&only("x", Right::Requests, AGENT), lift()).await;
    assert_eq!(refused.problem(), (403, "client_forbidden".into()));
    let root = only("root", Right::Admin, AGENT);
    let lifted = fixture.send(&root, lift()).await.ok();
    assert_eq!((&lifted["lifted"], &lifted["agent"]), (&json!(true), &json!(AGENT)));
    assert_eq!(fixture.last_record().await["body"]["principal"], "service:root");
    assert_eq!(fixture.send(&root, lift()).await.ok()["lifted"], json!(false));
}

/// A stream as it is read, event by event.
struct Reader {
    body: BodyDataStream,
    text: String,
}

impl Reader {
    async fn open(fixture: &Fixture, client: &Client, path: &str, last: Option<u64>) -> Self {
        let mut request = HttpRequest::get(path);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response: Response = fixture.open(client, request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        Self {
            body: response.into_body().into_data_stream(),
            text: String::new(),
        }
    }

    /// The next event: id, name, data. `None` at the end.
    async fn next(&mut self) -> Option<(Option<u64>, String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name).map(str::trim));
                if let Some(data) = field("data:") {
                    let id = field("id:").map(|id| id.parse().unwrap());
                    return Some((id, field("event:").unwrap().to_owned(), crate::testing::value(data)));
                }
                continue;
            }
            let piece = tokio::time::timeout(Duration::from_secs(20), self.body.next())
                .await
                .unwrap()?;
            self.text.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
        }
    }

    async fn names(&mut self, count: usize) -> Vec<(u64, String)> {
        let mut names = Vec::new();
        while names.len() < count {
            let (id, name, _) = self.next().await.unwrap();
            names.push((id.unwrap(), name));
        }
        names
    }
}

#[tokio::test]
async fn one_client_leaves_streams_to_others() {
    let fixture = Fixture::configured(|home| {
        let path = home.path("config.toml");
        let config = std::fs::read_to_string(&path).unwrap();
        let limits = "[serve.limits]\nstreams = 3\nstreams_per_client = 2\n";
        std::fs::write(&path, format!("{config}\n{limits}")).unwrap();
    })
    .await;
    let (one, other) = (
        only("one", Right::Requests, AGENT),
        only("other", Right::Requests, AGENT),
    );
    let held = [
        Reader::open(&fixture, &one, "/v1/events", None).await,
        Reader::open(&fixture, &one, "/v1/events", None).await,
    ];
    let ask = async |client: &Client| fixture.get(client, "/v1/events").await.problem();
    assert_eq!(ask(&one).await, (503, "overloaded".into()));
    let last = Reader::open(&fixture, &other, "/v1/events", None).await;
    assert_eq!(ask(&other).await, (503, "overloaded".into()));
    drop((held, last));
    assert_eq!(fixture.gate.front.load.streams(), 0);
    Reader::open(&fixture, &one, "/v1/events", None).await;
}

#[tokio::test]
async fn streams_tell_what_happens_and_resume_without_a_gap_or_a_duplicate() {
    let fixture = Fixture::new().await;
    let client = only("seer", Right::Requests, AGENT);
    let mut live = Reader::open(&fixture, &client, "/v1/events", None).await;
    let first = opened(&fixture, AGENT, "one", "a").await;
    opened(&fixture, OTHER_AGENT, "hidden", "b").await;
    fixture.vote(&first, VoteKind::Approve, "secret words").await;
    let second = opened(&fixture, AGENT, "two", "a").await;
    fixture.vote(&second, VoteKind::Decline, "secret words").await;
    let told = live.names(4).await;
    let names: Vec<&str> = told.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["opened", "approve", "opened", "decline"]);
    // From each of them on the rest comes once, in order.
    for (at, (seq, _)) in told.iter().enumerate() {
        let mut resumed = Reader::open(&fixture, &client, "/v1/events", Some(*seq)).await;
        let id = opened(&fixture, AGENT, &format!("behind {at}"), "a").await;
        let expected = told.iter().skip(at + 1).cloned();
        let rest: Vec<_> = resumed.names(told.len() - at - 1 + at + 1).await;
        assert!(rest.iter().map(|(seq, _)| seq).is_sorted_by(|one, other| one < other));
        assert_eq!(
            rest.iter().take(told.len() - at - 1).cloned().collect::<Vec<_>>(),
            expected.collect::<Vec<_>>()
        );
        let (_, _, data) = live.next().await.unwrap();
        assert_eq!(data["request"], id.as_str());
        assert!(!data.to_string().contains("secret") && data.get("payload").is_none());
    }

    let mut one = Reader::open(&fixture, &client, &format!("/v1/requests/{second}/events"), None).await;
    let (id, name, data) = one.next().await.unwrap();
    assert_eq!((id, name.as_str(), &data["state"]), (None, "state", &json!("declined")));
    for wrong in [
        u64::MAX.to_string(),
        "x".to_owned(),
        fixture.records().await.to_string(),
    ] {
        let request = HttpRequest::get("/v1/events").header("last-event-id", &wrong);
        let answer = fixture.send(&client, request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.problem(), (400, "request_malformed".into()), "{wrong}");
    }
    fixture.gate.events.stop();
    assert_eq!(live.next().await, None);
    assert_eq!(one.next().await, None);
}

#[tokio::test]
async fn who_reads_slowly_is_told_and_misses_nothing() {
    let fixture = Fixture::new().await;
    let client = only("seer", Right::Requests, AGENT);
    let mut slow = Reader::open(&fixture, &client, "/v1/events", None).await;
    // Nobody reads while more happens than is kept for those who are behind.
    let id = opened(&fixture, AGENT, "one", "a").await;
    let record = fixture.records_from(fixture.records().await - 1).await[0]
        .to_record()
        .unwrap();
    let event = actionpass_core::RequestEvent::of(&*fixture.gate.home.store, &record).await;
    let event = Arc::new(event.unwrap().unwrap());
    for _ in 0..2000 {
        fixture.gate.events.repeat(&event);
    }
    fixture.vote(&id, VoteKind::Decline, "no").await;
    let (id, name, data) = slow.next().await.unwrap();
    assert_eq!((id, name.as_str()), (None, "behind"));
    assert!(data["events"].as_u64().unwrap() > 900);
    let names: Vec<_> = slow.names(2).await.into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["opened", "decline"]);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_does_not_end_the_telling() {
    let fixture = Fixture::new().await;
    let mut heard = fixture.gate.events.subscribe();
    let id = opened(&fixture, AGENT, "one", "a").await;
    let next = async {
        tokio::time::timeout(Duration::from_secs(5), heard.recv())
            .await
            .unwrap()
            .unwrap()
    };
    assert_eq!(&*next.await.event, "opened");
    // Somebody puts something else where a record was, and the store has more.
    let store: Arc<dyn QueueStore> = Arc::clone(&fixture.gate.home.store) as _;
    let seq = fixture.records().await - 1;
    let path = fixture.folder().join("home").join("ledger.db");
    let events = Events::new(store);
    fixture.vote(&id, VoteKind::Approve, "yes").await;
    let connection = rusqlite::Connection::open(&path).unwrap();
    let changed = connection.execute(
        "UPDATE record SET json = '{}' WHERE seq = ?1",
        [i64::try_from(seq).unwrap()],
    );
    assert_eq!(changed.unwrap(), 1);
    drop(connection);
    let mut again = events.subscribe();
    let following = Arc::clone(&events);
    tokio::spawn(async move { following.follow(seq).await });
    let event = tokio::time::timeout(Duration::from_secs(5), again.recv())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&*event.event, "approve");
}

/// The thing that parked calls hold on to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_wake_up_is_lost_whenever_one_begins_to_wait() {
    use actionpass_core::RequestWatch as _;
    let fixture = Fixture::new().await;
    let watch = Watch(Arc::clone(&fixture.gate.events));
    for round in 0..40_u64 {
        let id = opened(&fixture, AGENT, &format!("round {round}"), "a").await;
        let mut waiting = Vec::new();
        for delay in 0..8_u64 {
            let (watch, id) = (watch.clone(), id.clone());
            waiting.push(tokio::spawn(async move {
                tokio::time::sleep(Duration::from_micros(delay * 400)).await;
                watch.moved(&id, 0).await;
            }));
        }
        // Cancelled, so that nothing holds the agent.
        fixture.gate.issuer.cancel(&id, None).await.unwrap();
        for waiting in waiting {
            tokio::time::timeout(Duration::from_secs(5), waiting)
                .await
                .unwrap()
                .unwrap();
        }
    }
    assert_eq!(fixture.gate.events.waiting(), 0);
}

#[tokio::test]
async fn a_vote_of_another_process_wakes_in_time_and_who_waits_costs_nothing() {
    use actionpass_core::RequestWatch as _;
    let fixture = Fixture::new().await;
    let id = opened(&fixture, AGENT, "one", "a").await;
    let watch = Watch(Arc::clone(&fixture.gate.events));
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..10_000 {
        waiting.spawn(watch.moved(&id, 0));
    }
    while fixture.gate.events.waiters(&id) < 10_000 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // A handle of its own, as another process has one: it doesn't tell this one's reader.
    let home = actionpass_home::Home::open(&fixture.folder().join("home")).unwrap();
    let other = actionpass_home::OpenHome::open(home).unwrap();
    let issuer = other.issuer_of_requests().await.unwrap();
    let before = cpu_time();
    tokio::time::sleep(Duration::from_secs(2)).await;
    // The reader looks out for records five times a second on a thread of its own, and nobody else does anything.
    let idle = cpu_time().saturating_sub(before);
    assert!(
        idle < Duration::from_millis(200),
        "{idle:?} of processor time in two seconds"
    );
    issuer.cancel(&id, None).await.unwrap();
    let begun = std::time::Instant::now();
    waiting.join_all().await;
    let woken = begun.elapsed();
    assert!(woken < Duration::from_millis(500), "{woken:?}");
    assert_eq!(issuer.review(&id).await.unwrap().state, RequestState::Cancelled);
}

/// The processor time of this thread, on which everybody waits; nothing where the system doesn't tell.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    // utime and stime, in hundredths of a second.
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|text| text.parse::<u64>().ok())
            .unwrap_or_default()
    };
    Duration::from_millis(ticks(11).saturating_add(ticks(12)).saturating_mul(10))
}
