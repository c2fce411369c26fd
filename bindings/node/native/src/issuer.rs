//! Issuers: of homes, of parts, and the one behind the function `authorize`.

use actionpass_embed::demo::{AssertedArtifact, Quickstart};
use actionpass_embed::{Issuer, to_json, wait};
use napi_derive::napi;

use crate::key::NativeKey;
use crate::verifier::{NativeReplayStore, NativeTrust};
use crate::{Raw, admitted, beside, bytes, thrown};

/// An issuer.
#[napi]
#[derive(Debug)]
pub struct NativeIssuer(Issuer);

/// The issuer of a home. Its files are read and its custodian is asked on a thread that may block.
#[napi]
pub async fn open_home(root: String, passphrase: Option<String>) -> napi::Result<NativeIssuer> {
    beside(move || wait(Issuer::open_home(&root, passphrase.as_deref())).map(NativeIssuer)).await
}

/// An issuer of parts.
#[napi]
pub async fn open_issuer(options: String, key: &NativeKey, trust: &NativeTrust) -> napi::Result<NativeIssuer> {
    let (key, trust) = (key.0.clone(), trust.0.clone());
    // A store in a file is opened on the way.
    beside(move || wait(Issuer::open(&options, key, trust)).map(NativeIssuer)).await
}

#[napi]
impl NativeIssuer {
    #[napi]
    pub async fn authorize(&self, action: Raw, facts: Option<Raw>, options: String) -> napi::Result<String> {
        let issuer = self.0.clone();
        let (action, facts) = (admitted(action)?, facts.map(bytes));
        let decided = issuer.authorize(action, facts, &options).await.map_err(thrown)?;
        to_json(&decided).map_err(thrown)
    }

    #[napi]
    pub async fn revoke(&self, options: String) -> napi::Result<String> {
        let issuer = self.0.clone();
        let revoked = issuer.revoke(&options).await.map_err(thrown)?;
        to_json(&revoked).map_err(thrown)
    }

    #[napi]
    pub fn name(&self) -> napi::Result<String> {
        self.0.name().map_err(thrown)
    }

    #[napi]
    pub fn trust(&self) -> napi::Result<NativeTrust> {
        self.0.trust().map(NativeTrust).map_err(thrown)
    }

    #[napi]
    pub fn replay_store(&self) -> napi::Result<NativeReplayStore> {
        self.0.replay_store().map(NativeReplayStore).map_err(thrown)
    }

    /// The store's files are closed on a thread that may block.
    #[napi]
    pub async fn close(&self) -> napi::Result<()> {
        let issuer = self.0.clone();
        beside(move || {
            issuer.close();
            Ok(())
        })
        .await
    }
}

/// An approval that nobody signed.
#[napi]
#[derive(Debug)]
pub struct NativeArtifact(AssertedArtifact);

#[napi]
impl NativeArtifact {
    #[napi(constructor)]
    pub fn new(action: Raw, options: String) -> napi::Result<Self> {
        AssertedArtifact::new(admitted(action)?, &options)
            .map(Self)
            .map_err(thrown)
    }

    #[napi(js_name = "toJSONText")]
    pub fn text(&self) -> napi::Result<String> {
        to_json(&self.0).map_err(thrown)
    }
}

/// The issuer behind the function `authorize`.
#[napi]
#[derive(Debug)]
pub struct NativeQuickstart(Quickstart);

#[napi]
pub async fn open_quickstart(options: String, key: &NativeKey, action: Raw) -> napi::Result<NativeQuickstart> {
    let (key, action) = (key.0.clone(), admitted(action)?);
    beside(move || wait(Quickstart::open(&options, key, &action)).map(NativeQuickstart)).await
}

#[napi]
impl NativeQuickstart {
    #[napi(getter)]
    pub fn is_demo(&self) -> bool {
        self.0.is_demo()
    }

    #[napi]
    pub async fn authorize(
        &self,
        action: Raw,
        facts: Option<Raw>,
        artifact: Option<&NativeArtifact>,
        options: String,
    ) -> napi::Result<String> {
        let quickstart = self.0.clone();
        let artifact = artifact.map(|artifact| artifact.0.clone());
        let (action, facts) = (admitted(action)?, facts.map(bytes));
        let decided = quickstart
            .authorize(action, facts, artifact, &options)
            .await
            .map_err(thrown)?;
        to_json(&decided).map_err(thrown)
    }
}
