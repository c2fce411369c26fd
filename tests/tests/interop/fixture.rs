//! One issuer with its key, one approver with theirs, and the passes that they make.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;

use actionpass_canon::{BoundAction, Limits};
use actionpass_crypto::{PublicKey, Signer, SoftwareKey, sign_document};
use actionpass_model::{ApprovalClaims, DEMO_ACTION, PassClaims, SignedDocument};
use base64ct::{Base64UrlUnpadded, Encoding};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::{EncodePrivateKey, LineEnding};
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://issuer.example";
pub(crate) const AUDIENCE: &str = "github-executor";
pub(crate) const TENANT: &str = "org:example";
pub(crate) const TOOL: &str = "github.pull_requests.create";
pub(crate) const RESOURCE: &str = "repo:company/web-app";
pub(crate) const PASS_ID: &str = "ap_01920000000070008000000000000001";
pub(crate) const PASS_TYP: &str = "actionpass+jwt";

const APPROVER: &str = "user:maintainer@example.com";
const APPROVAL_ID: &str = "apr_01920000000070008000000000000002";
const POLICY_DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

/// A key with everything that the tests do with one: sign documents, sign anything, and be handed to other programs.
pub(crate) struct Key {
    software: SoftwareKey,
    secret: p256::SecretKey,
}

impl Key {
    /// The key whose scalar is 32 times this byte.
    pub(crate) fn new(byte: u8) -> Self {
        let secret = p256::SecretKey::from_slice(&[byte; 32]).unwrap();
        let software = SoftwareKey::from_pkcs8_der(secret.to_pkcs8_der().unwrap().as_bytes()).unwrap();
        Self { software, secret }
    }

    pub(crate) fn issuer() -> Self {
        Self::new(7)
    }

    fn approver() -> Self {
        Self::new(11)
    }

    pub(crate) fn public(&self) -> &PublicKey {
        self.software.public_key()
    }

    pub(crate) fn kid(&self) -> &str {
        self.public().kid().as_str()
    }

    pub(crate) fn private_pem(&self) -> String {
        self.secret.to_pkcs8_pem(LineEnding::LF).unwrap().to_string()
    }

    /// A token of this document, as the issuer signs it.
    pub(crate) fn sign<D: SignedDocument>(&self, document: &D) -> String {
        block_on(sign_document(&self.software, document)).unwrap().into_string()
    }

    /// A token of any header and any claims, whose signature holds.
    pub(crate) fn sign_raw(&self, header: &str, claims: &str) -> String {
        let encode = |bytes: &[u8]| Base64UrlUnpadded::encode_string(bytes);
        let input = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
        let signature: Signature = SigningKey::from(&self.secret).sign(input.as_bytes());
        format!("{input}.{}", encode(&signature.to_bytes()))
    }

    /// The header that the issuer writes.
    pub(crate) fn header(&self) -> String {
        format!(r#"{{"alg":"ES256","kid":"{}","typ":"{PASS_TYP}"}}"#, self.kid())
    }

    /// The public key as a JWK set, in the form of `actionpass keys export --jwks`.
    pub(crate) fn jwks(&self) -> String {
        // With a second key, so that none is taken only because it is the first.
        json!({ "keys": [Self::new(9).public().to_jwk(), self.public().to_jwk()] }).to_string()
    }
}

/// The action whose pass is made: the demo's, with a payload that says more than ASCII can.
pub(crate) fn action() -> BoundAction {
    let text = DEMO_ACTION.replace("Fix the retry loop", "Fix the r\\u00e9try loop ☕");
    BoundAction::admit(text.as_bytes(), &Limits::default()).unwrap()
}

/// When a pass is issued and how long it holds, in seconds.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    pub(crate) issued: u64,
    pub(crate) lifetime: u64,
}

impl Times {
    /// Ten minutes from this second on.
    pub(crate) fn now() -> Self {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        Self {
            issued: now,
            lifetime: 600,
        }
    }
}

/// The claims of a pass for an action.
pub(crate) fn claims(action: &BoundAction, times: Times) -> Value {
    let head = action.action();
    json!({
        "iss": ISSUER, "sub": head.actor.agent, "aud": AUDIENCE,
        "iat": times.issued, "nbf": times.issued, "exp": times.issued + times.lifetime, "jti": PASS_ID,
        "actionpass": {
            "v": 1, "tenant": head.tenant, "humanOwner": head.actor.human_owner, "runtime": head.actor.runtime,
            "via": head.actor.via, "task": head.intent.task,
            "tool": head.capability.tool, "resource": head.capability.resource,
            "actionId": "act_01920000000070008000000000000003", "actionHash": action.action_hash(),
            "payloadHash": action.payload_hash(), "contextHash": action.context_hash(),
            "factsHash": actionpass_canon::sha256(b"{}"), "canon": "rfc8785",
            "policy": { "id": "starter", "digest": POLICY_DIGEST, "rules": ["github.pr.untested"] },
            "obligations": [], "approvals": []
        }
    })
}

/// Adds an approval, signed by a key of its own, to the claims of a pass.
pub(crate) fn with_approval(mut claims: Value) -> Value {
    let terms = &claims["actionpass"];
    let issued = claims["iat"].as_u64().unwrap() - 60;
    let approval = json!({
        "iss": APPROVER, "sub": claims["sub"], "aud": ISSUER, "iat": issued, "exp": issued + 900, "jti": APPROVAL_ID,
        "approval": {
            "v": 1, "mode": "human", "reason": "reviewed", "tenant": TENANT,
            "actionHash": terms["actionHash"], "payloadHash": terms["payloadHash"]
        }
    });
    let approval = ApprovalClaims::from_claims(approval.to_string().as_bytes()).unwrap();
    claims["actionpass"]["approvals"] = json!([{
        "id": APPROVAL_ID, "mode": "human", "approvedBy": APPROVER, "assurance": "signed",
        "token": Key::approver().sign(&approval)
    }]);
    claims
}

/// A pass with these claims, signed as the issuer signs.
pub(crate) fn pass(claims: &Value) -> String {
    Key::issuer().sign(&PassClaims::from_claims(claims.to_string().as_bytes()).unwrap())
}

/// A trust store with the keys of issuer and approver.
pub(crate) fn trust_store() -> Value {
    let entry = |key: &Key, key_use: &str, owner: (&str, &str), roles: &[&str]| {
        json!({
            "kid": key.kid(), "jwk": key.public().to_jwk(), "alg": "ES256", "use": key_use, owner.0: owner.1,
            "roles": roles, "tenants": ["*"], "status": "active"
        })
    };
    json!({
        "schema": "actionpass.trust.v1", "version": 1, "updatedAt": "2026-11-23T01:02:03.000Z",
        "revocationsAsOf": "2026-11-23T01:02:03.000Z",
        "keys": [
            entry(&Key::issuer(), "pass", ("issuer", ISSUER), &[]),
            entry(&Key::approver(), "approval", ("principal", APPROVER), &["maintainer"]),
        ],
        "revocations": []
    })
}

/// The result of a future that never waits: those of software keys and memory stores.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future waits"),
    }
}
