use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use crate::Sleep;

/// What the future gives within that time; `None` if it doesn't, and then it is dropped.
///
/// A future that is ready at once, as those of keys in memory are, never starts the timer's thread.
pub async fn within<F: Future>(time: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut sleep = None;
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        let sleep = sleep.get_or_insert_with(|| Sleep::new(time));
        Pin::new(sleep).poll(context).map(|()| None)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_bounded() {
        let ready = within(Duration::ZERO, std::future::ready(7));
        assert_eq!(pollster::block_on(ready), Some(7));
        let never = within(Duration::from_millis(10), std::future::pending::<()>());
        assert_eq!(pollster::block_on(never), None);
    }
}
