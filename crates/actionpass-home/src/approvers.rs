//! [`Approvers`]: how people get a passkey into the trust store, by invitation.
//!
//! An invitation is a link whose secret stands in its fragment, which no server sees by itself; only the secret's hash is
//! kept. Whoever opens the link within an hour registers one passkey. It then *waits*, in no trust store, until somebody
//! who may change that confirms it by a code that its owner reads to them: the first eight characters of its thumbprint.
//! So nobody gets a key in with a stolen link alone. The code is what a page shows, and another page shows another: its
//! owner has to look at the page's address before they read it out.

use std::path::Path;
use std::time::Duration;

use actionpass_core::verify::canon::sha256;
use actionpass_core::{Administrator, KeyChanged};
use actionpass_crypto::webauthn::{Registration, RelyingParty};
use actionpass_model::{Approver, Digest, KeyId, Role, RpId, Tenants, Timestamp, TrustKey, TrustStore, WebOrigin};
use actionpass_store::offload::offload;
use actionpass_store::{StoreCode, StoreError};
use serde::{Deserialize, Serialize};

use crate::documents::{APPROVERS_FILE, Documents};
use crate::home::APPROVERS;
use crate::{Home, HomeCode, HomeError, files};

/// How long an invitation holds.
pub const INVITATION_HOLDS: Duration = Duration::from_secs(60 * 60);
/// How long a passkey waits to be confirmed.
pub const PASSKEY_WAITS: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How many characters of a thumbprint confirm a passkey.
const CODE_CHARS: usize = 8;
/// What stands before an invitation's secret in the challenge of its registration; a zero byte follows.
const CHALLENGE_PREFIX: &[u8] = b"actionpass-register-v1";

/// The invitations of a home, and the passkeys that wait.
#[derive(Clone, Copy, Debug)]
pub struct Approvers<'a> {
    home: &'a Home,
}

/// Whom somebody invites, as what, and to which pages.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "whoever invites states all of it")]
pub struct NewInvitation {
    /// Who.
    pub principal: Approver,
    /// The roles that they hold.
    pub roles: Vec<Role>,
    /// The tenants that they approve for.
    pub tenants: Tenants,
    /// The pages on which they register and approve.
    pub party: RelyingParty,
}

/// The secret of an invitation: 64 hexadecimal digits. Whoever has it registers a passkey in the invited person's name,
/// which then waits.
#[derive(Clone, Eq, PartialEq)]
pub struct InvitationSecret(Box<str>);

/// An invitation that holds.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Invitation {
    /// SHA-256 of the secret.
    secret_hash: Digest,
    /// Who is invited.
    pub principal: Approver,
    /// The roles that they will hold.
    pub roles: Vec<Role>,
    /// The tenants that they will approve for.
    pub tenants: Tenants,
    rp_id: RpId,
    origins: Vec<WebOrigin>,
    /// Until when it holds.
    pub expires_at: Timestamp,
}

/// A passkey that was registered and that nobody trusts yet.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct WaitingPasskey {
    /// The entry that it will have in the trust store.
    pub key: TrustKey,
    /// When it was registered.
    pub registered_at: Timestamp,
}

impl WaitingPasskey {
    /// What confirms it, which its owner sees.
    #[must_use]
    pub fn code(&self) -> &str {
        confirmation_code(&self.key.kid)
    }
}

/// What confirms a passkey: the first eight characters of its thumbprint.
#[must_use]
pub fn confirmation_code(kid: &KeyId) -> &str {
    kid.as_str().get(..CODE_CHARS).unwrap_or_default()
}

/// What a home's file holds.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    schema: Schema,
    invitations: Vec<Invitation>,
    waiting: Vec<WaitingPasskey>,
}

#[derive(Debug, Deserialize, Serialize)]
enum Schema {
    #[serde(rename = "actionpass.approvers.v1")]
    V1,
}

impl InvitationSecret {
    /// The secret of these random bytes.
    #[must_use]
    pub fn from_random(random: &[u8; 32]) -> Self {
        // A digest is spelled by 64 hexadecimal digits behind its name.
        let text = Digest::from_bytes(*random).to_string();
        Self(text.trim_start_matches("sha256:").into())
    }

