//! `revoke`: what must no longer be accepted, from now on.

use std::collections::BTreeSet;

use actionpass_core::{AdminError, Administrator, NewRevocation, System, prunable_from, revoke_unrecorded};
use actionpass_home::{Config, Home, HomeError, OpenHome};
use actionpass_model::{
    ApprovalId, Approver, DecisionBody, Issuer, KeyId, PassId, Principal, Record, RecordKind, RequestBody, Revocation,
    RevocationId, RevocationTarget, Statement, Timestamp,
};
use actionpass_store::ledger::RecordRef;
use actionpass_store::trust_file::TrustSnapshot;
use actionpass_store::{Ledger, TrustDocument as _};
use actionpass_verify::Trust;
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::clock;
use crate::code::CliCode;
use crate::context::{Administered, Context};
use crate::failure::{Failure, Outcome};
use crate::input;
use crate::output::{Ink, Reply};
use crate::public_key::{find, target_text};
use pollster::block_on;

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
        let reach = Reach::of(context)?;
        let now = clock::now()?;
        let target = self.target(&reach)?;
        let expires_at = prunable_from(&target, reach.issuer(), now);
        let revocation = NewRevocation {
            target,
            reason: self.reason,
            revoked_by: input::principal(self.by)?,
            compromised_since: self.compromised_since,
            expires_at,
        };
        let (revocation, record) = reach.revoke(revocation, now)?;
        let (kind, id) = target_text(&revocation.target);
        // Another approver may have chosen the same id: whose it is has to be seen.
        let whose = match &revocation.target {
            RevocationTarget::Approval { approver, .. } => format!(" of {approver}"),
            _ => String::new(),
        };
        let ink = Ink::stderr();
        let mut talk = format!(
            "{} {kind} {id}{whose} as of {}\n",
            ink.good("revoked"),
            revocation.revoked_at
        );
        if matches!(&revocation.target, RevocationTarget::Key(kid) if reach.signing_kid().as_ref() == Some(kid)) {
            talk.push_str(
                "This was the signing key: nothing is issued until there is another, and its passes are refused.\n",
            );
        }
        let program = context.program();
        let put_back = match &reach {
            Reach::Whole { put_back, .. } => put_back.as_ref(),
            Reach::TrustAlone { .. } => None,
        };
        let mut json = serde_json::Map::from_iter([("revocation".to_owned(), json!(revocation))]);
        if let Some(put_back) = put_back {
            talk.push_str(&put_back.talk(ink));
            json.insert("putBack".to_owned(), json!(put_back));
        }
        match record {
            Ok(record) => drop(json.insert("record".to_owned(), json!(record))),
            Err(unrecorded) => {
                talk.push_str(&unrecorded.talk(ink, &program));
                json.insert("warning".to_owned(), unrecorded.json());
            }
        }
        talk.push_str(&format!(
            "Hand the trust store on to your executors: `{program} trust export`.\n"
        ));
        Ok(Reply::new(json.into())
            .with_data(format!("{}\n", revocation.id))
            .with_talk(talk))
    }

    fn target(&self, reach: &Reach) -> Outcome<RevocationTarget> {
        let refused =
            |error: actionpass_model::TextError| Failure::new(CliCode::UsageInvalid, format!("`{}`: {error}", self.id));
        Ok(match self.kind {
            Kind::Pass => {
                let issuer = self.issuer.as_ref().or_else(|| reach.issuer()).cloned();
                let missing = || {
                    Failure::new(
                        CliCode::OptionMissing,
                        "--issuer is needed: the configuration can't be read",
                    )
                };
                RevocationTarget::Pass {
                    id: PassId::parse(&self.id).map_err(refused)?,
                    issuer: issuer.ok_or_else(missing)?,
                }
            }
            Kind::Approval => {
                let id = ApprovalId::parse(&self.id).map_err(refused)?;
                let approver = match (&self.approver, reach) {
                    (Some(approver), _) => approver.clone(),
                    (None, Reach::Whole { home, .. }) => approver_of(&id, home)?,
                    (None, Reach::TrustAlone { .. }) => {
                        let problem = "--approver is needed: the ledger, which would say whose it is, can't be read";
                        return Err(Failure::new(CliCode::OptionMissing, problem));
                    }
                };
                RevocationTarget::Approval { id, approver }
            }
            // A key that isn't in the trust store can be revoked too: then it can never be added.
            Kind::Key => RevocationTarget::Key(match KeyId::parse(&self.id) {
                Ok(kid) => kid,
                Err(_) => find(reach.trust()?.keyring(), &self.id)?,
            }),
            Kind::Principal => RevocationTarget::Principal(Principal::parse(&self.id).map_err(refused)?),
        })
    }
}

