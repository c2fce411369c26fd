//! `revoke`: what must no longer be accepted, from now on.

use std::collections::BTreeSet;
use std::time::Duration;

use actionpass_core::NewRevocation;
use actionpass_model::{
    ApprovalId, Approver, DecisionBody, Issuer, KeyId, PassId, Principal, RecordKind, RevocationTarget, Statement,
    Timestamp,
};
use actionpass_store::Ledger;
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::clock;
use crate::code::CliCode;
use crate::context::{Administered, Context};
use crate::failure::{Failure, Outcome};
use crate::input;
use crate::output::{Ink, Reply};
use crate::public_key::{find, target_text};
use pollster::block_on;

/// From when on the revocation of a pass of ours may be pruned: a pass holds an hour at most, and an hour more has to
/// go by; the rest is for clocks.
const PASS_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// The same for an approval, which holds a day at most.
const APPROVAL_KEPT: Duration = Duration::from_secs(48 * 60 * 60);

#[derive(Args, Debug)]
pub(crate) struct RevokeArgs {
    /// What kind of thing
    kind: Kind,
    /// Its id: `ap_…`, `apr_…`, a kid or its start, or a principal such as `agent:codex-prod`
    #[arg(allow_hyphen_values = true)]
    id: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Statement,
    /// The issuer of the pass [default: the home's]
    #[arg(long, value_name = "ISSUER")]
    issuer: Option<Issuer>,
    /// Who gave the approval [default: whoever the ledger says]
    #[arg(long, value_name = "PRINCIPAL")]
    approver: Option<Approver>,
    /// Since when the key may have been in other hands
    #[arg(long, value_name = "TIME", value_parser = clock::parse_timestamp)]
    compromised_since: Option<Timestamp>,
    /// Who revokes [default: `user:` and your login]
    #[arg(long, value_name = "PRINCIPAL")]
    by: Option<Principal>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Kind {
    /// One pass
    Pass,
    /// One approval
    Approval,
    /// A key, and everything that it signed
    Key,
    /// An agent, owner, runtime, tenant or approver
    Principal,
}

impl RevokeArgs {
    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        let usage = |problem: &str| Err(Failure::new(CliCode::UsageInvalid, problem));
        if self.issuer.is_some() && self.kind != Kind::Pass {
            return usage("--issuer is for passes");
        }
        if self.approver.is_some() && self.kind != Kind::Approval {
            return usage("--approver is for approvals");
        }
        if self.compromised_since.is_some() && self.kind != Kind::Key {
            return usage("--compromised-since is for keys");
        }
        let home = context.administer()?;
        let now = clock::now()?;
        let target = self.target(&home)?;
        let expires_at = match &target {
            RevocationTarget::Pass { issuer: of, .. } if *of == home.opened.config.issuer => {
                Some(now.saturating_add(PASS_KEPT))
            }
            RevocationTarget::Approval { .. } => Some(now.saturating_add(APPROVAL_KEPT)),
            _ => None,
        };
        let revocation = NewRevocation {
            target,
            reason: self.reason,
            revoked_by: input::principal(self.by)?,
            compromised_since: self.compromised_since,
            expires_at,
        };
        let (revocation, record) = block_on(home.administrator.revoke(revocation))?;
        let (kind, id) = target_text(&revocation.target);
        // Another approver may have chosen the same id: whose it is has to be seen.
        let whose = match &revocation.target {
            RevocationTarget::Approval { approver, .. } => format!(" of {approver}"),
            _ => String::new(),
        };
        let json = json!({ "revocation": revocation, "record": &record });
        let mut talk = format!(
            "{} {kind} {id}{whose} as of {}\n",
            Ink::stderr().good("revoked"),
            revocation.revoked_at
        );
        if matches!(&revocation.target, RevocationTarget::Key(kid) if home.opened.home.signing_kid(&home.opened.config).as_ref() == Some(kid))
        {
            talk.push_str(
                "This was the signing key: nothing is issued until there is another, and its passes are refused.\n",
            );
        }
        talk.push_str(&format!(
            "Hand the trust store on to your executors: `{} trust export`.\n",
            context.program()
        ));
        Ok(Reply::new(json)
            .with_data(format!("{}\n", revocation.id))
            .with_talk(talk))
    }

    fn target(&self, home: &Administered) -> Outcome<RevocationTarget> {
        let refused =
            |error: actionpass_model::TextError| Failure::new(CliCode::UsageInvalid, format!("`{}`: {error}", self.id));
        Ok(match self.kind {
            Kind::Pass => RevocationTarget::Pass {
                id: PassId::parse(&self.id).map_err(refused)?,
                issuer: self.issuer.clone().unwrap_or_else(|| home.opened.config.issuer.clone()),
            },
            Kind::Approval => {
                let id = ApprovalId::parse(&self.id).map_err(refused)?;
                let approver = match &self.approver {
                    Some(approver) => approver.clone(),
                    None => approver_of(&id, home)?,
                };
                RevocationTarget::Approval { id, approver }
            }
            // A key that isn't in the trust store can be revoked too: then it can never be added.
            Kind::Key => RevocationTarget::Key(match KeyId::parse(&self.id) {
                Ok(kid) => kid,
                Err(_) => find(home.trust()?.keyring(), &self.id)?,
            }),
            Kind::Principal => RevocationTarget::Principal(Principal::parse(&self.id).map_err(refused)?),
        })
    }
}

/// Who gave an approval that decisions relied on, out of the ledger. Approvers choose the ids of their approvals, so the
/// whole log is read: where two chose this one, nobody's is taken.
fn approver_of(id: &ApprovalId, home: &Administered) -> Outcome<Approver> {
    const PAGE: usize = 256;
    let mut approvers = BTreeSet::new();
    let mut seq = 0;
    loop {
        let records = block_on(home.opened.store.read(seq, PAGE))?;
        let Some(last) = records.last().map(|record| record.seq) else {
            break;
        };
        for record in &records {
            let record = record.to_record()?;
            if record.kind != RecordKind::Decision {
                continue;
            }
            let body = serde_json::to_vec(&record.body).map_err(|error| Failure::internal(&error))?;
            let body: DecisionBody = serde_json::from_slice(&body).map_err(|error| Failure::internal(&error))?;
            let given = body.approvals.into_iter().filter(|approval| approval.id == *id);
            approvers.extend(given.map(|approval| approval.approved_by));
        }
        seq = last.saturating_add(1);
    }
    let mut found = approvers.iter();
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only.clone()),
        (None, _) => Err(Failure::new(
            CliCode::OptionMissing,
            "--approver is needed: no decision in the ledger relied on this approval",
        )),
        (Some(_), Some(_)) => {
            let names: Vec<&str> = approvers.iter().map(Approver::as_str).collect();
            let problem = format!("the approvals of several approvers have this id: {}", names.join(", "));
            Err(Failure::new(CliCode::ApproverAmbiguous, problem).with_hint("say whose is meant with --approver"))
        }
    }
}
