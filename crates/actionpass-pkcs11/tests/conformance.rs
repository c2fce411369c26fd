//! The conformance suites on SoftHSM: the custodian, and its keys of every algorithm.

use std::sync::OnceLock;

use actionpass_custody::conformance::Subject;
use actionpass_custody::{KeyUri, custodian_conformance};
use actionpass_pkcs11::Pkcs11;
use actionpass_servers::softhsm::{PIN, SoftHsm};

fn subject() -> Subject {
    static HSM: OnceLock<SoftHsm> = OnceLock::new();
    let hsm = HSM.get_or_init(|| SoftHsm::start(&["prod"]));
    let with_pin = |rest: &str| format!("pkcs11:token=prod;object=none{rest}{PIN}");
    let pins = [with_pin("?pin-value="), with_pin(";pin="), with_pin("?pin-source=")];
    Subject::new(Pkcs11::new().with_module(hsm.module()), "pkcs11:token=prod;object=none")
        .making(|name| KeyUri::new("pkcs11", &format!("token=prod;object={name}")))
        .refusing(["pkcs11:token=prod;object=none;colour=red"])
        .refusing(pins.iter().map(String::as_str))
        .knowing(PIN)
}

custodian_conformance!(softhsm, subject, es256: Es256, es384: Es384, ed25519: Ed25519);
