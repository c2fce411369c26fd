//! Keys on a token: finding one, reading its public half, signing with it, making one.

use actionpass_crypto::{Algorithm, KeyError, PublicKey, SigningInput};
use actionpass_custody::KeyUri;
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;

use crate::fault::Fault;
use crate::uri::KeyFilter;

/// A private key on a token, and its public half.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) private: ObjectHandle,
    pub(crate) public: PublicKey,
    /// What names it from now on.
    pub(crate) name: KeyFilter,
}

/// CKA_EC_PARAMS: the OIDs of P-256 and P-384 in DER, and edwards25519 by name, as PKCS#11 3.0 has it, or by OID.
const P256: &[u8] = &[0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22];
const ED25519_NAME: &[u8] = b"\x13\x0Cedwards25519";
const ED25519_OID: &[u8] = &[0x06, 0x03, 0x2B, 0x65, 0x70];
/// id-ecPublicKey (RFC 5480 §2.1.1).
const EC_PUBLIC_KEY: &[u8] = &[0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01];

/// The handle of the one private key that fits.
pub(crate) fn find(session: &Session, name: &KeyFilter) -> Result<ObjectHandle, Fault> {
    match session
        .find_objects(&template(ObjectClass::PRIVATE_KEY, name))?
        .as_slice()
    {
        [one] => Ok(*one),
        [] => Err(Fault::KeyGone),
        _ => Err(Fault::KeysAmbiguous),
    }
}

/// The one private key that fits, with its public half. `uri_of` names the public key, should that be missing.
pub(crate) fn read(
    session: &Session,
    wanted: &KeyFilter,
    public_uri: impl Fn(&KeyFilter) -> KeyUri,
) -> Result<Key, Fault> {
    let private = find(session, wanted)?;
    let mut id = Vec::new();
    let mut label = Vec::new();
    let mut params = None;
    let mut kind = None;
    let wanted_attributes = [
        AttributeType::KeyType,
        AttributeType::Id,
        AttributeType::Label,
        AttributeType::EcParams,
        AttributeType::Sign,
        AttributeType::AlwaysAuthenticate,
    ];
    for attribute in session.get_attributes(private, &wanted_attributes)? {
        match attribute {
            Attribute::KeyType(found) => kind = Some(found),
            Attribute::Id(found) => id = found,
            Attribute::Label(found) => label = found,
            Attribute::EcParams(found) => params = Some(found),
            Attribute::Sign(false) => {
                return Err(unusable("it is not for signing: its CKA_SIGN is false"));
            }
            Attribute::AlwaysAuthenticate(true) => {
                return Err(unusable(
                    "it wants its PIN for every signature (CKA_ALWAYS_AUTHENTICATE), and nobody is there to give it",
                ));
            }
            _ => {}
        }
    }
    if !matches!(kind, Some(KeyType::EC | KeyType::EC_EDWARDS)) {
        return Err(unusable("it is not on P-256, P-384 or edwards25519"));
    }
    let name = match (id.is_empty(), String::from_utf8(label)) {
        (false, _) => KeyFilter {
            label: None,
            id: Some(id),
        },
        (true, Ok(label)) => KeyFilter {
            label: Some(label),
            id: None,
        },
        (true, Err(_)) => {
            return Err(unusable("it has no id, and its label is not UTF-8: no URI names it"));
        }
    };
    // The name must go on naming this one, whatever found it.
    find(session, &name)?;
    let public = read_public(session, &name, params.as_deref(), public_uri)?;
    Ok(Key { private, public, name })
}

const fn unusable(problem: &'static str) -> Fault {
    Fault::Key(KeyError::Unusable { problem })
}

/// The public key of this name.
fn read_public(
    session: &Session,
    name: &KeyFilter,
    private_params: Option<&[u8]>,
    uri: impl Fn(&KeyFilter) -> KeyUri,
) -> Result<PublicKey, Fault> {
    let mut found: Option<PublicKey> = None;
    for object in session.find_objects(&template(ObjectClass::PUBLIC_KEY, name))? {
        let mut params = Vec::new();
        let mut point = Vec::new();
        for attribute in session.get_attributes(object, &[AttributeType::EcParams, AttributeType::EcPoint])? {
            match attribute {
                Attribute::EcParams(found) => params = found,
                Attribute::EcPoint(found) => point = found,
                _ => {}
            }
        }
        if private_params.is_some_and(|private| !private.is_empty() && private != params) {
            return Err(KeyError::Contradiction {
                member: "CKA_EC_PARAMS",
            }
            .into());
        }
        let key = public_key(&params, &point)?;
        match &found {
            Some(other) if *other != key => return Err(Fault::KeysAmbiguous),
            _ => found = Some(key),
        }
    }
    found.ok_or_else(|| Fault::PublicKeyGone(uri(name)))
}

