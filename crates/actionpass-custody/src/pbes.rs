//! Encrypted PKCS#8 (RFC 5958 §3): PBES2 with AES (RFC 8018 §6.2, RFC 9709 §3).

use actionpass_crypto::{KeyError, Pkcs8};
use pkcs8::der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use pkcs8::der::{self, Decode, Encode, Reader};
use pkcs8::pkcs5::pbes2::{self, Kdf};
use pkcs8::pkcs5::{self, EncryptionScheme};
use pkcs8::{EncryptedPrivateKeyInfo, EncryptedPrivateKeyInfoRef};

use crate::Secret;
use crate::pem::malformed;

/// PBKDF2 with HMAC-SHA-256, as often as OWASP asks for: a tenth of a second. scrypt would be harder to guess, but
/// JDKs can't open it.
const PBKDF2_ROUNDS: u32 = 600_000;

/// What RFC 8018 §4.2 calls appropriate for especially critical keys: seconds.
const MAX_PBKDF2_ROUNDS: u32 = 10_000_000;
/// The memory of scrypt (RFC 7914 §2), 128·N·r bytes: twice of what openssl follows.
const MAX_SCRYPT_MEMORY: u64 = 64 << 20;
/// The work of scrypt: the memory, as often as `p` says. Seconds.
const MAX_SCRYPT_WORK: u64 = 1 << 30;

const CIPHERS: [ObjectIdentifier; 5] = [
    pbes2::AES_128_CBC_OID,
    pbes2::AES_192_CBC_OID,
    pbes2::AES_256_CBC_OID,
    pbes2::AES_128_GCM_OID,
    pbes2::AES_256_GCM_OID,
];

/// What converts whatever openssl can open.
const CONVERT: &str = "`openssl pkcs8 -topk8 -v2 aes-256-cbc -in FILE -out NEW` makes one that is read";

/// Encrypts with PBKDF2-HMAC-SHA-256 and AES-256-CBC.
pub(crate) fn encrypt(key: &Pkcs8, passphrase: &Secret, salt: &[u8; 16], iv: [u8; 16]) -> Result<Vec<u8>, KeyError> {
    let unwritable = || malformed("it can't be encrypted");
    let parameters =
        pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(PBKDF2_ROUNDS, salt, iv).map_err(|_| unwritable())?;
    let encrypted = parameters
        .encrypt(passphrase.expose(), key.as_der())
        .map_err(|_| unwritable())?;
    let info = EncryptedPrivateKeyInfo {
        encryption_algorithm: parameters.into(),
        encrypted_data: OctetStringRef::new(&encrypted).map_err(|_| unwritable())?,
    };
    info.to_der().map_err(|_| unwritable())
}

/// Decrypts. Whether the passphrase is asked for at all depends on what encrypts the key.
pub(crate) fn decrypt(der: &[u8], passphrase: Option<&Secret>) -> Result<Pkcs8, KeyError> {
    let info = EncryptedPrivateKeyInfoRef::try_from(der).map_err(|_| diagnosis(der))?;
    let EncryptionScheme::Pbes2(parameters) = &info.encryption_algorithm else {
        return Err(other_encryption("PBES1"));
    };
    refuse_excess(&parameters.kdf)?;
    let passphrase = passphrase.ok_or(KeyError::PassphraseRequired)?;
    match info.decrypt(passphrase.expose()) {
        Ok(plain) => Ok(Pkcs8::from_der(plain.as_bytes())),
        // One wrong passphrase in 256 leaves a valid padding, and then bytes that are no DER.
        Err(pkcs8::Error::EncryptedPrivateKey(pkcs5::Error::DecryptFailed) | pkcs8::Error::Asn1(_)) => {
            Err(KeyError::PassphraseWrong)
        }
        Err(_) => Err(malformed("the parameters of its encryption contradict each other")),
    }
}

/// Refuses work factors that would take more time or memory than a key is worth, and those that are none.
fn refuse_excess(kdf: &Kdf) -> Result<(), KeyError> {
    let is_followed = match kdf {
        Kdf::Pbkdf2(pbkdf2) => (1..=MAX_PBKDF2_ROUNDS).contains(&pbkdf2.iteration_count),
        Kdf::Scrypt(scrypt) => {
            let (cost, parallelization) = (scrypt.cost_parameter, u64::from(scrypt.parallelization));
            let memory = cost.saturating_mul(128).saturating_mul(scrypt.block_size.into());
            let is_possible = cost.is_power_of_two() && cost > 1 && scrypt.block_size > 0 && parallelization > 0;
            is_possible && memory <= MAX_SCRYPT_MEMORY && memory.saturating_mul(parallelization) <= MAX_SCRYPT_WORK
        }
        _ => return Err(other_encryption("another key derivation than PBKDF2 and scrypt")),
    };
    if is_followed { Ok(()) } else { Err(excess(kdf.oid())) }
}