    /// Reads what stands in a link; `None` unless it is 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Digest::parse(&format!("sha256:{text}")).ok().map(|_| Self(text.into()))
    }

    /// The text, which goes behind the `#` of a link and nowhere else.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }

    /// The challenge of the registration: SHA-256 of `actionpass-register-v1`, a zero byte and the secret's text. The page
    /// computes it from its fragment, so that no server hands one out.
    #[must_use]
    pub fn challenge(&self) -> [u8; 32] {
        *sha256(&[CHALLENGE_PREFIX, &[0], self.0.as_bytes()].concat()).as_bytes()
    }

    fn hash(&self) -> Digest {
        sha256(self.0.as_bytes())
    }
}

/// A secret is no text for a log.
impl std::fmt::Debug for InvitationSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InvitationSecret")
    }
}

impl<'a> Approvers<'a> {
    /// Those of a home.
    #[must_use]
    pub const fn of(home: &'a Home) -> Self {
        Self { home }
    }

    /// Invites somebody for an hour: keeps the secret's hash.
    ///
    /// # Errors
    /// [`HomeError`]: nothing was changed.
    pub fn invite(
        &self,
        invitation: NewInvitation,
        secret: &InvitationSecret,
        now: Timestamp,
    ) -> Result<Invitation, HomeError> {
        let invitation = Invitation {
            secret_hash: secret.hash(),
            principal: invitation.principal,
            roles: invitation.roles,
            tenants: invitation.tenants,
            rp_id: invitation.party.rp_id().clone(),
            origins: invitation.party.origins().to_vec(),
            expires_at: now.saturating_add(INVITATION_HOLDS),
        };
        self.change(now, |document, _| {
            document.invitations.push(invitation.clone());
            Ok(invitation.clone())
        })
    }

    /// The invitation of this secret, if it holds: whom a page greets. It changes nothing.
    ///
    /// # Errors
    /// [`HomeError::InvitationUnknown`] for an invitation that never was, was used or is over; what can't be read.
    pub fn invited(&self, secret: &InvitationSecret, now: Timestamp) -> Result<Invitation, HomeError> {
        let hash = secret.hash();
        let mut invitations = self.pending(now)?.0.into_iter();
        invitations
            .find(|entry| entry.secret_hash == hash)
            .ok_or(HomeError::InvitationUnknown)
    }

    /// Takes the registration of whoever holds an invitation's secret, which serves once. The passkey waits from now on.
    /// `trust` is the trust store of today: the passkey's key and its id must be in no entry, whoever's.
    ///
    /// # Errors
    /// [`HomeError::InvitationUnknown`] for an invitation that never was, was used or is over, [`HomeError::Passkey`] for a
    /// registration that is refused and [`HomeError::PasskeyKnown`] for one that isn't new; then the invitation still holds.
    pub fn register(
        &self,
        secret: &InvitationSecret,
        registration: &Registration,
        trust: &TrustStore,
        now: Timestamp,
    ) -> Result<WaitingPasskey, HomeError> {
        let (hash, challenge) = (secret.hash(), secret.challenge());
        self.change(now, |document, place| {
            let at = document.invitations.iter().position(|entry| entry.secret_hash == hash);
            let at = at.ok_or(HomeError::InvitationUnknown)?;
            let invitation = document.invitations.remove(at);
            let party = RelyingParty::new(invitation.rp_id, invitation.origins).map_err(|_| invalid(place))?;
            let new = registration.verify(&challenge, &party)?;
            let key = new
                .approval_key_of(&invitation.principal)
                .with_roles(invitation.roles)
                .with_tenants(invitation.tenants);
            let waiting = document.waiting.iter().map(|waiting| &waiting.key);
            if trust.keys.iter().chain(waiting).any(|known| is_same(known, &key)) || trust.is_key_revoked(&key.kid) {
                return Err(HomeError::PasskeyKnown);
            }
            let waiting = WaitingPasskey {
                key,
                registered_at: now,
            };
            document.waiting.push(waiting.clone());
            Ok(waiting)
        })
    }

