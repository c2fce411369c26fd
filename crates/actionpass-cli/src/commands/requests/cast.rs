//! `requests approve` and `requests decline`: a person looks at a request and signs a vote on it.

use actionpass_client::api::{FullRequest, RequestItem};
use actionpass_core::{Approval, RequestCode, RequestState, System};
use actionpass_crypto::Signer;
use actionpass_custody::KeyUri;
use actionpass_model::{
    AnyPrincipal as _, ApprovalRequest, Approver, Issuer, RequestId, Statement, Timestamp, VoteKind,
};
use clap::Args;
use pollster::block_on;
use serde_json::json;

use super::{exit, open, shown, state_reply};
use crate::clock;
use crate::commands::approve::asked::{self, Asked};
use crate::commands::approve::outlook::Outlook;
use crate::context::Context;
use crate::failure::Outcome;
use crate::gate::{Gate, GateArgs, Looked, Subject, Voter, not_votable};
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
    #[command(flatten)]
    gate: GateArgs,
}

impl CastArgs {
    pub(super) fn run(self, kind: VoteKind, context: &Context) -> Outcome<Reply> {
        let gate = open(&self.gate, context, None)?;
        let mut looked = gate.look(&self.id)?;
        let subject = votable(&mut looked)?;
        let request = &looked.full.request;
        if kind == VoteKind::Approve && self.has_approved(request) {
            return Err(not_votable(RequestCode::VoteRepeated, &request.id));
        }
        let signer = asked::signer(&self.key, &self.passphrase, self.yes)?;
        let voter = Voter {
            approver: &self.approver,
            kid: signer.as_ref().map(|signer| signer.public_key().kid()),
            now: clock::now()?,
        };
        let outlook = gate.outlook(&looked, &subject, &voter)?;
        let page = self.page(kind, &*gate, &looked.full, &subject, outlook.as_ref(), voter.now);
        let warning = outlook.as_ref().and_then(Outlook::warning);
        let warning = warning.filter(|_| kind == VoteKind::Approve);
        let warnings = warning.map(str::to_owned).into_iter().collect();
        let Subject {
            issuer, action, view, ..
        } = subject;
        let asked = Asked::new(kind, action, view, page, warnings);
        // A vote says what was shown, so something always is, with `--json` and `--yes` too.
        if !asked.is_shown() {
            return Err(asked::unanswered(kind));
        }
        if !self.yes {
            asked.confirm()?;
        }
        let signer = signer.ok_or_else(|| asked::unanswered(kind))?;
        let token = self.sign(kind, request, &asked, &*signer, &issuer)?;
        let item = gate.vote(&self.id, &token)?;
        self.reply(kind, &item, &*gate, context)
    }

    /// Whether the same person said yes before.
    fn has_approved(&self, request: &ApprovalRequest) -> bool {
        let mut votes = request.votes.iter();
        votes.any(|vote| vote.kind == VoteKind::Approve && vote.principal.is_same_person_as(&self.approver))
    }

    /// What comes of the vote.
    fn page(
        &self,
        kind: VoteKind,
        gate: &dyn Gate,
        full: &FullRequest,
        subject: &Subject,
        outlook: Option<&Outlook>,
        now: Timestamp,
    ) -> Page {
        let request = &full.request;
        let does = match kind {
            VoteKind::Approve => "approves",
            VoteKind::Decline => "DECLINES",
        };
        let mut page = Page::default();
        page.line(&format!("{} {does} {}", self.approver, request.id));
        page.named("issuer", subject.issuer.as_str());
        page.named("expires", &request.expires_at.to_string());
        page.named("reason", self.reason.as_str());
        shown::votes(full, &mut page);
        if outlook.is_none() {
            for missing in shown::missing(&full.missing) {
                page.named("missing", &missing);
            }
        }
        match (kind, outlook) {
            (VoteKind::Approve, Some(outlook)) => outlook.write(&mut page),
            (VoteKind::Approve, None) => page.named("with this", "the service says, once it has the vote"),
            (VoteKind::Decline, outlook) => {
                if let Some(outlook) = outlook {
                    outlook.write_so_far(&mut page);
                }
                let holds = gate.decline_holds();
                let until = holds.map(|holds| now.saturating_add(holds).max(request.expires_at));
                let until = until.map_or_else(|| "for a time".to_owned(), |until| format!("until {until}"));
                let text = format!("declined; the same action of this agent is denied {until}");
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
        issuer: &Issuer,
    ) -> Outcome<String> {
        let vote = Approval::human(self.approver.clone(), self.reason.clone())
            .for_request(request)
            .with_shown(asked.view.shown());
        let now = clock::now()?;
        Ok(match kind {
            VoteKind::Approve => block_on(vote.sign(&asked.action, issuer, signer, now, &System))?,
            VoteKind::Decline => block_on(vote.sign_refusal(&asked.action, issuer, signer, now, &System))?,
        })
    }

    fn reply(&self, kind: VoteKind, item: &RequestItem, gate: &dyn Gate, context: &Context) -> Outcome<Reply> {
        let ink = Ink::stderr();
        let mut talk = match kind {
            VoteKind::Approve => format!("{} by {}\n", ink.good("approved"), self.approver),
            VoteKind::Decline => format!("{} by {}\n", ink.bad("declined"), self.approver),
        };
        match item.state {
            RequestState::Approved => {
                talk.push_str(
                    "nobody else is needed: the same call again is allowed, as long as policy and trust stay\n",
                );
            }
            RequestState::Pending => {
                for missing in shown::missing(&item.missing) {
                    talk.push_str(&format!("  {} {missing}\n", ink.bold("still needs")));
                }
                let wait = format!("{} requests wait {}{}", context.program(), self.id, gate.options());
                talk.push_str(&format!("next:\n  {}\n", ink.bold(&wait)));
            }
            _ => {}
        }
        let exit = match kind {
            VoteKind::Approve => exit(item.state),
            VoteKind::Decline => 0,
        };
        Ok(state_reply(item)?
            .with_members(json!({ "vote": { "kind": kind.as_str(), "principal": self.approver } }))
            .with_exit(exit)
            .with_talk(talk))
    }
}

/// What a vote is signed over, of a request that can be voted on.
fn votable(looked: &mut Looked) -> Outcome<Subject> {
    let full = &looked.full;
    let id = &full.request.id;
    let ended = match full.state {
        RequestState::Pending | RequestState::Approved => None,
        RequestState::Used => Some(RequestCode::RequestUsed),
        RequestState::Declined => Some(RequestCode::RequestDeclined),
        RequestState::Cancelled => Some(RequestCode::RequestCancelled),
        RequestState::Expired => Some(RequestCode::RequestExpired),
    };
    let void = [RequestCode::RequestSuperseded, RequestCode::RequestStateLost];
    let is_void = |code: &RequestCode| full.reasons.iter().any(|reason| reason.code == code.as_str());
    if let Some(code) = ended.or_else(|| void.into_iter().find(is_void)) {
        return Err(not_votable(code, id));
    }
    let subject = looked.subject.take();
    subject.ok_or_else(|| not_votable(RequestCode::RequestErased, id))
}
