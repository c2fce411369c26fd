//! The mutants of where a store begins: each takes out records, or signs a beginning anew, of which something else was to be sure.

use super::{END_TO_END, List, Mutant, Suite};

pub(super) const LIST: List = List {
    name: "archives",
    folder: "crates/actionpass-home/src",
    packages: &END_TO_END,
    suites: &[Suite::of(&["--test=e2e"])
        .only(&["archives::", "signed_heads::"])
        .running_the_program()],
    mutants: MUTANTS,
};

const MUTANTS: &[Mutant] = &[
    // What a store begins at.
    Mutant::new(
        "a signed head of another record is the beginning",
        "archive.rs",
        "if head.head() != beginning.head || head.log() != log {",
        "if head.log() != log {",
    ),
    Mutant::new(
        "the records of an archive are believed unread",
        "archive.rs",
        "read_back(&records, verify_file(&records, chain, &head))?;",
        "let _ = read_back(&records, verify_file(&records, chain, &head));",
    ),
    Mutant::new(
        "a head is handed out that isn't kept",
        "archive/head_file.rs",
        "if let Some(former) = newest
            && !self.keep_head(former, &signed)?
        {",
        "if let Some(former) = newest
            && former.is_some_and(|former| former.is_empty())
        {",
    ),
    // What vouches for it once its key is revoked.
    Mutant::new(
        "archives vouch that end elsewhere",
        "archive/vouching.rs",
        "if last != Some(begins) {",
        "if last.is_none() {",
    ),
    Mutant::new(
        "archives vouch that have another root",
        "archive/vouching.rs",
        "if chain.finish()?.tree.as_ref() != Some(claimed) {",
        "if chain.finish()?.tree.is_none() {",
    ),
    Mutant::new(
        "archives vouch that contradict what was signed last",
        "archive/vouching.rs",
        "contradicted.map_or(Ok(()), Err)?;",
        "let _ = contradicted;",
    ),
    Mutant::new(
        "another head of that size vouches",
        "archive/resign.rs",
        "if signed.head().size() == claimed.size() && signed.head() != claimed {",
        "if signed.head().size() == claimed.size() && signed.head().log() != claimed.log() {",
    ),
    Mutant::new(
        "the record of the archive names another beginning",
        "archive/resign.rs",
        "Some((seq, body)) if !names(&body, claimed) =>",
        "Some((seq, body)) if !names(&body, claimed) && seq == 0 =>",
    ),
    Mutant::new(
        "a beginning that is refused for anything is signed anew",
        "archive/resign.rs",
        "if !is_of_its_key(code.as_str()) {",
        "if code.as_str().is_empty() {",
    ),
];
