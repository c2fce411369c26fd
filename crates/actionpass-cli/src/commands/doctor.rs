//! `doctor`: what is wrong with a home, and what to do about it.

mod clients;
mod heads;
mod requests;

use std::fs;

use actionpass_core::AuthorizeCode;
use actionpass_crypto::KeyCode;
use actionpass_custodians::SecretSourceCode;
use actionpass_custody::{CustodianCode, KeyFileCode};
use actionpass_home::{CLIENTS, Config, Home, HomeError, OpenHome, home, is_of_its_key, retention};
use actionpass_model::{CodeClass, KeyStatus, KeyUse, Tenant, Timestamp};
use actionpass_policy::{PolicyEngine, RulePolicy, WarningCode};
use actionpass_store::{Ledger, StoreCode};
use clap::Args;
use serde_json::{Value, json};

use super::ledger::{begins_behind, verify_home};
use super::policy::held_roles;
use crate::clock;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{Ink, Reply};
use crate::passphrase::PassphraseArgs;
use crate::public_key::probe;
use crate::render::visible;
use pollster::block_on;

#[derive(Args, Debug, Default)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

/// A check: its name, and what was found or what is wrong.
type Check = (&'static str, Outcome<Found>);

/// What a check found that is in order.
#[derive(Clone, Debug)]
struct Found {
    text: String,
    /// What works and still may not be meant.
    notes: Vec<String>,
    /// How many records of the ledger are in archives.
    archived: u64,
}

impl Found {
    const fn new(text: String, notes: Vec<String>) -> Self {
        Self {
            text,
            notes,
            archived: 0,
        }
    }
}

impl From<String> for Found {
    fn from(text: String) -> Self {
        Self::new(text, Vec::new())
    }
}

impl DoctorArgs {
    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        let checks = self.examine(context)?;
        let ink = Ink::stdout();
        let mut text = String::new();
        let mut results = Vec::new();
        for (name, outcome) in &checks {
            let (mark, said) = match outcome {
                Ok(found) => (ink.good("ok  "), visible(&found.text)),
                Err(failure) => (
                    ink.bad("FAIL"),
                    format!("{} ({})", visible(failure.message()), failure.code()),
                ),
            };
            text.push_str(&format!("{mark}  {name:<7}  {said}\n"));
            if let Some(hint) = outcome.as_ref().err().and_then(Failure::hint) {
                text.push_str(&format!("               {} {}\n", ink.bold("mend:"), visible(hint)));
            }
            for note in outcome.iter().flat_map(|found| &found.notes) {
                text.push_str(&format!("               {} {}\n", ink.warn("note:"), visible(note)));
            }
            results.push(result_json(name, outcome));
        }
        let problems: Vec<CodeClass> = checks
            .iter()
            .filter_map(|(_, outcome)| Some(outcome.as_ref().err()?.code().class()))
            .collect();
        let exit = if problems.is_empty() {
            0
        } else {
            CodeClass::exit_code_of_all(problems.iter().copied())
        };
        let json = json!({ "healthy": problems.is_empty(), "checks": results });
        Ok(Reply::new(json).with_exit(exit).with_data(text))
    }

    /// Every check; those that rest on one that failed are left out.
    fn examine(&self, context: &Context) -> Outcome<Vec<Check>> {
        let mut checks: Vec<Check> = Vec::new();
        let now = clock::now();
        checks.push(("clock", now.clone().and_then(sane).map(Found::from)));
        let home = context.home();
        let files = home.as_ref().map_err(Clone::clone).and_then(private);
        checks.push(("home", files.map(Found::from)));
        let (Ok(home), Ok(now)) = (home, now) else {
            return Ok(checks);
        };

        let config = home.config().map_err(Failure::from);
        checks.push((
            "config",
            config
                .as_ref()
                .map(|config| format!("issuer {}", config.issuer).into())
                .map_err(Clone::clone),
        ));
        if let Ok(config) = &config {
            let policy = home.policy(config).map_err(Failure::from);
            checks.push(("policy", policy.map(|policy| ruled(policy.rules(), &home))));
        }
        let trust = home.trust().map_err(|error| {
            let is_old = error.code() == "trust_rolled_back";
            let failure = Failure::from(error);
            if is_old {
                return failure;
            }
            if home.names_database() {
                return failure;
            }
            failure.with_hint("put a copy of trust.json back, an executor's for instance, and say so: `actionpass trust restored` puts back what it lacks")
        });
        checks.push((
            "trust",
            trust
                .as_ref()
                .map_err(Clone::clone)
                .and_then(|trust| trusted(trust, now, context))
                .map(Found::from),
        ));
        let Ok(config) = config else { return Ok(checks) };
        checks.extend(clients::known(&home, &config));
        if let Ok(trust) = &trust {
            checks.push(("key", self.key(&home, &config, trust, now, context)));
        }
        let ledger = ledger(context, &config);
        let is_whole = ledger.is_ok();
        checks.push(("ledger", ledger.map(|found| noted(found, &home, &config))));
        if let Ok(trust) = &trust {
            checks.extend(heads::signed(&home, &config, trust, now, context));
        }
        if is_whole {
            checks.push(("queue", requests::waiting(context, now)));
        }
        Ok(checks)
    }

    fn key(
        &self,
        home: &Home,
        config: &Config,
        trust: &actionpass_verify::Trust,
        now: Timestamp,
        context: &Context,
    ) -> Outcome<Found> {
        let rotate = format!(
            "`{} keys rotate`, or point `[signing] key` at the right key",
            context.program()
        );
        let refused = |code: AuthorizeCode, problem: &str| {
            Failure::new(code, format!("the signing key {problem}")).with_hint(rotate.clone())
        };
        let untrusted = |problem: &str| refused(AuthorizeCode::SignerNotTrusted, problem);
        let asked = self.passphrase.of_old(config.signing.passphrase.as_ref());
        let opened = asked
            .settle(home.open_signing_key(config, &asked))
            .map_err(|failure| mend_key(failure, &rotate))?;
        let key = &*opened.signer;
        let entry = trust
            .keyring()
            .get(key.public_key().kid())
            .ok_or_else(|| untrusted("is not in the trust store"))?;
        let believed = entry.trust();
        if entry.is_revoked() {
            return Err(refused(AuthorizeCode::SignerRevoked, "is revoked"));
        }
        if believed.status == KeyStatus::Retired {
            return Err(match &believed.superseded_by {
                Some(by) => refused(AuthorizeCode::SignerSuperseded, &format!("is superseded by {by}")),
                None => refused(AuthorizeCode::SignerRetired, "is retired"),
            });
        }
        if !believed.signs_at(now) {
            return Err(untrusted("is out of its time"));
        }
        if believed.key_use != KeyUse::Pass || believed.issuer.as_ref() != Some(&config.issuer) {
            return Err(untrusted("is not a pass key of this issuer"));
        }
        let silent: Vec<&str> = config
            .tenants
            .iter()
            .filter(|tenant| !believed.tenants.contains(tenant))
            .map(Tenant::as_str)
            .collect();
        if !silent.is_empty() {
            let problem = format!("doesn't speak for {}, which config.toml names", silent.join(", "));
            return Err(refused(AuthorizeCode::SignerNotForTenant, &problem));
        }
        probe(key, entry.key())?;
        let others: Vec<String> = trust
            .keyring()
            .iter()
            .filter(|other| !other.is_revoked() && other.kid() != entry.kid())
            .map(|other| other.trust())
            .filter(|other| {
                let is_ours = other.key_use == KeyUse::Pass && other.issuer.as_ref() == Some(&config.issuer);
                is_ours && other.status == KeyStatus::Active && other.signs_at(now)
            })
            .map(|other| other.kid.to_string())
            .collect();
        let note = format!(
            "executors also believe {} for this issuer: whoever holds that key can issue passes. Retire what isn't used: `{} keys retire KID`",
            others.join(", "),
            context.program()
        );
        let text = format!("{} signs, custodian `{}`", entry.kid(), key.custodian());
        Ok(Found::new(
            text,
            if others.is_empty() { Vec::new() } else { vec![note] },
        ))
    }
}

