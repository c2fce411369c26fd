//! G5: an approval serves only its action, issuer, tenant and time, once.

use std::time::Duration;

use actionpass_canon::BoundAction;
use actionpass_core::Approval;
use actionpass_model::{ActionId, ApprovalClaims, Decision, RevocationId, RevocationTarget, Statement, Tenants};
use actionpass_store::{
    AppendOutcome, Batch, CommitOutcome, DecisionCommit, DecisionStore, Known, Ledger, LedgerState, LookUp,
    MemoryDecisionStore, SideKind, StoreFuture, StoredRecord,
};
use actionpass_testkit::fixtures::{self, FixtureKey, approval_key};
use actionpass_testkit::policies::NeedsApprovals;
use actionpass_testkit::tokens::{self, Forgery};
use actionpass_testkit::{Testbed, sources};
use serde_json::json;

use crate::common::{Checked, at_once, demo_with_id, reasons, recorded};

fn bed() -> Testbed {
    Testbed::new().with_policy(NeedsApprovals::new(1))
}

/// What comes of an approval like the honest one but for one change.
fn offered(change: impl FnOnce(&mut ApprovalClaims)) -> (Decision, Vec<String>) {
    let action = fixtures::action();
    let mut claims = fixtures::approval_claims(&action);
    change(&mut claims);
    judged(&bed(), &action, tokens::sign(FixtureKey::APPROVER, &claims))
}

fn judged(bed: &Testbed, action: &BoundAction, approval: String) -> (Decision, Vec<String>) {
    let authorization = bed.authorize_with(action, None, &[approval]).unwrap();
    let codes = reasons(&authorization)
        .into_iter()
        .filter(|code| code.starts_with("appro"))
        .map(str::to_owned)
        .collect();
    (authorization.decision, codes)
}

fn refused(code: &str) -> (Decision, Vec<String>) {
    (Decision::StepUp, vec![code.to_owned(), "approval_required".to_owned()])
}

#[test]
fn g05_the_honest_approval_counts() {
    assert_eq!(
        offered(|_| ()),
        (Decision::Allow, vec!["approval_satisfied".to_owned()])
    );
}

#[test]
fn g05_for_its_action_issuer_tenant_and_time_only() {
    let other = fixtures::demo_action();
    let (action_hash, payload_hash) = (other.action_hash(), other.payload_hash());
    assert_eq!(
        offered(|claims| claims.approval.action_hash = action_hash),
        refused("approval_binding_mismatch")
    );
    assert_eq!(
        offered(|claims| claims.approval.payload_hash = payload_hash),
        refused("approval_binding_mismatch")
    );
    assert_eq!(
        offered(|claims| claims.approval.tenant = fixtures::other_tenant()),
        refused("approval_binding_mismatch")
    );
    assert_eq!(
        offered(|claims| claims.sub = "agent:other".parse().unwrap()),
        refused("approval_binding_mismatch")
    );
    assert_eq!(
        offered(|claims| claims.approval.action_id = Some(ActionId::parse("act_another").unwrap())),
        refused("approval_binding_mismatch")
    );
    assert_eq!(
        offered(|claims| claims.approval.context_hash = Some(payload_hash)),
        refused("approval_binding_mismatch")
    );
    assert_eq!(
        offered(|claims| claims.approval.policy_digest = Some(payload_hash)),
        refused("approval_policy_mismatch")
    );
    assert_eq!(
        offered(|claims| claims.aud = fixtures::other_issuer()),
        refused("approval_audience_mismatch")
    );
    assert_eq!(
        offered(|claims| claims.iss = fixtures::second_approver()),
        refused("approver_mismatch")
    );
    let now = fixtures::seconds();
    assert_eq!(
        offered(|claims| {
            claims.iat = now.saturating_sub(1000);
            claims.exp = now.saturating_sub(30);
        }),
        refused("approval_expired")
    );
    assert_eq!(
        offered(|claims| claims.iat = now.saturating_add(31)),
        refused("approval_not_yet_valid")
    );
}

