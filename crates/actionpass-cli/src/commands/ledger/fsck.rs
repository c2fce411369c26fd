//! `ledger fsck`: what is damaged, in a home or an export, what can still be proved, and what to do next.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use actionpass_home::{Config, Home, LeftFile, home, is_of_its_key, verified_beginning};
use actionpass_model::{Code, CodeClass, CodedError};
use actionpass_store::ledger::{
    Anchor, Finding, Head, KnownHead, LedgerCode, Log, Stretch, Survey, SurveyCode, Surveyed, survey_jsonl,
};
use actionpass_store::salvage::{Salvage, Told, examine, kept_head};
use actionpass_store::trust_file::TrustFileCode;
use actionpass_store::{Beginning, StoreCode};
use clap::Args;
use serde_json::{Value, json};

use super::begins_behind;
use super::checkpoint::signed_heads;
use crate::clock;
use crate::code::CliCode;
use crate::commands::doctor::remedy_of;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::input;
use crate::output::{Ink, Reply};
use crate::render::visible;

/// How many findings and stretches people are shown; programs get all of them.
const SHOWN: usize = 40;

#[derive(Args, Debug)]
pub(crate) struct FsckArgs {
    /// An export (JSON lines), without any home; `-` is stdin
    file: Option<PathBuf>,
    /// A record that the ledger is known to hold, from a head kept elsewhere: what leads to it is proved; may be repeated
    #[arg(long = "head", value_name = "SEQ:HASH")]
    heads: Vec<KnownHead>,
    /// A signed head, a file of `ledger checkpoint`: what leads to it is proved; may be repeated
    #[arg(long = "checkpoint", value_name = "FILE")]
    checkpoints: Vec<PathBuf>,
    /// Verify signed heads by the keys of this trust store [default: the home's, for a home]
    #[arg(long, value_name = "FILE", requires = "checkpoints")]
    trust: Option<PathBuf>,
}

/// Everything that an examination found.
struct Report {
    place: String,
    /// How many of the first records are in archives; 0 where nothing of the store can be read that says so.
    archived: u64,
    records: Surveyed,
    faults: Vec<Fault>,
    told: Told,
    left: Vec<LeftFile>,
    next: Vec<String>,
}

/// Something that is wrong.
struct Fault {
    /// What of it: `records`, `beginning`, `side`, `rows`, `store`, `witness` or `trust`.
    area: &'static str,
    code: Code,
    /// The records from one to another.
    records: Option<(u64, u64)>,
    offset: Option<u64>,
    problem: String,
}

impl FsckArgs {
    pub(super) fn run(self, context: &Context) -> Outcome<Reply> {
        let mut survey = Survey::new();
        for head in &self.heads {
            survey = survey.with_known_head(*head, Anchor::Given);
        }
        if !self.checkpoints.is_empty() {
            let trust = match (&self.trust, &self.file) {
                (Some(path), _) => Some(input::trust(path)?),
                (None, Some(_)) => None,
                (None, None) => Some(context.home()?.trust()?),
            };
            for head in signed_heads(&self.checkpoints, trust.as_ref())? {
                survey = survey.with_known_head(head.known(), Anchor::Given);
            }
        }
        let report = match &self.file {
            Some(path) => of_export(path, survey)?,
            None => of_home(&context.home()?, survey, context)?,
        };
        Ok(report.reply())
    }
}

fn of_export(path: &Path, mut survey: Survey) -> Outcome<Report> {
    let lines: Box<dyn BufRead> = if input::is_stdin(path) {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(path).map_err(|error| input::unreadable(path, &error))?;
        Box::new(BufReader::with_capacity(1 << 18, file))
    };
    let read = survey_jsonl(lines, &mut survey, |_, _| {});
    let records = survey.finish();
    if read.is_ok() && records.size == 0 {
        let problem = format!("{} has no records, so there is nothing to look at", input::name(path));
        return Err(Failure::new(CliCode::LedgerEmpty, problem));
    }
    let mut faults: Vec<Fault> = records
        .findings
        .iter()
        .map(|finding| Fault::of("records", finding))
        .collect();
    if let Err(error) = read {
        faults.push(Fault::new("store", LedgerCode::LedgerUnreadable, error.to_string()));
    }
    let next = match faults.is_empty() {
        true => Vec::new(),
        false => vec![
            "export the ledger again where it is kept, and look at that: `actionpass ledger fsck` there says whether it is the \
             ledger that is damaged"
                .to_owned(),
            "keep this export as it is: what of it leads to a head that you know stays evidence".to_owned(),
        ],
    };
    Ok(Report {
        place: input::name(path),
        archived: 0,
        records,
        faults,
        told: Told::default(),
        left: Vec::new(),
        next,
    })
}

