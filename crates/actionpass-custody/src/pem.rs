//! Private keys as PEM text (RFC 7468), plain or encrypted with a passphrase (PBES2, RFC 8018 §6.2).

use std::fmt;

use actionpass_crypto::{KeyError, Pkcs8};
use pkcs8::der::Encode;
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::pkcs5::{self, pbes2};
use pkcs8::{EncryptedPrivateKeyInfo, EncryptedPrivateKeyInfoRef};
use zeroize::Zeroizing;

use crate::Secret;

const PLAIN_LABEL: &str = "PRIVATE KEY";
const ENCRYPTED_LABEL: &str = "ENCRYPTED PRIVATE KEY";

/// PBKDF2 with HMAC-SHA-256, as often as OWASP asks for: a tenth of a second. scrypt would be harder to guess, but
/// JDKs can't open it.
const PBKDF2_ROUNDS: u32 = 600_000;

/// A private key as PEM text, wiped when dropped. It goes into a file, or nowhere.
pub struct PrivatePem(Zeroizing<String>);

impl PrivatePem {
    /// Reads a private key from PEM: `PRIVATE KEY`, or `ENCRYPTED PRIVATE KEY` with its passphrase. A passphrase that
    /// is not needed is ignored.
    ///
    /// # Errors
    /// [`KeyError::PassphraseRequired`], [`KeyError::PassphraseWrong`], or [`KeyError::Malformed`] for anything else,
    /// among it the older `EC PRIVATE KEY` and encryptions other than PBES2 with AES.
    pub fn decode(pem: &str, passphrase: Option<&Secret>) -> Result<Pkcs8, KeyError> {
        let mut buffer = Zeroizing::new(vec![0; pem.len()]);
        let (label, der) =
            pem_rfc7468::decode(pem.as_bytes(), &mut buffer).map_err(|_| malformed("it is not a PEM block"))?;
        match (label, passphrase) {
            (PLAIN_LABEL, _) => Ok(Pkcs8::from_der(der)),
            (ENCRYPTED_LABEL, Some(passphrase)) => decrypt(der, passphrase),
            (ENCRYPTED_LABEL, None) => Err(KeyError::PassphraseRequired),
            ("EC PRIVATE KEY", _) => Err(malformed(
                "it is an `EC PRIVATE KEY`; `openssl pkcs8 -topk8` makes a `PRIVATE KEY` of it",
            )),
            _ => Err(malformed("the PEM block is not a `PRIVATE KEY`")),
        }
    }

    /// The key as PEM, unencrypted.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] if it doesn't fit into PEM, which every key does.
    pub fn encode(key: &Pkcs8) -> Result<Self, KeyError> {
        Self::of(PLAIN_LABEL, key.as_der())
    }

    /// The key as PEM, encrypted: PBES2 with PBKDF2-HMAC-SHA-256 and AES-256-CBC, which openssl and JDKs open too.
    /// Takes a tenth of a second. The caller draws `randomness`, and draws it anew for every call.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] if it can't be encrypted, which every key can.
    pub fn encrypt(key: &Pkcs8, passphrase: &Secret, randomness: &[u8; 32]) -> Result<Self, KeyError> {
        let [salt, iv] = halves(randomness);
        let der = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(PBKDF2_ROUNDS, &salt, iv)
            .and_then(|parameters| Ok((parameters.encrypt(passphrase.expose(), key.as_der())?, parameters)))
            .map_err(|_| malformed("it can't be encrypted"))
            .and_then(|(encrypted, parameters)| {
                let info = EncryptedPrivateKeyInfo {
                    encryption_algorithm: parameters.into(),
                    encrypted_data: data(&encrypted)?,
                };
                info.to_der().map_err(|_| malformed("it can't be written as PKCS#8"))
            })?;
        Self::of(ENCRYPTED_LABEL, &der)
    }

    /// The text, with a final line end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[cfg(test)]
    pub(crate) fn for_tests(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    fn of(label: &str, der: &[u8]) -> Result<Self, KeyError> {
        pem_rfc7468::encode_string(label, pem_rfc7468::LineEnding::LF, der)
            .map(|text| Self(Zeroizing::new(text)))
            .map_err(|_| malformed("it can't be written as PEM"))
    }
}

impl fmt::Debug for PrivatePem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivatePem").finish_non_exhaustive()
    }
}

pub(crate) const fn malformed(problem: &'static str) -> KeyError {
    KeyError::Malformed { problem }
}

fn data(encrypted: &[u8]) -> Result<&OctetStringRef, KeyError> {
    OctetStringRef::new(encrypted).map_err(|_| malformed("it can't be written as PKCS#8"))
}

