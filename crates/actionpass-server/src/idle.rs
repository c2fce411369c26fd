//! [`Idle`]: a connection that ends when its peer takes nothing for too long.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// A connection whose writes fail once its peer has taken nothing for a time. What arrives late is for others to bound: the
/// header by the header time, the body by the body time.
#[derive(Debug)]
pub(crate) struct Idle<S> {
    stream: S,
    time: Duration,
    /// Runs while something is to be written that the peer doesn't take.
    stalled: Pin<Box<Sleep>>,
    is_stalled: bool,
}

impl<S> Idle<S> {
    pub(crate) fn new(stream: S, time: Duration) -> Self {
        Self {
            stream,
            time,
            stalled: Box::pin(tokio::time::sleep(time)),
            is_stalled: false,
        }
    }

    fn bounded<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.is_stalled = false;
            return written;
        }
        if !self.is_stalled {
            self.is_stalled = true;
            if let Some(end) = Instant::now().checked_add(self.time) {
                self.stalled.as_mut().reset(end);
            }
        }
        ready!(self.stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Idle<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Idle<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.bounded(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.bounded(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.bounded(context, shut)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.bounded(context, written)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_ends_the_connection() {
        let (mut peer, stream) = tokio::io::duplex(4);
        let mut stream = Idle::new(stream, Duration::from_secs(60));
        stream.write_all(b"abcd").await.unwrap();
        let error = stream.write_all(b"efgh").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        // Whoever takes something has the whole time again.
        let mut taken = [0; 4];
        peer.read_exact(&mut taken).await.unwrap();
        stream.write_all(b"efgh").await.unwrap();
        let slow = async {
            tokio::time::sleep(Duration::from_secs(59)).await;
            peer.read_exact(&mut taken).await.unwrap();
        };
        tokio::join!(slow, async { stream.write_all(b"ijkl").await.unwrap() });
    }
}
