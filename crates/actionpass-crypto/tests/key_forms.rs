//! Keys of every algorithm in every form that they have outside of this process: what is written is read, by every
//! backend, and what openssl wrote is too.
#![expect(clippy::unwrap_used, reason = "a test that can not go on fails")]

use actionpass_crypto::{Algorithm, KeyCode, Pkcs8, PublicKey, Secret, Signer, SigningInput, SoftwareKey};
use actionpass_model::Jwk;

/// `openssl genpkey -algorithm ed25519`, and `-algorithm EC -pkeyopt ec_paramgen_curve:P-384` and `P-521`. Made for
/// this test.
const ED25519: &str = include_str!("keys/ed25519.pem");
const P384: &str = include_str!("keys/p384.pem");
const P521: &str = include_str!("keys/p521.pem");

/// What `openssl pkey -pubout` says of them.
const ED25519_PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA//lOJxOFa5QPC9W6mx8R47VgKtUFqpwx6qDff1y8gLA=
-----END PUBLIC KEY-----
";
const P384_PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEXa2vVm9YvTAvbTkHnC6LIGuc87WDkwX7
k3K+Lg56FusvOSE839Lk7affdb09tKjLACmsVmmhSmQiG8TQy0ZA7jCtbrwxrkXy
4xKx5xoBokNJMsrMnR5pf21z2K4//+bn
-----END PUBLIC KEY-----
";

/// The public halves that every backend finds in a private key, which must be one and sign for it; or why there is none.
fn public_of(pem: &str, passphrase: Option<&str>) -> Result<PublicKey, KeyCode> {
    let passphrase = passphrase.map(|text| Secret::new(text.as_bytes().to_vec()));
    let der = Pkcs8::from_pem(pem, passphrase.as_ref()).map_err(|error| error.code())?;
    let mut found = Vec::new();
    #[cfg(feature = "aws-lc")]
    found.push(read(actionpass_crypto::aws_lc::SoftwareKey::from_pkcs8_der(
        der.as_der(),
    )));
    #[cfg(feature = "rustcrypto")]
    found.push(read(actionpass_crypto::rustcrypto::SoftwareKey::from_pkcs8_der(
        der.as_der(),
    )));
    found.dedup();
    assert_eq!(found.len(), 1, "the backends disagree: {found:?}");
    found.remove(0)
}

fn read<S: Signer>(key: Result<S, actionpass_crypto::KeyError>) -> Result<PublicKey, KeyCode> {
    let key = key.map_err(|error| error.code())?;
    let public = key.public_key().clone();
    let input = SigningInput::probe(&[3; 32], &public);
    let signature = actionpass_crypto::conformance::block_on(key.sign(&input)).unwrap();
    public.verify(&input, &signature).unwrap();
    Ok(public)
}

#[test]
fn keys_of_openssl_are_read() {
    for (private, public, algorithm) in [
        (ED25519, ED25519_PUBLIC, Algorithm::Ed25519),
        (P384, P384_PUBLIC, Algorithm::Es384),
    ] {
        let key = public_of(private, None).unwrap();
        assert_eq!(key.algorithm(), algorithm);
        assert_eq!(key, PublicKey::from_spki_pem(public).unwrap());
        assert_eq!(key.to_spki_pem(), public);
    }
    assert_eq!(public_of(P521, None), Err(KeyCode::Malformed));
}

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

#[test]
fn private_keys_survive_pem() {
    for algorithm in Algorithm::ALL.iter().copied() {
        let key = SoftwareKey::generate_for(algorithm).unwrap();
        let private = key.to_pkcs8().unwrap();
        let plain = private.to_pem().unwrap();
        assert_eq!(public_of(plain.as_str(), None).unwrap(), *key.public_key());

        let open = Secret::new(b"open".to_vec());
        let encrypted = private.to_encrypted_pem(&open, &[7; 32]).unwrap();
        assert_eq!(public_of(encrypted.as_str(), Some("open")).unwrap(), *key.public_key());
        assert_eq!(public_of(encrypted.as_str(), None), Err(KeyCode::PassphraseRequired));
        assert_eq!(
            public_of(encrypted.as_str(), Some("shut")),
            Err(KeyCode::PassphraseWrong)
        );
        for private in [plain.as_str(), encrypted.as_str()] {
            assert_eq!(
                PublicKey::from_spki_pem(private).unwrap_err().code(),
                KeyCode::Malformed
            );
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
