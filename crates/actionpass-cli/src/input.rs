//! Files and stdin, read with limits.

use std::fs::{self, File};
use std::io::{self, Read};
use std::mem::ManuallyDrop;
use std::path::Path;

use actionpass_canon::{BindError, BoundAction, BoundFacts, CanonicalBytes, Limits, admit};
use actionpass_home::{Config, Exposure, HomeCode, HomeError};
use actionpass_model::{MAX_TOKEN_BYTES, Principal};
use actionpass_store::trust_file::{MAX_TRUST_BYTES, TrustFile};
use actionpass_verify::{Trust, TrustError};

use crate::code::CliCode;
use crate::failure::{Failure, Outcome};

/// `-` as a path: stdin.
const STDIN: &str = "-";

/// Whether a path means stdin.
pub(crate) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == STDIN
}

/// Refuses a command line that would read stdin twice: the second reader would find it empty.
pub(crate) fn one_stdin<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Outcome<()> {
    if paths.into_iter().filter(|path| is_stdin(path)).count() > 1 {
        return Err(Failure::new(
            CliCode::UsageInvalid,
            "`-` stands for stdin, which can be read only once",
        ));
    }
    Ok(())
}

/// At most `limit` bytes and one more, so that whoever reads them sees that there are too many.
pub(crate) fn read(path: &Path, limit: usize) -> Outcome<Vec<u8>> {
    let limit = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let outcome = if is_stdin(path) {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    match outcome {
        Ok(_) => Ok(bytes),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// The failure to read a file that was named.
pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        HomeCode::FileUnreadable,
        format!("{} can't be read: {error}", name(path)),
    )
}

/// How a path is called in messages.
pub(crate) fn name(path: &Path) -> String {
    if is_stdin(path) {
        "stdin".to_owned()
    } else {
        format!("`{}`", path.display())
    }
}

/// What documents are admitted by, and whose limits these are: for refusals.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    limits: Limits,
    side: Side,
}

/// On whose behalf a document is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Side {
    /// The issuer's, or that of somebody who asks what the issuer would say.
    Issuer,
    /// The executor's.
    Executor,
}

impl Bounds {
    /// The limits of an issuer: those of its home, or the default ones where there is none.
    pub(crate) fn of_issuer(config: Option<&Config>) -> Self {
        Self {
            limits: config.map_or_else(Limits::default, Config::limits),
            side: Side::Issuer,
        }
    }

    /// The limits of an executor.
    pub(crate) const fn of_executor(limits: Limits) -> Self {
        Self {
            limits,
            side: Side::Executor,
        }
    }

    /// A refusal, with the limit that it is about.
    fn refuse(&self, error: BindError, what: &str) -> Failure {
        let exceeded = match &error {
            BindError::Admit(error) => self.limits.exceeded(error.code()),
            _ => None,
        };
        let failure = Failure::from(error).about(what);
        let Some((limit, value)) = exceeded else { return failure };
        failure.followed_by(&match self.side {
            Side::Issuer => {
                format!("`{limit}` is {value} here (`[limits]` in config.toml, and executors need the same)")
            }
            Side::Executor => format!(
                "`{limit}` is {value} for this executor; the issuer may permit more, and both need the same limits (`--{}`)",
                limit.replace('_', "-")
            ),
        })
    }
}

/// Admits a JSON document of any kind.
pub(crate) fn document(path: &Path, bounds: &Bounds) -> Outcome<CanonicalBytes> {
    let raw = read(path, bounds.limits.max_bytes())?;
    admit(&raw, &bounds.limits).map_err(|error| bounds.refuse(error.into(), &name(path)))
}

/// Admits an action.
pub(crate) fn action(path: &Path, bounds: &Bounds) -> Outcome<BoundAction> {
    let raw = read(path, bounds.limits.max_bytes())?;
    action_of(&raw, bounds, &name(path))
}

/// Admits the text of an action; `what` is how it is called in messages.
pub(crate) fn action_of(raw: &[u8], bounds: &Bounds, what: &str) -> Outcome<BoundAction> {
    BoundAction::admit(raw, &bounds.limits).map_err(|error| bounds.refuse(error, what))
}

/// Admits facts; none if no file is named.
pub(crate) fn facts(path: Option<&Path>, bounds: &Bounds) -> Outcome<BoundFacts> {
    let Some(path) = path else {
        return Ok(BoundFacts::none());
    };
    let raw = read(path, bounds.limits.max_bytes())?;
    BoundFacts::admit(&raw, &bounds.limits).map_err(|error| bounds.refuse(error, &name(path)))
}

/// The text of a token, without the line end that files have. What isn't UTF-8 is no token, which its reader says.
pub(crate) fn token(path: &Path) -> Outcome<String> {
    let bytes = read(path, MAX_TOKEN_BYTES.saturating_mul(2))?;
    Ok(String::from_utf8_lossy(&bytes).trim_ascii_end().to_owned())
}

/// A policy, or tests of one: at most 1 MiB, and one byte more of a larger file, which its reader refuses.
pub(crate) fn policy(path: &Path) -> Outcome<Vec<u8>> {
    read(path, 1 << 20)
}

/// Reads a trust store that the command line names, whole or not at all.
pub(crate) fn trust(path: &Path) -> Outcome<Trust> {
    let about = |error: TrustError| Failure::from(error).about(&name(path));
    if is_stdin(path) {
        let limit = usize::try_from(MAX_TRUST_BYTES).unwrap_or(usize::MAX);
        return Trust::parse(&read(path, limit)?).map_err(about);
    }
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    // Whoever writes it decides who is believed.
    if metadata.is_file()
        && let Some(exposure) = Exposure::of_public(&metadata)
    {
        let path = path.to_owned();
        return Err(HomeError::Exposed { path, exposure }.into());
    }
    let snapshot = TrustFile::open(path).read().map_err(|error| about(error.into()))?;
    // Freeing ten thousand revocations takes longer than finding one, and the process ends soon anyway.
    let snapshot = ManuallyDrop::new(snapshot);
    Trust::from_snapshot(&snapshot).map_err(about)
}

/// Who runs this command, as far as it says so: `--by`, else the name of the login.
pub(crate) fn principal(stated: Option<Principal>) -> Outcome<Principal> {
    if let Some(stated) = stated {
        return Ok(stated);
    }
    let login = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    let by_login = login.and_then(|name| Principal::parse(&format!("user:{name}")).ok());
    by_login.map_or_else(unnamed, Ok)
}

#[cfg(unix)]
fn unnamed() -> Outcome<Principal> {
    Principal::parse(&format!("user:uid-{}", rustix::process::geteuid().as_raw()))
        .map_err(|error| Failure::internal(&error))
}

#[cfg(not(unix))]
fn unnamed() -> Outcome<Principal> {
    Principal::parse("user:unnamed").map_err(|error| Failure::internal(&error))
}
