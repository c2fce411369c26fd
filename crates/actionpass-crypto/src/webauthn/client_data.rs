//! The client data (§5.8.1): what the browser says it was asked, by which page.

use std::collections::HashSet;
use std::fmt;

use actionpass_model::{JsonValue, WebOrigin};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::{WebAuthnCode, WebAuthnError, demand};
use crate::base64url;

/// The longest client data that are read, in bytes. Browsers write about 150.
pub(super) const MAX_BYTES: usize = 2048;

/// The operation that the browser carried out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Operation {
    /// `webauthn.create`: a registration.
    Create,
    /// `webauthn.get`: an assertion.
    Get,
}

/// The members that mean something here; the others are ignored (§5.8.1 demands that).
#[derive(Default)]
struct Members {
    operation: Option<String>,
    challenge: Option<String>,
    origin: Option<String>,
    is_cross_origin: Option<bool>,
    has_top_origin: bool,
    is_repeated: bool,
}

/// Checks client data (§7.1 steps 5 to 12, §7.2 steps 9 to 14) and says which of these pages asked.
pub(super) fn check<'a>(
    bytes: &[u8],
    operation: Operation,
    challenge: &[u8; 32],
    origins: &'a [WebOrigin],
) -> Result<&'a WebOrigin, WebAuthnError> {
    use WebAuthnCode as Code;
    demand(
        bytes.len() <= MAX_BYTES,
        Code::ClientDataTooLong,
        "the client data are longer than 2 KiB",
    )?;
    const MALFORMED: WebAuthnError = WebAuthnError::new(
        Code::ClientDataMalformed,
        "the client data are not a JSON object in UTF-8 with `type`, `challenge` and `origin`",
    );
    // serde_json looks only at the bytes of strings that are asked for. A byte order mark is no JSON.
    let text = std::str::from_utf8(bytes).map_err(|_| MALFORMED)?;
    let members: Members = serde_json::from_str(text).map_err(|_| MALFORMED)?;
    demand(
        !members.is_repeated,
        Code::ClientDataRepeated,
        "a member of the client data stands there twice",
    )?;
    let (Some(found), Some(signed), Some(page)) = (members.operation, members.challenge, members.origin) else {
        return Err(MALFORMED);
    };
    demand(
        found == operation.as_str(),
        Code::TypeMismatch,
        "the client data are of another operation",
    )?;
    demand(
        signed == base64url::encode(challenge),
        Code::ChallengeMismatch,
        "the authenticator signed another challenge",
    )?;
    let origin = origins.iter().find(|origin| origin.as_str() == page);
    let origin = origin.ok_or(WebAuthnError::new(
        Code::OriginMismatch,
        "the passkey was used on a page of another origin",
    ))?;
    demand(
        members.is_cross_origin != Some(true),
        Code::CrossOrigin,
        "the passkey was used in a frame of another origin",
    )?;
    demand(
        !members.has_top_origin,
        Code::TopOrigin,
        "the client data name a page around the one that asked",
    )?;
    Ok(origin)
}

impl Operation {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "webauthn.create",
            Self::Get => "webauthn.get",
        }
    }
}

