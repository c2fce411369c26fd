//! Lines of an export, read without trusting their length.

use std::io::{self, BufRead, Read};

use actionpass_model::MAX_ENTRY_BYTES;

/// The longest line of an export without its line feed: the largest entry and `,"ledgerHash":"sha256:…"`.
pub const MAX_LINE_BYTES: usize = MAX_ENTRY_BYTES + 87;

/// How a line ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Line {
    /// With a line feed, which is not part of it.
    Whole,
    /// With the end of the input.
    Unfinished,
    /// Not within [`MAX_LINE_BYTES`].
    TooLong,
    /// There was none.
    End,
}

/// Reads the next line into `line`.
pub(super) fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Line> {
    line.clear();
    // One more for the line feed, one more to tell a line that is too long.
    let limit = MAX_LINE_BYTES.saturating_add(2);
    reader.take(limit as u64).read_until(b'\n', line)?;
    Ok(if line.last() == Some(&b'\n') {
        line.pop();
        Line::Whole
    } else if line.is_empty() {
        Line::End
    } else if line.len() == limit {
        Line::TooLong
    } else {
        Line::Unfinished
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_in_four_ways() {
        let mut line = Vec::new();
        let mut input: &[u8] = b"ab\n\ncd";
        assert_eq!(
            (read_line(&mut input, &mut line).unwrap(), line.as_slice()),
            (Line::Whole, &b"ab"[..])
        );
        assert_eq!(
            (read_line(&mut input, &mut line).unwrap(), line.as_slice()),
            (Line::Whole, &b""[..])
        );
        assert_eq!(
            (read_line(&mut input, &mut line).unwrap(), line.as_slice()),
            (Line::Unfinished, &b"cd"[..])
        );
        assert_eq!(read_line(&mut input, &mut line).unwrap(), Line::End);
    }

    #[test]
    fn an_endless_line_takes_bounded_memory() {
        let mut endless = io::BufReader::new(io::repeat(b'a'));
        let mut line = Vec::new();
        assert_eq!(read_line(&mut endless, &mut line).unwrap(), Line::TooLong);
        assert!(line.capacity() < 4 * MAX_LINE_BYTES);
        let longest = [vec![b'a'; MAX_LINE_BYTES], b"\n".to_vec()].concat();
        assert_eq!(read_line(&mut longest.as_slice(), &mut line).unwrap(), Line::Whole);
    }
}
