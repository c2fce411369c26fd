//! How long the command line takes from its start to the verdict of `verify`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use actionpass_crypto::SoftwareKey;
use actionpass_model::{
    Issuer, PassId, Principal, Revocation, RevocationId, RevocationSchema, RevocationTarget, Statement,
};
use uuid::Uuid;

use crate::Effort;
use crate::bout::Bout;
use crate::fixture::{self, Fixture, ISSUER, RESOURCE, TENANT, TOOL};
use crate::row::{Budget, Row, time};

/// The program to be measured, built for release.
const PROGRAM: &str = "ACTIONPASS_BIN";

const SIZES: [(&str, usize, usize, f64); 2] = [
    (
        "command line, start to verdict of verify, 10 keys and 10 revocations",
        10,
        10,
        10.0,
    ),
    (
        "command line, start to verdict of verify, 200 keys and 10,000 revocations",
        200,
        10_000,
        25.0,
    ),
];

pub(crate) fn rows(fixture: &Fixture, effort: Effort) -> Vec<Row> {
    let Some(program) = std::env::var_os(PROGRAM).map(PathBuf::from) else {
        let why = format!("{PROGRAM} doesn't say where the program is; `cargo xtask bench` does");
        return SIZES
            .map(|(what, _, _, limit)| Row::not_run(what, Budget::Millis(limit), &why))
            .to_vec();
    };
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let token = write("pass.jwt", fixture.pass.as_bytes());
    let payload = write("payload.json", fixture.payload.as_bytes());
    let at = fixture.at().get().to_string();
    let verify = |trust: &Path| {
        let mut command = Command::new(&program);
        command
            .arg("verify")
            .arg("--token")
            .arg(&token)
            .arg("--payload")
            .arg(&payload)
            .arg("--trust")
            .arg(trust);
        command.args([
            "--tool",
            TOOL,
            "--resource",
            RESOURCE,
            "--issuer",
            ISSUER,
            "--audience",
            TOOL,
        ]);
        command.args(["--tenant", TENANT, "--at", &at]);
        // No home: the figure must not depend on whose machine it is.
        command.env("ACTIONPASS_HOME", folder.path().join("none"));
        run(&mut command);
    };
    let trusts =
        SIZES.map(|(_, keys, revocations, _)| write(&format!("trust-{keys}.json"), &trust(fixture, keys, revocations)));

    let mut bout = Bout::new(effort.of(41, 2), Duration::from_millis(1), effort, &fixture.control);
    let ids = [0, 1].map(|at: usize| {
        let trust = &trusts[at];
        bout.add_burst(1, || || verify(trust))
    });
    let nothing = bout.add_burst(1, || || run(&mut Command::new("true")));
    let outcome = bout.run();
    let beside = format!("starting `true`: {}", time(outcome.time(nothing)));
    let row = |at: usize| {
        let (what, _, _, limit) = SIZES[at];
        let taken = outcome.time(ids[at]);
        Row::new(what, time(taken), taken * 1e3 / limit, Budget::Millis(limit), &outcome).beside(beside.clone())
    };
    vec![row(0), row(1)]
}

fn run(command: &mut Command) {
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

/// A trust store of so many keys, the pass's among them, and so many revoked passes.
fn trust(fixture: &Fixture, keys: usize, revocations: usize) -> Vec<u8> {
    let mut store = fixture::trust_store(&fixture.key, &fixture.approver, fixture.now);
    while store.keys.len() < keys {
        store.keys.push(fixture::pass_key(&SoftwareKey::generate().unwrap()));
    }
    let issuer = Issuer::parse(ISSUER).unwrap();
    for _ in 0..revocations {
        store.revocations.push(Revocation {
            schema: RevocationSchema,
            id: RevocationId::from_uuid(Uuid::now_v7()),
            target: RevocationTarget::Pass {
                id: PassId::from_uuid(Uuid::now_v7()),
                issuer: issuer.clone(),
            },
            reason: Statement::parse("no longer needed").unwrap(),
            revoked_by: Principal::parse("user:owner@example.com").unwrap(),
            revoked_at: fixture.now,
            compromised_since: None,
            expires_at: None,
            ext: None,
        });
    }
    serde_json::to_vec(&store).unwrap()
}
