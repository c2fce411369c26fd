//! Every algorithm in the place of every other: a key has one, and whatever says otherwise is refused.

use super::*;
use crate::fixtures::{Note, note, now, sign, trust_key};
use crate::{PublicKey, Signature, Signer, SigningInput, SoftwareKey};

/// Names that are near, and none of ours.
const STRANGERS: &[&str] = &[
    "EdDSA", "ed25519", "ED25519", "Ed448", "es256", "es384", "ES512", "ES256K", "ES384 ", "HS256", "none", "",
];

fn keys() -> Vec<SoftwareKey> {
    let all = Algorithm::ALL.iter();
    all.map(|algorithm| SoftwareKey::generate_for(*algorithm).unwrap())
        .collect()
}

fn keyring(keys: &[SoftwareKey]) -> Keyring {
    Keyring::from_keys(keys.iter().map(|key| trust_key(key.public_key()))).unwrap()
}

/// A header of this `alg` and of this key's `kid`, and a signature that this key really made.
fn token(alg: &str, named: &PublicKey, signer: &SoftwareKey) -> String {
    let header = format!(r#"{{"alg":"{alg}","kid":"{}","typ":"{}"}}"#, named.kid(), Note::TYP);
    let input = format!(
        "{}.{}",
        base64url::encode(header.as_bytes()),
        base64url::encode(&note().0)
    );
    let signature = signer.sign_raw_for_tests(input.as_bytes());
    format!("{input}.{}", base64url::encode(signature.as_bytes()))
}

fn code(token: &str, keyring: &Keyring) -> String {
    let verified = Unverified::<Note>::parse(token).and_then(|token| token.verify(keyring));
    verified.map_or_else(|error| error.code().to_string(), |_| "ok".to_owned())
}

#[test]
fn each_algorithm_signs_and_verifies() {
    let keys = keys();
    let keyring = keyring(&keys);
    for key in &keys {
        let algorithm = key.public_key().algorithm();
        let token = sign(key, &note());
        let unverified = Unverified::<Note>::parse(token.as_str()).unwrap();
        assert_eq!(unverified.algorithm(), Some(algorithm));
        let verified = unverified.verify(&keyring).unwrap();
        assert_eq!(verified.token_hash(), token.token_hash());
        assert_eq!(verified.key().algorithm(), algorithm);
        let header = dangerous::inspect(token.as_str()).unwrap().header;
        let expected = format!(
            r#"{{"alg":"{algorithm}","kid":"{}","typ":"{}"}}"#,
            key.public_key().kid(),
            Note::TYP
        );
        assert_eq!(header, expected.as_bytes());
        let signature = token.as_str().rsplit('.').next().unwrap();
        let bytes = base64url::decode(signature).unwrap();
        assert_eq!(bytes.len(), algorithm.signature_bytes());
        // Any bit of it.
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let changed = token.as_str().replace(signature, &base64url::encode(&changed));
            assert_eq!(code(&changed, &keyring), "signature_invalid", "{algorithm}, byte {at}");
        }
        for other in [&bytes[1..], &[&bytes[..], &[0]].concat(), &[]] {
            let changed = token.as_str().replace(signature, &base64url::encode(other));
            assert_eq!(code(&changed, &keyring), "signature_invalid", "{algorithm}");
        }
    }
}

/// The header names one algorithm, its key has another: not even a right signature helps.
#[test]
fn a_header_of_another_algorithm_than_the_keys() {
    let keys = keys();
    let keyring = keyring(&keys);
    for key in &keys {
        let public = key.public_key();
        let others = Algorithm::ALL.iter().map(|algorithm| algorithm.as_str());
        for alg in others.chain(STRANGERS.iter().copied()) {
            let expected = match alg == public.algorithm().as_str() {
                true => "ok",
                false => "algorithm_mismatch",
            };
            assert_eq!(code(&token(alg, public, key), &keyring), expected, "{alg} {public:?}");
        }
    }
}

/// The header names a key and its algorithm, another key has signed: of the same algorithm or of another.
#[test]
fn a_signature_of_another_algorithm_than_the_headers() {
    let (keys, strangers) = (keys(), self::keys());
    let keyring = keyring(&keys);
    for named in &keys {
        for signer in keys.iter().chain(&strangers) {
            let public = named.public_key();
            let expected = match signer.public_key() == public {
                true => "ok",
                false => "signature_invalid",
            };
            let token = token(public.algorithm().as_str(), public, signer);
            assert_eq!(code(&token, &keyring), expected, "{public:?} {signer:?}");
        }
    }
}

