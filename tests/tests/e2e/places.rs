//! Where a home is found, and whose home is believed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::action::ALLOW;
use crate::home::Home;
use crate::support::everything_in;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// An agent that works in a folder could plant a home there.
#[test]
fn a_home_is_never_found_by_walking_up() {
    let planted = Home::new();
    // As many places as a search might look in: the folder itself, those above it, by every likely name.
    let deep = planted.path("work/project/src");
    fs::create_dir_all(&deep).unwrap();
    let mut folder = deep.as_path();
    while folder.starts_with(planted.path("")) {
        for name in [
            "",
            ".actionpass",
            "actionpass",
            ".config/actionpass",
            ".local/share/actionpass",
            "home",
        ] {
            let place = folder.join(name);
            if !place.join("config.toml").exists() {
                copy(&planted.path("home"), &place);
            }
        }
        folder = folder.parent().unwrap();
    }
    let empty = tempfile::tempdir().unwrap();
    let mut command = planted.command(["keys", "list", "--json"]);
    command
        .env_remove("ACTIONPASS_HOME")
        .current_dir(&deep)
        .env("HOME", empty.path());
    let ran = planted.finish(command.spawn().unwrap()).fails(2, "home_missing");
    assert!(ran.stdout.contains(&empty.path().display().to_string()), "{ran:?}");
    // Nor through relative paths in the environment, which would be places below the current folder.
    for (name, value) in [("XDG_DATA_HOME", ".local/share"), ("HOME", ".")] {
        let mut command = planted.command(["keys", "list", "--json"]);
        command
            .env_remove("ACTIONPASS_HOME")
            .current_dir(&deep)
            .env(name, value);
        planted.finish(command.spawn().unwrap()).fails(2, "home_missing");
    }
    // And verifying asks no such home for its issuer and trust.
    let pass = planted.pass(ALLOW);
    let mut command = planted.command(["verify", "--json", "--token"]);
    command
        .arg(planted.path(&pass))
        .arg("--action")
        .arg(planted.path(ALLOW));
    command
        .env_remove("ACTIONPASS_HOME")
        .current_dir(&deep)
        .env("HOME", empty.path());
    planted.finish(command.spawn().unwrap()).fails(2, "option_missing");
}

/// Copies the files of a home, but for its ledger: what is planted needs none to be found.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in ["config.toml", "trust.json", "policy.toml"] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

#[test]
fn a_home_is_found_where_it_is_said() {
    let home = Home::none();
    let at = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = home.command(arguments);
        command.arg("--json").env_remove("ACTIONPASS_HOME");
        for (name, value) in variables {
            command.env(name, home.path(value));
        }
        home.finish(command.spawn().unwrap())
    };
    at(&["init"], &[("HOME", "user")]).exits(0);
    assert!(home.path("user/.local/share/actionpass/config.toml").exists());
    at(&["init"], &[("HOME", "user"), ("XDG_DATA_HOME", "data")]).exits(0);
    assert!(home.path("data/actionpass/config.toml").exists());
    at(&["init"], &[("HOME", "user"), ("ACTIONPASS_HOME", "variable")]).exits(0);
    assert!(home.path("variable/config.toml").exists());
    at(
        &["init", "--home", "option"],
        &[("HOME", "user"), ("ACTIONPASS_HOME", "variable")],
    )
    .exits(0);
    assert!(home.path("option/config.toml").exists());
    // Four homes, each its own.
    at(&["doctor"], &[("HOME", "user")]).exits(0);
    at(&["init"], &[("HOME", "user")]).fails(2, "home_exists");
}

#[test]
fn a_home_that_others_can_write_is_refused() {
    let home = Home::new();
    let pass = home.pass(ALLOW);
    let commands: [&[&str]; 4] = [
        &["authorize", "--action", ALLOW],
        &["verify", "--token", &pass, "--action", ALLOW],
        &["verify", "--token", &pass, "--action", ALLOW, "--consume"],
        &["keys", "rotate"],
    ];
    for mode in [0o770, 0o702, 0o777, 0o1777] {
        set_mode(&home.path("home"), mode);
        for command in commands {
            home.run(command).fails(40, "home_not_private");
        }
    }
    set_mode(&home.path("home"), 0o755);
    home.run(["authorize", "--action", ALLOW]).exits(0);
    for (file, open, private) in [
        ("home/config.toml", 0o620, 0o600),
        ("home/policy.toml", 0o602, 0o600),
        ("home/trust.json", 0o666, 0o600),
        ("home/ledger.db", 0o660, 0o600),
    ] {
        set_mode(&home.path(file), open);
        let refused = home.run(["authorize", "--action", ALLOW]);
        assert!(
            refused.exit == 40 && refused.code().ends_with("_not_private"),
            "{file}: {refused:#?}"
        );
        set_mode(&home.path(file), private);
        home.run(["authorize", "--action", ALLOW]).exits(0);
    }
}

/// What `init` makes is for its owner alone.
#[test]
fn what_is_made_is_private() {
    let home = Home::with_maintainer();
    home.pass(ALLOW);
    home.run(["keys", "rotate"]).exits(0);
    let folder = home.path("home");
    for path in everything_in(&folder).into_iter().chain([folder]) {
        let metadata = fs::metadata(&path).unwrap();
        let mode = metadata.permissions().mode() & 0o777;
        if metadata.is_dir() {
            assert_eq!(mode, 0o700, "{path:?}");
            continue;
        }
        // The lock of the trust store is empty: nothing of it can be read.
        let is_empty = metadata.len() == 0;
        assert!(mode == 0o600 || is_empty && mode & 0o022 == 0, "{path:?}: {mode:o}");
    }
    let key = home.path(&crate::home::key_file(crate::home::MAINTAINER));
    assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
}

/// `init` overwrites nothing: no home, and no folder that is in use.
#[test]
fn init_overwrites_nothing() {
    let home = Home::new();
    let before = home.read("home/config.toml");
    home.run(["init"]).fails(2, "home_exists");
    assert_eq!(home.read("home/config.toml"), before);
    fs::create_dir(home.path("used")).unwrap();
    home.write("used/notes.txt", "mine");
    home.run(["init", "--home", "used"]).fails(2, "home_exists");
    assert_eq!(fs::read_dir(home.path("used")).unwrap().count(), 1);
}
