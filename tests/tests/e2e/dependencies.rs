//! What an executor takes in with `actionpass-verify`.

use std::collections::BTreeSet;

use crate::program::cargo;

/// The names of everything that a package is built from, dev-dependencies aside.
fn tree(package: &str) -> BTreeSet<String> {
    let mut tree = cargo();
    tree.args([
        "tree",
        "--package",
        package,
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]);
    let output = tree.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines
        .lines()
        .filter_map(|line| line.split(' ').next())
        .map(ToOwned::to_owned)
        .collect()
}

/// Databases, async runtimes, policy engines: whole, or recognized by a part of their name.
const UNWANTED: &[&str] = &[
    "sqlite",
    "sqlx",
    "postgres",
    "redb",
    "sled",
    "rocksdb",
    "fjall",
    "lmdb",
    "diesel",
    "tokio",
    "async-std",
    "smol",
    "async-executor",
    "async-io",
    "glommio",
    "monoio",
    "pollster",
    "futures-executor",
    "cedar",
    "regorus",
    "rego",
    "actionpass-policy",
    "actionpass-core",
    "actionpass-cli",
    "toml",
    "clap",
];

fn unwanted(package: &str) -> Vec<String> {
    let names = tree(package);
    assert!(names.contains(package), "{names:?}");
    names
        .into_iter()
        .filter(|name| UNWANTED.iter().any(|unwanted| name.contains(unwanted)))
        .collect()
}

#[test]
fn an_executor_takes_in_no_database_no_runtime_and_no_policy_engine() {
    assert_eq!(unwanted("actionpass-verify"), Vec::<String>::new());
    // The search finds them where they are.
    let of_cli = unwanted("actionpass-cli");
    for name in ["actionpass-policy", "rusqlite", "pollster"] {
        assert!(of_cli.iter().any(|found| found == name), "{name}: {of_cli:?}");
    }
}
