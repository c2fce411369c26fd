//! The signer against a real OpenBao.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests fail their test"
)]

use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use actionpass_crypto::{Algorithm, SignCode, Signer};
use actionpass_custody::conformance::{self, OneAnswer, Subject};
use actionpass_custody::{
    Custodian, CustodianError, KeyUri, NoSecrets, OpenKey, Secret, Secrets, custodian_conformance,
};
use actionpass_servers::openbao::OpenBao;
use actionpass_vault::Vault;
use serde_json::{Value, json};

/// One server for all tests that leave it as it is.
fn bao() -> &'static OpenBao {
    static SERVER: OnceLock<OpenBao> = OnceLock::new();
    SERVER.get_or_init(OpenBao::start)
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

fn vault(server: &OpenBao) -> Vault {
    Vault::new()
        .with_address(&server.address())
        .with_token(secret(server.root_token()))
        .with_namespace("")
}

fn uri(text: &str) -> KeyUri {
    KeyUri::parse(text).unwrap()
}

fn open(vault: &Vault, text: &str) -> Result<OpenKey, CustodianError> {
    vault.open(&uri(text), &NoSecrets)
}

fn generate(vault: &Vault, text: &str, algorithm: Algorithm) -> Result<OpenKey, CustodianError> {
    vault.generate(&uri(text), algorithm, &NoSecrets)
}

fn code(outcome: Result<OpenKey, CustodianError>) -> String {
    outcome.unwrap_err().code().to_string()
}

fn sign(signer: &dyn Signer) -> Result<(), SignCode> {
    conformance::sign(signer).map(drop).map_err(|error| error.code())
}

fn subject() -> Subject {
    Subject::new(vault(bao()), "vault:transit/none")
        .making(|name| KeyUri::new("vault", &format!("transit/suite-{name}")))
        .refusing([
            "vault:transit/none?token=hvs.HIDDEN",
            "vault:transit/none?colour=red",
            "vault:transit/none?version=latest",
        ])
        .hiding(bao().root_token())
}

custodian_conformance!(conforming, subject, es256: Es256, es384: Es384, ed25519: Ed25519);

#[test]
fn a_key_is_made_rotated_and_opened_by_version() {
    let vault = vault(bao());
    assert_eq!(code(open(&vault, "vault:transit/rotated")), "custodian_key_missing");
    let first = generate(&vault, "vault:transit/rotated", Algorithm::Es256).unwrap();
    assert_eq!(first.uri.as_str(), "vault:transit/rotated?version=1");
    let second = generate(&vault, "vault:transit/rotated", Algorithm::Es256).unwrap();
    assert_eq!(second.uri.as_str(), "vault:transit/rotated?version=2");
    assert_ne!(first.signer.public_key(), second.signer.public_key());

    let latest = open(&vault, "vault:transit/rotated").unwrap();
    assert_eq!(latest.uri, second.uri);
    let again = open(&vault, "vault:transit/rotated?version=1").unwrap();
    assert_eq!(again.signer.public_key(), first.signer.public_key());
    assert_eq!(again.uri, first.uri);
    // The old key goes on signing as itself.
    for key in [&first, &second, &latest, &again] {
        sign(&key.signer).unwrap();
        assert_eq!(key.signer.custodian(), "vault");
    }
    assert_eq!(
        code(open(&vault, "vault:transit/rotated?version=3")),
        "custodian_key_missing"
    );
    let outcome = generate(&vault, "vault:transit/rotated?version=3", Algorithm::Es256);
    assert_eq!(code(outcome), "custodian_generates_none");
}

