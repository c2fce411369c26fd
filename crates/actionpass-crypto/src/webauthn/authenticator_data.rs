//! The authenticator data (§6.1): what the authenticator says of itself and of the person, and signs.

use actionpass_model::RpId;

use super::cbor::Cbor;
use super::{WebAuthnCode, WebAuthnError, demand};
use crate::backend;

/// The longest authenticator data of an assertion that are read, in bytes. Without extensions they are 37.
pub(super) const MAX_BYTES: usize = 512;

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const ATTESTED: u8 = 0x40;
const EXTENSIONS: u8 = 0x80;

const MALFORMED: WebAuthnError = WebAuthnError::new(
    WebAuthnCode::AuthenticatorDataMalformed,
    "the authenticator data end too early, are followed by something, or are not what their flags say",
);

/// Authenticator data in their parts.
struct AuthenticatorData<'a> {
    rp_id_hash: &'a [u8],
    flags: u8,
    /// What stands behind the counter.
    rest: &'a [u8],
}

/// What an authenticator says of a new credential (§6.5.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct Attested<'a> {
    pub(super) credential_id: &'a [u8],
    /// The `COSE_Key`, and perhaps extensions behind it.
    key_and_rest: &'a [u8],
    has_extensions: bool,
}

/// Checks the authenticator data of an assertion (§7.2 steps 15 to 20). The counter is ignored: passkeys that are synced
/// between devices always say 0, and an approval is used up by its id.
pub(super) fn check_assertion(bytes: &[u8], rp_id: &RpId) -> Result<(), WebAuthnError> {
    use WebAuthnCode as Code;
    demand(
        bytes.len() <= MAX_BYTES,
        Code::AuthenticatorDataTooLong,
        "the authenticator data are longer than 512 bytes",
    )?;
    let data = AuthenticatorData::read(bytes)?;
    data.check_person(rp_id)?;
    demand(
        data.flags & ATTESTED == 0,
        Code::AttestedCredential,
        "the assertion carries a credential",
    )?;
    data.check_backup()?;
    check_extensions(data.rest, data.flags & EXTENSIONS != 0)
}

/// Checks the authenticator data of a registration (§7.1 steps 14 to 19), whose key the caller reads.
pub(super) fn check_registration<'a>(bytes: &'a [u8], rp_id: &RpId) -> Result<Attested<'a>, WebAuthnError> {
    let data = AuthenticatorData::read(bytes)?;
    data.check_person(rp_id)?;
    data.check_backup()?;
    if data.flags & ATTESTED == 0 {
        return Err(MALFORMED);
    }
    let read = || {
        // The model of authenticator, which means nothing without an attestation.
        let (_aaguid, rest) = data.rest.split_at_checked(16)?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
    };
    let (credential_id, key_and_rest) = read().ok_or(MALFORMED)?;
    Ok(Attested {
        credential_id,
        key_and_rest,
        has_extensions: data.flags & EXTENSIONS != 0,
    })
}

impl<'a> Attested<'a> {
    /// Where the `COSE_Key` begins.
    pub(super) const fn key(&self) -> Cbor<'a> {
        Cbor::new(self.key_and_rest)
    }

    /// Checks what stands behind the key.
    pub(super) fn check_behind_key(&self, behind: Cbor<'_>) -> Result<(), WebAuthnError> {
        check_extensions(behind.rest(), self.has_extensions)
    }
}

impl<'a> AuthenticatorData<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, WebAuthnError> {
        let read = || {
            let (rp_id_hash, rest) = bytes.split_at_checked(32)?;
            let (flags, rest) = rest.split_first()?;
            let (_counter, rest) = rest.split_at_checked(4)?;
            Some(Self {
                rp_id_hash,
                flags: *flags,
                rest,
            })
        };
        read().ok_or(MALFORMED)
    }

    fn check_person(&self, rp_id: &RpId) -> Result<(), WebAuthnError> {
        demand(
            self.rp_id_hash == backend::sha256(rp_id.as_str().as_bytes()),
            WebAuthnCode::RpIdMismatch,
            "the authenticator signed for another relying party",
        )?;
        demand(
            self.flags & USER_PRESENT != 0,
            WebAuthnCode::UserNotPresent,
            "the authenticator did not see a person",
        )?;
        demand(
            self.flags & USER_VERIFIED != 0,
            WebAuthnCode::UserNotVerified,
            "the authenticator did not verify who the person is",
        )
    }

    fn check_backup(&self) -> Result<(), WebAuthnError> {
        demand(
            self.flags & BACKED_UP == 0 || self.flags & BACKUP_ELIGIBLE != 0,
            WebAuthnCode::BackupState,
            "the passkey is backed up and of a kind that is never backed up",
        )
    }
}

