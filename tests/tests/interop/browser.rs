//! Passkeys of a real browser: made and used on a page in Chromium with its virtual authenticator, verified here offline.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use actionpass_crypto::webauthn::{
    Assertion, AssertionInput, LoginChallenge, NewPasskey, Registration, RelyingParty, verify_login,
};
use actionpass_crypto::{Algorithm, WebAuthnCode};
use actionpass_model::{RpId, WebOrigin};
use actionpass_testkit::fixtures::{self, FixtureKey};
use actionpass_testkit::tokens::{self, base64url};
use actionpass_verify::{Call, Refusal, Trust, VerifiedPass, Verifier};
use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};

use crate::program::{Language, command, is_ready, root};

/// A page in Chromium.
struct Browser {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    party: RelyingParty,
}

impl Browser {
    /// Nothing, where there is no Chromium: the test has reported that it did not run.
    fn open() -> Option<Self> {
        let driver = root().join("tests/interop/browser.mjs");
        if !is_ready(Language::Browser, &driver) {
            return None;
        }
        let mut command = command(Language::Browser, &driver).unwrap();
        command.arg(root().join("tests/interop/passkey.html"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let to = child.stdin.take();
        let mut from = BufReader::new(child.stdout.take().unwrap());
        let mut origin = String::new();
        from.read_line(&mut origin).unwrap();
        let party = RelyingParty::new(
            RpId::parse("localhost").unwrap(),
            vec![WebOrigin::parse(origin.trim_end()).unwrap()],
        );
        Some(Self {
            child,
            to,
            from,
            party: party.unwrap(),
        })
    }

    fn ask(&mut self, question: &Value) -> Result<Value, String> {
        let to = self.to.as_mut().unwrap();
        writeln!(to, "{question}").unwrap();
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        match answer.get("error") {
            Some(error) => Err(error.to_string()),
            None => Ok(answer["value"].clone()),
        }
    }

    /// A passkey of a COSE algorithm, as the page got it.
    fn register(&mut self, challenge: &[u8; 32], alg: i64) -> Registration {
        let call = format!("register('{}', {alg})", base64url(challenge));
        let answer = self.ask(&json!({ "call": call })).unwrap();
        Registration {
            client_data_json: bytes(&answer, "clientDataJSON"),
            attestation_object: bytes(&answer, "attestationObject"),
        }
    }

    fn new_passkey(&mut self, alg: i64) -> NewPasskey {
        let registration = self.register(&[1; 32], alg);
        registration.verify(&[1; 32], &self.party).unwrap()
    }

    fn sign(&mut self, challenge: &[u8; 32], passkey: &NewPasskey, verification: &str) -> Result<Assertion, String> {
        let id = passkey.passkey().credential_id();
        let call = format!("sign('{}', '{id}', '{verification}')", base64url(challenge));
        let answer = self.ask(&json!({ "call": call }))?;
        Ok(Assertion {
            authenticator_data: bytes(&answer, "authenticatorData"),
            client_data_json: bytes(&answer, "clientDataJSON"),
            signature: bytes(&answer, "signature"),
        })
    }

    fn set_user_verified(&mut self, is_verified: bool) {
        let question = json!({ "method": "WebAuthn.setUserVerified", "params": { "isUserVerified": is_verified } });
        self.ask(&question).unwrap();
    }
}

/// The driver ends Chromium when it has nothing more to read.
impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.to.take());
        self.child.wait().ok();
    }
}

fn bytes(answer: &Value, member: &str) -> Vec<u8> {
    Base64UrlUnpadded::decode_vec(answer[member].as_str().unwrap()).unwrap()
}

fn trust(passkey: &NewPasskey) -> Trust {
    let mut trust = fixtures::trust_store();
    let entry = passkey.approval_key_of(&fixtures::approver());
    trust.keys.push(entry.with_roles(vec![fixtures::maintainer()]));
    Trust::parse(&serde_json::to_vec(&trust).unwrap()).unwrap()
}

