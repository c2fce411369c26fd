//! The power goes, at any moment of a run, and takes any part of what was not synced with it.
//!
//! A run is recorded once. Then each of its moments is a disk of its own, for each fate of what was not synced, and the oracle
//! looks at it with what was acknowledged until that moment.

mod a_home;
mod the_store;

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;

use tempfile::TempDir;

use crate::dice::{Dice, count, is_long};
use crate::disk::{Fate, Files, Journal};

/// A folder in memory, where there is one: nothing in it has to outlive anything.
pub(crate) fn folder_in_memory() -> TempDir {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => tempfile::tempdir_in(memory).unwrap(),
        false => tempfile::tempdir().unwrap(),
    }
}

/// The regular files below a folder.
pub(crate) fn files_of(folder: &Path) -> Files {
    let mut files = Files::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_of(&path));
        } else {
            let content = fs::read(&path).unwrap();
            files.insert(path, content);
        }
    }
    files
}

/// Puts the files of one folder into another, each for its owner alone.
pub(crate) fn put(files: &Files, from: &Path, to: &Path) {
    for (path, content) in files {
        let path = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&path, mode).unwrap();
    }
}

/// The moments of a journal with the fates to try at each: whole ones, torn writes, and so many reorderings. In a usual run at
/// most so many others than reorderings; in a long one all of them, and 200 reorderings at each moment.
fn disasters(journal: &Journal, dice: &mut Dice, usual: usize, reorderings: usize) -> Vec<(usize, Fate)> {
    let ends: Vec<usize> = (0..=journal.len())
        .filter(|end| journal.has_unsynced_before(*end))
        .collect();
    let mut all = Vec::new();
    for end in &ends {
        all.extend([
            (*end, Fate::Kept),
            (*end, Fate::Dropped),
            (*end, Fate::AllTorn(dice.next())),
        ]);
        for sectors in 1..journal.sectors_before(*end) {
            all.extend([(*end, Fate::Torn(sectors)), (*end, Fate::TornBefore(sectors))]);
        }
    }
    let mut all = dice.sample(all, count(usual, usize::MAX));
    // What was acknowledged last is what is lost first.
    let last = journal.len();
    all.extend([(last, Fate::Dropped), (last, Fate::AllTorn(dice.next()))]);
    for _ in 0..reorderings {
        let end = match dice.below(4) {
            0 => last,
            _ => *dice.pick(&ends),
        };
        all.push((end, Fate::Reordered(dice.next())));
    }
    if is_long() {
        for end in &ends {
            all.extend((0..200).map(|_| (*end, Fate::Reordered(dice.next()))));
        }
    }
    all
}

/// What tells a disk, and whether anything was acknowledged, from others: each is looked at once.
fn print_of(files: &Files, acknowledged: usize) -> u64 {
    let mut hasher = DefaultHasher::new();
    (files, acknowledged).hash(&mut hasher);
    hasher.finish()
}

/// Memory that processes share is on no disk.
fn without_shared_memory(mut files: Files) -> Files {
    files.retain(|path, _| !path.to_string_lossy().ends_with("-shm"));
    files
}
