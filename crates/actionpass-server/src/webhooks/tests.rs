//! Receivers that the tests are: what arrives, what is tried again, what is dropped.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver as Waiting, channel};
use std::time::{Duration, Instant};

use actionpass_home::{Home, WebhookFormat};
use actionpass_model::WebOrigin;
use actionpass_testkit::fixtures;
use base64ct::{Base64, Encoding as _};
use serde_json::Value;

use super::*;
use crate::testing::Fixture;

/// What a receiver was posted.
struct Posted {
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Posted {
    fn header(&self, name: &str) -> &str {
        let mut found = self.headers.iter().filter(|(header, _)| header == name);
        let value = &found.next().unwrap_or_else(|| panic!("no {name}")).1;
        assert!(found.next().is_none());
        value
    }
}

/// A receiver that answers these, the last of them for ever.
fn receiver(answers: &'static [&'static str]) -> (String, Waiting<Posted>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (posted, waiting) = channel();
    std::thread::spawn(move || {
        for (at, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut headers, mut line) = (Vec::new(), String::new());
            reader.read_line(&mut line).unwrap();
            assert!(line.starts_with("POST /hook "), "{line}");
            loop {
                line.clear();
                reader.read_line(&mut line).unwrap();
                let Some((name, value)) = line.trim_end().split_once(": ") else {
                    break;
                };
                headers.push((name.to_ascii_lowercase(), value.to_owned()));
            }
            let length = headers.iter().find(|(name, _)| name == "content-length");
            let mut body = vec![0; length.unwrap().1.parse().unwrap()];
            reader.read_exact(&mut body).unwrap();
            let answer = answers.get(at).or(answers.last()).unwrap();
            // Before the answer: whoever has that may look at once.
            if posted.send(Posted { headers, body }).is_err() {
                return;
            }
            // Whoever asked may be gone.
            let _ = stream
                .write_all(format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").as_bytes());
        }
    });
    (url, waiting)
}

fn webhook(url: &str, more: &str) -> Webhook {
    let text = format!(
        "issuer = 'https://issuer.example'\ntenants = ['org:example']\n[signing]\nkey = 'file:a.pem'\n\
         [[webhook]]\nname = 'test'\nurl = '{url}'\nsecret = 'env:NONE'\ndangerously_permit_plain_http = true\n{more}"
    );
    let config = Config::parse(&text, std::path::Path::new("config.toml")).unwrap();
    config.webhooks()[0].clone()
}

fn delivery(webhook: &Webhook) -> Delivery {
    let mut delivery = Delivery::open(webhook, Some(Secret::of(vec![7; 32])), Path::new("/")).unwrap();
    delivery.first_wait = Duration::from_millis(20);
    delivery.tried_for = Duration::from_secs(1);
    delivery
}

async fn message(fixture: &Fixture) -> Message {
    let action = fixtures::admit(actionpass_policy::EXAMPLE_STEP_UP);
    let caller = fixtures::caller(action.action());
    let mut heard = fixture.gate.events.subscribe();
    let _ = fixture
        .gate
        .issuer
        .authorize(actionpass_core::Request::new(action, caller))
        .await
        .unwrap();
    let event = heard.recv().await.unwrap();
    Message::of(
        &event,
        &fixtures::issuer(),
        &WebOrigin::parse("https://gate.example").unwrap(),
    )
}

