//! Paths that every reader on every system resolves to the same place: the only ones that `path_glob` is definite about.

use actionpass_model::is_hidden;
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::condition::dear;
use crate::work::Work;

/// Names that Windows takes for devices in every folder, with whatever extension. `COM` and `LPT` with a digit are
/// devices too, superscript digits included, which are digits after normalization (NFKC).
const DEVICES: [&str; 7] = ["AUX", "CLOCK$", "CON", "CONIN$", "CONOUT$", "NUL", "PRN"];

/// Whether every reader of a path ends up at the same place, on every system: what `path_glob` is definite about
/// (`docs/spec/policy.md`, "Tests"). The path is relative, with `/` between its segments.
///
/// ```
/// use actionpass_policy::is_safe_path;
/// assert!(is_safe_path("src/main.rs"));
/// assert!(!is_safe_path("src/../.env") && !is_safe_path("C:/src") && !is_safe_path("~/src"));
/// ```
#[must_use]
pub fn is_safe_path(path: &str) -> bool {
    is_safe_path_within(path, &Work::default())
}

/// Whether every reader of a path ends up at the same place, counting the work.
///
/// It is relative and in NFC, and so is what compatibility normalization (NFKC) makes of it, by which some systems read
/// `．．` as `..` and `Ａ：` as a drive. See `docs/spec/policy.md`, "Tests".
pub(crate) fn is_safe_path_within(path: &str, work: &Work) -> bool {
    let plain = |path: &str| {
        let mut segments = path.split('/');
        path.chars().all(is_safe_character)
            && segments.next().is_some_and(|first| is_safe_segment(first, true))
            && segments.all(|segment| is_safe_segment(segment, false))
    };
    if path.is_ascii() {
        return plain(path);
    }
    let slashes = |path: &str| path.bytes().filter(|byte| *byte == b'/').count();
    let compatible = || path.nfkc().collect::<String>();
    is_nfc(path) && plain(path) && {
        let compatible = compatible();
        // One character may become eighteen.
        dear(&compatible, work);
        slashes(&compatible) == slashes(path) && plain(&compatible)
    }
}

/// Whether a character stands for itself wherever a path is read: no other separator, no stream or drive, no escape,
/// nothing that is not seen.
pub(crate) fn is_safe_character(character: char) -> bool {
    !matches!(character, '\\' | ':' | '%' | '<' | '>' | '"' | '|' | '*' | '?')
        && !is_hidden(character)
        && !is_format(character)
        && !is_noncharacter(character)
        && !is_like_separator(character)
}

/// The format characters (general category `Cf`, Unicode 16) that [`is_hidden`] leaves out: they are seen, or change
/// what follows, and some readers drop them.
const fn is_format(character: char) -> bool {
    matches!(
        character,
        '\u{0600}'
            ..='\u{0605}' | '\u{06DD}' | '\u{070F}' | '\u{0890}' | '\u{0891}' | '\u{08E2}' | '\u{110BD}' | '\u{110CD}'
    )
}

/// Code points that are no characters, which some readers drop or replace.
const fn is_noncharacter(character: char) -> bool {
    matches!(character, '\u{FDD0}'..='\u{FDEF}') || character as u32 & 0xFFFE == 0xFFFE
}

/// What Windows turns into `\`, `/`, `:` and the like where it takes a name to a code page (best fit; ¥ and ₩ are `\` in those of
/// Japan and Korea), or what a person takes for them. Compatibility normalization leaves these as they are.
const fn is_like_separator(character: char) -> bool {
    matches!(
        character,
        '\u{00A5}' | '\u{20A9}' // ¥ ₩
            | '\u{0338}' | '\u{2044}' | '\u{2215}' | '\u{29F8}' | '\u{2571}' | '\u{2F03}' | '\u{3033}' // slashes
            | '\u{2216}' | '\u{20E5}' | '\u{29F5}' | '\u{29F9}' | '\u{2572}' // backslashes
            | '\u{2236}' | '\u{02D0}' | '\u{0589}' | '\u{05C3}' | '\u{A789}' // colons
            | '\u{2223}' | '\u{01C0}' // bars
            | '\u{2217}' | '\u{203B}' // asterisks
            | '\u{2039}' | '\u{203A}' | '\u{2329}' | '\u{232A}' | '\u{3008}' | '\u{3009}' // angles
            | '\u{066A}' // percent
    )
}

/// Whether a segment is a name of its own; the first one may not name a home or a variable either.
pub(crate) fn is_safe_segment(segment: &str, first: bool) -> bool {
    // Windows drops dots and blanks at the end, so that `.env.` is `.env` and `. .` is `.`.
    let ends_well = segment
        .chars()
        .next_back()
        .is_some_and(|last| last != '.' && !last.is_whitespace());
    let starts_well = !first || !segment.starts_with(['~', '$']);
    let stem = segment.split('.').next().unwrap_or(segment);
    let stem = stem.trim();
    let is_fork = segment.eq_ignore_ascii_case("..namedfork");
    ends_well && starts_well && !is_fork && !is_short_name(stem) && !is_device(stem)
}

