//! [`PolicyFiles`]: `policy.toml`, `tools.toml` and the schemas that it names, from wherever they are, and brought into force.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use actionpass_gate::{Catalogue, CatalogueCode};
use actionpass_model::Digest;
use actionpass_policy::RulePolicy;

use crate::documents::{self, Documents, missing};
use crate::home::{APPROVERS, CONFIG, KEYS, PINS, POLICY, TOOLS, TRUST};
use crate::{CLIENTS, Config, Home, HomeCode, HomeError, HomePolicy, MAX_LIMITS, files};

/// The files of a policy as they were read together, in the home or in the database that its configuration names.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PolicyFiles {
    /// What an issuer judges by.
    pub policy: HomePolicy,
    /// The text of each file by its name in the home.
    pub files: BTreeMap<String, String>,
    /// The version and digest under which a database keeps them; `None` of files of the home.
    pub kept: Option<(u64, Digest)>,
}

/// Files that somebody brings; what they don't bring stays as it is in force.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "a policy has these two")]
pub struct BroughtFiles<'a> {
    /// What is to be `policy.toml`.
    pub policy: Option<Brought<'a>>,
    /// What is to be `tools.toml`; the schemas that it names lie beside it.
    pub tools: Option<Brought<'a>>,
}

/// A file that somebody brings.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a file is its bytes in a place")]
pub struct Brought<'a> {
    /// Where it is, for messages, and for what lies beside it.
    pub path: &'a Path,
    /// What it says.
    pub bytes: &'a [u8],
}

/// Where files of a policy are read.
#[derive(Clone, Copy, Debug)]
enum Source<'a> {
    /// In the folder of a home.
    Folder(&'a Home),
    /// In a database, by their names.
    Kept(&'a Documents, &'a BTreeMap<String, String>),
    Brought(Brought<'a>),
    /// As there, with more text at the end of the file.
    Extended(&'a Source<'a>, &'a str),
}

impl Source<'_> {
    /// What messages name as the place of a file.
    fn place(&self, name: &str) -> PathBuf {
        match self {
            Self::Folder(home) => home.path(name),
            Self::Kept(documents, _) => documents.place(name),
            Self::Brought(brought) => brought.path.to_owned(),
            Self::Extended(source, _) => source.place(name),
        }
    }

    /// `policy.toml` or `tools.toml`, if it is there.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, HomeError> {
        match self {
            Self::Folder(home) if files::is_there(&home.path(name))? => files::bytes(&home.file(name)?).map(Some),
            Self::Folder(_) => Ok(None),
            Self::Kept(_, kept) => Ok(kept.get(name).map(|text| text.clone().into_bytes())),
            Self::Brought(brought) => Ok(Some(brought.bytes.to_owned())),
            Self::Extended(source, more) => {
                let mut bytes = source.read(name)?.unwrap_or_default();
                if !bytes.ends_with(b"\n") {
                    bytes.push(b'\n');
                }
                bytes.extend_from_slice(more.as_bytes());
                Ok(Some(bytes))
            }
        }
    }

    /// A schema by its name in `tools.toml`, if it is there.
    fn schema(&self, name: &str) -> Result<Option<Vec<u8>>, HomeError> {
        // Bringing such a file into force would write over what the home keeps under that name.
        if is_own(name) {
            return Ok(None);
        }
        match self {
            Self::Folder(home) => {
                if !files::is_there(&home.path(name))? {
                    return Ok(None);
                }
                let path = home.file(name)?;
                // It may lie in a folder of its own.
                files::refuse_writable_parents(&path)?;
                files::bytes(&path).map(Some)
            }
            Self::Kept(_, kept) => Ok(kept.get(name).map(|text| text.clone().into_bytes())),
            Self::Brought(brought) => {
                let path = brought.path.parent().unwrap_or(Path::new("")).join(name);
                match files::is_there(&path)? {
                    true => files::bytes(&path).map(Some),
                    false => Ok(None),
                }
            }
            Self::Extended(source, _) => source.schema(name),
        }
    }

    /// `tools.toml` with the schemas that it names, without the file [`Catalogue::empty`]; and the text of each.
    fn catalogue(&self, config: &Config) -> Result<(Catalogue, BTreeMap<String, String>), HomeError> {
        let Some(bytes) = self.read(TOOLS)? else {
            return Ok((Catalogue::empty().with_limits(config.limits()), BTreeMap::new()));
        };
        let place = self.place(TOOLS);
        let text = files::decoded(bytes, &place, CatalogueCode::ToolsInvalid)?;
        let (refused, read) = (RefCell::new(None), RefCell::new(BTreeMap::new()));
        let schema = |name: &str| {
            let found = self.schema(name).and_then(|found| {
                let decode = |bytes| files::decoded(bytes, &self.place(name), CatalogueCode::ToolsInvalid);
                found.map(decode).transpose()
            });
            match found {
                Ok(text) => {
                    let text = text?;
                    read.borrow_mut().insert(name.to_owned(), text.clone());
                    Some(text.into_bytes())
                }
                Err(error) => {
                    refused.borrow_mut().get_or_insert(error);
                    None
                }
            }
        };
        let parsed = Catalogue::parse(&text, &place.display().to_string(), schema);
        // What is wrong with the file says more than that the catalogue lacks it.
        if let Some(error) = refused.into_inner() {
            return Err(error);
        }
        let catalogue = parsed?.with_name(TOOLS).with_limits(config.limits());
        catalogue.check_audiences(config.audiences())?;
        let mut read = read.into_inner();
        read.insert(TOOLS.to_owned(), text);
        Ok((catalogue, read))
    }
}

