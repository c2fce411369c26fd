//! `cargo xtask codes`: docs/error-codes.md, and what other languages know of the codes, written from the `codes!` declarations in the source.

mod declaration;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use self::declaration::Declaration;
use crate::generated::{Mode, settle};
use crate::process::{Result, root};

const PAGE: &str = "docs/error-codes.md";

/// The codes as the declarations of the npm package have them.
const TYPES: &str = "bindings/node/codes.d.ts";

/// The same for Python.
const PYTHON: &str = "bindings/python/python/actionpass/codes.py";

const INTRO: &str = "\
# Codes

<!-- Written by `cargo xtask codes` from the `codes!` declarations in the source: edit those, not this page. -->

Every refusal, denial and failure has a code: text in `snake_case` that programs may compare. A code is never renamed
and never used again for something else; later versions may add codes, so treat one that you don't know as a refusal.
Messages are for people and may change.

`actionpass explain CODE` says what usually causes a code and what to do next
([all of them](../crates/actionpass-cli/src/commands/explain/explanations.md)).

The class says what to do about a code, and which exit code a command ends with ([the command line](cli.md#exit-codes)).
";

/// Codes that stand in more than one set because they say the same thing there, each with the reason.
const SHARED: &[(&str, &str)] = &[];

/// The codes of one crate, in the order of its files.
type Crates = BTreeMap<String, Vec<Declaration>>;

/// Writes or checks the page.
pub(crate) fn run(mode: Mode) -> Result {
    let crates = scan(&root()?.join("crates"))?;
    let problems = problems(&crates, SHARED);
    if !problems.is_empty() {
        return Err(problems.join("\n").into());
    }
    settle(PAGE, &page(&crates), mode, "codes")?;
    settle(TYPES, &types(&crates), mode, "codes")?;
    settle(PYTHON, &literals(&crates), mode, "codes")
}

/// Every code once, in order.
fn every(crates: &Crates) -> Vec<&str> {
    let mut codes: Vec<_> = crates
        .values()
        .flatten()
        .flat_map(|declaration| &declaration.entries)
        .map(|entry| entry.code.as_str())
        .collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// All codes in Python, for programs and for type checkers.
fn literals(crates: &Crates) -> String {
    let mut text = String::from(
        "\"\"\"Written by `cargo xtask codes` from the source: docs/error-codes.md says what each means.\"\"\"\n\n\
         from typing import Literal, TypeAlias\n\nKnownCode: TypeAlias = Literal[\n",
    );
    for code in every(crates) {
        let _ = writeln!(text, "    \"{code}\",");
    }
    text.push_str("]\n");
    text
}

/// A union of all codes in TypeScript.
fn types(crates: &Crates) -> String {
    let mut text = String::from(
        "// Written by `cargo xtask codes` from the source: docs/error-codes.md says what each means.\n\n",
    );
    text.push_str("export type KnownCode =\n");
    for code in every(crates) {
        let _ = writeln!(text, "  | '{code}'");
    }
    // The declaration ends with the last line.
    text.pop();
    text.push_str(";\n");
    text
}

/// Every declaration below `crates/*/src`.
fn scan(folder: &Path) -> Result<Crates> {
    let mut crates = Crates::new();
    for package in entries(folder)? {
        let name = package.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut declarations = Vec::new();
        for file in sources(&package.join("src"))? {
            let text = fs::read_to_string(&file)?;
            let found = declaration::find(&text);
            declarations.extend(found.map_err(|error| format!("{}: {error}", file.display()))?);
        }
        if !declarations.is_empty() {
            crates.insert(name, declarations);
        }
    }
    Ok(crates)
}

/// The Rust files below a folder, in order; files of tests are left out.
fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in entries(folder)? {
        if path.file_stem().is_some_and(|stem| stem == "tests") {
            continue;
        }
        if path.is_dir() {
            files.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(files)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Codes that are not `snake_case`, twice in one set, or in several sets without a reason.
fn problems(crates: &Crates, shared: &[(&str, &str)]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for declaration in crates.values().flatten() {
        for entry in &declaration.entries {
            if !is_snake_case(&entry.code) {
                problems.push(format!(
                    "`{}` in `{}` is not snake_case of 1 to 64 bytes",
                    entry.code, declaration.name
                ));
            }
            places.entry(&entry.code).or_default().push(&declaration.name);
        }
    }
    for (code, sets) in &places {
        let known = shared.iter().any(|(shared, _)| shared == code);
        let distinct = sets
            .iter()
            .enumerate()
            .all(|(at, set)| !sets.iter().skip(at.saturating_add(1)).any(|s| s == set));
        if !distinct {
            problems.push(format!("`{code}` stands twice in one set: {}", sets.join(", ")));
        } else if sets.len() > 1 && !known {
            problems.push(format!(
                "`{code}` stands in {}: give one of them its own name, or SHARED in xtask/src/codes.rs a reason",
                sets.join(" and ")
            ));
        }
    }
    for (code, _) in shared {
        if places.get(code).is_none_or(|sets| sets.len() < 2) {
            problems.push(format!(
                "`{code}` is in SHARED of xtask/src/codes.rs, but stands in one set at most"
            ));
        }
    }
    problems
}

fn is_snake_case(code: &str) -> bool {
    code.len() <= 64
        && code.starts_with(|first: char| first.is_ascii_lowercase())
        && code
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn page(crates: &Crates) -> String {
    let mut page = INTRO.to_owned();
    for (name, declarations) in crates {
        let _ = write!(page, "\n## {name}\n");
        for declaration in declarations {
            let _ = write!(page, "\n### `{}`\n\n{}\n\n", declaration.name, prose(&declaration.doc));
            page.push_str("| code | class | meaning |\n|---|---|---|\n");
            for entry in &declaration.entries {
                let doc = prose(&entry.doc).replace('|', "\\|");
                let _ = writeln!(page, "| `{}` | {} | {doc} |", entry.code, entry.class);
            }
        }
    }
    page
}

/// A doc comment without its links into the API, which don't lead anywhere from the page.
fn prose(doc: &str) -> String {
    let mut text = String::new();
    let mut rest = doc;
    while let Some((before, link)) = rest.split_once("[`") {
        text.push_str(before);
        let Some((name, after)) = link.split_once("`]") else {
            text.push_str("[`");
            rest = link;
            continue;
        };
        let _ = write!(text, "`{name}`");
        rest = after
            .strip_prefix('(')
            .and_then(|target| target.split_once(')'))
            .map_or(after, |(_, after)| after);
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::declaration::Entry;
    use super::*;

    fn set(name: &str, codes: &[&str]) -> Declaration {
        let entries = codes.iter().map(|code| Entry {
            code: (*code).to_owned(),
            class: "Usage".to_owned(),
            doc: format!("Says a|b of {code}."),
        });
        Declaration {
            name: name.to_owned(),
            class: "Usage".to_owned(),
            doc: "Why.".to_owned(),
            entries: entries.collect(),
        }
    }

    fn crates(sets: &[Declaration]) -> Crates {
        Crates::from([("actionpass-door".to_owned(), sets.to_vec())])
    }

    #[test]
    fn the_union_of_typescript_has_every_code_once() {
        let types = types(&crates(&[
            set("DoorCode", &["shut", "locked"]),
            set("GateCode", &["shut"]),
        ]));
        assert!(
            types.ends_with("export type KnownCode =\n  | 'locked'\n  | 'shut';\n"),
            "{types}"
        );
    }

    #[test]
    fn the_literal_of_python_has_every_code_once() {
        let literals = literals(&crates(&[
            set("DoorCode", &["shut", "locked"]),
            set("GateCode", &["shut"]),
        ]));
        assert!(
            literals.ends_with("TypeAlias = Literal[\n    \"locked\",\n    \"shut\",\n]\n"),
            "{literals}"
        );
    }

    #[test]
    fn the_page_lists_every_code() {
        let page = page(&crates(&[set("DoorCode", &["shut", "locked"])]));
        let shown = "\n## actionpass-door\n\n### `DoorCode`\n\nWhy.\n\n| code | class | meaning |\n|---|---|---|\n\
            | `shut` | Usage | Says a\\|b of shut. |\n| `locked` | Usage | Says a\\|b of locked. |\n";
        assert!(page.ends_with(shown), "{page}");
    }

    #[test]
    fn a_code_stands_in_one_set_unless_there_is_a_reason() {
        let both = crates(&[set("A", &["shut", "open"]), set("B", &["shut"])]);
        assert_eq!(problems(&both, &[]).len(), 1);
        assert_eq!(
            problems(&both, &[("shut", "both pass on the door's own answer")]),
            <[String; 0]>::default()
        );
        assert_eq!(problems(&both, &[("shut", "reason"), ("open", "stale")]).len(), 1);
    }

    #[test]
    fn within_a_set_a_code_stands_once_and_is_snake_case() {
        assert_eq!(problems(&crates(&[set("A", &["shut", "shut"])]), &[]).len(), 1);
        for bad in ["Shut", "1st", "", "so-so", &"a".repeat(65)] {
            assert_eq!(problems(&crates(&[set("A", &[bad])]), &[]).len(), 1, "{bad}");
        }
    }

    #[test]
    fn links_become_their_text() {
        assert_eq!(
            prose("See [`Door`](crate::Door) and [`Key::new`], a [b]."),
            "See `Door` and `Key::new`, a [b]."
        );
        assert_eq!(prose("An [`open end"), "An [`open end");
    }
}
