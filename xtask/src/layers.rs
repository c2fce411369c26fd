//! `cargo xtask layers`: the floors of the workspace, and the proof that no arrow goes up.

use crate::graph::Graph;
use crate::process::{Result, capture, cargo};

/// Every crate of the workspace, from the ground up, with the members that it may use. Normal and build
/// dependencies count, optional ones too; what only tests use does not. A crate that is missing here is an error.
const FLOORS: &[(&str, &[&str])] = &[
    ("actionpass-model", &[]),
    ("actionpass-timer", &[]),
    ("actionpass-canon", &["actionpass-model"]),
    // What may happen to an approval request: every store of requests keeps this law.
    ("actionpass-queue", &["actionpass-model"]),
    // These four don't know each other.
    ("actionpass-display", &["actionpass-canon", "actionpass-model"]),
    ("actionpass-policy", &["actionpass-canon", "actionpass-model"]),
    ("actionpass-crypto", &["actionpass-canon", "actionpass-model"]),
    (
        "actionpass-store",
        &["actionpass-canon", "actionpass-model", "actionpass-queue"],
    ),
    // Above: where private keys are kept. An executor has none.
    (
        "actionpass-custody",
        &["actionpass-crypto", "actionpass-model", "actionpass-timer"],
    ),
    // Backends stand beside the layers: nothing below the command line names one.
    (
        "actionpass-store-postgres",
        &[
            "actionpass-canon",
            "actionpass-model",
            "actionpass-queue",
            "actionpass-store",
        ],
    ),
    (
        "actionpass-store-sqlite",
        &[
            "actionpass-canon",
            "actionpass-model",
            "actionpass-queue",
            "actionpass-store",
        ],
    ),
    (
        "actionpass-verify",
        &[
            "actionpass-canon",
            "actionpass-crypto",
            "actionpass-model",
            "actionpass-store",
        ],
    ),
    (
        "actionpass-core",
        &[
            "actionpass-canon",
            "actionpass-crypto",
            "actionpass-model",
            "actionpass-policy",
            "actionpass-queue",
            "actionpass-store",
            "actionpass-timer",
            "actionpass-verify",
        ],
    ),
    (
        "actionpass-testkit",
        &[
            "actionpass-canon",
            "actionpass-core",
            "actionpass-crypto",
            "actionpass-custody",
            "actionpass-model",
            "actionpass-policy",
            "actionpass-queue",
            "actionpass-store",
            "actionpass-store-sqlite",
            "actionpass-verify",
        ],
    ),
    // Custodians stand beside the layers as well, each alone; only the map of their schemes names them.
    ("actionpass-aws-kms", CUSTODIAN),
    ("actionpass-pkcs11", CUSTODIAN),
    ("actionpass-ssh-agent", CUSTODIAN),
    ("actionpass-tpm", CUSTODIAN),
    ("actionpass-vault", CUSTODIAN),
    (
        "actionpass-custodians",
        &[
            "actionpass-aws-kms",
            "actionpass-crypto",
            "actionpass-custody",
            "actionpass-model",
            "actionpass-pkcs11",
            "actionpass-ssh-agent",
            "actionpass-tpm",
            "actionpass-vault",
        ],
    ),
    ("actionpass-servers", &[]),
    ("actionpass-faults", &[]),
    // The documents of the service and who asks it: no law, and nothing of an issuer.
    ("actionpass-client", &["actionpass-model", "actionpass-policy"]),
    // From a tool call to an action: issuers and executors derive with it, so it knows neither.
    (
        "actionpass-gate",
        &["actionpass-canon", "actionpass-model", "actionpass-policy"],
    ),
    // For servers written with rmcp: the executor before their tools.
    (
        "actionpass-rmcp",
        &[
            "actionpass-canon",
            "actionpass-gate",
            "actionpass-model",
            "actionpass-verify",
        ],
    ),
    // The folder of an issuer: here key, trust, policy and store come together.
    (
        "actionpass-home",
        &[
            "actionpass-core",
            "actionpass-crypto",
            "actionpass-custodians",
            "actionpass-custody",
            "actionpass-gate",
            "actionpass-model",
            "actionpass-policy",
            "actionpass-queue",
            "actionpass-store",
            "actionpass-store-postgres",
            "actionpass-store-sqlite",
            "actionpass-verify",
        ],
    ),
    // Configuration of agents and their products: it edits files, and knows no issuer.
    (
        "actionpass-setup",
        &["actionpass-canon", "actionpass-gate", "actionpass-model"],
    ),
    // What every front door does with a call, on a home or against a service.
    (
        "actionpass-door",
        &[
            "actionpass-canon",
            "actionpass-client",
            "actionpass-core",
            "actionpass-custody",
            "actionpass-display",
            "actionpass-gate",
            "actionpass-home",
            "actionpass-model",
            "actionpass-policy",
            "actionpass-store",
            "actionpass-verify",
        ],
    ),
    // Hooks of coding agents: a front door that knows the trait and nothing else of deciding.
    (
        "actionpass-hook",
        &[
            "actionpass-canon",
            "actionpass-door",
            "actionpass-gate",
            "actionpass-model",
        ],
    ),
    // A front door that knows no home: what stands between MCP clients and servers.
    (
        "actionpass-mcp",
        &[
            "actionpass-canon",
            "actionpass-client",
            "actionpass-display",
            "actionpass-door",
            "actionpass-gate",
            "actionpass-model",
        ],
    ),
    // What programs in Rust add: it gives on what lies below, by features.
    (
        "actionpass",
        &[
            "actionpass-canon",
            "actionpass-core",
            "actionpass-crypto",
            "actionpass-custodians",
            "actionpass-custody",
            "actionpass-display",
            "actionpass-home",
            "actionpass-model",
            "actionpass-policy",
            "actionpass-queue",
            "actionpass-store",
            "actionpass-verify",
        ],
    ),
    // What other languages are handed: the facade of Rust, in texts and bytes.
    (
        "actionpass-embed",
        &[
            "actionpass",
            "actionpass-client",
            "actionpass-crypto",
            "actionpass-custodians",
            "actionpass-policy",
            "actionpass-store-sqlite",
        ],
    ),
    // Packages for other languages convert, and know nothing else.
    ("actionpass-node", &["actionpass-custodians", "actionpass-embed"]),
    ("actionpass-python", &["actionpass-custodians", "actionpass-embed"]),
    ("actionpass-wasm", &["actionpass-embed"]),
    // A front door: it parses, asks the issuer, and answers.
    (
        "actionpass-server",
        &[
            "actionpass-canon",
            "actionpass-client",
            "actionpass-core",
            "actionpass-crypto",
            "actionpass-custodians",
            "actionpass-custody",
            "actionpass-display",
            "actionpass-door",
            "actionpass-gate",
            "actionpass-home",
            "actionpass-model",
            "actionpass-policy",
            "actionpass-queue",
            "actionpass-store",
            "actionpass-verify",
        ],
    ),
    // Not the testkit: its keys are public.
    (
        "actionpass-cli",
        &[
            "actionpass-canon",
            "actionpass-client",
            "actionpass-core",
            "actionpass-crypto",
            "actionpass-custodians",
            "actionpass-custody",
            "actionpass-display",
            "actionpass-door",
            "actionpass-gate",
            "actionpass-home",
            "actionpass-hook",
            "actionpass-mcp",
            "actionpass-model",
            "actionpass-policy",
            "actionpass-queue",
            "actionpass-server",
            "actionpass-setup",
            "actionpass-store",
            "actionpass-verify",
        ],
    ),
    (
        "actionpass-tests",
        &[
            "actionpass",
            "actionpass-canon",
            "actionpass-client",
            "actionpass-cli",
            "actionpass-core",
            "actionpass-crypto",
            "actionpass-custody",
            "actionpass-custodians",
            "actionpass-display",
            "actionpass-gate",
            "actionpass-model",
            "actionpass-policy",
            "actionpass-queue",
            "actionpass-server",
            "actionpass-store",
            "actionpass-store-sqlite",
            "actionpass-testkit",
            "actionpass-verify",
        ],
    ),
    ("xtask", &["actionpass-model"]),
];

