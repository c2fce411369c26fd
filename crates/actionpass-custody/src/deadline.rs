//! Bounded waiting that needs no runtime.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use futures_timer::Delay;
use futures_util::future::{Either, select};

/// What the future gives within that time; `None` if it doesn't, and then it is dropped.
///
/// A future that is ready at once, as those of keys in memory are, never starts the timer's thread.
pub async fn within<F: Future>(time: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    if let Some(output) = poll_once(&mut future).await {
        return Some(output);
    }
    match select(future, Delay::new(time)).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        Poll::Ready(match Pin::new(&mut *future).poll(context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}
