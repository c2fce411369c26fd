//! Folders that go with the test program.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A folder for one server. It is removed when this is dropped, and when the test program ends in any other way: servers
/// live in statics, which are never dropped.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    guard: Child,
}

/// Removes its folder once nothing holds the other end of its standard input any more.
const GUARD: &str = r#"cat >/dev/null; rm -rf "$1""#;

impl Folder {
    /// A new folder, only for this user.
    ///
    /// # Panics
    /// If it can't be made, or there is no shell.
    #[must_use]
    pub fn new() -> Self {
        let path = tempfile::tempdir()
            .expect("there is a folder for temporary files")
            .keep();
        let guard = Command::new("sh")
            .args(["-c", GUARD, "sh"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("there is a shell");
        Self { path, guard }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}
