//! The gate: raw JSON to canonical bytes in one pass, or a refusal.

mod number;
mod string;

use std::cell::Cell;
use std::cmp::Ordering;

use crate::order::{self, Member};
use crate::{AdmitCode, AdmitError, CanonicalBytes, Limits};

/// Admits a JSON document (`docs/spec/admission.md`): its canonical bytes, or why it is refused.
///
/// Everything that two careful readers of JSON could read differently is refused, so whoever reads the canonical
/// bytes sees the value that the sender wrote. Takes time in proportion to the input (times the logarithm of its
/// members where they are out of order, and at most `max_depth` copies of it), and memory for about twice the output.
///
/// # Errors
/// [`AdmitError`] with a stable code and the byte offset. Of several faults the first in reading order is named;
/// members out of order are only compared where their object ends.
pub fn admit(raw: &[u8], limits: &Limits) -> Result<CanonicalBytes, AdmitError> {
    Gate::new(raw, limits, Numbers::Exact).run().map(CanonicalBytes::new)
}

/// Why a document is refused. Boxed within the gate: results that are nearly always `Ok` then fit in registers.
pub(crate) type Refused = Box<AdmitError>;

/// What becomes of a number that no double equals.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Numbers {
    /// It is refused.
    Exact,
    /// It is rounded, as RFC 8785 says. Never for what is admitted.
    Rounded,
}

/// Parsers with special features read members of such names as something else.
pub(crate) const RESERVED_PREFIX: &[u8] = b"$serde_json::private::";

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The state of one pass.
///
/// Input that is canonical as it stands isn't copied token by token: `raw[kept..pos]` is a run that still has to be
/// copied, and [`Gate::flush`] copies it once something has to be left out, replaced or reordered.
#[derive(Debug)]
pub(crate) struct Gate<'a> {
    raw: &'a [u8],
    limits: &'a Limits,
    numbers: Numbers,
    /// The next byte to read.
    pos: usize,
    kept: usize,
    out: Vec<u8>,
    members_left: usize,
    work: Work,
}

/// What a pass needs beside its output. Kept by the thread: for a small document allocating it would take as long as
/// everything else.
#[derive(Debug, Default)]
struct Work {
    /// The members, so far, of all open objects.
    members: Vec<Member>,
    open: Vec<Open>,
    scratch: Vec<u8>,
}

thread_local! {
    static WORK: Cell<Work> = Cell::default();
}

impl Work {
    /// What is kept for the next pass, in bytes or entries of each part; larger parts are freed.
    const KEPT: usize = 4096;

    fn take() -> Self {
        WORK.try_with(Cell::take).unwrap_or_default()
    }

    fn put_back(mut self) {
        self.members.clear();
        self.members.shrink_to(Self::KEPT);
        self.open.clear();
        self.open.shrink_to(Self::KEPT);
        self.scratch.clear();
        self.scratch.shrink_to(Self::KEPT);
        // A thread that is about to end keeps nothing.
        let _ = WORK.try_with(|work| work.set(self));
    }
}

/// An array or object that isn't closed yet and isn't empty.
#[derive(Clone, Copy, Debug)]
enum Open {
    Array,
    Object {
        /// Its first one in `members`.
        first: usize,
        /// Every name so far is greater than the one before, hence also no duplicate.
        sorted: bool,
    },
}

impl<'a> Gate<'a> {
    pub(crate) fn new(raw: &'a [u8], limits: &'a Limits, numbers: Numbers) -> Self {
        let members_left = limits.max_members();
        Self {
            raw,
            limits,
            numbers,
            pos: 0,
            kept: 0,
            out: Vec::new(),
            members_left,
            work: Work::take(),
        }
    }

    /// Reads the document.
    pub(crate) fn run(mut self) -> Result<Vec<u8>, AdmitError> {
        let document = self.document();
        self.work.put_back();
        document.map(|()| self.out).map_err(|refused| *refused)
    }

