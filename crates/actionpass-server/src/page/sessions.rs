//! [`Sessions`]: who is signed in, what is about to be signed, and the challenges of those who sign in.
//!
//! All of it is kept in memory and ends with the process. Cookies are kept as hashes, so that what is read out of memory
//! signs nobody in.
//!
//! A challenge isn't kept: it follows from its cookie and a secret of the process. Anybody may ask for one, so that kept ones would
//! either grow without end or be pushed out by others'. Only those that signed somebody in are remembered, for as long as they hold.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actionpass_canon::sha256;
use actionpass_crypto::webauthn::{AssertionInput, LoginChallenge};
use actionpass_model::{
    ApprovalId, Approver, CredentialId, Digest, KeyId, KeyUse, RequestId, Role, Tenants, Timestamp, WebOrigin,
};
use axum::http::{HeaderMap, header};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::question::base64url;
use super::{SharedHost, random};
use crate::ServerCode;
use crate::problem::Refused;

/// How long a challenge of a sign-in holds, and a vote that is about to be signed.
const CHALLENGE_HOLDS: Duration = Duration::from_secs(5 * 60);
/// How long a session holds.
pub(super) const SESSION_HOLDS: Duration = Duration::from_secs(8 * 60 * 60);
/// How often one passkey signs in while a challenge holds: its used challenges are remembered so long.
pub(super) const MAX_SIGN_INS: usize = 64;
/// How many sessions one passkey has: with one more, the oldest is gone.
const MAX_SESSIONS: usize = 8;
/// How many votes one session is about to sign: with one more, the oldest is gone.
const MAX_BALLOTS: usize = 8;

/// What the page remembers.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// What challenges follow from, from the first on.
    secret: Option<Zeroizing<[u8; 32]>>,
    /// The cookies of challenges that signed somebody in.
    used: HashMap<Digest, Used>,
    sessions: HashMap<Digest, Session>,
}

/// Nothing of the secret.
impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

/// A challenge that signed somebody in.
struct Used {
    kid: KeyId,
    until: Timestamp,
}

/// The challenge that a browser was given, by its cookie.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) challenge: LoginChallenge,
    cookie: Digest,
    until: Timestamp,
}

#[derive(Debug)]
struct Session {
    kid: KeyId,
    until: Timestamp,
    ballots: VecDeque<Ballot>,
}

/// A vote that is about to be signed: what the passkey signs, kept until its assertion comes.
#[derive(Debug)]
pub(super) struct Ballot {
    pub(super) id: ApprovalId,
    pub(super) request: RequestId,
    pub(super) input: AssertionInput,
    pub(super) until: Timestamp,
}

/// A person who is signed in, as the trust store has them at this moment.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    /// The session, by the hash of its cookie.
    session: Digest,
    pub(crate) principal: Approver,
    pub(crate) kid: KeyId,
    pub(crate) credential: CredentialId,
    pub(crate) roles: Vec<Role>,
    pub(crate) tenants: Tenants,
}

/// Which cookie it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Cookie {
    /// Of whoever is signed in.
    Session,
    /// Of whoever is about to sign in.
    SignIn,
}

impl Cookie {
    /// A browser takes a `__Host-` cookie from this host alone, by TLS alone; a page on `http://localhost` can't have one.
    const fn name(self, is_secure: bool) -> &'static str {
        match (self, is_secure) {
            (Self::Session, true) => "__Host-actionpass-session",
            (Self::Session, false) => "actionpass-session",
            (Self::SignIn, true) => "__Host-actionpass-sign-in",
            (Self::SignIn, false) => "actionpass-sign-in",
        }
    }

    /// `SameSite=Strict` would break a session for whoever comes by a link from a chat; nobody begins to sign in elsewhere.
    fn set(self, origin: &WebOrigin, value: &str, holds: Duration) -> String {
        let is_secure = is_secure(origin);
        let (name, age) = (self.name(is_secure), holds.as_secs());
        let same_site = match self {
            Self::Session => "Lax",
            Self::SignIn => "Strict",
        };
        let secure = if is_secure { "; Secure" } else { "" };
        format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite={same_site}{secure}")
    }

    /// The hash of the one cookie of this name.
    fn read(self, origin: &WebOrigin, headers: &HeaderMap) -> Option<Digest> {
        self.value(origin, headers).map(|value| sha256(value.as_bytes()))
    }

    /// The one cookie of this name. Of two, somebody else may have set one: then there is none.
    fn value<'a>(self, origin: &WebOrigin, headers: &'a HeaderMap) -> Option<&'a str> {
        let name = self.name(is_secure(origin));
        let lines = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok());
        let mut values = lines
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| value);
        let value = values.next()?;
        values.next().is_none().then_some(value)
    }
}

