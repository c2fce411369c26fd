//! [`Exposure`]: whether others can read or write a file that counts.

use std::fmt;
use std::fs::Metadata;

/// To whom a file lies open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Exposure {
    /// Others can write it.
    Writable,
    /// It belongs to somebody else, who is not root either.
    Foreign,
    /// Others can read it, and it is a secret.
    Readable,
}

impl Exposure {
    /// To whom a secret lies open, if to anybody but its owner, which is this process's user or root.
    ///
    /// A process that isn't root may share what root lets a group read: so do Kubernetes (`fsGroup`) and systemd
    /// (`LoadCredential=`) hand secrets to services. That the process itself is let in is what opening the file shows; whom
    /// else, root decided. Ask the metadata of what symbolic links lead to. Always `None` where files have no such modes.
    #[must_use]
    pub fn of_secret(metadata: &Metadata) -> Option<Self> {
        Owned::new(metadata).and_then(Owned::as_secret)
    }

    /// To whom a file lies open that anybody may read and only its owner, this process's user or root, may write.
    /// Always `None` where files have no such modes.
    #[must_use]
    pub fn of_public(metadata: &Metadata) -> Option<Self> {
        Owned::new(metadata).and_then(Owned::as_public)
    }

    /// Who could put another file in the place of one in this folder, other than its owner, which is this process's user or
    /// root.
    ///
    /// In a sticky folder, such as `/tmp`, names are safe from all but its owner. A group of the same number as the owner is
    /// the owner's own, as useradd(8) makes it: with a umask of 002 it may write every folder. Always `None` where files have
    /// no such modes.
    #[must_use]
    pub fn of_folder(metadata: &Metadata) -> Option<Self> {
        Owned::new(metadata).and_then(Owned::as_folder)
    }
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Writable => "can be written by others",
            Self::Foreign => "belongs to somebody else",
            Self::Readable => "can be read by others",
        })
    }
}

const ROOT: u32 = 0;

/// Whose a file is, and who asks.
#[derive(Clone, Copy)]
struct Owned {
    owner: u32,
    group: u32,
    mode: u32,
    reader: u32,
}

impl Owned {
    #[cfg(unix)]
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere there is nothing to ask")]
    fn new(metadata: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;

        Some(Self {
            owner: metadata.uid(),
            group: metadata.gid(),
            mode: metadata.mode(),
            reader: rustix::process::geteuid().as_raw(),
        })
    }

    #[cfg(not(unix))]
    fn new(_: &Metadata) -> Option<Self> {
        None
    }

    fn as_secret(self) -> Option<Exposure> {
        let is_handed_out = self.owner == ROOT && self.reader != ROOT;
        let others = if is_handed_out { 0o037 } else { 0o077 };
        match self.as_public() {
            // Root is handed whatever others have mounted, and was let in by nobody's mistake.
            None | Some(Exposure::Foreign) if self.reader == ROOT => None,
            exposure => exposure,
        }
        .or_else(|| (self.mode & others != 0).then_some(Exposure::Readable))
    }

    fn as_public(self) -> Option<Exposure> {
        self.unless_written_by(0o022)
    }

    fn as_folder(self) -> Option<Exposure> {
        let is_sticky = self.mode & 0o1000 != 0;
        let is_own_group = self.group == self.owner;
        self.unless_written_by(match (is_sticky, is_own_group) {
            (true, _) => 0,
            (false, true) => 0o002,
            (false, false) => 0o022,
        })
    }

    /// To whom it lies open, where these are the rights that nobody else may have.
    fn unless_written_by(self, others: u32) -> Option<Exposure> {
        if self.mode & others != 0 {
            return Some(Exposure::Writable);
        }
        (self.owner != ROOT && self.owner != self.reader).then_some(Exposure::Foreign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_and_owners_decide() {
        const ME: u32 = 1000;
        const OTHER: u32 = 1001;
        let (foreign, readable, writable) = (
            Some(Exposure::Foreign),
            Some(Exposure::Readable),
            Some(Exposure::Writable),
        );
        for (owner, reader, mode, secret, public) in [
            (ME, ME, 0o600, None, None),
            (ME, ME, 0o400, None, None),
            (ME, ME, 0o440, readable, None),
            (ME, ME, 0o604, readable, None),
            (ME, ME, 0o601, readable, None),
            (ME, ME, 0o620, writable, writable),
            (ME, ME, 0o602, writable, writable),
            // What root hands to a group: Kubernetes and systemd.
            (ROOT, ME, 0o440, None, None),
            (ROOT, ME, 0o640, None, None),
            (ROOT, ME, 0o400, None, None),
            (ROOT, ME, 0o444, readable, None),
            (ROOT, ME, 0o450, readable, None),
            (ROOT, ME, 0o460, writable, writable),
            (ROOT, ROOT, 0o600, None, None),
            (ROOT, ROOT, 0o440, readable, None),
            (OTHER, ME, 0o400, foreign, foreign),
            (OTHER, ME, 0o440, foreign, foreign),
            (OTHER, ME, 0o444, foreign, foreign),
            (OTHER, ROOT, 0o600, None, foreign),
            (OTHER, ROOT, 0o640, readable, foreign),
            (OTHER, ROOT, 0o620, writable, writable),
        ] {
            let group = 1;
            let file = Owned {
                owner,
                group,
                mode,
                reader,
            };
            assert_eq!(file.as_secret(), secret, "secret {owner} {reader} {mode:o}");
            assert_eq!(file.as_public(), public, "public {owner} {reader} {mode:o}");
        }
    }

    #[test]
    fn folders_are_safe_from_others() {
        const ME: u32 = 1000;
        const OTHER: u32 = 1001;
        const USERS: u32 = 100;
        let (foreign, writable) = (Some(Exposure::Foreign), Some(Exposure::Writable));
        for (owner, group, mode, folder) in [
            (ME, ME, 0o700, None),
            (ME, USERS, 0o755, None),
            // A group of their own.
            (ME, ME, 0o775, None),
            (ME, USERS, 0o775, writable),
            (ME, ME, 0o777, writable),
            (ROOT, ROOT, 0o755, None),
            (ROOT, ROOT, 0o1777, None),
            (ROOT, ROOT, 0o777, writable),
            (ROOT, USERS, 0o775, writable),
            (OTHER, OTHER, 0o755, foreign),
            (OTHER, OTHER, 0o1777, foreign),
        ] {
            let file = Owned {
                owner,
                group,
                mode,
                reader: ME,
            };
            assert_eq!(file.as_folder(), folder, "{owner} {group} {mode:o}");
        }
    }
}