/// As much of a home as can be had: what is stolen must be revoked also where parts of the home are broken.
#[derive(Debug)]
enum Reach {
    /// Trust store and ledger.
    Whole {
        home: Box<Administered>,
        /// What a trust store that went back lacked.
        put_back: Option<PutBack>,
    },
    /// The trust store without a ledger, or without the configuration that says whose it is.
    TrustAlone {
        home: Home,
        config: Option<Box<Config>>,
        trust: Box<TrustSnapshot>,
        why: Failure,
    },
}

impl Reach {
    fn of(context: &Context) -> Outcome<Self> {
        let home = context.home()?;
        let opened = match OpenHome::open_to_administer(home.clone()) {
            Ok(opened) => opened,
            Err(error) => return Self::trust_alone(home, error.into()),
        };
        let administrator = opened.administrator();
        match block_on(administrator.open()) {
            Ok(trust) => Ok(Self::Whole {
                home: Box::new(Administered::new(opened, administrator, trust)),
                put_back: None,
            }),
            Err(error) if Administrator::went_back(&error) => {
                let put_back = PutBack::into(&administrator)?;
                let trust = block_on(administrator.open()).map_err(HomeError::from)?;
                Ok(Self::Whole {
                    home: Box::new(Administered::new(opened, administrator, trust)),
                    put_back: Some(put_back),
                })
            }
            Err(error @ AdminError::Ledger(_)) => Self::trust_alone(home, HomeError::from(error).into()),
            Err(error) => Err(without_trust(HomeError::from(error))),
        }
    }

    fn trust_alone(home: Home, why: Failure) -> Outcome<Self> {
        if home.names_database() {
            // A trust.json that lies here is an export at most: what is revoked in it counts nowhere.
            return Err(
                why.with_hint("the trust store is in the database too: nothing can be revoked before it answers")
            );
        }
        let file = home.trust_file()?;
        let trust = file.read().map_err(|error| without_trust(error.into()))?;
        Ok(Self::TrustAlone {
            config: home.config().ok().map(Box::new),
            home,
            trust: Box::new(trust),
            why,
        })
    }

    /// Revokes, and gives the record or why there is none yet.
    fn revoke(
        &self,
        revocation: NewRevocation,
        now: Timestamp,
    ) -> Outcome<(Revocation, Result<RecordRef, Unrecorded>)> {
        match self {
            Self::Whole { home, .. } => match block_on(home.administrator.revoke(revocation)) {
                Ok((revocation, record)) => Ok((revocation, Ok(record))),
                Err(AdminError::Unrecorded { revocation, source }) => {
                    let version = block_on(home.opened.trust.read())
                        .map_err(HomeError::from)?
                        .document
                        .version;
                    let told = home.opened.home.witness_trust(Some(&home.opened.config), version);
                    Ok((*revocation, Err(Unrecorded::new(source.into(), told))))
                }
                Err(error) => Err(error.into()),
            },
            Self::TrustAlone { home, config, why, .. } => {
                let file = home.trust_file()?;
                let (revocation, trust) = block_on(revoke_unrecorded(revocation, &file, now, &System))?;
                let told = home.witness_trust(config.as_deref(), trust.version);
                Ok((revocation, Err(Unrecorded::new(why.clone(), told))))
            }
        }
    }

    fn config(&self) -> Option<&Config> {
        match self {
            Self::Whole { home, .. } => Some(&home.opened.config),
            Self::TrustAlone { config, .. } => config.as_deref(),
        }
    }

    fn issuer(&self) -> Option<&Issuer> {
        self.config().map(|config| &config.issuer)
    }

    fn signing_kid(&self) -> Option<KeyId> {
        match self {
            Self::Whole { home, .. } => home.opened.home.signing_kid(&home.opened.config),
            Self::TrustAlone { home, config, .. } => home.signing_kid(config.as_deref()?),
        }
    }

    fn trust(&self) -> Outcome<Trust> {
        match self {
            Self::Whole { home, .. } => home.trust(),
            Self::TrustAlone { trust, .. } => Ok(Trust::from_snapshot(trust)?),
        }
    }
}

/// Why the ledger doesn't hold the record of a revocation yet, and whether something else notices if that is lost.
#[derive(Debug)]
struct Unrecorded {
    why: Failure,
    is_witnessed: bool,
}

