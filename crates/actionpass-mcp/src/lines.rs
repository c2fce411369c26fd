//! Lines of a byte stream, with a limit that doesn't cost memory.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// What [`Lines::next`] reads.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Line {
    /// A line without its end.
    Whole(Vec<u8>),
    /// A line longer than the limit, of which only the start and the end were kept.
    TooLong { start: Vec<u8>, end: Vec<u8> },
}

/// How much of a line that is too long is kept at each end, to tell whose answer it is.
const KEPT: usize = 4096;

/// Reads lines.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    reader: R,
    limit: usize,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    pub(crate) const fn new(reader: R, limit: usize) -> Self {
        Self { reader, limit }
    }

    /// The next line; `None` at the end of the stream. What follows the last line's end is a line too.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Line>> {
        let mut line = Vec::new();
        let mut end: Option<Vec<u8>> = None;
        loop {
            let bytes = self.reader.fill_buf().await?;
            if bytes.is_empty() && line.is_empty() {
                return Ok(None);
            }
            let at = memchr::memchr(b'\n', bytes);
            let part = bytes.get(..at.unwrap_or(bytes.len())).unwrap_or_default();
            let is_last = at.is_some() || bytes.is_empty();
            match &mut end {
                None if line.len().saturating_add(part.len()) <= self.limit => line.extend_from_slice(part),
                None => {
                    // What was read is the start and, as far as it goes, what the end is cut from.
                    let mut tail = line.clone();
                    tail.extend_from_slice(part);
                    line.extend_from_slice(part.get(..KEPT.min(part.len())).unwrap_or_default());
                    line.truncate(KEPT);
                    line.shrink_to_fit();
                    end = Some(last(tail));
                }
                Some(tail) => {
                    tail.extend_from_slice(part);
                    *tail = last(std::mem::take(tail));
                }
            }
            let used = part.len().saturating_add(usize::from(at.is_some()));
            self.reader.consume(used);
            if is_last {
                return Ok(Some(match end {
                    Some(end) => Line::TooLong { start: line, end },
                    None => Line::Whole(line),
                }));
            }
        }
    }
}

fn last(mut bytes: Vec<u8>) -> Vec<u8> {
    let start = bytes.len().saturating_sub(KEPT);
    bytes.drain(..start);
    bytes.shrink_to_fit();
    bytes
}

#[cfg(test)]
mod tests {
    use tokio::io::BufReader;

    use super::*;

    async fn read(text: &[u8], limit: usize) -> Vec<Line> {
        let mut lines = Lines::new(BufReader::with_capacity(7, text), limit);
        let mut found = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            found.push(line);
        }
        found
    }

    #[tokio::test]
    async fn lines_are_split_and_long_ones_contained() {
        let whole = |text: &str| Line::Whole(text.into());
        assert_eq!(read(b"a\n\nbc", 10).await, [whole("a"), whole(""), whole("bc")]);
        assert_eq!(read(b"0123456789\nx\n", 10).await, [whole("0123456789"), whole("x")]);
        let mut long = b"{start".to_vec();
        long.extend(std::iter::repeat_n(b'-', 100_000));
        long.extend(b"end}\nnext\n");
        let found = read(&long, 10_000).await;
        let [Line::TooLong { start, end }, next] = found.as_slice() else {
            panic!()
        };
        assert!(start.len() <= KEPT && end.len() <= KEPT);
        assert!(start.starts_with(b"{start-") && end.ends_with(b"-end}"));
        assert_eq!(*next, whole("next"));
    }
}
