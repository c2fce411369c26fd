//! What a command says: [`Reply`], colour ([`Ink`]) and tables ([`Table`]).

use std::io::{self, ErrorKind, IsTerminal, Write};

use serde_json::{Map, Value};

use crate::code::CliCode;
use crate::failure::{Failure, Outcome};
use crate::render;

/// What a command yields: for programs one JSON object, for people data (stdout) and talk (stderr).
#[derive(Debug)]
pub(crate) struct Reply {
    exit: u8,
    json: Value,
    data: Vec<u8>,
    talk: String,
}

impl Reply {
    /// A success with these members.
    pub(crate) const fn new(json: Value) -> Self {
        Self {
            exit: 0,
            json,
            data: Vec::new(),
            talk: String::new(),
        }
    }

    /// What goes to stdout without `--json`.
    #[must_use]
    pub(crate) fn with_data(self, data: impl Into<Vec<u8>>) -> Self {
        Self {
            data: data.into(),
            ..self
        }
    }

    /// What goes to stderr without `--json`.
    #[must_use]
    pub(crate) fn with_talk(self, talk: impl Into<String>) -> Self {
        Self {
            talk: talk.into(),
            ..self
        }
    }

    /// With these members of a JSON object too.
    #[must_use]
    pub(crate) fn with_members(mut self, more: Value) -> Self {
        if let (Some(members), Value::Object(more)) = (self.json.as_object_mut(), more) {
            members.extend(more);
        }
        self
    }

    /// Another exit code than 0.
    #[must_use]
    pub(crate) fn with_exit(self, exit: u8) -> Self {
        Self { exit, ..self }
    }

    /// Prints the reply and gives the exit code.
    pub(crate) fn print(&self, schema: &str, is_json: bool, reader: Reader) -> u8 {
        if is_json {
            let mut members = match &self.json {
                Value::Object(members) => members.clone(),
                other => Map::from_iter([("value".to_owned(), other.clone())]),
            };
            members.insert("schema".to_owned(), schema.into());
            return settle(print_json(&Value::Object(members)), self.exit, reader);
        }
        let data = settle(write_all(&mut io::stdout().lock(), &self.data), self.exit, reader);
        say(&self.talk);
        data
    }
}

/// Prints a failure and gives its exit code.
pub(crate) fn print_failure(failure: &Failure, schema: &str, is_json: bool) -> u8 {
    let exit = failure.code().class().exit_code();
    if is_json {
        let mut error = Map::new();
        error.insert("code".to_owned(), failure.code().as_str().into());
        error.insert("message".to_owned(), failure.message().into());
        if let Some(offset) = failure.offset() {
            error.insert("offset".to_owned(), offset.into());
        }
        if let Some(path) = failure.path() {
            error.insert("path".to_owned(), path.into());
        }
        return settle(
            print_json(&serde_json::json!({ "schema": schema, "error": error })),
            exit,
            Reader::Needed,
        );
    }
    let ink = Ink::stderr();
    // Names out of documents and files stand in both, whoever wrote them.
    let message = render::visible(failure.message());
    let mut text = format!("{} {message} ({})\n", ink.bad("error:"), failure.code());
    let explained = || {
        format!(
            "`actionpass explain {}` says what causes this and what to do",
            failure.code()
        )
    };
    let hint = failure.hint().map_or_else(explained, str::to_owned);
    text.push_str(&format!("{} {}\n", ink.faint("hint:"), render::visible(&hint)));
    say(&text);
    exit
}

/// Says something to the person in front of the terminal.
pub(crate) fn say(text: &str) {
    // Nobody is left to be told that stderr is closed.
    let _ = is_said(text);
}

/// The same, and whether it got out.
pub(crate) fn is_said(text: &str) -> bool {
    write_all(&mut io::stderr().lock(), text.as_bytes()).is_ok()
}

fn print_json(value: &Value) -> io::Result<()> {
    let line = render::escaped(&value.to_string()) + "\n";
    write_all(&mut io::stdout().lock(), line.as_bytes())
}

