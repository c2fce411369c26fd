//! Keys in AWS KMS, as ActionPass signers.
//!
//! ```no_run
//! use actionpass_aws_kms::AwsKms;
//! use actionpass_custody::{Custodian, KeyUri, NoSecrets};
//!
//! let uri: KeyUri = "awskms:alias/pass".parse()?;
//! let key = AwsKms::new().open(&uri, &NoSecrets)?;
//! println!("{} is {}", key.uri, key.signer.public_key().kid());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A key is `awskms:ID`, `awskms:alias/NAME` or `awskms:ARN`, with the attributes `region`, `endpoint` and `message`. An
//! alias may lead to another key tomorrow: the answer's URI has the ARN. ES256, ES384 and Ed25519, by keys of the specs
//! `ECC_NIST_P256`, `ECC_NIST_P384` and `ECC_NIST_EDWARDS25519`.
//!
//! Region, endpoint and credentials come from where the AWS SDK looks for them when a key is opened: variables
//! (`AWS_REGION`, `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` …), profiles, web identities, containers and machines. Profiles of
//! the kind `sso` are left out: they would bring a second TLS along.

mod fault;
mod kms;
mod place;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use actionpass_crypto::Algorithm;
use actionpass_custody::{
    Custodian, CustodianError, KeyUri, OpenKey, Secret, SecretKind, Secrets, Timeouts, bounded, random_name,
};

use crate::fault::{Fault, Kind};
use crate::kms::{Kms, KmsKey, key_spec};
use crate::place::{Arn, Message, Name, Place, is_endpoint};

/// The scheme of its URIs, and its name.
const SCHEME: &str = "awskms";

/// Calls that are made at a time.
const CONNECTIONS: usize = 4;

/// Keys in AWS KMS.
#[derive(Clone, Debug)]
pub struct AwsKms {
    endpoint: Option<String>,
    region: Option<String>,
    access_key: Option<(String, Arc<Secret>)>,
    message: Message,
    timeouts: Timeouts,
}

impl AwsKms {
    /// The account and region that the SDK finds when a key is opened.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            endpoint: None,
            region: None,
            access_key: None,
            message: Message::Digest,
            timeouts: Timeouts::new(),
        }
    }

    /// This endpoint, for URIs that name none: `https://HOST:PORT`, or `http` for one on this machine.
    #[must_use]
    pub fn with_endpoint(mut self, url: &str) -> Self {
        self.endpoint = Some(url.to_owned());
        self
    }

    /// This region, for URIs that name none.
    #[must_use]
    pub fn with_region(mut self, region: &str) -> Self {
        self.region = Some(region.to_owned());
        self
    }

    /// The id of an access key and its secret, instead of what the SDK finds.
    #[must_use]
    pub fn with_access_key(mut self, id: &str, secret: Secret) -> Self {
        self.access_key = Some((id.to_owned(), Arc::new(secret)));
        self
    }

    /// Sends whole messages instead of their hashes, for URIs that don't say. KMS takes 4096 bytes at most, and some
    /// passes are longer: this is for imitations of KMS that get digests wrong.
    #[must_use]
    pub const fn with_raw_messages(mut self) -> Self {
        self.message = Message::Raw;
        self
    }

    /// How long KMS may take.
    #[must_use]
    pub const fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    fn place(&self, uri: &KeyUri) -> Result<Place, CustodianError> {
        let mut place = Place::parse(uri)?;
        place.region = place.region.or_else(|| self.region.clone());
        if self.endpoint.as_deref().is_some_and(|endpoint| !is_endpoint(endpoint)) {
            let fault = Fault::new(
                Kind::Refused,
                "the endpoint is not `https://HOST:PORT`, or `http` on this machine",
            );
            return Err(fault.into_custodian_error(uri));
        }
        Ok(place)
    }

    /// Does something that may take longer than it should, on a thread of its own: the SDK reads files, asks for names and
    /// wants to be the only runtime there.
    fn bounded(
        &self,
        work: impl FnOnce(&Self) -> Result<OpenKey, CustodianError> + Send + 'static,
    ) -> Result<OpenKey, CustodianError> {
        let custodian = self.clone();
        bounded(SCHEME, self.timeouts.opening, move |_| work(&custodian))
            .unwrap_or_else(|error| Err(CustodianError::unavailable(SCHEME, error)))
    }

    fn open_now(&self, uri: &KeyUri, place: &Place) -> Result<OpenKey, CustodianError> {
        let kms = self.connect(uri, place)?;
        let key = kms.describe(place).map_err(|fault| failed(&kms, fault, uri))?;
        let public = key.public.map_err(|source| CustodianError::Key {
            uri: uri.clone(),
            source,
        })?;
        let kms = Arc::new(kms);
        let connections = (0..CONNECTIONS)
            .map(|_| KmsKey {
                kms: Arc::clone(&kms),
                arn: key.arn.clone(),
                message: place.message.unwrap_or(self.message),
            })
            .collect();
        OpenKey::with_connections(place.exact(&key.arn), public, SCHEME, self.timeouts, connections)
    }

    fn connect(&self, uri: &KeyUri, place: &Place) -> Result<Kms, CustodianError> {
        let access_key = self.access_key.as_ref().map(|(id, secret)| (&**id, &**secret));
        Kms::connect(place, self.endpoint.as_deref(), access_key, self.timeouts.signing)
            .map_err(|fault| fault.into_custodian_error(uri))
    }

    fn generate_now(
        &self,
        uri: &KeyUri,
        place: &Place,
        alias: &str,
        algorithm: Algorithm,
    ) -> Result<OpenKey, CustodianError> {
        let spec = key_spec(algorithm).ok_or_else(|| not_generable("KMS has no such keys"))?;
        let kms = self.connect(uri, place)?;
        // Whoever takes a name away from a key of another kind breaks what uses that.
        let is_taken = match kms.describe(place) {
            Ok(key) if key.public.as_ref().is_ok_and(|key| key.algorithm() == algorithm) => true,
            Ok(_) => return Err(CustodianError::KeyExists { uri: uri.clone() }),
            Err(fault) if fault.kind() == Kind::Missing => false,
            Err(fault) => return Err(failed(&kms, fault, uri)),
        };
        let arn = kms
            .create(spec, &format!("ActionPass: {alias}"))
            .map_err(|fault| failed(&kms, fault, uri))?;
        let named = if is_taken {
            kms.rename(alias, &arn)
        } else {
            kms.name(alias, &arn)
        };
        named.map_err(|fault| {
            // Nobody else knows of the new key.
            let message = format!("{} was made, but not named {alias}: {fault}", arn.as_str());
            let kind = if fault.kind() == Kind::Unavailable {
                Kind::Unavailable
            } else {
                Kind::Refused
            };
            Fault::new(kind, &message).into_custodian_error(uri)
        })?;
        self.open_new(uri, place, arn)
    }

    /// Opens a key that was made just now: for a moment, some of KMS doesn't know it.
    fn open_new(&self, uri: &KeyUri, place: &Place, arn: Arn) -> Result<OpenKey, CustodianError> {
        let place = Place {
            region: Some(arn.region().to_owned()),
            name: Name::Arn(arn),
            ..place.clone()
        };
        let start = Instant::now();
        loop {
            match self.open_now(uri, &place) {
                Err(CustodianError::KeyMissing { .. }) if start.elapsed() < Duration::from_secs(3) => {
                    thread::sleep(Duration::from_millis(200));
                }
                outcome => return outcome,
            }
        }
    }
}