/// The vector of the Standard Webhooks specification and its libraries.
#[test]
fn signatures_are_those_of_standard_webhooks() {
    let secret = Secret::of(Base64::decode_vec("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap());
    let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b"{\"test\": 2432232314}");
    assert_eq!(signature.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    assert!(!format!("{secret:?}").contains('7'));
}

#[tokio::test]
async fn a_message_is_signed_anew_for_each_attempt_and_tried_until_it_is_taken() {
    let fixture = Fixture::new().await;
    let message = message(&fixture).await;
    let (url, waiting) = receiver(&["500 Oops", "302 Found", "204 No Content"]);
    let delivery = delivery(&webhook(&url, ""));
    assert!(
        tokio::task::spawn_blocking(move || {
            assert!(delivery.deliver(&message, &Stop::default()));
            true
        })
        .await
        .unwrap()
    );
    let all: Vec<Posted> = waiting.try_iter().collect();
    assert_eq!(all.len(), 3);
    for posted in &all {
        let id = posted.header("webhook-id");
        assert_eq!(id, all[0].header("webhook-id"));
        let seconds: u64 = posted.header("webhook-timestamp").parse().unwrap();
        let expected = Secret::of(vec![7; 32]).sign(id, seconds, &posted.body).unwrap();
        assert_eq!(posted.header("webhook-signature"), expected);
        assert_eq!(posted.header("content-type"), "application/json");
        let body: Value = serde_json::from_slice(&posted.body).unwrap();
        assert_eq!(body["type"], "request.opened");
        assert!(!String::from_utf8_lossy(&posted.body).contains("Fix the retry loop"));
    }
}

#[tokio::test]
async fn what_is_not_taken_is_dropped_in_bounded_time() {
    let fixture = Fixture::new().await;
    let message = Arc::new(message(&fixture).await);
    let given_up = |answers, message: Arc<Message>| {
        tokio::task::spawn_blocking(move || {
            let (url, waiting) = receiver(answers);
            let begun = Instant::now();
            assert!(!delivery(&webhook(&url, "")).deliver(&message, &Stop::default()));
            (begun.elapsed(), waiting.try_iter().count())
        })
    };
    let (took, attempts) = given_up(&["503 Busy"], Arc::clone(&message)).await.unwrap();
    assert!(
        took < Duration::from_secs(2) && (4..=12).contains(&attempts),
        "{took:?} {attempts}"
    );
    let (_, attempts) = given_up(&["410 Gone"], Arc::clone(&message)).await.unwrap();
    assert_eq!(attempts, 1);
    // Plain http is for this machine alone, whatever a name leads to; and TLS isn't for this machine unless it is said.
    for (url, more) in [
        ("https://127.0.0.1:9/hook", ""),
        ("https://localhost:9/hook", ""),
        ("https://[::1]:9/x", "networks = ['10.0.0.0/8']"),
    ] {
        let (webhook, message) = (webhook(url, more), Arc::clone(&message));
        let why = tokio::task::spawn_blocking(move || delivery(&webhook).why(&message))
            .await
            .unwrap();
        assert!(why.contains("is not public"), "{why}");
    }
}

#[tokio::test]
async fn receivers_are_told_of_what_they_want_and_none_waits_for_another() {
    let (slow, _held) = receiver(&["503 Busy"]);
    let (url, waiting) = receiver(&["200 OK"]);
    // Relative to the home, from wherever the service was started.
    let secret = "secret = 'file:webhook.secret'\ndangerously_permit_plain_http = true\n";
    let fixture = Fixture::configured(|home: &Home| {
        let path = home.path("webhook.secret");
        std::fs::write(&path, format!("whsec_{}\n", Base64::encode_string(&[9; 32]))).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let config = home.path("config.toml");
        let mut text = std::fs::read_to_string(&config).unwrap();
        text.push_str(&format!("[[webhook]]\nname = 'slow'\nurl = '{slow}'\n{secret}"));
        text.push_str(&format!(
            "[[webhook]]\nname = 'fast'\nurl = '{url}'\nevents = ['decline']\n{secret}"
        ));
        std::fs::write(&config, text).unwrap();
    })
    .await;
    let webhooks = Webhooks::open(
        &fixture.gate.home.config,
        fixture.gate.home.home.root(),
        fixture.gate.front.origin.clone(),
    )
    .unwrap();
    let counts = webhooks.counts();
    webhooks.start(&fixture.gate.events);
    let action = fixtures::admit(actionpass_policy::EXAMPLE_STEP_UP);
    let caller = fixtures::caller(action.action());
    let answer = fixture
        .gate
        .issuer
        .authorize(actionpass_core::Request::new(action, caller))
        .await
        .unwrap();
    fixture
        .vote(
            &answer.request.unwrap().id,
            actionpass_model::VoteKind::Decline,
            "secret words",
        )
        .await;
    let posted = tokio::task::spawn_blocking(move || waiting.recv_timeout(Duration::from_secs(10)))
        .await
        .unwrap()
        .unwrap();
    let body: Value = serde_json::from_slice(&posted.body).unwrap();
    assert_eq!(body["type"], "request.decline");
    assert!(!body.to_string().contains("secret words"));
    for _ in 0..200 {
        if counts.delivered() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!((counts.delivered(), counts.dropped()), (1, 0));
    fixture.gate.events.stop();
}

#[test]
fn a_webhook_without_its_secret_is_not_begun_with() {
    let text = "issuer = 'https://issuer.example'\ntenants = ['org:example']\n[signing]\nkey = 'file:a.pem'\n\
                [[webhook]]\nname = 'x'\nurl = 'https://h.example/'\nsecret = 'env:ACTIONPASS_TEST_NO_SUCH_SECRET'\n";
    let config = Config::parse(text, std::path::Path::new("config.toml")).unwrap();
    let error = Webhooks::open(
        &config,
        Path::new("/"),
        WebOrigin::parse("https://gate.example").unwrap(),
    )
    .unwrap_err();
    assert_eq!(actionpass_model::CodedError::code(&error).as_str(), "secret_missing");
    assert_eq!(
        webhook("http://127.0.0.1:9/", "format = 'slack'").format,
        WebhookFormat::Slack
    );
}
