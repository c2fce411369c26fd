//! Finding `codes!` declarations in Rust source.

/// A set of codes: one `codes! { … }`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Declaration {
    /// The enum.
    pub(super) name: String,
    /// The class of its codes, where they name none.
    pub(super) class: String,
    /// Its doc comment, in one line.
    pub(super) doc: String,
    /// Its codes in the order of declaration.
    pub(super) entries: Vec<Entry>,
}

/// One code.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Entry {
    /// The code itself.
    pub(super) code: String,
    /// Its class, or that of its set.
    pub(super) class: String,
    /// Its doc comment, in one line.
    pub(super) doc: String,
}

/// Every declaration of a file, up to its module of tests. Text that is not understood is an error, with its line.
pub(super) fn find(source: &str) -> Result<Vec<Declaration>, String> {
    let mut found = Vec::new();
    let mut lines = source.lines().enumerate();
    let mut before = "";
    while let Some((_, line)) = lines.next() {
        let line = line.trim();
        // A module in a file of its own ends nothing here.
        if before == "#[cfg(test)]" && line.starts_with("mod ") && line.ends_with('{') {
            break;
        }
        before = line;
        let path = line.strip_suffix("codes! {").unwrap_or("-");
        if path.is_empty() || path.ends_with("::") && !line.starts_with("//") {
            found.push(read(&mut lines)?);
        }
    }
    Ok(found)
}

/// Reads the inside of a declaration and its closing brace.
fn read<'a>(lines: &mut impl Iterator<Item = (usize, &'a str)>) -> Result<Declaration, String> {
    let mut open: Option<Declaration> = None;
    let mut closed = false;
    let mut doc = Doc::default();
    for (number, line) in lines {
        let line = line.trim();
        if let Some(text) = line.strip_prefix("///") {
            doc.push(text);
        } else if line == "}" {
            match open {
                Some(declaration) if closed => return Ok(declaration),
                _ => closed = true,
            }
        } else if let Some((_, name)) = line.split_once("enum ") {
            let (name, class) = name
                .trim_end_matches('{')
                .split_once(':')
                .ok_or_else(|| format!("line {}: a set of codes without a class", number.saturating_add(1)))?;
            open = Some(Declaration {
                name: name.trim().to_owned(),
                class: class.trim().to_owned(),
                doc: doc.take(),
                entries: Vec::new(),
            });
        } else if let (Some(declaration), Some((code, class))) = (&mut open, code(line)) {
            declaration.entries.push(Entry {
                code: code.to_owned(),
                class: class.unwrap_or(&declaration.class).to_owned(),
                doc: doc.take(),
            });
        } else if !(line.is_empty() || line.starts_with("//") || line.starts_with("#[")) {
            return Err(format!(
                "line {}: not a declaration of a code: `{line}`",
                number.saturating_add(1)
            ));
        }
    }
    Err("a `codes!` declaration has no end".to_owned())
}

/// Code and class in `Variant = "code",` and `Variant = "code" => Class,`.
fn code(line: &str) -> Option<(&str, Option<&str>)> {
    let is_name = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let (variant, rest) = line.strip_suffix(',').unwrap_or(line).split_once('=')?;
    let (code, class) = match rest.split_once("=>") {
        Some((code, class)) => (code, Some(class.trim())),
        None => (rest, None),
    };
    let code = code.trim().strip_prefix('"')?.strip_suffix('"')?;
    let is_one = is_name(variant.trim()) && class.is_none_or(is_name) && !code.contains('"');
    is_one.then_some((code, class))
}

/// A doc comment on its way to one line.
#[derive(Default)]
struct Doc(Vec<String>);

impl Doc {
    fn push(&mut self, line: &str) {
        self.0.push(line.trim().to_owned());
    }

    fn take(&mut self) -> String {
        std::mem::take(&mut self.0).join(" ").trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"
//! Explains codes! {
/// ```
/// codes! {
///     pub enum Shown { A = "shown", }
/// }
/// ```
macro_rules! codes { () => {} }

actionpass_model::codes! {
    /// Why a door
    /// stays shut.
    #[must_use]
    pub enum DoorCode: Unavailable {
        /// The key
        /// doesn't fit.
        WrongKey = "wrong_key" => NotAuthentic,

        // Not for readers.
        /// Nobody is at home.
        Nobody = "nobody",
    }
}

#[cfg(test)]
mod tests {
    codes! {
        /// Only here.
        enum TestCode: Usage {
            /// A test.
            Test = "test",
        }
    }
}
"#;

    #[test]
    fn declarations_are_read_and_examples_and_tests_are_not() {
        let found = find(SOURCE).unwrap();
        let entry = |code: &str, class: &str, doc: &str| Entry {
            code: code.to_owned(),
            class: class.to_owned(),
            doc: doc.to_owned(),
        };
        let entries = vec![
            entry("wrong_key", "NotAuthentic", "The key doesn't fit."),
            entry("nobody", "Unavailable", "Nobody is at home."),
        ];
        let doc = "Why a door stays shut.".to_owned();
        assert_eq!(
            found,
            [Declaration {
                name: "DoorCode".to_owned(),
                class: "Unavailable".to_owned(),
                doc,
                entries
            }]
        );
    }

    #[test]
    fn a_module_of_tests_in_a_file_of_its_own_hides_nothing() {
        let source = format!("#[cfg(test)]\nmod tests;\n{SOURCE}");
        assert_eq!(find(&source).unwrap(), find(SOURCE).unwrap());
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for bad in [
            "codes! {\n pub enum A: Usage {\n B = 1,\n }\n}\n",
            "codes! {\n pub enum A: Usage {\n B = \"b\", C = \"c\",\n }\n}\n",
            "codes! {\n pub enum A: Usage {\n /// B.\n B = \"b\",\n }\n",
            "codes! {\n pub enum A {\n /// B.\n B = \"b\",\n }\n}\n",
        ] {
            assert!(find(bad).is_err(), "{bad}");
        }
    }
}
