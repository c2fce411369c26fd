//! Private keys of every algorithm as PEM: what is written is read, and what openssl wrote is too.
#![expect(clippy::unwrap_used, reason = "a test that can not go on fails")]

use actionpass_crypto::{Algorithm, KeyCode, PublicKey, Signer, SigningInput, SoftwareKey};
use actionpass_custody::{PrivatePem, Secret};
use base64ct::{Base64, Encoding};
use proptest::prelude::*;

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

/// `ssh-keygen -t ed25519`, `-t ecdsa -b 256` and `-b 384`, their public halves, and the same encrypted with
/// `-p -N open`, also with `-Z aes128-cbc`, `aes256-gcm@openssh.com` and `chacha20-poly1305@openssh.com`. Made for this
/// test.
const OPENSSH: [(&str, &str, &[&str]); 3] = [
    (
        include_str!("keys/openssh-ed25519.pub"),
        include_str!("keys/openssh-ed25519.pem"),
        &[
            include_str!("keys/openssh-ed25519-encrypted.pem"),
            include_str!("keys/openssh-ed25519-chacha.pem"),
            include_str!("keys/openssh-ed25519-gcm.pem"),
        ],
    ),
    (
        include_str!("keys/openssh-p256.pub"),
        include_str!("keys/openssh-p256.pem"),
        &[
            include_str!("keys/openssh-p256-encrypted.pem"),
            include_str!("keys/openssh-p256-cbc.pem"),
        ],
    ),
    (
        include_str!("keys/openssh-p384.pub"),
        include_str!("keys/openssh-p384.pem"),
        &[include_str!("keys/openssh-p384-encrypted.pem")],
    ),
];
/// Of curves and types that sign nothing here.
const OPENSSH_P521: &str = include_str!("keys/openssh-p521.pem");
const OPENSSH_RSA: &str = include_str!("keys/openssh-rsa.pem");

#[test]
fn keys_of_openssh_are_read() {
    for (public, plain, encrypted) in OPENSSH {
        let public = PublicKey::from_openssh(public).unwrap();
        assert_eq!(public_of(plain, None).as_ref(), Ok(&public));
        assert_eq!(
            public_of(&plain.replace('\n', " \r\n"), Some("needless")).as_ref(),
            Ok(&public)
        );
        for pem in encrypted {
            assert_eq!(public_of(pem, Some("open")).as_ref(), Ok(&public), "{pem}");
            assert_eq!(public_of(pem, None), Err(KeyCode::PassphraseRequired));
            assert_eq!(public_of(pem, Some("shut")), Err(KeyCode::PassphraseWrong));
            assert_eq!(public_of(pem, Some("")), Err(KeyCode::PassphraseWrong));
        }
    }
    for pem in [OPENSSH_P521, OPENSSH_RSA] {
        assert_eq!(public_of(pem, None), Err(KeyCode::Unsupported));
    }
}

/// The number of bcrypt's rounds is the four bytes behind its salt of sixteen.
#[test]
fn g16_rounds_of_bcrypt_are_bounded() {
    let (_, _, encrypted) = OPENSSH[0];
    let rounds = |rounds: u32| {
        let body: String = encrypted[0].lines().filter(|line| !line.starts_with('-')).collect();
        let mut bytes = Base64::decode_vec(&body).unwrap();
        let at = bytes.windows(10).position(|part| part == b"\0\0\0\x06bcrypt").unwrap() + 10 + 4 + 4 + 16;
        assert!((1..100).contains(&bytes[at + 3]), "there are the rounds");
        bytes[at..at + 4].copy_from_slice(&rounds.to_be_bytes());
        let text = Base64::encode_string(&bytes);
        format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{text}\n-----END OPENSSH PRIVATE KEY-----\n")
    };
    for excess in [0, 513, u32::MAX] {
        assert_eq!(public_of(&rounds(excess), Some("open")), Err(KeyCode::WorkFactor));
        assert_eq!(public_of(&rounds(excess), None), Err(KeyCode::WorkFactor));
    }
    assert_eq!(public_of(&rounds(1), Some("open")), Err(KeyCode::PassphraseWrong));
}

/// What openssl and ssh-keygen wrote, plain and encrypted.
const FILES: [&str; 8] = [
    include_str!("keys/plain.pem"),
    include_str!("keys/pbkdf2.pem"),
    include_str!("keys/scrypt.pem"),
    include_str!("keys/sha1.pem"),
    include_str!("keys/ed25519.pem"),
    include_str!("keys/openssh-ed25519.pem"),
    include_str!("keys/openssh-p256-cbc.pem"),
    include_str!("keys/openssh-ed25519-gcm.pem"),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Of the text, or of the bytes in it.
    #[test]
    fn g16_no_changed_byte_of_a_key_file_panics(file in 0..FILES.len(), at in any::<prop::sample::Index>(), byte: u8, is_text: bool) {
        let pem = FILES[file];
        let changed = if is_text {
            let mut bytes = pem.as_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            String::from_utf8_lossy(&bytes).into_owned()
        } else {
            let label = pem.lines().next().unwrap();
            let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
            let mut bytes = Base64::decode_vec(&body).unwrap();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let text = Base64::encode_string(&bytes);
            format!("{label}\n{text}\n{}\n", label.replace("BEGIN", "END"))
        };
        for passphrase in [None, Some("open")] {
            // Whether there is a key or a code, every backend says the same.
            let found = public_of(&changed, passphrase);
            if changed == pem {
                prop_assert!(found.is_ok() || found == Err(KeyCode::PassphraseRequired));
            }
        }
    }
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
