//! A custodian of your own: a key inside a device that answers in DER, one request at a time, from a thread of its own.
//!
//! `docs/howto/your-own-custodian.md` walks through it. `cargo run --example own_custodian` issues a pass with it;
//! `cargo test --example own_custodian` runs the conformance suite on it.
use std::error::Error;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::task::{Poll, Waker};
use std::thread;

use actionpass_crypto::{PublicKey, Residence, SignError, SignFuture, Signature, Signer, SigningInput};
use actionpass_testkit::fixtures::FixtureKey;
use actionpass_testkit::{Testbed, fixtures};

// custodian: start
/// A key in a device whose calls block, so a thread of its own makes them.
#[derive(Debug)]
pub struct Device {
    public: PublicKey,
    jobs: mpsc::Sender<Job>,
}

type Job = (Vec<u8>, Arc<Mutex<Answer>>);

#[derive(Debug, Default)]
struct Answer {
    der: Option<Vec<u8>>,
    waker: Option<Waker>,
}

impl Device {
    /// `sign` is the call into the device: a message in, a DER signature out.
    pub fn open(public: PublicKey, sign: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> Self {
        let (jobs, queue) = mpsc::channel::<Job>();
        thread::spawn(move || {
            for (message, answer) in queue {
                let der = sign(&message);
                let mut answer = answer.lock().unwrap_or_else(PoisonError::into_inner);
                answer.der = Some(der);
                if let Some(waker) = answer.waker.take() {
                    waker.wake();
                }
            }
        });
        Self { public, jobs }
    }

    async fn ask(&self, input: &SigningInput) -> Result<Signature, SignError> {
        if input.kid() != self.public.kid() {
            return Err(SignError::WrongKey); // Before the device is asked.
        }
        let answer = Arc::new(Mutex::new(Answer::default()));
        let job = (input.as_bytes().to_vec(), Arc::clone(&answer));
        let gone = |_| SignError::unavailable(self.custodian(), "its thread has ended");
        self.jobs.send(job).map_err(gone)?;
        let der = poll_fn(|context| {
            let mut answer = answer.lock().unwrap_or_else(PoisonError::into_inner);
            answer.waker = Some(context.waker().clone());
            answer.der.take().map_or(Poll::Pending, Poll::Ready)
        });
        let malformed = |source| SignError::SignatureMalformed {
            custodian: self.custodian().into(),
            source,
        };
        Signature::from_der(input.algorithm(), &der.await).map_err(malformed)
    }
}

impl Signer for Device {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }
    fn custodian(&self) -> &str {
        "device"
    }
    fn residence(&self) -> Residence {
        Residence::Outside // So every signature is verified before it is used.
    }
    fn sign<'a>(&'a self, input: &'a SigningInput) -> SignFuture<'a> {
        Box::pin(self.ask(input))
    }
}
// custodian: end

/// What stands in for the device here: a key whose private half everybody has.
fn open() -> Device {
    let key = FixtureKey::ISSUER;
    Device::open(key.public_key(), move |message| key.sign_der(message))
}

fn main() -> Result<(), Box<dyn Error>> {
    let bed = Testbed::new().with_signer(open());
    let action = fixtures::demo_action();
    let pass = bed.authorize(&action)?.pass.ok_or("an allow has a pass")?;
    bed.verify(&pass.token, &action)?;
    println!("{}", pass.token);
    Ok(())
}

// conformance: start
actionpass_crypto::signer_conformance!(device, open);
// conformance: end
