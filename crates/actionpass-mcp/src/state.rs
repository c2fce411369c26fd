//! `requestState`: what the proxy gives a client that opens the approval page, and takes back with the same call only.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actionpass_canon::sha256_parts;
use actionpass_model::Digest;
use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What our states begin with. A state of a server that begins so is taken for a forged one.
const PREFIX: &str = "actionpass.1.";

/// How long a state is taken back.
const LIFETIME: Duration = Duration::from_secs(60 * 60);

/// The key of a session's states: of this process, never written.
pub(crate) struct StateKey([u8; 32]);

impl std::fmt::Debug for StateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateKey").finish_non_exhaustive()
    }
}

/// What a call is, for its state: nothing of it may change.
pub(crate) fn call_digest(session: &str, method: &str, name: &str, payload: &[u8]) -> Digest {
    let length = |text: &str| (text.len() as u64).to_be_bytes();
    sha256_parts(&[
        &length(session),
        session.as_bytes(),
        &length(method),
        method.as_bytes(),
        &length(name),
        name.as_bytes(),
        payload,
    ])
}

impl StateKey {
    pub(crate) const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// Whether it looks like one of ours.
    pub(crate) fn is_ours(state: &str) -> bool {
        state.starts_with(PREFIX)
    }

    /// A state for this call.
    pub(crate) fn give(&self, call: &Digest) -> String {
        let until = now().saturating_add(LIFETIME.as_secs());
        let tag = self.tag(call, until).map(|mac| mac.finalize().into_bytes().to_vec());
        format!(
            "{PREFIX}{until}.{}",
            Base64UrlUnpadded::encode_string(&tag.unwrap_or_default())
        )
    }

    /// Whether it is one that was given for this call, in time.
    pub(crate) fn takes(&self, state: &str, call: &Digest) -> bool {
        self.takes_at(state, call, now())
    }

    fn takes_at(&self, state: &str, call: &Digest, now: u64) -> bool {
        let Some((until, tag)) = state.strip_prefix(PREFIX).and_then(|rest| rest.split_once('.')) else {
            return false;
        };
        let (Ok(until), Ok(tag)) = (until.parse::<u64>(), Base64UrlUnpadded::decode_vec(tag)) else {
            return false;
        };
        let is_genuine = self.tag(call, until).is_some_and(|mac| mac.verify_slice(&tag).is_ok());
        is_genuine && now < until
    }

    fn tag(&self, call: &Digest, until: u64) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(call.to_string().as_bytes());
        mac.update(&until.to_be_bytes());
        Some(mac)
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(u64::MAX, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_taken_back_for_its_call_and_in_time() {
        let key = StateKey::new([7; 32]);
        let call = call_digest("s", "tools/call", "refund", b"{}");
        let state = key.give(&call);
        assert!(StateKey::is_ours(&state) && key.takes(&state, &call));
        assert!(!key.takes(&state, &call_digest("s", "tools/call", "refund", b"{\"a\":1}")));
        assert!(!key.takes(&state, &call_digest("t", "tools/call", "refund", b"{}")));
        assert!(!key.takes_at(&state, &call, now() + LIFETIME.as_secs() + 1));
        assert!(!StateKey::new([8; 32]).takes(&state, &call));
        for forged in [
            "actionpass.1.",
            "actionpass.1.99999999999999.",
            "actionpass.1.x.y",
            "other",
        ] {
            assert!(!key.takes(forged, &call), "{forged}");
        }
    }
}
