//! From the bytes of a file to its text.

use super::{Result, Source, too_large};
use crate::{PolicyCode, RulePolicy};

/// The text of a policy or of policy tests, which are UTF-8. `path` is where the bytes come from, for messages.
///
/// A byte order mark stays: the digest of a policy is over its bytes, and whoever reads the text skips it.
///
/// # Errors
/// [`PolicyCode::PolicyTooLarge`]; [`PolicyCode::PolicyUtf16`], whose message says how to convert the file;
/// [`PolicyCode::PolicyNotUtf8`].
pub fn decode<'b>(bytes: &'b [u8], path: &str) -> Result<&'b str> {
    let source = Source { text: "", path };
    if bytes.len() > RulePolicy::MAX_BYTES {
        return Err(too_large(path));
    }
    if is_utf32(bytes) {
        let problem = "the file is UTF-32 and has to be UTF-8";
        return Err(source.error(PolicyCode::PolicyNotUtf8, 0..0, problem));
    }
    if let Some(encoding) = utf16(bytes) {
        let problem = format!(
            "the file is UTF-16, as `>` of Windows PowerShell writes it, and has to be UTF-8: \
             `iconv -f {encoding} -t UTF-8 FILE > NEW`, or in PowerShell \
             `Get-Content FILE -Encoding {} | Set-Content NEW -Encoding utf8`",
            if encoding == "UTF-16BE" {
                "BigEndianUnicode"
            } else {
                "Unicode"
            },
        );
        return Err(source.error(PolicyCode::PolicyUtf16, 0..0, problem));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let text = bytes.get(..error.valid_up_to()).map(std::str::from_utf8);
        let source = Source {
            text: text.and_then(std::result::Result::ok).unwrap_or_default(),
            path,
        };
        let end = source.text.len();
        source.error(
            PolicyCode::PolicyNotUtf8,
            end..end,
            "the file is not UTF-8 from here on",
        )
    })
}

/// The encoding, as `iconv` calls it, of what is UTF-16: it says so by a byte order mark (which `UTF-16` takes away), or
/// every other byte of its start is zero, as it is of ASCII, which keys and comments of a policy mostly are.
fn utf16(bytes: &[u8]) -> Option<&'static str> {
    const UNITS: usize = 8;
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Some("UTF-16");
    }
    let start = bytes.get(..bytes.len().min(UNITS * 2))?;
    let are_zero = |from: usize, zero: bool| start.iter().skip(from).step_by(2).all(|byte| (*byte == 0) == zero);
    match (are_zero(0, true), are_zero(1, true)) {
        _ if start.len() < 4 => None,
        (false, true) if are_zero(0, false) => Some("UTF-16LE"),
        (true, false) if are_zero(1, false) => Some("UTF-16BE"),
        _ => None,
    }
}

/// Whether it is UTF-32: it says so by a byte order mark, whose start is that of UTF-16, or its first character is of
/// ASCII and stands in four bytes. Neither is UTF-8, which text with zeros would be.
fn is_utf32(bytes: &[u8]) -> bool {
    matches!(
        bytes,
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] | [1..=0x7F, 0, 0, 0, ..] | [0, 0, 0, 1..=0x7F, ..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PolicyEngine;

    const TEXT: &str = "schema = \"actionpass.policy.v1\"\nid = \"é\"\n";

    fn refusal(bytes: &[u8]) -> (PolicyCode, String) {
        let error = decode(bytes, "p.toml").unwrap_err();
        (error.code(), error.to_string())
    }

    #[test]
    fn utf_16_is_told_with_and_without_its_mark() {
        let little: Vec<u8> = TEXT.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = TEXT.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for (bytes, command) in [
            ([&[0xFF, 0xFE][..], &little].concat(), "iconv -f UTF-16 -t UTF-8"),
            ([&[0xFE, 0xFF][..], &big].concat(), "iconv -f UTF-16 -t UTF-8"),
            (little, "iconv -f UTF-16LE -t UTF-8"),
            (big, "iconv -f UTF-16BE -t UTF-8"),
        ] {
            let (code, message) = refusal(&bytes);
            assert_eq!(code, PolicyCode::PolicyUtf16);
            assert!(
                message.starts_with("p.toml:1:1: ") && message.contains(command),
                "{message}"
            );
        }
    }

    #[test]
    fn utf_32_is_not_called_utf_16() {
        let little: Vec<u8> = TEXT
            .chars()
            .flat_map(|character| u32::from(character).to_le_bytes())
            .collect();
        let big: Vec<u8> = TEXT
            .chars()
            .flat_map(|character| u32::from(character).to_be_bytes())
            .collect();
        for bytes in [
            [&[0xFF, 0xFE, 0, 0][..], &little].concat(),
            [&[0, 0, 0xFE, 0xFF][..], &big].concat(),
            little,
            big,
        ] {
            let (code, message) = refusal(&bytes);
            assert_eq!(code, PolicyCode::PolicyNotUtf8);
            assert!(message.contains("UTF-32") && !message.contains("iconv"), "{message}");
        }
    }

    #[test]
    fn other_encodings_are_refused_where_they_begin() {
        let latin = b"id = \"a\"\n# caf\xe9\n";
        let (code, message) = refusal(latin);
        assert_eq!(code, PolicyCode::PolicyNotUtf8);
        assert!(message.starts_with("p.toml:2:6: "), "{message}");
        assert_eq!(
            refusal(&vec![b'#'; RulePolicy::MAX_BYTES + 1]).0,
            PolicyCode::PolicyTooLarge
        );
        // Zeros that are no UTF-16 are for the reader of TOML to refuse.
        for text in ["", "a", "a\0", "\0\0\0\0", "a = 1\0\n", TEXT] {
            assert_eq!(decode(text.as_bytes(), "p.toml"), Ok(text), "{text:?}");
        }
    }

    #[test]
    fn a_byte_order_mark_of_utf_8_changes_the_digest_and_nothing_else() {
        let text = TEXT.replace('é', "a");
        let marked = format!("\u{feff}{text}");
        let read = |text: &str| RulePolicy::load(decode(text.as_bytes(), "p.toml").unwrap(), "p.toml").unwrap();
        assert_eq!(read(&marked).id(), read(&text).id());
        assert_ne!(read(&marked).digest(), read(&text).digest());
        // Places are counted without it.
        let wrong = marked.replace("schema", "shema");
        let error = RulePolicy::load(&wrong, "p.toml").unwrap_err();
        let unmarked = RulePolicy::load(&text.replace("schema", "shema"), "p.toml").unwrap_err();
        assert_eq!(error, unmarked);
    }
}
