//! `protect.json`: what was written where, so that it can be undone.

use std::fs;
use std::path::{Path, PathBuf};

use actionpass_canon::sha256;
use actionpass_model::Digest;
use serde::{Deserialize, Serialize};
use similar::{DiffOp, TextDiff};

use crate::edit::{Edit, Format, Standing, Text};
use crate::files::{self, Source};
use crate::plan::{Change, Left, Plan};
use crate::{SetupError, show};

/// The file's name in a home.
pub const RECORD: &str = "protect.json";

const SCHEMA: &str = "actionpass.protect.v1";

/// What was written where: `protect.json` of a home.
#[derive(Clone, Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: String,
    /// In the order in which they were made.
    changes: Vec<Entry>,
}

/// One file's change that was made.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    path: PathBuf,
    owner: String,
    format: Format,
    /// The hash of the file before; `null`: it wasn't there.
    before: Option<Digest>,
    /// The hash of the file afterwards.
    after: Digest,
    /// What turns the latter into the former, from the end of the file to its start.
    splices: Vec<Splice>,
    /// The same by what it means, for a file that changed since.
    edits: Vec<Edit>,
}

/// A piece of text that is another before.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Splice {
    /// Where it begins in the text afterwards, in bytes.
    at: usize,
    /// How long it is there, in bytes.
    length: usize,
    /// What stood there before.
    was: String,
}

impl Journal {
    /// Reads the record of a home, or begins one.
    ///
    /// # Errors
    /// [`SetupError::RecordInvalid`].
    pub fn open(home: &Path) -> Result<Self, SetupError> {
        let path = home.join(RECORD);
        let invalid = |problem: String| SetupError::RecordInvalid {
            path: path.clone(),
            problem,
        };
        let file = match files::now(&path).map_err(|error| invalid(error.to_string()))? {
            None => File {
                schema: SCHEMA.to_owned(),
                changes: Vec::new(),
            },
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))?,
        };
        if file.schema != SCHEMA {
            return Err(invalid("it has another schema".to_owned()));
        }
        Ok(Self { path, file })
    }

    /// Whether nothing is recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.file.changes.is_empty()
    }

    /// The files that were changed, each once.
    #[must_use]
    pub fn paths(&self) -> Vec<&Path> {
        let mut paths: Vec<&Path> = Vec::new();
        for entry in &self.file.changes {
            if !paths.contains(&entry.path.as_path()) {
                paths.push(&entry.path);
            }
        }
        paths
    }

    /// What undoes everything that is recorded, the newest first.
    ///
    /// A file that still is as it was written becomes what it was before, byte for byte. In one that changed since, what was
    /// written is taken back where it is still recognizable; the plan says what isn't.
    ///
    /// Files in which nothing of it is left are forgotten, which [`save`](Self::save) makes durable.
    #[must_use]
    pub fn undo(&mut self, below: &[PathBuf]) -> Plan {
        let mut plan = Plan::default();
        let mut paths: Vec<PathBuf> = self.paths().into_iter().map(Path::to_owned).collect();
        paths.reverse();
        for path in paths {
            let entries: Vec<&Entry> = self
                .file
                .changes
                .iter()
                .rev()
                .filter(|entry| entry.path == path)
                .collect();
            match undo_file(&path, &entries, below, &mut plan.left) {
                Ok(Some(change)) => plan.changes.push(change),
                Ok(None) => self.forget(&path),
                Err(error) => plan.left.push(Left::file(&path, &error)),
            }
        }
        plan
    }

    pub(crate) fn forget(&mut self, path: &Path) {
        self.file.changes.retain(|entry| entry.path != path);
    }

    pub(crate) fn add(&mut self, change: &Change) -> Result<(), SetupError> {
        let (before, Some(after)) = change.hashes() else {
            return Err(SetupError::unusable(
                &change.path,
                "a file that is removed is none that was written",
            ));
        };
        let (old, new) = (change.before().unwrap_or_default(), change.after().unwrap_or_default());
        self.file.changes.push(Entry {
            path: change.path.clone(),
            owner: change.owner.clone(),
            format: change.format,
            before,
            after,
            splices: splices(old, new),
            edits: change.edits.clone(),
        });
        Ok(())
    }

    /// Writes the record durably; without changes there is none.
    ///
    /// # Errors
    /// [`SetupError::Unwritable`].
    pub fn save(&self) -> Result<(), SetupError> {
        let unwritable = |source| SetupError::Unwritable {
            path: self.path.clone(),
            source,
        };
        let known = files::now(&self.path).map_err(unwritable)?;
        if self.is_empty() {
            return match known {
                Some(_) => fs::remove_file(&self.path).map_err(unwritable),
                None => Ok(()),
            };
        }
        let mut text = serde_json::to_string_pretty(&self.file).map_err(|error| unwritable(error.into()))?;
        text.push('\n');
        files::replace(&self.path, known.as_deref(), Some(text.as_bytes()))
    }
}

