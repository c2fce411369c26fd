//! `ledger`: the evidence, read, verified from its first record, exported.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};

use actionpass_home::{HomeError, OpenHome, home};
use actionpass_model::{Issuer, KeyId, KeyUse, Timestamp};
use actionpass_store::ledger::{
    ChainVerifier, KnownHead, LedgerCode, LedgerVerifier, VerifiedLedger, verify_jsonl_with,
};
use actionpass_store::{Ledger, StoreError, StoredRecord};
use actionpass_verify::{StandingCode, Trust};
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock;
use crate::code::CliCode;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::input;
use crate::output::{Ink, Reply};
use pollster::block_on;

use archive::ArchiveArgs;
use checkpoint::{Begin, CheckpointArgs, Start};
use erase::EraseArgs;
use fsck::FsckArgs;
use resign::ResignArgs;
use show::ShowArgs;

mod archive;
mod checkpoint;
mod erase;
mod fsck;
mod resign;
mod show;

/// How many records are read at once.
const PAGE: usize = 512;

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Show the newest records, or one in full
    Show(Box<ShowArgs>),
    /// Verify every record from the first on: the home's ledger, or an export without any home
    Verify(VerifyArgs),
    /// Say what is damaged, in a home or an export, and what can still be proved; nothing is changed
    Fsck(FsckArgs),
    /// Sign where the ledger ends now: a file that shows later whether the end was cut off or history rewritten
    Checkpoint(CheckpointArgs),
    /// Print all records as JSON lines, or some of them
    Export(ExportArgs),
    /// Erase payloads, tokens and salts beside old records; the records stay
    Erase(EraseArgs),
    /// Put the first records into an archive with a signed head, and take them out of the store
    Archive(ArchiveArgs),
    /// Sign the head anew that the store begins at, once the key that had signed it is revoked: the archives vouch for it
    Resign(ResignArgs),
    /// Say that `ledger.db` was restored from a backup: passes of before are then refused, since they may be used up
    Restored,
}

#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    /// An export (JSON lines); `-` is stdin
    file: Option<PathBuf>,
    /// A record that the ledger is known to hold, to find what was cut off or rewritten; may be repeated
    #[arg(long = "head", value_name = "SEQ:HASH")]
    heads: Vec<KnownHead>,
    /// A signed head that the ledger has to go on from, a file of `ledger checkpoint`; may be repeated
    #[arg(long = "checkpoint", value_name = "FILE")]
    checkpoints: Vec<PathBuf>,
    /// Begin behind this record or signed head, which was verified before: neither it nor what is before it is read
    #[arg(long, value_name = "SEQ:HASH|FILE")]
    from: Option<Start>,
    /// Weigh the passes in it, and verify signed heads, by the keys of this trust store [default: the home's, for the home's ledger]
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// The first record, by its number [default: the first of the ledger]
    #[arg(long, value_name = "SEQ", default_value_t = 0, hide_default_value = true)]
    from: u64,
    /// The last record, by its number [default: the last of the ledger]
    #[arg(long, value_name = "SEQ")]
    until: Option<u64>,
}

impl LedgerCommand {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Show(_) => "ledger-show",
            Self::Verify(_) => "ledger-verify",
            Self::Fsck(_) => "ledger-fsck",
            Self::Checkpoint(_) => "ledger-checkpoint",
            Self::Export(_) => "ledger-export",
            Self::Erase(_) => "ledger-erase",
            Self::Archive(_) => "ledger-archive",
            Self::Resign(_) => "ledger-resign",
            Self::Restored => "ledger-restored",
        }
    }

    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        match self {
            Self::Show(args) => args.run(context),
            Self::Verify(args) => args.run(context),
            Self::Fsck(args) => args.run(context),
            Self::Checkpoint(args) => args.run(context),
            Self::Export(args) => args.run(context),
            Self::Erase(args) => args.run(context),
            Self::Archive(args) => args.run(context),
            Self::Resign(args) => args.run(context),
            Self::Restored => restored(context),
        }
    }
}