/// What to do about a signing key that can't be opened. Another key takes its place only where it is gone: where a secret is
/// missing, or its custodian doesn't answer, it is still there.
fn mend_key(failure: Failure, rotate: &str) -> Failure {
    let code = failure.code().as_str().to_owned();
    let is = |codes: &[&str]| codes.contains(&&*code);
    let is_gone = is(&[
        KeyFileCode::Missing.as_str(),
        KeyFileCode::VariableMissing.as_str(),
        CustodianCode::KeyMissing.as_str(),
    ]);
    if is_gone {
        return failure.with_hint(format!("bring the key back if you can, else: {rotate}"));
    }
    if failure.hint().is_some() {
        return failure;
    }
    let is_secret = is(&[
        CustodianCode::SecretMissing.as_str(),
        KeyCode::PassphraseRequired.as_str(),
        KeyCode::PassphraseWrong.as_str(),
        SecretSourceCode::Missing.as_str(),
    ]);
    let remedy = if is_secret {
        "the key is there; hand its passphrase or PIN to whoever runs this, as `[signing]` in config.toml says"
    } else {
        "the key may well be there: mend what the message names first"
    };
    let explain = format!("{remedy} (`actionpass explain {code}`)");
    failure.with_hint(explain)
}

/// What a policy says that works, and that nobody can fulfil.
fn ruled(policy: &RulePolicy, home: &Home) -> Found {
    let held = home.trust_snapshot().ok().map(|trust| held_roles(&trust.document));
    let warnings = held.map_or_else(Vec::new, |held| policy.warnings(Some(&held)));
    let unheld = warnings
        .iter()
        .filter(|warning| warning.code == WarningCode::RoleUnheld)
        .count();
    let note = format!("{unheld} of them ask for roles that no approver holds (`actionpass policy check` lists them)");
    let text = format!("{}, {} rules", policy.id(), policy.rules().count());
    Found::new(text, if unheld == 0 { Vec::new() } else { vec![note] })
}