/// What undoes the changes of one file, the newest first.
fn undo_file(
    path: &Path,
    entries: &[&Entry],
    below: &[PathBuf],
    left: &mut Vec<Left>,
) -> Result<Option<Change>, SetupError> {
    let Some(newest) = entries.first() else { return Ok(None) };
    let source = Source::read(path, below)?;
    let Some(now) = &source.text else {
        left.push(Left::new(path, "", "it isn't there any more"));
        return Ok(None);
    };
    let mut text = Some(now.clone());
    for entry in entries {
        let Some(here) = &text else { break };
        let hash = sha256(here.as_bytes());
        if Some(hash) == entry.before {
            // It was recorded, and never written.
            continue;
        }
        let exact = (hash == entry.after).then(|| inverse(here, &entry.splices)).flatten();
        text = match exact {
            Some(former) if entry.before == Some(sha256(former.as_bytes())) => Some(former),
            Some(_) if entry.before.is_none() => None,
            _ => Some(by_meaning(path, here, entry, left)?),
        };
    }
    Ok((text != source.text).then(|| Change {
        path: path.to_owned(),
        owner: newest.owner.clone(),
        format: newest.format,
        why: vec!["undo what `actionpass protect` wrote".to_owned()],
        target: source.target,
        before: source.text,
        after: text,
        edits: Vec::new(),
        undoes: true,
    }))
}

/// Takes back what is still recognizable.
fn by_meaning(path: &Path, here: &str, entry: &Entry, left: &mut Vec<Left>) -> Result<String, SetupError> {
    let refused = |problem| SetupError::unusable(path, problem);
    let mut text = Text::parse(here, entry.format).map_err(refused)?;
    // Members of one object belong together, as a command and its arguments do: all are taken back, or none.
    let mut kept: Vec<&[String]> = Vec::new();
    for edit in &entry.edits {
        if text.standing(edit) == Standing::Unrecognized {
            let names = edit.path();
            kept.extend(names.split_last().map(|(_, above)| above));
            left.push(Left::new(
                path,
                show::visible(&names.join(".")),
                "somebody changed it since: look at it yourself",
            ));
        }
    }
    for edit in entry.edits.iter().rev() {
        let is_kept =
            matches!(edit, Edit::Set { path, .. } if path.split_last().is_some_and(|(_, above)| kept.contains(&above)));
        if !is_kept {
            text.undo(edit).map_err(refused)?;
        }
    }
    Ok(text.into_text())
}

/// What turns the new text into the old one, from the end to the start.
fn splices(old: &str, new: &str) -> Vec<Splice> {
    let diff = TextDiff::from_lines(old, new);
    let (old_lines, new_lines) = (starts(old), starts(new));
    let place = |starts: &[usize], line: usize, text: &str| starts.get(line).copied().unwrap_or(text.len());
    let mut splices: Vec<Splice> = diff
        .ops()
        .iter()
        .filter(|op| !matches!(op, DiffOp::Equal { .. }))
        .map(|op| {
            let (was, is) = (op.old_range(), op.new_range());
            let at = place(&new_lines, is.start, new);
            let end = place(&new_lines, is.end, new);
            let was = place(&old_lines, was.start, old)..place(&old_lines, was.end, old);
            Splice {
                at,
                length: end.saturating_sub(at),
                was: old.get(was).unwrap_or_default().to_owned(),
            }
        })
        .collect();
    splices.reverse();
    splices
}

/// Where the lines of a text begin, as `TextDiff` splits it: a CR alone ends one, too.
fn starts(text: &str) -> Vec<usize> {
    let mut starts = vec![0];
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let next = at.saturating_add(1);
        let ends = match byte {
            b'\n' => true,
            b'\r' => bytes.get(next) != Some(&b'\n'),
            _ => false,
        };
        if ends && next < bytes.len() {
            starts.push(next);
        }
    }
    starts
}

fn inverse(text: &str, splices: &[Splice]) -> Option<String> {
    let mut text = text.to_owned();
    for splice in splices {
        let end = splice.at.checked_add(splice.length)?;
        text.get(splice.at..end)?;
        text.replace_range(splice.at..end, &splice.was);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_before_comes_back(
            old in "([a-c{}\"]{0,3}(\n|\r\n|\r)){0,8}[a-c]{0,2}",
            new in "([a-c{}\"]{0,3}(\n|\r\n|\r)){0,8}[a-c]{0,2}",
        ) {
            prop_assert_eq!(inverse(&new, &splices(&old, &new)), Some(old));
        }
    }
}
