//! Who is signed in, what is about to be signed, and the challenges of those who sign in.
//!
//! A [`SessionStore`](actionpass_store::sessions::SessionStore) keeps it: the database that the home is in, so that a browser may ask any
//! machine, or the memory of this process. Cookies are kept as hashes, so that what is read out of it signs nobody in. Where it
//! doesn't answer, nobody is signed in and nobody is told that they aren't: they get the code.
//!
//! A challenge isn't kept: it follows from its cookie and a secret of the store. Anybody may ask for one, so that kept ones would
//! either grow without end or be pushed out by others'. Only those that signed somebody in are remembered, for as long as they hold.

use std::time::Duration;

use actionpass_canon::sha256;
use actionpass_crypto::webauthn::{AssertionInput, LoginChallenge};
use actionpass_model::{
    ApprovalId, Approver, CredentialId, Digest, KeyId, KeyUse, RequestId, Role, Tenants, Timestamp, WebOrigin,
};
use actionpass_store::StoreError;
use actionpass_store::sessions::{KeptBallot, Opened, SignIn};
use axum::http::{HeaderMap, StatusCode, header};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::question::base64url;
use super::{Host, random};
use crate::ServerCode;
use crate::problem::Refused;

/// How long a challenge of a sign-in holds, and a vote that is about to be signed.
const CHALLENGE_HOLDS: Duration = Duration::from_secs(5 * 60);
/// How long a session holds.
pub(super) const SESSION_HOLDS: Duration = Duration::from_secs(8 * 60 * 60);

/// The challenge that a browser was given, by its cookie.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) challenge: LoginChallenge,
    cookie: Digest,
    until: Timestamp,
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

/// What the store says where it doesn't answer: the service can't go on, and the cause is for its log.
fn failed(error: StoreError) -> Refused {
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    tracing::error!(%error, cause, "the sessions of the page can't be used");
    Refused::of(&error).with_status(StatusCode::SERVICE_UNAVAILABLE)
}

/// What challenges follow from.
async fn secret(host: &Host) -> Result<Zeroizing<[u8; 32]>, Refused> {
    let made = Zeroizing::new(random()?);
    let kept = host.sessions.secret(*made).await;
    kept.map(Zeroizing::new).map_err(failed)
}

/// Begins a sign-in: its challenge, and the cookie that it is bound to.
pub(super) async fn begin(host: &Host, now: Timestamp) -> Result<(LoginChallenge, String), Refused> {
    let until = now.saturating_add(CHALLENGE_HOLDS);
    let value = [until.unix_millis().to_be_bytes().as_slice(), &random::<32>()?].concat();
    let challenge = challenge(&*secret(host).await?, &value).ok_or(ServerCode::ServiceFailed)?;
    let set = Cookie::SignIn.set(&host.front.origin, &base64url(&value), CHALLENGE_HOLDS);
    Ok((challenge, set))
}

/// The challenge that this browser was given, if its time isn't over. Whoever makes a cookie up has a challenge that nobody was
/// told; whether it was used, [`open`] says.
pub(super) async fn started(host: &Host, headers: &HeaderMap, now: Timestamp) -> Result<Option<Started>, Refused> {
    let Some((value, until)) = given(host, headers).filter(|(_, until)| now < *until) else {
        return Ok(None);
    };
    let challenge = challenge(&*secret(host).await?, &value);
    Ok(challenge.map(|challenge| Started {
        challenge,
        cookie: sha256(&value),
        until,
    }))
}

/// The cookie of a sign-in, and until when its challenge holds.
fn given(host: &Host, headers: &HeaderMap) -> Option<(Vec<u8>, Timestamp)> {
    let value = Cookie::SignIn.value(&host.front.origin, headers)?;
    let value = Base64UrlUnpadded::decode_vec(value)
        .ok()
        .filter(|value| value.len() == 40)?;
    let until = value.first_chunk().copied().map(u64::from_be_bytes)?;
    Some((value, Timestamp::from_unix_millis(until)?))
}

/// Signs the owner of a passkey in: the cookies to set. The session's is always a new one, and the challenge serves once.
pub(super) async fn open(host: &Host, started: Started, kid: KeyId, now: Timestamp) -> Result<[String; 2], Refused> {
    let value = base64url(&random::<32>()?);
    let sign_in = SignIn {
        challenge: started.cookie,
        challenge_until: started.until,
        kid,
        session: sha256(value.as_bytes()),
        until: now.saturating_add(SESSION_HOLDS),
    };
    match host.sessions.open(sign_in, now).await.map_err(failed)? {
        Opened::Opened => Ok([
            Cookie::Session.set(&host.front.origin, &value, SESSION_HOLDS),
            Cookie::SignIn.set(&host.front.origin, "", Duration::ZERO),
        ]),
        Opened::Used => Err(ServerCode::SignInRefused.into()),
        Opened::TooMany => Err(ServerCode::Overloaded.into()),
    }
}

/// Ends the session of this browser: the cookie to set. Where it can't be ended the cookie stays, to be ended later.
pub(super) async fn close(host: &Host, headers: &HeaderMap) -> Result<String, Refused> {
    if let Some(cookie) = Cookie::Session.read(&host.front.origin, headers) {
        host.sessions.close(cookie).await.map_err(failed)?;
    }
    Ok(Cookie::Session.set(&host.front.origin, "", Duration::ZERO))
}

/// Who is signed in on this browser, by the trust in force now: a passkey that was revoked, or whose time or owner is
/// over, is out at once.
pub(super) async fn person(host: &Host, headers: &HeaderMap, now: Timestamp) -> Result<Option<Person>, Refused> {
    let Some(session) = Cookie::Session.read(&host.front.origin, headers) else {
        return Ok(None);
    };
    of_session(host, session, now).await
}

/// The same person a while later.
pub(super) async fn again(host: &Host, person: &Person, now: Timestamp) -> Result<Option<Person>, Refused> {
    of_session(host, person.session, now).await
}

async fn of_session(host: &Host, session: Digest, now: Timestamp) -> Result<Option<Person>, Refused> {
    let Some(kid) = host.sessions.owner(session, now).await.map_err(failed)? else {
        return Ok(None);
    };
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
pub(super) async fn keep_ballot(
    host: &Host,
    person: &Person,
    id: ApprovalId,
    request: RequestId,
    input: &AssertionInput,
    now: Timestamp,
) -> Result<(), Refused> {
    let ballot = KeptBallot {
        id,
        request,
        input: input.as_str().to_owned(),
        until: now.saturating_add(CHALLENGE_HOLDS),
    };
    host.sessions
        .keep_ballot(person.session, ballot, now)
        .await
        .map_err(failed)
}

/// What this person was to sign for this vote on this request. It is gone with this, whatever comes of it.
pub(super) async fn take_ballot(
    host: &Host,
    person: &Person,
    id: ApprovalId,
    request: RequestId,
    now: Timestamp,
) -> Result<Option<String>, Refused> {
    let taken = host.sessions.take_ballot(person.session, id, request, now).await;
    taken.map_err(failed)
}
