//! What an executor takes in with `actionpass-verify`, and with the facade that is made of it.

use std::collections::BTreeSet;

use crate::program::cargo;

/// The names of everything that a package is built from: what is linked and the macros that wrote it; build scripts'
/// and tests' own needs aside.
fn tree(package: &str, options: &[&str]) -> BTreeSet<String> {
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
    let output = tree.args(options).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let names: BTreeSet<String> = lines
        .lines()
        .filter_map(|line| line.split(' ').next())
        .map(ToOwned::to_owned)
        .collect();
    assert!(names.contains(package), "{names:?}");
    names
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
    tree(package, &[])
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

/// Each package of others is somebody whom an executor's operator has to trust.
#[test]
fn an_executor_takes_in_few_packages_of_others() {
    const MOST: usize = 45;
    let of_others = |package: &str| {
        let mut names = tree(package, &[]);
        names.retain(|name| !name.starts_with("actionpass"));
        names
    };
    for package in ["actionpass-verify", "actionpass"] {
        let names = of_others(package);
        assert!(names.len() <= MOST, "{package}: {} packages: {names:?}", names.len());
    }
    // The count counts: an issuer needs more.
    let of_home = of_others("actionpass-home");
    assert!(of_home.len() > MOST, "{of_home:?}");
}

/// Browsers and other places without an operating system have no random numbers of their own to link against.
#[test]
fn verifying_in_pure_rust_needs_no_random_numbers() {
    let on_wasm = |package| {
        let options = [
            "--no-default-features",
            "--features",
            "rustcrypto",
            "--target",
            "wasm32-unknown-unknown",
        ];
        tree(package, &options)
    };
    let verify = on_wasm("actionpass-verify");
    assert!(verify.contains("p256"), "{verify:?}");
    assert!(!verify.contains("getrandom"), "{verify:?}");
    // An issuer needs them, and is found to.
    assert!(on_wasm("actionpass-core").contains("getrandom"));
}
