//! [`SigningKey`]: a private key wherever it is, also with the program that the library is embedded in.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actionpass::crypto::{Algorithm, PublicKey, Residence, SignError, SignFuture, Signature, Signer, SigningInput};
use actionpass::custody::{KeyUri, Secret, SecretKind, Secrets, within};
use actionpass_custodians::{Custodians, SecretSource};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::{RecoveryId, VerifyingKey};
use p256::pkcs8::EncodePublicKey as _;

use crate::trust;
use crate::{BindingCode, Error};

/// How long a foreign signer may take for what nothing else bounds.
pub(crate) const SIGNING_TIME: Duration = Duration::from_secs(10);

/// What a [`ForeignSigner`] gives: the signature as it stands in a JWS, or why there is none, in words without secrets.
pub type ForeignSignature = Pin<Box<dyn Future<Output = Result<Vec<u8>, String>> + Send>>;

/// A signer of another language: a callback, a key of WebCrypto, an object of a Python library.
///
/// # Contract
/// - It signs exactly these bytes: the `header.payload` of a compact JWS. ES256 and ES384 hash them first, and give `r` and `s`
///   as 64 or 96 bytes (RFC 7518 §3.4), not DER.
/// - The future may take its time, which callers bound; it may be dropped.
/// - Whatever it gives is verified with its public key before it is used, so a wrong one makes no token.
pub trait ForeignSigner: Send + Sync {
    /// Signs.
    fn sign(&self, input: Vec<u8>) -> ForeignSignature;
}

/// A private key that signs passes or approvals, wherever it is. Nothing here gives it away.
#[derive(Clone, Debug)]
pub struct SigningKey(Arc<dyn Signer>);

struct Foreign {
    public: PublicKey,
    custodian: Box<str>,
    signer: Arc<dyn ForeignSigner>,
}

/// A passphrase from where its source says.
pub(crate) struct Named(pub(crate) Option<SecretSource>);

impl Secrets for Named {
    fn ask(&self, kind: SecretKind, _: &KeyUri) -> Option<Secret> {
        // Why it can't be read is told by the key that it doesn't open: its passphrase is missing.
        (kind == SecretKind::Passphrase)
            .then(|| self.0.as_ref()?.read().ok())
            .flatten()
    }
}

impl SigningKey {
    /// The key at a URI: `file:`, `env:`, and of this build `pkcs11:`, `awskms:`, `vault:`, `tpm:`, `ssh-agent:`. `passphrase`
    /// names what keeps the passphrase of an encrypted file: `file:PATH`, `env:NAME`, `keyring:NAME`. Blocks while the custodian
    /// is asked.
    ///
    /// # Errors
    /// What the custodian says.
    pub fn open(uri: &str, passphrase: Option<&str>) -> Result<Self, Error> {
        let uri: KeyUri = KeyUri::parse(uri).map_err(|error| Error::argument("signingKey", error))?;
        let source = passphrase.map(SecretSource::parse).transpose()?;
        Ok(Self(Custodians::standard().open(&uri, &Named(source))?.signer))
    }

    /// The key of a foreign signer. `public_key` is its public half, a JWK or PEM; `custodian` says in errors and logs what
    /// holds it, such as `webcrypto`.
    ///
    /// # Errors
    /// What is wrong with the public key or the name.
    pub fn foreign(public_key: &str, custodian: &str, signer: Arc<dyn ForeignSigner>) -> Result<Self, Error> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if custodian.is_empty() || custodian.len() > 64 || !custodian.bytes().all(is_name) {
            return Err(Error::argument(
                "custodian",
                "it is 1 to 64 letters, digits, `-`, `_` and `.`",
            ));
        }
        let public = trust::public_key("publicKey", public_key)?;
        Ok(Self(Arc::new(Foreign {
            public,
            custodian: custodian.into(),
            signer,
        })))
    }

    /// The public half as a JWK, with `kid` (RFC 7638) and `alg`.
    ///
    /// # Errors
    /// None.
    pub fn public_jwk(&self) -> Result<String, Error> {
        crate::to_json(&self.0.public_key().to_jwk())
    }

    /// The id of the key: its thumbprint (RFC 7638).
    #[must_use]
    pub fn kid(&self) -> &str {
        self.0.public_key().kid().as_str()
    }

    /// The signer.
    #[must_use]
    pub fn signer(&self) -> &Arc<dyn Signer> {
        &self.0
    }
}

impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Foreign")
            .field("public", &self.public)
            .field("custodian", &self.custodian)
            .finish_non_exhaustive()
    }
}

impl Signer for Foreign {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn custodian(&self) -> &str {
        &self.custodian
    }

    fn residence(&self) -> Residence {
        Residence::Outside
    }

    fn sign<'a>(&'a self, input: &'a SigningInput) -> SignFuture<'a> {
        Box::pin(async move {
            if input.kid() != self.public.kid() {
                return Err(SignError::WrongKey);
            }
            let signed = within(SIGNING_TIME, self.signer.sign(input.as_bytes().to_vec())).await;
            let custodian = || self.custodian.clone();
            let bytes = signed
                .ok_or_else(|| SignError::TimedOut { custodian: custodian() })?
                .map_err(|problem| SignError::unavailable(&self.custodian, problem))?;
            Signature::from_bytes(input.algorithm(), &bytes).map_err(|source| SignError::SignatureMalformed {
                custodian: custodian(),
                source,
            })
        })
    }
}

/// The public key of an ES256 signer that shows only signatures, as a private `CryptoKey` without its pair: as a JWK with `kid`.
///
/// An ECDSA signature fits a handful of public keys (SEC 1 §4.1.6); two signatures of one key have exactly one in common.
/// What is signed are two probes with fresh nonces and a `typ` that no document has.
///
/// # Errors
/// [`BindingCode::PublicKeyUnknown`] where the signatures are none of one P-256 key; what the signer says.
pub async fn recover_public_key(signer: Arc<dyn ForeignSigner>) -> Result<String, Error> {
    let first = candidates(&*signer).await?;
    let second = candidates(&*signer).await?;
    let mut common = first.iter().filter(|key| second.contains(key));
    let (Some(key), None) = (common.next(), common.next()) else {
        return Err(unknown("its signatures are none of one ES256 key"));
    };
    let der = key.to_public_key_der().map_err(|error| Error::internal(&error))?;
    crate::to_json(&PublicKey::from_spki_der(der.as_bytes())?.to_jwk())
}

async fn candidates(signer: &dyn ForeignSigner) -> Result<Vec<VerifyingKey>, Error> {
    let mut nonce = [0_u8; 32];
    getrandom::fill(&mut nonce).map_err(|error| Error::internal(&error))?;
    let header = format!(
        r#"{{"alg":"{}","typ":"actionpass-probe+jwt"}}"#,
        Algorithm::Es256.as_str()
    );
    let claims = format!(r#"{{"nonce":"{}"}}"#, URL_SAFE_NO_PAD.encode(nonce));
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let bytes = within(SIGNING_TIME, signer.sign(input.clone().into_bytes()))
        .await
        .ok_or_else(|| unknown("the signer did not answer in time"))?
        .map_err(|problem| unknown(&problem))?;
    let signature = p256::ecdsa::Signature::from_slice(&bytes)
        .map_err(|_| unknown("what it gave is no ES256 signature of 64 bytes"))?;
    let hash = *actionpass::canon::sha256(input.as_bytes()).as_bytes();
    let of = |id| VerifyingKey::recover_from_prehash(&hash, &signature, RecoveryId::from_byte(id)?).ok();
    Ok((0..4).filter_map(of).collect())
}

fn unknown(problem: &str) -> Error {
    Error::new(
        BindingCode::PublicKeyUnknown,
        format!("the public key of the signer isn't known: {problem}; hand over the public key too"),
    )
}
