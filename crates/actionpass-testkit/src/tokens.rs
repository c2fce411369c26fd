//! Any token at all, signed by a fixture key: what honest signers would never write.

use actionpass_crypto::conformance::block_on;
use actionpass_crypto::{dangerous, sign_document};
use actionpass_model::SignedDocument;
use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::Value;

use crate::fixtures::FixtureKey;

/// A token in the making, whose parts need not fit together.
///
/// ```
/// use actionpass_crypto::{JwsCode, Unverified};
/// use actionpass_model::PassClaims;
/// use actionpass_testkit::fixtures::{self, FixtureKey};
/// use actionpass_testkit::tokens::Forgery;
///
/// let token = Forgery::of(fixtures::PASS).with_header(r#"{"alg":"none"}"#).sign(FixtureKey::ISSUER);
/// let error = Unverified::<PassClaims>::parse(&token).unwrap_err();
/// assert_eq!(error.code(), JwsCode::HeaderNotAllowed);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Forgery {
    header: Vec<u8>,
    payload: Vec<u8>,
}

impl Forgery {
    /// Header and payload of a token, to be changed and signed anew.
    ///
    /// # Panics
    /// If the text isn't a compact JWS.
    #[must_use]
    pub fn of(token: &str) -> Self {
        let parts = dangerous::inspect(token).expect("what is forged is a token");
        Self {
            header: parts.header,
            payload: parts.payload,
        }
    }

    /// With these bytes as the header.
    #[must_use]
    pub fn with_header(mut self, header: impl AsRef<[u8]>) -> Self {
        self.header = header.as_ref().to_vec();
        self
    }

    /// With these bytes as the payload.
    #[must_use]
    pub fn with_payload(mut self, payload: impl AsRef<[u8]>) -> Self {
        self.payload = payload.as_ref().to_vec();
        self
    }

    /// With the member of the header changed, or removed by [`Value::Null`].
    #[must_use]
    pub fn with_header_member(mut self, name: &str, value: Value) -> Self {
        self.header = with_member(&self.header, &[name], value);
        self
    }

    /// With the claim at this path changed, or removed by [`Value::Null`].
    ///
    /// # Panics
    /// If there is no object that could hold it.
    #[must_use]
    pub fn with_claim(mut self, path: &[&str], value: Value) -> Self {
        self.payload = with_member(&self.payload, path, value);
        self
    }

    /// The claims.
    ///
    /// # Panics
    /// If the payload isn't JSON.
    #[must_use]
    pub fn claims(&self) -> Value {
        serde_json::from_slice(&self.payload).expect("the payload is JSON")
    }

    /// `header.payload`.
    #[must_use]
    pub fn signing_input(&self) -> String {
        format!("{}.{}", base64url(&self.header), base64url(&self.payload))
    }

    /// The token with a right signature of this key, whatever the header says.
    #[must_use]
    pub fn sign(&self, key: FixtureKey) -> String {
        let input = self.signing_input();
        let signature = key.sign_bytes(input.as_bytes());
        format!("{input}.{}", base64url(signature.as_bytes()))
    }

    /// The token with these bytes for a signature.
    #[must_use]
    pub fn with_signature(&self, signature: &[u8]) -> String {
        format!("{}.{}", self.signing_input(), base64url(signature))
    }
}

/// Signs a document as an honest signer would.
///
/// # Panics
/// If its claims contradict each other.
#[must_use]
pub fn sign<D: SignedDocument>(key: FixtureKey, document: &D) -> String {
    let signer = key.signer();
    block_on(sign_document(&signer, document))
        .expect("the claims can be signed")
        .into_string()
}

/// Unpadded base64url (RFC 4648 §5).
#[must_use]
pub fn base64url(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// Every path to a member or element that is neither an object nor an array, or is an empty one.
#[must_use]
pub fn leaves(value: &Value) -> Vec<Vec<String>> {
    fn walk(value: &Value, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
        let children: Vec<(String, &Value)> = match value {
            Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), value)).collect(),
            Value::Array(elements) => elements
                .iter()
                .enumerate()
                .map(|(index, value)| (index.to_string(), value))
                .collect(),
            _ => Vec::new(),
        };
        if children.is_empty() {
            found.push(path.clone());
        }
        for (name, child) in children {
            path.push(name);
            walk(child, path, found);
            path.pop();
        }
    }
    let mut found = Vec::new();
    walk(value, &mut Vec::new(), &mut found);
    found
}

/// The place of a path of member names and indexes within a value.
pub fn at<'a, S: AsRef<str>>(value: &'a mut Value, path: &[S]) -> Option<&'a mut Value> {
    path.iter().try_fold(value, |value, step| match value {
        Value::Array(elements) => elements.get_mut(step.as_ref().parse::<usize>().ok()?),
        Value::Object(members) => members.get_mut(step.as_ref()),
        _ => None,
    })
}

fn with_member(json: &[u8], path: &[&str], value: Value) -> Vec<u8> {
    let mut whole: Value = serde_json::from_slice(json).expect("what is changed is JSON");
    let (name, holder) = path.split_last().expect("a path names a member");
    let members = at(&mut whole, holder)
        .and_then(Value::as_object_mut)
        .expect("the path leads to an object");
    if value.is_null() {
        members.remove(*name);
    } else {
        members.insert((*name).to_owned(), value);
    }
    serde_json::to_vec(&whole).expect("JSON can be written")
}
