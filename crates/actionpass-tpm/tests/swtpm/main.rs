//! The custodian on a real TPM, which is software here.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can not go on fails")]

mod bare;
mod proxy;

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use actionpass_crypto::conformance::block_on;
use actionpass_crypto::{Algorithm, SignCode, SignError, Signer, SigningInput};
use actionpass_custody::conformance::{OneAnswer, Subject, every_wait_ends, report, sign};
use actionpass_custody::{
    Custodian, CustodianError, KeyUri, NoSecrets, OpenKey, Secret, Timeouts, custodian_conformance,
};
use actionpass_servers::swtpm::SwTpm;
use actionpass_tpm::Tpm;

use bare::Bare;
use proxy::Proxy;

/// A TPM of its own, since each has one connection.
fn subject() -> Subject {
    let server = SwTpm::start();
    Subject::new(tpm(&server), "tpm:0x81010042")
        .making(|_| uri("tpm:next"))
        .refusing(["tpm:0x81010042?auth=HIDDEN", "tpm:0x81010042?label=a", "tpm:0x80000001"])
        .knowing("correct horse")
        .keeping(server)
}

custodian_conformance!(conforming, subject, es256: Es256, es384: Es384);

fn tpm(server: &SwTpm) -> Tpm {
    Tpm::new().with_tcti(&server.tcti())
}

fn uri(text: &str) -> KeyUri {
    KeyUri::parse(text).unwrap()
}

fn generate(server: &SwTpm, at: &str) -> Result<OpenKey, CustodianError> {
    tpm(server).generate(&uri(at), Algorithm::Es256, &NoSecrets)
}

fn open(server: &SwTpm, at: &str) -> Result<OpenKey, CustodianError> {
    tpm(server).open(&uri(at), &NoSecrets)
}

fn code(result: Result<OpenKey, CustodianError>) -> String {
    result.map(|key| key.uri).unwrap_err().code().to_string()
}