#[test]
fn a_name_of_another_type_is_taken() {
    let vault = vault(bao());
    generate(&vault, "vault:transit/taken", Algorithm::Es256).unwrap();
    for algorithm in [Algorithm::Es384, Algorithm::Ed25519] {
        assert_eq!(
            code(generate(&vault, "vault:transit/taken", algorithm)),
            "custodian_key_exists"
        );
    }
    bao().admin(
        "POST",
        "transit/keys/leaky",
        &json!({ "type": "ecdsa-p256", "exportable": true }),
    );
    let outcome = generate(&vault, "vault:transit/leaky", Algorithm::Es256);
    assert_eq!(code(outcome), "custodian_generates_none");
    for (name, kind) in [("aes", "aes256-gcm96"), ("rsa", "rsa-2048")] {
        bao().admin("POST", &format!("transit/keys/{name}"), &json!({ "type": kind }));
        assert_eq!(code(open(&vault, &format!("vault:transit/{name}"))), "key_unsupported");
        let outcome = generate(&vault, &format!("vault:transit/{name}"), Algorithm::Es256);
        assert_eq!(code(outcome), "custodian_key_exists");
    }
    bao().admin(
        "POST",
        "transit/keys/derived",
        &json!({ "type": "ed25519", "derived": true }),
    );
    assert_eq!(code(open(&vault, "vault:transit/derived")), "key_unsupported");
}

#[test]
fn an_engine_that_is_not_there_makes_nothing() {
    let vault = vault(bao());
    assert_eq!(code(open(&vault, "vault:no/engine/key")), "custodian_key_missing");
    let outcome = generate(&vault, "vault:no/engine/key", Algorithm::Es256);
    assert_eq!(code(outcome), "custodian_refused");
}

#[test]
fn namespaces_and_mounts_are_part_of_the_uri() {
    let server = bao();
    server.admin("POST", "sys/namespaces/team", &json!({}));
    server.admin_in("team", "POST", "sys/namespaces/unit", &json!({}));
    server.admin_in(
        "team/unit",
        "POST",
        "sys/mounts/deep/transit",
        &json!({ "type": "transit" }),
    );
    let vault = vault(server);
    let text = "vault:deep/transit/pass?namespace=team/unit";
    let made = generate(&vault, text, Algorithm::Es256).unwrap();
    assert_eq!(
        made.uri.as_str(),
        "vault:deep/transit/pass?version=1&namespace=team/unit"
    );
    sign(&made.signer).unwrap();
    assert_eq!(code(open(&vault, "vault:deep/transit/pass")), "custodian_key_missing");
    // The exact URI has the namespace, wherever it came from.
    let there = Vault::new()
        .with_address(&server.address())
        .with_token(secret(server.root_token()))
        .with_namespace("/team/unit/");
    let opened = open(&there, "vault:deep/transit/pass").unwrap();
    assert_eq!(opened.uri, made.uri);
    assert_eq!(
        open(&vault, opened.uri.as_str()).unwrap().signer.public_key(),
        made.signer.public_key()
    );
}

#[test]
fn a_token_needs_two_permissions_and_no_more() {
    let server = bao();
    generate(&vault(server), "vault:transit/guarded", Algorithm::Es256).unwrap();
    let read = r#"path "transit/keys/guarded" { capabilities = ["read"] }"#;
    let update = r#"path "transit/sign/guarded" { capabilities = ["update"] }"#;
    let with = |rules: &str| {
        let token = server.token(rules);
        Vault::new()
            .with_address(&server.address())
            .with_namespace("")
            .with_token(secret(&token))
    };
    let both = with(&format!("{read}\n{update}"));
    sign(&open(&both, "vault:transit/guarded").unwrap().signer).unwrap();
    // It can't be rotated with that, and nothing else can be made.
    assert_eq!(
        code(generate(&both, "vault:transit/guarded", Algorithm::Es256)),
        "custodian_refused"
    );
    assert_eq!(
        code(generate(&both, "vault:transit/other", Algorithm::Es256)),
        "custodian_refused"
    );
    // Without the public key there is no signer; without the other there is one that may not sign.
    assert_eq!(code(open(&with(update), "vault:transit/guarded")), "custodian_refused");
    let signer = open(&with(read), "vault:transit/guarded").unwrap().signer;
    assert_eq!(sign(&signer), Err(SignCode::Refused));
}

