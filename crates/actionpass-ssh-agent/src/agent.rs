//! [`Agent`]: the two messages of the agent protocol that are needed (draft-ietf-sshm-ssh-agent §3.5 and §3.6), with an
//! end to every wait.

use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use actionpass_custody::Unanswered;
use ssh_encoding::{Decode, Encode, Reader};

#[cfg(unix)]
use std::os::unix::net::UnixStream;

/// A connection to an agent.
#[derive(Debug)]
pub(crate) struct Agent {
    #[cfg(unix)]
    stream: UnixStream,
}

/// A key as the agent lists it: the encoded public key, and the comment.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) blob: Vec<u8>,
    pub(crate) comment: String,
}

/// Why an agent did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    #[error("the agent can not be reached")]
    Connection(#[source] io::Error),
    #[error("the agent does not answer as the protocol says")]
    Malformed,
    #[error("the agent refuses: the key is gone, it is locked, or somebody said no")]
    Refused,
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
}

const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// The longest message that OpenSSH's agent reads or writes.
const MAX_MESSAGE_BYTES: usize = 256 * 1024;

impl Agent {
    /// The keys that the agent has; none while it is locked.
    pub(crate) fn list(&mut self, limit: Duration) -> Result<Vec<Listed>, AgentError> {
        let answer = self.ask(&[REQUEST_IDENTITIES], limit)?;
        identities(&answer).ok_or(AgentError::Malformed)
    }

    /// The agent's signature over these bytes, encoded: it hashes them itself, and may ask a person first.
    pub(crate) fn sign(&mut self, blob: &[u8], bytes: &[u8], limit: Duration) -> Result<Vec<u8>, AgentError> {
        let answer = self.ask(&sign_request(blob, bytes).ok_or(AgentError::Malformed)?, limit)?;
        match answer.as_slice() {
            [FAILURE, ..] => Err(AgentError::Refused),
            [SIGN_RESPONSE, signature @ ..] => whole(signature).ok_or(AgentError::Malformed),
            _ => Err(AgentError::Malformed),
        }
    }

    /// Sends a message and reads the answer, both within this time.
    fn ask(&mut self, message: &[u8], limit: Duration) -> Result<Vec<u8>, AgentError> {
        self.exchange(message, limit).map_err(AgentError::Connection)
    }

    fn exchange(&mut self, message: &[u8], limit: Duration) -> io::Result<Vec<u8>> {
        let start = Instant::now();
        let length = u32::try_from(message.len()).map_err(io::Error::other)?;
        let framed = [&length.to_be_bytes(), message].concat();
        self.stream.set_write_timeout(Some(left(start, limit)?))?;
        self.stream.write_all(&framed)?;
        let mut length = [0; 4];
        self.read(&mut length, start, limit)?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > MAX_MESSAGE_BYTES {
            return Err(io::Error::new(ErrorKind::InvalidData, "its answer is too long"));
        }
        let mut answer = vec![0; length];
        self.read(&mut answer, start, limit)?;
        Ok(answer)
    }

    /// Fills the buffer. The time-out of a socket is for one read, so each gets what is left.
    fn read(&mut self, mut buffer: &mut [u8], start: Instant, limit: Duration) -> io::Result<()> {
        while !buffer.is_empty() {
            self.stream.set_read_timeout(Some(left(start, limit)?))?;
            let count = match self.stream.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => 0,
                Err(error) => return Err(error),
            };
            buffer = buffer.get_mut(count..).unwrap_or_default();
        }
        Ok(())
    }
}

#[cfg(unix)]
impl Agent {
    /// Connects to the agent behind this socket. That may hang, if rarely.
    pub(crate) fn connect(socket: &Path) -> Result<Self, AgentError> {
        let stream = UnixStream::connect(socket).map_err(AgentError::Connection)?;
        Ok(Self { stream })
    }
}

/// What is left of the time; zero would mean no limit.
fn left(start: Instant, limit: Duration) -> io::Result<Duration> {
    let left = limit.saturating_sub(start.elapsed());
    if left.is_zero() {
        Err(ErrorKind::TimedOut.into())
    } else {
        Ok(left)
    }
}

fn sign_request(blob: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    let mut message = vec![SIGN_REQUEST];
    blob.encode(&mut message).ok()?;
    bytes.encode(&mut message).ok()?;
    // No flags: they choose the hash of RSA keys.
    0_u32.encode(&mut message).ok()?;
    (message.len() <= MAX_MESSAGE_BYTES).then_some(message)
}

fn identities(answer: &[u8]) -> Option<Vec<Listed>> {
    let [IDENTITIES_ANSWER, rest @ ..] = answer else {
        return None;
    };
    let mut rest = rest;
    let count = u32::decode(&mut rest).ok()?;
    let mut listed = Vec::new();
    for _ in 0..count {
        let blob = Vec::decode(&mut rest).ok()?;
        // A comment is for people; one that is not UTF-8 names no key.
        let comment = String::from_utf8(Vec::decode(&mut rest).ok()?).unwrap_or_default();
        listed.push(Listed { blob, comment });
    }
    rest.is_empty().then_some(listed)
}

/// The contents of one string, and nothing behind it.
fn whole(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let contents = Vec::decode(&mut bytes).ok()?;
    bytes.finish(contents).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_to_the_byte() {
        let good = [&[12, 0, 0, 0, 1][..], &[0, 0, 0, 1, 9], &[0, 0, 0, 2, b'm', b'e']].concat();
        let listed = identities(&good).unwrap();
        assert_eq!(
            (listed[0].blob.as_slice(), listed[0].comment.as_str()),
            (&[9][..], "me")
        );
        assert!(identities(&[12, 0, 0, 0, 0]).unwrap().is_empty());
        for end in 0..good.len() {
            assert!(identities(&good[..end]).is_none(), "{end}");
        }
        assert!(identities(&[&good[..], &[0]].concat()).is_none());
        assert!(identities(&[5]).is_none());
        // So many keys are not in so few bytes.
        assert!(identities(&[12, 0xFF, 0xFF, 0xFF, 0xFF]).is_none());
        assert_eq!(whole(&[0, 0, 0, 1, 7]), Some(vec![7]));
        for bad in [
            &[][..],
            &[0, 0, 0, 1],
            &[0, 0, 0, 1, 7, 7],
            &[0xFF, 0xFF, 0xFF, 0xFF, 7],
        ] {
            assert_eq!(whole(bad), None);
        }
        assert_eq!(
            sign_request(&[1], &[2, 3]).unwrap(),
            [13, 0, 0, 0, 1, 1, 0, 0, 0, 2, 2, 3, 0, 0, 0, 0]
        );
        assert_eq!(sign_request(&[1], &vec![0; MAX_MESSAGE_BYTES]), None);
    }
}