/// The public key of CKA_EC_PARAMS and CKA_EC_POINT (PKCS#11 3.0 §2.3.3 and §2.3.5).
fn public_key(params: &[u8], point: &[u8]) -> Result<PublicKey, KeyError> {
    let octets = match point {
        // Version 3.1 has the bytes of edwards25519 without a wrapping, version 3.0 with one. Bare bytes may begin like a wrapping,
        // so the length tells: wrapped they are 34.
        octets if octets.len() == 32 && matches!(params, ED25519_NAME | ED25519_OID) => octets,
        [0x04, length, octets @ ..] if usize::from(*length) == octets.len() => octets,
        _ => {
            return Err(KeyError::Malformed {
                problem: "its CKA_EC_POINT is not a DER octet string",
            });
        }
    };
    let algorithm = match params {
        P256 | P384 => der(0x30, &[EC_PUBLIC_KEY, params]),
        ED25519_NAME | ED25519_OID => der(0x30, &[ED25519_OID]),
        _ => return Err(KeyError::Unsupported),
    };
    PublicKey::from_spki_der(&der(0x30, &[&algorithm, &der(0x03, &[&[0], octets])]))
}

/// A DER value. None here has contents of more than 127 bytes; one that had would be no key.
fn der(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let contents = contents.concat();
    let length = u8::try_from(contents.len()).unwrap_or(u8::MAX);
    [&[tag, length], &contents[..]].concat()
}

fn template(class: ObjectClass, name: &KeyFilter) -> Vec<Attribute> {
    let mut template = vec![Attribute::Class(class), Attribute::Token(true)];
    template.extend(name.id.clone().map(Attribute::Id));
    template.extend(name.label.clone().map(|label| Attribute::Label(label.into_bytes())));
    template
}

/// Signs. The module would sign a hash of any length, so only ever the algorithm's own reaches it.
pub(crate) fn sign(session: &Session, private: ObjectHandle, input: &SigningInput) -> Result<Vec<u8>, Fault> {
    let hash = input.prehash();
    let (mechanism, bytes) = match (input.algorithm(), &hash) {
        (Algorithm::Es256, Some(hash)) if hash.len() == 32 => (Mechanism::Ecdsa, &**hash),
        (Algorithm::Es384, Some(hash)) if hash.len() == 48 => (Mechanism::Ecdsa, &**hash),
        (Algorithm::Ed25519, None) => (
            Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519)),
            input.as_bytes(),
        ),
        _ => return Err(KeyError::Unsupported.into()),
    };
    Ok(session.sign(&mechanism, private, bytes)?)
}