fn halves(bytes: &[u8; 32]) -> [[u8; 16]; 2] {
    let mut halves = [[0; 16]; 2];
    for (half, part) in halves.iter_mut().zip(bytes.chunks_exact(16)) {
        half.copy_from_slice(part);
    }
    halves
}

fn decrypt(der: &[u8], passphrase: &Secret) -> Result<Pkcs8, KeyError> {
    let info = EncryptedPrivateKeyInfoRef::try_from(der).map_err(|_| malformed("it is not an encrypted PKCS#8 key"))?;
    match info.decrypt(passphrase.expose()) {
        Ok(plain) => Ok(Pkcs8::from_der(plain.as_bytes())),
        // One wrong passphrase in 256 leaves a valid padding, and then bytes that are no DER.
        Err(pkcs8::Error::EncryptedPrivateKey(pkcs5::Error::DecryptFailed) | pkcs8::Error::Asn1(_)) => {
            Err(KeyError::PassphraseWrong)
        }
        Err(_) => Err(malformed("its encryption is not PBES2 with AES")),
    }
}

#[cfg(test)]
mod tests {
    use actionpass_crypto::{KeyCode, PublicKey, Signer, SoftwareKey};

    use super::*;

    /// `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`, then `openssl pkcs8 -topk8 -passout pass:open`
    /// and the same with `-scrypt`. Made for this test.
    const PLAIN: &str = include_str!("../tests/keys/plain.pem");
    const PBKDF2: &str = include_str!("../tests/keys/pbkdf2.pem");
    const SCRYPT: &str = include_str!("../tests/keys/scrypt.pem");
    const SEC1: &str = include_str!("../tests/keys/sec1.pem");
    const TRIPLE_DES: &str = include_str!("../tests/keys/des3.pem");
    const RSA: &str = include_str!("../tests/keys/rsa.pem");
    const PUBLIC: &str = include_str!("../tests/keys/public.pem");

    fn passphrase(text: &str) -> Secret {
        Secret::new(text.as_bytes().to_vec())
    }

    fn refusal(pem: &str, text: Option<&str>) -> KeyCode {
        let key = PrivatePem::decode(pem, text.map(passphrase).as_ref())
            .and_then(|key| SoftwareKey::from_pkcs8_der(key.as_der()));
        key.unwrap_err().code()
    }

    #[test]
    fn files_of_openssl_are_read() {
        let public = PublicKey::from_spki_pem(PUBLIC).unwrap();
        for (pem, text) in [
            (PLAIN, None),
            (PLAIN, Some("needless")),
            (PBKDF2, Some("open")),
            (SCRYPT, Some("open")),
        ] {
            let der = PrivatePem::decode(pem, text.map(passphrase).as_ref()).unwrap();
            let key = SoftwareKey::from_pkcs8_der(der.as_der()).unwrap();
            assert_eq!(key.public_key(), &public);
        }
    }

    #[test]
    fn what_can_not_be_read_says_why() {
        assert_eq!(refusal(PBKDF2, None), KeyCode::PassphraseRequired);
        assert_eq!(refusal(SCRYPT, Some("Open")), KeyCode::PassphraseWrong);
        assert_eq!(refusal(PBKDF2, Some("")), KeyCode::PassphraseWrong);
        for malformed in [
            SEC1,
            RSA,
            PUBLIC,
            "",
            "-----BEGIN PRIVATE KEY-----",
            &PLAIN[..150],
            &PLAIN.replace("M", "*"),
        ] {
            assert_eq!(refusal(malformed, None), KeyCode::Malformed, "{malformed}");
        }
        assert_eq!(refusal(TRIPLE_DES, Some("open")), KeyCode::Malformed);
    }

    #[test]
    fn what_is_written_is_read() {
        let key = SoftwareKey::generate().unwrap().to_pkcs8().unwrap();
        let plain = PrivatePem::encode(&key).unwrap();
        assert_eq!(PrivatePem::decode(plain.as_str(), None).unwrap().as_der(), key.as_der());
        let encrypted = PrivatePem::encrypt(&key, &passphrase("open"), &[7; 32]).unwrap();
        assert!(
            encrypted
                .as_str()
                .starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
        );
        assert_eq!(
            PrivatePem::decode(encrypted.as_str(), Some(&passphrase("open")))
                .unwrap()
                .as_der(),
            key.as_der()
        );
        assert_eq!(refusal(encrypted.as_str(), Some("shut")), KeyCode::PassphraseWrong);
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = SoftwareKey::generate().unwrap().to_pkcs8().unwrap();
        let shown = format!(
            "{:?} {:?} {:?}",
            key,
            PrivatePem::encode(&key).unwrap(),
            passphrase("open")
        );
        assert_eq!(shown, "Pkcs8 { .. } PrivatePem { .. } Secret { .. }");
    }
}
