//! Points in time: [`Timestamp`] in documents, [`UnixSeconds`] in tokens. Neither reads a clock.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Datelike, NaiveDate, Timelike};
use serde::{Deserialize, Serialize};

use crate::text::TextError;

/// 9999-12-31T23:59:59.999Z in milliseconds: later times have no four-digit year.
const LAST_MILLIS: u64 = 253_402_300_799_999;

/// A point in time with millisecond precision, written `2026-11-23T01:02:03.000Z`: always UTC, always exactly three
/// fractional digits, from 1970 to 9999.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(u64);

impl Timestamp {
    /// 1970-01-01T00:00:00.000Z, the first.
    pub const EPOCH: Self = Self(0);

    /// A point in time from milliseconds since 1970-01-01T00:00:00Z; `None` after the year 9999.
    #[must_use]
    pub const fn from_unix_millis(millis: u64) -> Option<Self> {
        if millis <= LAST_MILLIS {
            Some(Self(millis))
        } else {
            None
        }
    }

    /// Reads the written form, and no other spelling of the same time.
    ///
    /// # Errors
    /// [`TextError`] unless the text is `YYYY-MM-DDThh:mm:ss.fffZ` with a date that exists, 1970 to 9999.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        const PROBLEM: TextError = TextError::new(
            "time",
            "is not `YYYY-MM-DDThh:mm:ss.fffZ` (UTC, three fractional digits)",
        );
        Self::from_fixed(text).ok_or(PROBLEM)
    }

    /// The one spelling, byte by byte: a trust store has thousands of times, and RFC 3339 has many spellings of each
    /// (offsets, lower case, more digits, leap seconds) that a general parser would have to take.
    fn from_fixed(text: &str) -> Option<Self> {
        const SHAPE: &[u8; 24] = b"0000-00-00T00:00:00.000Z";
        let bytes: &[u8; 24] = text.as_bytes().try_into().ok()?;
        let fits = |(byte, shape): (&u8, &u8)| {
            if *shape == b'0' {
                byte.is_ascii_digit()
            } else {
                byte == shape
            }
        };
        if !bytes.iter().zip(SHAPE).all(fits) {
            return None;
        }
        let number = |from: usize, to: usize| text.get(from..to)?.parse::<u32>().ok();
        let year = i32::try_from(number(0, 4)?).ok()?;
        let date = NaiveDate::from_ymd_opt(year, number(5, 7)?, number(8, 10)?)?;
        let time = date.and_hms_milli_opt(number(11, 13)?, number(14, 16)?, number(17, 19)?, number(20, 23)?)?;
        Self::from_unix_millis(u64::try_from(time.and_utc().timestamp_millis()).ok()?)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn unix_millis(self) -> u64 {
        self.0
    }

    /// The second that this point in time lies in.
    #[must_use]
    pub const fn to_unix_seconds(self) -> UnixSeconds {
        UnixSeconds(self.0 / 1000)
    }

    /// This much later; stays within the year 9999.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis).min(LAST_MILLIS))
    }

    /// How long after `earlier` this is; zero if it isn't later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Timestamp {
    /// The written form, digit by digit: a general formatter takes longer than all the rest of a short record.
    fn to_text(self) -> Option<[u8; 24]> {
        let time = DateTime::from_timestamp_millis(i64::try_from(self.0).ok()?)?;
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut put = |places: std::ops::Range<usize>, mut number: u32| -> Option<()> {
            for place in text.get_mut(places)?.iter_mut().rev() {
                *place = b'0' | u8::try_from(number % 10).ok()?;
                number /= 10;
            }
            Some(())
        };
        put(0..4, u32::try_from(time.year()).ok()?)?;
        put(5..7, time.month())?;
        put(8..10, time.day())?;
        put(11..13, time.hour())?;
        put(14..16, time.minute())?;
        put(17..19, time.second())?;
        put(20..23, time.timestamp_subsec_millis())?;
        Some(text)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.to_text().ok_or(fmt::Error)?;
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self
            .to_text()
            .ok_or_else(|| serde::ser::Error::custom("time is after the year 9999"))?;
        serializer.serialize_str(std::str::from_utf8(&text).map_err(serde::ser::Error::custom)?)
    }
}

