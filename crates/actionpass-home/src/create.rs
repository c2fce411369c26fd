//! [`NewHome`]: a home that is made.

use std::path::Path;

use actionpass_core::{Clock, System};
use actionpass_crypto::{Algorithm, PublicKey};
use actionpass_custody::Secrets;
use actionpass_model::{Issuer, KeyId, KeyUse, Tenant, Tenants, Timestamp, TrustKey, TrustStore};
use actionpass_policy::{EXAMPLE_ALLOW, EXAMPLE_DENY, EXAMPLE_STEP_UP, STARTER_POLICY};
use actionpass_store::ReplayStart;
use actionpass_store::ledger::Log;
use actionpass_store::trust_file::TrustFile;
use actionpass_store_sqlite::SqliteStore;

use crate::{Brought, BroughtFiles, Config, Database, Home, HomeError, KeyForm, OpenHome, config, files, home};

/// The tenant of the examples.
pub const EXAMPLE_TENANT: &str = "org:example";

/// A home that is to be made.
#[derive(Clone, Debug)]
pub struct NewHome {
    issuer: Issuer,
    tenants: Vec<Tenant>,
    algorithm: Algorithm,
    form: KeyForm,
    database: Option<Database>,
}

/// A home that was made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Made {
    /// Its configuration.
    pub config: Config,
    /// The key that signs its passes.
    pub kid: KeyId,
}

impl NewHome {
    /// A home of this issuer for these tenants, whose signing key is an ES256 key in a file.
    #[must_use]
    pub const fn new(issuer: Issuer, tenants: Vec<Tenant>) -> Self {
        Self {
            issuer,
            tenants,
            algorithm: Algorithm::Es256,
            form: KeyForm::Plain,
            database: None,
        }
    }

    /// With a signing key of this algorithm.
    #[must_use]
    pub const fn with_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// With a signing key whose file has this form.
    #[must_use]
    pub const fn with_key_form(mut self, form: KeyForm) -> Self {
        self.form = form;
        self
    }

    /// With decisions, ledger, trust store, policy and whatever else changes in this database, which must hold no store yet.
    #[must_use]
    pub fn with_database(mut self, database: Database) -> Self {
        self.database = Some(database);
        self
    }

    /// Makes the home: signing key, trust store, ledger, starter policy and examples. Nothing that is there is overwritten.
    ///
    /// # Errors
    /// [`HomeError::Exists`] if the folder holds something; what could not be written or made. A folder without
    /// `config.toml`, which is written last, is no home.
    pub async fn create(&self, root: &Path, secrets: &dyn Secrets) -> Result<Made, HomeError> {
        let now = System.now().ok_or(actionpass_core::AdminError::ClockUnknown)?;
        if let Some(database) = &self.database {
            // Before there is anything that would be in the way of trying again.
            database.check_vacant(root)?;
        }
        files::claim(root)?;
        let keys = root.join(home::KEYS);
        files::make_folder(&keys)?;
        let place = home::key_place(KeyUse::Pass);
        let key = match home::generate_key(Some(root), &place, self.algorithm, self.form, secrets) {
            Ok(key) => key,
            // Without its key it would be no home: the folder is as empty as it was.
            Err(error) => {
                let _ = std::fs::remove_dir(&keys);
                return Err(error.into());
            }
        };
        let path = root.join(home::CONFIG);
        let mut text = config::starter(&self.issuer, &self.tenants, &key.uri);
        if self.database.is_some() {
            text = config::with_database(&text, self.database.as_ref(), &path)?;
        }
        let config = Config::parse(&text, &path)?;

        let pass_key = pass_key(key.signer.public_key(), &config);
        let mut trust = TrustStore::new(now);
        trust.keys.push(pass_key.clone());
        let (log, start) = (home::log(&config)?, ReplayStart::first(now.to_unix_seconds()));
        match &self.database {
            Some(database) => database.create(root, &log, start, &trust).await?,
            None => {
                make_files(root, &log, start, &trust)?;
                files::write_new(&root.join(home::POLICY), STARTER_POLICY.as_bytes())?;
            }
        }
        self.write_examples(root, now)?;
        files::write_new(&path, text.as_bytes())?;

        let made = OpenHome::open(Home::open(root)?)?;
        let administrator = made.administrator();
        let read = administrator.open().await?;
        administrator.record_first_key(&pass_key, read.evidence()).await?;
        if self.database.is_some() {
            let brought = Brought {
                path: Path::new(home::POLICY),
                bytes: STARTER_POLICY.as_bytes(),
            };
            let brought = BroughtFiles {
                policy: Some(brought),
                tools: None,
            };
            made.home.put_policy(&made.config, brought)?;
        }
        made.enforce_policy(&administrator).await?;
        Ok(Made {
            config: made.config,
            kid: pass_key.kid,
        })
    }

    fn write_examples(&self, root: &Path, now: Timestamp) -> Result<(), HomeError> {
        let folder = root.join(home::EXAMPLES);
        files::make_folder(&folder)?;
        let tenant = self.tenants.first().map_or(EXAMPLE_TENANT, Tenant::as_str);
        for (name, text) in [
            ("allow.json", EXAMPLE_ALLOW),
            ("step_up.json", EXAMPLE_STEP_UP),
            ("deny.json", EXAMPLE_DENY),
        ] {
            let text = text.replace(&json_quoted(EXAMPLE_TENANT), &json_quoted(tenant));
            files::write_new(&folder.join(name), text.as_bytes())?;
        }
        // Facts are taken for an hour, so these are of now: for `step_up.json`, which they turn into an allow.
        let facts = format!(
            "{{\n  \"schema\": \"actionpass.facts.v1\",\n  \"source\": \"actionpass init\",\n  \"asOf\": \"{now}\",\n  \
             \"facts\": {{\n    \"testsPassed\": true\n  }}\n}}\n"
        );
        files::write_new(&folder.join("facts.json"), facts.as_bytes())
    }
}

/// Text as JSON has it. INVARIANT: names are visible ASCII, of which JSON escapes two characters.
fn json_quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Trust store and ledger as files of the home.
fn make_files(root: &Path, log: &Log, start: ReplayStart, trust: &TrustStore) -> Result<(), HomeError> {
    let path = root.join(home::TRUST);
    TrustFile::create(&path, trust)?;
    files::make_private(&path)?;
    let path = root.join(home::LEDGER);
    SqliteStore::create(&path, Some(log), start)
        .map(drop)
        .map_err(|error| HomeError::store(&path, error))
}

fn pass_key(key: &PublicKey, config: &Config) -> TrustKey {
    key.pass_key_of(&config.issuer)
        .with_tenants(Tenants::Only(config.tenants.clone()))
}
