//! `ledger show`: the newest records that fit, or one in full.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::str::FromStr;

use actionpass_model::{Decision, Record, RecordKind, UnixSeconds};
use actionpass_store::{Ledger, SideKind};
use clap::{Args, ValueEnum};
use pollster::block_on;
use serde_json::{Value, json};

use super::each_record;
use crate::clock;
use crate::code::CliCode;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{Ink, Reply, Table};
use crate::render::{pretty, visible};

/// How wide the table is at most, in characters.
const COLUMNS: usize = 100;

#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// The one record to show in full
    #[arg(value_name = "SEQ", conflicts_with = "limit")]
    seq: Option<u64>,
    /// Its payload as well, if that was kept
    #[arg(long, requires = "seq")]
    payload: bool,
    /// How many
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: usize,
    #[command(flatten)]
    filter: Filter,
}

/// Which records are shown. What a kind of record doesn't have fits nothing.
#[derive(Args, Debug)]
#[group(conflicts_with = "seq")]
struct Filter {
    /// Records from this time on
    #[arg(long, value_name = "TIME", value_parser = clock::parse)]
    since: Option<UnixSeconds>,
    /// Records before this time
    #[arg(long, value_name = "TIME", value_parser = clock::parse)]
    until: Option<UnixSeconds>,
    /// Decisions that came out like this
    #[arg(long, value_name = "DECISION")]
    decision: Option<Decided>,
    /// Decisions on this tool; `*` stands for anything, here and below
    #[arg(long, value_name = "TOOL")]
    tool: Option<Pattern>,
    /// Decisions for this agent
    #[arg(long, value_name = "AGENT")]
    agent: Option<Pattern>,
    /// Decisions for agents of this owner
    #[arg(long, value_name = "OWNER")]
    owner: Option<Pattern>,
    /// Decisions that rely on an approval of this approver
    #[arg(long, value_name = "PRINCIPAL")]
    approver: Option<Pattern>,
    /// Decisions, uses, outcomes and revocations of this pass
    #[arg(long, value_name = "PASS")]
    pass: Option<Pattern>,
    /// Decisions for this task
    #[arg(long, value_name = "TASK")]
    task: Option<Pattern>,
    /// Decisions on this approval request, and what happened to it
    #[arg(long, value_name = "REQUEST")]
    request: Option<Pattern>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Decided {
    Allow,
    Deny,
    #[value(name = "step_up")]
    StepUp,
}

impl From<Decided> for Decision {
    fn from(decided: Decided) -> Self {
        match decided {
            Decided::Allow => Self::Allow,
            Decided::Deny => Self::Deny,
            Decided::StepUp => Self::StepUp,
        }
    }
}

/// A text in which `*` stands for any run of characters.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Pattern(Vec<String>);

impl FromStr for Pattern {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.split('*').map(ToOwned::to_owned).collect()))
    }
}

impl Pattern {
    fn fits(&self, text: &str) -> bool {
        let Some((first, rest)) = self.0.split_first() else {
            return text.is_empty();
        };
        let Some((last, between)) = rest.split_last() else {
            return text == first;
        };
        let Some(mut left) = text
            .strip_prefix(first.as_str())
            .and_then(|left| left.strip_suffix(last.as_str()))
        else {
            return false;
        };
        // The first place that fits leaves the most for the rest.
        for literal in between {
            match left.split_once(literal.as_str()) {
                Some((_, behind)) => left = behind,
                None => return false,
            }
        }
        true
    }
}

impl Filter {
    const fn is_empty(&self) -> bool {
        self.since.is_none() && self.until.is_none() && self.decision.is_none() && !self.names_somebody()
    }

    const fn names_somebody(&self) -> bool {
        self.tool.is_some()
            || self.agent.is_some()
            || self.owner.is_some()
            || self.approver.is_some()
            || self.pass.is_some()
            || self.task.is_some()
            || self.request.is_some()
    }

    fn fits(&self, record: &Record) -> bool {
        let at = record.time.to_unix_seconds();
        let body = Body(record);
        let is_decision = record.kind == RecordKind::Decision;
        let fits = |pattern: &Option<Pattern>, found: &[&str]| {
            pattern
                .as_ref()
                .is_none_or(|pattern| found.iter().any(|text| pattern.fits(text)))
        };
        let decided = |pattern: &Option<Pattern>, pointer: &[&str]| {
            pattern.is_none() || (is_decision && fits(pattern, &body.text(pointer).into_iter().collect::<Vec<_>>()))
        };
        self.since.is_none_or(|since| at >= since)
            && self.until.is_none_or(|until| at < until)
            && self.decision.is_none_or(|decision| {
                is_decision && body.text(&["decision"]) == Some(Decision::from(decision).as_str())
            })
            && decided(&self.tool, &["tool"])
            && decided(&self.agent, &["actor", "agent"])
            && decided(&self.owner, &["actor", "humanOwner"])
            && decided(&self.task, &["task"])
            && fits(&self.approver, &body.approvers())
            && fits(&self.pass, &body.pass().into_iter().collect::<Vec<_>>())
            && fits(&self.request, &body.request().into_iter().collect::<Vec<_>>())
    }
}

