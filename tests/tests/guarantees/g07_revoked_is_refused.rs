//! G7: nothing that the verifier's data shows revoked verifies, and data older than allowed refuses.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actionpass_core::{NewRevocation, RevokeError, reconcile, revoke};
use actionpass_model::{KeyStatus, PassId, Principal, RevocationTarget, Statement, TrustStore};
use actionpass_store::trust_file::{TrustFile, change};
use actionpass_store::{MemoryDecisionStore, StoreCode};
use actionpass_testkit::fixtures::FixtureKey;
use actionpass_testkit::stores::RefusingStore;
use actionpass_testkit::{CountingRandom, Testbed, block_on, fixtures};
use actionpass_verify::{Call, LiveTrust, Trust, TrustSource};

use crate::common::{Checked, codes};

/// Everything that, revoked, takes the fixture's pass with it, and the code that says so.
fn targets() -> Vec<(RevocationTarget, &'static str)> {
    let pass = fixtures::pass_with_approval_claims(&fixtures::action(), fixtures::APPROVAL);
    let principal = |name: &str| RevocationTarget::Principal(Principal::parse(name).unwrap());
    vec![
        (
            RevocationTarget::Pass {
                id: pass.jti,
                issuer: pass.iss,
            },
            "pass_revoked",
        ),
        (RevocationTarget::Key(FixtureKey::ISSUER.kid()), "key_revoked"),
        (principal("agent:codex-prod"), "principal_revoked"),
        (principal("agent:planner"), "principal_revoked"),
        (principal("user:owner@example.com"), "principal_revoked"),
        (principal("runtime:codex-cli"), "principal_revoked"),
        (principal("org:example"), "principal_revoked"),
        (principal("user:maintainer@example.com"), "approval_revoked"),
        (RevocationTarget::Key(FixtureKey::APPROVER.kid()), "approval_revoked"),
        (
            RevocationTarget::Approval {
                id: pass.actionpass.approvals[0].id.clone(),
                approver: fixtures::approver(),
            },
            "approval_revoked",
        ),
    ]
}

/// Whatever is revoked, the pass no longer verifies.
fn revocations_count(verify: &dyn Fn(TrustStore) -> Vec<String>) -> Checked {
    if !verify(fixtures::trust_store()).is_empty() {
        return Err("refused without a revocation".into());
    }
    for (target, code) in targets() {
        let mut trust = fixtures::trust_store();
        fixtures::revoke(&mut trust, target.clone());
        let found = verify(trust);
        if found != [code] {
            return Err(format!("{target:?}: {found:?}"));
        }
    }
    Ok(())
}

fn verify(trust: TrustStore) -> Vec<String> {
    let bed = Testbed::new();
    bed.trust().update(|document| *document = trust);
    codes(bed.verify(fixtures::PASS_WITH_APPROVAL, &fixtures::action()))
}

#[test]
fn g07_each_kind_of_revocation() {
    assert_eq!(revocations_count(&verify), Ok(()));
}

#[test]
fn g07_the_check_finds_a_verifier_that_reads_no_revocations() {
    // One kind at a time, and a principal by each of its kinds: a verifier that misses one is found.
    let kinds: [fn(&RevocationTarget) -> bool; 8] = [
        |target| matches!(target, RevocationTarget::Pass { .. }),
        |target| matches!(target, RevocationTarget::Approval { .. }),
        |target| matches!(target, RevocationTarget::Key(_)),
        |target| matches!(target, RevocationTarget::Principal(name) if name.as_str() == "agent:codex-prod"),
        |target| matches!(target, RevocationTarget::Principal(name) if name.as_str() == "agent:planner"),
        |target| matches!(target, RevocationTarget::Principal(name) if name.as_str().starts_with("user:")),
        |target| matches!(target, RevocationTarget::Principal(name) if name.as_str().starts_with("runtime:")),
        |target| matches!(target, RevocationTarget::Principal(name) if name.as_str().starts_with("org:")),
    ];
    for (number, is_missed) in kinds.into_iter().enumerate() {
        let careless = |mut trust: TrustStore| {
            trust.revocations.retain(|revocation| !is_missed(&revocation.target));
            // A revoked key says so in its entry as well.
            for key in trust.keys.iter_mut().filter(|_| number == 2) {
                key.status = KeyStatus::Active;
            }
            verify(trust)
        };
        assert!(revocations_count(&careless).is_err(), "kind {number}");
    }
}

