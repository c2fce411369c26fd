//! [`Idle`]: a connection that ends when its peer takes nothing for too long, or begins a header and doesn't end it, and that
//! isn't closed over what its peer still sends.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// The requests of a connection that are being answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answering(Arc<Requests>);

#[derive(Debug, Default)]
struct Requests {
    /// How many are being answered.
    count: AtomicUsize,
    /// Whether the newest has a body that nobody has read to its end.
    is_unread: AtomicBool,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Answer(Answering);

impl Answering {
    /// Says that a request is there, and gives its body, of which is noticed whether it is read.
    pub(crate) fn begin(&self, body: Incoming) -> (Answer, Asked) {
        self.0.is_unread.store(!body.is_end_stream(), Ordering::Relaxed);
        let asked = Asked {
            body,
            answering: self.clone(),
        };
        (self.counted(), asked)
    }

    fn counted(&self) -> Answer {
        self.0.count.fetch_add(1, Ordering::Relaxed);
        Answer(self.clone())
    }

    fn is_any(&self) -> bool {
        self.0.count.load(Ordering::Relaxed) > 0
    }

    fn is_unread(&self) -> bool {
        self.0.is_unread.load(Ordering::Relaxed)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.0.0.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of a request.
#[derive(Debug)]
pub(crate) struct Asked {
    body: Incoming,
    answering: Answering,
}

impl HttpBody for Asked {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if matches!(frame, Poll::Ready(None)) || self.body.is_end_stream() {
            self.answering.0.is_unread.store(false, Ordering::Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer, which is being given as long as this lives.
#[derive(Debug)]
pub(crate) struct Given {
    body: Body,
    _answer: Answer,
}

impl Answer {
    /// Goes on until the body is written.
    pub(crate) fn with(self, body: Body) -> Given {
        Given { body, _answer: self }
    }
}

impl HttpBody for Given {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// For how long at most it is read what a peer goes on sending after its answer.
const LINGER: Duration = Duration::from_secs(2);

/// A connection whose writes fail once its peer has taken nothing for a time, and whose reads fail once a header has begun and
/// isn't there after another: the first one from the start. How long nothing may come between two requests, and how long a body
/// takes, is for others to bound.
#[derive(Debug)]
pub(crate) struct Idle<S> {
    stream: S,
    time: Duration,
    answering: Answering,
    header_time: Duration,
    /// Runs while a header has begun.
    header: Pin<Box<Sleep>>,
    is_in_header: bool,
    /// Runs while something is to be written that the peer doesn't take.
    stalled: Pin<Box<Sleep>>,
    is_stalled: bool,
    /// Whether nothing more is written, and what comes is only taken off.
    is_shut: bool,
}

impl<S> Idle<S> {
    pub(crate) fn new(stream: S, time: Duration, answering: Answering, header_time: Duration) -> Self {
        Self {
            stream,
            time,
            answering,
            header_time,
            header: Box::pin(tokio::time::sleep(header_time)),
            is_in_header: true,
            stalled: Box::pin(tokio::time::sleep(time)),
            is_stalled: false,
            is_shut: false,
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

impl<S: AsyncRead + Unpin> Idle<S> {
    /// Takes off what still comes, until the peer ends too or its time is over. A connection that is closed over bytes that
    /// nobody read is reset, and the peer may then lose an answer that it has not read yet (RFC 9112 section 9.6).
    fn linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut space = [MaybeUninit::uninit(); 4096];
        loop {
            if self.stalled.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            let mut buffer = ReadBuf::uninit(&mut space);
            let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(());
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Idle<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if self.answering.is_any() {
            // The header is there; what comes now is a body, or a header that has its time from the end of the answer.
            self.is_in_header = false;
            return read;
        }
        if !self.is_in_header && buffer.filled().len() > before {
            self.is_in_header = true;
            if let Some(end) = Instant::now().checked_add(self.header_time) {
                self.header.as_mut().reset(end);
            }
        }
        if read.is_pending() && self.is_in_header {
            ready!(self.header.as_mut().poll(context));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Idle<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.bounded(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.bounded(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_shut {
            let shut = Pin::new(&mut self.stream).poll_shutdown(context);
            ready!(self.bounded(context, shut))?;
            if !self.answering.is_unread() {
                return Poll::Ready(Ok(()));
            }
            self.is_shut = true;
            if let Some(end) = Instant::now().checked_add(LINGER) {
                self.stalled.as_mut().reset(end);
            }
        }
        self.linger(context).map(Ok)
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
        let mut stream = Idle::new(
            stream,
            Duration::from_secs(60),
            Answering::default(),
            Duration::from_secs(15),
        );
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

    #[tokio::test(start_paused = true)]
    async fn a_header_has_its_time_from_its_first_byte() {
        let (mut peer, stream) = tokio::io::duplex(64);
        let answering = Answering::default();
        let times = (Duration::from_secs(60), Duration::from_secs(15));
        let mut stream = Idle::new(stream, times.0, answering.clone(), times.1);
        let mut byte = [0; 1];
        peer.write_all(b"G").await.unwrap();
        stream.read_exact(&mut byte).await.unwrap();
        // While it is answered nothing runs, and behind the answer only what has begun.
        let answer = answering.counted();
        peer.write_all(b"b").await.unwrap();
        stream.read_exact(&mut byte).await.unwrap();
        drop(answer);
        let idle = tokio::time::timeout(Duration::from_secs(1000), stream.read_exact(&mut byte));
        assert!(idle.await.is_err());
        peer.write_all(b"G").await.unwrap();
        stream.read_exact(&mut byte).await.unwrap();
        let begun = Instant::now();
        let error = stream.read_exact(&mut byte).await.unwrap_err();
        assert_eq!((error.kind(), begun.elapsed().as_secs()), (io::ErrorKind::TimedOut, 15));
        // The first one has it from the start.
        let (_peer, stream) = tokio::io::duplex(64);
        let mut stream = Idle::new(stream, times.0, Answering::default(), times.1);
        assert_eq!(
            stream.read_exact(&mut byte).await.unwrap_err().kind(),
            io::ErrorKind::TimedOut
        );
    }
}
