//! [`OpenHome`]: a home with its ledger open, and the issuer that it makes.

use std::error::Error as StdError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actionpass_core::{Administrator, Deployment, Issuer, IssuerBuilder, PartFuture};
use actionpass_crypto::SignError;
use actionpass_crypto::tlog::CheckpointCode;
use actionpass_custody::Secrets;
use actionpass_model::{CodedError, Timestamp};
use actionpass_policy::PolicyEngine;
use actionpass_store::ledger::RecordRef;
use actionpass_store::offload::{Unfinished, offload};
use actionpass_store::sessions::SessionStore;
use actionpass_store::trust_file::{TrustFile, TrustSnapshot};
use actionpass_store::{Ledger, ReplayStart, StoreCode, StoreError, TrustDocument};
use actionpass_verify::{DocumentTrust, LiveTrust, TrustSource};
use pollster::block_on;

use crate::database::Access;
use crate::documents::Documents;
use crate::home::Kept;
use crate::{Config, Home, HomeError, HomeStore, PolicyFiles, home};

/// Whoever can be asked for secrets, from any thread.
pub type SharedSecrets = Arc<dyn Secrets + Send + Sync>;

/// A home with configuration and ledger open, for programs that change or read what the issuer keeps.
#[derive(Debug)]
#[non_exhaustive]
pub struct OpenHome {
    /// The folder.
    pub home: Home,
    /// Its configuration, as it was read.
    pub config: Config,
    /// Its trust store.
    pub trust: Arc<dyn TrustDocument>,
    /// Its ledger, approvals and used passes.
    pub store: Arc<dyn HomeStore>,
    /// Who is signed in at its page: known to all machines where the home is in a database, to this process alone where it is a
    /// folder.
    pub sessions: Arc<dyn SessionStore>,
    /// The file of the trust store, where it is one.
    file: Option<TrustFile>,
    /// Where its policy, pins, clients and invitations are.
    pub(crate) documents: Documents,
}

impl OpenHome {
    /// Opens the store of a home. No key is opened yet.
    ///
    /// # Errors
    /// [`HomeError::Missing`], [`HomeError::ConfigInvalid`], [`HomeError::Store`], [`HomeError::Exposed`];
    /// [`StoreCode::StoreRolledBack`] also for a store that begins at a head which doesn't verify with the trust store.
    pub fn open(home: Home) -> Result<Self, HomeError> {
        let config = home.config()?;
        // Read first: what it saw was durable by then. One that can't be read is for the store to refuse.
        let seen = home.witness(&config).read().ok().flatten().map(|seen| seen.size);
        let opened = Self::open_by(home, config, Access::Write)?;
        opened.check_beginning(seen)?;
        Ok(opened)
    }

    /// The same for whoever decides nothing and uses nothing up, but changes what the home keeps: where the store begins is for
    /// the call to judge.
    ///
    /// # Errors
    /// [`HomeError::Missing`], [`HomeError::ConfigInvalid`], [`HomeError::Store`], [`HomeError::Exposed`].
    pub fn open_to_administer(home: Home) -> Result<Self, HomeError> {
        Self::open_for(home, Access::Write)
    }

    /// The same for a program that reads only: it needs no right to write, and whatever would write is refused with
    /// [`StoreCode::StoreReadOnly`].
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn open_to_read(home: Home) -> Result<Self, HomeError> {
        Self::open_for(home, Access::Read)
    }

    fn open_for(home: Home, access: Access) -> Result<Self, HomeError> {
        let config = home.config()?;
        Self::open_by(home, config, access)
    }

    pub(crate) fn open_by(home: Home, config: Config, access: Access) -> Result<Self, HomeError> {
        let Kept {
            store,
            trust,
            file,
            documents,
            sessions,
        } = home.kept(&config, access)?;
        Ok(Self {
            home,
            config,
            trust,
            store,
            sessions,
            file,
            documents,
        })
    }

    /// Whoever can write the store could have it begin anywhere, with nothing used and nothing issued in front. So what is decided goes
    /// by the signed head that it begins at, and by the one that was signed last, which is none in front of it. One of a revoked key
    /// does while the witness saw what is behind it: decisions go on until it is signed anew. That the trust store has
    /// expired is for others to say.
    fn check_beginning(&self, seen: Option<u64>) -> Result<(), HomeError> {
        let place = self.home.place_of_store(&self.config);
        let state = block_on(self.store.state()).map_err(|error| HomeError::store(&place, error))?;
        if state.first.size() == 0 {
            return Ok(());
        }
        let checked = || {
            let (_, former) = self.kept_head()?;
            let _ = self.kept_behind(former.as_ref(), state.first.size())?;
            self.beginning(&self.trust_now()?, Timestamp::EPOCH)
        };
        match checked() {
            Ok(_) => Ok(()),
            Err(error)
                if error.code() == CheckpointCode::KeyRevoked.as_str()
                    && seen.is_some_and(|seen| seen > state.first.size()) =>
            {
                Ok(())
            }
            Err(error) => {
                let elsewhere = StoreError::with_source(StoreCode::StoreRolledBack, error);
                Err(HomeError::store(&place, elsewhere))
            }
        }
    }

