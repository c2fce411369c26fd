//! PEM text as people have it: the lax form of RFC 7468 §3, with text and other blocks around the one that is wanted.
//!
//! White space counts nowhere between the base64 characters, so blank lines, blanks at line ends, line ends of Windows and
//! a block on a single line are read. The labels of both ends must agree, and the base64 is exact.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::KeyError;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// The text of a file that should have a key in PEM, JSON or a line of OpenSSH: UTF-8, without a byte order mark.
///
/// # Errors
/// [`KeyError::OtherForm`] for keys in DER and text in UTF-16, [`KeyError::Malformed`] for other bytes.
pub fn text(bytes: &[u8]) -> Result<&str, KeyError> {
    let text = std::str::from_utf8(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes));
    text.map_err(|_| match bytes {
        // A SEQUENCE whose length takes a byte or two.
        [0x30, 0x21..=0x82, ..] => KeyError::other_form(
            "key in DER",
            "`openssl pkey -inform DER -in FILE` makes PEM of a private key, and with `-pubin` of a public one",
        ),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => {
            KeyError::other_form("text in UTF-16", "`iconv -f UTF-16 -t UTF-8 FILE` makes UTF-8 of it")
        }
        _ => KeyError::malformed("it is not text"),
    })
}

/// One block of a PEM text.
#[derive(Clone, Copy)]
pub struct Block<'a> {
    label: &'a str,
    body: &'a str,
}

impl<'a> Block<'a> {
    /// The one block whose label is wanted. If none is, the first one, so that its reader can name what it found.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] if there is no block, a block that doesn't end as it begins, or more than one that is wanted.
    pub fn find(text: &'a str, is_wanted: impl Fn(&str) -> bool) -> Result<Self, KeyError> {
        let blocks = blocks(text)?;
        let mut wanted = blocks.iter().filter(|block| is_wanted(block.label));
        match (wanted.next(), wanted.next(), blocks.first()) {
            (Some(_), Some(_), _) => Err(KeyError::malformed(
                "it has more than one key, and nothing says which is meant",
            )),
            (Some(block), None, _) | (None, _, Some(block)) => Ok(*block),
            (None, _, None) => Err(KeyError::malformed("it has no PEM block")),
        }
    }

    /// What stands behind `BEGIN`: the kind of the contents.
    #[must_use]
    pub const fn label(&self) -> &'a str {
        self.label
    }

    /// The contents, wiped when dropped: they may be a private key.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] unless it is base64 (RFC 4648 §4) with its padding and without stray bits.
    pub fn decode(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        // Both buffers are as long as they ever get, so that no copy stays behind unwiped.
        let mut characters = Zeroizing::new(Vec::with_capacity(self.body.len()));
        characters.extend(self.body.bytes().filter(|byte| !is_white_space(*byte)));
        let mut bytes = Zeroizing::new(Vec::with_capacity(characters.len().saturating_add(4)));
        STANDARD
            .decode_vec(&*characters, &mut bytes)
            .map_err(|_| KeyError::malformed("the contents of its PEM block are not base64"))?;
        Ok(bytes)
    }

    /// The refusal of a block of this kind.
    #[must_use]
    pub fn refused(&self, instead: &'static str) -> KeyError {
        KeyError::other_form(self.label, instead)
    }
}

/// `W` of RFC 7468 §3.
const fn is_white_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0B | 0x0C)
}

/// Every block of a text, in order.
fn blocks(text: &str) -> Result<Vec<Block<'_>>, KeyError> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, block)) = rest.split_once(BEGIN) {
        let (label, block) = block
            .split_once(DASHES)
            .ok_or(KeyError::malformed("the first line of its PEM block is cut off"))?;
        let (body, end) = block
            .split_once(END)
            .ok_or(KeyError::malformed("its PEM block has no end"))?;
        rest = end
            .strip_prefix(label)
            .and_then(|end| end.strip_prefix(DASHES))
            .ok_or(KeyError::malformed(
                "its PEM block ends with another label than it begins with",
            ))?;
        blocks.push(Block { label, body });
    }
    Ok(blocks)
}

impl fmt::Debug for Block<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block")
            .field("label", &self.label)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(text: &str) -> Result<Vec<u8>, KeyError> {
        let block = Block::find(text, |label| label == "A KEY")?;
        block.decode().map(|bytes| bytes.to_vec())
    }

    const PLAIN: &str = "-----BEGIN A KEY-----\nAAECAwQFBgcICQ==\n-----END A KEY-----\n";

    #[test]
    fn the_lax_form_is_read() {
        let expected = Ok((0..10).collect::<Vec<u8>>());
        for text in [
            PLAIN.to_owned(),
            PLAIN.replace('\n', "\r\n"),
            PLAIN.replace('\n', "\r"),
            PLAIN.replace('\n', " \t\n\n"),
            PLAIN.replace('\n', " "),
            PLAIN.replace('\n', ""),
            PLAIN.replace("AAEC", "A A\u{B}E\u{C}C"),
            PLAIN.replace("==", "\n=\n="),
            format!("\u{FEFF}subject=maya - a key\n\n  {PLAIN}\nand more"),
            format!("-----BEGIN B-----\nAAEC\n-----END B-----\n{PLAIN}-----BEGIN C-----\n-----END C-----"),
        ] {
            assert_eq!(contents(&text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_block_says_why() {
        for (text, problem) in [
            ("", "no PEM block"),
            ("---- BEGIN A KEY ----\nAAEC\n---- END A KEY ----", "no PEM block"),
            ("-----BEGIN A KEY", "cut off"),
            ("-----BEGIN A KEY-----\nAAEC\n", "no end"),
            ("-----BEGIN A KEY-----\nAAEC\n-----END B KEY-----", "another label"),
            ("-----BEGIN A KEY-----\nAAEC\n-----END A KEY----", "another label"),
            (&PLAIN.repeat(2), "more than one"),
            (&PLAIN.replace('=', ""), "not base64"),
            (&PLAIN.replace("CQ==", "CR=="), "not base64"),
            (&PLAIN.replace("AAEC", "AA-C"), "not base64"),
            (&PLAIN.replace("AAEC", "AA\u{A0}C"), "not base64"),
            (&PLAIN.replace("AAEC", "-----BEGIN B-----AAEC"), "not base64"),
            (
                &PLAIN.replace("\nAAEC", "\nProc-Type: 4,ENCRYPTED\n\nAAEC"),
                "not base64",
            ),
        ] {
            let error = contents(text).unwrap_err().to_string();
            assert!(error.contains(problem), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_file_is_text_or_is_named() {
        assert_eq!(text(b"\xEF\xBB\xBFkey"), Ok("key"));
        assert_eq!(text(b""), Ok(""));
        for (bytes, words) in [
            (&b"\x30\x81\x87\x02\x01\x00\xFF"[..], "`key in DER`; `openssl pkey"),
            (b"\xFF\xFE-\0-\0", "`text in UTF-16`; `iconv"),
            (b"\xFF", "not text"),
        ] {
            let error = text(bytes).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn another_block_is_named_and_not_shown() {
        let block = Block::find("-----BEGIN B-----\nc2VjcmV0\n-----END B-----", |label| label == "A KEY").unwrap();
        assert_eq!(block.label(), "B");
        assert_eq!(format!("{block:?}"), r#"Block { label: "B", .. }"#);
        let refused = block.refused("`tool` makes a key of it").to_string();
        assert_eq!(refused, "the key is malformed: it is a `B`; `tool` makes a key of it");
    }
}
