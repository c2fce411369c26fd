//! Spans of requests and the metrics, over OTLP/HTTP with protobuf.
//!
//! Nobody who asks something waits for a collector: spans go into a queue that has an end, and a thread sends them; another
//! sends metrics. What a collector doesn't take is dropped, counted, and told to the log when that begins and when it is over.
//!
//! Spans are made of what the log says of a request, and of nothing else. They are built here and not by a layer of `tracing`: such a
//! layer would send whatever any library logs, and the subscriber belongs to the program.

mod signal;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant, SystemTime};

use actionpass_core::{Random as _, System};
use actionpass_home::Otlp;
use actionpass_model::{Code, Issuer};
use axum::http::{HeaderValue, header};
use futures_util::FutureExt as _;
use opentelemetry::metrics::{Counter, Gauge, Histogram, MeterProvider as _};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{MetricExporter, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};
use ureq::Agent;

use super::Answered;
use crate::metrics::BOUNDS;
use crate::webhooks::Counts;
use crate::{ServeError, ServerCode, outgoing};
use signal::{Settled, Signal};

/// How long a collector may take to take something.
const TIME: Duration = Duration::from_secs(10);
/// How many spans wait at most, and how many are sent at once.
const QUEUE: usize = 2_048;
const BATCH: usize = 512;
/// How long a span waits for others, and how often metrics are sent.
const DELAY: Duration = Duration::from_secs(2);
const INTERVAL: Duration = Duration::from_secs(30);
/// How long is waited, when the service stops, for what is left to be taken.
const LAST: Duration = Duration::from_secs(2);
/// How much of what a collector answers is read, in bytes.
const MAX_ANSWER: u64 = 64 << 10;
/// What is asked by whoever watches the service, at all times: no spans.
const UNTOLD: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// What is sent to a collector.
pub(crate) struct Telemetry {
    jobs: SyncSender<Job>,
    traces: Arc<Signal>,
    meters: SdkMeterProvider,
    scope: InstrumentationScope,
    decisions: Counter<u64>,
    requests: Counter<u64>,
    refused: Counter<u64>,
    seconds: Histogram<f64>,
    parked: Gauge<u64>,
    streams: Gauge<u64>,
    connections: Gauge<u64>,
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").finish_non_exhaustive()
    }
}

/// What the thread that sends spans gets.
enum Job {
    Span(Box<SpanData>),
    /// Send what there is, and say so.
    Flush(SyncSender<()>),
}

impl Telemetry {
    /// Begins to send to a collector, if there is one. Whether it can be reached isn't asked: it may come later.
    ///
    /// # Errors
    /// [`ServeError::Otlp`] for a secret or certificates that can't be read.
    pub(crate) fn open(
        otlp: Option<&Otlp>,
        issuer: &Issuer,
        webhooks: Arc<Counts>,
    ) -> Result<Option<Self>, ServeError> {
        let Some(otlp) = otlp else { return Ok(None) };
        let unusable = |error: &dyn fmt::Display| refused(ServerCode::OtlpUnusable, error);
        let collector = Arc::new(Collector::of(otlp)?);
        let base = otlp.endpoint.as_str().trim_end_matches('/');
        let resource = Resource::builder_empty()
            .with_service_name("actionpass")
            .with_attributes([
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                KeyValue::new("actionpass.issuer", issuer.to_string()),
            ])
            .build();
        let (traces, measured) = (Arc::new(Signal::new("traces")), Arc::new(Signal::new("metrics")));

        let mut spans = SpanExporter::builder()
            .with_http()
            .with_shared_http_client(Arc::clone(&collector) as _)
            .with_endpoint(format!("{base}/v1/traces"))
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(TIME)
            .build()
            .map_err(|error| unusable(&error))?;
        spans.set_resource(&resource);
        let (jobs, waiting) = sync_channel(QUEUE);
        let told = Arc::clone(&traces);
        std::thread::Builder::new()
            .name("actionpass-otlp".to_owned())
            .spawn(move || send(&waiting, &spans, &told))
            .map_err(|error| unusable(&error))?;

        let metrics = MetricExporter::builder()
            .with_temporality(Temporality::Cumulative)
            .with_http()
            .with_shared_http_client(collector)
            .with_endpoint(format!("{base}/v1/metrics"))
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(TIME)
            .build()
            .map_err(|error| unusable(&error))?;
        let reader = PeriodicReader::builder(Settled::new(metrics, measured));
        let meters = SdkMeterProvider::builder()
            .with_reader(reader.with_interval(INTERVAL).build())
            .with_resource(resource)
            .build();
        Ok(Some(Self::with(jobs, traces, meters, webhooks)))
    }

