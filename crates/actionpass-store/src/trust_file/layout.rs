//! How the file is laid out: a line for each member of the document, for each key and for each revocation.
//!
//! A person reads it and compares versions by lines, and it is a fifth shorter than one that is indented to its leaves.

use std::io::{self, Write};

use actionpass_model::TrustStore;
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

/// The document with a line feed at its end.
pub(super) fn to_vec(document: &TrustStore) -> serde_json::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    document.serialize(&mut Serializer::with_formatter(&mut bytes, Layout::default()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// How deep lines are broken: the document, and the lists in it.
const BROKEN: usize = 2;

#[derive(Default)]
struct Layout {
    depth: usize,
    /// Whether the list or object that was begun last has anything in it.
    filled: bool,
}

impl Layout {
    fn begin(&mut self, writer: &mut (impl Write + ?Sized), bracket: &[u8]) -> io::Result<()> {
        self.depth = self.depth.saturating_add(1);
        self.filled = false;
        writer.write_all(bracket)
    }

    fn next(&self, writer: &mut (impl Write + ?Sized), first: bool) -> io::Result<()> {
        let comma: &[u8] = if first { b"" } else { b"," };
        writer.write_all(comma)?;
        if self.depth > BROKEN {
            return Ok(());
        }
        self.line(writer)
    }

    fn end(&mut self, writer: &mut (impl Write + ?Sized), bracket: &[u8]) -> io::Result<()> {
        self.depth = self.depth.saturating_sub(1);
        if self.filled && self.depth < BROKEN {
            self.line(writer)?;
        }
        self.filled = true;
        writer.write_all(bracket)
    }

    fn line(&self, writer: &mut (impl Write + ?Sized)) -> io::Result<()> {
        writer.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| writer.write_all(b"  "))
    }
}

impl Formatter for Layout {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.next(writer, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.next(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        let colon: &[u8] = if self.depth > BROKEN { b":" } else { b": " };
        writer.write_all(colon)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }
}
