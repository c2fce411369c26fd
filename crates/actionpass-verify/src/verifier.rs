//! [`Verifier`]: every check between a token and the call that it permits.

use std::collections::BTreeSet;
use std::time::Duration;

use actionpass_canon::{CanonicalBytes, binding_hash};
use actionpass_crypto::{Unverified, Verified};
use actionpass_model::{
    ActionId, Agent, Audience, Code, Digest, Issuer, KeyId, MAX_PASS_LIFETIME, Obligation, ObligationId, PassClaims,
    PassId, Resource, Tenant, Timestamp, Tool, UnixSeconds,
};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use actionpass_store::{Consumption, LEEWAY_SECS, Mark, ReplayStore};

use crate::approval::{self, ApprovalContext, OfRequest};
use crate::trust::{Trust, signs_in};
use crate::{Call, Finding, Refusal, VerifyCode, log};

/// What an executor accepts: passes of one issuer, for one audience, of one tenant.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use actionpass_canon::{BoundAction, Limits};
/// use actionpass_model::{Audience, Issuer, Tenant, UnixSeconds};
/// use actionpass_verify::{Call, Trust, Verifier};
///
/// let verifier = Verifier::new(
///     Issuer::parse("https://issuer.example")?,
///     Audience::parse("github-executor")?,
///     Tenant::parse("org:example")?,
/// );
/// let trust = Trust::parse(&std::fs::read("trust.json")?)?;
/// let action = BoundAction::admit(&std::fs::read("action.json")?, &Limits::default())?;
/// let token = std::fs::read_to_string("pass.jwt")?;
/// let now = UnixSeconds::new(1_795_000_000).ok_or("no time")?;
/// let pass = verifier.verify(token.trim_end(), &Call::action(&action), &trust, now)?;
/// // Execute exactly these bytes and nothing else:
/// let payload = pass.payload();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Verifier {
    issuer: Issuer,
    audience: Audience,
    tenant: Tenant,
    max_lifetime: Duration,
    max_revocations_age: Option<Duration>,
    obligations: BTreeSet<ObligationId>,
    dangerously_accept_asserted: bool,
}

impl Verifier {
    /// A verifier that accepts passes of up to an hour, enforces no obligation and accepts only signed approvals.
    #[must_use]
    pub const fn new(issuer: Issuer, audience: Audience, tenant: Tenant) -> Self {
        Self {
            issuer,
            audience,
            tenant,
            max_lifetime: MAX_PASS_LIFETIME,
            max_revocations_age: None,
            obligations: BTreeSet::new(),
            dangerously_accept_asserted: false,
        }
    }

    /// The longest lifetime of a pass that is accepted; one hour unless it is set.
    #[must_use]
    pub const fn with_max_lifetime(mut self, max_lifetime: Duration) -> Self {
        self.max_lifetime = max_lifetime;
        self
    }

    /// How old the revocations may be; any age unless it is set.
    #[must_use]
    pub const fn with_max_revocations_age(mut self, max_age: Duration) -> Self {
        self.max_revocations_age = Some(max_age);
        self
    }

    /// Declares that the executor enforces this obligation. A pass that demands one that isn't declared is refused.
    #[must_use]
    pub fn with_obligation(mut self, obligation: ObligationId) -> Self {
        self.obligations.insert(obligation);
        self
    }

    /// Accepts approvals that nobody signed. Dangerous: anybody can write a name.
    #[must_use]
    pub const fn dangerously_accept_asserted_approvals(mut self) -> Self {
        self.dangerously_accept_asserted = true;
        self
    }

    /// The audience that this verifier stands for.
    #[must_use]
    pub const fn audience(&self) -> &Audience {
        &self.audience
    }

    /// Checks a pass for the call that is about to be made.
    ///
    /// The checks of authenticity stop at the first that fails; of an authentic pass all are made and everything that
    /// fails is returned.
    ///
    /// # Errors
    /// [`Refusal`] with the codes.
    pub fn verify(
        &self,
        token: &str,
        call: &Call<'_>,
        trust: &Trust,
        now: UnixSeconds,
    ) -> Result<VerifiedPass, Refusal> {
        self.judge(token, call, trust, now)
            .inspect_err(|refusal| log::refused(&self.audience, refusal))
    }

    fn judge(&self, token: &str, call: &Call<'_>, trust: &Trust, now: UnixSeconds) -> Result<VerifiedPass, Refusal> {
        let authentic = Unverified::<PassClaims>::parse(token)
            .and_then(|unverified| unverified.verify(trust.keyring()))
            .map_err(|error| Refusal::because(error.code()))?;
        let mut findings = Vec::new();
        self.check(&authentic, call, trust, now, &mut findings);
        let compared = call.compared();
        if !findings.is_empty() {
            return Err(Refusal::new(findings, compared));
        }
        let kid = authentic.key().trust().kid.clone();
        let token_hash = authentic.token_hash();
        Ok(VerifiedPass {
            claims: authentic.into_claims(),
            kid,
            token_hash,
            payload: call.payload().clone(),
            compared,
        })
    }

