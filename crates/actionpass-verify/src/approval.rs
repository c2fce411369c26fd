//! Checks of approvals: the issuer runs them on what it is offered, the verifier again on what a pass embeds.

use std::sync::Arc;

use actionpass_canon::sha256;
use actionpass_crypto::{JwsError, Unverified, Verified};
use actionpass_model::{
    ActionId, Agent, AnyPrincipal, ApprovalClaims, ApprovalId, ApprovalMode, ApprovalRef, ApprovalTerms, Approver,
    AssertedApproval, Assurance, Code, Digest, Document, Grant, Issuer, KeyId, RefusalClaims, RequestId, Role, RuleId,
    SignedDocument, Statement, Tenant, TrustKey, UnixSeconds,
};

use actionpass_store::LEEWAY_SECS;

use crate::VerifyCode;
use crate::trust::{Trust, signs_in};

/// What an approval must be for.
#[derive(Clone, Copy, Debug)]
pub struct ApprovalContext<'a> {
    /// The issuer of the pass.
    pub issuer: &'a Issuer,
    /// The organization.
    pub tenant: &'a Tenant,
    /// The agent.
    pub agent: &'a Agent,
    /// The agents that it acts for.
    pub via: &'a [Agent],
    /// The exact action.
    pub action_hash: Digest,
    /// The exact payload.
    pub payload_hash: Digest,
    /// The context.
    pub context_hash: Digest,
    /// The facts.
    pub facts_hash: Digest,
    /// The approval request that an approval may be a vote on.
    pub request: OfRequest<'a>,
    /// The occurrence.
    pub action_id: &'a ActionId,
    /// The policy in force.
    pub policy_digest: Digest,
    /// When it had to hold: the time of issuing.
    pub at: UnixSeconds,
    /// Whether approvals that nobody signed are accepted. Dangerous: anybody can write a name.
    pub dangerously_accept_asserted: bool,
}

/// Which approval request an approval may name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever checks an approval knows requests or doesn't"
)]
pub enum OfRequest<'a> {
    /// Any: who verifies a pass knows no requests, and the issuer compared it.
    Any,
    /// Only this one.
    Only(&'a RequestId),
    /// None: nothing waits for this action.
    NoRequest,
}

impl OfRequest<'_> {
    /// Whether an approval may name this request, or none.
    #[must_use]
    pub fn permits(self, named: Option<&RequestId>) -> bool {
        match (self, named) {
            (_, None) | (Self::Any, _) => true,
            (Self::Only(request), Some(named)) => request == named,
            (Self::NoRequest, Some(_)) => false,
        }
    }
}

/// A refusal all of whose checks held, of one request.
#[derive(Clone, Debug)]
pub struct VerifiedRefusal {
    refused: VerifiedApproval,
    reason: Statement,
}

impl VerifiedRefusal {
    /// The yes that it is the opposite of: what is checked of a vote is checked of both. It isn't one.
    #[must_use]
    pub const fn refused(&self) -> &VerifiedApproval {
        &self.refused
    }

    /// What names it.
    #[must_use]
    pub fn to_ref(&self) -> ApprovalRef {
        self.refused.to_ref()
    }

    /// Who refused.
    #[must_use]
    pub const fn principal(&self) -> &Approver {
        &self.refused.approver
    }

    /// Why, in their words.
    #[must_use]
    pub const fn reason(&self) -> &Statement {
        &self.reason
    }

    /// How sure it is who.
    #[must_use]
    pub const fn assurance(&self) -> Assurance {
        self.refused.assurance
    }

    /// The key that signed it.
    #[must_use]
    pub const fn kid(&self) -> Option<&KeyId> {
        self.refused.kid.as_ref()
    }

    /// SHA-256 of its signing input.
    #[must_use]
    pub const fn token_hash(&self) -> Digest {
        self.refused.token_hash
    }

    /// What the same person's yes would grant: only whoever could say yes can say no. A refusal itself grants nothing.
    #[must_use]
    pub fn would_grant(&self) -> Grant {
        self.refused.grant()
    }
}

