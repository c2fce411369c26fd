//! `config.toml`: who the issuer is, whom it serves, which key it signs with.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use actionpass_core::{FactsTerms, IssuerConfig, RequestTerms};
use actionpass_custodians::SecretSource;
use actionpass_custody::KeyUri;
use actionpass_model::{Agent, Audience, Commitment, Issuer, MAX_PASS_LIFETIME, MAX_REQUEST_LIFETIME, Tenant, Tool};
use actionpass_verify::canon::Limits;
use serde::{Deserialize, Deserializer};

use crate::serve::Serve;
use crate::{Database, DatabaseUrl, DoorEntry, HomeError, Webhook, duration, retention};

/// The largest limits that a configuration may set: 64 MiB, depth 120, 4,194,304 members.
///
/// Whoever reads an action or a payload after it was admitted still has to take it: `serde_json` stops at depth 127, and an
/// answer of the command line nests a payload once more. Members cost the gate 32 bytes each while their object is open.
pub const MAX_LIMITS: Limits = Limits::new()
    .with_max_bytes(64 << 20)
    .with_max_depth(120)
    .with_max_members(1 << 22);

/// The configuration of an issuer, closed: a key that isn't known refuses the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// Who signs the passes. One issuer is one decision store and one log, so it doesn't change.
    pub issuer: Issuer,
    /// The organizations that are served.
    pub tenants: Vec<Tenant>,
    /// The agents that are served; all of the tenants' if there are none.
    #[serde(default)]
    agents: Vec<Agent>,
    /// The key.
    pub signing: Signing,
    /// Executors that share one replay store, and the tools that they run.
    #[serde(default, rename = "audience")]
    audiences: Vec<AudienceEntry>,
    /// Where they stood once: `tools.toml` has them.
    #[serde(default, rename = "tool", deserialize_with = "moved")]
    _tools: (),
    #[serde(default)]
    facts: FactsSection,
    #[serde(default)]
    pass: PassSection,
    #[serde(default)]
    approvals: ApprovalsSection,
    #[serde(default)]
    queue: QueueSection,
    #[serde(default)]
    ledger: LedgerSection,
    #[serde(default)]
    retention: RetentionSection,
    #[serde(default)]
    store: StoreSection,
    #[serde(default)]
    limits: LimitsSection,
    /// Where the service listens, under which names, and how much it takes at once.
    #[serde(default)]
    pub serve: Serve,
    /// Who is told of events of approval requests.
    #[serde(default, rename = "webhook")]
    webhooks: Vec<Webhook>,
    /// The front doors on this home, and whom they stand for.
    #[serde(default, rename = "door")]
    pub(crate) doors: Vec<DoorEntry>,
}

/// `[limits]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsSection {
    #[serde(default, deserialize_with = "max_bytes")]
    max_bytes: Option<usize>,
    #[serde(default, deserialize_with = "max_depth")]
    max_depth: Option<usize>,
    #[serde(default, deserialize_with = "max_members")]
    max_members: Option<usize>,
}

/// `[store]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoreSection {
    /// Where the witness is, relative to the home.
    #[serde(default)]
    witness: Option<PathBuf>,
    /// The database, where it isn't the home's own file.
    #[serde(default)]
    url: Option<DatabaseUrl>,
    /// What keeps the password of its user.
    #[serde(default, deserialize_with = "parsed_if_there")]
    password: Option<SecretSource>,
}

/// `[signing]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Signing {
    /// Where the key is; `file:` paths are relative to the home.
    #[serde(deserialize_with = "parsed")]
    pub key: KeyUri,
    /// What keeps the passphrase of an encrypted file.
    #[serde(default, deserialize_with = "parsed_if_there")]
    pub passphrase: Option<SecretSource>,
}

/// `[[audience]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AudienceEntry {
    name: Audience,
    tools: Vec<Tool>,
}

/// `[facts]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FactsSection {
    #[serde(default, deserialize_with = "max_age")]
    max_age: Option<Duration>,
    #[serde(default)]
    require_action_hash: bool,
}

/// `[pass]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PassSection {
    #[serde(default, deserialize_with = "lifetime")]
    lifetime: Option<Duration>,
}

