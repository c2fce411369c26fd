//! The view as text for a terminal.

use std::collections::HashSet;

use crate::escape::{Flag, Fold, Text, piece_len};
use crate::table::{Class, Table};
use crate::view::{ChangeKind, Field, FieldType, Former, Section, SectionName, View};

/// The narrowest terminal that a view is rendered for, in columns; for a narrower one it is rendered as for this.
pub const MIN_COLUMNS: usize = 40;

/// What is rendered of long values and sections. Each fold is counted where it is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Folds {
    /// All are folded.
    Closed,
    /// All but those of the payload, which is what an approver answers for.
    PayloadOpen,
    /// Nothing is folded.
    Open,
}

/// The view in lines of at most so many columns.
pub(crate) fn view(view: &View, columns: usize, folds: Folds) -> String {
    let mut page = Page {
        text: String::new(),
        columns: columns.max(MIN_COLUMNS),
        broken: 0,
    };
    for warning in view.warnings() {
        page.ours("! ", "> ", &warning);
    }
    for section in &view.sections {
        let is_open = match folds {
            Folds::Closed => false,
            Folds::PayloadOpen => section.name == SectionName::Payload,
            Folds::Open => true,
        };
        page.section(section, is_open);
    }
    match page.broken {
        0 => {}
        1 => page.ours("", "> ", "1 line is broken: `>` marks where it goes on"),
        count => page.ours(
            "",
            "> ",
            &format!("{count} lines are broken: `>` marks where they go on"),
        ),
    }
    page.text
}

/// How wide the names of the first section are, and a blank.
const NAMES: usize = 13;

/// What is written so far. The margin of a line, its first two columns, is ours: no text of others reaches into it.
struct Page {
    text: String,
    columns: usize,
    /// How many lines were broken.
    broken: usize,
}

/// The margin of the lines of a section, and of what goes on below because it doesn't fit.
#[derive(Clone, Copy)]
struct Margin {
    first: &'static str,
    next: &'static str,
}

/// Of everything but the agent's words.
const OURS: Margin = Margin {
    first: "  ",
    next: "> ",
};
/// Of the agent's words.
const AGENTS: Margin = Margin {
    first: "| ",
    next: "|>",
};

impl Page {
    fn section(&mut self, section: &Section, is_open: bool) {
        let (heading, margin) = match section.name {
            SectionName::Decision => ("", OURS),
            SectionName::Payload => ("payload, exactly this and nothing else:", OURS),
            SectionName::Words => ("the agent's own words, which nobody checked:", AGENTS),
            SectionName::Facts => ("facts, which the issuer's host attests:", OURS),
            SectionName::Hashes => ("", OURS),
        };
        let is_empty = section.fields.is_empty() && section.rest.is_none();
        if !heading.is_empty() && !is_empty {
            self.ours("", "> ", heading);
        }
        let shown = match is_open {
            true => section.fields.len(),
            false => section.fields.len().saturating_sub(section.folded),
        };
        let holders = holders_of_cut_paths(&section.fields);
        for (place, field) in section.fields.iter().take(shown).enumerate() {
            match field.kind {
                FieldType::Name => self.named(field),
                FieldType::Hash => self.hash(field),
                _ if !holders.contains(&place) && is_told_by_paths(field) => {}
                _ => self.value(field, margin, is_open),
            }
        }
        let folded = section.fields.len().saturating_sub(shown);
        if folded > 0 {
            self.note(margin, &format!("{folded} more values, folded"));
        }
        if let Some(rest) = &section.rest {
            self.note(margin, &rest.message());
        }
    }

    /// A name of the action, in a column of its own.
    fn named(&mut self, field: &Field) {
        let name = format!("{:<NAMES$}", field.path);
        let next = format!("{:<NAMES$}", ">");
        self.lines(&name, &next, &field.text.text);
        self.flags(OURS, &field.text.flags);
    }

    /// A hash below its name, so that it isn't broken.
    fn hash(&mut self, field: &Field) {
        self.lines("", "> ", &field.path);
        self.lines("  ", "> ", &field.text.text);
    }

