//! The tool catalogue of a home, `tools.toml`, and the definitions that somebody approved, `pins.json`.

use std::cell::RefCell;
use std::fs;
use std::io::ErrorKind;

use actionpass_gate::{Catalogue, CatalogueCode, Pins};
use actionpass_policy::RulePolicy;

use crate::home::{PINS, POLICY, TOOLS};
use crate::{Config, Home, HomeError, HomePolicy, MAX_LIMITS, files};

impl Home {
    /// `policy.toml` with `tools.toml`, as an issuer judges by them.
    ///
    /// # Errors
    /// [`HomeError::Policy`], [`HomeError::PathUndeclared`], [`HomeError::Unreadable`]; those of [`catalogue`](Self::catalogue).
    pub fn policy(&self, config: &Config) -> Result<HomePolicy, HomeError> {
        let path = self.file(POLICY)?;
        let rules = RulePolicy::load_bytes(&files::bytes(&path)?, &path.display().to_string())?;
        let policy = HomePolicy::new(rules, self.catalogue(config)?)?;
        // By files alone, which are in the digest: what is pinned changes under a policy that is in force.
        policy.check_paths(None)?;
        Ok(policy)
    }

    /// `tools.toml` with the schemas that it names; without the file [`Catalogue::empty`].
    ///
    /// # Errors
    /// [`HomeError::Catalogue`], also where an audience is none of `config.toml`, or a tool has one there too;
    /// [`HomeError::Unreadable`], [`HomeError::Exposed`].
    pub fn catalogue(&self, config: &Config) -> Result<Catalogue, HomeError> {
        if !is_there(self, TOOLS)? {
            return Ok(Catalogue::empty().with_limits(config.limits()));
        }
        let text = files::text(&self.file(TOOLS)?, CatalogueCode::ToolsInvalid)?;
        self.read_catalogue(&text, config)
    }

    /// Adds text to the end of `tools.toml`, which has to be a catalogue with it.
    ///
    /// # Errors
    /// Those of [`catalogue`](Self::catalogue), also where there is none yet; [`HomeError::Unwritable`]. Nothing is changed then.
    pub fn extend_catalogue(&self, config: &Config, more: &str) -> Result<Catalogue, HomeError> {
        let _held = self.lock("tools.toml.lock")?;
        let path = self.file(TOOLS)?;
        let mut text = files::text(&path, CatalogueCode::ToolsInvalid)?;
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(more);
        let catalogue = self.read_catalogue(&text, config)?;
        files::replace(&path, text.as_bytes())?;
        Ok(catalogue)
    }

    fn read_catalogue(&self, text: &str, config: &Config) -> Result<Catalogue, HomeError> {
        let path = self.path(TOOLS);
        let refused = RefCell::new(None);
        let schema = |name: &str| match self.schema(name) {
            Ok(bytes) => bytes,
            Err(error) => {
                refused.borrow_mut().get_or_insert(error);
                None
            }
        };
        let read = Catalogue::parse(text, &path.display().to_string(), schema);
        // What is wrong with the file says more than that the catalogue lacks it.
        if let Some(error) = refused.into_inner() {
            return Err(error);
        }
        let catalogue = read?.with_limits(config.limits());
        catalogue.check_audiences(config.audiences())?;
        Ok(catalogue)
    }

    /// A schema by its name in `tools.toml`; `None` if there is no such file.
    fn schema(&self, name: &str) -> Result<Option<Vec<u8>>, HomeError> {
        if !is_there(self, name)? {
            return Ok(None);
        }
        let path = self.file(name)?;
        // It may lie in a folder of its own.
        files::refuse_writable_parents(&path)?;
        files::bytes(&path).map(Some)
    }

    /// `pins.json`; without the file there are none.
    ///
    /// # Errors
    /// [`HomeError::PinsInvalid`], [`HomeError::Unreadable`], [`HomeError::Exposed`].
    pub fn pins(&self) -> Result<Pins, HomeError> {
        if !is_there(self, PINS)? {
            return Ok(Pins::default());
        }
        let path = self.file(PINS)?;
        // Definitions are large, and there is one of each tool of every server.
        let bytes = files::bytes_of_at_most(&path, MAX_LIMITS.max_bytes())?;
        Pins::parse(&bytes, &MAX_LIMITS).map_err(|source| HomeError::PinsInvalid { path, source })
    }

    /// Reads, changes and writes `pins.json` under a lock, if something changes; what `change` refuses is not written.
    ///
    /// # Errors
    /// Those of [`pins`](Self::pins) and of `change`; [`HomeError::Unwritable`].
    pub fn change_pins<T, E: From<HomeError>>(&self, change: impl FnOnce(&mut Pins) -> Result<T, E>) -> Result<T, E> {
        let _held = self.lock("pins.json.lock")?;
        let before = self.pins()?;
        let mut pins = before.clone();
        let done = change(&mut pins)?;
        if pins != before {
            let path = self.file(PINS)?;
            let invalid = |source| HomeError::PinsInvalid {
                path: path.clone(),
                source,
            };
            let text = pins.to_json().map_err(invalid)?;
            files::put(&path, &text)?;
        }
        Ok(done)
    }
}

/// Whether a home has a file of this name; a link that leads nowhere counts, and its reader misses the file.
fn is_there(home: &Home, name: &str) -> Result<bool, HomeError> {
    let path = home.path(name);
    match fs::symlink_metadata(&path) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(HomeError::unreadable(&path, error)),
    }
}

#[cfg(test)]
mod tests;
