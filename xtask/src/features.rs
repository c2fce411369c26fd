//! `cargo xtask features`: serde_json stays without the features under which two payloads can share a hash.

use crate::graph::{Graph, Node, Package};
use crate::process::Result;

/// With the first two, a member named `$serde_json::private::…` changes the value that is parsed; with the third,
/// depth is unlimited.
const FORBIDDEN: &[&str] = &["arbitrary_precision", "raw_value", "unbounded_depth"];

/// Checks the features of every serde_json in the graph. Those that only tests ask for count: Cargo would switch
/// them on in our tests, which would then show another serde_json than our users get.
pub(crate) fn run() -> Result {
    let problems = forbidden(&Graph::load()?);
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("\n").into())
    }
}

fn forbidden(graph: &Graph) -> Vec<String> {
    let mut problems = Vec::new();
    for json in graph.packages.iter().filter(|package| package.name == "serde_json") {
        let on = graph
            .node(json)
            .map(|node| node.features.as_slice())
            .unwrap_or_default();
        for feature in on.iter().filter(|feature| FORBIDDEN.contains(&feature.as_str())) {
            let mut by: Vec<_> = graph
                .packages
                .iter()
                .filter_map(|package| asks(graph, package, json, feature))
                .collect();
            if by.is_empty() {
                by.push("nobody by name".to_owned());
            }
            let version = &json.version;
            problems.push(format!(
                "serde_json {version} is built with `{feature}`, asked for by {}",
                by.join(", ")
            ));
        }
    }
    problems
}

/// How `package` asks for a feature of serde_json, if it does.
fn asks(graph: &Graph, package: &Package, json: &Package, feature: &str) -> Option<String> {
    let node = graph
        .node(package)
        .filter(|node| node.dependencies.contains(&json.id))?;
    // The tests of other people's packages are not built.
    let ours = graph.is_member(package);
    let lines = package
        .dependencies
        .iter()
        .filter(|line| line.name == json.name && (ours || !line.is_dev()));
    for line in lines {
        if line.features.iter().any(|asked| asked == feature) {
            let kind = line.kind.as_deref().unwrap_or("normal");
            return Some(format!("{} {} ({kind} dependency)", package.name, package.version));
        }
        let key = line.rename.as_deref().unwrap_or(&line.name);
        if let Some(own) = passes_on(package, node, key, feature) {
            return Some(format!("{} {} (its feature `{own}`)", package.name, package.version));
        }
    }
    None
}

/// The feature of `package` that is on and switches on `key/feature`.
fn passes_on<'a>(package: &'a Package, node: &Node, key: &str, feature: &str) -> Option<&'a str> {
    let asked = [format!("{key}/{feature}"), format!("{key}?/{feature}")];
    let on = package.features.iter().filter(|(own, _)| node.features.contains(own));
    on.filter(|(_, enables)| asked.iter().any(|asked| enables.contains(asked)))
        .map(|(own, _)| own.as_str())
        .next()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// serde_json as it is built, and one package that uses it.
    fn graph(on: &[&str], user: Value, user_features: &[&str], member: bool) -> Graph {
        let json =
            json!({ "id": "serde_json", "name": "serde_json", "version": "1.0.0", "dependencies": [], "features": {} });
        serde_json::from_value(json!({
            "packages": [json, user],
            "workspace_members": if member { vec!["user"] } else { vec![] },
            "resolve": { "nodes": [
                { "id": "serde_json", "features": on, "dependencies": [] },
                { "id": "user", "features": user_features, "dependencies": ["serde_json"] },
            ] },
        }))
        .unwrap()
    }

    fn user(kind: Option<&str>, asked: &[&str], features: Value) -> Value {
        let dependency = json!({ "name": "serde_json", "rename": null, "kind": kind, "features": asked });
        json!({ "id": "user", "name": "user", "version": "2.0.0", "dependencies": [dependency], "features": features })
    }

    #[test]
    fn harmless_features_pass() {
        let graph = graph(
            &["default", "float_roundtrip", "std"],
            user(None, &["float_roundtrip"], json!({})),
            &[],
            true,
        );
        assert_eq!(forbidden(&graph), <[String; 0]>::default());
    }

    #[test]
    fn each_forbidden_feature_is_caught_and_traced() {
        for feature in FORBIDDEN {
            for kind in [None, Some("dev"), Some("build")] {
                let problems = forbidden(&graph(&["std", feature], user(kind, &[feature], json!({})), &[], true));
                assert_eq!(problems.len(), 1, "{feature} {kind:?}");
                assert!(
                    problems[0].contains(feature) && problems[0].contains("user 2.0.0"),
                    "{problems:?}"
                );
            }
        }
    }

    #[test]
    fn a_feature_that_passes_it_on_is_named() {
        for spelling in ["serde_json/raw_value", "serde_json?/raw_value"] {
            let features = json!({ "raw": [spelling], "idle": [spelling] });
            let problems = forbidden(&graph(&["raw_value"], user(None, &[], features), &["raw"], false));
            assert_eq!(problems.len(), 1);
            assert!(problems[0].contains("its feature `raw`"), "{problems:?}");
        }
    }

    #[test]
    fn it_is_caught_even_if_nobody_can_be_named() {
        let problems = forbidden(&graph(
            &["raw_value"],
            user(Some("dev"), &["raw_value"], json!({})),
            &[],
            false,
        ));
        assert!(problems[0].contains("nobody by name"), "{problems:?}");
    }
}
