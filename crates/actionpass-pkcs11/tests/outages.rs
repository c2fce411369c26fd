//! Tokens that are pulled, modules that hang, sessions that end, PINs that are wrong. One at a time: the module is the
//! process's.
#![expect(clippy::unwrap_used, reason = "a test that can not go on fails")]

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use actionpass_crypto::{Algorithm, SignCode, Signer, SigningInput};
use actionpass_custody::conformance::{OneAnswer, every_wait_ends, report, sign};
use actionpass_custody::{Custodian, KeyUri, Timeouts};
use actionpass_pkcs11::Pkcs11;
use actionpass_servers::softhsm::{PIN, SoftHsm};

/// The tokens, for one test at a time, and working.
fn hsm() -> (MutexGuard<'static, ()>, &'static SoftHsm) {
    static TURN: Mutex<()> = Mutex::new(());
    static HSM: OnceLock<SoftHsm> = OnceLock::new();
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let hsm = HSM.get_or_init(|| {
        let hsm = SoftHsm::start(&["prod", "wrong"]);
        hsm.make_key("prod", "EC:prime256v1", "pass", "01");
        hsm.make_key("prod", "EC:secp384r1", "long", "02");
        hsm.make_key("prod", "EC:edwards25519", "edwards", "03");
        hsm.make_key("wrong", "EC:prime256v1", "pass", "01");
        hsm
    });
    hsm.restart();
    (turn, hsm)
}

fn uri(object: &str) -> KeyUri {
    KeyUri::parse(&format!("pkcs11:token=prod;object={object}")).unwrap()
}

fn custodian(hsm: &SoftHsm) -> Pkcs11 {
    Pkcs11::new().with_module(hsm.module())
}

fn signer(hsm: &SoftHsm) -> Arc<dyn Signer> {
    custodian(hsm).open(&uri("pass"), &OneAnswer::new(PIN)).unwrap().signer
}

/// What a signer says, and that it says so within a second.
fn refusal(signer: &dyn Signer) -> SignCode {
    let start = Instant::now();
    let error = sign(signer).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert!(!report(&error).contains(PIN), "{}", report(&error));
    error.code()
}

#[test]
fn a_pulled_token_is_unavailable_until_it_is_back() {
    let (_turn, hsm) = hsm();
    let signer = signer(hsm);
    sign(&*signer).unwrap();
    hsm.kill();
    // More often than there are sessions.
    for _ in 0..6 {
        assert_eq!(refusal(&*signer), SignCode::Unavailable);
    }
    let opened = custodian(hsm).open(&uri("pass"), &OneAnswer::new(PIN));
    assert_eq!(opened.unwrap_err().code(), "custodian_unavailable");
    hsm.restart();
    for _ in 0..6 {
        sign(&*signer).unwrap();
    }
}

#[test]
fn a_lost_session_is_opened_anew_with_its_login() {
    let (_turn, hsm) = hsm();
    let signer = signer(hsm);
    for _ in 0..3 {
        hsm.end_sessions();
        // Whoever opens a session first finds that they have ended.
        for _ in 0..6 {
            sign(&*signer).unwrap();
        }
    }
    let one = custodian(hsm)
        .with_sessions(1)
        .open(&uri("pass"), &OneAnswer::new(PIN))
        .unwrap()
        .signer;
    let logins = hsm.logins();
    for _ in 0..20 {
        sign(&*one).unwrap();
    }
    assert_eq!(hsm.logins(), logins, "a session that works logs in once");
}

#[test]
fn a_module_that_is_finalized_is_initialized_again() {
    let (_turn, hsm) = hsm();
    let [first, second] = [signer(hsm), signer(hsm)];
    for _ in 0..3 {
        sign(&*first).unwrap();
        // Another part of the program is done with the module, and takes it from everybody.
        cryptoki::context::Pkcs11::new(hsm.module())
            .unwrap()
            .finalize()
            .unwrap();
        for _ in 0..6 {
            sign(&*first).unwrap();
            sign(&*second).unwrap();
        }
    }
    cryptoki::context::Pkcs11::new(hsm.module())
        .unwrap()
        .finalize()
        .unwrap();
    sign(&*signer(hsm)).unwrap();
}

