//! What a module is made of, as CycloneDX 1.6: every crate that is linked into it, with version, licence, address and checksum.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::process::{Result, capture, cargo, root};

/// The bill of materials of a package of this workspace, with its default features, on this platform. The same source gives the
/// same text.
pub(super) fn of(package: &str) -> Result<String> {
    let tree = capture(&mut cargo([
        "tree",
        "--package",
        package,
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--no-dedupe",
        "--format",
        "{p}|{l}",
    ])?)?;
    let checksums = checksums(&fs::read_to_string(root()?.join("Cargo.lock"))?);
    let mut crates: BTreeMap<(String, String), String> = BTreeMap::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let (name, version, licence) = read(line).ok_or_else(|| format!("`cargo tree` says `{line}`"))?;
        crates.insert((name.to_owned(), version.to_owned()), licence.to_owned());
    }
    let components: Vec<Value> = crates
        .iter()
        .filter(|((name, _), _)| name != package)
        .map(|((name, version), licence)| {
            component(name, version, licence, checksums.get(&(name.clone(), version.clone())))
        })
        .collect();
    let version = env!("CARGO_PKG_VERSION");
    let bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": { "type": "library", "name": package, "version": version, "bom-ref": package } },
        "components": components,
    });
    Ok(serde_json::to_string_pretty(&bill)? + "\n")
}

/// Reads `NAME vVERSION …|LICENCE`.
fn read(line: &str) -> Option<(&str, &str, &str)> {
    let (package, licence) = line.split_once('|')?;
    let mut words = package.split(' ');
    let name = words.next().filter(|name| !name.is_empty())?;
    let version = words.next()?.strip_prefix('v')?;
    Some((name, version, licence))
}

fn component(name: &str, version: &str, licence: &str, checksum: Option<&String>) -> Value {
    let address = format!("pkg:cargo/{name}@{version}");
    let mut component = json!({
        "type": "library",
        "bom-ref": address,
        "name": name,
        "version": version,
        "purl": address,
        // The `/` of old manifests is an `OR`.
        "licenses": [{ "expression": licence.replace('/', " OR ") }],
    });
    if let (Some(checksum), Some(members)) = (checksum, component.as_object_mut()) {
        members.insert("hashes".to_owned(), json!([{ "alg": "SHA-256", "content": checksum }]));
    }
    component
}

/// The checksums of a lock file, by name and version. Packages of the workspace have none.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    lock.split("[[package]]")
        .filter_map(|package| {
            let member = |name: &str| {
                let line = package
                    .lines()
                    .find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
                line.map(|value| value.trim_matches('"').to_owned())
            };
            Some(((member("name")?, member("version")?), member("checksum")?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_checksums_are_read() {
        assert_eq!(
            read("itoa v1.0.15|MIT OR Apache-2.0"),
            Some(("itoa", "1.0.15", "MIT OR Apache-2.0"))
        );
        assert_eq!(read("a v0.1.0 (/src/a)|MIT"), Some(("a", "0.1.0", "MIT")));
        assert_eq!(
            read("serde_derive v1.0.1 (proc-macro)|MIT"),
            Some(("serde_derive", "1.0.1", "MIT"))
        );
        assert_eq!(read("nonsense"), None);
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"x\"\nchecksum = \"ab\"\n\n[[package]]\nname = \"ours\"\nversion = \"0.1.0\"\n";
        let expected = BTreeMap::from([(("a".to_owned(), "1.0.0".to_owned()), "ab".to_owned())]);
        assert_eq!(checksums(lock), expected);
        let told = component("a", "1.0.0", "MIT/Apache-2.0", expected.values().next());
        assert_eq!(told.pointer("/hashes/0/content"), Some(&json!("ab")));
        assert_eq!(
            told.pointer("/licenses/0/expression"),
            Some(&json!("MIT OR Apache-2.0"))
        );
    }
}
