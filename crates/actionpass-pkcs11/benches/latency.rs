//! What a signature through [`Signer::sign`] costs over the module's own C_SignInit and C_Sign, on SoftHSM.
//!
//! Prints `what ours bare ratio`, in microseconds: medians of rounds that take turns.
#![expect(clippy::unwrap_used, reason = "a measurement that can not go on fails")]

use std::process::Command;

use actionpass_crypto::conformance::block_on;
use actionpass_crypto::{Algorithm, Signer, SigningInput};
use actionpass_custody::{Custodian, KeyUri, NoSecrets};
use actionpass_pkcs11::Pkcs11;
use actionpass_servers::latency::{Rounds, print_row};
use actionpass_servers::softhsm::{PIN, SoftHsm};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, ObjectClass};
use cryptoki::session::UserType;
use cryptoki::types::RawAuthPin;

const ROUNDS: Rounds = Rounds { rounds: 101, calls: 50 };

fn main() {
    // SoftHSM's own module, and nothing before it, so the variable must be there when the process starts.
    if std::env::var_os("ACTIONPASS_PKCS11_PIN").is_none() {
        let hsm = SoftHsm::start(&["bench"]);
        let status = Command::new(std::env::current_exe().unwrap())
            .env("SOFTHSM2_CONF", hsm.settings())
            .env("ACTIONPASS_PKCS11_MODULE", SoftHsm::own_module())
            .env("ACTIONPASS_PKCS11_PIN", PIN)
            .status();
        assert!(status.unwrap().success());
        return;
    }
    for algorithm in Algorithm::ALL {
        measure(*algorithm);
    }
}

fn measure(algorithm: Algorithm) {
    let uri = KeyUri::parse(&format!("pkcs11:token=bench;object={algorithm}")).unwrap();
    let signer = Pkcs11::new().generate(&uri, algorithm, &NoSecrets).unwrap().signer;
    let input = SigningInput::probe(&[1; 32], signer.public_key());
    let hash = input.prehash();

    let context = cryptoki::context::Pkcs11::new(SoftHsm::own_module()).unwrap();
    let slot = *context.get_slots_with_initialized_token().unwrap().first().unwrap();
    let session = context.open_ro_session(slot).unwrap();
    // Logins are the process's, and the signer's came first.
    let _ = session.login_with_raw(UserType::User, &RawAuthPin::new(Box::new(PIN.into())));
    let template = [
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::Label(algorithm.as_str().into()),
    ];
    let key = *session.find_objects(&template).unwrap().first().unwrap();
    let (mechanism, bytes) = match &hash {
        Some(hash) => (Mechanism::Ecdsa, &**hash),
        None => {
            let pure = EddsaParams::new(EddsaSignatureScheme::Ed25519);
            (Mechanism::Eddsa(pure), input.as_bytes())
        }
    };

    let ours = || drop(block_on(signer.sign(&input)).unwrap());
    let bare = || drop(session.sign(&mechanism, key, bytes).unwrap());
    print_row(&format!("pkcs11 {algorithm}"), ROUNDS, ours, bare);
}
