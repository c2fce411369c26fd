//! G18 to G20 under a crowd: sixteen processes that retry actions while five approvers vote, decline, cancel and let
//! expire, on one SQLite file, and any of them is killed at any moment.
//!
//! Some seconds of it unless `ACTIONPASS_LONG` asks for a thousand rounds.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use actionpass_canon::BoundAction;
use actionpass_core::{Authorizer, AuthorizerParts, IssuerConfig, Limits, Request, RequestTerms, ReviewError, System};
use actionpass_crypto::Signer;
use actionpass_model::{Approver, Decision, EndState, Principal, RequestChange, RequestId, Timestamp, TrustStore};

use actionpass_store::ledger::{ChainVerifier, LedgerVerifier};
use actionpass_store::{Ledger, QueueStore, ReplayStart, RequestFilter, StateFilter};
use actionpass_store_sqlite::SqliteStore;
use actionpass_testkit::fixtures::{self, FixtureKey};
use actionpass_testkit::policies::NeedsApprovals;
use actionpass_testkit::{Testbed, block_on};
use actionpass_verify::{Clock, FixedTrust, Trust};
use serde_json::Value;

use crate::common::Dice;

const TASK: &str = "ACTIONPASS_CROWD";
const AGENTS: usize = 16;
const APPROVERS: [FixtureKey; 5] = [
    FixtureKey::APPROVER,
    FixtureKey::SECOND_APPROVER,
    FixtureKey::OTHER_ISSUER,
    FixtureKey::LEDGER,
    FixtureKey::STRANGER,
];
/// How long a request waits and a decline holds: short, so that both end within the test.
const SECONDS: u64 = 2;
const SHORT: Duration = Duration::from_secs(20);
const LONG_ROUNDS: u64 = 1000;
/// A round is over after this time, decided or not: what was not expires while later ones go on.
const ROUND: Duration = Duration::from_millis(400);
/// The action of each so many rounds gets no vote.
const LEFT_ALONE: u64 = 8;

fn approver(number: usize) -> Approver {
    Approver::parse(&format!("user:p{number}")).unwrap()
}

fn issuer(path: &Path) -> Authorizer {
    let store = Arc::new(SqliteStore::open(path).unwrap());
    let mut trust = TrustStore::new(Timestamp::parse("2026-11-23T01:02:03.000Z").unwrap());
    trust
        .keys
        .push(fixtures::pass_key(FixtureKey::ISSUER, fixtures::issuer()));
    for (number, key) in APPROVERS.into_iter().enumerate() {
        trust
            .keys
            .push(fixtures::approval_key(key, approver(number), Vec::new()));
    }
    let trust = Trust::parse(&serde_json::to_vec(&trust).unwrap()).unwrap();
    let mut terms = RequestTerms::DEFAULT;
    terms.lifetime = Duration::from_secs(SECONDS);
    terms.decline_holds = Duration::from_secs(SECONDS);
    terms.limits = Limits::DEFAULT;
    (terms.limits.live_per_agent, terms.limits.opened_per_hour) = (u64::MAX, u64::MAX);
    let config = IssuerConfig::new(fixtures::issuer(), vec![fixtures::tenant()]).with_requests(terms);
    let parts = AuthorizerParts {
        signer: Arc::new(FixtureKey::ISSUER.signer()),
        policy: Arc::new(NeedsApprovals::new(2)),
        trust: Arc::new(FixedTrust::new(Arc::new(trust))),
        store: Arc::clone(&store) as _,
    };
    block_on(Authorizer::builder(config, parts).with_requests(store).build()).unwrap()
}

/// Each round has its action and its agent: what comes to nothing holds only that one.
fn action(round: u64) -> BoundAction {
    let mut json: Value = serde_json::from_str(fixtures::ACTION).unwrap();
    json.as_object_mut().unwrap().remove("id");
    json["actor"]["agent"] = format!("agent:a{round}").into();
    json["capability"]["payload"] = serde_json::json!({ "round": round });
    fixtures::admit(&json.to_string())
}

/// What nobody votes on expires. Five approvers who draw lots leave nothing alone for that long on a quick machine, so
/// it is settled beforehand which actions they do not touch.
fn is_left_alone(action: &BoundAction) -> bool {
    let agent = action.action().actor.agent.as_str();
    let round: u64 = agent.strip_prefix("agent:a").unwrap().parse().unwrap();
    round.is_multiple_of(LEFT_ALONE)
}

fn current_round(folder: &Path) -> u64 {
    let text = fs::read_to_string(folder.join("round")).unwrap_or_default();
    text.trim().parse().unwrap_or(1)
}