    fn document(&mut self) -> Result<(), Refused> {
        if self.raw.len() > self.limits.max_bytes() {
            return Err(AdmitError::new(AdmitCode::SizeExceeded, self.limits.max_bytes()).into());
        }
        if self.raw.starts_with(BYTE_ORDER_MARK) {
            return Err(AdmitError::new(AdmitCode::ByteOrderMark, 0).into());
        }
        self.out.reserve(self.raw.len());
        self.skip_space();
        loop {
            if self.value()? {
                continue;
            }
            loop {
                match self.work.open.last().copied() {
                    None => return self.finish(),
                    Some(Open::Array) => {
                        self.skip_space();
                        match self.peek() {
                            Some(b',') => {
                                self.advance(1);
                                self.skip_space();
                                break;
                            }
                            Some(b']') => self.advance(1),
                            _ => return Err(self.unexpected()),
                        }
                    }
                    Some(Open::Object { first, sorted }) => {
                        let end = order::offset(self.len());
                        if let Some(member) = self.work.members.last_mut() {
                            member.end = end;
                        }
                        self.skip_space();
                        match self.peek() {
                            Some(b',') => {
                                self.advance(1);
                                self.skip_space();
                                self.name()?;
                                break;
                            }
                            Some(b'}') => {
                                self.close_object(first, sorted)?;
                                self.advance(1);
                            }
                            _ => return Err(self.unexpected()),
                        }
                    }
                }
                self.work.open.pop();
            }
        }
    }

