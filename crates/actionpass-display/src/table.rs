//! The table of characters that `actionpass-display/1` goes by: `data/table-1.txt`, made of Unicode 18.0.0.
//!
//! The table is part of the version: what a character is must not change under a view that was signed.

use std::collections::BTreeMap;
use std::sync::OnceLock;

/// The table's text. Its hash is in `docs/spec/display.md`.
const TEXT: &str = include_str!("../data/table-1.txt");

/// What a character is that isn't shown as it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Class {
    Control,
    Bidi,
    Tag,
    Hidden,
    Blank,
    Private,
    Unassigned,
    /// A combining mark: shown, unless it has no base or stands in a stack.
    Mark,
}

impl Class {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "control" => Self::Control,
            "bidi" => Self::Bidi,
            "tag" => Self::Tag,
            "hidden" => Self::Hidden,
            "blank" => Self::Blank,
            "private" => Self::Private,
            "unassigned" => Self::Unassigned,
            "mark" => Self::Mark,
            _ => return None,
        })
    }
}

/// Where a character that looks like ASCII text is taken for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reach {
    /// In every word.
    Always,
    /// In words that aren't of another script.
    Words,
    /// In names: it looks like punctuation.
    Names,
}

impl Reach {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "always" => Self::Always,
            "words" => Self::Words,
            "names" => Self::Names,
            _ => return None,
        })
    }
}

/// A set of scripts, of the augmented sets of UTS #39, section 5.1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Scripts([u64; 4]);

impl Scripts {
    pub(crate) const ALL: Self = Self([u64::MAX; 4]);
    /// Latin has the first place, and the three writing systems that Latin words are written among the next.
    const LATIN: Self = Self([1, 0, 0, 0]);
    const EAST_ASIAN: Self = Self([0b1110, 0, 0, 0]);
    /// The names of these four.
    const FIRST: [&'static str; 4] = ["Latn", "Hanb", "Jpan", "Kore"];

    const NONE: Self = Self([0; 4]);

    const fn with(mut self, place: u8) -> Self {
        let [first, second, third, fourth] = &mut self.0;
        let bit = 1_u64 << (place & 63);
        match place >> 6 {
            0 => *first |= bit,
            1 => *second |= bit,
            2 => *third |= bit,
            _ => *fourth |= bit,
        }
        self
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        Self([a & e, b & f, c & g, d & h])
    }

    pub(crate) const fn is_empty(self) -> bool {
        matches!(self.0, [0, 0, 0, 0])
    }

    pub(crate) const fn has_latin(self) -> bool {
        !self.and(Self::LATIN).is_empty()
    }

    pub(crate) const fn is_east_asian(self) -> bool {
        !self.and(Self::EAST_ASIAN).is_empty()
    }
}

/// Values of ranges of characters, in order.
#[derive(Debug)]
struct Ranges<T>(Vec<(u32, u32, T)>);

impl<T: Copy> Ranges<T> {
    fn get(&self, character: char) -> Option<T> {
        let code = u32::from(character);
        let after = self.0.partition_point(|(first, _, _)| *first <= code);
        let (_, last, value) = self.0.get(after.checked_sub(1)?)?;
        (code <= *last).then_some(*value)
    }
}

/// What is known of characters.
#[derive(Debug)]
pub(crate) struct Table {
    classes: Ranges<Class>,
    scripts: Ranges<Scripts>,
    likes: Ranges<(Reach, &'static str)>,
}

impl Table {
    /// The table of version 1.
    pub(crate) fn v1() -> &'static Self {
        static TABLE: OnceLock<Table> = OnceLock::new();
        TABLE.get_or_init(|| Self::parse(TEXT))
    }

    fn parse(text: &'static str) -> Self {
        let mut places: BTreeMap<&str, u8> = (0..).zip(Scripts::FIRST).map(|(place, name)| (name, place)).collect();
        let mut table = Self {
            classes: Ranges(Vec::new()),
            scripts: Ranges(Vec::new()),
            likes: Ranges(Vec::new()),
        };
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            // A test says that there is none that isn't known.
            let _: Option<()> = table.line(line, &mut places);
        }
        table
    }

