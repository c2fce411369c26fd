//! [`TraceContext`]: the trace that a request belongs to (W3C Trace Context).

use actionpass_model::Trace;
use axum::http::HeaderMap;

/// The trace of a request. Every request that brings a valid `traceparent` carries it as an extension.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct TraceContext {
    /// The whole header, as records keep it ([`actionpass_core::Request::with_trace`]).
    pub(crate) trace: Trace,
    /// The trace id, 32 hexadecimal digits.
    pub(crate) id: String,
    /// The id of the span that asks, 16 hexadecimal digits.
    pub(crate) parent: String,
    /// Whether the one who asks records the trace.
    pub(crate) is_sampled: bool,
}

impl TraceContext {
    /// The trace that the headers name. `None` where there is no `traceparent`, or two, or one that breaks the format: by the
    /// specification a receiver then goes on as if there were none.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all("traceparent").iter();
        let value = values.next()?.to_str().ok()?;
        if values.next().is_some() {
            return None;
        }
        let mut parts = value.split('-');
        let (version, id, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let is_zero = |text: &str| text.bytes().all(|byte| byte == b'0');
        let is_valid = is_hex(version, 2)
            && version != "ff"
            && is_hex(id, 32)
            && !is_zero(id)
            && is_hex(parent, 16)
            && !is_zero(parent)
            && is_hex(flags, 2);
        // Later versions may have more parts, this one has none.
        if !is_valid || (version == "00" && parts.next().is_some()) {
            return None;
        }
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self {
            trace: Trace::parse(value).ok()?,
            id: id.to_owned(),
            parent: parent.to_owned(),
            is_sampled: flags & 1 == 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn of(values: &[&str]) -> Option<TraceContext> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("traceparent", HeaderValue::from_str(value).unwrap());
        }
        TraceContext::of(&headers)
    }

    #[test]
    fn a_trace_is_read_whole() {
        let context = of(&[VALID]).unwrap();
        assert_eq!(context.trace.as_str(), VALID);
        assert_eq!(context.id, "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.parent, "00f067aa0ba902b7");
        assert!(context.is_sampled);
        assert!(!of(&[&VALID.replace("-01", "-02")]).unwrap().is_sampled);
        // A later version may say more.
        assert!(of(&[&format!("{}-more", VALID.replacen("00-", "01-", 1))]).is_some());
    }

    #[test]
    fn what_is_no_trace_counts_as_none() {
        for wrong in [
            &[][..],
            &[VALID, VALID],
            &[""],
            &["00"],
            &[&VALID.replacen("00-", "ff-", 1)],
            &[&VALID.to_uppercase()],
            &[&format!("{VALID}-more")],
            &[&VALID.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32))],
            &[&VALID.replace("00f067aa0ba902b7", &"0".repeat(16))],
            &[&VALID.replace("-01", "-1")],
            &[&VALID.replacen("4b", "4", 1)],
        ] {
            assert_eq!(of(wrong), None, "{wrong:?}");
        }
    }
}
