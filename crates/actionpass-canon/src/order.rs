//! The order of members: by UTF-16 code units of their names (RFC 8785 §3.2.3), found on canonical bytes.

use std::cmp::Ordering;

/// A member of an object that is being written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    /// The start of the name as a number that compares like it: see [`key`].
    pub(crate) key: u64,
    /// Where the name's opening quote is in the input, or in the output if there is no input.
    pub(crate) at: u32,
    /// Where the member starts and ends in the output.
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// The length of the canonical name without its quotes.
    pub(crate) name_len: u32,
    /// The input has the canonical name at `at`; else only the output has it, at `start`.
    pub(crate) in_input: bool,
    /// The name compares byte by byte: see [`is_plain`].
    pub(crate) plain: bool,
}

/// An offset as members hold it.
///
/// INVARIANT: inputs are at most [`Limits::MAX_BYTES_CEILING`](crate::Limits::MAX_BYTES_CEILING) long and outputs
/// less than 3.5 times that; the typed serializer checks its output.
#[inline]
pub(crate) const fn offset(at: usize) -> u32 {
    at as u32
}

/// Bytes from `start` to `end`.
#[inline]
pub(crate) fn range(bytes: &[u8], start: u32, end: u32) -> &[u8] {
    bytes.get(start as usize..end as usize).unwrap_or_default()
}

impl Member {
    /// The canonical name without its quotes.
    #[inline]
    pub(crate) fn name<'a>(&self, input: &'a [u8], out: &'a [u8]) -> &'a [u8] {
        let (bytes, quote) = if self.in_input {
            (input, self.at)
        } else {
            (out, self.start)
        };
        let start = quote.wrapping_add(1);
        range(bytes, start, start.wrapping_add(self.name_len))
    }

    /// Compares two names of one object.
    #[inline]
    pub(crate) fn compare(&self, other: &Self, input: &[u8], out: &[u8]) -> Ordering {
        match self.key.cmp(&other.key) {
            Ordering::Equal => {
                let (name, other_name) = (self.name(input, out), other.name(input, out));
                if self.plain && other.plain {
                    name.cmp(other_name)
                } else {
                    compare_names(name, other_name)
                }
            }
            decided => decided,
        }
    }
}

/// Whether the bytes of a canonical name compare like its UTF-16 code units: no escapes, nothing from U+E000 on.
pub(crate) fn is_plain(name: &[u8]) -> bool {
    !name.iter().any(|byte| *byte == b'\\' || *byte >= 0xEE)
}

/// The first eight bytes of a name as a number that orders like the name as far as it reaches. `bytes` starts with the
/// name, `len` long, and may go on: a load of eight and a mask are several times as fast as a loop.
#[inline]
pub(crate) fn key(bytes: &[u8], len: usize, plain: bool) -> u64 {
    let beyond = 64_usize.saturating_sub(len.saturating_mul(8)) as u32;
    match bytes.first_chunk::<8>() {
        _ if !plain => slow_key(bytes.get(..len).unwrap_or_default()),
        Some(first) if beyond == 0 => u64::from_be_bytes(*first),
        Some(first) => u64::from_be_bytes(*first).unbounded_shr(beyond).unbounded_shl(beyond),
        None => bytes
            .iter()
            .take(len)
            .fold(0, |key, byte| key << 8 | u64::from(*byte))
            .unbounded_shl(beyond),
    }
}

fn slow_key(mut name: &[u8]) -> u64 {
    let mut first = [0; 8];
    for to in &mut first {
        let (unit, rest) = split_unit(name);
        *to = unit.unwrap_or(0);
        name = rest;
    }
    u64::from_be_bytes(first)
}

/// Compares two canonical names by UTF-16 code units.
///
/// Canonical escapes are unique, so equal names have equal bytes, and only the first difference has to be understood.
pub(crate) fn compare_names(left: &[u8], right: &[u8]) -> Ordering {
    let (left_blocks, _) = left.as_chunks::<32>();
    let (right_blocks, _) = right.as_chunks::<32>();
    let blocks = left_blocks
        .iter()
        .zip(right_blocks)
        .take_while(|(left, right)| left == right)
        .count();
    let start = blocks.wrapping_mul(32);
    let (left_tail, right_tail) = (
        left.get(start..).unwrap_or_default(),
        right.get(start..).unwrap_or_default(),
    );
    let same = left_tail
        .iter()
        .zip(right_tail)
        .take_while(|(left, right)| left == right)
        .count();
    let mut at = start.wrapping_add(same);
    // If the difference is in the second byte of an escape, the escape starts one byte earlier. In its later bytes
    // (`\u00…`) digits order like the characters.
    let backslashes = left
        .get(..at)
        .unwrap_or_default()
        .iter()
        .rev()
        .take_while(|byte| **byte == b'\\')
        .count();
    if backslashes % 2 == 1 {
        at = at.wrapping_sub(1);
    }
    let (left_unit, _) = split_unit(left.get(at..).unwrap_or_default());
    let (right_unit, _) = split_unit(right.get(at..).unwrap_or_default());
    left_unit.cmp(&right_unit).then_with(|| left.len().cmp(&right.len()))
}

