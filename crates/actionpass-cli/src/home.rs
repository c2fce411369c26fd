//! [`Home`]: the folder with configuration, keys, trust, policy and ledger.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actionpass_policy::RulePolicy;
use actionpass_store::trust_file::{MAX_TRUST_BYTES, TrustFile};
use actionpass_verify::{Trust, TrustError};

use crate::code::CliCode;
use crate::config::Config;
use crate::failure::{Failure, Outcome};
use crate::input;

/// The configuration, TOML.
pub(crate) const CONFIG: &str = "config.toml";
/// The folder of private keys.
pub(crate) const KEYS: &str = "keys";
/// The trust store, JSON.
pub(crate) const TRUST: &str = "trust.json";
/// The policy, TOML.
pub(crate) const POLICY: &str = "policy.toml";
/// Decisions, ledger and used passes, SQLite.
pub(crate) const LEDGER: &str = "ledger.db";
/// The example actions.
pub(crate) const EXAMPLES: &str = "examples";

/// A home that exists and that nobody else can write.
#[derive(Debug)]
pub(crate) struct Home {
    root: PathBuf,
}

/// Where the home is: `--home`, else `ACTIONPASS_HOME`, else the user's data folder. Never found by walking up from the
/// current folder: an agent that works there could plant one.
pub(crate) fn place(option: Option<&Path>) -> Outcome<PathBuf> {
    let variable = || {
        std::env::var_os("ACTIONPASS_HOME")
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
    };
    if let Some(path) = option.map(Path::to_owned).or_else(variable) {
        return Ok(path);
    }
    data_folder().map(|folder| folder.join("actionpass")).ok_or_else(|| {
        Failure::new(
            CliCode::HomeMissing,
            "no data folder is known: neither XDG_DATA_HOME nor HOME is set",
        )
        .with_hint("use --home DIR or set ACTIONPASS_HOME")
    })
}

