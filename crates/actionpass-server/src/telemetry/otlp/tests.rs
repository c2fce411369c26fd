//! A collector that the tests are: what it is sent, and what becomes of decisions when it takes nothing.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};

use actionpass_home::{ClientToken, HttpUrl, client_name};
use actionpass_policy::EXAMPLE_ALLOW;
use actionpass_store::Ledger as _;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue as Pair};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

use super::*;
use crate::serve::tests::Service;
use crate::testing::{Lines, everything};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// What a collector was posted: the path, the head as text, the body.
type Posted = Arc<Mutex<Vec<(String, String, Vec<u8>)>>>;

fn collector() -> (Otlp, Posted) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/otel/", listener.local_addr().unwrap());
    let posted = Posted::default();
    let log = Arc::clone(&posted);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                assert_ne!(reader.read_line(&mut head).unwrap(), 0);
            }
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let mut body = vec![0; length.unwrap().parse().unwrap()];
            reader.read_exact(&mut body).unwrap();
            let path = head.split(' ').nth(1).unwrap().to_owned();
            log.lock().unwrap().push((path, head, body));
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    (Otlp::new(HttpUrl::parse(&endpoint).unwrap()), posted)
}

/// One that accepts connections and never answers.
fn hanging() -> Otlp {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            held.push(stream);
        }
    });
    Otlp::new(HttpUrl::parse(&endpoint).unwrap())
}

/// A service that sends to a collector, and the token of a client of it.
async fn service(otlp: Otlp) -> (Service, ClientToken) {
    let service = Service::new(|settings| settings.otlp = Some(otlp)).await;
    let token = ClientToken::from_random(&[7; 32]);
    let mut client = everything();
    client.name = client_name("ci").unwrap();
    let home = &service.gate.home.home;
    home.add_client(&client.with_token(&token)).unwrap();
    (service, token)
}

/// A question that is allowed, with a trace.
fn question(token: &ClientToken, trace: &str) -> String {
    let body = format!("{{\"action\":{EXAMPLE_ALLOW}}}");
    format!(
        "POST /v1/authorize HTTP/1.1\r\nHOST\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         traceparent: {trace}\r\nContent-Length: {}\r\n\r\n{body}",
        token.as_str(),
        body.len()
    )
}

