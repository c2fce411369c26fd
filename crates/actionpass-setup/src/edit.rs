//! [`Edit`]: one change of a configuration file, which can be undone where it is still recognizable.

use serde::{Deserialize, Serialize};

use crate::json::{Dialect, Editor, Json, Node};
use crate::toml;

/// How a file is written.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "products have no other formats")]
pub enum Format {
    /// JSON.
    Json,
    /// JSON with comments.
    Jsonc,
    /// TOML 1.
    Toml,
}

/// One change of a configuration file.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
#[expect(clippy::exhaustive_enums, reason = "what is read back from `protect.json` is this")]
pub enum Edit {
    /// The value at a path is another, new, or gone.
    Set {
        /// The names of members that lead to it.
        path: Vec<String>,
        /// What it was; absent: nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        was: Option<Json>,
        /// What it is; absent: nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        is: Option<Json>,
    },
    /// The list at a path has one more item at its end.
    Add {
        /// The names of members that lead to it.
        path: Vec<String>,
        /// The item.
        item: Json,
        /// How many of the path's last names were made for it.
        made: usize,
    },
}

impl Edit {
    pub(crate) fn path(&self) -> &[String] {
        match self {
            Self::Set { path, .. } | Self::Add { path, .. } => path,
        }
    }
}

/// How an edit that is to be undone stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Standing {
    /// What it made is there.
    There,
    /// What was before it is there.
    Gone,
    /// What stands there is neither what we wrote nor what was there before.
    Unrecognized,
}

/// A file's text that is edited, whatever its format.
#[derive(Debug)]
pub(crate) enum Text {
    Json(Editor),
    Toml(toml::Editor),
}

impl Format {
    const fn dialect(self) -> Dialect {
        match self {
            Self::Jsonc => Dialect::Lenient,
            _ => Dialect::Strict,
        }
    }

    /// What an empty file stands for.
    const fn nothing(self) -> &'static str {
        match self {
            Self::Toml => "",
            _ => "{}\n",
        }
    }
}

impl Text {
    /// Reads a file's text; nothing, and blanks, are a file without members.
    pub(crate) fn parse(text: &str, format: Format) -> Result<Self, String> {
        let text = if text.trim_start_matches('\u{feff}').trim().is_empty() {
            format.nothing()
        } else {
            text
        };
        match format {
            Format::Toml => toml::Editor::parse(text).map(Self::Toml),
            _ => {
                let root = Node::parse(text, format.dialect()).map_err(|error| format!("it is no JSON: {error}"))?;
                match root.to_json(text) {
                    Json::Object(_) => Ok(Self::Json(Editor::new(text.to_owned(), format.dialect()))),
                    _ => Err("it is no object".to_owned()),
                }
            }
        }
    }

    /// The text as it is now.
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Json(editor) => editor.into_text(),
            Self::Toml(editor) => editor.into_text(),
        }
    }

    /// All of it.
    pub(crate) fn value(&self) -> Json {
        match self {
            // INVARIANT: it was read, and every edit leaves JSON behind.
            Self::Json(editor) => editor.node().map_or(Json::Null, |node| node.to_json(editor.text())),
            Self::Toml(editor) => editor.value(),
        }
    }

    /// What a path leads to.
    pub(crate) fn get(&self, path: &[String]) -> Option<Json> {
        let value = self.value();
        let found = path.iter().try_fold(&value, |value, name| value.get(name));
        found.cloned()
    }

    /// Gives the member that a path leads to another value, or takes it away; the edit, unless it is so already.
    pub(crate) fn set(&mut self, path: &[String], is: Option<Json>) -> Result<Option<Edit>, String> {
        let was = self.get(path);
        let is_so = match (&was, &is) {
            (Some(was), Some(is)) => was.is_same(is),
            (was, is) => was.is_none() && is.is_none(),
        };
        if is_so {
            return Ok(None);
        }
        self.write(path, is.as_ref())?;
        Ok(Some(Edit::Set {
            path: path.to_vec(),
            was,
            is,
        }))
    }

    /// Adds an item to a list; the edit, unless the list has it already.
    pub(crate) fn add(&mut self, path: &[String], item: Json) -> Result<Option<Edit>, String> {
        let there = self.get(path);
        if there.is_some_and(|there| there.items().iter().any(|found| found.is_same(&item))) {
            return Ok(None);
        }
        let made = match self {
            Self::Json(editor) => editor.push(path, &item).map_err(|error| error.to_string())?,
            Self::Toml(editor) => editor.push(path, &item)?,
        };
        Ok(Some(Edit::Add {
            path: path.to_vec(),
            item,
            made,
        }))
    }

    /// Whether what an edit made is still there.
    pub(crate) fn standing(&self, edit: &Edit) -> Standing {
        match edit {
            Edit::Set { path, was, is } => {
                let there = self.get(path);
                let same = |other: &Option<Json>| match (&there, other) {
                    (Some(there), Some(other)) => there.is_same(other),
                    (there, other) => there.is_none() && other.is_none(),
                };
                if same(was) {
                    Standing::Gone
                } else if same(is) {
                    Standing::There
                } else {
                    Standing::Unrecognized
                }
            }
            Edit::Add { path, item, .. } => {
                let there = self.get(path);
                let has = there.is_some_and(|there| there.items().iter().any(|found| found.is_same(item)));
                if has { Standing::There } else { Standing::Gone }
            }
        }
    }

    /// Undoes an edit, if what it made is still there.
    pub(crate) fn undo(&mut self, edit: &Edit) -> Result<(), String> {
        if self.standing(edit) != Standing::There {
            return Ok(());
        }
        match edit {
            Edit::Set { path, was, .. } => self.write(path, was.as_ref()),
            Edit::Add { path, item, made } => {
                self.pull(path, item)?;
                self.remove_empty(path, *made)
            }
        }
    }

    /// Takes an item out of a list; whether it was there.
    pub(crate) fn pull(&mut self, path: &[String], item: &Json) -> Result<bool, String> {
        match self {
            Self::Json(editor) => editor.pull(path, item).map_err(|error| error.to_string()),
            Self::Toml(editor) => Ok(editor.pull(path, item)),
        }
    }

    /// Removes what a path leads to where nothing is left in it, and up to so many objects around it.
    pub(crate) fn remove_empty(&mut self, path: &[String], mut levels: usize) -> Result<(), String> {
        let mut path = path;
        while levels > 0 {
            let is_empty = match self.get(path) {
                Some(Json::List(items)) => items.is_empty(),
                Some(Json::Object(members)) => members.is_empty(),
                // TOML has no empty list of tables.
                None => true,
                Some(_) => false,
            };
            if !is_empty {
                break;
            }
            self.write(path, None)?;
            levels = levels.saturating_sub(1);
            path = path.split_last().map_or(path, |(_, above)| above);
        }
        Ok(())
    }

    fn write(&mut self, path: &[String], value: Option<&Json>) -> Result<(), String> {
        match (self, value) {
            (Self::Json(editor), Some(value)) => editor.set(path, value).map_err(|error| error.to_string()),
            (Self::Json(editor), None) => editor.remove(path).map(drop).map_err(|error| error.to_string()),
            (Self::Toml(editor), Some(value)) => editor.set(path, value),
            (Self::Toml(editor), None) => {
                editor.remove(path);
                Ok(())
            }
        }
    }
}
