//! The protected header: which members it may have, and what they say.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use actionpass_model::SignatureForm;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::{JwsError, Parts};
use crate::Algorithm;

/// No header of ours comes near it, and nothing longer is worth parsing.
const MAX_HEADER_BYTES: usize = 1024;

/// Which headers are read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HeaderRule {
    /// Exactly `alg`, `kid` and `typ`, each once, in any order; `typ` byte for byte that of one form.
    Strict {
        typ: &'static str,
        webauthn: Option<&'static str>,
    },
    /// `alg`, and perhaps `kid` and `typ`, whatever it says: how published suites write headers.
    PublishedSuite,
}

/// What a header says.
#[derive(Debug)]
pub(crate) struct Header {
    /// Where the key id stands in [`Parts::decoded`].
    kid: Range<usize>,
    /// `None`: not one of ours.
    pub(crate) algorithm: Option<Algorithm>,
    /// What `typ` says of the signature.
    pub(crate) form: SignatureForm,
}

impl HeaderRule {
    /// The form that a type stands for.
    fn form_of(self, typ: &[u8]) -> Option<SignatureForm> {
        match self {
            Self::Strict { typ: jws, .. } if typ == jws.as_bytes() => Some(SignatureForm::Jws),
            Self::Strict {
                webauthn: Some(webauthn),
                ..
            } if typ == webauthn.as_bytes() => Some(SignatureForm::WebAuthn),
            Self::Strict { .. } => None,
            Self::PublishedSuite => Some(SignatureForm::Jws),
        }
    }
}

impl Header {
    pub(crate) fn read(parts: &mut Parts<'_>, rule: HeaderRule) -> Result<Self, JwsError> {
        match rule {
            HeaderRule::Strict { .. } => Self::as_we_write(parts.header(), rule),
            HeaderRule::PublishedSuite => None,
        }
        .map_or_else(|| Self::as_json(parts, rule), Ok)
    }

    /// The header in the one spelling that we write ourselves: no JSON parser, no allocation.
    fn as_we_write(header: &[u8], rule: HeaderRule) -> Option<Self> {
        let rest = header.strip_prefix(br#"{"alg":""#)?;
        let algorithm = Algorithm::ALL
            .iter()
            .copied()
            .find(|known| rest.starts_with(known.as_str().as_bytes()))?;
        let rest = rest.get(algorithm.as_str().len()..)?.strip_prefix(br#"","kid":""#)?;
        let start = header.len().checked_sub(rest.len())?;
        let (kid, rest) = rest.split_at_checked(KID_CHARS)?;
        let typ = rest.strip_prefix(br#"","typ":""#)?.strip_suffix(br#""}"#)?;
        let form = rule.form_of(typ)?;
        let is_plain = kid
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        is_plain.then(|| Self {
            kid: start..start.saturating_add(KID_CHARS),
            algorithm: Some(algorithm),
            form,
        })
    }

    /// The header as any other JSON writer may spell it.
    fn as_json(parts: &mut Parts<'_>, rule: HeaderRule) -> Result<Self, JwsError> {
        let header = parts.header();
        if header.len() > MAX_HEADER_BYTES {
            return Err(not_allowed("it is longer than 1024 bytes"));
        }
        let members = match serde_json::from_slice::<Members<'_>>(header) {
            Ok(members) => members,
            Err(error) if error.is_data() && is_json_object(header) => {
                return Err(not_allowed(
                    "it has an unknown or repeated member, or one that is not a string",
                ));
            }
            Err(_) => return Err(JwsError::malformed("its header is not a JSON object")),
        };
        let alg = members.alg.ok_or(not_allowed("`alg` is missing"))?;
        let algorithm = Algorithm::from_name(&alg);
        let kid = match (members.kid, rule) {
            (Some(kid), _) => kid,
            (None, HeaderRule::Strict { .. }) => return Err(not_allowed("`kid` is missing")),
            (None, HeaderRule::PublishedSuite) => Cow::Borrowed(""),
        };
        let form = match (members.typ, rule) {
            (_, HeaderRule::PublishedSuite) => SignatureForm::Jws,
            (None, HeaderRule::Strict { .. }) => return Err(not_allowed("`typ` is missing")),
            (Some(found), HeaderRule::Strict { typ, .. }) => rule
                .form_of(found.as_bytes())
                .ok_or(JwsError::TypeMismatch { expected: typ })?,
        };
        // It may have been unescaped, so it gets a place of its own behind the other parts.
        let kid = kid.into_owned();
        let start = parts.decoded.len();
        parts.decoded.extend_from_slice(kid.as_bytes());
        Ok(Self {
            kid: start..parts.decoded.len(),
            algorithm,
            form,
        })
    }

    pub(crate) fn kid<'b>(&self, decoded: &'b [u8]) -> &'b str {
        // INVARIANT: the range holds what was a `str` or checked to be ASCII.
        decoded
            .get(self.kid.clone())
            .and_then(|kid| std::str::from_utf8(kid).ok())
            .unwrap_or_default()
    }
}

/// A key id is 43 characters: 32 bytes in base64url.
const KID_CHARS: usize = 43;

const fn not_allowed(problem: &'static str) -> JwsError {
    JwsError::HeaderNotAllowed { problem }
}

/// Whether the bytes are a JSON object at all, whatever is in it.
fn is_json_object(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

#[derive(Default)]
struct Members<'a> {
    alg: Option<Cow<'a, str>>,
    kid: Option<Cow<'a, str>>,
    typ: Option<Cow<'a, str>>,
}

/// Not derived: a derived reader would take an array for the object.
impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JWS header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut members = Members::default();
        while let Some(Text(name)) = access.next_key()? {
            let member = match &*name {
                "alg" => &mut members.alg,
                "kid" => &mut members.kid,
                "typ" => &mut members.typ,
                _ => return Err(A::Error::custom("unknown member")),
            };
            let Text(value) = access.next_value()?;
            if member.replace(value).is_some() {
                return Err(A::Error::custom("repeated member"));
            }
        }
        Ok(members)
    }
}

/// A JSON string, borrowed where it has no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}