fn attributes(pairs: &[Pair]) -> Vec<(&str, String)> {
    let text = |value: &Option<AnyValue>| match value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("{other:?}"),
    };
    let told = pairs.iter().map(|pair| (pair.key.as_str(), text(&pair.value)));
    told.collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn spans(posted: &Posted) -> Vec<Span> {
    let posted = posted.lock().unwrap();
    let traces = posted.iter().filter(|(path, ..)| path == "/otel/v1/traces");
    let sent = traces.map(|(_, _, body)| ExportTraceServiceRequest::decode(body.as_slice()).unwrap());
    let resources = sent.flat_map(|sent| sent.resource_spans).inspect(|resource| {
        let resource = resource.resource.as_ref().unwrap();
        let told = attributes(&resource.attributes);
        assert!(told.contains(&("service.name", "actionpass".to_owned())), "{told:?}");
        assert!(
            told.contains(&("actionpass.issuer", "https://issuer.example".to_owned())),
            "{told:?}"
        );
    });
    resources
        .flat_map(|resource| resource.scope_spans)
        .flat_map(|scope| scope.spans)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_the_trace_of_the_record_and_nothing_that_was_asked() {
    let (otlp, posted) = collector();
    let (service, token) = service(otlp).await;
    assert_eq!(service.ask(&question(&token, TRACE)).await.status, 200);
    let record = service.gate.home.store.state().await.unwrap().head.size() - 1;
    let record = service.gate.home.store.read(record, 1).await.unwrap();
    let record: serde_json::Value = serde_json::from_slice(&record[0].json).unwrap();
    assert_eq!(record["trace"], TRACE);
    // Without a trace, of a caller that doesn't record its own, of a problem, and of whoever watches.
    assert_eq!(
        service
            .ask("GET /nowhere?token=hunter2 HTTP/1.1\r\nHOST\r\n\r\n")
            .await
            .status,
        404
    );
    assert_eq!(
        service
            .ask(&question(&token, &TRACE.replace("-01", "-00")))
            .await
            .status,
        200
    );
    assert_eq!(service.ask("GET /healthz HTTP/1.1\r\nHOST\r\n\r\n").await.status, 200);
    service.end().await.unwrap();

    let spans = spans(&posted);
    let [decided, refused] = spans.as_slice() else {
        panic!("{spans:?}")
    };
    assert_eq!(decided.name, "POST /v1/authorize");
    assert_eq!(
        format!("00-{}-{}-01", hex(&decided.trace_id), hex(&decided.parent_span_id)),
        TRACE
    );
    assert!(decided.end_time_unix_nano > decided.start_time_unix_nano);
    assert_eq!(
        attributes(&decided.attributes),
        [
            ("http.request.method", "POST".to_owned()),
            ("http.route", "/v1/authorize".to_owned()),
            ("http.response.status_code", "200".to_owned()),
            ("actionpass.client", "ci".to_owned()),
            ("actionpass.decision", "allow".to_owned()),
        ]
    );
    assert_eq!(refused.name, "GET none");
    assert!(refused.parent_span_id.iter().all(|byte| *byte == 0) && refused.trace_id != decided.trace_id);
    assert!(attributes(&refused.attributes).contains(&("error.type", "route_unknown".to_owned())));

    let posted = posted.lock().unwrap_or_else(PoisonError::into_inner);
    let action: serde_json::Value = serde_json::from_str(EXAMPLE_ALLOW).unwrap();
    let title = action["capability"]["payload"]["title"].as_str().unwrap();
    for (_, head, body) in posted.iter() {
        assert!(head.contains("content-type: application/x-protobuf") && !head.contains("authorization"));
        let body = String::from_utf8_lossy(body);
        for secret in [
            title,
            "team:ENG",
            token.as_str(),
            "hunter2",
            "eyJ",
            "agent:",
            "rule_allowed",
        ] {
            assert!(!body.contains(secret), "{secret}: {body}");
        }
    }
    let last = posted.iter().rfind(|(path, ..)| path == "/otel/v1/metrics").unwrap();
    let sent = ExportMetricsServiceRequest::decode(last.2.as_slice()).unwrap();
    let scopes = sent
        .resource_metrics
        .into_iter()
        .flat_map(|resource| resource.scope_metrics);
    let metrics: Vec<_> = scopes.flat_map(|scope| scope.metrics).collect();
    let of = |name: &str| {
        metrics
            .iter()
            .find(|metric| metric.name == name)
            .unwrap()
            .data
            .clone()
            .unwrap()
    };
    let Data::Sum(decisions) = of("actionpass.decisions") else {
        panic!()
    };
    let [point] = decisions.data_points.as_slice() else {
        panic!("{decisions:?}")
    };
    assert_eq!(attributes(&point.attributes), [("outcome", "allow".to_owned())]);
    assert_eq!(point.value, Some(Number::AsInt(2)));
    let Data::Histogram(seconds) = of("http.server.request.duration") else {
        panic!()
    };
    let routes: Vec<_> = seconds
        .data_points
        .iter()
        .map(|point| {
            // In whatever order they come.
            let mut told = attributes(&point.attributes);
            told.sort_unstable();
            (told, point.count)
        })
        .collect();
    let asked = [
        ("http.request.method", "POST"),
        ("http.response.status_code", "200"),
        ("http.route", "/v1/authorize"),
    ];
    assert!(
        routes.contains(&(asked.map(|(key, value)| (key, value.to_owned())).to_vec(), 2)),
        "{routes:?}"
    );
    let Data::Gauge(_) = of("actionpass.connections") else {
        panic!()
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_delays_no_decision_and_costs_only_what_it_was_to_be_told() {
    let (service, token) = service(hanging()).await;
    let begun = Instant::now();
    for _ in 0..20 {
        assert_eq!(service.ask(&question(&token, TRACE)).await.status, 200);
    }
    let telemetry = service.gate.front.telemetry.as_ref().unwrap();
    let told = Answered {
        method: "GET",
        route: "/v1/trust",
        status: 200,
        code: None,
        client: None,
        decision: None,
        trace: None,
        took: Duration::from_millis(1),
    };
    for _ in 0..2 * QUEUE {
        telemetry.answered(&told);
    }
    assert!(begun.elapsed() < TIME / 2, "{:?}", begun.elapsed());
    assert!(
        telemetry.dropped() >= u64::try_from(QUEUE - BATCH - 20).unwrap(),
        "{}",
        telemetry.dropped()
    );
    let dropped = telemetry.dropped();
    let gate = Arc::clone(&service.gate);
    let stopping = Instant::now();
    service.end().await.unwrap();
    assert!(
        stopping.elapsed() < LAST + Duration::from_secs(2),
        "{:?}",
        stopping.elapsed()
    );
    assert!(gate.front.telemetry.as_ref().unwrap().dropped() >= dropped);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_collector_is_authorized_by_is_sent_and_shown_to_nobody() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "Bearer hunter2\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (mut otlp, posted) = collector();
    otlp.authorization = Some(format!("file:{}", path.display()).parse().unwrap());
    let known = Collector::of(&otlp).unwrap();
    assert!(!format!("{known:?}").contains("hunter2"));
    let (service, _) = service(otlp.clone()).await;
    service.end().await.unwrap();
    let posted = posted.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(
        posted
            .iter()
            .all(|(_, head, _)| head.contains("authorization: bearer hunter2"))
    );
    assert!(!posted.is_empty());
    std::fs::write(&path, "a\u{7f}b").unwrap();
    for broken in [path.clone(), folder.path().join("none")] {
        otlp.authorization = Some(format!("file:{}", broken.display()).parse().unwrap());
        assert!(
            matches!(Collector::of(&otlp), Err(ServeError::Otlp { .. })),
            "{broken:?}"
        );
    }
    let mut tls = Otlp::new(HttpUrl::parse("https://collector.example").unwrap());
    tls.ca = Some(path);
    let error = Collector::of(&tls).unwrap_err();
    assert_eq!(actionpass_model::CodedError::code(&error).as_str(), "ca_unusable");
}

#[test]
fn a_collector_that_is_away_is_two_lines_of_the_log() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(lines.clone())
        .with_ansi(false)
        .finish();
    let signal = Signal::new("traces");
    tracing::subscriber::with_default(subscriber, || {
        signal.taken();
        for _ in 0..3 {
            signal.lose(5, &"it is away");
        }
        // Something was lost since the last time, so it isn't well yet.
        signal.taken();
        signal.taken();
        signal.taken();
    });
    assert_eq!(signal.dropped(), 15);
    let text = String::from_utf8(lines.lock().clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        matches!(lines.as_slice(), [failing, well]
        if failing.contains("ERROR") && failing.contains("it is away") && well.contains("dropped=15")),
        "{text}"
    );
}
