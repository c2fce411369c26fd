//! Keys and signatures: no input panics, and a DER signature that is read is one of 64 bytes.
#![no_main]

use actionpass_crypto::{Algorithm, PublicKey, Signature, SoftwareKey};
use actionpass_model::Jwk;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &[u8]| {
    if let Ok(signature) = Signature::from_der(Algorithm::Es256, raw) {
        assert_eq!(signature.as_bytes().len(), 64);
    }
    let _ = PublicKey::from_spki_der(raw);
    if let Ok(text) = std::str::from_utf8(raw) {
        let _ = PublicKey::from_spki_pem(text);
        let _ = PublicKey::from_openssh(text);
    }
    let _ = SoftwareKey::from_pkcs8_der(raw);
    if let Ok(jwk) = Jwk::from_json(raw)
        && let Ok(key) = PublicKey::from_jwk(&jwk)
    {
        assert_eq!(PublicKey::from_jwk(&key.to_jwk()).expect("its own JWK is one").kid(), key.kid());
    }
});
