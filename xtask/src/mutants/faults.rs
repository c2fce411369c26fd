//! Mutants that the fault suites catch: what is acknowledged too early, forgotten too early, taken twice or not synced.

use super::{List, Mutant, Suite};
use crate::variants::EVERYTHING;

/// What a store does wrong.
pub(super) const STORE: List = List {
    name: "faults",
    folder: "crates",
    packages: &["-pactionpass-faults"],
    suites: &[
        // First the orders of threads, which end where others would wait for ever.
        Suite::of(&["--test=faults"]).only(&["queue::"]),
        Suite::of(&["--test=faults"]).only(&["kills::"]),
        Suite::of(&["--test=faults"]).only(&["the_store::"]),
    ],
    mutants: &[
        // G9, G10.
        Mutant::new(
            "acknowledged before it is committed",
            "actionpass-store-sqlite/src/committer.rs",
            "            run_cached(&open.connection, \"COMMIT\")?;
",
            "",
        ),
        Mutant::new(
            "synchronous is off",
            "actionpass-store-sqlite/src/file.rs",
            "connection.pragma_update(None, \"synchronous\", \"full\")?;",
            "connection.pragma_update(None, \"synchronous\", \"off\")?;",
        ),
        // G6.
        Mutant::new(
            "a mark is pruned too early",
            "actionpass-store-sqlite/src/consume.rs",
            "let (pass, until) = (to_bytes(&mark.pass)?, to_sql(mark.until().get())?);",
            "let (pass, until) = (to_bytes(&mark.pass)?, to_sql(mark.issued_at.get())?);",
        ),
        // G5, G20.
        Mutant::new(
            "a vote is used twice",
            "actionpass-store-sqlite/src/decide.rs",
            "            return Ok(Some(approval.clone()));
        }",
            "            let _ = approval.clone();
        }",
        ),
        // G11.
        Mutant::new(
            "records don't chain",
            "actionpass-store/src/ledger/seal.rs",
            "push_digest(&mut after, \"previousLedgerHash\", head.hash());",
            "push_digest(&mut after, \"previousLedgerHash\", Head::default().hash());",
        ),
        Mutant::new(
            "tables that the log doesn't count",
            "actionpass-store-sqlite/src/decide.rs",
            "            rows.write(self.connection)?;
",
            "            let _ = &rows;
",
        ),
        // G12.
        Mutant::new(
            "a database that was put back is believed",
            "actionpass-store-sqlite/src/decide.rs",
            "seen.size < first.size() || (seen.size == first.size() && seen.hash == first.hash())",
            "seen.size >= first.size()",
        ),
        // The committer's queue.
        Mutant::new(
            "nobody wakes the committer",
            "actionpass-store-sqlite/src/queue.rs",
            "let enough = state.waiting.len() == state.wanted;",
            "let enough = state.waiting.len() > state.wanted;",
        ),
        Mutant::new(
            "what waits when the queue is closed is dropped",
            "actionpass-store-sqlite/src/queue.rs",
            "        while state.waiting.is_empty() {
            if state.closed {
                return None;
            }
            state = self.changed",
            "        while state.waiting.is_empty() || state.closed {
            if state.closed {
                return None;
            }
            state = self.changed",
        ),
    ],
};

/// What a store in a database does wrong. That the head is moved by a compare-and-set is in the list of `store-postgres`, with why
/// no test can tell: two other things stand in the way of a fork as well.
pub(super) const POSTGRES: List = List {
    name: "faults-postgres",
    folder: "crates/actionpass-store-postgres/src",
    packages: &["-pactionpass-faults"],
    suites: &[Suite::of(&["--test=faults"]).only(&["postgres::"])],
    mutants: &[
        // G9, G10.
        Mutant::new(
            "acknowledged before it is committed",
            "ledger.rs",
            "self.writes.flush(session, vec![moved], Some(\"COMMIT\")).await",
            "self.writes.flush(session, vec![moved], Some(\"ROLLBACK\")).await",
        ),
        Mutant::new(
            "synchronous_commit is off",
            "ledger.rs",
            "self.writes.flush(session, vec![moved], Some(\"COMMIT\")).await",
            "self.writes.flush(session, vec![moved], Some(\"SET LOCAL synchronous_commit = off; COMMIT\")).await",
        ),
        // G6.
        Mutant::new(
            "a mark is pruned too early",
            "marks.rs",
            "to_sql(mark.until().get())?",
            "to_sql(mark.issued_at.get())?",
        ),
        // G11.
        Mutant::new(
            "the head keeps its hash",
            "ledger.rs",
            "size = $4, hash = $5, trust_version = $6,",
            "size = $4, hash = coalesce(hash, $5), trust_version = $6,",
        ),
        // G12.
        Mutant::new(
            "a store that lives writes to any database",
            "writer.rs",
            "if let Some(known) = seen.known().filter(|_| seen != head.state.head) {",
            "if let Some(known) = seen.known().filter(|_| false) {",
        ),
        // G20.
        Mutant::new(
            "a vote is used twice",
            "ledger.rs",
            "if !seen.insert(approval) || self.facts.used.contains(approval) {",
            "if !seen.insert(approval) {",
        ),
    ],
};

/// What the command does wrong.
pub(super) const HOME: List = List {
    name: "faults-home",
    folder: "crates",
    packages: &["-pactionpass-faults", "-pactionpass-cli", EVERYTHING],
    suites: &[Suite::of(&["--test=faults"])
        .only(&["a_home::", "calls::", "soak::"])
        .running_the_program()],
    mutants: &[
        // G10.
        Mutant::new(
            "a trust store is put in place before it is synced",
            "actionpass-store/src/trust_file/disk.rs",
            "        file.sync_all()?;
        fs::rename(&next, path)?;",
            "        fs::rename(&next, path)?;",
        ),
        Mutant::new(
            "the folder of the trust store isn't synced",
            "actionpass-store/src/trust_file/disk.rs",
            "        fs::rename(&next, path)?;
        sync_folder(path)",
            "        fs::rename(&next, path)",
        ),
        Mutant::new(
            "a new file is not synced",
            "actionpass-home/src/files.rs",
            "        next.persist_noclobber(path)?;
        sync_folder_of(path)",
            "        next.persist_noclobber(path)?;
        Ok(())",
        ),
        // G20.
        Mutant::new(
            "one vote makes two passes",
            "actionpass-core/src/authorize.rs",
            "            .with_approvals(judged.approvals.iter().map(VerifiedApproval::to_ref).collect());",
            "            .with_approvals(judged.approvals.iter().map(VerifiedApproval::to_ref).take(0).collect());",
        ),
    ],
};
