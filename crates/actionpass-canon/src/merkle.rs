//! Merkle trees of RFC 6962 §2.1 with SHA-256: [`CompactTree`], and inclusion proofs.
//!
//! A ledger is such a tree; its leaves are the entries of its records (`docs/spec/ledger.md`).

use actionpass_model::Digest;

use crate::{sha256, sha256_parts};

/// The most nodes that a compact tree and the most hashes that an inclusion proof can have: one for each bit of a size.
pub const MAX_NODES: usize = 64;

/// The hash of a leaf: SHA-256 of `0x00` and the entry.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Digest {
    sha256_parts(&[&[0], entry])
}

/// The hash of the node above two others: SHA-256 of `0x01` and both.
fn node_hash(left: Digest, right: Digest) -> Digest {
    sha256_parts(&[&[1], left.as_bytes(), right.as_bytes()])
}

/// The state of a growing tree: the roots of its largest full subtrees, which is all that later roots depend on.
///
/// ```
/// use actionpass_canon::merkle::CompactTree;
///
/// let mut tree = CompactTree::new();
/// tree.push(b"first");
/// let proof = tree.proof_of_next();
/// tree.push(b"second");
/// // The proof of the last leaf is the state of the tree before it.
/// let mut again = CompactTree::before(1, &proof).unwrap();
/// again.push(b"second");
/// assert_eq!(again.root(), tree.root());
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CompactTree {
    size: u64,
    /// From left to right, so from the largest to the smallest; one for each bit of `size` that is set.
    nodes: Vec<Digest>,
}

impl CompactTree {
    /// The tree without leaves.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            size: 0,
            nodes: Vec::new(),
        }
    }

    /// The tree of so many leaves with these [`nodes`](Self::nodes); `None` if a tree of this size has another number of
    /// them. Whether they are right, only its root can tell.
    #[must_use]
    pub fn from_nodes(size: u64, nodes: Vec<Digest>) -> Option<Self> {
        (nodes.len() == ones(size)).then_some(Self { size, nodes })
    }

    /// The tree before the leaf at `index`, by the inclusion proof of that leaf as the last one of a tree; `None` if the
    /// proof has another length. Whether it is right shows the root, once the leaf is pushed.
    #[must_use]
    pub fn before(index: u64, proof: &[Digest]) -> Option<Self> {
        Self::from_nodes(index, proof.iter().rev().copied().collect())
    }

    /// Adds a leaf.
    pub fn push(&mut self, entry: &[u8]) {
        self.push_leaf(leaf_hash(entry));
    }

    /// Adds a leaf by its [`leaf_hash`].
    pub fn push_leaf(&mut self, leaf: Digest) {
        let mut node = leaf;
        // Each bit at the end of the size that is set is a full subtree as large as what has been put together so far.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.nodes.pop() {
                node = node_hash(left, node);
            }
        }
        self.nodes.push(node);
        // A leaf each nanosecond takes five centuries to come here.
        self.size = self.size.saturating_add(1);
    }

    /// How many leaves it has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of its largest full subtrees, from left to right: the compact range from 0 to its size.
    #[must_use]
    pub fn nodes(&self) -> &[Digest] {
        &self.nodes
    }

    /// The hash of the whole tree. Without leaves it is the SHA-256 of nothing.
    #[must_use]
    pub fn root(&self) -> Digest {
        let nodes = self.nodes.iter().rev().copied();
        nodes
            .reduce(|right, left| node_hash(left, right))
            .unwrap_or_else(|| sha256(&[]))
    }

    /// The inclusion proof (RFC 6962 §2.1.1) that the next leaf will have once it is the last one: from its sibling up.
    #[must_use]
    pub fn proof_of_next(&self) -> Vec<Digest> {
        self.nodes.iter().rev().copied().collect()
    }
}

