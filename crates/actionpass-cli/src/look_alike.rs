//! Characters that a person takes for ASCII ones: the confusables of Unicode (UTS #39, section 4).

use std::collections::BTreeMap;

use unicode_security::{GeneralSecurityProfile, MixedScript, skeleton};

/// How many kinds of look-alikes a note names.
const MAX_KINDS: usize = 8;

/// The look-alikes that were found in what a person is shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct LookAlikes {
    count: usize,
    /// Each kind with the ASCII text that it looks like.
    kinds: BTreeMap<char, String>,
}

impl LookAlikes {
    /// Counts one more.
    pub(crate) fn add(&mut self, character: char, ascii: String) {
        self.count = self.count.saturating_add(1);
        self.kinds.insert(character, ascii);
    }

    /// How many there are, and which; `None` if there is none.
    pub(crate) fn note(&self) -> Option<String> {
        let kind = |(character, ascii): (&char, &String)| {
            let ascii = if ascii.is_empty() { "nothing" } else { ascii };
            format!("U+{:04X} like {ascii}", u32::from(*character))
        };
        let mut kinds: Vec<String> = self.kinds.iter().take(MAX_KINDS).map(kind).collect();
        let more = self.kinds.len().saturating_sub(MAX_KINDS);
        if more > 0 {
            kinds.push(format!("and {more} more"));
        }
        let what = match self.count {
            0 => return None,
            1 => "1 character looks like others".to_owned(),
            count => format!("{count} characters look like others"),
        };
        Some(format!("{what}: {}", kinds.join(", ")))
    }
}

/// Every character of a text, with the ASCII text that it looks like where a person would read it as that. In JSON text the
/// letters of escapes such as `\n` belong to no word.
pub(crate) fn find(text: &str, is_json: bool) -> impl Iterator<Item = (char, Option<String>)> {
    let mut in_escape = false;
    // Words, each with the one character behind it.
    let words = text.split_inclusive(|character: char| !character.is_alphanumeric());
    words.flat_map(move |word| {
        let escape = match in_escape {
            true if word.starts_with('u') => 5,
            true => 1,
            false => 0,
        };
        in_escape = is_json && word.ends_with('\\') && !(in_escape && word == "\\");
        let is_foreign = is_foreign(word.get(escape..).unwrap_or_default());
        word.chars().map(move |character| {
            let ascii = looks_like(character).filter(|ascii| is_misread(character, ascii, is_foreign));
            (character, ascii)
        })
    })
}

/// The ASCII text that a character of another kind looks like; empty if it looks like nothing at all.
fn looks_like(character: char) -> Option<String> {
    if character.is_ascii() {
        return None;
    }
    let ascii: String = skeleton(character.encode_utf8(&mut [0; 4])).collect();
    ascii.is_ascii().then_some(ascii)
}

/// Whether a character that looks like this is read as it. Letters of other scripts are not in words of their own script;
/// everyday letters of the Latin script are not at all: `æ` is no `ae`.
fn is_misread(character: char, ascii: &str, is_foreign: bool) -> bool {
    let beside_latin: String = ['a', character].into_iter().collect();
    if beside_latin.as_str().is_single_script() {
        let is_letter = !ascii.is_empty() && ascii.chars().all(|character| character.is_ascii_alphanumeric());
        !(is_letter && character.identifier_allowed())
    } else {
        !is_foreign
    }
}

/// Whether a word can't be read as an ASCII one: it has no ASCII letter or digit, and one that looks like none.
fn is_foreign(word: &str) -> bool {
    let mut letters = word.chars().filter(|character| character.is_alphanumeric());
    !word.contains(|character: char| character.is_ascii_alphanumeric())
        && letters.any(|letter| looks_like(letter).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The look-alikes of a text.
    fn found(text: &str, is_json: bool) -> String {
        let all = find(text, is_json);
        all.filter_map(|(character, ascii)| ascii.map(|_| character)).collect()
    }

    #[test]
    fn every_character_comes_back_in_order() {
        for text in ["", "a", "\"a\\n\\\\\\u0001b\": \u{2ba}", "漢字 а\u{301}б\\"] {
            for is_json in [false, true] {
                let all: String = find(text, is_json).map(|(character, _)| character).collect();
                assert_eq!(all, text);
            }
        }
    }

    #[test]
    fn what_is_read_as_ascii_is_found() {
        for (text, expected) in [
            // Quotes, colons, commas, spaces, whatever is beside them.
            ("\u{2ba}order\u{2ba}: 1", "\u{2ba}\u{2ba}"),
            ("\u{2ba}漢字\u{2ba}", "\u{2ba}\u{2ba}"),
            (
                "a\u{201c}b\u{201d}c\u{ff1a}d\u{a0}e\u{201a}",
                "\u{201c}\u{201d}\u{ff1a}\u{a0}\u{201a}",
            ),
            // Cyrillic in a Latin word, and a word that is all look-alikes.
            ("p\u{430}ypal", "\u{430}"),
            ("\u{441}\u{43e}\u{440}\u{430}.com", "\u{441}\u{43e}\u{440}\u{430}"),
            ("amount\u{455} да", "\u{455}"),
            ("1\u{421}", "\u{421}"),
            // Greek, fullwidth, mathematical, and Latin letters that nobody writes.
            ("t\u{3bf}tal", "\u{3bf}"),
            ("\u{ff41}dmin", "\u{ff41}"),
            ("\u{1d41a}dmin", "\u{1d41a}"),
            ("\u{251}dmin", "\u{251}"),
            ("\u{212a}ey", "\u{212a}"),
        ] {
            assert_eq!(found(text, false), expected, "{text}");
        }
    }

    #[test]
    fn words_of_other_languages_are_left_alone() {
        for text in [
            "Grüße, cœur, sætning, Łódź, İstanbul, ılık",
            "Сделать это сегодня",
            "Ελλάδα",
            "漢字とノート",
            "שלום",
        ] {
            assert_eq!(found(text, false), "", "{text}");
        }
    }

    #[test]
    fn escapes_of_json_belong_to_no_word() {
        for text in [
            r"\nСделать",
            r"\u0001Сделать",
            r"\\Сделать",
            r"\\\nСделать",
            "\\\"Сделать",
        ] {
            assert_eq!(found(text, true), "", "{text}");
        }
        assert_eq!(found(r"\nСделать", false), "Сеа");
        // An escape that is escaped itself: a backslash, and then a word with an ASCII letter.
        assert_eq!(found(r"\\nСделать", true), "Сеа");
        assert_eq!(found(r"\\np\u0430 pа", true), "а");
    }

    #[test]
    fn a_note_counts_and_names_them() {
        let mut look_alikes = LookAlikes::default();
        assert_eq!(look_alikes.note(), None);
        look_alikes.add('\u{2ba}', "''".to_owned());
        assert_eq!(
            look_alikes.note().as_deref(),
            Some("1 character looks like others: U+02BA like ''")
        );
        look_alikes.add('\u{2ba}', "''".to_owned());
        look_alikes.add('\u{3bf}', "o".to_owned());
        assert_eq!(
            look_alikes.note().as_deref(),
            Some("3 characters look like others: U+02BA like '', U+03BF like o")
        );
        for kind in '\u{1d41a}'..='\u{1d421}' {
            look_alikes.add(kind, String::new());
        }
        let note = look_alikes.note().unwrap();
        assert!(note.starts_with("11 characters") && note.ends_with("U+1D41A like nothing, U+1D41B like nothing, U+1D41C like nothing, U+1D41D like nothing, U+1D41E like nothing, U+1D41F like nothing, and 2 more"), "{note}");
    }
}
