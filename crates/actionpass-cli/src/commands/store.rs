//! `store`: what keeps the decisions of a home: made ready, looked at, carried elsewhere.

use actionpass_custodians::SecretSource;
use actionpass_home::{Config, Database, DatabaseFound, DatabaseUrl, Home, HomeError, OpenHome, ROLES_SQL, home};
use actionpass_model::{RecordKind, TrustBody, TrustChangeSchema, TrustEvidence};
use actionpass_store::{Ledger as _, StoreCode, StoreError, TrustDocument as _};
use clap::{Args, Subcommand};
use pollster::block_on;
use serde_json::{Value, json};

use super::ledger::{begins_behind, each_record, verify_home};
use crate::code::CliCode;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{Ink, Reply};
use crate::render::visible;

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Bring the database's tables to this release; an empty one takes over what `init` alone wrote
    Migrate(MigrateArgs),
    /// Look at the store: its server and tables, whether commits last, every record and what is known beside them
    Check,
    /// Carry everything elsewhere, into a database or back into files: the same records, the same head
    Copy(CopyArgs),
    /// Print the script that makes the roles of a database, for its superuser
    Roles,
}

#[derive(Args, Debug)]
pub(crate) struct MigrateArgs {
    /// Say what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args, Debug)]
pub(crate) struct CopyArgs {
    /// Where everything goes, and what config.toml names then: `files`, or `postgres://…`
    #[arg(long, value_name = "PLACE", value_parser = Place::parse)]
    to: Place,
    /// What keeps the password of the database that `--to` names: `file:PATH`, `env:NAME` or `keyring:NAME`
    #[arg(long, value_name = "SECRET", value_parser = SecretSource::parse)]
    to_password: Option<SecretSource>,
    /// Where everything is [default: what config.toml names]
    #[arg(long, value_name = "PLACE", value_parser = Place::parse)]
    from: Option<Place>,
    /// What keeps the password of the database that `--from` names
    #[arg(long, value_name = "SECRET", value_parser = SecretSource::parse, requires = "from")]
    from_password: Option<SecretSource>,
}

/// Where a store is.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Place {
    /// In the files of the home.
    Files,
    Database(DatabaseUrl),
}

impl Place {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "files" => Ok(Self::Files),
            text => DatabaseUrl::parse(text)
                .map(Self::Database)
                .map_err(|error| format!("neither `files` nor a database: {error}")),
        }
    }

    fn of(config: &Config) -> Self {
        config
            .database()
            .map_or(Self::Files, |database| Self::Database(database.url))
    }

    /// The configuration that names it.
    fn named(self, config: &Config, password: Option<SecretSource>) -> Outcome<Config> {
        let database = match self {
            Self::Files if password.is_some() => {
                return Err(Failure::new(CliCode::UsageInvalid, "files have no password"));
            }
            Self::Files => None,
            Self::Database(url) => Some(Database { url, password }),
        };
        Ok(config.clone().with_database(database))
    }
}

/// What messages call the store of a configuration.
fn called(config: &Config) -> String {
    config
        .database()
        .map_or_else(|| home::LEDGER.to_owned(), |database| database.url.to_string())
}

impl StoreCommand {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Migrate(_) => "store-migrate",
            Self::Check => "store-check",
            Self::Copy(_) => "store-copy",
            Self::Roles => "store-roles",
        }
    }

    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        match self {
            Self::Migrate(args) => args.run(context),
            Self::Check => check(context),
            Self::Copy(args) => args.run(context),
            Self::Roles => Ok(Reply::new(json!({ "sql": ROLES_SQL })).with_data(ROLES_SQL)),
        }
    }
}

