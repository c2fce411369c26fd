//! [`Clients`]: who may ask the service of a home, for whom, and what.
//!
//! `clients.toml` is closed, private to its owner, and read whole or not at all. Its entries are [`Client`]s. Each is known by a
//! token, of which only the SHA-256 stands there, or by the users who reach the service through its Unix socket.

mod edit;
mod live;
mod scope;
mod token;

use std::collections::HashSet;
use std::path::Path;

use actionpass_model::{Agent, Audience, Digest, Owner, Runtime, Server, Statement, Tenant, TextError};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};
use toml::Spanned;

use crate::{HomeError, config};

pub use live::LiveClients;
pub use scope::{Member, Scope};
pub use token::ClientToken;

/// The file of a home that holds them.
pub const CLIENTS: &str = "clients.toml";

/// Something that a client may do.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Right {
    /// Ask for decisions.
    Authorize,
    /// Have passes verified.
    Verify,
    /// Have passes consumed.
    Consume,
    /// Report what came of calls.
    Outcome,
    /// See approval requests, and cast votes that people signed.
    Requests,
    /// Read the ledger.
    Ledger,
    /// Revoke passes.
    Revoke,
    /// Revoke principals and keys, cancel any request, lift holds, confirm passkeys.
    Admin,
}

impl Right {
    /// Every right.
    pub const ALL: &[Self] = &[
        Self::Authorize,
        Self::Verify,
        Self::Consume,
        Self::Outcome,
        Self::Requests,
        Self::Ledger,
        Self::Revoke,
        Self::Admin,
    ];

    /// The right as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Verify => "verify",
            Self::Consume => "consume",
            Self::Outcome => "outcome",
            Self::Requests => "requests",
            Self::Ledger => "ledger",
            Self::Revoke => "revoke",
            Self::Admin => "admin",
        }
    }
}

/// What a client may state or touch of one kind: none of it if there is no pattern.
///
/// A pattern is a text that means itself, or a beginning with one `*` behind it, which stands for whatever follows, `/`
/// included; so `*` alone is any text. Upper and lower case differ.
#[derive(Clone, Debug, Default, Eq, PartialEq, serde::Serialize)]
#[serde(transparent)]
pub struct Patterns(Vec<String>);

impl Patterns {
    /// The patterns of what `parse` reads.
    ///
    /// # Errors
    /// What is wrong with one of them.
    fn parse<T>(texts: Vec<String>, parse: fn(&str) -> Result<T, TextError>) -> Result<Self, String> {
        for text in &texts {
            let (begin, is_open) = text.strip_suffix('*').map_or((&**text, false), |begin| (begin, true));
            if begin.contains('*') {
                return Err(format!(
                    "`*` stands in the middle of `{text}`: it may stand at the end only"
                ));
            }
            if !begin.is_empty() || !is_open {
                // What an open pattern stands for is a text of the kind as soon as something follows.
                let sample = if is_open { format!("{begin}x") } else { begin.to_owned() };
                parse(&sample)
                    .map_err(|error| format!("`{text}` stands for no {}: it {}", error.what(), error.problem()))?;
            }
        }
        Ok(Self(texts))
    }

    /// Any text: `["*"]`.
    #[must_use]
    pub fn any() -> Self {
        Self(vec!["*".to_owned()])
    }

    /// Whether one of them is this, or stands for it.
    #[must_use]
    pub fn admit(&self, value: &str) -> bool {
        self.0.iter().any(|pattern| {
            pattern
                .strip_suffix('*')
                .map_or(pattern == value, |begin| value.starts_with(begin))
        })
    }

    /// Whether they stand for any text: one of them is `*`.
    #[must_use]
    pub fn are_any(&self) -> bool {
        self.0.iter().any(|pattern| pattern == "*")
    }

    /// The only text that they admit, if there is exactly one.
    #[must_use]
    pub fn only(&self) -> Option<&str> {
        match self.0.as_slice() {
            [pattern] if !pattern.ends_with('*') => Some(pattern),
            _ => None,
        }
    }

    /// As they are written.
    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

/// An entry of `clients.toml`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Client {
    /// Its name, which records and logs say: `[a-z0-9][a-z0-9._-]{0,63}`, so that no two look alike.
    pub name: Statement,
    /// What it may do.
    pub may: Vec<Right>,
    /// For which tenants.
    pub tenants: Patterns,
    /// For which agents.
    pub agents: Patterns,
    /// For agents of which owners.
    pub owners: Patterns,
    /// On which runtimes.
    pub runtimes: Patterns,
    /// With tools of which servers.
    pub servers: Patterns,
    /// For which audiences.
    pub audiences: Patterns,
    /// Whether the facts that it states count.
    pub attests: bool,
    /// Whether it consumes passes in the call that it asks in.
    pub consumes: bool,
    credential: Credential,
}

