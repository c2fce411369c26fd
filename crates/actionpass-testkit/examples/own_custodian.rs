//! A custodian of your own: a key inside a device whose calls block and that answers in DER.
//!
//! `docs/howto/your-own-custodian.md` walks through it. `cargo run --example own_custodian` issues a pass with it;
//! `cargo test --example own_custodian` runs the conformance suite on it.
use std::error::Error;
use std::sync::Arc;

use actionpass_crypto::{Algorithm, PublicKey, SignError, Signature, Signer, SigningInput};
#[cfg(test)]
use actionpass_custody::conformance::Subject;
use actionpass_custody::{BlockingKey, Custodian, CustodianError, KeyUri, NoSecrets, OpenKey, Secrets, Timeouts};
use actionpass_testkit::fixtures::FixtureKey;
use actionpass_testkit::{Testbed, fixtures};

/// What stands in for the device here: a key whose private half everybody has.
#[derive(Clone, Copy)]
struct Device(FixtureKey);

impl Device {
    fn connect(name: &str) -> Option<Self> {
        (name == "slot-1").then_some(Self(FixtureKey::ISSUER))
    }

    fn public_key(self) -> PublicKey {
        self.0.public_key()
    }

    /// A message in, a signature in DER out.
    fn sign(self, message: &[u8]) -> Result<Vec<u8>, std::io::Error> {
        Ok(self.0.sign_der(message))
    }
}

// custodian: start
/// The name of the custodian, and the scheme of its keys' URIs.
const DEVICE: &str = "device";

/// A connection to the device. A thread of the signer owns it, so its calls may block.
struct Connection(Device);

impl BlockingKey for Connection {
    fn sign(&mut self, input: &SigningInput) -> Result<Signature, SignError> {
        let der = self.0.sign(input.as_bytes());
        let der = der.map_err(|error| SignError::unavailable(DEVICE, error))?;
        Signature::from_der(input.algorithm(), &der).map_err(|source| SignError::SignatureMalformed {
            custodian: DEVICE.into(),
            source,
        })
    }
}

/// Where such keys are: `device:NAME`.
#[derive(Debug)]
pub struct Devices;

impl Custodian for Devices {
    fn schemes(&self) -> &'static [&'static str] {
        &[DEVICE]
    }
    fn open(&self, uri: &KeyUri, _: &dyn Secrets) -> Result<OpenKey, CustodianError> {
        if uri.rest().contains('?') {
            return Err(CustodianError::malformed(
                uri,
                "it has attributes, and these devices know none",
            ));
        }
        let missing = || CustodianError::KeyMissing { uri: uri.clone() };
        let device = Device::connect(uri.rest()).ok_or_else(missing)?;
        let connections = vec![Connection(device)]; // As many as the device serves at once.
        OpenKey::with_connections(uri.clone(), device.public_key(), DEVICE, Timeouts::new(), connections)
    }
    fn generate(&self, _: &KeyUri, _: Algorithm, _: &dyn Secrets) -> Result<OpenKey, CustodianError> {
        Err(makes_none())
    }
    fn beside(&self, _: &KeyUri) -> Result<KeyUri, CustodianError> {
        Err(makes_none())
    }
}

fn makes_none() -> CustodianError {
    CustodianError::not_generable(DEVICE, "its own console makes keys")
}
// custodian: end

#[expect(clippy::expect_used, reason = "the device of this example is always there")]
fn open() -> Arc<dyn Signer> {
    let uri = KeyUri::parse("device:slot-1").expect("it is a URI");
    Devices.open(&uri, &NoSecrets).expect("the device is there").signer
}

fn main() -> Result<(), Box<dyn Error>> {
    let bed = Testbed::new().with_signer(open());
    let action = fixtures::demo_action();
    let pass = bed.authorize(&action)?.pass.ok_or("an allow has a pass")?;
    bed.verify(&pass.token, &action)?;
    println!("{}", pass.token);
    Ok(())
}

#[cfg(test)]
// conformance: start
fn subject() -> Subject {
    Subject::new(Devices, "device:slot-2") // There is no such key.
        .holding(|_| KeyUri::new(DEVICE, "slot-1"))
        .refusing(["device:slot-1?pin=1234"])
}

actionpass_custody::custodian_conformance!(device, subject, es256: Es256);
// conformance: end