fn of_home(home: &Home, survey: Survey, context: &Context) -> Outcome<Report> {
    let config = home.config()?;
    let log = home::log(&config)?;
    let mut survey = survey.with_log(log.clone());
    let mut faults = Vec::new();
    // Read first: what it saw was durable by then.
    let witness = home.witness(&config);
    let seen = match witness.read() {
        Ok(seen) => seen,
        Err(error) => {
            faults.push(Fault::of_error("witness", &error));
            None
        }
    };
    if let Some(seen) = &seen {
        if seen.is_of(&log) {
            if let Some(head) = seen.known() {
                survey = survey.with_known_head(head, Anchor::Witness);
            }
        } else {
            let problem = format!("{} is the witness of another log", witness.path().display());
            faults.push(Fault::new("witness", StoreCode::StoreLogMismatch, problem));
        }
    }
    let mut salvage = home.salvage(&config)?;
    if salvage.log().is_some_and(|kept| *kept != log) {
        let problem = "it says to hold the log of another issuer or origin";
        faults.push(Fault::new("store", StoreCode::StoreLogMismatch, problem.to_owned()));
    }
    let state = salvage.state().copied();
    if let Some(state) = state.filter(|state| state.first.size() > 0) {
        survey = survey.behind(state.first);
        faults.extend(beginning(home, &log, state.first, &mut *salvage)?);
    }
    if let Some(head) = kept_head(state.as_ref()) {
        survey = survey.with_known_head(head, Anchor::Store);
    }
    let examined = examine(&mut *salvage, survey);
    faults.extend(examined.store.iter().map(|error| Fault::of_error("store", error)));
    let records = examined.records;
    faults.extend(records.findings.iter().map(|finding| Fault::of("records", finding)));
    faults.extend(examined.side.iter().map(|finding| Fault::of("side", finding)));
    for row in &examined.rows {
        let fault = Fault::of_error("rows", &row.error);
        faults.push(Fault {
            records: row.seq.map(|seq| (seq, seq)),
            ..fault
        });
    }
    // The trust store comes last: it knows every change that the ledger does.
    let known = state.and_then(|state| state.trust).map_or(0, |trust| trust.version);
    match home.trust_snapshot() {
        Ok(trust) if trust.document.version < known => {
            let problem = format!(
                "it is version {}, and the ledger knows version {known}",
                trust.document.version
            );
            faults.push(Fault::new("trust", TrustFileCode::TrustRolledBack, problem));
        }
        Ok(_) => {}
        // Told already: it is held against the witness too, and one in a database is read by way of the store.
        Err(error) if faults.iter().any(|fault| fault.code == error.code()) => {}
        Err(error) => faults.push(Fault::of_error("trust", &error)),
    }
    let next = steps(&faults, &records, &config, &context.program());
    Ok(Report {
        place: place(home, &config),
        archived: state.map_or(0, |state| state.first.size()),
        records,
        faults,
        told: examined.told,
        left: home.left_files(),
        next,
    })
}

/// What is wrong with the signed head that the store begins at. It is verified with the trust store; what is wrong with that is told
/// apart.
fn beginning(home: &Home, log: &Log, head: Head, salvage: &mut dyn Salvage) -> Outcome<Option<Fault>> {
    let Ok(trust) = home.trust() else { return Ok(None) };
    let Some(signed) = salvage.signed_head() else {
        let problem = "the signed head that it begins at is gone".to_owned();
        return Ok(Some(Fault::new("beginning", StoreCode::StoreCorrupt, problem)));
    };
    let verified = verified_beginning(&Beginning { head, signed }, log, &trust, clock::now()?);
    Ok(verified.err().map(|error| Fault::of_error("beginning", &error)))
}

/// What messages call the store.
fn place(home: &Home, config: &Config) -> String {
    match config.database() {
        Some(database) => database.url.to_string(),
        None => home.path(home::LEDGER).display().to_string(),
    }
}