impl ShowArgs {
    pub(super) fn run(self, context: &Context) -> Outcome<Reply> {
        match self.seq {
            Some(seq) => one(context, seq, self.payload),
            None => self.table(context),
        }
    }

    fn table(&self, context: &Context) -> Outcome<Reply> {
        let issuer = context.open_home_to_read()?;
        let state = block_on(issuer.store.state())?;
        let newest = state.head.size().saturating_sub(self.limit as u64);
        let first = if self.filter.is_empty() {
            newest.max(state.first.size())
        } else {
            0
        };
        let mut shown: VecDeque<Record> = VecDeque::new();
        each_record(&issuer, first, |stored| {
            let record = stored.to_record()?;
            if self.filter.fits(&record) {
                shown.push_back(record);
                if shown.len() > self.limit {
                    shown.pop_front();
                }
            }
            Ok(true)
        })?;
        let width = |text: fn(&Record) -> usize, header: usize| shown.iter().map(text).max().unwrap_or(0).max(header);
        let others = width(|record| record.seq.to_string().len(), 3)
            .saturating_add(width(|record| record.kind.as_str().len(), 4))
            .saturating_add(width(|record| record.time.to_string().len(), 4))
            .saturating_add(6);
        let mut table = Table::new(&["SEQ", "TIME", "KIND", "WHAT"]);
        let mut records = Vec::new();
        for record in &shown {
            table.row([
                record.seq.to_string(),
                record.time.to_string(),
                record.kind.as_str().to_owned(),
                cut(&visible(&summary(record)), COLUMNS.saturating_sub(others)),
            ]);
            records.push(to_json(record)?);
        }
        let head = state.head.known().map(|head| head.to_string());
        let mut text = table.render(Ink::stdout());
        if let Some(head) = &head {
            text.push_str(&format!("head {head}\n"));
        }
        Ok(Reply::new(json!({ "records": records, "size": state.head.size(), "head": head })).with_data(text))
    }
}

fn to_json(record: &Record) -> Outcome<Value> {
    serde_json::to_value(record).map_err(|error| Failure::internal(&error))
}

fn one(context: &Context, seq: u64, with_payload: bool) -> Outcome<Reply> {
    let issuer = context.open_home_to_read()?;
    let stored = block_on(issuer.store.read(seq, 1))?;
    let Some(stored) = stored.first().filter(|stored| stored.seq == seq) else {
        return Err(Failure::new(
            CliCode::RecordUnknown,
            format!("the ledger has no record {seq}"),
        ));
    };
    let record = stored.to_record()?;
    let mut json = json!({ "record": to_json(&record)? });
    let mut text = full(&record);
    if with_payload {
        let payload = block_on(issuer.store.side(seq, SideKind::Payload))?;
        let payload: Option<Value> = payload
            .map(|bytes| serde_json::from_slice(&bytes))
            .transpose()
            .map_err(|error| Failure::internal(&error))?;
        match &payload {
            Some(payload) => text.push_str(&format!("payload\n{}\n", pretty(payload))),
            None => text.push_str("payload        not kept, or erased\n"),
        }
        if let Some(members) = json.as_object_mut() {
            members.insert("payload".to_owned(), payload.unwrap_or_default());
        }
    }
    Ok(Reply::new(json).with_data(text))
}

/// A record in full: what a decision says under names of its own, everything else as it stands in the body.
fn full(record: &Record) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| text.push_str(&format!("{name:<13}  {}\n", visible(value)));
    line("record", &format!("{} {}", record.seq, record.id));
    line("time", &record.time.to_string());
    line("kind", record.kind.as_str());
    if let Some(tenant) = &record.tenant {
        line("tenant", tenant.as_str());
    }
    let body = Body(record);
    let mut said = vec!["schema"];
    if record.kind == RecordKind::Decision {
        for (name, pointer) in [
            ("decision", &["decision"][..]),
            ("tool", &["tool"]),
            ("resource", &["resource"]),
            ("agent", &["actor", "agent"]),
            ("owner", &["actor", "humanOwner"]),
            ("runtime", &["actor", "runtime"]),
            ("task", &["task"]),
        ] {
            if let Some(value) = body.text(pointer) {
                line(name, value);
            }
        }
        for reason in body.list("reasons") {
            let of = |name: &str| reason.get(name).and_then(Value::as_str);
            let parts = [of("code"), of("rule"), of("path")];
            line("reason", &parts.into_iter().flatten().collect::<Vec<_>>().join(" "));
        }
        for rule in body.list("policy/rules") {
            line("rule", rule.as_str().unwrap_or_default());
        }
        for approval in body.list("approvals") {
            let of = |name: &str| approval.get(name).and_then(Value::as_str).unwrap_or_default();
            let said = format!(
                "{} {} ({}, {})",
                of("approvedBy"),
                of("id"),
                of("mode"),
                of("assurance")
            );
            line("approved by", &said);
        }
        said.extend(["decision", "tool", "resource", "task", "reasons", "approvals"]);
    }
    for (name, value) in record.body.get() {
        if !said.contains(&name.as_str()) {
            flatten(name, value, &mut line);
        }
    }
    if let Some(trace) = &record.trace {
        line("trace", trace.as_str());
    }
    line("previous", &record.previous_ledger_hash.to_string());
    line("hash", &record.ledger_hash.to_string());
    text
}

