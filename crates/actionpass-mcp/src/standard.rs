//! Standard input and output without a thread for each.
//!
//! Whoever starts the proxy gives it pipes or sockets, and may share them: making them non-blocking would make them so for
//! others too. tokio's own streams read and write in threads of a pool instead, so each message wakes two threads more. Here
//! the runtime waits until a descriptor is ready, and nothing is read or written that could block.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileTypeExt as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::SendFlags;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

/// Standard input. Called where a runtime of tokio runs.
///
/// # Errors
/// There is none, or the runtime can't watch it.
pub fn input() -> io::Result<Box<dyn AsyncRead + Send + Unpin>> {
    Ok(match Stream::of(io::stdin().as_fd(), Interest::READABLE)? {
        Some(stream) => Box::new(stream),
        None => Box::new(tokio::io::stdin()),
    })
}

/// Standard output. Called where a runtime of tokio runs.
///
/// # Errors
/// There is none, or the runtime can't watch it.
pub fn output() -> io::Result<Box<dyn AsyncWrite + Send + Unpin>> {
    Ok(match Stream::of(io::stdout().as_fd(), Interest::WRITABLE)? {
        Some(stream) => Box::new(stream),
        None => Box::new(tokio::io::stdout()),
    })
}

/// How much a pipe takes at once, without blocking, when it says that it is ready: `PIPE_BUF`.
const AT_ONCE: usize = if cfg!(any(target_os = "linux", target_os = "android")) {
    4096
} else {
    512
};

/// A pipe or socket, blocking or not.
#[derive(Debug)]
struct Stream {
    descriptor: AsyncFd<File>,
    is_socket: bool,
}

impl Stream {
    /// `None` for what is no pipe and no socket: a runtime can't wait for a file.
    fn of(descriptor: BorrowedFd<'_>, interest: Interest) -> io::Result<Option<Self>> {
        let file = File::from(descriptor.try_clone_to_owned()?);
        let kind = file.metadata()?.file_type();
        if !kind.is_fifo() && !kind.is_socket() {
            return Ok(None);
        }
        #[expect(
            deprecated,
            reason = "the other function is unsafe for types that change their descriptor; a file owns one until it is dropped"
        )]
        let descriptor = AsyncFd::with_interest(file, interest)?;
        Ok(Some(Self {
            descriptor,
            is_socket: kind.is_socket(),
        }))
    }

    /// Whether the next read or write of it is done at once. What the runtime remembers may be over: it learns so only from
    /// calls that would have blocked.
    fn is_ready(&self, flags: PollFlags) -> io::Result<bool> {
        let mut asked = [PollFd::new(self.descriptor.get_ref(), flags)];
        match poll(&mut asked, Some(&Timespec::default())) {
            Ok(count) => Ok(count > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn write(&self, bytes: &[u8]) -> rustix::io::Result<usize> {
        if self.is_socket {
            return rustix::net::send(self.descriptor.get_ref(), bytes, SendFlags::DONTWAIT);
        }
        rustix::io::write(self.descriptor.get_ref(), bytes.get(..AT_ONCE).unwrap_or(bytes))
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.descriptor.poll_read_ready(cx))?;
            if !self.is_ready(PollFlags::IN)? {
                guard.clear_ready();
                continue;
            }
            match rustix::io::read(self.descriptor.get_ref(), buffer.initialize_unfilled()) {
                Ok(count) => {
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => guard.clear_ready(),
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.descriptor.poll_write_ready(cx))?;
            if !self.is_ready(PollFlags::OUT)? {
                guard.clear_ready();
                continue;
            }
            match self.write(bytes) {
                Ok(count) => return Poll::Ready(Ok(count)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => guard.clear_ready(),
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Does nothing: it stays open for others of this process.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// More than pipes and sockets hold, none of it alike.
    fn long() -> Vec<u8> {
        (0..300_000_u32).flat_map(u32::to_be_bytes).collect()
    }

    /// On one thread: whoever blocks it never gets to the other end.
    async fn through(reader: BorrowedFd<'_>, writer: BorrowedFd<'_>) {
        let mut reader = Stream::of(reader, Interest::READABLE).unwrap().unwrap();
        let mut writer = Stream::of(writer, Interest::WRITABLE).unwrap().unwrap();
        let sent = long();
        let both = async {
            let mut got = vec![0; sent.len()];
            let (read, written) = tokio::join!(reader.read_exact(&mut got), writer.write_all(&sent));
            read.unwrap();
            written.unwrap();
            got
        };
        let got = tokio::time::timeout(Duration::from_secs(30), both).await.unwrap();
        assert!(got == sent);
    }

    #[tokio::test]
    async fn neither_end_of_a_pipe_that_blocks_blocks_the_runtime() {
        let (reader, writer) = io::pipe().unwrap();
        through(reader.as_fd(), writer.as_fd()).await;
    }

    #[tokio::test]
    async fn neither_end_of_a_socket_that_blocks_blocks_the_runtime() {
        let (reader, writer) = UnixStream::pair().unwrap();
        through(reader.as_fd(), writer.as_fd()).await;
    }

    #[tokio::test]
    async fn the_end_is_read_and_a_reader_that_has_gone_is_an_error() {
        let (reader, writer) = io::pipe().unwrap();
        let mut read = Stream::of(reader.as_fd(), Interest::READABLE).unwrap().unwrap();
        let mut write = Stream::of(writer.as_fd(), Interest::WRITABLE).unwrap().unwrap();
        drop(writer);
        write.write_all(b"a\nb").await.unwrap();
        drop(write);
        let mut got = Vec::new();
        read.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"a\nb");

        let (reader, writer) = io::pipe().unwrap();
        let mut write = Stream::of(writer.as_fd(), Interest::WRITABLE).unwrap().unwrap();
        drop(reader);
        assert_eq!(
            write.write_all(b"a").await.unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
    }

    #[tokio::test]
    async fn a_file_is_left_to_tokio() {
        let file = tempfile::tempfile().unwrap();
        assert!(Stream::of(file.as_fd(), Interest::READABLE).unwrap().is_none());
    }
}