    fn with(jobs: SyncSender<Job>, traces: Arc<Signal>, meters: SdkMeterProvider, webhooks: Arc<Counts>) -> Self {
        let scope = InstrumentationScope::builder("actionpass-server")
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        let meter = meters.meter_with_scope(scope.clone());
        let (delivered, dropped, spans) = (Arc::clone(&webhooks), webhooks, Arc::clone(&traces));
        let _ = meter
            .u64_observable_counter("actionpass.webhooks_delivered")
            .with_callback(move |told| told.observe(delivered.delivered(), &[]))
            .build();
        let _ = meter
            .u64_observable_counter("actionpass.webhooks_dropped")
            .with_callback(move |told| told.observe(dropped.dropped(), &[]))
            .build();
        let _ = meter
            .u64_observable_counter("actionpass.spans_dropped")
            .with_callback(move |told| told.observe(spans.dropped(), &[]))
            .build();
        Self {
            jobs,
            traces,
            scope,
            decisions: meter.u64_counter("actionpass.decisions").build(),
            requests: meter.u64_counter("actionpass.request_changes").build(),
            refused: meter.u64_counter("actionpass.refused").build(),
            seconds: meter
                .f64_histogram("http.server.request.duration")
                .with_unit("s")
                .with_boundaries(BOUNDS.to_vec())
                .build(),
            parked: meter.u64_gauge("actionpass.parked_calls").build(),
            streams: meter.u64_gauge("actionpass.event_streams").build(),
            connections: meter.u64_gauge("actionpass.connections").build(),
            meters,
        }
    }

    /// Tells of a request that was answered. Its span is that of the caller's trace; a caller that doesn't record its own
    /// wants none.
    pub(crate) fn answered(&self, answered: &Answered<'_>) {
        let attributes = vec![
            KeyValue::new("http.request.method", answered.method),
            KeyValue::new("http.route", answered.route.to_owned()),
            KeyValue::new("http.response.status_code", i64::from(answered.status)),
        ];
        self.seconds.record(answered.took.as_secs_f64(), &attributes);
        if let Some(code) = answered.code {
            self.refused.add(1, &[KeyValue::new("code", code.to_owned())]);
        }
        if UNTOLD.contains(&answered.route) || answered.trace.is_some_and(|trace| !trace.is_sampled) {
            return;
        }
        let Some(span) = self.span(answered, attributes) else {
            return;
        };
        match self.jobs.try_send(Job::Span(Box::new(span))) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.traces.lose(1, &"it is too slow"),
        }
    }

    /// The span of a request; `None` without random bytes for its id.
    fn span(&self, answered: &Answered<'_>, mut attributes: Vec<KeyValue>) -> Option<SpanData> {
        let optional = [
            ("error.type", answered.code),
            ("actionpass.client", answered.client),
            ("actionpass.decision", answered.decision),
        ];
        for (key, value) in optional {
            attributes.extend(value.map(|value| KeyValue::new(key, value.to_owned())));
        }
        let mut random = [0; 24];
        if !System.fill(&mut random) {
            return None;
        }
        let (own, new) = random.split_first_chunk::<8>()?;
        let (trace, parent) = match answered.trace {
            Some(trace) => (
                TraceId::from_hex(&trace.id).ok()?,
                SpanId::from_hex(&trace.parent).ok()?,
            ),
            None => (TraceId::from_bytes(new.try_into().ok()?), SpanId::INVALID),
        };
        let end_time = SystemTime::now();
        Some(SpanData {
            span_context: SpanContext::new(
                trace,
                SpanId::from_bytes(*own),
                TraceFlags::SAMPLED,
                false,
                TraceState::NONE,
            ),
            parent_span_id: parent,
            parent_span_is_remote: answered.trace.is_some(),
            span_kind: SpanKind::Server,
            name: Cow::Owned(format!("{} {}", answered.method, answered.route)),
            start_time: end_time.checked_sub(answered.took)?,
            end_time,
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            // By the conventions what is wrong with the request is no error of a server.
            status: if answered.status >= 500 {
                Status::error("")
            } else {
                Status::Unset
            },
            instrumentation_scope: self.scope.clone(),
        })
    }

    /// Counts a decision: `allow`, `deny`, `step_up`.
    pub(crate) fn decided(&self, outcome: &str) {
        self.decisions.add(1, &[KeyValue::new("outcome", outcome.to_owned())]);
    }

    /// Counts a change of an approval request.
    pub(crate) fn request_moved(&self, change: &str) {
        self.requests.add(1, &[KeyValue::new("change", change.to_owned())]);
    }

    /// Says what is open now.
    pub(crate) fn now(&self, parked: usize, streams: usize, connections: usize) {
        for (gauge, value) in [
            (&self.parked, parked),
            (&self.streams, streams),
            (&self.connections, connections),
        ] {
            gauge.record(u64::try_from(value).unwrap_or(u64::MAX), &[]);
        }
    }

    /// How many spans no collector took.
    pub(crate) fn dropped(&self) -> u64 {
        self.traces.dropped()
    }

    /// Sends what is left, and waits for that no longer than [`LAST`].
    pub(crate) async fn stop(&self) {
        let (done, sent) = tokio::sync::oneshot::channel();
        let (jobs, meters) = (self.jobs.clone(), self.meters.clone());
        // Not a task of the runtime, whose end would wait for it.
        let last = std::thread::Builder::new().spawn(move || {
            let (flushed, spans) = sync_channel(1);
            if jobs.send(Job::Flush(flushed)).is_ok() {
                let _ = spans.recv();
            }
            let _ = meters.shutdown();
            let _ = done.send(());
        });
        if last.is_err() || tokio::time::timeout(LAST, sent).await.is_err() {
            tracing::warn!("the collector didn't take the last traces and metrics in time");
        }
    }
}

