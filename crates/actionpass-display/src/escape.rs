//! How a text is written so that a person sees every character of it, and what is told of the characters that they wouldn't
//! have seen or would have taken for others (`docs/spec/display.md`, "Texts").

use std::collections::BTreeMap;

use crate::table::{Class, Reach, Scripts, Table};

/// How many lines of a text are shown when it is folded.
pub const FOLD_LINES: usize = 20;
/// How many characters of a text, as it is written, are shown when it is folded.
pub const FOLD_CHARACTERS: usize = 2000;
/// How many combining marks in a row are shown as they are.
const MAX_MARKS: usize = 4;
/// How many different characters a flag names.
const MAX_NAMED: usize = 8;
/// The longest word whose reading a flag tells, in characters.
const MAX_READ: usize = 64;

/// A text as a person is shown it: what is hidden, or looks like something else, is written as an escape.
///
/// Escapes are `\\` for a backslash, `\t` for a tab, `\u{202e}` for any other character, and in names within quotes `\"`; so
/// no text can look like the escape of another. The one control character in it is the line feed, in values alone.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Text {
    /// What is shown.
    pub text: String,
    /// What of it is folded, if it is long.
    pub fold: Option<Fold>,
    /// What is told of its characters, in the order of [`FlagKind`].
    pub flags: Vec<Flag>,
}

/// How much of a long text is folded. The text itself is whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Fold {
    /// How many characters stay visible.
    pub shown: usize,
    /// How many lines are folded, one that is visible in part included.
    pub lines: usize,
    /// How many characters are folded.
    pub characters: usize,
    /// How many bytes of UTF-8 these are.
    pub bytes: usize,
}

impl Text {
    /// A name or another text on one line, as a view has it: for what a program shows beside a view.
    #[must_use]
    pub fn name(raw: &str) -> Self {
        escape(raw, Role::Name, &mut 0)
    }

    /// A text of several lines, maybe, as a view has it.
    #[must_use]
    pub fn value(raw: &str) -> Self {
        escape(raw, Role::Value, &mut 0)
    }
}

impl Fold {
    /// What is folded of a text as it is shown; escapes are never divided.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let (mut shown, mut lines, mut rest) = (0_usize, 1_usize, text);
        while !rest.is_empty() {
            let (piece, more) = rest.split_at_checked(piece_len(rest)).unwrap_or((rest, ""));
            let characters = piece.chars().count();
            let ends_line = piece == "\n";
            if shown.saturating_add(characters) > FOLD_CHARACTERS || (ends_line && lines >= FOLD_LINES) {
                let begun = usize::from(!ends_line);
                return Some(Self {
                    shown,
                    lines: rest.matches('\n').count().saturating_add(begun),
                    characters: rest.chars().count(),
                    bytes: rest.len(),
                });
            }
            shown = shown.saturating_add(characters);
            lines = lines.saturating_add(usize::from(ends_line));
            rest = more;
        }
        None
    }

    /// A text as far as it stays visible, and the rest.
    pub(crate) fn split(self, text: &str) -> (&str, &str) {
        text.split_at_checked(text.len().saturating_sub(self.bytes))
            .unwrap_or((text, ""))
    }

    /// What is told of it.
    pub(crate) fn message(self) -> String {
        let Self {
            lines,
            characters,
            bytes,
            ..
        } = self;
        let lines = if lines == 1 {
            "1 line".to_owned()
        } else {
            format!("{lines} lines")
        };
        format!("{lines} more, {characters} characters ({bytes} bytes), folded")
    }
}

/// How long the character or escape is that a shown text starts with, in bytes.
pub(crate) fn piece_len(text: &str) -> usize {
    let first = text.chars().next().map_or(0, char::len_utf8);
    match text.strip_prefix('\\') {
        Some(escape) if escape.starts_with("u{") => escape.find('}').map_or(first, |end| end.saturating_add(2)),
        Some(_) => first.saturating_add(1),
        None => first,
    }
}

