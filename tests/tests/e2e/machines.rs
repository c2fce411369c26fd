//! Several machines on one database: two services and four executors, of which each sees at once what any of them changes, and
//! which are replaced one after the other without a call that is refused.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::action::{self, ALLOW, DENY, STEP_UP};
use crate::database::{LAX, copy_key, elsewhere, home};
use crate::home::{Home, MAINTAINER, key_file};
use crate::served::{ALL_RIGHTS, Answer, Served, ask, claims, client};

/// Within this everybody has to see a change. What the how-to promises is a second; a machine that runs other tests is slower.
const SEEN: Duration = Duration::from_secs(10);
/// How often each change is made.
const ROUNDS: usize = 3;
/// How often a client is added and removed: whoever is nobody for more than ten times within a minute is answered late.
const CLIENTS: usize = 2;

/// How long it took until a change was seen everywhere.
#[derive(Default)]
struct Times(Vec<(&'static str, Duration)>);

impl Times {
    /// Waits until something is so everywhere.
    #[track_caller]
    fn until(&mut self, what: &'static str, is_so: impl FnMut() -> bool) {
        self.until_each(what, Duration::from_millis(5), is_so);
    }

    /// The same, asked seldom: who fails to be a client too often is answered late.
    #[track_caller]
    fn until_each(&mut self, what: &'static str, pause: Duration, mut is_so: impl FnMut() -> bool) {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < SEEN, "not within {SEEN:?}: {what}");
            std::thread::sleep(pause);
        }
        self.saw(what, start.elapsed());
    }

    #[track_caller]
    fn saw(&mut self, what: &'static str, took: Duration) {
        assert!(took < SEEN, "not within {SEEN:?}: {what}");
        self.0.push((what, took));
    }

    /// The median and the longest of each change.
    fn print(&self) {
        let names: BTreeSet<&str> = self.0.iter().map(|(name, _)| *name).collect();
        for name in names {
            let mut times: Vec<Duration> = self
                .0
                .iter()
                .filter(|(other, _)| *other == name)
                .map(|(_, time)| *time)
                .collect();
            times.sort();
            let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
            println!(
                "seen everywhere: {name}: median {median:?}, at most {longest:?}, {} times",
                times.len()
            );
        }
    }
}

fn vote<'a>(verb: &'a str, id: &'a str, key: &'a str) -> Vec<&'a str> {
    vec![
        "requests", verb, id, "--key", key, "--as", MAINTAINER, "--reason", "read it", "--yes",
    ]
}

fn pending(home: &Home) -> Option<String> {
    let listed = home.run(["requests", "list", "--state", "pending"]).exits(0).json();
    let first = listed["requests"].as_array().unwrap().first()?;
    Some(first["id"].as_str().unwrap().to_owned())
}

#[track_caller]
fn waiting(home: &Home) -> String {
    let start = Instant::now();
    loop {
        if let Some(id) = pending(home) {
            return id;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "no request waits");
    }
}

/// What four executors on two machines make of one pass at the same time: how many of them used it.
fn consumed(machines: &[&Home; 2], pass: &str, action: &str) -> usize {
    for home in machines {
        home.write(pass, machines[0].read(pass));
    }
    let children: Vec<_> = (0..4)
        .map(|number| {
            let home = machines[number % 2];
            let args = ["verify", "--token", pass, "--action", action, "--consume", "--json"];
            (home, home.command(args).spawn().unwrap())
        })
        .collect();
    let exits: Vec<i32> = children
        .into_iter()
        .map(|(home, child)| home.finish(child).exit)
        .collect();
    assert!(exits.iter().all(|exit| [0, 24].contains(exit)), "{exits:?}");
    exits.iter().filter(|exit| **exit == 0).count()
}

