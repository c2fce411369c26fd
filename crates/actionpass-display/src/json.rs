//! The document `actionpass.view.v1`, written as RFC 8785 has it: members sorted by name, no blanks.

use crate::escape::{Flag, Fold, Text};
use crate::view::{Change, ChangeKind, Field, Former, Section, View};

/// The document of a view.
pub(crate) fn view(view: &View) -> String {
    let mut out = Writer::default();
    out.object(|out| {
        out.text("renderer", view.renderer.as_str());
        out.text("schema", "actionpass.view.v1");
        out.array("sections", &view.sections, section);
    });
    out.json
}

fn section(out: &mut Writer, section: &Section) {
    out.array("fields", &section.fields, field);
    out.count("foldedFields", section.folded);
    out.text("name", section.name.as_str());
    if let Some(rest) = &section.rest {
        out.member("rest", |out| {
            out.object(|out| {
                out.number("characters", rest.characters);
                out.number("fields", rest.fields);
            });
        });
    }
    out.text("source", section.name.source().as_str());
}

fn field(out: &mut Writer, field: &Field) {
    if let Some(Former::Text { changes, .. }) = &field.former {
        out.array("changes", changes, change);
    }
    flags(out, "flags", &field.text.flags);
    fold(out, field.text.fold);
    if let Some(Former::Text { folded, .. }) = &field.former {
        out.count("foldedChanges", *folded);
    }
    if let Some(Former::Other(kind, former)) = &field.former {
        out.member("former", |out| {
            out.object(|out| {
                fold(out, former.fold);
                out.text("text", &former.text);
                out.text("type", kind.as_str());
            });
        });
    }
    out.number("level", field.level);
    out.text("path", &field.path);
    flags(out, "pathFlags", &field.path_flags);
    if matches!(field.former, Some(Former::Same)) {
        out.member("same", |out| out.json.push_str("true"));
    }
    out.text("text", &field.text.text);
    out.text("type", field.kind.as_str());
}

fn change(out: &mut Writer, change: &Change) {
    let Text { text, fold: folded, .. } = &change.text;
    fold(out, *folded);
    out.text("kind", change.kind.as_str());
    match change.kind {
        ChangeKind::Skipped(lines) => out.number("lines", lines),
        ChangeKind::Same | ChangeKind::Removed | ChangeKind::Added => out.text("text", text),
    }
}

fn fold(out: &mut Writer, folded: Option<Fold>) {
    if let Some(fold) = folded {
        out.member("fold", |out| {
            out.object(|out| {
                out.number("bytes", fold.bytes);
                out.number("characters", fold.characters);
                out.number("lines", fold.lines);
                out.number("shown", fold.shown);
            });
        });
    }
}

fn flags(out: &mut Writer, name: &str, flags: &[Flag]) {
    if flags.is_empty() {
        return;
    }
    out.array(name, flags, |out, flag| {
        if !flag.characters.is_empty() {
            out.array("characters", &flag.characters, |out, (character, like)| {
                out.text("code", &format!("U+{:04X}", u32::from(*character)));
                if let Some(like) = like {
                    out.text("like", like);
                }
            });
        }
        out.number("count", flag.count);
        out.text("flag", flag.kind.as_str());
        if let Some(reads) = &flag.reads {
            out.text("reads", reads);
        }
    });
}

/// Writes JSON whose members come in their order.
#[derive(Debug, Default)]
struct Writer {
    json: String,
}

impl Writer {
    fn object(&mut self, write: impl FnOnce(&mut Self)) {
        self.json.push('{');
        write(self);
        self.json.push('}');
    }

    fn member(&mut self, name: &str, write: impl FnOnce(&mut Self)) {
        if !self.json.ends_with('{') {
            self.json.push(',');
        }
        self.string(name);
        self.json.push(':');
        write(self);
    }

    fn text(&mut self, name: &str, text: &str) {
        self.member(name, |out| out.string(text));
    }

    fn number(&mut self, name: &str, number: usize) {
        self.member(name, |out| out.json.push_str(&number.to_string()));
    }

    /// A number that is left out if it is none.
    fn count(&mut self, name: &str, number: usize) {
        if number > 0 {
            self.number(name, number);
        }
    }

    /// An array of objects.
    fn array<T>(&mut self, name: &str, items: &[T], write: impl Fn(&mut Self, &T)) {
        self.member(name, |out| {
            out.json.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.json.push(',');
                }
                out.object(|out| write(out, item));
            }
            out.json.push(']');
        });
    }

    /// A string. Of what RFC 8785 escapes, texts of a view have quotes, backslashes and line feeds alone.
    fn string(&mut self, text: &str) {
        self.json.push('"');
        for character in text.chars() {
            match character {
                '"' => self.json.push_str("\\\""),
                '\\' => self.json.push_str("\\\\"),
                '\n' => self.json.push_str("\\n"),
                _ => self.json.push(character),
            }
        }
        self.json.push('"');
    }
}
