//! The page of several machines on one database: whoever signs in at one is signed in at all, and what may be done once is done
//! once among them.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use actionpass_crypto::webauthn::Assertion;
use actionpass_servers::postgres::Postgres;
use actionpass_testkit::Authenticator;
use actionpass_testkit::fixtures::FixtureKey;
use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde_json::{Value, json};

use crate::action::STEP_UP;
use crate::database::{elsewhere, server};
use crate::home::{Home, ISSUER};
use crate::passkeys::{MAYA, PAGE};
use crate::served::{ALL_RIGHTS, Served, client};
use crate::support::until;

const ORIGIN: &str = PAGE[3];
const SESSION: &str = "__Host-actionpass-session";

/// A home in a database whose page has an origin that no machine listens at, and which believes Maya's passkey.
fn home(url: &str) -> Home {
    let home = Home::none();
    home.run(["init", "--issuer", ISSUER, "--store", url]).exits(0);
    let config = home.read("home/config.toml");
    home.write(
        "home/config.toml",
        format!("{config}\n[serve]\norigin = \"{ORIGIN}\"\n"),
    );
    let jwk = serde_json::to_vec(&FixtureKey::PASSKEY.public_key().to_jwk()).unwrap();
    home.write("passkey.jwk", jwk);
    let who = ["trust", "add", "passkey.jwk", "--use", "approval", "--principal", MAYA];
    home.run([&who[..], &["--role", "maintainer"], &PAGE].concat()).exits(0);
    home
}

fn shared() -> (Home, String) {
    let name = crate::database::database();
    (home(&server().url(&name)), name)
}

/// What a machine answered a browser.
#[derive(Debug)]
struct Told {
    status: u16,
    cookies: Vec<(String, String)>,
    body: String,
}

impl Told {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// The status, and the code of a problem.
    #[track_caller]
    fn problem(&self) -> (u16, String) {
        (self.status, self.json()["code"].as_str().unwrap().to_owned())
    }
}

/// Maya's browser, which a load balancer sends to whichever machine.
#[derive(Clone)]
struct Browser {
    passkey: Authenticator,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    fn new() -> Self {
        Self {
            passkey: Authenticator::new(),
            cookies: BTreeMap::new(),
        }
    }

    #[track_caller]
    fn ask(&self, at: &Served, method: &str, path: &str, headers: &str, body: &str) -> Told {
        let address: SocketAddr = at.url()[7..].parse().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(90))).unwrap();
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nCookie: {}\r\nContent-Length: {}\r\n{headers}\r\n{body}",
            &ORIGIN["https://".len()..],
            cookies.join("; "),
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let set = head.lines().filter_map(|line| {
            let (name, value) = line.split_once(": ")?;
            let (name, value) = value
                .split(';')
                .next()
                .filter(|_| name == "set-cookie")?
                .split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        });
        Told {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            cookies: set.collect(),
            body: body.to_owned(),
        }
    }

    /// The same, keeping cookies.
    #[track_caller]
    fn kept(&mut self, told: Told) -> Told {
        for (name, value) in &told.cookies {
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.clone(), value.clone());
            }
        }
        told
    }

    #[track_caller]
    fn get(&self, at: &Served, path: &str) -> Told {
        self.ask(at, "GET", path, "", "")
    }

    /// As somebody who opens it.
    #[track_caller]
    fn open(&self, at: &Served, path: &str) -> Told {
        self.ask(at, "GET", path, "Accept: text/html\r\n", "")
    }

    #[track_caller]
    fn post(&self, at: &Served, path: &str, body: &Value) -> Told {
        let headers = format!("Origin: {ORIGIN}\r\nContent-Type: application/json\r\n");
        self.ask(at, "POST", path, &headers, &body.to_string())
    }

    /// What a passkey signs to sign in, as a machine says.
    #[track_caller]
    fn challenge(&mut self, at: &Served) -> Assertion {
        let told = self.post(at, "/sign-in/challenge", &json!({}));
        let told = self.kept(told);
        assert_eq!(told.status, 200, "{told:?}");
        let challenge = told.json()["challenge"].as_str().unwrap().to_owned();
        let challenge = Base64UrlUnpadded::decode_vec(&challenge).unwrap();
        self.passkey.assert(&challenge.try_into().unwrap())
    }

    #[track_caller]
    fn enter(&self, at: &Served, assertion: &Assertion) -> Told {
        let mut body = parts(assertion);
        body["credential"] = json!(self.passkey.credential_id());
        self.post(at, "/sign-in", &body)
    }

    /// Begins to sign in at one machine and does so at another.
    #[track_caller]
    fn sign_in(&mut self, asked: &Served, answered: &Served) {
        let assertion = self.challenge(asked);
        let told = self.enter(answered, &assertion);
        assert_eq!(self.kept(told).status, 204);
        assert!(self.cookies.contains_key(SESSION));
    }

    #[track_caller]
    fn is_in(&self, at: &Served) -> bool {
        let told = self.get(at, "/");
        assert_eq!(told.status, 200, "{told:?}");
        told.body.contains("Sign out")
    }

    #[track_caller]
    fn sign_out(&self, at: &Served) -> Told {
        self.ask(at, "POST", "/sign-out", &format!("Origin: {ORIGIN}\r\n"), "")
    }

    /// What is to be signed to approve a request: the vote, once the passkey signed it.
    #[track_caller]
    fn ballot(&self, at: &Served, id: &str) -> Value {
        let told = self.post(at, &format!("/requests/{id}/ballot"), &json!({ "decision": "approve" }));
        assert_eq!(told.status, 200, "{told:?}");
        let answer = told.json();
        let challenge = actionpass_canon::sha256(answer["input"].as_str().unwrap().as_bytes());
        let mut vote = parts(&self.passkey.assert(challenge.as_bytes()));
        vote["ballot"] = answer["ballot"].clone();
        vote
    }
}

