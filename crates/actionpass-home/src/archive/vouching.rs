//! Archives that vouch for where a store begins.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use actionpass_store::ledger::{ChainVerifier, LedgerVerifier, MAX_LINE_BYTES, TreeHead, push_jsonl};
use serde::Deserialize;

use super::ArchiveError;
use super::files::{file_error, is_there};
use super::resign::{ResignError, Unvouched};

/// Verifies the archives from the first record of the log on, one behind the other, that they end at this head, and that they pass
/// through the one that was signed last, if it isn't a later one. Only what the archives hold says which of two heads is the forged one.
pub(super) fn verify_archives(
    paths: &[PathBuf],
    mut chain: ChainVerifier,
    whole: &mut LedgerVerifier,
    claimed: &TreeHead,
    former: Option<&TreeHead>,
) -> Result<(), ResignError> {
    let mut bound = former.map(|former| chain.clone().with_tree_head(former));
    let mut contradicted = None;
    for path in in_order(paths)? {
        let named = |source| ResignError::Archive {
            path: path.clone(),
            source,
        };
        let file = File::open(&path).map_err(|error| file_error(&path, error))?;
        let mut failed = None;
        let read = push_jsonl(BufReader::with_capacity(1 << 18, file), whole, |json| {
            if failed.is_none() {
                failed = chain.push(json).err();
            }
            if let (Some(bound), None) = (&mut bound, &contradicted) {
                contradicted = bound.push(json).err();
            }
        });
        let _ = read.map_err(named)?;
        failed.map_or(Ok(()), |error| Err(named(error)))?;
    }
    let (last, begins) = (chain.head().known(), claimed.known());
    if last != Some(begins) {
        return Err(ResignError::Unvouched(Unvouched::Archives { last, begins }));
    }
    if chain.finish()?.tree.as_ref() != Some(claimed) {
        return Err(ResignError::Unvouched(Unvouched::Root(begins)));
    }
    contradicted.map_or(Ok(()), Err)?;
    let _ = bound.map(ChainVerifier::finish).transpose()?;
    Ok(())
}

/// The files by the number of their first record: a shell lists them by name. What has none comes first, and is refused.
fn in_order(paths: &[PathBuf]) -> Result<Vec<PathBuf>, ArchiveError> {
    let mut numbered = Vec::with_capacity(paths.len());
    for path in paths {
        if !is_there(path)? {
            return Err(file_error(path, io::ErrorKind::NotFound.into()));
        }
        let failed = |error| file_error(path, error);
        let file = File::open(path).map_err(failed)?;
        let mut line = Vec::new();
        let limit = MAX_LINE_BYTES as u64;
        let _ = BufReader::new(file.take(limit))
            .read_until(b'\n', &mut line)
            .map_err(failed)?;
        numbered.push((first_of(&line), path.clone()));
    }
    numbered.sort();
    Ok(numbered.into_iter().map(|(_, path)| path).collect())
}

fn first_of(line: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Numbered {
        seq: u64,
    }
    serde_json::from_slice::<Numbered>(line).ok().map(|record| record.seq)
}