#[test]
fn g07_a_status_of_revoked_is_enough_and_retired_is_not_revoked() {
    let with_status = |status| {
        let mut trust = fixtures::trust_store();
        trust.keys[0].status = status;
        trust.keys[0].not_after = Some(fixtures::now());
        verify(trust)
    };
    assert_eq!(with_status(KeyStatus::Revoked), ["key_revoked"]);
    assert_eq!(with_status(KeyStatus::Retired), Vec::<String>::new());
}

#[test]
fn g07_somebody_elses_revocations_are_nobodys_here() {
    let pass = fixtures::pass_with_approval_claims(&fixtures::action(), fixtures::APPROVAL);
    let approval = pass.actionpass.approvals[0].id.clone();
    for target in [
        RevocationTarget::Pass {
            id: pass.jti.clone(),
            issuer: fixtures::other_issuer(),
        },
        RevocationTarget::Pass {
            id: PassId::parse("ap_00000000000000000000000000000000").unwrap(),
            issuer: pass.iss.clone(),
        },
        RevocationTarget::Approval {
            id: approval,
            approver: fixtures::second_approver(),
        },
        RevocationTarget::Principal(Principal::parse("agent:codex").unwrap()),
        RevocationTarget::Key(FixtureKey::STRANGER.kid()),
    ] {
        let mut trust = fixtures::trust_store();
        fixtures::revoke(&mut trust, target.clone());
        assert_eq!(verify(trust), Vec::<String>::new(), "{target:?}");
    }
}

/// Whoever revokes in a hurry may not write a name as the pass does.
#[test]
fn g07_a_principal_is_revoked_in_any_spelling() {
    for (name, code) in [
        ("agent:Codex-Prod", "principal_revoked"),
        ("agent:PLANNER", "principal_revoked"),
        ("user:Owner@Example.com", "principal_revoked"),
        ("user:MAINTAINER@example.com", "approval_revoked"),
    ] {
        let mut trust = fixtures::trust_store();
        fixtures::revoke(&mut trust, RevocationTarget::Principal(Principal::parse(name).unwrap()));
        assert_eq!(verify(trust), [code], "{name}");
    }
}

#[test]
fn g07_the_issuer_stops_as_well() {
    let bed = Testbed::new();
    assert!(bed.authorize(&fixtures::demo_action()).is_ok());
    bed.revoke(RevocationTarget::Key(FixtureKey::ISSUER.kid()));
    assert_eq!(
        crate::common::failure(bed.authorize(&fixtures::demo_action())),
        "signing_key_revoked"
    );
}

#[test]
fn g07_data_older_than_allowed_refuses() {
    let action = fixtures::action();
    let bed = Testbed::new().with_verifier(|verifier| verifier.with_max_revocations_age(Duration::from_secs(60)));
    bed.clock().advance(Duration::from_secs(60));
    assert_eq!(codes(bed.verify(fixtures::PASS, &action)), Vec::<String>::new());
    bed.clock().advance(Duration::from_secs(1));
    assert_eq!(codes(bed.verify(fixtures::PASS, &action)), ["revocations_stale"]);

    let bed = Testbed::new();
    bed.trust()
        .update(|trust| trust.expires_at = Some(fixtures::now().saturating_add(Duration::from_secs(10))));
    assert_eq!(codes(bed.verify(fixtures::PASS, &action)), Vec::<String>::new());
    bed.clock().advance(Duration::from_secs(10));
    assert_eq!(codes(bed.verify(fixtures::PASS, &action)), ["trust_expired"]);
}

