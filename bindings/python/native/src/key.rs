//! Keys: at URIs, or Python functions that sign.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::thread;

use actionpass_embed::{ForeignSignature, ForeignSigner, SigningKey};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::detached;

/// The wrapper's function: it gives the signature, or in words why there is none.
struct Callback(Arc<Py<PyAny>>);

/// What a thread that signs leaves for the one that waits.
#[derive(Default)]
struct Answer {
    signed: Option<Result<Vec<u8>, String>>,
    waiting: Option<Waker>,
}

impl ForeignSigner for Callback {
    /// Signs on a thread of its own: one that doesn't come back is left behind when the time is up.
    fn sign(&self, input: Vec<u8>) -> ForeignSignature {
        let function = Arc::clone(&self.0);
        let answer = Arc::new(Mutex::new(Answer::default()));
        let given = Arc::clone(&answer);
        let started = thread::Builder::new()
            .name("actionpass-signer".to_owned())
            .spawn(move || {
                let signed = Python::try_attach(|py| call(py, &function, &input))
                    .unwrap_or_else(|| Err("the interpreter has ended".to_owned()));
                let mut answer = given.lock().unwrap_or_else(PoisonError::into_inner);
                answer.signed = Some(signed);
                let waiting = answer.waiting.take();
                drop(answer);
                if let Some(waker) = waiting {
                    waker.wake();
                }
            });
        if let Err(error) = started {
            return Box::pin(async move { Err(error.to_string()) });
        }
        Box::pin(std::future::poll_fn(move |context| {
            let mut answer = answer.lock().unwrap_or_else(PoisonError::into_inner);
            match answer.signed.take() {
                Some(signed) => Poll::Ready(signed),
                None => {
                    answer.waiting = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        }))
    }
}

fn call(py: Python<'_>, function: &Py<PyAny>, input: &[u8]) -> Result<Vec<u8>, String> {
    let given = function
        .call1(py, (PyBytes::new(py, input),))
        .map_err(|error| error.to_string())?;
    let given = given.bind(py);
    if let Ok(signature) = given.cast::<PyBytes>() {
        return Ok(signature.as_bytes().to_vec());
    }
    Err(given.extract().unwrap_or_else(|_| "it gave no bytes".to_owned()))
}

/// A signing key.
#[pyclass(frozen)]
#[derive(Debug)]
pub(crate) struct NativeKey(pub(crate) SigningKey);

#[pymethods]
impl NativeKey {
    /// The key of a function that signs.
    #[staticmethod]
    fn foreign(py: Python<'_>, public_key: &str, custodian: &str, function: Py<PyAny>) -> PyResult<Self> {
        let signer = Arc::new(Callback(Arc::new(function)));
        detached(py, || SigningKey::foreign(public_key, custodian, signer).map(Self))
    }

    /// The key at a URI.
    #[staticmethod]
    #[pyo3(signature = (uri, passphrase=None))]
    fn open(py: Python<'_>, uri: &str, passphrase: Option<&str>) -> PyResult<Self> {
        detached(py, || SigningKey::open(uri, passphrase).map(Self))
    }

    fn public_jwk(&self, py: Python<'_>) -> PyResult<String> {
        detached(py, || self.0.public_jwk())
    }

    #[getter]
    fn kid(&self) -> &str {
        self.0.kid()
    }
}
