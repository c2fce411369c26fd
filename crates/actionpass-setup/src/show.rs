//! What people see of a change: a diff without secrets, and with nothing hidden in it.

use std::ops::Range;

use actionpass_model::is_hidden;
use similar::{ChangeTag, TextDiff};

use crate::edit::Format;
use crate::json::{Dialect, Kind, Node};
use crate::toml;

/// How many unchanged lines stand around what changes.
const CONTEXT: usize = 3;
/// What stands for a secret.
const HIDDEN: &str = "\"…\"";

/// The text with every character escaped that a person wouldn't see: `\u{202e}`.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) {
            shown.push_str(&format!("\\u{{{:x}}}", u32::from(character)));
        } else {
            shown.push(character);
        }
    }
    shown
}

/// The lines of a unified diff of two states of a file, without its head; nothing where a file isn't there.
pub(crate) fn diff(before: Option<&str>, after: Option<&str>, format: Format) -> String {
    let (before, after) = (masked(before, format), masked(after, format));
    let diff = TextDiff::from_lines(&before, &after);
    let mut shown = String::new();
    for group in diff.grouped_ops(CONTEXT) {
        let (first, last) = (group.first(), group.last());
        if let (Some(first), Some(last)) = (first, last) {
            let range = |from: Range<usize>, to: Range<usize>| {
                let count = to.end.saturating_sub(from.start);
                // An empty side is told by the line before it.
                let line = if count == 0 {
                    from.start
                } else {
                    from.start.saturating_add(1)
                };
                format!("{line},{count}")
            };
            shown.push_str(&format!(
                "@@ -{} +{} @@\n",
                range(first.old_range(), last.old_range()),
                range(first.new_range(), last.new_range())
            ));
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            let line = change.value().trim_end_matches(['\n', '\r']).replace('\t', "    ");
            shown.push_str(&format!("{sign}{}\n", visible(&line)));
        }
    }
    shown
}

/// The text with `…` in the place of what may be a secret.
fn masked(text: Option<&str>, format: Format) -> String {
    let text = text.unwrap_or_default();
    // INVARIANT: what is planned was read, and can be read again.
    let mut secret = Vec::new();
    match format {
        Format::Toml => {
            let mut previous: Option<(Vec<String>, String)> = None;
            for (path, span, value) in toml::strings(text) {
                let before = previous.as_ref().filter(|(former, _)| *former == path);
                if is_secret(&path, before.map(|(_, value)| value.as_str()), &value) {
                    secret.push(span);
                }
                previous = Some((path, value));
            }
        }
        Format::Json | Format::Jsonc => {
            if let Ok(root) = Node::parse(text, Dialect::Lenient) {
                secrets(&root, &mut Vec::new(), &mut secret);
            }
        }
    }
    let mut masked = text.to_owned();
    secret.sort_unstable_by_key(|span| span.start);
    for span in secret.into_iter().rev() {
        masked.replace_range(span, HIDDEN);
    }
    masked
}

fn secrets(node: &Node, path: &mut Vec<String>, found: &mut Vec<Range<usize>>) {
    match &node.kind {
        Kind::Text(text) if is_secret(path, None, text) => found.push(node.span.clone()),
        Kind::Object(members) => {
            for member in members {
                path.push(member.name.clone());
                secrets(&member.node, path, found);
                path.pop();
            }
        }
        Kind::List(items) => {
            let mut previous = None;
            for item in items {
                match item.text() {
                    Some(text) if is_secret(path, previous, text) => found.push(item.span.clone()),
                    Some(_) => {}
                    None => secrets(item, path, found),
                }
                previous = item.text();
            }
        }
        _ => {}
    }
}

/// Whether a value may be a secret: by what leads to it, by the option before it, and by how it looks. Rather one too many.
fn is_secret(path: &[String], previous: Option<&str>, value: &str) -> bool {
    if is_reference(value) || value.is_empty() {
        return false;
    }
    let holds = |name: &String| matches!(name.as_str(), "env" | "headers" | "http_headers" | "requestInit");
    // Of a list under such a name, what stands there are names.
    path.split_last().is_some_and(|(_, above)| above.iter().any(holds))
        || path
            .last()
            .is_some_and(|name| names_secret(name) && !name.contains("env"))
        || previous.is_some_and(|option| option.starts_with('-') && !option.contains('=') && names_secret(option))
        || looks_secret(value)
}

