//! What the service does when the machine under it fails: 503 or the right answer, never a wrong one.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use actionpass_servers::openbao::OpenBao;
use serde_json::{Value, json};

use super::{ALL_RIGHTS, Answer, Served, client, serve};
use crate::action::{self, ALLOW, DENY, STEP_UP};
use crate::custodians::sign_with;
use crate::home::{Home, MAINTAINER};
use crate::program::actionpass;
use crate::support::until;

/// Callers that ask at once.
const CALLERS: usize = 4;

/// What became of a question with this action id.
type Answers = Mutex<BTreeMap<String, Vec<Answer>>>;

fn with_id(action: &Value, id: &str) -> Value {
    let mut action = action.clone();
    action["id"] = json!(id);
    json!({ "action": action })
}

/// The one right answer to an action that policy allows, or that a part failed.
#[track_caller]
fn is_right(answer: &Answer, expected: &str) -> bool {
    match answer.status {
        200 => {
            assert_eq!(answer.body["decision"], expected, "{answer:?}");
            assert_eq!(answer.body["pass"].is_object(), expected == "allow", "{answer:?}");
            true
        }
        503 => {
            assert!(
                answer.body["code"].is_string() && answer.body.get("pass").is_none(),
                "{answer:?}"
            );
            false
        }
        _ => panic!("neither an answer nor unavailable: {answer:?}"),
    }
}

/// Each id that was answered has one pass, whoever was answered and when, and the ledger has it.
fn one_pass_each(home: &Home, answers: &BTreeMap<String, Vec<Answer>>) {
    let mut recorded = BTreeMap::new();
    for body in home.decisions() {
        if let Some(pass) = body.get("pass") {
            let id = body["actionId"].as_str().unwrap().to_owned();
            assert_eq!(recorded.insert(id, pass["id"].clone()), None, "a second pass: {body}");
        }
    }
    for (id, answers) in answers {
        for answer in answers.iter().filter(|answer| answer.status == 200) {
            assert_eq!(recorded.get(id), Some(&answer.body["pass"]["id"]), "{id}");
        }
    }
    home.run(["ledger", "verify"]).exits(0);
}

#[test]
fn killed_under_load_it_keeps_what_it_answered_and_a_retry_gets_the_same() {
    let home = Home::with_maintainer();
    let token = client(&home, "load", ALL_RIGHTS);
    let allow = action::read(&home, ALLOW);
    let answers = Answers::default();
    for round in 0..4 {
        let mut served = Served::start(&home, &token);
        thread::scope(|scope| {
            for caller in 0..CALLERS {
                let (served, answers, allow) = (&served, &answers, &allow);
                scope.spawn(move || {
                    for number in 0.. {
                        let id = action::id(round * 100_000 + caller * 10_000 + number);
                        let body = with_id(allow, &id).to_string();
                        let Some(answer) = served.try_ask("POST", "/v1/authorize", &[], &body) else {
                            answers.lock().unwrap().entry(id).or_default();
                            break;
                        };
                        assert!(
                            is_right(&answer, "allow"),
                            "nothing fails here but the process: {answer:?}"
                        );
                        answers.lock().unwrap().entry(id).or_default().push(answer);
                    }
                });
            }
            let pid = served.pid().to_string();
            scope.spawn(move || {
                thread::sleep(Duration::from_millis(150 + 130 * round as u64));
                Command::new("kill").args(["-9", &pid]).status().unwrap();
            });
        });
        served.kill();
    }

    // Whoever got no answer asks again, and whoever got one gets it again.
    let served = Served::start(&home, &token);
    let mut answers = answers.into_inner().unwrap();
    assert!(answers.values().filter(|answers| answers.is_empty()).count() >= CALLERS);
    assert!(answers.len() > 20, "it answered {} questions", answers.len());
    for (id, answers) in &mut answers {
        let again = served.post("/v1/authorize", &with_id(&allow, id));
        assert!(is_right(&again, "allow"));
        answers.push(again);
    }
    drop(served);
    one_pass_each(&home, &answers);
}

