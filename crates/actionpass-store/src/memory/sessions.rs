//! [`MemorySessions`]: the sessions of one process.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use actionpass_model::{ApprovalId, Digest, KeyId, RequestId, Timestamp};

use crate::sessions::{
    KeptBallot, MAX_BALLOTS, MAX_SESSIONS, MAX_SESSIONS_IN_ALL, MAX_SIGN_INS, Opened, SessionStore, SignIn,
};
use crate::{StoreError, StoreFuture};

/// The sessions of a page that one process serves. They end with it, and everybody signs in again.
#[derive(Default)]
pub struct MemorySessions(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    secret: Option<[u8; 32]>,
    /// The challenges that signed somebody in: with which passkey, and until when they hold.
    used: HashMap<Digest, (KeyId, Timestamp)>,
    sessions: HashMap<Digest, Session>,
}

struct Session {
    kid: KeyId,
    until: Timestamp,
    ballots: VecDeque<KeptBallot>,
}

/// Nothing of the secret.
impl fmt::Debug for MemorySessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySessions").finish_non_exhaustive()
    }
}

impl MemorySessions {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Each change is whole before anything could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn open(&mut self, sign_in: SignIn, now: Timestamp) -> Opened {
        self.used.retain(|_, (_, until)| now < *until);
        if self.used.contains_key(&sign_in.challenge) {
            return Opened::Used;
        }
        if self.used.values().filter(|(kid, _)| *kid == sign_in.kid).count() >= MAX_SIGN_INS {
            return Opened::TooMany;
        }
        let used = (sign_in.kid.clone(), sign_in.challenge_until);
        self.used.insert(sign_in.challenge, used);
        self.sessions.retain(|_, session| now < session.until);
        self.shrink(MAX_SESSIONS, |session| session.kid == sign_in.kid);
        self.shrink(MAX_SESSIONS_IN_ALL, |_| true);
        let session = Session {
            kid: sign_in.kid,
            until: sign_in.until,
            ballots: VecDeque::new(),
        };
        self.sessions.insert(sign_in.session, session);
        Opened::Opened
    }

    /// Ends the oldest of some sessions until there is room for one more.
    fn shrink(&mut self, most: usize, of: impl Fn(&Session) -> bool) {
        while self.sessions.len() >= most && self.sessions.values().filter(|session| of(session)).count() >= most {
            let some = self.sessions.iter().filter(|(_, session)| of(session));
            let oldest = some.min_by_key(|(_, session)| session.until).map(|(name, _)| *name);
            let Some(oldest) = oldest else { return };
            self.sessions.remove(&oldest);
        }
    }

    fn keep(&mut self, session: &Digest, ballot: KeptBallot, now: Timestamp) {
        if let Some(session) = self.sessions.get_mut(session).filter(|session| now < session.until) {
            if session.ballots.len() >= MAX_BALLOTS {
                session.ballots.pop_front();
            }
            session.ballots.push_back(ballot);
        }
    }

    fn take(&mut self, session: &Digest, id: &ApprovalId, request: &RequestId, now: Timestamp) -> Option<String> {
        let ballots = &mut self.sessions.get_mut(session)?.ballots;
        let place = ballots
            .iter()
            .position(|ballot| ballot.id == *id && ballot.request == *request)?;
        let taken = ballots.remove(place).filter(|ballot| now < ballot.until)?;
        Some(taken.input)
    }
}

fn ready<T: Send + 'static>(value: T) -> StoreFuture<'static, T> {
    Box::pin(std::future::ready(Ok::<_, StoreError>(value)))
}

impl SessionStore for MemorySessions {
    fn secret(&self, made: [u8; 32]) -> StoreFuture<'_, [u8; 32]> {
        ready(*self.kept().secret.get_or_insert(made))
    }

    fn open(&self, sign_in: SignIn, now: Timestamp) -> StoreFuture<'_, Opened> {
        ready(self.kept().open(sign_in, now))
    }

    fn owner(&self, session: Digest, now: Timestamp) -> StoreFuture<'_, Option<KeyId>> {
        let kept = self.kept();
        let open = kept.sessions.get(&session).filter(|session| now < session.until);
        ready(open.map(|session| session.kid.clone()))
    }

    fn close(&self, session: Digest) -> StoreFuture<'_, ()> {
        self.kept().sessions.remove(&session);
        ready(())
    }

    fn keep_ballot(&self, session: Digest, ballot: KeptBallot, now: Timestamp) -> StoreFuture<'_, ()> {
        self.kept().keep(&session, ballot, now);
        ready(())
    }

    fn take_ballot(
        &self,
        session: Digest,
        id: ApprovalId,
        request: RequestId,
        now: Timestamp,
    ) -> StoreFuture<'_, Option<String>> {
        ready(self.kept().take(&session, &id, &request, now))
    }
}

#[cfg(test)]
mod tests {
    use actionpass_canon::sha256;
    use actionpass_model::UnixSeconds;

    use super::*;

    #[test]
    fn the_oldest_session_of_all_makes_room() {
        let at = |seconds: u64| UnixSeconds::new(1_795_000_000 + seconds).unwrap().to_timestamp();
        let name = |number: usize| sha256(&number.to_be_bytes());
        let passkey = |number: usize| KeyId::parse(&format!("{number:042}A")).unwrap();
        let mut kept = Kept::default();
        for number in 0..MAX_SESSIONS_IN_ALL {
            let session = Session {
                kid: passkey(number),
                until: at(1000 + number as u64),
                ballots: VecDeque::new(),
            };
            kept.sessions.insert(name(number), session);
        }
        let next = SignIn {
            challenge: name(0),
            challenge_until: at(300),
            kid: passkey(MAX_SESSIONS_IN_ALL),
            session: name(MAX_SESSIONS_IN_ALL),
            until: at(28_800),
        };
        assert_eq!(kept.open(next, at(0)), Opened::Opened);
        assert_eq!(kept.sessions.len(), MAX_SESSIONS_IN_ALL);
        assert!(!kept.sessions.contains_key(&name(0)));
        assert!(kept.sessions.contains_key(&name(1)));
    }
}
