//! Issuers: of homes, of parts, and the one behind the function `authorize`.

use actionpass_embed::demo::{AssertedArtifact, Quickstart};
use actionpass_embed::{Action, Issuer, to_json, wait};
use pyo3::prelude::*;

use crate::detached;
use crate::key::NativeKey;
use crate::verifier::{NativeReplayStore, NativeTrust};

/// An issuer.
#[pyclass(frozen)]
#[derive(Debug)]
pub(crate) struct NativeIssuer(Issuer);

#[pymethods]
impl NativeIssuer {
    /// The issuer of a home.
    #[staticmethod]
    #[pyo3(signature = (root, passphrase=None))]
    fn home(py: Python<'_>, root: &str, passphrase: Option<&str>) -> PyResult<Self> {
        detached(py, || wait(Issuer::open_home(root, passphrase)).map(Self))
    }

    /// An issuer of parts.
    #[staticmethod]
    fn parts(py: Python<'_>, options: &str, key: &NativeKey, trust: &NativeTrust) -> PyResult<Self> {
        let (key, trust) = (key.0.clone(), trust.0.clone());
        detached(py, || wait(Issuer::open(options, key, trust)).map(Self))
    }

    #[pyo3(signature = (action, facts, options))]
    fn authorize(&self, py: Python<'_>, action: &[u8], facts: Option<Vec<u8>>, options: &str) -> PyResult<String> {
        detached(py, || {
            to_json(&wait(self.0.authorize(Action::admit(action)?, facts, options))?)
        })
    }

    fn revoke(&self, py: Python<'_>, options: &str) -> PyResult<String> {
        detached(py, || to_json(&wait(self.0.revoke(options))?))
    }

    fn name(&self, py: Python<'_>) -> PyResult<String> {
        detached(py, || self.0.name())
    }

    fn trust(&self, py: Python<'_>) -> PyResult<NativeTrust> {
        detached(py, || self.0.trust().map(NativeTrust))
    }

    fn replay_store(&self, py: Python<'_>) -> PyResult<NativeReplayStore> {
        detached(py, || self.0.replay_store().map(NativeReplayStore))
    }

    /// Closes the store's files on this thread.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.0.close());
    }
}

/// An approval that nobody signed.
#[pyclass(frozen)]
#[derive(Debug)]
pub(crate) struct NativeArtifact(AssertedArtifact);

#[pymethods]
impl NativeArtifact {
    #[new]
    fn new(py: Python<'_>, action: &[u8], options: &str) -> PyResult<Self> {
        detached(py, || AssertedArtifact::new(Action::admit(action)?, options).map(Self))
    }

    fn text(&self, py: Python<'_>) -> PyResult<String> {
        detached(py, || to_json(&self.0))
    }
}

/// The issuer behind the function `authorize`.
#[pyclass(frozen)]
#[derive(Debug)]
pub(crate) struct NativeQuickstart(Quickstart);

#[pymethods]
impl NativeQuickstart {
    #[new]
    fn new(py: Python<'_>, options: &str, key: &NativeKey, action: &[u8]) -> PyResult<Self> {
        let key = key.0.clone();
        detached(py, || {
            wait(Quickstart::open(options, key, &Action::admit(action)?)).map(Self)
        })
    }

    #[getter]
    fn is_demo(&self) -> bool {
        self.0.is_demo()
    }

    #[pyo3(signature = (action, facts, artifact, options))]
    fn authorize(
        &self,
        py: Python<'_>,
        action: &[u8],
        facts: Option<Vec<u8>>,
        artifact: Option<&NativeArtifact>,
        options: &str,
    ) -> PyResult<String> {
        let artifact = artifact.map(|artifact| artifact.0.clone());
        detached(py, || {
            let action = Action::admit(action)?;
            to_json(&wait(self.0.authorize(action, facts, artifact, options))?)
        })
    }
}
