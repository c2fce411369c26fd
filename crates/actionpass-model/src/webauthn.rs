//! Passkeys: the form in which an authenticator signs, and where a passkey of an approver may be used (Web
//! Authentication Level 3).

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::document::contradiction;
use crate::text::text_type;

/// How the third part of a token is made. A token's `typ` says which form it has, and a key has exactly one.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "whoever reads a signature has to know its form")]
pub enum SignatureForm {
    /// The key signs `header.payload` itself (RFC 7515 §5.1).
    Jws,
    /// An authenticator signs an assertion whose challenge is the SHA-256 of `header.payload` (Web Authentication Level 3
    /// §7.2).
    WebAuthn,
}

text_type! {
    /// The relying party id of a passkey: the exact host of the page that it signs on. A host name in lower case without
    /// a dot at its end, or `localhost`; no address.
    RpId, "relying party id",
    "^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", host
}
text_type! {
    /// The origin of a page (RFC 6454 §6.2), as browsers write it: `https://` and a host, or `http://localhost`, and a
    /// port where it is not the scheme's own.
    WebOrigin, "origin of a page",
    "^(https://([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?|http://localhost)(:[1-9][0-9]{0,4})?$",
    |text| web_origin(text).map(|_| ())
}
text_type! {
    /// The id that an authenticator gave a passkey: 1 to 1,023 bytes in unpadded base64url.
    CredentialId, "credential id", "^[A-Za-z0-9_-]{2,1364}$", credential_id
}

/// The longest id of a passkey in bytes (Web Authentication Level 3 §5.8.3).
const MAX_CREDENTIAL_BYTES: usize = 1023;
/// The most pages that one passkey may sign on.
const MAX_ORIGINS: usize = 16;

/// What makes a key of a trust store a passkey: by which relying party id it signs, on which pages, and how its
/// authenticator knows it. The host of every origin is the relying party id; one of a parent domain is refused, since
/// every page of that domain could ask for a signature.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct Passkey {
    /// The relying party id.
    rp_id: RpId,
    /// The pages that it signs on.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 16)))]
    origins: Vec<WebOrigin>,
    /// Its id.
    credential_id: CredentialId,
}

/// Parts of a passkey that are right each and don't fit each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{problem}")]
pub struct PasskeyError {
    problem: &'static str,
}

impl Passkey {
    /// A passkey that signs on these pages.
    ///
    /// # Errors
    /// [`PasskeyError`] unless there are 1 to 16 origins, each once, whose host is exactly the relying party id.
    pub fn new(rp_id: RpId, origins: Vec<WebOrigin>, credential_id: CredentialId) -> Result<Self, PasskeyError> {
        Self::check(&rp_id, &origins)?;
        Ok(Self {
            rp_id,
            origins,
            credential_id,
        })
    }

    /// Checks that passkeys can be made for this relying party on these pages.
    ///
    /// # Errors
    /// [`PasskeyError`], as [`new`](Self::new).
    pub fn check(rp_id: &RpId, origins: &[WebOrigin]) -> Result<(), PasskeyError> {
        let problem = if origins.is_empty() {
            "`origins` names no page"
        } else if origins.len() > MAX_ORIGINS {
            "`origins` names more than 16 pages"
        } else if origins.iter().any(|origin| origin.host() != rp_id.as_str()) {
            "`rpId` is not the exact host of each of `origins`"
        } else if origins.iter().collect::<HashSet<_>>().len() != origins.len() {
            "`origins` names a page twice"
        } else {
            return Ok(());
        };
        Err(PasskeyError { problem })
    }

    /// The relying party id.
    #[must_use]
    pub const fn rp_id(&self) -> &RpId {
        &self.rp_id
    }

    /// The pages that it signs on; never empty.
    #[must_use]
    pub fn origins(&self) -> &[WebOrigin] {
        &self.origins
    }

    /// Its id.
    #[must_use]
    pub const fn credential_id(&self) -> &CredentialId {
        &self.credential_id
    }
}

impl WebOrigin {
    /// The host: what stands between the scheme and the port.
    #[must_use]
    pub fn host(&self) -> &str {
        // INVARIANT: the text was found to be an origin when it was read.
        web_origin(self.as_str()).unwrap_or_default()
    }
}

impl Serialize for Passkey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Passkey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Passkey;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, access: A) -> Result<Passkey, A::Error> {
                Passkey::deserialize(serde::de::value::MapAccessDeserializer::new(access))
            }
        }
        let passkey = deserializer.deserialize_map(Visitor)?;
        match Passkey::check(&passkey.rp_id, &passkey.origins) {
            Ok(()) => Ok(passkey),
            Err(error) => Err(contradiction(error.problem)),
        }
    }
}

/// A host name as browsers write it in an origin (the URL standard's "domain", ASCII only), at most 253 bytes. A last
/// label that starts with a digit is refused, which takes every spelling of an IPv4 address with it.
fn host(text: &str) -> Result<(), &'static str> {
    if text.len() > 253 {
        return Err("is longer than 253 bytes");
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if !text.split('.').all(is_label) {
        return Err("is not a host name in lower case, without a port and without a dot at its end");
    }
    let last = text.rsplit('.').next().unwrap_or_default();
    if !last.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Err("is an address, and passkeys belong to names");
    }
    Ok(())
}

