//! Globs: `*` is any run without `/`, `**` any run, `**/` any number of whole segments, none included.
//!
//! A pattern is a row of blocks, between which stands `**` or `**/`; a block is a row of literal texts, between which
//! stands `*`. Matching looks for the literal texts one after the other and takes the first place that fits:
//!
//! - Within a block no earlier place could do worse, because what `*` may still cover from there on includes what it may
//!   cover from a later place in the same segment.
//! - If a block fails, it fails from every other place in the same segment, so the search goes on in the next one.
//! - After a block `**` and `**/` may cover anything, so its first place is the best there.
//!
//! So no text is read more often than there are `/` in a block, whatever the text.

use std::borrow::Cow;

use memchr::{memchr, memmem, memrchr};
use unicode_normalization::is_nfc;

use crate::safe_path::{is_safe_character, is_safe_segment};
use crate::work::Work;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(crate) struct Glob {
    text: Box<str>,
    tokens: Box<[Token]>,
    blocks: Box<[Block]>,
}

/// Literal texts with `*` between them, and what stands before the first.
#[derive(Clone, Debug)]
struct Block {
    lead: Lead,
    literals: Box<[Literal]>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Lead {
    /// The start of the text.
    Start,
    /// `**`.
    Across,
    /// `**/`.
    Segments,
}

/// A text that stands for itself. May be empty at the start and at the end of a block.
#[derive(Clone, Debug)]
struct Literal {
    bytes: Box<[u8]>,
    /// Where its first `/` is.
    slash: Option<usize>,
    /// How many `/` it has.
    slashes: usize,
    finder: memmem::Finder<'static>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Token {
    Byte(u8),
    /// `*`.
    Run,
    /// `**`.
    RunAcross,
    /// `**/` at the start of a segment.
    Segments,
}

impl Glob {
    /// The most bytes from the first wildcard on.
    const MAX_WILD: usize = 127;

    /// Compiles a pattern.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let tokens = tokens(text)?;
        let literal = tokens
            .iter()
            .take_while(|token| matches!(token, Token::Byte(_)))
            .count();
        if tokens.len().saturating_sub(literal) > Self::MAX_WILD {
            return Err("is longer than 127 bytes from its first wildcard on");
        }
        Ok(Self {
            text: text.into(),
            blocks: blocks(&tokens),
            tokens: tokens.into(),
        })
    }

    /// The pattern as it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole text matches.
    pub(crate) fn matches(&self, text: &str, work: &Work) -> bool {
        // Finding out where to begin, beside the bytes.
        work.spend(8);
        let text = Reading {
            text: text.as_bytes(),
            work,
        };
        let Some((last, blocks)) = self.blocks.split_last() else {
            return false;
        };
        let mut at = 0;
        for block in blocks {
            match text.first_end(block, at) {
                Some(end) => at = end,
                None => return false,
            }
        }
        text.ends_with(last, at)
    }

    fn prefix_len(&self) -> usize {
        self.tokens
            .iter()
            .take_while(|token| matches!(token, Token::Byte(_)))
            .count()
    }

    /// The literal text before the first wildcard.
    pub(crate) fn literal_prefix(&self) -> &[u8] {
        let first = self.blocks.first().and_then(|block| block.literals.first());
        first.map_or(&[], |literal| &literal.bytes)
    }