impl VerifyArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let named = self.trust.as_deref().map(input::trust).transpose()?;
        let issuer = match &self.file {
            Some(_) => None,
            None => Some(context.open_home_to_read()?),
        };
        // Of a home later than the ledger: it knows every key that signed.
        let trust = match (&issuer, named) {
            (Some(issuer), None) => Some(issuer.home.trust()?),
            (_, named) => named,
        };
        // A home whose first records are in archives begins behind their signed head.
        let beginning = match (&issuer, &trust, &self.from) {
            (Some(issuer), Some(trust), None) => issuer.beginning(trust, clock::now()?)?,
            _ => None,
        };
        let begin = match &beginning {
            Some(head) => Begin::BehindTree(Box::new(head.clone())),
            None => Begin::read(self.from.as_ref(), trust.as_ref())?,
        };
        let checkpoints = checkpoint::signed_heads(&self.checkpoints, trust.as_ref())?;
        let from = begin.head();
        let mut verifier = begin.verifier();
        for head in self.heads.iter().copied() {
            verifier = verifier.with_known_head(not_before(from, head, "--head", beginning.is_some())?);
        }
        for head in &checkpoints {
            not_before(from, head.known(), "--checkpoint", beginning.is_some())?;
            verifier = verifier.with_tree_head(head);
        }
        let (verified, weighed) = match (&self.file, issuer) {
            (Some(path), _) => verify_file(path, verifier, trust)?,
            (None, Some(issuer)) => {
                // INVARIANT: a home has a trust store.
                let mut passes = trust.map(Passes::new);
                let first = from.map_or(0, |from| from.seq().saturating_add(1));
                let verified = walk_home(&issuer, verifier, first, |json| {
                    passes.as_mut().map_or(Ok(()), |passes| passes.weigh(json))
                })?;
                // Rows say of themselves which records they go back to, and those are all of them.
                if self.from.is_none() {
                    issuer.store.check_rows()?;
                }
                (verified, passes)
            }
            // INVARIANT: without a file there is a home.
            (None, None) => return Err(Failure::new(CliCode::UsageInvalid, "there is nothing to verify")),
        };
        let head = verified.head.known().map(|head| head.to_string());
        let mut json = json!({ "valid": true, "size": verified.head.size() });
        let mut text = format!(
            "{} {} records, the chain is whole\n",
            Ink::stdout().good("ok"),
            verified.head.size()
        );
        if let (Some(from), Some(members)) = (from, json.as_object_mut()) {
            members.insert("from".to_owned(), from.to_string().into());
            text = format!(
                "{} {} records behind {from}, the chain is whole from there on; nothing before was read\n",
                Ink::stdout().good("ok"),
                verified.head.size().saturating_sub(from.seq()).saturating_sub(1)
            );
            if beginning.is_some() {
                members.insert("archived".to_owned(), from.seq().saturating_add(1).into());
                text.push_str("  the store begins there, at the signed head of an archive, which holds\n");
            }
        }
        if verified.observed > 0 {
            text.push_str(&format!(
                "  {} of its decisions were only observed: their calls were made, whatever was decided\n",
                verified.observed
            ));
            if let Some(members) = json.as_object_mut() {
                members.insert("observed".to_owned(), verified.observed.into());
            }
        }
        if let (Some(log), Some(members)) = (&verified.log, json.as_object_mut()) {
            members.insert("issuer".to_owned(), log.issuer().as_str().into());
            members.insert("log".to_owned(), log.origin().as_str().into());
            text.push_str(&format!("  issuer {}\n", log.issuer()));
        }
        if let (Some(head), Some(members)) = (&head, json.as_object_mut()) {
            members.insert("head".to_owned(), head.as_str().into());
            text.push_str(&format!("  head {head}\n"));
            if self.heads.is_empty() && checkpoints.is_empty() {
                text.push_str("  keep the head elsewhere: with --head it shows whether the end was cut off\n");
            }
        }
        if let (Some(tree), Some(members)) = (&verified.tree, json.as_object_mut()) {
            members.insert("root".to_owned(), tree.root().to_string().into());
            text.push_str(&format!("  root {}\n", tree.root()));
        }
        if let (false, Some(members)) = (checkpoints.is_empty(), json.as_object_mut()) {
            let passed: Vec<Value> = checkpoints.iter().map(checkpoint::json_of).collect();
            members.insert("checkpoints".to_owned(), passed.into());
            for head in &checkpoints {
                text.push_str(&format!(
                    "  goes on from the signed head {} of {} records\n",
                    head.known(),
                    head.size()
                ));
            }
        }
        if let (Some(passes), Some(members)) = (&weighed, json.as_object_mut()) {
            members.insert("passes".to_owned(), passes.json());
            text.push_str(&passes.text());
        }
        Ok(Reply::new(json).with_data(text))
    }
}

/// Refuses a known head in front of what is read.
fn not_before(from: Option<KnownHead>, head: KnownHead, option: &str, is_archived: bool) -> Outcome<KnownHead> {
    if from.is_some_and(|from| head.seq() < from.seq()) {
        let problem = match is_archived {
            true => {
                format!("{option} {head} stands in front of the first record of the store: hold the archive against it")
            }
            false => format!("{option} {head} stands in front of --from, where nothing is read"),
        };
        return Err(Failure::new(CliCode::UsageInvalid, problem));
    }
    Ok(head)
}

