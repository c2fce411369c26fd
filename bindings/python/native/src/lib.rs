//! The native half of the Python package `actionpass`: it converts strings, and nothing else. What people call is
//! `python/actionpass/*.py`.
//!
//! A failure is raised as `NativeError`, whose one argument is the JSON of [`actionpass_embed::Error`].
//!
//! Every call that waits lets go of the interpreter before it does: whoever holds a lock of ours may wait for a signer in
//! Python, which wants the interpreter.

mod issuer;
mod key;
mod verifier;

use actionpass_embed::{Action, Client, Error, approve, canonicalize, demo, hash, to_json, wait};
use pyo3::prelude::*;

use crate::key::NativeKey;

pyo3::create_exception!(_native, NativeError, pyo3::exceptions::PyException);

pub(crate) fn raised(error: &Error) -> PyErr {
    // INVARIANT: an error of ours always has JSON.
    NativeError::new_err(to_json(error).unwrap_or_default())
}

/// Works without the interpreter, on copies of what it was handed.
pub(crate) fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T, Error> + Send) -> PyResult<T> {
    py.detach(work).map_err(|error| raised(&error))
}

/// The same for what takes no lock and asks nobody. Of a short text it is done sooner than the interpreter would be let go of and
/// taken again.
fn computed(py: Python<'_>, json: &[u8], work: fn(&[u8]) -> Result<String, Error>) -> PyResult<String> {
    const SHORT: usize = 16 << 10;
    if json.len() > SHORT {
        return detached(py, || work(json));
    }
    work(json).map_err(|error| raised(&error))
}

#[pyfunction(name = "hash")]
fn hash_of(py: Python<'_>, json: &[u8]) -> PyResult<String> {
    computed(py, json, hash)
}

#[pyfunction(name = "canonicalize")]
fn canonical_text(py: Python<'_>, json: &[u8]) -> PyResult<String> {
    computed(py, json, canonicalize)
}

#[pyfunction(name = "approve")]
fn approve_action(py: Python<'_>, action: &[u8], key: &NativeKey, options: &str) -> PyResult<String> {
    let key = key.0.clone();
    detached(py, || wait(approve(Action::admit(action)?, key, options)))
}

#[pyfunction]
fn demo_action() -> &'static str {
    demo::ACTION
}

/// A client of the service.
#[pyclass(frozen)]
#[derive(Debug)]
struct NativeClient(Client);

#[pymethods]
impl NativeClient {
    #[new]
    fn new(py: Python<'_>, url: &str, token: &str) -> PyResult<Self> {
        detached(py, || Client::new(url, token).map(Self))
    }

    fn ask(&self, py: Python<'_>, method: &str, options: &str) -> PyResult<String> {
        detached(py, || self.0.ask(method, options))
    }
}

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("NativeError", module.py().get_type::<NativeError>())?;
    module.add_class::<NativeClient>()?;
    module.add_class::<NativeKey>()?;
    module.add_class::<issuer::NativeArtifact>()?;
    module.add_class::<issuer::NativeIssuer>()?;
    module.add_class::<issuer::NativeQuickstart>()?;
    module.add_class::<verifier::NativeReplayStore>()?;
    module.add_class::<verifier::NativeTrust>()?;
    module.add_class::<verifier::NativeVerifier>()?;
    module.add_function(wrap_pyfunction!(hash_of, module)?)?;
    module.add_function(wrap_pyfunction!(canonical_text, module)?)?;
    module.add_function(wrap_pyfunction!(approve_action, module)?)?;
    module.add_function(wrap_pyfunction!(demo_action, module)?)?;
    module.add_function(wrap_pyfunction!(verifier::verify_action_pass, module)?)
}
