//! Changes of `clients.toml`, which leave everything else in it as its owner wrote it.

use std::path::{Path, PathBuf};

use actionpass_model::Statement;
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};

use super::{CLIENTS, Client, Clients, Credential, Patterns};
use crate::documents::{CLIENTS_FILE, Documents};
use crate::{Home, HomeCode, HomeError, files};

/// What a new file begins with.
const HEADER: &str = "# ActionPass: who may ask the service, for whom, and what. `actionpass clients add` writes an entry and shows its token
# once. A service takes a change over within five seconds; while this file is broken, it answers nobody.

";

impl Home {
    /// `clients.toml`; a home without one has no clients.
    ///
    /// # Errors
    /// [`HomeError::ClientsInvalid`], [`HomeError::Exposed`], [`HomeError::Unreadable`].
    pub fn clients(&self) -> Result<Clients, HomeError> {
        let documents = self.documents()?;
        match text_of(&documents)? {
            Some(text) => Clients::parse(&text, &documents.place(CLIENTS)),
            None => Ok(Clients::default()),
        }
    }

    /// What messages name as the place of the clients: the file, or the address of the database and the document's name.
    ///
    /// # Errors
    /// Those of [`clients`](Self::clients), but for what the file says.
    pub fn place_of_clients(&self) -> Result<PathBuf, HomeError> {
        Ok(self.documents()?.place(CLIENTS))
    }

    /// Whether there are clients, or could be: a file, or a document of the database.
    ///
    /// # Errors
    /// Those of [`clients`](Self::clients), but for what the file says.
    pub fn has_clients(&self) -> Result<bool, HomeError> {
        Ok(self.documents()?.read(CLIENTS_FILE)?.is_some())
    }

    /// Adds a client at the end of `clients.toml`.
    ///
    /// # Errors
    /// [`HomeError::ClientKnown`] where another has its name, [`HomeError::ClientsInvalid`] where another has its token or a
    /// user of it, or where the file is broken; nothing was changed.
    pub fn add_client(&self, client: &Client) -> Result<(), HomeError> {
        self.change_clients(|clients, document, place| {
            if clients.as_slice().iter().any(|known| known.name == client.name) {
                return Err(HomeError::ClientKnown(client.name.clone()));
            }
            let trailing = document.trailing().as_str().unwrap_or_default().to_owned();
            let entries = document
                .entry("client")
                .or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
            let entries = entries.as_array_of_tables_mut().ok_or_else(|| not_tables(place))?;
            let mut entry = entry_of(client);
            // Of a file without entries everything is what stands at its end.
            let is_first = entries.is_empty();
            entry.decor_mut().set_prefix(if is_first { &trailing } else { "\n" });
            entries.push(entry);
            if is_first {
                document.set_trailing("");
            }
            Ok(())
        })
    }

    /// Removes a client from `clients.toml`, and the comment that stands right above its entry.
    ///
    /// # Errors
    /// [`HomeError::ClientUnknown`]; [`HomeError::ClientsInvalid`] where the file is broken; nothing was changed.
    pub fn remove_client(&self, name: &Statement) -> Result<(), HomeError> {
        self.change_clients(|clients, document, place| {
            let at = clients.as_slice().iter().position(|known| known.name == *name);
            let at = at.ok_or_else(|| HomeError::ClientUnknown(name.clone()))?;
            let entries = document.get_mut("client").and_then(Item::as_array_of_tables_mut);
            let entries = entries.ok_or_else(|| not_tables(place))?;
            let stays = entries.get(at).map(comment_above).unwrap_or_default();
            entries.remove(at);
            // What stood further above is about the file, or about what came before.
            if let Some(next) = entries.get_mut(at) {
                let prefix = format!("{stays}{}", prefix_of(next).trim_start_matches('\n'));
                next.decor_mut().set_prefix(prefix);
            } else {
                let trailing = format!("{stays}{}", document.trailing().as_str().unwrap_or_default());
                document.set_trailing(trailing);
            }
            Ok(())
        })
    }

