//! [`Report`]: what doors that only observe would have refused.

use std::collections::BTreeMap;

use actionpass_model::{Decision, DecisionBody, DecisionMode, RecordKind, Timestamp};
use serde::{Deserialize, Serialize};

/// What was observed, grouped by what would have become of it.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Report {
    /// How many decisions were observed.
    pub observed: u64,
    /// How many of them were allows.
    pub allowed: u64,
    /// What would have been denied or asked, the most frequent first.
    pub refused: Vec<Refused>,
}

/// Calls that would have been denied or asked for the same reason.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Refused {
    /// `deny` or `step_up`.
    pub decision: Decision,
    /// With which tool.
    pub tool: String,
    /// On what.
    pub resource: String,
    /// The rule that says so, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Why.
    pub code: String,
    /// The door that it came through, if that is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub door: Option<String>,
    /// How often.
    pub count: u64,
    /// When last.
    pub last: Timestamp,
}

/// Collects a report from records, in any order.
#[derive(Debug)]
pub struct Collector {
    since: Option<Timestamp>,
    report: Report,
    groups: BTreeMap<Key, (u64, Timestamp)>,
}

#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Key {
    is_step_up: bool,
    tool: String,
    resource: String,
    rule: Option<String>,
    code: String,
    door: Option<String>,
}

impl Collector {
    /// Of what was recorded at this time or later; of everything.
    #[must_use]
    pub fn since(since: Option<Timestamp>) -> Self {
        Self {
            since,
            report: Report::default(),
            groups: BTreeMap::new(),
        }
    }

    /// Looks at one record.
    ///
    /// # Errors
    /// It is no record.
    pub fn look(&mut self, record: &[u8]) -> Result<(), serde_json::Error> {
        #[derive(Deserialize)]
        struct Head {
            time: Timestamp,
            kind: RecordKind,
            body: serde_json::Value,
        }
        let head: Head = serde_json::from_slice(record)?;
        if head.kind == RecordKind::Decision && self.since.is_none_or(|since| head.time >= since) {
            self.decision(head.time, &serde_json::from_value(head.body)?);
        }
        Ok(())
    }

    fn decision(&mut self, time: Timestamp, body: &DecisionBody) {
        if body.mode != Some(DecisionMode::Observe) {
            return;
        }
        let report = &mut self.report;
        // A process that records few of many refusals says how many it left out.
        let unrecorded = body.unrecorded.unwrap_or(0);
        report.observed = report.observed.saturating_add(1).saturating_add(unrecorded);
        if body.decision == Decision::Allow {
            report.allowed = report.allowed.saturating_add(1);
            return;
        }
        let reason = body.reasons.first();
        let key = Key {
            is_step_up: body.decision == Decision::StepUp,
            tool: body.tool.to_string(),
            resource: body.resource.to_string(),
            rule: reason.and_then(|reason| reason.rule.as_ref()).map(ToString::to_string),
            code: reason.map_or_else(String::new, |reason| reason.code.to_string()),
            door: body.door.as_ref().map(ToString::to_string),
        };
        let group = self.groups.entry(key).or_insert((0, time));
        group.0 = group.0.saturating_add(1);
        group.1 = group.1.max(time);
    }

    /// The report.
    #[must_use]
    pub fn finish(self) -> Report {
        let mut refused: Vec<Refused> = self
            .groups
            .into_iter()
            .map(|(key, (count, last))| Refused {
                decision: if key.is_step_up {
                    Decision::StepUp
                } else {
                    Decision::Deny
                },
                tool: key.tool,
                resource: key.resource,
                rule: key.rule,
                code: key.code,
                door: key.door,
                count,
                last,
            })
            .collect();
        refused.sort_by_key(|group| std::cmp::Reverse((group.count, group.last)));
        Report { refused, ..self.report }
    }
}
