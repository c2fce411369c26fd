//! What the command line takes: from its start to the verdict of `verify`, and processor time of `authorize`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use actionpass_crypto::SoftwareKey;
use actionpass_model::{
    Issuer, PassId, Principal, Revocation, RevocationId, RevocationSchema, RevocationTarget, Statement, TrustStore,
};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use uuid::Uuid;

use crate::Effort;
use crate::bout::{Bout, Id};
use crate::fixture::{self, Fixture, ISSUER, RESOURCE, TENANT, TOOL};
use crate::row::{Budget, Row, against, time};

/// The program to be measured, built for release.
const PROGRAM: &str = "ACTIONPASS_BIN";

/// What is measured, by how many keys, with how many revocations, and the budget in milliseconds.
const VERIFY: [(&str, usize, usize, f64); 2] = [
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

/// What is measured, with how many revocations, and the budget in times of `verify` on the same home.
const AUTHORIZE: [(&str, usize, f64); 2] = [
    ("command line, processor time of authorize, against verify", 0, 5.5),
    ("the same, with 10,000 revocations in the trust store", REVOCATIONS, 3.0),
];
const REVOCATIONS: usize = 10_000;

pub(crate) fn rows(fixture: &Fixture, effort: Effort) -> Vec<Row> {
    let Some(program) = std::env::var_os(PROGRAM).map(PathBuf::from) else {
        let why = format!("{PROGRAM} doesn't say where the program is; `cargo xtask bench` does");
        let verify = VERIFY.map(|(what, _, _, limit)| Row::not_run(what, Budget::Millis(limit), &why));
        let authorize = AUTHORIZE.map(|(what, _, limit)| Row::not_run(what, Budget::AtMost(limit), &why));
        return verify.into_iter().chain(authorize).collect();
    };
    let folder = tempfile::tempdir().unwrap();
    let mut rows = verify(fixture, effort, &program, folder.path());
    rows.extend(authorize(fixture, effort, &program, folder.path()));
    rows
}

/// How long a verdict takes without a home, which must not depend on whose machine it is.
fn verify(fixture: &Fixture, effort: Effort, program: &Path, folder: &Path) -> Vec<Row> {
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let token = write("pass.jwt", fixture.pass.as_bytes());
    let payload = write("payload.json", fixture.payload.as_bytes());
    let at = fixture.at().get().to_string();
    let verify = |trust: &Path| {
        let mut command = Command::new(program);
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
        command.env("ACTIONPASS_HOME", folder.join("none"));
        run(command.stdout(Stdio::null()));
    };
    let trusts = VERIFY
        .map(|(_, keys, revocations, _)| write(&format!("trust-{keys}.json"), &trust(fixture, keys, revocations)));

    let mut bout = Bout::new(effort.of(41, 2), Duration::from_millis(1), effort, &fixture.control);
    let ids = [0, 1].map(|at: usize| {
        let trust = &trusts[at];
        bout.add_burst(1, || || verify(trust))
    });
    let nothing = bout.add_burst(1, || || drop(run(&mut Command::new("true"))));
    let outcome = bout.run();
    let beside = format!("starting `true`: {}", time(outcome.time(nothing)));
    let row = |at: usize| {
        let (what, _, _, limit) = VERIFY[at];
        let taken = outcome.time(ids[at]);
        Row::new(what, time(taken), taken * 1e3 / limit, Budget::Millis(limit), &outcome).beside(beside.clone())
    };
    vec![row(0), row(1)]
}

/// What deciding takes more than verifying, on one home: processor time, since what it waits for is the disk.
fn authorize(fixture: &Fixture, effort: Effort, program: &Path, folder: &Path) -> Vec<Row> {
    let homes = AUTHORIZE.map(|(_, revocations, _)| {
        let revocations = effort.of(revocations, revocations.min(10));
        Home::new(
            fixture,
            program,
            folder.join(format!("home-{revocations}")),
            revocations,
        )
    });
    let mut bout = Bout::new(effort.of(40, 2), Duration::from_millis(1), effort, &fixture.control);
    let ids: Vec<(Id, Id)> = homes
        .iter()
        .map(|home| {
            let authorize = bout.add_measured(|| processor_time(|| drop(home.authorize())));
            let verify = bout.add_measured(|| processor_time(|| home.verify()));
            (authorize, verify)
        })
        .collect();
    let nothing = bout.add_measured(|| processor_time(|| drop(run(&mut Command::new("true")))));
    let outcome = bout.run();
    let beside = format!("starting `true`: {}", time(outcome.time(nothing)));
    let rows = AUTHORIZE.iter().zip(ids);
    rows.map(|((what, _, limit), (authorize, verify))| {
        let figure = against(outcome.time(authorize), outcome.time(verify));
        let ratio = outcome.ratio(authorize, verify);
        Row::new(what, figure, ratio, Budget::AtMost(*limit), &outcome).beside(beside.clone())
    })
    .collect()
}

/// A home that `init` made, with an action that its policy allows and a pass for it.
struct Home<'a> {
    program: &'a Path,
    path: PathBuf,
}

impl<'a> Home<'a> {
    fn new(fixture: &Fixture, program: &'a Path, path: PathBuf, revocations: usize) -> Self {
        let home = Self { program, path };
        run(home.command("init").args(["--issuer", ISSUER]));
        if revocations > 0 {
            let trust = home.path.join("trust.json");
            let mut store: TrustStore = serde_json::from_slice(&fs::read(&trust).unwrap()).unwrap();
            store.version += 1;
            revoke(&mut store, fixture, revocations);
            fs::write(&trust, serde_json::to_vec(&store).unwrap()).unwrap();
        }
        // The first decision also records the revocations that the ledger doesn't have yet.
        fs::write(home.path.join("pass.jwt"), home.authorize()).unwrap();
        home
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.program);
        command
            .arg(name)
            .env("ACTIONPASS_HOME", &self.path)
            .env("USER", "tester");
        command
    }

    fn with_action(&self, name: &str) -> Command {
        let mut command = self.command(name);
        command.arg("--action").arg(self.path.join("examples/allow.json"));
        command
    }

    fn authorize(&self) -> Vec<u8> {
        run(&mut self.with_action("authorize")).stdout
    }

    fn verify(&self) {
        run(self
            .with_action("verify")
            .arg("--token")
            .arg(self.path.join("pass.jwt")));
    }
}

/// How many seconds the processors spent, for a user and in the kernel, on the processes that this waits for.
fn processor_time(work: impl FnOnce()) -> f64 {
    let spent = || {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
        usage.user_time() + usage.system_time()
    };
    let before = spent();
    work();
    (spent() - before).num_microseconds() as f64 / 1e6
}

fn run(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", output.status);
    output
}

/// A trust store of so many keys, the pass's among them, and so many revoked passes.
fn trust(fixture: &Fixture, keys: usize, revocations: usize) -> Vec<u8> {
    let mut store = fixture::trust_store(&fixture.key, &fixture.approver, fixture.now);
    while store.keys.len() < keys {
        store.keys.push(fixture::pass_key(&SoftwareKey::generate().unwrap()));
    }
    revoke(&mut store, fixture, revocations);
    serde_json::to_vec(&store).unwrap()
}

/// Revokes so many passes that nobody has.
pub(crate) fn revoke(store: &mut TrustStore, fixture: &Fixture, count: usize) {
    let issuer = Issuer::parse(ISSUER).unwrap();
    for _ in 0..count {
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
}