/// An approval all of whose checks held, for one action.
#[derive(Clone, Debug)]
pub struct VerifiedApproval {
    id: ApprovalId,
    approver: Approver,
    mode: ApprovalMode,
    assurance: Assurance,
    kid: Option<KeyId>,
    roles: Vec<Role>,
    rules: Vec<RuleId>,
    terms: Option<Box<ApprovalTerms>>,
    token: String,
    token_hash: Digest,
    given: UnixSeconds,
    expires: UnixSeconds,
}

/// An approval that grants nothing: every check that failed.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ApprovalRefusal {
    /// The id that it claims, where it could be read.
    pub id: Option<ApprovalId>,
    /// What is wrong: [`VerifyCode`]s, or what a passkey's assertion was refused for; never empty.
    pub codes: Vec<Code>,
    /// Who gave it and the key that signed it, if the signature held: anybody can write a name.
    pub signed: Option<(Approver, KeyId)>,
    /// SHA-256 of what stands before its last dot, its signing input; of all of it where there is no dot.
    pub token_hash: Digest,
}

impl VerifiedApproval {
    /// What names it.
    #[must_use]
    pub fn to_ref(&self) -> ApprovalRef {
        ApprovalRef {
            approver: self.approver.clone(),
            id: self.id.clone(),
        }
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> &ApprovalId {
        &self.id
    }

    /// Who gave it.
    #[must_use]
    pub const fn approver(&self) -> &Approver {
        &self.approver
    }

    /// How it counts.
    #[must_use]
    pub const fn mode(&self) -> ApprovalMode {
        self.mode
    }

    /// How sure it is who gave it.
    #[must_use]
    pub const fn assurance(&self) -> Assurance {
        self.assurance
    }

    /// The key that signed it; `None` if nobody did.
    #[must_use]
    pub const fn kid(&self) -> Option<&KeyId> {
        self.kid.as_ref()
    }

    /// The rules that it names; empty if it names none.
    #[must_use]
    pub fn rules(&self) -> &[RuleId] {
        &self.rules
    }

    /// What it says of itself; `None` if nobody signed it.
    #[must_use]
    pub fn terms(&self) -> Option<&ApprovalTerms> {
        self.terms.as_deref()
    }

    /// The token, as it goes into a pass.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// SHA-256 of its signing input; of the whole document if nobody signed it.
    #[must_use]
    pub const fn token_hash(&self) -> Digest {
        self.token_hash
    }

    /// When it was given.
    #[must_use]
    pub const fn given(&self) -> UnixSeconds {
        self.given
    }

    /// When it expires.
    #[must_use]
    pub const fn expires(&self) -> UnixSeconds {
        self.expires
    }

    /// What policy gets to see of it.
    #[must_use]
    pub fn grant(&self) -> Grant {
        Grant {
            id: self.id.clone(),
            mode: self.mode,
            approver: self.approver.clone(),
            roles: self.roles.clone(),
            assurance: self.assurance,
            rules: self.rules.clone(),
        }
    }
}

/// Checks an approval, a token of either form or (where accepted) the document of an asserted one, against an action.
///
/// # Errors
/// [`ApprovalRefusal`] with one code where it isn't authentic, and with all of them where it is.
pub fn check(token: &str, context: &ApprovalContext<'_>, trust: &Trust) -> Result<VerifiedApproval, ApprovalRefusal> {
    if is_document(token) {
        check_asserted(token, context, trust)
    } else {
        check_signed(token, context, trust)
    }
}

/// A compact JWS never starts with a brace and a JSON object always does, so neither is ever read as the other.
fn is_document(token: &str) -> bool {
    token.trim_start().starts_with('{')
}

/// What an approval is known by in the ledger, whatever is wrong with it.
fn token_hash(token: &str) -> Digest {
    let signed = token.rsplit_once('.').filter(|_| !is_document(token));
    sha256(signed.map_or(token, |(input, _)| input).as_bytes())
}

/// The facts about an approval that both kinds are checked by.
struct Subject<'a> {
    id: &'a ApprovalId,
    approver: &'a Approver,
    audience: &'a Issuer,
    agent: &'a Agent,
    tenant: &'a Tenant,
    action_hash: Digest,
    payload_hash: Digest,
    given: UnixSeconds,
    expires: UnixSeconds,
}