impl Unrecorded {
    /// With what the witness said that was told the version of the trust store.
    fn new(why: Failure, told: Result<bool, HomeError>) -> Self {
        Self {
            why,
            is_witnessed: told.unwrap_or(false),
        }
    }

    fn json(&self) -> serde_json::Value {
        json!({ "code": self.why.code().as_str(), "message": self.why.message(), "witnessed": self.is_witnessed })
    }

    fn talk(&self, ink: Ink, program: &str) -> String {
        let kept = if self.is_witnessed {
            "The witness knows its version: if an older trust.json is put back, nothing is issued."
        } else {
            "There is no witness to know of it: keep a copy of trust.json until the ledger has the record."
        };
        format!(
            "{} in the trust store alone, which is what executors are handed: {}\n\
             The ledger gets the record when it is opened next; `{program} doctor` says what to mend. {kept}\n",
            ink.warn("warning"),
            self.why.message()
        )
    }
}

/// There is no trust store to write to. Any copy of it will do, since what it lacks is put back.
fn without_trust(error: HomeError) -> Failure {
    Failure::from(error).with_hint(
        "put any copy of trust.json back, an executor's for instance, and run this again: what it lacks is put back",
    )
}

/// What was put back into a trust store that went back.
#[derive(Debug, Serialize)]
pub(crate) struct PutBack {
    /// The version of the trust store since.
    version: u64,
    revocations: Vec<RevocationId>,
}

impl PutBack {
    /// Puts back what the ledger holds.
    pub(crate) fn into(administrator: &Administrator) -> Outcome<Self> {
        let put_back = block_on(administrator.put_back_revocations());
        let (revocations, trust) = put_back.map_err(HomeError::from)?;
        Ok(Self {
            version: trust.version,
            revocations: revocations.into_iter().map(|revocation| revocation.id).collect(),
        })
    }

    /// What to say of it.
    pub(crate) fn talk(&self, ink: Ink) -> String {
        format!(
            "{} the trust store had gone back. {} of its revocations were put back from the ledger; it is version {} now.\n\
             Keys are as the older file has them: see whether one that was retired or removed since is back (`trust show`).\n",
            ink.warn("warning"),
            self.revocations.len(),
            self.version
        )
    }
}

fn read<B: DeserializeOwned>(record: &Record) -> Outcome<B> {
    let body = serde_json::to_vec(&record.body).map_err(|error| Failure::internal(&error))?;
    serde_json::from_slice(&body).map_err(|error| Failure::internal(&error))
}

/// Who gave an approval that decisions relied on, or that was a vote on a request, out of the ledger. Approvers choose the ids of their approvals, so the
/// whole log is read: where two chose this one, nobody's is taken.
fn approver_of(id: &ApprovalId, home: &Administered) -> Outcome<Approver> {
    const PAGE: usize = 256;
    let mut approvers = BTreeSet::new();
    if block_on(home.opened.store.state())?.first.size() > 0 {
        let problem = "--approver is needed: the first records are in archives, where others may have chosen this id";
        return Err(Failure::new(CliCode::OptionMissing, problem));
    }
    let mut seq = 0;
    loop {
        let records = block_on(home.opened.store.read(seq, PAGE))?;
        let Some(last) = records.last().map(|record| record.seq) else {
            break;
        };
        for record in &records {
            let record = record.to_record()?;
            if record.kind == RecordKind::Decision {
                let given = read::<DecisionBody>(&record)?.approvals.into_iter();
                let given = given.filter(|approval| approval.id == *id);
                approvers.extend(given.map(|approval| approval.approved_by));
            } else if record.kind == RecordKind::Request {
                let body: RequestBody = read(&record)?;
                let voter = body.principal.filter(|_| body.vote.as_ref() == Some(id));
                approvers.extend(voter.and_then(|voter| Approver::parse(voter.as_str()).ok()));
            }
        }
        seq = last.saturating_add(1);
    }
    let mut found = approvers.iter();
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only.clone()),
        (None, _) => Err(Failure::new(
            CliCode::OptionMissing,
            "--approver is needed: no decision in the ledger relied on this approval, and it is no vote",
        )),
        (Some(_), Some(_)) => {
            let names: Vec<&str> = approvers.iter().map(Approver::as_str).collect();
            let problem = format!("the approvals of several approvers have this id: {}", names.join(", "));
            Err(Failure::new(CliCode::ApproverAmbiguous, problem).with_hint("say whose is meant with --approver"))
        }
    }
}
