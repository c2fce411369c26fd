//! Strings: where the next byte is that needs attention, and how a character is escaped (RFC 8785 §3.2.2.2).

/// How many words of a run are looked at one by one before it counts as long.
const SHORT_WORDS: usize = 8;

/// What [`plain_run`] found.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    /// How many bytes stand for themselves: up to the next quote, backslash or control character, or to the end.
    pub(crate) len: usize,
    /// No byte of the run, nor of the few after it, is 0x80 or above. `false` says nothing.
    pub(crate) ascii: bool,
}

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
const QUOTES: u64 = u64::from_ne_bytes([b'"'; 8]);
const BACKSLASHES: u64 = u64::from_ne_bytes([b'\\'; 8]);
const SPACES: u64 = u64::from_ne_bytes([b' '; 8]);

/// The length of a short ASCII string without escapes, if `bytes` starts with one and its closing quote.
#[inline(always)]
pub(crate) fn short_simple(bytes: &[u8]) -> Option<usize> {
    let (words, _) = bytes.first_chunk::<16>()?.as_chunks::<8>();
    let mut len = 0_usize;
    for word in words {
        let word = u64::from_le_bytes(*word);
        if word & HIGHS != 0 {
            return None;
        }
        let found = specials(word);
        if found != 0 {
            len = len.wrapping_add(first_byte(found));
            return (bytes.get(len) == Some(&b'"')).then_some(len);
        }
        len = len.wrapping_add(8);
    }
    None
}

/// Measures the bytes at the start of `bytes` that a canonical string holds as they are.
pub(crate) fn plain_run(bytes: &[u8]) -> Run {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut high = 0;
    let mut len = 0_usize;
    for word in words.iter().take(SHORT_WORDS) {
        let word = u64::from_le_bytes(*word);
        high |= word & HIGHS;
        let found = specials(word);
        if found != 0 {
            return Run {
                len: len.wrapping_add(first_byte(found)),
                ascii: high == 0,
            };
        }
        len = len.wrapping_add(8);
    }
    if words.len() > SHORT_WORDS {
        return long_run(bytes, len, high == 0);
    }
    // What is left is looked at as the end of a whole word, without what was seen already. The zeros that move in behind
    // it count as special, so the run ends there at the latest.
    match bytes.last_chunk::<8>() {
        Some(last) if !rest.is_empty() => {
            let seen = 8_usize.wrapping_sub(rest.len()).wrapping_mul(8) as u32;
            let word = u64::from_le_bytes(*last).unbounded_shr(seen);
            Run {
                len: len.wrapping_add(first_byte(specials(word)).min(rest.len())),
                ascii: (high | word & HIGHS) == 0,
            }
        }
        _ => short_run(rest, len, high == 0),
    }
}

fn short_run(rest: &[u8], len: usize, ascii: bool) -> Run {
    let end = rest.iter().position(|byte| is_special(*byte)).unwrap_or(rest.len());
    let ascii = ascii && rest.iter().all(u8::is_ascii);
    Run {
        len: len.wrapping_add(end),
        ascii,
    }
}

/// The same for long strings.
#[inline(never)]
fn long_run(bytes: &[u8], mut len: usize, mut ascii: bool) -> Run {
    let blocks = plain_blocks(bytes.get(len..).unwrap_or_default());
    len = len.wrapping_add(blocks.len);
    ascii &= blocks.ascii;
    let (words, rest) = bytes.get(len..).unwrap_or_default().as_chunks::<8>();
    let mut high = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        high |= word & HIGHS;
        let found = specials(word);
        if found != 0 {
            return Run {
                len: len.wrapping_add(first_byte(found)),
                ascii: ascii && high == 0,
            };
        }
        len = len.wrapping_add(8);
    }
    short_run(rest, len, ascii && high == 0)
}

/// The blocks without a special byte. Every byte of a block is looked at before the verdict: the compiler turns that into
/// vector instructions.
fn plain_blocks(bytes: &[u8]) -> Run {
    let mut run = Run { len: 0, ascii: true };
    let (blocks, _) = bytes.as_chunks::<64>();
    for block in blocks {
        let (special, high) = block.iter().fold((false, 0), |(special, high), byte| {
            (special | is_special(*byte), high | byte)
        });
        if special {
            break;
        }
        run.ascii &= high < 0x80;
        run.len = run.len.wrapping_add(64);
    }
    run
}

const fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// The high bit of every byte that is special. Bytes above the first one found may be marked wrongly: a borrow runs
/// upwards only, so the lowest mark is always right.
const fn specials(word: u64) -> u64 {
    let quote = (word ^ QUOTES).wrapping_sub(ONES) & !(word ^ QUOTES);
    let backslash = (word ^ BACKSLASHES).wrapping_sub(ONES) & !(word ^ BACKSLASHES);
    let control = word.wrapping_sub(SPACES) & !word;
    (quote | backslash | control) & HIGHS
}