    /// The same as text, for a pattern without a wildcard.
    pub(crate) fn literal(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.literal_prefix())
    }

    /// Whether there is a wildcard.
    pub(crate) fn is_wild(&self) -> bool {
        self.prefix_len() < self.tokens.len()
    }

    /// Every byte of the pattern that stands for itself.
    pub(crate) fn literals(&self) -> impl Iterator<Item = u8> {
        self.tokens.iter().filter_map(|token| match token {
            Token::Byte(byte) => Some(*byte),
            _ => None,
        })
    }

    /// Its bytes that stand for themselves, and `None` for each wildcard, with whether it crosses `/`.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (Option<u8>, bool)> {
        self.tokens
            .iter()
            .map(|token| (token.literal(), !matches!(token, Token::Run)))
    }

    /// The texts between its wildcards.
    pub(crate) fn runs(&self) -> Vec<String> {
        let run = |tokens: &[Token]| {
            let bytes: Vec<u8> = tokens.iter().filter_map(Token::literal).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        self.tokens.split(|token| token.literal().is_none()).map(run).collect()
    }

    /// Whether no safe path ever matches, because of what the pattern writes out: an unsafe character, or a segment, its
    /// start or its end that no safe path has.
    pub(crate) fn matches_no_safe_path(&self) -> bool {
        let mut first = true;
        self.tokens.split(|token| *token == Token::Byte(b'/')).any(|segment| {
            let is_first = std::mem::take(&mut first);
            let segment = match segment {
                [Token::Segments, rest @ ..] => rest,
                all => all,
            };
            let literals = |tokens: &[Token]| {
                let bytes = tokens.iter().map_while(Token::literal).collect::<Vec<u8>>();
                String::from_utf8_lossy(&bytes).into_owned()
            };
            let runs = segment.split(|token| token.literal().is_none()).map(literals);
            let is_whole = segment.iter().all(|token| token.literal().is_some());
            let start = literals(segment);
            let ends_badly = segment
                .last()
                .and_then(Token::literal)
                .is_some_and(|last| matches!(last, b'.' | b' '));
            runs.into_iter()
                .any(|run| !run.chars().all(is_safe_character) || !is_nfc(&run))
                || is_whole && !is_safe_segment(&start, is_first && !self.is_led())
                || is_first && !self.is_led() && start.starts_with(['~', '$'])
                || ends_badly
        })
    }

    /// Whether the pattern starts with a wildcard.
    fn is_led(&self) -> bool {
        self.tokens.first().is_some_and(|token| token.literal().is_none())
    }
}

impl Token {
    const fn literal(&self) -> Option<u8> {
        match self {
            Self::Byte(byte) => Some(*byte),
            Self::Run | Self::RunAcross | Self::Segments => None,
        }
    }
}

/// A text that is being matched.
#[derive(Clone, Copy, Debug)]
struct Reading<'t> {
    text: &'t [u8],
    work: &'t Work,
}

