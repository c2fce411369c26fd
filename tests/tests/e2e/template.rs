//! [`Template`]: a folder, to be made again in other places.

use std::fs::{self, Permissions};
use std::path::{Path, PathBuf};

use crate::support::everything_in;

/// What is in a folder. Making a home takes several commands, and nearly every test starts from one: what they leave
/// is kept here and written out for each test. All that come from one template have the same keys.
pub(crate) struct Template {
    entries: Vec<Entry>,
}

/// A file or, where there are no bytes, a folder.
struct Entry {
    path: PathBuf,
    permissions: Permissions,
    bytes: Option<Vec<u8>>,
}

impl Template {
    /// Everything in a folder.
    pub(crate) fn of(folder: &Path) -> Self {
        let entry = |path: PathBuf| {
            let metadata = fs::symlink_metadata(&path).unwrap();
            assert!(!metadata.is_symlink(), "{}", path.display());
            Entry {
                path: path.strip_prefix(folder).unwrap().to_owned(),
                permissions: metadata.permissions(),
                bytes: metadata.is_file().then(|| fs::read(&path).unwrap()),
            }
        };
        Self {
            entries: everything_in(folder).into_iter().map(entry).collect(),
        }
    }

    /// Writes it into another folder, which is there and empty.
    pub(crate) fn write(&self, folder: &Path) {
        for Entry { path, bytes, .. } in &self.entries {
            let path = folder.join(path);
            match bytes {
                Some(bytes) => fs::write(path, bytes).unwrap(),
                None => fs::create_dir(path).unwrap(),
            }
        }
        // At last: nothing can be written into a folder that is read-only.
        for Entry { path, permissions, .. } in &self.entries {
            fs::set_permissions(folder.join(path), permissions.clone()).unwrap();
        }
    }
}

#[test]
fn a_home_from_the_template_is_as_init_made_it() {
    use crate::home::{Home, ISSUER};

    let made = Home::none();
    made.run(["init", "--issuer", ISSUER]).exits(0);
    let copy = Home::none();
    Template::of(&made.path("")).write(&copy.path(""));
    let seen = |home: &Home| {
        let mut entries = Template::of(&home.path("")).entries;
        entries.sort_by(|left, right| left.path.cmp(&right.path));
        entries
            .into_iter()
            .map(|entry| (entry.path, entry.permissions, entry.bytes))
            .collect::<Vec<_>>()
    };
    assert_eq!(seen(&made), seen(&copy));
    assert!(seen(&copy).len() >= 8);
    copy.run(["doctor"]).exits(0);
}