fn result_json(name: &str, outcome: &Outcome<Found>) -> Value {
    match outcome {
        Ok(found) => {
            let mut json = json!({ "name": name, "ok": true, "found": found.text });
            if let Some(members) = json.as_object_mut() {
                if !found.notes.is_empty() {
                    members.insert("notes".to_owned(), json!(found.notes));
                }
                if found.archived > 0 {
                    members.insert("archived".to_owned(), found.archived.into());
                }
            }
            json
        }
        Err(failure) => {
            let mut json = json!({ "name": name, "ok": false, "code": failure.code(), "message": failure.message() });
            if let (Some(hint), Some(members)) = (failure.hint(), json.as_object_mut()) {
                members.insert("mend".to_owned(), hint.into());
            }
            json
        }
    }
}

/// A machine without a battery starts in 1970, and one with a wrong clock issues passes that nobody accepts.
fn sane(now: Timestamp) -> Outcome<String> {
    // When this release was written: it can't be earlier.
    const BUILT: &str = "2026-11-01T00:00:00.000Z";
    let built = Timestamp::parse(BUILT).map_err(|error| Failure::internal(&error))?;
    if now < built {
        return Err(Failure::new(
            actionpass_verify::VerifyCode::ClockUnknown,
            format!("the clock says {now}, which is past"),
        )
        .with_hint("set the clock, and have it kept right (NTP)"));
    }
    Ok(now.to_string())
}

/// The folder was checked when it was opened; the files in it are checked here.
fn private(home: &Home) -> Outcome<String> {
    for name in [home::CONFIG, home::POLICY, home::TRUST, home::LEDGER, home::KEYS] {
        home.file(name)?;
    }
    let keys = fs::read_dir(home.path(home::KEYS))
        .map_err(|error| crate::input::unreadable(&home.path(home::KEYS), &error))?;
    for key in keys.flatten() {
        let name = format!("{}/{}", home::KEYS, key.file_name().to_string_lossy());
        home.secret(&name)?;
    }
    Ok(format!("{}, nobody else can write it", home.root().display()))
}

fn trusted(trust: &actionpass_verify::Trust, now: Timestamp, context: &Context) -> Outcome<String> {
    if trust.is_expired(now.to_unix_seconds()) {
        return Err(Failure::new(
            actionpass_verify::VerifyCode::TrustExpired,
            "the trust store has expired",
        )
        .with_hint("get the current one from whoever hands it out"));
    }
    // A ledger that can't be opened is another check's.
    if let Ok(issuer) = context.open_home_to_read() {
        block_on(issuer.administrator().read_trust()).map_err(HomeError::from)?;
    }
    Ok(format!("version {}, {} keys", trust.version(), trust.keyring().len()))
}

fn ledger(context: &Context, config: &Config) -> Outcome<Found> {
    let mend = |failure: Failure| {
        let remedy = remedy_of(failure.code().as_str(), config, &context.program());
        match remedy {
            Some(remedy) => failure.with_hint(remedy),
            None => failure,
        }
    };
    let issuer = context.open_home_to_read().map_err(mend)?;
    let verified = verify_home(&issuer).map_err(mend)?;
    let state = block_on(issuer.store.state()).map_err(|error| mend(error.into()))?;
    if state.head.size() < verified.head.size() {
        let behind = Failure::new(StoreCode::StoreCorrupt, "the ledger's head is behind its records");
        return Err(mend(behind));
    }
    block_on(issuer.store.check_durable()).map_err(|error| mend(error.into()))?;
    let mut found = Found::from(format!("{} records, the chain is whole", verified.head.size()));
    if let Some(database) = config.database() {
        found.text.push_str(&format!(", in {}", database.url));
    }
    found.archived = state.first.size();
    if let Some(begins) = begins_behind(found.archived) {
        found.text.push_str(&format!("; {begins}"));
    }
    Ok(found)
}