fn excess(kdf: ObjectIdentifier) -> KeyError {
    KeyError::WorkFactor {
        problem: if kdf == pbes2::SCRYPT_OID {
            "scrypt is followed with N a power of two above 1, up to 64 MiB (128 N r) and 1 GiB of work (128 N r p)"
        } else {
            "PBKDF2 is followed for 1 to 10,000,000 rounds"
        },
    }
}

fn other_encryption(found: &str) -> KeyError {
    KeyError::other_form(&format!("key encrypted with {found}"), CONVERT)
}

/// Why something is no encrypted key that is read here: its outline says more than the strict reader's refusal.
fn diagnosis(der: &[u8]) -> KeyError {
    dissect(der).unwrap_or(malformed("it is not an encrypted PKCS#8 key"))
}

fn dissect(der: &[u8]) -> Option<KeyError> {
    let [algorithm, _] = first(AnyRef::from_der(der).ok()?)?;
    let [scheme, parameters] = first(algorithm)?;
    if oid(scheme)? != pbes2::PBES2_OID {
        return Some(other_encryption("another scheme than PBES2"));
    }
    let [derivation, cipher] = first(parameters)?;
    let [cipher, _] = first(cipher)?;
    if !CIPHERS.contains(&oid(cipher)?) {
        return Some(other_encryption("another cipher than AES"));
    }
    let [kdf, parameters] = first(derivation)?;
    let kdf = oid(kdf)?;
    let [salt, factor] = first(parameters)?;
    if salt.value().len() > pbes2::Salt::MAX_LEN {
        return Some(other_encryption("a salt of more than 32 bytes"));
    }
    match kdf {
        pbes2::PBKDF2_OID if factor.decode_as::<u32>().is_err() => Some(excess(kdf)),
        pbes2::PBKDF2_OID => Some(other_encryption("another function than HMAC-SHA-1 and HMAC-SHA-2")),
        pbes2::SCRYPT_OID => {
            let [_, cost, block_size, parallelization] = first(parameters)?;
            let is_small = cost.decode_as::<u64>().is_ok()
                && block_size.decode_as::<u16>().is_ok()
                && parallelization.decode_as::<u16>().is_ok();
            (!is_small).then(|| excess(kdf))
        }
        _ => Some(other_encryption("another key derivation than PBKDF2 and scrypt")),
    }
}

/// The first elements of a sequence.
fn first<const COUNT: usize>(sequence: AnyRef<'_>) -> Option<[AnyRef<'_>; COUNT]> {
    let elements: der::Result<Vec<AnyRef<'_>>> = sequence.sequence(|reader| {
        let mut elements = Vec::new();
        while !reader.is_finished() {
            elements.push(AnyRef::decode(reader)?);
        }
        Ok(elements)
    });
    elements.ok()?.first_chunk().copied()
}