impl Custodian for AwsKms {
    fn schemes(&self) -> &'static [&'static str] {
        &[SCHEME]
    }

    /// Needs `kms:GetPublicKey`; its signatures need `kms:Sign`.
    fn open(&self, uri: &KeyUri, _: &dyn Secrets) -> Result<OpenKey, CustodianError> {
        let place = self.place(uri)?;
        let uri = uri.clone();
        self.bounded(move |custodian| custodian.open_now(&uri, &place))
    }

    /// Makes a key and gives it the alias of the URI, or leads the alias from a key of the same kind to the new one. The
    /// old key stays.
    fn generate(&self, uri: &KeyUri, algorithm: Algorithm, _: &dyn Secrets) -> Result<OpenKey, CustodianError> {
        let place = self.place(uri)?;
        let Name::Alias(alias) = place.name.clone() else {
            return Err(not_generable(
                "KMS chooses the ids of its keys; name an `alias/NAME` for the new one",
            ));
        };
        if alias.starts_with("alias/aws/") {
            return Err(not_generable(
                "aliases that start with `alias/aws/` are those of AWS itself",
            ));
        }
        let uri = uri.clone();
        self.bounded(move |custodian| custodian.generate_now(&uri, &place, &alias, algorithm))
    }

    /// Under the same alias, which then leads to the new key; for a key that is named by its id or ARN, under an alias of its
    /// own.
    fn beside(&self, uri: &KeyUri) -> Result<KeyUri, CustodianError> {
        Ok(Place::parse(uri)?.beside(&random_name(uri)?))
    }
}

/// The error of a call, or of what was missing to make it.
fn failed(kms: &Kms, fault: Fault, uri: &KeyUri) -> CustodianError {
    if fault.kind() == Kind::Unavailable && kms.lacks_credentials() {
        return CustodianError::SecretMissing {
            uri: uri.clone(),
            kind: SecretKind::Token,
            hint: "set AWS_PROFILE, or AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY, or give this machine a role",
        };
    }
    fault.into_custodian_error(uri)
}

fn not_generable(problem: &str) -> CustodianError {
    CustodianError::not_generable(SCHEME, problem)
}

impl Default for AwsKms {
    fn default() -> Self {
        Self::new()
    }
}
