//! What strace tells of a command, as a [`Journal`] of the folder that it wrote into.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use crate::disk::{Files, Journal};

/// The calls that the journal is made of, and those that would change a file without it: they are refused.
pub(crate) const CALLS: &str = "openat,?open,?creat,read,write,pwrite64,lseek,ftruncate,?truncate,fsync,fdatasync,?rename,?renameat,\
     ?renameat2,?link,linkat,?unlink,unlinkat,?mkdir,mkdirat,writev,pwritev,?pwritev2,fallocate,copy_file_range,sendfile,?splice";

/// Reads what `strace -f -y -xx` wrote of a command; what it says on standard output acknowledges something.
pub(crate) fn journal(lines: &str, folder: &Path, before: Files) -> Journal {
    let mut trace = Trace {
        folder,
        journal: Journal::on(before),
        places: HashMap::new(),
    };
    // Calls that another thread's stand between the beginning and the end of.
    let mut begun: HashMap<&str, &str> = HashMap::new();
    for line in lines.lines() {
        let Some((thread, call)) = line.split_once(' ') else {
            continue;
        };
        let call = call.trim_start();
        if let Some(beginning) = call.strip_suffix(" <unfinished ...>") {
            begun.insert(thread, beginning);
        } else if let Some((_, end)) = call.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>")) {
            // One that exits is begun and never resumed.
            let beginning = begun.remove(thread).unwrap();
            trace.call(&format!("{beginning}{end}"));
        } else {
            trace.call(call);
        }
    }
    trace.journal
}

struct Trace<'a> {
    folder: &'a Path,
    journal: Journal,
    /// Where the next byte of an open file is written, and whether that is always its end.
    places: HashMap<String, usize>,
}

impl Trace<'_> {
    fn call(&mut self, call: &str) -> Option<()> {
        let (name, rest) = call.split_once('(')?;
        let (arguments, result) = rest.rsplit_once(" = ")?;
        let arguments: Vec<&str> = arguments.trim_end().strip_suffix(')')?.split(", ").collect();
        if result.starts_with('-') || result.starts_with('?') {
            return None;
        }
        let first = *arguments.first()?;
        let argument = |place: usize| arguments.get(place).copied();
        let number = |place: usize| argument(place)?.parse::<usize>().ok();
        let returned = result.split(['<', ' ']).next()?.parse::<usize>().ok();
        match name {
            "open" | "creat" | "truncate" => assert!(self.inside(text(first)?).is_none(), "{call}"),
            "openat" => {
                let path = self.inside(at(first, argument(1)?)?)?;
                let flags = argument(2)?;
                let is_new = self.journal.id(&path).is_none();
                if flags.contains("O_CREAT") && is_new {
                    self.journal.open(&path);
                }
                assert!(!flags.contains("O_APPEND"), "{call}");
                if flags.contains("O_TRUNC") && !is_new {
                    let id = self.journal.id(&path)?;
                    self.journal.resize(id, 0);
                }
                self.places.insert(descriptor(result)?.to_owned(), 0);
            }
            "read" => *self.places.get_mut(descriptor(first)?)? += returned?,
            "lseek" => *self.places.get_mut(descriptor(first)?)? = returned?,
            "write" if first.starts_with("1<") => self.journal.acknowledged(),
            "write" => {
                let id = self.file(first)?;
                let place = self.places.get_mut(descriptor(first)?)?;
                let from = *place;
                *place += returned?;
                self.journal.write(id, from, bytes(argument(1)?).get(..returned?)?);
            }
            "pwrite64" => {
                let id = self.file(first)?;
                self.journal
                    .write(id, number(3)?, bytes(argument(1)?).get(..returned?)?);
            }
            "ftruncate" => {
                let id = self.file(first)?;
                self.journal.resize(id, number(1)?);
            }
            "fsync" | "fdatasync" => {
                let path = self.inside(opened(first)?)?;
                match self.journal.id(&path) {
                    Some(id) if !self.journal.is_folder(&path) => self.journal.sync(id),
                    _ => self.journal.sync_folder(&path),
                }
            }
            "rename" | "renameat" | "renameat2" | "link" | "linkat" => {
                let (from, to) = match name.contains("at") {
                    false => (text(first)?, text(argument(1)?)?),
                    true => (at(first, argument(1)?)?, at(argument(2)?, argument(3)?)?),
                };
                let (from, to) = (self.inside(from)?, self.inside(to)?);
                match name.starts_with("rename") {
                    true => self.journal.rename(&from, &to),
                    false => self.journal.link(&from, &to),
                }
            }
            "mkdir" => {
                let path = self.inside(text(first)?)?;
                self.journal.make_folder(&path);
            }
            "mkdirat" => {
                let path = self.inside(at(first, argument(1)?)?)?;
                self.journal.make_folder(&path);
            }
            "unlink" => {
                let path = self.inside(text(first)?)?;
                self.journal.remove(&path);
            }
            "unlinkat" => {
                let path = self.inside(at(first, argument(1)?)?)?;
                self.journal.remove(&path);
            }
            // These would write what the journal doesn't know.
            _ => {
                let written = arguments.iter().filter_map(|argument| opened(argument));
                assert!(written.filter_map(|path| self.inside(path)).next().is_none(), "{call}");
            }
        }
        Some(())
    }

    /// A path, if it is in the folder and kept on a disk.
    fn inside(&self, path: PathBuf) -> Option<PathBuf> {
        (path.starts_with(self.folder) && !path.to_string_lossy().ends_with("-shm")).then_some(path)
    }

    /// The file that a descriptor stands for.
    fn file(&self, argument: &str) -> Option<usize> {
        self.journal.id(&self.inside(opened(argument)?)?)
    }
}

/// The number of `3<path>`.
fn descriptor(argument: &str) -> Option<&str> {
    argument.split('<').next()
}

/// The path of `3<path>`.
fn opened(argument: &str) -> Option<PathBuf> {
    let (_, rest) = argument.split_once('<')?;
    let (path, _) = rest.split_once('>')?;
    Some(path_of(bytes(path)))
}

/// The path of a folder's descriptor and a text.
fn at(folder: &str, path: &str) -> Option<PathBuf> {
    Some(opened(folder).unwrap_or_default().join(text(path)?))
}

/// A path that must be absolute, or is of no interest.
fn text(argument: &str) -> Option<PathBuf> {
    Some(path_of(bytes(argument)))
}

fn path_of(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}

/// The bytes of `"\x61\x62"`.
fn bytes(argument: &str) -> Vec<u8> {
    let digits = argument.trim_matches('"').split("\\x").skip(1);
    digits.map(|digits| u8::from_str_radix(digits, 16).unwrap()).collect()
}
