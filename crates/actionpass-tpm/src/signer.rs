//! [`Connection`]: signs with one key, and reconnects.

use std::sync::Arc;

use actionpass_crypto::{PublicKey, SignError, Signature, SigningInput};
use actionpass_custody::{BlockingKey, Secret};
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::structures::EccParameter;

use crate::device::{Device, LoadedKey};
use crate::fault::{Cause, TpmFault};
use crate::public::{describe, parameters_of};
use crate::tcti::Tcti;
use crate::uri::{Handle, TPM};

/// The one connection of a signer.
pub(crate) struct Connection {
    pub(crate) tcti: Tcti,
    pub(crate) handle: Handle,
    pub(crate) public: PublicKey,
    pub(crate) auth: Option<Arc<Secret>>,
    /// Absent after the connection was lost.
    pub(crate) key: Option<LoadedKey>,
}

impl BlockingKey for Connection {
    fn sign(&mut self, input: &SigningInput) -> Result<Signature, SignError> {
        let hash = parameters_of(input.algorithm()).map(|(_, hash)| hash);
        let (Some(hash), Some(digest)) = (hash, input.prehash()) else {
            return Err(SignError::WrongKey);
        };
        let [r, s] = self.integers(&digest, hash)?;
        Signature::from_integers(input.algorithm(), &r, &s).map_err(|source| SignError::SignatureMalformed {
            custodian: TPM.into(),
            source,
        })
    }
}

impl Connection {
    /// Signs, and reconnects once if the connection turns out to be lost.
    fn integers(&mut self, digest: &[u8], hash: HashingAlgorithm) -> Result<[EccParameter; 2], SignError> {
        if let Some(key) = &mut self.key {
            match key.sign(digest, hash) {
                Err(fault) if fault.cause() == Cause::Lost => self.key = None,
                answer => return answer.map_err(SignError::from),
            }
        }
        tracing::info!(custodian = TPM, "the connection is lost: making another");
        let mut key = self.connect()?;
        let signed = key.sign(digest, hash);
        if signed.as_ref().map_err(TpmFault::cause) != Err(Cause::Lost) {
            self.key = Some(key);
        }
        Ok(signed?)
    }

    fn connect(&self) -> Result<LoadedKey, SignError> {
        let Some(mut key) = Device::connect(&self.tcti)?.load(self.handle)? else {
            return Err(SignError::refused(TPM, "the key is gone"));
        };
        // Whoever cleared the TPM may have put another key there.
        if !describe(key.public()).is_ok_and(|found| found.public == self.public) {
            return Err(SignError::refused(TPM, "there is another key at the handle by now"));
        }
        key.authorize(self.auth.as_deref())?;
        Ok(key)
    }
}