/// A ledger that is in order, and what keeps it from being used or watched.
fn noted(found: Found, home: &Home, config: &Config) -> Found {
    let mut notes = Vec::new();
    let witness = home.witness(config);
    let name = match config.database() {
        Some(_) => "database",
        None => home::LEDGER,
    };
    if config.database().is_some() {
        notes.extend(unused(home, config));
    } else if fs::OpenOptions::new()
        .append(true)
        .open(home.path(home::LEDGER))
        .is_err()
    {
        // Whether the file can be opened to be written is what its modes, its owner and its file system come to.
        notes.push("whoever runs this can't write ledger.db, so nothing can be issued; reading works".to_owned());
    }
    if matches!(witness.read(), Ok(None)) {
        notes.push(format!(
            "there is no witness `{}`: a {name} that is put back would not be noticed until the next record makes one",
            witness.path().display()
        ));
    }
    notes.extend(overdue(home, config));
    Found { notes, ..found }
}

/// That what `[retention]` says should be gone by now isn't. A schedule has a day.
fn overdue(home: &Home, config: &Config) -> Option<String> {
    let period = config.side_data_kept()?;
    let now = clock::now().ok()?;
    // What keeps the ledger from being read is told by its own check.
    let opened = OpenHome::open_to_read(home.clone()).ok()?;
    let late = period.saturating_add(retention::SHORTEST);
    let is_overdue = block_on(async {
        let scope = retention::due(&opened, late, now).await?;
        retention::is_overdue(&opened, scope, now).await
    });
    is_overdue.ok()?.then(|| {
        "side data is overdue by more than a day: `[retention]` is kept by a running service, or by \
         `actionpass ledger erase --due` on a schedule"
            .to_owned()
    })
}

/// Files that look like what is in the database, and aren't used.
fn unused(home: &Home, config: &Config) -> Vec<String> {
    let mut notes = Vec::new();
    if home.path(home::LEDGER).exists() {
        notes.push("ledger.db is not used: the ledger is in the database".to_owned());
    }
    if home.path(home::TRUST).exists() {
        let said = home.trust_file().and_then(|file| Ok(file.read()?));
        let kept = home.trust_snapshot();
        let is_it = matches!((&said, &kept), (Ok(said), Ok(kept)) if said.evidence() == kept.evidence());
        notes.push(if is_it {
            "trust.json is not used, and says what the database does".to_owned()
        } else {
            "trust.json is not used, and differs from the trust store in the database: `actionpass trust export` gives that"
                .to_owned()
        });
    }
    match home.unused_files(config) {
        Ok(files) => notes.extend(files.into_iter().map(|(name, is_same)| {
            if is_same {
                format!("{name} is not used, and says what the database does")
            } else {
                format!(
                    "{name} is not used, and differs from what is in force, which is in the database: {}",
                    bringing(&name)
                )
            }
        })),
        Err(error) => notes.push(format!(
            "what is in force can't be compared with files of the home: {error}"
        )),
    }
    notes
}

/// How a file comes into force that is only in the folder.
fn bringing(name: &str) -> &'static str {
    match name {
        home::PINS => "`actionpass pins` changes that",
        home::APPROVERS => "`actionpass approvers` changes that",
        CLIENTS => "`actionpass clients` changes that",
        home::POLICY => "`actionpass policy put` brings the file into force",
        _ => "`actionpass tools put` brings the file into force",
    }
}

/// What to do about a ledger, wherever it is.
pub(crate) fn remedy_of(code: &str, config: &Config, program: &str) -> Option<String> {
    if is_of_its_key(code) {
        return Some(format!(
            "`{program} keys rotate --use ledger`, if the key that config.toml names is not in force, and then `{program} ledger \
             resign ARCHIVE… --out FILE --reason TEXT`, which has the ledger key sign anew where the store begins; \
             `--checkpoint FILE` in the place of archives with a head that another key in force has signed"
        ));
    }
    match config.database() {
        Some(_) => mend_database(code, program),
        None => mend_store(code, program),
    }
}

