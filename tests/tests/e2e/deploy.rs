//! The files that a service is run by: the systemd unit as systemd reads it, and what the container file copies, run as it says, in an
//! empty root that nothing can be written to.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use actionpass_client::{Client, ClientError};
use serde_json::Value;

use crate::program::{actionpass, cargo, not_run, root};

/// The exposure that `systemd-analyze security` gives the unit is at most this, of 100.
const MOST_EXPOSED: &str = "15";

fn has(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[test]
fn systemd_takes_the_unit_and_finds_it_confined() {
    if !has("systemd-analyze") {
        return not_run("the systemd unit (no systemd-analyze)");
    }
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("actionpass.service");
    let text = fs::read_to_string(root().join("deploy/actionpass.service")).unwrap();
    let start = "ExecStart=/usr/local/bin/actionpass serve ";
    assert!(text.contains(start));
    // It looks whether the program is there.
    let here = format!("ExecStart={} serve ", actionpass().display());
    fs::write(&unit, text.replace(start, &here)).unwrap();
    let analyze = |args: &[&str]| {
        let ran = Command::new("systemd-analyze").args(args).arg(&unit).output().unwrap();
        let said = [ran.stdout, ran.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert!(ran.status.success(), "{args:?}: {said:?}");
        said[1].clone()
    };
    assert_eq!(analyze(&["verify", "--man=no"]), "");
    analyze(&["security", "--offline=true", &format!("--threshold={MOST_EXPOSED}")]);
}

/// The program as the container file builds it: with the features that are on by default.
///
/// It is built between the other packages, so that what they all depend on isn't built anew with fewer features. What a
/// program is linked with is decided by its own dependencies all the same.
fn by_default() -> PathBuf {
    // The one with everything is linked elsewhere first, and stands in its place again afterwards.
    let all = actionpass();
    let build = |more: &[&str]| {
        let mut build = cargo();
        build.args([
            "build",
            "--workspace",
            "--exclude=actionpass-node",
            "--exclude=actionpass-python",
        ]);
        build.args(["--bin=actionpass"]).args(more);
        assert!(build.status().unwrap().success());
    };
    build(&[]);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let copy = target.join(format!("actionpass-default-{}", std::process::id()));
    fs::copy(target.parent().unwrap().join("debug/actionpass"), &copy).unwrap();
    build(&["--features=actionpass-cli/all-custodians,actionpass-cli/otlp"]);
    assert!(all.exists());
    copy
}

/// The last stage of the container file.
struct Stage {
    /// From where to where: a folder if it ends in `/`.
    copies: Vec<(Vec<String>, String)>,
    env: Vec<(String, String)>,
    user: String,
    volume: String,
    entrypoint: Vec<String>,
    cmd: Vec<String>,
}

/// Reads the container file; an instruction that this test doesn't follow fails it.
fn last_stage() -> Stage {
    let text = fs::read_to_string(root().join("deploy/Containerfile")).unwrap();
    let (_, stage) = text.rsplit_once("\nFROM ").unwrap();
    let mut lines = stage.lines();
    assert_eq!(lines.next(), Some("scratch"));
    let mut read = Stage {
        copies: Vec::new(),
        env: Vec::new(),
        user: String::new(),
        volume: String::new(),
        entrypoint: Vec::new(),
        cmd: Vec::new(),
    };
    let list = |text: &str| serde_json::from_str::<Vec<String>>(text).unwrap();
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let (instruction, rest) = line.split_once(' ').unwrap();
        match instruction {
            "COPY" => {
                let mut words = rest.split(' ').filter(|word| !word.starts_with("--chown="));
                assert_eq!(words.next(), Some("--from=build"), "{line}");
                let mut words: Vec<String> = words.map(ToOwned::to_owned).collect();
                let to = words.pop().unwrap();
                read.copies.push((words, to));
            }
            "ENV" => {
                let (name, value) = rest.split_once('=').unwrap();
                read.env.push((name.to_owned(), value.to_owned()));
            }
            "USER" => rest.clone_into(&mut read.user),
            "VOLUME" => rest.clone_into(&mut read.volume),
            "EXPOSE" => {}
            "ENTRYPOINT" => read.entrypoint = list(rest),
            "CMD" => read.cmd = list(rest),
            _ => panic!("{line}"),
        }
    }
    read
}

/// Makes the root that the container file describes, and says where its volume is kept.
fn lay_out(stage: &Stage, program: &Path, container: &Path) {
    for (files, to) in &stage.copies {
        let to = container.join(to.trim_start_matches('/'));
        fs::create_dir_all(&to).unwrap();
        for file in files {
            match file.as_str() {
                // The build leaves an empty folder there.
                "/empty/" => fs::create_dir_all(to.join("actionpass")).unwrap(),
                "/src/target/release/actionpass" => drop(fs::copy(program, to.join("actionpass")).unwrap()),
                file => {
                    let name = Path::new(file).file_name().unwrap();
                    fs::copy(file, to.join(name)).unwrap_or_else(|error| panic!("{file}: {error}"));
                }
            }
        }
    }
}

#[test]
fn the_container_serves_in_a_root_that_nothing_is_written_to() {
    if !cfg!(target_arch = "x86_64") || !Path::new("/etc/ssl/certs/ca-certificates.crt").exists() {
        return not_run("the container file (it is for x86-64 with ca-certificates)");
    }
    let may = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "true"])
        .output();
    if !may.is_ok_and(|ran| ran.status.success()) {
        return not_run("the container file (no user namespaces)");
    }
    let stage = last_stage();
    assert_eq!(stage.user, "65532:65532");
    let program = by_default();
    let folder = tempfile::tempdir().unwrap();
    let (container, volume) = (folder.path().join("root"), folder.path().join("volume"));
    lay_out(&stage, &program, &container);
    fs::remove_file(program).unwrap();
    fs::create_dir(&volume).unwrap();
    fs::set_permissions(&volume, fs::Permissions::from_mode(0o700)).unwrap();

    // The root is made read-only, the volume is put into it; then the user becomes the one of the file, without any capability.
    let enter = r#"
        set -e
        mount --bind "$1" "$1"
        mount --bind "$2" "$1$3"
        mount -o remount,bind,ro "$1"
        if touch "$1/x" 2>/dev/null; then echo "the root can be written to" >&2; exit 99; fi
        root=$1; shift 3
        exec unshare --user --map-user=65532 --map-group=65532 --root="$root" --wd=/ "$@"
    "#;
    let run = |args: &[&str]| {
        let mut command = Command::new("unshare");
        command
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", enter, "sh"])
            .args([&container, &volume])
            .arg(&stage.volume)
            .args(&stage.entrypoint)
            .args(args)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(stage.env.iter().cloned())
            .stdin(Stdio::null());
        command
    };
    let made = run(&["init"]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

    // Telemetry is not among those features. Who asks for it isn't left without.
    let config = volume.join("home/config.toml");
    let plain = fs::read_to_string(&config).unwrap();
    fs::write(
        &config,
        format!("{plain}\n[serve.otlp]\nendpoint = \"http://127.0.0.1:4318\"\n"),
    )
    .unwrap();
    let without = run(&["serve", "--listen", "127.0.0.1:0"]).output().unwrap();
    let said = String::from_utf8_lossy(&without.stderr).into_owned();
    assert!(!without.status.success() && said.contains("otlp_unusable"), "{said}");
    fs::write(&config, plain).unwrap();

    // As the file starts it, but for the port, which other tests may have, and with a line that a program reads.
    let mut args: Vec<&str> = stage.cmd.iter().map(String::as_str).collect();
    let listen = args.iter_mut().find(|arg| **arg == "0.0.0.0:8311").unwrap();
    *listen = "127.0.0.1:0";
    args.push("--json");
    let mut serving = run(&args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(serving.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
    let url = format!("http://{}", said["address"].as_str().unwrap());
    // Nobody is a client yet, and it is the service that says so.
    let refused = Client::new(&url, "apc_nobody").unwrap().trust().unwrap_err();
    assert!(matches!(refused, ClientError::Refused { .. }), "{refused:?}");
    let pid = rustix::process::Pid::from_child(&serving);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let ended = serving.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}
