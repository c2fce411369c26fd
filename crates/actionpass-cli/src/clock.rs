//! The time, and fresh ids made from it.

use actionpass_core::verify::VerifyCode;
use actionpass_core::{AuthorizeCode, Clock, Random, System};
use actionpass_model::{Timestamp, UnixSeconds};
use uuid::Uuid;

use crate::failure::{Failure, Outcome};

/// The time now.
pub(crate) fn now() -> Outcome<Timestamp> {
    System.now().ok_or_else(|| {
        Failure::new(
            VerifyCode::ClockUnknown,
            "the system clock gives no time between 1970 and 9999",
        )
    })
}

/// A fresh UUIDv7 (RFC 9562 §5.7).
pub(crate) fn uuid(now: Timestamp) -> Outcome<Uuid> {
    let bytes: [u8; 10] = random()?;
    Ok(uuid::Builder::from_unix_timestamp_millis(now.unix_millis(), &bytes).into_uuid())
}

/// Random bytes of the operating system.
pub(crate) fn random<const N: usize>() -> Outcome<[u8; N]> {
    let mut bytes = [0; N];
    if System.fill(&mut bytes) {
        Ok(bytes)
    } else {
        Err(Failure::new(
            AuthorizeCode::RandomnessUnavailable,
            "the operating system gives no randomness",
        ))
    }
}

/// Reads a time: `2026-11-23T01:02:03.000Z`, with fewer or no fractional digits too, or seconds since 1970.
pub(crate) fn parse(text: &str) -> Result<UnixSeconds, String> {
    const FORMS: &str = "a time is `2026-11-23T01:02:03Z` or seconds since 1970";
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text
            .parse()
            .ok()
            .and_then(UnixSeconds::new)
            .ok_or_else(|| FORMS.to_owned());
    }
    parse_timestamp(text).map(Timestamp::to_unix_seconds)
}

/// Reads a point in time, with or without fractional digits.
pub(crate) fn parse_timestamp(text: &str) -> Result<Timestamp, String> {
    let body = text
        .strip_suffix('Z')
        .ok_or("a time ends in `Z` (UTC): `2026-11-23T01:02:03Z`")?;
    let (seconds, fraction) = body.split_once('.').unwrap_or((body, ""));
    if fraction.len() > 3 {
        return Err("a time has at most three fractional digits".to_owned());
    }
    Timestamp::parse(&format!("{seconds}.{fraction:0<3}Z")).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_few_spellings() {
        for text in [
            "2026-11-23T01:02:03.000Z",
            "2026-11-23T01:02:03Z",
            "2026-11-23T01:02:03.0Z",
            "1795395723",
        ] {
            assert_eq!(parse(text).map(UnixSeconds::get), Ok(1_795_395_723), "{text}");
        }
        for bad in [
            "",
            "now",
            "2026-11-23",
            "2026-11-23T01:02:03+01:00",
            "-1",
            "2026-11-23T01:02:03.0000Z",
            "999999999999",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
