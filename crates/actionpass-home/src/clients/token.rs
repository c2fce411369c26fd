//! [`ClientToken`]: what proves a client.

use std::fmt;

use actionpass_core::verify::canon::sha256;
use actionpass_model::Digest;
use base64ct::{Base64UrlUnpadded, Encoding as _};

/// What a token begins with, so that people and scanners of secrets know one.
const PREFIX: &str = "apc_";
/// How many bytes of a token are random.
const RANDOM: usize = 32;
/// How many bytes of the SHA-256 of the random ones follow them.
const CHECKSUM: usize = 4;

/// The token of a client: `apc_` and 48 characters of base64url, which are 32 random bytes and the first four of their
/// SHA-256. The checksum tells a typo, or a chance match of a scanner, from a token; it proves nothing.
#[derive(Clone, Eq, PartialEq)]
pub struct ClientToken(Box<str>);

impl ClientToken {
    /// The token of these random bytes.
    #[must_use]
    pub fn from_random(random: &[u8; RANDOM]) -> Self {
        let digest = sha256(random);
        let checksum = digest.as_bytes().iter().take(CHECKSUM);
        let bytes: Vec<u8> = random.iter().chain(checksum).copied().collect();
        Self(format!("{PREFIX}{}", Base64UrlUnpadded::encode_string(&bytes)).into())
    }

    /// Reads what somebody presents; `None` unless it is a token to the letter, checksum included.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = Base64UrlUnpadded::decode_vec(text.strip_prefix(PREFIX)?).ok()?;
        let (random, checksum) = bytes.split_first_chunk::<RANDOM>()?;
        let digest = sha256(random);
        (digest.as_bytes().get(..CHECKSUM) == Some(checksum)).then(|| Self(text.into()))
    }

    /// The text, which whoever adds the client sees once.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }

    /// What `clients.toml` keeps of it: the SHA-256 of its text.
    #[must_use]
    pub fn sha256(&self) -> Digest {
        sha256(self.0.as_bytes())
    }
}

/// A secret is no text for a log.
impl fmt::Debug for ClientToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientToken")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_to_the_letter() {
        let token = ClientToken::from_random(&[7; 32]);
        let text = token.as_str();
        assert_eq!(text, "apc_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwdLsG-O");
        assert_eq!(ClientToken::parse(text), Some(token.clone()));
        assert_eq!(format!("{token:?}"), "ClientToken");
        for bad in [
            String::new(),
            "apc_".to_owned(),
            text.to_uppercase(),
            text.replacen("apc_", "APC_", 1),
            text.replacen("apc_", "", 1),
            format!(" {text}"),
            format!("{text} "),
            format!("{text}="),
            format!("{text}AAAA"),
            text[..text.len() - 4].to_owned(),
            format!("{}/{}", &text[..10], &text[11..]),
        ] {
            assert_eq!(ClientToken::parse(&bad), None, "{bad}");
        }
    }

    #[test]
    fn every_other_character_is_noticed() {
        let token = ClientToken::from_random(&[0; 32]);
        for place in 4..token.as_str().len() {
            let mut text = token.as_str().to_owned();
            let other = if text.as_bytes()[place] == b'A' { "B" } else { "A" };
            text.replace_range(place..=place, other);
            assert_eq!(ClientToken::parse(&text), None, "{text}");
        }
    }
}
