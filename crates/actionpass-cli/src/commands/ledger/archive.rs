//! `ledger archive`: the first records go to an export with a signed head, and out of the store.

use std::path::PathBuf;
use std::time::Duration;

use actionpass_home::{ArchiveError, Archiving, duration, retention};
use actionpass_model::{Principal, Statement};
use clap::{ArgGroup, Args};
use pollster::block_on;
use serde_json::json;

use crate::clock;
use crate::context::Context;
use crate::failure::Outcome;
use crate::input;
use crate::output::{Ink, Reply};
use crate::passphrase::PassphraseArgs;

#[derive(Args, Debug)]
#[command(group(ArgGroup::new("end").required(true).args(["until", "older_than"])))]
pub(crate) struct ArchiveArgs {
    /// The last record that is archived, by its number
    #[arg(long, value_name = "SEQ")]
    until: Option<u64>,
    /// Archive records that are older than this, up to the first that something still needs: `400d`
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    older_than: Option<Duration>,
    /// The folder that the archive goes to: two new files, the records and the signed head
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Statement,
    /// Write and verify the archive, and leave the records in the store
    #[arg(long)]
    keep: bool,
    /// Who archives [default: `user:` and your login]
    #[arg(long, value_name = "PRINCIPAL")]
    by: Option<Principal>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl ArchiveArgs {
    pub(super) fn run(self, context: &Context) -> Outcome<Reply> {
        let home = context.administer()?;
        let opened = &home.opened;
        let now = clock::now()?;
        let archiving = Archiving {
            archived_by: input::principal(self.by)?,
            reason: self.reason,
            folder: self.to,
            is_kept: self.keep,
        };
        // What an archive of before left behind, if it was stopped halfway.
        opened.sweep()?;
        let (size, needed) = match (self.until, self.older_than) {
            // There is no size behind the largest number, and no such record either.
            (Some(until), _) => (until.checked_add(1).ok_or(ArchiveError::Unknown(until))?, None),
            (None, age) => {
                let scope = block_on(retention::due(opened, age.unwrap_or(Duration::MAX), now))?;
                block_on(opened.archivable(scope, now))?
            }
        };
        let asked = self.passphrase.of_old(opened.config.ledger_passphrase());
        let key = asked.settle(opened.home.open_ledger_key(&opened.config, &asked))?;
        let archived = opened.archive(&home.administrator, &key, size, &archiving, now)?;
        let (records, head) = (archived.records.display(), archived.head.display());
        let mut talk = format!(
            "{} records {} to {}: {records} with the signed head {head}\n",
            Ink::stderr().good("archived"),
            archived.first,
            archived.last,
        );
        talk.push_str(match archived.record {
            Some(_) => {
                "they are out of the store, which begins behind them; keep both files, and copies of them elsewhere\n"
            }
            None => "they stay in the store\n",
        });
        if let Some(needed) = needed {
            talk.push_str(&format!("left what comes behind: {needed}\n"));
        }
        let json = json!({
            "first": archived.first, "last": archived.last, "records": records.to_string(), "checkpoint": head.to_string(),
            "record": archived.record, "needed": needed.map(actionpass_store::Needed::seq),
        });
        Ok(Reply::new(json).with_talk(talk))
    }
}
