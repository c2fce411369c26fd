//! Several processes on one database: any number of them, stopped and killed.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail their test")]

mod shared;

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use actionpass_model::Decision;
use actionpass_store::conformance::{block_on, fixtures};
use actionpass_store::ledger::{ChainVerifier, KnownHead, verify_jsonl};
use actionpass_store::{CommitOutcome, Consumption, DecisionStore, Ledger as _, ReplayStart, ReplayStore};
use actionpass_store_postgres::{PostgresOptions, PostgresStore};
use shared::{database, options, server};

const TASK: &str = "ACTIONPASS_STORE_CHILD";

/// The address of a database with a store in it.
fn made() -> (String, PostgresStore) {
    let name = database(server());
    let store = PostgresStore::create(
        &options(server(), &name),
        Some(&fixtures::log()),
        ReplayStart::first(fixtures::at(0)),
    );
    (server().url(&name), store.unwrap())
}

/// Starts this test binary again as `task`, which [`child`] runs.
fn spawn(task: &str, number: u64, url: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(TASK, format!("{task} {number} {url}"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What a process started by another test does.
#[test]
fn child() {
    let Ok(task) = std::env::var(TASK) else { return };
    let mut words = task.splitn(3, ' ');
    let (Some(task), Some(number), Some(url)) = (words.next(), words.next(), words.next()) else {
        panic!("{task}")
    };
    let number: u64 = number.parse().unwrap();
    let options = PostgresOptions::parse(url)
        .unwrap()
        .with_timeout(Duration::from_secs(30));
    let store = PostgresStore::open(&options).unwrap();
    match task {
        "consume" => consume_all(&store),
        "append" => append(&store, number, 25),
        "forever" => thread::scope(|scope| {
            for writer in 0..4 {
                let store = &store;
                scope.spawn(move || append(store, (number << 8) | writer, u64::MAX));
            }
        }),
        other => panic!("{other}"),
    }
}

fn consume_all(store: &PostgresStore) {
    for number in 0..20 {
        let mark = fixtures::mark(number, 0);
        if block_on(store.consume(&mark, fixtures::at(1))).unwrap() == Consumption::Consumed {
            println!("\nconsumed {number}");
        }
    }
}

/// Allows action after action, each with its own approval, and says which records were acknowledged.
fn append(store: &PostgresStore, writer: u64, count: u64) {
    for number in 0..count {
        let number = (writer << 32) | number;
        let approvals = vec![fixtures::approval("user:ann", number)];
        match block_on(store.commit(fixtures::decision(number, Decision::Allow, approvals))).unwrap() {
            CommitOutcome::Committed(record) => {
                let head = KnownHead::new(record.seq(), record.ledger_hash());
                println!("\nacknowledged {head} {number}");
            }
            other => panic!("{other:?}"),
        }
    }
}

/// What follows `word` in the child's lines. A line that was cut off says nothing.
fn said(child: &mut Child, word: &str) -> impl Iterator<Item = String> + use<> {
    let prefix = format!("{word} ");
    let lines = BufReader::new(child.stdout.take().unwrap()).split(b'\n');
    let lines = lines.map_while(|line| String::from_utf8(line.ok()?).ok());
    lines.filter_map(move |line| Some(line.strip_prefix(&prefix)?.to_owned()))
}

/// The same, read by a thread of its own, so that it can be waited for.
fn heard(child: &mut Child) -> Receiver<(KnownHead, u64)> {
    let (sender, receiver) = channel();
    let lines = said(child, "acknowledged");
    thread::spawn(move || lines.map(|line| sender.send(head(&line))).all(|sent| sent.is_ok()));
    receiver
}

/// `SEQ:HASH NUMBER`.
fn head(line: &str) -> (KnownHead, u64) {
    let (head, number) = line.split_once(' ').unwrap();
    (head.parse().unwrap(), number.parse().unwrap())
}

fn verify(store: &PostgresStore, known: impl IntoIterator<Item = KnownHead>) -> u64 {
    let mut export = Vec::new();
    store.export(&mut export).unwrap();
    let verifier = ChainVerifier::new().with_log(fixtures::log());
    let verifier = known.into_iter().fold(verifier, ChainVerifier::with_known_head);
    verify_jsonl(export.as_slice(), verifier).unwrap().head.size()
}

/// Whatever was acknowledged is in the chain, found by its action, with its token, and its approval is used.
fn check_acknowledged(store: &PostgresStore, acknowledged: &HashMap<u64, KnownHead>) -> u64 {
    let places: HashSet<u64> = acknowledged.values().map(KnownHead::seq).collect();
    assert_eq!(places.len(), acknowledged.len(), "two records of one place");
    let size = verify(store, acknowledged.values().copied());
    for (number, head) in acknowledged.iter().take(500) {
        let issued = block_on(store.find(&fixtures::action(*number))).unwrap().unwrap();
        assert_eq!(issued.record.head(), *head);
        assert_eq!(issued.token, Some(format!("token.of.{number}")));
        let approval = fixtures::approval("user:ann", *number);
        let used = block_on(store.used_approvals(vec![approval.clone()])).unwrap();
        assert_eq!(used, [approval]);
    }
    size
}

fn signal(child: &Child, signal: &str) {
    let sent = Command::new("kill").arg(signal).arg(child.id().to_string()).status();
    assert!(sent.unwrap().success());
}

/// G6: of 8 processes that consume each of 20 passes, one does.
#[test]
fn g06_of_8_processes_one_consumes() {
    let (url, _store) = made();
    let mut children: Vec<_> = (0..8).map(|number| spawn("consume", number, &url)).collect();
    let mut consumed: Vec<u64> = children
        .iter_mut()
        .flat_map(|child| said(child, "consumed"))
        .map(|number| number.parse().unwrap())
        .collect();
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    consumed.sort_unstable();
    assert_eq!(consumed, (0..20).collect::<Vec<_>>());
}

/// G11: 8 processes that append at once make one chain, and every call of each is served.
#[test]
fn g11_8_processes_append_to_one_chain() {
    let (url, store) = made();
    let mut children: Vec<_> = (0..8).map(|number| spawn("append", number, &url)).collect();
    let acknowledged: HashMap<_, _> = children
        .iter_mut()
        .flat_map(|child| said(child, "acknowledged"))
        .map(|line| head(&line))
        .map(|(head, number)| (number, head))
        .collect();
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(acknowledged.len(), 200);
    assert_eq!(check_acknowledged(&store, &acknowledged), 200);
}

/// How often the leader is paused.
const PAUSES: u64 = 20;

/// Which of the processes wrote the last record.
fn leader(store: &PostgresStore) -> usize {
    let last = block_on(store.state()).unwrap().head.known().unwrap();
    let records = block_on(store.read(last.seq(), 1)).unwrap();
    let record: serde_json::Value = serde_json::from_slice(&records.first().unwrap().json).unwrap();
    let action = record.pointer("/body/actionId").unwrap().as_str().unwrap();
    let number: u64 = action.strip_prefix("act_").unwrap().parse().unwrap();
    usize::try_from(number >> 40).unwrap()
}

/// G11: of two sequencers with four front ends each, the one that leads, whose record is the last, is paused twenty times and
/// goes on each time. Meanwhile the other leads, held up for no longer than a session may idle; and there is one chain without a
/// gap or a fork, with each record that anybody was told of.
#[test]
fn g11_a_leader_that_is_paused_and_goes_on_forks_nothing() {
    let (url, store) = made();
    let mut children = [spawn("forever", 0, &url), spawn("forever", 1, &url)];
    let heard = children.each_mut().map(heard);
    let mut acknowledged = HashMap::new();
    let mut take = |from: &Receiver<(KnownHead, u64)>, count: usize| {
        for _ in 0..count {
            match from.recv_timeout(Duration::from_secs(60)) {
                Ok((head, number)) => assert_eq!(acknowledged.insert(number, head), None, "{number}"),
                Err(RecvTimeoutError::Timeout) => panic!("nobody appends any more"),
                Err(RecvTimeoutError::Disconnected) => panic!("a process ended"),
            };
        }
        // What was said meanwhile.
        for (head, number) in from.try_iter() {
            assert_eq!(acknowledged.insert(number, head), None, "{number}");
        }
    };
    heard.iter().for_each(|from| take(from, 20));
    let (mut led, mut longest) = ([0; 2], Duration::ZERO);
    for round in 0..PAUSES {
        // At another moment of its transaction each time.
        thread::sleep(Duration::from_micros(300 * (round % 13)));
        let leader = leader(&store);
        led[leader] += 1;
        signal(&children[leader], "-STOP");
        // What was written before it stopped may still be read.
        thread::sleep(Duration::from_millis(5));
        take(&heard[1 - leader], 0);
        let since = Instant::now();
        take(&heard[1 - leader], 20);
        longest = longest.max(since.elapsed());
        signal(&children[leader], "-CONT");
        // It finds the head moved, and is served again.
        take(&heard[leader], 20);
    }
    for child in &mut children {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    for heard in &heard {
        acknowledged.extend(heard.iter().map(|(head, number)| (number, head)));
    }
    let size = check_acknowledged(&store, &acknowledged);
    let unheard = size - acknowledged.len() as u64;
    println!(
        "paused: rounds {PAUSES}, led {led:?}, longest wait {longest:?}, records {size}, acknowledged {}, lost 0, forks 0",
        acknowledged.len()
    );
    // Each of the 8 may have been killed before it heard of one.
    assert!(unheard <= 8, "{size} {}", acknowledged.len());
    assert!(longest < Duration::from_secs(30), "{longest:?}");
}

/// G10 and G9: whatever was acknowledged before a process was killed is there, and nothing is half there.
#[test]
fn g10_what_was_acknowledged_survives_kill_9() {
    let (url, store) = made();
    let mut acknowledged = HashMap::new();
    for round in 0..6_u64 {
        let mut child = spawn("forever", round, &url);
        let mut lines = said(&mut child, "acknowledged");
        let before = acknowledged.len();
        for line in lines.by_ref().take(usize::try_from(7 + 13 * round).unwrap()) {
            let (head, number) = head(&line);
            acknowledged.insert(number, head);
        }
        child.kill().unwrap();
        // Also what it said between our last look and its end.
        acknowledged.extend(lines.map(|line| head(&line)).map(|(head, number)| (number, head)));
        child.wait().unwrap();
        assert!(acknowledged.len() > before);
        assert!(check_acknowledged(&store, &acknowledged) >= acknowledged.len() as u64);
    }
}