/// What to do, in order; nothing if nothing is wrong.
fn steps(faults: &[Fault], records: &Surveyed, config: &Config, program: &str) -> Vec<String> {
    if faults.is_empty() {
        return Vec::new();
    }
    let codes: BTreeSet<&str> = faults.iter().map(|fault| fault.code.as_str()).collect();
    let has = |area: &str| faults.iter().any(|fault| fault.area == area);
    let mut next = vec![
        "stop whatever uses this home, and keep everything in it as it is, for whoever finds out how it came to be so"
            .to_owned(),
    ];
    if codes.contains(StoreCode::StoreBusy.as_str()) {
        next.push(format!("look again once nothing writes: `{program} ledger fsck`"));
    }
    // A beginning whose key is revoked is signed anew, where it is.
    let is_revoked = |fault: &Fault| is_of_its_key(fault.code.as_str());
    let is_damaged = |fault: &Fault| match fault.area {
        "beginning" => !is_revoked(fault),
        area => matches!(area, "records" | "rows"),
    };
    if faults.iter().any(is_damaged) {
        let until = records.longest().and_then(|stretch| stretch.head);
        let until = until.map_or(String::new(), |head| {
            format!("; the one with record {head} continues what is proved here")
        });
        next.push(format!(
            "look for the newest backup, and for exports: `{program} ledger fsck EXPORT` says what is whole of one{until}"
        ));
    }
    // One step for each way of mending: several codes have the same.
    let mut remedies: Vec<String> = Vec::new();
    for fault in faults
        .iter()
        .filter(|fault| !matches!(fault.area, "trust" | "side" | "witness"))
    {
        if let Some(remedy) = remedy_of(fault.code.as_str(), config, program)
            && !remedies.contains(&remedy)
        {
            remedies.push(remedy);
        }
    }
    next.extend(remedies);
    if codes.contains(StoreCode::StoreOutdated.as_str()) && config.database().is_none() {
        next.push(format!(
            "`{program} doctor` brings the tables to this release; then look again"
        ));
    }
    if has("side") {
        next.push(
            "what lies beside the records named is evidence of nothing any more: only a backup of before has what was there"
                .to_owned(),
        );
    }
    if has("witness") {
        next.push(
            "put the witness of this home back (`[store] witness`): without it nothing notices a ledger that went back"
                .to_owned(),
        );
    }
    if codes.contains(TrustFileCode::TrustRolledBack.as_str()) {
        next.push(format!(
            "put the newest trust store back, an executor's copy if need be; if it is lost, `{program} trust restored`, and revoke \
             again what was revoked since"
        ));
    } else if has("trust") {
        next.push("put the newest trust store back, an executor's copy if need be".to_owned());
    }
    next.push(format!(
        "`{program} ledger verify` and `{program} doctor` say whether it is whole again"
    ));
    next
}

impl Fault {
    fn new(area: &'static str, code: impl Into<Code>, problem: String) -> Self {
        Self {
            area,
            code: code.into(),
            records: None,
            offset: None,
            problem,
        }
    }

    fn of(area: &'static str, finding: &Finding) -> Self {
        let code = LedgerCode::from_code(finding.code).map(Code::from);
        let code = code.or_else(|| SurveyCode::from_code(finding.code).map(Code::from));
        Self {
            records: Some((finding.first, finding.last)),
            offset: finding.offset,
            ..Self::new(
                area,
                code.unwrap_or_else(|| StoreCode::StoreCorrupt.into()),
                finding.problem.clone(),
            )
        }
    }

    fn of_error<E: CodedError + 'static>(area: &'static str, error: &E) -> Self {
        Self::new(area, error.code(), actionpass_model::message_with_sources(error))
    }

    fn json(&self) -> Value {
        let mut json = json!({ "area": self.area, "code": self.code.as_str(), "problem": self.problem });
        if let Some(members) = json.as_object_mut() {
            if let Some((first, last)) = self.records {
                members.insert("first".to_owned(), first.into());
                members.insert("last".to_owned(), last.into());
            }
            if let Some(offset) = self.offset {
                members.insert("offset".to_owned(), offset.into());
            }
        }
        json
    }

    fn text(&self) -> String {
        let place = match (self.records, self.offset) {
            (Some((first, last)), Some(offset)) => format!("{}, byte {offset}", numbers(first, last)),
            (Some((first, last)), None) => numbers(first, last),
            (None, _) => self.area.to_owned(),
        };
        format!("{} {place}: {}", self.code, visible(&self.problem))
    }
}

/// Records by their numbers.
fn numbers(first: u64, last: u64) -> String {
    match first == last {
        true => format!("record {first}"),
        false => format!("records {first} to {last}"),
    }
}

fn vouched(stretch: &Stretch) -> String {
    let by = match stretch.anchor {
        Some(Anchor::Given) => "proved by the head that was given",
        Some(Anchor::Witness) => "proved by the witness",
        Some(Anchor::Store) => "proved by the head in the store, which whoever writes the store can write as well",
        Some(Anchor::Genesis) => {
            "whole from the first record on: only a head from elsewhere shows that it was not written anew"
        }
        _ => "chained, but nobody vouches for it: its end is cut off, or denied by what follows",
    };
    let head = stretch.head.map_or(String::new(), |head| format!(" ({head})"));
    format!("{}: {by}{head}", numbers(stretch.first, stretch.last))
}

impl Report {
    fn is_whole(&self) -> bool {
        self.faults.is_empty() && self.records.left_off == 0
    }

    fn reply(self) -> Reply {
        let codes = self.faults.iter().map(|fault| fault.code.class());
        let exit = match self.is_whole() {
            true => 0,
            false => CodeClass::exit_code_of_all(codes),
        };
        Reply::new(self.json()).with_exit(exit).with_data(self.text())
    }