#[test]
fn a_parked_call_goes_on_after_a_restart_by_asking_again() {
    let home = Home::with_maintainer();
    let token = client(&home, "agent", ALL_RIGHTS);
    let body = json!({ "action": action::read(&home, STEP_UP), "wait": 60 });
    let mut served = Served::start(&home, &token);
    let pending = |home: &Home| {
        let listed = home.run(["requests", "list", "--state", "pending"]).exits(0).json();
        listed["requests"].as_array().unwrap().clone()
    };
    thread::scope(|scope| {
        let parked = scope.spawn(|| served.try_ask("POST", "/v1/authorize", &[], &body.to_string()));
        until("it waits", || pending(&home).len() == 1);
        let pid = served.pid().to_string();
        Command::new("kill").args(["-9", &pid]).status().unwrap();
        assert!(parked.join().unwrap().is_none(), "a killed process answers nothing");
    });
    served.kill();

    let served = Served::start(&home, &token);
    thread::scope(|scope| {
        let again = scope.spawn(|| served.post("/v1/authorize", &body));
        let requests = pending(&home);
        let [request] = requests.as_slice() else {
            panic!("{requests:?}")
        };
        let id = request["id"].as_str().unwrap();
        let key = crate::home::key_file(MAINTAINER);
        let vote = [
            "requests", "approve", id, "--key", &key, "--as", MAINTAINER, "--reason", "Read", "--yes",
        ];
        home.run(vote).exits(0);
        let answer = again.join().unwrap();
        assert!(is_right(&answer, "allow"), "{answer:?}");
        assert_eq!(answer.body["request"]["id"], id, "it joined the request of before");
    });
    drop(served);
    home.run(["ledger", "verify"]).exits(0);
}

/// A folder that only the service sees, of so many bytes: a file system in memory, in a mount namespace of its own.
fn serve_on_small_disk(home: &Home, bytes: usize) -> Command {
    let script = format!(
        "mount -t tmpfs -o size={bytes},mode=700 tmpfs small && cp -a home/. small/ && exec \"$0\" --home small --json \
         serve --listen 127.0.0.1:0"
    );
    let mut command = home.command_of("unshare", ["--user", "--map-root-user", "--mount", "sh", "-c", &script]);
    command.arg(actionpass()).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

#[test]
fn on_a_full_disk_nothing_is_allowed_and_with_room_again_it_goes_on() {
    let home = Home::with_maintainer();
    let token = client(&home, "agent", ALL_RIGHTS);
    std::fs::create_dir(home.path("small")).unwrap();
    let served = Served::start_by(&mut serve_on_small_disk(&home, 8 << 20), &token);
    let allow = action::read(&home, ALLOW);
    let mut answers: BTreeMap<String, Vec<Answer>> = BTreeMap::new();
    let mut ask = |number: usize| {
        let id = action::id(number);
        let answer = served.post("/v1/authorize", &with_id(&allow, &id));
        let is_allowed = is_right(&answer, "allow");
        answers.entry(id).or_default().push(answer);
        is_allowed
    };
    assert!(ask(0));

    // What the service sees under that name, this process reaches through it.
    let small = PathBuf::from(format!("/proc/{}/root{}", served.pid(), home.path("small").display()));
    let filler = small.join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    drop(file);
    let refused = (1..200).filter(|number| !ask(*number)).count();
    assert!(refused > 100, "a full disk keeps nothing: {refused} of 199 refused");

    std::fs::remove_file(&filler).unwrap();
    let mut number = 1000;
    until("there is room again", || {
        number += 1;
        ask(number)
    });
    // Those that were refused are asked again under the same id.
    for number in 1..200 {
        assert!(ask(number));
    }
    // What it kept is whole.
    let after = Home::none();
    let status = Command::new("cp")
        .arg("-a")
        .arg(&small)
        .arg(after.path("home"))
        .status()
        .unwrap();
    assert!(status.success());
    drop(served);
    one_pass_each(&after, &answers);
}

/// Forwards connections to a server, each chunk so many milliseconds late.
struct Slow {
    address: SocketAddr,
    millis: Arc<AtomicU64>,
}

impl Slow {
    fn start(to: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let millis = Arc::new(AtomicU64::new(0));
        let late = Arc::clone(&millis);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let far = TcpStream::connect(&to).unwrap();
                for (mut from, mut to) in [
                    (near.try_clone().unwrap(), far.try_clone().unwrap()),
                    (far.try_clone().unwrap(), near.try_clone().unwrap()),
                ] {
                    let late = Arc::clone(&late);
                    thread::spawn(move || {
                        let mut buffer = [0; 16 << 10];
                        while let Ok(count @ 1..) = from.read(&mut buffer) {
                            thread::sleep(Duration::from_millis(late.load(Ordering::SeqCst)));
                            if to.write_all(&buffer[..count]).is_err() {
                                break;
                            }
                        }
                    });
                }
            }
        });
        Self { address, millis }
    }

    fn be_late(&self, millis: u64) {
        self.millis.store(millis, Ordering::SeqCst);
    }
}