/// The XDG base directory for data; relative paths there are invalid by its specification.
fn data_folder() -> Option<PathBuf> {
    let variable = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let windows = || if cfg!(windows) { variable("LOCALAPPDATA") } else { None };
    variable("XDG_DATA_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".local/share")))
        .or_else(windows)
}

impl Home {
    /// Opens a home.
    pub(crate) fn open(root: &Path) -> Outcome<Self> {
        let home = Self { root: root.to_owned() };
        match fs::metadata(root) {
            Ok(metadata) if metadata.is_dir() => refuse_writable(root, &metadata)?,
            Ok(_) => {
                return Err(Failure::new(
                    CliCode::HomeMissing,
                    format!("{} is not a folder", input::name(root)),
                ));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(missing(root)),
            Err(error) => return Err(input::unreadable(root, &error)),
        }
        // Whoever writes this folder swaps the keys in it.
        home.file(KEYS)?;
        Ok(home)
    }

    /// Opens the home if there is one.
    pub(crate) fn open_if_there(root: &Path) -> Outcome<Option<Self>> {
        match Self::open(root) {
            Ok(home) if home.root.join(CONFIG).exists() => Ok(Some(home)),
            Ok(_) => Ok(None),
            Err(failure) if *failure.code() == CliCode::HomeMissing.as_str() => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// The folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The path of something in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The path of a file in it that nobody else can write. A file that isn't there is for its reader to miss.
    pub(crate) fn file(&self, name: &str) -> Outcome<PathBuf> {
        let path = self.path(name);
        if let Ok(metadata) = fs::metadata(&path) {
            refuse_writable(&path, &metadata)?;
        }
        Ok(path)
    }

    /// The lock of `config.toml`, held by whoever changes it until it is dropped. Waits for another who holds it.
    pub(crate) fn lock_config(&self) -> Outcome<File> {
        let path = self.path("config.toml.lock");
        let locked = || {
            let file = File::options().create(true).truncate(false).write(true).open(&path)?;
            file.lock()?;
            Ok(file)
        };
        locked()
            .map_err(|error: io::Error| Failure::from_error(CliCode::FileUnwritable, &error).about(&input::name(&path)))
    }

    /// Refuses a private file that others can read.
    #[cfg(unix)]
    pub(crate) fn secret(&self, name: &str) -> Outcome<()> {
        use std::os::unix::fs::MetadataExt;

        let path = self.file(name)?;
        let mode = fs::metadata(&path)
            .map(|metadata| metadata.mode())
            .map_err(|error| input::unreadable(&path, &error))?;
        if mode & 0o077 == 0 {
            return Ok(());
        }
        let quoted = path.display().to_string();
        Err(Failure::new(
            actionpass_custody::KeyFileCode::Permissions,
            format!("{} can be read by others", input::name(&path)),
        )
        .with_hint(format!(
            "`chmod 600 {}`, and rotate the key if they did",
            crate::shell::quote(&quoted)
        )))
    }

    /// Refuses a private file that others can read: nothing is known of that here.
    #[cfg(not(unix))]
    pub(crate) fn secret(&self, name: &str) -> Outcome<()> {
        self.file(name).map(drop)
    }

    /// `config.toml`.
    pub(crate) fn config(&self) -> Outcome<Config> {
        let path = self.file(CONFIG)?;
        if !path.exists() {
            return Err(missing(&self.root));
        }
        Config::parse(&input::text(&path, CliCode::ConfigInvalid)?, &path)
    }

    /// `policy.toml`.
    pub(crate) fn policy(&self) -> Outcome<Arc<RulePolicy>> {
        crate::commands::policy::load(&self.file(POLICY)?).map(Arc::new)
    }

    /// `trust.json`, as it is now.
    pub(crate) fn trust(&self) -> Outcome<Trust> {
        read_trust(&self.file(TRUST)?)
    }
}

/// Reads a trust store that the command line names.
pub(crate) fn read_named_trust(path: &Path) -> Outcome<Trust> {
    if !input::is_stdin(path) {
        fs::metadata(path).map_err(|error| input::unreadable(path, &error))?;
    }
    read_trust(path)
}

/// Reads a trust store, whole or not at all.
pub(crate) fn read_trust(path: &Path) -> Outcome<Trust> {
    let about = |error: TrustError| Failure::from(error).about(&input::name(path));
    if input::is_stdin(path) {
        let limit = usize::try_from(MAX_TRUST_BYTES).unwrap_or(usize::MAX);
        return Trust::parse(&input::read(path, limit)?).map_err(about);
    }
    let snapshot = TrustFile::open(path).read().map_err(|error| about(error.into()))?;
    // Freeing ten thousand revocations takes longer than finding one, and the process ends soon anyway.
    let snapshot = ManuallyDrop::new(snapshot);
    Trust::from_snapshot(&snapshot).map_err(about)
}

fn missing(root: &Path) -> Failure {
    let init = if place(None).is_ok_and(|default| default == root) {
        "actionpass init".to_owned()
    } else {
        format!(
            "actionpass --home {} init",
            crate::shell::quote(&root.display().to_string())
        )
    };
    let problem = format!("there is no home at {}", input::name(root));
    Failure::new(CliCode::HomeMissing, problem).with_hint(format!("`{init}` makes one"))
}

#[cfg(unix)]
fn refuse_writable(path: &Path, metadata: &Metadata) -> Outcome<()> {
    use std::os::unix::fs::MetadataExt;

    let refusal = |problem: &str, hint: String| {
        Err(Failure::new(CliCode::HomeNotPrivate, format!("{} {problem}", input::name(path))).with_hint(hint))
    };
    let quoted = path.display().to_string();
    let quoted = crate::shell::quote(&quoted);
    if metadata.mode() & 0o022 != 0 {
        return refusal(
            "can be written by others",
            format!("`chmod go-w {quoted}`, once you know what they wrote"),
        );
    }
    let me = rustix::process::geteuid().as_raw();
    if metadata.uid() != me && metadata.uid() != 0 {
        return refusal(
            "belongs to somebody else",
            format!("`chown {me} {quoted}`, once you know what they wrote"),
        );
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_writable(_: &Path, _: &Metadata) -> Outcome<()> {
    Ok(())
}
