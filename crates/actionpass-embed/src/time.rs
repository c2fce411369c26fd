//! The time, which everything here takes from the operating system.

use actionpass::model::Timestamp;
use actionpass::verify::{Clock, Refusal, SystemClock, VerifyCode};

use crate::Error;

pub(crate) fn now() -> Result<Timestamp, Error> {
    SystemClock
        .now()
        .ok_or_else(|| Refusal::because(VerifyCode::ClockUnknown).into())
}
