//! What these tests wait and look with.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Nobody waits longer for something to become so: a machine that runs other tests is slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something is so, and says how long that took.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
    start.elapsed()
}

/// Everything in a folder and in the folders in it, whatever it is; not the folder itself.
#[track_caller]
pub(crate) fn everything_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found
}

/// Every file among it.
#[track_caller]
pub(crate) fn files_in(folder: &Path) -> impl Iterator<Item = PathBuf> {
    everything_in(folder).into_iter().filter(|path| !path.is_dir())
}