/// `[approvals]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ApprovalsSection {
    #[serde(default)]
    dangerously_accept_asserted: bool,
}

/// `[queue]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct QueueSection {
    #[serde(default, deserialize_with = "request_lifetime")]
    lifetime: Option<Duration>,
    #[serde(default, deserialize_with = "decline_holds")]
    decline_holds: Option<Duration>,
    #[serde(default, deserialize_with = "at_least_one")]
    live_per_agent: Option<u64>,
    #[serde(default, deserialize_with = "at_least_one")]
    live_per_client: Option<u64>,
    #[serde(default, deserialize_with = "at_least_one")]
    live: Option<u64>,
    #[serde(default, deserialize_with = "at_least_one")]
    opened_per_hour: Option<u64>,
}

/// `[ledger]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LedgerSection {
    /// `salted`: commitments in the place of hashes.
    #[serde(default)]
    commitment: Option<Commitment>,
    #[serde(default)]
    keep_denied: bool,
    /// The key that signs heads; `file:` paths are relative to the home.
    #[serde(default, deserialize_with = "parsed_if_there")]
    key: Option<KeyUri>,
    /// What keeps the passphrase of its encrypted file.
    #[serde(default, deserialize_with = "parsed_if_there")]
    passphrase: Option<SecretSource>,
}

/// `[retention]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RetentionSection {
    /// How long payloads, passes and salts are kept; without it they stay.
    #[serde(default, deserialize_with = "kept")]
    side_data: Option<Duration>,
}

fn kept<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let period = duration::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)?;
    if period < retention::SHORTEST {
        return Err(serde::de::Error::custom(
            "side data is kept for a day at least: passes and requests of today still need it",
        ));
    }
    Ok(Some(period))
}

fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(deserializer: D) -> Result<T, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(serde::de::Error::custom)
}

fn parsed_if_there<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    parsed(deserializer).map(Some)
}

fn moved<'de, D: Deserializer<'de>>(_: D) -> Result<(), D::Error> {
    Err(serde::de::Error::custom(
        "`[[tool]]` is in tools.toml now: an entry there with `colliding_names = \"permit\"` permits member names that differ in case only",
    ))
}

fn max_age<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let age = duration::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)?;
    if age.is_zero() {
        return Err(serde::de::Error::custom(
            "facts may be a second old at least, or none would ever be taken",
        ));
    }
    Ok(Some(age))
}

fn lifetime<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let lifetime = duration::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)?;
    if lifetime.is_zero() || lifetime > MAX_PASS_LIFETIME {
        return Err(serde::de::Error::custom("a pass holds between a second and an hour"));
    }
    Ok(Some(lifetime))
}

fn request_lifetime<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let lifetime = duration::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)?;
    if lifetime.is_zero() || lifetime > MAX_REQUEST_LIFETIME {
        return Err(serde::de::Error::custom(
            "a request waits between a second and 24 hours",
        ));
    }
    Ok(Some(lifetime))
}

fn decline_holds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let holds = duration::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)?;
    if holds.is_zero() {
        return Err(serde::de::Error::custom("a decline holds for a second at least"));
    }
    Ok(Some(holds))
}

fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    match u64::deserialize(deserializer)? {
        0 => Err(serde::de::Error::custom(
            "this limit is 1 at least, or no request would ever be opened",
        )),
        limit => Ok(Some(limit)),
    }
}

/// A limit as somebody sets it: from 1 to the largest one.
///
/// # Errors
/// What is wrong with it.
pub fn limit(value: u64, largest: usize) -> Result<usize, String> {
    usize::try_from(value)
        .ok()
        .filter(|value| (1..=largest).contains(value))
        .ok_or_else(|| format!("this limit is between 1 and {largest}"))
}

fn limit_of<'de, D: Deserializer<'de>>(deserializer: D, largest: usize) -> Result<Option<usize>, D::Error> {
    limit(u64::deserialize(deserializer)?, largest)
        .map(Some)
        .map_err(serde::de::Error::custom)
}

fn max_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    limit_of(deserializer, MAX_LIMITS.max_bytes())
}

fn max_depth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    limit_of(deserializer, MAX_LIMITS.max_depth())
}