    /// Reads, changes and writes; what is refused, or would not be read again, is not written.
    fn change_clients(
        &self,
        change: impl Fn(&Clients, &mut DocumentMut, &Path) -> Result<(), HomeError>,
    ) -> Result<(), HomeError> {
        let documents = self.documents()?;
        let place = documents.place(CLIENTS);
        documents.change(CLIENTS_FILE, |kept| {
            let before = match kept {
                Some(bytes) => files::decoded(bytes, &place, HomeCode::ClientsInvalid)?,
                None => HEADER.to_owned(),
            };
            let clients = Clients::parse(&before, &place)?;
            // INVARIANT: it was read as TOML just now.
            let mut document: DocumentMut = before.parse().map_err(|_| not_tables(&place))?;
            change(&clients, &mut document, &place)?;
            let after = document.to_string();
            Clients::parse(&after, &place)?;
            Ok(((), Some(after.into_bytes())))
        })
    }
}

/// The text of `clients.toml`, if there is one.
pub(super) fn text_of(documents: &Documents) -> Result<Option<String>, HomeError> {
    let decode = |bytes| files::decoded(bytes, &documents.place(CLIENTS), HomeCode::ClientsInvalid);
    documents.read(CLIENTS_FILE)?.map(decode).transpose()
}

fn not_tables(place: &Path) -> HomeError {
    HomeError::ClientsInvalid {
        path: place.to_owned(),
        line: 1,
        column: 1,
        problem: "only entries that are written as `[[client]]` can be changed".into(),
    }
}

fn prefix_of(entry: &Table) -> &str {
    entry
        .decor()
        .prefix()
        .and_then(|prefix| prefix.as_str())
        .unwrap_or_default()
}

/// What stands above an entry up to the last empty line, which isn't about the entry.
fn comment_above(entry: &Table) -> String {
    let prefix = prefix_of(entry);
    prefix
        .rfind("\n\n")
        .and_then(|end| prefix.get(..end.saturating_add(2)))
        .unwrap_or_default()
        .to_owned()
}