fn input(passkey: &NewPasskey) -> AssertionInput {
    AssertionInput::for_document(&fixtures::approval_claims(&fixtures::action()), passkey.key()).unwrap()
}

/// Verifies a pass that rests on this approval.
fn verify(approval: &str, trust: &Trust) -> Result<VerifiedPass, Refusal> {
    let action = fixtures::action();
    let claims = fixtures::pass_with_approval_claims(&action, approval);
    let pass = tokens::sign(FixtureKey::ISSUER, &claims);
    let verifier = Verifier::new(fixtures::issuer(), fixtures::audience(), fixtures::tenant());
    verifier.verify(&pass, &Call::action(&action), trust, fixtures::seconds())
}

fn codes(approval: &str, trust: &Trust) -> Vec<String> {
    let verified = verify(approval, trust);
    verified.map_or_else(|refusal| refusal.codes().map(ToString::to_string).collect(), |_| vec![])
}

#[test]
fn an_approval_of_a_browser_holds_in_a_pass() {
    let Some(mut browser) = Browser::open() else { return };
    for (alg, algorithm) in [(-7, Algorithm::Es256), (-8, Algorithm::Ed25519)] {
        let passkey = browser.new_passkey(alg);
        assert_eq!(passkey.key().algorithm(), algorithm);
        let (trust, input) = (trust(&passkey), input(&passkey));
        let assertion = browser.sign(input.challenge(), &passkey, "required").unwrap();
        let approval = input.clone().into_token(&assertion);
        assert_eq!(codes(&approval, &trust), [""; 0], "{algorithm}");

        // Every byte of it counts.
        let at = approval.len() - 20;
        let (before, after) = approval.split_at(at);
        let other = if after.starts_with('A') { "B" } else { "A" };
        assert_ne!(codes(&format!("{before}{other}{}", &after[1..]), &trust), [""; 0]);

        // Signing in is another thing.
        let challenge = LoginChallenge::from_random(&[2; 32]);
        let assertion = browser.sign(challenge.as_bytes(), &passkey, "required").unwrap();
        let id = passkey.passkey().credential_id();
        let login = verify_login(id, &assertion, &challenge, trust.keyring()).unwrap();
        assert_eq!(login.key().kid(), passkey.key().kid());
        assert_eq!(
            codes(&input.into_token(&assertion), &trust),
            ["webauthn_challenge_mismatch"]
        );
    }
}

#[test]
fn a_browser_without_a_verified_person_approves_nothing() {
    let Some(mut browser) = Browser::open() else { return };
    let passkey = browser.new_passkey(-7);
    let (trust, input) = (trust(&passkey), input(&passkey));
    browser.set_user_verified(false);
    assert!(
        browser
            .sign(input.challenge(), &passkey, "required")
            .unwrap_err()
            .contains("NotAllowedError")
    );
    let assertion = browser.sign(input.challenge(), &passkey, "discouraged").unwrap();
    assert_eq!(
        codes(&input.into_token(&assertion), &trust),
        ["webauthn_user_not_verified"]
    );
}

#[test]
fn a_passkey_of_a_browser_is_refused_elsewhere() {
    let Some(mut browser) = Browser::open() else { return };
    // Another algorithm, another challenge, another page.
    let refused = |registration: &Registration, challenge: &[u8; 32], party: &RelyingParty| {
        registration.verify(challenge, party).unwrap_err().code()
    };
    let party = browser.party.clone();
    let rs256 = browser.register(&[3; 32], -257);
    assert_eq!(refused(&rs256, &[3; 32], &party), WebAuthnCode::KeyUnsupported);
    let good = browser.register(&[3; 32], -7);
    assert_eq!(refused(&good, &[4; 32], &party), WebAuthnCode::ChallengeMismatch);
    let origin = WebOrigin::parse("http://localhost:1").unwrap();
    let elsewhere = RelyingParty::new(party.rp_id().clone(), vec![origin]).unwrap();
    assert_eq!(refused(&good, &[3; 32], &elsewhere), WebAuthnCode::OriginMismatch);
}
