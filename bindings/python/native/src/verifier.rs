//! Executors: trust, verifiers, replay stores.

use actionpass_embed::{Action, Call, Error, ReplayStore, Trust, Verified, Verifier, demo, to_json, wait};
use pyo3::prelude::*;

use crate::detached;

/// The verdict in JSON, and the canonical payload.
type Verdict = (String, String);

fn verdict(verified: &Verified) -> Result<Verdict, Error> {
    Ok((to_json(verified)?, verified.payload().to_owned()))
}

/// A call: a whole action, or the head of one in JSON and its payload.
fn call(head: Option<&str>, raw: &[u8]) -> Result<Call, Error> {
    match head {
        Some(head) => Call::parts(head, raw),
        None => Ok(Call::action(&Action::admit(raw)?)),
    }
}

/// Whom to believe.
#[pyclass(frozen)]
#[derive(Debug)]
pub(crate) struct NativeTrust(pub(crate) Trust);

#[pymethods]
impl NativeTrust {
    #[staticmethod]
    fn parse(py: Python<'_>, json: &[u8]) -> PyResult<Self> {
        detached(py, || Trust::parse(json).map(Self))
    }

    #[staticmethod]
    fn of(py: Python<'_>, keys: &str) -> PyResult<Self> {
        detached(py, || Trust::of(keys).map(Self))
    }

    #[staticmethod]
    fn watch(py: Python<'_>, path: &str) -> PyResult<Self> {
        detached(py, || Trust::watch(path).map(Self))
    }

    fn version(&self, py: Python<'_>) -> PyResult<u64> {
        detached(py, || self.0.version())
    }

    fn text(&self, py: Python<'_>) -> PyResult<String> {
        detached(py, || self.0.to_json())
    }
}

/// Which passes were used.
#[pyclass(frozen)]
#[derive(Debug)]
pub(crate) struct NativeReplayStore(pub(crate) ReplayStore);

#[pymethods]
impl NativeReplayStore {
    #[staticmethod]
    fn memory(py: Python<'_>, options: &str) -> PyResult<Self> {
        detached(py, || ReplayStore::memory(options).map(Self))
    }

    #[staticmethod]
    fn sqlite(py: Python<'_>, path: &str, options: &str) -> PyResult<Self> {
        detached(py, || ReplayStore::sqlite(path, options).map(Self))
    }
}

/// What an executor accepts.
#[pyclass(frozen)]
#[derive(Debug)]
pub(crate) struct NativeVerifier(Verifier);

#[pymethods]
impl NativeVerifier {
    #[new]
    fn new(py: Python<'_>, options: &str, trust: &NativeTrust) -> PyResult<Self> {
        let trust = trust.0.clone();
        detached(py, || Verifier::new(options, trust).map(Self))
    }

    #[pyo3(signature = (token, head, raw))]
    fn verify(&self, py: Python<'_>, token: &str, head: Option<&str>, raw: &[u8]) -> PyResult<Verdict> {
        detached(py, || verdict(&self.0.verify(token, &call(head, raw)?)?))
    }

    #[pyo3(signature = (token, head, raw, store))]
    fn consume(
        &self,
        py: Python<'_>,
        token: &str,
        head: Option<&str>,
        raw: &[u8],
        store: &NativeReplayStore,
    ) -> PyResult<Verdict> {
        let store = store.0.clone();
        detached(py, || verdict(&wait(self.0.consume(token, &call(head, raw)?, &store))?))
    }
}

/// The function `verify_action_pass`.
#[pyfunction]
pub(crate) fn verify_action_pass(
    py: Python<'_>,
    token: &str,
    action: &[u8],
    public_key: &str,
    options: &str,
) -> PyResult<Verdict> {
    detached(py, || {
        verdict(&demo::verify(token, &Action::admit(action)?, public_key, options)?)
    })
}