impl MigrateArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let home = context.home()?;
        let config = home.config()?;
        let Some(database) = config.database() else {
            let problem = "config.toml names no database: `[store] url`";
            return Err(Failure::new(CliCode::OptionMissing, problem));
        };
        let found = database.find(home.root())?;
        let takes_over = !found.has_store && home.path(home::LEDGER).exists();
        let files = config.clone().with_database(None);
        if takes_over {
            refuse_decisions(&home, &files, context)?;
        }
        // A release before kept them in the folder of each front end.
        let lacks_files = found.has_store && found.documents.is_empty();
        let taken: Vec<String> = match takes_over || lacks_files {
            true => home.folder_files(&config)?.names().map(ToOwned::to_owned).collect(),
            false => Vec::new(),
        };
        if self.dry_run {
            let json = json!({
                "dryRun": true, "applied": found.applied, "pending": found.pending, "takesOver": takes_over, "files": taken,
            });
            let mut text = format!("{} migrations would run\n", found.pending);
            if takes_over {
                text.push_str("what `init` wrote into the files of the home would go into the database\n");
            }
            if !taken.is_empty() {
                text.push_str(&format!(
                    "{} of this home would come into force for all\n",
                    taken.join(", ")
                ));
            }
            return Ok(Reply::new(json).with_data(text));
        }
        let migrated = database.migrate(home.root())?;
        let ink = Ink::stderr();
        let mut talk = format!("{} {migrated} migrations ran\n", ink.good("ready"));
        let mut json = json!({ "dryRun": false, "applied": found.applied.saturating_add(migrated), "pending": 0,
            "takesOver": takes_over, "files": taken });
        if takes_over {
            let carried = carry(&home, &files, &config)?;
            let record = begin_anew(&home, &config)?;
            let aside = home.set_aside("before-migrate")?;
            talk.push_str(&format!(
                "took over {} records of `init`, and began the witness anew with record {}; {} are not used any more\n",
                carried.records,
                record.seq,
                aside.join(" and ")
            ));
            if let Some(members) = json.as_object_mut() {
                members.insert("record".to_owned(), json!(record));
            }
        } else if lacks_files {
            let taken = OpenHome::open_to_administer(home)?.take_over_files()?;
            talk.push_str(&format!(
                "{} of this home are in force for all who share the database, and the files are not used any more\n",
                taken.join(", ")
            ));
        } else if !found.has_store {
            talk.push_str("the database holds no store yet: `actionpass init --store URL` makes one\n");
        }
        Ok(Reply::new(json).with_talk(talk))
    }
}

/// A home that has decided anything is copied, and its witness goes on.
fn refuse_decisions(home: &Home, files: &Config, context: &Context) -> Outcome<()> {
    let opened = OpenHome::open_as(home.clone(), files.clone())?;
    each_record(&opened, 0, |stored| {
        let kind = stored.to_record()?.kind;
        if matches!(
            kind,
            RecordKind::Key | RecordKind::Trust | RecordKind::Policy | RecordKind::Pin
        ) {
            return Ok(true);
        }
        let problem = format!(
            "record {} is of a {}: this is more than `init` wrote",
            stored.seq,
            kind.as_str()
        );
        let copy = format!(
            "`{} store copy --from files --to URL` carries all of it",
            context.program()
        );
        let exists = Failure::from(StoreError::with_source(StoreCode::StoreExists, problem));
        Err(exists.with_hint(copy))
    })
}

/// The first record in the new place, which the witness goes by from then on.
fn begin_anew(home: &Home, config: &Config) -> Outcome<actionpass_store::ledger::RecordRef> {
    let state = {
        let opened = OpenHome::open_as(home.clone(), config.clone())?;
        block_on(opened.store.state())?
    };
    let log = home::log(config)?;
    home.witness(config).reset(&log, &state)?;
    let opened = OpenHome::open_to_administer(home.clone())?;
    let administrator = opened.administrator();
    let trust = block_on(administrator.open()).map_err(HomeError::from)?;
    let body = TrustBody {
        schema: TrustChangeSchema,
        lifted: None,
        trust: trust.evidence(),
    };
    Ok(block_on(administrator.record(&body)).map_err(HomeError::from)?)
}

/// What was carried.
struct Carried {
    /// Files that were in the way of what was carried: their new names.
    aside: Vec<String>,
    records: u64,
    head: Option<String>,
    trust: TrustEvidence,
}

/// Carries everything from the store of one configuration into that of another, and verifies it here and there: every record,
/// what is known beside them, and the trust store.
fn carry(home: &Home, from: &Config, to: &Config) -> Outcome<Carried> {
    let source = OpenHome::open_as(home.clone(), from.clone())?;
    let before = verify_home(&source)?;
    let trust = block_on(source.trust.read()).map_err(HomeError::from)?;
    let files = source.kept_files()?;
    home.fill(to, home.contents(from)?, &trust.document)?;
    let copy = OpenHome::open_as(home.clone(), to.clone())?;
    let aside = copy.put_kept_files(&files, &format!("before-copy-{}", before.head.size()))?;
    let after = verify_home(&copy)?;
    let kept = block_on(copy.trust.read()).map_err(HomeError::from)?;
    let is_same = before.head == after.head
        && trust.evidence() == kept.evidence()
        && block_on(source.store.state())? == block_on(copy.store.state())?
        && files == copy.kept_files()?
        && files == source.kept_files()?;
    if !is_same {
        let problem = "something was written to the store while it was copied: what was copied is not used. End whatever uses \
                       the home, remove what was made, and copy again";
        return Err(StoreError::with_source(StoreCode::StoreBusy, problem).into());
    }
    Ok(Carried {
        aside,
        records: after.head.size(),
        head: after.head.known().map(|head| head.to_string()),
        trust: kept.evidence(),
    })
}

