//! [`Place`]: what a URI says about a key.

use std::fmt::Write as _;

use actionpass_custody::{CustodianError, KeyUri, KeyUriError};

use crate::SCHEME;

/// `awskms:KEY?region=R&endpoint=URL&message=raw`, taken apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    pub(crate) name: Name,
    /// The region of the attribute, or of the ARN.
    pub(crate) region: Option<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) message: Option<Message>,
}

/// What KMS takes for a `KeyId`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Name {
    /// The id of a key: a UUID, or `mrk-…` for one that is in several regions.
    Id(String),
    /// `alias/NAME`: it may lead to another key tomorrow.
    Alias(String),
    /// An ARN, of a key or of an alias.
    Arn(Arn),
}

/// The name of a key or alias in all of AWS: `arn:PARTITION:kms:REGION:ACCOUNT:key/ID`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Arn {
    text: String,
}

/// What is sent to be signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Message {
    /// Its hash.
    Digest,
    /// The message itself, which KMS hashes.
    Raw,
}

impl Arn {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let parts: Vec<_> = text.splitn(6, ':').collect();
        let ["arn", partition, "kms", region, account, resource] = parts[..] else {
            return None;
        };
        let is_known =
            resource.strip_prefix("key/").is_some_and(is_id) || resource.strip_prefix("alias/").is_some_and(is_alias);
        let is_number = !account.is_empty() && account.bytes().all(|byte| byte.is_ascii_digit());
        (is_known && is_number && is_region(partition) && is_region(region)).then(|| Self { text: text.to_owned() })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn region(&self) -> &str {
        self.text.split(':').nth(3).unwrap_or_default()
    }

    /// `key/ID` or `alias/NAME`.
    pub(crate) fn resource(&self) -> &str {
        self.text.splitn(6, ':').nth(5).unwrap_or_default()
    }

    pub(crate) fn is_key(&self) -> bool {
        self.resource().starts_with("key/")
    }
}

impl Name {
    fn parse(text: &str) -> Option<Self> {
        if text.starts_with("arn:") {
            Arn::parse(text).map(Self::Arn)
        } else if let Some(alias) = text.strip_prefix("alias/") {
            is_alias(alias).then(|| Self::Alias(text.to_owned()))
        } else {
            is_id(text).then(|| Self::Id(text.to_owned()))
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Id(text) | Self::Alias(text) => text,
            Self::Arn(arn) => arn.as_str(),
        }
    }

    /// Whether this may be what KMS calls the key: an alias may lead to any.
    pub(crate) fn fits(&self, key: &Arn) -> bool {
        match self {
            Self::Id(id) => key.resource().strip_prefix("key/") == Some(id),
            Self::Alias(_) => key.is_key(),
            Self::Arn(arn) if arn.is_key() => arn == key,
            Self::Arn(arn) => key.is_key() && arn.region() == key.region(),
        }
    }
}

impl Place {
    pub(crate) fn parse(uri: &KeyUri) -> Result<Self, CustodianError> {
        let (name, attributes) = uri.split_query();
        // What stands behind the name is left out of errors: somebody may have put a secret there.
        let malformed = |problem| CustodianError::UriMalformed {
            uri: format!("{SCHEME}:{name}").into(),
            source: KeyUriError::new(problem),
        };
        let name = Name::parse(name)
            .ok_or_else(|| malformed("it is not `awskms:` with the id of a key, `alias/NAME` or an ARN of KMS"))?;
        let mut place = Self {
            name,
            region: None,
            endpoint: None,
            message: None,
        };
        for (attribute, value) in attributes {
            let is_new = match attribute {
                "region" if !is_region(value) => return Err(malformed("`region` is no name of a region")),
                "region" => place.region.replace(value.to_owned()).is_none(),
                "endpoint" if !is_endpoint(value) => {
                    return Err(malformed(
                        "`endpoint` is not `https://HOST:PORT`, or `http` on this machine",
                    ));
                }
                "endpoint" => place.endpoint.replace(value.to_owned()).is_none(),
                "message" => {
                    let message = match value {
                        "digest" => Message::Digest,
                        "raw" => Message::Raw,
                        _ => return Err(malformed("`message` is neither `digest` nor `raw`")),
                    };
                    place.message.replace(message).is_none()
                }
                "access-key" | "password" | "pin-value" | "secret" | "secret-key" | "session-token" | "token" => {
                    return Err(malformed(
                        "it carries a secret; AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY, a profile or a role is where that may be",
                    ));
                }
                _ => {
                    return Err(malformed(
                        "its attributes are `region`, `endpoint` and `message`, and no others",
                    ));
                }
            };
            if !is_new {
                return Err(malformed("an attribute is there twice"));
            }
        }
        if let Name::Arn(arn) = &place.name {
            if place.region.as_deref().is_some_and(|region| region != arn.region()) {
                return Err(malformed("`region` is another than that of the ARN"));
            }
            place.region = Some(arn.region().to_owned());
        }
        Ok(place)
    }

