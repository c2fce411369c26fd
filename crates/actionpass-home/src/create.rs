//! [`NewHome`]: a home that is made.

use std::path::Path;

use actionpass_core::{Clock, System};
use actionpass_crypto::{Algorithm, PublicKey};
use actionpass_custody::Secrets;
use actionpass_model::{Issuer, KeyId, KeyUse, Tenant, Tenants, Timestamp, TrustKey, TrustStore};
use actionpass_policy::{EXAMPLE_ALLOW, EXAMPLE_DENY, EXAMPLE_STEP_UP, STARTER_POLICY};
use actionpass_store::ReplayStart;
use actionpass_store::trust_file::TrustFile;
use actionpass_store_sqlite::SqliteStore;

use crate::{Config, Home, HomeError, KeyForm, OpenHome, config, files, home};

/// The tenant of the examples.
pub const EXAMPLE_TENANT: &str = "org:example";

/// A home that is to be made.
#[derive(Clone, Debug)]
pub struct NewHome {
    issuer: Issuer,
    tenants: Vec<Tenant>,
    algorithm: Algorithm,
    form: KeyForm,
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

    /// Makes the home: signing key, trust store, ledger, starter policy and examples. Nothing that is there is overwritten.
    ///
    /// # Errors
    /// [`HomeError::Exists`] if the folder holds something; what could not be written or made. A folder without
    /// `config.toml`, which is written last, is no home.
    pub async fn create(&self, root: &Path, secrets: &dyn Secrets) -> Result<Made, HomeError> {
        let now = System.now().ok_or(actionpass_core::AdminError::ClockUnknown)?;
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
        let text = config::starter(&self.issuer, &self.tenants, &key.uri);
        let path = root.join(home::CONFIG);
        let config = Config::parse(&text, &path)?;

        let trust_path = root.join(home::TRUST);
        let pass_key = pass_key(key.signer.public_key(), &config);
        let mut trust = TrustStore::new(now);
        trust.keys.push(pass_key.clone());
        TrustFile::create(&trust_path, &trust)?;
        files::make_private(&trust_path)?;
        make_ledger(&root.join(home::LEDGER), &config, now)?;
        files::write_new(&root.join(home::POLICY), STARTER_POLICY)?;
        self.write_examples(root, now)?;
        files::write_new(&path, &text)?;

        let made = OpenHome::open(Home::open(root)?)?;
        let administrator = made.administrator();
        let read = administrator.open().await?;
        administrator.record_first_key(&pass_key, read.evidence()).await?;
        administrator.enforce(&made.home.policy(&made.config)?).await?;
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
            files::write_new(&folder.join(name), &text)?;
        }
        // Facts are taken for an hour, so these are of now: for `step_up.json`, which they turn into an allow.
        let facts = format!(
            "{{\n  \"schema\": \"actionpass.facts.v1\",\n  \"source\": \"actionpass init\",\n  \"asOf\": \"{now}\",\n  \
             \"facts\": {{\n    \"testsPassed\": true\n  }}\n}}\n"
        );
        files::write_new(&folder.join("facts.json"), &facts)
    }
}

/// Text as JSON has it. INVARIANT: names are visible ASCII, of which JSON escapes two characters.
fn json_quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn make_ledger(path: &Path, config: &Config, now: Timestamp) -> Result<(), HomeError> {
    let start = ReplayStart::first(now.to_unix_seconds());
    SqliteStore::create(path, Some(&home::log(config)?), start)
        .map(drop)
        .map_err(|error| HomeError::store(path, error))
}

fn pass_key(key: &PublicKey, config: &Config) -> TrustKey {
    key.pass_key_of(&config.issuer)
        .with_tenants(Tenants::Only(config.tenants.clone()))
}
