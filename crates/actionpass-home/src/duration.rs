//! Durations as people write them: `30s`, `15m`, `2h`, `1d`.

use std::time::Duration;

/// Reads a duration: a whole number and one of `s`, `m`, `h`, `d`.
///
/// # Errors
/// What a duration looks like, for people.
pub fn parse(text: &str) -> Result<Duration, String> {
    let read = || {
        let unit = match text.chars().last()? {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            _ => return None,
        };
        let digits = text.get(..text.len().checked_sub(1)?)?;
        let digits = digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(digits)?;
        digits.parse::<u64>().ok()?.checked_mul(unit).map(Duration::from_secs)
    };
    read().ok_or_else(|| "a duration is a number and a unit: `30s`, `15m`, `2h`, `1d`".to_owned())
}

/// How a duration is said: in minutes, or in seconds where minutes would round it.
#[must_use]
pub fn text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (count, unit) = match seconds.checked_rem(60) {
        Some(0) => (seconds / 60, "minute"),
        _ => (seconds, "second"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_as_they_are() {
        for (seconds, said) in [
            (1, "1 second"),
            (30, "30 seconds"),
            (60, "1 minute"),
            (90, "90 seconds"),
            (900, "15 minutes"),
        ] {
            assert_eq!(text(Duration::from_secs(seconds)), said);
        }
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(parse("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(parse("2h"), Ok(Duration::from_secs(7200)));
        assert_eq!(parse("1d"), Ok(Duration::from_secs(86_400)));
        for bad in [
            "",
            "15",
            "m",
            "-1m",
            "+1m",
            "1.5h",
            "15 m",
            "1w",
            "99999999999999999999s",
            "1é",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
