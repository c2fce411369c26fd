//! `pkcs11:` URIs (RFC 7512): what they say about module, token, key and PIN.

use std::fmt::Write as _;
use std::path::PathBuf;

use actionpass_custody::{CustodianError, KeyUri, KeyUriError};

/// What a URI says. Whatever it doesn't say fits anything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pkcs11Uri {
    pub(crate) token: TokenFilter,
    pub(crate) key: KeyFilter,
    /// The path attributes that name the place rather than the key, and the query, as they are written.
    place: Vec<String>,
    query: String,
    pub(crate) module_path: Option<PathBuf>,
    pub(crate) pin_source: Option<PinSource>,
}

/// What a token, its slot and its module must say of themselves.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenFilter {
    pub(crate) label: Option<String>,
    pub(crate) serial: Option<String>,
    pub(crate) manufacturer: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) slot_id: Option<u64>,
    pub(crate) slot_description: Option<String>,
    pub(crate) slot_manufacturer: Option<String>,
    pub(crate) library_description: Option<String>,
    pub(crate) library_manufacturer: Option<String>,
    pub(crate) library_version: Option<(u8, u8)>,
}

/// What a private key must say of itself: `object` is its CKA_LABEL, `id` its CKA_ID.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyFilter {
    pub(crate) label: Option<String>,
    pub(crate) id: Option<Vec<u8>>,
}

/// Where the PIN is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum PinSource {
    File(PathBuf),
    /// Our own addition to RFC 7512.
    Variable(String),
}

/// What may stand unencoded in a value, beside RFC 3986's unreserved characters (RFC 7512 §2.3).
const IN_PATH: &[u8] = b":[]@!$'()*+,=&";
const IN_QUERY: &[u8] = b":[]@!$'()*+,=/?|";

impl Pkcs11Uri {
    /// Reads a URI. An error shows it only as far as the attribute that is wrong: that may hold a secret.
    pub(crate) fn parse(uri: &KeyUri) -> Result<Self, CustodianError> {
        let (path, query) = uri.rest().split_once('?').unwrap_or((uri.rest(), ""));
        let mut parsed = Self {
            query: query.to_owned(),
            ..Self::default()
        };
        let mut seen: Vec<&str> = Vec::new();
        // Path and query may be empty; an attribute between two separators may not.
        let in_path = path.split(';').filter(|_| !path.is_empty());
        let in_query = query.split('&').filter(|_| !query.is_empty());
        let parts = in_path.map(|part| (part, IN_PATH));
        let mut start = uri.as_str().len().saturating_sub(uri.rest().len());
        if path.is_empty() {
            start = start.saturating_add(1);
        }
        for (part, allowed) in parts.chain(in_query.map(|part| (part, IN_QUERY))) {
            parsed
                .read(part, allowed, &mut seen)
                .map_err(|problem| CustodianError::UriMalformed {
                    uri: uri.as_str().get(..start).unwrap_or_default().into(),
                    source: KeyUriError::new(problem),
                })?;
            // One character separates it from the next.
            start = start.saturating_add(part.len()).saturating_add(1);
        }
        Ok(parsed)
    }