/// Prints a line of data at once, for a command that prints for as long as it runs; whether anybody can read it.
pub(crate) fn print_line(line: &str) -> bool {
    let line = render::escaped(line) + "\n";
    write_all(&mut io::stdout().lock(), line.as_bytes()).is_ok()
}

fn write_all(to: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes).and_then(|()| to.flush())
}

/// What it means if whoever reads stdout closes it before everything is written, as `head` does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reader {
    /// Of a command that only reads: they have seen enough.
    MayLeave,
    /// Of a command that decides or changes something: they don't have what they asked for.
    Needed,
}

/// Refuses to go on where nobody reads stdout any more, for commands that can't take back what they are about to do.
///
/// Whoever leaves later can't be foreseen: then the command exits 1 after it was done. A program that is started without
/// any stdout has the null device in its place, which takes everything.
pub(crate) fn needs_reader(undone: &str) -> Outcome<()> {
    if is_open() {
        return Ok(());
    }
    Err(Failure::new(
        CliCode::OutputClosed,
        format!("nobody reads stdout, so {undone}"),
    ))
}

/// Whether what is written to stdout can reach anybody.
#[cfg(unix)]
fn is_open() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdout = io::stdout();
    let mut polled = [PollFd::new(&stdout, PollFlags::OUT)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    // Where this can't be asked, writing shows it.
    let gone = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
    poll(&mut polled, Some(&at_once)).is_err() || !polled.iter().any(|polled| polled.revents().intersects(gone))
}

/// Where this can't be asked, writing shows it.
#[cfg(not(unix))]
fn is_open() -> bool {
    true
}

/// What was decided stands, but who doesn't get it must not see a success.
fn settle(written: io::Result<()>, exit: u8, reader: Reader) -> u8 {
    match written {
        Ok(()) => exit,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => match reader {
            Reader::MayLeave => exit,
            Reader::Needed => exit.max(1),
        },
        Err(error) => {
            say(&format!("error: stdout can't be written: {error} (internal_error)\n"));
            exit.max(1)
        }
    }
}

/// Colour, where a terminal shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ink {
    is_on: bool,
}

impl Ink {
    /// For what goes to stdout.
    pub(crate) fn stdout() -> Self {
        Self {
            is_on: io::stdout().is_terminal() && is_wanted(),
        }
    }

    /// For what goes to stderr.
    pub(crate) fn stderr() -> Self {
        Self {
            is_on: io::stderr().is_terminal() && is_wanted(),
        }
    }

    /// What went well.
    pub(crate) fn good(self, text: &str) -> String {
        self.paint("1;32", text)
    }

    /// What didn't.
    pub(crate) fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// What needs something.
    pub(crate) fn warn(self, text: &str) -> String {
        self.paint("1;33", text)
    }

    /// What stands out.
    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// What stands back.
    pub(crate) fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.is_on {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// `NO_COLOR` (no-color.org) and dumb terminals.
fn is_wanted() -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !no_color && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Rows under a header, columns aligned.
#[derive(Debug)]
pub(crate) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    pub(crate) fn new(header: &[&str]) -> Self {
        Self {
            header: header.iter().map(|name| (*name).to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; nothing hidden stays hidden in it.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows
            .push(cells.into_iter().map(|cell| render::visible(&cell)).collect());
    }

    /// The text, a line each.
    pub(crate) fn render(&self, ink: Ink) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().chain([&self.header]).filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.header.len()).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let mut text = ink.bold(&line(&self.header));
        text.push('\n');
        for row in &self.rows {
            text.push_str(&line(row));
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(&["A", "LONG"]);
        table.row(["äöü".to_owned(), "x".to_owned()]);
        table.row(["\n".to_owned(), String::new()]);
        assert_eq!(table.render(Ink { is_on: false }), "A      LONG\näöü    x\n\\u{a}\n");
        assert!(
            table
                .render(Ink { is_on: true })
                .starts_with("\x1b[1mA      LONG\x1b[0m\n")
        );
    }
}
