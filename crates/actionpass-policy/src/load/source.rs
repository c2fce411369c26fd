//! Where in a file something stands.

use std::ops::Range;

use crate::{PolicyCode, PolicyError};

/// A file's text and name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'s> {
    pub(crate) text: &'s str,
    pub(crate) path: &'s str,
}

impl Source<'_> {
    /// An error at the start of a span.
    pub(crate) fn error(&self, code: PolicyCode, span: Range<usize>, message: impl Into<Box<str>>) -> PolicyError {
        let (line, column) = self.position(span.start);
        PolicyError {
            code,
            path: self.path.into(),
            line,
            column,
            message: message.into(),
        }
    }

    /// The text of a span, on one line.
    pub(crate) fn slice(&self, span: Range<usize>) -> String {
        let text = self.text.get(span).unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.rsplit('\n').next().unwrap_or(before);
        let lines = before.bytes().filter(|byte| *byte == b'\n').count();
        (lines.saturating_add(1), line.chars().count().saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let source = Source {
            text: "a\néé b\n",
            path: "p",
        };
        for (offset, position) in [
            (0, (1, 1)),
            (1, (1, 2)),
            (2, (2, 1)),
            (7, (2, 4)),
            (9, (3, 1)),
            (99, (3, 1)),
        ] {
            assert_eq!(source.position(offset), position, "{offset}");
        }
    }
}