/// What a client is known by.
#[derive(Clone, Eq, PartialEq)]
enum Credential {
    /// SHA-256 of its token.
    Token(Digest),
    /// The users who are it on the Unix socket.
    Socket(Vec<u32>),
}

/// A hash of a token is for nobody to see who doesn't read the file.
impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Token(_) => f.write_str("Token"),
            Self::Socket(uids) => f.debug_tuple("Socket").field(uids).finish(),
        }
    }
}

impl Client {
    /// A client that nothing proves and that may do nothing yet.
    #[must_use]
    pub fn new(name: Statement) -> Self {
        Self {
            name,
            may: Vec::new(),
            tenants: Patterns::default(),
            agents: Patterns::default(),
            owners: Patterns::default(),
            runtimes: Patterns::default(),
            servers: Patterns::default(),
            audiences: Patterns::default(),
            attests: false,
            consumes: false,
            credential: Credential::Socket(Vec::new()),
        }
    }

    /// The same, proven by this token.
    #[must_use]
    pub fn with_token(mut self, token: &ClientToken) -> Self {
        self.credential = Credential::Token(token.sha256());
        self
    }

    /// The same, which these users are on the Unix socket.
    #[must_use]
    pub fn with_uids(mut self, uids: Vec<u32>) -> Self {
        self.credential = Credential::Socket(uids);
        self
    }

    /// The users who are this client on the Unix socket; none of a client with a token.
    #[must_use]
    pub fn uids(&self) -> &[u32] {
        match &self.credential {
            Credential::Token(_) => &[],
            Credential::Socket(uids) => uids,
        }
    }

    /// Whether it may do this.
    #[must_use]
    pub fn may(&self, right: Right) -> bool {
        self.may.contains(&right)
    }
}

/// Every entry of one `clients.toml`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Clients(Vec<Client>);

impl Clients {
    /// Reads the text of a `clients.toml`; errors name line and column.
    ///
    /// # Errors
    /// [`HomeError::ClientsInvalid`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, HomeError> {
        let refused = |offset: usize, problem: &str| {
            let (line, column) = config::position(text, offset);
            HomeError::ClientsInvalid {
                path: path.to_owned(),
                line,
                column,
                problem: problem.lines().collect::<Vec<_>>().join(" ").into(),
            }
        };
        let file: File = toml::from_str(text)
            .map_err(|error| refused(error.span().map_or(0, |span| span.start), error.message()))?;
        let mut seen = Seen::default();
        file.client
            .into_iter()
            .map(|entry| {
                let at = entry.span().start;
                entry
                    .into_inner()
                    .client(&mut seen)
                    .map_err(|problem| refused(at, problem))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The client that this token is of. Every entry is compared, each in constant time.
    #[must_use]
    pub fn of_token(&self, token: &ClientToken) -> Option<&Client> {
        let presented = token.sha256();
        // No entry has this place: nobody unless one is found.
        let mut found = u64::MAX;
        for (place, client) in (0_u64..).zip(&self.0) {
            if let Credential::Token(known) = &client.credential {
                found.conditional_assign(&place, known.as_bytes().ct_eq(presented.as_bytes()));
            }
        }
        self.0.get(usize::try_from(found).ok()?)
    }

    /// The client that a user is on the Unix socket.
    #[must_use]
    pub fn of_uid(&self, uid: u32) -> Option<&Client> {
        self.0.iter().find(|client| client.uids().contains(&uid))
    }

    /// All of them, in the order of the file.
    #[must_use]
    pub fn as_slice(&self) -> &[Client] {
        &self.0
    }
}

/// `clients.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    client: Vec<Spanned<Entry>>,
}

/// `[[client]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(deserialize_with = "name")]
    name: Statement,
    #[serde(default)]
    token_sha256: Option<Digest>,
    #[serde(default)]
    socket: bool,
    #[serde(default)]
    uids: Vec<u32>,
    may: Vec<Right>,
    #[serde(default, deserialize_with = "tenants")]
    tenants: Patterns,
    #[serde(default, deserialize_with = "agents")]
    agents: Patterns,
    #[serde(default, deserialize_with = "owners")]
    owners: Patterns,
    #[serde(default, deserialize_with = "runtimes")]
    runtimes: Patterns,
    #[serde(default, deserialize_with = "servers")]
    servers: Patterns,
    #[serde(default, deserialize_with = "audiences")]
    audiences: Patterns,
    #[serde(default)]
    attests: bool,
    #[serde(default)]
    consumes: bool,
}

/// What only one entry may have.
#[derive(Default)]
struct Seen {
    names: HashSet<Statement>,
    tokens: HashSet<Digest>,
    uids: HashSet<u32>,
}

