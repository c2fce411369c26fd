//! `ledger resign`: the signed head that the store begins at, signed by another key once that of before is revoked.

use std::path::PathBuf;

use actionpass_crypto::tlog::MAX_PROOF_BYTES;
use actionpass_home::{Resigning, Voucher};
use actionpass_model::{Principal, Statement};
use clap::{ArgGroup, Args};
use serde_json::json;

use super::checkpoint::json_of;
use crate::clock;
use crate::context::Context;
use crate::failure::Outcome;
use crate::input;
use crate::output::{Ink, Reply};
use crate::passphrase::PassphraseArgs;

#[derive(Args, Debug)]
#[command(group(ArgGroup::new("voucher").required(true).args(["archives", "checkpoint"])))]
pub(crate) struct ResignArgs {
    /// The records of all archives, from the first of the ledger on, in any order: the files that end in `.jsonl`
    #[arg(value_name = "ARCHIVE")]
    archives: Vec<PathBuf>,
    /// In the place of archives: a signed head of where the store begins, or of a later record, that a key in force has signed
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// The new file that the signed head goes to
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Statement,
    /// Who has it signed [default: `user:` and your login]
    #[arg(long, value_name = "PRINCIPAL")]
    by: Option<Principal>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl ResignArgs {
    pub(super) fn run(self, context: &Context) -> Outcome<Reply> {
        let home = context.administer()?;
        let opened = &home.opened;
        let (voucher, by) = match &self.checkpoint {
            // One byte more, which its reader refuses.
            Some(path) => (
                Voucher::Head(input::read(path, MAX_PROOF_BYTES)?),
                "another signed head vouches",
            ),
            None => (Voucher::Archives(self.archives), "the archives vouch"),
        };
        let resigning = Resigning {
            signed_by: input::principal(self.by)?,
            reason: self.reason,
            voucher,
            out: self.out,
        };
        let asked = self.passphrase.of_old(opened.config.ledger_passphrase());
        let key = asked.settle(opened.home.open_ledger_key(&opened.config, &asked))?;
        let resigned = opened.resign(&home.administrator, &key, &resigning, clock::now()?)?;
        let (head, file) = (&resigned.head, resigning.out.display().to_string());
        let talk = format!(
            "{} the head that the store begins at, {}, for which {by}: {file}\n\
             keep it with the archives, in the place of the one that the revoked key had signed\n",
            Ink::stderr().good("signed"),
            head.known(),
        );
        let mut json = json_of(head);
        if let Some(members) = json.as_object_mut() {
            members.insert("kid".to_owned(), resigned.kid.as_str().into());
            members.insert("checkpoint".to_owned(), file.into());
            members.insert("record".to_owned(), json!(resigned.record));
        }
        Ok(Reply::new(json).with_talk(talk))
    }
}