/// The first byte of a canonical name, unescaped, and what follows. UTF-8 orders like UTF-16 but for U+E000 to U+FFFF
/// (lead bytes 0xEE and 0xEF), which UTF-16 puts after the surrogates (lead bytes 0xF0 to 0xF4): so those are raised.
fn split_unit(name: &[u8]) -> (Option<u8>, &[u8]) {
    match name {
        [] => (None, &[]),
        [b'\\', b'u', _, _, high @ (b'0' | b'1'), low, rest @ ..] => {
            let low = if low.is_ascii_digit() {
                low & 15
            } else {
                (low & 15).wrapping_add(9)
            };
            (Some((high & 1) << 4 | low), rest)
        }
        [b'\\', short, rest @ ..] => {
            let byte = match short {
                b'b' => 8,
                b't' => 9,
                b'n' => 10,
                b'f' => 12,
                b'r' => 13,
                same => *same,
            };
            (Some(byte), rest)
        }
        [lead @ (0xEE | 0xEF), rest @ ..] => (Some(lead.wrapping_add(7)), rest),
        [byte, rest @ ..] => (Some(*byte), rest),
    }
}

/// Puts the members of one object, the last thing written to `out`, in order. Their order in `members` is lost.
///
/// # Errors
/// `at` of the second of two members with the same name; the first such, if there are several.
pub(crate) fn arrange(
    members: &mut [Member],
    input: &[u8],
    out: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
) -> Result<(), u32> {
    let Some(start) = members.first().map(|first| first.start as usize) else {
        return Ok(());
    };
    let mut few = [0; FEW];
    scratch.clear();
    scratch.reserve(out.len().saturating_sub(start).saturating_add(1));
    match rank(members, &mut few) {
        Some(ranked) => {
            let in_order = ranked.iter().filter_map(|index| members.get(usize::from(*index)));
            in_order.for_each(|member| copy(member, out, scratch));
        }
        None => {
            sort(members, input, out)?;
            members.iter().for_each(|member| copy(member, out, scratch));
        }
    }
    scratch.pop();
    out.truncate(start);
    out.extend_from_slice(scratch);
    Ok(())
}

#[inline]
fn copy(member: &Member, out: &[u8], scratch: &mut Vec<u8>) {
    scratch.extend_from_slice(range(out, member.start, member.end));
    scratch.push(b',');
}

/// Up to how many members are ranked instead of sorted.
const FEW: usize = 16;

/// The order of a few members by their keys alone: how many are smaller says where each belongs. Takes the square of
/// their number, but without a branch to mispredict. `None` if they are too many or the keys don't decide.
#[inline]
fn rank<'a>(members: &[Member], order: &'a mut [u8; FEW]) -> Option<&'a [u8]> {
    let order = order.get_mut(..members.len())?;
    let mut ranks = 0_usize;
    for (index, member) in (0..).zip(members) {
        let rank = members.iter().filter(|other| other.key < member.key).count();
        ranks = ranks.wrapping_add(rank);
        *order.get_mut(rank)? = index;
    }
    // Only if all keys are distinct do the ranks add up to 0 + 1 + 2 + …
    let distinct = members.len().wrapping_mul(members.len().wrapping_sub(1)) / 2;
    (ranks == distinct).then_some(order)
}

/// Sorts members by name.
fn sort(members: &mut [Member], input: &[u8], out: &[u8]) -> Result<(), u32> {
    // Equal names keep their order, so that the later one is named.
    members.sort_unstable_by(|left, right| left.compare(right, input, out).then_with(|| left.at.cmp(&right.at)));
    let equal = members.windows(2).filter_map(|pair| match pair {
        [left, right] if left.compare(right, input, out) == Ordering::Equal => Some(right.at),
        _ => None,
    });
    equal.min().map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::write_string;

    fn canonical(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        write_string(&mut out, text);
        out.pop();
        out.split_off(1)
    }

    /// Every pair of short names over characters at all the borders.
    #[test]
    fn order_is_by_utf16_code_unit() {
        let characters = [
            '\0',
            '\u{1}',
            '\u{7}',
            '\u{8}',
            '\t',
            '\n',
            '\u{b}',
            '\u{c}',
            '\r',
            '\u{e}',
            '\u{10}',
            '\u{1f}',
            ' ',
            '!',
            '"',
            '#',
            '[',
            '\\',
            ']',
            'a',
            'u',
            '0',
            '\u{7f}',
            '\u{80}',
            '\u{7ff}',
            '\u{800}',
            '\u{d7ff}',
            '\u{e000}',
            '\u{fb33}',
            '\u{ffff}',
            '\u{10000}',
            '\u{1f602}',
            '\u{10ffff}',
        ];
        let mut names = vec![String::new()];
        for first in characters {
            for prefix in ["", "abcdefg", "\\\\", "0123456789012345678901234567890123456789"] {
                names.push(format!("{prefix}{first}"));
            }
            for second in ['\0', '\n', '"', '\\', 'a', '\u{e000}', '\u{10000}'] {
                names.push(format!("{first}{second}"));
                names.push(format!("\\\\{first}{second}"));
            }
        }
        let names: Vec<_> = names.into_iter().map(|name| (canonical(&name), name)).collect();
        for (left, left_text) in &names {
            for (right, right_text) in &names {
                let expected = left_text.encode_utf16().cmp(right_text.encode_utf16());
                assert_eq!(compare_names(left, right), expected, "{left_text:?} {right_text:?}");
                let (left_plain, right_plain) = (is_plain(left), is_plain(right));
                if left_plain && right_plain {
                    assert_eq!(left.cmp(right), expected, "{left_text:?} {right_text:?}");
                }
                let by_key = key(left, left.len(), left_plain).cmp(&key(right, right.len(), right_plain));
                let within = [left.as_slice(), b"\":{\"more\":1}"].concat();
                assert_eq!(key(&within, left.len(), left_plain), key(left, left.len(), left_plain));
                assert!(
                    by_key == Ordering::Equal || by_key == expected,
                    "{left_text:?} {right_text:?}"
                );
            }
        }
    }
}
