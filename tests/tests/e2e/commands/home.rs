//! `init`, `doctor`, and what a home must be.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::Transcript;
use crate::action::ALLOW;
use crate::home::{Home, ISSUER};
use crate::support::everything_in;

#[test]
fn init() {
    let home = Home::none();
    let mut transcript = Transcript::of(&home);
    transcript.run(&["init", "--issuer", ISSUER]);
    transcript.run(&["init", "--issuer", ISSUER]);
    transcript.run(&["init", "--json"]);
    transcript.run(&["--home", "a b", "init", "--tenant", "org:acme"]);
    transcript.run(&["init", "--home", "second", "--json"]);
    transcript.run(&["init", "--issuer", "nonsense"]);
    transcript.run(&["init", "--tenant", "acme", "--json"]);
    let config = home.read("a b/config.toml");
    assert!(config.contains("tenants = [\"org:acme\"]"), "{config}");
    let example = home.read("a b/examples/allow.json");
    assert!(
        example.contains("\"org:acme\"") && !example.contains("org:example"),
        "{example}"
    );
    transcript.check("init");
}

#[test]
fn nobody_else_reads_or_writes_what_init_makes() {
    let home = Home::with_approvers();
    let folder = home.path("home");
    let mut seen = 0;
    for path in everything_in(&folder).into_iter().chain([folder]) {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        // Lock files hold nothing.
        if path.extension().is_none_or(|extension| extension != "lock") {
            assert_eq!(mode, wanted, "{}: {mode:o}", path.display());
        }
        seen += 1;
    }
    assert!(seen >= 12, "{seen}");
}

#[test]
fn a_home_is_never_found_by_walking_up() {
    let home = Home::with_approvers();
    let below = home.path("home/examples");
    let ran = home
        .command(["ledger", "show", "--json"])
        .env_remove("ACTIONPASS_HOME")
        .env("HOME", "/nonexistent")
        .current_dir(below)
        .output();
    let ran = ran.unwrap();
    assert_eq!(ran.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&ran.stdout).contains("home_missing"));
}

#[test]
fn homes_are_found_by_option_variable_and_data_folder() {
    let home = Home::with_approvers();
    let found = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = home.command(args);
        command.env_remove("ACTIONPASS_HOME");
        for (name, value) in variables {
            command.env(name, value.replace("DIR", &home.path("").display().to_string()));
        }
        command.output().unwrap().status.success()
    };
    fs::create_dir_all(home.path("data")).unwrap();
    fs::create_dir_all(home.path("user/.local/share")).unwrap();
    for place in ["data/actionpass", "user/.local/share/actionpass"] {
        std::os::unix::fs::symlink(home.path("home"), home.path(place)).unwrap();
    }
    let show = ["ledger", "show"];
    assert!(found(
        &["--home", "home", "ledger", "show"],
        &[("ACTIONPASS_HOME", "DIR/nothing")]
    ));
    assert!(found(&show, &[("ACTIONPASS_HOME", "DIR/home")]));
    assert!(found(&show, &[("XDG_DATA_HOME", "DIR/data"), ("HOME", "DIR/nothing")]));
    assert!(found(&show, &[("HOME", "DIR/user")]));
    // A relative path there is invalid by the specification of those folders.
    assert!(!found(&show, &[("XDG_DATA_HOME", "data"), ("HOME", "DIR/nothing")]));
    assert!(!found(&show, &[]));
}

#[test]
fn a_home_that_others_can_write_is_refused() {
    let home = Home::with_approvers();
    let mut transcript = Transcript::of(&home);
    let chmod = |name: &str, mode| fs::set_permissions(home.path(name), PermissionsExt::from_mode(mode)).unwrap();
    for (name, was) in [
        ("home", 0o700),
        ("home/config.toml", 0o600),
        ("home/policy.toml", 0o600),
        ("home/trust.json", 0o600),
        ("home/ledger.db", 0o600),
        ("home/keys", 0o700),
    ] {
        for mode in [0o720, 0o702] {
            chmod(name, mode);
            let ran = home.talk(["authorize", "--action", ALLOW, "--json"]);
            assert_eq!(
                (ran.exit, ran.code().as_str()),
                (40, "home_not_private"),
                "{name} {mode:o}"
            );
        }
        chmod(name, was);
    }
    chmod("home", 0o777);
    transcript.run(&["authorize", "--action", ALLOW]);
    transcript.run(&["doctor"]);
    chmod("home", 0o700);
    transcript.run(&["doctor"]);
    transcript.check("home_not_private");
}

#[test]
fn doctor() {
    let home = Home::with_approvers();
    let mut transcript = Transcript::of(&home);
    transcript.run(&["doctor", "--json"]);
    let home = home.path("home");
    let policy = fs::read_to_string(home.join("policy.toml")).unwrap();
    fs::write(
        home.join("policy.toml"),
        policy.replacen("effect = \"allow\"", "efect = \"allow\"", 1),
    )
    .unwrap();
    transcript.run(&["doctor"]);
    fs::write(home.join("policy.toml"), policy).unwrap();

    let key = fs::read_dir(home.join("keys")).unwrap().next().unwrap().unwrap().path();
    fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    transcript.run(&["doctor"]);
    fs::remove_file(&key).unwrap();
    transcript.run(&["doctor"]);
    transcript.run(&["doctor", "--json"]);
    fs::write(home.join("trust.json"), "{}").unwrap();
    transcript.run(&["doctor"]);
    fs::write(home.join("config.toml"), "issuer = 1\n").unwrap();
    transcript.run(&["doctor"]);
    transcript.run(&["doctor", "--home", "nowhere"]);
    transcript.check("doctor");
}
