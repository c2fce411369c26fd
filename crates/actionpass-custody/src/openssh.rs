//! Private keys as `ssh-keygen` writes them: `openssh-key-v1` (PROTOCOL.key of OpenSSH).

use actionpass_crypto::{KeyError, Pkcs8};
use ssh_key::private::{EcdsaKeypair, KeypairData};
use ssh_key::{Error, Kdf, PrivateKey};
use zeroize::Zeroizing;

use crate::Secret;
use crate::pem::malformed;

/// `ssh-keygen -a` asks for 16 or 24 unless told otherwise; this many take seconds.
const MAX_BCRYPT_ROUNDS: u32 = 512;

/// PKCS#8 around the private key of each curve (RFC 5958 §2, RFC 5915 §3, RFC 8410 §7): it never varies in DER.
const ED25519: &[u8] = b"\x30\x2E\x02\x01\x00\x30\x05\x06\x03\x2B\x65\x70\x04\x22\x04\x20";
const P256: &[u8] = b"\x30\x81\x87\x02\x01\x00\x30\x13\x06\x07\x2A\x86\x48\xCE\x3D\x02\x01\x06\x08\x2A\x86\x48\xCE\x3D\x03\x01\x07\x04\x6D\x30\x6B\x02\x01\x01\x04\x20";
const P384: &[u8] = b"\x30\x81\xB6\x02\x01\x00\x30\x10\x06\x07\x2A\x86\x48\xCE\x3D\x02\x01\x06\x05\x2B\x81\x04\x00\x22\x04\x81\x9E\x30\x81\x9B\x02\x01\x01\x04\x30";
/// Between the private key and its point.
const P256_POINT: &[u8] = b"\xA1\x44\x03\x42\x00";
const P384_POINT: &[u8] = b"\xA1\x64\x03\x62\x00";

/// Reads the bytes of an `OPENSSH PRIVATE KEY`, decrypting them if need be.
pub(crate) fn decode(bytes: &[u8], passphrase: Option<&Secret>) -> Result<Pkcs8, KeyError> {
    let key = PrivateKey::from_bytes(bytes).map_err(refused)?;
    if !key.is_encrypted() {
        return pkcs8(key.key_data());
    }
    if let Kdf::Bcrypt { rounds, .. } = key.kdf()
        && !(1..=MAX_BCRYPT_ROUNDS).contains(rounds)
    {
        return Err(KeyError::WorkFactor {
            problem: "bcrypt is followed for 1 to 512 rounds",
        });
    }
    let passphrase = passphrase.ok_or(KeyError::PassphraseRequired)?;
    // bcrypt takes no empty passphrase, which OpenSSH doesn't take for one either.
    if passphrase.expose().is_empty() {
        return Err(KeyError::PassphraseWrong);
    }
    match key.decrypt(passphrase.expose()) {
        Ok(key) => pkcs8(key.key_data()),
        Err(Error::Crypto) => Err(KeyError::PassphraseWrong),
        Err(error) => Err(refused(error)),
    }
}

fn refused(error: Error) -> KeyError {
    match error {
        Error::AlgorithmUnknown | Error::AlgorithmUnsupported { .. } => unusable(),
        Error::PublicKey => malformed("its public half is another key's"),
        _ => malformed("it is not encoded as OpenSSH encodes keys and encrypts them"),
    }
}

const fn unusable() -> KeyError {
    KeyError::Unusable {
        problem: "of OpenSSH's types, `ssh-ed25519`, `ecdsa-sha2-nistp256` and `ecdsa-sha2-nistp384` are read; `ssh-keygen -t ed25519` makes such a key",
    }
}

fn pkcs8(key: &KeypairData) -> Result<Pkcs8, KeyError> {
    let parts: [&[u8]; 4] = match key {
        KeypairData::Ed25519(pair) => [ED25519, pair.private.as_ref(), &[], &[]],
        KeypairData::Ecdsa(EcdsaKeypair::NistP256 { public, private }) => {
            [P256, private.as_slice(), P256_POINT, public.as_bytes()]
        }
        KeypairData::Ecdsa(EcdsaKeypair::NistP384 { public, private }) => {
            [P384, private.as_slice(), P384_POINT, public.as_bytes()]
        }
        _ => return Err(unusable()),
    };
    Ok(Pkcs8::from_der(&Zeroizing::new(parts.concat())))
}
