//! The conformance suite of [`Signer`]: one named test for each clause of its contract that shows from outside.
//!
//! ```
//! # // The macro makes tests, so this shows how it is called and runs two clauses by hand.
//! use actionpass_crypto::{SoftwareKey, conformance};
//!
//! actionpass_crypto::signer_conformance!(memory, || SoftwareKey::generate().unwrap());
//!
//! let signer = SoftwareKey::generate().unwrap();
//! conformance::block_on(conformance::signatures_verify(&signer));
//! conformance::has_a_custodian_name(&signer);
//! ```
//!
//! A custodian that needs an async runtime brings it: `signer_conformance!(kms, || connect(), block_on = run)`, where
//! `run` is a function or closure that drives any future to its end.
//!
//! Every clause panics where the contract is broken: that is what a test does.
#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "a broken clause fails its test by a panic"
)]

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use crate::{PublicKey, Residence, SignCode, Signature, Signer, SigningInput, SoftwareKey};

/// Declares a module of tests for a custodian: a name, a closure that makes a signer, and what runs futures (by default
/// [`conformance::block_on`](crate::conformance::block_on), which is a thread that waits).
///
/// The closure is called by every test. Where keys are scarce, it may hand out one `Arc<dyn Signer>` again and again.
#[macro_export]
macro_rules! signer_conformance {
    ($name:ident, $make:expr) => {
        $crate::signer_conformance!($name, $make, block_on = $crate::conformance::block_on);
    };
    ($name:ident, $make:expr, block_on = $block_on:expr) => {
        #[cfg(test)]
        mod $name {
            #[allow(unused_imports, reason = "what the two expressions name, if they name anything")]
            use super::*;

            $crate::signer_conformance!(@async $make, $block_on,
                signatures_verify,
                signatures_are_for_one_input_only,
                two_hundred_signatures_have_the_exact_form,
                input_of_another_key_is_refused,
                overlapping_calls_do_not_mix,
                dropped_futures_leave_the_signer_usable,
                signs_through_a_trait_object,
            );

            #[test]
            fn has_a_custodian_name() {
                $crate::conformance::has_a_custodian_name(&($make)());
            }

            #[test]
            fn has_one_public_key() {
                let signer = ($make)();
                $crate::conformance::has_one_public_key(&signer, |future| ($block_on)(future));
            }

            #[test]
            fn debug_shows_no_secret() {
                $crate::conformance::debug_shows_no_secret(&($make)());
            }

            #[test]
            fn threads_do_not_mix() {
                let signer = ($make)();
                ::std::thread::scope(|scope| {
                    for _ in 0..4 {
                        scope.spawn(|| ($block_on)($crate::conformance::signatures_are_for_one_input_only(&signer)));
                    }
                });
            }
        }
    };
    (@async $make:expr, $block_on:expr, $($clause:ident,)+) => {$(
        #[test]
        fn $clause() {
            let signer = ($make)();
            ($block_on)($crate::conformance::$clause(&signer));
        }
    )+};
}

/// Drives a future to its end on this thread. Enough for custodians that need no runtime.
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

fn probe(number: u8, key: &PublicKey) -> SigningInput {
    SigningInput::probe(&[number; 32], key)
}

async fn sign(signer: &dyn Signer, input: &SigningInput) -> Signature {
    match signer.sign(input).await {
        Ok(signature) => signature,
        Err(error) => panic!("custodian `{}` did not sign: {error:?}", signer.custodian()),
    }
}

fn check(signer: &dyn Signer, input: &SigningInput, signature: &Signature) {
    let key = signer.public_key();
    assert_eq!(
        signature.algorithm(),
        key.algorithm(),
        "the signature is of another algorithm than the key"
    );
    assert!(
        key.verify(input, signature).is_ok(),
        "the signature doesn't verify with `public_key`"
    );
}

/// A signature verifies with the public key.
pub async fn signatures_verify(signer: &dyn Signer) {
    let input = probe(1, signer.public_key());
    let signature = sign(signer, &input).await;
    check(signer, &input, &signature);
}

/// A signature is for the input that it was asked for, and for no other.
pub async fn signatures_are_for_one_input_only(signer: &dyn Signer) {
    let inputs = [2, 3].map(|number| probe(number, signer.public_key()));
    let [first, second] = &inputs;
    let signature = sign(signer, first).await;
    check(signer, first, &signature);
    assert!(
        signer.public_key().verify(second, &signature).is_err(),
        "one signature serves two inputs"
    );
}

/// Two hundred signatures have the exact length and verify: an integer that starts with a zero byte, which every 128th
/// does, is padded, and one that starts with a high bit, which every other does, is not longer.
pub async fn two_hundred_signatures_have_the_exact_form(signer: &dyn Signer) {
    for number in 0..200 {
        let input = probe(number, signer.public_key());
        let signature = sign(signer, &input).await;
        check(signer, &input, &signature);
        assert_eq!(
            signature.as_bytes().len(),
            signer.public_key().algorithm().signature_bytes()
        );
    }
}

