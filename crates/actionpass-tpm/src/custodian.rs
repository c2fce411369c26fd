//! [`Tpm`]: opens and makes keys.

use std::sync::Arc;
use std::time::Duration;

use actionpass_crypto::{Algorithm, SigningInput};
use actionpass_custody::{
    Abandoned, Custodian, CustodianError, KeyUri, OpenKey, Secret, SecretKind, Secrets, Timeouts, bounded,
};
use tss_esapi::handles::KeyHandle;
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::interface_types::ecc::EccCurve;

use crate::device::{Device, LoadedKey};
use crate::fault::{Cause, TpmFault};
use crate::public::{Described, describe, parameters_of};
use crate::signer::Connection;
use crate::tcti::Tcti;
use crate::uri::{Address, Handle, Place, TPM, malformed};

/// Keys in a TPM 2.0: `tpm:0x81010001`.
#[derive(Debug)]
pub struct Tpm {
    tcti: Option<Box<str>>,
    auth: Option<Arc<Secret>>,
    owner_auth: Option<Arc<Secret>>,
    timeouts: Timeouts,
}

const AUTH: &str = "ACTIONPASS_TPM_AUTH";
const OWNER_AUTH: &str = "ACTIONPASS_TPM_OWNER_AUTH";
const AUTH_HINT: &str = "ACTIONPASS_TPM_AUTH holds it, or it is asked for";

/// An auth value is no longer than the digest of the key's name, SHA-256 for keys made here (part 1, §19.6.4.3).
const MAX_AUTH_BYTES: usize = 32;

/// How often the next free handle is looked for, if others take it first.
const ATTEMPTS: usize = 8;

impl Tpm {
    /// The TPM that a URI names, else the one that the environment does when a key is opened. A signature may take 5
    /// seconds, opening a key 10.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            tcti: None,
            auth: None,
            owner_auth: None,
            timeouts: Timeouts::new(),
        }
    }

    /// The TPM of URIs that name none, instead of the environment's: `device:/dev/tpmrm0`.
    #[must_use]
    pub fn with_tcti(mut self, tcti: &str) -> Self {
        self.tcti = Some(tcti.into());
        self
    }

    /// The auth value of the keys, instead of `ACTIONPASS_TPM_AUTH` and of asking.
    #[must_use]
    pub fn with_auth(mut self, auth: Secret) -> Self {
        self.auth = Some(Arc::new(auth));
        self
    }

    /// The auth value of the owner hierarchy, which makes keys, instead of `ACTIONPASS_TPM_OWNER_AUTH`. Without either it
    /// is empty, as it is on most machines.
    #[must_use]
    pub fn with_owner_auth(mut self, auth: Secret) -> Self {
        self.owner_auth = Some(Arc::new(auth));
        self
    }

    /// How long the TPM may take.
    #[must_use]
    pub const fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    fn tcti(&self, address: &Address) -> Result<Tcti, CustodianError> {
        if let Some(tcti) = &address.tcti {
            return Ok(tcti.clone());
        }
        let chosen = match &self.tcti {
            Some(text) => Tcti::parse(text).map_err(|problem| ("", problem)),
            None => Tcti::from_environment(),
        };
        chosen.map_err(|(variable, problem)| {
            let separator = if variable.is_empty() { "" } else { ": " };
            CustodianError::unavailable(TPM, format!("{variable}{separator}{problem}"))
        })
    }

    /// What opens a key, if it was given beforehand.
    fn given_auth(&self) -> Option<Arc<Secret>> {
        let given = self.auth.clone();
        given.or_else(|| Secret::from_variable(AUTH).map(Arc::new))
    }

    /// Finds what the key's auth value is, and tries it where that is harmless.
    ///
    /// A TPM counts wrong values for keys that it protects against guessing, and locks all of them after a few. So an
    /// empty value is tried only where guesses aren't counted, and one that somebody gave, once.
    fn unlock(
        &self,
        key: LoadedKey,
        described: &Described,
        uri: &KeyUri,
        secrets: &dyn Secrets,
    ) -> Result<(LoadedKey, Option<Arc<Secret>>), CustodianError> {
        if let Some(auth) = self.given_auth() {
            return self.unlock_with(key, described, auth);
        }
        let mut key = key;
        if described.may_guess {
            let (tried, outcome) = self.try_auth(key, described, None)?;
            match outcome {
                Ok(()) => return Ok((tried, None)),
                Err(fault) if fault.cause() == Cause::Auth => key = tried,
                Err(fault) => return Err(fault.into()),
            }
        }
        match ask(secrets, uri) {
            Some(auth) => self.unlock_with(key, described, auth),
            None if described.may_guess => Err(CustodianError::SecretMissing {
                uri: uri.clone(),
                kind: SecretKind::Pin,
                hint: AUTH_HINT,
            }),
            None => Ok((key, None)),
        }
    }

    fn unlock_with(
        &self,
        key: LoadedKey,
        described: &Described,
        auth: Arc<Secret>,
    ) -> Result<(LoadedKey, Option<Arc<Secret>>), CustodianError> {
        let (key, outcome) = self.try_auth(key, described, Some(Arc::clone(&auth)))?;
        outcome?;
        Ok((key, Some(auth)))
    }

    /// Signs a probe: nothing else shows whether the auth value is right.
    fn try_auth(
        &self,
        mut key: LoadedKey,
        described: &Described,
        auth: Option<Arc<Secret>>,
    ) -> Result<(LoadedKey, Result<(), TpmFault>), CustodianError> {
        let public = described.public.clone();
        in_time(self.timeouts.opening, move |_| {
            key.authorize(auth.as_deref())?;
            let input = SigningInput::probe(&key.nonce()?, &public);
            let outcome = match (parameters_of(public.algorithm()), input.prehash()) {
                (Some((_, hash)), Some(digest)) => key.sign(&digest, hash).map(|_| ()),
                _ => Ok(()),
            };
            Ok::<_, TpmFault>((key, outcome))
        })
    }

    fn signer(
        &self,
        uri: KeyUri,
        (tcti, handle): (Tcti, Handle),
        described: Described,
        (key, auth): (LoadedKey, Option<Arc<Secret>>),
    ) -> Result<OpenKey, CustodianError> {
        let connection = Connection {
            tcti,
            handle,
            public: described.public.clone(),
            auth,
            key: Some(key),
        };
        OpenKey::with_connections(uri, described.public, TPM, self.timeouts, vec![connection])
    }
}

