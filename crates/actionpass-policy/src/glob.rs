//! Globs: `*` is any run without `/`, `**` any run, `**/` any number of whole segments, none included.
//!
//! Matching is by bytes and takes one pass over the text, whatever the pattern: all positions in the pattern that
//! the text read so far can have led to are followed at once, so that nothing is ever read twice.

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(crate) struct Glob {
    text: Box<str>,
    /// What stands before the first wildcard.
    prefix: Box<[u8]>,
    /// The rest; at most [`Glob::MAX_STATES`], so that a set of positions fits into a `u128`.
    tokens: Box<[Token]>,
    /// For each position, the positions that are reached without reading anything; one more than there are tokens.
    reached: Box<[u128]>,
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
    /// The most positions from the first wildcard on.
    const MAX_STATES: usize = 127;

    /// Compiles a pattern.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let all = tokens(text)?;
        let literal = all.iter().take_while(|token| matches!(token, Token::Byte(_))).count();
        let (prefix, rest) = all.split_at_checked(literal).unwrap_or((&all, &[]));
        if rest.len() > Self::MAX_STATES {
            return Err("is longer than 127 bytes from its first wildcard on");
        }
        let bytes = prefix.iter().filter_map(|token| {
            if let Token::Byte(byte) = token {
                Some(*byte)
            } else {
                None
            }
        });
        Ok(Self {
            text: text.into(),
            prefix: bytes.collect(),
            tokens: rest.into(),
            reached: reached(rest),
        })
    }

    /// The pattern as it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole text matches.
    pub(crate) fn matches(&self, text: &str) -> bool {
        if self.tokens.is_empty() {
            return *text.as_bytes() == *self.prefix;
        }
        let Some(rest) = text.as_bytes().strip_prefix(&*self.prefix) else {
            return false;
        };
        match *self.tokens {
            [Token::RunAcross] => return true,
            [Token::Run] => return !rest.contains(&b'/'),
            _ => {}
        }
        let mut positions = self.reached.first().copied().unwrap_or(0);
        for byte in rest {
            positions = self.step(positions, *byte);
            if positions == 0 {
                return false;
            }
        }
        positions & bit(self.tokens.len()) != 0
    }

    /// The literal text before the first wildcard, and whether there is a wildcard at all.
    pub(crate) fn literal_prefix(&self) -> (&[u8], bool) {
        (&self.prefix, !self.tokens.is_empty())
    }

    /// Every byte of the pattern that stands for itself.
    pub(crate) fn literals(&self) -> impl Iterator<Item = u8> {
        let rest = self.tokens.iter().filter_map(|token| {
            if let Token::Byte(byte) = token {
                Some(*byte)
            } else {
                None
            }
        });
        self.prefix.iter().copied().chain(rest)
    }

    /// Whether some segment is written out and is empty, `.` or `..`, or some literal byte is one that no safe path
    /// has: then no safe path ever matches.
    pub(crate) fn matches_no_safe_path(&self) -> bool {
        let mut segment = Vec::new();
        let mut wild = false;
        let unsafe_segment = |segment: &[u8], wild: bool| !wild && matches!(segment, b"" | b"." | b"..");
        for token in self
            .prefix
            .iter()
            .map(|byte| Token::Byte(*byte))
            .chain(self.tokens.iter().copied())
        {
            match token {
                Token::Byte(b'/') => {
                    if unsafe_segment(&segment, wild) {
                        return true;
                    }
                    segment.clear();
                    wild = false;
                }
                Token::Byte(b'%' | b'\\' | 0..0x20 | 0x7F) => return true,
                Token::Byte(byte) => segment.push(byte),
                Token::Run | Token::RunAcross => wild = true,
                Token::Segments => {}
            }
        }
        unsafe_segment(&segment, wild)
    }

    fn step(&self, mut positions: u128, byte: u8) -> u128 {
        let mut next = 0;
        while positions != 0 {
            let at = positions.trailing_zeros() as usize;
            positions &= positions.wrapping_sub(1);
            let here = || self.reached.get(at).copied().unwrap_or(0);
            let after = || self.reached.get(at.wrapping_add(1)).copied().unwrap_or(0);
            next |= match self.tokens.get(at) {
                Some(Token::Byte(literal)) if *literal == byte => after(),
                Some(Token::Run) if byte != b'/' => here(),
                Some(Token::RunAcross) => here(),
                // Within a segment there is no way on but its `/`.
                Some(Token::Segments) if byte == b'/' => bit(at) | after(),
                Some(Token::Segments) => bit(at),
                _ => 0,
            };
        }
        next
    }
}

/// INVARIANT: positions are at most `MAX_STATES`, which is below 128.
const fn bit(position: usize) -> u128 {
    1u128.unbounded_shl(position as u32)
}

fn reached(tokens: &[Token]) -> Box<[u128]> {
    let mut reached: Vec<u128> = Vec::with_capacity(tokens.len().saturating_add(1));
    let mut after = bit(tokens.len());
    reached.push(after);
    for (position, token) in tokens.iter().enumerate().rev() {
        after = match token {
            Token::Byte(_) => bit(position),
            Token::Run | Token::RunAcross | Token::Segments => bit(position) | after,
        };
        reached.push(after);
    }
    reached.reverse();
    reached.into()
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
        Glob::parse(pattern).unwrap().matches(text)
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
            "/etc/**", "a//b", "a/./b", "../**", "a/..", "a/", "**/", "a%2f", r"a\\b", "**/../x",
        ] {
            assert!(Glob::parse(pattern).unwrap().matches_no_safe_path(), "{pattern}");
        }
        for pattern in ["**", "src/**", "**/.env*", "a/**/b", "..a/b", "*", "a/.*"] {
            assert!(!Glob::parse(pattern).unwrap().matches_no_safe_path(), "{pattern}");
        }
    }

    #[test]
    fn hostile_text_takes_linear_time() {
        let text = "a/".repeat(1 << 18) + &"a".repeat(1 << 18);
        let started = std::time::Instant::now();
        assert!(!matches("**/a*a*a*a*a**a*a*b", &text));
        // Backtracking would need hours; this needs milliseconds, and the bound is lax for a loaded machine.
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
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
        #[test]
        fn agrees_with_the_definition(pattern in "[ab/*.]{1,10}", text in "[ab/.]{0,10}") {
            if let Ok(glob) = Glob::parse(&pattern) {
                let tokens = tokens(&pattern).unwrap();
                prop_assert_eq!(glob.matches(&text), reference(&tokens, text.as_bytes()), "{} {}", pattern, text);
            }
        }
    }
}
