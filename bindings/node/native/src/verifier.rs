//! Executors: trust, verifiers, replay stores.

use actionpass_embed::{Action, Call, Error, ReplayStore, Trust, Verified, Verifier, demo, verdict};
use napi_derive::napi;

use crate::{Raw, admitted, beside, bytes, thrown};

/// The verdict as text: refusals are frequent.
fn told(settled: &Result<Verified, Error>) -> napi::Result<String> {
    verdict(settled).map_err(thrown)
}

/// A call: a whole action, or the head of one in JSON and its payload.
fn call(head: Option<String>, raw: Raw) -> Result<Call, Error> {
    let raw = bytes(raw);
    match head {
        Some(head) => Call::parts(&head, &raw),
        None => Ok(Call::action(&Action::admit(&raw)?)),
    }
}

/// Whom to believe.
#[napi]
#[derive(Debug)]
pub struct NativeTrust(pub(crate) Trust);

#[napi]
impl NativeTrust {
    #[napi(factory)]
    pub fn parse(json: Raw) -> napi::Result<Self> {
        Trust::parse(&bytes(json)).map(Self).map_err(thrown)
    }

    #[napi(factory)]
    pub fn of(keys: String) -> napi::Result<Self> {
        Trust::of(&keys).map(Self).map_err(thrown)
    }

    #[napi(factory)]
    pub fn watch(path: String) -> napi::Result<Self> {
        Trust::watch(&path).map(Self).map_err(thrown)
    }

    #[napi]
    pub fn version(&self) -> napi::Result<i64> {
        let version = self.0.version().map_err(thrown)?;
        // INVARIANT: versions are below 2^53.
        Ok(i64::try_from(version).unwrap_or(i64::MAX))
    }

    #[napi(js_name = "toJSONText")]
    pub fn text(&self) -> napi::Result<String> {
        self.0.to_json().map_err(thrown)
    }
}

/// Which passes were used.
#[napi]
#[derive(Debug)]
pub struct NativeReplayStore(pub(crate) ReplayStore);

#[napi]
impl NativeReplayStore {
    #[napi(factory)]
    pub fn memory(options: String) -> napi::Result<Self> {
        ReplayStore::memory(&options).map(Self).map_err(thrown)
    }
}

/// The store in a file.
#[napi]
pub async fn open_replay_store(path: String, options: String) -> napi::Result<NativeReplayStore> {
    beside(move || ReplayStore::sqlite(&path, &options).map(NativeReplayStore)).await
}

/// What an executor accepts.
#[napi]
#[derive(Debug)]
pub struct NativeVerifier(Verifier);

#[napi]
impl NativeVerifier {
    #[napi(constructor)]
    pub fn new(options: String, trust: &NativeTrust) -> napi::Result<Self> {
        Verifier::new(&options, trust.0.clone()).map(Self).map_err(thrown)
    }

    #[napi]
    pub fn verify(&self, token: String, head: Option<String>, raw: Raw) -> napi::Result<String> {
        told(&call(head, raw).and_then(|call| self.0.verify(&token, &call)))
    }

    #[napi]
    pub async fn consume(
        &self,
        token: String,
        head: Option<String>,
        raw: Raw,
        store: &NativeReplayStore,
    ) -> napi::Result<String> {
        let (verifier, store) = (self.0.clone(), store.0.clone());
        match call(head, raw) {
            Ok(call) => told(&verifier.consume(&token, &call, &store).await),
            Err(error) => told(&Err(error)),
        }
    }
}

/// The function `verifyActionPass`.
#[napi]
pub fn verify_action_pass(token: String, action: Raw, public_key: String, options: String) -> napi::Result<String> {
    told(&demo::verify(&token, &admitted(action)?, &public_key, &options))
}