#[test]
fn wrong_tokens_are_refused_and_shown_nowhere() {
    generate(&vault(bao()), "vault:transit/closed", Algorithm::Es256).unwrap();
    for token in ["hvs.WRONGTOKEN", "WRONG\nTOKEN", "WRONG TOKEN\u{0}", ""] {
        let vault = Vault::new().with_address(&bao().address()).with_token(secret(token));
        let error = open(&vault, "vault:transit/closed").unwrap_err();
        assert_eq!(error.code(), "custodian_refused", "{token:?}");
        let shown = format!("{vault:?} {error} {error:?} {:?}", std::error::Error::source(&error));
        assert!(!shown.contains("WRONG"), "{shown}");
    }
}

#[test]
fn an_app_role_logs_in_and_again_when_its_token_is_gone() {
    let server = bao();
    generate(&vault(server), "vault:transit/role", Algorithm::Es256).unwrap();
    let rules = r#"path "transit/keys/role" { capabilities = ["read"] }
        path "transit/sign/role" { capabilities = ["update"] }"#;
    server.admin("PUT", "sys/policies/acl/role", &json!({ "policy": rules }));
    server.admin("POST", "sys/auth/approle", &json!({ "type": "approle" }));
    let role = json!({ "token_policies": ["role"], "token_ttl": "1h" });
    server.admin("POST", "auth/approle/role/issuer", &role);
    let role_id = server.admin("GET", "auth/approle/role/issuer/role-id", &Value::Null);
    let secret_id = server.admin("POST", "auth/approle/role/issuer/secret-id", &json!({}));
    let role_id = role_id["data"]["role_id"].as_str().unwrap().to_owned();
    let secret_id = secret_id["data"]["secret_id"].as_str().unwrap().to_owned();
    let with = |secret_id: &str| {
        Vault::new()
            .with_address(&server.address())
            .with_namespace("")
            .with_app_role(&role_id, secret(secret_id))
    };
    let signer = open(&with(&secret_id), "vault:transit/role").unwrap().signer;
    sign(&signer).unwrap();
    // Every token of the role is revoked: the next signatures come with a new one, from all threads.
    for _ in 0..2 {
        revoke_tokens_of(server, "role");
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| sign(&signer).unwrap());
            }
        });
    }
    let error = open(&with("WRONG-SECRET"), "vault:transit/role").unwrap_err();
    assert_eq!(error.code(), "custodian_refused");
    assert!(!format!("{error:?}").contains("WRONG-SECRET"), "{error:?}");
    // A role that is gone lets nobody in again.
    server.admin("DELETE", "auth/approle/role/issuer", &Value::Null);
    revoke_tokens_of(server, "role");
    assert_eq!(sign(&signer), Err(SignCode::Refused));
    assert!(!format!("{signer:?}").contains(&secret_id));
}

fn revoke_tokens_of(server: &OpenBao, policy: &str) {
    let accessors = server.admin("LIST", "auth/token/accessors", &Value::Null);
    let mut any = false;
    for accessor in accessors["data"]["keys"].as_array().unwrap() {
        let body = json!({ "accessor": accessor });
        let token = server.admin("POST", "auth/token/lookup-accessor", &body);
        if token["data"]["policies"].as_array().unwrap().contains(&json!(policy)) {
            server.admin("POST", "auth/token/revoke-accessor", &body);
            any = true;
        }
    }
    assert!(any, "no token had `{policy}`");
}

