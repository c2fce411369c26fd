//! [`quote`]: text as one word of a shell command, for the commands that we tell people to run.

use std::borrow::Cow;

use crate::render::visible;

/// The text as one word for a POSIX shell. What a person wouldn't see is escaped: then the word names nothing, and the
/// terminal stays what it is.
pub(crate) fn quote(text: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:@%+=,".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", visible(text).replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_the_shell() {
        for word in ["plain", "a b", "it's", "", "$(rm -rf ~)", "`id`", "a;b", "~", "é", "*"] {
            let output = std::process::Command::new("sh")
                .arg("-c")
                .arg(format!("printf %s {}", quote(word)))
                .output();
            assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), word);
        }
        assert_eq!(quote("a\x1b]0;b\n"), r"'a\u{1b}]0;b\u{a}'");
        assert_eq!(
            quote("/home/me/.local/share/actionpass"),
            "/home/me/.local/share/actionpass"
        );
    }
}