/// What is told of the characters of a text.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Flag {
    /// What it is.
    pub kind: FlagKind,
    /// How often: characters, or words for scripts.
    pub count: usize,
    /// Which characters, the first eight different ones; of look-alikes with the ASCII text that they look like.
    pub characters: Vec<(char, Option<&'static str>)>,
    /// The first word that is read as an ASCII one: as which.
    pub reads: Option<String>,
}

/// What a character, or a word, is that a person would not see as what it is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum FlagKind {
    /// Control characters and separators of lines, but for line feed and tab.
    Control,
    /// Characters that turn the direction of others.
    Bidi,
    /// Tag characters.
    Tag,
    /// Characters of no width and other invisible ones.
    Hidden,
    /// Blanks that aren't plain spaces, and spaces at an edge.
    Blank,
    /// Combining marks in a stack, or without a base of their own.
    Stacked,
    /// Characters for private use.
    Private,
    /// Unassigned characters and those that are none.
    Unassigned,
    /// Characters that look like ASCII ones.
    LookAlike,
    /// Words of a name that mix scripts.
    MixedScript,
    /// Words of a name that are nothing but look-alikes.
    WholeScript,
}

impl FlagKind {
    /// The name, as the view has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Bidi => "bidi",
            Self::Tag => "tag",
            Self::Hidden => "hidden",
            Self::Blank => "blank",
            Self::Stacked => "stacked",
            Self::Private => "private",
            Self::Unassigned => "unassigned",
            Self::LookAlike => "look_alike",
            Self::MixedScript => "mixed_script",
            Self::WholeScript => "whole_script",
        }
    }

    /// What is told of one, and of several.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Control => ("control character", "control characters"),
            Self::Bidi => (
                "character that turns the direction of text",
                "characters that turn the direction of text",
            ),
            Self::Tag => ("tag character", "tag characters"),
            Self::Hidden => ("invisible character", "invisible characters"),
            Self::Blank => (
                "unusual blank, or blank at an edge",
                "unusual blanks, or blanks at an edge",
            ),
            Self::Stacked => (
                "combining mark in a stack or alone",
                "combining marks in a stack or alone",
            ),
            Self::Private => ("private-use character", "private-use characters"),
            Self::Unassigned => ("unassigned character", "unassigned characters"),
            Self::LookAlike => ("character looks like others", "characters look like others"),
            Self::MixedScript => ("word mixes scripts", "words mix scripts"),
            Self::WholeScript => ("word is nothing but look-alikes", "words are nothing but look-alikes"),
        }
    }
}

impl Flag {
    /// What is told of it, in one line of ASCII: `2 characters look like others: U+0430 like a; it reads "paypal"`.
    #[must_use]
    pub fn message(&self) -> String {
        let (one, several) = self.kind.words();
        let mut message = format!("{} {}", self.count, if self.count == 1 { one } else { several });
        for (place, (character, like)) in self.characters.iter().enumerate() {
            message.push_str(if place == 0 { ": " } else { ", " });
            message.push_str(&format!("U+{:04X}", u32::from(*character)));
            if let Some(like) = like {
                message.push_str(&format!(" like {like}"));
            }
        }
        if self.characters.len() == MAX_NAMED {
            message.push_str(" and maybe others");
        }
        if let Some(reads) = &self.reads {
            message.push_str(&format!("; it reads \"{reads}\""));
        }
        message
    }
}

/// What a text is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Role {
    /// A name, on one line: whatever looks like ASCII is told.
    Name,
    /// A name within quotes.
    Quoted,
    /// A value of several lines, maybe; a name as well if no blank is in it.
    Value,
}

