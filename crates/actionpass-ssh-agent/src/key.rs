//! Keys of an agent: which can be used, and what their signatures look like.

use actionpass_crypto::{Algorithm, KeyError, PublicKey, Signature, SignatureError};
use ssh_encoding::{Decode, Reader};
use ssh_key::public::{EcdsaPublicKey, KeyData};
use ssh_key::sha2::{Digest, Sha256};
use ssh_key::{EcdsaCurve, Fingerprint, Mpint};

use crate::agent::Listed;
use crate::uri::Name;

/// `SubjectPublicKeyInfo` up to the bytes of the key (RFC 5480 §2, RFC 8410 §4).
const P256_SPKI: &[u8] =
    b"\x30\x59\x30\x13\x06\x07\x2A\x86\x48\xCE\x3D\x02\x01\x06\x08\x2A\x86\x48\xCE\x3D\x03\x01\x07\x03\x42\x00";
const P384_SPKI: &[u8] =
    b"\x30\x76\x30\x10\x06\x07\x2A\x86\x48\xCE\x3D\x02\x01\x06\x05\x2B\x81\x04\x00\x22\x03\x62\x00";
const ED25519_SPKI: &[u8] = b"\x30\x2A\x30\x05\x06\x03\x2B\x65\x70\x03\x21\x00";

/// The keys of this name. A certificate is listed beside its key and with the same comment, so it doesn't count.
pub(crate) fn fitting<'a>(listed: &'a [Listed], name: &Name) -> Vec<&'a Listed> {
    let keys = listed.iter().filter(|key| !is_certificate(&key.blob));
    keys.filter(|key| match name {
        Name::Fingerprint(wanted) => fingerprint(&key.blob) == *wanted,
        Name::Comment(wanted) => key.comment == *wanted,
    })
    .collect()
}

/// SHA-256 of the encoded key, which is what `ssh-add -l` prints.
pub(crate) fn fingerprint(blob: &[u8]) -> Fingerprint {
    Fingerprint::Sha256(Sha256::digest(blob).into())
}

fn is_certificate(mut blob: &[u8]) -> bool {
    String::decode(&mut blob).is_ok_and(|kind| kind.contains("-cert-v"))
}

/// The public key, if it can sign tokens.
pub(crate) fn public_key(mut blob: &[u8]) -> Result<PublicKey, KeyError> {
    let unusable = |problem| Err(KeyError::Unusable { problem });
    let Ok(key) = KeyData::decode(&mut blob) else {
        return Err(KeyError::Unsupported);
    };
    if blob.finish(()).is_err() {
        return Err(KeyError::Malformed {
            problem: "something follows the agent's encoding of it",
        });
    }
    let (prefix, bytes) = match &key {
        KeyData::Ecdsa(key @ EcdsaPublicKey::NistP256(_)) => (P256_SPKI, key.as_sec1_bytes()),
        KeyData::Ecdsa(key @ EcdsaPublicKey::NistP384(_)) => (P384_SPKI, key.as_sec1_bytes()),
        KeyData::Ed25519(key) => (ED25519_SPKI, &key.0[..]),
        KeyData::SkEcdsaSha2NistP256(_) | KeyData::SkEd25519(_) => {
            return unusable(
                "FIDO keys (`sk-`) sign a structure of their own instead of the token; use a PIV or PKCS#11 key of the device",
            );
        }
        KeyData::Rsa(_) => return unusable("it is an RSA key; tokens are signed with ECDSA and Ed25519"),
        _ => return unusable("it is not on P-256, P-384 or edwards25519"),
    };
    PublicKey::from_spki_der(&[prefix, bytes].concat())
}

/// The signature in an agent's answer, which must be of exactly this algorithm: two integers for ECDSA (RFC 5656
/// §3.1.2), the bytes themselves for Ed25519 (RFC 8709 §6).
pub(crate) fn signature(algorithm: Algorithm, mut encoded: &[u8]) -> Result<Signature, SignatureError> {
    let malformed = |_| SignatureError::new("it is not encoded as SSH encodes signatures");
    let signature = ssh_key::Signature::decode(&mut encoded).map_err(malformed)?;
    if encoded.finish(()).is_err() {
        return Err(SignatureError::new("something follows it"));
    }
    let curve = match (algorithm, signature.algorithm()) {
        (Algorithm::Ed25519, ssh_key::Algorithm::Ed25519) => None,
        (_, ssh_key::Algorithm::Ecdsa { curve }) => Some(curve),
        _ => return Err(SignatureError::new("it is of another algorithm than the key")),
    };
    match (algorithm, curve) {
        (Algorithm::Ed25519, None) => Signature::from_bytes(algorithm, signature.as_bytes()),
        (Algorithm::Es256, Some(EcdsaCurve::NistP256)) | (Algorithm::Es384, Some(EcdsaCurve::NistP384)) => {
            let mut bytes = signature.as_bytes();
            let mut integer = || Mpint::decode(&mut bytes).map_err(malformed);
            let (r, s) = (integer()?, integer()?);
            let integers = r.as_positive_bytes().zip(s.as_positive_bytes());
            let (r, s) = integers.ok_or(SignatureError::new("an integer is negative"))?;
            Signature::from_integers(algorithm, r, s)
        }
        _ => Err(SignatureError::new("it is of another algorithm than the key")),
    }
}