    /// One line: `FIRST[-LAST] class|script|like VALUE…`.
    fn line(&mut self, line: &'static str, places: &mut BTreeMap<&'static str, u8>) -> Option<()> {
        let mut parts = line.splitn(4, ' ');
        let range = parts.next()?;
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (
            u32::from_str_radix(first, 16).ok()?,
            u32::from_str_radix(last, 16).ok()?,
        );
        let (kind, value) = (parts.next()?, parts.next()?);
        match kind {
            "class" => self.classes.0.push((first, last, Class::parse(value)?)),
            "script" => {
                let mut scripts = Scripts::NONE;
                for name in value.split(',') {
                    let next = u8::try_from(places.len()).ok()?;
                    scripts = scripts.with(*places.entry(name).or_insert(next));
                }
                self.scripts.0.push((first, last, scripts));
            }
            "like" => self.likes.0.push((first, last, (Reach::parse(value)?, parts.next()?))),
            _ => return None,
        }
        Some(())
    }

    /// What a character is, if it is anything but a plain one.
    pub(crate) fn class(&self, character: char) -> Option<Class> {
        match character {
            ' '..='~' => None,
            _ => self.classes.get(character),
        }
    }

    /// Its scripts; `None` for what stands in words of any.
    pub(crate) fn scripts(&self, character: char) -> Option<Scripts> {
        match character {
            'a'..='z' | 'A'..='Z' => Some(Scripts::LATIN),
            '\0'..='\x7f' => None,
            _ => self.scripts.get(character),
        }
    }

    /// The ASCII text that a character of another kind is read as.
    pub(crate) fn like(&self, character: char) -> Option<(Reach, &'static str)> {
        if character.is_ascii() {
            return None;
        }
        self.likes.get(character)
    }
}

#[cfg(test)]
mod tests {
    use actionpass_canon::sha256;

    use super::*;

    #[test]
    fn the_table_is_that_of_version_1() {
        assert_eq!(
            sha256(TEXT.as_bytes()).to_string(),
            "sha256:33254ba36c2309f232eeb6bd94ced100a4ae3f93ceaea2371f847145cd741177"
        );
        let spec = include_str!("../../../docs/spec/display.md");
        assert!(spec.contains(&sha256(TEXT.as_bytes()).to_string()));
    }

    #[test]
    fn every_line_is_understood_and_in_order() {
        let table = Table::v1();
        let count = table.classes.0.len() + table.scripts.0.len() + table.likes.0.len();
        let lines = TEXT.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        assert_eq!(count, lines.count());
        fn in_order<T>(ranges: &Ranges<T>) -> bool {
            let are_ranges = ranges.0.iter().all(|(first, last, _)| first <= last);
            are_ranges && ranges.0.is_sorted_by(|(_, last, _), (first, _, _)| last < first)
        }
        assert!(in_order(&table.classes) && in_order(&table.scripts) && in_order(&table.likes));
    }

    #[test]
    fn characters_are_what_unicode_says() {
        let table = Table::v1();
        for (character, class) in [
            ('\u{0}', Some(Class::Control)),
            ('\u{7f}', Some(Class::Control)),
            ('\u{2028}', Some(Class::Control)),
            ('\u{202e}', Some(Class::Bidi)),
            ('\u{2066}', Some(Class::Bidi)),
            ('\u{200b}', Some(Class::Hidden)),
            ('\u{feff}', Some(Class::Hidden)),
            ('\u{fe0f}', Some(Class::Hidden)),
            ('\u{ad}', Some(Class::Hidden)),
            ('\u{e0041}', Some(Class::Tag)),
            ('\u{a0}', Some(Class::Blank)),
            ('\u{3000}', Some(Class::Blank)),
            ('\u{3164}', Some(Class::Blank)),
            ('\u{2800}', Some(Class::Blank)),
            ('\u{e000}', Some(Class::Private)),
            ('\u{10fffd}', Some(Class::Private)),
            ('\u{ffff}', Some(Class::Unassigned)),
            ('\u{fdd0}', Some(Class::Unassigned)),
            ('\u{378}', Some(Class::Unassigned)),
            ('\u{301}', Some(Class::Mark)),
            ('\u{20dd}', Some(Class::Mark)),
            ('a', None),
            ('é', None),
            ('漢', None),
            ('\u{1f600}', None),
        ] {
            assert_eq!(table.class(character), class, "{character:?}");
        }
        assert_eq!(table.like('\u{430}'), Some((Reach::Words, "a")));
        assert_eq!(table.like('\u{251}'), Some((Reach::Always, "a")));
        assert_eq!(table.like('\u{2ba}'), Some((Reach::Names, "''")));
        assert_eq!(table.like('æ'), None);
        let shared = |left, right| table.scripts(left).unwrap().and(table.scripts(right).unwrap());
        assert!(shared('a', '\u{430}').is_empty() && !shared('漢', 'の').is_empty());
        assert_eq!(table.scripts('1'), None);
    }
}