/// Writes a text as a person is shown it. Work grows with its length alone; `steps` counts the characters that were visited.
pub(crate) fn escape(raw: &str, role: Role, steps: &mut u64) -> Text {
    let is_name = role != Role::Value || !raw.contains([' ', '\n', '\t']);
    let mut writer = Writer {
        table: Table::v1(),
        is_name,
        is_value: role == Role::Value,
        is_quoted: role == Role::Quoted,
        shown: String::with_capacity(raw.len()),
        flags: BTreeMap::new(),
        base: Base::None,
    };
    let mut word = Word::default();
    let mut characters = raw.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        *steps = steps.saturating_add(1);
        if at >= word.end && writer.is_word(character) {
            word = writer.word(raw.get(at..).unwrap_or_default(), at);
            *steps = steps.saturating_add(word.length);
        }
        let next = characters.peek().map(|(_, next)| *next);
        writer.character(character, at == 0, next, &word);
    }
    writer.finish()
}

/// A run of characters that are read together.
#[derive(Clone, Copy, Debug, Default)]
struct Word {
    /// Where it ends, in bytes.
    end: usize,
    /// How many characters it has.
    length: u64,
    /// Whether it can't be read as a Latin one: it has no Latin letter and no ASCII digit, and a letter that looks like no
    /// ASCII one.
    is_foreign: bool,
}

/// What stands before a combining mark.
#[derive(Clone, Copy, Debug)]
enum Base {
    /// Nothing that it belongs to.
    None,
    /// A character, and so many marks since, of which this is the last.
    Marked(usize, Option<char>),
}

/// What was written so far.
struct Writer {
    table: &'static Table,
    is_name: bool,
    is_value: bool,
    is_quoted: bool,
    shown: String,
    flags: BTreeMap<FlagKind, Flag>,
    base: Base,
}

impl Writer {
    /// Whether a character belongs to words.
    fn is_word(&self, character: char) -> bool {
        if character.is_ascii() {
            return character.is_ascii_alphanumeric();
        }
        match self.table.class(character) {
            Some(class) => class == Class::Mark,
            None => {
                self.table.scripts(character).is_some()
                    || self
                        .table
                        .like(character)
                        .is_some_and(|(reach, _)| reach != Reach::Names)
            }
        }
    }

    /// The word that a text starts with, and the flags of words.
    fn word(&mut self, text: &str, at: usize) -> Word {
        let table = self.table;
        let (mut end, mut length) = (at, 0_u64);
        let (mut has_ascii, mut has_latin, mut has_other, mut has_like) = (false, false, false, false);
        let (mut all, mut beside_latin) = (Scripts::ALL, Scripts::ALL);
        for character in text.chars().take_while(|character| self.is_word(*character)) {
            end = end.saturating_add(character.len_utf8());
            length = length.saturating_add(1);
            let scripts = table.scripts(character);
            has_ascii |= character.is_ascii();
            has_latin |= scripts.is_some_and(Scripts::has_latin) && table.like(character).is_none();
            match table.like(character) {
                Some((reach, _)) if reach != Reach::Names => has_like = true,
                _ => has_other |= !character.is_ascii() && table.class(character).is_none(),
            }
            if let Some(scripts) = scripts {
                all = all.and(scripts);
                if !scripts.has_latin() {
                    beside_latin = beside_latin.and(scripts);
                }
            }
        }
        let is_foreign = has_other && !has_ascii && !has_latin;
        if self.is_name {
            if all.is_empty() && !beside_latin.is_east_asian() {
                self.flag(FlagKind::MixedScript, None);
            }
            if has_like && !has_other && !has_ascii {
                self.flag(FlagKind::WholeScript, None);
            }
        }
        if has_like && !has_other && length <= MAX_READ as u64 {
            self.reading(text, length);
        }
        Word {
            end,
            length,
            is_foreign,
        }
    }

    /// Keeps how the first word is read that is read as an ASCII one.
    fn reading(&mut self, text: &str, length: u64) {
        let table = self.table;
        let flag = self.flag_of(FlagKind::LookAlike);
        if flag.reads.is_some() {
            return;
        }
        let mut reads = String::new();
        for character in text.chars().take(usize::try_from(length).unwrap_or(MAX_READ)) {
            match table.like(character) {
                Some((_, ascii)) => reads.push_str(ascii),
                // Marks are no part of what it is read as.
                None if character.is_ascii() => reads.push(character),
                None => {}
            }
        }
        flag.reads = Some(reads);
    }