    fn read<'a>(&mut self, part: &'a str, allowed: &[u8], seen: &mut Vec<&'a str>) -> Result<(), &'static str> {
        let (name, value) = part.split_once('=').ok_or("an attribute is not `name=value`")?;
        if name.eq_ignore_ascii_case("pin-value") {
            return Err("a PIN has no place in a URI; give `pin-source`, ACTIONPASS_PKCS11_PIN, or type it");
        }
        if seen.contains(&name) {
            return Err("an attribute stands there twice");
        }
        seen.push(name);
        let bytes = decode(value, allowed)?;
        if name == "id" && allowed == IN_PATH {
            self.key.id = Some(bytes);
            return Ok(());
        }
        let text = String::from_utf8(bytes).map_err(|_| "a value is not UTF-8")?;
        if allowed == IN_QUERY {
            return match name {
                "module-path" if text.is_empty() => Err("`module-path` is empty"),
                "module-path" => {
                    self.module_path = Some(text.into());
                    Ok(())
                }
                "module-name" => Err("`module-name` is not looked up; give `module-path`"),
                "pin-source" => {
                    self.pin_source = Some(PinSource::parse(&text)?);
                    Ok(())
                }
                _ => Err("a query attribute is unknown; there are `module-path` and `pin-source`"),
            };
        }
        if !matches!(name, "object" | "token" | "type") {
            self.place.push(part.to_owned());
        }
        let token = &mut self.token;
        match name {
            "object" => self.key.label = Some(text),
            "type" if text == "private" => {}
            "type" => return Err("`type` is not `private`, and nothing else signs"),
            "token" => token.label = Some(text),
            "serial" => token.serial = Some(text),
            "manufacturer" => token.manufacturer = Some(text),
            "model" => token.model = Some(text),
            "slot-id" => token.slot_id = Some(number(&text).ok_or("`slot-id` is not a number")?),
            "slot-description" => token.slot_description = Some(text),
            "slot-manufacturer" => token.slot_manufacturer = Some(text),
            "library-description" => token.library_description = Some(text),
            "library-manufacturer" => token.library_manufacturer = Some(text),
            "library-version" => {
                let (major, minor) = text.split_once('.').unwrap_or((&text, "0"));
                let version = number(major).zip(number(minor));
                token.library_version = Some(version.ok_or("`library-version` is not MAJOR.MINOR")?);
            }
            _ => return Err("a path attribute is unknown"),
        }
        Ok(())
    }

    /// The URI of one key: by its id, or, where it has none, by its label. What else the URI said of the place, and its
    /// query, stay.
    pub(crate) fn exact(&self, token: &str, serial: Option<&str>, key: &KeyFilter, kind: Option<&str>) -> KeyUri {
        let mut path = vec![format!("token={}", encode(token.as_bytes()))];
        path.extend(self.place.iter().cloned());
        if let (Some(serial), None) = (serial, &self.token.serial) {
            path.push(format!("serial={}", encode(serial.as_bytes())));
        }
        if let Some(label) = &key.label {
            path.push(format!("object={}", encode(label.as_bytes())));
        }
        if let Some(id) = &key.id {
            path.push(format!("id={}", encode_all(id)));
        }
        if let Some(kind) = kind {
            path.push(format!("type={kind}"));
        }
        self.at(&path)
    }

    /// The URI of a new key in the same place: the label of this one, if it has any, with an end that was drawn.
    pub(crate) fn beside(&self, drawn: &[u8; 8]) -> KeyUri {
        let label = self.key.label.as_deref().unwrap_or("actionpass");
        let mut next = without_drawn_end(label).to_owned();
        next.push('-');
        for byte in drawn {
            let _ = write!(next, "{byte:02x}");
        }
        let token = self.token.label.as_ref();
        let mut path: Vec<String> = token
            .map(|token| format!("token={}", encode(token.as_bytes())))
            .into_iter()
            .collect();
        path.extend(self.place.iter().filter(|part| !part.starts_with("id=")).cloned());
        path.push(format!("object={}", encode(next.as_bytes())));
        self.at(&path)
    }

    fn at(&self, path: &[String]) -> KeyUri {
        let mut rest = path.join(";");
        if !self.query.is_empty() {
            rest.push('?');
            rest.push_str(&self.query);
        }
        KeyUri::new(crate::PKCS11, &rest)
    }
}

/// A label without the end that [`Pkcs11Uri::beside`] gave it.
fn without_drawn_end(label: &str) -> &str {
    match label.rsplit_once('-') {
        Some((start, end)) if end.len() == 16 && end.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) => {
            start
        }
        _ => label,
    }
}

impl PinSource {
    /// A `file:` URI (RFC 8089), an absolute path, or `env:NAME`. Text that is none of these may be a PIN put into the
    /// wrong place, so it is not taken for a relative path.
    fn parse(text: &str) -> Result<Self, &'static str> {
        const PROBLEM: &str = "`pin-source` is no `file:` URI of this machine, absolute path or `env:NAME`";
        if let Some(name) = text.strip_prefix("env:") {
            let is_name = !name.is_empty() && !name.contains(['=', '\0']);
            return is_name.then(|| Self::Variable(name.to_owned())).ok_or(PROBLEM);
        }
        if text.starts_with('|') {
            return Err("`pin-source` is a command, and none is run");
        }
        let path = match text.strip_prefix("file:") {
            Some(rest) => {
                let rest = rest.strip_prefix("//").map_or(Some(rest), |rest| {
                    Some(rest.strip_prefix("localhost").unwrap_or(rest)).filter(|rest| rest.starts_with('/'))
                });
                // The value of the attribute was decoded; this is the encoding of the URI in it.
                let bytes = decode(rest.ok_or(PROBLEM)?, b"/:@!$&'()*+,;=").map_err(|_| PROBLEM)?;
                PathBuf::from(String::from_utf8(bytes).map_err(|_| PROBLEM)?)
            }
            None => PathBuf::from(text),
        };
        if path.is_absolute() {
            Ok(Self::File(path))
        } else {
            Err(PROBLEM)
        }
    }
}

