//! Custodians that refuse, stall, lie and are late.
//!
//! All of them speak for a key outside of this process, so that their signatures are checked before use; put one into
//! [`InProcess`] to see what a lie does that nobody checks.

use std::future::{pending, ready};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actionpass_crypto::{PublicKey, Residence, SignError, SignFuture, Signature, Signer, SigningInput};
use actionpass_custody::within;

use crate::fixtures::FixtureKey;

/// A custodian that can be reached and declines.
#[derive(Debug)]
pub struct Refusing(PublicKey);

/// A custodian that can't be reached.
#[derive(Debug)]
pub struct Unreachable(PublicKey);

/// A custodian that never answers.
#[derive(Debug)]
pub struct Stalling(PublicKey);

/// A custodian that answers rightly, and late.
#[derive(Debug)]
pub struct Late {
    key: FixtureKey,
    public: PublicKey,
    delay: Duration,
}

/// A custodian whose signatures are not what they claim to be.
#[derive(Debug)]
pub struct Lying {
    key: FixtureKey,
    public: PublicKey,
    lie: Lie,
    first: Mutex<Option<Signature>>,
}

/// How a [`Lying`] custodian lies.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Lie {
    /// Signs with another key than it claims to have.
    OtherKey,
    /// Returns the signature of the first input for every later one: yesterday's for today's.
    Replays,
    /// Returns 64 bytes that are nothing.
    Garbage,
    /// Returns DER where the bytes of JWS are asked for.
    Der,
    /// Hashes the digest again: what happens when both sides hash.
    DoubleHash,
}

impl Lie {
    /// Every lie.
    pub const ALL: &'static [Self] = &[
        Self::OtherKey,
        Self::Replays,
        Self::Garbage,
        Self::Der,
        Self::DoubleHash,
    ];
}

/// A custodian that counts how often it is asked.
#[derive(Debug)]
pub struct Counting<S> {
    inner: S,
    asked: AtomicUsize,
}

/// Any signer, with its signatures treated as if they were made in this process: nobody checks them before use.
#[derive(Debug)]
pub struct InProcess<S>(pub S);

/// Any signer, with its signatures treated as if they came from outside of this process: checked before use.
#[derive(Debug)]
pub struct OutOfProcess<S>(pub S);

impl Refusing {
    /// Declines to sign with this key.
    #[must_use]
    pub fn new(key: FixtureKey) -> Self {
        Self(key.public_key())
    }
}

impl Unreachable {
    /// Can't be reached to sign with this key.
    #[must_use]
    pub fn new(key: FixtureKey) -> Self {
        Self(key.public_key())
    }
}

impl Stalling {
    /// Never answers for this key.
    #[must_use]
    pub fn new(key: FixtureKey) -> Self {
        Self(key.public_key())
    }
}

impl Late {
    /// Signs with this key, that long after it was asked.
    #[must_use]
    pub fn new(key: FixtureKey, delay: Duration) -> Self {
        Self {
            key,
            public: key.public_key(),
            delay,
        }
    }

    const fn key(&self) -> &PublicKey {
        &self.public
    }

    async fn answer(&self, input: &SigningInput) -> Result<Signature, SignError> {
        within(self.delay, pending::<()>()).await;
        Ok(self.key.sign_bytes(input.as_bytes()))
    }
}

impl Lying {
    /// Claims to sign with this key.
    #[must_use]
    pub fn new(key: FixtureKey, lie: Lie) -> Self {
        Self {
            key,
            public: key.public_key(),
            lie,
            first: Mutex::new(None),
        }
    }

    fn answer(&self, input: &SigningInput) -> Result<Signature, SignError> {
        let malformed = |source| SignError::SignatureMalformed {
            custodian: self.custodian().into(),
            source,
        };
        match self.lie {
            Lie::OtherKey => Ok(FixtureKey::STRANGER.sign_bytes(input.as_bytes())),
            Lie::Replays => {
                let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(first
                    .get_or_insert_with(|| self.key.sign_bytes(input.as_bytes()))
                    .clone())
            }
            Lie::Garbage => Signature::from_bytes(input.algorithm(), &[0x5A; 64]).map_err(malformed),
            Lie::Der => {
                Signature::from_bytes(input.algorithm(), &self.key.sign_der(input.as_bytes())).map_err(malformed)
            }
            Lie::DoubleHash => Ok(self.key.sign_bytes(&input.sha256())),
        }
    }
}

impl<S> Counting<S> {
    /// Counts the calls of this signer.
    #[must_use]
    pub const fn new(inner: S) -> Self {
        Self {
            inner,
            asked: AtomicUsize::new(0),
        }
    }

    /// How often it was asked to sign.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

macro_rules! signer {
    ($name:ty, $custodian:literal, |$self:ident, $input:ident| $answer:expr) => {
        impl Signer for $name {
            fn public_key(&self) -> &PublicKey {
                self.key()
            }

            fn custodian(&self) -> &str {
                $custodian
            }

            fn residence(&self) -> Residence {
                Residence::Outside
            }

            fn sign<'a>(&'a self, $input: &'a SigningInput) -> SignFuture<'a> {
                let $self = self;
                $answer
            }
        }
    };
}

macro_rules! key {
    ($($name:ident),+) => {$(
        impl $name {
            const fn key(&self) -> &PublicKey {
                &self.0
            }
        }
    )+};
}
key!(Refusing, Unreachable, Stalling);

impl Lying {
    const fn key(&self) -> &PublicKey {
        &self.public
    }
}

signer!(Refusing, "refusing", |this, _input| Box::pin(ready(Err(
    SignError::refused(this.custodian(), "the key is disabled")
))));
signer!(Unreachable, "unreachable", |this, _input| Box::pin(ready(Err(
    SignError::unavailable(this.custodian(), "connection refused")
))));
signer!(Stalling, "stalling", |_this, _input| Box::pin(pending()));
signer!(Late, "late", |this, input| Box::pin(this.answer(input)));
signer!(Lying, "lying", |this, input| Box::pin(ready(this.answer(input))));

macro_rules! wrapper {
    ($name:ident, $inner:tt, |$self:ident| $residence:expr, |$this:ident, $input:ident| $signature:expr) => {
        #[deny(
            clippy::missing_trait_methods,
            reason = "a wrapper that forgets a method would change its meaning"
        )]
        impl<S: Signer> Signer for $name<S> {
            fn public_key(&self) -> &PublicKey {
                self.$inner.public_key()
            }

            fn custodian(&self) -> &str {
                self.$inner.custodian()
            }

            fn residence(&self) -> Residence {
                let $self = self;
                $residence
            }

            fn sign<'a>(&'a self, $input: &'a SigningInput) -> SignFuture<'a> {
                let $this = self;
                $signature
            }
        }
    };
}
wrapper!(InProcess, 0, |_this| Residence::Process, |this, input| this
    .0
    .sign(input));
wrapper!(OutOfProcess, 0, |_this| Residence::Outside, |this, input| this
    .0
    .sign(input));
wrapper!(Counting, inner, |this| this.inner.residence(), |this, input| {
    this.asked.fetch_add(1, Ordering::SeqCst);
    this.inner.sign(input)
});
