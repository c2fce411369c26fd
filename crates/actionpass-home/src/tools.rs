//! The definitions of tools that somebody approved, `pins.json`.

use actionpass_gate::Pins;

use crate::documents::{Documents, PINS_FILE};
use crate::home::PINS;
use crate::{Home, HomeError, MAX_LIMITS};

impl Home {
    /// `pins.json`; without the file there are none.
    ///
    /// # Errors
    /// [`HomeError::PinsInvalid`], [`HomeError::Unreadable`], [`HomeError::Exposed`], [`HomeError::Store`].
    pub fn pins(&self) -> Result<Pins, HomeError> {
        let documents = self.documents()?;
        read(&documents, documents.read(PINS_FILE)?)
    }

    /// Reads, changes and writes `pins.json`, if something changes; what `change` refuses is not written. Where another process is
    /// faster, `change` is asked again, with what that one wrote.
    ///
    /// # Errors
    /// Those of [`pins`](Self::pins) and of `change`; [`HomeError::Unwritable`].
    pub fn change_pins<T, E: From<HomeError>>(
        &self,
        mut change: impl FnMut(&mut Pins) -> Result<T, E>,
    ) -> Result<T, E> {
        let documents = self.documents()?;
        documents.change(PINS_FILE, |kept| {
            let before = read(&documents, kept)?;
            let mut pins = before.clone();
            let value = change(&mut pins)?;
            let next = (pins != before).then(|| pins.to_json()).transpose();
            let next = next.map_err(|source| HomeError::PinsInvalid {
                path: documents.place(PINS),
                source,
            })?;
            Ok((value, next.map(String::into_bytes)))
        })
    }
}

fn read(documents: &Documents, kept: Option<Vec<u8>>) -> Result<Pins, HomeError> {
    let Some(bytes) = kept else {
        return Ok(Pins::default());
    };
    Pins::parse(&bytes, &MAX_LIMITS).map_err(|source| HomeError::PinsInvalid {
        path: documents.place(PINS),
        source,
    })
}

#[cfg(test)]
mod tests;