/// Makes a key pair that stays on the token. The private key can't be read or wrapped, and does nothing but sign.
pub(crate) fn generate(session: &Session, algorithm: Algorithm, label: &str, id: &[u8]) -> Result<(), Fault> {
    let (mechanism, curves): (_, &[&[u8]]) = match algorithm {
        Algorithm::Es256 => (Mechanism::EccKeyPairGen, &[P256]),
        Algorithm::Es384 => (Mechanism::EccKeyPairGen, &[P384]),
        // Modules know the curve by its name, its OID or both.
        Algorithm::Ed25519 => (Mechanism::EccEdwardsKeyPairGen, &[ED25519_NAME, ED25519_OID]),
        _ => return Err(Fault::NotGenerable),
    };
    let names = [Attribute::Id(id.to_vec()), Attribute::Label(label.as_bytes().to_vec())];
    let private = [
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
        // Tokens have defaults of their own for the rest.
        Attribute::Decrypt(false),
        Attribute::Unwrap(false),
        Attribute::Derive(false),
    ];
    let private = [&private[..], &names].concat();
    for curve in curves {
        let public = [
            Attribute::Token(true),
            Attribute::Private(false),
            Attribute::Verify(true),
            Attribute::EcParams(curve.to_vec()),
        ];
        let made = session.generate_key_pair(&mechanism, &[&public[..], &names].concat(), &private);
        match made {
            Ok(_) => return Ok(()),
            Err(Error::Pkcs11(RvError::MechanismInvalid, _)) => return Err(Fault::NotGenerable),
            Err(Error::Pkcs11(
                RvError::AttributeValueInvalid | RvError::CurveNotSupported | RvError::DomainParamsInvalid,
                _,
            )) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Fault::NotGenerable)
}

/// Whether a key of either half has this label or this id.
pub(crate) fn is_taken(session: &Session, label: &str, id: &[u8]) -> Result<bool, Fault> {
    let by_label = KeyFilter {
        label: Some(label.to_owned()),
        id: None,
    };
    let by_id = KeyFilter {
        label: None,
        id: Some(id.to_vec()),
    };
    for name in [by_label, by_id] {
        for class in [ObjectClass::PRIVATE_KEY, ObjectClass::PUBLIC_KEY] {
            if !session.find_objects(&template(class, &name))?.is_empty() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use actionpass_crypto::{KeyCode, Signer, SoftwareKey};

    use super::*;

    fn point(algorithm: Algorithm) -> (PublicKey, Vec<u8>) {
        let key = SoftwareKey::generate_for(algorithm).unwrap().public_key().clone();
        let mut spki = key.to_spki_der();
        let bytes = match algorithm {
            Algorithm::Es256 => 65,
            Algorithm::Es384 => 97,
            _ => 32,
        };
        (key, spki.split_off(spki.len().saturating_sub(bytes)))
    }

    #[test]
    fn points_are_octet_strings_on_a_known_curve() {
        for (algorithm, params) in [
            (Algorithm::Es256, P256),
            (Algorithm::Es384, P384),
            (Algorithm::Ed25519, ED25519_NAME),
            (Algorithm::Ed25519, ED25519_OID),
        ] {
            let (key, point) = point(algorithm);
            let wrapped = der(0x04, &[&point]);
            assert_eq!(public_key(params, &wrapped), Ok(key.clone()));
            let unwrapped = public_key(params, &point);
            if algorithm == Algorithm::Ed25519 {
                assert_eq!(unwrapped, Ok(key));
            } else {
                assert_eq!(unwrapped.unwrap_err().code(), KeyCode::Malformed);
            }
            for bad in [&wrapped[..wrapped.len() - 1], &[&wrapped[..], &[0]].concat(), &[]] {
                assert_eq!(public_key(params, bad).unwrap_err().code(), KeyCode::Malformed);
            }
        }
    }

    #[test]
    fn a_bare_point_that_begins_like_a_wrapping_is_a_point() {
        // About half of all such values are on the curve.
        let points = (0..=u8::MAX).map(|byte| {
            let mut point = [0; 32];
            point[..3].copy_from_slice(&[0x04, 0x1E, byte]);
            point
        });
        let keys = points.filter_map(|point| Some((point, public_key(ED25519_NAME, &point).ok()?)));
        let keys: Vec<_> = keys.collect();
        assert!(keys.len() > 64, "{}", keys.len());
        for (point, key) in keys {
            assert!(key.to_spki_der().ends_with(&point));
        }
    }

    #[test]
    fn curves_are_exact() {
        let (_, point) = point(Algorithm::Es256);
        let wrapped = der(0x04, &[&point]);
        let secp256k1 = [0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x0A];
        let longer = [P256, &[0]].concat();
        for params in [&secp256k1[..], &longer, &P256[..9], &[], &[0x05, 0x00]] {
            assert_eq!(public_key(params, &wrapped).unwrap_err().code(), KeyCode::Unsupported);
        }
        // A point of one curve under the name of another.
        for params in [P384, ED25519_NAME, ED25519_OID] {
            assert!(public_key(params, &wrapped).is_err());
        }
        let mut off = wrapped;
        off[66] ^= 1;
        assert_eq!(public_key(P256, &off).unwrap_err().code(), KeyCode::NotOnCurve);
    }
}
