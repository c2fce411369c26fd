//! `ledger erase`: side data goes, by age; the records and their chain stay.

use std::time::Duration;

use actionpass_home::retention::{self, Erasure, Scope};
use actionpass_home::{HomeError, duration};
use actionpass_model::{Principal, RuleId, Statement, Timestamp};
use clap::{ArgGroup, Args};
use pollster::block_on;
use serde_json::json;

use crate::clock;
use crate::code::CliCode;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::input;
use crate::output::{Ink, Reply};

#[derive(Args, Debug)]
#[command(group(ArgGroup::new("age").required(true).args(["older_than", "due"])))]
pub(crate) struct EraseArgs {
    /// Erase beside records that are older than this: `90d`
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, requires = "reason")]
    older_than: Option<Duration>,
    /// Erase what is due by `[retention]` of the configuration, and nothing that something still needs: for a schedule of your own
    #[arg(long)]
    due: bool,
    /// Why [default with --due: the setting]
    #[arg(long, value_name = "TEXT")]
    reason: Option<Statement>,
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
        let now = clock::now()?;
        let (scope, reason) = match self.older_than {
            Some(age) => {
                let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
                // Earlier than now, so a time as well.
                let before = Timestamp::from_unix_millis(now.unix_millis().saturating_sub(age)).unwrap_or(now);
                (Scope::older_than(before), None)
            }
            None => {
                let Some(period) = home.opened.config.side_data_kept() else {
                    let problem = "config.toml doesn't say when side data is due: `side_data` of `[retention]`";
                    return Err(Failure::new(CliCode::OptionMissing, problem));
                };
                let scope = block_on(retention::due(&home.opened, period, now))?;
                (scope, retention::reason(period))
            }
        };
        let Some(reason) = self.reason.or(reason) else {
            return Err(Failure::new(CliCode::OptionMissing, "--reason says why"));
        };
        let why = Erasure {
            erased_by,
            reason,
            rules: self.rules,
        };
        let erasing = retention::erase(&home.opened, &home.administrator, &why, scope, now, usize::MAX);
        let erased = block_on(erasing).map_err(|error| match error {
            // As whoever administers meets it elsewhere.
            HomeError::Admin(error) => error.into(),
            error => Failure::from(error),
        })?;
        let (count, before) = (erased.count, scope.before);
        let mut talk = format!(
            "{} what lay beside {count} records from before {before}; the records stand\n",
            Ink::stderr().good("erased")
        );
        for request in &erased.ended {
            talk.push_str(&format!("{request} waited and is cancelled: its action is gone\n"));
        }
        if erased.held > 0 {
            talk.push_str(&match self.due {
                true => format!(
                    "left what lies beside {} records: a pass that holds, a request that waits or was declined, or a call whose \
                     outcome nobody reported still needs it\n",
                    erased.held
                ),
                false => format!(
                    "left what lies beside {} records of declined requests: without it the decline would hold nothing. \
                     Erase again once it holds no more\n",
                    erased.held
                ),
            });
        }
        if erased.is_left_in_free_room {
            talk.push_str("the room that it took is overwritten by the database's vacuum, or by the owner of its tables with the same command\n");
        }
        let json = json!({
            "erased": count, "before": before, "records": erased.records, "requestsCancelled": erased.ended,
            "held": erased.held,
        });
        Ok(Reply::new(json).with_talk(talk))
    }
}
