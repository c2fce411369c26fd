//! How JSON and what is said around an action are shown to people: nothing invisible stays invisible. The action itself is shown
//! by `actionpass-display`.

use actionpass_display::Text;
use actionpass_model::{Digest, is_hidden};
use serde_json::Value;

/// The text with every character escaped that a person wouldn't see: `\u{202e}`.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) {
            escape(character, &mut shown);
        } else {
            shown.push(character);
        }
    }
    shown
}

/// JSON over several lines, nothing hidden in it.
pub(crate) fn pretty(value: &Value) -> String {
    escaped(&in_lines(value))
}

/// JSON text with every hidden character as JSON escapes it, `\u202e`: it stays the same JSON. Line ends stay too, since
/// within strings they are escaped already.
pub(crate) fn escaped(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        if is_hidden(character) && character != '\n' {
            escape_json(character, &mut shown);
        } else {
            shown.push(character);
        }
    }
    shown
}

/// No line of a page is longer, in columns: a terminal would break it at its own edge, and what follows would stand where
/// only our own text may.
pub(crate) const MAX_COLUMNS: usize = 76;

/// What stands before a line, and before what goes on below because it doesn't fit. A `>` in the margin says that a line goes
/// on; no text of others reaches into the margin.
#[derive(Clone, Copy, Debug)]
struct Margin<'a> {
    first: &'a str,
    next: &'a str,
    /// Whether lines are broken behind spaces, where that is possible. Of what others wrote every column is shown.
    at_spaces: bool,
}

/// Our own text.
const OURS: Margin<'static> = Margin {
    first: "",
    next: "> ",
    at_spaces: true,
};
/// What is told of the characters of a value.
const FLAG: Margin<'static> = Margin {
    first: "  ! ",
    next: "> ",
    at_spaces: true,
};
/// Before a value that goes on below: as wide as a name.
const VALUE: &str = ">            ";

/// What a person reads around an action before they sign: what is hidden or looks like something else is escaped and told,
/// lines that are too long are broken and marked, and counted.
#[derive(Debug, Default)]
pub(crate) struct Page {
    text: String,
    /// How many lines were broken.
    broken: usize,
}

impl Page {
    /// A value behind its name, of 12 characters at most; what doesn't fit goes on below, in the value's column.
    pub(crate) fn named(&mut self, name: &str, value: &str) {
        let shown = Text::name(value);
        let name = format!("{name:<width$}", width = VALUE.len());
        let margin = Margin {
            first: &name,
            next: VALUE,
            at_spaces: true,
        };
        self.lines(&shown.text, margin);
        for flag in &shown.flags {
            self.lines(&flag.message(), FLAG);
        }
    }

    /// A hash below its name, so that it isn't broken.
    pub(crate) fn hash(&mut self, name: &str, digest: &Digest) {
        self.text.push_str(&format!("{name}\n  {digest}\n"));
    }

    /// A line of our own.
    pub(crate) fn line(&mut self, text: &str) {
        self.lines(&Text::name(text).text, OURS);
    }

    /// A text of others below its name, line by line.
    pub(crate) fn block(&mut self, name: &str, value: &str) {
        self.line(name);
        let shown = Text::value(value);
        let margin = Margin {
            first: "  ",
            next: "> ",
            at_spaces: false,
        };
        self.lines(&shown.text, margin);
        for flag in &shown.flags {
            self.lines(&flag.message(), FLAG);
        }
    }

    /// The text, with a note on what was broken.
    pub(crate) fn finish(mut self) -> String {
        match self.broken {
            0 => {}
            1 => self.line("1 line is broken: `>` marks where it goes on"),
            count => self.line(&format!("{count} lines are broken: `>` marks where they go on")),
        }
        self.text
    }

    /// Adds the lines of a text behind a margin, broken before they are too long.
    fn lines(&mut self, text: &str, margin: Margin<'_>) {
        for line in text.split('\n') {
            let (mut start, mut rest) = (margin.first, line);
            loop {
                let room = MAX_COLUMNS.saturating_sub(start.len());
                let (piece, more) = split(rest, room, margin.at_spaces);
                self.text.push_str(&format!("{start}{piece}\n"));
                if more.is_empty() {
                    break;
                }
                (start, rest) = (margin.next, more);
            }
            self.broken = self.broken.saturating_add(usize::from(rest.len() < line.len()));
        }
    }
}