impl Default for Tpm {
    fn default() -> Self {
        Self::new()
    }
}

impl Custodian for Tpm {
    fn schemes(&self) -> &'static [&'static str] {
        &[TPM]
    }

    /// The auth value is asked for only if none was given, and if an empty one isn't known to do.
    fn open(&self, uri: &KeyUri, secrets: &dyn Secrets) -> Result<OpenKey, CustodianError> {
        let address = Address::parse(uri)?;
        let Place::At(handle) = address.place else {
            return Err(malformed(uri, "`next` is where a key is made, no key"));
        };
        let tcti = self.tcti(&address)?;
        let loaded = {
            let tcti = tcti.clone();
            in_time(self.timeouts.opening, move |_| Device::connect(&tcti)?.load(handle))?
        };
        let Some(key) = loaded else {
            return Err(CustodianError::KeyMissing { uri: uri.clone() });
        };
        let described = describe(key.public()).map_err(|unfit| unfit.into_error(uri))?;
        let unlocked = self.unlock(key, &described, uri, secrets)?;
        self.signer(address.exact(handle), (tcti, handle), described, unlocked)
    }

    /// Makes a primary key of the owner hierarchy at the handle, or at the first free one for `tpm:next`. With an auth
    /// value the TPM counts wrong guesses; without one, anybody who reaches the TPM signs.
    fn generate(&self, uri: &KeyUri, algorithm: Algorithm, secrets: &dyn Secrets) -> Result<OpenKey, CustodianError> {
        let address = Address::parse(uri)?;
        let Some(parameters) = parameters_of(algorithm) else {
            return Err(lacks(algorithm));
        };
        if let Place::At(handle) = address.place
            && !handle.is_for_owners()
        {
            return Err(malformed(uri, "handles from 0x81800000 on belong to the firmware"));
        }
        let tcti = self.tcti(&address)?;
        let auth = self.given_auth().or_else(|| ask(secrets, uri));
        if auth.as_ref().is_some_and(|auth| auth.expose().len() > MAX_AUTH_BYTES) {
            return Err(CustodianError::refused(TPM, "the auth value is longer than 32 bytes"));
        }
        let job = Generation {
            uri: uri.clone(),
            place: address.place,
            algorithm,
            parameters,
            auth: auth.clone(),
            owner_auth: self
                .owner_auth
                .clone()
                .or_else(|| Secret::from_variable(OWNER_AUTH).map(Arc::new)),
        };
        let (handle, key) = {
            let tcti = tcti.clone();
            in_time(self.timeouts.opening, move |abandoned| job.run(&tcti, abandoned))?
        };
        let described = describe(key.public()).map_err(|unfit| unfit.into_error(uri))?;
        self.signer(address.exact(handle), (tcti, handle), described, (key, auth))
    }

    /// `tpm:next`, in the same TPM.
    fn beside(&self, uri: &KeyUri) -> Result<KeyUri, CustodianError> {
        Ok(Address::parse(uri)?.next())
    }
}