#[cfg(test)]
mod tests {
    use ssh_encoding::Encode;

    use super::*;

    fn encoded(kind: &str, contents: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        kind.encode(&mut bytes).unwrap();
        contents.encode(&mut bytes).unwrap();
        bytes
    }

    fn integers(r: &[u8], s: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        r.encode(&mut bytes).unwrap();
        s.encode(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn integers_are_stripped_and_padded() {
        let high = [&[0][..], &[0xFF; 32]].concat();
        let found = signature(
            Algorithm::Es256,
            &encoded("ecdsa-sha2-nistp256", &integers(&high, &[5])),
        );
        let expected = Signature::from_integers(Algorithm::Es256, &[0xFF; 32], &[5]);
        assert_eq!(found, expected);
        let short = [&[0xFF; 32][..], &[0; 31], &[5]].concat();
        assert_eq!(found.unwrap().as_bytes(), short);
        let edwards = signature(Algorithm::Ed25519, &encoded("ssh-ed25519", &[9; 64])).unwrap();
        assert_eq!(edwards.as_bytes(), [9; 64]);
    }

    #[test]
    fn answers_that_are_no_signature_are_refused() {
        let one = integers(&[1], &[1]);
        let good = encoded("ecdsa-sha2-nistp256", &one);
        assert!(signature(Algorithm::Es256, &good).is_ok());
        for bad in [
            &[][..],
            &good[..good.len().saturating_sub(1)],
            &[&good[..], &[0]].concat(),
            &encoded("ecdsa-sha2-nistp384", &one),
            &encoded("ssh-ed25519", &[9; 64]),
            &encoded("rsa-sha2-256", &one),
            &encoded("", &one),
            &encoded("ecdsa-sha2-nistp256", &integers(&[], &[1])),
            &encoded("ecdsa-sha2-nistp256", &integers(&[0], &[1])),
            &encoded("ecdsa-sha2-nistp256", &integers(&[0, 1], &[1])),
            &encoded("ecdsa-sha2-nistp256", &integers(&[1], &[0x80])),
            &encoded("ecdsa-sha2-nistp256", &integers(&[1; 33], &[1])),
            &encoded("ecdsa-sha2-nistp256", &[&one[..], &[0]].concat()),
            &encoded("ecdsa-sha2-nistp256", &[1; 64]),
        ] {
            assert!(signature(Algorithm::Es256, bad).is_err(), "{bad:?}");
        }
        for (length, fits) in [(63, false), (64, true), (65, false)] {
            let found = signature(Algorithm::Ed25519, &encoded("ssh-ed25519", &vec![9; length]));
            assert_eq!(found.is_ok(), fits, "{length}");
        }
    }

    #[test]
    fn keys_that_sign_something_else_say_why() {
        let point = [&[4][..], &[1; 64]].concat();
        let mut fido = Vec::new();
        "sk-ecdsa-sha2-nistp256@openssh.com".encode(&mut fido).unwrap();
        "nistp256".encode(&mut fido).unwrap();
        point.as_slice().encode(&mut fido).unwrap();
        "ssh:".encode(&mut fido).unwrap();
        let mut fido_edwards = Vec::new();
        "sk-ssh-ed25519@openssh.com".encode(&mut fido_edwards).unwrap();
        [1; 32].as_slice().encode(&mut fido_edwards).unwrap();
        "ssh:".encode(&mut fido_edwards).unwrap();
        for blob in [fido, fido_edwards] {
            let error = public_key(&blob).unwrap_err();
            assert_eq!(error.code().as_str(), "key_unsupported");
            assert!(error.to_string().contains("FIDO"), "{error}");
        }
        assert_eq!(
            public_key(&encoded("ssh-xmss@openssh.com", &[1]))
                .unwrap_err()
                .code()
                .as_str(),
            "key_unsupported"
        );
        let off_curve = {
            let mut blob = Vec::new();
            "ecdsa-sha2-nistp256".encode(&mut blob).unwrap();
            "nistp256".encode(&mut blob).unwrap();
            point.as_slice().encode(&mut blob).unwrap();
            blob
        };
        assert_eq!(public_key(&off_curve).unwrap_err().code().as_str(), "key_not_on_curve");
        let longer = [&encoded("ssh-ed25519", &[1; 32])[..], &[0]].concat();
        assert_eq!(public_key(&longer).unwrap_err().code().as_str(), "key_malformed");
    }
}
