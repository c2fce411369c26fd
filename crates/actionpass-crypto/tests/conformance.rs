//! The conformance suite on our own signers, and on signers that break it.
#![expect(clippy::unwrap_used, reason = "a test that can not go on fails")]

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use actionpass_crypto::conformance::{self, block_on};
use actionpass_crypto::{
    PublicKey, Residence, SignCode, SignError, SignFuture, Signature, Signer, SigningInput, SoftwareKey,
    signer_conformance,
};

#[cfg(feature = "aws-lc")]
mod aws_lc {
    use actionpass_crypto::aws_lc::SoftwareKey;
    use actionpass_crypto::{Algorithm, signer_conformance};

    signer_conformance!(es256, || SoftwareKey::generate_for(Algorithm::Es256).unwrap());
    signer_conformance!(es384, || SoftwareKey::generate_for(Algorithm::Es384).unwrap());
    signer_conformance!(ed25519, || SoftwareKey::generate_for(Algorithm::Ed25519).unwrap());
}

#[cfg(feature = "rustcrypto")]
mod rustcrypto {
    use actionpass_crypto::rustcrypto::SoftwareKey;
    use actionpass_crypto::{Algorithm, signer_conformance};

    signer_conformance!(es256, || SoftwareKey::generate_for(Algorithm::Es256).unwrap());
    signer_conformance!(es384, || SoftwareKey::generate_for(Algorithm::Es384).unwrap());
    signer_conformance!(ed25519, || SoftwareKey::generate_for(Algorithm::Ed25519).unwrap());
}

signer_conformance!(shared, || -> Arc<dyn Signer> {
    Arc::new(SoftwareKey::generate().unwrap())
});

signer_conformance!(waiting, Faulty::that(Fault::Waits), block_on = run);

signer_conformance!(wrapped, || {
    use actionpass_crypto::wrapper::SignatureSigner;
    use p256::pkcs8::DecodePrivateKey;
    let key = SoftwareKey::generate().unwrap();
    let other = p256::ecdsa::SigningKey::from_pkcs8_der(key.to_pkcs8().unwrap().as_der()).unwrap();
    SignatureSigner::new(other, key.public_key().clone(), "wrapped")
});

/// Stands for a runtime of the custodian's own.
fn run<F: Future>(future: F) -> F::Output {
    block_on(future)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Waits,
    SignsSomethingElse,
    SignsForOthers,
    TellsAnotherKey,
    HasNoName,
    ShowsItsKey,
    BreaksWhenDropped,
}

/// A custodian that breaks one clause of the contract (or only waits, which is no fault).
struct Faulty {
    key: SoftwareKey,
    other: SoftwareKey,
    fault: Fault,
    is_broken: AtomicBool,
}

impl Faulty {
    fn that(fault: Fault) -> impl Fn() -> Self {
        move || {
            let [key, other] = [(); 2].map(|()| SoftwareKey::generate().unwrap());
            Self {
                key,
                other,
                fault,
                is_broken: AtomicBool::new(false),
            }
        }
    }
}

impl std::fmt::Debug for Faulty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Faulty");
        if self.fault == Fault::ShowsItsKey {
            shown.field("key", &self.key.to_pkcs8().unwrap().as_der());
        }
        shown.finish_non_exhaustive()
    }
}

impl Signer for Faulty {
    fn public_key(&self) -> &PublicKey {
        if self.fault == Fault::TellsAnotherKey {
            self.other.public_key()
        } else {
            self.key.public_key()
        }
    }

    fn custodian(&self) -> &str {
        if self.fault == Fault::HasNoName { "" } else { "faulty" }
    }

    fn residence(&self) -> Residence {
        Residence::Outside
    }

    fn sign<'a>(&'a self, input: &'a SigningInput) -> SignFuture<'a> {
        struct OnDrop<'a>(&'a Faulty, bool);
        impl Drop for OnDrop<'_> {
            fn drop(&mut self) {
                if !self.1 && self.0.fault == Fault::BreaksWhenDropped {
                    self.0.is_broken.store(true, Ordering::SeqCst);
                }
            }
        }
        Box::pin(async move {
            let mut guard = OnDrop(self, false);
            let mut waits = [(); 2].iter();
            poll_fn(|context| {
                context.waker().wake_by_ref();
                if waits.next().is_some() {
                    Poll::Pending
                } else {
                    Poll::Ready(())
                }
            })
            .await;
            guard.1 = true;
            if self.is_broken.load(Ordering::SeqCst) {
                return Err(SignError::unavailable("faulty", "it is broken"));
            }
            match self.fault {
                Fault::SignsSomethingElse => self
                    .key
                    .sign_now(&SigningInput::probe(&[0xEE; 32], self.key.public_key())),
                Fault::SignsForOthers if input.kid() != self.key.public_key().kid() => {
                    Signature::from_integers(input.algorithm(), &[1], &[1]).map_err(|_| SignError::WrongKey)
                }
                Fault::TellsAnotherKey => self.key.sign_now(&SigningInput::probe(&[1; 32], self.key.public_key())),
                _ => self.key.sign_now(input),
            }
        })
    }
}

fn breaks(clause: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(clause)).is_err()
}

#[test]
fn every_fault_is_found_by_its_clause() {
    let make = |fault| Faulty::that(fault)();
    let other = make(Fault::SignsSomethingElse);
    assert!(breaks(|| block_on(conformance::signatures_verify(&other))));
    assert!(breaks(|| block_on(conformance::overlapping_calls_do_not_mix(&other))));
    assert!(breaks(|| block_on(conformance::signatures_are_for_one_input_only(
        &other
    ))));
    assert!(breaks(|| block_on(
        conformance::two_hundred_signatures_have_the_exact_form(&other)
    )));
    assert!(breaks(|| block_on(conformance::signs_through_a_trait_object(&other))));
    assert!(breaks(|| block_on(conformance::input_of_another_key_is_refused(
        &make(Fault::SignsForOthers)
    ))));
    assert!(breaks(|| block_on(conformance::signatures_verify(&make(
        Fault::TellsAnotherKey
    )))));
    assert!(breaks(|| conformance::has_a_custodian_name(&make(Fault::HasNoName))));
    assert!(breaks(|| conformance::debug_shows_no_secret(&make(Fault::ShowsItsKey))));
    assert!(breaks(|| block_on(
        conformance::dropped_futures_leave_the_signer_usable(&make(Fault::BreaksWhenDropped))
    )));
}

#[test]
fn errors_of_custodians_have_their_codes() {
    let codes: Vec<_> = SignCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(
        codes,
        [
            "custodian_unavailable",
            "custodian_refused",
            "signature_self_check_failed",
            "signing_key_mismatch",
            "claims_not_signable",
            "token_too_long",
            "checkpoint_not_signable",
        ]
    );
    let error = SignError::refused("kms", std::io::Error::other("access denied"));
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        (SignCode::Refused, "custodian `kms` refuses to sign")
    );
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "access denied");
}