#[test]
fn tls_is_checked() {
    let server = bao();
    generate(&vault(server), "vault:transit/tls", Algorithm::Es256).unwrap();
    let tls = || vault(server).with_address(&server.tls_address());
    let signer = open(&tls().with_ca_file(&server.ca_file()), "vault:transit/tls")
        .unwrap()
        .signer;
    sign(&signer).unwrap();
    // By the other name in the certificate, found at the same address.
    let named = tls().with_ca_file(&server.ca_file()).with_tls_server_name("bao.test");
    sign(&open(&named, "vault:transit/tls").unwrap().signer).unwrap();
    let other = tls().with_ca_file(&server.ca_file()).with_tls_server_name("other.test");
    assert_eq!(code(open(&other, "vault:transit/tls")), "custodian_unavailable");
    // The system knows no such authority.
    assert_eq!(code(open(&tls(), "vault:transit/tls")), "custodian_unavailable");
    let missing = tls().with_ca_file(std::path::Path::new("/no/such/file.pem"));
    assert_eq!(code(open(&missing, "vault:transit/tls")), "custodian_refused");
}

#[test]
fn versions_that_are_archived_or_deleted_sign_no_more() {
    let server = bao();
    let vault = vault(server);
    let first = generate(&vault, "vault:transit/old", Algorithm::Es256).unwrap();
    generate(&vault, "vault:transit/old", Algorithm::Es256).unwrap();
    // Verified still, but not signed with.
    server.admin(
        "POST",
        "transit/keys/old/config",
        &json!({ "min_encryption_version": 2 }),
    );
    assert_eq!(sign(&first.signer), Err(SignCode::Refused));
    assert_eq!(code(open(&vault, first.uri.as_str())), "custodian_refused");
    // Archived.
    let config = json!({ "min_encryption_version": 2, "min_decryption_version": 2 });
    server.admin("POST", "transit/keys/old/config", &config);
    assert_eq!(sign(&first.signer), Err(SignCode::Refused));
    assert_eq!(code(open(&vault, first.uri.as_str())), "custodian_key_missing");
    server.admin("POST", "transit/keys/old/trim", &json!({ "min_available_version": 2 }));
    assert_eq!(code(open(&vault, first.uri.as_str())), "custodian_key_missing");

    let latest = open(&vault, "vault:transit/old").unwrap();
    sign(&latest.signer).unwrap();
    server.admin("POST", "transit/keys/old/config", &json!({ "deletion_allowed": true }));
    server.admin("DELETE", "transit/keys/old", &Value::Null);
    assert_eq!(sign(&latest.signer), Err(SignCode::Refused));
    assert_eq!(code(open(&vault, "vault:transit/old")), "custodian_key_missing");
}

#[test]
fn a_server_that_is_down_or_sealed_is_unavailable_and_comes_back() {
    let mut server = OpenBao::start();
    let vault = vault(&server);
    let key = generate(&vault, "vault:transit/pass", Algorithm::Es256).unwrap();
    sign(&key.signer).unwrap();

    server.seal();
    assert_eq!(sign(&key.signer), Err(SignCode::Unavailable));
    assert_eq!(code(open(&vault, "vault:transit/pass")), "custodian_unavailable");
    server.unseal();
    sign(&key.signer).unwrap();

    server.kill();
    let start = Instant::now();
    assert_eq!(sign(&key.signer), Err(SignCode::Unavailable));
    assert_eq!(code(open(&vault, "vault:transit/pass")), "custodian_unavailable");
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    server.restart();
    // All connections at once: each of them was to the server of before.
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| sign(&key.signer).unwrap());
        }
    });
    let again = open(&vault, key.uri.as_str()).unwrap();
    assert_eq!(again.signer.public_key(), key.signer.public_key());
}

#[test]
fn a_server_that_restarts_between_two_calls_costs_no_call() {
    let mut server = OpenBao::start();
    let key = generate(&vault(&server), "vault:transit/pass", Algorithm::Ed25519).unwrap();
    for _ in 0..2 {
        sign(&key.signer).unwrap();
        server.restart();
    }
    sign(&key.signer).unwrap();
}

