//! [`Kms`]: the calls to the service, each bounded in time, made from threads that may block.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use actionpass_crypto::{Algorithm, KeyError, PublicKey, SignError, Signature, SigningInput};
use actionpass_custody::{BlockingKey, Secret};
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_kms::Client;
use aws_sdk_kms::config::{Config, ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{KeySpec, KeyUsageType, MessageType, SigningAlgorithmSpec};
use tokio::runtime::{Builder, Runtime};

use crate::SCHEME;
use crate::fault::{Fault, Kind};
use crate::place::{Arn, Message, Place};

/// KMS takes no longer message than this; of a longer one it takes the hash.
const MAX_RAW_BYTES: usize = 4096;

/// The service in one region, with the runtime that the SDK needs. Nothing of either shows outside of this crate.
#[derive(Debug)]
pub(crate) struct Kms {
    client: Client,
    credentials: Option<SharedCredentialsProvider>,
    /// One thread of it drives the connections, whoever waits for an answer.
    runtime: Runtime,
}

/// What KMS says about a key.
pub(crate) struct Description {
    pub(crate) arn: Arn,
    pub(crate) public: Result<PublicKey, KeyError>,
}

impl Kms {
    /// Reads what the SDK reads: variables, profiles, and the services that give roles to machines.
    pub(crate) fn connect(
        place: &Place,
        endpoint: Option<&str>,
        access_key: Option<(&str, &Secret)>,
        timeout: Duration,
    ) -> Result<Self, Fault> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(8)
            .thread_name("actionpass-awskms")
            .enable_all()
            .build()
            .map_err(|error| Fault::new(Kind::Unavailable, &format!("the runtime of the SDK: {error}")))?;
        let half = timeout.checked_div(2).unwrap_or(timeout);
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(3)
                    .with_initial_backoff(Duration::from_millis(100))
                    .with_max_backoff(Duration::from_secs(1)),
            )
            .timeout_config(
                // An attempt that hangs leaves time for another.
                TimeoutConfig::builder()
                    .connect_timeout(half)
                    .operation_attempt_timeout(half)
                    .operation_timeout(timeout)
                    .build(),
            );
        if let Some(region) = &place.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(endpoint) = place.endpoint.as_deref().or(endpoint) {
            loader = loader.endpoint_url(endpoint);
        }
        if let Some((id, secret)) = access_key {
            let secret = secret
                .expose_str()
                .ok_or_else(|| Fault::new(Kind::Refused, "the secret of the access key is not UTF-8"))?;
            loader = loader.credentials_provider(Credentials::new(id, secret, None, None, "given"));
        }
        let settings = runtime.block_on(loader.load());
        if settings.region().is_none() {
            return Err(Fault::new(
                Kind::Refused,
                "no region is given: AWS_REGION, the profile, or `region` in the URI names one",
            ));
        }
        Ok(Self {
            client: Client::new(&settings),
            credentials: settings.credentials_provider(),
            runtime,
        })
    }

    /// Waits for a call.
    fn call<T, E>(&self, call: impl Future<Output = Result<T, SdkError<E>>>) -> Result<T, Fault>
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        self.runtime.block_on(call).map_err(|error| Fault::of(&error))
    }

    /// Whether nothing lets us in: the SDK says so only behind a failure to send.
    pub(crate) fn lacks_credentials(&self) -> bool {
        let Some(provider) = &self.credentials else {
            return true;
        };
        let outcome = self.runtime.block_on(provider.provide_credentials());
        matches!(outcome, Err(CredentialsError::CredentialsNotLoaded(_)))
    }

    /// The public half of a key, and its ARN.
    pub(crate) fn describe(&self, place: &Place) -> Result<Description, Fault> {
        let answer = self.call(self.client.get_public_key().key_id(place.name.as_str()).send())?;
        let arn = match answer.key_id() {
            Some(text) if text.starts_with("arn:") => Arn::parse(text),
            // KMS gives the ARN. What imitates it may give the id only, and has to say more.
            Some(id) => self.arn_of(id)?,
            None => None,
        };
        let arn = arn.ok_or_else(|| Fault::new(Kind::Unavailable, "the answer names no key"))?;
        if !place.name.fits(&arn) {
            return Err(Fault::new(Kind::Unavailable, "the answer is about another key"));
        }
        let der = answer.public_key().map(Blob::as_ref).unwrap_or_default();
        let public = PublicKey::from_spki_der(der).and_then(|key| {
            let spec = key_spec(key.algorithm());
            let is_of_spec = answer.key_spec().is_none_or(|found| Some(found) == spec.as_ref());
            let signs = answer.key_usage() == Some(&KeyUsageType::SignVerify);
            (is_of_spec && signs).then_some(key).ok_or(KeyError::Unsupported)
        });
        Ok(Description { arn, public })
    }

    fn arn_of(&self, id: &str) -> Result<Option<Arn>, Fault> {
        let answer = self.call(self.client.describe_key().key_id(id).send())?;
        let arn = answer
            .key_metadata()
            .and_then(|metadata| metadata.arn())
            .and_then(Arn::parse);
        Ok(arn.filter(|arn| arn.resource().strip_prefix("key/") == Some(id)))
    }

    /// Makes a key, and gives its ARN.
    pub(crate) fn create(&self, spec: KeySpec, description: &str) -> Result<Arn, Fault> {
        let call = self
            .client
            .create_key()
            .key_spec(spec)
            .key_usage(KeyUsageType::SignVerify)
            .description(description)
            .customize()
            // Sent twice, it would make two.
            .config_override(Config::builder().retry_config(RetryConfig::disabled()))
            .send();
        let answer = self.call(call)?;
        let arn = answer
            .key_metadata()
            .and_then(|metadata| metadata.arn())
            .and_then(Arn::parse);
        arn.filter(Arn::is_key)
            .ok_or_else(|| Fault::new(Kind::Unavailable, "the answer names no key"))
    }

    /// Gives a new name to a key.
    pub(crate) fn name(&self, alias: &str, key: &Arn) -> Result<(), Fault> {
        let call = self.client.create_alias().alias_name(alias).target_key_id(key.as_str());
        self.call(call.send()).map(drop)
    }

    /// Leads a name to another key.
    pub(crate) fn rename(&self, alias: &str, key: &Arn) -> Result<(), Fault> {
        let call = self.client.update_alias().alias_name(alias).target_key_id(key.as_str());
        self.call(call.send()).map(drop)
    }

    fn sign(&self, key: &Arn, message: Message, input: &SigningInput) -> Result<Vec<u8>, SignError> {
        let algorithm = input.algorithm();
        let spec = signing_algorithm(algorithm).ok_or_else(|| Fault::new(Kind::Refused, "KMS has no such algorithm"));
        let spec = spec.map_err(Fault::into_sign_error)?;
        let (kind, bytes) = match input.prehash() {
            Some(hash) if message == Message::Digest => (MessageType::Digest, hash.into_vec()),
            _ if input.as_bytes().len() > MAX_RAW_BYTES => {
                let problem = if algorithm.is_ecdsa() {
                    "the message is longer than the 4096 bytes that KMS takes raw: sign its digest, without `message=raw`"
                } else {
                    "the message is longer than the 4096 bytes that KMS signs with Ed25519: use a key of P-256 or P-384"
                };
                return Err(Fault::new(Kind::Refused, problem).into_sign_error());
            }
            _ => (MessageType::Raw, input.as_bytes().to_vec()),
        };
        let call = self
            .client
            .sign()
            .key_id(key.as_str())
            .message_type(kind)
            .message(Blob::new(bytes))
            .signing_algorithm(spec.clone());
        let answer = self.call(call.send()).map_err(Fault::into_sign_error)?;
        if answer.key_id() != Some(key.as_str()) || answer.signing_algorithm() != Some(&spec) {
            // It may well be a signature, but not by this key in this way.
            return Err(SignError::SelfCheckFailed {
                custodian: SCHEME.into(),
            });
        }
        Ok(answer.signature.map(Blob::into_inner).unwrap_or_default())
    }
}

