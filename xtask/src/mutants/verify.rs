//! The mutants of `actionpass-verify`: each lets an executor believe what it must not.

use super::{END_TO_END, GUARANTEES, List, Mutant, Suite};

pub(super) const LIST: List = List {
    name: "verify",
    folder: "crates/actionpass-verify/src",
    packages: &["-pactionpass-verify", END_TO_END[0], END_TO_END[1], END_TO_END[2]],
    suites: &[
        GUARANTEES,
        Suite::of(&["--lib"]),
        Suite::of(&["--test=interop"]).running_the_program(),
    ],
    mutants: MUTANTS,
};

const MUTANTS: &[Mutant] = &[
    // The pass itself.
    Mutant::new(
        "a pass of any issuer",
        "verifier.rs",
        "claims.iss == self.issuer && key.issuer.as_ref() == Some(&claims.iss)",
        "key.issuer.as_ref() == Some(&claims.iss)",
    ),
    Mutant::new(
        "a key that signs for another issuer",
        "verifier.rs",
        "claims.iss == self.issuer && key.issuer.as_ref() == Some(&claims.iss)",
        "claims.iss == self.issuer",
    ),
    Mutant::new(
        "a pass for any audience",
        "verifier.rs",
        "check(claims.aud == self.audience, VerifyCode::AudienceMismatch);",
        "let _ = &self.audience;",
    ),
    Mutant::new(
        "a key that may not sign for the tenant",
        "verifier.rs",
        "                && key.tenants.contains(&terms.tenant)
",
        "",
    ),
    Mutant::new(
        "a pass of another tenant than the verifier's",
        "verifier.rs",
        "terms.tenant == self.tenant
                && key",
        "key",
    ),
    Mutant::new(
        "a pass of another tenant than the action's",
        "verifier.rs",
        "call.tenant().is_none_or(|tenant| *tenant == terms.tenant)",
        "call.tenant().is_none_or(|tenant| tenant.as_str() != \"\")",
    ),
    Mutant::new(
        "a key outside of its time",
        "verifier.rs",
        "check(signs_in(key, claims.iat), VerifyCode::KeyNotValid);",
        "let _ = signs_in(key, claims.iat);",
    ),
    Mutant::new(
        "a pass that begins later",
        "verifier.rs",
        "check(claims.nbf <= soon && claims.iat <= soon, VerifyCode::NotYetValid);",
        "check(claims.iat <= soon, VerifyCode::NotYetValid);",
    ),
    Mutant::new(
        "a pass for ever",
        "verifier.rs",
        "check(now < claims.exp.saturating_add(LEEWAY_SECS), VerifyCode::Expired);",
        "let _ = LEEWAY_SECS;",
    ),
    Mutant::new(
        "a pass in its last second and beyond",
        "verifier.rs",
        "check(now < claims.exp.saturating_add(LEEWAY_SECS), VerifyCode::Expired);",
        "check(now <= claims.exp.saturating_add(LEEWAY_SECS), VerifyCode::Expired);",
    ),
    Mutant::new(
        "a lifetime beyond the configured one",
        "verifier.rs",
        "<= self.max_lifetime.as_secs()",
        "<= MAX_PASS_LIFETIME.as_secs()",
    ),
    Mutant::new(
        "a revoked pass",
        "verifier.rs",
        "!trust.is_pass_revoked(&claims.iss, &claims.jti)",
        "!trust.is_pass_revoked(&claims.iss, &claims.jti) || claims.exp > now",
    ),
    Mutant::new(
        "a revoked owner",
        "verifier.rs",
        "            terms.human_owner.as_str(),
",
        "",
    ),
    Mutant::new(
        "a revoked runtime",
        "verifier.rs",
        "            terms.runtime.as_str(),
",
        "",
    ),
    Mutant::new(
        "a revoked agent that another acts for",
        "verifier.rs",
        ".chain(terms.via.iter().map(AsRef::as_ref))",
        ".chain(terms.via.iter().skip(1).map(AsRef::as_ref))",
    ),
    Mutant::new(
        "the action's hash is believed",
        "verifier.rs",
        "rebuilt.is_ok_and(|hash| hash == terms.action_hash)",
        "rebuilt.is_ok()",
    ),
    Mutant::new(
        "obligations that nobody enforces",
        "verifier.rs",
        "terms.obligations.iter().all(|duty| self.obligations.contains(&duty.id))",
        "terms.obligations.is_empty() || !self.obligations.is_empty()",
    ),
    Mutant::new(
        "an expired trust store",
        "verifier.rs",
        "if trust.is_expired(now) {",
        "if trust.is_expired(now) && !findings.is_empty() {",
    ),
    Mutant::new(
        "revocations of any age",
        "verifier.rs",
        "self.max_revocations_age.is_some_and(|max| age > max.as_secs())",
        "self.max_revocations_age.is_some_and(|max| age > max.as_secs() && max.is_zero())",
    ),
    Mutant::new(
        "consumed without a mark",
        "verifier.rs",
        "Ok(Consumption::Refused(code)) => refused(code.into()),",
        "Ok(Consumption::Refused(code)) if code.as_str() != \"already_used\" => refused(code.into()),
            Ok(Consumption::Refused(_)) => return Ok(ConsumedPass(pass)),",
    ),
    Mutant::new(
        "consumed though the store fails",
        "verifier.rs",
        "Err(error) => refused(error.code().into()).with_source(error),",
        "Err(error) if error.code().as_str() == \"store_unavailable\" => return Ok(ConsumedPass(pass)),
            Err(error) => refused(error.code().into()).with_source(error),",
    ),
    // The call.
    Mutant::new(
        "another payload",
        "call.rs",
        "check(self.payload_hash == terms.payload_hash, VerifyCode::PayloadHashMismatch);",
        "let _ = VerifyCode::PayloadHashMismatch;",
    ),
    Mutant::new(
        "another tool",
        "call.rs",
        "check(*self.tool == terms.tool, VerifyCode::ToolMismatch);",
        "let _ = VerifyCode::ToolMismatch;",
    ),
    Mutant::new(
        "another resource",
        "call.rs",
        "check(*self.resource == terms.resource, VerifyCode::ResourceMismatch);",
        "let _ = VerifyCode::ResourceMismatch;",
    ),
    Mutant::new(
        "another task",
        "call.rs",
        "self.task.is_none_or(|task| *task == terms.task)",
        "self.task.is_none_or(|task| !task.as_str().is_empty())",
    ),
    Mutant::new(
        "another definition of the tool",
        "call.rs",
        "definition.map(|(_, hash)| hash) == terms.definition_hash",
        "definition.is_none() == terms.definition_hash.is_none()",
    ),
    Mutant::new(
        "another server of the tool",
        "call.rs",
        "definition.map(|(server, _)| server) == terms.server.as_ref()",
        "definition.is_none() == terms.server.is_none()",
    ),
    // Approvals.
    Mutant::new(
        "embedded approvals are believed",
        "verifier.rs",
        "        self.check_approvals(claims, trust, findings);
",
        "        let _ = Self::check_approvals;
",
    ),
    Mutant::new(
        "asserted approvals are accepted whatever the verifier was told",
        "verifier.rs",
        "dangerously_accept_asserted: self.dangerously_accept_asserted,",
        "dangerously_accept_asserted: true,",
    ),
    Mutant::new(
        "an approver that only the pass names",
        "verifier.rs",
        "if *approval.approver() != embedded.approved_by {",
        "if approval.approver().as_str().is_empty() {",
    ),
    Mutant::new(
        "an approval of other rules",
        "verifier.rs",
        "if !named.is_empty() && !named.iter().any(|rule| terms.policy.rules.contains(rule)) {",
        "if !named.is_empty() && terms.policy.rules.is_empty() {",
    ),
    Mutant::new(
        "an approval of another action",
        "approval.rs",
        "                && self.action_hash == context.action_hash
                && self.payload_hash == context.payload_hash",
        "                && self.payload_hash == context.payload_hash",
    ),
    Mutant::new(
        "an approval for another agent",
        "approval.rs",
        "self.agent == context.agent
                && self.tenant",
        "self.tenant",
    ),
    Mutant::new(
        "an approval for another issuer",
        "approval.rs",
        "check(self.audience == context.issuer, VerifyCode::ApprovalAudienceMismatch);",
        "let _ = VerifyCode::ApprovalAudienceMismatch;",
    ),
    Mutant::new(
        "an approval that has expired",
        "approval.rs",
        "context.at < self.expires.saturating_add(LEEWAY_SECS)",
        "context.at < self.expires.saturating_add(3600)",
    ),
    Mutant::new(
        "an approval of another occurrence",
        "approval.rs",
        "terms.action_id.as_ref().is_none_or(|id| id == context.action_id)
            && terms",
        "terms",
    ),
    Mutant::new(
        "an approval of another context",
        "approval.rs",
        "
            && terms.context_hash.is_none_or(|hash| hash == context.context_hash)",
        "",
    ),
    Mutant::new(
        "an approval under another policy",
        "approval.rs",
        "terms.policy_digest.is_none_or(|digest| digest == context.policy_digest)",
        "terms.policy_digest.is_none_or(|digest| digest != context.action_hash)",
    ),
    Mutant::new(
        "an approval in the name of another",
        "approval.rs",
        "key.principal.as_ref() == Some(&claims.iss)",
        "key.principal.is_some()",
    ),
    Mutant::new(
        "an approval for a tenant that its key is not for",
        "approval.rs",
        "signs_in(key, claims.iat) && key.tenants.contains(context.tenant)",
        "signs_in(key, claims.iat)",
    ),
    Mutant::new(
        "an approval by the agent itself",
        "approval.rs",
        "check(!is_agent(self.approver, context), VerifyCode::ApproverIsAgent);",
        "let _ = is_agent(self.approver, context);",
    ),
    Mutant::new(
        "an approval by an agent that another acts for",
        "approval.rs",
        "        .chain(context.via)
",
        "        .chain(context.via.iter().skip(1))
",
    ),
    Mutant::new(
        "a revoked approval",
        "approval.rs",
        "!trust.is_approval_revoked(self.approver, self.id) && ",
        "",
    ),
    Mutant::new(
        "an approval of somebody revoked",
        "approval.rs",
        " && !trust.is_principal_revoked(self.approver.as_str())",
        "",
    ),
    // Trust.
    Mutant::new(
        "a revocation for one spelling only",
        "trust.rs",
        "principals.insert(fold_principal(principal.as_str()).into());",
        "principals.insert(principal.as_str().into());",
    ),
    Mutant::new(
        "a revocation for the passes of any issuer or none",
        "trust.rs",
        ".binary_search_by(|(pass, by)| (pass, by).cmp(&(id, issuer)))",
        ".binary_search_by(|(pass, _)| pass.cmp(id))",
    ),
    Mutant::new(
        "a changed trust store is not read",
        "live.rs",
        "(known == stamp).then(|| Arc::clone(trust))",
        "(known == stamp || stamp.is_settled()).then(|| Arc::clone(trust))",
    ),
    Mutant::new(
        "a trust store that may still change is taken for settled",
        "live.rs",
        "self.lock().taken = stamp.is_settled().then(|| (stamp, Arc::clone(&trust)));",
        "self.lock().taken = Some((stamp, Arc::clone(&trust)));",
    ),
    Mutant::new(
        "records of a key after it was revoked",
        "standing.rs",
        "Some(bound) if bound <= at => StandingCode::InDoubt,",
        "Some(bound) if bound < at && revoked.is_none() => StandingCode::InDoubt,",
    ),
];