/// A decimal number: digits only.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit());
    is_decimal.then(|| text.parse().ok()).flatten()
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Undoes percent-encoding; refuses what should have been encoded.
fn decode(text: &str, allowed: &[u8]) -> Result<Vec<u8>, &'static str> {
    const PROBLEM: &str = "a `%` is not followed by two hexadecimal digits";
    let hex = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = match (byte, tail) {
            (b'%', [high, low, tail @ ..]) => {
                let (high, low) = hex(*high).zip(hex(*low)).ok_or(PROBLEM)?;
                bytes.push(high << 4 | low);
                tail
            }
            (b'%', _) => return Err(PROBLEM),
            (byte, _) if is_unreserved(*byte) || allowed.contains(byte) => {
                bytes.push(*byte);
                tail
            }
            _ => return Err("a value has a character that is to be percent-encoded"),
        };
    }
    Ok(bytes)
}

fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        if is_unreserved(*byte) {
            text.push(char::from(*byte));
        } else {
            text.push_str(&encode_all(&[*byte]));
        }
    }
    text
}

/// Every byte encoded, as RFC 7512 §2.3 recommends for `id`.
fn encode_all(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "%{byte:02X}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn successors_stay_in_the_place_and_have_another_label() {
        let beside = |rest: &str| parse(rest).unwrap().beside(&[0xAB; 8]).rest().to_owned();
        assert_eq!(
            beside("token=prod;object=pass;id=%01?module-path=/m.so&pin-source=/p"),
            "token=prod;object=pass-abababababababab?module-path=/m.so&pin-source=/p"
        );
        assert_eq!(
            beside("token=prod;slot-id=3;object=pass-0123456789abcdef"),
            "token=prod;slot-id=3;object=pass-abababababababab"
        );
        assert_eq!(
            beside("token=prod;id=%01"),
            "token=prod;object=actionpass-abababababababab"
        );
    }

    fn parse(rest: &str) -> Result<Pkcs11Uri, CustodianError> {
        Pkcs11Uri::parse(&KeyUri::parse(&format!("pkcs11:{rest}")).unwrap())
    }

    #[test]
    fn every_attribute_is_read() {
        let uri = parse(
            "token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;model=1.0;serial=4a;\
             slot-id=327;slot-description=a;slot-manufacturer=b;library-description=c;library-manufacturer=d;\
             library-version=3.11;object=my%2Fkey;type=private;id=%69%95%3E%5C%F4%bD%eC%91?\
             module-path=/usr/lib/libp11.so&pin-source=file:/etc/token",
        )
        .unwrap();
        let token = &uri.token;
        assert_eq!(token.label.as_deref(), Some("The Software PKCS#11 Softtoken"));
        assert_eq!(token.manufacturer.as_deref(), Some("Snake Oil, Inc."));
        assert_eq!(
            (token.model.as_deref(), token.serial.as_deref()),
            (Some("1.0"), Some("4a"))
        );
        assert_eq!((token.slot_id, token.library_version), (Some(327), Some((3, 11))));
        assert_eq!(token.slot_description.as_deref(), Some("a"));
        assert_eq!(token.slot_manufacturer.as_deref(), Some("b"));
        assert_eq!(token.library_description.as_deref(), Some("c"));
        assert_eq!(token.library_manufacturer.as_deref(), Some("d"));
        assert_eq!(uri.key.label.as_deref(), Some("my/key"));
        assert_eq!(
            uri.key.id.as_deref(),
            Some(&[0x69, 0x95, 0x3E, 0x5C, 0xF4, 0xBD, 0xEC, 0x91][..])
        );
        assert_eq!(uri.module_path, Some("/usr/lib/libp11.so".into()));
        assert_eq!(uri.pin_source, Some(PinSource::File("/etc/token".into())));
        assert_eq!(parse("library-version=3").unwrap().token.library_version, Some((3, 0)));
        assert_eq!(parse("id=").unwrap().key.id, Some(vec![]));
        assert_eq!(parse("object=a:b=c&d").unwrap().key.label.as_deref(), Some("a:b=c&d"));
        assert!(parse("?module-path=/m.so").is_ok());
    }

    #[test]
    fn exact_uris_read_back() {
        let text = "object=pass;serial=4%41;token=my%20token;type=private?module-path=/m.so&pin-source=env:PIN";
        let key = KeyFilter {
            label: None,
            id: Some(vec![0, 0xAB]),
        };
        let exact = parse(text).unwrap().exact("my token", Some("4A"), &key, None);
        let expected = "pkcs11:token=my%20token;serial=4%41;id=%00%AB?module-path=/m.so&pin-source=env:PIN";
        assert_eq!(exact.as_str(), expected);
        let again = Pkcs11Uri::parse(&exact).unwrap();
        assert_eq!((again.token.serial.as_deref(), again.key.id), (Some("4A"), key.id));
    }

    #[test]
    fn what_is_not_exact_is_refused() {
        for bad in [
            "token",
            "token=a;",
            ";token=a",
            "token=a;;id=1",
            "token=a;token=a",
            "Token=a",
            "token=a b",
            "token=a/b",
            "token=caf\u{e9}",
            "token=%FF",
            "token=%2",
            "token=%2g",
            "token=%",
            "token=%+1a",
            "unknown=1",
            "x-vendor=1",
            "slot-id=",
            "slot-id=-1",
            "slot-id=+1",
            "slot-id=0x1",
            "library-version=1.2.3",
            "library-version=.1",
            "library-version=256",
            "type=public",
            "type=",
            "module-path=/m.so",
            "object=a?id=1",
            "object=a?module-path=",
            "object=a?module-path=/a&module-path=/a",
            "object=a?module-name=softhsm",
            "object=a?pin-source=1234",
            "object=a?pin-source=secret/pin",
            "object=a?pin-source=file:pin",
            "object=a?pin-source=file://other/pin",
            "object=a?pin-source=env:",
            "object=a?pin-source=|echo%201234",
            "object=a?pin-source=https://example.com/pin",
        ] {
            assert_eq!(parse(bad).unwrap_err().code(), "key_uri_malformed", "{bad}");
        }
    }

    #[test]
    fn pin_sources_are_files_or_variables() {
        for (text, source) in [
            ("/etc/pin", PinSource::File("/etc/pin".into())),
            ("file:/etc/pin", PinSource::File("/etc/pin".into())),
            ("file:///etc/pin", PinSource::File("/etc/pin".into())),
            ("file://localhost/etc/pin", PinSource::File("/etc/pin".into())),
            ("file:/etc/my%2520pin", PinSource::File("/etc/my pin".into())),
            ("/etc/my%20pin", PinSource::File("/etc/my pin".into())),
            ("env:PIN", PinSource::Variable("PIN".into())),
        ] {
            let uri = parse(&format!("object=a?pin-source={text}")).unwrap();
            assert_eq!(uri.pin_source, Some(source), "{text}");
        }
    }

    #[test]
    fn a_pin_in_a_uri_is_refused_and_not_repeated() {
        for bad in [
            "object=a?pin-value=271828",
            "object=a?PIN-VALUE=271828",
            "object=a;pin-value=271828",
            "object=a;pin=271828",
            "object=a?pin-source=271828",
            "object=a?module-path=/m.so&password=271828",
            "object=a;271828",
        ] {
            let error = parse(bad).unwrap_err();
            let source = std::error::Error::source(&error).unwrap();
            let shown = format!("{error} {error:?} {source} {source:?}");
            assert!(!shown.contains("271828"), "{shown}");
            assert!(shown.contains("pkcs11:object=a"), "{shown}");
        }
        let error = parse("object=a?pin-value=1").unwrap_err();
        let source = std::error::Error::source(&error).unwrap();
        assert!(source.to_string().contains("pin-source"), "{source}");
    }
}
