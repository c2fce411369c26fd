//! `init`: a home.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use actionpass_model::{Issuer, KeyEvent, KeyUse, Tenant, Timestamp, TrustStore};
use actionpass_policy::{EXAMPLE_ALLOW, EXAMPLE_DENY, EXAMPLE_STEP_UP, RulePolicy, STARTER_POLICY};
use actionpass_store::trust_file::{TrustFile, change};
use clap::Args;
use serde_json::json;

use super::authorize::enforce;
use super::keys::Alg;
use super::trust::{Owner, entry};
use crate::cli::Context;
use crate::clock;
use crate::code::CliCode;
use crate::config::{self, Config};
use crate::custody::{self, NewKey};
use crate::failure::{Failure, Outcome};
use crate::home;
use crate::input;
use crate::issuer::{self, IssuerHome};
use crate::output::{Ink, Reply};
use crate::passphrase::PassphraseArgs;
use crate::shell::quote;

/// The tenant of the examples.
const EXAMPLE_TENANT: &str = "org:example";

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
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}

/// A home that was made.
#[derive(Debug)]
pub(crate) struct Made {
    root: PathBuf,
    config: Config,
    kid: String,
}

impl InitArgs {
    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        let made = self.make(context)?;
        let program = context.program();
        let examples = made.root.join(home::EXAMPLES);
        let example = |name: &str| quote(&examples.join(name).display().to_string()).into_owned();
        let next = [
            format!("{program} authorize --action {}", example("allow.json")),
            format!("{program} authorize --action {}", example("step_up.json")),
            format!("{program} doctor"),
        ];
        let json = json!({
            "home": made.root.display().to_string(), "issuer": made.config.issuer, "tenants": made.config.tenants, "kid": made.kid,
            "next": next,
        });
        let ink = Ink::stderr();
        let mut talk = format!(
            "{} a home in {}\n",
            ink.good("made"),
            quote(&made.root.display().to_string())
        );
        talk.push_str(&format!("  issuer {}, signing key {}\n", made.config.issuer, made.kid));
        talk.push_str("next:\n");
        for command in &next {
            talk.push_str(&format!("  {}\n", ink.bold(command)));
        }
        Ok(Reply::new(json)
            .with_data(format!("{}\n", made.root.display()))
            .with_talk(talk))
    }

    /// Makes the home. Nothing that is there is overwritten.
    pub(crate) fn make(&self, context: &Context) -> Outcome<Made> {
        let root = context.home_place()?;
        let now = clock::now()?;
        let issuer = match &self.issuer {
            Some(issuer) => issuer.clone(),
            None => {
                Issuer::parse(&format!("urn:uuid:{}", clock::uuid(now)?)).map_err(|error| Failure::internal(&error))?
            }
        };
        let mut tenants = self.tenants.clone();
        if tenants.is_empty() {
            tenants.push(Tenant::parse(EXAMPLE_TENANT).map_err(|error| Failure::internal(&error))?);
        }
        claim(&root)?;

        let keys = root.join(home::KEYS);
        make_folder(&keys)?;
        let new = NewKey {
            algorithm: self.algorithm.into(),
            is_encrypted: self.encrypt,
            passphrase: &self.passphrase,
            place: None,
        };
        let key = match custody::generate(Some(&root), &custody::home_place(KeyUse::Pass), new) {
            Ok(key) => key,
            // Without its key it would be no home: the folder is as empty as it was.
            Err(failure) => {
                let _ = fs::remove_dir(&keys);
                return Err(failure);
            }
        };
        let text = config::starter(&issuer, &tenants, &key.uri);
        let path = root.join(home::CONFIG);
        let config = Config::parse(&text, &path)?;

        let pass_key = entry(key.signer.public_key(), KeyUse::Pass, &Owner::default(), &config)?;
        let kid = pass_key.kid.clone();
        let mut trust = TrustStore::new(now);
        change::add_key(&mut trust, pass_key).map_err(|error| Failure::from_error(error.code(), &error))?;
        let trust_path = root.join(home::TRUST);
        TrustFile::create(&trust_path, &trust)?;
        make_private(&trust_path)?;
        make_ledger(&root.join(home::LEDGER), &config, now)?;
        write(&root.join(home::POLICY), STARTER_POLICY)?;
        self.write_examples(&root, &tenants)?;
        // Last: a folder without it is no home, so that a crash before leaves none behind.
        write(&path, &text)?;

        let made = IssuerHome::open(context)?;
        let evidence = made.trust.read()?.evidence();
        made.record_key(now, KeyEvent::Added, (&kid, KeyUse::Pass), (None, None), evidence)?;
        enforce(&made, &*made.home.policy()?)?;
        Ok(Made {
            root,
            config,
            kid: kid.to_string(),
        })
    }

    fn write_examples(&self, root: &Path, tenants: &[Tenant]) -> Outcome<()> {
        let folder = root.join(home::EXAMPLES);
        make_folder(&folder)?;
        let tenant = tenants.first().map_or(EXAMPLE_TENANT, Tenant::as_str);
        let quoted = |tenant: &str| serde_json::Value::from(tenant).to_string();
        for (name, text) in [
            ("allow.json", EXAMPLE_ALLOW),
            ("step_up.json", EXAMPLE_STEP_UP),
            ("deny.json", EXAMPLE_DENY),
        ] {
            write(
                &folder.join(name),
                &text.replace(&quoted(EXAMPLE_TENANT), &quoted(tenant)),
            )?;
        }
        // An issuer whose policy doesn't even load would be found out at the first action only.
        RulePolicy::load(STARTER_POLICY, home::POLICY).map_err(Failure::from)?;
        Ok(())
    }
}

/// Makes the home's folder, or takes one that is empty.
fn claim(root: &Path) -> Outcome<()> {
    if let Some(parent) = root.parent() {
        fs::create_dir_all(parent).map_err(|error| unwritable(parent, &error))?;
    }
    match folder_builder().create(root) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let is_empty = fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_none());
            if !is_empty {
                return Err(Failure::new(
                    CliCode::HomeExists,
                    format!("{} is there and not empty; nothing was changed", input::name(root)),
                )
                .with_hint("choose another folder with --home"));
            }
            restrict(root, 0o700).map_err(|error| unwritable(root, &error))
        }
        Err(error) => Err(unwritable(root, &error)),
    }
}

fn make_folder(path: &Path) -> Outcome<()> {
    folder_builder().create(path).map_err(|error| unwritable(path, &error))
}

fn folder_builder() -> DirBuilder {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// Writes a new file that only its owner can read, durably.
fn write(path: &Path, text: &str) -> Outcome<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| unwritable(path, &error))
}

fn make_private(path: &Path) -> Outcome<()> {
    restrict(path, 0o600).map_err(|error| unwritable(path, &error))
}

#[cfg(unix)]
fn restrict(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))
}

#[cfg(not(unix))]
fn restrict(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

fn make_ledger(path: &Path, config: &Config, now: Timestamp) -> Outcome<()> {
    issuer::create_store(path, &issuer::log(config)?, now).map(drop)
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::from_error(CliCode::FileUnwritable, error).about(&input::name(path))
}