impl Entry {
    fn client(self, seen: &mut Seen) -> Result<Client, &'static str> {
        let credential = match (self.token_sha256, self.socket) {
            (Some(token), false) if self.uids.is_empty() => Credential::Token(token),
            (None, true) if !self.uids.is_empty() => Credential::Socket(self.uids),
            _ => return Err("a client has either `token_sha256`, or `socket = true` and `uids`"),
        };
        let is_new = match &credential {
            Credential::Token(token) => seen.tokens.insert(*token),
            Credential::Socket(uids) => uids.iter().all(|uid| seen.uids.insert(*uid)),
        };
        if !is_new {
            return Err("another client has the same token or user: nobody would know which of them asks");
        }
        if !seen.names.insert(self.name.clone()) {
            return Err("another client has this name");
        }
        Ok(Client {
            name: self.name,
            may: self.may,
            tenants: self.tenants,
            agents: self.agents,
            owners: self.owners,
            runtimes: self.runtimes,
            servers: self.servers,
            audiences: self.audiences,
            attests: self.attests,
            consumes: self.consumes,
            credential,
        })
    }
}

/// The name of a client as somebody writes it.
///
/// # Errors
/// What is wrong with it.
pub fn client_name(text: &str) -> Result<Statement, &'static str> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_name = text.len() <= 64
        && text.bytes().next().is_some_and(is_plain)
        && text.bytes().all(|byte| is_plain(byte) || b"._-".contains(&byte));
    let name = is_name.then(|| Statement::parse(text).ok()).flatten();
    name.ok_or("a client's name is a lower-case letter or digit and up to 63 of those, `.`, `_` and `-`")
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Statement, D::Error> {
    client_name(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// The patterns of each kind, as somebody writes them and as the file has them.
macro_rules! patterns {
    ($($of:ident, $read:ident: $kind:ident, $doc:literal;)+) => {
        impl Patterns {
            $(
                #[doc = concat!("Patterns of ", $doc, ".")]
                ///
                /// # Errors
                /// What is wrong with one of them.
                pub fn $of(texts: Vec<String>) -> Result<Self, String> {
                    Self::parse(texts, $kind::parse)
                }
            )+
        }
        $(
            fn $read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Patterns, D::Error> {
                Patterns::$of(Vec::deserialize(deserializer)?).map_err(D::Error::custom)
            }
        )+
    };
}
patterns! {
    of_tenants, tenants: Tenant, "tenants";
    of_agents, agents: Agent, "agents";
    of_owners, owners: Owner, "owners";
    of_runtimes, runtimes: Runtime, "runtimes";
    of_servers, servers: Server, "servers";
    of_audiences, audiences: Audience, "audiences";
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "sha256:0101010101010101010101010101010101010101010101010101010101010101";

    fn parse(text: &str) -> Result<Clients, HomeError> {
        Clients::parse(text, Path::new("clients.toml"))
    }

    fn refusal(text: &str) -> String {
        let error = parse(text).unwrap_err();
        assert_eq!(error.code(), "clients_invalid");
        error.to_string()
    }

    #[test]
    fn an_entry_says_nothing_that_it_does_not_say() {
        let clients = parse(&format!(
            "[[client]]\nname = \"ci\"\ntoken_sha256 = \"{TOKEN}\"\nmay = [\"authorize\"]\n"
        ))
        .unwrap();
        let [client] = clients.as_slice() else { panic!() };
        assert_eq!(client.name.as_str(), "ci");
        assert_eq!(client.may, [Right::Authorize]);
        assert!(!client.attests && !client.consumes);
        for patterns in [
            &client.tenants,
            &client.agents,
            &client.owners,
            &client.runtimes,
            &client.servers,
            &client.audiences,
        ] {
            assert_eq!(patterns, &Patterns::default());
            assert!(!patterns.admit("") && !patterns.admit("*") && !patterns.are_any());
        }
    }

    #[test]
    fn refusals_name_line_and_column() {
        let entry = |more: &str| format!("# mine\n[[client]]\nname = \"ci\"\nmay = []\n{more}\n");
        let token = format!("token_sha256 = \"{TOKEN}\"");
        assert!(parse(&entry(&token)).is_ok());
        for (text, begins) in [
            (entry("").as_str(), "clients.toml:2:1: a client has either"),
            (&entry("socket = true"), "clients.toml:2:1: a client has either"),
            (&entry("uids = [1]"), "clients.toml:2:1: a client has either"),
            (
                &entry(&format!("{token}\nsocket = true\nuids = [1]")),
                "clients.toml:2:1: a client has either",
            ),
            (
                &entry(&format!("{token}\nuids = [1]")),
                "clients.toml:2:1: a client has either",
            ),
            (
                &entry(&format!("{token}\ntenant = []")),
                "clients.toml:6:1: unknown field `tenant`",
            ),
            (&entry("token_sha256 = \"apc_x\""), "clients.toml:5:16: "),
            (
                &entry(&format!("{token}\nagents = [\"codex\"]")),
                "clients.toml:6:10: `codex` stands for no agent",
            ),
            (
                &entry("").replace("ci", "CI"),
                "clients.toml:3:8: a client's name is a lower-case",
            ),
            (
                &entry("").replace("[]", "[\"all\"]"),
                "clients.toml:4:8: unknown variant `all`",
            ),
            (
                &format!("{0}{0}", entry(&token)),
                "clients.toml:7:1: another client has the same token",
            ),
            ("tenants = []", "clients.toml:1:1: unknown field `tenants`"),
            ("[[client", "clients.toml:1:9: "),
        ] {
            let message = refusal(text);
            assert!(message.starts_with(begins), "{message}\n{text}");
        }
        let other = TOKEN.replacen("01", "02", 1);
        let twice = format!("{}{}", entry(&token), entry(&format!("token_sha256 = \"{other}\"")));
        assert!(refusal(&twice).starts_with("clients.toml:7:1: another client has this name"));
        let users = entry("socket = true\nuids = [1, 2]") + &entry("socket = true\nuids = [2]").replace("ci", "cd");
        assert!(refusal(&users).starts_with("clients.toml:8:1: another client has the same token or user"));
    }

    #[test]
    fn a_name_is_plain() {
        for good in ["a", "0", "ci.build_2-x", &"a".repeat(64)] {
            assert_eq!(client_name(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            ".a",
            "-a",
            "A",
            "aB",
            "a b",
            "a/b",
            "a\n",
            "ä",
            "а",
            &"a".repeat(65),
        ] {
            client_name(bad).unwrap_err();
        }
    }

    #[test]
    fn a_pattern_means_itself_or_begins() {
        let patterns = |texts: &[&str]| Patterns::of_agents(texts.iter().map(|&text| text.to_owned()).collect());
        let some = patterns(&["agent:ci", "agent:codex-*"]).unwrap();
        for admitted in ["agent:ci", "agent:codex-", "agent:codex-a/b", "agent:codex-*"] {
            assert!(some.admit(admitted), "{admitted}");
        }
        for refused in [
            "",
            "agent:c",
            "agent:ci2",
            "agent:CI",
            "agent:ci ",
            " agent:ci",
            "agent:codex",
            "xagent:codex-a",
            "*",
        ] {
            assert!(!some.admit(refused), "{refused}");
        }
        assert!(patterns(&["*"]).unwrap().admit("agent:any/thing"));
        assert!(patterns(&["agent:*"]).unwrap().admit("agent:any/thing"));
        for bad in [
            "",
            "agent:",
            "user:a",
            "agent:a*b",
            "agent:**",
            "**",
            "*agent:a",
            "a*",
            "agent:a b",
            "agent:ü*",
        ] {
            patterns(&[bad]).unwrap_err();
        }
    }

    #[test]
    fn only_one_literal_is_the_only_value() {
        let patterns = |texts: &[&str]| Patterns(texts.iter().map(|&text| text.to_owned()).collect());
        assert_eq!(patterns(&["org:a"]).only(), Some("org:a"));
        for several in [&[][..], &["*"], &["org:*"], &["org:a", "org:b"], &["org:a", "*"]] {
            assert_eq!(patterns(several).only(), None);
        }
        assert!(patterns(&["org:a", "*"]).are_any());
        assert!(!patterns(&["org:*"]).are_any());
    }

    #[test]
    fn a_client_is_found_by_its_token_or_user_only() {
        let tokens: Vec<ClientToken> = (1..=3).map(|n| ClientToken::from_random(&[n; 32])).collect();
        let mut text = String::new();
        for (n, token) in tokens.iter().take(2).enumerate() {
            text.push_str(&format!(
                "[[client]]\nname = \"c{n}\"\nmay = []\ntoken_sha256 = \"{}\"\n",
                token.sha256()
            ));
        }
        text.push_str("[[client]]\nname = \"local\"\nmay = []\nsocket = true\nuids = [0, 1000]\n");
        let clients = parse(&text).unwrap();
        let of = |n: usize| clients.of_token(&tokens[n]).map(|client| client.name.as_str());
        assert_eq!([of(0), of(1), of(2)], [Some("c0"), Some("c1"), None]);
        let user = |uid| clients.of_uid(uid).map(|client| client.name.as_str());
        assert_eq!([user(0), user(1000), user(1)], [Some("local"), Some("local"), None]);
        assert_eq!(Clients::default().of_token(&tokens[0]), None);
        assert!(!format!("{clients:?}").contains("sha256"));
    }
}
