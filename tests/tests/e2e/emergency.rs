//! Revoking when something is broken: the configuration, the ledger, a trust store that went back, a link, a lock.

use std::fs::{self, File};
use std::time::Instant;

use serde_json::{Value, json};

use crate::action::ALLOW;
use crate::back;
use crate::home::Home;

const TRUST: &str = "home/trust.json";

/// What breaks, how, and the code that the warning has.
type Breakage = (&'static str, fn(&Home), &'static str);

const BREAKAGES: [Breakage; 5] = [
    (
        "the configuration is damaged",
        |home| append(home, "home/config.toml", "x = ["),
        "config_invalid",
    ),
    (
        "the configuration is gone",
        |home| fs::remove_file(home.path("home/config.toml")).unwrap(),
        "file_unreadable",
    ),
    (
        "the ledger is gone",
        |home| fs::remove_file(home.path("home/ledger.db")).unwrap(),
        "store_missing",
    ),
    (
        "the ledger is no database",
        |home| drop(home.write("home/ledger.db", "SQLite, once")),
        "store_foreign",
    ),
    (
        "the witness is damaged",
        |home| drop(home.write("home/ledger.witness", "?")),
        "store_corrupt",
    ),
];

fn append(home: &Home, file: &str, text: &str) {
    home.write(file, home.read(file) + text);
}

fn trust(home: &Home) -> Value {
    serde_json::from_str(&home.read(TRUST)).unwrap()
}

fn revoke(home: &Home, agent: &str) -> crate::home::Ran {
    home.run(["revoke", "principal", agent, "--reason", "stolen"])
}

/// Verifies `pass.jwt` as an executor does, which has the trust store and no home.
fn verify_outside(home: &Home, more: &[&str]) -> crate::home::Ran {
    let tool = crate::action::read(home, ALLOW)["capability"]["tool"].take();
    let call = ["verify", "--token", "pass.jwt", "--action", ALLOW];
    let accepted = ["--trust", TRUST, "--issuer", crate::home::ISSUER];
    let served = ["--audience", tool.as_str().unwrap(), "--tenant", "org:example"];
    home.run([&call[..], &accepted, &served, more].concat())
}

/// The targets of the revocations in the trust store.
fn revoked(home: &Home) -> Vec<String> {
    let trust = trust(home);
    let revocations = trust["revocations"].as_array().unwrap().iter();
    revocations
        .map(|revocation| revocation["target"]["id"].as_str().unwrap().to_owned())
        .collect()
}