    /// A value of payload, words or facts.
    fn value(&mut self, field: &Field, margin: Margin, is_open: bool) {
        let is_container = is_container(field);
        let label = format!("{} ({})", field.path, about(field));
        let (shown, fold) = match field.text.fold {
            Some(fold) if !is_open => (fold.split(&field.text.text).0, Some(fold)),
            _ => (field.text.text.as_str(), None),
        };
        let line = format!("{label}  {shown}");
        let fits = width(&line) <= self.columns.saturating_sub(margin.first.len());
        if is_container || shown.is_empty() {
            self.lines(margin.first, margin.next, &label);
        } else if fits && !shown.contains('\n') && field.path.is_ascii() {
            self.lines(margin.first, margin.next, &line);
        } else {
            self.lines(margin.first, margin.next, &label);
            self.text_lines(shown, margin, ':');
        }
        if let Some(fold) = fold {
            self.note(margin, &fold.message());
        }
        self.flags(margin, &field.path_flags);
        self.flags(margin, &field.text.flags);
        if let Some(former) = &field.former {
            self.former(former, margin, is_open);
        }
    }

    fn former(&mut self, former: &Former, margin: Margin, is_open: bool) {
        match former {
            Former::Same => {}
            Former::Other(kind, text) => {
                let before = format!("{}~ ", margin.first);
                self.lines(&before, margin.next, &format!("before ({})", of(*kind, text)));
                if !matches!(kind, FieldType::Object | FieldType::Array) {
                    self.folded_lines(text, margin, '-', is_open);
                }
            }
            Former::Text { changes, folded } => {
                let before = format!("{}~ ", margin.first);
                self.lines(&before, margin.next, "changes from before:");
                let shown = if is_open {
                    changes.len()
                } else {
                    changes.len().saturating_sub(*folded)
                };
                for change in changes.iter().take(shown) {
                    match change.kind {
                        ChangeKind::Same => self.folded_lines(&change.text, margin, '=', is_open),
                        ChangeKind::Removed => self.folded_lines(&change.text, margin, '-', is_open),
                        ChangeKind::Added => self.folded_lines(&change.text, margin, '+', is_open),
                        ChangeKind::Skipped(count) => self.note(margin, &format!("{count} lines stay")),
                    }
                }
                if changes.len() > shown {
                    self.note(margin, &format!("{folded} more lines of changes, folded"));
                }
            }
        }
    }

    fn folded_lines(&mut self, text: &Text, margin: Margin, mark: char, is_open: bool) {
        match text.fold {
            Some(fold) if !is_open => {
                self.text_lines(Fold::split(fold, &text.text).0, margin, mark);
                self.note(margin, &fold.message());
            }
            _ => self.text_lines(&text.text, margin, mark),
        }
    }

    /// The lines of a text, each behind a mark.
    fn text_lines(&mut self, text: &str, margin: Margin, mark: char) {
        let first = format!("{}{mark} ", margin.first);
        for line in text.split('\n') {
            self.lines(&first, margin.next, line);
        }
    }

    /// What is left out.
    fn note(&mut self, margin: Margin, message: &str) {
        self.ours(&format!("{}… ", margin.first), margin.next, message);
    }

    fn flags(&mut self, margin: Margin, flags: &[Flag]) {
        for flag in flags {
            self.ours(&format!("{}! ", margin.first), margin.next, &flag.message());
        }
    }

    /// Adds a line of ours, broken behind spaces.
    fn ours(&mut self, first: &str, next: &str, line: &str) {
        self.broken_lines(first, next, line, true);
    }

    /// Adds a line of others, of which every column is shown.
    fn lines(&mut self, first: &str, next: &str, line: &str) {
        self.broken_lines(first, next, line, false);
    }