/// Whether a home keeps something else under this name, also where names are alike that differ in case.
fn is_own(name: &str) -> bool {
    let first = name.split('/').next().unwrap_or_default().to_ascii_lowercase();
    let own = [
        CONFIG,
        KEYS,
        TRUST,
        POLICY,
        TOOLS,
        PINS,
        APPROVERS,
        CLIENTS,
        "protect.json",
    ];
    own.contains(&&*first) || first.starts_with("ledger.") || first.ends_with(".lock")
}

/// Rules from here and tools from there, as an issuer loads them.
fn load(rules: Source<'_>, tools: Source<'_>, config: &Config) -> Result<PolicyFiles, HomeError> {
    let place = rules.place(POLICY);
    let bytes = rules.read(POLICY)?.ok_or_else(|| missing(&place))?;
    // The digest is that of the same files in a folder.
    let loaded = RulePolicy::load_bytes(&bytes, &place.display().to_string())?.with_name(POLICY)?;
    // INVARIANT: a policy that was loaded is UTF-8.
    let text = files::decoded(bytes, &place, HomeCode::FileUnreadable)?;
    let (catalogue, mut read) = tools.catalogue(config)?;
    let policy = HomePolicy::new(loaded, catalogue)?;
    // By files alone, which are in the digest: what is pinned changes under a policy that is in force.
    policy.check_paths(None)?;
    read.insert(POLICY.to_owned(), text);
    Ok(PolicyFiles {
        policy,
        files: read,
        kept: None,
    })
}

impl Home {
    /// `policy.toml` with `tools.toml`, as an issuer judges by them.
    ///
    /// # Errors
    /// [`HomeError::Policy`], [`HomeError::PathUndeclared`], [`HomeError::Unreadable`]; those of [`catalogue`](Self::catalogue).
    pub fn policy(&self, config: &Config) -> Result<HomePolicy, HomeError> {
        Ok(self.policy_files(config)?.policy)
    }

    /// The same with the text of each file.
    ///
    /// # Errors
    /// Those of [`policy`](Self::policy).
    pub fn policy_files(&self, config: &Config) -> Result<PolicyFiles, HomeError> {
        self.documents_of(config)?.policy_files(config)
    }

    /// Which version of the files of a policy a database keeps, without more of them than changed; `None` of files of the home, and where
    /// the database has none.
    ///
    /// # Errors
    /// [`HomeError::Store`].
    pub fn policy_version(&self, config: &Config) -> Result<Option<u64>, HomeError> {
        match self.documents_of(config)? {
            Documents::Files(_) => Ok(None),
            Documents::Database(database) => Ok(database.read(crate::kept::POLICY_FILES)?.map(|kept| kept.version)),
        }
    }

    /// `tools.toml` with the schemas that it names; without the file [`Catalogue::empty`].
    ///
    /// # Errors
    /// [`HomeError::Catalogue`], also where an audience is none of `config.toml`, or a tool has one there too;
    /// [`HomeError::Unreadable`], [`HomeError::Exposed`].
    pub fn catalogue(&self, config: &Config) -> Result<Catalogue, HomeError> {
        let documents = self.documents_of(config)?;
        documents.with_source(|source| Ok(source.catalogue(config)?.0))
    }

    /// Adds text to the end of `tools.toml`, which has to be a catalogue with it.
    ///
    /// # Errors
    /// Those of [`catalogue`](Self::catalogue), also where there is none yet; [`HomeError::Unwritable`]. Nothing is changed then.
    pub fn extend_catalogue(&self, config: &Config, more: &str) -> Result<Catalogue, HomeError> {
        let documents = self.documents_of(config)?;
        let change = |source: Source<'_>| {
            if source.read(TOOLS)?.is_none() {
                return Err(missing(&source.place(TOOLS)));
            }
            load(source, Source::Extended(&source, more), config)
        };
        Ok((**documents.put_policy(config, &change)?.policy.catalogue()).clone())
    }

    /// Brings files of a policy to where this home has them: all of them together have to be one that can be loaded. The issuer puts
    /// it in force ([`OpenHome::enforce_policy`](crate::OpenHome::enforce_policy)).
    ///
    /// # Errors
    /// Those of [`policy`](Self::policy); [`HomeError::Unwritable`], [`HomeError::Store`]. Nothing is changed then.
    pub fn put_policy(&self, config: &Config, brought: BroughtFiles<'_>) -> Result<PolicyFiles, HomeError> {
        let change = |source: Source<'_>| {
            let of = |brought: Option<_>| brought.map_or(source, Source::Brought);
            load(of(brought.policy), of(brought.tools), config)
        };
        self.documents_of(config)?.put_policy(config, &change)
    }
}