/// The start of a line that fits into so many columns, and the rest.
fn split(line: &str, room: usize, at_spaces: bool) -> (&str, &str) {
    let mut column = 0_usize;
    let too_far = line.char_indices().find(|(_, character)| {
        // Some take two columns, and which ones differs from terminal to terminal.
        column = column.saturating_add(if character.is_ascii() { 1 } else { 2 });
        column > room
    });
    let Some((end, _)) = too_far else { return (line, "") };
    let behind_space = || line.get(..end)?.rfind(' ').map(|space| space.saturating_add(1));
    let end = if at_spaces { behind_space().unwrap_or(end) } else { end };
    line.split_at_checked(end).unwrap_or((line, ""))
}

/// JSON over several lines.
fn in_lines(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// `\u{202e}`.
fn escape(character: char, shown: &mut String) {
    shown.push_str(&format!("\\u{{{:x}}}", u32::from(character)));
}

/// `\u202e`.
fn escape_json(character: char, shown: &mut String) {
    let mut units = [0; 2];
    for unit in character.encode_utf16(&mut units) {
        shown.push_str(&format!("\\u{unit:04x}"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What something adds to an empty page.
    fn page(write: impl FnOnce(&mut Page)) -> String {
        let mut page = Page::default();
        write(&mut page);
        page.finish()
    }

    #[test]
    fn hidden_characters_are_seen() {
        assert_eq!(
            visible("a\u{202e}b\u{200b}\n\u{e0041}é"),
            "a\\u{202e}b\\u{200b}\\u{a}\\u{e0041}é"
        );
        let value = json!({ "a\u{202e}": "\u{e0041}\u{feff}\nü" });
        let shown = pretty(&value);
        assert_eq!(shown, "{\n  \"a\\u202e\": \"\\udb40\\udc41\\ufeff\\nü\"\n}");
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value);
    }

    #[test]
    fn lines_are_broken_where_they_are_too_long() {
        for (line, at_spaces, expected) in [
            ("abcdef", false, ("abcdef", "")),
            ("abcdefg", false, ("abcdef", "g")),
            ("ab cd efg", true, ("ab cd ", "efg")),
            ("ab cdefgh", true, ("ab ", "cdefgh")),
            ("ab cdefgh", false, ("ab cde", "fgh")),
            ("abcdefgh i", true, ("abcdef", "gh i")),
            (" bcdefgh", true, (" ", "bcdefgh")),
            ("漢字漢字", true, ("漢字漢", "字")),
            ("a漢字漢", false, ("a漢字", "漢")),
            ("", true, ("", "")),
        ] {
            assert_eq!(split(line, 6, at_spaces), expected, "{line}");
        }
        assert_eq!(page(|page| page.named("reason", "")), "reason       \n");
    }

    #[test]
    fn the_mark_stands_in_every_margin() {
        // Each in lines of 76 columns that would start with a mark of our own.
        let shown = page(|page| {
            page.line(&"> x ".repeat(30));
            page.named("resource", &format!("repo:{}", ">|x".repeat(60)));
        });
        let marks: Vec<&str> = shown.lines().map(|line| line.get(..2).unwrap()).collect();
        assert_eq!(marks, ["> ", "> ", "re", "> ", "> ", "2 "], "{shown}");
        assert!(
            shown.ends_with("\n2 lines are broken: `>` marks where they go on\n"),
            "{shown}"
        );
        assert!(shown.lines().all(|line| line.len() <= MAX_COLUMNS), "{shown}");
    }

    #[test]
    fn what_is_not_what_it_seems_is_told_below() {
        let shown = page(|page| page.named("reason", "AXT\u{2010}418 \u{202e}p\u{430}y\\"));
        for part in [
            "reason       AXT\\u{2010}418 \\u{202e}p\\u{430}y\\\\\n",
            "\n  ! 1 character that turns the direction of text: U+202E\n",
            "\n  ! 2 characters look like others: U+2010 like -, U+0430 like a; it reads \n> \"pay\"\n",
            "\n  ! 1 word mixes scripts\n",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }
}
