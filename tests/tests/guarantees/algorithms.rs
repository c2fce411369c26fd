//! Passes and approvals of every algorithm, end to end: what holds for one holds for all.

use std::sync::Arc;

use actionpass_canon::BoundAction;
use actionpass_core::Approval;
use actionpass_crypto::{Algorithm, Signer, SoftwareKey, sign_document};
use actionpass_model::{Decision, PassClaims, SignedDocument, Statement, TrustKey};
use actionpass_testkit::fixtures::{self, FixtureKey};
use actionpass_testkit::policies::NeedsApprovals;
use actionpass_testkit::tokens::{at, base64url, leaves};
use actionpass_testkit::{CountingRandom, Testbed, block_on};
use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};

use crate::common::{changed, codes, demo_with_id, outcome, reasons};

/// An issuer and an approver who sign with these algorithms and are trusted to. Nothing is allowed without an approval.
struct Cast {
    bed: Testbed,
    issuer: Arc<SoftwareKey>,
    approver: SoftwareKey,
}

impl Cast {
    fn new(issuer: Algorithm, approver: Algorithm) -> Self {
        let issuer = Arc::new(SoftwareKey::generate_for(issuer).unwrap());
        let approver = SoftwareKey::generate_for(approver).unwrap();
        let bed = Testbed::new()
            .with_signer(Arc::clone(&issuer))
            .with_policy(NeedsApprovals::new(1));
        let passes = fixtures::pass_key(FixtureKey::ISSUER, fixtures::issuer());
        let roles = vec![fixtures::maintainer()];
        let approvals = fixtures::approval_key(FixtureKey::APPROVER, fixtures::approver(), roles);
        let entries = [with_key(&*issuer, passes), with_key(&approver, approvals)];
        bed.trust().update(|trust| trust.keys.extend(entries));
        Self { bed, issuer, approver }
    }

    fn approve(&self, action: &BoundAction) -> String {
        let approval = Approval::human(fixtures::approver(), Statement::parse("reviewed").unwrap());
        let random = CountingRandom::new();
        block_on(approval.sign(action, &fixtures::issuer(), &self.approver, fixtures::now(), &random)).unwrap()
    }

    fn pass(&self, action: &BoundAction) -> String {
        let approval = self.approve(action);
        let authorization = self.bed.authorize_with(action, None, &[approval]).unwrap();
        authorization.pass.unwrap().token
    }

    /// Signs what the issuer would not.
    fn sign(&self, claims: &Value) -> String {
        let claims = PassClaims::from_claims(claims.to_string().as_bytes()).unwrap();
        block_on(sign_document(&*self.issuer, &claims)).unwrap().into_string()
    }
}

/// The entry with another key.
fn with_key(key: &dyn Signer, mut entry: TrustKey) -> TrustKey {
    let public = key.public_key();
    entry.kid = public.kid().clone();
    entry.jwk = public.to_jwk();
    entry.alg = public.algorithm().as_str().to_owned();
    entry
}

fn algorithms() -> impl Iterator<Item = Algorithm> {
    Algorithm::ALL.iter().copied()
}

fn pairs() -> impl Iterator<Item = (Algorithm, Algorithm)> {
    algorithms().flat_map(|issuer| algorithms().map(move |approver| (issuer, approver)))
}

/// Header, payload and signature of a token.
fn split(token: &str) -> [Vec<u8>; 3] {
    let parts: Vec<_> = token.split('.').collect();
    let [header, payload, signature] = parts.try_into().unwrap();
    [header, payload, signature].map(|part| Base64UrlUnpadded::decode_vec(part).unwrap())
}

fn join(parts: [&[u8]; 3]) -> String {
    parts.map(base64url).join(".")
}

/// The token with one bit of its signature changed.
fn with_broken_signature(token: &str) -> String {
    let [header, payload, mut signature] = split(token);
    *signature.last_mut().unwrap() ^= 1;
    join([&header, &payload, &signature])
}