    fn json(&self) -> Value {
        let stretch = |stretch: &Stretch| {
            json!({
                "first": stretch.first, "last": stretch.last, "provedBy": stretch.anchor.map(Anchor::as_str),
                "head": stretch.head.map(|head| head.to_string()),
            })
        };
        let lost: Vec<Value> = self
            .records
            .lost
            .iter()
            .map(|(first, last)| json!({ "first": first, "last": last }))
            .collect();
        let left: Vec<Value> = self
            .left
            .iter()
            .map(|left| json!({ "name": left.name, "meaning": left.meaning }))
            .collect();
        let told = self.told;
        let mut json = json!({
            "whole": self.is_whole(), "place": self.place, "size": self.records.size, "read": self.records.read,
            "findings": self.faults.iter().map(Fault::json).collect::<Vec<_>>(), "leftOff": self.records.left_off,
            "stretches": self.records.stretches.iter().map(stretch).collect::<Vec<_>>(),
            "longest": self.records.longest().map(stretch), "lost": lost,
            "rowsOfLost": {
                "issued": told.issued, "approvals": told.approvals, "revocations": told.revocations, "uses": told.uses,
                "outcomes": told.outcomes, "requests": told.requests, "side": told.side,
            },
            "files": left, "next": self.next,
        });
        if let (true, Some(members)) = (self.archived > 0, json.as_object_mut()) {
            members.insert("archived".to_owned(), self.archived.into());
        }
        if let (Some(log), Some(members)) = (&self.records.log, json.as_object_mut()) {
            members.insert("issuer".to_owned(), log.issuer().as_str().into());
            members.insert("log".to_owned(), log.origin().as_str().into());
        }
        json
    }

    fn text(&self) -> String {
        let ink = Ink::stdout();
        let records = &self.records;
        let place = visible(&self.place);
        let mut text = match self.is_whole() {
            true => format!(
                "{} {place}: {} records, nothing is damaged\n",
                ink.good("ok"),
                records.size
            ),
            false => format!(
                "{} {place}: {} of {} records stand in their places\n",
                ink.bad("damaged"),
                records.read,
                records.size
            ),
        };
        if let Some(begins) = begins_behind(self.archived) {
            text.push_str(&format!("  {begins}\n"));
        }
        let mut list = |title: &str, lines: Vec<String>, left_off: u64| {
            if lines.is_empty() {
                return;
            }
            text.push_str(&format!("{title}\n"));
            let more = (lines.len().saturating_sub(SHOWN) as u64).saturating_add(left_off);
            for line in lines.iter().take(SHOWN) {
                text.push_str(&format!("  {line}\n"));
            }
            if more > 0 {
                text.push_str(&format!("  and {more} more: --json lists them\n"));
            }
        };
        list("found", self.faults.iter().map(Fault::text).collect(), records.left_off);
        list("provable", records.stretches.iter().map(vouched).collect(), 0);
        if !self.is_whole() {
            let longest = records.longest().map_or_else(
                || "none: nothing leads to a head that anybody vouches for".to_owned(),
                |longest| format!("{} ({})", numbers(longest.first, longest.last), longest.size()),
            );
            list("longest provable stretch", vec![longest], 0);
        }
        list("no longer provable", self.unprovable(), 0);
        let left = self
            .left
            .iter()
            .map(|left| format!("{}: {}", visible(&left.name), left.meaning));
        list("beside it", left.collect(), 0);
        let steps = (1_u64..)
            .zip(&self.next)
            .map(|(number, step)| format!("{number}. {step}"));
        list("next", steps.collect(), 0);
        text
    }

    /// What follows from the records that are lost.
    fn unprovable(&self) -> Vec<String> {
        if self.records.lost.is_empty() {
            return Vec::new();
        }
        let lost: u64 = self
            .records
            .lost
            .iter()
            .map(|(first, last)| last.saturating_sub(*first).saturating_add(1))
            .sum();
        let mut lines = vec![format!(
            "what {lost} records said: decisions, uses, outcomes, votes, revocations and erasures that were acknowledged"
        )];
        let told = self.told;
        for (count, what) in [
            (
                told.issued,
                "actions are still marked issued: asked again, they get no second pass",
            ),
            (told.approvals, "approvals are still marked used"),
            (told.uses, "passes are still marked used"),
            (told.outcomes, "outcomes are still known by their passes"),
            (
                told.revocations,
                "revocations are still marked recorded: the trust store holds them",
            ),
            (
                told.requests,
                "approval requests are still there, which those records opened",
            ),
            (
                told.side,
                "of them have payload, pass or salt beside them: no hash vouches for those any more",
            ),
        ] {
            if count > 0 {
                lines.push(format!("{count} {what}"));
            }
        }
        lines
    }
}
