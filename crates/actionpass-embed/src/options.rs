//! Options: JSON texts that are read strictly.

use serde::de::DeserializeOwned;

use crate::Error;

/// Reads an object of options.
pub(crate) fn read<T: DeserializeOwned>(json: &str) -> Result<T, Error> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let read = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { "" } else { path.as_str() };
        Error::argument(path, error.inner())
    })?;
    deserializer.end().map_err(|error| Error::argument("", error))?;
    Ok(read)
}

/// Reads one argument that is text of some type.
pub(crate) fn text<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, Error>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error| Error::argument(name, error))
}