#[test]
fn what_the_environment_says_counts() {
    const CHILD: &str = "ACTIONPASS_VAULT_TEST";
    if let Ok(expected) = std::env::var(CHILD) {
        let secrets: Box<dyn Secrets> = match std::env::var("TYPED") {
            Ok(token) => Box::new(OneAnswer::new(&token)),
            Err(_) => Box::new(NoSecrets),
        };
        let outcome = Vault::new().open(&uri("vault:transit/environment"), &*secrets);
        let (found, detail) = match &outcome {
            Ok(key) => (
                sign(&key.signer).map_or("not signed", |()| "signed").to_owned(),
                String::new(),
            ),
            Err(error) => (error.code().to_string(), format!("{error:?}")),
        };
        assert_eq!(found, expected, "{detail}");
        return;
    }
    let server = bao();
    generate(&vault(server), "vault:transit/environment", Algorithm::Es256).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(".vault-token"), server.root_token()).unwrap();
    let (address, tls, token) = (server.address(), server.tls_address(), server.root_token());
    let (ca, no_home) = (
        server.ca_file().display().to_string(),
        folder.path().display().to_string(),
    );
    let (ca, home) = (ca.as_str(), home.path().display().to_string());
    let cases: &[(&str, &[(&str, &str)])] = &[
        ("signed", &[("VAULT_ADDR", &address), ("VAULT_TOKEN", token)]),
        ("signed", &[("BAO_ADDR", &address), ("BAO_TOKEN", token)]),
        (
            "signed",
            &[("VAULT_ADDR", &address), ("BAO_ADDR", &address), ("VAULT_TOKEN", token)],
        ),
        (
            "custodian_refused",
            &[("VAULT_ADDR", &address), ("BAO_ADDR", &tls), ("VAULT_TOKEN", token)],
        ),
        ("signed", &[("VAULT_ADDR", &address), ("HOME", &home)]),
        (
            "custodian_refused",
            &[("VAULT_ADDR", &address), ("HOME", &home), ("VAULT_TOKEN", "hvs.wrong")],
        ),
        ("custodian_secret_missing", &[("VAULT_ADDR", &address)]),
        ("signed", &[("VAULT_ADDR", &address), ("TYPED", token)]),
        (
            "signed",
            &[("VAULT_ADDR", &tls), ("VAULT_CACERT", ca), ("VAULT_TOKEN", token)],
        ),
        ("custodian_unavailable", &[("VAULT_ADDR", &tls), ("VAULT_TOKEN", token)]),
        (
            "custodian_refused",
            &[
                ("VAULT_ADDR", &tls),
                ("VAULT_CACERT", ca),
                ("VAULT_TOKEN", token),
                ("VAULT_SKIP_VERIFY", "true"),
            ],
        ),
        (
            "signed",
            &[
                ("VAULT_ADDR", &address),
                ("VAULT_TOKEN", token),
                ("VAULT_SKIP_VERIFY", "0"),
            ],
        ),
        (
            "custodian_key_missing",
            &[
                ("VAULT_ADDR", &address),
                ("VAULT_TOKEN", token),
                ("VAULT_NAMESPACE", "none"),
            ],
        ),
        (
            "custodian_refused",
            &[("VAULT_ADDR", &address), ("VAULT_ROLE_ID", "role"), ("HOME", &home)],
        ),
        (
            "custodian_refused",
            &[
                ("VAULT_ADDR", &address),
                ("VAULT_ROLE_ID", "role"),
                ("VAULT_SECRET_ID_FILE", "/no/such/file"),
            ],
        ),
        (
            "custodian_refused",
            &[("VAULT_ADDR", "http://example.com"), ("VAULT_TOKEN", token)],
        ),
    ];
    for (expected, variables) in cases {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "what_the_environment_says_counts"]);
        child.env_clear().env("HOME", &no_home).env(CHILD, expected);
        child.envs(variables.iter().copied());
        let output = child.output().unwrap();
        let shown = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{variables:?}: {shown}");
        assert!(!shown.contains(token), "{variables:?}");
    }
}
