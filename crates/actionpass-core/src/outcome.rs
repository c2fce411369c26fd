//! [`Administrator::report`]: what came of a call that was made under a pass.

use actionpass_model::{
    Agent, Audience, DecisionBody, DecisionMode, DecisionRef, Digest, OutcomeBody, OutcomeSchema, OutcomeStatus,
    PassId, Statement, Tenant, UseBody,
};
use actionpass_store::ledger::RecordRef;
use actionpass_store::{Batch, OutcomeStore, Report, Reported, StoreCode, StoreError, StoredRecord, UsedPass};

use crate::{AdminError, Administrator};

/// What an executor reports of a call.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "callers name all of it")]
pub struct Outcome {
    /// The pass that the call was made under.
    pub pass: PassId,
    /// What became of the call.
    pub status: OutcomeStatus,
    /// What the provider calls what was done.
    pub provider_id: Option<Statement>,
    /// SHA-256 of the canonical result.
    pub result_hash: Option<Digest>,
}

/// What came of a call that was made though its decision was only observed.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "callers name all of it")]
pub struct ObservedOutcome {
    /// What became of the call.
    pub status: OutcomeStatus,
    /// What the provider calls what was done.
    pub provider_id: Option<Statement>,
    /// SHA-256 of the canonical result.
    pub result_hash: Option<Digest>,
}

/// What a decision that was only observed is about: who may report of it is judged by that.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ObservedFound {
    /// The tenant.
    pub tenant: Tenant,
    /// Who acted.
    pub agent: Agent,
    /// Where it would have been executed.
    pub audience: Audience,
}

/// Where a pass was used: who may report of it is judged by that.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct UseFound {
    /// Where it was consumed.
    pub audience: Audience,
    /// The tenant, as far as the record says it: those of releases before 0.2 don't.
    pub tenant: Option<Tenant>,
}

/// What became of what was reported.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "whoever reports must know each of them")]
pub enum OutcomeReported {
    /// It is recorded.
    Recorded(RecordRef),
    /// The same was recorded before.
    Before(RecordRef),
    /// Something else was recorded first.
    Contradicts {
        /// The outcome.
        first: RecordRef,
        /// The record that says that it was contradicted: by this report, or by one before.
        contradiction: RecordRef,
    },
    /// No use of the pass is recorded.
    Unused,
}

/// How often a report starts over because others report of the same pass: there are two records of one at most.
const MAX_ROUNDS: usize = 4;

impl Administrator {
    /// Where a pass of this issuer was used; `None` if no record says so.
    ///
    /// # Errors
    /// [`AdminError::Ledger`].
    pub async fn find_use(&self, store: &dyn OutcomeStore, pass: &PassId) -> Result<Option<UseFound>, AdminError> {
        let Some(used) = store.used(pass).await? else {
            return Ok(None);
        };
        let stored = record_at(store, used.used).await?;
        let record = stored.to_record().map_err(corrupt)?;
        let body: UseBody = stored.to_body().ok_or_else(|| corrupt("a use can't be read"))?;
        Ok(Some(UseFound {
            audience: body.audience,
            tenant: record.tenant,
        }))
    }

    /// Records what came of a call, once for each pass. The same said again is answered with the record of then; the first that
    /// says something else is recorded as a contradiction, and what is said after that isn't recorded.
    ///
    /// # Errors
    /// [`AdminError`]: it may be recorded or not, which the same report asked again tells.
    pub async fn report(
        &self,
        store: &dyn OutcomeStore,
        outcome: &Outcome,
        tenant: Option<Tenant>,
    ) -> Result<OutcomeReported, AdminError> {
        // Nearly always it is the first of its pass: what is there already is read once the store says that something is.
        let mut before = None;
        for _ in 0..MAX_ROUNDS {
            if let Some(used) = before
                && let Some(told) = told(store, used, outcome).await?
            {
                return Ok(told);
            }
            let contradicts = before.and_then(|used| used.outcome);
            let body = OutcomeBody {
                schema: OutcomeSchema,
                pass: Some(outcome.pass.clone()),
                decision: None,
                status: outcome.status,
                provider_id: outcome.provider_id.clone(),
                result_hash: outcome.result_hash,
                contradicts,
            };
            let mut record = self.draft(&body)?;
            if let Some(tenant) = &tenant {
                record = record.with_tenant(tenant.clone());
            }
            let report = Report {
                pass: outcome.pass.clone(),
                contradicts,
                record,
            };
            match store.report(report).await? {
                Reported::Recorded(record) => {
                    return Ok(match contradicts {
                        None => OutcomeReported::Recorded(record.to_ref()),
                        Some(first) => OutcomeReported::Contradicts {
                            first: reference(&record_at(store, first).await?)?,
                            contradiction: record.to_ref(),
                        },
                    });
                }
                Reported::Moved(used) => before = Some(used),
                Reported::Unused => return Ok(OutcomeReported::Unused),
            }
        }
        Err(corrupt("reports of one pass don't end").into())
    }
}