/// Sends spans, those of [`DELAY`] together, until nobody is left who makes any.
fn send(jobs: &Receiver<Job>, exporter: &SpanExporter, traces: &Signal) {
    while let Ok(first) = jobs.recv() {
        let (mut batch, mut flush, mut next) = (Vec::new(), None, Some(first));
        let begun = Instant::now();
        while let Some(job) = next.take() {
            match job {
                Job::Span(span) => batch.push(*span),
                Job::Flush(flushed) => flush = Some(flushed),
            }
            if batch.len() >= BATCH || flush.is_some() {
                break;
            }
            next = jobs.recv_timeout(DELAY.saturating_sub(begun.elapsed())).ok();
        }
        if !batch.is_empty() {
            let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
            // The client blocks, so that nothing is left to wait for.
            match exporter.export(batch).now_or_never() {
                Some(Ok(())) => traces.taken(),
                Some(Err(error)) => traces.lose(count, &error),
                None => traces.lose(count, &"it isn't sent"),
            }
        }
        if let Some(flush) = flush {
            let _ = flush.send(());
        }
    }
}

/// The client of the exporters. It blocks: they have threads of their own.
#[derive(Debug)]
struct Collector {
    agent: Agent,
    authorization: Option<HeaderValue>,
}

impl Collector {
    fn of(otlp: &Otlp) -> Result<Self, ServeError> {
        let roots = otlp.endpoint.is_tls().then(|| outgoing::roots(otlp.ca.as_deref()));
        let roots = roots
            .transpose()
            .map_err(|problem| refused(ServerCode::CaUnusable, &problem))?;
        let authorization = match &otlp.authorization {
            Some(source) => {
                let secret = source.read().map_err(|error| refused(error.code(), &error))?;
                let value = secret.expose_str().map(str::trim).map(HeaderValue::from_str);
                let Some(Ok(mut value)) = value else {
                    return Err(refused(
                        ServerCode::OtlpUnusable,
                        &"`authorization` is no value of a header",
                    ));
                };
                value.set_sensitive(true);
                Some(value)
            }
            None => None,
        };
        Ok(Self {
            agent: outgoing::config(roots, TIME).new_agent(),
            authorization,
        })
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (mut head, body) = request.into_parts();
        // What the environment says of headers is not for here: the home says where to, and by which right.
        let content_type = head.headers.remove(header::CONTENT_TYPE);
        head.headers.clear();
        if let Some(content_type) = content_type {
            head.headers.insert(header::CONTENT_TYPE, content_type);
        }
        if let Some(authorization) = &self.authorization {
            head.headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        let body: &[u8] = &body;
        let (head, mut body) = self.agent.run(Request::from_parts(head, body))?.into_parts();
        let body = body.with_config().limit(MAX_ANSWER).read_to_vec()?;
        Ok(Response::from_parts(head, body.into()))
    }
}

impl HttpClient for Collector {
    fn send_bytes<'a, 'sent>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'sent>>
    where
        'a: 'sent,
        Self: 'sent,
    {
        Box::pin(std::future::ready(self.send(request)))
    }
}

fn refused(code: impl Into<Code>, problem: &dyn fmt::Display) -> ServeError {
    ServeError::Otlp {
        code: code.into(),
        problem: problem.to_string(),
    }
}
