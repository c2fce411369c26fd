//! How documents are read: by version, strictly, with a code and a place for every refusal.

use serde::Serialize;
use serde::de::{Deserialize, DeserializeOwned};

use crate::key_use::KeyUse;
use crate::webauthn::SignatureForm;

crate::codes! {
    /// Why a document was not read.
    pub enum DocumentCode: InputRefused {
        /// The bytes are not one JSON value.
        JsonMalformed = "json_malformed",
        /// The document doesn't say its `schema`.
        SchemaMissing = "schema_missing",
        /// The document is of another kind than the reader expects.
        SchemaMismatch = "schema_mismatch",
        /// The document is of a version that this release doesn't know.
        SchemaUnsupported = "schema_unsupported",
        /// A member that must be there is not.
        MemberMissing = "member_missing",
        /// A member that this version doesn't have.
        MemberUnknown = "member_unknown",
        /// A member stands twice.
        MemberRepeated = "member_repeated",
        /// A member's value breaks the rule of its type.
        MemberInvalid = "member_invalid",
        /// A member holds part of a private key, which this document never carries.
        PrivateKeyMember = "private_key_member",
        /// Two members are right each, but contradict each other.
        MembersContradict = "members_contradict",
        /// A trust store asks for something that no release enforces yet: `roots`, or a key of use `root` or `revocation`.
        TrustUseUnenforced = "trust_use_unenforced",
    }
}

/// A document that was not read: a code, the place (`capability.tool`), and what is wrong there.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}{problem}", Place(path))]
pub struct DocumentError {
    code: DocumentCode,
    path: Box<str>,
    problem: Box<str>,
}

struct Place<'a>(&'a str);

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            Ok(())
        } else {
            write!(f, "`{}`: ", self.0)
        }
    }
}