/// A home whose signing key is with a custodian that can be late.
fn signed_elsewhere() -> (OpenBao, Slow, Home) {
    let bao = OpenBao::start();
    let slow = Slow::start(bao.address().trim_start_matches("http://").to_owned());
    let mut home = Home::new();
    home.set_environment(vec![
        ("VAULT_ADDR".to_owned(), format!("http://{}", slow.address)),
        ("VAULT_TOKEN".to_owned(), bao.root_token().to_owned()),
    ]);
    let made = home.run(["keys", "new", "--key", "vault:transit/pass"]).exits(0).json();
    sign_with(&home, made["key"].as_str().unwrap());
    (bao, slow, home)
}

#[test]
fn a_slow_custodian_allows_late_or_not_at_all_and_delays_nobody_else() {
    let (_bao, slow, home) = signed_elsewhere();
    let token = client(&home, "agent", ALL_RIGHTS);
    let served = Served::start(&home, &token);
    let (allow, deny) = (action::read(&home, ALLOW), action::read(&home, DENY));
    assert!(is_right(
        &served.post("/v1/authorize", &json!({ "action": allow })),
        "allow"
    ));

    // Late, and in time.
    slow.be_late(300);
    assert!(is_right(
        &served.post("/v1/authorize", &json!({ "action": allow })),
        "allow"
    ));

    // Too late: no pass, and whoever needs no signature is answered meanwhile.
    slow.be_late(60_000);
    let asked = with_id(&allow, &action::id(7));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| served.post("/v1/authorize", &asked));
        for _ in 0..5 {
            let start = std::time::Instant::now();
            assert!(is_right(
                &served.post("/v1/authorize", &json!({ "action": deny })),
                "deny"
            ));
            assert!(
                start.elapsed() < Duration::from_secs(5),
                "a deny waits for no custodian"
            );
        }
        assert!(!is_right(&waiting.join().unwrap(), "allow"), "nothing was signed");
    });
    slow.be_late(0);
    until("it signs again", || {
        is_right(&served.post("/v1/authorize", &asked), "allow")
    });
    drop(served);
    home.run(["ledger", "verify"]).exits(0);
}

/// A balancer that asks nothing of a service that isn't ready would never bring the call that opens the new key.
#[test]
fn a_rotated_key_is_ready_without_a_call() {
    let home = Home::new();
    let served = Served::start(&home, "");
    let ready = || served.get("/readyz").status == 200;
    until("it is ready", ready);
    home.run(["keys", "rotate"]).exits(0);
    // An answer stands for three seconds, so this is of behind the rotation.
    std::thread::sleep(Duration::from_secs(4));
    until("it is ready with the new key", ready);
}

#[test]
fn ready_names_the_one_part_that_does_not_work_and_is_ready_again_after_it_is_mended() {
    let (_bao, slow, home) = signed_elsewhere();
    let served = Served::start(&home, "");
    let ready = || served.get("/readyz");
    let mended = || {
        until("it is ready", || ready().status == 200);
    };
    mended();
    let broken = |part: &str, code: &str| {
        let mut found = ready();
        until(code, || {
            found = ready();
            found.status == 503
        });
        let mut parts = json!({ "key": true, "store": true, "trust": true, "clients": true });
        parts[part] = json!(false);
        assert_eq!(
            (&found.body["code"], &found.body["parts"], &found.body["ready"]),
            (&json!(code), &parts, &json!(false)),
            "{found:?}"
        );
        assert_eq!(found.body["type"], format!("https://actionpass.dev/codes#{code}"));
        assert_eq!(served.get("/healthz").status, 200);
    };

    slow.be_late(60_000);
    broken("key", "key_not_ready");
    slow.be_late(0);
    mended();

    // Another process holds the lock of the database, as a backup that went wrong does.
    let store = rusqlite::Connection::open(home.path("home/ledger.db")).unwrap();
    store.execute_batch("BEGIN IMMEDIATE").unwrap();
    broken("store", "store_not_ready");
    store.execute_batch("ROLLBACK").unwrap();
    mended();

    let trust = home.path("home/trust.json");
    let text = std::fs::read(&trust).unwrap();
    std::fs::write(&trust, "{").unwrap();
    broken("trust", "trust_not_ready");
    std::fs::write(&trust, text).unwrap();
    mended();

    // clients.toml that nobody can use, too.
    let clients = home.path("home/clients.toml");
    std::fs::write(&clients, "[[client]]\n").unwrap();
    broken("clients", "clients_unreadable");
    std::fs::remove_file(&clients).unwrap();
    mended();
}