const CUSTODIAN: &[&str] = &["actionpass-crypto", "actionpass-custody", "actionpass-model"];

/// What an executor never gets by depending on `actionpass-verify`, by the start of a package's name.
const NOT_FOR_EXECUTORS: &[(&str, &str)] = &[
    ("actionpass-core", "the issuer's side"),
    ("actionpass-custody", "where private keys are kept"),
    ("actionpass-policy", "a policy engine"),
    ("actionpass-store-", "a database"),
    ("async-executor", "an async runtime"),
    ("async-global-executor", "an async runtime"),
    ("async-std", "an async runtime"),
    ("cedar-policy", "a policy engine"),
    ("deadpool", "a database"),
    ("diesel", "a database"),
    ("fjall", "a database"),
    ("libsqlite3-sys", "a database"),
    ("mio", "an async runtime"),
    ("postgres", "a database"),
    ("redb", "a database"),
    ("regorus", "a policy engine"),
    ("rocksdb", "a database"),
    ("rusqlite", "a database"),
    ("sled", "a database"),
    ("smol", "an async runtime"),
    ("sqlx", "a database"),
    ("tokio", "an async runtime"),
];

/// Checks the arrows between our crates, and the whole tree that executors depend on.
pub(crate) fn run() -> Result {
    let mut problems = arrows_up(&Graph::load()?);
    let tree = [
        "tree",
        "--package=actionpass-verify",
        "--edges=normal",
        "--all-features",
        "--target=all",
        "--prefix=none",
    ];
    problems.extend(unwanted(&capture(&mut cargo(tree)?)?));
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("\n").into())
    }
}

