//! Names and ids: principals, tools, resources, and the ids that we make.

use unicode_normalization::is_nfc;
use uuid::Uuid;

use crate::Timestamp;
use crate::text::{name, principal, text_type, visible_ascii};

text_type! {
    /// The organization on whose behalf everything happens: `org:` and 1 to 256 bytes of ASCII 0x21–0x7E.
    Tenant, "tenant", "^org:[!-~]{1,256}$", |text| principal(text, &["org"])
}
text_type! {
    /// An agent: `agent:` and 1 to 256 bytes of ASCII 0x21–0x7E.
    Agent, "agent", "^agent:[!-~]{1,256}$", |text| principal(text, &["agent"])
}
text_type! {
    /// A person: `user:` and 1 to 256 bytes of ASCII 0x21–0x7E.
    Owner, "humanOwner", "^user:[!-~]{1,256}$", |text| principal(text, &["user"])
}
text_type! {
    /// The runtime that an agent runs in: `runtime:` and 1 to 256 bytes of ASCII 0x21–0x7E.
    Runtime, "runtime", "^runtime:[!-~]{1,256}$", |text| principal(text, &["runtime"])
}
text_type! {
    /// Who approves: `user:` or `service:` and 1 to 256 bytes of ASCII 0x21–0x7E.
    Approver, "approver", "^(user|service):[!-~]{1,256}$", |text| principal(text, &["user", "service"])
}
text_type! {
    /// Any principal: agent, user, service, org or runtime.
    Principal, "principal", "^(agent|user|service|org|runtime):[!-~]{1,256}$",
    |text| principal(text, &["agent", "user", "service", "org", "runtime"])
}
text_type! {
    /// A tool: `[A-Za-z0-9][A-Za-z0-9._/:-]{0,255}`.
    Tool, "tool", "^[A-Za-z0-9][A-Za-z0-9._/:-]{0,255}$", |text| name(text, b"._/:-", 256)
}
text_type! {
    /// What a tool acts on: `kind:value` in NFC, at most 2,048 bytes, without control, bidirectional, zero-width
    /// or tag characters.
    Resource, "resource", "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}:.{1,2048}$", resource
}
text_type! {
    /// The task or ticket that the action serves: 1 to 256 bytes of ASCII 0x21–0x7E.
    Task, "task", "^[!-~]{1,256}$", |text| visible_ascii(text, 256)
}
text_type! {
    /// The executors that share one replay store: 1 to 256 bytes of ASCII 0x21–0x7E.
    Audience, "audience", "^[!-~]{1,256}$", |text| visible_ascii(text, 256)
}
text_type! {
    /// Who signs passes, a URI (RFC 7519 §4.1.1): 1 to 256 bytes of ASCII 0x21–0x7E with a colon.
    Issuer, "issuer", "^[!-9;-~]+:[!-~]+$", |text| {
        visible_ascii(text, 256)?;
        match text.split_once(':') {
            Some((scheme, rest)) if !scheme.is_empty() && !rest.is_empty() => Ok(()),
            _ => Err("is not a URI"),
        }
    }
}
text_type! {
    /// The server that lists a tool, a URI: 1 to 512 bytes of ASCII 0x21–0x7E.
    Server, "server", "^[!-~]{1,512}$", |text| visible_ascii(text, 512)
}
text_type! {
    /// Where the ledger's checkpoints come from (C2SP tlog-checkpoint origin): 1 to 256 bytes of ASCII 0x21–0x7E.
    Origin, "origin", "^[!-~]{1,256}$", |text| visible_ascii(text, 256)
}
text_type! {
    /// The id of a policy: `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`.
    PolicyId, "policy id", "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", |text| name(text, b"._-", 128)
}
text_type! {
    /// The id of a rule: `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`.
    RuleId, "rule id", "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", |text| name(text, b"._-", 128)
}
text_type! {
    /// A role that an approver holds: `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`.
    Role, "role", "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", |text| name(text, b"._-", 128)
}
text_type! {
    /// What an executor must enforce while it performs the call: `[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}`.
    ObligationId, "obligation id", "^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$", |text| name(text, b"._:/-", 128)
}
text_type! {
    /// Which occurrence of an action this is: `[A-Za-z0-9][A-Za-z0-9._:-]{0,127}`. Those that we make are `act_`
    /// and a UUIDv7; a caller may bring its own, and with it idempotency.
    ActionId, "action id", "^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$", |text| name(text, b"._:-", 128)
}
text_type! {
    /// The id of a pass: `ap_` and 32 lower-case hex digits of a UUIDv7 (RFC 9562).
    PassId, "pass id", "^ap_[0-9a-f]{32}$", |text| made_id(text, "ap_")
}
text_type! {
    /// The id of an approval: `apr_` and 32 lower-case hex digits of a UUIDv7.
    ApprovalId, "approval id", "^apr_[0-9a-f]{32}$", |text| made_id(text, "apr_")
}
text_type! {
    /// The id of a ledger record: `rec_` and 32 lower-case hex digits of a UUIDv7.
    RecordId, "record id", "^rec_[0-9a-f]{32}$", |text| made_id(text, "rec_")
}
text_type! {
    /// The id of a revocation: `rev_` and 32 lower-case hex digits of a UUIDv7.
    RevocationId, "revocation id", "^rev_[0-9a-f]{32}$", |text| made_id(text, "rev_")
}
text_type! {
    /// The id of an approval request: `req_` and 32 lower-case hex digits of a UUIDv7.
    RequestId, "request id", "^req_[0-9a-f]{32}$", |text| made_id(text, "req_")
}
text_type! {
    /// The name of a front door, as its configuration has it: `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`.
    DoorName, "door", "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", |text| name(text, b"._-", 128)
}
text_type! {
    /// A key id: the JWK thumbprint (RFC 7638) with SHA-256, 43 characters of unpadded base64url.
    KeyId, "kid", "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$", key_id
}
text_type! {
    /// Why somebody did something, in their words: 1 to 1,024 bytes without control characters.
    Statement, "statement", "^[^\\u0000-\\u001f\\u007f]{1,1024}$", |text| match text {
        "" => Err("is empty"),
        long if long.len() > 1024 => Err("is longer than 1024 bytes"),
        text if text.chars().any(char::is_control) => Err("has a control character"),
        _ => Ok(()),
    }
}
text_type! {
    /// A W3C trace context `traceparent` or another correlation id: 1 to 256 bytes of ASCII 0x21–0x7E.
    Trace, "trace", "^[!-~]{1,256}$", |text| visible_ascii(text, 256)
}

