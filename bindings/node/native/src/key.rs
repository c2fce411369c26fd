//! Keys: at URIs, or JavaScript functions that sign.

use std::sync::Arc;

use actionpass_embed::{ForeignSignature, ForeignSigner, SigningKey, recover_public_key};
use napi::Status;
use napi::bindgen_prelude::{Either, Env, Function, Promise, PromiseRaw, Uint8Array};
use napi::threadsafe_function::ThreadsafeFunction;
use napi_derive::napi;

use crate::{beside, thrown};

/// What the wrapper's function gives: the signature, or in words why there is none. It never throws and never rejects.
type Signed = Promise<Either<Uint8Array, String>>;

/// Weak: a signer that nobody asks keeps no process alive.
type Asked = ThreadsafeFunction<Uint8Array, Signed, Uint8Array, Status, false, true>;

struct Callback(Arc<Asked>);

impl ForeignSigner for Callback {
    fn sign(&self, input: Vec<u8>) -> ForeignSignature {
        let function = Arc::clone(&self.0);
        Box::pin(async move {
            let words = |error: napi::Error| error.reason.clone();
            let signed = function
                .call_async_catch(Uint8Array::from(input))
                .await
                .map_err(words)?;
            match signed.await.map_err(words)? {
                Either::A(signature) => Ok(signature.to_vec()),
                Either::B(problem) => Err(problem),
            }
        })
    }
}

fn callback(function: &Function<'_, Uint8Array, Signed>) -> napi::Result<Arc<Callback>> {
    let function = function
        .build_threadsafe_function::<Uint8Array>()
        .callee_handled::<false>()
        .weak::<true>()
        .build()?;
    Ok(Arc::new(Callback(Arc::new(function))))
}

/// A signing key.
#[napi]
#[derive(Debug)]
pub struct NativeKey(pub(crate) SigningKey);

#[napi]
impl NativeKey {
    /// The key of a function that signs.
    #[napi(factory)]
    pub fn foreign(
        public_key: String,
        custodian: String,
        function: Function<'_, Uint8Array, Signed>,
    ) -> napi::Result<Self> {
        let signer = callback(&function)?;
        SigningKey::foreign(&public_key, &custodian, signer)
            .map(Self)
            .map_err(thrown)
    }

    #[napi]
    pub fn public_jwk(&self) -> napi::Result<String> {
        self.0.public_jwk().map_err(thrown)
    }
}

/// The key at a URI.
#[napi]
pub async fn open_key(uri: String, passphrase: Option<String>) -> napi::Result<NativeKey> {
    beside(move || SigningKey::open(&uri, passphrase.as_deref()).map(NativeKey)).await
}

/// The public key, as a JWK, of a function that signs.
#[napi]
pub fn recover<'env>(
    function: Function<'_, Uint8Array, Signed>,
    env: &'env Env,
) -> napi::Result<PromiseRaw<'env, String>> {
    let signer = callback(&function)?;
    env.spawn_future(async move { recover_public_key(signer as _).await.map_err(thrown) })
}
