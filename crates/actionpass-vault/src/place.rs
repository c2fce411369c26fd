//! [`Place`]: what a URI says about a key.

use actionpass_custody::{CustodianError, KeyUri, KeyUriError};

use crate::SCHEME;

/// `vault:MOUNT/KEY?version=N&namespace=NS`, taken apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    /// Where the transit engine is mounted; it may have slashes.
    pub(crate) mount: String,
    /// The name of the key there.
    pub(crate) key: String,
    /// The version of the key, from 1.
    pub(crate) version: Option<u64>,
    /// The namespace that the mount is in, without slashes around it.
    pub(crate) namespace: Option<String>,
}

impl Place {
    pub(crate) fn parse(uri: &KeyUri) -> Result<Self, CustodianError> {
        let (path, attributes) = uri.split_query();
        // What stands behind the path is left out of errors: somebody may have put a secret there.
        let malformed = |problem| CustodianError::UriMalformed {
            uri: format!("{SCHEME}:{path}").into(),
            source: KeyUriError::new(problem),
        };
        let (mount, key) = path
            .rsplit_once('/')
            .filter(|(mount, key)| is_path(mount) && is_segment(key))
            .ok_or_else(|| malformed("it is not `vault:MOUNT/KEY` of letters, digits, `-`, `_` and `.`"))?;
        let mut place = Self {
            mount: mount.to_owned(),
            key: key.to_owned(),
            version: None,
            namespace: None,
        };
        for (name, value) in attributes {
            match name {
                "version" if place.version.is_none() => {
                    let version = version(value).ok_or_else(|| malformed("`version` is not a number from 1"))?;
                    place.version = Some(version);
                }
                "namespace" if place.namespace.is_none() => {
                    let namespace = Some(value).filter(|value| is_path(value));
                    let namespace =
                        namespace.ok_or_else(|| malformed("`namespace` is not a path without slashes around it"))?;
                    place.namespace = Some(namespace.to_owned());
                }
                "version" | "namespace" => return Err(malformed("an attribute is there twice")),
                "token" | "password" | "pin-value" | "role_id" | "secret_id" => {
                    return Err(malformed(
                        "it carries a secret; VAULT_TOKEN, or VAULT_ROLE_ID with VAULT_SECRET_ID_FILE, is where that may be",
                    ));
                }
                _ => return Err(malformed("its attributes are `version` and `namespace`, and no others")),
            }
        }
        Ok(place)
    }

    /// What the server calls the key, with all its versions.
    pub(crate) fn keys_path(&self) -> String {
        format!("{}/keys/{}", self.mount, self.key)
    }

    /// The URI of one version of the key.
    pub(crate) fn exact(&self, version: u64) -> KeyUri {
        self.with_version(Some(version))
    }

    /// The URI of the key with all its versions: where the next one is made.
    pub(crate) fn beside(&self) -> KeyUri {
        self.with_version(None)
    }

    fn with_version(&self, version: Option<u64>) -> KeyUri {
        let Self { mount, key, .. } = self;
        let version = version.map(|version| format!("version={version}"));
        let namespace = self
            .namespace
            .as_deref()
            .map(|namespace| format!("namespace={namespace}"));
        let attributes: Vec<String> = [version, namespace].into_iter().flatten().collect();
        let query = if attributes.is_empty() { "" } else { "?" };
        KeyUri::new(SCHEME, &format!("{mount}/{key}{query}{}", attributes.join("&")))
    }
}

/// One spelling for each number.
fn version(text: &str) -> Option<u64> {
    let number = text.parse().ok().filter(|number| *number > 0)?;
    (u64::to_string(&number) == text).then_some(number)
}

/// Whether these are segments with slashes between them.
pub(crate) fn is_path(text: &str) -> bool {
    text.split('/').all(is_segment)
}

/// Whether this can stand in a URL as it is, and means nothing else there.
fn is_segment(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !matches!(text, "" | "." | "..") && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Place, CustodianError> {
        Place::parse(&KeyUri::parse(text).unwrap())
    }

    #[test]
    fn uris_are_taken_apart_and_put_together() {
        let place = parse("vault:transit/pass").unwrap();
        assert_eq!((&*place.mount, &*place.key), ("transit", "pass"));
        assert_eq!(place.exact(3).as_str(), "vault:transit/pass?version=3");
        let place = parse("vault:team/transit/pass.v-1?namespace=org/unit&version=12").unwrap();
        assert_eq!((&*place.mount, &*place.key), ("team/transit", "pass.v-1"));
        assert_eq!(place.version, Some(12));
        let exact = place.exact(12);
        assert_eq!(
            exact.as_str(),
            "vault:team/transit/pass.v-1?version=12&namespace=org/unit"
        );
        assert_eq!(Place::parse(&exact).unwrap(), place);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "vault:pass",
            "vault:transit/",
            "vault:/pass",
            "vault:transit//pass",
            "vault:../sys/pass",
            "vault:transit/..",
            "vault:transit/pass word",
            "vault:transit/p%61ss",
            "vault:transit/pass#1",
            "vault:transit/pass?version=0",
            "vault:transit/pass?version=01",
            "vault:transit/pass?version=+1",
            "vault:transit/pass?version=",
            "vault:transit/pass?version",
            "vault:transit/pass?version=latest",
            "vault:transit/pass?version=99999999999999999999",
            "vault:transit/pass?version=1&version=1",
            "vault:transit/pass?namespace=",
            "vault:transit/pass?namespace=/a",
            "vault:transit/pass?namespace=a/",
            "vault:transit/pass?namespace=a&namespace=a",
            "vault:transit/pass?Version=1",
            "vault:transit/pass?address=https://example.com",
        ] {
            assert_eq!(parse(text).unwrap_err().code(), "key_uri_malformed", "{text}");
        }
    }

    #[test]
    fn a_secret_in_a_uri_is_refused_and_not_repeated() {
        for name in ["token", "secret_id", "password", "other"] {
            let error = parse(&format!("vault:transit/pass?version=1&{name}=hvs.HIDDEN")).unwrap_err();
            assert_eq!(error.code(), "key_uri_malformed");
            assert!(!format!("{error} {error:?}").contains("HIDDEN"), "{error:?}");
        }
    }
}
