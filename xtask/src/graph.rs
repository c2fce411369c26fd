//! The dependency graph, as `cargo metadata` tells it.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::process::{Result, capture, cargo};

/// Everything that the workspace builds, with every feature of its members switched on.
#[derive(Debug, Deserialize)]
pub(crate) struct Graph {
    pub(crate) packages: Vec<Package>,
    pub(crate) workspace_members: Vec<String>,
    pub(crate) resolve: Resolve,
}

/// A package and what its manifest asks for.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) features: BTreeMap<String, Vec<String>>,
}

/// One line of a manifest's dependencies.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) rename: Option<String>,
    /// `None` is a normal dependency.
    pub(crate) kind: Option<String>,
    pub(crate) features: Vec<String>,
}

/// What the resolver made of all manifests together.
#[derive(Debug, Deserialize)]
pub(crate) struct Resolve {
    pub(crate) nodes: Vec<Node>,
}

/// A package as it is built.
#[derive(Debug, Deserialize)]
pub(crate) struct Node {
    pub(crate) id: String,
    /// The features that are on, whoever asked for them.
    pub(crate) features: Vec<String>,
    /// The ids of the packages that it depends on, of every kind.
    pub(crate) dependencies: Vec<String>,
}

impl Graph {
    /// The graph of this workspace.
    pub(crate) fn load() -> Result<Self> {
        let text = capture(&mut cargo(["metadata", "--format-version=1", "--all-features"])?)?;
        Ok(serde_json::from_str(&text)?)
    }

    /// The packages that the workspace consists of.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.is_member(package))
    }

    /// Whether a package is one of the workspace.
    pub(crate) fn is_member(&self, package: &Package) -> bool {
        self.workspace_members.contains(&package.id)
    }

    /// How a package is built.
    pub(crate) fn node(&self, package: &Package) -> Option<&Node> {
        self.resolve.nodes.iter().find(|node| node.id == package.id)
    }
}

impl Dependency {
    /// Whether it is built for tests, examples and benches only.
    pub(crate) fn is_dev(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}