impl Subject<'_> {
    fn problems(&self, context: &ApprovalContext<'_>, trust: &Trust, codes: &mut Vec<VerifyCode>) {
        let mut check = |holds: bool, code| {
            if !holds {
                codes.push(code);
            }
        };
        check(
            context.at < self.expires.saturating_add(LEEWAY_SECS),
            VerifyCode::ApprovalExpired,
        );
        check(
            self.given <= context.at.saturating_add(LEEWAY_SECS),
            VerifyCode::ApprovalNotYetValid,
        );
        check(self.audience == context.issuer, VerifyCode::ApprovalAudienceMismatch);
        check(
            self.agent == context.agent
                && self.tenant == context.tenant
                && self.action_hash == context.action_hash
                && self.payload_hash == context.payload_hash,
            VerifyCode::ApprovalBindingMismatch,
        );
        check(!is_agent(self.approver, context), VerifyCode::ApproverIsAgent);
        check(
            !trust.is_approval_revoked(self.approver, self.id) && !trust.is_principal_revoked(self.approver.as_str()),
            VerifyCode::ApprovalRevoked,
        );
    }
}

/// Whether the approver is the agent or one that it acts for.
fn is_agent(approver: &Approver, context: &ApprovalContext<'_>) -> bool {
    std::iter::once(context.agent)
        .chain(context.via)
        .any(|agent| approver.is_same_person_as(agent))
}

fn check_signed(
    token: &str,
    context: &ApprovalContext<'_>,
    trust: &Trust,
) -> Result<VerifiedApproval, ApprovalRefusal> {
    let verified = authentic::<ApprovalClaims>(token, trust)?;
    let key = Arc::clone(verified.key());
    let token_hash = verified.token_hash();
    hold(token, token_hash, verified.into_claims(), key.trust(), context, trust)
}

/// Checks a refusal, a token of either form, against the action that it refuses: by all that an approval is checked by.
///
/// # Errors
/// [`ApprovalRefusal`] with one code where it isn't authentic, and with all of them where it is.
pub fn check_refusal(
    token: &str,
    context: &ApprovalContext<'_>,
    trust: &Trust,
) -> Result<VerifiedRefusal, ApprovalRefusal> {
    let verified = authentic::<RefusalClaims>(token, trust)?;
    let key = Arc::clone(verified.key());
    let token_hash = verified.token_hash();
    let claims = verified.into_claims().as_claims().clone();
    let reason = claims.approval.reason.clone();
    let refused = hold(token, token_hash, claims, key.trust(), context, trust)?;
    Ok(VerifiedRefusal { refused, reason })
}

/// The checks behind the signature.
fn hold(
    token: &str,
    token_hash: Digest,
    claims: ApprovalClaims,
    key: &TrustKey,
    context: &ApprovalContext<'_>,
    trust: &Trust,
) -> Result<VerifiedApproval, ApprovalRefusal> {
    let terms = &claims.approval;
    let mut codes = Vec::new();
    let mut check = |holds: bool, code| {
        if !holds {
            codes.push(code);
        }
    };
    check(
        key.principal.as_ref() == Some(&claims.iss),
        VerifyCode::ApproverMismatch,
    );
    check(
        signs_in(key, claims.iat) && key.tenants.contains(context.tenant),
        VerifyCode::ApprovalKeyUnknown,
    );
    check(
        terms.action_id.as_ref().is_none_or(|id| id == context.action_id)
            && terms.context_hash.is_none_or(|hash| hash == context.context_hash)
            && terms.facts_hash.is_none_or(|hash| hash == context.facts_hash)
            && context.request.permits(terms.request.as_ref()),
        VerifyCode::ApprovalBindingMismatch,
    );
    check(
        terms.policy_digest.is_none_or(|digest| digest == context.policy_digest),
        VerifyCode::ApprovalPolicyMismatch,
    );
    let subject = Subject {
        id: &claims.jti,
        approver: &claims.iss,
        audience: &claims.aud,
        agent: &claims.sub,
        tenant: &terms.tenant,
        action_hash: terms.action_hash,
        payload_hash: terms.payload_hash,
        given: claims.iat,
        expires: claims.exp,
    };
    subject.problems(context, trust, &mut codes);
    if !codes.is_empty() {
        codes.sort_unstable();
        codes.dedup();
        return Err(ApprovalRefusal {
            id: Some(claims.jti.clone()),
            codes: codes.into_iter().map(Code::from).collect(),
            signed: Some((claims.iss.clone(), key.kid.clone())),
            token_hash,
        });
    }
    let (roles, kid) = (key.roles.clone(), key.kid.clone());
    Ok(VerifiedApproval {
        id: claims.jti,
        approver: claims.iss,
        mode: claims.approval.mode,
        assurance: Assurance::Signed,
        kid: Some(kid),
        roles,
        rules: claims.approval.rules.clone().unwrap_or_default(),
        terms: Some(Box::new(claims.approval)),
        token: token.to_owned(),
        token_hash,
        given: claims.iat,
        expires: claims.exp,
    })
}

