//! The trust store file under changes, contention and damage.
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail their test"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use actionpass_model::{KeyStatus, Revocation, RevocationSchema, RevocationTarget, Timestamp, TrustStore};
use actionpass_store::conformance::fixtures::{trust_key, trust_kid};
use actionpass_store::trust_file::{
    AnyError, ChangeCode, ChangeError, TrustFile, TrustFileCode, TrustFileError, change,
};

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_millis((1_795_000_000 + seconds) * 1000).unwrap()
}

fn revocation(number: u64, target: RevocationTarget) -> Revocation {
    let expires_at = match &target {
        RevocationTarget::Pass { .. } | RevocationTarget::Approval { .. } => Some(at(100)),
        _ => None,
    };
    Revocation {
        schema: RevocationSchema,
        id: format!("rev_{number:032x}").parse().unwrap(),
        target,
        reason: "left its lane".parse().unwrap(),
        revoked_by: "user:owner".parse().unwrap(),
        revoked_at: at(0),
        compromised_since: None,
        expires_at,
        ext: None,
    }
}

fn pass_target() -> RevocationTarget {
    RevocationTarget::Pass {
        id: format!("ap_{:032x}", 1).parse().unwrap(),
        issuer: "https://issuer.example".parse().unwrap(),
    }
}

fn any(_: &TrustStore) -> Result<(), AnyError> {
    Ok(())
}

fn add(file: &TrustFile, number: u64) -> Result<u64, TrustFileError> {
    let added = file.update(at(number), any, |trust| Ok(change::add_key(trust, trust_key(number))?));
    added.map(|((), snapshot)| snapshot.document.version)
}

/// A file in a folder of its own.
fn made() -> (tempfile::TempDir, PathBuf, TrustFile) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trust.json");
    let file = TrustFile::create(&path, &TrustStore::new(at(0))).unwrap();
    (folder, path, file)
}

fn cause(error: &TrustFileError) -> Option<ChangeCode> {
    std::error::Error::source(error)?
        .downcast_ref::<ChangeError>()
        .map(ChangeError::code)
}

#[test]
fn a_file_is_made_once_and_grows_with_every_write() {
    let (_folder, path, file) = made();
    let again = TrustFile::create(&path, &TrustStore::new(at(0))).unwrap_err();
    assert_eq!(again.code(), TrustFileCode::TrustExists);
    let stamp = file.stamp().unwrap();
    assert_eq!(stamp, file.stamp().unwrap());
    assert_eq!(add(&file, 7).unwrap(), 2);
    assert_ne!(stamp, file.stamp().unwrap());
    let snapshot = file.read().unwrap();
    assert_eq!((snapshot.document.version, snapshot.document.updated_at), (2, at(7)));
    assert_eq!(snapshot.text().bytes(), fs::read(&path).unwrap());
    assert_eq!(
        fs::read_dir(path.parent().unwrap()).unwrap().count(),
        2,
        "only the file and its lock stay"
    );
}

#[test]
fn keys_and_revocations_have_a_line_each() {
    let (_folder, path, file) = made();
    let empty = fs::read_to_string(&path).unwrap();
    assert!(empty.contains("\n  \"keys\": [],\n  \"revocations\": []"), "{empty}");
    add(&file, 1).unwrap();
    add(&file, 2).unwrap();
    file.update(at(3), any, |trust| {
        Ok(change::revoke(trust, revocation(1, pass_target()))?)
    })
    .unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let document = file.read().unwrap().document;
    let lines: Vec<_> = text.lines().map(|line| line.trim_end_matches(',')).collect();
    for key in &document.keys {
        assert!(
            lines.contains(&format!("    {}", serde_json::to_string(key).unwrap()).as_str()),
            "{text}"
        );
    }
    for entry in &document.revocations {
        assert!(
            lines.contains(&format!("    {}", serde_json::to_string(entry).unwrap()).as_str()),
            "{text}"
        );
    }
    assert!(lines.contains(&"  \"version\": 4"), "{text}");
    assert!(
        text.starts_with("{\n  \"schema\": ") && text.ends_with("\n}\n"),
        "{text}"
    );
    // The same value as in any other layout.
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value, serde_json::to_value(&document).unwrap());
}