    /// Reads a value, or of an array or object that isn't empty the start: then `true`, and a value follows.
    fn value(&mut self) -> Result<bool, Refused> {
        match self.peek() {
            Some(b'"') => self.string().map(|_| false),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| false),
            Some(b'{') => {
                if self.enter_empty(b'}')? {
                    return Ok(false);
                }
                self.work.open.push(Open::Object {
                    first: self.work.members.len(),
                    sorted: true,
                });
                self.name().map(|()| true)
            }
            Some(b'[') => {
                if self.enter_empty(b']')? {
                    return Ok(false);
                }
                self.work.open.push(Open::Array);
                Ok(true)
            }
            Some(b't') => self.literal(b"true").map(|()| false),
            Some(b'f') => self.literal(b"false").map(|()| false),
            Some(b'n') => self.literal(b"null").map(|()| false),
            _ => Err(self.unexpected()),
        }
    }

    /// Reads an opening bracket, and the closing one if it follows: then `true`.
    fn enter_empty(&mut self, close: u8) -> Result<bool, Refused> {
        if self.work.open.len() >= self.limits.max_depth() {
            return Err(self.refuse(AdmitCode::DepthExceeded, self.pos));
        }
        self.advance(1);
        self.skip_space();
        let empty = self.peek() == Some(close);
        if empty {
            self.advance(1);
        }
        Ok(empty)
    }

    fn literal(&mut self, literal: &[u8]) -> Result<(), Refused> {
        let rest = self.raw.get(self.pos..).unwrap_or_default();
        let same = rest
            .iter()
            .zip(literal)
            .take_while(|(byte, expected)| byte == expected)
            .count();
        self.advance(same);
        if same < literal.len() {
            Err(self.unexpected())
        } else {
            Ok(())
        }
    }

    /// Reads a member's name and the colon.
    fn name(&mut self) -> Result<(), Refused> {
        let at = self.pos;
        if self.peek() != Some(b'"') {
            return Err(self.unexpected());
        }
        self.members_left = match self.members_left.checked_sub(1) {
            Some(left) => left,
            None => return Err(self.refuse(AdmitCode::MembersExceeded, at)),
        };
        let start = self.len();
        let text = self.string()?;
        if text.rewritten {
            self.flush();
        }
        // The name is canonical in the input unless it had to be rewritten; then it is in the output.
        let (bytes, end) = match text.rewritten {
            false => (self.raw.get(at.wrapping_add(1)..), self.pos.wrapping_sub(at)),
            true => (
                self.out.get(start.wrapping_add(1)..),
                self.out.len().wrapping_sub(start),
            ),
        };
        let (bytes, len) = (bytes.unwrap_or_default(), end.wrapping_sub(2));
        let plain = text.simple || order::is_plain(bytes.get(..len).unwrap_or_default());
        let member = Member {
            key: order::key(bytes, len, plain),
            at: order::offset(at),
            start: order::offset(start),
            end: 0,
            name_len: order::offset(len),
            in_input: !text.rewritten,
            plain,
        };
        if bytes.first() == Some(&b'$') && bytes.starts_with(RESERVED_PREFIX) {
            return Err(self.refuse(AdmitCode::MemberNameReserved, at));
        }
        if let Some(Open::Object { first, sorted }) = self.work.open.last_mut()
            && *sorted
            && let Some(before) = self.work.members.get(*first..).and_then(<[_]>::last)
            && before.key >= member.key
        {
            match before.compare(&member, self.raw, &self.out) {
                Ordering::Less => {}
                Ordering::Greater => *sorted = false,
                Ordering::Equal => return Err(self.refuse(AdmitCode::MemberDuplicate, at)),
            }
        }
        self.work.members.push(member);
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.unexpected());
        }
        self.advance(1);
        self.skip_space();
        Ok(())
    }

    fn close_object(&mut self, first: usize, sorted: bool) -> Result<(), Refused> {
        if !sorted {
            self.flush();
            let members = self.work.members.get_mut(first..).unwrap_or_default();
            order::arrange(members, self.raw, &mut self.out, &mut self.work.scratch)
                .map_err(|at| AdmitError::new(AdmitCode::MemberDuplicate, at as usize))?;
        }
        self.work.members.truncate(first);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Refused> {
        self.skip_space();
        if self.pos < self.raw.len() {
            return Err(self.refuse(AdmitCode::TrailingBytes, self.pos));
        }
        self.flush();
        if self.out.len() > self.limits.max_bytes() {
            return Err(AdmitError::new(AdmitCode::SizeExceeded, self.raw.len()).into());
        }
        Ok(())
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.raw.get(self.pos).copied()
    }

    /// INVARIANT: callers have seen the bytes they move over, so `pos` never passes the end.
    #[inline]
    fn advance(&mut self, bytes: usize) {
        self.pos = self.pos.wrapping_add(bytes);
    }

    /// The length of the output, the pending run included.
    #[inline]
    fn len(&self) -> usize {
        self.out.len().wrapping_add(self.pos.wrapping_sub(self.kept))
    }

    /// Copies the pending run.
    #[inline]
    fn flush(&mut self) {
        self.out
            .extend_from_slice(self.raw.get(self.kept..self.pos).unwrap_or_default());
        self.kept = self.pos;
    }

    /// Replaces the next `bytes` of the input, by a few others.
    fn replace(&mut self, bytes: usize, with: &[u8]) {
        if self.kept < self.pos {
            self.flush();
        }
        for byte in with {
            self.out.push(*byte);
        }
        self.advance(bytes);
        self.kept = self.pos;
    }

    #[inline]
    fn skip_space(&mut self) {
        if matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.skip_spaces();
        }
    }

    #[inline(never)]
    fn skip_spaces(&mut self) {
        self.flush();
        let mut rest = self.raw.get(self.pos..).unwrap_or_default();
        loop {
            rest = match rest {
                [b' ', ..] => crate::text::trim_spaces(rest),
                [b'\n' | b'\r' | b'\t', rest @ ..] => rest,
                _ => break,
            };
        }
        self.pos = self.raw.len().wrapping_sub(rest.len());
        self.kept = self.pos;
    }

    /// The byte at `pos`, or the end of the input, cannot stand there.
    #[cold]
    fn unexpected(&self) -> Refused {
        self.unexpected_as(AdmitCode::JsonSyntax, self.pos)
    }

    #[cold]
    fn unexpected_as(&self, code: AdmitCode, at: usize) -> Refused {
        if at < self.raw.len() {
            self.refuse(code, at)
        } else {
            self.refuse(AdmitCode::JsonTruncated, self.raw.len())
        }
    }

    /// A refusal at `at`, unless something up to there isn't UTF-8: strings are only checked where they end.
    #[cold]
    fn refuse(&self, code: AdmitCode, at: usize) -> Refused {
        match std::str::from_utf8(self.raw) {
            Err(invalid) if invalid.valid_up_to() <= at => {
                AdmitError::new(AdmitCode::InvalidUtf8, invalid.valid_up_to()).into()
            }
            _ => AdmitError::new(code, at).into(),
        }
    }
}
