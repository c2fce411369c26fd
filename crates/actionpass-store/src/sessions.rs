//! [`SessionStore`]: who is signed in at the page, and what is about to be signed there.

use std::fmt::Debug;
use std::sync::Arc;

use actionpass_model::{ApprovalId, Digest, KeyId, RequestId, Timestamp};

use crate::StoreFuture;

/// How many sessions one passkey has: with one more, the oldest is gone.
pub const MAX_SESSIONS: usize = 8;
/// How many sessions there are in all: with one more, the oldest is gone.
pub const MAX_SESSIONS_IN_ALL: usize = 10_000;
/// How often one passkey signs in while a challenge holds: its used challenges are remembered for so long.
pub const MAX_SIGN_INS: usize = 64;
/// How many votes one session is about to sign: with one more, the oldest is gone.
pub const MAX_BALLOTS: usize = 8;

/// The sessions of the page, shared by all machines that serve it.
///
/// # Contract
/// - **Once.** Of any number of sign-ins with one challenge, at once or one after the other, on any machines, one opens a session:
///   using the challenge up and opening are one step. The same holds for a vote that is taken: whoever gets it is the only one. Where
///   an answer is lost on the way, nobody gets it.
/// - **At once.** A session that was opened, and one that was ended, is so for whoever asks next, on any machine.
/// - **Times** are the caller's: what is over by `now` is not given. It is removed some of it at a time, and a used challenge
///   only when no machine takes it any more, with clocks up to 30 s from the store's.
/// - **Bounds.** [`MAX_SESSIONS`], [`MAX_SESSIONS_IN_ALL`], [`MAX_SIGN_INS`], [`MAX_BALLOTS`].
/// - **Hashes.** Sessions and challenges are known by SHA-256 of their cookies: what is read out of the store signs nobody in.
///
/// Whether a passkey is believed isn't known here: that is asked each time.
pub trait SessionStore: Debug + Send + Sync {
    /// The secret that challenges follow from, the same for all machines: `made`, 32 random bytes, if there is none yet.
    fn secret(&self, made: [u8; 32]) -> StoreFuture<'_, [u8; 32]>;

    /// Uses a challenge up and opens a session, or does neither.
    fn open(&self, sign_in: SignIn, now: Timestamp) -> StoreFuture<'_, Opened>;

    /// Whose session it is, by their passkey; `None` if it isn't open.
    fn owner(&self, session: Digest, now: Timestamp) -> StoreFuture<'_, Option<KeyId>>;

    /// Ends a session, and what was about to be signed in it.
    fn close(&self, session: Digest) -> StoreFuture<'_, ()>;

    /// Keeps a vote that is about to be signed, if the session is open.
    fn keep_ballot(&self, session: Digest, ballot: KeptBallot, now: Timestamp) -> StoreFuture<'_, ()>;

    /// What was to be signed for this vote on this request, in this session. It is gone with that; `None` if there is none, or
    /// if it is over.
    fn take_ballot(
        &self,
        session: Digest,
        id: ApprovalId,
        request: RequestId,
        now: Timestamp,
    ) -> StoreFuture<'_, Option<String>>;
}

/// Somebody who signs in.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a sign-in is no more than this")]
pub struct SignIn {
    /// SHA-256 of the cookie that the challenge follows from.
    pub challenge: Digest,
    /// Until when the challenge holds.
    pub challenge_until: Timestamp,
    /// The passkey.
    pub kid: KeyId,
    /// SHA-256 of the cookie of the session, which is random, and new with each sign-in.
    pub session: Digest,
    /// Until when the session holds.
    pub until: Timestamp,
}

/// What became of a sign-in. Exhaustive on purpose: each is answered differently.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Opened {
    /// The session is open.
    Opened,
    /// The challenge was used before.
    Used,
    /// The passkey signed in [`MAX_SIGN_INS`] times while its challenges held.
    TooMany,
}

/// A vote that is about to be signed.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a vote in the making is no more than this")]
pub struct KeptBallot {
    /// Its id.
    pub id: ApprovalId,
    /// What it is a vote on.
    pub request: RequestId,
    /// What the passkey signs: `header.payload` of the token.
    pub input: String,
    /// Until when it may be signed.
    pub until: Timestamp,
}

impl<T: SessionStore + ?Sized> SessionStore for Arc<T> {
    fn secret(&self, made: [u8; 32]) -> StoreFuture<'_, [u8; 32]> {
        (**self).secret(made)
    }

    fn open(&self, sign_in: SignIn, now: Timestamp) -> StoreFuture<'_, Opened> {
        (**self).open(sign_in, now)
    }

    fn owner(&self, session: Digest, now: Timestamp) -> StoreFuture<'_, Option<KeyId>> {
        (**self).owner(session, now)
    }

    fn close(&self, session: Digest) -> StoreFuture<'_, ()> {
        (**self).close(session)
    }

    fn keep_ballot(&self, session: Digest, ballot: KeptBallot, now: Timestamp) -> StoreFuture<'_, ()> {
        (**self).keep_ballot(session, ballot, now)
    }

    fn take_ballot(
        &self,
        session: Digest,
        id: ApprovalId,
        request: RequestId,
        now: Timestamp,
    ) -> StoreFuture<'_, Option<String>> {
        (**self).take_ballot(session, id, request, now)
    }
}
