//! `ssh-agent:` URIs: which key, and of which agent.

use std::path::PathBuf;

use actionpass_custody::{CustodianError, KeyUri, KeyUriError};
use ssh_key::Fingerprint;

use crate::SSH_AGENT;

/// What a URI says.
#[derive(Clone, Debug)]
pub(crate) struct AgentUri {
    pub(crate) name: Name,
    pub(crate) socket: Option<PathBuf>,
}

/// What names a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Name {
    /// `SHA256:` and unpadded base64, as `ssh-add -l` prints it.
    Fingerprint(Fingerprint),
    Comment(String),
}

impl AgentUri {
    /// Reads `ssh-agent:NAME` and `ssh-agent:NAME?socket=PATH`; nothing in it is encoded. An error shows no attribute.
    pub(crate) fn parse(uri: &KeyUri) -> Result<Self, CustodianError> {
        let (name, attributes) = uri.split_query();
        let malformed = |problem| CustodianError::UriMalformed {
            uri: format!("{SSH_AGENT}:{name}").into(),
            source: KeyUriError::new(problem),
        };
        let name = if name.starts_with("SHA256:") {
            let fingerprint: Fingerprint = name
                .parse()
                .map_err(|_| malformed("the fingerprint is not one that `ssh-add -l` prints"))?;
            // There is one spelling of each.
            if fingerprint.to_string() != name {
                return Err(malformed("the fingerprint is not one that `ssh-add -l` prints"));
            }
            Name::Fingerprint(fingerprint)
        } else if name.is_empty() {
            return Err(malformed("it names no key"));
        } else {
            Name::Comment(name.to_owned())
        };
        let socket = match attributes.as_slice() {
            [] => None,
            [("socket", path)] if !path.is_empty() => Some(PathBuf::from(*path)),
            _ => return Err(malformed("it has an attribute other than one `socket=PATH`")),
        };
        Ok(Self { name, socket })
    }

    /// The URI of one key of the same agent.
    pub(crate) fn exact(&self, fingerprint: &Fingerprint) -> KeyUri {
        let socket = self.socket.as_ref().map(|path| format!("?socket={}", path.display()));
        KeyUri::new(SSH_AGENT, &format!("{fingerprint}{}", socket.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINGERPRINT: &str = "SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDHNmAB0RoCpCTBMpA";

    fn parse(rest: &str) -> Result<AgentUri, CustodianError> {
        AgentUri::parse(&KeyUri::parse(&format!("ssh-agent:{rest}")).unwrap())
    }

    #[test]
    fn keys_are_named_by_fingerprint_or_comment() {
        let uri = parse(&format!("{FINGERPRINT}?socket=/run/a gent")).unwrap();
        let Name::Fingerprint(fingerprint) = &uri.name else {
            panic!("{uri:?}");
        };
        assert_eq!(uri.socket, Some("/run/a gent".into()));
        let exact = uri.exact(fingerprint);
        assert_eq!(exact.as_str(), format!("ssh-agent:{FINGERPRINT}?socket=/run/a gent"));
        assert_eq!(AgentUri::parse(&exact).unwrap().name, uri.name);
        let comment = parse("maria@laptop").unwrap();
        assert_eq!(
            (comment.name, comment.socket),
            (Name::Comment("maria@laptop".into()), None)
        );
    }

    #[test]
    fn what_is_not_exact_is_refused() {
        let padded = format!("{FINGERPRINT}=");
        let short = FINGERPRINT.get(..49).unwrap();
        // The last character's low bits are stray.
        let stray = FINGERPRINT.replace("MpA", "MpB");
        for bad in [
            padded.as_str(),
            short,
            &stray,
            "SHA256:",
            "?socket=/run/agent",
            "maria?socket=",
            "maria?socket",
            "maria?passphrase=hunter2",
            "maria?socket=/a&socket=/a",
            "maria?socket=/a&x=1",
        ] {
            let error = parse(bad).unwrap_err();
            assert_eq!(error.code(), "key_uri_malformed", "{bad}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
}
