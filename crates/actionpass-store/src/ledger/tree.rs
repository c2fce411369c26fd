//! The Merkle tree of a log, computed while its records are verified.

use actionpass_canon::merkle::CompactTree;
use actionpass_model::Digest;

use super::{Log, TreeHead};

/// The tree so far, and what it takes to prove its last leaf.
#[derive(Clone, Debug, Default)]
pub(super) struct GrowingTree {
    /// Without the last leaf.
    before: CompactTree,
    tree: CompactTree,
    /// The last entry and its `ledgerHash`.
    last: Option<(Vec<u8>, Digest)>,
}

impl GrowingTree {
    /// A tree that goes on behind a head.
    pub(super) fn behind(head: &TreeHead) -> Self {
        Self {
            before: head.before().clone(),
            tree: head.tree().clone(),
            last: Some((head.entry().to_vec(), head.head().hash())),
        }
    }

    /// The root once this entry is added.
    pub(super) fn root_with(&self, entry: &[u8]) -> Digest {
        let mut tree = self.tree.clone();
        tree.push(entry);
        tree.root()
    }

    pub(super) fn push(&mut self, entry: Vec<u8>, hash: Digest) {
        self.before.clone_from(&self.tree);
        self.tree.push(&entry);
        self.last = Some((entry, hash));
    }

    /// The head at the last entry; `None` if there is none.
    pub(super) fn into_head(self, log: Log) -> Option<TreeHead> {
        let (entry, hash) = self.last?;
        Some(TreeHead::of(log, entry, hash, self.before))
    }
}