/// The root to which an inclusion proof leads (RFC 9162 §2.1.3.2): from the leaf's sibling up. `None` if the tree has no
/// such leaf or the proof has another length than its place demands. The proof holds if this is the root.
#[must_use]
pub fn root_of_inclusion(index: u64, size: u64, leaf: Digest, proof: &[Digest]) -> Option<Digest> {
    let mut last = size.checked_sub(1)?;
    if index > last {
        return None;
    }
    let mut place = index;
    let mut node = leaf;
    for sibling in proof {
        if last == 0 {
            return None;
        }
        if place & 1 == 1 || place == last {
            node = node_hash(*sibling, node);
            // The last node of a level that has no sibling stands unchanged in the level above.
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            node = node_hash(node, *sibling);
        }
        place >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(node)
}

/// How many bits are set, as a length.
fn ones(size: u64) -> usize {
    // INVARIANT: 64 at most.
    usize::try_from(size.count_ones()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// MTH of RFC 6962 §2.1, word by word.
    fn root_of(leaves: &[Vec<u8>]) -> Digest {
        match leaves {
            [] => sha256(&[]),
            [leaf] => leaf_hash(leaf),
            _ => {
                let (left, right) = leaves.split_at(split(leaves.len()));
                node_hash(root_of(left), root_of(right))
            }
        }
    }

    /// PATH of RFC 6962 §2.1.1, word by word.
    fn path(index: usize, leaves: &[Vec<u8>]) -> Vec<Digest> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let (left, right) = leaves.split_at(split(leaves.len()));
        let (mut inner, sibling) = match index.checked_sub(left.len()) {
            None => (path(index, left), root_of(right)),
            Some(index) => (path(index, right), root_of(left)),
        };
        inner.push(sibling);
        inner
    }

    /// The largest power of two that is smaller than `length`.
    fn split(length: usize) -> usize {
        length.next_power_of_two() / 2
    }

    #[test]
    fn roots_of_the_reference_implementations() {
        // The leaves and roots of the tests of Certificate Transparency.
        let leaves = [
            &b""[..],
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let mut tree = CompactTree::new();
        assert_eq!(
            tree.root().to_string(),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        for leaf in leaves {
            tree.push(leaf);
        }
        assert_eq!(
            tree.root().to_string(),
            "sha256:5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
        );
    }

    #[test]
    fn nodes_and_proofs_of_another_number_are_no_tree() {
        let node = Digest::from_bytes([1; 32]);
        for (size, count) in [(0, 0), (1, 1), (2, 1), (3, 2), (u64::MAX, 64)] {
            assert!(CompactTree::from_nodes(size, vec![node; count]).is_some());
            assert!(CompactTree::from_nodes(size, vec![node; count + 1]).is_none());
            assert!(count == 0 || CompactTree::before(size, &vec![node; count - 1]).is_none());
        }
        assert_eq!(root_of_inclusion(0, 0, node, &[]), None);
        assert_eq!(root_of_inclusion(1, 1, node, &[]), None);
        assert_eq!(root_of_inclusion(0, 1, node, &[]), Some(node));
        assert_eq!(root_of_inclusion(0, 1, node, &[node]), None);
        assert_eq!(root_of_inclusion(0, u64::MAX, node, &[]), None);
        assert!(root_of_inclusion(u64::MAX - 1, u64::MAX, node, &[node; 63]).is_some());
    }

    proptest! {
        /// At every size on the way: the root, the proof of the last leaf, and the tree that comes out of it.
        #[test]
        fn the_compact_tree_is_the_tree_of_the_rfc(
            leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..8), 1..70)
        ) {
            let mut tree = CompactTree::new();
            for (index, leaf) in leaves.iter().enumerate() {
                let so_far = &leaves[..=index];
                let proof = tree.proof_of_next();
                prop_assert_eq!(&proof, &path(index, so_far));
                let place = index as u64;
                let mut again = CompactTree::before(place, &proof).unwrap();
                prop_assert_eq!(&again, &tree);
                tree.push(leaf);
                again.push(leaf);
                prop_assert_eq!(&again, &tree);
                prop_assert_eq!(tree.root(), root_of(so_far));
                prop_assert_eq!(tree.size(), place.saturating_add(1));
                prop_assert_eq!(
                    root_of_inclusion(place, tree.size(), leaf_hash(leaf), &proof),
                    Some(tree.root())
                );
            }
        }

        /// A proof of any leaf leads to the root, and of no other place, leaf or length.
        #[test]
        fn inclusion_proofs_hold_for_one_place(
            (leaves, index) in prop::collection::vec(any::<[u8; 2]>(), 1..40)
                .prop_flat_map(|leaves| { let count = leaves.len(); (Just(leaves), 0..count) }),
            other in 0_u64..40,
        ) {
            let leaves: Vec<Vec<u8>> = leaves.iter().enumerate().map(|(at, leaf)| {
                // No two are alike, or a proof would hold for both.
                [leaf.as_slice(), &at.to_be_bytes()].concat()
            }).collect();
            let (place, size, root) = (index as u64, leaves.len() as u64, root_of(&leaves));
            let mut proof = path(index, &leaves);
            let leaf = leaf_hash(&leaves[index]);
            prop_assert_eq!(root_of_inclusion(place, size, leaf, &proof), Some(root));
            if other != place {
                prop_assert_ne!(root_of_inclusion(other, size, leaf, &proof), Some(root));
            }
            prop_assert_ne!(root_of_inclusion(place, size, leaf_hash(b"other"), &proof), Some(root));
            proof.push(leaf);
            prop_assert_eq!(root_of_inclusion(place, size, leaf, &proof), None);
            proof.truncate(proof.len().saturating_sub(2));
            if leaves.len() > 1 {
                prop_assert_eq!(root_of_inclusion(place, size, leaf, &proof), None);
            }
        }
    }
}
