//! What may happen to an approval request, and how many there may be: the law that every store of requests keeps.
//!
//! A request is a document, [`ApprovalRequest`]. [`step`] is its state machine, a pure function; [`Limits`] says how many
//! may wait. Whether what waits is approved isn't said here: that is for policy, which is asked about the votes each
//! time. So there is no counting of votes in this crate, and a vote that was counted can stop counting.
//!
//! | stored | approve | decline | use | cancel | expire |
//! |---|---|---|---|---|---|
//! | waiting, in time | a vote | `declined` | `used` | `cancelled` | `request_waiting` |
//! | waiting, overdue | `request_expired` | `request_expired` | `request_expired` | `request_expired` | `expired` |
//! | used | `request_used` | the same | the same | the same | the same |
//! | declined | `request_declined` | the same | the same | the same | the same |
//! | cancelled | `request_cancelled` | the same | the same | the same | the same |
//! | expired | `request_expired` | the same | the same | the same | the same |
//!
//! No I/O, no clock: every step says when it happens.

mod code;
mod limits;
mod machine;

pub use code::RequestCode;
pub use limits::{ENDS_THAT_HOLD, HOLD_WINDOW, Limits, Load, OPENED_WINDOW};
pub use machine::{RequestKey, Step, came_to_nothing, erased, holds, refused, step};

#[cfg(doc)]
use actionpass_model::ApprovalRequest;