impl Reading<'_> {
    fn from(&self, at: usize) -> &[u8] {
        self.text.get(at..).unwrap_or_default()
    }

    /// Where the first `/` from here on is, or the end of the text.
    fn slash(&self, at: usize) -> usize {
        let rest = self.from(at);
        let found = memchr(b'/', rest).unwrap_or(rest.len());
        self.work.spend(found.saturating_add(1));
        at.saturating_add(found)
    }

    /// Whether a literal stands here.
    fn has(&self, literal: &Literal, at: usize) -> bool {
        self.work.spend(literal.bytes.len());
        self.from(at).starts_with(&literal.bytes)
    }

    /// Where a literal is first found within a part of the text.
    fn find(&self, literal: &Literal, from: usize, to: usize) -> Option<usize> {
        let part = self.text.get(from..to)?;
        let found = literal.finder.find(part);
        let read = found.map_or(part.len(), |found| found.saturating_add(literal.bytes.len()));
        self.work.spend(read.saturating_add(1));
        found.map(|found| from.saturating_add(found))
    }

    /// Where a literal ends that comes after a `*` here: at its first place that has no `/` before it.
    fn after_run(&self, literal: &Literal, at: usize) -> Option<usize> {
        let slash = self.slash(at);
        let start = match literal.slash {
            // Its own first `/` is the next one.
            Some(offset) => slash
                .checked_sub(offset)
                .filter(|start| *start >= at && self.has(literal, *start))?,
            None => self.find(literal, at, slash)?,
        };
        Some(start.saturating_add(literal.bytes.len()))
    }

    /// Where a block ends that starts here, as early as it can.
    fn end_from(&self, block: &Block, at: usize) -> Option<usize> {
        let (first, rest) = block.literals.split_first()?;
        if !self.has(first, at) {
            return None;
        }
        let end = at.saturating_add(first.bytes.len());
        rest.iter().try_fold(end, |end, literal| self.after_run(literal, end))
    }

    /// Where a block ends that starts here or, after `**` or `**/`, later, as early as it can.
    fn first_end(&self, block: &Block, mut at: usize) -> Option<usize> {
        if block.lead == Lead::Start {
            return self.end_from(block, at);
        }
        let first = block.literals.first()?;
        loop {
            if self.work.is_exceeded() {
                return None;
            }
            if block.lead == Lead::Across {
                at = self.find(first, at, self.text.len())?;
            }
            if let Some(end) = self.end_from(block, at) {
                return Some(end);
            }
            // From every place in this segment it would fail at the same literal.
            let skipped = if block.lead == Lead::Across {
                first.bytes.len()
            } else {
                0
            };
            let next = self.slash(at.saturating_add(skipped)).saturating_add(1);
            at = next.saturating_sub(skipped).max(at.saturating_add(1));
            if next > self.text.len() {
                return None;
            }
        }
    }

    /// Whether the last block stands at the end of the text and starts here or, after `**` or `**/`, later.
    fn ends_with(&self, block: &Block, at: usize) -> bool {
        match block.lead {
            Lead::Start => self.is_all(block, at),
            // The block has so many `/` and covers no other, so it has its place.
            Lead::Segments => self
                .segments_from_end(block.slashes())
                .is_some_and(|start| start >= at && self.is_all(block, start)),
            Lead::Across => self.ends_backwards(block, at),
        }
    }

    /// Whether a block covers everything from here on.
    fn is_all(&self, block: &Block, at: usize) -> bool {
        let Some((first, rest)) = block.literals.split_first() else {
            return false;
        };
        let Some((last, middle)) = rest.split_last() else {
            self.work.spend(first.bytes.len());
            return self.from(at) == &*first.bytes;
        };
        if !self.has(first, at) {
            return false;
        }
        let end = at.saturating_add(first.bytes.len());
        let end = middle.iter().try_fold(end, |end, literal| self.after_run(literal, end));
        let start = self.text.len().checked_sub(last.bytes.len());
        match (end, start) {
            (Some(end), Some(start)) => end <= start && self.has(last, start) && self.slash(end) >= start,
            _ => false,
        }
    }

    /// The start of the last segments: of the last one for 0.
    fn segments_from_end(&self, slashes: usize) -> Option<usize> {
        let mut end = self.text.len();
        for _ in 0..slashes {
            end = self.slash_before(end)?;
        }
        Some(self.slash_before(end).map_or(0, |slash| slash.saturating_add(1)))
    }

    /// Where the last `/` before this place is.
    fn slash_before(&self, end: usize) -> Option<usize> {
        let part = self.text.get(..end)?;
        let found = memrchr(b'/', part);
        self.work.spend(end.saturating_sub(found.unwrap_or(0)));
        found
    }

    /// Whether a block stands at the end of the text and starts here or later: looked for from the end, each literal at
    /// its last place.
    fn ends_backwards(&self, block: &Block, at: usize) -> bool {
        let Some((last, rest)) = block.literals.split_last() else {
            return false;
        };
        let Some(mut start) = self.text.len().checked_sub(last.bytes.len()) else {
            return false;
        };
        if start < at || !self.has(last, start) {
            return false;
        }
        for literal in rest.iter().rev() {
            match self.before_run(literal, at, start) {
                Some(found) => start = found,
                None => return false,
            }
        }
        start >= at
    }

    /// Where a literal starts that comes before a `*` that ends here: at its last place that has no `/` after it.
    fn before_run(&self, literal: &Literal, at: usize, end: usize) -> Option<usize> {
        let segment = self.slash_before(end);
        match (literal.slash_from_end(), segment) {
            // Its own last `/` is the one before.
            (Some(offset), Some(slash)) => {
                let start = slash.saturating_add(offset).checked_sub(literal.bytes.len())?;
                let stop = start.saturating_add(literal.bytes.len());
                (start >= at && stop <= end && self.has(literal, start)).then_some(start)
            }
            (Some(_), None) => None,
            (None, segment) => {
                let from = segment.map_or(0, |slash| slash.saturating_add(1)).max(at);
                let part = self.text.get(from..end)?;
                self.work.spend(part.len().saturating_add(1));
                let found = memmem::rfind(part, &literal.bytes)?;
                Some(from.saturating_add(found))
            }
        }
    }
}

impl Block {
    fn slashes(&self) -> usize {
        self.literals.iter().map(|literal| literal.slashes).sum()
    }
}

impl Literal {
    fn new(bytes: Vec<u8>) -> Self {
        Self {
            slash: memchr(b'/', &bytes),
            slashes: bytes.iter().filter(|byte| **byte == b'/').count(),
            finder: memmem::Finder::new(&bytes).into_owned(),
            bytes: bytes.into(),
        }
    }

    /// How many bytes there are from its last `/` on.
    fn slash_from_end(&self) -> Option<usize> {
        memrchr(b'/', &self.bytes).map(|at| self.bytes.len().saturating_sub(at))
    }
}

