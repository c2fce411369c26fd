//! The terminal that a person is asked on.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

/// The longest answer that is read, in bytes.
const MAX_ANSWER: u64 = 64;

/// How much a terminal shows at once, in characters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Size {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

impl Size {
    /// The size of the terminal on stderr, where it says so.
    #[cfg(unix)]
    pub(crate) fn of_stderr() -> Option<Self> {
        let size = rustix::termios::tcgetwinsize(io::stderr()).ok()?;
        // A terminal that doesn't know says 0.
        let is_known = size.ws_row > 0 && size.ws_col > 0;
        is_known.then(|| Self {
            rows: size.ws_row.into(),
            columns: size.ws_col.into(),
        })
    }

    /// Not known here.
    #[cfg(not(unix))]
    pub(crate) const fn of_stderr() -> Option<Self> {
        None
    }
}

/// The terminal that this program runs on, to be read from. Not stdin, which may be the action itself.
#[derive(Debug)]
pub(crate) struct Terminal(File);

impl Terminal {
    /// Opens it.
    pub(crate) fn open() -> io::Result<Self> {
        File::open(if cfg!(windows) { "CONIN$" } else { "/dev/tty" }).map(Self)
    }

    /// Discards what was typed and not read yet: it was typed before the question that comes next, and answers another.
    #[cfg(unix)]
    pub(crate) fn discard_typed(&self) -> io::Result<()> {
        use rustix::termios::{QueueSelector, tcflush};
        Ok(tcflush(&self.0, QueueSelector::IFlush)?)
    }

    /// Nothing here discards what was typed.
    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "it fails elsewhere")]
    pub(crate) const fn discard_typed(&self) -> io::Result<()> {
        Ok(())
    }

    /// The next line, or the start of it.
    pub(crate) fn answer(self) -> io::Result<String> {
        let mut answer = String::new();
        BufReader::new(self.0.take(MAX_ANSWER)).read_line(&mut answer)?;
        Ok(answer)
    }
}