/// What makes another policy of the files that are there.
type ChangePolicy<'a> = &'a dyn Fn(Source<'_>) -> Result<PolicyFiles, HomeError>;

impl Documents {
    /// The files of the policy that is kept here.
    pub(crate) fn policy_files(&self, config: &Config) -> Result<PolicyFiles, HomeError> {
        match self {
            Self::Files(home) => load(Source::Folder(home), Source::Folder(home), config),
            Self::Database(database) => {
                let (kept, texts) = database.policy()?.unwrap_or_default();
                let source = Source::Kept(self, &texts);
                Ok(PolicyFiles {
                    kept,
                    ..load(source, source, config)?
                })
            }
        }
    }

    fn with_source<T>(&self, read: impl FnOnce(Source<'_>) -> Result<T, HomeError>) -> Result<T, HomeError> {
        match self {
            Self::Files(home) => read(Source::Folder(home)),
            Self::Database(database) => {
                let (_, texts) = database.policy()?.unwrap_or_default();
                read(Source::Kept(self, &texts))
            }
        }
    }

    fn put_policy(&self, config: &Config, change: ChangePolicy<'_>) -> Result<PolicyFiles, HomeError> {
        match self {
            Self::Files(home) => {
                let _held = home.lock("tools.toml.lock")?;
                let next = change(Source::Folder(home))?;
                write_files(home, &next.files)?;
                Ok(next)
            }
            Self::Database(database) => {
                database.change_policy(&|texts| Ok(change(Source::Kept(self, texts))?.files))?;
                self.policy_files(config)
            }
        }
    }

    /// Puts files of a policy here as they are, without a look at what is there.
    #[cfg(feature = "postgres")]
    pub(crate) fn carry_policy(&self, texts: &BTreeMap<String, String>) -> Result<(), HomeError> {
        match self {
            Self::Files(home) => write_files(home, texts),
            Self::Database(database) => database.change_policy(&|_| Ok(texts.clone())),
        }
    }
}

/// Writes what differs into the folder: schemas first, so that no `tools.toml` names one that isn't there, and the rules last.
fn write_files(home: &Home, texts: &BTreeMap<String, String>) -> Result<(), HomeError> {
    let rank = |name: &str| match name {
        POLICY => 2,
        TOOLS => 1,
        _ => 0,
    };
    let mut names: Vec<&String> = texts.keys().collect();
    names.sort_by_key(|name| rank(name));
    for name in names {
        let text = texts.get(name).map(String::as_bytes).unwrap_or_default();
        let path = home.file(name)?;
        if files::is_there(&path)? && files::bytes(&path)? == text {
            continue;
        }
        let folders: Vec<&Path> = path
            .ancestors()
            .skip(1)
            .take_while(|above| *above != home.root())
            .collect();
        for folder in folders.into_iter().rev().filter(|folder| !folder.exists()) {
            files::make_folder(folder)?;
        }
        files::put(&path, text)?;
    }
    Ok(())
}

impl Home {
    /// Files in the folder of this home that look like what a database keeps for it, and aren't used: each by its name, and whether it
    /// says the same. None in a home of files.
    ///
    /// # Errors
    /// [`HomeError::Store`] where the database can't be asked.
    pub fn unused_files(&self, config: &Config) -> Result<Vec<(String, bool)>, HomeError> {
        let documents = self.documents_of(config)?;
        let mut kept: BTreeMap<String, Option<Vec<u8>>> = match &documents {
            Documents::Files(_) => return Ok(Vec::new()),
            Documents::Database(database) => {
                let (_, texts) = database.policy()?.unwrap_or_default();
                let texts = texts.into_iter().map(|(name, text)| (name, Some(text.into_bytes())));
                texts.collect()
            }
        };
        for name in [POLICY, TOOLS] {
            kept.entry(name.to_owned()).or_default();
        }
        for document in documents::ALL {
            kept.insert(document.name.to_owned(), documents.read(document)?);
        }
        let most = MAX_LIMITS.max_bytes();
        let there = kept.into_iter().filter_map(|(name, kept)| {
            let path = self.path(&name);
            fs::symlink_metadata(&path).ok()?;
            let is_same = kept.is_some() && files::bytes_of_at_most(&path, most).ok() == kept;
            Some((name, is_same))
        });
        Ok(there.collect())
    }
}