    /// What changes this home's trust and policy, and records it. Call [`Administrator::open`] before anything else.
    #[must_use]
    pub fn administrator(&self) -> Administrator {
        Administrator::new(Arc::clone(&self.trust), Arc::clone(&self.store) as _)
            .with_salted_commitments(self.config.has_salted_commitments())
            .with_seen_version(self.seen())
    }

    /// The version of the trust store that the witness saw: it outlives a ledger that is put back, and revocations that were
    /// written without one.
    fn seen(&self) -> u64 {
        // It was read when the store was opened; one that can't be read now says nothing.
        let said = self.home.witness(&self.config).read();
        said.ok().flatten().map_or(0, |seen| seen.trust_version)
    }

    /// Opens the issuer: trust, policy and key are read once each, checked, and the policy comes into force.
    ///
    /// It takes over a `policy.toml` or `tools.toml` that comes into force, a trust store that is replaced, and the key that `config.toml`
    /// names once its own is superseded.
    ///
    /// # Errors
    /// [`HomeError::Trust`], [`HomeError::Policy`], [`HomeError::Custodian`], [`HomeError::Authorize`].
    pub async fn issuer(&self, secrets: SharedSecrets) -> Result<Issuer, HomeError> {
        Ok(self.issuer_builder(secrets)?.open().await?)
    }

    /// The same for a program that answers one request: where the key can't be opened it judges nevertheless, and an allow
    /// that comes to nothing for that is recorded as a deny.
    ///
    /// # Errors
    /// Those of [`issuer`](Self::issuer), but for the key's.
    pub async fn issuer_of_one_request(&self, secrets: SharedSecrets) -> Result<Issuer, HomeError> {
        Ok(self.issuer_builder(secrets)?.judging_without_key().open().await?)
    }

    /// The same for a program that looks after approval requests and authorizes nothing: its key is not opened, so that nobody
    /// is asked for a passphrase and no custodian for a signature.
    ///
    /// # Errors
    /// [`HomeError::Trust`], [`HomeError::Policy`], [`HomeError::Authorize`].
    pub async fn issuer_of_requests(&self) -> Result<Issuer, HomeError> {
        let builder = self.builder_of(Arc::new(KeylessDeployment {
            home: self.home.clone(),
            config: Arc::new(self.config.clone()),
        }))?;
        Ok(builder.judging_without_key().open().await?)
    }

    /// Puts the policy that the home's files, or its database, hold into force, if it isn't; gives it, and the record.
    ///
    /// Where somebody brings another one meanwhile, that one counts: what the log says last is what is kept.
    ///
    /// # Errors
    /// [`HomeError::Admin`]; those of [`Home::policy_files`].
    pub async fn enforce_policy(
        &self,
        administrator: &Administrator,
    ) -> Result<(PolicyFiles, Option<RecordRef>), HomeError> {
        let read = || async {
            let (home, config) = (self.home.clone(), self.config.clone());
            let unfinished = |error| {
                let error = StoreError::with_source(StoreCode::StoreUnavailable, error);
                HomeError::store(&self.home.place_of_store(&self.config), error)
            };
            offload(move || home.policy_files(&config)).await.map_err(unfinished)?
        };
        administrator.enforce_kept(read, |files| &files.policy).await
    }

    /// The issuer in the making, for a program that brings its own timers or watches requests.
    ///
    /// # Errors
    /// [`HomeError::Trust`].
    pub fn issuer_builder(&self, secrets: SharedSecrets) -> Result<IssuerBuilder, HomeError> {
        self.builder_of(Arc::new(HomeDeployment {
            home: self.home.clone(),
            config: Arc::new(self.config.clone()),
            has_opened: Arc::default(),
            secrets,
        }))
    }