impl DocumentError {
    /// An error at a place; an empty `path` means the whole document.
    #[must_use]
    pub fn new(code: DocumentCode, path: &str, problem: &str) -> Self {
        Self {
            code,
            path: path.into(),
            problem: problem.into(),
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> DocumentCode {
        self.code
    }

    /// Where: member names and array indexes joined by dots, empty for the document as a whole.
    #[must_use]
    pub const fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong there.
    #[must_use]
    pub const fn problem(&self) -> &str {
        &self.problem
    }

    /// The same error under a code that says more.
    pub(crate) const fn with_code(mut self, code: DocumentCode) -> Self {
        self.code = code;
        self
    }

    fn from_serde(error: &serde_path_to_error::Error<serde_json::Error>) -> Self {
        let path = match error.path().to_string() {
            path if path == "." => String::new(),
            path => path,
        };
        let whole = error.inner().to_string();
        // serde_json appends where in the text it stood; the path says it better.
        let problem = whole
            .rsplit_once(" at line ")
            .map_or(whole.as_str(), |(problem, _)| problem);
        // The wording of these is serde's own contract for derived types; a unit test below holds it.
        let code = if !error.inner().is_data() {
            DocumentCode::JsonMalformed
        } else if problem.starts_with("missing field") {
            DocumentCode::MemberMissing
        } else if problem.starts_with("unknown field") {
            if is_private(&path) {
                DocumentCode::PrivateKeyMember
            } else {
                DocumentCode::MemberUnknown
            }
        } else if problem.starts_with("duplicate field") {
            DocumentCode::MemberRepeated
        } else if problem.starts_with(CONTRADICTION) {
            DocumentCode::MembersContradict
        } else {
            DocumentCode::MemberInvalid
        };
        Self::new(code, &path, problem)
    }
}

/// The members of JWKs that only private keys have (RFC 7518 §6.2.2, §6.3.2, §6.4.1; RFC 8037 §2).
pub(crate) const PRIVATE_MEMBERS: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

/// Whether an unknown member is part of a private key: `keys[0].jwk.d`.
fn is_private(path: &str) -> bool {
    path.rsplit_once('.')
        .is_some_and(|(parent, member)| parent.ends_with("jwk") && PRIVATE_MEMBERS.contains(&member))
}

/// How messages about members that contradict each other start.
pub(crate) const CONTRADICTION: &str = "contradiction: ";

/// A JSON document with a `schema` member, `actionpass.<kind>.v<version>`.
///
/// [`from_json`](Document::from_json) is the reader: it looks at `schema` first, so that a document of a later
/// version is told apart from a broken one. It reads bytes that were admitted already or come from a trusted
/// place; duplicate members, unknown members and `null` are refused all the same.
pub trait Document: DeserializeOwned + Serialize {
    /// The kind: what stands between `actionpass.` and `.v1`.
    const KIND: &'static str;

    /// What serde can't check: members that must agree with each other.
    ///
    /// # Errors
    /// [`DocumentError`] with [`DocumentCode::MembersContradict`] or a code of its own.
    fn check(&self) -> Result<(), DocumentError> {
        Ok(())
    }

    /// Reads a document of this kind.
    ///
    /// # Errors
    /// [`DocumentError`]: its code, its path and what is wrong.
    fn from_json(bytes: &[u8]) -> Result<Self, DocumentError> {
        match read::<Self>(bytes) {
            Ok(document) => {
                document.check()?;
                Ok(document)
            }
            // The version decides what the other members mean, so a wrong one explains every other error.
            Err(error) => Err(schema_error(bytes, Self::KIND).unwrap_or(error)),
        }
    }
}

/// A set of JWT claims that somebody signs: how it is read and written, and which keys may sign it.
///
/// The crypto layer is generic over this trait and knows no document.
pub trait SignedDocument: Sized {
    /// The JWS header's `typ` (RFC 7515 §4.1.9) where the key signs the token itself, compared byte for byte.
    const TYP: &'static str;
    /// The `typ` where an authenticator signs the token's hash as its challenge; `None` if no passkey signs this document.
    const WEBAUTHN_TYP: Option<&'static str> = None;
    /// The only use that a key may have to sign this.
    const KEY_USE: KeyUse;

    /// Reads the claims out of a payload whose signature was verified.
    ///
    /// # Errors
    /// [`ClaimsError`] tells malformed claims from a version that this release doesn't know.
    fn from_claims(payload: &[u8]) -> Result<Self, ClaimsError>;

    /// Writes the claims as they are signed.
    ///
    /// # Errors
    /// [`ClaimsError`] if the claims contradict each other: what can't be read is not signed.
    fn to_claims(&self) -> Result<Vec<u8>, ClaimsError>;

    /// The `typ` of this document under signatures of a form; `None` if it has none of that form.
    #[must_use]
    fn typ_of(form: SignatureForm) -> Option<&'static str> {
        match form {
            SignatureForm::Jws => Some(Self::TYP),
            SignatureForm::WebAuthn => Self::WEBAUTHN_TYP,
        }
    }
}

/// Claims that were not read or not written.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimsError {
    /// A claim is missing, unknown, repeated or breaks its rule.
    #[error("the claims are malformed")]
    Malformed(#[source] DocumentError),
    /// The claims are of a version that this release doesn't know.
    #[error("the claims are of version {0}")]
    VersionUnsupported(u64),
}

/// Reads a value strictly and says where it fails: for closed documents that have no `schema`, as what is asked of a service.
/// The bytes were admitted already or come from a trusted place. The path costs a second pass, and only a failure pays for it.
///
/// # Errors
/// [`DocumentError`]: its code, its path and what is wrong.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DocumentError> {
    serde_json::from_slice(bytes).map_err(|_| {
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let outcome = serde_path_to_error::deserialize::<_, T>(&mut deserializer);
        match outcome {
            Err(error) => DocumentError::from_serde(&error),
            Ok(_) => DocumentError::new(DocumentCode::JsonMalformed, "", "something follows the value"),
        }
    })
}