/// One key, for one thread.
pub(crate) struct KmsKey {
    pub(crate) kms: Arc<Kms>,
    pub(crate) arn: Arn,
    pub(crate) message: Message,
}

impl BlockingKey for KmsKey {
    fn sign(&mut self, input: &SigningInput) -> Result<Signature, SignError> {
        let bytes = self.kms.sign(&self.arn, self.message, input)?;
        let signature = if input.algorithm().is_ecdsa() {
            Signature::from_der(input.algorithm(), &bytes)
        } else {
            Signature::from_bytes(input.algorithm(), &bytes)
        };
        signature.map_err(|source| SignError::SignatureMalformed {
            custodian: SCHEME.into(),
            source,
        })
    }
}

/// The keys that KMS has for an algorithm.
pub(crate) fn key_spec(algorithm: Algorithm) -> Option<KeySpec> {
    match algorithm {
        Algorithm::Es256 => Some(KeySpec::EccNistP256),
        Algorithm::Es384 => Some(KeySpec::EccNistP384),
        Algorithm::Ed25519 => Some(KeySpec::EccNistEdwards25519),
        // Algorithms that later releases of -crypto may have.
        _ => None,
    }
}

fn signing_algorithm(algorithm: Algorithm) -> Option<SigningAlgorithmSpec> {
    match algorithm {
        Algorithm::Es256 => Some(SigningAlgorithmSpec::EcdsaSha256),
        Algorithm::Es384 => Some(SigningAlgorithmSpec::EcdsaSha384),
        Algorithm::Ed25519 => Some(SigningAlgorithmSpec::Ed25519Sha512),
        _ => None,
    }
}
