//! [`Plan`]: changes of files that are shown before they are made, recorded, and can be undone.

use std::path::{Path, PathBuf};

use actionpass_model::Digest;

use crate::edit::{Edit, Format, Text};
use crate::files::{self, Source};
use crate::record::Journal;
use crate::{SetupError, show};

/// What is to be done to files, and what is left alone.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Plan {
    /// The changes, in the order in which they are to be made.
    pub changes: Vec<Change>,
    /// What is left alone, and why.
    pub left: Vec<Left>,
    /// What is to be known beside the changes.
    pub notes: Vec<String>,
}

/// One file's change.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Change {
    /// The file, as people call it.
    pub path: PathBuf,
    /// Whose it is, as people call it.
    pub owner: String,
    /// How it is written.
    pub format: Format,
    /// What is done, a line each.
    pub why: Vec<String>,
    pub(crate) target: PathBuf,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
    pub(crate) edits: Vec<Edit>,
    /// Whether it undoes what was recorded of the file.
    pub(crate) undoes: bool,
}

/// Something that is left alone.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Left {
    /// The file that it is in.
    pub path: PathBuf,
    /// What it is; empty: the file as a whole.
    pub what: String,
    /// Why.
    pub why: String,
}

impl Left {
    pub(crate) fn new(path: &Path, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            what: what.into(),
            why: why.into(),
        }
    }

    /// A file that can't be used.
    pub(crate) fn file(path: &Path, error: &SetupError) -> Self {
        let why = match error {
            SetupError::Unusable { problem, .. } => problem.clone(),
            other => other.to_string(),
        };
        Self::new(path, "", why)
    }
}

impl Plan {
    /// Adds what another plan says.
    pub fn extend(&mut self, other: Self) {
        self.changes.extend(other.changes);
        self.left.extend(other.left);
        self.notes.extend(other.notes);
    }
}

impl Change {
    /// The change as a unified diff, with `…` for what may be a secret, and nothing hidden in it.
    #[must_use]
    pub fn diff(&self) -> String {
        let name = show::visible(&self.path.display().to_string());
        let side = |side: &Option<String>| if side.is_some() { name.as_str() } else { "/dev/null" }.to_owned();
        format!(
            "--- {}\n+++ {}\n{}",
            side(&self.before),
            side(&self.after),
            show::diff(self.before.as_deref(), self.after.as_deref(), self.format)
        )
    }

    /// Whether it is a file of the home, which others name what is in.
    #[must_use]
    pub fn is_of_home(&self) -> bool {
        self.owner == crate::home::OWNER
    }

    /// The file's text before the change; `None`: it isn't there.
    #[must_use]
    pub fn before(&self) -> Option<&str> {
        self.before.as_deref()
    }

    /// The file's text behind the change; `None`: it is removed.
    #[must_use]
    pub fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// Makes the change, if the file still is what it was when it was read. It is recorded first: what can be undone is known also
    /// where power is lost in between.
    ///
    /// # Errors
    /// [`SetupError::Moved`] if the file changed meanwhile, [`SetupError::Unwritable`]. The file is then as it was.
    pub fn apply(&self, journal: &mut Journal) -> Result<(), SetupError> {
        let former = journal.clone();
        if self.undoes {
            journal.forget(&self.path);
        } else {
            journal.add(self)?;
        }
        let written = if self.undoes {
            // The other way round: as long as it is recorded it can be undone.
            self.write().and_then(|()| journal.save())
        } else {
            journal.save().and_then(|()| self.write())
        };
        if written.is_err() {
            *journal = former;
            // What the file's own state tells anyway is no reason for another error.
            let _ = journal.save();
        }
        written
    }

    /// Makes the change as [`apply`](Self::apply) does, without a home that could say afterwards how it is undone.
    ///
    /// # Errors
    /// The same.
    pub fn apply_unrecorded(&self) -> Result<(), SetupError> {
        self.write()
    }

    fn write(&self) -> Result<(), SetupError> {
        files::replace(
            &self.target,
            self.before.as_deref().map(str::as_bytes),
            self.after.as_deref().map(str::as_bytes),
        )
    }

    pub(crate) fn hashes(&self) -> (Option<Digest>, Option<Digest>) {
        let hash = |text: &Option<String>| text.as_ref().map(|text| actionpass_canon::sha256(text.as_bytes()));
        (hash(&self.before), hash(&self.after))
    }
}

/// A file that is being edited.
#[derive(Debug)]
pub(crate) struct Draft {
    path: PathBuf,
    owner: String,
    format: Format,
    source: Source,
    pub(crate) text: Text,
    edits: Vec<Edit>,
    why: Vec<String>,
}

impl Draft {
    /// Reads a file to edit it.
    pub(crate) fn open(path: &Path, owner: &str, format: Format, below: &[PathBuf]) -> Result<Self, SetupError> {
        let source = Source::read(path, below)?;
        let text = Text::parse(source.text.as_deref().unwrap_or_default(), format)
            .map_err(|problem| SetupError::unusable(path, problem))?;
        Ok(Self {
            path: path.to_owned(),
            owner: owner.to_owned(),
            format,
            source,
            text,
            edits: Vec::new(),
            why: Vec::new(),
        })
    }

    /// Whether there is such a file.
    pub(crate) const fn is_there(&self) -> bool {
        self.source.text.is_some()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives a member another value, or takes it away; whether that changed something.
    pub(crate) fn set(&mut self, path: &[String], is: Option<crate::Json>) -> Result<bool, SetupError> {
        let edit = self.text.set(path, is).map_err(|problem| self.refused(problem))?;
        Ok(self.note(edit))
    }

    /// Adds an item to a list; whether it wasn't there.
    pub(crate) fn add(&mut self, path: &[String], item: crate::Json) -> Result<bool, SetupError> {
        let edit = self.text.add(path, item).map_err(|problem| self.refused(problem))?;
        Ok(self.note(edit))
    }

    /// Says what was done.
    pub(crate) fn because(&mut self, why: impl Into<String>) {
        self.why.push(why.into());
    }

    fn note(&mut self, edit: Option<Edit>) -> bool {
        let is_new = edit.is_some();
        self.edits.extend(edit);
        is_new
    }

    fn refused(&self, problem: String) -> SetupError {
        SetupError::unusable(&self.path, problem)
    }

    /// The change, unless there is none.
    pub(crate) fn finish(self) -> Option<Change> {
        self.settled(false)
    }

    /// The same, of what undoes what was recorded of the file.
    pub(crate) fn settled(self, undoes: bool) -> Option<Change> {
        let after = Some(self.text.into_text());
        (after != self.source.text && (undoes || !self.edits.is_empty())).then_some(Change {
            path: self.path,
            owner: self.owner,
            format: self.format,
            why: self.why,
            target: self.source.target,
            before: self.source.text,
            after,
            edits: self.edits,
            undoes,
        })
    }
}
