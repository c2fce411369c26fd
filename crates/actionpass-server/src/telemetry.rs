//! [`Telemetry`]: traces and metrics for a collector of OpenTelemetry. Nothing is sent without the feature `otlp` and
//! `[serve.otlp]` of the home.

#[cfg(not(feature = "otlp"))]
mod absent;
#[cfg(feature = "otlp")]
mod otlp;

use std::time::Duration;

use crate::trace::TraceContext;

#[cfg(not(feature = "otlp"))]
pub(crate) use absent::Telemetry;
#[cfg(feature = "otlp")]
pub(crate) use otlp::Telemetry;

/// What is told of a request once its answer has begun. Nothing else is: no path, query, header or body.
#[derive(Debug)]
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "without it nobody is told"))]
pub(crate) struct Answered<'a> {
    /// A method of the registry, or `other`.
    pub(crate) method: &'static str,
    /// The pattern of the route, or `none`.
    pub(crate) route: &'a str,
    pub(crate) status: u16,
    /// The code of a problem.
    pub(crate) code: Option<&'a str>,
    /// The name of the client, where it is proven.
    pub(crate) client: Option<&'a str>,
    /// `allow`, `deny`, `step_up`, where something was decided.
    pub(crate) decision: Option<&'static str>,
    pub(crate) trace: Option<&'a TraceContext>,
    pub(crate) took: Duration,
}
