//! The signer against moto, which speaks the API of AWS KMS. It hashes what is sent as a digest once more, so messages
//! are signed raw here, and it has no Ed25519: digests and that are in `faults.rs`.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use actionpass_aws_kms::AwsKms;
use actionpass_crypto::conformance::block_on;
use actionpass_crypto::{Algorithm, SignCode, Signer, SigningInput};
use actionpass_custody::conformance::{self, Subject};
use actionpass_custody::{Custodian, CustodianError, KeyUri, NoSecrets, OpenKey, Secret, custodian_conformance};
use actionpass_servers::moto::Moto;

const SECRET: &str = "HIDDENSECRET";

/// One server for all tests that leave it as it is.
fn moto() -> &'static Moto {
    static SERVER: OnceLock<Moto> = OnceLock::new();
    SERVER.get_or_init(Moto::start)
}

fn kms(server: &Moto) -> AwsKms {
    AwsKms::new()
        .with_endpoint(&server.endpoint())
        .with_region("eu-west-1")
        .with_access_key("AKIDTEST", Secret::new(SECRET.into()))
        .with_raw_messages()
}

fn open(kms: &AwsKms, text: &str) -> Result<OpenKey, CustodianError> {
    kms.open(&KeyUri::parse(text).unwrap(), &NoSecrets)
}

fn generate(kms: &AwsKms, text: &str, algorithm: Algorithm) -> Result<OpenKey, CustodianError> {
    kms.generate(&KeyUri::parse(text).unwrap(), algorithm, &NoSecrets)
}

fn code(outcome: Result<OpenKey, CustodianError>) -> String {
    outcome.unwrap_err().code().to_string()
}

fn sign(signer: &dyn Signer) -> Result<(), SignCode> {
    conformance::sign(signer).map(drop).map_err(|error| error.code())
}

fn subject() -> Subject {
    Subject::new(kms(moto()), "awskms:alias/none")
        .making(|name| KeyUri::new("awskms", &format!("alias/suite-{name}")))
        .refusing(["awskms:alias/none?secret=HIDDENSECRET", "awskms:alias/none?colour=red"])
        .hiding(SECRET)
}

custodian_conformance!(conforming, subject, es256: Es256, es384: Es384);

#[test]
fn an_alias_leads_to_a_key_and_the_exact_uri_stays_with_it() {
    let kms = kms(moto());
    assert_eq!(code(open(&kms, "awskms:alias/pass")), "custodian_key_missing");
    let first = generate(&kms, "awskms:alias/pass", Algorithm::Es256).unwrap();
    assert!(
        first.uri.as_str().starts_with("awskms:arn:aws:kms:eu-west-1:"),
        "{}",
        first.uri
    );
    assert_eq!(first.signer.custodian(), "awskms");
    let second = generate(&kms, "awskms:alias/pass", Algorithm::Es256).unwrap();
    assert_ne!(first.uri, second.uri);
    assert_ne!(first.signer.public_key(), second.signer.public_key());

    let opened = open(&kms, "awskms:alias/pass").unwrap();
    assert_eq!(opened.uri, second.uri);
    assert_eq!(opened.signer.public_key(), second.signer.public_key());
    let again = open(&kms, first.uri.as_str()).unwrap();
    assert_eq!(
        (&again.uri, again.signer.public_key()),
        (&first.uri, first.signer.public_key())
    );
    let id = first.uri.as_str().rsplit('/').next().unwrap();
    assert_eq!(open(&kms, &format!("awskms:{id}")).unwrap().uri, first.uri);
    for key in [&first, &second, &opened, &again] {
        sign(&key.signer).unwrap();
    }
}

#[test]
fn the_exact_uri_has_what_it_takes_to_get_there() {
    let bare = AwsKms::new().with_access_key("AKIDTEST", Secret::new(SECRET.into()));
    let text = format!(
        "awskms:alias/complete?region=eu-central-1&endpoint={}&message=raw",
        moto().endpoint()
    );
    let made = generate(&bare, &text, Algorithm::Es256).unwrap();
    let expected = format!("?endpoint={}&message=raw", moto().endpoint());
    assert!(made.uri.as_str().ends_with(&expected), "{}", made.uri);
    let opened = open(&bare, made.uri.as_str()).unwrap();
    assert_eq!(opened.signer.public_key(), made.signer.public_key());
    sign(&opened.signer).unwrap();
}

