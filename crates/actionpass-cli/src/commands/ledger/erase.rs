//! `ledger erase`: side data goes, by age; the records and their chain stay.

use std::collections::HashMap;
use std::time::Duration;

use actionpass_home::duration;
use actionpass_model::{
    ApprovalRequest, EndState, ErasureBody, ErasureSchema, Principal, RequestId, RuleId, Statement, Timestamp,
};
use actionpass_store::{Ledger, StateFilter};
use clap::Args;
use pollster::block_on;
use serde_json::json;

use crate::clock;
use crate::commands::requests::each;
use crate::context::{Administered, Context};
use crate::failure::Outcome;
use crate::input;
use crate::output::{Ink, Reply};

/// How many records one erasure names: their numbers, of at most 16 digits, fit the 65,535 bytes of its own record, and
/// leave room for reason and rules.
const BATCH: usize = 2048;

#[derive(Args, Debug)]
pub(crate) struct EraseArgs {
    /// Erase beside records that are older than this: `90d`
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    older_than: Duration,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Statement,
    /// A rule or law that it rests on; may be repeated
    #[arg(long = "rule", value_name = "RULE")]
    rules: Vec<RuleId>,
    /// Who erases [default: `user:` and your login]
    #[arg(long, value_name = "PRINCIPAL")]
    by: Option<Principal>,
}

impl EraseArgs {
    pub(super) fn run(self, context: &Context) -> Outcome<Reply> {
        let home = context.administer()?;
        let erased_by = input::principal(self.by)?;
        let age = u64::try_from(self.older_than.as_millis()).unwrap_or(u64::MAX);
        let now = clock::now()?;
        // Earlier than now, so a time as well.
        let before = Timestamp::from_unix_millis(now.unix_millis().saturating_sub(age)).unwrap_or(now);
        let requests = Requests::now(&home, now)?;
        let mut seq = 0;
        let (mut count, mut erasures) = (0_usize, Vec::new());
        let (mut ended, mut held) = (Vec::new(), 0_usize);
        loop {
            let (mut records, next) = next_batch(&home, seq, before)?;
            let found = records.len();
            records.retain(|seq| !requests.held.contains_key(seq));
            held = held.saturating_add(found.saturating_sub(records.len()));
            ended.extend(records.iter().filter_map(|seq| requests.live.get(seq)));
            if !records.is_empty() {
                count = count.saturating_add(records.len());
                let body = ErasureBody {
                    schema: ErasureSchema,
                    records,
                    erased_by: erased_by.clone(),
                    reason: self.reason.clone(),
                    rules: self.rules.clone(),
                };
                erasures.push(block_on(home.administrator.record(&body))?);
            }
            match next {
                Some(next) => seq = next,
                None => break,
            }
        }
        // Also where nothing was left to erase: an earlier call may have found the store busy.
        block_on(home.opened.store.purge())?;
        let mut talk = format!(
            "{} what lay beside {count} records from before {before}; the records stand\n",
            Ink::stderr().good("erased")
        );
        for request in &ended {
            talk.push_str(&format!("{request} waited and is cancelled: its action is gone\n"));
        }
        if held > 0 {
            talk.push_str(&format!(
                "left what lies beside {held} records of declined requests: without it the decline would hold nothing. \
                 Erase again once it holds no more\n"
            ));
        }
        let json = json!({
            "erased": count, "before": before, "records": erasures, "requestsCancelled": ended, "held": held,
        });
        Ok(Reply::new(json).with_talk(talk))
    }
}

/// The requests that an erasure has to do with, by the numbers of the records that opened them.
struct Requests {
    /// They wait, and end when their action is erased.
    live: HashMap<u64, RequestId>,
    /// Their declines hold: the store refuses to erase their actions.
    held: HashMap<u64, RequestId>,
}

impl Requests {
    fn now(home: &Administered, now: Timestamp) -> Outcome<Self> {
        let by_record = |state, is: fn(&ApprovalRequest, Timestamp) -> bool| -> Outcome<HashMap<u64, RequestId>> {
            let mut found = HashMap::new();
            each(&*home.opened.store, state, now, |request| {
                if is(&request, now) {
                    found.insert(request.decision.seq, request.id);
                }
            })?;
            Ok(found)
        };
        Ok(Self {
            live: by_record(StateFilter::Live, |_, _| true)?,
            held: by_record(StateFilter::Ended(EndState::Declined), actionpass_queue::holds)?,
        })
    }
}

/// At most [`BATCH`] records from `seq` on that have side data and are older, and where to go on.
fn next_batch(home: &Administered, seq: u64, before: Timestamp) -> Outcome<(Vec<u64>, Option<u64>)> {
    let store = &home.opened.store;
    let sided = block_on(store.sided(seq, BATCH))?;
    let next = sided.last().map(|last| last.saturating_add(1));
    let mut older = Vec::new();
    for seq in sided {
        let stored = block_on(store.read(seq, 1))?;
        // Several machines append, so times may go back: each record counts for itself.
        let is_older = match stored.first() {
            Some(record) if record.seq == seq => record.to_record()?.time < before,
            _ => false,
        };
        if is_older {
            older.push(seq);
        }
    }
    Ok((older, next))
}
