//! Approvals by passkeys on the command line: let in, offered, embedded in a pass, verified and looked at.

use actionpass_canon::{BoundAction, Limits};
use actionpass_core::{Clock as _, System};
use actionpass_crypto::{Algorithm, Signer as _, SoftwareKey};
use actionpass_model::{ApprovalClaims, SignedDocument};
use actionpass_testkit::fixtures::FixtureKey;
use actionpass_testkit::{Authenticator, Fault};
use serde_json::{Value, json};

use crate::action::STEP_UP;
use crate::home::{Home, ISSUER};

pub(crate) const MAYA: &str = "user:maya@example.com";
pub(crate) const PAGE: [&str; 6] = [
    "--webauthn-rp-id",
    "approve.example.com",
    "--webauthn-origin",
    "https://approve.example.com",
    "--webauthn-credential-id",
    "YSBwYXNza2V5IG9mIHRoZSBmaXh0dXJlcw",
];

/// A home that believes the passkey of the fixtures.
fn home() -> Home {
    let home = Home::new();
    let jwk = serde_json::to_vec(&FixtureKey::PASSKEY.public_key().to_jwk()).unwrap();
    home.write("passkey.jwk", jwk);
    let who = [
        "trust",
        "add",
        "passkey.jwk",
        "--use",
        "approval",
        "--principal",
        MAYA,
        "--role",
        "maintainer",
    ];
    home.run([&who[..], &PAGE].concat()).exits(0);
    home
}

/// Maya's yes to the action in a file.
fn claims(home: &Home, action: &str, number: u8) -> ApprovalClaims {
    let action = BoundAction::admit(home.read(action).as_bytes(), &Limits::default()).unwrap();
    let head = action.action();
    let now = System.now().unwrap().to_unix_seconds().get();
    let claims = json!({
        "iss": MAYA, "sub": head.actor.agent, "aud": ISSUER, "iat": now, "exp": now + 900,
        "jti": format!("apr_0192000000007000800000000000{number:04}"),
        "approval": {
            "v": 1, "mode": "human", "reason": "read it", "tenant": head.tenant,
            "actionHash": action.action_hash(), "payloadHash": action.payload_hash(),
        },
    });
    ApprovalClaims::from_claims(claims.to_string().as_bytes()).unwrap()
}

#[test]
fn a_passkeys_approval_is_used_verified_and_shown() {
    let home = home();
    let approval = Authenticator::new().sign(&claims(&home, STEP_UP, 1));
    home.write("approval.jwt", &approval);
    let decided = home
        .run(["authorize", "--action", STEP_UP, "--approval", "approval.jwt"])
        .exits(0);
    assert_eq!(decided.decision(), "allow");
    let pass = home.write_pass(&decided);
    home.verify(&pass, STEP_UP).exits(0);
    let again = home.run(["authorize", "--action", STEP_UP, "--approval", "approval.jwt"]);
    assert!(again.exits(11).reasons().contains(&"approval_already_used".to_owned()));

    let shown = |value: &Value| {
        assert_eq!(value["clientData"]["origin"], "https://approve.example.com");
        assert_eq!(value["authenticatorData"]["flags"], json!(["UP", "UV"]));
        assert_eq!(value["authenticatorData"]["counter"], 0);
        assert!(value["signature"].as_str().unwrap().starts_with("30"));
    };
    let inspected = home.run(["inspect", &pass]).exits(0).json();
    assert_eq!(inspected["verified"], false);
    assert_eq!(inspected.get("webauthn"), None);
    shown(&inspected["approvals"][0]["webauthn"]);
    let inspected = home.run(["inspect", "approval.jwt"]).exits(0).json();
    assert_eq!(inspected["verified"], false);
    shown(&inspected["webauthn"]);
}