crate::text::serde_text!(
    Timestamp,
    "Timestamp",
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$"
);

/// A JWT NumericDate (RFC 7519 §2), always an integer: whole seconds since 1970-01-01T00:00:00Z, up to the year 9999.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct UnixSeconds(u64);

impl UnixSeconds {
    /// A point in time from seconds since 1970-01-01T00:00:00Z; `None` after the year 9999.
    #[must_use]
    pub const fn new(seconds: u64) -> Option<Self> {
        if seconds <= LAST_MILLIS / 1000 {
            Some(Self(seconds))
        } else {
            None
        }
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// This many seconds later; stays within the year 9999.
    #[must_use]
    pub const fn saturating_add(self, seconds: u64) -> Self {
        let sum = self.0.saturating_add(seconds);
        if sum <= LAST_MILLIS / 1000 {
            Self(sum)
        } else {
            Self(LAST_MILLIS / 1000)
        }
    }

    /// This many seconds earlier, not before 1970.
    #[must_use]
    pub const fn saturating_sub(self, seconds: u64) -> Self {
        Self(self.0.saturating_sub(seconds))
    }

    /// The start of this second.
    #[must_use]
    pub const fn to_timestamp(self) -> Timestamp {
        Timestamp(self.0.saturating_mul(1000))
    }
}

impl fmt::Display for UnixSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl<'de> Deserialize<'de> for UnixSeconds {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(u64::deserialize(deserializer)?)
            .ok_or_else(|| serde::de::Error::custom("time is after the year 9999"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_only() {
        let text = "2026-11-23T01:02:03.000Z";
        let time = Timestamp::parse(text).unwrap();
        assert_eq!(time.to_string(), text);
        assert_eq!(time.to_unix_seconds().to_timestamp(), time);
        for bad in [
            "2026-11-23T01:02:03Z",
            "2026-11-23T01:02:03.00Z",
            "2026-11-23T01:02:03.0000Z",
            "2026-11-23T01:02:03.000+00:00",
            "2026-11-23t01:02:03.000z",
            "2026-11-23 01:02:03.000Z",
            "2026-02-30T01:02:03.000Z",
            "2026-11-23T01:02:60.000Z",
            "1969-12-31T23:59:59.999Z",
            "+12026-11-23T01:02:03.000Z",
            "2026-11-23T24:00:00.000Z",
            "2026-11-23T01:02:03,000Z",
            "2026-11-23T01:02:+3.000Z",
            "２026-11-23T01:02:03.00Z",
            "",
        ] {
            assert!(Timestamp::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_written_is_what_chrono_writes() {
        let day = 86_400_000_u64;
        let times = (0..LAST_MILLIS)
            .step_by(usize::try_from(day * 97 + 12_345_678).unwrap())
            .chain([0, day - 1, 951_782_400_000, 951_868_799_999, LAST_MILLIS]);
        for millis in times {
            let time = DateTime::from_timestamp_millis(i64::try_from(millis).unwrap()).unwrap();
            let expected = time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
            assert_eq!(Timestamp(millis).to_string(), expected);
            assert_eq!(
                serde_json::to_string(&Timestamp(millis)).unwrap(),
                format!("\"{expected}\"")
            );
        }
    }

    #[test]
    fn numeric_dates_are_integers() {
        assert!(serde_json::from_str::<UnixSeconds>("1795000000").is_ok());
        for bad in ["1795000000.0", "-1", "1e9", "\"1\"", "253402300800", "null"] {
            assert!(serde_json::from_str::<UnixSeconds>(bad).is_err(), "{bad}");
        }
    }
}
