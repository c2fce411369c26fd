//! Ways around the rules of this crate. Each says so in its path; none of them leads to a [`Verified`](super::Verified).

use super::header::{Header, HeaderRule};
use super::{JwsError, Parts};
use crate::PublicKey;
use crate::webauthn::Assertion;

/// A token's header and payload, decoded and not believed: for a person to look at.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Inspected {
    /// The bytes of the header. Anybody may have written them.
    pub header: Vec<u8>,
    /// The bytes of the payload. Anybody may have written them.
    pub payload: Vec<u8>,
    /// The assertion of a passkey, where the third part is one. Anybody may have written it.
    pub assertion: Option<Assertion>,
}

/// Decodes a token of any type without verifying anything.
///
/// # Errors
/// [`JwsError::TokenMalformed`].
pub fn inspect(token: &str) -> Result<Inspected, JwsError> {
    let parts = Parts::split(token)?;
    Ok(Inspected {
        header: parts.header().to_vec(),
        payload: parts.payload(),
        assertion: Assertion::from_part(&parts.signature()),
    })
}

/// Verifies a token of any type with this one key, and returns its payload: for published test suites, whose tokens
/// have no `typ` and often no `kid`.
///
/// All else is as strict as ever: the header has `alg`, perhaps `kid` and `typ`, and nothing more. `kid` is not
/// compared with anything.
///
/// # Errors
/// [`JwsError::TokenMalformed`], [`JwsError::HeaderNotAllowed`], [`JwsError::AlgorithmMismatch`] or
/// [`JwsError::SignatureInvalid`].
pub fn verify_published(token: &str, key: &PublicKey) -> Result<Vec<u8>, JwsError> {
    let mut parts = Parts::split(token)?;
    let header = Header::read(&mut parts, HeaderRule::PublishedSuite)?;
    if header.algorithm != Some(key.algorithm()) {
        return Err(JwsError::AlgorithmMismatch);
    }
    key.verify_bytes(parts.signing_input, &parts.signature())?;
    Ok(parts.payload())
}