macro_rules! make {
    ($name:ident, $prefix:literal) => {
        impl $name {
            /// A fresh id from a UUIDv7 that the caller made: libraries choose neither clock nor randomness.
            #[must_use]
            pub fn from_uuid(uuid: Uuid) -> Self {
                let mut text = [0; $prefix.len() + 32];
                let (prefix, digits) = text.split_at_mut($prefix.len());
                prefix.copy_from_slice($prefix.as_bytes());
                uuid.as_simple().encode_lower(digits);
                // INVARIANT: the prefix and hexadecimal digits are ASCII.
                Self(std::str::from_utf8(&text).unwrap_or_default().into())
            }
        }
    };
}
make!(ActionId, "act_");
make!(PassId, "ap_");
make!(ApprovalId, "apr_");
make!(RecordId, "rec_");
make!(RevocationId, "rev_");
make!(RequestId, "req_");

impl ActionId {
    /// When an id of our form was made, as it says itself: the milliseconds of its UUIDv7 (RFC 9562 §5.7). `None` for any other.
    #[must_use]
    pub fn made_at(&self) -> Option<Timestamp> {
        let digits = self.as_str().strip_prefix("act_")?;
        let uuid = Uuid::try_parse(digits).ok().filter(|_| digits.len() == 32)?;
        let is_ours = uuid.get_version_num() == 7 && !digits.bytes().any(|byte| byte.is_ascii_uppercase());
        is_ours
            .then(|| u64::try_from(uuid.as_u128() >> 80).ok())?
            .and_then(Timestamp::from_unix_millis)
    }
}