    /// Checks a pass and marks it used: of any number of callers with one replay store, exactly one succeeds.
    ///
    /// # Errors
    /// [`Refusal`]; beside the codes of [`verify`](Self::verify) those of the replay store: `ReplayCode` where it
    /// refuses, `StoreCode` where it can't answer.
    pub async fn consume(
        &self,
        token: &str,
        call: &Call<'_>,
        trust: &Trust,
        now: UnixSeconds,
        store: &dyn ReplayStore,
    ) -> Result<ConsumedPass, Refusal> {
        let pass = self.verify(token, call, trust, now)?;
        self.use_up(pass, now, store).await
    }

    /// Consumes a pass that this verifier verified just now, at this time: what [`consume`](Self::consume) does after that. For
    /// whoever has something to prepare in between, as the record of its use.
    ///
    /// # Errors
    /// [`Refusal`], with the codes of the replay store: `ReplayCode` where it refuses, `StoreCode` where it can't answer.
    pub async fn use_up(
        &self,
        pass: VerifiedPass,
        now: UnixSeconds,
        store: &dyn ReplayStore,
    ) -> Result<ConsumedPass, Refusal> {
        let claims = pass.claims();
        let mark = Mark {
            issuer: claims.iss.clone(),
            pass: claims.jti.clone(),
            issued_at: claims.iat,
            expires_at: claims.exp,
        };
        let refused = |code: Code| Refusal::new(vec![Finding::new(code)], pass.compared.clone());
        let refusal = match store.consume(&mark, now).await {
            Ok(Consumption::Consumed) => return Ok(ConsumedPass(pass)),
            Ok(Consumption::Refused(code)) => refused(code.into()),
            Err(error) => refused(error.code().into()).with_source(error),
        };
        log::refused(&self.audience, &refusal);
        Err(refusal)
    }

    fn check(
        &self,
        pass: &Verified<PassClaims>,
        call: &Call<'_>,
        trust: &Trust,
        now: UnixSeconds,
        findings: &mut Vec<Finding>,
    ) {
        let claims = pass.claims();
        let terms = &claims.actionpass;
        let key = pass.key().trust();
        let mut check = |holds: bool, code: VerifyCode| {
            if !holds {
                findings.push(Finding::new(code));
            }
        };
        check(
            claims.iss == self.issuer && key.issuer.as_ref() == Some(&claims.iss),
            VerifyCode::IssuerMismatch,
        );
        check(claims.aud == self.audience, VerifyCode::AudienceMismatch);
        check(
            terms.tenant == self.tenant
                && key.tenants.contains(&terms.tenant)
                && call.tenant().is_none_or(|tenant| *tenant == terms.tenant),
            VerifyCode::TenantMismatch,
        );
        check(signs_in(key, claims.iat), VerifyCode::KeyNotValid);
        let soon = now.saturating_add(LEEWAY_SECS);
        check(claims.nbf <= soon && claims.iat <= soon, VerifyCode::NotYetValid);
        check(now < claims.exp.saturating_add(LEEWAY_SECS), VerifyCode::Expired);
        check(
            claims.exp.get().saturating_sub(claims.iat.get()) <= self.max_lifetime.as_secs(),
            VerifyCode::LifetimeTooLong,
        );
        check(
            !trust.is_pass_revoked(&claims.iss, &claims.jti),
            VerifyCode::PassRevoked,
        );
        let principals = [
            claims.sub.as_str(),
            terms.human_owner.as_str(),
            terms.runtime.as_str(),
            terms.tenant.as_str(),
        ];
        let revoked = principals
            .into_iter()
            .chain(terms.via.iter().map(AsRef::as_ref))
            .any(|name| trust.is_principal_revoked(name));
        check(!revoked, VerifyCode::PrincipalRevoked);
        call.mismatches(claims, |code| check(false, code));
        // Rebuilt from the pass's own claims whatever the caller stated: an approval binds this hash.
        let rebuilt = binding_hash(&terms.binding(&claims.sub));
        check(
            rebuilt.is_ok_and(|hash| hash == terms.action_hash),
            VerifyCode::ActionHashMismatch,
        );
        check(
            terms.obligations.iter().all(|duty| self.obligations.contains(&duty.id)),
            VerifyCode::ObligationUnsupported,
        );
        self.check_approvals(claims, trust, findings);
        if trust.is_expired(now) {
            findings.push(Finding::new(VerifyCode::TrustExpired));
        }
        let age = now
            .get()
            .saturating_sub(trust.revocations_as_of().to_unix_seconds().get());
        if self.max_revocations_age.is_some_and(|max| age > max.as_secs()) {
            findings.push(Finding::new(VerifyCode::RevocationsStale));
        }
    }

