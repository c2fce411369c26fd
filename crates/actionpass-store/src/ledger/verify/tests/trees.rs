//! The Merkle tree beside the chain.

use actionpass_canon::merkle::CompactTree;

use super::*;

/// The head of the tree of these records.
fn tree_of(records: &[SealedRecord]) -> TreeHead {
    verify_jsonl(
        export(&lines(records)).as_slice(),
        LedgerVerifier::new(ChainVerifier::new().with_tree()),
    )
    .unwrap()
    .tree
    .unwrap()
}

fn code_of(records: &[SealedRecord], verifier: ChainVerifier) -> Result<VerifiedLedger, (LedgerCode, u64)> {
    verify_jsonl(export(&lines(records)).as_slice(), verifier).map_err(|error| (error.code(), error.seq()))
}

#[test]
fn a_tree_is_computed_where_it_is_asked_for() {
    let records = chain("log", 5);
    assert_eq!(verify(&lines(&records)).unwrap().tree, None);
    let empty = verify_jsonl(&b""[..], ChainVerifier::new().with_tree()).unwrap();
    assert_eq!(empty.tree, None);

    let head = tree_of(&records);
    assert_eq!(head.log(), &log("log"));
    assert_eq!((head.head(), head.size(), head.seq()), (records[4].head(), 5, 4));
    assert_eq!(head.entry(), records[4].entry());
    let mut tree = CompactTree::new();
    for record in &records {
        tree.push_leaf(record.leaf_hash());
    }
    assert_eq!((head.root(), head.tree()), (tree.root(), &tree));
    assert_eq!(TreeHead::new(head.entry(), &head.proof()).unwrap(), head);

    // What is begun behind a record without its tree has none.
    let behind = ChainVerifier::behind(records[2].to_ref().head()).with_tree();
    assert_eq!(code_of(&records[3..], behind).unwrap().tree, None);
}

#[test]
fn a_verification_goes_on_behind_the_head_of_a_tree() {
    let records = chain("log", 9);
    let end = tree_of(&records);
    for size in 1..=records.len() {
        let (before, after) = records.split_at(size);
        let head = tree_of(before);
        let verified = code_of(after, ChainVerifier::behind_tree(&head)).unwrap();
        assert_eq!(verified.tree.as_ref(), Some(&end), "behind {size}");
        assert_eq!(verified.head, end.head());
        // The same with a head that is known further on, and at the same place.
        for known in [&head, &end] {
            let verifier = ChainVerifier::behind_tree(&head).with_tree_head(known);
            assert!(code_of(after, verifier).is_ok());
        }
    }
}

#[test]
fn a_known_tree_is_found_again_or_not() {
    let records = chain("log", 6);
    let head = tree_of(&records[..4]);
    assert!(code_of(&records, ChainVerifier::new().with_tree_head(&head)).is_ok());
    assert!(code_of(&records[..4], ChainVerifier::new().with_tree_head(&head)).is_ok());
    assert_eq!(
        code_of(&records[..3], ChainVerifier::new().with_tree_head(&head)),
        Err((LedgerCode::LedgerTruncated, 3))
    );
    assert_eq!(
        code_of(&[], ChainVerifier::new().with_tree_head(&head)),
        Err((LedgerCode::LedgerTruncated, 0))
    );
    // Another log with the same numbers.
    let other = chain("other", 6);
    let two = ChainVerifier::new().with_tree_head(&head).with_log(log("other"));
    assert_eq!(code_of(&other, two), Err((LedgerCode::LedgerLogMismatch, 0)));
    assert_eq!(
        code_of(&other, ChainVerifier::new().with_tree_head(&head)),
        Err((LedgerCode::LedgerLogMismatch, 0))
    );
    // Nothing that is read shows whose log it is.
    let nothing = ChainVerifier::behind_tree(&tree_of(&other)).with_tree_head(&tree_of(&records));
    assert!(code_of(&[], nothing).is_err());
}

/// The same record with a proof that leads elsewhere: whoever signed it signed another history before that record.
#[test]
fn another_root_over_the_same_record_is_a_fork() {
    let records = chain("log", 6);
    let head = tree_of(&records[..4]);
    let mut proof = head.proof();
    proof[0] = Digest::from_bytes([9; 32]);
    let forked = TreeHead::new(head.entry(), &proof).unwrap();
    assert_eq!(forked.known(), head.known());
    assert_ne!(forked.root(), head.root());
    assert_eq!(
        code_of(&records, ChainVerifier::new().with_tree_head(&forked)),
        Err((LedgerCode::LedgerForked, 3))
    );
    assert_eq!(
        code_of(&records[4..], ChainVerifier::behind_tree(&head).with_tree_head(&forked)),
        Err((LedgerCode::LedgerForked, 3))
    );
    // Wherever they stand among other known heads.
    let verifier = ChainVerifier::new().with_tree_head(&head).with_tree_head(&forked);
    assert_eq!(code_of(&records, verifier), Err((LedgerCode::LedgerForked, 3)));
    // Behind a record without its tree the hash alone counts.
    let behind = ChainVerifier::behind(records[1].to_ref().head()).with_tree_head(&forked);
    assert!(code_of(&records[2..], behind).is_ok());
}

#[test]
fn an_entry_has_one_spelling() {
    let records = chain("log", 4);
    let head = tree_of(&records);
    let text = std::str::from_utf8(head.entry()).unwrap().to_owned();
    let proof = head.proof();
    let refused = |entry: &str| TreeHead::new(entry.as_bytes(), &proof).unwrap_err().code();
    for bad in [
        String::new(),
        "[]".to_owned(),
        text.replacen("\"seq\":3", "\"seq\": 3", 1),
        text.replacen("\"seq\":3", "\"seq\":3.0", 1),
        text.replacen("\"seq\":3", "\"seq\":4", 1),
        text.replacen("\"previousLedgerHash\"", "\"previousLedgerHasi\"", 1),
        format!("{text} "),
        format!("{text}\n"),
        text.replacen("{\"body\"", "{\"a\":1,\"body\"", 1),
        text.replacen("{\"body\"", "{\"body\":1,\"body\"", 1),
        std::str::from_utf8(records[3].json()).unwrap().to_owned(),
        text.replacen("\"log\":\"log\"", "\"log\":\"l\\u006fg\"", 1),
    ] {
        assert_ne!(bad, text);
        assert_eq!(refused(&bad), LedgerCode::LedgerMalformed, "{bad}");
    }
    let long = [proof.as_slice(), &[Digest::ZERO]].concat();
    assert_eq!(
        TreeHead::new(head.entry(), &long).unwrap_err().code(),
        LedgerCode::LedgerMalformed
    );
    assert_eq!(
        TreeHead::new(head.entry(), &[]).unwrap_err().code(),
        LedgerCode::LedgerMalformed
    );
}

proptest! {
    /// From any head to any other one, by the records between them alone.
    #[test]
    fn every_prefix_leads_to_the_end((count, size) in (1_usize..40).prop_flat_map(|count| (Just(count), 1..=count))) {
        let records = chain("log", count as u64);
        let end = tree_of(&records);
        let (before, behind) = records.split_at(size);
        let head = tree_of(before);
        let verified = code_of(behind, ChainVerifier::behind_tree(&head).with_tree_head(&end)).unwrap();
        prop_assert_eq!(verified.tree, Some(end));
    }
}
