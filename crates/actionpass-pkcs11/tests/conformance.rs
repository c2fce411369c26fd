//! The conformance suite on keys in SoftHSM: every algorithm.
#![expect(clippy::unwrap_used, reason = "a test that can not go on fails")]

use std::sync::{Arc, OnceLock};

use actionpass_crypto::{Algorithm, Signer, signer_conformance};
use actionpass_custody::{Custodian, KeyUri, Secret, SecretKind, Secrets};
use actionpass_pkcs11::Pkcs11;
use actionpass_servers::softhsm::{PIN, SoftHsm};

struct Knows;

impl Secrets for Knows {
    fn ask(&self, kind: SecretKind, _: &KeyUri) -> Option<Secret> {
        assert_eq!(kind, SecretKind::Pin);
        Some(Secret::new(PIN.into()))
    }
}

/// One key for each algorithm, made by ActionPass; each test opens it anew.
fn signer(algorithm: Algorithm) -> Arc<dyn Signer> {
    static KEYS: OnceLock<(SoftHsm, Vec<(Algorithm, KeyUri)>)> = OnceLock::new();
    let (hsm, keys) = KEYS.get_or_init(|| {
        let hsm = SoftHsm::start(&["prod"]);
        let custodian = Pkcs11::new().with_module(hsm.module());
        let make = |algorithm: &Algorithm| {
            let uri = KeyUri::parse(&format!("pkcs11:token=prod;object={algorithm}")).unwrap();
            (*algorithm, custodian.generate(&uri, *algorithm, &Knows).unwrap().uri)
        };
        let keys = Algorithm::ALL.iter().map(make).collect();
        (hsm, keys)
    });
    let (_, uri) = keys.iter().find(|(made, _)| *made == algorithm).unwrap();
    let key = Pkcs11::new().with_module(hsm.module()).open(uri, &Knows).unwrap();
    assert_eq!(&key.uri, uri);
    assert_eq!(key.signer.public_key().algorithm(), algorithm);
    key.signer
}

signer_conformance!(es256, || signer(Algorithm::Es256));
signer_conformance!(es384, || signer(Algorithm::Es384));
signer_conformance!(ed25519, || signer(Algorithm::Ed25519));
