//! Keys of every algorithm in every form that they have outside of this process, but for PEM of private keys: what is
//! written is read.

use actionpass_crypto::{Algorithm, KeyCode, PublicKey, Signer, SoftwareKey};
use actionpass_model::Jwk;

#[test]
fn public_keys_survive_every_form() {
    for algorithm in Algorithm::ALL.iter().copied() {
        let key = SoftwareKey::generate_for(algorithm).unwrap().public_key().clone();
        assert_eq!(key.algorithm(), algorithm);
        assert_eq!(PublicKey::from_spki_der(&key.to_spki_der()).unwrap(), key);
        assert_eq!(PublicKey::from_spki_pem(&key.to_spki_pem()).unwrap(), key);
        let jwk = key.to_jwk();
        assert_eq!(jwk.alg.as_deref(), Some(algorithm.as_str()));
        assert_eq!(jwk.y.is_some(), algorithm.is_ecdsa());
        let text = serde_json::to_vec(&jwk).unwrap();
        assert_eq!(PublicKey::from_jwk(&Jwk::from_json(&text).unwrap()).unwrap(), key);
    }
}

/// On the NIST curves any changed byte makes another point, which isn't on the curve, or no SubjectPublicKeyInfo. On
/// edwards25519 half of the changes make another key: then it has another id.
#[test]
fn changed_public_keys_are_other_keys_or_none() {
    for algorithm in Algorithm::ALL.iter().copied() {
        let key = SoftwareKey::generate_for(algorithm).unwrap().public_key().clone();
        let der = key.to_spki_der();
        for at in 0..der.len() {
            let mut changed = der.clone();
            *changed.get_mut(at).unwrap() ^= 1;
            if let Ok(other) = PublicKey::from_spki_der(&changed) {
                assert!(
                    !algorithm.is_ecdsa() && other.kid() != key.kid(),
                    "{algorithm}, byte {at}"
                );
            }
        }
        for cut in [&der[1..], &der[..der.len() - 1], &[&der[..], &[0]].concat()] {
            assert!(PublicKey::from_spki_der(cut).is_err(), "{algorithm}");
        }
    }
}

/// A private key that is cut short, and one whose two halves are not of one key.
#[test]
fn broken_private_keys_are_refused() {
    for algorithm in Algorithm::ALL.iter().copied() {
        let [one, other] = [(); 2].map(|()| SoftwareKey::generate_for(algorithm).unwrap().to_pkcs8().unwrap());
        let der = one.as_der();
        for cut in [&der[..der.len() - 1], &der[1..], &der[..8], &[]] {
            let read = SoftwareKey::from_pkcs8_der(cut).map(|key| key.public_key().clone());
            assert_eq!(read.unwrap_err().code(), KeyCode::Malformed, "{algorithm}");
        }
        if algorithm.is_ecdsa() {
            // The public half stands at the end.
            let half = der.len() - algorithm.signature_bytes();
            let mixed = [&der[..half], &other.as_der()[half..]].concat();
            let read = SoftwareKey::from_pkcs8_der(&mixed).map(|key| key.public_key().clone());
            assert!(read.is_err(), "{algorithm}");
        }
    }
}