const fn first_byte(marks: u64) -> usize {
    (marks.trailing_zeros() >> 3) as usize
}

/// What follows the spaces that `bytes` starts with.
#[inline]
pub(crate) fn trim_spaces(mut bytes: &[u8]) -> &[u8] {
    while let Some((word, rest)) = bytes.split_first_chunk::<8>() {
        let other = u64::from_le_bytes(*word) ^ SPACES;
        if other != 0 {
            return bytes.get(first_byte(other)..).unwrap_or_default();
        }
        bytes = rest;
    }
    while let [b' ', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

/// A character as it stands in a canonical string: itself, or its shortest escape if it needs one.
pub(crate) fn canonical_char(character: char, buffer: &mut [u8; 6]) -> &[u8] {
    match character {
        '"' => b"\\\"",
        '\\' => b"\\\\",
        '\u{8}' => b"\\b",
        '\t' => b"\\t",
        '\n' => b"\\n",
        '\u{c}' => b"\\f",
        '\r' => b"\\r",
        control @ '\0'..='\u{1f}' => {
            let code = control as u8;
            let digit = code & 15;
            let low = if digit < 10 {
                b'0' | digit
            } else {
                digit.wrapping_add(b'a').wrapping_sub(10)
            };
            *buffer = [b'\\', b'u', b'0', b'0', b'0' | (code >> 4), low];
            buffer
        }
        other => other.encode_utf8(buffer).as_bytes(),
    }
}

/// Writes `text` as a canonical string, quotes included.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (plain, after) = rest.split_at_checked(plain_run(rest).len).unwrap_or((rest, &[]));
        out.extend_from_slice(plain);
        let Some((special, after)) = after.split_first() else {
            break;
        };
        out.extend_from_slice(canonical_char(char::from(*special), &mut [0; 6]));
        rest = after;
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_end_at_the_first_special_byte_wherever_it_is() {
        for special in (0..0x20).chain([b'"', b'\\']) {
            for len in 0..200 {
                for fill in [b'a', 0x7f, 0x80, 0xff, b'!', b'#', b'[', b']'] {
                    let mut bytes = vec![fill; len];
                    assert_eq!(plain_run(&bytes).len, len);
                    bytes.push(special);
                    bytes.extend_from_slice(&[b'"', fill, b'\\', 0, fill, fill, fill, fill, fill]);
                    let run = plain_run(&bytes);
                    assert_eq!(run.len, len, "{special} after {len} of {fill}");
                    assert!(!(run.ascii && len > 0 && fill >= 0x80));
                }
            }
        }
    }

    #[test]
    fn runs_notice_every_high_byte() {
        for len in 0..200 {
            for at in 0..len {
                let mut bytes = vec![b'a'; len];
                bytes[at] = 0xc3;
                bytes.push(b'"');
                assert!(!plain_run(&bytes).ascii, "{at} of {len}");
            }
        }
    }

    #[test]
    fn spaces_are_trimmed_and_nothing_else() {
        for len in 0..40 {
            let mut bytes = vec![b' '; len];
            assert_eq!(trim_spaces(&bytes), b"");
            bytes.extend_from_slice(b"\n         ");
            assert_eq!(trim_spaces(&bytes), b"\n         ");
        }
    }

    #[test]
    fn short_simple_strings_are_the_same_as_runs() {
        for len in 0..20 {
            for end in [b'"', b'\\', b'\n', 0x80] {
                let mut bytes = vec![b'a'; len];
                bytes.push(end);
                bytes.extend_from_slice(b"                ");
                let expected = (end == b'"' && len < 16).then_some(len);
                assert_eq!(short_simple(&bytes), expected, "{len} and {end}");
            }
        }
        assert_eq!(short_simple(b"\""), None, "too near to the end to look");
    }

    #[test]
    fn every_character_below_the_first_plain_one_is_escaped_as_the_rfc_says() {
        let written: Vec<String> = ('\0'..' ')
            .map(|control| String::from_utf8(canonical_char(control, &mut [0; 6]).to_vec()).unwrap())
            .collect();
        let short = [(8, "\\b"), (9, "\\t"), (10, "\\n"), (12, "\\f"), (13, "\\r")];
        for (code, text) in written.iter().enumerate() {
            let short = short
                .iter()
                .find(|(at, _)| *at == code)
                .map(|(_, text)| (*text).to_owned());
            assert_eq!(*text, short.unwrap_or_else(|| format!("\\u{code:04x}")));
        }
        for same in ["/", "\u{7f}", "\u{80}", "\u{2028}", "€", "😂"] {
            let character = same.chars().next().unwrap();
            assert_eq!(canonical_char(character, &mut [0; 6]), same.as_bytes());
        }
    }
}