    fn check_approvals(&self, claims: &PassClaims, trust: &Trust, findings: &mut Vec<Finding>) {
        let terms = &claims.actionpass;
        let context = ApprovalContext {
            issuer: &claims.iss,
            tenant: &terms.tenant,
            agent: &claims.sub,
            via: &terms.via,
            action_hash: terms.action_hash,
            payload_hash: terms.payload_hash,
            context_hash: terms.context_hash,
            facts_hash: terms.facts_hash,
            request: OfRequest::Any,
            action_id: &terms.action_id,
            policy_digest: terms.policy.digest,
            at: claims.iat,
            dangerously_accept_asserted: self.dangerously_accept_asserted,
        };
        for embedded in &terms.approvals {
            let mut found = |code: VerifyCode| findings.push(Finding::of_approval(code, &embedded.id));
            match approval::check(&embedded.token, &context, trust) {
                Err(refusal) => findings.extend(
                    refusal
                        .codes
                        .into_iter()
                        .map(|code| Finding::of_approval(code, &embedded.id)),
                ),
                Ok(approval) => {
                    if *approval.approver() != embedded.approved_by {
                        found(VerifyCode::ApproverMismatch);
                    }
                    // What the pass says of an approval must be what the approval says of itself.
                    if *approval.id() != embedded.id
                        || approval.mode() != embedded.mode
                        || approval.assurance() != embedded.assurance
                    {
                        found(VerifyCode::ApprovalBindingMismatch);
                    }
                    // An approval that names rules serves none but these.
                    let named = approval.rules();
                    if !named.is_empty() && !named.iter().any(|rule| terms.policy.rules.contains(rule)) {
                        found(VerifyCode::ApprovalPolicyMismatch);
                    }
                }
            }
        }
    }
}

/// A pass for which everything held: signature, time, audience, revocations, the call, every approval.
///
/// It may still have been used before; [`Verifier::consume`] settles that.
#[derive(Clone, Debug)]
pub struct VerifiedPass {
    claims: PassClaims,
    kid: KeyId,
    token_hash: Digest,
    payload: CanonicalBytes,
    compared: Vec<&'static str>,
}

impl VerifiedPass {
    /// The claims.
    #[must_use]
    pub const fn claims(&self) -> &PassClaims {
        &self.claims
    }

    /// The key that signed it.
    #[must_use]
    pub const fn kid(&self) -> &KeyId {
        &self.kid
    }

    /// SHA-256 of the signing input, as it stands in the issuer's record.
    #[must_use]
    pub const fn token_hash(&self) -> Digest {
        self.token_hash
    }

    /// The canonical payload: execute these bytes and nothing else.
    #[must_use]
    pub const fn payload(&self) -> &CanonicalBytes {
        &self.payload
    }

    /// What a verdict says of the pass.
    #[must_use]
    pub fn summary(&self) -> PassSummary<'_> {
        let (claims, terms) = (&self.claims, &self.claims.actionpass);
        PassSummary {
            id: &claims.jti,
            kid: &self.kid,
            issuer: &claims.iss,
            audience: &claims.aud,
            agent: &claims.sub,
            tenant: &terms.tenant,
            tool: &terms.tool,
            resource: &terms.resource,
            action_id: &terms.action_id,
            action_hash: terms.action_hash,
            payload_hash: terms.payload_hash,
            obligations: &terms.obligations,
            issued_at: claims.iat.to_timestamp(),
            expires_at: claims.exp.to_timestamp(),
        }
    }

    /// The members of the call that were compared; what isn't among them the executor didn't state.
    #[must_use]
    pub fn compared(&self) -> &[&'static str] {
        &self.compared
    }
}

/// What a verdict says of a pass, as the command line prints it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PassSummary<'a> {
    /// Its `jti`.
    pub id: &'a PassId,
    /// The key that signed it.
    pub kid: &'a KeyId,
    /// Who issued it.
    pub issuer: &'a Issuer,
    /// Whom it is for.
    pub audience: &'a Audience,
    /// Whose call it permits.
    pub agent: &'a Agent,
    /// The organization.
    pub tenant: &'a Tenant,
    /// The tool.
    pub tool: &'a Tool,
    /// What the tool acts on.
    pub resource: &'a Resource,
    /// Which occurrence of the action.
    pub action_id: &'a ActionId,
    /// The hash of the action.
    pub action_hash: Digest,
    /// The hash of its payload.
    pub payload_hash: Digest,
    /// What the executor must enforce.
    pub obligations: &'a [Obligation],
    /// Its `iat`.
    pub issued_at: Timestamp,
    /// Its `exp`.
    pub expires_at: Timestamp,
}

/// Serialized it is the verdict that the command line prints: `{valid: true, codes: [], compared, pass}`.
impl Serialize for VerifiedPass {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut verdict = serializer.serialize_struct("VerifiedPass", 4)?;
        verdict.serialize_field("valid", &true)?;
        verdict.serialize_field("codes", &[(); 0])?;
        verdict.serialize_field("compared", &self.compared)?;
        verdict.serialize_field("pass", &self.summary())?;
        verdict.end()
    }
}

/// A verified pass that was marked used by this very call: only now may the executor run.
#[derive(Debug)]
pub struct ConsumedPass(VerifiedPass);

impl ConsumedPass {
    /// The pass.
    #[must_use]
    pub const fn pass(&self) -> &VerifiedPass {
        &self.0
    }

    /// The canonical payload: execute these bytes and nothing else.
    #[must_use]
    pub const fn payload(&self) -> &CanonicalBytes {
        self.0.payload()
    }
}