#[test]
fn what_one_machine_changes_all_see() {
    let (home, _) = home();
    home.approver(MAINTAINER, &["maintainer"]).exits(0);
    let token = client(&home, "all", ALL_RIGHTS);
    let starter = home.talk(["policy", "show"]).exits(0).stdout;
    home.write("starter.toml", starter);
    home.write("lax.toml", LAX);
    let other = elsewhere(&home);
    let (one, two) = (Served::start(&home, &token), Served::start(&other, &token));
    let (machines, services) = ([&home, &other], [&one, &two]);
    let key = key_file(MAINTAINER);
    let body = |file: &str| json!({ "action": action::read(&home, file) });
    let all = |is_so: &dyn Fn(&Answer) -> bool, file: &str| {
        services
            .iter()
            .all(|service| is_so(&service.post("/v1/authorize", &body(file))))
    };
    let decides = |decision: &'static str| move |answer: &Answer| answer.body["decision"] == decision;
    let mut times = Times::default();

    for round in 0..ROUNDS {
        let (here, there) = (machines[round % 2], machines[(round + 1) % 2]);
        let service = services[round % 2];
        // A call that waits on one machine, and what happens to its request on the other.
        for (what, verb, decision) in [("a vote", "approve", "allow"), ("a cancellation", "cancel", "step_up")] {
            let mut parked = body(STEP_UP);
            parked["wait"] = 60.into();
            let (answer, took) = std::thread::scope(|scope| {
                let asked = scope.spawn(|| (service.post("/v1/authorize", &parked), Instant::now()));
                let id = waiting(there);
                let args = match verb {
                    "cancel" => vec!["requests", "cancel", &id],
                    verb => vote(verb, &id, &key),
                };
                there.run(args).exits(0);
                let done = Instant::now();
                let (answer, at) = asked.join().unwrap();
                (answer, at.saturating_duration_since(done))
            });
            assert_eq!(answer.status, 200, "{answer:?}");
            if verb == "approve" {
                assert_eq!(answer.body["decision"], decision, "{answer:?}");
            } else {
                assert_ne!(answer.body["decision"], "allow", "{answer:?}");
            }
            times.saw(what, took);
        }
        // One pass for four executors, and one that is revoked.
        let pass = here.pass(ALLOW);
        assert_eq!(consumed(&[here, there], &pass, ALLOW), 1);
        let pass = here.pass(ALLOW);
        let token = here.read(&pass);
        let audience = &claims(&token)["aud"];
        let question = json!({ "token": token, "action": action::read(&home, ALLOW), "audience": audience, "tenant": "org:example" });
        let is_valid = |service: &Served| service.post("/v1/verify", &question).body["valid"] == true;
        assert!(services.iter().all(|service| is_valid(service)));
        let id = pass.strip_suffix(".jwt").unwrap();
        there
            .run(["revoke", "pass", id, "--reason", "no longer needed"])
            .exits(0);
        times.until("a revocation", || services.iter().all(|service| !is_valid(service)));
        // The policy, and who may ask.
        there.run(["policy", "put", "lax.toml"]).exits(0);
        times.until("a policy", || all(&decides("allow"), DENY));
        here.run(["policy", "put", "starter.toml"]).exits(0);
        times.until("a policy", || all(&decides("deny"), DENY));
        if round >= CLIENTS {
            continue;
        }
        let name = format!("c{round}");
        let new = client(there, &name, ALL_RIGHTS);
        let asks = |service: &Served| {
            let answer = ask(
                service.url()[7..].parse().unwrap(),
                &new,
                "GET",
                "/v1/requests",
                &[],
                "",
            );
            answer.expect("an answer").status
        };
        let seldom = Duration::from_millis(200);
        times.until_each("a new client", seldom, || {
            services.iter().all(|service| asks(service) == 200)
        });
        here.run(["clients", "remove", &name]).exits(0);
        times.until_each("a removed client", seldom, || {
            services.iter().all(|service| asks(service) == 403)
        });
    }

    // A key in a file is everywhere once its file is; what it supersedes signs nothing more at once.
    home.run(["keys", "rotate"]).exits(0);
    times.until("a superseded key", || {
        two.post("/v1/authorize", &body(ALLOW)).status == 503
    });
    copy_key(&home, &other);
    times.until("a new key", || all(&decides("allow"), ALLOW));
    times.print();
    for home in machines {
        assert_eq!(
            home.run(["ledger", "verify"]).exits(0).json()["valid"],
            Value::Bool(true)
        );
        home.run(["doctor"]).exits(0);
    }
}