    /// The URI of one key, reached in the same way.
    pub(crate) fn exact(&self, key: &Arn) -> KeyUri {
        self.at(key.as_str(), None)
    }

    /// The URI of the successor of this key: its alias, where that is what it has, else one with a name that was drawn.
    pub(crate) fn beside(&self, drawn: &[u8; 8]) -> KeyUri {
        let alias = match &self.name {
            Name::Alias(alias) => alias.clone(),
            Name::Arn(arn) if !arn.is_key() => arn.resource().to_owned(),
            Name::Id(_) | Name::Arn(_) => drawn.iter().fold("alias/actionpass-".to_owned(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            }),
        };
        self.at(&alias, self.region.as_deref())
    }

    fn at(&self, name: &str, region: Option<&str>) -> KeyUri {
        let region = region.map(|region| format!("region={region}"));
        let endpoint = self.endpoint.as_ref().map(|endpoint| format!("endpoint={endpoint}"));
        let message = self.message.map(|message| match message {
            Message::Digest => "message=digest".to_owned(),
            Message::Raw => "message=raw".to_owned(),
        });
        let attributes: Vec<_> = region.into_iter().chain(endpoint).chain(message).collect();
        let mark = if attributes.is_empty() { "" } else { "?" };
        KeyUri::new(SCHEME, &format!("{name}{mark}{}", attributes.join("&")))
    }
}

fn is_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_alias(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'/');
    !text.is_empty() && text.len() <= 250 && text.bytes().all(is_plain)
}

fn is_region(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(is_plain)
}