/// The arrows between members that [`FLOORS`] doesn't allow, and the members that it doesn't know.
fn arrows_up(graph: &Graph) -> Vec<String> {
    let mut problems = Vec::new();
    for package in graph.members() {
        let Some((_, allowed)) = FLOORS.iter().find(|(name, _)| *name == package.name) else {
            problems.push(format!(
                "`{}` has no floor: add it to FLOORS in xtask/src/layers.rs",
                package.name
            ));
            continue;
        };
        let used = package.dependencies.iter().filter(|dependency| !dependency.is_dev());
        let used = used.filter(|dependency| graph.members().any(|member| member.name == dependency.name));
        for dependency in used.filter(|dependency| !allowed.contains(&dependency.name.as_str())) {
            let may = if allowed.is_empty() {
                "no other member".to_owned()
            } else {
                allowed.join(", ")
            };
            problems.push(format!(
                "`{}` depends on `{}`; it may use {may}",
                package.name, dependency.name
            ));
        }
    }
    problems
}

/// The packages of a tree (`cargo tree --prefix none`) that executors must not get.
fn unwanted(tree: &str) -> Vec<String> {
    let mut names: Vec<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    names.sort_unstable();
    names.dedup();
    let unwanted = names.into_iter().filter_map(|name| {
        let (_, what) = NOT_FOR_EXECUTORS.iter().find(|(start, _)| name.starts_with(start))?;
        Some(format!(
            "`actionpass-verify` depends on `{name}`, {what}; see `cargo tree -p actionpass-verify -i {name}`"
        ))
    });
    unwanted.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Dependencies: name and kind.
    type Arrows<'a> = &'a [(&'a str, Option<&'a str>)];

    /// A graph of members and their dependencies.
    fn graph(members: &[(&str, Arrows<'_>)]) -> Graph {
        let packages = members.iter().map(|(name, dependencies)| {
            let dependencies = dependencies
                .iter()
                .map(|(name, kind)| json!({ "name": name, "rename": null, "kind": kind, "features": [] }));
            json!({
                "id": name, "name": name, "version": "0.1.0", "features": {},
                "dependencies": dependencies.collect::<Vec<_>>(),
            })
        });
        let ids: Vec<_> = members.iter().map(|(name, _)| name).collect();
        serde_json::from_value(json!({
            "packages": packages.collect::<Vec<_>>(), "workspace_members": ids, "resolve": { "nodes": [] },
        }))
        .unwrap()
    }

    #[test]
    fn the_floors_themselves_have_no_arrow_up() {
        for (row, (name, allowed)) in FLOORS.iter().enumerate() {
            for below in *allowed {
                let found = FLOORS.iter().position(|(other, _)| other == below);
                assert!(found.is_some_and(|found| found < row), "{name} may use {below}");
            }
        }
    }

    #[test]
    fn arrows_down_and_foreign_crates_are_fine() {
        let graph = graph(&[
            ("actionpass-model", &[("serde", None)]),
            ("actionpass-canon", &[("actionpass-model", None)]),
            (
                "actionpass-verify",
                &[("actionpass-canon", None), ("actionpass-model", Some("build"))],
            ),
        ]);
        assert_eq!(arrows_up(&graph), <[String; 0]>::default());
    }

    #[test]
    fn an_arrow_up_is_caught_whatever_its_kind() {
        for kind in [None, Some("build")] {
            let graph = graph(&[
                ("actionpass-canon", &[("actionpass-core", kind)]),
                ("actionpass-core", &[]),
            ]);
            assert_eq!(arrows_up(&graph).len(), 1, "{kind:?}");
        }
    }

    #[test]
    fn neighbours_and_backends_are_not_below() {
        for (upper, lower) in [
            ("actionpass-policy", "actionpass-crypto"),
            ("actionpass-display", "actionpass-policy"),
            ("actionpass-display", "actionpass-crypto"),
            ("actionpass-crypto", "actionpass-store"),
            ("actionpass-store", "actionpass-policy"),
            ("actionpass-crypto", "actionpass-custody"),
            ("actionpass-verify", "actionpass-custody"),
            ("actionpass-verify", "actionpass-policy"),
            ("actionpass-verify", "actionpass-store-sqlite"),
            ("actionpass-core", "actionpass-store-sqlite"),
            ("actionpass-cli", "actionpass-testkit"),
        ] {
            let graph = graph(&[(upper, &[(lower, None)]), (lower, &[])]);
            assert_eq!(arrows_up(&graph).len(), 1, "{upper} on {lower}");
        }
    }

    #[test]
    fn tests_may_use_what_they_like() {
        let graph = graph(&[
            ("actionpass-verify", &[("actionpass-testkit", Some("dev"))]),
            ("actionpass-testkit", &[("actionpass-verify", None)]),
        ]);
        assert_eq!(arrows_up(&graph), <[String; 0]>::default());
    }

    #[test]
    fn a_crate_without_a_floor_is_an_error() {
        let problems = arrows_up(&graph(&[("actionpass-novelty", &[])]));
        assert!(
            problems.iter().any(|problem| problem.contains("actionpass-novelty")),
            "{problems:?}"
        );
    }

    #[test]
    fn executors_get_no_runtime_database_or_engine() {
        assert!(unwanted("actionpass-verify v0.1.0 (/src)\nactionpass-store v0.1.0\nserde v1.0.0 (*)\n").is_empty());
        for name in [
            "tokio",
            "tokio-util",
            "rusqlite",
            "cedar-policy-core",
            "sqlx-core",
            "actionpass-custody",
            "actionpass-store-sqlite",
        ] {
            assert_eq!(
                unwanted(&format!("serde v1.0.0\n{name} v1.0.0\n{name} v1.0.0 (*)\n")).len(),
                1,
                "{name}"
            );
        }
    }
}