fn verdict(trust: &LiveTrust) -> Vec<String> {
    let action = fixtures::action();
    match block_on(trust.current()) {
        Ok(trust) => codes(Testbed::new().verifier().verify(
            fixtures::PASS,
            &Call::action(&action),
            &trust,
            fixtures::seconds(),
        )),
        Err(error) => vec![error.code().to_string()],
    }
}

fn created(path: &Path) -> TrustFile {
    TrustFile::create(path, &fixtures::trust_store()).unwrap()
}

#[test]
fn g07_a_changed_file_is_taken_over_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trust.json");
    let file = created(&path);
    let before = fs::read(&path).unwrap();
    let live = LiveTrust::open(&path).unwrap();
    assert_eq!(verdict(&live), Vec::<String>::new());

    let pass = fixtures::pass_claims(&fixtures::action());
    let target = RevocationTarget::Pass {
        id: pass.jti,
        issuer: pass.iss,
    };
    file.update(
        fixtures::now(),
        |_| Ok(()),
        |trust| Ok(change::revoke(trust, fixtures::revocation(1, target))?),
    )
    .unwrap();
    assert_eq!(verdict(&live), ["pass_revoked"]);

    // Broken, gone, or of yesterday: none is believed, and nothing in its place.
    let after = fs::read(&path).unwrap();
    for broken in [&after[..after.len() / 2], b"", b"{}", b"null"] {
        fs::write(&path, broken).unwrap();
        assert_eq!(verdict(&live), ["trust_invalid"]);
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(verdict(&live), ["trust_unreadable"]);
    fs::write(&path, &before).unwrap();
    assert_eq!(verdict(&live), ["trust_rolled_back"]);
    fs::write(&path, &after).unwrap();
    assert_eq!(verdict(&live), ["pass_revoked"]);
}

#[test]
fn g07_one_bad_key_refuses_the_whole_file() {
    let mut trust = fixtures::trust_store();
    trust.keys[3].jwk.y = trust.keys[3].jwk.x.clone();
    let bytes = serde_json::to_vec(&trust).unwrap();
    assert!(Trust::parse(&bytes).is_err());
}

fn lost_pass() -> NewRevocation {
    let pass = fixtures::pass_claims(&fixtures::action());
    NewRevocation {
        target: RevocationTarget::Pass {
            id: pass.jti,
            issuer: pass.iss,
        },
        reason: Statement::parse("it was lost").unwrap(),
        revoked_by: Principal::parse("user:owner@example.com").unwrap(),
        compromised_since: None,
        expires_at: None,
    }
}

#[test]
fn g07_revoking_writes_the_trust_store_first_and_the_ledger_catches_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trust.json");
    let (file, random) = (created(&path), CountingRandom::new());
    let live = LiveTrust::open(&path).unwrap();

    // The ledger is gone in the middle: the revocation is in force all the same.
    let down = RefusingStore(StoreCode::StoreUnavailable);
    let error = block_on(revoke(lost_pass(), &file, &down, fixtures::now(), &random)).unwrap_err();
    assert!(matches!(error, RevokeError::Unrecorded { .. }));
    assert_eq!(verdict(&live), ["pass_revoked"]);

    let store = Arc::new(MemoryDecisionStore::new(Testbed::log()));
    let bed = Testbed::new().with_decisions(Arc::clone(&store));
    assert_eq!(
        block_on(reconcile(&file, &*store, fixtures::now(), &random)).unwrap(),
        1
    );
    assert_eq!(
        block_on(reconcile(&file, &*store, fixtures::now(), &random)).unwrap(),
        0
    );
    assert_eq!(bed.verify_ledger().unwrap().head.size(), 1);
}

#[test]
fn g07_without_randomness_nothing_is_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let file = created(&folder.path().join("trust.json"));
    let store = MemoryDecisionStore::new(Testbed::log());
    let random = CountingRandom::running_out_after(0);
    let error = block_on(revoke(lost_pass(), &file, &store, fixtures::now(), &random)).unwrap_err();
    assert_eq!(error.code(), "randomness_unavailable");
    assert!(file.read().unwrap().document.revocations.is_empty());
}