impl CopyArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let home = context.home()?;
        home.config()?;
        // Neither a service nor a change of the configuration runs meanwhile.
        let _service = home.lock_service()?;
        let config = {
            let _lock = home.lock_config()?;
            home.config()?
        };
        let from = match self.from {
            Some(place) => place.named(&config, self.from_password)?,
            None => config.clone(),
        };
        let to = self.to.named(&config, self.to_password)?;
        if Place::of(&from) == Place::of(&to) {
            return Err(Failure::new(CliCode::UsageInvalid, "everything is there already"));
        }
        // Read only, and refused if the witness knows a later state.
        drop(OpenHome::open_to_read_as(home.clone(), from.clone())?);
        let carried = carry(&home, &from, &to)?;
        let _lock = home.lock_config()?;
        home.set_database(to.database().as_ref())?;
        let mut talk = format!(
            "{} {} records, the chain is whole on both sides, and config.toml names {}\n",
            Ink::stderr().good("copied"),
            carried.records,
            visible(&called(&to))
        );
        let mut json = json!({
            "from": called(&from), "to": called(&to), "records": carried.records, "head": carried.head,
            "trust": carried.trust,
        });
        let mut aside = carried.aside;
        if from.database().is_none() {
            aside.extend(home.set_aside(&format!("copied-{}", carried.records))?);
        }
        if !aside.is_empty() {
            talk.push_str(&format!(
                "{} are not used any more; keep them until the next backup\n",
                aside.join(" and ")
            ));
            if let Some(members) = json.as_object_mut() {
                members.insert("aside".to_owned(), json!(aside));
            }
        }
        if from.database().is_some() {
            talk.push_str("The database still holds what was copied: let nothing go on with it, and drop its schema `actionpass` after the next backup.\n");
        }
        Ok(Reply::new(json).with_talk(talk))
    }
}

fn check(context: &Context) -> Outcome<Reply> {
    let home = context.home()?;
    let config = home.config()?;
    let ink = Ink::stdout();
    let mut text = format!("{} {}\n", ink.good("ok"), visible(&called(&config)));
    let mut json = json!({ "store": called(&config) });
    if let Some(database) = config.database() {
        let found = database.find(home.root())?;
        text.push_str(&described(&found));
        if let Some(members) = json.as_object_mut() {
            members.insert("database".to_owned(), found_json(&found));
        }
        found.durable?;
    }
    let opened = context.open_home_to_read()?;
    let verified = verify_home(&opened)?;
    text.push_str(&format!(
        "  {} records, the chain is whole, and what is known beside them agrees\n",
        verified.head.size()
    ));
    let archived = block_on(opened.store.state())?.first.size();
    if let Some(begins) = begins_behind(archived) {
        text.push_str(&format!("  {begins}\n"));
    }
    if let Some(members) = json.as_object_mut() {
        if archived > 0 {
            members.insert("archived".to_owned(), archived.into());
        }
        members.insert("records".to_owned(), verified.head.size().into());
        members.insert(
            "head".to_owned(),
            json!(verified.head.known().map(|head| head.to_string())),
        );
    }
    Ok(Reply::new(json).with_data(text))
}

fn described(found: &DatabaseFound) -> String {
    let role = if found.is_replica {
        "a replica, which can't be written"
    } else {
        "which can be written"
    };
    format!(
        "  PostgreSQL {}, {role}; asked as {}; {} migrations, {} to come\n",
        visible(&found.server),
        visible(&found.user),
        found.applied,
        found.pending
    )
}

fn found_json(found: &DatabaseFound) -> Value {
    json!({
        "server": found.server, "user": found.user, "isReplica": found.is_replica, "isDurable": found.durable.is_ok(),
        "applied": found.applied, "pending": found.pending,
    })
}
