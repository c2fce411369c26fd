use super::*;
use crate::file;
use actionpass_store::ReplayStart;
use actionpass_store::conformance::{TempFolder, fixtures};

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