fn authentic<D: SignedDocument>(token: &str, trust: &Trust) -> Result<Verified<D>, ApprovalRefusal> {
    Unverified::<D>::parse(token)
        .and_then(|unverified| unverified.verify(trust.keyring()))
        .map_err(|error| ApprovalRefusal {
            id: None,
            codes: vec![approval_code(&error)],
            signed: None,
            token_hash: token_hash(token),
        })
}

/// What a fault of an approval's token is called within a pass, where the plain codes speak of the pass itself. What a
/// passkey's assertion is refused for is never the pass's, and keeps its name.
fn approval_code(error: &JwsError) -> Code {
    match error {
        JwsError::WebAuthn(error) => return error.code().into(),
        JwsError::KeyUnknown | JwsError::AlgorithmMismatch | JwsError::KeyUseMismatch => VerifyCode::ApprovalKeyUnknown,
        JwsError::KeyRevoked => VerifyCode::ApprovalRevoked,
        JwsError::SignatureInvalid => VerifyCode::ApprovalSignatureInvalid,
        _ => VerifyCode::ApprovalMalformed,
    }
    .into()
}

fn check_asserted(
    document: &str,
    context: &ApprovalContext<'_>,
    trust: &Trust,
) -> Result<VerifiedApproval, ApprovalRefusal> {
    let refused = |id: Option<ApprovalId>, codes: Vec<VerifyCode>| ApprovalRefusal {
        id,
        codes: codes.into_iter().map(Code::from).collect(),
        signed: None,
        token_hash: token_hash(document),
    };
    let approval = AssertedApproval::from_json(document.as_bytes())
        .map_err(|_| refused(None, vec![VerifyCode::ApprovalMalformed]))?;
    if !context.dangerously_accept_asserted {
        return Err(refused(Some(approval.id), vec![VerifyCode::ApprovalUnsigned]));
    }
    let mut codes = Vec::new();
    let subject = Subject {
        id: &approval.id,
        approver: &approval.approved_by,
        audience: &approval.issuer,
        agent: &approval.agent,
        tenant: &approval.tenant,
        action_hash: approval.action_hash,
        payload_hash: approval.payload_hash,
        given: approval.approved_at.to_unix_seconds(),
        expires: approval.expires_at.to_unix_seconds(),
    };
    subject.problems(context, trust, &mut codes);
    if !codes.is_empty() {
        return Err(refused(Some(approval.id), codes));
    }
    Ok(VerifiedApproval {
        given: approval.approved_at.to_unix_seconds(),
        expires: approval.expires_at.to_unix_seconds(),
        id: approval.id,
        approver: approval.approved_by,
        mode: ApprovalMode::Human,
        assurance: Assurance::Asserted,
        kid: None,
        // Roles belong to keys, and there is none here.
        roles: Vec::new(),
        rules: Vec::new(),
        terms: None,
        token: document.to_owned(),
        token_hash: token_hash(document),
    })
}