/// The targets of the revocations in the ledger.
fn recorded(home: &Home) -> Vec<String> {
    let records = home
        .records()
        .into_iter()
        .filter(|record| record["kind"] == "revocation");
    records
        .map(|record| {
            record["body"]["revocation"]["target"]["id"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect()
}

/// The newest version of the trust store that the witness has seen.
fn witnessed(home: &Home) -> u64 {
    let said = home.read("home/ledger.witness");
    let places = said
        .lines()
        .map(|line| line.split(' ').nth(4).unwrap().parse().unwrap());
    places.max().unwrap()
}

/// A copy of everything in the home that a breakage touches.
fn copies(home: &Home) -> Vec<(&'static str, Vec<u8>)> {
    let files = ["home/config.toml", "home/ledger.db", "home/ledger.witness"];
    let _ = back::copy(home);
    files.map(|file| (file, fs::read(home.path(file)).unwrap())).into()
}

#[test]
fn g07_what_is_stolen_is_revoked_whatever_is_broken() {
    for (what, break_it, code) in BREAKAGES {
        let home = Home::new();
        home.pass_into("pass.jwt", ALLOW);
        let copies = copies(&home);
        break_it(&home);
        let said = revoke(&home, "agent:codex-prod").exits(0).json();
        assert_eq!(
            (&said["warning"]["code"], &said["record"]),
            (&json!(code), &Value::Null),
            "{what}"
        );
        assert_eq!(revoked(&home), ["agent:codex-prod"], "{what}");
        // Executors go by it at once, and it is recorded as soon as it can be.
        verify_outside(&home, &[]).refuses(23, &["principal_revoked"]);
        for (file, bytes) in copies {
            home.write(file, bytes);
        }
        home.run(["doctor"]);
        home.run(["authorize", "--action", ALLOW]).exits(10);
        assert_eq!(recorded(&home), ["agent:codex-prod"], "{what}");
    }
}

/// A trust store that was restored from an older copy: what was revoked since is put back out of the ledger, in a version
/// above both, also where the copy was of the same version or was changed since.
#[test]
fn g07_revoking_puts_back_what_an_older_trust_store_lacks() {
    for revocations_after in [0, 1, 3] {
        let home = Home::new();
        let before = home.read(TRUST);
        for agent in ["agent:a", "agent:b"] {
            let said = revoke(&home, agent).exits(0).json();
            assert_eq!((&said["putBack"], &said["warning"]), (&Value::Null, &Value::Null));
        }
        let newest = trust(&home)["version"].as_u64().unwrap();
        home.write(TRUST, before);
        // By a program that sees no ledger, as `revoke` is without one.
        let ledger = back::copy(&home);
        fs::remove_file(home.path("home/ledger.db")).unwrap();
        let agents: Vec<String> = (0..revocations_after).map(|number| format!("agent:{number}")).collect();
        for agent in &agents {
            revoke(&home, agent).exits(0);
        }
        back::put_back(&home, &ledger);
        assert_eq!(revoked(&home), agents);
        assert_eq!(
            trust(&home)["version"].as_u64() > Some(newest),
            revocations_after == 3,
            "{revocations_after}"
        );

        home.run(["authorize", "--action", ALLOW])
            .fails(26, "trust_rolled_back");
        home.run(["trust", "refresh"]).fails(26, "trust_rolled_back");
        let said = revoke(&home, "agent:c").exits(0).json();
        assert_eq!(said["putBack"]["revocations"].as_array().map(Vec::len), Some(2));
        let mut all = [&agents[..], &["agent:a", "agent:b", "agent:c"].map(String::from)].concat();
        assert_eq!(revoked(&home), all);
        let version = trust(&home)["version"].as_u64();
        assert!(version > Some(newest + 1), "{version:?} {newest}");
        home.run(["authorize", "--action", ALLOW]).exits(0);
        let mut recorded = recorded(&home);
        recorded.sort();
        all.sort();
        assert_eq!(recorded, all);
    }
}

#[test]
fn an_older_trust_store_is_gone_on_from_once_that_is_said() {
    let home = Home::with_maintainer();
    let (before, newest) = {
        let before = home.read(TRUST);
        revoke(&home, "agent:a").exits(0);
        (before, trust(&home)["version"].as_u64().unwrap())
    };
    let unchanged = home.run(["trust", "restored"]).exits(0).json();
    assert_eq!(unchanged["putBack"], Value::Null);
    assert_eq!(trust(&home)["version"], newest);

    home.write(TRUST, before);
    let refused = home.talk(["authorize", "--action", ALLOW]).exits(26);
    assert!(refused.stderr.contains("`actionpass trust restored`"), "{refused:?}");
    let said = home.run(["trust", "restored"]).exits(0).json();
    assert_eq!(said["putBack"]["version"], newest + 1);
    assert_eq!(said["putBack"]["revocations"].as_array().map(Vec::len), Some(1));
    assert_eq!(revoked(&home), ["agent:a"]);
    home.run(["authorize", "--action", ALLOW]).exits(0);
    home.run(["doctor"]).exits(0);
}

/// The way on that `docs/howto/restore-a-backup.md` tells where there is no backup of the ledger: another issuer.
#[test]
fn without_a_ledger_another_issuer_goes_on() {
    let home = Home::with_maintainer();
    home.pass_into("pass.jwt", ALLOW);
    revoke(&home, "agent:rogue").exits(0);
    let export = home.talk(["ledger", "export"]).exits(0).stdout;
    home.write("ledger.jsonl", export);
    fs::remove_file(home.path("home/ledger.db")).unwrap();
    let mend = home.run(["doctor"]).json().to_string();
    assert!(mend.contains("docs/howto/restore-a-backup.md"), "{mend}");

    home.run(["--home", "new", "init", "--issuer", "https://issuer.example/2"])
        .exits(0);
    fs::copy(home.path("home/policy.toml"), home.path("new/policy.toml")).unwrap();
    home.run(["trust", "show"]).exits(0);
    let approver = [
        "--use",
        "approval",
        "--principal",
        crate::home::MAINTAINER,
        "--role",
        "maintainer",
    ];
    home.run([&["--home", "new", "trust", "add", "maintainer.jwk"], &approver[..]].concat())
        .exits(0);
    home.run([
        "--home",
        "new",
        "revoke",
        "principal",
        "agent:rogue",
        "--reason",
        "as before",
    ])
    .exits(0);
    let pass = home.run(["--home", "new", "authorize", "--action", ALLOW]).exits(0);
    let pass = home.write_pass(&pass);
    home.run(["--home", "new", "verify", "--token", &pass, "--action", ALLOW])
        .exits(0);
    // Passes of the old issuer are not its own, and the old evidence still verifies.
    home.run(["--home", "new", "verify", "--token", "pass.jwt", "--action", ALLOW])
        .refuses(20, &["key_unknown"]);
    home.run(["ledger", "verify", "ledger.jsonl", "--trust", TRUST])
        .exits(0);
}

/// What may be pruned is not missed, and neither is what was lifted.
#[test]
fn what_was_pruned_or_lifted_is_not_put_back() {
    let home = Home::new();
    let pass = home.run(["authorize", "--action", ALLOW]).exits(0).json()["pass"]["id"].take();
    home.run(["revoke", "pass", pass.as_str().unwrap(), "--reason", "wrong"])
        .exits(0);
    let lifted = revoke(&home, "agent:a").exits(0).json()["revocation"]["id"].take();
    home.run(["trust", "lift", lifted.as_str().unwrap(), "--reason", "found again"])
        .exits(0);
    let pruned: Vec<Value> = trust(&home)["revocations"].as_array().unwrap().clone();
    assert!(pruned[0]["expiresAt"].is_string(), "{pruned:?}");
    // A version of which the ledger knows nothing yet, so that all is compared.
    home.run(["trust", "refresh"]).exits(0);
    home.run(["authorize", "--action", ALLOW]).exits(0);

    // Before it may be pruned it is missed.
    let mut document = trust(&home);
    document["revocations"] = json!([]);
    document["version"] = json!(document["version"].as_u64().unwrap() + 1);
    home.write(TRUST, document.to_string());
    home.run(["authorize", "--action", ALLOW])
        .fails(26, "trust_rolled_back");
}

#[cfg(unix)]
#[test]
fn a_trust_store_behind_a_link_is_changed_where_it_is() {
    let home = Home::new();
    fs::create_dir(home.path("shared")).unwrap();
    fs::rename(home.path(TRUST), home.path("shared/trust.json")).unwrap();
    std::os::unix::fs::symlink("../shared/trust.json", home.path(TRUST)).unwrap();
    revoke(&home, "agent:codex-prod").exits(0);
    assert!(home.path(TRUST).is_symlink());
    assert_eq!(revoked(&home), ["agent:codex-prod"]);
    assert!(
        home.path("shared/trust.json.lock").exists(),
        "one lock, by whatever name"
    );
    home.run(["authorize", "--action", ALLOW]).exits(10);
}

#[cfg(unix)]
#[test]
fn a_lock_is_waited_for_no_longer_than_some_seconds() {
    use std::os::unix::fs::PermissionsExt;

    let home = Home::new();
    let path = home.path("home/trust.json.lock");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "whoever can open it can hold it");
    let held = File::open(&path).unwrap();
    held.lock().unwrap();
    let start = Instant::now();
    let refused = revoke(&home, "agent:codex-prod").fails(40, "trust_locked");
    assert!(start.elapsed().as_secs() < 30);
    let holder = format!("process {}", std::process::id());
    assert!(
        !cfg!(target_os = "linux") || refused.stdout.contains(&holder),
        "{refused:?}"
    );
    assert_eq!(revoked(&home), [""; 0]);
    drop(held);
    revoke(&home, "agent:codex-prod").exits(0);
}

#[cfg(unix)]
#[test]
fn a_home_in_a_folder_of_everybody_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let home = Home::new();
    let mode = |mode| fs::set_permissions(home.path("."), fs::Permissions::from_mode(mode)).unwrap();
    for (bits, is_safe) in [
        (0o755, true),
        (0o777, false),
        (0o757, false),
        (0o1777, true),
        (0o700, true),
    ] {
        mode(bits);
        let ran = home.run(["authorize", "--action", ALLOW]);
        if is_safe {
            ran.exits(0);
        } else {
            ran.fails(40, "home_not_private");
        }
    }
}

/// What an attacker tried with a revoked agent: each way to get back to a trust store that doesn't say so. `authorize`,
/// `verify --consume` and `doctor` all refuse it.
#[test]
fn g07_no_way_leads_back_to_a_trust_store_without_a_revocation() {
    let without_config = |home: &Home, act: &dyn Fn()| {
        let config = home.read("home/config.toml");
        append(home, "home/config.toml", "x = [");
        act();
        home.write("home/config.toml", config);
    };
    let without_ledger = |home: &Home, act: &dyn Fn()| {
        let ledger = back::copy(home);
        fs::remove_file(home.path("home/ledger.db")).unwrap();
        act();
        back::put_back(home, &ledger);
    };
    // Versions that the ledger was not told of lie between the two.
    let refreshed = |home: &Home, before: &str| {
        revoke(home, "agent:codex-prod").exits(0);
        home.run(["trust", "refresh"]).exits(0);
        home.run(["trust", "refresh"]).exits(0);
        home.write(TRUST, before);
        without_config(home, &|| {
            revoke(home, "agent:a").exits(0);
            revoke(home, "agent:b").exits(0);
        });
    };
    let overtaken = |home: &Home, before: &str| {
        revoke(home, "agent:codex-prod").exits(0);
        home.write(TRUST, before);
        without_ledger(home, &|| {
            revoke(home, "agent:a").exits(0);
            revoke(home, "agent:b").exits(0);
        });
    };
    // The ledger came out of a backup as well: only the witness has seen the newer trust store.
    let all_restored = |home: &Home, before: &str| {
        let ledger = back::copy(home);
        revoke(home, "agent:codex-prod").exits(0);
        home.write(TRUST, before);
        back::put_back(home, &ledger);
        home.run(["ledger", "restored"]).fails(26, "trust_rolled_back");
    };
    let unrecorded = |home: &Home, before: &str| {
        without_ledger(home, &|| {
            let said = revoke(home, "agent:codex-prod").exits(0).json();
            assert_eq!(said["warning"]["witnessed"], true);
        });
        home.write(TRUST, before);
    };
    type Way<'a> = (&'a str, &'a dyn Fn(&Home, &str));
    let ways: [Way<'_>; 4] = [
        ("refreshed", &refreshed),
        ("overtaken", &overtaken),
        ("all restored", &all_restored),
        ("unrecorded", &unrecorded),
    ];
    for (way, go) in ways {
        let home = Home::new();
        home.pass_into("pass.jwt", ALLOW);
        let before = home.read(TRUST);
        go(&home, &before);
        home.run(["authorize", "--action", ALLOW])
            .fails(26, "trust_rolled_back");
        home.run(["verify", "--token", "pass.jwt", "--action", ALLOW, "--consume"])
            .fails(26, "trust_rolled_back");
        let doctor = home.run(["doctor"]);
        assert_eq!(doctor.exit, 26, "{way}: {doctor:?}");
        // Going on from it is possible, and takes its version above all that was seen.
        let seen = witnessed(&home);
        let said = home.run(["trust", "restored"]).exits(0).json();
        let version = said["putBack"]["version"].as_u64();
        assert!(version > Some(seen), "{way}: {version:?} {seen}");
        home.run(["doctor"]).exits(0);
        if way == "refreshed" || way == "overtaken" {
            home.run(["authorize", "--action", ALLOW]).exits(10);
        }
    }
}

/// A failure after the trust store was written is no failure of the revocation.
#[test]
fn what_is_revoked_and_not_recorded_is_a_warning() {
    let home = Home::new();
    let connection = rusqlite::Connection::open(home.path("home/ledger.db")).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    let said = revoke(&home, "agent:codex-prod").exits(0).json();
    assert_eq!(said["warning"]["code"], "store_busy", "{said}");
    connection.execute_batch("ROLLBACK").unwrap();
    drop(connection);
    assert_eq!(revoked(&home), ["agent:codex-prod"]);
    home.run(["authorize", "--action", ALLOW]).exits(10);
    assert_eq!(recorded(&home), ["agent:codex-prod"]);
}

/// Links and pipes in the place of files: nothing hangs, and nothing of others is touched.
#[cfg(unix)]
#[test]
fn links_and_pipes_are_no_files_of_a_home() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let home = Home::new();
    home.write("precious", "");
    fs::set_permissions(home.path("precious"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::remove_file(home.path("home/trust.json.lock")).unwrap();
    symlink(home.path("precious"), home.path("home/trust.json.lock")).unwrap();
    revoke(&home, "agent:a").fails(40, "trust_unwritable");
    let mode = fs::metadata(home.path("precious")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    fs::remove_file(home.path("home/trust.json.lock")).unwrap();

    for file in [
        "trust.json.lock",
        "trust.json",
        "config.toml",
        "policy.toml",
        "ledger.witness",
    ] {
        let path = home.path("home").join(file);
        let before = fs::read(&path).ok();
        // Absent where a lock was never taken.
        let _ = fs::remove_file(&path);
        let made = home.finish(home.command_of("mkfifo", [&path]).spawn().unwrap());
        assert_eq!(made.exit, 0);
        if file == "trust.json.lock" {
            revoke(&home, "agent:a").fails(40, "trust_unwritable");
        } else {
            assert_ne!(home.run(["authorize", "--action", ALLOW]).exit, 0, "{file}");
        }
        fs::remove_file(&path).unwrap();
        if let Some(before) = before {
            fs::write(&path, before).unwrap();
        }
    }
    home.run(["authorize", "--action", ALLOW]).exits(0);
}

/// Whoever may write the folder of a replay store puts a former one in its place; a second name has another log.
#[cfg(unix)]
#[test]
fn a_replay_store_that_others_can_swap_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let home = Home::new();
    home.pass_into("pass.jwt", ALLOW);
    let consume = |store: &str| verify_outside(&home, &["--consume", "--replay-store", store]);
    fs::create_dir(home.path("open")).unwrap();
    fs::set_permissions(home.path("open"), fs::Permissions::from_mode(0o777)).unwrap();
    home.run(["replay-store", "new", "open/used.db"])
        .fails(40, "home_not_private");
    fs::set_permissions(home.path("open"), fs::Permissions::from_mode(0o755)).unwrap();
    home.run(["replay-store", "new", "open/used.db"]).exits(0);
    fs::set_permissions(home.path("open"), fs::Permissions::from_mode(0o777)).unwrap();
    consume("open/used.db").fails(40, "home_not_private");
    fs::set_permissions(home.path("open"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::hard_link(home.path("open/used.db"), home.path("open/second.db")).unwrap();
    consume("open/second.db").fails(40, "store_not_private");
}

/// Every folder that a link leads through counts.
#[cfg(unix)]
#[test]
fn a_link_through_a_folder_of_everybody_is_refused() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let home = Home::new();
    fs::create_dir(home.path("open")).unwrap();
    symlink(home.path("home"), home.path("open/current")).unwrap();
    symlink(home.path("open/current"), home.path("mine")).unwrap();
    let authorize = || home.run(["--home", "mine", "authorize", "--action", ALLOW]);
    authorize().exits(0);
    fs::set_permissions(home.path("open"), fs::Permissions::from_mode(0o777)).unwrap();
    authorize().fails(40, "home_not_private");
    // A file behind a link counts like the home itself.
    fs::rename(home.path("home/policy.toml"), home.path("open/policy.toml")).unwrap();
    symlink(home.path("open/policy.toml"), home.path("home/policy.toml")).unwrap();
    home.run(["authorize", "--action", ALLOW]).fails(40, "home_not_private");
}