/// What a process started by the test does until it is killed.
#[test]
fn child() {
    let Ok(task) = std::env::var(TASK) else { return };
    let words: Vec<&str> = task.splitn(3, ' ').collect();
    let [number, seed, folder] = words[..] else {
        panic!("{task}")
    };
    let (number, folder): (usize, &Path) = (number.parse().unwrap(), Path::new(folder));
    let mut dice = Dice::new(seed.parse().unwrap());
    let issuer = issuer(&folder.join("ledger.db"));
    loop {
        match number.checked_sub(AGENTS) {
            None => retry(&issuer, folder, &mut dice),
            Some(number) => decide(&issuer, number, &mut dice),
        }
    }
}

/// One of the actions of late is tried again.
fn retry(issuer: &Authorizer, folder: &Path, dice: &mut Dice) {
    let round = current_round(folder).saturating_sub(dice.below(16)).max(1);
    let action = action(round);
    let caller = fixtures::caller(action.action());
    let wait = Duration::from_millis(if dice.below(3) == 0 { 150 } else { 0 });
    match block_on(issuer.authorize(Request::new(&action, &caller).with_wait(wait))) {
        Ok(answer) if answer.decision == Decision::Allow => {
            let (pass, record) = (answer.pass.unwrap().id, answer.record);
            println!("\nallowed {} {} {pass}", record.seq, record.ledger_hash);
        }
        Ok(_) => {}
        Err(error) => panic!("{error:?}"),
    }
    thread::sleep(Duration::from_millis(dice.below(20)));
}

/// One of the requests that wait is voted on, declined, cancelled or left alone.
fn decide(issuer: &Authorizer, number: usize, dice: &mut Dice) {
    thread::sleep(Duration::from_millis(dice.below(30)));
    let mut live = RequestFilter::default();
    live.state = Some(StateFilter::Live);
    let reviews = block_on(issuer.reviews(&live)).unwrap();
    let Some(last) = (reviews.len() as u64).checked_sub(1) else {
        return;
    };
    let review = &reviews[usize::try_from(dice.below(last + 1)).unwrap()];
    let id = &review.request.id;
    if review.action.as_ref().is_some_and(is_left_alone) {
        return;
    }
    let done = match dice.below(100) {
        0..25 => return,
        25..30 => block_on(issuer.cancel(id, Some(Principal::from(&approver(number))))),
        die => {
            let Some(action) = &review.action else { return };
            let ballot = Testbed::ballot(approver(number), review);
            let (key, now) = (APPROVERS[number].signer(), System.now().unwrap());
            let (key, name): (&dyn Signer, _) = (&key, fixtures::issuer());
            let token = if die < 38 {
                block_on(ballot.sign_refusal(action, &name, key, now, &System))
            } else {
                block_on(ballot.sign(action, &name, key, now, &System))
            };
            // In its last second nothing can be signed that would still hold.
            let Ok(token) = token else { return };
            block_on(issuer.vote(id, &token))
        }
    };
    match done {
        Ok(review) => println!("\nmoved {id} {}", review.request.version),
        // Somebody was faster, or the time was over.
        Err(ReviewError::Request { .. } | ReviewError::Vote { .. }) => {}
        Err(ReviewError::Failed(error)) => panic!("{error:?}"),
        Err(error) => panic!("{error:?}"),
    }
}

/// The processes, and what they said was done.
struct Crowd<'a> {
    folder: &'a Path,
    children: Vec<Child>,
    readers: Vec<thread::JoinHandle<()>>,
    said: Arc<Mutex<Vec<String>>>,
}

impl Crowd<'_> {
    fn spawn(&mut self, number: usize, seed: u64) -> Child {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crowd::child", "--nocapture"])
            .env(TASK, format!("{number} {seed} {}", self.folder.display()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (lines, said) = (
            BufReader::new(child.stdout.take().unwrap()).lines(),
            Arc::clone(&self.said),
        );
        self.readers.push(thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                said.lock().unwrap().push(line);
            }
        }));
        child
    }
}