/// The passes of a ledger, weighed by what a trust store says today of the keys that signed them.
struct Passes {
    trust: Trust,
    /// How many of each standing, by its code.
    counts: BTreeMap<&'static str, u64>,
    /// The records whose passes are no evidence of their issuer any more: seq, kid, code.
    doubtful: Vec<(u64, KeyId, &'static str)>,
}

impl Passes {
    const fn new(trust: Trust) -> Self {
        Self {
            trust,
            counts: BTreeMap::new(),
            doubtful: Vec::new(),
        }
    }

    /// Weighs the pass of a record, if it has one. Its time is that of the record: the chain holds it in its place.
    fn weigh(&mut self, json: &[u8]) -> Outcome<()> {
        #[derive(Deserialize)]
        struct Head {
            seq: u64,
            time: Timestamp,
            issuer: Issuer,
            body: Body,
        }
        #[derive(Deserialize)]
        struct Body {
            pass: Option<Value>,
        }
        let head: Head = serde_json::from_slice(json).map_err(|error| Failure::internal(&error))?;
        // Other records call other things `pass`.
        let kid = head.body.pass.as_ref().and_then(|pass| pass.get("kid")?.as_str());
        let Some(kid) = kid else { return Ok(()) };
        let kid = KeyId::parse(kid).map_err(|error| Failure::internal(&error))?;
        let standing = self.trust.standing(&kid, head.time);
        // A key that is somebody else's, or signs something else, says nothing for this issuer.
        let speaks = self.trust.keyring().get(&kid).is_some_and(|entry| {
            entry.trust().key_use == KeyUse::Pass && entry.trust().issuer.as_ref() == Some(&head.issuer)
        });
        let code = if speaks { standing.code() } else { StandingCode::Unknown }.as_str();
        let count = self.counts.entry(code).or_default();
        *count = count.saturating_add(1);
        if !(speaks && standing.holds()) {
            self.doubtful.push((head.seq, kid, code));
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let doubtful: Vec<Value> = self
            .doubtful
            .iter()
            .map(|(seq, kid, code)| json!({ "seq": seq, "kid": kid, "code": code }))
            .collect();
        json!({ "byStanding": self.counts, "doubtful": doubtful })
    }

    fn text(&self) -> String {
        const SHOWN: usize = 20;
        let mut text = String::new();
        for (code, count) in &self.counts {
            let meaning = StandingCode::from_code(code).map_or("", StandingCode::meaning);
            text.push_str(&format!("  passes {code}: {count}. {}\n", meaning.trim()));
        }
        let seqs: Vec<String> = self
            .doubtful
            .iter()
            .take(SHOWN)
            .map(|(seq, ..)| seq.to_string())
            .collect();
        if !seqs.is_empty() {
            let more = self.doubtful.len().saturating_sub(SHOWN);
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            text.push_str(&format!(
                "  {} records {}{more}\n",
                Ink::stdout().warn("weigh"),
                seqs.join(", ")
            ));
        }
        text
    }
}

fn verify_file(
    path: &Path,
    verifier: ChainVerifier,
    trust: Option<Trust>,
) -> Outcome<(VerifiedLedger, Option<Passes>)> {
    let lines: Box<dyn BufRead> = if input::is_stdin(path) {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(path).map_err(|error| input::unreadable(path, &error))?;
        Box::new(BufReader::with_capacity(1 << 18, file))
    };
    let mut passes = trust.map(Passes::new);
    let mut failed = None;
    let first = verifier.head().size();
    let verified = verify_jsonl_with(lines, LedgerVerifier::new(verifier), |json| {
        if let (Some(passes), None) = (&mut passes, &failed) {
            failed = passes.weigh(json).err();
        }
    });
    let verified = verified.map_err(|error| Failure::from(error).about(&input::name(path)))?;
    // Nothing is what is left of any log whose records were all cut off.
    if verified.head.size() == first {
        let problem = format!("{} has no records, so there is nothing to verify", input::name(path));
        return Err(Failure::new(CliCode::LedgerEmpty, problem));
    }
    failed.map_or(Ok((verified, passes)), Err)
}

/// Refuses the passes whose marks the backup may lack.
fn restored(context: &Context) -> Outcome<Reply> {
    let (opened, from) = block_on(OpenHome::restored(context.home()?, clock::now()?))?;
    // What a crash kept out of the ledger, and the backup too, is recorded again.
    let administrator = opened.administrator();
    let _ = block_on(administrator.open()).map_err(HomeError::from)?;
    let mut talk = format!(
        "{} passes and approvals given before {from} count as used up here, and action ids of before as taken\n",
        Ink::stderr().good("restored")
    );
    // Which votes were used since the backup, nobody knows.
    let queue = block_on(opened.issuer_of_requests())?;
    let cancelled = block_on(queue.cancel_lost_requests())?;
    if cancelled > 0 {
        talk.push_str(&format!(
            "{cancelled} approval requests that waited are cancelled: whoever needs them asks again\n"
        ));
    }
    Ok(Reply::new(json!({ "issuedFrom": from, "requestsCancelled": cancelled })).with_talk(talk))
}

/// What people are told of a store whose first records are in archives: so many of them are.
pub(crate) fn begins_behind(archived: u64) -> Option<String> {
    let last = archived.checked_sub(1)?;
    Some(format!(
        "the store begins behind record {last}, up to which they are archived"
    ))
}

/// Verifies the ledger of a home: it must be the log of the home's issuer, up to the head that the store keeps.
/// The rows beside it must be those that it says.
pub(crate) fn verify_home(issuer: &OpenHome) -> Outcome<VerifiedLedger> {
    // Where the first records are in archives it begins behind their signed head, and only that takes a trust store.
    let beginning = match block_on(issuer.store.state())?.first.size() {
        0 => None,
        _ => issuer.beginning(&issuer.trust_now()?, clock::now()?)?,
    };
    let verifier = match &beginning {
        Some(head) => ChainVerifier::behind_tree(head),
        None => ChainVerifier::new(),
    };
    let first = verifier.head().size();
    let verified = walk_home(issuer, verifier, first, |_| Ok(()))?;
    issuer.store.check_rows()?;
    Ok(verified)
}

/// The same of the records from `first` on, and shows every one that is in its place.
fn walk_home(
    issuer: &OpenHome,
    verifier: ChainVerifier,
    first: u64,
    mut show: impl FnMut(&[u8]) -> Outcome<()>,
) -> Outcome<VerifiedLedger> {
    let mut verifier = verifier.with_log(home::log(&issuer.config)?);
    // Read before the records, of which there may be more by then.
    let head = block_on(issuer.store.state())?.head;
    if head.size() < verifier.head().size() {
        // One without records has no head that would say so.
        let problem = format!(
            "the ledger has {} records, and ends before the head that it is to go on from",
            head.size()
        );
        return Err(Failure::new(LedgerCode::LedgerTruncated, problem));
    }
    if let Some(head) = head.known() {
        verifier = verifier.with_known_head(head);
    }
    let mut verifier = LedgerVerifier::new(verifier);
    each_record(issuer, first, |stored| {
        verifier.push(&stored.json)?;
        show(&stored.json)?;
        Ok(true)
    })?;
    Ok(verifier.finish()?)
}

/// Hands on every record from `first` on, page by page, until there are no more or `take` has enough; from 0 on, every one that
/// is there.
pub(crate) fn each_record(
    issuer: &OpenHome,
    first: u64,
    mut take: impl FnMut(&StoredRecord) -> Outcome<bool>,
) -> Outcome<()> {
    let mut seq = match first {
        0 => block_on(issuer.store.state())?.first.size(),
        first => first,
    };
    loop {
        let records = block_on(issuer.store.read(seq, PAGE))?;
        let Some(last) = records.last() else { return Ok(()) };
        for record in &records {
            if !take(record)? {
                return Ok(());
            }
        }
        seq = last.seq.saturating_add(1);
    }
}

impl ExportArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        if self.until.is_some_and(|until| until < self.from) {
            return Err(Failure::new(
                CliCode::UsageInvalid,
                "--until is a record in front of --from",
            ));
        }
        let issuer = context.open_home_to_read()?;
        let state = block_on(issuer.store.state())?;
        let size = state.head.size();
        let first = state.first.size();
        if self.until.is_some_and(|until| until < first) || (1..first).contains(&self.from) {
            return Err(StoreError::archived(first).into());
        }
        let last = self.until.unwrap_or(self.from);
        if last >= size && (self.until.is_some() || self.from > 0) {
            let problem = format!("there is no record {last}: the ledger has {size}");
            return Err(Failure::new(CliCode::RecordUnknown, problem));
        }
        let mut records = Vec::new();
        let mut out = io::BufWriter::with_capacity(1 << 18, io::stdout().lock());
        let mut failed = None;
        each_record(&issuer, self.from, |stored| {
            if self.until.is_some_and(|until| stored.seq > until) {
                return Ok(false);
            }
            if context.is_json {
                let value: Value = serde_json::from_slice(&stored.json).map_err(|error| Failure::internal(&error))?;
                records.push(value);
                return Ok(true);
            }
            let written = out.write_all(&stored.json).and_then(|()| out.write_all(b"\n"));
            failed = written.err();
            Ok(failed.is_none())
        })?;
        match failed.map_or_else(|| out.flush(), Err) {
            // Whoever reads it has enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            Err(error) => return Err(Failure::internal(&error)),
            Ok(()) => {}
        }
        drop(out);
        let mut reply = Reply::new(json!({ "records": records }));
        if first > 0 && self.from == 0 {
            reply = reply.with_talk(format!(
                "the store has records from {first} on, so the export begins there; those before are in archives\n"
            ));
        }
        Ok(reply)
    }
}
