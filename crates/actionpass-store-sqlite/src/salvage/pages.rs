//! [`Pages`]: the records in a database file whose tables SQLite can't find, read out of its pages.
//!
//! What is read here is only ever a candidate: whether it is a record of the log, its hash and its place in the chain say. So a page
//! that is something else, or an older one that was left over, can't add a record.
//! The format: <https://www.sqlite.org/fileformat2.html>.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// The largest record, with room for what may have become of it.
const MAX_RECORD: u64 = 1 << 20;
/// The page size of the files that this crate makes, for one whose first page is gone.
const USUAL: usize = 4096;
/// What a page of a table with rows begins with.
const LEAF: u8 = 0x0d;

/// The pages of a file, the newer ones from its write-ahead log.
pub(crate) struct Pages {
    file: File,
    log: Option<File>,
    size: usize,
    /// What of each page isn't used.
    reserved: usize,
    count: u64,
    /// Where in the write-ahead log the newest state of a page is.
    newer: HashMap<u64, u64>,
}

/// Where a record stands: its number, its page, and which cell of it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Spot {
    pub(crate) seq: u64,
    page: u64,
    cell: u16,
}

impl Pages {
    /// # Errors
    /// Those of the files.
    pub(crate) fn open(path: &Path, log: Option<&Path>) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut header = [0; 100];
        let length = file.metadata()?.len();
        if length >= 100 {
            file.read_exact(&mut header)?;
        }
        let said = match u16_at(&header, 16) {
            Some(1) => 65_536,
            Some(size) => usize::from(size),
            None => 0,
        };
        let is_ours = header.starts_with(b"SQLite format 3\0");
        let is_size = said.is_power_of_two() && (512..=65_536).contains(&said);
        let (size, reserved) = match is_ours && is_size {
            true => (said, header.get(20).copied().map_or(0, usize::from)),
            false => (USUAL, 0),
        };
        let mut pages = Self {
            file,
            log: log.map(File::open).transpose()?,
            size,
            reserved: if reserved <= 32 { reserved } else { 0 },
            // One that is cut off counts: what is left of it may hold rows.
            count: length.div_ceil(size as u64),
            newer: HashMap::new(),
        };
        pages.read_log()?;
        Ok(pages)
    }

    /// Finds the newest state of each page in the write-ahead log, as far as its check sums hold and something was committed.
    fn read_log(&mut self) -> io::Result<()> {
        let Some(log) = &mut self.log else { return Ok(()) };
        let mut header = [0; 32];
        if log.metadata()?.len() < 32 {
            return Ok(());
        }
        log.read_exact(&mut header)?;
        let word = |bytes: &[u8], at| u32_at(bytes, at).unwrap_or(0);
        let is_big = match word(&header, 0) {
            0x377f_0683 => true,
            0x377f_0682 => false,
            _ => return Ok(()),
        };
        let mut sum = summed((0, 0), header.get(..24).unwrap_or_default(), is_big);
        let is_whole = sum == (word(&header, 24), word(&header, 28));
        if !is_whole || word(&header, 8) as usize != self.size {
            return Ok(());
        }
        let mut frame = vec![0; self.size.saturating_add(24)];
        let mut at: u64 = 32;
        let mut pending = Vec::new();
        while log.read_exact(&mut frame).is_ok() {
            if frame.get(8..16) != header.get(16..24) {
                break;
            }
            sum = summed(sum, frame.get(..8).unwrap_or_default(), is_big);
            sum = summed(sum, frame.get(24..).unwrap_or_default(), is_big);
            if sum != (word(&frame, 16), word(&frame, 20)) {
                break;
            }
            pending.push((u64::from(word(&frame, 0)), at.saturating_add(24)));
            let committed = u64::from(word(&frame, 4));
            if committed > 0 {
                self.newer.extend(pending.drain(..));
                self.count = self.count.max(committed);
            }
            at = at.saturating_add(frame.len() as u64);
        }
        Ok(())
    }

    /// A page; what is beyond the end of the file is zeros. `None` if the disk doesn't give it.
    fn page(&mut self, number: u64) -> Option<Vec<u8>> {
        let mut page = Vec::with_capacity(self.size);
        let (file, at) = match (self.newer.get(&number), &mut self.log) {
            (Some(at), Some(log)) => (log, *at),
            _ => (&mut self.file, number.checked_sub(1)?.checked_mul(self.size as u64)?),
        };
        file.seek(SeekFrom::Start(at)).ok()?;
        file.take(self.size as u64).read_to_end(&mut page).ok()?;
        page.resize(self.size, 0);
        Some(page)
    }

    /// Where records may stand, in the order of their numbers.
    pub(crate) fn spots(&mut self) -> Vec<Spot> {
        let mut spots = Vec::new();
        for number in 1..=self.count {
            let Some(page) = self.page(number) else { continue };
            for cell in 0..cells(&page, number) {
                if let Some((seq, _)) = self.cell(&page, number, cell).and_then(|at| row(&page, at)) {
                    let spot = Spot {
                        seq,
                        page: number,
                        cell,
                    };
                    if self.looks_like_one(&page, spot) {
                        spots.push(spot);
                    }
                }
            }
        }
        spots.sort_unstable();
        spots
    }

    /// Where a cell begins in its page.
    fn cell(&self, page: &[u8], number: u64, cell: u16) -> Option<usize> {
        let pointer = start(number)
            .checked_add(8)?
            .checked_add(usize::from(cell).checked_mul(2)?)?;
        let at = usize::from(u16_at(page, pointer)?);
        (at < self.size.saturating_sub(self.reserved)).then_some(at)
    }

    /// Whether a row begins as a record's does: no value, since the number is the key, and text.
    fn looks_like_one(&self, page: &[u8], spot: Spot) -> bool {
        let text = || {
            let at = self.cell(page, spot.page, spot.cell)?;
            let (_, body) = row(page, at)?;
            text_of(page.get(body.start..)?)
        };
        text().is_some_and(|(at, _)| at > 0)
    }

    /// The text at a spot.
    pub(crate) fn text(&mut self, spot: Spot) -> Option<Vec<u8>> {
        let page = self.page(spot.page)?;
        let at = self.cell(&page, spot.page, spot.cell)?;
        let (_, body) = row(&page, at)?;
        let payload = self.payload(&page, &body)?;
        let (at, length) = text_of(&payload)?;
        payload.get(at..at.checked_add(length)?).map(<[u8]>::to_vec)
    }

    /// A row with what of it is on other pages.
    fn payload(&mut self, page: &[u8], body: &Body) -> Option<Vec<u8>> {
        let usable = self.size.checked_sub(self.reserved)?;
        let length = usize::try_from(body.length).ok()?;
        let most = usable.checked_sub(35)?;
        let here = if length <= most {
            length
        } else {
            let least = usable
                .checked_sub(12)?
                .checked_mul(32)?
                .checked_div(255)?
                .checked_sub(23)?;
            let over = length.checked_sub(least)?.checked_rem(usable.checked_sub(4)?)?;
            let fits = least.checked_add(over)?;
            if fits <= most { fits } else { least }
        };
        let end = body.start.checked_add(here)?;
        let mut payload = page.get(body.start..end)?.to_vec();
        let mut next = if here < length { u32_at(page, end)? } else { 0 };
        // Each adds something, so this ends.
        while payload.len() < length {
            if next == 0 {
                return None;
            }
            let page = self.page(u64::from(next))?;
            let more = usable.checked_sub(4)?.min(length.checked_sub(payload.len())?);
            payload.extend_from_slice(page.get(4..more.checked_add(4)?)?);
            next = u32_at(&page, 0)?;
        }
        Some(payload)
    }
}

