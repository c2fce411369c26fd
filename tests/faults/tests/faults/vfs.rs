//! SQLite's own file system layer, with everything that is written noted in a [`Journal`].
//!
//! It stands in front of the layer that SQLite brings for this system and hands every call on to it. Files outside of the folder
//! that is recorded are of no interest to it. Memory that is shared by processes (the index of a write-ahead log) isn't noted:
//! SQLite makes it anew after a crash.
#![expect(unsafe_code, reason = "SQLite's layers are tables of C functions")]

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use rusqlite::ffi;

use crate::disk::{Files, Journal};

/// A folder, and what is written in it.
#[derive(Debug)]
struct Recording {
    folder: PathBuf,
    journal: Journal,
    /// Files made since, whose folder SQLite syncs with them the first time.
    made: Vec<usize>,
}

static RECORDING: Mutex<Option<Recording>> = Mutex::new(None);

fn recording() -> MutexGuard<'static, Option<Recording>> {
    RECORDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins to record what SQLite writes in this folder of this process, which holds these files.
pub(crate) fn record(folder: &Path, files: Files) {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(register);
    let before = recording().replace(Recording {
        folder: folder.to_owned(),
        journal: Journal::on(files),
        made: Vec::new(),
    });
    assert!(before.is_none(), "one recording at a time");
}

/// Something was acknowledged.
pub(crate) fn acknowledged() {
    recording().as_mut().unwrap().journal.acknowledged();
}

/// Ends the recording.
pub(crate) fn recorded() -> Journal {
    recording().take().unwrap().journal
}

/// What SQLite takes for a file: this, and behind it the file of the layer below.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    /// Its place in the journal, if it is recorded.
    id: Option<usize>,
}

/// Where the file of the layer below begins; both are of pointers and numbers, so its alignment is that of a pointer or less.
const BELOW: usize = size_of::<File>().next_multiple_of(16);

/// The layer below.
fn inner(vfs: *mut ffi::sqlite3_vfs) -> *mut ffi::sqlite3_vfs {
    // SAFETY: SQLite calls with the table that `register` made, whose `pAppData` is the layer below.
    unsafe { (*vfs).pAppData.cast() }
}

/// The file of the layer below.
fn below(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: SQLite allocates `szOsFile` bytes for each file, which `register` made large enough for both.
    unsafe { file.byte_add(BELOW) }
}

/// The place of a file in the journal.
fn id(file: *mut ffi::sqlite3_file) -> Option<usize> {
    // SAFETY: `open` wrote it before SQLite learned of these methods.
    unsafe { (*file.cast::<File>()).id }
}

/// Calls a method of the file below.
macro_rules! call {
    ($file:expr, $method:ident $(, $argument:expr)*) => {{
        let file = below($file);
        // SAFETY: the file below is open, and the layers of this system have every method of version 2.
        unsafe { ((*(*file).pMethods).$method.unwrap())(file $(, $argument)*) }
    }};
}

/// Calls a function of the layer below.
macro_rules! call_layer {
    ($vfs:expr, $function:ident $(, $argument:expr)*) => {{
        let vfs = inner($vfs);
        // SAFETY: the layers of this system have every function of version 2, and the arguments are SQLite's.
        unsafe { ((*vfs).$function.unwrap())(vfs $(, $argument)*) }
    }};
}

/// A function that only hands on.
macro_rules! forward {
    ($caller:ident: $($name:ident($first:ident: $of:ty $(, $argument:ident: $type:ty)*) $(-> $result:ty)? = $method:ident;)*) => {
        $(unsafe extern "C" fn $name($first: $of $(, $argument: $type)*) $(-> $result)? {
            $caller!($first, $method $(, $argument)*)
        })*
    };
}

forward! { call:
    read(file: *mut ffi::sqlite3_file, to: *mut c_void, count: c_int, at: i64) -> c_int = xRead;
    size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int = xFileSize;
    lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int = xLock;
    unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int = xUnlock;
    check_lock(file: *mut ffi::sqlite3_file, result: *mut c_int) -> c_int = xCheckReservedLock;
    control(file: *mut ffi::sqlite3_file, what: c_int, argument: *mut c_void) -> c_int = xFileControl;
    sector(file: *mut ffi::sqlite3_file) -> c_int = xSectorSize;
    characteristics(file: *mut ffi::sqlite3_file) -> c_int = xDeviceCharacteristics;
    map_shared(file: *mut ffi::sqlite3_file, page: c_int, size: c_int, extend: c_int, to: *mut *mut c_void) -> c_int = xShmMap;
    lock_shared(file: *mut ffi::sqlite3_file, offset: c_int, count: c_int, flags: c_int) -> c_int = xShmLock;
    barrier(file: *mut ffi::sqlite3_file) = xShmBarrier;
    unmap_shared(file: *mut ffi::sqlite3_file, delete: c_int) -> c_int = xShmUnmap;
}

