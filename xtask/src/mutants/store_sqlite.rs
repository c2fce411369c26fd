//! The mutants of `actionpass-store-sqlite`: each lets the store forget, repeat or believe what it must not.

use super::{COMMAND_LINE, END_TO_END, GUARANTEES, List, Mutant, Suite};

pub(super) const LIST: List = List {
    name: "store-sqlite",
    folder: "crates/actionpass-store-sqlite/src",
    packages: &["-pactionpass-store-sqlite", END_TO_END[0], END_TO_END[1], END_TO_END[2]],
    suites: &[
        Suite::of(&[
            "--lib",
            "--test=conformance",
            "--test=file",
            "--test=fork",
            "--test=witness",
        ]),
        Suite::of(&["--test=processes", "--test=requests"]),
        GUARANTEES,
        COMMAND_LINE,
    ],
    mutants: MUTANTS,
};

const MUTANTS: &[Mutant] = &[
    // What is durable.
    Mutant::new(
        "synchronous=NORMAL",
        "file.rs",
        "connection.pragma_update(None, \"synchronous\", \"full\")?;",
        "connection.pragma_update(None, \"synchronous\", \"normal\")?;",
    ),
    Mutant::new(
        "erased rows stay readable in the file",
        "file.rs",
        "connection.pragma_update(None, \"secure_delete\", \"on\")?;",
        "connection.pragma_update(None, \"secure_delete\", \"off\")?;",
    ),
    Mutant::new(
        "erased rows stay in the write-ahead log",
        "store.rs",
        "let is_busy: bool = connection.query_row(\"PRAGMA wal_checkpoint(TRUNCATE)\", [], |row| row.get(0))?;",
        "let is_busy: bool = connection.query_row(\"SELECT 0\", [], |row| row.get(0))?;",
    )
    .survives(
        "the committer empties the write-ahead log behind each erasure; this call is for one that found readers there",
    ),
    Mutant::new(
        "a connection goes on after a failed write",
        "committer.rs",
        "let outcomes = written.inspect_err(|failure| given_up(failure, batch))?;",
        "let outcomes = match written.inspect_err(|failure| given_up(failure, batch)) {
            Ok(outcomes) => outcomes,
            Err(failure) => {
                self.open = Some(open);
                return Err(failure);
            }
        };",
    ),
    // What is used, and once.
    Mutant::new(
        "a pass is used up twice",
        "consume.rs",
        "Ok(is_used.then_some(ReplayCode::AlreadyUsed))",
        "Ok(is_used.then_some(ReplayCode::AlreadyUsed).filter(|_| false))",
    ),
    Mutant::new(
        "a pass is consumed twice",
        "consume.rs",
        "0 => Ok(Consumption::Refused(ReplayCode::AlreadyUsed)),",
        "0 => Ok(Consumption::Consumed),",
    ),
    Mutant::new(
        "what was forgotten is judged again",
        "consume.rs",
        "        limits.pruned_to = limits.pruned_to.max(until);
",
        "        let _ = until;
",
    ),
    Mutant::new(
        "a restoration is forgotten by the marks",
        "consume.rs",
        "self.start = self.start.max(start);",
        "self.start = self.start.min(start);",
    ),
    Mutant::new(
        "a restoration is forgotten by the approvals",
        "decide.rs",
        "UPDATE ledger SET restored = max(coalesce(restored, 0), ?1)",
        "UPDATE ledger SET restored = min(coalesce(restored, 0), ?1)",
    ),
    Mutant::new(
        "an action is allowed twice",
        "decide.rs",
        "        if !self.issue(commit, allow, pass, &record)? {",
        "        if !self.issue(commit, allow, pass, &record)? && allow.token.is_empty() {",
    ),
    Mutant::new(
        "a refused allow leaves its approvals used",
        "decide.rs",
        "unmark.execute(params![id, marked.approver.as_str()])?;",
        "let _ = (id, marked, &mut unmark);",
    ),
    Mutant::new(
        "a refused allow leaves its action taken",
        "decide.rs",
        "            undo.execute(params![
                commit.action,
                call.action.tenant.as_str(),
                call.action.agent.as_str()
            ])?;",
        "            let _ = &mut undo;",
    ),
    Mutant::new(
        "an allow under an older trust store",
        "decide.rs",
        "Err(newer) => return self.refused(call, Ok(CommitOutcome::TrustChanged(newer))),",
        "Err(newer) if newer.version == 0 => return self.refused(call, Ok(CommitOutcome::TrustChanged(newer))),
            Err(_) => self.state.trust,",
    ),
    Mutant::new(
        "an allow under a policy that isn't in force",
        "decide.rs",
        "return self.refused(call, Ok(CommitOutcome::PolicyChanged(policy)));",
        "let _ = CommitOutcome::PolicyChanged(policy);",
    ),
    Mutant::new(
        "a revocation is recorded twice",
        "decide.rs",
        "None => self.recorded(id)?,",
        "None => self.recorded(id)?.filter(|record| record.seq == 0),",
    ),
    Mutant::new(
        "the watermark of revocations moves without its batch",
        "decide.rs",
        "self.state.reconciled = range.advance(self.state.reconciled);",
        "self.state.reconciled = u64::MAX >> 12;
            let _ = range;",
    ),
    Mutant::new(
        "an erased salt is still there",
        "decide.rs",
        "DELETE FROM side WHERE slot BETWEEN ?1 AND ?1 + 7",
        "DELETE FROM side WHERE slot BETWEEN ?1 AND ?1 + 2",
    ),
    Mutant::new(
        "a former action without its salt is a known one",
        "decide.rs",
        "Ok(Some(issued.committed_by(salt.transpose()?)))",
        "Ok(Some(match salt.transpose()? { Some(salt) => issued.committed_by(Some(salt)), None => issued }))",
    ),
    // What waits for people.
    Mutant::new(
        "a decline stands in nobody's way",
        "decide/queue.rs",
        "is_declined: requests::declined(self.connection, key, now)?.is_some(),",
        "is_declined: requests::declined(self.connection, key, now)?.is_some_and(|kept| kept.last == 0),",
    ),
    Mutant::new(
        "a decline holds for ever",
        "requests/sql.rs",
        "agent = ?3 AND holds > ?4",
        "agent = ?3 AND holds IS NOT NULL AND ?4 > 0",
    ),
    Mutant::new(
        "no limit of requests",
        "decide/queue.rs",
        "return Ok(Err(Ok(CommitOutcome::NotOpened(code))));",
        "let _ = CommitOutcome::NotOpened(code);",
    ),
    Mutant::new(
        "a request is opened beside another",
        "requests/sql.rs",
        "AND expires > ?4 AND decision IS NOT ?5",
        "AND expires > ?4 AND decision < ?5",
    ),
    Mutant::new(
        "a request waits when its time is over",
        "requests/sql.rs",
        "AND expires > ?4 AND decision IS NOT ?5",
        "AND ?4 > 0 AND decision IS NOT ?5",
    ),
    Mutant::new(
        "an allow leaves its request waiting",
        "decide/queue.rs",
        "Then::Settle(settled) => self.put(settled, record.seq(), None)?,",
        "Then::Settle(settled) => drop(&settled.next),",
    ),
    Mutant::new(
        "a step_up under a policy that isn't in force",
        "decide/queue.rs",
        "return Ok(Err(Ok(CommitOutcome::PolicyChanged(policy))));",
        "let _ = policy;",
    ),
    Mutant::new(
        "a refused decision supersedes",
        "decide/queue.rs",
        "            run(self.connection, \"ROLLBACK TO decision\")?;
            (self.state, self.rows) = (state, rows);
",
        "            let _ = (state, rows);
",
    ),
    Mutant::new(
        "a record that doesn't name its request",
        "decide/queue.rs",
        "return Ok(Err(misused));",
        "let _ = misused;",
    ),
    Mutant::new(
        "requests that come to nothing hold no others",
        "requests.rs",
        ">= ENDS_THAT_HOLD {",
        "> ENDS_THAT_HOLD {",
    ),
    Mutant::new(
        "ends of before a hold was lifted count again",
        "requests.rs",
        ".max(lifted);",
        ".min(lifted);",
    ),
    Mutant::new(
        "what lies beside a request isn't erased",
        "requests.rs",
        "    connection.prepare_cached(sql::ERASE_SIDE)?.execute([to_sql(opener)?])?;
",
        "",
    ),
    Mutant::new(
        "an erased request goes on waiting",
        "requests.rs",
        "    let ended = erased(&kept.request, at);",
        "    let ended = erased(&kept.request, at).filter(|ended| ended.version == 0);",
    ),
    Mutant::new(
        "an erased request confirms a guess",
        "requests.rs",
        "        hide(&mut kept.request);
",
        "        let _ = hide;
",
    ),
    Mutant::new(
        "a decline is forgotten by an erasure",
        "requests.rs",
        "holds.is_some_and(|until| now < until)",
        "holds.is_some_and(|until| until < now)",
    ),
    Mutant::new(
        "requests that are missing at the end",
        "rows.rs",
        "        requests::check_last(connection)?;
",
        "",
    ),
    Mutant::new(
        "requests that are missing anywhere",
        "rows/requests.rs",
        "Ok(_) | Err(Failure::Store(..)) => Err(unlike),",
        "Ok(_) | Err(Failure::Store(..)) => Ok(None),",
    ),
    Mutant::new(
        "more votes than the log has",
        "rows/requests.rs",
        "if there != (self.opened(), self.changes()) || (kept.rows, kept.changes) != there {",
        "if there < (self.opened(), self.changes()) || (kept.rows, kept.changes) < there {",
    ),
    Mutant::new(
        "holds that the log doesn't know",
        "rows/requests.rs",
        "if from_sql(holds)? != known {",
        "if from_sql(holds)? < known {",
    ),
    // What is believed of the file.
    Mutant::new(
        "a database with another record in the witnessed place",
        "decide.rs",
        "Some(json) => json.contains(&format!(\",\\\"ledgerHash\\\":\\\"{}\\\",\", seen.hash)),",
        "Some(json) => !json.is_empty(),",
    ),
    Mutant::new(
        "a witness forgets the trust store with its ledger",
        "witness.rs",
        "            next.trust_version = next.trust_version.max(before.trust_version);
",
        "            let _ = before.trust_version;
",
    ),
    Mutant::new(
        "a witness is not told of a trust store without a ledger",
        "witness.rs",
        "trust_version: known.trust_version.max(version),",
        "trust_version: known.trust_version.min(version),",
    ),
    Mutant::new(
        "a file with two names",
        "file.rs",
        "    if names(&metadata) > 1 {",
        "    if names(&metadata) > 9 {",
    ),
    Mutant::new(
        "the witness of another log",
        "decide.rs",
        "if !seen.is_of(log) {",
        "if !seen.is_of(log) && seen.size == 0 {",
    ),
    Mutant::new(
        "the witness goes back",
        "witness.rs",
        "if (known.size, known.trust_version) >= (next.size, trust_version) {",
        "if (known.size, known.trust_version) == (next.size, trust_version) {",
    )
    .survives("what says most is in the place that is not written, so the file says it still; this saves a write and its sync"),
    Mutant::new(
        "the witness is written in one place",
        "witness.rs",
        "write_at(file, &self.to_place(), 1_usize.saturating_sub(place))",
        "write_at(file, &self.to_place(), place)",
    ),
    Mutant::new(
        "the witness isn't synced",
        "witness.rs",
        "        file.sync_data().map_err(Failure::unwitnessed)
",
        "        Ok(())
",
    ),
    Mutant::new(
        "a half-written witness is believed",
        "witness.rs",
        "if words.next()? != NAME || sha256(format!(\"{text} \").as_bytes()) != sum.parse().ok()? {",
        "if words.next()? != NAME || sum.is_empty() {",
    ),
    Mutant::new(
        "witnessed before it is durable",
        "committer.rs",
        "            run_cached(&open.connection, \"COMMIT\")?;
            // Durable, then witnessed, then acknowledged.
            if let (Some(witness), Some(log), Some(state)) = (&self.witness, &self.log, state) {
                witness.advance(log, &state)?;
            }",
        "            if let (Some(witness), Some(log), Some(state)) = (&self.witness, &self.log, state) {
                witness.advance(log, &state)?;
            }
            run_cached(&open.connection, \"COMMIT\")?;",
    ),
    Mutant::new(
        "never witnessed",
        "committer.rs",
        "                witness.advance(log, &state)?;
",
        "                let _ = (witness, log, state);
",
    ),
    Mutant::new(
        "a store that reopens believes any database",
        "committer.rs",
        "                if let Some(seen) = &seen {
                    decide::check_witnessed(&moment, log, seen)?;
                }",
        "                let _ = (&seen, log);",
    ),
    Mutant::new(
        "a log whose end is another than its head",
        "decide.rs",
        "from_sql(seq)? == known.seq() && json.contains",
        "from_sql(seq)? == known.seq() || json.contains",
    ),
    Mutant::new(
        "rows that are missing at the end",
        "store.rs",
        "            rows::check_last(&moment)?;
",
        "",
    ),
    Mutant::new(
        "rows that are missing anywhere",
        "rows.rs",
        "        check_record(connection, self.next, &consequence)?;
",
        "",
    ),
    Mutant::new(
        "more rows than the log says",
        "rows.rs",
        "if there != logged || kept != logged {",
        "if there < logged || kept < logged {",
    ),
    Mutant::new(
        "uses without their marks",
        "rows.rs",
        "if is_due && !consume::is_used(connection, &issuer, &pass)? {",
        "if is_due && !consume::is_used(connection, &issuer, &pass)? && self.next == 0 {",
    ),
    Mutant::new(
        "triggers and other schemas",
        "file.rs",
        "if objects(connection)? == *made {",
        "if objects(connection)?.len() >= made.len() {",
    ),
    Mutant::new(
        "a database that others can write",
        "file.rs",
        "if others_can_write(&metadata) {",
        "if others_can_write(&metadata) && metadata.len() == 0 {",
    ),
    Mutant::new(
        "a store in a copy of its process",
        "store.rs",
        "    async fn written<T>(&self, write: impl FnOnce(Reply<T>) -> Write) -> Result<T, StoreError> {
        self.0.lease.check()?;",
        "    async fn written<T>(&self, write: impl FnOnce(Reply<T>) -> Write) -> Result<T, StoreError> {",
    ),
    Mutant::new(
        "a lock of another process fails what is written here",
        "committer.rs",
        "Err(failure) if failure.is_busy() => {",
        "Err(failure) if failure.is_busy() && batch.is_empty() => {",
    ),
    Mutant::new(
        "a caller that left takes its call with it",
        "queue.rs",
        "    pub(crate) fn tell(&self) {
        self.changed.notify_one();",
        "    pub(crate) fn tell(&self) {",
    ),
    Mutant::new(
        "a connection is closed beside another",
        "store.rs",
        "        join(self.writing.take());
        self.reads.queue.close();",
        "        self.reads.queue.close();
        join(self.writing.take());",
    ),
];
