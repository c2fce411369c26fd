//! The mutants of `actionpass-store`: each lets a log or a trust store say what it must not.

use super::{COMMAND_LINE, END_TO_END, GUARANTEES, List, Mutant, Suite};

pub(super) const LIST: List = List {
    name: "store",
    folder: "crates/actionpass-store/src",
    packages: &[
        "-pactionpass-store",
        "-pactionpass-store-sqlite",
        END_TO_END[0],
        END_TO_END[1],
        END_TO_END[2],
    ],
    suites: &[
        Suite::of(&["--lib", "--test=conformance", "--test=golden", "--test=trust_file"]),
        GUARANTEES,
        COMMAND_LINE,
    ],
    mutants: MUTANTS,
};

const MUTANTS: &[Mutant] = &[
    // The chain.
    Mutant::new(
        "a record with another hash",
        "ledger/verify.rs",
        "if link.computed != link.record.ledger_hash {",
        "if link.computed != link.record.ledger_hash && seq == 0 {",
    ),
    Mutant::new(
        "a record of another log",
        "ledger/verify.rs",
        "*log.origin() != record.log || *log.issuer() != record.issuer",
        "*log.origin() != record.log && *log.issuer() != record.issuer",
    ),
    Mutant::new(
        "a record out of its place",
        "ledger/verify.rs",
        "if record.seq != seq {",
        "if record.seq < seq {",
    ),
    Mutant::new(
        "a record with another predecessor",
        "ledger/verify.rs",
        "if record.previous_ledger_hash != self.head.hash() {",
        "if record.previous_ledger_hash != self.head.hash() && seq == 0 {",
    ),
    Mutant::new(
        "a known head that is another",
        "ledger/verify.rs",
        "known.seq() == seq && known.hash() != record.ledger_hash",
        "known.seq() == seq && known.hash() == self.head.hash()",
    ),
    Mutant::new(
        "a log that ends before a known head",
        "ledger/verify.rs",
        "known.seq() >= size || known.seq() < first",
        "known.seq() > size || known.seq() < first",
    ),
    Mutant::new(
        "a verification from a head of another record",
        "ledger/verify.rs",
        "known.seq() == first && *known != behind",
        "known.seq() == first && known.seq() != behind.seq()",
    ),
    // What is still provable.
    Mutant::new(
        "a record with another hash is called proved",
        "ledger/survey.rs",
        "Ok(link) if link.computed == link.record.ledger_hash && link.record.seq == seq => {",
        "Ok(link) if link.record.seq == seq => {",
    ),
    Mutant::new(
        "a stretch goes on behind another hash",
        "ledger/survey.rs",
        "Some(run) if run.hash == record.previous_ledger_hash => {",
        "Some(run) => {",
    ),
    Mutant::new(
        "a stretch that what follows denies is whole from the first record",
        "ledger/survey.rs",
        "(self.is_genesis && !self.is_contradicted)",
        "self.is_genesis",
    ),
    Mutant::new(
        "a record at a known head is taken for the one known",
        "ledger/survey.rs",
        "                self.damaged(offset, seq, LedgerCode::LedgerForked, problem);
                return false;
",
        "                self.found(LedgerCode::LedgerForked.as_str(), seq, offset, problem);
",
    ),
    Mutant::new(
        "another spelling of a record",
        "ledger/verify.rs",
        "if admitted != json {",
        "if admitted.len() > json.len() {",
    ),
    Mutant::new(
        "a hash over the first part alone",
        "ledger/seal.rs",
        "let ledger_hash = sha256_parts(&[&self.before, &after]);",
        "let ledger_hash = sha256_parts(&[&self.before]);",
    ),
    // What the records say of each other.
    Mutant::new(
        "a pass used twice",
        "ledger/meaning.rs",
        "Some(true) => fault(LedgerCode::LedgerPassUsedTwice),",
        "Some(true) => Ok(()),",
    ),
    Mutant::new(
        "another issuer's pass used twice",
        "ledger/meaning.rs",
        "if self.foreign_uses.insert((body.issuer, body.pass, body.audience)) {",
        "if self.foreign_uses.insert((body.issuer, body.pass, body.audience)) || self.has_decisions {",
    ),
    Mutant::new(
        "a pass used that was never issued",
        "ledger/meaning.rs",
        "None if self.has_decisions => fault(LedgerCode::LedgerUseUnissued),",
        "None if self.has_decisions && self.passes.is_empty() => fault(LedgerCode::LedgerUseUnissued),",
    ),
    Mutant::new(
        "a pass used before the first decision",
        "ledger/meaning.rs",
        "self.early_use = self.early_use.or(Some(record.seq));",
        "self.early_use = None;",
    ),
    Mutant::new(
        "an action allowed twice",
        "ledger/meaning.rs",
        "return fault(LedgerCode::LedgerActionAllowedTwice);",
        "self.early_use = None;",
    ),
    Mutant::new(
        "an approval used twice",
        "ledger/meaning.rs",
        "if !self.approvals.insert(used) {",
        "if !self.approvals.insert(used) && self.policy.is_none() {",
    ),
    Mutant::new(
        "an allow under a policy not in force",
        "ledger/meaning.rs",
        "self.policy.is_some_and(|policy| policy != body.policy.digest)",
        "self.policy.is_some_and(|policy| policy != body.policy.digest) && self.trust.is_none()",
    ),
    Mutant::new(
        "trust that went back",
        "ledger/meaning.rs",
        "Err(_) => return fault(LedgerCode::LedgerTrustWentBack),",
        "Err(_) => {}",
    ),
    Mutant::new(
        "another trust store of one version",
        "decision.rs",
        "Some(known) if known.version == relied.version && known.digest != relied.digest => Err(known),",
        "",
    ),
    // Commitments.
    Mutant::new(
        "a use in a salted log with its plain hash",
        "ledger/salt.rs",
        "body.token_hash = self.commit(body.token_hash);",
        "",
    ),
    Mutant::new(
        "a decision in a salted log with plain hashes",
        "ledger/salt.rs",
        "hide_decision(&self, body: &mut DecisionBody) {
        for hash in body.committed_hashes() {",
        "hide_decision(&self, body: &mut DecisionBody) {
        for hash in body.committed_hashes().skip(1) {",
    ),
    Mutant::new(
        "a change of a request in a salted log with plain hashes",
        "ledger/salt.rs",
        "hide_request(&self, body: &mut RequestBody) {
        for hash in body.committed_hashes() {",
        "hide_request(&self, body: &mut RequestBody) {
        for hash in body.committed_hashes().skip(1) {",
    ),
    // The trust store.
    Mutant::new(
        "an older trust store",
        "trust_file.rs",
        "*newest > version || *newest == version && !known.is_same_value(text)",
        "*newest == version && !known.is_same_value(text)",
    ),
    Mutant::new(
        "another trust store of the version seen",
        "trust_file.rs",
        "*newest > version || *newest == version && !known.is_same_value(text)",
        "*newest > version || *newest == version && known.bytes().is_empty() && !text.is_same_value(text)",
    ),
    Mutant::new(
        "a change drops a revocation",
        "trust_file/change.rs",
        "return Err(ChangeError::RevocationDropped(revocation.id.clone()));",
        "let _ = ChangeError::RevocationDropped(revocation.id.clone());",
    ),
    Mutant::new(
        "a change brings a revoked key back",
        "trust_file/change.rs",
        "if back || !after.is_key_revoked(&key.kid) {",
        "if back && !after.is_key_revoked(&key.kid) {",
    ),
    Mutant::new(
        "the revocation of a key is lifted",
        "trust_file/change.rs",
        "if !trust.revocations.get(index).is_some_and(is_principal) {",
        "if !trust.revocations.get(index).is_some_and(is_principal) && trust.revocations.len() > 99 {",
    ),
    Mutant::new(
        "a principal's revocation is forgotten in time",
        "trust_file/change.rs",
        "RevocationTarget::Key(_) | RevocationTarget::Principal(_) => None,",
        "RevocationTarget::Key(_) => None,
        RevocationTarget::Principal(_) => revocation.expires_at,",
    ),
    Mutant::new(
        "a version that stays",
        "trust_file.rs",
        ".checked_add(1)",
        ".checked_add(0)",
    ),
    Mutant::new(
        "a trust store that everybody may write",
        "trust_file/disk.rs",
        "& 0o002 != 0",
        "& 0o004 == 0",
    ),
    Mutant::new(
        "a trust store without fsync",
        "trust_file/disk.rs",
        "        file.sync_all()?;
",
        "",
    ),
    Mutant::new(
        "a trust store whose folder isn't synced",
        "trust_file/disk.rs",
        "        fs::rename(&next, path)?;
        sync_folder(path)",
        "        let _ = sync_folder;
        fs::rename(&next, path)",
    ),
    Mutant::new(
        "a trust store written in place",
        "trust_file/disk.rs",
        "        fs::rename(&next, path)?;",
        "        fs::copy(&next, path)?;",
    ),
    Mutant::new(
        "two change the trust store at once",
        "lock_file.rs",
        "        Ok(()) => return Ok(file),
",
        "        Ok(()) | Err(TryLockError::WouldBlock) => return Ok(file),
",
    ),
    Mutant::new(
        "whoever can read a lock can hold it",
        "lock_file.rs",
        "    if is_open {",
        "    if is_open && file.metadata().is_err() {",
    ),
    Mutant::new(
        "a link is replaced",
        "trust_file/disk.rs",
        "    let path = &*target(path);
",
        "",
    ),
    Mutant::new(
        "a change may lower the version",
        "trust_file.rs",
        "            .max(self.document.version)
",
        "",
    ),
    // Replay.
    Mutant::new(
        "a pass of before the store can judge",
        "replay.rs",
        "} else if mark.issued_at.get() < start.at().get() {",
        "} else if mark.issued_at.get().saturating_add(30) < start.at().get() {",
    ),
    Mutant::new(
        "a pass whose mark was forgotten",
        "replay.rs",
        "if mark.until().get() <= pruned_to.get() {",
        "if mark.until().get() < pruned_to.get() {",
    ),
    Mutant::new(
        "the watermark of reconciled revocations jumps",
        "log.rs",
        "if watermark >= self.after && watermark < self.to {",
        "if watermark < self.to {",
    ),
    // What backends have in common.
    Mutant::new(
        "a change of any version",
        "backend.rs",
        "if kept.request.version != change.version {",
        "if kept.request.version < change.version {",
    ),
    Mutant::new(
        "what lies beside another request is given",
        "backend.rs",
        "(self.hash == self.wanted).then_some(self.stored)",
        "(self.hash.is_some() == self.wanted.is_some()).then_some(self.stored)",
    ),
    Mutant::new(
        "columns that say what the document doesn't",
        "backend.rs",
        "Columns::of(&self.request).as_ref() == Some(columns)",
        "Columns::of(&self.request).is_some_and(|own| own.id == columns.id)",
    ),
    Mutant::new(
        "memory: an approval is used twice",
        "memory/decision.rs",
        "!seen.insert(approval) || state.approvals.contains(approval)",
        "!seen.insert(approval)",
    ),
    Mutant::new(
        "memory: an allow under another policy",
        "memory/decision.rs",
        "if let Some(policy) = known.policy.filter(|policy| Some(*policy) != effects.policy) {",
        "if let Some(policy) = known.policy.filter(|policy| Some(*policy) != effects.policy && effects.policy.is_none()) {",
    ),
];
