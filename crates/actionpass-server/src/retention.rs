//! What `[retention]` of the configuration says is erased, by the service while it runs.

use std::time::Duration;

use actionpass_core::Clock;
use actionpass_home::retention::{self, Erased, Erasure};
use actionpass_home::{HomeError, OpenHome};
use actionpass_model::{Timestamp, message_with_sources};
use tokio::time::Instant;

use crate::gate::Shared;

/// How long after its start a service erases first, so that one that is started again and again does nothing else.
const FIRST: Duration = Duration::from_secs(5 * 60);
/// How often it looks for what is due.
const EVERY: Duration = Duration::from_secs(60 * 60);
/// How many erasures it records at once: what is more is due in the next round.
const BATCHES: usize = 16;
/// How far the clock may be from what has passed since the last look.
const ASTRAY: Duration = Duration::from_secs(5 * 60);

/// Erases what is due, again and again, as long as the service runs. A round that fails is told and tried again later.
pub(crate) async fn run(gate: Shared, period: Duration, clock: impl Clock) {
    let mut before = clock.now().map(|now| (now, Instant::now()));
    tokio::time::sleep(FIRST).await;
    loop {
        let now = clock.now();
        if let (Some((then, since)), Some(now)) = (before, now)
            && is_astray(then, now, since.elapsed())
        {
            tracing::warn!(%then, %now, "the clock was set while the service ran, so nothing is erased in this round");
        } else if let Some(now) = now {
            match round(&gate.home, period, now).await {
                Ok(erased) if erased.count > 0 => {
                    tracing::info!(
                        records = erased.count,
                        held = erased.held,
                        more = erased.has_more,
                        "erased what is due by [retention]"
                    );
                }
                Ok(_) => {}
                Err(error) => {
                    let (code, cause) = (error.code(), message_with_sources(&error));
                    tracing::warn!(%code, cause, "what is due by [retention] could not be erased");
                }
            }
        }
        before = now.map(|now| (now, Instant::now()));
        tokio::time::sleep(EVERY).await;
    }
}

/// Whether the clock moved by another time than passed.
fn is_astray(then: Timestamp, now: Timestamp, passed: Duration) -> bool {
    let passed = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
    let wanted = then.unix_millis().saturating_add(passed);
    Duration::from_millis(wanted.abs_diff(now.unix_millis())) > ASTRAY
}

/// Erases what is due now, as far as one round goes.
pub(crate) async fn round(home: &OpenHome, period: Duration, now: Timestamp) -> Result<Erased, HomeError> {
    let administrator = home.administrator();
    let _ = administrator.open().await?;
    let scope = retention::due(home, period, now).await?;
    let (Some(reason), Ok(erased_by)) = (retention::reason(period), "service:actionpass".parse()) else {
        return Ok(Erased::default());
    };
    let why = Erasure {
        erased_by,
        reason,
        rules: Vec::new(),
    };
    retention::erase(home, &administrator, &why, scope, now, BATCHES).await
}

#[cfg(test)]
mod tests {
    use actionpass_model::{ErasureBody, Timestamp, UseBody, UseSchema};
    use actionpass_store::ledger::RecordDraft;
    use actionpass_store::{Ledger as _, LedgerExt as _, SideKind};

    use super::*;
    use crate::testing::Fixture;

    #[tokio::test]
    async fn a_round_erases_what_is_due_and_records_it() {
        let fixture = Fixture::new().await;
        let home = &fixture.gate.home;
        let now = actionpass_core::System.now().unwrap();
        let day = 24 * 60 * 60 * 1000;
        let first = home.store.state().await.unwrap().head.size();
        for number in 0..40_u64 {
            let body = UseBody {
                schema: UseSchema,
                pass: format!("ap_{number:032x}").parse().unwrap(),
                issuer: "https://other.example".parse().unwrap(),
                audience: "executor".parse().unwrap(),
                token_hash: actionpass_model::Digest::ZERO,
                commitment: None,
            };
            let time = Timestamp::from_unix_millis(now.unix_millis() + number * day).unwrap();
            let id = format!("rec_{number:032x}").parse().unwrap();
            let draft = RecordDraft::new(id, time, &body).unwrap();
            let draft = draft.with_side(SideKind::Payload, b"{}".to_vec());
            let _ = home.store.append_one(draft).await.unwrap();
        }
        let later = Timestamp::from_unix_millis(now.unix_millis() + 39 * day + 1).unwrap();
        let period = Duration::from_secs(30 * 24 * 60 * 60);
        let erased = round(home, period, later).await.unwrap();
        assert_eq!((erased.count, erased.held, erased.has_more), (10, 0, false));
        let head = home.store.state().await.unwrap().head.size();
        let record = home.store.read(head - 1, 1).await.unwrap().remove(0);
        let body: ErasureBody = record.to_body().unwrap();
        assert_eq!(body.records, (first..first + 10).collect::<Vec<_>>());
        assert_eq!(body.erased_by.as_str(), "service:actionpass");
        assert_eq!(home.store.side(first + 9, SideKind::Payload).await.unwrap(), None);
        assert!(home.store.side(first + 10, SideKind::Payload).await.unwrap().is_some());
        assert_eq!(round(home, period, later).await.unwrap().count, 0);
    }

    #[test]
    fn a_clock_that_was_set_is_noticed_either_way() {
        let at = |seconds: u64| Timestamp::from_unix_millis(seconds * 1000).unwrap();
        let hour = Duration::from_secs(3600);
        assert!(!is_astray(at(10_000), at(13_600), hour));
        assert!(!is_astray(at(10_000), at(13_850), hour));
        assert!(is_astray(at(10_000), at(14_000), hour));
        assert!(is_astray(at(10_000), at(9_000), hour));
        assert!(is_astray(at(10_000), at(10_000 + 90 * 86_400), hour));
    }
}