/// What follows from a cookie and the secret; nobody who lacks the secret knows it.
fn challenge(secret: &[u8; 32], cookie: &[u8]) -> Option<LoginChallenge> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    mac.update(cookie);
    Some(LoginChallenge::from_random(&mac.finalize().into_bytes().into()))
}

fn is_secure(origin: &WebOrigin) -> bool {
    origin.as_str().starts_with("https://")
}

impl Sessions {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a sign-in: its challenge, and the cookie that it is bound to.
    pub(super) fn begin(&self, host: &SharedHost, now: Timestamp) -> Result<(LoginChallenge, String), Refused> {
        let until = now.saturating_add(CHALLENGE_HOLDS);
        let value = [until.unix_millis().to_be_bytes().as_slice(), &random::<32>()?].concat();
        let mut kept = self.kept();
        let secret = match &mut kept.secret {
            Some(secret) => secret,
            secret @ None => secret.insert(Zeroizing::new(random()?)),
        };
        let challenge = challenge(secret, &value).ok_or(ServerCode::ServiceFailed)?;
        drop(kept);
        let set = Cookie::SignIn.set(&host.front.origin, &base64url(&value), CHALLENGE_HOLDS);
        Ok((challenge, set))
    }

    /// The challenge that this browser was given, if it holds. Whoever makes a cookie up has a challenge that nobody was told.
    pub(super) fn started(&self, host: &SharedHost, headers: &HeaderMap, now: Timestamp) -> Option<Started> {
        let value = Cookie::SignIn.value(&host.front.origin, headers)?;
        let value = Base64UrlUnpadded::decode_vec(value)
            .ok()
            .filter(|value| value.len() == 40)?;
        let until = value.first_chunk().copied().map(u64::from_be_bytes)?;
        let until = Timestamp::from_unix_millis(until)?;
        let kept = self.kept();
        let cookie = sha256(&value);
        if now >= until || kept.used.contains_key(&cookie) {
            return None;
        }
        let challenge = challenge(kept.secret.as_ref()?, &value)?;
        Some(Started {
            challenge,
            cookie,
            until,
        })
    }

    /// Signs the owner of a passkey in: the cookies to set. The session's is always a new one, and the challenge serves once.
    pub(super) fn open(
        &self,
        host: &SharedHost,
        started: Started,
        kid: KeyId,
        now: Timestamp,
    ) -> Result<[String; 2], Refused> {
        let value = base64url(&random::<32>()?);
        let mut kept = self.kept();
        kept.used.retain(|_, used| now < used.until);
        if kept.used.contains_key(&started.cookie) {
            return Err(ServerCode::SignInRefused.into());
        }
        if kept.used.values().filter(|used| used.kid == kid).count() >= MAX_SIGN_INS {
            return Err(ServerCode::Overloaded.into());
        }
        let used = Used {
            kid: kid.clone(),
            until: started.until,
        };
        kept.used.insert(started.cookie, used);
        kept.sessions.retain(|_, session| now < session.until);
        while kept.sessions.values().filter(|session| session.kid == kid).count() >= MAX_SESSIONS {
            let own = kept.sessions.iter().filter(|(_, session)| session.kid == kid);
            let oldest = own.min_by_key(|(_, session)| session.until).map(|(cookie, _)| *cookie);
            let Some(oldest) = oldest else { break };
            kept.sessions.remove(&oldest);
        }
        let session = Session {
            kid,
            until: now.saturating_add(SESSION_HOLDS),
            ballots: VecDeque::new(),
        };
        kept.sessions.insert(sha256(value.as_bytes()), session);
        drop(kept);
        Ok([
            Cookie::Session.set(&host.front.origin, &value, SESSION_HOLDS),
            Cookie::SignIn.set(&host.front.origin, "", Duration::ZERO),
        ])
    }