/// Debian's library that shows a process another time, which a file says.
fn faketime() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().flatten();
    let mut paths = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    let found = paths.find(|path| path.exists());
    found.expect("`cargo xtask test` installs libfaketime")
}

#[test]
fn a_clock_that_jumps_under_load_makes_no_pass_that_holds_too_long_and_no_decision_wrong() {
    let home = Home::with_maintainer();
    let token = client(&home, "agent", ALL_RIGHTS);
    let clock = home.path("clock");
    std::fs::write(&clock, "+0").unwrap();
    let mut command = serve(&home);
    command
        .env("LD_PRELOAD", faketime())
        .env("FAKETIME_TIMESTAMP_FILE", &clock)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let served = Served::start_by(&mut command, &token);
    let allow = action::read(&home, ALLOW);
    let step_up = json!({ "action": action::read(&home, STEP_UP) });
    let opened = served.post("/v1/authorize", &step_up);
    assert_eq!(opened.body["decision"], "step_up", "{opened:?}");

    let is_over = AtomicBool::new(false);
    let (answered, answers) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (served, allow, is_over) = (&served, &allow, &is_over);
            let (answered, answers) = (&answered, &answers);
            scope.spawn(move || {
                let mut number = caller * 1_000;
                while !is_over.load(Ordering::SeqCst) {
                    number += 1;
                    let answer = served.post("/v1/authorize", &with_id(allow, &action::id(number)));
                    if is_right(&answer, "allow") {
                        answered.fetch_add(1, Ordering::SeqCst);
                        answers.lock().unwrap().push(answer);
                    }
                }
            });
        }
        // Forward, far forward, back behind the start, and right again.
        for jump in ["+600", "+86400", "-3600", "+0"] {
            let before = answered.load(Ordering::SeqCst);
            std::fs::write(&clock, jump).unwrap();
            thread::sleep(Duration::from_millis(400));
            // Behind what it knows it may refuse; it never allows what it should not.
            if !jump.starts_with('-') && jump != "+0" {
                until("it answers after a jump", || {
                    answered.load(Ordering::SeqCst) > before + 4
                });
            }
        }
        is_over.store(true, Ordering::SeqCst);
    });
    for answer in answers.into_inner().unwrap() {
        let token = answer.body["pass"]["token"].as_str().unwrap();
        let claims = super::claims(token);
        let lifetime = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
        assert!((1..=3600).contains(&lifetime), "{claims}");
    }
    // The request's time was over at the second jump, and time that went back brings nothing back.
    let id = opened.body["request"]["id"].as_str().unwrap();
    let request = served.get(&format!("/v1/requests/{id}"));
    assert_eq!(request.body["state"], "expired", "{request:?}");
    drop(served);
    home.run(["ledger", "verify"]).exits(0);
}

/// A service that the system gives few descriptors, and more idle connections than those: whoever decides still gets in, and files of the
/// home can be opened.
#[test]
fn where_descriptors_are_few_idle_connections_keep_nobody_from_the_page() {
    let home = Home::with_maintainer();
    let token = client(&home, "agent", ALL_RIGHTS);
    // Those that came first stay as long as the test.
    let config = home.path("home/config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(
        &config,
        format!("{text}\n[serve.limits]\nheader_time = \"10m\"\nkeep_alive_time = \"10m\"\n"),
    )
    .unwrap();
    let script = "ulimit -n 600 && exec \"$0\" --json serve --listen 127.0.0.1:0";
    let mut command = home.command_of("/bin/sh", ["-c", script]);
    let served = Served::start_by(command.arg(actionpass()), &token);
    let connect = || TcpStream::connect_timeout(&served.address, Duration::from_secs(1));
    let mut idle = Vec::new();
    until("there are more connections than descriptors", || {
        idle.extend(connect().ok());
        idle.len() == 650
    });
    let host = format!("localhost:{}", served.address.port());
    // At once there may be no place: those that are kept for people are left by whoever says nothing.
    until("the page is answered", || {
        let Ok(mut page) = connect() else {
            return false;
        };
        page.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let mut answer = String::new();
        page.write_all(request.as_bytes()).is_ok()
            && page.read_to_string(&mut answer).is_ok()
            && answer.starts_with("HTTP/1.1 200 ")
    });
    home.run(["ledger", "verify"]).exits(0);
}