/// Exactly one map of extensions where the flags announce it, and nothing at all where they don't. We ask for none, and
/// what an authenticator says unasked is ignored (§9.5).
fn check_extensions(rest: &[u8], are_announced: bool) -> Result<(), WebAuthnError> {
    if !are_announced {
        return if rest.is_empty() { Ok(()) } else { Err(MALFORMED) };
    }
    let read = || {
        let mut map = Cbor::new(rest);
        for _ in 0..map.map()? {
            map.text()?;
            map.skip()?;
        }
        Some(map.rest().is_empty())
    };
    if read() == Some(true) { Ok(()) } else { Err(MALFORMED) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rp_id() -> RpId {
        RpId::parse("approve.example.com").unwrap()
    }

    fn data(flags: u8, rest: &[u8]) -> Vec<u8> {
        let hash = backend::sha256(rp_id().as_str().as_bytes());
        [&hash[..], &[flags, 0, 0, 0, 0], rest].concat()
    }

    fn code(bytes: &[u8]) -> &'static str {
        check_assertion(bytes, &rp_id()).map_or_else(|error| error.code().as_str(), |()| "ok")
    }

    #[test]
    fn the_flags_that_an_assertion_may_have() {
        for flags in 0..=0xFF_u8 {
            let has = |bit: u8| flags & bit != 0;
            let expected = if !has(0x01) {
                "webauthn_user_not_present"
            } else if !has(0x04) {
                "webauthn_user_not_verified"
            } else if has(0x40) {
                "webauthn_attested_credential"
            } else if has(0x10) && !has(0x08) {
                "webauthn_backup_state"
            } else if has(0x80) {
                "webauthn_authenticator_data_malformed"
            } else {
                "ok"
            };
            assert_eq!(code(&data(flags, &[])), expected, "{flags:08b}");
        }
    }

    #[test]
    fn the_counter_says_nothing() {
        let mut bytes = data(0x05, &[]);
        bytes[33..37].copy_from_slice(&[0xFF; 4]);
        assert_eq!(code(&bytes), "ok");
    }

    #[test]
    fn nothing_follows_but_announced_extensions() {
        let good = data(0x05, &[]);
        for length in 0..good.len() {
            assert_eq!(code(&good[..length]), "webauthn_authenticator_data_malformed");
        }
        assert_eq!(code(&data(0x05, &[0xA0])), "webauthn_authenticator_data_malformed");
        for good in [&[0xA0][..], &[0xA1, 0x63, b'u', b'v', b'm', 0x81, 0x83, 2, 4, 2]] {
            assert_eq!(code(&data(0x85, good)), "ok", "{good:02x?}");
        }
        for bad in [
            &[][..],
            &[0xA0, 0],
            &[0xA1, 0x61, b'a'],
            &[0x80],
            &[0xA1, 1, 1],
            &[0xBF, 0xFF],
        ] {
            assert_eq!(
                code(&data(0x85, bad)),
                "webauthn_authenticator_data_malformed",
                "{bad:02x?}"
            );
        }
    }

    #[test]
    fn lengths_and_relying_parties() {
        let extension = |bytes: usize| {
            let length = u16::try_from(bytes - 37 - 6).unwrap().to_be_bytes();
            data(
                0x85,
                &[
                    &[0xA1, 0x61, b'x', 0x59, length[0], length[1]][..],
                    &vec![0; bytes - 37 - 6],
                ]
                .concat(),
            )
        };
        assert_eq!(code(&extension(512)), "ok");
        assert_eq!(code(&extension(513)), "webauthn_authenticator_data_too_long");
        let parent = RpId::parse("example.com").unwrap();
        let refused = check_assertion(&data(0x05, &[]), &parent).unwrap_err();
        assert_eq!(refused.code(), WebAuthnCode::RpIdMismatch);
    }
}
