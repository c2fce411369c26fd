//! What is on the disk before anybody is told: in which order a command syncs, renames and speaks.

use std::fs;
use std::path::Path;

use crate::action::ALLOW;
use crate::home::Home;
use crate::program::actionpass;
use crate::watched::watched;

/// `sync PATH`, `rename PATH` and `say`, in order, with paths in the folder; `None` if nobody may watch here.
fn events(home: &Home, program: &Path, args: &[&str]) -> Option<Vec<String>> {
    let calls = "fsync,fdatasync,write,?rename,?renameat,?renameat2";
    let lines = watched("syncs", home, calls, program, args)?;
    let folder = format!("{}/", fs::canonicalize(home.path("")).unwrap().display());
    let event = |line: &str| {
        let (_, call) = line.split_once(' ')?;
        let (name, arguments) = call.trim_start().split_once('(')?;
        match name {
            "fsync" | "fdatasync" => {
                let (_, path) = arguments.split_once('<')?;
                let path = path.split('>').next()?.strip_prefix(&folder)?;
                Some(format!("sync {path}"))
            }
            "write" => arguments.starts_with("1<").then(|| "say".to_owned()),
            // The last text in quotation marks.
            _ => {
                let path = arguments.rsplit('"').nth(1)?;
                Some(format!("rename {}", path.strip_prefix(&folder).unwrap_or(path)))
            }
        }
    };
    Some(lines.lines().filter_map(event).collect())
}

/// G10: after a loss of power there is the trust store of before or the new one, whole.
#[test]
fn g10_a_trust_store_is_synced_takes_its_place_and_its_folder_is_synced() {
    let home = Home::new();
    let revoke = ["revoke", "principal", "agent:rogue", "--reason", "test"];
    let Some(events) = events(&home, actionpass(), &revoke) else {
        return;
    };
    let at = |event: &str| events.iter().position(|known| known.starts_with(event));
    let place = at("rename ").unwrap_or_else(|| panic!("{events:#?}"));
    assert!(events[place].ends_with("home/trust.json"), "{events:#?}");
    assert!(
        at("sync home/trust.json.next").is_some_and(|at| at < place),
        "{events:#?}"
    );
    let folder = events.iter().skip(place).position(|event| event == "sync home");
    assert!(folder.is_some(), "{events:#?}");
    // The record follows, once it is in force.
    let record = at("sync home/ledger.db-wal");
    assert!(record.is_some_and(|at| at > place + folder.unwrap()), "{events:#?}");
}

/// G10, G12: the transaction is durable, then the witness is, then it is told.
#[test]
fn g10_a_record_is_synced_then_witnessed_then_told() {
    let home = Home::new();
    home.pass(ALLOW);
    let Some(events) = events(&home, actionpass(), &["authorize", "--action", ALLOW]) else {
        return;
    };
    let (mut is_durable, mut witnessed) = (false, 0);
    for event in &events {
        match event.as_str() {
            "sync home/ledger.db-wal" => is_durable = true,
            "sync home/ledger.witness" => {
                assert!(is_durable, "witnessed before it was durable: {events:#?}");
                (is_durable, witnessed) = (false, witnessed + 1);
            }
            "say" => assert_eq!(witnessed, 1, "told before it was witnessed: {events:#?}"),
            _ => {}
        }
    }
    assert!(events.iter().any(|event| event == "say"), "{events:#?}");
}

/// That what is synced is seen, and in its order: the tests above rely on it.
#[test]
fn the_check_finds_what_is_synced_too_late() {
    let home = Home::none();
    home.write("a", "a");
    let script = "echo said; sync a; mv a b; sync b";
    let Some(events) = events(&home, Path::new("sh"), &["-c", script]) else {
        return;
    };
    assert_eq!(events, ["say", "sync a", "rename b", "sync b"]);
}
