//! What newcomers try first: the demo, and the commands of the README.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::home::Home;
use crate::program::{actionpass, root};

#[test]
fn the_demo_keeps_its_promises_and_leaves_nothing_behind() {
    for is_json in [false, true] {
        let home = Home::none();
        for folder in ["tmp", "user", "work"] {
            fs::create_dir(home.path(folder)).unwrap();
        }
        let mut command = home.command(["demo"]);
        command
            .args(is_json.then_some("--json"))
            .env_remove("ACTIONPASS_HOME")
            .current_dir(home.path("work"));
        command.env("TMPDIR", home.path("tmp")).env("HOME", home.path("user"));
        let start = Instant::now();
        let ran = home.finish(command.spawn().unwrap()).exits(0);
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
        for folder in ["tmp", "user", "work"] {
            assert_eq!(fs::read_dir(home.path(folder)).unwrap().count(), 0, "{folder}");
        }
        if is_json {
            let story = ran.json();
            assert_eq!(story["asPromised"], true);
            let names: Vec<&str> = story["steps"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|step| step["name"].as_str())
                .collect();
            for step in [
                "allow", "deny", "step_up", "approval", "pass", "verified", "tampered", "replayed", "ledger",
            ] {
                assert!(names.contains(&step), "{step}: {names:?}");
            }
        } else {
            assert_eq!(ran.stdout, "");
            for word in ["allow", "deny", "step_up", "payload_hash_mismatch", "already_used"] {
                assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
            }
        }
    }
}

/// The block under "From the command line", typed line by line into one shell. A comment that says `exit N` is a
/// promise; without one the promise is 0.
#[test]
fn the_commands_of_the_readme_work_as_written() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, section) = readme.split_once("## From the command line").unwrap();
    let (_, block) = section.split_once("```console\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let mut script = String::new();
    let mut promised = Vec::new();
    for line in block.lines().filter_map(|line| line.strip_prefix("$ ")) {
        script.push_str(&format!("{line}\necho \"exit $?\" >&3\n"));
        let comment = line.split_once(" # ").map_or("", |(_, comment)| comment);
        let exit = comment
            .split("exit ")
            .nth(1)
            .map_or("0", |rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap());
        promised.push(format!("exit {exit}"));
    }
    assert!(promised.len() >= 5, "{block}");

    let home = Home::none();
    let path = format!("{}:/usr/bin:/bin", actionpass().parent().unwrap().display());
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("exec 3>exits\n{script}")])
        .current_dir(home.path(""))
        .env_clear();
    shell
        .env("PATH", path)
        .env("HOME", home.path("user"))
        .env("USER", "tester")
        .stdin(Stdio::null());
    fs::create_dir(home.path("user")).unwrap();
    let ran = shell.output().unwrap();
    let said = [ran.stdout, ran.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    let exits = home.read("exits");
    assert_eq!(exits.lines().collect::<Vec<_>>(), promised, "{block}\n{said:#?}");
}

/// The commands that a refusal suggests are commands.
#[test]
fn what_is_suggested_next_works() {
    let home = Home::with_maintainer();
    let waiting = home.talk(["authorize", "--action", crate::action::STEP_UP]).exits(11);
    let (_, next) = waiting.stderr.split_once("next:\n").unwrap();
    let key = crate::home::key_file(crate::home::MAINTAINER);
    let next = next
        .replace("KEY", &key)
        .replace("user:NAME", crate::home::MAINTAINER)
        .replace("TEXT", "read --yes");
    let path = format!("{}:/usr/bin:/bin", actionpass().parent().unwrap().display());
    let mut shell = Command::new("sh");
    shell.args(["-ec", &next]).current_dir(home.path("")).env_clear();
    shell
        .env("PATH", path)
        .env("ACTIONPASS_HOME", home.path("home"))
        .stdin(Stdio::null());
    let ran = shell.output().unwrap();
    assert!(ran.status.success(), "{next}\n{}", String::from_utf8_lossy(&ran.stderr));
    // The vote printed what the request is, and the last of them a pass.
    let said = String::from_utf8(ran.stdout).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!((lines.len(), lines[0]), (2, "approved"), "{said}");
    assert_eq!(lines[1].split('.').count(), 3, "{said}");
}
