//! [`Signal`]: how sending traces, or metrics, fares.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry_otlp::MetricExporter;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;

/// Counts what is lost, and tells the log when that begins and when it is over: a collector that is away for a day is two lines.
#[derive(Debug)]
pub(super) struct Signal {
    name: &'static str,
    dropped: AtomicU64,
    /// How many were lost when something was taken last.
    before: AtomicU64,
    is_failing: AtomicBool,
}

impl Signal {
    pub(super) const fn new(name: &'static str) -> Self {
        Self {
            name,
            dropped: AtomicU64::new(0),
            before: AtomicU64::new(0),
            is_failing: AtomicBool::new(false),
        }
    }

    /// How many were lost.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Says that so many were lost.
    pub(super) fn lose(&self, count: u64, why: &dyn Display) {
        self.dropped.fetch_add(count, Ordering::Relaxed);
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            tracing::error!(signal = self.name, %why, "the collector doesn't take what it is sent, which is dropped");
        }
    }

    /// Says that something was taken. It is well again once nothing was lost since the time before.
    pub(super) fn taken(&self) {
        let dropped = self.dropped();
        let is_whole = self.before.swap(dropped, Ordering::Relaxed) == dropped;
        if is_whole && self.is_failing.swap(false, Ordering::Relaxed) {
            tracing::info!(signal = self.name, dropped, "the collector takes what it is sent again");
        }
    }
}

/// An exporter of metrics, which tells its signal how it fares. What one attempt didn't bring the next one does: they are
/// totals.
pub(super) struct Settled {
    exporter: MetricExporter,
    signal: Arc<Signal>,
}

impl Settled {
    pub(super) const fn new(exporter: MetricExporter, signal: Arc<Signal>) -> Self {
        Self { exporter, signal }
    }
}

impl PushMetricExporter for Settled {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let sent = self.exporter.export(metrics).await;
        match &sent {
            Ok(()) => self.signal.taken(),
            Err(error) => self.signal.lose(0, error),
        }
        sent
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}