forward! { call_layer:
    access(vfs: *mut ffi::sqlite3_vfs, path: *const c_char, flags: c_int, result: *mut c_int) -> c_int = xAccess;
    full_path(vfs: *mut ffi::sqlite3_vfs, path: *const c_char, length: c_int, to: *mut c_char) -> c_int = xFullPathname;
    randomness(vfs: *mut ffi::sqlite3_vfs, length: c_int, to: *mut c_char) -> c_int = xRandomness;
    sleep(vfs: *mut ffi::sqlite3_vfs, micros: c_int) -> c_int = xSleep;
    last_error(vfs: *mut ffi::sqlite3_vfs, length: c_int, to: *mut c_char) -> c_int = xGetLastError;
    current_time(vfs: *mut ffi::sqlite3_vfs, to: *mut i64) -> c_int = xCurrentTimeInt64;
}

/// The name of a file, if it is recorded.
fn named(recording: &Recording, name: *const c_char) -> Option<PathBuf> {
    if name.is_null() {
        return None;
    }
    // SAFETY: SQLite's names end with a zero byte and outlive the call.
    let name = unsafe { CStr::from_ptr(name) };
    let path = Path::new(OsStr::from_bytes(name.to_bytes()));
    path.starts_with(&recording.folder).then(|| path.to_owned())
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    let mut recording = recording();
    let ours = file.cast::<File>();
    // SAFETY: SQLite gives room for both files.
    unsafe {
        (*ours).base.pMethods = ptr::null();
        (*ours).id = None;
    }
    let opened = call_layer!(vfs, xOpen, name, below(file), flags, out);
    if opened != ffi::SQLITE_OK {
        return opened;
    }
    if let Some(recording) = recording.as_mut()
        && let Some(path) = named(recording, name)
    {
        if recording.journal.id(&path).is_none() {
            let id = recording.journal.open(&path);
            recording.made.push(id);
        }
        // SAFETY: as above.
        unsafe { (*ours).id = recording.journal.id(&path) };
    }
    // SAFETY: as above.
    unsafe { (*ours).base.pMethods = &raw const METHODS };
    opened
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    call!(file, xClose)
}

/// Does something to a file and notes it, with nothing between the two. What fails isn't noted: no layer fails here.
fn noting(
    file: *mut ffi::sqlite3_file,
    run: impl FnOnce() -> c_int,
    note: impl FnOnce(&mut Recording, usize),
) -> c_int {
    let mut recording = recording();
    let done = run();
    if let (ffi::SQLITE_OK, Some(recording), Some(id)) = (done, recording.as_mut(), id(file)) {
        note(recording, id);
    }
    done
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, count: c_int, at: i64) -> c_int {
    let run = || call!(file, xWrite, from, count, at);
    noting(file, run, |recording, id| {
        // SAFETY: SQLite gives so many bytes.
        let bytes = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), usize::try_from(count).unwrap()) };
        recording.journal.write(id, usize::try_from(at).unwrap(), bytes);
    })
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    let run = || call!(file, xTruncate, size);
    noting(file, run, |recording, id| {
        recording.journal.resize(id, usize::try_from(size).unwrap())
    })
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    let run = || call!(file, xSync, flags);
    noting(file, run, |recording, id| {
        recording.journal.sync(id);
        if let Some(at) = recording.made.iter().position(|made| *made == id) {
            recording.made.remove(at);
            let folder = recording.folder.clone();
            recording.journal.sync_folder(&folder);
        }
    })
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    let mut recording = recording();
    let done = call_layer!(vfs, xDelete, name, sync);
    if let (ffi::SQLITE_OK, Some(recording)) = (done, recording.as_mut())
        && let Some(path) = named(recording, name)
    {
        recording.journal.remove(&path);
        if sync != 0 {
            let folder = recording.folder.clone();
            recording.journal.sync_folder(&folder);
        }
    }
    done
}

/// Without `xFetch`, so that SQLite maps no file into memory, of which nothing would be noted.
static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_lock),
    xFileControl: Some(control),
    xSectorSize: Some(sector),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: Some(map_shared),
    xShmLock: Some(lock_shared),
    xShmBarrier: Some(barrier),
    xShmUnmap: Some(unmap_shared),
    xFetch: None,
    xUnfetch: None,
};

/// Puts this layer in front of the one that connections use from now on.
fn register() {
    // SAFETY: the default layer is never taken away, and the table of this one is never freed.
    unsafe {
        assert_eq!(ffi::sqlite3_initialize(), ffi::SQLITE_OK);
        let inner = ffi::sqlite3_vfs_find(ptr::null());
        assert!(!inner.is_null() && (*inner).iVersion >= 2);
        let vfs = Box::leak(Box::new(ffi::sqlite3_vfs {
            iVersion: 2,
            szOsFile: c_int::try_from(BELOW).unwrap() + (*inner).szOsFile,
            mxPathname: (*inner).mxPathname,
            pNext: ptr::null_mut(),
            zName: c"actionpass-recorder".as_ptr(),
            pAppData: inner.cast(),
            xOpen: Some(open),
            xDelete: Some(delete),
            xAccess: Some(access),
            xFullPathname: Some(full_path),
            // No extensions are loaded.
            xDlOpen: None,
            xDlError: None,
            xDlSym: None,
            xDlClose: None,
            xRandomness: Some(randomness),
            xSleep: Some(sleep),
            xCurrentTime: None,
            xGetLastError: Some(last_error),
            xCurrentTimeInt64: Some(current_time),
            xSetSystemCall: None,
            xGetSystemCall: None,
            xNextSystemCall: None,
        }));
        assert_eq!(ffi::sqlite3_vfs_register(vfs, 1), ffi::SQLITE_OK);
    }
}
