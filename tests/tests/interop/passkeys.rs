//! The recipes of `docs/howto/verify-a-passkey-approval`: each accepts what a passkey signed on its page and refuses every
//! fault, for the reason.

use std::fs;

use actionpass_model::SignedDocument;
use actionpass_testkit::fixtures::{self, FixtureKey};
use actionpass_testkit::tokens::{self, Forgery};
use actionpass_testkit::{Authenticator, Fault};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::{Language, command, is_ready, root, run, text};

/// A recipe, or nothing where its language is missing.
struct Recipe {
    language: Language,
    file: &'static str,
}

const NODE: Recipe = Recipe {
    language: Language::Node,
    file: "verify.mjs",
};
const PYTHON: Recipe = Recipe {
    language: Language::Python,
    file: "verify.py",
};

fn trust() -> Value {
    serde_json::to_value(fixtures::trust_store_with_passkey()).unwrap()
}

fn approval<D: SignedDocument>(passkey: &Authenticator, claims: &D) -> String {
    passkey.sign(claims)
}

impl Recipe {
    /// What it says of a token.
    fn answer(&self, token: &str, trust: &Value) -> String {
        let folder = TempDir::new().unwrap();
        let (approval, store) = (folder.path().join("approval.jwt"), folder.path().join("trust.json"));
        fs::write(&approval, format!("{token}\n")).unwrap();
        fs::write(&store, trust.to_string()).unwrap();
        let source = root().join("docs/howto/verify-a-passkey-approval").join(self.file);
        let output = run(command(self.language, &source).unwrap().args([approval, store]));
        let (answer, refusal) = (text(&output.stdout), text(&output.stderr));
        let code = if answer.starts_with("accepted: ") { 0 } else { 1 };
        assert_eq!(output.status.code(), Some(code), "{answer}{refusal}");
        format!("{answer}{refusal}").trim_end().to_owned()
    }

    fn is_ready(&self) -> bool {
        let source = root().join("docs/howto/verify-a-passkey-approval").join(self.file);
        is_ready(self.language, &source)
    }

    fn check(&self) {
        let claims = fixtures::approval_claims(&fixtures::action());
        let (passkey, trust) = (Authenticator::new(), trust());
        let good = approval(&passkey, &claims);
        let accepted = format!("accepted: {} of {}", claims.jti, claims.iss);
        assert_eq!(self.answer(&good, &trust), accepted);

        for fault in Fault::ALL {
            let expected = match fault {
                // Keeps the last of two members and can't tell: the README says so.
                Fault::RepeatedMember if self.language == Language::Node => accepted.clone(),
                // The parser's own words.
                Fault::ByteOrderMark | Fault::InvalidUtf8 => "refused: ".to_owned(),
                // It takes no extensions at all, and leaves DER to the library.
                Fault::LongAuthenticatorData => "refused: webauthn_authenticator_data_malformed".to_owned(),
                Fault::RawSignature | Fault::TrailingSignature => "refused: webauthn_signature_invalid".to_owned(),
                fault => format!("refused: {}", fault.code()),
            };
            let answer = self.answer(&approval(&passkey.clone().with(*fault), &claims), &trust);
            assert!(answer.starts_with(&expected), "{fault:?}: {answer}");
        }

        let refused = |token: &str, trust: &Value, code: &str| {
            assert_eq!(self.answer(token, trust), format!("refused: {code}"));
        };
        let parent = passkey.clone().on_page("https://example.com", "example.com");
        refused(&approval(&parent, &claims), &trust, "webauthn_origin_mismatch");
        refused(
            &approval(&passkey, &fixtures::refusal_claims(&fixtures::action())),
            &trust,
            "type_mismatch",
        );
        refused(&tokens::sign(FixtureKey::PASSKEY, &claims), &trust, "type_mismatch");
        let approver = passkey.clone().with_key(FixtureKey::APPROVER, b"x");
        refused(&approval(&approver, &claims), &trust, "key_unknown");
        let part = good.rsplit_once('.').unwrap().1;
        let changed = Forgery::of(&good).with_claim(&["approval", "reason"], json!("something else"));
        refused(
            &format!("{}.{part}", changed.signing_input()),
            &trust,
            "webauthn_challenge_mismatch",
        );
        let mut revoked = trust;
        revoked["keys"][4]["status"] = json!("revoked");
        refused(&good, &revoked, "key_revoked");
    }
}

#[test]
fn node() {
    if NODE.is_ready() {
        NODE.check();
    }
}

#[test]
fn python() {
    if PYTHON.is_ready() {
        PYTHON.check();
    }
}