impl Drop for Crowd<'_> {
    fn drop(&mut self) {
        for child in &mut self.children {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

#[test]
fn g20_a_crowd_gets_no_pass_that_nobody_gave() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let start = ReplayStart::first(System.now().unwrap().to_unix_seconds());
    drop(SqliteStore::create(&path, Some(&Testbed::log()), start).unwrap());
    let seed = std::env::var("ACTIONPASS_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(1);
    let rounds = std::env::var_os("ACTIONPASS_LONG").map(|_| LONG_ROUNDS);
    let mut dice = Dice::new(seed);
    let mut crowd = Crowd {
        folder: folder.path(),
        children: Vec::new(),
        readers: Vec::new(),
        said: Arc::default(),
    };
    for number in 0..AGENTS + APPROVERS.len() {
        let child = crowd.spawn(number, dice.below(u64::MAX));
        crowd.children.push(child);
    }
    let (begun, mut round) = (Instant::now(), 1);
    while rounds.map_or_else(|| begun.elapsed() < SHORT, |rounds| round < rounds) {
        fs::write(folder.path().join("next"), round.to_string()).unwrap();
        fs::rename(folder.path().join("next"), folder.path().join("round")).unwrap();
        thread::sleep(Duration::from_millis(
            dice.below(u64::try_from(ROUND.as_millis()).unwrap()),
        ));
        let number = usize::try_from(dice.below((AGENTS + APPROVERS.len()) as u64)).unwrap();
        let ended = crowd.children[number].try_wait().unwrap();
        assert!(ended.is_none(), "process {number} ended by itself: {ended:?}");
        crowd.children[number].kill().unwrap();
        crowd.children[number].wait().unwrap();
        crowd.children[number] = crowd.spawn(number, dice.below(u64::MAX));
        round += 1;
    }
    for child in &mut crowd.children {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    for reader in std::mem::take(&mut crowd.readers) {
        reader.join().unwrap();
    }
    let said = std::mem::take(&mut *crowd.said.lock().unwrap());
    drop(crowd);
    let tally = check(&path, &said);
    println!("{round} rounds: {tally:?}");
    // A crowd that does nothing proves nothing.
    assert!(tally.allows > 5 && tally.ended.len() == 4, "{tally:?}");
}

#[derive(Debug, Default)]
struct Tally {
    allows: usize,
    ended: HashMap<&'static str, usize>,
    acknowledged: usize,
}

/// What is in the log and the queue, held against what was acknowledged and against what must never be.
fn check(path: &Path, said: &[String]) -> Tally {
    let store = SqliteStore::open(path).unwrap();
    store.check_rows().unwrap();
    let records: Vec<Value> = block_on(store.read(0, usize::MAX))
        .unwrap()
        .iter()
        .map(|record| serde_json::from_slice(&record.json).unwrap())
        .collect();
    // Two allows of one request or approval, and whatever else can't be.
    let mut verifier = LedgerVerifier::new(ChainVerifier::new().with_log(Testbed::log()));
    for record in block_on(store.read(0, usize::MAX)).unwrap() {
        verifier.push(&record.json).unwrap();
    }
    verifier.finish().unwrap();

    let mut tally = Tally::default();
    let text = |value: &Value, pointer: &str| value.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let mut requests = HashMap::new();
    let mut filter = RequestFilter::default();
    loop {
        let page = block_on(store.requests(&filter, System.now().unwrap())).unwrap();
        let Some(last) = page.last() else { break };
        filter.after = Some(last.id.clone());
        requests.extend(page.into_iter().map(|request| (request.id.clone(), request)));
    }
    for request in requests.values() {
        if let Some(end) = request.ended(System.now().unwrap()) {
            *tally.ended.entry(end.as_str()).or_default() += 1;
        }
    }

    let mut passes = HashSet::new();
    let mut votes: HashMap<String, HashSet<String>> = HashMap::new();
    for record in &records {
        let body = &record["body"];
        if record["kind"] == "request" && body["change"] == serde_json::json!(RequestChange::Approve) {
            let voters = votes.entry(text(body, "/request")).or_default();
            voters.insert(text(body, "/vote"));
        }
        if body["decision"] != "allow" {
            continue;
        }
        tally.allows += 1;
        assert!(passes.insert(text(body, "/pass/id")));
        // Every pass is of a request, by two votes that were recorded before it.
        let id = text(body, "/request");
        let approvals = body["approvals"].as_array().unwrap();
        assert_eq!(approvals.len(), 2);
        for approval in approvals {
            assert!(votes[&id].contains(&text(approval, "/id")), "{id}");
        }
        let request = &requests[&RequestId::parse(&id).unwrap()];
        assert_eq!(request.end.as_ref().unwrap().state, EndState::Used);
        let at = Timestamp::parse(&text(record, "/time")).unwrap();
        assert!(at < request.expires_at, "{id} was used after its time");
        // None while a decline of the same action held.
        for other in requests
            .values()
            .filter(|other| other.action_hash == request.action_hash)
        {
            if let Some(end) = other.end.as_ref().filter(|end| end.state == EndState::Declined) {
                assert!(at < end.at || at >= end.holds_until.unwrap(), "{id} was declined");
            }
        }
    }
    for line in said {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["allowed", seq, hash, pass] => {
                let record = &records[seq.parse::<usize>().unwrap()];
                assert_eq!(
                    (
                        text(record, "/ledgerHash").as_str(),
                        text(record, "/body/pass/id").as_str()
                    ),
                    (hash, pass)
                );
            }
            ["moved", id, version] => {
                let request = &requests[&RequestId::parse(id).unwrap()];
                assert!(request.version >= version.parse().unwrap(), "{id}");
            }
            _ => continue,
        }
        tally.acknowledged += 1;
    }
    tally
}