fn oid(any: AnyRef<'_>) -> Option<ObjectIdentifier> {
    any.decode_as().ok()
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test fails by panicking")]
mod tests {
    use actionpass_crypto::KeyCode;
    use pkcs8::pkcs5::pbes2::{Parameters, Pbkdf2Params, ScryptParams};

    use super::*;

    /// A file whose passphrase is stretched like this, with nothing inside.
    fn file(kdf: impl Into<Kdf>) -> Vec<u8> {
        let parameters = Parameters {
            kdf: kdf.into(),
            encryption: pbes2::EncryptionScheme::Aes256Cbc { iv: [0; 16] },
        };
        let info = EncryptedPrivateKeyInfo {
            encryption_algorithm: parameters.into(),
            encrypted_data: OctetStringRef::new(&[0; 144]).unwrap(),
        };
        info.to_der().unwrap()
    }

    fn refusal(der: &[u8]) -> KeyError {
        decrypt(der, Some(&Secret::new(b"open".to_vec()))).unwrap_err()
    }

    fn pbkdf2(rounds: u32) -> Vec<u8> {
        let mut parameters = Pbkdf2Params::hmac_sha256(1, &[0; 16]).unwrap();
        parameters.iteration_count = rounds;
        file(parameters)
    }

    fn scrypt(cost_parameter: u64, block_size: u16, parallelization: u16) -> Vec<u8> {
        file(ScryptParams {
            salt: pbes2::Salt::new([0; 16]).unwrap(),
            cost_parameter,
            block_size,
            parallelization,
            key_length: None,
        })
    }

    /// The file with a number in place of another that is written with fewer bytes: the lengths around it grow along.
    fn with_longer_number(der: &[u8], number: &[u8], longer: &[u8]) -> Vec<u8> {
        let at = der.windows(number.len()).position(|part| part == number).unwrap();
        let mut changed = [&der[..at], longer, &der[at + number.len()..]].concat();
        let grown = u8::try_from(longer.len() - number.len()).unwrap();
        // The sequences of the file, its algorithm, PBES2, the key derivation and its parameters: one byte of length
        // each, but for the file's own, which has two.
        for length in [2, 4, 17, 19, 32] {
            changed[length] += grown;
        }
        changed
    }

    #[test]
    fn g16_work_factors_are_bounded_before_they_are_followed() {
        let too_many = with_longer_number(
            &pbkdf2(0x0102_0304),
            b"\x02\x04\x01\x02\x03\x04",
            b"\x02\x06\x01\x02\x03\x04\x05\x06",
        );
        let too_wide = with_longer_number(&scrypt(2, 0x7FFF, 1), b"\x02\x02\x7F\xFF", b"\x02\x04\x7F\xFF\xFF\xFF");
        for der in [
            pbkdf2(0),
            pbkdf2(10_000_001),
            pbkdf2(i32::MAX.unsigned_abs()),
            pbkdf2(u32::MAX),
            too_many,
            scrypt(0, 8, 1),
            scrypt(1, 8, 1),
            scrypt(3, 8, 1),
            scrypt(1 << 14, 0, 1),
            scrypt(1 << 14, 8, 0),
            // Memory of 128 MiB, 1 TiB, more than there is.
            scrypt(1 << 17, 8, 1),
            scrypt(1 << 30, 8, 1),
            scrypt(1 << 63, u16::MAX, u16::MAX),
            // Little memory, for hours.
            scrypt(1 << 16, 8, 17),
            scrypt(1 << 10, 8, u16::MAX),
            too_wide,
        ] {
            let error = refusal(&der);
            assert_eq!(error.code(), KeyCode::WorkFactor, "{der:02X?}: {error}");
            // Nobody is asked for a passphrase first.
            assert_eq!(decrypt(&der, None).unwrap_err(), error);
        }
        // What is followed comes to the conclusion that nothing is inside.
        for der in [
            pbkdf2(1),
            pbkdf2(2048),
            scrypt(1 << 14, 8, 1),
            scrypt(1 << 16, 8, 1),
            scrypt(2, 1, 1),
        ] {
            assert_eq!(refusal(&der), KeyError::PassphraseWrong);
            assert_eq!(decrypt(&der, None).unwrap_err(), KeyError::PassphraseRequired);
        }
    }

    #[test]
    fn what_is_not_followed_is_named() {
        let good = pbkdf2(2048);
        let with = |old: &[u8], new: &[u8]| {
            let at = good.windows(old.len()).position(|part| part == old).unwrap();
            [&good[..at], new, &good[at + old.len()..]].concat()
        };
        let (pbes2, pbkdf2) = (b"\x01\x05\x0D", b"\x01\x05\x0C");
        let (hmac_sha256, aes_cbc) = (b"\x0D\x02\x09", b"\x01\x2A\x04\x10");
        for (der, word) in [
            (with(pbes2, b"\x01\x05\x0F"), "another scheme"),
            (with(pbkdf2, b"\x01\x05\x7F"), "another key derivation"),
            (with(hmac_sha256, b"\x0D\x02\x0F"), "another function"),
            (with(aes_cbc, b"\x01\x2B\x04\x10"), "another cipher"),
            (good[..60].to_vec(), "not an encrypted"),
            (Vec::new(), "not an encrypted"),
        ] {
            let error = refusal(&der);
            assert_eq!(error.code(), KeyCode::Malformed);
            assert!(error.to_string().contains(word), "{word}: {error}");
        }
    }
}