#[test]
fn what_is_wrong_with_an_assertion_is_said_and_recorded() {
    let home = home();
    for (number, fault) in [Fault::UserNotVerified, Fault::Origin, Fault::Challenge]
        .into_iter()
        .enumerate()
    {
        let number = u8::try_from(number).unwrap() + 2;
        let bad = Authenticator::new().with(fault).sign(&claims(&home, STEP_UP, number));
        home.write("approval.jwt", &bad);
        let decided = home
            .run(["authorize", "--action", STEP_UP, "--approval", "approval.jwt"])
            .exits(11);
        assert!(decided.reasons().contains(&fault.code().to_owned()), "{decided:?}");
        let last = home.decisions().pop().unwrap();
        assert_eq!(last["offered"][0]["codes"], json!([fault.code()]), "{last}");
    }
}

#[test]
fn the_trust_store_carries_passkeys_to_executors() {
    let home = home();
    let shown = home.run(["trust", "show"]).exits(0).json();
    let exported: Value = serde_json::from_str(&home.talk(["trust", "export"]).exits(0).stdout).unwrap();
    assert_eq!(shown["trust"], exported);
    let keys = exported["keys"].as_array().unwrap();
    let passkey = keys.iter().find(|key| key["principal"] == MAYA).unwrap();
    let expected = json!({
        "rpId": PAGE[1], "origins": [PAGE[3]], "credentialId": PAGE[5],
    });
    assert_eq!(passkey["webauthn"], expected);
    assert!(
        home.talk(["trust", "show"])
            .exits(0)
            .stdout
            .contains("approve.example.com")
    );
    let listed = home.run(["approvers", "list"]).exits(0).json();
    assert_eq!(listed["approvers"][0]["form"], "passkey");

    home.run(["approvers", "remove", MAYA, "--reason", "left"]).exits(0);
    let listed = home.run(["approvers", "list"]).exits(0).json();
    assert_eq!(listed["approvers"][0]["status"], "revoked");
    let approval = Authenticator::new().sign(&claims(&home, STEP_UP, 9));
    home.write("approval.jwt", &approval);
    let decided = home.run(["authorize", "--action", STEP_UP, "--approval", "approval.jwt"]);
    assert!(decided.exits(11).reasons().contains(&"approval_revoked".to_owned()));
    home.run(["approvers", "remove", MAYA, "--reason", "left"])
        .fails(2, "usage_invalid");
}

#[test]
fn keys_that_can_be_no_passkeys_are_refused() {
    let home = home();
    let add = |file: &str, key_use: &str, page: &[&str]| {
        let mut words = vec!["trust", "add", file, "--use", key_use];
        if key_use == "approval" {
            words.extend(["--principal", MAYA]);
        }
        home.run([&words, page].concat())
    };
    let stranger = FixtureKey::STRANGER.public_key().to_jwk();
    home.write("stranger.jwk", serde_json::to_vec(&stranger).unwrap());
    // The id is in use, the page is of another host, the key signs passes.
    add("stranger.jwk", "approval", &PAGE).fails(31, "members_contradict");
    let mut other = PAGE;
    other[5] = "AAAA";
    add("stranger.jwk", "pass", &other).fails(2, "usage_invalid");
    other[1] = "example.com";
    add("stranger.jwk", "approval", &other).fails(2, "usage_invalid");
    let mut good = PAGE;
    good[5] = "AAAA";
    // An RSA key, as old Windows Hello has: its owner is told what to use.
    let rsa = "-----BEGIN PUBLIC KEY-----\n\
        MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf\n\
        9Cnzj4p4WGeKLs1Pt8QuKUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQ==\n\
        -----END PUBLIC KEY-----\n";
    home.write("rsa.pem", rsa);
    let refused = add("rsa.pem", "approval", &good).fails(31, "key_unsupported");
    assert!(
        format!("{refused:?}").contains("a phone, a security key"),
        "{refused:?}"
    );
    let p384 = SoftwareKey::generate_for(Algorithm::Es384).unwrap();
    home.write("p384.jwk", serde_json::to_vec(&p384.public_key().to_jwk()).unwrap());
    let refused = add("p384.jwk", "approval", &good).fails(2, "usage_invalid");
    assert!(
        format!("{refused:?}").contains("a phone, a security key"),
        "{refused:?}"
    );
    add("stranger.jwk", "approval", &good).exits(0);
}