#[test]
fn g05_what_it_names_and_what_fits_counts() {
    let action = fixtures::action();
    let digest = bed().policy().digest();
    let (decision, _) = offered(|claims| {
        claims.approval.action_id = action.action().id.clone();
        claims.approval.context_hash = Some(action.context_hash());
        claims.approval.policy_digest = Some(digest);
        claims.iat = fixtures::seconds().saturating_add(30);
    });
    assert_eq!(decision, Decision::Allow);
}

#[test]
fn g05_keys_that_may_not_approve() {
    let action = fixtures::action();
    let honest = Forgery::of(fixtures::APPROVAL);
    let with_kid = |key: FixtureKey| honest.clone().with_header_member("kid", json!(key.kid())).sign(key);
    assert_eq!(
        judged(&bed(), &action, with_kid(FixtureKey::STRANGER)),
        refused("approval_key_unknown")
    );
    assert_eq!(
        judged(&bed(), &action, with_kid(FixtureKey::ISSUER)),
        refused("approval_key_unknown")
    );
    assert_eq!(
        judged(&bed(), &action, with_kid(FixtureKey::SECOND_APPROVER)),
        refused("approver_mismatch")
    );
    assert_eq!(
        judged(&bed(), &action, honest.sign(FixtureKey::STRANGER)),
        refused("approval_signature_invalid")
    );
    assert_eq!(
        judged(&bed(), &action, fixtures::PASS.to_owned()),
        refused("approval_malformed")
    );
    assert_eq!(judged(&bed(), &action, "yes".to_owned()), refused("approval_malformed"));

    let other_tenant = bed();
    other_tenant
        .trust()
        .update(|trust| trust.keys[2].tenants = Tenants::Only(vec![fixtures::other_tenant()]));
    assert_eq!(
        judged(&other_tenant, &action, fixtures::APPROVAL.to_owned()),
        refused("approval_key_unknown")
    );

    let retired = bed();
    retired
        .trust()
        .update(|trust| trust.keys[2].not_before = Some(fixtures::now().saturating_add(Duration::from_secs(60))));
    assert_eq!(
        judged(&retired, &action, fixtures::APPROVAL.to_owned()),
        refused("approval_key_unknown")
    );
}

#[test]
fn g05_nobody_approves_for_themselves() {
    for name in ["service:codex-prod", "service:planner", "user:Codex-Prod"] {
        let bed = bed();
        let approver = actionpass_model::Approver::parse(name).unwrap();
        bed.trust().update(|trust| {
            trust.keys.push(approval_key(
                FixtureKey::STRANGER,
                approver.clone(),
                vec![fixtures::maintainer()],
            ))
        });
        let action = fixtures::action();
        let approval = bed.approve_as(FixtureKey::STRANGER, approver, &action);
        assert_eq!(judged(&bed, &action, approval), refused("approver_is_agent"), "{name}");
    }
}

#[test]
fn g05_revoked_approvals_grant_nothing() {
    let action = fixtures::action();
    let claims = fixtures::approval_claims(&action);
    for target in [
        RevocationTarget::Approval {
            id: claims.jti.clone(),
            approver: claims.iss.clone(),
        },
        RevocationTarget::Principal((&claims.iss).into()),
        RevocationTarget::Key(FixtureKey::APPROVER.kid()),
    ] {
        let bed = bed();
        bed.revoke(target.clone());
        assert_eq!(
            judged(&bed, &action, fixtures::APPROVAL.to_owned()),
            refused("approval_revoked"),
            "{target:?}"
        );
    }
    // The same id of another approver is another approval.
    let bed = bed();
    bed.revoke(RevocationTarget::Approval {
        id: claims.jti,
        approver: fixtures::second_approver(),
    });
    assert_eq!(judged(&bed, &action, fixtures::APPROVAL.to_owned()).0, Decision::Allow);
}