/// A row's bytes: where they begin in the page, and how many there are in all.
struct Body {
    start: usize,
    length: u64,
}

/// Where in a page its own header begins: the first page has that of the file in front.
const fn start(number: u64) -> usize {
    if number == 1 { 100 } else { 0 }
}

/// How many rows a page says to have; none if it isn't one of a table's.
fn cells(page: &[u8], number: u64) -> u16 {
    let start = start(number);
    if page.get(start) != Some(&LEAF) {
        return 0;
    }
    u16_at(page, start.saturating_add(3)).unwrap_or(0)
}

/// The key of a row, and where it is.
fn row(page: &[u8], at: usize) -> Option<(u64, Body)> {
    let (length, at) = varint(page, at)?;
    let (key, start) = varint(page, at)?;
    // A number of a record is positive and at most 2^53.
    let is_likely = (1..=MAX_RECORD).contains(&length) && key < 1 << 53;
    is_likely.then_some((key, Body { start, length }))
}

/// Where the text of a record's row is in it, and how long it is.
fn text_of(payload: &[u8]) -> Option<(usize, usize)> {
    let (header, at) = varint(payload, 0)?;
    let (key, at) = varint(payload, at)?;
    let (text, at) = varint(payload, at)?;
    let header = usize::try_from(header).ok()?;
    if key != 0 || text < 13 || text & 1 == 0 || at != header || payload.get(at) != Some(&b'{') {
        return None;
    }
    let length = usize::try_from(text.checked_sub(13)? >> 1).ok()?;
    Some((at, length))
}

/// A number of up to nine bytes, and where what follows it begins.
fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value: u64 = 0;
    let mut at = at;
    for place in 0..9 {
        let byte = u64::from(*bytes.get(at)?);
        at = at.checked_add(1)?;
        if place == 8 {
            return Some((value << 8 | byte, at));
        }
        value = value << 7 | byte & 0x7f;
        if byte < 0x80 {
            return Some((value, at));
        }
    }
    None
}

/// The check sum of a write-ahead log, carried on over these bytes.
fn summed(sum: (u32, u32), bytes: &[u8], is_big: bool) -> (u32, u32) {
    let (mut one, mut other) = sum;
    let word = |bytes: &[u8]| {
        let bytes: [u8; 4] = bytes.try_into().unwrap_or_default();
        if is_big {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    };
    for pair in bytes.chunks_exact(8) {
        let (first, second) = pair.split_at(4);
        one = one.wrapping_add(word(first)).wrapping_add(other);
        other = other.wrapping_add(word(second)).wrapping_add(one);
    }
    (one, other)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    bytes.try_into().ok().map(u16::from_be_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    bytes.try_into().ok().map(u32::from_be_bytes)
}