fn entry_of(client: &Client) -> Table {
    fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> Item {
        value(texts.into_iter().collect::<Array>())
    }
    let mut entry = Table::new();
    entry.insert("name", value(client.name.as_str()));
    match &client.credential {
        Credential::Token(token) => {
            entry.insert("token_sha256", value(token.to_string()));
        }
        Credential::Socket(uids) => {
            entry.insert("socket", value(true));
            entry.insert("uids", value(uids.iter().map(|&uid| i64::from(uid)).collect::<Array>()));
        }
    }
    entry.insert("may", list(client.may.iter().map(|right| right.as_str())));
    let patterns: [(&str, &Patterns); 6] = [
        ("tenants", &client.tenants),
        ("agents", &client.agents),
        ("owners", &client.owners),
        ("runtimes", &client.runtimes),
        ("servers", &client.servers),
        ("audiences", &client.audiences),
    ];
    for (name, patterns) in patterns {
        if !patterns.as_slice().is_empty() {
            entry.insert(name, list(patterns.as_slice().iter().map(String::as_str)));
        }
    }
    for (name, said) in [("attests", client.attests), ("consumes", client.consumes)] {
        if said {
            entry.insert(name, value(true));
        }
    }
    entry
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{ClientToken, Right, client_name};

    fn home() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        (folder, home)
    }

    fn client(name: &str, n: u8) -> Client {
        let mut client = Client::new(client_name(name).unwrap()).with_token(&ClientToken::from_random(&[n; 32]));
        client.may = vec![Right::Authorize, Right::Requests];
        client.tenants = Patterns::of_tenants(vec!["org:example".to_owned()]).unwrap();
        client.agents = Patterns::of_agents(vec!["agent:ci-*".to_owned(), "agent:bot".to_owned()]).unwrap();
        client
    }

    #[test]
    fn what_is_added_is_read_again() {
        let (_folder, home) = home();
        assert_eq!(home.clients().unwrap(), Clients::default());
        let mut all = client("all", 1);
        all.may = Right::ALL.to_vec();
        for patterns in [
            &mut all.tenants,
            &mut all.agents,
            &mut all.owners,
            &mut all.runtimes,
            &mut all.servers,
            &mut all.audiences,
        ] {
            *patterns = Patterns::any();
        }
        (all.attests, all.consumes) = (true, true);
        let local = Client::new(client_name("local").unwrap()).with_uids(vec![0, u32::MAX]);
        let added = [all, client("ci", 2), local];
        for client in &added {
            home.add_client(client).unwrap();
        }
        assert_eq!(home.clients().unwrap().as_slice(), added);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(
                fs::metadata(home.path(CLIENTS)).unwrap().permissions().mode() & 0o777,
                0o600
            );
        }
    }

    #[test]
    fn what_is_refused_changes_nothing() {
        let (_folder, home) = home();
        home.add_client(&client("ci", 1)).unwrap();
        let before = fs::read_to_string(home.path(CLIENTS)).unwrap();
        let codes = [
            home.add_client(&client("ci", 2)).unwrap_err().code(),
            home.add_client(&client("cd", 1)).unwrap_err().code(),
            home.remove_client(&client_name("c").unwrap()).unwrap_err().code(),
        ];
        assert_eq!(
            codes.map(|code| code.to_string()),
            ["client_known", "clients_invalid", "client_unknown"]
        );
        assert_eq!(fs::read_to_string(home.path(CLIENTS)).unwrap(), before);
        let broken = format!("{before}agent = []\n");
        fs::write(home.path(CLIENTS), &broken).unwrap();
        let codes = [
            home.add_client(&client("cd", 2)).unwrap_err().code(),
            home.remove_client(&client_name("ci").unwrap()).unwrap_err().code(),
        ];
        assert_eq!(
            codes.map(|code| code.to_string()),
            ["clients_invalid", "clients_invalid"]
        );
        assert_eq!(fs::read_to_string(home.path(CLIENTS)).unwrap(), broken);
    }

    #[test]
    fn comments_stay() {
        let (_folder, home) = home();
        for (n, name) in ["a", "b", "c"].into_iter().enumerate() {
            home.add_client(&client(name, u8::try_from(n).unwrap())).unwrap();
        }
        let text = fs::read_to_string(home.path(CLIENTS)).unwrap();
        assert!(text.starts_with(HEADER));
        let text = text
            .replacen(
                "[[client]]\nname = \"a\"",
                "# about a\n[[client]]\nname = \"a\" # the first",
                1,
            )
            .replacen("[[client]]\nname = \"b\"", "# about b\n[[client]]\nname =   \"b\"", 1);
        fs::write(home.path(CLIENTS), format!("{text}# the end\n")).unwrap();
        home.remove_client(&client_name("a").unwrap()).unwrap();
        let without_a = fs::read_to_string(home.path(CLIENTS)).unwrap();
        assert!(
            without_a.starts_with(&format!("{HEADER}# about b\n[[client]]\nname =   \"b\"\n")),
            "{without_a}"
        );
        assert!(without_a.ends_with("# the end\n") && !without_a.contains("about a"));
        home.remove_client(&client_name("c").unwrap()).unwrap();
        home.remove_client(&client_name("b").unwrap()).unwrap();
        let empty = fs::read_to_string(home.path(CLIENTS)).unwrap();
        assert!(empty.starts_with(HEADER) && empty.ends_with("# the end\n"), "{empty}");
        assert!(!empty.contains("client]]"));
        home.add_client(&client("d", 4)).unwrap();
        assert_eq!(home.clients().unwrap().as_slice(), [client("d", 4)]);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;

        let (_folder, home) = home();
        home.add_client(&client("ci", 1)).unwrap();
        for mode in [0o640, 0o604, 0o622] {
            fs::set_permissions(home.path(CLIENTS), fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(home.clients(), Err(HomeError::Exposed { .. })), "{mode:o}");
        }
    }
}
