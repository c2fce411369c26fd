//! Reading by somebody who may not write: an auditor, a read-only mount, a snapshot of a disk.

use std::fs;
use std::path::Path;
use std::process::Command;

use rusqlite::Connection;

use crate::action::ALLOW;
use crate::home::{Home, Ran};
use crate::program::actionpass;
#[cfg(unix)]
use crate::support::everything_in;

/// Somebody without rights, where this runs as root.
const NOBODY: &str = "65534";

/// Whether what this program made belongs to root, who may write anything.
#[cfg(unix)]
fn is_root(made: &Path) -> bool {
    std::os::unix::fs::MetadataExt::uid(&fs::metadata(made).unwrap()) == 0
}

/// Takes every right to write in the home's folder from all, and gives what is there to somebody who isn't root.
#[cfg(unix)]
fn only_to_be_read(home: &Home) {
    use std::os::unix::fs::PermissionsExt;

    let folder = home.path("home");
    for path in everything_in(&folder).into_iter().chain([folder]) {
        let mode = if path.is_dir() { 0o500 } else { 0o400 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        if is_root(&path) {
            std::os::unix::fs::chown(&path, NOBODY.parse().ok(), NOBODY.parse().ok()).unwrap();
        }
    }
    fs::set_permissions(home.path("."), fs::Permissions::from_mode(0o755)).unwrap();
}

/// The right to write is given back, so that the folder can be taken away.
#[cfg(unix)]
fn to_be_written(home: &Home) {
    use std::os::unix::fs::PermissionsExt;

    for folder in ["home", "home/keys", "home/examples"] {
        fs::set_permissions(home.path(folder), fs::Permissions::from_mode(0o700)).unwrap();
    }
}

/// Runs a command as somebody who isn't root.
fn run(home: &Home, args: &[&str]) -> Ran {
    let mut command = if is_root(&home.path(".")) {
        // Where somebody else may run it.
        let program = home.path("actionpass");
        if !program.exists() {
            fs::copy(actionpass(), &program).unwrap();
        }
        let who = ["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"];
        let mut command: Command = home.command_of("/usr/bin/setpriv", who);
        command.arg(program).args(args);
        command
    } else {
        home.command(args)
    };
    home.finish(command.arg("--json").spawn().unwrap())
}

#[cfg(unix)]
#[test]
fn a_home_that_may_only_be_read_is_read() {
    for with_log in [false, true] {
        let home = Home::new();
        home.run(["authorize", "--action", ALLOW]).exits(0);
        let size = home.records().len() + usize::from(with_log);
        let (db, log) = (home.path("home/ledger.db"), home.path("home/ledger.db-wal"));
        if with_log {
            // Somebody else has the store open, so the command that ends doesn't take its log into the file.
            let other = Connection::open(&db).unwrap();
            let _: i64 = other
                .query_row("SELECT count(*) FROM record", [], |row| row.get(0))
                .unwrap();
            home.run(["authorize", "--action", ALLOW]).exits(0);
            let copies = [&db, &log].map(|path| fs::read(path).unwrap());
            drop(other);
            fs::write(&db, &copies[0]).unwrap();
            fs::write(&log, &copies[1]).unwrap();
        }
        assert_eq!(log.exists(), with_log);
        only_to_be_read(&home);
        let verified = run(&home, &["ledger", "verify"]).exits(0);
        assert_eq!(verified.json()["size"], size, "{with_log}");
        let shown = run(&home, &["ledger", "show"]).exits(0);
        assert_eq!(shown.json()["records"].as_array().map(Vec::len), Some(size));
        let exported = run(&home, &["ledger", "export"]).exits(0);
        assert_eq!(exported.json()["records"].as_array().map(Vec::len), Some(size));
        let doctor = run(&home, &["doctor"]).exits(0).json();
        assert_eq!(doctor["healthy"], true, "{doctor}");
        run(&home, &["trust", "show"]).exits(0);
        // Whoever would write is told so, and nothing is decided.
        run(&home, &["authorize", "--action", ALLOW]).fails(40, "store_read_only");
        run(&home, &["ledger", "erase", "--older-than", "1d", "--reason", "x"]).fails(40, "store_read_only");
        assert_eq!(log.exists(), with_log);
        to_be_written(&home);
    }
}

/// Exports travel through programs that end lines otherwise, or add some.
#[test]
fn exports_that_travelled_are_verified() {
    let home = Home::new();
    home.run(["authorize", "--action", ALLOW]).exits(0);
    let export = home.talk(["ledger", "export"]).exits(0).stdout;
    let size = export.lines().count();
    for (file, text) in [
        ("crlf", export.replace('\n', "\r\n")),
        ("blank", format!("{export}\n\n")),
        ("both", format!("{}\r\n\r\n", export.replace('\n', "\r\n"))),
        ("unended", export.trim_end().to_owned()),
    ] {
        home.write(file, text);
        let verified = home.run(["ledger", "verify", file]).exits(0);
        assert_eq!(verified.json()["size"], size, "{file}");
    }
    for (file, text) in [
        ("gap", export.replacen('\n', "\n\n", 1)),
        ("blanks", export.replacen('\n', " \n", 1)),
        ("returns", export.replacen('\n', "\r\r\n", 1)),
    ] {
        home.write(file, text);
        home.run(["ledger", "verify", file]).fails(30, "ledger_malformed");
    }
}
