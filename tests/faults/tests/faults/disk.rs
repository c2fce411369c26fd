//! [`Journal`]: everything that was written, in order, and what of it a disk may hold once the power is gone.
//!
//! What a program may rely on is what POSIX says: the content of a file is on the disk once the file is synced, and its name
//! once its folder is. Until then any part of what was written may be there, in units of a sector, and in any order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::dice::Dice;

/// What a disk writes whole.
const SECTOR: usize = 512;

/// The content of files by their names.
pub(crate) type Files = BTreeMap<PathBuf, Vec<u8>>;

/// A file, whatever its name.
type Id = usize;

#[derive(Clone, Debug)]
enum Event {
    /// Names come to mean other files, or none, at once.
    Names(Vec<(PathBuf, Option<Id>)>),
    Write(Id, usize, Vec<u8>),
    Resize(Id, usize),
    Sync(Id),
    SyncFolder(PathBuf),
    /// Something was acknowledged.
    Acknowledged,
}

/// What is left of what was not synced.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    /// All of it.
    Kept,
    /// Nothing.
    Dropped,
    /// All but the last write, of which only the first sectors are there: so many.
    Torn(usize),
    /// All but the last write, of which the first sectors are missing: so many.
    TornBefore(usize),
    /// Each write is cut off somewhere.
    AllTorn(u64),
    /// Any part of it, in any order.
    Reordered(u64),
}

/// Everything that was written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    /// What was there in the beginning, on the disk.
    base: BTreeMap<Id, Vec<u8>>,
    base_names: BTreeMap<PathBuf, Id>,
    /// What names mean at the end.
    names: BTreeMap<PathBuf, Id>,
    next: Id,
    /// Folders that were made, which are names as well.
    folders: BTreeSet<PathBuf>,
    events: Vec<Event>,
}

impl Journal {
    /// On a disk that holds these files.
    pub(crate) fn on(files: Files) -> Self {
        let mut journal = Self::default();
        for (path, content) in files {
            let id = journal.new_id();
            journal.base.insert(id, content);
            journal.base_names.insert(path, id);
        }
        journal.names.clone_from(&journal.base_names);
        journal
    }

    const fn new_id(&mut self) -> Id {
        self.next += 1;
        self.next
    }

    /// The file of this name, which is made if there is none.
    pub(crate) fn open(&mut self, path: &Path) -> Id {
        if let Some(id) = self.names.get(path) {
            return *id;
        }
        let id = self.new_id();
        self.rename_all(vec![(path.to_owned(), Some(id))]);
        id
    }

    pub(crate) fn id(&self, path: &Path) -> Option<Id> {
        self.names.get(path).copied()
    }

    fn rename_all(&mut self, names: Vec<(PathBuf, Option<Id>)>) {
        for (path, id) in &names {
            match id {
                Some(id) => self.names.insert(path.clone(), *id),
                None => self.names.remove(path),
            };
        }
        self.events.push(Event::Names(names));
    }

    /// Makes a folder.
    pub(crate) fn make_folder(&mut self, path: &Path) {
        self.folders.insert(path.to_owned());
        let id = self.new_id();
        self.rename_all(vec![(path.to_owned(), Some(id))]);
    }

    pub(crate) fn is_folder(&self, path: &Path) -> bool {
        self.folders.contains(path)
    }

    pub(crate) fn write(&mut self, id: Id, at: usize, bytes: &[u8]) {
        self.events.push(Event::Write(id, at, bytes.to_owned()));
    }

    pub(crate) fn resize(&mut self, id: Id, length: usize) {
        self.events.push(Event::Resize(id, length));
    }

    pub(crate) fn sync(&mut self, id: Id) {
        self.events.push(Event::Sync(id));
    }

    pub(crate) fn sync_folder(&mut self, folder: &Path) {
        self.events.push(Event::SyncFolder(folder.to_owned()));
    }

    pub(crate) fn remove(&mut self, path: &Path) {
        if self.names.contains_key(path) {
            self.rename_all(vec![(path.to_owned(), None)]);
        }
    }

    /// Gives a file another name; what had that name has none then.
    pub(crate) fn rename(&mut self, from: &Path, to: &Path) {
        if let Some(id) = self.id(from) {
            self.rename_all(vec![(from.to_owned(), None), (to.to_owned(), Some(id))]);
        }
    }

    /// Gives a file one name more.
    pub(crate) fn link(&mut self, from: &Path, to: &Path) {
        let id = self.id(from).unwrap();
        self.rename_all(vec![(to.to_owned(), Some(id))]);
    }

    pub(crate) fn acknowledged(&mut self) {
        self.events.push(Event::Acknowledged);
    }

    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// How many events acknowledge something before `end`.
    pub(crate) fn acknowledged_before(&self, end: usize) -> usize {
        let events = self.events.iter().take(end);
        events.filter(|event| matches!(event, Event::Acknowledged)).count()
    }

    /// How many sectors the last event before `end` writes.
    pub(crate) fn sectors_before(&self, end: usize) -> usize {
        match end.checked_sub(1).and_then(|last| self.events.get(last)) {
            Some(Event::Write(_, at, bytes)) => pieces(*at, bytes).count(),
            _ => 0,
        }
    }

