//! The native half of the npm package `actionpass`: it converts strings, and nothing else. What people call is `lib/*.js`.
//!
//! A failure that is thrown has the JSON of [`actionpass_embed::Error`] as its message; `verify` and `consume`, which are
//! refused often, give it as a value behind a `!`, since an exception costs more than the refusal itself.
//!
//! Nothing here blocks libuv's threads: WebCrypto signs on them, and whoever waits for a signature there would wait for
//! ever. What blocks runs on tokio's.

mod issuer;
mod key;
mod verifier;

use actionpass_embed::{Action, BindingCode, Client, Error, approve, canonicalize, demo, hash, to_json};
use napi::bindgen_prelude::{Either, Uint8Array};
use napi_derive::napi;

use crate::key::NativeKey;

/// Raw JSON: text that the wrapper found well formed, or bytes as they were received.
pub(crate) type Raw = Either<String, Uint8Array>;

/// A copy, at once: what the program writes into its buffer afterwards changes nothing.
pub(crate) fn bytes(raw: Raw) -> Vec<u8> {
    match raw {
        Either::A(text) => text.into_bytes(),
        Either::B(bytes) => bytes.to_vec(),
    }
}

pub(crate) fn thrown(error: Error) -> napi::Error {
    // INVARIANT: an error of ours always has JSON.
    napi::Error::from_reason(to_json(&error).unwrap_or_default())
}

pub(crate) fn admitted(action: Raw) -> napi::Result<Action> {
    Action::admit(&bytes(action)).map_err(thrown)
}

/// Runs what blocks beside the threads that others wait for.
pub(crate) async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> napi::Result<T> {
    let done = napi::tokio::task::spawn_blocking(work).await;
    done.map_err(|error| thrown(Error::new(BindingCode::BindingFailed, error.to_string())))?
        .map_err(thrown)
}

#[napi(js_name = "hash")]
pub fn hash_of(json: Raw) -> napi::Result<String> {
    hash(&bytes(json)).map_err(thrown)
}

#[napi(js_name = "canonicalize")]
pub fn canonical_text(json: Raw) -> napi::Result<String> {
    canonicalize(&bytes(json)).map_err(thrown)
}

#[napi(js_name = "approve")]
pub async fn approve_action(action: Raw, key: &NativeKey, options: String) -> napi::Result<String> {
    let (action, key) = (admitted(action)?, key.0.clone());
    approve(action, key, &options).await.map_err(thrown)
}

#[napi]
pub fn demo_action() -> String {
    demo::ACTION.to_owned()
}

/// A client of the service.
#[napi]
#[derive(Debug)]
pub struct NativeClient(Client);

#[napi]
impl NativeClient {
    #[napi(constructor)]
    pub fn new(url: String, token: String) -> napi::Result<Self> {
        Client::new(&url, &token).map(Self).map_err(thrown)
    }

    #[napi]
    pub async fn ask(&self, method: String, options: String) -> napi::Result<String> {
        let client = self.0.clone();
        beside(move || client.ask(&method, &options)).await
    }
}