fn sign_code(signer: &dyn Signer) -> SignCode {
    sign(signer).unwrap_err().code()
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

#[test]
fn new_keys_are_kept_and_stand_side_by_side() {
    let server = SwTpm::start();
    // More than a TPM has slots for.
    let made: Vec<_> = (0..5)
        .map(|number| {
            let made = generate(&server, "tpm:next").unwrap();
            assert_eq!(made.uri.as_str(), format!("tpm:0x8101000{number}"));
            sign(&made.signer).unwrap();
            (made.uri.clone(), made.signer.public_key().clone())
        })
        .collect();
    for (number, (at, public)) in made.iter().enumerate() {
        let again = open(&server, at.as_str()).unwrap();
        assert_eq!((&again.uri, again.signer.public_key()), (at, public));
        assert_eq!(again.signer.custodian(), "tpm");
        sign(&again.signer).unwrap();
        assert!(made.iter().skip(number + 1).all(|(_, other)| other != public));
    }
    Bare::new(&server).evict(0x8101_0002);
    // The gap is filled.
    assert_eq!(generate(&server, "tpm:next").unwrap().uri.as_str(), "tpm:0x81010002");
    assert_eq!(Bare::new(&server).free_slots(), 3);
}

#[test]
fn nothing_is_overwritten_and_nothing_made_up() {
    let server = SwTpm::start();
    assert_eq!(code(open(&server, "tpm:0x81010005")), "custodian_key_missing");
    let made = generate(&server, "tpm:0x81010005").unwrap();
    let public = made.signer.public_key().clone();
    drop(made);
    assert_eq!(code(generate(&server, "tpm:0x81010005")), "custodian_key_exists");
    assert_eq!(open(&server, "tpm:0x81010005").unwrap().signer.public_key(), &public);
    assert_eq!(code(open(&server, "tpm:0x81010006")), "custodian_key_missing");
    assert_eq!(Bare::new(&server).free_slots(), 3);
}

#[test]
fn uris_are_read_before_the_tpm_is_asked() {
    let nowhere = Tpm::new().with_tcti("device:/nonexistent");
    for bad in [
        "tpm:0x81010001?label=a",
        "tpm:0x81010001?pin-value=1234",
        "tpm:0x80000001",
        "tpm:next",
    ] {
        assert_eq!(code(nowhere.open(&uri(bad), &NoSecrets)), "key_uri_malformed", "{bad}");
    }
    let ed25519 = nowhere.generate(&uri("tpm:next"), Algorithm::Ed25519, &NoSecrets);
    assert_eq!(code(ed25519), "custodian_generates_none");
    // Those of the firmware.
    let platform = nowhere.generate(&uri("tpm:0x81800000"), Algorithm::Es256, &NoSecrets);
    assert_eq!(code(platform), "key_uri_malformed");
    let missing = nowhere.open(&uri("tpm:0x81010001"), &NoSecrets);
    assert_eq!(code(missing), "custodian_unavailable");
    let unknown = Tpm::new().with_tcti("cmd:sh").open(&uri("tpm:0x81010001"), &NoSecrets);
    assert_eq!(code(unknown), "custodian_unavailable");
}

/// The TPM that a URI names is the one, whatever was said before.
#[test]
fn the_uri_may_name_the_tpm() {
    let server = SwTpm::start();
    let full = format!("tpm:0x81010000?tcti={}", server.tcti());
    let elsewhere = Tpm::new().with_tcti("device:/nonexistent");
    let made = elsewhere.generate(&uri(&full.replace("0x81010000", "next")), Algorithm::Es256, &NoSecrets);
    assert_eq!(made.unwrap().uri.as_str(), full);
    let opened = elsewhere.open(&uri(&full), &NoSecrets).unwrap();
    assert_eq!(opened.uri.as_str(), full);
    sign(&opened.signer).unwrap();
}

#[test]
fn keys_that_do_not_sign_passes_are_refused() {
    let server = SwTpm::start();
    let mut bare = Bare::new(&server);
    for (number, (kind, expected)) in bare::KINDS.iter().enumerate() {
        let handle = 0x8101_0100 + u32::try_from(number).unwrap();
        bare.make(*kind, handle);
        drop(bare);
        let opened = open(&server, &format!("tpm:{handle:#x}"));
        match expected {
            Some(expected) => {
                let error = opened.map(|key| key.uri).unwrap_err();
                assert_eq!(error.code(), *expected, "{kind:?}: {error}");
                let reason = std::error::Error::source(&error).map(ToString::to_string);
                if *kind == bare::Kind::Restricted {
                    assert!(reason.unwrap().contains("restricted"));
                }
            }
            None => drop(sign(&opened.unwrap().signer).unwrap()),
        }
        bare = Bare::new(&server);
    }
}

#[test]
fn a_tpm_that_dies_is_unavailable_and_the_same_signer_goes_on() {
    let mut server = SwTpm::start();
    let made = generate(&server, "tpm:next").unwrap();
    sign(&made.signer).unwrap();
    for _ in 0..2 {
        server.kill();
        let start = Instant::now();
        assert_eq!(sign_code(&made.signer), SignCode::Unavailable);
        assert_eq!(sign_code(&made.signer), SignCode::Unavailable);
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        server.restart();
        sign(&made.signer).unwrap();
    }
    // Died and came back while nobody signed.
    server.restart();
    sign(&made.signer).unwrap();
    server.kill();
    let start = Instant::now();
    assert_eq!(code(open(&server, made.uri.as_str())), "custodian_unavailable");
    assert_eq!(code(generate(&server, "tpm:next")), "custodian_unavailable");
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn a_tpm_that_hangs_keeps_nobody() {
    let server = SwTpm::start();
    let limit = Duration::from_millis(300);
    let patient = Timeouts::new().with_signing(Duration::from_secs(2));
    let hasty = || tpm(&server).with_timeouts(patient.with_opening(limit));
    let made = tpm(&server)
        .with_timeouts(patient)
        .generate(&uri("tpm:next"), Algorithm::Es256, &NoSecrets)
        .unwrap();
    server.freeze();
    let start = Instant::now();
    let error = sign(&made.signer).unwrap_err();
    assert!(matches!(error, SignError::TimedOut { .. }), "{error:?}");
    assert_eq!(error.code(), SignCode::Unavailable);
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    server.thaw();
    sign(&made.signer).unwrap();

    let at = made.uri.clone();
    drop(made);
    server.freeze();
    every_wait_ends(hasty(), &at, None, limit);
    every_wait_ends(hasty(), &uri("tpm:0x81010009"), None, limit);
    server.thaw();
    // The TPM makes the key that nobody waits for any more; it is not kept.
    sign(&open(&server, at.as_str()).unwrap().signer).unwrap();
    thread::sleep(Duration::from_secs(1));
    assert_eq!(code(open(&server, "tpm:0x81010009")), "custodian_key_missing");
}

/// Whoever clears the TPM and makes another key at the handle doesn't sign as the old one.
#[test]
fn another_key_at_the_handle_is_refused() {
    let mut server = SwTpm::start();
    let made = generate(&server, "tpm:0x81010000").unwrap();
    let input = SigningInput::probe(&[7; 32], made.signer.public_key());
    Bare::new(&server).evict(0x8101_0000);
    assert_eq!(sign_code(&made.signer), SignCode::Refused);
    drop(generate(&server, "tpm:0x81010000").unwrap());
    // The connection doesn't notice: `sign_document` does.
    let signature = block_on(made.signer.sign(&input)).unwrap();
    assert!(made.signer.public_key().verify(&input, &signature).is_err());
    // A new connection looks first.
    server.kill();
    assert_eq!(sign_code(&made.signer), SignCode::Unavailable);
    server.restart();
    assert_eq!(sign_code(&made.signer), SignCode::Refused);
    Bare::new(&server).evict(0x8101_0000);
    assert_eq!(sign_code(&made.signer), SignCode::Refused);
}

/// A connection that is cut is made again within the same call, once.
#[test]
fn a_lost_connection_is_made_again_once() {
    let server = SwTpm::start();
    let proxy = Proxy::to(&server);
    let custodian = Tpm::new().with_tcti(&proxy.tcti());
    let made = custodian
        .generate(&uri("tpm:next"), Algorithm::Es256, &NoSecrets)
        .unwrap();
    sign(&made.signer).unwrap();
    for cuts in [1, 0, 1] {
        proxy.cut(cuts);
        sign(&made.signer).unwrap();
        assert_eq!(proxy.cuts_left(), 0);
    }
    proxy.cut(usize::MAX);
    assert_eq!(sign_code(&made.signer), SignCode::Unavailable);
    proxy.cut(0);
    sign(&made.signer).unwrap();
}

#[test]
fn a_key_is_opened_by_its_auth_value() {
    let server = SwTpm::start();
    let knows = OneAnswer::new("correct horse");
    let made = tpm(&server)
        .generate(&uri("tpm:next"), Algorithm::Es256, &knows)
        .unwrap();
    assert_eq!(knows.asked(), 1);
    sign(&made.signer).unwrap();
    let at = made.uri.clone();
    drop(made);

    let opened = tpm(&server).open(&at, &knows).unwrap();
    assert_eq!(knows.asked(), 2);
    sign(&opened.signer).unwrap();
    drop(opened);
    // What was given beforehand is not asked for.
    let given = tpm(&server).with_auth(secret("correct horse"));
    sign(&given.open(&at, &knows).unwrap().signer).unwrap();
    assert_eq!(knows.asked(), 2);

    // The TPM counts these: three of them lock it.
    let error = tpm(&server).open(&at, &OneAnswer::new("hunter2")).map(|key| key.uri);
    assert_eq!(error.unwrap_err().code(), "custodian_refused");
    // Not tried when the key is opened, since that would be counted at every start.
    let without = open(&server, at.as_str()).unwrap();
    assert_eq!(sign_code(&without.signer), SignCode::Refused);
    drop(without);
    sign(&given.open(&at, &NoSecrets).unwrap().signer).unwrap();

    let long = tpm(&server).with_auth(secret(&"x".repeat(33)));
    let refused = long.generate(&uri("tpm:next"), Algorithm::Es256, &NoSecrets);
    assert_eq!(code(refused), "custodian_refused");
}

/// A key with an auth value that the TPM lets everybody guess: then it is asked for only if it is there.
#[test]
fn an_auth_value_is_asked_for_only_where_there_is_one() {
    let server = SwTpm::start();
    Bare::new(&server).make(bare::Kind::Guessable, 0x8101_0000);
    assert_eq!(code(open(&server, "tpm:0x81010000")), "custodian_secret_missing");
    let knows = OneAnswer::new(bare::AUTH);
    let opened = tpm(&server).open(&uri("tpm:0x81010000"), &knows).unwrap();
    assert_eq!(knows.asked(), 1);
    sign(&opened.signer).unwrap();
    drop(opened);
    // A key without one.
    let made = generate(&server, "tpm:next").unwrap();
    let at = made.uri.clone();
    drop(made);
    sign(&tpm(&server).open(&at, &knows).unwrap().signer).unwrap();
    assert_eq!(knows.asked(), 1);
}

#[test]
fn the_owner_makes_keys() {
    let server = SwTpm::start();
    Bare::new(&server).set_owner_auth("landlord");
    assert_eq!(code(generate(&server, "tpm:next")), "custodian_refused");
    let owner = tpm(&server).with_owner_auth(secret("landlord"));
    let made = owner.generate(&uri("tpm:next"), Algorithm::Es384, &NoSecrets).unwrap();
    let at = made.uri.clone();
    drop(made);
    // Signing needs no owner.
    sign(&open(&server, at.as_str()).unwrap().signer).unwrap();
}

#[test]
fn secrets_are_shown_nowhere() {
    let server = SwTpm::start();
    let custodian = tpm(&server)
        .with_auth(secret("correct horse"))
        .with_owner_auth(secret("landlord"));
    let mut shown = vec![format!("{custodian:?}")];
    // The owner's is wrong, since it is empty.
    let error = custodian.generate(&uri("tpm:next"), Algorithm::Es256, &NoSecrets);
    shown.push(report(&error.map(|key| key.uri).unwrap_err()));
    let made = tpm(&server)
        .with_auth(secret("correct horse"))
        .generate(&uri("tpm:next"), Algorithm::Es256, &NoSecrets)
        .unwrap();
    shown.push(format!("{made:?}"));
    let at = made.uri.clone();
    drop(made);
    let wrong = tpm(&server).with_auth(secret("landlord")).open(&at, &NoSecrets);
    shown.push(report(&wrong.map(|key| key.uri).unwrap_err()));
    for text in shown {
        for word in ["correct", "landlord", "[99, 111", "[108, 97"] {
            assert!(!text.contains(word), "{text}");
        }
    }
}

/// In a process of its own, since the environment is the whole process's.
#[test]
fn the_environment_says_which_tpm_and_what_opens_it() {
    let server = SwTpm::start();
    let child = |variables: &[(&str, &str)]| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "in_an_environment", "--ignored", "--nocapture"]);
        for name in [
            "TPM2TOOLS_TCTI",
            "TCTI",
            "TEST_TCTI",
            "ACTIONPASS_TPM_AUTH",
            "ACTIONPASS_TPM_OWNER_AUTH",
        ] {
            command.env_remove(name);
        }
        let output = command.envs(variables.iter().copied()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let start = text.find("outcome: ").unwrap_or_else(|| panic!("{text}"));
        text[start..].lines().next().unwrap().to_owned()
    };
    let tcti = server.tcti();
    Bare::new(&server).set_owner_auth("landlord");
    let auth = ("ACTIONPASS_TPM_AUTH", "correct horse");
    let owner = ("ACTIONPASS_TPM_OWNER_AUTH", "landlord");
    assert_eq!(child(&[("TCTI", &tcti), auth]), "outcome: custodian_refused");
    assert_eq!(child(&[("TEST_TCTI", &tcti), auth, owner]), "outcome: tpm:0x81010000");
    let wrong = ("TCTI", "device:/nonexistent");
    let first = child(&[("TPM2TOOLS_TCTI", &tcti), wrong, auth, owner]);
    assert_eq!(first, "outcome: tpm:0x81010001");
    assert_eq!(
        child(&[wrong, ("TEST_TCTI", &tcti), auth, owner]),
        "outcome: custodian_unavailable"
    );
    assert_eq!(
        child(&[("TCTI", "nonsense"), auth, owner]),
        "outcome: custodian_unavailable"
    );
    // The auth value was the variable's.
    assert_eq!(
        sign_code(&open(&server, "tpm:0x81010001").unwrap().signer),
        SignCode::Refused
    );
    let given = tpm(&server).with_auth(secret("correct horse"));
    sign(&given.open(&uri("tpm:0x81010001"), &NoSecrets).unwrap().signer).unwrap();
}

#[test]
#[ignore = "started by another test, in an environment of its own"]
fn in_an_environment() {
    let made = Tpm::new().generate(&uri("tpm:next"), Algorithm::Es256, &NoSecrets);
    match made {
        Ok(key) => {
            sign(&key.signer).unwrap();
            println!("\noutcome: {}", key.uri);
        }
        Err(error) => println!("\noutcome: {}", error.code()),
    }
}