    /// Whether the power can take anything away before `end`.
    pub(crate) fn has_unsynced_before(&self, end: usize) -> bool {
        self.events[..end]
            .iter()
            .enumerate()
            .any(|(at, event)| self.is_unsynced(at, event, end))
    }

    fn is_unsynced(&self, at: usize, event: &Event, end: usize) -> bool {
        let later = &self.events[at + 1..end];
        match event {
            Event::Write(id, ..) | Event::Resize(id, _) => !later
                .iter()
                .any(|later| matches!(later, Event::Sync(synced) if synced == id)),
            Event::Names(names) => !names.iter().all(|(path, _)| {
                let folder = path.parent().unwrap();
                later
                    .iter()
                    .any(|later| matches!(later, Event::SyncFolder(synced) if synced == folder))
            }),
            _ => false,
        }
    }

    /// What is on the disk if the power goes right after the first `end` events.
    pub(crate) fn after(&self, end: usize, fate: Fate) -> Files {
        let mut disk = Disk {
            names: self.base_names.clone(),
            contents: self.base.clone(),
        };
        let (mut synced, mut unsynced) = (Vec::new(), Vec::new());
        for (at, event) in self.events[..end].iter().enumerate() {
            match self.is_unsynced(at, event, end) {
                true => unsynced.push((at, event)),
                false => synced.push((at, event)),
            }
        }
        match fate {
            Fate::Dropped => disk.apply_all(&synced),
            Fate::Kept => self.in_order(&mut disk, end),
            Fate::Torn(sectors) | Fate::TornBefore(sectors) => {
                self.in_order(&mut disk, end - 1);
                if let Some(Event::Write(id, at, bytes)) = self.events.get(end - 1) {
                    for (number, (at, piece)) in pieces(*at, bytes).enumerate() {
                        if (number < sectors) == matches!(fate, Fate::Torn(_)) {
                            disk.write(*id, at, piece);
                        }
                    }
                }
            }
            Fate::AllTorn(seed) => {
                let mut dice = Dice::new(seed);
                disk.apply_all(&synced);
                for (_, event) in unsynced {
                    match event {
                        Event::Write(id, at, bytes) => {
                            let there = dice.index(pieces(*at, bytes).count() + 1);
                            for (at, piece) in pieces(*at, bytes).take(there) {
                                disk.write(*id, at, piece);
                            }
                        }
                        other => disk.apply(other),
                    }
                }
            }
            Fate::Reordered(seed) => {
                let mut dice = Dice::new(seed);
                disk.apply_all(&synced);
                let likely = dice.below(101);
                dice.shuffle(&mut unsynced);
                for (_, event) in unsynced {
                    match event {
                        Event::Write(id, at, bytes) => {
                            for (at, piece) in pieces(*at, bytes) {
                                if dice.below(100) < likely {
                                    disk.write(*id, at, piece);
                                }
                            }
                        }
                        other if dice.below(100) < likely => disk.apply(other),
                        _ => {}
                    }
                }
            }
        }
        disk.files(&self.folders)
    }

    fn in_order(&self, disk: &mut Disk, end: usize) {
        self.events[..end].iter().for_each(|event| disk.apply(event));
    }
}

/// A write in pieces that don't cross the border of a sector.
fn pieces(at: usize, bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let first = (SECTOR - at % SECTOR).min(bytes.len());
    let (head, rest) = bytes.split_at(first);
    let rest = rest
        .chunks(SECTOR)
        .enumerate()
        .map(move |(number, piece)| (at + first + number * SECTOR, piece));
    std::iter::once((at, head)).chain(rest)
}

struct Disk {
    names: BTreeMap<PathBuf, Id>,
    contents: BTreeMap<Id, Vec<u8>>,
}

impl Disk {
    fn apply_all(&mut self, events: &[(usize, &Event)]) {
        for (_, event) in events {
            self.apply(event);
        }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Names(names) => {
                for (path, id) in names {
                    match id {
                        Some(id) => self.names.insert(path.clone(), *id),
                        None => self.names.remove(path),
                    };
                }
            }
            Event::Write(id, at, bytes) => self.write(*id, *at, bytes),
            Event::Resize(id, length) => self.contents.entry(*id).or_default().resize(*length, 0),
            Event::Sync(_) | Event::SyncFolder(_) | Event::Acknowledged => {}
        }
    }

    fn write(&mut self, id: Id, at: usize, bytes: &[u8]) {
        let content = self.contents.entry(id).or_default();
        let end = at + bytes.len();
        if content.len() < end {
            content.resize(end, 0);
        }
        content[at..end].copy_from_slice(bytes);
    }

    fn files(mut self, folders: &BTreeSet<PathBuf>) -> Files {
        // What was in a folder that isn't there is nowhere.
        let missing: Vec<_> = folders
            .iter()
            .filter(|folder| !self.names.contains_key(*folder))
            .collect();
        let is_there =
            |path: &PathBuf| !folders.contains(path) && !missing.iter().any(|folder| path.starts_with(folder));
        let named = self.names.into_iter().filter(|(path, _)| is_there(path));
        // Two names may mean one file.
        named
            .map(|(path, id)| (path, self.contents.entry(id).or_default().clone()))
            .collect()
    }
}
