//! A connection to a TPM, and a key behind it.

use actionpass_custody::Secret;
use tss_esapi::constants::CapabilityType;
use tss_esapi::constants::tss::{TPM2_RH_NULL, TPM2_ST_HASHCHECK};
use tss_esapi::handles::{KeyHandle, ObjectHandle, PersistentTpmHandle, TpmHandle};
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::interface_types::dynamic_handles::Persistent;
use tss_esapi::interface_types::ecc::EccCurve;
use tss_esapi::interface_types::resource_handles::{Hierarchy, Provision};
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::structures::{Auth, CapabilityData, Digest, EccParameter, HashcheckTicket, Public, Signature};
use tss_esapi::tss2_esys::TPMT_TK_HASHCHECK;
use tss_esapi::{Context, Error, WrapperErrorKind};

use crate::fault::{Cause, TpmFault};
use crate::public::{scheme_of, template};
use crate::tcti::Tcti;
use crate::uri::Handle;

/// A connection to a TPM. Dropping it closes it, and frees what it still has inside of the TPM.
pub(crate) struct Device {
    context: Context,
}

/// A connection that has a key.
pub(crate) struct LoadedKey {
    device: Device,
    /// Memory of this process: a persistent key takes no slot of the TPM between two commands.
    handle: KeyHandle,
    public: Public,
}

/// Handles are listed that many at a time.
const PAGE: u32 = 64;

impl Device {
    pub(crate) fn connect(tcti: &Tcti) -> Result<Self, TpmFault> {
        let context = Context::new(tcti.config()).map_err(TpmFault::at("the TPM was not reached"))?;
        Ok(Self { context })
    }

    /// The key at this handle, if there is one.
    pub(crate) fn load(mut self, handle: Handle) -> Result<Option<LoadedKey>, TpmFault> {
        let failed = TpmFault::at("the public key was not read");
        let wanted: TpmHandle = persistent(handle).map_err(&failed)?.into();
        let found = match self.context.tr_from_tpm_public(wanted).map_err(&failed) {
            Ok(found) => KeyHandle::from(found),
            Err(fault) if fault.cause() == Cause::Missing => return Ok(None),
            Err(fault) => return Err(fault),
        };
        let (public, _, _) = self.context.read_public(found).map_err(failed)?;
        Ok(Some(self.with(found, public)))
    }

    /// Whether there is a key at this handle.
    pub(crate) fn has(&mut self, handle: Handle) -> Result<bool, TpmFault> {
        let (taken, _) = self.taken(handle, 1)?;
        Ok(taken.first() == Some(&handle.value()))
    }

    /// The first handle that has no key, from the first of ours on.
    pub(crate) fn first_free(&mut self) -> Result<Handle, TpmFault> {
        let mut candidate = Handle::FIRST_OF_OURS;
        loop {
            let (taken, has_more) = self.taken(candidate, PAGE)?;
            let before = candidate;
            for taken in taken {
                match taken == candidate.value() {
                    true => candidate = candidate.next(),
                    false => return Ok(candidate),
                }
            }
            if !has_more || candidate == before {
                return Ok(candidate);
            }
        }
    }

    /// The handles from this one on that have something, in order; and whether there are more than that many.
    fn taken(&mut self, from: Handle, at_most: u32) -> Result<(Vec<u32>, bool), TpmFault> {
        let failed = TpmFault::at("the handles were not listed");
        let listed = self
            .context
            .get_capability(CapabilityType::Handles, from.value(), at_most);
        match listed.map_err(&failed)? {
            (CapabilityData::Handles(taken), has_more) => {
                Ok((taken.into_inner().into_iter().map(u32::from).collect(), has_more))
            }
            _ => Err(failed(wrong_answer())),
        }
    }

    /// Lets commands pass that need the owner of the TPM.
    pub(crate) fn authorize_owner(&mut self, auth: Option<&Secret>) -> Result<(), TpmFault> {
        let failed = TpmFault::at("the owner's auth value was not taken");
        let auth = auth_value(auth).map_err(&failed)?;
        self.context.tr_set_auth(ObjectHandle::Owner, auth).map_err(failed)
    }