#[test]
fn a_module_that_hangs_is_waited_for_in_vain_and_not_for_long() {
    let (_turn, hsm) = hsm();
    let patient = custodian(hsm).with_sessions(1);
    let hasty = patient
        .clone()
        .with_timeouts(Timeouts::new().with_signing(Duration::from_millis(100)));
    let signer = hasty.open(&uri("pass"), &OneAnswer::new(PIN)).unwrap().signer;
    sign(&*signer).unwrap();
    hsm.hang();
    for _ in 0..3 {
        assert_eq!(refusal(&*signer), SignCode::Unavailable);
    }
    let limit = Duration::from_millis(100);
    let hasty = patient.with_timeouts(Timeouts::new().with_opening(limit));
    every_wait_ends(hasty, &uri("pass"), Some(PIN), limit);
    hsm.restart();
    // The thread that hung comes back by itself.
    thread::sleep(Duration::from_millis(50));
    sign(&*signer).unwrap();
}

#[test]
fn a_wrong_pin_is_tried_once() {
    let (_turn, hsm) = hsm();
    let uri = KeyUri::parse("pkcs11:token=wrong;object=pass").unwrap();
    let before = hsm.logins();
    let error = custodian(hsm).open(&uri, &OneAnswer::new("31415926")).unwrap_err();
    assert_eq!(error.code(), "custodian_refused");
    assert_eq!(hsm.logins().checked_sub(before), Some(1));
    assert!(!report(&error).contains("31415926"), "{}", report(&error));
    let made = custodian(hsm).generate(&uri, Algorithm::Es256, &OneAnswer::new("31415926"));
    assert_eq!(made.unwrap_err().code(), "custodian_refused");
    assert_eq!(hsm.logins().checked_sub(before), Some(2));
}

/// What can't be the token's PIN costs none of its attempts.
#[test]
fn an_impossible_pin_is_not_tried() {
    let (_turn, hsm) = hsm();
    let uri = KeyUri::parse("pkcs11:token=wrong;object=pass").unwrap();
    let before = hsm.logins();
    for pin in ["1", &"1".repeat(300), "1234\n", "12\u{7}34", "\0\0\0\0\0"] {
        let error = custodian(hsm).open(&uri, &OneAnswer::new(pin)).unwrap_err();
        assert_eq!(error.code(), "custodian_refused");
        assert!(report(&error).contains("not tried"), "{}", report(&error));
    }
    assert_eq!(hsm.logins(), before);
}

#[test]
fn a_pin_that_turns_wrong_is_tried_once_by_all_sessions_together() {
    let (_turn, hsm) = hsm();
    let signer = signer(hsm);
    sign(&*signer).unwrap();
    hsm.change_pin();
    let before = hsm.logins();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(refusal(&*signer), SignCode::Refused));
        }
    });
    for _ in 0..8 {
        assert_eq!(refusal(&*signer), SignCode::Refused);
    }
    assert_eq!(hsm.logins().checked_sub(before), Some(1));
    // Whoever opens the key anew, PIN in hand, starts afresh.
    hsm.restart();
    sign(&*self::signer(hsm)).unwrap();
    assert_eq!(refusal(&*signer), SignCode::Refused);
}

#[test]
fn only_hashes_of_the_exact_length_are_signed() {
    let (_turn, hsm) = hsm();
    for (object, bytes) in [("pass", 32), ("long", 48)] {
        let signer = custodian(hsm).open(&uri(object), &OneAnswer::new(PIN)).unwrap().signer;
        let (before, _) = hsm.signatures();
        sign(&*signer).unwrap();
        assert_eq!(hsm.signatures(), (before + 1, bytes));
    }
    let signer = custodian(hsm)
        .open(&uri("edwards"), &OneAnswer::new(PIN))
        .unwrap()
        .signer;
    let input = SigningInput::probe(&[7; 32], signer.public_key());
    sign(&*signer).unwrap();
    assert_eq!(hsm.signatures().1, u32::try_from(input.as_bytes().len()).unwrap());
}

#[test]
fn an_answer_that_is_no_signature_is_refused() {
    let (_turn, hsm) = hsm();
    for object in ["pass", "long", "edwards"] {
        let signer = custodian(hsm).open(&uri(object), &OneAnswer::new(PIN)).unwrap().signer;
        hsm.answer_short();
        assert_eq!(refusal(&*signer), SignCode::SelfCheckFailed, "{object}");
        hsm.restart();
        sign(&*signer).unwrap();
    }
}