fn parts(assertion: &Assertion) -> Value {
    json!({
        "authenticatorData": Base64UrlUnpadded::encode_string(&assertion.authenticator_data),
        "clientDataJSON": Base64UrlUnpadded::encode_string(&assertion.client_data_json),
        "signature": Base64UrlUnpadded::encode_string(&assertion.signature),
    })
}

/// Asks both machines the same at once.
fn both(machines: [&Served; 2], ask: impl Fn(&Served) -> Told + Sync) -> Vec<Told> {
    std::thread::scope(|scope| {
        let asked = machines.map(|machine| {
            let ask = &ask;
            scope.spawn(move || ask(machine))
        });
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    })
}

fn waiting(home: &Home) -> String {
    let asked = home.run(["authorize", "--action", STEP_UP]).exits(11).json();
    asked["request"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn whoever_signs_in_at_one_machine_is_signed_in_at_all() {
    let (home, _) = shared();
    let token = client(&home, "all", ALL_RIGHTS);
    let other = elsewhere(&home);
    let (mut one, two) = (Served::start(&home, &token), Served::start(&other, &token));
    let mut maya = Browser::new();
    let id = waiting(&home);
    let path = format!("/requests/{id}");
    assert_eq!(maya.get(&two, &path).status, 401);

    // A challenge of one machine is answered at the other, and the same cookie reads and votes at both.
    maya.sign_in(&one, &two);
    for machine in [&one, &two] {
        assert!(maya.is_in(machine));
        let told = maya.get(machine, &path);
        assert_eq!(told.status, 200);
        assert!(told.body.contains("id=\"approve\""), "{told:?}");
    }
    let vote = maya.ballot(&one, &id);
    let voted = both([&one, &two], |machine| {
        maya.post(machine, &format!("{path}/vote"), &vote)
    });
    let counted: Vec<_> = voted.iter().filter(|told| told.status == 200).collect();
    assert_eq!(counted.len(), 1, "{voted:?}");
    assert_eq!(counted[0].json()["state"], "approved");
    let refused = voted.iter().find(|told| told.status != 200).unwrap();
    assert_eq!(refused.problem().1, "ballot_unknown");
    home.pass(STEP_UP);

    // The same assertion at both at once counts once.
    for _ in 0..5 {
        let mut again = maya.clone();
        let assertion = again.challenge(&one);
        let told = both([&one, &two], |machine| again.enter(machine, &assertion));
        let mut statuses: Vec<u16> = told.iter().map(|told| told.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 403], "{told:?}");
        let refused = told.iter().find(|told| told.status == 403).unwrap();
        assert_eq!(refused.problem().1, "sign_in_refused");
        // Nor later, at either.
        for machine in [&one, &two] {
            assert_eq!(again.enter(machine, &assertion).problem().1, "sign_in_refused");
        }
    }

    // Whoever signs out at one machine is out at the other, with a copy of the cookie too.
    assert!(maya.is_in(&two));
    assert_eq!(maya.sign_out(&one).status, 303);
    for machine in [&two, &one] {
        assert!(!maya.is_in(machine));
        assert_eq!(maya.get(machine, &path).status, 401);
        assert_eq!(maya.get(machine, "/live").problem(), (401, "signed_out".to_owned()));
    }

    // Whoever is removed is out at all, and one machine goes on without the other.
    maya.sign_in(&two, &one);
    one.kill();
    assert!(maya.is_in(&two));
    maya.sign_in(&two, &two);
    assert_eq!(maya.get(&two, &path).status, 200);
    home.run(["approvers", "remove", MAYA, "--reason", "left"]).exits(0);
    until("she is out", || !maya.is_in(&two));
}

/// A database that was put back signs nobody in who had signed out, and no challenge of before does.
#[test]
fn a_database_that_was_put_back_knows_no_session() {
    let (home, name) = shared();
    let token = client(&home, "all", ALL_RIGHTS);
    let service = Served::start(&home, &token);
    let mut maya = Browser::new();
    maya.sign_in(&service, &service);
    let mut late = Browser::new();
    let assertion = late.challenge(&service);
    service.stop();
    let count = |table: &str| server().sql(&name, &format!("SELECT count(*) FROM actionpass.{table}"));
    assert_eq!(count("page_session"), "1");
    home.run(["ledger", "restored"]).exits(0);
    let service = Served::start(&home, &token);
    assert!(!maya.is_in(&service));
    assert_eq!(late.enter(&service, &assertion).problem().1, "sign_in_refused");
    maya.sign_in(&service, &service);
    assert!(maya.is_in(&service));
    // What was lost altogether is an error, and neither a session nor the lack of one.
    server().sql(&name, "DROP TABLE actionpass.page_session");
    let told = maya.get(&service, "/");
    assert_eq!(told.problem(), (503, "store_schema_changed".to_owned()));
}

/// G15: while the database is away nobody is signed in, and nobody is sent to sign in.
#[test]
fn g15_a_page_without_its_database_answers_nobody() {
    let server = Postgres::start();
    server.create_database("home");
    let home = home(&server.url("home"));
    let token = client(&home, "all", ALL_RIGHTS);
    let service = Served::start(&home, &token);
    let mut maya = Browser::new();
    maya.sign_in(&service, &service);
    let id = waiting(&home);
    let vote = maya.ballot(&service, &id);
    let mut late = Browser::new();
    let assertion = late.challenge(&service);
    server.kill();
    let away = (503, "store_unavailable".to_owned());
    let path = format!("/requests/{id}");
    let decision = json!({ "decision": "approve" });
    let asks: [&(dyn Fn() -> Told + Sync); 8] = [
        &|| maya.get(&service, "/"),
        &|| maya.get(&service, &path),
        &|| maya.get(&service, "/live"),
        &|| maya.post(&service, &format!("{path}/ballot"), &decision),
        &|| maya.post(&service, &format!("{path}/vote"), &vote),
        &|| late.post(&service, "/sign-in/challenge", &json!({})),
        &|| late.enter(&service, &assertion),
        &|| maya.sign_out(&service),
    ];
    // At once: each of them waits for the database for as long as it may.
    let told = std::thread::scope(|scope| {
        let asked = asks.map(|ask| scope.spawn(ask));
        asked.map(|asked| asked.join().unwrap())
    });
    for told in told {
        assert_eq!(told.problem(), away, "{told:?}");
        assert!(told.cookies.is_empty(), "{told:?}");
    }
    let page = maya.open(&service, "/");
    assert_eq!(page.status, 503);
    assert!(page.body.contains("store_unavailable"), "{page:?}");
    assert!(!page.body.contains("Sign in with a passkey"), "{page:?}");
    // Nobody without a cookie is anybody, with a database or without.
    assert_eq!(Browser::new().get(&service, &path).status, 401);
    server.restart();
    until("the database is back", || maya.get(&service, "/").status == 200);
    assert!(maya.is_in(&service));
    let voted = maya.post(&service, &format!("{path}/vote"), &vote);
    assert_eq!(voted.json()["state"], "approved", "{voted:?}");
    assert_eq!(late.enter(&service, &assertion).status, 204);
    assert_eq!(maya.sign_out(&service).status, 303);
    assert!(!maya.is_in(&service));
}