    /// Lets a passkey that waits into the trust store, with a record of whose it is, their roles and tenants.
    ///
    /// # Errors
    /// [`HomeError::PasskeyNotWaiting`] unless exactly one of this principal waits under this code; [`HomeError::Admin`].
    pub async fn confirm(
        &self,
        administrator: &Administrator,
        principal: &Approver,
        code: &str,
        now: Timestamp,
    ) -> Result<(TrustKey, KeyChanged), HomeError> {
        let (_, mut waiting) = self.beside(move |approvers| approvers.pending(now)).await?;
        waiting.retain(|waiting| waiting.key.principal.as_ref() == Some(principal) && waiting.code() == code);
        // A code that stands for two passkeys tells neither: nobody makes two by chance.
        let Ok([WaitingPasskey { key, .. }]) = <[_; 1]>::try_from(waiting) else {
            return Err(HomeError::PasskeyNotWaiting);
        };
        // No lock is held meanwhile: of two who confirm at once, the second finds the key in the trust store.
        let changed = administrator.add_key(key.clone()).await?;
        let kid = key.kid.clone();
        let forgets = move |approvers: Approvers<'_>| {
            approvers.change(now, |document, _| {
                document.waiting.retain(|waiting| waiting.key.kid != kid);
                Ok(())
            })
        };
        self.beside(forgets).await?;
        Ok((key, changed))
    }

    /// Runs what waits for a file or a database beside the threads of an executor.
    async fn beside<T: Send + 'static>(
        &self,
        work: impl FnOnce(Approvers<'_>) -> Result<T, HomeError> + Send + 'static,
    ) -> Result<T, HomeError> {
        let home = self.home.clone();
        let done = offload(move || work(Approvers::of(&home))).await;
        done.unwrap_or_else(|unfinished| {
            let error = StoreError::with_source(StoreCode::StoreUnavailable, unfinished);
            Err(HomeError::store(&self.home.path(APPROVERS), error))
        })
    }

    /// Takes back what somebody was invited to and what of theirs waits; how much that was.
    ///
    /// # Errors
    /// [`HomeError`]: nothing was changed.
    pub fn forget(&self, principal: &Approver, now: Timestamp) -> Result<usize, HomeError> {
        self.change(now, |document, _| {
            let count = |document: &Document| document.invitations.len().saturating_add(document.waiting.len());
            let before = count(document);
            document.invitations.retain(|entry| entry.principal != *principal);
            document
                .waiting
                .retain(|waiting| waiting.key.principal.as_ref() != Some(principal));
            Ok(before.saturating_sub(count(document)))
        })
    }

    /// Whoever is invited, and the passkeys that wait.
    ///
    /// # Errors
    /// [`HomeError::Unreadable`], [`HomeError::ApproversInvalid`], [`HomeError::Exposed`].
    pub fn pending(&self, now: Timestamp) -> Result<(Vec<Invitation>, Vec<WaitingPasskey>), HomeError> {
        let documents = self.home.documents()?;
        let document = read(documents.read(APPROVERS_FILE)?, &documents.place(APPROVERS), now)?;
        Ok((document.invitations, document.waiting))
    }

    /// Reads, changes and writes; what `change` refuses is not written.
    fn change<T>(
        &self,
        now: Timestamp,
        change: impl Fn(&mut Document, &Path) -> Result<T, HomeError>,
    ) -> Result<T, HomeError> {
        let documents: Documents = self.home.documents()?;
        let place = documents.place(APPROVERS);
        documents.change(APPROVERS_FILE, |kept| {
            let mut document = read(kept, &place, now)?;
            let done = change(&mut document, &place)?;
            let mut text = serde_json::to_string_pretty(&document).map_err(|_| invalid(&place))?;
            text.push('\n');
            Ok((done, Some(text.into_bytes())))
        })
    }
}

/// What holds now: the rest is left out, and goes with the next change.
fn read(kept: Option<Vec<u8>>, place: &Path, now: Timestamp) -> Result<Document, HomeError> {
    let mut document = match kept {
        None => Document {
            schema: Schema::V1,
            invitations: Vec::new(),
            waiting: Vec::new(),
        },
        Some(bytes) => {
            let text = files::decoded(bytes, place, HomeCode::ApproversInvalid)?;
            serde_json::from_str(&text).map_err(|_| invalid(place))?
        }
    };
    document.invitations.retain(|entry| now < entry.expires_at);
    document
        .waiting
        .retain(|waiting| now < waiting.registered_at.saturating_add(PASSKEY_WAITS));
    Ok(document)
}

fn invalid(place: &Path) -> HomeError {
    HomeError::ApproversInvalid(place.to_owned())
}

/// Whether two entries are of one key, or of one authenticator's passkey.
fn is_same(known: &TrustKey, new: &TrustKey) -> bool {
    fn id(key: &TrustKey) -> Option<&str> {
        Some(key.webauthn.as_ref()?.credential_id().as_str())
    }
    let kid: &KeyId = &known.kid;
    *kid == new.kid || id(known).is_some_and(|known| id(new) == Some(known))
}