/// Each leaf on a line of its own, named by its path.
fn flatten(path: &str, value: &Value, line: &mut impl FnMut(&str, &str)) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                flatten(&format!("{path}.{name}"), value, line);
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                flatten(&format!("{path}.{index}"), value, line);
            }
        }
        Value::String(text) => line(path, text),
        other => line(path, &other.to_string()),
    }
}

/// A record's body, read as it comes.
struct Body<'a>(&'a Record);

impl<'a> Body<'a> {
    fn at(&self, pointer: &[&str]) -> Option<&'a Value> {
        let (first, rest) = pointer.split_first()?;
        let value = self.0.body.get().get(*first)?;
        rest.iter().try_fold(value, |value, name| value.get(name))
    }

    fn text(&self, pointer: &[&str]) -> Option<&'a str> {
        self.at(pointer)?.as_str()
    }

    fn list(&self, path: &str) -> &'a [Value] {
        let pointer: Vec<&str> = path.split('/').collect();
        self.at(&pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    fn approvers(&self) -> Vec<&'a str> {
        let approvals = self.list("approvals").iter();
        approvals
            .filter_map(|approval| approval.get("approvedBy")?.as_str())
            .collect()
    }

    /// The approval request that the record is about.
    fn request(&self) -> Option<&'a str> {
        match self.0.kind {
            RecordKind::Decision | RecordKind::Request => self.text(&["request"]),
            _ => None,
        }
    }

    /// The pass that the record is about.
    fn pass(&self) -> Option<&'a str> {
        match self.0.kind {
            RecordKind::Decision => self.text(&["pass", "id"]),
            RecordKind::Use | RecordKind::Outcome => self.text(&["pass"]),
            RecordKind::Revocation if self.text(&["revocation", "target", "kind"]) == Some("pass") => {
                self.text(&["revocation", "target", "id"])
            }
            _ => None,
        }
    }
}

/// What a record is about, in a few words.
fn summary(record: &Record) -> String {
    let body = Body(record);
    let text = |pointer: &[&str]| body.text(pointer).map(ToOwned::to_owned);
    let digest = |pointer: &[&str]| body.text(pointer).map(short);
    let words = match record.kind {
        RecordKind::Decision => {
            let by_rule = body.list("policy/rules").first().and_then(Value::as_str);
            let by_code = || body.list("reasons").first()?.get("code")?.as_str();
            let by = by_rule.or_else(by_code).map(ToOwned::to_owned);
            vec![text(&["decision"]), text(&["tool"]), text(&["resource"]), by]
        }
        RecordKind::Revocation => vec![
            text(&["revocation", "target", "kind"]),
            text(&["revocation", "target", "id"]),
            text(&["revocation", "reason"]),
        ],
        RecordKind::Use => vec![text(&["pass"]), text(&["audience"])],
        RecordKind::Key => vec![text(&["event"]), text(&["use"]), text(&["kid"])],
        RecordKind::Policy => vec![text(&["policy", "id"]), digest(&["policy", "digest"])],
        RecordKind::Outcome => vec![text(&["status"]), text(&["pass"])],
        RecordKind::Erasure => vec![text(&["reason"])],
        RecordKind::Request => {
            let code = text(&["code"]).map(|code| format!("({code})"));
            vec![text(&["change"]), text(&["request"]), text(&["principal"]), code]
        }
        RecordKind::Pin => vec![
            text(&["change"]),
            text(&["server"]),
            text(&["tool"]),
            digest(&["definitionHash"]),
            text(&["by"]),
        ],
        RecordKind::Trust => vec![digest(&["trust", "digest"])],
        _ => Vec::new(),
    };
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// The start of a digest, enough to tell records apart by eye.
fn short(digest: &str) -> String {
    digest.chars().take(19).collect()
}

/// The text, or its start and `…` where it has more characters.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut start: String = text.chars().take(width.saturating_sub(1)).collect();
    start.push('…');
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        let fits = |pattern: &str, text: &str| pattern.parse::<Pattern>().unwrap().fits(text);
        for (pattern, text) in [
            ("a.b", "a.b"),
            ("*", ""),
            ("*", "x/y"),
            ("github.*", "github.contents.put"),
            ("*.put", "github.contents.put"),
            ("g*contents*t", "github.contents.put"),
            ("a**b", "ab"),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("a.b", "a.bc"),
            ("a*", "ba"),
            ("ab*ba", "aba"),
            ("a*x*b", "a-b"),
            ("", "a"),
        ] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äö…");
    }
}