/// What was made for another key is not signed.
pub async fn input_of_another_key_is_refused(signer: &dyn Signer) {
    let other = SoftwareKey::generate().expect("the operating system has randomness");
    let outcome = signer.sign(&probe(4, other.public_key())).await;
    assert_eq!(outcome.map_err(|error| error.code()), Err(SignCode::WrongKey));
}

/// Calls that overlap on one thread each get the signature of their own input.
pub async fn overlapping_calls_do_not_mix(signer: &dyn Signer) {
    let inputs: Vec<_> = (10..18).map(|number| probe(number, signer.public_key())).collect();
    let mut waiting: Vec<Pin<Box<dyn Future<Output = ()> + Send + '_>>> = Vec::new();
    for input in &inputs {
        waiting.push(Box::pin(
            async move { check(signer, input, &sign(signer, input).await) },
        ));
    }
    poll_fn(|context| {
        waiting.retain_mut(|future| future.as_mut().poll(context).is_pending());
        if waiting.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// A future may be dropped before its first poll and after it; the next call signs.
pub async fn dropped_futures_leave_the_signer_usable(signer: &dyn Signer) {
    let input = probe(5, signer.public_key());
    for _ in 0..8 {
        drop(signer.sign(&input));
        let mut started = signer.sign(&input);
        poll_fn(|context| {
            let _ = started.as_mut().poll(context);
            Poll::Ready(())
        })
        .await;
        drop(started);
    }
    let signature = sign(signer, &input).await;
    check(signer, &input, &signature);
}

/// A signer behind pointers is the same signer.
pub async fn signs_through_a_trait_object(signer: &dyn Signer) {
    // A reference in a Box and an Arc, as a `Box<dyn Signer>` would hold the signer itself.
    let boxed: Box<dyn Signer + '_> = Box::new(Borrowed(signer));
    let shared: Arc<dyn Signer + '_> = Arc::new(boxed);
    assert_eq!(
        (shared.custodian(), shared.residence()),
        (signer.custodian(), signer.residence())
    );
    signatures_verify(&shared).await;
}

#[derive(Debug)]
struct Borrowed<'a>(&'a dyn Signer);

impl Signer for Borrowed<'_> {
    fn public_key(&self) -> &PublicKey {
        self.0.public_key()
    }

    fn custodian(&self) -> &str {
        self.0.custodian()
    }

    fn residence(&self) -> Residence {
        self.0.residence()
    }

    fn sign<'a>(&'a self, input: &'a SigningInput) -> crate::SignFuture<'a> {
        self.0.sign(input)
    }
}

/// The custodian has a name that can stand in a log.
pub fn has_a_custodian_name(signer: &dyn Signer) {
    let name = signer.custodian();
    assert!(!name.is_empty() && name.len() <= 64, "`{name}` is no name");
    assert!(
        name.chars().all(|character| character.is_ascii_graphic()),
        "`{name}` has more than visible ASCII"
    );
}

/// The public key stays the same before and after signing, and its id is its thumbprint.
pub fn has_one_public_key(signer: &dyn Signer, block_on: impl FnOnce(Pin<Box<dyn Future<Output = ()> + Send + '_>>)) {
    let before = signer.public_key().clone();
    block_on(Box::pin(signatures_verify(signer)));
    assert_eq!(&before, signer.public_key(), "the public key changed");
    let mut jwk = before.to_jwk();
    jwk.kid = None;
    let reread = PublicKey::from_jwk(&jwk).expect("a public key is a valid JWK");
    assert_eq!(reread.kid(), signer.public_key().kid(), "the id is not the thumbprint");
}

/// `Debug` shows nothing that is as long as a private key, but for the parts of the public one.
pub fn debug_shows_no_secret(signer: &dyn Signer) {
    let jwk = signer.public_key().to_jwk();
    let mut shown = format!("{signer:?}");
    assert!(!shown.contains("PRIVATE KEY"), "`Debug` shows a PEM block");
    let kid = signer.public_key().kid().as_str();
    let known = [Some(kid), jwk.x.as_deref(), jwk.y.as_deref(), jwk.public.as_deref()];
    for part in known.into_iter().flatten() {
        shown = shown.replace(part, "");
    }
    let is_encoding = |character: char| character.is_ascii_alphanumeric() || "-_+/".contains(character);
    let longest = shown.split(|character| !is_encoding(character)).map(str::len).max();
    // 32 bytes are 43 characters of base64 and 64 of hex.
    assert!(longest < Some(43), "`Debug` shows something as long as a key");
    let numbers = shown.split(|character: char| !(character.is_ascii_digit() || ", ".contains(character)));
    let most = numbers.map(|run| run.split(',').count()).max();
    assert!(
        most < Some(32),
        "`Debug` shows a list of as many numbers as a key has bytes"
    );
}