    /// Ends the session of this browser: the cookie to set.
    pub(super) fn close(&self, host: &SharedHost, headers: &HeaderMap) -> String {
        if let Some(cookie) = Cookie::Session.read(&host.front.origin, headers) {
            self.kept().sessions.remove(&cookie);
        }
        Cookie::Session.set(&host.front.origin, "", Duration::ZERO)
    }

    /// Who is signed in on this browser, by the trust in force now: a passkey that was revoked, or whose time or owner is
    /// over, is out at once.
    pub(super) async fn person(
        &self,
        host: &SharedHost,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Option<Person>, Refused> {
        let Some(session) = Cookie::Session.read(&host.front.origin, headers) else {
            return Ok(None);
        };
        self.of_session(host, session, now).await
    }

    /// The same person a while later.
    pub(super) async fn again(
        &self,
        host: &SharedHost,
        person: &Person,
        now: Timestamp,
    ) -> Result<Option<Person>, Refused> {
        self.of_session(host, person.session, now).await
    }

    async fn of_session(&self, host: &SharedHost, session: Digest, now: Timestamp) -> Result<Option<Person>, Refused> {
        let kid = {
            let kept = self.kept();
            let open = kept.sessions.get(&session).filter(|open| now < open.until);
            open.map(|open| open.kid.clone())
        };
        let Some(kid) = kid else { return Ok(None) };
        let trust = host.source.trust().await?;
        let entry = trust.keyring().get(&kid).filter(|entry| !entry.is_revoked());
        let Some(key) = entry.map(|entry| entry.trust()) else {
            return Ok(None);
        };
        let (Some(principal), Some(passkey)) = (&key.principal, &key.webauthn) else {
            return Ok(None);
        };
        let holds = key.key_use == KeyUse::Approval
            && key.signs_at(now)
            && !trust.is_expired(now.to_unix_seconds())
            && !trust.is_principal_revoked(principal.as_str());
        Ok(holds.then(|| Person {
            session,
            principal: principal.clone(),
            credential: passkey.credential_id().clone(),
            roles: key.roles.clone(),
            tenants: key.tenants.clone(),
            kid,
        }))
    }

    /// Keeps a vote that this person is about to sign.
    pub(super) fn keep_ballot(
        &self,
        person: &Person,
        id: ApprovalId,
        request: RequestId,
        input: AssertionInput,
        now: Timestamp,
    ) {
        if let Some(session) = self.kept().sessions.get_mut(&person.session) {
            if session.ballots.len() >= MAX_BALLOTS {
                session.ballots.pop_front();
            }
            session.ballots.push_back(Ballot {
                id,
                request,
                input,
                until: now.saturating_add(CHALLENGE_HOLDS),
            });
        }
    }

    /// The vote that this person was about to sign on this request. It is gone with this, whatever comes of it.
    pub(super) fn take_ballot(
        &self,
        person: &Person,
        id: &ApprovalId,
        request: &RequestId,
        now: Timestamp,
    ) -> Option<Ballot> {
        let mut kept = self.kept();
        let ballots = &mut kept.sessions.get_mut(&person.session)?.ballots;
        let place = ballots
            .iter()
            .position(|ballot| ballot.id == *id && ballot.request == *request)?;
        ballots.remove(place).filter(|ballot| now < ballot.until)
    }
}