fn blocks(tokens: &[Token]) -> Box<[Block]> {
    let mut blocks = Vec::new();
    let mut lead = Lead::Start;
    let mut literals = Vec::new();
    let mut bytes = Vec::new();
    for token in tokens {
        match token {
            Token::Byte(byte) => bytes.push(*byte),
            Token::Run => literals.push(Literal::new(std::mem::take(&mut bytes))),
            Token::RunAcross | Token::Segments => {
                literals.push(Literal::new(std::mem::take(&mut bytes)));
                blocks.push(Block {
                    lead,
                    literals: std::mem::take(&mut literals).into(),
                });
                lead = match token {
                    Token::Segments => Lead::Segments,
                    _ => Lead::Across,
                };
            }
        }
    }
    literals.push(Literal::new(bytes));
    blocks.push(Block {
        lead,
        literals: literals.into(),
    });
    blocks.into()
}

fn tokens(text: &str) -> Result<Vec<Token>, &'static str> {
    if text.is_empty() {
        return Err("is empty");
    }
    if text.starts_with('!') {
        return Err("starts with `!`, which negates elsewhere and not here; write `\\!` for the character");
    }
    let mut tokens = Vec::with_capacity(text.len());
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        let token = match byte {
            b'*' => {
                if bytes.next_if_eq(&b'*').is_none() {
                    Token::Run
                } else if bytes.peek() == Some(&b'*') {
                    return Err("has more than two `*` in a row");
                } else if matches!(tokens.last(), None | Some(Token::Byte(b'/') | Token::Segments))
                    && bytes.next_if_eq(&b'/').is_some()
                {
                    Token::Segments
                } else {
                    Token::RunAcross
                }
            }
            b'\\' => match bytes.next() {
                Some(escaped @ (b'*' | b'?' | b'[' | b']' | b'{' | b'}' | b'!' | b'\\')) => Token::Byte(escaped),
                _ => return Err("has a `\\` before something else than `* ? [ ] { } ! \\`"),
            },
            b'?' | b'[' | b']' | b'{' | b'}' => {
                return Err(
                    "has one of `? [ ] { }`, which are no wildcards here; write `\\` before it for the character",
                );
            }
            literal => Token::Byte(literal),
        };
        tokens.push(token);
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Glob::parse(pattern).unwrap().matches(text, &Work::default())
    }

    #[test]
    fn table() {
        for (pattern, good, bad) in [
            ("a", &["a"][..], &["", "b", "aa"][..]),
            ("*", &["", "a", ".a.b"], &["/", "a/b"]),
            ("**", &["", "a", "a/b", "/"], &[]),
            (
                "repo:company/*",
                &["repo:company/web", "repo:company/"],
                &["repo:company/a/b", "repo:companyx/a", "repo:other/a"],
            ),
            ("src/**", &["src/a", "src/a/b.rs", "src/"], &["src", "xsrc/a", "SRC/a"]),
            (
                "**/.env*",
                &[".env", ".env.local", "a/.env", "a/b/.envrc", "/.env"],
                &["a.env", "a/x.env", ".env/x", "a/.env/x"],
            ),
            (
                "a/**/b",
                &["a/b", "a/x/b", "a/x/y/b"],
                &["a/xb", "ab", "a/x/yb", "a/b/c"],
            ),
            ("**/a/**", &["a/b", "x/a/b", "a/", "a/a/a/b"], &["a", "xa/b", "x/a"]),
            ("**.env", &[".env", "a/x.env"], &["a/.env/b"]),
            ("a**b", &["ab", "a/x/b", "axb"], &["a/", "b"]),
            ("*.rs", &["a.rs", ".rs"], &["a/b.rs", "a.rsx"]),
            ("a*b*c", &["abc", "axbxc", "abbc", "abcc"], &["ab/c", "acb", "ab"]),
            ("*a*/b", &["xa/b", "a/b", "aa/b"], &["x/b", "a/x/b"]),
            ("**/*a*/x", &["a/x", "q/xay/x", "a/b/a/x"], &["x", "b/x", "a/b/x"]),
            (r"app/\[id\]/*", &["app/[id]/p"], &["app/i/p"]),
            (r"\*\\", &[r"*\"], &[r"a\"]),
            ("é*", &["é", "éa"], &["e"]),
        ] {
            for text in good {
                assert!(matches(pattern, text), "{pattern} {text}");
            }
            for text in bad {
                assert!(!matches(pattern, text), "{pattern} {text}");
            }
        }
    }

    #[test]
    fn what_looks_like_another_language_is_refused() {
        for pattern in ["", "a?", "[ab]", "{a,b}", "!a", "***", "a****b", r"\n", r"a\"] {
            assert!(Glob::parse(pattern).is_err(), "{pattern}");
        }
        assert!(Glob::parse(&format!("{}*{}", "a".repeat(500), "b".repeat(126))).is_ok());
        assert!(Glob::parse(&format!("*{}", "b".repeat(127))).is_err());
    }

    #[test]
    fn patterns_that_no_safe_path_matches() {
        for pattern in [
            "/etc/**",
            "a//b",
            "a/./b",
            "../**",
            "a/..",
            "a/",
            "**/",
            "a%2f",
            r"a\\b",
            "**/../x",
            "C:/**",
            "**:**",
            "~/**",
            "$HOME/**",
            "a./b",
            "*./b",
            "a /b",
            "**/x.",
            "PROGRA~1/**",
            "**/CON",
            "nul.*x/../a",
            "con.txt",
            "**/\u{200b}*",
            "cafe\u{301}/**",
            "**/cafe\u{301}*",
        ] {
            assert!(Glob::parse(pattern).unwrap().matches_no_safe_path(), "{pattern}");
        }
        for pattern in [
            "**", "src/**", "**/.env*", "a/**/b", "..a/b", "*", "a/.*", "**/~a", "**/$a", "*~1", "nul*", "a/con*",
            "\u{e9}*", "a**/b",
        ] {
            assert!(!Glob::parse(pattern).unwrap().matches_no_safe_path(), "{pattern}");
        }
    }

    /// The steps of a match grow as the text does, for every pattern and every text that a backtracking matcher or one
    /// that starts again at every place would be slow on.
    #[test]
    fn the_work_is_linear_in_the_text() {
        let patterns = [
            "**/a*a*a*a*a**a*a*b",
            "**a*b",
            "**a*b**",
            "**a*b/c*d**",
            "**/a*b/**",
            "**/*/*/*/*/b",
            "*a*a*a*a*b",
            "**a**a**a**b",
            "**aaaaaaaab**",
            "**/**/**/b/**",
            "**a/a*a/a*b**",
        ];
        let texts: [fn(usize) -> String; 5] = [
            |n| "a".repeat(n),
            |n| "a/".repeat(n / 2),
            |n| "/".repeat(n),
            |n| "a/".repeat(n / 4) + &"a".repeat(n / 2),
            |n| "ab/c".repeat(n / 4),
        ];
        for pattern in patterns {
            let glob = Glob::parse(pattern).unwrap();
            for text in texts {
                let steps = |n: usize| {
                    let work = Work::default();
                    let _ = glob.matches(&text(n), &work);
                    work.spent()
                };
                let (half, whole) = (steps(1 << 12), steps(1 << 13));
                assert!(whole <= 2 * half + 1000, "{pattern} {}: {half} {whole}", text(8));
                assert!(whole <= 16 * (1 << 13), "{pattern} {}: {whole}", text(8));
            }
        }
    }

    /// The definition, by recursion.
    fn reference(tokens: &[Token], text: &[u8]) -> bool {
        let Some((token, rest)) = tokens.split_first() else {
            return text.is_empty();
        };
        match token {
            Token::Byte(byte) => text.first() == Some(byte) && reference(rest, &text[1..]),
            Token::Run => (0..=text.len()).any(|end| !text[..end].contains(&b'/') && reference(rest, &text[end..])),
            Token::RunAcross => (0..=text.len()).any(|end| reference(rest, &text[end..])),
            Token::Segments => {
                (0..=text.len()).any(|end| (end == 0 || text[..end].ends_with(b"/")) && reference(rest, &text[end..]))
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]
        #[test]
        fn agrees_with_the_definition(pattern in "([ab/.]|\\*|\\*\\*|\\*\\*/){1,8}", text in "[ab/.]{0,12}") {
            if let Ok(glob) = Glob::parse(&pattern) {
                let tokens = tokens(&pattern).unwrap();
                prop_assert_eq!(glob.matches(&text, &Work::default()), reference(&tokens, text.as_bytes()), "{} {}", pattern, text);
            }
        }
    }
}