fn max_members<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    limit_of(deserializer, MAX_LIMITS.max_members())
}

impl Config {
    /// Reads the text of a `config.toml`; errors name line and column.
    ///
    /// # Errors
    /// [`HomeError::ConfigInvalid`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, HomeError> {
        let refused = |offset: usize, problem: &str| {
            let (line, column) = position(text, offset);
            HomeError::ConfigInvalid {
                path: path.to_owned(),
                line,
                column,
                problem: problem.lines().collect::<Vec<_>>().join(" ").into(),
            }
        };
        let config: Self = toml::from_str(text)
            .map_err(|error| refused(error.span().map_or(0, |span| span.start), error.message()))?;
        if config.tenants.is_empty() {
            let place = text.find("tenants").unwrap_or_default();
            return Err(refused(place, "`tenants` is empty, so nobody would be served"));
        }
        if config.store.password.is_some() && config.store.url.is_none() {
            let problem = "`password` is that of a database, which `url` names";
            return Err(refused(text.find("[store]").unwrap_or_default(), problem));
        }
        if config.ledger.passphrase.is_some() && config.ledger.key.is_none() {
            let problem = "`passphrase` is that of a key, which `key` names";
            return Err(refused(text.find("[ledger]").unwrap_or_default(), problem));
        }
        if let Some(problem) = config.serve.problem() {
            return Err(refused(text.find("[serve]").unwrap_or_default(), problem));
        }
        for (at, webhook) in config.webhooks.iter().enumerate() {
            let is_twice = config
                .webhooks
                .iter()
                .take(at)
                .any(|former| former.name == webhook.name);
            let twice = is_twice.then_some("two webhooks have this name");
            if let Some(problem) = webhook.problem().or(twice) {
                let place = text.match_indices("[[webhook]]").nth(at).map_or(0, |(place, _)| place);
                return Err(refused(place, &format!("webhook `{}`: {problem}", webhook.name)));
            }
        }
        for (at, door) in config.doors.iter().enumerate() {
            if let Some(problem) = config.problem_of_door(at) {
                let place = text.match_indices("[[door]]").nth(at).map_or(0, |(place, _)| place);
                return Err(refused(place, &format!("door `{}`: {problem}", door.name)));
            }
        }
        Ok(config)
    }

    /// The executors that share one replay store, each with the tools that stand there.
    pub fn audiences(&self) -> impl Iterator<Item = (&Audience, &[Tool])> {
        self.audiences.iter().map(|entry| (&entry.name, entry.tools.as_slice()))
    }

    /// Who is told of events of approval requests.
    #[must_use]
    pub fn webhooks(&self) -> &[Webhook] {
        &self.webhooks
    }

    /// The configuration as the issuer takes it. What `tools.toml` says of audiences and payloads is the
    /// [policy's](crate::HomePolicy), with which it changes.
    #[must_use]
    pub fn issuer_config(&self) -> IssuerConfig {
        let mut config = IssuerConfig::new(self.issuer.clone(), self.tenants.clone())
            .with_agents(self.agents.clone())
            .with_facts(self.facts_terms())
            .with_requests(self.request_terms());
        for audience in &self.audiences {
            config = config.with_audience(audience.name.clone(), audience.tools.clone());
        }
        if let Some(lifetime) = self.pass.lifetime {
            config = config.with_pass_lifetime(lifetime);
        }
        if self.has_salted_commitments() {
            config = config.with_salted_commitments();
        }
        if self.approvals.dangerously_accept_asserted {
            config = config.dangerously_accept_asserted_approvals();
        }
        if self.ledger.keep_denied {
            config = config.with_denied_payloads();
        }
        config
    }

    /// Which facts are taken: those of the last hour unless `[facts]` says something else.
    #[must_use]
    pub fn facts_terms(&self) -> FactsTerms {
        let mut terms = FactsTerms::new();
        if let Some(age) = self.facts.max_age {
            terms = terms.with_max_age(age);
        }
        if self.facts.require_action_hash {
            terms = terms.requiring_action_hash();
        }
        terms
    }

    /// How long approval requests wait and declines hold, and how many there may be: [`RequestTerms::DEFAULT`] unless
    /// `[queue]` says something else.
    #[must_use]
    pub fn request_terms(&self) -> RequestTerms {
        let said = &self.queue;
        let mut terms = RequestTerms::DEFAULT;
        terms.lifetime = said.lifetime.unwrap_or(terms.lifetime);
        terms.decline_holds = said.decline_holds.unwrap_or(terms.decline_holds);
        let limits = &mut terms.limits;
        limits.live_per_agent = said.live_per_agent.unwrap_or(limits.live_per_agent);
        limits.live_per_client = said.live_per_client.unwrap_or(limits.live_per_client);
        limits.live = said.live.unwrap_or(limits.live);
        limits.opened_per_hour = said.opened_per_hour.unwrap_or(limits.opened_per_hour);
        terms
    }

    /// How large, how deep and how wide what is admitted may be: the defaults of [`Limits`] unless `[limits]` says
    /// something else. The executors of this issuer need the same.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let LimitsSection {
            max_bytes,
            max_depth,
            max_members,
        } = self.limits;
        let default = Limits::new();
        default
            .with_max_bytes(max_bytes.unwrap_or(default.max_bytes()))
            .with_max_depth(max_depth.unwrap_or(default.max_depth()))
            .with_max_members(max_members.unwrap_or(default.max_members()))
    }

    /// The agents that are served; all of the tenants' if there are none.
    #[must_use]
    pub fn agents(&self) -> &[Agent] {
        &self.agents
    }

    /// Where the witness is, if that was said.
    pub(crate) fn witness(&self) -> Option<&Path> {
        self.store.witness.as_deref()
    }

    /// The database that keeps decisions, ledger, used passes and trust store; `None` where files of the home do.
    #[must_use]
    pub fn database(&self) -> Option<Database> {
        Some(Database {
            url: self.store.url.clone()?,
            password: self.store.password.clone(),
        })
    }

    /// The same configuration with this database, or with none.
    #[must_use]
    pub fn with_database(mut self, database: Option<Database>) -> Self {
        let (url, password) = database.map_or((None, None), |database| (Some(database.url), database.password));
        self.store.url = url;
        self.store.password = password;
        self
    }

    /// After which time what lies beside records is erased, if by any.
    #[must_use]
    pub const fn side_data_kept(&self) -> Option<Duration> {
        self.retention.side_data
    }

    /// The key that signs heads of the ledger, if there is one.
    #[must_use]
    pub const fn ledger_key(&self) -> Option<&KeyUri> {
        self.ledger.key.as_ref()
    }

    /// What keeps the passphrase of that key's encrypted file, if that was said.
    #[must_use]
    pub const fn ledger_passphrase(&self) -> Option<&SecretSource> {
        self.ledger.passphrase.as_ref()
    }

    /// Whether records hold salted commitments in the place of hashes.
    #[must_use]
    pub const fn has_salted_commitments(&self) -> bool {
        self.ledger.commitment.is_some()
    }

    /// Whether approvals that nobody signed count, here as well as in `verify`.
    #[must_use]
    pub const fn accepts_asserted(&self) -> bool {
        self.approvals.dangerously_accept_asserted
    }
}

