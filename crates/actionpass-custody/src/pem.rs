//! Private keys as PEM text (RFC 7468), plain or encrypted with a passphrase (PBES2, RFC 8018 §6.2).

use std::fmt;

use actionpass_crypto::pem::Block;
use actionpass_crypto::{KeyError, Pkcs8};
use zeroize::Zeroizing;

use crate::{Secret, openssh, pbes};

const PLAIN_LABEL: &str = "PRIVATE KEY";
const ENCRYPTED_LABEL: &str = "ENCRYPTED PRIVATE KEY";
const OPENSSH_LABEL: &str = "OPENSSH PRIVATE KEY";

/// A private key as PEM text, wiped when dropped. It goes into a file, or nowhere.
pub struct PrivatePem(Zeroizing<String>);

impl PrivatePem {
    /// Reads a private key from PEM: `PRIVATE KEY`, `ENCRYPTED PRIVATE KEY` with its passphrase (PBES2 with AES), or what
    /// `ssh-keygen` writes, `OPENSSH PRIVATE KEY`, with or without a passphrase. A passphrase that is not needed is ignored.
    ///
    /// The lax form of RFC 7468 §3 is read; text and blocks that hold no private key, such as `EC PARAMETERS`, certificates
    /// and public keys, may stand around it.
    ///
    /// # Errors
    /// [`KeyError::PassphraseRequired`], [`KeyError::PassphraseWrong`], [`KeyError::WorkFactor`] before a passphrase is
    /// stretched for longer than seconds, [`KeyError::Unusable`] for keys of OpenSSH that sign nothing here, and
    /// [`KeyError::OtherForm`] or [`KeyError::Malformed`] for anything else, among it the older `EC PRIVATE KEY`.
    pub fn decode(pem: &str, passphrase: Option<&Secret>) -> Result<Pkcs8, KeyError> {
        let block = Block::find(pem, |label| label.ends_with(PLAIN_LABEL)).map_err(|error| without_pem(pem, error))?;
        match block.label() {
            PLAIN_LABEL => Ok(Pkcs8::from_der(&block.decode()?)),
            ENCRYPTED_LABEL => pbes::decrypt(&block.decode()?, passphrase),
            OPENSSH_LABEL => openssh::decode(&block.decode()?, passphrase),
            label => Err(block.refused(private_key_from(label))),
        }
    }

    /// Whether the private key in a text is one as `ssh-keygen` writes it.
    #[must_use]
    pub fn is_openssh(pem: &str) -> bool {
        Block::find(pem, |label| label.ends_with(PLAIN_LABEL)).is_ok_and(|block| block.label() == OPENSSH_LABEL)
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
        Self::of(ENCRYPTED_LABEL, &pbes::encrypt(key, passphrase, &salt, iv)?)
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

/// What makes a private key that is read out of a block with this label.
fn private_key_from(label: &str) -> &'static str {
    match label {
        "EC PRIVATE KEY" => "`openssl pkcs8 -topk8 -in FILE -out NEW` makes a `PRIVATE KEY` of it",
        "RSA PRIVATE KEY" | "DSA PRIVATE KEY" => {
            "keys here are on P-256, P-384 or edwards25519: `openssl genpkey -algorithm ed25519` makes one"
        }
        "EC PARAMETERS" => "that names a curve and holds no key: `openssl genpkey -paramfile FILE` makes one",
        _ => "a `PRIVATE KEY` is read here, which `openssl pkcs8 -topk8 -in FILE -out NEW` makes of private keys",
    }
}

/// Why there is no PEM block, for what is known by its start.
fn without_pem(text: &str, error: KeyError) -> KeyError {
    if text.contains("PuTTY-User-Key-File") {
        return KeyError::other_form(
            "PuTTY-User-Key-File",
            "`puttygen FILE -O private-openssh-new -o NEW` makes one that is read",
        );
    }
    if text.trim_start().starts_with('{') {
        return malformed("it is JSON; private keys are read from PEM");
    }
    error
}

fn halves(bytes: &[u8; 32]) -> [[u8; 16]; 2] {
    let mut halves = [[0; 16]; 2];
    for (half, part) in halves.iter_mut().zip(bytes.chunks_exact(16)) {
        half.copy_from_slice(part);
    }
    halves
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
    /// With `-v2 aes-256-cbc -v2prf hmacWithSHA1`, `-v2 aes-128-cbc -v2prf hmacWithSHA512` and `-v1 PBE-SHA1-3DES`, and
    /// `openssl ecparam -name prime256v1 -genkey`.
    const SHA1: &str = include_str!("../tests/keys/sha1.pem");
    const SHA512: &str = include_str!("../tests/keys/sha512.pem");
    const PBES1: &str = include_str!("../tests/keys/pbes1.pem");
    const ECPARAM: &str = include_str!("../tests/keys/ecparam.pem");

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
            (SHA1, Some("open")),
            (SHA512, Some("open")),
            // As people have them.
            (&PLAIN.replace('\n', " \r\n\n"), None),
            (&format!("key of maya\n{PUBLIC}{PLAIN}{PUBLIC}"), None),
            (&PBKDF2.replace('\n', " "), Some("open")),
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
        for (pem, words) in [
            (SEC1, ["`EC PRIVATE KEY`", "openssl pkcs8 -topk8"]),
            (ECPARAM, ["`EC PRIVATE KEY`", "openssl pkcs8 -topk8"]),
            (PUBLIC, ["`PUBLIC KEY`", "openssl pkcs8 -topk8"]),
            (&SEC1.replace("EC", "RSA"), ["`RSA PRIVATE KEY`", "openssl genpkey"]),
            (
                &SEC1.replace("PRIVATE KEY", "PARAMETERS"),
                ["`EC PARAMETERS`", "openssl genpkey"],
            ),
            (TRIPLE_DES, ["another cipher than AES", "openssl pkcs8 -topk8"]),
            (PBES1, ["another scheme than PBES2", "openssl pkcs8 -topk8"]),
            (
                "PuTTY-User-Key-File-3: ssh-ed25519",
                ["PuTTY-User-Key-File", "puttygen"],
            ),
            (r#"{ "kty": "EC", "d": "AA" }"#, ["JSON", "PEM"]),
            (&PLAIN.repeat(2), ["more than one key", "which"]),
            (&format!("{PBKDF2}{PLAIN}"), ["more than one key", "which"]),
        ] {
            // Nobody is asked for a passphrase first.
            for passphrase in [None, Some("open")] {
                let error = PrivatePem::decode(pem, passphrase.map(self::passphrase).as_ref()).unwrap_err();
                assert_eq!(error.code(), KeyCode::Malformed, "{pem}");
                let text = error.to_string();
                assert!(words.iter().all(|word| text.contains(word)), "{pem}: {text}");
            }
        }
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
