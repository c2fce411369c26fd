//! Private keys of every algorithm as PEM: what is written is read, and what openssl wrote is too.
#![expect(clippy::unwrap_used, reason = "a test that can not go on fails")]

use actionpass_crypto::{Algorithm, KeyCode, PublicKey, Signer, SigningInput, SoftwareKey};
use actionpass_custody::{PrivatePem, Secret};

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
    let der = PrivatePem::decode(pem, passphrase.as_ref()).map_err(|error| error.code())?;
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
fn private_keys_survive_pem() {
    for algorithm in Algorithm::ALL.iter().copied() {
        let key = SoftwareKey::generate_for(algorithm).unwrap();
        let private = key.to_pkcs8().unwrap();
        let plain = PrivatePem::encode(&private).unwrap();
        assert_eq!(public_of(plain.as_str(), None).unwrap(), *key.public_key());

        let open = Secret::new(b"open".to_vec());
        let encrypted = PrivatePem::encrypt(&private, &open, &[7; 32]).unwrap();
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