#[test]
fn an_input_or_signature_of_another_algorithm() {
    let keys = keys();
    for key in &keys {
        let public = key.public_key();
        for other in &keys {
            let input = SigningInput::probe(&[1; 32], other.public_key());
            let signature = now(other.sign(&input)).unwrap();
            assert_eq!(public.verify(&input, &signature).is_ok(), public == other.public_key());
            // The right bytes under the wrong name.
            let renamed = Signature::from_bytes(public.algorithm(), signature.as_bytes());
            let is_same = public == other.public_key();
            assert_eq!(
                renamed.is_ok_and(|signature| public.verify(&input, &signature).is_ok()),
                is_same
            );
        }
    }
}

#[test]
fn a_jwk_that_says_otherwise() {
    for key in keys() {
        let (public, own) = (key.public_key(), key.public_key().algorithm());
        let read = |alg: Option<&str>| {
            let mut jwk = public.to_jwk();
            jwk.alg = alg.map(str::to_owned);
            PublicKey::from_jwk(&jwk).map_or_else(|error| error.code().as_str(), |_| "ok")
        };
        // Where `alg` is all that names the algorithm, another one is another key, and none is none.
        let (unnamed, renamed) = match own.key_type().crv() {
            Some(_) => ("ok", "key_contradiction"),
            None => ("key_unsupported", "key_unsupported"),
        };
        assert_eq!((read(None), read(Some(own.as_str()))), (unnamed, "ok"));
        let others = Algorithm::ALL.iter().filter(|other| **other != own);
        for alg in others.map(|other| other.as_str()).chain(STRANGERS.iter().copied()) {
            assert_eq!(read(Some(alg)), renamed, "{own} {alg}");
        }
    }
}

#[test]
fn a_jwk_of_another_curve_or_type() {
    const CURVES: &[(&str, &str)] = &[
        ("EC", "P-256"),
        ("EC", "P-384"),
        ("EC", "P-521"),
        ("EC", "secp256k1"),
        ("EC", "Ed25519"),
        ("OKP", "Ed25519"),
        ("OKP", "X25519"),
        ("OKP", "Ed448"),
        ("OKP", "P-256"),
        ("RSA", "P-256"),
        ("oct", "Ed25519"),
        ("okp", "Ed25519"),
    ];
    for key in keys() {
        let public = key.public_key();
        for (kty, crv) in CURVES.iter().copied() {
            let mut jwk = public.to_jwk();
            (jwk.kty, jwk.crv, jwk.alg, jwk.kid) = (kty.to_owned(), Some(crv.to_owned()), None, None);
            let read = PublicKey::from_jwk(&jwk).map_or_else(|error| error.code().as_str(), |_| "ok");
            let known = Algorithm::ALL
                .iter()
                .find(|known| (known.key_type().kty(), known.key_type().crv()) == (kty, Some(crv)));
            let expected = match known {
                None => "key_unsupported",
                Some(known) if *known == public.algorithm() => "ok",
                // Other coordinates, or another number of them.
                Some(_) => "key_malformed",
            };
            assert_eq!(read, expected, "{public:?} {kty} {crv}");
        }
        // One coordinate too many or too few.
        let mut jwk = public.to_jwk();
        jwk.y = match jwk.y {
            Some(_) => None,
            None => Some("AA".to_owned()),
        };
        assert_eq!(PublicKey::from_jwk(&jwk).unwrap_err().code().as_str(), "key_malformed");
    }
}

#[test]
fn a_trust_entry_that_says_otherwise() {
    for key in keys() {
        let own = key.public_key().algorithm();
        let read = |alg: &str| {
            let mut entry = trust_key(key.public_key());
            entry.alg = alg.to_owned();
            Keyring::from_keys([entry]).map_or_else(|error| error.code().to_string(), |_| "ok".to_owned())
        };
        assert_eq!(read(own.as_str()), "ok");
        let others = Algorithm::ALL.iter().filter(|other| **other != own);
        for alg in others.map(|other| other.as_str()).chain(STRANGERS.iter().copied()) {
            assert_eq!(read(alg), "key_algorithm_contradiction", "{own} {alg}");
        }
    }
}

/// The prefix of one algorithm before the key of another.
#[test]
fn a_public_key_under_another_name() {
    for key in keys() {
        let public = key.public_key();
        let own = public.algorithm();
        let der = public.to_spki_der();
        let bytes = der.strip_prefix(own.spki_prefix()).unwrap();
        for other in Algorithm::ALL.iter().copied() {
            let named = [other.spki_prefix(), bytes].concat();
            let read = PublicKey::from_spki_der(&named).map_or_else(|error| error.code().as_str(), |_| "ok");
            assert_eq!(
                read,
                if other == own { "ok" } else { "key_malformed" },
                "{own} as {other}"
            );
        }
    }
}
