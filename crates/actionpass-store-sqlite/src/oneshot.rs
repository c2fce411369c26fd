//! One value from a thread to a future.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

#[derive(Debug)]
enum State<T> {
    Waiting(Option<Waker>),
    Sent(T),
    /// The sender is gone, or the value was taken.
    Over,
}

/// Where the value is sent.
#[derive(Debug)]
pub(crate) struct Sender<T>(Arc<Mutex<State<T>>>);

/// The future of the value; `None` if the sender went away without it.
#[derive(Debug)]
pub(crate) struct Receiver<T>(Arc<Mutex<State<T>>>);

pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let state = Arc::new(Mutex::new(State::Waiting(None)));
    (Sender(Arc::clone(&state)), Receiver(state))
}

impl<T> Sender<T> {
    pub(crate) fn send(self, value: T) {
        self.finish(State::Sent(value));
    }

    fn finish(&self, end: State<T>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Waiting(waker) = &mut *state {
            let waker = waker.take();
            *state = end;
            drop(state);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.finish(State::Over);
    }
}

impl<T> Future for Receiver<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, State::Over) {
            State::Sent(value) => Poll::Ready(Some(value)),
            State::Over => Poll::Ready(None),
            State::Waiting(_) => {
                *state = State::Waiting(Some(context.waker().clone()));
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use actionpass_store::conformance::block_on;

    use super::*;

    #[test]
    fn a_value_arrives_or_its_sender_is_gone() {
        let (sender, receiver) = channel();
        let thread = std::thread::spawn(move || block_on(receiver));
        sender.send(7);
        assert_eq!(thread.join().unwrap(), Some(7));

        let (sender, receiver) = channel::<u8>();
        let thread = std::thread::spawn(move || block_on(receiver));
        drop(sender);
        assert_eq!(thread.join().unwrap(), None);
    }

    #[test]
    fn nobody_needs_to_listen() {
        let (sender, receiver) = channel();
        drop(receiver);
        sender.send(7);
    }
}