fn schema_error(bytes: &[u8], kind: &str) -> Option<DocumentError> {
    #[derive(serde::Deserialize)]
    struct Head {
        schema: Option<String>,
    }
    let schema = match serde_json::from_slice::<Head>(bytes) {
        Ok(Head { schema: Some(schema) }) => schema,
        Ok(Head { schema: None }) => {
            return Some(DocumentError::new(DocumentCode::SchemaMissing, "schema", "is missing"));
        }
        Err(_) => return None,
    };
    let version = schema
        .strip_prefix("actionpass.")
        .and_then(|rest| rest.strip_prefix(kind))
        .and_then(|rest| rest.strip_prefix(".v"));
    match version {
        Some("1") => None,
        Some(version) if !version.is_empty() && version.bytes().all(|digit| digit.is_ascii_digit()) => {
            Some(DocumentError::new(
                DocumentCode::SchemaUnsupported,
                "schema",
                &format!("version {version} of {kind} is not known to this release"),
            ))
        }
        _ => Some(DocumentError::new(
            DocumentCode::SchemaMismatch,
            "schema",
            &format!("is not `actionpass.{kind}.v1`"),
        )),
    }
}

/// A `schema` member that has exactly one value: its presence is the proof that the version was checked.
macro_rules! schema_tag {
    ($(#[$meta:meta])* $name:ident, $text:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
        pub struct $name;

        impl $name {
            /// The text of the member.
            pub const TEXT: &'static str = $text;
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(Self::TEXT)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::document::exactly(deserializer, Self::TEXT).map(|()| Self)
            }
        }

        #[cfg(feature = "schema")]
        impl ::schemars::JsonSchema for $name {
            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut ::schemars::SchemaGenerator) -> ::schemars::Schema {
                ::schemars::json_schema!({ "const": $text })
            }
        }
    };
}
pub(crate) use schema_tag;

/// Reads a text that has exactly one allowed value.
pub(crate) fn exactly<'de, D: serde::Deserializer<'de>>(deserializer: D, text: &'static str) -> Result<(), D::Error> {
    struct Exactly(&'static str);

    impl serde::de::Visitor<'_> for Exactly {
        type Value = ();

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "`{}`", self.0)
        }

        fn visit_str<E: serde::de::Error>(self, found: &str) -> Result<(), E> {
            if found == self.0 {
                Ok(())
            } else {
                Err(E::custom(format_args!("is not `{}`", self.0)))
            }
        }
    }
    deserializer.deserialize_str(Exactly(text))
}

/// The claims version, `v`: always 1 in this release.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ClaimsVersion;

impl Serialize for ClaimsVersion {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(1)
    }
}

impl<'de> Deserialize<'de> for ClaimsVersion {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            1 => Ok(Self),
            other => Err(serde::de::Error::custom(format_args!(
                "version {other} is not known to this release"
            ))),
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for ClaimsVersion {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ClaimsVersion".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "const": 1 })
    }
}

/// Reads claims whose version stands in `<member>.v`: malformed only if the version is one that we know.
pub(crate) fn read_claims<T: DeserializeOwned>(payload: &[u8], member: &str) -> Result<T, ClaimsError> {
    read(payload).map_err(|error| {
        let version = serde_json::from_slice::<serde_json::Value>(payload)
            .ok()
            .and_then(|claims| claims.get(member)?.get("v")?.as_u64());
        match version {
            Some(version) if version != 1 => ClaimsError::VersionUnsupported(version),
            _ => ClaimsError::Malformed(error),
        }
    })
}

/// Writes claims; a failure to serialize is reported, never swallowed.
pub(crate) fn write_claims<T: Serialize>(claims: &T) -> Result<Vec<u8>, ClaimsError> {
    serde_json::to_vec(claims).map_err(|error| not_written(&error))
}

/// Claims that could not be written.
pub(crate) fn not_written(error: &serde_json::Error) -> ClaimsError {
    ClaimsError::Malformed(DocumentError::new(DocumentCode::MemberInvalid, "", &error.to_string()))
}

/// An error about members that contradict each other, as serde carries it.
pub(crate) fn contradiction<E: serde::de::Error>(problem: &str) -> E {
    E::custom(format_args!("{CONTRADICTION}{problem}"))
}

crate::coded_error!(
    DocumentError,
    path = |error| Some(error.path()).filter(|path| !path.is_empty())
);
