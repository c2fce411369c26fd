//! [`Metrics`]: what the service counts, in the text format of Prometheus.
//!
//! Labels are words of a closed set (outcomes, codes, route patterns, statuses), never ids, payloads or tokens.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// The media type of the answer.
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Outcome {
    outcome: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Change {
    change: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Refusal {
    code: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Answered {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Route {
    route: String,
}

/// How many codes are counted by name: more than there are.
const MAX_CODES: usize = 1024;

/// What is counted.
pub(crate) struct Metrics {
    registry: Registry,
    decisions: Family<Outcome, Counter>,
    requests: Family<Change, Counter>,
    refused: Family<Refusal, Counter>,
    /// The codes that are counted by name.
    codes: Mutex<HashSet<String>>,
    answers: Family<Answered, Counter>,
    seconds: Family<Route, Histogram>,
    parked: Gauge,
    streams: Gauge,
    webhooks_delivered: Counter,
    webhooks_dropped: Counter,
    spans_dropped: Counter,
    connections: Gauge,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// The bounds of the histograms in seconds: a decision takes less than a millisecond of work, and its disk some more.
pub(crate) const BOUNDS: [f64; 13] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("actionpass");
        let metrics = Self {
            decisions: Family::default(),
            requests: Family::default(),
            refused: Family::default(),
            codes: Mutex::default(),
            answers: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(BOUNDS)),
            parked: Gauge::default(),
            streams: Gauge::default(),
            webhooks_delivered: Counter::default(),
            webhooks_dropped: Counter::default(),
            spans_dropped: Counter::default(),
            connections: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register("decisions", "Decisions by outcome", metrics.decisions.clone());
        registry.register(
            "request_changes",
            "Changes of approval requests by kind",
            metrics.requests.clone(),
        );
        registry.register("refused", "Problem answers by code", metrics.refused.clone());
        registry.register(
            "http_answers",
            "Answers by method, route and status",
            metrics.answers.clone(),
        );
        registry.register(
            "http_answer_seconds",
            "Time until an answer began, by route",
            metrics.seconds.clone(),
        );
        registry.register("parked_calls", "Calls that wait for people", metrics.parked.clone());
        registry.register("event_streams", "Open streams of events", metrics.streams.clone());
        registry.register(
            "webhooks_delivered",
            "Messages that receivers of webhooks took",
            metrics.webhooks_delivered.clone(),
        );
        registry.register(
            "webhooks_dropped",
            "Messages that were given up",
            metrics.webhooks_dropped.clone(),
        );
        registry.register(
            "spans_dropped",
            "Spans that no collector took",
            metrics.spans_dropped.clone(),
        );
        registry.register("connections", "Open connections", metrics.connections.clone());
        Self { registry, ..metrics }
    }

    /// Counts a decision: `allow`, `deny`, `step_up`.
    pub(crate) fn decided(&self, outcome: &str) {
        let outcome = outcome.to_owned();
        self.decisions.get_or_create(&Outcome { outcome }).inc();
    }

    /// Counts a change of an approval request.
    pub(crate) fn request_moved(&self, change: &str) {
        let change = change.to_owned();
        self.requests.get_or_create(&Change { change }).inc();
    }

    /// Counts a problem answer. A page that is served alone passes on codes of its gate, which may be whatever that says: beyond
    /// [`MAX_CODES`] they are `other`.
    pub(crate) fn refused(&self, code: &str) {
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        let code = if codes.contains(code) || codes.len() < MAX_CODES {
            codes.insert(code.to_owned());
            code.to_owned()
        } else {
            "other".to_owned()
        };
        drop(codes);
        self.refused.get_or_create(&Refusal { code }).inc();
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let route = route.to_owned();
        let of = Route { route: route.clone() };
        self.seconds.get_or_create(&of).observe(took.as_secs_f64());
        let answered = Answered { method, route, status };
        self.answers.get_or_create(&answered).inc();
    }

    /// Says how telling receivers of webhooks fares, and a collector, which is counted there.
    pub(crate) fn told(&self, delivered: u64, dropped: u64, spans: u64) {
        for (counter, value) in [
            (&self.webhooks_delivered, delivered),
            (&self.webhooks_dropped, dropped),
            (&self.spans_dropped, spans),
        ] {
            counter.inc_by(value.saturating_sub(counter.get()));
        }
    }

    /// Says what is open now.
    pub(crate) fn now(&self, parked: usize, streams: usize, connections: usize) {
        for (gauge, value) in [
            (&self.parked, parked),
            (&self.streams, streams),
            (&self.connections, connections),
        ] {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
    }

    /// All of it as text.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut encoded = String::new();
        text::encode(&mut encoded, &self.registry)?;
        Ok(encoded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_told() {
        let metrics = Metrics::new();
        metrics.decided("allow");
        metrics.decided("allow");
        metrics.request_moved("approve");
        metrics.refused("overloaded");
        metrics.answered("POST", "/v1/authorize", 200, Duration::from_millis(2));
        metrics.now(3, 2, 1);
        metrics.told(5, 4, 7);
        metrics.told(5, 4, 8);
        let text = metrics.text().unwrap();
        for line in [
            "actionpass_decisions_total{outcome=\"allow\"} 2",
            "actionpass_request_changes_total{change=\"approve\"} 1",
            "actionpass_refused_total{code=\"overloaded\"} 1",
            "actionpass_http_answers_total{method=\"POST\",route=\"/v1/authorize\",status=\"200\"} 1",
            "actionpass_http_answer_seconds_bucket{le=\"0.001\",route=\"/v1/authorize\"} 0",
            "actionpass_http_answer_seconds_bucket{le=\"0.0025\",route=\"/v1/authorize\"} 1",
            "actionpass_webhooks_delivered_total 5",
            "actionpass_webhooks_dropped_total 4",
            "actionpass_spans_dropped_total 8",
            "actionpass_parked_calls 3",
            "actionpass_event_streams 2",
            "actionpass_connections 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }

    #[test]
    fn codes_that_somebody_invents_are_counted_together() {
        let metrics = Metrics::new();
        for number in 0..2 * MAX_CODES {
            metrics.refused(&format!("code_{number}"));
        }
        metrics.refused("code_0");
        let text = metrics.text().unwrap();
        let counted = |code: &str, times: usize| {
            let line = format!("actionpass_refused_total{{code=\"{code}\"}} {times}");
            assert!(text.lines().any(|found| found == line), "{line}");
        };
        counted("code_0", 2);
        counted("other", MAX_CODES);
        assert_eq!(text.matches("actionpass_refused_total{").count(), MAX_CODES + 1);
    }
}