/// The machines behind a load balancer that knows no more than where they listen.
struct Balanced<'a> {
    addresses: [Mutex<Option<SocketAddr>>; 2],
    token: &'a str,
    next: AtomicUsize,
    /// How often a machine was found to be going.
    passed_on: AtomicUsize,
}

impl Balanced<'_> {
    /// Asks one machine after the other, and the other where that one isn't there or says that it stops.
    #[track_caller]
    fn ask(&self, key: &str, body: &str) -> Answer {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        for number in [first, first + 1] {
            let address = *self.addresses[number % 2].lock().unwrap();
            let headers = [("Idempotency-Key", key)];
            let asked = address.and_then(|address| ask(address, self.token, "POST", "/v1/authorize", &headers, body));
            match asked {
                Some(answer) if answer.status == 503 && answer.body["code"] == "stopping" => {}
                Some(answer) => return answer,
                None => {}
            }
            self.passed_on.fetch_add(1, Ordering::Relaxed);
        }
        panic!("no machine answered {key}");
    }
}

#[test]
fn machines_are_replaced_one_after_the_other_and_no_call_is_refused() {
    let (home, _) = home();
    let token = client(&home, "all", ALL_RIGHTS);
    let other = elsewhere(&home);
    let machines = [&home, &other];
    let mut services = machines.map(|home| Some(Served::start(home, &token)));
    let address = |service: &Option<Served>| Some(service.as_ref()?.url()[7..].parse().unwrap());
    let balanced = Balanced {
        addresses: [Mutex::new(address(&services[0])), Mutex::new(address(&services[1]))],
        token: &token,
        next: AtomicUsize::new(0),
        passed_on: AtomicUsize::new(0),
    };
    let body = json!({ "action": action::read(&home, ALLOW) }).to_string();
    let is_over = AtomicBool::new(false);
    let calls = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|caller| {
                let (balanced, body, is_over) = (&balanced, &body, &is_over);
                scope.spawn(move || {
                    let mut calls = 0_u32;
                    while !is_over.load(Ordering::Relaxed) {
                        // An id of its own for each call, as a caller that may ask twice states one.
                        let key = format!("{caller:08x}-0000-4000-8000-{calls:012x}");
                        let answer = balanced.ask(&key, body);
                        assert_eq!(
                            (answer.status, &answer.body["decision"]),
                            (200, &json!("allow")),
                            "{answer:?}"
                        );
                        calls += 1;
                    }
                    calls
                })
            })
            .collect();
        // Whatever fails here, the callers end.
        let replaced = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..4 {
                let at = round % 2;
                let service = services[at].take().unwrap();
                // The new release brings its tables along before its first front end starts; this one has nothing to bring.
                machines[at].run(["store", "migrate"]).exits(0);
                service.stop();
                *balanced.addresses[at].lock().unwrap() = None;
                let service = Some(Served::start(machines[at], &token));
                *balanced.addresses[at].lock().unwrap() = address(&service);
                services[at] = service;
            }
        }));
        is_over.store(true, Ordering::Relaxed);
        let calls: u32 = callers.into_iter().map(|caller| caller.join().unwrap()).sum();
        replaced.unwrap();
        calls
    });
    let passed_on = balanced.passed_on.load(Ordering::Relaxed);
    println!(
        "{calls} calls while both machines were replaced twice, {passed_on} of them passed on to the other machine, 0 refused"
    );
    assert!(calls > 0);
    let decisions = home.decisions();
    assert_eq!(
        decisions.len(),
        usize::try_from(calls).unwrap(),
        "a call is decided once"
    );
    assert_eq!(
        home.run(["ledger", "verify"]).exits(0).json()["valid"],
        Value::Bool(true)
    );
}