impl Administrator {
    /// What a decision that was only observed is about; `None` if the ledger has no such decision.
    ///
    /// # Errors
    /// [`AdminError::Ledger`].
    pub async fn find_observed(&self, decision: &DecisionRef) -> Result<Option<ObservedFound>, AdminError> {
        let read = self.ledger.read(decision.seq, 1).await?;
        let Some(stored) = read.into_iter().next().filter(|record| record.seq == decision.seq) else {
            return Ok(None);
        };
        let record = stored.to_record().map_err(corrupt)?;
        let body: Option<DecisionBody> = stored.to_body();
        let body = body.filter(|body| record.id == decision.id && body.mode == Some(DecisionMode::Observe));
        Ok(body.zip(record.tenant).map(|(body, tenant)| ObservedFound {
            tenant,
            agent: body.actor.agent,
            audience: body.audience,
        }))
    }

    /// Records what came of a call that was made though its decision was only observed. `None` if the ledger has no such
    /// decision of this tenant.
    ///
    /// # Errors
    /// [`AdminError`]: it may be recorded or not.
    pub async fn report_observed(
        &self,
        decision: &DecisionRef,
        tenant: &Tenant,
        outcome: &ObservedOutcome,
    ) -> Result<Option<RecordRef>, AdminError> {
        let found = self.find_observed(decision).await?;
        if found.is_none_or(|found| found.tenant != *tenant) {
            return Ok(None);
        }
        let body = OutcomeBody {
            schema: OutcomeSchema,
            pass: None,
            decision: Some(decision.clone()),
            status: outcome.status,
            provider_id: outcome.provider_id.clone(),
            result_hash: outcome.result_hash,
            contradicts: None,
        };
        let draft = self.draft(&body)?.with_tenant(tenant.clone());
        Ok(Some(self.append(Batch::of(draft)).await?))
    }
}

/// What the records say of a report already; `None` if it is to be recorded.
async fn told(
    store: &dyn OutcomeStore,
    used: UsedPass,
    outcome: &Outcome,
) -> Result<Option<OutcomeReported>, StoreError> {
    let Some(first) = used.outcome else { return Ok(None) };
    let first = record_at(store, first).await?;
    let body: OutcomeBody = first.to_body().ok_or_else(|| corrupt("an outcome can't be read"))?;
    let is_same = (body.status, &body.provider_id, body.result_hash)
        == (outcome.status, &outcome.provider_id, outcome.result_hash);
    if is_same {
        return Ok(Some(OutcomeReported::Before(reference(&first)?)));
    }
    let Some(contradiction) = used.contradiction else {
        return Ok(None);
    };
    Ok(Some(OutcomeReported::Contradicts {
        first: reference(&first)?,
        contradiction: reference(&record_at(store, contradiction).await?)?,
    }))
}

async fn record_at(store: &dyn OutcomeStore, seq: u64) -> Result<StoredRecord, StoreError> {
    let read = store.read(seq, 1).await?;
    let record = read.into_iter().next().filter(|record| record.seq == seq);
    record.ok_or_else(|| corrupt("a record is missing"))
}

fn reference(stored: &StoredRecord) -> Result<RecordRef, StoreError> {
    let record = stored.to_record().map_err(corrupt)?;
    Ok(RecordRef {
        seq: record.seq,
        id: record.id,
        ledger_hash: record.ledger_hash,
    })
}

fn corrupt(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::with_source(StoreCode::StoreCorrupt, source)
}
