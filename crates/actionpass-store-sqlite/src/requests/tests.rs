use actionpass_store::ReplayStart;
use actionpass_store::conformance::{TempFolder, fixtures, requests};
use rusqlite::StatementStatus;

use super::*;
use crate::file;

/// No statement reads a whole table, or sorts more than the limits let wait.
#[test]
fn every_statement_has_an_index() {
    let folder = TempFolder::new();
    let path = folder.path().join("ledger.db");
    file::create(&path, Some(&fixtures::log()), ReplayStart::first(fixtures::at(0))).unwrap();
    let connection = file::open(&path, file::Access::Write).unwrap();
    for (name, sql) in sql::ALL {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let parameters = vec![rusqlite::types::Null; statement.parameter_count()];
        let plan = statement.query_map(rusqlite::params_from_iter(parameters), |row| row.get(3));
        let plan: Vec<String> = plan.unwrap().map(Result::unwrap).collect();
        for step in &plan {
            // The one row of the log; what a counting statement collected up to its limit.
            let is_small = *name == "KEPT" || step.starts_with("SCAN (subquery");
            assert!(!step.contains("SCAN") || is_small, "{name}: {plan:?}");
            // A list of what waits is sorted by id, and the limits say how many wait.
            assert!(
                !step.contains("TEMP B-TREE") || *name == "LIST_LIVE",
                "{name}: {plan:?}"
            );
        }
    }
}

/// A statement is planned once. SQLite would plan it again for each value that is bound where another index might be better,
/// which takes longer than the look-up itself.
#[test]
fn no_statement_is_planned_again_for_another_value() {
    let folder = TempFolder::new();
    let path = folder.path().join("ledger.db");
    file::create(&path, Some(&fixtures::log()), ReplayStart::first(fixtures::at(0))).unwrap();
    let connection = file::open(&path, file::Access::Write).unwrap();
    let mut looked_at = 0;
    for (name, sql) in sql::ALL {
        let mut statement = connection.prepare(sql).unwrap();
        if !statement.readonly() {
            continue;
        }
        looked_at += 1;
        for value in 1..=3 {
            let values = vec![value; statement.parameter_count()];
            let mut rows = statement.query(rusqlite::params_from_iter(values)).unwrap();
            while rows.next().unwrap().is_some() {}
        }
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0, "{name}");
    }
    assert!(looked_at > 10, "{looked_at}");
}

/// A file with 10,000 requests that wait, one of each of as many agents, and 10,000 that have ended, half of them of the
/// agent of the suites and declined long ago.
fn crowded() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    for migration in crate::schema::MIGRATIONS {
        connection.execute_batch(migration).unwrap();
    }
    let now = fixtures::at(0).to_timestamp().unix_millis();
    let document = canonicalize(&requests::request(1, 1, 0).request).unwrap();
    connection
        .execute(
            "WITH RECURSIVE row(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM row WHERE n < 20000)
             INSERT INTO request SELECT n, CAST(printf('%016d', n) AS BLOB), 'org:example',
             iif(n <= 10000 OR n % 2, 'agent:' || n, 'agent:codex'), ?2, 'ci', ?1 - iif(n <= 10000, 1000, 900000000),
             ?1 + iif(n <= 10000, 600000, -800000000), iif(n <= 10000, NULL, 'declined'),
             iif(n <= 10000, NULL, ?1 - 700000000), iif(n <= 10000, NULL, ?1 - 850000000), 0, n, 0, NULL, ?3 FROM row",
            params![to_sql(now).unwrap(), fixtures::digest(1).as_bytes(), document.as_str()],
        )
        .unwrap();
    connection
}

/// The steps of SQLite's machine that a statement takes with these parameters.
fn steps(connection: &Connection, sql: &str, with: impl Params) -> i32 {
    let mut statement = connection.prepare(sql).unwrap();
    let mut rows = statement.query(with).unwrap();
    while rows.next().unwrap().is_some() {}
    drop(rows);
    assert_eq!(statement.get_status(StatementStatus::FullscanStep), 0);
    statement.get_status(StatementStatus::VmStep)
}

/// What a decision and a change ask costs the same beside many requests as beside few, but for the one count of all that
/// wait, which the limit bounds.
#[test]
fn what_is_asked_costs_little_beside_many_requests() {
    let connection = crowded();
    let now = millis(fixtures::at(0).to_timestamp()).unwrap();
    let hash = fixtures::digest(1);
    let (hash, tenant, agent) = (hash.as_bytes(), "org:example", "agent:codex");
    let few = [
        (
            sql::LIVE,
            steps(
                &connection,
                sql::LIVE,
                params![hash, tenant, agent, now, Option::<i64>::None],
            ),
        ),
        (
            sql::DECLINED,
            steps(&connection, sql::DECLINED, params![hash, tenant, agent, now]),
        ),
        (
            sql::OVERDUE,
            steps(&connection, sql::OVERDUE, params![tenant, agent, now, 16]),
        ),
        (
            sql::COUNT_OF_AGENT,
            steps(&connection, sql::COUNT_OF_AGENT, params![tenant, agent, now, 51]),
        ),
        (
            sql::COUNT_OPENED,
            steps(
                &connection,
                sql::COUNT_OPENED,
                params![tenant, agent, now - 3_600_000, 61],
            ),
        ),
        (
            sql::COUNT_FAILED,
            steps(
                &connection,
                sql::COUNT_FAILED,
                params![tenant, agent, now - 3_600_000, 3],
            ),
        ),
        (sql::BY_DECISION, steps(&connection, sql::BY_DECISION, [15_000])),
        (sql::HOLD, steps(&connection, sql::HOLD, [tenant, agent])),
    ];
    for (sql, steps) in few {
        assert!(steps < 100, "{steps}: {sql}");
    }
    let of_client = steps(&connection, sql::COUNT_OF_CLIENT, params!["ci", now, 501]);
    assert!((500..10_000).contains(&of_client), "{of_client}");
    let all = steps(&connection, sql::COUNT_LIVE, params![now, 10_001]);
    assert!((10_000..100_000).contains(&all), "{all}");
    let listed = steps(&connection, sql::LIST_ENDED, params![b"", 1000, "declined"]);
    assert!((1000..20_000).contains(&listed), "{listed}");
}

/// A list is the same whichever turn finds what it wants.
#[test]
fn a_list_goes_turn_by_turn() {
    let connection = crowded();
    let now = fixtures::at(0).to_timestamp();
    let mut filter = RequestFilter::default();
    filter.tenant = Some("org:other".parse().unwrap());
    let mut listing = Listing::new(filter, now).unwrap();
    let mut turns = 0;
    while !listing.is_done {
        listing = listing.turn(&connection).unwrap();
        turns += 1;
    }
    assert_eq!((turns, listing.found.len()), (21, 0));
}