/// The line and column, both from 1, of a byte offset.
pub(crate) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count().saturating_add(1);
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        .saturating_add(1);
    (line, column)
}

/// The text of a `config.toml` with another `key` in this table; the rest stays as its owner wrote it, comments included. `None`
/// if the table has none.
pub(crate) fn with_key(text: &str, table: &str, key: &KeyUri) -> Option<String> {
    let mut document: toml_edit::DocumentMut = text.parse().ok()?;
    let place = document
        .get_mut(table)
        .and_then(|table| table.get_mut("key"))
        .and_then(toml_edit::Item::as_value_mut)?;
    let decor = place.decor().clone();
    *place = toml_edit::Value::from(key.as_str());
    *place.decor_mut() = decor;
    Some(document.to_string())
}

/// The text of a `config.toml` with this database, or with none; the rest stays as its owner wrote it.
///
/// # Errors
/// [`HomeError::ConfigInvalid`], before the change and after it.
pub(crate) fn with_database(text: &str, database: Option<&Database>, path: &Path) -> Result<String, HomeError> {
    let mut document: toml_edit::DocumentMut = text.parse().map_err(|_| HomeError::ConfigInvalid {
        path: path.to_owned(),
        line: 1,
        column: 1,
        problem: "it is not TOML".into(),
    })?;
    if database.is_some() && !document.contains_key("store") {
        document.insert("store", toml_edit::Item::Table(toml_edit::Table::new()));
    }
    if let Some(table) = document.get_mut("store").and_then(toml_edit::Item::as_table_like_mut) {
        let password = database.and_then(|database| database.password.as_ref());
        for (name, value) in [
            ("url", database.map(|database| database.url.to_string())),
            ("password", password.map(ToString::to_string)),
        ] {
            match value {
                Some(value) => drop(table.insert(name, toml_edit::value(value))),
                None => drop(table.remove(name)),
            }
        }
    }
    let changed = document.to_string();
    Config::parse(&changed, path)?;
    Ok(changed)
}