#[test]
fn g05_asserted_approvals_need_both_ends() {
    let action = fixtures::action();
    let asserted = serde_json::to_string(&fixtures::asserted_approval(&action)).unwrap();
    assert_eq!(judged(&bed(), &action, asserted.clone()), refused("approval_unsigned"));

    let issuer = bed().with_config(|config| config.dangerously_accept_asserted_approvals());
    let authorization = issuer.authorize_with(&action, None, &[asserted]).unwrap();
    let token = authorization.pass.unwrap().token;
    assert_eq!(
        crate::common::codes(issuer.verify(&token, &action)),
        ["approval_unsigned"]
    );

    let both = issuer.with_verifier(|verifier| verifier.dangerously_accept_asserted_approvals());
    let pass = both.verify(&token, &action).unwrap();
    assert_eq!(pass.claims().actionpass.approvals[0].assurance.as_str(), "asserted");

    // Offered once more it is used up, and its record names nobody: nobody signed it.
    let asserted = serde_json::to_string(&fixtures::asserted_approval(&action)).unwrap();
    let another = crate::common::action_with("/id", json!("act_2"));
    let waiting = both.authorize_with(&another, None, &[asserted]).unwrap();
    assert_eq!(waiting.decision, Decision::StepUp);
    let record = crate::common::records(&both).pop().unwrap();
    let offered = &record.body.get()["offered"][0];
    assert_eq!(offered["codes"], json!(["approval_already_used"]));
    assert_eq!((offered.get("approvedBy"), offered.get("kid")), (None, None));
}

/// Of several occurrences of one action that offer one approval, one gets a pass.
fn serves_once(bed: &Testbed) -> Checked {
    let action = fixtures::demo_action();
    let approval = bed.approve(&action);
    let decisions: Vec<_> = ["act_1", "act_2", "act_3"]
        .iter()
        .map(|id| {
            bed.authorize_with(&demo_with_id(id), None, std::slice::from_ref(&approval))
                .unwrap()
                .decision
        })
        .collect();
    if decisions == [Decision::Allow, Decision::StepUp, Decision::StepUp] {
        Ok(())
    } else {
        Err(format!("{decisions:?}"))
    }
}

#[test]
fn g05_once() {
    let bed = bed();
    assert_eq!(serves_once(&bed), Ok(()));
    let last = recorded(&bed).pop().unwrap();
    assert_eq!(
        last,
        (
            "step_up".to_owned(),
            vec!["approval_already_used".to_owned(), "approval_required".to_owned()]
        )
    );
}

#[test]
fn g05_offered_twice_it_counts_once() {
    let action = fixtures::demo_action();
    let two = Testbed::new().with_policy(NeedsApprovals::new(2));
    let approval = two.approve(&action);
    let twice = [approval.clone(), approval];
    let waiting = two.authorize_with(&action, None, &twice).unwrap();
    assert_eq!(waiting.decision, Decision::StepUp);

    let allowed = bed().authorize_with(&action, None, &twice).unwrap();
    assert_eq!(allowed.decision, Decision::Allow);
    let pass = bed().verify(&allowed.pass.unwrap().token, &action).unwrap();
    assert_eq!(pass.claims().actionpass.approvals.len(), 1);
}

/// A store that doesn't remember which approvals are used.
#[derive(Debug)]
struct Forgetful(MemoryDecisionStore);

impl DecisionStore for Forgetful {
    fn look_up(&self, question: LookUp) -> StoreFuture<'_, Known> {
        self.0.look_up(question)
    }
    fn commit(&self, mut commit: DecisionCommit) -> StoreFuture<'_, CommitOutcome> {
        if let Some(allow) = &mut commit.allow {
            allow.approvals.clear();
        }
        self.0.commit(commit)
    }
}

impl Ledger for Forgetful {
    fn append(&self, batch: Batch) -> StoreFuture<'_, Vec<AppendOutcome>> {
        self.0.append(batch)
    }
    fn state(&self) -> StoreFuture<'_, LedgerState> {
        self.0.state()
    }
    fn read(&self, seq: u64, limit: usize) -> StoreFuture<'_, Vec<StoredRecord>> {
        self.0.read(seq, limit)
    }
    fn follow(&self, seq: u64) -> StoreFuture<'_, u64> {
        self.0.follow(seq)
    }
    fn side(&self, seq: u64, kind: SideKind) -> StoreFuture<'_, Option<Vec<u8>>> {
        self.0.side(seq, kind)
    }
    fn unrecorded(&self, revocations: Vec<RevocationId>) -> StoreFuture<'_, Vec<RevocationId>> {
        self.0.unrecorded(revocations)
    }
    fn revocations(&self) -> StoreFuture<'_, Vec<(RevocationId, u64)>> {
        self.0.revocations()
    }
}

