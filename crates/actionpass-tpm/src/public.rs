//! What a TPM says of a key, and which keys can be used.

use actionpass_crypto::{Algorithm, KeyError, PublicKey};
use actionpass_custody::{CustodianError, KeyUri};
use tss_esapi::attributes::ObjectAttributesBuilder;
use tss_esapi::interface_types::algorithm::{HashingAlgorithm, PublicAlgorithm};
use tss_esapi::interface_types::ecc::EccCurve;
use tss_esapi::structures::{
    EccParameter, EccPoint, EccScheme, HashScheme, KeyDerivationFunctionScheme, Public, PublicBuilder,
    PublicEccParameters, SignatureScheme, SymmetricDefinitionObject,
};

use crate::uri::TPM;

/// A key that signs for us.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    pub(crate) public: PublicKey,
    /// A wrong auth value is not counted by the TPM.
    pub(crate) may_guess: bool,
}

/// Why the key at a handle is none for us.
#[derive(Debug)]
pub(crate) enum Unfit {
    /// It isn't a public key of ours.
    Key(KeyError),
    /// It is, and the TPM would not sign with it what we have.
    Use(&'static str),
}

impl Unfit {
    pub(crate) fn into_error(self, uri: &KeyUri) -> CustodianError {
        match self {
            Self::Key(source) => CustodianError::Key {
                uri: uri.clone(),
                source,
            },
            Self::Use(reason) => CustodianError::refused(TPM, reason),
        }
    }
}

/// The curve and the hash of an algorithm, if TPMs know it.
pub(crate) const fn parameters_of(algorithm: Algorithm) -> Option<(EccCurve, HashingAlgorithm)> {
    match algorithm {
        Algorithm::Es256 => Some((EccCurve::NistP256, HashingAlgorithm::Sha256)),
        Algorithm::Es384 => Some((EccCurve::NistP384, HashingAlgorithm::Sha384)),
        _ => None,
    }
}

/// How the TPM is told to sign.
pub(crate) const fn scheme_of(hash: HashingAlgorithm) -> SignatureScheme {
    SignatureScheme::EcDsa {
        hash_scheme: HashScheme::new(hash),
    }
}

/// Reads what TPM2_ReadPublic says.
pub(crate) fn describe(public: &Public) -> Result<Described, Unfit> {
    let Public::Ecc {
        object_attributes,
        parameters,
        unique,
        ..
    } = public
    else {
        return Err(Unfit::Key(KeyError::Unsupported));
    };
    let (algorithm, hash) = match parameters.ecc_curve() {
        EccCurve::NistP256 => (Algorithm::Es256, HashingAlgorithm::Sha256),
        EccCurve::NistP384 => (Algorithm::Es384, HashingAlgorithm::Sha384),
        _ => return Err(Unfit::Key(KeyError::Unsupported)),
    };
    if !object_attributes.sign_encrypt() {
        return Err(Unfit::Use("the key does not sign: it has not the attribute `sign`"));
    }
    if object_attributes.restricted() {
        return Err(Unfit::Use(
            "the key is restricted: it signs only what the TPM itself has hashed, never a pass; make one that isn't",
        ));
    }
    if !object_attributes.user_with_auth() {
        return Err(Unfit::Use(
            "the key is bound to a policy: it has not the attribute `userwithauth`, and no policy is played here",
        ));
    }
    match parameters.ecc_scheme() {
        EccScheme::Null => {}
        EccScheme::EcDsa(scheme) if scheme.hashing_algorithm() == hash => {}
        EccScheme::EcDsa(_) => {
            return Err(Unfit::Use(
                "the key is bound to another hash than its curve's: SHA-256 on P-256, SHA-384 on P-384",
            ));
        }
        _ => return Err(Unfit::Use("the key is bound to another scheme than ECDSA")),
    }
    let public = public_key(algorithm, unique).map_err(Unfit::Key)?;
    Ok(Described {
        public,
        may_guess: object_attributes.no_da(),
    })
}

/// What stands before the coordinates in a SubjectPublicKeyInfo (RFC 5480 §2).
const P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE,
    0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];
const P384: &[u8] = &[
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x05, 0x2B, 0x81, 0x04, 0x00,
    0x22, 0x03, 0x62, 0x00, 0x04,
];

fn public_key(algorithm: Algorithm, point: &EccPoint) -> Result<PublicKey, KeyError> {
    let (prefix, bytes) = match algorithm {
        Algorithm::Es256 => (P256, 32_usize),
        Algorithm::Es384 => (P384, 48),
        _ => return Err(KeyError::Unsupported),
    };
    let mut der = prefix.to_vec();
    for coordinate in [point.x(), point.y()] {
        // Some TPMs strip leading zeros. A coordinate that is too long makes a key that is refused.
        der.resize(der.len().saturating_add(bytes.saturating_sub(coordinate.len())), 0);
        der.extend_from_slice(coordinate);
    }
    PublicKey::from_spki_der(&der)
}

/// What a new key shall be. A primary key follows from this and the TPM's seed alone, so `unique` makes each another.
pub(crate) fn template(
    curve: EccCurve,
    hash: HashingAlgorithm,
    unique: [EccParameter; 2],
    has_auth: bool,
) -> Result<Public, tss_esapi::Error> {
    let attributes = ObjectAttributesBuilder::new()
        .with_fixed_tpm(true)
        .with_fixed_parent(true)
        .with_sensitive_data_origin(true)
        .with_user_with_auth(true)
        .with_sign_encrypt(true)
        // Guesses are counted where there is something to guess; else another key's lock-out would stop this one.
        .with_no_da(!has_auth)
        .build()?;
    let [x, y] = unique;
    PublicBuilder::new()
        .with_public_algorithm(PublicAlgorithm::Ecc)
        .with_name_hashing_algorithm(HashingAlgorithm::Sha256)
        .with_object_attributes(attributes)
        .with_ecc_parameters(PublicEccParameters::new(
            SymmetricDefinitionObject::Null,
            EccScheme::EcDsa(HashScheme::new(hash)),
            curve,
            KeyDerivationFunctionScheme::Null,
        ))
        .with_ecc_unique_identifier(EccPoint::new(x, y))
        .build()
}
