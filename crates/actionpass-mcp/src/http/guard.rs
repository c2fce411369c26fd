//! What is refused before any session sees it: foreign hosts and sites, strangers, and headers that contradict their body.

use std::net::SocketAddr;

use base64ct::{Base64, Encoding as _};
use hyper::HeaderMap;
use hyper::http::uri::Authority;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use super::Client;
use crate::era::{self, MODERN_VERSIONS};
use crate::message::Params;
use crate::raw;

/// Whether a `Host` is one of this end: a name that was given, `localhost` with the port, or the literal address at which the
/// connection arrived. A page of another name may have been made to resolve to this address (DNS rebinding).
pub(super) fn knows_host(host: &str, local: SocketAddr, hosts: &[String]) -> bool {
    if hosts.iter().any(|known| known.eq_ignore_ascii_case(host)) {
        return true;
    }
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host();
    // With nothing before or behind name and port.
    if host.len() != name.len() && !host.strip_prefix(name).is_some_and(|rest| rest.starts_with(':')) {
        return false;
    }
    let address = name
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<std::net::IpAddr>();
    let is_address = address.is_ok_and(|address| address.to_canonical() == local.ip().to_canonical());
    authority.port_u16().unwrap_or(80) == local.port() && (is_address || name.eq_ignore_ascii_case("localhost"))
}

/// Whether a browser sends it for another site. Programs send neither header.
pub(super) fn is_foreign(headers: &HeaderMap, is_own: impl Fn(&str) -> bool) -> bool {
    let origin = |value: &hyper::header::HeaderValue| {
        let host = value.to_str().ok().and_then(|origin| {
            origin
                .strip_prefix("http://")
                .or_else(|| origin.strip_prefix("https://"))
        });
        host.is_some_and(&is_own)
    };
    let is_foreign_origin = !headers.get_all("origin").iter().all(origin);
    let mut sites = headers.get_all("sec-fetch-site").iter();
    is_foreign_origin || sites.any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"))
}

/// The one value of a header; an error where it comes twice or is no text.
pub(super) fn sole<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, String> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(format!("the header {name} comes twice"));
    }
    value
        .map(|value| value.to_str().map_err(|_| format!("the header {name} is no text")))
        .transpose()
}

/// Which client a request's token is of. Every token is compared, and in constant time.
pub(super) fn client(headers: &HeaderMap, tokens: &[[u8; 32]]) -> Option<Client> {
    let value = sole(headers, "authorization").ok().flatten()?;
    let (scheme, token) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let digest = hash(token.trim());
    let (mut found, mut is_found) = (0, Choice::from(0));
    for (client, known) in (0_u64..).zip(tokens) {
        let is_it = known.ct_eq(&digest);
        found = subtle::ConditionallySelectable::conditional_select(&found, &client, is_it);
        is_found |= is_it;
    }
    bool::from(is_found).then_some(Client::Token(found))
}

pub(super) fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// What a header of this protocol says: plain, or in Base64.
fn decoded(value: &str) -> Option<String> {
    match value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) {
        None => Some(value.to_owned()),
        Some(encoded) => String::from_utf8(Base64::decode_vec(encoded).ok()?).ok(),
    }
}

/// Refuses a request of the modern era whose headers say something else than its body: whoever goes by them has seen another
/// request.
pub(super) fn matches_body(headers: &HeaderMap, method: &str, params: &Params<'_>) -> Result<(), String> {
    let stated = |name: &str| -> Result<Option<String>, String> {
        let Some(value) = sole(headers, name)? else {
            return Ok(None);
        };
        decoded(value)
            .map(Some)
            .ok_or_else(|| format!("the header {name} is no Base64 of a text"))
    };
    let differs = |name: &str| format!("the header {name} says something else than the body");
    let version = params.meta(era::META_VERSION).and_then(raw::text);
    let in_header = sole(headers, "mcp-protocol-version")?;
    // `server/discover` may come before the client knows a version; a notification states none.
    let is_version = match (in_header, version.as_deref()) {
        (None, None) => true,
        (Some(header), Some(body)) => header == body,
        (Some(header), None) => MODERN_VERSIONS.contains(&header),
        (None, Some(_)) => false,
    };
    if !is_version {
        return Err(differs("MCP-Protocol-Version"));
    }
    if stated("mcp-method")?.as_deref() != Some(method) {
        return Err(differs("Mcp-Method"));
    }
    let named = match method {
        "tools/call" | "prompts/get" => params.text("name"),
        "resources/read" => params.text("uri"),
        _ => None,
    };
    let header = stated("mcp-name")?;
    let is_name = match (&named, &header) {
        (Some(named), Some(header)) => named == header,
        (Some(_), None) => false,
        (None, None) => true,
        // Other methods may name what they are about as well.
        (None, Some(header)) => ["name", "uri", "taskId"]
            .iter()
            .any(|member| params.text(member).is_some_and(|named| named == *header)),
    };
    if !is_name {
        return Err(differs("Mcp-Name"));
    }
    let arguments = params.get("arguments").unwrap_or_default();
    for name in headers.keys().filter(|name| name.as_str().starts_with("mcp-param-")) {
        let value = stated(name.as_str())?.unwrap_or_default();
        if !has_scalar(arguments, &value) {
            return Err(differs(name.as_str()));
        }
    }
    Ok(())
}

/// Whether any text, number or truth value, at any depth, is written so. Recursion is bounded: the message went through the gate.
fn has_scalar(value: &[u8], wanted: &str) -> bool {
    match value.first() {
        Some(b'{') => raw::members(value).any(|member| has_scalar(member.value, wanted)),
        Some(b'[') => raw::elements(value).any(|element| has_scalar(element, wanted)),
        Some(b'"') => raw::text(value).is_some_and(|text| text == wanted),
        _ => value == wanted.as_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_those_of_this_end() {
        let local: SocketAddr = "127.0.0.1:8312".parse().unwrap();
        let hosts = ["gate.internal:8312".to_owned()];
        for host in [
            "127.0.0.1:8312",
            "localhost:8312",
            "LOCALHOST:8312",
            "gate.internal:8312",
        ] {
            assert!(knows_host(host, local, &hosts), "{host}");
        }
        for host in [
            "",
            "evil.example:8312",
            "localhost",
            "localhost:1",
            "127.0.0.2:8312",
            "x@localhost:8312",
            "localhost:8312/",
            "localhost.:8312",
        ] {
            assert!(!knows_host(host, local, &hosts), "{host}");
        }
        assert!(knows_host("[::1]:8312", "[::1]:8312".parse().unwrap(), &[]));
        assert!(knows_host(
            "10.1.2.3:8312",
            "[::ffff:10.1.2.3]:8312".parse().unwrap(),
            &[]
        ));
    }

    #[test]
    fn parameters_in_headers_are_among_the_arguments() {
        let arguments = br#"{"region":"eu","n":3,"deep":[{"flag":true}],"name":"l\u00f6"}"#;
        for value in ["eu", "3", "true", "lö"] {
            assert!(has_scalar(arguments, value), "{value}");
        }
        for value in ["us", "4", "region", "\"eu\"", ""] {
            assert!(!has_scalar(arguments, value), "{value}");
        }
        assert_eq!(decoded("=?base64?bMO2?=").as_deref(), Some("lö"));
        assert_eq!(decoded("=?base64?!?="), None);
    }
}