/// Requests are signed, so plain `http` gives nothing away; but there is no reason for it beyond this machine.
pub(crate) fn is_endpoint(text: &str) -> bool {
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let authority = rest.split('/').next().unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:/_[]".contains(&byte);
    // The port behind the last colon, unless that is inside of an IPv6 address.
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    let address: Option<std::net::IpAddr> = literal.parse().ok();
    let is_loopback = host == "localhost" || address.is_some_and(|address| address.is_loopback());
    let is_safe = scheme == "https" || (scheme == "http" && is_loopback);
    is_safe && !host.is_empty() && rest.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    fn parse(text: &str) -> Result<Place, CustodianError> {
        Place::parse(&KeyUri::parse(text).unwrap())
    }

    #[test]
    fn successors_have_an_alias() {
        let beside = |rest: &str| {
            let place = parse(&format!("awskms:{rest}")).unwrap();
            place.beside(&[0xAB; 8]).rest().to_owned()
        };
        assert_eq!(beside("alias/pass?message=raw"), "alias/pass?message=raw");
        assert_eq!(beside(ARN), "alias/actionpass-abababababababab?region=eu-west-1");
        assert_eq!(
            beside("arn:aws:kms:eu-west-1:123456789012:alias/pass"),
            "alias/pass?region=eu-west-1"
        );
    }

    #[test]
    fn uris_are_taken_apart_and_put_together() {
        let arn = Arn::parse(ARN).unwrap();
        for (text, exact) in [
            ("awskms:1234abcd-12ab-34cd-56ef-1234567890ab", format!("awskms:{ARN}")),
            ("awskms:alias/team/pass?region=eu-west-1", format!("awskms:{ARN}")),
            (&format!("awskms:{ARN}?region=eu-west-1"), format!("awskms:{ARN}")),
            (
                "awskms:arn:aws:kms:eu-west-1:123456789012:alias/pass",
                format!("awskms:{ARN}"),
            ),
            (
                "awskms:alias/pass?message=raw&endpoint=http://127.0.0.1:5000",
                format!("awskms:{ARN}?endpoint=http://127.0.0.1:5000&message=raw"),
            ),
        ] {
            let place = parse(text).unwrap();
            assert!(place.name.fits(&arn), "{text}");
            let found = place.exact(&arn);
            assert_eq!(found.as_str(), exact, "{text}");
            let again = Place::parse(&found).unwrap();
            assert_eq!(again.region.as_deref(), Some("eu-west-1"));
            assert_eq!((again.endpoint, again.message), (place.endpoint, place.message));
        }
    }

    #[test]
    fn another_key_does_not_fit() {
        let other = Arn::parse("arn:aws:kms:eu-west-1:123456789012:key/0000abcd-12ab-34cd-56ef-1234567890ab").unwrap();
        let far = Arn::parse(&ARN.replace("eu-west-1", "us-east-1")).unwrap();
        let alias = Arn::parse("arn:aws:kms:eu-west-1:123456789012:alias/pass").unwrap();
        for (text, arn) in [
            (&*format!("awskms:{ARN}"), &other),
            (&format!("awskms:{ARN}"), &far),
            ("awskms:1234abcd-12ab-34cd-56ef-1234567890ab", &other),
            ("awskms:arn:aws:kms:eu-west-1:123456789012:alias/pass", &far),
            ("awskms:alias/pass", &alias),
        ] {
            assert!(!parse(text).unwrap().name.fits(arn), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "awskms:alias/",
            "awskms:alias/a b",
            "awskms:key/1234",
            "awskms:12 34",
            "awskms:arn:aws:s3:eu-west-1:123456789012:key/1234",
            "awskms:arn:aws:kms:eu-west-1::key/1234",
            "awskms:arn:aws:kms::123456789012:key/1234",
            "awskms:arn:aws:kms:eu-west-1:123456789012:1234",
            "awskms:alias/a?region=",
            "awskms:alias/a?region=EU",
            "awskms:alias/a?region=a&region=a",
            "awskms:alias/a?message=hashed",
            "awskms:alias/a?endpoint=http://example.com",
            "awskms:alias/a?endpoint=http://127.0.0.1.example.com",
            "awskms:alias/a?endpoint=ftp://127.0.0.1",
            "awskms:alias/a?endpoint=https://user:word@example.com",
            "awskms:alias/a?endpoint=https://",
            "awskms:alias/a?endpoint=example.com",
            "awskms:alias/a?profile=x",
            &format!("awskms:{ARN}?region=us-east-1"),
        ] {
            assert_eq!(parse(text).unwrap_err().code(), "key_uri_malformed", "{text}");
        }
        for good in [
            "https://kms.example.com",
            "http://localhost:1",
            "http://[::1]:5000/x",
            "http://127.0.0.2",
        ] {
            assert!(is_endpoint(good), "{good}");
        }
    }

    #[test]
    fn a_secret_in_a_uri_is_refused_and_not_repeated() {
        for name in ["secret-key", "session-token", "token", "other", "endpoint"] {
            let error = parse(&format!("awskms:alias/a?{name}=HIDDEN")).unwrap_err();
            assert_eq!(error.code(), "key_uri_malformed");
            assert!(!format!("{error} {error:?}").contains("HIDDEN"), "{error:?}");
        }
    }
}