/// By hand: a derived reader takes a repeated unknown member, and doesn't tell a repeated one from a malformed one.
impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;
        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("client data")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Members, A::Error> {
                let mut members = Members::default();
                let mut names = HashSet::new();
                while let Some(name) = access.next_key::<String>()? {
                    match name.as_str() {
                        "type" => members.operation = Some(access.next_value()?),
                        "challenge" => members.challenge = Some(access.next_value()?),
                        "origin" => members.origin = Some(access.next_value()?),
                        "crossOrigin" => members.is_cross_origin = Some(access.next_value()?),
                        "topOrigin" => {
                            access.next_value::<JsonValue>()?;
                            members.has_top_origin = true;
                        }
                        // Read strictly too: nobody's objects have one name twice.
                        _ => {
                            access.next_value::<JsonValue>()?;
                        }
                    }
                    members.is_repeated |= !names.insert(name);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(ObjectVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: [u8; 32] = [7; 32];
    const GOOD: &str = r#"{"type":"webauthn.get","challenge":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc","origin":"https://approve.example.com","crossOrigin":false}"#;

    fn code(text: impl AsRef<[u8]>) -> &'static str {
        let origins = [
            WebOrigin::parse("https://approve.example.com:8443").unwrap(),
            WebOrigin::parse("https://approve.example.com").unwrap(),
        ];
        match check(text.as_ref(), Operation::Get, &CHALLENGE, &origins) {
            Ok(origin) => {
                assert_eq!(origin, &origins[1]);
                "ok"
            }
            Err(error) => error.code().as_str(),
        }
    }

    fn with(member: &str) -> String {
        GOOD.replacen('{', &format!("{{{member},"), 1)
    }

    #[test]
    fn what_browsers_write_is_read() {
        for good in [
            GOOD.to_owned(),
            GOOD.replace(r#","crossOrigin":false"#, ""),
            with(r#""other_keys_can_be_added_here":"do not compare clientDataJSON against a template""#),
            with(r#""tokenBinding":{"status":"supported"},"x":[null,1.5,{"a":{}}]"#),
            GOOD.replace("webauthn.get", r"webauthn\u002eget"),
            format!(" {GOOD}\n"),
        ] {
            assert_eq!(code(&good), "ok", "{good}");
        }
    }

    #[test]
    fn each_fault_has_its_code() {
        let long = |total: usize| with(&format!(r#""x":"{}""#, "a".repeat(total - with(r#""x":"""#).len())));
        assert_eq!(code(long(2048)), "ok");
        let cases = [
            (long(2049), "webauthn_client_data_too_long"),
            (String::new(), "webauthn_client_data_malformed"),
            ("null".into(), "webauthn_client_data_malformed"),
            (format!("[{GOOD}]"), "webauthn_client_data_malformed"),
            (format!("{GOOD}{GOOD}"), "webauthn_client_data_malformed"),
            (format!("\u{FEFF}{GOOD}"), "webauthn_client_data_malformed"),
            (format!("{GOOD}\0"), "webauthn_client_data_malformed"),
            (GOOD.replace("false}", "false,}"), "webauthn_client_data_malformed"),
            (GOOD.replace("false", "null"), "webauthn_client_data_malformed"),
            (GOOD.replace("false", "\"false\""), "webauthn_client_data_malformed"),
            (GOOD.replace("\"webauthn.get\"", "7"), "webauthn_client_data_malformed"),
            (GOOD.replace("\"type\"", "\"Type\""), "webauthn_client_data_malformed"),
            (
                GOOD.replace("\"challenge\"", "\"chall\""),
                "webauthn_client_data_malformed",
            ),
            (GOOD.replace("\"origin\"", "\"orig\""), "webauthn_client_data_malformed"),
            (with(r#""x":"\ud800""#), "webauthn_client_data_malformed"),
            (with(r#""x":{"a":1,"a":1}"#), "webauthn_client_data_malformed"),
            (
                with(&format!(r#""x":{}"#, "[".repeat(200))),
                "webauthn_client_data_malformed",
            ),
            (with(r#""type":"webauthn.get""#), "webauthn_client_data_repeated"),
            (
                with(r#""\u0074ype":"webauthn.create""#),
                "webauthn_client_data_repeated",
            ),
            (with(r#""x":1,"\u0078":1"#), "webauthn_client_data_repeated"),
            (with(r#""crossOrigin":false"#), "webauthn_client_data_repeated"),
            (
                GOOD.replace("webauthn.get", "webauthn.create"),
                "webauthn_type_mismatch",
            ),
            (GOOD.replace("webauthn.get", "webauthn.get "), "webauthn_type_mismatch"),
            (GOOD.replace("BwcHBw", "BwcHBg"), "webauthn_challenge_mismatch"),
            (GOOD.replace("Bwc\"", "Bwc=\""), "webauthn_challenge_mismatch"),
            (GOOD.replace("Bwc\"", "Bwd\""), "webauthn_challenge_mismatch"),
            (GOOD.replace("approve.", "evil."), "webauthn_origin_mismatch"),
            (GOOD.replace("approve.", ""), "webauthn_origin_mismatch"),
            (GOOD.replace("https", "http"), "webauthn_origin_mismatch"),
            (GOOD.replace(".com\"", ".com/\""), "webauthn_origin_mismatch"),
            (GOOD.replace(".com\"", ".com:443\""), "webauthn_origin_mismatch"),
            (GOOD.replace("approve", "Approve"), "webauthn_origin_mismatch"),
            (GOOD.replace("false", "true"), "webauthn_cross_origin"),
            (
                with(r#""topOrigin":"https://approve.example.com""#),
                "webauthn_top_origin",
            ),
            (with(r#""topOrigin":null"#), "webauthn_top_origin"),
        ];
        for (text, expected) in cases {
            assert_eq!(code(&text), expected, "{text}");
        }
        let mut invalid = with(r#""x":"?""#).into_bytes();
        let at = invalid.iter().position(|byte| *byte == b'?').unwrap();
        invalid[at] = 0xFF;
        assert_eq!(code(&invalid), "webauthn_client_data_malformed");
    }
}
