//! `docs/guarantees.md` names the tests that there are, and every guarantee has some.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The names of all test functions that start with `gNN_`, anywhere in the sources.
fn tests() -> BTreeSet<String> {
    fn walk(folder: &Path, names: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if path
                    .file_name()
                    .is_some_and(|name| name != "target" && name != "node_modules")
                {
                    walk(&path, names);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                names.extend(text.split("fn ").skip(1).filter_map(guarantee_test));
            }
        }
    }
    let mut names = BTreeSet::new();
    for folder in ["crates", "tests"] {
        walk(&root().join(folder), &mut names);
    }
    names
}

/// `g07_something`, if the text starts with such a name.
fn guarantee_test(text: &str) -> Option<String> {
    let name: String = text
        .chars()
        .take_while(|character| character.is_ascii_alphanumeric() || *character == '_')
        .collect();
    let digits = name.strip_prefix('g')?.get(..3)?;
    let is_number = digits.ends_with('_') && digits.bytes().take(2).all(|digit| digit.is_ascii_digit());
    is_number.then_some(name)
}

/// The names under each guarantee of the page.
fn listed() -> BTreeMap<String, BTreeSet<String>> {
    let page = fs::read_to_string(root().join("docs/guarantees.md")).unwrap();
    let sections = page.split("\n## G").skip(1);
    sections
        .map(|section| {
            let number = section.split_whitespace().next().unwrap().trim_end_matches(':');
            let names = section.split('`').filter_map(guarantee_test).collect();
            (format!("{number:0>2}"), names)
        })
        .collect()
}

#[test]
fn every_guarantee_is_listed_with_its_tests() {
    let tests = tests();
    let listed = listed();
    let numbers: Vec<_> = (1..=24).map(|number| format!("{number:02}")).collect();
    assert!(listed.keys().eq(numbers.iter()), "{:?}", listed.keys());
    for (number, names) in &listed {
        assert!(!names.is_empty(), "G{number} has no test");
        for name in names {
            assert!(
                name.starts_with(&format!("g{number}_")),
                "`{name}` stands under G{number}"
            );
            assert!(tests.contains(name), "`{name}` is not in the sources");
        }
    }
    let named: BTreeSet<_> = listed.into_values().flatten().collect();
    let missing: Vec<_> = tests.difference(&named).collect();
    assert!(missing.is_empty(), "not in docs/guarantees.md: {missing:#?}");
}

#[test]
fn names_are_told_from_other_words() {
    assert_eq!(guarantee_test("g07_x()").as_deref(), Some("g07_x"));
    for other in ["g7_x", "golden", "g077x", "x", "", "g07"] {
        assert_eq!(guarantee_test(other), None, "{other}");
    }
}

/// The how-to shows the example that is compiled and tested, and nothing else.
#[test]
fn the_custodian_of_the_how_to_is_the_one_that_is_tested() {
    let example = fs::read_to_string(root().join("crates/actionpass-testkit/examples/own_custodian.rs")).unwrap();
    let page = fs::read_to_string(root().join("docs/howto/your-own-custodian.md")).unwrap();
    for name in ["custodian", "conformance"] {
        let (_, rest) = example.split_once(&format!("// {name}: start\n")).unwrap();
        let (part, _) = rest.split_once(&format!("// {name}: end\n")).unwrap();
        assert!(
            page.contains(&format!("```rust\n{part}```\n")),
            "the page doesn't show {name} as it is"
        );
        if name == "custodian" {
            let is_code = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("//");
            let lines = part.lines().filter(is_code).count();
            assert!(lines <= 60, "{lines} lines");
        }
    }
}
