//! The mutants of `actionpass-store-postgres`: each lets the store forget, repeat or believe what it must not.

use super::{List, Mutant, Suite};

pub(super) const LIST: List = List {
    name: "store-postgres",
    folder: "crates/actionpass-store-postgres/src",
    packages: &["-pactionpass-store-postgres"],
    suites: &[
        Suite::of(&[
            "--lib",
            "--test=failures",
            "--test=access",
            "--test=fork",
            "--test=rows",
            "--test=documents",
            "--test=sessions",
            "--test=batches",
        ]),
        Suite::of(&["--test=conformance", "--test=processes"]),
    ],
    mutants: MUTANTS,
};

const MUTANTS: &[Mutant] = &[
    // One sequencer at a time.
    Mutant::new(
        "the fence moves any head",
        "ledger.rs",
        "WHERE revision = $1 AND size = $2 AND hash = $3 RETURNING 1)",
        "WHERE $1::bigint >= 0 AND $2::bigint >= 0 AND $3::bytea IS NOT NULL RETURNING 1)",
    )
    .survives(
        "a batch that only looks is of one moment, and the database refuses to change a row that changed since; one that \
         holds the head is alone; and two records have no one place. This is the fence that needs no such knowledge",
    ),
    Mutant::new(
        "of several questions the third is never known",
        "facts.rs",
        "*asks = get(&row, column)?;",
        "*asks = get(&row, column)? && column != 2;",
    ),
    Mutant::new(
        "of several questions the last is never known",
        "facts.rs",
        "AND r.agent = u.agent AND r.ended IS NULL AND r.expires > u.now)
                OR EXISTS",
        "AND r.agent = u.agent AND r.ended IS NULL AND r.expires > u.now AND false)
                OR EXISTS",
    ),
    Mutant::new(
        "a commit of which nobody heard is made again",
        "writer.rs",
        "if let Some(outcomes) = heard(session, &head.state, unheard).await? {",
        "let _ = heard(session, &head.state, unheard);
        if let Some(outcomes) = None::<Vec<Outcome>> {",
    ),
    Mutant::new(
        "a decision under a former policy is recorded",
        "ledger.rs",
        "if let Some(policy) = self.state.policy.filter(|policy| Some(*policy) != relied.policy) {",
        "if let Some(policy) = self.state.policy.filter(|_| false) {",
    ),
    Mutant::new(
        "an allow passes by what waits",
        "ledger.rs",
        "if commit.queue_part().is_none() && call.queue.as_ref().is_some_and(is_obstructed) {",
        "if false && call.queue.as_ref().is_some_and(is_obstructed) {",
    ),
    // What is durable, and when.
    Mutant::new(
        "commits need not be on the disk",
        "ledger.rs",
        "if matches!(synchronous_commit, \"on\" | \"remote_apply\") && fsync == \"on\" {",
        "if !synchronous_commit.is_empty() && !fsync.is_empty() {",
    ),
    Mutant::new(
        "any clock will do",
        "ledger.rs",
        "const CLOCKS_APART_MILLIS: u64 = 30_000;",
        "const CLOCKS_APART_MILLIS: u64 = 30_000_000;",
    ),
    // Passes consumed.
    Mutant::new(
        "whoever finds a mark made it",
        "marks.rs",
        "AND r.issuer = u.issuer WHERE r.call = $3",
        "AND r.issuer = u.issuer WHERE $3::uuid IS NOT NULL",
    ),
    Mutant::new(
        "a use is recorded whatever became of its mark",
        "writer.rs",
        "Ok(Consumption::Refused(code)) => return Ok(Ok(UsedUp::Refused(code))),",
        "Ok(Consumption::Refused(_)) => {}",
    ),
    Mutant::new(
        "marks are made whatever was forgotten",
        "marks.rs",
        "let code = judge(mark, start, pruned_to);",
        "let code = judge(mark, start, start.at()).or(Ok::<(), ReplayCode>(()));
        let _ = pruned_to;",
    ),
    Mutant::new(
        "what is forgotten is not remembered to be",
        "marks.rs",
        "SET pruned_to = greatest(pruned_to, (SELECT max(until) FROM gone))",
        "SET pruned_to = pruned_to",
    ),
    Mutant::new(
        "a caller's clock alone decides what is forgotten",
        "marks.rs",
        "WHERE until <= least($1, actionpass.now_millis() / 1000 + 30)",
        "WHERE until <= $1",
    ),
    // What is believed.
    Mutant::new(
        "a request is what its document says",
        "requests.rs",
        "if !kept.fits(&columns(row)?) {",
        "if !kept.fits(&columns(row)?) && kept.last == u64::MAX {",
    ),
    Mutant::new(
        "a change of trust overwrites another",
        "trust.rs",
        "WHERE version = $3 AND document = $4\"",
        "WHERE $3::bigint >= 0 AND $4::bytea IS NOT NULL\"",
    ),
    Mutant::new(
        "a trust store may go back",
        "trust.rs",
        "match newest_trust(known, snapshot.evidence()) {",
        "match newest_trust(known.filter(|_| false), snapshot.evidence()) {",
    ),
    Mutant::new(
        "a copy of the process asks",
        "store.rs",
        "        self.0.process.check()?;
",
        "",
    ),
    Mutant::new(
        "acknowledged before it is witnessed",
        "writer.rs",
        "let Some(witness) = &self.witness else { return Ok(()) };",
        "let Some(witness) = self.witness.as_ref().filter(|_| false) else { return Ok(()) };",
    ),
    Mutant::new(
        "what the witness saw is not looked for",
        "writer.rs",
        "if known.seq() < head.size() && is_there(session, known).await? {",
        "if known.seq() < head.size() {",
    ),
    Mutant::new(
        "rows that are missing at the end",
        "store.rs",
        "        bounded(options.timeout, rows::check_last(&session)).await?;
",
        "",
    ),
    Mutant::new(
        "more rows than the log says",
        "rows.rs",
        "if number(&row, column)? != logged || kept != logged {",
        "if number(&row, column)? < logged || kept < logged {",
    ),
    Mutant::new(
        "uses without their marks",
        "rows.rs",
        "if self.due.get(pass).is_some_and(|until| *until > pruned_to) {",
        "if self.due.get(pass).is_some_and(|until| *until > u64::MAX - pruned_to) {",
    ),
    Mutant::new(
        "a connection on which an answer was late is used again",
        "reads.rs",
        "if answer.is_err() {",
        "if answer.as_ref().is_err_and(|failure| failure.kind != Kind::Gone) {",
    ),
    // Over which connections.
    Mutant::new(
        "passwords cross the network in the clear",
        "options.rs",
        "Some(\"disable\") if is_here => true,",
        "Some(\"disable\") => true,",
    ),
    Mutant::new(
        "a certificate for another name will do",
        "tls.rs",
        "ServerName::try_from(domain.to_owned())",
        "ServerName::try_from(domain.replace(\"localhost\", \"127.0.0.1\"))",
    ),
    // What all machines go by.
    Mutant::new(
        "a document is replaced whatever its version",
        "documents.rs",
        "WHERE name = $1 AND version = $5\"",
        "WHERE name = $1 AND $5::bigint > 0\"",
    ),
    Mutant::new(
        "a document that was edited is believed",
        "documents.rs",
        "Some((version, digest, Some(bytes))) if sha256(&bytes) == digest => Some(KeptDocument {",
        "Some((version, digest, Some(bytes))) => Some(KeptDocument {",
    ),
    Mutant::new(
        "a document that went back is believed",
        "documents.rs",
        "(Some(known), Some(found)) => is_before(known, found),
            (Some(_), None) => true,",
        "(Some(known), Some(found)) => is_before(known, found) && known.version == found.version,
            (Some(_), None) => true,",
    ),
    Mutant::new(
        "a document that is gone was never there",
        "documents.rs",
        "(Some(_), None) => true,
            (None, _) => false,",
        "(Some(_), None) => false,
            (None, _) => false,",
    ),
    Mutant::new(
        "a document is put where commits don't last",
        "documents.rs",
        "check_settings(session).await?;",
        "let _ = check_settings(session).await;",
    ),
];