    /// Adds a line behind a margin, broken before it is too long, but never within an escape.
    fn broken_lines(&mut self, first: &str, next: &str, line: &str, at_spaces: bool) {
        let (mut start, mut rest) = (first, line);
        loop {
            let room = self.columns.saturating_sub(width(start));
            let (piece, more) = split(rest, room, at_spaces);
            self.text.push_str(start);
            self.text.push_str(piece);
            self.text.push('\n');
            if more.is_empty() {
                break;
            }
            (start, rest) = (next, more);
        }
        self.broken = self.broken.saturating_add(usize::from(rest.len() < line.len()));
    }
}

const fn is_container(field: &Field) -> bool {
    matches!(field.kind, FieldType::Object | FieldType::Array)
}

fn is_cut(field: &Field) -> bool {
    field.path.starts_with('…')
}

/// Whether the paths of what is in it say all of a value: of a container that isn't empty, unless they are cut.
fn is_told_by_paths(field: &Field) -> bool {
    let is_plain = field.path_flags.is_empty() && !is_cut(field) && field.former.is_none();
    is_container(field) && is_plain && field.text.text != "0" && field.level > 0
}

/// The places of the containers in which a path is cut, and so lacks their names.
fn holders_of_cut_paths(fields: &[Field]) -> HashSet<usize> {
    let mut holders = HashSet::new();
    // The places of the containers around a field, the outermost first.
    let mut around: Vec<usize> = Vec::new();
    for (place, field) in fields.iter().enumerate() {
        around.truncate(field.level);
        if is_cut(field) {
            holders.extend(around.last());
        }
        around.push(place);
    }
    holders
}

/// What is told of a value beside its path.
fn about(field: &Field) -> String {
    let mut about = of(field.kind, &field.text);
    match field.former {
        Some(Former::Same) => about.push_str(", as before"),
        Some(Former::Other(..) | Former::Text { .. }) => about.push_str(", changed"),
        None => {}
    }
    about
}

/// The kind of a value, and how large it is.
pub(crate) fn of(kind: FieldType, text: &Text) -> String {
    let name = kind.as_str();
    let text = text.text.as_str();
    match kind {
        FieldType::Object if text == "1" => format!("{name}, 1 member"),
        FieldType::Object => format!("{name}, {text} members"),
        FieldType::Array if text == "1" => format!("{name}, 1 element"),
        FieldType::Array => format!("{name}, {text} elements"),
        FieldType::String if text.is_empty() => format!("{name}, empty"),
        FieldType::String if text.contains('\n') => {
            format!("{name}, {} lines", text.split('\n').count())
        }
        _ => name.to_owned(),
    }
}

/// How many columns a text takes. Some characters take two, and which ones differs from terminal to terminal.
fn width(text: &str) -> usize {
    text.chars().fold(0, |columns: usize, character| {
        columns.saturating_add(width_of(character))
    })
}

const fn width_of(character: char) -> usize {
    if character.is_ascii() { 1 } else { 2 }
}

/// The start of a line that fits into so many columns, and the rest. Whatever there is room for, something is taken.
fn split(line: &str, room: usize, at_spaces: bool) -> (&str, &str) {
    let (mut end, mut columns, mut space) = (0_usize, 0_usize, 0_usize);
    while let Some(rest) = line.get(end..).filter(|rest| !rest.is_empty()) {
        let (character, behind) = rest.split_at_checked(piece_len(rest)).unwrap_or((rest, ""));
        // Marks stay with the character that they stand on; at the start of a line they would stand on the margin.
        let marks = behind
            .chars()
            .take_while(|mark| Table::v1().class(*mark) == Some(Class::Mark));
        let length = character.len().saturating_add(marks.map(char::len_utf8).sum());
        let piece = rest.get(..length).unwrap_or(rest);
        columns = columns.saturating_add(width(piece));
        if columns > room && end > 0 {
            let end = if at_spaces && space > 0 { space } else { end };
            return line.split_at_checked(end).unwrap_or((line, ""));
        }
        end = end.saturating_add(piece.len());
        if piece == " " {
            space = end;
        }
    }
    (line, "")
}
