//! How often one command opens the files of its home, counted by whoever watches its system calls.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::action::ALLOW;
use crate::home::Home;
use crate::program::actionpass;
use crate::watched::watched;

/// How often each file below a folder was opened while a program ran, by its path in the folder; `None` if nobody may
/// watch here.
fn opened(home: &Home, program: &Path, args: &[&str]) -> Option<BTreeMap<String, usize>> {
    let lines = watched("opens", home, "?open,openat,?openat2", program, args)?;
    let folder = format!("<{}/", fs::canonicalize(home.path("")).unwrap().display());
    let mut counts = BTreeMap::new();
    // `17 openat(AT_FDCWD</tmp/x>, "home/trust.json", O_RDONLY) = 3</tmp/x/home/trust.json>`: what came out is named
    // as it stands on the disk, however it was asked for.
    for line in lines.lines() {
        let Some((_, result)) = line.rsplit_once(" = ") else {
            continue;
        };
        if let Some((_, path)) = result.split_once(&folder) {
            let path = path.trim_end_matches('>').to_owned();
            *counts.entry(path).or_insert(0) += 1;
        }
    }
    Some(counts)
}

/// Configuration, trust, policy and key have one state throughout a command, since each is read once.
#[test]
fn one_authorize_opens_each_settled_file_once() {
    let home = Home::new();
    // The first decision is over, and no file is so young that it has to be read again.
    home.pass(ALLOW);
    thread::sleep(Duration::from_millis(1200));
    let Some(opened) = opened(&home, actionpass(), &["authorize", "--action", ALLOW]) else {
        return;
    };
    let [key] = fs::read_dir(home.path("home/keys"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    let key = format!("home/keys/{key}");
    let settled = ["home/config.toml", "home/policy.toml", "home/trust.json", &key, ALLOW];
    let counts = settled.map(|file| (file, opened.get(file).copied().unwrap_or_default()));
    assert_eq!(counts, settled.map(|file| (file, 1)), "{opened:#?}");
}

/// That what is opened is counted, whoever does it and however it is named: the test above relies on it.
#[test]
fn every_open_is_counted() {
    let home = Home::none();
    for file in ["once", "twice", "never"] {
        home.write(file, file);
    }
    let twice = home.path("twice");
    let script = format!("cat once twice; cd /; cat {}", twice.display());
    let Some(opened) = opened(&home, Path::new("sh"), &["-c", &script]) else {
        return;
    };
    let count = |file: &str| opened.get(file).copied();
    assert_eq!(
        [count("once"), count("twice"), count("never")],
        [Some(1), Some(2), None],
        "{opened:#?}"
    );
}
