//! What durable decisions cost against the bare insertion of the same rows.
//!
//! A server of its own on this machine, with its data in the folder for temporary files; callers and server share the
//! processors. Figures are medians of the rounds, interleaved. A bare batch holds as many decisions as there are callers, in one
//! transaction whose statements are sent in one go.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a benchmark that can't run may stop"
)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use actionpass_model::Decision;
use actionpass_servers::postgres::Postgres;
use actionpass_store::conformance::{block_on, fixtures};
use actionpass_store::ledger::{Head, seal};
use actionpass_store::{CommitOutcome, DecisionCommit, DecisionStore, ReplayStart};
use actionpass_store_postgres::{PostgresOptions, PostgresStore};
use futures_util::future::{join_all, try_join_all};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Statement};
use uuid::Uuid;

const ROUNDS: usize = 5;
const LASTS: Duration = Duration::from_millis(1500);

fn main() {
    // `cargo test --benches` runs this too.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let server = Postgres::start();
    server.create_database("ours");
    server.create_database("bare");
    let options = |name: &str| PostgresOptions::parse(&server.url(name)).unwrap();
    let start = ReplayStart::first(fixtures::at(0));
    let store = PostgresStore::create(&options("ours"), Some(&fixtures::log()), start).unwrap();
    PostgresStore::migrate(&options("bare")).unwrap();
    println!(
        "load before: {}",
        std::fs::read_to_string("/proc/loadavg").unwrap().trim()
    );
    for callers in [1, 16, 256] {
        let (mut ours, mut bare, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let revision = || {
                server
                    .sql("ours", "SELECT revision FROM actionpass.ledger")
                    .parse::<f64>()
                    .unwrap()
            };
            let before = revision();
            let (count, rate) = decide(&store, callers);
            sizes.push(count / (revision() - before));
            ours.push(rate);
            bare.push(insert(&server.url("bare"), callers));
        }
        let (ours, bare, size) = (median(&mut ours), median(&mut bare), median(&mut sizes));
        println!(
            "{callers:>3} callers: {ours:>7.0} decisions a second, {size:>5.1} in a batch; bare rows in batches of {callers}: {bare:>7.0}; ratio {:.2}",
            ours / bare
        );
    }
    println!(
        "load after: {}",
        std::fs::read_to_string("/proc/loadavg").unwrap().trim()
    );
}

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

static NEXT: AtomicU64 = AtomicU64::new(0);

fn decision() -> DecisionCommit {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    fixtures::decision(number, Decision::Allow, vec![fixtures::approval("user:ann", number)])
}

/// How many were decided, and how many a second. Two threads stand for all callers, each of whom waits for their answer.
fn decide(store: &PostgresStore, callers: usize) -> (f64, f64) {
    let began = Instant::now();
    let decided = AtomicU64::new(0);
    thread::scope(|scope| {
        let threads = callers.min(2);
        for _ in 0..threads {
            let decided = &decided;
            scope.spawn(move || {
                let caller = || async {
                    while began.elapsed() < LASTS {
                        match store.commit(decision()).await.unwrap() {
                            CommitOutcome::Committed(_) => decided.fetch_add(1, Ordering::Relaxed),
                            other => panic!("{other:?}"),
                        };
                    }
                };
                block_on(join_all((0..callers / threads).map(|_| caller())));
            });
        }
    });
    let decided = decided.into_inner() as f64;
    (decided, decided / began.elapsed().as_secs_f64())
}

/// How many decisions' rows are inserted a second, in batches of so many.
fn insert(url: &str, batch: usize) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        // Parsed once.
        let statements = try_join_all(ROWS.map(|sql| client.prepare(sql))).await.unwrap();
        let began = Instant::now();
        let mut inserted = 0;
        while began.elapsed() < LASTS {
            insert_batch(&client, &statements, batch).await;
            inserted += batch;
        }
        inserted as f64 / began.elapsed().as_secs_f64()
    })
}

const ROWS: [&str; 4] = [
    "INSERT INTO actionpass.record SELECT * FROM unnest($1::bigint[], $2::text[])",
    "INSERT INTO actionpass.side SELECT seq, kind, bytes FROM unnest($1::bigint[], $2::bytea[]) AS u (seq, bytes),
     unnest(ARRAY[0, 4]::smallint[]) AS kind",
    "INSERT INTO actionpass.issued SELECT action, 'org:example', 'agent:codex', hash, false, seq, id, hash, id, 0, 'a'
     FROM unnest($1::text[], $2::bigint[], $3::bytea[], $4::uuid[]) AS u (action, seq, hash, id)",
    "INSERT INTO actionpass.approval SELECT id, 'user:ann', seq FROM unnest($1::uuid[], $2::bigint[]) AS u (id, seq)",
];

async fn insert_batch(client: &Client, statements: &[Statement], batch: usize) {
    let (mut seqs, mut jsons, mut tokens, mut actions) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut hashes, mut ids) = (Vec::new(), Vec::new());
    for _ in 0..batch {
        let call = decision();
        let record = seal(&fixtures::log(), &Head::EMPTY, &call.record).unwrap();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        seqs.push(i64::try_from(number).unwrap());
        jsons.push(String::from_utf8(record.json().to_vec()).unwrap());
        tokens.push(call.allow.unwrap().token.into_bytes());
        actions.push(call.action.action.as_str().to_owned());
        hashes.push(record.ledger_hash().as_bytes().to_vec());
        ids.push(Uuid::from_u128(u128::from(number)));
    }
    let with: [&[&(dyn ToSql + Sync)]; 4] = [
        &[&seqs, &jsons],
        &[&seqs, &tokens],
        &[&actions, &seqs, &hashes, &ids],
        &[&ids, &seqs],
    ];
    let begin = client.batch_execute("BEGIN");
    let rows = statements
        .iter()
        .zip(with)
        .map(|(statement, with)| client.execute(statement, with));
    let sent = async {
        let (_, _) = futures_util::future::try_join(begin, try_join_all(rows)).await?;
        Ok::<(), tokio_postgres::Error>(())
    };
    let commit = client.batch_execute("COMMIT");
    futures_util::future::try_join(sent, commit).await.unwrap();
}
