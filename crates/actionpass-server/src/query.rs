//! [`Query`]: the query of a question, closed.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::Query as Pairs;
use axum::http::Uri;

use crate::ServerCode;
use crate::problem::Refused;

/// The parameters of a question: each of a name that the route knows, and each once.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the query of a URI.
    ///
    /// # Errors
    /// [`ServerCode::RequestMalformed`] for a name that is none of these or is there twice.
    pub(crate) fn of(uri: &Uri, names: &[&str]) -> Result<Self, Refused> {
        let Pairs(pairs) = Pairs::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| malformed(format!("the query can't be read: {error}")))?;
        for (at, (name, _)) in pairs.iter().enumerate() {
            if !names.contains(&name.as_str()) {
                return Err(malformed(format!(
                    "the query has a parameter that is not known here: {name:?}"
                )));
            }
            if pairs.iter().take(at).any(|(former, _)| former == name) {
                return Err(malformed(format!("the query has `{name}` twice")));
            }
        }
        Ok(Self(pairs))
    }

    /// Refuses any query.
    pub(crate) fn none(uri: &Uri) -> Result<(), Refused> {
        Self::of(uri, &[]).map(drop)
    }

    /// A parameter, if it is there.
    ///
    /// # Errors
    /// [`ServerCode::RequestMalformed`] for a value that isn't one.
    pub(crate) fn get<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, Refused> {
        self.get_by(name, |text| text.parse().map_err(|error: T::Err| error.to_string()))
    }

    /// The same with a reader of its own.
    pub(crate) fn get_by<T>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Refused> {
        let text = self.0.iter().find(|(known, _)| known == name).map(|(_, text)| text);
        text.map(|text| read(text).map_err(|problem| malformed(format!("`{name}`: {problem}"))))
            .transpose()
    }

    /// How many are asked for: `limit`, from 1 to `most`, which it is unless it is said.
    pub(crate) fn limit(&self, most: usize) -> Result<usize, Refused> {
        let limit = self.get::<usize>("limit")?.unwrap_or(most);
        if (1..=most).contains(&limit) {
            Ok(limit)
        } else {
            Err(malformed(format!("`limit` is between 1 and {most}")))
        }
    }
}

/// The question isn't what the route takes.
pub(crate) fn malformed(problem: impl Into<String>) -> Refused {
    Refused::from(ServerCode::RequestMalformed).with_detail(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &str) -> Result<Query, String> {
        let uri: Uri = format!("/v1/x?{query}").parse().unwrap();
        Query::of(&uri, &["limit", "tenant"]).map_err(|refused| refused.code().to_owned())
    }

    #[test]
    fn names_are_known_and_there_once() {
        let query = of("tenant=org%3Aa&limit=7").unwrap();
        assert_eq!(query.get::<String>("tenant").unwrap().as_deref(), Some("org:a"));
        assert_eq!(query.limit(100).unwrap(), 7);
        assert!(of("").unwrap().get::<String>("tenant").unwrap().is_none());
        for wrong in [
            "limits=1",
            "tenant=a&tenant=a",
            "tenant=a&limit=1&tenant=b",
            "=",
            "Limit=1",
        ] {
            assert_eq!(of(wrong).unwrap_err(), "request_malformed", "{wrong}");
        }
    }

    #[test]
    fn a_limit_has_bounds() {
        assert_eq!(of("").unwrap().limit(100).unwrap(), 100);
        for wrong in [
            "limit=0",
            "limit=101",
            "limit=-1",
            "limit=",
            "limit=1e2",
            "limit=99999999999999999999",
        ] {
            assert!(of(wrong).unwrap().limit(100).is_err(), "{wrong}");
        }
    }
}
