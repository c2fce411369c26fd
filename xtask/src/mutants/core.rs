//! The mutants of `actionpass-core`: each lets an issuer allow, sign or record what it must not.

use super::{COMMAND_LINE, END_TO_END, GUARANTEES, List, Mutant, Suite};

pub(super) const LIST: List = List {
    name: "core",
    folder: "crates/actionpass-core/src",
    packages: &["-pactionpass-core", END_TO_END[0], END_TO_END[1], END_TO_END[2]],
    suites: &[
        GUARANTEES,
        Suite::of(&[
            "--lib",
            "--test=commitments",
            "--test=issuer",
            "--test=reconcile",
            "--test=records",
            "--test=refusals",
        ]),
        COMMAND_LINE,
    ],
    mutants: MUTANTS,
};

const MUTANTS: &[Mutant] = &[
    // What is admitted.
    Mutant::new(
        "a caller that contradicts the action",
        "authorize.rs",
        "if let Some(member) = request.caller.contradiction(head) {",
        "if let Some(member) = request.caller.contradiction(head).filter(|member| *member == \"tenant\") {",
    ),
    Mutant::new(
        "a tenant that is not served",
        "config.rs",
        "if !self.tenants.contains(tenant) {",
        "if self.tenants.is_empty() {",
    ),
    Mutant::new(
        "names that differ in case alone",
        "authorize.rs",
        "if !self.config.tools_with_colliding_names.contains(tool)",
        "if self.config.tools_with_colliding_names.contains(tool)",
    ),
    Mutant::new(
        "facts of any time",
        "facts.rs",
        "if is_old || is_ahead {",
        "if is_old && is_ahead {",
    ),
    Mutant::new(
        "facts about another action",
        "facts.rs",
        "Some(about) if about == action.action_hash() => Ok(()),",
        "Some(_) => Ok(()),",
    ),
    Mutant::new(
        "any audience that was asked for",
        "config.rs",
        "(is_tool || serving.any(|name| name == asked)).then(|| asked.clone())",
        "(is_tool || serving.any(|name| name == asked) || !asked.as_str().is_empty()).then(|| asked.clone())",
    ),
    // What is judged.
    Mutant::new(
        "an expired trust store",
        "authorize.rs",
        "if trust.is_expired(now.to_unix_seconds()) {",
        "if trust.is_expired(now.to_unix_seconds()) && !call.offered.is_empty() {",
    ),
    Mutant::new(
        "somebody revoked",
        "authorize.rs",
        "} else if is_anybody_revoked(call.action, trust) {",
        "} else if is_anybody_revoked(call.action, trust) && !call.offered.is_empty() {",
    ),
    Mutant::new(
        "a revoked runtime",
        "authorize.rs",
        "        actor.human_owner.as_str(),
        actor.runtime.as_str(),
    ];",
        "        actor.human_owner.as_str(),
    ];",
    ),
    Mutant::new(
        "an id of before a restoration",
        "authorize.rs",
        ".is_some_and(|start| is_forgotten(&call.key.action, start, now))",
        ".is_some_and(|start| is_forgotten(&call.key.action, start, now) && call.offered.len() > 1)",
    ),
    Mutant::new(
        "an approval of before a restoration",
        "offered.rs",
        "} else if restored.is_some_and(|start| approval.given() < start) {",
        "} else if restored.is_some_and(|start| approval.expires() < start) {",
    ),
    Mutant::new(
        "a used approval counts again",
        "offered.rs",
        "} else if used.contains(&name) {",
        "} else if used.contains(&name) && used.is_empty() {",
    ),
    Mutant::new(
        "an approval offered twice counts twice",
        "offered.rs",
        "} else if !offered.refs().contains(&name) {",
        "} else {",
    ),
    Mutant::new(
        "asserted approvals count whatever the configuration",
        "offered.rs",
        "dangerously_accept_asserted: config.dangerously_accept_asserted,",
        "dangerously_accept_asserted: true,",
    ),
    Mutant::new(
        "the used ones count in what is required",
        "authorize.rs",
        "if known.used.iter().filter(|approval| call.discard(approval)).count() > 0 {",
        "if known.used.iter().filter(|approval| call.discard(approval)).count() > 2 {",
    ),
    // What is signed.
    Mutant::new(
        "the key is not looked at for each pass",
        "authorize.rs",
        "let (signer, key) = self.check_signer(trust, now)?;",
        "let signer = self.key.as_ref().map_err(Clone::clone)?;
        let key = self.parts.trust.current().await.map_err(AuthorizeError::trust)?;
        let Some(key) = key.keyring().get(signer.public_key().kid()).map(|entry| entry.trust().clone()) else {
            return Err(AuthorizeCode::SignerNotTrusted.into());
        };",
    ),
    Mutant::new(
        "a key that is not for the tenant",
        "authorize.rs",
        "if !key.tenants.contains(&call.key.tenant) {",
        "if !key.tenants.contains(&call.key.tenant) && judged.approvals.len() > 99 {",
    ),
    Mutant::new(
        "a revoked key signs",
        "authorize.rs",
        "_ if entry.is_revoked() => AuthorizeCode::SignerRevoked,",
        "_ if entry.is_revoked() && key.superseded_by.is_some() => AuthorizeCode::SignerRevoked,",
    ),
    Mutant::new(
        "a key of another issuer signs",
        "authorize.rs",
        "key.key_use == KeyUse::Pass && key.issuer.as_ref() == Some(&self.config.issuer)",
        "key.key_use == KeyUse::Pass",
    ),
    Mutant::new(
        "a key outside of its time signs",
        "authorize.rs",
        "KeyStatus::Active if key.signs_at(now) => return Ok((signer, key)),",
        "KeyStatus::Active => return Ok((signer, key)),",
    ),
    Mutant::new(
        "a lifetime of policy beyond the configured one",
        "documents.rs",
        "lifetime.min(config.pass_lifetime)",
        "lifetime",
    ),
    Mutant::new(
        "a pass of no time at all",
        "documents.rs",
        "lifetime.max(Duration::from_secs(1)).as_secs()",
        "lifetime.as_secs()",
    ),
    Mutant::new(
        "a pass without its obligations",
        "documents.rs",
        "            policy: judged.policy.clone(),
            obligations: judged.verdict.obligations.clone(),",
        "            policy: judged.policy.clone(),
            obligations: Vec::new(),",
    ),
    Mutant::new(
        "a constant hash of facts",
        "documents.rs",
        "            context_hash: call.action.context_hash(),
            facts_hash: call.facts.hash(),",
        "            context_hash: call.action.context_hash(),
            facts_hash: BoundFacts::none().hash(),",
    ),
    Mutant::new(
        "a pass that names no approval",
        "documents.rs",
        "approvals: judged.approvals.iter().map(embed).collect(),",
        "approvals: judged.approvals.iter().skip(1).map(embed).collect(),",
    ),
    // What is released.
    Mutant::new(
        "trust that changed while an action was judged",
        "authorize.rs",
        "if self.current_trust().await?.evidence() != trust.evidence() {",
        "if self.current_trust().await?.evidence().version < trust.evidence().version {",
    ),
    Mutant::new(
        "an answer of the store that comes too late",
        "authorize.rs",
        "None => Err(StoreError::new(StoreCode::StoreUnavailable).into()),",
        "None => std::future::pending().await,",
    ),
    Mutant::new(
        "a former pass under another policy",
        "authorize.rs",
        "if claims.actionpass.policy.digest != self.parts.policy.digest() {",
        "if claims.actionpass.policy.id != *self.parts.policy.id() {",
    ),
    Mutant::new(
        "a former pass that was used",
        "authorize.rs",
        "&& self.bounded(replay.is_used(&claims.iss, &claims.jti)).await?",
        "&& self.bounded(replay.is_used(&claims.iss, &claims.jti)).await? && token.is_empty()",
    ),
    Mutant::new(
        "a former pass after a rollback of trust",
        "authorize.rs",
        "let trust = self.not_rolled_back(trust, state.trust).await?;",
        "let _ = Self::not_rolled_back;",
    ),
    Mutant::new(
        "a former pass for another action of the same id",
        "authorize.rs",
        "Some(false) => return Err(AuthorizeCode::ActionIdReused.into()),",
        "Some(false) => {}",
    ),
    Mutant::new(
        "a former pass that no verifier accepts any more",
        "authorize.rs",
        "            .verify(token, &Call::action(call.action), trust, now.to_unix_seconds())
            .ok()?;",
        "            .verify(token, &Call::action(call.action), trust, claims.iat)
            .ok()?;",
    ),
    // What is recorded.
    Mutant::new(
        "refusals before judging leave no record",
        "authorize.rs",
        "&& self.quota.admit(&who, now)",
        "&& error.is(AuthorizeCode::CallerNotServed)",
    ),
    Mutant::new(
        "refusals without end are recorded",
        "quota.rs",
        "let is_admitted = window.recorded < RECORDED;",
        "let is_admitted = window.recorded < u32::MAX;",
    ),
    Mutant::new(
        "what failed after it was judged leaves no record",
        "authorize.rs",
        "if let Ok(entry) = self.entry(call, body, None, now) {",
        "if let (Ok(entry), true) = (self.entry(call, body, None, now), error.is(AuthorizeCode::Contention)) {",
    ),
    Mutant::new(
        "the payload of a denied call is kept",
        "authorize.rs",
        "let is_kept = allow.is_some() || (self.config.denied_payloads && payload.len() <= MAX_DENIED_PAYLOAD_BYTES);",
        "let is_kept = allow.is_some() || payload.len() <= MAX_DENIED_PAYLOAD_BYTES;",
    ),
    Mutant::new(
        "a denied payload of any size is kept",
        "authorize.rs",
        "(self.config.denied_payloads && payload.len() <= MAX_DENIED_PAYLOAD_BYTES)",
        "self.config.denied_payloads",
    ),
    Mutant::new(
        "commitments without their salt",
        "authorize.rs",
        "record = record.with_side(SideKind::Salt, salt.as_bytes().to_vec());",
        "record = record.with_side(SideKind::Salt, vec![0; salt.as_bytes().len()]);",
    ),
    Mutant::new(
        "the use of a pass says its hash in a salted log",
        "admin.rs",
        "let salt = if self.salted_commitments {",
        "let salt = if self.salted_commitments && body.commitment.is_some() {",
    ),
    Mutant::new(
        "approvals offered in vain are not told",
        "documents.rs",
        "(!judged.in_vain.is_empty()).then(|| judged.in_vain.clone())",
        "(judged.in_vain.len() > 99).then(|| judged.in_vain.clone())",
    ),
    Mutant::new(
        "approvers in vain are believed without a signature",
        "offered.rs",
        "approved_by: approval.kid().map(|_| approval.approver().clone()),",
        "approved_by: Some(approval.approver().clone()),",
    ),
    // Administration.
    Mutant::new(
        "a trust store that went back",
        "admin.rs",
        "let snapshot = self.refuse_rollback(snapshot).await?;",
        "let _ = Self::refuse_rollback;",
    ),
    Mutant::new(
        "revocations that a crash left out",
        "admin.rs",
        "let appended = reconcile_with(&snapshot, &*self.ledger, self.now()?, &*self.random).await?;",
        "let appended = 0;
        let _ = reconcile_with;",
    ),
    Mutant::new(
        "a trust store that lacks what the ledger holds",
        "admin.rs",
        "        if known != Some(found)
",
        "        if known.is_none()
",
    ),
    Mutant::new(
        "what was seen outside of the ledger",
        "admin.rs",
        "        if found.version < self.seen {",
        "        if found.version < self.seen && known.is_none() {",
    ),
    Mutant::new(
        "a pass's revocation is forgotten too early",
        "revoke.rs",
        "Some(now.saturating_add(PASS_KEPT))",
        "Some(now)",
    ),
    Mutant::new(
        "a trust store is put back below what a witness saw",
        "revoke.rs",
        "known.version).max(seen);",
        "known.version).max(seen.min(1));",
    ),
    Mutant::new(
        "what was pruned is missed",
        "revoke.rs",
        "if revocation.expires_at.is_none_or(|end| end > now) {",
        "if revocation.expires_at.is_none_or(|_| true) {",
    ),
    Mutant::new(
        "what may be pruned some day is not missed",
        "revoke.rs",
        "if revocation.expires_at.is_none_or(|end| end > now) {",
        "if revocation.expires_at.is_none() {",
    ),
    Mutant::new(
        "a lifted revocation is missed",
        "revoke.rs",
        "held.chain(trust.lifted.iter().map(|entry| &entry.revocation)).collect();",
        "held.chain(trust.lifted.iter().take(0).map(|entry| &entry.revocation)).collect();",
    ),
    Mutant::new(
        "a trust store is put back below what the ledger knows",
        "revoke.rs",
        "document.version = document.version.max(known);",
        "document.version = document.version.min(known);",
    ),
    Mutant::new(
        "what a trust store lacks is not put back",
        "revoke.rs",
        "                for revocation in &entries {",
        "                for revocation in entries.iter().take(1) {",
    ),
    Mutant::new(
        "the watermark moves before the last batch",
        "revoke.rs",
        "let records = if batches.peek().is_some() {",
        "let records = if batches.peek().is_some() && range.to == range.after {",
    ),
    Mutant::new(
        "a key off its curve is believed",
        "admin.rs",
        "Keyring::from_trust(document).map(drop).map_err(AnyError::from)",
        "Ok(())",
    ),
    Mutant::new(
        "the old key stays active after a rotation",
        "admin.rs",
        "Some(old) => self.retire_for(&old, &new, rotation.reason).await?,",
        "Some(old) if old == new => self.retire_for(&old, &new, rotation.reason).await?,
            Some(_) => None,",
    ),
    Mutant::new(
        "a policy is in force without its record",
        "admin.rs",
        "        self.record(&body).await.map(Some)
    }",
        "        let _ = body;
        Ok(None)
    }",
    ),
    Mutant::new(
        "a policy that others replaced",
        "authorize.rs",
        "if state.policy.is_some_and(|digest| digest != self.parts.policy.digest()) {
                return Err(self",
        "if state.policy.is_some_and(|digest| digest != self.parts.policy.digest() && call.offered.len() > 31) {
                return Err(self",
    ),
    // Approval requests.
    Mutant::new(
        "a decline is not looked at",
        "authorize.rs",
        "if let Some(stored) = standing.declined {",
        "if let Some(stored) = standing.declined.filter(|_| call.offered.len() > 31) {",
    ),
    Mutant::new(
        "what differs in facts keeps the votes",
        "queue.rs",
        "if request.facts_hash != call.facts.hash() {",
        "if request.facts_hash != call.facts.hash() && call.offered.len() > 31 {",
    ),
    Mutant::new(
        "what differs in context keeps the votes",
        "queue.rs",
        "if request.context_hash != call.action.context_hash() {",
        "if request.context_hash != call.action.context_hash() && call.offered.len() > 31 {",
    ),
    Mutant::new(
        "a vote may leave claims out",
        "review.rs",
        "check_terms(&yes, request)?;",
        "let _ = check_terms;",
    ),
    Mutant::new(
        "anybody votes",
        "review.rs",
        "if !matches!((without, with), (Some(without), Some(with)) if with < without) {",
        "if without.is_none() && with.is_none() {",
    ),
    Mutant::new(
        "a used vote is cast",
        "review.rs",
        "if !known.used.is_empty() {
            return Err(vote_code(AuthorizeCode::ApprovalUsed));",
        "if known.used.len() > 1 {
            return Err(vote_code(AuthorizeCode::ApprovalUsed));",
    ),
    Mutant::new(
        "the side data of another request decides",
        "review.rs",
        "if !is_the_same {",
        "if !is_the_same && stored.tokens.len() > 31 {",
    ),
    Mutant::new(
        "a parked call opens another request",
        "authorize.rs",
        "call.opens = false;",
        "call.opens = request.opens;",
    ),
];