/// Whether this is how Windows shortens a longer name: `PROGRA~1`.
fn is_short_name(stem: &str) -> bool {
    let digits = stem.trim_end_matches(|character: char| character.is_ascii_digit());
    digits.len() < stem.len() && digits.ends_with('~')
}

fn is_device(stem: &str) -> bool {
    let is = |name: &str| stem.eq_ignore_ascii_case(name);
    let port = stem.strip_suffix(|last: char| last.is_ascii_digit());
    DEVICES.iter().any(|device| is(device))
        || port.is_some_and(|port| port.eq_ignore_ascii_case("COM") || port.eq_ignore_ascii_case("LPT"))
}

#[cfg(test)]
mod tests {
    use super::is_safe_path;

    #[test]
    fn safe_paths() {
        for good in [
            "a",
            "src/a.rs",
            ".env",
            "a/.b/..c",
            "a b/\u{fc}",
            "a/~b",
            "a/$b",
            "a~/b",
            "file~1~",
            "a~b1",
            "console/nullable/compact",
            "com/lpt/com10/communication",
            "a.con",
            "a/ b",
            "\u{e9}t\u{e9}/\u{65e5}\u{672c}.txt",
            "...a",
            "..named",
            "a/namedfork",
            "a/\u{a3}\u{20ac}",
        ] {
            assert!(is_safe_path(good), "{good}");
        }
        for bad in [
            // No name, this folder or the one above.
            "",
            "/",
            "/etc/passwd",
            "a/",
            "a//b",
            ".",
            "..",
            "./a",
            "a/../b",
            "a/.",
            // Other separators, escapes, drives, streams, control characters.
            "a\\b",
            "a%2fb",
            "a\nb",
            "a\0",
            "a\u{85}b",
            "C:/a",
            "c:a",
            "a:b",
            "a/.env::$DATA",
            "a/.env:x",
            // Homes and variables.
            "~",
            "~/a",
            "~root/a",
            "$HOME/a",
            "${HOME}/a",
            // What Windows drops at the end.
            "a.",
            "a ",
            "a./b",
            "a /b",
            ".env.",
            "a/...",
            "a/. .",
            "a/ ",
            " ",
            "a/\u{a0}",
            "a\u{2003}/b",
            "a\u{3000}",
            // Short names and devices.
            "PROGRA~1",
            "a/PROGRA~1/b",
            "GITCON~12.TXT",
            "git~1",
            "~1",
            "con",
            "CON",
            "a/NUL",
            "nul.txt",
            "aux.tar.gz",
            "Prn",
            "com1",
            "LPT9.x",
            "COM0",
            "COM\u{b9}",
            "lpt\u{b2}.txt",
            "a/CONIN$",
            "clock$",
            "con .txt",
            "GIT~1 .txt",
            "a/ PROGRA~1",
            " con",
            // A file's other forks, and what Windows reads as a pattern or a stream.
            "a/..namedfork/rsrc",
            "a/..NamedFork",
            "a<b",
            "a>b",
            "a\"b",
            "a|b",
            "a*",
            "a?",
            // Other separators after a code page, and characters that some readers drop.
            "a\u{a5}b",
            "a\u{20a9}b",
            "a\u{2215}b",
            "a\u{2216}b",
            "a\u{2236}b",
            "a\u{a789}b",
            "a\u{2044}b",
            "a\u{29f8}b",
            "a\u{600}b",
            "a\u{6dd}",
            "a\u{70f}b",
            "a\u{8e2}b",
            "a\u{110bd}b",
            "a\u{fdd0}b",
            "a\u{ffff}b",
            "a\u{10fffe}b",
            // What is not seen, and line separators.
            "a\u{200b}b",
            "\u{202e}a",
            "a\u{2066}",
            "a\u{2028}b",
            "a\u{2029}",
            "\u{feff}a",
            "a\u{ad}b",
            "a\u{fe0f}",
            // Not in NFC.
            "cafe\u{301}",
            "\u{212b}",
            "a/\u{1e0b}\u{323}",
            // What compatibility normalization makes one of these.
            "\u{ff0e}\u{ff0e}/a",
            "a/\u{2025}/b",
            "a\u{2024}",
            "\u{ff5e}/a",
            "C\u{ff1a}/a",
            "a\u{ff0f}b",
            "a\u{ff3c}b",
            "\u{2100}",
            "\u{ff23}ON",
            "a\u{ff05}2f",
            "\u{ff04}HOME",
            "a/\u{2026}",
            "progra\u{ff5e}1",
        ] {
            assert!(!is_safe_path(bad), "{bad:?}");
        }
    }
}