/// Whether a word of a command line may be a secret by itself.
pub(crate) fn looks_secret(word: &str) -> bool {
    const STARTS: &[&str] = &[
        "AKIA",
        "Bearer ",
        "eyJ",
        "ghp_",
        "gho_",
        "ghs_",
        "github_pat_",
        "glpat-",
        "sk-",
        "xoxb-",
        "xoxp-",
    ];
    let assigned = word.split_once('=');
    let is_assigned =
        assigned.is_some_and(|(name, value)| names_secret(name) && !is_reference(value) && !value.is_empty());
    let user = word
        .split_once("://")
        .and_then(|(_, rest)| rest.split(['/', '?']).next());
    let query = word.split_once('?').map_or("", |(_, query)| query);
    STARTS.iter().any(|start| word.starts_with(start))
        || is_assigned
        || user.is_some_and(|authority| authority.contains('@'))
        || (word.contains("://")
            && query
                .split('&')
                .any(|pair| pair.split_once('=').is_some_and(|(name, _)| names_secret(name))))
}

/// Whether a command has a secret among its words.
pub(crate) fn has_secret(words: &[String]) -> bool {
    let behind = words.windows(2).any(|pair| match pair {
        [option, value] => {
            option.starts_with('-') && !option.contains('=') && names_secret(option) && !value.starts_with('-')
        }
        _ => false,
    });
    behind || words.iter().any(|word| looks_secret(word))
}

fn names_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace(['-', '_'], "");
    ["apikey", "auth", "bearer", "credential", "passw", "secret", "token"]
        .iter()
        .any(|part| name.contains(part))
        && !name.contains("author")
        || name.contains("authoriz")
}

/// Whether a product puts something else in its place: `${TOKEN}`, `$TOKEN`.
pub(crate) fn is_reference(value: &str) -> bool {
    let value = value.strip_prefix("Bearer ").unwrap_or(value);
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'.' | b'-'))
    };
    match value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
        Some(name) => is_name(name),
        None => value.strip_prefix('$').is_some_and(is_name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_hidden_characters_are_not_shown() {
        let before = "{\n  \"mcpServers\": {\n    \"a\u{9b}2J\u{202e}\": {\n      \"command\": \"x\",\n      \"args\": [\"--token\", \"hunter2\", \"--key=v\", \"https://u:pw@h/\"],\n      \"env\": { \"NAME\": \"hunter3\", \"REF\": \"${REF}\" },\n      \"headers\": { \"Authorization\": \"Bearer hunter4\" }\n    }\n  }\n}\n";
        let after = before.replace("\"command\": \"x\"", "\"command\": \"y\"");
        let shown = diff(Some(before), Some(&after), Format::Json);
        for secret in ["hunter2", "hunter3", "hunter4", "u:pw", "\u{9b}", "\u{202e}"] {
            assert!(!shown.contains(secret), "{secret:?}: {shown}");
        }
        for part in [
            "-      \"command\": \"x\",\n+      \"command\": \"y\",\n",
            "a\\u{9b}2J\\u{202e}",
            "\"--token\", \"…\", \"--key=v\", \"…\"]",
            "\"NAME\": \"…\", \"REF\": \"${REF}\"",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        let shown = diff(
            Some(
                "[mcp_servers.a]\nurl = 'x'\nhttp_headers = { A = \"hunter2\" }\n[mcp_servers.a.env]\nB = 'hunter3'\n",
            ),
            None,
            Format::Toml,
        );
        assert!(
            shown.contains("-http_headers = { A = \"…\" }\n") && shown.contains("-B = \"…\"\n"),
            "{shown}"
        );
    }

    #[test]
    fn a_diff_says_where_it_is() {
        let before: String = (1..=20).map(|number| format!("{number}\n")).collect();
        let after = before.replace("10\n", "ten\n");
        let shown = diff(Some(&before), Some(&after), Format::Toml);
        assert_eq!(shown, "@@ -7,7 +7,7 @@\n 7\n 8\n 9\n-10\n+ten\n 11\n 12\n 13\n");
        assert_eq!(diff(None, Some("a\n"), Format::Toml), "@@ -0,0 +1,1 @@\n+a\n");
        assert_eq!(diff(Some("a\n"), Some("a\n"), Format::Toml), "");
    }

    #[test]
    fn words_of_secrets_are_known() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        for secret in [
            &["--api-key", "abc"] as &[&str],
            &["--token=abc"],
            &["ghp_abc"],
            &["API_KEY=abc"],
            &["https://h/?access_token=abc"],
        ] {
            assert!(has_secret(&words(secret)), "{secret:?}");
        }
        for plain in [
            &["--token", "--verbose"] as &[&str],
            &["--token=${T}"],
            &["-y", "@scope/author-server"],
            &["/home/me"],
        ] {
            assert!(!has_secret(&words(plain)), "{plain:?}");
        }
    }
}
