//! `init`: a home.

use actionpass_custodians::SecretSource;
use actionpass_home::{Database, DatabaseUrl, EXAMPLE_TENANT, Made, NewHome, home};
use actionpass_model::{Issuer, Tenant};
use clap::Args;
use pollster::block_on;
use serde_json::json;

use crate::clock;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{Ink, Reply};
use crate::owner::Alg;
use crate::passphrase::PassphraseArgs;
use crate::private_key::form;
use crate::render::visible;
use crate::shell::quote;

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct InitArgs {
    /// Who signs the passes, a URI [default: a new `urn:uuid:…`]
    #[arg(long, value_name = "ISSUER")]
    pub(crate) issuer: Option<Issuer>,
    /// An organization that is served; may be repeated [default: org:example]
    #[arg(long = "tenant", value_name = "TENANT")]
    pub(crate) tenants: Vec<Tenant>,
    /// The signing key's algorithm
    #[arg(long = "alg", value_name = "ALG", default_value_t = Alg::default())]
    pub(crate) algorithm: Alg,
    /// Encrypt the signing key with a passphrase
    #[arg(long)]
    pub(crate) encrypt: bool,
    /// Keep decisions, ledger, trust store, policy and clients in this PostgreSQL database: `postgres://USER@HOST/NAME`
    #[arg(long, value_name = "URL", value_parser = DatabaseUrl::parse)]
    pub(crate) store: Option<DatabaseUrl>,
    /// What keeps the password of the database's user: `file:PATH`, `env:NAME` or `keyring:NAME`
    #[arg(long, value_name = "SECRET", value_parser = SecretSource::parse, requires = "store")]
    pub(crate) store_password: Option<SecretSource>,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}

impl InitArgs {
    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        let root = context.home_place()?;
        let made = self.make(context)?;
        let program = context.program();
        let examples = root.join(home::EXAMPLES);
        let example = |name: &str| quote(&examples.join(name).display().to_string()).into_owned();
        let next = [
            format!("{program} authorize --action {}", example("allow.json")),
            format!("{program} authorize --action {}", example("step_up.json")),
            format!("{program} doctor"),
        ];
        let config = &made.config;
        let mut json = json!({
            "home": root.display().to_string(), "issuer": config.issuer, "tenants": config.tenants, "kid": made.kid,
            "next": next,
        });
        if let (Some(store), Some(members)) = (&self.store, json.as_object_mut()) {
            members.insert("store".to_owned(), store.as_str().into());
        }
        let ink = Ink::stderr();
        let mut talk = format!(
            "{} a home in {}\n",
            ink.good("made"),
            quote(&root.display().to_string())
        );
        talk.push_str(&format!("  issuer {}, signing key {}\n", config.issuer, made.kid));
        if let Some(store) = &self.store {
            talk.push_str(&format!(
                "  decisions, ledger, trust store, policy and clients in {}\n",
                visible(store.as_str())
            ));
        }
        talk.push_str("next:\n");
        for command in &next {
            talk.push_str(&format!("  {}\n", ink.bold(command)));
        }
        Ok(Reply::new(json)
            .with_data(format!("{}\n", root.display()))
            .with_talk(talk))
    }

    /// Makes the home. Nothing that is there is overwritten.
    pub(crate) fn make(&self, context: &Context) -> Outcome<Made> {
        let issuer = match &self.issuer {
            Some(issuer) => issuer.clone(),
            None => Issuer::parse(&format!("urn:uuid:{}", clock::uuid(clock::now()?)?))
                .map_err(|error| Failure::internal(&error))?,
        };
        let mut tenants = self.tenants.clone();
        if tenants.is_empty() {
            tenants.push(Tenant::parse(EXAMPLE_TENANT).map_err(|error| Failure::internal(&error))?);
        }
        let mut new = NewHome::new(issuer, tenants)
            .with_algorithm(self.algorithm.into())
            .with_key_form(form(self.encrypt));
        if let Some(url) = self.store.clone() {
            new = new.with_database(Database {
                url,
                password: self.store_password.clone(),
            });
        }
        let asked = self.passphrase.of_new(None);
        asked.settle(block_on(new.create(&context.home_place()?, &asked)))
    }
}