impl Tool {
    /// The audience that a tool has where the issuer's configuration names none: the tool itself.
    #[must_use]
    pub fn default_audience(&self) -> Audience {
        // INVARIANT: every tool is 1 to 256 bytes of visible ASCII, which is what an audience is.
        Audience(self.0.clone())
    }
}

impl Resource {
    /// What stands after the first colon.
    #[must_use]
    pub fn value(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, value)| value)
    }

    /// What stands before the first colon.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.0.split_once(':').map_or("", |(kind, _)| kind)
    }
}

mod sealed {
    /// No type but ours is a principal.
    #[expect(unnameable_types, reason = "sealed")]
    pub trait Sealed {}
}

/// A principal of any kind: `kind:name`.
pub trait AnyPrincipal: AsRef<str> + sealed::Sealed {
    /// What stands after the kind.
    fn name(&self) -> &str {
        self.as_ref().split_once(':').map_or("", |(_, name)| name)
    }

    /// Whether the two count as one person: their names are the same, whatever their kinds and the case of ASCII
    /// letters. So `user:Bob` doesn't approve for `agent:bob`, an agent that was also given a key as `service:` doesn't
    /// approve itself, and another spelling of a name doesn't make a second approver.
    ///
    /// Revocations and the names of a trust store are about one principal and not about a person; there the kind
    /// counts: see [`fold_principal`].
    fn is_same_person_as(&self, other: &impl AnyPrincipal) -> bool {
        self.name().eq_ignore_ascii_case(other.name())
    }
}

/// A principal with its kind, in lower case (ASCII): the same text for every spelling of one principal. What revokes
/// `agent:bob` revokes `agent:Bob`, and not `user:bob`.
#[must_use]
pub fn fold_principal(principal: &str) -> String {
    principal.to_ascii_lowercase()
}

macro_rules! any_principal {
    ($($name:ident),+) => {$(
        impl sealed::Sealed for $name {}
        impl AnyPrincipal for $name {}
    )+};
}
any_principal!(Tenant, Agent, Owner, Runtime, Approver, Principal);

macro_rules! is_principal {
    ($($name:ident),+) => {$(
        impl From<&$name> for Principal {
            fn from(text: &$name) -> Self {
                // INVARIANT: each of these kinds is one of `Principal`'s, with the same value rule.
                Self(text.0.clone())
            }
        }
    )+};
}
is_principal!(Tenant, Agent, Owner, Runtime, Approver);

fn made_id(text: &str, prefix: &str) -> Result<(), &'static str> {
    match text.strip_prefix(prefix) {
        None => Err("has another prefix than its kind"),
        Some(hex) if hex.len() != 32 => Err("is not its prefix and 32 hex digits"),
        Some(hex) if !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) => {
            Err("has a character that is not lower-case hex")
        }
        Some(_) => Ok(()),
    }
}

fn key_id(text: &str) -> Result<(), &'static str> {
    if text.len() != 43 {
        return Err("is not 43 characters of base64url");
    }
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    {
        return Err("has a character that is not base64url");
    }
    // 32 bytes leave four bits in the last character, whose low two must be zero (RFC 4648 §3.5).
    if !text.ends_with(|last| "AEIMQUYcgkosw048".contains(last)) {
        return Err("has stray bits in its last character");
    }
    Ok(())
}

fn resource(text: &str) -> Result<(), &'static str> {
    let Some((kind, value)) = text.split_once(':') else {
        return Err("is not `kind:value`");
    };
    name(kind, b"._-", 64)?;
    if value.is_empty() {
        return Err("has no value after its kind");
    }
    if text.len() > 2048 {
        return Err("is longer than 2048 bytes");
    }
    // Most resources are ASCII, where only control characters are hidden and everything is in NFC.
    let is_hiding = if value.is_ascii() {
        value.bytes().any(|byte| byte.is_ascii_control())
    } else {
        value.chars().any(is_hidden)
    };
    if is_hiding {
        return Err("has a control, bidirectional, zero-width or tag character");
    }
    if !value.is_ascii() && !is_nfc(value) {
        return Err("is not in Unicode normalization form C");
    }
    Ok(())
}