#[test]
fn g05_the_check_finds_a_store_that_forgets_used_approvals() {
    let forgetful = bed().with_decisions(Forgetful(MemoryDecisionStore::new(Testbed::log())));
    assert!(serves_once(&forgetful).is_err());
}

#[test]
fn g05_once_also_for_many_at_once() {
    let bed = bed();
    let approval = bed.approve(&fixtures::demo_action());
    let decisions = at_once(16, |index| {
        let action = demo_with_id(&format!("act_{index}"));
        bed.authorize_with(&action, None, std::slice::from_ref(&approval))
            .unwrap()
            .decision
    });
    assert_eq!(
        decisions
            .iter()
            .filter(|decision| **decision == Decision::Allow)
            .count(),
        1
    );
    assert_eq!(bed.verify_ledger().unwrap().head.size(), 16);
}

#[test]
fn g05_two_approvers_may_choose_one_id() {
    let bed = bed();
    let action = fixtures::action();
    let mut second = fixtures::approval_claims(&action);
    second.iss = fixtures::second_approver();
    assert_eq!(judged(&bed, &action, fixtures::APPROVAL.to_owned()).0, Decision::Allow);
    let again = crate::common::action_with("/id", json!("act_again"));
    let token = tokens::sign(FixtureKey::SECOND_APPROVER, &second);
    assert_eq!(judged(&bed, &again, token).0, Decision::Allow);
}

#[test]
fn g05_an_approval_of_more_than_a_day_is_not_signed() {
    let (action, bed) = (fixtures::action(), bed());
    let approval = Approval::human(fixtures::approver(), Statement::parse("for ever").unwrap())
        .with_lifetime(Duration::from_secs(86_401));
    let signer = FixtureKey::APPROVER.signer();
    let random = actionpass_testkit::CountingRandom::new();
    let signed =
        actionpass_testkit::block_on(approval.sign(&action, &fixtures::issuer(), &signer, fixtures::now(), &random));
    assert!(signed.is_err());
    // Nor read, were it signed elsewhere.
    let exp = fixtures::seconds().saturating_add(86_401);
    let token = Forgery::of(fixtures::APPROVAL)
        .with_claim(&["exp"], json!(exp))
        .sign(FixtureKey::APPROVER);
    assert_eq!(judged(&bed, &action, token), refused("approval_malformed"));
}

#[test]
fn g05_a_source_of_approvals_is_asked_once_and_not_trusted() {
    let action = fixtures::demo_action();
    let helper = bed();
    let answering = |tokens: Vec<String>| std::sync::Arc::new(sources::Answering::new(move |_| tokens.clone()));

    let good = answering(vec![helper.approve(&action)]);
    let asking = bed().with_approval_source(std::sync::Arc::clone(&good));
    let decision = asking.authorize(&action).unwrap().decision;
    assert_eq!((decision, good.asked()), (Decision::Allow, 1));
    // The step_up was recorded before anybody was asked.
    let decisions: Vec<_> = recorded(&asking).into_iter().map(|(decision, _)| decision).collect();
    assert_eq!(decisions, ["step_up", "allow"]);

    for junk in [
        vec![],
        vec!["yes".to_owned()],
        vec![fixtures::PASS.to_owned(), String::new()],
        vec![fixtures::APPROVAL.to_owned()],
    ] {
        let source = answering(junk);
        let bed = bed().with_approval_source(std::sync::Arc::clone(&source));
        assert_eq!(
            (bed.authorize(&action).unwrap().decision, source.asked()),
            (Decision::StepUp, 1)
        );
    }

    let broken = bed().with_approval_source(sources::Broken).authorize(&action).unwrap();
    assert_eq!(broken.decision, Decision::StepUp);
    let silent = bed()
        .with_approval_source(sources::Silent)
        .with_config(|config| config.with_approval_wait(Duration::from_millis(20)));
    assert_eq!(silent.authorize(&action).unwrap().decision, Decision::StepUp);
}
