//! [`Algorithm`]: what a key signs with.

use std::fmt;

/// A signature algorithm, named as in JWS (RFC 7518 §3.1).
///
/// A key has exactly one, pinned when it is read; what a token's header says is only compared with it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256 (RFC 7518 §3.4).
    Es256,
}

impl Algorithm {
    /// Every algorithm of this release.
    pub const ALL: &'static [Self] = &[Self::Es256];

    /// The name in a JWS header and in a JWK's `alg`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
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
            Self::Es256 => 64,
        }
    }

    /// The length of a public key in bytes: the coordinates, or the whole key where there is only one.
    pub(crate) const fn public_key_bytes(self) -> usize {
        match self {
            Self::Es256 => 64,
        }
    }

    /// A JWK's `kty` and `crv` (RFC 7518 §6.2.1).
    pub(crate) const fn curve(self) -> (&'static str, &'static str) {
        match self {
            Self::Es256 => ("EC", "P-256"),
        }
    }

    /// What stands before the public key's bytes in its SubjectPublicKeyInfo (RFC 5480 §2), uncompressed point tag
    /// included: it never varies in DER.
    pub(crate) const fn spki_prefix(self) -> &'static [u8] {
        match self {
            Self::Es256 => &[
                0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86,
                0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
            ],
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
