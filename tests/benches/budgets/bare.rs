//! The bare operations of aws-lc-rs that everything is held against: keys are parsed beforehand, nothing is decoded.

use std::hint::black_box;

use actionpass_crypto::{Signer, SoftwareKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, ParsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// One P-256 signature over a message, hash included, to be verified.
pub(crate) struct BareVerify {
    key: ParsedPublicKey,
    message: Vec<u8>,
    signature: Vec<u8>,
}

/// One P-256 signature to be made over a message, hash included.
pub(crate) struct BareSign {
    key: EcdsaKeyPair,
    random: SystemRandom,
    message: Vec<u8>,
}

impl BareVerify {
    /// The very verification that a token of this key demands.
    pub(crate) fn of(token: &str, key: &SoftwareKey) -> Self {
        let (message, signature) = token.rsplit_once('.').unwrap();
        let spki = key.public_key().to_spki_der();
        // An uncompressed P-256 point is the last 65 bytes of its SubjectPublicKeyInfo.
        let point = &spki[spki.len() - 65..];
        let bare = Self {
            key: ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).unwrap(),
            message: message.as_bytes().to_vec(),
            signature: URL_SAFE_NO_PAD.decode(signature).unwrap(),
        };
        bare.run();
        bare
    }

    /// Verifies.
    pub(crate) fn run(&self) {
        self.key
            .verify_sig(black_box(&self.message), black_box(&self.signature))
            .unwrap();
    }
}

impl BareSign {
    /// The very signature that a token of this key carries.
    pub(crate) fn of(token: &str, key: &SoftwareKey) -> Self {
        let der = key.to_pkcs8().unwrap();
        Self {
            key: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_der()).unwrap(),
            random: SystemRandom::new(),
            message: token.rsplit_once('.').unwrap().0.as_bytes().to_vec(),
        }
    }

    /// Signs.
    pub(crate) fn run(&self) {
        black_box(self.key.sign(&self.random, black_box(&self.message)).unwrap());
    }
}