/// Whether a character changes what a person sees without being seen itself: control, line separator,
/// bidirectional, zero-width, variation-less filler, interlinear and tag characters (Unicode 16, `Cc`, `Zl`, `Zp`
/// and the format characters that UTR 36 warns of).
#[must_use]
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
                | '\u{180B}'..='\u{180F}'
                | '\u{200B}'..='\u{200F}'
                | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}'
                | '\u{2800}'
                | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
                | '\u{FFF0}'..='\u{FFFC}'
                | '\u{13430}'..='\u{1343F}'
                | '\u{1BCA0}'..='\u{1BCA3}'
                | '\u{1D173}'..='\u{1D17A}'
                | '\u{E0000}'..='\u{E0FFF}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principals_have_the_kind_of_their_place() {
        assert!(Agent::parse("agent:codex-prod").is_ok());
        assert!(Approver::parse("service:ci").is_ok());
        assert_eq!(Principal::from(&Tenant::parse("org:a").unwrap()).as_str(), "org:a");
        for bad in [
            "agent:",
            "agent",
            "user:a",
            "Agent:a",
            " agent:a",
            "agent:a b",
            "agent:ä",
            "agent:a\n",
        ] {
            assert!(Agent::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Agent::parse(&format!("agent:{}", "a".repeat(256))).is_ok());
        assert!(Agent::parse(&format!("agent:{}", "a".repeat(257))).is_err());
    }

    #[test]
    fn a_person_has_one_name_whatever_the_kind_and_case() {
        let approver = |text: &str| Approver::parse(text).unwrap();
        assert!(approver("user:Bob").is_same_person_as(&Agent::parse("agent:bob").unwrap()));
        assert!(approver("user:a:b").is_same_person_as(&approver("user:A:b")));
        assert!(!approver("user:bob").is_same_person_as(&approver("user:bobby")));
        assert!(!approver("service:user:bob").is_same_person_as(&approver("user:bob")));
        assert_eq!(approver("user:a:b").name(), "a:b");
    }

    #[test]
    fn a_principal_has_its_kind_in_whatever_case() {
        assert_eq!(fold_principal("agent:Bob"), fold_principal("agent:bob"));
        assert_ne!(fold_principal("agent:bob"), fold_principal("user:bob"));
    }

    #[test]
    fn resources_hide_nothing() {
        for good in ["repo:company/web-app", "file:/tmp/ü", "x:a:b", "slack:#général"] {
            assert!(Resource::parse(good).is_ok(), "{good}");
        }
        assert_eq!(Resource::parse("x:a:b").unwrap().value(), "a:b");
        for bad in [
            "",
            "repo",
            "repo:",
            ":a",
            "repo:a\u{202E}b",
            "repo:a\u{200B}",
            "repo:a\nb",
            "repo:\u{E0041}",
            "repo:web\u{1BCA0}-app",
            "repo:u\u{308}",
            "ré:a",
        ] {
            assert!(Resource::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn key_ids_are_thumbprints_without_stray_bits() {
        // RFC 7638 §3.1, its own example.
        assert!(KeyId::parse("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs").is_ok());
        for bad in [
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xt",
            "NzbLsXh8uDCcd+6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
            "short",
        ] {
            assert!(KeyId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn made_ids_are_prefix_and_uuid() {
        let uuid = Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001);
        let id = PassId::from_uuid(uuid);
        assert_eq!(id.as_str(), "ap_01920000000070008000000000000001");
        assert_eq!(PassId::parse(id.as_str()), Ok(id));
        assert!(PassId::parse("apr_01920000000070008000000000000001").is_err());
        assert!(PassId::parse("ap_0192000000007000800000000000000G").is_err());
        assert!(ActionId::parse("act_0192").is_ok());
    }

    #[test]
    fn tools_and_tasks() {
        for good in ["github.pull_requests.create", "a", "mcp/x:y-z"] {
            assert!(Tool::parse(good).is_ok(), "{good}");
        }
        for bad in ["", ".a", "a b", "a*", "ä"] {
            assert!(Tool::parse(bad).is_err(), "{bad}");
        }
        assert!(Issuer::parse("https://issuer.example").is_ok());
        assert!(Issuer::parse("nocolon").is_err());
    }
}