#[test]
fn moto_does_hash_digests_twice() {
    // Should this fail one day, moto is mended, and `message=raw` has lost its reason.
    let digests = format!("awskms:alias/digests?message=digest&endpoint={}", moto().endpoint());
    let key = generate(&kms(moto()), &digests, Algorithm::Es256).unwrap();
    let input = SigningInput::probe(&[7; 32], key.signer.public_key());
    let signature = block_on(key.signer.sign(&input)).unwrap();
    assert!(key.signer.public_key().verify(&input, &signature).is_err());
}

#[test]
fn what_is_taken_or_of_another_kind_is_left_alone() {
    let kms = kms(moto());
    let key = generate(&kms, "awskms:alias/taken", Algorithm::Es256).unwrap();
    assert_eq!(
        code(generate(&kms, "awskms:alias/taken", Algorithm::Es384)),
        "custodian_key_exists"
    );
    assert_eq!(open(&kms, "awskms:alias/taken").unwrap().uri, key.uri);
    let id = "awskms:1234abcd-12ab-34cd-56ef-1234567890ab";
    for text in [id, key.uri.as_str(), "awskms:alias/aws/kms"] {
        assert_eq!(
            code(generate(&kms, text, Algorithm::Es256)),
            "custodian_generates_none",
            "{text}"
        );
    }
    assert_eq!(code(open(&kms, id)), "custodian_key_missing");
    let gone = "awskms:arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    assert_eq!(code(open(&kms, gone)), "custodian_key_missing");
}

#[test]
fn a_server_that_is_down_is_unavailable() {
    let mut server = Moto::start();
    let kms = kms(&server);
    let key = generate(&kms, "awskms:alias/pass", Algorithm::Es256).unwrap();
    sign(&key.signer).unwrap();
    server.kill();
    let start = Instant::now();
    assert_eq!(sign(&key.signer), Err(SignCode::Unavailable));
    assert_eq!(code(open(&kms, "awskms:alias/pass")), "custodian_unavailable");
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    // It comes back without its keys: the signer reaches it, and nothing else is signed with.
    server.restart();
    assert_eq!(sign(&key.signer), Err(SignCode::Refused));
    let input = SigningInput::probe(&[7; 32], key.signer.public_key());
    assert!(block_on(key.signer.sign(&input)).is_err());
}

#[test]
fn what_the_environment_says_counts() {
    const CHILD: &str = "ACTIONPASS_KMS_TEST";
    if let Ok(expected) = std::env::var(CHILD) {
        let outcome = open(&AwsKms::new(), "awskms:alias/environment");
        let (found, detail) = match &outcome {
            Ok(_) => ("opened".to_owned(), String::new()),
            Err(error) => (error.code().to_string(), format!("{error:?}")),
        };
        assert_eq!(found, expected, "{detail}");
        return;
    }
    generate(&kms(moto()), "awskms:alias/environment", Algorithm::Es256).unwrap();
    let endpoint = moto().endpoint();
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("config");
    let text = format!(
        "[profile issuer]\nregion = eu-west-1\nendpoint_url = {endpoint}\naws_access_key_id = AKIDTEST\naws_secret_access_key = {SECRET}\n"
    );
    std::fs::write(&profile, text).unwrap();
    let profile = profile.display().to_string();
    let id = ("AWS_ACCESS_KEY_ID", "AKIDTEST");
    let secret = ("AWS_SECRET_ACCESS_KEY", SECRET);
    let region = ("AWS_REGION", "eu-west-1");
    let at = ("AWS_ENDPOINT_URL_KMS", &*endpoint);
    let cases: &[(&str, &[(&str, &str)])] = &[
        ("opened", &[id, secret, region, at]),
        ("opened", &[("AWS_PROFILE", "issuer"), ("AWS_CONFIG_FILE", &profile)]),
        ("custodian_key_missing", &[id, secret, ("AWS_REGION", "us-east-1"), at]),
        ("custodian_refused", &[id, secret, at]),
        ("custodian_secret_missing", &[region, at]),
    ];
    for (expected, variables) in cases {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "what_the_environment_says_counts"]);
        child
            .env_clear()
            .env("HOME", folder.path())
            .env(CHILD, expected)
            .env("AWS_EC2_METADATA_DISABLED", "true");
        child.envs(variables.iter().copied());
        let output = child.output().unwrap();
        let shown = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{variables:?}: {shown}");
        assert!(!shown.contains("HIDDEN"), "{variables:?}");
    }
}

#[test]
fn it_can_be_opened_inside_of_another_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let key = generate(&kms(moto()), "awskms:alias/inside", Algorithm::Es256).unwrap();
        let input = SigningInput::probe(&[7; 32], key.signer.public_key());
        let signature = key.signer.sign(&input).await.unwrap();
        key.signer.public_key().verify(&input, &signature).unwrap();
    });
}