    fn builder_of(&self, deployment: Arc<dyn Deployment>) -> Result<IssuerBuilder, HomeError> {
        let (source, read) = self.live_trust()?;
        Ok(Issuer::builder(
            self.config.issuer_config(),
            deployment,
            Arc::clone(&self.trust),
            Arc::clone(&self.store) as _,
        )
        .with_trust_source(source, read)
        .with_seen_version(self.seen())
        .with_requests(Arc::clone(&self.store) as _)
        .with_replay_store(Arc::clone(&self.store) as _))
    }

    /// The trust store for a program that lives, and as it was read just now. Blocks this thread.
    fn live_trust(&self) -> Result<(Arc<dyn TrustSource>, TrustSnapshot), HomeError> {
        if let Some(file) = &self.file {
            let (live, read) =
                LiveTrust::open_file(file.clone()).map_err(|error| HomeError::trust(file.path(), error))?;
            return Ok((Arc::new(live), read));
        }
        let read = block_on(self.trust.read());
        let read = read.map_err(|error| HomeError::trust(&self.home.place_of_store(&self.config), error))?;
        Ok((Arc::new(DocumentTrust::new(Arc::clone(&self.trust))), read))
    }

    /// Says that the store was restored from a backup: passes and approvals given before the time that this answers count as
    /// used up, and action ids of before as taken. Only this opens a ledger that went back, and makes its witness say what it
    /// holds now.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub async fn restored(home: Home, now: Timestamp) -> Result<(Self, Timestamp), HomeError> {
        let config = home.config()?;
        let place = home.place_of_store(&config);
        let about = |error| HomeError::store(&place, error);
        let start = ReplayStart::restored(now.to_unix_seconds());
        let state = {
            let store = home.kept(&config, Access::Unwitnessed)?.store;
            store.restart_replay(start).await.map_err(about)?;
            store.state().await.map_err(about)?
        };
        home.witness(&config)
            .reset(&home::log(&config)?, &state)
            .map_err(about)?;
        let opened = Self::open(home)?;
        Ok((opened, start.at().to_timestamp()))
    }
}

/// Policy and key as the files of a home name them.
#[derive(Clone)]
struct HomeDeployment {
    home: Home,
    /// As it was read when the home was opened: the issuer goes by it, and so its policy and its first key are of that one.
    config: Arc<Config>,
    /// Whether a key was opened: the next is the one that the file names then.
    has_opened: Arc<AtomicBool>,
    secrets: SharedSecrets,
}

impl std::fmt::Debug for HomeDeployment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HomeDeployment")
            .field("home", &self.home)
            .finish_non_exhaustive()
    }
}

/// Reading files and asking custodians blocks, so both happen beside the executor's thread.
impl Deployment for HomeDeployment {
    fn policy(&self) -> PartFuture<'_, dyn PolicyEngine> {
        policy_of(self.home.clone(), Arc::clone(&self.config))
    }

    fn signer(&self) -> PartFuture<'_, dyn actionpass_crypto::Signer> {
        let this = self.clone();
        Box::pin(async move {
            beside(move || {
                let opened = if this.has_opened.swap(true, Ordering::Relaxed) {
                    this.home.open_signing_key(&this.home.config()?, &*this.secrets)?
                } else {
                    this.home.open_signing_key(&this.config, &*this.secrets)?
                };
                Ok(opened.signer)
            })
            .await
        })
    }
}

/// The policy as the file of a home has it, and no key.
#[derive(Debug)]
struct KeylessDeployment {
    home: Home,
    config: Arc<Config>,
}

impl Deployment for KeylessDeployment {
    fn policy(&self) -> PartFuture<'_, dyn PolicyEngine> {
        policy_of(self.home.clone(), Arc::clone(&self.config))
    }

    fn signer(&self) -> PartFuture<'_, dyn actionpass_crypto::Signer> {
        let refused = SignError::Refused {
            custodian: "none".into(),
            source: "the issuer was opened for approval requests only".into(),
        };
        Box::pin(std::future::ready(Err(Box::new(refused) as _)))
    }
}

fn policy_of(home: Home, config: Arc<Config>) -> PartFuture<'static, dyn PolicyEngine> {
    Box::pin(async move {
        let policy = beside(move || home.policy(&config)).await?;
        Ok(Arc::new(policy) as Arc<dyn PolicyEngine>)
    })
}

async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, HomeError> + Send + 'static,
) -> Result<T, Box<dyn CodedError + Send + Sync>> {
    match offload(work).await {
        Ok(done) => done.map_err(|error| Box::new(error) as _),
        Err(Unfinished) => {
            let source: Box<dyn StdError + Send + Sync> = Box::new(Unfinished);
            Err(Box::new(StoreError::with_source(StoreCode::StoreUnavailable, source)))
        }
    }
}
