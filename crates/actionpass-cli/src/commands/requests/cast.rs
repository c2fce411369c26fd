//! `requests approve` and `requests decline`: a person looks at a request and signs a vote on it.

use std::time::Duration;

use actionpass_canon::BoundAction;
use actionpass_core::{Approval, RequestCode, RequestState, Review, System};
use actionpass_crypto::Signer;
use actionpass_custody::KeyUri;
use actionpass_model::{
    AnyPrincipal as _, ApprovalMode, ApprovalRequest, Approver, KeyId, RequestId, Statement, Timestamp, VoteKind,
};
use actionpass_policy::PolicyEngine;
use actionpass_verify::VerifyCode;
use clap::Args;
use pollster::block_on;
use serde_json::json;

use super::{Queue, exit, shown, state_reply};
use crate::clock;
use crate::commands::approve::asked::{self, Asked};
use crate::commands::approve::known::{Known, Worth};
use crate::commands::approve::outlook::Outlook;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{Ink, Reply};
use crate::passphrase::PassphraseArgs;
use crate::render::Page;

#[derive(Args, Debug)]
pub(crate) struct CastArgs {
    /// The request, `req_…`
    #[arg(value_name = "ID")]
    id: RequestId,
    /// Your own key: a file, or a URI such as `ssh-agent:SHA256:…` or `pkcs11:…`
    #[arg(long, value_name = "KEY", value_parser = KeyUri::parse)]
    key: KeyUri,
    /// Who you are: `user:…` or `service:…`, as the issuer's trust store has it
    #[arg(long = "as", value_name = "PRINCIPAL")]
    approver: Approver,
    /// Why; whoever asked for the action reads it
    #[arg(long, value_name = "TEXT")]
    reason: Statement,
    /// Don't ask: whoever runs this has seen the action
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl CastArgs {
    pub(super) fn run(self, kind: VoteKind, context: &Context) -> Outcome<Reply> {
        let queue = Queue::open(context)?;
        let review = queue.review(&self.id)?;
        let action = votable(&review)?;
        if kind == VoteKind::Approve && self.has_approved(&review.request) {
            return Err(refused(RequestCode::VoteRepeated, &review.request));
        }
        let issuer = queue.home.config.issuer.clone();
        let known = Known::read(None, None, &issuer, context)?;
        let signer = asked::signer(&self.key, &self.passphrase, self.yes)?;
        let now = clock::now()?;

        let kid = signer.as_ref().map(|signer| signer.public_key().kid());
        let outlook = self.outlook(&known, kid, &review, action, now)?;
        let view = shown::view(&review)?.ok_or_else(|| refused(RequestCode::RequestErased, &review.request))?;
        let page = self.page(kind, &queue, &review, &outlook, now);
        let warning = outlook.warning().filter(|_| kind == VoteKind::Approve);
        let warnings = warning.map(str::to_owned).into_iter().collect();
        let asked = Asked::new(kind, action.clone(), view, page, warnings);
        // A vote says what was shown, so something always is, with `--json` and `--yes` too.
        if !asked.is_shown() {
            return Err(asked::unanswered(kind));
        }
        if !self.yes {
            asked.confirm()?;
        }
        let signer = signer.ok_or_else(|| asked::unanswered(kind))?;
        let token = self.sign(kind, &review.request, &asked, &*signer, &queue)?;
        let review = block_on(queue.issuer.vote(&self.id, &token))?;
        Ok(self.reply(kind, &review, context))
    }

    /// Whether the same person said yes before.
    fn has_approved(&self, request: &ApprovalRequest) -> bool {
        let mut votes = request.votes.iter();
        votes.any(|vote| vote.kind == VoteKind::Approve && vote.principal.is_same_person_as(&self.approver))
    }

    /// What the policy makes of the action so far and with this vote. A vote that would not be taken is refused before anybody
    /// is asked to sign it.
    fn outlook(
        &self,
        known: &Known,
        kid: Option<&KeyId>,
        review: &Review,
        action: &BoundAction,
        now: Timestamp,
    ) -> Outcome<Outlook> {
        let request = &review.request;
        let policy = known.policy.as_ref();
        let policy = policy.map_err(|why| Failure::new(RequestCode::RequestSuperseded, *why))?;
        // It was put there after the issuer was opened: the next command sees it in force.
        if policy.digest() != request.policy.digest {
            return Err(refused(RequestCode::RequestSuperseded, request));
        }
        let worth = match kid {
            Some(kid) => known.worth(kid, &self.approver, &request.tenant, now)?,
            None => Worth::KeyClosed,
        };
        let outlook = |before: &[_], grant| Outlook::new(policy, action, &review.facts, now, before, grant);
        let roles = match worth {
            Worth::Counts(roles) => roles,
            Worth::Nothing(code, why) => return Err(Failure::new(code, why)),
            Worth::KeyMissing | Worth::TrustMissing => {
                let problem = "the trust store lacks this key";
                return Err(Failure::new(VerifyCode::ApprovalKeyUnknown, problem)
                    .with_hint("`actionpass trust add` lets it in, with the roles of its owner"));
            }
            // Nothing is signed.
            Worth::KeyClosed => return Ok(outlook(&review.grants, Err("the key needs its passphrase"))),
        };
        let grant = asked::grant(&self.approver, roles, ApprovalMode::Human, &[], now)?;
        // Whether it is needed beside those of others isn't asked: one of these may fall away.
        if let Some(why) = outlook(&[], Ok(Some(grant.clone()))).useless() {
            let problem = format!("a vote of `{}` doesn't count: {why}", self.approver);
            return Err(Failure::new(RequestCode::VoteNotCounted, problem));
        }
        Ok(outlook(&review.grants, Ok(Some(grant))))
    }

    /// What comes of the vote.
    fn page(&self, kind: VoteKind, queue: &Queue, review: &Review, outlook: &Outlook, now: Timestamp) -> Page {
        let request = &review.request;
        let does = match kind {
            VoteKind::Approve => "approves",
            VoteKind::Decline => "DECLINES",
        };
        let mut page = Page::default();
        page.line(&format!("{} {does} {}", self.approver, request.id));
        page.named("issuer", queue.home.config.issuer.as_str());
        page.named("expires", &request.expires_at.to_string());
        page.named("reason", self.reason.as_str());
        shown::votes(review, &mut page);
        match kind {
            VoteKind::Approve => outlook.write(&mut page),
            VoteKind::Decline => {
                outlook.write_so_far(&mut page);
                let holds: Duration = queue.home.config.request_terms().decline_holds;
                let until = now.saturating_add(holds).max(request.expires_at);
                let text = format!("declined; the same action of this agent is denied until {until}");
                page.named("with this", &text);
            }
        }
        page
    }

    fn sign(
        &self,
        kind: VoteKind,
        request: &ApprovalRequest,
        asked: &Asked,
        signer: &dyn Signer,
        queue: &Queue,
    ) -> Outcome<String> {
        let vote = Approval::human(self.approver.clone(), self.reason.clone())
            .for_request(request)
            .with_shown(asked.view.shown());
        let (issuer, now) = (&queue.home.config.issuer, clock::now()?);
        Ok(match kind {
            VoteKind::Approve => block_on(vote.sign(&asked.action, issuer, signer, now, &System))?,
            VoteKind::Decline => block_on(vote.sign_refusal(&asked.action, issuer, signer, now, &System))?,
        })
    }

    fn reply(&self, kind: VoteKind, review: &Review, context: &Context) -> Reply {
        let ink = Ink::stderr();
        let mut talk = match kind {
            VoteKind::Approve => format!("{} by {}\n", ink.good("approved"), self.approver),
            VoteKind::Decline => format!("{} by {}\n", ink.bad("declined"), self.approver),
        };
        match review.state {
            RequestState::Approved => {
                talk.push_str(
                    "nobody else is needed: the same call again is allowed, as long as policy and trust stay\n",
                );
            }
            RequestState::Pending => {
                for missing in shown::missing(review) {
                    talk.push_str(&format!("  {} {missing}\n", ink.bold("still needs")));
                }
                let wait = format!("{} requests wait {}", context.program(), self.id);
                talk.push_str(&format!("next:\n  {}\n", ink.bold(&wait)));
            }
            _ => {}
        }
        let exit = match kind {
            VoteKind::Approve => exit(review.state),
            VoteKind::Decline => 0,
        };
        state_reply(review)
            .with_members(json!({ "vote": { "kind": kind.as_str(), "principal": self.approver } }))
            .with_exit(exit)
            .with_talk(talk)
    }
}

/// The action of a request that can be voted on.
fn votable(review: &Review) -> Outcome<&BoundAction> {
    let request = &review.request;
    let ended = match review.state {
        RequestState::Pending | RequestState::Approved => None,
        RequestState::Used => Some(RequestCode::RequestUsed),
        RequestState::Declined => Some(RequestCode::RequestDeclined),
        RequestState::Cancelled => Some(RequestCode::RequestCancelled),
        RequestState::Expired => Some(RequestCode::RequestExpired),
    };
    let void = [RequestCode::RequestSuperseded, RequestCode::RequestStateLost];
    let is_void = |code: &RequestCode| review.reasons.iter().any(|reason| reason.code == code.as_str());
    if let Some(code) = ended.or_else(|| void.into_iter().find(is_void)) {
        return Err(refused(code, request));
    }
    let action = review.action.as_ref();
    action.ok_or_else(|| refused(RequestCode::RequestErased, request))
}

fn refused(code: RequestCode, request: &ApprovalRequest) -> Failure {
    let meaning = code.meaning().trim();
    Failure::new(code, format!("{} can't be voted on. {meaning}", request.id))
}