    /// Makes a key that ends with this connection.
    pub(crate) fn create(
        &mut self,
        (curve, hash): (EccCurve, HashingAlgorithm),
        auth: Option<&Secret>,
    ) -> Result<(KeyHandle, Public), TpmFault> {
        let failed = TpmFault::at("the key was not made");
        let unique = [self.random()?, self.random()?];
        let public = template(curve, hash, unique, auth.is_some()).map_err(&failed)?;
        let auth = auth_value(auth).map_err(&failed)?;
        let made = self
            .context
            .execute_with_session(Some(AuthSession::Password), |context| {
                context.create_primary(Hierarchy::Owner, public, Some(auth), None, None, None)
            });
        let made = made.map_err(failed)?;
        Ok((made.key_handle, made.out_public))
    }

    /// Keeps a key that was made, at this handle.
    pub(crate) fn persist(&mut self, key: KeyHandle, handle: Handle) -> Result<KeyHandle, TpmFault> {
        let failed = TpmFault::at("the key was not made persistent");
        let place = Persistent::from(persistent(handle).map_err(&failed)?);
        let kept = self
            .context
            .execute_with_session(Some(AuthSession::Password), |context| {
                context.evict_control(Provision::Owner, key.into(), place)
            });
        kept.map(KeyHandle::from).map_err(failed)
    }

    /// Frees the slot of a key that was made: a TPM has three of them.
    pub(crate) fn flush(&mut self, key: KeyHandle) -> Result<(), TpmFault> {
        let failed = TpmFault::at("the key was not flushed");
        self.context.flush_context(key.into()).map_err(failed)
    }

    /// The connection with a key that it has made persistent.
    pub(crate) fn with(self, handle: KeyHandle, public: Public) -> LoadedKey {
        LoadedKey {
            device: self,
            handle,
            public,
        }
    }

    /// 32 random bytes of the TPM.
    fn random(&mut self) -> Result<EccParameter, TpmFault> {
        let failed = TpmFault::at("the TPM gave no randomness");
        let bytes = self.context.get_random(32).map_err(&failed)?;
        // A TPM may give less than it was asked for.
        match bytes.len() {
            32 => EccParameter::try_from(bytes.value()).map_err(failed),
            _ => Err(failed(wrong_answer())),
        }
    }
}

impl LoadedKey {
    /// What the TPM says of the key.
    pub(crate) const fn public(&self) -> &Public {
        &self.public
    }

    /// A nonce out of the TPM.
    pub(crate) fn nonce(&mut self) -> Result<[u8; 32], TpmFault> {
        let bytes = self.device.random()?;
        let failed = TpmFault::at("the TPM gave no randomness");
        bytes.value().try_into().map_err(|_| failed(wrong_answer()))
    }

    /// Takes the auth value that is sent with every signature; none is an empty one.
    pub(crate) fn authorize(&mut self, auth: Option<&Secret>) -> Result<(), TpmFault> {
        let failed = TpmFault::at("the auth value was not taken");
        let auth = auth_value(auth).map_err(&failed)?;
        self.device
            .context
            .tr_set_auth(self.handle.into(), auth)
            .map_err(failed)
    }

    /// Signs a digest: the two integers, which are empty if the TPM answers with another kind of signature.
    pub(crate) fn sign(&mut self, digest: &[u8], hash: HashingAlgorithm) -> Result<[EccParameter; 2], TpmFault> {
        let failed = TpmFault::at("nothing was signed");
        let digest = Digest::try_from(digest).map_err(&failed)?;
        let ticket = no_ticket().map_err(&failed)?;
        let key = self.handle;
        let signature = self
            .device
            .context
            .execute_with_session(Some(AuthSession::Password), |context| {
                context.sign(key, digest, scheme_of(hash), ticket)
            });
        match signature.map_err(failed)? {
            Signature::EcDsa(signature) if signature.hashing_algorithm() == hash => {
                Ok([signature.signature_r().clone(), signature.signature_s().clone()])
            }
            _ => Ok([EccParameter::default(), EccParameter::default()]),
        }
    }
}

fn persistent(handle: Handle) -> Result<PersistentTpmHandle, Error> {
    PersistentTpmHandle::new(handle.value())
}

fn auth_value(auth: Option<&Secret>) -> Result<Auth, Error> {
    auth.map_or_else(|| Ok(Auth::default()), |auth| Auth::try_from(auth.expose()))
}

/// The proof that the TPM itself has hashed the message: there is none, since it gets the digest only.
fn no_ticket() -> Result<HashcheckTicket, Error> {
    HashcheckTicket::try_from(TPMT_TK_HASHCHECK {
        tag: TPM2_ST_HASHCHECK,
        hierarchy: TPM2_RH_NULL,
        digest: Default::default(),
    })
}

const fn wrong_answer() -> Error {
    Error::WrapperError(WrapperErrorKind::WrongValueFromTpm)
}