/// What to do about a ledger in a database.
fn mend_database(code: &str, program: &str) -> Option<String> {
    let store = |known: StoreCode| known.as_str() == code;
    let restore = format!("restore the database from a backup and say so: `{program} ledger restored`");
    Some(if store(StoreCode::StoreMissing) {
        format!(
            "`[store] url` in config.toml names another database than before, or `{program} store migrate` is still to be run"
        )
    } else if store(StoreCode::StoreOutdated) {
        format!("`{program} store migrate`, as a user who owns the tables")
    } else if store(StoreCode::StoreVersionUnsupported) {
        "use the release that made the tables, or a later one".to_owned()
    } else if store(StoreCode::StoreNotDurable) {
        "set `synchronous_commit` to `on` and `fsync` to `on`, for the server, the database and the user".to_owned()
    } else if store(StoreCode::StoreClockOff) {
        "have the clocks of this machine and of the database's kept right (NTP)".to_owned()
    } else if store(StoreCode::StoreRolledBack) {
        format!("connect to the server that has the newest records; if they are lost, {restore}")
    } else if store(StoreCode::StoreCorrupt)
        || store(StoreCode::StoreRowsMissing)
        || store(StoreCode::StoreSchemaChanged)
        || is_broken_ledger(code)
    {
        format!("keep what is there, for whoever finds out how it came to be so; {restore}")
    } else if store(StoreCode::StoreLogMismatch) {
        "the database holds the log of another home, or `issuer` in config.toml was changed".to_owned()
    } else if store(StoreCode::StoreReadOnly) {
        "connect to the primary (`target_session_attrs=read-write`), as a user with the role `actionpass_front`"
            .to_owned()
    } else if store(StoreCode::StoreUnavailable) {
        "see whether the server runs, and whether address, user and password in `[store]` are right".to_owned()
    } else {
        return None;
    })
}

/// Whether a code says that a ledger is damaged. That a record is in an archive is none of them.
fn is_broken_ledger(code: &str) -> bool {
    code.starts_with("ledger_") && code != StoreCode::LedgerArchived.as_str()
}

/// What to do about a ledger. A backup loses what came after it, so it is put back only where the ledger itself was found to
/// be damaged; everything else is mended where it is.
fn mend_store(code: &str, program: &str) -> Option<String> {
    let store = |known: StoreCode| known.as_str() == code;
    let restore = format!("restore ledger.db from a backup and say so: `{program} ledger restored`");
    Some(if store(StoreCode::StoreMissing) {
        format!("find ledger.db, or {restore}; without any backup, docs/howto/restore-a-backup.md says how to go on")
    } else if store(StoreCode::StoreRolledBack) {
        format!("put the newest ledger.db back; if that is lost, {restore}")
    } else if store(StoreCode::StoreCorrupt)
        || store(StoreCode::StoreRowsMissing)
        || store(StoreCode::StoreSchemaChanged)
        || is_broken_ledger(code)
    {
        format!("keep what is there, for whoever finds out how it came to be so; {restore}")
    } else if store(StoreCode::StoreNotPrivate) {
        "`chmod go-w` the file, once you know what they wrote".to_owned()
    } else if store(StoreCode::StoreForeign) {
        format!("something else lies in the place of ledger.db: put the right file there, or {restore}")
    } else if store(StoreCode::StoreVersionUnsupported) {
        "use the release that wrote it, or a later one".to_owned()
    } else if store(StoreCode::StoreLogMismatch) {
        "ledger.db is that of another home, or `issuer` in config.toml was changed: put back the one that belongs here"
            .to_owned()
    } else if store(StoreCode::StoreReadOnly) {
        "give the user that runs this the right to write ledger.db and its folder, or mount the file system for writing"
            .to_owned()
    } else if store(StoreCode::StoreFull) {
        "make room on the disk; nothing was lost".to_owned()
    } else if store(StoreCode::StoreBusy) {
        "see which process holds ledger.db (`fuser ledger.db`), and try again".to_owned()
    } else if store(StoreCode::StoreIoFailed) {
        "look for the disk's errors in the system's log before anything else is written".to_owned()
    } else if store(StoreCode::StoreUnavailable) {
        "the user that runs this must be able to read ledger.db, and its file system to lock files".to_owned()
    } else {
        return None;
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_put_back_only_for_what_is_damaged_or_gone() {
        let restores = |code: &str| mend_store(code, "actionpass").is_some_and(|remedy| remedy.contains("backup"));
        for code in StoreCode::ALL {
            let is_damage = matches!(
                code,
                StoreCode::StoreCorrupt
                    | StoreCode::StoreRowsMissing
                    | StoreCode::StoreSchemaChanged
                    | StoreCode::StoreMissing
                    | StoreCode::StoreRolledBack
                    | StoreCode::StoreForeign
            );
            assert_eq!(restores(code.as_str()), is_damage, "{code}");
        }
        assert!(restores("ledger_hash_mismatch"));
    }
}