    fn flag_of(&mut self, kind: FlagKind) -> &mut Flag {
        self.flags.entry(kind).or_insert(Flag {
            kind,
            count: 0,
            characters: Vec::new(),
            reads: None,
        })
    }

    /// Counts one more.
    fn flag(&mut self, kind: FlagKind, character: Option<(char, Option<&'static str>)>) {
        let flag = self.flag_of(kind);
        flag.count = flag.count.saturating_add(1);
        if let Some(character) = character
            && flag.characters.len() < MAX_NAMED
            && !flag.characters.contains(&character)
        {
            flag.characters.push(character);
        }
    }

    /// One character.
    fn character(&mut self, character: char, is_first: bool, next: Option<char>, word: &Word) {
        match character {
            '\n' if self.is_value => {
                self.shown.push('\n');
                self.base = Base::None;
            }
            '\\' => self.short("\\\\"),
            '\t' => self.short("\\t"),
            '"' if self.is_quoted => self.short("\\\""),
            ' ' if is_first || matches!(next, None | Some('\n')) => self.hide(' ', FlagKind::Blank, None),
            ' ' => {
                self.shown.push(' ');
                self.base = Base::None;
            }
            _ => self.other(character, word),
        }
    }

    /// A character that the table has to be asked about.
    fn other(&mut self, character: char, word: &Word) {
        let kind = match self.table.class(character) {
            None => return self.plain(character, word),
            Some(Class::Mark) => return self.mark(character),
            Some(Class::Control) => FlagKind::Control,
            Some(Class::Bidi) => FlagKind::Bidi,
            Some(Class::Tag) => FlagKind::Tag,
            Some(Class::Hidden) => FlagKind::Hidden,
            Some(Class::Blank) => FlagKind::Blank,
            Some(Class::Private) => FlagKind::Private,
            Some(Class::Unassigned) => FlagKind::Unassigned,
        };
        self.hide(character, kind, None);
    }

    /// A character that can be seen, and maybe looks like another.
    fn plain(&mut self, character: char, word: &Word) {
        let like = self.table.like(character).filter(|(reach, ascii)| match reach {
            Reach::Always => true,
            Reach::Words => !word.is_foreign,
            // A letter of a word of its own script is no punctuation: the Katakana `ノ`. A backslash begins our escapes, so
            // what looks like one is told in every text.
            Reach::Names => {
                let is_own_letter = word.is_foreign && self.table.scripts(character).is_some();
                (self.is_name || ascii.starts_with('\\')) && !is_own_letter
            }
        });
        match like {
            Some((_, ascii)) => self.hide(character, FlagKind::LookAlike, Some(ascii)),
            None => {
                self.shown.push(character);
                self.base = Base::Marked(0, None);
            }
        }
    }

    /// A combining mark: one without a base would stand on what is ours, and stacks reach into other lines.
    fn mark(&mut self, character: char) {
        match self.base {
            Base::Marked(count, last) if count < MAX_MARKS && last != Some(character) => {
                self.shown.push(character);
                self.base = Base::Marked(count.saturating_add(1), Some(character));
            }
            _ => self.hide(character, FlagKind::Stacked, None),
        }
    }

    /// Writes a short escape.
    fn short(&mut self, escape: &str) {
        self.shown.push_str(escape);
        self.base = Base::None;
    }

    /// Writes `\u{202e}` in the place of a character, and flags it.
    fn hide(&mut self, character: char, kind: FlagKind, like: Option<&'static str>) {
        self.shown.push_str(&format!("\\u{{{:x}}}", u32::from(character)));
        self.flag(kind, Some((character, like)));
        self.base = Base::None;
    }

    fn finish(self) -> Text {
        Text {
            fold: Fold::of(&self.shown),
            text: self.shown,
            flags: self.flags.into_values().filter(|flag| flag.count > 0).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(raw: &str, role: Role) -> Text {
        escape(raw, role, &mut 0)
    }

    /// A text as it is shown, and its flags.
    fn shown(raw: &str, role: Role) -> (String, String) {
        let Text { text, flags, .. } = text(raw, role);
        let names: Vec<&str> = flags.iter().map(|flag| flag.kind.as_str()).collect();
        (text, names.join(" "))
    }

    /// The text that was escaped: what makes every escape unambiguous.
    fn unescaped(shown: &str) -> Option<String> {
        let (mut raw, mut rest) = (String::new(), shown);
        while !rest.is_empty() {
            let (piece, more) = rest.split_at_checked(piece_len(rest))?;
            match piece.strip_prefix('\\') {
                None => raw.push_str(piece),
                Some("\\") => raw.push('\\'),
                Some("t") => raw.push('\t'),
                Some("\"") => raw.push('"'),
                Some(escape) => {
                    let code = escape.strip_prefix("u{")?.strip_suffix('}')?;
                    raw.push(char::from_u32(u32::from_str_radix(code, 16).ok()?)?);
                }
            }
            rest = more;
        }
        Some(raw)
    }

    #[test]
    fn what_is_hidden_is_shown_and_told() {
        for (raw, expected, flags) in [
            ("plain text", "plain text", ""),
            ("two\nlines\n", "two\nlines\n", ""),
            ("\ttab", "\\ttab", ""),
            ("a\\u{202e}b", "a\\\\u{202e}b", ""),
            ("a\u{202e}b", "a\\u{202e}b", "bidi"),
            ("a\r\nb", "a\\u{d}\nb", "control"),
            ("a\u{1b}[31m", "a\\u{1b}[31m", "control"),
            ("a\u{85}\u{2028}b", "a\\u{85}\\u{2028}b", "control"),
            ("a\u{200b}\u{feff}b", "a\\u{200b}\\u{feff}b", "hidden"),
            ("a\u{e0041}", "a\\u{e0041}", "tag"),
            ("a\u{a0}b", "a\\u{a0}b", "blank"),
            (" a", "\\u{20}a", "blank"),
            ("a ", "a\\u{20}", "blank"),
            ("a \n  b", "a\\u{20}\n  b", "blank"),
            (" ", "\\u{20}", "blank"),
            ("\u{e000}\u{10fffd}", "\\u{e000}\\u{10fffd}", "private"),
            ("\u{ffff}\u{378}", "\\u{ffff}\\u{378}", "unassigned"),
            // Marks with a base stay, up to four different ones in a row.
            ("e\u{301}", "e\u{301}", ""),
            ("e\u{301}\u{302}\u{303}\u{304}", "e\u{301}\u{302}\u{303}\u{304}", ""),
            (
                "e\u{301}\u{302}\u{303}\u{304}\u{305}",
                "e\u{301}\u{302}\u{303}\u{304}\\u{305}",
                "stacked",
            ),
            ("e\u{301}\u{301}", "e\u{301}\\u{301}", "stacked"),
            ("\u{301}a", "\\u{301}a", "stacked"),
            ("a \u{301}", "a \\u{301}", "stacked"),
            ("a\n\u{301}", "a\n\\u{301}", "stacked"),
            ("\\\u{301}", "\\\\\\u{301}", "stacked"),
            ("\u{200b}\u{301}", "\\u{200b}\\u{301}", "stacked hidden"),
            ("", "", ""),
        ] {
            let (text, told) = shown(raw, Role::Value);
            let mut told: Vec<&str> = told.split(' ').collect();
            let mut flags: Vec<&str> = flags.split(' ').collect();
            told.sort_unstable();
            flags.sort_unstable();
            assert_eq!((text.as_str(), told), (expected, flags), "{raw:?}");
        }
        // A name stands on one line, and within quotes on its own.
        assert_eq!(shown("a\nb", Role::Name), ("a\\u{a}b".to_owned(), "control".to_owned()));
        assert_eq!(shown("a\"b", Role::Quoted).0, "a\\\"b");
        assert_eq!(shown("a\"b", Role::Name).0, "a\"b");
    }

    /// What looks like a backslash would look like the start of an escape, in sentences too.
    #[test]
    fn no_text_looks_like_an_escape() {
        let table = Table::v1();
        let alike = |character: &char| table.like(*character).is_some_and(|(_, ascii)| ascii.starts_with('\\'));
        let backslashes: Vec<char> = ('\u{80}'..=char::MAX).filter(alike).collect();
        assert!(backslashes.contains(&'\u{ff3c}') && backslashes.contains(&'\u{2216}'));
        for backslash in backslashes {
            for raw in [
                format!("pay {backslash}u{{202e}} now"),
                format!("\u{6f22}{backslash}u{{202e}} now"),
            ] {
                let (text, told) = shown(&raw, Role::Value);
                assert!(
                    !text.contains(backslash) && told.contains("look_alike"),
                    "{text}: {told}"
                );
            }
        }
        // In a word of its own script it is a letter.
        assert_eq!(
            shown("\u{6f22}\u{4e36} \u{6f22}", Role::Value),
            ("\u{6f22}\u{4e36} \u{6f22}".into(), "".into())
        );
    }

    #[test]
    fn what_is_read_as_ascii_is_told() {
        for (raw, expected, flags, reads) in [
            // Cyrillic in a Latin word, and words that are all look-alikes.
            (
                "p\u{430}ypal",
                "p\\u{430}ypal",
                "look_alike mixed_script",
                Some("paypal"),
            ),
            (
                "\u{441}\u{43e}\u{440}\u{430}.com",
                "\\u{441}\\u{43e}\\u{440}\\u{430}.com",
                "look_alike whole_script",
                Some("copa"),
            ),
            ("1\u{421}", "1\\u{421}", "look_alike", Some("1C")),
            // Greek, fullwidth, mathematical, and Latin letters that nobody writes.
            ("t\u{3bf}tal", "t\\u{3bf}tal", "look_alike mixed_script", Some("total")),
            ("\u{ff41}dmin", "\\u{ff41}dmin", "look_alike", Some("admin")),
            ("\u{1d41a}dmin", "\\u{1d41a}dmin", "look_alike", Some("admin")),
            ("\u{251}dmin", "\\u{251}dmin", "look_alike", Some("admin")),
            ("\u{212a}ey", "\\u{212a}ey", "look_alike", Some("Key")),
            // A Latin letter that looks like none keeps a word Latin.
            ("\u{e9}\u{430}", "\u{e9}\\u{430}", "look_alike mixed_script", None),
            // Punctuation, in names alone.
            ("a\u{2044}b\u{ff0e}c", "a\\u{2044}b\\u{ff0e}c", "look_alike", None),
            (
                "\u{2018}a\u{2019} \u{201c}b\u{201d}",
                "\u{2018}a\u{2019} \u{201c}b\u{201d}",
                "",
                None,
            ),
            // Scripts that don't belong together, though nothing looks like ASCII.
            ("a\u{30ce}b", "a\\u{30ce}b", "look_alike", None),
            ("ab\u{436}", "ab\u{436}", "mixed_script", None),
            ("\u{436}\u{3c8}", "\u{436}\u{3c8}", "mixed_script", None),
            ("T\u{30b7}\u{30e3}\u{30c4}", "T\u{30b7}\u{30e3}\u{30c4}", "", None),
            ("repo-\u{436}\u{438}", "repo-\u{436}\u{438}", "", None),
        ] {
            let (text, told) = shown(raw, Role::Value);
            assert_eq!((text.as_str(), told.as_str()), (expected, flags), "{raw}");
            let flag = escape(raw, Role::Value, &mut 0)
                .flags
                .into_iter()
                .find_map(|flag| flag.reads);
            assert_eq!(flag.as_deref(), reads, "{raw}");
        }
    }

    #[test]
    fn words_of_other_languages_are_left_alone() {
        for raw in [
            "Grüße, cœur, sætning, Łódź, İstanbul, ılık",
            "Сделать это сегодня",
            "Ελλάδα",
            "漢字とノート",
            "שלום",
            "ကြွေး ဆရာ",
            "Tiếng Việt",
            "नमस्ते",
        ] {
            assert_eq!(shown(raw, Role::Value), (raw.to_owned(), String::new()), "{raw}");
            for word in raw.split([' ', ',']).filter(|word| !word.is_empty()) {
                assert_eq!(shown(word, Role::Name), (word.to_owned(), String::new()), "{word}");
            }
        }
    }

    #[test]
    fn a_flag_counts_and_names() {
        let message = |raw: &str| {
            let flags = text(raw, Role::Value).flags;
            flags.iter().map(Flag::message).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(
            message("a\u{202e}"),
            "1 character that turns the direction of text: U+202E"
        );
        assert_eq!(
            message("p\u{430}yp\u{430}l \u{3bf}k"),
            "3 characters look like others: U+0430 like a, U+03BF like o; it reads \"paypal\""
        );
        let many: String = ('\u{200b}'..='\u{200d}')
            .chain('\u{2060}'..='\u{2064}')
            .chain(['\u{feff}'])
            .collect();
        let told = message(&format!("x{many}"));
        assert!(
            told.starts_with("9 invisible characters: U+200B, ") && told.ends_with("U+2064 and maybe others"),
            "{told}"
        );
    }

    #[test]
    fn long_texts_are_folded_between_escapes() {
        let fold = |raw: &str| text(raw, Role::Value).fold;
        let of = |shown, lines, characters, bytes| {
            Some(Fold {
                shown,
                lines,
                characters,
                bytes,
            })
        };
        assert_eq!(fold(&"x".repeat(2000)), None);
        assert_eq!(fold(&"x".repeat(2001)), of(2000, 1, 1, 1));
        assert_eq!(fold(&format!("{}é", "x".repeat(2000))), of(2000, 1, 1, 2));
        // An escape of seven characters that begins at 1999.
        assert_eq!(fold(&format!("{}\u{202e}", "x".repeat(1995))), of(1995, 1, 8, 8));
        assert_eq!(fold(&vec!["x"; 20].join("\n")), None);
        assert_eq!(fold(&vec!["x"; 25].join("\n")), of(39, 5, 10, 10));
        let fold = fold(&format!("{}\ny\nz", "x".repeat(2005))).unwrap();
        assert_eq!((fold.lines, fold.characters), (3, 9));
        assert_eq!(fold.message(), "3 lines more, 9 characters (9 bytes), folded");
        assert_eq!(fold.split(&format!("{}\ny\nz", "x".repeat(2005))).1, "xxxxx\ny\nz");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Two texts are never shown alike, and nothing is left that a person wouldn't see.
        #[test]
        fn every_text_can_be_read_back(raw in prop_oneof![
            any::<String>(),
            "[\\\\u{}20 \n\t\"\u{202e}\u{301}\u{430}a-c]{0,40}",
            prop::collection::vec(any::<char>(), 0..40).prop_map(|all| all.into_iter().collect::<String>()),
        ], role in prop::sample::select(vec![Role::Name, Role::Quoted, Role::Value])) {
            let mut steps = 0;
            let shown = escape(&raw, role, &mut steps);
            prop_assert_eq!(unescaped(&shown.text), Some(raw.clone()));
            let is_visible = |character: char| (role == Role::Value && character == '\n')
                || !actionpass_model::is_hidden(character) && !matches!(Table::v1().class(character), Some(class) if class != Class::Mark);
            prop_assert!(shown.text.chars().all(is_visible), "{:?}", shown.text);
            prop_assert!(steps.div_ceil(2) <= raw.chars().count() as u64);
        }
    }
}
