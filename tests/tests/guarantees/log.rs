//! What verifiers and custodians tell the log: every refusal with all of its codes, every failure with its cause.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use actionpass_crypto::{SignError, Signature, Signer, SigningInput, SoftwareKey};
use actionpass_custody::{BlockingKey, BlockingSigner};
use actionpass_store::StoreCode;
use actionpass_testkit::stores::RefusingStore;
use actionpass_testkit::{ManualClock, Testbed, block_on, fixtures};
use actionpass_verify::{Call, Executor, Verifier};
use serde_json::json;

use crate::common::action_with;

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What this thread tells the log while it does the work, a line for each event.
fn logged(work: impl FnOnce()) -> Vec<String> {
    let kept = Kept::default();
    let writer = kept.clone();
    let subscriber = tracing_subscriber::fmt()
        .without_time()
        .with_ansi(false)
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, work);
    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    text.lines().map(|line| line.trim().to_owned()).collect()
}

const REFUSED: &str = "INFO actionpass_verify::log: a pass is refused audience=";

#[test]
fn a_refusal_is_logged_once_with_all_codes_and_nothing_of_the_token() {
    let bed = Testbed::new();
    let audience = fixtures::audience();
    assert_eq!(
        logged(|| assert!(bed.verify("not.a.TOKEN", &fixtures::action()).is_err())),
        [format!("{REFUSED}{audience} codes=token_malformed")]
    );
    bed.clock().advance(Duration::from_secs(3600));
    let changed = action_with("/capability/payload/title", json!("another"));
    assert_eq!(
        logged(|| assert!(bed.consume(fixtures::PASS, &changed).is_err())),
        [format!("{REFUSED}{audience} codes=expired, payload_hash_mismatch")]
    );
}

#[test]
fn a_pass_that_is_accepted_is_not_called_refused() {
    let bed = Testbed::new();
    let action = fixtures::action();
    assert_eq!(
        logged(|| drop(bed.consume(fixtures::PASS, &action).unwrap())),
        Vec::<String>::new()
    );
    assert_eq!(
        logged(|| assert!(bed.consume(fixtures::PASS, &action).is_err())),
        [format!("{REFUSED}{} codes=already_used", fixtures::audience())]
    );
}

#[test]
fn a_store_that_fails_is_logged_with_its_cause() {
    let bed = Testbed::new().with_replay(RefusingStore(StoreCode::StoreUnavailable));
    let lines = logged(|| assert!(bed.consume(fixtures::PASS, &fixtures::action()).is_err()));
    let [line] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    assert!(line.contains("codes=store_") && line.contains("error="), "{line}");
}

#[test]
fn an_executor_without_time_says_so() {
    let bed = Testbed::new();
    let verifier = Verifier::new(fixtures::issuer(), fixtures::audience(), fixtures::tenant());
    let replay = Arc::new(RefusingStore(StoreCode::StoreUnavailable));
    let executor =
        Executor::with_fixed_trust(verifier, bed.trust().trust(), replay).with_clock(Arc::new(ManualClock::unknown()));
    let action = fixtures::action();
    assert_eq!(
        logged(|| assert!(block_on(executor.consume(fixtures::PASS, &Call::action(&action))).is_err())),
        [format!("{REFUSED}{} codes=clock_unknown", fixtures::audience())]
    );
}

struct Stalling;

impl BlockingKey for Stalling {
    fn sign(&mut self, _: &SigningInput) -> Result<Signature, SignError> {
        thread::sleep(Duration::from_millis(200));
        Err(SignError::WrongKey)
    }
}

#[test]
fn a_custodian_that_does_not_answer_is_logged() {
    let public = SoftwareKey::generate().unwrap().public_key().clone();
    let input = SigningInput::probe(&[1; 32], &public);
    let signer = BlockingSigner::new(public, "stalling", Duration::from_millis(20), vec![Stalling]).unwrap();
    let lines = logged(|| assert!(block_on(signer.sign(&input)).is_err()));
    let [line] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    for part in [
        "WARN actionpass_custody::blocking: not signed",
        "custodian=\"stalling\"",
        "code=custodian_unavailable",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
}