/// The host of an origin.
fn web_origin(text: &str) -> Result<&str, &'static str> {
    let (rest, own_port, is_plain) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (rest, "443", false),
        (None, Some(rest)) => (rest, "80", true),
        (None, None) => return Err("doesn't begin with `https://`, or `http://` for localhost"),
    };
    let (name, port) = match rest.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (rest, None),
    };
    if rest.contains(['/', '?', '#']) {
        return Err("goes on behind its host and port: a `/` at its end is too much, too");
    }
    host(name)?;
    if is_plain && name != "localhost" {
        return Err("is plain http, which only `localhost` may be");
    }
    match port {
        None => Ok(name),
        Some(port) if port == own_port => Err("names the port of its scheme, which browsers leave out"),
        Some(port)
            if port.bytes().all(|byte| byte.is_ascii_digit())
                && !port.starts_with('0')
                && port.parse::<u16>().is_ok() =>
        {
            Ok(name)
        }
        Some(_) => Err("has a port that is none"),
    }
}

fn credential_id(text: &str) -> Result<(), &'static str> {
    let is_base64url = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if !is_base64url {
        return Err("has a character that is not base64url");
    }
    // What is left over of the last byte must be zero bits (RFC 4648 §3.5).
    let last = match text.len() % 4 {
        0 => Some(""),
        2 => Some("AQgw"),
        3 => Some("AEIMQUYcgkosw048"),
        _ => None,
    };
    let is_whole = last.is_some_and(|last| last.is_empty() || text.ends_with(|end| last.contains(end)));
    if !is_whole {
        return Err("has stray bits in its last character");
    }
    match text.len().saturating_mul(3) / 4 {
        0 => Err("is empty"),
        bytes if bytes > MAX_CREDENTIAL_BYTES => Err("is longer than 1023 bytes"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn relying_parties_are_host_names() {
        let longest = [&"a.".repeat(126), "a"].concat();
        for good in [
            "localhost",
            "approve.example.com",
            "xn--bcher-kva.example",
            "a-b.c1",
            &longest,
        ] {
            assert!(RpId::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            ".",
            "Example.com",
            "example.com.",
            ".example.com",
            "a..b",
            "-a.example",
            "a-.example",
            "example.com:443",
            "https://example.com",
            "example.com/",
            "user@example.com",
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "a.0x7f",
            "[::1]",
            "::1",
            "bücher.example",
            "a_b.example",
            "*.example.com",
            " example.com",
            &[&longest, ".a"].concat(),
            &"a".repeat(64),
        ] {
            assert!(RpId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn origins_are_as_browsers_write_them() {
        for (good, host) in [
            ("https://approve.example.com", "approve.example.com"),
            ("https://approve.example.com:8443", "approve.example.com"),
            ("https://localhost", "localhost"),
            ("http://localhost", "localhost"),
            ("http://localhost:8080", "localhost"),
            ("http://localhost:65535", "localhost"),
        ] {
            assert_eq!(WebOrigin::parse(good).unwrap().host(), host);
        }
        for bad in [
            "",
            "null",
            "https://",
            "https://:1",
            "http://approve.example.com",
            "http://localhost.",
            "http://127.0.0.1:8080",
            "https://[::1]",
            "https://approve.example.com/",
            "https://approve.example.com:",
            "https://approve.example.com:443",
            "http://localhost:80",
            "http://localhost:0",
            "http://localhost:080",
            "http://localhost:65536",
            "http://localhost:+80",
            "http://localhost:1:2",
            "HTTPS://approve.example.com",
            "https://Approve.example.com",
            "https://user@approve.example.com",
            "https://approve.example.com?",
            "https://approve.example.com#",
            "https://approve.example.com\\",
            "ftp://approve.example.com",
            "android:apk-key-hash:x",
        ] {
            assert!(WebOrigin::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn credential_ids_have_one_spelling() {
        let longest = "A".repeat(1364);
        for good in ["AA", "AAA", "AAAA", "-_8", longest.as_str()] {
            assert!(CredentialId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "AB", "AAB", "AAAAA", "AA=", "A+A", &format!("{longest}AA")] {
            assert!(CredentialId::parse(bad).is_err(), "{bad}");
        }
    }

    fn passkey() -> Value {
        json!({ "rpId": "approve.example.com", "origins": ["https://approve.example.com"], "credentialId": "AAAA" })
    }

    #[test]
    fn the_relying_party_is_the_exact_host() {
        let read = |change: fn(&mut Value)| {
            let mut value = passkey();
            change(&mut value);
            serde_json::from_value::<Passkey>(value)
        };
        let good = read(|_| ()).unwrap();
        assert_eq!(serde_json::to_value(&good).unwrap(), passkey());
        assert!(
            read(|value| value["origins"] = json!(["https://approve.example.com", "https://approve.example.com:8443"]))
                .is_ok()
        );
        let bad: [fn(&mut Value); 10] = [
            |value| value["rpId"] = json!("example.com"),
            |value| value["rpId"] = json!("www.approve.example.com"),
            |value| value["origins"] = json!([]),
            |value| value["origins"] = json!("https://approve.example.com"),
            |value| value["origins"] = json!(["https://approve.example.com", "https://approve.example.com"]),
            |value| value["origins"] = json!(["https://approve.example.com", "https://other.example.com"]),
            |value| {
                value["origins"] = (1..=17)
                    .map(|port| format!("https://approve.example.com:{port}"))
                    .collect()
            },
            |value| value["credentialId"] = json!(null),
            |value| value["userHandle"] = json!("AAAA"),
            |value| *value = json!(["approve.example.com", ["https://approve.example.com"], "AAAA"]),
        ];
        for (number, change) in bad.into_iter().enumerate() {
            assert!(read(change).is_err(), "{number}");
        }
    }
}
