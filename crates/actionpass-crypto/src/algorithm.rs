//! [`Algorithm`]: what a key signs with.

use std::fmt;

/// A signature algorithm, named as in JWS (RFC 7518 §3.1, RFC 9864 §2.2, RFC 9964).
///
/// A key has exactly one, pinned when it is read; what a token's header says is only compared with it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256 (RFC 7518 §3.4): the default.
    Es256,
    /// ECDSA on P-384 with SHA-384 (RFC 7518 §3.4).
    Es384,
    /// EdDSA on edwards25519 (RFC 8032 §5.1) by its fully specified name (RFC 9864 §2.2). `EdDSA`, which leaves the
    /// curve open, is no algorithm here.
    Ed25519,
    /// ML-DSA-65 (FIPS 204) with an empty context (RFC 9964): against quantum computers, with tokens of more than 5 KiB.
    /// Only with the feature `ml-dsa`.
    #[cfg(feature = "ml-dsa")]
    MlDsa65,
}

/// What the members of a JWK call a key's type, and which of them hold it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum KeyType {
    /// `crv`, `x` and `y` (RFC 7518 §6.2.1).
    Ec(&'static str),
    /// `crv` and `x` (RFC 8037 §2).
    Okp(&'static str),
    /// `alg` and `pub` (RFC 9964).
    #[cfg(feature = "ml-dsa")]
    Akp,
}

impl Algorithm {
    /// Every algorithm of this build.
    pub const ALL: &'static [Self] = &[
        Self::Es256,
        Self::Es384,
        Self::Ed25519,
        #[cfg(feature = "ml-dsa")]
        Self::MlDsa65,
    ];

    /// The name in a JWS header and in a JWK's `alg`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Ed25519 => "Ed25519",
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa65 => "ML-DSA-65",
        }
    }

    /// The algorithm of this name, compared byte by byte.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.as_str() == name)
    }

    /// The exact length of a signature in bytes.
    #[must_use]
    pub const fn signature_bytes(self) -> usize {
        match self {
            Self::Es256 | Self::Ed25519 => 64,
            Self::Es384 => 96,
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa65 => 3309,
        }
    }

    /// Whether its signatures are two integers, `r` and `s`, which custodians return in forms of their own.
    #[must_use]
    pub const fn is_ecdsa(self) -> bool {
        match self {
            Self::Es256 | Self::Es384 => true,
            Self::Ed25519 => false,
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa65 => false,
        }
    }

    /// The length of a public key in bytes: the coordinates, or the whole key where there is only one.
    pub(crate) const fn public_key_bytes(self) -> usize {
        match self {
            Self::Es256 => 64,
            Self::Es384 => 96,
            Self::Ed25519 => 32,
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa65 => 1952,
        }
    }

    /// The length of one coordinate of a public key in bytes.
    pub(crate) const fn coordinate_bytes(self) -> usize {
        match self {
            Self::Es256 | Self::Ed25519 => 32,
            Self::Es384 => 48,
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa65 => 1952,
        }
    }

    /// How a JWK holds its keys.
    pub(crate) const fn key_type(self) -> KeyType {
        match self {
            Self::Es256 => KeyType::Ec("P-256"),
            Self::Es384 => KeyType::Ec("P-384"),
            Self::Ed25519 => KeyType::Okp("Ed25519"),
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa65 => KeyType::Akp,
        }
    }

    /// What stands before the public key's bytes in its SubjectPublicKeyInfo (RFC 5480 §2, RFC 8410 §4, RFC 9881 §4), the tag of an
    /// uncompressed point included: it never varies in DER.
    pub(crate) const fn spki_prefix(self) -> &'static [u8] {
        match self {
            Self::Es256 => &[
                0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86,
                0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
            ],
            Self::Es384 => &[
                0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x05, 0x2B, 0x81,
                0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04,
            ],
            Self::Ed25519 => &[0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00],
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa65 => &[
                0x30, 0x82, 0x07, 0xB2, 0x30, 0x0B, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x12,
                0x03, 0x82, 0x07, 0xA1, 0x00,
            ],
        }
    }
}

impl KeyType {
    /// The JWK's `kty`.
    pub(crate) const fn kty(self) -> &'static str {
        match self {
            Self::Ec(_) => "EC",
            Self::Okp(_) => "OKP",
            #[cfg(feature = "ml-dsa")]
            Self::Akp => "AKP",
        }
    }

    /// The JWK's `crv`.
    pub(crate) const fn crv(self) -> Option<&'static str> {
        match self {
            Self::Ec(curve) | Self::Okp(curve) => Some(curve),
            #[cfg(feature = "ml-dsa")]
            Self::Akp => None,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