/// The text of a new `config.toml`.
pub(crate) fn starter(issuer: &Issuer, tenants: &[Tenant], key: &KeyUri) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let tenants = tenants
        .iter()
        .map(|tenant| quoted(tenant.as_str()))
        .collect::<Vec<_>>()
        .join(", ");
    format!(
        "# ActionPass: who issues passes here, for whom, and with which key.

# Who signs the passes. One issuer is one ledger: don't change it, make another home.
issuer = {issuer}

# The organizations that are served, and their agents; without agents, all of them.
tenants = [{tenants}]
agents = []

[signing]
# Where the key is: `file:` and a path relative to this folder, `pkcs11:`, `awskms:`, `vault:`, `tpm:`, or `env:` and the
# name of a variable (for development). `actionpass keys rotate` makes a new key beside it and writes its URI here.
key = {key}
# What keeps the passphrase of an encrypted file: `file:` and a full path, `env:` or `keyring:` and a name.
# passphrase = \"keyring:actionpass\"

[pass]
# How long a pass holds, at most `1h`. Policy may shorten it.
lifetime = \"10m\"

[facts]
# How old facts of the host may be; older ones are refused, and so are those from the future.
max_age = \"1h\"
# Refuse facts that don't say by `actionHash` which action they are about.
require_action_hash = false

[approvals]
# Accept approvals that nobody signed. Anybody can write a name, so leave this off.
dangerously_accept_asserted = false

[queue]
# What people have to approve waits so long, at most `24h`; then it has expired, and silence is no.
lifetime = \"1h\"
# Who declines answers every retry of the same action for the rest of its request's time, and at least for so long.
decline_holds = \"1h\"
# How many requests may wait of one agent, of one client of a service and in all, and how many an agent may open in an hour.
# More are stepped up without a request: a flood would hide the one that matters.
live_per_agent = 50
live_per_client = 500
live = 10000
opened_per_hour = 60

[ledger]
# Keep the payloads of calls that were not allowed, too, up to 64 KiB each; of others only the hash is kept.
keep_denied = false

# What lies beside records (payloads, passes, salts) is erased once it is older than this, by the service or by
# `actionpass ledger erase --due`. At least `1d`; without the table it stays.
# [retention]
# side_data = \"90d\"

[limits]
# How large (bytes), how deep and how wide (members of all objects) an action may be. Larger ones are refused. Executors
# need the same limits, or they refuse what was allowed here.
max_bytes = 1048576
max_depth = 64
max_members = 65536

# Decisions, ledger, used passes and trust store in a PostgreSQL database, in the place of ledger.db and trust.json. What keeps
# the password of its user: `file:` and a full path, `env:` or `keyring:` and a name. (`actionpass store`, run-on-postgres.md)
# [store]
# url = \"postgres://gate@db.example/actionpass\"
# password = \"file:/etc/actionpass/database-password\"

# Executors that share one replay store. A tool that stands nowhere is its own audience; so may tools.toml say who runs it.
# [[audience]]
# name = \"github-executor\"
# tools = [\"github.pull_requests.create\", \"github.contents.put\"]

# A front door on this home, and whom it stands for: `mcp`, or the hook of `claude-code`, `codex`, `cursor`, `gemini`.
# [[door]]
# name = \"laptop\"
# kind = \"claude-code\"
# tenant = \"org:example\"
# agent = \"agent:claude-code\"
# owner = \"user:owner@example.com\"
# runtime = \"runtime:claude-code\"

# Where `actionpass serve` listens, and the page's address as people see it: passkeys are bound to it.
# [serve]
# listen = \"127.0.0.1:8311\"
# origin = \"https://approve.example.com\"

# Who is told of what happens to approval requests by `actionpass serve`: Standard Webhooks, or `format = \"slack\"`.
# [[webhook]]
# name = \"ops\"
# url = \"https://hooks.example/actionpass\"
# secret = \"env:OPS_WEBHOOK_SECRET\"
",
        issuer = quoted(issuer.as_str()),
        key = quoted(key.as_str()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> String {
        starter(
            &Issuer::parse("urn:uuid:x").unwrap(),
            &[Tenant::parse("org:a\"b").unwrap()],
            &KeyUri::parse("file:keys/a.pem").unwrap(),
        )
    }

    #[test]
    fn the_starter_is_read() {
        let config = Config::parse(&text(), Path::new("config.toml")).unwrap();
        assert_eq!(config.issuer.as_str(), "urn:uuid:x");
        assert_eq!(config.tenants[0].as_str(), "org:a\"b");
        assert_eq!(config.signing.key.as_str(), "file:keys/a.pem");
        assert!(!config.accepts_asserted());
    }

    #[test]
    fn refusals_name_line_and_column() {
        let refusal = |from: &str, to: &str| {
            let changed = text().replacen(from, to, 1);
            assert_ne!(changed, text());
            let error = Config::parse(&changed, Path::new("config.toml")).unwrap_err();
            assert_eq!(error.code(), "config_invalid");
            error.to_string()
        };
        let message = refusal("agents = []", "agent = []");
        assert!(
            message.starts_with("config.toml:8:1: unknown field `agent`"),
            "{message}"
        );
        let message = refusal("\"10m\"", "\"2h\"");
        assert!(message.starts_with("config.toml:19:12: a pass holds"), "{message}");
        assert!(refusal("urn:uuid:x", "x").contains("issuer is not a URI"));
        assert!(refusal("['org:a\"b']", "[]").contains("`tenants` is empty"));
        assert!(refusal("= false", "= \"no\"").contains("invalid type"));
        let message = refusal("[pass]", "[[tool]]\nname = \"x\"\n[pass]");
        assert!(
            message.contains("is in tools.toml now") && message.contains("colliding_names"),
            "{message}"
        );
    }

    #[test]
    fn facts_have_an_age_also_where_nothing_is_said() {
        let terms = |from: &str, to: &str| {
            let text = text().replacen(from, to, 1);
            let config = Config::parse(&text, Path::new("config.toml")).unwrap();
            assert_eq!(config.issuer_config().facts(), &config.facts_terms());
            config.facts_terms()
        };
        let starter = "[facts]\n# How old facts of the host may be; older ones are refused, and so are those from the future.\nmax_age = \"1h\"\n# Refuse facts that don't say by `actionHash` which action they are about.\nrequire_action_hash = false\n";
        assert!(text().contains(starter));
        assert_eq!(terms("", ""), FactsTerms::new());
        // As a home of 0.1 has it.
        assert_eq!(terms(starter, ""), FactsTerms::new());
        let short = FactsTerms::new().with_max_age(Duration::from_secs(300));
        assert_eq!(terms("max_age = \"1h\"", "max_age = \"5m\""), short);
        let named = FactsTerms::new().requiring_action_hash();
        assert_eq!(
            terms("require_action_hash = false", "require_action_hash = true"),
            named
        );
        for wrong in [
            "max_age = \"0s\"",
            "max_age = 3600",
            "max_age = \"1 hour\"",
            "maxage = \"1h\"",
        ] {
            let text = text().replacen("max_age = \"1h\"", wrong, 1);
            let error = Config::parse(&text, Path::new("config.toml")).unwrap_err();
            assert_eq!(error.code(), "config_invalid", "{wrong}");
        }
    }

    #[test]
    fn requests_wait_an_hour_unless_something_else_is_said() {
        let (before, rest) = text()
            .split_once("[queue]\n")
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        let (_, after) = rest.split_once("\n[ledger]").unwrap();
        let terms = |said: &str| {
            let text = format!("{before}{said}\n[ledger]{after}");
            Config::parse(&text, Path::new("config.toml")).map(|config| {
                assert_eq!(config.issuer_config().requests(), &config.request_terms());
                config.request_terms()
            })
        };
        // As a home of before has it, and as the starter says it.
        assert_eq!(terms("").unwrap(), RequestTerms::DEFAULT);
        let starter = Config::parse(&text(), Path::new("config.toml")).unwrap();
        assert_eq!(starter.request_terms(), RequestTerms::DEFAULT);

        let mut said = RequestTerms::DEFAULT;
        said.lifetime = Duration::from_secs(24 * 3600);
        said.decline_holds = Duration::from_secs(7 * 24 * 3600);
        said.limits.live_per_agent = 1;
        said.limits.live_per_client = 2;
        said.limits.live = 3;
        said.limits.opened_per_hour = 4;
        let all = "[queue]\nlifetime = \"24h\"\ndecline_holds = \"7d\"\nlive_per_agent = 1\nlive_per_client = 2\n\
                   live = 3\nopened_per_hour = 4\n";
        assert_eq!(terms(all).unwrap(), said);
        for wrong in [
            "lifetime = \"25h\"",
            "lifetime = \"0s\"",
            "lifetime = 3600",
            "decline_holds = \"0s\"",
            "live_per_agent = 0",
            "live_per_client = -1",
            "live = \"all\"",
            "opened_per_hour = 0",
            "opened_per_day = 1",
        ] {
            let error = terms(&format!("[queue]\n{wrong}\n")).unwrap_err();
            assert_eq!(error.code(), "config_invalid", "{wrong}");
        }
    }

    #[test]
    fn limits_are_those_of_the_gate_unless_they_are_set_and_have_bounds() {
        let section = "[limits]\n";
        let before = text().split(section).next().unwrap().to_owned();
        let limits =
            |said: &str| Config::parse(&format!("{before}{said}"), Path::new("config.toml")).map(|c| c.limits());
        // As a home of 0.1 has it, and as the starter says it.
        assert_eq!(limits("").unwrap(), Limits::default());
        assert_eq!(
            Config::parse(&text(), Path::new("config.toml")).unwrap().limits(),
            Limits::default()
        );
        assert_eq!(
            limits("[limits]\nmax_bytes = 4_096").unwrap(),
            Limits::default().with_max_bytes(4096)
        );
        let largest = "[limits]\nmax_bytes = 67108864\nmax_depth = 120\nmax_members = 4194304";
        assert_eq!(limits(largest).unwrap(), MAX_LIMITS);
        for wrong in [
            "max_bytes = 67108865",
            "max_depth = 121",
            "max_members = 4194305",
            "max_bytes = 0",
            "max_depth = -1",
            "max_depth = \"64\"",
            "max_size = 1",
        ] {
            let error = limits(&format!("{section}{wrong}")).unwrap_err();
            assert_eq!(error.code(), "config_invalid", "{wrong}");
        }
        let error = limits(&format!("{section}max_depth = 121")).unwrap_err().to_string();
        assert!(error.contains("between 1 and 120"), "{error}");
    }

    #[test]
    fn comments_and_order_stay_when_the_key_changes() {
        let before = "# top\nissuer = \"urn:x\"\n[signing] # here\nkey =   \"file:a\" # there\n# end\n";
        let key = KeyUri::parse("file:keys/b.pem").unwrap();
        assert_eq!(
            with_key(before, "signing", &key),
            Some(before.replace("file:a", "file:keys/b.pem"))
        );
        assert_eq!(with_key("issuer = 1\n", "signing", &key), None);
        let both = format!("{before}[ledger]\nkey = \"file:c\" # heads\n");
        assert_eq!(
            with_key(&both, "ledger", &key),
            Some(both.replace("file:c", "file:keys/b.pem"))
        );
        assert_eq!(with_key(before, "ledger", &key), None);
    }
}
