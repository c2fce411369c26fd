//! The flattened JSON serialization of JWS (RFC 7515 §7.2.2), for systems that take no compact tokens.
//!
//! jose-jws serves as a container here. It writes headers that we never emit (`b64` is always there) and reads ones
//! that we refuse, so the received header text is carried through as it is, and verifying is done on the compact form.

use std::str::FromStr;

use jose_jws::Flattened;
use serde_json::{Map, Value};

use crate::{JwsError, base64url};

const NOT_FLATTENED: JwsError = JwsError::TokenMalformed {
    problem: "it is not a flattened JWS of `payload`, `protected` and `signature`",
};

/// A compact token as a flattened JWS, unverified.
///
/// # Errors
/// [`JwsError::TokenMalformed`].
pub fn to_flattened(token: &str) -> Result<Flattened, JwsError> {
    Flattened::from_str(token).map_err(|_| JwsError::TokenMalformed {
        problem: "jose-jws does not read it",
    })
}

/// A flattened JWS as a compact token, unverified. What is protected stays as it was received, byte for byte.
///
/// # Errors
/// [`JwsError::HeaderNotAllowed`] if it has an unprotected header or no protected one.
pub fn to_compact(jws: &Flattened) -> Result<String, JwsError> {
    if jws.signature.header.is_some() {
        return Err(JwsError::HeaderNotAllowed {
            problem: "an unprotected header is never read",
        });
    }
    let protected = jws.signature.protected.as_ref().ok_or(JwsError::HeaderNotAllowed {
        problem: "there is no protected header",
    })?;
    let payload = jws.payload.as_ref().map_or(&[][..], |payload| payload.as_ref());
    let mut token = String::new();
    base64url::encode_into(protected.as_ref(), &mut token);
    token.push('.');
    base64url::encode_into(payload, &mut token);
    token.push('.');
    base64url::encode_into(jws.signature.signature.as_ref(), &mut token);
    Ok(token)
}

/// A compact token as the text of a flattened JWS: `payload`, `protected` and `signature`, nothing else.
///
/// # Errors
/// [`JwsError::TokenMalformed`].
pub fn to_json(token: &str) -> Result<String, JwsError> {
    let flattened = serde_json::to_value(to_flattened(token)?).map_err(|_| NOT_FLATTENED)?;
    let Value::Object(members) = flattened else {
        return Err(NOT_FLATTENED);
    };
    // jose-jws writes an absent unprotected header and an empty payload as `null`.
    let members: Map<_, _> = members
        .into_iter()
        .filter_map(|(name, value)| match (name.as_str(), value) {
            ("payload", Value::Null) => Some((name, Value::String(String::new()))),
            (_, Value::Null) => None,
            (_, value) => Some((name, value)),
        })
        .collect();
    Ok(Value::Object(members).to_string())
}

/// The text of a flattened JWS as a compact token, unverified.
///
/// # Errors
/// [`JwsError::TokenMalformed`] unless it has exactly `payload`, `protected` and `signature`.
pub fn from_json(json: &str) -> Result<String, JwsError> {
    let members: Map<String, Value> = serde_json::from_str(json).map_err(|_| NOT_FLATTENED)?;
    if members.len() != 3
        || !["payload", "protected", "signature"]
            .iter()
            .all(|name| members.contains_key(*name))
    {
        return Err(NOT_FLATTENED);
    }
    let flattened = serde_json::from_value(Value::Object(members)).map_err(|_| NOT_FLATTENED)?;
    to_compact(&flattened)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{note, sign};
    use crate::{JwsCode, SoftwareKey};

    fn token() -> String {
        sign(&SoftwareKey::generate().unwrap(), &note()).into_string()
    }

    #[test]
    fn json_and_back_is_the_same_token() {
        let token = token();
        let json = to_json(&token).unwrap();
        let [header, payload, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
        let expected = serde_json::json!({ "payload": payload, "protected": header, "signature": signature });
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), expected);
        assert_eq!(from_json(&json).unwrap(), token);
    }

    #[test]
    fn what_a_compact_token_can_not_say_is_refused() {
        let json = to_json(&token()).unwrap();
        for bad in [
            json.replacen('{', r#"{"header":{"kid":"x"},"#, 1),
            json.replacen('{', r#"{"signatures":[],"#, 1),
            json.replace("protected", "header"),
            json.replacen("\":\"", "\":\"=", 1),
            "[]".to_owned(),
            String::new(),
        ] {
            assert_eq!(from_json(&bad).unwrap_err().code(), JwsCode::TokenMalformed, "{bad}");
        }
    }
}