/// A key that is being made.
struct Generation {
    uri: KeyUri,
    place: Place,
    algorithm: Algorithm,
    parameters: (EccCurve, HashingAlgorithm),
    auth: Option<Arc<Secret>>,
    owner_auth: Option<Arc<Secret>>,
}

impl Generation {
    fn run(&self, tcti: &Tcti, abandoned: &Abandoned) -> Result<(Handle, LoadedKey), CustodianError> {
        let mut device = Device::connect(tcti)?;
        if let Place::At(handle) = self.place
            && device.has(handle)?
        {
            return Err(self.exists());
        }
        device.authorize_owner(self.owner_auth.as_deref())?;
        let made = device.create(self.parameters, self.auth.as_deref());
        let (transient, public) = made.map_err(|fault| match fault.is_lack() {
            true => lacks(self.algorithm),
            false => fault.into(),
        })?;
        let kept = self.keep(&mut device, transient, abandoned);
        device.flush(transient)?;
        let (handle, kept) = kept?;
        let mut key = device.with(kept, public);
        key.authorize(self.auth.as_deref())?;
        Ok((handle, key))
    }

    fn keep(
        &self,
        device: &mut Device,
        key: KeyHandle,
        abandoned: &Abandoned,
    ) -> Result<(Handle, KeyHandle), CustodianError> {
        for _ in 0..ATTEMPTS {
            let handle = match self.place {
                Place::At(handle) => handle,
                Place::Next => device.first_free()?,
            };
            if !handle.is_for_owners() {
                break;
            }
            if abandoned.is_set() {
                return Err(CustodianError::unavailable(TPM, "nobody waits for the key any more"));
            }
            match device.persist(key, handle) {
                Ok(kept) => return Ok((handle, kept)),
                Err(fault) if fault.cause() != Cause::Taken => return Err(fault.into()),
                Err(_) if matches!(self.place, Place::At(_)) => return Err(self.exists()),
                Err(_) => {}
            }
        }
        Err(CustodianError::unavailable(TPM, "no handle is free"))
    }

    fn exists(&self) -> CustodianError {
        CustodianError::KeyExists { uri: self.uri.clone() }
    }
}

/// Does the work on a thread of its own: libtss2 waits without an end for a TPM that hangs.
fn in_time<T, E>(
    limit: Duration,
    work: impl FnOnce(&Abandoned) -> Result<T, E> + Send + 'static,
) -> Result<T, CustodianError>
where
    T: Send + 'static,
    E: Into<CustodianError> + Send + 'static,
{
    bounded(TPM, limit, work)
        .map_err(|error| CustodianError::unavailable(TPM, error))?
        .map_err(Into::into)
}

/// An empty answer is no auth value.
fn ask(secrets: &dyn Secrets, uri: &KeyUri) -> Option<Arc<Secret>> {
    let answer = secrets.ask(SecretKind::Pin, uri)?;
    (!answer.expose().is_empty()).then(|| Arc::new(answer))
}

fn lacks(algorithm: Algorithm) -> CustodianError {
    match algorithm {
        Algorithm::Ed25519 => CustodianError::not_generable(TPM, "no TPM 2.0 has Ed25519; take ES256"),
        _ => CustodianError::not_generable(TPM, &format!("this TPM has no keys for {algorithm}")),
    }
}