#[test]
fn what_refuses_leaves_the_file_as_it_was() {
    let (_folder, path, file) = made();
    add(&file, 1).unwrap();
    let before = fs::read(&path).unwrap();
    let twice = add(&file, 1).unwrap_err();
    assert_eq!(
        (twice.code(), cause(&twice)),
        (TrustFileCode::TrustChangeRefused, Some(ChangeCode::KeyExists))
    );
    let invalid = file.update(
        at(1),
        |_| Err("off the curve".into()),
        |trust| Ok(change::add_key(trust, trust_key(2))?),
    );
    assert_eq!(invalid.unwrap_err().code(), TrustFileCode::TrustChangeRefused);
    let contradicts = file.update(at(1), any, |trust| {
        trust.keys[0].principal = Some("user:a".parse()?);
        Ok(())
    });
    assert_eq!(contradicts.unwrap_err().code(), TrustFileCode::TrustInvalid);
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_revoked_key_never_comes_back() {
    let (_folder, _path, file) = made();
    add(&file, 1).unwrap();
    let revoke = revocation(1, RevocationTarget::Key(trust_kid(1)));
    file.update(at(1), any, |trust| Ok(change::revoke(trust, revoke)?))
        .unwrap();
    let entry = file.read().unwrap().document.key(&trust_kid(1)).unwrap().clone();
    assert_eq!(entry.status, KeyStatus::Revoked);

    // The entry may go, the revocation stays and keeps the kid out.
    file.update(at(2), any, |trust| Ok(change::remove_key(trust, &trust_kid(1))?))
        .unwrap();
    assert_eq!(cause(&add(&file, 1).unwrap_err()), Some(ChangeCode::KeyWasRevoked));
    // Also for changes made by hand.
    let by_hand = file.update(at(3), any, |trust| {
        trust.keys.push(trust_key(1));
        Ok(())
    });
    assert_eq!(cause(&by_hand.unwrap_err()), Some(ChangeCode::KeyWasRevoked));
    let dropped = file.update(at(9000), any, |trust| {
        trust.revocations.clear();
        Ok(())
    });
    assert_eq!(cause(&dropped.unwrap_err()), Some(ChangeCode::RevocationDropped));
    let back = file.update(at(9000), any, |trust| {
        let mut revoked = trust_key(2);
        revoked.status = KeyStatus::Revoked;
        trust.keys.push(revoked);
        Ok(())
    });
    back.unwrap();
    let active = file.update(at(9000), any, |trust| {
        trust.keys[0].status = KeyStatus::Active;
        Ok(())
    });
    assert_eq!(cause(&active.unwrap_err()), Some(ChangeCode::KeyWasRevoked));
}

#[test]
fn revocations_go_only_when_they_permit_it() {
    let mut trust = TrustStore::new(at(0));
    change::revoke(&mut trust, revocation(1, pass_target())).unwrap();
    // Whatever they say of a time: those of principals and keys stay.
    for (number, target) in [
        (2, RevocationTarget::Principal("agent:a".parse().unwrap())),
        (3, RevocationTarget::Key(trust_kid(1))),
    ] {
        let mut stays = revocation(number, target);
        stays.expires_at = Some(at(100));
        change::revoke(&mut trust, stays).unwrap();
    }
    let twice = change::revoke(&mut trust, revocation(1, pass_target()));
    assert_eq!(twice.unwrap_err().code(), ChangeCode::RevocationExists);
    assert_eq!(change::prune(&mut trust, at(100)), 0);
    assert_eq!(change::prune(&mut trust, at(101)), 1);
    assert_eq!(change::prune(&mut trust, at(1_000_000)), 0);
}

#[test]
fn keys_retire_once() {
    let mut trust = TrustStore::new(at(0));
    change::add_key(&mut trust, trust_key(1)).unwrap();
    change::retire_key(&mut trust, &trust_kid(1), at(5), Some(trust_kid(2)), None).unwrap();
    let entry = trust.key(&trust_kid(1)).unwrap();
    assert_eq!(
        (entry.status, entry.not_after, &entry.superseded_by),
        (KeyStatus::Retired, Some(at(5)), &Some(trust_kid(2)))
    );
    let twice = change::retire_key(&mut trust, &trust_kid(1), at(9), None, None);
    assert_eq!(twice.unwrap_err().code(), ChangeCode::KeyNotActive);
    let missing = change::retire_key(&mut trust, &trust_kid(9), at(9), None, None);
    assert_eq!(missing.unwrap_err().code(), ChangeCode::KeyMissing);
    change::revoke(&mut trust, revocation(1, RevocationTarget::Key(trust_kid(3)))).unwrap();
    assert_eq!(
        change::add_key(&mut trust, trust_key(3)).unwrap_err().code(),
        ChangeCode::KeyWasRevoked
    );
}

/// G7: what a reader has seen it doesn't forget, so an older file can't bring a revoked key back.
#[test]
fn g07_an_older_file_is_refused() {
    let (_folder, path, file) = made();
    let old = fs::read(&path).unwrap();
    add(&file, 1).unwrap();
    let new = fs::read(&path).unwrap();
    fs::write(&path, &old).unwrap();
    assert_eq!(file.read().unwrap_err().code(), TrustFileCode::TrustRolledBack);
    assert_eq!(add(&file, 2).unwrap_err().code(), TrustFileCode::TrustRolledBack);
    let other = String::from_utf8(new.clone())
        .unwrap()
        .replace("issuer.example", "attack.example");
    fs::write(&path, other).unwrap();
    assert_eq!(file.read().unwrap_err().code(), TrustFileCode::TrustRolledBack);
    fs::write(&path, new).unwrap();
    assert_eq!(file.read().unwrap().document.version, 2);
}

/// The value counts: the same one spelt otherwise is no other trust store, and another one of the same version is.
#[test]
fn g07_a_file_that_is_spelt_otherwise_is_the_same() {
    let (_folder, path, file) = made();
    add(&file, 1).unwrap();
    let before = file.read().unwrap();
    let mut value: serde_json::Value = serde_json::from_slice(before.text().bytes()).unwrap();
    // Members in the order of their names, and not a space more than needed.
    fs::write(&path, value.to_string()).unwrap();
    let after = file.read().unwrap();
    assert_ne!(after.text(), before.text());
    assert_eq!(after.evidence(), before.evidence());

    value["keys"][0]["reason"] = "another".into();
    fs::write(&path, value.to_string()).unwrap();
    assert_eq!(file.read().unwrap_err().code(), TrustFileCode::TrustRolledBack);
}

#[test]
fn g07_only_a_principals_revocation_is_lifted() {
    let (_folder, _, file) = made();
    let principal = RevocationTarget::Principal("agent:a".parse().unwrap());
    let targets = [principal, RevocationTarget::Key(trust_kid(9)), pass_target()];
    for (number, target) in (1..).zip(targets) {
        file.update(at(number), any, |trust| {
            Ok(change::revoke(trust, revocation(number, target))?)
        })
        .unwrap();
    }
    let lift = |number| {
        let id = revocation(number, pass_target()).id;
        file.update(at(9), any, |trust| {
            Ok(change::lift(
                trust,
                &id,
                "a test".parse().unwrap(),
                "user:b".parse().unwrap(),
            )?)
        })
    };
    for (number, code) in [
        (2, ChangeCode::RevocationNotLiftable),
        (3, ChangeCode::RevocationNotLiftable),
        (4, ChangeCode::RevocationMissing),
    ] {
        assert_eq!(cause(&lift(number).unwrap_err()), Some(code));
    }
    let after = lift(1).unwrap().1.document;
    assert_eq!((after.revocations.len(), after.lifted.len()), (2, 1));
    assert_eq!(after.lifted[0].version, after.version);
    // To name a revocation as lifted drops none of another kind, and a principal's goes only with its name.
    for kept in 2..=3 {
        let dropped = file.update(at(9), any, |trust| {
            let id = revocation(kept, pass_target()).id;
            trust.revocations.retain(|revocation| revocation.id != id);
            trust.lifted[0].revocation = id;
            Ok(())
        });
        assert_eq!(cause(&dropped.unwrap_err()), Some(ChangeCode::RevocationDropped));
    }
}

#[test]
fn broken_files_are_refused_whole() {
    let (_folder, path, file) = made();
    add(&file, 1).unwrap();
    let good = fs::read(&path).unwrap();
    for bad in [&b""[..], b"{}", &good[..good.len() / 2], b"\xff"] {
        fs::write(&path, bad).unwrap();
        assert_eq!(file.read().unwrap_err().code(), TrustFileCode::TrustInvalid);
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(file.read().unwrap_err().code(), TrustFileCode::TrustUnreadable);
    assert_eq!(file.stamp().unwrap_err().code(), TrustFileCode::TrustUnreadable);
}

#[cfg(unix)]
#[test]
fn a_file_that_everybody_can_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let (_folder, path, file) = made();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o646)).unwrap();
    assert_eq!(file.read().unwrap_err().code(), TrustFileCode::TrustNotPrivate);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    add(&file, 1).unwrap();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o640,
        "a write keeps the mode"
    );
}

const CHILD: &str = "ACTIONPASS_TRUST_CHILD";

/// Adds keys in a process of its own, when [`two_processes_lose_nothing`] starts this test so.
#[test]
fn child_adds_keys() {
    let Ok(task) = std::env::var(CHILD) else { return };
    let (first, path) = task.split_once(' ').unwrap();
    add_20(Path::new(path), first.parse().unwrap());
}

fn add_20(path: &Path, first: u64) {
    let file = TrustFile::open(path);
    for number in first..first + 20 {
        add(&file, number).unwrap();
    }
}

#[test]
fn two_processes_lose_nothing() {
    let (_folder, path, file) = made();
    let children: Vec<_> = [100, 200]
        .into_iter()
        .map(|first| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "child_adds_keys", "--nocapture"])
                .env(CHILD, format!("{first} {}", path.display()))
                .spawn()
                .unwrap()
        })
        .collect();
    // Readers see whole files only, and never an older one.
    thread::scope(|scope| {
        scope.spawn(|| add_20(&path, 300));
        for _ in 0..200 {
            file.read().unwrap();
        }
    });
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let document = file.read().unwrap().document;
    assert_eq!((document.keys.len(), document.version), (60, 61));
}