#[test]
fn g01_every_algorithm_approves_and_issues() {
    for (issuer, approver) in pairs() {
        let cast = Cast::new(issuer, approver);
        let action = demo_with_id("act_1");
        assert_eq!(outcome(cast.bed.authorize(&action)), "step_up");
        let token = cast.pass(&action);
        let header = format!(
            r#"{{"alg":"{issuer}","kid":"{}","typ":"actionpass+jwt"}}"#,
            cast.issuer.public_key().kid()
        );
        assert_eq!(split(&token)[0], header.as_bytes());
        assert_eq!(split(&token)[2].len(), issuer.signature_bytes());
        let pass = cast.bed.verify(&token, &action).unwrap();
        assert_eq!(pass.claims().actionpass.approvals.len(), 1, "{issuer} {approver}");
        let _ = cast.bed.consume(&token, &action).unwrap();
        assert_eq!(codes(cast.bed.consume(&token, &action)), ["already_used"]);
        let _ = cast.bed.verify_ledger().unwrap();
    }
}

#[test]
fn g04_every_algorithm_holds_every_claim() {
    for algorithm in algorithms() {
        let cast = Cast::new(algorithm, Algorithm::Es256);
        let action = demo_with_id("act_1");
        let token = cast.pass(&action);
        let other = fixtures::admit(&actionpass_model::DEMO_ACTION.replace("Fix the", "Break the"));
        assert_eq!(codes(cast.bed.verify(&token, &other)), ["payload_hash_mismatch"]);

        let [header, payload, signature] = split(&token);
        let claims: Value = serde_json::from_slice(&payload).unwrap();
        for path in leaves(&claims) {
            let mut copy = claims.clone();
            let place = at(&mut copy, &path).unwrap();
            *place = changed(place);
            let forged = join([&header, copy.to_string().as_bytes(), &signature]);
            let found = codes(cast.bed.verify(&forged, &action));
            assert_eq!(found, ["signature_invalid"], "{algorithm} {path:?}");
        }
        let broken = with_broken_signature(&token);
        assert_eq!(codes(cast.bed.verify(&broken, &action)), ["signature_invalid"]);
    }
}

#[test]
fn g05_an_approval_of_every_algorithm_needs_its_signature() {
    for (issuer, approver) in pairs() {
        let cast = Cast::new(issuer, approver);
        let action = demo_with_id("act_1");
        // Offered to the issuer.
        let broken = with_broken_signature(&cast.approve(&action));
        let authorization = cast.bed.authorize_with(&action, None, &[broken]).unwrap();
        assert_eq!(authorization.decision, Decision::StepUp);
        assert_eq!(
            reasons(&authorization),
            ["approval_signature_invalid", "approval_required"]
        );
        // Inside of a pass that the issuer signed.
        let [_, payload, _] = split(&cast.pass(&action));
        let mut claims: Value = serde_json::from_slice(&payload).unwrap();
        assert!(cast.bed.verify(&cast.sign(&claims), &action).is_ok());
        let approval = &mut claims["actionpass"]["approvals"][0]["token"];
        *approval = json!(with_broken_signature(approval.as_str().unwrap()));
        let found = codes(cast.bed.verify(&cast.sign(&claims), &action));
        assert_eq!(found, ["approval_signature_invalid"], "{issuer} {approver}");
    }
}

#[test]
fn g08_a_key_of_one_algorithm_signs_for_no_other() {
    let action = demo_with_id("act_1");
    for algorithm in algorithms() {
        let cast = Cast::new(algorithm, algorithm);
        let [header, payload, signature] = split(&cast.pass(&action));
        let text = String::from_utf8(header.clone()).unwrap();
        let others: Vec<_> = algorithms().filter(|other| *other != algorithm).collect();
        let strangers = ["EdDSA", "ES512", "HS256", "none"];
        for name in others.iter().map(|other| other.as_str()).chain(strangers) {
            let header = text.replacen(algorithm.as_str(), name, 1);
            let forged = join([header.as_bytes(), &payload, &signature]);
            let found = codes(cast.bed.verify(&forged, &action));
            assert_eq!(found, ["algorithm_mismatch"], "{algorithm} {name}");
        }
        for other in others {
            // Claims that another issuer's key signed, under the name of this one's.
            let [_, _, foreign] = split(&Cast::new(other, other).sign(&serde_json::from_slice(&payload).unwrap()));
            let forged = join([&header, &payload, &foreign]);
            let found = codes(cast.bed.verify(&forged, &action));
            assert_eq!(found, ["signature_invalid"], "{algorithm} {other}");
        }
    }
}
